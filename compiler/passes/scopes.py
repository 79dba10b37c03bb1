"""Which locals outlive an iteration of a loop, and which places outlive a region.

A local is *inner* to a loop if it is spoken of nowhere else and every iteration gives it a value before reading it; all
others are *outer*: they carry values from one iteration to the next or out of the loop. Loops are numbered in
the order of the text. A place is *persistent* where it is changed if its root is outer to a releasing loop that is open
there, or an `inout` parameter (the caller's place, of which nothing is known).
"""

from collections import Counter

from dandc.compiler.kir import Body, Break, Continue, Fail, For, Function, If, Instr, Loop, Return, Switch, Trap
from dandc.compiler.kir_walk import bodies, defined, used, walk
from dandc.lang.values import frozen

Assigned = frozenset[int] | None  # None: control does not get here


@frozen
class LoopScope:
    """One loop: its number, its instruction, the loops around it (outermost first), and its inner locals."""

    number: int
    instr: Loop | For
    around: tuple[int, ...]
    inner: frozenset[int]


@frozen
class Scopes:
    """The loops of one function."""

    function: Function
    loops: tuple[LoopScope, ...]

    def outer(self, local: int, loop: int) -> bool:
        """Whether `local` outlives an iteration of loop number `loop`."""
        return local not in self.loops[loop].inner

    def persistent(self, local: int, open_loops: tuple[int, ...]) -> bool:
        """Whether what is put into `local` inside `open_loops` may be there after one of their regions has gone."""
        if local < self.function.params and self.function.inout[local]:
            return True
        return any(self.loops[n].instr.release and self.outer(local, n) for n in open_loops)


def scopes(function: Function) -> Scopes:
    """The loops of a function in order of text, with their inner locals."""
    found: list[LoopScope] = []
    total = _occurrences(function.body)
    _collect(function, function.body, (), total, found)
    return Scopes(function, tuple(found))


def _collect(
    function: Function, body: Body, around: tuple[int, ...], total: Counter[int], found: list[LoopScope]
) -> None:
    for instr in body:
        inside = around
        if isinstance(instr, Loop | For):
            number = len(found)
            found.append(LoopScope(number, instr, around, _inner(function, instr, total)))
            inside = (*around, number)
        for inner in bodies(instr):
            _collect(function, inner, inside, total, found)


def _inner(function: Function, loop: Loop | For, total: Counter[int]) -> frozenset[int]:
    here = _occurrences(loop.body)
    known: set[int] = set()
    if isinstance(loop, For):
        here[loop.index] += 1
        known.add(loop.index)
    candidates = {n for n, count in here.items() if count == total[n] and n >= function.params}
    early = EarlyReads(candidates)
    early.body(loop.body, frozenset(known))
    return frozenset(candidates - early.found)


def _occurrences(body: Body) -> Counter[int]:
    counts: Counter[int] = Counter()
    for instr in walk(body):
        counts.update(used(instr))
        dst = defined(instr)
        if dst is not None:
            counts[dst] += 1
    return counts


class EarlyReads:
    """Finds locals among `watched` that some path reads before giving them a value."""

    def __init__(self, watched: set[int]) -> None:
        self.watched = watched
        self.found: set[int] = set()
        self.reads: list[tuple[int, Instr]] = []
        self.exits: list[list[Assigned]] = []

    def body(self, body: Body, state: Assigned) -> Assigned:
        """The locals that have values after `body`."""
        for instr in body:
            if state is None:
                return None
            state = self.instr(instr, state)
        return state

    def instr(self, instr: Instr, state: frozenset[int]) -> Assigned:
        """The locals that have values after `instr`."""
        for local in used(instr):
            if local in self.watched and local not in state:
                self.found.add(local)
                self.reads.append((local, instr))
        match instr:
            case If(then=then, orelse=orelse):
                return _meet([self.body(then, state), self.body(orelse, state)])
            case Switch(cases=cases, default=default):
                return _meet([self.body(inner, state) for _, inner in cases] + [self.body(default, state)])
            case Loop(body=inner):
                return self.loop(inner, state)
            case For(body=inner, index=index):
                self.loop(inner, state | {index})
                return state
            case Break():
                self.exits[-1:] = [[*self.exits[-1], state]] if self.exits else []
                return None
            case Continue() | Return() | Trap() | Fail():
                return None
        dst = defined(instr)
        return state if dst is None else state | {dst}

    def loop(self, body: Body, state: frozenset[int]) -> Assigned:
        """The state after a loop without end: what all its breaks agree on."""
        self.exits.append([])
        self.body(body, state)
        return _meet(self.exits.pop())


def _meet(states: list[Assigned]) -> Assigned:
    reached = [s for s in states if s is not None]
    return frozenset.intersection(*reached) if reached else None
