"""Room for recursion over syntax trees: the parser's limit on nesting decides how deep they are, not Python's default.

A tree is at most 200 levels deep, and the passes take a dozen Python calls a level. The room is bounded well below what
a thread's stack holds, so that recursion without end still ends as a `RecursionError`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

ROOM = 6_000


@contextmanager
def room_for_recursion() -> Iterator[None]:
    """Raise the interpreter's recursion limit inside the block, if it is lower; it is never set lower than it was."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, ROOM))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
