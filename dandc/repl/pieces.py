"""An entry checked against the session: what is to be run, in order, to know its value.

Compositions and functions are called like helpers; an expression around them is cut there, so that what they are given
and what is done with their results are pure pieces. Each piece is a kernel whose parameters are the bound values that
the entry names and the results so far; since pieces are pure, what stands before is simply computed again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import Factory, define, evolve, field, fields, has

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.calls import path_symbol
from dandc.compiler.check.captures import Captures, captures
from dandc.compiler.check.constants import settle
from dandc.compiler.check.instances import check_instances
from dandc.compiler.check.stmts import check_statements
from dandc.compiler.check.symbols import CompositionDecl, KernelDecl, Symbol
from dandc.compiler.check.types import contents, satisfies
from dandc.compiler.typed import (
    Local,
    PBind,
    TCall,
    TEmit,
    TEval,
    TExpr,
    TKernel,
    TLet,
    TLit,
    TLocal,
    TMake,
    TPort,
    TStmt,
)
from dandc.compiler.types import SECRET, STR, UNIT, Anon, Array, Fn, Option, SetRef, Tuple, Type
from dandc.lang import Diagnostic, Label, Span, tree
from dandc.lang.recursion import room_for_recursion
from dandc.lang.values import frozen
from dandc.repl.entry import Entry
from dandc.repl.state import State

ENTRY = "entry"  # no name of a declaration: those have the name of their module before them
_CALLED = ("composition", "kernel", "communication")


@frozen
class Piece:
    """A pure piece: `inputs` are the names of bound values, then of results so far (`#0`), by parameter."""

    kernel: TKernel
    captures: Captures
    inputs: tuple[str, ...]


@frozen
class Given:
    """An input of a call: the output `output` of the call's piece. A set is given as an array, pairs if `keyed`."""

    port: TPort
    output: str
    secret: bool


@frozen
class Call:
    """Run what `symbol` means on the outputs of `piece`; its own outputs become results `#first`, `#first + 1`, ..."""

    symbol: Symbol
    piece: Piece
    inputs: tuple[Given, ...]
    outputs: tuple[TPort, ...]
    first: int
    span: Span


@frozen
class Kept:
    """A value that the entry binds, or changes: an output of the last piece."""

    local: Local
    output: str


@frozen
class Plan:
    """All of an entry. `value` is the output that holds its value, None without one. `body` None: nothing is left to do.

    `shown` are the outputs of the last call when the entry is that call and nothing else: they are shown by name.
    """

    calls: tuple[Call, ...]
    body: Piece
    value: str | None
    type: Type
    kept: tuple[Kept, ...]
    shown: tuple[TPort, ...] = ()


def plan(state: State, entry: Entry) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """What to run for `entry`, None if it has mistakes."""
    with room_for_recursion(), _fresh(state) as found:
        made = _Check(state, entry).plan()
        diagnostics = tuple(found())
    failed = made is None or any(d.severity == "error" for d in diagnostics)
    return (None if failed else made), diagnostics


def type_of(state: State, entry: Entry) -> tuple[Type | None, tuple[Diagnostic, ...]]:
    """The type of the entry's value, whether it can be shown or not; None after a mistake, or without a value."""
    with room_for_recursion(), _fresh(state) as found:
        check = _Check(state, entry)
        t = check.value_type()
        diagnostics = tuple(found())
    failed = any(d.severity == "error" for d in diagnostics)
    return (None if failed else t), diagnostics


def helper(state: State, name: str) -> Piece | None:
    """A piece that does nothing but call the helper `name` on its parameters; None for one that has no code of its own."""
    fn = state.world.typed_fn(name)
    if fn.type_params or any(isinstance(p.local.type, Fn) for p in fn.params):
        return None
    given = [Local(p.local.name, p.local.type, "param", fn.span) for p in fn.params]
    own = [evolve(local, kind="var") if p.inout else local for p, local in zip(fn.params, given, strict=True)]
    statements: list[TStmt] = [
        TLet(fn.span, PBind(to.type, to), TLocal(to.type, fn.span, local))
        for to, local in zip(own, given, strict=True)
        if to is not local
    ]
    value = TCall(fn.result, fn.span, name, (), tuple(TLocal(local.type, fn.span, local) for local in own))
    outputs = () if fn.result == UNIT else (TPort("value", "one", None, fn.result, fn.span),)
    statements.append(TEmit(fn.span, 0, None, None, value) if outputs else TEval(fn.span, value))
    ports = tuple(TPort(local.name, "one", None, local.type, fn.span) for local in given)
    kernel = TKernel(ENTRY, ports, outputs, tuple(given), tuple(statements), {}, fn.span)
    return Piece(kernel, captures(state.world, kernel), ())


def names_what(state: State, expr: tree.Expr | None) -> Symbol | None:
    """What a name or path means that is no value: a helper, function, composition, module or type; else None."""
    body = _body(state)
    _declare(body, state)
    if isinstance(expr, tree.NameExpr) and not any(expr.name.text in scope for scope in body.scopes):
        symbol = body.symbol(expr.name.text)
        return symbol if symbol is not None and symbol.kind in (*_CALLED, "fn", "module", "type") else None
    if isinstance(expr, tree.FieldExpr):
        module = path_symbol(body, expr.base)
        if module is not None and module.kind == "module":
            inside = state.world.scopes[module.name].names.get(expr.name.text)
            wanted = (*_CALLED, "fn", "type")
            return inside if inside is not None and inside.public and inside.kind in wanted else None
    return None


@contextmanager
def _fresh(state: State) -> Iterator[Callable[[], Sequence[Diagnostic]]]:
    """Gives the diagnostics of what is checked inside: the session's world keeps none of them."""
    sink = state.world.sink
    before = len(sink.diagnostics)
    try:
        yield lambda: sink.diagnostics[before:]
    finally:
        del sink.diagnostics[before:]


def _body(state: State) -> Body:
    world = state.world
    return Body(world, world.scopes[state.checked.root], {}, UNIT, None, ())


def _declare(body: Body, state: State) -> dict[str, Local]:
    """The bound values as locals in an outer scope, so that an entry may bind their names anew."""
    locals_ = {name: binding.local for name, binding in state.bindings.items()}
    body.scopes = [dict(locals_), {}]
    return locals_


@define(eq=False)
class _Draft:
    """A piece before types are settled."""

    statements: list[TStmt]
    outputs: list[tuple[str, TExpr]] = Factory(list)

    def emit(self, value: TExpr) -> str:
        """Give `value` as an output; its name."""
        name = f"v{len(self.outputs)}"
        self.statements.append(TEmit(value.span, len(self.outputs), None, None, value))
        self.outputs.append((name, value))
        return name


@define(eq=False)
class _Check:
    """One entry being checked. `results` are the locals that hold what calls gave."""

    state: State
    entry: Entry
    body: Body = field(init=False)
    bound: dict[str, Local] = field(init=False)
    params: list[tuple[str, Local]] = Factory(list)
    done: list[TStmt] = Factory(list)
    calls: list[tuple[_Draft, Symbol, tuple[Given, ...], tuple[TPort, ...], int, Span, int]] = Factory(list)
    values: dict[int, TExpr] = Factory(dict)
    results: int = 0

    def __attrs_post_init__(self) -> None:
        self.body = _body(self.state)
        self.bound = _declare(self.body, self.state)
        self.body.test = self
        self.entry = _with_runs(self.entry, self)
        mentioned = set(_names_in((self.entry.statements, self.entry.value)))
        for name, local in self.bound.items():
            if name in mentioned:
                self._take(name, local)

    def _take(self, name: str, local: Local) -> None:
        """Make a parameter of a bound value; one that may change is copied into its variable."""
        if not local.mutable:
            self.params.append((name, local))
            return
        param = Local(name, local.type, "param", local.span)
        self.params.append((name, param))
        self.done.append(TLet(local.span, PBind(local.type, local), TLocal(local.type, local.span, param)))

    # What the whole is made of.

    def value_type(self) -> Type | None:
        """The type of the value."""
        value = self._statements_and_value()
        solutions = self.body.finish()
        return None if value is None else settle(value.type, solutions)

    def plan(self) -> Plan | None:
        """The plan, None after a report."""
        value = self._statements_and_value()
        last = _Draft(list(self.done))
        shown = value is not None and self.body.known(value.type) != UNIT
        name = last.emit(value) if value is not None and shown else None
        if value is not None and not shown:
            last.statements.append(TEval(value.span, value))
        emitted = [(local, last.emit(TLocal(local.type, local.span, local))) for local in self._kept()]
        solutions = self.body.finish()
        kept = [Kept(evolve(local, type=settle(local.type, solutions)), output) for local, output in emitted]
        if self._failed():
            return None
        calls = tuple(self._call(call, solutions) for call in self.calls)
        body = self._piece(last, solutions, len(self.params))
        whole = Plan(
            calls, body, name, UNIT if value is None else settle(value.type, solutions), tuple(kept), self._shown()
        )
        self._judge(whole)
        return None if self._failed() else whole

    def _statements_and_value(self) -> TExpr | None:
        for stmt in self.entry.statements:
            if self._jumps(stmt):
                return None
            self._lift_all(stmt)
            self.done.extend(check_statements(self.body, (stmt,)))
        if self.entry.value is None:
            return None
        self._lift_all(self.entry.value)
        return exprs.infer(self.body, self.entry.value)

    def _failed(self) -> bool:
        return any(d.severity == "error" for d in self.body.world.sink.diagnostics[self.body.errors_before :])

    def _kept(self) -> list[Local]:
        """New locals of the entry's top, and variables that may have changed."""
        new = [local for name, local in self.body.scopes[-1].items() if name != "_"]
        names = {local.name for local in new}
        taken = {name for name, _ in self.params}
        changed = [v for n, v in self.bound.items() if v.mutable and n in taken and n not in names]
        return [*changed, *new]

    def _shown(self) -> tuple[TPort, ...]:
        """The outputs of a call that is the whole entry."""
        return self.calls[-1][3] if isinstance(self.entry.value, tree.RunExpr) and not self.entry.statements else ()

    def _jumps(self, stmt: tree.Stmt) -> bool:
        """Report what only the body of a function can have."""
        found = [n for n in _nodes(stmt) if isinstance(n, tree.ReturnStmt | tree.EmitStmt)]
        for node in found:
            word = "return" if isinstance(node, tree.ReturnStmt) else "emit"
            message = f"`{word}` stands in the body of a function"
            self.body.report(report.simple("U0920", message, node.span, "not at the prompt"))
        return bool(found)

    def _judge(self, whole: Plan) -> None:
        """Report values that cannot leave a sandbox or be kept."""
        check_instances(
            self.state.world, {str(i): p.kernel for i, p in enumerate([*(c.piece for c in whole.calls), whole.body])}
        )
        names = {k.output: k.local.name for k in whole.kept}
        for port in whole.body.kernel.outputs:
            name = names.get(port.name)
            if name is not None and not (
                _printable(self.state, port.item) and satisfies(self.state.world, port.item, "data")
            ):
                self.body.report(_not_data(f"the value of `{name}` cannot be kept", port.item, port.span))
            elif not _printable(self.state, port.item):
                self.body.report(_not_data("this value cannot be shown", port.item, port.span))

    def _piece(self, draft: _Draft, solutions: Mapping[int, Type], params: int) -> Piece:
        outputs = tuple(TPort(n, "one", None, settle(v.type, solutions), v.span) for n, v in draft.outputs)
        taken = self.params[:params]
        ports = tuple(TPort(f"p{i}", "one", None, settle(v.type, solutions), v.span) for i, (_, v) in enumerate(taken))
        whole = Span(self.entry.source.file, 0, len(self.entry.source.text))
        locals_ = tuple(local for _, local in taken)
        kernel = TKernel(ENTRY, ports, outputs, locals_, tuple(draft.statements), solutions, whole)
        return Piece(kernel, captures(self.state.world, kernel), tuple(n for n, _ in taken))

    # Calls of what the machine runs.

    def target(self, callee: tree.Expr) -> Symbol | None:
        """What the machine runs under the name `callee`, None if it names anything else."""
        symbol = names_what(self.state, callee)
        return symbol if symbol is not None and symbol.kind in _CALLED else None

    def run(self, expr: tree.RunExpr) -> TExpr:
        """The value of a call that was cut out."""
        return self.values.get(id(expr)) or exprs.error(expr.span)

    def statement(self, stmt: tree.Stmt) -> TStmt:
        """The statements of tests are read in tests only."""
        self.body.report(report.simple("U0920", "this stands in a `test`", stmt.span, "not at the prompt"))
        return TEval(stmt.span, exprs.error(stmt.span))

    def _lift_all(self, node: tree.Node) -> None:
        for call, certain in _runs(node):
            if certain:
                self._lift(call)
            else:
                name = ".".join(n.text for n in call.path)
                note = "bind its result first: `let result = ...;`"
                message = f"`{name}` is run by the machine, so it cannot stand under a condition or in a loop"
                self.body.report(report.simple("U0920", message, call.span, "may not be reached", notes=(note,)))

    def _lift(self, call: tree.RunExpr) -> None:
        symbol = self.target(_path_expr(call))
        assert symbol is not None
        world = self.state.world
        decl = world.compositions.get(symbol.name) or world.kernels[symbol.name]
        slots = self._match(call, decl)
        if slots is None:
            return
        draft = _Draft(list(self.done))
        inputs = tuple(self._input(port, slots[port.name], draft) for port in decl.params if port.name in slots)
        self.calls.append((draft, symbol, inputs, decl.outputs, self.results, call.span, len(self.params)))
        locals_ = [
            Local(f"#{self.results + i}", result_type(p), "param", call.span) for i, p in enumerate(decl.outputs)
        ]
        self.results += len(locals_)
        self.params += [(local.name, local) for local in locals_]
        values = tuple(TLocal(local.type, call.span, local) for local in locals_)
        whole = Tuple(tuple(local.type for local in locals_))
        several = TMake(whole, call.span, values, tuple(range(len(values))))
        self.values[id(call)] = values[0] if len(values) == 1 else several if values else TLit(UNIT, call.span, None)

    def _call(
        self,
        call: tuple[_Draft, Symbol, tuple[Given, ...], tuple[TPort, ...], int, Span, int],
        solutions: Mapping[int, Type],
    ) -> Call:
        draft, symbol, inputs, outputs, first, span, params = call
        return Call(symbol, self._piece(draft, solutions, params), inputs, outputs, first, span)

    def _input(self, port: TPort, arg: tree.Arg, draft: _Draft) -> Given:
        origin = Label(port.span, f"`{port.name}` is declared here")
        if port.item == SECRET:
            return Given(port, draft.emit(self._secret(arg.value, origin)), secret=True)
        item = Tuple((port.key, port.item)) if port.key is not None else port.item
        value = exprs.check_expr(self.body, arg.value, Want(Array(item) if port.kind == "set" else item, origin))
        return Given(port, draft.emit(value), secret=False)

    def _secret(self, expr: tree.Expr, origin: Label) -> TExpr:
        match expr:
            case tree.CallExpr(callee=tree.NameExpr(name=name), args=(arg,)) if name.text == "secret":
                return exprs.check_expr(self.body, arg.value, Want(STR))
        self.body.report(
            report.simple("T0301", 'a secret is given as `secret("text")`', expr.span, "not a secret", origin)
        )
        return exprs.error(expr.span)

    def _match(self, call: tree.RunExpr, decl: CompositionDecl | KernelDecl) -> dict[str, tree.Arg] | None:
        """The arguments by the names of the parameters; None after a report."""
        callee, names = call.path[-1].text, [p.name for p in decl.params]
        slots: dict[str, tree.Arg] = {}
        rest = iter(names)
        for arg in call.args:
            name = next(rest, None) if arg.name is None else arg.name.text
            if name is None or arg.spread:
                takes = report.count(len(names), "argument")
                self.body.report(report.argument_count(callee, takes, len(call.args), arg.span, None))
                return None
            if name not in names:
                self.body.report(report.unknown_argument(callee, name, names, arg.span))
                return None
            if name in slots:
                self.body.report(report.duplicate(name, arg.span, slots[name].span, "argument"))
                return None
            slots[name] = arg
        missing = [
            (p.name, report.display(p.item), p.span)
            for p in decl.params
            if p.name not in slots and p.kind != "optional"
        ]
        if missing:
            self.body.report(report.missing_arguments(callee, missing, call.span))
            return None
        return slots


def result_type(port: TPort) -> Type:
    """What an entry sees of an output: a value, an option, or an array of values or of keys and values."""
    if port.kind == "set":
        return Array(Tuple((port.key, port.item)) if port.key is not None else port.item)
    return Option(port.item) if port.kind == "optional" else port.item


def _not_data(message: str, t: Type, span: Span) -> Diagnostic:
    shown = report.display(t)
    notes = ("give it a type: declare a `record`",) if isinstance(t, Anon) else ()
    return report.simple("U0922", f"{message}: `{shown}` is not data", span, f"this is `{shown}`", notes=notes)


def _printable(state: State, t: Type) -> bool:
    """Whether a value of `t` can come out of a sandbox and be written: secrets in it are written as such."""
    seen: set[Type] = set()
    waiting = [t]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Anon | Fn | SetRef):
            return False
        if part not in seen:
            seen.add(part)
            waiting.extend(contents(state.world, part))
    return True


# Trees.


def _nodes(value: object) -> Iterator[tree.Node]:
    """All nodes in a tree, or in a tuple of trees."""
    if isinstance(value, tuple):
        for part in value:
            yield from _nodes(part)
    elif isinstance(value, tree.Node):
        yield value
        for f in fields(type(value)):
            yield from _nodes(getattr(value, f.name))


def _names_in(value: object) -> Iterator[str]:
    return (node.text for node in _nodes(value) if isinstance(node, tree.Name))


def _with_runs(entry: Entry, check: _Check) -> Entry:
    """The entry with calls of what the machine runs as such."""

    def turned(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(turned(part) for part in value)
        if not isinstance(value, tree.Node) or not has(type(value)):
            return value
        if isinstance(value, tree.CallExpr) and check.target(value.callee) is not None:
            return tree.RunExpr(value.span, tuple(_path(value.callee)), turned(value.args))
        return evolve(value, **{f.name: turned(getattr(value, f.name)) for f in fields(type(value))})

    return evolve(entry, statements=turned(entry.statements), value=turned(entry.value))


def _path(expr: tree.Expr) -> Iterator[tree.Name]:
    if isinstance(expr, tree.FieldExpr):
        yield from _path(expr.base)
        yield expr.name
    elif isinstance(expr, tree.NameExpr):
        yield expr.name


def _path_expr(call: tree.RunExpr) -> tree.Expr:
    expr: tree.Expr = tree.NameExpr(call.path[0].span, call.path[0])
    for name in call.path[1:]:
        expr = tree.FieldExpr(call.span, expr, name)
    return expr


# The parts that are reached in any case, once; of nodes that are not named every part is.
_REACHED: dict[type, tuple[str, ...]] = {
    tree.IfExpr: ("cond",),
    tree.IfStmt: ("cond",),
    tree.MatchExpr: ("subject",),
    tree.MatchStmt: ("subject",),
    tree.ForStmt: ("iterable",),
    tree.WhileStmt: (),
    tree.LambdaExpr: (),
}


def _runs(value: object, *, certain: bool = True) -> Iterator[tuple[tree.RunExpr, bool]]:
    """The calls that were cut out, inner ones first, and whether each is reached in any case, once."""
    if isinstance(value, tuple):
        for part in value:
            yield from _runs(part, certain=certain)
        return
    if not isinstance(value, tree.Node):
        return
    names = [f.name for f in fields(type(value))]
    reached: Sequence[str] = _REACHED.get(type(value), names)
    if isinstance(value, tree.BinaryExpr) and value.op in ("and", "or"):
        reached = ("left",)
    for name in names:
        yield from _runs(getattr(value, name), certain=certain and name in reached)
    if isinstance(value, tree.RunExpr):
        yield value, certain
