"""The reference interpreter of kernel IR: small, slow, and independent of generated code.

It serves tests, the REPL and replay; it never runs untrusted code in production. It shares neither memory layout nor
arithmetic with the back end.

Values are `interp_values`' own. Records and variants are immutable, rebuilt on the way to a change; buffers are changed in
place when nobody else has them.

Bodies are flattened to jumps, and calls push frames on a list, so no depth of the program is a depth of Python.
"""

from collections.abc import Callable
from typing import Any

from dandc.compiler.encoding import EncodingError, Variant, encode
from dandc.compiler.interp_values import (
    Buffer,
    Trapped,
    apply,
    at_boundary,
    from_static,
    internal,
    mark_items,
    mark_shared,
    neutral,
    static,
    too_large,
)
from dandc.compiler.kir import (
    Assign,
    Body,
    Break,
    Call,
    Const,
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
    StaticValue,
    Step,
    Store,
    Switch,
    Trap,
)
from dandc.compiler.kir_walk import call_cycles, step_type
from dandc.compiler.limits import CALL_DEPTH, CONSTANT_BYTES, NOTE_BYTES, NOTE_COUNT, VALUE_DEPTH, dropped_note
from dandc.compiler.types import (
    STR,
    Array,
    Basic,
    Named,
    Option,
    RecordDef,
    SetRef,
    Tuple,
    Type,
    fields,
    variants,
)
from dandc.lang.spans import NOWHERE, Span
from dandc.lang.values import frozen

DEFAULT_STEPS = 100_000_000


@frozen(slots=True)
class Emission:
    """An item that an instance gave: neutral values; key and name None: not said."""

    output: int
    key: Any
    name: str | None
    value: Any


@frozen(slots=True)
class InstanceResult:
    """How an instance ended: `state` is `ok`, `trap` (with its name) or `fail` (with its message).

    Only `ok` has emissions. `limit.steps` is the trap of a run that took too long.
    """

    state: str
    emissions: tuple[Emission, ...]
    notes: tuple[str, ...]
    trap: str = ""
    message: str = ""
    site: Span | None = None


@frozen(slots=True)
class Evaluation:
    """The value of a function without parameters, or the trap that ended it.

    `limit.steps` is a trap, too, and `limit.output` a value that is too large. `calls` are the sites of the calls that were
    open at a trap, innermost first.
    """

    value: StaticValue
    steps: int
    trap: str = ""
    site: Span | None = None
    calls: tuple[Span, ...] = ()


def evaluate(kernel: Kernel, steps: int) -> Evaluation:
    """The value that the first function of `kernel` returns; it has no parameters.

    `steps` bounds instructions, and what they copy as well, so that it is a bound for time and memory.
    """
    machine = _Machine(kernel, steps, weighs=True)
    return machine.evaluation()


def run_kernel(kernel: Kernel, instances: list[list[Any]], steps: int = DEFAULT_STEPS) -> list[InstanceResult]:
    """Runs each instance on its arguments, neutral values in order of the kernel's parameters.

    `optional` parameters take a `Variant` of option, sets a list of (key, name, value). `steps` bounds each instance.
    """
    machine = _Machine(kernel, steps)
    return [machine.instance(args) for args in instances]


# --- flat code ------------------------------------------------------------------------------------------------------


@frozen(slots=True)
class _Jump:
    target: int


@frozen(slots=True)
class _Unless:
    """Jumps if the condition is false."""

    cond: Operand
    target: int


@frozen(slots=True)
class _Choose:
    subject: Operand
    targets: dict[int, int]
    default: int


@frozen(slots=True)
class _Count:
    """The head of a `for`: `hidden` is the frame's slot for the end; jumps to `target` when done."""

    index: int
    hidden: int
    target: int


@frozen(slots=True)
class _StartCount:
    loop: For
    hidden: int


@frozen(slots=True)
class _NextCount:
    index: int
    target: int


class _Flattener:
    """Turns a function's body into a list of simple instructions and jumps."""

    def __init__(self, function: Function) -> None:
        self.code: list[Any] = []
        self.slots = len(function.locals)
        self.again: list[int] = []
        self.breaks: list[list[int]] = []
        self.continues: list[list[int]] = []
        self.body(function.body)
        self.code.append(Return(NOWHERE, None))

    def body(self, body: Body) -> None:
        for instr in body:
            self.instr(instr)

    def hole(self) -> int:
        self.code.append(None)
        return len(self.code) - 1

    def instr(self, instr: Instr) -> None:
        match instr:
            case If():
                self.branch(instr)
            case Switch():
                self.switch(instr)
            case Loop():
                self.loop(instr)
            case For():
                self.count(instr)
            case Break():
                self.breaks[-1].append(self.hole())
            case Continue():
                self.continues[-1].append(self.hole())
            case _:
                self.code.append(instr)

    def branch(self, instr: If) -> None:
        test = self.hole()
        self.body(instr.then)
        leave = self.hole()
        self.code[test] = _Unless(instr.cond, len(self.code))
        self.body(instr.orelse)
        self.code[leave] = _Jump(len(self.code))

    def switch(self, instr: Switch) -> None:
        choose = self.hole()
        targets, leaves = {}, []
        for number, body in instr.cases:
            targets[number] = len(self.code)
            self.body(body)
            leaves.append(self.hole())
        self.code[choose] = _Choose(instr.subject, targets, len(self.code))
        self.body(instr.default)
        for leave in leaves:
            self.code[leave] = _Jump(len(self.code))

    def inside(self, body: Body) -> tuple[list[int], list[int]]:
        self.breaks.append([])
        self.continues.append([])
        self.body(body)
        return self.breaks.pop(), self.continues.pop()

    def fill(self, holes: list[int], target: int) -> None:
        for hole in holes:
            self.code[hole] = _Jump(target)

    def loop(self, instr: Loop) -> None:
        head = len(self.code)
        breaks, continues = self.inside(instr.body)
        self.code.append(_Jump(head))
        self.fill(continues, head)
        self.fill(breaks, len(self.code))

    def count(self, instr: For) -> None:
        hidden = self.slots
        self.slots += 1
        self.code.append(_StartCount(instr, hidden))
        head = self.hole()
        breaks, continues = self.inside(instr.body)
        self.fill(continues, len(self.code))
        self.code.append(_NextCount(instr.index, head))
        self.code[head] = _Count(instr.index, hidden, len(self.code))
        self.fill(breaks, len(self.code))


# --- running --------------------------------------------------------------------------------------------------------


class _End(Exception):
    """Ends an instance: by a trap, or by `fail` with a message."""

    def __init__(self, trap: str, site: Span, message: str = "") -> None:
        self.trap = trap
        self.site = site
        self.message = message


@frozen(slots=True)
class _Code:
    function: Function
    code: list[Any]
    slots: int


class _Frame:
    """One call of a function."""

    __slots__ = ("call", "code", "counted", "function", "lent", "next", "values")

    def __init__(self, code: _Code, call: Call | None, *, counted: bool) -> None:
        self.function = code.function
        self.code = code.code
        self.values: list[Any] = [None] * code.slots
        self.next = 0
        self.call = call
        self.counted = counted
        self.lent: list[tuple[int, Place, list[int]]] = []


def _last_site(frame: _Frame) -> Span:
    """The nearest place in the source at or before the instruction that a frame has come to."""
    sites = (getattr(instr, "site", NOWHERE) for instr in reversed(frame.code[: frame.next]))
    return next((site for site in sites if site != NOWHERE), NOWHERE)


class _Machine:
    """Runs instances of one kernel, one after the other."""

    def __init__(self, kernel: Kernel, steps: int, *, weighs: bool = False) -> None:
        self.kernel = kernel
        self.types = kernel.types
        self.steps = steps
        self.left = steps
        self.weighs = weighs
        self.weight = 0
        self.widths: dict[Type, int] = {}
        self.constants = {c.name: c for c in kernel.constants}
        self.known: dict[str, Any] = {}
        self.result: Any = None
        self.cyclic = call_cycles(kernel.functions)
        self.codes: dict[str, _Code] = {}
        for function in kernel.functions:
            flat = _Flattener(function)
            self.codes[function.name] = _Code(function, flat.code, flat.slots)
        self.frames: list[_Frame] = []
        self.depth = 0
        self.emissions: list[Emission] = []
        self.notes: list[str] = []
        self.note_bytes = 0
        self.dropped = 0

    def instance(self, args: list[Any]) -> InstanceResult:
        self.frames, self.depth, self.emissions = [], 0, []
        self.notes, self.note_bytes, self.dropped = [], 0, 0
        try:
            self.start(args)
            self.loop()
        except _End as end:
            state = "trap" if end.trap else "fail"
            site = None if end.site == NOWHERE else end.site
            return InstanceResult(state, (), self.all_notes(), end.trap, end.message, site)
        return InstanceResult("ok", tuple(self.emissions), self.all_notes())

    def evaluation(self) -> Evaluation:
        """Runs the first function, which has no parameters, for its result."""
        function = self.kernel.functions[0]
        self.frames.append(_Frame(self.codes[function.name], None, counted=False))
        try:
            self.loop()
        except _End as end:
            calls = tuple(frame.call.site for frame in reversed(self.frames) if frame.call is not None)
            place = end.site if end.site != NOWHERE or not self.frames else _last_site(self.frames[-1])
            site = None if place == NOWHERE else place
            return Evaluation(None, self.used(), end.trap, site, calls)
        if too_large(self.result, CONSTANT_BYTES, VALUE_DEPTH):
            return Evaluation(None, self.used(), "limit.output")
        return Evaluation(static(function.result, self.result, self.types), self.used())

    def used(self) -> int:
        return self.steps - self.left + self.weight // 2

    def weigh(self, n: int) -> None:
        """Counts `n` elements that an instruction copies or looks at, each for half a step."""
        self.weight += n
        if self.weight > 2 * self.steps:
            raise _End("limit.steps", NOWHERE)

    def width(self, t: Type) -> int:
        """The number of parts of a value, without what lies in its arrays."""
        if t not in self.widths:
            inside: tuple[Type, ...] = ()
            if not isinstance(t, Basic | Array | SetRef):
                inside = tuple(p for _, p in self.parts(t))
            self.widths[t] = 1 + sum(map(self.width, inside))
        return self.widths[t]

    def parts(self, t: Type) -> tuple[tuple[str, Type], ...]:
        if isinstance(t, Tuple) or (isinstance(t, Named) and isinstance(self.types[str(t)], RecordDef)):
            return fields(t, self.types)
        return tuple((name, p) for name, payload in variants(t, self.types) for p in payload)

    def all_notes(self) -> tuple[str, ...]:
        return (*self.notes, *([dropped_note(self.dropped)] if self.dropped else []))

    def start(self, args: list[Any]) -> None:
        frame = _Frame(self.codes[self.kernel.functions[0].name], None, counted=False)
        for number, (param, arg) in enumerate(zip(self.kernel.params, args, strict=True)):
            if param.kind == "set":
                frame.values[number] = arg
            else:
                t = Option(param.item) if param.kind == "optional" else param.item
                frame.values[number] = internal(t, arg, self.types)
        self.frames.append(frame)

    def loop(self) -> None:
        left = self.steps
        try:
            while self.frames:
                frame = self.frames[-1]
                instr = frame.code[frame.next]
                frame.next += 1
                left -= 1
                if left < 0:
                    raise _End("limit.steps", NOWHERE)
                _EXECUTE[type(instr)](self, frame, instr)
        finally:
            self.left = left

    # operands and places

    def read(self, frame: _Frame, operand: Operand) -> Any:
        if not isinstance(operand, Lit):
            return frame.values[operand]
        if isinstance(operand.value, str):
            return Buffer(bytearray(operand.value.encode()), shared=True)
        if isinstance(operand.value, bytes):
            return Buffer(bytearray(operand.value), shared=True)
        return operand.value

    def operand_type(self, frame: _Frame, operand: Operand) -> Type:
        return operand.type if isinstance(operand, Lit) else frame.function.locals[operand].type

    def get(self, frame: _Frame, place: Place, site: Span) -> Any:
        value = frame.values[place.root]
        for step in place.steps:
            value = self.part(frame, value, step, site)
        return value

    def part(self, frame: _Frame, value: Any, step: Step, site: Span) -> Any:
        match step:
            case FieldStep(index=index):
                return value[index]
            case PayloadStep(index=index):
                return value.fields[index]
            case IndexStep(index=operand):
                return value.items[self.index(frame, value, operand, site)]

    def index(self, frame: _Frame, array: Buffer, operand: Operand, site: Span) -> int:
        index: int = self.read(frame, operand)
        if not 0 <= index < len(array.items):
            raise _End("trap.index", site)
        return index

    def fixed(self, frame: _Frame, place: Place) -> list[int]:
        """The values of a place's indices, so that it can be found again later."""
        return [self.read(frame, s.index) if isinstance(s, IndexStep) else 0 for s in place.steps]

    def change(self, frame: _Frame, place: Place, indices: list[int], site: Span, new: Callable[[Any], Any]) -> None:
        """Replaces the value at a place by `new` of it; whatever is shared on the way is copied first."""

        def at(value: Any, depth: int) -> Any:
            if depth == len(place.steps):
                return new(value)
            step = place.steps[depth]
            if self.weighs and not isinstance(step, IndexStep):
                self.weigh(len(value) if isinstance(value, tuple) else len(value.fields))
            if isinstance(step, FieldStep):
                return (*value[: step.index], at(value[step.index], depth + 1), *value[step.index + 1 :])
            if isinstance(step, PayloadStep):
                parts = value.fields
                changed = (*parts[: step.index], at(parts[step.index], depth + 1), *parts[step.index + 1 :])
                return Variant(value.index, changed)
            index = indices[depth]
            if self.weighs and value.shared:
                self.weigh(len(value.items))
            if not 0 <= index < len(value.items):
                raise _End("trap.index", site)
            buffer = value.changeable()
            buffer.items[index] = at(buffer.items[index], depth + 1)
            return buffer

        frame.values[place.root] = at(frame.values[place.root], 0)

    # instructions

    def jump(self, frame: _Frame, instr: _Jump) -> None:
        frame.next = instr.target

    def unless(self, frame: _Frame, instr: _Unless) -> None:
        if not self.read(frame, instr.cond):
            frame.next = instr.target

    def choose(self, frame: _Frame, instr: _Choose) -> None:
        frame.next = instr.targets.get(self.read(frame, instr.subject), instr.default)

    def start_count(self, frame: _Frame, instr: _StartCount) -> None:
        lo = self.read(frame, instr.loop.lo)
        frame.values[instr.hidden] = self.read(frame, instr.loop.hi)
        frame.values[instr.loop.index] = lo

    def count(self, frame: _Frame, instr: _Count) -> None:
        if not frame.values[instr.index] < frame.values[instr.hidden]:
            frame.next = instr.target

    def next_count(self, frame: _Frame, instr: _NextCount) -> None:
        frame.values[instr.index] += 1
        frame.next = instr.target

    def assign(self, frame: _Frame, instr: Assign) -> None:
        frame.values[instr.dst] = self.read(frame, instr.src)

    def load(self, frame: _Frame, instr: Load) -> None:
        value = self.get(frame, instr.place, instr.site)
        if self.weighs:
            self.weigh(self.width(frame.function.locals[instr.dst].type) - 1)
        if instr.mode == "share" or (instr.mode == "move" and self.through_shared(frame, instr.place)):
            mark_shared(value)
        frame.values[instr.dst] = value

    def through_shared(self, frame: _Frame, place: Place) -> bool:
        value = frame.values[place.root]
        for step in place.steps:
            if isinstance(value, Buffer) and value.shared:
                return True
            value = self.part(frame, value, step, NOWHERE)
        return False

    def store(self, frame: _Frame, instr: Store) -> None:
        value = self.read(frame, instr.src)
        self.change(frame, instr.place, self.fixed(frame, instr.place), instr.site, lambda _: value)

    def op(self, frame: _Frame, instr: Op) -> None:
        args = [self.read(frame, arg) for arg in instr.args]
        target = frame.function.locals[instr.dst].type
        if instr.op in ("set_key", "set_name", "set_value"):
            frame.values[instr.dst] = self.set_part(frame, instr, args, target)
            return
        source = self.operand_type(frame, instr.args[0])
        if self.weighs:
            self.weigh(_weight(instr.op, args))
        try:
            frame.values[instr.dst] = apply(instr.op, args, source, target)
        except Trapped as trapped:
            raise _End(trapped.trap, instr.site) from None

    def set_part(self, frame: _Frame, instr: Op, args: list[Any], target: Type) -> Any:
        items, index = args
        if not 0 <= index < len(items):
            raise _End("trap.input", instr.site)
        key, name, value = items[index]
        set_type = self.operand_type(frame, instr.args[0])
        assert isinstance(set_type, SetRef)
        if instr.op == "set_key":
            return internal(target, key, self.types)
        return internal(target, name if instr.op == "set_name" else value, self.types)

    def mutate(self, frame: _Frame, instr: Mutate) -> None:
        operand = self.read(frame, instr.args[0])
        t = self.operand_type(frame, instr.place.root)
        change = _MUTATIONS[instr.op]

        def new(value: Buffer) -> Buffer:
            if self.weighs:
                copied = len(value.items) if value.shared else 0
                self.weigh(copied + (len(operand.items) if instr.op == "extend" else 0))
            if instr.op == "truncate":
                check_truncation(value, operand, self.place_type(t, instr.place), instr.site)
            if instr.op == "extend":
                mark_items(operand.items)
            buffer = value.changeable()
            change(buffer, operand)
            return buffer

        self.change(frame, instr.place, self.fixed(frame, instr.place), instr.site, new)

    def place_type(self, t: Type, place: Place) -> Type:
        for step in place.steps:
            t = step_type(t, step, self.types)
        return t

    def make(self, frame: _Frame, instr: Make) -> None:
        frame.values[instr.dst] = tuple(self.read(frame, arg) for arg in instr.args)

    def make_variant(self, frame: _Frame, instr: MakeVariant) -> None:
        frame.values[instr.dst] = Variant(instr.variant, tuple(self.read(frame, arg) for arg in instr.args))

    def make_array(self, frame: _Frame, instr: MakeArray) -> None:
        frame.values[instr.dst] = Buffer([self.read(frame, arg) for arg in instr.args])

    def const(self, frame: _Frame, instr: Const) -> None:
        if instr.name not in self.known:
            constant = self.constants[instr.name]
            self.known[instr.name] = from_static(constant.type, constant.value, self.types)
        frame.values[instr.dst] = self.known[instr.name]

    def emit(self, frame: _Frame, instr: Emit) -> None:
        output = self.kernel.outputs[instr.output]
        key = None
        if instr.key is not None and output.key is not None:
            key = neutral(output.key, self.read(frame, instr.key), self.types)
        name = None if instr.name is None else self.read(frame, instr.name).items.decode()
        value = neutral(output.item, self.read(frame, instr.value), self.types)
        try:
            encode(output.item, value, self.types)
        except EncodingError:
            raise _End("limit.output", instr.site) from None
        self.emissions.append(Emission(instr.output, key, name, value))

    def note(self, frame: _Frame, instr: Note) -> None:
        data = self.read(frame, instr.message).items
        if self.dropped or len(self.notes) == NOTE_COUNT or self.note_bytes + len(data) > NOTE_BYTES:
            self.dropped += 1
            return
        self.notes.append(data.decode())
        self.note_bytes += len(data)

    def fail(self, frame: _Frame, instr: Fail) -> None:
        raise _End("", instr.site, self.read(frame, instr.message).items.decode())

    def trap(self, frame: _Frame, instr: Trap) -> None:
        raise _End(instr.code, instr.site)

    def call(self, frame: _Frame, instr: Call) -> None:
        counted = instr.fn in self.cyclic
        callee = _Frame(self.codes[instr.fn], instr, counted=counted)
        if self.weighs:
            self.weigh(len(callee.values) >> 3)
        for number, arg in enumerate(instr.args):
            if isinstance(arg, Place):
                callee.values[number] = self.lend(frame, arg, instr.site)
                callee.lent.append((number, arg, self.fixed(frame, arg)))
            else:
                callee.values[number] = self.read(frame, arg)
        if counted:
            if self.depth == CALL_DEPTH:
                raise _End("trap.depth", instr.site)
            self.depth += 1
        self.frames.append(callee)

    def lend(self, frame: _Frame, place: Place, site: Span) -> Any:
        """The value at a place after everything shared on the way to it has been copied."""
        lent: list[Any] = []

        def keep(value: Any) -> Any:
            lent.append(value)
            return value

        self.change(frame, place, self.fixed(frame, place), site, keep)
        return lent[0]

    def give_back(self, instr: Return) -> None:
        frame = self.frames.pop()
        value = None if instr.value is None else self.read(frame, instr.value)
        if not self.frames:
            self.result = value
            return
        if frame.counted:
            self.depth -= 1
        caller = self.frames[-1]
        for number, place, indices in frame.lent:
            self.replace(caller, place, indices, frame.values[number])
        assert frame.call is not None
        if frame.call.dst is not None:
            caller.values[frame.call.dst] = value

    def replace(self, frame: _Frame, place: Place, indices: list[int], value: Any) -> None:
        self.change(frame, place, indices, NOWHERE, lambda _: value)


_EXECUTE: dict[type, Callable[[_Machine, _Frame, Any], None]] = {
    _Jump: _Machine.jump,
    _Unless: _Machine.unless,
    _Choose: _Machine.choose,
    _StartCount: _Machine.start_count,
    _Count: _Machine.count,
    _NextCount: _Machine.next_count,
    Assign: _Machine.assign,
    Load: _Machine.load,
    Store: _Machine.store,
    Op: _Machine.op,
    Mutate: _Machine.mutate,
    Make: _Machine.make,
    MakeVariant: _Machine.make_variant,
    MakeArray: _Machine.make_array,
    Const: _Machine.const,
    Emit: _Machine.emit,
    Note: _Machine.note,
    Fail: _Machine.fail,
    Trap: _Machine.trap,
    Call: _Machine.call,
    Return: lambda machine, _, instr: machine.give_back(instr),
}

_MUTATIONS: dict[str, Callable[[Buffer, Any], None]] = {
    "append": lambda buffer, operand: buffer.items.append(operand),
    "extend": lambda buffer, operand: buffer.items.extend(operand.items[:]),
    "truncate": lambda buffer, operand: buffer.items.__delitem__(slice(operand, None)),
    "reserve": lambda buffer, operand: None,
}


_SCANS = frozenset("eq ne lt le gt ge to_bytes str_unchecked".split())


def _weight(op: str, args: list[Any]) -> int:
    """How many elements a primitive copies or looks at."""
    first = args[0]
    if op in _SCANS and isinstance(first, Buffer):
        return len(first.items)
    count: int = 0
    if op == "slice":
        count = min(args[2], len(first.items)) - args[1]
    elif op == "array_filled":
        count = first
    return max(count, 0)


def check_truncation(value: Buffer, count: int, t: Type, site: Span) -> None:
    """Traps unless the first `count` are there, and whole characters of a str."""
    if not 0 <= count <= len(value.items) or (t == STR and not at_boundary(value.items, count)):
        raise _End("trap.slice", site)
