"""Marks the loops whose checks can be made a strip of iterations at a time, and says for each instruction how.

A branch behind every addition keeps LLVM from vectorising. But kernels are pure, so a trap may be found late, if what ran on in
the meantime is forgotten. A *sticky* loop is an innermost counted loop that code generation cuts into strips. For
each strip it first *proves* what is linear in the loop's index, at both ends: index arithmetic that cannot overflow, indices that are
inside. Then it runs the strip without branches; what may still trap is *flagged*: it wraps, and ORs into a lane that is tested
at the end of the strip. A strip that fails its proof or its test is run again, exactly, as the loop stands in the text.

So a loop is sticky if
  - it leaves only at its end, and does nothing but scalar arithmetic, loads and stores of elements, and appending;
  - its indices are the loop's index and something fixed: nothing that is flagged ever becomes an address, a length or a call;
  - no flagged value goes from one iteration into the next, for then there is nothing to vectorise; except in a *sum*, a local that
    only ever gets something added: it is flagged by a bound on what is added, which may also hold where nothing overflows.

Flagged values may decide an `If` or a `Switch`: the arms too do nothing but this, so a wrong one does no harm before the test.
If the loop reads what it stores, a strip cannot be run again: then the whole instance is (`Plan.repeatable`).
"""

from collections import Counter
from collections.abc import Iterable

from attrs import evolve, field

from dandc.compiler.codegen.layout import Layout, element, is_header
from dandc.compiler.kir import (
    Assign,
    Body,
    Continue,
    FieldStep,
    For,
    Function,
    If,
    IndexStep,
    Instr,
    Kernel,
    Lit,
    Load,
    Loop,
    Mutate,
    Op,
    Operand,
    PayloadStep,
    Place,
    Store,
    Switch,
)
from dandc.compiler.kir_walk import changed, defined, map_bodies, operand_type, place_type, used, walk
from dandc.compiler.passes.scopes import scopes
from dandc.compiler.types import I64, INT_BITS, Basic, Type, int_range, is_float, is_int, is_scalar, is_signed
from dandc.lang.values import frozen

name = "sticky"

FIXED = "fixed"  # the same in every iteration
UNIT = "unit"  # the loop's index and something fixed: what vectors read and write at once
LINE = "line"  # linear in the loop's index
MOST = 100  # instructions of a loop that is written twice
SHORT = 16  # loops of fixed length up to this are left to LLVM, which unrolls them

# How an instruction is written in a strip; the others as always.
FLAG = "flag"  # wraps, and its flag goes into a lane
PROVED = "proved"  # cannot trap: proved for the strip
SUM = "sum"  # adds to a sum, whose bound is tested
APPEND = "append"  # the room is there


@frozen
class Plan:
    """How a sticky loop is written. Roles are by `id` of the instruction: good while the function is there."""

    roles: dict[int, str]
    proofs: tuple[Instr, ...]  # what is evaluated at both ends of a strip, in order of the text
    sums: dict[int, int]  # accumulating locals, and how often an iteration adds at most
    totals: dict[int, int]  # by instruction: the sum that it adds to
    terms: dict[int, Operand]  # by instruction: what it adds or takes away
    restored: tuple[int, ...]  # what an iteration changes, other than buffers
    appended: tuple[Mutate, ...]
    stored: tuple[Store, ...]  # through an index; one for each array
    repeatable: bool


class _NotSticky(Exception):
    """Why a loop is not sticky."""


def run(kernel: Kernel) -> Kernel:
    """The kernel with `sticky` set on its loops."""
    layout = Layout(kernel.types)

    def function(f: Function) -> Function:
        numbered = iter(scopes(f).loops)

        def instr(one: Instr) -> Instr:
            if not isinstance(one, Loop | For):
                return map_bodies(one, body)
            scope = next(numbered)
            if isinstance(one, For) and not any(isinstance(i, Loop | For) for i in walk(one.body)):
                return evolve(one, sticky=plan(layout, f, one, scope.inner) is not None)
            return map_bodies(one, body)

        def body(inside: Body) -> Body:
            return tuple(map(instr, inside))

        return evolve(f, body=body(f.body))

    return evolve(kernel, functions=tuple(map(function, kernel.functions)))


def plan(layout: Layout, function: Function, loop: For, inner: frozenset[int]) -> Plan | None:
    """How a loop is written in strips, given the locals that no iteration hands on; None if it is not sticky."""
    instrs = list(walk(loop.body))
    if len({id(i) for i in instrs}) < len(instrs) or len(instrs) > MOST or loop.release or _is_short(function, loop):
        return None
    carried = frozenset(_written(instrs) - inner - {loop.index})
    sums = {local for local in carried if _can_sum(function.locals[local].type)}
    while True:
        reader = _Reader(layout, function, loop, carried, frozenset(sums))
        try:
            reader.read()
        except _NotSticky:
            return None
        if not reader.refused:
            return reader.plan() if reader.gains() else None
        sums -= reader.refused


def _is_short(function: Function, loop: For) -> bool:
    """Whether the number of iterations is known and small: `0..8`, `i..i + 8`."""
    if isinstance(loop.lo, Lit) and isinstance(loop.hi, Lit):
        return _number(loop.hi) - _number(loop.lo) <= SHORT
    match [i for i in walk(function.body) if defined(i) == loop.hi]:
        case [Op(op="add", args=(first, Lit() as distance))]:
            return _origin(function, first) == _origin(function, loop.lo) and _number(distance) <= SHORT
    return False


def _number(literal: Lit) -> int:
    assert isinstance(literal.value, int)
    return literal.value


def _origin(function: Function, operand: Operand) -> Operand:
    """What an operand is a copy of, if that can be seen at once."""
    match [i for i in walk(function.body) if defined(i) == operand]:
        case [Assign(src=source)]:
            return source
    return operand


def _written(instrs: Iterable[Instr]) -> set[int]:
    """The locals whose own value (not that of a buffer) instructions give or change."""
    found = {d for d in map(defined, instrs) if d is not None}
    return found | {p.root for i in instrs for p in changed(i) if array_step(p) is None}


def _can_sum(t: Type) -> bool:
    return isinstance(t, Basic) and INT_BITS.get(t.name, 0) >= 32


def array_step(place: Place) -> int | None:
    """The number of the step of a place that goes through an index, None if none does."""
    return next((n for n, s in enumerate(place.steps) if isinstance(s, IndexStep)), None)


def array_place(place: Place) -> Place:
    """The array that a place goes through."""
    return Place(place.root, place.steps[: array_step(place)])


@frozen
class _Facts:
    """What one reading of a loop collects."""

    roles: dict[int, str] = field(factory=dict)
    proofs: list[Instr] = field(factory=list)
    sums: Counter[int] = field(factory=Counter)
    totals: dict[int, int] = field(factory=dict)
    terms: dict[int, Operand] = field(factory=dict)
    loads: list[tuple[Place, Operand]] = field(factory=list)
    stores: dict[Place, Store] = field(factory=dict)
    appends: list[Mutate] = field(factory=list)


_Env = dict[int, str | int]  # FIXED, LINE, or the number of the sum that a local is a step of


class _Reader:
    """Reads a loop's body once, with what each local is known to be. Raises `_NotSticky`."""

    def __init__(
        self, layout: Layout, function: Function, loop: For, carried: frozenset[int], sums: frozenset[int]
    ) -> None:
        self.layout = layout
        self.function = function
        self.loop = loop
        self.sums = sums
        self.carried = carried
        self.instrs = list(walk(loop.body))
        self.written = _written(self.instrs)
        self.times = Counter(d for i in self.instrs for d in (defined(i), *(p.root for p in changed(i))))
        self.facts = _Facts()
        self.refused: set[int] = set()
        self.tainted = self._taint()

    def read(self) -> None:
        self.body(self.loop.body, {self.loop.index: UNIT}, depth=0)
        self._check_arrays()

    # --- which values come from the iteration before ---

    def _taint(self) -> frozenset[int]:
        """What depends on an iteration before, through locals that are no sums or through an array's elements."""
        found = set(self.carried - self.sums)
        stored = {(i.place.root, i.place.steps) for i in self.instrs if isinstance(i, Store) and i.place.steps}
        roots = {root for root, _ in stored}
        for i in self.instrs:
            if isinstance(i, Load) and i.place.root in roots and (i.place.root, i.place.steps) not in stored:
                found.add(i.dst)
        before = -1
        while before != len(found):
            before = len(found)
            self._spread(self.loop.body, found, depends=False)
        return frozenset(found)

    def _spread(self, body: Body, found: set[int], *, depends: bool) -> None:
        for instr in body:
            here = depends or any(local in found for local in used(instr))
            if here:
                found |= _written([instr]) - self.sums
            for inner in _arms(instr):
                self._spread(inner, found, depends=here)

    # --- reading ---

    def value(self, operand: Operand, env: _Env) -> str | int | None:
        if isinstance(operand, Lit) or operand not in self.written | {self.loop.index}:
            return FIXED
        return operand if operand in self.sums else env.get(operand)

    def body(self, body: Body, env: _Env, depth: int) -> None:
        for instr in body:
            match instr:
                case If() | Switch():
                    self.plain(instr.cond if isinstance(instr, If) else instr.subject, env)
                    for inner in _arms(instr):
                        self.body(inner, dict(env), depth + 1)
                case Continue():
                    if self.facts.appends or any(isinstance(i, Mutate) for i in self.instrs):
                        raise _NotSticky("appends on some paths only")
                case Assign(dst=dst, src=src):
                    self.need(is_scalar(operand_type(self.function, src)))
                    self.write(instr, dst, self.value(src, env), env)
                case Load():
                    self.load(instr, env)
                case Store():
                    self.store(instr, env)
                case Op():
                    self.op(instr, env)
                case Mutate(op="append") if depth == 0:
                    self.append(instr, env)
                case _:
                    raise _NotSticky(f"does more: {instr!r}")

    def need(self, holds: bool) -> None:
        if not holds:
            raise _NotSticky("not of the kind that can be repeated or flagged")

    def plain(self, operand: Operand, env: _Env) -> None:
        """An operand that is used: then it is no step of a sum."""
        found = self.value(operand, env)
        if isinstance(found, int):
            self.refused.add(found)

    def write(self, instr: Instr, dst: int, value: str | int | None, env: _Env) -> None:
        if dst in self.sums:
            if value != dst:
                self.refused.add(dst)
        elif isinstance(value, int) and self.times[dst] > 1:
            self.refused.add(value)
        elif value is not None and self.times[dst] == 1 and dst not in self.carried:
            env[dst] = value
            if value in (FIXED, UNIT, LINE) and operand_type(self.function, dst) == I64:
                self.facts.proofs.append(instr)

    def load(self, instr: Load, env: _Env) -> None:
        place = instr.place
        self.need(is_scalar(self.function.locals[instr.dst].type))
        if not place.steps:
            self.write(instr, instr.dst, self.value(place.root, env), env)
        elif array_step(place) is not None:
            index = self.access(instr, place, env)
            self.facts.loads.append((array_place(place), index))
            self.write(instr, instr.dst, None, env)
        else:
            self.need(all(isinstance(step, FieldStep) for step in place.steps))
            self.write(instr, instr.dst, None if place.root in self.written else FIXED, env)

    def access(self, instr: Instr, place: Place, env: _Env) -> Operand:
        """The index through which a place goes: it must be provable."""
        at = array_step(place)
        assert at is not None
        step = place.steps[at]
        rest = place.steps[:at] + place.steps[at + 1 :]
        self.need(isinstance(step, IndexStep) and all(isinstance(s, FieldStep) for s in rest))
        assert isinstance(step, IndexStep)
        self.element(instr, place.root, step.index, env)
        return step.index

    def element(self, instr: Instr, root: int, index: Operand, env: _Env) -> None:
        self.need(root not in self.written and self.value(index, env) in (FIXED, UNIT))
        self.facts.roles[id(instr)] = PROVED
        self.facts.proofs.append(instr)

    def store(self, instr: Store, env: _Env) -> None:
        place = instr.place
        self.need(is_scalar(operand_type(self.function, instr.src)))
        if not place.steps:
            self.write(instr, place.root, self.value(instr.src, env), env)
            return
        self.plain(instr.src, env)
        if array_step(place) is None:
            self.need(not any(isinstance(s, PayloadStep) for s in place.steps))
            self.need(self.layout.depth(self.function.locals[place.root].type) == 0)
            return
        self.access(instr, place, env)
        self.need(self.layout.depth(self._type(array_place(place))) == 1)
        self.facts.stores.setdefault(array_place(place), instr)

    def append(self, instr: Mutate, env: _Env) -> None:
        t = self._type(instr.place)
        self.need(is_header(t) and is_scalar(element(t)) and not instr.place.steps)
        self.need(sum(used(i).count(instr.place.root) for i in self.instrs) == 1)
        self.plain(instr.args[0], env)
        self.facts.roles[id(instr)] = APPEND
        self.facts.appends.append(instr)

    def _type(self, place: Place) -> Type:
        return place_type(self.function, place, self.layout.types)

    # --- operations ---

    def op(self, instr: Op, env: _Env) -> None:
        if self.is_sum_step(instr, env):
            return
        self.need(is_scalar(self.function.locals[instr.dst].type))
        if instr.op == "len":
            self.need(not isinstance(instr.args[0], int) or instr.args[0] not in self.written)
            self.write(instr, instr.dst, FIXED, env)
            return
        for arg in instr.args:
            self.plain(arg, env)
        if instr.op == "byte_at":
            self.need(isinstance(instr.args[0], int))
            assert isinstance(instr.args[0], int)
            self.element(instr, instr.args[0], instr.args[1], env)
            self.facts.loads.append((Place(instr.args[0]), instr.args[1]))
            self.write(instr, instr.dst, None, env)
            return
        line = self.line(instr, env)
        if line is not None:
            self.facts.roles[id(instr)] = PROVED
        elif self.traps(instr):
            self.need(not any(arg in self.tainted for arg in instr.args if isinstance(arg, int)))
            self.facts.roles[id(instr)] = FLAG
        self.write(instr, instr.dst, line, env)

    def is_sum_step(self, instr: Op, env: _Env) -> bool:
        """Whether the operation adds something to a sum, or takes it away."""
        if instr.op not in ("add", "sub"):
            return False
        values = [self.value(arg, env) for arg in instr.args]
        at = next((n for n, v in enumerate(values) if isinstance(v, int)), None)
        if at is None or (at == 1 and instr.op == "sub"):
            return False
        total, term = values[at], instr.args[1 - at]
        assert isinstance(total, int)
        self.plain(term, env)
        self.need(not isinstance(term, int) or term not in self.tainted)
        if instr.op == "sub" and not is_signed(self.function.locals[total].type):
            self.refused.add(total)
        if isinstance(term, Lit) and not isinstance(term.value, bool) and abs(int(term.value or 0)) >= 1 << 10:
            self.refused.add(total)
        self.write(instr, instr.dst, total, env)
        self.facts.sums[total] += 1
        self.facts.totals[id(instr)], self.facts.terms[id(instr)] = total, term
        self.facts.roles[id(instr)] = SUM
        return True

    def line(self, instr: Op, env: _Env) -> str | None:
        """Whether the result is fixed or linear, so that its ends prove it for all iterations."""
        if instr.op not in ("add", "sub", "mul", "neg") or operand_type(self.function, instr.dst) != I64:
            return None
        values = [self.value(arg, env) for arg in instr.args]
        if any(v not in (FIXED, UNIT, LINE) for v in values) or self.times[instr.dst] > 1 or instr.dst in self.carried:
            return None
        if values.count(FIXED) == len(values):
            return FIXED
        if instr.op == "mul":
            return LINE if FIXED in values else None
        keeps = (instr.op == "add" and FIXED in values) or (instr.op == "sub" and values[1] == FIXED)
        return UNIT if keeps and UNIT in values else LINE

    def traps(self, instr: Op) -> bool:
        """Whether an operation may trap in a way that can be flagged. Raises `_NotSticky` for those that cannot be."""
        source = operand_type(self.function, instr.args[0])
        self.need(instr.op in _FLAGGED | _PLAIN and is_scalar(source))
        if is_float(source):
            self.need(not any(arg in self.tainted for arg in instr.args if isinstance(arg, int)))
            target = self.function.locals[instr.dst].type
            self.need(instr.op != "mod" and not (instr.op == "convert" and is_int(target)))
            return False
        if instr.op in ("floordiv", "mod"):
            self.need(_cheap_division(source, instr.args[1]))
            return False
        if instr.op == "convert":
            return not _always_fits(source, self.function.locals[instr.dst].type)
        return instr.op in _FLAGGED

    # --- the whole ---

    def _check_arrays(self) -> None:
        """Appending and storing in one loop would need to know that the arrays differ: roots do."""
        appended = {i.place.root for i in self.facts.appends}
        self.need(len(appended) == len(self.facts.appends))

    def gains(self) -> bool:
        """Whether there is something that LLVM does not do by itself."""
        if FLAG in self.facts.roles.values() or self.facts.sums or self.facts.stores or self.facts.appends:
            return True
        return any(index != self.loop.index or not self._bounds(place) for place, index in self.facts.loads)

    def _bounds(self, place: Place) -> bool:
        """Whether the loop runs over just the indices of an array."""
        if place.steps or self.loop.lo != Lit(I64, 0):
            return False
        found = [i for i in walk(self.function.body) if defined(i) == self.loop.hi]
        return len(found) == 1 and isinstance(found[0], Op) and found[0].op == "len" and found[0].args == (place.root,)

    def plan(self) -> Plan:
        facts = self.facts
        stored = {place.root for place in facts.stores}
        appended = {i.place.root for i in facts.appends}
        return Plan(
            facts.roles,
            tuple(facts.proofs),
            dict(facts.sums),
            facts.totals,
            facts.terms,
            tuple(sorted(self.written - appended - {self.loop.index})),
            tuple(facts.appends),
            tuple(facts.stores.values()),
            not any(place.root in stored for place, _ in facts.loads),
        )


def _arms(instr: Instr) -> tuple[Body, ...]:
    match instr:
        case If(then=then, orelse=orelse):
            return (then, orelse)
        case Switch(cases=cases, default=default):
            return (*(body for _, body in cases), default)
    return ()


def _always_fits(source: Type, target: Type) -> bool:
    if is_float(target):
        return True
    (least, greatest), (low, high) = int_range(source), int_range(target)
    return low <= least and greatest <= high


def _cheap_division(t: Type, divisor: Operand) -> bool:
    """Division by a literal that cannot trap, where vectors can do it: up to 32 bits, or by powers of two."""
    if not isinstance(divisor, Lit) or not isinstance(divisor.value, int) or divisor.value <= 0:
        return False
    assert isinstance(t, Basic)
    return INT_BITS[t.name] <= 32 or divisor.value & (divisor.value - 1) == 0


_FLAGGED = frozenset("add sub mul neg abs shl shr convert".split())
_PLAIN = frozenset(
    "add_wrap sub_wrap mul_wrap bit_and bit_or bit_xor bit_not div sqrt floor ceil trunc floordiv mod "
    "eq ne lt le gt ge not wrap bits".split()
)
