"""Every code about test blocks has goldens: a source and the whole message that a person sees."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dandc.cache import Cache
from dandc.checking import check_file
from dandc.lang import render_terminal
from dandc.lang.codes import CODES

GOLDENS = Path(__file__).parent / "goldens"
PATHS = sorted(GOLDENS.glob("*.txt"))
SEPARATOR = "=== rendered ===\n"
FILE = "program.dnd"
OF_TESTS = {code for code in CODES if "C0430" <= code <= "C0449" or "T0340" <= code <= "T0349"}


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_message(
    path: Path, golden: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source gives the code that the file is named after and no other, rendered exactly so."""
    monkeypatch.chdir(tmp_path)
    written = path.read_text(encoding="utf-8").partition(SEPARATOR)[0]
    Path(FILE).write_text(written, encoding="utf-8")
    loaded, checked = check_file(Path(FILE), Cache(None))
    found = loaded.diagnostics + checked.diagnostics

    assert {path.stem[:5]} == {d.code for d in found}
    golden(path, written + SEPARATOR + render_terminal(found, loaded.sources, colour=False))


def test_every_code_has_a_golden() -> None:
    """No code of test blocks is without a golden."""
    assert OF_TESTS <= {path.stem[:5] for path in PATHS}


@pytest.mark.parametrize("code", sorted([*OF_TESTS, *(f"R075{n}" for n in range(6)), "U0915"]))
def test_explanation_is_prose(code: str) -> None:
    """`dandc explain` has whole sentences to say."""
    assert re.fullmatch(r"(?s)\S.{30,}\.", CODES[code].explanation)
