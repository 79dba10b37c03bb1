"""What passes over flow graphs work on, and how they take nodes out of a graph."""

from collections.abc import Callable, Mapping

from attrs import evolve, field

from dandc.compiler.flow import CommunicationNode, FlowNode, Graph, GraphOutput, NodeSource, Source
from dandc.compiler.flow_walk import called_graph, called_kernel, reachable
from dandc.compiler.kir import Kernel, Note
from dandc.compiler.kir_walk import walk
from dandc.lang.values import frozen


@frozen
class Plan:
    """The checked graphs of a program, and the kernel IR of every kernel that they call."""

    graphs: Mapping[str, Graph]
    kernels: Mapping[str, Kernel] = field(repr=False)

    def changed(self, change: Callable[[Graph], Graph]) -> "Plan":
        """The plan with `change` made to each graph."""
        return evolve(self, graphs={name: change(graph) for name, graph in self.graphs.items()})

    def is_silent(self, node: FlowNode) -> bool:
        """Whether nobody can tell from outside that a node ran: it communicates nothing and notes nothing."""
        called = called_graph(node)
        nodes = [node] if called is None else [n for g in reachable(self.graphs, called) for n in g.nodes]
        if any(isinstance(n, CommunicationNode) for n in nodes):
            return False
        return not any(self._notes(kernel) for n in nodes if (kernel := called_kernel(n)) is not None)

    def _notes(self, name: str) -> bool:
        return any(
            isinstance(instr, Note) for function in self.kernels[name].functions for instr in walk(function.body)
        )


def without(graph: Graph, removed: Mapping[int, int | None], sources: Mapping[NodeSource, Source]) -> Graph:
    """The graph without some nodes, the others renumbered.

    `removed` gives for each node that goes the node that stands for it (for those that wait for it), or None; `sources` what its
    sets are read from now.
    """
    kept = [number for number in range(len(graph.nodes)) if number not in removed]
    numbers = {old: new for new, old in enumerate(kept)}

    def moved(source: Source) -> Source:
        source = sources.get(source, source) if isinstance(source, NodeSource) else source
        return evolve(source, node=numbers[source.node]) if isinstance(source, NodeSource) else source

    def waited(number: int) -> int | None:
        instead = removed.get(number, number)
        return None if instead is None else numbers[instead]

    def renumbered(node: FlowNode) -> FlowNode:
        args = tuple(evolve(arg, source=moved(arg.source)) for arg in node.args)
        once = node.policies.once
        policies = node.policies if once is None else evolve(node.policies, once=moved(once))
        after = {new for old in node.after if (new := waited(old)) is not None}
        return evolve(node, args=args, policies=policies, after=tuple(sorted(after)))

    nodes = tuple(renumbered(graph.nodes[number]) for number in kept)
    outputs = tuple(GraphOutput(o.name, o.type, moved(o.source)) for o in graph.outputs)
    return evolve(graph, nodes=nodes, outputs=outputs)
