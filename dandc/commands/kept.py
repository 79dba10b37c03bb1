"""What the commands that run programs have in common: the cache of results, journals, and how results are given."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.commands.out_folder import write_folder
from dandc.commands.output import Reporter, UseError, say, tell
from dandc.commands.results import as_json, show
from dandc.compiler.flow import Graph, Program
from dandc.keeping import open_memo
from dandc.lang.diagnostics import Diagnostic
from dandc.vm import RunLimits, RunResult
from dandc.vm.limits import footprint, size_text

if TYPE_CHECKING:
    from dandc.vm.memo import Memo


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a run that may take results from earlier ones."""
    parser.add_argument(
        "--cache", metavar="DIR", help="take results of pure calls from this folder, and keep them there"
    )
    parser.add_argument("--owner", metavar="NAME", help="whose results; by default the user's of the operating system")
    parser.add_argument("--why", action="store_true", help="say of every node why it ran, or did not")


def budget(parser: argparse.ArgumentParser) -> None:
    """What all calls of the run may use together."""
    parser.add_argument(
        "--memory", metavar="SIZE", type=_size, help="memory for all sandboxes at a time, such as 4GiB (1GiB)"
    )


def _size(text: str) -> int:
    """The bytes of a size as the language writes it."""
    import re

    from dandc.lang.literals import size_bytes

    if not re.fullmatch(r"[0-9]{1,15}([KMG]i?)?B", text):
        raise argparse.ArgumentTypeError(f"`{text[:40]}` is no size such as 512MiB or 4GiB")
    return size_bytes(text)


def run_limits(options: argparse.Namespace) -> RunLimits:
    """The limits of the run; raises `UseError` for a budget in which nothing could run."""
    if options.memory is None:
        return RunLimits()
    least = footprint(RunLimits().kernel)
    if options.memory < least:
        message = f"`--memory` is at least {size_text(least)}: so much a single call has without a `limit`"
        raise UseError(Diagnostic("U0911", message, None))
    return RunLimits(memory=options.memory)


def results(parser: argparse.ArgumentParser) -> None:
    """How results are given."""
    parser.add_argument("--out", metavar="DIR", help="write the outputs into this folder, a file an item")
    parser.add_argument("--json", action="store_true", help="print outputs and counts as one JSON object")


@contextlib.contextmanager
def memo(options: argparse.Namespace, reporter: Reporter) -> Iterator["Memo | None"]:
    """The cache that `--cache` names, or None; what went wrong with it is told at the end."""
    if options.cache is None:
        if options.owner is not None:
            raise UseError(
                Diagnostic("U0911", "`--owner` says whose results of `--cache DIR`, which is not there", None)
            )
        yield None
        return
    if not options.cache:
        raise UseError(Diagnostic("U0911", "the name of the cache folder is empty", None))
    found = open_memo(options.cache, options.owner)
    try:
        yield found
    finally:
        found.close()
        reporter.show(found.warnings)


def folder_of(options: argparse.Namespace) -> Path | None:
    """The folder of `--out`; raises `UseError`."""
    if options.out == "":
        raise UseError(Diagnostic("U0906", "the name of the output folder is empty", None))
    return None if options.out is None else Path(options.out)


def give(options: argparse.Namespace, program: Program, graph: Graph, result: RunResult, folder: Path | None) -> None:
    """Write and show what a run gave, and with `--why` the story of each node in place of its counts."""
    if folder is not None:
        write_folder(folder, program, graph, result)
    if options.json:
        say(json.dumps(as_json(program, graph, result), ensure_ascii=False) + "\n")
    else:
        show(program, graph, result, quiet=folder is not None, counts=not options.why)
    if options.why:
        from dandc.vm.why import stories

        nodes = {
            name: {**counts, "because": result.because.get(name), "alone": result.alone.get(name, ())}
            for name, counts in result.nodes.items()
        }
        tell_stories(stories(nodes, program, graph))


def tell_stories(told: Iterator[tuple[str, str]]) -> None:
    """A line a node, on standard error."""
    rows = list(told)
    width = max((len(name) for name, _ in rows), default=0)
    tell("".join(f"{name:<{width}}  {story}\n" for name, story in rows))
