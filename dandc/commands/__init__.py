"""The subcommands: each module has `HELP`, `arguments(parser)` and `main(options) -> int`."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from dandc.commands.output import Reporter
from dandc.lang.diagnostics import Diagnostic, DiagnosticError


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Parse the arguments of a subcommand and run it; what goes wrong is shown as diagnostics, never as a traceback."""
    module = import_module(f"dandc.commands.{name}")
    parser = argparse.ArgumentParser(prog=f"dandc {name}", description=module.HELP, allow_abbrev=False)
    parser.add_argument("--diagnostics", choices=("text", "json"), default="text", help="how mistakes are shown")
    module.arguments(parser)
    options = parser.parse_args(arguments)
    gc.freeze()
    gc.enable()
    reporter = Reporter(options.diagnostics)
    try:
        status: int = module.main(options, reporter)
        sys.stdout.flush()
    except DiagnosticError as error:
        reporter.add_sources(getattr(error, "sources", {}))
        reporter.show(error.diagnostics)
        return 1
    except BrokenPipeError:
        # Nobody reads any more; what is still buffered must not be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001  # the last wall: a mistake of ours is reported like one, with how to see more
        if os.environ.get("DANDC_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        note = "set DANDC_DEBUG=1 to see where, and please report it"
        reporter.show((Diagnostic("U0909", f"dandc itself failed: {what}", None, notes=(note,)),))
        return 1
    return status
