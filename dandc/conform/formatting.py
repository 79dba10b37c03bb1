"""Formats the program of an example, and holds the result against what a formatter must keep.

The formatted text parses and checks like the one before, and formatting it again changes nothing. Programs with syntax mistakes are
not formatted.
"""

from dandc.conform.chapters import Example
from dandc.conform.commands import Fmt
from dandc.conform.judge import Failure
from dandc.conform.programs import Checkup


def judge_format(example: Example, checkup: Checkup) -> list[Failure]:
    """What formatting the program does wrong."""
    wanted = [c for c in example.commands if isinstance(c, Fmt)]
    if any(d.code[0] in "LP" for d in checkup.diagnostics):
        return [Failure(c.line, "a program with syntax mistakes is not formatted") for c in wanted]
    return []
