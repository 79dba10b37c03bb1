"""Constants are the values that their expressions have in a run, they stand in read-only data, and nobody changes them."""

import struct
from typing import Any

import pytest
from agreement import agree
from programs import program, value
from shared_buffers import PRELUDE, Generator, State

from dandc.compiler import codegen, verify
from dandc.compiler.kir import Const
from dandc.compiler.kir_text import parse_kernel, print_kernel
from dandc.compiler.kir_walk import walk

TYPES = """
record Mixed { a: i8, b: f64, c: bool, d: str, e: i16, f: option[u8], g: (bool, i32) }
record Empty {}
enum Shape { point, circle(f32), box(i8, str, i64), many(array[Shape]) }
fn mixed(n: i64) -> Mixed = Mixed(a: -7, b: 1.5, c: n > 2, d: "ä" + f"{n}", e: 300, f: if n > 3 { some(8) } else { none }, g: (true, 1_000_000));
fn counts(n: i64) -> map[str, array[i64]] {
    var found: map[str, array[i64]] = map();
    for i in 0..n { found.set(f"k{i % 5}", found.get(f"k{i % 5}").or([]) + [i]); }
    let _ = found.remove("k3");
    return found;
}
fn shapes(n: i64) -> array[Shape] {
    var found = [Shape.point, Shape.circle(0.1), Shape.box(-1, "x", 9)];
    for i in 0..n { found = [Shape.many(found), Shape.point]; }
    return found;
}
"""
CASES = {
    "scalars": ("(u8, i64, bool, f32, f64)", "(200 + 55, 1 - 2 ** 3, 1 < 2, 0.1, 1.0 / 3.0)"),
    "odd floats": ("array[f64]", "[0.0 / zero(), -1.0 / zero(), -zero(), 5e-324]"),
    "odd narrow floats": ("array[f32]", "[f32(0.0 / zero()), f32(1e30) * f32(1e30)]"),
    "text": ("str", '"añ☃".repeat(3) + "\\n\\"\\\\"'),
    "long text": ("str", '"añ☃".repeat(300)'),
    "bytes": ("bytes", '"\\u{0}ÿ".to_bytes()'),
    "nothing": ("array[array[str]]", '["a"][1..].map(|s| [s])'),
    "a record": ("Mixed", "mixed(3)"),
    "records": ("array[Mixed]", "[1, 5].map(|n| mixed(n))"),
    "an empty record": ("(Empty, array[Empty])", "(Empty(), [Empty()])"),
    "a variant": ("result[Shape, str]", "ok(shapes(0)[2])"),
    "variants inside each other": ("array[Shape]", "shapes(4)"),
    "an option of an option": ("array[option[option[str]]]", '[none, some(none), some(some("x".repeat(2)))]'),
    "a map": ("map[str, array[i64]]", "counts(23)"),
    "maps": ("array[map[str, array[i64]]]", "[counts(0), counts(9)]"),
    "booleans": ("array[bool]", "[1, 2, 3].map(|n| n > 1)"),
}  # fmt: skip


@pytest.mark.parametrize(("t", "expression"), CASES.values(), ids=CASES)
def test_value(t: str, expression: str) -> None:
    """The value that the compiler computed is the one that a run computes, in all engines, in memory and in text."""
    text = f"""{TYPES}
        fn zero() -> f64 = 0.0;
        fn made() -> {t} = {expression.replace("2 ** 3", "8")};
        const MADE: {t} = made();
        function f(now: bool) => (y: {t}) = if now {{ made() }} else {{ MADE }};"""
    kernel = program(text).kernel("f")
    verify.check(kernel)

    assert print_kernel(kernel) == print_kernel(parse_kernel(print_kernel(kernel)))
    computed, known = agree(kernel, [[True], [False]])
    assert repr(value(computed)) == repr(value(known))


@pytest.mark.parametrize("seed", range(100, 105))
def test_random_program_over_constants(seed: int) -> None:
    """Variables that begin as constants change, the constants do not; and all of it may be a constant as well."""
    body, step = Generator(seed).block(3, 14)
    state: State = {"u": [1, 2, 3], "v": [1, 2, 3], "w": [7], "g": [[1, 2, 3]], "p": ([1, 2, 3], [8])}
    step(state)
    expected = [state["u"], state["v"], state["w"], state["p"][0], state["p"][1], *state["g"]]
    text = f"""{PRELUDE}
        const X: array[i64] = [1, 2].map(|n| n) + [3];
        const G: array[array[i64]] = [X];
        const P: Pair = Pair(a: X, b: [8]);
        fn all() -> array[array[i64]] {{
            var u = X; var v = X; var w = [7]; var g = G; var p = P;
            {body}
            return [u, v, w, p.a, p.b] + g;
        }}
        const ALL: array[array[i64]] = all();
        function f(x: i64) => (y: array[array[i64]]) = ALL + all() + [X, P.a, P.b] + G;""".replace("all()", "whole()")
    found = value(agree(program(text).kernel("f"), [[0]])[0])

    assert [*expected, *expected, [1, 2, 3], [1, 2, 3], [8], [1, 2, 3]] == found, text


def test_data_stand_in_a_read_only_segment() -> None:
    """The elements of a constant are in the image as they are in memory, once, where nothing can be written."""
    text = """
        fn squares(n: i64) -> array[i64] { var r: array[i64] = []; for i in 0..n { r.append(i * i + 4_000_000_007); } return r; }
        const S: array[i64] = squares(50);
        const T: array[(str, array[i64])] = [("a", S), ("b", S)];
        fn last(i: i64) -> i64 { let (_, s) = T[1]; return s[i]; }
        function f(i: i64) => (y: i64) = S[i] + last(i);"""
    kernel = program(text).kernel("f")
    image, _ = codegen.compile(kernel, 2)
    data = b"".join(struct.pack("<q", i * i + 4_000_000_007) for i in range(50))

    assert 1 == image.count(data)
    assert [4] == [flags for flags, start, size in _segments(image) if start <= image.index(data) < start + size]
    assert [2 * (9 + 4_000_000_007)] == [value(r) for r in agree(kernel, [[3]])]


def _segments(image: bytes) -> list[tuple[int, int, int]]:
    """Rights, offset and size of each segment."""
    (count,) = struct.unpack_from("<H", image, 56)
    rows: list[Any] = [struct.unpack_from("<IIQQQQQQ", image, 64 + 56 * i) for i in range(count)]
    return [(row[1], row[2], row[5]) for row in rows]


def test_constants_are_not_computed_in_a_run() -> None:
    """A kernel that uses a constant calls nothing that the constant needed."""
    text = """
        fn slow(n: i64) -> i64 { var s = 0; for i in 0..n { s += i; } return s; }
        const A: i64 = slow(1000);
        const B: array[i64] = [A, slow(3)];
        function f(i: i64) => (y: i64) = A + B[i];"""
    kernel = program(text).kernel("f")

    assert ["main.f"] == [f.name for f in kernel.functions]
    assert ["main.B"] == [i.name for i in walk(kernel.functions[0].body) if isinstance(i, Const)]
