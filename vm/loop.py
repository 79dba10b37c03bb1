"""Runs a loop: the graph of its body again and again, one turn after the other.

What a turn gives for the loop variables are the values of the next turn; where one is absent, that turn was the last.
What the body yields is gathered over all turns, in their order. A loop is one instance of one call: a fault in any turn,
more turns than allowed or a deadline is the failure of the whole, and then nothing that it yielded remains. Turns count
from 1, and the names of nodes inside hold the number: `loop/3/http.fetch`.
"""

from array import array
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

import anyio.lowlevel
from attrs import define, field

from dandc.compiler.encoding import EncodingError, decode, encode, some
from dandc.compiler.flow import Graph, LoopNode
from dandc.compiler.types import Option, TypeTable
from dandc.vm.collect import Columns
from dandc.vm.context import NodeResult, RunContext
from dandc.vm.deadline import deadline
from dandc.vm.decisive import CutOffError
from dandc.vm.failures import Fault, NodeFailedError
from dandc.vm.items import Buffer, ItemSet, single
from dandc.vm.outcome import Outcome

RunGraph = Callable[[RunContext, Graph, list[ItemSet], str], Awaitable[list[ItemSet]]]


async def run_loop(node: LoopNode, outcome: Outcome, inputs: Sequence[ItemSet], run_graph: RunGraph) -> NodeResult:
    """What the turns yielded; raises `NodeFailedError` for a fault that the loop's policy does not take."""
    loop = _Loop(outcome.context, node, outcome.name, run_graph, inputs)
    try:
        async with deadline(outcome.context, outcome.name, node.policies) as time:
            if not time.over:
                await loop.turns()
    except NodeFailedError as error:
        outcome.take_fault(0, error.fault)
        return await outcome.result()
    except CutOffError:
        outcome.cut_off()
        return await outcome.result()
    if time.over:
        outcome.fail(0, "run.timeout", f"it did not end within {node.policies.within_ms} ms")
    elif not loop.over:
        outcome.fail(0, "loop.limit", f"it would go on after {node.most} turns, and it may take no more")
    else:
        outcome.add([_columns(sets) for sets in loop.yielded])
    return await outcome.result()


def _columns(sets: Sequence[ItemSet]) -> Columns:
    keys = list(chain.from_iterable(items.keys for items in sets))
    names = [name or None for items in sets for name in items.names]
    values: list[Buffer] = list(chain.from_iterable(items.values for items in sets))
    return Columns(keys, names, values, array("I", bytes(4 * len(values))))


@define(slots=True, eq=False, repr=False)
class _Loop:
    """A loop at work. `yielded` holds by output what each turn gave; `over`: a turn has said that it was the last."""

    context: RunContext
    node: LoopNode
    name: str
    run_graph: RunGraph
    inputs: Sequence[ItemSet]
    yielded: list[list[ItemSet]] = field(init=False)
    over: bool = False

    def __attrs_post_init__(self) -> None:
        self.yielded = [[] for _ in self.node.outputs]

    async def turns(self) -> None:
        """Run turns until one is the last, or as many as there may be."""
        graph = self.context.program.graphs[self.node.graph]
        states, rest = list(self.inputs[: self.node.states]), self.inputs[self.node.states :]
        for turn in range(1, self.node.most + 1):
            # A body that waits for nothing must still let others run, and a deadline end it.
            await anyio.lowlevel.checkpoint()
            outputs = await self.run_graph(self.context, graph, [*states, *rest], f"{self.name}/{turn}/")
            for sets, items in zip(self.yielded, outputs, strict=False):
                if len(items):
                    sets.append(items)
            following = outputs[len(self.yielded) :]
            if not all(map(len, following)):
                self.over = True
                return
            states = [self._state(graph, i, items) for i, items in enumerate(following)]

    def _state(self, graph: Graph, number: int, items: ItemSet) -> ItemSet:
        """The value of a loop variable in the next turn: without key and name, as in the first."""
        if len(items) > 1:
            message = f"{len(items)} items are the next value of `{graph.inputs[number].name}`"
            raise NodeFailedError(Fault("value.cardinality", message, self.name, self.node.span))
        value = items.values[0]
        if not self.node.wraps[number]:
            return single(value)
        t = graph.inputs[number].type.item
        assert isinstance(t, Option)
        try:
            return single(_as_some(t, value, self.context.program.types))
        except EncodingError as error:
            message = f"the next value of `{graph.inputs[number].name}` is not a valid `{t.item}`: {error}"
            raise NodeFailedError(Fault("value.encoding", message, self.name, self.node.span)) from None


def _as_some(t: Option, value: Buffer, types: TypeTable) -> bytes:
    """The encoded item as `some` of an option."""
    return encode(t, some(decode(t.item, bytes(value), types)), types)
