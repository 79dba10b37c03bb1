"""Attacks through a pool: how each may end, and that host and next call are afterwards what they were before.

`attack` names a test's group and the only errors that its calls may end with; it watches every call that the test
makes. `siege` sends attacks through one pool, with innocent calls between them. `docs/security.md` shows the groups.
"""

import asyncio
import functools
import os
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from machine_code import ECHO, FINISH, assemble, elf, image, nucleus_pid, run, until

from dandc.isolation import Image, Limits, Outcome, Pool, load_image, nucleus, open_pool
from dandc.isolation.pool import AHEAD

Test = TypeVar("Test", bound=Callable[..., Any])

GROUPS = {
    "cpu": "Processor: endless loops and recursion, division, loops just under and over their time",
    "memory": "Memory: bombs, overflow of the stack, edges of every area, a thousand calls at their limit",
    "processes": "Processes: forks, threads, sessions, signals to others, tracing, changing one's own death",
    "calls": "System calls: every number through every door",
    "files": "Files: opening, linking, mounting, executing",
    "descriptors": "Descriptors: using the socket, closing it, passing it on, making others",
    "network": "Network and IPC: sockets of every family, shared memory, queues, keys",
    "output": "Outputs: floods, tables that lie, bytes that are no text",
    "information": "Information: trusted code, other calls, the environment, registers",
    "lifecycle": "Life cycle: whoever is killed, stopped, or has nothing left",
}


def attack(group: str, *errors: str) -> Callable[[Test], Test]:
    """Marks a test of `group`: its calls end well or with one of `errors`, and at least one of them with one."""
    assert group in GROUPS

    def mark(test: Test) -> Test:
        @functools.wraps(test)
        def watched(*arguments: Any, **named: Any) -> None:
            seen: set[str] = set()
            original = Pool.run

            async def recorded(pool: Pool, *args: Any, **kwargs: Any) -> Outcome:
                outcome = await original(pool, *args, **kwargs)
                if outcome.error:
                    seen.add(outcome.error)
                return outcome

            Pool.run = recorded  # type: ignore[method-assign]
            try:
                test(*arguments, **named)
            finally:
                Pool.run = original  # type: ignore[method-assign]
            assert seen <= set(errors), f"ended as {seen}, {group} promises {errors}"
            assert seen or not errors

        return watched  # type: ignore[return-value]

    return mark


def read(path: str) -> str:
    """A file of the kernel's."""
    return Path(path).read_text()


async def traces(pool: Pool) -> dict[str, Any]:
    """What a leak would change: counted while just as many ready children stand by as the pool keeps."""
    await pool.resize(pool.slots + AHEAD)
    pid = nucleus_pid(pool)
    await until(
        lambda: read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] == "S"
    )  # else in the middle of making a child
    if pool._threads is not None:  # both of them close what was large, and that counts until they have done
        idle = threading.Barrier(3)
        for _ in range(2):
            pool._threads.submit(idle.wait)
        idle.wait(10)
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}").split(":")[0])
        except FileNotFoundError:  # the one that listed the folder
            continue
    found = {
        "descriptors by kind": sorted(links),
        "children": len(read(f"/proc/{pid}/task/{pid}/children").split()),
        "mapped shared memory": read("/proc/self/maps").count("memfd"),
        "books": (len(pool._slots), len(pool._children), pool._running, len(pool._waiters)),
    }
    if os.geteuid() == 0:  # nobody else may look into a process that cannot be dumped
        found["nucleus's descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
        found["nucleus's mappings"] = len(read(f"/proc/{pid}/maps").splitlines())
    return found


def same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Nothing leaked."""
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, changed


class Siege:
    """A pool under attack."""

    def __init__(self, pool: Pool, echo: Image) -> None:
        self.pool, self.echo = pool, echo
        self.tokens: set[bytes] = set()

    async def innocent(self) -> None:
        """A clean call gets its own bytes back, and no others."""
        token = os.urandom(32)
        self.tokens.add(token)
        outcome = await self.pool.run(self.echo, [token], 0, 1)
        assert outcome.error is None, outcome
        [(_, offset, length, *_)] = outcome.entries
        assert outcome.data[offset : offset + length] == token
        assert outcome.data[40:offset] == bytes(offset - 40)

    def judge(self, outcome: Outcome) -> None:
        """An attack that ended badly leaves nothing, and none knows a token."""
        if outcome.error:
            assert (b"", 0, 0) == (outcome.data, len(outcome.instances), len(outcome.entries)), outcome
        assert not any(token in outcome.data for token in self.tokens)


Blow = tuple[Image, bytes]


def siege(blows: Sequence[Blow], limits: Limits | None = None, slots: int = 8) -> list[Outcome]:
    """Runs images with their input blocks in one pool; asserts that nothing leaked and that innocent calls are clean."""
    limits = limits or Limits(wall_ms=5000)
    results: dict[int, Outcome] = {}
    numbers = iter(range(len(blows)))

    async def worker(ground: Siege) -> None:
        for number in numbers:
            loaded, block = blows[number]
            results[number] = await ground.pool.run(loaded, [block], 0, 1, limits)
            ground.judge(results[number])
            if number % 16 == 0 or number == len(blows) - 1:
                await ground.innocent()

    async def all_of_them() -> None:
        async with open_pool(slots) as pool:
            ground = Siege(pool, echo)
            await ground.innocent()
            before = await traces(pool)
            await asyncio.gather(*(worker(ground) for _ in range(min(slots, len(blows)))))
            await pool.settled()
            same(before, await traces(pool))

    with image(ECHO) as echo:
        run(all_of_them())
    return [results[number] for number in range(len(blows))]


def siege_of_texts(texts: Iterable[str], limits: Limits | None = None, inputs: bytes = b"") -> list[Outcome]:
    """The same for one image each, as assembly."""
    loaded = [load_image(elf(assemble(text))) for text in texts]
    try:
        return siege([(one, inputs) for one in loaded], limits)
    finally:
        for one in loaded:
            one.close()


def besieged(work: Callable[[Siege], Awaitable[None]], slots: int = 4) -> None:
    """Runs `work` on a pool that must be unchanged afterwards, and serve a clean call."""

    async def around() -> None:
        async with open_pool(slots) as pool:
            ground = Siege(pool, echo)
            await ground.innocent()
            before = await traces(pool)
            await work(ground)
            await ground.innocent()
            await pool.settled()
            same(before, await traces(pool))

    with image(ECHO) as echo:
        run(around())


def in_a_fork(work: Callable[[], str]) -> str:
    """Runs `work` in a forked copy of this process, which may give up rights and room for ever; what it gave."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "died"
        try:
            nucleus.program.cache_clear()
            said = work()
        except BaseException as error:  # noqa: BLE001 - the parent judges what is said
            said = repr(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


# Images that take what they shall do from their input block, so that thousands of attacks are one image ---------------

# Result in rax: keep it behind the record, then end well: a call that was let through is seen.
TELL = "movq %r12, %rdi\nmovq 56(%rdi), %rbx\nmovq %rax, 40(%rbx)\n" + FINISH.replace("$40, 136", "$48, 136")
LOAD = "movq %rdi, %r12\nmovq 24(%rdi), %r13\n"
SYSCALL = (
    LOAD
    + "movq (%r13), %rax\nmovq 8(%r13), %rdi\nmovq 16(%r13), %rsi\nmovq 24(%r13), %rdx\n"
    + "movq 32(%r13), %r10\nmovq 40(%r13), %r8\nmovq 48(%r13), %r9\nsyscall\n"
    + TELL
)
OLD_SYSCALL = (
    LOAD
    + "movq (%r13), %rax\nmovq 8(%r13), %rbx\nmovq 16(%r13), %rcx\nmovq 24(%r13), %rdx\n"
    + "movq 32(%r13), %rsi\nmovq 40(%r13), %rdi\nxorl %ebp, %ebp\nint $$0x80\n".replace("$$", "$")
    + TELL
)
# Into the 32-bit code segment, and there through one of its doors; `ud2` where a call that came back would go on.
COMPATIBILITY = """
    movq 24(%rdi), %r13
    movl (%r13), %eax
    movl %esp, %ebp
    subl $256, %ebp
    pushq $0x23
    leaq 1f(%rip), %rcx
    pushq %rcx
    lretq
    .code32
    1: DOOR
    ud2
    .code64
"""
# Jumps to an address with registers of one's choice; r14, whence trusted code may come back, is the end of the image.
JUMP = (
    LOAD
    + "leaq 7f(%rip), %r14\nmovq %r14, %r8\nmovq %r12, %r9\nmovq 8(%r13), %rax\nmovq 16(%r13), %rdi\n"
    + "movq 24(%r13), %rsi\nmovq 32(%r13), %rdx\npushq %r14\njmp *(%r13)\n7: movq %rdi, %r12\n"
    + TELL
)
# Reads eight bytes at an address and tells them.
PEEK = LOAD + "movq (%r13), %rcx\nmovq (%rcx), %rax\n" + TELL
POKE = LOAD + "movq (%r13), %rcx\nmovq $0, (%rcx)\n" + TELL


def words(*numbers: int) -> bytes:
    """An input block of eight-byte words, for the images above: at least eight of them."""
    filled = [*numbers, *(0 for _ in range(8 - len(numbers)))]
    return struct.pack(f"<{len(filled)}Q", *(number & (1 << 64) - 1 for number in filled))


def told(outcome: Outcome) -> int:
    """What `TELL` told."""
    return int.from_bytes(outcome.data[40:48], "little", signed=True)
