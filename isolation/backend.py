"""What every way to isolate a call must offer: a pool is opened, runs shards of calls, and is closed.

`open_pool` is the one that isolates, with a process for each call; another one, a virtual machine say, would take the same
images and give the same outcomes. `open_inline` keeps the part of the contract that trusted code needs.
`tests/isolation/back_end_rules.py` says what is expected beyond the types.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from dandc.isolation.image import Block, Image
from dandc.isolation.layout import Limits
from dandc.isolation.outcome import RECORD, Outcome

Inputs: TypeAlias = Sequence[bytes | bytearray | memoryview] | Block
DEFAULT_LIMITS = Limits()


class Runner(Protocol):
    """An open back end."""

    async def run(
        self,
        image: Image,
        inputs: Inputs,
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


def refusal(image: Image, inputs: Inputs, first: int, last: int, limits: Limits) -> Outcome | None:
    """What is said of a call before anything runs, if anything. Raises `ValueError` for what cannot be a call."""
    if not 0 <= first <= last < 1 << 32:
        raise ValueError("instances must be 0 <= first <= last < 2**32")
    if (last - first) * RECORD > limits.output:
        return Outcome("limit.output", "the instance records alone need more than the limit")
    if image.fd < 0 or (isinstance(inputs, Block) and inputs.fd < 0):
        raise ValueError("the image or the input block is closed")
    return None
