"""What a run may use. Every bound has a default, because a run without bounds is a promise that nobody can keep."""

import os
import sys

from attrs import field

from dandc.isolation import Limits
from dandc.lang.values import frozen


def _cpus() -> int:
    return max(1, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


@frozen(slots=True)
class RunLimits:
    """Limits of one run: those of each kernel instance, and what may be in flight at the same time.

    `memory` is the budget in bytes for all sandboxes in flight; `request_ms` the time-out of a communication call
    that has no `timeout` of its own. `undelivered` bounds the bytes that a call may be ahead of those who take its
    items one by one; what somebody needs as a whole must exist anyway and does not count.
    """

    kernel: Limits = field(factory=Limits)
    sandboxes: int = field(factory=_cpus)
    memory: int = 1 << 30
    requests: int = 64
    request_ms: int = 30_000
    undelivered: int = 64 << 20


def size_text(size: int) -> str:
    """A size as policies write it: `64MiB`; what is no round number of bytes is rounded up to one that is."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and (size % unit == 0 or size >= 64 * unit):
            return f"{-(-size // unit)}{name}"
    return f"{size}B"


def footprint(limits: Limits) -> int:
    """The most bytes that a sandbox under these limits takes, its inputs aside."""
    return limits.memory + limits.stack + limits.output
