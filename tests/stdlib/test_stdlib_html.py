"""HTML is escaped once, and tables follow from the type of their rows."""

import html
import re

from library import call, results

from dandc.compiler.encoding import Variant

ROWS = """
record Row { name: str, count: option[i64], ok: bool, share: f64, tags: array[str], small: u8 }
function f(rows: array[Row]) => (y: str) { emit y <- html.table(rows).html; }
"""


def test_escaping() -> None:
    """Everything that means something in HTML is written as a reference; NUL is replaced."""
    texts = ["", "plain", "<script>alert('x')</script>", 'a & b &amp; "q"', "é\U0001f600", "\0", "<" * 50]

    found = call("x: str) => (y: str", "html.text(x).html", texts)

    assert [t.replace("\0", "\ufffd") for t in texts] == [html.unescape(t) for t in found]
    assert not any(re.search("[<>\"'\0]", t) for t in found)


def test_table() -> None:
    """A column for each field; nothing for `none`, JSON for what is neither text nor a number."""
    rows = [["<b>", Variant(0, ()), True, 0.5, ["x", '"'], 7], ["", Variant(1, (-3,)), False, -0.0, [], 0]]

    found, empty = results(ROWS, [[[tuple(r) for r in rows]], [[]]])

    text = found.emissions[0].value
    assert ["name", "count", "ok", "share", "tags", "small"] == re.findall("<th>(.*?)</th>", text)
    cells = [html.unescape(c) for c in re.findall("<td>(.*?)</td>", text)]
    assert ["<b>", "", "true", "0.5", '["x","\\""]', "7", "", "-3", "false", "-0.0", "[]", "0"] == cells
    assert text.count("<tr>") == 3
    assert "<td>" not in empty.emissions[0].value


def test_page() -> None:
    """A whole document whose title is escaped and whose content is not escaped again."""
    (found,) = call(
        "x: str) => (y: str", 'html.page(x, html.join([html.text(x), html.element("p", html.text(x))]))', ["a<b"]
    )

    assert found.startswith("<!DOCTYPE html>\n")
    assert found.count("a&lt;b") == 4
    assert "<p>a&lt;b</p>" in found
    assert "&amp;lt;" not in found
