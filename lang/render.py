r"""Diagnostics to text: for a terminal, or one JSON object a line for machines. Pure: returns text, prints nothing.

Everything that comes out of a source is hostile: control characters, escape sequences and characters that turn the
reading direction are shown as `\u{1b}` and never sent as they are. Columns are measured as a terminal shows them (wide
characters take two), tabs are expanded, and of a very long line only the part round the mistake is shown.
"""

import json
import textwrap
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from attrs import define, field

from dandc.lang.diagnostics import Diagnostic, Fix
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen

MAX_PER_FILE = 20
MAX_FIX_LINES = 6
_TAB = 4
_MIN_WIDTH = 40
_MIN_LABEL = 30
_ELLIPSIS = "..."
_STYLES = {"error": "1;31", "warning": "1;33", "note": "1;36", "bold": "1", "gutter": "34", "secondary": "36",
           "fix": "32"}  # fmt: skip


def visible(text: str) -> str:
    """`text` on one line, with everything that a terminal might obey made visible."""
    return "".join(_cell(char, 0)[0] for char in text)


def _cell(char: str, column: int) -> tuple[str, int]:
    """How `char` is shown when it begins at `column`, and how many columns that takes."""
    if " " <= char <= "~":
        return char, 1
    if char == "\t":
        spaces = _TAB - column % _TAB
        return " " * spaces, spaces
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        shown = f"\\u{{{ord(char):x}}}"
        return shown, len(shown)
    if unicodedata.combining(char):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in "WF" else 1


def columns(text: str) -> int:
    """How many columns `text` takes on a terminal."""
    return sum(_cell(char, 0)[1] for char in text)


# Where things stand.


@frozen
class _File:
    """A source with the offsets of its lines."""

    source: Source
    starts: list[int]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect_right(self.starts, max(0, min(offset, len(self.source.text))))
        return line, max(0, min(offset, len(self.source.text))) - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line without its end."""
        end = self.starts[number] - 1 if number < len(self.starts) else len(self.source.text)
        return self.source.text[self.starts[number - 1] : end].removesuffix("\r")


def _files(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> dict[str, _File]:
    named = {span.file for d in diagnostics for span in _spans(d)}
    return {name: _File(sources[name], sources[name].line_starts()) for name in sorted(named) if name in sources}


def _spans(diagnostic: Diagnostic) -> Iterator[Span]:
    if diagnostic.span is not None:
        yield diagnostic.span
    yield from (label.span for label in diagnostic.secondary)
    yield from (fix.span for fix in diagnostic.fixes)


# Without a terminal, as the text of an exception.


def render_plain(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> str:
    """`file:line:column: CODE: message` for every diagnostic, with its notes and fixes in lines of their own."""
    listed = list(diagnostics)
    files = _files(listed, sources)
    return "\n".join(line for d in listed for line in _plain(d, files))


def _plain(diagnostic: Diagnostic, files: Mapping[str, _File]) -> Iterator[str]:
    yield f"{_plain_place(diagnostic.span, files)}{diagnostic.code}: {visible(diagnostic.message)}"
    for label in diagnostic.secondary:
        yield f"  {_plain_place(label.span, files)}{visible(label.text)}"
    yield from (f"  note: {visible(line)}" for note in diagnostic.notes for line in note.split("\n"))
    yield from (f"  fix: {visible(fix.message)}" for fix in diagnostic.fixes)


def _plain_place(span: Span | None, files: Mapping[str, _File]) -> str:
    if span is None or not span.file:
        return ""
    if span.file not in files:
        return f"{visible(span.file)}: "
    line, column = files[span.file].position(span.start)
    return f"{visible(span.file)}:{line}:{column}: "


# For machines.


def render_json(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> str:
    """One JSON object a line for every diagnostic, ASCII only.

    Keys: code, severity, title, message, file, range `{"start", "end"}` of `{"line", "column", "offset"}` (null where
    there is no place or no source), label, secondary, notes, fixes.
    """
    listed = list(diagnostics)
    files = _files(listed, sources)
    return "".join(json.dumps(_json(d, files)) + "\n" for d in listed)


def _json(diagnostic: Diagnostic, files: Mapping[str, _File]) -> dict[str, object]:
    place: dict[str, object] = {"file": None, "range": None}
    if diagnostic.span is not None:
        place = _json_place(diagnostic.span, files)
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "title": diagnostic.title,
        "message": diagnostic.message,
        **place,
        "label": diagnostic.label,
        "secondary": [{**_json_place(label.span, files), "text": label.text} for label in diagnostic.secondary],
        "notes": list(diagnostic.notes),
        "fixes": [
            {"message": fix.message, **_json_place(fix.span, files), "text": fix.text, "certain": fix.certain}
            for fix in diagnostic.fixes
        ],
    }


def _json_place(span: Span, files: Mapping[str, _File]) -> dict[str, object]:
    file = files.get(span.file)
    if file is None:
        return {"file": span.file, "range": None}
    return {"file": span.file, "range": {"start": _json_point(file, span.start), "end": _json_point(file, span.end)}}


def _json_point(file: _File, offset: int) -> dict[str, int]:
    line, column = file.position(offset)
    return {"line": line, "column": column, "offset": offset}


# For people.


def render_terminal(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source], *, width: int = 100, colour: bool
) -> str:
    """The diagnostics for a terminal of `width` columns, with ANSI colours if `colour`.

    At most `MAX_PER_FILE` a file, then how many more there are. `sources` maps the file names of spans to texts; a file
    that is not there (because it could not be read) is named without a window.
    """
    listed = list(diagnostics)
    files = _files(listed, sources)
    counts: Counter[str] = Counter()
    parts: list[str] = []
    for diagnostic in listed:
        name = "" if diagnostic.span is None else diagnostic.span.file
        counts[name] += 1
        if counts[name] <= MAX_PER_FILE:
            parts.append(_Page(files, max(width, _MIN_WIDTH), colour).render(diagnostic))
    for name, count in counts.items():
        if count > MAX_PER_FILE:
            where = f" in {visible(name)}" if name else ""
            parts.append(f"... and {count - MAX_PER_FILE} more{where}\n")
    return "\n".join(parts)


@frozen
class _Mark:
    """A place on one line, in code points of that line, and what to say about it."""

    line: int
    start: int
    end: int
    text: str
    is_primary: bool


@define
class _Page:
    """One diagnostic on its way to text."""

    files: Mapping[str, _File]
    width: int
    colour: bool
    lines: list[str] = field(factory=list)
    gutter: int = 1

    def render(self, diagnostic: Diagnostic) -> str:
        self.gutter = self._gutter_width(diagnostic)
        self._header(diagnostic)
        self._windows(diagnostic)
        for note in diagnostic.notes:
            self._paragraph("note: ", note)
        for fix in diagnostic.fixes:
            self._fix(fix)
        self._paragraph("explain: ", f"dandc explain {diagnostic.code}")
        return "\n".join(line.rstrip() for line in self.lines) + "\n"

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and text else text

    def _gutter_width(self, diagnostic: Diagnostic) -> int:
        lines = [self.files[s.file].position(s.end)[0] for s in _spans(diagnostic) if s.file in self.files]
        return max((len(str(line)) for line in lines), default=1)

    def _header(self, diagnostic: Diagnostic) -> None:
        severity = diagnostic.severity if diagnostic.severity in _STYLES else "note"
        head = f"{severity}[{diagnostic.code}]: "
        first, *rest = _wrap(diagnostic.message, self.width, len(head))
        self.lines.append(self._paint(head, severity) + self._paint(first, "bold"))
        self.lines += [self._paint(" " * len(head) + line, "bold") for line in rest]

    def _paragraph(self, head: str, text: str) -> None:
        """A further sentence under the window; its own line breaks and indentation stay."""
        edge = " " * (self.gutter + 1) + "= "
        for i, line in enumerate(text.split("\n")):
            lead = edge + head if i == 0 else " " * (len(edge) + len(head))
            indent = line[: len(line) - len(line.lstrip(" "))]
            for j, piece in enumerate(_wrap(line.lstrip(" "), self.width, len(lead) + len(indent))):
                front = lead if j == 0 else " " * len(lead)
                self.lines.append(self._paint(front, "gutter") + indent + piece)

    # The source.

    def _windows(self, diagnostic: Diagnostic) -> None:
        if diagnostic.span is None:
            return
        by_file: dict[str, list[_Mark]] = {diagnostic.span.file: []}
        self._mark(by_file, diagnostic.span, diagnostic.label, is_primary=True)
        for label in diagnostic.secondary:
            self._mark(by_file, label.span, label.text, is_primary=False)
        for name, marks in by_file.items():
            self._window(name, marks)

    def _mark(self, by_file: dict[str, list[_Mark]], span: Span, text: str, *, is_primary: bool) -> None:
        file = self.files.get(span.file)
        marks = by_file.setdefault(span.file, [])
        if file is None:
            return
        line, column = file.position(span.start)
        length = len(file.line(line))
        start = min(column - 1, length)
        end = start + max(0, min(span.end - span.start, length - start))
        marks.append(_Mark(line, start, end, text, is_primary))

    def _window(self, name: str, marks: list[_Mark]) -> None:
        arrow = self._paint(" " * self.gutter + "--> ", "gutter")
        if not marks:
            self.lines.append(arrow + visible(name))
            return
        first = next((m for m in marks if m.is_primary), marks[0])
        self.lines.append(f"{arrow}{visible(name)}:{first.line}:{first.start + 1}")
        self._edge("")
        previous = 0
        for line in sorted({m.line for m in marks}):
            if previous and line == previous + 2:
                self._source_line(self.files[name], line - 1)
            elif previous and line > previous + 2:
                self.lines.append(self._paint(_ELLIPSIS, "gutter"))
            self._marked_line(self.files[name], line, [m for m in marks if m.line == line])
            previous = line
        self._edge("")

    def _edge(self, text: str, number: int | None = None) -> None:
        """One row behind the gutter."""
        shown = "" if number is None else str(number)
        self.lines.append(self._paint(f"{shown:>{self.gutter}} | ", "gutter") + text)

    @property
    def _room(self) -> int:
        """The columns behind the gutter."""
        return self.width - self.gutter - 3

    def _source_line(self, file: _File, number: int) -> None:
        shown, _, _ = _cut(file.line(number), 0, 0, self._room)
        self._edge(shown, number)

    def _marked_line(self, file: _File, number: int, marks: list[_Mark]) -> None:
        text = file.line(number)
        shown_before = None
        for mark in sorted(marks, key=lambda m: not m.is_primary):
            shown, column, length = _cut(text, mark.start, mark.end, self._room)
            if shown != shown_before:
                self._edge(shown, number)
                shown_before = shown
            style = "error" if mark.is_primary else "secondary"
            for row in self._mark_rows(mark, column, length):
                self._edge(" " * (len(row) - len(row.lstrip(" "))) + self._paint(row.lstrip(" "), style))

    def _mark_rows(self, mark: _Mark, column: int, length: int) -> list[str]:
        """The signs under a place and the label: beside them if there is room, else below."""
        signs = " " * column + ("^" if mark.is_primary else "-") * max(length, 1)
        label = visible(mark.text)
        if columns(signs) + 1 + columns(label) <= self._room:
            return [f"{signs} {label}"]
        indent = min(column, max(0, self._room - _MIN_LABEL))
        return [signs, *(" " * indent + line for line in _wrap(mark.text, self._room, indent))]

    # Repairs.

    def _fix(self, fix: Fix) -> None:
        self._paragraph("fix: ", fix.message)
        file = self.files.get(fix.span.file)
        if file is None:
            return
        line, column = file.position(fix.span.start)
        last, last_column = file.position(fix.span.end)
        text = file.line(line)[: column - 1] + fix.text + file.line(last)[last_column - 1 :]
        self._edge("")
        for i, piece in enumerate(text.split("\n")[:MAX_FIX_LINES]):
            start, end = (column - 1, column - 1 + len(fix.text)) if i == 0 else (0, 0)
            shown, at, length = _cut(piece, start, end, self._room)
            self._edge(shown, line + i)
            if i == 0 and fix.text and "\n" not in fix.text:
                self._edge(" " * at + self._paint("+" * max(length, 1), "fix"))


def _wrap(text: str, width: int, used: int) -> list[str]:
    """`text` made visible, in lines that fit into what is left of `width` behind `used` columns."""
    return textwrap.wrap(visible(text), max(width - used, _MIN_LABEL), break_long_words=True) or [""]


def _cut(text: str, start: int, end: int, room: int) -> tuple[str, int, int]:
    """`text` as shown in `room` columns, with the column and the shown length of its part `start:end`.

    If it does not fit, the part that is shown begins a third of the room before `start`.
    """
    base = max(0, start - room)  # a column is at least one character, so what is further left cannot be shown
    skipped_text, text, start, end = base, text[base:], start - base, end - base
    before, tab_column = [], 0
    for char in text[: start + room]:
        cell = _cell(char, tab_column)
        before.append(cell)
        tab_column += cell[1]
    column = sum(width for _, width in before[:start])
    if not skipped_text and tab_column <= room and len(text) <= start + room:
        return "".join(c for c, _ in before), column, sum(width for _, width in before[start:end])
    first = 0
    if skipped_text or column > room * 2 // 3:
        first, skipped = start, 0
        while first > 0 and skipped < room // 3:
            first -= 1
            skipped += before[first][1]
    return _clip(before, first, start, end, room, len(text), skipped=bool(skipped_text or first))


def _clip(
    cells: list[tuple[str, int]], first: int, start: int, end: int, room: int, total: int, *, skipped: bool
) -> tuple[str, int, int]:
    """The cells from `first` on that fit, with dots where something is left out."""
    shown = _ELLIPSIS if skipped else ""
    used = len(shown)
    limit = room - len(_ELLIPSIS)
    column = length = 0
    position = first
    while position < len(cells) and used + cells[position][1] <= limit:
        if position == start:
            column = used
        if start <= position < end:
            length += cells[position][1]
        used += cells[position][1]
        shown += cells[position][0]
        position += 1
    if position <= start:
        column = used
    return shown + (_ELLIPSIS if position < total else ""), column, length
