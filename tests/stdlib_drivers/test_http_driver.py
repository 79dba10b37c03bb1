"""The HTTP driver against real servers on loopback."""

import itertools
import json
import time
import traceback
from typing import Any

import anyio
import anyio.abc
import pytest

from dandc.compiler.flow import ConstSource
from dandc.stdlib import http
from dandc.vm import InputItem, RunError, RunLimits, Secret, run

TOKEN = 'tok"en-7f3a/9+secret'


def test_a_whole_exchange(net: Any) -> None:
    """Method, path, headers and body arrive as asked; status, headers and body come back."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer(201, b"made", "X-One: a", "x-one: b"))) as server:
            asked = net.request("/a b?q=ü", "POST", headers=[("X-Two", "zwei ß")], body=b"\0\1")
            return await net.ask("http.fetch", {"service": server.url + "/base"}, asked), server

    result, server = anyio.run(main)
    ((method, path, headers, body),) = server.requests
    assert (method, path, body) == ("POST", "/base/a%20b?q=%C3%BC", b"\0\1")
    assert headers["x-two"].encode("latin-1").decode() == "zwei ß"
    assert headers["user-agent"] == "dandc"
    status, got, data = result.outputs["y"][0].value
    assert (status, data) == (201, b"made")
    assert [pair for pair in got if pair[0].lower() == "x-one"] == [("X-One", "a"), ("x-one", "b")]


RETRIES = [
    # answers before the good one, method, policies -> requests seen, failure
    ([503, 503], "GET", {"retry": 3}, 3, None),
    ([503, 503], "GET", {"retry": 1}, 2, ("http.status", 2)),
    ([429], "PUT", {"retry": 1}, 2, None),
    ([404], "GET", {"retry": 3}, 1, ("http.status", 1)),
    ([503], "GET", {}, 1, ("http.status", 1)),
    ([503], "POST", {"retry": 3}, 1, ("http.status", 1)),
    ([503], "POST", {"retry": 3, "retry_on": ("5xx",)}, 2, None),
    ([503], "POST", {"retry": 3, "retry_on": ("503",)}, 2, None),
    ([503], "GET", {"retry": 3, "retry_on": ("429", "network")}, 1, ("http.status", 1)),
    ([404], "GET", {"retry": 3, "retry_on": ("404",)}, 2, None),
    ([None], "GET", {"retry": 3}, 2, None),
    ([None], "POST", {"retry": 3}, 1, ("http.protocol", 1)),
    ([None], "POST", {"retry": 3, "retry_on": ("network",)}, 2, None),
]


@pytest.mark.parametrize(("before", "method", "policies", "requests", "failure"), RETRIES)
def test_what_is_sent_again(
    net: Any, before: list[int | None], method: str, policies: Any, requests: int, failure: Any
) -> None:
    """Only what is safe is repeated, or what `retry ... on` names; each attempt is counted."""
    answers = [None if status is None else net.answer(status) for status in before]

    async def main() -> Any:
        async with net.serve(net.always(*answers, net.answer(200, b"good"))) as server:
            asked = net.request("/", method)
            return await net.ask("http.fetch", {"service": server.url}, asked, **policies), server

    result, server = anyio.run(main)
    assert requests == len(server.requests)
    assert ([failure] if failure else []) == net.failures(result)
    assert {"ran": int(not failure), "skipped": 0, "failed": int(bool(failure))} == result.nodes["ask"]


def test_a_refused_connection_is_tried_again_for_every_method(net: Any) -> None:
    """Nothing was sent, so even POST may be repeated."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer())) as server:
            url = server.url
        return await net.ask("http.fetch", {"service": url}, net.request("/", "POST"), retry=2)

    assert net.failures(anyio.run(main)) == [("http.network", 3)]


def test_tls_is_spoken_and_checked(net: Any) -> None:
    """A service that does not speak TLS on an https address gets nothing but a greeting, and the failure is typed."""
    first: list[bytes] = []

    async def main() -> Any:
        async def connection(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                first.append(await stream.receive())

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        async with listener, anyio.create_task_group() as group:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            group.start_soon(listener.serve, connection)
            asked = net.request("/", "POST", body=b"private", bearer=Secret(TOKEN))
            result = await net.ask("http.fetch", {"service": f"https://127.0.0.1:{port}"}, asked)
            group.cancel_scope.cancel()
        return result

    assert [("http.network", 1)] == net.failures(anyio.run(main))
    assert b"\x16\x03" == first[0][:2]
    assert not any(word in first[0] for word in (b"private", TOKEN.encode()))


def test_connections_are_kept_for_their_origin(net: Any) -> None:
    """Requests one after the other share a connection; another origin has its own."""

    async def main() -> list[int]:
        async with net.serve(net.always(net.answer())) as one, net.serve(net.always(net.answer())) as two:
            endpoints = {"one": one.url, "two": two.url}
            program = net.program("http.fetch", endpoints)
            inputs = [InputItem(net.request(endpoint=name)) for name in ["one", "two"] * 5]
            await run(program, "main", {"xs": inputs}, limits=RunLimits(requests=1))
            return [one.connections, two.connections]

    assert [1, 1] == anyio.run(main)


def test_exchange_gives_every_status(net: Any) -> None:
    """`exchange` neither fails on a status nor follows a redirect."""

    async def main() -> Any:
        answers = [net.answer(500, b"no"), net.answer(302, b"", "location: http://192.0.2.1/")]
        async with net.serve(net.always(*answers)) as server:
            endpoints = {"service": server.url}
            return [await net.ask("http.exchange", endpoints, net.request()) for _ in answers]

    assert [result.outputs["y"][0].value[0] for result in anyio.run(main)] == [500, 302]


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_time_is_bounded(net: Any, fault: str) -> None:
    """A service that never ends its answer costs the time-out, not more."""
    with net.service("--fault", f"0={fault}") as (url, _):
        start = time.monotonic()
        asked = net.request("/logs/0")
        result = anyio.run(lambda: net.ask("http.fetch", {"service": url}, asked, timeout_ms=200, retry=1))
        assert time.monotonic() - start < 2
    assert net.failures(result) == [("http.timeout", 2)]


@pytest.mark.parametrize(
    ("fault", "code"), [("rubbish", "http.protocol"), ("cut", "http.protocol"), ("503", "http.status")]
)
def test_a_service_that_misbehaves(net: Any, fault: str, code: str) -> None:
    """Rubbish and half answers are typed failures; the other items come through."""
    with net.service("--fault", f"1={fault}", "--lines", "3") as (url, _):
        asked = [net.request(f"/logs/{n}") for n in range(3)]
        result = anyio.run(lambda: net.ask("http.fetch", {"service": url}, *asked))
    assert [(code, 1)] == net.failures(result)
    assert [len(json.loads(item.value[2])) for item in result.outputs["y"]] == [3, 3]


def test_a_service_killed_half_way(net: Any) -> None:
    """Killing the service while 20 requests hang gives 20 typed failures at once."""
    with net.service("--servers", "30", *itertools.chain(*(("--fault", f"{n}=hang") for n in range(20)))) as (
        url,
        process,
    ):

        async def main() -> Any:
            async with anyio.create_task_group() as group, net.serve(net.always(net.answer())) as other:

                async def kill() -> None:
                    # The other server's answer proves that the run is under way.
                    while not other.requests:
                        await anyio.lowlevel.checkpoint()
                    process.kill()

                group.start_soon(kill)
                asked = [net.request(f"/logs/{n}") for n in range(20)] + [net.request("/", endpoint="other")]
                return await net.ask("http.fetch", {"service": url, "other": other.url}, *asked, timeout_ms=5000)

        start = time.monotonic()
        result = anyio.run(main)
        assert time.monotonic() - start < 4
    assert len(net.failures(result)) == 20
    assert {"http.network", "http.protocol"} >= {code for code, _ in net.failures(result)}
    assert len(result.outputs["y"]) == 1


def test_redirects_stay_under_declared_endpoints(net: Any) -> None:
    """Inside they are followed, and credentials stay behind; outside nothing is even connected to."""

    async def main() -> Any:
        async with (
            net.serve(net.always(net.answer(200, b"other"))) as other,
            net.serve(net.always(net.answer())) as foreign,
        ):

            async def handler(method: str, path: str, *_: Any) -> bytes:
                target = {
                    "/near": "/base/end",
                    "/base/near": "end?x=1",
                    "/base/other": other.url + "/there",
                    "/base/foreign": foreign.url + "/",
                    "/base/up": "/outside",
                    "/base/loop": "/base/loop",
                    "/base/seen": "//" + other.url.removeprefix("http://") + "/seen",
                }.get(path)
                return net.answer(307, b"", f"location: {target}") if target else net.answer(200, path.encode())

            async with net.serve(handler) as server:
                endpoints = {"service": server.url + "/base", "other": other.url}
                headers = [("Authorization", "Basic eDp5"), ("X-Keep", "1")]
                names = ("near", "other", "seen", "foreign", "up", "loop")
                asked = [net.request(f"/{name}", headers=headers) for name in names]
                return await net.ask("http.fetch", endpoints, *asked), other, foreign

    result, other, foreign = anyio.run(main)
    assert [item.value[2] for item in result.outputs["y"]] == [b"/base/end?x=1", b"other", b"other"]
    assert net.failures(result) == [("http.forbidden", 1), ("http.forbidden", 1), ("http.redirect", 1)]
    assert foreign.connections == 0
    assert [headers["x-keep"] for _, _, headers, _ in other.requests] == ["1", "1"]
    assert not any("authorization" in headers for _, _, headers, _ in other.requests)


def test_a_redirected_post_becomes_get(net: Any) -> None:
    """303 asks for the result with GET and without the body."""

    async def handler(method: str, path: str, *_: Any) -> bytes:
        return net.answer(303, b"", "location: /done") if path == "/" else net.answer(200, method.encode())

    async def main() -> Any:
        async with net.serve(handler) as server:
            asked = net.request("/", "POST", body=b"data", headers=[("content-type", "text/plain")])
            return await net.ask("http.fetch", {"service": server.url}, asked), server

    result, server = anyio.run(main)
    assert result.outputs["y"][0].value[2] == b"GET"
    assert (server.requests[1][3], "content-type" in server.requests[1][2]) == (b"", False)


HOSTILE_HEADERS = [
    ("x\r\nevil: 1", "a"),
    ("x", "a\r\nevil: 1"),
    ("x", "a\nb"),
    ("x", "a\0b"),
    ("x y", "a"),
    ("", "a"),
    ("x:", "a"),
    ("Host", "evil"),
    ("Content-Length", "0"),
    ("transfer-encoding", "chunked"),
    ("Connection", "close"),
]


@pytest.mark.parametrize("header", HOSTILE_HEADERS)
def test_header_injection_is_refused(net: Any, header: tuple[str, str]) -> None:
    """Nothing is sent, not even a connection made."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer())) as server:
            return await net.ask("http.fetch", {"service": server.url}, net.request(headers=[header])), server

    result, server = anyio.run(main)
    assert (net.failures(result), server.connections) == ([("http.request", 1)], 0)


def test_other_refusals(net: Any) -> None:
    """Unknown endpoints and methods, and addresses outside, are failures that send nothing."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer())) as server, net.serve(net.always(net.answer())) as foreign:
            asked = [
                net.request(endpoint="nobody"),
                net.request(method="CONNECT"),
                net.request(method="get"),
                net.request(foreign.url + "/x"),
                net.request("../x"),
                net.request("//" + foreign.url[7:]),
            ]
            return await net.ask("http.fetch", {"service": server.url + "/base"}, *asked), server, foreign

    result, server, foreign = anyio.run(main)
    expected = ["http.forbidden", "http.request", "http.request", *["http.forbidden"] * 3]
    assert expected == [code for code, _ in net.failures(result)]
    assert server.connections + foreign.connections == 0


def test_an_answer_has_a_size_limit(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the size is not announced, and when it is compressed."""
    import gzip

    monkeypatch.setattr(http, "MAX_BODY", 10_000)
    packed = gzip.compress(b"a" * 20_000)
    chunks = b"".join(b"3e8\r\n" + b"b" * 1000 + b"\r\n" for _ in range(11)) + b"0\r\n\r\n"
    answers = [
        net.answer(200, b"c" * 10_001),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks,
        net.answer(200, packed, "content-encoding: gzip"),
    ]

    async def main() -> Any:
        results = []
        for bytes_ in answers:
            async with net.serve(net.always(bytes_)) as server:
                results.append(await net.ask("http.fetch", {"service": server.url}, net.request()))
        return results

    assert [net.failures(result) for result in anyio.run(main)] == [[("http.size", 1)]] * 3


def test_a_compressed_answer_is_opened(net: Any) -> None:
    """The body is what was meant, and no header speaks of an encoding any more."""
    import gzip

    async def main() -> Any:
        packed = net.answer(200, gzip.compress(b"plain"), "content-encoding: gzip")
        async with net.serve(net.always(packed)) as server:
            return await net.ask("http.fetch", {"service": server.url}, net.request())

    _, headers, body = anyio.run(main).outputs["y"][0].value
    assert body == b"plain"
    assert not {"content-encoding", "content-length"} & {name.lower() for name, _ in headers}


def test_requests_in_flight_are_bounded(net: Any) -> None:
    """300 requests, at most as many at once as the run allows, and the connections are used again."""
    now = most = 0

    async def handler(*_: Any) -> bytes:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        now -= 1
        return bytes(net.answer())

    async def main() -> Any:
        async with net.serve(handler) as server:
            program = net.program("http.fetch", {"service": server.url})
            inputs = {"xs": [InputItem(net.request()) for _ in range(300)]}
            return await run(program, "main", inputs, limits=RunLimits(requests=7)), server

    result, server = anyio.run(main)
    assert len(result.outputs["y"]) == 300
    assert 1 < most <= 7
    assert server.connections <= 7


def test_nothing_is_taken_from_the_environment(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used, and cookies are not kept."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async def main() -> Any:
        async with net.serve(net.always(net.answer(200, b"", "set-cookie: a=b"))) as server:
            return await net.ask("http.fetch", {"service": server.url}, net.request(), net.request()), server

    result, server = anyio.run(main)
    assert len(result.outputs["y"]) == 2
    assert not any("cookie" in headers for _, _, headers, _ in server.requests)


def leaks(*things: object) -> list[str]:
    """Where the token shows, in any of the shapes in which it could."""
    shapes = [TOKEN, json.dumps(TOKEN)[1:-1], repr(TOKEN)[1:-1]]
    return [text[:200] for text in map(repr, things) if any(shape in text for shape in shapes)]


def test_a_secret_reaches_the_service_and_nothing_else(net: Any) -> None:
    """The header has it; results, failures, notes and reprs do not, even when the service sends it back."""

    async def echo(method: str, path: str, headers: dict[str, str], *_: Any) -> bytes:
        said = headers.get("authorization", "")
        status = 500 if path == "/bad" else 200
        return bytes(net.answer(status, f"you said {said} | {json.dumps(said)}".encode(), f"x-echo: {said}"))

    async def main() -> Any:
        async with net.serve(echo) as server:
            asked = [net.request("/good", bearer=Secret(TOKEN)), net.request("/bad", bearer=TOKEN)]
            return await net.ask("http.fetch", {"service": server.url}, *asked, retry=1), server

    result, server = anyio.run(main)
    assert [f"Bearer {TOKEN}"] * 3 == [headers["authorization"] for _, _, headers, _ in server.requests]
    assert b"you said Bearer secret(xs)" in result.outputs["y"][0].value[2]
    assert "you said Bearer secret(xs)" in result.outputs["failed"][0].value[1]
    encoded = [item.encoded for items in result.outputs.values() for item in items]
    assert leaks(result, *encoded) == []


def test_a_secret_is_in_no_error(net: Any) -> None:
    """The run's error, its traceback with all locals that have a repr, and the input item do not show it."""

    async def echo(method: str, path: str, headers: dict[str, str], *_: Any) -> bytes:
        return bytes(net.answer(403, headers["authorization"].encode()))

    async def main() -> RunError:
        async with net.serve(echo) as server:
            program = net.program("http.fetch", {"service": server.url}, on_failure="fail")
            with pytest.raises(RunError) as caught:
                await run(program, "main", {"xs": [InputItem(net.request(bearer=Secret(TOKEN)))]})
        return caught.value

    error = anyio.run(main)
    assert error.diagnostics[0].code == "R0720"
    assert "answered 403: Bearer secret(xs)" in error.diagnostics[0].message
    assert error.__context__ is not None
    chain = [traceback.TracebackException.from_exception(e, capture_locals=True) for e in (error, error.__context__)]
    shown = [line for trace in chain for line in trace.format()]
    assert any("run_graph" in line for line in shown)
    assert leaks(error, error.diagnostics, error.fault, *shown) == []


def test_handles_cannot_be_made_up(net: Any) -> None:
    """A kernel's own idea of a handle resolves to nothing; a token that would split the header is refused unseen."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer())) as server:
            driver = http.open_driver()
            try:
                from dandc.vm import CallContext, DriverFailureError, EndpointAddress
                from dandc.vm.secrets import SecretBox, UnknownSecretError

                context = CallContext({"service": EndpointAddress("service", "http", server.url)}, SecretBox(), {})
                with pytest.raises(UnknownSecretError):
                    await driver.call("fetch", (net.request(bearer="secret:token"),), context)
                handle = context.secrets.seal("token", Secret("two\r\nlines"))
                with pytest.raises(DriverFailureError) as caught:
                    await driver.call("fetch", (net.request(bearer=handle),), context)
            finally:
                await driver.aclose()
            return caught.value, server

    error, server = anyio.run(main)
    assert (error.code, "two" in error.message, server.connections) == ("http.request", False, 0)


def test_bad_endpoint_addresses_end_the_run_before_it_begins(net: Any) -> None:
    """Each is a diagnostic of its own."""
    endpoints = {
        "a": "ftp://x",
        "b": "http://",
        "c": "http://u:p@x/",
        "d": "http://x:99999",
        "e": "x",
        "f": "http://x/?q",
    }
    with pytest.raises(RunError) as caught:
        anyio.run(lambda: net.ask("http.fetch", endpoints))
    assert [d.code for d in caught.value.diagnostics] == ["R0737"] * 6


def test_an_effect_is_named_to_the_service(net: Any) -> None:
    """`once`: every attempt of a call has the same `Idempotency-Key`, other calls another one, and calls without it none."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer(503), net.answer())) as server:
            endpoints = {"service": server.url}
            again = {"retry": 3, "retry_on": ("5xx",)}
            posts = [net.request("/a", method="POST"), net.request("/b", method="POST")]
            await net.ask("http.fetch", endpoints, *posts, once=ConstSource(b"charge"), concurrency=1, **again)
            await net.ask("http.fetch", endpoints, posts[0], **again)
            return server

    server = anyio.run(main)
    keys = [headers.get("idempotency-key") for _, _, headers, _ in server.requests]
    assert keys[0] == keys[1]
    assert 2 == len(set(keys[:3]))
    assert all(key is not None and len(key) == 32 for key in keys[:3])
    assert [None] == keys[3:]


def test_an_effect_has_one_name(net: Any) -> None:
    """A request that names itself and is named by `once` is refused before anything is sent."""

    async def main() -> Any:
        async with net.serve(net.always(net.answer())) as server:
            request = net.request(method="POST", headers=[("Idempotency-Key", "mine")])
            result = await net.ask("http.fetch", {"service": server.url}, request, once=ConstSource(b"charge"))
            return result, server

    result, server = anyio.run(main)
    assert (net.failures(result), server.connections) == ([("http.request", 1)], 0)
