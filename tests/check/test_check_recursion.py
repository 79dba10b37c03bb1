"""The recursion limit is raised while somebody needs it, and is what it was afterwards."""

import sys
import threading

import pytest

from dandc.lang.recursion import ROOM, room_for_recursion


def test_the_limit_comes_back() -> None:
    """Nested blocks and errors inside them leave the limit as it was."""
    before = sys.getrecursionlimit()

    with room_for_recursion(), room_for_recursion():
        assert sys.getrecursionlimit() >= ROOM
    with pytest.raises(ZeroDivisionError), room_for_recursion():
        raise ZeroDivisionError

    assert before == sys.getrecursionlimit()


def test_no_thread_takes_the_room_of_another() -> None:
    """While one thread is inside, another that comes and goes changes nothing for it."""
    before = sys.getrecursionlimit()
    seen = []

    def visit() -> None:
        with room_for_recursion():
            seen.append(sys.getrecursionlimit())

    with room_for_recursion():
        thread = threading.Thread(target=visit)
        thread.start()
        thread.join()
        seen.append(sys.getrecursionlimit())

    assert all(limit >= ROOM for limit in seen)
    assert len(seen) == 2
    assert before == sys.getrecursionlimit()
