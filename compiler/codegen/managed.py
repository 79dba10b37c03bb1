"""Which locals of a function may own high memory, and so must give it back when they get a new value or the function ends.

High memory is only ever taken for persistent places (`passes/scopes.py`) and by the callees that return such. From there
ownership flows with every consuming instruction; what this closure does not reach never holds a high block, and costs nothing.
"""

from dandc.compiler.codegen.layout import Layout
from dandc.compiler.kir import Body, Call, For, Function, Instr, Kernel, Load, Loop, Return
from dandc.compiler.kir_walk import bodies, changed, consumed, defined, walk
from dandc.compiler.passes.scopes import Scopes, scopes
from dandc.lang.values import frozen


@frozen
class Ownership:
    """Of each function its loops and its managed locals; the functions whose result may own high memory."""

    scopes: dict[str, Scopes]
    managed: dict[str, set[int]]
    returning: set[str]

    def size(self) -> int:
        """Grows with every fact found."""
        return sum(map(len, self.managed.values())) + len(self.returning)


def ownership(kernel: Kernel, layout: Layout) -> Ownership:
    """The facts for all functions of a kernel."""
    facts = Ownership({f.name: scopes(f) for f in kernel.functions}, {f.name: set() for f in kernel.functions}, set())
    before = -1
    while before != facts.size():
        before = facts.size()
        for function in kernel.functions:
            _Closure(facts, layout, function).run()
    return facts


class _Closure:
    """One round over one function."""

    def __init__(self, facts: Ownership, layout: Layout, function: Function) -> None:
        self.facts = facts
        self.layout = layout
        self.function = function
        self.managed = facts.managed[function.name]
        self.scopes = facts.scopes[function.name]
        self.loops = 0
        self.borrowed = {i.dst for i in walk(function.body) if isinstance(i, Load) and i.mode == "borrow"}

    def run(self) -> None:
        self.body(self.function.body, ())

    def body(self, body: Body, around: tuple[int, ...]) -> None:
        for instr in body:
            inside = around
            if isinstance(instr, Loop | For):
                inside = (*around, self.loops)
                self.loops += 1
            self.instr(instr, around)
            for inner in bodies(instr):
                self.body(inner, inside)

    def instr(self, instr: Instr, around: tuple[int, ...]) -> None:
        dst = defined(instr)
        gets_high = self.gives_high(instr)
        if dst is not None and (gets_high or self.scopes.persistent(dst, around)):
            self.add(dst)
        for place in changed(instr):
            if gets_high or isinstance(instr, Call) or self.scopes.persistent(place.root, around):
                self.add(place.root)
        if isinstance(instr, Return) and gets_high:
            self.facts.returning.add(self.function.name)

    def gives_high(self, instr: Instr) -> bool:
        """Whether what the instruction stores, defines or returns may own high memory."""
        if isinstance(instr, Load):
            return instr.mode == "move" and self.may_own(instr.place.root)
        if isinstance(instr, Call):
            return instr.fn in self.facts.returning
        return any(isinstance(o, int) and self.may_own(o) for o in consumed(instr))

    def may_own(self, local: int) -> bool:
        return local in self.managed or (local < self.function.params and self.function.inout[local])

    def add(self, local: int) -> None:
        is_slot = local >= self.function.params and local not in self.borrowed
        if is_slot and self.layout.has_heap(self.function.locals[local].type):
            self.managed.add(local)
