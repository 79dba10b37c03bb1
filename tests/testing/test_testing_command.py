"""`dandc test` as people and build servers use it: a process, its exit status, its output."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from warm import Warm

from dandc import stdlib

PASSING = """
fn add(a: i64, b: i64) -> i64 = a + b;
test "sums" for (a, b, sum) in [(1, 2, 3), (4, 5, 9)] { expect add(a, b) == sum; }
test "trap" { expect traps add(9_223_372_036_854_775_807, 1) with "trap.overflow"; }
"""
FAILING = """
fn add(a: i64, b: i64) -> i64 = a - b;
test "sums" for (a, b, sum) in [(1, 0, 1), (4, 5, 9)] { expect add(a, b) == sum; }
test "index" { let xs = [1]; let i = 3; expect xs[i] == 1; }
test "said" { fail "out of <order>\\u{1}"; }
test "fine" { expect true; }
"""
SECRET = """
import http;
config url: str;
endpoint service = http(url);
function ask(token: secret) => (request: http.Request) = service.get("/data", bearer: token);
composition main(token: secret) => (status: i64) { status = status_of(http.fetch(ask(token))); }
function status_of(r: http.Response) => (status: i64) = r.status;
test "no rule" {
    given service { GET "/other" => text "x"; }
    let out = run main(token: secret(f"tok-{4700 + 11}"));
    expect out.status == 200;
}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Runner:
    """Runs the command in a folder of its own."""

    def __init__(self, folder: Path, cache: Path, warm: Warm | None) -> None:
        self.folder = folder
        self.cache = cache
        self.warm = warm

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.command("test", *arguments)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "DANDC_CACHE": str(self.cache)}
        if self.warm is not None:
            status, out, err = self.warm.run([*arguments], self.folder, environment)
            return subprocess.CompletedProcess(arguments, status, out.decode(), err.decode())
        command = [sys.executable, "-m", "dandc", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=50, check=False
        )


@pytest.fixture
def dandc(tmp_path: Path, cache: Path, warm: Warm | None) -> Runner:
    cache.chmod(0o700)
    return Runner(tmp_path, cache, warm)


def test_passing(dandc: Runner) -> None:
    """A line a test and row, a last line, exit 0, and nothing on standard error."""
    done = dandc(dandc.write("a.dnd", PASSING))

    assert done.stderr == ""
    assert done.returncode == 0
    lines = [line.partition("  (")[0] for line in done.stdout.splitlines()]
    assert lines == ["a.dnd", "  ok    sums [1, 2, 3]", "  ok    sums [4, 5, 9]", "  ok    trap", "3 passed"]


def test_failing(dandc: Runner) -> None:
    """Exit 1; the expectation shows both sides, the trap its place, the failure its message; the others still run."""
    done = dandc(dandc.write("a.dnd", FAILING))

    assert done.returncode == 1
    assert [line.split("  (")[0].strip() for line in done.stdout.splitlines()] == [
        "a.dnd", "ok    sums [1, 0, 1]", "FAIL  sums [4, 5, 9]", "FAIL  index", "FAIL  said", "ok    fine",
        "2 passed, 3 failed",
    ]  # fmt: skip
    assert "error[R0750]: `==` does not hold: -1 on the left, 9 on the right" in done.stderr
    assert "this is -1" in done.stderr
    assert "this is 9" in done.stderr
    assert "--> a.dnd:3:57" in done.stderr
    assert "error[R0703]: the test ended: the index is outside the array" in done.stderr
    assert "error[R0710]: the test ended: out of <order>" in done.stderr
    assert "\x01" not in done.stderr + done.stdout


def test_a_mistake_in_one_file_does_not_hide_the_tests_of_another(dandc: Runner) -> None:
    """A file that does not check counts as failed; the tests of the others run."""
    dandc.write("good.dnd", PASSING)
    dandc.write("bad.dnd", 'test "typed" { let x: str = 1; expect x == "1"; }')
    done = dandc(".")

    assert done.returncode == 1
    assert "error[T0301]" in done.stderr
    assert done.stdout.splitlines()[-1] == "3 passed, 1 file with mistakes"


def test_folders(dandc: Runner) -> None:
    """Files below a folder that hold tests, in order; hidden folders and files without tests are left out."""
    dandc.write("b/two.dnd", PASSING)
    dandc.write("a/one.dnd", PASSING)
    dandc.write("plain.dnd", "this is no program")
    dandc.write(".hidden/three.dnd", FAILING)
    done = dandc(".", "--filter", "trap")

    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.endswith(".dnd")] == ["a/one.dnd", "b/two.dnd"]
    assert done.stdout.splitlines()[-1] == "2 passed"


@pytest.mark.parametrize("arguments", [["a.dnd", "--filter", "nothing like it"], ["empty"], ["none.dnd"]])
def test_no_test_is_an_error(dandc: Runner, arguments: list[str]) -> None:
    """A run that tests nothing does not pass."""
    dandc.write("a.dnd", PASSING)
    dandc.write("none.dnd", "fn f() -> i64 = 1;")
    (dandc.folder / "empty").mkdir()
    done = dandc(*arguments)

    assert done.returncode == 1
    assert "error[U0915]: there is no test" in done.stderr


def test_missing_file(dandc: Runner) -> None:
    """A file that cannot be read is an error with a code."""
    done = dandc("absent.dnd")

    assert done.returncode == 1
    assert "error[U0901]" in done.stderr


def test_json(dandc: Runner) -> None:
    """One object on standard output, with the diagnostics of what failed."""
    done = dandc(dandc.write("a.dnd", FAILING), "--json", "--diagnostics", "json")
    shape: dict[str, Any] = json.loads(done.stdout)

    assert (shape["passed"], shape["failed"]) == (2, 3)
    (entry,) = shape["files"]
    assert [(t["title"], t["row"], t["passed"]) for t in entry["tests"]] == [
        ("sums", "[1, 0, 1]", True), ("sums", "[4, 5, 9]", False), ("index", "", False), ("said", "", False),
        ("fine", "", True),
    ]  # fmt: skip
    assert [d["code"] for t in entry["tests"] for d in t["diagnostics"]] == ["R0750", "R0703", "R0710"]


def test_junit(dandc: Runner) -> None:
    """The file is XML, whatever the tests said, and counts what happened."""
    dandc.write("bad.dnd", 'test "typed" { let x: str = 1; expect x == "1"; }')
    dandc.write("a.dnd", FAILING)
    dandc("a.dnd", "bad.dnd", "--junit", "report.xml")
    root = ET.parse(dandc.folder / "report.xml").getroot()

    suites = {s.get("name"): (s.get("tests"), s.get("failures"), s.get("errors")) for s in root}
    assert suites == {"a.dnd": ("5", "3", "0"), "bad.dnd": ("1", "0", "1")}
    failures = {c.get("name"): c.find("failure") for s in root for c in s}
    said = failures["said"]
    assert said is not None
    assert said.get("type") == "R0710"
    assert "out of <order>" in (said.text or "")
    assert failures["fine"] is None


def test_unwritable_report(dandc: Runner) -> None:
    """A report that cannot be written is an error with a code, not a traceback."""
    done = dandc(dandc.write("a.dnd", PASSING), "--junit", "absent/report.xml")

    assert done.returncode == 1
    assert "error[U0906]: cannot write `absent/report.xml`" in done.stderr


def test_a_request_that_nothing_answers(dandc: Runner) -> None:
    """The message names the request and what was given; the secret is nowhere."""
    done = dandc(dandc.write("a.dnd", SECRET))

    assert done.returncode == 1
    assert "error[R0751]: no `given` answers `GET /data` to `service`" in done.stderr
    assert "given for `service`: `GET /other`" in done.stderr
    assert "tok-4711" not in done.stderr + done.stdout


def test_the_standard_library_tests_itself(dandc: Runner) -> None:
    """A module of the standard library that is named by its path is tested as what it is."""
    done = dandc(str(Path(stdlib.__path__[0]) / "html.dnd"))

    assert done.returncode == 0, done.stderr
    assert "text is escaped once" in done.stdout


def test_the_example_passes(dandc: Runner) -> None:
    """The reference program's own test, as it stands in it."""
    path = Path(__file__).parents[2] / "examples" / "render_logs" / "render_logs.dnd"
    done = dandc(str(path))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 passed"


def test_check_looks_at_tests(dandc: Runner) -> None:
    """`dandc check` reports a mistake in a test; `dandc run` does without tests."""
    text = 'composition main() => (x: i64) { x = one(); } function one() => (x: i64) = 1; test "t" { expect 3; }'
    name = dandc.write("a.dnd", text)
    checked = dandc.command("check", name)
    assert checked.returncode == 1
    assert "T0301" in checked.stderr
    ran = dandc.command("run", name)
    assert ran.returncode == 0, ran.stderr
    assert "x: 1" in ran.stdout
