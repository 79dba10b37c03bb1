"""Kernel IR: monomorphic, typed, structured three-address code with value semantics.

Why structured and high-level: the reference interpreter must be an independent oracle of native code, so memory
layout, regions and encodings belong to `compiler/codegen`, not to the IR; and loops stay visible to the passes.

**Values.** A local holds a value of its type. `str`, `bytes` and `array[T]` (and records, tuples, options, results
and enums that contain them) are *heap values*: a local holds a header, the contents live in a buffer. All are values:
nobody can see a change that another made. Only places whose root is a *mutable* local (a `var` or an `inout`
parameter) are ever changed, by `Store`, `Mutate`, `Swap...` and by `inout` arguments.

**Modes.** How a place is read says who owns the result:
  - `borrow`: an alias, read before the root of the place is next changed; never stored, returned or put into another
    value. Free.
  - `share`: an independent immutable value. O(1): source and result are marked as not exclusive, whoever
    changes its own first copies the buffer then (one level; inner buffers of a copy are not exclusive either).
  - `move`: the place is dead afterwards; exclusiveness goes along.
Results of `Make...`, `Const`, `Call` and of most `Op` are owned (fresh, or shared with a constant). Operands of `Assign`, `Store`, `Make`, `MakeVariant`,
`MakeArray`, `Return` and of element-taking `Mutate` are *consumed*: they must be owned, and are dead afterwards
(scalars and literals are always fine). All other operands are only read during the instruction.

**Traps** end the instance. Every instruction that can trap names its `site` span.
"""

from attrs import field

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import OutputDecl, ParamDecl
from dandc.compiler.types import Type, TypeDef
from dandc.lang.spans import Span
from dandc.lang.values import frozen


@frozen(slots=True)
class Lit:
    """A literal operand: an int, float, bool, str or bytes of exactly type `type` (`unit`: value None)."""

    type: Type
    value: int | float | bool | str | bytes | None


Operand = int | Lit  # a local by number, or a literal


@frozen(slots=True)
class FieldStep:
    """Field number `index` of a record or tuple."""

    index: int


@frozen(slots=True)
class PayloadStep:
    """Payload `index` of variant `variant`; the tag has been tested before."""

    variant: int
    index: int


@frozen(slots=True)
class IndexStep:
    """Element of an array; `index` is an i64 operand; traps `trap.index` when outside `0..len`."""

    index: Operand


Step = FieldStep | PayloadStep | IndexStep


@frozen(slots=True)
class Place:
    """A local and a way into it."""

    root: int
    steps: tuple[Step, ...] = ()


@frozen(slots=True)
class Instr:
    """Base of instructions."""

    site: Span = field(eq=False, repr=False)


@frozen(slots=True)
class Assign(Instr):
    """`dst = src`; consumes `src`."""

    dst: int
    src: Operand


@frozen(slots=True)
class Load(Instr):
    """`dst = mode place`; `mode` is `borrow`, `share` or `move`. Any mode for scalars."""

    dst: int
    place: Place
    mode: str


@frozen(slots=True)
class Store(Instr):
    """`place = src`: replaces the value at a place of a mutable root; consumes `src`."""

    place: Place
    src: Operand


@frozen(slots=True)
class Op(Instr):
    """`dst = op args`: a pure primitive; see `OPS`."""

    dst: int
    op: str
    args: tuple[Operand, ...]


@frozen(slots=True)
class Mutate(Instr):
    """`op place, args`: changes a place of a mutable root; see `MUTATIONS`. Consumes owned elements."""

    op: str
    place: Place
    args: tuple[Operand, ...]


@frozen(slots=True)
class Make(Instr):
    """`dst = make args`: a record or tuple of dst's type, all fields in order; consumes."""

    dst: int
    args: tuple[Operand, ...]


@frozen(slots=True)
class MakeVariant(Instr):
    """`dst = variant N args`: an option, result or enum of dst's type; consumes."""

    dst: int
    variant: int
    args: tuple[Operand, ...]


@frozen(slots=True)
class MakeArray(Instr):
    """`dst = array args`: consumes."""

    dst: int
    args: tuple[Operand, ...]


@frozen(slots=True)
class Const(Instr):
    """`dst = const NAME`: the value of a constant of the kernel, shared: whoever changes its own first copies the buffer."""

    dst: int
    name: str


@frozen(slots=True)
class Call(Instr):
    """`dst = call fn args`: operands for parameters (only read), places for `inout` ones. dst None: result unit."""

    dst: int | None
    fn: str
    args: tuple["Operand | Place", ...]


@frozen(slots=True)
class Emit(Instr):
    """Gives an item of the kernel's output number `output`; key and name None: not said. Reads only."""

    output: int
    key: Operand | None
    name: Operand | None
    value: Operand


@frozen(slots=True)
class Note(Instr):
    """A recorded message (str) of the instance."""

    message: Operand


@frozen(slots=True)
class Fail(Instr):
    """Ends the instance with the author's message (str)."""

    message: Operand


@frozen(slots=True)
class Trap(Instr):
    """Ends the instance with a trap of `TRAPS`."""

    code: str


@frozen(slots=True)
class If(Instr):
    """Two-way branch on a bool."""

    cond: Operand
    then: "Body"
    orelse: "Body"


@frozen(slots=True)
class Switch(Instr):
    """Branch on an i64 (usually `tag`); `default` is taken when no case fits."""

    subject: Operand
    cases: tuple[tuple[int, "Body"], ...]
    default: "Body"


@frozen(slots=True)
class Loop(Instr):
    """Endless until `Break` or `Return`. `release`: an iteration's allocations do not outlive it (`passes/regions.py`)."""

    body: "Body"
    release: bool = False


@frozen(slots=True)
class For(Instr):
    """For the i64 local `index` from `lo` while below `hi` (both read once). `index` is not changed by the body.

    `sticky`: its checks may be made a strip of iterations at a time (`passes/sticky.py`); it means the same.
    """

    index: int
    lo: Operand
    hi: Operand
    body: "Body"
    release: bool = False
    sticky: bool = False


@frozen(slots=True)
class Break(Instr):
    """Leaves the innermost loop."""


@frozen(slots=True)
class Continue(Instr):
    """Next iteration of the innermost loop."""


@frozen(slots=True)
class Return(Instr):
    """Returns `value` (consumed); None: unit."""

    value: Operand | None


Body = tuple[Instr, ...]


@frozen(slots=True)
class Local:
    """A local variable. `mutable` roots places that change; parameters come first, in order."""

    name: str
    type: Type
    mutable: bool = False


@frozen(slots=True)
class Function:
    """One monomorphic function. The first `params` locals are parameters; `inout[i]` tells how the i-th is passed.

    `release`: nothing that a call allocates outlives it (its result and inout parameters hold no buffers).
    """

    name: str
    params: int
    inout: tuple[bool, ...]
    result: Type
    locals: tuple[Local, ...]
    body: Body
    release: bool = False


# A value in a kernel: int, float, bool, str, bytes, None (unit), tuple (of an array its elements, of a record or tuple its
# fields, a map's index among them), `Variant` (option, result, enum).
StaticValue = int | float | bool | str | bytes | None | tuple["StaticValue", ...] | Variant


@frozen(slots=True)
class Constant:
    """A value that was known when the kernel was compiled: it stands in the image as it will be in memory."""

    name: str
    type: Type
    value: StaticValue = field(repr=False)


@frozen(slots=True)
class Kernel:
    """A kernel with all functions that it reaches; `functions[0]` is its entry and returns unit.

    The entry's parameters, in order: `one` -> the item's type, `optional` -> `option[item]`, `set` -> `set[K => T]`.
    """

    name: str
    params: tuple[ParamDecl, ...]
    outputs: tuple[OutputDecl, ...]
    functions: tuple[Function, ...]
    types: dict[str, TypeDef]
    constants: tuple[Constant, ...] = ()


# Traps: name in diagnostics, number in the image's instance record, meaning.
TRAPS: dict[str, tuple[int, str]] = {
    "trap.overflow": (1, "the result does not fit its type"),
    "trap.division": (2, "division by zero"),
    "trap.index": (3, "the index is outside the array"),
    "trap.conversion": (4, "the value does not fit the type it is converted to"),
    "trap.slice": (5, "the slice is not a part of the value"),
    "trap.depth": (6, "more than 1,000 calls are nested"),
    "trap.shift": (7, "the shift is negative or not below the width"),
    "trap.unreachable": (8, "the program said that this cannot happen"),
    "trap.input": (9, "an input item is not a valid encoding of its type"),
    "limit.memory": (10, "the instance needs more memory than its limit"),
    "limit.output": (11, "the instance gives more output than its limit"),
}

# Pure primitives: name -> may trap with. Operand types are equal unless said otherwise.
OPS: dict[str, tuple[str, ...]] = {
    # integers, checked
    "add": ("trap.overflow",),
    "sub": ("trap.overflow",),
    "mul": ("trap.overflow",),
    "neg": ("trap.overflow",),  # also floats
    "floordiv": ("trap.division", "trap.overflow"),  # floor; also floats (`//` on floats is floor of the quotient)
    # sign of the divisor; INT_MIN % -1 is 0; also floats: a - b*floor(a/b), exact fmod based
    "mod": ("trap.division",),
    "add_wrap": (),
    "sub_wrap": (),
    "mul_wrap": (),
    "bit_and": (),
    "bit_or": (),
    "bit_xor": (),
    "bit_not": (),
    "shl": ("trap.shift", "trap.overflow"),  # checked: no set bit or sign may be lost; second operand i64
    "shr": ("trap.shift",),  # arithmetic for signed; second operand i64
    # floats: add sub mul neg as above without traps, and
    "div": (),
    "sqrt": (),
    "floor": (),
    "ceil": (),
    "trunc": (),
    "abs": ("trap.overflow",),  # ints too
    # comparison -> bool; on scalars, str and bytes (bytewise); NaN compares as IEEE 754 says
    "eq": (),
    "ne": (),
    "lt": (),
    "le": (),
    "gt": (),
    "ge": (),
    "not": (),  # bool
    # conversions, target is dst's type
    # numeric to numeric: exact for ints; float->int must be integral and fit; int->float rounds to nearest even;
    # f64->f32 rounds
    "convert": ("trap.conversion",),
    "wrap": (),  # int to int modulo 2^n
    "bits": (),  # float <-> unsigned integer of the same width, NaN canonical
    # arrays, str, bytes
    "len": (),  # -> i64; elements, or bytes of a str
    "byte_at": ("trap.index",),  # (str | bytes, i64) -> u8
    # (array | str | bytes, lo: i64, hi: i64) -> same; a view that counts as owned; str: at character boundaries
    "slice": ("trap.slice",),
    "to_bytes": (),  # str -> bytes without copying; a view that counts as owned
    "str_unchecked": (),  # bytes known to be UTF-8 -> str, without copying; a view that counts as owned
    "array_filled": ("limit.memory",),  # (n: i64, element scalar) -> array of n; negative n is 0
    # options, results, enums
    "tag": (),  # -> i64 variant number
    # input sets
    "set_len": (),  # (set) -> i64
    "set_key": ("trap.input",),  # (set, i64) -> K, owned
    "set_name": ("trap.input",),  # (set, i64) -> str, owned
    "set_value": ("trap.input",),  # (set, i64) -> T, owned; index is within 0..len by construction (traps otherwise)
}

# Changes of a place: name -> (operand kinds, may trap with).
MUTATIONS: dict[str, tuple[str, ...]] = {
    "append": ("limit.memory",),  # (array[T], T): consumes; (bytes, u8)
    # (array[T] | str | bytes, same type): appends all, reads its operand (elements become shared)
    "extend": ("limit.memory",),
    "truncate": ("trap.slice",),  # (array | str | bytes, n: i64): keeps the first n
    "reserve": ("limit.memory",),  # (array | str | bytes, n: i64): room for n more without growing
}
