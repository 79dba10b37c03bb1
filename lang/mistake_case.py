"""A syntax mistake with what every explanation of one needs: spans, texts, and what stands before and after."""

from typing import TYPE_CHECKING

from dandc.lang.recovery import Problem
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Token


@frozen
class Case:
    """A problem with what all explanations need."""

    problem: Problem
    source: Source

    @property
    def token(self) -> "Token":
        return self.problem.token

    @property
    def type(self) -> str:
        return self.problem.token.type

    @property
    def span(self) -> Span:
        return self.of(self.problem.token)

    def of(self, token: "Token") -> Span:
        assert token.start_pos is not None and token.end_pos is not None
        return Span(self.source.file, token.start_pos, token.end_pos)

    @property
    def gap(self) -> Span:
        """The place right after the previous token."""
        end = self.span.start if self.problem.previous is None else self.of(self.problem.previous).end
        return Span(self.source.file, end, end)

    @property
    def found(self) -> str:
        return found(self.token)

    @property
    def first(self) -> str:
        """The type of the first token of the statement or item."""
        return self.problem.tokens[self.problem.statement].type

    @property
    def item(self) -> str:
        """The type of the word that opens the item."""
        tokens, start = self.problem.tokens, self.problem.start
        return tokens[start + 1 if tokens[start].type == "PUB" and start + 1 < len(tokens) else start].type

    @property
    def braces(self) -> "list[Token]":
        """The braces that are open, innermost last."""
        return [t for t in self.problem.opened if t.type == "LBRACE"]

    @property
    def opened_type(self) -> str:
        """The type of the innermost open bracket, `` if there is none."""
        return self.problem.opened[-1].type if self.problem.opened else ""

    def line_behind(self, position: int) -> str:
        """The rest of the line from `position` on; the last line of a text may have no end."""
        end = self.source.text.find("\n", position)
        return self.source.text[position : len(self.source.text) if end < 0 else end]

    def before(self, token: "Token") -> str:
        """The type of the token before `token`, which is one of the item."""
        index = self.problem.tokens.index(token, self.problem.start)
        return self.problem.tokens[index - 1].type if index > self.problem.start else ""

    @property
    def starts_statement(self) -> bool:
        return "BROKEN" in self.problem.expected

    def inserts(self, *types: str) -> bool:
        return self.problem.repair.kind == "insert" and self.problem.repair.types[0] in types

    def replaces(self, *types: str) -> bool:
        return self.problem.repair.kind == "replace" and self.problem.repair.types == types


@frozen
class Place:
    """An output of a `function`: its name, and where it is declared."""

    name: str
    span: Span


def header(case: Case) -> "list[Token]":
    """The tokens of an item before its body."""
    tokens, start = case.problem.tokens, case.problem.start
    end = next((i for i in range(start, len(tokens)) if tokens[i].type in ("LBRACE", "EQUAL")), len(tokens))
    return tokens[start:end]


def outputs(case: Case) -> list[Place]:
    """The outputs that a `function` declares."""
    head = header(case)
    arrow = next((i for i, t in enumerate(head) if t.type == "FAT_ARROW" and head[i - 1].type == "RPAR"), len(head))
    depth, places = 0, []
    for i, token in enumerate(head[arrow + 1 :], arrow + 1):
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
        if depth == 1 and i + 1 < len(head) and head[i + 1].type == "COLON":
            places.append(Place(str(token), case.of(token)))
    return places


def found(token: "Token") -> str:
    """How a message names what stands at a place."""
    if token.type == "$END" and not token:
        return "the end of the text"
    if token.type in ("STR", "FSTR_BEGIN", "BYTES"):
        return "a string"
    text = str(token) if len(token) <= 40 else f"{token[:37]}..."
    return f"`{text}`"
