"""Running inline: the same outcomes as in a sandbox for trusted code, and a clear word wherever that is not so."""

import asyncio
import ctypes
import mmap
import os
import platform
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_code import BASE, FINISH, assemble, function_image, image, run, until

from dandc.isolation import ImageError, Limits, Outcome, Unavailable, inline
from dandc.isolation.inline import open_inline

SWITCH = """
    pushq %rbx
    pushq %rbp
    subq $24, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, %rbx
    movq %rdx, %rsp
    pushq $0x1f80
    ldmxcsr (%rsp)
    popq %rax
    fninit
    cld
    callq *%rsi
    movq %rbx, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $24, %rsp
    popq %rbp
    popq %rbx
    retq
"""
# Counts to 2^25, which takes some 10 ms, and finishes.
SLOW = "movl $0x2000000, %ecx\n1: decl %ecx\njnz 1b\n" + FINISH


def test_the_switch_of_stacks_is_what_it_says() -> None:
    """Its bytes are those of the code that the module describes."""
    assert assemble(SWITCH) == inline.SWITCH


def test_rounding_of_floats_is_the_same_on_both_sides() -> None:
    """An image begins with the initial state, whatever the caller's is, and the caller gets its own back."""
    spoil = "movw $0x0e7f, 8(%rbx)\nfldcw 8(%rbx)\nmovl $0x9fc0, 8(%rbx)\nldmxcsr 8(%rbx)\n"
    keep = "movq 56(%rdi), %rbx\nstmxcsr 40(%rbx)\nfnstcw 44(%rbx)\n" + spoil
    with function_image(keep + FINISH.replace("$40, 136", "$48, 136")) as spoiler:

        async def twice() -> list[Outcome]:
            async with open_inline() as runner:  # one thread makes both calls
                return [await runner.run(spoiler, [], 0, 1) for _ in range(2)]

        assert [bytes.fromhex("801f0000" + "7f03")] * 2 == [outcome.data[40:46] for outcome in run(twice())]


def test_an_image_that_would_end_this_process_is_refused() -> None:
    """Only what returns to its caller is called."""

    async def call() -> Outcome:
        async with open_inline() as runner:
            return await runner.run(ends, [], 0, 1)

    with image(FINISH) as ends, pytest.raises(ImageError, match="ends the process"):
        run(call())


def test_addresses_that_are_taken_are_named() -> None:
    """An image is never mapped over something else, and what stood there is untouched."""
    libc = inline._libc()
    place = libc.mmap(BASE, mmap.PAGESIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x100000, -1, 0)
    assert place == BASE, "this interpreter stands where the test's images belong"

    async def call() -> Outcome:
        async with open_inline() as runner:
            return await runner.run(finish, [], 0, 1)

    try:
        ctypes.memmove(place, b"mine", 4)
        with function_image(FINISH) as finish, pytest.raises(Unavailable, match="belongs at 0x400000"):
            run(call())
        assert b"mine" == ctypes.string_at(place, 4)
    finally:
        libc.munmap(place, mmap.PAGESIZE)


@pytest.mark.parametrize(
    ("limits", "error"), [(Limits(wall_ms=0.01), "limit.wall"), (Limits(cpu_ms=0.01), "limit.cpu")]
)
def test_a_call_that_ends_late_is_told_so(limits: Limits, error: str) -> None:
    """Nothing could end it before, but nothing of it counts either."""

    async def call() -> Outcome:
        async with open_inline() as runner:
            return await runner.run(slow, [], 0, 1, limits)

    with function_image(SLOW) as slow:
        outcome = run(call())
    assert (error, b"", 0) == (outcome.error, outcome.data, len(outcome.instances))
    assert "ended after its time" in outcome.detail


# Its input is an address of this process: it says there that it runs, and runs until it is told to end.
HELD = "movq 24(%rdi), %rax\nmovq (%rax), %rax\nmovb $1, (%rax)\n1: cmpb $2, (%rax)\njne 1b\n" + FINISH


@pytest.fixture
def flag() -> Iterator[ctypes.c_uint8]:
    """Where a call says 1 and is told 2."""
    flag = ctypes.c_uint8(0)
    yield flag
    flag.value = 2


def at(flag: ctypes.c_uint8) -> list[bytes]:
    """The input of a call that is held by `flag`."""
    return [struct.pack("<Q", ctypes.addressof(flag))]


def test_the_event_loop_lives_on_and_cancelling_waits(flag: ctypes.c_uint8) -> None:
    """A call that waits is taken out of the queue; one that runs is waited for, and is cancelled then."""

    async def calls() -> tuple[list[bool], list[bool], str | None, int]:
        async with open_inline() as runner:
            running = asyncio.create_task(runner.run(held, at(flag), 0, 1))
            waiting = asyncio.create_task(runner.run(held, at(flag), 0, 1))
            try:
                await until(lambda: flag.value)
                waiting.cancel()
                running.cancel()
                await asyncio.wait([waiting])
                still = [waiting.cancelled(), running.done()]
            finally:
                flag.value = 2
            await asyncio.wait([running])
            after = await runner.run(finish, [], 0, 1)
            return still, [running.cancelled()], after.error, held.usage.calls

    with function_image(HELD) as held, function_image(FINISH) as finish:
        assert ([True, False], [True], None, 0) == run(calls())


def test_closing_cancels_what_waits(flag: ctypes.c_uint8) -> None:
    """The call under way ends of itself, the others are never made."""

    async def calls() -> list[str | None]:
        async with open_inline() as runner:
            tasks = [asyncio.create_task(runner.run(held, at(flag), 0, 1)) for _ in range(3)]
            await until(lambda: flag.value)
            asyncio.get_running_loop().call_soon(setattr, flag, "value", 2)  # once closing waits
        return [(await task).error for task in tasks]

    with function_image(HELD) as held:
        assert [None, "cancelled", "cancelled"] == run(calls())


def test_memory_that_cannot_be_had_is_the_hosts_exhaustion() -> None:
    """More than there is address space for."""

    async def call() -> Outcome:
        async with open_inline() as runner:
            return await runner.run(finish, [], 0, 1, Limits(memory=1 << 38, output=1 << 38))

    with function_image(FINISH) as finish:
        failing, inline.MAX_STACK = inline.MAX_STACK, 1 << 47
        try:
            outcome = run(call())
        finally:
            inline.MAX_STACK = failing
    assert ("host.exhausted", "Cannot allocate memory") == (outcome.error, outcome.detail)


def test_other_processors_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are machine code: there is no way to run them elsewhere."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    async def opened() -> None:
        async with open_inline():
            pass

    with pytest.raises(Unavailable, match="machine code for x86-64"):
        run(opened())


def test_a_process_without_threads_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are made by a thread."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def opened() -> None:
        async with open_inline():
            pass

    with pytest.raises(Unavailable, match="needs a thread"):
        run(opened())


def test_an_endless_call_is_not_promised_to_end() -> None:
    """What the word in the help says: only the end of the process ends it."""
    script = (
        "import asyncio, signal, sys; signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell may ignore it\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from machine_code import SPIN, function_image\n"
        "from dandc.isolation import Limits\n"
        "from dandc.isolation.inline import open_inline\n"
        "async def main():\n"
        "    async with open_inline() as runner:\n"
        "        task = asyncio.create_task(runner.run(function_image(SPIN), [], 0, 1, Limits(wall_ms=1, cpu_ms=1)))\n"
        "        done, _ = await asyncio.wait([task], timeout=0.2)\n"
        "        print(len(done), flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert "0\n" == process.stdout.readline()
    finally:
        os.kill(process.pid, signal.SIGQUIT)
        try:
            status = process.wait(20)
        finally:
            process.kill()
            process.communicate()
    assert -signal.SIGQUIT == status
