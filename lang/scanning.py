"""The next token of a text: what lark's basic lexer finds, in a third of its time.

Nearly all tokens are words and signs, and of these a set of names or one short expression says the type. What may be
anything else (numbers, strings, comments, mistakes) is left to lark's lexer, which tries its terminals one by one. Both ways
find the same tokens: `tests/lang/test_lang_scanning.py` compares them with lark's own, on any text.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Lark, Token
    from lark.lexer import BasicLexer

# A sign may begin none of these: lark decides what stands there.
_AMBIGUOUS = frozenset("/\"'`#")
_WORD = r'([A-Za-z_][A-Za-z0-9_]*+(?![\w"]))'


@frozen(eq=False)
class _Scanner:
    """`quick` matches white space and the word (group 1) or the sign (group 2) behind it, if there is one; `types` has those with own types."""

    quick: re.Pattern[str]
    types: dict[str, str]
    lexer: "BasicLexer"


@cache
def _scanner(language: "Lark") -> _Scanner:
    """The scanner of a grammar: made once, for making it compiles an expression."""
    literal = {t.pattern.value: t.name for t in language.terminals if t.pattern.type == "str"}
    signs = [text for text in literal if not text.isidentifier() and text[0] not in _AMBIGUOUS]
    longest_first = "|".join(re.escape(sign) for sign in sorted(signs, key=lambda text: (-len(text), text)))
    return _Scanner(re.compile(rf"[ \t\r\n]*+(?:{_WORD}|({longest_first}))?"), literal, language.parser.lexer)


def scan(language: "Lark", text: str, start: int, end: int) -> "Iterator[Token]":
    """The tokens of `text[start:end]`; lines are counted from `start`."""
    from lark import TextSlice, Token

    scanner = _scanner(language)
    quick, types, slow = scanner.quick.match, scanner.types, scanner.lexer.match
    ignored, whole = scanner.lexer.ignore_types, TextSlice(text, 0, end)
    new, find = str.__new__, text.find
    position, line, line_start = start, 1, 0
    newline = find("\n", start, end)
    while position < end:
        found = quick(text, position, end)
        assert found is not None  # it may match nothing
        group = found.lastindex
        if group is not None:
            first, position = found.span(group)
            value = found[group]
            type_ = types.get(value, "NAME")
        elif (first := found.end()) == end:
            return
        else:
            value, type_ = slow(whole, first)  # type: ignore[no-untyped-call]
            position = first + len(value)
            if type_ in ignored:
                continue
            if type_ == "NAME":
                type_ = types.get(value, type_)
        while -1 < newline < first:
            line, line_start, newline = line + 1, newline + 1, find("\n", newline + 1, end)
        token = new(Token, value)
        token.type, token.value, token.start_pos, token.end_pos = type_, value, first, position
        token.line, token.column = line, first - line_start + 1
        while -1 < newline < position:
            line, line_start, newline = line + 1, newline + 1, find("\n", newline + 1, end)
        token.end_line, token.end_column = line, position - line_start + 1
        yield token
