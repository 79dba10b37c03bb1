"""Sources that are deep, long or circular get a diagnostic or pass; they never raise, and never take long."""

import tracemalloc

import pytest
from programs import program

ID = "function id(x: i64) => (y: i64) = x; "


def nested(before: str, inner: str, after: str, n: int = 190) -> str:
    return before * n + inner + after * n


DEEP = {
    "parentheses": "function f() => (y: i64) = " + nested("(", "1", ")") + ";",
    "not": "function f(b: bool) => (y: bool) = " + nested("not ", "b", "") + ";",
    "minus": "function f(b: i64) => (y: i64) = " + nested("- ", "b", "") + ";",
    "arrays": "function f() => (y: i64) { let x = " + nested("[", "1", "]", 90) + "; emit y <- 1; }",
    "calls": "fn g(x: i64) -> i64 = x; function f(x: i64) => (y: i64) = " + nested("g(", "x", ")") + ";",
    "lambdas": "fn g(h: fn(i64) -> i64) -> i64 = h(1); function f(x: i64) => (y: i64) = " + nested("g(|v| ", "x", ")", 95) + ";",
    "conditions": "function f(x: i64) => (y: i64) = " + nested("if x > 1 { ", "1", " } else { 2 }", 150) + ";",
    "else if": "function f(x: i64) => (y: i64) = " + "if x > 1 { 1 } else " * 150 + "{ 2 };",
    "sums": "function f(x: i64) => (y: i64) = " + "+".join(["x"] * 190) + ";",
    "text": "function f(x: str) => (y: str) = " + "+".join(["x"] * 190) + ";",
    "methods": "function f(x: str) => (y: str) = x" + ".trim()" * 90 + ";",
    "blocks": "function f(x: i64) => (y: i64) { " + nested("if x > 0 { ", "", " }", 190) + " emit y <- 1; }",
    "matches": "function f(x: i64) => (y: i64) = " + nested("match x { 1 => 2, _ => ", "3", " }", 95) + ";",
    "patterns": "fn f(x: " + nested("option[", "i64", "]", 90) + ") -> bool { match x { " + nested("some(", "_", ")", 90)
    + " => return true; _ => return false; } }",
    "flow": ID + "composition main(x: i64) => (y: i64) { y = " + nested("id(", "x", ")") + "; }",
}  # fmt: skip


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep(text: str) -> None:
    """What the parser accepts in depth is checked and lowered."""
    found = program(text)

    assert found.codes == []
    for name in found.checked.kernels:
        found.kernel(name.removeprefix("main."))


def _chain(template: str, last: str, n: int = 1500) -> str:
    return "".join(template.format(i=i, j=i + 1) for i in range(n)) + last.format(i=n)


LONG = {
    "sets, the last made first": ID + "composition main(x: i64) => (y: i64) { y = a0; "
    + _chain("a{i} = id(a{j}); ", "a{i} = id(x); ") + "}",
    "compositions": _chain("composition c{i}(x: i64) => (y: i64) {{ y = c{j}(x); }} ",
                           "composition c{i}(x: i64) => (y: i64) {{ y = x; }} "),
    "constants": _chain("const A{i}: i64 = A{j} + 1; ", "const A{i}: i64 = 1; ") + "composition m() => (y: i64) { y = A0; }",
    "helpers": _chain("fn f{i}(x: i64) -> i64 = f{j}(x); ", "fn f{i}(x: i64) -> i64 = x; ") + "function k() => (y: i64) = f0(1);",
    "statements": "function f(x: i64) => (y: i64) { var a = x; " + "a += 1; " * 3000 + "emit y <- a; }",
    "arms": "fn f(x: i64) -> i64 { match x { " + "".join(f"{i} => return {i}; " for i in range(5000)) + "_ => return 0; } }",
    "variants": "enum E { " + ", ".join(f"v{i}" for i in range(2000)) + " } fn f(x: E) -> i64 { match x { "
    + "".join(f"v{i} => return {i}; " for i in range(2000)) + "} }",
    "fields": "record R { " + ", ".join(f"f{i}: i64" for i in range(2000)) + " } function f() => (y: R) = R("
    + ", ".join(f"f{i}: {i}" for i in range(2000)) + ");",
    "recursion through a lambda": "fn f(g: fn(i64) -> i64, n: i64) -> i64 { if n > 0 { return f(|x| x + n, n - 1); } return g(1); }"
    " function k() => (y: i64) = f(|x| x, 3);",
    "recursion of records": "record Tree { value: i64, children: array[Tree] }"
    " fn sum(t: Tree) -> i64 { var n = t.value; for c in t.children { n += sum(c); } return n; }"
    " function k(t: Tree) => (y: i64) = sum(t);",
}  # fmt: skip


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.timeout(20)
def test_long(text: str) -> None:
    """Chains of any length are no recursion of the checker."""
    found = program(text)

    assert found.codes == []
    for name in found.checked.kernels:
        found.kernel(name.removeprefix("main."))


def _pairs(line: str) -> str:
    """Sixty lines, each of which makes two of what the one before it made."""
    return "".join(line.format(i=i, j=i + 1) for i in range(60))


ENDLESS = {
    "records": ("T0314", _chain("record R{i} {{ a: R{j} }} ", "record R{i} {{ a: R0 }} ")),
    "types through two records": (
        "T0314",
        "record A[T] { b: array[B[T]] } record B[T] { a: array[A[option[T]]] } function f(x: A[i64]) => (y: i64) = 1;",
    ),
    "wide types": ("T0337", "".join(f"record R{i} {{ a: R{i + 1}, b: R{i + 1} }} " for i in range(40))
                   + "record R40 { a: i64 } fn f(x: array[R0]) -> bool = x == x;"),
    "nested generic types": ("T0337", "record A[T] { x: T, y: T } function f(x: " + nested("A[", "i64", "]", 40) + ") => (y: i64) = 1;"),
    "instances": ("T0336", "".join(f"fn f{i}[T](x: T) -> i64 = f{i + 1}((x, x)) + f{i + 1}([x]); " for i in range(30))
                  + "fn f30[T](x: T) -> i64 = 1; function k() => (y: i64) = f0(1);"),
    "many instances": ("T0336", "".join(f"fn f{i}[T](x: T) -> i64 = f{i + 1}(some(x)) + f{i + 1}([x]); " for i in range(30))
                       + "fn f30[T](x: T) -> i64 = 1; function k() => (y: i64) = f0(1);"),
    "sets in a circle": ("C0401", ID + "composition main(x: i64) => (y: i64) { y = id(x); "
                         + _chain("a{i} = id(a{j}); ", "a{i} = id(a0); ") + "}"),
    "compositions in a circle": ("C0415", _chain("composition c{i}(x: i64) => (y: i64) {{ y = c{j}(x); }} ",
                                                 "composition c{i}(x: i64) => (y: i64) {{ y = c0(x); }} ")),
    "tuples that double": ("T0337", "fn f() -> i64 { let a0 = 1; " + _pairs("let a{j} = (a{i}, a{i}); ") + "return 1; }"),
    "generics that double": ("T0337", "fn g[T](x: T) -> (T, T) = (x, x); fn f() -> i64 { let a0 = 1; "
                             + _pairs("let a{j} = g(a{i}); ") + "return 1; }"),
    "one expression that doubles": ("T0337", "fn g[T](x: T) -> (T, T) = (x, x); fn f() -> i64 { let a = "
                                    + nested("g(", "1", ")", 90) + "; return 1; }"),
    "text that doubles": ("T0351", 'const A0: str = "x"; ' + _pairs("const A{j}: str = A{i} + A{i}; ")
                          + "composition main() => (y: str) { y = A60; }"),
    "arrays that double": ("T0351", "const A0: array[i64] = [1]; " + "".join(
        f"const A{i + 1}: {nested('array[', 'i64', ']', i + 2)} = [{', '.join([f'A{i}'] * 9)}]; " for i in range(20))
                           + f"composition main() => (y: {nested('array[', 'i64', ']', 21)}) {{ y = A20; }}"),
    "constants in a circle": ("T0338", _chain("const A{i}: i64 = A{j}; ", "const A{i}: i64 = A0; ")),
}  # fmt: skip


@pytest.mark.parametrize(("code", "text"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.timeout(20)
def test_endless(code: str, text: str) -> None:
    """What would never end is said once."""
    assert [code] == program(text).codes


@pytest.mark.timeout(20)
def test_thousands_of_unknown_names_are_not_compared_with_thousands() -> None:
    """Only the first of them get a proposal."""
    lines = "".join(f"let variable_number_{i} = variable_nmuber_{i + 1}; " for i in range(1500))
    found = program(f"fn f() -> i64 {{ {lines} return 1; }}")

    assert ["N0201"] * 1500 == found.codes
    assert found.diagnostics[20].fixes
    assert not found.diagnostics[-1].fixes


def test_a_long_string_costs_no_memory_for_its_characters() -> None:
    """The lexer goes over a text of a million characters in about its size."""
    tracemalloc.start()
    try:
        found = program(f'fn f() -> str = "{"x" * 1_000_000}";')
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [] == found.codes
    assert peak < 60_000_000


def test_mutual_recursion_of_generics_with_one_type_ends() -> None:
    """Instances are shared: recursion that keeps the type is no growth."""
    text = """
        fn even[T](x: T, n: i64) -> bool { if n == 0 { return true; } return odd(x, n - 1); }
        fn odd[T](x: T, n: i64) -> bool { if n == 0 { return false; } return even(x, n - 1); }
        function f(n: i64) => (y: bool) = even("x", n) and even(1.5, n);
    """
    found = program(text)

    assert found.codes == []
    assert len(found.kernel("f").functions) == 5
