"""What the checker knows that a person may have meant: another place of a name, another form of a value.

Each function looks at one habit and answers with notes, a fix or a whole diagnostic; nothing if it is not sure.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from dandc.compiler.check import report
from dandc.compiler.check.types import ROWS, lookup, record_fields, variants_of
from dandc.compiler.types import (
    BOOL,
    STR,
    Array,
    Fn,
    InferVar,
    Named,
    Option,
    Result,
    Type,
    TypeVar,
    is_int,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span

if TYPE_CHECKING:
    from dandc.compiler.check.body import Body
    from dandc.compiler.check.calls import Callee
    from dandc.compiler.check.flow_state import Flow
    from dandc.compiler.check.symbols import Symbol, World
    from dandc.compiler.typed import TPort

MOST_LISTED = 6


# Names.


def variants_called(body: "Body", name: str, wanted: Type | None) -> list[str]:
    """The variants `E.name` of this module's enums; of the wanted enum alone if that is known and has it."""
    found = [(alias, symbol.name) for alias, symbol in body.scope.names.items() if symbol.kind == "type"]
    having = [(a, n) for a, n in found if any(v.name == name for v in body.world.types[n].variants or ())]
    fitting = [(a, n) for a, n in having if isinstance(wanted, Named) and n == wanted.name]
    return [f"{alias}.{name}" for alias, _ in fitting or having]


def of_enum(body: "Body", diagnostic: Diagnostic, name: tree.Name, wanted: Type | None) -> Diagnostic:
    """An unknown name that is a variant: it is written with its enum."""
    found = variants_called(body, name.text, wanted)
    if not found:
        return diagnostic
    if len(found) > 1:
        notes = (f"a variant is written with its enum: {report.listed(found)}",)
        return evolve(diagnostic, notes=notes, fixes=())
    fix = Fix("a variant is written with its enum", name.span, found[0], certain=isinstance(wanted, Named))
    return evolve(diagnostic, notes=(), fixes=(fix,))


def type_as_value(name: tree.Name, wanted: Type | None) -> Diagnostic:
    """`xs.map(str)`: the name of a type where a value stands."""
    text = 'f"{x}"' if name.text == "str" else f"{name.text}(x)"
    converts = name.text not in ("bool", "bytes", "secret", "unit")
    wanted_fn = isinstance(wanted, Fn) and len(wanted.params) == 1 and converts
    fixes = (Fix("convert in a lambda", name.span, f"|x| {text}"),) if wanted_fn else ()
    return evolve(report.wrong_kind(name.text, name.span, "type", "value"), fixes=fixes)


def not_callable(body: "Body", symbol: "Symbol", name: tree.Name, kind: str) -> Diagnostic:
    """A function, composition or communication function that is called in a kernel or a test."""
    message = f"`{name.text}` is {report.article(kind)}; only a composition can call it"
    notes: tuple[str, ...] = ("a helper that kernels call is written `fn`",)
    if symbol.kind == "communication":
        notes = (
            "a kernel has no network and no files: a composition calls this, and gives what comes back to a `function`",
        )
    elif symbol.kind == "composition":
        notes = ("a composition calls both, and gives what one makes to the other",)
    if body.test is not None and symbol.kind != "communication":
        message = f"`{name.text}` is {report.article(kind)}; a test runs it with `run`"
        notes = (f"`let out = run {name.text}(...);`, and its outputs are `out.NAME`",)
    label = "not callable in a kernel" if body.test is None else "`run` is missing here"
    return report.simple("N0204", message, name.span, label, notes=notes)


# Values.


def inside_has_field(body: "Body", t: Type, name: str) -> bool:
    """Whether what is in an option or a result is a record with that field."""
    inner = body.known(t.item if isinstance(t, Option) else t.ok) if isinstance(t, Option | Result) else None
    return isinstance(inner, Named) and name in [n for n, _ in record_fields(body.world, inner) or ()]


def joined_text(expr: tree.CallExpr) -> tuple[Fix, ...]:
    """`", ".join(xs)`: the array is asked, and gets the text."""
    match expr:
        case tree.CallExpr(
            callee=tree.FieldExpr(base=tree.StrLit(value=text), name=name),
            args=(tree.Arg(value=tree.NameExpr(name=array)),),
        ) if name.text == "join" and text.isprintable() and not set(text) & set('"\\{}'):
            return (Fix("ask the array", expr.span, f'{array.text}.join("{text}")'),)
    return ()


def variants_of_wanted(world: "World", wanted: Type, got: Type) -> tuple[str, ...]:
    """Which values an enum without payloads has, where text, a number or a bool is given."""
    if not (isinstance(wanted, Named) and (got in (STR, BOOL) or is_int(got) or isinstance(got, InferVar))):
        return ()
    variants = variants_of(world, wanted) or ()
    if not variants or any(payload for _, payload in variants):
        return ()
    values = [f"{report.display(wanted)}.{name}" for name, _ in variants]
    return (f"its values are {report.listed(values, MOST_LISTED)}",)


def mixed_operands(body: "Body", left: tree.Expr, lt: Type, rt: Type, span: Span, origin: Label) -> Diagnostic | None:
    """`n / 2.0` with an integer `n`: the integer becomes a float, not the other way round."""
    if not (is_int(lt) and isinstance(rt, InferVar) and rt.kind == "float"):
        return None
    fixes: tuple[Fix, ...] = ()
    if isinstance(left, tree.NameExpr):
        fixes = (Fix("make a float of the integer", left.span, f"f64({left.name.text})"),)
    notes = () if fixes else ("`f64(...)` makes a float of an integer",)
    return evolve(report.mismatch(lt, rt, span, origin), notes=notes, fixes=fixes)


def swapped(body: "Body", callee: "Callee", slots: Mapping[int, tree.Arg]) -> Diagnostic | None:
    """`xs.fold(|a, x| a + x, 0)`: the function is given before the value that stands before it."""
    types = [body.unifier.shallow(t) for t in callee.types]
    functions = [i for i, t in enumerate(types) if isinstance(t, Fn) and i in slots]
    early = [i for i in slots if isinstance(slots[i].value, tree.LambdaExpr) and not isinstance(types[i], Fn)]
    literals = tree.IntLit | tree.FloatLit | tree.StrLit | tree.BoolLit | tree.ArrayExpr | tree.TupleExpr
    if len(early) != 1 or len(functions) != 1 or not isinstance(slots[functions[0]].value, literals):
        return None
    value, function = callee.params[early[0]], callee.params[functions[0]]
    message = f"`{callee.name}` takes `{value.name}` before the function `{function.name}`"
    arg, origin = slots[early[0]], Label(value.span, f"`{value.name}` is declared here")
    note = f"write `{callee.name}({value.name}, {function.name})`"
    return report.simple("T0310", message, arg.span, f"this stands for `{value.name}`", origin, notes=(note,))


def two_for_one(names: int, wanted: int, origin: Label | None) -> tuple[str, ...]:
    """A lambda with two parameters that gets one: a comparison where a key is wanted, or a pair."""
    if (names, wanted) != (2, 1):
        return ()
    if origin is not None and origin.text.startswith("`key`"):
        return ("it gives what is compared, and compares nothing itself: `|x| x.name`",)
    return ("a pair is taken apart by `|(a, b)| ...`; `.entries()` of a set or map gives keys with values",)


def rows_meant(body: "Body", name: str, param: TypeVar, t: Type, span: Span) -> Type:
    """`csv.decode[Row](b)`: the type of one row where that of all rows stands; reported, and meant as the array."""
    if ROWS not in param.bounds or not isinstance(t, Named) or not record_fields(body.world, t):
        return t
    shown = report.display(t)
    fix = Fix("name the type of all rows", span, f"array[{shown}]", certain=True)
    message = f"`{name}` needs an array of records with fields, which `{shown}` is not"
    body.report(report.fixed("T0307", message, span, "this is one row", fix))
    return Array(t)


def assigned_output(body: "Body", stmt: tree.AssignStmt) -> Diagnostic | None:
    """`y = x;` for an output `y`."""
    if not isinstance(stmt.target, tree.NameExpr) or body.find(stmt.target.name.text) is not None:
        return None
    name = stmt.target.name
    port = next((p for p in body.kernel_outputs or () if p.name == name.text), None)
    if port is None:
        return None
    fixes: tuple[Fix, ...] = ()
    if stmt.op == "=":
        place = Span(name.span.file, name.span.start, stmt.value.span.start)
        fixes = (Fix("write `emit`", place, f"emit {name.text} <- "),)
    message = f"the output `{name.text}` is given with `emit`, not assigned"
    origin = Label(port.span, f"`{name.text}` is declared here")
    return report.simple("N0204", message, name.span, "an output", origin, fixes=fixes)


def left_out(port: "TPort", got: Type) -> bool:
    """Whether an option is given to an output that may be left out, whose value is none."""
    return port.kind == "optional" and isinstance(got, Option) and not isinstance(port.item, Option)


def optional_output(port: "TPort", diagnostic: Diagnostic) -> Diagnostic:
    """`emit y <- none` and `emit y <- some(x)`."""
    note = f"an `optional` output gets its value, or nothing at all: without an `emit {port.name}` it is absent"
    return evolve(diagnostic, notes=(note,))


def nothing_carried(name: tree.Name, whole: Span) -> Diagnostic:
    """`E.b()` for a variant without payload."""
    fix = Fix("leave the parentheses out", Span(name.span.file, name.span.end, whole.end), "", certain=True)
    return report.fixed("T0302", f"`{name.text}` carries nothing and is not called", name.span, "a value already", fix)


def index_and_value(target: tree.TuplePattern, *, certain: bool) -> tuple[Fix, ...]:
    """`for (i, x) in xs` over an array: without the parentheses; not `certain` if `x` could be taken apart otherwise."""
    names = [p.name.text if isinstance(p, tree.NamePattern) else "_" for p in target.items]
    plain = all(isinstance(p, tree.NamePattern | tree.WildcardPattern) for p in target.items)
    return (Fix("leave the parentheses out", target.span, ", ".join(names), certain),) if plain else ()


# Compositions.


def array_as_set(item: Type, t: Type) -> tuple[str, ...]:
    """An array where a set is needed: how its values become items."""
    if not isinstance(t, Array) or t.item != item:
        return ()
    shown = report.display(item)
    return (
        f"an array is one value; a set of an input is declared `set[{shown}]`, and a `function` makes one: "
        f"`function items(xs: {report.display(t)}) => (x: set[{shown}]) {{ for v in xs {{ emit x <- v; }} }}`",
    )


def part_of_call(flow: "Flow", expr: tree.Expr) -> Diagnostic | None:
    """`f(x).y` in a composition: a field of what a call gives, or one of its outputs."""
    if not isinstance(expr, tree.FieldExpr) or not isinstance(expr.base, tree.CallExpr):
        return None
    name, callee = expr.name.text, expr.base.callee
    symbol = lookup(flow.world, flow.shared.decl.scope, callee.name.text) if isinstance(callee, tree.NameExpr) else None
    if symbol is None or symbol.kind not in ("kernel", "composition"):
        return None
    target = flow.world.compositions[symbol.name] if symbol.kind == "composition" else flow.world.kernels[symbol.name]
    outputs = [p.name for p in target.outputs]
    note = f"a `function` takes the field: `function {name}_of(value: T) => ({name}: U) = value.{name};`"
    if name in outputs and len(outputs) > 1:
        note = f"the outputs of a call get names: `{', '.join(outputs)} = {symbol.name.rsplit('.', 1)[-1]}(...);`"
    elif name in outputs:
        note = "a call with one output is that output: leave the `.` and the name out"
    label = "a field is taken in functions" if name not in outputs else "an output is no field"
    return report.simple("C0410", "a composition computes nothing", expr.name.span, label, notes=(note,))
