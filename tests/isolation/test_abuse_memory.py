"""Processor, memory and information: what lies in a child's address space, what does not, and how it ends at the edges."""

import asyncio
import random
import struct
from pathlib import Path

import pytest
from abuse import JUMP, LOAD, PEEK, POKE, Siege, attack, besieged, siege, siege_of_texts, words
from machine_code import FINISH, SPIN, TRAMPOLINE, image

from dandc.isolation import Limits, layout
from dandc.isolation.nucleus import load

NUCLEUS = 0x800E0000
AREAS = layout.areas(Limits())


def loaded_pages() -> dict[int, tuple[int, bytes]]:
    """Segments of the nucleus by address: protection and bytes."""
    content = load()
    count = struct.unpack_from("<H", content, 56)[0]
    found = {}
    for number in range(count):
        kind, flags, offset, base, _, size, *_ = struct.unpack_from("<IIQQQQQQ", content, 64 + 56 * number)
        if kind == 1:
            found[base] = flags, content[offset : offset + size]
    return found


def trusted_calls() -> list[int]:
    """Where a `syscall` stands in the nucleus's text."""
    return [
        base + at
        for base, (flags, content) in loaded_pages().items()
        if flags & 1
        for at in range(TRAMPOLINE - base)
        if content[at : at + 2] == b"\x0f\x05"
    ]


@attack("information", "sandbox.crash")
def test_no_trusted_code_is_left_to_jump_to() -> None:
    """Every system call of the nucleus's text, asked for what it was allowed to do; and every 64th byte of its pages."""
    calls = trusted_calls()
    assert len(calls) > 20
    blows = [words(address, number, 1, 9, 0) for address in calls for number in (57, 9)]
    blows += [words(NUCLEUS + offset, 57) for offset in range(0, TRAMPOLINE - NUCLEUS, 64)]
    with image(JUMP) as jumper:
        results = siege([(jumper, block) for block in blows])

    assert {("sandbox.crash", "SIGSEGV")} == {(result.error, result.detail) for result in results}


NOBODYS = {
    "null": 0, "lowest": 0x1000, "lowest that can be mapped": 0x10000, "below the image": 0x3FF000, "behind the image": 0x401000,
    "end of images": 0x3FFFF000, "below the stack": AREAS.stack - 8, "behind the stack": AREAS.stack + AREAS.stack_length,
    "below the window": layout.WINDOW - 8, "behind the window": layout.WINDOW + AREAS.window_length,
    "below the heap": AREAS.heap - 8, "behind the heap": AREAS.heap + AREAS.heap_length, "inputs of others": AREAS.inputs,
    "heap of larger outputs": layout.areas(Limits(output=1 << 30)).heap, "far heap": 1 << 38, "further": 1 << 45,
    "nucleus's stack and data": NUCLEUS, "its text": NUCLEUS + 0x1000, "its constants": TRAMPOLINE - 0x1000,
    "below it": NUCLEUS - 8, "behind the trampoline": TRAMPOLINE + 4096, "usual program": 0x555555554000,
    "usual library": 0x7FFFF7DD5000, "usual vDSO": 0x7FFFF7FC1000, "usual stack": 0x7FFFFFFDE000, "top": 0x7FFFFFFFE000,
    "first beyond": 0x7FFFFFFFF000, "not canonical": 1 << 47, "kernel's map of memory": 0xFFFF888000000000,
    "kernel's text": 0xFFFFFFFF81000000, "fixmap": 0xFFFFFFFFFF578000, "last": (1 << 64) - 8,
}  # fmt: skip


def everywhere() -> list[int]:
    """The addresses above, and 150 between the last area and the end, where the kernel puts stack and vDSO."""
    some = random.Random(7)
    return [*NOBODYS.values(), *(some.randrange(AREAS.inputs, 1 << 47, 4096) for _ in range(150))]


@attack("information", "sandbox.crash")
@pytest.mark.parametrize("touch", [PEEK, POKE], ids=["read", "write"])
def test_nothing_of_others_is_mapped(touch: str) -> None:
    """Trusted code, guards, areas of other calls and the kernel: a fault each, with its name."""
    with image(touch) as toucher:
        results = siege([(toucher, words(address)) for address in everywhere()])

    assert {("sandbox.crash", "SIGSEGV")} == {(result.error, result.detail) for result in results}


VSYSCALLS = (0xFFFFFFFFFF600000, 0xFFFFFFFFFF600400, 0xFFFFFFFFFF600800)


@attack("information", "sandbox.forbidden", "sandbox.crash")
def test_the_vsyscall_page_gives_nothing() -> None:
    """The kernel emulates three calls at a fixed address; the filter sees them too."""
    with image(JUMP) as jumper:
        results = siege([(jumper, words(address, 0, 0)) for address in VSYSCALLS])

    assert {result.detail for result in results} <= {"SIGSYS", "SIGSEGV"}
    assert None not in {result.error for result in results}


@attack("information")
def test_what_can_be_read_is_known_byte_for_byte() -> None:
    """Top of the stack, the control page and the trampoline's page: zeros, the call's own numbers, and pinned bytes."""
    copy = "movq %rdi, %r12\nmovq 56(%rdi), %rbx\n"
    for at, source in (
        (1024, "leaq -8192(%rsp), %rsi"),
        (9216, "movq %r12, %rsi"),
        (13312, f"movabsq ${TRAMPOLINE}, %rsi"),
    ):
        copy += f"{source}\nleaq {at}(%rbx), %rdi\nmovl ${8184 if at == 1024 else 4096}, %ecx\nrep movsb\n"
    with image(copy + "movq %r12, %rdi\n" + FINISH.replace("$40, 136", "$17408, 136")) as copier:
        [outcome] = siege([(copier, b"mine")])

    assert outcome.error is None
    assert bytes(8184) == outcome.data[1024:9208]
    control = outcome.data[9216:13312]
    head = struct.pack(
        "<9Q", layout.MAGIC, 0, 1, layout.WINDOW + 256, 4, AREAS.heap, 64 << 20, layout.WINDOW + 4096, 16 << 20
    )
    assert (head + bytes(256 - 72) + b"mine").ljust(4096, b"\0") == control
    flags, text = loaded_pages()[NUCLEUS + 4096]
    pinned = text[-4096:]
    assert 5 == flags
    assert pinned.ljust(4096, b"\0") == outcome.data[13312:]


@attack("information")
def test_vector_and_segment_state_is_initial() -> None:
    """All that XSAVE knows of is as at the start of a program, but MXCSR's default; so are the bases of FS and GS."""
    if "xsave" not in (features := Path("/proc/cpuinfo").read_text().split()) or "fsgsbase" not in features:
        pytest.skip("this processor has no XSAVE or no instruction that reads the bases")
    # The area needs 64-byte alignment and a zeroed header: it is written far behind what FINISH uses.
    save = (
        LOAD
        + "movq 56(%rdi), %rbx\nmovl $-1, %eax\nmovl $-1, %edx\nxsave 4096(%rbx)\nrdfsbase %rax\nmovq %rax, 40(%rbx)\n"
        "rdgsbase %rax\nmovq %rax, 48(%rbx)\nmovq %r12, %rdi\n" + FINISH.replace("$40, 136", "$16384, 136")
    )
    with image(save) as saver:
        [outcome] = siege([(saver, b"")])

    assert outcome.error is None
    assert bytes(16) == outcome.data[40:56]
    area = bytearray(outcome.data[4096:])
    assert (0x37F, 0x1F80) == (struct.unpack_from("<H", area)[0], struct.unpack_from("<I", area, 24)[0])
    [used] = struct.unpack_from("<Q", area, 512)
    area[0:2], area[24:32], area[512:520] = bytes(2), bytes(8), bytes(8)
    if used & 0x200:  # protection keys begin as Linux sets them: all but the first forbidden
        area = bytearray(bytes(area).replace(struct.pack("<I", 0x55555554), bytes(4)))
    assert not any(area)


@attack("information")
def test_clock_and_identity_of_the_processor_are_not_hidden() -> None:
    """Not promised, and so not relied on: `rdtsc` and `cpuid` run anywhere. Foreign images are no pure functions."""
    both = "movq %rdi, %r12\nxorl %eax, %eax\ncpuid\nrdtsc\nmovq %r12, %rdi\n"
    results = siege_of_texts([both + FINISH])

    assert results[0].error is None


def spun(cycles: str, limits: Limits) -> str | None:
    """A loop of so many turns, then a good end."""
    return siege_of_texts([f"movq ${cycles}, %rcx\n1: decq %rcx\njnz 1b\n" + FINISH], limits)[0].error


@attack("cpu", "limit.wall", "limit.cpu")
@pytest.mark.parametrize("limits", [Limits(wall_ms=30), Limits(cpu_ms=30)], ids=["wall", "cpu"])
def test_a_loop_under_its_time_ends_well_and_one_over_does_not(limits: Limits) -> None:
    """The same loop: with a hundredth of a second's work it is over before, with an hour's it is ended."""
    assert spun("1000", limits) in (None, "limit.wall")  # a busy host may give it no CPU for 30 ms
    assert spun("0x0fffffffffff", limits) in ("limit.wall", "limit.cpu")
    assert spun("1000000", Limits()) is None


@attack("cpu", "limit.wall", "limit.cpu")
def test_endless_loops_of_every_kind_end() -> None:
    """Plain, in string instructions, with the stack pointer gone, with alignment checks on, in pause and in a fault-free recursion."""
    loops = [
        SPIN, "1: pause\njmp 1b", "1: xorl %esp, %esp\njmp 1b", "1: movq %rsp, %rcx\nsubq $4096, %rcx\nmovq $1, (%rcx)\njmp 1b",
        "1: movq 40(%rdi), %rsi\nmovq $4194304, %rcx\nmovq %rdi, %r8\nmovq %rsi, %rdi\nxorl %eax, %eax\nrep stosb\nmovq %r8, %rdi\njmp 1b",
        "pushfq\norq $0x40000, (%rsp)\npopfq\n1: jmp 1b", "1: pushq $1\npopq %rax\njmp 1b", "1: call 2f\n2: addq $8, %rsp\njmp 1b",
        "1: cpuid\njmp 1b", "std\n1: jmp 1b",
    ]  # fmt: skip
    for limits, error in ((Limits(wall_ms=25), "limit.wall"), (Limits(cpu_ms=25), "limit.cpu")):
        assert [error] * len(loops) == [one.error for one in siege_of_texts(loops, limits)]


BOMBS = {
    "the whole heap and on": "movq 40(%rdi), %rax\n1: movb $1, (%rax)\naddq $4096, %rax\njmp 1b",
    "endless recursion": "1: call 1b",
    "recursion with large frames": "1: subq $65536, %rsp\ncall 1b",
    "below the stack at once": "subq $0x900000, %rsp\npushq %rax",
    "the whole output area and on": "movq 56(%rdi), %rax\n1: movb $1, (%rax)\naddq $4096, %rax\njmp 1b",
    "string copy over every edge": "movq 40(%rdi), %rdi\nmovq $-1, %rcx\nrep stosb",
    "string copy downwards": "movq 56(%rdi), %rdi\nmovq $-1, %rcx\nstd\nrep stosb",
    "writing to the image": "leaq 1b(%rip), %rax\n1: movb $1, (%rax)",
}


@attack("memory", "sandbox.crash")
def test_bombs_end_at_the_edge_of_their_area() -> None:
    """No area grows: the first byte beyond is a fault, and what was used is given back."""
    texts = [text.replace("1b(%rip)", "(%rip)") for text in BOMBS.values()]
    results = siege_of_texts(texts, Limits(memory=8 << 20, stack=1 << 20, output=1 << 20))

    assert {("sandbox.crash", "SIGSEGV")} == {(result.error, result.detail) for result in results}


FILL = "movq 40(%rdi), %rax\nmovq %rax, %rcx\naddq 48(%rdi), %rcx\n1: movb $1, (%rax)\naddq $4096, %rax\ncmpq %rcx, %rax\njb 1b\n"


@attack("memory")
def test_a_thousand_calls_at_their_limit_share_the_host() -> None:
    """Each touches the last byte of what it may have; one after the other finds its heap zeroed and whole."""
    check = "movq 40(%rdi), %rax\ncmpb $0, (%rax)\njne 9f\n"

    async def calls(ground: Siege) -> None:
        limits = Limits(memory=1 << 20, stack=65536, output=65536)
        outcomes = await asyncio.gather(*(ground.pool.run(filler, [], 0, 1, limits) for _ in range(1000)))
        assert {None} == {outcome.error for outcome in outcomes}

    with image(check + FILL + FINISH + "9: ud2") as filler:
        besieged(calls, slots=16)
