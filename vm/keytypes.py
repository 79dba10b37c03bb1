"""Which key the instances of a call have, from the graph alone: for messages, for `key` parameters, for checks."""

from collections.abc import Iterator, Sequence

from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    FlowNode,
    Graph,
    InputSource,
    Join,
    LoopNode,
    MergeNode,
    NodeSource,
    Program,
    ReduceNode,
    Source,
)
from dandc.compiler.flow_walk import SHARDED
from dandc.compiler.types import BOOL, BYTES, STR, UNIT, EnumDef, Tuple, Type, is_int


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


def key_mistakes(program: Program, node: FlowNode, keys: "KeyTypes") -> Iterator[str]:
    """Where the keys that a node joins by or says to have are not those of its sets, or are no keys."""
    join = node.join if isinstance(node, ComputeNode | CommunicationNode | CompositionNode) else None
    types = keys.arguments(node)
    key = types[join.params[0]] if join is not None else None
    for strategy, param in zip(join.strategies, join.params[1:], strict=True) if join is not None else ():
        if strategy == "cross":
            key = joined_key((key, types[param]))
        elif key is None or flat_key(key) != flat_key(types[param]):
            yield f"joins by keys of type `{key}` and `{types[param]}`"
    own = None if isinstance(node, LoopNode | MergeNode) else node.key
    if own is not None and flat_key(own) != flat_key(call_key(node.args, join, types)):
        yield f"says that its instances have the key `{own}`"
    if any(arg.shard in ("keyed", "anyKeyed") and t is None for arg, t in zip(node.args, types, strict=True)):
        yield "takes a set without keys apart by key"
    if any(arg.shard == "key" for arg in node.args) and own is not None and not _is_key(own, program):
        yield f"hands on a key of type `{own}`, which no key has"


def _is_key(t: Type, program: Program) -> bool:
    """Whether every part of the type is one that keys can have."""
    return all(
        part in (BOOL, STR, BYTES, UNIT) or is_int(part) or isinstance(program.types.get(str(part)), EnumDef)
        for part in flat_key(t)
    )


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
