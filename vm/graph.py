"""Interprets one flow graph: every node runs as soon as its inputs are there.

One task a node (never one an item). A set that a call takes item by item (`each`, nothing else sharded) reaches it
while it is being made (`tracks.py`); every other argument is complete before its node begins. A set is forgotten when its
last reader has taken it. A fault that no policy takes cancels every other node of the graph, and with them
their sandboxes and requests, before it is raised. A node whose needed item is absent is skipped, visibly; its
outputs are absent then, and what follows decides for itself.
"""

from array import array
from collections import Counter

import anyio
from attrs import define, evolve, field

from dandc.compiler.encoding import encode
from dandc.compiler.flow import (
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    ConfigSource,
    ConstSource,
    EmptySource,
    EndpointSource,
    FlowNode,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    KeySource,
    LoopNode,
    MergeNode,
    NodeSource,
    ReduceNode,
    Source,
)
from dandc.compiler.flow_walk import KINDS
from dandc.compiler.types import STR, Type
from dandc.lang.spans import NOWHERE
from dandc.vm.bounds import in_flight
from dandc.vm.collect import Columns
from dandc.vm.communicate import run_communication
from dandc.vm.compute import run_compute
from dandc.vm.context import NodeResult, RunContext
from dandc.vm.deadline import deadline, inside
from dandc.vm.decisive import CutOffError
from dandc.vm.failures import Fault, NodeFailedError
from dandc.vm.feed import Feed, Growing, Ready
from dandc.vm.instances import each_instance
from dandc.vm.items import EMPTY, ItemSet, single, without_keys
from dandc.vm.keytypes import KeyTypes
from dandc.vm.loop import run_loop
from dandc.vm.merge import run_merge
from dandc.vm.outcome import Outcome
from dandc.vm.plans import planned
from dandc.vm.reduce import run_reduce
from dandc.vm.streams import Streams, streams
from dandc.vm.tracks import Track
from dandc.vm.why import why_skipped

# Runs of a sub-graph in flight: each holds its own intermediate sets.
_GRAPHS_IN_FLIGHT = 16


async def run_graph(context: RunContext, graph: Graph, inputs: list[ItemSet], path: str = "") -> list[ItemSet]:
    """The output sets of `graph`, in order of declaration; raises `NodeFailedError`, and `CutOffError` in a run that is repeated.

    `inputs` is emptied as the run goes: an input is forgotten when its last reader has taken it.
    """
    inputs[:] = map(_at_border, graph.inputs, inputs)
    keeper = context.keeper
    if keeper is not None and keeper.replay:
        context = evolve(context, decisive=await keeper.decisive(context.scope, path))
    run = _GraphRun(context, graph, inputs, path)
    try:
        return await _outputs(run)
    except NodeFailedError as error:
        if keeper is not None:
            await keeper.note_failure(context.scope, path, error.fault)
        raise


async def _outputs(run: "_GraphRun") -> list[ItemSet]:
    await run.nodes()
    outputs = [_at_border(output, run.take(output.source)) for output in run.graph.outputs]
    for output, items in zip(run.graph.outputs, outputs, strict=True):
        if output.type.card == "one" and not len(items):
            raise NodeFailedError(_absent(run.graph, output, run.path))
    return outputs


def _at_border(port: GraphPort | GraphOutput, items: ItemSet) -> ItemSet:
    """The items as the port declares them: keys that it does not name are the other side's, and do not cross."""
    return without_keys(items) if port.type.key is None else items


def _absent(graph: Graph, output: GraphOutput, path: str) -> Fault:
    """A promised output whose node was skipped, or skipped its failure."""
    message = f"the output `{output.name}` was promised, and nothing came"
    if isinstance(output.source, NodeSource):
        node = graph.nodes[output.source.node]
        return Fault("value.absent", message, path + node.name, node.span)
    return Fault("value.absent", message, path + graph.name, NOWHERE)


@define(slots=True, eq=False, repr=False)
class _GraphRun:
    """`sets` holds what nodes gave and readers still need, by node and output; `left` how many readers that are.

    `held` are nodes that cannot end, because something is held in them or in what they need (`decisive.py`).
    """

    context: RunContext
    graph: Graph
    inputs: list[ItemSet]
    path: str
    streams: Streams = field(init=False)
    tracks: list[tuple[Track, ...]] = field(init=False)
    done: list[anyio.Event] = field(init=False)
    keys: KeyTypes = field(init=False)
    left: Counter[Source] = field(init=False)
    sets: dict[tuple[int, int], ItemSet] = field(factory=dict)
    held: set[int] = field(factory=set)
    failure: NodeFailedError | None = None

    def __attrs_post_init__(self) -> None:
        self.streams = streams(self.graph, settled=self.settled)
        self.done = [anyio.Event() for _ in self.graph.nodes]
        self.keys = KeyTypes(self.graph)
        self.left = Counter(self.streams.whole)
        self.tracks = [
            tuple(self._track(number, output) for output in range(len(node.outputs)))
            for number, node in enumerate(self.graph.nodes)
        ]

    @property
    def settled(self) -> bool:
        """Whether every instance must know its place when it runs."""
        return self.context.keeper is not None and self.context.keeper.settles

    def _track(self, number: int, output: int) -> Track:
        source = NodeSource(number, output)
        keyed = self.graph.nodes[number].outputs[output].key is not None
        return Track(keyed, self.left[source] > 0, self.streams.readers[source])

    async def nodes(self) -> None:
        """Run all nodes."""
        async with anyio.create_task_group() as group:
            for number in range(len(self.graph.nodes)):
                group.start_soon(self._node, number, group.cancel_scope)
        if self.failure is not None:
            raise self.failure
        if self.held and self.context.decisive is not None:
            raise self.context.decisive.end()

    async def _node(self, number: int, scope: anyio.CancelScope) -> None:
        for needed in self.streams.needed[number]:
            await self.done[needed].wait()
        node = self.graph.nodes[number]
        try:
            with self.context.watch.node(self.path + node.name, KINDS[type(node)]):
                result = await self._result(number)
        except NodeFailedError as error:
            # The first one counts: what fails while it is being cancelled is a consequence.
            self.failure = self.failure or error
            scope.cancel()
            return
        for output, items in [(-1, result.failures), *enumerate(result.outputs)]:
            if self.left[NodeSource(number, output)]:
                self.sets[number, output] = items
        self.done[number].set()

    async def _result(self, number: int) -> NodeResult:
        """What a node gives; in a run that is repeated, it may be held instead of failing."""
        if not self.held.isdisjoint(self.streams.needed[number]):
            self.held.add(number)
            return _nothing(self.tracks[number])
        try:
            result = await self._run_node(number)
        except NodeFailedError as error:
            if self.context.decisive is None or self.context.decisive.ends(error.fault):
                raise
            self.held.add(number)
            return _nothing(self.tracks[number])
        if result.held or self._is_fed_by_held(number):
            self.held.add(number)
        return result

    def _is_fed_by_held(self, number: int) -> bool:
        fed = self.streams.fed[number]
        source = self.graph.nodes[number].args[fed].source if fed >= 0 else None
        return isinstance(source, NodeSource) and source.node in self.held

    async def _run_node(self, number: int) -> NodeResult:
        node, tracks = self.graph.nodes[number], self.tracks[number]
        if isinstance(node, MergeNode):
            return await run_merge(self.context, node, [self.take(arg.source) for arg in node.args], self.path)
        feed = await self._feed(number)
        if feed is None:
            return _nothing(tracks)
        match node:
            case ComputeNode(kernel=kernel):
                items = tuple(output.item for output in self.context.program.kernels[kernel].outputs)
                return await run_compute(node, self._outcome(node, items, feed, tracks))
            case CommunicationNode(declared=declared):
                items = tuple(output.item for output in declared)
                once = None if node.policies.once is None else self.take(node.policies.once)
                if once is not None and not len(once):
                    return self._unnamed(node, tracks)
                outcome = self._outcome(node, items, feed, tracks)
                return await run_communication(node, outcome, None if once is None else bytes(once.values[0]))
            case CompositionNode(graph=name):
                items = tuple(output.type.item for output in self.context.program.graphs[name].outputs)
                return await run_composition(node, self._outcome(node, items, feed, tracks))
            case ReduceNode(kernel=kernel):
                assert isinstance(feed, Ready)
                items = tuple(output.item for output in self.context.program.kernels[kernel].outputs)
                return await run_reduce(node, self._outcome(node, items, feed, tracks), feed.plan)
            case LoopNode(graph=name):
                assert isinstance(feed, Ready)
                items = tuple(output.type.item for output in self.context.program.graphs[name].outputs[: len(tracks)])
                outcome = self._outcome(node, items, feed, tracks)
                return await run_loop(node, outcome, feed.plan.params, run_graph)
        raise AssertionError(node)

    def _outcome(self, node: FlowNode, items: tuple[Type, ...], feed: Feed, tracks: tuple[Track, ...]) -> Outcome:
        for track in tracks:
            track.made_by = feed.origin
        return Outcome(self.context, node, items, feed, self.path, self.keys.of_node(node), tracks)

    async def _feed(self, number: int) -> Feed | None:
        """The instances of a node; None if it is skipped."""
        node, fed = self.graph.nodes[number], self.streams.fed[number]
        sets = [EMPTY if i == fed else self.take(arg.source) for i, arg in enumerate(node.args)]
        plan = await planned(self.context, node, sets, self.keys, self.path)
        if plan.skipped:
            because = self.context.summary.because
            because.setdefault(self.path + node.name, why_skipped(self.context.program, self.graph, node, sets))
        if fed < 0:
            return None if plan.skipped else Ready(plan)
        track = self._fed_track(node.args[fed].source)
        if plan.skipped:
            track.leave()
            return None
        return Growing(track, fed, plan, self.settled)

    def _unnamed(self, node: FlowNode, tracks: tuple[Track, ...]) -> NodeResult:
        """The result of a node whose effects have no KEY, because what makes it was skipped."""
        self.context.summary.at(self.path + node.name).skipped += 1
        self.context.summary.because.setdefault(self.path + node.name, "the KEY of `once` is absent")
        return _nothing(tracks)

    def _fed_track(self, source: Source) -> Track:
        assert isinstance(source, NodeSource)
        return self.tracks[source.node][source.output]

    def take(self, source: Source) -> ItemSet:
        """The set that a source stands for, to one of those who need the whole. Its node has ended."""
        match source:
            case InputSource(index):
                items = self.inputs[index]
                if self._last(source):
                    self.inputs[index] = EMPTY
                return items
            case NodeSource(node, output):
                return self.sets.pop((node, output)) if self._last(source) else self.sets[node, output]
            case ConstSource(value):
                return single(value)
            case ConfigSource(name):
                return single(self.context.configs[name])
            case EndpointSource(name):
                url = self.context.call.endpoints[name].url
                return single(encode(STR, url, self.context.program.types))
            case EmptySource() | KeySource():
                return EMPTY
        raise AssertionError(source)

    def _last(self, source: Source) -> bool:
        self.left[source] -= 1
        return not self.left[source]


def _nothing(tracks: tuple[Track, ...]) -> NodeResult:
    """The result of a node that is skipped."""
    outputs = tuple(track.end(None) for track in tracks)
    for track in tracks:
        track.close()
    return NodeResult(outputs)


async def run_composition(node: CompositionNode, outcome: Outcome) -> NodeResult:
    """Run a graph of its own once an instance."""
    call = _CompositionCall(outcome.context, node, outcome.context.program.graphs[node.graph], outcome)
    await each_instance(outcome, in_flight(node.policies, _GRAPHS_IN_FLIGHT), call.instance)
    return await outcome.result()


@define(slots=True, eq=False, repr=False)
class _CompositionCall:
    context: RunContext
    node: CompositionNode
    graph: Graph
    outcome: Outcome

    async def instance(self, number: int) -> None:
        """One run of the graph; a fault in it goes to this call's policy."""
        try:
            outputs = await self._within_time(number)
        except NodeFailedError as error:
            self.outcome.take_fault(number, error.fault)
            return
        except CutOffError:
            self.outcome.cut_off()
            return
        if outputs is None:
            message = f"it did not end within {self.node.policies.within_ms} ms"
            self.outcome.fail(number, "run.timeout", message)
            return
        self.outcome.add([_columns(items, number) for items in outputs], few=all(len(items) < 2 for items in outputs))

    async def _within_time(self, number: int) -> list[ItemSet] | None:
        """The outputs of one run, or None when its time is over."""
        inputs, rows = self.outcome.feed.cut(number, number + 1)
        context = inside(self.outcome, number, inputs, rows)
        async with deadline(context, self.outcome.name, self.node.policies) as time:
            if not time.over:
                return await run_graph(context, self.graph, inputs, f"{self.outcome.name}/")
        return None


def _columns(items: ItemSet, instance: int) -> Columns:
    """The items of an output of one run: what it left without a name or key is inherited."""
    return Columns(
        items.keys, [name or None for name in items.names], items.values, array("I", [instance]) * len(items)
    )
