"""A running child seen from outside: one descriptor, and no mapping of trusted code."""

import asyncio
import os
from pathlib import Path

import pytest
from abuse import attack
from machine_code import SPIN, TRAMPOLINE, image, nucleus_pid, run, until

from dandc.isolation import open_pool


@attack("information")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a process that cannot be dumped")
def test_a_running_child_has_one_descriptor_and_no_foreign_mapping() -> None:
    """Seen from outside: its socket, the image, stack, window, heap and the trampoline's page; no vDSO, no vvar."""

    async def look() -> tuple[list[str], list[str], str]:
        async with open_pool(1) as pool:
            task = asyncio.create_task(pool.run(spin, [], 0, 1))
            nucleus = nucleus_pid(pool)
            [pid] = await until(lambda: busy(nucleus))
            folder = Path(f"/proc/{pid}")
            descriptors = [os.readlink(entry) for entry in (folder / "fd").iterdir()]
            maps = (folder / "maps").read_text().splitlines()
            status = (folder / "status").read_text()
            task.cancel()
            await asyncio.wait([task])
            return descriptors, maps, status

    with image(SPIN) as spin:
        descriptors, maps, status = run(look())

    assert 1 == len(descriptors)
    assert descriptors[0].startswith("socket:")
    ranges = [line.split()[0] for line in maps if "[vsyscall]" not in line]
    assert "00400000-00401000" == ranges[0]
    assert [f"{TRAMPOLINE:08x}-{TRAMPOLINE + 4096:08x}"] == [r for r in ranges if r.startswith("800e")]
    assert not [line for line in maps if "[vdso]" in line or "[vvar" in line or "[stack]" in line]
    assert [] == [line for line in maps if "x" in line.split()[1] and "w" in line.split()[1]]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert ("1", "2") == (fields["NoNewPrivs"].strip(), fields["Seccomp"].strip())


def busy(nucleus: int) -> list[int]:
    """Children of a nucleus that have entered an image: the nucleus's own text is not mapped any more."""
    pids = Path(f"/proc/{nucleus}/task/{nucleus}/children").read_text().split()
    return [int(pid) for pid in pids if "800e0000-" not in Path(f"/proc/{pid}/maps").read_text()]
