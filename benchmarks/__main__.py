"""`python -m benchmarks NAME [--json]`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from benchmarks.rows import Row, as_json, as_table

NAMES = ("sandbox", "frontend", "kernels", "fanout")


def main() -> int:
    """Runs one measurement and prints it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure against the house's budget.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    rows: Sequence[Row] = importlib.import_module(f"benchmarks.{options.name}").measure()
    sys.stdout.write((as_json if options.json else as_table)(options.name, rows) + "\n")
    return int(any(row.note.startswith("failed: ") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
