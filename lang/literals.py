"""What literals mean: escapes, unindenting, numbers, durations, and the pieces of an f-string.

Checking and decoding are apart: `escape_problems` runs while tokens are made, where offsets are exact, and `decode`
runs in the builder and never fails (a bad escape stands for nothing, because it has been reported).
"""

import re
from collections.abc import Iterator

from dandc.lang.values import frozen

_ESCAPE = re.compile(r"\\(u\{[^}\"\n]{0,12}\}?|x[0-9A-Fa-f]{0,2}|[\s\S]|$)")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"'}
_UNICODE = re.compile(r"u\{[0-9A-Fa-f]{1,6}\}")
_BYTE = re.compile(r"x[0-9A-Fa-f]{2}")
_FSTR_PART = re.compile(r"\\u\{[^}\"\n]*\}|\\[\s\S]|\{\{|\}\}|[{}]")
_FSTR_EXPR = re.compile(r'(?:[^{}"\n]|"(?:[^"\\\n]|\\[^\n])*")*')
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _scalar(body: str) -> int | None:
    """The code point of `u{...}`, or None if there is no such character."""
    if not _UNICODE.fullmatch(body):
        return None
    code = int(body[2:-1], 16)
    return code if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else None


def escape_problems(raw: str, *, is_bytes: bool) -> Iterator[tuple[int, int, str]]:
    """The bad escapes in `raw`: start, end, and why, as offsets into `raw`."""
    for match in _ESCAPE.finditer(raw):
        body = match[1]
        if body in _PLAIN:
            continue
        if body[:1] == "u" and not is_bytes:
            if _scalar(body) is None:
                yield *match.span(), "a character is written `\\u{...}` with one to six hexadecimal digits"
        elif body[:1] == "x" and is_bytes:
            if not _BYTE.fullmatch(body):
                yield *match.span(), "a byte is written `\\x` and two hexadecimal digits"
        else:
            yield *match.span(), _wrong_kind(body, is_bytes)


def _wrong_kind(body: str, is_bytes: bool) -> str:
    if body[:1] == "x":
        return '`\\x` is for bytes (`b"..."`); in a string a character is written `\\u{...}`'
    if body[:1] == "u":
        return "`\\u{...}` is for strings; a byte is written `\\x` and two hexadecimal digits"
    kinds = '`\\n` `\\t` `\\r` `\\0` `\\\\` `\\"` and ' + ("`\\xNN`" if is_bytes else "`\\u{...}`")
    return f"the escapes are {kinds}"


def _unescape(match: re.Match[str]) -> str:
    body = match[1]
    plain = _PLAIN.get(body)
    if plain is not None:
        return plain
    if _BYTE.fullmatch(body):
        return chr(int(body[1:], 16))
    code = _scalar(body)
    return "" if code is None else chr(code)


def decode(raw: str) -> str:
    """`raw` after escapes."""
    return _ESCAPE.sub(_unescape, raw) if "\\" in raw else raw


def decode_bytes(raw: str) -> bytes:
    """The bytes that `raw` stands for: characters outside escapes as UTF-8."""
    out, position = bytearray(), 0
    for match in _ESCAPE.finditer(raw):
        out += raw[position : match.start()].encode("utf-8", "replace")
        out += _unescape(match).encode("latin-1", "replace")
        position = match.end()
    return bytes(out + raw[position:].encode("utf-8", "replace"))


def string_value(token: str) -> str:
    """The value of a plain string token with its quotes."""
    if token.startswith('"""'):
        return decode(unindent([token[3:-3]])[0])
    return decode(token[1:-1])


def int_value(token: str) -> int:
    """The value of an integer token. Length has been checked, so the conversion is cheap and cannot fail."""
    digits = token.replace("_", "").lower()
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 10)
    return int(digits if base == 10 else digits[2:], base)


def duration_ms(token: str) -> int:
    """The milliseconds of `500ms`, `2s`, `1m`, `3h`, `30d`."""
    unit = "ms" if token.endswith("ms") else token[-1]
    return int(token[: -len(unit)].replace("_", "")) * _MS[unit]


def size_bytes(token: str) -> int:
    """The bytes of `512B`, `64KB`, `64KiB`, `2MiB`, `1GB`."""
    amount = token.rstrip("BKMGi")
    return int(amount.replace("_", "")) * _BYTES[token[len(amount) :]]


def unindent(pieces: list[str]) -> list[str]:
    """Triple-quoted text without its first newline and the white space that all its lines begin with.

    The line of the closing quotes counts. `pieces` are the texts between the expressions of an f-string.
    """
    pieces = [piece.replace("\r\n", "\n") for piece in pieces]
    lines = "x".join(pieces).split("\n")[1:]
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines[:-1] if line.strip(" \t")]
    if lines:
        indents.append(lines[-1][: len(lines[-1]) - len(lines[-1].lstrip(" \t"))])
    margin = _common_prefix(indents)
    cut = re.compile(rf"\n[ \t]{{0,{margin}}}")
    pieces = [cut.sub("\n", piece) for piece in pieces]
    pieces[0] = pieces[0].removeprefix("\n")
    return pieces


def _common_prefix(texts: list[str]) -> int:
    if not texts:
        return 0
    first, last = min(texts), max(texts)
    for i, char in enumerate(first):
        if i >= len(last) or char != last[i]:
            return i
    return len(first)


@frozen
class Piece:
    """A part of an f-string at `start:end` of the token: text, or the expression between its braces."""

    start: int
    end: int
    is_expr: bool


@frozen
class Broken:
    """Why an f-string does not divide into pieces, and where."""

    start: int
    end: int
    reason: str


def split_fstring(token: str) -> list[Piece] | Broken:
    """The pieces of an f-string token with its quotes, text and expressions in turn; texts may be empty."""
    quotes = 3 if token.startswith('f"""') else 1
    end = len(token) - quotes
    pieces: list[Piece] = []
    start = position = 1 + quotes
    while match := _FSTR_PART.search(token, position, end):
        position = match.end()
        if match[0] == "}":
            return Broken(match.start(), match.end(), "a single `}`: a brace as text is written `}}`")
        if match[0] != "{":
            continue
        inner = _FSTR_EXPR.match(token, position, end)
        assert inner is not None
        if token[inner.end() : inner.end() + 1] != "}" or inner.end() >= end:
            return Broken(match.start(), inner.end(), _why_unclosed(token[inner.end() : inner.end() + 1]))
        pieces += [Piece(start, match.start(), False), Piece(position, inner.end(), True)]
        start = position = inner.end() + 1
    return [*pieces, Piece(start, end, False)]


def _why_unclosed(stopper: str) -> str:
    if stopper == "{":
        return "an expression in an f-string cannot contain braces: name it with `let` first"
    return "this `{` has no `}`: a brace as text is written `{{`"


def fstring_text(raw: str) -> str:
    """The value of a text piece: escapes and doubled braces."""
    return "".join(
        {"{{": "{", "}}": "}"}.get(part, part) if not part.startswith("\\") else decode(part)
        for part in re.split(r"(\\u\{[^}\"\n]*\}|\\[\s\S]|\{\{|\}\})", raw)
    )
