"""One mistake gives one diagnostic: programs with several independent mistakes give exactly those, in order."""

import pytest
from programs import program

CASES = {
    "three names": (
        "function f(x: i64) => (y: i64) { let a = oops; let b = a + 1; let c = nope(b, huh); emit y <- c.field; }",
        ["N0201", "N0201", "N0201"],
    ),
    "unknown type spreads nothing": (
        "record A { x: Missing } fn g(a: A) -> i64 = a.x.y + a.x; function f(a: array[A]) => (y: i64) = g(a[0]);",
        ["N0201"],
    ),
    "a broken helper is used": (
        'fn g(x: i64) -> i64 = "no"; function f(x: i64) => (y: i64) = g(x) + 1;',
        ["T0301"],
    ),
    "broken import": ("import nothing; function f(x: nothing.Thing) => (y: i64) = nothing.go(x, nothing.limit)?;", []),
    "type and value": (
        "record Line { time: i64 } function f(x: i64) => (y: Line) = Line(time: x, text: 3);"
        " function g(l: Line) => (y: str) = l.time;",
        ["N0202", "T0301"],
    ),
    "composition": (
        "function double(x: i64) => (y: i64) = 2 * x;"
        "composition main(xs: set[i64]) => (a: set[i64], b: i64) { c = double(xs); a = double(each c); b = trouble(c); }",
        ["C0402", "N0201"],
    ),
    "nothing said about outputs of broken bodies": (
        "function f(x: i64) => (y: i64) { if x > oops { emit y <- 1; } else { emit y <- 2; } }",
        ["N0201"],
    ),
    "emit to nowhere": ("function f(x: i64) => (y: i64) { emit z <- x; }", ["N0201"]),
    "match on nothing": (
        "function f(x: i64) => (y: i64) = match oops { some(v) => v, none => 0 };",
        ["N0201"],
    ),
    "bad pattern does not make holes": (
        "enum E { a(i64), b } function f(x: E) => (y: i64) = match x { a(p, q) => p + q, b => 0 };",
        ["T0323"],
    ),
    "lambda": ("function f(xs: array[i64]) => (y: array[i64]) = xs.map(|x| x.oops).filter(|x| x > 1);", ["N0202"]),
    "wrong arguments are still read": (
        "fn area(width: i64, height: i64) -> i64 = width * height;"
        "function f(x: i64) => (y: i64) { let a = area(x, x, oops); emit y <- a.nothing(); }",
        ["T0302", "N0201"],
    ),
    "independent": (
        "fn a() -> i64 { return true; } fn b(x: i64) -> i64 { x = 1; return x; } fn c() -> i64 { let v = 1; }",
        ["T0301", "T0320", "T0332"],
    ),
    "loop": ("function f(n: i64) => (y: i64) { var s = 0; for a, b in oops { s += a + b; } emit y <- s; }", ["N0201"]),
    "array of unknown": ("function f(n: i64) => (y: i64) { let xs = [oops]; emit y <- xs[0] + xs.len(); }", ["N0201"]),
    "one open type": (
        "function f(n: i64) => (y: i64) { let xs = []; let ys = [xs]; emit y <- ys.len() + xs.len(); }",
        ["T0305"],
    ),
    "two literals": ("function f(n: u8) => (y: u8) = n + 300 + 400;", ["T0306", "T0306"]),
    "config": ('config limit: i64 = "no"; function f(x: i64) => (y: i64) = x + limit;', ["T0301"]),
    "constant": ('const LIMIT: i64 = "no"; composition main() => (y: i64) { y = LIMIT; }', ["T0301"]),
    "secret": ("composition main(t: secret) => (y: secret, z: i64) { y = t; z = t; }", ["C0416", "C0407"]),
}


@pytest.mark.parametrize(("text", "codes"), CASES.values(), ids=CASES)
def test_exactly_these(text: str, codes: list[str]) -> None:
    """Nothing follows from what was reported already."""
    found = program(text)

    assert codes == found.codes, found.rendered()


SHADOWING = {
    "a block": "function f(x: i64) => (y: i64) { let a = 1; if x > 0 { let a = true; note f\"{a}\"; } emit y <- a; }",
    "a parameter": "function f(x: i64) => (y: str) { let x = f\"{x}\"; emit y <- x; }",
    "a loop": "function f(xs: array[str]) => (y: i64) { let x = 1; for x in xs { note x; } emit y <- x; }",
    "an arm": "function f(x: option[str]) => (y: i64) { let v = 1; match x { some(v) => note v; none => note \"\"; } emit y <- v; }",
    "a lambda": "function f(xs: array[i64]) => (y: array[i64]) { let x = \"a\"; note x; emit y <- xs.map(|x| x + 1); }",
    "the prelude": "fn min(a: str, b: str) -> str = a + b; function f(a: str) => (y: str) = min(a, a);",
    "a built-in type": "record str_ { a: i64 } fn u8(x: i64) -> str = f\"{x}\"; function f(a: i64) => (y: str) = u8(a);",
    "a constant": "const LIMIT: i64 = 1; function f(x: i64) => (y: str) { let LIMIT = \"a\"; emit y <- LIMIT; }",
}  # fmt: skip


@pytest.mark.parametrize("text", SHADOWING.values(), ids=SHADOWING)
def test_shadowing(text: str) -> None:
    """An inner name hides an outer one; only within one scope a name is declared once."""
    found = program(text)

    assert [] == found.codes, found.rendered()


LOST = {
    "a helper": "fn g(x: i64 -> i64 = x; function f(x: i64) => (y: i64) = g(x);",
    "too deep": "function g(x: i64) => (y: i64) = " + "(" * 300 + "x" + ")" * 300 + ";"
    "composition main(x: i64) => (y: i64) { y = g(x); }",
    "a record": "record R { x } function f(r: R) => (y: i64) = r.x;",
    "a body": "function f(x: i64) => (y: i64) { emit y <- ; } composition main(x: i64) => (y: i64) { y = f(x); }",
}  # fmt: skip


@pytest.mark.parametrize("text", LOST.values(), ids=LOST)
def test_syntax_errors_have_no_consequences(text: str) -> None:
    """What the parser could not read is not missed by the checker."""
    found = program(text)

    assert {"P"} == {code[0] for code in found.codes}, found.rendered()
