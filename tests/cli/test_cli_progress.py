"""What people see of a run: the live view on a terminal, plain lines on demand, nothing by default; and the trace of it."""

import json
import os
import pty
import re
import select
import subprocess
from typing import Any

import anyio
import pytest

from dandc.commands.progress import shown
from dandc.testing.clock import Clock, VirtualLoop
from dandc.vm import Watch

# Long enough to be seen on any machine: it ends when the test has seen it, or after its time.
SLOW = """
function numbers(n: i64) => (xs: set[i64 => i64]) { for i in 0..n { emit xs[i] <- i; } }
function spin(x: i64) => (y: i64) {
    var s = x;
    for i in 0..3_000_000 { s = (s *% 31) ^ (s >> 3) ^ i; }
    if x % 2 == 1 { fail "odd"; }
    emit y <- s;
}
composition main(n: i64) => (ys: set[i64 => i64]) { ys = spin(each numbers(n)) on failure skip; }
"""
QUICK = """
function half(x: i64) => (y: i64) = 8 / x;
composition main(xs: set[i64]) => (ys: set[i64]) { ys = half(each half(each xs)); }
"""


@pytest.fixture
def program(dandc: Any) -> Any:
    (dandc.folder / "slow.dnd").write_text(SLOW)
    (dandc.folder / "quick.dnd").write_text(QUICK)
    return dandc


def seen_on_a_terminal(dandc: Any, wanted: str, *arguments: str) -> str:
    """What a terminal got on the standard error until `wanted` was there; the process is ended then."""
    screen, inner = pty.openpty()
    variables = {**dandc.variables(), "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [*dandc.command, *arguments], cwd=dandc.folder, env=variables, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=inner,
    )  # fmt: skip
    os.close(inner)
    text = ""
    try:
        while not re.search(wanted, text) and select.select([screen], [], [], 50)[0]:
            text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(screen, 4096).decode(errors="replace"))
    finally:
        process.kill()
        process.wait()
        os.close(screen)
    return text


def test_a_live_view_on_a_terminal(program: Any) -> None:
    text = seen_on_a_terminal(program, r"spin +[1-9]", "run", "slow.dnd", "-i", "n=2000")
    assert re.search(r"node +done +of +a second +retried +failed", text)
    assert re.search(r"spin +[1-9][\d,]* +2,000", text)


def test_plain_lines_on_demand(program: Any) -> None:
    wanted = r"dandc: \d+ s: .*spin [\d,]+ of 2,000, [\d,]+/s"
    text = seen_on_a_terminal(program, wanted, "run", "slow.dnd", "-i", "n=2000", "--progress", "plain")
    assert re.search(wanted, text)


def test_short_runs_are_silent_elsewhere(program: Any) -> None:
    finished = program("run", "quick.dnd", "-i", "xs=[1,2,4]").worked()
    assert "dandc:" not in finished.err


@pytest.mark.parametrize(("option", "lines"), [("auto", 2), ("plain", 3), ("off", 0)])
def test_long_runs_say_lines_elsewhere(option: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody asked: the first line comes after five seconds of a run, here of a virtual clock."""

    async def long_run() -> None:
        async with shown(Watch(), option):
            await anyio.sleep(12)

    clock = Clock()
    anyio.run(long_run, backend_options={"loop_factory": lambda: VirtualLoop(clock)})
    assert lines == len(re.findall("^dandc: .*nothing runs$", capsys.readouterr().err, re.MULTILINE))


def test_a_failure_stays_itself_beside_a_view(program: Any) -> None:
    for option in ("auto", "live", "plain", "off"):
        program("run", "quick.dnd", "-i", "xs=[0]", "--progress", option).failed("R0702")


def test_a_resumed_run_is_shown_too(program: Any) -> None:
    program("run", "slow.dnd", "-i", "n=200", "--record", "j").worked()
    corrected = SLOW.replace("s >> 3", "s >> 5")
    (program.folder / "slow.dnd").write_text(corrected)
    wanted = r"dandc: \d+ s: .*spin [\d,]+ of 200, [\d,]+/s"
    assert re.search(
        wanted, seen_on_a_terminal(program, wanted, "resume", "j", "--with", "slow.dnd", "--progress", "plain")
    )


def test_a_trace(program: Any) -> None:
    program("run", "quick.dnd", "-i", "xs=[1,2,4]", "--trace", "t.json").worked()
    events = json.loads((program.folder / "t.json").read_text())["traceEvents"]
    names = {(e["pid"], e["args"]["name"]) for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    assert names == {(1, "sandboxes"), (2, "requests"), (3, "nodes")}
    spans = [e for e in events if e["ph"] == "X"]
    assert {"half", "half#2"} == {e["name"] for e in spans}
    for name in ("half", "half#2"):
        assert 3 == sum(e["args"]["instances"] for e in spans if e["cat"] == "sandbox" and e["name"] == name)
    for one in (e for e in spans if e["cat"] == "sandbox"):
        others = [e for e in spans if e["cat"] == "sandbox" and e["tid"] == one["tid"] and e is not one]
        assert not any(e["ts"] < one["ts"] + one["dur"] and one["ts"] < e["ts"] + e["dur"] for e in others)


def test_a_trace_of_a_run_that_fails(program: Any) -> None:
    program("run", "quick.dnd", "-i", "xs=[0]", "--trace", "t.json").failed("R0702")
    assert json.loads((program.folder / "t.json").read_text())["traceEvents"]


def test_a_trace_that_cannot_be_written(program: Any) -> None:
    finished = program("run", "quick.dnd", "-i", "xs=[1]", "--trace", "no/such/t.json")
    assert (1, ["U0906"]) == (finished.status, finished.codes())
    assert program("run", "quick.dnd", "-i", "xs=[1]", "--trace=").failed("U0906", status=2)
