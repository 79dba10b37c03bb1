"""The page of a code: what it means, and a program with the mistake beside one without.

Loaded only by who shows a page; a run that makes a diagnostic needs the title alone.
"""

import textwrap
from functools import cache

from dandc.lang import lessons_flow, lessons_program, lessons_run
from dandc.lang.codes import CODES
from dandc.lang.values import frozen

_TEXTS = (lessons_program.NAMES, lessons_program.TYPES, lessons_flow.COMPOSITIONS, lessons_run.RUNS)
_INDENT = "    "


@frozen
class Lesson:
    """Two programs, or two commands: `wrong` ends with the code, `right` does not."""

    wrong: str
    right: str


@cache
def lessons() -> dict[str, Lesson]:
    """All lessons by code."""
    found: dict[str, Lesson] = {}
    for text in _TEXTS:
        for part in text.split("\n== ")[1:]:
            code, _, programs = part.partition("\n")
            wrong, _, right = programs.partition("\n==\n")
            found[code] = Lesson(wrong.strip("\n"), right.strip("\n"))
    return found


def page(code: str, width: int) -> str:
    """The page of a code that there is, with its prose in lines of at most `width`."""
    entry, lesson = CODES[code], lessons().get(code)
    parts = [f"{code}: {entry.title}", *(_paragraph(p, width) for p in entry.explanation.split("\n\n"))]
    if lesson is not None:
        for word, program in (("Wrong", lesson.wrong), ("Right", lesson.right)):
            parts += [f"{word}:", textwrap.indent(shown(program), _INDENT)]
    return "\n\n".join(parts)


def shown(program: str) -> str:
    """A program as a page shows it: of a command only what is typed."""
    return "\n".join(line.removeprefix("$ ") for line in program.split("\n"))


def _paragraph(text: str, width: int) -> str:
    """Prose is filled, code stays as it is."""
    return text if text.startswith(_INDENT) else textwrap.fill(text, width)
