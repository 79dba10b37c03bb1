"""The example against its service, well and badly behaved; and what services can do to a program."""

import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOKEN = "tok-7f3a9c51e0-never-shown"
ASK = """
import http;

config service_url: str;
endpoint service = http(service_url);

function ask(path: str, token: secret) => (request: http.Request) = service.get(path, bearer: token);
function read(answer: http.Response) => (text: str) { emit text <- answer.text()?; }

composition main(path: str, token: secret) => (text: str) {
    text = read(http.fetch(ask(path, token)) timeout 700ms);
}
"""


def rows(page: str) -> list[tuple[int, str, str]]:
    """The log lines on a page: time, level, text."""
    found = re.findall(r"<tr><td>(\d+)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    return [(int(moment), html.unescape(level), html.unescape(text)) for moment, level, text in found]


@pytest.fixture(scope="session")
def log_lines(example: Path) -> Callable[[int, int, int], list[dict[str, Any]]]:
    """`log_lines(seed, server, count)` of the service: what the page must hold."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from service import log_lines;"
        "print(json.dumps(log_lines(*map(int, sys.argv[2:]))))"
    )

    def lines(seed: int, server: int, count: int) -> list[dict[str, Any]]:
        command = [sys.executable, "-c", code, str(example.parent), str(seed), str(server), str(count)]
        return list(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))

    return lines


def run_example(dandc: Any, example: Path, url: str, *more: str) -> Any:
    dandc.environment["LOGS_TOKEN"] = TOKEN
    return dandc("run", example, "-i", "token=env:LOGS_TOKEN", "--config", f"service_url={url}", "--json", *more)


def expected_rows(lines: Callable[..., Any], servers: list[int], count: int) -> list[tuple[int, str, str]]:
    logs = [(line["time"], line["level"], line["text"]) for server in servers for line in lines(1, server, count)]
    return sorted(logs, key=lambda row: row[0])


def test_the_page_holds_every_line_sorted(dandc: Any, example: Path, serve: Any, log_lines: Any) -> None:
    service = serve("--token", TOKEN, "--lines", "50", "--delay-ms", "5")
    finished = run_example(dandc, example, service.url).worked()
    expected = expected_rows(log_lines, list(range(10)), 50)
    assert sorted(expected) == sorted(rows(finished.value("page")))
    assert [row[0] for row in expected] == [row[0] for row in rows(finished.value("page"))]
    assert finished.json["outputs"]["failed"] == []
    assert finished.json["nodes"] == {
        "authorize": {"ran": 1, "skipped": 0, "failed": 0},
        "http.fetch": {"ran": 1, "skipped": 0, "failed": 0},
        "fan_out": {"ran": 1, "skipped": 0, "failed": 0},
        "http.fetch#2": {"ran": 10, "skipped": 0, "failed": 0},
        "render": {"ran": 1, "skipped": 0, "failed": 0},
    }


def test_text_of_logs_is_escaped(dandc: Any, example: Path, serve: Any) -> None:
    page = run_example(dandc, example, serve("--token", TOKEN).url).worked().value("page")
    assert "&lt;timeout after" in page
    assert "<timeout after" not in page


def test_no_servers_still_a_page(dandc: Any, example: Path, serve: Any) -> None:
    finished = run_example(dandc, example, serve("--token", TOKEN, "--servers", "0").url).worked()
    assert "<table" in finished.value("page")
    assert rows(finished.value("page")) == []


def test_a_failing_endpoint_is_listed_and_the_page_comes_out(
    dandc: Any, example: Path, serve: Any, log_lines: Any
) -> None:
    service = serve("--token", TOKEN, "--lines", "20", "--fault", "3=404")
    finished = run_example(dandc, example, service.url).worked()
    (failed,) = finished.json["outputs"]["failed"]
    assert failed["key"] == "/logs/3"
    assert failed["value"]["code"] == "http.status"
    assert "404" in failed["value"]["message"]
    servers = [n for n in range(10) if n != 3]
    assert sorted(rows(finished.value("page"))) == sorted(expected_rows(log_lines, servers, 20))
    assert finished.json["nodes"]["http.fetch#2"] == {"ran": 9, "skipped": 0, "failed": 1}


def test_endpoints_that_fail_at_first_are_retried(dandc: Any, example: Path, serve: Any) -> None:
    faults = ["--fault", "1=503x1", "--fault", "2=cutx1", "--fault", "4=rubbishx1"]
    finished = run_example(dandc, example, serve("--token", TOKEN, "--lines", "20", *faults).url).worked()
    assert finished.json["outputs"]["failed"] == []
    assert len(rows(finished.value("page"))) == 200


def test_a_wrong_token_is_refused(dandc: Any, example: Path, serve: Any) -> None:
    finished = run_example(dandc, example, serve("--token", "another").url, "--out", "made").failed("R0720")
    assert "401" in finished.err
    assert not (dandc.folder / "made").exists()


def test_an_answer_that_is_not_what_was_expected(dandc: Any, example: Path, serve: Any) -> None:
    """The service talks, but not the JSON of a grant: the kernel's `?` fails, at its place."""
    finished = run_example(dandc, example, serve("--token", TOKEN, "--fault", "authorize=garble").url).failed("R0710")
    assert "render_logs.dnd:" in finished.err


def test_a_service_that_is_down(dandc: Any, serve: Any) -> None:
    dandc.write("ask.dnd", ASK)
    service = serve()
    service.process.kill()
    service.process.wait()
    ask(dandc, service.url, "/logs/1").failed("R0723")


def ask(dandc: Any, url: str, path: str, *more: str) -> Any:
    given = ["-i", f"path={path}", "-i", f"token={TOKEN}", "--config", f"service_url={url}"]
    return dandc("run", "ask.dnd", *given, *more)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("hang", "R0721"),
        ("drip", "R0721"),
        ("cut", "R0720"),
        ("rubbish", "R0720"),
        ("404", "R0720"),
        ("503", "R0720"),
        ("echo", "R0720"),
    ],
)
def test_a_service_that_misbehaves(dandc: Any, serve: Any, fault: str, code: str) -> None:
    dandc.write("ask.dnd", ASK)
    started = time.monotonic()
    finished = ask(dandc, serve("--fault", f"1={fault}").url, "/logs/1", "--out", "made")
    assert time.monotonic() - started < 20
    assert finished.codes() in ([code], ["R0723"])
    assert "ask.dnd:" in finished.failed(*finished.codes()).err
    assert TOKEN not in finished.err
    assert not (dandc.folder / "made").exists()


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:9/logs/1",
        "http://localhost:{port}/logs/1",
        "https://127.0.0.1:{port}/logs/1",
        "http://user@127.0.0.1:{port}/logs/1",
        "http://127.0.0.1:{port}@example.org/",
        "//example.org/logs/1",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_an_address_outside_the_declared_endpoints(dandc: Any, serve: Any, path: str) -> None:
    dandc.write("ask.dnd", ASK)
    service = serve()
    finished = ask(dandc, service.url, path.format(port=service.port))
    assert finished.codes() == ["R0722"], finished.err
    assert TOKEN not in finished.err


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1", "http://", "http://[::1", "http://127.0.0.1:99999"])
def test_an_endpoint_that_cannot_be_one(dandc: Any, url: str) -> None:
    dandc.write("ask.dnd", ASK)
    ask(dandc, url, "/").failed("R0737")


def test_a_config_without_a_default_must_be_given(dandc: Any) -> None:
    dandc.write("ask.dnd", ASK)
    dandc("run", "ask.dnd", "-i", "path=/", "-i", "token=x").failed("R0734")


def test_a_service_killed_half_way(dandc: Any, example: Path, serve: Any, relay: Any) -> None:
    """Some logs have come, the others never will: a typed failure for each, and the page of what there is."""
    service = serve("--token", TOKEN, "--lines", "20", "--fault", "7=hang", "--fault", "8=hang")
    between = relay(service.port, b"GET /logs/7 ")
    dandc.environment["LOGS_TOKEN"] = TOKEN
    arguments = ["run", example, "-i", "token=env:LOGS_TOKEN", "--config", f"service_url={between.url}", "--json"]
    with dandc.started(*arguments) as process:
        assert between.seen.wait(40)
        service.process.kill()
        between.die()
        out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    result = json.loads(out)
    failed = {item["key"]: item["value"]["code"] for item in result["outputs"]["failed"]}
    assert {"/logs/7", "/logs/8"} <= set(failed)
    assert set(failed.values()) <= {"http.network", "http.timeout"}
    nodes = result["nodes"]["http.fetch#2"]
    assert (nodes["ran"] + nodes["failed"], nodes["failed"]) == (10, len(failed))
    assert len(rows(result["outputs"]["page"][0]["value"])) == 20 * nodes["ran"]


def test_a_service_killed_before_it_has_answered_at_all(dandc: Any, example: Path, serve: Any, relay: Any) -> None:
    service = serve("--token", TOKEN, "--fault", "authorize=hang")
    between = relay(service.port, b"POST /authorize ")
    dandc.environment["LOGS_TOKEN"] = TOKEN
    arguments = ["run", example, "-i", "token=env:LOGS_TOKEN", "--config", f"service_url={between.url}"]
    with dandc.started(*arguments) as process:
        assert between.seen.wait(40)
        service.process.kill()
        between.die()
        out, err = process.communicate(timeout=40)
    assert (process.returncode, out) == (1, b"")
    # Whether a broken connection or a refused one is seen last depends on the moment.
    assert re.findall(rb"^error\[(.*?)\]", err) in ([b"R0720"], [b"R0721"], [b"R0723"]), err
    assert b"Traceback" not in err


@pytest.mark.parametrize("fault", ["authorize=echo", "3=echo", "5=garble", "authorize=401", "authorize=hang"])
def test_the_token_is_shown_nowhere(dandc: Any, example: Path, serve: Any, fault: str) -> None:
    """Not in outputs, diagnostics for people or machines, internal errors, cache or files; also when it comes back."""
    service = serve("--token", TOKEN, "--lines", "3", "--protect", "--fault", fault)
    program = dandc.folder / "render_logs.dnd"
    # /logs with the token too, so that the faults of the logs meet a request that carries it.
    program.write_text(
        example.read_text()
        .replace("function fan_out(grant", "function fan_out(token: secret, grant")
        .replace("service.get(server)", "service.get(server, bearer: token)")
        .replace("fan_out(grant)", "fan_out(token, grant)")
        .replace("retry 3 timeout 2s", "retry 1 timeout 500ms")
    )
    shown = []
    for more in ([], ["--json"], ["--diagnostics", "json"], ["--out", "made"]):
        dandc.environment |= {"LOGS_TOKEN": TOKEN, "DANDC_DEBUG": "1"}
        given = ["-i", "token=env:LOGS_TOKEN", "--config", f"service_url={service.url}"]
        finished = dandc("run", program, *given, *more)
        assert "Traceback" not in finished.err
        shown += [finished.out, finished.err.encode()]
    shown += [
        path.read_bytes() for folder in (dandc.folder, dandc.cache) for path in folder.rglob("*") if path.is_file()
    ]
    assert len(shown) > 10
    needles = [TOKEN.encode(), TOKEN.encode().hex().encode(), TOKEN[4:14].encode()]
    assert [needle for needle in needles for text in shown if needle in text] == []


def test_the_script_of_the_example(dandc: Any, example: Path) -> None:
    """What the README's first command ends with: the page in a file, the service stopped."""
    script = str(example.with_name("run.py"))
    command = [sys.executable, script, "--lines", "30", "--fail", "2", "--out", "page.html"]
    finished = subprocess.run(
        command, cwd=dandc.folder, env=dandc.variables(), capture_output=True, text=True, timeout=50, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "270 log lines" in finished.stdout
    assert "failed: /logs/2" in finished.stdout
    assert len(rows((dandc.folder / "page.html").read_text(encoding="utf-8"))) == 270
    assert subprocess.run(["pgrep", "-f", f"{dandc.folder}"], capture_output=True, check=False).stdout == b""
