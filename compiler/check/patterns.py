"""Patterns and the arms of a match."""

from collections.abc import Callable, Sequence

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.exhaustive import TooManyCombinations, missing, unreachable
from dandc.compiler.check.misspelt import report_misspelt
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
from dandc.lang.diagnostics import Fix, Label
from dandc.lang.spans import Span


def check_pattern(
    body: Body, pattern: tree.Pattern, t: Type, kind: str = "let", keyword: Span | None = None
) -> TPattern:
    """The typed form of `pattern` for values of type `t`; declares what it binds in the innermost scope.

    `keyword` is the `let` before the pattern of a statement.
    """
    t = body.unifier.shallow(t)
    match pattern:
        case tree.WildcardPattern():
            return PWild(t)
        case tree.NamePattern(name=name):
            names = _variant_names(body, t)
            if name.text in names:
                return _variant(body, t, name, (), pattern.span)
            return PBind(t, body.declare(name.text, t, kind, name.span, keyword))
        case tree.VariantPattern(path=path, args=args):
            return _variant(body, t, path[-1], args, pattern.span)
        case tree.TuplePattern(items=items):
            return _tuple(body, t, items, pattern.span, kind, keyword)
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
                f"`{name.text}` carries {report.count(len(payload), 'value')}, but the pattern names {len(args) or 'none'}",
                span,
                f"carries {report.count(len(payload), 'value')}",
                fixes=_payload_fix(name, span, len(payload)) if not args else (),
            )
        )
        return _after_error(body, args)
    inner = tuple(check_pattern(body, a, p) for a, p in zip(args, payload, strict=True))
    return PVariant(t, names.index(name.text), inner)


def _payload_fix(name: tree.Name, span: Span, count: int) -> tuple[Fix, ...]:
    return (Fix("match whatever it carries", report.after(span), f"({', '.join('_' * count)})"),)


def _after_error(body: Body, args: Sequence[tree.Pattern]) -> TPattern:
    for arg in args:
        check_pattern(body, arg, ERROR)
    return PWild(ERROR)


def _tuple(
    body: Body, t: Type, items: tuple[tree.Pattern, ...], span: Span, kind: str, keyword: Span | None
) -> TPattern:
    if isinstance(t, InferVar) and t.kind == "any":
        fresh = Tuple(tuple(body.unifier.fresh() for _ in items))
        if body.unifier.unify(t, fresh):
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
    parts = zip(items, t.items, strict=True)
    return PTuple(t, tuple(check_pattern(body, p, part, kind, keyword) for p, part in parts))


def check_arms(
    body: Body,
    span: Span,
    subject: TExpr,
    arms: Sequence[tree.ExprArm | tree.StmtArm],
    check_value: "Callable[[tree.ExprArm | tree.StmtArm], TExpr | TBody]",
) -> list[TArm]:
    """The arms of a match, and whether they cover everything."""
    typed: list[TArm] = []
    mistakes = len(body.world.sink.diagnostics)
    for arm in arms:
        with body.nested():
            pattern = check_pattern(body, arm.pattern, subject.type)
            guard = exprs.check_expr(body, arm.guard, Want(BOOL)) if arm.guard else None
            typed.append(TArm(pattern, guard, check_value(arm)))
    subject_type = body.known(subject.type)
    whole = mistakes == len(body.world.sink.diagnostics)
    if subject_type == ERROR or isinstance(subject_type, InferVar):
        return typed
    if not report_misspelt(body, typed, whole=whole):
        _check_coverage(body, span, subject_type, arms, typed)
    return typed


def _check_coverage(
    body: Body, span: Span, t: Type, arms: Sequence[tree.ExprArm | tree.StmtArm], typed: Sequence[TArm]
) -> None:
    rows = [a.pattern for a in typed if a.guard is None]
    if any(p.type == ERROR for p in rows):
        return
    try:
        witness = missing(body.world, t, rows)
        covered = unreachable(body.world, t, [(a.pattern, a.guard is not None) for a in typed])
    except TooManyCombinations:
        head = Span(span.file, span.start, span.start + len("match"))
        message = "the patterns of this match have too many combinations"
        advice = ("match on a part of the value first, and on the rest in the arms",)
        body.report(report.simple("T0339", message, head, "cannot be decided in reasonable time", notes=advice))
        return
    if witness:
        head = Span(span.file, span.start, span.start + len("match"))
        what = "all values" if witness == ("_",) else report.listed(witness)
        verb = "is" if len(witness) == 1 else "are"
        label = "other values are not covered" if witness == ("_",) else f"{what} {verb} not covered"
        notes: tuple[str, ...] = (_arms_to_add(witness),)
        if len(rows) < len(typed):
            notes = ("an arm with `if` covers nothing for certain", *notes)
        body.report(report.simple("T0324", f"the match does not cover {what}", head, label, notes=notes))
    if covered:
        _report_unreachable(body, t, arms, typed, covered)


def _arms_to_add(witness: Sequence[str]) -> str:
    if len(witness) == 1:
        return f"add an arm: `{witness[0]} => ...`"
    return f"add arms: `{' => ..., '.join(witness[:4])} => ...`, or one for all others: `_ => ...`"


def _report_unreachable(
    body: Body,
    t: Type,
    arms: Sequence[tree.ExprArm | tree.StmtArm],
    typed: Sequence[TArm],
    covered: Sequence[int],
) -> None:
    """One diagnostic for all arms after one that takes everything, one for each other arm."""
    takes_all = next((i for i, a in enumerate(typed) if a.guard is None and isinstance(a.pattern, PBind | PWild)), None)
    for i in covered:
        if takes_all is None or i <= takes_all:
            span = arms[i].pattern.span
            body.report(report.simple("T0325", "this arm can never be reached", span, "covered by the arms before"))
    if takes_all is None or takes_all + 1 >= len(arms):
        return
    pattern = arms[takes_all].pattern
    label = Label(pattern.span, "matches everything")
    fixes: tuple[Fix, ...] = ()
    if isinstance(pattern, tree.NamePattern):
        label = Label(pattern.span, f"`{pattern.name.text}` is a new name and matches everything")
        fixes = report.did_you_mean(pattern.name.text, pattern.span, _variant_names(body, t))
    span = arms[takes_all + 1].pattern.span
    body.report(
        report.simple(
            "T0325", "this arm can never be reached", span, "everything is matched before", label, fixes=fixes
        )
    )


def irrefutable(body: Body, pattern: TPattern, written: tree.Pattern) -> None:
    """Report unless the pattern of a `let`, a `for` or a lambda fits every value."""
    t = body.known(pattern.type)
    if pattern.type == ERROR or isinstance(t, InferVar) or isinstance(pattern, PBind | PWild):
        return
    witness = missing(body.world, t, [pattern])
    if witness:
        message, notes = f"this pattern does not cover {report.listed(witness)}", ("use `match`",)
        body.report(report.simple("T0324", message, written.span, "may not match", notes=notes))
