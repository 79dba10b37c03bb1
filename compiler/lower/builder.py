"""Builds one kernel IR function: locals, instructions, nested bodies."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import Factory, define

from dandc.compiler import kir
from dandc.compiler.kir import Instr, Lit, Local, Operand, Place, Step
from dandc.compiler.types import BOOL, I64, STR, UNIT, Type
from dandc.lang.spans import Span


@define(eq=False)
class Builder:
    """The function under construction. Every instruction takes the site that was set last."""

    name: str
    site: Span
    result: Type = UNIT
    locals: list[Local] = Factory(list)
    inout: list[bool] = Factory(list)
    _bodies: list[list[Instr]] = Factory(lambda: [[]])

    def param(self, name: str, t: Type, *, inout: bool = False) -> int:
        """The next parameter; all of them come before the first local."""
        assert len(self.locals) == len(self.inout)
        self.inout.append(inout)
        return self.local(name, t, mutable=inout)

    def local(self, name: str, t: Type, *, mutable: bool = False) -> int:
        """A new local."""
        self.locals.append(Local(name, t, mutable))
        return len(self.locals) - 1

    def type_of(self, operand: Operand) -> Type:
        """The type of an operand."""
        return operand.type if isinstance(operand, Lit) else self.locals[operand].type

    def add(self, instr: Instr) -> None:
        """Append an instruction to the innermost open body."""
        self._bodies[-1].append(instr)

    @contextmanager
    def body(self) -> Iterator[list[Instr]]:
        """Collects the instructions of a nested body; read the list after the block."""
        self._bodies.append([])
        try:
            yield self._bodies[-1]
        finally:
            self._bodies.pop()

    def finish(self) -> kir.Function:
        """The function."""
        return kir.Function(
            self.name, len(self.inout), tuple(self.inout), self.result, tuple(self.locals), tuple(self._bodies[0])
        )

    # One helper an instruction, in the order of `kir.py`.

    def assign(self, dst: int, src: Operand) -> None:
        """`dst = src`."""
        self.add(kir.Assign(self.site, dst, src))

    def load(self, place: Place, t: Type, mode: str) -> int:
        """A new local with the value at `place`."""
        dst = self.local("", t)
        self.add(kir.Load(self.site, dst, place, mode))
        return dst

    def store(self, place: Place, src: Operand) -> None:
        """`place = src`."""
        self.add(kir.Store(self.site, place, src))

    def op(self, op: str, t: Type, *args: Operand) -> int:
        """A new local with the result of a primitive."""
        dst = self.local("", t)
        self.add(kir.Op(self.site, dst, op, args))
        return dst

    def mutate(self, op: str, place: Place, *args: Operand) -> None:
        """Change a place."""
        self.add(kir.Mutate(self.site, op, place, args))

    def make(self, t: Type, args: tuple[Operand, ...]) -> int:
        """A new record or tuple."""
        dst = self.local("", t)
        self.add(kir.Make(self.site, dst, args))
        return dst

    def variant(self, t: Type, variant: int, *args: Operand) -> int:
        """A new option, result or enum."""
        dst = self.local("", t)
        self.add(kir.MakeVariant(self.site, dst, variant, args))
        return dst

    def array(self, t: Type, args: tuple[Operand, ...]) -> int:
        """A new array."""
        dst = self.local("", t)
        self.add(kir.MakeArray(self.site, dst, args))
        return dst

    def const(self, t: Type, name: str) -> int:
        """A new local with the value of a constant of the kernel."""
        dst = self.local("", t)
        self.add(kir.Const(self.site, dst, name))
        return dst

    def call(self, fn: str, t: Type, *args: Operand | Place) -> Operand:
        """The result of a call; a unit literal if there is none."""
        if t == UNIT:
            self.add(kir.Call(self.site, None, fn, args))
            return Lit(UNIT, None)
        dst = self.local("", t)
        self.add(kir.Call(self.site, dst, fn, args))
        return dst

    @contextmanager
    def when(self, cond: Operand) -> Iterator[None]:
        """The body runs if `cond` is true."""
        with self.body() as then:
            yield
        self.add(kir.If(self.site, cond, tuple(then), ()))

    @contextmanager
    def counting(self, lo: Operand, hi: Operand, index: int | None = None) -> Iterator[int]:
        """The body runs for each integer from `lo` below `hi`."""
        i = self.local("", I64) if index is None else index
        with self.body() as inner:
            yield i
        self.add(kir.For(self.site, i, lo, hi, tuple(inner)))

    @contextmanager
    def looping(self) -> Iterator[None]:
        """The body runs until it breaks."""
        with self.body() as inner:
            yield
        self.add(kir.Loop(self.site, tuple(inner)))

    def break_(self) -> None:
        """Leave the innermost loop."""
        self.add(kir.Break(self.site))

    def return_(self, value: Operand | None = None) -> None:
        """Return."""
        self.add(kir.Return(self.site, value))

    def not_(self, cond: Operand) -> int:
        """The opposite."""
        return self.op("not", BOOL, cond)

    def length(self, operand: Operand) -> int:
        """The length of an array, str or bytes."""
        return self.op("len", I64, operand)

    def text(self, place: Place, text: str) -> None:
        """Append literal text to the str at `place`."""
        self.mutate("extend", place, Lit(STR, text))


def at(root: int, *steps: Step) -> Place:
    """The place `root` and a way into it."""
    return Place(root, steps)
