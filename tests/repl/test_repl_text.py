"""The parts of a session that need neither terminal nor sandbox: reading entries, colours, completion."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dandc.cache import Cache
from dandc.repl.colours import parts
from dandc.repl.complete import candidates
from dandc.repl.engine import Engine
from dandc.repl.entry import is_complete, is_open, parse_entry
from dandc.repl.loop import entries
from dandc.repl.session import Session, open_session
from dandc.repl.terminal import coloured
from dandc.vm import RunLimits


@pytest.mark.parametrize(
    "text",
    [
        "1 + 1",
        "let x = 1",
        "let x = 1;",
        "import json",
        "fn f() {}",
        "pub fn f() -> i64 { return 1; }",
        "const c: i64 = 1",
        ":type (",
        "}",
        "// only a comment",
        "",
        '"""a\nb"""',
        'f"{x}"',
        "if a { b(); }",
    ],
)
def test_a_finished_entry_is_taken(text: str) -> None:
    assert is_complete(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "f(1,",
        "fn f()",
        "fn f() -> i64 {",
        "fn f() -> i64\n",
        "record P",
        "composition c(a: i64) => (b: i64)",
        "1 +",
        "let x =",
        "x.",
        '"""a',
        "[1, 2",
        "/// documented\n",
        "function f(a: i64) => (b: i64)\n    =",
    ],
)
def test_an_unfinished_entry_goes_on(text: str) -> None:
    assert not is_complete(text, None)


def test_an_empty_line_ends_what_has_no_bracket_open() -> None:
    assert is_open("fn f() {\n\n", None)
    assert not is_open("fn f()\n\n", None)
    lines = "fn f() {\n\n}\n\n1 +\n\n2\n\n// c\nlet x = (\n3\n)\nfn g()".splitlines(keepends=True)
    found = [entry.strip() for entry in entries(lines, None)]
    assert found == ["fn f() {\n\n}", "1 +", "2", "// c", "let x = (\n3\n)", "fn g()"]


def test_places_in_statements_and_values_are_where_they_were_typed() -> None:
    entry = parse_entry("let a = 1; a + b", "e", None)
    assert entry.diagnostics == ()
    assert [(s.span.start, s.span.end) for s in entry.statements] == [(0, 9)]
    assert entry.value is not None
    assert (entry.value.span.start, entry.value.span.end) == (11, 16)


def test_no_text_makes_reading_fail() -> None:
    """Any text is an entry or has diagnostics whose places lie in it."""
    chance = random.Random(7)
    words = [
        "let",
        "x",
        "=",
        "1",
        ";",
        "{",
        "}",
        "(",
        ")",
        '"',
        "fn",
        "if",
        "|",
        "+",
        "\n",
        ".",
        "test",
        ":",
        "'",
        "/*",
        'f"',
        "é",
        "\0",
        "match",
        "=>",
    ]
    for _ in range(400):
        text = " ".join(chance.choices(words, k=chance.randint(1, 9)))
        is_complete(text, None)
        entry = parse_entry(text, "e", None)
        for diagnostic in entry.diagnostics:
            assert diagnostic.span is None or 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert "".join(piece for line in coloured(text, None) for _, piece in line) == text.replace("\n", "")


def test_colours_follow_the_lexer() -> None:
    text = "let x: i64 = f\"a{1}\"; // why\nreturn 's'"
    found = {text[p.start : p.end]: p.kind for p in parts(text, None)}
    assert found["let"] == "keyword"
    assert found["i64"] == "type"
    assert found["1"] == "number"
    assert found["// why"] == "comment"
    assert found["'s'"] == "string" or found["'s'"] == "mistake"
    assert parts("  :type let", None)[0].kind == "command"
    assert [text[p.start : p.end] for p in parts(text, None) if p.kind == "mistake"] == ["'s'"]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Engine(RunLimits(), native=False) as engine:
        opened = open_session(tmp_path, Cache(None), engine)
        for text in (
            "import json",
            "import http",
            "record Pear { xx: i64, name: str }",
            "enum Fruit { apple(f64), plum }",
            'let pear = Pear(xx: 1, name: "a")',
            "let pears = [pear]",
        ):
            assert not opened.enter(text).failed
        yield opened


@pytest.mark.parametrize(
    ("before", "wanted", "unwanted"),
    [
        ("pea", {"pear", "pears"}, {"json"}),
        ("Pe", {"Pear"}, {"pear"}),
        ("ret", {"return"}, set()),
        ("arr", {"array"}, set()),
        ("pear.", {"xx", "name"}, {"len"}),
        ("1 + pears[0].na", {"name"}, {"xx"}),
        ("pears.", {"len", "map", "sort_by"}, {"xx"}),
        ("pears.map(|p| p.xx).fo", {"fold"}, {"map"}),
        ("json.", {"encode", "decode"}, {"pear"}),
        ("Fruit.", {"apple", "plum"}, set()),
        ("fn f(one: Pear, many: array[Pear]) -> i64 { return one.", {"xx", "name"}, {"len"}),
        ("fn f(one: Pear, many: array[Pear]) -> i64 { return many.fi", {"first", "filter"}, {"xx"}),
        ("function f(all_of: set[str => Pear]) => (n: i64) { emit n <- all_of.", {"len", "keys"}, {"xx"}),
        ('"text".', {"len", "contains"}, {"xx"}),
        ('f"{pear.xx}".le', {"len"}, set()),
        (":ty", {"type"}, {"time"}),
        (":type pear.", {"xx"}, set()),
        (":explain N02", {"N0201"}, {"T0301"}),
        (":interp o", {"on", "off"}, set()),
    ],
)
def test_completion_knows_scope_and_types(session: Session, before: str, wanted: set[str], unwanted: set[str]) -> None:
    _, found = candidates(session.state, before)
    names = {c.text for c in found}
    assert wanted <= names
    assert not unwanted & names
    assert session.state.world.sink.diagnostics == list(session.state.checked.diagnostics)


@pytest.mark.parametrize(
    "before", ["unknown.", "3..", ".", "f(", "pear.xx.", "nobody.field.", "Pear.", "| |.", "(", "x = ."]
)
def test_nothing_is_offered_where_nothing_fits(session: Session, before: str) -> None:
    _, found = candidates(session.state, before)
    assert [c.text for c in found] == [] or before == "pear.xx."


def test_a_session_keeps_no_diagnostics_in_its_world(session: Session) -> None:
    for text in ("nobody", "let x: str = 1", "pear.zz", "[1][3]"):
        assert session.enter(text).failed
    assert session.state.world.sink.diagnostics == []


def test_an_entry_is_checked_fast_in_a_long_session(session: Session) -> None:
    """A generous bound of what a person feels: 300 declarations are checked anew with every further one."""
    helpers = [f'fn helper{n}(a: i64, b: str) -> str {{ return f"{{a + {n}}}{{b}}"; }}' for n in range(300)]
    assert not session.enter("\n".join(helpers)).failed
    started = time.perf_counter()
    assert not session.enter('fn last() -> str { return helper299(1, "x"); }').failed
    assert time.perf_counter() - started < 1.0
    assert session.enter("last()").lines == ('"300x": str',)
