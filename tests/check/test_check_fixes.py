"""A fix that a tool may apply is right: what stands there afterwards is no mistake of another kind.

Goldens of names, types and compositions have their own such test, and so has what the parser says; here the whole checker
looks at what the fix of a lexical or syntactic mistake left. What a golden's program lacks elsewhere was lacking before.
"""

from pathlib import Path

import pytest
from programs import program

from dandc.lang import Source, parse
from dandc.lang.diagnostics import Diagnostic

GOLDENS = Path(__file__).parent.parent / "lang" / "goldens"
SEPARATOR = "=== rendered ===\n"


def sources() -> list[tuple[str, str]]:
    """The texts of the goldens that have a certain fix."""
    texts = {path.stem: path.read_text(encoding="utf-8").partition(SEPARATOR)[0] for path in GOLDENS.glob("*.txt")}
    readable = {name: text for name, text in texts.items() if "«" not in text}
    return sorted((n, t) for n, t in readable.items() if any(f.certain for d in said(t) for f in d.fixes))


def said(text: str) -> tuple[Diagnostic, ...]:
    return parse(Source("program.dnd", text)).diagnostics


def on_line(diagnostics: tuple[Diagnostic, ...], text: str, line: int) -> set[tuple[str, str]]:
    """Code and message of what is said about one line."""
    at = [(d, text.count("\n", 0, d.span.start)) for d in diagnostics if d.span and d.span.file == "program.dnd"]
    return {(d.code, d.message) for d, where in at if where == line}


@pytest.mark.parametrize(("name", "text"), sources(), ids=lambda value: value if "\n" not in value else "")
def test_a_certain_fix_leaves_nothing_wrong(name: str, text: str) -> None:
    before = program(text).diagnostics
    for fix in (f for d in said(text) for f in d.fixes if f.certain):
        mended = text[: fix.span.start] + fix.text + text[fix.span.end :]
        line = text.count("\n", 0, fix.span.start)
        after = program(mended).diagnostics

        assert on_line(after, mended, line) <= on_line(before, text, line), mended
