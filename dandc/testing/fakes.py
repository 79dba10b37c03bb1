"""What stands behind endpoints in a test: scripts for HTTP services, stores in memory.

The HTTP fake is the real driver whose last step is a script, so that addresses, secrets, redirects, statuses and retries
mean in a test what they mean outside. Scripts are shared by all runs of one test, as the service would be. A request that no
rule answers fails, and is remembered: the test fails even if the composition handles the failure.
"""

from collections.abc import Sequence

import anyio
from attrs import define, field

from dandc.lang.spans import Span
from dandc.lang.values import frozen
from dandc.stdlib.http_address import Address, AddressError, parse_base
from dandc.stdlib.storage import name_parts
from dandc.vm import CallContext, Driver, DriverFailureError, EndpointAddress
from dandc.vm.drivers import OutputItem

UNEXPECTED = "test.unexpected"


@frozen
class Answer:
    """An answer with its values: `content` is the body, or None if there is none."""

    delay_ms: int
    fault: str
    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes | None


@define
class Script:
    """Answers to one kind of request, in order; the last one repeats."""

    method: str
    target: str
    answers: tuple[Answer, ...]
    span: Span
    used: int = 0

    def takes(self, method: str, target: str) -> bool:
        """Whether this answers a request. A target without `?` takes every query; one with `*` at the end, what begins so."""
        if self.method not in ("", method):
            return False
        asked = target if "?" in self.target else target.partition("?")[0]
        if self.target.endswith("*"):
            return asked.startswith(self.target[:-1])
        return asked == self.target

    def next(self) -> Answer:
        """The answer to this request."""
        answer = self.answers[min(self.used, len(self.answers) - 1)]
        self.used += 1
        return answer


@frozen
class Unexpected:
    """A request that no rule answers: what it was, and what was given for the endpoint."""

    request: str
    endpoint: str
    known: tuple[str, ...]


@define
class World:
    """All fakes of one test: scripts by the name of the endpoint, and what went wrong."""

    scripts: dict[str, list[Script]] = field(factory=dict)
    stores: dict[str, dict[str, bytes]] = field(factory=dict)
    unexpected: list[Unexpected] = field(factory=list)

    def find(self, endpoint: str, method: str, target: str) -> Script | None:
        """The first rule that answers."""
        return next((s for s in self.scripts.get(endpoint, ()) if s.takes(method, target)), None)

    def refuse(self, request: str, endpoint: str) -> DriverFailureError:
        """The failure of a request that no rule answers."""
        known = tuple(f"{s.method} {s.target}".strip() for s in self.scripts.get(endpoint, ()))
        self.unexpected.append(Unexpected(request, endpoint, known))
        return DriverFailureError(UNEXPECTED, f"no `given` answers {request}")


def fake_drivers(world: World, endpoints: Sequence[EndpointAddress]) -> dict[str, Driver]:
    """The drivers of a test, by module."""
    return {"http": _http(world, endpoints), "storage": FakeStorage(world)}


def _http(world: World, endpoints: Sequence[EndpointAddress]) -> Driver:
    """The real HTTP driver with scripts for services. An address belongs to every endpoint above it, longest first."""
    from dandc.stdlib.http import HttpDriver

    bases: list[tuple[str, Address]] = []
    for endpoint in endpoints:
        try:
            bases.append((endpoint.name, parse_base(endpoint.url)))
        except AddressError:
            continue  # the machine says so before anything runs
    bases.sort(key=lambda base: -len(base[1].path))

    async def answer(
        method: str, address: Address, body: bytes
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
        above = [(name, base) for name, base in bases if base.covers(address)]
        for name, base in above:
            script = world.find(name, method, _below(base, address))
            if script is not None:
                return await _perform(script.next())
        name, base = above[0]  # the driver has refused all others
        raise world.refuse(f"{method} {_below(base, address)}", name)

    return HttpDriver(answer)


def _below(base: Address, address: Address) -> str:
    """The path and query of an address as a rule of the endpoint writes it."""
    return (address.path[len(base.path.rstrip("/")) :] or "/") + address.query


async def _perform(answer: Answer) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
    if answer.delay_ms:
        await anyio.sleep(answer.delay_ms / 1000)
    if answer.fault == "hang":
        await anyio.sleep_forever()
    if answer.fault == "network":
        return None
    return answer.status, answer.headers, answer.content or b""


class FakeStorage:
    """Stores in memory that forget everything at the end of the test.

    An object that was put hides what was given under its name; scripted faults stay in force.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def check_endpoint(self, endpoint: EndpointAddress) -> str | None:
        """Any address will do: nothing is stored there."""
        return None

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        """Every operation, as with the real driver."""
        return True

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        """One operation; raises `DriverFailureError` with a `storage.` code."""
        match operation, arguments:
            case "put", ((str(store), str(name), bytes(value)),):
                await self._given(store, name)
                self._world.stores.setdefault(store, {})[name] = value
                return ([(None, name, (store, name, len(value)))],)
            case "get", ((str(store), str(name)),):
                given = await self._given(store, name)
                found = self._world.stores.get(store, {}).get(name, given)
                if found is None:
                    raise DriverFailureError(
                        "storage.missing", f"there is no object `{name[:200]}`", kinds=("missing",)
                    )
                return ([(None, name, (store, name, found))],)
            case "list", ((str(store), str(prefix)),):
                objects = self._objects(store)
                names = sorted(name for name in objects if name.startswith(prefix))
                return ([(name, name, (store, name, len(objects[name]))) for name in names],)
        raise AssertionError(f"storage has no operation `{operation}` with such arguments")

    async def aclose(self) -> None:
        """Nothing is open."""

    def _objects(self, store: str) -> dict[str, bytes]:
        given = {s.target: s.answers[0].content for s in self._world.scripts.get(store, ())}
        there = {name: content for name, content in given.items() if content is not None}
        return {**there, **self._world.stores.get(store, {})}

    async def _given(self, store: str, name: str) -> bytes | None:
        """The given object of this name after its delay, None if there is none; raises its fault."""
        name_parts(name)
        script = next((s for s in self._world.scripts.get(store, ()) if s.target == name), None)
        if script is None:
            return None
        answer = script.next()
        if answer.fault in ("missing", "full", "io"):
            code, kind = f"storage.{answer.fault}", answer.fault
            raise DriverFailureError(code, f"`{name[:200]}`: given as `{kind}`", kinds=(kind,))
        performed = await _perform(answer)
        return answer.content if performed is not None else None
