"""Every primitive gives the same bits in the interpreter, at O0 and at O2, on the edges of its types."""

import itertools
import math
import struct

import pytest
from agreement import agree, kernel, values

from dandc.compiler.types import INT_BITS, Basic, int_range

BINARY = "add sub mul floordiv mod add_wrap sub_wrap mul_wrap bit_and bit_or bit_xor".split()
COMPARE = "eq ne lt le gt ge".split()
UNARY = "neg abs bit_not".split()
ALL_NUMBERS = [*INT_BITS, "f32", "f64"]


def switch_kernel(params: list[str], cases: list[tuple[str, str, str]]) -> str:
    """A kernel that runs case number `which`: (result type, operation, arguments)."""
    used = list(dict.fromkeys(t for t, _, _ in cases))
    lines = ['kernel "ops"', 'param one "which": i64']
    lines += [f'param one "p{i}": {t}' for i, t in enumerate(params)]
    lines += [f'output optional "{t}": {t}' for t in used]
    heads = ['%0 "which": i64'] + [f'%{i + 1} "p{i}": {t}' for i, t in enumerate(params)]
    lines += ['file 0 "m"', f'fn "ops"({", ".join(heads)}) -> unit {{']
    base = len(params) + 1
    lines += [f'let %{base + i} "r": {t}' for i, t in enumerate(used)]
    lines.append("switch %0 {")
    for number, (t, op, args) in enumerate(cases):
        dst = base + used.index(t)
        lines += [f"case {number} {{", f"%{dst} = {op}({args}) @{number}-{number + 1}"]
        lines += [f"emit {used.index(t)} value=%{dst}", "}"]
    return "\n".join([*lines, "default {", "}", "}", "}"])


def edges(t: str) -> list[int]:
    low, high = int_range(Basic(t))
    return sorted(
        {low, low + 1, -1, 0, 1, 2, 7, high - 1, high} & set(range(low, high + 1))
        if high < 70000
        else {v for v in (low, low + 1, -7, -1, 0, 1, 2, 7, 1 << 20, high - 1, high) if low <= v <= high}
    )


@pytest.mark.parametrize("t", INT_BITS)
def test_integer_operations(t: str) -> None:
    """Arithmetic, wrapping, bits and comparisons of each width."""
    cases = [(t, op, "%1, %2") for op in BINARY]
    cases += [("bool", op, "%1, %2") for op in COMPARE]
    cases += [(t, op, "%1") for op in UNARY]
    instances = [[i, a, b] for i in range(len(cases)) for a in edges(t) for b in edges(t)]

    results = agree(switch_kernel([t, t], cases), instances)

    traps = {r.trap for r in results}
    assert {"", "trap.overflow", "trap.division"} <= traps


@pytest.mark.parametrize("t", INT_BITS)
def test_shifts(t: str) -> None:
    """A shift is checked for its count, and to the left for lost bits."""
    cases = [(t, op, "%1, %2") for op in ("shl", "shr")]
    counts = [-1, 0, 1, 3, INT_BITS[t] - 1, INT_BITS[t], 1 << 40]
    results = agree(switch_kernel([t, "i64"], cases), [[i, a, n] for i in (0, 1) for a in edges(t) for n in counts])

    assert {"", "trap.shift", "trap.overflow"} == {r.trap for r in results}


def floats(t: str) -> list[float]:
    wide = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, math.inf, -math.inf, math.nan, 1e30, 1.5e-5, 7.25, -7.25, 1e10]
    if t == "f64":
        return [*wide, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 4503599627370497.5, 1e300]
    narrow = [
        struct.unpack("<f", struct.pack("<I", bits))[0] for bits in (1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x4B000001)
    ]
    return [struct.unpack("<f", struct.pack("<f", v))[0] for v in wide] + narrow


@pytest.mark.parametrize("t", ["f32", "f64"])
def test_float_operations(t: str) -> None:
    """IEEE 754 without exception: rounding, signed zeros, infinities, NaN, subnormals, exact remainders."""
    cases = [(t, op, "%1, %2") for op in ("add", "sub", "mul", "div", "floordiv", "mod")]
    cases += [("bool", op, "%1, %2") for op in COMPARE]
    cases += [(t, op, "%1") for op in ("neg", "sqrt", "floor", "ceil", "trunc", "abs")]
    instances = [[i, a, b] for i in range(len(cases)) for a in floats(t) for b in floats(t)]

    assert all(r.state == "ok" for r in agree(switch_kernel([t, t], cases), instances))


def test_float_remainder_is_exact_and_has_the_divisors_sign() -> None:
    """The remainder of the greatest and the least magnitudes, as integers of their common unit have it."""
    text = switch_kernel(["f64", "f64"], [("f64", "mod", "%1, %2")])
    pairs = [(1.7976931348623157e308, 5e-324), (1e300, 3.0), (-7.5, 2.0), (7.5, -2.0), (-4.0, 2.0), (4.0, -2.0)]

    found = values(agree(text, [[0, a, b] for a, b in pairs]))

    assert [math.fmod(1.7976931348623157e308, 5e-324), math.fmod(1e300, 3.0), 0.5, -0.5, 0.0, -0.0] == found
    assert math.copysign(1, found[5]) == -1


@pytest.mark.parametrize("source", ALL_NUMBERS)
def test_conversions(source: str) -> None:
    """`convert` between all numbers, `wrap` between integers, `bits` of floats."""
    cases = [(target, "convert", "%1") for target in ALL_NUMBERS]
    if source in INT_BITS:
        cases += [(target, "wrap", "%1") for target in INT_BITS]
        inputs: list[int] | list[float] = [*edges(source)]
        if INT_BITS[source] == 64:
            inputs += [(1 << 53) + 1, (1 << 24) + 1, (1 << 62) + (1 << 38) + 1, (1 << 60) - 1]
    else:
        inputs = [*floats(source), 127.0, 128.0, -128.0, 255.0, 256.0, 2.0**31, 2.0**63, -(2.0**63), 2.0**64]
    bits = {"f32": "u32", "u32": "f32", "f64": "u64", "u64": "f64"}.get(source)
    if bits:
        cases.append((bits, "bits", "%1"))
    if source in ("u32", "u64"):
        inputs += [0x7FC00001, 0xFFFFFFFF, 0x7F800000]

    results = agree(switch_kernel([source], cases), [[i, a] for i in range(len(cases)) for a in inputs])

    assert {r.trap for r in results} <= {"", "trap.conversion"}


TEXTS = ["", "a", "ab", "abc", "abd", "aé", "é", "€uro", "𝄞", "a\0b", "x" * 40, "x" * 39 + "y"]


def test_text_comparison() -> None:
    """Texts compare as their UTF-8 bytes do."""
    cases = [("bool", op, "%1, %2") for op in COMPARE]
    instances = [[i, a, b] for i in range(len(cases)) for a, b in itertools.product(TEXTS, TEXTS)]
    results = agree(switch_kernel(["str", "str"], cases), instances)

    python = [a == b for a, b in itertools.product(TEXTS, TEXTS)]
    assert python == values(results[: len(python)])


def test_slices_of_texts() -> None:
    """A slice is inside the text and between characters, or traps."""
    cases = [("str", "slice", "%1, %2, %3"), ("i64", "len", "%1"), ("u8", "byte_at", "%1, %2")]
    bounds = [-1, 0, 1, 2, 3, 4, 5, 1 << 62]
    instances = [[i, t, a, b] for i in range(3) for t in TEXTS[:9] for a in bounds for b in bounds]
    results = agree(switch_kernel(["str", "i64", "i64"], cases), instances)

    assert {"", "trap.slice", "trap.index"} == {r.trap for r in results}


def test_slices_of_bytes_and_arrays() -> None:
    """Bytes and arrays have no characters to respect."""
    cases = [("bytes", "slice", "%1, %3, %4"), ("array[i32]", "slice", "%2, %3, %4"), ("i64", "len", "%2")]
    bounds = [-1, 0, 1, 2, 3, 1 << 62]
    instances = [[i, b"\xff\0", [1, -2], a, b] for i in range(3) for a in bounds for b in bounds]
    results = agree(switch_kernel(["bytes", "array[i32]", "i64", "i64"], cases), instances)

    assert {"", "trap.slice"} == {r.trap for r in results}


def test_filled_arrays() -> None:
    """`array_filled` of each scalar; a negative count is none."""
    for t, v in (("bool", True), ("u8", 7), ("i64", -5), ("f32", 1.5), ("f64", math.nan)):
        text = switch_kernel(["i64", t], [(f"array[{t}]", "array_filled", "%1, %2")])
        found = values(agree(text, [[0, n, v] for n in (-3, 0, 1, 100)]))
        assert [0, 0, 1, 100] == [len(items) for items in found]


def test_sites_are_where_the_text_says() -> None:
    """A trap names the span of its instruction."""
    text = switch_kernel(["i8", "i8"], [("i8", "sub", "%1, %2"), ("i8", "add", "%1, %2")])
    (first, second) = agree(text, [[0, -128, 1], [1, 127, 1]])

    assert (0, 1, "m") == (first.site.start, first.site.end, first.site.file)
    assert 1 == second.site.start


def test_not_and_bools() -> None:
    """`not` of a bool, and bools as values of items."""
    text = switch_kernel(["bool"], [("bool", "not", "%1")])
    assert [False, True] == values(agree(kernel(text), [[0, True], [0, False]]))
