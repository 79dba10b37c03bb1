"""What a fresh sandbox costs from Python, beside `posix_spawn` of an empty static program and other peers.

Ours is the whole of a call: inputs in, a child used up, tables read back and checked. The peer's is `posix_spawn` and
`waitpid` alone. Both take turns in short rounds, so that what else the machine does meets both alike.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.startup import startup
from dandc.isolation import Image, Limits, Pool, load_image, open_pool

ROUNDS, PER_ROUND = 12, 250
GAP_S = 0.0005
LIMIT_MS, ENDLESS = 100, 30
READY = 126  # slots of a pool; two of them make 256 ready children
SETTLE_S = 1.5  # the kernel sums its counters once a second, and frees dead processes late
INPUTS = [bytes(64)]

# mov eax, 231; xor edi, edi; syscall
EXIT = bytes.fromhex("b8e700000031ff0f05")
# One finished instance without items: its record's state, data_end, state of the control page.
FINISH = bytes.fromhex("488b4738c7000100000048c787880000002800000048c7878000000001000000") + EXIT
# Touches 16 MiB of the heap, a byte a page, again and again.
TOUCH = bytes.fromhex("488b4728488d8800000001c600014805001000004839c872f2ebe5")
# The same as a program: mmap 16 MiB, setitimer of 100,000 us, then the loop.
TIMED = bytes.fromhex(
    "b80900000031ffbe00000001ba0300000041ba2200000049c7c0ffffffff4531c90f054889c368a0"
    "8601006a006a006a00b82600000031ff4889e631d20f054889d8488d8800000001c600014805001000004839c872f2ebe6"
)
# (module (func (export "run") (result i32) i32.const 0))
WASM = bytes.fromhex("0061736d010000000105016000017f03020100070701037275" + "6e00000a0601040041000b")


def elf(code: bytes) -> bytes:
    """A static executable of one segment of code, at the start of its second page."""
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    head += struct.pack("<IIQQQQQQ", 1, 5, 4096, 0x400000, 0x400000, len(code), len(code), 4096)
    return head.ljust(4096, b"\0") + code


@contextmanager
def program_of(code: bytes = EXIT) -> Iterator[str]:
    """A path at which a static program stands, an empty one if nothing is said."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program")
        path.write_bytes(elf(code))
        path.chmod(0o700)
        yield str(path)


def spawn(arguments: Sequence[str]) -> None:
    """One process from start to end; raises when it does not end well."""
    pid = os.posix_spawn(arguments[0], arguments, {})
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"{arguments[0]} ended with status {status}")


async def call(pool: Pool, image: Image) -> None:
    """One call from request to checked result."""
    outcome = await pool.run(image, INPUTS, 0, 1)
    if outcome.error:
        raise RuntimeError(f"{outcome.error}: {outcome.detail}")


async def timed(work: Callable[[], Awaitable[None]], count: int, gap: float) -> list[float]:
    """Seconds of `count` runs, one after the other, with `gap` seconds of sleep after each."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
        if gap:
            await asyncio.sleep(gap)
    return times


async def in_turns(pool: Pool, image: Image, program: str, gap: float) -> tuple[list[float], list[float]]:
    """Sorted seconds of ours and of the peer, in alternating rounds."""

    async def ours() -> None:
        await call(pool, image)

    async def peer() -> None:
        spawn([program])

    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        await timed(ours, PER_ROUND // 10, gap)
        mine += await timed(ours, PER_ROUND, gap)
        theirs += await timed(peer, PER_ROUND, gap)
    return sorted(mine), sorted(theirs)


def part(times: list[float], share: float) -> float:
    """A quantile of sorted seconds, in microseconds."""
    return times[int(len(times) * share)] * 1e6


async def latency() -> list[Row]:
    """The price of one call at a time."""
    with program_of() as program, load_image(elf(FINISH)) as image:
        async with open_pool() as pool:
            mine, theirs = await in_turns(pool, image, program, 0)
            mine_apart, theirs_apart = await in_turns(pool, image, program, GAP_S)
    return [
        Row("p50 vs posix_spawn", part(mine, 0.5), part(theirs, 0.5), "us"),
        Row("p50 vs posix_spawn, 0.5 ms gaps", part(mine_apart, 0.5), part(theirs_apart, 0.5), "us"),
        Row("p99 vs p50", part(mine, 0.99), part(mine, 0.5), "us"),
        Row("p99 vs posix_spawn p99", part(mine, 0.99), part(theirs, 0.99), "us"),
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
                outcome = await pool.run(image, INPUTS, 0, 1, Limits(wall_ms=LIMIT_MS))
                walls.append((time.perf_counter() - started) * 1e3)
                also = await pool.run(image, INPUTS, 0, 1, Limits(cpu_ms=LIMIT_MS))
                cpus.append((also.cpu_us or 0) / 1e3)
                if (outcome.error, also.error) != ("limit.wall", "limit.cpu"):
                    raise RuntimeError(f"an endless loop ended as {outcome.error} and {also.error}")
                peers.append(spent(program))
    nine_in_ten = [sorted(times)[int(ENDLESS * 0.9)] for times in (walls, cpus, peers)]
    return [
        Row("p90 of a wall limit of 100 ms", nine_in_ten[0], nine_in_ten[2], "ms", "bar: 105 ms"),
        Row("p90 of CPU time under a limit of 100 ms", nine_in_ten[1], LIMIT_MS, "ms", "bar: 105 ms"),
    ]


async def throughput() -> list[Row]:
    """Calls a second with several in flight; the peer is one call at a time in the same run."""
    calls = 2000
    rates: dict[int, float] = {}
    with load_image(elf(FINISH)) as image:
        async with open_pool() as pool:

            async def worker(count: int) -> None:
                for _ in range(count):
                    await call(pool, image)

            for tasks in (1, 2, 4, 8):
                started = time.perf_counter()
                await asyncio.gather(*(worker(calls // tasks) for _ in range(tasks)))
                rates[tasks] = calls / (time.perf_counter() - started)
    return [Row(f"calls a second, {tasks} in flight", rate, rates[1], "1/s") for tasks, rate in rates.items()]


def available() -> int:
    """MemAvailable, in KiB."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))


async def memory() -> list[Row]:
    """What a ready child costs the machine, over 256 of them (the two nuclei included)."""
    costs = []
    for _ in range(3):
        await asyncio.sleep(SETTLE_S)
        before = available()
        async with open_pool(READY) as first, open_pool(READY) as second:
            for pool in (first, second):
                await pool.resize(READY + 2)
            await asyncio.sleep(SETTLE_S)
            costs.append((before - available()) / (2 * (READY + 2)))
    return [Row("memory per ready child", sorted(costs)[1], None, "KiB", "bar: 80")]


async def bubblewrap() -> list[Row]:
    """A process in new namespaces, by the usual tool."""
    tool = shutil.which("bwrap")
    if tool is None:
        return [Row("p50 vs bubblewrap", None, None, "us", "missing: bwrap is not installed")]
    with program_of() as program, load_image(elf(FINISH)) as image:
        arguments = [tool, "--unshare-all", "--ro-bind", program, "/empty", "/empty"]

        async def peer() -> None:
            spawn(arguments)

        async with open_pool() as pool:
            mine = sorted(await timed(lambda: call(pool, image), 300, 0))
        theirs = sorted(await timed(peer, 100, 0))
    return [Row("p50 vs bubblewrap", part(mine, 0.5), part(theirs, 0.5), "us")]


async def wasmtime() -> list[Row]:
    """A new WebAssembly instance and a call, within this process."""
    if importlib.util.find_spec("wasmtime") is None:
        return [Row("p50 vs wasmtime instance in process", None, None, "us", "missing: wasmtime is not installed")]
    module = importlib.import_module("wasmtime")
    engine = module.Engine()
    compiled = module.Module(engine, WASM)

    async def peer() -> None:
        store = module.Store(engine)
        module.Instance(store, compiled, []).exports(store)["run"](store)

    with load_image(elf(FINISH)) as image:
        async with open_pool() as pool:
            mine = sorted(await timed(lambda: call(pool, image), 300, 0))
        theirs = sorted(await timed(peer, 300, 0))
    return [Row("p50 vs wasmtime instance in process", part(mine, 0.5), part(theirs, 0.5), "us")]


ROWS: list[Callable[[], Awaitable[list[Row]]]] = [memory, latency, margins, throughput, bubblewrap, wasmtime, startup]


def measure() -> list[Row]:
    """All rows, in order."""

    async def collect() -> list[Row]:
        return [row for rows in ROWS for row in await rows()]

    return asyncio.run(collect())
