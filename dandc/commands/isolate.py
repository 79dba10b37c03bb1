"""The option `--isolation` of commands that run kernels."""

import argparse

from dandc.commands.output import tell

_INLINE = (
    "dandc: kernels run inline, without a sandbox: nothing stops one that does not end (Ctrl-\\ does) or that crashes\n"
)


def isolation_argument(parser: argparse.ArgumentParser) -> None:
    """How kernels are run."""
    parser.add_argument(
        "--isolation", choices=("process", "inline"), default="process",
        help="`process`, the default: a fresh sandbox for each call; `inline`, for trusted code alone: in this process, "
        "unsandboxed, one call at a time, with time limits that are looked at only after a call has ended",
    )  # fmt: skip


def tell_of_isolation(isolation: str) -> None:
    """Says on standard error what was asked for, where that is no sandbox."""
    if isolation == "inline":
        tell(_INLINE)
