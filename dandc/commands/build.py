"""`dandc build FILE`"""

import argparse
import os
from pathlib import Path

from dandc.cache import Cache, default_folder
from dandc.commands.output import Reporter, UseError, say
from dandc.files import write_atomically
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.vm.bundle import dump_bundle
from dandc.vm.cpu import LEVELS

HELP = "Compile a program and write it as one file (a bundle), which `dandc run` takes without the compiler."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="a .dnd file")
    parser.add_argument("-o", "--out", metavar="BUNDLE", help="where to write; by default FILE with the ending .dndb")
    parser.add_argument(
        "--cpu", metavar="LEVELS", default="x86-64-v2,x86-64-v3,x86-64-v4",
        help=f"the CPU levels to generate code for, separated by commas, of {', '.join(LEVELS)}; by default all",
    )  # fmt: skip
    parser.add_argument("--no-sources", action="store_true", help="leave the sources out: messages show no lines then")
    parser.add_argument("--no-cache", action="store_true", help="compile anew and keep nothing")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the bundle is written."""
    from dandc.building import build

    levels = [level.strip() for level in options.cpu.split(",")]
    unknown = next((level for level in levels if level not in LEVELS), None)
    if unknown is not None:
        message = f"there is no CPU level `{unknown[:40]}`; there are: {', '.join(LEVELS)}"
        raise UseError(Diagnostic("U0911", message, None))
    source = Path(options.file)
    out = source.with_suffix(".dndb") if options.out is None else Path(options.out)
    if options.out == "" or os.path.realpath(out) == os.path.realpath(source):
        raise UseError(Diagnostic("U0906", f"the bundle cannot be written to `{options.out or out}`", None))
    cache = Cache(None if options.no_cache else default_folder()).open()
    bundle = build(source, cache, levels, sources=not options.no_sources)
    data = dump_bundle(bundle)
    try:
        write_atomically(out, data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiagnosticError(Diagnostic("U0906", f"cannot write `{out}`: {reason}", None)) from None
    say(f"{out}: {len(data):,} bytes, program {bundle.hash[:16]}, {', '.join(sorted(bundle.levels))}\n")
    return 0
