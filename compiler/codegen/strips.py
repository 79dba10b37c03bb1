"""Sticky loops as LLVM IR: strips that are proved or flagged, each run again exactly if that fails (`passes/sticky.py`).

    strip:  the next iterations, up to `STRIP` of them; proved at both ends    -> fast, or exact
    fast:   no branch that leaves, so that LLVM can vectorise; then the test   -> strip, or failed
    failed: puts back what the strip changed, or ends the instance late        -> exact
    exact:  all iterations that are left, as the loop stands in the text

A loop that has become exact stays so: numbers near their limits seldom come alone, and one exact loop is enough, for what
is left in the end and for short loops too. `@exact` is set while an instance that ended late runs again (`entry.py`); it only concerns
loops whose strips cannot be run again by themselves. Flags may be set where nothing traps; then the exact iterations give the right values.
"""

from typing import TYPE_CHECKING

from dandc.compiler.codegen import memory
from dandc.compiler.codegen.flags import STRIP, Bound, Lanes, flagged
from dandc.compiler.codegen.layout import element
from dandc.compiler.kir import Assign, FieldStep, For, IndexStep, Instr, Lit, Load, Mutate, Op, Operand, Place, Store
from dandc.compiler.kir_walk import place_type, step_type
from dandc.compiler.passes.sticky import Plan, array_place, array_step
from dandc.compiler.types import Type

if TYPE_CHECKING:
    from dandc.compiler.codegen.functions import FunctionWriter

LEAST = 16  # shorter strips are not worth their proofs
FIRST = 256  # the first strip is shorter, so that less is done in vain if numbers are large from the start

Ends = tuple[str, str]  # a value in the first and in the last iteration of a strip


class StripWriter:
    """Writes one sticky loop; while its fast part is written, the function asks it for each instruction."""

    def __init__(self, f: "FunctionWriter", loop: For, plan: Plan) -> None:
        self.f = f
        self.b = f.b
        self.loop = loop
        self.plan = plan
        self.number = f.loops
        self.index = f.slots[loop.index]
        self.lanes = Lanes(f.b)
        types = {local: f.function.locals[local].type for local in plan.sums}
        self.bounds = {local: Bound(f.b, types[local], terms) for local, terms in plan.sums.items()}
        self.saved: dict[int, str] = {}
        self.first = ""
        self.ends: dict[int, Ends] = {}
        self.buffers: dict[Place, Ends] = {}  # data and length
        self.room: dict[int, tuple[str, str, str]] = {}  # where the first element goes, the header, the new length

    def write(self) -> None:
        """The whole loop."""
        b, f = self.b, self.f
        strip, on, prove, fast, good, failed, exact, done = (
            b.name(stem) for stem in ("strip", "on", "prove", "fast", "good", "failed", "exact", "done")
        )
        hi, lo, size = f.scalar(self.loop.hi), f.scalar(self.loop.lo), b.alloca("i64")
        f.set_scalar(self.loop.index, lo)
        b.store("i64", str(FIRST), size)
        # Where the difference does not fit a signed number, only time is lost.
        b.branch(b.op(f"icmp sge i64 {b.op(f'sub i64 {hi}, {lo}')}, {LEAST}"), strip, exact)
        b.label(strip)
        self.first = b.load("i64", self.index)
        b.branch(b.op(f"icmp slt i64 {self.first}, {hi}"), on, done)
        b.label(on)
        most = b.load("i64", size)
        count = b.op(f"call i64 @llvm.umin.i64(i64 {b.op(f'sub i64 {hi}, {self.first}')}, i64 {most})")
        end = b.op(f"add nsw i64 {self.first}, {count}")
        b.branch(b.op(f"icmp uge i64 {count}, {LEAST}"), prove, exact)
        b.label(prove)
        self.save()
        b.branch(self.all_of(self.proofs(end)), fast, exact)
        b.label(fast)
        self.fast(count, end)
        b.branch(self.test(count), failed, good)
        b.label(good)
        self.keep()
        b.store("i64", b.op(f"call i64 @llvm.umin.i64(i64 {b.op(f'shl i64 {most}, 2')}, i64 {STRIP})"), size)
        b.jump(strip)
        b.label(failed)
        self.fail(exact)
        b.label(exact)
        # It never is below `lo`; that this is computed tells LLVM that an index below a length is inside.
        now = b.load("i64", self.index)
        b.store("i64", b.op(f"call i64 @llvm.smax.i64(i64 {now}, i64 {lo})"), self.index)
        f.loops = self.number  # the same loop once more, by the number that the text gives it
        f.count_to(self.loop, hi)
        b.jump(done)
        b.label(done)

    # --- before a strip ---

    def save(self) -> None:
        """Copies what the strip changes: all if it can be run again, else the sums, whose bounds need it."""
        for local in self.plan.restored if self.plan.repeatable else self.plan.sums:
            t = self.f.function.locals[local].type
            self.saved[local] = self.f.slot(t)
            self.f.copy(t, self.saved[local], self.f.slots[local])

    def all_of(self, conditions: list[str]) -> str:
        held = "true"
        for cond in conditions:
            held = self.b.op(f"and i1 {held}, {cond}")
        return held

    def proofs(self, end: str) -> list[str]:
        """What must hold for nothing proved to trap in this strip, and for its flags to tell the truth."""
        b = self.b
        self.ends = {self.loop.index: (self.first, b.op(f"add nsw i64 {end}, -1"))}
        held: list[str] = []
        for instr in self.plan.proofs:
            held += self.proved(instr)
        for local, bound in self.bounds.items():
            ready = bound.ready(b.load(bound.llvm, self.saved[local]))
            held += [] if ready is None else [ready]
        if not self.plan.repeatable:
            held.append(b.op(f"icmp eq i32 {b.load('i32', '@exact')}, 0"))
        return held

    def proved(self, instr: Instr) -> list[str]:
        """Evaluates an instruction at both ends of the strip; what must hold there."""
        access = _access(instr)
        if access is not None:
            return self.inside(*access)
        match instr:
            case Op(op="len", dst=dst, args=args):
                length = self.f.header(args[0])[1]
                self.ends[dst] = length, length
            case Op():
                return self.linear(instr)
            case Load(dst=dst, place=place) if place.steps:
                source, _ = self.f.place(place, -1, change=False)
                value = self.b.load("i64", source)
                self.ends[dst] = value, value
            case Load(dst=dst, place=Place(root=source)) | Assign(dst=dst, src=source):
                self.ends[dst] = self.at_ends(source)
            case Store(place=place, src=source):
                self.ends[place.root] = self.at_ends(source)
        return []

    def at_ends(self, operand: Operand) -> Ends:
        if isinstance(operand, int) and operand in self.ends:
            return self.ends[operand]
        value = self.f.scalar(operand)
        return value, value

    def inside(self, array: Place, index: Operand) -> list[str]:
        pointer, _ = self.f.place(array, -1, change=False)
        length = self.b.load("i64", self.b.field("%H", pointer, 1))
        return [self.b.op(f"icmp ult i64 {value}, {length}") for value in dict.fromkeys(self.at_ends(index))]

    def linear(self, instr: Op) -> list[str]:
        """A linear function that fits at both ends fits between them."""
        args = [self.at_ends(arg) for arg in instr.args]
        kind, args = ("sub", [("0", "0"), *args]) if instr.op == "neg" else (instr.op, args)
        pairs = list(zip(*args, strict=True))
        values, held = {}, []
        for left, right in dict.fromkeys(pairs):
            both = self.b.op(f"call {{ i64, i1 }} @llvm.s{kind}.with.overflow.i64(i64 {left}, i64 {right})")
            values[left, right] = self.b.op(f"extractvalue {{ i64, i1 }} {both}, 0")
            trapped = self.b.op(f"extractvalue {{ i64, i1 }} {both}, 1")
            held.append(self.b.op(f"xor i1 {trapped}, true"))
        self.ends[instr.dst] = values[pairs[0]], values[pairs[1]]
        return held

    # --- the fast part ---

    def fast(self, count: str, end: str) -> None:
        """The strip without checks. Its lanes are known, and can be cleared before it, when it has been written."""
        b, f = self.b, self.f
        self.open_buffers(count)
        before, b.lines = b.lines, []
        f.loops, f.strip = self.number, self
        f.count_to(self.loop, end)
        f.strip = None
        inside, b.lines = b.lines, before
        self.lanes.clear()
        for bound in self.bounds.values():
            bound.clear()
        b.lines += inside

    def open_buffers(self, count: str) -> None:
        """Makes stored arrays exclusive, makes room for what is appended, and reads all other headers once."""
        f, b = self.f, self.b
        for store in self.plan.stored:
            array = array_place(store.place)
            pointer, _ = f.place(array, -1, change=True)
            memory.own(b, self.type(array), pointer, None, high=f.persistent(array.root), site=f.site(store))
        for append in self.plan.appended:
            root, t = append.place.root, self.type(append.place)
            pointer = f.slots[root]
            length = b.load("i64", b.field("%H", pointer, 1))
            longer = b.op(f"add i64 {length}, {count}")
            memory.own(b, t, pointer, longer, high=f.persistent(root), site=f.site(append))
            self.room[root] = b.offset(b.load("ptr", pointer), length, b.layout.mem(element(t))), pointer, longer
        for access in filter(None, map(_access, self.plan.proofs)):
            if access[0] not in self.buffers:
                pointer, _ = f.place(access[0], -1, change=False)
                self.buffers[access[0]] = b.header(pointer)

    def instr(self, instr: Instr) -> bool:
        """Writes an instruction of the fast part; False if it is written there as elsewhere."""
        f = self.f
        match self.plan.roles.get(id(instr)), instr:
            case None, _:
                return False
            case "proved", Load(dst=dst, place=place):
                f.set_scalar(dst, f.get_scalar(self.type(place), self.address(place)))
            case "proved", Store(place=place, src=src):
                f.take(src, self.address(place))
            case "proved", Op(op="byte_at", dst=dst, args=(int() as root, index)):
                data = self.buffers[Place(root)][0]
                f.set_scalar(dst, self.b.load("i8", self.b.offset(data, f.scalar(index))))
            case "proved", Op(op=op, dst=dst):
                args = ", ".join(map(f.scalar, instr.args))
                f.set_scalar(dst, self.b.op(f"sub nsw i64 0, {args}" if op == "neg" else f"{op} nsw i64 {args}"))
            case "sum", Op():
                self.add_up(instr)
            case "flag", Op(dst=dst):
                values, target = [f.scalar(arg) for arg in instr.args], f.function.locals[dst].type
                f.set_scalar(dst, flagged(self.lanes, instr, f.type(instr.args[0]), target, values))
            case "append", Mutate():
                self.append(instr)
            case role, _:
                raise TypeError(f"not {role}: {instr!r}")
        return True

    def type(self, place: Place) -> Type:
        return place_type(self.f.function, place, self.f.types)

    def address(self, place: Place) -> str:
        """The address of a part of an element."""
        at = array_step(place)
        assert at is not None
        array, step, b = array_place(place), place.steps[at], self.b
        assert isinstance(step, IndexStep)
        t = element(self.type(array))
        pointer = b.offset(self.buffers[array][0], self.f.scalar(step.index), b.layout.mem(t))
        for inner in place.steps[at + 1 :]:
            assert isinstance(inner, FieldStep)
            pointer = b.field(b.layout.mem(t), pointer, inner.index)
            t = step_type(t, inner, self.f.types)
        return pointer

    def append(self, instr: Mutate) -> None:
        b = self.b
        at = b.op(f"sub nsw i64 {b.load('i64', self.index)}, {self.first}")
        target = self.room[instr.place.root][0]
        self.f.take(instr.args[0], b.offset(target, at, b.layout.mem(element(self.type(instr.place)))))

    def add_up(self, instr: Op) -> None:
        bound = self.bounds[self.plan.totals[id(instr)]]
        left, right = (self.f.scalar(arg) for arg in instr.args)
        term = self.plan.terms[id(instr)]
        if not isinstance(term, Lit):
            bound.count(self.f.scalar(term))
        self.f.set_scalar(instr.dst, self.b.op(f"{instr.op} {bound.llvm} {left}, {right}"))

    # --- after a strip ---

    def test(self, count: str) -> str:
        """Whether the strip may have trapped: an i1."""
        bad = "false"
        for flag in self.lanes.flags():
            bad = self.b.op(f"or i1 {bad}, {flag}")
        for local, bound in self.bounds.items():
            start = self.b.load(bound.llvm, self.saved[local])
            bad = self.b.op(f"or i1 {bad}, {bound.flag(start, count)}")
        return bad

    def keep(self) -> None:
        """What was appended belongs to the arrays from now on."""
        for _, pointer, longer in self.room.values():
            self.b.store("i64", longer, self.b.field("%H", pointer, 1))

    def fail(self, exact: str) -> None:
        """Goes back to where the strip began, or ends the instance."""
        if not self.plan.repeatable:
            self.b.do("call void @late()")
            self.b.do("unreachable")
            return
        for local, slot in self.saved.items():
            self.f.copy(self.f.function.locals[local].type, self.f.slots[local], slot)
        self.b.store("i64", self.first, self.index)
        self.b.jump(exact)


def _access(instr: Instr) -> tuple[Place, Operand] | None:
    """The array and the index of an instruction that reads or changes an element."""
    match instr:
        case Load(place=place) | Store(place=place):
            at = array_step(place)
            step = None if at is None else place.steps[at]
            return (array_place(place), step.index) if isinstance(step, IndexStep) else None
        case Op(op="byte_at", args=(int() as root, index)):
            return Place(root), index
    return None
