"""What bytes cost on their way through a sandbox, and what a call costs by the size of its image and of its limits."""

import mmap
import os

from benchmarks.images import ECHO, call, elf, finish, good
from benchmarks.memory import available
from benchmarks.rows import Bar, Row
from benchmarks.turns import in_turns, part
from dandc.isolation import Image, Limits, Pool, load_image, open_pool, seal_inputs

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
VOLUMES = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB, "16 MiB": 16 * MIB, "256 MiB": 256 * MIB, "1 GiB": GIB}
NEEDED = 6  # times the bytes: the block, its sealed copy, the outputs, what is read of them, what memcpy makes
BUDGET = GIB // 2  # bytes that a volume may move in all, but three times at least
IMAGES = {"64 KiB": 64 * KIB, "1 MiB": MIB, "16 MiB": 16 * MIB}
LIMITS = {"1 MiB": MIB, "1 GiB": GIB, "64 GiB": 64 * GIB}
VOLUME = Bar(0.5, least=True)  # from 1 MiB up
ROUNDS, PER_ROUND = 6, 100


async def volume() -> list[Row]:
    """Bytes a second of an item that goes in and comes out, beside one copy of it by Python: a `memcpy`.

    Inputs are a sealed block, which several calls share. The note says the ratio with inputs that are copied in for the one
    call, and the ratio to a copy into memory that the kernel has just given, as it gives a sandbox all of its memory.
    """
    rows = []
    with load_image(elf(ECHO)) as image:
        async with open_pool(1) as pool:
            for name, size in VOLUMES.items():
                rows.append(await _through(pool, image, name, size))
    return rows


async def _through(pool: Pool, image: Image, name: str, size: int) -> Row:
    bar = VOLUME if size >= MIB else None
    what = f"bytes a second vs memcpy, {name}"
    free = available() << 10
    if free < NEEDED * size:
        return Row(what, None, None, "MB/s", f"missing: {free / GIB:.1f} GiB of memory are free", bar)
    block = os.urandom(min(size, MIB)) * max(1, size // MIB)
    limits = Limits(output=max(Limits().output, size + MIB))
    count, rounds = max(1, min(50, BUDGET // size // 3)), 3 if size < GIB else 2

    async def copied() -> None:
        bytes(memoryview(block))

    async def copied_to_fresh() -> None:
        with mmap.mmap(-1, size) as memory:
            memory[:] = block

    async def from_parts() -> None:
        good(await pool.run(image, [block], 0, 1, limits))

    with seal_inputs([block]) as sealed:

        async def shared() -> None:
            good(await pool.run(image, sealed, 0, 1, limits))

        ours, memcpy = await in_turns(shared, copied, rounds, count)
    parts, fresh = await in_turns(from_parts, copied_to_fresh, rounds, count)
    mine, theirs, by_parts, to_fresh = (size / part(times, 0.5) for times in (ours, memcpy, parts, fresh))
    note = f"copied in {by_parts / theirs:.2g}, beside fresh memory {mine / to_fresh:.2g}"
    return Row(what, mine, theirs, "MB/s", note, bar)


async def sizes() -> list[Row]:
    """Larger images and limits beside the smallest image under the limits that hold unless said."""
    rows = []
    with finish() as small:
        async with open_pool() as pool:
            for name, size in IMAGES.items():
                with finish(size) as large:
                    rows.append(await _beside(pool, f"p50, image of {name} vs 4 KiB", small, large, Limits()))
            for name, size in LIMITS.items():
                rows.append(await _beside(pool, f"p50, heap limit {name} vs 64 MiB", small, small, Limits(memory=size)))
    return rows


async def _beside(pool: Pool, what: str, small: Image, other: Image, limits: Limits) -> Row:
    ours, peer = await in_turns(lambda: call(pool, other, limits), lambda: call(pool, small), ROUNDS, PER_ROUND)
    return Row(what, part(ours, 0.5), part(peer, 0.5), "us")
