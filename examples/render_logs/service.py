"""The log service that `render_logs.dnd` talks to, as a process of its own. Standard library only.

    python service.py --port 0 --servers 10 --lines 200 --token t0ken --fail 3,7

prints `listening on http://127.0.0.1:PORT` and serves until SIGTERM or SIGINT:

    POST /authorize   with `Authorization: Bearer TOKEN`: {"servers": ["/logs/0", ...]}; 401 without
    GET /logs/N       the log of server N: [{"time": unix milliseconds, "level": "INFO", "text": "..."}, ...]

The lines are a pure function of seed and server, in order within a server and interleaved between them. It can be told
to misbehave, because that is what a service is for in a test: `--fault TARGET=KIND[xTIMES]`, where the target is
a server's number or `authorize`, and the kind a status (`503`) or one of

    hang     takes the request and never answers      rubbish  answers with bytes that are not HTTP
    cut      closes the connection half-way           garble   answers 200 with a body that is not JSON
    drip     sends a byte every 50 ms                 echo     answers 500 and repeats the request's headers

With `xTIMES` the first so many requests are answered so, and later ones properly.
"""

import argparse
import asyncio
import hmac
import json
import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field

KINDS = ("hang", "cut", "drip", "rubbish", "garble", "echo")
MAX_HEAD = 64 << 10
MAX_BODY = 1 << 20
START_MS = 1_714_521_600_000  # 1 May 2024, 00:00 UTC

TEMPLATES = (
    ("INFO", "GET /api/v2/orders/{n} 200 in {ms} ms"),
    ("INFO", "POST /api/v2/orders 201 in {ms} ms order={n}"),
    ("INFO", "session {hex} opened for user {user}"),
    ("DEBUG", "cache hit for key cart:{user}:{n}"),
    ("DEBUG", 'query took {ms} ms: SELECT * FROM orders WHERE id = {n} AND state <> "done"'),
    ("WARN", "slow upstream payments-{k}: {ms} ms, retry {k} of 5"),
    ("WARN", "disk /var/lib/data is {pct} % full"),
    ("ERROR", "connection to db-{k}.internal lost: <timeout after {ms} ms>"),
    ("ERROR", "could not parse payload of user {user}: unexpected '&' at byte {n}"),
)
WEIGHTS = (40, 12, 15, 15, 10, 4, 1, 2, 1)
USERS = ("amelie", "björn", "chidi", "dorota", "emre", "françois", "小林", "o'neil")


def log_lines(seed: int, server: int, count: int) -> list[dict[str, object]]:
    """The log of one server: `count` lines with increasing times."""
    source = random.Random(f"{seed}/{server}")
    time = START_MS + source.randrange(2_000)
    lines = []
    for level, template in source.choices(TEMPLATES, WEIGHTS, k=count):
        time += 1 + int(source.expovariate(1 / 400))
        text = template.format(
            n=source.randrange(100_000),
            ms=source.randrange(1, 900),
            hex=f"{source.getrandbits(48):012x}",
            user=source.choice(USERS),
            k=source.randrange(1, 6),
            pct=source.randrange(70, 99),
        )
        lines.append({"time": time, "level": level, "text": text})
    return lines


@dataclass
class Service:
    """What the service does, and how often each target was asked."""

    servers: int
    lines: int
    seed: int
    delay_s: float
    token: str = field(repr=False)
    protect: bool
    faults: dict[str, tuple[str, int | None]]
    asked: Counter[str] = field(default_factory=Counter)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client or a fault closes it."""
        try:
            while await self.request(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            # The client went away or does not speak HTTP; either way there is nobody to answer.
            writer.transport.abort()
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rest = head.split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rest if row)
        }
        await reader.readexactly(min(int(headers.get("content-length", "0")), MAX_BODY))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        fault = self.fault(path)
        if fault is not None:
            return await self.misbehave(fault, head, path, writer)
        status, body = self.answer(method, path, headers)
        writer.write(response(status, body))
        return headers.get("connection", "").lower() != "close"

    def fault(self, path: str) -> str | None:
        """The fault that this request is to meet, if any."""
        target = path.rpartition("/")[2]
        self.asked[target] += 1
        kind, times = self.faults.get(target, (None, None))
        return kind if times is None or self.asked[target] <= times else None

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of a proper answer."""
        known = hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {self.token}".encode())
        if path == "/authorize":
            if method != "POST":
                return 405, b'{"error": "use POST"}'
            if not known:
                return 401, b'{"error": "unknown token"}'
            return 200, encoded({"servers": [f"/logs/{n}" for n in range(self.servers)]})
        number = path.removeprefix("/logs/")
        if not path.startswith("/logs/") or not number.isdecimal() or int(number) >= self.servers:
            return 404, b'{"error": "not found"}'
        if method != "GET":
            return 405, b'{"error": "use GET"}'
        if self.protect and not known:
            return 401, b'{"error": "unknown token"}'
        return 200, encoded(log_lines(self.seed, int(number), self.lines))

    async def misbehave(self, kind: str, head: str, path: str, writer: asyncio.StreamWriter) -> bool:
        """Answer as the fault says; the connection is over afterwards unless it was a proper error."""
        proper = response(200, encoded([{"time": START_MS, "level": "INFO", "text": "x" * 2000}]))
        if kind.isdecimal():
            writer.write(response(int(kind), encoded({"error": f"told to fail at {path}"})))
            return True
        if kind == "echo":
            writer.write(response(500, head.encode("latin-1")))
            return True
        if kind == "garble":
            writer.write(response(200, b'[{"time": 17, "level": '))
            return True
        if kind == "rubbish":
            writer.write(b"\x00\xff this is not HTTP\r\n\r\n" * 4)
        elif kind == "cut":
            writer.write(proper[: len(proper) // 2])
        elif kind == "drip":
            for byte in proper:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        elif kind == "hang":
            await asyncio.Event().wait()
        await writer.drain()
        return False


def encoded(value: object) -> bytes:
    """The value as JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


def response(status: int, body: bytes) -> bytes:
    """A whole HTTP answer."""
    reason = {200: "OK", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}.get(status, "Told To")
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(service: Service, port: int) -> None:
    """Serve on loopback until a signal says to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = loop.create_task(service.connection(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=MAX_HEAD)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def parse_fault(text: str) -> tuple[str, tuple[str, int | None]]:
    """`TARGET=KIND[xTIMES]` as `(target, (kind, times))`."""
    target, _, rest = text.partition("=")
    kind, _, times = rest.partition("x") if rest not in KINDS else (rest, "", "")
    proper = kind in KINDS or (kind.isdecimal() and 200 <= int(kind) <= 599)
    if not (target.isdecimal() or target == "authorize") or not proper or not (not times or times.isdecimal()):
        raise argparse.ArgumentTypeError(f"`{text}` is not TARGET=KIND[xTIMES]")
    return target, (kind, int(times) if times else None)


def parse_numbers(text: str) -> list[str]:
    """`3,7` as the numbers' texts."""
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"`{text}` is not a list of numbers")
    return numbers


def parse_arguments(arguments: list[str]) -> tuple[Service, int]:
    """The service and the port that the command line asks for."""
    parser = argparse.ArgumentParser(description="The log service of the render_logs example.")
    parser.add_argument("--port", type=int, default=8600, help="0 lets the kernel choose (default: 8600)")
    parser.add_argument("--servers", type=int, default=10, help="how many servers have logs (default: 10)")
    parser.add_argument("--lines", type=int, default=200, help="lines of each log (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="which logs (default: 1)")
    parser.add_argument("--delay-ms", type=float, default=0, help="wait before every answer (default: 0)")
    parser.add_argument("--token", default="open sesame", help="the token that /authorize accepts")
    parser.add_argument("--protect", action="store_true", help="ask for the token at /logs as well")
    parser.add_argument("--fail", type=parse_numbers, default=[], help="servers that answer 500, as in 3,7")
    parser.add_argument(
        "--fault", type=parse_fault, action="append", default=[], help="TARGET=KIND[xTIMES]; see the top"
    )
    given = parser.parse_args(arguments)
    faults: dict[str, tuple[str, int | None]] = dict.fromkeys(given.fail, ("500", None))
    faults.update(given.fault)
    service = Service(given.servers, given.lines, given.seed, given.delay_ms / 1000, given.token, given.protect, faults)
    return service, given.port


def main() -> int:
    """Run the service."""
    service, port = parse_arguments(sys.argv[1:])
    try:
        asyncio.run(serve(service, port))
    except OSError as error:
        print(f"cannot listen on port {port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
