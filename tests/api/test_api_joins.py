"""Joins against a model that says what they mean, on random sets: compiled, and run by the machine in sandboxes."""

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import dandc

BY_KEY = ("inner", "left", "right", "full", "anti")
CHAINS = list(itertools.product(BY_KEY, BY_KEY))
Item = tuple[int, int]
Groups = dict[int, list[int]]

PROGRAM = """
fn text(xs: array[i64]) -> str = xs.map(|x| f"{x}").join(" ");
function show(k: key i64, a: set[i64], b: set[i64], c: set[i64]) => (line: str)
    = f"{k}|{text(a.values())}|{text(b.values())}|{text(c.values())}";
function crossed(k: key (i64, i64), a: set[i64], b: set[i64], c: i64, d: i64) => (line: str) {
    let (left, right) = k;
    emit line <- f"{left},{right}|{text(a.values())}|{text(b.values())}|{c}|{d}";
}
"""
INPUTS = "a: set[i64 => i64], b: set[i64 => i64], c: set[i64 => i64]"


def source() -> str:
    """A composition for every chain of two strategies, and for every strategy with two crossings behind it."""
    chains = (
        f"composition {s}_{t}({INPUTS}) => (lines: set[i64 => str]) {{"
        f" lines = show(keyed a, keyed b, keyed c) by a {s} b {t} c; }}\n"
        for s, t in CHAINS
    )
    crossings = (
        f"composition crossed_{s}({INPUTS}, d: set[i64]) => (lines: set[(i64, i64) => str]) {{"
        f" lines = crossed(keyed a, keyed b, each c, each d) by a {s} b cross d cross c; }}\n"
        for s in BY_KEY
    )
    return PROGRAM + "".join((*chains, *crossings))


def groups(items: Sequence[Item]) -> Groups:
    found: Groups = {}
    for key, value in items:
        found.setdefault(key, []).append(value)
    return found


def joined(strategy: str, left: set[int], right: set[int]) -> set[int]:
    """The keys that a join of two sides has."""
    return {
        "inner": left & right,
        "left": left,
        "right": right,
        "full": left | right,
        "anti": left - right,
    }[strategy]


def chained(strategies: tuple[str, ...], sides: Sequence[Groups]) -> list[tuple[int, list[list[int]]]]:
    """The keys of a chain in order, with the group of every side; a key that was lost on the way is gone on all sides of it."""
    keys, seen = set(sides[0]), [sides[0]]
    for strategy, side in zip(strategies, sides[1:], strict=True):
        left = keys
        keys = joined(strategy, left, set(side))
        # `anti` drops the right group, and a key that only the right side has finds nothing left of it.
        seen = [{k: s.get(k, []) for k in left} for s in seen] + [side if strategy != "anti" else {}]
    return [(k, [s.get(k, []) for s in seen]) for k in sorted(keys)]


def shown(values: list[int]) -> str:
    return " ".join(str(v) for v in values)


def keyed(items: Sequence[Item]) -> list[dict[str, int]]:
    return [{"key": k, "value": v} for k, v in items]


def randomly(rng: random.Random) -> list[Item]:
    return [(rng.randrange(-3, 4), rng.randrange(100)) for _ in range(rng.choice((0, 1, 3, 6)))]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dandc.Program:
    path: Path = tmp_path_factory.mktemp("joins") / "joins.dnd"
    path.write_text(source(), encoding="utf-8")
    return dandc.compile(path, cache=None)


def lines(program: dandc.Program, name: str, inputs: Mapping[str, Any]) -> list[tuple[Any, str]]:
    return [(item.key, item.value) for item in program.run(name, inputs).outputs["lines"]]


@pytest.mark.parametrize("strategies", CHAINS, ids="-".join)
def test_chains_of_two_strategies(program: dandc.Program, strategies: tuple[str, str]) -> None:
    rng = random.Random(repr(strategies))
    for _ in range(3):
        a, b, c = (randomly(rng) for _ in range(3))
        expected = [
            (k, f"{k}|{'|'.join(shown(g) for g in found)}")
            for k, found in chained(strategies, [groups(a), groups(b), groups(c)])
        ]

        assert expected == lines(program, "_".join(strategies), {"a": keyed(a), "b": keyed(b), "c": keyed(c)})


@pytest.mark.parametrize("strategy", BY_KEY)
def test_crossings_behind_a_join(program: dandc.Program, strategy: str) -> None:
    rng = random.Random(strategy)
    for _ in range(3):
        a, b, c = (randomly(rng) for _ in range(3))
        d = [rng.randrange(100) for _ in range(rng.randrange(4))]
        pairs = [
            ([k, key], f"{k},{key}|{shown(x)}|{shown(y)}|{value}|{single}")
            for k, (x, y) in chained((strategy,), [groups(a), groups(b)])
            for single in d
            for key, value in sorted(c, key=lambda item: item[0])
        ]
        # A set is ordered by key, then by instance.
        expected = sorted(pairs, key=lambda pair: pair[0])
        inputs = {"a": keyed(a), "b": keyed(b), "c": keyed(c), "d": d}

        assert expected == lines(program, f"crossed_{strategy}", inputs)
