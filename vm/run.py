"""Runs a composition of a program: takes inputs in, interprets its graph, gives typed outputs back.

The only entrance to the machine. Everything that can be wrong with what the caller gave is found and reported together
before anything runs; after that a run ends with a `RunResult` or a `RunError`, and has stopped everything it
started. Must never be entered with two runs sharing drivers: connections belong to one run.
"""

import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from attrs import field

from dandc.compiler.encoding import EncodingError, decode
from dandc.compiler.flow import CommunicationNode, FlowType, Graph, NodeSource, Program
from dandc.compiler.flow_walk import called_kernel, reachable
from dandc.compiler.keys import decode_key
from dandc.lang.collector import collector_paused
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.values import frozen
from dandc.vm.admission import Admission
from dandc.vm.bulk import decode_all, decode_all_keys, make_all
from dandc.vm.context import RunContext
from dandc.vm.drivers import CallContext, Driver, EndpointAddress, NoDriverError, open_driver
from dandc.vm.failures import Fault, NodeFailedError, RunError, StopError, diagnose
from dandc.vm.graph import run_graph
from dandc.vm.items import ItemSet, all_bytes, total_bytes
from dandc.vm.limits import RunLimits
from dandc.vm.local import Isolation, open_local
from dandc.vm.packing import Costs
from dandc.vm.placement import Placement
from dandc.vm.prepare import InputItem, Prepared, prepare
from dandc.vm.summary import NodeCounts, Note, Summary
from dandc.vm.tasks import off_loop
from dandc.vm.watch import Watch
from dandc.vm.why import alone_in

if TYPE_CHECKING:
    from dandc.vm.keeper import Keeper

_CLOSE_S = 2.0
# About what taking in or handing out an item touches beside its value.
_ITEM_BYTES = 200


@frozen(slots=True)
class OutputItem:
    """One item of an output: its name, its key (None without one), its neutral value, and that as bytes."""

    name: str
    key: object
    value: object
    encoded: bytes = field(repr=False)


@frozen(slots=True)
class RunResult:
    """What a run gave: items by output, `{"ran", "skipped", "failed"}` by node, and what kernels noted.

    `because` says of skipped nodes what was not there, `alone` of joins which keys had no partner, a sentence for each side.
    """

    outputs: dict[str, tuple[OutputItem, ...]]
    nodes: dict[str, NodeCounts]
    notes: tuple[Note, ...]
    because: dict[str, str] = field(factory=dict)
    alone: dict[str, tuple[str, ...]] = field(factory=dict)


async def run(
    program: Program,
    graph: str,
    inputs: Mapping[str, Sequence[InputItem]],
    *,
    configs: Mapping[str, object] | None = None,
    limits: RunLimits | None = None,
    placement: Placement | None = None,
    isolation: Isolation = "process",
    drivers: Mapping[str, Driver] | None = None,
    watch: Watch | None = None,
    keeping: "Callable[[Prepared], Keeper] | None" = None,
) -> RunResult:
    """Run the composition `graph`. Raises `RunError`.

    Inputs and configs of type `secret` are `Secret` or str. `placement` and `drivers` stand in for the sandbox pool of
    this machine and for the standard drivers; the caller closes them. A placement of `open_local` may serve
    several runs at once; without one, `isolation` says how kernels are run (`open_local`). `watch` looks on, `keeping`
    makes what keeps the run's results.
    """
    count = sum(len(items) for items in inputs.values())
    prepared = [await off_loop(_ITEM_BYTES * count, prepare, program, graph, inputs, configs or {})]
    return await run_prepared(
        program,
        graph,
        prepared,
        limits=limits,
        placement=placement,
        isolation=isolation,
        drivers=drivers,
        watch=watch,
        keeping=keeping,
    )


async def run_prepared(
    program: Program,
    graph: str,
    given: list[Prepared],
    *,
    limits: RunLimits | None = None,
    placement: Placement | None = None,
    isolation: Isolation = "process",
    drivers: Mapping[str, Driver] | None = None,
    watch: Watch | None = None,
    keeping: "Callable[[Prepared], Keeper] | None" = None,
) -> RunResult:
    """The same with inputs that were taken in already: `given` holds them and is emptied, so that the machine can forget them."""
    limits = limits or RunLimits()
    prepared = given.pop()
    chosen = program.graphs[graph]
    graphs = reachable(program.graphs, graph)
    summary = Summary()
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(_drivers(graphs, drivers or {}))
        _check_endpoints(prepared.endpoints, opened)
        if placement is None and any(called_kernel(node) is not None for g in graphs for node in g.nodes):
            placement = await stack.enter_async_context(open_local(limits, isolation))
        context = _context(program, limits, prepared, opened, placement, summary, watch or Watch())
        sets = list(prepared.inputs)
        # A journal begins with all inputs, on the disk.
        context.keeper = _keeper(graphs) if keeping is None else await _begun(keeping, prepared)
        del prepared  # so that the machine can forget a set after its last reader
        if context.keeper is not None:
            stack.callback(context.keeper.close)
            context.keeper.watch(summary)
        sets = await _ended(context, chosen, sets)
    size = sum(total_bytes(items) + _ITEM_BYTES * len(items) for items in sets)
    return await off_loop(size, _result, program, chosen, sets, summary)


async def _begun(keeping: "Callable[[Prepared], Keeper]", prepared: Prepared) -> "Keeper":
    """What `keeping` makes, in a worker thread that has ended when this has.

    Ctrl-C cancels a task in a way that no scope shields, and leaves the thread behind: the process would end in the midst of a file.
    So who is cancelled takes the turn of work that has not begun, or stands still until it is over.
    """
    turn, made, cancelled = threading.Lock(), [], False

    def work() -> None:
        with turn:
            if not cancelled:
                made.append(keeping(prepared))

    try:
        await anyio.to_thread.run_sync(work)
    except BaseException:
        with turn:
            cancelled = True
        for keeper in made:
            keeper.close()
        raise
    return made[0]


def _keeper(graphs: Sequence[Graph]) -> "Keeper | None":
    """Within one run effects are done once whether it is recorded or not."""
    if all(node.policies.once is None for graph in graphs for node in graph.nodes):
        return None
    from dandc.vm.keeper import Keeper

    return Keeper()


async def _ended(context: RunContext, graph: Graph, inputs: list[ItemSet]) -> list[ItemSet]:
    """The output sets of the run, after whoever keeps it has been told how it ended; raises `RunError`."""
    keeper = context.keeper
    try:
        sets = await run_graph(context, graph, inputs)
    except NodeFailedError as error:
        if keeper is not None:
            await keeper.ended({}, error.fault, context.summary)
        raise RunError(diagnose(error.fault), fault=error.fault) from None
    except BaseExceptionGroup as group:
        raise _stopped(group) from None
    if keeper is not None:
        named = dict(zip((output.name for output in graph.outputs), sets, strict=True))
        await keeper.ended(named, None, context.summary)
    return sets


def _stopped(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ends a run out of the midst of its tasks; several may have met it at the same time."""
    stops, others = group.split(StopError)
    stop: BaseException | None = stops
    while isinstance(stop, BaseExceptionGroup):
        stop = stop.exceptions[0]
    return group if stop is None or others is not None else stop


def _context(
    program: Program,
    limits: RunLimits,
    prepared: Prepared,
    drivers: Mapping[str, Driver],
    placement: Placement | None,
    summary: Summary,
    watch: Watch,
) -> RunContext:
    return RunContext(
        program=program,
        limits=limits,
        placement=placement,
        drivers=drivers,
        call=CallContext(prepared.endpoints, prepared.secrets, program.types),
        secrets=prepared.secrets,
        configs=prepared.configs,
        admission=_admission(placement, limits).share(limits.sandboxes, limits.memory),
        requests=anyio.CapacityLimiter(limits.requests),
        summary=summary,
        costs=Costs(),
        watch=watch,
    )


def _admission(placement: Placement | None, limits: RunLimits) -> Admission:
    """The one of a placement that is shared with other runs, or one of this run's own."""
    shared: Admission | None = getattr(placement, "admission", None)
    return shared or Admission(limits.sandboxes, limits.memory)


@asynccontextmanager
async def _drivers(graphs: Sequence[Graph], given: Mapping[str, Driver]) -> AsyncIterator[dict[str, Driver]]:
    """The driver of every module that the graphs use; those that were opened here are closed at the end."""
    drivers = dict(given)
    opened: list[Driver] = []
    try:
        for node in (node for graph in graphs for node in graph.nodes):
            if isinstance(node, CommunicationNode) and node.module not in drivers:
                drivers[node.module] = _open_driver(node)
                opened.append(drivers[node.module])
        yield drivers
    finally:
        with anyio.move_on_after(_CLOSE_S, shield=True):
            for driver in opened:
                await driver.aclose()


def _open_driver(node: CommunicationNode) -> Driver:
    try:
        return open_driver(node.module)
    except NoDriverError as error:
        raise RunError(Diagnostic("R0738", str(error), node.span)) from None


def _check_endpoints(endpoints: Mapping[str, EndpointAddress], drivers: Mapping[str, Driver]) -> None:
    """Refuse addresses that can never work before anything is sent."""
    wrong = []
    for endpoint in endpoints.values():
        driver = drivers.get(endpoint.module)
        reason = driver.check_endpoint(endpoint) if driver is not None else None
        if reason is not None:
            wrong.append(Diagnostic("R0737", f"the address of the endpoint `{endpoint.name}` {reason}", None))
    if wrong:
        raise RunError(*wrong)


def _result(program: Program, graph: Graph, sets: Sequence[ItemSet], summary: Summary) -> RunResult:
    outputs = {}
    for output, items in zip(graph.outputs, sets, strict=True):
        try:
            outputs[output.name] = _decode_items(program, output.type, items)
        except EncodingError as error:
            raise _bad_output(graph, output.name, output.source, str(error)) from None
    nodes = {name: counts.as_dict() for name, counts in summary.nodes.items()}
    notes = list(summary.notes)
    if summary.notes_dropped:
        notes.append(Note("", "", f"{summary.notes_dropped} further notes were dropped"))
    return RunResult(outputs, nodes, tuple(notes), dict(summary.because), alone_in(summary))


def _decode_items(program: Program, flow: FlowType, items: ItemSet) -> tuple[OutputItem, ...]:
    types, key_type = program.types, flow.key
    encoded = all_bytes(items.values)
    values = decode_all(flow.item, encoded)
    if values is None:
        values = [decode(flow.item, value, types) for value in encoded]
    keys: Sequence[object] | None
    if key_type is None:
        keys = items.keys if items.keys.count(None) == len(items) else [None] * len(items)
    else:
        keys = decode_all_keys(key_type, items.keys)
        if keys is None:
            keys = [None if key is None else decode_key(key_type, key, types) for key in items.keys]
    with collector_paused():
        return make_all(OutputItem, items.names, keys, values, encoded)


def _bad_output(graph: Graph, name: str, source: object, reason: str) -> RunError:
    """An image promised a value of a type and left other bytes: only a reader can find that."""
    node = graph.nodes[source.node] if isinstance(source, NodeSource) else None
    message = f"the output `{name}` is not a valid value: {reason}"
    if node is None:
        return RunError(Diagnostic("R0711", message, None))
    fault = Fault("value.encoding", message, node.name, node.span)
    return RunError(diagnose(fault), fault=fault)
