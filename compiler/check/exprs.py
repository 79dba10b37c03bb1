"""Expressions: every one gets a type, from what is expected of it and from its parts."""

from collections.abc import Callable

from attrs import evolve

from dandc.compiler.check import calls, candidates, construct, hints, lambdas, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.foreign import METHODS
from dandc.compiler.check.infer import MAX_PARTS
from dandc.compiler.check.patterns import check_arms
from dandc.compiler.check.symbols import Symbol
from dandc.compiler.check.types import BASIC, KIND_WORDS, head_of, record_fields
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
    SECRET,
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
    is_map,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span

# What an unknown name may have been meant to be.
STANDARD = ("csv", "html", "http", "json", "math", "storage")


def check_expr(body: Body, expr: tree.Expr, want: Want | None = None) -> TExpr:
    """The typed form of `expr`; a value of another type than wanted is reported."""
    return body.expect(infer(body, expr, want), want)


def infer(body: Body, expr: tree.Expr, want: Want | None = None) -> TExpr:
    """The typed form of `expr`; `want` is a hint for literals, lambdas and empty containers only."""
    typed = _RULES[type(expr)](body, expr, want)
    if body.unifier.exceeds(typed.type, MAX_PARTS):
        if not body.outgrown:
            body.report(report.simple("T0337", "this type has too many parts", expr.span, "too large"))
        body.outgrown = True
        return error(expr.span)
    return typed


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
    body.float_literal(t, expr.text, expr.span)
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
            note = "text, numbers, bools and endpoints can; encode other values, say with `json.encode`"
            if t == SECRET:
                note = report.ONLY_DRIVERS
            message = f"`{body.show(t)}` has no text form"
            body.report(report.simple("T0308", message, value.span, "cannot stand in an f-string", notes=(note,)))
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
            body.report(_function_as_value(expr.span))
        return TLocal(local.type, expr.span, local)
    symbol = body.symbol(expr.name.text)
    if symbol is None and expr.name.text in BASIC:
        body.report(hints.type_as_value(expr.name, body.unifier.shallow(want.type) if want else None))
        return error(expr.span)
    if symbol is None:
        diagnostic = _unknown(body, expr, want)
        if expr.name.text in STANDARD:
            note = f"`{expr.name.text}` is a module of the standard library: `import {expr.name.text};`"
            diagnostic = evolve(diagnostic, notes=(note,), fixes=())
        body.report(diagnostic)
        return error(expr.span)
    return symbol_value(body, symbol, expr.name, want)


def _unknown(body: Body, expr: tree.NameExpr, want: Want | None) -> Diagnostic:
    name = expr.name.text
    output = next((port for port in body.kernel_outputs or () if port.name == name), None)
    if output is None:
        unknown = report.unknown_name(name, expr.span, candidates.values(body, want))
        return hints.of_enum(body, unknown, expr.name, body.known(want.type) if want else None)
    origin = Label(output.span, f"`{name}` is declared here")
    notes = (f"keep what is needed later in a variable, and `emit {name} <- ...;` it",)
    message = f"the output `{name}` cannot be read"
    return report.simple("N0204", message, expr.span, "outputs are only written", origin, notes=notes)


def _function_as_value(span: Span) -> Diagnostic:
    notes = ("call it, or pass it on where an `fn` takes a function",)
    return report.simple("T0310", "a function is not a value", span, "this is a function", notes=notes)


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
            return construct.builtin_variant(body, name, (), None, want)
        case "fn" if want is not None and isinstance(body.unifier.shallow(want.type), Fn):
            return _fn_value(body, symbol, span)
        case "fn":
            body.report(_function_as_value(span))
            return error(span)
        case "broken":
            return error(span)
    body.report(report.wrong_kind(name.text, span, KIND_WORDS[symbol.kind], "value"))
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
    hidden = isinstance(t, Basic) or (is_map(t) and not body.scope.module.trusted)
    fields = None if hidden else record_fields(body.world, t)
    names = [n for n, _ in fields or ()]
    if expr.name.text in names:
        index = names.index(expr.name.text)
        return TField((fields or ())[index][1], expr.span, base, index)
    methods = calls.methods_of(body, t)
    if expr.name.text in methods:
        params = body.world.fns[methods[expr.name.text]].params[1:]
        certain = all(p.default is not None or p.omittable for p in params)
        fix = Fix("call it", report.after(expr.name.span), "()", certain)
        message = f"`{expr.name.text}` is a method"
        body.report(report.fixed("T0309", message, expr.name.span, "a method must be called", fix))
    else:
        body.report(_unknown_field(body, t, expr.name, names, methods))
    return error(expr.span)


def _unknown_field(body: Body, t: Type, name: tree.Name, names: list[str], methods: dict[str, str]) -> Diagnostic:
    """A field that is not there; elsewhere it may be one, as the length of an array is."""
    foreign = METHODS.get(name.text)
    if foreign is not None and foreign.instead in methods and name.text not in names:
        message = f"`{body.show(t)}` has no field `{name.text}`"
        fix = Fix(f"here it is the method `{foreign.instead}`", name.span, f"{foreign.instead}()")
        return report.fixed("N0202", message, name.span, "no such field", fix)
    unknown = report.unknown_member(f"`{body.show(t)}`", name.text, name.span, names, "field")
    if hints.inside_has_field(body, t, name.text):
        return evolve(unknown, notes=(INSIDE,), fixes=())
    return unknown


INSIDE = "the value inside has it: take it out with `?`, `.or(other)` or `match`"


def _unknown_type(span: Span) -> Diagnostic:
    return report.simple("T0305", "the type of this value is not known yet", span, "say its type where it is declared")


def _member(body: Body, expr: tree.FieldExpr, symbol: Symbol, want: Want | None) -> TExpr:
    if symbol.kind == "module":
        found = calls.module_member(body, symbol, expr.name)
        return symbol_value(body, found, expr.name, want) if found else error(expr.span)
    if symbol.kind == "type":
        return construct.enum_variant(body, symbol, expr.name, (), None, want)
    if symbol.kind != "broken":
        body.report(report.wrong_kind(expr.name.text, expr.base.span, KIND_WORDS[symbol.kind], "value"))
    return error(expr.span)


def _index(body: Body, expr: tree.IndexExpr, want: Want | None) -> TExpr:
    base = infer(body, expr.base)
    t = body.unifier.shallow(base.type)
    if len(expr.items) != 1:
        body.report(report.simple("T0302", "an index is one value", expr.span, f"{len(expr.items)} given"))
        return error(expr.span)
    if is_map(t) or isinstance(t, SetRef):
        infer(body, expr.items[0])
        notes: tuple[str, ...] = ("`m.get(key)` gives an option, `m.set(key, value)` changes the map",)
        if isinstance(t, SetRef):
            notes = ("`xs.values()[i]` is the value of item i; `xs.entries()` gives keys with values",)
        message, label = f"`{body.show(t)}` has no index", f"this is `{body.show(t)}`"
        body.report(report.simple("T0315", message, base.span, label, notes=notes))
        return error(expr.span)
    origin = Label(base.span, f"the index into this `{body.show(t)}` is an `i64`") if t != ERROR else None
    index = check_expr(body, expr.items[0], Want(I64, origin))
    if isinstance(t, Array):
        return TIndex(t.item, expr.span, base, index)
    if t == BYTES:
        return TIndex(U8, expr.span, base, index)
    if t == STR:
        body.report(
            report.simple(
                "T0315",
                "a `str` has no index",
                base.span,
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


def _mark(expr: tree.TryExpr) -> Span:
    """The `?` itself."""
    return Span(expr.span.file, expr.span.end - 1, expr.span.end)


def _check_message(body: Body, err: Type, expr: tree.TryExpr) -> None:
    err = body.known(err)
    fields = record_fields(body.world, err) if not isinstance(err, Basic | InferVar | TypeVar) else None
    if err in (STR, ERROR) or ("message", STR) in (fields or ()):
        return
    body.report(
        report.simple(
            "T0316",
            f"`?` in a function fails with the error's text, which `{report.display(err)}` does not have",
            _mark(expr),
            f"the error is `{report.display(err)}`",
            notes=("an error that `?` can show is a `str` or a record with `message: str`",),
        )
    )


def _check_try_result(body: Body, t: Option | Result, expr: tree.TryExpr) -> None:
    if body.lambdas:
        notes = ("a lambda of an `fn` gives a value: `match` on the option or result",)
        body.report(report.simple("T0316", "`?` cannot leave a lambda", _mark(expr), "inside a lambda", notes=notes))
        return
    result = body.unifier.shallow(body.result)
    if isinstance(t, Option) and isinstance(result, Option):
        return
    if isinstance(t, Result) and isinstance(result, Result) and body.unifier.unify(t.err, result.err):
        return
    what = "`none`" if isinstance(t, Option) else f"the error, `{body.show(t.err)}`"
    message = f"`?` returns {what}, but this function returns {report.noun(body.known(result))}"
    origins = [body.result_origin] if body.result_origin else []
    notes = (_try_advice(body, t, result),)
    body.report(report.simple("T0316", message, _mark(expr), "cannot return that", *origins, notes=notes))


def _try_advice(body: Body, t: Option | Result, result: Type) -> str:
    if isinstance(t, Option) and isinstance(result, Result):
        return "make an error of `none` first: `.ok_or(error)?`"
    if isinstance(t, Result) and isinstance(result, Option):
        return "drop the error first: `.ok()?`"
    if isinstance(t, Result) and isinstance(result, Result):
        return "`match` on it and return an error of your own type"
    needed = Option(body.known(result)) if isinstance(t, Option) else Result(body.known(result), body.known(t.err))
    return f"declare the result as `{report.display(needed)}`, or `match` on the value"


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
    known = body.known(left.type)
    if expr.op not in COMPARISONS and isinstance(known, Option | Result):
        body.bound(known, "num", left.span, f"`{expr.op}`")
        infer(body, expr.right)
        return error(left.span), error(expr.right.span)
    if expr.op in INT_ONLY and is_float(known):
        arithmetic(body, expr.op, left, left, expr.span, expr.op_span)
        infer(body, expr.right)
        return error(left.span), error(expr.right.span)
    if isinstance(known, SetRef):
        body.report(report.set_as_value(ERROR, known, left.span, None))
        infer(body, expr.right)
        return error(left.span), error(expr.right.span)
    origin = Label(left.span, f"`{expr.op}` needs both alike; this is {report.noun(known)}")
    before = len(body.world.sink.diagnostics)
    right = infer(body, expr.right, Want(left.type, origin))
    mixed = hints.mixed_operands(body, expr.left, known, body.known(right.type), right.span, origin)
    if mixed is not None:
        body.report(mixed)
        return error(left.span), error(expr.right.span)
    if len(body.world.sink.diagnostics) == before:
        body.expect(right, Want(left.type, origin), _widen(body, expr, left, right))
    return (left, right) if body.unifier.unify(left.type, right.type) else (error(left.span), error(right.span))


def _widen(body: Body, expr: tree.BinaryExpr, left: TExpr, right: TExpr) -> tuple[Fix, ...]:
    """Convert the integer beside a float, or the narrower of two integers, if it is a plain name."""
    lt, rt = body.known(left.type), body.known(right.type)
    if STR in (lt, rt) and expr.op == "+":
        return _as_text(expr.right if lt == STR else expr.left, rt if lt == STR else lt)
    if not (isinstance(lt, Basic) and isinstance(rt, Basic) and lt != rt and _rank(lt) and _rank(rt)):
        return ()
    narrow, wide = (expr.right, lt) if _rank(lt) >= _rank(rt) else (expr.left, rt)
    if not isinstance(narrow, tree.NameExpr):
        return ()
    certain = is_float(wide) and not is_float(lt if narrow is expr.left else rt)
    return (Fix("convert the other", narrow.span, f"{wide.name}({narrow.name.text})", certain),)


def _as_text(operand: tree.Expr, t: Type) -> tuple[Fix, ...]:
    """Make text of the operand that is none, if it is a plain name of something that has a text."""
    if not (isinstance(operand, tree.NameExpr) and has_text(t)):
        return ()
    return (Fix("make text of it", operand.span, f'f"{{{operand.name.text}}}"', certain=True),)


def _rank(t: Basic) -> int:
    """Floats above integers, wider above narrower; 0 for what is no number."""
    if not (is_int(t) or is_float(t)):
        return 0
    return int(t.name[1:]) + (100 if is_float(t) else 0)


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
        notes = ("`math.fmod(x, y)` is the remainder of floats: `import math;`",) if op == "%" else ()
        message = f"`{op}` needs integers, not `{t}`"
        body.report(report.simple("T0317", message, op_span, "integers only", notes=notes))
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
    return lambdas.check_lambda(body, expr, wanted, want)


def _anon(body: Body, expr: tree.AnonRecordExpr, want: Want | None) -> TExpr:
    values = tuple(infer(body, f.value) for f in expr.fields)
    names = [f.name for f in expr.fields]
    for name in names:
        first = next(n for n in names if n.text == name.text)
        if first is not name:
            body.report(report.duplicate(name.text, name.span, first.span, "field"))
    t = Anon(tuple((n.text, v.type) for n, v in zip(names, values, strict=True)))
    return TMake(t, expr.span, values, tuple(range(len(values))))


def _array(body: Body, expr: tree.ArrayExpr, want: Want | None) -> TExpr:
    wanted = body.unifier.shallow(want.type) if want else None
    item: Type = wanted.item if isinstance(wanted, Array) else body.unifier.fresh()
    items: list[TExpr] = []
    declared = want.origin if want is not None and isinstance(wanted, Array) else None
    for element in expr.items:
        first = Label(expr.items[0].span, "the first element says the type") if items else None
        items.append(check_expr(body, element, Want(item, declared or first)))
    if not items:
        say = "say it where the array is put: `let xs: array[str] = [];`"
        body.must_be_known(item, expr.span, "the elements of this array", say)
    return TArray(Array(item), expr.span, tuple(items))


def _tuple(body: Body, expr: tree.TupleExpr, want: Want | None) -> TExpr:
    if not expr.items:
        return TLit(UNIT, expr.span, None)
    wanted = body.unifier.shallow(want.type) if want else None
    order = tuple(range(len(expr.items)))
    if want is not None and isinstance(wanted, Tuple) and len(wanted.items) == len(expr.items):
        wants = [Want(t, want.origin) for t in wanted.items]
        values = tuple(check_expr(body, e, w) for e, w in zip(expr.items, wants, strict=True))
        return TMake(wanted, expr.span, values, order)
    values = tuple(infer(body, e) for e in expr.items)
    return TMake(Tuple(tuple(v.type for v in values)), expr.span, values, order)


def _if(body: Body, expr: tree.IfExpr, want: Want | None) -> TExpr:
    cond = check_expr(body, expr.cond, Want(BOOL, condition(expr.span, "if")))
    then = check_expr(body, expr.then, want)
    origin = Label(expr.then.span, f"the other branch is {report.noun(body.known(then.type))}")
    orelse = check_expr(body, expr.orelse, want or Want(then.type, origin))
    return TIf(want.type if want else then.type, expr.span, cond, then, orelse)


def condition(span: Span, word: str) -> Label:
    """Where the expectation of a bool comes from: the word that `span` begins with."""
    return Label(Span(span.file, span.start, span.start + len(word)), f"`{word}` needs a `bool`")


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


def _call(body: Body, expr: tree.CallExpr, want: Want | None) -> TExpr:
    return calls.check_call(body, expr, want)


def _run(body: Body, expr: tree.RunExpr, want: Want | None) -> TExpr:
    # Outside a test there is a `run` only after a syntax mistake, which has been reported.
    return body.test.run(expr) if body.test is not None else error(expr.span)


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
    tree.CallExpr: _call,
    tree.RunExpr: _run,
}
__all__ = ["SetRef", "TVariant", "check_expr", "infer"]
