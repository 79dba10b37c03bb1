"""How latencies spread under steady load: a fresh sandbox a request, a fresh process a request, and warm Python workers.

All three get the same load, due by the clock (`clock.py`) and in turns of some seconds: 70 % of the most that sandboxes
gave just before; and, if that is more than another way can bear, also 70 % of the most that the weakest gave. A way that falls
behind shows how far, after one turn. The work is nothing: what is measured is what each way to run it adds.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import fmean, pstdev
from typing import TypeAlias

from attrs import frozen

from benchmarks.clock import offered, peak, schedule
from benchmarks.images import call, finish, program_of
from benchmarks.plot import quantile_plot
from benchmarks.rows import Row
from benchmarks.turns import part
from dandc.isolation import open_pool

Request: TypeAlias = Callable[[], Awaitable[object]]

SHARE = 0.7
FLIGHTS = 8
TURN_S = 10.0
PEAK_S = 3.0
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
WORKER = "import socket\ns = socket.socket(fileno=0)\nwhile s.recv(64): s.send(b'finished')\n"
OURS, SPAWN, WORKERS = "fresh sandboxes", "fork and exec", "warm workers"


@asynccontextmanager
async def sandboxes() -> AsyncIterator[Request]:
    """A call in a fresh sandbox."""
    with finish() as image:
        async with open_pool(FLIGHTS) as pool:
            yield lambda: call(pool, image)


@asynccontextmanager
async def processes() -> AsyncIterator[Request]:
    """A process of an empty static program, `FLIGHTS` at most at once: the least that a fresh process can cost."""
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(FLIGHTS)
    with program_of() as program:

        async def request() -> None:
            async with room:
                pid = os.posix_spawn(program, [program], {})  # noqa: ASYNC221  # what is measured
                watch = os.pidfd_open(pid)
                try:
                    ended = loop.create_future()
                    loop.add_reader(watch, ended.set_result, None)
                    try:
                        await ended
                    finally:
                        loop.remove_reader(watch)
                finally:
                    os.close(watch)
                    _, status = os.waitpid(pid, 0)  # noqa: ASYNC222  # it has ended, or the run has
                if status:
                    raise RuntimeError(f"the program ended with status {status}")

        yield request


@asynccontextmanager
async def workers() -> AsyncIterator[Request]:
    """A message to one of `FLIGHTS` Python processes that wait for it, and its answer. Nothing is fresh in them."""
    loop, free = asyncio.get_running_loop(), asyncio.Queue[socket.socket]()
    async with AsyncExitStack() as stack:
        for _ in range(FLIGHTS):
            free.put_nowait(_worker(stack))

        async def request() -> None:
            worker = await free.get()
            await loop.sock_sendall(worker, bytes(64))
            if await loop.sock_recv(worker, 64) != b"finished":
                raise RuntimeError("a worker has ended")
            free.put_nowait(worker)

        for _ in range(4 * FLIGHTS):
            await request()  # until all are up
        yield request


def _worker(stack: AsyncExitStack) -> socket.socket:
    """The socket of a new worker, which ends when the socket is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs:
        process = subprocess.Popen([sys.executable, "-S", "-c", WORKER], stdin=theirs)
    stack.callback(process.wait)
    stack.callback(ours.close)
    return ours


@frozen
class Load:
    """What came of a load: requests a second, and sorted latencies in seconds by system."""

    rate: float
    times: dict[str, list[float]]


async def collect(seconds: float) -> tuple[dict[str, float], list[Load]]:
    """Peaks by system, and what came of each load; a system is under each for so many seconds in all."""
    async with AsyncExitStack() as stack:
        systems = {
            name: await stack.enter_async_context(opened())
            for name, opened in ((OURS, sandboxes), (SPAWN, processes), (WORKERS, workers))
        }
        peaks = {name: await peak(request, FLIGHTS, min(PEAK_S, seconds)) for name, request in systems.items()}
        loads = [await _under(systems, peaks, SHARE * peaks[OURS], seconds)]
        if min(peaks.values()) < loads[0].rate:
            loads.append(await _under(systems, peaks, SHARE * min(peaks.values()), seconds))
    return peaks, loads


async def _under(systems: dict[str, Request], peaks: dict[str, float], rate: float, seconds: float) -> Load:
    times: dict[str, list[float]] = {name: [] for name in systems}
    turns = max(1, round(seconds / TURN_S))
    for turn in range(turns):
        due = schedule(rate, seconds / turns, turn)
        for name, request in systems.items():
            if turn == 0 or rate < peaks[name]:
                times[name] += await offered(request, due)
    return Load(rate, {name: sorted(found) for name, found in times.items()})


def soak(seconds: float, plot: Path | None) -> list[Row]:
    """The rows, and a plot of the first load where one is wanted."""
    peaks, loads = asyncio.run(collect(seconds))
    rows = [Row(f"peak requests a second, {name}", peaks[name], None, "1/s") for name in peaks]
    for load in loads:
        at = f"{load.rate:,.0f}/s"
        rows.append(Row(f"offered, {at}", load.rate, peaks[OURS], "1/s", f"for {seconds:g} s each"))
        rows += [row for peer in (SPAWN, WORKERS) for row in _beside(at, peer, load, peaks[peer])]
    if plot is not None:
        title = f"Latency from the due time, {loads[0].rate:,.0f} requests a second for {seconds:g} s each"
        plot.write_text(quantile_plot(title, loads[0].times), encoding="utf-8")
    return rows


def _beside(at: str, peer: str, load: Load, most: float) -> list[Row]:
    """Ours beside a peer under the same load."""
    ours, theirs = load.times[OURS], load.times[peer]
    behind = ", which falls behind: one turn" if load.rate >= most else ""
    note = f"{load.rate / most:.0%} of the peer's peak{behind}"
    rows = [Row(f"{at}: {name} vs {peer}", part(ours, q), part(theirs, q), "us", note) for name, q in QUANTILES.items()]
    return [*rows, Row(f"{at}: deviation by mean vs {peer}", spread(ours), spread(theirs), "", note)]


def spread(times: list[float]) -> float:
    """The standard deviation as a share of the mean."""
    return pstdev(times) / fmean(times)
