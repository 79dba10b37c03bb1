"""Formats the program of an example, and holds the result against what a formatter must keep.

The formatted text checks with the same diagnostics, wherever they stand then, and formatting it again changes nothing. Programs with
syntax mistakes are not formatted: the formatter refuses them.
"""

from collections.abc import Sequence
from pathlib import Path

from dandc.conform.chapters import Example
from dandc.conform.commands import Fmt
from dandc.conform.judge import Failure
from dandc.conform.programs import Checkup, check_example
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.format import format_source
from dandc.lang.spans import Source


def judge_format(example: Example, checkup: Checkup, folder: Path) -> list[Failure]:
    """What formatting the program does wrong; `folder` is a place for the formatted one."""
    wanted = [c for c in example.commands if isinstance(c, Fmt)]
    formatted = format_source(Source("example.dnd", example.text))
    if not isinstance(formatted, str):
        return _refused(example, checkup, wanted, formatted)
    failures = [
        Failure(c.line, f"the formatter gives\n{formatted}", f"fmt\n{formatted.rstrip()}")
        for c in wanted
        if c.text.strip() != formatted.strip()
    ]
    if format_source(Source("example.dnd", formatted)) != formatted:
        failures.append(Failure(example.line, "formatting the formatted program changes it"))
    before, after = _codes(checkup.diagnostics), _codes(check_example(example, folder, text=formatted).diagnostics)
    if before != after:
        failures.append(Failure(example.line, f"the check finds {before} before formatting and {after} after it"))
    return failures


def _codes(diagnostics: Sequence[Diagnostic]) -> list[str]:
    return sorted(d.code for d in diagnostics)


def _refused(example: Example, checkup: Checkup, wanted: Sequence[Fmt], reasons: Sequence[Diagnostic]) -> list[Failure]:
    if all(d.code[0] in "LP" for d in reasons) and any(d.code[0] in "LP" for d in checkup.diagnostics):
        return [Failure(c.line, "a program with syntax mistakes is not formatted") for c in wanted]
    return [Failure(example.line, f"the formatter refuses the program: {reasons[0].message}")]
