"""An event loop whose time passes only while everybody waits for it.

Time-outs, back-off and delays of fakes are timers of the loop. When nothing is ready and nothing real is under way (a
sandbox, a worker thread, the start of the pool), the next thing that can happen is the next timer: so the clock jumps there
at once. A test of ten retries with time-outs of 30 s takes milliseconds, and always sees the same times.

What is real keeps its real time: while a sandbox runs the virtual clock stands still, however long it takes. A
kernel's own limits are timers in the sandbox and not concerned.
"""

import asyncio
import selectors
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

# Waiting for ever is a timer without end in anyio: who waits so long waits for nothing.
_MOST_S = 10 * 365 * 86_400.0


class Threads(Protocol):
    """Says how many worker threads are at work: the limiter of anyio's threads."""

    @property
    def borrowed_tokens(self) -> float: ...


class StuckError(Exception):
    """Everybody waits for something that can never happen."""


class Clock:
    """Virtual seconds since the loop began, and how much of what is under way is real."""

    def __init__(self) -> None:
        self.now = 0.0
        self.threads: Threads | None = None
        self._real = 0

    @contextmanager
    def real(self) -> Iterator[None]:
        """While this is open something happens in real time, and the clock stands still."""
        self._real += 1
        try:
            yield
        finally:
            self._real -= 1

    @property
    def busy(self) -> bool:
        """Whether something real is under way."""
        return self._real > 0 or (self.threads is not None and self.threads.borrowed_tokens > 0)


class VirtualSelector(selectors.BaseSelector):
    """The real selector, which never sleeps for a timer: it moves the clock instead."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Events that are there now; without any, waits for real work or moves the clock by `timeout` seconds."""
        events = self._inner.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._clock.busy:
            return self._inner.select(None)
        if timeout is None or self._clock.now > _MOST_S:
            raise StuckError("everything waits, and no time-out is set")
        self._clock.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a virtual clock; made by `anyio.run(..., backend_options={"loop_factory": ...})`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(VirtualSelector(clock))
        self._clock = clock

    def time(self) -> float:
        """Virtual seconds."""
        return self._clock.now
