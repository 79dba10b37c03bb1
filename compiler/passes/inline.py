"""Puts small functions of scalars in the place of their calls, inside innermost counted loops.

LLVM would do so too, but `sticky` must see through the lambdas of `map` and `fold` and through `max` and its like before LLVM
does. Only functions that compute a scalar and do nothing else are taken: no calls left in them, no loop, no heap value
made, no `inout`. What they trap with keeps its site, and calls that are counted (members of a cycle) stay calls.
A function that nothing calls any more goes.
"""

from attrs import evolve

from dandc.compiler.kir import (
    Assign,
    Body,
    Call,
    For,
    Function,
    If,
    IndexStep,
    Instr,
    Kernel,
    Lit,
    Load,
    Local,
    Loop,
    Op,
    Operand,
    Place,
    Return,
    Store,
    Switch,
)
from dandc.compiler.kir_walk import call_cycles, defined, map_bodies, walk
from dandc.compiler.types import UNIT, is_scalar
from dandc.lang.values import frozen

name = "inline"

MOST = 40  # instructions of a function that is taken


def run(kernel: Kernel) -> Kernel:
    """The kernel with small calls replaced, without the functions that are then called by nobody."""
    known = {f.name: f for f in kernel.functions}
    inliner = _Inliner(known, call_cycles(kernel.functions), {})
    functions = tuple(inliner.function(f) for f in kernel.functions)
    return evolve(kernel, functions=_reached(functions))


def _reached(functions: tuple[Function, ...]) -> tuple[Function, ...]:
    known = {f.name: f for f in functions}
    seen: set[str] = set()
    todo = [functions[0].name]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += [i.fn for i in walk(known[one].body) if isinstance(i, Call)]
    return tuple(f for f in functions if f.name in seen)


@frozen
class _Inliner:
    """`small` remembers what stands for a function: itself with no calls left, None if it is not taken."""

    known: dict[str, Function]
    cyclic: frozenset[str]
    small: dict[str, Function | None]

    def function(self, function: Function) -> Function:
        locals_ = list(function.locals)

        def body(inside: Body) -> Body:
            return tuple(map(instr, inside))

        def instr(one: Instr) -> Instr:
            if isinstance(one, For) and not any(isinstance(i, Loop | For) for i in walk(one.body)):
                return evolve(one, body=self.body(one.body, locals_))
            return map_bodies(one, body)

        changed = body(function.body)
        return evolve(function, body=changed, locals=tuple(locals_))

    def body(self, body: Body, locals_: list[Local]) -> Body:
        """A body with its calls replaced; new locals are added to `locals_`."""
        out: list[Instr] = []
        for instr in body:
            inlined = self.call(instr, locals_) if isinstance(instr, Call) else None
            if inlined is None:
                out.append(map_bodies(instr, lambda inner: self.body(inner, locals_)))
            else:
                out += inlined
        return tuple(out)

    def call(self, call: Call, locals_: list[Local]) -> Body | None:
        callee = self.callee(call.fn)
        if callee is None or call.dst is None:
            return None
        names: dict[int, Operand] = {}
        for i, arg in enumerate(call.args):
            if isinstance(arg, Place) or (isinstance(arg, Lit) and not is_scalar(arg.type)):
                return None
            names[i] = arg
        for i in range(callee.params, len(callee.locals)):
            names[i] = len(locals_)
            locals_.append(callee.locals[i])
        return _Renamer(names, call.dst).body(callee.body)

    def callee(self, fn: str) -> Function | None:
        if fn not in self.small:
            self.small[fn] = None if fn in self.cyclic else self.prepared(self.known[fn])
        return self.small[fn]

    def prepared(self, function: Function) -> Function | None:
        if function.result == UNIT or not is_scalar(function.result) or any(function.inout):
            return None
        locals_ = list(function.locals)
        body = _tail(self.body(function.body, locals_))
        if body is None:
            return None
        prepared = evolve(function, body=body, locals=tuple(locals_))
        instrs = list(walk(body))
        fits = len(instrs) <= MOST and all(is_scalar(one.type) for one in locals_[function.params :])
        return prepared if fits and all(_is_plain(prepared, one) for one in instrs) else None


def _is_plain(function: Function, instr: Instr) -> bool:
    """Whether an instruction only computes, and leaves the parameters as they are."""
    dst = defined(instr)
    if dst is not None and dst < function.params:
        return False
    match instr:
        case Store(place=place):
            return not place.steps and place.root >= function.params
        case Op(op="array_filled" | "set_key" | "set_name" | "set_value"):
            return False
    return isinstance(instr, Assign | Load | Op | If | Switch | Return)


def _tail(body: Body) -> Body | None:
    """The body with every `Return` at an end of control, and nothing after; None if that needs code twice."""
    out: list[Instr] = []
    for number, instr in enumerate(body):
        if isinstance(instr, Return):
            return (*out, instr)
        if isinstance(instr, If | Switch) and any(isinstance(i, Return) for i in walk((instr,))):
            return _tail_branches(instr, body[number + 1 :], out)
        out.append(instr)
    return None


def _tail_branches(instr: If | Switch, rest: Body, before: list[Instr]) -> Body | None:
    """What follows a branch that may return goes into its one arm that does not."""
    arms = (instr.then, instr.orelse) if isinstance(instr, If) else (*(b for _, b in instr.cases), instr.default)
    ended = [_tail(arm) for arm in arms]
    if ended.count(None) > 1:
        return None
    done = [_tail((*arm, *rest)) if end is None else end for arm, end in zip(arms, ended, strict=True)]
    whole = [arm for arm in done if arm is not None]
    if len(whole) < len(done):
        return None
    if isinstance(instr, If):
        return (*before, evolve(instr, then=whole[0], orelse=whole[1]))
    cases = tuple((n, arm) for (n, _), arm in zip(instr.cases, whole[:-1], strict=True))
    return (*before, evolve(instr, cases=cases, default=whole[-1]))


@frozen
class _Renamer:
    """Writes a callee's instructions with the caller's locals; what it returned goes into `result`."""

    names: dict[int, Operand]
    result: int

    def body(self, body: Body) -> Body:
        return tuple(map(self.instr, body))

    def operand(self, operand: Operand) -> Operand:
        return self.names[operand] if isinstance(operand, int) else operand

    def local(self, number: int) -> int:
        new = self.names[number]
        assert isinstance(new, int)
        return new

    def place(self, place: Place) -> Place:
        steps = tuple(IndexStep(self.operand(s.index)) if isinstance(s, IndexStep) else s for s in place.steps)
        return Place(self.local(place.root), steps)

    def instr(self, instr: Instr) -> Instr:
        match instr:
            case Return(site=site, value=value):
                assert value is not None
                return Assign(site, self.result, self.operand(value))
            case Load(place=place) if isinstance(self.names[place.root], Lit):
                return Assign(instr.site, self.local(instr.dst), self.names[place.root])
            case Assign() | Load() | Op() | Store():
                return self.simple(instr)
            case If(cond=cond):
                return map_bodies(evolve(instr, cond=self.operand(cond)), self.body)
            case Switch(subject=subject):
                return map_bodies(evolve(instr, subject=self.operand(subject)), self.body)
        raise TypeError(f"not taken: {instr!r}")

    def simple(self, instr: Assign | Load | Op | Store) -> Instr:
        match instr:
            case Assign(dst=dst, src=src):
                return evolve(instr, dst=self.local(dst), src=self.operand(src))
            case Load(dst=dst, place=place):
                return evolve(instr, dst=self.local(dst), place=self.place(place))
            case Op(dst=dst, args=args):
                return evolve(instr, dst=self.local(dst), args=tuple(map(self.operand, args)))
            case Store(place=place, src=src):
                return evolve(instr, place=self.place(place), src=self.operand(src))
