"""Words of policies, joins and loops are words only where they stand behind a value or before a step, and names elsewhere."""

import pytest

from dandc.lang import Source, parse
from dandc.lang import tree as t
from dandc.lang.softwords import SOFT_WORDS

WORDS = sorted(SOFT_WORDS | {"key", "named", "intrinsic"})


def module(text: str) -> t.Module:
    result = parse(Source("a.dnd", text))
    assert result.diagnostics == ()
    return result.module


def flow(text: str) -> tuple[t.FlowStatement, ...]:
    (item,) = module(f"composition c(x: i64) => () {{ {text} }}").items
    assert isinstance(item, t.CompositionItem)
    return item.body


def renamed(text: str, word: str) -> str:
    """`text` with every `w` of its own replaced."""
    return text.replace("W", word)


KERNELS = """
fn W(W: i64, other: i64 = 1) -> i64 {
    let W = W(W: 1, other: W % W) + W;
    W.W(W); W[0] = W; if W { W = 1; } else { W(W); }
    for W in W { W += 1; }
    if W == 1 { W = 2; }
    let x = match W { W => W, some(W) if W => W };
    return W;
}
record W_ { W: i64 }
function f(W: i64, a: set[W => i64]) => (W: i64) { emit W <- W; emit W[W] named W <- W; fail W; }
"""
FLOWS = """
composition c(W: i64) => () {
    W, b = W(W, W: W, each W);
    W = f(W) retry 3;
    loop (W: i64 = W) up to 3 { yield W <- W; next W = W; W = f(W); W, b = W(W); }
    W = f(W);
    loop (i: i64 = W) up to 3 { next i = W; } after W, W once W;
    W = a.W(W) by W left W cross W on failure collect into W up to 3;
    W = W ++ W; W = W else W;
}
"""
TESTS = """
test "t" for W in [W, W] {
    config W = 1;
    given W { GET "/" => status 200 text "a", json W, json W; W "/" => hang; }
    let W = run W(W: 1, x: W);
    expect W == 1 and W; expect W and W; expect fails run W(W) with "a"; expect traps W with "b";
    run W.W(W); W(W); expect W;
}
"""


@pytest.mark.parametrize("word", WORDS)
def test_names_in_functions(word: str) -> None:
    assert len(module(renamed(KERNELS, word)).items) == 3


@pytest.mark.parametrize("word", WORDS)
def test_names_in_compositions(word: str) -> None:
    text = renamed(FLOWS, word)
    (item,) = module(text).items
    assert isinstance(item, t.CompositionItem)
    assert [len(item.body), len(getattr(item.body[2], "body", ()))] == [8, 4]


@pytest.mark.parametrize("word", WORDS)
def test_names_in_tests(word: str) -> None:
    (item,) = module(renamed(TESTS, word)).items
    assert isinstance(item, t.TestItem)


def test_words_behind_a_value() -> None:
    """Comments and new lines change nothing."""
    (stmt,) = flow("y = f(x) // why\n    retry // how\n 3\n    limit\n memory 1MiB, time 2s;")
    assert isinstance(stmt, t.FlowStmt)
    assert isinstance(stmt.value, t.FlowCall)
    assert [p.kind for p in stmt.value.policies] == ["retry", "limit"]


def test_a_forgotten_semicolon_is_no_policy() -> None:
    """A word at the beginning of an assignment is a name, also right behind a value."""
    result = parse(Source("a.dnd", "composition c(x: i64) => () {\n    y = f(x)\n    retry = f(y);\n}\n"))
    assert [d.code for d in result.diagnostics] == ["P0102"]


def test_a_name_behind_a_loop_begins_a_statement() -> None:
    first, second, third = flow(
        "loop (i: i64 = x) up to 3 { next i = x; } within = f(x); loop () up to 2 {} within 3s;"
    )
    assert isinstance(first, t.FlowLoop)
    assert isinstance(second, t.FlowStmt)
    assert isinstance(third, t.FlowLoop)
    assert (first.policies, len(third.policies)) == ((), 1)
