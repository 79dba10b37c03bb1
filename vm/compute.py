"""Runs a call of a pure kernel: packs its instances into shards, and finds the guilty one when a shard dies.

Why packing: a fresh sandbox costs about one fork, a small kernel a microsecond, so instances *of the same call* share
a sandbox until the shard costs about `TARGET_US`. The first instances of a kernel run alone; they tell what one
costs. A trap is its instance's own. When a packed shard crashes or exceeds a limit nothing it left is believed:
it is cut in half until the guilty instance stands alone. Must never pack across calls.
"""

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field

from dandc.compiler.flow import ComputeNode, KernelImage, ReduceNode
from dandc.isolation import Limits
from dandc.isolation import Outcome as Ended
from dandc.vm.admission import Share, Ticket, TooBigError
from dandc.vm.bounds import in_flight, kernel_limits
from dandc.vm.collect import InstanceFault, read_shard, renumbered
from dandc.vm.context import NodeResult, RunContext
from dandc.vm.inputs import block_bytes, build_block, chosen_rows
from dandc.vm.limits import size_text
from dandc.vm.outcome import Outcome
from dandc.vm.packing import TARGET_US, Packer
from dandc.vm.placement import Metered, Placement
from dandc.vm.plans import learn_items
from dandc.vm.tasks import off_loop, together

_NOBODYS_FAULT = ("host.", "image.", "sandbox.unavailable")


async def run_compute(node: ComputeNode | ReduceNode, outcome: Outcome) -> NodeResult:
    """The outputs of all instances; raises `NodeFailedError` for a fault that the call's policy does not take."""
    context, feed = outcome.context, outcome.feed
    kernel = context.program.kernels[node.kernel]
    assert context.placement is not None
    call = _Call(context, context.placement, node, kernel, Packer(context.costs, kernel, feed), outcome)
    if context.keeper is not None and context.keeper.remembers:
        from dandc.vm.recall import Recall

        call.packer.recall = Recall(context.keeper, kernel, outcome, context.summary.at(outcome.name))
    workers = in_flight(node.policies, context.limits.sandboxes)
    if feed.ended:
        workers = min(feed.count, workers)
        context.watch.expect(outcome.name, feed.count)
    if workers:
        await together([call.work] * workers)
    return await outcome.result()


@define(slots=True, eq=False, repr=False)
class _Call:
    """One call at work: its workers run shards until no range is left."""

    context: RunContext
    placement: Placement
    node: ComputeNode | ReduceNode
    kernel: KernelImage
    packer: Packer
    outcome: Outcome
    alone: Limits = field(init=False)
    footprint: int = field(init=False)
    meter: Metered | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.alone, self.footprint = kernel_limits(self.context.limits, self.node.policies)
        self.meter = self.placement if isinstance(self.placement, Metered) else None

    async def work(self) -> None:
        """Run ranges until there are none."""
        seat = _Seat(self.context.admission, self.footprint, self.packer)
        try:
            while await self._something(seat):
                if not await self._unknown():
                    continue
                try:
                    await seat.renew()
                except TooBigError as error:
                    self._refuse(error)
                    continue
                span = self.packer.take()
                if span is not None:
                    await self._run(*span)
                    self.packer.ended()
        finally:
            seat.leave()

    async def _something(self, seat: "_Seat") -> bool:
        """Wait until an instance waits; False when none will any more. Nobody's sandbox is held meanwhile."""
        while True:
            if not self.packer.waiting:
                seat.leave()
                if self.packer.over:
                    return False
                await self.packer.feed.signal.wait()
            elif self.outcome.full:
                seat.leave()
                await self.outcome.room()
            else:
                return True

    async def _unknown(self) -> bool:
        """Whether something must run: what waits and is known has ended when this returns."""
        recall = self.packer.recall
        if recall is None:
            return True
        await recall.ahead(self.packer.next_first)
        return self.packer.pass_known()

    async def _run(self, first: int, last: int) -> None:
        recall = self.packer.recall
        instances = self._open(first, last)
        if not instances:
            self.packer.feed.done(first, last)
            return
        with self.context.watch.under_way("sandbox", self.outcome.name, len(instances)) as span:
            result = await self._place(first, last, instances)
            span.error = result.error or ""
        if result.error is not None:
            await self._failed_shard(first, last, result, instances)
            return
        whole = len(instances) == last - first
        base = first if whole else 0
        try:
            output = await off_loop(result.size, read_shard, self.kernel, result, base, self.context.program.types)
        except MemoryError:
            lost = evolve(result, error="host.exhausted", detail="no memory for the outputs")
            await self._failed_shard(first, last, lost, instances)
            return
        self._say_limits(output.faults)
        if recall is not None:
            output = output if whole else renumbered(output, instances)
            await recall.keep(output, instances)
        self._learn(len(instances), result)
        chosen = self.packer.feed.chosen_items(first, last)
        if chosen:
            learn_items(self.context, self.kernel.name, chosen, self.packer.expected_us(last - first))
        for instance, text in output.notes:
            self.outcome.note(instance, text)
        self.outcome.add(output.columns)
        if output.faults:
            self._take_faults(output.faults)
        self._done(first, last, output.again)

    def _say_limits(self, faults: dict[int, InstanceFault]) -> None:
        """An image knows that it ran out, and not of how much."""
        for instance, fault in faults.items():
            if fault.code in ("limit.memory", "limit.output"):
                faults[instance] = evolve(fault, message=_explain(fault.code, "", self.alone))

    def _open(self, first: int, last: int) -> Sequence[int]:
        """The instances of a range that must run."""
        return range(first, last) if self.packer.recall is None else self.packer.recall.open(first, last)

    def _learn(self, instances: int, result: Ended) -> None:
        """CPU time is better than wall time, which counts what else the machine does, but it is known later."""
        usage = None if self.meter is None else self.meter.usage(self.kernel)
        if result.cpu_us is not None:
            self.packer.measured(instances, result.cpu_us)
        elif usage is not None and usage.calls:
            self.packer.metered(usage)
        else:
            self.packer.measured(instances, result.wall_us)

    def _done(self, first: int, last: int, again: Sequence[int]) -> None:
        """Let go of a range but for the instances that run again."""
        if again:
            self.packer.run_again(again)
        for instance in again:
            if first < instance:
                self.packer.feed.done(first, instance)
            first = instance + 1
        if first < last:
            self.packer.feed.done(first, last)

    async def _place(self, first: int, last: int, instances: Sequence[int]) -> Ended:
        count = len(instances)
        limits = self._limits(count)
        sets, rows = self.packer.feed.cut(first, last)
        if count < last - first:
            rows = chosen_rows(rows, len(sets), first, instances)
        block = await off_loop(sum(map(block_bytes, sets)), build_block, sets, rows, count)
        background = self.packer.expected_us(count) > 2 * TARGET_US
        return await self.placement.run_shard(self.kernel, block, 0, count, limits, background=background)

    def _limits(self, instances: int) -> Limits:
        limits = self.alone
        if instances == 1:
            return limits
        patience = self.packer.patience_ms(instances)
        if patience >= limits.wall_ms and patience >= limits.cpu_ms:
            return limits
        return evolve(limits, wall_ms=min(limits.wall_ms, patience), cpu_ms=min(limits.cpu_ms, patience))

    async def _failed_shard(self, first: int, last: int, result: Ended, instances: Sequence[int]) -> None:
        """A shard that left nothing to believe: halve it, or blame its only instance."""
        error = result.error or ""
        count = len(instances)
        if count > 1 and error in ("limit.wall", "limit.cpu"):
            self.packer.underestimated(count, result.wall_us)
        # Bisecting finds a guilty instance; trouble of the host or with the image has none.
        if count > 1 and not error.startswith(_NOBODYS_FAULT):
            self.packer.split(first, last)
            return
        fault = InstanceFault(error, _explain(error, result.detail, self.alone))
        if self.packer.recall is not None:
            await self.packer.recall.lose(instances, fault)
        self._take_faults(dict.fromkeys(instances, fault))
        self.packer.feed.done(first, last)

    def _refuse(self, error: TooBigError) -> None:
        """No sandbox can ever be given to what waits."""
        enough = 1 << 30
        while enough < error.asked:
            enough *= 2
        hint = f"`--memory {size_text(enough)}` gives the calls of a run more (in Python: `RunLimits(memory=...)`)"
        fault = InstanceFault("host.exhausted", str(error), hint=hint)
        while (span := self.packer.take()) is not None:
            self._take_faults(dict.fromkeys(self._open(*span), fault))
            self.packer.feed.done(*span)
            self.packer.ended()

    def _take_faults(self, faults: Mapping[int, InstanceFault]) -> None:
        for instance, what in sorted(faults.items()):
            hint = what.hint or _cure(what.code, self.alone)
            self.outcome.fail(instance, what.code, what.message, site=what.site, hint=hint)


@define(slots=True, eq=False, repr=False)
class _Seat:
    """A worker's claim to a sandbox."""

    admission: Share
    memory: int
    packer: Packer
    ticket: Ticket | None = None

    async def renew(self) -> None:
        """A claim to another sandbox; raises `TooBigError`.

        It is asked for before the last one is given back: a call with enough to do does not lose its turn to a few
        items of another call, which become more while they wait. Where nobody waits, the last one would be handed out
        again at once: it is kept.
        """
        last = self.ticket
        if last is not None and last.lasts():
            return
        signal = self.packer.feed.signal
        self.ticket = ticket = self.admission.ask(self.memory, signal.ring, urgent=self.packer.urgent())
        if last is not None:
            last.give_back()
        while not ticket.granted:
            await signal.wait()
            if self.packer.urgent():
                ticket.hurry()

    def leave(self) -> None:
        """Give the claim up."""
        if self.ticket is not None:
            self.ticket.give_back()
            self.ticket = None


def _time_text(ms: float) -> str:
    """A time as policies write it: `10s`."""
    return f"{ms / 1000:g}s" if ms >= 1000 and ms % 1000 == 0 else f"{ms:g}ms"


def _cure(error: str, limits: Limits) -> str:
    """How a call is given four times as much of what its instance ran out of."""
    cure = {
        "limit.wall": f"time {_time_text(4 * limits.wall_ms)}",
        "limit.cpu": f"time {_time_text(4 * limits.cpu_ms)}",
        "limit.memory": f"memory {size_text(4 * limits.memory)}",
        "limit.output": f"output {size_text(4 * limits.output)}",
    }.get(error)
    return f"behind the call, `limit {cure}` gives it more" if cure else ""


def _explain(error: str, detail: str, limits: Limits) -> str:
    limit = {
        "limit.wall": f"it ran longer than its limit of {_time_text(limits.wall_ms)}",
        "limit.cpu": f"it used more CPU time than its limit of {_time_text(limits.cpu_ms)}",
        "limit.memory": f"it needs more memory than its limit of {size_text(limits.memory)}",
        "limit.output": f"it gives more than its limit of {size_text(limits.output)}",
    }.get(error)
    if limit is not None:
        return limit
    what = {
        "limit.steps": "the interpreter was stopped",
        "sandbox.crash": "the kernel crashed",
        "sandbox.forbidden": "the kernel did something that no kernel may do",
        "sandbox.output": "the kernel left output that is not well formed",
        "sandbox.lost": "the sandbox was lost",
        "image.invalid": "the image of the kernel is not one that can run",
        "sandbox.unavailable": "the kernel cannot be run here any more",
        "host.exhausted": "the host has no more room for sandboxes",
    }.get(error, error)
    return f"{what} ({detail})" if detail else what
