"""The virtual clock: time passes only while everybody waits, and never while something real is under way."""

import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import pytest

from dandc.testing.clock import Clock, StuckError, VirtualLoop

T = TypeVar("T")


def virtually(work: Callable[[Clock], Awaitable[T]]) -> T:
    clock = Clock()

    async def main() -> T:
        clock.threads = anyio.to_thread.current_default_thread_limiter()
        return await work(clock)

    return anyio.run(main, backend_options={"loop_factory": lambda: VirtualLoop(clock)})


def test_a_day_takes_no_time() -> None:
    """Sleeping for a day ends at once, a day later on the loop's clock."""

    async def work(clock: Clock) -> float:
        started = anyio.current_time()
        await anyio.sleep(86_400)
        return anyio.current_time() - started

    began = time.monotonic()
    assert virtually(work) == pytest.approx(86_400)
    assert time.monotonic() - began < 5


def test_timers_fire_in_order() -> None:
    """What sleeps shorter wakes first, and each sees the time that it waited for."""

    async def work(clock: Clock) -> list[tuple[str, float]]:
        woken: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await anyio.sleep(seconds)
            woken.append((name, round(anyio.current_time(), 6)))

        async with anyio.create_task_group() as group:
            group.start_soon(sleeper, "c", 30.0)
            group.start_soon(sleeper, "a", 0.001)
            group.start_soon(sleeper, "b", 29.0)
        return woken

    assert virtually(work) == [("a", 0.001), ("b", 29.0), ("c", 30.0)]


def test_the_clock_stands_still_for_real_work() -> None:
    """A time-out of a millisecond does not fire while a thread works, however long it takes."""

    async def work(clock: Clock) -> tuple[bool, float]:
        finished = threading.Event()

        def slow() -> bool:
            return finished.wait(0.2)

        before = clock.now
        with anyio.move_on_after(0.001) as scope, clock.real():
            await anyio.to_thread.run_sync(slow)
        return scope.cancelled_caught, clock.now - before

    caught, passed = virtually(work)
    assert (caught, passed) == (False, 0.0)


def test_a_thread_alone_holds_the_clock() -> None:
    """Worker threads are real work without saying so."""

    async def work(clock: Clock) -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 3600)
            finished = threading.Event()
            await anyio.to_thread.run_sync(lambda: finished.wait(0.1))
            return clock.now

    assert virtually(work) == 0.0


def test_waiting_for_nothing_is_an_error() -> None:
    """When nothing can ever happen the loop says so instead of waiting for ever."""

    async def work(clock: Clock) -> None:
        await anyio.sleep_forever()

    with pytest.raises(StuckError):
        virtually(work)
