"""Patterns and the arms of a match."""

from collections.abc import Callable, Sequence

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.exhaustive import missing, unreachable
from dandc.compiler.check.types import variants_of
from dandc.compiler.typed import (
    PBind,
    PLit,
    PTuple,
    PVariant,
    PWild,
    TArm,
    TBody,
    TExpr,
    TLit,
    TPattern,
)
from dandc.compiler.types import (
    BOOL,
    ERROR,
    Basic,
    InferVar,
    SetRef,
    Tuple,
    Type,
    TypeVar,
)
from dandc.lang import tree
from dandc.lang.spans import Span


def check_pattern(body: Body, pattern: tree.Pattern, t: Type, kind: str = "let") -> TPattern:
    """The typed form of `pattern` for values of type `t`; declares what it binds in the innermost scope."""
    t = body.unifier.shallow(t)
    match pattern:
        case tree.WildcardPattern():
            return PWild(t)
        case tree.NamePattern(name=name):
            names = _variant_names(body, t)
            if name.text in names:
                return _variant(body, t, name, (), pattern.span)
            return PBind(t, body.declare(name.text, t, kind, name.span))
        case tree.VariantPattern(path=path, args=args):
            return _variant(body, t, path[-1], args, pattern.span)
        case tree.TuplePattern(items=items):
            return _tuple(body, t, items, pattern.span, kind)
        case tree.LiteralPattern(value=value):
            typed = exprs.check_expr(body, value, Want(t))
            if not isinstance(typed, TLit) or typed.is_float:
                body.report(
                    report.simple(
                        "T0323", "this cannot be a pattern", pattern.span, "integers, bools, text and bytes can"
                    )
                )
                return PWild(ERROR)
            return PLit(t, typed)
    raise AssertionError(pattern)


def _variant_names(body: Body, t: Type) -> list[str]:
    if isinstance(t, Basic | Tuple | InferVar | TypeVar | SetRef):
        return []
    return [n for n, _ in variants_of(body.world, t) or ()]


def _variant(body: Body, t: Type, name: tree.Name, args: tuple[tree.Pattern, ...], span: Span) -> TPattern:
    if t == ERROR:
        return _after_error(body, args)
    if isinstance(t, InferVar):
        body.report(
            report.simple(
                "T0305", "the type of what is matched is not known yet", span, "say its type where it is declared"
            )
        )
        return _after_error(body, args)
    variants = None if isinstance(t, Basic | Tuple | TypeVar | SetRef) else variants_of(body.world, t)
    if variants is None:
        body.report(
            report.simple("T0323", f"`{body.show(t)}` has no variants", span, f"what is matched is `{body.show(t)}`")
        )
        return _after_error(body, args)
    names = [n for n, _ in variants]
    if name.text not in names:
        body.report(report.unknown_member(f"`{body.show(t)}`", name.text, name.span, names, "variant"))
        return _after_error(body, args)
    payload = variants[names.index(name.text)][1]
    if len(payload) != len(args):
        body.report(
            report.simple(
                "T0323",
                f"`{name.text}` carries {len(payload)} values, but the pattern names {len(args)}",
                span,
                "does not fit",
            )
        )
        return _after_error(body, args)
    inner = tuple(check_pattern(body, a, p) for a, p in zip(args, payload, strict=True))
    return PVariant(t, names.index(name.text), inner)


def _after_error(body: Body, args: Sequence[tree.Pattern]) -> TPattern:
    for arg in args:
        check_pattern(body, arg, ERROR)
    return PWild(ERROR)


def _tuple(body: Body, t: Type, items: tuple[tree.Pattern, ...], span: Span, kind: str) -> TPattern:
    if isinstance(t, InferVar):
        fresh = Tuple(tuple(body.unifier.fresh() for _ in items))
        body.unifier.unify(t, fresh)
        t = fresh
    if not isinstance(t, Tuple) or len(t.items) != len(items):
        if t != ERROR:
            body.report(
                report.simple(
                    "T0323",
                    f"a pattern of {len(items)} values does not fit `{body.show(t)}`",
                    span,
                    f"the value is `{body.show(t)}`",
                )
            )
        return _after_error(body, items)
    return PTuple(t, tuple(check_pattern(body, p, part, kind) for p, part in zip(items, t.items, strict=True)))


def check_arms(
    body: Body,
    span: Span,
    subject: TExpr,
    arms: Sequence[tree.ExprArm | tree.StmtArm],
    check_value: "Callable[[tree.ExprArm | tree.StmtArm], TExpr | TBody]",
) -> list[TArm]:
    """The arms of a match, and whether they cover everything."""
    typed = []
    for arm in arms:
        with body.nested():
            pattern = check_pattern(body, arm.pattern, subject.type)
            guard = exprs.check_expr(body, arm.guard, Want(BOOL)) if arm.guard else None
            typed.append(TArm(pattern, guard, check_value(arm)))
    subject_type = body.known(subject.type)
    if subject_type != ERROR and not isinstance(subject_type, InferVar):
        _check_coverage(body, span, subject_type, arms, typed)
    return typed


def _check_coverage(
    body: Body, span: Span, t: Type, arms: Sequence[tree.ExprArm | tree.StmtArm], typed: Sequence[TArm]
) -> None:
    rows = [a.pattern for a in typed if a.guard is None]
    if any(p.type == ERROR for p in rows):
        return
    witness = missing(body.world, t, rows)
    if witness is not None:
        head = Span(span.file, span.start, span.start + len("match"))
        body.report(
            report.simple(
                "T0324",
                f"the match does not cover `{witness}`",
                head,
                f"`{witness}` is not covered",
                notes=(f"add an arm: `{witness} => ...`",),
            )
        )
    for i in unreachable(body.world, t, [(a.pattern, a.guard is not None) for a in typed]):
        body.report(
            report.simple("T0325", "this arm can never be reached", arms[i].pattern.span, "covered by the arms before")
        )
