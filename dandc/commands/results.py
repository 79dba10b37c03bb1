"""The outputs of a run for people and for machines. As files: `dandc/commands/out_folder.py`."""

import json
import sys
from typing import Any

from dandc.commands.output import say, tell
from dandc.compiler.flow import Graph, GraphOutput, Program
from dandc.compiler.types import BYTES, STR
from dandc.vm import OutputItem, RunResult
from dandc.vm.jsonvalues import to_json


def as_json(program: Program, graph: Graph, result: RunResult) -> dict[str, Any]:
    """`{"outputs": {SET: [{"name", "key", "value"}]}, "nodes": {NODE: {"ran", "skipped", "failed"}}}`, and notes if any."""
    outputs = {
        output.name: [item_json(program, output, item) for item in result.outputs[output.name]]
        for output in graph.outputs
    }
    shape: dict[str, Any] = {"outputs": outputs, "nodes": result.nodes}
    if result.notes:
        shape["notes"] = [{"node": n.node, "item": n.item, "text": n.text} for n in result.notes]
    return shape


def item_json(program: Program, output: GraphOutput, item: OutputItem) -> dict[str, Any]:
    """`{"name", "key", "value"}` of an item, as JSON has them."""
    flow = output.type
    key = None if flow.key is None else to_json(flow.key, item.key, program.types)
    return {"name": item.name, "key": key, "value": to_json(flow.item, item.value, program.types)}


def show(program: Program, graph: Graph, result: RunResult, *, quiet: bool, counts: bool = True) -> None:
    """Outputs to standard output (unless `quiet`), counts (unless told otherwise) and notes to standard error."""
    if not quiet:
        alone = len(graph.outputs) == 1
        for output in graph.outputs:
            _show_output(program, output, result.outputs[output.name], alone=alone)
    for note in result.notes:
        where = f"{note.node} [{_visible(note.item)}]" if note.item else note.node
        tell(f"note: {where}: {_visible(note.text)}\n")
    width = max((len(name) for name in result.nodes), default=0)
    for name, numbers in result.nodes.items() if counts else ():
        told = ", ".join(f"{n} {what}" for what, n in numbers.items() if n and what != "unmatched") or "nothing to do"
        tell(f"{name:<{width}}  {'; '.join((told, *result.alone.get(name, ())))}\n")


def _show_output(program: Program, output: GraphOutput, items: tuple[OutputItem, ...], *, alone: bool) -> None:
    if output.type.card != "many" and alone and items and output.type.item in (STR, BYTES):
        say(items[0].encoded)
        if sys.stdout.isatty() and not items[0].encoded.endswith(b"\n"):
            say("\n")
        return
    if output.type.card == "many":
        say(f"{output.name}: {len(items)} items\n")
        for item in items:
            shown = item_json(program, output, item)
            label = [
                json.dumps(shown[part], ensure_ascii=False) for part in ("key", "name") if shown[part] not in (None, "")
            ]
            say("  " + ": ".join([*label, json.dumps(shown["value"], ensure_ascii=False)]) + "\n")
    elif items:
        value = item_json(program, output, items[0])["value"]
        say(f"{output.name}: {json.dumps(value, ensure_ascii=False)}\n")
    else:
        say(f"{output.name}: absent\n")


def _visible(text: str) -> str:
    """Text from a program on a terminal: without control characters, which could steer it."""
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)
