"""Which failure ends a run that is repeated, when several can: the recorded one, whichever comes first now."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from dandc.compiler.flow import CompositionNode, Policies, Program, Tolerance
from dandc.vm import DriverFailureError, InputItem, RunError, RunLimits, RunResult, run
from dandc.vm.decisive import Failing
from dandc.vm.journal import open_journal, read_journal
from dandc.vm.keeper import FoundInstanceError, Wanted
from dandc.vm.keeping import Recording, keep, replay

LIMITS = RunLimits(sandboxes=8)


class InTurn:
    """Fake sandboxes that end one after the other: `order` holds words, and a shard whose items hold one waits for those before."""

    def __init__(self, kit: Any, kernels: dict[str, Any], order: Sequence[str]) -> None:
        self.inner = kit.FakePlacement(kernels)
        self.order = order
        self.over = {word: anyio.Event() for word in order}

    async def run_shard(
        self, kernel: Any, inputs: Sequence[Any], first: int, last: int, limits: Any, **more: Any
    ) -> Any:
        block = b"".join(inputs)
        mine = [i for i, word in enumerate(self.order) if word.encode() in block]
        for word in self.order[: max(mine, default=0)]:
            await self.over[word].wait()
        try:
            return await self.inner.run_shard(kernel, inputs, first, last, limits, **more)
        finally:
            for i in mine:
                self.over[self.order[i]].set()


class Silent:
    """A driver that answers no call but one."""

    def check_endpoint(self, endpoint: Any) -> str | None:
        return None

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        return True

    async def call(self, operation: str, arguments: tuple[object, ...], context: Any) -> Any:
        if arguments != ("x1",):
            await anyio.sleep_forever()
        raise DriverFailureError("service.bad", "no x1")

    async def aclose(self) -> None:
        pass


def recorded(program: Program, path: Path, placement: Any, inputs: dict[str, Any], drivers: Any = None) -> RunResult:
    keeping = keep(program, "main", recording=Recording(path, "main.dnd", {}, "test"))
    return anyio.run(
        lambda: run(program, "main", inputs, limits=LIMITS, placement=placement, keeping=keeping, drivers=drivers or {})
    )


def repeated(path: Path, placement: Any, wanted: Wanted | None = None) -> RunResult:
    async def within() -> RunResult:
        with anyio.fail_after(20):
            return (await replay(journal, limits=LIMITS, placement=placement, wanted=wanted)).result

    journal = read_journal(path)
    try:
        return anyio.run(within)
    finally:
        journal.close()


def given(*words: str) -> list[InputItem]:
    return [InputItem(word, name=word) for word in words]


def trapping(kit: Any) -> Any:
    def kernel(xs: Any) -> Any:
        if xs[0][2].startswith(b"ok"):
            return [(0, None, None, xs[0][2])]
        raise kit.Fail(f"no {xs[0][2].decode()}")

    return kernel


def kernel(kit: Any, name: str) -> Any:
    return evolve(kit.kernel(name, [kit.port("one")], [kit.out("one")]), image=name.encode())


def each(kit: Any, name: str, source: Any, **policies: Any) -> Any:
    node = kit.node(name, [kit.arg(source, "each")], [kit.many()])
    return evolve(node, policies=Policies(**policies))


@pytest.fixture
def two(kit: Any) -> Program:
    """Two calls that do not depend on each other, and one behind the first."""
    nodes = [each(kit, "f", kit.input(0)), each(kit, "g", kit.input(1)), each(kit, "h", kit.at(0, 0))]
    graph = kit.graph({"xs": kit.many(), "ys": kit.many()}, nodes, {"out": (kit.many(), kit.at(2, 0))})
    return kit.program([graph], [kernel(kit, name) for name in "fgh"])


INPUTS = {"xs": given("ok1", "x2", "x3"), "ys": given("y4", "y5")}


@pytest.mark.parametrize("first", ["x2", "x3", "y4", "y5"])
def test_the_recorded_instance_decides_whichever_fails_first(
    kit: Any, two: Program, tmp_path: Path, first: str
) -> None:
    """Of one call and of two, with all the others failing before it now."""
    kernels = dict.fromkeys("fgh", trapping(kit))
    others = [word for word in ("x2", "x3", "y4", "y5") if word != first]
    with pytest.raises(RunError) as before:
        recorded(two, tmp_path / "j", InTurn(kit, kernels, [first, *others]), INPUTS)
    with pytest.raises(RunError) as now:
        repeated(tmp_path / "j", InTurn(kit, kernels, [*others, first]))

    assert before.value.fault is not None
    assert first == before.value.fault.item
    assert before.value.fault == now.value.fault


def told_otherwise(path: Path, failure: Failing) -> None:
    """Have the journal name another failure than the one that ended the run."""
    journal = open_journal(path)
    journal.end("failed", {}, failure, {})
    journal.close()


def test_a_failure_that_does_not_come_again_is_a_difference_that_names_both(
    kit: Any, two: Program, tmp_path: Path
) -> None:
    """The run ends although what was recorded never comes."""
    kernels = dict.fromkeys("fgh", trapping(kit))
    order = ["x2", "x3", "y4", "y5"]
    with pytest.raises(RunError):
        recorded(two, tmp_path / "j", InTurn(kit, kernels, order), INPUTS)
    told_otherwise(tmp_path / "j", Failing("fail", "no ok1", "h", "ok1"))

    with pytest.raises(RunError) as caught:
        repeated(tmp_path / "j", InTurn(kit, kernels, order))
    (found,) = caught.value.diagnostics
    said = {
        (
            "R0786",
            "the run does not end as it was recorded: it failed in `h` for the item `ok1`, "
            f"and now fails in `f` for the item `{item}`",
            ("recorded is fail: no ok1", f"now it is fail: no {item}"),
        )
        for item in ("x2", "x3")  # both fail, and either may be heard of first
    }
    assert (found.code, found.message, found.notes) in said


@pytest.fixture
def within(kit: Any) -> Program:
    """A composition an item, in which two calls can fail; its failures are collected."""
    inner = kit.graph(
        {"x": kit.one(), "y": kit.one()},
        [kit.node(name, [kit.arg(kit.input(i))], [kit.one()]) for i, name in enumerate("fg")],
        {"out": (kit.one(), kit.at(0, 0))},
        "inner",
    )
    args = (kit.arg(kit.input(0), "each"), kit.arg(kit.input(1)))
    call = CompositionNode("inner", "inner", args, (kit.many(),), Policies(on_failure="collect"), kit.CALL)
    main = kit.graph({"xs": kit.many(), "y": kit.one()}, [call], {"failed": (kit.many(), kit.at(0, -1))})
    return kit.program([main, inner], [kernel(kit, name) for name in "fg"])


def test_what_ended_an_instance_of_a_composition_is_recorded(kit: Any, within: Program, tmp_path: Path) -> None:
    """The run itself is finished, and its outputs say which of the failures it was."""
    kernels = dict.fromkeys("fg", trapping(kit))
    inputs = {"xs": given("x1"), "y": given("y")}
    before = recorded(within, tmp_path / "j", InTurn(kit, kernels, ["x1", "y"]), inputs)
    now = repeated(tmp_path / "j", InTurn(kit, kernels, ["y", "x1"]))

    assert b"no x1" in before.outputs["failed"][0].encoded
    assert before.outputs == now.outputs


def test_the_last_one_of_too_many_is_the_recorded_one(kit: Any, tmp_path: Path) -> None:
    node = each(kit, "f", kit.input(0), on_failure="collect", tolerance=Tolerance(1))
    graph = kit.graph({"xs": kit.many()}, [node], {"out": (kit.many(), kit.at(0, 0))})
    program = kit.program([graph], [kernel(kit, "f")])
    kernels, inputs = {"f": trapping(kit)}, {"xs": given("x1", "x2", "x3")}
    with pytest.raises(RunError) as before:
        recorded(program, tmp_path / "j", InTurn(kit, kernels, ["x3", "x1", "x2"]), inputs)
    with pytest.raises(RunError) as now:
        repeated(tmp_path / "j", InTurn(kit, kernels, ["x1", "x2", "x3"]))

    assert before.value.fault is not None
    assert "x1" in before.value.fault.message
    assert before.value.fault == now.value.fault


@pytest.fixture
def asking(kit: Any) -> Program:
    """Two calls in flight at a time, and behind them a kernel."""
    ask = kit.call(
        "ask", "service", "ask", [kit.port("one")], [kit.out("one")], [kit.arg(kit.input(0), "each")], [kit.many()]
    )
    ask = evolve(ask, policies=Policies(concurrency=2))
    graph = kit.graph({"xs": kit.many()}, [ask], {"out": (kit.many(), kit.at(0, 0))})
    return kit.program([graph], [])


def test_calls_that_were_cut_off_take_no_place_from_the_one_that_failed(asking: Program, tmp_path: Path) -> None:
    """As many as may be in flight were cut off or never begun, and stand before it."""
    inputs = {"xs": given("x0", "x1", "x2", "x3")}
    with pytest.raises(RunError) as before:
        recorded(asking, tmp_path / "j", None, inputs, {"service": Silent()})
    with pytest.raises(RunError) as now:
        repeated(tmp_path / "j", None)

    assert before.value.fault is not None
    assert before.value.fault == now.value.fault

    told_otherwise(tmp_path / "j", Failing("service.bad", "no x2", "ask", "x2"))
    with pytest.raises(RunError) as other:
        repeated(tmp_path / "j", None)
    (found,) = other.value.diagnostics
    assert "R0786" == found.code
    assert "it failed in `ask` for the item `x2`, and now fails in `ask` for the item `x1`" in found.message


def test_who_looks_for_an_instance_finds_it_behind_failures(kit: Any, two: Program, tmp_path: Path) -> None:
    """It ran after the first failure was under way: what fails now before it is looked at does not end the search."""
    kernels = dict.fromkeys("fgh", trapping(kit))
    with pytest.raises(RunError):
        recorded(two, tmp_path / "j", InTurn(kit, kernels, ["y4", "y5", "x2", "x3"]), INPUTS)
    with pytest.raises(FoundInstanceError) as found:
        repeated(tmp_path / "j", InTurn(kit, kernels, ["y4", "y5", "x2", "x3"]), Wanted("h", "ok1"))
    assert "ok1" == found.value.item
