"""Runs the instances of a call one by one, some of them side by side: requests, and runs of whole graphs."""

from collections.abc import Awaitable, Callable

from attrs import define

from dandc.vm.feed import Feed
from dandc.vm.outcome import Outcome
from dandc.vm.tasks import together


async def each_instance(outcome: Outcome, workers: int, call: Callable[[int], Awaitable[None]]) -> None:
    """Await `call(i)` for every instance as it arrives, at most `workers` at a time, and no further ahead than allowed."""
    feed = outcome.feed
    line = _Line(feed)

    async def work() -> None:
        while True:
            number = line.next()
            if number < 0:
                if feed.ended:
                    return
                await feed.signal.wait()
                continue
            await outcome.room()
            await call(number)
            feed.done(number, number + 1)

    if feed.ended and not feed.count:
        return
    await together([work] * (min(feed.count, workers) if feed.ended else workers))


@define(slots=True, eq=False, repr=False)
class _Line:
    """Hands out the numbers of instances that have arrived."""

    feed: Feed
    first: int = 0

    def next(self) -> int:
        """The next number, or -1 while there is none."""
        if self.first >= self.feed.count:
            return -1
        self.first += 1
        return self.first - 1
