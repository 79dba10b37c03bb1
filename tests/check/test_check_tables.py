"""Rules with many combinations, as tables: emissions on all paths, returns, sharding and cardinality, bounds, `?`."""

import pytest
from programs import program

# Bodies over `x: i64` and `xs: array[i64]`: codes for the output as `y: i64`, and as `y: optional i64`.
EMISSIONS = {
    "emit y <- x;": ([], []),
    "": (["T0334"], []),
    "emit y <- x; emit y <- x;": (["T0335"], ["T0335"]),
    "if x > 0 { emit y <- x; }": (["T0334"], []),
    "if x > 0 { emit y <- x; } else { emit y <- 1; }": ([], []),
    "if x > 0 { emit y <- x; } else { fail \"no\"; }": ([], []),
    "if x > 0 { fail \"no\"; } emit y <- x;": ([], []),
    "if x > 0 { emit y <- x; return; } emit y <- 1;": ([], []),
    "if x > 0 { return; } emit y <- 1;": (["T0334"], []),
    "if x > 0 { emit y <- x; } emit y <- 1;": (["T0335"], ["T0335"]),
    "if x > 0 { emit y <- x; } else if x < 0 { emit y <- 1; }": (["T0334"], []),
    "if x > 0 { emit y <- x; } else if x < 0 { emit y <- 1; } else { emit y <- 2; }": ([], []),
    "match x { 0 => emit y <- 1; _ => emit y <- 2; }": ([], []),
    "match x { 0 => emit y <- 1; _ => note \"n\"; }": (["T0334"], []),
    "match x { 0 => emit y <- 1; _ => fail \"n\"; }": ([], []),
    "for v in xs { emit y <- v; }": (["T0334"], ["T0335"]),
    "for v in xs { emit y <- v; break; }": (["T0334"], []),
    "for v in xs { emit y <- v; return; } emit y <- 1;": ([], []),
    "for v in xs { if v > 1 { emit y <- v; return; } } fail \"none\";": ([], []),
    "for v in xs { if v > 1 { emit y <- v; return; } } emit y <- 0;": ([], []),
    "for v in xs { if v > 1 { continue; } emit y <- v; }": (["T0334"], ["T0335"]),
    "emit y <- x; for v in xs { if v > 3 { return; } }": ([], []),
    "while x > 0 { note \"n\"; } emit y <- x;": ([], []),
    "while true { emit y <- x; break; }": ([], []),
    "while true { if x > 1 { emit y <- x; return; } }": ([], []),
    "while true { note \"for ever\"; }": ([], []),
    "while true { if x > 1 { break; } } emit y <- x;": ([], []),
    "while true { emit y <- x; }": ([], []),
    "while x > 0 { emit y <- x; }": (["T0334"], ["T0335"]),
    "let v = xs.first()?; emit y <- v;": ([], []),
    "fail \"always\";": ([], []),
    "return;": (["T0334"], []),
    "fail \"always\"; emit y <- x;": ([], []),
}  # fmt: skip


@pytest.mark.parametrize(("body", "codes"), EMISSIONS.items())
def test_emissions(body: str, codes: tuple[list[str], list[str]]) -> None:
    """`y: T` once on every path that ends well, `optional T` at most once, a set freely."""
    for kind, expected in zip(("i64", "optional i64", "set[i64]"), (*codes, []), strict=True):
        found = program(f"function f(x: i64, xs: array[i64]) => (y: {kind}) {{ {body} }}")
        assert expected == [c for c in found.codes if c in ("T0334", "T0335")], (kind, found.rendered())


RETURNS = {
    "return 1;": True,
    "": False,
    "if x > 0 { return 1; }": False,
    "if x > 0 { return 1; } else { return 2; }": True,
    "if x > 0 { return 1; } return 2;": True,
    "match x { 0 => return 1; _ => return 2; }": True,
    "match x { 0 => return 1; _ => note \"n\"; }": False,
    "while x > 0 { return 1; }": False,
    "while true { if x > 3 { return 1; } }": True,
    "while true { if x > 3 { break; } }": False,
    "while true { while true { break; } }": True,
    "while true { for i in 0..3 { break; } }": True,
    "while true { match x { 0 => break; _ => note \"n\"; } }": False,
    "for i in 0..3 { return i; }": False,
    "for i in 0..3 { return i; } return 0;": True,
}  # fmt: skip


@pytest.mark.parametrize(("body", "complete"), RETURNS.items())
def test_returns(body: str, complete: bool) -> None:
    """An `fn` with a result returns on every path."""
    found = program(f"fn f(x: i64) -> i64 {{ {body} }}")

    assert ([] if complete else ["T0332"]) == found.codes, found.rendered()


# Of each parameter kind: what each form of argument gives, per kind of set that is passed.
SETS = {"one": "i64", "optional": "optional i64", "set": "set[i64]", "keyed": "set[str => i64]"}
SHARDING = {
    "one": {
        "": {"one": [], "optional": [], "set": ["C0402"], "keyed": ["C0402"]},
        "all ": {"one": ["C0402"], "optional": ["C0402"], "set": ["C0402"], "keyed": ["C0402"]},
        "each ": {"one": ["C0404"], "optional": ["C0404"], "set": [], "keyed": []},
        "keyed ": {"one": ["C0420"], "optional": ["C0420"], "set": ["C0420"], "keyed": ["C0420"]},
    },
    "optional": {
        "": {"one": [], "optional": [], "set": ["C0402"], "keyed": ["C0402"]},
        "all ": {"one": ["C0402"], "optional": ["C0402"], "set": ["C0402"], "keyed": ["C0402"]},
        "each ": {"one": ["C0404"], "optional": ["C0404"], "set": [], "keyed": []},
        "keyed ": {"one": ["C0420"], "optional": ["C0420"], "set": ["C0420"], "keyed": ["C0420"]},
    },
    "set": {
        "": {"one": ["C0403"], "optional": ["C0403"], "set": ["C0403"], "keyed": ["C0403"]},
        "all ": {"one": [], "optional": [], "set": [], "keyed": []},
        "each ": {"one": ["C0404"], "optional": ["C0404"], "set": [], "keyed": []},
        "keyed ": {"one": ["C0405"], "optional": ["C0405"], "set": ["C0405"], "keyed": []},
    },
    "keyed": {
        "": {"one": ["C0403"], "optional": ["C0403"], "set": ["C0403"], "keyed": ["C0403"]},
        "all ": {"one": ["C0406"], "optional": ["C0406"], "set": ["C0406"], "keyed": []},
        "each ": {"one": ["C0404"], "optional": ["C0404"], "set": ["C0406"], "keyed": []},
        "keyed ": {"one": ["C0405"], "optional": ["C0405"], "set": ["C0405"], "keyed": []},
    },
}  # fmt: skip


@pytest.mark.parametrize("given", SETS)
@pytest.mark.parametrize("shard", ["", "all ", "each ", "keyed "])
@pytest.mark.parametrize("param", SETS)
def test_sharding(param: str, shard: str, given: str) -> None:
    """Every parameter kind with every form of argument and every kind of set."""
    found = program(
        f"function g(p: {SETS[param]}) => (r: set[i64]) {{}} "
        f"composition main(x: {SETS[given]}) => (y: set[i64]) {{ y = g({shard}x); }}"
    )

    assert SHARDING[param][shard][given] == found.codes, found.rendered()


@pytest.mark.parametrize(
    ("given", "shard", "output", "declared"),
    [
        ("i64", "", "i64", "i64"),
        ("i64", "", "optional i64", "optional i64"),
        ("i64", "", "set[i64]", "set[i64]"),
        ("optional i64", "", "i64", "optional i64"),
        ("set[i64]", "each ", "i64", "set[i64]"),
        ("set[i64]", "each ", "optional i64", "set[i64]"),
        ("set[i64]", "each ", "set[i64]", "set[i64]"),
        ("set[str => i64]", "each ", "i64", "set[str => i64]"),
        ("set[str => i64]", "each ", "optional i64", "set[str => i64]"),
        ("set[str => i64]", "each ", "set[i64]", "set[str => i64]"),
        ("set[str => i64]", "each ", "set[bool => i64]", "set[bool => i64]"),
    ],
)
def test_cardinality_of_outputs(given: str, shard: str, output: str, declared: str) -> None:
    """What a call gives follows from its output, from `each`, and from whether its input may be absent."""
    body = "emit r[true] <- p;" if "=>" in output else "emit r <- p;"
    text = f"function g(p: i64) => (r: {output}) {{ {body} }} composition main(x: {given}) => (y: OUT) {{ y = g({shard}x); }}"

    for candidate in ("i64", "optional i64", "set[i64]", "set[str => i64]", "set[bool => i64]"):
        accepted = program(text.replace("OUT", candidate)).codes == []
        wider = {
            "i64": {"i64", "optional i64", "set[i64]"},
            "optional i64": {"optional i64", "set[i64]"},
            "set[i64]": {"set[i64]"},
        }
        allowed = wider.get(declared, {declared, "set[i64]"})
        assert accepted == (candidate in allowed), candidate


BOUNDS = {
    "i64": "eq ord hash num data", "f64": "eq ord num data", "bool": "eq ord hash data", "str": "eq ord hash data", "bytes": "eq ord hash data",
    "secret": "", "()": "eq ord hash data", "array[i64]": "eq ord hash data", "array[f64]": "eq ord data", "option[i64]": "eq ord hash data",
    "(i64, str)": "eq ord hash data", "(i64, f64)": "eq ord data", "(i64, secret)": "", "R": "eq hash data", "F": "eq data", "S": "",
    "E": "eq ord hash data", "P": "eq hash data", "array[R]": "eq hash data", "array[secret]": "", "result[i64, str]": "eq ord hash data",
    "option[secret]": "", "Tree": "eq hash data", "Box[f64]": "eq data", "Box[i64]": "eq hash data",
}  # fmt: skip


@pytest.mark.parametrize(("t", "has"), BOUNDS.items())
def test_bounds(t: str, has: str) -> None:
    """What each type can do."""
    declared = (
        "record R { a: i64 } record F { a: f64 } record S { a: secret } enum E { a, b } enum P { a(i64), b } "
        "record Tree { kids: array[Tree] } record Box[T] { value: T } "
    )
    for bound in ("eq", "ord", "hash", "num", "data"):
        found = program(f"{declared} fn g[T: {bound}](x: T) {{}} fn f(x: {t}) {{ g(x); }}")
        assert ([] if bound in has.split() else ["T0307"]) == found.codes, (bound, found.rendered())


def test_bounds_imply() -> None:
    """Whatever has an order, a hash or numbers can be compared; nothing else follows."""
    for bound in ("eq", "ord", "hash", "num", "data"):
        found = program(f"fn g[T: eq](x: T) {{}} fn f[T: {bound}](x: T) {{ g(x); }}")
        assert ([] if bound != "data" else ["T0307"]) == found.codes


KEYS = {
    "i8": True, "u64": True, "bool": True, "str": True, "bytes": True, "f64": False, "f32": False, "secret": False, "E": True, "P": False, "R": False,
    "(i64, str)": True, "(i64, (bool, E))": True, "(i64, f64)": False, "array[i64]": False, "option[i64]": False, "()": False,
}  # fmt: skip


@pytest.mark.parametrize(("t", "good"), KEYS.items())
def test_keys(t: str, good: bool) -> None:
    """Keys have an exact order: no floats, no arrays, no records."""
    found = program(
        f"record R {{ a: i64 }} enum E {{ a, b }} enum P {{ a(i64), b }} function f(xs: set[{t} => i64]) => (y: i64) = xs.len();"
    )

    assert ([] if good else ["T0313"]) == found.codes, found.rendered()


TRY = {
    # Type of the value, result of the helper (None: a function), whether `?` fits.
    ("option[i64]", "option[str]"): True,
    ("option[i64]", "result[str, str]"): False,
    ("option[i64]", "i64"): False,
    ("option[i64]", "()"): False,
    ("option[i64]", None): True,
    ("result[i64, str]", "result[bool, str]"): True,
    ("result[i64, str]", "result[bool, i64]"): False,
    ("result[i64, str]", "option[i64]"): False,
    ("result[i64, str]", None): True,
    ("result[i64, Problem]", None): True,
    ("result[i64, i64]", None): False,
    ("result[i64, option[str]]", None): False,
    ("i64", "option[i64]"): False,
    ("i64", None): False,
}


@pytest.mark.parametrize(("case", "fits"), TRY.items())
def test_question_mark(case: tuple[str, str | None], fits: bool) -> None:
    """In a function the error has a text; in a helper the result can hold it."""
    t, result = case
    text = f"record Problem {{ message: str }} function f(x: {t}) => (y: i64) {{ let v = x?; emit y <- v; }}"
    if result is not None:
        text = f'fn f(x: {t}) -> {result} {{ let v = x?; while true {{ note "n"; }} }}'
    found = program(text)

    assert ([] if fits else ["T0316"]) == found.codes, found.rendered()
