"""Questions about flow graphs that every room asks: what a node calls, what it reads, which graphs a graph runs."""

from collections.abc import Iterator, Mapping

from dandc.compiler.flow import (
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    FlowNode,
    Graph,
    KernelImage,
    LoopNode,
    MergeNode,
    NodeSource,
    ReduceNode,
    Source,
)

# What a node does, in one word.
KINDS: Mapping[type[FlowNode], str] = {
    ComputeNode: "compute",
    CommunicationNode: "communicate",
    CompositionNode: "compose",
    ReduceNode: "reduce",
    LoopNode: "loop",
    MergeNode: "merge",
}
SHARDED = frozenset(("each", "keyed", "anyEach", "anyKeyed"))


def called_graph(node: FlowNode) -> str | None:
    """The graph that a node runs as a graph of its own, or None."""
    return node.graph if isinstance(node, CompositionNode | LoopNode) else None


def called_kernel(node: FlowNode) -> str | None:
    """The kernel that a node calls, or None."""
    return node.kernel if isinstance(node, ComputeNode | ReduceNode) else None


def reachable(graphs: Mapping[str, Graph], name: str) -> list[Graph]:
    """The graph `name` and every graph that it runs, each once."""
    found: dict[str, Graph] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = graphs[current]
            waiting += [called for node in graphs[current].nodes if (called := called_graph(node)) is not None]
    return list(found.values())


def sources(node: FlowNode) -> Iterator[Source]:
    """Everything that a node reads: its arguments, and what a policy takes."""
    for arg in node.args:
        yield arg.source
    if node.policies.once is not None:
        yield node.policies.once


def needed_nodes(node: FlowNode) -> list[int]:
    """The nodes that must have ended before `node` can, each once, in order."""
    read = [source.node for source in sources(node) if isinstance(source, NodeSource)]
    return sorted({*read, *node.after})


def parameter_names(graphs: Mapping[str, Graph], kernels: Mapping[str, KernelImage], node: FlowNode) -> list[str]:
    """What the parameters are called that the arguments of a node bind, in order."""
    match node:
        case ComputeNode(kernel=kernel):
            return [p.name for p in kernels[kernel].params]
        case ReduceNode(kernel=kernel):
            first, _, *others = [p.name for p in kernels[kernel].params]
            return [first, *others]
        case CommunicationNode(params=params):
            return [p.name for p in params]
        case CompositionNode(graph=graph) | LoopNode(graph=graph):
            return [p.name for p in graphs[graph].inputs]
        case MergeNode(args=args):
            return [str(i) for i in range(len(args))]


def output_names(graphs: Mapping[str, Graph], kernels: Mapping[str, KernelImage], node: FlowNode) -> list[str]:
    """What the outputs of a node are called, in order."""
    match node:
        case ComputeNode(kernel=kernel) | ReduceNode(kernel=kernel):
            return [o.name for o in kernels[kernel].outputs]
        case CommunicationNode(declared=declared):
            return [o.name for o in declared]
        case CompositionNode(graph=graph):
            return [o.name for o in graphs[graph].outputs]
        case LoopNode(graph=graph, outputs=outputs):
            return [o.name for o in graphs[graph].outputs[: len(outputs)]]
        case MergeNode(kind=kind):
            return [kind]
