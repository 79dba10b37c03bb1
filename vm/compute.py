"""Runs a call of a pure kernel: packs its instances into shards, and finds the guilty one when a shard dies.

Why packing: a fresh sandbox costs about one fork, a small kernel a microsecond, so instances *of the same call* share
a sandbox until the shard costs about `_TARGET_US`. The first instances of a kernel run alone; they tell what one
costs. A trap is its instance's own. When a packed shard crashes or exceeds a limit nothing it left is believed:
it is cut in half until the guilty instance stands alone. Must never pack across calls.
"""

from collections.abc import Sequence
from itertools import accumulate

import anyio
from attrs import define, evolve, field

from dandc.compiler.flow import ComputeNode, KernelImage
from dandc.compiler.types import Type
from dandc.isolation import Limits
from dandc.isolation import Outcome as Ended
from dandc.vm.admission import TooBigError
from dandc.vm.collect import InstanceFault, read_shard
from dandc.vm.context import NodeResult, RunContext
from dandc.vm.inputs import block_bytes, build_block
from dandc.vm.limits import footprint
from dandc.vm.outcome import Outcome
from dandc.vm.placement import Placement
from dandc.vm.shards import Plan
from dandc.vm.summary import Note
from dandc.vm.tasks import off_loop, together

_TARGET_US = 2_000.0
# What a shard costs before its first instance: about a fork, and the copy of what all instances share.
_FORK_US = 150.0
_COPIED_PER_US = 2_000
# A shard runs at least this many times as long as it takes to get going.
_WORTH = 5
_MAX_PACK = 1 << 13
_MAX_PACK_BYTES = 8 << 20
# A packed shard that takes this many times longer than expected is stopped and bisected, long before the limit of
# its instances: or one endless loop would cost its whole time-out at every halving.
_PATIENCE = 20
_LEAST_PATIENCE_MS = 100.0
_NOBODYS_FAULT = ("host.", "image.", "sandbox.unavailable")


async def run_compute(
    context: RunContext, node: ComputeNode, plan: Plan, path: str, key_type: Type | None
) -> NodeResult:
    """The outputs of all instances; raises `NodeFailedError` for a fault that the call's policy does not take."""
    kernel = context.program.kernels[node.kernel]
    assert context.placement is not None
    packer = _Packer(context.costs, kernel, plan)
    outcome = Outcome(context, node, tuple(output.item for output in kernel.outputs), plan, path, key_type)
    call = _Call(context, context.placement, node, kernel, plan, packer, outcome)
    if plan.count:
        await together([call.work] * min(plan.count, context.limits.sandboxes))
    return outcome.result()


@define(slots=True, eq=False, repr=False)
class _Packer:
    """Hands out ranges of instances, sized by what an instance was measured to cost.

    `costs` are microseconds an instance by kernel, shared by the calls of a run. `running` counts ranges that are out.
    """

    costs: dict[str, float]
    kernel: KernelImage
    plan: Plan
    next_first: int = 0
    most: int = _MAX_PACK
    running: int = 0
    again: list[tuple[int, int]] = field(factory=list)
    changed: anyio.Event = field(factory=anyio.Event)
    offsets: Sequence[int] = ()
    overhead_us: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.plan.sharded >= 0:
            items = self.plan.params[self.plan.sharded]
            self.offsets = [0, *accumulate(map(len, items.values))]
        shared = sum(block_bytes(p) for i, p in enumerate(self.plan.params) if i != self.plan.sharded)
        self.overhead_us = _FORK_US + shared / _COPIED_PER_US

    @property
    def target_us(self) -> float:
        """How long a shard of this call should take."""
        return max(_TARGET_US, _WORTH * self.overhead_us)

    async def take(self) -> tuple[int, int] | None:
        """The next range to run, one that must run again before a new one; None when all have ended well."""
        while not self.again and self.next_first >= self.plan.count:
            if not self.running:
                return None
            # A range that is out may come back in halves, and they should not wait for each other.
            await self.changed.wait()
        self.running += 1
        if self.again:
            return self.again.pop()
        first = self.next_first
        self.next_first = min(self.plan.count, first + self._size(first))
        return first, self.next_first

    def ended(self) -> None:
        """A range that was taken has ended, and what must run again is known."""
        self.running -= 1
        self.changed.set()
        self.changed = anyio.Event()

    def _size(self, first: int) -> int:
        cost = self.costs.get(self.kernel.name)
        if cost is None:
            return 1
        size = max(1, min(self.most, int(self.target_us / max(cost, 0.01))))
        last = min(self.plan.count, first + size)
        # Values are bounded as well; halving finds a fitting size in a few steps.
        while last - first > 1 and self._bytes(first, last) > _MAX_PACK_BYTES:
            last = first + (last - first) // 2
        return last - first

    def _bytes(self, first: int, last: int) -> int:
        starts = self.plan.starts
        return self.offsets[starts[last]] - self.offsets[starts[first]] if self.offsets else 0

    def split(self, first: int, last: int) -> None:
        """Run the halves of a range again; a range of one as it is."""
        middle = (first + last) // 2
        self.again.extend(part for part in ((middle, last), (first, middle)) if part[0] < part[1])

    def run_again(self, instances: list[int]) -> None:
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
        """Learn from a shard: half of the estimate is the newest measurement."""
        # Overheads vary; what is left of a shard without them is never taken for nothing.
        cost = max(taken_us - self.overhead_us, taken_us / 50) / instances
        known = self.costs.get(self.kernel.name)
        self.costs[self.kernel.name] = cost if known is None else (known + cost) / 2

    def underestimated(self, instances: int, taken_us: float) -> None:
        """Learn from a shard that was stopped: an instance costs at least its part of the time."""
        self.costs[self.kernel.name] = max(self.costs.get(self.kernel.name, 0.0), taken_us / instances)

    def patience_ms(self, instances: int) -> float:
        """How long a packed shard may take before it is bisected."""
        return max(_LEAST_PATIENCE_MS, _PATIENCE * self.expected_us(instances) / 1000)

    def expected_us(self, instances: int) -> float:
        """What so many instances are expected to take; 0 while nothing is known."""
        return instances * self.costs.get(self.kernel.name, 0.0)


@define(slots=True, eq=False, repr=False)
class _Call:
    """One call at work: its workers run shards until no range is left."""

    context: RunContext
    placement: Placement
    node: ComputeNode
    kernel: KernelImage
    plan: Plan
    packer: _Packer
    outcome: Outcome

    async def work(self) -> None:
        """Run ranges until there are none."""
        while (span := await self.packer.take()) is not None:
            await self._run(*span)
            self.packer.ended()

    async def _run(self, first: int, last: int) -> None:
        limits = self._limits(last - first)
        try:
            async with self.context.admission.admit(footprint(limits)):
                result = await self._place(first, last, limits)
        except TooBigError as error:
            self._take_faults(dict.fromkeys(range(first, last), InstanceFault("host.exhausted", str(error))))
            return
        if result.error is not None:
            self._failed_shard(first, last, result)
            return
        output = read_shard(self.kernel, result, first, self.context.program.types)
        self.packer.measured(last - first, result.wall_us if result.cpu_us is None else result.cpu_us)
        self._take_notes(output.notes)
        self.packer.run_again(output.again)
        for columns, more in zip(self.outcome.columns, output.columns, strict=True):
            columns.extend(more)
        self._take_faults(output.faults)

    async def _place(self, first: int, last: int, limits: Limits) -> Ended:
        sets, rows = self.plan.items(first, last), self.plan.rows(first, last)
        block = await off_loop(sum(map(block_bytes, sets)), build_block, sets, rows, last - first)
        background = self.packer.expected_us(last - first) > 2 * _TARGET_US
        return await self.placement.run_shard(self.kernel, block, 0, last - first, limits, background=background)

    def _limits(self, instances: int) -> Limits:
        limits = self.context.limits.kernel
        if self.node.policies.timeout_ms:
            limits = evolve(limits, wall_ms=float(self.node.policies.timeout_ms))
        if instances == 1:
            return limits
        patience = self.packer.patience_ms(instances)
        return evolve(limits, wall_ms=min(limits.wall_ms, patience), cpu_ms=min(limits.cpu_ms, patience))

    def _failed_shard(self, first: int, last: int, result: Ended) -> None:
        """A shard that left nothing to believe: halve it, or blame its only instance."""
        error = result.error or ""
        if last - first > 1 and error in ("limit.wall", "limit.cpu"):
            self.packer.underestimated(last - first, result.wall_us)
        # Bisecting finds a guilty instance; trouble of the host or with the image has none.
        if last - first > 1 and not error.startswith(_NOBODYS_FAULT):
            self.packer.split(first, last)
            return
        fault = InstanceFault(error, _explain(error, result.detail, self._limits(1)))
        self._take_faults(dict.fromkeys(range(first, last), fault))

    def _take_faults(self, faults: dict[int, InstanceFault]) -> None:
        for instance, what in sorted(faults.items()):
            self.outcome.fail(instance, what.code, what.message, site=what.site)

    def _take_notes(self, notes: list[tuple[int, str]]) -> None:
        scrub = self.context.secrets.scrub
        for instance, text in notes:
            item = self.outcome.item_text(instance)
            self.context.summary.note(Note(self.outcome.name, scrub(item), scrub(text)))


def _explain(error: str, detail: str, limits: Limits) -> str:
    what = {
        "limit.wall": f"it ran longer than {limits.wall_ms:g} ms",
        "limit.cpu": f"it used more than {limits.cpu_ms:g} ms of CPU time",
        "limit.steps": "the interpreter was stopped",
        "limit.memory": f"it used more than {limits.memory} bytes",
        "limit.output": f"it gave more than {limits.output} bytes",
        "sandbox.crash": "the kernel crashed",
        "sandbox.forbidden": "the kernel did something that no kernel may do",
        "sandbox.output": "the kernel left output that is not well formed",
        "sandbox.lost": "the sandbox was lost",
        "image.invalid": "the image of the kernel is not one that can run",
        "sandbox.unavailable": "this host has no sandbox any more",
        "host.exhausted": "the host has no more room for sandboxes",
    }.get(error, error)
    return f"{what} ({detail})" if detail else what
