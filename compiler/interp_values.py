"""Values and primitives of the reference interpreter.

Integers are Python's, checked by range; f32 results are rounded through their four bytes; NaN is canonical where bits show.
Buffers are Python objects with one `shared` bit on the object itself: every alias sees it, which is how this differs from
native code, where the bit travels with each header. Nothing here knows instructions, layouts or encodings.
"""

import math
import struct
from collections.abc import Callable
from typing import Any

from dandc.compiler.encoding import Variant, pack_f32
from dandc.compiler.kir import StaticValue
from dandc.compiler.types import (
    BYTES,
    FLOAT_BITS,
    INT_BITS,
    SECRET,
    STR,
    Array,
    Basic,
    Type,
    TypeTable,
    fields,
    int_range,
    is_float,
    is_int,
    is_map,
    variants,
)

FILL_LIMIT = 1 << 28  # elements of `array_filled`: above this the interpreter is out of memory


class Buffer:
    """The contents of a str, bytes or array; changed in place only when not shared."""

    __slots__ = ("items", "shared")

    def __init__(self, items: Any, shared: bool = False) -> None:
        self.items = items  # bytearray of a text, list of an array
        self.shared = shared

    def changeable(self) -> "Buffer":
        """This buffer if nobody else has it, else a copy."""
        if not self.shared:
            return self
        copy = Buffer(self.items[:])
        mark_items(copy.items)
        return copy


def mark_items(items: Any) -> None:
    """Marks the buffers of every item of a buffer that has been copied. Numbers have none, and items are of one type."""
    if isinstance(items, list) and items and not isinstance(items[0], (int, float)):
        for item in items:
            mark_shared(item)


def mark_shared(value: Any) -> None:
    """Marks the buffers of a value, but not those inside them."""
    if isinstance(value, Buffer):
        value.shared = True
    elif isinstance(value, tuple):
        for part in value:
            mark_shared(part)
    elif isinstance(value, Variant):
        for part in value.fields:
            mark_shared(part)


def internal(t: Type, value: Any, types: TypeTable) -> Any:
    """A neutral value as the interpreter holds it."""
    if t in (STR, SECRET):
        return Buffer(bytearray(value.encode()))
    if t == BYTES:
        return Buffer(bytearray(value))
    if isinstance(t, Array):
        return Buffer([internal(t.item, item, types) for item in value])
    if isinstance(t, Basic):
        return value
    if is_map(t):
        keys, values = ([pair[i] for pair in value] for i in (0, 1))
        value = (keys, values, [], [], 0)
    if isinstance(value, Variant):
        payload = variants(t, types)[value.index][1]
        return Variant(value.index, tuple(internal(p, v, types) for p, v in zip(payload, value.fields, strict=True)))
    return tuple(internal(p, v, types) for (_, p), v in zip(fields(t, types), value, strict=True))


def neutral(t: Type, value: Any, types: TypeTable) -> Any:
    """The neutral form of a value that the interpreter holds."""
    if t in (STR, SECRET):
        return value.items.decode()
    if t == BYTES:
        return bytes(value.items)
    if isinstance(t, Array):
        return [neutral(t.item, item, types) for item in value.items]
    if isinstance(t, Basic):
        return value
    if isinstance(value, Variant):
        payload = variants(t, types)[value.index][1]
        return Variant(value.index, tuple(neutral(p, v, types) for p, v in zip(payload, value.fields, strict=True)))
    parts = tuple(neutral(p, v, types) for (_, p), v in zip(fields(t, types), value, strict=True))
    return list(zip(*parts[:2], strict=True)) if is_map(t) else parts


def static(t: Type, value: Any, types: TypeTable) -> StaticValue:
    """A value that the interpreter holds, as a constant of a kernel."""
    if isinstance(t, Basic):
        plain: StaticValue = (
            value if t not in (STR, BYTES, SECRET) else bytes(value.items) if t == BYTES else _text(value)
        )
        return plain
    if isinstance(t, Array):
        return tuple(static(t.item, item, types) for item in value.items)
    if isinstance(value, Variant):
        payload = variants(t, types)[value.index][1]
        return Variant(value.index, tuple(static(p, v, types) for p, v in zip(payload, value.fields, strict=True)))
    return tuple(static(p, v, types) for (_, p), v in zip(fields(t, types), value, strict=True))


def _text(value: Any) -> str:
    text: str = value.items.decode()
    return text


def from_static(t: Type, value: StaticValue, types: TypeTable) -> Any:
    """A constant of a kernel as the interpreter holds it, its buffers shared."""
    if isinstance(value, str):
        return Buffer(bytearray(value.encode()), shared=True)
    if isinstance(value, bytes):
        return Buffer(bytearray(value), shared=True)
    if isinstance(value, Variant):
        payload = variants(t, types)[value.index][1]
        return Variant(value.index, tuple(from_static(p, v, types) for p, v in zip(payload, value.fields, strict=True)))
    if not isinstance(value, tuple):
        return value
    if isinstance(t, Array):
        return Buffer([from_static(t.item, item, types) for item in value], shared=True)
    return tuple(from_static(p, v, types) for (_, p), v in zip(fields(t, types), value, strict=True))


def neutral_static(t: Type, value: StaticValue, types: TypeTable) -> Any:
    """A constant of a kernel as a neutral value."""
    if isinstance(t, Array):
        assert isinstance(value, tuple)
        return [neutral_static(t.item, item, types) for item in value]
    if isinstance(value, Variant):
        payload = variants(t, types)[value.index][1]
        return Variant(
            value.index, tuple(neutral_static(p, v, types) for p, v in zip(payload, value.fields, strict=True))
        )
    if not isinstance(value, tuple):
        return value
    parts = tuple(neutral_static(p, v, types) for (_, p), v in zip(fields(t, types), value, strict=True))
    return list(zip(*parts[:2], strict=True)) if is_map(t) else parts


def too_large(value: Any, most: int, depth: int) -> bool:
    """Whether a value is of more than `most` bytes (about), or has arrays more than `depth` deep in each other."""
    waiting = [(value, 0)]
    while waiting and most >= 0:
        part, deep = waiting.pop()
        most -= 8
        if isinstance(part, Buffer):
            if isinstance(part.items, bytearray):
                most -= len(part.items)
            elif deep == depth or 8 * len(part.items) > most:
                return True
            else:
                waiting.extend((item, deep + 1) for item in part.items)
        elif isinstance(part, tuple | Variant):
            waiting.extend((item, deep) for item in (part.fields if isinstance(part, Variant) else part))
    return most < 0


def at_boundary(data: bytearray, offset: int) -> bool:
    """Whether `offset` lies between two characters of UTF-8 text."""
    return offset == len(data) or data[offset] & 0xC0 != 0x80


# --- primitives -----------------------------------------------------------------------------------------------------


class Trapped(Exception):
    """A primitive could not give a result."""

    def __init__(self, trap: str) -> None:
        self.trap = trap


def apply(op: str, args: list[Any], source: Type, target: Type) -> Any:
    """The result of a primitive on operands of which the first has type `source`. Raises `Trapped`."""
    if op in _COMPARISONS:
        left, right = (bytes(a.items) if isinstance(a, Buffer) else a for a in args)
        return _COMPARISONS[op](left, right)
    if op in _OTHER:
        return _OTHER[op](args, source, target)
    if is_float(source):
        if op == "floordiv":
            return _whole("floor", round_float(_divide(*args), source))
        return round_float(_float(op, args), source)
    return _integer(op, args, source)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def checked(value: int, t: Type, trap: str = "trap.overflow") -> int:
    """`value` if it is one of type `t`."""
    low, high = int_range(t)
    if not low <= value <= high:
        raise Trapped(trap)
    return value


def wrapped(value: int, t: Type) -> int:
    """`value` modulo 2^n in the range of `t`."""
    assert isinstance(t, Basic)
    low, _ = int_range(t)
    return (value - low) % (1 << INT_BITS[t.name]) + low


def _integer(op: str, args: list[int], t: Type) -> int:
    if op in _WRAPPING:
        return wrapped(_WRAPPING[op](*args), t)
    if op in ("floordiv", "mod") and args[1] == 0:
        raise Trapped("trap.division")
    return checked(_CHECKED[op](*args), t)


_WRAPPING: dict[str, Callable[..., int]] = {
    "add_wrap": lambda a, b: a + b,
    "sub_wrap": lambda a, b: a - b,
    "mul_wrap": lambda a, b: a * b,
    "bit_not": lambda a: ~a,
}

_CHECKED: dict[str, Callable[..., int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "abs": abs,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "bit_and": lambda a, b: a & b,
    "bit_or": lambda a, b: a | b,
    "bit_xor": lambda a, b: a ^ b,
}


def _shift(args: list[int], t: Type) -> int:
    assert isinstance(t, Basic)
    if not 0 <= args[1] < INT_BITS[t.name]:
        raise Trapped("trap.shift")
    return args[1]


def round_float(value: float, t: Type) -> float:
    """The nearest float of type `t` to an f64."""
    if t == Basic("f64") or math.isnan(value):
        return value
    found: float = struct.unpack("<f", pack_f32(value))[0]
    return found


def _float(op: str, args: list[float]) -> float:
    """An operation in f64. For + - * / and sqrt, rounding its result once more to f32 gives what f32 itself would."""
    match op, args:
        case "neg", [a]:
            return -a
        case "abs", [a]:
            return abs(a)
        case "sqrt", [a]:
            return math.sqrt(a) if a >= 0 else math.nan
        case (("floor" | "ceil" | "trunc"), [a]):
            return _whole(op, a)
        case "add", [a, b]:
            return a + b
        case "sub", [a, b]:
            return a - b
        case "mul", [a, b]:
            return a * b
        case "div", [a, b]:
            return _divide(a, b)
        case "mod", [a, b]:
            return _float_mod(a, b)
    raise AssertionError(op)


def _divide(a: float, b: float) -> float:
    if b != 0 or math.isnan(b):
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, math.copysign(1, a) * math.copysign(1, b))


def _whole(op: str, a: float) -> float:
    if not math.isfinite(a):
        return a
    rounded: dict[str, Callable[[float], int]] = {"floor": math.floor, "ceil": math.ceil, "trunc": math.trunc}
    return math.copysign(float(rounded[op](a)), a)


def _float_mod(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or b == 0:
        return math.nan
    rest = math.fmod(a, b)
    if rest == 0:
        return math.copysign(0.0, b)
    return rest + b if (rest < 0) != (b < 0) else rest


def _convert(args: list[Any], source: Type, target: Type) -> Any:
    (value,) = args
    if is_int(target):
        if is_int(source):
            return checked(value, target, "trap.conversion")
        if not math.isfinite(value) or value != math.trunc(value):
            raise Trapped("trap.conversion")
        return checked(int(value), target, "trap.conversion")
    if is_int(source):
        return nearest(value, FLOAT_BITS[str(target)])
    return round_float(value, target)


def nearest(value: int, bits: int) -> float:
    """The nearest float of a width to an integer, ties to even; exact integer arithmetic, so that it rounds once."""
    precision = 53 if bits == 64 else 24
    size = abs(value)
    drop = max(size.bit_length() - precision, 0)
    kept, rest = size >> drop, size & ((1 << drop) - 1)
    half = (1 << drop) >> 1
    if drop and (rest > half or (rest == half and kept & 1)):
        kept += 1
    return math.copysign(float(kept << drop), value)


def _bits(args: list[Any], source: Type, target: Type) -> Any:
    (value,) = args
    letter, code = ("f", "I") if str(Basic("f32")) in (str(source), str(target)) else ("d", "Q")
    if is_int(target):
        if math.isnan(value):
            return 0x7FC00000 if letter == "f" else 0x7FF8000000000000
        return struct.unpack(f"<{code}", struct.pack(f"<{letter}", value))[0]
    return struct.unpack(f"<{letter}", struct.pack(f"<{code}", value))[0]


def _slice(args: list[Any], source: Type, target: Type) -> Buffer:
    buffer, lo, hi = args
    if not 0 <= lo <= hi <= len(buffer.items):
        raise Trapped("trap.slice")
    if source == STR and not (at_boundary(buffer.items, lo) and at_boundary(buffer.items, hi)):
        raise Trapped("trap.slice")
    part = Buffer(buffer.items[lo:hi])
    mark_items(part.items)
    return part


def _byte_at(args: list[Any], source: Type, target: Type) -> int:
    buffer, index = args
    if not 0 <= index < len(buffer.items):
        raise Trapped("trap.index")
    byte: int = buffer.items[index]
    return byte


def _filled(args: list[Any], source: Type, target: Type) -> Buffer:
    count, value = args
    if count > FILL_LIMIT:
        raise Trapped("limit.memory")
    return Buffer([value] * max(count, 0))


def _shl(args: list[int], source: Type, target: Type) -> int:
    return checked(args[0] << _shift(args, source), source)


_OTHER: dict[str, Callable[[list[Any], Type, Type], Any]] = {
    "shl": _shl,
    "shr": lambda args, source, target: args[0] >> _shift(args, source),
    "not": lambda args, source, target: not args[0],
    "convert": _convert,
    "wrap": lambda args, source, target: wrapped(args[0], target),
    "bits": _bits,
    "len": lambda args, source, target: len(args[0].items),
    "byte_at": _byte_at,
    "slice": _slice,
    "to_bytes": lambda args, source, target: Buffer(args[0].items[:]),
    "str_unchecked": lambda args, source, target: Buffer(args[0].items[:]),
    "array_filled": _filled,
    "tag": lambda args, source, target: args[0].index,
    "set_len": lambda args, source, target: len(args[0]),
}
