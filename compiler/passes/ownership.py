"""Makes every alias that lives on independent: a `borrow` whose buffer is kept becomes a `share`.

A borrow is only good until its root is changed. But a view of it (`slice`, `to_bytes`, `str_unchecked`), a `share` of a part
of it, or a callee that does these to a parameter, keeps its buffer; then the owner must know, so that it copies before
it changes anything. This pass finds such *retained* locals and parameters through all functions, turns the loads of retained
borrows into shares, and shares what is viewed or handed to a retained parameter. Afterwards only shared buffers are kept.

Parts reached through an index need nothing: their headers stand in the buffer, where `share` finds and freezes them.
"""

from attrs import evolve

from dandc.compiler.codegen.layout import Layout
from dandc.compiler.kir import Body, Call, Function, IndexStep, Instr, Kernel, Load, Local, Op, Operand, Place
from dandc.compiler.kir_walk import VIEWS, map_bodies, walk
from dandc.lang.spans import Span
from dandc.lang.values import frozen

name = "ownership"


def run(kernel: Kernel) -> Kernel:
    """The kernel with shares where buffers are kept."""
    facts = _Facts(Layout(kernel.types), {f.name: set() for f in kernel.functions})
    before = -1
    while before != facts.size():
        before = facts.size()
        for function in kernel.functions:
            facts.retained[function.name] |= _retained(facts, function)
    return evolve(kernel, functions=tuple(_Rewriter(facts, f).function() for f in kernel.functions))


@frozen
class _Facts:
    """The retained locals of each function."""

    layout: Layout
    retained: dict[str, set[int]]

    def size(self) -> int:
        return sum(map(len, self.retained.values()))

    def has_heap(self, function: Function, local: int) -> bool:
        return self.layout.has_heap(function.locals[local].type)


def _retained(facts: _Facts, function: Function) -> set[int]:
    found = set(facts.retained[function.name])
    for instr in walk(function.body):
        match instr:
            case Load(dst=dst, place=place, mode=mode) if facts.has_heap(function, dst) and not _through_index(place):
                if mode == "share" or dst in found:
                    found.add(place.root)
            case Op(dst=dst, op=op, args=args) if op in VIEWS and isinstance(args[0], int):
                found.add(args[0])
            case Call():
                found |= set(_kept_args(facts, function, instr))
    return found


def _kept_args(facts: _Facts, function: Function, call: Call) -> list[int]:
    kept = facts.retained[call.fn]
    return [
        arg for i, arg in enumerate(call.args) if i in kept and isinstance(arg, int) and facts.has_heap(function, arg)
    ]


def _through_index(place: Place) -> bool:
    return any(isinstance(step, IndexStep) for step in place.steps)


class _Rewriter:
    """Rewrites one function; new locals hold the shares."""

    def __init__(self, facts: _Facts, function: Function) -> None:
        self.facts = facts
        self.source = function
        self.kept = facts.retained[function.name]
        self.locals = list(function.locals)

    def function(self) -> Function:
        body = self.body(self.source.body)
        return evolve(self.source, body=body, locals=tuple(self.locals))

    def body(self, body: Body) -> Body:
        return tuple(new for instr in body for new in self.instr(instr))

    def instr(self, instr: Instr) -> list[Instr]:
        match instr:
            case Load(mode="borrow", dst=dst) if dst in self.kept and self.facts.has_heap(self.source, dst):
                return [evolve(instr, mode="share")]
            case Op(op=op, args=args) if op in VIEWS and isinstance(args[0], int):
                share, local = self.share(args[0], instr.site)
                return [share, evolve(instr, args=(local, *args[1:]))]
            case Call():
                return self.call(instr)
        return [map_bodies(instr, self.body)]

    def call(self, call: Call) -> list[Instr]:
        before: list[Instr] = []
        args: list[Operand | Place] = []
        kept = set(_kept_args(self.facts, self.source, call))
        for i, arg in enumerate(call.args):
            if isinstance(arg, int) and arg in kept and i in self.facts.retained[call.fn]:
                share, shared = self.share(arg, call.site)
                before.append(share)
                args.append(shared)
            else:
                args.append(arg)
        return [*before, evolve(call, args=tuple(args))]

    def share(self, local: int, site: Span) -> tuple[Load, int]:
        number = len(self.locals)
        self.locals.append(Local("", self.source.locals[local].type))
        return Load(site, number, Place(local), "share"), number
