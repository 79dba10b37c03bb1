"""What keeping a run costs: the same run with a journal and without, in turns, and with a full cache of results.

2,000 requests to a service in the same process and 20,000 instances of a small kernel: the journal is small beside the first and
not beside the second, so each has a row of its own.
"""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import anyio

import dandc
from benchmarks.rows import Row
from dandc.compiler.flow import Program
from dandc.vm import InputItem, run
from dandc.vm.keeping import Recording, keep
from dandc.vm.memo import Memo

REQUESTS = """
import http;
config service_url: str;
endpoint service = http(service_url);
function ask(x: i64) => (request: http.Request) = service.get(f"/{x}");
function size(response: http.Response) => (n: i64) = response.body.len();
composition main(xs: set[i64]) => (ns: set[i64]) { ns = size(each http.fetch(each ask(each xs))); }
"""
KERNELS = """
function square(x: i64) => (y: i64) = x * x;
composition main(xs: set[i64]) => (ys: set[i64]) { ys = square(each xs); }
"""
ROUNDS = 3
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def journal_cost(requests: int = 2_000, items: int = 20_000) -> list[Row]:
    """Median wall times: recorded beside plain, and taken from a cache beside plain."""
    with tempfile.TemporaryDirectory() as name, _service() as url:
        folder = Path(name)
        asked = _Case(_compiled(folder, "requests", REQUESTS), requests, {"service_url": url}, folder)
        computed = _Case(_compiled(folder, "kernels", KERNELS), items, {}, folder)
        recorded = [(case.wall_ms(record=True), case.wall_ms()) for case in (asked, computed) for _ in range(ROUNDS)]
        computed.wall_ms(cache=True)
        cached = [(computed.wall_ms(cache=True), computed.wall_ms()) for _ in range(ROUNDS)]
    return [
        _row(f"journal cost, {requests:,} requests", recorded[:ROUNDS], "a run with --record, beside without"),
        _row(
            f"journal cost, {items:,} instances of a kernel", recorded[ROUNDS:], "a run with --record, beside without"
        ),
        _row(f"{items:,} instances out of a full cache", cached, "a run with --cache, beside without"),
    ]


def _row(what: str, pairs: list[tuple[float, float]], note: str) -> Row:
    ours, peer = (median(times) for times in zip(*pairs, strict=True))
    return Row(what, ours, peer, "ms", note)


def _compiled(folder: Path, name: str, text: str) -> Program:
    path = folder / f"{name}.dnd"
    path.write_text(text)
    return dandc.compile(path, cache=None).compiled


class _Case:
    """A program with its inputs; every run records into a file of its own."""

    def __init__(self, program: Program, count: int, configs: dict[str, Any], folder: Path) -> None:
        self._program = program
        self._inputs = {"xs": [InputItem(i) for i in range(count)]}
        self._configs = configs
        self._folder = folder
        self._runs = 0

    def wall_ms(self, *, record: bool = False, cache: bool = False) -> float:
        self._runs += 1
        path = self._folder / f"{self._program.name}.{self._runs}"
        start = time.perf_counter()
        memo = Memo(self._folder / "cache", "benchmark").open() if cache else None
        recording = Recording(path, "", {}, "") if record else None
        keeping = keep(self._program, "main.main", memo=memo, recording=recording) if record or cache else None
        anyio.run(lambda: run(self._program, "main.main", self._inputs, configs=self._configs, keeping=keeping))
        return (time.perf_counter() - start) * 1000


@contextmanager
def _service() -> Iterator[str]:
    """Answers every request on kept connections, a thread each."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    threads = [threading.Thread(target=_accept, args=(listener,), daemon=True)]
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        threads[0].join()


def _accept(listener: socket.socket) -> None:
    connections: list[threading.Thread] = []
    while (client := _next(listener.accept)) is not None:
        thread = threading.Thread(target=_answer, args=(client[0],), daemon=True)
        thread.start()
        connections.append(thread)
    for thread in connections:
        thread.join()


def _answer(client: socket.socket) -> None:
    with client:
        waiting = b""
        while data := _next(lambda: client.recv(65536)):
            waiting += data
            while b"\r\n\r\n" in waiting:
                _, _, waiting = waiting.partition(b"\r\n\r\n")
                client.sendall(_ANSWER)


def _next(act: Callable[[], Any]) -> Any:
    """What comes next on a socket, or None when it is over."""
    try:
        return act()
    except OSError:
        return None
