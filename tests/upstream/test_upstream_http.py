"""Upstream's built-in `HTTP`: raw requests out, raw answers back, over real connections."""

import json
from typing import Any

import anyio
import pytest

from dandc.stdlib.http import HttpDriver
from dandc.stdlib.http_address import Address
from dandc.stdlib.upstream import UpstreamDriver
from dandc.vm.drivers import CallContext, DriverFailureError, EndpointAddress
from dandc.vm.secrets import SecretBox

BASE = "http://127.0.0.1:8000"


def ask(raw: bytes, status: int = 200, headers: Any = (), body: bytes = b"ok get") -> Any:
    """What the driver gives for a raw request, and what went out."""
    sent: list[Any] = []

    async def answer(method: str, address: Address, content: bytes) -> Any:
        sent.append((method, address.url, content))
        return status, headers, body

    async def main() -> Any:
        driver = UpstreamDriver(HttpDriver(answer))
        endpoints = {"web": EndpointAddress("web", "http", BASE)}
        (((_, _, head),), ((_, _, got),)) = await driver.call(
            "exchange", (raw,), CallContext(endpoints, SecretBox(), {})
        )
        return head, got

    head, got = anyio.run(main)
    return head, got, sent


def test_a_get() -> None:
    head, body, sent = ask(f"GET {BASE}/get HTTP/1.1\n\n".encode())
    assert head.startswith(b"HTTP/1.1 200 OK\n")
    assert (b"ok get", [("GET", f"{BASE}/get", b"")]) == (body, sent)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_headers_and_body(end: str) -> None:
    raw = f"POST {BASE}/post HTTP/1.1{end}Content-Type: text/plain{end}Host: elsewhere{end}{end}a\n\nb".encode()
    _, _, sent = ask(raw)
    assert [("POST", f"{BASE}/post", b"a\n\nb")] == sent


@pytest.mark.parametrize("raw", [b"GET %s/x HTTP/1.1", b"GET %s/x HTTP/1.1\n", b"GET   %s/x\tHTTP/2.0\n\n"])
def test_a_request_may_end_early(raw: bytes) -> None:
    assert [("GET", f"{BASE}/x", b"")] == ask(raw % BASE.encode())[2]


def test_answers_are_answers_whatever_their_status() -> None:
    head, body, _ = ask(f"GET {BASE}/x HTTP/1.1".encode(), 503, [("X-A", "1"), ("X-A", "2")], b"")
    assert (b"HTTP/1.1 503 Service Unavailable\nX-A:1\nX-A:2\n", b"") == (head, body)
    assert ask(f"GET {BASE}/x HTTP/1.1".encode(), 299)[0].startswith(b"HTTP/1.1 299 \n")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "upstream.request"),
        (b"GET http://127.0.0.1:8000/x", "upstream.request"),
        (b"GET http://127.0.0.1:8000/x HTTP/4.0", "upstream.request"),
        (b"GET http://127.0.0.1:8000/\xff HTTP/1.1", "upstream.request"),
        (b"GET http://127.0.0.1:8000/x HTTP/1.1\nno colon\n", "upstream.request"),
        (b"GET http://127.0.0.1:8000/x HTTP/1.1\nX: %s" % (b"y" * (1 << 17)), "upstream.request"),
        (b"BREW http://127.0.0.1:8000/x HTTP/1.1", "http.request"),
        (b"GET http://127.0.0.1:8001/x HTTP/1.1", "http.forbidden"),
        (b"GET http://127.0.0.1:8000/x HTTP/1.1\nTransfer-Encoding: chunked\n\n", "http.request"),
        (b"GET http://127.0.0.1:8000/x HTTP/1.1\nA\x01: b\n\n", "http.request"),
    ],
)
def test_what_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(DriverFailureError) as caught:
        ask(raw)
    assert code == caught.value.code


def test_the_words_of_a_failure_hold_no_body() -> None:
    with pytest.raises(DriverFailureError) as caught:
        ask(b"GET\n\nsecret body")
    assert "secret" not in json.dumps(str(caught.value))
