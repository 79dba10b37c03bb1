"""The pool: calls in, checked outcomes out, every call in a fresh child.

Why so little happens here: a call is one write, one message, one wake-up, one read. Children are forked ahead by the
nucleus, but only when it is told to: after a result has been delivered, so that reaping and forking never delay it. A
child's socket lies in one epoll set of the pool's own, and that set is the one thing that asyncio watches: closing a
descriptor is all that unregistering takes.

What it must never do: read a child's memory before that child is dead (the end-of-file on its socket is the proof),
block the event loop (copies and closes above 1 MiB go to a worker thread), or lose track of a child that a cancelled
call leaves behind.
"""

import asyncio
import contextlib
import errno
import os
import select
import socket
import sys
import threading
import time
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

from dandc.isolation import layout, protocol
from dandc.isolation.backend import DEFAULT_LIMITS, Inputs, refusal
from dandc.isolation.image import PAGE, Block, Image, write_all
from dandc.isolation.layout import Call, Limits
from dandc.isolation.nucleus import Nucleus, Unavailable, check_host
from dandc.isolation.outcome import RECORD as INSTANCE_RECORD
from dandc.isolation.outcome import BadOutput, Outcome, read_tables, reader
from dandc.isolation.places import Places

T = TypeVar("T")

AHEAD = 2  # children ready beyond the slots, so that a slot that becomes free finds one
IN_LOOP = 1 << 20  # bytes that may be copied on the event loop
IDLE_S = 30.0
QUICK_NS = 300_000  # a call that took no longer lets the next one of its image be awaited by polling
POLL_NS = 250_000
_NO_START = "the sandbox nucleus cannot be started"
START_S = 10.0
CLOSE_S = 5.0
# Plain numbers: combining flags of an enumeration costs a microsecond.
if sys.platform == "linux":  # elsewhere there is no nucleus to talk to
    _SEND = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    _RECEIVE = int(socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
_RIGHTS_SPACE = socket.CMSG_SPACE(8)


class Exhausted(Exception):
    """The host has no process, descriptor or memory left for a call; the text says what failed."""


class Lost(Exception):
    """The nucleus died before it had a child for a call."""


class Unsent(Exception):
    """A child was dead before it got its order."""


class _Child:
    """A forked child: ready, running, or dead with somebody still interested."""

    __slots__ = (
        "dead", "ended", "generation", "home", "image", "instances", "killed", "memory", "said", "slot", "socket",
        "status", "swept", "taken", "usage",
    )  # fmt: skip

    def __init__(
        self, home: Nucleus | None, slot: int, generation: int, connection: socket.SocketType, memory: int
    ) -> None:
        self.home, self.slot, self.generation = home, slot, generation
        self.socket, self.memory = connection, memory
        self.taken = False  # belongs to a call
        self.dead = False  # end-of-file was seen, or is not waited for any more
        self.killed = False  # by our order
        self.swept = False  # descriptors closed, reaping ordered
        self.ended: asyncio.Future[None] | None = None  # set at end-of-file, for a running one
        self.said: int | None = None  # wait status, once the nucleus has told it
        self.status: asyncio.Future[int] | None = None  # the same, for one whose death needs explaining
        self.usage = 0
        self.image: Image | None = None  # what it was sent off with, and for how many instances
        self.instances = 0


class Pool:
    """Runs calls, at most `slots` at once. Made by `open_pool`; used from one event loop."""

    def __init__(self, slots: int, idle_s: float = IDLE_S) -> None:
        if not 0 < slots <= protocol.MAX_CHILDREN - AHEAD:
            raise ValueError(f"slots must be 1 to {protocol.MAX_CHILDREN - AHEAD}")
        self.slots = slots
        self.cpu_us = 0  # CPU time of all children that were reaped
        self.layers = 0  # what the nucleus said in HELLO
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._nucleus: Nucleus | None = None
        self._hello: asyncio.Future[None] | None = None
        self._starting: asyncio.Future[None] | None = None
        self._target = 0
        self._wish = 0  # number of the last order that said so
        self._running = 0
        self._children: dict[int, _Child] = {}  # by descriptor of the socket: not yet dead
        self._slots: dict[tuple[int, int], _Child] = {}  # by slot and generation: not yet reaped
        self._ready: deque[_Child] = deque()
        self._waiters: deque[asyncio.Future[_Child]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._closes: set[asyncio.Future[None]] = set()  # of large memory, in the threads
        self._idle: asyncio.TimerHandle | None = None
        self._last_use = 0.0
        self._closed = False
        self._shortage: Exhausted | None = None  # what was missing when the last child could not be had
        self._changed = asyncio.Event()  # set whenever children come, end or are given back
        self._litter: list[_Child] = []  # dead, to be cleared away
        self._reaps: list[bytes] = []  # orders to reap, waiting for company
        self._unsent: deque[bytes] = deque()  # orders for a nucleus that has not read those before
        self._explaining = 0  # calls that wait for a wait status
        self._batch = max(1, min(slots // 2, 3))
        self._low = min((slots + AHEAD) // 2, 8)  # fewer ready children than this are refilled at once
        self._planner = layout.Planner()
        self._places = Places()
        self._loop.add_reader(self._epoll.fileno(), self._wake)

    # Calls ------------------------------------------------------------------------------------------------------------

    async def run(
        self,
        image: Image,
        inputs: Inputs,
        first: int,
        last: int,
        limits: Limits = DEFAULT_LIMITS,
        *,
        background: bool = False,
    ) -> Outcome:
        """Runs instances `first <= i < last` of `image` over an input block in a fresh child.

        `inputs` are the parts of the block, to be put one behind the other, or a block that several calls share.
        `background` lowers the child's priority. A lost sandbox is tried once more. Errors of the run are in the
        outcome; cancelling the awaiting task kills the child and only it. Raises `Unavailable` when the nucleus died
        and no other one can be started.
        """
        refused = refusal(image, inputs, first, last, limits)
        if refused is not None:
            return refused
        outcome = await self._until_sent(image, inputs, first, last, limits, background)
        if outcome.error == "sandbox.lost" and not self._closed:
            outcome = await self._until_sent(image, inputs, first, last, limits, background)
        return outcome

    async def _until_sent(
        self, image: Image, inputs: Inputs, first: int, last: int, limits: Limits, low: bool
    ) -> Outcome:
        """A child that was dead before it got its order costs no retry: no image can have feigned that."""
        for _ in range(protocol.MAX_CHILDREN):
            try:
                return await self._attempt(image, inputs, first, last, limits, low)
            except Unsent:
                continue
        return Outcome("sandbox.lost", "children die before they are used")

    async def _attempt(self, image: Image, inputs: Inputs, first: int, last: int, limits: Limits, low: bool) -> Outcome:
        try:
            child = await self._take()
        except Exhausted as error:
            return Outcome("cancelled" if self._closed else "host.exhausted", str(error))
        except Lost:
            return Outcome("sandbox.lost", "the nucleus died")
        started = time.perf_counter_ns()
        try:
            call = await self._start(child, image, inputs, first, last, limits, low)
            if image.quick and self._running == 1:
                self._poll(child)
            if not child.dead:
                child.ended = self._loop.create_future()
                await child.ended
            image.quick = time.perf_counter_ns() - started < QUICK_NS
            return await self._finish(child, call, first, last, started)
        except Exhausted as error:
            return Outcome("host.exhausted", str(error))
        except OSError as error:
            return Outcome("host.exhausted", error.strerror or str(error))
        finally:
            self._release(child)

    def _poll(self, child: _Child) -> None:
        """Waits a moment for a child that should be quick: less time than falling asleep and being woken takes.

        One yield first: with the other CPUs busy, the child stands behind us on ours.
        """
        os.sched_yield()
        limit = time.perf_counter_ns() + POLL_NS
        while not child.dead and time.perf_counter_ns() < limit:
            self._wake()

    async def _start(
        self, child: _Child, image: Image, inputs: Inputs, first: int, last: int, limits: Limits, low: bool
    ) -> Call:
        """Fills the child's memory and sends it off. Raises `Unsent` when it is dead already, `Exhausted` if it said why."""
        rights = array("i", (image.fd,))
        flags = (layout.LOWER_PRIORITY if low else 0) | self._places.flag(image, low)
        if isinstance(inputs, Block):
            rights.append(inputs.fd)
            call = self._planner.plan(image, inputs, first, last, limits, flags)
        else:
            size = sum(map(_size, inputs))
            small = b"".join(inputs) if size <= layout.SMALL else size
            call = self._planner.plan(image, small, first, last, limits, flags)
            if size > layout.SMALL:
                await self._copy_in(child, inputs, call.areas.window_length, size)
        os.pwrite(child.memory, call.head, 0)
        try:
            child.socket.sendmsg((call.order,), ((socket.SOL_SOCKET, socket.SCM_RIGHTS, rights),), _SEND)
        except ConnectionError:
            fault = self._read_fault(child)
            raise Exhausted(fault) if fault else Unsent from None
        child.image, child.instances = image, last - first
        return call

    async def _copy_in(
        self, child: _Child, parts: Sequence[bytes | bytearray | memoryview], at: int, size: int
    ) -> None:
        def copy() -> None:
            offset = at
            for part in parts:
                write_all(child.memory, part, offset)
                offset += memoryview(part).nbytes

        await self._off_loop(size, copy)

    async def _finish(self, child: _Child, call: Call, first: int, last: int, started: int) -> Outcome:
        wall = (time.perf_counter_ns() - started) // 1000
        start = os.pread(child.memory, 2 * PAGE, 0)
        state, data_end, items, heap_peak = layout.RESULT.unpack_from(start, layout.RESULT_AT)
        if state != 1 or child.killed:
            return await self._explain(child, wall)

        def read() -> Outcome:
            try:
                tables = read_tables(
                    reader(child.memory), call.areas.output_length, first, last, data_end, items, start[PAGE:]
                )
            except BadOutput as error:
                return Outcome("sandbox.output", str(error), wall_us=wall)
            except MemoryError:  # an image may say that it used all that it was allowed to, and need nothing for that
                return Outcome("host.exhausted", "no memory for the outputs", wall_us=wall)
            return Outcome(None, "", *tables, wall, None, heap_peak)

        size = data_end + items * INSTANCE_RECORD
        return read() if size <= IN_LOOP else await self._off_loop(size, read)

    async def _explain(self, child: _Child, wall: int) -> Outcome:
        """Why a child died before its image was done: it takes the nucleus's word, which comes a moment after death."""
        fault = self._read_fault(child)
        child.status = self._loop.create_future()
        if child.said is not None:
            child.status.set_result(child.said)
        elif self._slots.get((child.slot, child.generation)) is not child:
            child.status.set_result(-1)  # the nucleus is dead and cannot say
        self._throw_away(child)
        self._explaining += 1
        try:
            status = await child.status
        finally:
            self._explaining -= 1
        if child.killed:
            return Outcome("cancelled", "", wall_us=wall, cpu_us=child.usage)
        if fault:
            return Outcome("host.exhausted", fault, wall_us=wall, cpu_us=child.usage)
        if status < 0:
            return Outcome("sandbox.lost", "the nucleus died", wall_us=wall)
        error, detail = protocol.death(status)
        return Outcome(error, detail, wall_us=wall, cpu_us=child.usage)

    def _read_fault(self, child: _Child) -> str:
        """What a child said on its socket before it died, which only trusted code in it can: empty if nothing.

        Raises `Unsent` when it died with its order unread.
        """
        try:
            said = child.socket.recv(protocol.RECORD.size, socket.MSG_DONTWAIT)
        except ConnectionError:
            raise Unsent from None
        if len(said) != protocol.RECORD.size:
            return ""
        _, _, _, errno, _, step = protocol.RECORD.unpack(said)
        return protocol.describe(step, errno)

    async def _off_loop(self, size: int, work: Callable[[], T]) -> T:
        """Does `work`, which touches `size` bytes, here or in a thread; cancelling waits for it: memory is in use.

        Raises `OSError` where there is no thread to be had.
        """
        if size <= IN_LOOP:
            return work()
        threads = self._pool_threads()
        if threads is None:
            raise OSError(errno.EAGAIN, "no thread for a large copy")
        future = self._loop.run_in_executor(threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([future])
            raise

    def _pool_threads(self) -> ThreadPoolExecutor | None:
        """Both threads run before they get any work: else work whose thread cannot start stays queued, for later."""
        if self._threads is None:
            threads, both = ThreadPoolExecutor(2, "dandc-isolation"), threading.Event()
            try:
                for _ in range(2):
                    threads.submit(both.wait)
                self._threads = threads
            except RuntimeError:  # the host starts no more
                return None
            finally:
                both.set()
                if self._threads is None:
                    threads.shutdown()
        return self._threads

    # Children ---------------------------------------------------------------------------------------------------------

    async def _take(self) -> _Child:
        """A ready child and a slot for it, in the order of asking. Raises `Exhausted` or `Lost`."""
        if self._closed:
            raise Exhausted("the pool is closed")
        if self._nucleus is None:
            await self._restart()
            if self._closed:
                raise Exhausted("the pool is closed")
            if self._nucleus is None:  # it died as soon as it had begun
                raise Lost
        self._want(self.slots + AHEAD)
        self._last_use = self._loop.time()
        if self._ready and self._running < self.slots and not self._waiters:
            return self._take_ready()
        waiter: asyncio.Future[_Child] = self._loop.create_future()
        self._waiters.append(waiter)
        self._order_reaping()
        self._hand_out()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._release(waiter.result())  # handed out in the same turn
            raise

    def _take_ready(self) -> _Child:
        self._running += 1
        child = self._ready.popleft()
        child.taken = True
        return child

    def _hand_out(self) -> None:
        while self._waiters and self._ready and self._running < self.slots:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._take_ready())

    def _release(self, child: _Child) -> None:
        """Gives the slot back; a child that still lives is killed, and cleared away when it is dead."""
        self._running -= 1
        child.taken = False
        self._changed.set()
        if child.dead:
            self._throw_away(child)
        else:
            child.killed = True
            if child.home is self._nucleus:
                self._send(protocol.ORDER.pack(protocol.KILL, child.slot, child.generation, 0))
        self._hand_out()
        if self._idle is None and not self._closed:
            self._idle = self._loop.call_later(self._idle_s, self._rest)

    def _throw_away(self, child: _Child) -> None:
        """Has a dead child cleared away in the next turn of the loop; saying it twice does no harm."""
        if not self._litter:
            self._loop.call_soon(self._sweep)
        self._litter.append(child)
        if len(self._litter) >= self._batch:
            self._sweep()  # calls that are over at once give the loop no turn

    def _sweep(self) -> None:
        """Closes what dead children leave, then lets the nucleus reap them and fork others.

        In this order: with a descriptor under way in a message, the kernel searches for lost ones at every close of a
        socket.
        """
        litter, self._litter = self._litter, []
        for child in litter:
            if not child.swept:
                child.swept = True
                self._close(child)
                if child.home is self._nucleus:
                    self._reaps.append(protocol.ORDER.pack(protocol.REAP, child.slot, child.generation, 0))
        if self._explaining or self._waiters or not self._running or len(self._ready) <= self._low:
            self._order_reaping()

    def _order_reaping(self) -> None:
        """Several at once while enough children are ready: the nucleus runs less often."""
        if not self._reaps:
            return
        reaps, self._reaps = self._reaps, []
        for start in range(0, len(reaps), protocol.MAX_ORDERS):
            self._send(b"".join(reaps[start : start + protocol.MAX_ORDERS]))

    def _close(self, child: _Child) -> None:
        """Memory above 1 MiB is given back in a thread, if there is one: it takes a while."""
        child.socket.close()
        threads = self._pool_threads() if os.fstat(child.memory).st_blocks * 512 > IN_LOOP else None
        if threads is not None:
            closed = self._loop.run_in_executor(threads, os.close, child.memory)
            self._closes.add(closed)
            closed.add_done_callback(self._closes.discard)
        else:
            os.close(child.memory)

    def _rest(self) -> None:
        """After a long idle time no ready child is kept."""
        self._idle = None
        left = self._last_use + self._idle_s - self._loop.time()
        if self._running or self._waiters or left > 0:
            self._idle = self._loop.call_later(max(left, self._idle_s / 10), self._rest)
            return
        self._want(0)
        while self._ready:
            self._dismiss(self._ready.popleft())

    def _dismiss(self, child: _Child) -> None:
        """A ready child that nobody needs."""
        self._children.pop(child.socket.fileno(), None)
        child.dead = True
        if child.home is self._nucleus:
            self._send(protocol.ORDER.pack(protocol.KILL, child.slot, child.generation, 0))
        self._throw_away(child)

    # What the nucleus and the children say ----------------------------------------------------------------------------

    def _wake(self) -> None:
        for descriptor, events in self._epoll.poll(0):
            child = self._children.get(descriptor)
            if child is not None:
                self._hear_end(child)
            elif self._nucleus is not None:
                if events & select.EPOLLOUT:
                    self._send_rest(self._nucleus.control)
                self._hear_nucleus(self._nucleus.control)

    def _hear_end(self, child: _Child) -> None:
        """A child is dead."""
        self._children.pop(child.socket.fileno(), None)
        child.dead = True
        if child.ended is not None and not child.ended.done():
            child.ended.set_result(None)
        if not child.taken:
            if child in self._ready:
                self._ready.remove(child)
                self._ask_why(child)
            self._throw_away(child)
        self._changed.set()

    def _ask_why(self, child: _Child) -> None:
        """A ready child is dead. If it could not get ready, the next ones could not either: none is forked unasked."""
        with contextlib.suppress(Unsent):
            fault = self._read_fault(child)
            if fault:
                alive = sum(not other.dead for other in self._slots.values())
                self._want(alive)
                self._target = -1  # the next call asks again
                if not alive:
                    self._fail_waiters(Exhausted(fault))

    def _hear_nucleus(self, control: socket.socket) -> None:
        self._changed.set()
        while True:
            try:
                said, ancillary, _, _ = control.recvmsg(2 * protocol.RECORD.size, _RIGHTS_SPACE, _RECEIVE)
            except BlockingIOError:
                return
            except ConnectionError:
                said = b""
            if not said:
                if not self._closed:  # else it was asked for, and `_end_nucleus` waits for its end
                    self._bury()
                return
            for record in protocol.RECORD.iter_unpack(said):
                self._obey(record, ancillary)

    def _obey(self, record: tuple[int, ...], ancillary: list[tuple[int, int, bytes]]) -> None:
        kind, slot, generation, status, cpu_us, extra = record
        if kind == protocol.READY:
            self._adopt(slot, generation, ancillary)
        elif kind == protocol.EXIT:
            self.cpu_us += cpu_us
            child = self._slots.pop((slot, generation), None)
            if child is not None:
                self._learn_status(child, status, cpu_us)
        elif kind == protocol.STARVED:
            if generation != self._wish:
                return  # said before it had read that more are wanted: it tries again
            self._target = -1  # the nucleus has given up until it is asked again
            self._shortage = Exhausted(protocol.describe(extra, status))
            if not self._slots:
                self._fail_waiters(self._shortage)
        elif self._hello is not None and not self._hello.done():
            if kind == protocol.HELLO:
                self.layers = status
                self._hello.set_result(None)
            else:
                self._hello.set_exception(Unavailable(protocol.describe(extra, status)))

    def _learn_status(self, child: _Child, status: int, cpu_us: int) -> None:
        child.usage = cpu_us
        if child.image is not None and status >= 0:  # else nobody knows what it has used
            child.image.usage.count(child.instances, cpu_us)
        child.said = status
        if child.status is not None and not child.status.done():
            child.status.set_result(status)

    def _adopt(self, slot: int, generation: int, ancillary: list[tuple[int, int, bytes]]) -> None:
        descriptors = array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data[: len(data) - len(data) % 4])
        if len(descriptors) != 2:  # no descriptor left in this process: the child sees its socket closed and ends
            for descriptor in descriptors:
                os.close(descriptor)
            for kind in (protocol.KILL, protocol.REAP):
                self._send(protocol.ORDER.pack(kind, slot, generation, 0))
            self._want(len(self._slots))
            self._shortage = Exhausted("no file descriptors left")
            self._fail_waiters(self._shortage)
            return
        connection = socket.SocketType(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, descriptors[0])
        child = _Child(self._nucleus, slot, generation, connection, descriptors[1])
        self._slots[slot, generation] = child
        self._children[descriptors[0]] = child
        self._epoll.register(descriptors[0], select.EPOLLONESHOT)  # its end, once
        if self._closed or not self._target:
            self._dismiss(child)
            return
        self._ready.append(child)
        self._hand_out()

    def _fail_waiters(self, error: Exception) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    # The nucleus ------------------------------------------------------------------------------------------------------

    def _send(self, orders: bytes) -> None:
        if self._nucleus is None:
            return
        if self._unsent:
            self._unsent.append(orders)
            return
        try:
            self._nucleus.control.send(orders, _SEND)
        except BlockingIOError:
            self._unsent.append(orders)
            self._epoll.modify(self._nucleus.control.fileno(), select.EPOLLIN | select.EPOLLOUT)
        except ConnectionError:
            return  # its end is heard elsewhere

    def _send_rest(self, control: socket.socket) -> None:
        """What a nucleus had no room for, now that it has read some: an order that is lost would never be said again."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._unsent:
                control.send(self._unsent[0], _SEND)
                self._unsent.popleft()
            self._epoll.modify(control.fileno(), select.EPOLLIN)

    def _want(self, children: int) -> None:
        if self._target != children:
            self._target = children
            self._wish = (self._wish + 1) % (1 << 32)
            self._send(protocol.ORDER.pack(protocol.TARGET, children, self._wish, 0))

    async def resize(self, children: int) -> None:
        """Waits until just so many ready children are there, for measurements and for warming up before load.

        Raises `Exhausted` where the host has no more for them, and `Lost` when the nucleus dies meanwhile.
        """
        if self._nucleus is None:
            await self._restart()
        self._shortage = None
        self._want(children)
        while len(self._ready) != children or len(self._slots) != children:
            while len(self._ready) > children:  # some may have been on their way
                self._dismiss(self._ready.popleft())
            if self._shortage is not None:
                raise self._shortage
            if self._nucleus is None:
                raise Lost
            self._changed.clear()
            await self._changed.wait()

    async def start(self) -> None:
        """Starts the nucleus and waits for its word. Raises `Unavailable`; `OSError`: no process to be had."""
        nucleus = Nucleus()
        self._nucleus = nucleus
        self._target = 0
        self._hello = self._loop.create_future()
        self._epoll.register(nucleus.control.fileno(), select.EPOLLIN)
        try:
            async with asyncio.timeout(START_S):
                await self._hello
        except TimeoutError:
            nucleus.kill()
            raise Unavailable("the sandbox nucleus does not answer") from None
        if self._nucleus is not nucleus:  # it died as soon as it had begun
            return
        self._places.bind(nucleus)
        self._want(self.slots + AHEAD)

    async def _restart(self) -> None:
        """A fresh nucleus after one died; callers that come meanwhile wait for the same one."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self.start())
            self._starting.add_done_callback(self._started)
        try:
            await asyncio.shield(self._starting)
        except OSError as error:
            raise Exhausted(f"no new nucleus: {error}") from None

    def _started(self, future: "asyncio.Future[None]") -> None:
        self._starting = None
        if not future.cancelled():
            future.exception()  # each waiting call has raised it

    def _bury(self) -> None:
        """The nucleus is dead, and so, by the kernel's word, are its children: each shows it by its own end-of-file."""
        nucleus, self._nucleus = self._nucleus, None
        if nucleus is None:
            return
        nucleus.forget()
        self._target = 0
        if self._hello is not None and not self._hello.done():
            self._hello.set_exception(Unavailable("the sandbox nucleus ended at once"))
        for child in self._slots.values():
            self._learn_status(child, -1, 0)
        self._slots.clear()
        self._reaps.clear()
        self._unsent.clear()
        while self._ready:
            self._dismiss(self._ready.popleft())
        self._fail_waiters(Lost())

    def kill_nucleus(self, timeout_ms: int) -> bool:
        """Kills the nucleus and blocks until every child has died of it: whether all did in time. For `probe`."""
        if self._nucleus is None:
            return False
        ends = select.poll()
        for descriptor in (waiting := set(self._children)):
            ends.register(descriptor, select.POLLHUP)
        self._nucleus.kill()
        until = time.monotonic() + timeout_ms / 1000
        while waiting and (left := until - time.monotonic()) > 0:
            for descriptor, _ in ends.poll(left * 1000):
                ends.unregister(descriptor)
                waiting.discard(descriptor)
        return not waiting

    async def settled(self) -> None:
        """Waits until every child that was killed is dead and reaped, as after the cancelling of its call."""
        while any(child.killed for child in self._slots.values()):
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        """Ends every child and the nucleus; calls under way are cancelled. Leaves no process, descriptor or thread."""
        if self._closed:
            return
        self._closed = True
        if self._starting is not None:
            await asyncio.wait([self._starting])  # a nucleus that is being started is ended like any other
        if self._idle is not None:
            self._idle.cancel()
        self._fail_waiters(Exhausted("the pool is closed"))
        for child in self._children.values():
            child.killed = True
        while self._ready:
            self._dismiss(self._ready.popleft())
        if self._nucleus is not None:
            await self._end_nucleus(self._nucleus)
        while self._children or self._running:
            self._changed.clear()
            await self._changed.wait()
        self._sweep()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        if self._closes:
            await asyncio.wait(self._closes)
        if self._threads is not None:
            self._threads.shutdown()  # nothing is left for them to do

    async def _end_nucleus(self, nucleus: Nucleus) -> None:
        """Asks it to end by closing the control socket; kills it if it does not."""
        self._epoll.unregister(nucleus.control.fileno())
        nucleus.control.shutdown(socket.SHUT_WR)
        ended = asyncio.Event()
        self._loop.add_reader(nucleus.pidfd, ended.set)
        try:
            async with asyncio.timeout(CLOSE_S):
                await ended.wait()
        except TimeoutError:
            nucleus.kill()
            await ended.wait()
        finally:
            self._loop.remove_reader(nucleus.pidfd)
        self._bury()


def _size(part: bytes | bytearray | memoryview) -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)


@contextlib.asynccontextmanager
async def open_pool(slots: int = 8, *, idle_s: float = IDLE_S) -> AsyncIterator[Pool]:
    """A pool that runs up to `slots` calls at once and keeps ready children until it was idle for `idle_s` seconds.

    Raises `Unavailable` where there is no sandbox, or nothing left to start one with.
    """
    check_host()
    try:
        pool = Pool(slots, idle_s)
    except OSError as error:
        raise Unavailable(f"{_NO_START}: {error.strerror}") from None
    try:
        try:
            await pool.start()
        except OSError as error:
            raise Unavailable(f"{_NO_START}: {error.strerror}") from None
        yield pool
    finally:
        with anyio.CancelScope(shield=True):
            await pool.aclose()
