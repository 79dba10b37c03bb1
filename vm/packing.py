"""How many instances of one call share a sandbox: sized by what an instance was measured to cost.

Ranges are cut at the last moment, when a sandbox is free: under a growing set, items gather while all sandboxes are busy, and
nothing waits while one is idle. Must never pack across calls.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import define, field

from dandc.compiler.flow import KernelImage
from dandc.isolation import Usage
from dandc.vm.feed import Feed

if TYPE_CHECKING:
    from dandc.vm.recall import Recall

TARGET_US = 2_000.0
# What a shard costs before its first instance: about a fork, and the copy of what all instances share.
_FORK_US = 150.0
_COPIED_PER_US = 2_000
# A shard runs at least this many times as long as it takes to get going.
_WORTH = 5
_MAX_PACK = 1 << 12
_MAX_PACK_BYTES = 8 << 20
# A packed shard that takes this many times longer than expected is stopped and bisected, long before the limit of
# its instances: or one endless loop would cost its whole time-out at every halving.
_PATIENCE = 20
_LEAST_PATIENCE_MS = 100.0


@define(slots=True, eq=False, repr=False)
class Costs:
    """What an instance of each kernel costs in microseconds, as measured.

    `seen` is what a placement had told of a kernel when it was last asked: calls, instances, CPU time.
    """

    known: dict[str, float] = field(factory=dict)
    seen: dict[str, tuple[int, int, int]] = field(factory=dict)

    def of(self, kernel: str) -> float | None:
        """Microseconds an instance; None while nothing is known."""
        return self.known.get(kernel)

    def learn(self, kernel: str, taken_us: float, overhead_us: float, shards: int, instances: int) -> None:
        """Half of the estimate is the newest measurement."""
        # Overheads vary; what is left of a shard without them is never taken for nothing.
        cost = max(taken_us - shards * overhead_us, taken_us / 50) / instances
        known = self.known.get(kernel)
        self.known[kernel] = cost if known is None else (known + cost) / 2

    def meter(self, kernel: str, usage: Usage, overhead_us: float) -> None:
        """Learn from the sandboxes that the placement has heard of since the last time."""
        seen = self.seen.get(kernel, (0, 0, 0))
        if usage.calls < seen[0]:  # its image was closed meanwhile and loaded anew
            seen = (0, 0, 0)
        calls, instances, cpu_us = usage.calls - seen[0], usage.instances - seen[1], usage.cpu_us - seen[2]
        if instances > 0:
            self.seen[kernel] = (usage.calls, usage.instances, usage.cpu_us)
            self.learn(kernel, cpu_us, overhead_us, calls, instances)

    def raise_to(self, kernel: str, cost_us: float) -> None:
        """An instance is known to cost at least this much."""
        self.known[kernel] = max(self.known.get(kernel, 0.0), cost_us)


@define(slots=True, eq=False, repr=False)
class Packer:
    """Hands out ranges of instances. `costs` are shared by the calls of a run.

    `running` counts ranges that are out, `most` bounds the instances of a range, `target_us` is how long a shard of this
    call should take. `recall` knows instances that need not run.
    """

    costs: Costs
    kernel: KernelImage
    feed: Feed
    next_first: int = 0
    most: int = _MAX_PACK
    running: int = 0
    recall: "Recall | None" = None
    again: list[tuple[int, int]] = field(factory=list)
    overhead_us: float = field(init=False)
    target_us: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.overhead_us = _FORK_US + self.feed.shared_bytes / _COPIED_PER_US
        self.target_us = max(TARGET_US, _WORTH * self.overhead_us)

    @property
    def waiting(self) -> bool:
        """Whether instances are there to be run."""
        return bool(self.again) or self.next_first < self.feed.count

    @property
    def over(self) -> bool:
        """Whether nothing is left, and nothing can come back in halves."""
        return not self.waiting and not self.running and self.feed.ended

    def urgent(self) -> bool:
        """Whether what waits is worth a sandbox now, even if it takes one from others."""
        if self.again or self.feed.ended:
            return True
        cost = self.costs.of(self.kernel.name)
        count = self.feed.count - self.next_first
        if cost is None or count >= self.most or count * cost >= _WORTH * self.overhead_us:
            return count > 0
        return self.feed.weight(self.next_first, self.feed.count) >= _MAX_PACK_BYTES

    def take(self) -> tuple[int, int] | None:
        """The next range to run, one that must run again before a new one; None when nothing waits."""
        if not self.waiting:
            return None
        if self.again:
            self.running += 1
            return self.again.pop()
        if not self.pass_known():
            return None
        self.running += 1
        first = self.next_first
        self.next_first = min(self._end(), first + self._size(first))
        return first, self.next_first

    def _end(self) -> int:
        """Instances from here on cannot be taken yet."""
        return self.feed.count if self.recall is None else self.recall.end

    def pass_known(self) -> bool:
        """Pass over instances that are known, and tell whether one follows that is not."""
        if self.recall is None or self.again:
            return True
        first, self.next_first = self.next_first, self.recall.next_open(self.next_first)
        if first < self.next_first:
            self.feed.done(first, self.next_first)
            self.feed.signal.ring()
        return self.next_first < self.recall.end

    def ended(self) -> None:
        """A range that was taken has ended, and what must run again is known."""
        self.running -= 1
        self.feed.signal.ring()

    def _size(self, first: int) -> int:
        cost = self.costs.known.get(self.kernel.name)
        if cost is None or cost >= self.target_us:
            return 1
        size = min(self.most, int(self.target_us / max(cost, 0.01)))
        last = min(self._end(), first + size)
        # Values are bounded as well; halving finds a fitting size in a few steps.
        while last - first > 1 and self.feed.weight(first, last) > _MAX_PACK_BYTES:
            last = first + (last - first) // 2
        return last - first

    def split(self, first: int, last: int) -> None:
        """Run the halves of a range again; a range of one as it is."""
        middle = (first + last) // 2
        self.again.extend(part for part in ((middle, last), (first, middle)) if part[0] < part[1])

    def run_again(self, instances: Sequence[int]) -> None:
        """Run instances again that found no room in their shard, in smaller shards from now on."""
        if not instances:
            return
        self.most = max(1, min(self.most, len(instances)) // 2)
        start = 0
        for end in range(1, len(instances) + 1):
            if end == len(instances) or instances[end] != instances[end - 1] + 1:
                self.split(instances[start], instances[end - 1] + 1)
                start = end

    def measured(self, instances: int, taken_us: float) -> None:
        """Learn from a shard whose time is known."""
        self.costs.learn(self.kernel.name, taken_us, self.overhead_us, 1, instances)

    def metered(self, usage: Usage | None) -> None:
        """Learn from what the sandboxes of the kernel have used in all, as far as that is known."""
        if usage is not None:
            self.costs.meter(self.kernel.name, usage, self.overhead_us)

    def underestimated(self, instances: int, taken_us: float) -> None:
        """Learn from a shard that was stopped: an instance costs at least its part of the time."""
        self.costs.raise_to(self.kernel.name, taken_us / instances)

    def patience_ms(self, instances: int) -> float:
        """How long a packed shard may take before it is bisected."""
        patience = _LEAST_PATIENCE_MS
        # By doubling, so that the limits of most shards are the same ones.
        while patience < _PATIENCE * self.expected_us(instances) / 1000:
            patience *= 2
        return patience

    def expected_us(self, instances: int) -> float:
        """What so many instances are expected to take; 0 while nothing is known."""
        return instances * (self.costs.of(self.kernel.name) or 0.0)
