"""What all printing modules of the formatter share: tokens with their comments, lists between brackets, and the driver.

A printing function is a generator: it yields the child that it wants printed and is sent its document. The driver keeps
the generators on a list of its own, so that the depth of a text never becomes the depth of Python's stack.
"""

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable
from typing import Any

from attrs import define, evolve, field

from dandc.lang import tree as t
from dandc.lang.format_docs import BLANK, FRESH, HARD, LINE, SOFT, Doc, Line, Suffix, concat, group, if_break, indent
from dandc.lang.format_tape import NOTHING, Tape, Trivia
from dandc.lang.lexing import RESERVED
from dandc.lang.softwords import SOFT_WORDS

# A child to print, and how tightly its context binds (the levels stand in format_expr.py).
Request = tuple[t.Node, int]
Steps = Generator[Request, Doc, Doc]
# A rule prints the one type of node that it stands for in the table.
Rule = Callable[["Printer", Any, int], Steps | Doc]

# The names that mean something after a call are quoted if their author quoted them.
_SOFT_WORDS = SOFT_WORDS | frozenset("named key intrinsic expect fails traps given run with".split())


@define
class Printer:
    """The state of one formatting: the tape, the rules by node type, and whether parentheses are added for clarity."""

    tape: Tape
    rules: dict[type[t.Node], Rule]
    clarify: bool
    starts: list[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.starts = [lexeme.start for lexeme in self.tape.lexemes]

    def print(self, node: t.Node) -> Doc:
        """The document of a node."""
        running = [_only(node)]
        doc: Doc = ""
        fresh = True
        while True:
            try:
                # A generator that has just been made takes nothing.
                request = next(running[-1]) if fresh else running[-1].send(doc)
            except StopIteration as stop:
                doc = stop.value
                fresh = False
                running.pop()
                if not running:
                    return doc
                continue
            begun = self._begin(*request)
            fresh = isinstance(begun, Generator)
            if isinstance(begun, Generator):
                running.append(begun)
            else:
                doc = begun

    def _begin(self, node: t.Node, level: int) -> Steps | Doc:
        return self.rules[type(node)](self, node, level)

    # Tokens.

    def token(self, index: int) -> Doc:
        """The token `index` with the comments before it."""
        return commented(self.tape.advance(index), self.tape.text(index))

    def word(self, text: str) -> Doc:
        """The next token, which reads `text`."""
        return self.token(self.tape.find(text))

    def next(self) -> Doc:
        """The next token as it was written."""
        index = self.tape.cursor
        while self.tape.text(index) in (",", ")"):
            index += 1
        return self.token(index)

    def at(self, node: t.Node) -> Doc:
        """The first token of a node as it was written."""
        index = self.first(node)
        return commented(self.tape.advance(index), self.tape.text(index).replace("\r\n", "\n"))

    def name(self, node: t.Name, *, quoted: bool = False) -> Doc:
        """A name, in back quotes only if it needs them, or if the caller says so."""
        index = self.tape.index(node.span.start)
        text = self.tape.text(index)
        if text[0] == "`" and node.text not in RESERVED and node.text not in _SOFT_WORDS:
            text = node.text
        if quoted:
            text = f"`{node.text}`"
        return commented(self.tape.advance(index), text)

    def path(self, names: tuple[t.Name, ...]) -> Doc:
        """A dotted path."""
        parts = [self.name(names[0])]
        for name in names[1:]:
            parts += [self.word("."), self.name(name)]
        return concat(*parts)

    def first(self, node: t.Node) -> int:
        """The index of the first token of a node that the tree knows: redundant parentheses are passed over."""
        while (left := leftmost(node)) is not None:
            node = left
        index = self.tape.index(node.span.start)
        if not isinstance(node, t.TupleExpr | t.TupleType | t.TuplePattern):
            while self.tape.text(index) == "(":
                index += 1
        return index

    def index_before(self, offset: int) -> int:
        """The index of the last token that begins before an offset of the text."""
        return bisect_left(self.starts, offset) - 1

    def before(self, node: t.Node, *, dropping: str = "") -> Trivia:
        """Move to the first token of a node: what stands before it. `dropping` as in `Tape.gather`."""
        self.tape.gather(self.first(node), dropping=dropping)
        return self.tape.take()


def _only(node: t.Node) -> Steps:
    return (yield node, 0)


def leftmost(node: t.Node) -> t.Node | None:
    """The child with which a node begins, or None if it begins with a token of its own."""
    match node:
        case t.BinaryExpr(left=left):
            return left
        case t.CallExpr(callee=callee):
            return callee
        case t.FieldExpr(base=base) | t.IndexExpr(base=base) | t.SliceExpr(base=base) | t.TryExpr(base=base):
            return base
        case t.Arg(name=None, spread=False, value=inner) | t.FlowArg(name=None, shard="", value=inner):
            return inner
        case t.FlowMerge(parts=parts):
            return parts[0]
        case t.ExprStmt(value=value) | t.FlowConst(value=value) | t.FlowStmt(targets=(), value=value):
            return value
        case t.AssignStmt(target=target):
            return target
        case t.RangeExpr(lo=lo):
            return lo
        case t.ExprArm(pattern=pattern) | t.StmtArm(pattern=pattern):
            return pattern
    return None


def commented(trivia: Trivia, doc: Doc) -> Doc:
    """`doc` after the comments of `trivia`, each to the end of its line."""
    if not trivia.comments:
        return doc
    parts: list[Doc] = []
    for comment in trivia.comments:
        parts += [Suffix(comment.text)] if comment.trailing else [FRESH, comment.text]
    return concat(*parts, FRESH, doc)


def separator(before: Trivia, line: Line, *, blanks: bool = False) -> list[Doc]:
    """The broken or breakable line between two parts, with the comments that stand between them."""
    parts: list[Doc] = []
    for comment in before.comments:
        if comment.trailing:
            parts.append(Suffix(comment.text))
        else:
            parts += [BLANK if blanks and comment.blank else HARD, comment.text]
    if blanks and before.blank:
        line = BLANK if line.hard else Line(line.flat, blank=True)
    parts.append(line)
    return parts


# Lists.


@define
class Enclosed:
    """A list between brackets, as it is printed: what stands before each element, and before the closing bracket."""

    opener: Doc
    elements: list[tuple[Trivia, Doc]]
    end: Trivia
    closer: str

    @property
    def has_comments(self) -> bool:
        """Whether comments stand between the brackets and outside of elements."""
        return bool(self.end.comments) or any(before.comments for before, _ in self.elements)

    def doc(self, line: Line, *, comma: str = ",", blanks: bool = False) -> Doc:
        """All on one line with `line` inside the brackets, or one element a line. It is no group by itself."""
        inner: list[Doc] = []
        for i, (before, element) in enumerate(self.elements):
            between = line if i == 0 or line.hard else LINE
            inner += separator(before if i else _without_blank(before), between, blanks=blanks)
            inner += [element, if_break(comma, "") if i == len(self.elements) - 1 and not line.hard else comma]
        inner += separator(Trivia(self.end.comments, False), HARD, blanks=blanks)[:-1]
        if not inner:
            return concat(self.opener, self.closer)
        return concat(self.opener, indent(*inner), HARD if self.end.comments else line, self.closer)


def _without_blank(before: Trivia) -> Trivia:
    """`before` without an empty line at its beginning."""
    if not before.comments:
        return NOTHING
    first, *rest = before.comments
    return Trivia((evolve(first, blank=False), *rest), before.blank and not first.trailing)


Listing = Generator[Request, Doc, Enclosed]


def enclosed(p: Printer, opener: int, nodes: Iterable[t.Node]) -> Listing:
    """The nodes between the bracket `opener` and the one that closes it."""
    closer = p.tape.closer_of[opener]
    first = p.token(opener)
    elements: list[tuple[Trivia, Doc]] = []
    for node in nodes:
        before = p.before(node)
        elements.append((before, (yield node, 0)))
    return Enclosed(first, elements, p.tape.advance(closer), p.tape.text(closer))


def listed(p: Printer, bracket: str, nodes: Iterable[t.Node]) -> Steps:
    """A group: the nodes between the next `bracket` and its closing one, with commas, without spaces inside."""
    found = yield from enclosed(p, p.tape.find(bracket), nodes)
    return group(found.doc(SOFT))
