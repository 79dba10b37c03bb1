"""Real servers on loopback, and one-call programs that talk to them."""

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.abc
import pytest

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    ConstSource,
    Endpoint,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Policies,
    Program,
)
from dandc.compiler.types import BYTES, I64, SECRET, STR, Array, Named, Option, RecordDef
from dandc.lang.spans import NOWHERE, Span
from dandc.vm import InputItem, RunResult, run
from dandc.vm.failures import FAILURE, FAILURE_DEF

HEADERS = Array(Named("http.Header"))
TYPES = {
    "http.Header": RecordDef((("name", STR), ("value", STR))),
    "http.Request": RecordDef(
        (
            ("endpoint", STR),
            ("method", STR),
            ("url", STR),
            ("headers", HEADERS),
            ("body", BYTES),
            ("bearer", Option(SECRET)),
        )
    ),
    "http.Response": RecordDef((("status", I64), ("headers", HEADERS), ("body", BYTES))),
    "storage.Object": RecordDef((("store", STR), ("name", STR), ("value", BYTES))),
    "storage.Reference": RecordDef((("store", STR), ("name", STR))),
    "storage.Listing": RecordDef((("store", STR), ("prefix", STR))),
    "storage.Entry": RecordDef((("store", STR), ("name", STR), ("size", I64))),
    "prelude.Failure": FAILURE_DEF,
}
# module.operation -> parameter type, output kind, key type, output type
OPERATIONS = {
    "http.fetch": ("http.Request", "one", None, "http.Response"),
    "http.exchange": ("http.Request", "one", None, "http.Response"),
    "storage.put": ("storage.Object", "one", None, "storage.Entry"),
    "storage.get": ("storage.Reference", "one", None, "storage.Object"),
    "storage.list": ("storage.Listing", "set", STR, "storage.Entry"),
}
SERVICE = Path(__file__).parents[2] / "examples" / "render_logs" / "service.py"
Handler = Callable[[str, str, dict[str, str], bytes, anyio.abc.SocketStream], Awaitable[bytes | None]]


class Server:
    """What a server on loopback saw."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []


@asynccontextmanager
async def serve(handler: Handler) -> AsyncIterator[Server]:
    """A server that gives what `handler` answers: bytes of a whole answer, or None to close the connection."""
    server = Server()

    async def connection(stream: anyio.abc.SocketStream) -> None:
        server.connections += 1
        async with stream:
            try:
                while await one_request(server, handler, stream):
                    pass
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as group:
        server.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        group.start_soon(listener.serve, connection)
        try:
            yield server
        finally:
            group.cancel_scope.cancel()


async def one_request(server: Server, handler: Handler, stream: anyio.abc.SocketStream) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rows = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    while len(body) < int(headers.get("content-length", 0)):
        body += await stream.receive()
    server.requests.append((method, path, headers, body))
    answer = await handler(method, path, headers, body, stream)
    if answer is None:
        return False
    await stream.send(answer)
    return True


def answer(status: int = 200, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer."""
    rows = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers]
    return "\r\n".join(rows).encode() + b"\r\n\r\n" + body


def always(*answers: bytes | None) -> Handler:
    """A handler that gives the answers in turn, and the last one for ever."""
    todo = list(answers)

    async def handler(*_: Any) -> bytes | None:
        return todo.pop(0) if len(todo) > 1 else todo[0]

    return handler


def request(
    url: str = "/",
    method: str = "GET",
    *,
    endpoint: str = "service",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    bearer: Any = None,
) -> tuple[Any, ...]:
    """A neutral `http.Request`."""
    return (endpoint, method, url, list(headers), body, Variant(0) if bearer is None else Variant(1, (bearer,)))


def program(operation: str, endpoints: dict[str, str], **policies: Any) -> Program:
    """A program that does `operation` for each of its inputs and collects failures."""
    module, name = operation.split(".")
    parameter, kind, key, item = OPERATIONS[operation]
    wanted, given = FlowType("many", None, Named(parameter)), FlowType("many", key, Named(item))
    node = CommunicationNode(
        "ask",
        module,
        name,
        (ParamDecl("x", "one", None, Named(parameter)),),
        (OutputDecl("y", kind, key, Named(item)),),
        (ArgBinding(InputSource(0), "each", False),),
        (given,),
        Policies(**{"on_failure": "collect", **policies}),
        Span("main.dnd", 3, 9),
    )
    outputs = (
        GraphOutput("y", given, NodeSource(0, 0)),
        GraphOutput("failed", FlowType("many", None, FAILURE), NodeSource(0, -1)),
    )
    graph = Graph("main", (GraphPort("xs", wanted),), outputs, (node,))
    declared = tuple(Endpoint(n, module, ConstSource(url.encode()), NOWHERE) for n, url in endpoints.items())
    return Program("test", {"main": graph}, {}, (), declared, TYPES)


async def ask(operation: str, endpoints: dict[str, str], *values: Any, **policies: Any) -> RunResult:
    """The result of one operation per value."""
    return await run(program(operation, endpoints, **policies), "main", {"xs": [InputItem(v) for v in values]})


def failures(result: RunResult) -> list[tuple[str, int]]:
    """Codes and attempts of what was collected."""
    return [(item.value[0], item.value[4]) for item in result.outputs["failed"]]


@contextmanager
def service(*arguments: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The example's service as a process of its own; ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(SERVICE), "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1], process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def net() -> SimpleNamespace:
    """Everything above under one name."""
    return SimpleNamespace(
        serve=serve,
        answer=answer,
        always=always,
        request=request,
        program=program,
        ask=ask,
        failures=failures,
        service=service,
        TYPES=TYPES,
        SERVICE=SERVICE,
    )
