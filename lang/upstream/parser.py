"""Text in upstream's composition language to its tree, or to one diagnostic: upstream stops at the first mistake too."""

import functools
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING

from dandc.lang.collector import collector_paused
from dandc.lang.diagnostics import Diagnostic, DiagnosticError, Fix
from dandc.lang.spans import Source, Span
from dandc.lang.tree import Name
from dandc.lang.upstream.tree import Application, Argument, Composition, Declaration, Module, Result, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput

_PHRASES = {
    "FUNCTION": "`function`",
    "COMPOSITION": "`composition`",
    "OPTIONAL": "`optional`",
    "BY": "`by`",
    "SHARD": "`all`, `each`, `keyed`, `anyEach` or `anyKeyed`",
    "STRATEGY": "`inner`, `left`, `right`, `full` or `cross`",
    "IDENT": "a name",
    "EMPTY": "`()`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "COMMA": "`,`",
    "SEMICOLON": "`;`",
    "EQUAL": "`=`",
    "ARROW": "`=>`",
    "$END": "the end",
}

# The words of each terminal, so that a misspelt one can be named.
_WORDS = {
    "FUNCTION": ("function",),
    "COMPOSITION": ("composition",),
    "OPTIONAL": ("optional",),
    "BY": ("by",),
    "SHARD": ("all", "each", "keyed", "anyEach", "anyKeyed"),
    "STRATEGY": ("inner", "left", "right", "full", "cross"),
}


@functools.cache
def _tables() -> "Lark":
    from lark import Lark

    text = files("dandc.lang.upstream").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="contextual", maybe_placeholders=False)


def parse(source: Source) -> Module:
    """The module in `source`; raises `DiagnosticError` (I1001)."""
    from lark.exceptions import UnexpectedInput

    with collector_paused():
        try:
            found = _tables().parse(source.text)
        except UnexpectedInput as error:
            raise DiagnosticError(_unexpected(source, error)) from None
        return Module(tuple(_Builder(source.file).item(_tree(child)) for child in found.children))


def _unexpected(source: Source, error: "UnexpectedInput") -> Diagnostic:
    """What stands at the place of a mistake, and what would be right there."""
    from lark.exceptions import UnexpectedToken

    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    start = len(source.text.rstrip()) if ended else error.pos_in_stream
    assert start is not None  # only the end has no place
    due = error.accepts if isinstance(error, UnexpectedToken) else getattr(error, "allowed", set())
    what = "" if ended else str(error.token) if isinstance(error, UnexpectedToken) else source.text[start]
    here = "the end" if not what else f"`{what[:40]}`" if what.isprintable() else "this character"
    words = sorted({_PHRASES[name] for name in due})
    notes = [f"expected {_either(words)}"] if words else []
    if source.text[start : start + 2] in ("//", "/*") or what == "#":
        notes.append("this language has no comments")
    span = Span(source.file, start, start + len(what))
    return Diagnostic(
        "I1001", f"{here} cannot stand here", span, "not expected", notes=tuple(notes), fixes=_meant(what, due, span)
    )


def _meant(written: str, due: "Iterable[str]", span: Span) -> tuple[Fix, ...]:
    """The keyword that a word stands for, among those that may stand at its place."""
    words = [word for name in due for word in _WORDS.get(name, ())]
    if written == "outer" and "full" in words:
        return (Fix("upstream's documentation says `outer`, its parser takes `full`", span, "full"),)
    close = get_close_matches(written, words, 1, 0.75)
    return tuple(Fix(f"did you mean `{word}`?", span, word) for word in close)


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


class _Builder:
    """Trees of lark to values."""

    def __init__(self, file: str) -> None:
        self.file = file

    def span(self, found: "Tree[Token]") -> Span:
        """From the first token of a tree to its last."""
        tokens = list(found.scan_values(lambda _: True))
        return self.name(tokens[0]).span.to(self.name(tokens[-1]).span)

    def name(self, token: "Token") -> Name:
        """A name."""
        assert token.start_pos is not None and token.end_pos is not None
        return Name(Span(self.file, token.start_pos, token.end_pos), str(token))

    def names(self, found: "Tree[Token]") -> tuple[Name, ...]:
        """The names in a list."""
        return tuple(self.name(t) for t in _tokens(found) if t.type == "IDENT")

    def item(self, found: "Tree[Token]") -> Declaration | Composition:
        """A declaration or composition."""
        name, inputs, outputs, *body = [c for c in found.children if _kind(c) not in ("FUNCTION", "COMPOSITION")]
        ports = (self.name(_token(name)), self.names(_tree(inputs)), self.names(_tree(outputs)))
        if found.data == "declaration":
            return Declaration(self.span(found), *ports)
        return Composition(self.span(found), *ports, tuple(self.application(_tree(a)) for a in body))

    def application(self, found: "Tree[Token]") -> Application:
        """A statement."""
        parts: dict[str, list[Tree[Token]]] = {"argument": [], "result": [], "chain": []}
        for child in found.children[1:]:
            parts[_tree(child).data].append(_tree(child))
        chain = [step for part in parts["chain"] for step in self.chain(part)]
        return Application(
            self.span(found),
            self.name(_token(found.children[0])),
            tuple(map(self.argument, parts["argument"])),
            tuple(self.result(part) for part in parts["result"]),
            tuple(chain),
        )

    def argument(self, found: "Tree[Token]") -> Argument:
        """`parameter = optional shard set`."""
        parameter, *words, given = _tokens(found)
        return Argument(self.span(found), self.name(parameter), len(words) == 2, str(words[-1]), self.name(given))

    def result(self, found: "Tree[Token]") -> Result:
        """`set = output`."""
        made, output = _tokens(found)
        return Result(self.span(found), self.name(made), self.name(output))

    def chain(self, found: "Tree[Token]") -> list[Step]:
        """`by a left b ...`."""
        _, first, *steps = found.children
        pairs = [_tokens(_tree(step)) for step in steps]
        return [Step("by", self.name(_token(first))), *(Step(str(word), self.name(name)) for word, name in pairs)]


def _kind(child: "Token | Tree[Token]") -> str:
    return getattr(child, "type", "")


def _token(child: "Token | Tree[Token]") -> "Token":
    from lark import Token

    assert isinstance(child, Token)
    return child


def _tree(child: "Token | Tree[Token]") -> "Tree[Token]":
    from lark import Tree

    assert isinstance(child, Tree)
    return child


def _tokens(found: "Tree[Token]") -> "list[Token]":
    return [_token(child) for child in found.children]
