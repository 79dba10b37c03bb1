"""The primitive operations on scalars and headers, as LLVM IR.

Checked integer arithmetic branches to cold trap blocks. Floats carry no flag at all, so nothing is reassociated or contracted.
Only instructions that x86-64-v2 has are used: `sqrt`, `floor`, `ceil` and `trunc` never become calls.
"""

from collections.abc import Callable
from typing import Protocol

from dandc.compiler.codegen.builder import Builder
from dandc.compiler.codegen.layout import element, float_text, is_header, ssa
from dandc.compiler.kir import Op, Operand
from dandc.compiler.types import BOOL, INT_BITS, STR, Basic, Type, int_range, is_float, is_int, is_signed


class Operands(Protocol):
    """How the function that is being written reads operands."""

    b: Builder

    def type(self, operand: Operand) -> Type: ...
    def scalar(self, operand: Operand) -> str: ...
    def header(self, operand: Operand) -> tuple[str, str]: ...
    def pointer(self, operand: Operand) -> str: ...


def canonical(b: Builder, t: Type, value: str) -> str:
    """A float with the one NaN that can be seen."""
    nan = b.op(f"fcmp uno {ssa(t)} {value}, {value}")
    return b.op(f"select i1 {nan}, {ssa(t)} {float_text(float('nan'))}, {ssa(t)} {value}")


def scalar_op(f: Operands, op: Op, target: Type, site: int) -> str:
    """The value of an operation whose result is a scalar."""
    if op.op in ("eq", "ne", "lt", "le", "gt", "ge"):
        return _compare(f, op)
    if op.op in _SPECIAL:
        return _SPECIAL[op.op](f, op, target, site)
    t = f.type(op.args[0])
    args = [f.scalar(arg) for arg in op.args]
    if is_float(t):
        return _FLOAT[op.op](f.b, t, args)
    return _INTEGER[op.op](f.b, t, args, site)


# --- integers -------------------------------------------------------------------------------------------------------


def _overflowing(kind: str) -> Callable[[Builder, Type, list[str], int], str]:
    def write(b: Builder, t: Type, args: list[str], site: int) -> str:
        llvm = ssa(t)
        sign = "s" if is_signed(t) else "u"
        call = f"@llvm.{sign}{kind}.with.overflow.{llvm}({llvm} {args[0]}, {llvm} {args[1]})"
        pair = b.op(f"call {{ {llvm}, i1 }} {call}")
        b.trap_if(b.op(f"extractvalue {{ {llvm}, i1 }} {pair}, 1"), "trap.overflow", site)
        return b.op(f"extractvalue {{ {llvm}, i1 }} {pair}, 0")

    return write


def _plain(kind: str) -> Callable[[Builder, Type, list[str], int], str]:
    return lambda b, t, args, site: b.op(f"{kind} {ssa(t)} {args[0]}, {args[1]}")


def _neg(b: Builder, t: Type, args: list[str], site: int) -> str:
    return _overflowing("sub")(b, t, ["0", args[0]], site)


def _abs(b: Builder, t: Type, args: list[str], site: int) -> str:
    if not is_signed(t):
        return args[0]
    llvm = ssa(t)
    b.trap_if(b.op(f"icmp eq {llvm} {args[0]}, {int_range(t)[0]}"), "trap.overflow", site)
    negative = b.op(f"icmp slt {llvm} {args[0]}, 0")
    return b.op(f"select i1 {negative}, {llvm} {b.op(f'sub {llvm} 0, {args[0]}')}, {llvm} {args[0]}")


def _nonzero(b: Builder, llvm: str, divisor: str, site: int) -> None:
    b.trap_if(b.op(f"icmp eq {llvm} {divisor}, 0"), "trap.division", site)


def _wrong_sign(b: Builder, llvm: str, rest: str, divisor: str) -> str:
    """Whether a remainder is not zero and has not the divisor's sign."""
    differs = b.op(f"icmp slt {llvm} {b.op(f'xor {llvm} {rest}, {divisor}')}, 0")
    return b.op(f"and i1 {differs}, {b.op(f'icmp ne {llvm} {rest}, 0')}")


def _floordiv(b: Builder, t: Type, args: list[str], site: int) -> str:
    llvm, (x, y) = ssa(t), args
    _nonzero(b, llvm, y, site)
    if not is_signed(t):
        return b.op(f"udiv {llvm} {x}, {y}")
    least = b.op(f"icmp eq {llvm} {x}, {int_range(t)[0]}")
    b.trap_if(b.op(f"and i1 {least}, {b.op(f'icmp eq {llvm} {y}, -1')}"), "trap.overflow", site)
    quotient = b.op(f"sdiv {llvm} {x}, {y}")
    rest = b.op(f"sub {llvm} {x}, {b.op(f'mul {llvm} {quotient}, {y}')}")
    step = b.op(f"zext i1 {_wrong_sign(b, llvm, rest, y)} to {llvm}")
    return b.op(f"sub {llvm} {quotient}, {step}")


def _mod(b: Builder, t: Type, args: list[str], site: int) -> str:
    llvm, (x, y) = ssa(t), args
    _nonzero(b, llvm, y, site)
    if not is_signed(t):
        return b.op(f"urem {llvm} {x}, {y}")
    # x % -1 is 0 for every x, and the machine's division overflows for the least: divide by 1 instead.
    safe = b.op(f"select i1 {b.op(f'icmp eq {llvm} {y}, -1')}, {llvm} 1, {llvm} {y}")
    rest = b.op(f"srem {llvm} {x}, {safe}")
    moved = b.op(f"add {llvm} {rest}, {y}")
    return b.op(f"select i1 {_wrong_sign(b, llvm, rest, safe)}, {llvm} {moved}, {llvm} {rest}")


def _shift_count(f: Operands, op: Op, t: Type, site: int) -> str:
    """The checked shift count in the width of `t`."""
    assert isinstance(t, Basic)
    count = f.scalar(op.args[1])
    f.b.trap_unless(f.b.op(f"icmp ult i64 {count}, {INT_BITS[t.name]}"), "trap.shift", site)
    return count if ssa(t) == "i64" else f.b.op(f"trunc i64 {count} to {ssa(t)}")


def _shl(f: Operands, op: Op, t: Type, site: int) -> str:
    llvm, x = ssa(t), f.scalar(op.args[0])
    count = _shift_count(f, op, t, site)
    result = f.b.op(f"shl {llvm} {x}, {count}")
    back = f.b.op(f"{'ashr' if is_signed(t) else 'lshr'} {llvm} {result}, {count}")
    f.b.trap_unless(f.b.op(f"icmp eq {llvm} {back}, {x}"), "trap.overflow", site)
    return result


def _shr(f: Operands, op: Op, t: Type, site: int) -> str:
    x = f.scalar(op.args[0])
    count = _shift_count(f, op, t, site)
    return f.b.op(f"{'ashr' if is_signed(t) else 'lshr'} {ssa(t)} {x}, {count}")


def _not(b: Builder, t: Type, args: list[str], site: int) -> str:
    return b.op(f"xor {ssa(t)} {args[0]}, {'true' if t == BOOL else '-1'}")


_INTEGER: dict[str, Callable[[Builder, Type, list[str], int], str]] = {
    "add": _overflowing("add"),
    "sub": _overflowing("sub"),
    "mul": _overflowing("mul"),
    "neg": _neg,
    "abs": _abs,
    "floordiv": _floordiv,
    "mod": _mod,
    "add_wrap": _plain("add"),
    "sub_wrap": _plain("sub"),
    "mul_wrap": _plain("mul"),
    "bit_and": _plain("and"),
    "bit_or": _plain("or"),
    "bit_xor": _plain("xor"),
    "bit_not": _not,
    "not": _not,
}

# --- floats ---------------------------------------------------------------------------------------------------------


def _float_op(kind: str) -> Callable[[Builder, Type, list[str]], str]:
    return lambda b, t, args: b.op(f"{kind} {ssa(t)} {', '.join(args)}")


def _intrinsic(name: str) -> Callable[[Builder, Type, list[str]], str]:
    def write(b: Builder, t: Type, args: list[str]) -> str:
        return b.op(f"call {ssa(t)} @llvm.{name}.{t}({ssa(t)} {args[0]})")

    return write


def _float_floordiv(b: Builder, t: Type, args: list[str]) -> str:
    return _intrinsic("floor")(b, t, [_float_op("fdiv")(b, t, args)])


def _float_mod(b: Builder, t: Type, args: list[str]) -> str:
    # Exact in f64 up to the last addition, which rounds once: the same result as if all had been done in f32.
    if str(t) == "f64":
        return b.op(f"call double @float_mod(double {args[0]}, double {args[1]})")
    wide = [b.op(f"fpext float {arg} to double") for arg in args]
    return b.op(f"fptrunc double {b.op(f'call double @float_mod(double {wide[0]}, double {wide[1]})')} to float")


_FLOAT: dict[str, Callable[[Builder, Type, list[str]], str]] = {
    "add": _float_op("fadd"),
    "sub": _float_op("fsub"),
    "mul": _float_op("fmul"),
    "div": _float_op("fdiv"),
    "neg": _float_op("fneg"),
    "floordiv": _float_floordiv,
    "mod": _float_mod,
    "sqrt": _intrinsic("sqrt"),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "trunc": _intrinsic("trunc"),
    "abs": _intrinsic("fabs"),
}

# --- comparison -----------------------------------------------------------------------------------------------------

_FCMP = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


def _compare(f: Operands, op: Op) -> str:
    t = f.type(op.args[0])
    if is_header(t):
        return _compare_bytes(f, op)
    left, right = (f.scalar(arg) for arg in op.args)
    if is_float(t):
        return f.b.op(f"fcmp {_FCMP[op.op]} {ssa(t)} {left}, {right}")
    return f.b.op(f"icmp {_predicate(op.op, signed=is_signed(t))} {ssa(t)} {left}, {right}")


def _predicate(name: str, *, signed: bool) -> str:
    return name if name in ("eq", "ne") else ("s" if signed else "u") + name


def _compare_bytes(f: Operands, op: Op) -> str:
    (a, la), (c, lc) = (f.header(arg) for arg in op.args)
    args = f"ptr {a}, i64 {la}, ptr {c}, i64 {lc}"
    if op.op in ("eq", "ne"):
        same = f.b.op(f"call i1 @bytes_equal({args})")
        return same if op.op == "eq" else f.b.op(f"xor i1 {same}, true")
    order = f.b.op(f"call i32 @bytes_compare({args})")
    return f.b.op(f"icmp {_predicate(op.op, signed=True)} i32 {order}, 0")


# --- conversion -----------------------------------------------------------------------------------------------------


def _convert(f: Operands, op: Op, target: Type, site: int) -> str:
    source, value = f.type(op.args[0]), f.scalar(op.args[0])
    if source == target:
        return value
    if is_int(source):
        if is_int(target):
            return _int_to_int(f.b, source, target, value, site)
        return f.b.op(f"{'sitofp' if is_signed(source) else 'uitofp'} {ssa(source)} {value} to {ssa(target)}")
    if is_int(target):
        return _float_to_int(f.b, source, target, value, site)
    return f.b.op(f"{'fptrunc' if str(target) == 'f32' else 'fpext'} {ssa(source)} {value} to {ssa(target)}")


def _int_to_int(b: Builder, source: Type, target: Type, value: str, site: int) -> str:
    (least, greatest), (low, high) = int_range(source), int_range(target)
    sign = "s" if is_signed(source) else "u"
    if low > least:
        b.trap_unless(b.op(f"icmp {sign}ge {ssa(source)} {value}, {low}"), "trap.conversion", site)
    if high < greatest:
        b.trap_unless(b.op(f"icmp {sign}le {ssa(source)} {value}, {high}"), "trap.conversion", site)
    return resize(b, source, target, value)


def resize(b: Builder, source: Type, target: Type, value: str) -> str:
    """An integer in the width of another type: cut off, or extended by the rules of its own."""
    assert isinstance(source, Basic) and isinstance(target, Basic)
    have, want = INT_BITS[source.name], INT_BITS[target.name]
    if have == want:
        return value
    kind = "trunc" if have > want else "sext" if is_signed(source) else "zext"
    return b.op(f"{kind} {ssa(source)} {value} to {ssa(target)}")


def _float_to_int(b: Builder, source: Type, target: Type, value: str, site: int) -> str:
    low, high = int_range(target)
    llvm = ssa(source)
    whole = b.op(f"fcmp oeq {llvm} {_intrinsic('trunc')(b, source, [value])}, {value}")
    above = b.op(f"fcmp oge {llvm} {value}, {float_text(float(low))}")
    below = b.op(f"fcmp olt {llvm} {value}, {float_text(float(high + 1))}")
    b.trap_unless(b.op(f"and i1 {whole}, {b.op(f'and i1 {above}, {below}')}"), "trap.conversion", site)
    return b.op(f"{'fptosi' if is_signed(target) else 'fptoui'} {llvm} {value} to {ssa(target)}")


def _wrap(f: Operands, op: Op, target: Type, site: int) -> str:
    return resize(f.b, f.type(op.args[0]), target, f.scalar(op.args[0]))


def _bits(f: Operands, op: Op, target: Type, site: int) -> str:
    source, value = f.type(op.args[0]), f.scalar(op.args[0])
    if is_float(source):
        return f.b.op(f"bitcast {ssa(source)} {canonical(f.b, source, value)} to {ssa(target)}")
    return canonical(f.b, target, f.b.op(f"bitcast {ssa(source)} {value} to {ssa(target)}"))


# --- parts of heap values -------------------------------------------------------------------------------------------


def _len(f: Operands, op: Op, target: Type, site: int) -> str:
    return f.header(op.args[0])[1]


def _byte_at(f: Operands, op: Op, target: Type, site: int) -> str:
    data, length = f.header(op.args[0])
    index = f.scalar(op.args[1])
    f.b.trap_unless(f.b.op(f"icmp ult i64 {index}, {length}"), "trap.index", site)
    return f.b.load("i8", f.b.offset(data, index))


def _tag(f: Operands, op: Op, target: Type, site: int) -> str:
    return f.b.load("i64", f.pointer(op.args[0]))


def _set_len(f: Operands, op: Op, target: Type, site: int) -> str:
    return f.b.load("i64", f.b.field("{ ptr, i64 }", f.pointer(op.args[0]), 1))


_SPECIAL: dict[str, Callable[[Operands, Op, Type, int], str]] = {
    "shl": _shl,
    "shr": _shr,
    "convert": _convert,
    "wrap": _wrap,
    "bits": _bits,
    "len": _len,
    "byte_at": _byte_at,
    "tag": _tag,
    "set_len": _set_len,
}


def header_op(f: Operands, op: Op, target: Type, site: int) -> tuple[str, str, str]:
    """Buffer, length and capacity of an operation whose result is a header (not the set operations)."""
    if op.op == "slice":
        return (*_slice(f, op, target, site), "0")
    if op.op == "array_filled":
        return _array_filled(f, op, site)
    assert op.op in ("to_bytes", "str_unchecked"), op.op
    return (*f.header(op.args[0]), "0")


def _slice(f: Operands, op: Op, t: Type, site: int) -> tuple[str, str]:
    b = f.b
    data, length = f.header(op.args[0])
    lo, hi = f.scalar(op.args[1]), f.scalar(op.args[2])
    ordered = b.op(f"icmp ule i64 {lo}, {hi}")
    b.trap_unless(b.op(f"and i1 {ordered}, {b.op(f'icmp ule i64 {hi}, {length}')}"), "trap.slice", site)
    if t == STR:
        for at in (lo, hi):
            b.trap_unless(b.op(f"call i1 @at_boundary(ptr {data}, i64 {length}, i64 {at})"), "trap.slice", site)
    return b.offset(data, lo, b.layout.mem(element(t))), b.op(f"sub i64 {hi}, {lo}")


def _array_filled(f: Operands, op: Op, site: int) -> tuple[str, str, str]:
    b, t = f.b, f.type(op.args[1])
    wish, value = f.scalar(op.args[0]), f.scalar(op.args[1])
    count = b.op(f"select i1 {b.op(f'icmp sgt i64 {wish}, 0')}, i64 {wish}, i64 0")
    b.trap_if(b.op(f"icmp ugt i64 {count}, 1099511627776"), "limit.memory", site)
    data = b.op(f"call ptr @alloc(i64 {b.op(f'mul i64 {count}, {b.layout.size(t)}')}, i32 {site})")
    stored = b.op(f"zext i1 {value} to i8") if t == BOOL else value
    _fill(b, b.layout.mem(t), data, count, stored)
    return data, count, count


def _fill(b: Builder, llvm: str, data: str, count: str, value: str) -> None:
    index = b.alloca("i64")
    head, body, done = b.name("head"), b.name("body"), b.name("done")
    b.store("i64", "0", index)
    b.jump(head)
    b.label(head)
    i = b.load("i64", index)
    b.branch(b.op(f"icmp ult i64 {i}, {count}"), body, done)
    b.label(body)
    b.store(llvm, value, b.offset(data, i, llvm))
    b.store("i64", b.op(f"add nuw i64 {i}, 1"), index)
    b.jump(head)
    b.label(done)
