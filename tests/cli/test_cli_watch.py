"""`dandc check --watch`: a real process that sees edits of a real file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

GOOD = "fn f(x: i64) -> i64 = x + 1;\nfn g(x: i64) -> i64 = x;\n"


def test_edits_are_seen(tmp_path: Path) -> None:
    """Each change gives one line with the number of mistakes; Ctrl-C ends it."""
    file = tmp_path / "w.dnd"
    file.write_text(GOOD)
    command = [sys.executable, "-m", "dandc", "check", "--watch", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stdout is not None
        assert "0 mistakes" in process.stdout.readline()
        replace(file, GOOD.replace("x + 1", "x + true"))
        assert "1 mistake " in process.stdout.readline()
        replace(file, "import json;\n" + GOOD)
        assert "0 mistakes" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert 130 == process.returncode
        assert 1 == errors.count("error[")
        assert "error[T0301]" in errors
    finally:
        process.kill()
        process.communicate()


def replace(file: Path, text: str) -> None:
    """As editors save: a new file in the place of the old."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, file)


def test_one_file_at_a_time() -> None:
    """Several files are wrong use."""
    done = subprocess.run(
        [sys.executable, "-m", "dandc", "check", "--watch", "a.dnd", "b.dnd"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 2 == done.returncode
    assert "U0911" in done.stderr
