"""Limits and crashes: each way to die has its own name, and the pool goes on."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
from abuse import attack, siege_of_texts
from machine_code import FINISH, SPIN, call, image, nucleus_pid, run, until

from dandc.isolation import Limits, Outcome, open_pool


@attack("cpu", "limit.wall")
def test_wall_time_ends_an_endless_loop() -> None:
    """The child's own timer fires, close to the limit."""
    with image(SPIN) as spin:
        outcome = call(spin, limits=Limits(wall_ms=60))

        assert "limit.wall" == outcome.error
        assert outcome.wall_us >= 50_000


@attack("cpu", "limit.cpu")
def test_cpu_time_ends_an_endless_loop() -> None:
    """CPU time is counted apart from wall time."""
    with image(SPIN) as spin:
        outcome = call(spin, limits=Limits(cpu_ms=40))

        assert "limit.cpu" == outcome.error
        assert (outcome.cpu_us or 0) >= 30_000


@attack("lifecycle", "limit.wall")
def test_limits_hold_while_the_nucleus_is_stopped() -> None:
    """The timers are in the child: nobody else has to be awake."""

    async def stopped() -> Outcome:
        async with open_pool(1) as pool:
            assert (await pool.run(finish, [], 0, 1)).error is None
            os.kill(nucleus_pid(pool), signal.SIGSTOP)
            task = asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=50)))
            await until(lambda: any(child.dead for child in pool._slots.values()))
            os.kill(nucleus_pid(pool), signal.SIGCONT)
            return await task

    with image(SPIN) as spin, image(FINISH) as finish:
        assert "limit.wall" == run(stopped()).error


CRASHES = {
    "null": ("movq (%rdx), %rax", "SIGSEGV"),
    "ud2": ("ud2", "SIGILL"),
    "int3": ("int3", "SIGTRAP"),
    "privileged": ("hlt", "SIGSEGV"),
    "division by zero": ("xorl %ecx, %ecx\ndivl %ecx", "SIGFPE"),
    "INT_MIN / -1": ("movl $0x80000000, %eax\ncltd\nmovl $-1, %ecx\nidivl %ecx", "SIGFPE"),
    "stack overflow": ("1: call 1b", "SIGSEGV"),
    "write to code": ("movb $0, 0x400000", "SIGSEGV"),
    "jump to data": ("jmp *%rsp", "SIGSEGV"),
    "heap edge": ("movq 40(%rdi), %rax\naddq 48(%rdi), %rax\nmovb $0, (%rax)", "SIGSEGV"),
    "before the heap": ("movq 40(%rdi), %rax\nmovb $0, -1(%rax)", "SIGSEGV"),
    "output edge": ("movq 56(%rdi), %rax\naddq 64(%rdi), %rax\nmovb $0, (%rax)", "SIGSEGV"),
    "before the control page": ("movb $0, -1(%rdi)", "SIGSEGV"),
    "after the stack": ("movb $0, (%rsp)", "SIGSEGV"),
    "noncanonical": ("movabsq $0x8000000000000000, %rax\nmovb (%rax), %al", "SIGSEGV"),
    "port": ("outb %al, $0x80", "SIGSEGV"),
}


@attack("memory", "sandbox.crash")
@pytest.mark.parametrize("name", CRASHES)
def test_crashes_are_named_by_their_signal(name: str) -> None:
    """What the processor stops is `sandbox.crash`, with the signal."""
    text, expected = CRASHES[name]
    with image(text + FINISH) as crash:
        outcome = call(crash)

        assert ("sandbox.crash", expected) == (outcome.error, outcome.detail)
        assert (b"", 0, 0) == (outcome.data, len(outcome.instances), len(outcome.entries))


@attack("memory", "sandbox.crash")
def test_sealed_inputs_cannot_be_written() -> None:
    """Inputs that calls share are mapped for reading alone."""
    from dandc.isolation import seal_inputs

    async def write() -> Outcome:
        async with open_pool(1) as pool:
            return await pool.run(writer, block, 0, 1)

    with image("movq 24(%rdi), %rax\nmovb $1, (%rax)" + FINISH) as writer, seal_inputs([bytes(5000)]) as block:
        assert "sandbox.crash" == run(write()).error


@attack("output", "sandbox.crash")
@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_an_end_without_a_finished_state_is_a_crash(status: int) -> None:
    """Exit codes mean nothing: an image could choose any."""
    with image(f"movl $60, %eax\nmovl ${status}, %edi\nsyscall") as leaver:
        outcome = call(leaver)

        assert "sandbox.crash" == outcome.error
        assert f"status {status} " in outcome.detail


@attack("output", "limit.output")
def test_records_that_cannot_fit_are_refused_before_anything_runs() -> None:
    """The output area must hold the instance records at least."""
    with image(FINISH) as finish:
        assert "limit.output" == call(finish, limits=Limits(output=4096), last=103).error


def test_an_unmappable_size_is_the_hosts_exhaustion() -> None:
    """What a child cannot map it says on its socket, which no image can write to."""

    async def starve() -> list[str | None]:
        async with open_pool(1) as pool:
            big = await pool.run(finish, [], 0, 1, Limits(memory=1 << 38, stack=1 << 29, output=1 << 38))
            after = await pool.run(finish, [], 0, 1)
            return [big.error, after.error]

    with image(FINISH) as finish:
        first, second = run(starve())

    assert first in (None, "host.exhausted")  # a host that promises more than it has maps even that
    assert second is None


@pytest.mark.parametrize(
    "change", [{"wall_ms": 0}, {"cpu_ms": -1}, {"memory": -1}, {"stack": 0}, {"output": 0}, {"memory": 1 << 60}]
)
def test_limits_are_checked(change: dict[str, int]) -> None:
    """There is no unlimited call."""
    with pytest.raises(ValueError, match="must be"):
        Limits(**change)


def touching(what: str) -> str:
    """Touches one address, then ends well."""
    return f"{what}\nmovb $1, (%rax)\n" + FINISH


HEAP_END = "movq 40(%rdi), %rax\naddq 48(%rdi), %rax\n"
OUT_END = "movq 56(%rdi), %rax\naddq 64(%rdi), %rax\n"
STACK_END = "leaq -{size}(%rsp), %rax\n"
EDGES = {
    "heap": (HEAP_END + "decq %rax", HEAP_END, Limits(memory=3 * 4096)),
    "heap of a byte: a page": (HEAP_END + "subq $4096, %rax", HEAP_END, Limits(memory=1)),
    "heap of 5 MiB, huge pages": (HEAP_END + "decq %rax", HEAP_END, Limits(memory=5 << 20)),
    "no heap": ("movq %rsp, %rax\ndecq %rax", "movq 40(%rdi), %rax", Limits(memory=0)),
    "stack": (STACK_END.format(size=1 << 20), STACK_END.format(size=(1 << 20) + 1), Limits(stack=1 << 20)),
    "stack of a page": (STACK_END.format(size=4096), STACK_END.format(size=4097), Limits(stack=4096)),
    "output": (OUT_END + "decq %rax", OUT_END, Limits(output=2 * 4096)),
    "output of 40 MiB": (OUT_END + "decq %rax", OUT_END, Limits(output=40 << 20)),
}


@attack("memory", "sandbox.crash")
@pytest.mark.parametrize("name", EDGES)
def test_areas_end_at_their_limit_to_the_byte(name: str) -> None:
    """The last byte of an area, in whole pages, is the image's; the next one is a fault."""
    inside, outside, limits = EDGES[name]
    within, beyond = siege_of_texts([touching(inside), touching(outside)], limits)

    assert within.error is None, within
    assert ("sandbox.crash", "SIGSEGV") == (beyond.error, beyond.detail)


# One instance's record says how many entries it has; each is zero but for its absent key and name.
ITEMS = """
    movq 56(%rdi), %rbx
    movl $1, (%rbx)
    movl $-1, 8(%rbx)
    movq $COUNT, 32(%rbx)
    movq $COUNT, 144(%rdi)
    movq $DATA, 136(%rdi)
    movq $1, 128(%rdi)
    movl $231, %eax
    xorl %edi, %edi
    syscall
"""


SHARES = [
    (101, 40, None),
    (101, 56, None),
    (101, 57, "sandbox.output"),
    (102, 40, "sandbox.output"),
    (0, 4096, None),
    (0, 4097, "sandbox.output"),
]


@attack("output", "sandbox.output")
def test_bytes_and_items_share_the_output_limit() -> None:
    """4,096 bytes hold a record and 101 entries, with 16 bytes of data; one byte or one entry more is refused."""
    texts = [ITEMS.replace("COUNT", str(count)).replace("DATA", str(data)) for count, data, _ in SHARES]
    outcomes = siege_of_texts(texts, Limits(output=4096))

    assert [error for _, _, error in SHARES] == [outcome.error for outcome in outcomes]
    assert [0 if error else count for count, _, error in SHARES] == [len(outcome.entries) for outcome in outcomes]


@attack("cpu", "limit.cpu", "limit.wall")
def test_the_smallest_times_are_times() -> None:
    """A microsecond is over at once, and is not taken for none; whichever ends first names the error."""
    for limits, error in (
        (Limits(wall_ms=0.001), "limit.wall"),
        (Limits(cpu_ms=0.001), "limit.cpu"),
        (Limits(wall_ms=20, cpu_ms=5000), "limit.wall"),
        (Limits(wall_ms=5000, cpu_ms=20), "limit.cpu"),
    ):
        [outcome] = siege_of_texts([SPIN], limits)
        assert error == outcome.error
        assert outcome.wall_us < 4_000_000


CODES = {
    "limit.wall", "limit.cpu", "limit.output", "limit.memory", "sandbox.forbidden", "sandbox.crash", "sandbox.output",
    "sandbox.lost", "host.exhausted", "cancelled",
}  # fmt: skip


def test_the_document_has_every_error() -> None:
    """The errors that tests of this folder promise are those of the document, but for what compiled code says itself."""
    folder = Path(__file__).parent
    text = (folder.parents[1] / "docs" / "security.md").read_text()
    listed = re.findall(r"^\| `([a-z]+(?:\.[a-z]+)?)` \| .* \| (?:no|once) \|$", text, re.MULTILINE)
    promised = set(
        re.findall(
            r'"((?:limit|sandbox|host)\.[a-z]+|cancelled)"', "".join(p.read_text() for p in folder.glob("test_*.py"))
        )
    )

    assert sorted(CODES) == sorted(listed)
    assert promised <= CODES
