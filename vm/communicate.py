"""Runs a call of a communication function: decodes arguments, calls the driver, retries, and encodes answers.

A bounded number of workers pulls instances from the call's feed; a limiter of the run stands in front of all drivers,
because their own pools grow slow with many waiters. A request is never sent again but by the call's `retry`, and
then only for failures that are safe to repeat or that `retry ... on` names.
"""

import random
from collections.abc import Sequence
from functools import partial

import anyio
from attrs import define, evolve

from dandc.compiler.encoding import EncodingError, decode, encode
from dandc.compiler.flow import CommunicationNode, OutputDecl, ParamDecl, Policies
from dandc.compiler.keys import decode_key, encode_key
from dandc.compiler.types import TypeTable
from dandc.vm.bounds import in_flight
from dandc.vm.context import NodeResult, RunContext
from dandc.vm.decisive import CutOffError
from dandc.vm.drivers import Driver, DriverFailureError, OutputItem
from dandc.vm.instances import each_instance
from dandc.vm.items import ItemSet, total_bytes
from dandc.vm.kept import Ended, Item, KeptFault, columns_of
from dandc.vm.outcome import Outcome
from dandc.vm.request import Request, arguments_digest
from dandc.vm.scope import own_key
from dandc.vm.secrets import UnknownSecretError
from dandc.vm.tasks import off_loop

_BACKOFF_FIRST_S = 0.05
_BACKOFF_MOST_S = 5.0
# A service may ask for patience; it may not park a run.
_RETRY_AFTER_MOST_S = 30.0


async def run_communication(node: CommunicationNode, outcome: Outcome, once: bytes | None = None) -> NodeResult:
    """The outputs of all instances; `once` is the KEY of their effects. Raises `NodeFailedError` for a fault that the call's policy does not take."""
    context = outcome.context
    call = _Call(context, node, context.drivers[node.module], outcome, once)
    if outcome.feed.ended:
        context.watch.expect(outcome.name, outcome.feed.count)
    await each_instance(outcome, in_flight(node.policies, context.limits.requests), call.instance)
    return await outcome.result()


@define(slots=True, eq=False, repr=False)
class _Call:
    """One call at work."""

    context: RunContext
    node: CommunicationNode
    driver: Driver
    outcome: Outcome
    once: bytes | None = None

    async def instance(self, number: int) -> None:
        """Run one instance to its items or to a fault."""
        try:
            ended = await self._ended(number)
        except CutOffError:
            self.outcome.cut_off()
            return
        if ended.fault is not None:
            self.outcome.fail(number, ended.fault.code, ended.fault.message, attempts=ended.fault.attempts)
        else:
            self.outcome.add(columns_of({number: ended}, len(self.node.declared)), few=True)

    async def _ended(self, number: int) -> Ended:
        """How an instance ends: by its call, or as whoever keeps results knows."""
        try:
            arguments = await self._arguments(number)
        except _FaultError as error:
            return self._failed(error)
        keeper = self.context.keeper
        if keeper is None:
            return await self._send(arguments, "")
        request = self._request(number, arguments)
        wanted, outcome = keeper.wanted, self.outcome
        if wanted is not None and wanted.node == outcome.name and outcome.is_called(number, wanted.item):
            await keeper.found_call(request, outcome.feed.cut(number, number + 1)[0])
        return await keeper.answer(request, partial(self._send, arguments))

    def _request(self, number: int, arguments: tuple[object, ...]) -> Request:
        node, outcome = self.node, self.outcome
        own = own_key(outcome.feed.key(number), outcome.feed.name(number))
        digest = arguments_digest(node, *outcome.feed.cut(number, number + 1))
        repeatable = self.driver.repeatable(node.operation, arguments)
        item = self.context.secrets.scrub(outcome.item_text(number))
        origin = outcome.feed.origin(number)
        return Request(self.context, node, outcome.name, item, own, origin, digest, repeatable, self.once)

    async def _send(self, arguments: tuple[object, ...], effect: str) -> Ended:
        """The call itself, with its retries."""
        try:
            outputs = await self._attempts(arguments, effect)
        except _FaultError as error:
            return self._failed(error)
        weight, types = sum(map(_weight, outputs)), self.context.program.types
        return await off_loop(weight, _encode_outputs, self.node.declared, outputs, types)

    def _failed(self, error: "_FaultError") -> Ended:
        message = self.context.secrets.scrub(error.message)
        return Ended(fault=KeptFault(error.code, message, attempts=error.attempts, safe=error.safe))

    async def _arguments(self, number: int) -> tuple[object, ...]:
        sets, _ = self.outcome.feed.cut(number, number + 1)
        types = self.context.program.types
        return await off_loop(sum(map(total_bytes, sets)), _decode_arguments, self.node.params, sets, types)

    async def _attempts(self, arguments: tuple[object, ...], effect: str) -> tuple[Sequence[OutputItem], ...]:
        policies = self.node.policies
        attempt = 1
        while True:
            try:
                return await self._attempt(arguments, effect)
            except DriverFailureError as failure:
                if attempt > policies.retry or not may_retry(policies, failure):
                    raise _FaultError(failure.code, failure.message, attempt, safe=failure.retryable) from None
                pause = backoff_s(attempt, failure.retry_after)
            self.context.watch.retried(self.outcome.name)
            await anyio.sleep(pause)
            attempt += 1

    async def _attempt(self, arguments: tuple[object, ...], effect: str) -> tuple[Sequence[OutputItem], ...]:
        seconds = (self.node.policies.timeout_ms or self.context.limits.request_ms) / 1000
        operation = self.node.operation
        context = evolve(self.context.call, effect=effect) if effect else self.context.call
        async with self.context.requests:
            with (
                anyio.move_on_after(seconds) as scope,
                self.context.watch.under_way("request", self.outcome.name, 1) as span,
            ):
                try:
                    return await self.driver.call(operation, arguments, context)
                except DriverFailureError as failure:
                    span.error = failure.code
                    raise
                except UnknownSecretError as error:
                    span.error = "secret.unknown"
                    raise DriverFailureError(span.error, str(error)) from None
        assert scope.cancelled_caught
        raise DriverFailureError(
            f"{self.node.module}.timeout",
            f"no complete answer within {seconds:g} s",
            retryable=self.driver.repeatable(operation, arguments),
            kinds=("timeout", "network"),
        )


class _FaultError(Exception):
    """An instance that has failed for good. `safe`: nothing was done."""

    def __init__(self, code: str, message: str, attempts: int = 1, *, safe: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.attempts = attempts
        self.safe = safe


def may_retry(policies: Policies, failure: DriverFailureError) -> bool:
    """Whether the call may be tried again: what is safe, or what `retry ... on` names."""
    if not policies.retry_on:
        return failure.retryable
    return any(condition in failure.kinds for condition in policies.retry_on)


def backoff_s(attempt: int, retry_after: float | None = None) -> float:
    """Seconds to wait after attempt number `attempt`: doubling, with jitter, and as long as the service asked."""
    ceiling = min(_BACKOFF_MOST_S, _BACKOFF_FIRST_S * 2 ** min(attempt - 1, 30))
    pause = random.uniform(ceiling / 2, ceiling)  # noqa: S311  # spreads load, hides nothing
    return max(pause, min(retry_after or 0.0, _RETRY_AFTER_MOST_S))


def _weight(value: object) -> int:
    """About how many bytes a neutral value takes."""
    if isinstance(value, bytes | str):
        return len(value)
    return sum(map(_weight, value)) if isinstance(value, tuple | list) else 8


def _decode_arguments(params: Sequence[ParamDecl], sets: Sequence[ItemSet], types: TypeTable) -> tuple[object, ...]:
    return tuple(_decode_argument(param, items, types) for param, items in zip(params, sets, strict=True))


def _decode_argument(param: ParamDecl, items: ItemSet, types: TypeTable) -> object:
    """The neutral value of a parameter; None for an absent optional one."""
    try:
        if param.kind != "set":
            return decode(param.item, bytes(items.values[0]), types) if len(items) else None
        return [
            (_decode_key(param, key, types), name, decode(param.item, bytes(value), types))
            for key, name, value in zip(items.keys, items.names, items.values, strict=True)
        ]
    except EncodingError as error:
        message = f"the value for `{param.name}` is not a valid `{param.item}`: {error}"
        raise _FaultError("value.encoding", message) from None


def _decode_key(param: ParamDecl, key: bytes | None, types: TypeTable) -> object:
    return None if key is None or param.key is None else decode_key(param.key, key, types)


def _encode_outputs(outputs: Sequence[OutputDecl], given: Sequence[Sequence[OutputItem]], types: TypeTable) -> Ended:
    """The items of all outputs. Drivers are trusted to give what they declare."""
    items: list[Item] = []
    for number, (declared, found) in enumerate(zip(outputs, given, strict=True)):
        for key, name, value in found:
            encoded = None if declared.key is None else encode_key(declared.key, key, types)
            items.append((number, encoded, name or None, encode(declared.item, value, types)))
    return Ended(tuple(items))
