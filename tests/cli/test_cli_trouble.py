"""The host in trouble: a disk that is really full, and a clock that jumps. Typed errors, nothing half-written, no wrong waits."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dandc as api

PROGRAM = """
function same(data: bytes) => (same: bytes) = data;
function spin(x: i64) => (y: i64) { var n = 0; if x == 250 { while true { n = (n + 1) % 7; } } emit y <- x; }
composition main(data: bytes) => (same: bytes) { same = same(data); }
composition stuck(xs: set[i64]) => (ys: set[i64], failed: set[Failure]) {
    ys = spin(each xs) timeout 200ms on failure collect into failed;
}
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 1 MiB, where this process may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_full_disk(dandc: Any, small: Path) -> None:
    """Outputs, journals and bundles are errors that leave nothing; what was there stays; a cache is only said."""
    program = dandc.write("p.dnd", PROGRAM)
    (dandc.folder / "large").write_bytes(os.urandom(2 << 20))
    run = ("run", program, "main", "-i", "data=@large")
    (small / "old").mkdir()
    (small / "old" / "keep").write_text("old")

    dandc(*run, "--out", small / "new").failed("U0906")
    dandc(*run, "--out", small / "old").failed("U0906")
    dandc(*run, "--record", small / "run.journal").failed("R0783")
    assert ["old", "old/keep"] == names(small)
    cached = dandc(*run, "--cache", small / "results", "--json")
    assert 0 == cached.status
    assert 1 == cached.err.count("warning[U0930]")
    disk = os.statvfs(small)
    (small / "fill").write_bytes(bytes(disk.f_bavail * disk.f_frsize - (16 << 10)))
    dandc("build", program, "-o", small / "p.dndb").failed("U0906")
    assert not [name for name in names(small) if "dndb" in name]


def test_a_clock_that_jumps(dandc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day goes to and fro by years at every look: limits, caches and journals do as ever."""
    path = dandc.write("p.dnd", PROGRAM)
    program = api.compile(path, cache=None)
    inputs = {"xs": list(range(240, 260))}
    quiet = program.run("stuck", inputs)
    jumps = itertools.cycle((0.0, 1e9, 3e9, 5.0, 2e9))
    monkeypatch.setattr(time, "time", lambda: next(jumps))

    started = time.monotonic()
    for options in (
        {},
        {"cache": dandc.folder / "results"},
        {"cache": dandc.folder / "results", "record": dandc.folder / "j"},
    ):
        assert quiet.outputs == program.run("stuck", inputs, **options).outputs
    assert quiet.outputs == api.replay(dandc.folder / "j").outputs
    assert time.monotonic() - started < 50
    assert [
        "limit.wall" in json.dumps(item.value) or "limit.cpu" in json.dumps(item.value) for item in quiet["failed"]
    ] == [True]
    assert [n for n in range(240, 260) if n != 250] == [item.value for item in quiet["ys"]]
