"""The subcommands: each module has `HELP`, `arguments(parser)` and `main(options) -> int`."""

import argparse
import gc
import os
import signal
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Any

from dandc.commands.output import Reporter, UseError, finish
from dandc.lang.diagnostics import Diagnostic, DiagnosticError


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Parse the arguments of a subcommand and run it; what goes wrong is shown as diagnostics, never as a traceback."""
    reporter = Reporter("text")
    try:
        module = import_module(f"dandc.commands.{name}_" if iskeyword(name) else f"dandc.commands.{name}")
        options = _parser(name, module).parse_intermixed_args(arguments)
        reporter.form = options.diagnostics
        gc.freeze()
        gc.enable()
        status: int = module.main(options, reporter)
        finish()
    except DiagnosticError as error:
        reporter.add_sources(getattr(error, "sources", {}))
        reporter.show(error.diagnostics)
        return 2 if isinstance(error, UseError) else 1
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # nobody reads any more
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # the last wall: a mistake of ours is reported like one, with how to see more
        if os.environ.get("DANDC_DEBUG"):
            raise
        reporter.show((_own_mistake(error),))
        return 1
    return status


def _parser(name: str, module: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"dandc {name}", description=module.HELP, allow_abbrev=False)
    parser.add_argument("--diagnostics", choices=("text", "json"), default="text", help="how mistakes are shown")
    module.arguments(parser)
    return parser


def _own_mistake(error: Exception) -> Diagnostic:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    note = "set DANDC_DEBUG=1 to see where, and please report it"
    return Diagnostic("U0909", f"dandc itself failed: {what}", None, notes=(note,))
