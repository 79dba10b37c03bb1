"""Decides which loops and functions are regions: what they allocate is given back at the end of an iteration or call.

A loop is a region if nothing heap-typed that an iteration creates can be reached afterwards, once generated code has
copied flat buffers out: values of depth 1 that go into places outer to the loop are promoted (`codegen/memory.py`), so only
three things stand against it: a value of depth 2 or more that goes into an outer place, an alias (`borrow`) kept in an
outer local, and a call of a function that puts such a value into an outer place through `inout`. And it is only one if
that gives something back: it allocates more than the growth of outer places.

A function is a region if its result holds no buffers and it puts no deep values into its `inout` parameters.

Sound because it only ever asks for less: a loop that is not a region merely keeps its memory until something around it
goes. It never looks at values, only at types and places.
"""

from attrs import evolve

from dandc.compiler.codegen.layout import Layout
from dandc.compiler.kir import (
    Body,
    Call,
    For,
    Function,
    IndexStep,
    Instr,
    Kernel,
    Load,
    Loop,
    MakeArray,
    Mutate,
    Op,
    Place,
    Store,
)
from dandc.compiler.kir_walk import changed, defined, map_bodies, operand_type, place_type, walk
from dandc.compiler.passes.scopes import Scopes, scopes
from dandc.compiler.types import Array, Type, is_scalar
from dandc.lang.values import frozen

name = "regions"


def run(kernel: Kernel) -> Kernel:
    """The kernel with `release` set on its loops and functions."""
    facts = _Facts(Layout(kernel.types), {f.name: f for f in kernel.functions}, set(), set())
    _close(facts, kernel)
    return evolve(kernel, functions=tuple(_mark(facts, f, entry=f is kernel.functions[0]) for f in kernel.functions))


@frozen
class _Facts:
    """What is known of the functions: which keep deep values in `inout` places, which leave allocations behind."""

    layout: Layout
    functions: dict[str, Function]
    deep: set[str]
    allocating: set[str]

    def depth(self, t: Type) -> int:
        return self.layout.depth(t)


def _close(facts: _Facts, kernel: Kernel) -> None:
    before = -1
    while before != len(facts.deep) + len(facts.allocating):
        before = len(facts.deep) + len(facts.allocating)
        for function in kernel.functions:
            inout = {i for i in range(function.params) if function.inout[i]}
            if any(_keeps_deep(facts, function, instr) & inout for instr in walk(function.body)):
                facts.deep.add(function.name)
            allocates = any(_allocates(facts, function, instr) for instr in walk(function.body))
            if allocates and not _function_releases(facts, function):
                facts.allocating.add(function.name)


def _keeps_deep(facts: _Facts, function: Function, instr: Instr) -> set[int]:
    """The roots into which an instruction puts a value of depth 2 or more."""
    roots: set[int] = set()
    dst = defined(instr)
    if dst is not None and facts.depth(function.locals[dst].type) > 1:
        roots.add(dst)
    if isinstance(instr, Store | Mutate) and facts.depth(_stored_type(facts, function, instr)) > 1:
        roots.add(instr.place.root)
    if isinstance(instr, Call) and instr.fn in facts.deep:
        roots |= {arg.root for arg in instr.args if isinstance(arg, Place)}
    return roots


def _stored_type(facts: _Facts, function: Function, instr: Store | Mutate) -> Type:
    t = place_type(function, instr.place, facts.layout.types)
    if isinstance(instr, Mutate) and isinstance(t, Array):
        return t.item
    return operand_type(function, instr.src) if isinstance(instr, Store) else t


def _allocates(facts: _Facts, function: Function, instr: Instr) -> bool:
    """Whether an instruction may take heap memory."""
    match instr:
        case MakeArray(args=args):
            return bool(args)
        case Op(op="array_filled"):
            return True
        case Op(op="set_key" | "set_value", dst=dst):
            return not _is_view(function.locals[dst].type) and facts.depth(function.locals[dst].type) > 0
        case Mutate(op=op):
            return op != "truncate" or _through_index(instr.place)
        case Call(fn=fn, args=args):
            return fn in facts.allocating or any(isinstance(a, Place) and _through_index(a) for a in args)
    return any(_through_index(place) for place in changed(instr))


def _is_view(t: Type) -> bool:
    return not isinstance(t, Array) or is_scalar(t.item)


def _through_index(place: Place) -> bool:
    return any(isinstance(step, IndexStep) for step in place.steps)


def _function_releases(facts: _Facts, function: Function) -> bool:
    return facts.depth(function.result) == 0 and function.name not in facts.deep


def _mark(facts: _Facts, function: Function, *, entry: bool) -> Function:
    found = scopes(function)
    numbers = iter(range(len(found.loops)))

    def body(inside: Body) -> Body:
        return tuple(map(instr, inside))

    def instr(one: Instr) -> Instr:
        if isinstance(one, Loop | For):
            release = _loop_releases(facts, found, next(numbers))
            inner = body(one.body)
            return evolve(one, body=inner, release=release)
        return map_bodies(one, body)

    marked = body(function.body)
    worth = any(_allocates(facts, function, one) for one in walk(function.body))
    return evolve(function, body=marked, release=worth and not entry and _function_releases(facts, function))


def _loop_releases(facts: _Facts, found: Scopes, number: int) -> bool:
    inside = list(walk(found.loops[number].instr.body))
    if any(_escapes(facts, found, number, instr) for instr in inside):
        return False
    replaced = {d for d in map(defined, inside) if d is not None and found.outer(d, number)}
    return any(_is_garbage(facts, found, number, instr, replaced) for instr in inside)


def _escapes(facts: _Facts, found: Scopes, number: int, instr: Instr) -> bool:
    if any(found.outer(root, number) for root in _keeps_deep(facts, found.function, instr)):
        return True
    if not isinstance(instr, Load) or instr.mode != "borrow" or not found.outer(instr.dst, number):
        return False
    return facts.depth(found.function.locals[instr.dst].type) > 0


def _is_garbage(facts: _Facts, found: Scopes, number: int, instr: Instr, replaced: set[int]) -> bool:
    """Whether an instruction allocates something that an iteration leaves behind."""
    if not _allocates(facts, found.function, instr):
        return False
    roots = {place.root for place in changed(instr)}
    if not roots or isinstance(instr, Call):
        return True
    return any(not found.outer(root, number) or root in replaced for root in roots)
