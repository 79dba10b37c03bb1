"""Says in words why a node did not run, and what the counts of a node mean."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dandc.compiler.encoding import EncodingError
from dandc.compiler.flow import FlowNode, Graph, InputSource, NodeSource, Program, ReduceNode, Source
from dandc.compiler.flow_walk import output_names, parameter_names
from dandc.compiler.keys import decode_key
from dandc.compiler.types import Type, TypeTable
from dandc.vm.items import ItemSet
from dandc.vm.jsonvalues import to_json
from dandc.vm.summary import Lonely, Summary

_SHORT = 40


def why_skipped(program: Program, graph: Graph, node: FlowNode, sets: Sequence[ItemSet]) -> str:
    """What a skipped node needs and was not there, and who should have made it."""
    names = parameter_names(program.graphs, program.kernels, node)
    missing = [
        f"`{name}` is absent: {_maker(program, graph, arg.source)}"
        for name, arg, items in zip(names, node.args, sets, strict=True)
        if arg.shard == "one" and not arg.optional and not len(items)
    ]
    return "; ".join(missing) or "nothing came for it to work on"


def _maker(program: Program, graph: Graph, source: Source) -> str:
    match source:
        case InputSource(index):
            return f"the input `{graph.inputs[index].name}` was not given"
        case NodeSource(number, output):
            node = graph.nodes[number]
            if output < 0:
                return f"`{node.name}` collected no failure"
            what = output_names(program.graphs, program.kernels, node)[output]
            return f"`{node.name}` gave no `{what}`"
    return "nothing is bound to it"


def stories(nodes: Mapping[str, Mapping[str, Any]], program: Program, graph: Graph) -> Iterator[tuple[str, str]]:
    """Each node with what happened to it in words: those of the graph first.

    `nodes` are counts, with `because` of skipped ones and `alone` of joins.
    """
    order = [node.name for node in graph.nodes if node.name in nodes]
    folds = {node.name for g in program.graphs.values() for node in g.nodes if isinstance(node, ReduceNode)}
    for name in [*order, *(name for name in nodes if name not in order)]:
        told = "; ".join(_story(nodes[name])) or "it had nothing to do"
        yield name, told.replace("ran", "folded", 1) if name.rpartition("/")[2] in folds else told


_WORDS = {
    "ran": "ran {}",
    "cached": "{} from the cache",
    "recorded": "{} from the journal",
    "failed": "{} failed",
}


def _story(counts: Mapping[str, Any]) -> Iterator[str]:
    told = [_WORDS[what].format(_times(what, counts[what])) for what in _WORDS if counts.get(what)]
    if told:
        yield ", ".join(told)
    if counts.get("skipped"):
        times = f" {counts['skipped']} times" if counts["skipped"] > 1 else ""
        yield f"skipped{times}: {counts.get('because', 'an item that it needs was absent')}"
    yield from counts.get("alone", ())
    if counts.get("begun"):
        yield f"{counts['begun']} begun, and nobody knows how they ended"


def alone(found: Lonely) -> str:
    """`2 keys of `a` have no partner in `b`: "p", "q"`."""
    side, other = (" with ".join(f"`{name}`" for name in names) for names in (found.side, found.other))
    told = f"{found.count} keys of {side} have" if found.count > 1 else f"1 key of {side} has"
    more = f" and {found.count - len(found.first)} more" if found.count > len(found.first) else ""
    return f"{told} no partner in {other}: {', '.join(found.first)}{more}"


def alone_in(summary: Summary) -> dict[str, tuple[str, ...]]:
    """The sentences about keys without a partner, by node."""
    return {
        name: tuple(alone(counts.unmatched[side]) for side in sorted(counts.unmatched))
        for name, counts in summary.nodes.items()
        if counts.unmatched
    }


def shown_key(t: Type | None, key: bytes, types: TypeTable) -> str:
    """A key on one short line, without what could steer a terminal."""
    try:
        text = json.dumps(to_json(t, decode_key(t, key, types), types), ensure_ascii=False) if t is not None else "?"
    except EncodingError:  # only a bundle that no compiler made has such keys
        return "?"
    text = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."


def _times(what: str, count: Any) -> str:
    return ("once" if count == 1 else f"{count} times") if what == "ran" else str(count)
