"""What a run may use. Every bound has a default, because a run without bounds is a promise that nobody can keep."""

import os

from attrs import field, frozen


def _cpus() -> int:
    return max(1, len(os.sched_getaffinity(0)))


@frozen(slots=True)
class Limits:
    """Limits of one instance of a kernel: milliseconds and bytes."""

    wall_ms: float = 10_000
    cpu_ms: float = 10_000
    memory: int = 64 << 20
    stack: int = 8 << 20
    output: int = 16 << 20

    @property
    def footprint(self) -> int:
        """The most bytes that a sandbox under these limits takes, its inputs aside."""
        return self.memory + self.stack + self.output


@frozen(slots=True)
class RunLimits:
    """Limits of one run: those of each kernel instance, and what may be in flight at the same time.

    `memory` is the budget for the footprints of all sandboxes in flight; `request_ms` the time-out of a communication
    call that has no `timeout` of its own.
    """

    kernel: Limits = field(factory=Limits)
    sandboxes: int = field(factory=_cpus)
    memory: int = 1 << 30
    requests: int = 64
    request_ms: int = 30_000
