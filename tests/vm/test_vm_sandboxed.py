"""The whole path: compiled kernels in real sandboxes, real servers behind the drivers."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from dandc.api import compile as compile_program
from dandc.compiler.flow import Program
from dandc.isolation import Limits
from dandc.vm import InputItem, RunError, RunLimits, Secret, dumps, loads, open_local, run

KERNELS = """
function mixed(x: i64) => (y: i64) {
    note f"saw {x}";
    if x == 13 { while true { } }
    if x == 17 { fail f"no {x}"; }
    if x == 19 { emit y <- 9_223_372_036_854_775_807 + x; }
    else { emit y <- x * 2; }
}
composition main(xs: set[i64 => i64]) => (ys: set[i64 => i64], failed: set[i64 => Failure]) {
    ys = mixed(each xs) timeout 300ms on failure collect into failed;
}
"""
SERVICE = Path(__file__).parents[2] / "examples" / "render_logs" / "service.py"
GATHER = """
import http;
import json;
import storage;

config service_url: str;
config folder: str;
endpoint service = http(service_url);
endpoint archive = storage(folder);

record Grant { servers: array[str] }
record Line { time: i64, level: str, text: str }

function authorize(token: secret) => (request: http.Request) = service.post("/authorize", bearer: token);

function fan_out(grant: http.Response) => (requests: set[str => http.Request]) {
    for server in json.decode[Grant](grant.body)?.servers { emit requests[server] <- service.get(server); }
}

function gather(logs: set[str => http.Response]) => (object: storage.Object) {
    var count = 0;
    for server, log in logs { count += json.decode[array[Line]](log.body)?.len(); }
    emit object <- archive.object("logs/count", f"{count}".to_bytes());
}

function size(entry: storage.Entry) => (size: i64) = entry.size;

composition main(token: secret) => (size: i64, failed: set[str => Failure]) {
    grant = http.fetch(authorize(token)) timeout 5s;
    logs = http.fetch(each fan_out(grant)) timeout 5s on failure collect into failed;
    size = size(storage.put(gather(all logs)));
}
"""


def compiled(text: str, folder: Path) -> Program:
    path = folder / "program.dnd"
    path.write_text(text)
    return compile_program(path, cache=folder / "cache").compiled


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return compiled(KERNELS, tmp_path_factory.mktemp("kernels"))


def test_packed_and_bisected(kernels: Program) -> None:
    """500 items, one that never ends, one that fails, one that traps: exactly these fail, each with its own story."""
    inputs = {"xs": [InputItem(n, key=n) for n in range(500)]}
    result = anyio.run(lambda: run(loads(dumps(kernels)), "main.main", inputs))

    good = [n for n in range(500) if n not in (13, 17, 19)]
    assert [(n, 2 * n) for n in good] == [(item.key, item.value) for item in result.outputs["ys"]]
    assert [(item.key, item.value[0], item.value[1]) for item in result.outputs["failed"]] == [
        (13, "limit.wall", "it ran longer than its limit of 300ms"),
        (17, "fail", "no 17"),
        (19, "trap.overflow", "the result does not fit its type"),
    ]
    assert result.nodes["mixed"] == {"ran": 497, "skipped": 0, "failed": 3}
    assert {f"saw {n}" for n in good} <= {note.text for note in result.notes}


def test_a_trap_points_into_the_source(kernels: Program) -> None:
    """The diagnostic's span is the addition that overflowed."""
    graph = kernels.graphs["main.main"]
    from attrs import evolve

    (node,) = graph.nodes
    failing = evolve(graph, nodes=(evolve(node, policies=evolve(node.policies, on_failure="fail")),))
    program = evolve(kernels, graphs={"main.main": failing})
    with pytest.raises(RunError) as caught:
        anyio.run(lambda: run(program, "main.main", {"xs": [InputItem(19, key=19)]}))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "R0701"
    assert diagnostic.span is not None
    assert KERNELS[diagnostic.span.start : diagnostic.span.end] == "9_223_372_036_854_775_807 + x"


def test_an_image_that_is_none(kernels: Program) -> None:
    """Rubbish where an image should be is a typed failure, not a crash."""
    from attrs import evolve

    broken = {name: evolve(kernel, image=b"rubbish" * 100) for name, kernel in kernels.kernels.items()}
    program = evolve(kernels, kernels=broken)
    result = anyio.run(lambda: run(program, "main.main", {"xs": [InputItem(1, key=1), InputItem(2, key=2)]}))
    assert [item.value[0] for item in result.outputs["failed"]] == ["image.invalid"] * 2


def test_the_pool_serves_many_runs_at_once_and_leaves_nothing(kernels: Program) -> None:
    """Runs share a pool; afterwards no child, descriptor or thread of theirs is left."""
    inputs = {"xs": [InputItem(n, key=n) for n in range(20, 60)]}

    async def main() -> None:
        async with open_local(RunLimits(sandboxes=3)) as placement, anyio.create_task_group() as group:

            async def once() -> None:
                result = await run(kernels, "main.main", inputs, placement=placement)
                assert len(result.outputs["ys"]) == 40

            for _ in range(8):
                group.start_soon(once)

    def left() -> tuple[int, list[str], int]:
        children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
        return len(list(Path("/proc/self/fd").iterdir())), children, threading.active_count()

    anyio.run(main)
    before = left()
    anyio.run(main)
    assert before == left()


def test_a_cancelled_run_ends_its_sandboxes(kernels: Program) -> None:
    """A deadline round a run that would loop for 10 s is kept."""

    async def main() -> bool:
        with anyio.move_on_after(0.3) as scope:
            await run(
                kernels, "main.main", {"xs": [InputItem(13, key=n) for n in range(64)]}, limits=RunLimits(sandboxes=2)
            )
        return scope.cancelled_caught

    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = set(children.read_text().split())  # other tests of this process may keep some for longer

    assert anyio.run(main)
    assert set(children.read_text().split()) <= before


def test_memory_and_output_limits(tmp_path: Path) -> None:
    """An instance that takes too much fails alone, whatever it is packed with."""
    program = compiled(
        """
        function grow(x: i64) => (y: str) {
            var text = "0123456789";
            if x == 5 { while true { text = text + text; } }
            if x == 7 { for i in 0..14 { text = text + text; } }
            emit y <- text;
        }
        composition main(xs: set[i64]) => (ys: set[str], failed: set[Failure]) {
            ys = grow(each xs) on failure collect into failed;
        }
        """,
        tmp_path,
    )
    limits = RunLimits(kernel=Limits(memory=4 << 20, output=64 << 10))
    result = anyio.run(lambda: run(program, "main.main", {"xs": [InputItem(n) for n in range(200)]}, limits=limits))
    assert [item.value for item in result.outputs["ys"]] == ["0123456789"] * 198
    assert [item.value[0] for item in result.outputs["failed"]] == ["limit.memory", "limit.output"]


@pytest.fixture(scope="module")
def gather(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return compiled(GATHER, tmp_path_factory.mktemp("gather"))


@pytest.fixture
def service() -> Iterator[str]:
    """The example's service; servers 3 and 7 fail."""
    arguments = ["--port", "0", "--lines", "20", "--fail", "3,7", "--token", "tok-4711"]
    process = subprocess.Popen([sys.executable, "-I", str(SERVICE), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        assert process.wait() == 0
        assert process.stdout is not None
        process.stdout.close()


def test_a_program_against_its_service(gather: Program, service: str, tmp_path: Path) -> None:
    """Authorization, fan-out, failures collected by key, and the object on the disk."""
    configs: dict[str, Any] = {"service_url": service, "folder": str(tmp_path)}
    inputs = {"token": [InputItem(Secret("tok-4711"))]}
    result = anyio.run(lambda: run(gather, "main.main", inputs, configs=configs))

    assert [item.key for item in result.outputs["failed"]] == ["/logs/3", "/logs/7"]
    assert [item.value for item in result.outputs["size"]] == [3]
    assert (tmp_path / "logs" / "count").read_bytes() == b"160"
    assert result.nodes["http.fetch#2"] == {"ran": 8, "skipped": 0, "failed": 2}
    assert "tok-4711" not in repr(result)
    assert not any(b"tok-4711" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_wrong_token(gather: Program, service: str, tmp_path: Path) -> None:
    """The run ends with a diagnostic that names the node and not the token."""
    configs = {"service_url": service, "folder": str(tmp_path)}
    inputs = {"token": [InputItem(Secret("wrong-token"))]}
    with pytest.raises(RunError) as caught:
        anyio.run(lambda: run(gather, "main.main", inputs, configs=configs))
    assert re.search(r"`http\.fetch` failed: POST .*/authorize answered 401", caught.value.diagnostics[0].message)
    assert "wrong-token" not in str(caught.value)
