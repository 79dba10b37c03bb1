"""The contract with drivers: the trusted code that does the communication which programs ask for.

A driver is found by the name of the module that declares its operations: `http` is served by `dandc.stdlib.http`,
which is imported when a program uses it and not before. Programs never talk to a driver: they emit values that say
what is wanted, and the machine passes them on. A driver must hold every address against the declared endpoints
of the run itself, and must never put a revealed secret anywhere but onto the wire.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

from dandc.compiler.types import TypeTable
from dandc.lang.values import frozen
from dandc.vm.secrets import SecretBox

# One item of an output: key (None where the output has none), name, neutral value.
OutputItem = tuple[object, str, object]


class DriverFailureError(Exception):
    """One attempt failed.

    `code` is what programs see (`http.status`); `kinds` are the conditions that `retry ... on` may name for it
    (`429`, `5xx`, `network`, `timeout`); `retryable` says whether trying again is safe without being told so;
    `retry_after` how many seconds the other side asked to wait.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        kinds: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.kinds = kinds
        self.retry_after = retry_after


@frozen(slots=True)
class EndpointAddress:
    """A declared endpoint of this run with the address that it has in it."""

    name: str
    module: str
    url: str


@frozen(slots=True, eq=False, repr=False)
class CallContext:
    """What a driver may know of the run: where it may go, the run's secrets, and the types of values.

    `effect` names the effect of this one call, the same however often it is sent; empty for calls without `once`.
    """

    endpoints: Mapping[str, EndpointAddress]
    secrets: SecretBox
    types: TypeTable
    effect: str = ""


class Driver(Protocol):
    """A communication module at work. One instance serves all calls of a run, concurrently."""

    def check_endpoint(self, endpoint: EndpointAddress) -> str | None:
        """Why the address of a declared endpoint can never be served, or None."""
        ...

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        """Whether this call may be sent again when it is not known whether it arrived."""
        ...

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        """One attempt: the items of each declared output; raises `DriverFailureError`.

        A `one` or `optional` parameter arrives as its value (None when absent), a set as a list of
        `(key, name, value)`. Time limits come as cancellation.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@runtime_checkable
class EffectDriver(Protocol):
    """A driver that can tell the service the name of an effect, so that the service does it once however often it is asked."""

    def passes_effect(self, operation: str) -> bool:
        """Whether it does so for calls of this operation."""
        ...


class NoDriverError(Exception):
    """There is no driver of this name."""


def open_driver(module: str) -> Driver:
    """The driver of the standard module `module`; raises `NoDriverError`."""
    path = f"dandc.stdlib.{module}"
    if not module.isidentifier() or find_spec(path) is None:
        raise NoDriverError(f"no driver serves the module `{module}`")
    factory = getattr(import_module(path), "open_driver", None)
    if factory is None:
        raise NoDriverError(f"the module `{module}` has no communication")
    driver: Driver = factory()
    return driver
