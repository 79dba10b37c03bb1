"""Admits sandboxes: running ones within the CPUs, their memory limits within a budget.

First come, first served, so that a big call is not starved by small ones. What can never fit is refused at once
instead of waiting for ever.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class TooBigError(Exception):
    """One call alone asks for more than the whole budget."""


class Admission:
    """Slots and bytes of one run (or of one machine)."""

    def __init__(self, slots: int, memory: int) -> None:
        self._slots = slots
        self._memory = memory
        self._budget = memory
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @asynccontextmanager
    async def admit(self, memory: int) -> AsyncIterator[None]:
        """Holds one slot and `memory` bytes of the budget; raises `TooBigError` when that can never be."""
        if memory > self._budget:
            raise TooBigError(f"the call may use {memory} bytes, the budget for all calls is {self._budget}")
        await self._take(memory)
        try:
            yield
        finally:
            self._give(memory)

    async def _take(self, memory: int) -> None:
        if not self._waiting and self._fits(memory):
            self._slots -= 1
            self._memory -= memory
            return
        ticket = (memory, anyio.Event())
        self._waiting.append(ticket)
        try:
            await ticket[1].wait()
        except BaseException:
            self._abandon(ticket)
            raise

    def _abandon(self, ticket: tuple[int, anyio.Event]) -> None:
        """A cancelled waiter: gives back what it was granted at the last moment, or leaves the queue."""
        if ticket[1].is_set():
            self._give(ticket[0])
        else:
            self._waiting.remove(ticket)
            self._wake()

    def _fits(self, memory: int) -> bool:
        return self._slots > 0 and memory <= self._memory

    def _give(self, memory: int) -> None:
        self._slots += 1
        self._memory += memory
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            memory, event = self._waiting.popleft()
            self._slots -= 1
            self._memory -= memory
            event.set()
