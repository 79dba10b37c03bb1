"""Life cycle under fault: whoever is killed, stopped or has nothing left, calls end with a name and the pool goes on."""

import asyncio
import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from abuse import Siege, attack, besieged, in_a_fork, read, traces
from machine_code import ECHO, FINISH, SPIN, image, nucleus_pid, run, running_children, until
from soak import soak

from dandc.isolation import Limits, Outcome, Pool, open_pool, protocol
from dandc.isolation.nucleus import Nucleus

FILL = """
    movq 40(%rdi), %rax
    movq %rax, %rcx
    addq 48(%rdi), %rcx
    1: movb $1, (%rax)
    addq $4096, %rax
    cmpq %rcx, %rax
    jb 1b
"""


def asleep(pid: int) -> bool:
    """A process that waits for something."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] == "S"


# Nothing left -------------------------------------------------------------------------------------------------------

SHORTAGES = {
    "address space": (resource.RLIMIT_AS, 20 << 20, "mapping the"),
    "data": (resource.RLIMIT_DATA, 1 << 20, "mapping the"),
    "sizes of files": (resource.RLIMIT_FSIZE, 1 << 20, "making a child's memory and socket: File too large"),
    "descriptors": (resource.RLIMIT_NOFILE, 3, "making a child's memory and socket: Too many open files"),
}


@attack("lifecycle", "host.exhausted")
@pytest.mark.parametrize("name", SHORTAGES)
def test_a_nucleus_or_child_without_resources_says_which(name: str) -> None:
    """The call is told what failed, nobody tries again unasked, and with room again the next call is clean."""
    number, little, reason = SHORTAGES[name]

    async def calls(ground: Siege) -> None:
        pid = nucleus_pid(ground.pool)
        soft, hard = resource.prlimit(pid, number)
        resource.prlimit(pid, number, (little, hard))
        outcomes = [await ground.pool.run(finish, [], 0, 1) for _ in range(12)]
        assert "host.exhausted" == outcomes[-1].error
        assert outcomes[-1].detail.startswith(reason), outcomes[-1]
        assert {outcome.error for outcome in outcomes} <= {None, "host.exhausted"}
        await until(lambda: not ground.pool._slots and asleep(pid))
        for _ in range(20):  # a pool that went on trying would have children again within some turns
            await asyncio.sleep(0)
            assert not ground.pool._slots
        resource.prlimit(pid, number, (soft, hard))

    with image(FINISH) as finish:
        besieged(calls, slots=2)


@contextlib.contextmanager
def control_group(pool: Pool, controller: str, limits: dict[str, str]) -> Iterator[Path]:
    """Puts a pool's nucleus and children into a group of their own with the limits that this kernel's version has."""
    version_1 = Path("/sys/fs/cgroup", controller).is_dir()
    top = Path("/sys/fs/cgroup", controller if version_1 else "")
    lines = [line.split(":", 2) for line in read("/proc/self/cgroup").splitlines()]
    home = next(path for _, names, path in lines if (controller in names.split(",") if version_1 else not names))
    folder = top / f"dandc-test-{os.getpid()}"
    pid = nucleus_pid(pool)
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        found = [(name, value) for name, value in limits.items() if (folder / name).exists()]
        if not found:
            pytest.skip(f"this host has no controller {controller}")
        for one in [str(pid), *read(f"/proc/{pid}/task/{pid}/children").split()]:
            move(one, folder)
        for name, value in found:
            (folder / name).write_text(value)
        yield folder
    finally:
        remove(folder, top / home.lstrip("/"))


def move(pid: str, folder: Path) -> None:
    """Puts a process into a group, unless it is dead."""
    with contextlib.suppress(ProcessLookupError):
        (folder / "cgroup.procs").write_text(pid)


def remove(folder: Path, home: Path) -> None:
    """Empties a group, in which the nucleus may be forking, and takes it away; the dead leave it a moment later."""
    waiter = select.poll()
    for _ in range(5000):
        for pid in read(f"{folder}/cgroup.procs").split():
            move(pid, home)
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        waiter.poll(1)
    raise AssertionError(f"{folder} stays")


root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes control groups")


@root
@attack("lifecycle", "host.exhausted")
def test_no_process_to_be_had_is_the_hosts_exhaustion() -> None:
    """A control group that holds no further process; afterwards calls go on with the same nucleus."""

    async def calls(ground: Siege) -> None:
        pid = nucleus_pid(ground.pool)
        with control_group(ground.pool, "pids", {"pids.max": "1"}) as folder:
            outcomes = [await ground.pool.run(finish, [], 0, 1) for _ in range(8)]
            assert ("host.exhausted", "forking: Resource temporarily unavailable") == (
                outcomes[-1].error,
                outcomes[-1].detail,
            )
            (folder / "pids.max").write_text("max")
            assert None is (await ground.pool.run(finish, [], 0, 1)).error
            assert pid == nucleus_pid(ground.pool)

    with image(FINISH) as finish:
        besieged(calls, slots=2)


@root
@attack("lifecycle", "sandbox.lost")
def test_out_of_memory_the_kernel_kills_the_greedy_child_alone() -> None:
    """It and its repetition are lost; nucleus, owner and a sibling live on, and small calls are clean."""

    async def calls(ground: Siege) -> None:
        pid = nucleus_pid(ground.pool)
        with control_group(
            ground.pool, "memory", {"memory.limit_in_bytes": "24M", "memory.max": "24M", "memory.swap.max": "0"}
        ):
            sibling = asyncio.create_task(ground.pool.run(spin, [], 0, 1, Limits(wall_ms=600)))
            greedy = await ground.pool.run(filler, [], 0, 1)
            assert ("sandbox.lost", "killed by SIGKILL") == (greedy.error, greedy.detail)
            assert 2 == filler.usage.calls
            assert None is (await ground.pool.run(modest, [], 0, 1, Limits(memory=4 << 20))).error
            sibling.cancel()
            await asyncio.wait([sibling])
            assert pid == nucleus_pid(ground.pool)

    with image(FILL + FINISH) as filler, image(FILL + FINISH) as modest, image(SPIN) as spin:
        besieged(calls, slots=2)


def become_nobody() -> None:
    """Root is above many limits."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)


def few_processes() -> str:
    """As an ordinary user whose limit on processes is reached once the pool is open."""
    become_nobody()

    async def calls() -> str:
        async with open_pool(2) as pool:
            await pool.run(finish, [], 0, 1)
            pid = nucleus_pid(pool)
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NPROC)
            resource.prlimit(pid, resource.RLIMIT_NPROC, (1, hard))
            starved = [await pool.run(finish, [], 0, 1) for _ in range(8)]
            resource.prlimit(pid, resource.RLIMIT_NPROC, (soft, hard))
            after = await pool.run(finish, [], 0, 1)
            return f"{starved[-1].error} {starved[-1].detail} {after.error}"

    with image(FINISH) as finish:
        return run(calls())


@pytest.mark.skipif(os.geteuid() != 0, reason="this test gives root away")
@attack("lifecycle")
def test_a_user_without_processes_is_told_so() -> None:
    """The limit on processes holds for ordinary users alone."""
    said = in_a_fork(few_processes)

    if "PermissionError" in said:
        pytest.skip("this kernel lets nobody change the limits of a process that cannot be dumped")
    assert "host.exhausted forking: Resource temporarily unavailable None" == said


def too_many_under_way() -> str:
    """Every child of a pool dies, and none can be handed over in its place: this user has too many descriptors in messages."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    become_nobody()

    async def calls() -> str:
        async with open_pool(2) as pool:
            await pool.resize(4)
            one, other = socket.socketpair()
            with one, other:
                for _ in range(3):
                    rights = array("i", [some.fileno()] * 24)
                    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                starved = [await pool.run(finish, [], 0, 1) for _ in range(12)]
            assert {"host.exhausted"} == {outcome.error for outcome in starved}
            await pool.resize(4)  # only with every death in the books
            return f"{starved[-1].detail}, then {(await pool.run(finish, [], 0, 1)).error}"

    with image(FINISH) as finish, open(os.devnull) as some:
        return run(calls())


@attack("lifecycle")
def test_no_death_is_forgotten_when_its_replacement_cannot_be_handed_over() -> None:
    """The word of a death goes along with the next child: where that one cannot be sent, the word still is."""
    said = in_a_fork(too_many_under_way)

    assert "handing a child over: Too many references: cannot splice, then None" == said


def without_timers() -> str:
    """Limits of CPU time where this user may have no further timer of the exact kind."""
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))

    async def calls() -> str:
        async with open_pool(1) as pool:
            return str([(await pool.run(spin, [], 0, 1, Limits(cpu_ms=some))).error for some in (0.001, 30, 90)])

    with image(SPIN) as spin:
        return run(calls())


@attack("cpu")
def test_short_limits_of_cpu_time_hold_without_timers() -> None:
    """A timer takes one of the signals that a user may have under way; the coarser kind takes none."""
    assert str(["limit.cpu"] * 3) == in_a_fork(without_timers)


# Priorities ---------------------------------------------------------------------------------------------------------


def classes(policy: int) -> set[int]:
    """How a nucleus and its children are scheduled whose owner has taken `policy`."""

    def seen() -> str:
        os.sched_setscheduler(0, policy, os.sched_param(1 if policy == os.SCHED_FIFO else 0))

        async def calls() -> str:
            async with open_pool(1) as pool:
                await pool.resize(3)
                pid = nucleus_pid(pool)
                pids = [str(pid), *read(f"/proc/{pid}/task/{pid}/children").split()]
                assert len(pids) >= 4
                return " ".join(str(os.sched_getscheduler(int(one)) & ~os.SCHED_RESET_ON_FORK) for one in pids)

        return run(calls())

    return {int(word) for word in in_a_fork(seen).split()}


@attack("lifecycle")
@pytest.mark.parametrize("name", ["SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE", "SCHED_FIFO"])
def test_children_are_scheduled_in_the_class_of_their_owner(name: str) -> None:
    """Work that shall wait for all others is not done in a better class by being done in a sandbox."""
    if name == "SCHED_FIFO" and os.geteuid() != 0:
        pytest.skip("only root schedules in real time")
    policy = getattr(os, name)

    assert {policy} == classes(policy)


# Stopped ------------------------------------------------------------------------------------------------------------


@attack("lifecycle")
def test_a_stopped_nucleus_delays_but_loses_nothing() -> None:
    """Ready children serve; who waits for another one can be cancelled; after it goes on, so does everything."""

    async def calls(ground: Siege) -> None:
        pool = ground.pool
        await traces(pool)
        pid = nucleus_pid(pool)
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(4):
                await ground.innocent()  # two slots, and two children beyond
            late = [asyncio.create_task(ground.innocent()) for _ in range(3)]
            await until(lambda: len(pool._waiters) == 3)
            late[0].cancel()
            await asyncio.wait(late[:1])
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*late[1:])
        assert late[0].cancelled()

    besieged(calls, slots=2)


@attack("lifecycle", "limit.wall")
def test_orders_for_which_there_is_no_room_wait() -> None:
    """A stopped nucleus reads nothing: what is ordered meanwhile comes in its turn, and no call sees the difference."""

    async def calls(ground: Siege) -> None:
        pool = ground.pool
        await traces(pool)
        pid = nucleus_pid(pool)
        assert pool._nucleus is not None
        pool._nucleus.control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is: a few orders
        os.kill(pid, signal.SIGSTOP)
        try:
            tasks = [asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=20))) for _ in range(16)]
            await until(lambda: pool._running == 16)
            for task in tasks[1:]:
                task.cancel()
            await asyncio.wait(tasks[1:])
            assert pool._unsent
            late = [asyncio.create_task(ground.innocent()) for _ in range(8)]
            await until(lambda: len(pool._waiters) == 6)
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*late)
        assert "limit.wall" == (await tasks[0]).error  # why it ended is the nucleus's to say
        await until(lambda: not pool._unsent)

    with image(SPIN) as spin:
        besieged(calls, slots=16)


def test_a_pool_whose_nucleus_is_stopped_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, after a while, with its children: the fixture of this folder looks for what is left."""
    monkeypatch.setattr("dandc.isolation.pool.CLOSE_S", 0.05)

    async def calls() -> Outcome:
        async with open_pool(2) as pool:
            task = asyncio.create_task(pool.run(spin, [], 0, 1))
            await until(lambda: running_children(pool))
            os.kill(nucleus_pid(pool), signal.SIGSTOP)
        return await task

    with image(SPIN) as spin:
        assert "cancelled" == run(calls()).error


OWNER = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[1])
from machine_code import SPIN, image, nucleus_pid, running_children, until
from dandc.isolation import Limits, open_pool

async def main():
    async with open_pool(2) as pool:
        task = asyncio.create_task(pool.run(image(SPIN), [], 0, 1, Limits(wall_ms=700)))
        await until(lambda: running_children(pool))
        await until(lambda: len(pool._ready) == 3)
        pid = nucleus_pid(pool)
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            pids = file.read()
        os.kill(pid, signal.SIGSTOP)
        held = min(map(int, pids.split())) if pool.layers & 4 else 0
        print(pid, held, pids, flush=True)
        await task

asyncio.run(main())
"""


@attack("lifecycle")
def test_the_owner_dies_while_the_nucleus_is_stopped() -> None:
    """Ready children see it by themselves, a running one ends at its limit, and the nucleus once it goes on."""
    command = [sys.executable, "-c", OWNER, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner, contextlib.ExitStack() as stack:
        assert owner.stdout is not None
        pid, held, *pids = (int(word) for word in owner.stdout.readline().split())
        watched = {one: os.pidfd_open(one) for one in (pid, *pids)}
        for descriptor in watched.values():
            stack.callback(os.close, descriptor)
        owner.kill()
        try:
            for one in pids:
                if one != held:  # the namespace's first process goes with the nucleus
                    assert ended(watched[one]), "a child outlived owner and limit"
            assert not ended(watched[pid], 0)
        finally:
            signal.pidfd_send_signal(watched[pid], signal.SIGCONT)
        assert ended(watched[pid])
        assert not held or ended(watched[held])


def ended(descriptor: int, milliseconds: int = 10_000) -> bool:
    """Whether a process ends within some time. One that nobody has waited for has ended too."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(milliseconds))


# Busy, and gone -----------------------------------------------------------------------------------------------------


@attack("lifecycle", "limit.wall", "limit.cpu")
def test_limits_hold_while_the_event_loop_is_blocked() -> None:
    """Nothing of the owner takes part in ending a child: its socket ends while the loop stands still."""

    async def calls(ground: Siege) -> None:
        pool = ground.pool
        for limits in (Limits(wall_ms=60), Limits(cpu_ms=60)):
            task = asyncio.create_task(pool.run(spin, [], 0, 1, limits))
            await until(lambda: [child for child in pool._slots.values() if child.taken and child.ended is not None])
            [child] = [child for child in pool._slots.values() if child.taken]
            poller = select.poll()
            poller.register(child.socket.fileno(), select.POLLIN)
            assert poller.poll(10_000), "the child outlived its limit"  # the loop does nothing meanwhile
            assert not child.dead
            assert (await task).error == ("limit.wall" if limits.wall_ms == 60 else "limit.cpu")

    with image(SPIN) as spin:
        besieged(calls)


@attack("lifecycle")
def test_a_nucleus_outlives_the_thread_that_started_it() -> None:
    """It is tied to the process: the kernel's own death signal would come at the end of the thread."""
    started: list[Nucleus] = []
    thread = threading.Thread(target=lambda: started.append(Nucleus()))
    thread.start()
    thread.join()
    [nucleus] = started
    try:
        nucleus.control.setblocking(True)
        nucleus.control.settimeout(10)
        kinds = [protocol.RECORD.unpack(nucleus.control.recv(protocol.RECORD.size))[0]]
        nucleus.control.send(protocol.ORDER.pack(protocol.TARGET, 1, 0, 0))
        kinds.append(protocol.RECORD.unpack(nucleus.control.recv(protocol.RECORD.size))[0])
        assert [protocol.HELLO, protocol.READY] == kinds
    finally:
        nucleus.kill()
        nucleus.forget()


@attack("lifecycle")
def test_a_pool_outlives_the_thread_that_opened_it() -> None:
    """A loop that was begun in one thread goes on in another one."""

    async def go_on() -> None:
        [pool] = pools
        outcome = await pool.run(finish, [], 0, 1)
        assert outcome.error is None, outcome
        await stack.aclose()

    stack = contextlib.AsyncExitStack()
    pools: list[Pool] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(
        target=lambda: pools.append(loop.run_until_complete(stack.enter_async_context(open_pool(2))))
    )
    thread.start()
    thread.join()
    try:
        with image(FINISH) as finish:
            loop.run_until_complete(go_on())
    finally:
        loop.close()


# Orders and generations ---------------------------------------------------------------------------------------------


def orders(*keys: tuple[int, int]) -> bytes:
    """Kill and reap each."""
    return b"".join(protocol.ORDER.pack(kind, *key, 0) for key in keys for kind in (protocol.KILL, protocol.REAP))


@attack("lifecycle", "limit.wall")
def test_generations_are_never_confused() -> None:
    """Orders for earlier and later generations of a slot in use, and for slots that cannot be, reach nobody."""

    async def calls(ground: Siege) -> None:
        pool = ground.pool
        for _ in range(20):  # slots are used again and again
            await ground.innocent()
        task = asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=150)))
        await until(lambda: running_children(pool))
        alive = dict(pool._slots)
        for slot, generation in alive:
            stale = [(slot, other) for other in (generation - 1, generation + 1, 0, (1 << 32) - 1)]
            pool._send(orders(*stale, (slot + 128, generation), ((1 << 32) - 1, generation)))
        pool._send(protocol.ORDER.pack(0, 0, 0, 0) + protocol.ORDER.pack(77, 0, 1, 0) + bytes(7))
        outcome = await task
        assert "limit.wall" == outcome.error
        assert outcome.wall_us >= 140_000
        untouched = [child for child in alive.values() if not child.taken and not child.dead]
        assert len(untouched) == len(alive) - 1

    with image(SPIN) as spin:
        besieged(calls, slots=2)


@attack("lifecycle", "sandbox.lost", "limit.wall")
@pytest.mark.parametrize(("kills", "error"), [(1, "limit.wall"), (2, "sandbox.lost")])
def test_a_lost_sandbox_is_tried_once_more(kills: int, error: str) -> None:
    """One kill by a stranger costs a repetition, a second one the call: two children at most are spent."""

    async def calls(ground: Siege) -> None:
        pool = ground.pool
        task = asyncio.create_task(pool.run(spin, [], 0, 1, Limits(wall_ms=400)))
        for _ in range(kills):
            [victim] = await until(lambda: running_children(pool))
            os.kill(victim, signal.SIGKILL)
            await until(lambda gone=victim: task.done() or gone not in running_children(pool))
        assert error == (await task).error
        await until(lambda: spin.usage.calls == 2)

    with image(SPIN) as spin:
        besieged(calls, slots=1)


@attack(
    "lifecycle", "limit.wall", "sandbox.crash", "sandbox.forbidden", "sandbox.output", "sandbox.lost", "host.exhausted"
)
@pytest.mark.parametrize("seed", [1])
def test_a_soak_leaves_no_growth(seed: int) -> None:
    """Fifteen hundred random calls among kills, cancellations and orders that mean nobody; `soak.py` takes any number."""
    said = asyncio.run(soak(1500, seed, warm=300))

    assert said.startswith("1500 calls")


@attack("lifecycle")
def test_pools_leave_nothing() -> None:
    """Opening and closing, a call in between, 25 times: what is open before is open after."""

    async def turns() -> None:
        for number in range(25):
            async with open_pool(2) as pool:
                outcome = await pool.run(echo, [bytes([number])], 0, 1)
                assert outcome.error is None

    with image(ECHO) as echo:
        before = sorted(os.listdir("/proc/self/fd"))
        run(turns())
        assert before == sorted(os.listdir("/proc/self/fd"))
