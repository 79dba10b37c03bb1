"""Arithmetic that wraps and remembers, for the strips of sticky loops: values, flags in lanes, and bounds of sums.

A flag is the sign bit in a lane that is as wide as the value, because that is what vectors compute without conversion and OR
together. Conditions are counted: LLVM makes a `select` of an OR with a condition, and then no longer sees what it is for. The lane of
a double-width product keeps all bits above the value's width; any of them is a flag. Flags are exact, but for
two: the product of 64-bit values flags operands outside of 32 bits, and a sum flags what *might* take it out of range (below).
A flag too many costs time, never a result (`strips.py`).

**Sums.** Sticky tests of every partial sum would be a chain that no vector can hold. So a bound on what a strip adds is tested
instead: 64 bits wide, the sum must lie within 2^62 before, and every term is so small that a strip's terms stay below 2^62 together.
32 bits wide, the magnitudes of the terms are added up, without as many low bits as keep that from overflowing.
"""

from collections.abc import Callable, Iterator

from dandc.compiler.codegen.builder import Builder
from dandc.compiler.codegen.layout import float_text, ssa
from dandc.compiler.codegen.ops import resize
from dandc.compiler.kir import Lit, Op
from dandc.compiler.types import INT_BITS, Basic, Type, int_range, is_signed

STRIP_BITS = 12
STRIP = 1 << STRIP_BITS  # iterations between tests: so many that a test costs nothing, so few that a late trap is soon


def width(t: Type) -> int:
    """The bits of an integer type."""
    assert isinstance(t, Basic)
    return INT_BITS[t.name]


class Lanes:
    """The lanes of one strip: stack slots that LLVM turns into registers. `clear` is written before it, `test` after."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.signs: dict[str, str] = {}
        self.counts: dict[str, str] = {}
        self.products: dict[int, str] = {}
        self.exponents: str | None = None

    def clear(self) -> None:
        """Empties all lanes."""
        for llvm, lane in [*self.signs.items(), *self.counts.items()]:
            self.b.store(llvm, "0", lane)
        for half, lane in self.products.items():
            self.b.store(f"i{2 * half}", "0", lane)
        if self.exponents is not None:
            self.b.store("i32", "0", self.exponents)

    def flags(self) -> Iterator[str]:
        """For each lane whether it holds a flag: an i1."""
        b = self.b
        for llvm, lane in self.signs.items():
            yield b.op(f"icmp slt {llvm} {b.load(llvm, lane)}, 0")
        for llvm, lane in self.counts.items():
            yield b.op(f"icmp ne {llvm} {b.load(llvm, lane)}, 0")
        for half, lane in self.products.items():
            llvm = f"i{2 * half}"
            yield b.op(f"icmp ugt {llvm} {b.load(llvm, lane)}, {(1 << half) - 1}")
        if self.exponents is not None:
            seen = b.load("i32", self.exponents)
            yield b.op(f"icmp ne i32 {b.op(f'and i32 {seen}, {1 << 30}')}, 0")

    def sign(self, llvm: str, value: str) -> None:
        """The sign bit of a value is a flag."""
        if llvm not in self.signs:
            self.signs[llvm] = self.b.alloca(llvm)
        self._collect(llvm, value, self.signs[llvm])

    def when(self, llvm: str, cond: str) -> None:
        """A condition about values of a type is a flag."""
        llvm = "i64" if llvm == "i64" else "i32"  # room for one a flag and iteration
        if llvm not in self.counts:
            self.counts[llvm] = self.b.alloca(llvm)
        lane, one = self.counts[llvm], self.b.op(f"zext i1 {cond} to {llvm}")
        self.b.store(llvm, self.b.op(f"add {llvm} {self.b.load(llvm, lane)}, {one}"), lane)

    def high(self, half: int, value: str) -> None:
        """All bits above the lower half of a value of twice that width are flags."""
        if half not in self.products:
            self.products[half] = self.b.alloca(f"i{2 * half}")
        self._collect(f"i{2 * half}", value, self.products[half])

    def exponent(self, value: str) -> None:
        """The highest bit of an f32's exponent is a flag."""
        if self.exponents is None:
            self.exponents = self.b.alloca("i32")
        self._collect("i32", value, self.exponents)

    def _collect(self, llvm: str, value: str, lane: str) -> None:
        self.b.store(llvm, self.b.op(f"or {llvm} {self.b.load(llvm, lane)}, {value}"), lane)


class Bound:
    """What the strips add to one sum, at most `terms` times an iteration."""

    def __init__(self, b: Builder, t: Type, terms: int) -> None:
        self.b = b
        self.t = t
        self.llvm = ssa(t)
        self.terms = terms
        self.lost = STRIP_BITS + (terms - 1).bit_length()  # log2 of the number of terms of a strip
        self.small = 62 - self.lost
        self.lane: str | None = None

    def clear(self) -> None:
        """Before a strip."""
        if self.lane is not None:
            self.b.store(self.llvm, "0", self.lane)

    def ready(self, start: str) -> str | None:
        """Whether a strip may begin at this value of the sum, an i1; None: at any."""
        if self.llvm != "i64":
            return None
        moved = self.b.op(f"add i64 {start}, {1 << 62}") if is_signed(self.t) else start
        return self.b.op(f"icmp sge i64 {moved}, 0")

    def count(self, term: str) -> None:
        """Takes note of a term, which is no small literal."""
        b, llvm = self.b, self.llvm
        if self.lane is None:
            self.lane = b.alloca(llvm)
        before = b.load(llvm, self.lane)
        if llvm == "i64":
            moved = b.op(f"add i64 {term}, {1 << self.small}") if is_signed(self.t) else term
            b.store(llvm, b.op(f"or i64 {before}, {moved}"), self.lane)
            return
        size = b.op(f"call i32 @llvm.abs.i32(i32 {term}, i1 false)") if is_signed(self.t) else term
        b.store(llvm, b.op(f"add i32 {before}, {b.op(f'lshr i32 {size}, {self.lost}')}"), self.lane)

    def flag(self, start: str, count: str) -> str:
        """Whether a strip of `count` iterations from `start` may have left the range: an i1."""
        b = self.b
        if self.llvm == "i64":
            limit = 1 << (self.small + (1 if is_signed(self.t) else 0))
            return "false" if self.lane is None else b.op(f"icmp uge i64 {b.load('i64', self.lane)}, {limit}")
        low, high = int_range(self.t)
        added = "0" if self.lane is None else b.op(f"zext i32 {b.load('i32', self.lane)} to i64")
        # What the low bits that were dropped may have been: less than one more a term.
        most = b.op(f"add i64 {added}, {b.op(f'mul i64 {count}, {self.terms}')}")
        most = b.op(f"shl i64 {most}, {self.lost}")
        wide = b.op(f"{'sext' if is_signed(self.t) else 'zext'} i32 {start} to i64")
        above = b.op(f"icmp sgt i64 {most}, {b.op(f'sub i64 {high}, {wide}')}")
        if not is_signed(self.t):
            return above
        room = b.op(f"sub i64 {wide}, {low}")
        return b.op(f"or i1 {above}, {b.op(f'icmp sgt i64 {most}, {room}')}")


def flagged(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    """The wrapped value of a checked operation on integers of type `t`, with its flag in a lane."""
    return _OPERATIONS[op.op](lanes, op, t, target, args)


def _literal(op: Op, number: int) -> int | None:
    arg = op.args[number]
    return int(arg.value) if isinstance(arg, Lit) and isinstance(arg.value, int) else None


def _add(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    b, llvm = lanes.b, ssa(t)
    if _literal(op, 0) is not None:
        op, args = Op(op.site, op.dst, op.op, (op.args[1], op.args[0])), [args[1], args[0]]
    left, right = args
    result = b.op(f"add {llvm} {left}, {right}")
    if not is_signed(t):
        kept = b.op(f"and {llvm} {b.op(f'or {llvm} {left}, {right}')}, {_not(b, llvm, result)}")
        lanes.sign(llvm, b.op(f"or {llvm} {_both(b, llvm, left, right)}, {kept}"))
        return result
    known = _literal(op, 1)
    if known is None:
        lanes.sign(llvm, _both(b, llvm, _differ(b, llvm, left, result), _differ(b, llvm, right, result)))
    elif known:
        lanes.sign(llvm, _changed(b, llvm, left, result, rises=known > 0))
    return result


def _sub(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    b, llvm, (left, right) = lanes.b, ssa(t), args
    result = b.op(f"sub {llvm} {left}, {right}")
    if not is_signed(t):
        opposite = _not(b, llvm, left)
        lent = b.op(f"and {llvm} {b.op(f'or {llvm} {opposite}, {right}')}, {result}")
        lanes.sign(llvm, b.op(f"or {llvm} {_both(b, llvm, opposite, right)}, {lent}"))
        return result
    known = _literal(op, 1)
    if known is None:
        lanes.sign(llvm, _both(b, llvm, _differ(b, llvm, left, right), _differ(b, llvm, left, result)))
    elif known:
        lanes.sign(llvm, _changed(b, llvm, left, result, rises=known < 0))
    return result


def _changed(b: Builder, llvm: str, before: str, after: str, *, rises: bool) -> str:
    """The sign bit says that a value that was to rise (or fall) by a known amount came out at the other end."""
    first, second = (after, before) if rises else (before, after)
    return _both(b, llvm, first, _not(b, llvm, second))


def _not(b: Builder, llvm: str, value: str) -> str:
    return b.op(f"xor {llvm} {value}, -1")


def _differ(b: Builder, llvm: str, left: str, right: str) -> str:
    return b.op(f"xor {llvm} {left}, {right}")


def _both(b: Builder, llvm: str, left: str, right: str) -> str:
    return b.op(f"and {llvm} {left}, {right}")


def _neg(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    b, llvm = lanes.b, ssa(t)
    result = b.op(f"sub {llvm} 0, {args[0]}")
    if is_signed(t):
        lanes.sign(llvm, _both(b, llvm, args[0], result))
    else:
        lanes.when(llvm, b.op(f"icmp ne {llvm} {args[0]}, 0"))
    return result


def _abs(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    if not is_signed(t):
        return args[0]
    llvm = ssa(t)
    result = lanes.b.op(f"call {llvm} @llvm.abs.{llvm}({llvm} {args[0]}, i1 false)")
    lanes.sign(llvm, result)
    return result


def _mul(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    b, llvm = lanes.b, ssa(t)
    if _literal(op, 0) is not None:
        op, args = Op(op.site, op.dst, op.op, (op.args[1], op.args[0])), [args[1], args[0]]
    known = _literal(op, 1)
    if known is not None:
        low, high = int_range(t)
        if known:
            ends = sorted(_toward_zero(end, known) for end in (low, high))
            _within(lanes, t, args[0], max(ends[0], low), min(ends[1], high))
        return b.op(f"mul {llvm} {args[0]}, {known}")
    if width(t) == 64:
        return _small_product(lanes, t, args)
    if str(t) == "i32":
        return _i32_product(lanes, args)
    half, wide = width(t), f"i{2 * width(t)}"
    kind = "sext" if is_signed(t) else "zext"
    left, right = (b.op(f"{kind} {llvm} {arg} to {wide}") for arg in args)
    product = b.op(f"mul {wide} {left}, {right}")
    lanes.high(half, b.op(f"add {wide} {product}, {1 << (half - 1)}") if is_signed(t) else product)
    return b.op(f"trunc {wide} {product} to {llvm}")


# A product of 2^31 becomes 2, from where on the highest bit of the exponent is set. Four roundings make it wrong by less than
# 2^-21, so it is taken 2^-20 larger than it is.
_SCALE = float_text(2**-30 * (1 + 2**-20))


def _i32_product(lanes: Lanes, args: list[str]) -> str:
    """The product as a float tells whether it is near 2^31 or above: half the work of a product of 64 bits."""
    b = lanes.b
    left, right = (b.op(f"sitofp i32 {arg} to float") for arg in args)
    product = b.op(f"fmul float {b.op(f'fmul float {left}, {_SCALE}')}, {right}")
    lanes.exponent(b.op(f"bitcast float {product} to i32"))
    return b.op(f"mul i32 {args[0]}, {args[1]}")


def _toward_zero(value: int, divisor: int) -> int:
    quotient = abs(value) // abs(divisor)
    return quotient if (value < 0) == (divisor < 0) else -quotient


def _within(lanes: Lanes, t: Type, value: str, low: int, high: int) -> None:
    """Flags a value outside of `low..high`."""
    b, llvm = lanes.b, ssa(t)
    if (low, high) == int_range(t):
        return
    moved = b.op(f"sub {llvm} {value}, {low}") if low else value
    lanes.when(llvm, b.op(f"icmp ugt {llvm} {moved}, {high - low}"))


def _small_product(lanes: Lanes, t: Type, args: list[str]) -> str:
    """The product of two numbers of 32 bits in 64: what vectors have; larger operands are flagged."""
    b = lanes.b
    small = []
    for arg in args:
        lanes.high(32, b.op(f"add i64 {arg}, {1 << 31}") if is_signed(t) else arg)
        low = b.op(f"trunc i64 {arg} to i32")
        small.append(b.op(f"{'sext' if is_signed(t) else 'zext'} i32 {low} to i64"))
    return b.op(f"mul i64 {small[0]}, {small[1]}")


def _shift_count(lanes: Lanes, op: Op, t: Type, args: list[str]) -> str:
    """The count in the width of the value and within it."""
    known = _literal(op, 1)
    if known is not None and 0 <= known < width(t):
        return str(known)
    lanes.when("i64", lanes.b.op(f"icmp uge i64 {args[1]}, {width(t)}"))
    within = lanes.b.op(f"and i64 {args[1]}, {width(t) - 1}")
    return within if width(t) == 64 else lanes.b.op(f"trunc i64 {within} to {ssa(t)}")


def _shl(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    b, llvm = lanes.b, ssa(t)
    count = _shift_count(lanes, op, t, args)
    result = b.op(f"shl {llvm} {args[0]}, {count}")
    back = b.op(f"{'ashr' if is_signed(t) else 'lshr'} {llvm} {result}, {count}")
    lanes.when(llvm, b.op(f"icmp ne {llvm} {back}, {args[0]}"))
    return result


def _shr(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    count = _shift_count(lanes, op, t, args)
    return lanes.b.op(f"{'ashr' if is_signed(t) else 'lshr'} {ssa(t)} {args[0]}, {count}")


def _convert(lanes: Lanes, op: Op, t: Type, target: Type, args: list[str]) -> str:
    (least, greatest), (low, high) = int_range(t), int_range(target)
    if width(t) == width(target):
        lanes.sign(ssa(t), args[0])
    else:
        _within(lanes, t, args[0], max(least, low), min(greatest, high))
    return resize(lanes.b, t, target, args[0])


_OPERATIONS: dict[str, Callable[[Lanes, Op, Type, Type, list[str]], str]] = {
    "add": _add,
    "sub": _sub,
    "neg": _neg,
    "abs": _abs,
    "mul": _mul,
    "shl": _shl,
    "shr": _shr,
    "convert": _convert,
}
