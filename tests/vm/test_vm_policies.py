"""Policies in the machine: limits of a call, instances in flight, deadlines, bounds of `collect`, and `after`."""

import itertools
import random
from typing import Any

import anyio
import pytest

from dandc.compiler.flow import CompositionNode, ComputeNode, FlowType, Join, KeySource, Policies, Tolerance
from dandc.compiler.types import I64, STR
from dandc.isolation import Limits, Outcome
from dandc.vm import InputItem, RunError, RunLimits, run
from dandc.vm.bounds import kernel_limits
from dandc.vm.failures import FAILURE, FAILURE_DEF
from dandc.vm.tolerance import allowed, is_exceeded

TYPES = {"prelude.Failure": FAILURE_DEF}


def mapping(kit: Any, **policies: Any) -> Any:
    """A program that maps `f` over a set, with its failures as second output."""
    kernel = kit.kernel("f", [kit.port("one")], [kit.out("one")])
    node = kit.node("f", [kit.arg(kit.input(0), "each")], [kit.many()], **policies)
    outputs = {"y": (kit.many(), kit.at(0, 0)), "failed": (kit.many(FAILURE), kit.at(0, -1))}
    return kit.program([kit.graph({"xs": kit.many()}, [node], outputs)], [kernel], types=TYPES)


def numbers(count: int) -> dict[str, list[InputItem]]:
    return {"xs": [InputItem(str(n)) for n in range(count)]}


def echo(x: list[Any]) -> list[Any]:
    return [(0, None, None, x[0][2])]


def play(kit: Any, made: Any, inputs: Any, *, limits: RunLimits | None = None, cost_us: int = 1, **kernels: Any) -> Any:
    placement = kit.FakePlacement(kernels, cost_us)
    return anyio.run(lambda: run(made, "main", inputs, placement=placement, limits=limits)), placement


def test_limits_of_a_call(kit: Any) -> None:
    """`limit memory, time, output` reach the sandbox; what is not said stays the default of the run."""
    seen: list[Limits] = []

    class Looking(kit.FakePlacement):  # type: ignore[misc, name-defined]
        async def run_shard(self, kernel: Any, inputs: Any, first: int, last: int, limits: Any, **more: Any) -> Any:
            seen.append(limits)
            return await super().run_shard(kernel, inputs, first, last, limits, **more)

    made = mapping(kit, memory=200 << 20, time_ms=1500, output=1 << 20)
    anyio.run(lambda: run(made, "main", numbers(1), placement=Looking({"f": echo})))
    assert seen == [Limits(wall_ms=1500, cpu_ms=1500, memory=200 << 20, output=1 << 20)]
    usual, _ = kernel_limits(RunLimits(), Policies())
    assert (usual, usual.wall_ms, usual.cpu_ms) == (Limits(), 10_000, 10_000)
    limits, taken = kernel_limits(RunLimits(), Policies(timeout_ms=700, time_ms=1500, output=1))
    assert (limits.wall_ms, limits.cpu_ms, limits.output) == (700, 1500, 4096)
    assert taken == limits.memory + limits.stack + 4096
    limits, taken = kernel_limits(RunLimits(), Policies(memory=1 << 60, time_ms=1 << 60))
    assert taken > 1 << 60


@pytest.mark.parametrize("policies", [{"memory": 2 << 30}, {"output": 2 << 30}, {"memory": 1 << 60}])
def test_nobody_gets_more_than_the_budget(kit: Any, policies: Any) -> None:
    """A program may ask for more than the default, not for more than the operator's budget."""
    with pytest.raises(RunError) as caught:
        play(kit, mapping(kit, **policies), numbers(2), f=echo)
    assert (caught.value.fault.code, caught.value.diagnostics[0].code) == ("host.exhausted", "S0809")


def test_instances_in_flight(kit: Any) -> None:
    """`concurrency` bounds sandboxes of a call: the instances in one of them run one after the other."""
    limits = RunLimits(sandboxes=8, kernel=Limits(memory=1 << 20, output=1 << 20))
    for bound, expected in ((0, 8), (3, 3), (1, 1), (100, 8)):
        _, placement = play(
            kit, mapping(kit, concurrency=bound), numbers(60), limits=limits, cost_us=9_000, f=echo
        )  # fmt: skip
        assert placement.most_running == expected


def test_runs_of_a_composition_in_flight(kit: Any) -> None:
    kernel = kit.kernel("f", [kit.port("one")], [kit.out("one")])
    inner = kit.graph(
        {"x": kit.one()}, [kit.node("f", [kit.arg(kit.input(0))], [kit.one()])], {"y": (kit.one(), kit.at(0, 0))}, "inner"
    )  # fmt: skip
    limits = RunLimits(sandboxes=8, kernel=Limits(memory=1 << 20, output=1 << 20))
    for bound in (2, 5):
        call = CompositionNode(
            "inner", "inner", (kit.arg(kit.input(0), "each"),), (kit.many(),), Policies(concurrency=bound), kit.CALL
        )
        main = kit.graph({"xs": kit.many()}, [call], {"y": (kit.many(), kit.at(0, 0))})
        _, placement = play(kit, kit.program([main, inner], [kernel]), numbers(40), limits=limits, f=echo)
        assert placement.most_running == bound


# --- collect up to ----------------------------------------------------------------------------------------------------


def test_what_is_allowed() -> None:
    """A percentage is of all instances, rounded down; nothing is certain before their number is."""
    assert [allowed(Tolerance(percent=10), n) for n in (0, 9, 10, 19, 20)] == [0, 0, 1, 1, 2]
    assert [allowed(Tolerance(3), n) for n in (0, 100)] == [3, 3]
    assert not is_exceeded(Tolerance(percent=10), 50, None)
    assert is_exceeded(Tolerance(3), 4, None)
    assert not is_exceeded(Tolerance(3), 3, None)
    assert is_exceeded(Tolerance(), 1, 10)
    assert not is_exceeded(None, 10, 10)


@pytest.mark.parametrize(("tolerance", "bad", "fine"), [
    (Tolerance(3), 3, True), (Tolerance(3), 4, False), (Tolerance(0), 0, True), (Tolerance(0), 1, False),
    (Tolerance(percent=10), 10, True), (Tolerance(percent=10), 11, False), (Tolerance(percent=100), 100, True),
])  # fmt: skip
def test_collect_up_to(kit: Any, tolerance: Tolerance, bad: int, fine: bool) -> None:
    """Exactly as many failures as allowed are collected; one more ends the run, with one code."""

    def f(x: list[Any]) -> list[Any]:
        if int(x[0][2]) >= 100 - bad:
            raise kit.Fail("bad")
        return echo(x)

    made = mapping(kit, on_failure="collect", tolerance=tolerance)
    if fine:
        result, _ = play(kit, made, numbers(100), f=f)
        assert (len(result.outputs["y"]), len(result.outputs["failed"])) == (100 - bad, bad)
        return
    with pytest.raises(RunError) as caught:
        play(kit, made, numbers(100), f=f)
    (diagnostic,) = caught.value.diagnostics
    assert (caught.value.fault.code, diagnostic.code, diagnostic.span) == ("failures.many", "R0715", kit.CALL)
    assert "with fail: bad" in diagnostic.message


def test_the_bound_holds_for_sets_that_grow(kit: Any) -> None:
    """A percentage of a set that is still being made is judged at its end: early failures alone decide nothing."""
    kernels = [kit.kernel(name, [kit.port("one")], [kit.out("one")]) for name in ("g", "f")]
    policies = {"on_failure": "collect", "tolerance": Tolerance(percent=5)}
    nodes = [
        kit.node("g", [kit.arg(kit.input(0), "each")], [kit.many()]),
        kit.node("f", [kit.arg(kit.at(0, 0), "each")], [kit.many()], **policies),
    ]
    outputs = {"y": (kit.many(), kit.at(1, 0)), "failed": (kit.many(FAILURE), kit.at(1, -1))}
    made = kit.program([kit.graph({"xs": kit.many()}, nodes, outputs)], kernels, types=TYPES)
    for bad, fine in ((10, True), (11, False)):

        def f(x: list[Any], bad: int = bad) -> list[Any]:
            if int(x[0][2]) < bad:
                raise kit.Fail("early")
            return echo(x)

        if fine:
            result, _ = play(kit, made, numbers(200), g=echo, f=f, cost_us=500)
            assert len(result.outputs["failed"]) == bad
        else:
            with pytest.raises(RunError) as caught:
                play(kit, made, numbers(200), g=echo, f=f, cost_us=500)
            assert caught.value.fault.code == "failures.many"


# --- after ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skipped", [False, True])
def test_after_waits_without_data(kit: Any, skipped: bool) -> None:
    """A call waits for nodes that it reads nothing of, also if they are skipped."""
    kernels = [kit.kernel(name, [kit.port("one")], [kit.out("one")]) for name in "abc"]
    source = kit.input(1) if skipped else kit.input(0)
    nodes = [
        kit.node("a", [kit.arg(source)], [kit.optional()]),
        kit.node("b", [kit.arg(kit.at(0, 0))], [kit.optional()]),
        ComputeNode("c", "c", (kit.arg(kit.input(0)),), (kit.one(),), Policies(), kit.CALL, after=(1,)),
    ]
    outputs = {"y": (kit.one(), kit.at(2, 0))}
    made = kit.program([kit.graph({"x": kit.one(), "none": kit.optional()}, nodes, outputs)], kernels)
    _, placement = play(kit, made, {"x": [InputItem("x")], "none": []}, a=echo, b=echo, c=echo)
    assert [name for name, _ in placement.shards] == (["c"] if skipped else ["a", "b", "c"])


# --- joins and groups in runs -----------------------------------------------------------------------------------------


def joined(kit: Any, shard: str, strategy: str, key: bool = False) -> Any:
    params = [
        kit.port("set", key=I64, name="a"),
        kit.port("set", key=I64, name="b"),
        *([kit.port("one", I64)] if key else []),
    ]
    kernel = kit.kernel("f", params, [kit.out("set")])
    args = [kit.arg(kit.input(i), shard) for i in (0, 1)] + [kit.arg(KeySource(), "key")] * key
    t = None if shard.startswith("any") else I64
    flow = kit.many(key=t)
    node = ComputeNode(
        "f", "f", tuple(args), (flow,), Policies(), kit.CALL, Join((0, 1), (strategy,)), key=t
    )  # fmt: skip
    keyed = kit.many(key=I64)
    graph = kit.graph({"a": keyed, "b": keyed}, [node], {"y": (flow, kit.at(0, 0))})
    return kit.program([graph], [kernel])


def rows(keys: list[int], mark: str) -> list[InputItem]:
    return [InputItem(f"{mark}{n}", "named", key) for n, key in enumerate(keys)]


def test_a_join_in_a_run(kit: Any) -> None:
    """Inputs in any order, several items a key, the key as an argument, inherited keys, no names, and the summary."""

    def f(a: list[Any], b: list[Any], k: list[Any]) -> list[Any]:
        text = b"+".join(v for _, _, v in a) + b"/" + b"+".join(v for _, _, v in b)
        return [(0, None, None, str(int.from_bytes(k[0][2], "little", signed=True)).encode() + b":" + text)]

    given = {"a": rows([5, -1, 2, 5], "a"), "b": rows([2, 7, 5, 2], "b")}
    expected = {
        "inner": [(2, "2:a2/b0+b3"), (5, "5:a0+a3/b2")],
        "left": [(-1, "-1:a1/"), (2, "2:a2/b0+b3"), (5, "5:a0+a3/b2")],
        "right": [(2, "2:a2/b0+b3"), (5, "5:a0+a3/b2"), (7, "7:/b1")],
        "full": [(-1, "-1:a1/"), (2, "2:a2/b0+b3"), (5, "5:a0+a3/b2"), (7, "7:/b1")],
        "anti": [(-1, "-1:a1/")],
    }
    for strategy, items in expected.items():
        result, _ = play(kit, joined(kit, "keyed", strategy, key=True), given, f=f)
        assert [(i.key, i.name, i.value) for i in result.outputs["y"]] == [(k, "", v) for k, v in items]
        assert result.nodes["f"] == {"ran": len(items), "skipped": 0, "failed": 0, "unmatched": {"a": 1, "b": 1}}
    matched = {"a": rows([1, 2], "a"), "b": rows([2, 1], "b")}
    assert play(kit, joined(kit, "keyed", "inner", key=True), matched, f=f)[0].nodes["f"] == {
        "ran": 2, "skipped": 0, "failed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("strategy", ["inner", "left", "right", "full", "anti"])
def test_groups_do_not_change_what_is_computed(kit: Any, strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that does not ask how its items are grouped gives the same set for every grouping."""

    def f(a: list[Any], b: list[Any]) -> list[Any]:
        found = []
        for key in sorted({k for k, _, _ in (*a, *b)}):
            left, right = ([v for k, _, v in side if k == key] for side in (a, b))
            found += [(0, None, None, b"%b|%b" % (b",".join(left), b",".join(right)))]
        return found

    source = random.Random(6)
    given = {side: rows([source.randrange(12) for _ in range(30)], side) for side in "ab"}
    exact, _ = play(kit, joined(kit, "keyed", strategy), given, f=f)
    groupings = set()
    for _ in range(12):

        def cut(self: Any, items: Any, sizes: Any) -> Any:
            shards = len(items) - 1
            inner = sorted(source.sample(range(1, shards), source.randrange(shards))) if shards > 1 else []
            groupings.add((len(inner), *inner))
            return [0, *inner, shards] if shards else [0]

        monkeypatch.setattr("dandc.vm.grouping.Grouping.cut", cut)
        result, _ = play(kit, joined(kit, "anyKeyed", strategy), given, f=f)
        assert [i.value for i in result.outputs["y"]] == [i.value for i in exact.outputs["y"]]
        assert {(i.key, i.name) for i in result.outputs["y"]} <= {(None, "")}
    assert len(groupings) > 1 or len(exact.outputs["y"]) < 2


def test_groups_follow_measured_costs(kit: Any) -> None:
    """Cheap items are put into one group once it is known that they are."""
    kernel = kit.kernel("f", [kit.port("set")], [kit.out("one")])
    nodes = [
        kit.node("f", [kit.arg(kit.input(0), "anyEach")], [kit.many()]),
        ComputeNode("g", "f", (kit.arg(kit.input(0), "anyEach"),), (kit.many(),), Policies(), kit.CALL, after=(0,)),
    ]
    outputs = {name: (kit.many(), kit.at(i, 0)) for i, name in enumerate("yz")}
    made = kit.program([kit.graph({"xs": kit.many()}, nodes, outputs)], [kernel])
    result, _ = play(
        kit, made, numbers(400), f=lambda xs: [(0, None, None, str(len(xs)).encode())], limits=RunLimits(sandboxes=2)
    )  # fmt: skip
    assert [item.value for item in result.outputs["y"]] == ["50"] * 8
    assert [item.value for item in result.outputs["z"]] == ["400"]


def test_a_crossing_runs_in_order_with_few_copies(kit: Any) -> None:
    """30 x 40 pairs: in the order of the left and then the right, and no shard copies an item twice."""
    kernel = kit.kernel("f", [kit.port("one"), kit.port("one")], [kit.out("one")])
    args = (kit.arg(kit.input(0), "each"), kit.arg(kit.input(1), "each"))
    node = ComputeNode("f", "f", args, (kit.many(),), Policies(), kit.CALL, Join((0, 1), ("cross",)))
    made = kit.program(
        [kit.graph({"a": kit.many(), "b": kit.many()}, [node], {"y": (kit.many(), kit.at(0, 0))})], [kernel]
    )
    given = {"a": [InputItem(f"a{n}") for n in range(30)], "b": [InputItem(f"b{n}") for n in range(40)]}
    copied = []

    class Counting(kit.FakePlacement):  # type: ignore[misc, name-defined]
        async def run_shard(self, kernel: Any, inputs: Any, first: int, last: int, *rest: Any, **more: Any) -> Outcome:
            copied.append((last - first, sum(map(len, inputs))))
            found: Outcome = await super().run_shard(kernel, inputs, first, last, *rest, **more)
            return found

    placement = Counting({"f": lambda a, b: [(0, None, None, a[0][2] + b[0][2])]})
    result = anyio.run(lambda: run(made, "main", given, placement=placement, limits=RunLimits(sandboxes=2)))
    pairs = itertools.product(range(30), range(40))
    assert [item.value for item in result.outputs["y"]] == [f"a{m}b{n}" for m, n in pairs]
    assert all(size <= 64 + 16 * count + 48 * min(70, 2 * count + 2) for count, size in copied)


def test_flow_types_are_used(kit: Any) -> None:
    """A key that is text stays text in a tuple of keys."""
    from dandc.compiler.types import Tuple

    kernel = kit.kernel("f", [kit.port("set", key=STR), kit.port("set", key=I64)], [kit.out("one")])
    args = (kit.arg(kit.input(0), "keyed"), kit.arg(kit.input(1), "keyed"))
    key = Tuple((STR, I64))
    flow = FlowType("many", key, STR)
    node = ComputeNode("f", "f", args, (flow,), Policies(), kit.CALL, Join((0, 1), ("cross",)), key=key)
    inputs = {"a": kit.many(key=STR), "b": kit.many(key=I64)}
    made = kit.program([kit.graph(inputs, [node], {"y": (flow, kit.at(0, 0))})], [kernel])
    given = {"a": [InputItem("v", key=k) for k in ("é", "a\0", "")], "b": [InputItem("w", key=k) for k in (3, -3)]}
    result, _ = play(kit, made, given, f=lambda a, b: [(0, None, None, b"")])
    assert [item.key for item in result.outputs["y"]] == [(k, n) for k in ("", "a\0", "é") for n in (-3, 3)]
