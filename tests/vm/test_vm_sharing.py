"""Who gets a sandbox: bounds of memory and CPUs, and several runs that share one placement."""

import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dandc.api import compile as compile_program
from dandc.isolation import Limits
from dandc.vm import InputItem, RunLimits, open_local, run
from dandc.vm.admission import Admission, Share, TooBigError


def mapping(kit: Any, name: str) -> Any:
    kernel = kit.kernel(name, [kit.port("one")], [kit.out("one")])
    node = kit.node(name, [kit.arg(kit.input(0), "each")], [kit.many()])
    return kit.program([kit.graph({"xs": kit.many()}, [node], {"y": (kit.many(), kit.at(0, 0))})], [kernel])


def items(count: int) -> dict[str, list[InputItem]]:
    return {"xs": [InputItem(str(n)) for n in range(count)]}


def test_a_free_sandbox_goes_to_the_run_that_holds_the_fewest(kit: Any) -> None:
    """Beside a run of 10,000 items one of ten is never more than a shard behind, and both give all their items."""

    def echo(x: list[Any]) -> list[Any]:
        return [(0, None, None, x[0][2])]

    placement = kit.FakePlacement({"big": echo, "small": echo}, 40)
    placement.admission = Admission(2, 1 << 30)
    limits = RunLimits(kernel=Limits(output=1 << 18), sandboxes=2)
    ends = []

    async def once(name: str, count: int) -> None:
        result = await run(mapping(kit, name), "main", items(count), placement=placement, limits=limits)
        assert [str(n) for n in range(count)] == [item.value for item in result.outputs["y"]]
        ends.append(name)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(once, "big", 10_000)
            while len(placement.shards) < 20:
                await anyio.lowlevel.checkpoint()
            group.start_soon(once, "small", 10)

    anyio.run(main)
    assert ["small", "big"] == ends
    turns = [name for name, _ in placement.shards]
    first = turns.index("small")
    last = len(turns) - turns[::-1].index("small")
    assert turns[first:last].count("big") <= turns.count("small") + 2
    assert len(turns) - last > 50


def test_runs_in_one_loop_share_sandboxes(tmp_path: Path) -> None:
    """With real sandboxes: a run of ten items ends while one of 100,000 is still at work."""
    path = tmp_path / "program.dnd"
    path.write_text("""
        function square(x: i64) => (y: i64) = x * x;
        composition main(xs: set[i64]) => (ys: set[i64]) { ys = square(each xs); }
    """)
    program = compile_program(path, cache=tmp_path / "cache")
    ends = []

    async def once(count: int, placement: Any) -> None:
        result = await program.run_async(inputs={"xs": list(range(count))}, placement=placement)
        assert [n * n for n in range(count)] == [item.value for item in result["ys"]]
        ends.append(count)

    async def main() -> None:
        async with open_local(RunLimits(sandboxes=2)) as placement, anyio.create_task_group() as group:
            group.start_soon(once, 100_000, placement)
            while placement.admission.idle == 2:
                await anyio.lowlevel.checkpoint()
            group.start_soon(once, 10, placement)

    anyio.run(main)
    assert [10, 100_000] == ends


def test_runs_in_threads_have_sandboxes_of_their_own(tmp_path: Path) -> None:
    """A run of ten items in another thread does not wait for one of 100,000."""
    path = tmp_path / "program.dnd"
    path.write_text("""
        function square(x: i64) => (y: i64) = x * x;
        composition main(xs: set[i64]) => (ys: set[i64]) { ys = square(each xs); }
    """)
    program = compile_program(path, cache=tmp_path / "cache")
    ends = []

    def once(count: int) -> None:
        result = program.run(inputs={"xs": list(range(count))})
        assert [n * n for n in range(count)] == [item.value for item in result["ys"]]
        ends.append(count)

    threads = [threading.Thread(target=once, args=(count,)) for count in (100_000, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [10, 100_000] == ends


def test_shares_are_bounded_by_their_run_and_by_all() -> None:
    """A run's own bounds hold inside those of the machine, and what can never fit is refused at once."""
    admission = Admission(3, 100)
    one, other = admission.share(1, 50), admission.share(5, 1_000)
    woken: list[str] = []

    def ask(share: Share, name: str, memory: int, *, urgent: bool = True) -> Any:
        return share.ask(memory, lambda: woken.append(name), urgent=urgent)

    a, b = ask(one, "a", 30), ask(one, "b", 10)
    c, d, e = ask(other, "c", 30), ask(other, "d", 30), ask(other, "e", 10)
    assert [True, False, True, True, False] == [ticket.granted for ticket in (a, b, c, d, e)]
    a.give_back()
    assert ["a", "c", "d", "b"] == woken
    b.give_back()
    assert "e" == woken[-1]
    with pytest.raises(TooBigError, match="the budget for all calls of the run is 50B"):
        ask(one, "f", 51)
    with pytest.raises(TooBigError, match="the budget for all calls of the run is 100B"):
        ask(other, "f", 101)
    for ticket in (c, d, e):
        ticket.give_back()
    assert (3, 100) == (admission.idle, admission.memory)


def test_a_few_items_wait_behind_urgent_ones_of_their_own_run_only() -> None:
    """A patient ticket stands behind urgent ones until it hurries, but not behind those of other runs."""
    admission = Admission(1, 10)
    mine, theirs = admission.share(1, 10), admission.share(1, 10)
    order: list[str] = []

    def ask(share: Share, name: str, *, urgent: bool) -> Any:
        return share.ask(1, lambda: order.append(name), urgent=urgent)

    held = ask(mine, "held", urgent=True)
    patient, urgent = ask(mine, "patient", urgent=False), ask(mine, "urgent", urgent=True)
    foreign = ask(theirs, "foreign", urgent=False)
    for ticket in (held, urgent, foreign, patient):
        assert ticket.granted
        ticket.give_back()
    assert ["held", "urgent", "foreign", "patient"] == order

    held, patient = ask(mine, "held", urgent=True), ask(mine, "patient", urgent=False)
    later = ask(mine, "later", urgent=True)
    patient.hurry()
    later.give_back()
    held.give_back()
    assert patient.granted
    patient.give_back()
    assert 1 == admission.idle


def test_memory_bounds_sandboxes_of_all_runs(kit: Any) -> None:
    """Two runs that share a budget of two sandboxes never have three."""

    def echo(x: list[Any]) -> list[Any]:
        return [(0, None, None, x[0][2])]

    placement = kit.FakePlacement({"f": echo}, 9_000)
    kernel = Limits(memory=1 << 20, stack=1 << 20, output=1 << 20)
    placement.admission = Admission(8, 7 << 20)
    limits = RunLimits(kernel=kernel, sandboxes=8)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: run(mapping(kit, "f"), "main", items(30), placement=placement, limits=limits))

    anyio.run(main)
    assert 2 == placement.most_running


def test_the_share_that_holds_less_comes_first() -> None:
    """However long the other one has waited: long shards of one run do not keep a new run out."""
    admission = Admission(2, 100)
    old, new = admission.share(2, 100), admission.share(2, 100)
    running = [old.ask(1, int), old.ask(1, int)]
    waiting = [old.ask(1, int), old.ask(1, int)]
    fresh = [new.ask(1, int), new.ask(1, int)]

    running[0].give_back()
    assert [False, False, True, False] == [ticket.granted for ticket in waiting + fresh]
    running[1].give_back()
    assert [True, False, True, False] == [ticket.granted for ticket in waiting + fresh]
    fresh[1].give_back()
    for ticket in (*waiting, fresh[0]):
        ticket.give_back()
    assert (2, 100) == (admission.idle, admission.memory)
