"""Plans the calls of a run: what the graph says about a call, what the run has measured, and what the summary counts."""

from collections.abc import Sequence

from dandc.compiler.flow import CommunicationNode, CompositionNode, ComputeNode, FlowNode
from dandc.compiler.flow_walk import called_kernel, parameter_names
from dandc.vm.context import RunContext
from dandc.vm.failures import Fault, NodeFailedError
from dandc.vm.grouping import Grouping
from dandc.vm.items import ItemSet
from dandc.vm.joins import CallShape, plan_call
from dandc.vm.keytypes import KeyTypes
from dandc.vm.shards import Plan, PlanError
from dandc.vm.summary import Lonely
from dandc.vm.tasks import off_loop
from dandc.vm.why import shown_key

_MOST_GROUP_BYTES = 8 << 20
# What planning touches of an item: enough items block the event loop as many bytes would.
_BYTES_AN_ITEM = 64


async def planned(context: RunContext, node: FlowNode, sets: Sequence[ItemSet], keys: KeyTypes, path: str) -> Plan:
    """The plan of a call; raises `NodeFailedError`. Counts skips and unmatched keys."""
    shape = call_shape(context, node, keys)
    size = _BYTES_AN_ITEM * sum(map(len, sets))
    try:
        cut = grouping(context, node).cut
        if context.keeper is None or not any(arg.shard.startswith("any") for arg in node.args):
            plan = await off_loop(size, plan_call, shape, sets, cut)
        else:
            kept = await context.keeper.cuts(context.scope, path + node.name)
            plan = await off_loop(size, plan_call, shape, sets, kept.cutter(cut))
            context.keeper.keep_cuts(kept)
    except PlanError as error:
        raise NodeFailedError(Fault(error.code, str(error), path + node.name, node.span)) from None
    counts = context.summary.at(path + node.name) if plan.skipped or plan.unmatched else None
    if counts is not None:
        counts.skipped += plan.skipped
        names = parameter_names(context.program.graphs, context.program.kernels, node) if plan.unmatched else ()
        for found in plan.unmatched:
            side, other = (tuple(names[p] for p in params) for params in (found.side, found.other))
            # One side is one argument; the other, of several, has keys of the same type.
            key_type = shape.key_types[min(found.side, found.other, key=len)[0]]
            told = [shown_key(key_type, key, shape.types) for key in found.first]
            counts.add_unmatched(Lonely(side, other, found.count, tuple(told)))
    return plan


def call_shape(context: RunContext, node: FlowNode, keys: KeyTypes) -> CallShape:
    """How a call is made, for `plan_call`."""
    join = node.join if isinstance(node, ComputeNode | CommunicationNode | CompositionNode) else None
    key_types = keys.arguments(node)
    key = keys.of_node(node)
    return CallShape(node.args, join, key_types, key, context.program.types)


def grouping(context: RunContext, node: FlowNode) -> Grouping:
    """How groups of `anyEach` and `anyKeyed` are cut in this call, from what the run has measured so far."""
    kernel = called_kernel(node)
    lanes = context.limits.sandboxes if kernel is not None else context.limits.requests
    item_us = None if kernel is None else context.costs.of(item_cost(kernel))
    return Grouping(item_us, lanes, most_bytes=max(1, min(_MOST_GROUP_BYTES, context.limits.kernel.memory // 8)))


def item_cost(kernel: str) -> str:
    """Where `RunContext.costs` holds the microseconds of one item in a group that the machine chose."""
    return f"{kernel} by item"


def learn_items(context: RunContext, kernel: str, items: int, taken_us: float) -> None:
    """Learn what an item costs in groups that the machine chose."""
    context.costs.learn(item_cost(kernel), taken_us, 0.0, 0, items)
