"""Trusted code without a sandbox: the same images, called as functions of this process, with the same outcomes.

For code whose author is the one who runs it, and for hosts that have no sandbox. Nothing chooses it but its caller. What
an image of our compiler checks itself holds here as there: traps, failures, depth of calls, and the sizes of heap and
outputs; outputs are read and checked in the same way. What only a process of its own can give does not: an endless call
is not ended, and a fault ends this process (`docs/security.md`). A call that ends after its time is told that it did.

Why one call at a time: images are linked for fixed addresses, and two cannot stand there at once. Why a stack of its own:
the largest that a call may ask for is reserved, which costs nothing before it is used, so that no depth that the compiler
permits runs over it. A worker thread makes the call, so the event loop lives on.
"""

import asyncio
import contextlib
import ctypes
import errno
import mmap
import os
import platform
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import anyio

from dandc.isolation import layout
from dandc.isolation.backend import DEFAULT_LIMITS, Inputs, refusal
from dandc.isolation.image import PAGE, SEGMENT, Block, Image, ImageError, Sealed
from dandc.isolation.layout import GUARD, MAX_STACK, Limits, pages
from dandc.isolation.nucleus import Unavailable
from dandc.isolation.outcome import BadOutput, Outcome, read_tables

_NONE, _READ, _WRITE, _EXECUTE = 0, 1, 2, 4
_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS if hasattr(mmap, "MAP_ANONYMOUS") else 0
_LAZY = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE: what is not touched is not counted
_AT = 0x100000 if sys.platform == "linux" else 0  # MAP_FIXED_NOREPLACE; elsewhere an address is a wish, and looked at

# call(control page, function, top of its stack): the C calling convention, on another stack.
#   push rbx; push rbp; sub rsp, 24; stmxcsr [rsp]; fnstcw [rsp+4]; mov rbx, rsp; mov rsp, rdx
#   push 0x1f80; ldmxcsr [rsp]; pop rax; fninit; cld; call rsi
#   mov rsp, rbx; ldmxcsr [rsp]; fldcw [rsp+4]; add rsp, 24; pop rbp; pop rbx; ret
SWITCH = bytes.fromhex(
    "53554883ec180fae1c24d97c24044889e34889d468801f00000fae142458dbe3fcffd64889dc0fae1424d96c24044883c4185d5bc3"
)

_turn = threading.Lock()  # of the whole process: see above


class Inline:
    """Runs calls one after the other in this process. Made by `open_inline`; used from one event loop."""

    def __init__(self) -> None:
        """Starts the thread that makes the calls. Raises `RuntimeError` where there is none to be had."""
        self.cpu_us = 0
        self._closed = False
        self._thread = ThreadPoolExecutor(1, "dandc-isolation-inline")
        try:
            self._thread.submit(check_inline)  # else work whose thread cannot start stays queued, for later
        except RuntimeError:
            self._thread.shutdown()
            raise

    async def run(
        self,
        image: Image,
        inputs: Inputs,
        first: int,
        last: int,
        limits: Limits = DEFAULT_LIMITS,
        *,
        background: bool = False,  # there is no process whose priority could be lower
    ) -> Outcome:
        """Runs instances `first <= i < last` of `image` over an input block, after whoever asked before.

        Cancelling waits for a call that is under way. Raises `ImageError` for an image that does not return to its
        caller, and `Unavailable` when something else stands at its addresses.
        """
        refused = refusal(image, inputs, first, last, limits)
        if refused is not None:
            return refused
        if not image.function:
            raise ImageError("it ends the process that runs it: only images of this compiler can be run inline")
        if self._closed:
            return Outcome("cancelled", "closed")
        outcome = await self._in_turn(lambda: self._run(image, inputs, first, last, limits))
        if outcome.cpu_us is not None:
            self.cpu_us += outcome.cpu_us
            image.usage.count(last - first, outcome.cpu_us)
        return outcome

    async def _in_turn(self, work: Callable[[], Outcome]) -> Outcome:
        """Does `work` in the thread. Cancelling takes it out of the queue, or waits for it: nothing can end it."""
        queued = self._thread.submit(work)
        done = asyncio.wrap_future(queued)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not queued.cancel():
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([done])
            raise

    def _run(self, image: Image, inputs: Inputs, first: int, last: int, limits: Limits) -> Outcome:
        """One call, in the thread."""
        if self._closed:
            return Outcome("cancelled", "closed")
        with _turn, contextlib.ExitStack() as held:
            try:
                return _call(image, inputs, first, last, limits, held)
            except OSError as error:
                return Outcome("host.exhausted", error.strerror or str(error))
            except MemoryError:
                return Outcome("host.exhausted", "no memory for the outputs")

    async def settled(self) -> None:
        """Waits until nothing is left of what was asked for so far."""
        await self._in_turn(Outcome)

    async def aclose(self) -> None:
        """Lets the call under way end; those that wait, and those that come later, are cancelled."""
        self._closed = True
        await self.settled()
        self._thread.shutdown()


def _call(image: Image, inputs: Inputs, first: int, last: int, limits: Limits, held: contextlib.ExitStack) -> Outcome:
    place(image, held)
    block, size = _input_block(inputs, held)
    out_length = pages(limits.output)
    control, out = fenced(PAGE, held), fenced(out_length, held)
    heap, heap_length = fenced(pages(limits.memory), held), pages(limits.memory)
    stack = fenced(MAX_STACK, held) + MAX_STACK
    head = layout.CONTROL.pack(layout.MAGIC, first, last, block, size, heap, heap_length, out, out_length)
    ctypes.memmove(control, head, len(head))
    started, cpu = time.perf_counter_ns(), time.thread_time_ns()
    _switch()(control, image.function, stack)
    wall_us, cpu_us = (time.perf_counter_ns() - started) // 1000, (time.thread_time_ns() - cpu) // 1000
    late = _late(limits, wall_us, cpu_us)
    if late is not None:
        return late
    state, data_end, items, peak = layout.RESULT.unpack(ctypes.string_at(control + layout.RESULT_AT, 32))
    if state != 1:
        return Outcome("sandbox.crash", "the image returned before it was done", wall_us=wall_us, cpu_us=cpu_us)
    try:
        tables = read_tables(
            lambda length, offset: _bytes_at(out + offset, length), out_length, first, last, data_end, items
        )
    except BadOutput as error:
        return Outcome("sandbox.output", str(error), wall_us=wall_us, cpu_us=cpu_us)
    return Outcome(None, "", *tables, wall_us, cpu_us, peak)


def _bytes_at(address: int, length: int) -> bytes:
    """A copy; `ctypes.string_at` takes the length for a C int."""
    return bytes((ctypes.c_char * length).from_address(address))


def _late(limits: Limits, wall_us: int, cpu_us: int) -> Outcome | None:
    """What is said of a call that ended of itself, but after its time."""
    for error, used, most in (("limit.wall", wall_us, limits.wall_ms), ("limit.cpu", cpu_us, limits.cpu_ms)):
        if used > most * 1000:
            return Outcome(
                error, "it ended after its time; nothing could end it before", wall_us=wall_us, cpu_us=cpu_us
            )
    return None


# Memory ---------------------------------------------------------------------------------------------------------------


def place(image: Image, held: contextlib.ExitStack) -> None:
    """Maps the image's segments where they belong, privately: every call finds them as they were made."""
    for at in range(0, len(image.segments), SEGMENT.size):
        base, length, offset, rights = SEGMENT.unpack_from(image.segments, at)
        try:
            found = _map(base, length, rights, mmap.MAP_PRIVATE | _AT, image.fd, offset, held)
        except FileExistsError:
            found = 0
        if found != base:
            raise Unavailable(f"the image belongs at {base:#x}, and this process cannot give it that place")


def _input_block(inputs: Inputs, held: contextlib.ExitStack) -> tuple[int, int]:
    """Address and length of the input block."""
    if isinstance(inputs, Block):
        place = _map(0, pages(inputs.size), _READ, mmap.MAP_PRIVATE, inputs.fd, 0, held) if inputs.size else 0
        return place, inputs.size
    views = [memoryview(part).cast("B") for part in inputs]
    size = sum(view.nbytes for view in views)
    start = at = fenced(pages(size), held)
    for view in views:
        if view.nbytes:
            memoryview((ctypes.c_char * view.nbytes).from_address(at)).cast("B")[:] = view
        at += view.nbytes
    return start, size


def fenced(length: int, held: contextlib.ExitStack) -> int:
    """Zeroed memory with a guard before and behind it."""
    start = _map(0, length + 2 * GUARD, _NONE, _ANONYMOUS | _LAZY, -1, 0, held) + GUARD
    if length and _libc().mprotect(start, length, _READ | _WRITE):
        raise _error()
    return start


def _map(
    address: int, length: int, rights: int, flags: int, descriptor: int, offset: int, held: contextlib.ExitStack
) -> int:
    """`mmap`, undone when `held` is left. Raises `OSError`."""
    libc = _libc()
    found = libc.mmap(address or None, length, rights, flags, descriptor, offset)
    if found is None or found == ctypes.c_void_p(-1).value:
        raise _error()
    held.callback(libc.munmap, found, length)
    return int(found)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


@cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    libc.mmap.restype, libc.mmap.argtypes = address, [address, size, number, number, number, ctypes.c_int64]
    libc.mprotect.argtypes, libc.munmap.argtypes = [address, size, number], [address, size]
    return libc


@cache
def _switch() -> Any:
    """The one piece of machine code of ours, kept for the process's life. ctypes lets other threads run meanwhile."""
    with contextlib.ExitStack() as held, Sealed("dandc-switch", PAGE, [(0, SWITCH)]) as code:
        found = _map(0, PAGE, _READ | _EXECUTE, mmap.MAP_PRIVATE, code.fd, 0, held)
        held.pop_all()
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(found)


# Opening --------------------------------------------------------------------------------------------------------------


def check_inline() -> None:
    """Raises `Unavailable` where images cannot be called: another processor, no `mmap`, no executable memory."""
    host = f"{sys.platform} on {platform.machine()}"
    if platform.machine() not in ("x86_64", "AMD64") or sys.maxsize < 2**32:
        raise Unavailable(f"images are machine code for x86-64, this is {host}")
    if not _ANONYMOUS:
        raise Unavailable(f"running inline needs `mmap`, this is {host}")
    try:
        _switch()
    except OSError as error:
        why = "forbids machine code in memory" if error.errno in (errno.EACCES, errno.EPERM) else error.strerror
        raise Unavailable(f"running inline is not possible: this host {why}") from None


@contextlib.asynccontextmanager
async def open_inline(slots: int = 8) -> AsyncIterator[Inline]:
    """A runner of trusted images in this process; `slots` is there for the contract, calls run one at a time.

    Raises `Unavailable` where images cannot be called.
    """
    if slots < 1:
        raise ValueError("slots must be at least 1")
    check_inline()
    try:
        runner = Inline()
    except RuntimeError as error:
        raise Unavailable(f"running inline needs a thread: {error}") from None
    try:
        yield runner
    finally:
        with anyio.CancelScope(shield=True):
            await runner.aclose()
