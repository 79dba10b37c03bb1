"""Room for recursion over syntax trees: the parser's limit on nesting decides how deep they are, not Python's default.

A tree is at most 200 levels deep, and the passes take a dozen Python calls a level. The room is bounded well below what
a thread's stack holds, so that recursion without end still ends as a `RecursionError`.

Python's limit belongs to the whole process. It is raised when the first thread comes in and restored when the last one has
left, so that no thread takes another one's room away.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock  # noqa: TID251 - the limit belongs to all threads; a lock reads and writes nothing

from attrs import define, field

ROOM = 6_000


@define
class _Shared:
    """How many blocks are open in all threads, and the limit from before the first."""

    lock: Lock = field(factory=Lock)
    inside: int = 0
    before: int = 0


_SHARED = _Shared()


@contextmanager
def room_for_recursion() -> Iterator[None]:
    """Raise the recursion limit inside the block, if it is lower; it is never set lower than it was."""
    with _SHARED.lock:
        if _SHARED.inside == 0:
            _SHARED.before = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_SHARED.before, ROOM))
        _SHARED.inside += 1
    try:
        yield
    finally:
        with _SHARED.lock:
            _SHARED.inside -= 1
            if _SHARED.inside == 0:
                sys.setrecursionlimit(_SHARED.before)
