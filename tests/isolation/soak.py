"""A long siege of one pool: random calls, deaths and orders that mean nobody; afterwards everything is as before.

    python tests/isolation/soak.py 100000 --seed 1

A tenth of the calls end badly by themselves. Meanwhile children and nuclei are killed, calls cancelled, and orders sent
that speak of children long gone. Descriptors, processes, threads, the pool's books and memory are counted at the start,
after a warming up, and at the end.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from abuse import same, traces
from machine_code import ECHO, FINISH, SPIN, image

from dandc.isolation import Image, Limits, Pool, open_pool, protocol

SLOTS = 8
ALLOWED = {
    "echo": {None, "sandbox.lost", "host.exhausted"},
    "spin": {"limit.wall", "sandbox.lost", "host.exhausted"},
    "crash": {"sandbox.crash", "sandbox.lost", "host.exhausted"},
    "forbidden": {"sandbox.forbidden", "sandbox.lost", "host.exhausted"},
    "liar": {"sandbox.output", "sandbox.lost", "host.exhausted"},
}


class Soak:
    """The state of one run."""

    def __init__(self, pool: Pool, images: dict[str, Image], seed: int) -> None:
        self.pool, self.images = pool, images
        self.some = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.disturbed: Counter[str] = Counter()
        self.old: list[tuple[int, int]] = []  # slots and generations of children that once were

    async def call(self) -> None:
        """One call of a random kind; an echo must give its own bytes."""
        kind = self.some.choices(list(self.images), (90, 2, 3, 3, 2))[0]
        block = self.some.randbytes(self.some.choice((8, 64, 5000)))
        limits = Limits(wall_ms=3) if kind == "spin" else Limits()
        outcome = await self.pool.run(self.images[kind], [block], 0, 1, limits)
        assert outcome.error in ALLOWED[kind], (kind, outcome)
        if outcome.error is None:
            [(_, offset, length, *_)] = outcome.entries
            assert outcome.data[offset : offset + length] == block
        self.seen[outcome.error or "well"] += 1

    async def cancelled(self) -> None:
        """A call that is given up while it waits, starts or runs."""
        task = asyncio.create_task(self.pool.run(self.images["spin"], [], 0, 1, Limits(wall_ms=50)))
        for _ in range(self.some.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self.seen["cancelled"] += 1

    def disturb(self) -> None:
        """Somebody is killed, or orders come that mean nobody."""
        kind = self.some.choices(("child", "orders", "nucleus"), (60, 60, 3))[0]
        nucleus = self.pool._nucleus
        if nucleus is None:
            return
        self.disturbed[kind] += 1
        self.old = [*self.old[-200:], *self.pool._slots]
        if kind == "nucleus":
            nucleus.kill()
        elif kind == "child":
            kill_one(self.some, nucleus.pid)
        else:
            self.send_stale()

    def send_stale(self) -> None:
        """Orders for children that are reaped, were never made, or cannot be."""
        gone = [key for key in self.old if key not in self.pool._slots]
        keys = [*self.some.sample(gone, min(4, len(gone))), (127, 1 << 30), (128, 1), ((1 << 32) - 1, 7)]
        orders = b"".join(protocol.ORDER.pack(kind, *key, 0) for key in keys for kind in (protocol.KILL, protocol.REAP))
        self.pool._send(orders + protocol.ORDER.pack(99, 0, 0, 0))

    async def batch(self, count: int) -> None:
        """`count` calls by as many tasks as there are slots, with a disturbance now and then."""
        numbers = iter(range(count))

        async def worker() -> None:
            for number in numbers:
                if number % 11 == 0:
                    self.disturb()
                await (self.cancelled() if self.some.random() < 0.02 else self.call())

        await asyncio.gather(*(worker() for _ in range(SLOTS)))

    async def measure(self) -> dict[str, Any]:
        """What must not grow; a call first, for the nucleus may be dead."""
        for _ in range(20):
            outcome = await self.pool.run(self.images["echo"], [b"x"], 0, 1)
            if outcome.error is None:
                break
        await self.pool.settled()
        gc.collect()
        return {**await traces(self.pool), "threads": threading.active_count()}


def kill_one(some: random.Random, nucleus: int) -> None:
    """Kills a random child, unless it is reaped meanwhile; a number that somebody else has got is not killed."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError), contextlib.ExitStack() as stack:
        kin = Path(f"/proc/{nucleus}/task/{nucleus}/children").read_text().split()
        if kin:
            pid = some.choice(kin)
            descriptor = os.pidfd_open(int(pid))
            stack.callback(os.close, descriptor)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(nucleus):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)


def resident() -> int:
    """Memory of this process, in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


async def soak(calls: int, seed: int, warm: int) -> str:
    """Runs it and says how it went; raises `AssertionError` for anything that grew or ended as it must not."""
    texts = {
        "echo": ECHO, "spin": SPIN, "crash": "ud2", "forbidden": "movl $57, %eax\nsyscall",
        "liar": FINISH.replace("$40, 136", "$-1, 136"),
    }  # fmt: skip
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        images = {name: stack.enter_context(image(text)) for name, text in texts.items()}
        async with open_pool(SLOTS) as pool:
            run = Soak(pool, images, seed)
            await run.batch(warm)
            before, memory = await run.measure(), resident()
            await run.batch(calls)
            same(before, await run.measure())
            grown = resident() - memory
    assert grown < 4096, f"{grown} KiB more after {calls} calls"
    ends = ", ".join(f"{count} {error}" for error, count in run.seen.most_common())
    deeds = ", ".join(f"{count} x {kind}" for kind, count in sorted(run.disturbed.items()))
    return f"{calls} calls, seed {seed}, {time.monotonic() - started:.0f} s: {ends}; {deeds}; memory {grown:+} KiB"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(asyncio.run(soak(options.calls, options.seed, warm=2000)) + "\n")


if __name__ == "__main__":
    main()
