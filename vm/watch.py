"""What goes on in a run, for people who look on: counts a node while it runs, and, if asked for, a trace of what took how long.

The machine tells a `Watch` when nodes begin and end, and when a shard or a request is under way: once a shard or request, never once an
item of a packed shard. Nothing that the machine does depends on what a watch makes of it.
"""

import heapq
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from attrs import define

from dandc.lang.values import frozen

# A trace of more than this would be read by no viewer; what is beyond is counted.
MAX_EVENTS = 1 << 20


@define(slots=True, eq=False)
class Progress:
    """One node so far: instances that have ended, failed ones among them, repeated requests, and how many there will be.

    `total` is None while that is not known. `began` and `ended` are nanoseconds of the monotonic clock, `ended` 0 while it runs.
    """

    name: str
    kind: str
    began: int
    done: int = 0
    failed: int = 0
    retried: int = 0
    total: int | None = None
    ended: int = 0


@frozen(slots=True)
class Event:
    """Something that took time: `lane` is a sandbox slot, a connection, or a node, of `kind` `sandbox`, `request` or `node`.

    `start` and `length` are nanoseconds, `start` since the run began; `items` instances were in it; `error` is what it ended with.
    """

    kind: str
    lane: int
    name: str
    start: int
    length: int
    items: int
    error: str = ""


class _Lanes:
    """Numbers for things that go on at the same time: always the smallest one that is free."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 0

    def take(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give(self, lane: int) -> None:
        heapq.heappush(self._free, lane)


class Span:
    """A shard or request under way, while its `with` block runs. Whoever runs it says at the end what it ended with.

    There is one for every shard: hence a class, which costs a fraction of a generator.
    """

    __slots__ = ("_items", "_kind", "_lane", "_name", "_start", "_watch", "error")

    def __init__(self, watch: "Watch", kind: str, name: str, items: int) -> None:
        self._watch, self._kind, self._name, self._items = watch, kind, name, items
        self.error = ""

    def __enter__(self) -> Self:
        if self._watch.traces:
            self._lane, self._start = self._watch.begin(self._kind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        watch = self._watch
        if kind is not None and not self.error:
            self.error = kind.__name__
        if not self.error:
            watch.ended(self._name, self._items)
        if watch.traces:
            watch.keep(self._kind, self._lane, self._name, self._start, self._items, self.error)


class Watch:
    """Looks on at one run. `trace` keeps an event for everything that took time."""

    def __init__(self, *, trace: bool = False) -> None:
        self.began = time.monotonic_ns()
        self.nodes: dict[str, Progress] = {}
        self.events: list[Event] = []
        self.dropped = 0
        self.traces = trace
        self._lanes = {kind: _Lanes() for kind in ("sandbox", "request", "node")}

    def expect(self, name: str, total: int) -> None:
        """So many instances the node has."""
        progress = self.nodes.get(name)
        if progress is not None:
            progress.total = total

    def ended(self, name: str, items: int) -> None:
        """So many instances of the node have ended well."""
        progress = self.nodes.get(name)
        if progress is not None:
            progress.done += items

    def failed(self, name: str) -> None:
        """An instance of the node has failed."""
        progress = self.nodes.get(name)
        if progress is not None:
            progress.failed += 1

    def retried(self, name: str) -> None:
        """A request of the node is sent again."""
        progress = self.nodes.get(name)
        if progress is not None:
            progress.retried += 1

    @contextmanager
    def node(self, name: str, kind: str) -> Iterator[None]:
        """The node runs. In a loop or under `each` it may run several times, also at the same time: counts are of all runs."""
        progress = self.nodes.get(name)
        if progress is None:
            progress = self.nodes[name] = Progress(name, kind, time.monotonic_ns())
        progress.ended = 0
        lane, start = self.begin("node")
        try:
            yield
        finally:
            progress.ended = time.monotonic_ns()
            self.keep("node", lane, name, start, progress.done, "")

    def under_way(self, kind: str, name: str, items: int) -> Span:
        """A shard (`sandbox`) or a `request` of a node, with so many instances."""
        return Span(self, kind, name, items)

    def begin(self, kind: str) -> tuple[int, int]:
        """The lane of what begins now, and when that is."""
        return self._lanes[kind].take(), time.monotonic_ns()

    def keep(self, kind: str, lane: int, name: str, start: int, items: int, error: str) -> None:
        """Give the lane back, and note the event if there is a trace."""
        self._lanes[kind].give(lane)
        if not self.traces:
            return
        if len(self.events) < MAX_EVENTS:
            length = time.monotonic_ns() - start
            self.events.append(Event(kind, lane, name, start - self.began, length, items, error))
        else:
            self.dropped += 1
