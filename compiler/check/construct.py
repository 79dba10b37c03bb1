"""Records and variants from their parts: `P(a: 1)`, `P(..p, a: 1)`, `some(x)`, `Shape.circle(r)`."""

from collections.abc import Mapping

from dandc.compiler.check import exprs, hints, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.callees import arguments, by_place, callee_span, no_type_args, short, skip, type_of_expr
from dandc.compiler.check.infer import substitute
from dandc.compiler.check.symbols import Symbol, TypeDecl
from dandc.compiler.check.types import type_arguments, variants_of
from dandc.compiler.typed import TExpr, TMake, TUpdate, TVariant
from dandc.compiler.types import Named, Option, Result, Type, TypeVar
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label

# Records.


def record(
    body: Body, expr: tree.CallExpr, decl: TypeDecl, type_args: tuple[tree.Expr, ...], want: Want | None
) -> TExpr:
    """`P(a: 1)`, `P[str](a: "x")` or `P(..p, a: 1)`."""
    name = short(decl.name)
    if decl.fields is None:
        body.report(
            report.simple(
                "T0318",
                f"`{name}` is an enum: name one of its variants",
                expr.callee.span,
                "not a record",
                notes=(f"variants are {', '.join(f'`{name}.{v.name}`' for v in decl.variants or ())}",),
            )
        )
        return skip(body, expr)
    args: dict[TypeVar, Type] = {p: body.unifier.fresh() for p in decl.params}
    if len(type_args) > len(args):
        body.report(type_arguments(name, len(args), len(type_args), type_args[len(args)].span))
    for variable, arg in zip(args.values(), type_args, strict=False):
        body.unifier.unify(variable, type_of_expr(body, arg))
    t = Named(decl.name, tuple(args.values()))
    if want is not None:
        body.unifier.unify(t, want.type)
    types = {f.name: substitute(f.type, args) for f in decl.fields}
    return _record_arguments(body, expr, decl, t, types)


def _record_arguments(body: Body, expr: tree.CallExpr, decl: TypeDecl, t: Named, types: Mapping[str, Type]) -> TExpr:
    name, fields = short(decl.name), decl.fields or ()
    spans = {f.name: f.span for f in fields}
    names = list(types)
    base: tuple[TExpr, tree.Arg] | None = None
    before_base = 0
    values: dict[str, TExpr] = {}
    unnamed = [a for a in expr.args if a.name is None and not a.spread]
    misnamed = False
    if unnamed:
        _report_unnamed(body, expr, unnamed, decl, names)
    for arg in expr.args:
        if arg.spread:
            typed = exprs.check_expr(body, arg.value, Want(t))
            if base is not None:
                body.report(_second_base(name, arg, base[1]))
                continue
            base, before_base = (typed, arg), len(values)
        elif arg.name is None:
            exprs.infer(body, arg.value)
        elif arg.name.text not in types:
            misnamed = True
            exprs.infer(body, arg.value)
            body.report(report.unknown_member(f"`{name}`", arg.name.text, arg.name.span, names, "field"))
        elif arg.name.text in values:
            first = next(a.name.span for a in expr.args if a.name is not None and a.name.text == arg.name.text)
            body.report(report.duplicate(arg.name.text, arg.name.span, first, "field", "given"))
        else:
            field = arg.name.text
            values[field] = exprs.check_expr(
                body, arg.value, Want(types[field], Label(spans[field], f"`{field}` is declared here"))
            )
    if base is not None:
        changes = tuple((names.index(n), v) for n, v in values.items())
        return TUpdate(t, expr.span, base[0], changes, before_base)
    missing = [n for n in names if n not in values]
    if missing:
        if not unnamed and not misnamed:
            lacking = [(n, body.show(types[n]), spans[n]) for n in missing]
            body.report(report.missing_arguments(name, lacking, callee_span(expr)))
        return exprs.error(expr.span)
    order = tuple(names.index(n) for n in values)
    return TMake(t, expr.span, tuple(values[n] for n in names), order)


def _report_unnamed(body: Body, expr: tree.CallExpr, unnamed: list[tree.Arg], decl: TypeDecl, names: list[str]) -> None:
    name, first = short(decl.name), unnamed[0]
    fixes: tuple[Fix, ...] = ()
    position = expr.args.index(first)
    if position < len(names):
        text = f"{names[position]}: "
        certain = len(names) == len(expr.args) == 1
        fixes = (Fix("name the field", report.before(first.span), text, certain),)
    message, origin = f"the fields of `{name}` must be named", Label(decl.span, "declared here")
    form = ", ".join(f"{field}: ..." for field in names[:6]) + (", ..." if len(names) > 6 else "")
    notes = (f"write `{name}({form})`",) if len(expr.args) > 1 else ()
    body.report(report.simple("T0322", message, first.span, "given without a name", origin, notes=notes, fixes=fixes))


def _second_base(name: str, arg: tree.Arg, first: tree.Arg) -> Diagnostic:
    origin = Label(first.span, "first given here")
    return report.simple("N0203", f"the record that `{name}` updates is given twice", arg.span, "given again", origin)


# Variants.

_SAY_TYPE = "its type follows from what it carries, or is said where it is put: `let x: option[i64] = none;`"


def builtin_variant(
    body: Body,
    name: tree.Name,
    args: tuple[tree.Arg, ...],
    expr: tree.CallExpr | None,
    want: Want | None,
    type_args: tuple[tree.Expr, ...] = (),
) -> TExpr:
    """`none`, `some(x)`, `ok(x)`, `err(e)`."""
    u = body.unifier
    t: Option | Result = Option(u.fresh()) if name.text in ("none", "some") else Result(u.fresh(), u.fresh())
    if want is not None:
        u.unify(t, want.type)
    say = "say it where the value is put: `let x: option[i64] = none;`"
    if isinstance(t, Result):
        say = f"say it where the value is put: `let x: result[i64, str] = {name.text}(...);`"
    body.must_be_known(t, name.span, f"`{name.text}`", say)
    return _variant(body, t, name, args, expr, None, type_args)


def enum_variant(
    body: Body,
    symbol: Symbol,
    name: tree.Name,
    args: tuple[tree.Arg, ...],
    expr: tree.CallExpr | None,
    want: Want | None,
    type_args: tuple[tree.Expr, ...] = (),
) -> TExpr:
    """`Shape.circle(r)` or `Shape.point`."""
    decl = body.world.types[symbol.name]
    if decl.variants is None:
        body.report(report.unknown_member(f"type `{short(decl.name)}`", name.text, name.span, (), "variant"))
        return exprs.error(name.span)
    t = Named(decl.name, tuple(body.unifier.fresh() for _ in decl.params))
    if want is not None:
        body.unifier.unify(t, want.type)
    return _variant(body, t, name, args, expr, Label(decl.span, "declared here"), type_args)


def _variant(
    body: Body,
    t: Type,
    name: tree.Name,
    args: tuple[tree.Arg, ...],
    expr: tree.CallExpr | None,
    origin: Label | None,
    type_args: tuple[tree.Expr, ...],
) -> TExpr:
    variants = variants_of(body.world, t) or ()
    names = [n for n, _ in variants]
    if name.text not in names:
        body.report(report.unknown_member(f"`{body.show(t)}`", name.text, name.span, names, "variant"))
        return exprs.error(name.span)
    index = names.index(name.text)
    payload = variants[index][1]
    if expr is not None and not args and not payload:
        body.report(hints.nothing_carried(name, expr.span))
        return exprs.error(expr.span)
    if expr is not None:
        generic = isinstance(t, Option | Result) or (isinstance(t, Named) and t.args != ())
        no_type_args(body, name.text, expr, type_args, origin, _SAY_TYPE if generic else "")
    if not by_place(body, name.text, args, origin):
        return skip(body, expr) if expr else exprs.error(name.span)
    if len(args) != len(payload):
        body.report(report.argument_count(name.text, arguments(len(payload)), len(args), name.span, origin))
        return skip(body, expr) if expr else exprs.error(name.span)
    values = tuple(exprs.check_expr(body, a.value, Want(p, origin)) for a, p in zip(args, payload, strict=True))
    return TVariant(t, expr.span if expr else name.span, index, values)
