"""Checks `test` blocks and cuts them into pieces (`compiler/check/testplan.py`).

A test's body is checked as one body, so that types flow through it as everywhere. Its statements are then put together
several times: up to each `run` (with the run's arguments as outputs), and once whole. A `run` itself becomes a record
of parameters that hold what the run gave; so it must stand where it is reached in any case, at the top level of the test
and under no condition.
"""

from collections.abc import Callable, Iterator, Mapping

from attrs import Factory, define, field, fields

from dandc.compiler.check import exprs, report
from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.captures import captures
from dandc.compiler.check.constants import settle
from dandc.compiler.check.fakes import check_given
from dandc.compiler.check.flow_calls import implicit_sources
from dandc.compiler.check.flow_state import KernelFacts, config_name
from dandc.compiler.check.infer import parts
from dandc.compiler.check.patterns import check_pattern
from dandc.compiler.check.stmts import check_statements
from dandc.compiler.check.symbols import CompositionDecl, KernelDecl, Scope, Symbol, World
from dandc.compiler.check.testplan import FAILED, Case, Expectation, Fake, Piece, RunInput, RunStep, Tests, TrapStep
from dandc.compiler.check.types import define_type, lookup, lookup_path, satisfies
from dandc.compiler.flow import (
    ArgBinding,
    ComputeNode,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    NodeSource,
    Policies,
)
from dandc.compiler.kir import TRAPS
from dandc.compiler.typed import (
    Local,
    PBind,
    PTuple,
    PWild,
    TArm,
    TBinary,
    TCall,
    TEmit,
    TExpr,
    TForArray,
    TForRange,
    TFString,
    TIfStmt,
    TKernel,
    TLet,
    TLit,
    TLocal,
    TMake,
    TMatchStmt,
    TPort,
    TReturn,
    TStmt,
    TUnary,
)
from dandc.compiler.types import (
    BOOL,
    BYTES,
    ERROR,
    I64,
    SECRET,
    STR,
    UNIT,
    Anon,
    Array,
    InferVar,
    Option,
    Tuple,
    Type,
    is_float,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Label
from dandc.lang.spans import Span

_JSON = "json.encode"
_COMPARISONS = exprs.COMPARISONS


def check_tests(world: World, facts: Mapping[str, KernelFacts], root: str, skip: frozenset[int] = frozenset()) -> Tests:
    """All tests of the root module. `skip` are the identities of items that did not parse in full."""
    scope = world.scopes[root]
    items = [i for i in scope.module.tree.items if isinstance(i, tree.TestItem) and id(i) not in skip]
    graphs: dict[str, Graph] = {}
    titles: dict[str, Span] = {}
    cases = []
    for item in items:
        first = titles.setdefault(item.title.value, item.title.span)
        if first != item.title.span:
            world.sink.add(report.duplicate(item.title.value, item.title.span, first, "test"))
        case = _Test(world, scope, facts, root, item, graphs).check()
        if case is not None:
            cases.append(case)
    return Tests(tuple(cases), graphs)


@define(eq=False)
class _Draft:
    """A piece before types are settled: outputs beyond `failed`, statements, and how many parameters it has."""

    params: int = 0
    outputs: list[tuple[str, Type, Span]] = Factory(list)
    statements: list[TStmt] = Factory(list)

    def output(self, value: TExpr, kind: str = "optional") -> TStmt:
        """The statement that gives `value` as a further output."""
        self.outputs.append((kind, value.type, value.span))
        return TEmit(value.span, len(self.outputs), None, None, value)

    def emit(self, value: TExpr) -> int:
        """Give `value` as a further output; its number."""
        self.statements.append(self.output(value))
        return len(self.outputs)


@define(eq=False)
class _Test:
    """One test being checked. `params` are the locals of row and results so far, `done` the statements so far."""

    world: World
    scope: Scope
    facts: Mapping[str, KernelFacts]
    root: str
    item: tree.TestItem
    graphs: dict[str, Graph]
    body: Body = field(init=False)
    params: list[Local] = Factory(list)
    done: list[TStmt] = Factory(list)
    rows: _Draft | None = None
    setup: _Draft = Factory(_Draft)
    set_up: int = 0  # how many of `done` the setup has
    fakes: list[Fake] = Factory(list)
    configs: list[tuple[str, int, bool]] = Factory(list)
    steps: list[tuple[_Draft, Callable[[Piece], RunStep | TrapStep]]] = Factory(list)
    expectations: list[Expectation] = Factory(list)
    results: dict[int, TExpr] = Factory(dict)

    def check(self) -> Case | None:
        """The case, or None after a report."""
        before = len(self.world.sink.diagnostics)
        self.body = Body(self.world, self.scope, {}, UNIT, None, ())
        self.body.test = self
        if self.item.table is not None:
            self._table(self.item.table)
        self.setup.params = len(self.params)
        for stmt in self.item.body.statements:
            self._top(stmt)
        solutions = self.body.finish()
        if len(self.world.sink.diagnostics) > before or not self._rows_are_data(solutions):
            return None
        return Case(
            title=self.item.title.value,
            span=self.item.title.span,
            module=self.scope.name,
            rows=self._piece(self.rows, solutions) if self.rows else None,
            setup=self._piece(self.setup, solutions),
            fakes=tuple(self.fakes),
            configs=tuple(self.configs),
            steps=tuple(make(self._piece(draft, solutions)) for draft, make in self.steps),
            body=self._piece(self._draft(), solutions),
            expectations=tuple(self.expectations),
        )

    def report(self, code: str, message: str, span: Span, label: str, *notes: str) -> None:
        """Give a diagnostic."""
        self.body.report(report.simple(code, message, span, label, notes=notes))

    # Pieces.

    def _draft(self) -> _Draft:
        """A piece with what stands before."""
        return _Draft(len(self.params), statements=list(self.done))

    def _piece(self, draft: _Draft, solutions: Mapping[int, Type]) -> Piece:
        outputs = [TPort("failed", "set", None, FAILED, self.item.title.span)]
        for i, (kind, t, span) in enumerate(draft.outputs):
            outputs.append(TPort(f"v{i}", kind, None, settle(t, solutions), span))
        locals_ = tuple(self.params[: draft.params])
        params = tuple(TPort(p.name, "one", None, settle(p.type, solutions), p.span) for p in locals_)
        name, span = f"{self.scope.name}.test", self.item.title.span
        kernel = TKernel(name, params, tuple(outputs), locals_, tuple(draft.statements), solutions, span)
        return Piece(kernel, captures(self.world, kernel))

    # The table.

    def _table(self, table: tree.Expr) -> None:
        """Make the piece that gives the rows, and bind the table's names to the row at the beginning of the body."""
        self.rows = _Draft()
        if isinstance(table, tree.RangeExpr):
            lo, hi = (exprs.check_expr(self.body, bound, Want(I64)) for bound in (table.lo, table.hi))
            local = Local("row", I64, "let", table.span)
            emit = self.rows.output(TLocal(I64, table.span, local), "set")
            self.rows.statements.append(TForRange(table.span, local, lo, hi, (emit,)))
        else:
            array = exprs.infer(self.body, table)
            local = Local("row", self._element(array), "let", table.span)
            emit = self.rows.output(TLocal(local.type, table.span, local), "set")
            self.rows.statements.append(TForArray(table.span, None, PBind(local.type, local), array, (emit,)))
        self._bind_row(local.type)

    def _element(self, array: TExpr) -> Type:
        t = self.body.unifier.shallow(array.type)
        if isinstance(t, Array):
            return t.item
        if t != ERROR:
            shown = self.body.show(t)
            self.report("T0340", f"a table is an array or a range, not `{shown}`", array.span, f"this is `{shown}`")
        return ERROR

    def _bind_row(self, item: Type) -> None:
        targets = self.item.targets
        if len(targets) > 2:
            self.report("T0340", "a table gives rows, or numbers and rows", targets[2].span, "one or two names",
                        "the parts of a row are taken apart in parentheses: `for (a, b) in [...]`")  # fmt: skip
        types = (I64, item)[2 - min(len(targets), 2) :]
        for name, target, t in zip(("number", "row")[-len(types) :], targets, types, strict=False):
            local = Local(name, t, "param", target.span)
            self.params.append(local)
            pattern = check_pattern(self.body, target, t)
            self.done.append(TLet(target.span, pattern, TLocal(t, target.span, local)))
        for surplus in targets[2:]:
            check_pattern(self.body, surplus, ERROR)

    def _rows_are_data(self, solutions: Mapping[int, Type]) -> bool:
        if self.rows is None or self.item.table is None:
            return True
        t = settle(self.rows.outputs[0][1], solutions)
        if _has_anonymous(t) or not satisfies(self.world, t, "data"):
            note = "rows are numbers, text, tuples, records with a name, and arrays of these"
            self.report("T0340", f"rows cannot be `{report.display(t)}`", self.item.table.span, "not rows", note)
            return False
        return True

    # Statements at the top level of the test.

    def _top(self, stmt: tree.Stmt) -> None:
        match stmt:
            case tree.GivenStmt():
                self._given(stmt)
            case tree.SetConfigStmt():
                self._config(stmt)
            case tree.ExpectStmt(mode="fails"):
                self._fails(stmt)
            case tree.ExpectStmt(mode="traps"):
                self._traps(stmt)
            case tree.ExprStmt(value=tree.RunExpr()):
                self._lift_all(stmt)
            case _:
                self._lift_all(stmt)
                self.done.extend(check_statements(self.body, (stmt,)))

    def _lift_all(self, node: tree.Node) -> None:
        for run, certain in _runs(node):
            if certain:
                self._lift(run, must_fail=False, code=None)
            else:
                self._misplaced(run.span, "a `run`")

    def _misplaced(self, span: Span, what: str) -> None:
        note = "a test is cut at these places, so they are reached in any case, once"
        self.report("C0430", f"{what} stands at the top level of a test, under no condition", span, "not here", note)

    def _before_runs(self, span: Span, what: str) -> None:
        if any(self.steps):
            self.report("C0433", f"{what} stands before the first `run`", span, "after a `run`")
        self.setup.statements += self.done[self.set_up :]
        self.set_up = len(self.done)

    def _given(self, stmt: tree.GivenStmt) -> None:
        self._before_runs(stmt.span, "what is given")
        fake = check_given(self.body, self.root, stmt, self._body_of_answer)
        if fake is not None:
            self.fakes.append(fake)

    def _body_of_answer(self, media: str, expr: tree.Expr) -> int:
        if media != "json":
            return self.setup.emit(exprs.check_expr(self.body, expr, Want(STR if media == "text" else BYTES)))
        value = exprs.infer(self.body, expr)
        self._settle_empty(value.type)
        self.body.bound(value.type, "data", value.span, "`json`")
        return self.setup.emit(TCall(STR, value.span, _JSON, (value.type,), (value,)))

    def _settle_empty(self, t: Type) -> None:
        """JSON of an empty array or of `none` is the same whatever the type is that nothing says."""
        known = self.body.known(t)
        if isinstance(known, InferVar) and known.kind == "any":
            self.body.unifier.unify(known, I64)
        for part in parts(known):
            self._settle_empty(part)

    def _config(self, stmt: tree.SetConfigStmt) -> None:
        self._before_runs(stmt.span, "a config")
        symbol = lookup(self.world, self.scope, stmt.name.text)
        if symbol is None or symbol.kind != "config":
            known = [n for n, s in self.scope.names.items() if s.kind == "config"]
            self.body.report(report.unknown_name(stmt.name.text, stmt.name.span, known, "config"))
            exprs.infer(self.body, stmt.value)
            return
        decl = self.world.configs[symbol.name]
        value = self._given_value(stmt.value, decl.type, Label(decl.item.type.span, "the declared type"))
        name = config_name(self.world, self.root, symbol.name)
        self.configs.append((name, self.setup.emit(value), decl.type == SECRET))

    def _given_value(self, expr: tree.Expr, t: Type, origin: Label) -> TExpr:
        """A value from outside the program; a secret is written `secret("text")`."""
        if t != SECRET:
            return exprs.check_expr(self.body, expr, Want(t, origin))
        match expr:
            case tree.CallExpr(callee=tree.NameExpr(name=name), args=(arg,)) if name.text == "secret":
                return exprs.check_expr(self.body, arg.value, Want(STR))
        self.body.report(
            report.simple("T0301", 'a secret is given as `secret("text")`', expr.span, "not a secret", origin)
        )
        return exprs.error(expr.span)

    # Runs.

    def _lift(self, run: tree.RunExpr, *, must_fail: bool, code: str | None) -> None:
        """Make a step of a `run`: its arguments are a piece, its outputs parameters of what follows."""
        symbol = self._target(run)
        if symbol is None:
            for arg in run.args:
                exprs.infer(self.body, arg.value)
            return
        decl = self.world.compositions.get(symbol.name) or self.world.kernels[symbol.name]
        draft = self._draft()
        inputs = self._inputs(run, decl, draft)
        if inputs is None:
            return
        graph = self._graph(symbol, decl)

        def make(piece: Piece) -> RunStep:
            return RunStep(graph, piece, inputs, decl.outputs, must_fail, code, run.span)

        self.steps.append((draft, make))
        if not must_fail:
            self._results(run, decl)

    def _results(self, run: tree.RunExpr, decl: CompositionDecl | KernelDecl) -> None:
        number = len(self.steps)
        locals_ = [Local(f"run{number}.{p.name}", _result_type(p), "param", run.span) for p in decl.outputs]
        self.params += locals_
        shape = Anon(tuple((p.name, local.type) for p, local in zip(decl.outputs, locals_, strict=True)))
        values = tuple(TLocal(local.type, run.span, local) for local in locals_)
        self.results[id(run)] = TMake(shape, run.span, values, tuple(range(len(values))))

    def _target(self, run: tree.RunExpr) -> Symbol | None:
        symbol = lookup_path(self.world, self.scope, run.path)
        if symbol is None or symbol.kind in ("composition", "kernel", "broken"):
            return symbol if symbol is None or symbol.kind != "broken" else None
        name = ".".join(n.text for n in run.path)
        kind = {"fn": "helper function", "communication": "communication function"}.get(symbol.kind, symbol.kind)
        note = "a helper (`fn`) is called without `run`" if symbol.kind == "fn" else "its fakes are given instead"
        notes = (note,) if symbol.kind in ("fn", "communication") else ()
        message = f"`run` takes a composition or a `function`, but `{name}` is a {kind}"
        self.report("C0431", message, run.path[-1].span, f"a {kind}", *notes)
        return None

    def _graph(self, symbol: Symbol, decl: CompositionDecl | KernelDecl) -> str:
        """The graph to run: the composition's own, or one that holds nothing but the function."""
        if symbol.kind == "composition":
            return symbol.name
        assert isinstance(decl, KernelDecl)
        name = f"run {symbol.name}"
        self.graphs[name] = _function_graph(self.world, self.facts, self.root, name, decl)
        return name

    def _inputs(
        self, run: tree.RunExpr, decl: CompositionDecl | KernelDecl, draft: _Draft
    ) -> tuple[RunInput, ...] | None:
        slots = self._match(run, decl)
        if slots is None:
            for arg in run.args:
                exprs.infer(self.body, arg.value)
            return None
        return tuple(self._input(port, slots[port.name], draft) for port in decl.params if port.name in slots)

    def _input(self, port: TPort, arg: tree.Arg, draft: _Draft) -> RunInput:
        origin = Label(port.span, f"`{port.name}` is declared here")
        t = port.item
        if port.kind == "set":
            t = Array(Tuple((port.key, port.item)) if port.key is not None else port.item)
        value = self._given_value(arg.value, t, origin)
        return RunInput(port.name, draft.emit(value), port.kind, port.key is not None, t == SECRET)

    def _match(self, run: tree.RunExpr, decl: CompositionDecl | KernelDecl) -> dict[str, tree.Arg] | None:
        """The arguments by the names of the parameters; None after a report."""
        callee, names = run.path[-1].text, [p.name for p in decl.params]
        slots: dict[str, tree.Arg] = {}
        rest = iter(names)
        for arg in run.args:
            name = next(rest, None) if arg.name is None else arg.name.text
            if name is None or arg.spread:
                takes = f"{len(names)} argument{'' if len(names) == 1 else 's'}"
                self.body.report(report.argument_count(callee, takes, len(run.args), arg.span, None))
                return None
            if name not in names:
                self.body.report(report.unknown_argument(callee, name, names, arg.span))
                return None
            if name in slots:
                self.body.report(report.duplicate(name, arg.span, slots[name].span, "argument"))
                return None
            slots[name] = arg
        missing = [p for p in decl.params if p.name not in slots and p.kind != "optional"]
        for port in missing[:1]:
            origin = Label(port.span, "declared here")
            message = f"`{callee}` needs a value for `{port.name}`"
            self.body.report(report.simple("T0303", message, run.span, f"`{port.name}` is missing", origin))
        return None if missing else slots

    # Expectations.

    def _fails(self, stmt: tree.ExpectStmt) -> None:
        if not isinstance(stmt.value, tree.RunExpr):
            note = "`expect traps` says that an expression ends with a trap; an error that is returned is compared"
            self.report("C0434", "only a `run` fails", stmt.value.span, "not a `run`", note)
            self._lift_all(stmt.value)
            exprs.infer(self.body, stmt.value)
            return
        for run, _ in _runs(stmt.value):
            last = run is stmt.value
            self._lift(run, must_fail=last, code=stmt.code.value if stmt.code and last else None)

    def _traps(self, stmt: tree.ExpectStmt) -> None:
        if isinstance(stmt.value, tree.RunExpr):
            self.report("C0434", "a `run` fails, also when a function in it traps", stmt.value.span, "a `run`",
                        "write `expect fails run ...`")  # fmt: skip
        code = stmt.code.value if stmt.code else None
        if code is not None and code not in (*TRAPS, "fail"):
            known = ", ".join(f"`{t}`" for t in TRAPS)
            self.report("C0434", f"there is no trap `{code}`", stmt.code.span if stmt.code else stmt.span, "not a trap",
                        f"there are {known}")  # fmt: skip
        self._lift_all(stmt.value)
        value = exprs.infer(self.body, stmt.value)
        draft = self._draft()
        draft.statements.append(TLet(stmt.span, PWild(value.type), value))
        self.steps.append((draft, lambda piece: TrapStep(piece, code, stmt.value.span)))

    # What the body asks for.

    def run(self, expr: tree.RunExpr) -> TExpr:
        """The value of a `run`: what it gave, as a record."""
        return self.results.get(id(expr)) or exprs.error(expr.span)

    def statement(self, stmt: tree.Stmt) -> TStmt:
        """A statement of tests inside a body: an expectation; the others stand at the top level only."""
        if isinstance(stmt, tree.ExpectStmt) and not stmt.mode:
            return self._expect(stmt)
        words = {tree.GivenStmt: "`given`", tree.SetConfigStmt: "`config`"}
        what = f"`expect {stmt.mode}`" if isinstance(stmt, tree.ExpectStmt) else words[type(stmt)]
        self._misplaced(stmt.span, what)
        return TReturn(stmt.span, None)

    def _expect(self, stmt: tree.ExpectStmt) -> TStmt:
        value = exprs.check_expr(self.body, stmt.value, Want(BOOL, Label(stmt.span, "`expect` needs a condition")))
        match value:
            case TBinary(op=op, left=left, right=right) if op in _COMPARISONS:
                self.expectations.append(Expectation(stmt.span, "compare", op, left.span, right.span))
                return self._compare(stmt.span, value)
            case TCall(args=(receiver, *_)) if isinstance(stmt.value, tree.CallExpr) and self._is_method(value):
                self.expectations.append(Expectation(stmt.span, "receiver", "", receiver.span))
                failed = self._failed(stmt.span, self._text(receiver))
            case _:
                self.expectations.append(Expectation(stmt.span, "bool"))
                failed = self._failed(stmt.span)
        return TIfStmt(stmt.span, TUnary(BOOL, value.span, "not", value), failed, ())

    def _is_method(self, call: TCall) -> bool:
        item = self.world.fns[call.fn].item
        return isinstance(item, tree.FnItem) and bool(item.params) and item.params[0].name.text == "self"

    def _compare(self, span: Span, value: TBinary) -> TStmt:
        """Both sides are kept, so that they are evaluated once."""
        left = Local("left", value.left.type, "let", value.left.span)
        right = Local("right", value.right.type, "let", value.right.span)
        sides = tuple(TLocal(local.type, local.span, local) for local in (left, right))
        test = TBinary(BOOL, value.span, value.op, sides[0], sides[1], value.site)
        t = Tuple((left.type, right.type))
        both = PTuple(t, (PBind(left.type, left), PBind(right.type, right)))
        failed = self._failed(span, self._text(sides[0]), self._text(sides[1]))
        arms = (TArm(both, TUnary(BOOL, value.span, "not", test), failed), TArm(PWild(t), None, ()))
        return TMatchStmt(span, TMake(t, value.span, (value.left, value.right), (0, 1)), arms)

    def _failed(self, span: Span, *texts: TExpr) -> tuple[TStmt, ...]:
        left, right = (*texts, TLit(STR, span, ""), TLit(STR, span, ""))[:2]
        number = TLit(I64, span, len(self.expectations) - 1)
        return (TEmit(span, 0, None, None, TMake(FAILED, span, (number, left, right), (0, 1, 2))), TReturn(span, None))

    def _text(self, value: TExpr) -> TExpr:
        """JSON of a value, if it is data: JSON has no NaN, so floats are shown by an f-string."""
        t = settle(self.body.known(value.type), {})
        if is_float(t):
            return TFString(STR, value.span, (value,))
        if not satisfies(self.world, t, "data"):
            return TLit(STR, value.span, "")
        return TCall(STR, value.span, _JSON, (value.type,), (value,))


def _result_type(port: TPort) -> Type:
    """What a test sees of an output: a value, an option, or an array of values or of keys and values."""
    if port.kind == "set":
        return Array(Tuple((port.key, port.item)) if port.key is not None else port.item)
    return Option(port.item) if port.kind == "optional" else port.item


def _has_anonymous(t: Type) -> bool:
    return isinstance(t, Anon) or any(_has_anonymous(part) for part in parts(t))


def _function_graph(world: World, facts: Mapping[str, KernelFacts], root: str, name: str, decl: KernelDecl) -> Graph:
    """A graph that calls one function with its own parameters as inputs."""
    shards = {"set": "all", "one": "one", "key": "one", "optional": "one"}
    args = [
        ArgBinding(InputSource(i), shards[p.kind], optional=p.kind == "optional") for i, p in enumerate(decl.params)
    ]
    implicit = implicit_sources(world, facts[decl.name].captures, root)
    args += [ArgBinding(source, "one", optional=False) for source in implicit]
    for port in (*decl.params, *decl.outputs):
        for t in (port.key, port.item):
            if t is not None:
                define_type(world, t, world.table)
    flows = tuple(p.flow for p in decl.outputs)
    short = decl.name.rsplit(".", 1)[-1]
    node = ComputeNode(short, decl.name, tuple(args), flows, Policies(), decl.item.name.span)
    inputs = tuple(GraphPort(p.name, p.flow) for p in decl.params)
    outputs = tuple(GraphOutput(p.name, p.flow, NodeSource(0, i)) for i, p in enumerate(decl.outputs))
    return Graph(name, inputs, outputs, (node,))


# The parts of a statement or expression that are reached in any case, once; of all others every part is.
_REACHED: dict[type, tuple[str, ...]] = {
    tree.IfExpr: ("cond",),
    tree.IfStmt: ("cond",),
    tree.MatchExpr: ("subject",),
    tree.MatchStmt: ("subject",),
    tree.ForStmt: ("iterable",),
    tree.WhileStmt: (),
    tree.LambdaExpr: (),
}


def _runs(node: tree.Node, certain: bool = True) -> Iterator[tuple[tree.RunExpr, bool]]:
    """The runs in a statement or expression, inner ones first, and whether each is reached in any case, once."""
    names = [f.name for f in fields(type(node))]
    reached = _REACHED.get(type(node), names)
    if isinstance(node, tree.BinaryExpr) and node.op in ("and", "or"):
        reached = ("left",)
    for name in names:
        value = getattr(node, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, tree.Node):
                yield from _runs(part, certain and name in reached)
    if isinstance(node, tree.RunExpr):
        yield node, certain
