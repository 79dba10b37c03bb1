"""Checking again after an edit gives what checking from the start gives."""

import random
from collections.abc import Iterator

import pytest

from dandc.compiler.check import SourceModule
from dandc.compiler.check.recheck import Rechecker
from dandc.lang import Source, parse, tree
from dandc.loader import standard_modules

PROGRAM = """import json;

record Line { time: i64, level: str }

/// How many lines are late.
fn late(lines: array[Line], limit: i64) -> i64 {
    var found = 0;
    for line in lines {
        if line.time > limit and line.level == "INFO" { found += 1; }
    }
    return found;
}

function count(log: bytes) => (total: i64, note_: optional str) {
    let lines = json.decode[array[Line]](log)?;
    let n = late(lines, 10);
    if n > 3 { emit note_ <- f"{n} late"; }
    emit total <- n + lines.len();
}

// Between items.
function twice(x: i64) => (y: i64) = x * 2;

composition main(logs: set[str => bytes]) => (totals: set[str => i64]) {
    counted, notes = count(each logs);
    totals = twice(each counted);
}
"""
WORDS = (
    "0",
    "true",
    '"x"',
    "n",
    "found",
    "lines",
    "x",
    " ",
    "+ 1",
    ";",
    "}",
    "{",
    "each logs",
    "all logs",
    "\n",
    "// c\n",
    "emit total <- 1;",
)


@pytest.fixture(scope="module")
def library() -> dict[str, SourceModule]:
    """The standard library, parsed."""
    from importlib.resources import files

    found = {}
    for name in standard_modules():
        module = parse(Source(f"std:{name}", files("dandc.stdlib").joinpath(f"{name}.dnd").read_text())).module
        imports = {i.path: i.path for i in module.items if isinstance(i, tree.ImportItem)}
        found[name] = SourceModule(name, module, imports, trusted=True)
    return found


CONSTANTS = """
config limit: i64 = half(8);

fn half(n: i64) -> i64 {
    return n / DIVISOR;
}

fn table(n: i64) -> array[i64] {
    var found: array[i64] = [];
    for i in 0..n { found.append(half(i) * 10); }
    return found;
}

const DIVISOR: i64 = 2;
const TABLE: array[i64] = table(5);
const LAST: i64 = TABLE[4];

function f(x: i64, size: i64) => (y: i64) {
    emit y <- x + size + LAST;
}

composition main(x: i64) => (y: i64) {
    y = f(x, size: half(TABLE[3]) + limit_of(2));
}

fn limit_of(n: i64) -> i64 {
    return TABLE[n];
}
"""


def edits(seed: int, count: int, program: str = PROGRAM, words: tuple[str, ...] = WORDS) -> Iterator[str]:
    """Texts that each differ from the one before by one small edit; now and then the first text comes back."""
    chance = random.Random(seed)
    text = program
    for _ in range(count):
        if chance.random() < 0.3:
            text = program
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(words) + text[at + chance.choice((0, 0, 1, 4)) :]
        yield text


@pytest.mark.parametrize("seed", range(8))
def test_as_from_the_start(library: dict[str, SourceModule], seed: int) -> None:
    """Every text of a series of random edits has the same diagnostics, places included."""
    again = Rechecker("m.dnd", "main", library, {"json": "json"})
    again.update(PROGRAM)
    for text in edits(seed, 40):
        fresh = Rechecker("m.dnd", "main", library, {"json": "json"})

        assert fresh.update(text) == again.update(text), text


@pytest.mark.parametrize("seed", [0, 1, 149])
def test_constants_as_from_the_start(library: dict[str, SourceModule], seed: int) -> None:
    """The same where constants are computed by helpers that are edited: digits change, so that traps come and go."""
    again = Rechecker("m.dnd", "main", library, {})
    again.update(CONSTANTS)
    words = ("0", "9", "x", " ", "+ 1", "- 7", "limit", "half(0)", "// c\n", "return 1;")
    for text in edits(seed, 40, CONSTANTS, words):
        fresh = Rechecker("m.dnd", "main", library, {})

        assert fresh.update(text) == again.update(text), text


def test_a_helper_of_a_constant_computes_it_again(library: dict[str, SourceModule]) -> None:
    """Another body of a helper is another value, and its trap is the constant's; mended, all is well again."""
    again = Rechecker("m.dnd", "main", library, {})

    assert () == again.update(CONSTANTS)
    found = again.update(CONSTANTS.replace("n / DIVISOR", "n / (DIVISOR - 2)"))
    assert ["T0350"] * 2 == [d.code for d in found]
    (found_one,) = again.update(CONSTANTS.replace("TABLE[n]", "TABLE[n + 3]"))
    assert "this constant expression cannot be computed: the index is outside the array" == found_one.message
    assert () == again.update(CONSTANTS)


def test_one_item_is_checked(library: dict[str, SourceModule]) -> None:
    """Edits in bodies never lead to a full check, and their mistakes come and go with exact places."""
    again = Rechecker("m.dnd", "main", library, {"json": "json"})

    assert () == again.update(PROGRAM)
    broken = PROGRAM.replace("found += 1", "found += true")
    (mistake,) = again.update(broken)
    assert "T0301" == mistake.code
    assert mistake.span is not None
    assert "true" == broken[mistake.span.start : mistake.span.end]
    both = broken.replace("x * 2", "x * false")
    assert ["false", "true"] == sorted(both[d.span.start : d.span.end] for d in again.update(both) if d.span)
    fixed = both.replace("found += true", "found += 1")
    (left,) = again.update(fixed)
    assert left.span is not None
    assert "false" == fixed[left.span.start : left.span.end]
    assert () == again.update(fixed.replace("x * false", "x * 3"))
    assert 1 == again.full_checks


def test_headers_are_seen_by_all(library: dict[str, SourceModule]) -> None:
    """A change of a header is checked from the start: its callers may be wrong now."""
    again = Rechecker("m.dnd", "main", library, {"json": "json"})
    again.update(PROGRAM)

    found = again.update(PROGRAM.replace("limit: i64)", "limit: str)"))

    assert {"T0301"} == {d.code for d in found}
    assert 2 == again.full_checks
