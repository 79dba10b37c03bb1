"""`python -m benchmarks NAME [--json]`, and `python -m benchmarks sandbox --soak`."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import Row, as_json, as_table

NAMES = ("sandbox", "frontend", "kernels", "fanout")


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure against the house's budget.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--soak", action="store_true", help="`sandbox`: steady load by the clock, beside other ways")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long each way is under load")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="write the latencies by quantile as a picture")
    return parser


def main() -> int:
    """Runs one measurement and prints it; 1 if a part of it failed."""
    parser = arguments()
    options = parser.parse_args()
    if options.soak and options.name != "sandbox":
        parser.error("--soak is for `sandbox`")
    if options.seconds <= 0:
        parser.error("--seconds must be positive")
    rows: Sequence[Row]
    if options.soak:
        rows = importlib.import_module("benchmarks.soak").soak(options.seconds, options.plot)
    else:
        rows = importlib.import_module(f"benchmarks.{options.name}").measure()
    sys.stdout.write((as_json if options.json else as_table)(options.name, rows) + "\n")
    return int(any(row.note.startswith("failed: ") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
