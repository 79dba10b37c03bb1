"""Joins, folds, loops and limits through compiled kernels and real sandboxes.

Graphs are put together by hand round kernels that the compiler made, so that every form of the flow graph is there.
"""

import itertools
from typing import Any

import anyio
import pytest
from attrs import evolve

from dandc.api import compile as compile_program
from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    ComputeNode,
    ConstSource,
    EmptySource,
    FlowNode,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    Join,
    LoopNode,
    NodeSource,
    Policies,
    Program,
    ReduceNode,
)
from dandc.compiler.types import I64, STR, Option, Tuple
from dandc.lang.spans import Span
from dandc.vm import InputItem, RunError, dumps, loads, open_local, run
from dandc.vm.limits import RunLimits

KERNELS = """
function show(a: set[str => i64], b: set[str => i64]) => (text: str) {
    var text = "";
    for k, v in a { text += f"{k}{v} "; }
    text += "/";
    for k, v in b { text += f" {k}{v}"; }
    emit text <- text;
}
function add(a: i64, b: i64) => (c: i64) = a + b;
function count(after: option[i64]) => (row: i64, last: optional i64) {
    let n = match after { some(n) => n, none => 0 };
    emit row <- n * n;
    if n < 4 { emit last <- n + 1; }
}
function eat(n: i64) => (m: i64) {
    var xs: array[i64] = [];
    for i in 0..n { xs.append(i); }
    emit m <- xs.len();
}
composition main(a: set[str => i64], n: i64, o: option[i64]) => (y: str, c: i64, r: i64, e: i64) {
    y = show(all a, all a);
    c = add(n, n);
    r, l = count(o);
    e = eat(n);
}
"""
SPAN = Span("program.dnd", 0, 1)
KEYED = FlowType("many", STR, I64)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("composed")
    path = folder / "program.dnd"
    path.write_text(KERNELS)
    return compile_program(path, cache=folder / "cache").compiled


def name_of(kernels: Program, short: str) -> str:
    return next(name for name in kernels.kernels if name.endswith(short))


def bound(source: Any, shard: str = "one") -> ArgBinding:
    return ArgBinding(source, shard, False)


def made(kernels: Program, inputs: dict[str, FlowType], nodes: list[FlowNode], *more: Graph) -> Program:
    """A program with one graph that gives all outputs of its last node."""
    last = len(nodes) - 1
    outputs = tuple(GraphOutput(f"y{i}", flow, NodeSource(last, i)) for i, flow in enumerate(nodes[last].outputs))
    main = Graph("main", tuple(GraphPort(n, t) for n, t in inputs.items()), outputs, tuple(nodes))
    program = evolve(kernels, graphs={g.name: g for g in (main, *more)})
    return loads(dumps(program))


@pytest.mark.parametrize("strategy", ["inner", "left", "right", "full", "anti", "cross"])
def test_joins_in_sandboxes(kernels: Program, strategy: str) -> None:
    """Against a comprehension over dictionaries: what a kernel sees, inherited keys, and unmatched keys."""
    a = {"x": [1, 2], "": [3], "é": [4], "only": [5]}
    b = {"é": [10], "x": [20, 30], "z": [40], "": [50]}
    cross = strategy == "cross"
    flow = FlowType("many", Tuple((STR, STR)) if cross else STR, STR)
    args = (bound(InputSource(0), "keyed"), bound(InputSource(1), "keyed"))
    node = ComputeNode(
        "show", name_of(kernels, "show"), args, (flow,), Policies(), SPAN, Join((0, 1), (strategy,)), flow.key
    )
    program = made(kernels, {"a": KEYED, "b": KEYED}, [node])
    given = {name: [InputItem(v, key=k) for k, vs in side.items() for v in vs] for name, side in (("a", a), ("b", b))}
    result = anyio.run(lambda: run(program, "main", given))

    keys = {
        "inner": a.keys() & b.keys(), "left": a.keys(), "right": b.keys(), "full": a.keys() | b.keys(),
        "anti": a.keys() - b.keys(), "cross": set(itertools.product(a, b)),
    }[strategy]  # fmt: skip

    def text(key: Any) -> str:
        left, right = key if cross else (key, key)
        shown = [f"{left}{v} " for v in a.get(left, [])], [f" {right}{v}" for v in b.get(right, [])]
        return "".join(shown[0]) + "/" + "".join([] if strategy == "anti" else shown[1])

    assert [(item.key, item.value) for item in result.outputs["y0"]] == [(key, text(key)) for key in sorted(keys)]
    unmatched = {} if cross else {"unmatched": {"a": 1, "b": 1}}
    assert result.nodes["show"] == {"ran": len(keys), "skipped": 0, "failed": 0, **unmatched}


def test_folds_in_sandboxes(kernels: Program) -> None:
    """Sums by key of 20,000 numbers, one overflow of one key among them."""
    flow = FlowType("many", STR, I64)
    policies = Policies(on_failure="skip")
    args = (bound(InputSource(0), "keyed"),)
    node = ReduceNode("add", name_of(kernels, "add"), args, (flow,), policies, SPAN, STR)
    rows = [(f"k{n % 7}", n) for n in range(20_000)]
    given = {"xs": [InputItem(n, key=k) for k, n in rows] + [InputItem(2**63 - 1, key="k3")]}
    result = anyio.run(lambda: run(made(kernels, {"xs": KEYED}, [node]), "main", given))
    sums = {f"k{i}": sum(n for k, n in rows if k == f"k{i}") for i in range(7) if i != 3}
    assert {item.key: item.value for item in result.outputs["y0"]} == sums
    assert result.nodes["add"] == {"ran": 6, "skipped": 0, "failed": 1}


def test_a_loop_in_sandboxes(kernels: Program) -> None:
    """Five turns of a compiled kernel; what `next` gives gets into the option that the next turn takes."""
    count = name_of(kernels, "count")
    row, rows, last = FlowType("one", None, I64), FlowType("many", None, I64), FlowType("optional", None, I64)
    read = ComputeNode("count", count, (bound(InputSource(0)),), (row, last), Policies(), SPAN)
    body = Graph(
        "body",
        (GraphPort("after", FlowType("one", None, Option(I64))),),
        (GraphOutput("rows", row, NodeSource(0, 0)), GraphOutput("after", last, NodeSource(0, 1))),
        (read,),
    )
    first = (bound(ConstSource(b"\0")),)
    for most in (5, 4):
        loop = LoopNode("loop", "body", 1, (True,), most, first, (rows,), Policies(), SPAN)
        program = made(kernels, {}, [loop], body)
        if most == 5:
            result = anyio.run(lambda: run(program, "main", {}))  # noqa: B023
            assert [item.value for item in result.outputs["y0"]] == [0, 1, 4, 9, 16]
            continue
        with pytest.raises(RunError) as caught:
            anyio.run(lambda: run(program, "main", {}))  # noqa: B023
        assert caught.value.diagnostics[0].code == "R0714"


def test_limits_of_a_call_in_sandboxes(kernels: Program) -> None:
    """The same call runs out of 1 MiB, has enough of 200 MiB, and takes too long for a millisecond."""
    flow = FlowType("one", None, I64)

    async def main() -> list[str]:
        found = []
        async with open_local(RunLimits()) as placement:
            for limits in ({"memory": 1 << 20}, {"memory": 200 << 20}, {"memory": 200 << 20, "time_ms": 1}):
                node = ComputeNode(
                    "eat", name_of(kernels, "eat"), (bound(InputSource(0)),), (flow,), Policies(**limits), SPAN
                )
                program = made(kernels, {"n": flow}, [node])
                try:
                    result = await run(program, "main", {"n": [InputItem(3_000_000)]}, placement=placement)
                    found.append(str(result.outputs["y0"][0].value))
                except RunError as error:
                    found.append(error.diagnostics[0].code)
        return found

    memory, fine, time = anyio.run(main)
    assert (memory, fine, time in ("S0801", "S0802")) == ("S0803", "3000000", True)


def test_secrets_stay_hidden_in_loops(kernels: Program) -> None:
    """A failure inside a loop that names a secret is scrubbed like any other."""
    from dandc.compiler.flow import OutputDecl, ParamDecl
    from dandc.compiler.types import SECRET
    from dandc.vm import DriverFailureError, Secret

    class Telling:
        module = "http"

        async def call(self, operation: str, arguments: Any, context: Any) -> Any:
            raise DriverFailureError("http.network", f"refused {context.secrets.reveal(arguments[0])}")

        def repeatable(self, operation: str, arguments: Any) -> bool:
            return False

        def check_endpoint(self, endpoint: Any) -> None:
            return None

        async def aclose(self) -> None:
            return None

    secret, text = FlowType("one", None, SECRET), FlowType("one", None, STR)
    tell = CommunicationNode(
        "tell", "http", "tell", (ParamDecl("s", "one", None, SECRET),), (OutputDecl("y", "one", None, STR),),
        (bound(InputSource(0)),), (text,), Policies(), SPAN,
    )  # fmt: skip
    body = Graph(
        "body",
        (GraphPort("s", secret),),
        (GraphOutput("y", text, NodeSource(0, 0)), GraphOutput("s", FlowType("optional", None, SECRET), EmptySource())),
        (tell,),
    )
    loop = LoopNode(
        "loop", "body", 1, (False,), 9, (bound(InputSource(0)),), (FlowType("many", None, STR),), Policies(), SPAN
    )
    program = made(kernels, {"s": secret}, [loop], body)
    with pytest.raises(RunError) as caught:
        anyio.run(lambda: run(program, "main", {"s": [InputItem(Secret("hunter2"))]}, drivers={"http": Telling()}))
    assert (caught.value.fault.node, "hunter2" in str(caught.value), "refused" in str(caught.value)) == (
        "loop/1/tell", False, True,
    )  # fmt: skip
