"""The tokens of a text with the comments between them, and a cursor that the formatter moves over them.

The formatter prints a tree, in the order of the text. Each token that it prints moves the cursor there, and the
comments that are passed are printed before that token: so no comment can be lost, printed twice or change its order,
wherever it stood. What the tree does not know (redundant parentheses, commas, semicolons) is passed over.
"""

import re

from attrs import define, field

from dandc.lang.collector import collector_paused
from dandc.lang.grammar import tables
from dandc.lang.lexing import lex
from dandc.lang.spans import Source
from dandc.lang.values import frozen

_COMMENT = re.compile(r"//[^\n]*")
_BLANK = re.compile(r"\n[ \t\r]*\n")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_REDUNDANT = frozenset("(),;")


class Defect(Exception):
    """The tokens are not those of the tree: a mistake of the formatter, never of the text."""


@frozen(slots=True)
class Comment:
    """One comment: its text, whether it began on the line of what stands before it, whether an empty line precedes."""

    text: str
    trailing: bool
    blank: bool

    @property
    def is_doc(self) -> bool:
        """Whether it documents what follows."""
        return self.text.startswith("///") and not self.text.startswith("////")


@frozen(slots=True)
class Trivia:
    """What stands before a token: comments, and whether an empty line follows the last of them."""

    comments: tuple[Comment, ...]
    blank: bool


NOTHING = Trivia((), False)


@frozen(slots=True)
class Lexeme:
    """One token at `start`. An f-string is a single one."""

    text: str
    start: int
    before: Trivia


@define
class Tape:
    """The tokens of a text and the cursor; `waiting` is what has been passed and not been printed."""

    lexemes: list[Lexeme]
    index_of: dict[int, int]
    closer_of: dict[int, int]
    cursor: int = 0
    waiting: list[Comment] = field(factory=list)
    blank: bool = False

    def index(self, offset: int) -> int:
        """The index of the token at an offset of the text."""
        found = self.index_of.get(offset)
        if found is None:
            raise Defect(f"no token at {offset}")
        return found

    def text(self, index: int) -> str:
        """The text of a token, empty after the last one."""
        return self.lexemes[index].text

    def gather(self, index: int, *, dropping: str = "") -> None:
        """Move to the token `index` and keep the comments on the way; what is passed must mean nothing.

        `dropping` names tokens that mean nothing here, because the tree says the same without them.
        """
        while True:
            self._keep(self.lexemes[self.cursor].before)
            if self.cursor >= index:
                break
            passed = self.lexemes[self.cursor].text
            if passed not in _REDUNDANT and passed not in dropping.split():
                raise Defect(f"`{passed[:40]}` was not printed")
            self.cursor += 1
        if self.cursor > index:
            raise Defect(f"`{self.text(index)[:40]}` is printed late")
        # Its comments have been kept: gathering again must not find them twice.
        at = self.lexemes[index]
        if at.before is not NOTHING:
            self.lexemes[index] = Lexeme(at.text, at.start, NOTHING)

    def _keep(self, trivia: Trivia) -> None:
        for comment in trivia.comments:
            trailing = comment.trailing and not self.waiting
            self.waiting.append(Comment(comment.text, trailing, comment.blank or self.blank))
            self.blank = False
        self.blank = self.blank or trivia.blank

    def take(self) -> Trivia:
        """What has been gathered and not been taken."""
        blank = self.blank and not (self.waiting and self.waiting[-1].is_doc)
        taken = Trivia(tuple(self.waiting), blank) if self.waiting or blank else NOTHING
        self.waiting, self.blank = [], False
        return taken

    def advance(self, index: int) -> Trivia:
        """Move behind the token `index`: what stands before it."""
        self.gather(index)
        self.cursor = index + 1
        return self.take()

    def find(self, text: str) -> int:
        """The index of the next token that reads `text`; only what means nothing may stand before it."""
        index = self.cursor
        while self.lexemes[index].text != text:
            if self.lexemes[index].text not in _REDUNDANT:
                raise Defect(f"`{text}` expected, not `{self.lexemes[index].text[:40]}`")
            index += 1
        return index


def tape(source: Source) -> Tape:
    """The tape of a text that parses. The last lexeme is empty and holds what stands after all tokens."""
    lexemes: list[Lexeme] = []
    end = 0
    for start, stop in _ranges(source):
        lexemes.append(Lexeme(source.text[start:stop], start, _trivia(source.text, end, start)))
        end = stop
    size = len(source.text)
    lexemes.append(Lexeme("", size, _trivia(source.text, end, size)))
    return Tape(lexemes, {lexeme.start: i for i, lexeme in enumerate(lexemes)}, _brackets(lexemes))


def comments(reel: Tape) -> list[str]:
    """The texts of all comments, in order; before the cursor has moved."""
    return [comment.text for lexeme in reel.lexemes for comment in lexeme.before.comments]


def _ranges(source: Source) -> list[tuple[int, int]]:
    """Where the tokens stand. What is inside an f-string belongs to it."""
    ranges: list[tuple[int, int]] = []
    opened: list[int] = []
    with collector_paused():
        for token in lex(source, tables()).tokens:
            assert token.start_pos is not None and token.end_pos is not None
            if token.type == "FSTR_BEGIN":
                opened.append(token.start_pos)
            elif token.type == "FSTR_END":
                start = opened.pop()
                if not opened:
                    ranges.append((start, token.end_pos))
            elif not opened:
                ranges.append((token.start_pos, token.end_pos))
    return ranges


def _trivia(text: str, start: int, end: int) -> Trivia:
    """The trivia of the gap `start:end` between two tokens."""
    if end - start < 2:
        return NOTHING
    gap = text[start:end]
    if "\n" not in gap and "//" not in gap:
        return NOTHING
    found: list[Comment] = []
    position = 0
    for match in _COMMENT.finditer(gap):
        space = gap[position : match.start()]
        trailing = start > 0 and not position and "\n" not in space and not _documents(match[0])
        found.append(Comment(match[0].rstrip(), trailing, _BLANK.search(space) is not None))
        position = match.end()
    blank = _BLANK.search(gap, position) is not None
    return Trivia(tuple(found), blank) if found or blank else NOTHING


def _documents(comment: str) -> bool:
    """A documentation comment belongs to what follows, wherever it stands."""
    return comment.startswith("///") and not comment.startswith("////")


def _brackets(lexemes: list[Lexeme]) -> dict[int, int]:
    """The index of the closing bracket for that of each opening one."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for i, lexeme in enumerate(lexemes):
        if lexeme.text in _CLOSERS:
            opened.append(i)
        elif opened and lexeme.text == _CLOSERS[lexemes[opened[-1]].text]:
            pairs[opened.pop()] = i
    return pairs
