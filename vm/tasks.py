"""Runs many small calls with few tasks: workers that pull numbers, not a task a number.

The first call that raises `NodeFailedError` cancels the others; it is raised when they have ended, and not inside an
exception group, because it is an expected outcome.
"""

from collections.abc import Awaitable, Callable

import anyio

from dandc.vm.failures import NodeFailedError


async def for_each(count: int, workers: int, call: Callable[[int], Awaitable[None]]) -> None:
    """Await `call(i)` for every `i` in `0..count`, at most `workers` at a time."""
    if count == 1:
        await call(0)
        return
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await call(number)

    await together([work] * min(count, workers))


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
