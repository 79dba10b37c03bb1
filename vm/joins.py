"""Plans calls: one sharded argument, or several that meet in a chain of joins.

A chain is worked off from the left. What stands left of a strategy is a `Part`: a number of shards with, for every
parameter so far, which group of its items each shard sees. A join by key makes a part whose picks are arrays, one number
a shard and parameter; a crossing only stretches the picks of both sides. The order of shards is by key after a join by
key (equal keys, which only a crossing gives, stay in the order of the left), and the left one slowest after a crossing.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from heapq import nsmallest
from itertools import accumulate

from attrs import evolve, field

from dandc.compiler.encoding import EncodingError
from dandc.compiler.flow import ArgBinding, Join
from dandc.compiler.flow_walk import SHARDED
from dandc.compiler.keys import key_as_part, key_as_value
from dandc.compiler.types import BYTES, STR, Type, TypeTable
from dandc.lang.values import frozen
from dandc.vm.grouping import Cutter, one_group
from dandc.vm.items import ItemSet, take
from dandc.vm.shards import (
    NOTHING,
    CardinalityError,
    KeyPart,
    Pick,
    Plan,
    PlanError,
    Unmatched,
    group_starts,
    is_absent,
    plan_each,
    plan_skipped,
    plan_whole,
)

# Instances that a crossing may have: their numbers stay below what one array can count.
MOST_INSTANCES = 1 << 31
# A join by key holds a few numbers and a key for every shard of its left side, also if that is a crossing.
MOST_JOINED = 1 << 24
# Keys without a partner that are named.
SHOWN_KEYS = 3


class LargeJoinError(PlanError):
    """More instances than can be."""

    code = "join.large"


@frozen(slots=True)
class CallShape:
    """How a call is made: its bindings, the key type of each argument's set, and the type of the instances' key."""

    args: Sequence[ArgBinding]
    join: Join | None = None
    key_types: Sequence[Type | None] = ()
    key: Type | None = None
    types: TypeTable = field(factory=dict)


def plan_call(shape: CallShape, sets: Sequence[ItemSet], cut: Cutter = one_group) -> Plan:
    """The plan of a call whose parameters are bound to `sets`; raises `PlanError`. `cut` makes groups for any-modes."""
    args = shape.args
    absent = [is_absent(arg, items) for arg, items in zip(args, sets, strict=True)]
    if any(absent) or any(arg.empty == "skip" and not len(items) for arg, items in zip(args, sets, strict=True)):
        return plan_skipped(sets)
    sharded = [i for i, arg in enumerate(args) if arg.shard in SHARDED]
    if not sharded:
        return plan_whole(sets)
    kept = [i for i in sharded if args[i].empty == "keep" and not len(sets[i])]
    if kept == sharded:
        return plan_whole(sets)  # nothing to divide: one instance without items
    if len(sharded) == 1 and args[sharded[0]].shard == "each":
        return _with_keys(plan_each(sets, sharded[0]), shape)
    if len(sharded) > 1 and shape.join is None:
        raise CardinalityError("several arguments are sharded and do not meet")
    chain = _Chain(shape, sets, cut)
    part = chain.joined(shape.join or Join((sharded[0],), ()))
    params = tuple(part.sets.get(i, items) for i, items in enumerate(sets))
    picks = tuple(part.picks.get(i) for i in range(len(sets)))
    any_mode = any(arg.shard.startswith("any") for arg in args)
    plan = Plan(params, picks, part.count, part.keys, unmatched=part.unmatched, any_mode=any_mode)
    return _with_keys(plan, shape)


def _with_keys(plan: Plan, shape: CallShape) -> Plan:
    """The plan with the parameters that take the key."""
    params = tuple(i for i, arg in enumerate(shape.args) if arg.shard == "key")
    if not params:
        return plan
    if shape.key is None or (plan.count and not plan.key_parts):
        raise PlanError("a call hands on a key and has none")
    return evolve(plan, key_params=params, key_value=partial(_key_value, shape.key, shape.types))


def _key_value(t: Type, types: TypeTable, key: bytes) -> bytes:
    try:
        return key_as_value(t, key, types)
    except EncodingError:
        # Only a bundle that no compiler made has such keys. Whoever reads the value finds that it is none, as with any item.
        return key


@frozen(slots=True, eq=False, repr=False)
class Part:
    """The left side of a chain so far. `text`: its key stands alone and is escaped when it gets into a tuple.

    `loose`: the shards are still single items or keys of an any-mode, to be put into groups. `unmatched` is
    what the joins so far found no partner for.
    """

    sets: Mapping[int, ItemSet]
    picks: Mapping[int, Pick]
    count: int
    keys: tuple[KeyPart, ...]
    text: bool = False
    loose: bool = False
    unmatched: tuple[Unmatched, ...] = ()

    def all_keys(self) -> list[bytes]:
        """The key of every shard; raises `PlanError` where there is none."""
        if not self.keys and self.count:
            raise PlanError("a join by key has a side without keys")
        columns = [part.between(0, self.count) for part in self.keys]
        if any(None in column for column in columns):
            raise PlanError("a join by key has an item without key")
        return [b"".join(key) for key in zip(*columns, strict=True)]


@frozen(slots=True, eq=False, repr=False)
class _Chain:
    shape: CallShape
    sets: Sequence[ItemSet]
    cut: Cutter

    def joined(self, join: Join) -> Part:
        """The whole chain as one part."""
        part = self._side(join.params[0], alone=join.strategies[:1] in ((), ("cross",)))
        for i, (strategy, param) in enumerate(zip(join.strategies, join.params[1:], strict=True)):
            side = self._side(param, alone=strategy == "cross" and join.strategies[i + 1 : i + 2] in ((), ("cross",)))
            if strategy == "cross":
                part = _crossed(self._grouped(part), self._grouped(side))
            else:
                part = _by_key(part, side, strategy)
        return self._grouped(part)

    def _side(self, param: int, *, alone: bool) -> Part:
        """One sharded argument before it meets others; `alone`: it meets them only by `cross`."""
        if alone and self.shape.args[param].empty == "keep" and not len(self.sets[param]):
            return Part({param: self.sets[param]}, {param: Pick((0, 0), range(1))}, 1, ())
        shard, items = self.shape.args[param].shard, self.sets[param]
        if shard in ("each", "anyEach"):
            starts: Sequence[int] = range(len(items) + 1)
        else:
            starts = group_starts(items)
        count = len(starts) - 1
        keys = [items.keys[start] for start in starts[:-1]]
        keyless = shard == "anyEach" or not keys or keys[0] is None
        text = self.shape.key_types[param] in (STR, BYTES)
        parts = () if keyless and count else (KeyPart(keys),)
        loose = shard in ("anyEach", "anyKeyed")
        return Part({param: items}, {param: Pick(starts, range(count))}, count, parts, text, loose)

    def _grouped(self, part: Part) -> Part:
        """A part whose shards are groups, if the machine has to choose them: they have no key."""
        if not part.loose:
            return part
        sets = {}
        starts = {}
        for param, items in part.sets.items():
            sets[param], starts[param] = _in_order(items, part.picks[param], part.count)
        counts = [0] * (part.count + 1)
        sizes = [0] * (part.count + 1)
        for param, items in sets.items():
            ends = array("q", accumulate(map(len, items.values), initial=0))
            counts = [n + start for n, start in zip(counts, starts[param], strict=True)]
            sizes = [n + ends[start] for n, start in zip(sizes, starts[param], strict=True)]
        cuts = self.cut(counts, sizes)
        count = len(cuts) - 1
        picks = {param: Pick(array("q", [rows[i] for i in cuts]), range(count)) for param, rows in starts.items()}
        return Part(sets, picks, count, (), unmatched=part.unmatched)


def _in_order(items: ItemSet, pick: Pick, count: int) -> tuple[ItemSet, Sequence[int]]:
    """The items that the shards see, one shard after the other, and where each begins, and the end."""
    if not count:
        return items, (0,)
    groups = pick.numbers(0, count)
    starts = pick.starts
    if isinstance(groups, range):
        return items, starts
    ends = array("q", accumulate((0 if g < 0 else starts[g + 1] - starts[g] for g in groups), initial=0))
    if ends[-1] == len(items):
        return items, ends
    return take(items, [i for g in groups if g >= 0 for i in range(starts[g], starts[g + 1])]), ends


def _crossed(left: Part, right: Part) -> Part:
    """Every shard of the left with every shard of the right."""
    count = left.count * right.count
    if count > MOST_INSTANCES:
        raise LargeJoinError(f"the crossing has {count} instances, more than {MOST_INSTANCES}")
    picks = {param: evolve(pick, every=pick.every * right.count) for param, pick in left.picks.items()}
    keys = [KeyPart(part.keys, part.every * right.count) for part in _parts(left, alone=not right.keys)]
    keys += _parts(right, alone=not left.keys)
    return Part(
        {**left.sets, **right.sets},
        {**picks, **right.picks},
        count,
        tuple(keys) if count else (),
        (left.text and not right.keys) or (right.text and not left.keys),
        unmatched=left.unmatched,
    )


def _parts(side: Part, *, alone: bool) -> tuple[KeyPart, ...]:
    """The key of a side; inside a tuple a text is escaped and ended."""
    if alone or not side.text:
        return side.keys
    return tuple(KeyPart([key_as_part(key or b"") for key in part.keys], part.every) for part in side.keys)


def _by_key(left: Part, right: Part, strategy: str) -> Part:
    """The shards of both sides that have a key in common, and those without a partner as the strategy says."""
    if left.loose != right.loose:
        raise PlanError("groups that the machine chooses meet others by key")
    if left.count > MOST_JOINED and left.count > sum(map(len, left.sets.values())):
        raise LargeJoinError(f"a join by key after a crossing of {left.count} instances, more than {MOST_JOINED}")
    left_keys, right_keys = left.all_keys(), right.all_keys()
    found = dict(zip(right_keys, range(right.count), strict=True))
    partner = [found.get(key, NOTHING) for key in left_keys]
    met = set(partner)
    alone = [group for group in range(right.count) if group not in met]
    rows = _ROWS[strategy](partner, left.count)
    keys = [left_keys[i] for i, _ in rows]
    if strategy in ("right", "full"):
        rows += [(NOTHING, group) for group in alone]
        keys += [right_keys[group] for group in alone]
    order = sorted(range(len(rows)), key=keys.__getitem__)
    rows = [rows[i] for i in order]
    lefts, rights = [i for i, _ in rows], [group for _, group in rows]
    picks = {param: Pick(pick.starts, _gathered(pick, left.count, lefts)) for param, pick in left.picks.items()}
    (param,) = right.picks
    picks[param] = Pick(right.picks[param].starts, array("q", rights))
    return Part(
        {**left.sets, **right.sets},
        picks,
        len(rows),
        (KeyPart([keys[i] for i in order]),),
        right.text,
        left.loose,
        (*left.unmatched, *_unmatched(left, right, left_keys, right_keys)),
    )


_ROWS: Mapping[str, Callable[[list[int], int], list[tuple[int, int]]]] = {
    "inner": lambda partner, count: [(i, partner[i]) for i in range(count) if partner[i] >= 0],
    "right": lambda partner, count: [(i, partner[i]) for i in range(count) if partner[i] >= 0],
    "left": lambda partner, count: list(zip(range(count), partner, strict=True)),
    "full": lambda partner, count: list(zip(range(count), partner, strict=True)),
    "anti": lambda partner, count: [(i, NOTHING) for i in range(count) if partner[i] < 0],
}


def _gathered(pick: Pick, count: int, shards: Sequence[int]) -> "array[int]":
    """The groups of the given shards, of `count` there are."""
    groups = pick.numbers(0, count) if count else ()
    return array("q", [groups[i] if i >= 0 else NOTHING for i in shards])


def _unmatched(left: Part, right: Part, left_keys: list[bytes], right_keys: list[bytes]) -> Iterator[Unmatched]:
    """What this join finds no partner for, on either side."""
    a, b = set(left_keys), set(right_keys)
    lefts, rights = tuple(left.picks), tuple(right.picks)
    for side, other, lonely in ((lefts, rights, a - b), (rights, lefts, b - a)):
        if lonely:
            yield Unmatched(side, other, len(lonely), tuple(nsmallest(SHOWN_KEYS, lonely)))
