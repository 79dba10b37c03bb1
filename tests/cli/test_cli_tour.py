"""The tour: its programs are formatted, and every command on the page answers as the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dandc.lang import Source
from dandc.lang.format import format_source

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
BLOCK = re.compile(r"(?:^`([\w.-]+)`:\n\n)?^```(dnd|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(TOUR.read_text(encoding="utf-8"))
PROGRAMS = {name: text for name, kind, text in BLOCKS if kind == "dnd"}
TIME = re.compile(r"  \(\d+ ms\)$", re.MULTILINE)


def sessions() -> list[tuple[str, str]]:
    """Every command of the page with what it answers."""
    found = []
    for _, kind, text in BLOCKS:
        if kind == "console":
            found += [(c, a) for c, _, a in (part.partition("\n") for part in text.split("$ ")[1:])]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs of the page, and `dandc` to be found."""
    root = tmp_path_factory.mktemp("tour")
    for name, text in PROGRAMS.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "bin").mkdir()
    script = root / "bin" / "dandc"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m dandc "$@"\n')
    script.chmod(0o755)
    return root


def test_every_program_has_a_name_and_the_style() -> None:
    for name, text in PROGRAMS.items():
        assert name.endswith(".dnd")
        assert format_source(Source(name, text)) == text


@pytest.mark.parametrize(("command", "answer"), sessions(), ids=lambda text: text[:40])
def test_command(command: str, answer: str, folder: Path) -> None:
    """Standard output, then standard error, whatever the times of tests."""
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "DANDC_CACHE": str(folder / "cache"),
        "DANDC_DEBUG": "",
    }
    finished = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, check=False, timeout=55, text=True
    )
    shown = "\n".join(part.rstrip("\n") for part in (finished.stdout, finished.stderr) if part)

    # The page shows a time wherever the command does, and not which.
    assert TIME.sub("  (n ms)", shown).strip("\n") == TIME.sub("  (n ms)", answer).rstrip("\n")
