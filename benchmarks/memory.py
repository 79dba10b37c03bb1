"""What a ready child costs the machine in memory that nobody else can have."""

import asyncio

from benchmarks.rows import Bar, Row
from dandc.isolation import open_pool

READY = 123  # slots of a pool; with two more a pool has 125 ready children, and two of them 250
ROUNDS = 5
CHILD = Bar(80, alone=True)
SETTLE_S = 1.2  # the kernel sums its counters once a second, and frees dead processes late


def available() -> int:
    """MemAvailable, in KiB."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))


async def memory() -> list[Row]:
    """What a ready child costs the machine, over 250 of them (the two nuclei included).

    Beside what was available before and after, so that a steady drift of the machine falls out; the median of some rounds.
    """
    costs = []
    for _ in range(ROUNDS):
        await asyncio.sleep(SETTLE_S)
        before = available()
        async with open_pool(READY) as first, open_pool(READY) as second:
            for pool in (first, second):
                await pool.resize(READY + 2)
            await asyncio.sleep(SETTLE_S)
            during = available()
        await asyncio.sleep(SETTLE_S)
        costs.append(((before + available()) / 2 - during) / (2 * (READY + 2)))
    note = f"{min(costs):.0f} to {max(costs):.0f}"
    return [Row("memory per ready child", sorted(costs)[ROUNDS // 2], None, "KiB", note, CHILD)]
