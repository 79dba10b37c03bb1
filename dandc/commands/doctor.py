"""`dandc doctor`"""

import argparse
import json

from attrs import asdict

from dandc.commands.output import Reporter, say

HELP = "Show each layer of the sandbox: what it stops, and whether it holds on this host for this user."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--json", action="store_true", help="print the layers as JSON")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if kernels can be run here."""
    from dandc.isolation.probe import probe

    layers = probe()
    if options.json:
        say(json.dumps([asdict(layer) for layer in layers], indent=2) + "\n")
    else:
        for layer in layers:
            say(f"{'holds' if layer.holds else 'MISSING':<8} {layer.name}: {layer.stops}\n")
            if not layer.holds and layer.enable:
                say(f"{'':<8} {layer.enable}\n")
    return 0 if all(layer.holds for layer in layers if layer.required) else 1
