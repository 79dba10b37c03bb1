"""Pass `share`: of pure calls that are the same one runs, and the others read what it gives.

Same are calls of the same thing with the same arguments and policies: pure functions cannot tell one from the other. Calls of
compositions that communicate stay apart, and so do calls that note something: each note is seen.
"""

from attrs import evolve

from dandc.compiler.flow import FlowNode, Graph, NodeSource, Source
from dandc.compiler.graph_passes.plan import Plan, without
from dandc.lang.spans import NOWHERE

name = "share"


def run(plan: Plan) -> Plan:
    """The graphs in which no two silent calls are the same."""
    return plan.changed(lambda graph: _run(plan, graph))


def _run(plan: Plan, graph: Graph) -> Graph:
    first: dict[FlowNode, int] = {}
    removed: dict[int, int | None] = {}
    replaced: dict[NodeSource, Source] = {}
    for number, node in enumerate(graph.nodes):
        args = tuple(
            evolve(arg, source=replaced.get(arg.source, arg.source)) if isinstance(arg.source, NodeSource) else arg
            for arg in node.args
        )
        after = tuple(sorted({n if (to := removed.get(n)) is None else to for n in node.after}))
        alike = evolve(node, name="", span=NOWHERE, args=args, after=after)
        same = first.setdefault(alike, number)
        if same == number or not node.outputs or not plan.is_silent(node):
            continue
        removed[number] = same
        replaced.update({NodeSource(number, o): NodeSource(same, o) for o in range(-1, len(node.outputs))})
    return without(graph, removed, replaced) if removed else graph
