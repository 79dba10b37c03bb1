"""The methods of arrays, options, results and maps that go beyond the first ones, against Python."""

import bisect
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from library import call, results

from dandc.compiler.encoding import Variant

NONE = Variant(0, ())


def some(value: Any) -> Variant:
    return Variant(1, (value,))


def ok(value: Any) -> Variant:
    return Variant(0, (value,))


def err(value: Any) -> Variant:
    return Variant(1, (value,))


def first(xs: list[int], holds: Callable[[int], bool]) -> Variant:
    return next((some(x) for x in xs if holds(x)), NONE)


def dedup(xs: list[int]) -> list[int]:
    return [k for k, _ in itertools.groupby(xs)]


RND = random.Random(20)
ARRAYS = [
    [],
    [1],
    [3, 1, 2],
    [5, 5, 5],
    [2, 2, 1, 1, 2],
    list(range(20)),
    [-1, 0, 1],
    *([RND.randrange(9) for _ in range(n)] for n in (8, 31)),
]
METHODS: list[tuple[str, str, Callable[[list[int]], Any]]] = [
    ("bool", "xs.all(|x| x > 0)", lambda xs: all(x > 0 for x in xs)),
    ("i64", "xs.count(|x| x % 2 == 1)", lambda xs: sum(x % 2 == 1 for x in xs)),
    ("option[i64]", "xs.find(|x| x > 1)", lambda xs: first(xs, lambda x: x > 1)),
    ("option[i64]", "xs.position(|x| x > 1)", lambda xs: next((some(i) for i, x in enumerate(xs) if x > 1), NONE)),
    ("array[i64]", "xs.filter_map(|x| if x > 1 { some(10 * x) } else { none })", lambda xs: [10 * x for x in xs if x > 1]),
    ("(array[i64], array[i64])", "xs.partition(|x| x > 1)", lambda xs: ([x for x in xs if x > 1], [x for x in xs if x <= 1])),
    ("option[i64]", "xs.min()", lambda xs: some(min(xs)) if xs else NONE),
    ("option[i64]", "xs.max()", lambda xs: some(max(xs)) if xs else NONE),
    ("option[i64]", "xs.min_by(|x| x % 3)", lambda xs: some(min(xs, key=lambda x: x % 3)) if xs else NONE),
    ("option[i64]", "xs.max_by(|x| x % 3)", lambda xs: some(max(xs, key=lambda x: x % 3)) if xs else NONE),
    ("option[(i64, i64)]", "xs.enumerate().max_by(|(_, x)| x)", lambda xs: some(max(enumerate(xs), key=lambda p: p[1])) if xs else NONE),
    ("array[i64]", "xs.take(2)", lambda xs: xs[:2]),
    ("array[i64]", "xs.take(-1)", lambda xs: []),
    ("array[i64]", "xs.skip(2)", lambda xs: xs[2:]),
    ("array[i64]", "xs.skip(-1)", lambda xs: xs),
    ("array[i64]", "xs.take_while(|x| x > 0)", lambda xs: list(itertools.takewhile(lambda x: x > 0, xs))),
    ("array[i64]", "xs.skip_while(|x| x > 0)", lambda xs: list(itertools.dropwhile(lambda x: x > 0, xs))),
    ("array[array[i64]]", "xs.chunks(3)", lambda xs: [xs[i : i + 3] for i in range(0, len(xs), 3)]),
    ("array[array[i64]]", "xs.chunks(1)", lambda xs: [[x] for x in xs]),
    ("array[array[i64]]", "xs.windows(2)", lambda xs: [list(p) for p in itertools.pairwise(xs)]),
    ("array[array[i64]]", "xs.windows(3)", lambda xs: [xs[i : i + 3] for i in range(len(xs) - 2)]),
    ("array[array[i64]]", "xs.windows(0)", lambda xs: []),
    ("array[(i64, i64)]", "xs.enumerate()", lambda xs: list(enumerate(xs))),
    ("array[i64]", "xs.chunks(2).flatten()", lambda xs: xs),
    ("array[i64]", "xs.dedup()", dedup),
    ("array[i64]", "xs.unique()", lambda xs: list(dict.fromkeys(xs))),
    ("i64", "clamp(xs.len(), 1, 5)", lambda xs: max(1, min(len(xs), 5))),
]  # fmt: skip


@pytest.mark.parametrize(("result", "expression", "oracle"), METHODS, ids=[m[1] for m in METHODS])
def test_methods_of_arrays(result: str, expression: str, oracle: Callable[[list[int]], Any]) -> None:
    """The same as Python's, for arrays of many kinds."""
    assert [oracle(xs) for xs in ARRAYS] == call(f"xs: array[i64]) => (y: {result}", expression, ARRAYS)


def test_chunks_of_nothing() -> None:
    """Pieces without elements would never end: a trap."""
    assert ["trap.division"] == call("xs: array[i64]) => (y: array[array[i64]]", "xs.chunks(0)", [[1]])


def test_binary_search() -> None:
    """The first of equal elements, or where the value belongs: Python's `bisect_left`."""
    cases = [(sorted(xs), x) for xs in ARRAYS for x in range(-2, 10)]
    expected = []
    for xs, x in cases:
        at = bisect.bisect_left(xs, x)
        expected.append(ok(at) if at < len(xs) and xs[at] == x else err(at))

    assert expected == call("xs: array[i64], x: i64) => (y: result[i64, i64]", "xs.binary_search(x)", cases)


CHANGED = """
fn changed(xs: array[str], at: i64) -> (array[str], array[str], str, array[str], option[str]) {
    var inserted = xs;
    inserted.insert(at, "new");
    var removed = xs;
    let gone = if at < xs.len() { removed.remove(at) } else { "" };
    var popped = xs;
    let last = popped.pop();
    return (inserted, removed, gone, popped, last);
}
function f(xs: array[str], at: i64) => (y: (array[str], array[str], str, array[str], option[str])) = changed(xs, at);
"""


def test_insertion_and_removal() -> None:
    """At every place, of a copy: the original stays what it was. Outside is a trap."""

    text = CHANGED
    cases = [(xs, at) for xs in (["a"], ["a", "b", "c"]) for at in range(len(xs) + 1)]

    found = [r.emissions[0].value for r in results(text, [[list(xs), at] for xs, at in cases])]

    for (xs, at), value in zip(cases, found, strict=True):
        removed = xs[:at] + xs[at + 1 :]
        gone = xs[at] if at < len(xs) else ""
        assert ([*xs[:at], "new", *xs[at:]], removed, gone, xs[:-1], some(xs[-1])) == value
    outside = results(text, [[["a"], 2], [["a"], -1]])
    assert ["trap.slice", "trap.slice"] == [r.trap for r in outside]


def test_collecting() -> None:
    """All values, or what is wrong with the first that lacks one."""
    texts = [["1", "2"], [], ["1", "x", "y"]]

    found = call("xs: array[str]) => (y: result[array[u8], str]", "xs.map(|x| x.parse[u8]()).all_ok()", texts)
    assert [ok([1, 2]), ok([]), err("expected an integer from 0 to 255, found `x`")] == found

    found = call("xs: array[str]) => (y: option[array[i64]]", "xs.map(|x| x.to_i64()).all_some()", texts)
    assert [some([1, 2]), some([]), NONE] == found


OPTIONS = [NONE, some(3), some(-3)]
RESULTS = [ok(3), ok(-3), err("no")]
POSITIVE = 'if v > 0 { some(f"{v}") } else { none }'


def test_options() -> None:
    """Filtered, chained, replaced."""
    given = "x: option[i64]) => (y: "
    assert [NONE, some(3), NONE] == call(f"{given}option[i64]", "x.filter(|v| v > 0)", OPTIONS)
    assert [NONE, some("3"), NONE] == call(f"{given}option[str]", f"x.and_then(|v| {POSITIVE})", OPTIONS)
    assert [some(7), some(3), some(-3)] == call(f"{given}option[i64]", "x.or_else(some(7))", OPTIONS)


def test_results() -> None:
    """Changed on either side, chained, replaced."""
    given = "x: result[i64, str]) => (y: "
    assert [NONE, NONE, some("no")] == call(f"{given}option[str]", "x.err()", RESULTS)
    assert [ok(6), ok(-6), err("no")] == call(f"{given}result[i64, str]", "x.map(|v| 2 * v)", RESULTS)
    assert [ok(3), ok(-3), err(2)] == call(f"{given}result[i64, i64]", "x.map_err(|e| e.len())", RESULTS)
    chained = f'x.and_then(|v| ({POSITIVE}).ok_or("negative"))'
    assert [ok("3"), err("negative"), err("no")] == call(f"{given}result[str, str]", chained, RESULTS)
    assert [ok(3), ok(-3), err(0)] == call(f"{given}result[i64, i64]", "x.or_else(other())", RESULTS, ahead=OTHER)


OTHER = "fn other() -> result[i64, i64] = err(0);"


def test_maps() -> None:
    """Filtered, changed and merged as Python's dicts, in the same order."""
    rnd = random.Random(3)
    pairs = [[(rnd.randrange(12), rnd.randrange(100)) for _ in range(n)] for n in (0, 1, 5, 30)]
    dicts = [dict(p) for p in pairs]
    entries = "array[(i64, i64)]"

    kept = call(f"xs: {entries}) => (y: {entries}", "xs.to_map().filter(|k, v| k < v).entries()", pairs)
    assert [[(k, v) for k, v in d.items() if k < v] for d in dicts] == kept

    changed = call(f"xs: {entries}) => (y: array[(i64, str)]", 'xs.to_map().map_values(|v| f"<{v}>").entries()', pairs)
    assert [[(k, f"<{v}>") for k, v in d.items()] for d in dicts] == changed

    merged = call(
        f"xs: {entries}, ys: {entries}) => (y: {entries}",
        "merged(xs, ys)",
        list(itertools.product(pairs, pairs)),
        ahead=MERGED,
    )
    assert [list((a | b).items()) for a, b in itertools.product(dicts, dicts)] == merged


MERGED = """
fn merged(xs: array[(i64, i64)], ys: array[(i64, i64)]) -> array[(i64, i64)] {
    var m = xs.to_map();
    m.merge(ys.to_map());
    return m.entries();
}
"""
