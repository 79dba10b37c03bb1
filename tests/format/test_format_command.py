"""`dandc fmt` as a process: files in place, folders, standard input, `--check` and `--diff`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from warm import Warm

UGLY = "fn  f( ) = 1 ; // c\n"
PRETTY = "fn f() = 1;  // c\n"


Fmt = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def fmt(warm: Warm | None) -> Fmt:
    """`fmt(*arguments, stdin=...)` is `dandc fmt`."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        given = ["fmt", *map(str, arguments)]
        if warm is not None:
            return subprocess.CompletedProcess(given, *warm.run(given, Path.cwd(), dict(os.environ), given=stdin))
        command = [sys.executable, "-P", "-m", "dandc", *given]
        return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=50)

    return run


def test_files_are_rewritten_only_if_they_change(tmp_path: Path, fmt: Fmt) -> None:
    """An unformatted file is replaced and keeps its permissions; a formatted one is not touched."""
    ugly, pretty = tmp_path / "ugly.dnd", tmp_path / "pretty.dnd"
    ugly.write_text(UGLY)
    ugly.chmod(0o640)
    pretty.write_text(PRETTY)
    before = pretty.stat()
    done = fmt(ugly, pretty)

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    assert PRETTY == ugly.read_text()
    assert 0o640 == ugly.stat().st_mode & 0o777
    assert (before.st_ino, before.st_mtime_ns) == (pretty.stat().st_ino, pretty.stat().st_mtime_ns)
    assert ["pretty.dnd", "ugly.dnd"] == sorted(os.listdir(tmp_path))


def test_check_lists_and_writes_nothing(tmp_path: Path, fmt: Fmt) -> None:
    """A folder is walked for .dnd files, hidden folders left out; the status says whether something would change."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.dnd", "sub/a.dnd", ".hidden/c.dnd", "other.txt"):
        (tmp_path / name).write_text(UGLY)
    (tmp_path / "fine.dnd").write_text(PRETTY)
    done = fmt("--check", tmp_path)

    assert (1, b"") == (done.returncode, done.stderr)
    assert [str(tmp_path / "b.dnd"), str(tmp_path / "sub" / "a.dnd")] == done.stdout.decode().splitlines()
    assert UGLY == (tmp_path / "b.dnd").read_text()
    assert 0 == fmt("--check", tmp_path / "fine.dnd").returncode


def test_diff_shows_and_writes_nothing(tmp_path: Path, fmt: Fmt) -> None:
    """A unified diff; with `--check` the status says that there is one."""
    file = tmp_path / "a.dnd"
    file.write_text(UGLY)
    done, checked = fmt("--diff", file), fmt("--diff", "--check", file)

    assert (0, 1) == (done.returncode, checked.returncode)
    assert done.stdout == checked.stdout
    assert [f"-{UGLY}".rstrip(), f"+{PRETTY}".rstrip()] == done.stdout.decode().splitlines()[-2:]
    assert UGLY == file.read_text()


@pytest.mark.parametrize(
    "written", [UGLY.encode(), b"\xef\xbb\xbf" + PRETTY.encode(), PRETTY.replace("\n", "\r\n").encode()]
)
def test_standard_input(written: bytes, fmt: Fmt) -> None:
    """`-` reads standard input and writes to standard output: UTF-8 without a byte order mark, lines end with LF."""
    done = fmt("-", stdin=written)

    assert (0, PRETTY.encode(), b"") == (done.returncode, done.stdout, done.stderr)
    assert 1 == fmt("--check", "-", stdin=written).returncode


def test_a_line_end_is_a_change_too(tmp_path: Path, fmt: Fmt) -> None:
    """What a diff of lines cannot show is said in words."""
    file = tmp_path / "a.dnd"
    file.write_bytes(PRETTY.encode().rstrip(b"\n"))
    done = fmt("--diff", "--check", file)

    assert 1 == done.returncode
    assert b"a.dnd: only its last line or its encoding would change\n" in done.stdout


def test_mistakes_cost_their_file_only(tmp_path: Path, fmt: Fmt) -> None:
    """A file that does not parse is shown and left alone; the others are formatted."""
    wrong, ugly, binary = tmp_path / "a.dnd", tmp_path / "b.dnd", tmp_path / "c.dnd"
    wrong.write_text("fn f( {")
    ugly.write_text(UGLY)
    binary.write_bytes(b"\xff\0")
    done = fmt(wrong, ugly, binary, tmp_path / "missing.dnd")
    errors = done.stderr.decode()

    assert (1, b"") == (done.returncode, done.stdout)
    assert PRETTY == ugly.read_text()
    assert "fn f( {" == wrong.read_text()
    assert all(part in errors for part in ("error[P", "error[U0902]", "error[U0901]", "fn f( {")), errors
    assert "Traceback" not in errors


def test_bad_standard_input(fmt: Fmt) -> None:
    """Bytes that are no text are refused with a code."""
    done = fmt("-", stdin=b"\xff")

    assert (1, b"") == (done.returncode, done.stdout)
    assert b"U0902" in done.stderr


def test_symbolic_links_stay(tmp_path: Path, fmt: Fmt) -> None:
    """The file behind a link is replaced, not the link."""
    (tmp_path / "real.dnd").write_text(UGLY)
    (tmp_path / "link.dnd").symlink_to("real.dnd")

    assert 0 == fmt(tmp_path / "link.dnd").returncode
    assert (tmp_path / "link.dnd").is_symlink()
    assert PRETTY == (tmp_path / "real.dnd").read_text()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The disk takes nothing: the file stays as it was, nothing is left beside it, and the reason is shown."""
    file = tmp_path / "a.dnd"
    file.write_text(UGLY)
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); sys.argv = sys.argv[1:]; "
    )
    command = [
        sys.executable,
        "-P",
        "-c",
        limited + "runpy.run_module('dandc', run_name='__main__')",
        "dandc",
        "fmt",
        file,
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=50)

    assert 1 == done.returncode
    assert b"U0906" in done.stderr
    assert UGLY == file.read_text()
    assert ["a.dnd"] == os.listdir(tmp_path)


def test_wrong_use(fmt: Fmt) -> None:
    """Without files there is nothing to do: wrong use."""
    assert 2 == fmt().returncode
