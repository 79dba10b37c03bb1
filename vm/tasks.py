"""How work meets the event loop: many small calls with few tasks, and big copies beside the loop.

The first call that raises `NodeFailedError` cancels the others; it is raised when they have ended, and not inside an
exception group, because it is an expected outcome.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from dandc.vm.failures import NodeFailedError

# Work on more bytes than this would keep the event loop from everything else for a millisecond or more.
_OFF_LOOP_BYTES = 1 << 20

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


async def off_loop(size: int, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """The result of `work`, which touches `size` bytes: done here if they are few, else in a worker thread."""
    if size <= _OFF_LOOP_BYTES:
        return work(*arguments)
    return await anyio.to_thread.run_sync(work, *arguments)


async def together(workers: list[Callable[[], Awaitable[None]]]) -> None:
    """Run the workers side by side; the first `NodeFailedError` cancels the rest and is raised."""
    if len(workers) == 1:
        await workers[0]()
        return
    failure: list[NodeFailedError] = []
    async with anyio.create_task_group() as group:

        async def guarded(worker: Callable[[], Awaitable[None]]) -> None:
            try:
                await worker()
            except NodeFailedError as error:
                failure.append(error)
                group.cancel_scope.cancel()

        for worker in workers:
            group.start_soon(guarded, worker)
    if failure:
        raise failure[0]
