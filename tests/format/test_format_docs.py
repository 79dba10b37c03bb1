"""The document printer by itself: groups, indentation, suffixes, fills."""

import pytest

from dandc.lang.format_docs import (
    BLANK,
    FRESH,
    HARD,
    LINE,
    SOFT,
    Doc,
    Fill,
    Line,
    Suffix,
    TooLarge,
    concat,
    flat_text,
    group,
    if_break,
    indent,
    render,
)


def show(doc: Doc, width: int = 20) -> str:
    return render(doc, width=width, longest=10_000)


def call(*args: Doc) -> Doc:
    parts: list[Doc] = []
    for i, arg in enumerate(args):
        parts += [",", LINE] if i else []
        parts.append(arg)
    return group("f(", indent(SOFT, *parts, if_break(",", "")), SOFT, ")")


def test_a_group_is_flat_exactly_if_it_fits() -> None:
    """The last column of the page may be used; one more breaks all lines of the group."""
    assert "f(12345678, 1234567)" == show(call("12345678", "1234567"))
    assert "f(\n    12345678,\n    12345678,\n)" == show(call("12345678", "12345678"))


def test_what_follows_up_to_the_next_line_counts() -> None:
    assert "f(1234, 12345);" == show(concat(call("1234", "12345"), ";"), 15)
    assert "f(\n    1234,\n    12345,\n);" == show(concat(call("1234", "12345"), ";"), 14)
    assert "f(1234, 12345)\n;" == show(concat(call("1234", "12345"), HARD, ";"), 14)


def test_inner_groups_break_on_their_own() -> None:
    """The outer group breaks first; an inner one that fits then stays on its line."""
    assert "f(\n    f(1, 2),\n    f(1234, 1234),\n)" == show(call(call("1", "2"), call("1234", "1234")))


def test_a_hard_line_breaks_every_group_round_it() -> None:
    assert "f(\n    f(\n        a\n        b,\n    ),\n)" == show(call(call(concat("a", HARD, "b"))))


def test_a_suffix_has_no_width_and_no_spaces_before_it() -> None:
    """A long comment does not break the code before it; the space that was to follow the code goes."""
    doc = concat(call("1", "2"), " ", Suffix("// a comment longer than the page"), HARD, "x")

    assert "f(1, 2)  // a comment longer than the page\nx" == show(doc)


def test_empty_lines_have_no_spaces() -> None:
    assert "{\n    a\n\n    b\n}" == show(concat("{", indent(HARD, "a ", BLANK, "b"), HARD, "}"))


def test_a_fresh_line_needs_no_second_one() -> None:
    assert "a\nb" == show(concat("a", HARD, FRESH, "b"))
    assert "a\nb" == show(concat("a", FRESH, "b"))


def test_blank_only_where_broken() -> None:
    assert "ab c" == show(group("ab", Line(" ", blank=True), "c"))
    assert "ab\n\nc" == show(group("ab", Line(" ", blank=True), "c"), 3)


def test_texts_of_several_lines_are_measured_line_by_line() -> None:
    """Both the first line with what stands before it and the last one with what follows must fit."""
    assert 'f("""\n12345678901234567""")' == show(call('"""\n12345678901234567"""'), 21)
    assert 'f(\n    """\n12345678901234567""",\n)' == show(call('"""\n12345678901234567"""'), 20)
    assert 'f(\n    """123\n""",\n)' == show(call('"""123\n"""'), 7)


def test_fill_uses_the_line() -> None:
    """As many as fit, with the comma that follows."""
    doc = group("[", indent(SOFT, Fill(("11", "22", "33", "44"))), SOFT, "]")

    assert "[11, 22, 33, 44]" == show(doc, 16)
    assert "[\n    11, 22, 33,\n    44\n]" == show(doc, 15)
    assert "[\n    11, 22,\n    33, 44\n]" == show(doc, 14)


def test_flat_text() -> None:
    assert "f(1, 2)" == flat_text(call("1", "2"))
    assert "1, 2" == flat_text(Fill(("1", "2")))
    assert flat_text(call("1", HARD)) is None


def test_too_large() -> None:
    """Printing stops where the text becomes longer than it may be."""
    doc = concat(*["1234567890"] * 10)

    assert 100 == len(render(doc, longest=100))
    with pytest.raises(TooLarge):
        render(doc, longest=99)


def test_depth_is_free() -> None:
    """Documents are printed without recursion."""
    doc: Doc = "x"
    for _ in range(5_000):
        doc = group("(", indent(SOFT, doc), SOFT, ")")

    assert 5_000 == render(doc, longest=10**9).count("(")
