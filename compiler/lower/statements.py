"""Lowers statements."""

from collections.abc import Callable

from dandc.compiler import kir
from dandc.compiler.check.calls import place_root
from dandc.compiler.kir import IndexStep, Lit, Operand, Place
from dandc.compiler.lower import derive
from dandc.compiler.lower.functions import Lowering
from dandc.compiler.lower.matching import bind, lower_match
from dandc.compiler.typed import (
    PBind,
    PWild,
    TArm,
    TAssign,
    TBody,
    TBreak,
    TContinue,
    TEmit,
    TEval,
    TFail,
    TForArray,
    TForRange,
    TForSet,
    TIfStmt,
    TLet,
    TLit,
    TLocal,
    TMatchStmt,
    TNote,
    TPattern,
    TReturn,
    TWhile,
)
from dandc.compiler.types import BYTES, I64, U8, UNIT, Array, Type, is_scalar


def lower_body(low: Lowering, body: TBody) -> None:
    """Statements one after the other."""
    for stmt in body:
        low.b.site = stmt.span
        _RULES[type(stmt)](low, stmt)


def _nested(low: Lowering, body: TBody) -> kir.Body:
    with low.b.body() as inner:
        lower_body(low, body)
    return tuple(inner)


def _let(low: Lowering, s: TLet) -> None:
    value = low.own(s.value)
    if isinstance(s.pattern, PBind):
        low.b.assign(low.declare(s.pattern.local), value)
    elif not isinstance(s.pattern, PWild):
        bind(low, Place(low.materialise(value)), s.pattern)


def _assign(low: Lowering, s: TAssign) -> None:
    t = low.type(s.place.type)
    if s.op == "=":
        place = low.place(s.place)
        value = low.own(s.value)
        low.b.site = s.place.span
        low.b.store(place, value)
    elif is_scalar(t):
        place = low.place(s.place)
        low.b.site = s.place.span
        current = low.b.load(place, t, "borrow")
        value = low.read(s.value)
        low.b.site = s.span
        low.b.store(place, low.arithmetic(s.op, current, value))
    else:
        _extend(low, s, t)


def _extend(low: Lowering, s: TAssign, t: Type) -> None:
    """`s += x` on text and arrays appends in place, unless computing `x` changes `s`: `s` is read before."""
    root, source = place_root(s.place), place_root(s.value)
    assert root is not None
    place = low.place(s.place)
    low.b.site = s.place.span
    if low.changes(s.value, root):
        before = low.b.local("", t, mutable=True)
        low.b.assign(before, low.b.load(place, t, "share"))
        value = low.own(s.value)
        low.b.site = s.span
        low.b.mutate("extend", Place(before), value)
        low.b.store(place, low.b.load(Place(before), t, "move"))
        return
    if any(isinstance(step, IndexStep) for step in place.steps) and not isinstance(s.value, TLit | TLocal):
        low.b.load(place, t, "borrow")  # an index outside traps before the value is computed
    value = low.own(s.value) if root is source else low.read(s.value)
    low.b.site = s.span
    low.b.mutate("extend", place, value)


def _eval(low: Lowering, s: TEval) -> None:
    low.value(s.value)


def _if(low: Lowering, s: TIfStmt) -> None:
    cond = low.read(s.cond)
    then, orelse = _nested(low, s.then), _nested(low, s.orelse)
    low.b.add(kir.If(s.span, cond, then, orelse))


def _match(low: Lowering, s: TMatchStmt) -> None:
    def body(arm: TArm) -> None:
        assert isinstance(arm.body, tuple)
        lower_body(low, arm.body)

    lower_match(low, s.span, s.subject, s.arms, body)


def _while(low: Lowering, s: TWhile) -> None:
    with low.b.looping():
        cond = low.read(s.cond)
        with low.b.when(low.b.not_(cond)):
            low.b.break_()
        lower_body(low, s.body)


def _for_range(low: Lowering, s: TForRange) -> None:
    lo, hi = low.reads_of((s.lo, s.hi))
    index = low.declare(s.local)
    with low.b.counting(lo, hi, index):
        lower_body(low, s.body)


def _for_array(low: Lowering, s: TForArray) -> None:
    t = low.type(s.iterable.type)
    root = place_root(s.iterable)
    item: Type = t.item if isinstance(t, Array) else U8
    if root is not None and root.mutable and (low.context.is_heap(item) or low.changes(s.body, root)):
        iterable = low.own(s.iterable)
    else:
        iterable = low.read(s.iterable)
    source = low.materialise(iterable)
    low.b.site = s.iterable.span
    index = low.declare(s.index) if s.index is not None else None
    with low.b.counting(Lit(I64, 0), low.b.length(source), index) as i:
        _element(low, source, t, i, s.pattern)
        lower_body(low, s.body)


def _element(low: Lowering, source: int, t: Type, i: int, pattern: TPattern) -> None:
    if isinstance(pattern, PWild):
        return
    if t == BYTES:
        value = low.b.op("byte_at", U8, source, i)
        bind(low, Place(value), pattern)
    elif isinstance(pattern, PBind):
        slot = low.declare(pattern.local)
        low.b.add(kir.Load(low.b.site, slot, Place(source, (IndexStep(i),)), "borrow"))
    else:
        bind(low, Place(source, (IndexStep(i),)), pattern)


def _for_set(low: Lowering, s: TForSet) -> None:
    source = low.materialise(low.read(s.iterable))
    low.b.site = s.iterable.span
    with low.b.counting(Lit(I64, 0), low.b.op("set_len", I64, source)) as i:
        for op, pattern in (("set_key", s.key), ("set_name", s.name), ("set_value", s.value)):
            if pattern is not None and not isinstance(pattern, PWild):
                part = low.b.op(op, low.type(pattern.type), source, i)
                restored = derive.change_maps(low, part, "restore_map", "trap.input")
                bind(low, Place(low.materialise(restored)), pattern)
        lower_body(low, s.body)


def _return(low: Lowering, s: TReturn) -> None:
    if s.value is None:
        low.b.return_()
        return
    root = place_root(s.value)
    if root is not None and root.kind in ("let", "var") and id(root) in low.slots and low.type(root.type) != UNIT:
        place = low.place(s.value)
        value: Operand = low.b.load(place, low.type(s.value.type), "move")
    else:
        value = low.own(s.value)
    low.b.site = s.span
    low.b.return_(None if low.b.result == UNIT else value)


def _break(low: Lowering, s: TBreak) -> None:
    low.b.break_()


def _continue(low: Lowering, s: TContinue) -> None:
    low.b.add(kir.Continue(s.span))


def _emit(low: Lowering, s: TEmit) -> None:
    key = low.read(s.key) if s.key is not None else None
    name = low.read(s.name) if s.name is not None else None
    if derive.holds_map(low.context, low.type(s.value.type)):
        value = derive.change_maps(low, low.own(s.value), "pack_map", "trap.unreachable")
    else:
        value = low.read(s.value)
    low.b.add(kir.Emit(s.span, s.output, key, name, value))


def _fail(low: Lowering, s: TFail) -> None:
    message = low.read(s.message)
    low.b.add(kir.Fail(s.span, message))


def _note(low: Lowering, s: TNote) -> None:
    message = low.read(s.message)
    low.b.add(kir.Note(s.span, message))


_RULES: dict[type, Callable[..., None]] = {
    TLet: _let, TAssign: _assign, TEval: _eval, TIfStmt: _if, TMatchStmt: _match, TWhile: _while,
    TForRange: _for_range, TForArray: _for_array, TForSet: _for_set, TReturn: _return, TBreak: _break,
    TContinue: _continue, TEmit: _emit, TFail: _fail, TNote: _note,
}  # fmt: skip
