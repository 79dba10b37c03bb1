"""What every form of a call needs: its name's place, its type arguments, and arguments that have no names.

Helpers, records, variants, conversions and function values are called alike; what one of them does not take is said here, so
that nothing which was written is left out of the program without a word.
"""

from attrs import evolve

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body
from dandc.compiler.check.types import resolve_type, type_arguments
from dandc.compiler.typed import TExpr
from dandc.compiler.types import ERROR, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span


def callee_span(expr: tree.CallExpr) -> Span:
    """The name that is called, without the module or value before it and type arguments behind it."""
    callee = expr.callee.base if isinstance(expr.callee, tree.IndexExpr) else expr.callee
    return callee.name.span if isinstance(callee, tree.FieldExpr) else callee.span


def skip(body: Body, expr: tree.CallExpr) -> TExpr:
    """After a report: still look for mistakes in the arguments."""
    for arg in expr.args:
        if not isinstance(arg.value, tree.LambdaExpr):
            exprs.infer(body, arg.value)
    return exprs.error(expr.span)


def short(name: str) -> str:
    """A qualified name without its module."""
    return name.rsplit(".", 1)[-1]


def arguments(n: int) -> str:
    """`no arguments`, `1 argument`, `2 arguments`."""
    return report.count(n, "argument")


# What nothing stands for.


def by_place(body: Body, name: str, args: tuple[tree.Arg, ...], origin: Label | None = None) -> bool:
    """Whether the arguments of `name`, which have no names, are given by their places alone; else that is reported."""
    first = next((a for a in args if a.spread or a.name is not None), None)
    if first is None:
        return True
    body.report(spread(name, first) if first.spread else _named(name, first, args, origin))
    return False


def spread(name: str, arg: tree.Arg) -> Diagnostic:
    """`f(..x)` where `f` is no record."""
    return report.simple("T0304", "`..` belongs into a record update", arg.span, f"`{name}` is not a record")


def _named(name: str, arg: tree.Arg, args: tuple[tree.Arg, ...], origin: Label | None) -> Diagnostic:
    """With several names their order may have been meant, which is no order of places."""
    assert arg.name is not None
    fixes: tuple[Fix, ...] = ()
    if sum(a.name is not None for a in args) == 1:
        place = Span(arg.span.file, arg.span.start, arg.value.span.start)
        fixes = (Fix("leave the name out", place, "", certain=len(args) == 1),)
    message, origins = f"`{name}` takes its arguments by their places", (origin,) if origin else ()
    return report.simple("T0304", message, arg.name.span, "its arguments have no names", *origins, fixes=fixes)


def no_type_args(
    body: Body,
    name: str,
    expr: tree.CallExpr,
    type_args: tuple[tree.Expr, ...],
    origin: Label | None = None,
    note: str = "",
) -> None:
    """Report the type arguments of a call of what takes none; `note` says how its type is said instead."""
    if not type_args:
        return
    place = Span(expr.span.file, callee_span(expr).end, expr.callee.span.end)
    fix = Fix("leave them out", place, "", certain=not note)
    origins, notes = (origin,) if origin else (), (note,) if note else ()
    diagnostic = type_arguments(name, 0, len(type_args), type_args[0].span.to(type_args[-1].span), *origins)
    body.report(evolve(diagnostic, notes=notes, fixes=(fix,)))


# Types.


def type_of_expr(body: Body, expr: tree.Expr) -> Type:
    """The type that an expression in type-argument position means (`array[(i64, str)]` parses as an index)."""
    as_type = _type_expr(expr)
    if as_type is None:
        body.report(report.simple("T0319", "this is not a type", expr.span, "a type is needed here"))
        return ERROR
    return resolve_type(body.world, body.scope, as_type, body.type_params)


def _type_expr(expr: tree.Expr) -> tree.TypeExpr | None:
    match expr:
        case tree.NameExpr(name=name):
            return tree.NamedType(expr.span, (name,))
        case tree.FieldExpr(base=base, name=name):
            inner = _type_expr(base)
            if isinstance(inner, tree.NamedType) and not inner.args:
                return tree.NamedType(expr.span, (*inner.path, name))
        case tree.IndexExpr(base=base, items=items):
            inner, args = _type_expr(base), [_type_expr(i) for i in items]
            if isinstance(inner, tree.NamedType) and not inner.args and all(a is not None for a in args):
                return evolve(inner, span=expr.span, args=tuple(a for a in args if a is not None))
        case tree.TupleExpr(items=items):
            args = [_type_expr(i) for i in items]
            if all(a is not None for a in args):
                return tree.TupleType(expr.span, tuple(a for a in args if a is not None))
    return None
