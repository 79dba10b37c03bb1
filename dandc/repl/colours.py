"""Which parts of a text are what, for colours: read off the project's own lexer, so that they never disagree with it."""

from collections.abc import Iterator
from pathlib import Path

from dandc.compiler.check.types import BASIC, GENERIC
from dandc.lang.lexing import RESERVED_TYPES
from dandc.lang.values import frozen
from dandc.repl.entry import lexed

_LITERALS = {
    **dict.fromkeys(("STR", "BYTES", "FSTR_BEGIN", "FSTR_TEXT", "FSTR_END"), "string"),
    **dict.fromkeys(("INT", "FLOAT", "DURATION"), "number"),
}
_TYPES = frozenset((*BASIC, *GENERIC, "set"))


@frozen
class Part:
    """The half-open range `start:end` of a text. `kind`: keyword, type, string, number, comment, command, mistake."""

    start: int
    end: int
    kind: str


def parts(text: str, cache: Path | None) -> list[Part]:
    """The parts that have a colour, in order."""
    if text.lstrip().startswith(":"):
        start = text.index(":")
        end = start + len(text[start:].split(maxsplit=1)[0])
        return [
            Part(start, end, "command"),
            *(Part(p.start + end, p.end + end, p.kind) for p in parts(text[end:], cache)),
        ]
    found = lexed(text, cache)
    mistakes = [Part(d.span.start, d.span.end, "mistake") for d in found.diagnostics if d.span is not None]
    tokens = [(t.start_pos or 0, t.end_pos or 0, _kind(t.type, str(t))) for t in found.tokens]
    coloured = [Part(start, end, kind) for start, end, kind in tokens if kind]
    return sorted([*coloured, *_comments(text, tokens), *mistakes], key=lambda p: (p.start, p.kind != "mistake"))


def _kind(terminal: str, text: str) -> str:
    if terminal in RESERVED_TYPES:
        return "keyword"
    if terminal == "NAME" and (text in _TYPES or text[:1].isupper()):
        return "type"
    return _LITERALS.get(terminal, "")


def _comments(text: str, tokens: list[tuple[int, int, str]]) -> Iterator[Part]:
    """What stands between tokens and is no white space."""
    last = 0
    for start, end, _ in [*tokens, (len(text), len(text), "")]:
        between = text[last:start]
        if between.strip():
            yield Part(last + len(between) - len(between.lstrip()), last + len(between.rstrip()), "comment")
        last = max(last, end)
