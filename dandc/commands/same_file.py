"""Files that one command names twice: what it writes may be neither what it reads nor what else it writes."""

import os
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from dandc.commands.output import UseError
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.values import frozen


@frozen
class Named:
    """A file or folder that the command line names: `what` says where."""

    what: str
    path: str | Path
    written: bool = False


def refuse_same(named: Iterable[Named]) -> None:
    """Raise `UseError` (U0911) if something that is written is something else too, by whatever path; nothing is touched."""
    places = [(n, os.path.realpath(n.path)) for n in named]
    for (first, here), (second, there) in combinations(places, 2):
        if here == there and (first.written or second.written):
            message = f"{first.what} and {second.what} are the same file: `{first.path}`"
            raise UseError(Diagnostic("U0911", message, None, notes=("nothing was run or written",)))


def refuse_covered(named: Iterable[Named], folder: Path | None, outputs: Iterable[str]) -> None:
    """Raise `UseError` (U0911) if a file is in the place of one of the `outputs` in `folder`."""
    if folder is None:
        return
    covered = [Path(os.path.realpath(folder)) / output for output in outputs]
    for file in named:
        place = Path(os.path.realpath(file.path))
        if any(place.is_relative_to(output) for output in covered):
            message = f"{file.what} stands where `--out` writes an output: `{file.path}`"
            raise UseError(Diagnostic("U0911", message, None, notes=("nothing was run or written",)))


def read_from(given: Iterable[tuple[str, str]], option: str) -> list[Named]:
    """The files that options such as `-i NAME=@PATH` read."""
    return [Named(f"`{option} {name}`", text[1:]) for name, text in given if text.startswith("@")]
