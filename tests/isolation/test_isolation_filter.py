"""The filter and the address space: no system call but exit, no descriptor, no mapping of trusted code."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest
from machine_code import FINISH, SPIN, TRAMPOLINE, assemble, call, elf, image, nucleus_pid, run, until

from dandc.isolation import Outcome, load_image, open_pool

EXITS = {60, 231}
UPROBES = {
    335,
    336,
}  # newer kernels exempt these from every filter, and refuse them outside of a trampoline of their own


def forged(number: int, instruction: bytes = b"\x0f\x05") -> bytes:
    """mov eax, number; the instruction; then an orderly end, so that a call that was let through is seen."""
    return b"\xb8" + number.to_bytes(4, "little") + instruction + assemble("nop\n" + FINISH)


async def outcomes(codes: list[bytes]) -> list[Outcome]:
    results: dict[int, Outcome] = {}
    numbers = iter(range(len(codes)))

    async def worker() -> None:
        for number in numbers:
            with load_image(elf(codes[number])) as loaded:
                results[number] = await pool.run(loaded, [], 0, 1)

    async with open_pool(16) as pool:
        await asyncio.gather(*(worker() for _ in range(16)))
    return [results[number] for number in range(len(codes))]


def test_every_system_call_is_denied() -> None:
    """All numbers of the 64-bit table, and far beyond it, end the child by SIGSYS; two end it as they should."""
    results = run(outcomes([forged(number) for number in range(1024)]))

    denied = {number for number, result in enumerate(results) if result.error == "sandbox.forbidden"}
    assert set(range(1024)) - EXITS - UPROBES == denied - UPROBES
    assert {"SIGSYS"} == {results[number].detail for number in denied}
    assert {"sandbox.crash"} == {results[number].error for number in EXITS}  # ended before it was done
    assert {results[number].error for number in UPROBES} <= {"sandbox.forbidden", "sandbox.crash", None}


def test_x32_and_32_bit_calls_are_denied() -> None:
    """The tables behind the other two doors are shut altogether, exit included."""
    x32 = [forged(0x40000000 + number) for number in range(1024)]
    old = [forged(number, b"\xcd\x80") for number in range(512)]
    results = run(outcomes(x32 + old))

    assert Counter({"sandbox.forbidden": 1024}) == Counter(result.error for result in results[:1024])
    # A kernel without 32-bit programs answers int 0x80 with a fault.
    assert {result.error for result in results[1024:]} <= {"sandbox.forbidden", "sandbox.crash"}


def test_the_vsyscall_page_gives_nothing() -> None:
    """The kernel emulates three calls at a fixed address; the filter sees them too."""
    texts = [f"movq ${address}, %rax\nxorl %edi, %edi\ncall *%rax\n" for address in VSYSCALLS]
    results = run(outcomes([assemble(text + "ud2") for text in texts]))

    assert {result.error for result in results} <= {"sandbox.forbidden", "sandbox.crash"}
    assert {result.detail for result in results} <= {"SIGSYS", "SIGSEGV"}


VSYSCALLS = (0xFFFFFFFFFF600000, 0xFFFFFFFFFF600400, 0xFFFFFFFFFF600800)


def test_the_trampoline_lends_its_system_call_to_munmap_alone() -> None:
    """Jumping to the one trusted `syscall` that stays mapped gains nothing."""
    texts = [f"movl ${number}, %eax\nmovabsq ${TRAMPOLINE}, %rcx\njmp *%rcx\n" for number in (0, 1, 9, 57, 59, 157)]
    results = run(outcomes([assemble(text) for text in texts]))

    assert {"sandbox.forbidden"} == {result.error for result in results}


@pytest.mark.parametrize(
    "address", [0x7E0000000000, 0x7E0000001000, 0x7E0000002000, 0x7E0000003000, 0x7E0000005000, 0x7FFFFFFFE000, 0x1000]
)
def test_trusted_memory_is_not_there(address: int) -> None:
    """Text, constants, data and stack of the nucleus are gone before the image's first instruction."""
    with image(f"movabsq ${address}, %rax\nmovq (%rax), %rax\n" + FINISH) as probe:
        outcome = call(probe)

        assert ("sandbox.crash", "SIGSEGV") == (outcome.error, outcome.detail)


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
    assert "7e0000004000-7e0000005000" == ranges[-1]
    assert not [line for line in maps if "[vdso]" in line or "[vvar" in line or "[stack]" in line]
    assert [] == [line for line in maps if "x" in line.split()[1] and "w" in line.split()[1]]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert ("1", "2") == (fields["NoNewPrivs"].strip(), fields["Seccomp"].strip())


def busy(nucleus: int) -> list[int]:
    """Children of a nucleus that have entered an image: the nucleus's own text is not mapped any more."""
    pids = Path(f"/proc/{nucleus}/task/{nucleus}/children").read_text().split()
    return [int(pid) for pid in pids if "7e0000000000-" not in Path(f"/proc/{pid}/maps").read_text()]
