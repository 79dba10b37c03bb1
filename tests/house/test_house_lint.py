"""The tree passes lint, formatting and the strict type checker."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def clean(*command: str) -> None:
    finished = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{' '.join(command)}\n{finished.stdout[-8000:]}{finished.stderr[-2000:]}"


@pytest.mark.slow
def test_lint_finds_nothing() -> None:
    clean("-m", "ruff", "check", "--no-cache", "--output-format=concise", ".")


@pytest.mark.slow
def test_everything_is_formatted() -> None:
    clean("-m", "ruff", "format", "--no-cache", "--check", "--quiet", ".")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_types_hold() -> None:
    clean("tools/typecheck.py")


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("compiler", "import os"),
        ("compiler", "from pathlib import Path"),
        ("compiler", "from dandc.vm import run"),
        ("lang", "import time"),
        ("lang", "import dandc.compiler.flow"),
        ("vm", "import lark"),
        ("vm", "from dandc.api import compile"),
        ("isolation", "from dandc.vm import run"),
        ("stdlib", "import llvmlite.binding"),
    ],
)
def test_lint_holds_the_walls(room: str, statement: str) -> None:
    """A forbidden import in a room is a finding, so a room cannot lose its configuration unnoticed."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select=TID251",
        f"--stdin-filename={room}/new.py",
        "-",
    ]
    finished = subprocess.run(command, cwd=ROOT, input=f"{statement}\n", capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert "TID251" in finished.stdout
