"""What was typed: declarations, or statements that may end in a value.

Statements and expressions have no grammar of their own at the top of a text, so they are parsed as the body of a
function, and every place is moved back to where it was typed. Knows nothing of what names mean.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import evolve, field, fields, has

from dandc.lang import Diagnostic, Source, Span, parse, tree
from dandc.lang.cut import ITEM_WORDS
from dandc.lang.grammar import tables
from dandc.lang.lexing import Lexed, lex
from dandc.lang.values import frozen


class Token(Protocol):
    """What is asked of a token: its terminal, and where it begins and ends. Its text is its `str`."""

    @property
    def type(self) -> str: ...

    @property
    def start_pos(self) -> int | None: ...

    @property
    def end_pos(self) -> int | None: ...


# Of the same length, so that a place is moved back in the same way.
_BLOCK, _VALUE = "fn entry__() {", "fn entry__() ="
_OPEN = frozenset(("LPAR", "LSQB", "LBRACE"))
_CLOSE = frozenset(("RPAR", "RSQB", "RBRACE"))
_ENDS = frozenset(("SEMICOLON", "RBRACE"))
# Declarations that end with their line, so that their `;` may be left out.
_ONE_LINE = frozenset("IMPORT CONFIG ENDPOINT CONST DEFAULT".split())
_STATEMENTS = frozenset("LET VAR FOR WHILE RETURN BREAK CONTINUE EMIT FAIL NOTE".split())
_ASSIGN = frozenset(
    "EQUAL ADD_SET SUB_SET MUL_SET DIV_SET MOD_SET WADD_SET WSUB_SET WMUL_SET AND_SET OR_SET XOR_SET SHL_SET SHR_SET".split()
)
# After these a line goes on whatever comes: operators, and what separates.
_GOES_ON = _ASSIGN | frozenset(
    "OR AND NOT EQ NE LT LE GT GE CARET AMP SHL SHR PLUS MINUS WADD WSUB STAR SLASH PERCENT WMUL COMMA DOT DOTDOT COLON"
    " ARROW FAT_ARROW LEFT_ARROW".split()
)


@frozen
class Entry:
    """One entry. Either `items`, or `statements` and a `value`; `diagnostics` if it could not be read."""

    source: Source
    items: tuple[tree.Item, ...] = ()
    statements: tuple[tree.Stmt, ...] = ()
    value: tree.Expr | None = None
    diagnostics: tuple[Diagnostic, ...] = field(default=())

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it but white space and comments."""
        return not (self.items or self.statements or self.value or self.diagnostics)


def lexed(text: str, cache: Path | None) -> Lexed:
    """The tokens of `text`; a mistake in it is reported by whoever parses it."""
    return lex(Source("", text), tables(cache))


def is_complete(text: str, cache: Path | None) -> bool:
    """Whether `text` is all of an entry: no bracket is open, no long string, and a declaration has come to its end."""
    if text.lstrip().startswith(":"):
        return True
    found = lexed(text, cache)
    if any(d.code == "L0002" and '"""' in d.message for d in found.diagnostics):
        return False
    tokens = found.tokens
    if not tokens:
        return not found.docs
    if _depth(tokens) > 0 or tokens[-1].type in _GOES_ON:
        return False
    return tokens[0].type not in ITEM_WORDS - _ONE_LINE or tokens[-1].type in _ENDS


def is_open(text: str, cache: Path | None) -> bool:
    """Whether a bracket or a long string is open: even an empty line does not end the entry."""
    found = lexed(text, cache)
    return _depth(found.tokens) > 0 or any(d.code == "L0002" and '"""' in d.message for d in found.diagnostics)


def _depth(tokens: Sequence[Token]) -> int:
    return sum((t.type in _OPEN) - (t.type in _CLOSE) for t in tokens)


def parse_entry(text: str, file: str, cache: Path | None) -> Entry:
    """The entry that `text` is. Never raises on any text."""
    source = Source(file, text)
    found = lexed(text, cache)
    if not found.tokens:
        return Entry(source, diagnostics=_own(found.diagnostics, file))
    if found.tokens[0].type in ITEM_WORDS:
        return _items(source, found.tokens[-1], cache)
    return _Reading(source, found.tokens, cache).read()


def _items(source: Source, last: Token, cache: Path | None) -> Entry:
    """Declarations; the last `;` may be left out."""
    result = parse(source, cache_dir=cache)
    if result.diagnostics and last.type not in _ENDS:
        ended = parse(Source(source.file, _ended(source.text, last)), cache_dir=cache)
        result = result if ended.diagnostics else ended
    return Entry(source, result.module.items, diagnostics=result.diagnostics)


def _ended(text: str, last: Token) -> str:
    end = last.end_pos or 0
    return f"{text[:end]};{text[end:]}"


def _own(diagnostics: Sequence[Diagnostic], file: str) -> tuple[Diagnostic, ...]:
    return tuple(d if d.span is None else evolve(d, span=evolve(d.span, file=file)) for d in diagnostics)


@frozen
class _Reading:
    """Reads statements and a value by trying what fits: a text is short, and parsing it takes a millisecond."""

    source: Source
    tokens: Sequence[Token]
    cache: Path | None

    def read(self) -> Entry:
        last = self.tokens[-1]
        bare = self._blank(last) if last.type == "SEMICOLON" else self.source.text
        value = self._value(bare)
        if not value.diagnostics:
            return value
        block = self._block(self.source.text)
        if not block.diagnostics:
            return block
        both = self._both()
        if both is not None:
            return both
        if last.type != "SEMICOLON":
            block = self._block(_ended(self.source.text, last))
        return value if block.diagnostics and not self._means_statements() else block

    def _blank(self, token: Token) -> str:
        start, end = token.start_pos or 0, token.end_pos or 0
        return f"{self.source.text[:start]}{' ' * (end - start)}{self.source.text[end:]}"

    def _means_statements(self) -> bool:
        depth = 0
        for token in self.tokens:
            depth += (token.type in _OPEN) - (token.type in _CLOSE)
            if depth == 0 and token.type in _ASSIGN:
                return True
        return self.tokens[0].type in _STATEMENTS

    def _both(self) -> Entry | None:
        """Statements and behind the last of them a value, None if the text is not that."""
        depth, cut = 0, 0
        for token in self.tokens:
            depth += (token.type in _OPEN) - (token.type in _CLOSE)
            if depth == 0 and token.type in _ENDS:
                cut = token.end_pos or 0
        text = self.source.text
        if not cut:
            return None
        block, value = self._block(text[:cut]), self._value(" " * cut + text[cut:])
        if block.diagnostics or value.diagnostics:
            return None
        return evolve(block, value=value.value)

    def _block(self, text: str) -> Entry:
        item, diagnostics = self._function(f"{_BLOCK}{text}\n}}")
        return Entry(
            self.source, statements=item.body.statements if item and item.body else (), diagnostics=diagnostics
        )

    def _value(self, text: str) -> Entry:
        item, diagnostics = self._function(f"{_VALUE}{text}\n;")
        value = None
        if item is not None and item.body is not None:
            (returned,) = item.body.statements
            assert isinstance(returned, tree.ReturnStmt)
            value = returned.value
        return Entry(self.source, value=value, diagnostics=diagnostics)

    def _function(self, text: str) -> tuple[tree.FnItem | None, tuple[Diagnostic, ...]]:
        result = parse(Source(self.source.file, text), cache_dir=self.cache)
        length = len(self.source.text)
        diagnostics = tuple(_moved(d, length) for d in result.diagnostics)
        items = result.module.items
        if not diagnostics and len(items) == 1 and isinstance(items[0], tree.FnItem):
            return _moved(items[0], length), ()
        whole = Span(self.source.file, 0, length)
        surplus = Diagnostic("U0920", "this is more than one entry", whole, "a bracket closes what is not open")
        return None, diagnostics or (surplus,)


def _moved(value: Any, length: int) -> Any:
    """A tree node or diagnostic with its places where they were typed, none of them outside the text."""
    if isinstance(value, Span):
        start, end = (min(max(at - len(_BLOCK), 0), length) for at in (value.start, value.end))
        return Span(value.file, start, end)
    if isinstance(value, tuple):
        return tuple(_moved(part, length) for part in value)
    if has(type(value)):
        names = [f.name for f in fields(type(value))]
        return evolve(value, **{name: _moved(getattr(value, name), length) for name in names})
    return value
