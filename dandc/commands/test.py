"""`dandc test FILE|FOLDER...`"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.cache import Cache, default_folder
from dandc.commands.isolate import isolation_argument, tell_of_isolation
from dandc.commands.output import Reporter, finish, say
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source

if TYPE_CHECKING:
    from dandc.testing.runner import Verdict

HELP = "Run the `test` blocks of programs. Nothing leaves the machine: services and stores are fakes, time is virtual."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="a .dnd file, or a folder with such files")
    parser.add_argument("--filter", metavar="TEXT", default="", help="only tests whose title holds this text")
    parser.add_argument("--junit", metavar="FILE", help="write the verdicts as JUnit XML")
    parser.add_argument("--json", action="store_true", help="print the verdicts as one JSON object")
    parser.add_argument("--no-cache", action="store_true", help="compile anew and keep nothing")
    isolation_argument(parser)


class _Printer:
    """Says what happens: a line a test on standard output, mistakes on standard error."""

    def __init__(self, reporter: Reporter, *, quiet: bool) -> None:
        self._reporter = reporter
        self._quiet = quiet

    def file(self, name: str, sources: dict[str, Source], diagnostics: tuple[Diagnostic, ...]) -> None:
        """The tests of a file begin."""
        self._reporter.add_sources(sources)
        self._say(name)
        self._reporter.show(diagnostics)

    def verdict(self, verdict: "Verdict") -> None:
        """A test has ended."""
        from dandc.testing.report import line

        self._say(f"  {line(verdict)}")
        self._reporter.show(verdict.diagnostics)

    def _say(self, text: str) -> None:
        if not self._quiet:
            say(f"{text}\n")
            finish()  # so that lines and mistakes alternate


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if there are tests and all of them pass."""
    from dandc.files import write_atomically
    from dandc.testing import report
    from dandc.testing.session import run_files

    cache = Cache(None if options.no_cache else default_folder()).open()
    tell_of_isolation(options.isolation)
    printer = _Printer(reporter, quiet=options.json)
    files = run_files(options.paths, options.filter, cache, printer, options.isolation)
    reporter.show(cache.warnings)
    if options.junit is not None:
        try:
            write_atomically(Path(options.junit), report.junit(files, reporter.sources))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DiagnosticError(Diagnostic("U0906", f"cannot write `{options.junit}`: {reason}", None)) from None
    if options.json:
        say(json.dumps(report.as_json(files, reporter.sources), ensure_ascii=False) + "\n")
    failed = sum(f.failed for f in files)
    if not any(f.verdicts for f in files) and not failed:
        what = f" whose title holds `{options.filter}`" if options.filter else ""
        reporter.show((Diagnostic("U0915", f"there is no test{what} in {', '.join(options.paths)}", None),))
        return 1
    if not options.json:
        say(f"{report.summary(files)}\n")
    return 1 if failed else 0
