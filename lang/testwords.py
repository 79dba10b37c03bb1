"""Words that mean something only inside `test` blocks: they are found by where they stand, and are names elsewhere.

The grammar could not say this: `expect (a).b` begins like a call of a function `expect`, and the tokens of a text
must not depend on what the parser expects. So after lexing, in the tokens of a test block only, a name becomes a word
where no sensible program has that name: `expect` and `given` at the beginning of a statement, `run` before a name,
`fails` and `traps` after `expect`, `with` before a string. A name of this spelling can always be had in back quotes.
"""

from typing import TYPE_CHECKING

from dandc.lang.cut import ITEM_WORDS, begins_line
from dandc.lang.softwords import SOFT_TYPES

if TYPE_CHECKING:
    from lark import Token

_NAMES = frozenset("NAME QUOTED NAMED KEY INTRINSIC".split())
_SPELT = SOFT_TYPES | {"NAME", "CONFIG", "MORE"}
_STATEMENT_ENDS = frozenset(("LBRACE", "RBRACE", "SEMICOLON", "FAT_ARROW"))
# What follows an operand: after it a word was meant as a name.
_FOLLOWERS = frozenset(
    "COLON DOT COMMA SEMICOLON RBRACE RPAR RSQB QUESTION FAT_ARROW LEFT_ARROW EQUAL ADD_SET SUB_SET MUL_SET DIV_SET "
    "MOD_SET WADD_SET WSUB_SET WMUL_SET AND_SET OR_SET XOR_SET SHL_SET SHR_SET OR AND EQ NE LT LE GT GE PIPE CARET AMP "
    "SHL SHR PLUS WADD WSUB STAR SLASH PERCENT WMUL DOTDOT IN $END".split()
)


def mark_test_words(tokens: "list[Token]", text: str) -> None:
    """Give the words of every test block among `tokens` their own types, in place."""
    for i, token in enumerate(tokens):
        if token.type == "TEST":
            _mark_block(tokens, i + 1, text)


def _mark_block(tokens: "list[Token]", start: int, text: str) -> None:
    inside = _words(tokens, start, text)
    # Tests have no policies and joins: `run once(...)` is about something that is called so.
    for i in inside:
        if tokens[i].type == "MORE":
            tokens[i].type = "COMMA"
        elif tokens[i].type in SOFT_TYPES:
            tokens[i].type = "NAME"
    for i in inside:
        if tokens[i].type in ("NAME", "CONFIG"):
            tokens[i].type = _word(tokens, i)


def _words(tokens: "list[Token]", start: int, text: str) -> list[int]:
    """Where the words between the braces of a test stand."""
    depth, found = 0, []
    for i in range(start, len(tokens)):
        token = tokens[i]
        if token.type in ITEM_WORDS and (not depth or begins_line(token, text)):
            break
        if token.type == "LBRACE":
            depth += 1
        elif token.type == "RBRACE":
            depth = max(depth - 1, 0)
        elif depth and token.type in _SPELT:
            found.append(i)
    return found


def _word(tokens: "list[Token]", i: int) -> str:
    """The type that the token `i` of a test block has by its place."""
    before = tokens[i - 1].type
    after = tokens[i + 1].type if i + 1 < len(tokens) else "$END"
    second = tokens[i + 2].type if i + 2 < len(tokens) else "$END"
    first = before in _STATEMENT_ENDS
    match str(tokens[i]):
        case "expect" if first and after not in _FOLLOWERS:
            return "EXPECT"
        case "fails" | "traps" if before == "EXPECT" and after not in _FOLLOWERS:
            return str(tokens[i]).upper()
        case "given" if first and after in _NAMES and second == "LBRACE":
            return "GIVEN"
        case "config" if first and after in _NAMES:
            return "SET_CONFIG"
        case "run" if after in _NAMES:
            return "RUN"
        case "with" if after == "STR" and before not in _STATEMENT_ENDS:
            return "WITH"
    return tokens[i].type
