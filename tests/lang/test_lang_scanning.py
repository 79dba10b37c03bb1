"""Our own loops over a text and over its tokens find what lark's find, which are the oracles here."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import TextSlice, Token, Tree, UnexpectedToken
from lark.lexer import LexerState

from dandc.lang import Source
from dandc.lang.cut import cut
from dandc.lang.grammar import tables
from dandc.lang.lexing import lex
from dandc.lang.reading import read
from dandc.lang.scanning import scan

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    [*Path(__file__).parent.glob("corpus/*.dnd"), *ROOT.glob("stdlib/*.dnd"), *ROOT.glob("examples/*/*.dnd")]
)
PIECES = st.sampled_from(
    "a fn é _x 12 1_000 0x1f 2.5e-3 10ms 4KiB 5xx + - +% <<= <- => .. . / // /// //! /* */ # ! && || @ ~ ` `all` ' ( ) { } "
    '" "s" "a\\n" """ """t""" f" f"{x}" f"""{y}""" b" b"z" \\ \ufeff \u200b \u00a0'.split(" ")
) | st.sampled_from([" ", "\n", "\r\n", "\t", "\f", ";", "if", "anyEach"])


def facts(token: Token) -> tuple[object, ...]:
    place = (token.start_pos, token.end_pos, token.line, token.column, token.end_line, token.end_column)
    return (token.type, str(token), token.value, *place)


def expected_tokens(text: str, start: int, end: int) -> list[tuple[object, ...]]:
    """What lark's own lexer finds; it starts to count lines at `start`."""
    state = LexerState(TextSlice(text, 0, end))
    state.line_ctr.char_pos, state.line_ctr.column = start, start + 1
    return [facts(token) for token in tables().parser.lexer.lex(state, None)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_real_programs_have_the_tokens_that_lark_finds(path: Path) -> None:
    """Types, texts and places of all tokens are the same."""
    text = path.read_text(encoding="utf-8")

    assert expected_tokens(text, 0, len(text)) == [facts(t) for t in scan(tables(), text, 0, len(text))]


@given(st.lists(PIECES, max_size=25).map("".join), st.data())
def test_any_text_has_the_tokens_that_lark_finds(text: str, data: st.DataObject) -> None:
    """Also of a part of a text, and of what is no program at all."""
    end = data.draw(st.integers(0, len(text)))
    start = data.draw(st.integers(0, end))

    assert expected_tokens(text, start, end) == [facts(t) for t in scan(tables(), text, start, end)]


def expected_tree(tokens: list[Token], end: Token) -> "Tree[Token] | None":
    """What lark's automaton makes of the tokens, None where it refuses them."""
    feed = tables().parse_interactive(start="item").parser_state.feed_token
    try:
        for token in tokens:
            feed(token)
        tree: Tree[Token] = feed(end, True)
    except UnexpectedToken:
        return None
    return tree


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_items_have_the_trees_that_lark_makes(path: Path) -> None:
    """Every item as it is, and without a token in its middle, where it mostly is none."""
    text = path.read_text(encoding="utf-8")
    tokens = lex(Source(str(path), text), tables()).tokens
    for segment in cut(tokens, text):
        item = tokens[segment.start : segment.end]
        end = Token("$END", "", item[-1].end_pos)
        middle = len(item) // 2
        for sequence in (item, item[:middle] + item[middle + 1 :], item[:middle], []):
            assert expected_tree(sequence, end) == read(tables(), sequence, end)
