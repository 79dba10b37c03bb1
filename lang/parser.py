"""`parse`: one source text to one syntax tree, whatever the text.

    text --lexing--> tokens --cut--> segments --recovery--> lark trees --build_*--> lang/tree.py

Item by item: a mistake costs its statement or its item, never its neighbours, and an editor may parse one item again.
Never raises on any text, however hostile: size is bounded before lexing, bracket depth before parsing, the depth of the
tree before the (recursive) builder, and the number of diagnostics everywhere.
"""

import os
from typing import TYPE_CHECKING

from attrs import define, field

from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, is_token, name
from dandc.lang.build_expr import OPERATORS
from dandc.lang.build_item import item as build_item
from dandc.lang.collector import collector_paused
from dandc.lang.cut import ITEM_WORDS, MAX_DEPTH, Segment, cut
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.grammar import tables
from dandc.lang.habits import from_import
from dandc.lang.lexing import MAX_DIAGNOSTICS, Lexed, lex
from dandc.lang.mistakes import explain, outside
from dandc.lang.recovery import Problem, parse_item
from dandc.lang.recursion import room_for_recursion
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Lark, Token

MAX_SOURCE_BYTES = 4 << 20
# Rules whose nodes only hold others together: they add nothing to the depth of the tree.
_CONTAINERS = frozenset(
    "item args block flow_block policies params field_decls variants type_params ports stmt_arm expr_arm path "
    "field_init flow_assign flow_effect expr_stmt sharded_arg named_arg policed spread_arg".split()
)


@frozen
class ParseResult:
    """The tree of a module, complete but for what is marked as an error, and what was wrong with the text."""

    module: t.Module
    diagnostics: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        """Whether any diagnostic is an error."""
        return any(d.severity == "error" for d in self.diagnostics)


def parse(source: Source, *, cache_dir: str | os.PathLike[str] | None = None) -> ParseResult:
    """Parse one module. Never raises on any text; diagnostics are ordered by position.

    `cache_dir` may name an existing directory that only its owner can write, for the tables of the grammar.
    """
    too_large = _too_large(source)
    if too_large is not None:
        return ParseResult(t.Module(Span(source.file, 0, 0), source.file, ()), (too_large,))
    with collector_paused(), room_for_recursion():
        language = tables(cache_dir)
        lexed = lex(source, language)
        return _Parse(source, language, lexed).run()


def _too_large(source: Source) -> Diagnostic | None:
    text = source.text
    if len(text) * 4 <= MAX_SOURCE_BYTES:
        return None
    if len(text) <= MAX_SOURCE_BYTES and len(text.encode("utf-8", "surrogatepass")) <= MAX_SOURCE_BYTES:
        return None
    limit = f"a source file has at most {MAX_SOURCE_BYTES >> 20} MiB"
    return Diagnostic("L0010", limit, Span(source.file, 0, 0), "this file is larger")


@define
class _Parse:
    """The state of one parse."""

    source: Source
    language: "Lark"
    lexed: Lexed
    items: list[t.Item] = field(factory=list)
    diagnostics: list[Diagnostic] = field(factory=list)
    from_line: int | None = None  # the line of a `from` of another language; its `import` is no item

    def run(self) -> ParseResult:
        self.diagnostics += self.lexed.diagnostics
        for segment in cut(self.lexed.tokens, self.source.text):
            if self._full():
                break
            self._segment(segment)
        span = Span(self.source.file, 0, len(self.source.text))
        module = t.Module(span, self.source.file, tuple(self.items), self.lexed.module_doc)
        return ParseResult(module, self._ordered())

    def _full(self) -> bool:
        return len(self.diagnostics) >= MAX_DIAGNOSTICS

    def _ordered(self) -> tuple[Diagnostic, ...]:
        found = sorted(self.diagnostics, key=lambda d: (d.span.start, d.span.end) if d.span else (0, 0))
        if len(found) < MAX_DIAGNOSTICS:
            return tuple(found)
        message = f"{self.source.file} has {MAX_DIAGNOSTICS} mistakes or more; the rest of it was not looked at"
        return (*found[:MAX_DIAGNOSTICS], Diagnostic("P0121", message, None))

    def _segment(self, segment: Segment) -> None:
        tokens, start, end = self.lexed.tokens, segment.start, segment.end
        if segment.too_deep is not None:
            self._report_depth(segment.too_deep)
            self._keep_error(start, end)
        elif tokens[start].type == "IMPORT" and tokens[start].line == self.from_line:
            self._keep_error(start, end)
        elif tokens[start].type not in ITEM_WORDS:
            self._outside(start, end)
        else:
            self._item(start, end)

    def _item(self, start: int, end: int) -> None:
        tokens = self.lexed.tokens
        outcome = parse_item(self.language, tokens, start, end, self.source.text, self._problem)
        deep = None if outcome.tree is None else _too_deep(outcome.tree, outcome.stop - start)
        if outcome.tree is None or deep is not None:
            if deep is not None:
                self._report_depth(deep)
            self._keep_error(start, outcome.stop)
        else:
            context = Context(self.source.file, self.diagnostics)
            self.items.append(build_item(context, outcome.tree, "\n".join(self.lexed.docs.get(start, ()))))
        if outcome.stop < end:
            self._outside(outcome.stop, end)

    def _problem(self, problem: Problem) -> bool:
        """Keep the diagnostic of a syntax mistake, unless a lexical mistake in the same statement explains it."""
        first = problem.tokens[problem.statement].start_pos or 0
        last = problem.token.end_pos or 0
        if not any(d.span and first <= d.span.start <= last for d in self.lexed.diagnostics):
            self.diagnostics.append(explain(problem, self.source))
        return not self._full()

    def _outside(self, start: int, end: int) -> None:
        tokens = self.lexed.tokens
        first, last = tokens[start].start_pos or 0, tokens[end - 1].end_pos or 0
        if str(tokens[start]) == "from" and end < len(tokens) and tokens[end].type == "IMPORT":
            self.from_line = tokens[end].line
            self.diagnostics.append(from_import(tokens[start:end], self.source))
        elif not any(d.span and first <= d.span.start <= last for d in self.lexed.diagnostics):
            self.diagnostics.append(outside(tokens[start], self.source))
        self._keep_error(start, end)

    def _report_depth(self, token: "Token") -> None:
        message = f"the text is nested more than {MAX_DEPTH} deep"
        if token.type in OPERATORS:
            message = f"an expression has more than {MAX_DEPTH} operators in a row"
        label = "name a part of it with `let`, or move it into a function"
        self.diagnostics.append(Diagnostic("P0126", message, self._span(token), label))

    def _keep_error(self, start: int, end: int) -> None:
        tokens = self.lexed.tokens
        second = tokens[start + 1 + (tokens[start].type == "PUB") : end][:1]
        known = tokens[start].type in ITEM_WORDS - {"DEFAULT"} and second and second[0].type in ("NAME", "QUOTED")
        word = name(Context(self.source.file), second[0]) if known else None
        span = self._span(tokens[start]).to(self._span(tokens[end - 1]))
        self.items.append(t.ErrorItem(span, word))

    def _span(self, token: "Token") -> Span:
        return Span(self.source.file, token.start_pos or 0, token.end_pos or 0)


def _too_deep(tree: Child, tokens: int) -> "Token | None":
    """A token under the first node that is more than `MAX_DEPTH` deep, of a chain the first operator that is too many.

    An operator of a chain counts as a level.
    """
    if tokens < MAX_DEPTH:
        return None
    stack: list[tuple[Child, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if node.data == "chain":
            depth += len(_operators(node))
        elif node.data not in _CONTAINERS:
            depth += 1
        if depth > MAX_DEPTH:
            return _operators(node)[MAX_DEPTH - depth] if node.data == "chain" else _some_token(node)
        stack += [(child, depth) for child in node.children if child is not None and not is_token(child)]
    return None


def _operators(chain: Child) -> "list[Token]":
    """The operators of a chain; an operand may be a token too."""
    return [child for child in chain.children if is_token(child) and child.type in OPERATORS]


def _some_token(tree: Child) -> "Token":
    """The first token under `tree`."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if node is not None and is_token(node):
            token: Token = node
            return token
        stack += reversed(node.children) if node is not None else []
    raise AssertionError("a rule without tokens cannot be deep")
