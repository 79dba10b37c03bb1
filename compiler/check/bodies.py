"""Checks whole bodies: helpers, constants and kernels."""

from attrs import evolve

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.captures import walk
from dandc.compiler.check.paths import always_leaves, emission_counts
from dandc.compiler.check.stmts import check_statements
from dandc.compiler.check.symbols import FnDecl, KernelDecl, World
from dandc.compiler.typed import TEmit, TFn, TKernel, TParam, TPort, TReturn, TStmt
from dandc.compiler.types import UNIT, Option, SetRef, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Label


def check_fn(world: World, decl: FnDecl) -> TFn:
    """The checked helper or constant."""
    if isinstance(decl.item, tree.ConstItem):
        return _check_const(world, decl, decl.item)
    item = decl.item
    params = {p.name: p for p in decl.type_params}
    origin = Label(item.name.span, f"`{item.name.text}` declares no result")
    if item.result is not None:
        origin = Label(item.result.span, "the declared result")
    body = Body(world, decl.scope, params, decl.result, origin, None)
    typed_params = []
    for info in decl.params:
        local = body.declare(info.name, info.type, "inout" if info.inout else "param", info.span)
        typed_params.append(TParam(local, info.inout, info.omittable, None))
    if item.body is None:
        return TFn(decl.name, decl.type_params, tuple(typed_params), decl.result, None, {}, decl.span)
    statements = check_statements(body, item.body.statements)
    if decl.result != UNIT and not always_leaves(statements):
        world.sink.add(
            report.simple(
                "T0332",
                f"`{item.name.text}` does not return a value on every path",
                item.name.span,
                f"some path ends without a `{report.display(decl.result)}`",
                origin,
            )
        )
    solutions = body.finish()
    return TFn(decl.name, decl.type_params, tuple(typed_params), decl.result, statements, solutions, decl.span)


def _check_const(world: World, decl: FnDecl, item: tree.ConstItem) -> TFn:
    body = Body(world, decl.scope, {}, decl.result, None, None)
    value = exprs.check_expr(body, item.value, Want(decl.result, Label(item.type.span, "the declared type")))
    statements: tuple[TStmt, ...] = (TReturn(item.value.span, value),)
    return TFn(decl.name, (), (), decl.result, statements, body.finish(), decl.span)


def local_type(port: TPort) -> Type:
    """What a kernel's parameter is inside its body."""
    if port.kind == "set":
        return SetRef(port.key, port.item)
    return Option(port.item) if port.kind == "optional" else port.item


def check_kernel(world: World, decl: KernelDecl) -> TKernel:
    """The checked `function`."""
    item = decl.item
    assert isinstance(item, tree.FunctionItem)
    body = Body(world, decl.scope, {}, UNIT, None, decl.outputs)
    locals_ = tuple(body.declare(p.name, local_type(p), "param", p.span) for p in decl.params)
    statements: tuple[TStmt, ...]
    if item.expression is not None:
        statements = _single_output(body, decl, item.expression)
    else:
        assert item.body is not None
        with body.nested():
            statements = check_statements(body, item.body.statements)
        if not (body.emissions_unsure or any(isinstance(s, tree.ErrorStmt) for s in item.body.statements)):
            _check_emissions(world, decl, statements)
    params = tuple(evolve(p, kind="one") if p.kind == "key" else p for p in decl.params)
    return TKernel(decl.name, params, decl.outputs, locals_, statements, body.finish(), item.name.span)


def _single_output(body: Body, decl: KernelDecl, expression: tree.Expr) -> tuple[TStmt, ...]:
    if len(decl.outputs) != 1 or decl.outputs[0].kind != "one":
        body.report(
            report.simple(
                "T0333",
                "a function written as one expression has one output `name: T`",
                expression.span,
                "this is one value",
                *(Label(o.span, "declared here") for o in decl.outputs[:2]),
            )
        )
        exprs.infer(body, expression)
        return ()
    output = decl.outputs[0]
    value = exprs.check_expr(
        body, expression, Want(output.item, Label(output.span, f"`{output.name}` is declared here"))
    )
    return (TEmit(expression.span, 0, None, None, value),)


def _check_emissions(world: World, decl: KernelDecl, statements: tuple[TStmt, ...]) -> None:
    """Report outputs that some path emits too seldom or too often."""
    for i, output in enumerate(decl.outputs):
        if output.kind == "set":
            continue
        counts = emission_counts(statements, i)
        item = report.display(output.item)
        if output.kind == "one" and 0 in counts:
            labels = _places(statements, i)
            label = "never emitted" if counts == {0} else "some path emits nothing"
            notes = (f"`{output.name}: {item}` is emitted exactly once; `optional {item}` may be absent",)
            message = f"`{output.name}` is not emitted on every path"
            world.sink.add(report.simple("T0334", message, output.span, label, *labels, notes=notes))
        elif 2 in counts:
            labels = _places(statements, i)
            notes = (f"`set[{item}]` holds many items",)
            message = f"`{output.name}` may be emitted more than once"
            world.sink.add(report.simple("T0335", message, output.span, "at most one item", *labels, notes=notes))


def _places(statements: tuple[TStmt, ...], output: int) -> list[Label]:
    """Where output number `output` is emitted, the first three places."""
    spans = (n.span for n in walk(statements) if isinstance(n, TEmit) and n.output == output)
    places = sorted(spans, key=lambda span: span.start)
    return [Label(span, "emitted here") for span in places[:3]]
