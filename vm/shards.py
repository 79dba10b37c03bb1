"""Which items each instance of a call sees: sharding, joins and cardinality, without running anything.

A `Plan` says how many instances a call has and gives the items of any range of them, so that a shard of a call copies
its own items only, each once. Planning costs time linear in items and in what joins by key give; a crossing costs
nothing but its factors, because which pair an instance is follows from its number. How chains of joins become picks
stands in `joins.py`, how the machine cuts the groups of `anyEach` and `anyKeyed` in `grouping.py`.
"""

from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from attrs import evolve

from dandc.compiler.flow import ArgBinding
from dandc.isolation import progression
from dandc.lang.values import frozen
from dandc.vm.items import EMPTY, Buffer, ItemSet

# Group number of an instance that sees nothing of a set.
NOTHING = -1


class PlanError(Exception):
    """A call that cannot be planned; `code` is that of the failure."""

    code = "value.encoding"


class CardinalityError(PlanError):
    """A set has more items than its declared type allows: only bytes from outside can do that."""

    code = "value.cardinality"


@frozen(slots=True, eq=False, repr=False)
class Pick:
    """Which items of one set the instances see: instance i sees group `groups[i // every % len(groups)]`.

    Group g holds the items from `starts[g]` to `starts[g + 1]`; group `NOTHING` none.
    """

    starts: Sequence[int]
    groups: Sequence[int]
    every: int = 1

    def numbers(self, first: int, last: int) -> Sequence[int]:
        """The groups of the instances `first <= i < last`."""
        count = len(self.groups)
        if self.every > 1:
            return self._runs(first, last)
        start, wanted = first % count, last - first
        if start + wanted <= count:
            return self.groups[start : start + wanted]
        front = array("q", self.groups[start:])
        around = array("q", self.groups) * ((wanted - len(front)) // count)
        return front + around + array("q", self.groups[: (wanted - len(front)) % count])

    def _runs(self, first: int, last: int) -> Sequence[int]:
        numbers = array("q")
        while first < last:
            end = min(last, first - first % self.every + self.every)
            group = self.groups[first // self.every % len(self.groups)]
            numbers.extend(array("q", (group,)) * (end - first))
            first = end
        return numbers

    def one(self, items: ItemSet, instance: int) -> ItemSet:
        """What a single instance sees of `items`."""
        group = self.groups[instance // self.every % len(self.groups)]
        return EMPTY if group == NOTHING else items.slice(self.starts[group], self.starts[group + 1])

    def cut(self, items: ItemSet, first: int, last: int) -> "Cut":
        """What the instances `first <= i < last` see of `items`."""
        numbers = self.numbers(first, last)
        starts = self.starts
        if isinstance(numbers, range):
            base = starts[numbers[0]]
            bounds = starts[numbers[0] : numbers[-1] + 2]
            if isinstance(bounds, range) and bounds.step == 1:
                return Cut(items.slice(base, bounds[-1]), range(len(numbers)), array("I", (1,)) * len(numbers))
            counts = [end - start for start, end in pairwise(bounds)]
            return Cut(items.slice(base, bounds[-1]), [start - base for start in bounds[:-1]], counts)
        ranges = _ranges(numbers)
        offsets, sizes, at = {NOTHING: 0}, {NOTHING: 0}, 0
        for low, high in ranges:
            for group in range(low, high):
                offsets[group] = at
                sizes[group] = starts[group + 1] - starts[group]
                at += sizes[group]
        part = _pieces(items, [(starts[low], starts[high]) for low, high in ranges])
        return Cut(part, [offsets[n] for n in numbers], [sizes[n] for n in numbers])


@frozen(slots=True, eq=False, repr=False)
class Cut:
    """The items of a set that a range of instances sees, and for each instance where its own start and how many."""

    items: ItemSet
    starts: Sequence[int]
    counts: Sequence[int]


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """The groups in `numbers`, each once and in order, as ranges."""
    groups = sorted(set(numbers) - {NOTHING})
    if groups and groups[-1] - groups[0] + 1 == len(groups):
        return [(groups[0], groups[-1] + 1)]
    breaks = [i for i in range(1, len(groups)) if groups[i] != groups[i - 1] + 1]
    bounds = [0, *breaks, len(groups)]
    return [(groups[low], groups[high - 1] + 1) for low, high in pairwise(bounds) if low < high]


def _pieces(items: ItemSet, ranges: Sequence[tuple[int, int]]) -> ItemSet:
    if len(ranges) == 1:
        return items.slice(*ranges[0])
    keys: list[bytes | None] = []
    names: list[str] = []
    values: list[Buffer] = []
    for start, end in ranges:
        keys += items.keys[start:end]
        names += items.names[start:end]
        values += items.values[start:end]
    return ItemSet(keys, names, values)


@frozen(slots=True, eq=False, repr=False)
class KeyPart:
    """A part of the instances' keys: instance i has `keys[i // every % len(keys)]`."""

    keys: Sequence[bytes | None]
    every: int = 1

    def at(self, instance: int) -> bytes | None:
        """The part of one instance's key."""
        return self.keys[instance // self.every % len(self.keys)]

    def between(self, first: int, last: int) -> Sequence[bytes | None]:
        """The parts of the keys of a range of instances."""
        if self.every == 1 and last <= len(self.keys):
            return self.keys[first:last]
        return [self.keys[i // self.every % len(self.keys)] for i in range(first, last)]


@frozen(slots=True)
class Unmatched:
    """Keys on one side of a join without a partner on the other: how many, and the first of them in order, encoded.

    A side is the parameters that it was put together from.
    """

    side: tuple[int, ...]
    other: tuple[int, ...]
    count: int
    first: tuple[bytes, ...]


@frozen(slots=True, eq=False, repr=False)
class Plan:
    """The instances of one call. `count` 0 with `skipped` set: an item that the call needs is absent.

    `picks[p]` says which items of parameter p an instance sees, None all of them. `key_parts` are the parts of the key
    of each instance; none where there is no key. Names are inherited from parameter `named`, -1 from none. The parameters in
    `key_params` take the key itself, encoded by `key_value`. `unmatched` says which keys some join found no partner
    for. `any_mode`: the machine has chosen the groups.
    """

    params: tuple[ItemSet, ...]
    picks: tuple[Pick | None, ...]
    count: int
    key_parts: tuple[KeyPart, ...] = ()
    named: int = -1
    key_params: tuple[int, ...] = ()
    key_value: Callable[[bytes], bytes] = bytes
    skipped: bool = False
    unmatched: Sequence[Unmatched] = ()
    any_mode: bool = False

    @property
    def sharded(self) -> bool:
        """Whether the call runs for parts of a set; else it is one instance."""
        return any(self.picks)

    def key(self, instance: int) -> bytes | None:
        """The key that outputs of `instance` inherit, or None."""
        if len(self.key_parts) == 1:
            return self.key_parts[0].at(instance)
        return b"".join(part.at(instance) or b"" for part in self.key_parts) if self.key_parts else None

    def name(self, instance: int) -> str:
        """The name that outputs of `instance` inherit: of the item of a single `each`, else none."""
        return self.params[self.named].names[instance] if self.named >= 0 else ""

    def keys(self, first: int, last: int) -> Sequence[bytes | None] | None:
        """The keys of the instances `first <= i < last`; None if none has one."""
        if len(self.key_parts) == 1:
            return self.key_parts[0].between(first, last)
        columns = [part.between(first, last) for part in self.key_parts]
        return [b"".join(key) for key in zip(*columns, strict=True)] if columns else None

    def names(self, first: int, last: int) -> Sequence[str] | None:
        """The names that outputs of `first <= i < last` inherit; None if they are all empty."""
        return self.params[self.named].names[first:last] if self.named >= 0 else None

    def items(self, first: int, last: int) -> list[ItemSet]:
        """Per parameter, the items that the instances `first <= i < last` see, each once."""
        return [cut if isinstance(cut, ItemSet) else cut.items for cut in self._cuts(first, last)]

    def shard(self, first: int, last: int) -> tuple[list[ItemSet], "array[int]"]:
        """The items of `first <= i < last` and the instance rows (`docs/image.md`) that refer to them."""
        if last - first == 1:
            return self._alone(first)
        cuts = self._cuts(first, last)
        stride = 2 * len(cuts)
        rows = array("I", bytes(4 * stride)) * (last - first)
        for number, cut in enumerate(cuts):
            if isinstance(cut, ItemSet):
                rows[2 * number + 1 :: stride] = array("I", (len(cut),)) * (last - first)
            else:
                rows[2 * number :: stride] = _column(cut.starts)
                rows[2 * number + 1 :: stride] = array("I", cut.counts)
        return [cut if isinstance(cut, ItemSet) else cut.items for cut in cuts], rows

    def _alone(self, instance: int) -> tuple[list[ItemSet], "array[int]"]:
        """The same for one instance: it sees the whole of everything that is cut for it."""
        sets = [
            items if pick is None else pick.one(items, instance)
            for items, pick in zip(self.params, self.picks, strict=True)
        ]
        for number in self.key_params:
            sets[number] = ItemSet((None,), ("",), (self.key_value(self.key(instance) or b""),))
        rows = array("I")
        for items in sets:
            rows.extend((0, len(items.values)))
        return sets, rows

    def _cuts(self, first: int, last: int) -> list[Cut | ItemSet]:
        """Per parameter its part, or the whole set where every instance sees that."""
        cuts: list[Cut | ItemSet] = [
            items if pick is None else pick.cut(items, first, last)
            for items, pick in zip(self.params, self.picks, strict=True)
        ]
        if self.key_params:
            count = last - first
            values = [self.key_value(self.key(i) or b"") for i in range(first, last)]
            own = ItemSet([None] * count, [""] * count, values)
            for number in self.key_params:
                cuts[number] = Cut(own, range(count), [1] * count)
        return cuts

    def shared(self) -> list[ItemSet]:
        """The sets that every instance sees whole."""
        return [items for items, pick in zip(self.params, self.picks, strict=True) if pick is None]

    def sizes(self) -> "Sizes":
        """How many bytes of its own a range of instances has."""
        picked = [(items, pick) for items, pick in zip(self.params, self.picks, strict=True) if pick is not None]
        return Sizes([(pick, array("q", accumulate(map(len, items.values), initial=0))) for items, pick in picked])


def _column(starts: Sequence[int]) -> "array[int]":
    return progression("I", 0, len(starts)) if starts == range(len(starts)) else array("I", starts)


@frozen(slots=True, eq=False, repr=False)
class Sizes:
    """The picks of a plan, each with the running sum of the sizes of its set's values."""

    picked: Sequence[tuple[Pick, "array[int]"]]

    @property
    def total(self) -> int:
        """The bytes of all values together, each item once."""
        return sum(ends[-1] for _, ends in self.picked)

    def between(self, first: int, last: int) -> int:
        """The bytes of the values that the instances `first <= i < last` see, each item once."""
        total = 0
        for pick, ends in self.picked:
            numbers = pick.numbers(first, last)
            ranges = [(numbers[0], numbers[-1] + 1)] if isinstance(numbers, range) else _ranges(numbers)
            total += sum(ends[pick.starts[high]] - ends[pick.starts[low]] for low, high in ranges)
        return total


def plan_each(params: Sequence[ItemSet], number: int) -> Plan:
    """The plan of a call with parameter `number` under `each`; the others are whole."""
    items = params[number]
    pick = Pick(range(len(items) + 1), range(len(items)))
    picks = tuple(pick if i == number else None for i in range(len(params)))
    return Plan(tuple(params), picks, len(items), (KeyPart(items.keys),), named=number)


def refilled(plan: Plan, number: int, items: ItemSet) -> Plan:
    """The plan of the same call with parameter `number` under `each` over other items."""
    params = [items if i == number else whole for i, whole in enumerate(plan.params)]
    made = plan_each(params, number)
    return evolve(made, key_params=plan.key_params, key_value=plan.key_value) if plan.key_params else made


def plan_whole(params: Sequence[ItemSet]) -> Plan:
    """The plan of a call of one instance."""
    return Plan(tuple(params), (None,) * len(params), 1)


def plan_skipped(params: Sequence[ItemSet]) -> Plan:
    """The plan of a call that does not run, because an item that it needs is absent."""
    return Plan(tuple(params), (None,) * len(params), 0, skipped=True)


def is_absent(arg: ArgBinding, items: ItemSet) -> bool:
    """Whether a call is skipped because this one-item argument has no item; raises `CardinalityError`."""
    if arg.shard != "one":
        return False
    if len(items) > 1:
        raise CardinalityError(f"one item was promised and {len(items)} are there")
    return not items and not arg.optional


def group_starts(items: ItemSet) -> "array[int]":
    """Where each run of equal keys starts in a set sorted by key, and the end."""
    keys = items.keys
    if not keys:
        return array("q", (0,))
    starts = [i for i in range(1, len(keys)) if keys[i] != keys[i - 1]]
    return array("q", (0, *starts, len(keys)))
