"""What is public is documented, listed, and found by the names that other languages give it."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import program

from dandc.compiler.check.foreign import METHODS
from dandc.lang import Source, parse, tree

ROOT = Path(__file__).parents[2]
MODULES = {
    path.stem: parse(Source(path.name, path.read_text(encoding="utf-8"))).module
    for path in sorted((ROOT / "stdlib").glob("*.dnd"))
}


def test_the_list_is_up_to_date() -> None:
    """A new or changed signature comes with its line: run `python tools/library.py`."""
    assert 0 == subprocess.run([sys.executable, ROOT / "tools" / "library.py", "--check"], check=False).returncode


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_says_what_it_is(module: str) -> None:
    """Each public item has a documentation comment, and the module too."""
    assert MODULES[module].doc
    assert [] == [item for item in MODULES[module].items if item.public and not item.doc]


def test_names_of_other_languages_lead_to_methods_that_exist() -> None:
    """No suggestion is a name that nothing has, and none stands for a method that is called so itself."""
    methods = {
        item.name.text
        for item in MODULES["prelude"].items
        if isinstance(item, tree.FnItem) and item.params and item.params[0].name.text == "self"
    }
    sets = {"len", "is_empty", "values", "keys", "entries", "items"}

    assert set() == {foreign.instead for foreign in METHODS.values() if foreign.instead} - methods - sets


@pytest.mark.parametrize(
    ("value", "written", "expected"),
    [
        ("xs", "length()", "len"),
        ("xs", "push(1)", "append"),
        ("xs", "every(|x| x > 1)", "all"),
        ("xs", "reduce(0, |a, b| a + b)", "fold"),
        ("xs", "distinct()", "unique"),
        ("s", "upper()", "to_upper"),
        ("s", "strip()", "trim"),
        ("s", "removeprefix(s)", "strip_prefix"),
        ("m", "insert(s, 1)", "set"),
        ("m", "contains_key(s)", "contains"),
        ("set_", "size()", "len"),
        ("set_", "fitler(|x| x > 1)", "filter"),
        ("set_", "items_()", "items"),
    ],
)
def test_an_unknown_method_suggests_what_was_meant(value: str, written: str, expected: str) -> None:
    """By the names of other languages first, else the nearest."""
    text = f"function f(xs: array[i64], s: str, m: map[str, i64], set_: set[i64]) => (y: i64) {{ let a = {value}.{written}; emit y <- 1; }}"
    (found,) = program(text).diagnostics

    assert "N0202" == found.code
    assert [expected] == [fix.text for fix in found.fixes]
