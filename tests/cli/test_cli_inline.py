"""`--isolation inline`: trusted code without a sandbox, only where it is asked for, and never without a word."""

import sys
from typing import Any

import pytest

PROGRAM = """
record Line { text: str, parts: array[i64] }
function mixed(x: i64) => (y: Line, z: optional str) {
    note f"saw {x}";
    if x == 13 { fail f"no {x}"; }
    if x == 17 { emit y <- Line(text: "-", parts: [down(x * 60)]); }
    else { emit y <- Line(text: f"{100 / (x - 5)}", parts: [x, x * x]); }
    if x > 3 { emit z <- "more"; }
}
fn down(x: i64) -> i64 { if x == 0 { return 0; } return 1 + down(x - 1); }
function total(lines: set[i64 => Line]) => (sum: i64) {
    var sum = 0;
    for line in lines { for part in line.parts { sum += part; } }
    emit sum <- sum;
}
composition main(xs: set[i64 => i64]) => (ys: set[i64 => Line], zs: set[i64 => str], sum: i64, failed: set[i64 => Failure]) {
    ys, zs = mixed(each xs) on failure collect into failed;
    sum = total(all ys);
}
test "adds up" { expect (run main(xs: [])).sum == 0; }
"""
INPUT = "xs=[" + ", ".join(f'{{"key": {n}, "value": {n}}}' for n in range(30)) + "]"
NOTICE = "dandc: kernels run inline, without a sandbox"
# What hosts that are not Linux do not have is taken away before anything of dandc is loaded.
ELSEWHERE = """
import builtins, io, os, select, selectors, socket, sys
sys.platform = "freebsd14"
missing = {
    os: "memfd_create pidfd_open sched_getaffinity MFD_CLOEXEC MFD_ALLOW_SEALING copy_file_range eventfd splice",
    select: "epoll EPOLLIN EPOLLONESHOT",
    socket: "MSG_CMSG_CLOEXEC",
}
for module, names in missing.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
selectors.DefaultSelector = selectors.PollSelector
opened = io.open


def without_proc(file, *arguments, **named):
    if isinstance(file, (str, os.PathLike)) and os.fspath(file).startswith("/proc"):
        raise FileNotFoundError(2, "No such file or directory", file)
    return opened(file, *arguments, **named)


builtins.open = io.open = without_proc
del sys.argv[1:5]  # the interpreter that would run it
from dandc.__main__ import entry
entry()
"""


def told(finished: Any) -> Any:
    """What a run told; notes come in the order in which sandboxes end."""
    return {**finished.json, "notes": sorted(note["text"] for note in finished.json["notes"])}


def test_outcomes_are_those_of_sandboxes(dandc: Any) -> None:
    """Values, absent items, traps, failures and the limit of recursion, item by item."""
    dandc.write("mixed.dnd", PROGRAM)
    ours = dandc("run", "mixed.dnd", "-i", INPUT, "--json", "--isolation", "inline").worked()
    theirs = dandc("run", "mixed.dnd", "-i", INPUT, "--json").worked()

    assert told(theirs) == told(ours)
    failed = {item["key"]: item["value"]["code"] for item in ours.json["outputs"]["failed"]}
    assert {5: "trap.division", 13: "fail", 17: "trap.depth"} == failed


def test_it_is_said_in_one_line_and_only_then(dandc: Any) -> None:
    """On standard error, by `run` and by `test`."""
    dandc.write("mixed.dnd", PROGRAM)
    for command in (("run", "mixed.dnd", "-i", "xs=[]"), ("test", "mixed.dnd")):
        inline, process = dandc(*command, "--isolation", "inline").worked(), dandc(*command).worked()
        assert 1 == inline.err.count(NOTICE)
        assert NOTICE not in process.err


def test_it_is_never_chosen_for_anybody(dandc: Any, without_seccomp: tuple[str, ...]) -> None:
    """A host without the filter refuses as long as nobody asks, and says how to ask."""
    dandc.write("mixed.dnd", PROGRAM)
    refused = dandc("run", "mixed.dnd", "-i", "xs=[]", wrapper=without_seccomp).failed("S0810")
    assert "--isolation inline" in dandc("explain", "S0810").out.decode()
    assert NOTICE not in refused.err
    assert dandc("run", "mixed.dnd", "-i", INPUT, "--isolation", "inline", wrapper=without_seccomp).worked().out

    doctor = dandc("doctor", wrapper=without_seccomp)
    assert (1, True) == (doctor.status, b"trusted code: --isolation inline works here" in doctor.out)


def test_a_host_that_is_not_linux_runs_trusted_code(dandc: Any) -> None:
    """Without memory files, pidfds, epoll and /proc: sandboxes are refused by name, inline works."""
    dandc.write("mixed.dnd", PROGRAM)
    here = dandc("run", "mixed.dnd", "-i", INPUT, "--json").worked()
    script = dandc.write("elsewhere.py", ELSEWHERE)

    def elsewhere(*arguments: str) -> Any:
        return dandc(*arguments, wrapper=(sys.executable, "-P", str(script)))

    refused = elsewhere("run", "mixed.dnd", "-i", INPUT)
    assert ["S0810"] == refused.codes()
    assert "this is freebsd14 on" in refused.err
    assert told(here) == told(elsewhere("run", "mixed.dnd", "-i", INPUT, "--json", "--isolation", "inline").worked())
    assert 0 == elsewhere("test", "mixed.dnd", "--isolation", "inline").status
    doctor = elsewhere("doctor")
    assert (1, True) == (doctor.status, b"trusted code: --isolation inline works here" in doctor.out)


@pytest.mark.parametrize("isolation", ["", "none", "process,inline"])
def test_other_ways_are_wrong_use(dandc: Any, isolation: str) -> None:
    """There are two."""
    dandc.write("mixed.dnd", PROGRAM)
    assert 2 == dandc("run", "mixed.dnd", "--isolation", isolation).status
