"""Runs of whole graphs: the scope that each has, and the time that each may take.

Whether time was over is the one thing about a graph that its inputs do not say. So it is written down, and when a run is repeated
the record decides and not the clock.
"""

from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from attrs import define

from dandc.compiler.flow import Policies
from dandc.vm.bounds import deadline_s
from dandc.vm.context import RunContext
from dandc.vm.digests import instance_digests
from dandc.vm.items import ItemSet
from dandc.vm.outcome import Outcome
from dandc.vm.scope import own_key


@define(slots=True)
class Time:
    """Whether a run of a graph has used up its time."""

    over: bool = False


@asynccontextmanager
async def deadline(context: RunContext, name: str, policies: Policies) -> AsyncIterator[Time]:
    """Ends what stands inside when the time of the call `name` is over, or when it was when the run was recorded."""
    seconds, keeper, time = deadline_s(policies), context.keeper, Time()
    if seconds == float("inf"):
        yield time
        return
    if keeper is not None and keeper.replay:
        time.over = await keeper.was_late(context.scope, name)
        yield time
        return
    with anyio.move_on_after(seconds) as scope:
        yield time
    if scope.cancelled_caught:
        time.over = True
        if keeper is not None:
            await keeper.note_late(context.scope, name)


def inside(outcome: Outcome, number: int, inputs: Sequence[ItemSet], rows: "array[int]") -> RunContext:
    """The context of one instance of a composition: whoever keeps results must tell it from the others."""
    context, feed = outcome.context, outcome.feed
    if context.keeper is None or not feed.inherits:
        return context
    own = own_key(feed.key(number), feed.name(number))
    whole = b"" if own else instance_digests(b"", inputs, rows, 1)[0]
    return context.keeper.inside(context, outcome.name, own, whole, feed.origin(number))
