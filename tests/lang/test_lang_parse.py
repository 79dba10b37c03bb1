"""What the tree says: precedence, literals, spans, compositions, documentation."""

from pathlib import Path
from typing import Any

import pytest

from dandc.lang import Source, parse
from dandc.lang import tree as t
from dandc.lang.lexing import RESERVED

CORPUS = Path(__file__).parent / "corpus"


def module(text: str) -> t.Module:
    result = parse(Source("a.dnd", text))
    assert [] == [f"{d.code} {d.message}" for d in result.diagnostics]
    return result.module


def codes(text: str) -> list[str]:
    return [d.code for d in parse(Source("a.dnd", text)).diagnostics]


def expression(text: str) -> Any:
    (item,) = module(f"const A: T = {text};").items
    assert isinstance(item, t.ConstItem)
    return item.value


def statements(text: str) -> tuple[Any, ...]:
    (item,) = module(f"fn f() {{ {text} }}").items
    assert isinstance(item, t.FnItem)
    assert item.body is not None
    return item.body.statements


def flow(text: str) -> Any:
    (item,) = module(f"composition c() => () {{ {text} }}").items
    assert isinstance(item, t.CompositionItem)
    (statement,) = item.body
    return statement.value


def show(node: Any) -> str:
    """An expression with all its parentheses."""
    match node:
        case t.BinaryExpr():
            return f"({show(node.left)} {node.op} {show(node.right)})"
        case t.UnaryExpr():
            return f"({node.op} {show(node.operand)})"
        case t.NameExpr():
            return node.name.text
        case t.IntLit():
            return str(node.value)
        case t.FieldExpr():
            return f"{show(node.base)}.{node.name.text}"
        case t.CallExpr():
            return f"{show(node.callee)}({', '.join(show(a.value) for a in node.args)})"
        case t.TryExpr():
            return f"{show(node.base)}?"
        case t.LambdaExpr():
            return f"|{', '.join(show(p) for p in node.params)}| {show(node.body)}"
        case t.WildcardPattern():
            return "_"
        case t.NamePattern():
            return node.name.text
        case t.TuplePattern():
            return f"({', '.join(show(i) for i in node.items)})"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a or b and c", "(a or (b and c))"),
        ("not a == b", "(not (a == b))"),
        ("not a and b", "((not a) and b)"),
        ("not not a", "(not (not a))"),
        ("a == b | c", "(a == (b | c))"),
        ("a | b ^ c & d", "(a | (b ^ (c & d)))"),
        ("a & b << c", "(a & (b << c))"),
        ("a << b + c", "(a << (b + c))"),
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b % c *% d", "(((a / b) % c) *% d)"),
        ("a -% b +% c", "((a -% b) +% c)"),
        ("-a * b", "((- a) * b)"),
        ("-a.b(c)?", "(- a.b(c)?)"),
        ("- -~a", "(- (- (~ a)))"),
        ("(a + b) * c", "((a + b) * c)"),
        ("a < b and b <= c", "((a < b) and (b <= c))"),
        ("f(|x| x + 1 or y)", "f(|x| ((x + 1) or y))"),
        ("|_| 1", "|_| 1"),
        ("f(|a, (b, (_, c)),| b | c)", "f(|a, (b, (_, c))| (b | c))"),
        ("a - -1", "(a - (- 1))"),
    ],
)
def test_precedence(written: str, meant: str) -> None:
    """Operators bind as the table says, to the left within one level; a lambda's body extends as far as it can."""
    assert meant == show(expression(written))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1_000", t.IntLit),
        ("0xff", 255),
        ("0XFF_FF", 65535),
        ("0b1010", 10),
        ("0o17", 15),
        ("0", 0),
        ('"a\\n\\u{1F600}\\"\\\\"', 'a\n\U0001f600"\\'),
        ('"{x}"', "{x}"),
        ('""', ""),
        ('b"\\xff\\0a"', b"\xff\0a"),
        ('b"ä"', "ä".encode()),
        ('"""\n    a\n      "b"\n    """', 'a\n  "b"\n'),
        ('"""\n    a\n\n    b"""', "a\n\nb"),
        ('"""a\\tb"""', "a\tb"),
        ('"""\r\n  a\r\n  """', "a\n"),
        ("true", True),
        ("false", False),
    ],
)
def test_literals(written: str, value: object) -> None:
    """A literal has the value after escapes, unindenting and radix."""
    node = expression(written)

    assert node.value == (1000 if value is t.IntLit else value)


def test_float_keeps_its_digits() -> None:
    """A float literal keeps its text, because its value depends on the expected width."""
    assert ["1.5", "2000.25", "1e9", "1.5e-3"] == [expression(x).text for x in ("1.5", "2_000.25", "1e9", "1.5e-3")]


def test_range_is_no_float() -> None:
    """`0..n` and `1..2` are ranges; a float has digits on both sides of its point."""
    (loop,) = statements("for i in 0..10 {}")

    assert (t.IntLit(loop.span, 0), t.IntLit(loop.span, 10)) == (loop.iterable.lo, loop.iterable.hi)


def test_fstring_pieces() -> None:
    """Text and expressions alternate; doubled braces and escapes are text; a string may stand in an expression."""
    node = expression('f"a\\t{x + 1}{{y}}{z.get("k")}"')

    assert ["StrLit", "BinaryExpr", "StrLit", "CallExpr"] == [type(p).__name__ for p in node.parts]
    assert ["a\t", "{y}"] == [p.value for p in node.parts if isinstance(p, t.StrLit)]


def test_fstring_unindents_round_expressions() -> None:
    """In a triple-quoted f-string an expression counts as text of its line."""
    node = expression('f"""\n    {a}\n      and {b}\n    """')

    assert ["\n  and ", "\n"] == [p.value for p in node.parts if isinstance(p, t.StrLit)]


def test_expression_in_fstring_has_its_own_span() -> None:
    """Spans in f-strings point into the source, so that a diagnostic can."""
    text = 'const A: str = f"a{bcd}";'
    (item,) = module(text).items
    assert isinstance(item, t.ConstItem)
    assert isinstance(item.value, t.FStrLit)
    span = item.value.parts[1].span

    assert "bcd" == text[span.start : span.end]


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_as_fields(word: str) -> None:
    """A reserved word is legal after `.`, as field of a record, in records without a type and as argument name."""
    module(f"record R {{ {word}: i64 }} const A: T = f({word}: {{{word}: x.{word}}});")


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_as_names(word: str) -> None:
    """A reserved word names something only in back quotes."""
    (statement,) = statements(f"let `{word}` = 1;")

    assert word == statement.pattern.name.text
    if word not in ("true", "false"):  # these are literal patterns
        assert [] != codes(f"fn f() {{ let {word} = 1; }}")


@pytest.mark.parametrize("word", "retry timeout on failure collect into skip value named intrinsic set secret".split())
def test_soft_words_are_names(word: str) -> None:
    """Words of policies and types name parameters, variables and targets like any other word."""
    module(f"fn {word}({word}: i64) -> i64 {{ let {word} = {word}({word}: 1); {word}.{word}({word}); return {word}; }}")
    module(f"composition c({word}: i64) => () {{ {word}, b = {word}({word}, {word}: {word}) retry 3; }}")


def test_flow_values() -> None:
    """A call of a dotted name is a node, a name a reference, everything else a constant."""
    kinds = {text: type(flow(f"x = {text};")).__name__ for text in ("f(a)", "a.b.c()", "a", "3", "[1]", "-1", "{a: 1}")}

    assert {
        "f(a)": "FlowCall", "a.b.c()": "FlowCall", "a": "FlowRef", "3": "FlowConst", "[1]": "FlowConst",
        "-1": "FlowConst", "{a: 1}": "FlowConst",
    } == kinds  # fmt: skip


def test_flow_arguments() -> None:
    """Shard words, names and nested calls with policies of their own."""
    call = flow("x = f(a, each b, size: 3, k: all c, g(d) retry 2) timeout 1m;")

    assert ["", "each", "", "all", ""] == [a.shard for a in call.args]
    assert [None, None, "size", "k", None] == [a.name and a.name.text for a in call.args]
    assert [2] == [p.count for p in call.args[4].value.policies]
    assert [60_000] == [p.duration_ms for p in call.policies]


def test_policies() -> None:
    """`on (...)` belongs to the `retry` before it; `on failure` has four modes."""
    retry, timeout, failure = flow(
        "x = f() retry 5 on (429, 5xx, network) timeout 500ms on failure collect into failed;"
    ).policies

    assert (5, ("429", "5xx", "network")) == (retry.count, retry.on)
    assert 500 == timeout.duration_ms
    assert ("collect", "failed") == (failure.mode, failure.into.text)
    modes = [flow(f"x = f() on failure {mode};").policies[0].mode for mode in ("fail", "skip", "value")]
    assert ["fail", "skip", "value"] == modes


def test_sets_are_port_types() -> None:
    """`set[K => T]` and `set[T]` have a node of their own."""
    (item,) = module("function f(a: set[str => i64], b: set[i64], c: optional str) => () {}").items
    assert isinstance(item, t.FunctionItem)
    a, b, c = (port.type for port in item.params)

    assert isinstance(a, t.SetType) and isinstance(a.key, t.NamedType)
    assert isinstance(b, t.SetType) and b.key is None
    assert isinstance(c, t.OptionalType)


def test_bodies_of_functions() -> None:
    """`= expr;` is one `return` in an `fn` and an expression in a `function`; `intrinsic` has no body."""
    short, known, pure = module(
        "fn f() -> i64 = 1; fn len(self: str) -> i64 intrinsic; function g() => (a: i64) = 1;"
    ).items
    assert isinstance(short, t.FnItem) and isinstance(known, t.FnItem) and isinstance(pure, t.FunctionItem)

    assert short.body is not None and isinstance(short.body.statements[0], t.ReturnStmt)
    assert known.body is None
    assert pure.body is None and isinstance(pure.expression, t.IntLit)


def test_documentation() -> None:
    """`///` lines belong to the item after them, `//!` lines to the module, others to nobody."""
    parsed = module("//! About\n//! it.\n\n/// One.\n///  Two.\npub fn f() {}\n// no\n//// no\nfn g() {}\n")

    assert "About\nit." == parsed.doc
    assert ["One.\n Two.", ""] == [item.doc for item in parsed.items]
    assert [True, False] == [item.public for item in parsed.items]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.dnd")), ids=lambda p: p.stem)
def test_spans_nest(path: Path) -> None:
    """Every node's span lies within its parent's and is not empty; the corpus parses without a diagnostic."""
    import attrs

    text = path.read_text(encoding="utf-8")
    stack: list[Any] = list(module(text).items)
    seen = 0
    while stack:
        node = stack.pop()
        seen += 1
        assert 0 <= node.span.start < node.span.end <= len(text)
        for field in attrs.fields(type(node)):
            value = getattr(node, field.name)
            for child in value if isinstance(value, tuple) else (value,):
                if isinstance(child, t.Node):
                    assert node.span.start <= child.span.start
                    assert child.span.end <= node.span.end, (type(node), text[node.span.start : node.span.end])
                    stack.append(child)
    assert seen > 100


@pytest.mark.parametrize("change", ["\r\n", "\t", "comments"])
def test_white_space_and_comments_do_not_matter(change: str) -> None:
    """Line ends of other systems, tabs and comments leave the tree as it is."""
    text = (CORPUS / "reference.dnd").read_text(encoding="utf-8")
    changed = {
        "\r\n": text.replace("\n", "\r\n"),
        "\t": text.replace("    ", "\t"),
        "comments": text.replace(";\n", "; // c\n"),
    }[change]

    assert module(text) == module(changed)
    assert text != changed


def test_byte_order_mark_is_skipped() -> None:
    """A byte order mark at the very beginning is no mistake; elsewhere it is."""
    assert [] == codes("\ufeffimport html;")
    assert ["L0008"] == codes("import html;\ufeff")
