"""What all builder modules share: lark children to spans and names, and where diagnostics go.

The builder turns a lark tree, whose children are trees, tokens and None (a part that was left out), into the frozen
values of `lang/tree.py`. Its modules import one another in one direction: types, expressions, flow, statements, items.
"""

from typing import TYPE_CHECKING, Any

from attrs import field

from dandc.lang import tree as t
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Span
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Token, Tree

# A child of a lark tree. lark's own type says less than the grammar does.
Child = Any


@frozen(slots=True)
class Context:
    """The file whose tokens are built, and the diagnostics found on the way."""

    file: str
    diagnostics: list[Diagnostic] = field(factory=list)

    def report(self, code: str, message: str, span: Span, label: str = "", *notes: str) -> None:
        """Keep one diagnostic."""
        self.diagnostics.append(Diagnostic(code, message, span, label, notes=notes))

    def at(self, token: Child) -> Span:
        """The span of a token."""
        return Span(self.file, token.start_pos, token.end_pos)

    def between(self, first: Child, last: Child) -> Span:
        """The span from the start of the token `first` to the end of the token `last`."""
        return Span(self.file, first.start_pos, last.end_pos)

    def upto(self, first: Child, last: t.Node) -> Span:
        """The span from the start of the token `first` to the end of the node `last`."""
        return Span(self.file, first.start_pos, last.span.end)


def is_token(child: Child) -> bool:
    """Whether `child` is a token; lark's tokens are strings."""
    return isinstance(child, str)


def name(context: Context, token: "Token") -> t.Name:
    """The name that a token spells, without back quotes."""
    text = token[1:-1] if token.type == "QUOTED" else str(token)
    return t.Name(Span(context.file, token.start_pos, token.end_pos), text)  # type: ignore[arg-type]


def path(context: Context, tree: "Tree[Token]") -> tuple[t.Name, ...]:
    """The names of a dotted path."""
    return tuple([name(context, token) for token in tree.children])  # type: ignore[arg-type]
