"""Checks that are made a strip of iterations at a time: which loops, that nothing is missed, and that it is worth it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import random_loops
from agreement import agree, kernel
from programs import program

from dandc.compiler.codegen import llvm, llvm_ir
from dandc.compiler.codegen.flags import STRIP
from dandc.compiler.codegen.layout import Layout
from dandc.compiler.interp import InstanceResult
from dandc.compiler.kir import For, Function, Kernel
from dandc.compiler.kir_text import instr_text, print_kernel
from dandc.compiler.kir_walk import walk
from dandc.compiler.passes import pipeline
from dandc.compiler.passes.scopes import scopes
from dandc.compiler.passes.sticky import plan

GOLDENS = Path(__file__).parent / "goldens" / "sticky"
SEPARATOR = "=== loops ===\n"
SITE = re.compile(r" @(?:\d+:)?\d+-\d+$")
LONG = 300  # more than the first strip


def run(text: str, args: list[list[Any]]) -> list[InstanceResult]:
    return agree(program(text).kernel("f"), args)


def loops(text: str) -> list[For]:
    """The counted loops of the kernel of a program after all passes."""
    changed = pipeline.run(program(text).kernel("f"))
    return [i for f in changed.functions for i in walk(f.body) if isinstance(i, For)]


# --- the pass -------------------------------------------------------------------------------------------------------


def described(kernel: Kernel) -> str:
    """The loops of a kernel in order of text, with the part that each instruction of a sticky one has."""
    layout = Layout(kernel.types)
    lines: list[str] = []
    for function in kernel.functions:
        for scope in scopes(function).loops:
            if isinstance(scope.instr, For):
                lines += _loop_lines(layout, function, scope.instr, scope.inner)
    return "\n".join(lines) + "\n"


def _loop_lines(layout: Layout, function: Function, loop: For, inner: frozenset[int]) -> list[str]:
    lines = [SITE.sub("", instr_text(loop))]
    if not loop.sticky:
        return lines
    found = plan(layout, function, loop, inner)
    assert found is not None
    for instr in walk(loop.body):
        lines.append(f"  {found.roles.get(id(instr), ''):8}{SITE.sub('', instr_text(instr))}")
    again = "a strip again" if found.repeatable else "the instance again"
    return [*lines, f"  sums {found.sums}, if it fails: {again}"]


@pytest.mark.parametrize("path", sorted(GOLDENS.glob("*.txt")), ids=lambda p: p.stem)
def test_loops(path: Path, golden: Callable[[Path, str], None]) -> None:
    """Just these loops are sticky, and these instructions are flagged, proved, or add to a sum."""
    written = path.read_text(encoding="utf-8").partition(SEPARATOR)[0]
    changed = pipeline.run(program(written).kernel("f"))
    assert print_kernel(kernel(print_kernel(changed))) == print_kernel(changed)
    golden(path, written + SEPARATOR + described(changed))


def test_nothing_that_is_flagged_becomes_an_address() -> None:
    """Every loop of the golden `not` is not sticky."""
    written = (GOLDENS / "not.txt").read_text(encoding="utf-8").partition(SEPARATOR)[0]
    found = loops(written)
    assert len(found) >= 13
    assert not any(loop.sticky for loop in found)


def test_small_functions_take_the_place_of_their_calls() -> None:
    """Early returns, nested calls and arguments that are used twice, at any value."""
    text = """
fn clamp(x: i32, low: i32, high: i32) -> i32 { if x < low { return low; } if x > high { return high; } return x; }
fn sign(x: i32) -> i32 { if x == 0 { return 0; } return if x < 0 { -1 } else { 1 }; }
fn both(x: i32) -> i32 = clamp(x + x, -100, 100) * sign(x);
function f(xs: array[i32]) => (y: array[i32]) { emit y <- xs.map(|x| both(x) - clamp(x, 0, 7)); }
"""
    (loop,) = loops(text)
    assert loop.sticky
    assert "call" not in print_kernel(pipeline.run(program(text).kernel("f"))).partition("for ")[2]
    (result,) = run(text, [[list(range(-200, 200))]])
    assert [min(abs(2 * x), 100) - min(max(x, 0), 7) for x in range(-200, 200)] == result.emissions[0].value


# --- traps ----------------------------------------------------------------------------------------------------------

OPERATIONS = {
    "x + z": lambda x, z: x + z,
    "x + 3": lambda x, z: x + 3,
    "7 - x": lambda x, z: 7 - x,
    "x - z": lambda x, z: x - z,
    "x - 100": lambda x, z: x - 100,
    "x * z": lambda x, z: x * z,
    "x * 5": lambda x, z: x * 5,
    "x << 3": lambda x, z: x << 3,
    "x << w": lambda x, z: x << 2,
    "-x": lambda x, z: -x,
    "x + (-4)": lambda x, z: x - 4,
    "x * (-3)": lambda x, z: x * -3,
    "abs(x)": lambda x, z: abs(x),
}


def operations(t: str) -> list[str]:
    """Those that are defined for a type."""
    return [op for op in OPERATIONS if t[0] == "i" or not any(sign in op for sign in ("-x", "(-", "abs"))]


def all_operations(t: str) -> str:
    """A program with a loop for each operation, chosen by `op`."""
    arms = []
    for number, op in enumerate(operations(t)):
        value = "if x < 0 { -x } else { x }" if op == "abs(x)" else op
        arms.append(
            f"if op == {number} {{ for i in 0..xs.len() {{ let x = xs[i]; let z = zs[i]; out.append({value}); }} }}"
        )
    return (
        f"function f(op: i64, w: i64, xs: array[{t}], zs: array[{t}]) => (y: array[{t}]) {{\n"
        f"var out: array[{t}] = [];\n" + "\n".join(arms) + "\nemit y <- out;\n}\n"
    )


def edges(t: str, op: str) -> list[tuple[int, int]]:
    """Operands whose result is the last that fits, or the first that does not."""
    low, high = random_loops.limits(t)
    near = [low, low + 1, low + 3, low + 4, low + 100, high, high - 2, high - 3, high // 5, high // 5 + 1, low // 3]
    near += [high >> 3, (high >> 3) + 1, -(-low // 8), 8, 7, 100, 99, 0, 1, -1, low // 3 - 1]
    pairs = [(x, z) for x in near for z in (0, 1, 2, -1, low, high) if low <= x <= high and low <= z <= high]
    found = {}
    for x, z in pairs:
        result = OPERATIONS[op](x, z)
        distance = min(abs(result - low), abs(result - high), abs(low - 1 - result), abs(high + 1 - result))
        found.setdefault((distance, low <= result <= high), (x, z))
    return [found[key] for key in sorted(found)[:6]]


@pytest.mark.parametrize("t", random_loops.INTS)
def test_every_operation_traps_where_the_interpreter_does(t: str) -> None:
    """At the first, a middle and the last iteration, and just not; packed with instances that do not trap."""
    text, low = all_operations(t), random_loops.limits(t)[0]
    assert sum(loop.sticky for loop in loops(text)) == len(operations(t))
    args = []
    for number, op in enumerate(operations(t)):
        for turn, (x, z) in enumerate(edges(t, op)):
            xs, zs = [1 if op == "7 - x" else 100 if low == 0 and "- 100" in op else 3] * LONG, [2] * LONG
            at = (0, LONG // 2, LONG - 1)[turn % 3]
            xs[at], zs[at] = x, z
            args.append([number, 2, xs, zs])
    results = run(text, args)
    assert {"trap.overflow", ""} == {r.trap for r in results}
    assert all(r.site is not None for r in results if r.trap)


@pytest.mark.parametrize("source", ["i64", "u64", "i32", "u16"])
def test_conversions_trap_where_the_interpreter_does(source: str) -> None:
    """To every type, with the least and greatest numbers of both and their neighbours."""
    low, high = random_loops.limits(source)
    arms = "\n".join(
        f"if op == {n} {{ for x in xs {{ let y = {t}(x); s = s ^ wrap[{t}, i64](y); }} }}"
        for n, t in enumerate(random_loops.INTS)
    )
    text = f"function f(op: i64, xs: array[{source}]) => (y: i64) {{ var s: i64 = 0;\n{arms}\nemit y <- s; }}"
    args: list[list[Any]] = []
    for number, t in enumerate(random_loops.INTS):
        ends = random_loops.limits(t)
        for value in sorted({min(max(v, low), high) for end in ends for v in (end - 1, end, end + 1)}):
            args.append([number, [5] * 100 + [value] + [6] * 30])
    results = run(text, args)
    assert {"trap.conversion", ""} == {r.trap for r in results}


@pytest.mark.parametrize("t", ["i32", "u32", "i64", "u64"])
def test_sums_trap_where_a_partial_sum_does(t: str) -> None:
    """Also if the whole sum fits again; and if only the bound of a strip is exceeded, the value is right."""
    low, high = random_loops.limits(t)
    minus = "s -= z;" if low else ""
    text = f"""function f(start: {t}, xs: array[{t}], zs: array[{t}]) => (y: {t}, n: i64) {{
    var s = start; var n = 0;
    for i in 0..xs.len() {{ s += xs[i]; {minus} let z = zs[i]; if z > 1 {{ s += z; n += 1; }} }}
    emit y <- s; emit n <- n; }}""".replace("s -= z; let z = zs[i];", "let z = zs[i]; s -= z;")
    assert [True] == [loop.sticky for loop in loops(text)]
    small, none = [1, 2] * 400, [0] * 800

    def placed(value: int, at: int, other: int = 0) -> list[int]:
        return [value if n == at else other if n == at + 1 else 1 for n in range(800)]

    args = [
        [0, small, small],
        [high - 1200, small, none],  # fits to the last
        [high - 1199, small, none],
        [low + 5, [0] * 800, none],
        [0, placed(high, 3, low), none],
        [0, placed(high, 700), none],
        [5, placed(high - 6, 0), none],
        [0, [high // 900] * 800, none],
        [0, [high // 700] * 800, none],
        [0, placed(low, 400), placed(2, 500)],
        [0, [high // 5, low // 5] * 400, none],
        [1, [], []],
    ]
    results = run(text, args)
    assert "trap.overflow" == results[2].trap
    assert [high, high - 1200 + 1200] == [results[1].emissions[0].value] * 2
    assert ["ok", "ok"] == [results[n].state for n in (0, 11)]


def test_terms_that_are_just_small_enough_add_up_near_the_limit() -> None:
    """A long strip of them takes a sum from the middle of its range out of it: the strip must not be begun."""
    text = "function f(start: i64, xs: array[i64]) => (y: i64) { emit y <- xs.fold(start, |s, x| s + x); }"
    terms = [2**50 - 1] * 6_000
    starts = [2**62 + 2**59, -(2**62), 0, -(2**63)]
    results = run(text, [[start, terms] for start in starts])
    assert ["trap.overflow", "", "", ""] == [r.trap for r in results]


def test_index_arithmetic_that_overflows_traps_even_if_it_comes_back() -> None:
    """`i + off - off` is inside at both ends, but not on the way."""
    text = """function f(off: i64, xs: array[i64]) => (y: i64) {
    var s = 0;
    for i in 0..xs.len() { s += xs[i + off - off]; }
    emit y <- s; }"""
    assert [True] == [loop.sticky for loop in loops(text)]
    results = run(text, [[off, [1] * 300] for off in (2**63 - 100, 2**63 - 300, -5, -(2**63))])
    assert ["trap.overflow", "", "", ""] == [r.trap for r in results]


def test_the_first_of_several_operations_is_the_one_that_trapped() -> None:
    """In one iteration the first of the text; of several iterations the earliest."""
    text = """function f(xs: array[i32], zs: array[i32]) => (y: array[i32]) {
    var out: array[i32] = [];
    for i in 0..xs.len() { let a = xs[i] + 1; let b = zs[i] * 2; out.append(a - b); }
    emit y <- out; }"""
    most = 2**31 - 1
    sites = set()
    for xs_at, zs_at in ((10, 10), (10, 9), (9, 10), (299, 0)):
        xs, zs = [0] * LONG, [0] * LONG
        xs[xs_at], zs[zs_at] = most, most
        (result,) = run(text, [[xs, zs]])
        sites.add((xs_at <= zs_at, result.site))
    assert 2 == len(sites)


def test_indices_beside_the_loops_index_are_proved_or_trap() -> None:
    """Neighbours, offsets, and arrays of other lengths: the strip that leaves an array traps at its index."""
    text = """function f(from: i64, to: i64, off: i64, xs: array[i64], zs: array[i64]) => (y: i64) {
    var s = 0;
    for i in from..to { s += xs[i] + zs[i + off]; }
    emit y <- s; }"""
    assert [True] == [loop.sticky for loop in loops(text)]
    xs, zs = list(range(500)), list(range(400))
    huge = 2**63 - 1
    cases = [(0, 400, 0), (0, 401, 0), (1, 400, -1), (0, 400, -1), (100, 300, 100), (-1, 300, 5), (1, 400, huge)]
    cases += [(-huge - 1, huge, 0), (300, 200, 0), (0, 500, -100), (100, 500, -100), (huge - 50, huge, -huge + 60)]
    results = run(text, [[a, b, by, xs, zs] for a, b, by in cases])
    assert ["", "trap.index", "", "trap.index", "", "trap.index", "trap.overflow"] == [r.trap for r in results[:7]]
    assert ["trap.index", "", "trap.index", "", "trap.index"] == [r.trap for r in results[7:]]


# --- instances that run again ---------------------------------------------------------------------------------------

IN_PLACE = """function f(xs: array[i64]) => (y: array[i64], n: set[i64]) {
    note "before";
    emit n <- xs.len();
    var ys = xs;
    for i in 0..ys.len() { ys[i] = ys[i] * 3 + 1; }
    for k in 0..1_100 { if k == 1_099 or xs.is_empty() { note f"{k}"; } }
    emit n <- 2;
    for i in 0..ys.len() { ys[i] += ys[i] * ys[i]; }
    note "after";
    emit y <- ys;
}"""


def test_an_instance_that_ends_late_runs_again_as_if_it_had_not_run() -> None:
    """Its notes and items are there once, in order; the instances around it are as they are."""
    high = 2**63 - 1
    large = [1] * 200 + [high // 2] + [1] * 200
    square = [1] * 400 + [1_000_000_000] + [1] * 10
    many = [5, 6] * 2_600
    many[5_100] = 2**40
    args: list[list[Any]] = [[[1, 2] * 100], [large], [[]], [square], [[3] * 20], [many], [[7] * 16], [large]]
    results = run(IN_PLACE, args)
    assert ["ok", "trap", "ok", "ok", "ok", "trap", "ok", "trap"] == [r.state for r in results]
    assert ("before",) == results[1].notes == results[7].notes
    assert ("before", "1099", "after") == results[3].notes  # flagged, but the square of 3,000,000,001 fits
    assert [411, 2] == [e.value for e in results[3].emissions if e.output == 1]
    assert 1_000 + 1 == len(results[2].notes)
    assert results[5].site != results[1].site


def test_what_an_iteration_stored_is_read_by_the_next() -> None:
    """A chain through an array is no sum, and is what it is everywhere."""
    text = """function f(xs: array[i64]) => (y: array[i64]) {
    var ys = xs;
    for i in 1..ys.len() { ys[i] = ys[i] + ys[i - 1]; }
    for i in 0..ys.len() - 1 { ys[i] = ys[i + 1] - ys[i]; }
    emit y <- ys; }"""
    results = run(text, [[list(range(300))], [[2**62] * 100], [list(range(5))]])
    assert [n + 1 for n in range(299)] == results[0].emissions[0].value[:299]
    assert "trap.overflow" == results[1].trap


def test_a_view_and_its_array_stay_apart() -> None:
    """A stored array that shares its buffer is copied first; what was read from the other stays."""
    text = """function f(xs: array[i32]) => (a: array[i32], b: array[i32]) {
    var ys = xs; var zs = ys;
    for i in 0..ys.len() { ys[i] = zs[i] + 1; zs[i] = ys[i] * 2; }
    emit a <- ys; emit b <- zs; }"""
    (ok, bad) = run(text, [[list(range(400))], [[2**30 - 1] * 390 + [2**30]]])
    assert [n + 1 for n in range(400)] == ok.emissions[0].value
    assert "trap.overflow" == bad.trap


def test_a_late_trap_is_not_much_later() -> None:
    """A loop of 2^62 iterations that overflows at once ends at once."""
    text = """function f(n: i64, k: i64) => (y: i64) {
    var s = k;
    for i in 0..n { s += 1_000; }
    emit y <- s; }"""
    (result,) = run(text, [[2**62, 2**63 - 3_000_000]])
    assert "trap.overflow" == result.trap


@pytest.mark.parametrize("seed", range(12))
def test_random_loops(seed: int) -> None:
    """Values, traps, sites and notes agree in the interpreter, at O0 and at O2."""
    text, t = random_loops.program(seed)
    run(text, random_loops.arguments(seed, t))


def test_random_loops_are_sticky_and_trap() -> None:
    """The programs of the random tests test what they are for."""
    found = [loop.sticky for seed in range(12) for loop in loops(random_loops.program(seed)[0])]
    assert sum(found) >= 8


# --- vectors --------------------------------------------------------------------------------------------------------

VECTORS = {
    "sum": ("i64", "emit y <- xs.fold(0, |s, x| s + x);", "add"),
    "map": ("i64", "emit y <- xs.map(|x| x + 3).len();", "add"),
    "in place": ("i32", "var ys = zs; for i in 0..xs.len() { ys[i] += xs[i]; } emit y <- ys[0];", "add"),
    "dot": ("i32", "var s: i32 = 0; for i in 0..xs.len() { s += xs[i] * zs[i]; } emit y <- s;", "mul"),
    "dot of i64": ("i64", "var s = 0; for i in 0..xs.len() { s += xs[i] * zs[i]; } emit y <- s;", "mul"),
    "polynomial": ("i32", "let ys = xs.map(|x| (x * 3 + 5) * x + 7); emit y <- ys[0];", "mul"),
    "count": ("i64", "var n = 0; for x in xs { if x > 5 { n += 1; } } emit y <- n;", "icmp sgt"),
    "max": ("i64", "emit y <- xs.fold(0, |m, x| max(m, x));", "smax"),
    "saturated": ("i32", "let ys = xs.map(|x| max(x - 9, 0)); emit y <- ys[0];", "add"),
    "bytes": ("u8", "var n = 0; for x in xs { n += i64(x); } emit y <- n;", "add"),
}


@pytest.mark.parametrize("name", VECTORS)
def test_characteristic_loops_become_vectors(name: str) -> None:
    """LLVM's output calculates on vectors of the elements' type in a loop."""
    t, body, wanted = VECTORS[name]
    y = "i64" if "n" in body.split("emit y <- ")[1] else t
    text = f"function f(xs: array[{t}], zs: array[{t}]) => (y: {y}) {{ {body} }}"
    optimised = llvm.emit_text(llvm_ir(program(text).kernel("f"))[0], 2, "x86-64-v3")
    assert re.search(rf"\b{wanted}( n[su]w)* <\d+ x i\d+>|@llvm\.{wanted}\.v\d+i\d+", optimised)
    assert "vector.body" in optimised


def test_strips_are_longer_than_what_is_tested_here() -> None:
    """The arrays above reach into the second and third strip."""
    assert 256 < LONG < STRIP < 5_200
