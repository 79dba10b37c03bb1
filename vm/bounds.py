"""What the policies of a call bound, within what the run may use: limits of kernels, deadlines, instances in flight."""

from attrs import evolve

from dandc.compiler.flow import Policies
from dandc.isolation import Limits
from dandc.isolation.image import PAGE
from dandc.isolation.layout import MAX_AREA, MAX_MS
from dandc.vm.limits import RunLimits, footprint


def kernel_limits(run: RunLimits, policies: Policies) -> tuple[Limits, int]:
    """The limits of one instance of a kernel, and the bytes that it takes of the budget of the run.

    A program may ask for more than an instance has by default, never for more than the budget: admission refuses that.
    No sandbox has more than `MAX_AREA` or `MAX_MS`.
    """
    limits = run.kernel
    if policies.time_ms:
        limits = evolve(limits, wall_ms=_ms(policies.time_ms), cpu_ms=_ms(policies.time_ms))
    if policies.timeout_ms:
        wall = min(_ms(policies.timeout_ms), limits.wall_ms) if policies.time_ms else _ms(policies.timeout_ms)
        limits = evolve(limits, wall_ms=wall)
    memory = policies.memory or limits.memory
    output = max(PAGE, policies.output) if policies.output else limits.output
    asked = footprint(limits) - limits.memory - limits.output + memory + output
    return evolve(limits, memory=min(memory, MAX_AREA), output=min(output, MAX_AREA)), asked


def _ms(milliseconds: int) -> float:
    return float(min(milliseconds, MAX_MS))


def in_flight(policies: Policies, most: int) -> int:
    """How many instances of a call may run side by side; a sandbox runs those that share it one after the other."""
    return min(policies.concurrency, most) if policies.concurrency else most


def deadline_s(policies: Policies) -> float:
    """How many seconds one run of a composition or loop may take."""
    return policies.within_ms / 1000 or float("inf")
