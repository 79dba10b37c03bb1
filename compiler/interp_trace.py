"""Runs one instance in the reference interpreter and writes down what happens to the variables of the source.

The same machine with an eye on it: what it computes is what `run_kernel` computes. Temporaries that have no name in the
source are passed over, and of a large value only the size is kept, so that looking costs no more than running.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from dandc.compiler.encoding import Variant
from dandc.compiler.interp import _EXECUTE, DEFAULT_STEPS, InstanceResult, _End, _Frame, _Machine
from dandc.compiler.interp_values import Buffer, neutral
from dandc.compiler.kir import Call, Emit, Kernel, Mutate, Note, Return, Store
from dandc.compiler.types import SetRef, Type
from dandc.lang.spans import NOWHERE, Span
from dandc.lang.values import frozen

_MOST_PARTS = 200


@frozen(slots=True)
class Large:
    """In place of a value that is too large to be kept at every step: how many elements or bytes it has."""

    size: int


@frozen(slots=True)
class Step:
    """Something that a reader of the source can see happen.

    `kind` is `set` (the variable `name` has this value now), `emit` (to the output `name`), `note`, `call` (of the function
    `name`) or `return`. `value` is neutral, a `Large`, or None where the kind has none. `depth` counts calls.
    """

    kind: str
    name: str
    type: Type | None
    value: Any
    site: Span
    depth: int


@frozen(slots=True)
class Trace:
    """The first and the last steps of an instance, how many between them were dropped, and how it ended."""

    first: tuple[Step, ...]
    dropped: int
    last: tuple[Step, ...]
    result: InstanceResult


def trace_kernel(
    kernel: Kernel, args: list[Any], own: Callable[[str], bool], *, most: int = 400, steps: int = DEFAULT_STEPS
) -> Trace:
    """Run one instance on its neutral arguments and keep `most` steps of it, half from either end.

    `own` tells by its name whether a function is the reader's: what happens inside of others is passed over.
    """
    machine = _Watched(kernel, steps, most // 2, own)
    result = machine.instance(args)
    kept = len(machine.first) + len(machine.last)
    return Trace(tuple(machine.first), machine.seen - kept, tuple(machine.last), result)


class _Watched(_Machine):
    """The machine, telling what it does."""

    def __init__(self, kernel: Kernel, steps: int, most: int, own: Callable[[str], bool]) -> None:
        super().__init__(kernel, steps)
        self.own = {function.name for function in kernel.functions if own(function.name)}
        self.most = most
        self.seen = 0
        self.first: list[Step] = []
        self.last: deque[Step] = deque(maxlen=most)

    def loop(self) -> None:
        left = self.steps
        while self.frames:
            frame = self.frames[-1]
            instr = frame.code[frame.next]
            frame.next += 1
            left -= 1
            if left < 0:
                raise _End("limit.steps", NOWHERE)
            depth = len(self.frames) - 1
            _EXECUTE[type(instr)](self, frame, instr)
            if frame.function.name in self.own or isinstance(instr, Return):
                self.watch(frame, instr, depth)

    def watch(self, frame: _Frame, instr: Any, depth: int) -> None:
        """Tell what an instruction did that a reader of the source can see."""
        match instr:
            case Store() | Mutate():
                self.tell_local(frame, instr.place.root, instr.site, depth)
            case Emit():
                output = self.kernel.outputs[instr.output]
                value = self.emissions[-1].value
                self.tell(Step("emit", output.name, output.item, _bounded(value), instr.site, depth))
            case Note():
                if self.notes:
                    self.tell(Step("note", "", None, self.notes[-1], instr.site, depth))
            case Call() if instr.fn in self.own:
                self.tell(Step("call", instr.fn, None, None, instr.site, depth))
            case Return():
                if frame.call is not None:
                    self.tell_returned(frame, depth)
            case _:
                dst = getattr(instr, "dst", None)
                if dst is not None:
                    self.tell_local(frame, dst, instr.site, depth)

    def tell_returned(self, frame: _Frame, depth: int) -> None:
        """The caller's variable that took what a call gave."""
        assert frame.call is not None
        if frame.call.dst is not None and self.frames and self.frames[-1].function.name in self.own:
            self.tell_local(self.frames[-1], frame.call.dst, frame.call.site, depth - 1)

    def tell_local(self, frame: _Frame, number: int, site: Span, depth: int) -> None:
        """The value of a variable, if it is one of the source."""
        if number >= len(frame.function.locals):
            return
        local = frame.function.locals[number]
        if local.name and not isinstance(local.type, SetRef):
            value = self.shown(local.type, frame.values[number])
            self.tell(Step("set", local.name, local.type, value, site, depth))

    def shown(self, t: Type, value: Any) -> Any:
        """The neutral value, unless making it would take long."""
        size = _size(value)
        return Large(size) if size > _MOST_PARTS else neutral(t, value, self.types)

    def tell(self, step: Step) -> None:
        """Keep a step, if it is among the first or the last."""
        self.seen += 1
        (self.first if len(self.first) < self.most else self.last).append(step)


def _bounded(value: Any) -> Any:
    size = len(value) if isinstance(value, list | str | bytes) else 0
    return Large(size) if size > 20 * _MOST_PARTS else value


def _size(value: Any) -> int:
    """About how many parts a value has; a text counts a part every twenty bytes."""
    if isinstance(value, Buffer):
        if isinstance(value.items, bytearray):
            return 1 + len(value.items) // 20
        return len(value.items) if len(value.items) > _MOST_PARTS else sum(map(_size, value.items))
    if isinstance(value, Variant):
        return 1 + sum(map(_size, value.fields))
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return 1
