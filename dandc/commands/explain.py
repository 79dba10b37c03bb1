"""`dandc explain CODE`"""

import argparse

from dandc.commands.output import Reporter, say
from dandc.compiler.check.suggest import nearest
from dandc.lang.codes import CODES
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.lessons import page

HELP = "Explain the code of a diagnostic."
WIDTH = 88


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("code", metavar="CODE", help="such as T0301")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """Print the page of a code."""
    code = options.code.upper()
    if code not in CODES:
        reporter.show((unknown(options.code),))
        return 1
    say(f"{page(code, WIDTH)}\n")
    return 0


def unknown(written: str) -> Diagnostic:
    """What is said about a code that there is not."""
    near = nearest(written.upper(), sorted(CODES))
    notes = (f"did you mean `{near}`?",) if near else ()
    return Diagnostic("U0908", f"there is no diagnostic `{written}`", None, notes=notes)
