"""Expressions: every one gets a type, from what is expected of it and from its parts."""

from collections.abc import Callable

from dandc.compiler.check import calls, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.patterns import check_arms
from dandc.compiler.check.symbols import Symbol
from dandc.compiler.check.types import head_of, record_fields
from dandc.compiler.typed import (
    TArm,
    TArray,
    TBinary,
    TCall,
    TConfig,
    TEndpoint,
    TExpr,
    TField,
    TFnRef,
    TFString,
    TIf,
    TIndex,
    TLit,
    TLocal,
    TMake,
    TMatch,
    TSlice,
    TTry,
    TUnary,
    TVariant,
)
from dandc.compiler.types import (
    BOOL,
    BYTES,
    ERROR,
    I64,
    STR,
    U8,
    UNIT,
    Anon,
    Array,
    Basic,
    Fn,
    InferVar,
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


def check_expr(body: Body, expr: tree.Expr, want: Want | None = None) -> TExpr:
    """The typed form of `expr`; a value of another type than wanted is reported."""
    return body.expect(infer(body, expr, want), want)


def infer(body: Body, expr: tree.Expr, want: Want | None = None) -> TExpr:
    """The typed form of `expr`; `want` is a hint for literals, lambdas and empty containers only."""
    return _RULES[type(expr)](body, expr, want)


def error(span: Span) -> TExpr:
    """What stands for an expression that has been reported."""
    return TLit(ERROR, span, None)


def _int(body: Body, expr: tree.IntLit, want: Want | None) -> TExpr:
    wanted = body.unifier.shallow(want.type) if want else None
    if wanted is not None and is_float(wanted):
        text = str(expr.value)
        body.report(
            report.fixed(
                "T0301",
                f"expected `{wanted}`, found an integer",
                expr.span,
                "this is an integer",
                Fix("write it as a float", expr.span, f"{text}.0", certain=True),
                *_origin(want),
            )
        )
        return TLit(ERROR, expr.span, None)
    t: Type = wanted if wanted is not None and is_int(wanted) else body.unifier.fresh("int")
    body.literal(t, expr.value, expr.span)
    return TLit(t, expr.span, expr.value)


def _float(body: Body, expr: tree.FloatLit, want: Want | None) -> TExpr:
    wanted = body.unifier.shallow(want.type) if want else None
    t: Type = wanted if wanted is not None and is_float(wanted) else body.unifier.fresh("float")
    return TLit(t, expr.span, expr.text, is_float=True)


def _bool(body: Body, expr: tree.BoolLit, want: Want | None) -> TExpr:
    return TLit(BOOL, expr.span, expr.value)


def _str(body: Body, expr: tree.StrLit, want: Want | None) -> TExpr:
    return TLit(STR, expr.span, expr.value)


def _bytes(body: Body, expr: tree.BytesLit, want: Want | None) -> TExpr:
    return TLit(BYTES, expr.span, expr.value)


def _fstr(body: Body, expr: tree.FStrLit, want: Want | None) -> TExpr:
    parts = []
    for part in expr.parts:
        value = infer(body, part)
        t = body.unifier.shallow(value.type)
        if isinstance(t, InferVar) and t.kind != "any":
            body.unifier.default(t)
            t = body.unifier.shallow(t)
        if not has_text(t):
            body.report(
                report.simple(
                    "T0308",
                    f"`{body.show(t)}` has no text form",
                    value.span,
                    "cannot stand in an f-string",
                    notes=("text, numbers, bools and endpoints can; encode other values, say with `json.encode`",),
                )
            )
        parts.append(value)
    return TFString(STR, expr.span, tuple(parts))


def has_text(t: Type) -> bool:
    """Whether values of `t` may stand in an f-string."""
    return t in (STR, BOOL, ERROR) or is_int(t) or is_float(t) or head_of(t).endswith(".Endpoint")


def _name(body: Body, expr: tree.NameExpr, want: Want | None) -> TExpr:
    local = body.find(expr.name.text)
    if local is not None:
        if isinstance(body.unifier.shallow(local.type), Fn) and not (
            want and isinstance(body.unifier.shallow(want.type), Fn)
        ):
            body.report(
                report.simple("T0310", "a function is not a value", expr.span, "call it, or pass it on to a function")
            )
        return TLocal(local.type, expr.span, local)
    symbol = body.symbol(expr.name.text)
    if symbol is None:
        body.report(report.unknown_name(expr.name.text, expr.span, body.names_in_scope()))
        return error(expr.span)
    return symbol_value(body, symbol, expr.name, want)


def symbol_value(body: Body, symbol: Symbol, name: tree.Name, want: Want | None) -> TExpr:
    """A module-level name as a value."""
    world, span = body.world, name.span
    match symbol.kind:
        case "const":
            return TCall(world.fns[symbol.name].result, span, symbol.name, (), ())
        case "config":
            return TConfig(world.configs[symbol.name].type, span, symbol.name)
        case "endpoint":
            return TEndpoint(world.endpoints[symbol.name].type, span, symbol.name)
        case "variant":
            return calls.builtin_variant(body, name, (), None, want)
        case "fn" if want is not None and isinstance(body.unifier.shallow(want.type), Fn):
            return _fn_value(body, symbol, span)
    body.report(report.wrong_kind(name.text, span, calls.KIND_WORDS[symbol.kind], "value"))
    return error(span)


def _fn_value(body: Body, symbol: Symbol, span: Span) -> TExpr:
    decl = body.world.fns[symbol.name]
    bindings: dict[TypeVar, Type] = {p: body.unifier.fresh() for p in decl.type_params}
    params, result = calls.instantiate(body, decl, bindings, span)
    if any(p.inout for p in decl.params):
        body.report(
            report.simple("T0310", "a function with `inout` parameters cannot be passed on", span, "not a value")
        )
    return TFnRef(Fn(params, result), span, decl.name, tuple(bindings.values()))


def _field(body: Body, expr: tree.FieldExpr, want: Want | None) -> TExpr:
    symbol = calls.path_symbol(body, expr.base)
    if symbol is not None:
        return _member(body, expr, symbol, want)
    base = infer(body, expr.base)
    t = body.unifier.shallow(base.type)
    if t == ERROR:
        return error(expr.span)
    if isinstance(t, InferVar):
        body.report(_unknown_type(base.span))
        return error(expr.span)
    fields = record_fields(body.world, t) if not isinstance(t, Basic) else None
    names = [n for n, _ in fields or ()]
    if expr.name.text in names:
        index = names.index(expr.name.text)
        return TField((fields or ())[index][1], expr.span, base, index)
    methods = calls.methods_of(body, t)
    if expr.name.text in methods:
        body.report(
            report.fixed(
                "T0309",
                f"`{expr.name.text}` is a method",
                expr.name.span,
                "a method must be called",
                Fix("call it", expr.name.span, f"{expr.name.text}()"),
            )
        )
    else:
        body.report(report.unknown_member(f"`{body.show(t)}`", expr.name.text, expr.name.span, names, "field"))
    return error(expr.span)


def _unknown_type(span: Span) -> Diagnostic:
    return report.simple("T0305", "the type of this value is not known yet", span, "say its type where it is declared")


def _member(body: Body, expr: tree.FieldExpr, symbol: Symbol, want: Want | None) -> TExpr:
    if symbol.kind == "module":
        found = calls.module_member(body, symbol, expr.name)
        return symbol_value(body, found, expr.name, want) if found else error(expr.span)
    if symbol.kind == "type":
        return calls.enum_variant(body, symbol, expr.name, (), None, want)
    body.report(report.wrong_kind(expr.name.text, expr.base.span, calls.KIND_WORDS[symbol.kind], "value"))
    return error(expr.span)


def _index(body: Body, expr: tree.IndexExpr, want: Want | None) -> TExpr:
    base = infer(body, expr.base)
    t = body.unifier.shallow(base.type)
    if len(expr.items) != 1:
        body.report(report.simple("T0302", "an index is one value", expr.span, f"{len(expr.items)} given"))
        return error(expr.span)
    index = check_expr(body, expr.items[0], Want(I64))
    if isinstance(t, Array):
        return TIndex(t.item, expr.span, base, index)
    if t == BYTES:
        return TIndex(U8, expr.span, base, index)
    if t == STR:
        body.report(
            report.simple(
                "T0315",
                "a `str` has no index",
                expr.span,
                "characters have no fixed width",
                notes=("slice it (`s[a..b]`, in bytes), or index its bytes: `s.to_bytes()[i]`",),
            )
        )
    elif t != ERROR:
        body.report(report.simple("T0315", f"`{body.show(t)}` has no index", base.span, f"this is `{body.show(t)}`"))
    return error(expr.span)


def _slice(body: Body, expr: tree.SliceExpr, want: Want | None) -> TExpr:
    base = infer(body, expr.base)
    t = body.unifier.shallow(base.type)
    if not (isinstance(t, Array) or t in (STR, BYTES, ERROR)):
        body.report(
            report.simple("T0315", f"`{body.show(t)}` cannot be sliced", base.span, f"this is `{body.show(t)}`")
        )
        t = ERROR
    lo = check_expr(body, expr.lo, Want(I64)) if expr.lo else None
    hi = check_expr(body, expr.hi, Want(I64)) if expr.hi else None
    return TSlice(t, expr.span, base, lo, hi)


def _try(body: Body, expr: tree.TryExpr, want: Want | None) -> TExpr:
    base = infer(body, expr.base)
    t = body.unifier.shallow(base.type)
    if t == ERROR:
        return error(expr.span)
    if not isinstance(t, Option | Result):
        body.report(
            report.simple(
                "T0316",
                f"`?` needs an option or a result, not `{body.show(t)}`",
                base.span,
                f"this is `{body.show(t)}`",
            )
        )
        return error(expr.span)
    fails = body.kernel_outputs is not None
    value = t.item if isinstance(t, Option) else t.ok
    if not fails:
        _check_try_result(body, t, expr)
    elif isinstance(t, Result):
        _check_message(body, t.err, expr)
    return TTry(value, expr.span, base, fails)


def _check_message(body: Body, err: Type, expr: tree.TryExpr) -> None:
    err = body.known(err)
    fields = record_fields(body.world, err) if not isinstance(err, Basic | InferVar | TypeVar) else None
    if err in (STR, ERROR) or ("message", STR) in (fields or ()):
        return
    body.report(
        report.simple(
            "T0316",
            f"`?` in a function fails with the error's text, which `{report.display(err)}` does not have",
            expr.span,
            "no message",
            notes=("an error that `?` can show is a `str` or a record with `message: str`",),
        )
    )


def _check_try_result(body: Body, t: Option | Result, expr: tree.TryExpr) -> None:
    if body.lambdas:
        body.report(report.simple("T0316", "`?` cannot leave a lambda", expr.span, "match on the value instead"))
        return
    result = body.unifier.shallow(body.result)
    if isinstance(t, Option) and isinstance(result, Option):
        return
    if isinstance(t, Result) and isinstance(result, Result) and body.unifier.unify(t.err, result.err):
        return
    needed = "option[...]" if isinstance(t, Option) else f"result[..., {body.show(t.err)}]"
    body.report(
        report.simple(
            "T0316",
            f"`?` returns the error, but this function returns `{body.show(result)}`",
            expr.span,
            f"needs a function that returns `{needed}`",
            *([body.result_origin] if body.result_origin else []),
        )
    )


def _unary(body: Body, expr: tree.UnaryExpr, want: Want | None) -> TExpr:
    if expr.op == "not":
        return TUnary(BOOL, expr.span, "not", check_expr(body, expr.operand, Want(BOOL)))
    if expr.op == "-" and isinstance(expr.operand, tree.IntLit):
        return _int(body, tree.IntLit(expr.span, -expr.operand.value), want)
    operand = infer(body, expr.operand, want)
    body.bound(operand.type, "num", operand.span, f"`{expr.op}`")
    t = body.unifier.shallow(operand.type)
    if expr.op == "~" and is_float(t):
        body.report(report.simple("T0317", f"`~` needs an integer, not `{t}`", operand.span, f"this is `{t}`"))
    return TUnary(operand.type, expr.span, expr.op, operand)


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
INT_ONLY = ("&", "|", "^", "<<", ">>", "+%", "-%", "*%", "%")


def _binary(body: Body, expr: tree.BinaryExpr, want: Want | None) -> TExpr:
    if expr.op in ("and", "or"):
        left, right = check_expr(body, expr.left, Want(BOOL)), check_expr(body, expr.right, Want(BOOL))
        return TBinary(BOOL, expr.span, expr.op, left, right, expr.op_span)
    hint = None if expr.op in COMPARISONS else want
    if expr.op in ("<<", ">>"):
        left = infer(body, expr.left, hint)
        right = check_expr(body, expr.right, Want(I64))
    else:
        left, right = _operands(body, expr, hint)
    return arithmetic(body, expr.op, left, right, expr.span, expr.op_span)


def _operands(body: Body, expr: tree.BinaryExpr, hint: Want | None) -> tuple[TExpr, TExpr]:
    left = infer(body, expr.left, hint)
    right = infer(body, expr.right, Want(left.type))
    if not body.unifier.unify(left.type, right.type):
        lt, rt = body.known(left.type), body.known(right.type)
        fixes = ()
        if (is_int(rt) or is_float(rt)) and (is_int(lt) or is_float(lt)) and isinstance(lt, Basic):
            fixes = (Fix(f"convert it: `{lt.name}(...)`", right.span, f"{lt.name}(...)"),)
        body.report(
            report.mismatch(
                lt,
                rt,
                right.span,
                Label(left.span, f"`{expr.op}` needs both alike; this is `{report.display(lt)}`"),
                fixes,
            )
        )
        return error(left.span), error(right.span)
    return left, right


def arithmetic(body: Body, op: str, left: TExpr, right: TExpr, span: Span, op_span: Span) -> TExpr:
    """`left op right`, both of one type already."""
    t = body.unifier.shallow(left.type)
    if op in COMPARISONS:
        body.bound(t, "eq" if op in ("==", "!=") else "ord", op_span, f"`{op}`")
        return TBinary(BOOL, span, op, left, right, op_span)
    if t in (STR, BYTES) or isinstance(t, Array):
        if op == "+":
            return TBinary(t, span, op, left, right, op_span)
        body.report(report.simple("T0317", f"`{op}` does not work on `{body.show(t)}`", op_span, "numbers only"))
        return error(span)
    if op in INT_ONLY and is_float(t):
        body.report(report.simple("T0317", f"`{op}` needs integers, not `{t}`", op_span, "integers only"))
        return error(span)
    if t == BOOL:
        body.report(report.simple("T0317", f"`{op}` does not work on `bool`", op_span, "use `and`, `or`, `not`"))
        return error(span)
    body.bound(t, "num", op_span, f"`{op}`")
    return TBinary(left.type, span, op, left, right, op_span)


def _lambda(body: Body, expr: tree.LambdaExpr, want: Want | None) -> TExpr:
    wanted = body.unifier.shallow(want.type) if want else None
    if not isinstance(wanted, Fn):
        body.report(report.simple("T0310", "a lambda can only be passed to a function", expr.span, "not a value here"))
        return error(expr.span)
    return calls.check_lambda(body, expr, wanted, want)


def _anon(body: Body, expr: tree.AnonRecordExpr, want: Want | None) -> TExpr:
    values = tuple(infer(body, f.value) for f in expr.fields)
    names = [f.name for f in expr.fields]
    for i, name in enumerate(names):
        first = next(n for n in names if n.text == name.text)
        if first is not names[i]:
            body.report(report.duplicate(name.text, name.span, first.span, "field"))
    t = Anon(tuple((n.text, v.type) for n, v in zip(names, values, strict=True)))
    return TMake(t, expr.span, values, tuple(range(len(values))))


def _array(body: Body, expr: tree.ArrayExpr, want: Want | None) -> TExpr:
    wanted = body.unifier.shallow(want.type) if want else None
    item: Type = wanted.item if isinstance(wanted, Array) else body.unifier.fresh()
    items = []
    for element in expr.items:
        origin = (
            Label(expr.items[0].span, "the first element says the type") if items else (want.origin if want else None)
        )
        items.append(check_expr(body, element, Want(item, origin)))
    if not items:
        body.must_be_known(item, expr.span, "the elements of this array")
    return TArray(Array(item), expr.span, tuple(items))


def _tuple(body: Body, expr: tree.TupleExpr, want: Want | None) -> TExpr:
    if not expr.items:
        return TLit(UNIT, expr.span, None)
    wanted = body.unifier.shallow(want.type) if want else None
    hints: list[Want | None] = [None] * len(expr.items)
    if isinstance(wanted, Tuple) and len(wanted.items) == len(expr.items):
        hints = [Want(t) for t in wanted.items]
    values = tuple(infer(body, e, h) for e, h in zip(expr.items, hints, strict=True))
    return TMake(Tuple(tuple(v.type for v in values)), expr.span, values, tuple(range(len(values))))


def _if(body: Body, expr: tree.IfExpr, want: Want | None) -> TExpr:
    cond = check_expr(body, expr.cond, Want(BOOL))
    then = check_expr(body, expr.then, want)
    origin = Label(expr.then.span, f"the other branch is `{body.show(then.type)}`")
    orelse = check_expr(body, expr.orelse, Want(then.type, origin))
    return TIf(then.type, expr.span, cond, then, orelse)


def _match(body: Body, expr: tree.MatchExpr, want: Want | None) -> TExpr:
    subject = infer(body, expr.subject)
    result: Type = want.type if want else body.unifier.fresh()
    origin = want.origin if want else None

    def value(arm: tree.ExprArm | tree.StmtArm) -> TExpr:
        nonlocal origin
        assert isinstance(arm, tree.ExprArm)
        typed = check_expr(body, arm.value, Want(result, origin))
        origin = origin or Label(arm.value.span, "the first arm says the type")
        return typed

    arms = check_arms(body, expr.span, subject, expr.arms, value)
    return TMatch(result, expr.span, subject, tuple(TArm(a.pattern, a.guard, a.body) for a in arms))


def _range(body: Body, expr: tree.RangeExpr, want: Want | None) -> TExpr:
    body.report(report.simple("T0310", "a range is not a value", expr.span, "only after `in`, or in a slice `x[a..b]`"))
    return error(expr.span)


def _call(body: Body, expr: tree.CallExpr, want: Want | None) -> TExpr:
    return calls.check_call(body, expr, want)


def _origin(want: Want | None) -> tuple[Label, ...]:
    return (want.origin,) if want and want.origin else ()


_RULES: dict[type, Callable[..., TExpr]] = {
    tree.IntLit: _int,
    tree.FloatLit: _float,
    tree.BoolLit: _bool,
    tree.StrLit: _str,
    tree.BytesLit: _bytes,
    tree.FStrLit: _fstr,
    tree.NameExpr: _name,
    tree.FieldExpr: _field,
    tree.IndexExpr: _index,
    tree.SliceExpr: _slice,
    tree.TryExpr: _try,
    tree.UnaryExpr: _unary,
    tree.BinaryExpr: _binary,
    tree.LambdaExpr: _lambda,
    tree.AnonRecordExpr: _anon,
    tree.ArrayExpr: _array,
    tree.TupleExpr: _tuple,
    tree.IfExpr: _if,
    tree.MatchExpr: _match,
    tree.RangeExpr: _range,
    tree.CallExpr: _call,
}
__all__ = ["SetRef", "TVariant", "check_expr", "infer"]
