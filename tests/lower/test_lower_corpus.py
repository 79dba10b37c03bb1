"""Small kernels of every kind of statement and expression: the value that a person works out, everywhere the same bits.

Each runs in the interpreter and natively at O0 and O2, and the verifier accepts what lowering and each pass made.
"""

from typing import Any

import pytest
from agreement import agree
from programs import program

from dandc.compiler.encoding import Variant
from dandc.compiler.interp import InstanceResult
from dandc.compiler.passes import pipeline
from dandc.compiler.verify import check

NONE = Variant(0, ())
PRELUDE = """
record Point { x: i64, y: i64 }
record Line { time: i64, level: str, tags: array[str] }
record Box[T] { value: T, many: array[T] }
enum Shape { circle(f64), rectangle(f64, f64), point }
enum Tree { leaf(i64), node(array[Tree]) }
const LIMIT: i64 = 10;
const NAMES: array[str] = ["a", "b"];
fn twice(change: fn(i64) -> i64, x: i64) -> i64 = change(change(x));
fn double(x: i64) -> i64 = 2 * x;
fn bump(inout x: i64) -> i64 { x += 1; return x; }
fn first_of[T](xs: array[T], other: T) -> T = xs.first().or(other);
fn halve(x: i64) -> option[i64] = if x % 2 == 0 { some(x / 2) } else { none };
fn quarter(x: i64) -> option[i64] = halve(halve(x)?);
fn parse(text: str) -> result[i64, str] = text.to_i64().ok_or(f"`{text}` is no number");
fn parse_both(a: str, b: str) -> result[(i64, i64), str] = ok((parse(a)?, parse(b)?));
fn leaves(t: Tree) -> i64 { match t { leaf(n) => return n; node(parts) => { var n = 0; for p in parts { n += leaves(p); } return n; } } }
fn fib(n: i64) -> i64 = if n < 2 { n } else { fib(n - 1) + fib(n - 2) };
"""


def some(value: Any) -> Variant:
    return Variant(1, (value,))


def run(text: str, args: list[list[Any]]) -> list[InstanceResult]:
    kernel = program(PRELUDE + text).kernel("f")
    check(kernel)
    pipeline.run(kernel, lambda name, changed: check(changed))
    return agree(kernel, args)


def outcome(result: InstanceResult) -> Any:
    """What happened, as the cases write it: the emitted values, or the trap or failure."""
    if result.state == "trap":
        return result.trap
    if result.state == "fail":
        return f"fail: {result.message}"
    values = [e.value for e in result.emissions]
    return values[0] if len(values) == 1 else values


X = "function f(x: i64) => (y: i64) "
CASES: dict[str, tuple[str, dict[Any, Any]]] = {
    # One parameter: argument to outcome.
    "literals": ("function f(x: i64) => (y: (i64, f64, bool, str, bytes, u8, ())) = (x, 1.5e3, true, \"\\u{1F600}\", b\"\\xff\", 255, ());",
                 {1: (1, 1500.0, True, "\U0001F600", b"\xff", 255, None)}),
    "arithmetic": ("function f(x: i64) => (y: array[i64]) = [x + 3, x - 3, x * 3, x / 3, x % 3, -x, ~x];",
                   {7: [10, 4, 21, 2, 1, -7, -8], -7: [-4, -10, -21, -3, 2, 7, 6]}),
    "overflow": (X + "= x + 1;", {2**63 - 1: "trap.overflow", 2**63 - 2: 2**63 - 1}),
    "negation": (X + "= -x;", {-(2**63): "trap.overflow", 5: -5}),
    "division": (X + "= 10 / x;", {0: "trap.division", 3: 3, -3: -4}),
    "least by minus one": (X + "= x / -1;", {-(2**63): "trap.overflow", 4: -4}),
    "wrapping": (X + "= x +% 1 -% 3 *% x;", {2**63 - 1: ((2**63) - 3 * (2**63 - 1) + 2**63) % 2**64 - 2**63, 2: -3}),
    "bits": ("function f(x: i64) => (y: array[i64]) = [x & 12, x | 3, x ^ 5, x << 2, x >> 1];", {10: [8, 11, 15, 40, 5], -8: [8, -5, -3, -32, -4]}),
    "shift too far": (X + "= 1 << x;", {64: "trap.shift", 63: "trap.overflow", 62: 2**62, -1: "trap.shift"}),
    "narrow": ("function f(x: i64) => (y: (u8, i8)) = (u8(x), i8(x));", {127: (127, 127), 200: "trap.conversion", -1: "trap.conversion"}),
    "floats": ("function f(x: f64) => (y: array[f64]) = [x + 0.1, x - 0.1, x * 3.0, x / 0.0, -x];",
               {0.2: [0.2 + 0.1, 0.2 - 0.1, 0.2 * 3.0, float("inf"), -0.2]}),
    "float to integer": ("function f(x: f64) => (y: i64) = i64(x);", {2.0: 2, -3.0: -3, 2.5: "trap.conversion", 1e30: "trap.conversion", float("nan"): "trap.conversion"}),
    "comparisons": ("function f(x: i64) => (y: array[bool]) = [x < 2, x <= 2, x == 2, x != 2, x >= 2, x > 2];",
                    {2: [False, True, True, False, True, False], 3: [False, False, False, True, True, True]}),
    "nan compares with nothing": ("function f(x: f64) => (y: array[bool]) = [x == x, x != x, x < x, x >= x];", {float("nan"): [False, True, False, False]}),
    "short circuit": ("function f(x: i64) => (y: (bool, bool)) = (x != 0 and 10 / x > 1, x == 0 or 10 / x > 1);", {0: (False, True), 5: (True, True)}),
    "if": ("function f(x: i64) => (y: str) = if x < 0 { \"neg\" } else if x == 0 { \"zero\" } else { \"pos\" };", {-1: "neg", 0: "zero", 1: "pos"}),
    "match numbers": ("function f(x: i64) => (y: str) = match x { 0 => \"zero\", -1 => \"minus\", n if n > 100 => \"big\", _ => \"other\" };",
                      {0: "zero", -1: "minus", 101: "big", 7: "other"}),
    "match text": ("function f(x: str) => (y: i64) = match x { \"a\" => 1, \"b\" => 2, \"\" => 3, _ => 0 };", {"a": 1, "b": 2, "": 3, "ab": 0}),
    "match tuple": ("function f(x: (i64, bool)) => (y: i64) = match x { (0, true) => 1, (n, false) if n > 3 => n, (_, b) => if b { 8 } else { 9 } };",
                    {(0, True): 1, (5, False): 5, (0, False): 9, (2, True): 8}),
    "match enum": ("function f(x: f64) => (y: array[f64]) { let shapes = [Shape.circle(x), Shape.rectangle(x, 2.0), Shape.point]; var out: array[f64] = [];"
                   " for s in shapes { match s { circle(r) => out.append(r); rectangle(w, h) => out.append(w * h); point => out.append(0.0); } } emit y <- out; }",
                   {1.5: [1.5, 3.0, 0.0]}),
    "match nested": ("function f(x: option[result[i64, str]]) => (y: i64) = match x { some(ok(n)) if n > 9 => 1, some(ok(_)) => 2, some(err(\"a\")) => 3, some(err(_)) => 4, none => 5 };",
                     {some(Variant(0, (10,))): 1, some(Variant(0, (1,))): 2, some(Variant(1, ("a",))): 3, some(Variant(1, ("b",))): 4, NONE: 5}),
    "recursion": (X + "= fib(x);", {15: 610}),
    "deep recursion": ("fn down(n: i64) -> i64 = if n == 0 { 0 } else { 1 + down(n - 1) }; " + X + "= down(x);", {900: 900, 1100: "trap.depth"}),
    "recursive data": (X + "= leaves(Tree.node([Tree.leaf(x), Tree.node([Tree.leaf(2), Tree.leaf(3)]), Tree.node([])]));", {1: 6}),
    "while": (X + "{ var n = 0; var k = x; while k > 1 { k = if k % 2 == 0 { k / 2 } else { 3 * k + 1 }; n += 1; } emit y <- n; }", {27: 111, 1: 0}),
    "break and continue": (X + "{ var n = 0; for i in 0..x { if i % 3 == 0 { continue; } if i > 10 { break; } n += i; } emit y <- n; }", {100: 1 + 2 + 4 + 5 + 7 + 8 + 10, 3: 3}),
    "nested loops": (X + "{ var n = 0; for i in 0..x { for j in i..x { if j == 4 { break; } n += 10 * i + j; } } emit y <- n; }", {6: 55 + sum(10 * i + j for i in range(4) for j in range(i, 4))}),
    "empty range": (X + "{ var n = 0; for i in 5..x { n += i; } emit y <- n; }", {3: 0, 7: 11}),
    "index": ("function f(x: i64) => (y: i64) { let xs = [10, 20, 30]; emit y <- xs[x]; }", {0: 10, 2: 30, 3: "trap.index", -1: "trap.index"}),
    "slice": ("function f(x: str) => (y: array[str]) = [x[1..3], x[..1], x[2..], x[..]];", {"abcd": ["bc", "a", "cd", "abcd"], "a": "trap.slice"}),
    "slice inside a character": ("function f(x: str) => (y: str) = x[1..];", {"é": "trap.slice", "ab": "b"}),
    "slices of arrays and bytes": ("function f(x: i64) => (y: (array[i64], bytes)) { let xs = [1, 2, 3, 4]; let b = b\"wxyz\"; emit y <- (xs[x..3], b[x..3]); }", {1: ([2, 3], b"xy"), 3: ([], b""), 4: "trap.slice"}),
    "byte": ("function f(x: bytes) => (y: i64) { var n = 0; for i, b in x { n += i * i64(b); } emit y <- n + i64(x[0]); }", {b"\x05\x06\x07": 25, b"": "trap.index"}),
    "f-string": ("function f(x: i64) => (y: str) = f\"{x}/{x > 1}/{f64(x) / 2.0}/{{}}/{u8(7)}/{\"t\"}\";", {3: "3/true/1.5/{}/7/t"}),
    "records": ("function f(x: i64) => (y: Point) { let p = Point(y: x, x: 1); let q = Point(..p, x: p.y + p.x); emit y <- q; }", {5: (6, 5)}),
    "generic record": ("function f(x: i64) => (y: (i64, str)) { let a = Box(value: x, many: [x, 2]); let b = Box(value: \"s\", many: [\"t\"]); emit y <- (a.value + a.many[1], b.value + b.many[0]); }", {1: (3, "st")}),
    "tuples": ("function f(x: i64) => (y: (i64, i64)) { let (a, (b, _)) = (x, (2, 3)); let t = ((a, b), b); let ((c, d), e) = t; emit y <- (c + e, d); }", {1: (3, 2)}),
    "options": ("function f(x: i64) => (y: array[option[i64]]) = [quarter(x), halve(x), halve(x).map(|v| v + 1)];", {8: [some(2), some(4), some(5)], 6: [NONE, some(3), some(4)], 5: [NONE, NONE, NONE]}),
    "results": ("function f(x: str) => (y: i64) { let (a, b) = parse_both(x, \"2\")?; emit y <- a + b; }", {"40": 42, "z": "fail: `z` is no number"}),
    "option fails": ("function f(x: i64) => (y: i64) = halve(x)?;", {4: 2, 3: "fail: expected a value, found `none`"}),
    "question mark in a lambda of a function": ("function f(xs: array[str]) => (y: array[i64]) = xs.map(|x| x.to_i64()?);", {("1", "2"): [1, 2], ("1", "z"): "fail: expected a value, found `none`"}),
    "fail": (X + "{ if x > 3 { fail f\"too large: {x}\"; } emit y <- x; }", {3: 3, 4: "fail: too large: 4"}),
    "functions as values": (X + "= twice(double, x) + twice(|v| v + x, 1) + twice(|v| double(v), 1);", {3: 12 + 7 + 4}),
    "function through a function": ("fn outer(g: fn(i64) -> i64, x: i64) -> i64 = twice(|v| g(v) + x, x); " + X + "= outer(|v| v * 10, x);", {2: 222}),
    "captures": ("function f(x: i64) => (y: array[i64]) { let a = [x, 2]; let b = \"zz\"; emit y <- a.map(|v| v + a[0] + b.len()); }", {1: [4, 5]}),
    "recursion with a lambda": ("fn ap(g: fn(i64) -> i64, n: i64) -> i64 { if n > 0 { return ap(|x| x + n, n - 1) + 1; } return g(5); } " + X + "= ap(|v| v * x, x);", {3: 9, 0: 0}),
    "generic": ("function f(x: i64) => (y: (i64, str, array[i64])) = (first_of([x], 0), first_of([], \"none\"), first_of([[x]], []));", {3: (3, "none", [3])}),
    "constants": ("function f(x: i64) => (y: (i64, str)) = (x + LIMIT, NAMES[1]);", {1: (11, "b")}),
    "append": ("function f(x: i64) => (y: array[i64]) { var xs: array[i64] = []; for i in 0..x { xs.append(i * i); } xs.truncate(3); xs.extend(xs); emit y <- xs; }", {5: [0, 1, 4, 0, 1, 4], 2: "trap.slice"}),
    "text building": ("function f(x: i64) => (y: str) { var s = \"\"; for i in 0..x { s += f\"{i},\"; s.append(\"-\"); } emit y <- s; }", {3: "0,-1,-2,-"}),
    "bytes building": ("function f(x: i64) => (y: bytes) { var b = b\"\"; for i in 0..x { b.append(u8(i)); b += b\"z\"; } b.extend(b); emit y <- b; }", {2: b"\x00z\x01z\x00z\x01z"}),
    "joining": ("function f(x: array[i64]) => (y: (array[i64], str, bytes)) = (x + [9] + x, \"a\" + \"b\" + \"c\", b\"a\" + b\"b\");", {(1,): ([1, 9, 1], "abc", b"ab")}),
    "array of records": ("function f(x: i64) => (y: i64) { var ps = [Point(x: x, y: 2), Point(x: 3, y: 4)]; ps[0].y += 10; ps[1] = Point(..ps[0], x: 100); emit y <- ps[0].y + ps[1].x + ps[1].y; }", {1: 12 + 100 + 12}),
    "nested arrays": ("function f(x: i64) => (y: array[array[i64]]) { var g = [[1, 2], [3]]; g[0][1] = x; g[1].append(x); g.append([x]); emit y <- g; }", {9: [[1, 9], [3, 9], [9]]}),
    "equality": ("function f(x: i64) => (y: array[bool]) = [[1, x] == [1, 2], Point(x: 1, y: x) == Point(x: 1, y: 2), some(x) == some(2), (x, \"a\") != (2, \"a\"), Shape.circle(1.0) == Shape.circle(f64(x)), Line(time: x, level: \"a\", tags: [\"t\"]) == Line(time: 2, level: \"a\", tags: [\"t\"])];",
                 {2: [True, True, True, False, False, True], 1: [False, False, False, True, True, False]}),
    "order": ("fn head(t: (i64, str)) -> i64 { let (a, _) = t; return a; } function f(x: (i64, str)) => (y: array[bool]) = [x < (2, \"b\"), [head(x)] < [1, 2], (x, 1) >= (x, 1)];",
              {(1, "z"): [True, True, True], (2, "b"): [False, False, True]}),
    "inout": (X + "{ var a = x; let b = bump(a) + bump(a); var xs = [1, 2]; let c = bump(xs[1]); emit y <- a * 1000 + b * 10 + c + xs[1]; }", {1: 3000 + 50 + 3 + 3}),
    "unit values": ("fn check(x: i64) -> result[(), str] = if x > 0 { ok(()) } else { err(\"negative\") }; " + X + "{ check(x)?; emit y <- x; }", {1: 1, -1: "fail: negative"}),
    "notes": (X + "{ note f\"saw {x}\"; emit y <- x; }", {1: 1}),
    "intrinsics of floats": ("function f(x: f64) => (y: array[f64]) = [x.sqrt(), x.floor(), x.ceil(), x.trunc(), x.abs(), (-x).abs()];", {2.25: [1.5, 2.0, 3.0, 2.0, 2.25, 2.25]}),
    "bits of floats": ("function f(x: f64) => (y: (u64, f64, i64)) = (to_bits(x), from_bits(to_bits(x)), wrap(to_bits(x)));", {1.0: (4607182418800017408, 1.0, 4607182418800017408), -0.0: (1 << 63, -0.0, -(1 << 63))}),
    "absolute": (X + "= x.abs();", {-3: 3, -(2**63): "trap.overflow"}),
    "filled": ("function f(x: i64) => (y: array[i64]) = filled(x, 7);", {3: [7, 7, 7], 0: [], -1: []}),
    "unreachable": (X + "{ if x == 0 { unreachable(); } emit y <- x; }", {0: "trap.unreachable", 1: 1}),
    "reserve": ("function f(x: i64) => (y: array[i64]) { var a: array[i64] = []; a.reserve(x); a.append(x); emit y <- a; }", {5: [5]}),
    "field names and texts": ("function f(x: i64) => (y: (array[str], array[str])) = (field_names[Line](), Line(time: x, level: \"i\", tags: [\"t\"]).field_texts());", {1: (["time", "level", "tags"], ["1", "i", '["t"]'])}),
}  # fmt: skip


def _argument(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) and value and all(isinstance(v, str) for v in value) else value


@pytest.mark.parametrize(("text", "cases"), CASES.values(), ids=CASES)
def test_value(text: str, cases: dict[Any, Any]) -> None:
    """The outcome is what the program says."""
    arguments = [list(a) if "array[i64]) => (y: (array" in text else _argument(a) for a in cases]

    results = run(text, [[a] for a in arguments])

    assert list(cases.values()) == [outcome(r) for r in results]
