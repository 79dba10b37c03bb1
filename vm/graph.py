"""Interprets one flow graph: every node runs as soon as its inputs are there.

One task a node (never one an item). A fault that no policy takes cancels every other node of the graph, and with them
their sandboxes and requests, before it is raised. A node whose needed item is absent is skipped, visibly; its
outputs are absent then, and what follows decides for itself.
"""

from collections.abc import Sequence

import anyio
from attrs import define, field

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
    InputSource,
    NodeSource,
    Source,
)
from dandc.compiler.types import STR, Type
from dandc.lang.spans import NOWHERE
from dandc.vm.collect import Columns
from dandc.vm.communicate import run_communication
from dandc.vm.compute import run_compute
from dandc.vm.context import NodeResult, RunContext, absent
from dandc.vm.failures import Fault, NodeFailedError
from dandc.vm.items import EMPTY, ItemSet, single
from dandc.vm.outcome import Outcome
from dandc.vm.shards import CardinalityError, Plan, plan_call
from dandc.vm.tasks import for_each

# Runs of a sub-graph in flight: each holds its own intermediate sets.
_GRAPHS_IN_FLIGHT = 16


async def run_graph(context: RunContext, graph: Graph, inputs: Sequence[ItemSet], path: str = "") -> list[ItemSet]:
    """The output sets of `graph`, in order of declaration; raises `NodeFailedError`."""
    run = _GraphRun(context, graph, inputs, path)
    await run.nodes()
    outputs = [run.source(output.source) for output in graph.outputs]
    for output, items in zip(graph.outputs, outputs, strict=True):
        if output.type.card == "one" and not len(items):
            raise NodeFailedError(_absent(graph, output, path))
    return outputs


def _absent(graph: Graph, output: GraphOutput, path: str) -> Fault:
    """A promised output whose node was skipped, or skipped its failure."""
    message = f"the output `{output.name}` was promised, and nothing came"
    if isinstance(output.source, NodeSource):
        node = graph.nodes[output.source.node]
        return Fault("value.absent", message, path + node.name, node.span)
    return Fault("value.absent", message, path + graph.name, NOWHERE)


@define(slots=True, eq=False, repr=False)
class _GraphRun:
    context: RunContext
    graph: Graph
    inputs: Sequence[ItemSet]
    path: str
    results: list[NodeResult | None] = field(init=False)
    done: list[anyio.Event] = field(init=False)
    failure: NodeFailedError | None = None

    def __attrs_post_init__(self) -> None:
        self.results = [None] * len(self.graph.nodes)
        self.done = [anyio.Event() for _ in self.graph.nodes]

    async def nodes(self) -> None:
        """Run all nodes."""
        async with anyio.create_task_group() as group:
            for number in range(len(self.graph.nodes)):
                group.start_soon(self._node, number, group.cancel_scope)
        if self.failure is not None:
            raise self.failure

    async def _node(self, number: int, scope: anyio.CancelScope) -> None:
        node = self.graph.nodes[number]
        for arg in node.args:
            if isinstance(arg.source, NodeSource):
                await self.done[arg.source.node].wait()
        try:
            self.results[number] = await self._run_node(node)
        except NodeFailedError as error:
            # The first one counts: what fails while it is being cancelled is a consequence.
            self.failure = self.failure or error
            scope.cancel()
            return
        self.done[number].set()

    async def _run_node(self, node: FlowNode) -> NodeResult:
        try:
            plan = plan_call(node.args, [self.source(arg.source) for arg in node.args])
        except CardinalityError as error:
            raise NodeFailedError(Fault("value.cardinality", str(error), self.path + node.name, node.span)) from None
        if plan.skipped:
            self.context.summary.at(self.path + node.name).skipped += 1
            return absent(node)
        key_type = self._key_type(node.args[plan.sharded].source) if plan.sharded >= 0 else None
        match node:
            case ComputeNode():
                return await run_compute(self.context, node, plan, self.path, key_type)
            case CommunicationNode():
                return await run_communication(self.context, node, plan, self.path, key_type)
            case CompositionNode():
                return await _run_composition(self.context, node, plan, self.path, key_type)
            case _:
                raise AssertionError(f"{node.name} cannot run")

    def source(self, source: Source) -> ItemSet:
        """The set that a source stands for. Its node has ended."""
        match source:
            case InputSource(index):
                return self.inputs[index]
            case NodeSource(node, output):
                result = self.results[node]
                assert result is not None
                return result.failures if output < 0 else result.outputs[output]
            case ConstSource(value):
                return single(value)
            case ConfigSource(name):
                return single(self.context.configs[name])
            case EndpointSource(name):
                url = self.context.call.endpoints[name].url
                return single(encode(STR, url, self.context.program.types))
            case EmptySource():
                return EMPTY
        raise AssertionError(source)

    def _key_type(self, source: Source) -> Type | None:
        match source:
            case InputSource(index):
                return self.graph.inputs[index].type.key
            case NodeSource(node, output) if output >= 0:
                return self.graph.nodes[node].outputs[output].key
            case NodeSource(node, _):
                failed = self.graph.nodes[node]
                sharded = next((arg for arg in failed.args if arg.shard in ("each", "keyed")), None)
                return None if sharded is None else self._key_type(sharded.source)
        return None


async def _run_composition(
    context: RunContext, node: CompositionNode, plan: Plan, path: str, key_type: Type | None
) -> NodeResult:
    """Run a graph of its own once an instance."""
    graph = context.program.graphs[node.graph]
    outcome = Outcome(context, node, tuple(output.type.item for output in graph.outputs), plan, path, key_type)
    call = _CompositionCall(context, node, graph, plan, outcome)
    await for_each(plan.count, _GRAPHS_IN_FLIGHT, call.instance)
    return outcome.result()


@define(slots=True, eq=False, repr=False)
class _CompositionCall:
    context: RunContext
    node: CompositionNode
    graph: Graph
    plan: Plan
    outcome: Outcome

    async def instance(self, number: int) -> None:
        """One run of the graph; a fault in it goes to this call's policy."""
        try:
            outputs = await self._within_time(number)
        except NodeFailedError as error:
            self.outcome.take_fault(number, error.fault)
            return
        if outputs is None:
            message = f"it did not end within {self.node.policies.timeout_ms} ms"
            self.outcome.fail(number, "run.timeout", message)
            return
        for columns, items in zip(self.outcome.columns, outputs, strict=True):
            names = [name or None for name in items.names]
            columns.extend(Columns(list(items.keys), names, list(items.values), [number] * len(items)))

    async def _within_time(self, number: int) -> list[ItemSet] | None:
        """The outputs of one run, or None when its time is over."""
        inputs = self.plan.items(number, number + 1)
        timeout_ms = self.node.policies.timeout_ms
        with anyio.move_on_after(timeout_ms / 1000 if timeout_ms else float("inf")):
            return await run_graph(self.context, self.graph, inputs, f"{self.outcome.name}/")
        return None
