"""What every way to isolate a call must offer: a pool is opened, runs shards of calls, and is closed.

`open_pool` is the one that is there, with a process for each call; another one, a virtual machine say, would take the same
images and give the same outcomes. `tests/isolation/back_end_rules.py` says what is expected beyond the types.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dandc.isolation.image import Block, Image
from dandc.isolation.layout import Limits
from dandc.isolation.outcome import Outcome


class Runner(Protocol):
    """An open back end."""

    async def run(
        self,
        image: Image,
        inputs: Sequence[bytes | bytearray | memoryview] | Block,
        first: int,
        last: int,
        limits: Limits = ...,
        *,
        background: bool = False,
    ) -> Outcome:
        """Runs instances `first <= i < last` in a sandbox that has run nothing before; cancelling ends just that one."""
        ...


class BackEnd(Protocol):
    """Opens a runner of so many calls at once; leaving the context ends whatever runs and leaves nothing."""

    def __call__(self, slots: int = 8) -> AbstractAsyncContextManager[Runner]: ...
