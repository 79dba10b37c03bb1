"""Packing, bisection, policies: which instance is blamed, what the others give, and how many sandboxes it takes."""

from typing import Any

import anyio
import pytest
from attrs import evolve

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import FlowType
from dandc.compiler.types import I64, STR, Named, Result
from dandc.isolation import Limits, Outcome, Usage
from dandc.vm import InputItem, RunError, RunLimits, run
from dandc.vm.failures import FAILURE, FAILURE_DEF
from dandc.vm.packing import Costs

TYPES = {"prelude.Failure": FAILURE_DEF}


def mapping(kit: Any, policy: str = "fail", flow: FlowType | None = None, **policies: Any) -> Any:
    """A program that maps `f` over a set, with its failures as second output."""
    kernel = kit.kernel("f", [kit.port("one")], [kit.out("one")])
    flow = flow or kit.many()
    node = kit.node("f", [kit.arg(kit.input(0), "each")], [flow], on_failure=policy, **policies)
    outputs = {"y": (flow, kit.at(0, 0)), "failed": (kit.many(FAILURE), kit.at(0, -1))}
    return kit.program([kit.graph({"xs": kit.many()}, [node], outputs)], [kernel], types=TYPES)


def numbers(count: int) -> dict[str, list[InputItem]]:
    return {"xs": [InputItem(str(n), name=f"item{n}") for n in range(count)]}


def play(kit: Any, program: Any, inputs: Any, f: Any, *, cost_us: int = 1, limits: RunLimits | None = None) -> Any:
    placement = kit.FakePlacement({"f": f}, cost_us)
    result = anyio.run(lambda: run(program, "main", inputs, placement=placement, limits=limits))
    return result, placement


def echo(x: list[Any]) -> list[Any]:
    return [(0, None, None, x[0][2])]


def test_small_instances_share_sandboxes(kit: Any) -> None:
    """20,000 instances of a microsecond take a few dozen shards, and the result is in item order."""
    result, placement = play(kit, mapping(kit), numbers(20_000), echo)

    assert [str(n) for n in range(20_000)] == [item.value for item in result.outputs["y"]]
    assert [f"item{n}" for n in range(20_000)] == [item.name for item in result.outputs["y"]]
    assert len(placement.shards) < 40
    assert result.nodes["f"] == {"ran": 20_000, "skipped": 0, "failed": 0}


def test_dear_instances_do_not(kit: Any) -> None:
    """Instances of five milliseconds are run one a shard."""
    _, placement = play(kit, mapping(kit), numbers(50), echo, cost_us=5_000)

    assert [count for _, count in placement.shards] == [1] * 50


@pytest.mark.parametrize("error", ["limit.wall", "sandbox.crash", "sandbox.output", "sandbox.lost"])
def test_bisection_finds_the_guilty(kit: Any, error: str) -> None:
    """When shards die, exactly the guilty instances fail, and all others still give their items."""
    guilty = {17, 900, 901, 3999}

    def f(x: list[Any]) -> list[Any]:
        if int(x[0][2]) in guilty:
            raise kit.Crash(error)
        return echo(x)

    result, placement = play(kit, mapping(kit, "collect"), numbers(4_000), f)

    assert [str(n) for n in range(4_000) if n not in guilty] == [item.value for item in result.outputs["y"]]
    assert [f"item{n}" for n in sorted(guilty)] == [item.name for item in result.outputs["failed"]]
    assert {error} == {item.value[0] for item in result.outputs["failed"]}
    assert result.nodes["f"] == {"ran": 3_996, "skipped": 0, "failed": 4}
    assert len(placement.shards) < 200


def test_packing_learns_from_shards_that_took_too_long(kit: Any) -> None:
    """After a cheap first item the dear ones are packed once too often, not again and again."""

    class Timed(kit.FakePlacement):  # type: ignore[misc, name-defined]
        async def run_shard(self, kernel: Any, inputs: Any, first: int, last: int, limits: Any, **more: Any) -> Any:
            dear = last - first - (len(self.shards) == 0)
            if dear * 50 > limits.wall_ms:
                self.shards.append((kernel.name, last - first))
                return Outcome("limit.wall", wall_us=int(limits.wall_ms * 1000))
            outcome = await super().run_shard(kernel, inputs, first, last, limits, **more)
            return evolve(outcome, cpu_us=dear * 50_000 + last - first)

    placement = Timed({"f": echo})
    limits = RunLimits(kernel=Limits(output=64 << 10), sandboxes=1)
    result = anyio.run(lambda: run(mapping(kit), "main", numbers(400), placement=placement, limits=limits))
    assert 400 == len(result.outputs["y"])
    # All in one, then in halves, then it is known what they cost.
    assert [1, 399, 199] == [count for _, count in placement.shards[:3]]
    assert sum(count for _, count in placement.shards) < 1 + 4 * 399


def test_halves_of_a_dead_shard_run_side_by_side(kit: Any) -> None:
    """Bisection uses all slots, also when the call began with one shard."""

    def f(x: list[Any]) -> list[Any]:
        if int(x[0][2]) >= 1:
            raise kit.Crash("sandbox.crash")
        return echo(x)

    result, placement = play(kit, mapping(kit, "collect"), numbers(100), f, limits=RunLimits(sandboxes=4))
    assert 99 == len(result.outputs["failed"])
    assert 4 == placement.most_running


def test_a_promised_output_that_is_absent(kit: Any) -> None:
    """Only a skipped failure can do that past the checker; the diagnostic names the call."""
    kernel = kit.kernel("f", [kit.port("one")], [kit.out("one")])
    node = kit.node("f", [kit.arg(kit.input(0))], [kit.optional()], on_failure="skip")
    program = kit.program([kit.graph({"xs": kit.one()}, [node], {"y": (kit.one(), kit.at(0, 0))})], [kernel])

    def f(x: list[Any]) -> list[Any]:
        raise kit.Fail("no")

    with pytest.raises(RunError) as caught:
        play(kit, program, {"xs": [InputItem("")]}, f)
    (diagnostic,) = caught.value.diagnostics
    assert ("R0713", kit.CALL) == (diagnostic.code, diagnostic.span)


def test_a_trap_is_its_instances_own(kit: Any) -> None:
    """A trap or `fail` costs no further sandbox; message, item and place are in the failure."""

    def f(x: list[Any]) -> list[Any]:
        if x[0][2] == b"5":
            raise kit.Trap(3)
        if x[0][2] == b"7":
            raise kit.Fail("seven is too many")
        return echo(x)

    result, placement = play(kit, mapping(kit, "collect"), numbers(3_000), f)
    _, calm = play(kit, mapping(kit, "collect"), numbers(3_000), echo)

    assert len(calm.shards) == len(placement.shards)
    assert [item.value for item in result.outputs["failed"]] == [
        ("trap.index", "the index is outside the array", "f", "item5", 1),
        ("fail", "seven is too many", "f", "item7", 1),
    ]


def test_a_failure_ends_the_run_with_a_diagnostic(kit: Any) -> None:
    """Without a policy the first failure ends the run; the diagnostic points into the kernel and at the call."""

    def f(x: list[Any]) -> list[Any]:
        if x[0][2] == b"5":
            raise kit.Trap(3)
        return echo(x)

    with pytest.raises(RunError) as caught:
        play(kit, mapping(kit), numbers(9), f)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == ("R0703", kit.SITE)
    assert [label.span for label in diagnostic.secondary] == [kit.CALL]
    assert diagnostic.message == "`f` failed for the item `item5`: the index is outside the array"


def test_skip_and_value(kit: Any) -> None:
    """`skip` drops the item; `value` puts ok and err into one set, in item order."""

    def f(x: list[Any]) -> list[Any]:
        if int(x[0][2]) % 3 == 0:
            raise kit.Fail("three")
        return echo(x)

    result, _ = play(kit, mapping(kit, "skip"), numbers(10), f)
    assert list("124578") == [item.value for item in result.outputs["y"]]

    flow = kit.many(Result(STR, Named("prelude.Failure")))
    result, _ = play(kit, mapping(kit, "value", flow), numbers(10), f)
    assert [f"item{n}" for n in range(10)] == [item.name for item in result.outputs["y"]]
    for n, item in enumerate(result.outputs["y"]):
        failure = ("fail", "three", "f", f"item{n}", 1)
        assert item.value == (Variant(1, (failure,)) if n % 3 == 0 else Variant(0, (str(n),)))


def test_output_area_is_shared_but_not_the_fault(kit: Any) -> None:
    """Packed instances that fill the area together run again apart; only one that fills it alone fails."""
    big = b"x" * 3000

    def f(x: list[Any]) -> list[Any]:
        return [(0, None, None, big * 5 if x[0][2] == b"77" else big)]

    limits = RunLimits(kernel=Limits(output=8192))
    result, placement = play(kit, mapping(kit, "collect"), numbers(100), f, limits=limits)

    assert len(result.outputs["y"]) == 99
    assert [(i.value[0], i.value[3]) for i in result.outputs["failed"]] == [("limit.output", "item77")]
    assert max(count for _, count in placement.shards) > 1


def test_outputs_that_break_the_declaration(kit: Any) -> None:
    """An image is untrusted: wrong numbers of items, unknown outputs and surplus keys fail their instance only."""
    bad = {
        "1": [],
        "2": [(0, None, None, b"a"), (0, None, None, b"b")],
        "3": [(1, None, None, b"a")],
        "4": [(0, b"key", None, b"a")],
    }

    def f(x: list[Any]) -> list[Any]:
        return bad.get(x[0][2].decode(), echo(x))

    result, _ = play(kit, mapping(kit, "collect"), numbers(6), f)

    assert [item.value for item in result.outputs["y"]] == ["0", "5"]
    assert [("sandbox.output", f"item{n}") for n in (1, 2, 3, 4)] == [
        (item.value[0], item.value[3]) for item in result.outputs["failed"]
    ]


def test_invalid_values_are_found_by_their_reader(kit: Any) -> None:
    """Bytes that are no i64 end the run with a diagnostic that names the node."""
    kernel = kit.kernel("f", [kit.port("one")], [kit.out("one", I64)])
    node = kit.node("f", [kit.arg(kit.input(0))], [kit.one(I64)])
    program = kit.program([kit.graph({"xs": kit.one()}, [node], {"y": (kit.one(I64), kit.at(0, 0))})], [kernel])

    with pytest.raises(RunError) as caught:
        play(kit, program, {"xs": [InputItem("")]}, lambda x: [(0, None, None, b"123")])
    assert caught.value.diagnostics[0].code == "R0711"
    assert "`f`" in caught.value.diagnostics[0].message


def test_admission_bounds_what_is_in_flight(kit: Any) -> None:
    """Never more sandboxes than allowed, nor more than their memory limits fit into the budget."""
    limits = RunLimits(kernel=Limits(memory=1 << 20, stack=1 << 20, output=1 << 20), sandboxes=8, memory=7 << 20)
    _, placement = play(kit, mapping(kit), numbers(60), echo, cost_us=9_000, limits=limits)
    assert placement.most_running == 2

    small = RunLimits(memory=1 << 20)
    with pytest.raises(RunError) as caught:
        play(kit, mapping(kit), numbers(1), echo, limits=small)
    assert caught.value.fault.code == "host.exhausted"


def test_a_failure_cancels_siblings(kit: Any) -> None:
    """A failing node ends a sibling that would run for ever, and its sandbox."""
    kernels = [
        kit.kernel("f", [kit.port("one")], [kit.out("one")]),
        kit.kernel("g", [kit.port("one")], [kit.out("one")]),
    ]
    nodes = [kit.node(name, [kit.arg(kit.input(0))], [kit.one()]) for name in "fg"]
    outputs = {name: (kit.one(), kit.at(i, 0)) for i, name in enumerate("fg")}
    program = kit.program([kit.graph({"x": kit.one()}, nodes, outputs)], kernels)

    def fail(x: list[Any]) -> list[Any]:
        raise kit.Fail("now")

    class Slow(kit.FakePlacement):  # type: ignore[misc, name-defined]
        async def run_shard(self, kernel: Any, *rest: Any, **more: Any) -> Any:
            if kernel.name == "g":
                try:
                    await anyio.sleep_forever()
                finally:
                    self.cancelled += 1
            return await super().run_shard(kernel, *rest, **more)

    placement = Slow({"f": fail})
    with pytest.raises(RunError):
        anyio.run(lambda: run(program, "main", {"x": [InputItem("")]}, placement=placement))
    assert placement.cancelled == 1


def test_compositions_run_once_an_item(kit: Any) -> None:
    """`each` over a composition: keys and names go through, and the policy takes a failure from inside."""
    from dandc.compiler.flow import CompositionNode, Policies

    def f(x: list[Any]) -> list[Any]:
        if x[0][2] == b"2":
            raise kit.Fail("two")
        return [(0, None, None, x[0][2] * 2)]

    kernel = kit.kernel("f", [kit.port("one")], [kit.out("one")])
    inner = kit.graph(
        {"x": kit.one()},
        [kit.node("f", [kit.arg(kit.input(0))], [kit.one()])],
        {"y": (kit.one(), kit.at(0, 0))},
        "inner",
    )
    flow = kit.many(STR, I64)
    outer = CompositionNode(
        "each_of", "inner", (kit.arg(kit.input(0), "each"),), (flow,), Policies(on_failure="collect"), kit.CALL
    )
    outputs = {"y": (flow, kit.at(0, 0)), "failed": (kit.many(FAILURE, I64), kit.at(0, -1))}
    main = kit.graph({"xs": kit.many(STR, I64)}, [outer], outputs)
    program = kit.program([main, inner], [kernel], types=TYPES)

    inputs = {"xs": [InputItem(str(n), f"n{n}", -n) for n in range(4)]}
    result, _ = play(kit, program, inputs, f)

    assert [(i.key, i.name, i.value) for i in result.outputs["y"]] == [
        (-3, "n3", "33"),
        (-1, "n1", "11"),
        (0, "n0", "00"),
    ]
    assert [(i.key, i.value) for i in result.outputs["failed"]] == [(-2, ("fail", "two", "each_of/f", "", 1))]
    assert result.nodes["each_of"] == {"ran": 3, "skipped": 0, "failed": 1}


def test_notes_are_kept(kit: Any) -> None:
    """What instances note is in the result, with node and item."""
    note = 0xFFFFFFFE

    def f(x: list[Any]) -> list[Any]:
        return [(note, None, None, b"looked at " + x[0][2]), *echo(x)]

    result, _ = play(kit, mapping(kit), numbers(300), f)

    assert [("f", f"item{n}", f"looked at {n}") for n in range(300)] == sorted(
        ((note.node, note.item, note.text) for note in result.notes), key=lambda row: int(row[1][4:])
    )
    assert len(result.outputs["y"]) == 300


def test_what_all_instances_share_is_copied_seldom(kit: Any) -> None:
    """With a big `all` argument shards are large, because each of them copies it."""
    kernel = kit.kernel("f", [kit.port("one"), kit.port("set")], [kit.out("one")])
    node = kit.node("f", [kit.arg(kit.input(0), "each"), kit.arg(kit.input(1), "all")], [kit.many()])
    graph = kit.graph({"xs": kit.many(), "big": kit.many()}, [node], {"y": (kit.many(), kit.at(0, 0))})
    inputs = {**numbers(500), "big": [InputItem("x" * (4 << 20))]}

    class Copying(kit.FakePlacement):  # type: ignore[misc, name-defined]
        async def run_shard(self, kernel: Any, inputs: Any, first: int, last: int, *rest: Any, **more: Any) -> Any:
            outcome = await super().run_shard(kernel, inputs, first, last, *rest, **more)
            return evolve(outcome, cpu_us=sum(map(len, inputs)) // 2_000 + 20 * (last - first))

    placement = Copying({"f": lambda x, _: echo(x)})
    limits = RunLimits(kernel=Limits(output=1 << 20))
    result = anyio.run(lambda: run(kit.program([graph], [kernel]), "main", inputs, placement=placement, limits=limits))
    assert 500 == len(result.outputs["y"])
    assert len(placement.shards) < 8


def test_an_image_that_was_loaded_anew_is_metered_from_its_beginning() -> None:
    """A placement closes images that nobody runs, and forgets what they have used."""
    costs = Costs()
    costs.meter("f", Usage(calls=100, instances=100, cpu_us=10_000), 0.0)
    costs.meter("f", Usage(calls=1, instances=110, cpu_us=5_500), 0.0)
    assert costs.known["f"] == (100 + 50) / 2
