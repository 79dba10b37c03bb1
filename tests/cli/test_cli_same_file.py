"""What a command writes is nothing that it reads and nothing else that it writes; options that would say nothing are refused."""

from pathlib import Path
from typing import Any

import pytest

LIB = "pub fn twice(x: i64) -> i64 { return 2 * x; }\n"
PROGRAM = """import "lib.dnd";
config c: i64 = 1;
function f(x: i64) => (y: i64) = lib.twice(x) + c;
composition main(xs: set[i64]) => (ys: set[i64], n: i64) { ys = f(each xs); n = sum(all xs); }
function sum(xs: set[i64]) => (n: i64) = xs.values().fold(0, |a, b| a + b);
"""


@pytest.fixture
def given(dandc: Any) -> Any:
    """A program, its inputs, and other paths to them."""
    dandc.write("lib.dnd", LIB)
    dandc.write("p.dnd", PROGRAM)
    dandc.write("in.json", '{"xs": [1]}')
    dandc.write("xs.json", "[1]")
    dandc.write("c.json", "3")
    (dandc.folder / "link").symlink_to("p.dnd")
    (dandc.folder / "here").symlink_to(".")
    return dandc


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize(
    "options",
    [
        "--record same --trace same",
        "--record same --trace here/same",
        "--trace w --out w",
        "--record w --out here/w/",
        "--trace p.dnd",
        "--record link",
        "--trace lib.dnd",
        "--inputs in.json --trace in.json",
        "-i xs=@xs.json --trace xs.json",
        "-i xs=@xs.json --record here/xs.json",
        "--config c=@c.json --out c.json",
        "--out w --trace w/n.json",
        "--out w --trace w/ys/0.json",
        "--out w --record here/w/.dandc-outputs",
    ],
)
def test_a_run_writes_no_file_twice(given: Any, options: str) -> None:
    before = everything(given.folder)
    inputs = [] if "xs=" in options or "--inputs" in options else ["-i", "xs=[1]"]
    given("run", "p.dnd", "main", *inputs, *options.split()).failed("U0911", status=2)
    assert everything(given.folder) == before


def test_a_journal_and_what_is_made_of_it_lie_apart(given: Any) -> None:
    run = ("run", "p.dnd", "main", "-i", "xs=[1]")
    given(*run, "--record", "w/j", "--trace", "w/t", "--out", "w").worked()
    given(*run, "--record", "n.json").worked()
    before = everything(given.folder)
    given("resume", "n.json", "--out", "n.json").failed("U0911", status=2)
    given("resume", "n.json", "--out", ".").failed("U0911", status=2)
    given("resume", "n.json", "--with", "p.dnd", "--out", "p.dnd").failed("U0911", status=2)
    given("resume", "n.json", "--with", "n.json").failed("U0911", status=2)
    given("replay", "w/j", "--out", "w/j").failed("U0906")
    for option in (("--json",), ("--out", "d")):
        told = given("replay", "w/j", "--node", "f", *option).failed("U0911", status=2)
        assert f"`{option[0]}`" in told.err
    # Opening a journal in order to go on with it counts in its head.
    assert {**everything(given.folder), "n.json": b""} == {**before, "n.json": b""}
    given("replay", "n.json").worked()


def test_a_program_is_not_overwritten(given: Any) -> None:
    given("build", "p.dnd", "-o", "link").failed("U0906", status=2)
    given("graph", "p.dnd", "--out", "here/p.dnd").failed("U0911", status=2)
    assert (given.folder / "p.dnd").read_text() == PROGRAM
