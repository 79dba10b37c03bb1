"""A run as a file in Chrome's trace format, for `chrome://tracing` and Perfetto: a track a sandbox slot, a connection, a node.

Times are microseconds since the run began. What was asked for or answered is not in it, only names, counts and failure codes.
"""

import json
from collections.abc import Iterator
from typing import Any

from dandc.vm import Event, Watch

_GROUPS = {"sandbox": (1, "sandboxes", "slot"), "request": (2, "requests", "connection"), "node": (3, "nodes", "node")}


def trace_json(watch: Watch) -> str:
    """The text of the file."""
    other = {"droppedEvents": watch.dropped} if watch.dropped else {}
    return json.dumps({"traceEvents": list(_events(watch)), "displayTimeUnit": "ms", "otherData": other}) + "\n"


def _events(watch: Watch) -> Iterator[dict[str, Any]]:
    for group, title, _ in _GROUPS.values():
        yield {"ph": "M", "name": "process_name", "pid": group, "tid": 0, "args": {"name": title}}
    for kind, lane in sorted({(event.kind, event.lane) for event in watch.events}):
        group, _, title = _GROUPS[kind]
        yield {"ph": "M", "name": "thread_name", "pid": group, "tid": lane, "args": {"name": f"{title} {lane}"}}
    yield from map(_event, watch.events)


def _event(event: Event) -> dict[str, Any]:
    arguments: dict[str, Any] = {"instances": event.items}
    if event.error:
        arguments["error"] = event.error
    return {
        "ph": "X",
        "name": event.name,
        "cat": event.kind,
        "pid": _GROUPS[event.kind][0],
        "tid": event.lane,
        "ts": event.start / 1000,
        "dur": event.length / 1000,
        "args": arguments,
    }
