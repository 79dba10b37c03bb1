"""The example's log service: what it answers, how it misbehaves when told to, and how it ends."""

import http.client
import json
import signal
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest


def ask(url: str, path: str, method: str = "GET", token: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_authorization(net: Any) -> None:
    with net.service("--token", "right", "--servers", "3") as (url, _):
        assert (200, {"servers": ["/logs/0", "/logs/1", "/logs/2"]}) == (
            (got := ask(url, "/authorize", "POST", "right"))[0],
            json.loads(got[1]),
        )
        assert [401, 401, 405] == [
            ask(url, "/authorize", "POST", "wrong")[0],
            ask(url, "/authorize", "POST")[0],
            ask(url, "/authorize", "GET", "right")[0],
        ]
        assert [404, 404, 405] == [ask(url, "/logs/3")[0], ask(url, "/other")[0], ask(url, "/logs/1", "POST")[0]]
    with net.service("--token", "right", "--protect") as (url, _):
        assert [401, 200] == [ask(url, "/logs/0")[0], ask(url, "/logs/0", token="right")[0]]


def test_lines_depend_on_seed_and_server_only(net: Any) -> None:
    """Increasing times within a server, interleaved between servers, the same in every process."""
    logs = []
    for seed in ("1", "1", "2"):
        with net.service("--lines", "50", "--seed", seed) as (url, _):
            logs.append([json.loads(ask(url, f"/logs/{n}")[1]) for n in range(3)])
    assert logs[0] == logs[1] != logs[2]
    assert [50] * 3 == [len(log) for log in logs[0]]
    for log in logs[0]:
        times = [line["time"] for line in log]
        assert sorted(set(times)) == times
        assert {frozenset(line) for line in log} == {frozenset({"time", "level", "text"})}
    assert logs[0][0][-1]["time"] > logs[0][1][0]["time"] and logs[0][1][-1]["time"] > logs[0][0][0]["time"]


def test_faults(net: Any) -> None:
    """Each kind as announced, and with a number only so many times."""
    faults = ["0=503x2", "1=garble", "2=cut", "3=rubbish", "4=echo", "authorize=500"]
    with net.service("--fail", "5", *(part for fault in faults for part in ("--fault", fault))) as (url, _):
        assert [503, 503, 200] == [ask(url, "/logs/0")[0] for _ in range(3)]
        status, body = ask(url, "/logs/1")
        assert 200 == status
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(body)
        with pytest.raises(http.client.IncompleteRead):
            ask(url, "/logs/2")
        with pytest.raises(http.client.BadStatusLine):
            ask(url, "/logs/3")
        assert b"Bearer sent" in ask(url, "/logs/4", token="sent")[1]
        assert [500, 500] == [ask(url, "/logs/5")[0], ask(url, "/authorize", "POST")[0]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(net: Any, number: signal.Signals) -> None:
    """Also while a request hangs; exit status 0 and not a word."""
    with net.service("--fault", "0=hang") as (url, process):
        hanging = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        try:
            hanging.request("GET", "/logs/0")
            assert 200 == ask(url, "/logs/1")[0]
            process.send_signal(number)
            assert 0 == process.wait(timeout=10)
        finally:
            hanging.close()


def test_wrong_use(net: Any) -> None:
    """A bad fault is wrong use; a port that is taken is an error in one line."""
    with net.service() as (url, _):
        script = [sys.executable, "-I", str(net.SERVICE), "--port", str(urlsplit(url).port)]
        taken = subprocess.run(script, capture_output=True, text=True, timeout=20, check=False)
        wrong = subprocess.run([*script, "--fault", "1=shout"], capture_output=True, text=True, timeout=20, check=False)
    assert (1, "", 1) == (taken.returncode, taken.stdout, taken.stderr.count("\n"))
    assert 2 == wrong.returncode
