"""Rewrites the expectations of chapters in place: positions and outputs as they were found, never codes.

Only the line of a command changes; everything else of a chapter stays byte for byte. A failure that has no line which
would be right (another code, engines that disagree) stays a failure.
"""

from collections.abc import Iterable
from pathlib import Path

from dandc.conform.suite import Failed
from dandc.files import write_atomically


def blessed_text(text: str, failures: Iterable[Failed]) -> str:
    """The text of a chapter with the commands of `failures` put right."""
    lines = text.split("\n")
    for failure in failures:
        if failure.blessed is not None:
            at = failure.line - 1
            end = at + 1
            while end < len(lines) and not lines[end].startswith(("---", "~~~", "```")):
                end += 1
            # A command that went over several lines is now one; its other lines are emptied so that numbers stay.
            lines[at:end] = [f"--- {failure.blessed}", *["\0"] * (end - at - 1)]
    return "\n".join(line for line in lines if line != "\0")


def bless(folder: Path, failures: Iterable[Failed]) -> list[Path]:
    """Rewrite the chapters in `folder`; the files that changed."""
    by_chapter: dict[str, list[Failed]] = {}
    for failure in failures:
        by_chapter.setdefault(failure.chapter, []).append(failure)
    changed = []
    for chapter, found in by_chapter.items():
        path = folder / chapter
        text = path.read_text("utf-8")
        new = blessed_text(text, found)
        if new != text:
            write_atomically(path, new.encode())
            changed.append(path)
    return changed
