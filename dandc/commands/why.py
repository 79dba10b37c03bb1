"""`dandc why FILE`"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict

from dandc.commands.output import Reporter, say
from dandc.vm import loads
from dandc.vm.why import stories

if TYPE_CHECKING:
    from dandc.vm.decisive import Failing

HELP = "Say of every node of a recorded run why it ran, was skipped, or need not run."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="the journal that `dandc run --record FILE` wrote")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the journal could be read, however the run ended."""
    from dandc.vm.journal import read_journal

    journal = read_journal(Path(options.file))
    try:
        program = loads(journal.head.program)
        nodes = journal.nodes_now()
        for name, (known, begun) in journal.tally_now().items():
            story = nodes.setdefault(name, {"recorded": known} if known else {})
            if begun:
                story["begun"] = begun
        failure = journal.failure_now()
    finally:
        journal.close()
    told = list(stories(nodes, program, program.graphs[journal.head.graph]))
    if options.json:
        shape = {
            "status": journal.status,
            "failure": failure and asdict(failure),
            "nodes": nodes,
            "stories": dict(told),
        }
        say(json.dumps(shape, ensure_ascii=False) + "\n")
        return 0
    say(_headline(journal.status, failure) + "\n")
    width = max((len(name) for name, _ in told), default=0)
    say("".join(f"{name:<{width}}  {story}\n" for name, story in told))
    return 0


def _headline(status: str, failure: "Failing | None") -> str:
    if status == "running":
        return "the run did not end; `dandc resume` finishes it"
    if status == "failed":
        return "the run failed" if failure is None else f"the run failed {failure.place}: {failure.message}"
    return "the run gave its outputs"
