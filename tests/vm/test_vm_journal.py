"""The journal as a file: whole or not there, locked, checked, and what of it survives a process that dies."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from attrs import evolve

from dandc.vm import journal as journal_module
from dandc.vm.decisive import Failing
from dandc.vm.drivers import EndpointAddress
from dandc.vm.items import ItemSet
from dandc.vm.journal import Head, Journal, JournalError, create_journal, open_journal, read_journal

INPUT = ItemSet([b"k1", b"k2"], ["a", ""], [b"one", bytes(100_000)])


def head(graph: str = "main.main") -> Head:
    return Head(
        b"a bundle", "main.dnd", {"main.dnd": "text", "lib/ö.dnd": "x"}, graph, "0.1 abc", True, {"n": b"\1\2"},
        (EndpointAddress("service", "http", "http://127.0.0.1:1"),), ("secret:token",),
        {"xs": INPUT, "none": ItemSet([], [], [])},
    )  # fmt: skip


def refused(work: Callable[[], object]) -> list[str]:
    """The codes with which something is refused."""
    with pytest.raises(JournalError) as caught:
        work()
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def finished(path: Path) -> Path:
    """A journal of a run that gave its output."""
    journal = create_journal(path, head())
    anyio.run(journal.add_pure, [(bytes(32), b"result")])
    journal.add_answer(b"call", "http.fetch", "a", b"answer")
    anyio.run(journal.commit)
    journal.end("finished", {"out": INPUT}, None, {"f": {"ran": 1}})
    journal.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.journal"


def same_set(a: ItemSet, b: ItemSet) -> bool:
    return (list(a.keys), list(a.names), list(a.values)) == (list(b.keys), list(b.names), list(b.values))


def test_what_was_written_is_read(path: Path) -> None:
    """Everything of the head, results, answers, outputs and stories, and the file stands alone."""
    journal = read_journal(finished(path))

    want, have = head(), journal.head
    assert (want.program, want.root, want.sources, want.graph, want.compiler) == (
        have.program, have.root, have.sources, have.graph, have.compiler,
    )  # fmt: skip
    assert (want.configs, want.endpoints, want.secrets) == (have.configs, have.endpoints, have.secrets)
    assert same_set(INPUT, have.inputs["xs"])
    assert 0 == len(have.inputs["none"])
    assert "finished" == journal.status
    assert {bytes(32): b"result"} == journal.results_now([bytes(32), b"x" * 32])
    assert (True, b"answer") == anyio.run(journal.answer, b"call")
    assert (False, None) == anyio.run(journal.answer, b"other")
    assert same_set(INPUT, journal.outputs_now()["out"])
    assert {"f": {"ran": 1}} == journal.nodes_now()
    journal.close()
    assert [path] == list(path.parent.iterdir())


def test_a_journal_is_never_overwritten(path: Path) -> None:
    before = finished(path).read_bytes()

    assert ["R0784"] == refused(lambda: create_journal(path, head("main.other")))
    assert before == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("made", ["file", "folder", "link"])
def test_whatever_has_the_name_stays(path: Path, made: str) -> None:
    {"file": lambda: path.write_text(""), "folder": path.mkdir, "link": lambda: path.symlink_to("nowhere")}[made]()

    assert ["R0784"] == refused(lambda: create_journal(path, head()))


def test_one_run_at_a_time(path: Path) -> None:
    """The second is refused, in this process and in another, to write as to read; afterwards it is free again."""
    journal = create_journal(path, head())
    other = f"from pathlib import Path; from dandc.vm.journal import *; open_journal(Path({str(path)!r}))"

    assert ["R0782"] == refused(lambda: open_journal(path))
    assert ["R0782"] == refused(lambda: read_journal(path))
    failed = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=False)
    assert "JournalError: R0782" in failed.stderr
    journal.close()
    open_journal(path).close()


def test_finished_journals_are_read_by_many(path: Path) -> None:
    finished(path)
    first, second = read_journal(path), read_journal(path)
    assert first.outputs_now().keys() == second.outputs_now().keys()
    first.close()
    second.close()


def test_a_journal_of_another_version_is_said(path: Path) -> None:
    finished(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()

    assert ["R0781"] == refused(lambda: read_journal(path))
    assert ["R0781"] == refused(lambda: open_journal(path))


@pytest.mark.parametrize(
    "content", [b"", b"text", bytes(5000), "database"], ids=["empty", "text", "zeros", "another database"]
)
def test_other_files_are_no_journals_and_stay_as_they_are(path: Path, content: bytes | str) -> None:
    if isinstance(content, str):
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    assert ["R0780"] == refused(lambda: read_journal(path))
    assert ["R0780"] == refused(lambda: open_journal(path))
    assert before == path.read_bytes()


def test_a_file_that_is_not_there(path: Path) -> None:
    assert ["R0780"] == refused(lambda: read_journal(path))
    assert [] == list(path.parent.iterdir())


def test_what_is_no_file_is_named(path: Path) -> None:
    path.mkdir()
    for place, what in ((path, "it is a folder"), (Path("/dev/null"), "it is no ordinary file")):
        with pytest.raises(JournalError, match=what):
            read_journal(place)
    with pytest.raises(JournalError, match="there is a folder"):
        create_journal(path, head())


def test_a_name_need_not_be_text(tmp_path: Path) -> None:
    """Names of files are bytes, and some of them mean something in addresses of databases."""
    path = tmp_path / os.fsdecode(b"new\nline \xff?mode=ro#%41.j")
    assert finished(path)
    journal = read_journal(path)
    assert "finished" == journal.status
    journal.close()
    assert [path] == list(tmp_path.iterdir())


def use(journal: Journal) -> None:
    """Read everything."""
    journal.results_now([bytes(32)])
    anyio.run(journal.answer, b"call")
    journal.outputs_now()
    journal.nodes_now()
    journal.failure_now()
    journal.tally_now()


def test_no_damage_goes_unnoticed_or_breaks_the_reader(path: Path) -> None:
    """Bytes changed all over the file, and the file cut at many places: an error of a journal, or the very same contents."""
    whole = finished(path).read_bytes()
    copy = path.with_name("copy")
    damaged = [whole[:cut] for cut in range(0, len(whole), len(whole) // 20)]
    damaged += [
        whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :] for at in range(16, len(whole), len(whole) // 60)
    ]
    codes = [code for content in damaged for code in codes_of(copy, content)]

    assert {"R0780"} == set(codes)
    assert len(codes) > len(damaged) // 2


def codes_of(path: Path, content: bytes) -> list[str]:
    """What reading everything is refused with; what can be read is what was written."""
    path.write_bytes(content)
    try:
        journal = read_journal(path)
        try:
            use(journal)
            assert same_set(INPUT, journal.head.inputs["xs"])
            assert same_set(INPUT, journal.outputs_now()["out"])
        finally:
            journal.close()
    except JournalError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert ["R0783"] == refused(lambda: create_journal(tmp_path / "none" / "j", head()))
    assert ["R0783"] == refused(lambda: create_journal(Path("/proc/j"), head()))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows beyond `size`: what a full disk does, for this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_at_the_start_leaves_nothing(path: Path) -> None:
    with largest_file(20_000):
        assert ["R0783"] == refused(lambda: create_journal(path, head()))
    assert [] == list(path.parent.iterdir())


def test_what_is_too_large_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the database is a gigabyte; here it is 200,000 bytes."""
    monkeypatch.setattr(journal_module, "_MOST_BYTES", 200_000)
    large = ItemSet([None, None], ["", "b/c"], [b"", bytes(200_001)])
    with pytest.raises(JournalError, match=r"the item `b/c` of the input `xs` has 200,001 bytes"):
        create_journal(path, evolve(head(), inputs={"xs": large}))
    assert [] == list(path.parent.iterdir())

    journal = create_journal(path, head())
    with pytest.raises(JournalError, match=r"the answer of `fetch` for `#3` has 200,002 bytes"):
        journal.add_answer(b"call", "fetch", "#3", bytes(200_002))
    with pytest.raises(JournalError, match=r"the item of the output `y` has 200,001 bytes"):
        journal.end("finished", {"y": ItemSet([None], [""], [bytes(200_001)])}, None, {})
    journal.close()


def test_a_full_disk_later_is_an_error_and_keeps_what_was_acknowledged(path: Path) -> None:
    journal = create_journal(path, head())
    journal.add_answer(b"first", "n", "", b"answer")
    anyio.run(journal.commit)

    async def fill() -> None:
        for i in range(200):
            journal.add_answer(b"%d" % i, "n", "", os.urandom(10_000))
            await journal.commit()

    with largest_file(path.stat().st_size + 300_000):
        assert ["R0783"] == refused(lambda: anyio.run(fill))
        journal.close()
    again = open_journal(path)
    assert (True, b"answer") == anyio.run(again.answer, b"first")
    assert "running" == again.status
    again.close()


DYING = """
import sys, anyio
from pathlib import Path
sys.path.insert(0, {folder!r})
from dandc.vm.journal import open_journal
journal = open_journal(Path({path!r}))
async def work():
    for i in range(100_000):
        journal.add_answer(b"%d" % i, "n", "", b"answer %d" % i)
        await journal.commit(durable=i % 7 == 0)
        print(i, flush=True)
anyio.run(work)
"""


def test_a_process_that_dies_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """It says each row that is written, and is killed in the midst; all that it said is there, and the journal is free."""
    create_journal(path, head()).close()
    command = [sys.executable, "-c", DYING.format(folder=str(Path(__file__).parent), path=str(path))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    finally:
        process.kill()
        process.communicate()
    last = max(int(line) for line in said if line.endswith("\n"))

    journal = read_journal(path)
    known, begun = journal.tally_now()["n"]
    journal.close()
    assert last + 1 <= known <= last + 2  # one more may have been written than was said
    assert 0 == begun
    journal = open_journal(path)
    assert (True, b"answer %d" % last) == anyio.run(journal.answer, b"%d" % last)
    journal.close()


def test_a_journal_that_was_let_go_is_one_file(path: Path) -> None:
    """A run that was interrupted, not killed: nothing lies beside the journal, and whoever may only read can read it."""
    journal = create_journal(path, head())
    journal.add_answer(b"call", "n", "", b"answer")
    anyio.run(journal.commit)
    journal.close()

    assert [path] == list(path.parent.iterdir())
    read = read_journal(path)
    assert (True, b"answer") == anyio.run(read.answer, b"call")
    read.close()
    assert [path] == list(path.parent.iterdir())


def test_a_run_without_effects_is_begun_again(path: Path) -> None:
    """`begin` puts another program in place of the first, and what was answered stays."""
    journal = create_journal(path, head())
    journal.add_answer(b"call", "n", "", b"answer")
    anyio.run(journal.commit)
    journal.end("failed", {}, Failing("fail", "m", "n", ""), {})
    journal.close()

    journal = open_journal(path)
    assert "failed" == journal.status
    assert Failing("fail", "m", "n", "") == journal.failure_now()
    journal.begin(head("main.second"))
    journal.close()

    journal = open_journal(path)
    assert ("main.second", "running") == (journal.head.graph, journal.status)
    assert (True, b"answer") == anyio.run(journal.answer, b"call")
    journal.close()
