"""The instances of a call as its workers see them: all there from the start, or still arriving.

Workers of every kind of call take ranges of instance numbers from a `Feed`, say when they have done with them, and ask it for
keys, names and items. Whether the set behind it is complete is the feed's business alone. Under a growing set instance numbers
are those of arrival; `final` tells at the end which place each has, and results are put in that order then.
"""

from array import array
from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import define, field

from dandc.vm.inputs import block_bytes
from dandc.vm.items import ItemSet
from dandc.vm.shards import Plan, Sizes, refilled
from dandc.vm.signal import Signal
from dandc.vm.tracks import Origin, Track, by_number


class Feed(Protocol):
    """What workers of a call ask. `signal` rings when `count` or `ended` change; workers may ring it as well."""

    @property
    def count(self) -> int:
        """Instances that are known by now."""

    @property
    def ended(self) -> bool:
        """No further instances come."""

    @property
    def signal(self) -> Signal:
        """Rings when something changed."""

    @property
    def inherits(self) -> bool:
        """Each instance stands for an item or key: failures are named after it."""

    @property
    def shared_bytes(self) -> int:
        """What every shard of the call copies."""

    @property
    def numbered(self) -> bool:
        """The place of each instance in the order of the whole set is known while it runs."""

    @property
    def origin(self) -> Callable[[int], Origin]:
        """Gives the origin of an instance, and holds no more than that needs."""

    def place(self, instance: int) -> int:
        """The place of an instance in the order of the whole set, if `numbered`."""

    def final(self) -> "array[int] | None":
        """The place of each instance in the order of the whole set, once `ended`; None: they stand in order."""

    def key(self, instance: int) -> bytes | None:
        """The key that outputs of the instance inherit."""

    def name(self, instance: int) -> str:
        """The name that outputs of the instance inherit."""

    def keys(self, first: int, last: int) -> Sequence[bytes | None] | None:
        """The keys of a range; None if none has one."""

    def names(self, first: int, last: int) -> Sequence[str] | None:
        """The names of a range; None if all are empty."""

    def cut(self, first: int, last: int) -> tuple[list[ItemSet], "array[int]"]:
        """The items of a range by parameter, and its instance rows."""

    def weight(self, first: int, last: int) -> int:
        """The bytes that a range has of its own."""

    def chosen_items(self, first: int, last: int) -> int:
        """How many items a range has, if the machine has chosen how they are grouped; else 0."""

    def done(self, first: int, last: int) -> None:
        """The instances of a range have ended, and their items are needed no more."""

    def close(self) -> None:
        """The call is over, whatever happened."""


@define(slots=True, eq=False, repr=False)
class Ready:
    """All instances of a plan."""

    plan: Plan
    signal: Signal = field(factory=Signal)
    _sizes: Sizes | None = None
    count: int = field(init=False)

    ended = True
    numbered = True
    origin = staticmethod(by_number)

    def __attrs_post_init__(self) -> None:
        self.count = self.plan.count

    @property
    def inherits(self) -> bool:
        """Whether the call is sharded."""
        return self.plan.sharded

    @property
    def shared_bytes(self) -> int:
        """What every shard of the call copies."""
        return sum(map(block_bytes, self.plan.shared()))

    def place(self, instance: int) -> int:
        """They stand in order."""
        return instance

    def final(self) -> None:
        """They stand in order."""

    def key(self, instance: int) -> bytes | None:
        """The key that outputs of the instance inherit."""
        return self.plan.key(instance)

    def name(self, instance: int) -> str:
        """The name that outputs of the instance inherit."""
        return self.plan.name(instance)

    def keys(self, first: int, last: int) -> Sequence[bytes | None] | None:
        """The keys of a range."""
        return self.plan.keys(first, last)

    def names(self, first: int, last: int) -> Sequence[str] | None:
        """The names of a range."""
        return self.plan.names(first, last)

    def cut(self, first: int, last: int) -> tuple[list[ItemSet], "array[int]"]:
        """The items of a range by parameter, and its instance rows."""
        return self.plan.shard(first, last)

    def weight(self, first: int, last: int) -> int:
        """The bytes that a range has of its own."""
        if self._sizes is None:
            self._sizes = self.plan.sizes()
        return self._sizes.between(first, last)

    def chosen_items(self, first: int, last: int) -> int:
        """The items of a range in groups of the machine's choice."""
        if not self.plan.any_mode:
            return 0
        whole = sum(map(len, self.plan.shared()))
        return sum(map(len, self.plan.items(first, last))) - whole

    def done(self, first: int, last: int) -> None:
        """The whole set stays until the call is over."""

    def close(self) -> None:
        """Nothing is held elsewhere."""


@define(slots=True, eq=False, repr=False)
class Growing:
    """One instance for every item of a track, in the order of arrival; the other parameters are complete.

    `numbered`: the track has ended before anything began.
    """

    track: Track
    parameter: int
    plan: Plan
    numbered: bool = False
    signal: Signal = field(factory=Signal)
    _left: list[int] = field(factory=list)

    inherits = True

    def __attrs_post_init__(self) -> None:
        self.track.listeners.append(self.signal)
        self.track.ready += 1
        self.track.drained.ring()

    @property
    def count(self) -> int:
        """Items that have arrived."""
        self.track.seal()
        return self.track.count

    @property
    def ended(self) -> bool:
        """Whether the producer has."""
        return self.track.ended

    @property
    def shared_bytes(self) -> int:
        """What every shard of the call copies."""
        return sum(map(block_bytes, self.plan.shared()))

    @property
    def origin(self) -> Callable[[int], Origin]:
        """That of the instance's item."""
        return self.track.origin

    def place(self, instance: int) -> int:
        """The place of the item in the producer's order."""
        return instance if self.track.places is None else self.track.places[instance]

    def final(self) -> "array[int] | None":
        """The places of the items in the producer's order."""
        return self.track.places

    def key(self, instance: int) -> bytes | None:
        """The item's key."""
        return self._slice(instance, instance + 1).keys[0]

    def name(self, instance: int) -> str:
        """The item's name."""
        return self._slice(instance, instance + 1).names[0]

    def keys(self, first: int, last: int) -> Sequence[bytes | None] | None:
        """The keys of a range."""
        return self._slice(first, last).keys if self.track.keyed else None

    def names(self, first: int, last: int) -> Sequence[str] | None:
        """The names of a range."""
        if all(batch.names is None for batch, _, _ in self.track.pieces(first, last)):
            return None
        return self._slice(first, last).names

    def cut(self, first: int, last: int) -> tuple[list[ItemSet], "array[int]"]:
        """The items of a range by parameter, and its instance rows."""
        return refilled(self.plan, self.parameter, self._slice(first, last)).shard(0, last - first)

    def _slice(self, first: int, last: int) -> ItemSet:
        return self.track.slice(first, last)

    def weight(self, first: int, last: int) -> int:
        """The bytes that a range has of its own, about: batches are taken for even."""
        return sum(batch.size * (end - start) // batch.count for batch, start, end in self.track.pieces(first, last))

    def chosen_items(self, first: int, last: int) -> int:
        """Each instance has one item."""
        return 0

    def done(self, first: int, last: int) -> None:
        """Let go of batches whose items have all been worked on."""
        track, left = self.track, self._left
        left.extend(batch.count for batch in track.batches[len(left) :])
        number = track.number_at(first)
        for batch, start, end in track.pieces(first, last):
            left[number] -= end - start
            if not left[number]:
                track.done(batch)
            number += 1

    def close(self) -> None:
        """Hear no more of the producer."""
        self.track.listeners.remove(self.signal)
