"""The verifier of kernel IR: what every pass must keep, and what the back end relies on.

Generated code has no undefined behaviour because of the checks here: types of every instruction, values before use, owned
operands that nobody uses afterwards, changes only through mutable roots, and structure. It collects problems; a problem is a
mistake in this compiler, never in a user's program, so it has no diagnostic code. Tests run it after every pass.

Ownership is followed per local, as far as that is static: a local that was consumed may not be read until it gets a new
value, and neither may a borrow whose root was changed. Moving out of a part of a local is not followed.
"""

from collections.abc import Callable, Iterable
from typing import Any

from dandc.compiler.codegen.layout import Layout, LayoutError, is_header
from dandc.compiler.encoding import Variant
from dandc.compiler.interp_values import round_float
from dandc.compiler.kir import (
    MUTATIONS,
    OPS,
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
from dandc.compiler.kir_text import instr_text
from dandc.compiler.kir_walk import bodies, changed, consumed, defined, indices, places, used, walk
from dandc.compiler.types import (
    BOOL,
    BYTES,
    I64,
    NEVER,
    SECRET,
    STR,
    U8,
    UNIT,
    Array,
    Basic,
    EnumDef,
    Named,
    Option,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeTable,
    fields,
    int_range,
    is_float,
    is_int,
    is_scalar,
    variants,
)
from dandc.lang.values import frozen


@frozen(slots=True)
class Problem:
    """What is wrong with an instruction (its text; empty: with the function or kernel as a whole)."""

    function: str
    instruction: str
    reason: str

    def __str__(self) -> str:
        where = f"in `{self.instruction}` " if self.instruction else ""
        return f"{self.function}: {where}{self.reason}"


class VerifyError(Exception):
    """Carries the problems of a kernel that does not verify."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def check(kernel: Kernel) -> None:
    """Raises `VerifyError` unless the kernel verifies."""
    problems = verify(kernel)
    if problems:
        raise VerifyError(problems)


def verify(kernel: Kernel) -> tuple[Problem, ...]:
    """All problems of a kernel, at most one an instruction; empty if it is sound."""
    found = _kernel_problems(kernel)
    for function in kernel.functions:
        found += _FunctionVerifier(kernel, function).run()
    return tuple(found)


class _Wrong(Exception):
    """One reason; caught at the instruction."""


def _require(cond: bool, reason: str) -> None:
    if not cond:
        raise _Wrong(reason)


# --- the kernel -----------------------------------------------------------------------------------------------------


def _kernel_problems(kernel: Kernel) -> list[Problem]:
    reasons: list[str] = []
    names = [f.name for f in kernel.functions]
    if not names:
        return [Problem(kernel.name, "", "there are no functions")]
    reasons += [f"two functions are called `{n}`" for n in sorted(set(names)) if names.count(n) > 1]
    entry = kernel.functions[0]
    expected = tuple(_entry_type(p.kind, p.key, p.item) for p in kernel.params)
    if tuple(local.type for local in entry.locals[: entry.params]) != expected or any(entry.inout):
        reasons.append("the entry's parameters are not the kernel's")
    if entry.result != UNIT:
        reasons.append("the entry does not return unit")
    if names[0] in _callees(kernel):
        reasons.append("the entry is called")
    known = [c.name for c in kernel.constants]
    reasons += [f"two constants are called `{n}`" for n in sorted(set(known)) if known.count(n) > 1]
    reasons += [
        f"the constant `{c.name}` is no value of `{c.type}`" for c in kernel.constants if not _is_value(kernel, c)
    ]
    return [Problem(kernel.name, "", reason) for reason in reasons]


def _is_value(kernel: Kernel, constant: Constant) -> bool:
    """Whether a constant is put together as its type says."""
    waiting: list[tuple[Type, object]] = [(constant.type, constant.value)]
    while waiting:
        t, value = waiting.pop()
        if isinstance(t, Basic):
            if not _fits(Lit(t, value)):  # type: ignore[arg-type]
                return False
            continue
        if isinstance(t, Array):
            inside = [t.item] * len(value) if isinstance(value, tuple) else None
        elif isinstance(value, Variant):
            rows = variants(t, kernel.types)
            inside = list(rows[value.index][1]) if 0 <= value.index < len(rows) else None
            value = value.fields
        else:
            inside = [item for _, item in fields(t, kernel.types)]
        if inside is None or not isinstance(value, tuple) or len(inside) != len(value):
            return False
        waiting.extend(zip(inside, value, strict=True))
    return True


def _callees(kernel: Kernel) -> set[str]:
    return {i.fn for f in kernel.functions for i in walk(f.body) if isinstance(i, Call)}


def _entry_type(kind: str, key: Type | None, item: Type) -> Type:
    if kind == "set":
        return SetRef(key, item)
    return Option(item) if kind == "optional" else item


# --- a function -----------------------------------------------------------------------------------------------------


class _FunctionVerifier:
    """Checks one function instruction by instruction."""

    def __init__(self, kernel: Kernel, function: Function) -> None:
        self.kernel = kernel
        self.types: TypeTable = kernel.types
        self.function = function
        self.layout = Layout(kernel.types)
        self.problems: list[Problem] = []
        self.loops = 0

    def run(self) -> list[Problem]:
        """The problems of the function."""
        f = self.function
        try:
            self.declarations()
        except (_Wrong, LayoutError, KeyError) as error:
            return [Problem(f.name, "", str(error))]
        self.borrowed = self.borrowed_locals()
        self.origins = self.borrow_origins()
        self.body(f.body)
        if not self.problems:
            self.flow()
        return self.problems

    def declarations(self) -> None:
        f = self.function
        _require(len(f.inout) == f.params <= len(f.locals), "the parameters do not fit the locals")
        for number, local in enumerate(f.locals):
            _require(local.type != NEVER, f"%{number} is of type never")
            self.layout.size(local.type)
            if number < f.params:
                _require(local.mutable == f.inout[number], f"%{number} is mutable if and only if it is inout")
                _require(not (f.inout[number] and isinstance(local.type, SetRef)), "a set is never inout")
        self.layout.size(f.result)

    def borrowed_locals(self) -> frozenset[int]:
        """Locals that do not own what they hold: borrows, and parameters that are not `inout`."""
        f = self.function
        params = {i for i in range(f.params) if not f.inout[i]}
        loads = (i for i in walk(f.body) if isinstance(i, Load) and i.mode == "borrow")
        return frozenset(params | {i.dst for i in loads if self.layout.has_heap(f.locals[i.dst].type)})

    def borrow_origins(self) -> dict[int, set[int]]:
        """From each borrowing local to the roots that it may be an alias of."""
        loads = [i for i in walk(self.function.body) if isinstance(i, Load) and i.mode == "borrow"]
        loads = [i for i in loads if i.dst in self.borrowed]
        origins: dict[int, set[int]] = {i.dst: set() for i in loads}
        before = -1
        while before != sum(map(len, origins.values())):
            before = sum(map(len, origins.values()))
            for load in loads:
                root = load.place.root
                origins[load.dst] |= {root} | origins.get(root, set())
        return origins

    def body(self, body: Body) -> None:
        for instr in body:
            try:
                self.instr(instr)
            except (_Wrong, LayoutError) as error:
                self.problem(instr, str(error))
            except (KeyError, IndexError, AssertionError, ValueError) as error:
                self.problem(instr, f"it does not fit its operands ({type(error).__name__}: {error})")
            inside = isinstance(instr, Loop | For)
            self.loops += inside
            for inner in bodies(instr):
                self.body(inner)
            self.loops -= inside

    def problem(self, instr: Instr, reason: str) -> None:
        self.problems.append(Problem(self.function.name, instr_text(instr), reason))

    # types

    def local(self, number: int) -> Type:
        _require(0 <= number < len(self.function.locals), f"there is no local %{number}")
        return self.function.locals[number].type

    def type(self, operand: Operand) -> Type:
        if isinstance(operand, Lit):
            _require(_fits(operand), f"{operand.value!r} is not a literal of type `{operand.type}`")
            return operand.type
        return self.local(operand)

    def place(self, place: Place) -> Type:
        t = self.local(place.root)
        for step in place.steps:
            match step:
                case FieldStep(index=index):
                    _require(not isinstance(t, Basic | Array | SetRef), f"`{t}` has no fields")
                    t = fields(t, self.types)[index][1]
                case PayloadStep(variant=variant, index=index):
                    _require(isinstance(t, Option | Result | Named), f"`{t}` has no variants")
                    t = variants(t, self.types)[variant][1][index]
                case IndexStep(index=operand):
                    _require(isinstance(t, Array), f"`{t}` has no elements")
                    _require(self.type(operand) == I64, "an index is an i64")
                    t = t.item if isinstance(t, Array) else t
        return t

    def same(self, expected: Type, found: Type, what: str) -> None:
        _require(expected == found, f"{what} is `{found}`, not `{expected}`")

    def all_same(self, expected: Iterable[Type], args: tuple[Operand, ...], what: str) -> None:
        wanted = tuple(expected)
        _require(len(wanted) == len(args), f"{what} takes {len(wanted)} operands, not {len(args)}")
        for number, (t, arg) in enumerate(zip(wanted, args, strict=True)):
            self.same(t, self.type(arg), f"operand {number} of {what}")

    # instructions

    def instr(self, instr: Instr) -> None:
        for operand in consumed(instr):
            self.owned(operand)
        for place in changed(instr):
            root = place.root
            _require(self.function.locals[root].mutable, f"%{root} is not mutable")
        check = _CHECKS.get(type(instr))
        _require(check is not None, "it is no instruction")
        if check is not None:
            check(self, instr)

    def owned(self, operand: Operand) -> None:
        if isinstance(operand, int) and operand in self.borrowed and self.layout.has_heap(self.local(operand)):
            raise _Wrong(f"%{operand} is consumed but only borrowed")

    def assign(self, instr: Assign) -> None:
        self.same(self.local(instr.dst), self.type(instr.src), "the source")

    def load(self, instr: Load) -> None:
        _require(instr.mode in ("borrow", "share", "move"), f"`{instr.mode}` is no mode")
        self.same(self.local(instr.dst), self.place(instr.place), "the place")
        if self.layout.has_heap(self.local(instr.dst)):
            if instr.mode == "move":
                self.owned(instr.place.root)
            _require(instr.mode != "borrow" or not self.function.locals[instr.dst].mutable, "a var borrows nothing")

    def store(self, instr: Store) -> None:
        self.same(self.place(instr.place), self.type(instr.src), "the source")

    def op(self, instr: Op) -> None:
        _require(instr.op in OPS, f"`{instr.op}` is no operation")
        target = self.local(instr.dst)
        args = [self.type(arg) for arg in instr.args]
        wanted = _signature(instr.op, args, target)
        _require(wanted is not None, f"`{instr.op}` does not take ({', '.join(map(str, args))})")
        if wanted is not None:
            self.same(target, wanted, "the result")

    def mutate(self, instr: Mutate) -> None:
        _require(instr.op in MUTATIONS, f"`{instr.op}` is no mutation")
        t = self.place(instr.place)
        _require(is_header(t) and t != SECRET, f"`{t}` cannot be changed so")
        if instr.op == "append":
            _require(isinstance(t, Array) or t == BYTES, f"nothing can be appended to `{t}`")
            self.all_same((t.item if isinstance(t, Array) else U8,), instr.args, "append")
        else:
            self.all_same((t if instr.op == "extend" else I64,), instr.args, instr.op)

    def make(self, instr: Make) -> None:
        t = self.local(instr.dst)
        _require(isinstance(t, Tuple | Named), f"`{t}` is not made of fields")
        self.all_same((item for _, item in fields(t, self.types)), instr.args, "make")

    def make_variant(self, instr: MakeVariant) -> None:
        t = self.local(instr.dst)
        _require(isinstance(t, Option | Result | Named), f"`{t}` has no variants")
        rows = variants(t, self.types)
        _require(0 <= instr.variant < len(rows), f"`{t}` has no variant {instr.variant}")
        self.all_same(rows[instr.variant][1], instr.args, "the variant")

    def make_array(self, instr: MakeArray) -> None:
        t = self.local(instr.dst)
        _require(isinstance(t, Array), f"`{t}` is no array")
        if isinstance(t, Array):
            self.all_same([t.item] * len(instr.args), instr.args, "array")

    def const(self, instr: Const) -> None:
        known = next((c for c in self.kernel.constants if c.name == instr.name), None)
        if known is None:
            raise _Wrong(f"there is no constant `{instr.name}`")
        self.same(self.local(instr.dst), known.type, "the constant")

    def call(self, instr: Call) -> None:
        callee = next((f for f in self.kernel.functions if f.name == instr.fn), None)
        if callee is None:
            raise _Wrong(f"there is no function `{instr.fn}`")
        _require(len(instr.args) == callee.params, f"it takes {callee.params} arguments, not {len(instr.args)}")
        for number, arg in enumerate(instr.args):
            wanted = callee.locals[number].type
            _require(isinstance(arg, Place) == callee.inout[number], f"argument {number} is inout in one place only")
            self.same(wanted, self.place(arg) if isinstance(arg, Place) else self.type(arg), f"argument {number}")
        if instr.dst is not None:
            self.same(self.local(instr.dst), callee.result, "the result")
        self.distinct_roots(instr)

    def distinct_roots(self, instr: Call) -> None:
        roots = [arg.root for arg in instr.args if isinstance(arg, Place)]
        read = [
            arg
            for arg in instr.args
            if isinstance(arg, int) and self.layout.has_heap(self.local(arg)) and self.aliases(arg) & set(roots)
        ]
        _require(len(set(roots)) == len(roots) and not read, "an inout argument is passed twice")

    def aliases(self, local: int) -> set[int]:
        return {local} | self.origins.get(local, set())

    def emit(self, instr: Emit) -> None:
        _require(0 <= instr.output < len(self.kernel.outputs), f"there is no output {instr.output}")
        output = self.kernel.outputs[instr.output]
        self.same(output.item, self.type(instr.value), "the value")
        if instr.key is not None:
            key = self.type(instr.key)
            _require(output.key is not None, "the output has no keys")
            _require(key == output.key, f"the key is `{key}`, not `{output.key}`")
            _require(is_key(key, self.types), f"`{key}` cannot be a key")
        if instr.name is not None:
            self.same(STR, self.type(instr.name), "the name")

    def text(self, instr: Note | Fail) -> None:
        self.same(STR, self.type(instr.message), "the message")

    def trap(self, instr: Trap) -> None:
        _require(instr.code in TRAPS, f"`{instr.code}` is no trap")

    def branch(self, instr: If) -> None:
        self.same(BOOL, self.type(instr.cond), "the condition")

    def switch(self, instr: Switch) -> None:
        self.same(I64, self.type(instr.subject), "the subject")
        numbers = [number for number, _ in instr.cases]
        _require(len(set(numbers)) == len(numbers), "two cases have the same number")

    def count(self, instr: For) -> None:
        for what, t in (("index", self.local(instr.index)), ("lo", self.type(instr.lo)), ("hi", self.type(instr.hi))):
            self.same(I64, t, what)
        inside = (i for i in walk(instr.body) if defined(i) == instr.index or _changes(i, instr.index))
        _require(not any(inside), "its index is changed in its body")

    def leave(self, instr: Break | Continue) -> None:
        _require(self.loops > 0, "it is in no loop")

    def give(self, instr: Return) -> None:
        found = UNIT if instr.value is None else self.type(instr.value)
        self.same(self.function.result, found, "the result")

    def nothing(self, instr: Instr) -> None:
        """A loop has no operands."""

    # values and ownership along the paths

    def flow(self) -> None:
        """Values before use, no use after consumption, and a result on every path."""
        flow = _Flow(self)
        state = flow.body(self.function.body, frozenset(range(self.function.params)))
        if state is not None and self.function.result != UNIT:
            self.problems.append(Problem(self.function.name, "", "a path ends without a result"))
        if state is not None:
            flow.inouts_alive(state)


def _changes(instr: Instr, local: int) -> bool:
    return any(place.root == local for place in changed(instr))


_State = frozenset[int] | None  # the locals that have values; None: control does not get here


class _Flow:
    """Which locals have values at each point: given one on every path and not consumed since."""

    def __init__(self, owner: _FunctionVerifier) -> None:
        self.owner = owner
        self.breaks: list[list[_State]] = []
        self.continues: list[list[_State]] = []
        self.seen: set[tuple[str, str]] = set()

    def body(self, body: Body, state: _State) -> _State:
        for instr in body:
            if state is None:
                return None
            state = self.instr(instr, state)
        return state

    def instr(self, instr: Instr, state: frozenset[int]) -> _State:
        for local in used(instr):
            if local not in state:
                self.report(instr, f"%{local} has no value on some path")
        state = state - self.consumed(instr) - self.outdated(instr)
        match instr:
            case If(then=then, orelse=orelse):
                return _meet([self.body(then, state), self.body(orelse, state)])
            case Switch(cases=cases, default=default):
                return _meet([self.body(inner, state) for _, inner in cases] + [self.body(default, state)])
            case Loop(body=inner):
                return self.loop(inner, state)
            case For(body=inner, index=index):
                return _meet([state, self.loop(inner, state | {index}), self.after_iteration])
            case Break():
                self.breaks[-1].append(state)
                return None
            case Continue():
                self.continues[-1].append(state)
                return None
            case Return():
                self.inouts_alive(state, instr)
                return None
            case Trap() | Fail():
                return None
        dst = defined(instr)
        return state if dst is None else state | {dst}

    def outdated(self, instr: Instr) -> frozenset[int]:
        """The borrows of what an instruction changes: read until now, not any more."""
        roots = {place.root for place in changed(instr)}
        dst = defined(instr)
        if dst is not None:
            roots.add(dst)
        return frozenset(local for local, origins in self.owner.origins.items() if origins & roots and local != dst)

    def consumed(self, instr: Instr) -> frozenset[int]:
        owner = self.owner
        heap = [o for o in consumed(instr) if isinstance(o, int) and owner.layout.has_heap(owner.local(o))]
        for local in set(heap):
            if heap.count(local) > 1:
                self.report(instr, f"%{local} is consumed twice")
            if any(isinstance(o, int) and o == local for place in places(instr) for o in indices(place)):
                self.report(instr, f"%{local} is consumed and read")
        moves = isinstance(instr, Load) and instr.mode == "move" and not instr.place.steps
        if moves and isinstance(instr, Load) and owner.layout.has_heap(owner.local(instr.place.root)):
            heap.append(instr.place.root)
        return frozenset(heap)

    def loop(self, body: Body, state: frozenset[int]) -> _State:
        """The state after the loop's breaks; the body is checked once more with what its iterations leave."""
        while True:
            self.breaks.append([])
            self.continues.append([])
            end = self.body(body, state)
            breaks, continues = self.breaks.pop(), self.continues.pop()
            self.after_iteration = _meet([end, *continues])
            again = _meet([state, self.after_iteration])
            if again is None or again == state:
                return _meet(breaks)
            state = again

    after_iteration: _State = None

    def inouts_alive(self, state: frozenset[int], instr: Instr | None = None) -> None:
        f = self.owner.function
        for number in range(f.params):
            if f.inout[number] and number not in state:
                text = "" if instr is None else instr_text(instr)
                self.owner.problems.append(Problem(f.name, text, f"inout %{number} has no value at the return"))

    def report(self, instr: Instr, reason: str) -> None:
        key = (instr_text(instr), reason)
        if key not in self.seen:
            self.seen.add(key)
            self.owner.problem(instr, reason)


def _meet(states: list[_State]) -> _State:
    reached = [s for s in states if s is not None]
    return frozenset.intersection(*reached) if reached else None


_CHECKS: dict[type, Callable[[_FunctionVerifier, Any], None]] = {
    Assign: _FunctionVerifier.assign,
    Load: _FunctionVerifier.load,
    Store: _FunctionVerifier.store,
    Op: _FunctionVerifier.op,
    Mutate: _FunctionVerifier.mutate,
    Make: _FunctionVerifier.make,
    MakeVariant: _FunctionVerifier.make_variant,
    MakeArray: _FunctionVerifier.make_array,
    Const: _FunctionVerifier.const,
    Call: _FunctionVerifier.call,
    Emit: _FunctionVerifier.emit,
    Note: _FunctionVerifier.text,
    Fail: _FunctionVerifier.text,
    Trap: _FunctionVerifier.trap,
    If: _FunctionVerifier.branch,
    Switch: _FunctionVerifier.switch,
    Loop: _FunctionVerifier.nothing,
    For: _FunctionVerifier.count,
    Break: _FunctionVerifier.leave,
    Continue: _FunctionVerifier.leave,
    Return: _FunctionVerifier.give,
}


# --- literals, keys and signatures ----------------------------------------------------------------------------------


def _fits(literal: Lit) -> bool:
    """Whether a literal's value is one of its type."""
    t, value = literal.type, literal.value
    if is_int(t):
        return isinstance(value, int) and not isinstance(value, bool) and int_range(t)[0] <= value <= int_range(t)[1]
    if is_float(t):
        return isinstance(value, float) and (value != value or round_float(value, t) == value)
    if t in (STR, SECRET):
        return isinstance(value, str)
    if t == BOOL:
        return isinstance(value, bool)
    return isinstance(value, bytes) if t == BYTES else t == UNIT and value is None


def is_key(t: Type, types: TypeTable) -> bool:
    """Whether sets may be keyed by `t`: bool, integers, texts, fieldless enums, tuples of these."""
    if isinstance(t, Tuple):
        return all(is_key(item, types) for item in t.items)
    if isinstance(t, Named):
        definition = types[str(t)]
        return isinstance(definition, EnumDef) and not any(payload for _, payload in definition.variants)
    return t in (BOOL, STR, BYTES, UNIT) or is_int(t)


_INT_BINARY = frozenset("add sub mul floordiv mod add_wrap sub_wrap mul_wrap bit_and bit_or bit_xor".split())
_FLOAT_BINARY = frozenset("add sub mul div floordiv mod".split())
_FLOAT_UNARY = frozenset("neg sqrt floor ceil trunc abs".split())
_COMPARE = frozenset("eq ne lt le gt ge".split())


def _signature(op: str, args: list[Type], target: Type) -> Type | None:
    """The type of an operation's result; None if it does not take such operands."""
    match args:
        case [a, b] if op in _COMPARE:
            return BOOL if a == b and (is_scalar(a) or a in (STR, BYTES)) else None
        case [a, b] if a == b and ((is_int(a) and op in _INT_BINARY) or (is_float(a) and op in _FLOAT_BINARY)):
            return a
        case [a, b] if op in ("shl", "shr"):
            return a if is_int(a) and b == I64 else None
        case [a] if (is_int(a) and op in ("neg", "abs", "bit_not")) or (is_float(a) and op in _FLOAT_UNARY):
            return a
        case [a] if op == "not":
            return BOOL if a == BOOL else None
        case [a] if op in ("convert", "wrap", "bits"):
            return target if _converts(op, a, target) else None
    return _heap_signature(op, args)


def _converts(op: str, source: Type, target: Type) -> bool:
    if op == "wrap":
        return is_int(source) and is_int(target)
    if op == "convert":
        return (is_int(source) or is_float(source)) and (is_int(target) or is_float(target))
    pairs = (("f32", "u32"), ("f64", "u64"))
    return (str(source), str(target)) in pairs or (str(target), str(source)) in pairs


def _heap_signature(op: str, args: list[Type]) -> Type | None:
    match op, args:
        case "len", [a] if is_header(a) and a != SECRET:
            return I64
        case "byte_at", [a, b] if a in (STR, BYTES) and b == I64:
            return U8
        case "slice", [a, b, c] if is_header(a) and a != SECRET and b == I64 and c == I64:
            return a
        case "to_bytes", [a] if a == STR:
            return BYTES
        case "str_unchecked", [a] if a == BYTES:
            return STR
        case "array_filled", [a, b] if a == I64 and is_scalar(b):
            return Array(b)
        case "tag", [a] if isinstance(a, Option | Result | Named):
            return I64
        case "set_len", [SetRef()]:
            return I64
        case "set_key", [SetRef(key=key), b] if b == I64 and key is not None:
            return key
        case "set_name", [SetRef(), b] if b == I64:
            return STR
        case "set_value", [SetRef(item=item), b] if b == I64:
            return item
    return None
