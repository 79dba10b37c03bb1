"""Makes the helpers beside the tests importable in every import mode, and lets no test leave anything behind."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def children() -> set[int]:
    """Processes whose parent is this one, zombies too."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in listed}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No process, descriptor or thread of isolation outlives a test (one descriptor holds the nucleus's program)."""
    from dandc.isolation import nucleus

    nucleus.program()
    before = set(os.listdir("/proc/self/fd")), children()
    yield
    assert before == (set(os.listdir("/proc/self/fd")), children())
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dandc-isolation")]
