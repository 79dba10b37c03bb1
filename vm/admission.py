"""Admits sandboxes: running ones within the CPUs, their memory limits within a budget, fairly between runs.

Every run has a `Share`. A free slot goes to the waiting share that holds the fewest, and among equals to the one that has waited
longest; within a share first come, first served, so that a big call is not starved by small ones. Requests that are
not urgent (a few items that may become more) stand behind those of their own run that are. What can never fit is refused at once
instead of waiting for ever.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from attrs import define, field

from dandc.vm.limits import size_text
from dandc.vm.signal import Signal


class TooBigError(Exception):
    """One call alone asks for more than the whole budget."""

    def __init__(self, asked: int, budget: int) -> None:
        sizes = f"{size_text(asked)}, the budget for all calls of the run is {size_text(budget)}"
        super().__init__(f"with stack and output the call may use {sizes}")
        self.asked = asked


@define(slots=True, eq=False, repr=False)
class Ticket:
    """A request for one slot and `memory` bytes. `wake` is called when it is granted."""

    share: "Share"
    memory: int
    urgent: bool
    wake: Callable[[], None]
    granted: bool = False

    def hurry(self) -> None:
        """It has become urgent."""
        if not self.urgent and not self.granted:
            self.share.patient.remove(self)
            self.urgent = True
            self.share.urgent.append(self)
            self.share.admission.grant()

    def lasts(self) -> bool:
        """Whether it may simply be used once more: it was granted, and nobody waits whose turn it could be."""
        return self.granted and not self.share.admission.contested

    def give_back(self) -> None:
        """End it, whether it was granted or not."""
        self.share.admission.end(self)


class Admission:
    """The slots and bytes of one run, or of one machine that several runs share: `idle` and `memory` are free now."""

    def __init__(self, slots: int, memory: int) -> None:
        self.idle = slots
        self.memory = memory
        self._budget = memory
        self._waiting: deque[Share] = deque()

    @property
    def contested(self) -> bool:
        """Whether any share waits."""
        return bool(self._waiting)

    def share(self, slots: int, memory: int) -> "Share":
        """The account of one more run, which may never hold more than this."""
        return Share(self, slots, min(memory, self._budget))

    def request(self, ticket: Ticket) -> None:
        """Grant a ticket now or later; raises `TooBigError` when that can never be."""
        share = ticket.share
        if ticket.memory > share.budget:
            raise TooBigError(ticket.memory, share.budget)
        (share.urgent if ticket.urgent else share.patient).append(ticket)
        if share not in self._waiting:
            self._waiting.append(share)
        self.grant()

    def end(self, ticket: Ticket) -> None:
        """Take back what a ticket holds, or its place in the queue."""
        if ticket.granted:
            ticket.granted = False
            ticket.share.held -= 1
            ticket.share.memory -= ticket.memory
            self.idle += 1
            self.memory += ticket.memory
        else:
            (ticket.share.urgent if ticket.urgent else ticket.share.patient).remove(ticket)
            if not ticket.share.waits:
                self._waiting.remove(ticket.share)
        self.grant()

    def grant(self) -> None:
        """Hand out what is free. The ticket that is next waits for its memory, and all others wait behind it."""
        while self.idle > 0 and (ticket := self._next()) is not None and ticket.memory <= self.memory:
            share = ticket.share
            (share.urgent if ticket.urgent else share.patient).popleft()
            share.held += 1
            share.memory += ticket.memory
            self.idle -= 1
            self.memory -= ticket.memory
            self._waiting.remove(share)
            if share.waits:
                self._waiting.append(share)
            ticket.granted = True
            ticket.wake()

    def _next(self) -> Ticket | None:
        able = [share for share in self._waiting if share.may_take]
        return min(able, key=_held).first if able else None


@define(slots=True, eq=False, repr=False)
class Share:
    """What one run holds and waits for: at most `slots` sandboxes and `budget` bytes."""

    admission: Admission
    slots: int
    budget: int
    held: int = 0
    memory: int = 0
    urgent: deque[Ticket] = field(factory=deque)
    patient: deque[Ticket] = field(factory=deque)

    @property
    def first(self) -> Ticket:
        """The ticket that is next, of those that wait."""
        return self.urgent[0] if self.urgent else self.patient[0]

    @property
    def may_take(self) -> bool:
        """Whether its own bounds leave room for its first ticket."""
        return self.held < self.slots and self.memory + self.first.memory <= self.budget

    @property
    def waits(self) -> bool:
        """Whether a ticket of it waits."""
        return bool(self.urgent or self.patient)

    def ask(self, memory: int, wake: Callable[[], None], *, urgent: bool = True) -> Ticket:
        """A ticket, granted already or later; whoever asks gives it back. Raises `TooBigError`."""
        ticket = Ticket(self, memory, urgent, wake)
        self.admission.request(ticket)
        return ticket

    @asynccontextmanager
    async def admit(self, memory: int) -> AsyncIterator[None]:
        """Holds one slot and `memory` bytes of the budget; raises `TooBigError` when that can never be."""
        signal = Signal()
        ticket = self.ask(memory, signal.ring)
        try:
            while not ticket.granted:
                await signal.wait()
            yield
        finally:
            ticket.give_back()


def _held(share: Share) -> int:
    return share.held
