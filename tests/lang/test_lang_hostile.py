"""Text that wants to hurt: depth, size, and rubbish. Nothing raises, and everything is bounded."""

import gc
import random
import time
from pathlib import Path

import pytest

from dandc.lang import Source, parse, render_json, render_terminal
from dandc.lang import tree as t
from dandc.lang.grammar import tables
from dandc.lang.lexing import MAX_DIAGNOSTICS

CORPUS = Path(__file__).parent / "corpus"
MANY = 20_000


def around(inner: str) -> str:
    return f"fn f() {{ let a = {inner}; }}\nfn last() {{}}\n"


DEEP = {
    "parentheses": around("(" * MANY + "1" + ")" * MANY),
    "open parentheses": around("(" * MANY),
    "minus": around("- " * MANY + "1"),
    "not": around("not " * MANY + "1"),
    "fields": around("a" + ".b" * MANY),
    "calls": around("a" + "()" * MANY),
    "question marks": around("a" + "?" * MANY),
    "sum": around("a" + " + a" * MANY),
    "lambdas": around("|x| " * MANY + "1"),
    "else if values": around("if a {1} " + "else if a {1} " * MANY + "else {2}"),
    "products of depth": around("(" * 100 + "a" + " + a" * 100 + (")" + " + a" * 100) * 100),
    "else if": "fn f() { if a {} " + "else if a {} " * MANY + "}\nfn last() {}",
    "blocks": "fn f() { " + "if a { " * MANY + "}" * MANY + " }\nfn last() {}",
    "optional types": "fn f(a: " + "optional " * MANY + "i64) {}\nfn last() {}",
    "function types": "fn f(a: " + "fn() -> " * MANY + "i64) {}\nfn last() {}",
    "patterns": "fn f() { match a { " + "s(" * MANY + "x" + ")" * MANY + " => {} } }\nfn last() {}",
}


@pytest.mark.parametrize("name", sorted(DEEP))
def test_depth_is_refused_with_one_diagnostic(name: str) -> None:
    """Whatever nests, the limit is reported once and the next item is still read."""
    result = parse(Source("a.dnd", DEEP[name]))

    assert ["P0126"] == [d.code for d in result.diagnostics]
    if name not in ("blocks", "open parentheses"):
        assert isinstance(result.module.items[-1], t.FnItem)


@pytest.mark.parametrize(
    "text",
    [
        around("(" * 190 + "1" + ")" * 190),
        around("1" + " + 1" * 190),
        "fn f() { " + "if a { " * 95 + "}" * 95 + " }",
        around("a" + ".b()" * 95),
    ],
)
def test_depth_below_the_limit_is_fine(text: str) -> None:
    """What a person may write is accepted, and the tree can be compared and shown without deep recursion."""
    result = parse(Source("a.dnd", text))

    assert () == result.diagnostics
    assert result.module == parse(Source("a.dnd", text)).module
    assert repr(result.module)


@pytest.mark.parametrize("size", [10_000_000, (4 << 20) + 1])
def test_large_file_is_refused_before_it_is_read(size: int) -> None:
    """The size is looked at first: no token is made."""
    started = time.process_time()
    result = parse(Source("a.dnd", "(" * size))

    assert ["L0010"] == [d.code for d in result.diagnostics]
    assert time.process_time() - started < 0.5


def test_size_counts_bytes() -> None:
    """A text of few characters may be too many bytes."""
    assert ["L0010"] == [d.code for d in parse(Source("a.dnd", "//" + "界" * (2 << 20))).diagnostics]


@pytest.mark.parametrize(
    "text",
    ["$ " * 1_000, '"\n' * 1_000, "fn " * 1_000, "fn f() {" + "let = 1;" * 1_000 + "}", "fn f() {" + ";" * 1_000 + "}"],
)
def test_diagnostics_are_bounded(text: str) -> None:
    """A file full of mistakes gives a bounded number of diagnostics and says so; the renderer shows fewer still."""
    source = Source("a.dnd", text)
    found = parse(source).diagnostics

    assert MAX_DIAGNOSTICS + 1 == len(found)
    assert "P0121" == found[-1].code
    shown = render_terminal(found, {"a.dnd": source}, colour=False)
    assert "... and 80 more in a.dnd\n" in shown


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", "\ufeff", "\0", "\ud800", '"\udc00"', "\r", "//", "///", "//!", '"""', 'f"', 'f"{', "b'", "`", "}",
     "pub", "fn", "test", "fn f(", "1" * 5_000, "0x", "\\", "$", "fn f() = 1", "match", "import", "\x1b[2J", "e\u0301"],
)  # fmt: skip
def test_any_text_gives_a_module(text: str) -> None:
    """Nothing raises, and diagnostics can be rendered both ways without control characters."""
    check(text)


def check(text: str) -> None:
    source = Source("a.dnd", text)
    result = parse(source)
    shown = render_terminal(result.diagnostics, {"a.dnd": source}, colour=False)
    assert not [c for c in shown if c != "\n" and not c.isprintable()]
    assert render_json(result.diagnostics, {"a.dnd": source}).isascii()
    for diagnostic in result.diagnostics:
        if diagnostic.span is not None:
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= max(len(text), diagnostic.span.start)


def pieces(text: str) -> list[str]:
    """The text cut before every token, so that the pieces together are the text."""
    starts = [token.start_pos for token in tables().lex(text) if token.start_pos is not None]
    return [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]


@pytest.mark.parametrize("seed", range(12))
def test_damaged_programs_never_raise(seed: int) -> None:
    """Programs with tokens deleted, repeated, exchanged or cut off: a few hundred, always the same ones."""
    choice = random.Random(seed)
    corpora = [pieces(path.read_text(encoding="utf-8")) for path in sorted(CORPUS.glob("*.dnd"))]
    every = sorted({piece.strip() for corpus in corpora for piece in corpus})
    for _ in range(25):
        tokens = list(choice.choice(corpora))
        for _ in range(choice.randint(1, 6)):
            at = choice.randrange(len(tokens))
            action = choice.randrange(4)
            if action == 0:
                del tokens[at : at + choice.randint(1, 3)]
            elif action == 1:
                tokens.insert(at, f" {choice.choice(every)} ")
            elif action == 2:
                tokens[at] = f" {choice.choice(every)} "
            else:
                del tokens[max(at, 20) :]
        check("".join(tokens))


@pytest.mark.parametrize("seed", range(4))
def test_random_characters_never_raise(seed: int) -> None:
    """Texts of characters that mean something to the lexer, at random."""
    choice = random.Random(seed)
    alphabet = "{}()[];:,.\"'`fb\\/*#=<>|&!+-%?~^ \n\té界\x1b0159abcxs_" + "\u202e\ud800"
    for _ in range(100):
        check("".join(choice.choices(alphabet, k=choice.randint(1, 80))))


def least_time(text: str) -> float:
    """CPU seconds of parsing, the least of three times: what else a process does now and then is not counted."""
    times = []
    for _ in range(3):
        gc.collect()  # else what earlier tests have left is collected meanwhile
        started = time.process_time()
        parse(Source("a.dnd", text))
        times.append(time.process_time() - started)
    return min(times)


def test_time_is_linear() -> None:
    """Four times the text takes about four times the time, with and without mistakes; a square would take 16 times."""
    for unit in ('fn f{i}() {{ g(f"{{x}}"); if a {{ h(1, [2, 3]); }} }}\n', "fn f{i}() {{ let = 1; a(); }}\n"):
        few, many = (
            least_time("".join(unit.format(i=i) for i in range(count if "let =" not in unit else count // 20)))
            for count in (400, 1_600)
        )
        assert many < 12 * few + 0.1
