"""`dandc check FILE|FOLDER...`"""

import argparse
from pathlib import Path

from dandc.cache import Cache, default_folder
from dandc.commands.output import Reporter, UseError, say
from dandc.files import sources_in
from dandc.lang.collector import collector_paused
from dandc.lang.diagnostics import Diagnostic, DiagnosticError

HELP = "Check programs: syntax, names, types and compositions. Nothing is run."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("files", nargs="+", metavar="FILE|FOLDER", help="a .dnd file, or a folder with such files")
    parser.add_argument("--watch", action="store_true", help="check one file again whenever it changes, until Ctrl-C")
    parser.add_argument("--hash", action="store_true", help="print the hash of each program without mistakes")
    parser.add_argument("--no-cache", action="store_true", help="do not use the cache folder")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if no file has an error."""
    if options.watch:
        from dandc.commands.watch import watch

        if len(options.files) != 1:
            raise UseError(Diagnostic("U0911", "`--watch` takes one file", None))
        return watch(Path(options.files[0]), reporter)
    with collector_paused():  # nothing here makes cycles, and the process ends after it
        return _check(options, reporter)


def _check(options: argparse.Namespace, reporter: Reporter) -> int:
    from dandc.checking import check_file, hash_of

    cache = Cache(None if options.no_cache else default_folder()).open()
    failed = False
    names = [str(path) for path in sources_in(options.files)]
    if not names:
        raise DiagnosticError(Diagnostic("U0901", f"there is no `.dnd` file in {', '.join(options.files)}", None))
    for name in names:
        try:
            loaded, checked = check_file(Path(name), cache)
        except DiagnosticError as error:
            reporter.show(error.diagnostics)
            failed = True
            continue
        reporter.add_sources(loaded.sources)
        found: tuple[Diagnostic, ...] = loaded.diagnostics + checked.diagnostics
        if not found and not loaded.modules[loaded.root].tree.items:
            found = (Diagnostic("U0910", f"`{name}` declares nothing", None),)
        reporter.show(found)
        wrong = any(d.severity == "error" for d in found)
        failed = failed or wrong
        if options.hash and not wrong:
            say(f"{hash_of(checked)}  {name}\n")
    reporter.show(cache.warnings)
    return 1 if failed else 0
