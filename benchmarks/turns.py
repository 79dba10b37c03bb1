"""Times of two things that take turns in short rounds, so that what else the machine does meets both alike."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Work: TypeAlias = Callable[[], Awaitable[object]]


async def timed(work: Work, count: int, gap: float = 0) -> list[float]:
    """Seconds of `count` runs, one after the other, with `gap` seconds of sleep after each."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
        if gap:
            await asyncio.sleep(gap)
    return times


async def in_turns(ours: Work, peer: Work, rounds: int, count: int, gap: float = 0) -> tuple[list[float], list[float]]:
    """Sorted seconds of both; ours runs a few times uncounted first, since its children are forked ahead."""
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        await timed(ours, count // 10, gap)
        mine += await timed(ours, count, gap)
        theirs += await timed(peer, count, gap)
    return sorted(mine), sorted(theirs)


def part(times: list[float], share: float) -> float:
    """A quantile of sorted seconds, in microseconds."""
    return times[min(int(len(times) * share), len(times) - 1)] * 1e6
