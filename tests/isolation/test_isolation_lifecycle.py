"""Deaths, cancellation and ends: whatever happens, the right call is told, the pool goes on, and nothing is left."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from abuse import attack, in_a_fork
from machine_code import ECHO, FINISH, SPIN, image, nucleus_pid, run, running_children, until

from dandc.isolation import Image, Limits, Outcome, Pool, Unavailable, nucleus, open_pool, protocol
from dandc.isolation.layout import EVERY_CPU
from dandc.isolation.places import Places
from dandc.isolation.pool import Exhausted


def kin(pid: int) -> list[int]:
    """Living children of a process."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until_running(pool: Pool, tasks: int = 1) -> None:
    """Until so many calls have been sent off."""
    children = pool._slots
    await until(lambda: sum(child.ended is not None and not child.dead for child in children.values()) >= tasks)


def taken(pool: Pool) -> list[tuple[int, int]]:
    return [key for key, child in pool._slots.items() if child.taken]


@attack("lifecycle")
def test_a_nucleus_killed_between_calls_is_replaced() -> None:
    """The next call starts another one and does not know."""

    async def calls() -> list[str | None]:
        async with open_pool(2) as pool:
            errors = []
            for _ in range(3):
                errors.append((await pool.run(finish, [], 0, 1)).error)
                if pool._nucleus is not None:  # else the death before this call was seen during it
                    os.kill(nucleus_pid(pool), signal.SIGKILL)
            return errors

    with image(FINISH) as finish:
        assert [None] * 3 == run(calls())


@attack("lifecycle", "limit.wall")
def test_a_nucleus_killed_during_calls_costs_one_retry() -> None:
    """Running calls end as lost, are tried once more on a fresh nucleus, and hit their own limits there."""

    async def calls() -> tuple[list[str | None], bool]:
        async with open_pool(4) as pool:
            tasks = [asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=150))) for _ in range(4)]
            await until_running(pool, 4)
            first = nucleus_pid(pool)
            os.kill(first, signal.SIGKILL)
            outcomes = await asyncio.gather(*tasks)
            return [outcome.error for outcome in outcomes], first != nucleus_pid(pool)

    with image(SPIN) as spin:
        assert (["limit.wall"] * 4, True) == run(calls())


@attack("lifecycle", "sandbox.lost")
def test_a_call_lost_twice_is_lost() -> None:
    """An image can feign it, so nothing is tried a third time."""

    async def calls() -> Outcome:
        async with open_pool(1) as pool:
            task = asyncio.create_task(pool.run(spin, [], 0, 1))
            for _ in range(2):
                await until(lambda: pool._nucleus and running_children(pool))
                os.kill(nucleus_pid(pool), signal.SIGKILL)
                await until(lambda: all(child.dead for child in pool._slots.values()))
            return await task

    with image(SPIN) as spin:
        assert "sandbox.lost" == run(calls()).error


@attack("lifecycle")
def test_a_killed_ready_child_is_replaced() -> None:
    """Children that are killed while they wait cost no call anything but time."""

    async def calls() -> list[str | None]:
        async with open_pool(3) as pool:
            await pool.run(finish, [], 0, 1)
            await asyncio.sleep(0)
            first = kin(nucleus_pid(pool))
            for pid in sorted(first)[1:]:  # the lowest may be the namespace's first process
                with contextlib.suppress(ProcessLookupError):  # the one that has run may be reaped by now
                    os.kill(pid, signal.SIGKILL)
            return [(await pool.run(finish, [], 0, 1)).error for _ in range(10)]

    with image(FINISH) as finish:
        assert [None] * 10 == run(calls())


def test_killing_the_namespaces_first_process_costs_a_nucleus() -> None:
    """Without it the kernel forks nothing more there: the pool starts over."""

    async def calls() -> list[str | None]:
        async with open_pool(2) as pool:
            if not pool.layers & 4:
                pytest.skip("this host gives no pid namespace")
            await pool.run(finish, [], 0, 1)
            os.kill(min(kin(nucleus_pid(pool))), signal.SIGKILL)
            return [(await pool.run(finish, [], 0, 1)).error for _ in range(8)]

    with image(FINISH) as finish:
        errors = run(calls())

    assert None is errors[-1]
    assert set(errors) <= {None, "host.exhausted", "sandbox.lost"}


@attack("lifecycle", "limit.wall")
def test_cancelling_a_call_kills_its_child_alone() -> None:
    """The sibling runs on to its own end."""

    async def calls() -> tuple[Outcome, int]:
        async with open_pool(4) as pool:
            cancelled = asyncio.create_task(pool.run(spin, [], 0, 1))
            sibling = asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=120)))
            await until_running(pool, 2)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            outcome = await sibling
            await until(lambda: not taken(pool))
            return outcome, pool._running

    with image(SPIN) as spin:
        outcome, running = run(calls())

    assert "limit.wall" == outcome.error
    assert 0 == running


def test_a_cancel_scope_of_anyio_is_obeyed() -> None:
    """A deadline ends the call at once, in the middle of a large copy too, and the pool is whole."""

    async def calls() -> list[str | None]:
        async with open_pool(2) as pool:
            for inputs in ([], [bytes(30 << 20)]):
                with anyio.move_on_after(0.05) as scope:
                    await pool.run(spin, inputs, 0, 1)
                assert scope.cancelled_caught
            return [(await pool.run(finish, [], 0, 1)).error for _ in range(8)]

    with image(SPIN) as spin, image(FINISH) as finish:
        assert [None] * 8 == run(calls())


@attack("lifecycle", "cancelled")
def test_a_pool_closed_within_a_cancelled_scope_leaves_nothing() -> None:
    """Closing is shielded: the fixture of this folder looks for what is left."""

    async def calls() -> bool:
        with anyio.CancelScope() as scope:
            async with open_pool(4) as pool:
                task = asyncio.create_task(pool.run(spin, [], 0, 1))
                await until_running(pool)
                scope.cancel()
                await asyncio.sleep(10)
        return (await task).error == "cancelled"

    with image(SPIN) as spin:
        assert run(calls())


def test_a_waiting_call_can_be_cancelled() -> None:
    """It leaves the queue, and those behind it move up."""

    async def calls() -> list[str | None]:
        async with open_pool(1) as pool:
            first = asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=80)))
            await until_running(pool)
            waiting = asyncio.create_task(pool.run(finish, [], 0, 1))
            behind = asyncio.create_task(pool.run(finish, [], 0, 1))
            await asyncio.sleep(0)
            waiting.cancel()
            return [(await first).error, (await behind).error]

    with image(SPIN) as spin, image(FINISH) as finish:
        assert ["limit.wall", None] == run(calls())


def test_a_closed_pool_and_a_closed_image_refuse() -> None:
    """Both say so instead of running anything."""

    async def calls() -> Outcome:
        async with open_pool(1) as pool:
            with pytest.raises(ValueError, match="closed"):
                await pool.run(closed, [], 0, 1)
        return await pool.run(finish, [], 0, 1)

    closed = image(FINISH)
    closed.close()
    with image(FINISH) as finish:
        assert "cancelled" == run(calls()).error


def test_an_idle_pool_keeps_no_children_and_wakes_again() -> None:
    """After the idle time only the nucleus is left; the next call finds children again."""

    async def calls() -> tuple[list[int], str | None]:
        async with open_pool(4, idle_s=0.02) as pool:
            await pool.run(finish, [], 0, 1)
            await until(lambda: len(kin(nucleus_pid(pool))) <= 1)
            left = kin(nucleus_pid(pool))
            return left, (await pool.run(finish, [], 0, 1)).error

    with image(FINISH) as finish:
        left, error = run(calls())

    assert len(left) <= 1  # the namespace's first process
    assert error is None


def usage(pool: Pool) -> tuple[int, int, int]:
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(kin(nucleus_pid(pool))), len(pool._slots)


def test_two_thousand_calls_leave_no_growth() -> None:
    """Descriptors, processes and the pool's own books are after 2,000 calls, a third of them killed, what they were."""

    async def batch(pool: Pool, count: int) -> None:
        async def worker() -> None:
            for number in range(count // 8):
                await pool.run((finish, crash, spin)[number % 3], [], 0, 1, Limits(wall_ms=2))

        await asyncio.gather(*(worker() for _ in range(8)))
        await until(lambda: len(pool._ready) == len(pool._slots) == 10 and not pool._litter and not pool._reaps)

    async def calls() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        async with open_pool(8) as pool:
            await batch(pool, 80)
            before = usage(pool)
            await batch(pool, 2000)
            return before, usage(pool)

    with image(FINISH) as finish, image("ud2") as crash, image(SPIN) as spin:
        before, after = run(calls())

    assert before == after


OWNER = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[1])
from machine_code import SPIN, image, nucleus_pid
from dandc.isolation import open_pool

async def main():
    async with open_pool(3) as pool:
        tasks = [asyncio.create_task(pool.run(image(SPIN), [], 0, 1)) for _ in range(2)]
        while sum(child.ended is not None for child in pool._slots.values()) < 2:
            await asyncio.sleep(0.001)
        pid = nucleus_pid(pool)
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            print(pid, file.read(), flush=True)
        await asyncio.gather(*tasks)

asyncio.run(main())
"""


@attack("lifecycle")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_owners_death_leaves_no_orphan(how: int) -> None:
    """Killed in any way, an owner takes nucleus and children with it: by its pidfd, and by the kernel."""
    folder = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        try:
            assert owner.stdout is not None
            pids = [int(word) for word in owner.stdout.readline().split()]
            watched = [os.pidfd_open(pid) for pid in pids]
            owner.send_signal(how)
            poller = select.poll()
            for descriptor in watched:
                poller.register(descriptor, select.POLLIN)
            alive = set(watched)
            while alive:
                ended = poller.poll(10_000)
                assert ended, "somebody outlived the owner"
                for descriptor, _ in ended:
                    poller.unregister(descriptor)
                    alive.discard(descriptor)
        finally:
            owner.kill()
        for descriptor in watched:
            os.close(descriptor)
    assert len(pids) >= 4


def as_user(finish: Image) -> str:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)

    async def calls() -> str:
        async with open_pool(2) as pool:
            good, bad = await pool.run(finish, [], 0, 1), await pool.run(image("movl $39, %eax\nsyscall"), [], 0, 1)
            return f"{good.error} {bad.error}"

    return run(calls())


def without_files(finish: Image) -> str:
    import resource

    async def calls() -> str:
        async with open_pool(8) as pool:
            await until(lambda: len(pool._ready) == 10)
            lowest = min(min(child.socket.fileno(), child.memory) for child in pool._ready)
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, most))
            errors = {(await pool.run(finish, [], 0, 1)).error for _ in range(30)}
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            last = await pool.run(finish, [], 0, 1)
            return f"{errors <= {None, 'host.exhausted'}} {'host.exhausted' in errors} {last.error}"

    return run(calls())


@pytest.mark.skipif(os.geteuid() != 0, reason="this test gives root away")
def test_an_ordinary_user_has_the_same_walls() -> None:
    """Nothing of the filter needs privileges."""
    with image(FINISH) as finish:
        assert "None sandbox.forbidden" == in_a_fork(lambda: as_user(finish))


def test_running_out_of_descriptors_is_the_hosts_exhaustion() -> None:
    """Calls fail with a name while there are none, and succeed again afterwards."""
    with image(FINISH) as finish:
        assert "True True None" == in_a_fork(lambda: without_files(finish))


def test_another_nucleus_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One flipped bit, a missing file, or another machine: unavailable, by name."""
    content = nucleus.load()
    folder = Path(nucleus.__file__).parent
    (tmp_path / "nucleus.sha256").write_text((folder / "nucleus.sha256").read_text())
    monkeypatch.setattr(nucleus.resources, "files", lambda _: tmp_path)
    with pytest.raises(Unavailable, match="not installed"):
        nucleus.load()
    (tmp_path / "nucleus.elf").write_bytes(content[:-1] + b"\1")
    with pytest.raises(Unavailable, match="pins"):
        nucleus.load()
    monkeypatch.setattr(nucleus.platform, "machine", lambda: "aarch64")
    with pytest.raises(Unavailable, match="aarch64"):
        nucleus.check_host()


def test_closing_waits_for_large_memory_in_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop goes on while the memory of a child is given back: here it is the loop that lets the close end."""
    go_on = threading.Event()
    waited: list[bool] = []

    def slow_close(descriptor: int, close: Callable[[int], None] = os.close) -> None:
        if threading.current_thread() is not threading.main_thread():
            waited.append(go_on.wait(10))
        close(descriptor)

    async def lets_go_when_closing(pool: Pool) -> None:
        await until(lambda: pool._epoll.closed)
        go_on.set()

    async def calls() -> str | None:
        async with anyio.create_task_group() as group, open_pool(1) as pool:
            group.start_soon(lets_go_when_closing, pool)
            return (await pool.run(echo, [bytes(4 << 20), b""], 0, 1)).error

    with image(ECHO) as echo:
        monkeypatch.setattr("dandc.isolation.pool.os.close", slow_close)
        assert run(calls()) is None
    assert [True] == waited


@pytest.fixture
def dies_after_hello(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called, the next nucleus that says HELLO is dead before the pool has heard it."""
    armed = False
    obey = Pool._obey

    def then_kill(pool: Pool, record: tuple[int, ...], ancillary: Any) -> None:
        nonlocal armed
        obey(pool, record, ancillary)
        if armed and record[0] == protocol.HELLO and pool._nucleus is not None:
            armed = False
            pool._nucleus.kill()
            ended = select.poll()
            ended.register(pool._nucleus.pidfd, select.POLLIN)
            ended.poll(10_000)

    def arm() -> None:
        nonlocal armed
        armed = True

    monkeypatch.setattr(Pool, "_obey", then_kill)
    return arm


@attack("lifecycle")
def test_a_nucleus_that_dies_as_soon_as_it_has_begun_costs_one_retry(dies_after_hello: Callable[[], None]) -> None:
    """The call that started it is told, and asks for another one."""

    async def calls() -> str | None:
        async with open_pool(2) as pool:
            await pool.run(finish, [], 0, 1)
            dies_after_hello()
            os.kill(nucleus_pid(pool), signal.SIGKILL)
            await until(lambda: pool._nucleus is None)
            async with asyncio.timeout(20):
                return (await pool.run(finish, [], 0, 1)).error

    with image(FINISH) as finish:
        assert run(calls()) is None


def test_closing_while_a_nucleus_is_started_leaves_none() -> None:
    """The nucleus that a call waits for is ended with the pool, and the call is cancelled."""

    async def calls() -> tuple[str | None, list[int]]:
        async with open_pool(1) as pool:
            await pool.run(finish, [], 0, 1)
            os.kill(nucleus_pid(pool), signal.SIGKILL)
            await until(lambda: pool._nucleus is None)
            call = asyncio.create_task(pool.run(finish, [], 0, 1))
            for _ in range(1000):  # each turn of the loop: a start may take no longer than a moment
                if pool._starting is not None:
                    break
                await asyncio.sleep(0)
        return (await call).error, kin(os.getpid())

    with image(FINISH) as finish:
        before = kin(os.getpid())
        assert ("cancelled", before) == run(calls())


async def resized_without_descriptors() -> str:
    async with open_pool(1) as pool:
        await pool.resize(1)
        await pool.resize(0)
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used - 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            await pool.resize(1)
        except Exhausted as error:
            return str(error)
    return "resized"


def test_more_children_than_there_are_descriptors_are_refused() -> None:
    """Who waits for them is told; and `dandc doctor` is one of those."""
    assert "no file descriptors left" == in_a_fork(lambda: run(resized_without_descriptors()))


@pytest.mark.parametrize(("calls", "lately", "background", "expected"), [
    (0, 0.0, False, True), (9, 90.0, False, False), (9, 90.0, True, True), (9, 900.0, False, True),
])  # fmt: skip
def test_short_calls_stay_off_one_cpu(calls: int, lately: float, background: bool, expected: bool) -> None:
    """What a call has taken of late says it, not what all calls ever took."""
    places = Places()
    places.matter = True
    with image(FINISH) as finish:
        finish.usage.calls, finish.usage.lately_us = calls, lately
        assert expected == (places.flag(finish, background) == EVERY_CPU)
        for _ in range(20):
            finish.usage.count(1, 100_000)
        assert EVERY_CPU == places.flag(finish, background=False)
        for _ in range(100):
            finish.usage.count(1, 50)
        assert 0 == places.flag(finish, background=False)


def test_an_older_word_of_shortage_fails_nobody() -> None:
    """What the nucleus said before it read that more are wanted is no answer to that: it tries again. A newer one is."""

    async def words() -> tuple[str | None, str | None]:
        async with open_pool(2) as pool:
            await pool.resize(4)  # none is on its way any more
            await pool.resize(0)
            os.kill(nucleus_pid(pool), signal.SIGSTOP)
            try:
                first = asyncio.create_task(pool.run(finish, [], 0, 1))
                await until(lambda: len(pool._waiters) == 1)
                pool._obey((protocol.STARVED, 0, pool._wish - 1, errno.EAGAIN, 0, 11), [])
                assert pool._waiters
                second = asyncio.create_task(pool.run(finish, [], 0, 1))
                await until(lambda: len(pool._waiters) == 2)
                pool._obey((protocol.STARVED, 0, pool._wish, errno.EAGAIN, 0, 11), [])
                assert not pool._waiters
            finally:
                os.kill(nucleus_pid(pool), signal.SIGCONT)
            return (await first).error, (await second).error

    with image(FINISH) as finish:
        assert ("host.exhausted", "host.exhausted") == run(words())
