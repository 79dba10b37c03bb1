"""Words that mean something only behind a call, or before a statement, of a composition: found by where they stand.

`retry`, `left`, `time` and the others are good names for values, and a loop ends with `}`, behind which a name may begin
the next statement; so the grammar cannot tell. A name never stands right behind a value, though: there a word of this
spelling is a word of the language, and everywhere else it is a name. What follows is looked at where a block, a `%`
or a name may stand before it.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark import Token

POLICIES = frozenset("RETRY TIMEOUT ON LIMIT CONCURRENCY CACHE ONCE AFTER WITHIN".split())
STRATEGIES = frozenset("INNER LEFT RIGHT FULL ANTI".split())
_BOUNDS = frozenset("MEMORY TIME OUTPUT".split())
_MODES = frozenset("COLLECT SKIP VALUE".split())
SOFT_TYPES = POLICIES | STRATEGIES | _BOUNDS | _MODES | {"FAILURE", "EMPTY", "KEEP", "INTO", "UP", "TO", "NEXT"}
# As they are written.
SOFT_WORDS = frozenset(word.lower() for word in SOFT_TYPES)

_VALUES = frozenset(
    "RPAR RSQB QUESTION INT FLOAT DURATION SIZE STATUS_CLASS STR BYTES FSTR_END TRUE FALSE SKIP KEEP VALUE".split()
)
_NAMES = frozenset("NAME QUOTED FNAME NAMED KEY INTRINSIC".split())
_STARTS = frozenset(("LBRACE", "RBRACE", "SEMICOLON"))
_GAP = r"(?:\s|//[^\n]*\n)*+"
_PART = re.compile(_GAP + r"[A-Za-z0-9_\"`(]")
_WORD = re.compile(_GAP + r"[A-Za-z_`]")
_NUMBER = re.compile(_GAP + r"[0-9]")
_EQUAL = re.compile(_GAP + r"=(?!=)")
_UP_TO = re.compile(_GAP + r"to(?!\w)")
_NEXT = re.compile(_GAP + r"`?[A-Za-z_]\w*`?" + _GAP + r"=(?!=)")


def meant(tokens: "list[Token]", token: "Token", text: str) -> bool:
    """Whether `token`, a word of `SOFT_TYPES` behind `tokens`, is more than a name."""
    assert token.end_pos is not None
    before = tokens[-1].type if tokens else ""
    return _RULES[token.type](tokens, before, text, token.end_pos)


_Rule = Callable[["list[Token]", str, str, int], bool]


def _policy(tokens: "list[Token]", before: str, text: str, end: int) -> bool:
    if before in _VALUES:
        return not _EQUAL.match(text, end)
    if before in _NAMES or before in ("RBRACE", "PERCENT"):
        return bool(_PART.match(text, end))
    return before in _PAIRS and len(tokens) > 1 and tokens[-2].type == _PAIRS[before]


# Words that end something only behind another: `default function`, `on failure fail`, and a `cross` without names.
_PAIRS = {"FUNCTION": "DEFAULT", "COMPOSITION": "DEFAULT", "FAIL": "FAILURE", "CROSS": "RPAR"}


def _strategy(_: "list[Token]", before: str, text: str, end: int) -> bool:
    return before in _NAMES and bool(_WORD.match(text, end))


def _bound(tokens: "list[Token]", before: str, text: str, end: int) -> bool:
    if before == "COMMA" and _NUMBER.match(text, end):
        tokens[-1].type = "MORE"
        return True
    return before == "LIMIT"


def _up(_: "list[Token]", before: str, text: str, end: int) -> bool:
    return (before == "RPAR" or before in _NAMES) and bool(_UP_TO.match(text, end))


def _next(_: "list[Token]", before: str, text: str, end: int) -> bool:
    return before in _STARTS and bool(_NEXT.match(text, end))


def _behind_empty(tokens: "list[Token]", before: str, _text: str, _end: int) -> bool:
    """Behind the names in `on empty (a, b)`."""
    if before != "RPAR":
        return False
    opened = next((i for i in reversed(range(len(tokens))) if tokens[i].type == "LPAR"), 0)
    return opened > 0 and tokens[opened - 1].type == "EMPTY"


def _behind(word: str) -> _Rule:
    """The rule of a word that stands right behind another one."""
    return lambda _tokens, before, _text, _end: before == word


_RULES: dict[str, _Rule] = {
    **dict.fromkeys(POLICIES, _policy),
    **dict.fromkeys(STRATEGIES, _strategy),
    **dict.fromkeys(_BOUNDS, _bound),
    **dict.fromkeys(_MODES, _behind("FAILURE")),
    "SKIP": lambda tokens, before, text, end: before == "FAILURE" or _behind_empty(tokens, before, text, end),
    "KEEP": _behind_empty,
    "FAILURE": _behind("ON"),
    "EMPTY": _behind("ON"),
    "INTO": _behind("COLLECT"),
    "UP": _up,
    "TO": _behind("UP"),
    "NEXT": _next,
}
