"""Loops, `++` and `else`: turns against a Python loop, what ends them, their policies, and sets that become one."""

from typing import Any

import anyio
import pytest
from attrs import evolve

from dandc.compiler.flow import (
    ComputeNode,
    ConstSource,
    FlowType,
    LoopNode,
    MergeNode,
    Policies,
)
from dandc.compiler.types import I64, STR, Option
from dandc.vm import InputItem, RunError, run
from dandc.vm.failures import FAILURE, FAILURE_DEF

NONE = b"\0"
MAYBE = FlowType("one", None, Option(STR))


def paging(kit: Any, most: int = 100, keyed: bool = False, **policies: Any) -> Any:
    """`loop (after: option[str] = none) { found, last = read(after, prefix); yield rows <- found; next after = last; }`."""
    kernel = kit.kernel(
        "read", [kit.port("one", Option(STR)), kit.port("one")],
        [kit.out("set", key=I64 if keyed else None), kit.out("optional")],
    )  # fmt: skip
    rows = kit.many(key=I64 if keyed else None)
    read = ComputeNode(
        "read", "read", (kit.arg(kit.input(0)), kit.arg(kit.input(1))), (rows, kit.optional()), Policies(), kit.CALL
    )
    body = kit.graph(
        {"after": MAYBE, "prefix": kit.one()}, [read], {"rows": (rows, kit.at(0, 0)), "after": (kit.optional(), kit.at(0, 1))},
        "body",
    )  # fmt: skip
    args = (kit.arg(ConstSource(NONE)), kit.arg(kit.input(0)))
    loop = LoopNode("loop", "body", 1, (True,), most, args, (rows,), Policies(**policies), kit.CALL)
    outputs = {"y": (rows, kit.at(0, 0)), "failed": (kit.many(FAILURE), kit.at(0, -1))}
    main = kit.graph({"prefix": kit.one()}, [loop], outputs)
    return kit.program([main, body], [kernel], types={"prelude.Failure": FAILURE_DEF})


class Pages:
    """Turn n finds n items, and says where to go on while n < last."""

    def __init__(self, last: int, bad: Any = None) -> None:
        self.last, self.bad = last, bad
        self.asked: list[bytes] = []

    def __call__(self, after: list[Any], prefix: list[Any]) -> list[Any]:
        self.asked.append(after[0][2])
        turn = len(self.asked)
        if self.bad is not None and turn == self.last:
            raise self.bad
        found = [(0, None, f"n{turn}", prefix[0][2] + f"{turn}.{n}".encode()) for n in range(turn)]
        return found + ([(1, None, None, f"p{turn}".encode())] if turn < self.last else [])


def play(kit: Any, made: Any, f: Any, inputs: Any = None, **more: Any) -> Any:
    kernels = f if isinstance(f, dict) else {"read": f}
    given = {"prefix": [InputItem("x")]} if inputs is None else inputs
    return anyio.run(lambda: run(made, "main", given, placement=kit.FakePlacement(kernels), **more))


def test_paging(kit: Any) -> None:
    """Turns run one after the other; the rows of all are there in order; a text becomes `some` of an option."""
    pages = Pages(4)
    result = play(kit, paging(kit), pages)
    assert [i.value for i in result.outputs["y"]] == [f"x{t}.{n}" for t in range(1, 5) for n in range(t)]
    assert [i.name for i in result.outputs["y"]] == [f"n{t}" for t in range(1, 5) for n in range(t)]
    assert pages.asked == [NONE] + [b"\1" + (2).to_bytes(8, "little") + f"p{n}".encode() for n in (1, 2, 3)]
    assert result.nodes["loop"] == {"ran": 1, "skipped": 0, "failed": 0}
    assert [f"loop/{turn}/read" for turn in range(1, 5)] == [name for name in result.nodes if name != "loop"]


def test_rows_with_keys_are_in_the_order_of_keys(kit: Any) -> None:
    pages = iter([[(3, "a"), (1, "b")], [(2, "c"), (1, "d")]])

    def read(after: list[Any], prefix: list[Any]) -> list[Any]:
        first = after[0][2] == NONE
        found = [(0, (k - (-(2**63))).to_bytes(8, "big"), None, v.encode()) for k, v in next(pages)]
        return found + [(1, None, None, b"on")] * first

    result = play(kit, paging(kit, keyed=True), read)
    assert [(i.key, i.value) for i in result.outputs["y"]] == [(1, "b"), (1, "d"), (2, "c"), (3, "a")]


@pytest.mark.parametrize(("last", "fine"), [(3, True), (4, False)])
def test_too_many_turns(kit: Any, last: int, fine: bool) -> None:
    """`up to 3` allows a third turn, and a fourth is a failure, which a policy may take; nothing of it remains then."""
    pages = Pages(last)
    if fine:
        assert len(play(kit, paging(kit, most=3), pages).outputs["y"]) == 6
        return
    with pytest.raises(RunError) as caught:
        play(kit, paging(kit, most=3), pages)
    assert (caught.value.fault.code, caught.value.diagnostics[0].code, len(pages.asked)) == ("loop.limit", "R0714", 3)
    result = play(kit, paging(kit, most=3, on_failure="collect"), Pages(last))
    assert ([i.value[0] for i in result.outputs["failed"]], result.outputs["y"]) == (["loop.limit"], ())
    assert result.nodes["loop"] == {"ran": 0, "skipped": 0, "failed": 1}


def test_a_failure_inside(kit: Any) -> None:
    """It names the turn; the loop's policy decides."""
    bad = kit.Fail("no page")
    with pytest.raises(RunError) as caught:
        play(kit, paging(kit), Pages(2, bad))
    assert (caught.value.fault.node, caught.value.fault.code) == ("loop/2/read", "fail")
    result = play(kit, paging(kit, on_failure="collect"), Pages(2, bad))
    assert [i.value[:3] for i in result.outputs["failed"]] == [("fail", "no page", "loop/2/read")]
    assert play(kit, paging(kit, on_failure="skip"), Pages(2, bad)).outputs["y"] == ()


def test_a_deadline(kit: Any) -> None:
    """`within` is about the loop as a whole, and ends the sandbox that is under way."""

    class Hangs(kit.FakePlacement):  # type: ignore[misc, name-defined]
        async def run_shard(self, *rest: Any, **more: Any) -> Any:
            self.running += 1
            try:
                await anyio.sleep_forever()
            finally:
                self.running -= 1

    placement = Hangs({"read": Pages(9)})
    made = paging(kit, within_ms=50, on_failure="collect")
    result = anyio.run(lambda: run(made, "main", {"prefix": [InputItem("x")]}, placement=placement))
    assert [i.value[:2] for i in result.outputs["failed"]] == [("run.timeout", "it did not end within 50 ms")]
    assert placement.running == 0


def test_a_body_without_calls_ends_too(kit: Any) -> None:
    """It hands its variable round: the bound ends it, and so does a deadline, though it waits for nothing."""
    body = kit.graph({"x": kit.one()}, [], {"x": (kit.one(), kit.input(0))}, "body")
    for most, within, code in ((1000, 0, "loop.limit"), (1 << 40, 30, "run.timeout")):
        loop = LoopNode(
            "loop", "body", 1, (False,), most, (kit.arg(kit.input(0)),), (), Policies(within_ms=within), kit.CALL
        )
        made = kit.program([kit.graph({"prefix": kit.one()}, [loop], {}), body])
        with pytest.raises(RunError) as caught:
            play(kit, made, {})
        assert caught.value.fault.code == code


def test_a_loop_inside_a_composition_for_each_item(kit: Any) -> None:
    """Loops of several instances run side by side, each with its own variables."""
    from dandc.compiler.flow import CompositionNode

    made = paging(kit)
    inner = evolve(made.graphs["main"], name="inner", outputs=made.graphs["main"].outputs[:1])
    call = CompositionNode("inner", "inner", (kit.arg(kit.input(0), "each"),), (kit.many(),), Policies(), kit.CALL)
    main = kit.graph({"xs": kit.many()}, [call], {"y": (kit.many(), kit.at(0, 0))})
    program = kit.program([main, inner, made.graphs["body"]], list(made.kernels.values()), types=made.types)

    def read(after: list[Any], prefix: list[Any]) -> list[Any]:
        page = 0 if after[0][2] == NONE else int(after[0][2][9:])
        more = [(1, None, None, str(page + 1).encode())] if page < int(prefix[0][2]) else []
        return [(0, None, None, prefix[0][2] + b":" + str(page).encode()), *more]

    result = play(kit, program, read, {"xs": [InputItem(str(n)) for n in (2, 0, 1)]})
    assert [i.value for i in result.outputs["y"]] == ["2:0", "2:1", "2:2", "0:0", "1:0", "1:1"]


# --- merges -----------------------------------------------------------------------------------------------------------


def merged(kit: Any, kind: str, flows: list[FlowType], flow: FlowType, given: list[list[InputItem]]) -> list[Any]:
    shard = "all" if kind == "join" else "one"
    args = tuple(kit.arg(kit.input(i), shard) for i in range(len(flows)))
    node = MergeNode("merge", kind, args, (flow,), kit.CALL)
    inputs = {f"x{i}": t for i, t in enumerate(flows)}
    made = kit.program([kit.graph(inputs, [node], {"y": (flow, kit.at(0, 0))})])
    result = play(kit, made, {}, dict(zip(inputs, given, strict=True)))
    assert result.nodes == {}
    return [(i.key, i.name, i.value) for i in result.outputs["y"]]


def test_sets_are_joined(kit: Any) -> None:
    """By key, and equal keys in the order of the arguments; sets without keys one after the other; one item is a set."""
    keyed = kit.many(key=I64)
    left = [InputItem("a", "n", 2), InputItem("b", "", 1), InputItem("c", "", 2)]
    right = [InputItem("d", "", 1), InputItem("e", "", 3)]
    rows = [(1, "", "b"), (1, "", "d"), (2, "n", "a"), (2, "", "c"), (3, "", "e")]
    assert merged(kit, "join", [keyed, keyed], keyed, [left, right]) == rows
    assert merged(kit, "join", [keyed] * 3, keyed, [[], right, []]) == [(1, "", "d"), (3, "", "e")]
    plain = [[InputItem("b"), InputItem("a")], [InputItem("c", "n")], []]
    flows = [kit.many(), kit.one(), kit.optional()]
    assert merged(kit, "join", flows, kit.many(), plain) == [(None, "", "b"), (None, "", "a"), (None, "n", "c")]
    assert merged(kit, "join", [kit.many()], kit.many(), [[]]) == []


def test_the_first_that_is_there(kit: Any) -> None:
    maybe = kit.optional()
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        given = [[InputItem("a")] * a, [InputItem("b")] * b, [InputItem("c")]]
        expected = "a" if a else "b" if b else "c"
        assert merged(kit, "first", [maybe, maybe, kit.one()], kit.one(), given) == [(None, "", expected)]
    assert merged(kit, "first", [maybe, maybe], maybe, [[], []]) == []
