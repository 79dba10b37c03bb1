"""The measurement of the sandbox measures, and says what it could not measure."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import sandbox

    monkeypatch.setattr(sandbox, "ROUNDS", 2)
    monkeypatch.setattr(sandbox, "PER_ROUND", 20)
    monkeypatch.setattr(sandbox, "ENDLESS", 2)
    yield sandbox
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_latency_has_both_sides_of_each_row(sandbox) -> None:
    """Ours and the peer's were measured, and the JSON has the fields that the budget names."""
    rows = asyncio.run(sandbox.latency())

    from benchmarks.rows import as_json, as_table

    printed = json.loads(as_json("sandbox", rows))
    assert ["p50 vs posix_spawn", "p50 vs posix_spawn, 0.5 ms gaps", "p99 vs p50", "p99 vs posix_spawn p99"] == [
        row["what"] for row in printed["rows"]
    ]
    for row in printed["rows"]:
        assert {"what", "ours", "peer", "ratio", "unit"} <= row.keys()
        assert row["ratio"] == pytest.approx(row["ours"] / row["peer"])
    assert 5 == len(as_table("sandbox", rows).splitlines())


def test_margins_are_those_of_endless_loops(sandbox) -> None:
    """No end comes before its wall limit; CPU time is counted by ticks, which on a busy machine meet some more than others."""
    wall, cpu = asyncio.run(sandbox.margins())

    assert min(wall.ours, wall.peer) >= sandbox.LIMIT_MS
    assert (cpu.ours >= sandbox.LIMIT_MS / 2, cpu.peer) == (True, sandbox.LIMIT_MS)


def test_absent_peers_are_named(sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing tool is a row without a number, not a row that is left out."""
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: None)
    monkeypatch.setattr(sandbox.importlib.util, "find_spec", lambda _: None)
    rows = asyncio.run(sandbox.bubblewrap()) + asyncio.run(sandbox.wasmtime())

    assert [None, None] == [row.ratio for row in rows]
    assert all("missing" in row.note for row in rows)
