"""Calls in compositions: what is called, which argument goes to which parameter, and the node that comes of it."""

from collections.abc import Sequence

from attrs import evolve

from dandc.compiler.check import hints, report
from dandc.compiler.check.captures import Captures
from dandc.compiler.check.flow_state import BROKEN, FAILURE, Flow, Value, config_name, define_types, show
from dandc.compiler.check.joins import Given, Sharding, settle_sharding
from dandc.compiler.check.policies import Settled, collect, settle_policies
from dandc.compiler.check.symbols import CompositionDecl, KernelDecl, Symbol, World
from dandc.compiler.check.types import KIND_WORDS, lookup, lookup_path
from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    ConfigSource,
    EmptySource,
    EndpointSource,
    FlowNode,
    FlowType,
    KeySource,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Source,
)
from dandc.compiler.flow_walk import SHARDED
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, Result, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen

Target = KernelDecl | CompositionDecl


def call(flow: Flow, expr: tree.FlowCall) -> list[Value]:
    """The sets that a call gives; `BROKEN` ones after a report."""
    symbol = callee(flow, expr)
    if symbol is None:
        for arg in expr.args:
            flow.evaluate(arg.value)
        return [BROKEN]
    world = flow.world
    target = world.compositions[symbol.name] if symbol.kind == "composition" else world.kernels[symbol.name]
    bound = _bind(flow, expr, target)
    if bound is None:
        return [BROKEN] * max(len(target.outputs), 1)
    module = symbol.name.rsplit(".", 1)[0]
    settled = settle_policies(flow, expr.policies, symbol.kind, module, sharded=bound.sharding.sharded)
    outputs = _output_types(flow, expr, target, bound, settled)
    index = flow.add(_node(flow, expr, symbol, target, bound, outputs, settled))
    collect(flow, settled, index, bound.sharding.key)
    origin = Label(expr.span, "made by this call")
    return [Value(t, NodeSource(index, i), origin) for i, t in enumerate(outputs)]


def callee(flow: Flow, expr: tree.FlowCall) -> Symbol | None:
    """What a call names; None after a report."""
    first, scope = expr.path[0], flow.shared.decl.scope
    symbol: Symbol | None
    if len(expr.path) == 1 and lookup(flow.world, scope, first.text) is None:
        callable_ = [n for n, s in scope.names.items() if s.kind in ("kernel", "composition")]
        modules = [n for n, s in scope.names.items() if s.kind == "module"]
        flow.report(report.unknown_name(first.text, first.span, [*callable_, *modules], "function"))
        return None
    symbol = lookup_path(flow.world, scope, expr.path)
    if symbol is None or symbol.kind in ("kernel", "communication", "composition"):
        return symbol
    name = ".".join(n.text for n in expr.path)
    hint = ("only a `function`, a communication function or a composition can be called here",)
    if symbol.kind == "fn":
        hint = ("a composition calls a `fn` with constants only; a `function` computes with what sets hold",)
    if symbol.kind != "broken":
        kind = report.article(KIND_WORDS[symbol.kind])
        span = expr.path[-1].span
        flow.report(report.simple("C0419", f"`{name}` is {kind}", span, "not callable in a composition", notes=hint))
    return None


@frozen
class Bound:
    """The arguments of a call in the order of its parameters."""

    args: tuple[ArgBinding, ...]
    sharding: Sharding
    absent: bool  # some bare argument may be absent, and then nothing runs


def _bind(flow: Flow, expr: tree.FlowCall, target: Target) -> Bound | None:
    slots = match(flow, expr, target)
    given: list[Given] = []
    good = slots is not None
    for i, param in enumerate(target.params):
        arg = (slots or {}).get(i)
        if arg is None:
            continue
        value = flow.evaluate(arg.value, param)
        shard = check_argument(flow, arg, param, value, by_key=_joined_by_key(expr, param))
        if shard is None:
            good = False
        else:
            given.append(Given(i, param, arg, value, shard))
    if not good:
        return None
    sharding = settle_sharding(flow, expr, given)
    if sharding is None or not _keys_fit(flow, expr, target, sharding):
        return None
    empty = _when_empty(flow, expr, given)
    if empty is None:
        return None
    known = {g.index: _binding(g, empty.get(g.param.name, "")) for g in given}
    args = tuple(known.get(i) or _left_out(param) for i, param in enumerate(target.params))
    skips = not sharding.sharded and "skip" in empty.values()
    return Bound(args, sharding, skips or any(_may_be_absent(g) for g in given))


def _joined_by_key(expr: tree.FlowCall, param: TPort) -> bool:
    """Whether a join by key names the parameter: its argument is a group then."""
    join = expr.join
    return join is not None and param.name in [n.text for n in join.names] and set(join.strategies) != {"cross"}


def _binding(given: Given, empty: str) -> ArgBinding:
    return ArgBinding(given.value.source, given.shard, optional=given.param.kind == "optional", empty=empty)


def _when_empty(flow: Flow, expr: tree.FlowCall, given: Sequence[Given]) -> dict[str, str] | None:
    """What `on empty` says of parameters, by name; None after a report."""
    found: dict[str, str] = {}
    by_name = {g.param.name: g for g in given}
    for policy in (p for p in expr.policies if p.kind in ("skip_empty", "keep_empty")):
        word = policy.kind.partition("_")[0]
        for name in policy.names:
            part = by_name.get(name.text)
            problem = None
            if name.text in found:
                problem = f"`{name.text}` stands twice behind `on empty`"
            elif part is None or part.shard == "one":
                problem = f"`on empty` is about sets, and none is given to a parameter `{name.text}`"
            elif word == "keep" and part.shard not in SHARDED:
                problem = f"`{name.text}` is not sharded, so the call runs without items anyway"
            if problem is not None:
                flow.report(report.simple("C0465", problem, name.span, "cannot stand here"))
                return None
            found[name.text] = word
    return found


def _left_out(param: TPort) -> ArgBinding:
    """What a parameter without an argument gets: the key, or nothing."""
    if param.kind == "key":
        return ArgBinding(KeySource(), "key", optional=False)
    return ArgBinding(EmptySource(), "one", optional=True)


def _may_be_absent(given: Given) -> bool:
    return given.shard == "one" and given.param.kind == "one" and given.value.type.card == "optional"


def _keys_fit(flow: Flow, expr: tree.FlowCall, target: Target, sharding: Sharding) -> bool:
    """Whether every parameter `key K` finds a key of that type."""
    for param in target.params:
        if param.kind != "key" or ERROR in (param.item, sharding.key) or param.item == sharding.key:
            continue
        wanted = report.display(param.item)
        origin = Label(param.span, f"`{param.name}` is declared here")
        if sharding.key is None:
            message = f"`{param.name}` takes the key of the instance, and the instances of this call have none"
            notes: tuple[str, ...] = ("pass a set with keys by `each` or `keyed`",)
            label = f"needs a key of type `{wanted}`"
        else:
            message = (
                f"`{param.name}` takes a key of type `{wanted}`, but the keys are `{report.display(sharding.key)}`"
            )
            notes, label = (), f"keys are `{report.display(sharding.key)}`"
        flow.report(report.simple("C0453", message, expr.path[-1].span, label, origin, notes=notes))
        return False
    return True


def match(flow: Flow, expr: tree.FlowCall, target: Target) -> dict[int, tree.FlowArg] | None:
    """The arguments by the numbers of their parameters; None after a report. Keys are taken, not given."""
    places = [i for i, p in enumerate(target.params) if p.kind != "key"]
    by_name = {p.name: i for i, p in enumerate(target.params)}
    names = [target.params[i].name for i in places]
    name = expr.path[-1].text
    slots: dict[int, tree.FlowArg] = {}
    origin = Label(target.item.name.span, "declared here")
    position = 0
    for arg in expr.args:
        if arg.name is not None and arg.name.text not in by_name:
            flow.report(report.unknown_argument(name, arg.name.text, names, arg.name.span))
            return None
        if arg.name is None and position >= len(places):
            takes = report.count(len(names), "argument")
            flow.report(report.argument_count(name, takes, len(expr.args), arg.span, origin))
            return None
        index = places[position] if arg.name is None else by_name[arg.name.text]
        position += arg.name is None
        param = target.params[index]
        if param.kind == "key":
            message = f"`{param.name}` takes the key of the instance by itself"
            label, at = "leave it out", Label(param.span, f"`{param.name}` is declared here")
            flow.report(report.simple("C0453", message, arg.span, label, at))
            return None
        if index in slots:
            flow.report(report.duplicate(param.name, arg.span, slots[index].span, "argument", "given"))
            return None
        slots[index] = arg
    missing = [
        (param.name, show(param.flow), param.span)
        for i, param in enumerate(target.params)
        if i not in slots and param.kind not in ("optional", "key")
    ]
    if missing:
        flow.report(report.missing_arguments(name, missing, expr.path[-1].span))
        return None
    return slots


def check_argument(flow: Flow, arg: tree.FlowArg, param: TPort, value: Value, *, by_key: bool = False) -> str | None:
    """The shard of an argument that fits its parameter; None after a report. `by_key` if it is joined by key."""
    if value.type.item == ERROR or param.item == ERROR:
        return None
    origins = [Label(param.span, f"`{param.name}` is declared here")] + ([value.origin] if value.origin else [])
    problem = _shard_problem(arg, param, value.type)
    if problem is not None and by_key and problem.code == "C0420":
        note = f"a join by key gives the function groups: declare `{param.name}: set[{report.display(param.item)}]`"
        problem = evolve(problem, notes=(note,), fixes=())
    if problem is not None:
        flow.report(evolve(problem, secondary=tuple(origins)))
        return None
    if value.type.item != param.item:
        wanted, got = report.display(param.item), report.display(value.type.item)
        message = f"`{param.name}` takes items of type `{wanted}`, but these are `{got}`"
        flow.report(report.simple("C0407", message, arg.span, f"items are `{got}`", *origins))
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
    each, whole = Fix("run once for each item", word, "each "), Fix("pass the whole set", word, "all ")
    match arg.shard, param.kind, t.card:
        case "", "set", _:
            fix = Fix("pass the whole set", at, "all ")
            return report.fixed("C0403", f"`{param.name}` takes a set", arg.span, "say how the set is passed", fix)
        case "", _, "many":
            message = f"`{param.name}` takes one item, but this is a set"
            fix = Fix("run once for each item", at, "each ")
            return report.fixed("C0402", message, arg.span, f"this is `{show(t)}`", fix)
        case "all", ("one" | "optional"), _:
            fix = each if t.card == "many" else Fix("pass the item", word, "")
            message = f"`{param.name}` takes one item, not a set"
            return report.fixed("C0402", message, arg.span, "`all` passes a set", fix)
        case (("each" | "anyEach"), _, ("one" | "optional")):
            message = f"`{arg.shard}` needs a set, but this is one item"
            fix = Fix("pass the item", word, "") if arg.shard == "each" else whole
            notes = hints.array_as_set(param.item, t.item)
            fits = param.item in (t.item, ERROR) or arg.shard != "each"
            return report.simple(
                "C0404", message, arg.span, f"this is `{show(t)}`", notes=notes, fixes=(fix,) if fits else ()
            )
        case (("keyed" | "anyEach" | "anyKeyed"), ("one" | "optional"), _):
            message = f"`{param.name}` takes one item, but `{arg.shard}` passes a group"
            return report.fixed("C0420", message, arg.span, _GROUPS[arg.shard], each)
        case (("keyed" | "anyKeyed"), _, _) if t.key is None:
            return report.simple("C0405", f"`{arg.shard}` needs a set with keys", arg.span, f"this is `{show(t)}`")
    return None


_GROUPS = {
    "keyed": "a set of items with one key",
    "anyEach": "a set of neighbouring items",
    "anyKeyed": "a set of items with some of the keys",
}


def _output_types(
    flow: Flow, expr: tree.FlowCall, target: Target, bound: Bound, settled: Settled
) -> tuple[FlowType, ...]:
    lossy = settled.policies.on_failure in ("skip", "collect") or bound.absent
    facts = flow.shared.facts.get(target.name)
    inherited = bound.sharding.key
    outputs = []
    for i, port in enumerate(target.outputs):
        item = Result(port.item, FAILURE) if settled.policies.on_failure == "value" else port.item
        if port.kind == "set":
            outputs.append(FlowType("many", port.key if port.key is not None else inherited, item))
            _check_inherited(flow, expr, port, inherited, facts is not None and i in facts.unkeyed)
        elif bound.sharding.sharded:
            outputs.append(FlowType("many", inherited, item))
        else:
            outputs.append(FlowType("optional" if lossy or port.kind == "optional" else "one", None, item))
    if settled.value is not None and (len(outputs) != 1 or target.outputs[0].kind != "one"):
        gives = ", ".join(f"`{p.name}: {show(p.flow)}`" for p in target.outputs) or "nothing"
        origin = Label(target.item.name.span, f"gives {gives}")
        message = "`on failure value` needs a call with one output of one item"
        flow.report(report.simple("C0421", message, settled.value.span, "cannot stand for one item", origin))
    for t in outputs:
        define_types(flow.world, t.key, t.item)
    return tuple(outputs)


def _check_inherited(flow: Flow, expr: tree.FlowCall, port: TPort, inherited: Type | None, unkeyed: bool) -> None:
    if port.key is not None and unkeyed and inherited != port.key:
        flow.report(
            report.simple(
                "C0409",
                f"some items of `{port.name}` are emitted without a key, and none is there to inherit",
                expr.path[-1].span,
                f"keys of `{port.name}` are `{report.display(port.key)}`",
                Label(port.span, "declared here"),
                notes=(
                    f"emit with a key (`emit {port.name}[key] <- ...`), or call it with `each` over a set with such keys",
                ),
            )
        )


def _node(
    flow: Flow,
    expr: tree.FlowCall,
    symbol: Symbol,
    target: Target,
    bound: Bound,
    outputs: tuple[FlowType, ...],
    settled: Settled,
) -> FlowNode:
    name, policies = flow.node_name(".".join(n.text for n in expr.path)), settled.policies
    join, key, after = bound.sharding.join, bound.sharding.key, settled.after
    if symbol.kind == "composition":
        return CompositionNode(name, symbol.name, bound.args, outputs, policies, expr.span, join, key, after)
    define_ports(flow.world, (*target.params, *target.outputs))
    if symbol.kind == "communication":
        module, operation = symbol.name.rsplit(".", 1)
        params = tuple(ParamDecl(p.name, p.kind, p.key, p.item) for p in target.params)
        declared = tuple(OutputDecl(p.name, p.kind, p.key, p.item) for p in target.outputs)
        return CommunicationNode(
            name, module, operation, params, declared, bound.args, outputs, policies, expr.span, join, key, after
        )
    args = bound.args + implicit_args(flow, symbol.name)
    return ComputeNode(name, symbol.name, args, outputs, policies, expr.span, join, key, after)


def define_ports(world: World, ports: Sequence[TPort]) -> None:
    """Note that the types of these ports occur in a graph."""
    for port in ports:
        define_types(world, port.key, port.item)


def implicit_args(flow: Flow, kernel: str) -> tuple[ArgBinding, ...]:
    """What a kernel gets besides its parameters."""
    sources = implicit_sources(flow.world, flow.shared.facts[kernel].captures, flow.shared.root)
    return tuple(ArgBinding(source, "one", optional=False) for source in sources)


def implicit_sources(world: World, captures: Captures, root: str) -> tuple[Source, ...]:
    """The implicit inputs of a kernel, in order."""
    configs = tuple(ConfigSource(config_name(world, root, c)) for c in captures.configs)
    return configs + tuple(EndpointSource(config_name(world, root, e)) for e in captures.endpoints)
