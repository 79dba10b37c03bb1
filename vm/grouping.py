"""Cuts the groups of `anyEach` and `anyKeyed`: as few as keep all processors busy, of about equal weight.

What a program computes must not depend on the cuts, so they may follow what was measured in this run. They are made once,
before the call starts: a call that is run again sees the same groups.
"""

from array import array
from collections.abc import Callable, Sequence

from dandc.lang.values import frozen

# `cut(items, sizes)`: where groups of shards start, and the end. Both arguments are running sums over the shards, of
# their items and of the bytes of these, from 0 on.
Cutter = Callable[[Sequence[int], Sequence[int]], Sequence[int]]

# A group should take this long: much more than a sandbox costs, little enough to share work out.
_TARGET_US = 10_000.0
# Work below this is not worth a second sandbox.
_LEAST_US = 1_000.0
# Groups a lane while nothing is known: uneven items still find free lanes.
_GROUPS_A_LANE = 4
_MOST_BYTES = 8 << 20


@frozen(slots=True)
class Grouping:
    """What is known before a call: microseconds an item, if any were measured, and how many instances run at once."""

    item_us: float | None
    lanes: int
    most_bytes: int = _MOST_BYTES

    def cut(self, items: Sequence[int], sizes: Sequence[int]) -> Sequence[int]:
        """A `Cutter`: contiguous groups, none empty, each with its part of the items and within `most_bytes`."""
        shards = len(items) - 1
        if shards <= 0:
            return array("q", (0,))
        groups = min(shards, self._wanted(items[-1]))
        starts = array("q", (0,))
        for shard in range(1, shards):
            begun = starts[-1]
            full = (items[shard] - items[begun]) * groups >= items[-1]
            if full or sizes[shard + 1] - sizes[begun] > self.most_bytes:
                starts.append(shard)
        starts.append(shards)
        return starts

    def _wanted(self, items: int) -> int:
        if self.item_us is None:
            return _GROUPS_A_LANE * self.lanes
        total = self.item_us * items
        return max(1, int(total / _TARGET_US), min(self.lanes, int(total / _LEAST_US)))


def one_group(items: Sequence[int], sizes: Sequence[int]) -> Sequence[int]:
    """A `Cutter` that leaves all shards together."""
    return array("q", (0, len(items) - 1)) if len(items) > 1 else array("q", (0,))
