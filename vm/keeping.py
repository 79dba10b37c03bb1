"""Runs that are kept: with a cache of results, with a journal, finished after they were killed, repeated offline.

    result = await run(program, "main.m", inputs, keeping=keep(memo=memo, recording=Recording(path, sources, compiler)))
    result = await resume(journal, program, given, configs, memo=memo)
    replayed = await replay(journal)

What these promise stands in `spec/24-running.md`. Imported only by whoever keeps a run: the others need no SQLite.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field

from dandc.compiler.flow import (
    CommunicationNode,
    CompositionNode,
    FlowNode,
    FlowType,
    Graph,
    LoopNode,
    MergeNode,
    Program,
)
from dandc.compiler.flow_walk import reachable
from dandc.compiler.keys import encode_key
from dandc.compiler.types import (
    SECRET,
    Named,
    TypeTable,
)
from dandc.lang.values import frozen
from dandc.vm.bundle import dumps, loads
from dandc.vm.decisive import CutOffError, Failing, failing
from dandc.vm.definitions import definitions
from dandc.vm.drivers import CallContext, Driver, EndpointAddress, OutputItem
from dandc.vm.failures import Fault, RunError
from dandc.vm.items import ItemSet
from dandc.vm.journal import Head, Journal, JournalError, create_journal, problem
from dandc.vm.keeper import Keeper, Wanted
from dandc.vm.limits import RunLimits
from dandc.vm.memo import Memo
from dandc.vm.prepare import Earlier, InputItem, Prepared, prepare
from dandc.vm.run import RunResult, run_prepared
from dandc.vm.secrets import SecretBox
from dandc.vm.watch import Watch


@frozen(slots=True)
class Recording:
    """Where a journal goes, and what it holds beside the run itself: texts of the program, its root file, and who compiled it.

    `own`: the images were made by this compiler, so that equal inputs give equal results.
    """

    path: Path
    root: str
    sources: Mapping[str, str] = field(repr=False)
    compiler: str
    own: bool = True


def keep(
    program: Program, graph: str, *, memo: Memo | None = None, recording: Recording | None = None, own: bool = True
) -> Callable[[Prepared], Keeper]:
    """What `run` takes as `keeping`. `own`: the program's images were made by this compiler. The run closes `memo`."""

    def begin(prepared: Prepared) -> Keeper:
        journal = None
        if recording is not None:
            journal = create_journal(recording.path, _head(program, graph, prepared, recording))
        return Keeper(memo, journal, own)

    return begin


def _head(program: Program, graph: str, prepared: Prepared, recording: Recording) -> Head:
    ports = (port.name for port in program.graphs[graph].inputs)
    return Head(
        dumps(program),
        recording.root,
        dict(recording.sources),
        graph,
        recording.compiler,
        recording.own,
        dict(prepared.configs),
        tuple(prepared.endpoints.values()),
        prepared.secrets.handles,
        dict(zip(ports, prepared.inputs, strict=True)),
    )


# Finishing.


async def resume(
    journal: Journal,
    program: Program,
    graph: str,
    inputs: Mapping[str, Sequence[InputItem]],
    configs: Mapping[str, object],
    *,
    recording: Recording,
    memo: Memo | None = None,
    limits: RunLimits | None = None,
    placement: Any = None,
    drivers: Mapping[str, Driver] | None = None,
    watch: Watch | None = None,
) -> RunResult:
    """Finish the run of an open journal with `program`, which may be a corrected one. Raises `RunError`.

    `inputs` and `configs` hold the secrets, which no journal has, and what the program asks for that the journal has not.
    """
    prepared = prepare(program, graph, inputs, configs, earlier(journal.head, program, graph))

    def begin(prepared: Prepared) -> Keeper:
        journal.begin(_head(program, graph, prepared, recording))
        return Keeper(memo, journal, recording.own)

    return await run_prepared(
        program, graph, [prepared], limits=limits, placement=placement, drivers=drivers, keeping=begin, watch=watch
    )


def earlier(head: Head, program: Program, graph: str) -> Earlier:
    """What a journal has of the inputs and configs of `program`: all whose types are still the same, secrets aside."""
    before = loads(head.program)
    old, new = before.graphs[head.graph], program.graphs[graph]
    known = {port.name: port.type for port in old.inputs}
    inputs = {
        port.name: head.inputs[port.name]
        for port in new.inputs
        if port.name in head.inputs and _same(known[port.name], port.type, before.types, program.types)
    }
    types = {config.name: FlowType("one", None, config.type) for config in before.configs}
    configs = {
        config.name: head.configs[config.name]
        for config in program.configs
        if config.name in head.configs
        and _same(types[config.name], FlowType("one", None, config.type), before.types, program.types)
    }
    return Earlier(inputs, configs)


def _same(before: FlowType, now: FlowType, old: TypeTable, new: TypeTable) -> bool:
    """Whether bytes of one type are bytes of the other, and hold no secret."""
    if before != now:
        return False
    parts = definitions(now.item, new) | ({} if now.key is None else definitions(now.key, new))
    return SECRET not in parts and all(old.get(str(t)) == parts[t] for t in parts if isinstance(t, Named))


# Repeating.


@frozen(slots=True)
class Replayed:
    """A run that was repeated: its result, how many instances of kernels ran again, and how many of these were recorded."""

    result: RunResult = field(repr=False)
    compared: int


async def replay(
    journal: Journal,
    *,
    limits: RunLimits | None = None,
    placement: Any = None,
    wanted: Wanted | None = None,
) -> Replayed:
    """Repeat a run that ended, without sending anything. Raises `RunError`: as the run did if it failed, or R0786 if it differs.

    With `wanted` the run goes as far as that instance, which comes as `FoundInstanceError`, or as `FoundCallError`.
    """
    if journal.status == "running" and wanted is None:
        message = f"the run of the journal `{journal.path}` did not end"
        raise problem("R0785", message, "`dandc resume` finishes it")
    head = journal.head
    program = loads(head.program)
    chosen = program.graphs.get(head.graph)
    if chosen is None or any(port.name not in head.inputs for port in chosen.inputs):
        raise problem("R0780", f"cannot read the journal `{journal.path}`: its program is that of another run")
    prepared = Prepared(
        tuple(head.inputs[port.name] for port in chosen.inputs),
        dict(head.configs),
        {e.name: e for e in head.endpoints},
        SecretBox(),
    )
    before, outputs = journal.failure_now(), journal.outputs_now()
    if before is None and journal.status == "failed":
        raise problem("R0780", f"cannot read the journal `{journal.path}`: it does not say how the run failed")
    keeper = Keeper(None, journal, replay=True, wanted=wanted, ties=journal.ties_now(), failure=before)
    offline: dict[str, Driver] = {module: _Offline() for module in _modules(program, head.graph)}
    failed: RunError | None = None
    result = None
    try:
        result = await run_prepared(
            program,
            head.graph,
            [prepared],
            limits=limits,
            placement=placement,
            drivers=offline,
            keeping=lambda _: keeper,
        )
    except RunError as error:
        if error.fault is None:
            raise
        if error.fault.code.startswith("host."):  # that this host has no room says nothing about the run
            raise RunError(*error.diagnostics) from None
        failed = error
    except CutOffError:
        failed = None  # and it should have: calls that were cut off are all that is left
    if wanted is not None:
        raise _not_found(program, chosen, wanted)
    _compare_failures(before, None if failed is None else failed.fault)
    if result is None:
        assert failed is not None
        raise failed
    _compare_outputs(outputs, program, chosen, result)
    return Replayed(result, keeper.compared)


# Nodes that are named where there is none of the name that was asked for.
_MOST_NAMES = 12


def _not_found(program: Program, graph: Graph, wanted: Wanted) -> JournalError:
    """Why there is nothing to look at: a node without instances of its own, or none with that item."""
    node = _node_at(program, graph, wanted.node)
    if node is None:
        known = ", ".join(f"`{n.name}`" for n in graph.nodes[:_MOST_NAMES]) or "none"
        more = " and more" if len(graph.nodes) > _MOST_NAMES else ""
        return problem("R0791", f"the run has no node `{wanted.node}`", f"it has {known}{more}")
    if isinstance(node, CompositionNode | LoopNode):
        turn = "1/" if isinstance(node, LoopNode) else ""
        inner = [f"`{wanted.node}/{turn}{n.name}`" for n in program.graphs[node.graph].nodes[:5]]
        message = f"`{wanted.node}` runs a composition: there are instances of what is in it"
        return problem("R0791", message, f"look at {' or '.join(inner)}")
    if isinstance(node, MergeNode):
        return problem("R0791", f"`{wanted.node}` puts sets together: it has no instances")
    item = f" for the item `{wanted.item}`" * bool(wanted.item)
    note = "an item is called by its key, else by its name, else by its number: `#0`, or `from #0`"
    return problem("R0791", f"the run has no instance of `{wanted.node}`{item}", note)


def _node_at(program: Program, graph: Graph, path: str) -> FlowNode | None:
    """The node that a path of names (and of turns of loops) leads to."""
    node: FlowNode | None = None
    for name in path.split("/"):
        if isinstance(node, LoopNode) and name.isdecimal() and graph.name != node.graph:
            graph = program.graphs[node.graph]
            continue
        if isinstance(node, CompositionNode):
            graph = program.graphs[node.graph]
        node = next((n for n in graph.nodes if n.name == name), None)
        if node is None:
            return None
    return node


def _compare_failures(recorded: Failing | None, fault: Fault | None) -> None:
    """Both or none, and the same one."""
    if (recorded is None and fault is None) or (recorded and fault and recorded.is_that_of(fault)):
        return
    now = None if fault is None else failing(fault)
    first = "it did not fail" if recorded is None else f"it failed {recorded.place}"
    then = "does not fail" if now is None else f"fails {now.place}"
    same = recorded is not None and now is not None and recorded.place == now.place
    message = f"the run does not end as it was recorded: {first}, and now {then}{' in another way' * same}"
    raise problem("R0786", message, *_told("recorded is", recorded), *_told("now it is", now))


def _told(what: str, failure: Failing | None) -> list[str]:
    return [] if failure is None else [f"{what} {failure.code}: {failure.message}"]


def _compare_outputs(recorded: Mapping[str, ItemSet], program: Program, graph: Graph, result: RunResult) -> None:
    for output in graph.outputs:
        before = recorded.get(output.name)
        items = result.outputs[output.name]
        if before is None or len(before) != len(items):
            count = "no" if before is None else str(len(before))
            raise problem("R0786", f"the output `{output.name}` has {len(items)} items, recorded were {count}")
        for number, item in enumerate(items):
            key = None if output.type.key is None else encode_key(output.type.key, item.key, program.types)
            if (key, item.name, item.encoded) != (before.keys[number], before.names[number], before.values[number]):
                raise problem("R0786", f"item {number} of the output `{output.name}` is not the one that was recorded")


def _modules(program: Program, graph: str) -> set[str]:
    nodes = (node for g in reachable(program.graphs, graph) for node in g.nodes)
    return {node.module for node in nodes if isinstance(node, CommunicationNode)}


class _Offline:
    """In place of a driver: everything that it would do stands in the journal."""

    def check_endpoint(self, endpoint: EndpointAddress) -> None:
        """Addresses are those that were good enough for the run."""

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        """Nothing is sent, not even once."""
        return False

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        """Never: the keeper answers first."""
        raise AssertionError(f"`{operation}` was to be sent during a replay")

    async def aclose(self) -> None:
        """Nothing is open."""


__all__ = ["Recording", "Replayed", "earlier", "keep", "replay", "resume"]
