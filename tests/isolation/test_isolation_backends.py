"""Each back end keeps the rules, and the rules can be broken."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from back_end_rules import BackEndRules, RunnerRules
from machine_code import function_image

from dandc.isolation import Limits, Outcome, Pool, open_pool
from dandc.isolation.backend import Runner
from dandc.isolation.inline import open_inline


class TestProcess(BackEndRules):
    """A process for each call."""

    open = staticmethod(open_pool)


class TestInline(RunnerRules):
    """No isolation: what holds of trusted images."""

    open = staticmethod(open_inline)
    image = staticmethod(function_image)


class Careless:
    """A runner that forgets what it was told."""

    def __init__(self, pool: Pool, fault: str) -> None:
        self.pool, self.fault, self.last = pool, fault, Outcome()

    async def run(self, image: Any, inputs: Any, first: int, last: int, limits: Limits = Limits(), *, background: bool = False) -> Outcome:  # fmt: skip  # noqa: B008
        """One call, with the fault."""
        if self.fault == "limits":
            limits = Limits(wall_ms=100)
        if self.fault == "calls":
            kept, self.last = self.last, await self.pool.run(image, inputs, first, last, limits)
            return kept
        outcome = await self.pool.run(image, inputs, first, last, limits, background=background)
        return Outcome("sandbox.crash", "", outcome.instances) if self.fault == "tables" and outcome.error else outcome


def careless(fault: str) -> type[BackEndRules]:
    @contextlib.asynccontextmanager
    async def opened(slots: int = 8) -> AsyncIterator[Runner]:
        async with open_pool(slots) as pool:
            yield Careless(pool, fault)

    return type("Broken", (BackEndRules,), {"open": staticmethod(opened)})


def test_a_back_end_that_ignores_limits_fails() -> None:
    """CPU limits are not wall limits."""
    with pytest.raises(AssertionError):
        careless("limits")().test_every_bad_end_has_its_name("an endless loop, CPU")


def test_a_back_end_that_mixes_calls_fails() -> None:
    """The outcome of another call is no outcome."""
    with pytest.raises((AssertionError, ValueError)):
        careless("calls")().test_bytes_go_in_and_come_out()


def test_a_back_end_that_names_all_ends_alike_fails() -> None:
    """Each end has its own name."""
    with pytest.raises(AssertionError):
        careless("tables")().test_every_bad_end_has_its_name("a system call")
