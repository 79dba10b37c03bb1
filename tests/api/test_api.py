"""The Python interface: compile a file, run its compositions, in and out of an event loop; mistakes are typed."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import dandc
from dandc.lang.diagnostics import DiagnosticError

PROGRAM = """
record Point { x: i64, y: option[f64] }
enum Shade { dark, light(i64) }

function echo(n: i64, data: bytes, p: Point, s: Shade, xs: set[str => i64]) => (n2: i64, data2: bytes, p2: Point, s2: Shade, xs2: set[str => i64], no: optional str) {
    note f"n is {n}";
    emit n2 <- 100 / n;
    emit data2 <- data;
    emit p2 <- p;
    emit s2 <- s;
    for key, x in xs { emit xs2[key] <- x; }
}

composition main(n: i64, data: bytes, p: Point, s: Shade, xs: set[str => i64]) => (n2: i64, data2: bytes, p2: Point, s2: Shade, xs2: set[str => i64], no: optional str) {
    n2, data2, p2, s2, xs2, no = echo(n, data, p, s, all xs);
}

function hush(token: secret) => (out: str) { emit out <- "ok"; }
composition quiet(token: secret) => (out: str) { out = hush(token); }
"""
INPUTS = {
    "n": 10,
    "data": b"\0\xff",
    "p": {"x": 1, "y": 2.5},
    "s": {"light": 3},
    "xs": [{"key": "b", "value": 2}, {"key": "a", "value": 1}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("api")
    (made / "p.dnd").write_text(PROGRAM, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def program(folder: Path) -> dandc.Program:
    return dandc.compile(folder / "p.dnd", cache=folder / "cache")


def test_a_run_gives_python_values(program: dandc.Program) -> None:
    result = program.run(inputs=INPUTS)
    assert result["n2"] == 10
    assert result["data2"] == b"\0\xff"
    assert result["p2"] == {"x": 1, "y": 2.5}
    assert result["s2"] == {"light": 3}
    assert result["xs2"] == [dandc.Item("", "a", 1), dandc.Item("", "b", 2)]
    assert result["no"] is None
    assert dict(result).keys() == {"n2", "data2", "p2", "s2", "xs2", "no"}
    assert result.nodes == {"echo": {"ran": 1, "skipped": 0, "failed": 0}}
    assert [note.text for note in result.notes] == ["n is 10"]


def test_compositions_are_named(program: dandc.Program) -> None:
    assert set(program.compositions) == {"main", "quiet"}
    assert program.run("quiet", {"token": dandc.Secret("s3cret")})["out"] == "ok"
    with pytest.raises(dandc.RunError) as caught:
        program.run("nothing")
    assert [d.code for d in caught.value.diagnostics] == ["R0733"]


def test_runs_in_an_event_loop_go_side_by_side(program: dandc.Program) -> None:
    async def several() -> list[object]:
        runs = [program.run_async("main", {**INPUTS, "n": n}) for n in (1, 2, 5, 10)]
        return [result["n2"] for result in await asyncio.gather(*runs)]

    assert asyncio.run(several()) == [100, 50, 20, 10]


def test_runs_in_threads(program: dandc.Program) -> None:
    found: dict[int, object] = {}

    def run(n: int) -> None:
        found[n] = program.run(inputs={**INPUTS, "n": n})["n2"]

    threads = [threading.Thread(target=run, args=(n,)) for n in (1, 2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {1: 100, 2: 50, 5: 20}


def children() -> set[str]:
    """Child processes of all threads. Some are not of runs: multiprocessing, say, keeps one for the life of its user."""
    listed = (Path(f"/proc/self/task/{task}/children") for task in os.listdir("/proc/self/task"))
    return {child for path in listed for child in path.read_text().split()}


def test_many_runs_leave_nothing_behind(program: dandc.Program) -> None:
    program.run(inputs=INPUTS)
    gc.collect()  # what earlier tests left to be closed
    before = len(os.listdir("/proc/self/fd")), children()
    for _ in range(20):
        program.run(inputs=INPUTS)
    assert before == (len(os.listdir("/proc/self/fd")), children())


def test_a_failing_kernel_is_a_run_error(program: dandc.Program) -> None:
    with pytest.raises(dandc.RunError, match="R0702") as caught:
        program.run(inputs={**INPUTS, "n": 0})
    assert caught.value.fault is not None
    assert caught.value.fault.code == "trap.division"
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"n": "x"}, "R0732"),
        ({"n": None}, "R0732"),
        ({"n": 2**63}, "R0732"),
        ({"n": True}, "R0732"),
        ({"z": 1}, "R0731"),
    ],
)
def test_inputs_that_do_not_fit(program: dandc.Program, change: dict[str, object], code: str) -> None:
    with pytest.raises(dandc.RunError) as caught:
        program.run(inputs={**INPUTS, **change})
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_missing_inputs(program: dandc.Program) -> None:
    with pytest.raises(dandc.RunError) as caught:
        program.run()
    assert {d.code for d in caught.value.diagnostics} <= {"R0730", "U0904"}


def test_a_program_with_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "wrong.dnd"
    path.write_text("fn f() -> i64 { return x; }\nfn g() -> i64 { return y; }\n", encoding="utf-8")
    with pytest.raises(dandc.CompileError) as caught:
        dandc.compile(path, cache=None)
    assert [d.code for d in caught.value.diagnostics] == ["N0201", "N0201"]
    assert str(path) in caught.value.sources


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="U0901"):
        dandc.compile(tmp_path / "nothing.dnd", cache=None)


def test_a_secret_does_not_show_itself() -> None:
    secret = dandc.Secret("s3cret")
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"


def test_the_default_cache_follows_the_environment(folder: Path, tmp_path: Path) -> None:
    code = "import dandc, sys; print(dandc.compile(sys.argv[1]).run('quiet', {'token': dandc.Secret('x')})['out'])"
    command = [sys.executable, "-P", "-c", code, str(folder / "p.dnd")]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "xdg"), "DANDC_CACHE": ""}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert finished.stdout == "ok\n"
    assert (tmp_path / "xdg" / "dandc").is_dir()
