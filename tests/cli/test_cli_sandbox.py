"""What happens to the sandbox while a program runs: a killed nucleus, endless loops, no seccomp, Ctrl-C."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

ENDLESS = """
function spin(n: i64) => (out: i64) {
    var i = n;
    while i >= 0 { i = (i + 1) % 1_000_003; }
    emit out <- i;
}
composition main(n: i64) => (out: i64) { out = spin(n); }
"""
QUICK = """
function f(text: str) => (out: str) { emit out <- f"{text}!"; }
composition main(text: str) => (out: str) { out = f(text); }
"""


def test_without_seccomp_nothing_runs(dandc: Any, without_seccomp: tuple[str, ...]) -> None:
    dandc.write("quick.dnd", QUICK)
    finished = dandc("run", "quick.dnd", "-i", "text=hi", wrapper=without_seccomp).failed("S0810")
    assert "dandc doctor" in finished.err or "filter" in finished.err
    told = dandc("doctor", wrapper=without_seccomp)
    assert (told.status, b"MISSING" in told.out) == (1, True)


def test_without_processes_nothing_runs(dandc: Any) -> None:
    dandc.write("quick.dnd", QUICK)
    dandc("run", "quick.dnd", "-i", "text=hi").worked()
    if os.geteuid() == 0:
        pytest.skip("the limit of processes does not hold for root")
    code = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)); os.execv(sys.argv[1], sys.argv[1:])"
    finished = dandc("run", "quick.dnd", "-i", "text=hi", wrapper=(sys.executable, "-c", code))
    assert finished.status == 1
    assert finished.codes()[0].startswith("S08")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process(
    dandc: Any, processes: Any, until: Callable[[Callable[[], Any]], Any], number: signal.Signals
) -> None:
    dandc.write("endless.dnd", ENDLESS)
    with dandc.started("run", "endless.dnd", "-i", "n=0", "--out", "made") as process:
        until(lambda: processes.busy(process))
        below = processes.descendants(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=40)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert (out, b"Traceback" in err) == (b"", False)
    until(lambda: not any(processes.alive(pid) for pid in below))
    if number == signal.SIGINT:
        assert not (dandc.folder / "made").exists()


def test_a_killed_owner_leaves_no_process(
    dandc: Any, processes: Any, until: Callable[[Callable[[], Any]], Any]
) -> None:
    dandc.write("endless.dnd", ENDLESS)
    with dandc.started("run", "endless.dnd", "-i", "n=0") as process:
        until(lambda: processes.busy(process))
        below = processes.descendants(process.pid)
        process.kill()
        process.communicate(timeout=40)
    until(lambda: not any(processes.alive(pid) for pid in below))


def test_a_nucleus_that_is_killed_once_costs_nothing_but_time(
    dandc: Any, processes: Any, until: Callable[[Callable[[], Any]], Any]
) -> None:
    """The lost call is done again in a new sandbox, and ends at its own limit like any endless loop."""
    dandc.write("endless.dnd", ENDLESS)
    with dandc.started("run", "endless.dnd", "-i", "n=0") as process:
        first = until(lambda: processes.busy(process))
        for pid in processes.descendants(process.pid):
            processes.kill(pid)
        until(lambda: set(processes.busy(process)) - set(first))


def test_a_nucleus_that_is_killed_again_and_again(dandc: Any, processes: Any) -> None:
    dandc.write("endless.dnd", ENDLESS)
    with dandc.started("run", "endless.dnd", "-i", "n=0") as process:
        over = threading.Event()

        def hunt() -> None:
            while not over.wait(0.01):
                for pid in processes.descendants(process.pid):
                    processes.kill(pid)

        hunter = threading.Thread(target=hunt)
        hunter.start()
        try:
            out, err = process.communicate(timeout=50)
        finally:
            over.set()
            hunter.join()
    assert (process.returncode, out) == (1, b"")
    assert b"error[S08" in err, err
    assert b"Traceback" not in err


def test_an_endless_loop_meets_its_limit(dandc: Any) -> None:
    """Its own limit: that there is one without a word of the program, and how long, is for the tests of the machine."""
    dandc.write("endless.dnd", ENDLESS.replace("= spin(n);", "= spin(n) timeout 300ms;"))
    finished = dandc("run", "endless.dnd", "-i", "n=0")
    assert finished.codes() in (["S0801"], ["S0802"])
    finished.failed(*finished.codes())


LIMITS = """
function big(n: i64) => (m: i64) { var xs: array[i64] = []; for i in 0..n { xs.append(i); } emit m <- xs.len(); }
function page(n: i64) => (text: str) = "x".repeat(n);
function spin(n: i64) => (m: i64) { var m = n; while m > 0 { m += 1; m -= 1; } emit m <- m; }
composition memory(n: i64) => (m: i64) { m = big(n) limit memory 1MiB; }
composition output(n: i64) => (text: str) { text = page(n) limit output 1MiB; }
composition time(n: i64) => (m: i64) { m = spin(n) limit time 20ms; }
composition wide(n: i64) => (m: i64) { m = big(n) limit memory 2GiB; }
"""


@pytest.mark.parametrize(
    ("composition", "n", "code", "message", "cure"),
    [
        ("memory", 1_000_000, "S0803", "needs more memory than its limit of 1MiB", "limit memory 4MiB"),
        ("output", 2_000_000, "S0804", "gives more than its limit of 1MiB", "limit output 4MiB"),
        ("time", 1, "S0801", "ran longer than its limit of 20ms", "limit time 80ms"),
        ("wide", 1, "S0809", "2072MiB, the budget for all calls of the run is 1GiB", "--memory 4GiB"),
    ],
)
def test_who_passes_a_limit_is_told_its_size_and_how_to_raise_it(
    dandc: Any, composition: str, n: int, code: str, message: str, cure: str
) -> None:
    dandc.write("limits.dnd", LIMITS)
    failed = dandc("run", "limits.dnd", composition, "-i", f"n={n}").failed(code)
    told = " ".join(failed.err.replace("|", " ").split())
    assert message in told
    assert cure in told


def test_the_budget_of_all_calls_is_an_option_of_all_that_runs(dandc: Any) -> None:
    dandc.write("limits.dnd", LIMITS)
    wide = ("run", "limits.dnd", "wide", "-i", "n=3", "--record", "run.journal")
    assert dandc(*wide, "--memory", "3GiB", "--json").worked().value("m") == 3
    dandc("replay", "run.journal").failed("S0809")
    dandc("replay", "run.journal", "--memory", "3GiB").worked()
    for size in ("much", "4gb", "-1GiB"):
        assert dandc("run", "limits.dnd", "wide", "-i", "n=3", f"--memory={size}").status == 2
    dandc("run", "limits.dnd", "wide", "-i", "n=3", "--memory", "64MiB").failed("U0911", status=2)
