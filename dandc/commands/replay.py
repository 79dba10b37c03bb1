"""`dandc replay FILE [--node N --item I]`"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.commands import kept
from dandc.commands.out_folder import output_folder, refuse_foreign
from dandc.commands.output import Reporter, UseError, say, tell
from dandc.lang.diagnostics import Diagnostic
from dandc.vm import RunError, loads
from dandc.waiting import wait_for

if TYPE_CHECKING:
    from dandc.vm.journal import Journal

HELP = "Repeat a recorded run without sending anything, and hold it against the record; or look at one instance of it."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="the journal that `dandc run --record FILE` wrote")
    parser.add_argument("--node", metavar="NODE", help="look at one instance of this node: of a kernel step by step")
    parser.add_argument(
        "--item", metavar="ITEM", help="the one for this item: its key, its name, `#NUMBER` or `from #NUMBER`"
    )
    parser.add_argument("--steps", metavar="COUNT", type=int, default=200, help="show at most so many steps (200)")
    kept.results(parser)
    kept.budget(parser)


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the run, or the instance, ends as it was recorded."""
    from dandc.vm.journal import read_journal

    if options.item is not None and options.node is None:
        raise UseError(Diagnostic("U0911", "`--item` says which instance of `--node NODE`, which is not there", None))
    if options.steps < 2:
        raise UseError(Diagnostic("U0911", "`--steps` is at least 2", None))
    given = [name for name, there in (("--json", options.json), ("--out", options.out is not None)) if there]
    if options.node is not None and given:
        message = f"`{given[0]}` gives the outputs of the whole run, and `--node` looks at one instance of it as text"
        raise UseError(Diagnostic("U0911", message, None))
    folder = kept.folder_of(options)
    journal = read_journal(Path(options.file))
    try:
        if options.node is not None:
            return _look(options, reporter, journal)
        with output_folder(folder):
            return _replay(options, reporter, journal, folder)
    finally:
        journal.close()


def _replay(options: argparse.Namespace, reporter: Reporter, journal: "Journal", folder: Path | None) -> int:
    from dandc.vm.keeping import replay

    program = loads(journal.head.program)
    refuse_foreign(folder, program.graphs[journal.head.graph])
    try:
        replayed = wait_for(lambda: replay(journal, limits=kept.run_limits(options)))
    except RunError as error:
        if error.fault is None:
            raise
        reporter.show(error.diagnostics)
        tell("the run failed as it was recorded\n")
        return 0
    options.why = False
    kept.give(options, program, program.graphs[journal.head.graph], replayed.result, folder)
    tell(f"as recorded: all outputs, and {replayed.compared} instances of kernels that ran again\n")
    return 0


def _look(options: argparse.Namespace, reporter: Reporter, journal: "Journal") -> int:
    """One instance, beside what was recorded of it."""
    import anyio

    from dandc.cache import Cache, default_folder
    from dandc.looking import look, look_at_call
    from dandc.vm.keeper import FoundCallError, FoundInstanceError, Wanted
    from dandc.vm.keeping import replay

    wanted = Wanted(options.node, options.item or "")
    try:
        anyio.run(lambda: replay(journal, wanted=wanted, limits=kept.run_limits(options)))
        raise AssertionError("a replay that looks for an instance ends with an error")
    except FoundInstanceError as found:
        looked = look(journal, found, options.steps, Cache(default_folder()).open().folder)
    except FoundCallError as found:
        looked = look_at_call(found)
    reporter.show(looked.warnings)
    say(looked.text)
    return 0 if looked.agrees else 1
