"""Functions of kernel IR as LLVM IR: locals, places, structure, calls.

Every local has a stack slot, which LLVM turns into registers. Scalars are passed by value, everything else by pointer. A
callee copies headers into its own slots at once, and those passed `inout` are copied in and out on both sides: their slots'
addresses are never kept, so headers stay in registers and stores into buffers cannot be mistaken for changes of headers. Records
and variants are used where the caller has them. A function has one exit, which drops what is left.
Recursion is counted only in functions that belong to a cycle of the call graph.
"""

from collections.abc import Mapping

from attrs import evolve

from dandc.compiler.codegen import memory
from dandc.compiler.codegen.builder import Builder, Module
from dandc.compiler.codegen.decode import set_part
from dandc.compiler.codegen.encode import emit_item
from dandc.compiler.codegen.layout import element, is_header, is_ssa, literal, ssa
from dandc.compiler.codegen.managed import Ownership
from dandc.compiler.codegen.ops import header_op, scalar_op
from dandc.compiler.codegen.static import static_value
from dandc.compiler.codegen.strips import StripWriter
from dandc.compiler.kir import (
    TRAPS,
    Assign,
    Body,
    Break,
    Call,
    Const,
    Constant,
    Continue,
    Emit,
    Fail,
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
    Trap,
)
from dandc.compiler.kir_walk import operand_type, place_type, step_type, walk
from dandc.compiler.limits import CALL_DEPTH
from dandc.compiler.passes.sticky import plan
from dandc.compiler.types import BOOL, STR, UNIT, Type
from dandc.lang.values import frozen


@frozen
class Program:
    """What the functions of one kernel share."""

    kernel: Kernel
    module: Module
    ownership: Ownership
    cyclic: frozenset[str]
    constants: Mapping[str, Constant]

    def function(self, name: str) -> tuple[int, Function]:
        """A function and its number."""
        return next((i, f) for i, f in enumerate(self.kernel.functions) if f.name == name)


@frozen
class OpenLoop:
    """A loop around the instruction being written: where `continue` and `break` go, and the mark of its region."""

    number: int
    again: str
    done: str
    mark: str | None


def parameters(function: Function) -> list[tuple[str, str]]:
    """LLVM type and name of each parameter; the first is the place for the result if that is not a scalar."""
    found = [] if function.result == UNIT or is_ssa(function.result) else [("ptr", "%result")]
    for i in range(function.params):
        t = function.locals[i].type
        by_value = is_ssa(t) and not function.inout[i]
        found.append((ssa(t) if by_value else "ptr", f"%p{i}"))
    return found


def is_copied(t: Type) -> bool:
    """Whether callees work on copies of parameters of type `t`: what fits into registers."""
    return is_ssa(t) or is_header(t)


def result_type(function: Function) -> str:
    """The LLVM type that a function returns."""
    return ssa(function.result) if is_ssa(function.result) and function.result != UNIT else "void"


def write_function(program: Program, number: int) -> str:
    """The LLVM IR of function `number`."""
    return FunctionWriter(program, number).text()


class FunctionWriter:
    """Writes one function; see `ops.Operands` for what the operations ask of it."""

    def __init__(self, program: Program, number: int) -> None:
        self.program = program
        self.number = number
        self.function = program.kernel.functions[number]
        self.types = program.kernel.types
        self.b = Builder(program.module)
        self.layout = program.module.layout
        self.scopes = program.ownership.scopes[self.function.name]
        self.managed = sorted(program.ownership.managed[self.function.name])
        inout = {i for i in range(self.function.params) if self.function.inout[i]}
        self.owners = frozenset(self.managed) | inout  # the locals whose value may own high memory
        self.scratch: dict[tuple[str, Type], str] = {}
        self.slots = [self.local_slot(number) for number in range(len(self.function.locals))]
        self.exit = self.b.name("exit")
        self.open: list[OpenLoop] = []
        self.loops = 0
        self.mark: str | None = None
        self.strip: StripWriter | None = None  # whose fast part is being written

    def text(self) -> str:
        """The whole function."""
        self.enter()
        if self.body(self.function.body):
            self.leave(None)
        self.epilogue()
        params = ", ".join(f"{t} {name}" for t, name in parameters(self.function))
        return self.b.function(f"define internal fastcc {result_type(self.function)} @f{self.number}({params}) #0")

    def slot(self, t: Type) -> str:
        """A new stack slot for a value."""
        return self.b.alloca(self.layout.mem(t), max(self.layout.align(t), 1))

    def local_slot(self, number: int) -> str:
        """Where a local lives: a parameter that is copied by nobody where the caller has it."""
        t = self.function.locals[number].type
        return f"%p{number}" if number < self.function.params and not is_copied(t) else self.slot(t)

    def scratch_slot(self, purpose: str, t: Type) -> str:
        """A slot for a value on its way; one a purpose and type, because two are never on their way at once."""
        if (purpose, t) not in self.scratch:
            self.scratch[purpose, t] = self.slot(t)
        return self.scratch[purpose, t]

    def enter(self) -> None:
        """Fills the slots of the parameters; empties those of managed locals, which may be dropped before they are set."""
        for i in range(self.function.params):
            t = self.function.locals[i].type
            if is_ssa(t) and not self.function.inout[i]:
                self.put_scalar(t, f"%p{i}", self.slots[i])
            elif is_copied(t):
                self.copy(t, self.slots[i], f"%p{i}")
        for i in self.managed:
            t = self.function.locals[i].type
            self.b.do(f"call void @llvm.memset.p0.i64(ptr {self.slots[i]}, i8 0, i64 {self.layout.size(t)}, i1 false)")
        if self.function.release:
            self.mark = self.b.load("ptr", "@bump")

    # --- operands: what `ops` asks for ---

    def type(self, operand: Operand) -> Type:
        """The type of an operand."""
        return operand_type(self.function, operand)

    def scalar(self, operand: Operand) -> str:
        """A scalar or unit operand as SSA value."""
        if isinstance(operand, Lit):
            return literal(operand.type, operand.value)
        return self.get_scalar(self.function.locals[operand].type, self.slots[operand])

    def header(self, operand: Operand) -> tuple[str, str]:
        """Buffer and length of a header operand."""
        if isinstance(operand, Lit):
            data = _literal_bytes(operand)
            return self.b.module.constant(data), str(len(data))
        return self.b.header(self.slots[operand])

    def pointer(self, operand: Operand) -> str:
        """The address of an operand that is not an SSA value."""
        if isinstance(operand, Lit):
            return self.b.module.header(_literal_bytes(operand))
        return self.slots[operand]

    def get_scalar(self, t: Type, pointer: str) -> str:
        """Reads a scalar from memory."""
        if t == BOOL:
            return self.b.op(f"trunc i8 {self.b.load('i8', pointer)} to i1")
        return self.b.load(ssa(t), pointer)

    def put_scalar(self, t: Type, value: str, pointer: str) -> None:
        """Writes a scalar to memory."""
        stored = self.b.op(f"zext i1 {value} to i8") if t == BOOL else value
        self.b.store(self.layout.mem(t), stored, pointer)

    def copy(self, t: Type, target: str, source: str) -> None:
        """Copies a value of any type between places."""
        if is_ssa(t):
            self.b.store(self.layout.mem(t), self.b.load(self.layout.mem(t), source), target)
        else:
            self.b.copy(target, source, self.layout.size(t), self.layout.align(t))

    def take(self, operand: Operand, target: str) -> None:
        """Copies an operand to `target`, which owns it from then on."""
        t = self.type(operand)
        if is_ssa(t):
            self.put_scalar(t, self.scalar(operand), target)
            return
        self.copy(t, target, self.pointer(operand))
        if isinstance(operand, int) and operand in self.owners:
            memory.freeze(self.b, t, self.slots[operand])

    # --- places ---

    def place(self, place: Place, site: int, *, change: bool) -> tuple[str, str | None]:
        """The address of a place, and whether it is exclusively reached (an i1; None: no buffer on the way).

        `change` makes every buffer on the way exclusive first.
        """
        pointer, t = self.slots[place.root], self.function.locals[place.root].type
        exclusive: str | None = None
        high = self.persistent(place.root)
        for step in place.steps:
            match step:
                case FieldStep(index=index):
                    pointer = self.b.field(self.layout.mem(t), pointer, index)
                case PayloadStep(variant=variant, index=index):
                    pointer = self.b.field(self.layout.variant(t, variant), pointer, index + 1)
                case IndexStep(index=operand):
                    pointer, own = self.element(t, pointer, operand, site, change=change, high=high)
                    exclusive = own if exclusive is None else self.b.op(f"and i1 {exclusive}, {own}")
            t = step_type(t, step, self.types)
        return pointer, exclusive

    def element(
        self, t: Type, pointer: str, operand: Operand, site: int, *, change: bool, high: bool
    ) -> tuple[str, str]:
        """The address of an element of the array at `pointer`, and whether the array owns its buffer."""
        index = self.scalar(operand)
        length = self.b.load("i64", self.b.field("%H", pointer, 1))
        self.b.trap_unless(self.b.op(f"icmp ult i64 {index}, {length}"), "trap.index", site)
        if change:
            memory.own(self.b, t, pointer, None, high=high, site=site)
            own = "true"
        else:
            own = self.b.op(f"icmp ne i64 {self.b.capacity(pointer)}, 0")
        return self.b.offset(self.b.load("ptr", pointer), index, self.layout.mem(element(t))), own

    def persistent(self, local: int) -> bool:
        """Whether what is put into a local here may be there after a region that is open now."""
        return self.scopes.persistent(local, tuple(loop.number for loop in self.open))

    def define(self, dst: int, site: int) -> "Definition":
        """A place for a new value of a local; to be finished by `settle`."""
        t = self.function.locals[dst].type
        promotes = self.persistent(dst) and self.layout.depth(t) == 1
        drops = dst in self.owners and self.layout.has_heap(t)
        target = self.scratch_slot("define", t) if promotes or drops else self.slots[dst]
        return Definition(dst, t, target, promotes, drops, site)

    def settle(self, definition: "Definition") -> None:
        """The value at the definition's target becomes the local's value; the old one is dropped."""
        d = definition
        if d.dst < 0:
            return
        if d.promotes:
            memory.promote(self.b, d.type, d.target, d.site)
        if d.drops:
            memory.drop(self.b, d.type, self.slots[d.dst])
        self.copy(d.type, self.slots[d.dst], d.target)

    def set_scalar(self, dst: int, value: str) -> None:
        """Gives a scalar local its value."""
        self.put_scalar(self.function.locals[dst].type, value, self.slots[dst])

    # --- instructions ---

    def body(self, body: Body) -> bool:
        """Writes a body; whether its end is reached."""
        for number, instr in enumerate(body):
            if not self.instr(instr):
                # What cannot be reached is not written, but its loops have numbers.
                self.loops += sum(isinstance(dead, Loop | For) for dead in walk(body[number + 1 :]))
                return False
        return True

    def instr(self, instr: Instr) -> bool:
        """Writes an instruction; whether control goes on after it."""
        match instr:
            case If() | Switch() | Loop() | For():
                return self.structured(instr)
            case Break() | Continue():
                self.leave_iteration(instr)
                return False
            case Return(value=value):
                self.leave(value)
                return False
            case Trap(code=code):
                site = self.site(instr)
                self.b.do(f"call void @trap(i32 {TRAPS[code][0]}, i32 {site})")
                self.b.do("unreachable")
                return False
            case Fail(message=message):
                data, length = self.header(message)
                self.b.do(f"call void @fail(ptr {data}, i64 {length}, i32 {self.site(instr)})")
                self.b.do("unreachable")
                return False
        self.simple(instr)
        return True

    def site(self, instr: Instr) -> int:
        """The number of an instruction's site."""
        return self.b.module.site(instr.site)

    def simple(self, instr: Instr) -> None:
        """An instruction that control passes through."""
        if self.strip is not None and self.strip.instr(instr):
            return
        site = self.site(instr)
        match instr:
            case Assign():
                self.assign(instr, site)
            case Load():
                self.load(instr, site)
            case Store():
                self.store(instr, site)
            case Op():
                self.operation(instr, site)
            case Mutate():
                self.mutate(instr, site)
            case Make() | MakeVariant() | MakeArray():
                self.make(instr, site)
            case Const():
                self.const(instr, site)
            case Call():
                self.call(instr, site)
            case Emit():
                self.emit(instr, site)
            case Note(message=message):
                data, length = self.header(message)
                self.b.do(f"call void @note(ptr {data}, i64 {length}, i32 {site})")
            case _:
                raise TypeError(f"not an instruction: {instr!r}")

    def assign(self, instr: Assign, site: int) -> None:
        t = self.type(instr.src)
        if is_ssa(t):
            self.set_scalar(instr.dst, self.scalar(instr.src))
            return
        definition = self.define(instr.dst, site)
        self.take(instr.src, definition.target)
        self.settle(definition)

    def const(self, instr: Const, site: int) -> None:
        t = self.function.locals[instr.dst].type
        source = static_value(self.b.module, t, self.program.constants[instr.name].value)
        if is_ssa(t):
            self.set_scalar(instr.dst, self.get_scalar(t, source))
            return
        definition = self.define(instr.dst, site)
        self.copy(t, definition.target, source)
        self.settle(definition)

    def load(self, instr: Load, site: int) -> None:
        source, exclusive = self.place(instr.place, site, change=False)
        t = place_type(self.function, instr.place, self.types)
        if is_ssa(t):
            self.set_scalar(instr.dst, self.get_scalar(t, source))
            return
        definition = self.define(instr.dst, site)
        freeze = memory.freeze if exclusive is None else memory.freeze_in_place
        if instr.mode == "share":
            freeze(self.b, t, source)
        self.copy(t, definition.target, source)
        if instr.mode == "move":
            freeze(self.b, t, source)
            self.freeze_unless(exclusive, t, definition.target)
        self.settle(definition)

    def freeze_unless(self, exclusive: str | None, t: Type, pointer: str) -> None:
        """What is moved out of a shared buffer is itself shared."""
        if exclusive is None or not self.layout.has_heap(t):
            return
        shared, on = self.b.name("shared"), self.b.name("on")
        self.b.branch(exclusive, on, shared)
        self.b.label(shared)
        memory.freeze(self.b, t, pointer)
        self.b.jump(on)
        self.b.label(on)

    def store(self, instr: Store, site: int) -> None:
        target, _ = self.place(instr.place, site, change=True)
        self.put(instr.place.root, target, instr.src, site, replaces=True)

    def put(self, root: int, target: str, src: Operand, site: int, *, replaces: bool) -> None:
        """Stores an operand into a part of `root`; drops what was there if it `replaces` something."""
        t = self.type(src)
        if not self.layout.has_heap(t):
            self.take(src, target)
            return
        value = self.scratch_slot("put", t)
        self.take(src, value)
        if self.persistent(root) and self.layout.depth(t) == 1:
            memory.promote(self.b, t, value, site)
        if replaces and root in self.owners:
            memory.drop(self.b, t, target)
        self.copy(t, target, value)

    def operation(self, instr: Op, site: int) -> None:
        t = self.function.locals[instr.dst].type
        if instr.op in ("set_key", "set_name", "set_value"):
            self.set_operation(instr, t, site)
        elif is_ssa(t):
            self.set_scalar(instr.dst, scalar_op(self, instr, t, site))
        else:
            definition = self.define(instr.dst, site)
            self.b.set_header(definition.target, *header_op(self, instr, t, site))
            self.settle(definition)

    def set_operation(self, instr: Op, t: Type, site: int) -> None:
        definition = self.define(instr.dst, site)
        index = self.scalar(instr.args[1])
        set_part(self.b, instr.op, t, self.pointer(instr.args[0]), index, definition.target, site)
        self.settle(definition)

    def make(self, instr: Make | MakeVariant | MakeArray, site: int) -> None:
        t = self.function.locals[instr.dst].type
        if is_ssa(t):
            self.set_scalar(instr.dst, "0")
            return
        definition = self.define(instr.dst, site)
        match instr:
            case Make(args=args):
                shape, first = self.layout.mem(t), 0
            case MakeVariant(args=args, variant=variant):
                shape, first = self.layout.variant(t, variant), 1
                self.b.store("i64", str(variant), definition.target)
            case MakeArray(args=args):
                self.make_array(args, t, definition.target, site)
                args = ()
        for number, arg in enumerate(args):
            self.take(arg, self.b.field(shape, definition.target, number + first))
        self.settle(definition)

    def make_array(self, args: tuple[Operand, ...], t: Type, target: str, site: int) -> None:
        if not args:
            self.b.set_header(target, "null", "0", "0")
            return
        item = element(t)
        data = memory.new_array(self.b, item, str(len(args)), site)
        for number, arg in enumerate(args):
            self.take(arg, self.b.offset(data, str(number), self.layout.mem(item)))
        self.b.set_header(target, data, str(len(args)), str(len(args)))

    def mutate(self, instr: Mutate, site: int) -> None:
        place, _ = self.place(instr.place, site, change=True)
        t = place_type(self.function, instr.place, self.types)
        high = self.persistent(instr.place.root)
        match instr.op:
            case "append":
                self.append(instr, place, t, high=high, site=site)
            case "extend":
                self.extend(instr, place, t, high=high, site=site)
            case "truncate":
                self.truncate(instr, place, t, site)
            case "reserve":
                self.reserve(instr, place, t, high=high, site=site)

    def append(self, instr: Mutate, place: str, t: Type, *, high: bool, site: int) -> None:
        b = self.b
        length = b.load("i64", b.field("%H", place, 1))
        longer = b.op(f"add i64 {length}, 1")
        memory.own(b, t, place, longer, high=high, site=site)
        target = b.offset(b.load("ptr", place), length, self.layout.mem(element(t)))
        self.put(instr.place.root, target, instr.args[0], site, replaces=False)
        b.store("i64", longer, b.field("%H", place, 1))

    def extend(self, instr: Mutate, place: str, t: Type, *, high: bool, site: int) -> None:
        b, item = self.b, element(t)
        data, count = self.header(instr.args[0])
        old, length = b.header(place)
        longer = b.op(f"add i64 {length}, {count}")
        some, done = b.name("some"), b.name("done")
        b.branch(b.op(f"icmp eq i64 {count}, 0"), done, some)
        b.label(some)
        memory.own(b, t, place, longer, high=high, site=site)
        new = b.load("ptr", place)
        # A value that is extended by itself: its old buffer may have been given back, the new one begins with the same.
        # (An empty view at the start of the operand has the same address, but nothing of it is in the new buffer.)
        same, within = b.op(f"icmp eq ptr {data}, {old}"), b.op(f"icmp ule i64 {count}, {length}")
        source = b.op(f"select i1 {b.op(f'and i1 {same}, {within}')}, ptr {new}, ptr {data}")
        target = b.offset(new, length, self.layout.mem(item))
        if self.layout.has_heap(item):
            memory.each_element(b, source, "0", count, item, lambda p: memory.freeze_in_place(b, item, p))
        size = b.op(f"mul i64 {count}, {self.layout.size(item)}")
        b.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")
        b.store("i64", longer, b.field("%H", place, 1))
        if high and self.layout.depth(item) == 1:
            memory.each_element(b, new, length, longer, item, lambda p: memory.promote(b, item, p, site))
        b.jump(done)
        b.label(done)

    def truncate(self, instr: Mutate, place: str, t: Type, site: int) -> None:
        b = self.b
        data, length = b.header(place)
        count = self.scalar(instr.args[0])
        b.trap_unless(b.op(f"icmp ule i64 {count}, {length}"), "trap.slice", site)
        if t == STR:
            b.trap_unless(b.op(f"call i1 @at_boundary(ptr {data}, i64 {length}, i64 {count})"), "trap.slice", site)
        if instr.place.root in self.owners:
            memory.drop_elements(b, t, place, count)
        b.store("i64", count, b.field("%H", place, 1))

    def reserve(self, instr: Mutate, place: str, t: Type, *, high: bool, site: int) -> None:
        b = self.b
        wish = self.scalar(instr.args[0])
        more = b.op(f"select i1 {b.op(f'icmp sgt i64 {wish}, 0')}, i64 {wish}, i64 0")
        b.trap_if(b.op(f"icmp ugt i64 {more}, 1099511627776"), "limit.memory", site)
        length = b.load("i64", b.field("%H", place, 1))
        memory.own(b, t, place, b.op(f"add i64 {length}, {more}"), high=high, site=site)

    def emit(self, instr: Emit, site: int) -> None:
        output = self.program.kernel.outputs[instr.output]
        emit_item(self, instr, output, site)

    # --- calls ---

    def call(self, instr: Call, site: int) -> None:
        number, callee = self.program.function(instr.fn)
        returns = self.returned(instr, callee, site)
        places = self.lend(instr, callee, site)
        args = [self.argument(arg, places.get(i)) for i, arg in enumerate(instr.args)]
        if returns is not None and not is_ssa(callee.result):
            args.insert(0, f"ptr {returns.target}")
        counted = instr.fn in self.program.cyclic
        if counted:
            self.count_call(site)
        text = f"call fastcc {result_type(callee)} @f{number}({', '.join(args)})"
        value = "0"
        if result_type(callee) == "void":
            self.b.do(text)
        else:
            value = self.b.op(text)
        if counted:
            self.b.store("i32", self.b.op(f"sub i32 {self.b.load('i32', '@depth')}, 1"), "@depth")
        for i, (copied, place) in places.items():
            self.copy(callee.locals[i].type, place, copied)
        if returns is not None and is_ssa(callee.result):
            self.set_scalar(returns.dst, value)
        elif returns is not None:
            self.settle(returns)

    def returned(self, instr: Call, callee: Function, site: int) -> "Definition | None":
        """Where the result goes; a local nobody reads if the call has no destination."""
        if instr.dst is not None:
            definition = self.define(instr.dst, site)
            # The callee reads records where they are: its result must not be written over one of them.
            if instr.dst in instr.args and not is_copied(callee.result):
                return evolve(definition, target=self.scratch_slot("define", callee.result))
            return definition
        if is_ssa(callee.result):
            return None
        return Definition(-1, callee.result, self.slot(callee.result), False, False, site)

    def lend(self, instr: Call, callee: Function, site: int) -> dict[int, tuple[str, str]]:
        """What is passed for the places that are passed `inout`, by number of argument, and the place itself."""
        lent = {}
        for i, arg in enumerate(instr.args):
            if isinstance(arg, Place):
                place, _ = self.place(arg, site, change=True)
                t = callee.locals[i].type
                lent[i] = (self.slot(t), place) if is_copied(t) else (place, place)
                self.copy(t, lent[i][0], place)
        return lent

    def argument(self, arg: Operand | Place, lent: tuple[str, str] | None) -> str:
        if lent is not None:
            return f"ptr {lent[0]}"
        assert not isinstance(arg, Place)
        t = self.type(arg)
        return f"{ssa(t)} {self.scalar(arg)}" if is_ssa(t) else f"ptr {self.pointer(arg)}"

    def count_call(self, site: int) -> None:
        depth = self.b.load("i32", "@depth")
        self.b.trap_unless(self.b.op(f"icmp ult i32 {depth}, {CALL_DEPTH}"), "trap.depth", site)
        self.b.store("i32", self.b.op(f"add i32 {depth}, 1"), "@depth")

    def leave(self, value: Operand | None) -> None:
        """Returns: gives the result and goes to the exit."""
        if value is not None and self.function.result != UNIT:
            self.take(value, self.result_place())
        self.b.jump(self.exit)

    def result_place(self) -> str:
        """Where the result is put: the caller's place, or a slot for a scalar."""
        scalar = is_ssa(self.function.result)
        return self.scratch_slot("result", self.function.result) if scalar else "%result"

    def epilogue(self) -> None:
        """The exit: drops what is left and gives the `inout` places and the result to the caller."""
        self.b.label(self.exit)
        for i in self.managed:
            memory.drop(self.b, self.function.locals[i].type, self.slots[i])
        for i in range(self.function.params):
            if self.function.inout[i] and is_copied(self.function.locals[i].type):
                self.copy(self.function.locals[i].type, f"%p{i}", self.slots[i])
        if self.mark is not None:
            self.b.do(f"call void @release(ptr {self.mark})")
        if result_type(self.function) == "void":
            self.b.do("ret void")
        else:
            value = self.get_scalar(self.function.result, self.result_place())
            self.b.do(f"ret {ssa(self.function.result)} {value}")

    # --- structure ---

    def structured(self, instr: If | Switch | Loop | For) -> bool:
        match instr:
            case If():
                return self.branch(instr)
            case Switch():
                return self.switch(instr)
            case Loop():
                return self.loop(instr)
            case For():
                return self.count(instr)

    def branch(self, instr: If) -> bool:
        then, orelse, done = self.b.name("then"), self.b.name("else"), self.b.name("end")
        self.b.branch(self.scalar(instr.cond), then, orelse)
        return self.join([(then, instr.then), (orelse, instr.orelse)], done)

    def switch(self, instr: Switch) -> bool:
        labels = [self.b.name("case") for _ in instr.cases]
        default, done = self.b.name("default"), self.b.name("end")
        rows = " ".join(f"i64 {n}, label %{label}" for (n, _), label in zip(instr.cases, labels, strict=True))
        self.b.do(f"switch i64 {self.scalar(instr.subject)}, label %{default} [{rows}]")
        arms = [(label, body) for (_, body), label in zip(instr.cases, labels, strict=True)]
        return self.join([*arms, (default, instr.default)], done)

    def join(self, arms: list[tuple[str, Body]], done: str) -> bool:
        reached = False
        for label, body in arms:
            self.b.label(label)
            if self.body(body):
                self.b.jump(done)
                reached = True
        if reached:
            self.b.label(done)
        return reached

    def enter_loop(self, instr: Loop | For, again: str, done: str) -> None:
        mark = self.b.load("ptr", "@bump") if instr.release else None
        self.open.append(OpenLoop(self.loops, again, done, mark))
        self.loops += 1

    def end_iteration(self) -> None:
        if self.open[-1].mark is not None:
            self.b.do(f"call void @release(ptr {self.open[-1].mark})")

    def leave_iteration(self, instr: Break | Continue) -> None:
        self.end_iteration()
        self.b.jump(self.open[-1].done if isinstance(instr, Break) else self.open[-1].again)

    def loop(self, instr: Loop) -> bool:
        head, done = self.b.name("loop"), self.b.name("done")
        self.enter_loop(instr, head, done)
        self.b.jump(head)
        self.b.label(head)
        if self.body(instr.body):
            self.end_iteration()
            self.b.jump(head)
        self.open.pop()
        breaks = _breaks(instr.body)
        if breaks:
            self.b.label(done)
        return breaks

    def count(self, instr: For) -> bool:
        found = plan(self.layout, self.function, instr, self.scopes.loops[self.loops].inner) if instr.sticky else None
        if found is not None:
            StripWriter(self, instr, found).write()
            return True
        hi = self.scalar(instr.hi)
        self.set_scalar(instr.index, self.scalar(instr.lo))
        self.count_to(instr, hi)
        return True

    def count_to(self, instr: For, hi: str) -> None:
        """A counted loop from where its index stands."""
        head, inside, again, done = (self.b.name(stem) for stem in ("for", "body", "next", "done"))
        self.enter_loop(instr, again, done)
        self.b.jump(head)
        self.b.label(head)
        index = self.b.load("i64", self.slots[instr.index])
        self.b.branch(self.b.op(f"icmp slt i64 {index}, {hi}"), inside, done)
        self.b.label(inside)
        if self.body(instr.body):
            self.end_iteration()
            self.b.jump(again)
        self.b.label(again)
        now = self.b.load("i64", self.slots[instr.index])
        self.b.store("i64", self.b.op(f"add nsw i64 {now}, 1"), self.slots[instr.index])
        self.b.jump(head)
        self.open.pop()
        self.b.label(done)


@frozen
class Definition:
    """A new value on its way into a local."""

    dst: int
    type: Type
    target: str
    promotes: bool
    drops: bool
    site: int


def _breaks(body: Body) -> bool:
    """Whether a body leaves the loop that it is the body of."""
    for instr in body:
        match instr:
            case Break():
                return True
            case If(then=then, orelse=orelse):
                if _breaks(then) or _breaks(orelse):
                    return True
            case Switch(cases=cases, default=default):
                if _breaks(default) or any(_breaks(inner) for _, inner in cases):
                    return True
    return False


def _literal_bytes(operand: Lit) -> bytes:
    assert isinstance(operand.value, str | bytes), operand
    return operand.value.encode() if isinstance(operand.value, str) else operand.value
