"""Lowers typed bodies to kernel IR functions.

**Order and aliasing.** Expressions are evaluated left to right. Reading a place gives an alias (`borrow`) where the value
is only looked at, and an independent value (`share`) where it is kept; a place that another part of the same expression
changes is always shared first. A parameter whose buffers could come out of the callee in its result is passed as shared,
because the caller's variable must then no longer be thought exclusive.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import Factory, define

from dandc.compiler import kir
from dandc.compiler.check.calls import place_root
from dandc.compiler.check.captures import Implicit, walk
from dandc.compiler.check.constants import settle
from dandc.compiler.check.evaluate import constant_of
from dandc.compiler.check.infer import substitute
from dandc.compiler.encoding import Variant
from dandc.compiler.floats import nearest_float
from dandc.compiler.kir import FieldStep, IndexStep, Lit, Operand, Place
from dandc.compiler.lower import derive, intrinsics
from dandc.compiler.lower.builder import Builder
from dandc.compiler.lower.context import BoundFn, Context
from dandc.compiler.typed import (
    Local,
    TArm,
    TArray,
    TBinary,
    TCall,
    TCallValue,
    TConfig,
    TConvert,
    TEndpoint,
    TExpr,
    TField,
    TFn,
    TFnRef,
    TFString,
    TIf,
    TIndex,
    TLambda,
    TLit,
    TLocal,
    TMake,
    TMatch,
    TSetOp,
    TSlice,
    TTry,
    TUnary,
    TUpdate,
    TVariant,
)
from dandc.compiler.types import (
    BOOL,
    BYTES,
    I64,
    STR,
    U8,
    UNIT,
    Array,
    Basic,
    Fn,
    Option,
    RecordDef,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeVar,
    is_float,
    is_int,
    is_scalar,
    is_signed,
)
from dandc.lang import tree

OPS = {
    "+": "add", "-": "sub", "*": "mul", "%": "mod", "+%": "add_wrap", "-%": "sub_wrap", "*%": "mul_wrap",
    "&": "bit_and", "|": "bit_or", "^": "bit_xor", "<<": "shl", ">>": "shr",
    "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip
# Text of constants up to this many characters is written where it is used.
LITERAL_SIZE = 256
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@define(eq=False)
class Lowering:
    """One function body being lowered."""

    context: Context
    b: Builder
    bindings: Mapping[TypeVar, Type]
    solutions: Mapping[int, Type]
    kernel: bool
    # What a lambda in this body is called after: the helper or kernel with its type arguments. Functions that are passed
    # to it do not count, or else a lambda in a recursive helper would be another one in every call.
    base: str
    slots: dict[int, int] = Factory(dict)
    functions: dict[int, BoundFn] = Factory(dict)
    implicit: dict[Implicit, int] = Factory(dict)

    def type(self, t: Type) -> Type:
        """`t` as it is in this instance."""
        return self.context.concrete(substitute(settle(t, self.solutions), self.bindings))

    def declare(self, local: Local) -> int:
        """The slot of a new local."""
        self.slots[id(local)] = self.b.local(local.name, self.type(local.type), mutable=local.kind in ("var", "inout"))
        return self.slots[id(local)]

    def slot(self, local: Local) -> int:
        """The slot of a known local."""
        return self.slots[id(local)]

    # Places.

    def place(self, expr: TExpr) -> Place:
        """Where `expr` stands; a value that stands nowhere is put into a temporary."""
        match expr:
            case TLocal(local=local):
                return Place(self.slot(local))
            case TField(base=base, index=index):
                inner = self.place(base)
                return Place(inner.root, (*inner.steps, FieldStep(index)))
            case TIndex(base=base, index=index) if isinstance(self.type(base.type), Array):
                inner = self.place(base)
                step = IndexStep(self.read(index))
                return Place(inner.root, (*inner.steps, step))
        return Place(self.materialise(self.own(expr)))

    def materialise(self, operand: Operand) -> int:
        """`operand` as a local."""
        if isinstance(operand, int):
            return operand
        dst = self.b.local("", operand.type)
        self.b.assign(dst, operand)
        return dst

    def _is_place(self, expr: TExpr) -> bool:
        return place_root(expr) is not None and not (isinstance(expr, TIndex) and self.type(expr.base.type) == BYTES)

    # Values.

    def read(self, expr: TExpr, others: tuple[TExpr, ...] = ()) -> Operand:
        """The value of `expr` to be looked at; `others` are evaluated before that happens."""
        root = place_root(expr)
        if root is None or not self._is_place(expr):
            return self.value(expr)
        if root.mutable and any(self.changes(other, root) for other in others):
            return self.own(expr)
        place = self.place(expr)
        self.b.site = expr.span
        if not place.steps and not root.mutable:
            return place.root
        return self.b.load(place, self.type(expr.type), "borrow")

    def own(self, expr: TExpr) -> Operand:
        """The value of `expr` to be kept."""
        if not self._is_place(expr):
            return self.value(expr)
        place = self.place(expr)
        t = self.type(expr.type)
        self.b.site = expr.span
        if isinstance(t, SetRef):
            return place.root
        return self.b.load(place, t, "share")

    def value(self, expr: TExpr) -> Operand:
        """The value of an expression that is no place: always owned."""
        self.b.site = expr.span
        return _VALUES[type(expr)](self, expr)

    def changes(self, expr: TExpr | object, root: Local) -> bool:
        """Whether evaluating `expr` (or running such statements) changes `root`."""
        for node in walk(expr):
            place = getattr(node, "place", None)
            if isinstance(place, TExpr) and place_root(place) is root:
                return True
            if isinstance(node, TCall):
                params = self.context.world.fns[node.fn].params
                if any(p.inout and place_root(a) is root for p, a in zip(params, node.args, strict=True)):
                    return True
        return False

    def reads_of(self, exprs: tuple[TExpr, ...], order: tuple[int, ...] = ()) -> tuple[Operand, ...]:
        """Operands to be looked at, evaluated in the given order, else from left to right."""
        order = order or tuple(range(len(exprs)))
        found = {i: self.read(exprs[i], tuple(exprs[j] for j in order[n + 1 :])) for n, i in enumerate(order)}
        return tuple(found[i] for i in range(len(exprs)))

    # Calls.

    def bind_function(self, expr: TExpr) -> BoundFn:
        """The function that a function-valued argument is."""
        match expr:
            case TLocal(local=local):
                return self.functions[id(local)]
            case TFnRef(fn=fn, type_args=type_args):
                return self._bind_named(fn, tuple(self.type(t) for t in type_args))
            case TLambda():
                return self._lift(expr)
        raise AssertionError(expr)

    def _bind_named(self, fn: str, type_args: tuple[Type, ...]) -> BoundFn:
        name = instance(self.context, fn, type_args, ())
        return BoundFn(name, tuple(self.implicit[i] for i in self.context.implicit(fn)))

    def _lift(self, expr: TLambda) -> BoundFn:
        """Make the lambda a function of its own: captured locals and functions become further parameters."""
        values = [c for c in expr.captures if id(c) in self.slots]
        functions = [c for c in expr.captures if id(c) in self.functions]
        implicit = self.context.reads_all(expr.body)
        outer = [self.slot(c) for c in values]
        outer += [slot for f in functions for slot in self.functions[id(f)].captures]
        outer += [self.implicit[i] for i in implicit]
        name = self.context.lambda_name(self.base, expr.span)
        name += "".join(f"({self.functions[id(f)].name})" for f in functions)

        def build() -> kir.Function:
            b = Builder(name, expr.span, self.type(expr.body.type))
            inner = Lowering(self.context, b, self.bindings, self.solutions, self.kernel, self.base)
            for local in (*expr.params, *values):
                inner.slots[id(local)] = b.param(local.name, self.type(local.type))
            for local in functions:
                known = self.functions[id(local)]
                slots = tuple(b.param("", self.b.locals[s].type) for s in known.captures)
                inner.functions[id(local)] = BoundFn(known.name, slots)
            for i in implicit:
                inner.implicit[i] = b.param(i[1], self.b.locals[self.implicit[i]].type)
            result = inner.own(expr.body)
            b.return_(None if b.result == UNIT else result)
            return b.finish()

        return BoundFn(self.context.request(name, build), tuple(outer))

    def call(self, expr: TCall) -> Operand:
        """A call of a helper or an intrinsic."""
        decl = self.context.world.fns[expr.fn]
        type_args = tuple(self.type(t) for t in expr.type_args)
        if isinstance(decl.item, tree.ConstItem):
            return self.constant(expr)
        if decl.intrinsic:
            return intrinsics.lower(self, expr, type_args)
        bound = {i: self.bind_function(a) for i, a in enumerate(expr.args) if isinstance(decl.params[i].type, Fn)}
        name = instance(self.context, expr.fn, type_args, tuple(b.name for b in bound.values()))
        result = self.type(expr.type)
        args = self._arguments(expr, result)
        captured = tuple(slot for b in bound.values() for slot in b.captures)
        implicit = tuple(self.implicit[i] for i in self.context.implicit(expr.fn))
        self.b.site = expr.span
        return self.b.call(name, result, *args, *self._loaded(captured), *implicit)

    def constant(self, expr: TCall) -> Operand:
        """The value of a constant: a literal if it is small, else one that stands in the image."""
        t, value = self.type(expr.type), constant_of(self.context.world, expr.fn)
        small = not isinstance(value, str | bytes) or len(value) <= LITERAL_SIZE
        if isinstance(t, Basic) and not isinstance(value, tuple | Variant) and small:
            return Lit(t, value)
        self.context.constants.setdefault(expr.fn, kir.Constant(expr.fn, t, value))
        return self.b.const(t, expr.fn)

    def _loaded(self, captured: tuple[int, ...]) -> tuple[Operand, ...]:
        """Captured locals as arguments: variables are shared, for the callee may give their buffers back."""
        operands: list[Operand] = []
        for slot in captured:
            local = self.b.locals[slot]
            mutable = local.mutable
            operands.append(self.b.load(Place(slot), local.type, "share") if mutable else slot)
        return tuple(operands)

    def _arguments(self, expr: TCall, result: Type) -> tuple[Operand | Place, ...]:
        params = self.context.world.fns[expr.fn].params
        leaks = self.context.buffers(result)
        for param, arg in zip(params, expr.args, strict=True):
            if param.inout:
                leaks |= self.context.buffers(self.type(arg.type))
        args: dict[int, Operand | Place] = {}
        changing = any(p.inout for p in params)
        for i in expr.evaluation or range(len(params)):
            param, arg = params[i], expr.args[i]
            others = expr.args[:i] + expr.args[i + 1 :]
            if isinstance(param.type, Fn):
                continue
            args[i] = self.place(arg) if param.inout else self._argument(arg, others, leaks, changing)
        return tuple(args[i] for i in sorted(args))

    def _argument(self, arg: TExpr, others: tuple[TExpr, ...], leaks: frozenset[str], changing: bool) -> Operand:
        root = place_root(arg)
        if root is not None and root.mutable:
            aliased = changing and any(place_root(o) is root for o in others)
            if aliased or self.context.buffers(self.type(arg.type)) & leaks:
                return self.own(arg)
        return self.read(arg, others)

    def call_value(self, expr: TCallValue) -> Operand:
        """A call of a function-valued parameter."""
        bound = self.functions[id(expr.local)]
        result = self.type(expr.type)
        leaks = self.context.buffers(result)
        args = tuple(
            self._argument(a, expr.args[:i] + expr.args[i + 1 :], leaks, changing=False)
            for i, a in enumerate(expr.args)
        )
        self.b.site = expr.span
        return self.b.call(bound.name, result, *args, *bound.captures)

    # Comparison.

    def compare(self, op: str, left: Operand, right: Operand) -> Operand:
        """`left op right` of any type that has the operator."""
        t = self.b.type_of(left)
        if is_scalar(t) or t in (STR, BYTES):
            return self.b.op(OPS[op], BOOL, left, right)
        if op in ("==", "!="):
            equal = self.b.call(derive.equality(self.context, t), BOOL, left, right)
            return equal if op == "==" else self.b.not_(equal)
        order = self.b.call(derive.ordering(self.context, t), I64, left, right)
        return self.b.op(OPS[op], BOOL, order, Lit(I64, 0))

    def arithmetic(self, op: str, left: Operand, right: Operand) -> Operand:
        """`left op right` of scalars."""
        t = self.b.type_of(left)
        name = ("div" if is_float(t) else "floordiv") if op == "/" else OPS[op]
        return self.b.op(name, t, left, right)

    def join(self, parts: tuple[TExpr, ...], t: Type) -> Operand:
        """The parts (str, bytes or arrays) one after the other, as a new value."""
        out = self.b.local("", t, mutable=True)
        self.b.assign(out, self._empty(t))
        for part in parts:
            operand = self.text_of(part) if t == STR else self.read(part)
            self.b.mutate("extend", Place(out), operand)
        return self.b.load(Place(out), t, "move")

    def _empty(self, t: Type) -> Operand:
        if t == STR:
            return Lit(STR, "")
        return Lit(BYTES, b"") if t == BYTES else self.b.array(t, ())

    def text_of(self, part: TExpr) -> Operand:
        """The text form of a value."""
        t = self.type(part.type)
        operand = self.read(part)
        self.b.site = part.span
        if t == STR:
            return operand
        if t == BOOL:
            return self._show("show_bool", operand)
        if is_int(t):
            wide = I64 if is_signed(t) else Basic("u64")
            operand = operand if t == wide else self.b.op("convert", wide, operand)
            return self._show("show_i64" if wide == I64 else "show_u64", operand)
        if is_float(t):
            return self._show("show_f64" if t == Basic("f64") else "show_f32", operand)
        return self.b.load(Place(self.materialise(operand), (FieldStep(1),)), STR, "borrow")  # an endpoint's URL

    def _show(self, name: str, operand: Operand) -> Operand:
        return self.b.call(instance(self.context, f"prelude.{name}", (), ()), STR, operand)

    def message(self, error: Place, t: Type) -> Operand:
        """The text of an error that `?` shows: a str, or the record's field `message`."""
        if t == STR:
            return self.b.load(error, STR, "borrow")
        definition = self.context.table[str(t)]
        assert isinstance(definition, RecordDef)
        index = next(i for i, (name, _) in enumerate(definition.fields) if name == "message")
        return self.b.load(Place(error.root, (*error.steps, FieldStep(index))), STR, "borrow")


def instance(context: Context, fn: str, type_args: tuple[Type, ...], functions: tuple[str, ...]) -> str:
    """The name of the instance of helper `fn`; it will be built."""
    typed = context.world.typed_fn(fn)
    base = fn + (f"[{', '.join(map(str, type_args))}]" if type_args else "")
    name = base + "".join(f"({f})" for f in functions)
    return context.request(name, lambda: build_instance(context, typed, base, name, type_args, functions))


def build_instance(
    context: Context, typed: TFn, base: str, name: str, type_args: tuple[Type, ...], functions: tuple[str, ...]
) -> kir.Function:
    """A helper with its choice of types and functions; `base` names it without the functions."""
    from dandc.compiler.lower.statements import lower_body

    bindings = dict(zip(typed.type_params, type_args, strict=True))
    b = Builder(name, typed.span)
    low = Lowering(context, b, bindings, typed.solutions, kernel=False, base=base)
    b.result = low.type(typed.result)
    bound = iter(functions)
    late: list[tuple[Local, str]] = []
    for param in typed.params:
        if isinstance(param.local.type, Fn):
            late.append((param.local, next(bound)))
        else:
            low.slots[id(param.local)] = b.param(param.local.name, low.type(param.local.type), inout=param.inout)
    for local, fn in late:
        low.functions[id(local)] = BoundFn(fn, _capture_params(context, b, fn, local, low))
    for i in context.implicit(typed.name) if typed.name in context.world.fns else ():
        low.implicit[i] = b.param(i[1], implicit_type(context, i))
    lower_body(low, typed.body or ())
    if b.result == UNIT:
        b.return_()
    else:
        b.add(kir.Trap(typed.span, "trap.unreachable"))  # the checker knows that every path has returned
    return b.finish()


def _capture_params(context: Context, b: Builder, fn: str, local: Local, low: Lowering) -> tuple[int, ...]:
    """Parameters for what the function value `fn` captures: its own parameters after those of its type."""
    known = context.functions[fn]
    if known is None:
        context.functions[fn] = known = _build_now(context, fn)
    assert isinstance(local.type, Fn)
    own = len(local.type.params)
    return tuple(b.param(c.name, c.type) for c in known.locals[own : known.params])


def _build_now(context: Context, fn: str) -> kir.Function:
    """Build a waiting function ahead of its turn."""
    for i, (name, build) in enumerate(context.waiting):
        if name == fn:
            del context.waiting[i]
            return build()
    raise AssertionError(f"{fn} is being built: function values never contain themselves")


def implicit_type(context: Context, implicit: Implicit) -> Type:
    """The type of an implicit input: a config's type, or str (the URL) for an endpoint."""
    kind, name = implicit
    return context.concrete(context.world.configs[name].type) if kind == "config" else STR


# Values, by kind of expression.


def _literal(low: Lowering, e: TLit) -> Operand:
    t = low.type(e.type)
    if e.is_float:
        return Lit(t, nearest_float(str(e.value), t))
    return Lit(t, e.value)


def _config(low: Lowering, e: TConfig) -> Operand:
    slot = low.implicit["config", e.name]
    return low.b.load(Place(slot), low.b.locals[slot].type, "share")


def _endpoint(low: Lowering, e: TEndpoint) -> Operand:
    t = low.type(e.type)
    url = low.b.load(Place(low.implicit["endpoint", e.name]), STR, "share")
    name = e.name.rsplit(".", 1)[-1] if e.name.count(".") == 1 else e.name
    return low.b.make(t, (Lit(STR, name), url))


def _byte(low: Lowering, e: TIndex) -> Operand:
    base, index = low.reads_of((e.base, e.index))
    low.b.site = e.span
    return low.b.op("byte_at", U8, base, index)


def _field_of_value(low: Lowering, e: TField | TIndex) -> Operand:
    if isinstance(e, TIndex) and low.type(e.base.type) == BYTES:
        return _byte(low, e)
    place = low.place(e)
    low.b.site = e.span
    return low.b.load(place, low.type(e.type), "share")


def _slice(low: Lowering, e: TSlice) -> Operand:
    bounds = tuple(x for x in (e.lo, e.hi) if x is not None)
    root = place_root(e.base)
    base = low.own(e.base) if root is not None and root.mutable else low.read(e.base, bounds)
    lo = low.read(e.lo) if e.lo else Lit(I64, 0)
    hi = low.read(e.hi) if e.hi else low.b.length(base)
    low.b.site = e.span
    return low.b.op("slice", low.type(e.type), base, lo, hi)


def _make(low: Lowering, e: TMake) -> Operand:
    values: dict[int, Operand] = {}
    for i in e.evaluation:
        values[i] = _settled(low, e.args[i])
    low.b.site = e.span
    return low.b.make(low.type(e.type), tuple(values[i] for i in range(len(e.args))))


def _settled(low: Lowering, expr: TExpr) -> Operand:
    """An owned value that later evaluation cannot change."""
    return low.own(expr)


def _update(low: Lowering, e: TUpdate) -> Operand:
    t = low.type(e.type)
    early = [(index, _settled(low, value)) for index, value in e.changes[: e.before]]
    out = low.b.local("", t, mutable=True)
    low.b.assign(out, low.own(e.base))
    for index, operand in early:
        low.b.store(Place(out, (FieldStep(index),)), operand)
    for index, value in e.changes[e.before :]:
        low.b.store(Place(out, (FieldStep(index),)), low.own(value))
    return low.b.load(Place(out), t, "move")


def _variant(low: Lowering, e: TVariant) -> Operand:
    args = tuple(low.own(a) for a in e.args)
    low.b.site = e.span
    return low.b.variant(low.type(e.type), e.variant, *args)


def _array(low: Lowering, e: TArray) -> Operand:
    items = tuple(low.own(i) for i in e.items)
    low.b.site = e.span
    return low.b.array(low.type(e.type), items)


def _unary(low: Lowering, e: TUnary) -> Operand:
    operand = low.read(e.operand)
    low.b.site = e.span
    return low.b.op({"-": "neg", "not": "not", "~": "bit_not"}[e.op], low.type(e.type), operand)


def _binary(low: Lowering, e: TBinary) -> Operand:
    if e.op in ("and", "or"):
        return _short_circuit(low, e)
    t = low.type(e.left.type)
    if e.op == "+" and not is_scalar(t):
        return low.join((e.left, e.right), t)
    left, right = low.reads_of((e.left, e.right))
    low.b.site = e.span
    if e.op in COMPARISONS:
        return low.compare(e.op, left, right)
    return low.arithmetic(e.op, left, right)


def _short_circuit(low: Lowering, e: TBinary) -> Operand:
    out = low.b.local("", BOOL)
    left = low.read(e.left)
    with low.b.body() as more:
        low.b.assign(out, low.read(e.right))
    with low.b.body() as done:
        low.b.assign(out, Lit(BOOL, e.op == "or"))
    then, orelse = (more, done) if e.op == "and" else (done, more)
    low.b.add(kir.If(e.span, left, tuple(then), tuple(orelse)))
    return out


def _convert(low: Lowering, e: TConvert) -> Operand:
    operand = low.read(e.value)
    low.b.site = e.span
    target = low.type(e.type)
    return operand if low.b.type_of(operand) == target else low.b.op("convert", target, operand)


def _try(low: Lowering, e: TTry) -> Operand:
    t = low.type(e.base.type)
    base = low.materialise(low.own(e.base))
    low.b.site = e.span
    tag = low.b.op("tag", I64, base)
    bad = 0 if isinstance(t, Option) else 1
    with low.b.when(low.b.op("eq", BOOL, tag, Lit(I64, bad))):
        _leave(low, e, t, base)
    item = low.type(e.type)
    if item == UNIT:
        return Lit(UNIT, None)
    return low.b.load(Place(base, (kir.PayloadStep(1 - bad, 0),)), item, "move")


def _leave(low: Lowering, e: TTry, t: Type, base: int) -> None:
    error = Place(base, (kir.PayloadStep(1, 0),))
    if e.fails:
        text: Operand = Lit(STR, "expected a value, found `none`")
        if isinstance(t, Result):
            text = low.message(error, t.err)
        low.b.add(kir.Fail(e.span, text))
    elif isinstance(t, Result):
        value: Operand = Lit(UNIT, None) if t.err == UNIT else low.b.load(error, t.err, "move")
        low.b.return_(low.b.variant(low.b.result, 1, value))
    else:
        low.b.return_(low.b.variant(low.b.result, 0))


def _if(low: Lowering, e: TIf) -> Operand:
    t = low.type(e.type)
    out = low.b.local("", t)
    cond = low.read(e.cond)
    with low.b.body() as then:
        low.b.assign(out, low.own(e.then))
    with low.b.body() as orelse:
        low.b.assign(out, low.own(e.orelse))
    low.b.add(kir.If(e.span, cond, tuple(then), tuple(orelse)))
    return out


def _match(low: Lowering, e: TMatch) -> Operand:
    from dandc.compiler.lower.matching import lower_match

    out = low.b.local("", low.type(e.type))

    def body(arm: TArm) -> None:
        assert isinstance(arm.body, TExpr)  # statements are bodies of match statements only
        low.b.assign(out, low.own(arm.body))

    lower_match(low, e.span, e.subject, e.arms, body)
    return out


def _fstring(low: Lowering, e: TFString) -> Operand:
    return low.join(e.parts, STR)


def _set_op(low: Lowering, e: TSetOp) -> Operand:
    base = low.read(e.base)
    n = low.b.op("set_len", I64, base)
    if e.op == "len":
        return n
    if e.op == "is_empty":
        return low.b.op("eq", BOOL, n, Lit(I64, 0))
    t = low.type(e.type)
    assert isinstance(t, Array)
    out = low.b.local("", t, mutable=True)
    low.b.assign(out, low.b.array(t, ()))
    low.b.mutate("reserve", Place(out), n)
    with low.b.counting(Lit(I64, 0), n) as i:
        low.b.mutate("append", Place(out), _set_item(low, e.op, t.item, base, i))
    return low.b.load(Place(out), t, "move")


def _set_item(low: Lowering, op: str, t: Type, base: Operand, i: int) -> Operand:
    """What the array that the operation `op` gives holds of item `i`; each part of the item is decoded once."""
    parts = {"values": ("value",), "keys": ("key",), "entries": ("key", "value"), "items": ("key", "name", "value")}[op]
    if not isinstance(t, Tuple) or op in ("values", "keys"):
        types: tuple[Type, ...] = (t,)
    else:
        types, parts = t.items, parts[-len(t.items) :]
    read = [low.b.op(f"set_{p}", of, base, i) for p, of in zip(parts, types, strict=True)]
    restored = tuple(derive.change_maps(low, r, "restore_map", "trap.input") for r in read)
    return restored[0] if len(restored) == 1 else low.b.make(t, restored)


_VALUES: dict[type, Callable[[Lowering, Any], Operand]] = {
    TLit: _literal, TConfig: _config, TEndpoint: _endpoint, TIndex: _field_of_value, TField: _field_of_value,
    TSlice: _slice, TCall: Lowering.call, TCallValue: Lowering.call_value, TMake: _make, TUpdate: _update,
    TVariant: _variant, TArray: _array, TUnary: _unary, TBinary: _binary, TConvert: _convert, TTry: _try,
    TIf: _if, TMatch: _match, TFString: _fstring, TSetOp: _set_op,
}  # fmt: skip
