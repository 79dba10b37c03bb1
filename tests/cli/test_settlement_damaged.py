"""Copies of the example with tokens deleted, repeated, exchanged and replaced: every one is read, checked and shown.

A program of ordinary size that uses most of the language, one slip away from being right, is what checkers are given all
day. Nothing may raise, and what is reported has a code and stands inside of the text.
"""

import random
from pathlib import Path

import pytest
from attrs import evolve

from dandc.compiler.check import check
from dandc.lang import Source, parse, render_terminal
from dandc.lang.codes import CODES
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.grammar import tables
from dandc.loader import Loaded, load

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "settlement" / "settlement.dnd"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """The program with the modules that it imports, which stay as they are."""
    return load(PROGRAM)


@pytest.fixture(scope="module")
def pieces(loaded: Loaded) -> list[str]:
    """The text cut before every token."""
    text = loaded.sources[str(PROGRAM)].text
    starts = [token.start_pos for token in tables().lex(text) if token.start_pos is not None]
    return [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]


def checked(loaded: Loaded, text: str) -> tuple[Source, tuple[Diagnostic, ...]]:
    """The text as root module of the program, and all that parser and checker say of it."""
    source = Source(str(PROGRAM), text)
    parsed = parse(source)
    root = loaded.modules[loaded.root]
    modules = {**loaded.modules, loaded.root: evolve(root, tree=parsed.module)}
    return source, (*parsed.diagnostics, *check(modules, loaded.root, parsed.diagnostics).diagnostics)


def damaged(pieces: list[str], chance: random.Random) -> str:
    """One to three tokens are not what they were."""
    tokens = list(pieces)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(1, len(tokens) - 1)
        match chance.randrange(4):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[at])
            case 2:
                tokens[at], tokens[at + 1] = tokens[at + 1], tokens[at]
            case _:
                tokens[at] = f" {chance.choice(pieces).strip()} "
    return "".join(tokens)


def test_the_program_itself_has_no_mistakes(loaded: Loaded, pieces: list[str]) -> None:
    assert checked(loaded, "".join(pieces))[1] == ()


@pytest.mark.parametrize("seed", range(12))
def test_damaged_copies_get_diagnostics(loaded: Loaded, pieces: list[str], seed: int) -> None:
    text = damaged(pieces, random.Random(seed))
    source, diagnostics = checked(loaded, text)

    shown = render_terminal(diagnostics, {**loaded.sources, str(PROGRAM): source}, colour=False)
    assert {d.code for d in diagnostics} <= set(CODES)
    assert all(
        d.span and d.span.file == str(PROGRAM) and 0 <= d.span.start <= d.span.end <= len(text) for d in diagnostics
    )
    assert all(f"[{d.code}]" in shown for d in diagnostics)
    assert len(diagnostics) < 40, shown
