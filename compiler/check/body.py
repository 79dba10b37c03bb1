"""The state while one body is checked: locals in scope, inference variables, what waits for the end."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from attrs import Factory, define, evolve, field

from dandc.compiler.check import hints, report
from dandc.compiler.check.infer import Unifier, map_type
from dandc.compiler.check.symbols import Scope, Symbol, World
from dandc.compiler.check.types import ROWS, lookup, satisfies
from dandc.compiler.floats import nearest_float
from dandc.compiler.typed import Local, TExpr, TPort, TStmt
from dandc.compiler.types import (
    ERROR,
    F64,
    InferVar,
    Named,
    Option,
    Result,
    SetRef,
    Type,
    TypeVar,
    int_range,
    is_float,
    is_int,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen

_LARGEST = {"f32": "3.4e38", "f64": "1.8e308"}


@frozen
class Want:
    """The type that is expected at a place, and where the expectation came from."""

    type: Type
    origin: Label | None = None


@define(eq=False)
class LambdaFrame:
    """A lambda being checked: which locals are its own, which it takes from outside."""

    own: set[int] = Factory(set)
    captures: list[Local] = Factory(list)


class TestHooks(Protocol):
    """What `run` and the statements of tests mean in the body of a test: `check/tests.py`."""

    def run(self, expr: tree.RunExpr) -> TExpr:
        """The value of a `run`."""
        ...

    def statement(self, stmt: tree.Stmt) -> TStmt:
        """The typed form of `expect`, `given` or `config`."""
        ...


@define(eq=False)
class Body:
    """One function body under check.

    `kernel_outputs` is None in helpers; `result` is the declared result of a helper. Scopes are innermost last.
    """

    world: World
    scope: Scope
    type_params: dict[str, TypeVar]
    result: Type
    result_origin: Label | None
    kernel_outputs: tuple[TPort, ...] | None
    unifier: Unifier = Factory(Unifier)
    scopes: list[dict[str, Local]] = Factory(lambda: [{}])
    lambdas: list[LambdaFrame] = Factory(list)
    loops: int = 0
    test: TestHooks | None = None
    # Some statement was not understood, so that nobody knows how often outputs are emitted.
    emissions_unsure: bool = False
    # A type has grown too large and was reported; what is made of it grows again.
    outgrown: bool = False
    errors_before: int = field(init=False)
    _literals: list[tuple[Type, int, Span]] = Factory(list)
    _floats: list[tuple[Type, str, Span]] = Factory(list)
    _bounds: list[tuple[Type, str, Span, str]] = Factory(list)
    _open: list[tuple[Type, Span, str, str]] = Factory(list)

    def __attrs_post_init__(self) -> None:
        self.errors_before = len(self.world.sink.diagnostics)

    def report(self, diagnostic: Diagnostic) -> None:
        """Give a diagnostic."""
        self.world.sink.add(diagnostic)

    def declare(self, name: str, t: Type, kind: str, span: Span, keyword: Span | None = None) -> Local:
        """A new local in the innermost scope."""
        local = Local(name, t, kind, span, keyword)
        known = self.scopes[-1].get(name)
        # Parameters of functions are compared where they are declared.
        declared = kind in ("param", "inout") and not self.lambdas
        if known is not None and name != "_" and not declared:
            self.report(report.duplicate(name, span, known.span, "local"))
        self.scopes[-1][name] = local
        if self.lambdas:
            self.lambdas[-1].own.add(id(local))
        return local

    def find(self, name: str) -> Local | None:
        """The local called `name`; inside a lambda it is noted as captured."""
        for scope in reversed(self.scopes):
            if name in scope:
                self._capture(scope[name])
                return scope[name]
        return None

    def _capture(self, local: Local) -> None:
        for frame in reversed(self.lambdas):
            if id(local) in frame.own:
                return
            if all(known is not local for known in frame.captures):
                frame.captures.append(local)

    def symbol(self, name: str) -> Symbol | None:
        """What `name` means outside the body."""
        return lookup(self.world, self.scope, name)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """A block: its locals end with it."""
        self.scopes.append({})
        try:
            yield
        finally:
            self.scopes.pop()

    @contextmanager
    def elsewhere(self, scope: Scope) -> Iterator[None]:
        """Check an expression that stands in another module (a default) with none of our locals."""
        kept = self.scope, self.scopes, self.type_params
        self.scope, self.scopes, self.type_params = scope, [{}], {}
        try:
            yield
        finally:
            self.scope, self.scopes, self.type_params = kept

    def literal(self, t: Type, value: int, span: Span) -> None:
        """Remember to test that the literal `value` fits what `t` turns out to be."""
        self._literals.append((t, value, span))

    def float_literal(self, t: Type, text: str, span: Span) -> None:
        """The same for a float, given as text."""
        self._floats.append((t, text, span))

    def bound(self, t: Type, bound: str, span: Span, what: str) -> None:
        """Remember to test that `t` has `bound`; `what` needs it."""
        self._bounds.append((t, bound, span, what))

    def must_be_known(self, t: Type, span: Span, what: str, say: str) -> None:
        """Remember to test that `t` is known at the end; `what` says whose type it is and `say` where to write it."""
        self._open.append((t, span, what, say))

    def known(self, t: Type) -> Type:
        """`t` as far as it is known."""
        return self.unifier.zonk(t)

    def show(self, t: Type) -> str:
        """`t` as far as it is known, for messages."""
        return report.display(self.known(t))

    def expect(self, value: TExpr, want: Want | None, fixes: tuple[Fix, ...] = ()) -> TExpr:
        """Report if `value` does not have the wanted type."""
        if want is None or self.unifier.unify(want.type, value.type):
            return value
        wanted, got = self.known(want.type), self.known(value.type)
        if isinstance(got, SetRef):
            self.report(report.set_as_value(wanted, got, value.span, want.origin))
        else:
            found = report.mismatch(wanted, got, value.span, want.origin, fixes)
            self.report(evolve(found, notes=found.notes or hints.variants_of_wanted(self.world, wanted, got)))
        return value

    def finish(self) -> dict[int, Type]:
        """Settle everything that waited: defaults of literals, their ranges, bounds, open types."""
        if self.outgrown:
            self.unifier.cut()
        for t, _, _ in self._literals:
            variable = self.unifier.shallow(t)
            if isinstance(variable, InferVar):
                self.unifier.default(variable)
        solutions = dict(self.unifier.finish())
        for t, value, span in self._literals:
            self._check_literal(self.unifier.zonk(t), value, span)
        for t, text, span in self._floats:
            self._check_float(self.unifier.zonk(t), text, span)
        # What an expression with a mistake leaves open is no mistake of its own.
        if len(self.world.sink.diagnostics) == self.errors_before:
            self._report_open()
        for t, bound, span, what in self._bounds:
            self._check_bound(self.unifier.zonk(t), bound, span, what)
        return solutions

    def _report_open(self) -> None:
        """Every type that nothing says is reported once, where it comes from."""
        reported: set[int] = set()
        for t, span, what, say in self._open:
            variables = _open_variables(self.unifier.zonk(t))
            if variables and not variables & reported:
                message = f"the type of {what} is not known"
                self.report(report.simple("T0305", message, span, "nothing says the type", notes=(say,)))
            reported |= variables

    def _check_literal(self, t: Type, value: int, span: Span) -> None:
        if is_int(t):
            low, high = int_range(t)
            if not low <= value <= high:
                self.report(
                    report.simple(
                        "T0306",
                        f"{value} does not fit `{t}`",
                        span,
                        f"too {'small' if value < low else 'large'} for `{t}`",
                        notes=(f"`{t}` holds the integers from {low} to {high}",),
                    )
                )

    def _check_float(self, t: Type, text: str, span: Span) -> None:
        t = F64 if isinstance(t, InferVar) else t
        if is_float(t) and math.isinf(nearest_float(text, t)):
            message, note = f"{text} does not fit `{t}`", f"the largest `{t}` is about {_LARGEST[str(t)]}"
            self.report(report.simple("T0306", message, span, f"too large for `{t}`", notes=(note,)))

    def _check_bound(self, t: Type, bound: str, span: Span, what: str) -> None:
        if t == ERROR or _open_variables(t) or satisfies(self.world, t, bound):
            return
        meaning = {
            "eq": "be compared with `==`",
            "ord": "be ordered",
            "hash": "be hashed",
            "num": "be computed with",
            "data": "be encoded",
            ROWS: "be the rows of a table",
        }[bound]
        self.report(
            report.simple(
                "T0307",
                f"{what} needs {_bound_words(bound)}, which `{report.display(t)}` {_LACKS.get(bound, 'does not have')}",
                span,
                f"`{report.display(t)}` cannot {meaning}",
                notes=_bound_advice(t, bound, what),
            )
        )


_LACKS = {ROWS: "is not"}


def _bound_words(bound: str) -> str:
    return "an array of records with fields" if bound == ROWS else f"`{bound}`"


def _bound_advice(t: Type, bound: str, what: str) -> tuple[str, ...]:
    if bound == ROWS:
        return ("rows of any cells are `array[array[str]]`: `csv.read_rows` and `csv.write_rows`",)
    if isinstance(t, TypeVar):
        return (f"declare the bound with the type parameter: `[{t.name}: {bound}]`",)
    if bound == "ord" and what == "`sort`" and isinstance(t, Named):
        return ("sort by a part that has an order: `.sort_by(|x| x.field)`",)
    if isinstance(t, Option | Result) and bound == "num":
        return ("take the value out first, with `match`, `.or(other)` or `?`",)
    return ()


def _open_variables(t: Type) -> set[int]:
    found: set[int] = set()

    def leaf(part: Type) -> Type:
        if isinstance(part, InferVar):
            found.add(part.id)
        return part

    map_type(t, leaf)
    return found
