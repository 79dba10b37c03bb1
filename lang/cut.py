"""Tokens to segments: one item each, so that a mistake in one item cannot hide another.

A segment begins at a word that opens an item (with its `pub`). Inside braces such a word opens an item only if it
stands at the very beginning of a line and a name follows: then a brace before it was not closed.
"""

from typing import TYPE_CHECKING

from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Token

MAX_DEPTH = 200
ITEM_WORDS = frozenset(
    "IMPORT CONFIG ENDPOINT RECORD ENUM CONST DEFAULT FN FUNCTION COMMUNICATION COMPOSITION TEST PUB".split()
)
_OPEN = frozenset(("LPAR", "LSQB", "LBRACE", "FSTR_OPEN"))
_CLOSE = frozenset(("RPAR", "RSQB", "RBRACE", "FSTR_CLOSE"))
_WATCHED = ITEM_WORDS | _OPEN | _CLOSE


@frozen
class Segment:
    """Tokens `start:end`; `too_deep` is the first bracket that is nested more than `MAX_DEPTH` deep."""

    start: int
    end: int
    too_deep: "Token | None"


def cut(tokens: "list[Token]", text: str) -> list[Segment]:
    """The segments of a token sequence, in order and without gaps."""
    segments: list[Segment] = []
    start = braces = brackets = 0
    too_deep: Token | None = None
    for i, token in enumerate(tokens):
        type_ = token.type
        if type_ not in _WATCHED:
            continue
        if type_ in _OPEN:
            brackets += 1
            braces += type_ == "LBRACE"
            if brackets > MAX_DEPTH and too_deep is None:
                too_deep = token
        elif type_ in _CLOSE:
            brackets = max(brackets - 1, 0)
            braces = max(braces - (type_ == "RBRACE"), 0)
        elif _opens_item(tokens, i, braces, text):
            if i > start:
                segments.append(Segment(start, i, too_deep))
            start, braces, brackets, too_deep = i, 0, 0, None
    if start < len(tokens):
        segments.append(Segment(start, len(tokens), too_deep))
    return segments


def _opens_item(tokens: "list[Token]", i: int, braces: int, text: str) -> bool:
    if i and tokens[i - 1].type in ("PUB", "DEFAULT"):
        return False
    following = tokens[i + 1].type if i + 1 < len(tokens) else ""
    if tokens[i].type == "FN" and following == "LPAR":
        return False
    if not braces:
        return True
    return begins_line(tokens[i], text) and (following in ITEM_WORDS or following in {"NAME", "QUOTED", "STR"})


def begins_line(token: "Token", text: str) -> bool:
    """Whether `token` stands in the first column."""
    assert token.start_pos is not None
    return token.start_pos == 0 or text[token.start_pos - 1] == "\n"


def first_on_line(token: "Token", text: str) -> bool:
    """Whether only white space stands before `token` on its line."""
    assert token.start_pos is not None
    return not text[text.rfind("\n", 0, token.start_pos) + 1 : token.start_pos].strip()
