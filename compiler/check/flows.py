"""Checks compositions and turns them into flow graphs.

A statement is checked when what it uses is known, so statements may stand in any order; nodes come out in an order in
which producers precede consumers.
"""

from collections.abc import Sequence

from dandc.compiler.check import report
from dandc.compiler.check.circles import circles, circular, producers_first
from dandc.compiler.check.flow_calls import call
from dandc.compiler.check.flow_state import (
    BROKEN,
    Flow,
    KernelFacts,
    Shared,
    Value,
    define_types,
    show,
)
from dandc.compiler.check.flow_values import (
    constant_set,
    first_place,
    made,
    made_constant,
    makes_value,
    reference,
    used,
)
from dandc.compiler.check.folds import merged, reduction
from dandc.compiler.check.loops import check_loop
from dandc.compiler.check.symbols import CompositionDecl, World
from dandc.compiler.check.types import contents
from dandc.compiler.flow import EmptySource, Graph, GraphOutput, GraphPort, InputSource
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, SECRET, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label


def check_composition(
    world: World, decl: CompositionDecl, facts: dict[str, KernelFacts], root: str
) -> tuple[Graph, ...]:
    """The flow graph of a composition and those of its loops (meaningless if a diagnostic was given)."""
    shared = Shared(world, decl, facts, root, _value)
    flow = Flow(shared, decl.item.body)
    for i, port in enumerate(decl.params):
        label = Label(port.span, f"`{port.name}` is declared here")
        flow.values[port.name] = Value(port.flow, InputSource(i), label)
    _statements(flow)
    outputs = tuple(_output(flow, port) for port in decl.outputs)
    inputs = tuple(GraphPort(p.name, p.flow) for p in decl.params)
    for port in (*decl.params, *decl.outputs):
        define_types(world, port.key, port.item)
    return (Graph(decl.name, inputs, outputs, tuple(flow.nodes)), *shared.graphs)


# Statements.


def _statements(flow: Flow) -> None:
    _collect_makers(flow)
    for stmt in _producers_first(flow):
        match stmt:
            case tree.FlowLoop():
                check_loop(flow, stmt, _statements)
            case tree.FlowStmt():
                for name, value in zip(stmt.targets, _results(flow, stmt), strict=False):
                    flow.values.setdefault(name.text, value)
            case tree.FlowYield() | tree.FlowNext():
                _step(flow, stmt)


def _step(flow: Flow, stmt: tree.FlowYield | tree.FlowNext) -> None:
    if flow.outer is None:
        word = "yield" if isinstance(stmt, tree.FlowYield) else "next"
        notes = ("`loop (x: T = start) up to N { ... }` has turns",)
        message = f"`{word}` stands outside of a loop"
        flow.report(report.simple("C0460", message, stmt.span, "there are no turns here", notes=notes))
    want = flow.wants.get(stmt.name.text) if isinstance(stmt, tree.FlowNext) else None
    flow.given[id(stmt)] = flow.evaluate(stmt.value, want)


def _collect_makers(flow: Flow) -> None:
    for stmt in flow.body:
        for name in made(stmt):
            first = first_place(flow, name.text)
            if first is None:
                flow.makers[name.text] = stmt
            else:
                flow.report(report.duplicate(name.text, name.span, first, "set", "made"))


def _producers_first(flow: Flow) -> list[tree.FlowStatement]:
    """The statements in an order in which sets are made before they are used; circles are reported and left out."""
    body = {str(i): stmt for i, stmt in enumerate(flow.body)}
    numbers = {id(stmt): number for number, stmt in body.items()}
    edges: dict[str, list[str]] = {}
    for number, stmt in body.items():
        makers = (flow.makers.get(name.text) for name in used(stmt))
        edges[number] = list(dict.fromkeys(numbers[id(m)] for m in makers if m is not None))
    for path in circles(edges):
        flow.report(_cycle([made(body[n])[0] for n in path if made(body[n])]))
    broken = circular(edges)
    for number in broken:
        for name in made(body[number]):
            flow.values.setdefault(name.text, BROKEN)
    return [body[number] for number in producers_first(edges) if number not in broken]


def _cycle(names: list[tree.Name]) -> Diagnostic:
    """Each of `names` is needed for making the one before it, and the first for the last."""
    first, *others = names
    way = " -> ".join(f"`{n.text}`" for n in (*names, first))
    labels = [Label(n.span, f"`{n.text}` is part of the circle") for n in others[:3]]
    notes = (f"needed for each other: {way}",)
    return report.simple(
        "C0401", f"`{first.text}` is needed for making itself", first.span, "made here", *labels, notes=notes
    )


def _results(flow: Flow, stmt: tree.FlowStmt) -> list[Value]:
    if not isinstance(stmt.value, tree.FlowCall) or makes_value(flow, stmt.value):
        results = [_value(flow, stmt.value, None)]
    else:
        results = call(flow, stmt.value)
    if results and len(results) != len(stmt.targets) and stmt.targets and all(r is not BROKEN for r in results):
        gives, names = report.count(len(results), "set"), report.count(len(stmt.targets), "name")
        span = stmt.targets[0].span.to(stmt.targets[-1].span)
        verb = "stands" if len(stmt.targets) == 1 else "stand"
        message = f"the call gives {gives}, but {names} {verb} here"
        flow.report(report.simple("C0417", message, span, names, Label(stmt.value.span, f"gives {gives}")))
        results = []
    return results + [BROKEN] * (len(stmt.targets) - len(results))


def _value(flow: Flow, expr: tree.FlowExpr, want: TPort | None) -> Value:
    match expr:
        case tree.FlowRef(name=name):
            return reference(flow, name, want)
        case tree.FlowCall() if makes_value(flow, expr):
            constant = made_constant(flow, expr)
            return constant_set(flow, constant, want) if constant is not None else BROKEN
        case tree.FlowCall():
            return _only(flow, expr, call(flow, expr))
        case tree.FlowConst(value=value):
            return constant_set(flow, value, want)
        case tree.FlowReduce():
            return reduction(flow, expr)
        case tree.FlowMerge():
            return merged(flow, expr, want)
    raise AssertionError(expr)


def _only(flow: Flow, expr: tree.FlowCall, results: Sequence[Value]) -> Value:
    """The set of a call that stands as an argument."""
    if len(results) == 1:
        return results[0]
    if not any(r is BROKEN for r in results):
        message = f"this call gives {report.count(len(results), 'set')}, but one is needed"
        flow.report(report.simple("C0418", message, expr.span, "name them in a statement of their own"))
    return BROKEN


# Outputs.


def _output(flow: Flow, port: TPort) -> GraphOutput:
    name = tree.Name(port.span, port.name)
    if port.name not in flow.values and port.name not in flow.makers:
        flow.report(
            report.simple(
                "C0413",
                f"nothing makes the output `{port.name}`",
                port.span,
                "declared here, but never assigned",
                notes=(f"assign it: `{port.name} = ...;`",),
            )
        )
        return GraphOutput(port.name, port.flow, EmptySource())
    value = reference(flow, name)
    _check_output(flow, port, value)
    return GraphOutput(port.name, port.flow, value.source)


def _check_output(flow: Flow, port: TPort, value: Value) -> None:
    got, wanted = value.type, port.flow
    if got.item == ERROR or wanted.item == ERROR:
        return
    origins = [value.origin] if value.origin else []
    type_span = next(o.type.span for o in flow.shared.decl.item.outputs if o.name.text == port.name)
    if _holds_secret(flow.world, wanted.item):
        flow.report(report.simple("C0416", "a secret cannot be an output", port.span, _secret_label(wanted.item)))
    elif got.item != wanted.item:
        flow.report(
            report.simple(
                "C0407",
                f"the output `{port.name}` has items of type `{report.display(wanted.item)}`, but they are `{report.display(got.item)}`",
                port.span,
                f"declared `{report.display(wanted.item)}`",
                *origins,
            )
        )
    elif wanted.card != "many" and got.card == "many":
        flow.report(
            report.simple(
                "C0412",
                f"the output `{port.name}` is one item, but a set is given",
                port.span,
                f"declared `{report.display(wanted.item)}`",
                *origins,
                fixes=(Fix("declare it as a set", type_span, show(got)),),
            )
        )
    elif wanted.card == "one" and got.card == "optional":
        flow.report(
            report.fixed(
                "C0412",
                f"the output `{port.name}` may be absent",
                port.span,
                f"declared `{report.display(wanted.item)}`",
                Fix("declare it optional", report.before(type_span), "optional ", certain=True),
                *origins,
            )
        )
    elif wanted.key is not None and wanted.key != got.key:
        have = f"keys are `{report.display(got.key)}`" if got.key is not None else "the set has no keys"
        flow.report(
            report.simple(
                "C0406",
                f"the output `{port.name}` has keys of type `{report.display(wanted.key)}`",
                port.span,
                have,
                *origins,
            )
        )


def _holds_secret(world: World, t: Type) -> bool:
    """Whether some value of `t` contains a secret."""
    seen: set[Type] = set()
    waiting = [t]
    while waiting:
        part = waiting.pop()
        if part == SECRET:
            return True
        if part not in seen:
            seen.add(part)
            waiting.extend(contents(world, part))
    return False


def _secret_label(t: Type) -> str:
    return "it would leave the machine" if t == SECRET else f"`{report.display(t)}` can hold a secret"
