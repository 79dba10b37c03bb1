"""Habits about compositions, and about how a function gives its outputs: joins, policies, `emit`."""

from collections.abc import Callable
from difflib import get_close_matches

from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.mistake_case import Case, outputs
from dandc.lang.recovery import comma_before_policy
from dandc.lang.softwords import STRATEGIES
from dandc.lang.spans import Span

_JOINS = "joins are `inner`, `left`, `right`, `full`, `anti` and `cross`: `by a inner b`"
_STRATEGY = {
    "outer": "full",
    "full_outer": "full",
    "fullOuter": "full",
    "join": "inner",
    "==": "inner",
    "=": "inner",
    "and": "inner",
}
_WORDS = tuple(sorted(word.lower() for word in STRATEGIES))


def _strategy(case: Case) -> Diagnostic | None:
    """`by a outer b`, `by a == b`: what stands between two parameters of a join."""
    names = _joined(case)
    if names == 0 or case.type == "COMMA":
        return None
    text = str(case.token)
    if case.type == "EQUAL" and case.problem.type_at(1) == "EQUAL":
        return None
    outer = _said_twice(case)
    if outer is not None:
        return outer
    if names > 1 and not (text in _STRATEGY and case.problem.type_at(1) in ("NAME", "QUOTED")):
        return None
    if case.type == "DOT" and names == 1:
        message = "a join names parameters, and meets them by the keys of their sets"
        return Diagnostic("P0129", message, case.span, "nothing of a parameter is named", notes=(_JOINS,))
    if text not in _STRATEGY and not (case.type == "NAME" and case.problem.type_at(1) in ("NAME", "QUOTED")):
        return None
    meant = _STRATEGY.get(text) or next(iter(get_close_matches(text.lower(), _WORDS, 1, 0.6)), "")
    fixes = (Fix(f"did you mean `{meant}`?", case.span, meant),) if meant else ()
    message = f"there is no join `{text}`"
    if case.type in ("EQ", "EQUAL", "AND"):
        message = "a join names two parameters and how they meet, not a condition"
    return Diagnostic("P0129", message, case.span, "not a join", notes=(_JOINS,), fixes=fixes)


def _joined(case: Case) -> int:
    """How many parameters a join names before the mistake, which stands where the next strategy would; 0 in no join."""
    tokens, i, names = case.problem.tokens, case.problem.index - 1, 0
    while i > case.problem.start and tokens[i].type in ("NAME", "QUOTED"):
        names += 1
        if tokens[i - 1].type == "BY":
            return names
        if tokens[i - 1].type not in STRATEGIES | {"CROSS"}:
            return 0
        i -= 2
    return 0


def _said_twice(case: Case) -> Diagnostic | None:
    """`by a left outer b`: `outer` was read as a parameter."""
    word = case.problem.previous
    if word is None or str(word) != "outer" or case.problem.type_at(-2) not in STRATEGIES:
        return None
    strategy = case.problem.tokens[case.problem.index - 2]
    fix = Fix("leave it out", Span(case.span.file, case.of(word).start, case.span.start), "")
    label = f"`{strategy}` says it alone"
    return Diagnostic("P0129", f"a join is one word: `{strategy}`", case.of(word), label, notes=(_JOINS,), fixes=(fix,))


def _join_first(case: Case) -> Diagnostic | None:
    """`f(each a, each b) inner by a, b`."""
    text, tokens = str(case.token), case.problem.tokens
    following = [str(t) for t in tokens[case.problem.index + 1 : case.problem.index + 5]]
    if text not in (*_WORDS, "outer", "cross") or following[:1] != ["by"] or "TIMEOUT" not in case.problem.expected:
        return None
    word = _STRATEGY.get(text, text)
    fixes: tuple[Fix, ...] = ()
    if len(following) == 4 and following[2] == ",":
        span = case.span.to(case.of(tokens[case.problem.index + 4]))
        fixes = (Fix("say it in order", span, f"by {following[1]} {word} {following[3]}"),)
    message = "how a join meets stands between the names of its parameters"
    return Diagnostic("P0129", message, case.span, f"write `by a {word} b`", fixes=fixes)


def _policy_comma(case: Case) -> Diagnostic | None:
    """`f(x) retry 3, timeout 2s`."""
    tokens, index = case.problem.tokens, case.problem.index
    if not comma_before_policy(tokens, index, case.problem.expected.__contains__):
        return None
    fix = Fix("leave it out", case.span, "", certain=True)
    return Diagnostic("P0113", "policies stand one behind another", case.span, "no comma between them", fixes=(fix,))


_POLICY = {"collect": "on failure collect into", "skip": "on failure skip"}


def _failure(case: Case) -> Diagnostic | None:
    """`f(x) collect failed`, and `on failure collect failed` without `into`."""
    if case.problem.expected == {"INTO"}:
        fix = Fix("add `into`", case.gap, " into", certain=case.type in ("NAME", "QUOTED"))
        message = "`collect` says what the failures are put `into`"
        return Diagnostic("P0101", message, case.gap, "`into` is missing here", fixes=(fix,))
    written = _POLICY.get(str(case.token))
    if written is None or "TIMEOUT" not in case.problem.expected or case.item != "COMPOSITION":
        return None
    span = case.span
    if case.type == "COLLECT" or str(case.token) == "collect":
        into = case.problem.tokens[case.problem.index + 1 : case.problem.index + 2]
        span = span.to(case.of(into[0])) if into and str(into[0]) == "into" else span
    fix = Fix(f"write `{written}`", span, written)
    message = f"`{case.token}` stands behind `on failure`"
    return Diagnostic("P0128", message, case.span, "not a policy alone", fixes=(fix,))


# Outputs.


def _assigned_output(case: Case) -> Diagnostic | None:
    """`text <- f"{x}";` in a function."""
    name = case.problem.previous
    if case.type != "LEFT_ARROW" or case.item != "FUNCTION" or name is None:
        return None
    if case.problem.index != case.problem.statement + 1:
        return None
    place = next((p for p in outputs(case) if p.name == str(name)), None)
    if place is None:
        return None
    span = case.of(name)
    fix = Fix("write `emit`", Span(span.file, span.start, span.start), "emit ", certain=True)
    origin = Label(place.span, f"`{name}` is an output")
    return Diagnostic(
        "P0120", "an output is given with `emit`", span, "`emit` is missing here", (origin,), fixes=(fix,)
    )


def _emit_value(case: Case) -> Diagnostic | None:
    """`emit x;`, `emit x + 1;`: a value, and no output that gets it."""
    problem = case.problem
    if case.first != "EMIT" or case.item != "FUNCTION" or problem.index == problem.statement:
        return None
    if case.type in ("EQUAL", "ARROW", "FAT_ARROW", "EQ") or problem.index > problem.statement + 2:
        return None
    places, written = outputs(case), problem.tokens[problem.statement + 1]
    rest = problem.tokens[problem.statement + 1 :]
    end = next((i for i, t in enumerate(rest) if t.type in ("SEMICOLON", "RBRACE")), 0)
    if not places or not end or any(t.type == "LEFT_ARROW" for t in rest[:end]):
        return None
    if str(written) in {p.name for p in places}:
        if case.type != "SEMICOLON":
            return None
        label = "`<- value` is missing here"
        return Diagnostic("P0120", f"this `emit` gives no value to `{written}`", case.gap, label)
    origin = Label(places[0].span.to(places[-1].span), "the declared outputs")
    span = case.of(written).to(case.of(rest[end - 1]))
    fixes: tuple[Fix, ...] = ()
    if len(places) == 1:
        at = Span(span.file, span.start, span.start)
        fixes = (Fix("name the output", at, f"{places[0].name} <- ", certain=rest[end].type == "SEMICOLON"),)
    notes = () if fixes else (f"`emit {places[0].name} <- ...;`",)
    message = "an `emit` names the output that gets its value"
    return Diagnostic("P0120", message, span, "given to no output", (origin,), notes=notes, fixes=fixes)


HABITS_OF_FLOWS: tuple[Callable[[Case], Diagnostic | None], ...] = (
    _strategy, _join_first, _policy_comma, _failure, _assigned_output, _emit_value,
)  # fmt: skip
