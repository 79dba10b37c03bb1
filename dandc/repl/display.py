"""Values, declarations and graphs as text, in the syntax of the language where it has one."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dandc.compiler.check.report import display
from dandc.compiler.check.symbols import Symbol, World
from dandc.compiler.encoding import Variant
from dandc.compiler.flow import (
    ArgBinding,
    ConfigSource,
    ConstSource,
    EndpointSource,
    FlowNode,
    Graph,
    InputSource,
    KeySource,
    LoopNode,
    NodeSource,
    Policies,
    Program,
    Source,
)
from dandc.compiler.flow_walk import KINDS, output_names, parameter_names
from dandc.compiler.types import SECRET, Array, Basic, Named, Tuple, Type, TypeTable, fields, variants
from dandc.conform.literals import literal
from dandc.flow_text import flow_text, policy_words
from dandc.lang import Source as Text
from dandc.lang import tree
from dandc.lang.render import visible

# Of more, a person at a terminal reads nothing.
MOST_ELEMENTS = 200
MOST_CHARACTERS = 4_000
_MOST_TEXT = 4 * MOST_CHARACTERS


def value_text(t: Type, value: Any, types: TypeTable) -> str:
    """A neutral value and its type: `[1, 2]: array[i64]`. Of a long value the beginning, with how much is left out."""
    left_out: list[str] = []
    text = literal(t, _masked(t, _beginning(value, left_out), types), types)
    if len(text) > _MOST_TEXT:
        left_out.append(f"{len(text) - _MOST_TEXT:,} characters of this text")
        text = f"{text[:_MOST_TEXT]}..."
    note = f"  // left out: {', '.join(left_out[:4])}" if left_out else ""
    return f"{visible(text)}: {display(t)}{note}"


def _beginning(value: Any, left_out: list[str]) -> Any:
    """The value with its long arrays and texts cut; what was cut is told to `left_out`."""
    if isinstance(value, list):
        if len(value) > MOST_ELEMENTS:
            left_out.append(f"{len(value) - MOST_ELEMENTS:,} elements")
        return [_beginning(part, left_out) for part in value[:MOST_ELEMENTS]]
    if isinstance(value, tuple):
        return tuple(_beginning(part, left_out) for part in value)
    if isinstance(value, Variant):
        return Variant(value.index, tuple(_beginning(part, left_out) for part in value.fields))
    if isinstance(value, str | bytes) and len(value) > MOST_CHARACTERS:
        what = "characters" if isinstance(value, str) else "bytes"
        left_out.append(f"{len(value) - MOST_CHARACTERS:,} {what}")
        return value[:MOST_CHARACTERS]
    return value


def _masked(t: Type, value: Any, types: TypeTable) -> Any:
    """The value without what stands in it for secrets."""
    match t:
        case Basic():
            return "(secret)" if t == SECRET else value
        case Array(item):
            return [_masked(item, part, types) for part in value] if _may_hold_secrets(item) else value
        case Tuple() | Named() if isinstance(value, tuple):
            return tuple(_masked(ft, v, types) for (_, ft), v in zip(fields(t, types), value, strict=True))
    payload = variants(t, types)[value.index][1]
    return Variant(value.index, tuple(_masked(ft, v, types) for ft, v in zip(payload, value.fields, strict=True)))


def _may_hold_secrets(t: Type) -> bool:
    return t == SECRET or not isinstance(t, Basic)


# Declarations.


def header(world: World, symbol: Symbol, sources: Mapping[str, Text]) -> str:
    """A declaration as it was written, without its body."""
    item = _item(world, symbol)
    source = None if item is None else sources.get(item.span.file)
    if item is None or source is None:
        return f"module {symbol.name}"
    end = item.span.end
    match item:
        case tree.FnItem(body=tree.Block(span=span)):
            end = span.start
        case tree.FunctionItem(body=tree.Block(span=span)):
            end = span.start
        case tree.FunctionItem(expression=tree.Expr(span=span)):
            end = span.start
        case tree.CompositionItem(outputs=outputs) if outputs:
            end = source.text.index(")", outputs[-1].span.end) + 1
    return visible(" ".join(source.text[item.span.start : end].split()).rstrip(" ={"))


def _item(world: World, symbol: Symbol) -> tree.Item | None:
    module = world.scopes.get(symbol.name if symbol.kind == "module" else symbol.name.rpartition(".")[0])
    if module is None or symbol.kind == "module":
        return None
    items = module.module.tree.items
    return next((i for i in items if getattr(getattr(i, "name", None), "span", None) == symbol.span), None)


# Graphs.


def graph_text(graph: Graph, program: Program) -> str:
    """A flow graph, one node a line, in the order in which they can run; that of a loop is indented under its node."""
    return visible_lines(_graph_lines(graph, program))


def _graph_lines(graph: Graph, program: Program) -> list[str]:
    names = [node.name for node in graph.nodes]
    lines = [f"inputs   {', '.join(f'{p.name}: {flow_text(p.type)}' for p in graph.inputs) or 'none'}"]
    for node in graph.nodes:
        outputs = ", ".join(
            f"{name}: {flow_text(f)}" for name, f in zip(_output_names(node, program), node.outputs, strict=True)
        )
        args = ", ".join(_argument(graph, names, program, a) for a in _given(node, program))
        behind = (
            f"{_join(node, program)}{_policies(node.policies, partial(_source, graph, program))}{_after(node, names)}"
        )
        lines.append(f"{KINDS[type(node)]}  {node.name}({args}) => ({outputs}){behind}")
        if isinstance(node, LoopNode):
            lines += [f"    {line}" for line in _graph_lines(program.graphs[node.graph], program)]
    for output in graph.outputs:
        lines.append(f"output   {output.name}: {flow_text(output.type)} = {_source(graph, program, output.source)}")
    return lines


def visible_lines(lines: list[str]) -> str:
    """Lines that a terminal shows and does not obey."""
    return "\n".join(visible(line) for line in lines)


def _output_names(node: FlowNode, program: Program) -> list[str]:
    return output_names(program.graphs, program.kernels, node)


def _given(node: FlowNode, program: Program) -> Iterator[tuple[str, ArgBinding]]:
    return zip(parameter_names(program.graphs, program.kernels, node), node.args, strict=True)


def _argument(graph: Graph, names: list[str], program: Program, given: tuple[str, ArgBinding]) -> str:
    name, binding = given
    shard = "" if binding.shard == "one" else f"{binding.shard} "
    return f"{name.rpartition(' ')[2]}: {shard}{_source(graph, program, binding.source)}"


def _source(graph: Graph, program: Program, source: Source) -> str:
    match source:
        case InputSource(index):
            return graph.inputs[index].name
        case NodeSource(node, -1):
            return f"failures of {graph.nodes[node].name}"
        case NodeSource(node, output):
            return f"{graph.nodes[node].name}.{_output_names(graph.nodes[node], program)[output]}"
        case ConstSource(value):
            return f"<{len(value)} bytes>"
        case ConfigSource(name):
            return f"config {name}"
        case EndpointSource(name):
            return f"endpoint {name}"
        case KeySource():
            return "the instance"
    return "nothing"


def _join(node: FlowNode, program: Program) -> str:
    """How the sharded arguments of a node meet, or how often a loop turns."""
    if isinstance(node, LoopNode):
        return f"  up to {node.most}"
    join = getattr(node, "join", None)
    if join is None:
        return ""
    first, *others = [parameter_names(program.graphs, program.kernels, node)[i] for i in join.params]
    chain = "".join(f" {strategy} {name}" for strategy, name in zip(join.strategies, others, strict=True))
    return f"  by {first}{chain}"


def _after(node: FlowNode, names: list[str]) -> str:
    return f"  after {', '.join(names[i] for i in node.after)}" if node.after else ""


def _policies(policies: Policies, source: Callable[[Source], str]) -> str:
    said = policy_words(policies, "" if policies.once is None else source(policies.once))
    return f"  {' '.join(said)}" if said else ""
