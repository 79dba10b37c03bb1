"""Every code of names, types, compositions and modules has goldens: a source and the whole message that a person sees.

A golden file holds the source, the line `=== rendered ===`, and the rendering. Further files of the program follow a line
`--- lib/x.dnd`; such programs are loaded from a folder.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import FILE, Program, program

from dandc.cache import Cache
from dandc.checking import check_file
from dandc.lang.codes import CODES
from dandc.lang.codes_program import COMPOSITIONS, MODULES, NAMES, TYPES

GOLDENS = Path(__file__).parent / "goldens"
PATHS = sorted(GOLDENS.glob("*.txt"))
SEPARATOR = "=== rendered ===\n"
FILE_LINE = re.compile(r"^--- (.*\.dnd)\n", re.MULTILINE)


def written(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition(SEPARATOR)[0]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Program]:
    """The program of a golden's source, from a folder if it has several files."""

    def from_text(text: str) -> Program:
        first, *rest = FILE_LINE.split(text)
        if not rest:
            return program(first)
        monkeypatch.chdir(tmp_path)
        for name, content in [(FILE, first), *zip(rest[::2], rest[1::2], strict=True)]:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(content, encoding="utf-8")
        loaded, checked = check_file(Path(FILE), Cache(None))
        return Program(loaded.sources, loaded.diagnostics + checked.diagnostics, checked)

    return from_text


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_message(path: Path, load: Callable[[str], Program], golden: Callable[[Path, str], None]) -> None:
    """The source gives the code that the file is named after and no other, rendered exactly so."""
    found = load(written(path))

    assert {path.stem[:5]} == set(found.codes)
    golden(path, written(path) + SEPARATOR + found.rendered())


def test_every_code_has_a_golden() -> None:
    """No code of these families is without a golden, and no golden is of another kind.

    Codes of test blocks have theirs beside the tests of test blocks.
    """
    of_test_blocks = {code for code in CODES if "C0430" <= code <= "C0449" or "T0340" <= code <= "T0349"}

    assert {*NAMES, *TYPES, *COMPOSITIONS, *MODULES} - of_test_blocks == {path.stem[:5] for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_certain_fixes_compile(path: Path, load: Callable[[str], Program]) -> None:
    """A fix that a tool may apply removes its diagnostic and brings no other."""
    text = written(path)
    found = load(text)
    for diagnostic in found.diagnostics:
        for fix in diagnostic.fixes:
            if fix.certain:
                assert fix.span.file == FILE
                mended = text[: fix.span.start] + fix.text + text[fix.span.end :]
                assert len(load(mended).diagnostics) == len(found.diagnostics) - 1, mended


@pytest.mark.parametrize("code", sorted({*NAMES, *TYPES, *COMPOSITIONS, *MODULES}))
def test_explanation_is_prose(code: str) -> None:
    """`dandc explain` has whole sentences to say."""
    assert re.fullmatch(r"(?s)\S.{30,}\.", CODES[code].explanation)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_form(path: Path, load: Callable[[str], Program]) -> None:
    """Messages and labels are matter of fact: they stand alone, end without a stop and name no compiler's insides."""
    for diagnostic in load(written(path)).diagnostics:
        texts = [diagnostic.message, diagnostic.label, *(label.text for label in diagnostic.secondary)]
        for text in texts:
            assert text
            assert not text.endswith(".")
            assert not re.search(r"\b(main|prelude)\.|InferVar|Basic\(|Named\(", text)
