"""Tokens of one item to a lark tree, in spite of mistakes.

The fast way (`lang/reading.py`) only runs lark's LALR automaton. If that fails, the item is read again by the careful way,
which remembers the automaton's stacks at the beginning of every open statement. At a mistake it tries, in this order:

1. the item is complete: the rest is the caller's;
2. a repair of one token (a missing `;`, `=` for `==`, ...), taken only if the automaton accepts the next token too;
3. giving up the innermost open statement: its stacks are restored, BROKEN stands for it, and reading goes on after it;
4. giving up the item.

A second mistake right after a repair in the same statement shows that the repair was wrong: it is not reported, and the
statement is given up.

Every token is tried on the states alone before it is fed, so that the automaton never reduces for a token that it then
refuses. Lark extends lists of children in place; a restored stack therefore cuts them to the length that they had.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from dandc.lang.cut import first_on_line
from dandc.lang.reading import read
from dandc.lang.softwords import POLICIES
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.parsers.lalr_interactive_parser import InteractiveParser

_COMPOUND = frozenset(("IF", "WHILE", "FOR", "MATCH", "ELSE", "GIVEN", "LOOP"))
STATEMENT_WORDS = frozenset(
    "LET VAR IF MATCH FOR WHILE RETURN BREAK CONTINUE EMIT FAIL NOTE EXPECT GIVEN SET_CONFIG".split()
)
FLOW_WORDS = frozenset(("LOOP", "YIELD", "NEXT"))

# A token that was written, and what may have been meant instead.
_SUBSTITUTES: dict[str, tuple[tuple[str, ...], ...]] = {
    "EQUAL": (("EQ",), ("LEFT_ARROW",), ("FAT_ARROW",), ("COLON",)),
    "EQ": (("EQUAL",),),
    "ARROW": (("FAT_ARROW",), ("LEFT_ARROW",)),
    "FAT_ARROW": (("ARROW",), ("LEFT_ARROW",), ("COLON",)),
    "LEFT_ARROW": (("EQUAL",), ("LT", "MINUS"), ("ARROW",)),
    "COLON": (("ARROW",), ("EQUAL",), ("FAT_ARROW",)),
    "SEMICOLON": (("COMMA",),),
    "COMMA": (("SEMICOLON",),),
}
TEXTS = {
    "EQ": "==", "LEFT_ARROW": "<-", "FAT_ARROW": "=>", "ARROW": "->", "EQUAL": "=", "COLON": ":", "SEMICOLON": ";",
    "COMMA": ",", "LT": "<", "MINUS": "-", "RPAR": ")", "RSQB": "]", "RBRACE": "}",
}  # fmt: skip
_INSERTIONS = ("COMMA", "FAT_ARROW", "COLON", "LEFT_ARROW", "RPAR", "RSQB")
_NEAR = 4
_OPERAND_ENDS = frozenset("NAME QUOTED INT FLOAT STR TRUE FALSE RPAR RSQB FSTR_END".split())
_CONTINUING = frozenset("ELSE SEMICOLON RPAR RSQB DOT QUESTION COMMA EQUAL".split())
# A `return` or `fn` in an expression is one of another language, and no name.
_NEVER_NAMES = frozenset(("RETURN", "FN", "FUNCTION"))
_BEFORE_BLOCK = frozenset("FAT_ARROW PIPE EQUAL LEFT_ARROW".split())
_BINDING_WORDS = frozenset(("LET", "VAR", "CONST", "ENDPOINT"))
# What makes of a word at the beginning of a statement a variable: `by[k] = 3;`, `all += 1;`.
_USES = frozenset(
    "LSQB DOT EQUAL ADD_SET SUB_SET MUL_SET DIV_SET MOD_SET WADD_SET WSUB_SET WMUL_SET AND_SET OR_SET XOR_SET SHL_SET SHR_SET".split()
)
_NEVER_VARIABLES = frozenset("ELSE IN AND OR NOT TRUE FALSE CONST LOOP".split()) | _NEVER_NAMES


@frozen
class Repair:
    """What was done to go on: `kind` is `insert`, `replace`, `delete`, `name`, `close`, or `` for nothing."""

    kind: str
    types: tuple[str, ...] = ()


@frozen
class Problem:
    """One syntax mistake: `tokens[index]` was found where only `expected` may stand.

    `statement` is the index of the first token of the innermost open statement (or of the item), `opened` the
    brackets that are open before the mistake, innermost last. `index` may be `len(tokens)`: `token` is then the end.
    """

    tokens: "list[Token]"
    start: int
    index: int
    token: "Token"
    expected: frozenset[str]
    statement: int
    opened: "tuple[Token, ...]"
    repair: Repair

    @property
    def previous(self) -> "Token | None":
        """The token before the mistake, if there is one in the item."""
        return self.tokens[self.index - 1] if self.index > self.start else None

    def type_at(self, offset: int) -> str:
        """The type of the token `offset` away from the mistake, `` outside."""
        index = self.index + offset
        return self.tokens[index].type if 0 <= index < len(self.tokens) else ""


@frozen
class Outcome:
    """`tree` is None if the item was given up; `stop` is the index of the first token that is not part of it."""

    tree: "Tree[Token] | None"
    stop: int


@frozen
class _Open:
    """A statement that is being read: where it begins, and the automaton as it was then.

    `lengths` has the number of children of every tree in `values`, -1 for tokens.
    """

    depth: int
    index: int
    states: list[Any]
    values: list[Any]
    lengths: list[int]


def parse_item(
    language: "Lark", tokens: "list[Token]", start: int, end: int, text: str, report: Callable[[Problem], bool]
) -> Outcome:
    """The tree of the item at `start:end`. `report` gets every mistake and says whether to go on."""
    tree = read(language, tokens[start:end], _end_token(tokens, end))
    return _Careful(language, tokens, start, end, text, report).run() if tree is None else Outcome(tree, end)


def lacks_condition(tokens: "list[Token]", first: int) -> bool:
    """Whether the statement at `first` is `if {`, `while {` or `match {`: the braces were not meant as a record."""
    following = tokens[first + 1].type if first + 1 < len(tokens) else ""
    return tokens[first].type in ("IF", "WHILE", "MATCH") and following == "LBRACE"


def is_conditional(tokens: "list[Token]", index: int) -> bool:
    """Whether an `if`, `for`, `while` or `match` follows an operand on its line, as in `a if b else c` elsewhere."""
    if not 0 < index < len(tokens) or tokens[index].type not in ("IF", "FOR", "WHILE", "MATCH"):
        return False
    previous = tokens[index - 1]
    return previous.type in _OPERAND_ENDS and previous.end_line == tokens[index].line


def comma_before_policy(tokens: "list[Token]", index: int, fits: Callable[[str], bool]) -> bool:
    """Whether a comma stands between two policies; behind it a word is not known as one."""
    following = str(tokens[index + 1]).upper() if index + 1 < len(tokens) else ""
    return index < len(tokens) and tokens[index].type == "COMMA" and following in POLICIES and fits("TIMEOUT")


def meant_as_variable(tokens: "list[Token]", index: int, fits: Callable[[str], bool]) -> bool:
    """Whether a word that begins no statement stands where one begins, and is used as a variable is."""
    following = tokens[index + 1].type if index + 1 < len(tokens) else ""
    if index >= len(tokens) or following not in _USES or not fits("BROKEN"):
        return False
    return tokens[index].isidentifier() and tokens[index].type not in _NEVER_VARIABLES


def block_for_value(
    tokens: "list[Token]", index: int, opened: "Sequence[Token]", fits: Callable[[str], bool]
) -> int | None:
    """The index of a brace that is read as that of a record, and begins a block that stands for a value.

    Known by the first or second token behind it, at `index`, where the record cannot go on. `fits` says what may
    stand there.
    """
    if not opened or opened[-1].type != "LBRACE" or index >= len(tokens):
        return None
    brace = next((i for i in (index - 1, index - 2) if tokens[i] is opened[-1]), None)
    if brace is None or brace == 0 or fits("SEMICOLON") or fits("BROKEN"):
        return None
    before, type_ = tokens[brace - 1].type, tokens[index].type
    if index == brace + 1 and type_ in STATEMENT_WORDS and fits("LSQB"):
        return brace  # of an `if` that gives a value
    if index == brace + 1:
        return (
            brace if before in _BEFORE_BLOCK and type_ not in ("COMMA", "RBRACE", "LBRACE") and fits("RBRACE") else None
        )
    if not fits("COLON") or type_ == "COMMA":
        return None
    return brace if before in ("FAT_ARROW", "PIPE") or (before in _BEFORE_BLOCK and type_ != "RBRACE") else None


def in_flow(problem: "Problem") -> bool:
    """Whether the mistake is inside a composition."""
    return _item_word(problem.tokens, problem.start) == "COMPOSITION"


def _item_word(tokens: "list[Token]", start: int) -> str:
    """The type of the word that opens the item at `start`."""
    return tokens[start + 1 if tokens[start].type == "PUB" and start + 1 < len(tokens) else start].type


def _end_token(tokens: "list[Token]", end: int) -> "Token":
    """The end of the item; its text is that of the token which opens the next one."""
    last, text = tokens[end - 1], str(tokens[end]) if end < len(tokens) else ""
    return type(last)("$END", text, last.end_pos, last.line, last.column, end_pos=last.end_pos)


def _like(token: "Token", type_: str, position: int | None = None) -> "Token":
    """A token that was not written: at `position`, or in the place of `token`."""
    start, end = (token.start_pos, token.end_pos) if position is None else (position, position)
    return type(token)(type_, TEXTS.get(type_, str(token)), start, token.line, token.column, end_pos=end)


@define
class _Careful:
    """One careful reading of an item."""

    language: "Lark"
    tokens: "list[Token]"
    start: int
    end: int
    text: str
    report: Callable[[Problem], bool]
    index: int = 0
    depth: int = 0
    opened: "list[Token]" = field(factory=list)
    statements: list[_Open] = field(factory=list)
    repaired: int = -_NEAR  # the index of the last token at which a repair was made
    parser: "InteractiveParser" = field(init=False)

    def run(self) -> Outcome:
        self.parser = self.language.parse_interactive(start="item")
        self.index = self.start
        while True:
            self._remember_statement()
            token = self._token()
            if not self._fits(token.type):
                outcome = self._mend(token)
                if outcome is not None:
                    return outcome
                continue
            tree = self.parser.feed_token(token)
            if token.type == "$END":
                return Outcome(tree, self.end)
            self._advance(token)

    def _token(self) -> "Token":
        return self.tokens[self.index] if self.index < self.end else _end_token(self.tokens, self.end)

    def _advance(self, token: "Token") -> None:
        """Account for a token of the text that was read or given up."""
        self.index += 1
        if token.type in ("LPAR", "LSQB", "LBRACE"):
            self.opened.append(token)
        elif token.type in ("RPAR", "RSQB", "RBRACE") and self.opened:
            self.opened.pop()
        self.depth += (token.type == "LBRACE") - (token.type == "RBRACE")

    def _remember_statement(self) -> None:
        """If a statement may begin here, keep the automaton's stacks, for going back to this place."""
        state = self.parser.parser_state
        if not self._fits("BROKEN"):
            return
        while self.statements and self.statements[-1].depth >= self.depth:
            self.statements.pop()
        lengths = [len(value.children) if hasattr(value, "children") else -1 for value in state.value_stack]
        states, values = list(state.state_stack), list(state.value_stack)
        self.statements.append(_Open(self.depth, self.index, states, values, lengths))

    def _mend(self, token: "Token") -> Outcome | None:
        """Report a mistake and go on after it; an outcome if the item ends here."""
        if self._fits("$END"):
            return Outcome(self.parser.feed_token(_end_token(self.tokens, self.index)), self.index)
        astray = self.repaired >= self._first() and self.repaired > self.index - _NEAR
        repair = Repair("") if astray else self._repair(token)
        if not astray and not self.report(self._problem(token, repair)):
            return Outcome(None, self.end)
        if repair.kind:
            self.repaired = self.index
            self._apply(token, repair)
            return None
        if not self.statements or token.type == "$END":
            return Outcome(None, self.end)
        self._give_up_statement()
        return None

    def _problem(self, token: "Token", repair: Repair) -> Problem:
        state = self.parser.parser_state
        expected = frozenset(t for t in state.parse_conf.states[state.position] if t.isupper() and self._fits(t))
        tokens, opened = self.tokens[: self.end], tuple(self.opened)
        return Problem(tokens, self.start, self.index, token, expected, self._first(), opened, repair)

    def _first(self) -> int:
        """The index of the first token of the innermost open statement, or of the item."""
        return min(self.statements[-1].index, self.end - 1) if self.statements else self.start

    # Repairs.

    def _fits(self, *types: str) -> bool:
        return _accepts(self.parser, types)

    def _repair(self, token: "Token") -> Repair:
        following = self.tokens[self.index + 1].type if self.index + 1 < self.end else "$END"
        if lacks_condition(self.tokens, self._first()) or self._is_flow_control():
            return Repair("")
        tokens = self.tokens[: self.end]
        if block_for_value(tokens, self.index, self.opened, self._fits) is not None:
            return Repair("")
        if comma_before_policy(tokens, self.index, self._fits):
            return Repair("")
        if self._ends_statement(token) and self._fits("SEMICOLON", token.type):
            return Repair("insert", ("SEMICOLON",))
        for types in self._substitutes(token):
            if self._fits(*types, following):
                return Repair("replace", types)
        if self._is_word(token) and self._fits("NAME", following):
            return Repair("name")
        for type_ in self._insertions():
            if self._fits(type_, token.type):
                return Repair("insert", (type_,))
        if self._is_surplus(token) and self._fits(following):
            return Repair("delete")
        if token.type == "$END" and self.opened and self._closers():
            return Repair("close", self._closers())
        return Repair("")

    def _is_surplus(self, token: "Token") -> bool:
        """Whether `token` may be left out: not a `}` while a brace is open, because that says where a block ends."""
        if token.type == "RBRACE":
            return not any(t.type == "LBRACE" for t in self.opened)
        return token.type in ("RPAR", "RSQB", "SEMICOLON", "COMMA")

    def _is_flow_control(self) -> bool:
        """Whether the statement is an `if` or `match` of functions, which nothing makes one of a composition."""
        in_composition = _item_word(self.tokens, self.start) == "COMPOSITION"
        return in_composition and self.tokens[self._first()].type in ("IF", "MATCH")

    def _ends_statement(self, token: "Token") -> bool:
        if is_conditional(self.tokens, self.index):
            return False
        return token.type in STATEMENT_WORDS | FLOW_WORDS | {"RBRACE", "$END"} or first_on_line(token, self.text)

    def _substitutes(self, token: "Token") -> tuple[tuple[str, ...], ...]:
        """What may have been meant by `token`; a `;` in parentheses rather says that they are not closed."""
        if token.type == "SEMICOLON" and self.opened and self.opened[-1].type != "LBRACE":
            return ()
        return _SUBSTITUTES.get(token.type, ())

    def _is_word(self, token: "Token") -> bool:
        """Whether `token` is a reserved word that was probably meant as a name."""
        if token.type == "$END":
            return False
        if token.type in _NEVER_NAMES:
            return False
        if meant_as_variable(self.tokens[: self.end], self.index, self._fits):
            return True
        return token.type == "FNAME" or (token.isidentifier() and not first_on_line(token, self.text))

    def _insertions(self) -> Iterable[str]:
        return (("EQUAL",) if self.tokens[self._first()].type in _BINDING_WORDS else ()) + _INSERTIONS

    def _closers(self) -> tuple[str, ...]:
        """The closing brackets (and the `;`) that complete the item at its end, or nothing."""
        closing = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
        inner = [closing[t.type] for t in reversed(self.opened)]
        for head in ((), ("SEMICOLON",)):
            if self._fits(*head, *inner, "$END"):
                return (*head, *inner)
        return ()

    def _apply(self, token: "Token", repair: Repair) -> None:
        assert token.start_pos is not None
        previous_end = self.tokens[self.index - 1].end_pos if self.index > self.start else token.start_pos
        if repair.kind == "delete":
            self.index += 1
        elif repair.kind == "name":
            self.parser.feed_token(token.update(type="NAME"))
            self.index += 1
        elif repair.kind == "replace":
            for type_ in repair.types:
                self.parser.feed_token(_like(token, type_))
            self.index += 1
        else:
            for type_ in repair.types:
                self.parser.feed_token(_like(token, type_, previous_end))
                if type_ in ("RPAR", "RSQB", "RBRACE") and self.opened:
                    self.opened.pop()

    # Giving up.

    def _give_up_statement(self) -> None:
        """Go back to the beginning of the innermost open statement, and on after its end."""
        statement = self.statements.pop()
        state = self.parser.parser_state
        state.state_stack[:], state.value_stack[:] = statement.states, statement.values
        for value, length in zip(statement.values, statement.lengths, strict=True):
            if length >= 0:
                del value.children[length:]
        compound = self.tokens[statement.index].type in _COMPOUND
        while self.index < self.end:
            token = self.tokens[self.index]
            level = self.depth - statement.depth
            if level == 0 and self.index > statement.index and self._begins_statement(token):
                break
            if token.type == "RBRACE" and level == 0:
                break
            self._advance(token)
            if token.type == "SEMICOLON" and level == 0 and not (compound and self._goes_on(statement.index)):
                break
            if token.type == "RBRACE" and level == 1 and not self._continues():
                break
        self._trim_opened(statement.depth)
        first, last = self.tokens[statement.index], self.tokens[self.index - 1]
        broken = type(first)("BROKEN", "", first.start_pos, first.line, first.column, end_pos=last.end_pos)
        self.parser.feed_token(broken)

    def _begins_statement(self, token: "Token") -> bool:
        return token.type in STATEMENT_WORDS | FLOW_WORDS and first_on_line(token, self.text)

    def _goes_on(self, first: int) -> bool:
        """Whether a compound statement that begins at `first` goes on behind a `;`: in its header, or with an `else`."""
        if self.opened and self.opened[-1].type == "LPAR":
            return True
        return self.tokens[first].type == "IF" and self.index < self.end and self.tokens[self.index].type == "ELSE"

    def _continues(self) -> bool:
        """Whether the statement goes on after the `}` that was just passed."""
        following = self.tokens[self.index].type if self.index < self.end else ""
        return following in _CONTINUING or following in POLICIES

    def _trim_opened(self, depth: int) -> None:
        """Forget the round and square brackets that the given-up statement left open."""
        kept: list[Token] = []
        for token in self.opened:
            if token.type == "LBRACE":
                depth -= 1
                if depth < 0:
                    break
            kept.append(token)
        while kept and kept[-1].type != "LBRACE":
            kept.pop()
        self.opened = kept


def _accepts(parser: "InteractiveParser", types: tuple[str, ...]) -> bool:
    """Whether the automaton can read tokens of these types, one after another, from where it is."""
    from lark.parsers.lalr_analysis import Shift

    conf = parser.parser_state.parse_conf
    states, stack = conf.states, list(parser.parser_state.state_stack)
    for type_ in types:
        while True:
            action = states[stack[-1]].get(type_)
            if action is None:
                return False
            if action[0] is Shift:
                stack.append(action[1])
                break
            rule = action[1]
            if rule.expansion:
                del stack[-len(rule.expansion) :]
            stack.append(states[stack[-1]][rule.origin.name][1])
            if type_ == "$END" and stack[-1] == conf.end_state:
                break
    return True
