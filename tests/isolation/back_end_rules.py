"""The rules of an isolation back end, as classes of tests: derive from one, say how yours is opened, and all must pass.

`RunnerRules` hold for whatever runs images, trusted ones too; `BackEndRules` are those and what isolation adds. Nothing
here looks into a back end: images in, outcomes out. What a back end has inside (processes, descriptors, guests) is for
tests of its own.
"""

import asyncio
import os
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from machine_code import ECHO, END, FINISH, SPIN, image, run

from dandc.isolation import Image, Limits, Outcome, seal_inputs
from dandc.isolation.backend import BackEnd, Runner

# Bad ends of an image that comes to an end of itself, and what each must be called.
MISTAKES = {
    "an end too early": (END, Limits(), "sandbox.crash"),
    "tables that lie": (FINISH.replace("$40, 136", "$-1, 136"), Limits(), "sandbox.output"),
    "no such state": (FINISH.replace("$1, (%rbx)", "$4, (%rbx)"), Limits(), "sandbox.output"),
}
# Bad ends that it takes isolation to survive.
ENDS = {
    "a system call": ("movl $39, %eax\nsyscall\n" + FINISH, Limits(), "sandbox.forbidden"),
    "a fault": ("movq (%rdx), %rax\n" + FINISH, Limits(), "sandbox.crash"),
    "a bad instruction": ("ud2", Limits(), "sandbox.crash"),
    "a division by zero": ("xorl %ecx, %ecx\ndivl %ecx", Limits(), "sandbox.crash"),
    "an end by the older call": ("movl $60, %eax\nxorl %edi, %edi\nsyscall", Limits(), "sandbox.crash"),
    "an endless loop, wall": (SPIN, Limits(wall_ms=30), "limit.wall"),
    "an endless loop, CPU": (SPIN, Limits(cpu_ms=30), "limit.cpu"),
    "endless recursion": ("1: call 1b", Limits(stack=65536), "sandbox.crash"),
    "beyond the heap": ("movq 40(%rdi), %rax\naddq 48(%rdi), %rax\nmovb $1, (%rax)", Limits(memory=65536), "sandbox.crash"),
    "beyond the outputs": ("movq 56(%rdi), %rax\naddq 64(%rdi), %rax\nmovb $1, (%rax)", Limits(output=65536), "sandbox.crash"),
}  # fmt: skip

# Finds its heap and output area zeroed, or crashes; then fills both.
SQUATTER = (
    "movq 40(%rdi), %rax\ncmpq $0, (%rax)\njne 9f\nmovq $-1, (%rax)\n"
    "movq 56(%rdi), %rax\ncmpq $0, 2048(%rax)\njne 9f\nmovq $-1, 2048(%rax)\n" + FINISH + "9: ud2"
)


def echoed(outcome: Outcome) -> bytes:
    """The one item of an echo."""
    assert outcome.error is None, outcome
    [(_, offset, length, *_)] = outcome.entries
    return outcome.data[offset : offset + length]


class RunnerRules:
    """Derive, and give `open` a value; `image` makes an image of assembly that ends by `END`."""

    open: BackEnd
    image: Callable[[str], Image] = staticmethod(image)

    def test_bytes_go_in_and_come_out(self) -> None:
        """Inputs of any size in parts, or sealed for several calls; entries name absolute instances."""

        async def calls(runner: Runner) -> None:
            for size in (0, 1, 5000, 3 << 20):
                block = os.urandom(size)
                half = size // 2
                assert block == echoed(await runner.run(echo, [block[:half], memoryview(block)[half:]], 0, 1))
                with seal_inputs([block]) as sealed:
                    shared = await asyncio.gather(*(runner.run(echo, sealed, 0, 1) for _ in range(3)))
                    assert [block] * 3 == [echoed(outcome) for outcome in shared]
            outcome = await runner.run(echo, [b"x"], 41, 42)
            assert [41] == list(outcome.entries.instance)
            assert [1] == list(outcome.instances.state)

        with self.image(ECHO) as echo:
            self.opened(calls)

    @pytest.mark.parametrize("name", MISTAKES)
    def test_every_mistake_has_its_name(self, name: str) -> None:
        """An error, empty tables, a time; and the next call is clean."""
        self.ends(*MISTAKES[name])

    def test_no_call_finds_anything_of_another_one(self) -> None:
        """Every call has memory that nobody has used, though all have the same addresses."""

        async def calls(runner: Runner) -> None:
            ends = Counter([(await runner.run(squatter, [], 0, 1)).error for _ in range(20)])
            ends.update(
                outcome.error for outcome in await asyncio.gather(*(runner.run(squatter, [], 0, 1) for _ in range(20)))
            )
            assert Counter({None: 40}) == ends

        with self.image(SQUATTER) as squatter:
            self.opened(calls)

    def test_many_calls_at_once_keep_apart(self) -> None:
        """More calls than slots: each has its own bytes back."""

        async def calls(runner: Runner) -> None:
            blocks = [struct.pack("<Q", number) * 3 for number in range(60)]
            outcomes = await asyncio.gather(
                *(runner.run(echo, [block], 0, 1, background=bool(n % 2)) for n, block in enumerate(blocks))
            )
            assert blocks == [echoed(outcome) for outcome in outcomes]
            assert len(blocks) >= echo.usage.calls > 0

        with self.image(ECHO) as echo:
            self.opened(calls)

    def test_what_comes_after_closing_is_cancelled(self) -> None:
        """Not run, not an exception: a call that was too late."""

        async def calls() -> str | None:
            async with type(self).open(2) as runner:
                pass
            return (await runner.run(finish, [], 0, 1)).error

        with self.image(FINISH) as finish:
            assert "cancelled" == run(calls())

    def test_what_cannot_be_is_refused_before_anything_runs(self) -> None:
        """Ranges that are none, closed images, records that cannot fit."""

        async def calls(runner: Runner) -> None:
            for first, last in ((1, 0), (-1, 1), (0, 1 << 32)):
                with pytest.raises(ValueError, match="instances"):
                    await runner.run(finish, [], first, last)
            with pytest.raises(ValueError, match="closed"):
                await runner.run(closed, [], 0, 1)
            assert "limit.output" == (await runner.run(finish, [], 0, 103, Limits(output=4096))).error

        with self.image(FINISH) as finish:
            closed = self.image(FINISH)
            closed.close()
            self.opened(calls)

    def test_a_lie_about_the_state_is_no_result(self) -> None:
        """Tables count only when the image has said that it was done, with the one word for it."""

        async def calls(runner: Runner) -> None:
            for state in (0, 2, -1):
                with self.image(FINISH.replace("$1, 128", f"${state}, 128")) as liar:
                    assert "sandbox.crash" == (await runner.run(liar, [], 0, 1)).error

        self.opened(calls)

    def ends(self, text: str, limits: Limits, error: str) -> None:
        """A call of `text` has this error and nothing else, and the next call is clean."""

        async def calls(runner: Runner) -> None:
            outcome = await runner.run(bad, [b"mine"], 0, 1, limits)
            assert error == outcome.error, outcome
            assert (b"", 0, 0) == (outcome.data, len(outcome.instances), len(outcome.entries))
            assert outcome.wall_us > 0
            assert b"next" == echoed(await runner.run(echo, [b"next"], 0, 1))

        with self.image(text) as bad, self.image(ECHO) as echo:
            self.opened(calls)

    def opened(self, calls: Callable[[Runner], Awaitable[None]]) -> None:
        """Runs `calls` on a back end with two slots."""

        async def around() -> None:
            async with type(self).open(2) as runner:
                await calls(runner)

        run(around())


class BackEndRules(RunnerRules):
    """What a back end promises of images that nobody trusts."""

    @pytest.mark.parametrize("name", ENDS)
    def test_every_bad_end_has_its_name(self, name: str) -> None:
        """An error, empty tables, a time; and the next call is clean."""
        self.ends(*ENDS[name])

    def test_cancelling_ends_one_call_alone(self) -> None:
        """The awaiting task is told so, and its slot serves others while a sibling runs to its own end."""

        async def calls(runner: Runner) -> None:
            sibling = asyncio.create_task(runner.run(spin, [], 0, 1, Limits(wall_ms=150)))
            task = asyncio.create_task(runner.run(spin, [], 0, 1))
            waiting = asyncio.create_task(runner.run(echo, [b"waited"], 0, 1))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert b"waited" == echoed(await waiting)
            assert "limit.wall" == (await sibling).error

        with self.image(SPIN) as spin, self.image(ECHO) as echo:
            self.opened(calls)

    def test_closing_ends_what_runs(self) -> None:
        """A call under way when the context is left is `cancelled`, and so is one that comes after."""

        async def calls() -> list[str | None]:
            async with type(self).open(2) as runner:
                task = asyncio.create_task(runner.run(spin, [], 0, 1))
                await asyncio.sleep(0)
            return [(await task).error, (await runner.run(spin, [], 0, 1)).error]

        with self.image(SPIN) as spin:
            assert ["cancelled", "cancelled"] == run(calls())
