"""A translated composition means what upstream's rules say, less its defects: beside a model written from those rules alone.

The model is upstream's dispatcher in a few lines: empty is absent, an absent set that is not optional skips the call, an optional one counts as
not given, sets are crossed unless joined, and joins are what they were meant to be.
"""

import base64
from collections.abc import Iterator
from itertools import product
from typing import Any

import anyio
import pytest

from dandc.cache import Cache
from dandc.checking import check_file, lowered
from dandc.compiler.flow import KernelImage, Program
from dandc.conform.engines import InterpreterPlacement
from dandc.vm import run
from dandc.vm.jsonvalues import items_from_json

# Says which items an instance saw: one line an instance, so that instances can be told apart and counted.
PROBE = """
pub function Probe(A: set[u32 => bytes], B: set[u32 => bytes]) => (R: set[u32 => bytes]) {
    var text = "";
    for key, value in A {
        text += f"{key}{value.to_str().or("")} ";
    }
    text += "/ ";
    for key, value in B {
        text += f"{key}{value.to_str().or("")} ";
    }
    emit R[0] <- text.to_bytes();
}
"""
Items = list[tuple[int, str]]
SETS: list[Items] = [[], [(0, "a")], [(0, "a"), (1, "b")], [(0, "a"), (0, "c"), (2, "b")], [(1, "x"), (2, "y")]]
SHARDS = ("all", "each", "keyed")
STRATEGIES = ("inner", "left", "right", "full")


def groups(shard: str, items: Items) -> list[Items]:
    if shard == "all":
        return [items]
    if shard == "each":
        return [[item] for item in items]
    return [[item for item in items if item[0] == key] for key in sorted({key for key, _ in items})]


def joined(strategy: str, left: Items, right: Items) -> Iterator[tuple[Items, Items]]:
    ours, theirs = {key for key, _ in left}, {key for key, _ in right}
    keys = {"inner": ours & theirs, "left": ours, "right": theirs, "full": ours | theirs}[strategy]
    for key in sorted(keys):
        yield [i for i in left if i[0] == key], [i for i in right if i[0] == key]


def model(shards: tuple[str, str], optional: tuple[bool, bool], strategy: str, sets: tuple[Items, Items]) -> list[str]:
    """What each instance sees, in order."""
    if any(not items and not may_be_absent for items, may_be_absent in zip(sets, optional, strict=True)):
        return []
    if not any(sets):
        seen: list[tuple[Items, Items]] = [([], [])]
    elif strategy:
        seen = list(joined(strategy, *sets))
    else:
        first, second = [groups(s, items) if items else [[]] for s, items in zip(shards, sets, strict=True)]
        seen = list(product(first, second))
        if shards[1] == "keyed" and shards[0] != "keyed":  # keyed sets vary slowest, then the parameters as they stand
            seen = [(a, b) for b, a in product(second, first)]
    return [f"{shown(a)}/ {shown(b)}" for a, b in seen]


def shown(items: Items) -> str:
    return "".join(f"{key}{value} " for key, value in items)


CASES = [(shards, optional, "") for shards in product(SHARDS, SHARDS) for optional in product((False, True), repeat=2)]
CASES += [(("keyed", "keyed"), optional, s) for s in STRATEGIES for optional in product((False, True), repeat=2)]


def source() -> str:
    lines = ["function Probe(A, B) => (R);"]
    for number, (shards, optional, strategy) in enumerate(CASES):
        given = [f"{p} = {'optional ' * o}{s} In{p}" for p, o, s in zip("AB", optional, shards, strict=True)]
        by = f" by A {strategy} B" if strategy else ""
        lines.append(f"composition C{number}(InA, InB) => (Out) {{ Probe({', '.join(given)}) => (Out = R){by}; }}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, InterpreterPlacement]:
    folder = tmp_path_factory.mktemp("upstream")
    (folder / "probe.dnd").write_text(PROBE)
    (folder / "all.dc").write_text(source())
    loaded, checked = check_file(folder / "all.dc", Cache(None), tests=False, bind=(("Probe", "probe.Probe"),))
    assert [d for d in (*loaded.diagnostics, *checked.diagnostics) if d.severity == "error"] == []
    plan = lowered(checked)
    images = {name: KernelImage(name, k.params, k.outputs, (), b"") for name, k in plan.kernels.items()}
    program = Program("p", dict(plan.graphs), images, checked.configs, checked.endpoints, dict(checked.world.table))
    return program, InterpreterPlacement(dict(plan.kernels))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_call_means_what_upstream_means(translated: Any, number: int) -> None:
    program, placement = translated
    shards, optional, strategy = CASES[number]
    for sets in product(SETS, SETS):
        assert model(shards, optional, strategy, sets) == instances(program, placement, number, sets), sets


def instances(program: Program, placement: InterpreterPlacement, number: int, sets: tuple[Items, Items]) -> list[str]:
    ports = {port.name: port.type for port in program.graphs[f"main.C{number}"].inputs}
    shapes = {f"In{p}": [shape(item) for item in items] for p, items in zip("AB", sets, strict=True)}
    inputs = {name: items_from_json(flow, shapes[name], program.types) for name, flow in ports.items()}
    result = anyio.run(lambda: run(program, f"main.C{number}", inputs, placement=placement))
    return [item.value.decode() for item in result.outputs["Out"]]  # type: ignore[attr-defined]


def shape(item: tuple[int, str]) -> dict[str, Any]:
    return {"key": item[0], "value": base64.b64encode(item[1].encode()).decode()}
