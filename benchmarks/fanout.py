"""What a fan-out costs: items through kernels, packed and one a sandbox, and requests, beside what does less in the same run.

Rows about time say wall time; where the machine may be busy with other things there is a row of CPU time as well, that
of this process and of all sandboxes together. The last rows, from `benchmarks/journal.py`, are runs that are recorded or
cached beside the same ones that are not. Memory is measured in fresh processes (`python -m benchmarks.fanout COUNT BUNDLE`).
"""

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from unittest import mock

import httpx
from attrs import frozen

from benchmarks.journal import journal_cost
from benchmarks.loopback import server
from benchmarks.rows import Bar, Row
from dandc.api import compile as compile_program
from dandc.compiler.flow import KernelImage, Program
from dandc.isolation import Usage, load_image, open_pool
from dandc.vm import InputItem, LocalPlacement, RunLimits, dumps, loads, open_local, run

PROGRAM = """
import http;

config url: str = "http://127.0.0.1:9";
endpoint service = http(url);

function inc(x: i64) => (y: i64) = x + 1;
function dbl(x: i64) => (y: i64) = x * 2;
function dec(x: i64) => (y: i64) = x - 1;
function ask(x: i64) => (request: http.Request) = service.get(f"/{x}");
function again(response: http.Response) => (request: http.Request) = service.get("/last");
function said(response: http.Response) => (text: str) = response.text()?;

composition one(xs: set[i64]) => (ys: set[i64]) { ys = inc(each xs); }
composition three(xs: set[i64]) => (ys: set[i64]) { ys = dec(each dbl(each inc(each xs))); }
composition fetch(xs: set[i64]) => (answers: set[http.Response]) { answers = http.fetch(each ask(each xs)); }
composition chain(xs: set[i64]) => (texts: set[str]) {
    texts = said(each http.fetch(each again(each http.fetch(each ask(each xs)))));
}
"""
IN_FLIGHT = 64
FLIGHTS, ROUNDS, A_ROUND = (4, 8), 7, 3_000
UNPACKED = Bar(5_000, least=True, alone=True)
PACKED = Bar(200_000, least=True, alone=True)


@frozen
class Cost:
    """Seconds of one piece of work: on the wall, and of CPU here and in sandboxes."""

    wall: float
    cpu: float


def program(folder: str) -> Program:
    """The compiled program."""
    path = Path(folder, "fanout.dnd")
    path.write_text(PROGRAM)
    return compile_program(path, cache=None).compiled


def numbers(count: int) -> dict[str, list[InputItem]]:
    """Input items."""
    return {"xs": [InputItem(n) for n in range(count)]}


async def cost(placement: LocalPlacement, work: Callable[[], Awaitable[object]]) -> Cost:
    """What `work` takes."""
    started, cpu, sandboxes = time.perf_counter(), time.process_time(), placement.cpu_us
    await work()
    return Cost(time.perf_counter() - started, time.process_time() - cpu + (placement.cpu_us - sandboxes) / 1e6)


class Dear:
    """Runs shards in real sandboxes, and says that instances cost more than a shard should: so each gets one of its own."""

    def __init__(self, inner: LocalPlacement) -> None:
        self.run_shard = inner.run_shard
        self._told = Usage()

    def usage(self, kernel: KernelImage) -> Usage:
        """One more call of 3 ms."""
        self._told.count(1, 3_000)
        return self._told


async def unpacked(compiled: Program) -> list[Row]:
    """One item a sandbox, beside the bare pool with as many in flight: medians of rounds that take turns."""
    ours: dict[int, list[Cost]] = {flights: [] for flights in FLIGHTS}
    bare: dict[int, list[float]] = {flights: [] for flights in FLIGHTS}
    for _ in range(ROUNDS):
        for flights in FLIGHTS:
            ours[flights].append(await _machine(compiled, flights, A_ROUND))
            bare[flights].append(await _bare(compiled, flights, A_ROUND))
    rows = []
    for flights in FLIGHTS:
        rates = sorted(A_ROUND / spent.wall for spent in ours[flights])
        a_cpu_second = median(A_ROUND / spent.cpu for spent in ours[flights])
        what = f"unpacked calls per second, {flights} in flight"
        note = f"{rates[0]:,.0f} to {rates[-1]:,.0f} in {ROUNDS} rounds"
        rows.append(Row(what, median(rates), median(bare[flights]), "1/s", note, UNPACKED))
        rows.append(Row(f"the same a CPU second, {flights} in flight", a_cpu_second, None, "1/s"))
    return rows


async def _machine(compiled: Program, flights: int, count: int) -> Cost:
    """What so many calls take through the machine, of a run that is warm."""
    limits = RunLimits(sandboxes=flights)
    async with open_local(limits) as placement:

        async def calls(count: int) -> None:
            await run(compiled, "main.one", numbers(count), placement=Dear(placement), limits=limits)

        await calls(500)
        return await cost(placement, lambda: calls(count))


async def _bare(compiled: Program, flights: int, count: int) -> float:
    """Calls a second of an image in a pool, with no machine above it."""
    block = [bytes(128)]
    with load_image(compiled.kernels["main.inc"].image) as image:
        async with open_pool(flights) as pool:

            async def worker() -> None:
                for _ in range(count // flights):
                    await pool.run(image, block, 0, 1)

            started = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(flights)))
            return count / (time.perf_counter() - started)


async def packed(compiled: Program) -> list[Row]:
    """Small items, as many a sandbox as the machine likes, and how the time grows with their number."""
    many, few = 1_000_000, 10_000
    async with open_local(RunLimits()) as placement:
        single = numbers(200_000)
        spent = await cost(placement, lambda: run(compiled, "main.one", single, placement=placement))
        rows = [
            Row("packed items per second", 200_000 / spent.wall, None, "1/s", bar=PACKED),
            Row("packed items a CPU second", 200_000 / spent.cpu, None, "1/s"),
        ]
        small = await cost(placement, lambda: _often(compiled, placement, few, 10))
        items = numbers(many)
        big = await cost(placement, lambda: run(compiled, "main.three", items, placement=placement))
    wall, cpu = (
        (1e6 * (big.wall / many), 1e6 * small.wall / (10 * few)),
        (1e6 * big.cpu / many, 1e6 * small.cpu / (10 * few)),
    )
    return [
        *rows,
        Row("time per item 1e6 vs 1e4, three stages", *wall, "us", bar=Bar(1.2)),
        Row("CPU time per item 1e6 vs 1e4, three stages", *cpu, "us"),
    ]


async def _often(compiled: Program, placement: LocalPlacement, count: int, times: int) -> None:
    items = numbers(count)
    for _ in range(times):
        await run(compiled, "main.three", items, placement=placement)


async def memory(compiled: Program) -> list[Row]:
    """The most that a run holds beside its inputs and outputs."""
    with tempfile.NamedTemporaryFile() as bundle:
        bundle.write(dumps(compiled))
        bundle.flush()
        most, less = _peak(1_000_000, bundle.name), _peak(100_000, bundle.name)
    return [
        Row("peak memory 1e6 vs 1e5, beyond inputs and outputs", most, less, "MiB"),
        Row("the same an item", most * (1 << 20) / 1e6, less * (1 << 20) / 1e5, "bytes"),
    ]


def _peak(count: int, bundle: str) -> float:
    command = [sys.executable, "-m", "benchmarks.fanout", str(count), bundle]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _status(field: str) -> int:
    """A size from the kernel's view of this process, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith(field))


def _forget_peak() -> None:
    """Have the kernel count the highest point of memory from now on."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def alive(root: object) -> int:
    """The bytes of all data that hang on `root`, each object once, in the sixteens that the allocator gives."""
    seen: set[int] = set()
    waiting, size = [root], 0
    while waiting:
        part = waiting.pop()
        if id(part) not in seen and not isinstance(part, type):
            seen.add(id(part))
            size += -(-sys.getsizeof(part) // 16) * 16
            waiting += gc.get_referents(part)
    return size


async def _measure_peak(compiled: Program, count: int) -> float:
    """MiB that a run added to the process at its highest point, less the data that it gave.

    Inputs are there before it begins. What is left at its end would be no measure of the outputs: memory that was free by then
    may still be the allocator's.
    """
    inputs = numbers(count)
    async with open_local(RunLimits()) as placement:
        await run(compiled, "main.three", numbers(1000), placement=placement)
        before = _status("VmRSS")
        _forget_peak()
        result = await run(compiled, "main.three", inputs, placement=placement)
        added = _status("VmHWM") - before
    assert len(result.outputs["ys"]) == len(inputs["xs"])
    return (added - alive(result.outputs["ys"])) / (1 << 20)


async def first_output(compiled: Program) -> list[Row]:
    """Request, kernel, request, kernel: when the first answer of the second request is there."""
    count = 1_000
    with server(20) as url:
        times = [await _first(compiled, url, count, barrier=barrier) for barrier in (False, True)]
    return [Row("first output of a three-stage pipeline vs barrier", *times, "ms")]


async def _first(compiled: Program, url: str, count: int, *, barrier: bool) -> float:
    configs = {"url": url}
    complete: AbstractContextManager[object] = mock.patch("dandc.vm.streams._fed", return_value=-1)
    async with open_local(RunLimits()) as placement:
        await run(compiled, "main.chain", numbers(4), placement=placement, configs=configs)
        started = time.monotonic()
        if barrier:
            with complete:
                result = await run(compiled, "main.chain", numbers(count), placement=placement, configs=configs)
        else:
            result = await run(compiled, "main.chain", numbers(count), placement=placement, configs=configs)
    return 1e3 * (min(float(str(item.value)) for item in result.outputs["texts"]) - started)


async def requests(compiled: Program) -> list[Row]:
    """The same GETs by a program and by httpx alone, in turns."""
    ours: list[Cost] = []
    theirs: list[Cost] = []
    count = 2_000
    with server() as url:
        async with open_local(RunLimits()) as placement:
            items = numbers(count)
            for _ in range(3):
                ours.append(
                    await cost(
                        placement,
                        lambda: run(compiled, "main.fetch", items, placement=placement, configs={"url": url}),
                    )
                )
                theirs.append(await cost(placement, lambda: _bare_gets(url, count)))
    pairs = [(min(c.wall for c in costs), min(c.cpu for c in costs)) for costs in (ours, theirs)]
    return [
        Row("http.fetch vs bare httpx at 64 in flight", 1e3 * pairs[0][0], 1e3 * pairs[1][0], "ms", bar=Bar(1.10)),
        Row("CPU time of the same", 1e3 * pairs[0][1], 1e3 * pairs[1][1], "ms"),
    ]


async def _bare_gets(url: str, count: int) -> None:
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
        paths = iter(range(count))

        async def worker() -> None:
            for number in paths:
                (await client.get(f"{url}/{number}")).raise_for_status()

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


ROWS: Sequence[Callable[[Program], Awaitable[list[Row]]]] = (unpacked, packed, memory, first_output, requests)


def measure() -> list[Row]:
    """All rows, in order."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = program(folder)

    async def collect() -> list[Row]:
        return [row for rows in ROWS for row in await rows(compiled)]

    return [*asyncio.run(collect()), *journal_cost()]


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(asyncio.run(_measure_peak(loads(Path(sys.argv[2]).read_bytes()), int(sys.argv[1])))) + "\n"
    )
