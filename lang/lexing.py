"""Text to tokens: one pass of `lang/scanning.py`, and what a regular expression cannot say.

The token sequence that leaves here holds nothing but terminals of the grammar: every lexical mistake has been
reported and replaced by what was most likely meant, so that it causes no syntax error as well. Documentation comments
are taken out and kept by the token before which they stand; an f-string becomes a bracketed sequence with the tokens
of its expressions in place; a reserved word after `.` or before `:` becomes FNAME, because keywords are legal there.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import field

from dandc.lang import literals
from dandc.lang.diagnostics import Diagnostic, Fix
from dandc.lang.scanning import scan
from dandc.lang.softwords import SOFT_TYPES, meant
from dandc.lang.spans import Source, Span
from dandc.lang.testwords import mark_test_words
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Lark, Token

MAX_NUMBER = 128
MAX_DIAGNOSTICS = 100
# Characters that change how a text looks without changing what it means (Unicode TR 36), control characters, and
# halves of surrogate pairs, which no valid text holds.
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]+")

RESERVED = frozenset(
    "import as pub config endpoint record enum const default fn function communication composition test let var if else "
    "match for in while return break continue emit fail note true false and or not inout optional all each keyed "
    "anyEach anyKeyed by cross loop yield reduce".split()
)
RESERVED_TYPES = frozenset(w.upper() for w in RESERVED if not w.startswith("any")) | {"ANY_EACH", "ANY_KEYED"}


@frozen
class Lexed:
    """The tokens of a text, with `docs[i]` the lines of the `///` comments right before token `i`."""

    tokens: "list[Token]"
    docs: dict[int, list[str]]
    module_doc: str
    diagnostics: tuple[Diagnostic, ...]


@frozen
class _State:
    source: Source
    language: "Lark"
    tokens: "list[Token]" = field(factory=list)
    docs: dict[int, list[str]] = field(factory=dict)
    module_doc: list[str] = field(factory=list)
    diagnostics: list[Diagnostic] = field(factory=list)

    def span(self, start: int, end: int) -> Span:
        return Span(self.source.file, start, end)

    def report(self, code: str, message: str, span: Span, label: str = "", fix: Fix | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, label, fixes=() if fix is None else (fix,)))


def lex(source: Source, language: "Lark") -> Lexed:
    """The token sequence of a whole source text."""
    state = _State(source, language)
    _report_hidden(state)
    _scan(state, 0, len(source.text))
    mark_test_words(state.tokens, source.text)
    return Lexed(state.tokens, state.docs, "\n".join(state.module_doc), tuple(state.diagnostics))


def _report_hidden(state: _State) -> None:
    for match in _HIDDEN.finditer(state.source.text):
        if match.start() == 0 and match[0] == "\ufeff":
            continue
        name = f"U+{ord(match[0][0]):04X}"
        state.report(
            "L0008",
            f"the source contains the invisible character {name}",
            state.span(*match.span()),
            "a control character, a half of a surrogate pair, or one that changes the reading direction",
            Fix("remove it; in a string write the escape", state.span(*match.span()), "", certain=False),
        )


def _scan(state: _State, start: int, end: int) -> None:
    """Append the tokens of `start:end` of the text; after too many mistakes the rest is not looked at."""
    append, get = state.tokens.append, _SPECIAL.get
    for token in scan(state.language, state.source.text, start, end):
        special = get(token.type)
        if special is None:
            append(token)
        else:
            special(state, token)
            if len(state.diagnostics) >= MAX_DIAGNOSTICS:
                return


def _span(state: _State, token: "Token") -> Span:
    assert token.start_pos is not None and token.end_pos is not None
    return state.span(token.start_pos, token.end_pos)


def _keep_as(state: _State, token: "Token", type_: str, text: str) -> None:
    """Keep `token` as if it were a correct one of another type and text; it keeps its place."""
    state.tokens.append(token.update(type=type_, value=text))


# Tokens that are right, but need a look.


def _keyword(state: _State, token: "Token") -> None:
    if state.tokens and state.tokens[-1].type == "DOT":
        token.type = "FNAME"
    state.tokens.append(token)


def _soft(state: _State, token: "Token") -> None:
    if not meant(state.tokens, token, state.source.text):
        token.type = "NAME"
    state.tokens.append(token)


def _colon(state: _State, token: "Token") -> None:
    if state.tokens and state.tokens[-1].type in RESERVED_TYPES:
        state.tokens[-1].type = "FNAME"
    state.tokens.append(token)


_SHORT = {"DURATION": "1s", "SIZE": "1B"}


def _number(state: _State, token: "Token") -> None:
    digits = token.replace("_", "")
    if len(token) > MAX_NUMBER:
        state.report("L0003", f"a number has at most {MAX_NUMBER} characters", _span(state, token))
        _keep_as(state, token, token.type, _SHORT.get(token.type, "0"))
    elif token.type == "INT" and len(digits) > 1 and digits[0] == "0" and digits.isdigit():
        fix = Fix("write it without the leading zeros", _span(state, token), digits.lstrip("0") or "0")
        state.report(
            "L0003", "a decimal number does not begin with 0", _span(state, token), "octal numbers begin with `0o`", fix
        )
        _keep_as(state, token, "INT", "0")
    else:
        state.tokens.append(token)


def _string(state: _State, token: "Token") -> None:
    if "\\" in token:
        _check_escapes(state, token, 0, token)
    state.tokens.append(token)


def _check_escapes(state: _State, token: "Token", offset: int, raw: str) -> None:
    assert token.start_pos is not None
    for start, end, reason in literals.escape_problems(raw, is_bytes=token.type == "BYTES"):
        base = token.start_pos + offset
        state.report("L0004", f"unknown escape `{raw[start:end]}`", state.span(base + start, base + end), reason)


def _fstring(state: _State, token: "Token") -> None:
    """Replace one FSTR by its pieces, with the tokens of the expressions at their places."""
    pieces = literals.split_fstring(token)
    assert token.start_pos is not None and token.end_pos is not None
    base = token.start_pos
    if isinstance(pieces, literals.Broken):
        state.report(
            "L0009", "this f-string cannot be read", state.span(base + pieces.start, base + pieces.end), pieces.reason
        )
        _keep_as(state, token, "STR", '""')
        return
    quote = len(token) - pieces[-1].end
    texts = [token[p.start : p.end] for p in pieces if not p.is_expr]
    for piece in pieces:
        if not piece.is_expr and "\\" in token:
            _check_escapes(state, token, piece.start, token[piece.start : piece.end])
    values = iter(literals.unindent(texts) if quote > 1 else texts)
    _synthetic(state, token, "FSTR_BEGIN", base, base + 1 + quote)
    for piece in pieces:
        start, end = base + piece.start, base + piece.end
        if piece.is_expr:
            _synthetic(state, token, "FSTR_OPEN", start - 1, start)
            _scan(state, start, _without_format(state, start, end))
            _synthetic(state, token, "FSTR_CLOSE", end, end + 1)
        elif value := next(values):
            _synthetic(state, token, "FSTR_TEXT", start, end, literals.fstring_text(value))
    _synthetic(state, token, "FSTR_END", token.end_pos - quote, token.end_pos)


_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_FORMAT_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"")


def _without_format(state: _State, start: int, end: int) -> int:
    """Where the expression of `start:end` ends, if `:.2f` or `!r` of another language follows it; reported here."""
    text, depth, i = state.source.text, 0, start
    if text.find(":", start, end) < 0 and text.find("!", start, end) < 0:
        return end
    while i < end:
        quoted = _FORMAT_TEXT.match(text, i)
        if quoted is not None:
            i = quoted.end()
            continue
        depth += _BRACKETS.get(text[i], 0)
        if depth == 0 and (text[i] == ":" or (text[i] == "!" and text[i + 1 : end].strip() in ("r", "s", "a"))):
            break
        i += 1
    if i >= end or not text[start:i].strip() or text[i : i + 2] in ("::", ":="):
        return end
    span, digits = state.span(i, end), re.fullmatch(r":\.([0-9]{1,2})f?\s*", text[i:end])
    fix = None
    if digits is not None and re.fullmatch(r"[\w.]*[A-Za-z_]\w*|.*[)\]]", text[start:i].strip()):
        fix = Fix("write `.to_fixed`", span, f".to_fixed({int(digits[1])})")
    label = "methods give other forms, such as `.to_fixed(2)` and `.pad_start(8)`"
    state.report("P0127", "an f-string has no signs for the form of a value", span, label, fix)
    return i


def _synthetic(state: _State, like: "Token", type_: str, start: int, end: int, text: str | None = None) -> None:
    value = state.source.text[start:end] if text is None else text
    state.tokens.append(type(like)(type_, value, start, like.line, like.column, end_pos=end))


# Documentation.


def _doc(state: _State, token: "Token") -> None:
    line = token[3:].rstrip()
    state.docs.setdefault(len(state.tokens), []).append(line.removeprefix(" "))


def _module_doc(state: _State, token: "Token") -> None:
    if not state.tokens:
        state.module_doc.append(token[3:].rstrip().removeprefix(" "))


# Mistakes.


def _block_comment(state: _State, token: "Token") -> None:
    span = _span(state, token)
    fix = None
    if token.endswith("*/") and not re.match(r"[^\n]*\S", state.source.text[span.end : span.end + 200]):
        lines = [line.strip().removeprefix("*").strip() for line in token[2:-2].strip("*").strip().split("\n")]
        indent = state.source.text[state.source.text.rfind("\n", 0, span.start) + 1 : span.start]
        margin = "\n" + (indent if not indent.strip() else "")
        fix = Fix("write `//`", span, margin.join(f"// {line}".rstrip() for line in lines), certain=True)
    state.report("L0005", "comments begin with `//`", span, "there are no `/* */` comments", fix)


def _hash(state: _State, token: "Token") -> None:
    span = _span(state, token)
    fix = Fix("write `//`", state.span(span.start, span.start + 1), "//")
    state.report("L0005", "comments begin with `//`", state.span(span.start, span.start + 1), "not with `#`", fix)


# `0u32`, `0xff_u8` and `1.5f32` of other languages: the digits, and the type behind them.
_SUFFIXED = re.compile(
    r"(0[xX](?:[0-9a-fA-F]+_)*[0-9a-fA-F]+|0[bB](?:[01]+_)*[01]+|0[oO](?:[0-7]+_)*[0-7]+"
    r"|(?P<decimal>[0-9]+(?:_[0-9]+)*)(?P<fraction>(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][0-9]+)?))"
    r"_?(?P<type>[iu](?:8|16|32|64)|f(?:32|64))"
)


def _bad_number(state: _State, token: "Token") -> None:
    whole, text = _whole_number(state, token)
    letters = re.match(r"[0-9]+(?:_[0-9]+)*", token)
    rest = token[letters.end() :] if letters else ""
    label = f"`{rest}` cannot follow the digits" if rest.isidentifier() and rest[0] != "_" else "not a number"
    fix = None
    suffixed = _SUFFIXED.fullmatch(text) if len(text) <= MAX_NUMBER else None
    if suffixed is not None:
        rest = suffixed["type"]
        label, fix = f"`{rest}` cannot follow the digits", _converted(state, suffixed, whole)
    state.report("L0003", f"`{text[:40]}` is not a number", whole, label, fix)
    _keep_as(state, token, "INT", "0")


def _whole_number(state: _State, token: "Token") -> tuple[Span, str]:
    """The mistake with the digits before its point, which were read as a number of their own: `1.5f32`."""
    span = _span(state, token)
    before = state.tokens[-2:]
    if (
        [t.type for t in before] != ["INT", "DOT"]
        or before[1].end_pos != span.start
        or before[0].end_pos != before[1].start_pos
    ):
        return span, str(token)
    del state.tokens[-2:]
    whole = _span(state, before[0]).to(span)
    return whole, state.source.text[whole.start : whole.end]


_CUT_OFF = re.compile(r"(?:[^.]\.|[0-9.][eE][+-])\Z")
_ARM = re.compile(r"\s*=>")


def _converted(state: _State, number: re.Match[str], span: Span) -> Fix | None:
    """The number as one of the type behind it, if it is one; not certain, for within a pattern nothing is converted."""
    type_, digits, text = number["type"], number[1], state.source.text
    if _CUT_OFF.search(text[max(span.start - 3, 0) : span.start]):
        return None  # the end of another mistake
    if type_[0] != "f":
        if number["fraction"] or not _holds(type_, int(digits.replace("_", ""), 10 if number["decimal"] else 0)):
            return None
        if number["decimal"] and len(digits) > 1 and digits[0] == "0":
            return None  # not a number either
    if _ARM.match(text, span.end):
        return Fix("leave the type out", span, digits)
    return Fix(f"make it `{type_}`", span, f"{type_}({digits})")


def _holds(type_: str, value: int) -> bool:
    """Whether the integer type has the value; what is converted to it is an `i64` before."""
    return bool(value < 2 ** min(int(type_[1:]) - (type_[0] == "i"), 63))


def _bad_string(state: _State, token: "Token") -> None:
    prefix = token[0] if token[0] in "bf" else ""
    triple = token[len(prefix) :].startswith('"""')
    complete = not triple and len(token) > len(prefix) + 1 and token.endswith('"') and not token.endswith('\\"')
    span = _span(state, token)
    if complete and prefix == "f":
        broken = literals.split_fstring(token)
        assert token.start_pos is not None
        place = (broken.start, broken.end) if isinstance(broken, literals.Broken) else (0, len(token))
        reason = broken.reason if isinstance(broken, literals.Broken) else "an expression in it is on several lines"
        at = state.span(token.start_pos + place[0], token.start_pos + place[1])
        state.report("L0009", "this f-string cannot be read", at, reason)
    else:
        quotes = '"""' if triple else '"'
        opening = state.span(span.start, span.start + len(prefix) + len(quotes))
        why = "the text ends before it is closed" if triple else "the line ends before it is closed"
        state.report("L0002", f"this string has no closing `{quotes}`", opening, why)
    _keep_as(state, token, "BYTES" if prefix == "b" else "STR", 'b""' if prefix == "b" else '""')


def _single_quotes(state: _State, token: "Token") -> None:
    span = _span(state, token)
    closed = len(token) > 1 and token.endswith("'")
    text = '"' + token[1 : -1 if closed else None].replace('"', '\\"') + '"'
    fix = Fix("use double quotes", span, text) if closed else None
    state.report("L0006", "strings stand in double quotes", span, "there are no single-quoted strings", fix)
    _keep_as(state, token, "STR", '""')


def _backquote(state: _State, token: "Token") -> None:
    state.report("L0001", "back quotes hold one name, as in `` `all` ``", _span(state, token), "not a name")
    _keep_as(state, token, "NAME", "_")


def _bad_name(state: _State, token: "Token") -> None:
    state.report("L0007", f"the name `{token[:40]}` has characters outside a-z, A-Z, 0-9 and `_`", _span(state, token))
    _keep_as(state, token, "NAME", str(token))


_WORD_OPERATORS = {"BAD_AND": ("AND", "and"), "BAD_OR": ("OR", "or"), "BAD_NOT": ("NOT", "not")}


def _word_operator(state: _State, token: "Token") -> None:
    type_, word = _WORD_OPERATORS[token.type]
    span = _span(state, token)
    text = state.source.text
    if type_ == "NOT" and _is_macro(text, span):
        fix = Fix("leave the `!` out", span, "")
        state.report("P0106", "there are no macros", span, "a call is written without `!`", fix)
        return
    before = " " if type_ != "NOT" and text[span.start - 1 : span.start].strip() else ""
    after = " " if text[span.end : span.end + 1].strip() else ""
    fix = Fix(f"write `{word}`", span, before + word + after, certain=type_ != "NOT")
    state.report("P0106", f"the operator is the word `{word}`", span, f"not `{token}`", fix)
    _keep_as(state, token, type_, word)


def _is_macro(text: str, span: Span) -> bool:
    """Whether a `!` stands between a name and a bracket, as in `println!(...)`."""
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    return before.isidentifier() and after in ("(", "[", "{")


_LOOKALIKES = {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "×": "*", "÷": "/", "≤": "<=", "≥": ">=",
               "≠": "!=", "→": "->", "⇒": "=>", "←": "<-", "；": ";", "，": ",", "（": "(", "）": ")", "\u00a0": " ",
               "\u3000": " "}  # fmt: skip


def _bad_char(state: _State, token: "Token") -> None:
    if _HIDDEN.fullmatch(token):
        return
    span = _span(state, token)
    previous = state.diagnostics[-1] if state.diagnostics else None
    if previous and previous.code == "L0001" and previous.span and previous.span.end == span.start:
        return
    char = token[0]
    fix = Fix(f"write `{_LOOKALIKES[char]}`", span, _LOOKALIKES[char]) if char in _LOOKALIKES else None
    shown = f"`{char}`" if char.isprintable() else f"U+{ord(char):04X}"
    state.report("L0001", f"the character {shown} has no meaning here", span, f"U+{ord(char):04X}", fix)


_SPECIAL: "dict[str, Callable[[_State, Token], None]]" = {
    **dict.fromkeys(RESERVED_TYPES, _keyword),
    **dict.fromkeys(SOFT_TYPES, _soft),
    "COLON": _colon,
    **dict.fromkeys(("INT", "FLOAT", "DURATION", "SIZE"), _number),
    **dict.fromkeys(("STR", "BYTES"), _string),
    "FSTR": _fstring,
    "DOC": _doc,
    "MODULE_DOC": _module_doc,
    "BAD_BLOCK_COMMENT": _block_comment,
    "BAD_HASH": _hash,
    "BAD_NUMBER": _bad_number,
    "BAD_STRING": _bad_string,
    "BAD_SINGLE": _single_quotes,
    "BAD_BACKQUOTE": _backquote,
    "BAD_NAME": _bad_name,
    **dict.fromkeys(_WORD_OPERATORS, _word_operator),
    "BAD_CHAR": _bad_char,
}
