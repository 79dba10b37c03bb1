"""A call in a fresh child: what it gets, what comes back, and that nothing of another call is there."""

import asyncio
import ctypes
import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from abuse import attack
from machine_code import ECHO, FINISH, SPIN, call, image, nucleus_pid, run, running_children, until

from dandc.isolation import ABSENT, Limits, Outcome, open_pool, seal_inputs
from dandc.isolation.places import Places


def echoed(outcome: Outcome) -> bytes:
    assert outcome.error is None, outcome
    [(_, offset, length, key, name, _, output)] = outcome.entries
    assert (ABSENT, ABSENT, 0) == (key, name, output)
    return outcome.data[offset : offset + length]


@pytest.mark.parametrize("size", [0, 1, 3840, 3841, 100_000, 1 << 20, 3_000_001])
def test_inputs_arrive_and_outputs_come_back(size: int) -> None:
    """Inputs in the control page, behind the window and copied in a thread are the same bytes to the image."""
    block = os.urandom(size)
    with image(ECHO) as echo:
        outcome = call(echo, [block[: size // 2], block[size // 2 :]])

        assert block == echoed(outcome)
        assert [1] == list(outcome.instances.state)
        assert [1] == list(outcome.instances.items_end)
        assert outcome.wall_us > 0


@pytest.mark.parametrize("size", [1, 4096, 2_000_000])
def test_a_sealed_block_serves_many_calls(size: int) -> None:
    """A block is written once and read by any number of calls."""
    block = os.urandom(size)

    async def calls() -> list[Outcome]:
        async with open_pool(4) as pool:
            return await asyncio.gather(*(pool.run(echo, sealed, 0, 1) for _ in range(6)))

    with image(ECHO) as echo, seal_inputs([block[:1], block[1:]]) as sealed:
        assert [block] * 6 == [echoed(outcome) for outcome in run(calls())]


def test_unusual_limits_change_the_areas() -> None:
    """Other sizes of stack, heap and output are what the control page says, and can be used to their ends."""
    check = (
        """
        movq 40(%rdi), %rax
        addq 48(%rdi), %rax
        movb $1, -1(%rax)
        movb $1, -65536(%rsp)
        movq 56(%rdi), %rax
        addq 64(%rdi), %rax
        movb $0, -1(%rax)
        movq 48(%rdi), %r12
        movq 64(%rdi), %r13
        movq 56(%rdi), %rax
        movq %r12, 48(%rax)
        movq %r13, 56(%rax)
        """
        + FINISH
    ).replace("$40, 136", "$64, 136")
    with image(check) as sizes:
        outcome = call(sizes, limits=Limits(memory=123 << 20, stack=1 << 20, output=5 << 20))

        assert outcome.error is None, outcome
        assert (123 << 20, 5 << 20) == struct.unpack_from("<QQ", outcome.data, 48)


@pytest.mark.parametrize("memory", [0, 1, 4096, 4 << 20, (4 << 20) + 1])
def test_any_heap_size_is_possible(memory: int) -> None:
    """None at all, less than a page, and around the size from which on huge pages are asked for."""
    with image(FINISH) as finish:
        assert call(finish, limits=Limits(memory=memory)).error is None


@attack("information")
def test_every_register_is_clear_at_entry() -> None:
    """No register, flag or floating-point state says anything of the trusted code that ran before."""
    names = "rax rbx rcx rdx rsi rbp r8 r9 r10 r11 r12 r13 r14 r15".split()
    # r15 holds the output area only after its own value has been stored below the stack pointer.
    store = "movq %r15, -8(%rsp)\nmovq 56(%rdi), %r15\n"
    store += "".join(f"movq %{name}, {64 + 8 * i}(%r15)\n" for i, name in enumerate(names[:-1]))
    store += "movq -8(%rsp), %rax\nmovq %rax, 168(%r15)\n"
    store += "pushfq\npopq 176(%r15)\nmovq %rsp, 184(%r15)\nstmxcsr 192(%r15)\nfnstcw 196(%r15)\nfnstsw 198(%r15)\n"
    store += "movw %fs, 200(%r15)\nmovw %gs, 202(%r15)\nmovw %ds, 204(%r15)\n"
    store += "".join(f"movups %xmm{i}, {208 + 16 * i}(%r15)\n" for i in range(16))
    with image(store + FINISH.replace("$40, 136", "$464, 136")) as registers:
        outcome = call(registers)

        assert outcome.error is None, outcome
        general = struct.unpack_from("<14Q", outcome.data, 64)
        flags, stack, mxcsr, control, status, fs, gs, ds = struct.unpack_from("<QQIHHHHH", outcome.data, 176)
        assert (0,) * 14 == general
        assert 0 == flags & 0xCD5 & ~0x44  # zero and parity come from the last xor
        assert 0 == stack % 16
        assert (0x1F80, 0x37F, 0, 0, 0, 0) == (mxcsr, control, status, fs, gs, ds)
        assert bytes(256) == outcome.data[208:464]


@attack("information", "sandbox.output")
def test_memory_of_an_earlier_call_is_not_visible() -> None:
    """Heap, stack and output area begin zeroed, whatever ran before (but the entry stands below rsp)."""
    fill = """
        movq %rdi, %r9
        movq 40(%rdi), %rdi
        movq $2097152, %rcx
        movb $0x5a, %al
        rep stosb
        leaq -1048576(%rsp), %rdi
        movq $1048576, %rcx
        rep stosb
        movq 56(%r9), %rdi
        movq $1048576, %rcx
        rep stosb
        movq %r9, %rdi
    """
    look = """
        movq %rdi, %r9
        xorl %eax, %eax
        movq 40(%rdi), %rdi
        movq $2097152, %rcx
        repe scasb
        jne 1f
        leaq -1048576(%rsp), %rdi
        movq $1048568, %rcx
        repe scasb
        jne 1f
        movq 56(%r9), %rdi
        movq $1048576, %rcx
        repe scasb
        jne 1f
        movq %r9, %rdi
    """

    async def both() -> list[str | None]:
        async with open_pool(2) as pool:
            errors = []
            for _ in range(15):
                errors.append((await pool.run(writer, [], 0, 1)).error)
                errors.append((await pool.run(reader, [], 0, 1)).error)
            return errors

    writer, reader = image(fill + FINISH.replace("movl $1, (%rbx)", "movq $1, (%rbx)")), image(look + FINISH + "1: ud2")
    with writer, reader:
        errors = run(both())

    assert [None] * 15 == errors[1::2]
    assert {"sandbox.output"} == set(errors[::2])  # the writer's records are full of its pattern


@attack("information")
def test_data_and_zeroed_segments_are_private() -> None:
    """A writable segment begins as the file says, in every call, and its tail is zero."""
    bump = "movl $0x500000, %ecx\naddq $1, (%rcx)\nmovq (%rcx), %rax\norq 4096(%rcx), %rax\ncmpq $8, %rax\njne 1f\n"

    async def calls() -> list[str | None]:
        async with open_pool(2) as pool:
            return [(await pool.run(counter, [], 0, 1)).error for _ in range(4)]

    with image(bump + FINISH + "1: ud2", struct.pack("<Q", 7), bss=8192) as counter:
        assert [None] * 4 == run(calls())


def test_the_range_of_instances_is_passed_on() -> None:
    """`first` and `last` stand in the control page, and entries name absolute instances."""
    with image(ECHO) as echo:
        outcome = call(echo, [b"x"], first=41, last=42)

        assert outcome.error is None, outcome
        assert [41] == list(outcome.entries.instance)


@attack("information")
def test_many_calls_at_once_do_not_mix() -> None:
    """Eight slots, 200 calls of 50 tasks: each gets its own bytes back."""

    async def task(number: int) -> None:
        for turn in range(4):
            block = struct.pack("<QQ", number, turn)
            assert block == echoed(await pool.run(echo, [block], 0, 1))

    async def calls() -> None:
        nonlocal pool
        async with open_pool(8) as pool:
            await asyncio.gather(*(task(number) for number in range(50)))

    pool = None
    with image(ECHO) as echo:
        run(calls())


@pytest.mark.parametrize("nicer", [0, 3, 12])
def test_a_background_call_yields_to_others(nicer: int) -> None:
    """`background` is ten nicer than its owner for that child alone, at most 19."""

    async def niceness() -> list[int]:
        found = []
        async with open_pool(1) as pool:
            for background in (True, False):
                task = asyncio.create_task(pool.run(spin, [], 0, 1, background=background))
                pids = await until(lambda: running_children(pool))
                found += [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids]
                task.cancel()
                await asyncio.wait([task])
                await until(lambda: not running_children(pool))
        return found

    def nicer_owner() -> tuple[int, list[int]]:
        """A thread has a niceness of its own, which the nucleus that it starts inherits, and takes with it."""
        own = min(os.getpriority(os.PRIO_PROCESS, 0) + nicer, 19)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), own)
        return own, run(niceness())

    with image(SPIN) as spin, ThreadPoolExecutor(1) as thread:
        own, found = thread.submit(nicer_owner).result()
        assert [min(own + 10, 19), own] == found


@pytest.mark.skipif(not Places().matter, reason="a host whose number of CPUs leaves no choice")
def test_only_short_calls_leave_a_cpu_to_the_interpreter() -> None:
    """A call of which nothing is known has every CPU, and so has one whose image takes its time."""
    every = os.sched_getaffinity(0)

    async def places() -> list[set[int]]:
        found = []
        async with open_pool(4) as pool:
            for calls, lately_us in ((0, 0), (10, 100), (10, 10_000)):
                spin.usage.calls, spin.usage.lately_us = calls, lately_us
                task = asyncio.create_task(pool.run(spin, [], 0, 1))
                (pid,) = await until(lambda: running_children(pool))
                found.append(os.sched_getaffinity(pid))
                task.cancel()
                await asyncio.wait([task])
                await until(lambda: not running_children(pool))
        return found

    with image(SPIN) as spin:
        assert [every, every - {min(every)}, every] == run(places())


def turn_ns(pid: int) -> int:
    """How long a process keeps a CPU that others wait for, 0 where the kernel has no such thing: sched_getattr."""
    attributes = ctypes.create_string_buffer(48)
    assert 0 == ctypes.CDLL(None, use_errno=True).syscall(315, pid, attributes, 48, 0), os.strerror(ctypes.get_errno())
    return int(struct.unpack_from("<Q", attributes, 24)[0])


@pytest.mark.skipif(not turn_ns(0), reason="a kernel before Linux 6.12")
@pytest.mark.skipif(os.getpriority(os.PRIO_PROCESS, 0) < 0, reason="children would lose their priority by it")
def test_children_take_shorter_turns_than_the_nucleus() -> None:
    """One that wakes gets the CPU of a nucleus that is forking others; turns are those of any process."""

    async def turns() -> tuple[int, int]:
        async with open_pool(2) as pool:
            task = asyncio.create_task(pool.run(spin, [], 0, 1))
            (pid,) = await until(lambda: running_children(pool))
            found = turn_ns(pid), turn_ns(nucleus_pid(pool))
            task.cancel()
            await asyncio.wait([task])
        return found

    with image(SPIN) as spin:
        assert (turn_ns(0), 10_000_000) == run(turns())
