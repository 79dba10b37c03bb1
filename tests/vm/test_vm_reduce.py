"""`reduce` against an oracle that folds one list by hand: shape of the tree, keys, failures, and how much it takes."""

import random
from time import process_time
from typing import Any

import anyio
import pytest

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import FlowType, Policies, ReduceNode, Tolerance
from dandc.compiler.types import I64, STR, Named, Result
from dandc.vm import InputItem, RunError, RunLimits, run
from dandc.vm.failures import FAILURE, FAILURE_DEF


def tree(items: list[str]) -> str | None:
    """The oracle: neighbours in brackets, level by level."""
    while len(items) > 1:
        pairs = [f"({items[i]}{items[i + 1]})" for i in range(0, len(items) - 1, 2)]
        items = pairs + items[len(items) - len(items) % 2 :]
    return items[0] if items else None


def program(kit: Any, shard: str, flow: FlowType, **policies: Any) -> Any:
    """A program that folds `xs` with `f(left, right, mark)`."""
    kernel = kit.kernel("f", [kit.port("one"), kit.port("one"), kit.port("optional")], [kit.out("one")])
    args = (kit.arg(kit.input(0), shard), kit.arg(kit.input(1), optional=True))
    node = ReduceNode("f", "f", args, (flow,), Policies(**policies), kit.CALL, I64 if shard == "keyed" else None)
    outputs = {"y": (flow, kit.at(0, 0)), "failed": (kit.many(FAILURE, flow.key), kit.at(0, -1))}
    inputs = {"xs": kit.many(key=I64 if shard == "keyed" else None), "mark": kit.optional()}
    return kit.program([kit.graph(inputs, [node], outputs)], [kernel], types={"prelude.Failure": FAILURE_DEF})


def brackets(left: list[Any], right: list[Any], mark: list[Any]) -> list[Any]:
    (x,), (y,) = left, right
    assert (x[:2], y[:2]) == ((None, ""), (None, ""))
    return [(0, None, None, b"(" + x[2] + y[2] + b")" + b"".join(item[2] for item in mark))]


def play(kit: Any, made: Any, xs: list[InputItem], f: Any = brackets, **more: Any) -> Any:
    placement = kit.FakePlacement({"f": f}, 1)
    result = anyio.run(lambda: run(made, "main", {"xs": xs, **more}, placement=placement))
    return result, placement


def test_one_fold(kit: Any) -> None:
    """The tree is that of the order of the items, for every length; nothing of nothing."""
    made = program(kit, "all", kit.optional())
    for count in (*range(18), 100):
        items = [f"{n:x}" for n in range(count)]
        result, _ = play(kit, made, [InputItem(item) for item in items])
        assert [item.value for item in result.outputs["y"]] == [tree(items)] * bool(items)
        assert result.nodes["f"] == {"ran": 1, "skipped": 0, "failed": 0}
    result, _ = play(kit, made, [InputItem("a"), InputItem("b")], mark=[InputItem("!")])
    assert [item.value for item in result.outputs["y"]] == ["(ab)!"]


def test_a_fold_a_key(kit: Any) -> None:
    """Keys in any order and of any number of items; a level is packed over all keys together."""
    source = random.Random(1)
    rows = [(key, f"{key}.{n},") for key in range(200) for n in range(source.randrange(9))]
    expected = {key: tree([v for k, v in rows if k == key]) for key, _ in rows}
    # The order of a key's items is that in which they are given: shuffle keys, not items.
    order = sorted(range(len(rows)), key=lambda i: (source.random(), i))
    shuffled = sorted((rows[i] for i in order), key=lambda row: row[1].split(".")[1])
    result, placement = play(kit, program(kit, "keyed", kit.many(key=I64)), [InputItem(v, "n", k) for k, v in shuffled])
    assert {item.key: (item.name, item.value) for item in result.outputs["y"]} == {
        key: ("", value) for key, value in expected.items()
    }
    assert sorted(expected) == [item.key for item in result.outputs["y"]]
    assert result.nodes["f"]["ran"] == len(expected)
    assert len(placement.shards) < 12


def test_failures_are_the_key_s(kit: Any) -> None:
    """A failing pair ends the fold of its key: skipped, collected, as a value, or the end of the run."""

    def f(left: list[Any], right: list[Any], mark: list[Any]) -> list[Any]:
        if right[0][2].endswith(b"!"):
            raise kit.Fail("no")
        return brackets(left, right, mark)

    rows = [InputItem(value, key=key) for key in range(4) for value in ("a", "b", "c", "d!" if key % 2 else "d")]
    failure = ("fail", "no", "f", "1", 1)
    good, other = "((ab)(cd))", ("fail", "no", "f", "3", 1)
    result, _ = play(kit, program(kit, "keyed", kit.many(key=I64), on_failure="collect"), rows, f)
    assert [(i.key, i.value) for i in result.outputs["y"]] == [(0, good), (2, good)]
    assert [(i.key, i.value) for i in result.outputs["failed"]] == [(1, failure), (3, other)]
    assert result.nodes["f"] == {"ran": 2, "skipped": 0, "failed": 2}

    values = kit.many(Result(STR, Named("prelude.Failure")), I64)
    result, _ = play(kit, program(kit, "keyed", values, on_failure="value"), rows, f)
    assert [(i.key, i.value) for i in result.outputs["y"]] == [
        (0, Variant(0, (good,))), (1, Variant(1, (failure,))), (2, Variant(0, (good,))), (3, Variant(1, (other,))),
    ]  # fmt: skip
    with pytest.raises(RunError) as caught:
        play(kit, program(kit, "keyed", kit.many(key=I64)), rows, f)
    assert caught.value.fault.item in ("1", "3")
    skipping = program(kit, "all", kit.optional(), on_failure="skip")
    result, _ = play(kit, skipping, [InputItem("a"), InputItem("b!"), InputItem("c")], f)
    assert (result.outputs["y"], result.nodes["f"]) == ((), {"ran": 0, "skipped": 0, "failed": 1})
    for allowed, fine in ((2, True), (1, False)):
        made = program(kit, "keyed", kit.many(key=I64), on_failure="collect", tolerance=Tolerance(allowed))
        if fine:
            assert len(play(kit, made, rows, f)[0].outputs["failed"]) == 2
            continue
        with pytest.raises(RunError) as caught:
            play(kit, made, rows, f)
        assert caught.value.fault.code == "failures.many"


def test_notes_name_the_key(kit: Any) -> None:
    def f(left: list[Any], right: list[Any], mark: list[Any]) -> list[Any]:
        return [(0xFFFFFFFE, None, None, b"met"), *brackets(left, right, mark)]

    rows = [InputItem(value, key=7) for value in "abc"]
    result, _ = play(kit, program(kit, "keyed", kit.many(key=I64)), rows, f)
    assert [(note.node, note.item, note.text) for note in result.notes] == [("f", "7", "met")] * 2


def test_many_items_are_linear(kit: Any) -> None:
    """100,000 items in few sandboxes and in little time, without one Python object more than values and places."""

    def f(left: list[Any], right: list[Any], mark: list[Any]) -> list[Any]:
        return [(0, None, None, left[0][2])]

    # The placement is Python and the slow part: what is measured is everything else.
    class Timed(kit.FakePlacement):  # type: ignore[misc, name-defined]
        taken = 0.0

        def _run(self, *rest: Any) -> Any:
            began = process_time()
            try:
                return super()._run(*rest)
            finally:
                self.taken += process_time() - began

    made = program(kit, "all", kit.optional())
    xs = [InputItem("x")] * 100_000
    placement = Timed({"f": f})
    began = process_time()
    result = anyio.run(lambda: run(made, "main", {"xs": xs}, placement=placement, limits=RunLimits(sandboxes=2)))
    taken = process_time() - began - placement.taken
    assert [item.value for item in result.outputs["y"]] == ["x"]
    assert sum(count for _, count in placement.shards) == 99_999
    assert (len(placement.shards) < 120, taken < 3.0) == (True, True)
