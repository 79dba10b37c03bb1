"""The syntax tree of one `.dnd` module: frozen values, each with the span of its text.

The tree says what was written and nothing about what it means: names are unresolved, a call may turn out to
construct a record, `x[y]` may be an index or the type arguments of a generic function. Comments are not part
of the tree (the formatter reads them from the token stream); documentation comments (`///`) are.
"""

from attrs import field

from dandc.lang.spans import Span
from dandc.lang.tree_types import FnType as FnType
from dandc.lang.tree_types import KeyType as KeyType
from dandc.lang.tree_types import Name as Name
from dandc.lang.tree_types import NamedType as NamedType
from dandc.lang.tree_types import Node as Node
from dandc.lang.tree_types import OptionalType as OptionalType
from dandc.lang.tree_types import SetType as SetType
from dandc.lang.tree_types import TupleType as TupleType
from dandc.lang.tree_types import TypeExpr as TypeExpr
from dandc.lang.values import frozen

# Expressions of kernels.


@frozen(slots=True)
class Expr(Node):
    """Base of expressions."""


@frozen(slots=True)
class IntLit(Expr):
    """`42`, `1_000`, `0xff`, `0b1`, `0o7`."""

    value: int


@frozen(slots=True)
class FloatLit(Expr):
    """`1.5`, `2e-3`: `text` is kept because the value depends on the expected width."""

    text: str


@frozen(slots=True)
class BoolLit(Expr):
    """`true` or `false`."""

    value: bool


@frozen(slots=True)
class StrLit(Expr):
    """A plain string after escapes (and after unindenting, for triple quotes)."""

    value: str


@frozen(slots=True)
class BytesLit(Expr):
    """`b"..."`."""

    value: bytes


@frozen(slots=True)
class FStrLit(Expr):
    """`f"a{x}b"`: text pieces (`StrLit`) and expressions, in order."""

    parts: tuple[Expr, ...]


@frozen(slots=True)
class NameExpr(Expr):
    """A name used as a value (or, as decided later, a module or a type)."""

    name: Name


@frozen(slots=True)
class FieldExpr(Expr):
    """`base.name`."""

    base: Expr
    name: Name


@frozen(slots=True)
class IndexExpr(Expr):
    """`base[i]`, or type arguments as in `json.decode[Grant]` or `array[(i64, str)]`."""

    base: Expr
    items: tuple[Expr, ...]


@frozen(slots=True)
class SliceExpr(Expr):
    """`base[lo..hi]`; either bound may be missing."""

    base: Expr
    lo: Expr | None
    hi: Expr | None


@frozen(slots=True)
class Arg(Node):
    """An argument of a call: `value`, `name: value`, or `..value` (`spread`, in a record update)."""

    name: Name | None
    value: Expr
    spread: bool = False


@frozen(slots=True)
class CallExpr(Expr):
    """`callee(args)`: a function, a method, a record construction or a conversion."""

    callee: Expr
    args: tuple[Arg, ...]


@frozen(slots=True)
class TryExpr(Expr):
    """`base?`."""

    base: Expr


@frozen(slots=True)
class UnaryExpr(Expr):
    """`op` is `-`, `not` or `~`."""

    op: str
    operand: Expr


@frozen(slots=True)
class BinaryExpr(Expr):
    """`op` is one of `or and == != < <= > >= | ^ & << >> + - +% -% * / % *%`; `op_span` is its place."""

    op: str
    left: Expr
    right: Expr
    op_span: Span = field(eq=False, repr=False)


@frozen(slots=True)
class LambdaExpr(Expr):
    """`|a, (b, _)| body`: each parameter is a name, `_` or a tuple of patterns."""

    params: tuple["Pattern", ...]
    body: Expr


@frozen(slots=True)
class FieldInit(Node):
    """`name: value` or `"any text": value` of an anonymous record; the name's text is what it stands for."""

    name: Name
    value: Expr


@frozen(slots=True)
class AnonRecordExpr(Expr):
    """`{a: x, b: y}`: for encoding only."""

    fields: tuple[FieldInit, ...]


@frozen(slots=True)
class ArrayExpr(Expr):
    """`[a, b]`."""

    items: tuple[Expr, ...]


@frozen(slots=True)
class TupleExpr(Expr):
    """`(a, b)`, two or more, or `()`. Parentheses round one expression leave no trace in the tree."""

    items: tuple[Expr, ...]


@frozen(slots=True)
class IfExpr(Expr):
    """`if c { a } else { b }` as a value; `else if` nests in `orelse`."""

    cond: Expr
    then: Expr
    orelse: Expr


@frozen(slots=True)
class MatchExpr(Expr):
    """`match x { pattern => value, ... }` as a value."""

    subject: Expr
    arms: tuple["ExprArm", ...]


@frozen(slots=True)
class ExprArm(Node):
    """One arm of a `match` expression; `guard` after `if`."""

    pattern: "Pattern"
    guard: Expr | None
    value: Expr


@frozen(slots=True)
class RangeExpr(Expr):
    """`lo..hi`, half open: only after `in` of a `for`."""

    lo: Expr
    hi: Expr


# Patterns.


@frozen(slots=True)
class Pattern(Node):
    """Base of patterns."""


@frozen(slots=True)
class WildcardPattern(Pattern):
    """`_`."""


@frozen(slots=True)
class NamePattern(Pattern):
    """A bare name: a variant without payload if one is in scope for the subject's type, else a new binding."""

    name: Name


@frozen(slots=True)
class VariantPattern(Pattern):
    """`some(p)`, `Shape.circle(r)`: a dotted path and sub-patterns."""

    path: tuple[Name, ...]
    args: tuple[Pattern, ...]


@frozen(slots=True)
class TuplePattern(Pattern):
    """`(a, b)`."""

    items: tuple[Pattern, ...]


@frozen(slots=True)
class LiteralPattern(Pattern):
    """An integer (also negative), bool, str or bytes literal: `value` is the literal's expression."""

    value: Expr


# Statements of kernels.


@frozen(slots=True)
class Stmt(Node):
    """Base of statements."""


@frozen(slots=True)
class LetStmt(Stmt):
    """`let pattern: T = value;` or `var name: T = value;` (`mutable`, pattern is then a `NamePattern`)."""

    mutable: bool
    pattern: Pattern
    type: TypeExpr | None
    value: Expr


@frozen(slots=True)
class AssignStmt(Stmt):
    """`target op value;`; `op` is `=`, or `+=` and friends without the `=`: `+ - * / % +% -% *% & | ^ << >>`."""

    target: Expr
    op: str
    value: Expr


@frozen(slots=True)
class ExprStmt(Stmt):
    """`f(x);`, `xs.append(v);`, `check(x)?;`."""

    value: Expr


@frozen(slots=True)
class Block(Node):
    """`{ statements }`."""

    statements: tuple[Stmt, ...]


@frozen(slots=True)
class IfStmt(Stmt):
    """`orelse` is a block, another `IfStmt`, or nothing."""

    cond: Expr
    then: Block
    orelse: "Block | IfStmt | None"


@frozen(slots=True)
class StmtArm(Node):
    """One arm of a `match` statement: `pattern if guard => { ... }`."""

    pattern: Pattern
    guard: Expr | None
    body: Block


@frozen(slots=True)
class MatchStmt(Stmt):
    """`match x { ... }` as a statement; an arm's body that is one statement stands as a block of one."""

    subject: Expr
    arms: tuple[StmtArm, ...]


@frozen(slots=True)
class WhileStmt(Stmt):
    """`while cond { }`."""

    cond: Expr
    body: Block


@frozen(slots=True)
class ForStmt(Stmt):
    """`for v in xs`, `for k, v in xs`, `for i in 0..n`: one or more patterns before `in`."""

    targets: tuple[Pattern, ...]
    iterable: Expr
    body: Block


@frozen(slots=True)
class ReturnStmt(Stmt):
    """`return;` or `return value;`."""

    value: Expr | None


@frozen(slots=True)
class BreakStmt(Stmt):
    """`break;`."""


@frozen(slots=True)
class ContinueStmt(Stmt):
    """`continue;`."""


@frozen(slots=True)
class EmitStmt(Stmt):
    """`emit output[key] named name <- value;`; key and name may be missing."""

    output: Name
    key: Expr | None
    name: Expr | None
    value: Expr


@frozen(slots=True)
class FailStmt(Stmt):
    """`fail message;`."""

    message: Expr


@frozen(slots=True)
class NoteStmt(Stmt):
    """`note message;`."""

    message: Expr


# Parts of tests: they stand in `test` blocks only.


@frozen(slots=True)
class RunExpr(Expr):
    """`run path(args)`: a composition or function, run by the machine; an argument of a set is an array."""

    path: tuple[Name, ...]
    args: tuple[Arg, ...]


@frozen(slots=True)
class ExpectStmt(Stmt):
    """`expect value;`, `expect fails value with "code";`, `expect traps value;`.

    `mode` is `""`, `fails` or `traps`; `code` the string after `with`.
    """

    mode: str
    value: Expr
    code: StrLit | None


@frozen(slots=True)
class SetConfigStmt(Stmt):
    """`config name = value;`: the config's value in this test."""

    name: Name
    value: Expr


@frozen(slots=True)
class AnswerPart(Node):
    """One word of an answer with what follows it: `json {a: 1}`, `status 500`, `delay 5s`, `hang`.

    `duration_ms` is there instead of `value` after a duration.
    """

    word: Name
    value: Expr | None
    duration_ms: int | None = None


@frozen(slots=True)
class Answer(Node):
    """What a fake does at one request."""

    parts: tuple[AnswerPart, ...]


@frozen(slots=True)
class GivenRule(Node):
    """`GET "/path" => answer, answer;`: `method` may be missing; the last answer repeats."""

    method: Name | None
    target: StrLit
    answers: tuple[Answer, ...]


@frozen(slots=True)
class GivenStmt(Stmt):
    """`given endpoint { rules }`: the fake behind a declared endpoint."""

    endpoint: Name
    rules: tuple[GivenRule, ...]


@frozen(slots=True)
class ErrorStmt(Stmt):
    """A statement that did not parse; a diagnostic has been given."""


# Compositions.


@frozen(slots=True)
class FlowExpr(Node):
    """Base of what may stand as an argument or right-hand side in a composition."""


@frozen(slots=True)
class FlowRef(FlowExpr):
    """A set, an input or a config, by name."""

    name: Name


@frozen(slots=True)
class FlowConst(FlowExpr):
    """A constant expression in one-item position: a literal, `secret("t")`, an array or record of such."""

    value: Expr


@frozen(slots=True)
class FlowArg(Node):
    """`each xs`, `size: 3`. `shard` is `""` (bare), `all`, `each`, `keyed`, `anyEach` or `anyKeyed`."""

    name: Name | None
    shard: str
    value: FlowExpr


@frozen(slots=True)
class Policy(Node):
    """One policy of a call. `kind` is its first word, `on_failure` of `on failure`.

    `retry`: `count` and `on` (words such as `429`, `5xx`, `network`; empty means what is safe). `timeout`, `within`, `cache`:
    `duration_ms`. `concurrency`: `count`. `limit`: `bounds` are pairs of `memory`, `time` or `output` and bytes or milliseconds.
    `once`: `key`. `after`: `names`. `skip_empty`, `keep_empty` (`on empty (a, b) skip`): `names` of parameters. `on_failure`: `mode` is `fail`, `skip`, `value` or `collect` with `into`, which takes
    at most `count` failures, or `count` percent of the instances if `percent`, when that is not 0.
    """

    kind: str
    count: int = 0
    duration_ms: int = 0
    on: tuple[str, ...] = ()
    mode: str = ""
    into: Name | None = None
    percent: bool = False
    bounds: tuple[tuple[str, int], ...] = ()
    key: FlowExpr | None = None
    names: tuple[Name, ...] = ()


@frozen(slots=True)
class FlowJoin(Node):
    """`by x left y`: `strategies[i]` stands between names `i` and `i + 1`. `cross` alone has neither."""

    names: tuple[Name, ...]
    strategies: tuple[str, ...]


@frozen(slots=True)
class FlowCall(FlowExpr):
    """`f(args) join policies`: `path` is the dotted callee."""

    path: tuple[Name, ...]
    args: tuple[FlowArg, ...]
    policies: tuple[Policy, ...]
    join: FlowJoin | None = None


@frozen(slots=True)
class FlowReduce(FlowExpr):
    """`reduce f(all xs)`."""

    call: FlowCall


@frozen(slots=True)
class FlowMerge(FlowExpr):
    """`a ++ b` (`kind` is `join`) or `a else b` (`first`): two parts or more."""

    kind: str
    parts: tuple[FlowExpr, ...]


@frozen(slots=True)
class FlowStmt(Node):
    """`a, b = value;`. A call without targets stands as a statement with none."""

    targets: tuple[Name, ...]
    value: FlowExpr


@frozen(slots=True)
class FlowYield(Node):
    """`yield name <- value;` in a loop."""

    name: Name
    value: FlowExpr


@frozen(slots=True)
class FlowNext(Node):
    """`next name = value;` in a loop."""

    name: Name
    value: FlowExpr


@frozen(slots=True)
class LoopVar(Node):
    """`name: T = value` in the head of a loop."""

    name: Name
    type: TypeExpr
    value: FlowExpr


@frozen(slots=True)
class FlowLoop(Node):
    """`loop (variables) up to most { body } policies;`."""

    variables: tuple[LoopVar, ...]
    most: int
    body: "tuple[FlowStatement, ...]"
    policies: tuple[Policy, ...]


FlowStatement = FlowStmt | FlowYield | FlowNext | FlowLoop


# Items of a module.


@frozen(slots=True)
class Item(Node):
    """Base of items. `doc` is the text of the `///` lines before it, without the slashes."""

    doc: str = field(kw_only=True, default="", eq=False)
    public: bool = field(kw_only=True, default=False)


@frozen(slots=True)
class ImportItem(Item):
    """`import html;`, `import "lib/x.dnd" as x;` (`relative`): `path` is the text, `alias` may be missing."""

    path: str
    relative: bool
    alias: Name | None


@frozen(slots=True)
class ConfigItem(Item):
    """`config name: T = default;`."""

    name: Name
    type: TypeExpr
    default: Expr | None


@frozen(slots=True)
class EndpointItem(Item):
    """`endpoint service = http(service_url);`: `driver` names the communication module."""

    name: Name
    driver: Name
    args: tuple[Arg, ...]


@frozen(slots=True)
class ConstItem(Item):
    """`const name: T = value;`."""

    name: Name
    type: TypeExpr
    value: Expr


@frozen(slots=True)
class TypeParam(Node):
    """`T` or `T: ord`; bounds are `eq ord hash num data`, joined by `+`."""

    name: Name
    bounds: tuple[Name, ...]


@frozen(slots=True)
class Annotation(Node):
    """`@name("text")` before a field or variant."""

    name: Name
    value: StrLit


@frozen(slots=True)
class FieldDecl(Node):
    """`name: T` of a record, perhaps with annotations before it."""

    name: Name
    type: TypeExpr
    annotations: tuple[Annotation, ...] = ()


@frozen(slots=True)
class RecordItem(Item):
    """`record Line { time: i64, level: str }`."""

    name: Name
    type_params: tuple[TypeParam, ...]
    fields: tuple[FieldDecl, ...]


@frozen(slots=True)
class VariantDecl(Node):
    """`circle(f64)` or `point` of an enum, perhaps with annotations before it."""

    name: Name
    payload: tuple[TypeExpr, ...]
    annotations: tuple[Annotation, ...] = ()


@frozen(slots=True)
class EnumItem(Item):
    """`enum Shape { circle(f64), point }`."""

    name: Name
    type_params: tuple[TypeParam, ...]
    variants: tuple[VariantDecl, ...]


@frozen(slots=True)
class Param(Node):
    """`inout name: T = default` of a helper function."""

    name: Name
    type: TypeExpr
    inout: bool
    default: Expr | None


@frozen(slots=True)
class FnItem(Item):
    """`fn name[T: ord](params) -> R { ... }`; a body `= expr;` stands as a block of one `return`.

    `intrinsic` functions have no body: the compiler knows them (standard library only).
    """

    name: Name
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]
    result: TypeExpr | None
    body: Block | None


@frozen(slots=True)
class Port(Node):
    """A parameter or output of a function, composition or communication function: a name and a flow type."""

    name: Name
    type: TypeExpr


@frozen(slots=True)
class FunctionItem(Item):
    """`function name(params) => (outputs) { ... }`; `= expr;` stands as `expression` with an empty body."""

    name: Name
    params: tuple[Port, ...]
    outputs: tuple[Port, ...]
    body: Block | None
    expression: Expr | None


@frozen(slots=True)
class CommunicationItem(Item):
    """`communication name(params) => (outputs);`: done by the Python driver beside the module."""

    name: Name
    params: tuple[Port, ...]
    outputs: tuple[Port, ...]


@frozen(slots=True)
class CompositionItem(Item):
    """`composition name(params) => (outputs) { ... }`."""

    name: Name
    params: tuple[Port, ...]
    outputs: tuple[Port, ...]
    body: tuple[FlowStatement, ...]


@frozen(slots=True)
class DefaultItem(Item):
    """`default http retry 3;`: policies of all calls of the module `target`, of all functions (`function`) or compositions."""

    target: Name
    policies: tuple[Policy, ...]


@frozen(slots=True)
class TestItem(Item):
    """`test "title" for targets in table { ... }`; without a table `targets` is empty."""

    __test__ = False  # pytest takes classes of this name for its own

    title: StrLit
    targets: tuple[Pattern, ...]
    table: Expr | None
    body: Block


@frozen(slots=True)
class ErrorItem(Item):
    """An item that did not parse; a diagnostic has been given. `name` is known if the header was readable."""

    name: Name | None


@frozen(slots=True)
class Module(Node):
    """One file. `doc` is the text of leading `//!` lines."""

    file: str
    items: tuple[Item, ...]
    doc: str = field(default="", eq=False)
