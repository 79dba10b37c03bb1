"""Lowers `match`: a switch on the tag where that is enough, else the arms are tested one by one.

The subject is evaluated once. If it is a variable that the arms might change and they bind parts of it that hold buffers,
it is shared first, so that what was bound stays what it was.
"""

from collections.abc import Callable, Sequence

from dandc.compiler import kir
from dandc.compiler.check.calls import place_root
from dandc.compiler.kir import FieldStep, Lit, PayloadStep, Place
from dandc.compiler.lower.functions import Lowering
from dandc.compiler.typed import (
    PBind,
    PLit,
    PTuple,
    PVariant,
    PWild,
    TArm,
    TExpr,
    TPattern,
)
from dandc.compiler.types import BOOL, I64
from dandc.lang.spans import Span

Body = Callable[[TArm], None]


def lower_match(low: Lowering, span: Span, subject: TExpr, arms: Sequence[TArm], body: Body) -> None:
    """The arms of a match; `body` lowers what an arm does."""
    place = _subject(low, subject, arms)
    low.b.site = span
    if all(a.guard is None and _is_flat(a.pattern) for a in arms):
        _switch(low, span, place, arms, body)
    else:
        _chain(low, span, place, arms, body)


def _subject(low: Lowering, subject: TExpr, arms: Sequence[TArm]) -> Place:
    root = place_root(subject)
    if root is None:
        return Place(low.materialise(low.own(subject)))
    binds_heap = any(low.context.is_heap(low.type(b.type)) for a in arms for b in bindings(a.pattern))
    if root.mutable and (binds_heap or any(low.changes(a, root) for a in arms)):
        return Place(low.materialise(low.own(subject)))
    return low.place(subject)


def bindings(pattern: TPattern) -> list[PBind]:
    """What a pattern binds."""
    match pattern:
        case PBind():
            return [pattern]
        case PVariant(args=parts) | PTuple(items=parts):
            return [b for p in parts for b in bindings(p)]
    return []


def _is_flat(pattern: TPattern) -> bool:
    if isinstance(pattern, PVariant):
        return all(isinstance(a, PBind | PWild) for a in pattern.args)
    return isinstance(pattern, PBind | PWild)


def _switch(low: Lowering, span: Span, place: Place, arms: Sequence[TArm], body: Body) -> None:
    tag = _tag(low, place, arms[0].pattern) if isinstance(arms[0].pattern, PVariant) else Lit(I64, 0)
    cases: list[tuple[int, kir.Body]] = []
    default: kir.Body | None = None
    for arm in arms:
        if default is not None or (isinstance(arm.pattern, PVariant) and arm.pattern.variant in dict(cases)):
            continue
        with low.b.body() as inner:
            bind(low, place, arm.pattern)
            body(arm)
        if isinstance(arm.pattern, PVariant):
            cases.append((arm.pattern.variant, tuple(inner)))
        else:
            default = tuple(inner)
    unreachable = (kir.Trap(span, "trap.unreachable"),)
    low.b.add(kir.Switch(span, tag, tuple(cases), unreachable if default is None else default))


def _tag(low: Lowering, place: Place, pattern: TPattern) -> int:
    subject = low.b.load(place, low.type(pattern.type), "borrow") if place.steps else place.root
    return low.b.op("tag", I64, subject)


def _chain(low: Lowering, span: Span, place: Place, arms: Sequence[TArm], body: Body) -> None:
    """First find the number of the arm that fits, then switch on it: no arm's code is copied."""
    chosen = low.b.local("", I64)
    low.b.assign(chosen, Lit(I64, -1))
    for i, arm in enumerate(arms):
        with low.b.when(low.b.op("lt", BOOL, chosen, Lit(I64, 0))):
            fits = test(low, place, arm.pattern)
            with low.b.when(fits):
                if arm.guard is None:
                    low.b.assign(chosen, Lit(I64, i))
                else:
                    bind(low, place, arm.pattern)
                    with low.b.when(low.read(arm.guard)):
                        low.b.assign(chosen, Lit(I64, i))
    cases = []
    for i, arm in enumerate(arms):
        with low.b.body() as inner:
            bind(low, place, arm.pattern)
            body(arm)
        cases.append((i, tuple(inner)))
    low.b.add(kir.Switch(span, chosen, tuple(cases), (kir.Trap(span, "trap.unreachable"),)))


def _part(place: Place, step: kir.Step) -> Place:
    return Place(place.root, (*place.steps, step))


def test(low: Lowering, place: Place, pattern: TPattern) -> int:
    """A bool: whether the value at `place` matches."""
    out = low.b.local("", BOOL)
    low.b.assign(out, Lit(BOOL, False))
    _test_into(low, place, pattern, lambda: low.b.assign(out, Lit(BOOL, True)))
    return out


def _test_into(low: Lowering, place: Place, pattern: TPattern, then: Callable[[], None]) -> None:
    match pattern:
        case PVariant(variant=variant, args=args):
            tag = _tag(low, place, pattern)
            with low.b.when(low.b.op("eq", BOOL, tag, Lit(I64, variant))):
                _test_parts(low, [(_part(place, PayloadStep(variant, i)), a) for i, a in enumerate(args)], then)
        case PTuple(items=items):
            _test_parts(low, [(_part(place, FieldStep(i)), p) for i, p in enumerate(items)], then)
        case PLit(value=value):
            t = low.type(pattern.type)
            found = low.b.load(place, t, "borrow")
            with low.b.when(low.compare("==", found, Lit(t, value.value))):
                then()
        case _:
            then()


def _test_parts(low: Lowering, parts: Sequence[tuple[Place, TPattern]], then: Callable[[], None]) -> None:
    if not parts:
        then()
        return
    place, pattern = parts[0]
    _test_into(low, place, pattern, lambda: _test_parts(low, parts[1:], then))


def bind(low: Lowering, place: Place, pattern: TPattern) -> None:
    """Give the locals of `pattern` their values; it is known to match."""
    match pattern:
        case PBind(local=local):
            slot = low.slots[id(local)] if id(local) in low.slots else low.declare(local)
            low.b.add(kir.Load(low.b.site, slot, place, "share"))
        case PVariant(variant=variant, args=args):
            for i, arg in enumerate(args):
                bind(low, _part(place, PayloadStep(variant, i)), arg)
        case PTuple(items=items):
            for i, item in enumerate(items):
                bind(low, _part(place, FieldStep(i)), item)
