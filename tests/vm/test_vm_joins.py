"""Joins against a brute-force oracle: every strategy and chain over all small sets, with every kind of neighbour.

The oracle below knows lists and dictionaries only, and was written from the rules (chapter 12 of the spec), not from
the machine. What a shard sees is compared as keys, names and values, one instance at a time and in ranges.
"""

import itertools
import random
from array import array
from collections.abc import Iterable, Iterator, Sequence
from time import process_time
from tracemalloc import get_traced_memory, start, stop
from typing import Any

import pytest

from dandc.compiler.encoding import decode
from dandc.compiler.flow import ArgBinding, InputSource, Join, KeySource
from dandc.compiler.keys import decode_key, encode_key
from dandc.compiler.types import STR, Tuple, Type
from dandc.vm.grouping import Grouping
from dandc.vm.items import ItemSet, of_items, sorted_by_key
from dandc.vm.joins import CallShape, LargeJoinError, plan_call
from dandc.vm.keytypes import call_key
from dandc.vm.shards import Plan, PlanError

Item = tuple[Any, str, str]  # key (None: the set has none), name, value
BY_KEY = ("inner", "left", "right", "full", "anti")
STRATEGIES = (*BY_KEY, "cross")
# Texts that only an exact encoding of tuples keeps in order.
KEYS = ("", "\0", "a", "a\0", "é")
PAIR = Tuple((STR, STR))


# --- the oracle: a shard is (key as a tuple of parts, {parameter: items}) --------------------------------------------

Shard = tuple[tuple[Any, ...], dict[int, list[Item]]]


def ordered(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda item: item[0]) if items and items[0][0] is not None else list(items)


def flat(key: Any) -> tuple[Any, ...]:
    if key is None:
        return ()
    return key if isinstance(key, tuple) else (key,)


def shards_of(param: int, how: str, items: Sequence[Item]) -> list[Shard]:
    if how == "each":
        return [(flat(item[0]), {param: [item]}) for item in ordered(items)]
    keys = sorted({item[0] for item in items})
    return [(flat(key), {param: [item for item in ordered(items) if item[0] == key]}) for key in keys]


def oracle_join(left: list[Shard], right: list[Shard], strategy: str) -> list[Shard]:
    if strategy == "cross":
        return [(lk + rk, {**ls, **rs}) for lk, ls in left for rk, rs in right]
    found: list[Shard] = []
    for key in sorted({k for k, _ in left} | {k for k, _ in right}):
        lefts = [sees for k, sees in left if k == key]
        rights = [sees for k, sees in right if k == key]
        if lefts and rights and strategy != "anti":
            found += [(key, {**sees, **rights[0]}) for sees in lefts]
        elif lefts and not rights and strategy in ("left", "full", "anti"):
            found += [(key, sees) for sees in lefts]
        elif rights and not lefts and strategy in ("right", "full"):
            found.append((key, rights[0]))
    return found


# Keys without a partner: the parameters of their side, those of the other, and the keys.
Lonely = tuple[tuple[int, ...], tuple[int, ...], list[Any]]


def oracle(sides: list[tuple[int, str, list[Item]]], strategies: Sequence[str]) -> tuple[list[Shard], list[Lonely]]:
    joined, params = shards_of(*sides[0]), (sides[0][0],)
    unmatched: list[Lonely] = []
    for strategy, side in zip(strategies, sides[1:], strict=True):
        right, param = shards_of(*side), (side[0],)
        if strategy != "cross":
            keys = [{key for key, _ in shards} for shards in (joined, right)]
            unmatched += [(params, param, sorted(keys[0] - keys[1])), (param, params, sorted(keys[1] - keys[0]))]
        joined, params = oracle_join(joined, right, strategy), params + param
    return joined, [lonely for lonely in unmatched if lonely[2]]


def told(unmatched: Iterable[Lonely]) -> list[Any]:
    """As `found_by` has them: all are counted, three are named."""
    return [(side, other, len(keys), keys[:3]) for side, other, keys in unmatched]


def found_by(plan: Plan, types: Sequence[Type | None]) -> list[Any]:
    shown = []
    for found in plan.unmatched:
        t = types[min(found.side, found.other, key=len)[0]]
        keys = [flat(decode_key(t, key)) for key in found.first]  # type: ignore[arg-type]
        shown.append((found.side, found.other, found.count, keys))
    return shown


# --- the machine's answer in the same form ----------------------------------------------------------------------------


class Call:
    """Arguments of a call: `add` gives the parameter's number."""

    def __init__(self) -> None:
        self.args: list[ArgBinding] = []
        self.sets: list[ItemSet] = []
        self.types: list[Type | None] = []
        self.wholes: dict[int, list[Item]] = {}
        self.sides: list[tuple[int, str, list[Item]]] = []
        self.strategies: list[str] = []

    def add(self, how: str, items: list[Item], key: Type | None = None, *, optional: bool = False) -> int:
        param = len(self.args)
        self.args.append(ArgBinding(InputSource(param), how, optional))
        rows = [(None if k is None else encode_key(key or STR, k), n, v.encode()) for k, n, v in items]
        self.sets.append(sorted_by_key(of_items(rows)))
        self.types.append(key)
        if how in ("all", "one"):
            self.wholes[param] = ordered(items)
        return param

    def side(self, how: str, items: list[Item], key: Type | None, strategy: str = "", *, first: bool = False) -> None:
        param = self.add(how, items, key)
        self.sides.insert(0 if first else len(self.sides), (param, how, items))
        if strategy:
            self.strategies.insert(0 if first else len(self.strategies), strategy)

    def key_parameter(self) -> None:
        self.args.append(ArgBinding(KeySource(), "key", False))
        self.sets.append(ItemSet((), (), ()))
        self.types.append(None)

    @property
    def join(self) -> Join:
        return Join(tuple(side[0] for side in self.sides), tuple(self.strategies))

    @property
    def key(self) -> Type | None:
        return call_key(self.args, self.join, self.types)

    def plan(self) -> Plan:
        return plan_call(CallShape(self.args, self.join, self.types, self.key), self.sets)

    def read(self, items: ItemSet, param: int) -> list[Item]:
        t = self.types[param]
        return [
            (None if key is None or t is None else decode_key(t, key), name, bytes(value).decode())
            for key, name, value in zip(items.keys, items.names, items.values, strict=True)
        ]


def mismatches(call: Call, source: random.Random) -> list[str]:
    """How the machine's plan differs from the oracle's answer."""
    expected, unmatched = oracle(call.sides, call.strategies)
    plan = call.plan()
    if (plan.count, found_by(plan, call.types)) != (len(expected), told(unmatched)):
        return [f"{plan.count} {plan.unmatched}, not {len(expected)} {unmatched}"]
    ranges = [(0, plan.count)] if plan.count else []
    if plan.count > 1:
        one = source.randrange(plan.count)
        ranges += [(one, one + 1), tuple(sorted(source.sample(range(plan.count + 1), 2)))]  # type: ignore[list-item]
    return [wrong for first, last in ranges for wrong in wrong_in_range(call, plan, expected, first, last)]


def wrong_in_range(call: Call, plan: Plan, expected: list[Shard], first: int, last: int) -> Iterator[str]:
    sets, rows = plan.shard(first, last)
    parts = [call.read(items, param) for param, items in enumerate(sets)]
    for param, part in enumerate(parts):
        if param not in call.wholes and call.args[param].shard != "key" and len(set(part)) != len(part):
            yield f"an item of parameter {param} is copied twice into {first}..{last}"
    for i in range(first, last):
        key, sees = expected[i]
        row = rows[2 * len(sets) * (i - first) : 2 * len(sets) * (i - first + 1)]
        seen = {p: parts[p][row[2 * p] : row[2 * p] + row[2 * p + 1]] for p in range(len(sets))}
        for param, part in seen.items():
            if call.args[param].shard == "key":
                value = decode(call.key, bytes(sets[param].values[row[2 * param]]), {})  # type: ignore[arg-type]
                if (row[2 * param + 1], flat(value)) != (1, key):
                    yield f"instance {i} takes the key {value!r}, not {key!r}"
            elif part != call.wholes.get(param, sees.get(param, [])):
                yield f"instance {i} sees {part} of {param}"
        inherited = plan.key(i)
        if call.key is not None and (inherited is None or flat(decode_key(call.key, inherited)) != key):
            yield f"instance {i} has the key {inherited!r}, not {key!r}"
        if plan.name(i):
            yield f"instance {i} inherits the name {plan.name(i)}"


# --- the cases --------------------------------------------------------------------------------------------------------


def subset(mask: int, keys: Sequence[Any], param: str, source: random.Random) -> list[Item]:
    """One to three items for each chosen key, in any order."""
    chosen = [key for i, key in enumerate(keys) if mask >> i & 1]
    items = [(key, f"n{n}", f"{param}{key}{n}") for key in chosen for n in range(1 + (keys.index(key) + mask) % 3)]
    source.shuffle(items)
    return items


LONE = [(None, "first", "e1"), (None, "second", "e2")]
NEIGHBOURS = (
    "none", "all", "bare", "optional absent", "empty set", "key", "each last", "each first", "empty each", "keyed each",
)  # fmt: skip


def beside(call: Call, neighbour: str, strategies: Sequence[str]) -> None:
    """Add an argument beside the joined ones. A padding join has no item for an `each` before it: none is added then."""
    match neighbour:
        case "all":
            call.add("all", [("z", "zn", "z"), ("y", "", "y")], STR)
        case "bare":
            call.add("one", [(None, "", "bare")])
        case "optional absent":
            call.add("one", [], optional=True)
        case "empty set":
            call.add("all", [], STR)
        case "key":
            call.key_parameter()
        case "each last":
            call.side("each", LONE, None, "cross")
        case "empty each":
            call.side("each", [], None, "cross")
        case "keyed each":
            call.side("each", [("k", "", "e1"), ("k", "", "e2"), ("j", "", "e3")], STR, "cross")
        case "each first":
            if not {"right", "full"} & set(strategies):
                call.side("each", LONE, None, "cross", first=True)


def pairs() -> Iterator[Call]:
    source = random.Random(1)
    cases = itertools.product(STRATEGIES, range(32), range(32))
    # One neighbour for every pair, another one from pair to pair.
    for strategy, left, right in cases:
        call = Call()
        call.side("keyed", subset(left, KEYS, "a", source), STR)
        call.side("keyed", subset(right, KEYS, "b", source), STR, strategy)
        beside(call, source.choice(NEIGHBOURS), (strategy,))
        yield call


def triples() -> Iterator[Call]:
    source = random.Random(2)
    keys = KEYS[1:4]
    tuples = [(keys[0], keys[1]), (keys[1], keys[1]), (keys[2], keys[0])]
    cases = itertools.product(range(8), range(8), range(8), STRATEGIES, STRATEGIES)
    for a, b, c, first, second in cases:
        paired = first == "cross" and second != "cross"
        call = Call()
        call.side("keyed", subset(a, keys, "a", source), STR)
        call.side("keyed", subset(b, keys, "b", source), STR, first)
        call.side("keyed", subset(c, tuples if paired else keys, "c", source), PAIR if paired else STR, second)
        beside(call, source.choice(NEIGHBOURS), (first, second))
        yield call


@pytest.mark.parametrize(("cases", "count"), [(pairs, 6 * 32 * 32), (triples, 36 * 8**3)])
def test_joins_match_the_oracle(cases: Any, count: int) -> None:
    """All pairs of subsets of five keys and all triples of subsets of three, with every neighbour."""
    source = random.Random(3)
    compared = 0
    wrong: list[str] = []
    for call in cases():
        compared += 1
        wrong += [f"{call.sides} {call.strategies}: {found}" for found in mismatches(call, source)]
    print(f"{cases.__name__}: {compared} cases compared, {len(wrong)} mismatches")
    assert (compared, wrong[:3]) == (count, [])


def texts(count: int, key: str = "k", size: int = 1) -> list[Item]:
    return [(f"{key}{n:07}", "", "v" * size) for n in range(count)]


def crossed(*sides: list[Item]) -> Call:
    call = Call()
    for number, items in enumerate(sides):
        call.side("keyed", items, STR, "cross" if number else "")
    return call


def test_a_crossing_costs_its_factors_only() -> None:
    """A million instances: planned at once, in little memory, and a shard of them copies a few items."""
    call = crossed(texts(1000, "a"), texts(1000, "b"))
    began = process_time()
    start()
    plan = call.plan()
    used = get_traced_memory()[1]
    stop()
    assert (plan.count, process_time() - began < 0.5, used < 1 << 20) == (1_000_000, True, True)

    assert decode_key(PAIR, plan.key(999_999) or b"") == ("a0000999", "b0000999")
    sets, rows = plan.shard(500_998, 501_004)
    assert [len(items) for items in sets] == [2, 6]
    assert [list(rows[i : i + 4]) for i in (0, 4, 8)] == [[0, 1, 4, 1], [0, 1, 5, 1], [1, 1, 0, 1]]
    whole, rows = plan.shard(0, plan.count)
    assert ([len(items) for items in whole], len(rows)) == ([1000, 1000], 4_000_000)
    assert (plan.sizes().total, plan.sizes().between(0, 3), plan.sizes().between(0, 5000)) == (2000, 4, 1005)


def test_a_join_of_many_keys_is_linear() -> None:
    """Twice as many keys take about twice as long: measured in one run, and generously."""
    taken = []
    for count in (20_000, 80_000):
        call = Call()
        call.side("keyed", texts(count), STR)
        call.side("keyed", texts(count)[::2], STR, "full")
        began = process_time()
        plan = call.plan()
        sets, _ = plan.shard(0, plan.count)
        taken.append(process_time() - began)
        assert (plan.count, [len(items) for items in sets]) == (count, [count, count // 2])
        assert [(found.side, found.count) for found in plan.unmatched] == [((0,), count // 2)]
    assert taken[1] < 4 * 3 * taken[0]


def test_a_crossing_that_is_too_large() -> None:
    """More instances than an array can count, and crossings that a join by key would have to look through."""
    with pytest.raises(LargeJoinError, match="2500000000 instances"):
        crossed(texts(50_000, "a"), texts(50_000, "b")).plan()
    call = crossed(texts(5_000, "a"), texts(5_000, "b"))
    assert call.plan().count == 25_000_000
    call.side("keyed", [(("a", "b"), "", "c")], PAIR, "inner")
    with pytest.raises(LargeJoinError, match="25000000 instances"):
        call.plan()


def test_sets_without_keys_do_not_join_by_key() -> None:
    """Only a bundle that no compiler made can ask for that: an error, not a crash."""
    call = Call()
    call.side("keyed", [(None, "", "x")], None)
    call.side("keyed", texts(2), STR, "inner")
    with pytest.raises(PlanError):
        call.plan()


# --- groups that the machine chooses ----------------------------------------------------------------------------------


class RandomCut:
    """A `Cutter` of random groups, none empty; remembers them."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.starts: Sequence[int] = ()

    def __call__(self, items: Sequence[int], sizes: Sequence[int]) -> Sequence[int]:
        shards = len(items) - 1
        assert len(sizes) == len(items)
        inner = sorted(self.source.sample(range(1, shards), self.source.randrange(shards))) if shards > 1 else []
        self.starts = [0, *inner, shards] if shards else [0]
        return array("q", self.starts)


def in_groups(call: Call, cut: Any) -> Plan:
    return plan_call(CallShape(call.args, call.join, call.types), call.sets, cut)


def chained(parts: Iterable[list[Item]]) -> list[Item]:
    return list(itertools.chain.from_iterable(parts))


@pytest.mark.parametrize("strategy", [*BY_KEY, "alone"])
def test_groups_of_keys_hold_whole_keys(strategy: str) -> None:
    """`anyKeyed`, joined or not: a group sees what the instances of `keyed` that it stands for see, in their order."""
    source = random.Random(4)
    for left, right in itertools.product(range(16), range(16)):
        loose, exact = Call(), Call()
        for call, how in ((loose, "anyKeyed"), (exact, "keyed")):
            order = random.Random(left * 16 + right)
            call.side(how, subset(left, KEYS, "a", order), STR)
            if strategy != "alone":
                call.side(how, subset(right, KEYS, "b", order), STR, strategy)
        cut = RandomCut(source)
        plan = in_groups(loose, cut)
        expected, unmatched = oracle(exact.sides, exact.strategies)
        assert (plan.count, cut.starts[-1]) == (len(cut.starts) - 1, len(expected))
        assert found_by(plan, loose.types) == told(unmatched)
        for i in range(plan.count):
            group = expected[cut.starts[i] : cut.starts[i + 1]]
            for param, items in enumerate(plan.items(i, i + 1)):
                assert loose.read(items, param) == chained(sees.get(param, []) for _, sees in group)
            assert (plan.key(i), plan.name(i)) == (None, "")


def test_groups_of_items() -> None:
    """`anyEach`: contiguous groups of at least one item, none for the empty set; crossed with another set."""
    cut = RandomCut(random.Random(5))
    for count in range(12):
        call = Call()
        call.side("anyEach", texts(count), STR)
        plan = in_groups(call, cut)
        groups = [call.read(plan.items(i, i + 1)[0], 0) for i in range(plan.count)]
        assert (chained(groups), all(groups)) == (texts(count), True)
        call.side("each", LONE, None, "cross")
        plan = in_groups(call, cut)
        left, right = ([call.read(plan.items(i, i + 1)[p], p) for i in range(plan.count)] for p in (0, 1))
        assert chained(left[::2]) == chained(left[1::2]) == texts(count)
        assert right == [[LONE[0]], [LONE[1]]] * (plan.count // 2)


@pytest.mark.parametrize(("item_us", "size", "groups"), [
    (None, 1, 8), (0.5, 1, 1), (4.0, 1, 2), (1000.0, 1, 100), (0.5, 100_000, 13),
])  # fmt: skip
def test_groups_follow_what_was_measured(item_us: float | None, size: int, groups: int) -> None:
    """Few groups of cheap items, many of dear ones, lanes busy, and none larger than it may be."""
    call = Call()
    call.side("anyEach", texts(1000, size=size), STR)
    plan = in_groups(call, Grouping(item_us, 2).cut)
    sizes = [len(plan.items(i, i + 1)[0]) for i in range(plan.count)]
    assert (plan.count, sum(sizes), max(sizes) <= 2 * 1000 / groups) == (groups, 1000, True)
    assert max(sizes) * size <= 8 << 20
