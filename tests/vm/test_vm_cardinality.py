"""Which instances a call has, against a brute-force oracle over every sharding, cardinality and emptiness."""

import itertools
from typing import Any

import anyio
import pytest

from dandc.compiler.flow import FlowType
from dandc.compiler.keys import encode_key
from dandc.compiler.types import I64, STR
from dandc.vm import InputItem, run

KEYS = {"none": [], "one": [1], "twice": [1, 1], "runs": [2, 1, 2], "many": [-5, 0, 3, 3, -5, 7]}


def rows_of(shard: str, items: list[tuple[int, str]]) -> list[list[str]]:
    """The oracle: what each instance of a call over the set sees."""
    ordered = sorted(items, key=lambda item: item[0])
    if shard == "all":
        return [[value for _, value in ordered]]
    if shard == "each":
        return [[value] for _, value in ordered]
    return [[v for _, v in group] for _, group in itertools.groupby(ordered, key=lambda item: item[0])]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("shard", ["all", "each", "keyed"])
@pytest.mark.parametrize("constant", [False, True])
def test_sharding_matches_the_oracle(kit: Any, shard: str, keys: str, constant: bool) -> None:
    items = [(key, f"v{n}") for n, key in enumerate(KEYS[keys])]
    kind = "one" if shard == "each" else "set"
    params = [kit.port("one")] * constant + [kit.port(kind, key=I64)]
    kernel = kit.kernel("f", params, [kit.out("one")])
    args = [kit.arg(kit.input(0))] * constant + [kit.arg(kit.input(1), shard)]
    flow = kit.many() if shard == "all" else kit.many(key=I64)
    graph = kit.graph(
        {"c": kit.one(), "xs": kit.many(key=I64)}, [kit.node("f", args, [flow])], {"y": (flow, kit.at(0, 0))}
    )
    seen: list[list[str]] = []

    def f(*sets: list[Any]) -> list[Any]:
        assert [items[0][2] for items in sets[:-1]] == [b"c"] * constant
        seen.append([value.decode() for _, _, value in sets[-1]])
        return [(0, None, None, ",".join(seen[-1]).encode())]

    inputs = {"c": [InputItem("c")], "xs": [InputItem(v, key=k) for k, v in items]}
    result = anyio.run(
        lambda: run(kit.program([graph], [kernel]), "main", inputs, placement=kit.FakePlacement({"f": f}))
    )

    expected = rows_of(shard, items)
    assert sorted(expected) == sorted(seen)
    assert [",".join(row) for row in expected] == [item.value for item in result.outputs["y"]]
    assert {"ran": len(expected), "skipped": 0, "failed": 0} == result.nodes["f"]
    if shard == "keyed":
        assert sorted({key for key, _ in items}) == [item.key for item in result.outputs["y"]]


@pytest.mark.parametrize(("present", "declared_optional"), list(itertools.product([True, False], repeat=2)))
def test_absent_item(kit: Any, present: bool, declared_optional: bool) -> None:
    """Absent into `x: T` skips the call and what needs it; into `x: optional T` it is nothing; `all` still runs."""
    first = kit.kernel("first", [kit.port("optional" if declared_optional else "one")], [kit.out("one")])
    after = kit.kernel("after", [kit.port("one")], [kit.out("one")])
    total = kit.kernel("total", [kit.port("set")], [kit.out("one")])
    nodes = [
        kit.node("first", [kit.arg(kit.input(0), optional=declared_optional)], [kit.optional()]),
        kit.node("after", [kit.arg(kit.at(0, 0))], [kit.optional()]),
        kit.node("total", [kit.arg(kit.at(1, 0), "all")], [kit.one()]),
    ]
    outputs = {"y": (kit.optional(), kit.at(1, 0)), "n": (kit.one(), kit.at(2, 0))}
    kernels = {
        "first": lambda x: [(0, None, None, b"+".join([b"first", *(v for _, _, v in x)]))],
        "after": lambda x: [(0, None, None, x[0][2] + b"!")],
        "total": lambda xs: [(0, None, None, str(len(xs)).encode())],
    }
    inputs = {"x": [InputItem("x")]} if present else {}
    program = kit.program([kit.graph({"x": kit.optional()}, nodes, outputs)], [first, after, total])
    result = anyio.run(lambda: run(program, "main", inputs, placement=kit.FakePlacement(kernels)))

    ran = present or declared_optional
    expected = ["first+x!"] if present else ["first!"] if declared_optional else []
    assert expected == [item.value for item in result.outputs["y"]]
    assert str(len(expected)) == result.outputs["n"][0].value
    counts = {"ran": int(ran), "skipped": int(not ran), "failed": 0}
    assert (counts, counts) == (result.nodes["first"], result.nodes["after"])
    assert result.nodes["total"] == {"ran": 1, "skipped": 0, "failed": 0}


def test_keys_and_names(kit: Any) -> None:
    """What a kernel does not say is inherited from the item of `each`; what it says counts; order is by key."""
    kernel = kit.kernel("f", [kit.port("one")], [kit.out("set", key=STR)])
    flow = kit.many(key=STR)
    node = kit.node("f", [kit.arg(kit.input(0), "each")], [flow])
    program = kit.program([kit.graph({"xs": flow}, [node], {"y": (flow, kit.at(0, 0))})], [kernel])

    def f(x: list[Any]) -> list[Any]:
        return [(0, None, None, b"1"), (0, b"a", None, b"2"), (0, None, "said", b"3"), (0, b"z", "", b"4")]

    inputs = {"xs": [InputItem("v", "n1", "m"), InputItem("w", "n0", "b")]}
    result = anyio.run(lambda: run(program, "main", inputs, placement=kit.FakePlacement({"f": f})))

    got = [(item.key, item.name, item.value) for item in result.outputs["y"]]
    expected = [
        ("a", "n0", "2"), ("a", "n1", "2"), ("b", "n0", "1"), ("b", "said", "3"),
        ("m", "n1", "1"), ("m", "said", "3"), ("z", "", "4"), ("z", "", "4"),
    ]  # fmt: skip
    assert expected == got


def test_outputs_of_several_kinds(kit: Any) -> None:
    """Items of different outputs do not mix, and an optional output may stay away."""
    kernel = kit.kernel(
        "f", [kit.port("one", I64)], [kit.out("one", I64), kit.out("optional", STR), kit.out("set", STR)]
    )
    flows = [kit.many(I64), kit.many(), kit.many()]
    node = kit.node("f", [kit.arg(kit.input(0), "each")], flows)
    outputs = {name: (flow, kit.at(0, i)) for i, (name, flow) in enumerate(zip("abc", flows, strict=True))}
    program = kit.program([kit.graph({"xs": kit.many(I64)}, [node], outputs)], [kernel])

    def f(x: list[Any]) -> list[Any]:
        n = int.from_bytes(x[0][2], "little", signed=True)
        maybe = [(1, None, None, b"odd")] * (n % 2)
        return [(2, None, None, b"s") for _ in range(n)] + maybe + [(0, None, None, x[0][2])]

    inputs = {"xs": [InputItem(n) for n in range(4)]}
    result = anyio.run(lambda: run(program, "main", inputs, placement=kit.FakePlacement({"f": f})))

    assert [item.value for item in result.outputs["a"]] == [0, 1, 2, 3]
    assert [item.value for item in result.outputs["b"]] == ["odd"] * 2
    assert len(result.outputs["c"]) == 6


def test_order_is_of_numbers_not_of_text(kit: Any) -> None:
    """Keys sort as their type says."""
    flow = FlowType("many", I64, STR)
    program = kit.program([kit.graph({"xs": flow}, [], {"y": (flow, kit.input(0))})])
    keys = [10, -1, 9, 2**62, -(2**63), 0]
    result = anyio.run(lambda: run(program, "main", {"xs": [InputItem("", key=k) for k in keys]}))

    assert sorted(keys) == [item.key for item in result.outputs["y"]]
    assert sorted(keys, key=lambda k: encode_key(I64, k)) == sorted(keys)
