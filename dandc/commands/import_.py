"""`dandc import FILE`"""

import argparse
from pathlib import Path

from dandc.commands.output import Reporter, UseError, say
from dandc.files import read_source
from dandc.lang.diagnostics import Diagnostic

HELP = "Translate a source in upstream's composition language, and print it as a .dnd program."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="a source in upstream's composition language")
    bind_argument(parser)


def bind_argument(parser: argparse.ArgumentParser) -> None:
    """`--bind`, which `dandc run` takes too."""
    parser.add_argument(
        "--bind", action="append", default=[], metavar="F=MODULE.FUNCTION",
        help="what a declared function stands for: a function of MODULE.dnd beside the source, or of the standard library",
    )  # fmt: skip


def bindings(given: list[str]) -> tuple[tuple[str, str], ...]:
    """The pairs that `--bind` says; raises `UseError`."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, target = text.partition("=")
        if not equals or not name or not target:
            raise UseError(Diagnostic("U0905", f"the binding `{text[:80]}` is not written F=module.function", None))
        if name in found:
            raise UseError(Diagnostic("U0905", f"the function `{name}` is bound twice", None))
        found[name] = target
    return tuple(found.items())


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if there is a translation."""
    from dandc.upstream import translated

    path = Path(options.file)
    source, _ = read_source(path, str(path))
    reporter.add_sources({source.file: source})
    program, warnings = translated(source, path.parent, bindings(options.bind))
    reporter.show(warnings)
    say(program.text)
    return 0
