"""Runs that are kept, as the command line and the Python interface ask for them: caches of results, and what journals hold."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from dandc.compiler.flow import Graph, Program
from dandc.compiling import Compiled, compiler_version
from dandc.lang.spans import Source
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from dandc.vm.journal import Journal
    from dandc.vm.keeping import Recording
    from dandc.vm.memo import Memo


@frozen
class Origin:
    """Where a program came from: its file, the texts by file, and whether its images were made here (`Compiled`)."""

    root: str = ""
    sources: Mapping[str, Source] = field(factory=dict, repr=False)
    own: bool = False


def origin_of(root: str | os.PathLike[str], compiled: Compiled) -> Origin:
    """Where a program that was just compiled, or loaded, came from."""
    return Origin(str(Path(root)), compiled.sources, compiled.own)


def open_memo(folder: str | os.PathLike[str], owner: str | None) -> "Memo":
    """The cache of results in a folder, by default those of the user of the operating system. Whoever opens it closes it."""
    from dandc.vm.memo import Memo

    return Memo(Path(folder), owner or f"uid {os.geteuid()}").open()


def recording_at(path: Path, origin: Origin) -> "Recording":
    """What a journal at `path` holds beside the run."""
    from dandc.vm.keeping import Recording

    texts = {file: source.text for file, source in origin.sources.items() if not file.startswith("std:")}
    # Of a bundle the texts are those of the files that it was made from, the root first.
    root = origin.root if origin.root in texts else next(iter(texts), origin.root)
    return Recording(path, root, texts, compiler_version(), origin.own)


def recorded_program(journal: "Journal", path: Path) -> "tuple[Program, Graph, Recording]":
    """The program of a journal, its composition, and what the journal shall go on to hold."""
    from dandc.vm import loads
    from dandc.vm.journal import problem
    from dandc.vm.keeping import Recording

    head = journal.head
    program = loads(head.program)
    if head.graph not in program.graphs:
        raise problem("R0780", f"cannot read the journal `{path}`: its program is that of another run")
    return program, program.graphs[head.graph], Recording(path, head.root, head.sources, head.compiler, head.own)
