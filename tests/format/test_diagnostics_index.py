"""`spec/diagnostics.md` says what the table of codes says."""

import subprocess
import sys
from pathlib import Path

from dandc.lang.codes import CODES

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "diagnostics_index.py"


def test_index_is_up_to_date() -> None:
    """A new or changed code comes with its row: run `python tools/diagnostics_index.py`."""
    assert 0 == subprocess.run([sys.executable, TOOL, "--check"], check=False).returncode


def test_every_code_has_one_row_and_one_section() -> None:
    text = (ROOT / "spec" / "diagnostics.md").read_text(encoding="utf-8")
    lines = text.split("\n")
    rows = [line.split("|") for line in lines if line.startswith("| [")]

    assert sorted(CODES) == sorted(row[1].split("]")[0].strip(" [") for row in rows)
    assert sorted(CODES) == sorted(line.removeprefix("### ") for line in lines if line.startswith("### "))
    assert {5} == {len(row) for row in rows}
    assert all(code.explanation in text for code in CODES.values())


def test_warnings_are_marked() -> None:
    """A cache that cannot be used is no error: the run goes on."""
    text = (ROOT / "spec" / "diagnostics.md").read_text(encoding="utf-8")

    assert "| [U0907](#u0907) | warning |" in text
    assert "| [U0906](#u0906) | error |" in text
