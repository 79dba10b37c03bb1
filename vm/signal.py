"""A bell that rings for whoever listens at that moment: cheap to ring when nobody does."""

import anyio
from attrs import define


@define(slots=True, eq=False, repr=False)
class Signal:
    """Waiters look at the state that they care about, wait, and look again: a ring says only that something changed."""

    _event: anyio.Event | None = None

    async def wait(self) -> None:
        """Until the next ring."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        if self._event is not None:
            event, self._event = self._event, None
            event.set()
