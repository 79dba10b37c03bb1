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
    assert [
        "p50 vs posix_spawn",
        "p10 vs posix_spawn p10",
        "p50 vs posix_spawn, 0.5 ms gaps",
        "p99 vs p50",
        "p99 vs posix_spawn p99",
    ] == [row["what"] for row in printed["rows"]]
    for row in printed["rows"]:
        assert {"what", "ours", "peer", "ratio", "unit"} <= row.keys()
        assert row["ratio"] == pytest.approx(row["ours"] / row["peer"])
    assert 6 == len(as_table("sandbox", rows).splitlines())


def test_margins_are_those_of_endless_loops(sandbox) -> None:
    """No end comes before its wall limit; CPU time is counted by ticks, which on a busy machine meet some more than others."""
    wall, cpu = asyncio.run(sandbox.margins())

    assert min(wall.ours, wall.peer) >= sandbox.LIMIT_MS
    assert (cpu.ours >= sandbox.LIMIT_MS / 2, cpu.peer) == (True, None)


def test_every_row_of_the_budget_is_there(sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run gives them all; a group that fails is a row that says why, and the others stay."""
    from benchmarks import memory, volume

    for module, name, value in (
        (memory, "ROUNDS", 1), (memory, "SETTLE_S", 0.01), (sandbox, "CALLS", 40), (volume, "PER_ROUND", 4),
        (volume, "ROUNDS", 1), (volume, "BUDGET", 1 << 20), (volume, "VOLUMES", {"1 KiB": 1 << 10, "1 MiB": 1 << 20}),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)

    async def broken() -> list[object]:
        raise OSError("no such peer")

    groups = [group for group in sandbox.GROUPS if group.__name__ not in ("startup", "latency", "margins")]
    monkeypatch.setattr(sandbox, "GROUPS", [broken, *groups])
    rows = {row.what: row for row in sandbox.measure()}

    assert "failed: OSError: no such peer" == rows.pop("broken").note
    assert {
        "memory per ready child", "p50 vs bubblewrap", "p50 vs wasmtime instance in process",
        *(f"calls a second, {flights} in flight" for flights in (1, 2, 4, 8)),
        *(f"bytes a second vs memcpy, {size}" for size in ("1 KiB", "1 MiB")),
        *(f"p50, image of {size} vs 4 KiB" for size in ("64 KiB", "1 MiB", "16 MiB")),
        *(f"p50, heap limit {size} vs 64 MiB" for size in ("1 MiB", "1 GiB", "64 GiB")),
    } == rows.keys()  # fmt: skip
    assert not [row for row in rows.values() if row.ours is None and not row.note.startswith("missing: ")]
    assert rows["bytes a second vs memcpy, 1 MiB"].bar is not None


def test_bars_say_what_they_measure(sandbox) -> None:
    """By the ratio or by our own number, from above or from below; without a number nothing is said."""
    from benchmarks.rows import Bar, Row, as_table

    def met(ours: float | None, peer: float | None, bar: Bar | None) -> bool | None:
        return Row("x", ours, peer, "", bar=bar).met

    assert [True, False] == [met(9, 10, Bar(0.9)), met(9.1, 10, Bar(0.9))]
    assert [True, False] == [met(5, 10, Bar(0.5, least=True)), met(4.9, 10, Bar(0.5, least=True))]
    assert [True, False] == [met(80, 1, Bar(80, alone=True)), met(81, None, Bar(80, alone=True))]
    assert [None, None] == [met(1, None, Bar(2)), met(1, 1, None)]
    assert "bar <= 0.9, NOT MET" in as_table("t", [Row("x", 1, 1, "us", bar=Bar(0.9))])


def test_echoes_are_what_went_in(sandbox) -> None:
    """The image of the volume rows moves all bytes."""
    from benchmarks.images import ECHO, elf, good
    from dandc.isolation import load_image, open_pool

    async def echoed(block: bytes) -> bytes:
        with load_image(elf(ECHO)) as image:
            async with open_pool(1) as pool:
                outcome = good(await pool.run(image, [block], 0, 1))
        return outcome.data[outcome.entries.value_offset[0] :]

    block = bytes(range(256)) * 40
    assert block == asyncio.run(echoed(block))


def test_absent_peers_are_named(sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing tool is a row without a number, not a row that is left out."""
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: None)
    monkeypatch.setattr(sandbox.importlib.util, "find_spec", lambda _: None)
    rows = asyncio.run(sandbox.bubblewrap()) + asyncio.run(sandbox.wasmtime())

    assert [None, None] == [row.ratio for row in rows]
    assert all("missing" in row.note for row in rows)
