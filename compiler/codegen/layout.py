"""How values of KIR types lie in memory: sizes, alignments, LLVM types, and where their buffers hang.

Scalars and unit are SSA values; everything else lives in memory and is spoken of by pointer. `str`, `bytes` and arrays
are a header `{ ptr, i64 len, i64 cap }`: `cap` is the capacity in elements when this header alone owns the buffer,
0 when the buffer is shared, a view or constant. Variants are `{ i64 tag, payload }` with the payloads overlapping.
The *depth* of a type is how many buffers deep a value can be: 0 none, 1 flat buffers, 2 buffers with headers in them.
"""

import math
import struct

from attrs import field

from dandc.compiler.types import (
    BOOL,
    BYTES,
    SECRET,
    STR,
    UNIT,
    Array,
    Basic,
    EnumDef,
    Named,
    Option,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeTable,
    fields,
    is_scalar,
    variants,
)
from dandc.lang.values import frozen

HEADER = "%H"
SET = "{ ptr, i64 }"
ENDLESS = 1 << 30  # the depth of recursive types

_SCALARS = {"bool": ("i8", 1), "f32": ("float", 4), "f64": ("double", 8), "unit": ("i8", 1)} | {
    f"{sign}{bits}": (f"i{bits}", bits // 8) for sign in "iu" for bits in (8, 16, 32, 64)
}


class LayoutError(Exception):
    """A type without a finite layout: it contains itself without an array between."""


@frozen
class Layout:
    """Layouts of the types of one kernel."""

    types: TypeTable
    _shapes: dict[Type, tuple[str, int, int]] = field(factory=dict, init=False, eq=False)
    _depths: dict[Type, int] = field(factory=dict, init=False, eq=False)
    _open: list[Type] = field(factory=list, init=False, eq=False)

    def mem(self, t: Type) -> str:
        """The LLVM type of a value in memory."""
        return self._shape(t)[0]

    def size(self, t: Type) -> int:
        """Bytes of a value in memory, a multiple of its alignment."""
        return self._shape(t)[1]

    def align(self, t: Type) -> int:
        """Alignment of a value in memory."""
        return self._shape(t)[2]

    def variant(self, t: Type, index: int) -> str:
        """The LLVM type of variant `index` of an option, result or enum: the tag, then the payload."""
        return "{ " + ", ".join(["i64", *(self.mem(p) for p in variants(t, self.types)[index][1])]) + " }"

    def depth(self, t: Type) -> int:
        """How many buffers deep a value can be; `ENDLESS` for recursive types."""
        if t not in self._depths:
            self._depths[t] = self._depth(t, ())
        return self._depths[t]

    def has_heap(self, t: Type) -> bool:
        """Whether a value holds headers."""
        return self.depth(t) > 0

    def _shape(self, t: Type) -> tuple[str, int, int]:
        if t not in self._shapes:
            if t in self._open:
                raise LayoutError(f"the type `{t}` contains itself without an array between")
            self._open.append(t)
            try:
                self._shapes[t] = self._compute(t)
            finally:
                self._open.pop()
        return self._shapes[t]

    def _compute(self, t: Type) -> tuple[str, int, int]:
        if isinstance(t, Basic) and t.name in _SCALARS:
            name, size = _SCALARS[t.name]
            return name, size, size
        if is_header(t):
            return HEADER, 24, 8
        if isinstance(t, SetRef):
            return SET, 16, 8
        if is_record(t, self.types):
            parts = [item for _, item in fields(t, self.types)]
            size, align = self._sequence(0, parts)
            return "{ " + ", ".join(map(self.mem, parts)) + " }" if parts else "{ i8 }", max(size, 1), align
        rows = variants(t, self.types)
        size = max([8, *(self._sequence(8, payload)[0] for _, payload in rows)])
        words = (size - 8 + 7) // 8
        return f"{{ i64, [{words} x i64] }}", 8 + 8 * words, 8

    def _sequence(self, at: int, parts: list[Type] | tuple[Type, ...]) -> tuple[int, int]:
        align = 1
        for part in parts:
            step = self.align(part)
            align = max(align, step)
            at = (at + step - 1) // step * step + self.size(part)
        return (at + align - 1) // align * align, align

    def _depth(self, t: Type, inside: tuple[Type, ...]) -> int:
        if isinstance(t, Basic):
            return 1 if t in (STR, BYTES, SECRET) else 0
        if t in inside:
            return ENDLESS
        inner = (*inside, t)
        if isinstance(t, Array):
            return min(1 + self._depth(t.item, inner), ENDLESS)
        if isinstance(t, SetRef):
            return 0
        return max((self._depth(part, inner) for part in self.parts(t)), default=0)

    def parts(self, t: Type) -> list[Type]:
        """The types that a record, tuple or variant type holds inline."""
        if is_record(t, self.types):
            return [item for _, item in fields(t, self.types)]
        return [item for _, payload in variants(t, self.types) for item in payload]


def is_header(t: Type) -> bool:
    """Whether a value is a header with a buffer."""
    return t in (STR, BYTES, SECRET) or isinstance(t, Array)


def is_record(t: Type, types: TypeTable) -> bool:
    """Whether `t` is a tuple or a record."""
    return isinstance(t, Tuple) or (isinstance(t, Named) and not isinstance(types[str(t)], EnumDef))


def is_variant(t: Type, types: TypeTable) -> bool:
    """Whether `t` has a tag."""
    return isinstance(t, Option | Result) or (isinstance(t, Named) and isinstance(types[str(t)], EnumDef))


def is_ssa(t: Type) -> bool:
    """Whether values are SSA values: scalars and unit."""
    return is_scalar(t) or t == UNIT


def ssa(t: Type) -> str:
    """The LLVM type of a scalar or unit as SSA value."""
    assert isinstance(t, Basic)
    return "i1" if t == BOOL else _SCALARS[t.name][0]


def element(t: Type) -> Type:
    """What a header's buffer holds."""
    return t.item if isinstance(t, Array) else Basic("u8")


def literal(t: Type, value: object) -> str:
    """A scalar or unit literal as LLVM text."""
    if t == UNIT:
        return "0"
    if t == BOOL:
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    return str(value)


def float_text(value: float) -> str:
    """A float as LLVM text; f32 constants are written as the double that they are."""
    bits = 0x7FF8000000000000 if math.isnan(value) else struct.unpack("<Q", struct.pack("<d", value))[0]
    return f"0x{bits:016X}"
