"""Where shards run: a small interface, and the one implementation that this machine has.

The machine above knows shards, not processes, so that another engine (or a test) can take them. Implementations must
give every shard a fresh sandbox, and must have validated every number in a `ShardResult`: its reader trusts the
tables, never the bytes they point to.
"""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from dandc.compiler.flow import KernelImage
from dandc.vm.items import Buffer
from dandc.vm.limits import Limits

# `state` of an instance record.
NOT_RUN, FINISHED, TRAPPED, FAILED = range(4)
NOT_SAID = 0xFFFFFFFF
NOTE = 0xFFFFFFFE

# state, trap code, site, notes, message offset, message length, end of its entries
InstanceRecord = tuple[int, int, int, int, int, int, int]
# key offset, value offset, value length, key length, name length, instance, output
EntryRecord = tuple[int, int, int, int, int, int, int]


@frozen(slots=True)
class ShardResult:
    """What is left of one shard. With `error` (`limit.wall`, `sandbox.crash`, ...) nothing else means anything."""

    error: str | None
    detail: str = ""
    instances: Sequence[InstanceRecord] = ()
    entries: Sequence[EntryRecord] = ()
    data: Buffer = b""
    cpu_us: float = 0
    wall_us: float = 0


class Placement(Protocol):
    """Runs shards. Cancelling `run_shard` ends the sandbox."""

    async def run_shard(
        self, kernel: KernelImage, inputs: Sequence[Buffer], first: int, last: int, limits: Limits
    ) -> ShardResult:
        """Run the instances `first <= i < last` of `kernel` on the block that `inputs` are the parts of."""
        ...
