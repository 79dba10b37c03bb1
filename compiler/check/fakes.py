"""Checks `given` blocks: which fakes there are, and what each of their answers may say."""

import re
from collections.abc import Callable

from attrs import Factory, define, evolve

from dandc.compiler.check import report
from dandc.compiler.check.body import Body
from dandc.compiler.check.flow_state import config_name
from dandc.compiler.check.testplan import Fake, FakeAnswer, FakeRule
from dandc.compiler.check.types import lookup
from dandc.lang import tree
from dandc.lang.spans import Span

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODIES = ("json", "text", "bytes")
FAULTS = {"http": ("hang", "network"), "storage": ("hang", "missing", "full", "io")}
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_|~-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")

# Has a body's value checked and gives the number of the output that will hold it.
TakeBody = Callable[[str, tree.Expr], int]


def check_given(body: Body, root: str, stmt: tree.GivenStmt, take: TakeBody) -> Fake | None:
    """The fake that a `given` block describes, None after a report."""
    name = stmt.endpoint
    symbol = lookup(body.world, body.scope, name.text)
    if symbol is None:
        endpoints = [n for n, s in body.scope.names.items() if s.kind == "endpoint"]
        unknown = report.unknown_name(name.text, name.span, endpoints, "endpoint")
        notes = (f"endpoints here are {report.listed(endpoints)}",) if endpoints and not unknown.fixes else ()
        body.report(evolve(unknown, notes=notes))
        return None
    if symbol.kind != "endpoint":
        body.report(report.wrong_kind(name.text, name.span, symbol.kind, "endpoint"))
        return None
    module = body.world.endpoints[symbol.name].module
    if module not in FAULTS:
        if module:
            body.report(
                report.simple(
                    "C0432", f"there is no fake for endpoints of `{module}`", name.span, f"an endpoint of `{module}`"
                )
            )
        return None
    rules = tuple(_rule(body, module, rule, take) for rule in stmt.rules)
    return Fake(config_name(body.world, root, symbol.name), module, rules, stmt.span)


def _rule(body: Body, module: str, rule: tree.GivenRule, take: TakeBody) -> FakeRule:
    method = rule.method.text if rule.method else ""
    if rule.method is not None and module == "storage":
        _wrong(body, "objects of a store have a name and no method", rule.method.span, "remove it")
    elif rule.method is not None and method not in METHODS:
        _wrong(body, f"`{method}` is not a method", rule.method.span, "not a method", _listed(METHODS))
    if module == "http" and not rule.target.value.startswith("/"):
        _wrong(body, "the path of a request begins with `/`", rule.target.span, "not a path")
    answers = tuple(_Answer(body, module, take).check(answer) for answer in rule.answers)
    return FakeRule(method, rule.target.value, answers, rule.span)


def _wrong(body: Body, message: str, span: Span, label: str, *notes: str) -> None:
    body.report(report.simple("C0432", message, span, label, notes=notes))


def _listed(words: tuple[str, ...]) -> str:
    return f"there are {', '.join(f'`{w}`' for w in words)}"


@define
class _Answer:
    """One answer while it is checked."""

    body: Body
    module: str
    take: TakeBody
    answer: FakeAnswer = Factory(FakeAnswer)
    last: tree.Name | None = None

    def check(self, answer: tree.Answer) -> FakeAnswer:
        for part in answer.parts:
            self._part(part)
        return self.answer

    def _words(self) -> tuple[str, ...]:
        more = ("status", "header") if self.module == "http" else ()
        return ("delay", *more, *BODIES, *FAULTS[self.module])

    def _part(self, part: tree.AnswerPart) -> None:
        word = part.word.text
        if word not in self._words():
            message = f"`{word}` is not an answer of a fake of `{self.module}`"
            _wrong(self.body, message, part.word.span, "not an answer", _listed(self._words()))
        elif self.last is not None:
            _wrong(self.body, f"nothing can follow `{self.last.text}`", part.word.span, "the answer is complete")
        elif word == "delay":
            self._delay(part)
        elif part.duration_ms is not None:
            _wrong(self.body, "only `delay` takes a duration", part.span, "a duration")
        elif word == "status":
            self._status(part)
        elif word == "header":
            self._header(part)
        else:
            self._end(part, word)

    def _delay(self, part: tree.AnswerPart) -> None:
        if part.duration_ms is None:
            _wrong(self.body, "`delay` takes a duration", part.span, "such as `delay 5s`")
        else:
            self.answer = evolve(self.answer, delay_ms=self.answer.delay_ms + part.duration_ms)

    def _status(self, part: tree.AnswerPart) -> None:
        if isinstance(part.value, tree.IntLit) and 100 <= part.value.value <= 599:
            self.answer = evolve(self.answer, status=part.value.value)
        else:
            _wrong(self.body, "`status` takes a number from 100 to 599", part.span, "such as `status 500`")

    def _header(self, part: tree.AnswerPart) -> None:
        match = _HEADER.fullmatch(part.value.value) if isinstance(part.value, tree.StrLit) else None
        if match is None:
            _wrong(self.body, '`header` takes a string `"name: value"`', part.span, "not a header")
        else:
            self.answer = evolve(self.answer, headers=(*self.answer.headers, (match[1], match[2])))

    def _end(self, part: tree.AnswerPart, word: str) -> None:
        """A body or a fault: the last part of an answer."""
        self.last = part.word
        if word in BODIES and part.value is not None:
            self.answer = evolve(self.answer, media=word, body=self.take(word, part.value))
        elif word in BODIES:
            _wrong(self.body, f"`{word}` takes a value", part.span, "nothing is given")
        elif part.value is not None:
            _wrong(self.body, f"nothing can follow `{word}`", part.value.span, "the answer is complete")
        else:
            self.answer = evolve(self.answer, fault=word)
