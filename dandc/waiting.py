"""Waits in ordinary code for what is asynchronous."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


def wait_for(work: Callable[[], Awaitable[T]], instead: str = "") -> T:
    """The result of `work` in an event loop of its own. Inside an event loop a `RuntimeError`, which names what to await `instead`.

    It does not become the result of the loop's main task: when that has ended, CPython 3.11 makes the text of it all while it
    puts back the handler of Ctrl-C, which takes seconds for a million items.
    """
    if instead and _in_a_loop():
        raise RuntimeError(f"an event loop runs in this thread already: write `await {instead}(...)`")
    results: list[T] = []

    async def main() -> None:
        results.append(await work())

    anyio.run(main)
    return results[0]


def _in_a_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
