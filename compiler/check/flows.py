"""Checks compositions and turns them into flow graphs.

A statement is checked when somebody needs what it makes, so statements may stand in any order; nodes come out in an
order in which producers precede consumers.
"""

from itertools import islice

from attrs import Factory, define, evolve, field, fields_dict, frozen

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.candidates import MAX_PROPOSED
from dandc.compiler.check.captures import Captures
from dandc.compiler.check.circles import circles, circular, producers_first
from dandc.compiler.check.constants import settle
from dandc.compiler.check.evaluate import expression_value, mentions_broken
from dandc.compiler.check.symbols import CompositionDecl, KernelDecl, Symbol, World
from dandc.compiler.check.types import KIND_WORDS, contents, define_type, lookup, lookup_path
from dandc.compiler.encoding import encode
from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    ConfigSource,
    ConstSource,
    EmptySource,
    EndpointSource,
    FlowNode,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Policies,
    Source,
)
from dandc.compiler.interp_values import neutral_static
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, SECRET, UNIT, Named, Result, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span

FAILURE = Named("prelude.Failure")


@frozen
class Value:
    """A set in a composition: its type, where it comes from, and where it was made (for messages)."""

    type: FlowType
    source: Source
    origin: Label | None = None


BROKEN = Value(FlowType("one", None, ERROR), EmptySource())


@frozen
class KernelFacts:
    """What a call of a kernel must know of its body."""

    captures: Captures
    unkeyed: frozenset[int]  # outputs with keys that some emission leaves without one


@define(eq=False)
class _Flow:
    """The state while one composition is checked."""

    world: World
    decl: CompositionDecl
    facts: dict[str, KernelFacts]
    values: dict[str, Value] = Factory(dict)
    makers: dict[str, tree.FlowStmt] = Factory(dict)
    done: set[int] = Factory(set)
    nodes: list[FlowNode] = Factory(list)
    used: set[str] = Factory(set)
    names: dict[str, int] = field(factory=dict)

    def report(self, diagnostic: Diagnostic) -> None:
        self.world.sink.add(diagnostic)


def config_name(world: World, root: str, qualified: str) -> str:
    """How a config or endpoint is called in a run: bare if the root module declares it."""
    return qualified.removeprefix(f"{root}.") if qualified.startswith(f"{root}.") else qualified


def check_composition(world: World, decl: CompositionDecl, facts: dict[str, KernelFacts], root: str) -> Graph:
    """The flow graph of a composition (meaningless if a diagnostic was given)."""
    flow = _Flow(world, decl, facts)
    for i, port in enumerate(decl.params):
        label = Label(port.span, f"`{port.name}` is declared here")
        flow.values[port.name] = Value(port.flow, InputSource(i), label)
    _collect_makers(flow)
    for stmt in _producers_first(flow):
        _statement(flow, stmt, root)
    outputs = tuple(_output(flow, port, root) for port in decl.outputs)
    inputs = tuple(GraphPort(p.name, p.flow) for p in decl.params)
    for port in (*decl.params, *decl.outputs):
        _define(world, port.key, port.item)
    return Graph(decl.name, inputs, outputs, tuple(flow.nodes))


def _define(world: World, *types: Type | None) -> None:
    for t in types:
        if t is not None and t != ERROR:
            define_type(world, t, world.table)


def _collect_makers(flow: _Flow) -> None:
    for stmt in flow.decl.item.body:
        for name in (*stmt.targets, *_collected(stmt.value)):
            first = flow.makers.get(name.text)
            if name.text in flow.values:
                origin = flow.values[name.text].origin
                first_span = origin.span if origin else name.span
                flow.report(report.duplicate(name.text, name.span, first_span, "set", "made"))
            elif first is not None:
                span = next(n.span for n in (*first.targets, *_collected(first.value)) if n.text == name.text)
                flow.report(report.duplicate(name.text, name.span, span, "set", "made"))
            else:
                flow.makers[name.text] = stmt


def _producers_first(flow: _Flow) -> list[tree.FlowStmt]:
    """The statements in an order in which sets are made before they are used; circles are reported and broken."""
    body = {str(i): stmt for i, stmt in enumerate(flow.decl.item.body)}
    numbers = {id(stmt): number for number, stmt in body.items()}
    edges: dict[str, list[str]] = {}
    for number, stmt in body.items():
        makers = (flow.makers.get(name.text) for name in _references(stmt.value))
        edges[number] = [numbers[id(m)] for m in makers if m is not None]
    for path in circles(edges):
        flow.report(_cycle([body[n].targets[0] for n in path if body[n].targets]))
    for number in circular(edges):
        flow.done.add(id(body[number]))
        for name in (*body[number].targets, *_collected(body[number].value)):
            flow.values.setdefault(name.text, BROKEN)
    return [body[number] for number in producers_first(edges)]


def _references(value: tree.FlowExpr) -> list[tree.Name]:
    """The sets that an expression of a composition names."""
    if isinstance(value, tree.FlowRef):
        return [value.name]
    if isinstance(value, tree.FlowConst):
        return names_in(value.value)
    return [name for arg in value.args for name in _references(arg.value)] if isinstance(value, tree.FlowCall) else []


def _collected(value: tree.FlowExpr) -> list[tree.Name]:
    """The names that `collect into` makes, in nested calls too."""
    if not isinstance(value, tree.FlowCall):
        return []
    inner = [n for arg in value.args for n in _collected(arg.value)]
    return inner + [p.into for p in value.policies if p.into is not None]


def _statement(flow: _Flow, stmt: tree.FlowStmt, root: str) -> None:
    if id(stmt) in flow.done:
        return
    flow.done.add(id(stmt))
    results = _results(flow, stmt, root)
    for name, value in zip(stmt.targets, results, strict=False):
        flow.values.setdefault(name.text, value)


def _cycle(names: list[tree.Name]) -> Diagnostic:
    """Each of `names` is needed for making the one before it, and the first for the last."""
    first, *others = names
    way = " -> ".join(f"`{n.text}`" for n in (*names, first))
    labels = [Label(n.span, f"`{n.text}` is part of the circle") for n in others[:3]]
    notes = (f"needed for each other: {way}",)
    return report.simple(
        "C0401", f"`{first.text}` is needed for making itself", first.span, "made here", *labels, notes=notes
    )


def _results(flow: _Flow, stmt: tree.FlowStmt, root: str) -> list[Value]:
    if not isinstance(stmt.value, tree.FlowCall) or makes_value(flow, stmt.value):
        results = [_value(flow, stmt.value, None, root)]
    else:
        results = _call(flow, stmt.value, root)
    if results and len(results) != len(stmt.targets) and stmt.targets and all(r is not BROKEN for r in results):
        gives, names = report.count(len(results), "set"), report.count(len(stmt.targets), "name")
        span = stmt.targets[0].span.to(stmt.targets[-1].span)
        verb = "stands" if len(stmt.targets) == 1 else "stand"
        message = f"the call gives {gives}, but {names} {verb} here"
        flow.report(report.simple("C0417", message, span, names, Label(stmt.value.span, f"gives {gives}")))
        results = []
    return results + [BROKEN] * (len(stmt.targets) - len(results))


def _value(flow: _Flow, expr: tree.FlowExpr, want: TPort | None, root: str) -> Value:
    match expr:
        case tree.FlowRef(name=name):
            return _reference(flow, name, root)
        case tree.FlowCall() if makes_value(flow, expr):
            made = _made(flow, expr)
            return _constant(flow, made, want) if made is not None else BROKEN
        case tree.FlowCall():
            results = _call(flow, expr, root)
            if len(results) != 1:
                if not any(r is BROKEN for r in results):
                    flow.report(
                        report.simple(
                            "C0418",
                            f"this call gives {report.count(len(results), 'set')}, but one is needed",
                            expr.span,
                            "name them in a statement of their own",
                        )
                    )
                return BROKEN
            return results[0]
        case tree.FlowConst(value=value):
            return _constant(flow, value, want)
    raise AssertionError(expr)


def _reference(flow: _Flow, name: tree.Name, root: str) -> Value:
    flow.used.add(name.text)
    if name.text not in flow.values and name.text in flow.makers:
        _statement(flow, flow.makers[name.text], root)
        return flow.values.get(name.text, BROKEN)
    if name.text in flow.values:
        return flow.values[name.text]
    world = flow.world
    symbol = lookup(world, flow.decl.scope, name.text)
    if symbol is not None and symbol.kind == "config":
        config = world.configs[symbol.name]
        _define(world, config.type)
        return Value(FlowType("one", None, config.type), ConfigSource(config_name(world, root, symbol.name)))
    if symbol is not None and symbol.kind == "broken":
        return BROKEN
    if symbol is not None and symbol.kind in ("const", "variant"):
        return _constant(flow, tree.NameExpr(name.span, name), None)
    known = list(islice([*flow.values, *flow.makers], MAX_PROPOSED))
    flow.report(report.unknown_name(name.text, name.span, known, "set"))
    return BROKEN


def makes_value(flow: _Flow, call: tree.FlowCall) -> bool:
    """Whether `call` makes a record or a variant (`P(x: 1)`, `some(2)`, `Shape.circle(1.0)`), or calls a helper with constants."""
    if call.path[0].text in flow.values or call.path[0].text in flow.makers:
        return False
    symbol = lookup(flow.world, flow.decl.scope, call.path[0].text)
    for name in call.path[1:]:
        if symbol is None or symbol.kind != "module":
            return symbol is not None and (
                symbol.kind == "type" or (symbol.kind == "const" and _of_constants(flow, call))
            )
        symbol = flow.world.scopes[symbol.name].names.get(name.text)
    if symbol is not None and symbol.kind == "fn":
        return _of_constants(flow, call)
    return symbol is not None and symbol.kind in ("type", "variant")


def _of_constants(flow: _Flow, call: tree.FlowCall) -> bool:
    """Whether the arguments of a call name no set and call no function, so that it can be computed now."""
    return not call.policies and all(not a.shard and _is_constant(flow, a.value) for a in call.args)


def _is_constant(flow: _Flow, expr: tree.FlowExpr) -> bool:
    match expr:
        case tree.FlowConst(value=value):
            return not any(n.text in flow.values or n.text in flow.makers for n in names_in(value))
        case tree.FlowRef(name=name):
            return name.text not in flow.values and name.text not in flow.makers
        case tree.FlowCall():
            return makes_value(flow, expr) and _of_constants(flow, expr)
    return False


def _made(flow: _Flow, expr: tree.FlowExpr) -> tree.Expr | None:
    """The expression of a record or variant that a composition writes; None after a report."""
    match expr:
        case tree.FlowConst(value=value):
            return value
        case tree.FlowRef(name=name) if name.text not in flow.values and name.text not in flow.makers:
            return tree.NameExpr(name.span, name)
        case tree.FlowCall(path=path, args=args, policies=()) if not any(a.shard for a in args) and makes_value(
            flow, expr
        ):
            callee: tree.Expr = tree.NameExpr(path[0].span, path[0])
            for name in path[1:]:
                callee = tree.FieldExpr(path[0].span.to(name.span), callee, name)
            made = [_made(flow, a.value) for a in args]
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


def _constant(flow: _Flow, expr: tree.Expr, want: TPort | None) -> Value:
    wanted = (
        Want(want.item, Label(want.span, f"`{want.name}` is declared here")) if want and want.kind != "set" else None
    )
    names = [n for n in names_in(expr) if n.text in flow.values or n.text in flow.makers]
    if names:
        notes = ("compute it in a `function` and pass that function's output",)
        label = f"`{names[0].text}` is known only when the program runs"
        flow.report(report.simple("C0410", "a composition computes nothing", names[0].span, label, notes=notes))
        return BROKEN
    encoded = constant(flow.world, flow.decl, expr, wanted)
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
    _define(world, t)
    return t, encode(t, neutral_static(t, found.value, world.table), world.table)


# Calls.


def _call(flow: _Flow, call: tree.FlowCall, root: str) -> list[Value]:
    symbol = _callee(flow, call)
    if symbol is None:
        for arg in call.args:
            _value(flow, arg.value, None, root)
        return [BROKEN]
    world = flow.world
    target = world.compositions[symbol.name] if symbol.kind == "composition" else world.kernels[symbol.name]
    bound = _bind(flow, call, target, root)
    if bound is None:
        return [BROKEN] * max(len(target.outputs), 1)
    policies, into = _policies(flow, call, symbol.kind)
    outputs = _output_types(flow, call, target, bound, policies)
    index = len(flow.nodes)
    flow.nodes.append(_node(flow, call, symbol, target, bound, outputs, policies, root))
    if into is not None:
        key = bound.inherited
        flow.values[into.text] = Value(
            FlowType("many", key, FAILURE), NodeSource(index, -1), Label(into.span, "collected here")
        )
        _define(world, FAILURE)
    origin = Label(call.span, "made by this call")
    return [Value(t, NodeSource(index, i), origin) for i, t in enumerate(outputs)]


def _callee(flow: _Flow, call: tree.FlowCall) -> Symbol | None:
    first = call.path[0]
    symbol: Symbol | None
    if len(call.path) == 1 and lookup(flow.world, flow.decl.scope, first.text) is None:
        callable_ = [n for n, s in flow.decl.scope.names.items() if s.kind in ("kernel", "composition")]
        modules = [n for n, s in flow.decl.scope.names.items() if s.kind == "module"]
        flow.report(report.unknown_name(first.text, first.span, [*callable_, *modules], "function"))
        return None
    symbol = lookup_path(flow.world, flow.decl.scope, call.path)
    if symbol is None or symbol.kind in ("kernel", "communication", "composition"):
        return symbol
    name = ".".join(n.text for n in call.path)
    hint = ("only a `function`, a communication function or a composition can be called here",)
    if symbol.kind == "fn":
        hint = ("a composition calls a `fn` with constants only; a `function` computes with what sets hold",)
    if symbol.kind != "broken":
        kind = report.article(KIND_WORDS[symbol.kind])
        span = call.path[-1].span
        flow.report(report.simple("C0419", f"`{name}` is {kind}", span, "not callable in a composition", notes=hint))
    return None


@frozen
class Bound:
    """The arguments of a call in the order of its parameters."""

    args: tuple[ArgBinding, ...]
    sharded: bool
    inherited: Type | None  # the key that outputs inherit
    absent: bool  # some bare argument may be absent, and then nothing runs


def _bind(flow: _Flow, call: tree.FlowCall, target: KernelDecl | CompositionDecl, root: str) -> Bound | None:
    slots = _match(flow, call, target)
    args: list[ArgBinding] = []
    good, sharded, inherited, absent = slots is not None, 0, None, False
    first_sharded: Span | None = None
    for i, param in enumerate(target.params):
        arg = (slots or {}).get(i)
        if arg is None:
            args.append(ArgBinding(EmptySource(), "one", optional=True))
            continue
        value = _value(flow, arg.value, param, root)
        shard = _check_argument(flow, arg, param, value)
        if shard is None:
            good = False
            continue
        if shard in ("each", "keyed"):
            sharded += 1
            inherited = value.type.key
            if sharded > 1:
                flow.report(_two_sharded(first_sharded or arg.span, arg.span))
                good = False
            first_sharded = first_sharded or arg.span
        absent = absent or (shard == "one" and param.kind == "one" and value.type.card == "optional")
        args.append(ArgBinding(value.source, shard, optional=param.kind == "optional"))
    return Bound(tuple(args), sharded > 0, inherited, absent) if good else None


def _two_sharded(first: Span, second: Span) -> Diagnostic:
    notes = ("joins (`by`, `cross`) are not implemented yet; shard one of them and pass the other with `all`",)
    message = "two arguments are sharded, and nothing says how they meet"
    return report.simple("C0408", message, second, "sharded too", Label(first, "sharded"), notes=notes)


def _match(flow: _Flow, call: tree.FlowCall, target: KernelDecl | CompositionDecl) -> dict[int, tree.FlowArg] | None:
    names = [p.name for p in target.params]
    name = call.path[-1].text
    slots: dict[int, tree.FlowArg] = {}
    origin = Label(target.item.name.span, "declared here")
    position = 0
    for arg in call.args:
        if arg.name is not None and arg.name.text not in names:
            flow.report(report.unknown_argument(name, arg.name.text, names, arg.name.span))
            return None
        index = position if arg.name is None else names.index(arg.name.text)
        position += arg.name is None
        if index >= len(names):
            takes = report.count(len(names), "argument")
            flow.report(report.argument_count(name, takes, len(call.args), arg.span, origin))
            return None
        if index in slots:
            flow.report(report.duplicate(names[index], arg.span, slots[index].span, "argument", "given"))
            return None
        slots[index] = arg
    missing = [
        (param.name, _show(param.flow), param.span)
        for i, param in enumerate(target.params)
        if i not in slots and param.kind != "optional"
    ]
    if missing:
        flow.report(report.missing_arguments(name, missing, call.path[-1].span))
        return None
    return slots


def _show(t: FlowType) -> str:
    item = report.display(t.item)
    if t.card == "many":
        return f"set[{report.display(t.key)} => {item}]" if t.key is not None else f"set[{item}]"
    return f"optional {item}" if t.card == "optional" else item


def _check_argument(flow: _Flow, arg: tree.FlowArg, param: TPort, value: Value) -> str | None:
    """The shard of an argument that fits its parameter; None after a report."""
    if value.type.item == ERROR or param.item == ERROR:
        return None
    origins = [Label(param.span, f"`{param.name}` is declared here")] + ([value.origin] if value.origin else [])
    problem = _shard_problem(arg, param, value.type)
    if problem is not None:
        flow.report(evolve(problem, secondary=tuple(origins)))
        return None
    if value.type.item != param.item:
        flow.report(
            report.simple(
                "C0407",
                f"`{param.name}` takes items of type `{report.display(param.item)}`, but these are `{report.display(value.type.item)}`",
                arg.span,
                f"items are `{report.display(value.type.item)}`",
                *origins,
            )
        )
        return None
    if param.kind == "set" and param.key is not None and param.key != value.type.key:
        have = f"keys are `{report.display(value.type.key)}`" if value.type.key is not None else "has no keys"
        flow.report(
            report.simple(
                "C0406", f"`{param.name}` takes keys of type `{report.display(param.key)}`", arg.span, have, *origins
            )
        )
        return None
    return arg.shard or "one"


def _shard_problem(arg: tree.FlowArg, param: TPort, t: FlowType) -> Diagnostic | None:
    at = Span(arg.value.span.file, arg.value.span.start, arg.value.span.start)
    word = Span(arg.span.file, arg.value.span.start - len(arg.shard) - 1, arg.value.span.start)
    match arg.shard, param.kind, t.card:
        case (("anyEach" | "anyKeyed"), _, _):
            return report.simple("C0490", f"`{arg.shard}` is not implemented yet", arg.span, "use `each` or `keyed`")
        case "", "set", _:
            return report.fixed(
                "C0403",
                f"`{param.name}` takes a set",
                arg.span,
                "say how the set is passed",
                Fix("pass the whole set", at, "all "),
            )
        case "", _, "many":
            return report.fixed(
                "C0402",
                f"`{param.name}` takes one item, but this is a set",
                arg.span,
                f"this is `{_show(t)}`",
                Fix("run once for each item", at, "each "),
            )
        case "all", ("one" | "optional"), _:
            fix = Fix("run once for each item", word, "each ") if t.card == "many" else Fix("pass the item", word, "")
            return report.fixed(
                "C0402", f"`{param.name}` takes one item, not a set", arg.span, "`all` passes a set", fix
            )
        case "each", "set", _:
            return report.fixed(
                "C0420",
                f"`{param.name}` takes a set, but `each` passes one item",
                arg.span,
                "one item at a time",
                Fix("pass the whole set", word, "all "),
            )
        case "each", _, ("one" | "optional"):
            return report.fixed(
                "C0404",
                "`each` needs a set, but this is one item",
                arg.span,
                f"this is `{_show(t)}`",
                Fix("pass the item", word, ""),
            )
        case "keyed", ("one" | "optional"), _:
            return report.fixed(
                "C0420",
                f"`{param.name}` takes one item, but `keyed` passes a group",
                arg.span,
                "a set of items with one key",
                Fix("run once for each item", word, "each "),
            )
        case "keyed", _, _ if t.key is None:
            return report.simple("C0405", "`keyed` needs a set with keys", arg.span, f"this is `{_show(t)}`")
    return None


def _policies(flow: _Flow, call: tree.FlowCall, kind: str) -> tuple[Policies, tree.Name | None]:
    policies, into = Policies(), None
    for policy in call.policies:
        if policy.kind == "retry":
            if kind != "communication":
                flow.report(
                    report.simple(
                        "C0411",
                        "only communication is retried",
                        policy.span,
                        "a pure function fails the same way again",
                    )
                )
            policies = evolve(policies, retry=policy.count, retry_on=policy.on)
        elif policy.kind == "timeout":
            policies = evolve(policies, timeout_ms=policy.duration_ms)
        else:
            policies, into = evolve(policies, on_failure=policy.mode), policy.into
    return policies, into


def _output_types(
    flow: _Flow, call: tree.FlowCall, target: KernelDecl | CompositionDecl, bound: Bound, policies: Policies
) -> tuple[FlowType, ...]:
    lossy = policies.on_failure in ("skip", "collect") or bound.absent
    facts = flow.facts.get(target.name)
    outputs = []
    for i, port in enumerate(target.outputs):
        item = port.item
        if policies.on_failure == "value":
            item = Result(item, FAILURE)
        if port.kind == "set":
            outputs.append(FlowType("many", port.key if port.key is not None else bound.inherited, item))
            _check_inherited(flow, call, port, bound, facts is not None and i in facts.unkeyed)
        elif bound.sharded:
            outputs.append(FlowType("many", bound.inherited, item))
        else:
            outputs.append(FlowType("optional" if lossy or port.kind == "optional" else "one", None, item))
    if policies.on_failure == "value" and (len(outputs) != 1 or target.outputs[0].kind != "one"):
        span = next(p.span for p in call.policies if p.mode == "value")
        gives = ", ".join(f"`{p.name}: {_show(p.flow)}`" for p in target.outputs) or "nothing"
        origin = Label(target.item.name.span, f"gives {gives}")
        message = "`on failure value` needs a call with one output of one item"
        flow.report(report.simple("C0421", message, span, "cannot stand for one item", origin))
    for t in outputs:
        _define(flow.world, t.key, t.item)
    return tuple(outputs)


def _check_inherited(flow: _Flow, call: tree.FlowCall, port: TPort, bound: Bound, unkeyed: bool) -> None:
    if port.key is not None and unkeyed and bound.inherited != port.key:
        flow.report(
            report.simple(
                "C0409",
                f"some items of `{port.name}` are emitted without a key, and none is there to inherit",
                call.path[-1].span,
                f"keys of `{port.name}` are `{report.display(port.key)}`",
                Label(port.span, "declared here"),
                notes=(
                    f"emit with a key (`emit {port.name}[key] <- ...`), or call it with `each` over a set with such keys",
                ),
            )
        )


def _node(
    flow: _Flow,
    call: tree.FlowCall,
    symbol: Symbol,
    target: KernelDecl | CompositionDecl,
    bound: Bound,
    outputs: tuple[FlowType, ...],
    policies: Policies,
    root: str,
) -> FlowNode:
    world = flow.world
    name = _node_name(flow, ".".join(n.text for n in call.path))
    if symbol.kind == "composition":
        return CompositionNode(name, symbol.name, bound.args, outputs, policies, call.span)
    for port in (*target.params, *target.outputs):
        _define(world, port.key, port.item)
    if symbol.kind == "communication":
        module, operation = symbol.name.rsplit(".", 1)
        params = tuple(ParamDecl(p.name, p.kind, p.key, p.item) for p in target.params)
        declared = tuple(OutputDecl(p.name, p.kind, p.key, p.item) for p in target.outputs)
        return CommunicationNode(name, module, operation, params, declared, bound.args, outputs, policies, call.span)
    implicit = implicit_sources(world, flow.facts[symbol.name].captures, root)
    args = bound.args + tuple(ArgBinding(s, "one", optional=False) for s in implicit)
    return ComputeNode(name, symbol.name, args, outputs, policies, call.span)


def implicit_sources(world: World, captures: Captures, root: str) -> tuple[Source, ...]:
    """The implicit inputs of a kernel, in order."""
    configs = tuple(ConfigSource(config_name(world, root, c)) for c in captures.configs)
    return configs + tuple(EndpointSource(config_name(world, root, e)) for e in captures.endpoints)


def _node_name(flow: _Flow, name: str) -> str:
    flow.names[name] = flow.names.get(name, 0) + 1
    return name if flow.names[name] == 1 else f"{name}#{flow.names[name]}"


# Outputs.


def _output(flow: _Flow, port: TPort, root: str) -> GraphOutput:
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
    value = _reference(flow, name, root)
    _check_output(flow, port, value)
    return GraphOutput(port.name, port.flow, value.source)


def _check_output(flow: _Flow, port: TPort, value: Value) -> None:
    got, wanted = value.type, port.flow
    if got.item == ERROR or wanted.item == ERROR:
        return
    origins = [value.origin] if value.origin else []
    type_span = next(o.type.span for o in flow.decl.item.outputs if o.name.text == port.name)
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
                fixes=(Fix("declare it as a set", type_span, _show(got)),),
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
