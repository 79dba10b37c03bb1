"""`dandc doctor`"""

import argparse
import json
from typing import TYPE_CHECKING

from attrs import asdict

from dandc.commands.output import Reporter, say
from dandc.isolation import Unavailable

if TYPE_CHECKING:
    from dandc.isolation.probe import Layer

HELP = "Show each layer of the sandbox: what it stops, and whether it holds on this host for this user."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--json", action="store_true", help="print the layers as JSON")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if kernels can be run here."""
    from dandc.isolation.probe import probe

    layers = probe()
    missing = [layer for layer in layers if layer.required and not layer.holds]
    if options.json:
        say(json.dumps([asdict(layer) for layer in layers], indent=2) + "\n")
    else:
        for layer in layers:
            say("".join(f"{line}\n" for line in _lines(layer)))
        verdict = "Nothing is run on this host without them: " + ", ".join(layer.name for layer in missing)
        say(f"\n{verdict if missing else 'Kernels can be run on this host.'}\n{_inline()}\n")
    return 1 if missing else 0


def _lines(layer: "Layer") -> list[str]:
    """A layer for people; where it does not hold, what was seen and how to have it."""
    state = "holds" if layer.holds else "MISSING" if layer.required else "without"
    lines = [f"{state:<8} {layer.name}: stops {layer.stops}"]
    if not layer.holds:
        lines += [f"{'':<8} seen: {layer.seen}", f"{'':<8} to have it: {layer.enable}"]
    return lines


def _inline() -> str:
    """What can be had without any layer; nothing but an option chooses it."""
    from dandc.isolation.inline import check_inline

    try:
        check_inline()
    except Unavailable as error:
        return f"Without a sandbox, for trusted code: --isolation inline does not work here: {error.reason}"
    return "Without a sandbox, for trusted code: --isolation inline works here."
