"""Functions whose types are their own, bound to upstream's sources: sets hold what the functions give, or the source is refused in its own words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from dandc.cache import Cache
from dandc.checking import check_file, lowered
from dandc.compiler.flow import KernelImage, Program
from dandc.compiler.types import I64
from dandc.conform.engines import InterpreterPlacement
from dandc.lang import DiagnosticError
from dandc.vm import InputItem, OutputItem, run

LIBRARY = """
pub record Pair { left: i64, right: i64 }
pub function two(a: set[i64], b: set[i64]) => (o: set[i64]) { emit o <- a.len() * 10 + b.len(); }
pub function product(a: set[i64], b: set[i64]) => (o: set[i64]) {
    emit o <- a.values().fold(0, |s, x| s + x) * b.values().fold(0, |s, x| s + x);
}
pub function keys(a: set[u32 => i64]) => (o: set[str => i64]) { for key, x in a { emit o[f"k{key}"] <- x; } }
pub function total(a: set[i64]) => (o: i64) = a.values().fold(0, |s, x| s + x);
pub function next(a: i64) => (o: i64) = a + 1;
pub function either(a: optional i64, b: set[Pair]) => (o: i64) = a.or(7) + b.len();
pub function pair(a: i64, b: i64) => (o: Pair) { emit o <- Pair(left: a, right: b); }
pub function left(a: set[Pair]) => (o: set[i64]) { for p in a { emit o <- p.left; } }
pub function named(a: set[str => i64]) => (o: i64) = a.len();
"""
DECLARED = {
    "two": "a,b", "product": "a,b", "keys": "a", "total": "a", "next": "a", "either": "a,b", "pair": "a,b", "left": "a", "named": "a",
}  # fmt: skip
HEAD = "".join(f"function {name}({inputs})=>(o);" for name, inputs in DECLARED.items())
BIND = tuple((name, f"lib.{name}") for name in DECLARED)
A, B = [(0, 1), (0, 2), (2, 4)], [(0, 8), (2, 16)]
# One call or several, and what `C` holds: keys with values.
CASES: Sequence[tuple[str, list[tuple[object, object]]]] = [
    ("two(a=all A,b=all B)=>(C=o);", [(None, 32)]),
    ("two(a=each A)=>(C=o);", [(0, 10), (0, 10), (2, 10)]),
    ("two(a=keyed A,b=all B)=>(C=o);", [(0, 22), (2, 12)]),
    # Of groups that the machine chooses only the sum is known.
    ("total(a=anyKeyed A)=>(X=o);total(a=all X)=>(C=o);", [(None, 7)]),
    ("product(a=anyEach A,b=all B)=>(X=o);total(a=all X)=>(C=o);", [(None, 168)]),
    ("product(a=anyEach A,b=anyEach B)=>(X=o);total(a=all X)=>(C=o);", [(None, 168)]),
    ("product(a=each A,b=anyEach B)=>(X=o);total(a=keyed X)=>(C=o);", [(0, 72), (2, 96)]),
    ("two(a=keyed A,b=keyed B)=>(C=o);", [((0, 0), 21), ((0, 2), 21), ((2, 0), 11), ((2, 2), 11)]),
    ("two(a=keyed A,b=keyed B)=>(C=o) by a cross b;", [((0, 0), 21), ((0, 2), 21), ((2, 0), 11), ((2, 2), 11)]),
    ("two(a=keyed A,b=keyed B)=>(C=o) by b inner a;", [(0, 21), (2, 11)]),
    ("two()=>(C=o);", [(None, 0)]),
    ("next(a=each X)=>(C=o);two(a=all A,b=all B)=>(X=o);", [(None, 33)]),
    ("total(a=all A)=>(X=o);next(a=each X)=>(C=o);", [(None, 8)]),
    ("total(a=all A)=>(X=o);two(a=each X,b=each B)=>(C=o);", [(0, 11), (2, 11)]),
    ("total(a=keyed A)=>(X=o);two(a=keyed X)=>(C=o);", [(0, 10), (2, 10)]),
    ("keys(a=all A)=>(X=o);two(a=keyed X)=>(C=o);", [("k0", 20), ("k2", 10)]),
    ("either()=>(C=o);", [(None, 7)]),
    ("either(a=each A)=>(C=o);", [(0, 1), (0, 2), (2, 4)]),
    ("pair(a=each A,b=each B)=>(X=o);left(a=keyed X)=>(C=o);", [((0, 0), 1), ((0, 0), 2), ((0, 2), 1), ((0, 2), 2), ((2, 0), 4), ((2, 2), 4)]),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bound")
    (place / "lib.dnd").write_text(LIBRARY)
    return place


@pytest.fixture(scope="module")
def translated(folder: Path) -> tuple[Program, InterpreterPlacement]:
    text = "".join(f"composition C{i}(A,B)=>(C){{{body}}}\n" for i, (body, _) in enumerate(CASES))
    (folder / "all.dandelion").write_text(HEAD + text)
    loaded, checked = check_file(folder / "all.dandelion", Cache(None), tests=False, bind=BIND)
    assert [d for d in (*loaded.diagnostics, *checked.diagnostics) if d.severity == "error"] == []
    plan = lowered(checked)
    images = {name: KernelImage(name, k.params, k.outputs, (), b"") for name, k in plan.kernels.items()}
    program = Program("p", dict(plan.graphs), images, checked.configs, checked.endpoints, dict(checked.world.table))
    return program, InterpreterPlacement(dict(plan.kernels))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[body for body, _ in CASES])
def test_outputs_have_the_keys_that_their_calls_give(translated: Any, number: int) -> None:
    program, placement = translated
    ports = {port.name: port.type.item for port in program.graphs[f"main.C{number}"].inputs}
    sets = (("A", A), ("B", B))
    inputs = {name: [InputItem(v, key=k) for k, v in items if ports[name] == I64] for name, items in sets}
    result = anyio.run(lambda: run(program, f"main.C{number}", inputs, placement=placement))
    items: Sequence[OutputItem] = result.outputs["C"]
    assert [(item.key, item.value) for item in items] == CASES[number][1]


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ("two(a=all A,b=all B)=>(X=o);two(a=keyed X)=>(C=o);", "a=keyed X", "needs keys"),
        ("total(a=all A)=>(X=o);two(a=keyed X)=>(C=o);", "a=keyed X", "needs keys"),
        ("two(a=each A)=>(X=o);named(a=all X)=>(C=o);", "a=all X", "takes keys of type `str`"),
        ("pair(a=each A,b=all B)=>(C=o);", "b=all B", "takes one item"),
        ("next(a=keyed A)=>(C=o);", "a=keyed A", "takes one item"),
        ("pair(a=each A)=>(C=o);", "pair", "no set is given"),
        ("two(a=each A)=>(X=o);left(a=all X)=>(C=o);", "a=all X", "takes items of type `lib.Pair`"),
        ("total(a=all A)=>(X=o);either(a=each X)=>(C=o);", "a=each X", "may be left out"),
        ("two(a=each A)=>(X=o);free(a=all X)=>(C=o);", "a=all X", "takes items of type `bytes`"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_source(folder: Path, body: str, place: str, words: str) -> None:
    source = folder / "wrong.dandelion"
    text = f"{HEAD}function free(a)=>(o);composition main(A,B)=>(C){{{body}}}"
    source.write_text(text)
    with pytest.raises(DiagnosticError) as raised:
        check_file(source, Cache(None), tests=False, bind=BIND)
    (found,) = raised.value.diagnostics
    assert found.code == "I1012"
    assert words in found.message
    assert found.span is not None
    assert found.span.file == str(source)
    assert text[found.span.start : found.span.end] == place
