"""Passes over flow graphs: each as a golden of its text, what must stay stays, and the outputs are the same bits without them."""

import json
import random
from pathlib import Path
from typing import Any

import anyio
import pytest

from dandc.cache import Cache
from dandc.checking import check_file, lowered
from dandc.compiler.flow import ConstSource
from dandc.compiler.flow_walk import called_kernel
from dandc.compiler.graph_passes import pipeline
from dandc.compiler.graph_passes.plan import Plan
from dandc.conform.engines import InterpreterPlacement
from dandc.vm import run
from dandc.vm.jsonvalues import items_from_json

KERNELS = """
function twice(a: i64) => (b: i64) = 2 * a;
function add(a: i64, b: i64) => (c: i64) = a + b;
function half(a: i64) => (b: i64) = 100 / a;
function said(a: i64) => (b: i64) { note f"{a}"; emit b <- a; }
function check(a: i64) => () { if a < 0 { fail "negative"; } }
function maybe(a: i64) => (b: optional i64) { if a > 5 { emit b <- a; } }
function or_one(a: optional i64) => (b: i64) = a.or(1);
function many(a: i64) => (bs: set[i64]) { for i in 0..a { emit bs <- i; } }
function keyed_(a: i64) => (bs: set[i64 => i64]) { emit bs[a] <- a; }
function total(xs: set[i64]) => (n: i64) = xs.values().fold(0, |a, b| a + b);
config step: i64 = 3;
"""


def plan_of(tmp_path: Path, text: str) -> tuple[Plan, Any]:
    file = tmp_path / "p.dnd"
    file.write_text(KERNELS + text)
    loaded, checked = check_file(file, Cache(None), tests=False)
    assert [d for d in (*loaded.diagnostics, *checked.diagnostics) if d.severity == "error"] == []
    return lowered(checked), checked


def names(plan: Plan) -> list[str]:
    return [node.name for node in plan.graphs["main.main"].nodes]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # Calls of constants, also of what was a constant only after another call was folded.
        ("y = add(x, twice(twice(5)));", ["add"]),
        ("y = add(x, or_one(maybe(9)));", ["add"]),
        ("y = add(x, or_one(maybe(3)));", ["add"]),
        ("y = add(x, total(all twice(4)));", ["add"]),
        # What a run may say otherwise, what fails, what is seen, what is more than one item.
        ("y = add(x, twice(step));", ["twice", "add"]),
        ("y = add(x, half(0));", ["half", "add"]),
        ("y = add(x, said(1));", ["said", "add"]),
        ("y = add(x, total(all many(3)));", ["many", "total", "add"]),
        ("y = add(x, total(all keyed_(3)));", ["keyed_", "total", "add"]),
        ("k = half(0) on failure skip; y = add(x, or_one(k));", ["half", "or_one", "add"]),
        # Equal calls.
        ("y = add(twice(x), twice(x));", ["twice", "add"]),
        ("y = add(add(twice(x), x), add(twice(x), x));", ["twice", "add", "add#3"]),
        ("y = add(said(x), said(x));", ["said", "said#2", "add"]),
        ("y = add(half(x), half(x) timeout 1s);", ["half", "half#2", "add"]),
        # Calls whose outputs nobody reads, but for assertions and notes.
        ("u = twice(x); v = add(u, 1); y = half(x);", ["half"]),
        ("check(x); y = half(x);", ["check", "half"]),
        ("u = said(x); y = half(x);", ["said", "half"]),
    ],
)
def test_what_goes_and_what_stays(tmp_path: Path, body: str, expected: list[str]) -> None:
    plan, _ = plan_of(tmp_path, f"composition main(x: i64) => (y: i64) {{ {body} }}")
    assert sorted(expected) == sorted(names(pipeline.run(plan)))


def test_what_a_composition_runs_counts(tmp_path: Path) -> None:
    """A call of a composition that notes something or communicates stays, one that is pure goes."""
    text = """
import http;
endpoint service = http("http://127.0.0.1:1");
function ask(a: i64) => (request: http.Request) = service.get(f"/{a}");
composition pure(a: i64) => (b: i64) { b = twice(twice(a)); }
composition notes(a: i64) => (b: i64) { b = said(a); }
composition asks(a: i64) => (r: http.Response) { r = http.fetch(ask(a)); }
composition main(x: i64) => (y: i64) { u = pure(x); v = notes(x); w = asks(x); y = add(pure(x), pure(x)); }
"""
    plan, _ = plan_of(tmp_path, text)
    assert ["add", "asks", "notes", "pure"] == sorted(n.partition("#")[0] for n in names(pipeline.run(plan)))


def test_a_folded_value_is_what_the_call_gives(tmp_path: Path) -> None:
    plan, _ = plan_of(tmp_path, "composition main(x: i64) => (y: i64) { y = twice(21); }")
    (output,) = pipeline.run(plan).graphs["main.main"].outputs
    assert output.source == ConstSource((42).to_bytes(8, "little"))


def test_each_pass_says_what_it_made(tmp_path: Path) -> None:
    plan, _ = plan_of(tmp_path, "composition main(x: i64) => (y: i64) { u = twice(x); y = add(twice(x), twice(4)); }")
    seen: list[tuple[str, int]] = []
    pipeline.run(plan, lambda name, made: seen.append((name, len(made.graphs["main.main"].nodes))))
    assert seen == [("fold", 3), ("share", 2), ("dead", 2)]


def random_body(chance: random.Random) -> str:
    """A composition that makes sets out of sets, some of them never read."""
    sets = ["x", "z"]
    lines = []
    for number in range(chance.randint(3, 9)):

        def given() -> str:
            return chance.choice([*sets, str(chance.randint(-3, 9)), f"twice({chance.choice(sets)})", "step"])

        call = chance.choice(
            [f"twice({given()})", f"add({given()}, {given()})", f"or_one(maybe({given()}))", f"said({given()})", f"total(all many({given()}))"]
        )  # fmt: skip
        lines.append(f"s{number} = {call};")
        sets.append(f"s{number}")
    chance.shuffle(lines)
    return f"composition main(x: i64, z: i64) => (y: i64) {{ {' '.join(lines)} y = add({sets[-1]}, {chance.choice(sets)}); }}"


@pytest.mark.parametrize("seed", range(12))
def test_outputs_are_the_same_without_passes(tmp_path: Path, seed: int) -> None:
    plan, checked = plan_of(tmp_path, random_body(random.Random(seed)))
    outputs = [outcome(made, checked) for made in (plan, pipeline.run(plan))]
    assert outputs[0] == outputs[1]


def outcome(plan: Plan, checked: Any) -> str:
    """What a run on the interpreter gives, notes included (in any order)."""
    from dandc.compiler.flow import KernelImage, Program

    called = {k for g in plan.graphs.values() for n in g.nodes if (k := called_kernel(n)) is not None}
    images = {k: KernelImage(k, plan.kernels[k].params, plan.kernels[k].outputs, (), b"") for k in called}
    program = Program("p", dict(plan.graphs), images, checked.configs, checked.endpoints, dict(checked.world.table))
    ports = {port.name: port.type for port in plan.graphs["main.main"].inputs}
    inputs = {name: items_from_json(flow, 4, program.types) for name, flow in ports.items()}
    placement = InterpreterPlacement(dict(plan.kernels))
    result = anyio.run(lambda: run(program, "main.main", inputs, placement=placement))
    return json.dumps([[i.value for i in result.outputs["y"]], sorted(n.text for n in result.notes)])
