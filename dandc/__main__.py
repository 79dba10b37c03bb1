"""The command line. Each subcommand is a module of its own in `dandc/commands`, loaded only when it is used."""

import gc
import os
import sys
from collections.abc import Sequence

COMMANDS = {
    "check": "check programs and show every mistake",
    "run": "run a composition of a program",
    "build": "write a program as one file that runs without the compiler",
    "graph": "draw the graph of a composition",
    "resume": "finish a recorded run that was killed or has failed",
    "replay": "repeat a recorded run without sending anything",
    "why": "say why the nodes of a recorded run ran, or did not",
    "test": "run the tests of programs",
    "import": "translate a source in upstream's composition language",
    "repl": "try the language, entry by entry",
    "fmt": "write programs in the style of the language",
    "explain": "explain the code of a diagnostic",
    "conform": "run the examples of a spec",
    "doctor": "show what the sandbox stops on this host",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand. Exit status: 0 good, 1 the program or the run failed, 2 wrong use."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_usage())  # noqa: T201  # the command line talks
        return 0 if given else 2
    if given[0] == "--version":
        from dandc import __version__

        print(f"dandc {__version__}")  # noqa: T201
        return 0
    if given[0] not in COMMANDS:
        from dandc.compiler.check.suggest import nearest

        near = nearest(given[0], COMMANDS)
        hint = f"; did you mean `{near}`?" if near else ""
        print(f"dandc: there is no command `{given[0]}`{hint}\n\n{_usage()}", file=sys.stderr)  # noqa: T201
        return 2
    from dandc.commands import run_command

    return run_command(given[0], given[1:])


def _usage() -> str:
    rows = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    return f"usage: dandc COMMAND ...\n\n{rows}\n\n`dandc COMMAND --help` says more."


def entry() -> None:
    """The process `dandc`. Starts and ends without what only a long-lived process needs.

    Nothing of what is imported is ever garbage, so the collector only costs (a fifth of the start): it is off until a
    command does its work. At the end the kernel takes everything back faster than the interpreter gives it up one by one.
    """
    gc.disable()
    _open_streams()
    status = 1
    try:
        status = main()
    except SystemExit as stop:  # argparse: wrong use, or --help
        status = stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:  # before a command could take care of it
        status = 130
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or 1
    os._exit(status)


def _open_streams() -> None:
    """A standard stream that the caller closed becomes one on which writing fails, and no file can take its number."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
        sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")


if __name__ == "__main__":
    entry()
