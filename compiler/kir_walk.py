"""Looking through kernel IR: instructions in order, what an instruction reads, defines and consumes, and rebuilding.

Every pass and the verifier ask these same questions, so the answers stand here once.
"""

from collections.abc import Callable, Iterator

from attrs import evolve

from dandc.compiler.kir import (
    Assign,
    Body,
    Call,
    Const,
    Emit,
    Fail,
    FieldStep,
    For,
    Function,
    If,
    IndexStep,
    Instr,
    Lit,
    Load,
    Loop,
    Make,
    MakeArray,
    MakeVariant,
    Mutate,
    Note,
    Op,
    Operand,
    PayloadStep,
    Place,
    Return,
    Store,
    Switch,
)
from dandc.compiler.types import UNIT, Array, Type, TypeTable, fields, variants

# Primitives whose result is a view of their first operand's buffer.
VIEWS = frozenset({"slice", "to_bytes", "str_unchecked"})


def bodies(instr: Instr) -> tuple[Body, ...]:
    """The bodies directly inside an instruction."""
    match instr:
        case If(then=then, orelse=orelse):
            return (then, orelse)
        case Switch(cases=cases, default=default):
            return (*(body for _, body in cases), default)
        case Loop(body=body) | For(body=body):
            return (body,)
    return ()


def walk(body: Body) -> Iterator[Instr]:
    """Every instruction of a body, outer before inner, in order of text."""
    for instr in body:
        yield instr
        for inner in bodies(instr):
            yield from walk(inner)


def map_bodies(instr: Instr, change: Callable[[Body], Body]) -> Instr:
    """The instruction with each body directly inside it changed."""
    match instr:
        case If(then=then, orelse=orelse):
            return evolve(instr, then=change(then), orelse=change(orelse))
        case Switch(cases=cases, default=default):
            return evolve(instr, cases=tuple((n, change(body)) for n, body in cases), default=change(default))
        case Loop(body=body) | For(body=body):
            return evolve(instr, body=change(body))
    return instr


def place_of(instr: Instr) -> Place | None:
    """The place that a Load reads, or that a Store or Mutate changes."""
    return instr.place if isinstance(instr, Load | Store | Mutate) else None


def defined(instr: Instr) -> int | None:
    """The local that an instruction gives a whole new value."""
    match instr:
        case Assign(dst=dst) | Load(dst=dst) | Op(dst=dst) | Make(dst=dst) | MakeVariant(dst=dst) | MakeArray(dst=dst):
            return dst
        case Call(dst=dst) | Const(dst=dst):
            return dst
        case For(index=index):
            return index
    return None


def consumed(instr: Instr) -> tuple[Operand, ...]:
    """The operands that must be owned and are dead afterwards (if their type has buffers)."""
    match instr:
        case Assign(src=src) | Store(src=src):
            return (src,)
        case Make(args=args) | MakeVariant(args=args) | MakeArray(args=args):
            return args
        case Mutate(op="append", args=args):
            return args
        case Return(value=value):
            return () if value is None else (value,)
    return ()


def operands(instr: Instr) -> tuple[Operand, ...]:
    """All operands: consumed, read, and indices of places; not the roots of places."""
    match instr:
        case Assign(src=src):
            return (src,)
        case Store(place=place, src=src):
            return (*indices(place), src)
        case Load(place=place):
            return indices(place)
        case Op(args=args) | Make(args=args) | MakeVariant(args=args) | MakeArray(args=args):
            return args
        case Mutate(place=place, args=args):
            return (*indices(place), *args)
        case Call(args=args):
            return tuple(o for arg in args for o in (indices(arg) if isinstance(arg, Place) else (arg,)))
        case Emit(key=key, name=name, value=value):
            return tuple(o for o in (key, name, value) if o is not None)
    return _control_operands(instr)


def _control_operands(instr: Instr) -> tuple[Operand, ...]:
    match instr:
        case Note(message=message) | Fail(message=message):
            return (message,)
        case If(cond=cond):
            return (cond,)
        case Switch(subject=subject):
            return (subject,)
        case For(lo=lo, hi=hi):
            return (lo, hi)
        case Return(value=value):
            return () if value is None else (value,)
    return ()


def indices(place: Place) -> tuple[Operand, ...]:
    """The index operands of a place."""
    return tuple(step.index for step in place.steps if isinstance(step, IndexStep))


def places(instr: Instr) -> tuple[Place, ...]:
    """The places that an instruction reads or changes through."""
    if isinstance(instr, Call):
        return tuple(arg for arg in instr.args if isinstance(arg, Place))
    place = place_of(instr)
    return () if place is None else (place,)


def changed(instr: Instr) -> tuple[Place, ...]:
    """The places of mutable roots that an instruction changes in part or whole, other than by defining a local."""
    return () if isinstance(instr, Load) else places(instr)


def used(instr: Instr) -> list[int]:
    """The locals that an instruction reads, or changes a part of; its inner bodies not counted."""
    return [o for o in operands(instr) if isinstance(o, int)] + [p.root for p in places(instr)]


def operand_type(function: Function, operand: Operand) -> Type:
    """The type of an operand."""
    return operand.type if isinstance(operand, Lit) else function.locals[operand].type


def place_type(function: Function, place: Place, types: TypeTable) -> Type:
    """The type of a place."""
    t = function.locals[place.root].type
    for step in place.steps:
        t = step_type(t, step, types)
    return t


def step_type(t: Type, step: object, types: TypeTable) -> Type:
    """The type one step further. Raises KeyError, IndexError or AssertionError if there is no such step."""
    match step:
        case FieldStep(index=index):
            return fields(t, types)[index][1]
        case PayloadStep(variant=variant, index=index):
            return variants(t, types)[variant][1][index]
    assert isinstance(t, Array)
    return t.item


def result_type(function: Function) -> Type | None:
    """The type of what a function returns, None for nothing."""
    return None if function.result == UNIT else function.result


def call_cycles(functions: tuple[Function, ...]) -> frozenset[str]:
    """The functions that belong to a cycle of the call graph: whose nested calls are counted."""
    callees = {f.name: {i.fn for i in walk(f.body) if isinstance(i, Call)} for f in functions}
    return frozenset(name for name in callees if name in _reached(callees, name))


def _reached(callees: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(callees[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += callees.get(name, ())
    return seen
