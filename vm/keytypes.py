"""Which key the instances of a call have, from the graph alone: for messages, for `key` parameters, for checks."""

from collections.abc import Sequence

from dandc.compiler.flow import (
    ArgBinding,
    FlowNode,
    Graph,
    InputSource,
    Join,
    LoopNode,
    MergeNode,
    NodeSource,
    ReduceNode,
    Source,
)
from dandc.compiler.flow_walk import SHARDED
from dandc.compiler.types import Tuple, Type


def flat_key(t: Type | None) -> tuple[Type, ...]:
    """The parts of a key type with the tuples in it taken apart: equal parts are equal bytes."""
    if t is None:
        return ()
    return tuple(part for item in t.items for part in flat_key(item)) if isinstance(t, Tuple) else (t,)


def joined_key(parts: Sequence[Type | None]) -> Type | None:
    """The key of a crossing whose sides have these keys: flat, one alone stays itself."""
    keyed = [part for part in parts if part is not None]
    if len(keyed) < 2:
        return keyed[0] if keyed else None
    return Tuple(tuple(t for part in keyed for t in flat_key(part)))


def call_key(args: Sequence[ArgBinding], join: Join | None, key_types: Sequence[Type | None]) -> Type | None:
    """The key of the instances of a call whose arguments' sets have the keys `key_types`."""
    sharded = [i for i, arg in enumerate(args) if arg.shard in SHARDED]
    own = [None if arg.shard.startswith("any") else t for arg, t in zip(args, key_types, strict=True)]
    if join is None:
        return own[sharded[0]] if len(sharded) == 1 else None
    key = own[join.params[0]]
    for strategy, param in zip(join.strategies, join.params[1:], strict=True):
        if strategy == "cross":
            key = joined_key((key, own[param]))
    return key


class KeyTypes:
    """The key types of the sets of one graph, found as they are asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._instances: list[Type | None] = []

    def source(self, source: Source) -> Type | None:
        """The key type of the set that `source` stands for."""
        match source:
            case InputSource(index):
                return self._graph.inputs[index].type.key
            case NodeSource(node, output) if output >= 0:
                return self._graph.nodes[node].outputs[output].key
            case NodeSource(node, _):
                return self.instance(node)
        return None

    def arguments(self, node: FlowNode) -> list[Type | None]:
        """The key types of the sets that a node's arguments are bound to."""
        return [self.source(arg.source) for arg in node.args]

    def instance(self, number: int) -> Type | None:
        """The key type of the instances of node `number`."""
        # From the front, because the failures of a node have its key: no recursion along a long chain of them.
        while len(self._instances) <= number:
            self._instances.append(self.of_node(self._graph.nodes[len(self._instances)]))
        return self._instances[number]

    def of_node(self, node: FlowNode) -> Type | None:
        """The key type of the instances of a node of this graph."""
        if isinstance(node, LoopNode | MergeNode):
            return None
        join = None if isinstance(node, ReduceNode) else node.join
        return call_key(node.args, join, self.arguments(node)) if node.key is None else node.key
