"""Diagnostics as text: windows, widths, colours, and nothing that a terminal would obey."""

import json
import re

import pytest

from dandc.lang import Diagnostic, Fix, Label, Source, Span, parse, render_json, render_terminal


def one(start: int, end: int, **more: object) -> Diagnostic:
    return Diagnostic("P0101", "message", Span("a.dnd", start, end), "here", **more)  # type: ignore[arg-type]


def render(text: str, *diagnostics: Diagnostic, width: int = 100) -> list[str]:
    return render_terminal(diagnostics, {"a.dnd": Source("a.dnd", text)}, width=width, colour=False).split("\n")


def test_window_has_everything() -> None:
    """Header, place, marked lines with what is between, other file, notes, fix and the way to the explanation."""
    text = "aaa\nbbb\nccc\n" + "x\n" * 9 + "last\n"
    diagnostic = one(
        8,
        11,
        secondary=(
            Label(Span("a.dnd", 0, 3), "because"),
            Label(Span("a.dnd", 30, 34), "far"),
            Label(Span("b.dnd", 2, 4), "there"),
        ),
        notes=("a note:\n    i64",),
        fixes=(Fix("write it", Span("a.dnd", 9, 10), "XY"),),
    )
    sources = {"a.dnd": Source("a.dnd", text), "b.dnd": Source("b.dnd", "fn f")}

    assert """\
error[P0101]: message
  --> a.dnd:3:1
   |
 1 | aaa
   | --- because
 2 | bbb
 3 | ccc
   | ^^^ here
...
13 | last
   | ---- far
   |
  --> b.dnd:1:3
   |
 1 | fn f
   |   -- there
   |
   = note: a note:
               i64
   = fix: write it
   |
 3 | cXYc
   |  ++
   = explain: dandc explain P0101
""" == render_terminal([diagnostic], sources, colour=False)


def test_wide_characters_and_tabs_are_measured() -> None:
    """The marks stand under what they mean, whatever is before it on the line."""
    text = "\t界é e\u0301 = ?"
    at = text.index("?")
    lines = render(text, one(at, at + 1))

    assert "1 |     界é e\u0301 = ?" == lines[3]
    # Gutter, tab, a wide character, and an accent that takes a place in the text but no column.
    assert lines[4].index("^") == 4 + 4 + 2 + 1 + 1 + 1 + 3


def test_control_characters_are_shown_never_sent() -> None:
    """Source, labels, messages, notes, file names and fixes cannot command the terminal."""
    evil = "\x1b[2J\x07\u202e\x9b"
    text = f"let {evil} = 1"
    span = Span(evil, 4, 4 + len(evil))
    diagnostic = Diagnostic("P0101", evil, span, evil, (Label(span, evil),), (evil,), (Fix(evil, span, evil),))
    shown = render_terminal([diagnostic], {evil: Source(evil, text)}, colour=False)

    assert "\\u{1b}[2J\\u{7}\\u{202e}\\u{9b}" in shown
    assert all(c == "\n" or c.isprintable() for c in shown)


@pytest.mark.parametrize("at", [0, 500, 5_000, 9_998])
def test_long_lines_show_the_part_that_matters(at: int) -> None:
    """No row is wider than the terminal, and the mark stands under the marked text."""
    text = "".join(chr(ord("a") + i % 26) for i in range(10_000))
    lines = render(text, one(at, at + 2), width=60)
    source, mark = lines[3], lines[4]
    column = mark.index("^")

    assert max(map(len, lines)) <= 60
    assert text[at : at + 2] == source[column : column + 2]


def test_long_label_goes_below() -> None:
    """A label that does not fit beside its marks is wrapped under them."""
    text = " " * 50 + "x"
    diagnostic = Diagnostic("P0101", "m " * 60, Span("a.dnd", 50, 51), "label " * 12)
    lines = render(text, diagnostic, width=70)

    assert max(map(len, lines)) <= 70
    assert 12 == "\n".join(lines).count("label")


def test_span_of_several_lines_marks_the_first() -> None:
    """Only the first line of a long span is marked, to its end."""
    text = "ab {\n  c\n}\n"

    assert ["1 | ab {", "  |    ^ here"] == render(text, one(3, 10))[3:5]


def test_places_at_the_very_end() -> None:
    """Empty text, the end of the text, and offsets beyond it have a place."""
    assert " --> a.dnd:1:1" == render("", one(0, 0))[1]
    assert " --> a.dnd:2:1" == render("ab\n", one(3, 3))[1]
    assert " --> a.dnd:1:3" == render("ab", one(99, 120))[1]


def test_without_place_or_source() -> None:
    """A diagnostic about no place has no window; an unknown file is named all the same."""
    nowhere = Diagnostic("P0101", "message", None)
    unknown = Diagnostic("P0101", "message", Span("other.dnd", 3, 4), "label")

    assert "error[P0101]: message\n  = explain: dandc explain P0101\n" == render_terminal([nowhere], {}, colour=False)
    assert " --> other.dnd\n" in render_terminal([unknown], {}, colour=False)


def test_at_most_twenty_a_file() -> None:
    """The rest of a file is counted; another file still has its turn."""
    first = [Diagnostic("P0101", f"m{i}", Span("a.dnd", 0, 1)) for i in range(33)]
    shown = render_terminal([*first, Diagnostic("P0101", "other", Span("b.dnd", 0, 1))], {}, colour=False)

    assert 21 == len(re.findall(r"^error\[", shown, re.MULTILINE))
    assert shown.endswith("... and 13 more in a.dnd\n")
    assert "other" in shown


def test_colour_only_adds_sequences() -> None:
    """Without its colour sequences, coloured text is the plain text."""
    source = Source("a.dnd", "fn f() { let a = (1 + 2]; i++ }")
    found = parse(source).diagnostics
    plain = render_terminal(found, {"a.dnd": source}, colour=False)
    coloured = render_terminal(found, {"a.dnd": source}, colour=True)

    assert plain != coloured
    assert plain == re.sub(r" +$", "", re.sub(r"\x1b\[[0-9;]*m", "", coloured), flags=re.MULTILINE)


def test_json_has_one_object_a_line() -> None:
    """The same value for machines: places as line, column and offset, all text escaped to ASCII."""
    text = 'fn f() {\n    let é = "\x1b"\n    g();\n}\n'
    source = Source("a.dnd", text)
    shown = render_json(parse(source).diagnostics, {"a.dnd": source})
    rows = [json.loads(line) for line in shown.splitlines()]

    assert shown.isascii()
    assert "\x1b" not in shown
    assert ["L0007", "L0008"] == [row["code"] for row in rows]
    assert {"line": 2, "column": 9, "offset": 17} == rows[0]["range"]["start"]
    assert {
        "code", "severity", "title", "message", "file", "range", "label", "secondary", "notes", "fixes",
    } == set(rows[0])  # fmt: skip
    assert {"message", "file", "range", "text", "certain"} == set(rows[1]["fixes"][0])


def test_json_without_place() -> None:
    """A diagnostic about no place has null for it."""
    row = json.loads(render_json([Diagnostic("P0121", "message", None)], {}))

    assert (None, None, "Too many mistakes") == (row["file"], row["range"], row["title"])
