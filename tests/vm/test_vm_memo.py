"""The cache of results: owners, ages and clocks, damage, other processes, full disks, and its bound."""

import hashlib
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from dandc.vm.memo import Memo

LARGE = 300 << 10


def key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def keep(
    folder: Path,
    *results: tuple[str, bytes],
    owner: str = "me",
    clock: Callable[[], float] = lambda: 1000.0,
    aging: bool = False,
) -> Memo:
    """A cache that has kept some results and been closed."""
    memo = Memo(folder, owner, clock=clock).open()

    async def work() -> None:
        await memo.keep([(key(name), data) for name, data in results], aging=aging)
        await memo.finish()

    anyio.run(work)
    memo.close()
    return memo


def found(
    folder: Path, *names: str, owner: str = "me", clock: Callable[[], float] = lambda: 1000.0
) -> list[bytes | None]:
    """What a later run finds, which must go without a warning."""
    memo = Memo(folder, owner, clock=clock).open()
    results = memo.results_now([key(name) for name in names])
    memo.close()
    assert [] == memo.warnings
    return [results.get(key(name)) for name in names]


def answer(folder: Path, name: str, most_s: float, now: float) -> bytes | None:
    memo = Memo(folder, "me", clock=lambda: now).open()
    try:
        return anyio.run(memo.answer, key(name), int(most_s * 1000))
    finally:
        memo.close()


def database(folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_results_are_found_again_small_and_large(folder: Path) -> None:
    keep(folder, ("a", b"small"), ("b", bytes(LARGE)), ("c", b""))

    assert [b"small", bytes(LARGE), None] == found(folder, "a", "b", "d")
    assert 1 == len([path for path in (folder / "values").rglob("*") if path.is_file()])


def test_each_owner_has_results_of_its_own(folder: Path) -> None:
    keep(folder, ("a", b"mine"), ("b", bytes(LARGE)), owner="me")

    assert [None, None] == found(folder, "a", "b", owner="you")
    keep(folder, ("a", b"yours"), owner="you")
    assert [b"mine"] == found(folder, "a", owner="me")


def test_digests_that_begin_alike_are_not_taken_for_each_other(folder: Path) -> None:
    memo = Memo(folder, "me", clock=lambda: 1000.0).open()

    async def work() -> None:
        await memo.keep([(b"12345678" + bytes(24), b"one")])
        await memo.finish()

    anyio.run(work)

    assert {} == memo.results_now([b"12345678" + bytes(23) + b"x"])
    assert {b"12345678" + bytes(24): b"one"} == memo.results_now([b"12345678" + bytes(24)])
    memo.close()


@pytest.mark.parametrize(
    ("now", "most", "there"),
    [(1000, 10, True), (1010, 10, True), (1010.1, 10, False), (999, 10, False), (10_000_000, 1e9, True)],
    ids=["at once", "just young enough", "too old", "from the future", "a long time"],
)
def test_ages_of_answers(folder: Path, now: float, most: float, there: bool) -> None:
    keep(folder, ("a", b"answer"), aging=True)

    assert (b"answer" if there else None) == answer(folder, "a", most, now)


def test_a_clock_that_was_put_back_makes_nothing_immortal(folder: Path) -> None:
    """Kept at 1000; at 500 it is from the future and forgotten, so it is not young again when the clock reaches 1005."""
    keep(folder, ("a", b"answer"), aging=True)

    assert None is answer(folder, "a", 10, 500)
    assert None is answer(folder, "a", 10, 1005)


def test_a_clock_that_ran_ahead_makes_nothing_immortal(folder: Path) -> None:
    keep(folder, ("a", b"answer"), aging=True, clock=lambda: 9_000_000.0)

    assert None is answer(folder, "a", 10, 1000)
    assert None is answer(folder, "a", 10, 9_000_005)


def test_results_of_kernels_do_not_age(folder: Path) -> None:
    """What the clock says is nothing to a result that depends on its inputs alone."""
    keep(folder, ("a", b"result"))

    assert [b"result"] == found(folder, "a", clock=lambda: 5.0)
    assert [b"result"] == found(folder, "a", clock=lambda: 1e9)


def test_a_damaged_entry_is_a_miss_that_is_mended_and_said_once(folder: Path) -> None:
    keep(folder, ("a", b"first"), ("b", b"second"), ("c", b"third"))
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("UPDATE entries SET data = substr(data, 1, length(data) - 1) || 'x'")
    connection.close()
    memo = Memo(folder, "me", clock=lambda: 1000.0).open()

    assert {} == memo.results_now([key("a"), key("b")])
    assert ["U0930"] == [warning.code for warning in memo.warnings]
    assert "damaged" in memo.warnings[0].message
    memo.close()
    keep(folder, ("a", b"first"))
    assert [b"first"] == found(folder, "a")


@pytest.mark.parametrize("rest", [b"", b"garbage" * 1000])
def test_a_damaged_file_of_a_value_is_a_miss(folder: Path, rest: bytes) -> None:
    keep(folder, ("a", bytes(LARGE)))
    (path,) = (path for path in (folder / "values").rglob("*") if path.is_file())
    path.write_bytes(rest)
    memo = Memo(folder, "me", clock=lambda: 1000.0).open()

    assert {} == memo.results_now([key("a")])
    assert ["U0930"] == [warning.code for warning in memo.warnings]
    memo.close()
    keep(folder, ("a", bytes(LARGE)))
    assert [bytes(LARGE)] == found(folder, "a")


@pytest.mark.parametrize("damage", ["garbage", "truncated", "zeros"])
def test_a_damaged_database_is_made_anew(folder: Path, damage: str) -> None:
    keep(folder, *((f"n{i}", bytes(1000)) for i in range(200)))
    path = database(folder)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "garbage": b"no database at all " * 500,
            "truncated": whole[: len(whole) // 2],
            "zeros": whole[:8192] + bytes(len(whole) - 8192),
        }[damage]
    )
    memo = Memo(folder, "me", clock=lambda: 1000.0).open()

    async def work() -> None:
        memo.results_now([key(f"n{i}") for i in range(200)])
        await memo.keep([(key("new"), b"value")])
        await memo.finish()
        # What met the damage only now is kept by the next run.
        await memo.keep([(key("new"), b"value")])
        await memo.finish()

    anyio.run(work)
    assert ["U0930"] == [warning.code for warning in memo.warnings]
    memo.close()
    assert [b"value"] == found(folder, "new")


def test_two_open_caches_share_one_folder(folder: Path) -> None:
    first, second = (Memo(folder, "me", clock=lambda: 1000.0).open() for _ in range(2))

    async def work() -> None:
        for i in range(20):
            await first.keep([(key(f"a{i}"), b"a")])
            await second.keep([(key(f"b{i}"), b"b")])
            await first.finish()
            await second.finish()

    anyio.run(work)
    first.close()
    second.close()

    assert [] == [*first.warnings, *second.warnings]
    assert [b"a", b"b"] * 20 == found(folder, *(f"{side}{i}" for i in range(20) for side in "ab"))


WRITER = """
import sys, hashlib, anyio
from pathlib import Path
from dandc.vm.memo import Memo
memo = Memo(Path(sys.argv[1]), "me").open()
async def work():
    for i in range(30):
        rows = [(hashlib.sha256(f"{sys.argv[2]}{i}.{j}".encode()).digest(), b"v%d" % j) for j in range(50)]
        await memo.keep(rows)
        await memo.finish()
        assert len(memo.results_now([digest for digest, _ in rows])) == 50
anyio.run(work)
memo.close()
assert memo.warnings == [], memo.warnings
"""


def test_processes_write_one_folder_at_the_same_time(folder: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name]) for name in "xyz"]
    try:
        assert [0, 0, 0] == [writer.wait(timeout=50) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert None not in found(folder, *(f"{name}{i}.7" for name in "xyz" for i in range(30)))


def test_what_was_used_longest_ago_goes_first(folder: Path) -> None:
    """A bound of 2 MB: after a day the old half of the entries has been used again, and it is what stays."""
    day = 24 * 3600.0
    keep(folder, *((f"n{i}", bytes(10_000)) for i in range(100)))
    memo = Memo(folder, "me", most_bytes=1_500_000, clock=lambda: 1000 + 2 * day).open()

    async def work() -> None:
        assert 50 == len(memo.results_now([key(f"n{i}") for i in range(50)]))
        await memo.finish()
        await memo.keep([(key(f"m{i}"), bytes(10_000)) for i in range(60)])
        await memo.finish()

    anyio.run(work)
    memo.close()

    kept = found(folder, *(f"n{i}" for i in range(100)))
    assert 50 == sum(value is not None for value in kept[:50])
    assert sum(value is not None for value in kept[50:]) < 50
    assert None not in found(folder, *(f"m{i}" for i in range(60)))
    assert sum(10_100 for value in (*kept, *range(60)) if value is not None) <= 1_500_000


def test_files_of_forgotten_values_go(folder: Path) -> None:
    keep(folder, *((f"n{i}", bytes(LARGE)) for i in range(8)))
    memo = Memo(folder, "me", most_bytes=4 * LARGE, clock=lambda: 2000.0).open()
    memo.trim_now()
    memo.close()

    files = [path for path in (folder / "values").rglob("*") if path.is_file()]
    assert 0 < len(files) <= 4


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows beyond `size`: what a full disk does, for this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1000, LARGE], ids=["in rows", "in files"])
def test_a_full_disk_is_said_once_and_fails_nothing(folder: Path, size: int) -> None:
    keep(folder, ("a", b"kept"))
    memo = Memo(folder, "me", clock=lambda: 1000.0).open()

    async def work() -> None:
        for i in range(5):
            await memo.keep([(key(f"{i}.{j}"), os.urandom(size)) for j in range(200 if size < LARGE else 2)])
            await memo.finish()

    with largest_file(100_000):
        anyio.run(work)
        assert b"kept" == memo.results_now([key("a")])[key("a")]
        memo.close()

    assert ["U0930"] == [warning.code for warning in memo.warnings]
    assert "not kept" in memo.warnings[0].message
    assert [b"kept"] == found(folder, "a")


def test_a_folder_that_others_can_write_is_not_used(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    memo = Memo(folder, "me", clock=lambda: 1000.0).open()

    assert {} == memo.results_now([key("a")])
    assert "others can write it" in memo.warnings[0].message
    memo.close()


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    memo = keep(tmp_path / "cache", ("a", b"x"))

    assert ["U0930"] == [warning.code for warning in memo.warnings]
