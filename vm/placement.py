"""Where shards run: a small interface, so that another engine (or a test) can take them.

The machine above knows shards, not processes. What comes back is isolation's `Outcome`, whose tables are checked:
its readers trust every number in it and nothing that the numbers point to. An implementation must give every shard
a fresh sandbox, unless its caller asked for none.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from dandc.compiler.flow import KernelImage
from dandc.isolation import Limits, Outcome, Usage
from dandc.vm.items import Buffer


class Placement(Protocol):
    """Runs shards. Cancelling `run_shard` ends the sandbox.

    One that several runs use at once has an attribute `admission`, where each of them takes its share.
    """

    async def run_shard(
        self,
        kernel: KernelImage,
        inputs: Sequence[Buffer],
        first: int,
        last: int,
        limits: Limits,
        *,
        background: bool = False,
    ) -> Outcome:
        """Run the instances `first <= i < last` of `kernel` on the block that `inputs` are the parts of.

        `background` says that the shard is expected to run long, so that it may give way to others.
        """
        ...


@runtime_checkable
class Metered(Protocol):
    """A placement that knows the CPU time of sandboxes, but only some time after their results: better than wall time."""

    def usage(self, kernel: KernelImage) -> Usage | None:
        """What the sandboxes of a kernel have used so far; None if it never ran."""
        ...
