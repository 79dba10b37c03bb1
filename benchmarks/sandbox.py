"""What a fresh sandbox costs from Python, beside `posix_spawn` of an empty static program and other peers.

Ours is the whole of a call: inputs in, a child used up, tables read back and checked. The peer's is `posix_spawn` and
`waitpid` alone. Both take turns in short rounds, so that what else the machine does meets both alike. With `--soak` it is
load by the clock instead (`soak.py`).
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable

from benchmarks.images import TIMED, TOUCH, WASM, call, elf, finish, program_of, spawn
from benchmarks.memory import memory
from benchmarks.rows import Bar, Row
from benchmarks.startup import startup
from benchmarks.turns import in_turns, part
from benchmarks.volume import sizes, volume
from dandc.isolation import Limits, load_image, open_pool

ROUNDS, PER_ROUND = 12, 250
GAP_S = 0.0005
LIMIT_MS, ENDLESS = 100, 30
CALLS, WARM = 2000, 500
BACK_TO_BACK, WITH_GAPS, TAIL, SPAWN_TAIL = Bar(0.9), Bar(1.05), Bar(5), Bar(1.5)
BUBBLEWRAP = Bar(1 / 15)
MARGIN = Bar(105, alone=True)


async def latency() -> list[Row]:
    """The price of one call at a time."""
    with program_of() as program, finish() as image:
        async with open_pool() as pool:

            async def ours() -> None:
                await call(pool, image)

            async def peer() -> None:
                spawn([program])

            mine, theirs = await in_turns(ours, peer, ROUNDS, PER_ROUND)
            mine_apart, theirs_apart = await in_turns(ours, peer, ROUNDS, PER_ROUND, GAP_S)
    return [
        Row("p50 vs posix_spawn", part(mine, 0.5), part(theirs, 0.5), "us", bar=BACK_TO_BACK),
        Row("p10 vs posix_spawn p10", part(mine, 0.1), part(theirs, 0.1), "us", "calls that nothing disturbed"),
        Row("p50 vs posix_spawn, 0.5 ms gaps", part(mine_apart, 0.5), part(theirs_apart, 0.5), "us", bar=WITH_GAPS),
        Row("p99 vs p50", part(mine, 0.99), part(mine, 0.5), "us", bar=TAIL),
        Row("p99 vs posix_spawn p99", part(mine, 0.99), part(theirs, 0.99), "us", bar=SPAWN_TAIL),
    ]


def spent(program: str) -> float:
    """Milliseconds from the start to the end of a program that its own timer ends."""
    started = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(program, [program], {}), 0)
    if status != signal.SIGALRM:
        raise RuntimeError(f"{program} ended with status {status}")
    return (time.perf_counter() - started) * 1e3


async def margins() -> list[Row]:
    """An endless loop that touches 16 MiB, limited to 100 ms, beside the same loop as a plain program with a timer.

    The bar is 105 ms nine times in ten on a machine with nothing else to do; the ratio holds on a busy one too.
    """
    walls, cpus, peers = [], [], []
    with load_image(elf(TOUCH)) as image, program_of(TIMED) as program:
        async with open_pool(1) as pool:
            for _ in range(ENDLESS):
                started = time.perf_counter()
                outcome = await pool.run(image, [], 0, 1, Limits(wall_ms=LIMIT_MS))
                walls.append((time.perf_counter() - started) * 1e3)
                also = await pool.run(image, [], 0, 1, Limits(cpu_ms=LIMIT_MS))
                cpus.append((also.cpu_us or 0) / 1e3)
                if (outcome.error, also.error) != ("limit.wall", "limit.cpu"):
                    raise RuntimeError(f"an endless loop ended as {outcome.error} and {also.error}")
                peers.append(spent(program))
    nine_in_ten = [sorted(times)[int(ENDLESS * 0.9)] for times in (walls, cpus, peers)]
    return [
        Row("p90 of a wall limit of 100 ms", nine_in_ten[0], nine_in_ten[2], "ms", bar=MARGIN),
        Row("p90 of CPU time under a limit of 100 ms", nine_in_ten[1], None, "ms", bar=MARGIN),
    ]


async def throughput() -> list[Row]:
    """Calls a second with several in flight; the peer is one call at a time in the same run."""
    rates: dict[int, float] = {}
    with finish() as image:
        async with open_pool() as pool:

            async def worker(count: int) -> None:
                for _ in range(count):
                    await call(pool, image)

            await worker(WARM)  # the first row is the peer of the others
            for tasks in (1, 2, 4, 8):
                started = time.perf_counter()
                await asyncio.gather(*(worker(CALLS // tasks) for _ in range(tasks)))
                rates[tasks] = CALLS / (time.perf_counter() - started)
    return [Row(f"calls a second, {tasks} in flight", rate, rates[1], "1/s") for tasks, rate in rates.items()]


async def bubblewrap() -> list[Row]:
    """A process in new namespaces, by the usual tool."""
    what, bar = "p50 vs bubblewrap", BUBBLEWRAP
    tool = shutil.which("bwrap")
    if tool is None:
        return [Row(what, None, None, "us", "missing: bwrap is not installed", bar)]
    with program_of() as program, finish() as image:
        arguments = [tool, "--unshare-all", "--ro-bind", program, "/empty", "/empty"]

        async def peer() -> None:
            spawn(arguments)

        async with open_pool() as pool:
            mine, theirs = await in_turns(lambda: call(pool, image), peer, 5, 30)
    return [Row(what, part(mine, 0.5), part(theirs, 0.5), "us", bar=bar)]


async def wasmtime() -> list[Row]:
    """A new WebAssembly instance in a store of its own and a call, within this process."""
    what = "p50 vs wasmtime instance in process"
    if importlib.util.find_spec("wasmtime") is None:
        return [Row(what, None, None, "us", "missing: wasmtime is not installed")]
    module = importlib.import_module("wasmtime")
    engine = module.Engine()
    compiled = module.Module(engine, WASM)

    async def peer() -> None:
        store = module.Store(engine)
        module.Instance(store, compiled, []).exports(store)["run"](store)

    with finish() as image:
        async with open_pool() as pool:
            mine, theirs = await in_turns(lambda: call(pool, image), peer, 5, 100)
    return [Row(what, part(mine, 0.5), part(theirs, 0.5), "us")]


GROUPS: list[Callable[[], Awaitable[list[Row]]]] = [
    memory,
    latency,
    bubblewrap,
    wasmtime,
    throughput,
    volume,
    sizes,
    margins,
    startup,
]


async def measured(group: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
    """The rows of a group, or one that says why there are none: the others are worth having without it."""
    try:
        return await group()
    except Exception as error:  # noqa: BLE001  # whatever a peer's library or tool may raise
        return [Row(group.__name__, None, None, "", f"failed: {type(error).__name__}: {error}")]


def measure() -> list[Row]:
    """All rows, in order."""

    async def collect() -> list[Row]:
        return [row for group in GROUPS for row in await measured(group)]

    return asyncio.run(collect())
