r"""The driver of upstream's built-in `HTTP`: raw text to a request of the HTTP driver, and its answer to raw text.

It holds no connection and no rule of its own: where a request may go, what is sent and what follows a redirect is
the HTTP driver's to say. Upstream's own reader is followed, less its defects: lines may end with `\r\n`, and the blank
after the colon of a header is no part of its value.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

from dandc.compiler.encoding import Variant
from dandc.stdlib.http import HttpDriver
from dandc.vm.drivers import CallContext, DriverFailureError, EndpointAddress, OutputItem

_VERSIONS = frozenset({"HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"})
_HEADER_LINE = re.compile(r"(?P<name>[^:]+):(?P<value>.*)", re.DOTALL)
# What the HTTP driver sets itself. It says the same as a sound request does, so nothing is lost.
_SET_ANYWAY = frozenset({"host", "content-length", "connection"})
_LONGEST_HEAD = 64 << 10


class UpstreamDriver:
    """Serves `upstream.exchange`."""

    def __init__(self, http: HttpDriver | None = None) -> None:
        self._http = http or HttpDriver()

    def check_endpoint(self, endpoint: EndpointAddress) -> str | None:
        """No endpoint is declared with this module."""
        return "cannot be of the module `upstream`: declare it with `http(...)`"

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        """Whether the request's method is one that may be sent twice."""
        try:
            return self._http.repeatable("exchange", (_request(arguments, ""),))
        except DriverFailureError:
            return False

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        """One request and its answer, whatever its status."""
        endpoint = next((e.name for e in context.endpoints.values() if e.module == "http"), "")
        status, headers, body = await self._http.ask((_request(arguments, endpoint),), context)
        head = f"HTTP/1.1 {status} {_reason(status)}\n" + "".join(f"{name}:{value}\n" for name, value in headers)
        return ([(None, "", head.encode())], [(None, "", body)])

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def open_driver() -> UpstreamDriver:
    """A driver for one run."""
    return UpstreamDriver()


def _request(arguments: tuple[object, ...], endpoint: str) -> object:
    """The fields of `http.Request` that a raw request asks for; raises `DriverFailureError`."""
    (raw,) = arguments
    assert isinstance(raw, bytes)
    head, body = _parted(raw)
    try:
        first, *lines = head.decode().split("\n")
    except UnicodeDecodeError:
        raise _bad("a line before the body is not UTF-8") from None
    words = first.split()
    if len(words) != 3:
        raise _bad("the first line is not `METHOD URL VERSION`")
    method, url, version = words
    if version not in _VERSIONS:
        raise _bad(f"`{version[:20]}` is none of {', '.join(sorted(_VERSIONS))}")
    headers = [_header(line.removesuffix("\r")) for line in lines]
    kept = [(name, value) for name, value in headers if name.lower() not in _SET_ANYWAY]
    return (endpoint, method, url, kept, body, Variant(0, ()))


def _parted(raw: bytes) -> tuple[bytes, bytes]:
    """What stands before the first empty line, and what behind it."""
    end = re.search(rb"\r?\n\r?\n", raw)
    head, body = (raw, b"") if end is None else (raw[: end.start()], raw[end.end() :])
    if len(head) > _LONGEST_HEAD:
        raise _bad(f"what stands before the body is longer than {_LONGEST_HEAD} bytes")
    return head.removesuffix(b"\n").removesuffix(b"\r"), body


def _header(line: str) -> tuple[str, str]:
    found = _HEADER_LINE.fullmatch(line)
    if found is None:
        raise _bad(f"the header line `{line[:40]}` has no colon")
    return found["name"], found["value"].strip(" \t")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _bad(what: str) -> DriverFailureError:
    return DriverFailureError("upstream.request", f"the raw request cannot be read: {what}")
