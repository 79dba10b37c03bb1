"""Statements of bodies."""

from collections.abc import Callable, Sequence

from attrs import evolve

from dandc.compiler.check import calls, candidates, exprs, hints, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.patterns import check_arms, check_pattern, irrefutable
from dandc.compiler.check.types import resolve_type, satisfies
from dandc.compiler.typed import (
    PBind,
    PTuple,
    PWild,
    TArm,
    TAssign,
    TBody,
    TBreak,
    TCall,
    TContinue,
    TEmit,
    TEval,
    TExpr,
    TFail,
    TForArray,
    TForRange,
    TForSet,
    TIfStmt,
    TIndex,
    TLet,
    TMatchStmt,
    TNote,
    TPort,
    TReturn,
    TStmt,
    TTry,
    TWhile,
)
from dandc.compiler.types import (
    BOOL,
    BYTES,
    ERROR,
    I64,
    MAP,
    STR,
    U8,
    UNIT,
    Array,
    Basic,
    InferVar,
    Named,
    Option,
    Result,
    SetRef,
    Tuple,
    Type,
    is_map,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span


def check_block(body: Body, block: tree.Block) -> TBody:
    """The statements of a block in a scope of its own."""
    with body.nested():
        return check_statements(body, block.statements)


def check_statements(body: Body, statements: tuple[tree.Stmt, ...]) -> TBody:
    """Statements in the scope that is open."""
    typed: list[TStmt] = []
    for statement in statements:
        if not isinstance(statement, tree.ErrorStmt):
            typed.append(_RULES[type(statement)](body, statement))
    return tuple(typed)


def _let(body: Body, stmt: tree.LetStmt) -> TStmt:
    want = None
    if stmt.type is not None:
        t = resolve_type(body.world, body.scope, stmt.type, body.type_params)
        want = Want(t, Label(stmt.type.span, "the declared type"))
    value = exprs.check_expr(body, stmt.value, want)
    t = want.type if want else value.type
    found = body.unifier.shallow(value.type)
    if isinstance(found, SetRef):
        if want is None:
            body.report(report.set_as_value(Array(found.item), found, stmt.value.span, None))
        t = ERROR
    if t == UNIT:
        body.report(report.simple("T0326", "this gives no value", stmt.value.span, "nothing to name"))
        t = ERROR
    start = stmt.span.start
    keyword = None if stmt.mutable else Span(stmt.span.file, start, start + len("let"))
    pattern = check_pattern(body, stmt.pattern, t, "var" if stmt.mutable else "let", keyword)
    irrefutable(body, pattern, stmt.pattern)
    body.must_be_known(t, stmt.pattern.span, "this value", "say it after the name: `let x: array[str] = ...;`")
    return TLet(stmt.span, pattern, value)


def _assign(body: Body, stmt: tree.AssignStmt) -> TStmt:
    output = hints.assigned_output(body, stmt)
    if output is not None:
        body.report(output)
        body.emissions_unsure = True
        exprs.infer(body, stmt.value)
        return TEval(stmt.span, exprs.error(stmt.target.span))
    place = exprs.infer(body, stmt.target)
    calls.check_place(body, place, "this assigns to it")
    if isinstance(place, TIndex) and body.unifier.shallow(place.base.type) == BYTES:
        body.report(
            report.simple(
                "T0320", "the bytes of `bytes` cannot be assigned one by one", stmt.target.span, "use `array[u8]`"
            )
        )
    origin = Label(stmt.target.span, f"this is {report.noun(body.known(place.type))}")
    if stmt.op in ("<<", ">>"):
        value = exprs.check_expr(body, stmt.value, Want(I64))
    else:
        value = exprs.check_expr(body, stmt.value, Want(place.type, origin))
    if stmt.op != "=":
        exprs.arithmetic(body, stmt.op, place, value, stmt.span, stmt.target.span)
    return TAssign(stmt.span, place, stmt.op, value)


def _eval(body: Body, stmt: tree.ExprStmt) -> TStmt:
    value = exprs.infer(body, stmt.value)
    t = body.unifier.shallow(value.type)
    if isinstance(value, TTry | TCall) or t in (UNIT, ERROR):
        if isinstance(t, Result | Option) and not isinstance(value, TTry):
            fix = Fix("fail with its error", report.after(stmt.value.span), "?")
            label = f"this `{body.show(t)}` is dropped"
            body.report(report.fixed("T0327", "this result is not looked at", stmt.value.span, label, fix))
        elif isinstance(value, TCall) and t not in (UNIT, ERROR) and not _changes(body, value):
            message, label = (
                "this call changes nothing, and what it gives is not used",
                f"this `{body.show(t)}` is dropped",
            )
            body.report(report.simple("T0327", message, stmt.value.span, label))
        return TEval(stmt.span, value)
    label = f"this {report.noun(body.known(t)).removeprefix('an ')} is dropped"
    body.report(report.simple("T0327", "this value is not used", stmt.value.span, label))
    return TEval(stmt.span, value)


def _changes(body: Body, call: TCall) -> bool:
    return any(p.inout for p in body.world.fns[call.fn].params)


def _if(body: Body, stmt: tree.IfStmt) -> TStmt:
    cond = exprs.check_expr(body, stmt.cond, Want(BOOL, exprs.condition(stmt.span, "if")))
    then = check_block(body, stmt.then)
    match stmt.orelse:
        case None:
            orelse: TBody = ()
        case tree.IfStmt():
            orelse = (_if(body, stmt.orelse),)
        case block:
            orelse = check_block(body, block)
    return TIfStmt(stmt.span, cond, then, orelse)


def _match(body: Body, stmt: tree.MatchStmt) -> TStmt:
    subject = exprs.infer(body, stmt.subject)

    def value(arm: tree.ExprArm | tree.StmtArm) -> TBody:
        assert isinstance(arm, tree.StmtArm)
        return check_statements(body, arm.body.statements)

    arms = check_arms(body, stmt.span, subject, stmt.arms, value)
    return TMatchStmt(stmt.span, subject, tuple(TArm(a.pattern, a.guard, a.body) for a in arms))


def _loop_body(body: Body, block: tree.Block) -> TBody:
    body.loops += 1
    try:
        return check_statements(body, block.statements)
    finally:
        body.loops -= 1


def _while(body: Body, stmt: tree.WhileStmt) -> TStmt:
    cond = exprs.check_expr(body, stmt.cond, Want(BOOL, exprs.condition(stmt.span, "while")))
    with body.nested():
        return TWhile(stmt.span, cond, _loop_body(body, stmt.body))


def _for(body: Body, stmt: tree.ForStmt) -> TStmt:
    if isinstance(stmt.iterable, tree.RangeExpr):
        return _for_range(body, stmt, stmt.iterable)
    items = _items_of(body, stmt.iterable)
    if items is not None:
        return _for_set(body, stmt, items, with_names=True)
    iterable = exprs.infer(body, stmt.iterable)
    t = body.unifier.shallow(iterable.type)
    if isinstance(t, SetRef):
        return _for_set(body, stmt, iterable, with_names=False)
    if is_map(t):
        return _for_map(body, stmt, iterable, t)
    return _for_array(body, stmt, iterable, t)


def _items_of(body: Body, iterable: tree.Expr) -> TExpr | None:
    """The set of `xs.items()`, if the iterable is that."""
    match iterable:
        case tree.CallExpr(callee=tree.FieldExpr(base=tree.NameExpr(name=root) as base, name=name), args=()) if (
            name.text == "items"
        ):
            local = body.find(root.text)
            if local is not None and isinstance(body.unifier.shallow(local.type), SetRef):
                return exprs.infer(body, base)
    return None


def _for_range(body: Body, stmt: tree.ForStmt, expr: tree.RangeExpr) -> TStmt:
    lo = exprs.check_expr(body, expr.lo, Want(I64))
    hi = exprs.check_expr(body, expr.hi, Want(I64))
    target = stmt.targets[0]
    if len(stmt.targets) != 1 or not isinstance(target, tree.NamePattern | tree.WildcardPattern):
        body.report(report.simple("T0323", "a range gives one integer at a time", target.span, "one name is needed"))
    name = target.name.text if isinstance(target, tree.NamePattern) else "_"
    with body.nested():
        local = body.declare(name, I64, "let", target.span)
        return TForRange(stmt.span, local, lo, hi, _loop_body(body, stmt.body))


def _for_array(body: Body, stmt: tree.ForStmt, iterable: TExpr, t: Type) -> TStmt:
    if not isinstance(t, Array) and t not in (BYTES, ERROR):
        notes = ("text has no elements; loop over `s.to_bytes()` or `s.lines()`",) if t == STR else ()
        body.report(
            report.simple(
                "T0328",
                f"`{body.show(t)}` cannot be looped over",
                iterable.span,
                f"this is `{body.show(t)}`",
                notes=notes,
            )
        )
        t = ERROR
    item = t.item if isinstance(t, Array) else U8 if t == BYTES else ERROR
    if len(stmt.targets) > 2:
        body.report(
            report.simple(
                "T0323", "an array gives values, or indices and values", stmt.targets[2].span, "one or two names"
            )
        )
    target = stmt.targets[0]
    if len(stmt.targets) == 1 and isinstance(target, tree.TuplePattern) and _is_no_pair(body, item, target):
        fixes = hints.index_and_value(target, certain=isinstance(item, Basic))
        message, label = "the index and the value of an array are two names", f"the values are `{body.show(item)}`"
        body.report(report.simple("T0323", message, target.span, label, fixes=fixes))
        item = ERROR
    with body.nested():
        index = None
        if len(stmt.targets) >= 2:
            first = check_pattern(body, stmt.targets[0], I64)
            index = first.local if isinstance(first, PBind) else None
        pattern = check_pattern(body, stmt.targets[min(len(stmt.targets), 2) - 1], item)
        irrefutable(body, pattern, stmt.targets[-1])
        return TForArray(stmt.span, index, pattern, iterable, _loop_body(body, stmt.body))


def _is_no_pair(body: Body, item: Type, target: tree.TuplePattern) -> bool:
    """Whether the elements of an array are known, and are not to be taken apart by a pattern of two."""
    known = body.unifier.shallow(item)
    return len(target.items) == 2 and not isinstance(known, Tuple | InferVar) and known != ERROR


def _for_map(body: Body, stmt: tree.ForStmt, iterable: TExpr, t: Type) -> TStmt:
    """Keys and values in order of insertion, of the map as it was before the loop."""
    assert isinstance(t, Named)
    pair = Tuple(t.args)
    if len(stmt.targets) != 2:
        whole = stmt.targets[0].span.to(stmt.targets[-1].span)
        message, label = f"looping over `{body.show(t)}` gives `key, value`", report.count(len(stmt.targets), "name")
        notes = ("`m.keys()` and `m.values()` give one of the two",)
        body.report(report.simple("T0323", message, whole, f"{label} here", notes=notes))
        return TForArray(stmt.span, None, PWild(ERROR), iterable, ())
    entries = TCall(Array(pair), iterable.span, f"{MAP}.entries", t.args, (iterable,))
    with body.nested():
        key, value = (check_pattern(body, p, part) for p, part in zip(stmt.targets, t.args, strict=True))
        irrefutable(body, key, stmt.targets[0])
        irrefutable(body, value, stmt.targets[1])
        return TForArray(stmt.span, None, PTuple(pair, (key, value)), entries, _loop_body(body, stmt.body))


def _for_set(body: Body, stmt: tree.ForStmt, iterable: TExpr, *, with_names: bool) -> TStmt:
    t = body.unifier.shallow(iterable.type)
    assert isinstance(t, SetRef)
    shapes: dict[int, tuple[str, ...]] = {1: ("value",), 2: ("key", "value")}
    if with_names:
        shapes = {2: ("name", "value"), 3: ("key", "name", "value")}
    roles = shapes.get(len(stmt.targets), ())
    if not roles or ("key" in roles and t.key is None):
        wanted = " or ".join(f"`{', '.join(s)}`" for s in shapes.values() if t.key is not None or "key" not in s)
        message = f"looping over `{report.display(t)}` gives {wanted}"
        whole = stmt.targets[0].span.to(stmt.targets[-1].span)
        body.report(report.simple("T0323", message, whole, f"{report.count(len(stmt.targets), 'name')} here"))
        return TForSet(stmt.span, None, None, PWild(ERROR), iterable, ())
    types: dict[str, Type] = {"key": t.key or ERROR, "name": STR, "value": t.item}
    with body.nested():
        patterns = {r: check_pattern(body, p, types[r]) for r, p in zip(roles, stmt.targets, strict=True)}
        for role, written in zip(roles, stmt.targets, strict=True):
            irrefutable(body, patterns[role], written)
        inner = _loop_body(body, stmt.body)
        return TForSet(stmt.span, patterns.get("key"), patterns.get("name"), patterns["value"], iterable, inner)


def _returned_output(outputs: Sequence[TPort], stmt: tree.ReturnStmt, value: Span) -> Diagnostic:
    """A `return` with a value in a `function`; with one output it is clear which was meant."""
    notes = ("`emit name <- value;` gives a value to the output `name`; a helper that returns is written `fn`",)
    fixes: tuple[Fix, ...] = ()
    if len(outputs) == 1:
        text = f"emit {outputs[0].name} <- "
        fixes = (Fix("write `emit`", Span(value.file, stmt.span.start, value.start), text),)
    message = "a function gives its results with `emit`"
    return report.simple("T0329", message, value, "not returned", notes=() if fixes else notes, fixes=fixes)


def _return(body: Body, stmt: tree.ReturnStmt) -> TStmt:
    if body.kernel_outputs is not None:
        if stmt.value is not None:
            body.emissions_unsure = True
            exprs.infer(body, stmt.value)
            body.report(_returned_output(body.kernel_outputs, stmt, stmt.value.span))
        return TReturn(stmt.span, None)
    if stmt.value is None:
        if body.unifier.shallow(body.result) != UNIT:
            body.report(
                report.simple(
                    "T0301",
                    f"expected {report.noun(body.known(body.result))}, found nothing",
                    stmt.span,
                    "a value is needed",
                    *([body.result_origin] if body.result_origin else []),
                )
            )
        return TReturn(stmt.span, None)
    value = exprs.check_expr(body, stmt.value, Want(body.result, body.result_origin))
    return TReturn(stmt.span, value)


def _jump(body: Body, stmt: tree.BreakStmt | tree.ContinueStmt) -> TStmt:
    word = "break" if isinstance(stmt, tree.BreakStmt) else "continue"
    if body.loops == 0:
        body.report(report.simple("T0330", f"`{word}` is outside a loop", stmt.span, "no loop to act on"))
    return TBreak(stmt.span) if word == "break" else TContinue(stmt.span)


def _emit(body: Body, stmt: tree.EmitStmt) -> TStmt:
    value_hint = None
    outputs = body.kernel_outputs
    names = [o.name for o in outputs or ()]
    output = names.index(stmt.output.text) if stmt.output.text in names else -1
    key = name = None
    if outputs is None:
        body.report(
            report.simple(
                "T0329",
                "only a `function` can emit",
                stmt.span,
                "this is a helper",
                notes=("return the value and emit it in the function",),
            )
        )
    elif output < 0:
        body.emissions_unsure = True
        body.report(report.unknown_name(stmt.output.text, stmt.output.span, names, "output"))
    else:
        port = outputs[output]
        value_hint = Want(port.item, Label(port.span, f"`{port.name}` is declared here"))
        key = _emit_key(body, stmt, port.key, port.kind, Label(port.span, f"`{port.name}` is declared here"))
    if stmt.name is not None:
        name = exprs.check_expr(body, stmt.name, Want(STR))
    value = exprs.infer(body, stmt.value, value_hint)
    given = body.known(value.type)
    target = outputs[output] if outputs and output >= 0 else None
    if target is not None and target.kind == "set" and _are_items(given, target):
        body.report(_array_as_set(body, value, target))
    elif target is not None and hints.left_out(target, given):
        mismatch = report.mismatch(target.item, given, value.span, value_hint.origin if value_hint else None)
        body.report(hints.optional_output(target, mismatch))
    else:
        value = body.expect(value, value_hint)
    return TEmit(stmt.span, max(output, 0), key, name, value)


def _are_items(given: Type, port: TPort) -> bool:
    """Whether an array is given of what should be items of the set."""
    return isinstance(given, Array) and not isinstance(port.item, Array) and candidates.fits(port.item, given.item)


def _array_as_set(body: Body, value: TExpr, port: TPort) -> Diagnostic:
    """An array is emitted as if it were the set."""
    origin = Label(port.span, f"`{port.name}` is declared here")
    diagnostic = report.mismatch(port.item, body.known(value.type), value.span, origin)
    return evolve(diagnostic, notes=(f"a set is given item by item: `for x in values {{ emit {port.name} <- x; }}`",))


def _emit_key(body: Body, stmt: tree.EmitStmt, key: Type | None, kind: str, origin: Label) -> TExpr | None:
    if stmt.key is None:
        return None
    if key is None:
        body.report(
            report.simple(
                "T0331",
                f"`{stmt.output.text}` has no keys",
                stmt.key.span,
                "a key is given",
                origin,
                notes=("a set with keys is declared `set[K => T]`",),
            )
        )
        exprs.infer(body, stmt.key)
        return None
    return exprs.check_expr(body, stmt.key, Want(key, origin))


def _message(body: Body, stmt: tree.FailStmt | tree.NoteStmt) -> TStmt:
    message = exprs.check_expr(body, stmt.message, Want(STR))
    if isinstance(stmt, tree.NoteStmt):
        return TNote(stmt.span, message)
    if body.kernel_outputs is None:
        body.report(
            report.simple(
                "T0329",
                "only a `function` can `fail`",
                stmt.span,
                "this is a helper",
                notes=("return `err(...)` and use `?` in the function",),
            )
        )
    return TFail(stmt.span, message)


def _of_test(body: Body, stmt: tree.Stmt) -> TStmt:
    # Outside a test there are such statements only after a syntax mistake, which has been reported.
    return body.test.statement(stmt) if body.test is not None else TReturn(stmt.span, None)


_RULES: dict[type, Callable[..., TStmt]] = {
    tree.LetStmt: _let,
    tree.AssignStmt: _assign,
    tree.ExprStmt: _eval,
    tree.IfStmt: _if,
    tree.MatchStmt: _match,
    tree.WhileStmt: _while,
    tree.ForStmt: _for,
    tree.ReturnStmt: _return,
    tree.BreakStmt: _jump,
    tree.ContinueStmt: _jump,
    tree.EmitStmt: _emit,
    tree.FailStmt: _message,
    tree.NoteStmt: _message,
    tree.ExpectStmt: _of_test,
    tree.GivenStmt: _of_test,
    tree.SetConfigStmt: _of_test,
}
__all__ = ["check_block", "check_statements", "satisfies"]
