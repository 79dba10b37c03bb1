"""A placement that lives long keeps few images: those that shards run, and some of the last that were used."""

import os
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from attrs import evolve

from dandc.api import compile as compile_program
from dandc.isolation import Image, Limits, Outcome
from dandc.vm import InputItem, LocalPlacement, RunLimits, open_local, run
from dandc.vm.admission import Admission
from dandc.vm.local import IDLE_IMAGES

PROGRAM = (
    "function f(x: i64) => (y: i64) = x + 1;\ncomposition main(xs: set[i64]) => (ys: set[i64]) { ys = f(each xs); }\n"
)


class Slow:
    """In place of a pool: calls end when they may, and their image must be open until then."""

    def __init__(self) -> None:
        self.held: dict[int, anyio.Event] = {}
        self.begun = 0
        self.images: list[Image] = []

    async def run(self, image: Image, *given: Any, **_: Any) -> Outcome:
        first = given[1]
        self.images.append(image)
        self.begun += 1
        if first in self.held:
            await self.held[first].wait()
        os.fstat(image.fd)
        return Outcome(None, "")


def is_open(image: Image) -> bool:
    return image.fd >= 0


def test_idle_images_are_closed_and_busy_ones_never(tmp_path: Path) -> None:
    (tmp_path / "p.dnd").write_text(PROGRAM)
    (kernel,) = compile_program(tmp_path / "p.dnd", cache=None).compiled.kernels.values()
    kernels = [evolve(kernel, image=kernel.image + number.to_bytes(2, "little")) for number in range(3 * IDLE_IMAGES)]
    pool = Slow()
    placement = LocalPlacement(pool, Admission(4, 1 << 30))  # type: ignore[arg-type]

    async def shard(number: int, first: int) -> None:
        outcome = await placement.run_shard(kernels[number], [], first, first + 1, Limits())
        assert outcome.error is None

    async def main() -> None:
        pool.held = {7: anyio.Event(), 8: anyio.Event()}
        async with anyio.create_task_group() as group:
            group.start_soon(shard, 0, 7)
            group.start_soon(shard, 0, 8)
            while pool.begun < 2:
                await anyio.lowlevel.checkpoint()
            for number in range(1, len(kernels)):
                await shard(number, 0)
                assert sum(map(is_open, set(pool.images))) <= IDLE_IMAGES + 1
            pool.held[7].set()
            while placement._busy[kernels[0].image] > 1:
                await anyio.lowlevel.checkpoint()
            await shard(1, 0)  # closed by now, and made again
            assert is_open(pool.images[0])
            pool.held[8].set()
        assert pool.images[0] is pool.images[1]
        assert pool.images[2] is not pool.images[-1]
        assert not is_open(pool.images[2])
        assert sum(map(is_open, set(pool.images))) == IDLE_IMAGES
        assert placement.usage(kernels[-1]) is not None
        assert placement.usage(kernels[2]) is None
        placement.close()
        assert not any(map(is_open, pool.images))

    anyio.run(main)


def test_more_programs_than_images_run_at_one_placement(tmp_path: Path) -> None:
    (tmp_path / "p.dnd").write_text(PROGRAM)
    program = compile_program(tmp_path / "p.dnd", cache=None).compiled
    ((name, kernel),) = program.kernels.items()
    variants = [
        evolve(program, kernels={name: evolve(kernel, image=kernel.image + bytes([number]))})
        for number in range(IDLE_IMAGES + 8)
    ]

    async def main() -> int:
        async with open_local(RunLimits(sandboxes=2)) as placement:
            before = len(os.listdir("/proc/self/fd"))
            for variant in [*variants, *variants[:8]]:
                result = await run(variant, "main.main", {"xs": [InputItem(1)]}, placement=placement)
                assert [item.value for item in result.outputs["ys"]] == [2]
            return len(os.listdir("/proc/self/fd")) - before

    assert anyio.run(main) <= IDLE_IMAGES + 8
