"""A flow graph as boxes and arrows, whatever draws them: what a node is, what flows to it, of what type, how sharded."""

from dandc.compiler.flow import (
    ArgBinding,
    ConfigSource,
    ConstSource,
    EndpointSource,
    FlowNode,
    Graph,
    InputSource,
    LoopNode,
    NodeSource,
    Source,
)
from dandc.compiler.flow_walk import KINDS, called_graph
from dandc.flow_text import flow_text, policy_words
from dandc.lang.values import frozen


@frozen
class Box:
    """Something in a graph: `kind` is `input`, `output`, `config`, or the kind of a node. `calls` is the graph that it runs."""

    kind: str
    lines: tuple[str, ...]
    calls: str | None = None


@frozen
class Arrow:
    """A set on its way: from box to box by number, with its sharding and type, or dashed (`after`) without."""

    start: int
    end: int
    label: str
    dashed: bool = False


@frozen
class Picture:
    """One graph."""

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture(graph: Graph) -> Picture:
    """What there is to draw of a graph; what it calls is drawn on its own."""
    boxes = [Box("input", (port.name,)) for port in graph.inputs]
    arrows: list[Arrow] = []
    settings: dict[str, int] = {}
    for node in graph.nodes:
        boxes.append(_node_box(node))
    first = len(graph.inputs)
    for number, node in enumerate(graph.nodes):
        for arg in node.args:
            if isinstance(arg.source, ConfigSource | EndpointSource):
                start = _setting(boxes, settings, arg.source)
                arrows.append(Arrow(start, first + number, ""))
            elif (start_of := _start(arg.source, first)) is not None:
                arrows.append(Arrow(start_of, first + number, _edge_label(graph, arg)))
        arrows += [Arrow(first + before, first + number, "after", dashed=True) for before in node.after]
    for output in graph.outputs:
        boxes.append(Box("output", (output.name,)))
        start_of = _start(output.source, first)
        if start_of is not None:
            arrows.append(Arrow(start_of, len(boxes) - 1, flow_text(output.type)))
        else:
            boxes[-1] = Box("output", (output.name, _constant(output.source)))
    return Picture(graph.name, tuple(boxes), tuple(dict.fromkeys(arrows)))


def _start(source: Source, first: int) -> int | None:
    match source:
        case InputSource(index):
            return index
        case NodeSource(node, _):
            return first + node
    return None


def _setting(boxes: list[Box], settings: dict[str, int], source: ConfigSource | EndpointSource) -> int:
    kind = "config" if isinstance(source, ConfigSource) else "endpoint"
    name = f"{kind} {source.name}"
    if name not in settings:
        settings[name] = len(boxes)
        boxes.append(Box("config", (name,)))
    return settings[name]


def _node_box(node: FlowNode) -> Box:
    lines = [node.name, *_policies(node)]
    constants = sum(isinstance(arg.source, ConstSource) for arg in node.args)
    if constants:
        lines.append("one constant argument" if constants == 1 else f"{constants} constant arguments")
    return Box(KINDS[type(node)], tuple(lines), called_graph(node))


def _constant(source: Source) -> str:
    return f"a constant of {len(source.value)} bytes" if isinstance(source, ConstSource) else "nothing"


def _edge_label(graph: Graph, arg: ArgBinding) -> str:
    shard = "" if arg.shard == "one" else f"{arg.shard} "
    match arg.source:
        case InputSource(index):
            return shard + flow_text(graph.inputs[index].type)
        case NodeSource(node, output) if output >= 0:
            return shard + flow_text(graph.nodes[node].outputs[output])
    return f"{shard}failures"


def _policies(node: FlowNode) -> list[str]:
    """How the sharded arguments meet, and what the call says of time, failure and effects."""
    join = getattr(node, "join", None)
    said = [] if join is None else ["join: " + " ".join(("by", *join.strategies))]
    if isinstance(node, LoopNode):
        said.append(f"up to {node.most} turns")
    return said + policy_words(node.policies)
