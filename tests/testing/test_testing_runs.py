"""What tests mean: fakes, virtual time, runs of compositions and functions, tables, and two engines that must agree."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from dandc.cache import Cache
from dandc.compiler.interp import InstanceResult
from dandc.compiler.kir import Kernel
from dandc.compiling import Options, compile_file
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Source
from dandc.testing import engine, runner
from dandc.testing.runner import Verdict
from dandc.testing.session import run_files

HTTP = """
import http;
import json;
config url: str;
config times: i64 = 2;
endpoint service = http(url);
function ask(path: str) => (request: http.Request) = service.get(path);
function send(path: str) => (request: http.Request) = service.post(path, b"x");
function ask_all(paths: array[str]) => (requests: set[str => http.Request]) {
    for path in paths { emit requests[path] <- service.get(path); }
}
function text(r: http.Response) => (text: str) = r.text()?;
function texts(rs: set[str => http.Response]) => (texts: set[str => str]) { for k, r in rs { emit texts[k] <- r.text()?; } }
composition get(path: str) => (text: str) { text = text(http.fetch(ask(path)) retry 10 timeout 30s); }
composition once(path: str) => (text: str) { text = text(http.fetch(ask(path)) timeout 2s); }
composition post(path: str) => (text: str) { text = text(http.fetch(send(path)) retry 10 timeout 30s); }
composition all_of(paths: array[str]) => (texts: set[str => str], failed: set[str => Failure]) {
    rs = http.fetch(each ask_all(paths)) retry 10 timeout 30s on failure collect into failed;
    texts = texts(all rs);
}
"""
STORAGE = """
import storage;
endpoint archive = storage("archive");
function object(name: str, text: str) => (object: storage.Object) = archive.object(name, text.to_bytes());
function at(name: str) => (reference: storage.Reference) = archive.at(name);
function under(prefix: str) => (listing: storage.Listing) = archive.under(prefix);
function text(o: storage.Object) => (text: str) = o.value.to_str()?;
function size(e: storage.Entry) => (size: i64) = e.size;
composition put(name: str, text: str) => (size: i64) { size = size(storage.put(object(name, text))); }
composition get(name: str) => (text: str) { text = text(storage.get(at(name))); }
composition list(prefix: str) => (entries: set[str => storage.Entry]) { entries = storage.list(under(prefix)); }
"""
KERNELS = """
record Point { x: i64, y: i64 }
config scale: i64 = 2;
fn scaled(p: Point) -> Point = Point(x: p.x * scale, y: p.y * scale);
fn narrow(x: u8) -> u8 = x * 2;
function parts(p: Point, label: optional str) => (sum: i64, big: optional i64, parts: set[str => i64], all_: set[i64]) {
    emit sum <- p.x + p.y;
    if p.x > 10 { emit big <- p.x; }
    emit parts["y"] <- p.y;
    emit parts["x"] <- p.x;
    match label { some(text) => { emit parts[text] <- 0; } none => {} }
    emit all_ <- p.y;
    emit all_ <- p.x;
}
function total(points: set[str => Point], extra: set[i64]) => (total: i64) {
    var t = 0;
    for name, p in points { t += p.x + name.len(); }
    for e in extra { t += e; }
    emit total <- t;
}
function strict(x: u8) => (y: u8) { if x == 3 { fail "three"; } emit y <- narrow(x); }
composition doubled(x: u8) => (y: u8) { y = strict(x); }
"""


class Heard:
    """Keeps what the run says on the way."""

    def __init__(self) -> None:
        self.mistakes: list[Diagnostic] = []

    def file(self, name: str, sources: dict[str, Source], diagnostics: tuple[Diagnostic, ...]) -> None:
        self.mistakes += diagnostics

    def verdict(self, verdict: Verdict) -> None:
        pass


Run = Callable[[str], list[Verdict]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache")).open()


@pytest.fixture
def run(tmp_path: Path, cache: Cache) -> Run:
    """The verdicts of the tests in a program."""

    def verdicts(text: str) -> list[Verdict]:
        path = tmp_path / "program.dnd"
        path.write_text(text, encoding="utf-8")
        heard = Heard()
        files = run_files([str(path)], "", cache, heard)
        assert [d for d in heard.mistakes if d.severity == "error"] == []
        return [v for f in files for v in f.verdicts]

    return verdicts


def passes(verdicts: list[Verdict]) -> bool:
    assert [d for v in verdicts for d in v.diagnostics] == []
    return bool(verdicts)


def codes(verdicts: list[Verdict]) -> list[str]:
    return [d.code for v in verdicts for d in v.diagnostics]


def test_scripts(run: Run) -> None:
    """Answers come in order, the last repeats; statuses, faults and retries are those of the real driver."""
    assert passes(
        run(
            HTTP
            + """
            test "retried until it works" {
                given service { GET "/a" => status 500, network, text "late"; }
                let first = run get(path: "/a");
                let second = run get(path: "/a");
                expect (first.text, second.text) == ("late", "late");
            }
            test "not retried" {
                given service { POST "/a" => status 500, text "never asked for"; }
                expect fails run post(path: "/a") with "http.status";
            }
            test "a status that no retry helps" {
                given service { GET "/a" => status 404 text "gone", text "never asked for"; }
                expect fails run get(path: "/a") with "http.status";
            }
            test "redirected" {
                given service { GET "/a" => status 302 header "location: /b"; GET "/b" => text "there"; }
                expect (run get(path: "/a")).text == "there";
            }
            test "queries and stars" {
                given service { GET "/a?x=1" => text "one"; GET "/a" => text "any"; GET "/b/*" => text "below"; }
                expect (run get(path: "/a?x=1")).text == "one";
                expect (run get(path: "/a?x=2")).text == "any";
                expect (run get(path: "/b/c/d")).text == "below";
            }
            test "any method, empty answers" {
                given service { "/a" => status 204; }
                expect (run get(path: "/a")).text == "";
                expect (run post(path: "/a")).text == "";
            }
            """
        )
    )


def test_time_is_virtual(run: Run) -> None:
    """Ten retries with time-outs of 30 s, delays and waits that a service asks for take no time, and always the same."""
    text = (
        HTTP
        + """
        test "patience" {
            given service {
                GET "/never" => hang;
                GET "/late" => delay 29s text "late";
                GET "/later" => delay 31s text "too late", text "in time";
                GET "/busy" => status 429 header "retry-after: 20", text "at last";
            }
            let out = run all_of(paths: ["/never", "/late", "/later", "/busy"]);
            expect out.texts == [("/busy", "at last"), ("/late", "late"), ("/later", "in time")];
            let (path, failure) = out.failed[0];
            expect (path, failure.code, failure.attempts) == ("/never", "http.timeout", 11);
        }
        test "a time-out of its own" {
            given service { GET "/a" => delay 2001ms text "late"; GET "/b" => delay 1999ms text "in time"; }
            expect fails run once(path: "/a") with "http.timeout";
            expect (run once(path: "/b")).text == "in time";
        }
        """
    )
    assert passes(run(text))
    started = time.monotonic()
    assert passes(run(text))
    assert time.monotonic() - started < 20  # 330 s and more of virtual time; most of the real time is compiling


def test_unexpected_requests(run: Run) -> None:
    """A request that nothing answers fails the test, also when the composition collects failures."""
    verdicts = run(
        HTTP
        + """
        test "collected" {
            given service { GET "/a" => text "x"; }
            let out = run all_of(paths: ["/a", "/b"]);
            expect out.failed.len() == 1;
        }
        test "expected to fail, but not like this" { expect fails run get(path: "/c"); }
        """
    )
    assert codes(verdicts) == ["R0751", "R0751"]
    messages = [v.diagnostics[0].message for v in verdicts]
    assert messages == [
        "no `given` answers `GET /b` to `service`",
        "no `given` answers `GET /c` to `service`",
    ]
    assert verdicts[1].diagnostics[0].notes == ("given for `service`: nothing",)


def test_storage(run: Run) -> None:
    """Stores are in memory and live as long as the test; names are checked as the real driver does."""
    assert passes(
        run(
            STORAGE
            + """
            test "kept during a test" {
                given archive { "a/given" => text "old"; "slow" => delay 10s bytes b"x"; }
                expect (run get(name: "a/given")).text == "old";
                expect (run put(name: "a/new", text: "12345")).size == 5;
                run put(name: "a/given", text: "new");
                expect (run get(name: "a/given")).text == "new";
                expect (run list(prefix: "a/")).entries.len() == 2;
                expect (run get(name: "slow")).text == "x";
            }
            test "forgotten after it" { expect fails run get(name: "a/new") with "storage.missing"; }
            test "faults" {
                given archive { "bad" => io; "full" => full; "gone" => missing, text "back"; }
                expect fails run get(name: "bad") with "storage.io";
                expect fails run put(name: "full", text: "x") with "storage.full";
                expect fails run get(name: "gone") with "storage.missing";
                expect (run get(name: "gone")).text == "back";
                expect fails run get(name: "../etc/passwd") with "storage.name";
            }
            """
        )
    )


def test_runs_of_functions_and_their_values(run: Run) -> None:
    """`one` is the value, `optional` an option, sets are arrays of values or of keys and values, in the order of keys."""
    assert passes(
        run(
            KERNELS
            + """
            test "values" {
                let p = Point(x: 11, y: 4);
                let out = run parts(p: p, label: "z");
                expect out.sum == 15;
                expect out.big == some(11);
                expect out.parts == [("x", 11), ("y", 4), ("z", 0)];
                expect out.all_ == [4, 11];
                let small = run parts(Point(..p, x: out.sum - 14));
                expect small.big == none and small.parts.len() == 2;
            }
            test "sets as inputs" {
                let out = run total(points: [("ab", Point(x: 1, y: 0)), ("c", Point(x: 2, y: 0))], extra: [10, 20]);
                expect out.total == 36;
            }
            test "configs" {
                config scale = 5;
                expect scaled(Point(x: 1, y: 2)) == Point(x: 5, y: 10);
            }
            test "failures" {
                expect fails run strict(3) with "fail";
                expect fails run doubled(x: 200) with "trap.overflow";
                expect traps narrow(200) with "trap.overflow";
                expect traps narrow(255);
                expect (run doubled(x: 100)).y == 200;
            }
            """
        )
    )


def test_tables(run: Run) -> None:
    """A row is a test of its own, with its number if that is asked for; fakes and configs may depend on it."""
    verdicts = run(
        HTTP
        + """
        test "rows" for i, (path, length) in [("/a", 1), ("/bb", 2), ("/ccc", 4)] {
            given service { GET "/*" => text path[1..]; }
            config times = i;
            expect times == i;
            expect (run get(path: path)).text.len() == length;
        }
        test "range" for n in 2..5 { expect n * n > n; }
        """
    )
    assert [(v.title, v.row, v.passed) for v in verdicts] == [
        ("rows", '["/a", 1]', True), ("rows", '["/bb", 2]', True), ("rows", '["/ccc", 4]', False),
        ("range", "2", True), ("range", "3", True), ("range", "4", True),
    ]  # fmt: skip


def test_the_first_expectation_that_fails_ends_a_test(run: Run) -> None:
    """Also before a run, so that what is reported is the first thing that went wrong."""
    verdicts = run(
        KERNELS
        + """
        test "before a run" { let x = 3; expect x == 4; expect fails run strict(x: 3); let out = run strict(x: 3); expect out.y == 0; }
        test "in a loop" { for x in [1, 2, 3] { expect x < 2; } expect false; }
        test "no failure" { expect fails run strict(x: 1); }
        test "another failure" { expect fails run strict(x: 3) with "trap.overflow"; }
        test "no trap" { expect traps narrow(1); }
        test "another trap" { expect traps narrow(200) with "trap.index"; }
        test "run failed" { let out = run strict(x: 3); expect out.y == 0; }
        """
    )
    assert codes(verdicts) == ["R0750", "R0750", "R0752", "R0752", "R0753", "R0753", "R0710"]
    assert "3 on the left, 4 on the right" in verdicts[0].diagnostics[0].message
    assert "2 on the left, 2 on the right" in verdicts[1].diagnostics[0].message
    assert "failed with `fail`, not with `trap.overflow`" in verdicts[3].diagnostics[0].message
    assert any(label.text == "in this run" for label in verdicts[6].diagnostics[0].secondary)


def test_long_values_are_shown_by_their_differences(run: Run) -> None:
    """Lines of text, and indented JSON of other values, as a unified diff."""
    (verdict,) = run(
        """
        record Line { time: i64, text: str }
        test "long" {
            var lines: array[Line] = [];
            for i in 0..50 { lines.append(Line(time: i, text: "some text")); }
            var other = lines;
            other[20].text = "another text";
            expect lines == other;
        }
        """
    )
    (diagnostic,) = verdict.diagnostics
    assert diagnostic.message == "`==` does not hold"
    first, note = diagnostic.notes
    assert first == 'they differ first at [20].text: "some text" on the left, "another text" on the right'
    assert [line.strip() for line in note.splitlines() if line[0] in "+-"] == [
        "--- left", "+++ right", '-    "text": "some text"', '+    "text": "another text"',
    ]  # fmt: skip


def test_engines_must_agree(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that gives another answer than native code is found out."""
    calls = []

    def lying(kernel: Kernel, arguments: list[object]) -> InstanceResult:
        calls.append(kernel.name)
        result = engine.interpret(kernel, arguments)
        # The first is the setup, which only the interpreter runs.
        return result if len(calls) == 1 else evolve(result, state="trap", trap="trap.index")

    monkeypatch.setattr(runner, "interpret", lying)
    (verdict,) = run('test "t" { let x = 1; expect x == 1; }')

    assert codes([verdict]) == ["R0754"]
    assert verdict.diagnostics[0].notes[0].startswith("interpreter: ('trap', 'trap.index'")
    assert verdict.diagnostics[0].notes[1].startswith("native code: ('ok', ''")


def test_long_tests_are_decided_by_native_code_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """More steps than the interpreter takes are a warning, not a failure; native code still finds what is wrong."""
    monkeypatch.setattr(engine, "STEPS", 10_000)
    text = "fn sum(n: i64) -> i64 { var s = 0; for i in 0..n { s += i; } return s; }\n"
    good, bad = run(
        text + 'test "good" { expect sum(100_000) == 4_999_950_000; } test "bad" { expect sum(100_000) == 1; }'
    )

    assert good.passed
    assert [(d.code, d.severity) for d in good.diagnostics] == [("R0755", "warning")]
    assert [d.code for d in bad.diagnostics] == ["R0755", "R0750"]


def test_bounds(run: Run) -> None:
    """Tests that never end or take all memory end at their limits, and leave the tester alive."""
    verdicts = run(
        KERNELS
        + """
        function spin(x: i64) => (y: i64) { while x == x { } emit y <- x; }
        composition spinning(x: i64) => (y: set[i64], failed: set[Failure]) {
            one = spin(x) timeout 200ms on failure collect into failed;
            y = wrap(one);
        }
        function wrap(y: i64) => (ys: set[i64]) { emit ys <- y; }
        test "memory" { var a = [1]; while true { a = a + a; } }
        test "memory before a run" { var a = [1]; while a.len() > 0 { a = a + a; } let out = run strict(x: 1); expect out.y == 2; }
        test "a kernel that never ends" {
            let out = run spinning(x: 1);
            expect out.y.len() == 0 and out.failed[0].code == "limit.wall";
        }
        test "depth" { expect traps deep(5_000) with "trap.depth"; }
        fn deep(n: i64) -> i64 { if n == 0 { return 0; } return deep(n - 1) + 1; }
        """
    )
    assert [v.passed for v in verdicts] == [False, False, True, True]
    assert codes(verdicts) == ["S0803", "S0803"]


def test_chance_is_the_same_and_given_back(run: Run) -> None:
    """Back-off is drawn from a seed of its own, and the process's state of chance stays what it was."""
    random.seed(42)
    expected = random.Random(42).random()
    assert passes(run(HTTP + 'test "t" { given service { GET "/" => status 500, text "x"; } run get(path: "/"); }'))

    assert random.random() == expected


def test_programs_are_the_same_without_their_tests(tmp_path: Path) -> None:
    """Graphs, images and types of a program do not depend on its tests."""
    path = tmp_path / "program.dnd"
    programs = []
    for tests in (
        "",
        'test "t" { expect fails run strict(3); }',
        'test "u" { expect scaled(Point(x: 1, y: 1)).x == 2; }',
    ):
        path.write_text(KERNELS + tests, encoding="utf-8")
        programs.append(compile_file(path, Cache(None), Options()).program)

    assert programs[0] == programs[1] == programs[2]
