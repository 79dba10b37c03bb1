"""`dandc repl [FILE]`"""

import argparse
import sys
from pathlib import Path

from dandc.cache import Cache, default_folder
from dandc.commands.output import Reporter
from dandc.vm import Limits, RunLimits

HELP = "Try the language: enter expressions, statements and declarations, and see what they give. `:help` says more."
# A person can stop what takes too long; a script cannot.
_PATIENCE_MS = 600_000.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="a .dnd file, whose declarations are there from the start"
    )
    parser.add_argument("--interp", action="store_true", help="run entries on the reference interpreter")
    parser.add_argument("--no-cache", action="store_true", help="keep nothing: neither compiled code nor the history")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0, or 1 if an entry of a script went wrong."""
    from dandc.repl.engine import Engine
    from dandc.repl.loop import answer_to, run_script, show
    from dandc.repl.session import open_session

    cache = Cache(None if options.no_cache else default_folder()).open()
    person = sys.stdin.isatty() and sys.stdout.isatty()
    kernel = Limits(wall_ms=_PATIENCE_MS, cpu_ms=_PATIENCE_MS) if person else Limits()
    with Engine(RunLimits(kernel=kernel), native=not options.interp) as engine:
        session = open_session(Path(), cache, engine)
        reporter.show(cache.warnings)
        if options.file is not None:
            answer = answer_to(session, f":load {options.file}")
            show(session, answer, reporter)
            if answer.failed and not person:
                return 1
        if not person:
            return run_script(session, sys.stdin, reporter)
        from dandc.repl.terminal import converse

        return converse(session, cache.folder, reporter)
