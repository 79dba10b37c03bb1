"""The HTTP driver: the only place that speaks HTTP, and the only importer of httpx.

A request names a declared endpoint; where it may go is decided by `http_address.py` against the addresses of this run.
It uses httpx's transport and not its client: no cookies, no proxies from the environment, no redirects that were not
checked, no credentials from a file in the home folder. A secret is put into the header of a request to the
endpoint's own origin and never follows to another one.
"""

import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import httpx

from dandc.compiler.encoding import Variant
from dandc.lang.values import frozen
from dandc.stdlib.http_address import Address, AddressError, follow, parse_base, parse_url, resolve
from dandc.vm.drivers import CallContext, DriverFailureError, EndpointAddress, OutputItem

MAX_BODY = 64 << 20
MAX_REDIRECTS = 5
# Methods that may be sent twice without a second effect (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_METHODS = _IDEMPOTENT | {"POST", "PATCH"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What frames a message or names its target is the driver's to say: a program that could would smuggle requests.
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "proxy-authorization"}
)
_EFFECT = "idempotency-key"
_CREDENTIALS = frozenset({"authorization", "cookie"})
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SHOWN_BODY = 200
Origin = tuple[str, str, int]


@frozen(slots=True)
class _Request:
    """A request as it goes out: checked, with its secret in it, and therefore never shown."""

    method: str
    address: Address
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def repeatable(self) -> bool:
        return self.method in _IDEMPOTENT

    def __repr__(self) -> str:
        return f"{self.method} {self.address.shown}"


class _Connections:
    """Connections that are kept for the next request to the same origin.

    Each is a transport of one connection. In a transport of many, finding one costs the square of their number (measured
    with 64: 4 ms a request), because its pool asks every connection about every other.
    """

    def __init__(self) -> None:
        self._idle: dict[Origin, list[httpx.AsyncHTTPTransport]] = {}
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._contexts: dict[str, ssl.SSLContext] = {}

    @contextmanager
    def one(self, address: Address) -> Iterator[httpx.AsyncHTTPTransport]:
        """A transport that nobody else uses meanwhile; the one used last comes first, as it is likeliest to be open."""
        idle = self._idle.setdefault(address.origin, [])
        transport = idle.pop() if idle else self._open(address.scheme)
        try:
            yield transport
        finally:
            idle.append(transport)

    def _open(self, scheme: str) -> httpx.AsyncHTTPTransport:
        context = self._contexts.get(scheme)
        if context is None:
            # Certificates are loaded (30 ms) only when something speaks TLS.
            context = httpx.create_ssl_context(trust_env=False) if scheme == "https" else _no_tls()
            self._contexts[scheme] = context
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        self._all.append(httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits))
        return self._all[-1]

    async def aclose(self) -> None:
        for transport in self._all:
            await transport.aclose()


def _no_tls() -> ssl.SSLContext:
    """What a transport asks for even when it never speaks TLS; without certificates it would trust nobody."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


# Status, headers and body of the answer to a method, an address and a body; None: no connection can be made.
Answer = tuple[int, Sequence[tuple[str, str]], bytes] | None
Answerer = Callable[[str, Address, bytes], Awaitable[Answer]]


class _Scripted(httpx.AsyncBaseTransport):
    """Connections to nobody: a function answers, so that tests take every step of a request but the last."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    @contextmanager
    def one(self, address: Address) -> Iterator[httpx.AsyncBaseTransport]:
        yield self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._answerer(request.method, parse_url(str(request.url)), request.content)
        if answer is None:
            raise httpx.ConnectError("refused")
        status, headers, body = answer
        return httpx.Response(status, headers=list(headers), content=body)


class HttpDriver:
    """Serves `http.fetch` and `http.exchange` over connections that are kept open, or with an `answerer` over none."""

    def __init__(self, answerer: Answerer | None = None) -> None:
        self._connections = _Connections() if answerer is None else _Scripted(answerer)

    def check_endpoint(self, endpoint: EndpointAddress) -> str | None:
        """Why the address cannot be served, or None."""
        try:
            parse_base(endpoint.url)
        except AddressError as error:
            return str(error)
        return None

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        """Whether the request's method is one that may be sent twice."""
        _, method, *_ = _fields(arguments)
        return method in _IDEMPOTENT

    def passes_effect(self, operation: str) -> bool:
        """The name of an effect goes into the header `Idempotency-Key`."""
        return True

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        """`fetch`: follows redirects, fails on status >= 400. `exchange`: gives whatever came first."""
        allowed = [parse_base(e.url) for e in context.endpoints.values() if e.module == "http"]
        request = _checked(arguments, context, allowed)
        response, body = await self._send(request)
        if operation == "fetch":
            request, response, body = await self._follow(request, response, body, allowed)
            if response.status_code >= 400:
                raise _status_failure(request, response, body, context)
        return ([(None, "", _neutral(response, body, context))],)

    async def ask(
        self, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """Status, headers and body of the answer, whatever its status; redirects are followed. For other drivers."""
        allowed = [parse_base(e.url) for e in context.endpoints.values() if e.module == "http"]
        request = _checked(arguments, context, allowed)
        _, response, body = await self._follow(request, *await self._send(request), allowed)
        return _neutral(response, body, context)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    async def _follow(
        self, request: _Request, response: httpx.Response, body: bytes, allowed: Sequence[Address]
    ) -> tuple[_Request, httpx.Response, bytes]:
        for _ in range(MAX_REDIRECTS):
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTS or location is None:
                return request, response, body
            request = _redirected(request, response.status_code, location, allowed)
            response, body = await self._send(request)
        if response.status_code in _REDIRECTS:
            raise DriverFailureError("http.redirect", f"{request!r} leads through more than {MAX_REDIRECTS} redirects")
        return request, response, body

    async def _send(self, request: _Request) -> tuple[httpx.Response, bytes]:
        """One message out, one complete answer in."""
        try:
            with self._connections.one(request.address) as transport:
                response = await transport.handle_async_request(_wire(request))
                try:
                    return response, await _read_body(request, response)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # Nothing was sent yet, so trying again is safe for every method.
            message = f"{request!r}: no connection ({_reason(error)})"
            raise DriverFailureError("http.network", message, retryable=True, kinds=("network",)) from None
        except httpx.LocalProtocolError:
            raise DriverFailureError("http.request", f"{request!r}: the request cannot be written as HTTP") from None
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise _broken("http.protocol", request, "the answer is not proper HTTP", error) from None
        except httpx.TransportError as error:
            raise _broken("http.network", request, "the connection broke", error) from None


def open_driver() -> HttpDriver:
    """A driver for one run."""
    return HttpDriver()


def _fields(arguments: tuple[object, ...]) -> tuple[str, str, str, list[tuple[str, str]], bytes, Variant]:
    """The fields of `http.Request`; the machine decoded them by the declared type."""
    (request,) = arguments
    assert isinstance(request, tuple) and len(request) == 6
    return request


def _checked(arguments: tuple[object, ...], context: CallContext, allowed: Sequence[Address]) -> _Request:
    """The request that a program asks for, if it may."""
    endpoint, method, url, headers, body, bearer = _fields(arguments)
    declared = context.endpoints.get(endpoint)
    if declared is None or declared.module != "http":
        raise DriverFailureError("http.forbidden", f"the program declares no http endpoint `{endpoint[:100]}`")
    if method not in _METHODS:
        raise DriverFailureError("http.request", f"`{method[:20]}` is not one of {', '.join(sorted(_METHODS))}")
    base = parse_base(declared.url)
    try:
        address = resolve(base, url, allowed)
    except AddressError as error:
        raise DriverFailureError("http.forbidden", f"{method} to `{endpoint}`: {error}") from None
    checked = _checked_headers(headers)
    if context.effect:
        checked = _with_effect(checked, context.effect)
    if bearer.index == 1:
        checked = _with_bearer(checked, context.secrets.reveal(bearer.fields[0]), base, address)
    return _Request(method, address, checked, body)


def _checked_headers(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    for name, value in headers:
        if not name or not _TOKEN.issuperset(name):
            raise DriverFailureError("http.request", "the name of a header holds characters that it cannot have")
        if not _header_text(value):
            raise DriverFailureError("http.request", f"the header `{name[:100]}` holds a control character")
        if name.lower() in _OWN_HEADERS:
            raise DriverFailureError("http.request", f"the header `{name}` is set by the driver alone")
    return tuple(headers)


def _header_text(value: str) -> bool:
    return all((c >= " " and c != "\x7f") or c == "\t" for c in value)


def _with_effect(headers: tuple[tuple[str, str], ...], effect: str) -> tuple[tuple[str, str], ...]:
    if any(name.lower() == _EFFECT for name, _ in headers):
        raise DriverFailureError("http.request", f"a request has either the header `{_EFFECT}` or the policy `once`")
    return (*headers, (_EFFECT, effect))


def _with_bearer(
    headers: tuple[tuple[str, str], ...], token: str, base: Address, address: Address
) -> tuple[tuple[str, str], ...]:
    if any(name.lower() == "authorization" for name, _ in headers):
        raise DriverFailureError("http.request", "a request has either `bearer` or the header `authorization`")
    if not token.isascii() or not _header_text(token):
        raise DriverFailureError("http.request", "the secret holds characters that no header can have")
    if address.origin != base.origin:
        raise DriverFailureError("http.forbidden", f"the secret is for `{base.shown}`, not for `{address.shown}`")
    return (*headers, ("authorization", f"Bearer {token}"))


def _redirected(request: _Request, status: int, location: str, allowed: Sequence[Address]) -> _Request:
    """The request that a redirect asks for. Credentials stay with the origin that they were meant for."""
    try:
        address = follow(request.address, location, allowed)
    except AddressError as error:
        raise DriverFailureError("http.forbidden", f"{request!r} redirects: {error}") from None
    method, body, headers = request.method, request.body, request.headers
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", b""
        headers = tuple(h for h in headers if not h[0].lower().startswith("content-"))
    if address.origin != request.address.origin:
        headers = tuple(h for h in headers if h[0].lower() not in _CREDENTIALS)
    return _Request(method, address, headers, body)


def _wire(request: _Request) -> httpx.Request:
    url = httpx.URL(request.address.url)
    sent = (url.scheme, url.host.strip("[]"), url.port, url.raw_path.decode())
    address = request.address
    port = None if address.port == {"http": 80, "https": 443}[address.scheme] else address.port
    if sent != (address.scheme, address.host.strip("[]"), port, address.path + address.query):
        raise DriverFailureError("http.forbidden", f"`{address.shown}` can be read in more than one way")
    defaults = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "dandc"}
    given = {name.lower() for name, _ in request.headers}
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    headers += [(name.encode(), value.encode()) for name, value in defaults.items() if name not in given]
    return httpx.Request(request.method, url, headers=headers, content=request.body)


async def _read_body(request: _Request, response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise DriverFailureError("http.size", f"{request!r}: the answer is larger than {MAX_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _broken(code: str, request: _Request, what: str, error: Exception) -> DriverFailureError:
    message = f"{request!r}: {what} ({_reason(error)})"
    return DriverFailureError(code, message, retryable=request.repeatable, kinds=("network",))


def _status_failure(
    request: _Request, response: httpx.Response, body: bytes, context: CallContext
) -> DriverFailureError:
    status = response.status_code
    # Scrubbed before it is cut: half a secret would not be recognised any more.
    text = context.secrets.scrub(body[: 64 << 10].decode(errors="replace"))
    excerpt = " ".join(text.split())[:_SHOWN_BODY]
    return DriverFailureError(
        "http.status",
        f"{request!r} answered {status}" + (f": {excerpt}" if excerpt else ""),
        retryable=request.repeatable and (status == 429 or status >= 500),
        kinds=(str(status), f"{status // 100}xx"),
        retry_after=_retry_after(response.headers.get("retry-after")),
    )


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        # An unreadable wish of the server is no wish.
        return None


def _neutral(response: httpx.Response, body: bytes, context: CallContext) -> tuple[int, list[tuple[str, str]], bytes]:
    """The response as the record `http.Response`. Secrets that a server sends back do not reach the program."""
    decoded = "content-encoding" in response.headers
    dropped = {b"content-encoding", b"content-length"} if decoded else set()
    scrub = context.secrets.scrub_bytes
    headers = [
        (name.decode("latin-1"), scrub(value).decode("latin-1"))
        for name, value in response.headers.raw
        if name.lower() not in dropped
    ]
    return (response.status_code, headers, scrub(body))
