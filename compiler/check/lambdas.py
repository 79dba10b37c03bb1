"""Lambdas: parameters that are names or taken apart, and what a lambda takes from outside.

A parameter that is a tuple pattern becomes one without a name, and the body a match on it with one arm.
"""

from dandc.compiler.check import exprs, hints, report
from dandc.compiler.check.body import Body, LambdaFrame, Want
from dandc.compiler.check.patterns import check_pattern, irrefutable
from dandc.compiler.typed import Local, TArm, TExpr, TLambda, TLocal, TMatch, TPattern
from dandc.compiler.types import Fn, Type
from dandc.lang import tree


def check_lambda(body: Body, expr: tree.LambdaExpr, wanted: Fn, want: Want | None) -> TExpr:
    """A lambda where a function type is wanted."""
    if len(expr.params) != len(wanted.params):
        takes, names = report.count(len(wanted.params), "argument"), len(expr.params)
        message = f"the lambda is called with {takes}, but names {names}"
        origin = [want.origin] if want and want.origin else []
        told = hints.two_for_one(names, len(wanted.params), want.origin if want else None)
        body.report(report.simple("T0302", message, expr.span, f"names {names}", *origin, notes=told))
        return exprs.error(expr.span)
    frame = LambdaFrame()
    body.lambdas.append(frame)
    try:
        with body.nested():
            pairs = list(zip(expr.params, wanted.params, strict=True))
            params = tuple(_lambda_param(body, p, t) for p, t in pairs)
            shapes = {
                i: _lambda_parts(body, p, t) for i, (p, t) in enumerate(pairs) if isinstance(p, tree.TuplePattern)
            }
            inner = exprs.check_expr(body, expr.body, Want(wanted.result, want.origin if want else None))
    finally:
        body.lambdas.pop()
    for i in reversed(shapes):
        subject = TLocal(params[i].type, params[i].span, params[i])
        inner = TMatch(inner.type, expr.body.span, subject, (TArm(shapes[i], None, inner),))
    return TLambda(wanted, expr.span, params, inner, tuple(frame.captures))


def _lambda_param(body: Body, param: tree.Pattern, t: Type) -> Local:
    """The parameter itself; one that is taken apart has no name that could be written."""
    name = param.name.text if isinstance(param, tree.NamePattern) else "_"
    local = body.declare(name, t, "param", param.span)
    if name == "_":
        body.scopes[-1].pop(name)
    return local


def _lambda_parts(body: Body, param: tree.Pattern, t: Type) -> TPattern:
    pattern = check_pattern(body, param, t)
    irrefutable(body, pattern, param)
    return pattern
