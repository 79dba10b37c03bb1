"""Sets made of sets: `reduce`, `++` and `else`."""

from collections.abc import Sequence

from attrs import evolve

from dandc.compiler.check import report
from dandc.compiler.check.flow_calls import callee, check_argument, define_ports, implicit_args, match
from dandc.compiler.check.flow_state import BROKEN, Flow, Value, define_types, show
from dandc.compiler.check.policies import collect, settle_policies
from dandc.compiler.check.symbols import KernelDecl
from dandc.compiler.flow import ArgBinding, EmptySource, FlowType, MergeNode, NodeSource, ReduceNode
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Label

# Reduce.


def reduction(flow: Flow, expr: tree.FlowReduce) -> Value:
    """The set that `reduce f(...)` gives."""
    call = expr.call
    target = _folder(flow, call)
    if target is None:
        for arg in call.args:
            flow.evaluate(arg.value)
        return BROKEN
    left, _, *others = target.params
    # Both items come from one argument, which stands for the first of them.
    asked = evolve(target, params=(evolve(left, kind="set", key=None), *others))
    slots = match(flow, call, asked)
    args: list[ArgBinding | None] = []
    folded: tuple[Value, str] | None = None
    for i, param in enumerate(asked.params):
        given = (slots or {}).get(i)
        if given is None:
            args.append(ArgBinding(EmptySource(), "one", optional=True))
        elif i == 0:
            folded = _folded(flow, given, param)
            args.append(None if folded is None else ArgBinding(folded[0].source, folded[1], optional=False))
        else:
            args.append(_other(flow, given, param))
    bound = tuple(a for a in args if a is not None)
    if slots is None or folded is None or len(bound) < len(args):
        return BROKEN
    return _reduce_node(flow, expr, target, bound, folded)


def _reduce_node(
    flow: Flow, expr: tree.FlowReduce, target: KernelDecl, args: tuple[ArgBinding, ...], folded: tuple[Value, str]
) -> Value:
    value, shard = folded
    key = value.type.key if shard == "keyed" else None
    settled = settle_policies(flow, expr.call.policies, "reduce", sharded=shard == "keyed")
    output = FlowType("many" if shard == "keyed" else "optional", key, value.type.item)
    define_types(flow.world, output.key, output.item)
    define_ports(flow.world, (*target.params, *target.outputs))
    name = flow.node_name(".".join(n.text for n in expr.call.path))
    args += implicit_args(flow, target.name)
    node = ReduceNode(name, target.name, args, (output,), settled.policies, expr.span, key, settled.after)
    index = flow.add(node)
    collect(flow, settled, index, key)
    return Value(output, NodeSource(index, 0), Label(expr.span, "made by this `reduce`"))


def _folder(flow: Flow, call: tree.FlowCall) -> KernelDecl | None:
    """The function that folds two items into one; None after a report."""
    symbol = callee(flow, call)
    if symbol is None:
        return None
    if call.join is not None:
        message = "a `reduce` folds one set, so nothing can be joined"
        flow.report(report.simple("C0455", message, call.join.span, "not here"))
        return None
    name = call.path[-1]
    if symbol.kind != "kernel":
        kind = "composition" if symbol.kind == "composition" else "communication function"
        message = f"`reduce` takes a `function`, but `{name.text}` is a {kind}"
        flow.report(report.simple("C0455", message, name.span, f"a {kind}"))
        return None
    target = flow.world.kernels[symbol.name]
    ports = (*target.params[:2], *target.outputs)
    if any(p.item == ERROR for p in ports):
        return None
    fits = len(target.params) > 1 and len(target.outputs) == 1
    if not fits or any(p.kind != "one" or p.item != ports[0].item for p in ports):
        takes = ", ".join(f"{p.name}: {show(p.flow)}" for p in target.params)
        gives = ", ".join(f"{p.name}: {show(p.flow)}" for p in target.outputs)
        origin = Label(target.item.name.span, f"it is `({takes}) => ({gives})`")
        message = f"`{name.text}` does not fold two items into one"
        notes = ("a function to reduce with begins with two items `T` and gives one: `(a: T, b: T) => (c: T)`",)
        flow.report(report.simple("C0455", message, name.span, "cannot be used by `reduce`", origin, notes=notes))
        return None
    key = next((p for p in target.params if p.kind == "key"), None)
    if key is not None:
        message = f"`{key.name}` takes the key of an instance, and a `reduce` folds items without asking for keys"
        origin = Label(key.span, f"`{key.name}` is declared here")
        flow.report(report.simple("C0453", message, name.span, "has a parameter for a key", origin))
        return None
    return target


def _folded(flow: Flow, arg: tree.FlowArg, param: TPort) -> tuple[Value, str] | None:
    """The folded set and how it is passed; None after a report."""
    value = flow.evaluate(arg.value, param)
    if arg.shard in ("", "all", "keyed"):
        shard = check_argument(flow, arg, param, value)
        return None if shard is None else (value, shard)
    if value.type.item != ERROR:
        message = f"`reduce` folds a whole set (`all`) or the items of each key (`keyed`), not `{arg.shard}`"
        flow.report(report.simple("C0455", message, arg.span, "cannot be folded", *value.origins))
    return None


def _other(flow: Flow, arg: tree.FlowArg, param: TPort) -> ArgBinding | None:
    """A further argument, which is the same for all pairs; None after a report."""
    value = flow.evaluate(arg.value, param)
    shard = check_argument(flow, arg, param, value)
    if shard is None:
        return None
    may_be_absent = param.kind == "one" and value.type.card == "optional"
    if shard != "one" or may_be_absent:
        message = f"`{param.name}` is the same for all pairs of a `reduce`: one item that is there"
        flow.report(report.simple("C0455", message, arg.span, f"this is `{show(value.type)}`", *value.origins))
        return None
    return ArgBinding(value.source, "one", optional=param.kind == "optional")


# `++` and `else`.


def merged(flow: Flow, expr: tree.FlowMerge, want: TPort | None) -> Value:
    """The set that `a ++ b` or `a else b` gives."""
    parts: list[tuple[tree.FlowExpr, Value]] = []
    for part in expr.parts:
        known = next((p for p in parts if p[1].type.item != ERROR), None)
        # A constant is of the type of what stands before it.
        hint = want if known is None else TPort("", "one", None, known[1].type.item, known[0].span)
        parts.append((part, flow.evaluate(part, hint)))
    if any(v.type.item == ERROR for _, v in parts):
        return BROKEN
    problem = _joined_problem(parts) if expr.kind == "join" else _first_problem(parts)
    if problem is not None:
        flow.report(problem)
        return BROKEN
    first = parts[0][1].type
    word, shard = ("`++`", "all") if expr.kind == "join" else ("`else`", "one")
    card = "many" if expr.kind == "join" else parts[-1][1].type.card
    output = FlowType(card, first.key if card == "many" else None, first.item)
    args = tuple(ArgBinding(v.source, shard, optional=shard == "one" and v.type.card == "optional") for _, v in parts)
    name = flow.node_name("++" if expr.kind == "join" else "else")
    index = flow.add(MergeNode(name, expr.kind, args, (output,), expr.span))
    return Value(output, NodeSource(index, 0), Label(expr.span, f"made by this {word}"))


Parts = Sequence[tuple[tree.FlowExpr, Value]]


def _joined_problem(parts: Parts) -> Diagnostic | None:
    """Why sets cannot be joined by `++`."""
    first = parts[0][1]
    for expr, value in parts[1:]:
        if value.type.item != first.type.item:
            what = f"the items are `{report.display(first.type.item)}` and `{report.display(value.type.item)}`"
        elif value.type.key != first.type.key:
            what = f"one has {_keys(first)} and one {_keys(value)}"
        else:
            continue
        message = f"`++` joins sets of one type, but {what}"
        begin = Label(parts[0][0].span, f"this is `{show(first.type)}`")
        return report.simple("C0456", message, expr.span, f"this is `{show(value.type)}`", begin, *value.origins)
    return None


def _keys(value: Value) -> str:
    return "no keys" if value.type.key is None else f"keys `{report.display(value.type.key)}`"


def _first_problem(parts: Parts) -> Diagnostic | None:
    """Why `else` cannot choose between sets."""
    first = parts[0][1]
    for i, (expr, value) in enumerate(parts):
        if value.type.card == "many":
            message = "`else` chooses between single items, but this is a set"
            notes = ("an empty set is a value like any other; sets are put together by `++`",)
            return report.simple(
                "C0456", message, expr.span, f"this is `{show(value.type)}`", *value.origins, notes=notes
            )
        if value.type.item != first.type.item:
            mine, other = report.display(first.type.item), report.display(value.type.item)
            message = f"`else` chooses between items of one type, but here are `{mine}` and `{other}`"
            begin = Label(parts[0][0].span, f"this is `{show(first.type)}`")
            return report.simple("C0456", message, expr.span, f"this is `{show(value.type)}`", begin)
        if value.type.card == "one" and i < len(parts) - 1:
            message = "what stands behind this `else` is never taken"
            label = "this is always there"
            return report.simple("C0457", message, expr.span, label, *value.origins)
    return None
