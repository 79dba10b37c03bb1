"""The checked program: names resolved, every expression with its type.

Types inside a body may still contain inference variables; the body's `solutions` map says what they are
(`compiler/lower` substitutes while it instantiates, so the tree is never copied). Declarations refer to each other
by qualified name (`module.name`, methods `module.Head.name`), bodies by value.
"""

from collections.abc import Mapping

from attrs import field

from dandc.compiler.flow import FlowType
from dandc.compiler.types import Type, TypeVar
from dandc.lang.spans import Span
from dandc.lang.values import frozen


@frozen(slots=True, eq=False)
class Local:
    """A local variable or parameter; identity is object identity. `kind`: `let`, `var`, `param`, `inout`.

    `keyword` is the word `let` of the statement that declares it, None if it is declared otherwise.
    """

    name: str
    type: Type
    kind: str
    span: Span
    keyword: Span | None = None

    @property
    def mutable(self) -> bool:
        """Whether places in it may be changed."""
        return self.kind in ("var", "inout")


# Expressions.


@frozen(slots=True)
class TExpr:
    """Base of typed expressions."""

    type: Type
    span: Span = field(eq=False, repr=False)


@frozen(slots=True)
class TLit(TExpr):
    """A literal: int, float (as text), bool, str, bytes, or None for unit."""

    value: int | str | bytes | bool | None
    is_float: bool = False


@frozen(slots=True)
class TLocal(TExpr):
    """The value of a local."""

    local: Local


@frozen(slots=True)
class TConfig(TExpr):
    """The value of a config in this run: an implicit input of the kernel."""

    name: str


@frozen(slots=True)
class TEndpoint(TExpr):
    """A declared endpoint as a value of its module's `Endpoint` record; its URL is an implicit input."""

    name: str


@frozen(slots=True)
class TField(TExpr):
    """Field number `index` of a record or tuple."""

    base: TExpr
    index: int


@frozen(slots=True)
class TIndex(TExpr):
    """`base[index]` of an array (element) or bytes (u8)."""

    base: TExpr
    index: TExpr


@frozen(slots=True)
class TSlice(TExpr):
    """`base[lo..hi]`."""

    base: TExpr
    lo: TExpr | None
    hi: TExpr | None


@frozen(slots=True)
class TCall(TExpr):
    """A call of a helper (or the value of a constant, a helper without parameters): `fn` is its qualified name.

    One argument a parameter, defaults filled in. `type_args` are in the order of the declaration's type parameters. An argument of an
    `inout` parameter is a place. `evaluation` is the order of their evaluation; empty: that of the parameters.
    """

    fn: str
    type_args: tuple[Type, ...]
    args: tuple[TExpr, ...]
    evaluation: tuple[int, ...] = ()


@frozen(slots=True)
class TCallValue(TExpr):
    """A call of a function-valued parameter."""

    local: Local
    args: tuple[TExpr, ...]


@frozen(slots=True)
class TLambda(TExpr):
    """`|params| body`; `captures` are the locals from outside that the body reads, in order of first use."""

    params: tuple[Local, ...]
    body: TExpr
    captures: tuple[Local, ...]


@frozen(slots=True)
class TFnRef(TExpr):
    """A named helper passed as a function value."""

    fn: str
    type_args: tuple[Type, ...]


@frozen(slots=True)
class TMake(TExpr):
    """A record, tuple or anonymous record: all fields in order; `evaluation` is the order of their evaluation."""

    args: tuple[TExpr, ...]
    evaluation: tuple[int, ...]


@frozen(slots=True)
class TUpdate(TExpr):
    """`Line(..base, field: value)`: `changes` are `(field index, value)` in order of evaluation; the base comes behind `before` of them."""

    base: TExpr
    changes: tuple[tuple[int, TExpr], ...]
    before: int


@frozen(slots=True)
class TVariant(TExpr):
    """A variant of an option, result or enum."""

    variant: int
    args: tuple[TExpr, ...]


@frozen(slots=True)
class TArray(TExpr):
    """`[a, b]`."""

    items: tuple[TExpr, ...]


@frozen(slots=True)
class TUnary(TExpr):
    """`-`, `not` or `~`."""

    op: str
    operand: TExpr


@frozen(slots=True)
class TBinary(TExpr):
    """As in the tree; both operands have the same type, but for shifts. `site` is the operator's place."""

    op: str
    left: TExpr
    right: TExpr
    site: Span = field(eq=False, repr=False)


@frozen(slots=True)
class TConvert(TExpr):
    """`i64(x)`: checked conversion between numeric types."""

    value: TExpr


@frozen(slots=True)
class TTry(TExpr):
    """`base?`. `fails` means: the instance fails (kernels); otherwise the function returns the error."""

    base: TExpr
    fails: bool


@frozen(slots=True)
class TIf(TExpr):
    """Conditional value."""

    cond: TExpr
    then: TExpr
    orelse: TExpr


@frozen(slots=True)
class TMatch(TExpr):
    """`match` as a value."""

    subject: TExpr
    arms: tuple["TArm", ...]


@frozen(slots=True)
class TFString(TExpr):
    """Pieces to be joined: literals of type str, and values that have a text form."""

    parts: tuple[TExpr, ...]


@frozen(slots=True)
class TSetOp(TExpr):
    """`len`, `is_empty`, `values`, `keys`, `entries` or `items` of an input set."""

    op: str
    base: TExpr


# Patterns.


@frozen(slots=True)
class TPattern:
    """Base of patterns; `type` is the type of what is matched."""

    type: Type


@frozen(slots=True)
class PWild(TPattern):
    """`_`."""


@frozen(slots=True)
class PBind(TPattern):
    """A new local."""

    local: Local


@frozen(slots=True)
class PVariant(TPattern):
    """Variant number `variant`."""

    variant: int
    args: tuple[TPattern, ...]


@frozen(slots=True)
class PTuple(TPattern):
    """`(a, b)`."""

    items: tuple[TPattern, ...]


@frozen(slots=True)
class PLit(TPattern):
    """A literal of a type with equality."""

    value: TLit


# Statements.


@frozen(slots=True)
class TStmt:
    """Base of statements."""

    span: Span = field(eq=False, repr=False)


TBody = tuple[TStmt, ...]


@frozen(slots=True)
class TArm:
    """An arm of a match: `body` is an expression or statements."""

    pattern: TPattern
    guard: TExpr | None
    body: "TExpr | TBody"


@frozen(slots=True)
class TLet(TStmt):
    """`let pattern = value;` (irrefutable pattern) or `var x = value;` (a `PBind` of a `var`)."""

    pattern: TPattern
    value: TExpr


@frozen(slots=True)
class TAssign(TStmt):
    """`place op= value;`; op `=` is plain. `place` is a `TLocal`, `TField` or `TIndex` chain."""

    place: TExpr
    op: str
    value: TExpr


@frozen(slots=True)
class TEval(TStmt):
    """An expression for its effect."""

    value: TExpr


@frozen(slots=True)
class TIfStmt(TStmt):
    """`if`."""

    cond: TExpr
    then: TBody
    orelse: TBody


@frozen(slots=True)
class TMatchStmt(TStmt):
    """`match`."""

    subject: TExpr
    arms: tuple[TArm, ...]


@frozen(slots=True)
class TWhile(TStmt):
    """`while`."""

    cond: TExpr
    body: TBody


@frozen(slots=True)
class TForRange(TStmt):
    """`for i in lo..hi`."""

    local: Local
    lo: TExpr
    hi: TExpr
    body: TBody


@frozen(slots=True)
class TForArray(TStmt):
    """`for v in xs` / `for i, v in xs` over an array, bytes; `index` is the i64 local or None."""

    index: Local | None
    pattern: TPattern
    iterable: TExpr
    body: TBody


@frozen(slots=True)
class TForSet(TStmt):
    """Over an input set: `name` is bound by `xs.items()` only."""

    key: TPattern | None
    name: TPattern | None
    value: TPattern
    iterable: TExpr
    body: TBody


@frozen(slots=True)
class TReturn(TStmt):
    """`return`."""

    value: TExpr | None


@frozen(slots=True)
class TBreak(TStmt):
    """`break`."""


@frozen(slots=True)
class TContinue(TStmt):
    """`continue`."""


@frozen(slots=True)
class TEmit(TStmt):
    """`emit`: `output` is the number of the output."""

    output: int
    key: TExpr | None
    name: TExpr | None
    value: TExpr


@frozen(slots=True)
class TFail(TStmt):
    """`fail`."""

    message: TExpr


@frozen(slots=True)
class TNote(TStmt):
    """`note`."""

    message: TExpr


# Declarations.


@frozen(slots=True)
class TParam:
    """A parameter of a helper: `local` inside the body. `omittable`: declared `optional T` (type is `option[T]`)."""

    local: Local
    inout: bool
    omittable: bool
    default: TExpr | None


@frozen(slots=True)
class TFn:
    """A checked helper function. `body` None: intrinsic."""

    name: str
    type_params: tuple[TypeVar, ...]
    params: tuple[TParam, ...]
    result: Type
    body: TBody | None
    solutions: Mapping[int, Type]
    span: Span


@frozen(slots=True)
class TPort:
    """A port of a kernel, composition or communication function: `kind` is `one`, `optional`, `set`, or `key`.

    A parameter of kind `key` takes the key of the instance; inside the kernel it is like one of kind `one`.
    """

    name: str
    kind: str
    key: Type | None
    item: Type
    span: Span

    @property
    def flow(self) -> FlowType:
        """The port's type as a set."""
        card = {"one": "one", "key": "one", "optional": "optional", "set": "many"}[self.kind]
        return FlowType(card, self.key, self.item)


@frozen(slots=True)
class TKernel:
    """A checked `function`: `locals` are its parameters inside the body, in order."""

    name: str
    params: tuple[TPort, ...]
    outputs: tuple[TPort, ...]
    locals: tuple[Local, ...]
    body: TBody
    solutions: Mapping[int, Type]
    span: Span
