"""Loops of compositions: a body that is a graph of its own, with loop variables, captured sets, and what it yields."""

from collections.abc import Callable

from dandc.compiler.check import report
from dandc.compiler.check.flow_state import BROKEN, Flow, Value, define_types, show
from dandc.compiler.check.flow_values import first_place
from dandc.compiler.check.policies import collect, settle_policies
from dandc.compiler.check.types import resolve_type
from dandc.compiler.flow import ArgBinding, FlowType, Graph, GraphOutput, GraphPort, InputSource, LoopNode, NodeSource
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, Option, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Label
from dandc.lang.spans import Span

# Checks the statements of a flow, producers first.
Statements = Callable[[Flow], None]


def check_loop(flow: Flow, loop: tree.FlowLoop, statements: Statements) -> None:
    """Add the node of a loop, and what it yields to the sets of the composition around it."""
    name = flow.node_name("loop")
    inner = Flow(flow.shared, loop.body, flow, place=f"{flow.place}{name}/", states=len(loop.variables))
    types = [_variable(flow, inner, i, v) for i, v in enumerate(loop.variables)]
    starts = [_start(flow, v, t) for v, t in zip(loop.variables, types, strict=True)]
    statements(inner)
    yields = [s for s in loop.body if isinstance(s, tree.FlowYield)]
    values = [inner.given.get(id(s), BROKEN) for s in yields]
    nexts = [_next(inner, v, t) for v, t in zip(loop.variables, types, strict=True)]
    _unknown_nexts(flow, loop)
    outputs = tuple(FlowType("many", v.type.key, v.type.item) for v in values)
    settled = settle_policies(flow, loop.policies, "loop")
    graph = f"{flow.shared.decl.name}/{flow.place}{name}"
    wraps = tuple(n is not None and n.type.item != t for n, t in zip(nexts, types, strict=True))
    args = tuple(ArgBinding(s.source, "one", optional=False) for s in starts)
    args += tuple(_captured(v) for v in inner.captured.values())
    index = flow.add(
        LoopNode(name, graph, len(types), wraps, loop.most, args, outputs, settled.policies, loop.span, settled.after)
    )
    for i, (stmt, output) in enumerate(zip(yields, outputs, strict=True)):
        origin = Label(stmt.span, "yielded here")
        value = BROKEN if output.item == ERROR else Value(output, NodeSource(index, i), origin)
        flow.values.setdefault(stmt.name.text, value)
    collect(flow, settled, index, None)
    _never_ends(flow, loop, nexts)
    flow.shared.graphs.append(_graph(graph, loop, inner, types, yields, values, nexts))


def _variable(flow: Flow, inner: Flow, index: int, variable: tree.LoopVar) -> Type:
    """Declare a loop variable inside the body: its type."""
    item = resolve_type(flow.world, flow.shared.decl.scope, variable.type, {})
    define_types(flow.world, item)
    name = variable.name
    first = first_place(inner, name.text)
    if first is not None:
        flow.report(report.duplicate(name.text, name.span, first, "set", "made"))
    label = Label(variable.span, f"`{name.text}` is declared here")
    inner.values.setdefault(name.text, Value(FlowType("one", None, item), InputSource(index), label))
    inner.wants[name.text] = TPort(name.text, "one", None, item, variable.span)
    return item


def _start(flow: Flow, variable: tree.LoopVar, item: Type) -> Value:
    """The value of a variable in the first turn."""
    value = flow.evaluate(variable.value, TPort(variable.name.text, "one", None, item, variable.span))
    if ERROR in (value.type.item, item):
        return BROKEN
    if value.type.item != item or value.type.card != "one":
        message = f"the loop variable `{variable.name.text}` begins as one item of type `{report.display(item)}`"
        origin = Label(variable.type.span, "declared here")
        got = f"this is `{show(value.type)}`"
        notes = ("`x else y` gives an item where `x` may be absent",) if value.type.card == "optional" else ()
        flow.report(report.simple("C0459", message, variable.value.span, got, origin, notes=notes))
        return BROKEN
    return value


def _next(inner: Flow, variable: tree.LoopVar, item: Type) -> Value | None:
    """What a variable is in the next turn; None after a report."""
    name = variable.name.text
    found = [s for s in inner.body if isinstance(s, tree.FlowNext) and s.name.text == name]
    if not found:
        message = f"nothing says what `{name}` is in the next turn"
        notes = (f"write `next {name} = ...;` in the loop",)
        inner.report(report.simple("C0458", message, variable.name.span, "has no `next`", notes=notes))
        return None
    if len(found) > 1:
        message = f"`{name}` has two values in the next turn"
        first = Label(found[0].span, "the first one")
        inner.report(report.simple("C0458", message, found[1].span, "a second one", first))
    value = inner.given.get(id(found[0]), BROKEN)
    if ERROR in (value.type.item, item):
        return None
    fits = value.type.item == item or item == Option(value.type.item)
    if value.type.card == "many" or not fits:
        message = f"`next {name}` takes one item of type `{report.display(item)}`"
        origin = Label(variable.type.span, "declared here")
        got = f"this is `{show(value.type)}`"
        inner.report(report.simple("C0459", message, found[0].value.span, got, origin, *value.origins))
        return None
    return value


def _unknown_nexts(flow: Flow, loop: tree.FlowLoop) -> None:
    names = [v.name.text for v in loop.variables]
    for stmt in loop.body:
        if isinstance(stmt, tree.FlowNext) and stmt.name.text not in names:
            message = f"the loop has no variable `{stmt.name.text}`"
            fixes = report.did_you_mean(stmt.name.text, stmt.name.span, names)
            flow.report(report.simple("C0458", message, stmt.name.span, "not a loop variable", fixes=fixes))


def _never_ends(flow: Flow, loop: tree.FlowLoop, nexts: list[Value | None]) -> None:
    """A loop in which every `next` is always there runs to its bound, which is a failure."""
    if any(n is None or n.type.card == "optional" for n in nexts):
        return
    message = "this loop never ends well: nothing in it can say that it is over"
    notes = (
        "a loop ends when a `next` gets nothing, so one of them takes an `optional` output of a call",
        f"after {loop.most:_} turns it fails with `loop.limit`",
    )
    span = Span(loop.span.file, loop.span.start, loop.span.start + len("loop"))
    labels = [Label(s.span, "always there") for s in loop.body if isinstance(s, tree.FlowNext)]
    flow.report(report.simple("C0461", message, span, "no `next` may be absent", *labels[:3], notes=notes))


def _captured(value: Value) -> ArgBinding:
    shard = "all" if value.type.card == "many" else "one"
    return ArgBinding(value.source, shard, optional=value.type.card == "optional")


def _graph(
    name: str,
    loop: tree.FlowLoop,
    inner: Flow,
    types: list[Type],
    yields: list[tree.FlowYield],
    values: list[Value],
    nexts: list[Value | None],
) -> Graph:
    variables = [v.name.text for v in loop.variables]
    inputs = [GraphPort(v, FlowType("one", None, t)) for v, t in zip(variables, types, strict=True)]
    inputs += [GraphPort(captured, value.type) for captured, value in inner.captured.items()]
    outputs = [GraphOutput(s.name.text, v.type, v.source) for s, v in zip(yields, values, strict=True)]
    outputs += [GraphOutput(v, (n or BROKEN).type, (n or BROKEN).source) for v, n in zip(variables, nexts, strict=True)]
    return Graph(name, tuple(inputs), tuple(outputs), tuple(inner.nodes))
