"""The encoding of item values (`docs/image.md`), in Python: what drivers and the virtual machine read and write.

It is also the oracle that generated encoders and decoders are tested against, so it is written straight from the
page and shares nothing with them. It never trusts a byte: every decoder error is an `EncodingError` with the offset.

Neutral values: int, float, bool, str, bytes, None (unit), list (array), tuple (tuple and record, fields in order),
`Variant` (option, result, enum), str (secret: the handle), list of pairs (map, in order of insertion).
"""

import math
import struct
import sys
from array import array
from collections.abc import Callable
from typing import Any

from dandc.compiler.limits import EMPTY_ELEMENTS, VALUE_DEPTH
from dandc.compiler.types import (
    BOOL,
    BYTES,
    FLOAT_BITS,
    SECRET,
    STR,
    UNIT,
    Array,
    Basic,
    Named,
    Option,
    RecordDef,
    Result,
    Tuple,
    Type,
    TypeTable,
    fields,
    is_float,
    is_int,
    is_map,
    is_scalar,
    stored_fields,
    variants,
)
from dandc.lang.values import frozen

Value = Any  # a neutral value; which one is determined by its type

SCALAR_FORMATS = {
    "bool": "B", "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q",
    "f32": "f", "f64": "d",
}  # fmt: skip
_NAN = {"f32": struct.pack("<I", 0x7FC00000), "f64": struct.pack("<Q", 0x7FF8000000000000)}


@frozen(slots=True)
class Variant:
    """A value of an option, result or enum: the number of the variant and its payload."""

    index: int
    fields: tuple[Value, ...] = ()


NONE = Variant(0)


def some(value: Value) -> Variant:
    """`some(value)` of an option."""
    return Variant(1, (value,))


class EncodingError(Exception):
    """Bytes that are no value of their type (`offset` in them), or a value that has no encoding (offset -1)."""

    def __init__(self, reason: str, offset: int = -1) -> None:
        super().__init__(f"{reason} at byte {offset}" if offset >= 0 else reason)
        self.reason = reason
        self.offset = offset


def scalar_size(t: Type) -> int:
    """Bytes of a scalar."""
    assert isinstance(t, Basic)
    return struct.calcsize(SCALAR_FORMATS[t.name])


def is_raw(t: Type) -> bool:
    """Whether a whole item of type `t` is just its bytes."""
    return t in (STR, BYTES, SECRET) or (isinstance(t, Array) and is_scalar(t.item))


def is_record(t: Type, types: TypeTable) -> bool:
    """Whether `t` is a tuple or a record. Raises `EncodingError` for a name that is not in `types`."""
    if isinstance(t, Named) and str(t) not in types:
        raise EncodingError(f"the type `{t}` is not known here")
    return isinstance(t, Tuple) or (isinstance(t, Named) and isinstance(types[str(t)], RecordDef))


def min_size(t: Type, types: TypeTable) -> int:
    """The least number of bytes that a value of type `t` takes in a stream."""
    if t == UNIT:
        return 0
    if is_scalar(t):
        return scalar_size(t)
    if t in (STR, BYTES, SECRET) or isinstance(t, Array):
        return 8
    if is_record(t, types):
        return sum(min_size(item, types) for _, item in stored_fields(t, types))
    rows = variants(t, types)
    return tag_size(len(rows)) + min((sum(min_size(p, types) for p in payload) for _, payload in rows), default=0)


def tag_size(count: int) -> int:
    """Bytes of the variant number of a type with `count` variants."""
    return 1 if count <= 256 else 4


# --- encoding -------------------------------------------------------------------------------------------------------


def encode(t: Type, value: Value, types: TypeTable) -> bytes:
    """The bytes of a whole item. Raises `EncodingError` for a value that is not of type `t`."""
    try:
        if t == BYTES:
            return bytes(value)
        if t in (STR, SECRET):
            return bytes(value.encode())
        if isinstance(t, Array) and is_scalar(t.item):
            return _pack_scalars(t.item, value)
        out = bytearray()
        _write(t, value, types, out, 0)
        return bytes(out)
    except (struct.error, OverflowError, UnicodeEncodeError, TypeError, AttributeError, ValueError) as error:
        raise EncodingError(f"not a value of type `{t}`: {error}") from error


def _write(t: Type, value: Value, types: TypeTable, out: bytearray, depth: int) -> None:
    if t == UNIT:
        return
    if is_scalar(t):
        out += _scalar(t, value)
    elif t in (STR, SECRET):
        _write_bytes(value.encode(), out)
    elif t == BYTES:
        _write_bytes(value, out)
    elif isinstance(t, Array):
        _write_array(t, value, types, out, depth + 1)
    elif is_map(t):
        for (_, column), part in zip(stored_fields(t, types), _columns(t, value), strict=True):
            _write(column, part, types, out, depth)
    elif is_record(t, types):
        for (_, item), part in zip(fields(t, types), value, strict=True):
            _write(item, part, types, out, depth)
    elif isinstance(t, Option | Result | Named):
        _write_variant(t, value, types, out, depth)
    else:
        raise EncodingError(f"values of type `{t}` have no encoding")


def _columns(t: Type, pairs: list[tuple[Value, Value]]) -> tuple[list[Value], list[Value]]:
    """Keys and values of a map. Raises `EncodingError` for a key that is there twice."""
    keys = [key for key, _ in pairs]
    if has_duplicates(keys):
        raise EncodingError(f"a key of a `{t}` is there twice")
    return keys, [value for _, value in pairs]


def has_duplicates(keys: list[Value]) -> bool:
    """Whether two keys of a map, neutral values of one type that has a hash, are equal."""
    return len({_hashable(key) for key in keys}) < len(keys)


def _hashable(key: Value) -> Value:
    if isinstance(key, list | tuple):
        return tuple(_hashable(part) for part in key)
    return (key.index, _hashable(key.fields)) if isinstance(key, Variant) else key


def _write_bytes(data: bytes, out: bytearray) -> None:
    out += struct.pack("<Q", len(data))
    out += data


def _write_array(t: Array, value: list[Value], types: TypeTable, out: bytearray, depth: int) -> None:
    if depth > VALUE_DEPTH:
        raise EncodingError("the value is nested too deeply")
    out += struct.pack("<Q", len(value))
    if is_scalar(t.item):
        out += bytes(-len(out) % 8)
        out += _pack_scalars(t.item, value)
        return
    for element in value:
        _write(t.item, element, types, out, depth)


def _write_variant(t: Type, value: Variant, types: TypeTable, out: bytearray, depth: int) -> None:
    rows = variants(t, types)
    if not 0 <= value.index < len(rows):
        raise EncodingError(f"`{t}` has no variant {value.index}")
    out += value.index.to_bytes(tag_size(len(rows)), "little")
    for item, part in zip(rows[value.index][1], value.fields, strict=True):
        _write(item, part, types, out, depth)


def _scalar(t: Type, value: Value) -> bytes:
    assert isinstance(t, Basic)
    if t == BOOL:
        return b"\1" if value else b"\0"
    if t.name in FLOAT_BITS and value != value:
        return _NAN[t.name]
    if t.name == "f32":
        return pack_f32(value)
    return struct.pack("<" + SCALAR_FORMATS[t.name], value)


def pack_f32(value: float) -> bytes:
    """The four bytes of the nearest f32; infinity where it is too large."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def _pack_scalars(t: Type, values: list[Value]) -> bytes:
    assert isinstance(t, Basic)
    if t == BOOL:
        return bytes(map(bool, values))
    if is_float(t):
        return _pack_floats(t, values)
    packed = array(SCALAR_FORMATS[t.name], values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _pack_floats(t: Basic, values: list[float]) -> bytes:
    if t.name == "f32" or any(v != v for v in values):
        return b"".join(_scalar(t, v) for v in values)
    return struct.pack(f"<{len(values)}d", *values)


# --- decoding -------------------------------------------------------------------------------------------------------


def decode(t: Type, data: bytes, types: TypeTable) -> Value:
    """The value of a whole item. Raises `EncodingError` for anything but the encoding of a value of type `t`."""
    if t == BYTES:
        return bytes(data)
    if t in (STR, SECRET):
        return _text(bytes(data), 0)
    if isinstance(t, Array) and is_scalar(t.item):
        if len(data) % scalar_size(t.item):
            raise EncodingError("the length is not a multiple of the elements' size", len(data))
        return _unpack_scalars(t.item, data, 0)
    stream = _Stream(bytes(data), types)
    value = stream.read(t, 0)
    if stream.at != len(data):
        raise EncodingError("bytes are left over", stream.at)
    return value


class _Stream:
    """A position in the bytes of one item."""

    def __init__(self, data: bytes, types: TypeTable) -> None:
        self.data = data
        self.at = 0
        self.types = types

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise EncodingError("the value runs over the end", self.at)
        start = self.at
        self.at += count
        return self.data[start : self.at]

    def length(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def read(self, t: Type, depth: int) -> Value:
        if t == UNIT:
            return None
        if is_scalar(t):
            return self.scalar(t)
        if t in (STR, SECRET):
            size = self.length()
            start = self.at
            return _text(self.take(size), start)
        if t == BYTES:
            return self.take(self.length())
        if isinstance(t, Array):
            return self.array(t, depth + 1)
        if is_map(t):
            return self.map(t, depth)
        if is_record(t, self.types):
            return tuple(self.read(item, depth) for _, item in fields(t, self.types))
        if isinstance(t, Option | Result | Named):
            return self.variant(t, depth)
        raise EncodingError(f"values of type `{t}` have no encoding", self.at)

    def scalar(self, t: Type) -> Value:
        start = self.at
        return _unpack_scalars(t, self.take(scalar_size(t)), start)[0]

    def array(self, t: Array, depth: int) -> list[Value]:
        if depth > VALUE_DEPTH:
            raise EncodingError("the value is nested too deeply", self.at)
        start = self.at
        count = self.length()
        if is_scalar(t.item):
            if any(self.take(-self.at % 8)):
                raise EncodingError("the padding is not zero", start + 8)
            first = self.at
            return _unpack_scalars(t.item, self.take(count * scalar_size(t.item)), first)
        least = min_size(t.item, self.types)
        if count * least > len(self.data) - self.at or (least == 0 and count > EMPTY_ELEMENTS):
            raise EncodingError("the count cannot fit", start)
        return [self.read(t.item, depth) for _ in range(count)]

    def map(self, t: Type, depth: int) -> list[tuple[Value, Value]]:
        start = self.at
        keys, values = (self.read(column, depth) for _, column in stored_fields(t, self.types))
        if len(keys) != len(values):
            raise EncodingError("the map has not as many values as keys", start)
        if has_duplicates(keys):
            raise EncodingError("a key of the map is there twice", start)
        return list(zip(keys, values, strict=True))

    def variant(self, t: Type, depth: int) -> Variant:
        rows = variants(t, self.types)
        start = self.at
        index = int.from_bytes(self.take(tag_size(len(rows))), "little")
        if index >= len(rows):
            raise EncodingError(f"`{t}` has no variant {index}", start)
        return Variant(index, tuple(self.read(item, depth) for item in rows[index][1]))


def _text(data: bytes, offset: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EncodingError("the text is not valid UTF-8", offset + error.start) from error


def _unpack_scalars(t: Type, data: bytes, offset: int) -> list[Value]:
    assert isinstance(t, Basic)
    if t == BOOL:
        return _unpack_bools(data, offset)
    if is_int(t) or is_float(t):
        values = array(SCALAR_FORMATS[t.name])
        values.frombytes(data)
        if sys.byteorder == "big":
            values.byteswap()
        return values.tolist()
    raise EncodingError(f"`{t}` is not a scalar", offset)


def _unpack_bools(data: bytes, offset: int) -> list[bool]:
    bad: Callable[[int], bool] = (1).__lt__
    wrong = next((i for i, byte in enumerate(data) if bad(byte)), None) if data and max(data) > 1 else None
    if wrong is not None:
        raise EncodingError("a bool is neither 0 nor 1", offset + wrong)
    return [byte == 1 for byte in data]
