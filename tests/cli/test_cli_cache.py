"""The cache: damaged entries are made anew, several processes share it, and without one programs run as well."""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
function shout(text: str) => (loud: str) { emit loud <- f"{text}!"; }
function twice(text: str) => (more: str) { emit more <- f"{text}{text}"; }
composition main(text: str) => (out: str) { out = twice(shout(text)); }
"""


def run(line: Any, *more: str) -> Any:
    return line("run", "p.dnd", "-i", "text=a", *more)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, command_line: Any) -> Path:
    """A cache folder with the program in it and nothing else."""
    line = command_line(tmp_path_factory.mktemp("template"))
    line.write("p.dnd", PROGRAM)
    assert run(line).worked().out == b"a!a!"
    return Path(line.cache)


@pytest.fixture
def filled(cold: Any, template: Path) -> Any:
    cold.write("p.dnd", PROGRAM)
    shutil.copytree(template, cold.cache)
    return cold


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.is_file())


def test_the_folder_belongs_to_the_user_alone(filled: Any) -> None:
    assert stat.S_IMODE(filled.cache.stat().st_mode) == 0o700
    kinds = {path.name.partition("-")[0] for path in entries(filled.cache)}
    assert kinds == {"grammar", "program", "image"}
    assert [path for path in entries(filled.cache) if stat.S_IMODE(path.stat().st_mode) & 0o022] == []


@pytest.mark.parametrize("damage", ["empty", "shorter", "one bit", "rubbish", "longer", "a folder", "unreadable"])
@pytest.mark.parametrize("kind", ["program", "image", "grammar"])
def test_a_damaged_entry_is_made_anew(filled: Any, warm: Any, damage: str, kind: str) -> None:
    if kind != "grammar":  # the parser's tables are those of the process, which another process must read
        filled.warm = warm
    for path in entries(filled.cache):
        # A program that is whole would hide the images.
        if path.name.startswith("program") and kind != "program":
            path.unlink()
        elif path.name.startswith(kind):
            spoil(path, damage)
    finished = run(filled)
    assert (finished.status, finished.out) == (0, b"a!a!"), finished.err
    if damage == "a folder" and kind != "grammar":
        assert "warning[U0907]" in finished.err  # it is in the way of the new entry
    else:
        finished.worked()
    # What was made anew is whole: the next process has nothing to say about it.
    again = filled("check", "p.dnd") if kind == "grammar" else run(filled)
    assert (again.status, again.out) == (0, b"" if kind == "grammar" else b"a!a!"), again.err
    assert again.err.count("warning[U0907]") == finished.err.count("warning[U0907]")


def spoil(path: Path, damage: str) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    if damage == "a folder":
        path.unlink()
        path.mkdir()
        return
    if damage == "unreadable":
        path.chmod(0)
        return
    path.write_bytes(
        {
            "empty": b"",
            "shorter": data[:middle],
            "one bit": data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :],
            "rubbish": os.urandom(len(data)),
            "longer": data + b"\0",
        }[damage]
    )


def test_an_edit_is_seen(filled: Any) -> None:
    filled.write("p.dnd", PROGRAM.replace("!", "?"))
    assert run(filled).worked().out == b"a?a?"
    filled.write("p.dnd", PROGRAM)
    assert run(filled).worked().out == b"a!a!"


def test_an_edit_of_an_imported_file_is_seen(fresh: Any) -> None:
    fresh.write("lib.dnd", 'pub fn mark() -> str { return "!"; }\n')
    fresh.write(
        "p.dnd",
        'import "lib.dnd";\nfunction f(text: str) => (out: str) { emit out <- f"{text}{lib.mark()}"; }\n'
        "composition main(text: str) => (out: str) { out = f(text); }\n",
    )
    assert run(fresh).worked().out == b"a!"
    fresh.write("lib.dnd", 'pub fn mark() -> str { return "?"; }\n')
    assert run(fresh).worked().out == b"a?"
    (fresh.folder / "lib.dnd").unlink()
    assert run(fresh).codes()[0] == "M0501"


def test_several_processes_on_an_empty_cache(cold: Any) -> None:
    """All begin at once, compile the same program, and find one another's entries whole or not at all."""
    cold.write("p.dnd", PROGRAM)
    command = [*cold.command, "run", "p.dnd", "-i", "text=a"]
    started = [
        subprocess.Popen(command, cwd=cold.folder, env=cold.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(5)
    ]
    try:
        results = [process.communicate(timeout=50) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert [(process.returncode, out) for process, (out, _) in zip(started, results, strict=True)] == [(0, b"a!a!")] * 5
    assert [err for _, err in results if b"warning" in err or b"error" in err] == []
    assert [path.name for path in cold.cache.iterdir() if path.name.startswith(".") or path.name.endswith(".new")] == []
    assert run(cold).worked().out == b"a!a!"


def test_without_a_cache(cold: Any) -> None:
    cold.write("p.dnd", PROGRAM)
    assert run(cold, "--no-cache").worked().out == b"a!a!"
    assert not cold.cache.exists()


@pytest.mark.parametrize("obstacle", ["a file", "below a file", "writable by others", "/proc/nothing", "/dev/null"])
def test_a_cache_that_cannot_be_used_is_a_warning(cold: Any, warm: Any, obstacle: str) -> None:
    cold.write("p.dnd", PROGRAM)
    if obstacle not in {
        "a file",
        "writable by others",
    }:  # two are enough to see what the parser does without its tables
        cold.warm = warm
    if obstacle == "a file":
        cold.cache.write_bytes(b"mine")
    elif obstacle == "below a file":
        cold.environment["DANDC_CACHE"] = str(cold.write("file", b"mine") / "below")
    elif obstacle == "writable by others":
        cold.cache.mkdir()
        cold.cache.chmod(0o777)
    else:
        cold.environment["DANDC_CACHE"] = obstacle
    finished = run(cold)
    assert (finished.status, finished.out) == (0, b"a!a!"), finished.err
    assert finished.err.count("warning[U0907]") == 1
    assert "Traceback" not in finished.err
    if obstacle == "writable by others":
        assert list(cold.cache.iterdir()) == []


def test_a_home_that_is_not_there(cold: Any) -> None:
    cold.write("p.dnd", PROGRAM)
    variables = {"DANDC_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/proc/nothing"}
    cold.environment |= variables
    finished = run(cold)
    assert (finished.status, finished.out) == (0, b"a!a!"), finished.err
    assert "warning[U0907]" in finished.err


@pytest.mark.parametrize("size", ["4k", "64k", "128k"])
def test_a_full_disk_under_the_cache(cold: Any, size: str) -> None:
    """However far the entries get, the program runs and no half entry stays. Where nothing fits, a warning says so.

    The parser's tables are not missed: without them checking takes a tenth of a second longer.
    """
    prefix = mounting()
    cold.write("p.dnd", PROGRAM)
    cold.cache.mkdir(mode=0o700)
    command = f'mount -t tmpfs -o size={size},mode=700 none cache && {{ "$@"; s=$?; ls -A cache >left; exit $s; }}'
    finished = cold("run", "p.dnd", "-i", "text=a", wrapper=[*prefix, "sh", "-c", command, "sh"])
    assert (finished.status, finished.out) == (0, b"a!a!"), finished.err
    assert finished.err.count("warning[U0907]") == (size == "4k")
    assert "no space" in finished.err or size != "4k"
    left = (cold.folder / "left").read_text().split()
    assert [
        name for name in left if name.startswith(".") or not name.startswith(("grammar-", "program-", "image-"))
    ] == []


def mounting() -> list[str]:
    """A prefix under which mounts can be made that nobody else sees."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` here")
    prefix = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    tried = subprocess.run([*prefix, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this user may not mount anything here")
    return prefix
