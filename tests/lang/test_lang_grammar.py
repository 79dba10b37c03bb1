"""The grammar: no conflict, no colliding terminals, nothing that no program uses, and a safe cache of its tables."""

import gc
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lark import TextSlice
from lark.lexer import LexerState
from lark.parsers.lalr_analysis import Shift

from dandc.lang import Source, grammar, parse
from dandc.lang.cut import cut
from dandc.lang.lexing import RESERVED, lex
from dandc.lang.softwords import SOFT_WORDS

CORPUS = Path(__file__).parent / "corpus"
GOLDENS = Path(__file__).parent / "goldens"


# Made by recovery and after lexing, or taken out of the sequence before parsing.
TEST_WORDS = {"EXPECT", "FAILS", "TRAPS", "GIVEN", "SET_CONFIG", "RUN", "WITH"}
NEVER_LEXED = {"BROKEN", "FNAME", "FSTR_BEGIN", "FSTR_TEXT", "FSTR_OPEN", "FSTR_CLOSE", "FSTR_END", "MORE", *TEST_WORDS}

# Skipped by the lexer itself; every corpus has them.
IGNORED = {"WS", "COMMENT"}


@cache
def language() -> Any:
    return grammar.tables()


def corpus() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(CORPUS.glob("*.dnd"))]


def reduced_rules(text: str) -> set[tuple[str, str | None]]:
    """Origin and alias of every rule that the automaton reduces while it reads the items of `text`."""
    source = Source("corpus.dnd", text)
    tokens = lex(source, language()).tokens
    conf = language().parse_interactive(start="item").parser_state.parse_conf
    found: set[tuple[str, str | None]] = set()
    for segment in cut(tokens, text):
        stack = [conf.start_state]
        for type_ in [t.type for t in tokens[segment.start : segment.end]] + ["$END"]:
            while True:
                action, target = conf.states[stack[-1]][type_]
                if action is Shift:
                    stack.append(target)
                    break
                found.add((str(target.origin.name), target.alias))
                del stack[len(stack) - len(target.expansion) :]
                stack.append(conf.states[stack[-1]][target.origin.name][1])
                if type_ == "$END" and stack[-1] == conf.end_state:
                    break
    return found


def test_has_no_conflicts_and_no_colliding_terminals() -> None:
    """`strict` turns shift/reduce conflicts and terminals that match the same text into errors."""
    assert grammar.build(strict=True).rules


def test_every_rule_is_exercised() -> None:
    """Each rule and each named alternative occurs in the corpus."""
    seen = set().union(*(reduced_rules(text) for text in corpus()))
    rules = {(str(r.origin.name), r.alias) for r in language().rules if r.origin.name != "lexical"}

    assert set() == rules - seen


def test_every_terminal_is_exercised() -> None:
    """Each terminal is matched in the corpus or in a golden of a lexical mistake."""
    texts = corpus() + [path.read_text(encoding="utf-8") for path in sorted(GOLDENS.glob("*.txt"))]
    lexer = language().parser.lexer
    seen = {t.type for text in texts for t in lexer.lex(LexerState(TextSlice(text, 0, len(text))), None)}
    terminals = {t.name for t in language().terminals}

    assert set() == terminals - seen - NEVER_LEXED - IGNORED


def test_reserved_words_are_those_of_the_grammar() -> None:
    """The list that the lexer uses and the terminals that the grammar defines are the same words."""
    soft = SOFT_WORDS | {"named", "key", "intrinsic"}
    words = {
        t.pattern.value for t in language().terminals if t.pattern.type == "str" and t.pattern.value.isidentifier()
    }

    assert words - soft == RESERVED


def test_tables_survive_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are written to the given directory once and loaded from there the next time, with the same result."""
    text = corpus()[0]
    expected = parse(Source("a.dnd", text))
    for _ in range(2):
        monkeypatch.setattr(grammar, "_loaded", [])
        assert expected == parse(Source("a.dnd", text), cache_dir=tmp_path)
    files = list(tmp_path.iterdir())

    assert 1 == len(files)
    assert grammar._load(files[0]) is not None


@pytest.mark.parametrize("damage", [b"", b"\x80\x05", b"rubbish", b"\x80\x05}."])
def test_damaged_cache_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    """A file that was cut off or holds something else costs only the time of building."""
    monkeypatch.setattr(grammar, "_loaded", [])
    parse(Source("a.dnd", ""), cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    monkeypatch.setattr(grammar, "_loaded", [])

    assert () == parse(Source("a.dnd", "import html;"), cache_dir=tmp_path).diagnostics
    assert file.stat().st_size > len(damage)


def test_missing_cache_directory_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, parsing works all the same and leaves nothing behind."""
    monkeypatch.setattr(grammar, "_loaded", [])

    assert () == parse(Source("a.dnd", "import html;"), cache_dir=tmp_path / "absent").diagnostics
    assert [] == list(tmp_path.iterdir())


def test_lark_is_loaded_by_the_first_parse_only() -> None:
    """Importing the package loads no lark: running a cached program does not need it."""
    script = (
        "import sys, dandc.lang, dandc.lang.tree\n"
        "assert 'lark' not in sys.modules\n"
        "dandc.lang.parse(dandc.lang.Source('a', 'import html;'))\n"
        "assert 'lark' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_left_as_it_was(enabled: bool) -> None:
    """A parse pauses the garbage collector and restores what the caller had chosen."""
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        parse(Source("a.dnd", "fn f() { let = ; }"))
        assert enabled == gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()
