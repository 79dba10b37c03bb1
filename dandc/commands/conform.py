"""`dandc conform [DIR]`"""

import argparse
import json
from pathlib import Path

from dandc.commands.output import Reporter, say
from dandc.conform.suite import Report

HELP = "Run the examples of a spec: every program is checked, run on interpreter and native code, and compared."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("folder", nargs="?", default="spec", metavar="DIR", help="a folder of chapters (default: spec)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if every example does what it says and every rule has one."""
    from dandc.conform import read_chapters, run_suite

    folder = Path(options.folder)
    report = run_suite(read_chapters(folder))
    say(json.dumps(report.as_json(), ensure_ascii=False) + "\n" if options.json else _text(folder, report))
    return 1 if report.failures or report.rules_without_example else 0


def _text(folder: Path, report: Report) -> str:
    lines = [
        f"{folder / f.chapter}:{f.line}: {f.example + ': ' if f.example else ''}{f.message}" for f in report.failures
    ]
    lines += [f"the rule `{rule}` has no example" for rule in report.rules_without_example]
    codes = report.codes_without_example
    if codes:
        lines.append(f"codes that no example shows: {', '.join(codes)}")
    passed = report.examples - len(report.failed)
    lines.append(f"{passed} of {report.examples} examples pass, for {len(report.rules)} rules")
    return "\n".join(lines) + "\n"
