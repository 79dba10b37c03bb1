"""Methods of input sets: those of arrays on the values, each part of an item decoded once."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from library import results
from programs import program

from dandc.compiler.encoding import Variant
from dandc.compiler.kir_text import print_kernel

RND = random.Random(12)
SETS = [
    [("b", "", 1), ("a", "n", -5)],
    [],
    [(f"k{i % 7}", f"n{i}" if i % 3 else "", RND.randrange(-9, 9)) for i in range(40)],
]


def fold(items: list[tuple[str, str, int]]) -> int:
    total = 1
    for _, _, value in items:
        total = (3 * total + value) % 1000
    return total


METHODS: list[tuple[str, str, Callable[[list[tuple[str, str, int]]], Any]]] = [
    ("array[i64]", "xs.map(|v| v * 2)", lambda s: [2 * v for _, _, v in s]),
    ("array[i64]", "xs.filter(|v| v > 0)", lambda s: [v for _, _, v in s if v > 0]),
    ("i64", "xs.fold(1, |a, v| (3 * a + v) % 1000)", fold),
    ("bool", "xs.any(|v| v == 1)", lambda s: any(v == 1 for _, _, v in s)),
    ("bool", "xs.all(|v| v < 9)", lambda s: all(v < 9 for _, _, v in s)),
    ("i64", "xs.count(|v| v < 0)", lambda s: sum(v < 0 for _, _, v in s)),
    ("i64", "xs.sum()", lambda s: sum(v for _, _, v in s)),
    ("option[i64]", "xs.min_by(|v| v * v)", lambda s: option(min((v for _, _, v in s), key=lambda v: v * v, default=None))),
    ("array[i64]", "xs.sort()", lambda s: sorted(v for _, _, v in s)),
    ("array[(str, i64)]", "xs.entries()", lambda s: [(k, v) for k, _, v in s]),
    ("array[(str, str, i64)]", "xs.items()", list),
    ("array[str]", 'xs.entries().filter(|(_, v)| v > 0).map(|(k, v)| f"{k}{v}")', lambda s: [f"{k}{v}" for k, _, v in s if v > 0]),
]  # fmt: skip


def option(value: int | None) -> Variant:
    return Variant(0, ()) if value is None else Variant(1, (value,))


@pytest.mark.parametrize(("result", "expression", "oracle"), METHODS, ids=[m[1] for m in METHODS])
def test_methods_of_sets(result: str, expression: str, oracle: Callable[[list[tuple[str, str, int]]], Any]) -> None:
    """The same as Python's over values, or over keys, names and values."""
    text = f"function f(xs: set[str => i64]) => (y: {result}) = {expression};"
    sets = [[[k, n, v] for k, n, v in items] for items in SETS]

    assert [oracle(s) for s in SETS] == [r.emissions[0].value for r in results(text, [[s] for s in sets])]


ONCE = {
    "xs.map(|v| v.n).sum()": {"set_value": 1},
    "xs.filter(|v| v.n > 1).len() + xs.len()": {"set_value": 1},
    "xs.sort_by(|v| v.n).len()": {"set_value": 1},
    "xs.entries().len()": {"set_value": 1, "set_key": 1},
    "xs.items().len()": {"set_value": 1, "set_key": 1, "set_name": 1},
    "xs.keys().len()": {"set_key": 1},
    "xs.len()": {},
}


@pytest.mark.parametrize("expression", ONCE)
def test_an_item_is_decoded_once(expression: str) -> None:
    """The kernel has one instruction that decodes values, one for keys, one for names, and none where nothing is looked at."""
    text = f"record R {{ n: i64, text: str }} function f(xs: set[str => R]) => (y: i64) = {expression};"
    kernel = print_kernel(program(text).kernel("f"))

    found = {part: kernel.count(f"{part}(") for part in ("set_value", "set_key", "set_name")}
    assert ONCE[expression] == {part: n for part, n in found.items() if n}
