"""Names and constants in compositions, and what a statement makes and uses."""

from collections.abc import Iterator

from attrs import fields_dict

from dandc.compiler.check import exprs, hints, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.constants import settle
from dandc.compiler.check.evaluate import expression_value, mentions_broken
from dandc.compiler.check.flow_state import BROKEN, Flow, Value, config_name, define_types
from dandc.compiler.check.symbols import CompositionDecl, World
from dandc.compiler.check.types import lookup
from dandc.compiler.encoding import encode
from dandc.compiler.flow import ConfigSource, ConstSource, FlowType
from dandc.compiler.interp_values import neutral_static
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, UNIT, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Label
from dandc.lang.spans import Span

# What statements make and use.


def made(stmt: tree.FlowStatement) -> list[tree.Name]:
    """The sets that a statement makes where it stands; a loop makes what it yields."""
    match stmt:
        case tree.FlowLoop(body=body, policies=policies):
            yielded = [s.name for s in body if isinstance(s, tree.FlowYield)]
            return yielded + [p.into for p in policies if p.into is not None]
        case tree.FlowStmt(targets=targets, value=value):
            return [*targets, *_collected(value)]
    return _collected(stmt.value)


def used(stmt: tree.FlowStatement) -> Iterator[tree.Name]:
    """The names that a statement uses; of a loop those that its body does not make itself."""
    if not isinstance(stmt, tree.FlowLoop):
        yield from _references(stmt.value)
        return
    for variable in stmt.variables:
        yield from _references(variable.value)
    yield from _policy_references(stmt.policies)
    own = {v.name.text for v in stmt.variables}
    own |= {name.text for inner in stmt.body for name in made(inner)}
    yield from (name for inner in stmt.body for name in used(inner) if name.text not in own)


def _references(value: tree.FlowExpr) -> Iterator[tree.Name]:
    match value:
        case tree.FlowRef(name=name):
            yield name
        case tree.FlowConst(value=expr):
            yield from names_in(expr)
        case tree.FlowReduce(call=call):
            yield from _references(call)
        case tree.FlowMerge(parts=parts):
            for part in parts:
                yield from _references(part)
        case tree.FlowCall(args=args, policies=policies):
            for arg in args:
                yield from _references(arg.value)
            yield from _policy_references(policies)


def _policy_references(policies: tuple[tree.Policy, ...]) -> Iterator[tree.Name]:
    for policy in policies:
        yield from policy.names
        if policy.key is not None:
            yield from _references(policy.key)


def _collected(value: tree.FlowExpr) -> list[tree.Name]:
    """The names that `collect into` makes, in nested calls too."""
    match value:
        case tree.FlowReduce(call=call):
            return _collected(call)
        case tree.FlowMerge(parts=parts):
            return [name for part in parts for name in _collected(part)]
        case tree.FlowCall(args=args, policies=policies):
            inner = [name for arg in args for name in _collected(arg.value)]
            return inner + [p.into for p in policies if p.into is not None]
    return []


def first_place(flow: Flow, name: str) -> Span | None:
    """Where a set of this name is made or declared already, here or in what is around."""
    at: Flow | None = flow
    while at is not None:
        if name in at.values:
            origin = at.values[name].origin
            return origin.span if origin is not None else at.shared.decl.item.name.span
        if name in at.makers:
            return next(n.span for n in made(at.makers[name]) if n.text == name)
        at = at.outer
    return None


# Values.


def reference(flow: Flow, name: tree.Name, want: TPort | None = None) -> Value:
    """The set, config or constant that a name means; `want` is what a constant is needed for."""
    found = flow.find(name.text)
    if found is not None:
        return found
    world, decl = flow.world, flow.shared.decl
    symbol = lookup(world, decl.scope, name.text)
    if symbol is not None and symbol.kind == "config":
        config = world.configs[symbol.name]
        define_types(world, config.type)
        source = ConfigSource(config_name(world, flow.shared.root, symbol.name))
        return Value(FlowType("one", None, config.type), source)
    if symbol is not None and symbol.kind == "broken":
        return BROKEN
    if symbol is not None and symbol.kind in ("const", "variant"):
        return constant_set(flow, tree.NameExpr(name.span, name), want)
    inside = _inside_loop(flow.body, name.text)
    if inside is None:
        flow.report(report.unknown_name(name.text, name.span, flow.known(), "set"))
    else:
        label = Label(inside.span, "it is made here, in every turn anew")
        note = f"give it to the outside: `yield NAME <- {name.text};`"
        message = f"`{name.text}` is a set of a loop, which is not seen outside of it"
        flow.report(report.simple("N0201", message, name.span, "outside of the loop", label, notes=(note,)))
    return BROKEN


def _inside_loop(body: tuple[tree.FlowStatement, ...], text: str) -> tree.Name | None:
    """The set of that name that some loop makes for itself."""
    loops = [stmt for stmt in body if isinstance(stmt, tree.FlowLoop)]
    while loops:
        loop = loops.pop()
        for name in (*(v.name for v in loop.variables), *(n for s in loop.body for n in made(s))):
            if name.text == text:
                return name
        loops += [stmt for stmt in loop.body if isinstance(stmt, tree.FlowLoop)]
    return None


def makes_value(flow: Flow, call: tree.FlowCall) -> bool:
    """Whether `call` makes a record or a variant (`P(x: 1)`, `some(2)`, `Shape.circle(1.0)`), or calls a helper with constants."""
    what = _makes(flow, call)
    return what == "data" or (what == "helper" and _of_constants(flow, call))


def _makes(flow: Flow, call: tree.FlowCall) -> str:
    """What is called, as far as it can be computed now: `data` of a type, a `helper` (also a method), or nothing."""
    if flow.knows(call.path[0].text):
        return ""
    symbol = lookup(flow.world, flow.shared.decl.scope, call.path[0].text)
    for name in call.path[1:]:
        if symbol is None or symbol.kind != "module":
            return {"type": "data", "const": "helper"}.get(symbol.kind if symbol is not None else "", "")
        symbol = flow.world.scopes[symbol.name].names.get(name.text)
    return {"type": "data", "variant": "data", "fn": "helper"}.get(symbol.kind if symbol is not None else "", "")


def _of_constants(flow: Flow, call: tree.FlowCall) -> bool:
    """Whether the arguments of a call name no set and call no function, so that it can be computed now."""
    return (
        not call.policies and call.join is None and all(not a.shard and _is_constant(flow, a.value) for a in call.args)
    )


def _is_constant(flow: Flow, expr: tree.FlowExpr) -> bool:
    match expr:
        case tree.FlowConst(value=value):
            return not any(flow.knows(n.text) for n in names_in(value))
        case tree.FlowRef(name=name):
            return not flow.knows(name.text)
        case tree.FlowCall():
            return bool(_makes(flow, expr)) and _of_constants(flow, expr)
    return False


def made_constant(flow: Flow, expr: tree.FlowExpr) -> tree.Expr | None:
    """The expression of a record or variant that a composition writes; None after a report."""
    match expr:
        case tree.FlowConst(value=value):
            return value
        case tree.FlowRef(name=name) if not flow.knows(name.text):
            return tree.NameExpr(name.span, name)
        case tree.FlowCall(path=path, args=args, policies=(), join=None) if not any(
            a.shard for a in args
        ) and makes_value(flow, expr):
            callee: tree.Expr = tree.NameExpr(path[0].span, path[0])
            for name in path[1:]:
                callee = tree.FieldExpr(path[0].span.to(name.span), callee, name)
            made = [made_constant(flow, a.value) for a in args]
            parts = tuple(
                tree.Arg(a.span, a.name, value) for a, value in zip(args, made, strict=True) if value is not None
            )
            return tree.CallExpr(expr.span, callee, parts) if len(parts) == len(made) else None
    note = "compute it in a `function` and pass that function's output"
    flow.report(
        report.simple(
            "C0410", "this is not a constant", expr.span, "computed values come from functions", notes=(note,)
        )
    )
    return None


def constant_set(flow: Flow, expr: tree.Expr, want: TPort | None) -> Value:
    """The one item that a constant expression is."""
    wanted = None
    if want is not None and want.kind != "set":
        label = f"`{want.name}` is declared here" if want.name else f"items are `{report.display(want.item)}`"
        wanted = Want(want.item, Label(want.span, label))
    names = [n for n in names_in(expr) if flow.knows(n.text)]
    part = hints.part_of_call(flow, expr)
    if part is not None:
        flow.report(part)
        return BROKEN
    if names:
        notes = ("compute it in a `function` and pass that function's output",)
        label = f"`{names[0].text}` is known only when the program runs"
        flow.report(report.simple("C0410", "a composition computes nothing", names[0].span, label, notes=notes))
        return BROKEN
    encoded = constant(flow.world, flow.shared.decl, expr, wanted)
    if encoded is None:
        return BROKEN
    t, data = encoded
    return Value(FlowType("one", None, t), ConstSource(data), Label(expr.span, f"this is `{report.display(t)}`"))


def names_in(expr: object) -> list[tree.Name]:
    """The names that stand alone as values in an expression."""
    found: list[tree.Name] = []
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.NameExpr):
            found.append(node.name)
        elif isinstance(node, tuple):
            waiting.extend(reversed(node))
        elif isinstance(node, tree.Node):
            waiting.extend(getattr(node, f) for f in reversed(fields_dict(type(node))) if f != "span")
    return found


def constant(world: World, decl: CompositionDecl, expr: tree.Expr, want: Want | None) -> tuple[Type, bytes] | None:
    """Type and encoding of a constant expression; None after a report."""
    body = Body(world, decl.scope, {}, UNIT, None, None)
    before = len(world.sink.diagnostics)
    typed = exprs.check_expr(body, expr, want)
    solutions = body.finish()
    t = settle(typed.type, solutions)
    if len(world.sink.diagnostics) > before or t == ERROR:
        return None
    if mentions_broken(world, typed):
        return None
    found = expression_value(world, typed, t, solutions)
    if isinstance(found, Diagnostic):
        world.sink.add(found)
    if found is None or isinstance(found, Diagnostic):
        return None
    define_types(world, t)
    return t, encode(t, neutral_static(t, found.value, world.table), world.table)
