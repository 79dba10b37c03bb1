"""Load by the clock is what it says, and its plot is a picture of it."""

import asyncio
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_a_schedule_has_its_rate_and_repeats() -> None:
    """The same seed gives the same times, in order, as many as the rate says."""
    from benchmarks.clock import schedule

    due = schedule(1000, 10, 3)
    assert due == schedule(1000, 10, 3) != schedule(1000, 10, 4)
    assert 0 < due[0] < due[-1] < 10
    assert all(one < other for one, other in pairwise(due))
    assert 9_500 < len(due) < 10_500


def test_latency_counts_from_the_due_time() -> None:
    """The clock waits for nobody: all begin though the first has not ended, and waits are counted from when they were due."""
    from benchmarks.clock import offered

    due, began, all_began = [0.0, 0.001, 0.002, 0.003], [], asyncio.Event()

    async def together() -> None:
        began.append(None)
        if len(began) == len(due):
            all_began.set()
        await all_began.wait()

    times = asyncio.run(offered(together, due))
    longest_first = zip(sorted(times, reverse=True), due, strict=True)
    assert all(waited >= due[-1] - own for waited, own in longest_first)


def test_nothing_is_started_before_it_is_due() -> None:
    """Requests begin in order, and no latency is negative."""
    from benchmarks.clock import offered, schedule

    async def nothing() -> None:
        pass

    times = asyncio.run(offered(nothing, schedule(5000, 0.2, 1)))
    assert min(times) > 0


def test_all_ways_are_measured_and_drawn(tmp_path: Path) -> None:
    """Peaks, every quantile beside both peers, and a line a system; worker processes end (the fixture of this folder looks)."""
    from benchmarks import soak

    rows = soak.soak(0.3, tmp_path / "soak.svg")
    names = [row.what for row in rows]
    for name in (*soak.QUANTILES, "deviation by mean"):
        for peer in (soak.SPAWN, soak.WORKERS):
            assert any(what.endswith(f": {name} vs {peer}") for what in names)
    assert 3 == sum(what.startswith("peak") for what in names)
    assert all(row.ours is not None and row.ours > 0 for row in rows)

    picture = ET.fromstring((tmp_path / "soak.svg").read_text())
    lines = picture.findall("{*}polyline")
    assert 3 == len(lines)
    texts = {text.text for text in picture.findall("{*}text")}
    assert {soak.OURS, soak.SPAWN, soak.WORKERS, "99 %"} <= texts
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert points == sorted(points)
        assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_a_plot_of_one_request_is_a_plot() -> None:
    """However few there are."""
    from benchmarks.plot import quantile_plot

    assert 1 == len(ET.fromstring(quantile_plot("a & b", {"<x>": [0.001]})).findall("{*}polyline"))
