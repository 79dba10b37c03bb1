"""Load by the clock: requests begin when they are due, whether or not the ones before have ended.

A system that falls behind is not asked less, and a request that had to wait for others waited: its time counts from when
it was due. asyncio rounds its timers up to whole milliseconds, so the clock here is a timer of the kernel's.
"""

import asyncio
import ctypes
import os
import random
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

_MONOTONIC, _FLAGS, _ABSOLUTE = 1, os.O_NONBLOCK | os.O_CLOEXEC, 1
_TIMES = struct.Struct("<4q")  # interval and time, in seconds and nanoseconds


def schedule(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests are due, in seconds from the start: `rate` a second, each independent of all others."""
    numbers = random.Random(seed)
    due, at = [], numbers.expovariate(rate)
    while at < seconds:
        due.append(at)
        at += numbers.expovariate(rate)
    return due


class _Timer:
    """Wakes up at a time of `time.monotonic`."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._loop = asyncio.get_running_loop()
        self.fd = self._libc.timerfd_create(_MONOTONIC, _FLAGS)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._rung = asyncio.Event()
        self._loop.add_reader(self.fd, self._ring)

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # it was set anew meanwhile
            os.read(self.fd, 8)
            self._rung.set()

    async def until(self, moment: float) -> None:
        self._rung.clear()
        seconds, fraction = divmod(moment, 1)
        times = _TIMES.pack(0, 0, int(seconds), int(fraction * 1e9) + 1)
        if self._libc.timerfd_settime(self.fd, _ABSOLUTE, times, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        await self._rung.wait()

    def close(self) -> None:
        self._loop.remove_reader(self.fd)
        os.close(self.fd)


@contextmanager
def _timer() -> Iterator[_Timer]:
    timer = _Timer()
    try:
        yield timer
    finally:
        timer.close()


async def offered(request: Callable[[], Awaitable[object]], due: list[float]) -> list[float]:
    """Seconds of each request from when it was due to its end, in order of ending."""
    times: list[float] = []

    async def one(since: float) -> None:
        await request()
        times.append(time.monotonic() - since)

    with _timer() as timer:
        async with asyncio.TaskGroup() as group:
            start = time.monotonic()
            for at in due:
                while time.monotonic() < start + at:
                    await timer.until(start + at)
                group.create_task(one(start + at))
    return times


async def peak(request: Callable[[], Awaitable[object]], flights: int, seconds: float) -> float:
    """Requests a second with so many in flight all the time."""
    until, done = time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal done
        while time.monotonic() < until:
            await asyncio.create_task(_awaited(request))  # a task each, as under load by the clock
            done += 1

    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(flights):
            group.create_task(one())
    return done / (time.monotonic() - started)


async def _awaited(request: Callable[[], Awaitable[object]]) -> None:
    await request()
