"""The words of tests are words only inside `test` blocks, and there only where no sensible program has a name."""

from pathlib import Path

import pytest

from dandc.cache import Cache
from dandc.checking import check_file
from dandc.lang import Source, parse
from dandc.lang import tree as t

WORDS = "expect given run fails traps with status json text hang network delay header bytes".split()


def module(text: str) -> t.Module:
    result = parse(Source("a.dnd", text))
    assert result.diagnostics == ()
    return result.module


def body(text: str) -> tuple[t.Stmt, ...]:
    (item,) = module(f'test "t" {{ {text} }}').items
    assert isinstance(item, t.TestItem)
    return item.body.statements


@pytest.mark.parametrize("word", WORDS)
def test_names_outside_tests(word: str) -> None:
    """Outside tests nothing changes: functions, parameters, locals, calls, fields, flows."""
    text = f"""
    fn {word}({word}: i64) -> i64 {{ let {word} = {word}({word}: 1); {word}.{word}({word}); {word}[0] = 1; return {word}; }}
    composition c({word}: i64) => () {{ {word}, b = {word}({word}, {word}: {word}); {word}(each {word}); }}
    """
    assert len(module(text).items) == 2
    assert module(text + 'test "t" { expect true; }').items[:2] == module(text).items


@pytest.mark.parametrize("word", WORDS)
def test_names_inside_tests(word: str) -> None:
    """Inside tests they still name locals, arguments and fields; at the beginning of a statement two are words."""
    statements = body(
        f"let {word} = 1; var x = {word}; x = {word} + {word}; f({word}: {word}, y: {{{word}: 1}}.{word});"
    )

    assert [type(s).__name__ for s in statements] == ["LetStmt", "LetStmt", "AssignStmt", "ExprStmt"]
    (assigned,) = body(f"{word} = 1;")
    assert isinstance(assigned, t.AssignStmt)
    (quoted,) = body(f"`{word}`(1);")
    assert isinstance(quoted, t.ExprStmt)


def test_expect_is_no_call() -> None:
    """`expect (a).b` and `expect [1] == x` begin an expectation, whatever follows looks like."""
    for text in (
        "expect (a).b;",
        "expect [1] == x;",
        "expect -x == y;",
        "expect not x;",
        "expect if a { b } else { c };",
    ):
        (statement,) = body(text)
        assert isinstance(statement, t.ExpectStmt), text
        assert statement.mode == ""


def test_modes_and_codes() -> None:
    """`fails` and `traps` are words after `expect`, and names when something follows an operand."""
    found = body(
        'expect fails run c(x: 1) with "http.status"; expect traps f(x); expect traps -x with "trap.overflow";'
        "expect fails; expect traps == 1; expect with.a;"
    )
    shown = [(s.mode, s.code and s.code.value) for s in found if isinstance(s, t.ExpectStmt)]

    assert shown == [
        ("fails", "http.status"), ("traps", None), ("traps", "trap.overflow"), ("", None), ("", None), ("", None),
    ]  # fmt: skip


def test_answers() -> None:
    """An answer is a list of words with what follows each."""
    (given,) = body(
        'given s { GET "/a" => delay 5s status 503 header "a: b" text "x", hang, json {a: [1]}, text page; "b" => bytes b"x"; }'
    )
    assert isinstance(given, t.GivenStmt)
    shown = [
        [(part.word.text, type(part.value).__name__, part.duration_ms) for part in answer.parts]
        for rule in given.rules
        for answer in rule.answers
    ]
    assert shown == [
        [("delay", "NoneType", 5000), ("status", "IntLit", None), ("header", "StrLit", None), ("text", "StrLit", None)],
        [("hang", "NoneType", None)],
        [("json", "AnonRecordExpr", None)],
        [("text", "NameExpr", None)],
        [("bytes", "BytesLit", None)],
    ]
    assert [rule.method and rule.method.text for rule in given.rules] == ["GET", None]


def test_a_broken_test_costs_itself_only() -> None:
    """A mistake in a test leaves its neighbours alone, and other statements of the test too."""
    result = parse(
        Source(
            "a.dnd", 'test "a" { expect ; let x = 1; expect x == 1; }\nfn f() {}\ntest "b" {\n\nfn g() {}\ntest "c" {}'
        )
    )
    kinds = [type(item).__name__ for item in result.module.items]

    assert kinds.count("FnItem") == 2
    assert [i.title.value for i in result.module.items if isinstance(i, t.TestItem)][::2] == ["a", "c"]
    assert {d.code for d in result.diagnostics} <= {"P0101", "P0103"}


@pytest.mark.parametrize(
    "text",
    [
        "fn f() -> i64 { test x; if true { expect run c(); } return 1; }\nfn g() -> i64 = f();",
        'fn f() -> i64 { test "a" { let a = run c(); config b = 1; given d { } } return 1; }\nfn g() -> i64 = f();',
        "test",
        'test "a"',
        'test "a" for',
        'test "a" for x in',
        'test "a" {',
        'test "a" { given',
        'test "a" { given s { GET "/" =>',
        'test "a" { expect',
        'test "a" { run c',
        'pub test "a" { }',
        'test "a" { given { } given s { x } given s { "x" => ; } expect fails with "x"; config = 1; run; }',
    ],
)
def test_rubbish_is_diagnosed(text: str, tmp_path: Path) -> None:
    """Broken tests give diagnostics, never a traceback, also in the checks."""
    path = tmp_path / "a.dnd"
    path.write_text(text, encoding="utf-8")
    loaded, checked = check_file(path, Cache(None))

    assert loaded.diagnostics + checked.diagnostics
