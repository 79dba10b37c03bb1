"""`dandc explain CODE`"""

import argparse
import textwrap

from dandc.commands.output import Reporter, say
from dandc.lang.codes import CODES
from dandc.lang.diagnostics import Diagnostic

HELP = "Explain the code of a diagnostic."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("code", metavar="CODE", help="such as T0301")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """Print the page of a code."""
    code = CODES.get(options.code.upper())
    if code is None:
        reporter.show((Diagnostic("U0908", f"there is no diagnostic `{options.code}`", None),))
        return 1
    say(f"{options.code.upper()}: {code.title}\n\n{textwrap.fill(code.explanation, 88)}\n")
    return 0
