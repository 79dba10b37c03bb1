"""The encoding of item keys (`docs/image.md`): the bytes of two keys compare as the keys do.

So sets are sorted, grouped and joined on bytes alone, and nobody but a kernel needs a key's value. Inside a tuple a
text is escaped and ended, because its length may not decide the order before its bytes have.
"""

from dandc.compiler.encoding import EncodingError, Value, Variant, encode
from dandc.compiler.types import (
    BOOL,
    BYTES,
    INT_BITS,
    STR,
    UNIT,
    Basic,
    Named,
    Tuple,
    Type,
    TypeTable,
    int_range,
    is_int,
    is_signed,
    variants,
)

_NO_TYPES: TypeTable = {}


def encode_key(t: Type, value: Value, types: TypeTable = _NO_TYPES) -> bytes:
    """The bytes of a key. `types` is needed for enums. Raises `EncodingError` if `value` is no key of type `t`."""
    try:
        if t == STR:
            return bytes(value.encode())
        if t == BYTES:
            return bytes(value)
        return _part(t, value, types)
    except (AttributeError, TypeError, ValueError) as error:
        raise EncodingError(f"not a key of type `{t}`: {error}") from error


def _part(t: Type, value: Value, types: TypeTable) -> bytes:
    if t == STR or t == BYTES:
        data: bytes = value.encode() if t == STR else value
        return key_as_part(data)
    if t == BOOL:
        return b"\1" if value else b"\0"
    if is_int(t):
        return _integer(t, value)
    if t == UNIT:
        return b""
    if isinstance(t, Tuple):
        return b"".join(_part(item, part, types) for item, part in zip(t.items, value, strict=True))
    if isinstance(t, Named):
        _check_variant(t, value.index, types, -1)
        return int(value.index).to_bytes(4, "big")
    raise EncodingError(f"`{t}` cannot be a key")


def key_as_part(key: bytes) -> bytes:
    """The key of type str or bytes as a part of a tuple. Keys of all other types are their own parts."""
    return key.replace(b"\0", b"\0\xff") + b"\0\0"


def key_as_value(t: Type, key: bytes, types: TypeTable = _NO_TYPES) -> bytes:
    """The key as the bytes of an item of type `t`. Raises `EncodingError` for what is no key of that type."""
    if t == BYTES:
        return key
    return encode(t, decode_key(t, key, types), types)


def _integer(t: Type, value: int) -> bytes:
    assert isinstance(t, Basic)
    least, greatest = int_range(t)
    if not least <= value <= greatest:
        raise EncodingError(f"{value} is not a key of type `{t}`")
    return (value - least).to_bytes(INT_BITS[t.name] // 8, "big")


def _check_variant(t: Named, index: int, types: TypeTable, offset: int) -> None:
    if str(t) not in types:
        raise EncodingError(f"the type `{t}` is not known here", offset)
    rows = variants(t, types)
    if any(payload for _, payload in rows):
        raise EncodingError(f"`{t}` cannot be a key: a variant has fields", offset)
    if not 0 <= index < len(rows):
        raise EncodingError(f"`{t}` has no variant {index}", offset)


def decode_key(t: Type, data: bytes, types: TypeTable = _NO_TYPES) -> Value:
    """The key with the bytes `data`. Raises `EncodingError` for anything else."""
    if t == BYTES:
        return bytes(data)
    if t == STR:
        return _text(bytes(data), 0)
    value, end = _read(t, bytes(data), 0, types)
    if end != len(data):
        raise EncodingError("bytes are left over", end)
    return value


def _read(t: Type, data: bytes, at: int, types: TypeTable) -> tuple[Value, int]:
    if t == UNIT:
        return None, at
    if t == STR or t == BYTES:
        raw, end = _unescape(data, at)
        return (_text(raw, at) if t == STR else raw), end
    if t == BOOL:
        byte = _take(data, at, 1)[0]
        if byte > 1:
            raise EncodingError("a bool is neither 0 nor 1", at)
        return byte == 1, at + 1
    if is_int(t):
        return _read_integer(t, data, at)
    if isinstance(t, Tuple):
        return _read_tuple(t, data, at, types)
    if isinstance(t, Named):
        index = int.from_bytes(_take(data, at, 4), "big")
        _check_variant(t, index, types, at)
        return Variant(index), at + 4
    raise EncodingError(f"`{t}` cannot be a key", at)


def _read_integer(t: Type, data: bytes, at: int) -> tuple[int, int]:
    assert isinstance(t, Basic)
    size = INT_BITS[t.name] // 8
    least = int_range(t)[0] if is_signed(t) else 0
    return int.from_bytes(_take(data, at, size), "big") + least, at + size


def _read_tuple(t: Tuple, data: bytes, at: int, types: TypeTable) -> tuple[Value, int]:
    parts = []
    for item in t.items:
        part, at = _read(item, data, at, types)
        parts.append(part)
    return tuple(parts), at


def _unescape(data: bytes, at: int) -> tuple[bytes, int]:
    parts = []
    while True:
        zero = data.find(b"\0", at)
        follower = data[zero + 1 : zero + 2]
        if zero < 0 or follower not in (b"\0", b"\xff"):
            raise EncodingError("a text inside a tuple does not end", at)
        parts.append(data[at:zero])
        at = zero + 2
        if follower == b"\0":
            return b"".join(parts), at
        parts.append(b"\0")


def _take(data: bytes, at: int, count: int) -> bytes:
    if len(data) - at < count:
        raise EncodingError("the key runs over the end", at)
    return data[at : at + count]


def _text(data: bytes, offset: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EncodingError("the text is not valid UTF-8", offset + error.start) from error
