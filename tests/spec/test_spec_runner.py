"""The runner fails what is wrong: deliberately wrong chapters, engines that disagree, an implementation that breaks."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dandc.compiler.types import I64
from dandc.conform import bless, open_compilers, read_chapters, run_suite
from dandc.conform import suite as suite_module
from dandc.conform.chapters import parse_chapter
from dandc.conform.execute import INTERPRETER, Ended, Value, execute, interpreter, prepare
from dandc.conform.judge import judge

PROGRAM = """\
record P { x: i64, s: str }
fn div(a: i64, b: i64) -> i64 = a / b;
fn move(p: P) -> array[P] = [P(..p, x: p.x + 1)];
function k(x: i64) => (y: i64) { note f"saw {x}"; emit y <- div(10, x); }
test "half" { expect div(4, 2) == 2; }
composition main(xs: set[str => i64]) => (ys: set[str => i64]) { ys = k(each xs) on failure skip; }
"""
BROKEN = "fn f(a: i64) -> str = a;\n"
INPUTS = '{"xs": [{"key": "a", "value": 5}, {"key": "b", "value": 0}]}'


def chapter(program: str, *commands: str):
    return parse_chapter(
        "01.md",
        f"r[a.b]\n~~~dnd example id=one rules=a.b\n{program}" + "\n".join(f"--- {c}" for c in commands) + "\n~~~\n",
    )


@pytest.fixture(scope="module")
def compilers():
    with open_compilers() as pool:
        yield pool


@pytest.fixture(scope="module")
def failures(compilers) -> Callable[..., list[str]]:
    """`failures(program, *commands)`: the messages of what does not hold."""

    def run(program: str, *commands: str) -> list[str]:
        return [failure.message for failure in run_suite([chapter(program, *commands)], compilers).failures]

    return run


RIGHT = [
    "ok",
    "call div(7, 2) => 3",
    'call move(P(x: 1, s: "a")) => [P(x: 2, s: "a")]',
    "call div(1, 0) error R0702 at 2:33-2:38",
    'call div(1, 0) error R0702 "by zero"',
    "type div : fn(i64, i64) -> i64",
    'test "half" passes',
    f'run {INPUTS} => {{"ys": [{{"key": "a", "value": 2}}]}}',
    'nodes {"k": {"ran": 1, "failed": 1}}',
    'notes ["saw 0", "saw 5"]',
]
WRONG = [
    ("call div(7, 2) => 4", "gives 3, not 4"),
    ("call div(7, 0) => 4", "ends with R0702 at 2:33-2:38: division by zero"),
    ("call div(7, 2) error R0702", "gives 3"),
    ("call div(1, 0) error R0701", "ends with R0702 at 2:33-2:38: division by zero"),
    ("call div(1, 0) error R0702 at 2:33-2:39", "ends with R0702 at 2:33-2:38: division by zero"),
    ('call div(1, 0) error R0702 "overflow"', "ends with R0702 at 2:33-2:38: division by zero"),
    ("call div(1, 0) exhausts time", "ends with R0702 at 2:33-2:38: division by zero"),
    ('call move(P(x: 1, s: "a")) => [P(x: 2, s: "b")]', 'gives [P(x: 2, s: "a")], not [P(x: 2, s: "b")]'),
    ("type div : fn(i64) -> i64", "`div` is `fn(i64, i64) -> i64`, not `fn(i64) -> i64`"),
    ("type div.c : i64", "`div.c` names nothing that has a type"),
    (f'run {INPUTS} => {{"ys": []}}', 'gives {"ys": [{"key": "a", "value": 2}]}'),
    (f'run {INPUTS} => {{"zs": []}}', "there is no output `zs`"),
    (f'run {INPUTS} => {{"ys": [1]}}', "the expected output `ys` does not fit its type"),
    (f"run {INPUTS} error R0702", 'gives {"ys": [{"key": "a", "value": 2}]}'),
    ('run {"xs": 1} => {"ys": []}', "ends with R0732 at None"),
    ("error T0301", "the check does not find T0301"),
    ("error P0101 x 2", "the check finds P0101 0 times, not 2"),
    ('test "half" error R0750', "the test passes"),
    ('test "third" passes', 'the test "third" is not there'),
    ("fmt", "the formatter gives"),
    ("nodes {}", "there is no run before"),
    ("call nothing() => 1", "the program has no `fn nothing`"),
    ("call div(1, true) => 1", "the calls do not check"),
    ("call div(1, 2, 3) => 1", "`div` has 2 parameters"),
    ("call div(1, 2) => div(1, 0)", "has no value"),
]


def test_an_example_that_holds_passes(failures):
    assert [] == failures(PROGRAM, *RIGHT)


@pytest.fixture(scope="module")
def found_of_wrong(compilers) -> dict[str, list[str]]:
    """The failures of each wrong command, all run as one suite."""
    program = PROGRAM.rstrip("\n")
    examples = [f"~~~dnd example id=e{i} rules=a.b\n{program}\n--- {c}\n~~~\n" for i, (c, _) in enumerate(WRONG)]
    failed = run_suite([parse_chapter("01.md", "r[a.b]\n" + "".join(examples))], compilers).failures
    return {c: [f.message for f in failed if f.example == f"e{i}"] for i, (c, _) in enumerate(WRONG)}


@pytest.mark.parametrize(("command", "message"), WRONG)
def test_an_expectation_that_does_not_hold_fails(command, message, found_of_wrong):
    (found,) = found_of_wrong[command]

    assert message in found


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ('nodes {"k": {"ran": 2}}', 'the nodes are {"k": {"ran": 1, "failed": 1}}'),
        ('notes ["saw 5"]', 'the notes are ["saw 0", "saw 5"]'),
    ],
)
def test_counts_and_notes_of_a_run_are_compared(command, message, failures):
    run = f'run {INPUTS} => {{"ys": [{{"key": "a", "value": 2}}]}}'

    assert [message] == failures(PROGRAM, run, command)


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (("ok",), "the check finds T0301"),
        (("error T0302",), "the check does not find T0302"),
        (("error T0301 at 1:1-1:2",), "the check finds T0301 at 1:23-1:24"),
        (('error T0301 "bool"',), "the check finds T0301 at 1:23-1:24"),
        (("error T0301", "error T0301"), "the check does not find T0301"),
        (("ok", "error T0301"), "either `ok` or has errors"),
    ],
)
def test_mistakes_are_exactly_those_that_are_said(commands, message, failures):
    assert any(message in found for found in failures(BROKEN, *commands))


def test_nan_zero_and_infinity_are_compared_by_their_bits(failures):
    program = "fn f(x: f64) -> f64 = x;\n"

    assert [] == failures(program, "call f(0.0 / 0.0) => 0.0 / 0.0", "call f(-0.0) => -0.0")
    assert ["gives -0.0 (8000000000000000), not 0.0 (0000000000000000)"] == failures(program, "call f(-0.0) => 0.0")


def test_blessing_puts_positions_and_outputs_right_but_no_code(tmp_path, compilers):
    commands = ["call div(7, 2) => 4", "call div(1, 0) error R0702 at 9:9-9:9", "call div(1, 0) error R0701",
                "type div : bool", 'notes ["x"]']  # fmt: skip
    run = f'run {INPUTS}\n  => {{"ys": []}}'
    text = (
        "r[a.b]\n~~~dnd example id=one rules=a.b\n"
        + PROGRAM
        + "".join(f"--- {c}\n" for c in [*commands[:4], run, *commands[4:]])
    )
    (tmp_path / "01.md").write_text(text + "~~~\nafter\n", "utf-8")

    assert [tmp_path / "01.md"] == bless(tmp_path, run_suite(read_chapters(tmp_path), compilers).failures)

    assert [
        "--- call div(7, 2) => 3",
        "--- call div(1, 0) error R0702 at 2:33-2:38",
        "--- call div(1, 0) error R0701",
        "--- type div : fn(i64, i64) -> i64",
        f'--- run {INPUTS} => {{"ys": [{{"key": "a", "value": 2}}]}}',
        '--- notes ["saw 0", "saw 5"]',
    ] == [line for line in (tmp_path / "01.md").read_text("utf-8").split("\n") if line.startswith("---")]
    assert (tmp_path / "01.md").read_text("utf-8").endswith("~~~\nafter\n")
    assert ["ends with R0702 at 2:33-2:38: division by zero"] == [
        failure.message for failure in run_suite(read_chapters(tmp_path), compilers).failures
    ]


def test_engines_that_disagree_fail_and_nothing_is_blessed(tmp_path):
    (example,) = chapter(PROGRAM, "call div(7, 2) => 3").examples
    plan = prepare(example, tmp_path)
    (line,) = [command.line for command in example.commands]
    right = {line: Value(I64, 3, (3).to_bytes(8, "little"))}
    wrong = {line: Value(I64, 4, (4).to_bytes(8, "little"))}

    assert [] == judge(example, plan, {INTERPRETER: right, "O0": right, "O2": right})
    (failure,) = judge(example, plan, {INTERPRETER: right, "O0": right, "O2": wrong})
    assert ("O2: gives 4, not 3", None) == (failure.message, failure.blessed)


def test_the_interpreter_is_one_of_the_engines(tmp_path):
    import anyio

    (example,) = chapter(PROGRAM, "call div(7, 2) => 3", "call div(7, 0) => 3").examples
    plan = prepare(example, tmp_path)

    first, second = anyio.run(execute, plan, example, interpreter(plan)).values()
    assert isinstance(first, Value) and first.value == 3
    assert isinstance(second, Ended) and second.code == "R0702"


def test_a_compiler_that_breaks_fails_its_example_and_not_the_suite(monkeypatch, failures):
    def broken(example, folder):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(suite_module, "prepare", broken)

    assert ["the implementation fails with ZeroDivisionError: oh"] == failures(PROGRAM, "ok")


def test_code_that_cannot_be_generated_fails_its_example(monkeypatch, failures):
    def broken(future):
        raise RuntimeError("no code")

    monkeypatch.setattr("concurrent.futures.Future.result", broken)

    (found,) = failures(PROGRAM, "call div(7, 2) => 3")
    assert "the implementation fails with RuntimeError: no code" in found


@pytest.fixture
def command(warm, tmp_path):
    """`command(*arguments)` is `dandc conform`."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        given = ["conform", *arguments]
        if warm is not None:
            status, out, err = warm.run(given, tmp_path, dict(os.environ))
            return subprocess.CompletedProcess(given, status, out.decode(), err.decode())
        command = [sys.executable, "-m", "dandc", *given]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)

    return run


def write(folder: Path, *commands: str) -> None:
    body = "".join(f"--- {c}\n" for c in commands)
    (folder / "01.md").write_text(f"r[a.b]\nr[a.c]\n~~~dnd example id=one rules=a.b\n{PROGRAM}{body}~~~\n", "utf-8")


def test_the_command_prints_a_report_for_machines(command, tmp_path):
    write(tmp_path, "call div(7, 2) => 3")

    done = command(str(tmp_path), "--json")

    found = json.loads(done.stdout)
    assert (1, 1, 0, 2, ["a.c"], []) == tuple(
        found[name] for name in ("examples", "passed", "failed", "rules", "rules_without_example", "failures")
    )
    assert "R0702" in found["codes_without_example"]
    assert 1 == done.returncode  # a rule has no example


def test_the_command_lists_failures_for_people(command, tmp_path):
    write(tmp_path, "call div(7, 2) => 4")

    done = command(str(tmp_path))

    assert f"{tmp_path}/01.md:10: one: gives 3, not 4\n" in done.stdout
    assert "the rule `a.c` has no example\n" in done.stdout
    assert "0 of 1 examples pass, for 2 rules\n" in done.stdout
    assert 1 == done.returncode


def test_a_folder_that_is_not_there_is_a_diagnostic(command, tmp_path):
    done = command(str(tmp_path / "none"))

    assert (1, "") == (done.returncode, done.stdout)
    assert "U0901" in done.stderr
