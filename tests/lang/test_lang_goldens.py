"""Every diagnostic code has a golden: a source text and the whole message that a person sees.

A golden file holds the source, the line `=== rendered ===`, and the rendering. In the source `«U+202E»` stands for
that character and `«3 times:x»` for three `x`, with `¶` for the end of a line, so that the files can be read.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dandc.lang import Source, parse, render_terminal
from dandc.lang.codes import CODES

GOLDENS = Path(__file__).parent / "goldens"
SEPARATOR = "=== rendered ===\n"


def expand(text: str) -> str:
    text = re.sub(r"«U\+([0-9A-F]{4})»", lambda m: chr(int(m[1], 16)), text)
    return re.sub(r"«(\d+) times:(.*?)»", lambda m: m[2].replace("¶", "\n") * int(m[1]), text)


@pytest.mark.parametrize("path", sorted(GOLDENS.glob("*.txt")), ids=lambda p: p.stem)
def test_message(path: Path, golden: Callable[[Path, str], None]) -> None:
    """The source gives the code that the file is named after, and is rendered exactly so."""
    written, _, _ = path.read_text(encoding="utf-8").partition(SEPARATOR)
    source = Source("program.dnd", expand(written))
    result = parse(source)

    assert path.stem[:5] in {d.code for d in result.diagnostics}
    rendered = render_terminal(result.diagnostics, {source.file: source}, colour=False)
    golden(path, written + SEPARATOR + rendered)


def test_every_code_has_a_golden() -> None:
    """No lexical or syntactic code is without a golden, and no golden is of another kind."""
    expected = {code for code in CODES if code[0] in "LP"}

    assert expected == {path.stem[:5] for path in GOLDENS.glob("*.txt")}


@pytest.mark.parametrize("code", sorted(code for code in CODES if code[0] in "LP"))
def test_explanation_has_prose_and_an_example(code: str) -> None:
    """`dandc explain` has at least a sentence and one indented line of code to show."""
    prose, _, example = CODES[code].explanation.partition("\n\n")

    assert prose.endswith(".")
    assert example.startswith("    ")
    assert CODES[code].title[0].isupper() or CODES[code].title[0] == "`"
