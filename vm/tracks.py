"""Sets that are still being made: what producers publish while they run, and what consumers take from it.

A `Track` holds the items of one output in the order in which they arrived, in batches. Whoever needs the whole set
gets it at the end, in its own order; a consumer under `each` takes items as they come and learns at the end where
each of them stands. Values that nobody else needs are forgotten as soon as every consumer has done with them. Consumers
pull: a producer adds and rings, and never waits for one consumer in particular.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from attrs import define, field

from dandc.vm.items import EMPTY, Buffer, ItemSet, take
from dandc.vm.order import arrange, inverse
from dandc.vm.signal import Signal

# What an item weighs beside its value while it waits.
ITEM_BYTES = 48
# Items of one call each are gathered up to this many before they are cut off as a batch.
_OPEN_ITEMS = 256


# What tells an instance of a call, or an item of its outputs, from the others in every run of the same program and inputs.
Origin = tuple[int, ...]


def by_number(instance: int) -> Origin:
    """The origin of an instance whose number is that of every run."""
    return (instance,)


@define(slots=True, eq=False, repr=False)
class Batch:
    """Items of some instances. `keys` None: the set has none; `names` None: all are empty. `instances` ascend."""

    keys: Sequence[bytes] | None
    names: Sequence[str] | None
    values: Sequence[Buffer]
    instances: Sequence[int]
    start: int = 0
    count: int = 0
    size: int = 0
    readers: int = 0


@define(slots=True, eq=False, repr=False)
class Track:
    """One output of one node while it runs.

    `kept`: somebody needs the whole set. `readers` counts the consumers that take it item by item, `ready` those of
    them that have begun; `waiting` the bytes that have begun consumers have not done with. `made_by` gives the origin of
    an instance of the node.
    """

    keyed: bool
    kept: bool = True
    readers: int = 0
    ready: int = 0
    batches: list[Batch] = field(factory=list)
    starts: list[int] = field(factory=list)
    count: int = 0
    waiting: int = 0
    ended: bool = False
    places: "array[int] | None" = None
    listeners: list[Signal] = field(factory=list)
    made_by: Callable[[int], Origin] = by_number
    drained: Signal = field(factory=Signal)
    _open: Batch | None = None

    def add(self, batch: Batch) -> None:
        """Publish the items of a batch."""
        self.seal()
        if batch.values:
            self._append(batch)
        self._ring()

    def add_few(self, batch: Batch) -> None:
        """Publish the few items of one instance: they become part of a batch once somebody looks or enough are there."""
        waiting = self._open
        if waiting is None:
            self._open = Batch(
                None if batch.keys is None else list(batch.keys),
                [""] * len(batch.values) if batch.names is None else list(batch.names),
                list(batch.values),
                array("I", batch.instances),
            )
        else:
            _extend(waiting, batch)
            if len(waiting.values) >= _OPEN_ITEMS:
                self.seal()
        self._ring()

    def seal(self) -> None:
        """Cut off what was published one by one as a batch, sorted by instance."""
        batch, self._open = self._open, None
        if batch is not None and batch.values:
            self._append(_sorted(batch))

    def _append(self, batch: Batch) -> None:
        batch.start, batch.count = self.count, len(batch.values)
        batch.readers = self.readers
        self.batches.append(batch)
        self.starts.append(self.count)
        self.count += batch.count
        if self.readers:
            batch.size = sum(map(len, batch.values)) + ITEM_BYTES * batch.count
            self.waiting += batch.size
        self._forget_if_done(batch)

    def _ring(self) -> None:
        for listener in self.listeners:
            listener.ring()

    def done(self, batch: Batch) -> None:
        """One consumer needs this batch no more."""
        batch.readers -= 1
        self._forget_if_done(batch)

    def _forget_if_done(self, batch: Batch) -> None:
        if batch.readers:
            return
        self.waiting -= batch.size
        batch.size = 0
        if not self.kept:
            batch.values, batch.names = (), None
        self.drained.ring()

    def leave(self) -> None:
        """A consumer will never take anything."""
        self.readers -= 1
        for batch in self.batches:
            self.done(batch)

    def is_full(self, bound: int) -> bool:
        """Whether the producer should wait: what it made lies about only because consumers that have begun are slow.

        While a consumer has not begun it may be waiting for the producer's very end.
        """
        return self.waiting > bound and not self.kept and self.ready == self.readers

    def end(self, final: "array[int] | None") -> ItemSet:
        """No more items come; `final` maps instance numbers to their order. Gives the whole set if somebody needs it."""
        self.seal()
        keys = [batch.keys or () for batch in self.batches] if self.keyed else None
        order = arrange([batch.instances for batch in self.batches], keys, final)
        if self.readers:
            self.places = inverse(order)
        whole = self._whole(order) if self.kept else EMPTY
        if not self.readers:
            self.batches.clear()
        return whole

    def close(self) -> None:
        """Tell the consumers that it has ended."""
        self.ended = True
        self._ring()

    def _whole(self, order: "array[int] | None") -> ItemSet:
        keys: list[bytes | None] = [None] * self.count
        if self.keyed:
            keys = list(chain.from_iterable(batch.keys or () for batch in self.batches))
        names = [""] * self.count
        if any(batch.names is not None for batch in self.batches):
            names = list(chain.from_iterable(batch.names or [""] * batch.count for batch in self.batches))
        items = ItemSet(keys, names, list(chain.from_iterable(batch.values for batch in self.batches)))
        return items if order is None else take(items, order)

    def slice(self, first: int, last: int) -> ItemSet:
        """The items that arrived as number `first <= i < last`. They must not have been forgotten."""
        keys: list[bytes | None] = []
        names: list[str] = []
        values: list[Buffer] = []
        for batch, start, end in self.pieces(first, last):
            keys += [None] * (end - start) if batch.keys is None else batch.keys[start:end]
            names += [""] * (end - start) if batch.names is None else batch.names[start:end]
            values += batch.values[start:end]
        return ItemSet(keys, names, values)

    def origin(self, arrival: int) -> Origin:
        """The origin of an item: that of its instance, and the item's place in what this emitted, all of it in one batch."""
        batch = self.batches[self.number_at(arrival)]
        instance = batch.instances[arrival - batch.start]
        return (*self.made_by(instance), arrival - batch.start - bisect_left(batch.instances, instance))

    def number_at(self, arrival: int) -> int:
        """Which batch holds the item."""
        return bisect_right(self.starts, arrival) - 1

    def pieces(self, first: int, last: int) -> Iterator[tuple[Batch, int, int]]:
        """The batches that hold the items `first <= i < last`, each with where they start and end in it."""
        number = self.number_at(first)
        while first < last:
            batch = self.batches[number]
            end = min(last, batch.start + batch.count)
            yield batch, first - batch.start, end - batch.start
            first = end
            number += 1


def _extend(batch: Batch, other: Batch) -> None:
    assert isinstance(batch.values, list)
    assert isinstance(batch.names, list)
    assert isinstance(batch.instances, array)
    batch.values += other.values
    batch.names += [""] * len(other.values) if other.names is None else other.names
    batch.instances.extend(other.instances)
    if isinstance(batch.keys, list):
        batch.keys += other.keys or ()


def _sorted(batch: Batch) -> Batch:
    """What single instances gave, by instance: they ended in any order."""
    order = arrange([[i] for i in batch.instances], None, None)
    names = batch.names if batch.names is not None and any(batch.names) else None
    if order is None:
        return Batch(batch.keys, names, batch.values, batch.instances)
    return Batch(
        None if batch.keys is None else list(map(batch.keys.__getitem__, order)),
        None if names is None else list(map(names.__getitem__, order)),
        list(map(batch.values.__getitem__, order)),
        array("I", map(batch.instances.__getitem__, order)),
    )
