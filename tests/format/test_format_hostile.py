"""Hostile texts: refused with a code or formatted, in time that grows with their length only."""

import time

import pytest

from dandc.lang import Source, parse
from dandc.lang import tree as t
from dandc.lang.format import RULES, format_source
from dandc.lang.format_base import Printer
from dandc.lang.format_tape import Defect, tape

DEPTH = 190
NESTS = {
    "calls": ("const A: i64 = ", "f(", "1", ")", ";"),
    "arrays": ("const A: i64 = ", "[", "1", "]", ";"),
    "parentheses": ("const A: i64 = ", "(", "1", ")", ";"),
    "records": ("const A: i64 = ", "{a: ", "1", "}", ";"),
    "conditions": ("const A: i64 = ", "if a { b } else { ", "c ", "}", ";"),
    "lambdas": ("const A: i64 = ", "|x| ", "1", "", ";"),
    "negations": ("const A: i64 = ", "not ", "a", "", ";"),
    "statements": ("fn f() {", "if a { ", "", "}", "}"),
    "branches": ("fn f() { if a {} ", "else if a {} ", "", "", "}"),
    "types": ("const A: ", "array[", "i64", "]", " = 1;"),
    "patterns": ("fn f() { let ", "(a, ", "b", ")", " = c; }"),
    "flow": ("composition c() => () { x = ", "f(", "a", ")", "; }"),
}


@pytest.mark.parametrize("name", NESTS)
def test_deep_nesting(name: str) -> None:
    """What the parser takes is formatted, however deep: the depth of a text is not that of Python's stack."""
    head, opening, inner, closing, end = NESTS[name]
    text = head + opening * DEPTH + inner + closing * DEPTH + end
    result = format_source(Source("a.dnd", text))

    assert isinstance(result, str), result
    assert result == format_source(Source("a.dnd", result))


def test_too_deep_is_refused() -> None:
    """A text beyond the limit is refused by the parser's diagnostic."""
    result = format_source(Source("a.dnd", "const A: i64 = " + "(" * 10_000 + "1" + ")" * 10_000 + ";"))

    assert not isinstance(result, str)
    assert ["P0126"] == [d.code for d in result]


@pytest.mark.parametrize(("depth", "shown"), [(150, True), (197, False)])
def test_parentheses_for_clarity_do_not_nest_too_deep(depth: int, shown: bool) -> None:
    """Where parentheses for the reader would make a text too deep for the parser, they are left out."""
    text = f"const A: i64 = {'[' * depth}a | b & c{']' * depth};"
    result = format_source(Source("a.dnd", text))

    assert isinstance(result, str), result
    assert shown == ("(" in result)
    assert result == format_source(Source("a.dnd", result))


@pytest.mark.slow
def test_deep_and_wide_is_refused() -> None:
    """Indentation would make 100 MB out of 300 kB: the result may not be larger than a source may be."""
    text = "const A: i64 = " + "[" * 150 + "x, " * 100_000 + "]" * 150 + ";"
    result = format_source(Source("a.dnd", text))

    assert not isinstance(result, str)
    assert ["L0010"] == [d.code for d in result]


@pytest.mark.parametrize("text", ["fn f( {", "let a = 1;", "const A: i64 = 1", "\0", '"', "fn f() { #"])
def test_mistakes_are_those_of_the_parser(text: str) -> None:
    """A text that does not parse is refused with the diagnostics of `parse`."""
    source = Source("a.dnd", text)

    assert parse(source).diagnostics == format_source(source)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("\n\n \n", ""),
        ("// c", "// c\n"),
        ("\ufeff// c\r\n\r\n\r\n//d\t \n\n", "// c\n\n//d\n"),
        ("//!m\n\n", "//!m\n"),
    ],
)
def test_nothing_but_comments(text: str, expected: str) -> None:
    """Texts without items."""
    assert expected == format_source(Source("a.dnd", text))


@pytest.mark.slow
def test_time_grows_with_the_length() -> None:
    """Four times the text takes about four times as long; eight would be a quadratic step somewhere."""
    unit = "fn f(a: i64) -> i64 { // c\n let x = g(a, [1, 2, h(a + 1)])?; return x + a * 2; }\n"
    wide = "const A: i64 = [" + "x, " * 2_000 + "];\n"
    times = []
    for factor in (2, 8):
        source = Source("a.dnd", (unit * 60 + wide) * factor)
        parse(source)
        start = time.process_time()
        assert isinstance(format_source(source), str)
        times.append(time.process_time() - start)

    assert times[1] < 8 * times[0]


def test_a_lost_token_is_a_defect() -> None:
    """A tree that is not that of the tokens is noticed at the first token that does not fit."""
    printer = Printer(tape(Source("a.dnd", "const B: i64 = 1;")), RULES, clarify=True)
    (item,) = parse(Source("a.dnd", "config B: i64 = 1;")).module.items

    assert isinstance(item, t.ConfigItem)
    with pytest.raises(Defect):
        printer.print(item)


def test_a_result_that_means_something_else_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last wall: a wrong rule ends in U0909, not in a changed program."""
    monkeypatch.setitem(RULES, t.BoolLit, lambda p, node, level: "false" if p.at(node) else "")
    result = format_source(Source("a.dnd", "const B:bool = true;"))

    assert not isinstance(result, str)
    assert ["U0909"] == [d.code for d in result]


def test_a_lost_comment_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for comments, which no tree shows."""
    monkeypatch.setitem(RULES, t.BoolLit, lambda p, node, level: "true" if p.at(node) else "")
    result = format_source(Source("a.dnd", "const B: bool =\n// why\ntrue;"))

    assert not isinstance(result, str)
    assert ["U0909"] == [d.code for d in result]
