"""`dandc resume FILE`"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.api import choose_composition
from dandc.cache import Cache, default_folder
from dandc.commands import kept
from dandc.commands.out_folder import output_folder, places, refuse_foreign
from dandc.commands.output import Reporter
from dandc.commands.progress import progress_argument, shown
from dandc.commands.run import read_configs, read_inputs, split_option
from dandc.commands.same_file import Named, read_from, refuse_covered, refuse_same
from dandc.compiler.flow import Graph, Program
from dandc.compiling import Compiled, Options, compile_file
from dandc.keeping import origin_of, recorded_program, recording_at
from dandc.vm import InputItem, RunLimits, RunResult, Watch
from dandc.waiting import wait_for

if TYPE_CHECKING:
    from dandc.vm.journal import Journal
    from dandc.vm.keeping import Recording
    from dandc.vm.memo import Memo

Given = tuple[Mapping[str, Sequence[InputItem]], Mapping[str, object]]

HELP = "Finish a run that was killed or has failed, from its journal, perhaps with a corrected program."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="the journal that `dandc run --record FILE` wrote")
    parser.add_argument("--with", metavar="PROGRAM", dest="program", help="go on with this .dnd file")
    parser.add_argument(
        "-i", "--input", action="append", default=[], metavar="NAME=VALUE", dest="input",
        help="an input that the journal has not: a secret, or a new one",
    )  # fmt: skip
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a config that the journal has not, or another value",
    )
    kept.results(parser)
    progress_argument(parser)
    kept.arguments(parser)
    kept.budget(parser)


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the run gave its outputs."""
    from dandc.vm.journal import open_journal

    inputs = [split_option(option, "input") for option in options.input]
    configs = [split_option(option, "config") for option in options.config]
    limits = kept.run_limits(options)
    folder = kept.folder_of(options)
    journal_file = Named("the journal", options.file, written=True)
    read = [*read_from(inputs, "-i"), *read_from(configs, "--config")]
    read += [Named("`--with`", options.program)] if options.program is not None else []
    refuse_same([journal_file, *read, *([Named("`--out`", folder, written=True)] if folder is not None else [])])
    with output_folder(folder), kept.memo(options, reporter) as memo:
        journal = open_journal(Path(options.file))
        try:
            program, graph, recording = _program(options, reporter, journal)
            refuse_covered([journal_file], folder, places(graph))
            refuse_foreign(folder, graph)
            given = (read_inputs(program, graph, inputs, None), read_configs(program, configs))
            result = _resume(journal, program, graph, given, recording, memo, limits, options.progress)
        finally:
            journal.close()
        kept.give(options, program, graph, result, folder)
    return 0


def _program(options: argparse.Namespace, reporter: Reporter, journal: "Journal") -> "tuple[Program, Graph, Recording]":
    """The program to go on with, its composition, and what the journal shall know of it."""
    path = Path(options.file)
    if options.program is None:
        return recorded_program(journal, path)
    compiled: Compiled = compile_file(options.program, Cache(default_folder()).open(), Options())
    reporter.add_sources(compiled.sources)
    reporter.show(compiled.diagnostics)
    graph = choose_composition(compiled.program, journal.head.graph.removeprefix("main."))
    return compiled.program, graph, recording_at(path, origin_of(options.program, compiled))


def _resume(
    journal: "Journal",
    program: Program,
    graph: Graph,
    given: Given,
    recording: "Recording",
    memo: "Memo | None",
    limits: RunLimits,
    progress: str,
) -> RunResult:
    from dandc.vm.keeping import resume

    inputs, configs = given
    watch = Watch()

    async def main() -> RunResult:
        async with shown(watch, progress):
            return await resume(
                journal,
                program,
                graph.name,
                inputs,
                configs,
                recording=recording,
                memo=memo,
                limits=limits,
                watch=watch,
            )

    return wait_for(main)
