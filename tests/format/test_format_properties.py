"""What holds for every text: the tree and the comments stay, formatting twice changes nothing, layout does not matter."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dandc.lang import Source, parse
from dandc.lang import tree as t
from dandc.lang.format import RULES, format_source, same
from dandc.lang.format_docs import WIDTH
from dandc.lang.format_tape import comments, tape

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("stdlib/*.dnd"), *ROOT.glob("examples/**/*.dnd"), *ROOT.glob("tests/**/*.dnd")])
TEXTS = [path.read_text(encoding="utf-8") for path in SOURCES]
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def items() -> list[str]:
    """The texts of all items of all programs in the tree."""
    spans = [(text, item.span) for text in TEXTS for item in parse(Source("a.dnd", text)).module.items]
    return [text[span.start : span.end] for text, span in spans]


ITEMS = items()
COMMENTS = ["//{}", "// {}", "///{}", "//!{}", "//// {} "]


@st.composite
def gaps(draw: st.DrawFn) -> str:
    """What may stand between two tokens, with comments."""
    kind = draw(st.sampled_from(["space"] * 12 + ["line", "blank", "comment", "comment"]))
    if kind != "comment":
        return {"space": " ", "line": "\n ", "blank": "\n \t\r\n\n "}[kind]
    out = ""
    for i in range(draw(st.integers(1, 2))):
        comment = draw(st.sampled_from(COMMENTS)).format(f"c{i}")
        out += (
            draw(st.sampled_from([" ", "\n  ", "\n\n "])) + comment + draw(st.sampled_from(["\n ", "\n\n ", "\r\n "]))
        )
    return out


@st.composite
def scrambled(draw: st.DrawFn) -> str:
    """One item of a real program with other white space and comments between its tokens."""
    item = draw(st.sampled_from(ITEMS))
    lexemes = tape(Source("a.dnd", item)).lexemes
    # One draw a token would exhaust the buffer of long items: the gaps are drawn once and used in turns.
    pool = draw(st.lists(gaps(), min_size=3, max_size=40))
    step = draw(st.integers(1, 7))
    return "".join(pool[i * step % len(pool)] + lexeme.text for i, lexeme in enumerate(lexemes))


def formatted(text: str) -> str:
    result = format_source(Source("a.dnd", text))
    assert isinstance(result, str), result
    return result


def assert_kept(text: str) -> str:
    source = Source("a.dnd", text)
    parsed = parse(source)
    assert not parsed.failed, parsed.diagnostics[:1]
    result = formatted(text)
    again = parse(Source("a.dnd", result))

    assert not again.failed
    assert same(parsed.module, again.module)
    assert comments(tape(source)) == comments(tape(Source("a.dnd", result)))
    assert result == formatted(result)
    assert all(line == line.rstrip() for line in result.split("\n") if '"' not in line)
    return result


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_programs(path: Path) -> None:
    """Every program in the tree keeps its meaning and its comments."""
    result = assert_kept(path.read_text(encoding="utf-8"))

    assert result.endswith("\n")
    assert "\n\n\n" not in result


def test_programs_are_formatted() -> None:
    """The standard library and the examples are in the style that they show."""
    unformatted = [p.name for p in SOURCES if "tests" not in p.parts and formatted(p.read_text()) != p.read_text()]

    assert [] == unformatted


@given(scrambled())
@settings(SLOW, max_examples=80)
def test_anything_between_tokens(text: str) -> None:
    """Wherever comments and line ends stand, nothing is lost and the second time changes nothing."""
    assert_kept(text)


@given(st.sampled_from(ITEMS), st.lists(st.sampled_from([" ", "\n ", "   ", "\r\n\t"]), min_size=2, max_size=30))
@settings(SLOW, max_examples=40)
def test_layout_does_not_matter(item: str, pool: list[str]) -> None:
    """Without comments and empty lines, the result depends on the tokens alone."""
    lexemes = tape(Source("a.dnd", item)).lexemes
    plain = " ".join(lexeme.text for lexeme in lexemes)
    other = "".join(pool[i % len(pool)] + lexeme.text for i, lexeme in enumerate(lexemes))

    assert formatted(plain) == formatted(other)


# Expressions: every operand in parentheses, so that the text parses; the formatter leaves what is needed.

ATOMS = st.sampled_from(
    ["a", "xs", "limit_of_all", "1", "0xff", "1_000", "2.50", '"s"', 'b"\\x00"', 'f"{a}/b"', "true", "()"]
)
BINARY = "or and == != < <= > >= | ^ & << >> + - +% -% * / % *%".split()


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The expressions one level deeper."""
    operand = inner.map("({})".format)
    either = st.one_of(inner, operand)
    several = st.lists(either, min_size=1, max_size=5).map(", ".join)
    return st.one_of(
        st.tuples(operand, st.sampled_from(BINARY), operand).map(" ".join),
        st.tuples(st.sampled_from(["-", "~", "not "]), operand).map("".join),
        st.tuples(operand, st.sampled_from([".name", "?", "[1..]", "[..]", ".all()", "[a]"])).map("".join),
        st.tuples(operand, several).map("{0[0]}({0[1]})".format),
        st.tuples(operand, several).map("({0[0]}, {0[1]},)".format),
        st.tuples(operand, several).map("{0[0]}.first({0[1]}).second(x: {0[1]}).third()".format),
        several.map("[{},]".format),
        inner.map("{{a: {0}, b: {0}}}".format),
        inner.map("|x, y| {}".format),
        st.tuples(inner, inner, inner).map("if {0[0]} {{ {0[1]} }} else {{ {0[2]} }}".format),
        st.tuples(inner, inner, inner).map("match {0[0]} {{ 1 if {0[1]} => {0[2]}, _ => {0[1]} }}".format),
        st.tuples(operand, several).map("R(..{0[0]}, k: {0[1]})".format),
    )


EXPRESSIONS = st.recursive(ATOMS, compound, max_leaves=12)


@given(EXPRESSIONS)
@settings(SLOW, max_examples=80)
def test_expressions(text: str) -> None:
    """Parentheses stand where they are needed, in every place where an expression may stand."""
    assert_kept(f"const A: T = {text};")
    assert_kept(f"fn f() {{ ({text}); ({text})[0] += {text}; for x in {text} {{ emit p[{text}] <- {text}; }} }}")


@given(EXPRESSIONS.filter(lambda text: "R(.." not in text))  # record updates stand in functions only
@settings(SLOW, max_examples=40)
def test_constants_of_compositions(text: str) -> None:
    """What is a constant in a composition stays one, and no call becomes one of the composition."""
    assert_kept(f"composition c() => () {{ x = {text}; y = f(({text}), each (z), k: all g(({text}))) retry 3; }}")


@given(EXPRESSIONS)
@settings(SLOW, max_examples=80)
def test_width(text: str) -> None:
    """Where a line can be broken, it is: only indentation makes lines longer than the page."""
    result = formatted(f"const A: T = {text};")
    deepest = max(len(line) - len(line.lstrip()) for line in result.split("\n"))

    assert all(len(line) <= WIDTH for line in result.split("\n")) or deepest > WIDTH // 2


def subclasses(type_: type[t.Node]) -> set[type[t.Node]]:
    return {type_}.union(*(subclasses(inner) for inner in type_.__subclasses__()))


def test_every_node_has_a_rule() -> None:
    """What is new in the tree must be printed: a type without a rule would stop the formatter."""
    bases = {t.Node, t.TypeExpr, t.Expr, t.Pattern, t.Stmt, t.FlowExpr, t.Item}
    unprinted = {t.Name, t.Module, t.ErrorStmt, t.ErrorItem}

    # attrs makes a class twice for its slots: names say which one is meant.
    assert {c.__name__ for c in subclasses(t.Node) - bases - unprinted} == {c.__name__ for c in RULES}
