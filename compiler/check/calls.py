"""Calls: helpers, methods, records, variants, conversions, function-valued parameters."""

from collections.abc import Mapping

from attrs import evolve

from dandc.compiler.check import candidates, construct, exprs, hints, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.callees import (
    arguments,
    by_place,
    callee_span,
    no_type_args,
    short,
    skip,
    spread,
    type_of_expr,
)
from dandc.compiler.check.infer import substitute
from dandc.compiler.check.symbols import FnDecl, ParamInfo, Symbol
from dandc.compiler.check.types import (
    BASIC,
    KIND_WORDS,
    head_of,
    member_of,
    record_fields,
    type_arguments,
)
from dandc.compiler.typed import (
    Local,
    TCall,
    TCallValue,
    TConvert,
    TExpr,
    TField,
    TIndex,
    TLambda,
    TLocal,
    TSetOp,
    TVariant,
)
from dandc.compiler.types import (
    BOOL,
    ERROR,
    I64,
    MAP,
    STR,
    UNIT,
    Array,
    Basic,
    Fn,
    InferVar,
    Named,
    Option,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeVar,
    is_float,
    is_int,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen


@frozen
class Callee:
    """A parameter list to match arguments against: of a helper or a record."""

    name: str
    params: tuple[ParamInfo, ...]
    types: tuple[Type, ...]
    span: Span


def path_symbol(body: Body, expr: tree.Expr) -> Symbol | None:
    """The module or type that `expr` names, None if it is a value (or nothing)."""
    match expr:
        case tree.NameExpr(name=name):
            if any(name.text in scope for scope in body.scopes):
                return None
            symbol = body.symbol(name.text)
            return symbol if symbol is not None and symbol.kind in ("module", "type", "broken") else None
        case tree.FieldExpr(base=base, name=name):
            module = path_symbol(body, base)
            if module is not None and module.kind == "broken":
                return module
            if module is not None and module.kind == "module":
                inside = body.world.scopes[module.name].names.get(name.text)
                return inside if inside is not None and inside.kind == "type" else None
    return None


def module_member(body: Body, module: Symbol, name: tree.Name) -> Symbol | None:
    """A public name of a module, reported if missing."""
    return member_of(body.world, body.scope, module, name)


def check_call(body: Body, expr: tree.CallExpr, want: Want | None) -> TExpr:
    """A call of anything."""
    callee: tree.Expr = expr.callee
    type_args: tuple[tree.Expr, ...] = ()
    if isinstance(callee, tree.IndexExpr) and _takes_type_args(body, callee.base):
        type_args = callee.items
        callee = callee.base
    match callee:
        case tree.NameExpr(name=name):
            return _call_name(body, expr, name, type_args, want)
        case tree.FieldExpr(base=base, name=name):
            symbol = path_symbol(body, base)
            if symbol is not None and symbol.kind == "module":
                found = module_member(body, symbol, name)
                return _call_symbol(body, expr, found, name, type_args, want) if found else skip(body, expr)
            if symbol is not None and symbol.kind == "broken":
                return skip(body, expr)
            if symbol is not None:
                return construct.enum_variant(body, symbol, name, expr.args, expr, want, type_args)
            return _call_method(body, expr, base, name, type_args, want)
    value = exprs.infer(body, callee)
    if value.type != ERROR:
        body.report(report.simple("T0318", "this cannot be called", callee.span, f"this is `{body.show(value.type)}`"))
    return skip(body, expr)


def _takes_type_args(body: Body, base: tree.Expr) -> bool:
    """Whether `base[...]` in front of a call means type arguments: it names something that is not a local value."""
    match base:
        case tree.NameExpr(name=name):
            return not any(name.text in scope for scope in body.scopes)
        case tree.FieldExpr():
            return True
    return False


def _call_name(
    body: Body, expr: tree.CallExpr, name: tree.Name, type_args: tuple[tree.Expr, ...], want: Want | None
) -> TExpr:
    local = body.find(name.text)
    if local is not None:
        return _call_local(body, expr, local)
    if name.text in body.type_params:
        return _convert_to(body, expr, body.type_params[name.text], name.text, type_args)
    if name.text in BASIC and body.symbol(name.text) is None:
        return _convert(body, expr, BASIC[name.text], type_args)
    symbol = body.symbol(name.text)
    if symbol is None:
        body.report(_unknown_function(body, expr, name, want))
        return skip(body, expr)
    return _call_symbol(body, expr, symbol, name, type_args, want)


def _unknown_function(body: Body, expr: tree.CallExpr, name: tree.Name, want: Want | None) -> Diagnostic:
    known = [*candidates.functions(body, want), *BASIC]
    diagnostic = report.unknown_name(name.text, name.span, known, "function")
    wanted = body.known(want.type) if want else None
    if hints.variants_called(body, name.text, wanted):
        return hints.of_enum(body, diagnostic, name, wanted)
    method = any(method == name.text for _, method in body.world.methods)
    if not method or len(expr.args) == 0 or diagnostic.notes:
        return diagnostic
    dots = ", ".join("..." for _ in expr.args[1:])
    first = expr.args[0].value
    fixes: tuple[Fix, ...] = ()
    if len(expr.args) == 1 and isinstance(first, tree.NameExpr):
        fixes = (Fix("call it as a method", expr.span, f"{first.name.text}.{name.text}()"),)
    return evolve(diagnostic, notes=(f"it is a method: `x.{name.text}({dots})`",), fixes=fixes)


def _call_local(body: Body, expr: tree.CallExpr, local: Local) -> TExpr:
    t = body.unifier.shallow(local.type)
    if not isinstance(t, Fn):
        if t != ERROR:
            body.report(
                report.simple(
                    "T0318",
                    f"`{local.name}` cannot be called",
                    expr.callee.span,
                    f"this is `{body.show(t)}`",
                    Label(local.span, "declared here"),
                )
            )
        return skip(body, expr)
    origin = Label(local.span, "declared here")
    if not by_place(body, local.name, expr.args, origin):
        return skip(body, expr)
    if len(expr.args) != len(t.params):
        given = len(expr.args)
        body.report(report.argument_count(local.name, arguments(len(t.params)), given, expr.callee.span, origin))
        return skip(body, expr)
    args = tuple(exprs.check_expr(body, a.value, Want(p, origin)) for a, p in zip(expr.args, t.params, strict=True))
    return TCallValue(t.result, expr.span, local, args)


def _convert(body: Body, expr: tree.CallExpr, target: Basic, type_args: tuple[tree.Expr, ...]) -> TExpr:
    if not (is_int(target) or is_float(target)):
        notes = ('an f-string is the text of a value: `f"{x}"`',) if target == STR else ()
        message = f"nothing converts to `{target}` by a call"
        body.report(report.simple("T0318", message, expr.callee.span, "not a type of numbers", notes=notes))
        return skip(body, expr)
    return _convert_to(body, expr, target, target.name, type_args)


def _convert_to(body: Body, expr: tree.CallExpr, target: Type, name: str, type_args: tuple[tree.Expr, ...]) -> TExpr:
    """A checked conversion to a numeric type, or to a type parameter that has `num`."""
    no_type_args(body, name, expr, type_args)
    if not by_place(body, name, expr.args):
        return skip(body, expr)
    if len(expr.args) != 1:
        body.report(report.argument_count(name, arguments(1), len(expr.args), callee_span(expr), None))
        return skip(body, expr)
    value = exprs.infer(body, expr.args[0].value)
    body.bound(value.type, "num", value.span, f"the conversion to `{name}`")
    body.bound(target, "num", expr.callee.span, f"the conversion to `{name}`")
    return TConvert(target, expr.span, value)


def _call_symbol(
    body: Body,
    expr: tree.CallExpr,
    symbol: Symbol,
    name: tree.Name,
    type_args: tuple[tree.Expr, ...],
    want: Want | None,
) -> TExpr:
    match symbol.kind:
        case "fn":
            return _call_fn(body, expr, body.world.fns[symbol.name], None, type_args, want)
        case "type":
            return construct.record(body, expr, body.world.types[symbol.name], type_args, want)
        case "variant":
            return construct.builtin_variant(body, name, expr.args, expr, want, type_args)
        case "broken":
            return skip(body, expr)
        case "kernel" | "communication" | "composition":
            body.report(hints.not_callable(body, symbol, name, KIND_WORDS[symbol.kind]))
            return skip(body, expr)
    body.report(report.wrong_kind(name.text, name.span, KIND_WORDS[symbol.kind], "function"))
    return skip(body, expr)


# Methods.


def methods_of(body: Body, t: Type) -> dict[str, str]:
    """The methods of values of `t`: name to qualified name."""
    heads = (head_of(t), "*")
    return {name: target for (head, name), target in body.world.methods.items() if head in heads}


def method_of(body: Body, t: Type, name: str) -> str | None:
    """The qualified name of the method `name` of values of `t`, None if there is none."""
    known = body.world.methods
    return known.get((head_of(t), name)) or known.get(("*", name))


def set_operations(t: SetRef) -> dict[str, Type]:
    """What a set can do itself: name to result."""
    own: dict[str, Type] = {"len": I64, "is_empty": BOOL, "values": Array(t.item)}
    if t.key is None:
        return {**own, "items": Array(Tuple((STR, t.item)))}
    entries, items = Tuple((t.key, t.item)), Tuple((t.key, STR, t.item))
    return {**own, "keys": Array(t.key), "entries": Array(entries), "items": Array(items)}


def methods_of_set(body: Body, t: SetRef) -> dict[str, str]:
    """The methods that a set has from the array of its values: all but those that change it."""
    methods = methods_of(body, Array(t.item))
    return {name: target for name, target in methods.items() if not body.world.fns[target].params[0].inout}


def _call_method(
    body: Body,
    expr: tree.CallExpr,
    base: tree.Expr,
    name: tree.Name,
    type_args: tuple[tree.Expr, ...],
    want: Want | None,
) -> TExpr:
    receiver = exprs.infer(body, base)
    t = body.unifier.shallow(receiver.type)
    if isinstance(t, InferVar) and t.kind != "any":
        body.unifier.default(t)
        t = body.unifier.shallow(t)
    if t == ERROR:
        return skip(body, expr)
    if isinstance(t, InferVar):
        body.report(
            report.simple(
                "T0305", "the type of this value is not known yet", base.span, "say its type where it is declared"
            )
        )
        return skip(body, expr)
    if isinstance(t, SetRef):
        return _set_method(body, expr, receiver, t, name, type_args, want)
    method = method_of(body, t, name.text)
    if method is None:
        fields = [n for n, _ in record_fields(body.world, t) or ()] if isinstance(t, Named) else []
        if name.text in fields:
            fix = Fix("read it without a call", Span(name.span.file, name.span.end, expr.span.end), "", not expr.args)
            message = f"the field `{name.text}` cannot be called"
            body.report(report.fixed("T0318", message, name.span, "a field, not a method", fix))
        else:
            body.report(_unknown_method(body, expr, t, name, methods_of(body, t), want))
        return skip(body, expr)
    return _call_fn(body, expr, body.world.fns[method], receiver, type_args, want)


def _unknown_method(
    body: Body, expr: tree.CallExpr, t: Type, name: tree.Name, methods: Mapping[str, str], want: Want | None
) -> Diagnostic:
    fitting = candidates.methods(body, methods, len(expr.args), want)
    shown = candidates.shown(methods)
    diagnostic = report.unknown_member(f"`{body.show(t)}`", name.text, name.span, shown, "method", fitting)
    inner = t.item if isinstance(t, Option) else t.ok if isinstance(t, Result) else None
    inner = body.known(inner) if inner is not None else None
    if inner is not None and not isinstance(inner, InferVar) and name.text in methods_of(body, inner):
        return evolve(diagnostic, notes=(exprs.INSIDE,), fixes=())
    return evolve(diagnostic, fixes=diagnostic.fixes or hints.joined_text(expr))


def _unknown_set_method(body: Body, expr: tree.CallExpr, t: SetRef, name: tree.Name, want: Want | None) -> Diagnostic:
    own, shared = set_operations(t), methods_of_set(body, t)
    fitting = [*own, *candidates.methods(body, shared, len(expr.args), want)]
    shown = [*own, *candidates.shown(shared)]
    unknown = report.unknown_member(f"`{report.display(t)}`", name.text, name.span, shown, "method", fitting)
    if name.text not in ("keys", "entries"):
        return unknown
    return evolve(unknown, notes=("a set with keys is declared `set[K => T]`",), fixes=())


def _set_method(
    body: Body,
    expr: tree.CallExpr,
    receiver: TExpr,
    t: SetRef,
    name: tree.Name,
    type_args: tuple[tree.Expr, ...],
    want: Want | None,
) -> TExpr:
    """What the set can do itself, else a method of the array of its values."""
    own = set_operations(t)
    if name.text in own:
        no_type_args(body, name.text, expr, type_args)
        if expr.args:
            body.report(report.argument_count(name.text, arguments(0), len(expr.args), name.span, None))
        return TSetOp(own[name.text], expr.span, name.text, receiver)
    shared = methods_of_set(body, t)
    if name.text not in shared:
        if name.text in methods_of(body, Array(t.item)):
            body.report(report.changes_set(t, name.text, name.span))
        else:
            body.report(_unknown_set_method(body, expr, t, name, want))
        return skip(body, expr)
    values = TSetOp(own["values"], receiver.span, "values", receiver)
    return _call_fn(body, expr, body.world.fns[shared[name.text]], values, type_args, want)


# Helpers.


def instantiate(
    body: Body, decl: FnDecl, bindings: Mapping[TypeVar, Type], span: Span
) -> tuple[tuple[Type, ...], Type]:
    """The parameter types and the result of `decl` under `bindings`; its bounds wait for the end of the body."""
    known = decl.name.startswith(f"{MAP}.")  # keys of maps are checked where their types are written
    for param, t in bindings.items():
        for bound in () if known else param.bounds:
            body.bound(t, bound, span, f"`{short(decl.name)}`")
        say = f"give it with the name: `{short(decl.name)}[...]`, or with the type of what the result is put in"
        body.must_be_known(t, span, f"`{param.name}` of `{short(decl.name)}`", say)
    return tuple(substitute(p.type, bindings) for p in decl.params), substitute(decl.result, bindings)


def _call_fn(
    body: Body,
    expr: tree.CallExpr,
    decl: FnDecl,
    receiver: TExpr | None,
    type_args: tuple[tree.Expr, ...],
    want: Want | None,
) -> TExpr:
    bindings: dict[TypeVar, Type] = {p: body.unifier.fresh() for p in decl.type_params}
    types, result = instantiate(body, decl, bindings, callee_span(expr))
    _bind_type_args(body, expr, decl, bindings, type_args)
    callee = Callee(short(decl.name), decl.params, types, decl.span)
    if want is not None and type_args == () and any(isinstance(a.value, tree.LambdaExpr) for a in expr.args) is False:
        _hint_result(body, result, want)
    before = len(body.world.sink.diagnostics)
    found = _arguments(body, expr, callee, receiver, decl)
    if found is None:
        return exprs.error(expr.span)
    args, order = found
    if len(body.world.sink.diagnostics) == before:
        _check_exclusive(body, decl.params, args)
    return TCall(result, expr.span, decl.name, tuple(bindings.values()), args, order)


def _hint_result(body: Body, result: Type, want: Want) -> None:
    """Let the expected type settle type parameters that only the result mentions; a misfit is reported later."""
    kept = dict(body.unifier.solutions)
    if not body.unifier.unify(result, want.type):
        body.unifier.solutions.clear()
        body.unifier.solutions.update(kept)


def _bind_type_args(
    body: Body, expr: tree.CallExpr, decl: FnDecl, bindings: dict[TypeVar, Type], type_args: tuple[tree.Expr, ...]
) -> None:
    if not type_args:
        return
    if len(type_args) > len(bindings):
        span, origin = type_args[len(bindings)].span, Label(decl.span, "declared here")
        body.report(type_arguments(short(decl.name), len(bindings), len(type_args), span, origin))
        return
    for (param, variable), arg in zip(bindings.items(), type_args, strict=False):
        t = hints.rows_meant(body, short(decl.name), param, type_of_expr(body, arg), arg.span)
        body.unifier.unify(variable, t)


# Arguments.


def _arguments(
    body: Body, expr: tree.CallExpr, callee: Callee, receiver: TExpr | None, decl: FnDecl
) -> tuple[tuple[TExpr, ...], tuple[int, ...]] | None:
    """One typed argument a parameter with the order of their evaluation, or None after a report.

    Lambdas are checked last: the others say their types.
    """
    slots = _match_arguments(body, expr, callee, receiver is not None)
    if slots is None:
        skip(body, expr)
        return None
    mixed_up = hints.swapped(body, callee, slots)
    if mixed_up is not None:
        body.report(mixed_up)
        return None
    args: list[TExpr | None] = [None] * len(callee.params)
    if receiver is not None:
        args[0] = _receiver(body, callee, receiver)
    late = [i for i, s in slots.items() if isinstance(s.value, tree.LambdaExpr)]
    for i in [*(i for i in slots if i not in late), *late]:
        args[i] = _argument(body, callee.params[i], callee.types[i], slots[i].value, decl)
    for i, param in enumerate(callee.params):
        if args[i] is None:
            args[i] = _default(body, param, callee.types[i], decl, expr.span)
    given = (*((0,) if receiver is not None else ()), *slots)
    order = (*given, *(i for i in range(len(args)) if i not in given))
    in_order = order == tuple(range(len(args)))
    return tuple(a for a in args if a is not None), () if in_order else order


def _receiver(body: Body, callee: Callee, receiver: TExpr) -> TExpr:
    param = callee.params[0]
    body.expect(receiver, Want(callee.types[0], Label(param.span, f"`{callee.name}` is declared for this")))
    if param.inout:
        check_place(body, receiver, f"`{callee.name}` changes it")
    return receiver


def _match_arguments(body: Body, expr: tree.CallExpr, callee: Callee, has_receiver: bool) -> dict[int, tree.Arg] | None:
    names = [p.name for p in callee.params]
    slots: dict[int, tree.Arg] = {}
    position = first = 1 if has_receiver else 0
    for arg in expr.args:
        if arg.spread:
            body.report(spread(callee.name, arg))
            return None
        if arg.name is None:
            index, position = position, position + 1
        elif arg.name.text in names[first:]:
            index = names.index(arg.name.text)
        else:
            body.report(report.unknown_argument(callee.name, arg.name.text, names[first:], arg.name.span))
            return None
        if index >= len(names):
            given = len(expr.args)
            takes = _takes(callee, first)
            body.report(report.argument_count(callee.name, takes, given, arg.span, Label(callee.span, "declared here")))
            return None
        if index in slots:
            body.report(report.duplicate(names[index], arg.span, slots[index].span, "argument", "given"))
            return None
        slots[index] = arg
    missing = [
        (param.name, body.show(callee.types[i]), param.span)
        for i, param in enumerate(callee.params[first:], first)
        if i not in slots and param.default is None and not param.omittable
    ]
    if missing:
        body.report(report.missing_arguments(callee.name, missing, callee_span(expr)))
        return None
    return slots


def _takes(callee: Callee, first: int) -> str:
    most = len(callee.params) - first
    least = sum(1 for p in callee.params[first:] if p.default is None and not p.omittable)
    return arguments(most) if most == least else f"{least} to {most} arguments"


def _argument(body: Body, param: ParamInfo, t: Type, value: tree.Expr, decl: FnDecl) -> TExpr:
    origin = Label(param.span, f"`{param.name}` is declared here")
    if param.omittable:
        inner = body.unifier.shallow(t)
        assert isinstance(inner, Option)
        typed = exprs.check_expr(body, value, Want(inner.item, origin))
        return TVariant(inner, typed.span, 1, (typed,))
    typed = exprs.check_expr(body, value, Want(t, origin))
    if param.inout:
        check_place(body, typed, f"`{short(decl.name)}` changes it")
    return typed


def _default(body: Body, param: ParamInfo, t: Type, decl: FnDecl, span: Span) -> TExpr:
    if param.default is None:
        return TVariant(t, span, 0, ())
    with body.elsewhere(decl.scope):
        return exprs.check_expr(body, param.default, Want(t))


def check_place(body: Body, value: TExpr, why: str) -> None:
    """Report unless `value` is a place that may be changed."""
    root = place_root(value)
    if root is None:
        if value.type != ERROR:
            body.report(
                report.simple("T0320", "only a variable can be changed", value.span, f"{why}, but it is not a variable")
            )
        return
    if body.lambdas and id(root) not in body.lambdas[-1].own:
        body.report(
            report.simple(
                "T0320",
                "a lambda cannot change what is outside",
                value.span,
                f"{why}",
                Label(root.span, "declared outside"),
            )
        )
        return
    if not root.mutable:
        word = "a parameter" if root.kind == "param" else "a `let`" if root.keyword else "not a `var`"
        fixes = _make_mutable(body, root)
        notes: tuple[str, ...] = (f"a copy can be changed: `var copy = {root.name};`",)
        if root.kind == "param" and body.kernel_outputs is None and root.name in body.scopes[0]:
            notes += ("declared `inout`, it is the caller's variable, which then changes",)
        message = f"`{root.name}` is {word} and cannot be changed"
        body.report(
            report.simple(
                "T0320",
                message,
                value.span,
                why,
                Label(root.span, "declared here"),
                notes=() if fixes else notes,
                fixes=fixes,
            )
        )


def _make_mutable(body: Body, root: Local) -> tuple[Fix, ...]:
    if root.keyword is not None:
        return (Fix("declare it with `var`", root.keyword, "var", certain=True),)
    if root.kind == "param" and body.kernel_outputs is None and root.name in body.scopes[0] and body.result == UNIT:
        return (Fix("let the caller's variable be changed", report.before(root.span), "inout "),)
    return ()


def place_root(value: TExpr) -> Local | None:
    """The local at the root of a place; None if `value` is not one."""
    match value:
        case TLocal(local=local):
            return local
        case TField(base=base):
            return place_root(base)
        case TIndex(base=base):
            return place_root(base)
    return None


def _check_exclusive(body: Body, params: tuple[ParamInfo, ...], args: tuple[TExpr, ...]) -> None:
    """What is changed by the call must not be seen by it in another way."""
    changed: dict[int, TExpr] = {}
    for param, arg in zip(params, args, strict=True):
        root = place_root(arg)
        if param.inout and root is not None:
            first = changed.setdefault(id(root), arg)
            if first is not arg:
                message = f"`{root.name}` is changed twice by one call"
                body.report(report.simple("T0321", message, arg.span, "changed again", Label(first.span, "changed")))
    for arg in args:
        for captured in arg.captures if isinstance(arg, TLambda) else ():
            if id(captured) in changed:
                message = f"`{captured.name}` is changed by the call that runs this lambda"
                origin = Label(changed[id(captured)].span, "changed by this call")
                body.report(report.simple("T0321", message, arg.span, f"reads `{captured.name}`", origin))
