"""Hosts on which the nucleus cannot do its work, made by nuclei that are broken in one place."""

import gc
import itertools
import os
import resource
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from abuse import attack
from machine_code import FINISH, image, run, until

from dandc.isolation import Unavailable, build, nucleus, open_pool

TEXT = (Path(nucleus.__file__).parent / "nucleus.ll").read_text()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Call it with a text of the nucleus and what to put there: that one is started from then on."""
    descriptors = []

    def install(text: str, other: str) -> None:
        assert text in TEXT
        descriptors.append(nucleus.in_memory(build.link(build.assemble(TEXT.replace(text, other)))))
        monkeypatch.setattr(nucleus, "program", lambda: descriptors[-1])

    yield install
    for descriptor in descriptors:
        os.close(descriptor)


async def one_call() -> str | None:
    with image(FINISH) as finish:
        async with open_pool(2) as pool:
            return (await pool.run(finish, [], 0, 1)).error


REFUSALS = {
    "no filters": ("i64 317,", "i64 1000,", "seccomp filter: Function not implemented"),
    "no privileges to give up": ("i64 157, i64 38,", "i64 1000, i64 38,", "giving up privileges"),
    "sealed system mappings": ("(i64 11, i64 65536)", "(i64 11, i64 65537)", "unmapping below"),
    "death at once": ("call void @mask_signals()", "call void @exit(i64 1)", "ended at once"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_host_that_lacks_something_is_unavailable_by_name(name: str, broken) -> None:
    """Nothing runs, and the reason says what was missing."""
    text, other, reason = REFUSALS[name]
    broken(text, other)

    with pytest.raises(Unavailable, match=reason):
        run(one_call())


def test_a_nucleus_that_says_nothing_is_given_up(broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs is killed."""
    monkeypatch.setattr("dandc.isolation.pool.START_S", 0.1)
    broken("call void @mask_signals()", "call i64 @sys(i64 271, i64 0, i64 0, i64 0, i64 0, i64 8, i64 0)")

    with pytest.raises(Unavailable, match="does not answer"):
        run(one_call())


def test_a_host_without_namespaces_still_has_the_walls(broken) -> None:
    """They are depth: no call of `unshare` succeeds, and calls run."""
    broken("i64 272,", "i64 1000,")

    assert None is run(one_call())


def test_a_host_without_forks_is_exhausted(broken) -> None:
    """The nucleus gives up until it is asked again; a call says what was lacking."""
    broken("%pid = call i64 @sys3(i64 57, i64 0, i64 0, i64 0)                         ; fork", "%pid = sub i64 0, 11")

    async def reason() -> tuple[str | None, str]:
        with image(FINISH) as finish:
            async with open_pool(2) as pool:
                outcome = await pool.run(finish, [], 0, 1)
                return outcome.error, outcome.detail

    error, detail = run(reason())

    assert "host.exhausted" == error
    assert detail.startswith("forking: ")


LATE = """  store i64 0, ptr @scratch
  store i64 200000000, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)
  %late = call i64 @sys(i64 271, i64 0, i64 0, i64 ptrtoint (ptr @scratch to i64), i64 0, i64 8, i64 0)
  %tied = call"""


@attack("lifecycle")
def test_a_nucleus_killed_before_its_first_child_is_tied_to_it_leaves_no_orphan(broken) -> None:
    """The namespace's first process wakes up, late, and sees that it is alone; until then no other child is made."""
    head, tail = TEXT[: TEXT.index("@hold_namespace() noinline")], TEXT[TEXT.index("@hold_namespace() noinline") :]
    broken(TEXT, head + tail.replace("  %tied = call", LATE, 1))
    starting = nucleus.Nucleus()
    try:
        listed = Path(f"/proc/{starting.pid}/task/{starting.pid}/children")
        pids = run(until(lambda: listed.read_text().split() or starting_said(starting)))
        assert len(pids) == 1, "this host gives no pid namespace, or children came before the first one was tied"
        first = os.pidfd_open(int(pids[0]))
    finally:
        starting.kill()
        starting.forget()
    try:
        poller = select.poll()
        poller.register(first, select.POLLIN)
        assert poller.poll(10_000), "the first process outlived its nucleus"
    finally:
        os.close(first)


def starting_said(starting: nucleus.Nucleus) -> list[str]:
    """Skips where a nucleus says HELLO and has no child: it is in no namespace."""
    try:
        starting.control.recv(64)
    except BlockingIOError:
        return []
    pytest.skip("this host gives no pid namespace")


def number_with_free_below(count: int) -> int:
    """The limit under which so many numbers of descriptors are free; those that are taken may have gaps."""
    listed = os.listdir("/proc/self/fd")  # with the one that reads the folder, which is closed by now
    taken = {int(name) for name in listed if os.path.lexists(f"/proc/self/fd/{name}")}
    free = (number for number in itertools.count() if number not in taken)
    return next(itertools.islice(free, count, None))


@pytest.fixture
def gaps() -> Iterator[None]:
    """Descriptors of the process have gaps between them, as after tests that opened and closed many."""
    opened = [os.dup(0) for _ in range(20)]
    for descriptor in opened[:10]:
        os.close(descriptor)
    yield
    for descriptor in opened[10:]:
        os.close(descriptor)


@pytest.mark.usefixtures("gaps")
@pytest.mark.parametrize("room", [0, 1, 2, 4])
def test_a_process_without_descriptors_is_told_so(room: int) -> None:
    """A pool that cannot be opened leaves nothing half open."""
    gc.collect()  # what an earlier test left to be closed must not make room meanwhile
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def starved() -> str | None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number_with_free_below(room), hard))
        try:
            async with open_pool(1):
                return None
        except Unavailable as error:
            return str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert "open files" in (run(starved()) or "")
