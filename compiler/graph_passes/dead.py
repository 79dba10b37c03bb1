"""Pass `dead`: takes away pure calls whose outputs nobody reads.

A call without outputs stays: it is there for its failure, like an assertion. So does one that notes something, and everything
that communicates: a write is an effect, and a request may be one. What is taken away cannot fail any more; the spec says so.
"""

from dandc.compiler.flow import Graph, NodeSource
from dandc.compiler.flow_walk import sources
from dandc.compiler.graph_passes.plan import Plan, without

name = "dead"


def run(plan: Plan) -> Plan:
    """The graphs without dead nodes."""
    return plan.changed(lambda graph: _run(plan, graph))


def _run(plan: Plan, graph: Graph) -> Graph:
    needed = {o.source.node for o in graph.outputs if isinstance(o.source, NodeSource)}
    removed: dict[int, None] = {}
    # From the last node to the first: producers come before their readers.
    for number in reversed(range(len(graph.nodes))):
        node = graph.nodes[number]
        if number not in needed and node.outputs and plan.is_silent(node):
            removed[number] = None
            continue
        needed |= {source.node for source in sources(node) if isinstance(source, NodeSource)}
        needed.update(node.after)
    return without(graph, removed, {}) if removed else graph
