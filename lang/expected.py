"""What may stand at a place, in human words: terminals of the grammar to phrases."""

from dandc.lang.lexing import RESERVED_TYPES
from dandc.lang.softwords import POLICIES, SOFT_TYPES

_NAMES = frozenset("NAME QUOTED NAMED KEY INTRINSIC".split())
_LITERALS = frozenset("INT FLOAT STR BYTES TRUE FALSE FSTR_BEGIN".split())
_EXPRESSION = _NAMES | _LITERALS | frozenset("LPAR LSQB LBRACE IF MATCH MINUS TILDE NOT PIPE".split())
_PATTERN = _NAMES | frozenset("INT STR BYTES TRUE FALSE MINUS LPAR".split())
_TYPE = _NAMES | frozenset(("LPAR", "FN", "OPTIONAL"))
_STATEMENT = frozenset(
    "BROKEN LET VAR IF MATCH FOR WHILE RETURN BREAK CONTINUE EMIT FAIL NOTE EXPECT GIVEN SET_CONFIG LOOP YIELD NEXT "
    "REDUCE".split()
)
_ITEM = frozenset(
    "PUB IMPORT CONFIG ENDPOINT CONST DEFAULT RECORD ENUM FN FUNCTION COMMUNICATION COMPOSITION TEST".split()
)
_SHARDS = frozenset("ALL EACH KEYED ANY_EACH ANY_KEYED".split())
_OPERATORS = frozenset(
    "OR AND EQ NE LT LE GT GE PIPE CARET AMP SHL SHR PLUS MINUS WADD WSUB STAR SLASH PERCENT WMUL".split()
)
_ASSIGNMENTS = frozenset(
    "ADD_SET SUB_SET MUL_SET DIV_SET MOD_SET WADD_SET WSUB_SET WMUL_SET AND_SET OR_SET XOR_SET SHL_SET SHR_SET".split()
)
_POLICIES = POLICIES

# In this order: a group that may stand whole is one phrase, which also covers what is absorbed with it.
_GROUPS: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (frozenset(("BROKEN",)), _STATEMENT | _EXPRESSION | {"RUN"}, "a statement"),
    (_EXPRESSION, _EXPRESSION | _SHARDS | {"FNAME", "DOTDOT", "RUN", "REDUCE"}, "an expression"),
    (_PATTERN, _PATTERN, "a pattern"),
    (_TYPE, _TYPE, "a type"),
    (_ITEM, _ITEM, "an item such as `function` or `composition`"),
    (_NAMES | {"FNAME"}, _NAMES | {"FNAME", "AT"}, "a field name"),
    (_NAMES, _NAMES | {"AT"}, "a name"),
    (_POLICIES, _POLICIES, "a policy"),
)
# What may follow any operand: said only if nothing else may stand there.
_FOLLOWERS = _OPERATORS | _ASSIGNMENTS | frozenset("DOT LPAR LSQB QUESTION PLUSPLUS ELSE BY CROSS".split())

PHRASES = {
    "SEMICOLON": "`;`", "COMMA": "`,`", "COLON": "`:`", "DOT": "`.`", "DOTDOT": "`..`", "QUESTION": "`?`",
    "ARROW": "`->`", "FAT_ARROW": "`=>`", "LEFT_ARROW": "`<-`", "EQUAL": "`=`", "LPAR": "`(`", "RPAR": "`)`",
    "LSQB": "`[`", "RSQB": "`]`", "LBRACE": "`{`", "RBRACE": "`}`", "FSTR_CLOSE": "`}`", "FSTR_OPEN": "`{`",
    "FSTR_BEGIN": "an f-string", "FSTR_TEXT": "text", "FSTR_END": "the end of the f-string", "INT": "an integer",
    "FLOAT": "a number", "STR": "a string", "BYTES": "bytes", "DURATION": "a duration such as `2s`", "SIZE": "a size such as `64MiB`", "PLUSPLUS": "`++`", "MORE": "`,`",
    "STATUS_CLASS": "a status class such as `5xx`", "NAME": "a name", "QUOTED": "a name", "FNAME": "a field name",
    "BROKEN": "a statement", "$END": "the end of the text", "ANY_EACH": "`anyEach`", "ANY_KEYED": "`anyKeyed`",
    "AT": "`@`", "PIPE": "`|`", "TILDE": "`~`", "CARET": "`^`", "AMP": "`&`", "SHL": "`<<`", "SHR": "`>>`", "EQ": "`==`",
    "NE": "`!=`", "LT": "`<`", "LE": "`<=`", "GT": "`>`", "GE": "`>=`", "PLUS": "`+`", "MINUS": "`-`", "WADD": "`+%`",
    "WSUB": "`-%`", "STAR": "`*`", "SLASH": "`/`", "PERCENT": "`%`", "WMUL": "`*%`", "ADD_SET": "`+=`",
    "SUB_SET": "`-=`", "MUL_SET": "`*=`", "DIV_SET": "`/=`", "MOD_SET": "`%=`", "WADD_SET": "`+%=`",
    "WSUB_SET": "`-%=`", "WMUL_SET": "`*%=`", "AND_SET": "`&=`", "OR_SET": "`|=`", "XOR_SET": "`^=`",
    "SHL_SET": "`<<=`", "SHR_SET": "`>>=`",
    "EXPECT": "`expect`", "FAILS": "`fails`", "TRAPS": "`traps`", "GIVEN": "`given`", "SET_CONFIG": "`config`",
    "RUN": "`run`", "WITH": "`with`",
    **{type_: f"`{type_.lower()}`" for type_ in (RESERVED_TYPES | SOFT_TYPES | _NAMES) - {"NAME", "QUOTED"} if "_" not in type_},
}  # fmt: skip
_FIRST = ("SEMICOLON", "RBRACE", "RPAR", "RSQB", "COMMA")
MAX_PHRASES = 4


def phrases(expected: frozenset[str]) -> list[str]:
    """The possibilities, the likeliest first, at most `MAX_PHRASES`."""
    rest, groups = set(expected), []
    for group, absorbed, phrase in _GROUPS:
        if group <= rest:
            groups.append(phrase)
            rest -= absorbed
    if (_OPERATORS <= rest or _ASSIGNMENTS <= rest) and (groups or rest - _FOLLOWERS):
        rest -= _FOLLOWERS
    if groups or rest - {"DOT", "LSQB"}:
        rest -= {"DOT", "LSQB"}
    singles = [PHRASES[t] for t in _FIRST if t in rest]
    others = sorted({PHRASES[t] for t in rest if t not in _FIRST})
    return list(dict.fromkeys([*singles, *groups, *others]))[:MAX_PHRASES]


def joined(words: list[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
