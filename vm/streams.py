"""Which nodes of a graph take a set item by item while it is made, and who needs which set as a whole.

A call takes a set in pieces if that is its only sharded argument, under `each`. All other readers need whole sets. What else the
call waits for may wait for the very end of that set: a producer is never held up by a consumer that has not begun.
"""

from collections import Counter
from collections.abc import Mapping

from dandc.compiler.flow import (
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    FlowNode,
    Graph,
    NodeSource,
    Source,
)
from dandc.compiler.flow_walk import SHARDED, needed_nodes, sources
from dandc.lang.values import frozen

# Calls whose instances are independent, so that what each gives is known when it ends.
_CALLS = (ComputeNode, CommunicationNode, CompositionNode)


@frozen(slots=True, eq=False)
class Streams:
    """For every node: `fed`, the parameter that is fed in pieces, or -1, and `needed`, the nodes that must end before it begins.

    By source: `readers`, how many take it in pieces, and `whole`, how many as a whole, outputs of the graph included.
    """

    fed: tuple[int, ...]
    needed: tuple[tuple[int, ...], ...]
    readers: Mapping[Source, int]
    whole: Mapping[Source, int]


def streams(graph: Graph, *, settled: bool = False) -> Streams:
    """How the sets of a graph reach their readers; `settled`: a call that is fed in pieces begins when its set is complete."""
    fed = []
    needed = []
    readers: Counter[Source] = Counter()
    whole: Counter[Source] = Counter(output.source for output in graph.outputs)
    for node in graph.nodes:
        parameter = _fed(graph, node)
        direct = needed_nodes(node) if settled or parameter < 0 else _others(node, parameter)
        fed.append(parameter)
        needed.append(tuple(direct))
        if parameter >= 0:
            readers[node.args[parameter].source] += 1
        whole.update(source for i, source in enumerate(sources(node)) if i != parameter)
    return Streams(tuple(fed), tuple(needed), readers, whole)


def _fed(graph: Graph, node: FlowNode) -> int:
    """The parameter of the node that can be fed in pieces, or -1."""
    sharded = [i for i, arg in enumerate(node.args) if arg.shard in SHARDED]
    if not isinstance(node, _CALLS) or node.join is not None or len(sharded) != 1:
        return -1
    (parameter,) = sharded
    arg = node.args[parameter]
    if arg.shard != "each" or arg.empty or not isinstance(arg.source, NodeSource) or arg.source.output < 0:
        return -1
    return parameter if _in_pieces(graph.nodes[arg.source.node]) else -1


def _in_pieces(node: FlowNode) -> bool:
    return isinstance(node, _CALLS) and any(arg.shard in SHARDED for arg in node.args)


def _others(node: FlowNode, parameter: int) -> list[int]:
    """What the node waits for beside the set that it is fed."""
    read = [source.node for i, source in enumerate(sources(node)) if i != parameter and isinstance(source, NodeSource)]
    return sorted({*read, *node.after})
