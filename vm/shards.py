"""Which items each instance of a call sees: sharding and cardinality, without running anything.

A `Plan` says how many instances a call has and gives the items of any range of them, so that a shard of a call copies
its own items only and a fan-out of n items costs O(n). At most one parameter is sharded in a call: the
checker refuses more.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

from attrs import frozen

from dandc.compiler.flow import ArgBinding
from dandc.vm.items import ItemSet


class CardinalityError(Exception):
    """A set has more items than its declared type allows: only bytes from outside can do that."""


@frozen(slots=True, eq=False, repr=False)
class Plan:
    """The instances of one call. `count` 0 with `skipped` set: an item that the call needs is absent.

    `sharded` is the number of the parameter under `each` or `keyed`, -1 without one. `starts` holds for it where each
    instance's items start, and the end.
    """

    params: tuple[ItemSet, ...]
    sharded: int
    keyed: bool
    starts: Sequence[int]
    count: int
    skipped: bool = False

    def key(self, instance: int) -> bytes | None:
        """The key that outputs of `instance` inherit, or None."""
        return self.params[self.sharded].keys[self.starts[instance]] if self.sharded >= 0 else None

    def name(self, instance: int) -> str:
        """The name that outputs of `instance` inherit; under `keyed` and without sharding none."""
        if self.sharded < 0 or self.keyed:
            return ""
        return self.params[self.sharded].names[instance]

    def keys(self, first: int, last: int) -> Sequence[bytes | None] | None:
        """The inherited keys of the instances `first <= i < last`; None if none has one."""
        if self.sharded < 0:
            return None
        keys = self.params[self.sharded].keys
        return [keys[start] for start in self.starts[first:last]] if self.keyed else keys[first:last]

    def names(self, first: int, last: int) -> Sequence[str] | None:
        """The inherited names of the instances `first <= i < last`; None if they are all empty."""
        return None if self.sharded < 0 or self.keyed else self.params[self.sharded].names[first:last]

    def weights(self) -> Sequence[int]:
        """How many bytes of values the instances before instance `i` have of their own, for each `i`; empty: none."""
        if self.sharded < 0:
            return ()
        sizes = array("Q", accumulate(map(len, self.params[self.sharded].values), initial=0))
        return array("Q", map(sizes.__getitem__, self.starts)) if self.keyed else sizes

    def shared(self) -> list[ItemSet]:
        """The sets that every shard of the call gets whole."""
        return [items for i, items in enumerate(self.params) if i != self.sharded]

    def items(self, first: int, last: int) -> list[ItemSet]:
        """Per parameter, the items that the instances `first <= i < last` see."""
        sets = list(self.params)
        if self.sharded >= 0:
            sets[self.sharded] = sets[self.sharded].slice(self.starts[first], self.starts[last])
        return sets

    def rows(self, first: int, last: int) -> "array[int]":
        """The instance rows (`docs/image.md`) of `first <= i < last`, relative to `items(first, last)`."""
        row = array("I")
        for items in self.params:
            row.extend((0, len(items)))
        rows = row * (last - first)
        if self.sharded < 0:
            return rows
        stride = len(row)
        if not self.keyed:
            rows[2 * self.sharded :: stride] = array("I", range(last - first))
            rows[2 * self.sharded + 1 :: stride] = array("I", (1,)) * (last - first)
            return rows
        starts = self.starts[first : last + 1]
        base = starts[0]
        rows[2 * self.sharded :: stride] = array("I", [start - base for start in starts[:-1]])
        rows[2 * self.sharded + 1 :: stride] = array("I", [end - start for start, end in pairwise(starts)])
        return rows


def plan_call(args: Sequence[ArgBinding], sets: Sequence[ItemSet]) -> Plan:
    """The plan of a call whose parameters are bound by `args` to `sets`; raises `CardinalityError`."""
    sharded = next((i for i, arg in enumerate(args) if arg.shard in ("each", "keyed")), -1)
    if any(_absent(arg, items) for arg, items in zip(args, sets, strict=True)):
        return Plan(tuple(sets), sharded, False, (0,), 0, skipped=True)
    if sharded < 0:
        return Plan(tuple(sets), -1, False, (0, 1), 1)
    keyed = args[sharded].shard == "keyed"
    items = sets[sharded]
    starts: Sequence[int] = _group_starts(items) if keyed else range(len(items) + 1)
    return Plan(tuple(sets), sharded, keyed, starts, len(starts) - 1)


def _absent(arg: ArgBinding, items: ItemSet) -> bool:
    """Whether the call is skipped because this one-item argument has no item."""
    if arg.shard != "one":
        return False
    if len(items) > 1:
        raise CardinalityError(f"one item was promised and {len(items)} are there")
    return not items and not arg.optional


def _group_starts(items: ItemSet) -> list[int]:
    """Where each run of equal keys starts in a set sorted by key, and the end."""
    keys = items.keys
    starts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    return [*starts, len(keys)]
