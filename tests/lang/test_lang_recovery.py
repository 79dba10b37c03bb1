"""Mistakes stay where they are: one diagnostic each, and everything else is still in the tree."""

from pathlib import Path

import pytest

from dandc.lang import Source, parse
from dandc.lang import tree as t

GOLDENS = Path(__file__).parent / "goldens"


def shape(text: str) -> tuple[list[str], list[str]]:
    """Codes, and the items with their statements."""
    result = parse(Source("a.dnd", text))
    shown = []
    for item in result.module.items:
        body = getattr(item, "body", None)
        inner = body.statements if isinstance(body, t.Block) else body or ()
        shown.append(" ".join([type(item).__name__, *(type(s).__name__ for s in inner)]))
    return [d.code for d in result.diagnostics], shown


def test_three_mistakes_are_three_diagnostics() -> None:
    """Three items with a mistake each, between items without."""
    text = """
import html;
fn f() { let a = 1; let = 2; let c = 3; }
record R { a: i64 }
composition main(x: i64) => (y: i64) { a = f(x); b = * ; y = g(a); }
fn broken(a b c) { }
fn g() { return 1; }
"""
    expected = [
        "ImportItem", "FnItem LetStmt ErrorStmt LetStmt", "RecordItem", "CompositionItem FlowStmt FlowStmt",
        "ErrorItem", "FnItem ReturnStmt",
    ]  # fmt: skip

    assert (["P0101", "P0101", "P0113"], expected) == shape(text)


@pytest.mark.parametrize(
    ("body", "codes", "left"),
    [
        ("let a = 1\n let b = 2;", ["P0102"], "LetStmt LetStmt"),
        ("if a = b { g(); } h();", ["P0107"], "IfStmt ExprStmt"),
        ("if a b { g(); } else { g(); } h();", ["P0101"], "ErrorStmt ExprStmt"),
        ("while { g(); } h();", ["P0101"], "ErrorStmt ExprStmt"),
        ("if a { let = 1; g(); } h();", ["P0101"], "IfStmt ExprStmt"),
        ("g(1, 2; h();", ["P0103"], "ExprStmt ExprStmt"),
        ("g(1 2); h();", ["P0113"], "ExprStmt ExprStmt"),
        ("let a = (1;\n let b = 2;", ["P0103"], "LetStmt LetStmt"),
        ("let a = [f(1, ;\n let b = 2;", ["P0101"], "ErrorStmt LetStmt"),
        ("match a { x -> g(), y => } h();", ["P0109", "P0101"], "ErrorStmt ExprStmt"),
        ('let a = "open;\n let b = 2;', ["L0002"], "LetStmt LetStmt"),
        ("let a = $;\n let b = 2;", ["L0001"], "ErrorStmt LetStmt"),
        ("fn g() { h(); } h();", ["P0108"], "ErrorStmt ExprStmt"),
        ("for (let i = 0; i < 3; i++) { g(); } h();", ["P0110"], "ErrorStmt ExprStmt"),
        ("let a = 1; let = 2; let = 3; let b = 4;", ["P0101", "P0101"], "LetStmt ErrorStmt ErrorStmt LetStmt"),
    ],
)
def test_statement_recovery(body: str, codes: list[str], left: str) -> None:
    """A mistake costs its statement at most; a likely repair costs nothing."""
    found, items = shape(f"fn f() {{ {body} }}\nfn last() {{ g(); }}")

    assert codes == found
    assert [f"FnItem {left}", "FnItem ExprStmt"] == items


def test_no_statement_is_kept_twice() -> None:
    """Going back to the beginning of a statement does not repeat the ones before it."""
    _, items = shape("fn f() { " + "a(); let = 1; " * 5 + "}")

    assert ["FnItem " + " ".join(["ExprStmt ErrorStmt"] * 5)] == items


def test_unclosed_brace_ends_at_the_next_item() -> None:
    """A word that opens an item at the beginning of a line ends the item before it."""
    codes, items = shape("fn f() {\n    if a {\n        g();\n\nfn g() { h(); }\n")

    assert ["P0103"] == codes
    assert ["FnItem IfStmt", "FnItem ExprStmt"] == items


def test_surplus_brace_is_one_mistake() -> None:
    """What follows a function that was closed too early is reported once."""
    codes, items = shape("fn f() { g(); } }\n    h();\n}\nfn g() { h(); }\n")

    assert ["P0104"] == codes
    assert ["FnItem ExprStmt", "ErrorItem", "FnItem ExprStmt"] == items


def test_error_item_keeps_its_name() -> None:
    """An item that did not parse is known by name, so that its uses need not be reported."""
    (item,) = parse(Source("a.dnd", "pub fn broken(a b c) {}")).module.items

    assert isinstance(item, t.ErrorItem)
    assert item.name is not None and "broken" == item.name.text


@pytest.mark.parametrize("path", sorted(GOLDENS.glob("*.txt")), ids=lambda p: p.stem)
def test_certain_fix_makes_one_mistake_less(path: Path) -> None:
    """Applying a fix that is called certain takes its diagnostic away and adds none."""
    text = path.read_text(encoding="utf-8").partition("=== rendered ===\n")[0]
    before = parse(Source("a.dnd", text)).diagnostics
    for diagnostic in before:
        for fix in diagnostic.fixes:
            if fix.certain:
                mended = text[: fix.span.start] + fix.text + text[fix.span.end :]
                after = parse(Source("a.dnd", mended)).diagnostics
                assert len(after) < len(before), (fix, [d.message for d in after])


def test_diagnostics_are_in_order() -> None:
    """By position, whichever pass found them."""
    text = "fn f() { let = 1; let a = 'x'; let b = 1 < 2 < 3; }\nlet c = @;"
    starts = [d.span.start for d in parse(Source("a.dnd", text)).diagnostics if d.span]

    assert 4 == len(starts)
    assert sorted(starts) == starts


@pytest.mark.parametrize("text", ["const A: i64 = 7 // 2;", "fn f(c: bool) {\n    if c: f(false);"])
def test_the_last_line_needs_no_end(text: str) -> None:
    """What is said and proposed about the last line of a text is the same whether or not the line has an end."""
    whole, open_end = (parse(Source("a.dnd", t)).diagnostics for t in (f"{text}\n", text))

    assert [(d.message, d.notes, d.fixes) for d in whole] == [(d.message, d.notes, d.fixes) for d in open_end]
    assert any(d.fixes for d in open_end)


def test_a_value_is_given_up_to_the_brace_of_its_own_block() -> None:
    """Braces inside the value, and those in strings and comments, do not end it: the fix leaves no mistake."""
    text = 'fn f(v: option[i64]) -> i64 { 1 + match v { some(n) => g("}", {a: n}), // }\n none => 0 } }\n'
    (found,) = parse(Source("a.dnd", text)).diagnostics
    (fix,) = found.fixes
    mended = text[: fix.span.start] + fix.text + text[fix.span.end :]

    assert () == parse(Source("a.dnd", mended)).diagnostics
