"""On which CPUs children run: where CPUs are few and calls short, not on the one that the interpreter has to itself.

A child that begins on the interpreter's CPU interrupts it and takes its caches, and the kernel likes to put it there: with two
CPUs, calls of some 100 us took 1.5 times as long. So the nucleus is bound to all CPUs but one, which its children inherit and
which the kernel then leaves to the interpreter. A call that is not known to be short gets back every CPU before its image runs.
"""

import contextlib
import os

from dandc.isolation.image import Image
from dandc.isolation.layout import EVERY_CPU
from dandc.isolation.nucleus import Nucleus

# With more CPUs than this, one of them is idle. The gain was measured with two.
_MOST_CPUS = 8
# CPU time of a call, its fork included, that ends before another CPU would have been worth its while.
_SHORT_US = 200


class Places:
    """Where the children of one nucleus run. `matter`: there is something to decide."""

    def __init__(self) -> None:
        self._all = os.sched_getaffinity(0)
        self.matter = 2 <= len(self._all) <= _MOST_CPUS

    def bind(self, nucleus: Nucleus) -> None:
        """Bind a nucleus that has begun, and children that it forks from now on."""
        if self.matter:
            with contextlib.suppress(OSError):  # not allowed by the host: then children run where the kernel puts them
                os.sched_setaffinity(nucleus.pid, self._all - {min(self._all)})

    def flag(self, image: Image, background: bool) -> int:
        """What a call of an image is told: nothing if it is known to be short, else to use every CPU."""
        usage = image.usage
        short = usage.calls and usage.lately_us < _SHORT_US and not background
        return EVERY_CPU if self.matter and not short else 0
