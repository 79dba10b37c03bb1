"""What the machine asks before it computes or sends, and tells afterwards: the one place that knows cache, journal and replay.

`compute.py` asks for ranges of instances of kernels, `communicate.py` for single calls of drivers, `graph.py` gives instances of
compositions a scope of their own. A run has a cache (`memo.py`), a journal (`journal.py`), both or neither; when it is
repeated, kernels run again and must end as they did, and nothing is sent at all. Must never keep a secret: faults
come here scrubbed, and items hold handles.
"""

import json
import struct
import time
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from operator import lt
from typing import Any, NoReturn

import anyio
import anyio.to_thread
from attrs import define, evolve, field

from dandc.compiler.flow import KernelImage
from dandc.compiler.types import TypeTable
from dandc.lang.values import frozen
from dandc.vm.collect import Columns
from dandc.vm.context import RunContext
from dandc.vm.database import Write
from dandc.vm.decisive import CutOffError, Decisive, Failing, failing, read_failing
from dandc.vm.digests import digest, instance_digests, kernel_prefix
from dandc.vm.effects import Effects, effect_name
from dandc.vm.failures import Fault, StopError
from dandc.vm.grouping import Cutter
from dandc.vm.items import ItemSet
from dandc.vm.journal import Journal, nodes_write, problem
from dandc.vm.kept import Ended, KeptError, KeptFault, fault_of, pack, pack_all, unpack, unpack_all
from dandc.vm.memo import Memo
from dandc.vm.request import Request
from dandc.vm.scope import Scope
from dandc.vm.summary import Summary
from dandc.vm.tasks import off_loop
from dandc.vm.tracks import Origin
from dandc.vm.why import alone_in

# `send(effect)`: makes a call of a driver, which may tell the service the name of the effect.
_SNAPSHOT_S = 0.5
# About what packing an item touches beside its value.
_ITEM_BYTES = 512
Send = Callable[[str], Awaitable[Ended]]


@define(slots=True, eq=False, repr=False)
class Recalled:
    """Of a range of instances: their digests, and how those ended that are known, by their place in the range.

    `plain` are the values of those that gave one item without key and name, the common case; `known` all others. `cached` and
    `recorded` count those that did not fail by where they were known from; `taken` is what only the cache has.
    """

    digests: list[bytes]
    known: dict[int, Ended] = field(factory=dict)
    plain: dict[int, bytes] = field(factory=dict)
    cached: int = 0
    recorded: int = 0
    taken: list[tuple[bytes, bytes]] = field(factory=list)

    def unknown(self) -> list[bytes]:
        """The digests of instances that are not known."""
        if not self.known and not self.plain:
            return self.digests
        return [key for i, key in enumerate(self.digests) if i not in self.known and i not in self.plain]

    def take(self, found: Mapping[bytes, bytes], kernel: KernelImage, types: TypeTable) -> int:
        """Read what was found by digest, and count what did not fail; what is no result of this kernel is as good as none."""
        if not found:
            return 0
        places = {i: found[key] for i, key in enumerate(self.digests) if key in found}
        known, plain = unpack_all(places, kernel.outputs, types)
        self.known.update(known)
        self.plain.update(plain)
        return len(plain) + sum(ended.fault is None for ended in known.values())

    def ended(self, place: int) -> Ended | None:
        """How one instance ended, if that is known."""
        value = self.plain.get(place)
        return self.known.get(place) if value is None else Ended(((0, None, None, value),))


@define(slots=True, eq=False, repr=False)
class Cuts:
    """The groups of one call as they were cut in an earlier run, and as they are now: one row of starts a part of a join."""

    call: bytes
    known: bytes
    made: list[Sequence[int]] = field(factory=list)

    def cutter(self, cut: Cutter) -> Cutter:
        """A cutter that cuts as before where that is still possible."""
        rows = _rows(self.known)

        def again(items: Sequence[int], sizes: Sequence[int]) -> Sequence[int]:
            row = rows[len(self.made)] if len(self.made) < len(rows) else array("q")
            fits = len(row) > 0 and row[0] == 0 and row[-1] == len(items) - 1 and all(map(lt, row, row[1:]))
            self.made.append(row if fits else cut(items, sizes))
            return self.made[-1]

        return again

    def data(self) -> bytes:
        """The groups as they are now."""
        return b"".join(struct.pack("<Q", len(row)) + array("q", row).tobytes() for row in self.made)


def _rows(data: bytes) -> list["array[int]"]:
    """The rows of starts in some bytes; what is no row is left out, and the machine cuts anew."""
    rows = []
    at = 0
    while at + 8 <= len(data):
        (count,) = struct.unpack_from("<Q", data, at)
        end = at + 8 + 8 * count
        if end > len(data):
            break
        rows.append(array("q", data[at + 8 : end]))
        at = end
    return rows


@frozen(slots=True)
class Wanted:
    """The instance that somebody wants to look at: a node in its path, and an item as people call it (empty: the first)."""

    node: str
    item: str


class FoundInstanceError(StopError):
    """Ends a repeated run: the wanted instance is about to run. `items` are its arguments, a set a parameter."""

    def __init__(self, kernel: str, item: str, items: list[ItemSet], recorded: Ended | None) -> None:
        super().__init__(kernel)
        self.kernel = kernel
        self.item = item
        self.items = items
        self.recorded = recorded


class FoundCallError(StopError):
    """Ends a repeated run: the wanted call of a driver is here. `items` are its arguments, a set a parameter, secrets by handle."""

    def __init__(self, request: Request, items: Sequence[ItemSet], recorded: Ended | None) -> None:
        super().__init__(request.name)
        self.request = request
        self.items = items
        self.recorded = recorded


@define(slots=True, eq=False, repr=False)
class Keeper:
    """What is kept of one run, and what it may take from earlier ones.

    `pure`: the images were made by this compiler, so that equal inputs give equal results. `replay`: the journal says how
    everything ended, and nothing else may happen; `ties` are the numbers that equal instances had, `failure` is what ended the run.
    """

    memo: Memo | None = None
    journal: Journal | None = None
    pure: bool = True
    replay: bool = False
    wanted: Wanted | None = None
    ties: Mapping[bytes, int] = field(factory=dict)
    failure: Failing | None = None
    compared: int = 0
    _effects: Effects = field(factory=Effects)
    _first: dict[bytes, bytes] = field(factory=dict)
    _turns: dict[bytes, int] = field(factory=dict)
    _prefixes: dict[str, bytes] = field(factory=dict)

    # Kernels.

    @property
    def remembers(self) -> bool:
        """Whether anything is known or kept of kernels."""
        return self.pure and (self.memo is not None or self.journal is not None)

    async def recall(
        self, kernel: KernelImage, types: TypeTable, sets: Sequence[ItemSet], rows: "array[int]", count: int
    ) -> Recalled:
        """What is known of `count` instances that see the items `rows` of `sets`."""
        return await anyio.to_thread.run_sync(self._recall, kernel, types, sets, rows, count)

    def _recall(
        self, kernel: KernelImage, types: TypeTable, sets: Sequence[ItemSet], rows: "array[int]", count: int
    ) -> Recalled:
        recalled = Recalled(instance_digests(self._prefix(kernel), sets, rows, count))
        if self.journal is not None and not self.journal.fresh:
            recalled.recorded = recalled.take(self._journaled(recalled.digests), kernel, types)
        if self.memo is not None and not self.replay:
            found = self.memo.results_now(recalled.unknown())
            recalled.cached = recalled.take(found, kernel, types)
            recalled.taken = list(found.items())
        return recalled

    def _journaled(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """What the journal has of instances: everything, but of a run that is repeated only what cannot be repeated."""
        assert self.journal is not None
        if not self.replay:
            return self.journal.results_now(digests)
        lost = self.journal.results_now(digests, lost=True)
        return self.journal.results_now(digests) | lost if self.wanted is not None else lost

    def _prefix(self, kernel: KernelImage) -> bytes:
        if kernel.name not in self._prefixes:
            self._prefixes[kernel.name] = kernel_prefix(kernel)
        return self._prefixes[kernel.name]

    async def keep(
        self,
        digests: Sequence[bytes],
        columns: Sequence[Columns],
        faults: Mapping[int, KeptFault],
        notes: Sequence[tuple[int, str]],
        instances: Sequence[int],
        name: str,
        item_text: Callable[[int], str],
    ) -> None:
        """How instances have ended that were not known; `digests` in order of `instances`."""
        if not instances:
            return
        size = sum(sum(map(len, column.values)) + _ITEM_BYTES * len(column.values) for column in columns)
        packed = await off_loop(size, pack_all, columns, faults, notes, instances)
        if self.replay:
            await self._compare(digests, packed, name, lambda i: item_text(instances[i]))
            return
        rows = [(key, data) for key, data in zip(digests, packed, strict=True) if data is not None]
        if self.journal is not None:
            await self.journal.add_pure(rows)
            lost = [
                (key, pack(Ended((), faults[instance])))
                for key, data, instance in zip(digests, packed, instances, strict=True)
                if data is None
            ]
            if lost:
                await self.journal.add_pure(lost, lost=True)
        if self.memo is not None:
            await self.memo.keep(rows)

    async def take_over(self, recalled: Recalled) -> None:
        """Journal what the cache knew, so that the journal alone can finish or repeat the run."""
        if self.journal is not None and recalled.taken:
            await self.journal.add_pure(recalled.taken)

    def found(self, kernel: str, item: str, items: list[ItemSet], recorded: Ended | None) -> NoReturn:
        """The wanted instance is here."""
        raise FoundInstanceError(kernel, item, items, recorded)

    async def _compare(
        self, digests: Sequence[bytes], packed: Sequence[bytes | None], name: str, item: Callable[[int], str]
    ) -> None:
        """Hold what kernels give now against what they gave."""
        assert self.journal is not None
        found = await anyio.to_thread.run_sync(self.journal.results_now, digests)
        for i, (key, data) in enumerate(zip(digests, packed, strict=True)):
            before = found.get(key)
            if before is not None and data != before and not _only_scrubbed(before, data):
                raise problem("R0786", f"`{name}` does not end as it was recorded{_of(item(i))}")
            self.compared += before is not None

    # Calls of drivers.

    async def answer(self, request: Request, send: Send) -> Ended:
        """How a call ends: as it did, or by making it."""
        if request.once is not None:
            return await self._effects.answer(self, request, send)
        call = self._call(request)
        journal = self.journal
        if journal is not None and not journal.fresh:
            _, found = await journal.answer(call)
            known = self.reusable(request, self.read(request, found))
            if known is not None or self.replay:
                return known or await self.missing(request)
        cached = await self._cached(request)
        if cached is not None:
            self.count(request, cached=1)
        elif journal is not None and not request.repeatable:
            journal.add_answer(call, request.name, request.item, None)
            await journal.commit()
        ended = cached or await send("")
        data = pack(ended)
        if journal is not None:
            journal.add_answer(call, request.name, request.item, data)
            await journal.commit()
        if request.node.policies.cache_ms and self.memo is not None and cached is None and ended.fault is None:
            await self.memo.keep([(self._answer_key(request), data)], aging=True)
        return ended

    async def found_call(self, request: Request, items: Sequence[ItemSet]) -> NoReturn:
        """The wanted call is here."""
        journal = self.journal
        assert journal is not None
        if request.once is None:
            _, found = await journal.answer(self._call(request))
        else:
            effect = await journal.effect(effect_name(request))
            found = None if effect is None else effect[1]
        raise FoundCallError(request, items, self.read(request, found))

    def _call(self, request: Request) -> bytes:
        """What tells this call from all others of the run: node, scope, item, arguments; and a number where all are equal."""
        base = digest(request.name, request.context.scope.id, request.own, request.arguments)
        return digest(base, self._turn(base, request.origin).to_bytes(8, "little"))

    def _turn(self, base: bytes, origin: Origin) -> int:
        """The number of an instance among those that are equal to it: as it began, or as it began when it was recorded.

        Which of them begins first is chance. A run that is finished may take the answer of any of them for any other, but a run
        that is repeated may not: so the journal says which origin had which number.
        """
        tie = digest(base, *(number.to_bytes(8, "little") for number in origin))
        if self.replay:
            return self.ties.get(tie, 0)
        first = self._first.setdefault(base, tie)
        if first == tie:
            return 0
        turn = self._turns.get(base, 1)
        self._turns[base] = turn + 1
        if self.journal is not None:
            if turn == 1:
                self.journal.add_tie(first, 0)
            self.journal.add_tie(tie, turn)
        return turn

    def reusable(self, request: Request, ended: Ended | None) -> Ended | None:
        """A recorded end that this run may take: when a run is finished, failures that ended it are tried again."""
        if ended is None:
            return None
        if ended.fault is not None and not self.replay and request.node.policies.on_failure == "fail":
            return None
        self.count(request, recorded=1)
        return ended

    def read(self, request: Request, found: bytes | None) -> Ended | None:
        """A recorded end, unless there is none, or none that is one of this call."""
        if found is None:
            return None
        try:
            return unpack(found, request.node.declared, request.context.program.types)
        except KeptError:
            if self.replay:
                raise problem(
                    "R0780", f"the journal is damaged: `{request.name}` cannot have ended like this"
                ) from None
            return None

    async def missing(self, request: Request) -> Ended:
        """A call without an end in the journal: of a run that failed it was cut off, and so it is now."""
        assert self.journal is not None
        if self.journal.status == "failed":
            raise CutOffError
        raise problem("R0787", f"the journal has no answer for `{request.name}`{_of(request.item)}")

    def count(self, request: Request, *, cached: int = 0, recorded: int = 0) -> None:
        """Count an end that was taken from somewhere."""
        counts = request.context.summary.at(request.name)
        counts.cached += cached
        counts.recorded += recorded

    async def _cached(self, request: Request) -> Ended | None:
        age = request.node.policies.cache_ms
        if not age or self.memo is None:
            return None
        return self.read(request, await self.memo.answer(self._answer_key(request), age))

    def _answer_key(self, request: Request) -> bytes:
        """Operation, arguments, and the addresses that these are about: which ones, only the driver knows."""
        node = request.node
        own = (e for e in request.context.call.endpoints.values() if e.module == node.module)
        places = [part for e in sorted(own, key=lambda e: e.name) for part in (e.name, e.url)]
        return digest("dandc.answer.1", node.module, node.operation, request.arguments, *places)

    # Compositions.

    @property
    def settles(self) -> bool:
        """Whether sets are complete before a call takes them, so that an instance can be looked for by its number.

        Not in a run that did not finish: calls that were cut off have no answer, and what waits for them would wait for ever.
        """
        return self.wanted is not None and self.journal is not None and self.journal.status == "finished"

    async def was_late(self, scope: Scope, name: str) -> bool:
        """Whether a run of a graph used up its time when it was recorded."""
        assert self.journal is not None
        key = digest("dandc.late.1", scope.id, name)
        return bool(await anyio.to_thread.run_sync(partial(self.journal.results_now, [key], lost=True)))

    async def note_late(self, scope: Scope, name: str) -> None:
        """Write down that a run of a graph has used up its time."""
        if self.journal is not None:
            await self.journal.add_pure([(digest("dandc.late.1", scope.id, name), b"")], lost=True)

    async def decisive(self, scope: Scope, path: str) -> Decisive:
        """What ends a run of a graph, of a run that is repeated."""
        assert self.journal is not None
        if not path:
            return Decisive(self.failure, self.wanted is not None)
        key = _failure_key(scope, path)
        found = await anyio.to_thread.run_sync(partial(self.journal.results_now, [key], lost=True))
        try:
            return Decisive(read_failing(json.loads(found.get(key, b"null"))), self.wanted is not None)
        except ValueError as error:
            message = f"cannot read the journal `{self.journal.path}`: it is damaged"
            raise problem("R0780", message, str(error)) from None

    async def note_failure(self, scope: Scope, path: str, fault: Fault) -> None:
        """Write down what has ended a run of a graph; of the outermost one the end of the journal says it."""
        if self.journal is not None and not self.replay and path:
            await self.journal.add_pure([(_failure_key(scope, path), failing(fault).data())], lost=True)

    async def cuts(self, scope: Scope, name: str) -> "Cuts":
        """How the groups of a call were cut before."""
        call = digest("dandc.cuts.1", scope.id, name)
        known = None if self.journal is None or self.journal.fresh else await self.journal.cut(call)
        return Cuts(call, known or b"")

    def keep_cuts(self, cuts: "Cuts") -> None:
        """Write down how the groups of a call are cut now."""
        if self.journal is not None and not self.replay:
            self.journal.add_cut(cuts.call, cuts.data())

    def inside(self, context: RunContext, name: str, own: bytes, inputs: bytes, origin: Origin) -> RunContext:
        """The context of one instance of a composition; `inputs` is a digest, and empty where there is one instance only."""
        more = (name.encode("utf-8", "surrogatepass"), b"" if own else inputs)
        turn = self._turn(digest(context.scope.id, own, *more), origin)
        return evolve(context, scope=context.scope.inside(own, turn, *more))

    # The end.

    def story(self, summary: Summary) -> dict[str, Any]:
        """What is written down of every node: its counts, why it was skipped, and keys without a partner."""
        stories: dict[str, Any] = {}
        for name, counts in summary.nodes.items():
            because = summary.because.get(name)
            stories[name] = {**counts.as_dict(), **({"because": because} if because else {})}
        for name, sentences in alone_in(summary).items():
            stories[name]["alone"] = list(sentences)
        return stories

    async def ended(self, outputs: Mapping[str, ItemSet], fault: Fault | None, summary: Summary) -> None:
        """The run has given its outputs, or failed."""
        if self.memo is not None:
            await self.memo.finish()
        if self.journal is None or self.replay:
            return
        failure = None if fault is None else failing(fault)
        await self.journal.commit()
        status = "finished" if fault is None else "failed"
        await anyio.to_thread.run_sync(self.journal.end, status, dict(outputs), failure, self.story(summary))

    def watch(self, summary: Summary) -> None:
        """Write the counts of the nodes down from time to time, so that a run that is killed has told something."""
        if self.journal is not None and not self.replay:
            self.journal.database.before = _Snapshots(self, summary).take

    def close(self) -> None:
        """Let files go."""
        if self.memo is not None:
            self.memo.close()
        if self.journal is not None:
            self.journal.close()


@define(slots=True, eq=False, repr=False)
class _Snapshots:
    """The counts of a run's nodes for its journal, at most twice a second."""

    keeper: Keeper
    summary: Summary
    last: float = 0.0

    def take(self) -> list[Write]:
        """The rows to write now; none if some have just been written."""
        now = time.monotonic()
        if now - self.last < _SNAPSHOT_S:
            return []
        self.last = now
        return [nodes_write(self.keeper.story(self.summary))]


def _only_scrubbed(before: bytes, now: bytes | None) -> bool:
    """Whether two faults differ in the message alone, and a secret was taken out of the recorded one."""
    recorded, fault = fault_of(before), fault_of(now or b"")
    if recorded is None or fault is None:
        return False
    return "secret(" in recorded.message and evolve(fault, message=recorded.message) == recorded


def _failure_key(scope: Scope, path: str) -> bytes:
    return digest("dandc.failed.1", scope.id, path)


def _of(item: str) -> str:
    return f" for the item `{item}`" if item else ""
