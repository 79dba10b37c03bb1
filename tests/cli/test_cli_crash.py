"""Runs that are killed at every step and finished: every effect once, and the outputs of a run that nobody disturbed.

The service is a real one that writes down its effects, and does an effect once for one `Idempotency-Key`. It kills the run when a
request has arrived, when the effect is done and the answer is not sent, or when the answer is sent; and the run that
finishes it at the next request, and so on, until one gets through. Long campaigns: docs/testing.md.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

PROGRAM = """
import http;
import json;
import storage;

config service_url: str;
config folder: str;
endpoint service = http(service_url);
endpoint archive = storage(folder);

record Order { id: str, amount: i64 }
record Receipt { number: i64 }

function list() => (request: http.Request) = service.get("/orders");

function charges(orders: http.Response) => (requests: set[str => http.Request]) {
    for order in json.decode[array[Order]](orders.body)? {
        emit requests[order.id] <- service.post("/charge", json.encode(order).to_bytes());
    }
}

function total(answers: set[str => http.Response]) => (text: str, object: storage.Object) {
    var text = "";
    for id, answer in answers {
        text += f"{id}: {json.decode[Receipt](answer.body)?.number}; ";
    }
    emit text <- text;
    emit object <- archive.object("receipts", text.to_bytes());
}

composition main() => (text: str, bytes: i64) {
    orders = http.fetch(list());
    answers = http.fetch(each charges(orders)) once "charge";
    text, object = total(all answers);
    bytes = size(storage.put(object));
}

function size(entry: storage.Entry) => (size: i64) = entry.size;
"""
ORDERS = ["anna", "bert", "cleo"]
MODES = ["on arrival", "before the answer", "after the answer"]


class Shop(ThreadingHTTPServer):
    """`effects` are the charges in order; `kill` is asked with each stage of each request whether the victim dies now."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.receipts: dict[str, int] = {}
        self.effects: list[str] = []
        self.requests = 0
        self.mode = ""
        self.killed: set[str] = set()
        self.victim: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stage(self, mode: str, request: str) -> None:
        """Kills the run if this is what it is to be killed at, once for every request."""
        victim = self.victim
        with self.lock:
            new = mode == self.mode and victim is not None and request not in self.killed
            self.killed |= {request} if new else set()
        if new and victim is not None:
            os.kill(victim.pid, signal.SIGKILL)

    def charge(self, key: str, order: str) -> int:
        """The number of the receipt: of the first charge under this key."""
        with self.lock:
            if key not in self.receipts:
                self.effects.append(order)
                self.receipts[key] = 1000 + ORDERS.index(order)
            return self.receipts[key]


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        name = "orders"
        self.server.stage("on arrival", name)
        self.server.stage("before the answer", name)
        self.answer([{"id": order, "amount": 5} for order in ORDERS], name)

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["content-length"])))["id"]
        self.server.stage("on arrival", name)
        number = self.server.charge(self.headers["idempotency-key"], name)
        self.server.stage("before the answer", name)
        self.answer({"number": number}, name)

    def answer(self, shape: Any, name: str) -> None:
        body = json.dumps(shape).encode()
        with contextlib.suppress(OSError):  # nobody is there any more
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        self.server.requests += 1
        self.server.stage("after the answer", name)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Campaign:
    """A journal with the runs that work on it, one after the other."""

    def __init__(self, dandc: Any, shop: Shop) -> None:
        self.dandc = dandc
        self.shop = shop
        self.journal = dandc.folder / "run.journal"
        self.program = dandc.write("shop.dnd", PROGRAM)

    def start(self) -> "subprocess.Popen[bytes]":
        """The first run, or one that goes on where the last one was killed."""
        configs = ["--config", f"service_url={self.shop.url}", "--config", f"folder={self.dandc.folder / 'archive'}"]
        new = ["run", str(self.program), *configs, "--record", str(self.journal), "--json"]
        command = ["resume", str(self.journal), "--json"] if self.journal.exists() else new
        return subprocess.Popen(
            [*self.dandc.command, *command],
            cwd=self.dandc.folder, env=self.dandc.variables(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, disturb: Callable[["subprocess.Popen[bytes]"], None] = lambda process: None) -> bytes | None:
        """What a run printed; None if it was killed."""
        process = self.start()
        try:
            self.shop.victim = process
            disturb(process)
            out, err = process.communicate(timeout=50)
        finally:
            self.shop.victim = None
            process.kill()
            process.wait()
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode == 0, err.decode()
        return out

    def verdict(self, out: bytes) -> None:
        """Every effect was done once, and the outputs are those of an undisturbed run."""
        outputs = json.loads(out)["outputs"]
        text = "anna: 1000; bert: 1001; cleo: 1002; "
        assert text == outputs["text"][0]["value"]
        assert len(text) == outputs["bytes"][0]["value"]
        assert ORDERS == sorted(self.shop.effects)
        assert text == (self.dandc.folder / "archive" / "receipts").read_text()
        assert ["run.journal"] == [path.name for path in self.dandc.folder.glob("run.journal*")]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_is_killed_at_every_request_is_finished(dandc: Any, shop: Shop, mode: str) -> None:
    """Each run gets one step further and dies; the last one gets through, and the journal repeats it all."""
    campaign = Campaign(dandc, shop)
    shop.mode = mode
    runs = 0
    while (out := campaign.run()) is None:
        runs += 1
        assert runs <= 1 + len(ORDERS), "a run gets no further"

    campaign.verdict(out)
    assert {"orders", *ORDERS} == shop.killed
    assert runs >= 2
    shop.mode = ""
    requests = shop.requests
    replayed = dandc("replay", campaign.journal, "--json").worked()
    assert json.loads(out)["outputs"] == replayed.json["outputs"]
    assert requests == shop.requests


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_that_is_killed_anywhere_is_finished(dandc: Any, shop: Shop, seed: int) -> None:
    """Killed when its files have grown for the nth time, then again while it is finished, and then left alone."""
    campaign = Campaign(dandc, shop)
    chance = random.Random(seed)

    def at_growth(process: "subprocess.Popen[bytes]") -> None:
        wanted, sizes = chance.randrange(1, 14), set()
        tick = threading.Event()
        while len(sizes) < wanted and process.poll() is None:
            with contextlib.suppress(OSError):
                sizes.add(sum(path.stat().st_size for path in dandc.folder.glob("*run.journal*")))
            tick.wait(0.0005)
        process.send_signal(signal.SIGKILL)

    for _ in range(2):
        campaign.run(at_growth)
    out = campaign.run()
    assert out is not None
    campaign.verdict(out)
