"""Takes out of a call of a kernel the instances of which it is known how they ended, before anybody packs them into shards.

Looking up goes ahead of the packing in large ranges, because each look-up is a visit to a worker thread and to a database. A shard
may then hold any of the remaining instances of its range: which ones, is said here. Whatever a shard gives is kept under the
digests that were made for looking up.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

from dandc.compiler.flow import KernelImage, ReduceNode
from dandc.vm.collect import Columns, InstanceFault, ShardOutput
from dandc.vm.digests import SIZE
from dandc.vm.items import ItemSet
from dandc.vm.kept import Ended, KeptFault, columns_of
from dandc.vm.outcome import Outcome
from dandc.vm.summary import Counts

if TYPE_CHECKING:
    from dandc.vm.keeper import Keeper, Recalled

# Instances a look-up. Large values make it smaller.
_RANGE = 1 << 12
_RANGE_BYTES = 8 << 20


@define(slots=True, eq=False, repr=False)
class Recall:
    """What is known of one call. Everything below `end` has been looked up; `known` and `digests` are by instance."""

    keeper: "Keeper"
    kernel: KernelImage
    outcome: Outcome
    counts: Counts
    end: int = 0
    known: bytearray = field(factory=bytearray)
    digests: bytearray = field(factory=bytearray)
    _turn: anyio.Lock = field(factory=anyio.Lock)

    async def ahead(self, wanted: int) -> None:
        """Look up until instance `wanted` is among those that were, if it has arrived."""
        async with self._turn:
            while self.end <= wanted < self.outcome.feed.count:
                await self._range(self.end, self._last())

    def next_open(self, first: int) -> int:
        """The first instance from `first` on that is not known, or `end`."""
        found = self.known.find(0, first)
        return self.end if found < 0 else found

    def _last(self) -> int:
        feed = self.outcome.feed
        last = min(feed.count, self.end + _RANGE)
        while last - self.end > 1 and feed.weight(self.end, last) > _RANGE_BYTES:
            last = self.end + (last - self.end) // 2
        return last

    async def _range(self, first: int, last: int) -> None:
        sets, rows = self.outcome.feed.cut(first, last)
        recalled = await self.keeper.recall(self.kernel, self.outcome.context.program.types, sets, rows, last - first)
        await self.keeper.take_over(recalled)
        self._look_for(recalled, first, sets, rows)
        known = bytearray(last - first)
        for place in (*recalled.known, *recalled.plain):
            known[place] = 1
        self.known += known
        self.digests += b"".join(recalled.digests)
        if not isinstance(self.outcome.node, ReduceNode):  # which counts folds, and these are pairs
            self.counts.cached += recalled.cached
            self.counts.recorded += recalled.recorded
        self.end = last
        if recalled.plain:
            instances = array("I", [first + place for place in recalled.plain])
            rest = [Columns() for _ in self.kernel.outputs[1:]]
            self.outcome.add([Columns(None, None, list(recalled.plain.values()), instances), *rest])
        if recalled.known:
            self._take({first + place: ended for place, ended in sorted(recalled.known.items())})

    def _take(self, known: Mapping[int, Ended]) -> None:
        """Let known instances end as they did."""
        outcome, sites = self.outcome, self.kernel.sites
        outcome.add(columns_of(known, len(self.kernel.outputs)))
        for instance, ended in known.items():
            for text in ended.notes:
                outcome.note(instance, text)
            if ended.fault is not None:
                fault = ended.fault
                site = sites[fault.site] if 0 <= fault.site < len(sites) else None
                outcome.fail(instance, fault.code, fault.message, site=site)

    def _look_for(self, recalled: "Recalled", first: int, sets: Sequence[ItemSet], rows: "array[int]") -> None:
        """End the run if the instance is here that somebody wants to look at."""
        wanted = self.keeper.wanted
        if wanted is None or wanted.node != self.outcome.name:
            return
        stride = 2 * len(sets)
        for place in range(len(recalled.digests)):
            if self.outcome.is_called(first + place, wanted.item):
                row = rows[place * stride : (place + 1) * stride]
                items = [s.slice(row[2 * i], row[2 * i] + row[2 * i + 1]) for i, s in enumerate(sets)]
                text = self.outcome.item_text(first + place)
                self.keeper.found(self.kernel.name, text, items, recalled.ended(place))

    def open(self, first: int, last: int) -> Sequence[int]:
        """The instances of a range that must run."""
        if self.known.find(1, first, last) < 0:
            return range(first, last)
        return [i for i in range(first, last) if not self.known[i]]

    async def lose(self, instances: Sequence[int], fault: InstanceFault) -> None:
        """Keep that instances ended in a way in which they need not end again."""
        lost = ShardOutput([], dict.fromkeys(instances, fault))
        await self.keep(lost, instances)

    async def keep(self, output: ShardOutput, instances: Sequence[int]) -> None:
        """Keep how the instances of a shard ended, those aside that must run again."""
        again, scrub = set(output.again), self.outcome.context.secrets.scrub
        ended = [i for i in instances if i not in again] if again else instances
        digests = [bytes(self.digests[SIZE * i : SIZE * (i + 1)]) for i in ended]
        sites = {span: number for number, span in enumerate(self.kernel.sites)} if output.faults else {}
        faults = {
            i: KeptFault(fault.code, scrub(fault.message), -1 if fault.site is None else sites.get(fault.site, -1))
            for i, fault in output.faults.items()
        }
        notes = [(i, scrub(text)) for i, text in output.notes if i not in again]
        await self.keeper.keep(digests, output.columns, faults, notes, ended, self.outcome.name, self.outcome.item_text)
