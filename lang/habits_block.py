"""Habits about blocks: where they may stand, what they give, and their braces.

A block of this language gives nothing: an `fn` gives its result with `return`, a `function` its outputs with `emit`. In
other languages the last value of a block is its result, a block may stand for a value, and a branch needs no braces.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.mistake_case import Case, header, outputs
from dandc.lang.recovery import STATEMENT_WORDS, block_for_value
from dandc.lang.spans import Span

if TYPE_CHECKING:
    from lark import Token

ENDS_OPERAND = frozenset("NAME QUOTED INT FLOAT STR TRUE FALSE RPAR RSQB FSTR_END FNAME".split())
OPERATORS = frozenset(
    "OR AND EQ NE LT LE GT GE CARET SHL SHR PLUS MINUS STAR SLASH PERCENT WADD WSUB WMUL AMP PIPE".split()
)
_OPENING = frozenset(("LPAR", "LSQB", "LBRACE", "FSTR_BEGIN"))
_CLOSING = frozenset(("RPAR", "RSQB", "RBRACE", "FSTR_END"))
_BEGINS_VALUE = frozenset(("MINUS", "NOT", "TILDE"))
_HEADS = frozenset(("IF", "WHILE", "FOR", "ELSE"))


# The last value of a block.


def _value_statement(case: Case) -> Diagnostic | None:
    """`a + b` as a statement, mostly the last one of a block: its value was meant to be the result."""
    first = case.problem.tokens[case.problem.statement]
    if case.type not in OPERATORS or case.item not in ("FN", "FUNCTION") or first.type not in ENDS_OPERAND:
        return None
    if "EQUAL" not in case.problem.expected or case.opened_type != "LBRACE" or case.problem.type_at(1) == case.type:
        return None
    return _alone(case, case.problem.statement, case.of(first).to(case.span))


def _prefixed_statement(case: Case) -> Diagnostic | None:
    """`-x` and `not ok` as statements."""
    if not case.starts_statement or case.type not in _BEGINS_VALUE or case.item not in ("FN", "FUNCTION"):
        return None
    if case.problem.type_at(1) == case.type:
        return None  # `--x`
    return _alone(case, case.problem.index, case.span)


def _alone(case: Case, begin: int, span: Span) -> Diagnostic:
    """A value that cannot be a statement; it is the result if it is the last thing of its block."""
    end = _value_end(case)
    fixes: tuple[Fix, ...] = ()
    if end is not None and _owner(case) not in ("FOR", "WHILE"):
        fixes = _give(case, begin, end)
    return Diagnostic("P0127", "a value alone does nothing", span, "computed, but not used", fixes=fixes)


def _value_end(case: Case) -> int | None:
    """The index of the brace that ends the block, and so the value that the mistake is in; None if statements follow."""
    tokens, depth = case.problem.tokens, 0
    for i in _from(case, 200):
        if tokens[i].type == "SEMICOLON":
            return None
        if depth == 0 and tokens[i].type == "RBRACE":
            return i
        depth += (tokens[i].type in _OPENING) - (tokens[i].type in _CLOSING)
    return None


def _tail_value(case: Case) -> Diagnostic | None:
    """`x }`, `f(x) }` and `match x { ... 2 }` without a `;`: the value was meant to be the result of the block."""
    if case.type != "RBRACE" or not case.inserts("SEMICOLON") or "EQUAL" not in case.problem.expected:
        return None
    if case.item not in ("FN", "FUNCTION") or (_expectation(case) is None and _is_call(case)):
        return None
    begin = _value_begin(case)
    owner, tokens = _owner(case), case.problem.tokens
    given = _give_match(case) if owner == "MATCH" else ()
    if tokens[begin].type in STATEMENT_WORDS or (_is_call(case) and not given and (owner or _has_emitted(case))):
        return None
    span = case.of(tokens[begin]).to(case.of(tokens[case.problem.index - 1]))
    origin = _expectation(case)
    if owner in ("FOR", "WHILE") or origin is None:
        notes = () if origin else ("an `fn` that gives a value says its type with an arrow: `fn f(x: i64) -> i64`",)
        return Diagnostic("P0127", "a value alone does nothing", span, "computed, but not used", notes=notes)
    certain = not owner and not _is_call(case) and not _has_emitted(case)
    fixes = given if owner == "MATCH" else _give(case, begin, case.problem.index, certain)
    label, message = "not given to the caller", "the last value of a block is not its result"
    notes = () if _word(case) else ("an output is given its value with `emit NAME <- value;`",)
    return Diagnostic("P0127", message, span, label, (origin,), notes=notes, fixes=fixes)


def ends_statement(case: Case) -> bool:
    """Whether nothing but a `;` can be missing before the `}` that was found: no branch that may give the result."""
    if case.type != "RBRACE" or case.item != "FN" or result_type(case) is None or not _is_call(case):
        return True
    begin = case.problem.tokens[_value_begin(case)].type
    return begin in STATEMENT_WORDS or _owner(case) in ("", "FOR", "WHILE")


def _expectation(case: Case) -> Label | None:
    """Where the item says what it gives."""
    if case.item == "FN":
        span = result_type(case)
        return Label(span, "the declared result") if span is not None else None
    places = outputs(case)
    return Label(places[0].span.to(places[-1].span), "the declared outputs") if places else None


def result_type(case: Case) -> Span | None:
    """Where the result of an `fn` is declared."""
    head = header(case)
    depth = 0
    for i, token in enumerate(head):
        depth += (token.type in _OPENING) - (token.type in _CLOSING)
        if token.type == "ARROW" and depth == 0 and i + 1 < len(head):
            return case.of(head[i + 1]).to(case.of(head[-1]))
    return None


def _give(case: Case, begin: int, end: int, certain: bool = False) -> tuple[Fix, ...]:
    """Give the value of the tokens `begin:end` as the result; nothing if there are several outputs to choose from."""
    word = _word(case)
    if word is None:
        return ()
    tokens = case.problem.tokens
    span = case.of(tokens[begin]).to(case.of(tokens[end - 1]))
    text = case.source.text[span.start : span.end]
    return (Fix(f"give it with `{word.split()[0]}`", span, f"{word} {text};", certain),)


def _give_match(case: Case) -> tuple[Fix, ...]:
    """Give the value of a whole `match` as the result, if it is the last statement of the body."""
    tokens, first = case.problem.tokens, _owner_index(case)
    closing = partner(tokens, case.problem.index - 1, 1)
    last = closing is not None and closing + 1 < len(tokens) and tokens[closing + 1].type == "RBRACE"
    if first is None or tokens[first].type != "MATCH" or closing is None or len(case.braces) != 2:
        return ()
    if any(t.type in STATEMENT_WORDS for t in tokens[first + 1 : closing]):
        if _is_call(case):
            return ()
        return _give(case, _value_begin(case), case.problem.index)
    return _give(case, first, closing + 1) if last else ()


def _word(case: Case) -> str | None:
    if case.item == "FN":
        return "return"
    places = outputs(case)
    return f"emit {places[0].name} <-" if len(places) == 1 else None


def _value_begin(case: Case) -> int:
    """The index of the first token of the value that ends right before the mistake."""
    tokens, depth = case.problem.tokens, 0
    for i in range(case.problem.index - 1, case.problem.start, -1):
        depth += (tokens[i].type in _CLOSING) - (tokens[i].type in _OPENING)
        ends = tokens[i - 1].type in ("LBRACE", "RBRACE", "SEMICOLON", "FAT_ARROW", "COMMA")
        if depth == 0 and ends:
            return i
    return case.problem.statement


def _is_call(case: Case) -> bool:
    return case.problem.type_at(-1) == "RPAR" and case.problem.tokens[_value_begin(case)].type != "LPAR"


def _has_emitted(case: Case) -> bool:
    """Whether a `function` emits something before: then a call at its end is rather a step than an output."""
    tokens = case.problem.tokens[case.problem.start : case.problem.index]
    return case.item == "FUNCTION" and any(t.type == "EMIT" for t in tokens)


def _owner(case: Case) -> str:
    """The word that the innermost block belongs to: `ELSE` (of any branch), `FOR`, `WHILE`, `MATCH`; `` for the item's body."""
    if len(case.braces) < 2:
        return ""
    tokens, at = case.problem.tokens, _owner_index(case)
    return "ELSE" if at is None or tokens[at].type in ("IF", "FAT_ARROW") else tokens[at].type


def _owner_index(case: Case) -> int | None:
    """Where the word stands that the innermost block belongs to, or the arrow of an arm."""
    tokens = case.problem.tokens
    at = next(i for i in range(case.problem.index - 1, -1, -1) if tokens[i] is case.braces[-1])
    depth = 0
    for i in range(at - 1, case.problem.start, -1):
        depth += (tokens[i].type in _CLOSING) - (tokens[i].type in _OPENING)
        if depth < 0 or (depth == 0 and tokens[i].type == "SEMICOLON"):
            return None
        if depth == 0 and tokens[i].type in (*_HEADS, "MATCH", "FAT_ARROW"):
            return i
    return None


def _from(case: Case, most: int) -> Iterator[int]:
    """The indices of up to `most` tokens after the mistake."""
    yield from range(case.problem.index + 1, min(case.problem.index + 1 + most, len(case.problem.tokens)))


def partner(tokens: "list[Token]", start: int, depth: int = 0) -> int | None:
    """The index of the brace that closes the one at `start`, or the `depth`-th one that is open there."""
    for i in range(start, len(tokens)):
        depth += (tokens[i].type == "LBRACE") - (tokens[i].type == "RBRACE")
        if depth == 0 and tokens[i].type == "RBRACE":
            return i
    return None


# A block where a value stands.

_INSTEAD = {
    "FAT_ARROW": (
        "an arm of a `match` that gives a value is one expression",
        "a `match` that is a statement has blocks in its arms: `match x { some(v) => { ... } none => { ... } }`",
    ),
    "PIPE": ("a lambda gives one expression", "what needs statements is an `fn`, or a `for` over the values"),
}
_VALUE = ("statements give no value", "`if a { x } else { y }` and `match` give values; other statements stand before")


def _block_value(case: Case) -> Diagnostic | None:
    """`some(v) => { return v; }` in a `match` that gives a value, `|x| { n += x; n }`, `let a = { f(); 2 };`."""
    problem = case.problem
    brace = block_for_value(problem.tokens, problem.index, problem.opened, problem.expected.__contains__)
    if brace is None:
        return None
    label, note = _INSTEAD.get(problem.tokens[brace - 1].type, _VALUE)
    closing = partner(problem.tokens, brace)
    fixes: tuple[Fix, ...] = ()
    if closing is not None:
        inner = problem.tokens[brace + 1 : closing]
        span = case.of(problem.tokens[brace]).to(case.of(problem.tokens[closing]))
        text = case.source.text[span.start + 1 : span.end - 1].strip()
        if inner and not any(t.type == "SEMICOLON" or t.type in STATEMENT_WORDS for t in inner):
            fixes = (Fix("leave the braces out", span, text),)
    at = case.of(problem.tokens[brace])
    notes = () if fixes else (note,)
    return Diagnostic("P0127", "a block cannot stand for a value", at, label, notes=notes, fixes=fixes)


def _word_for_value(case: Case) -> Diagnostic | None:
    """`|x| return x`, `0 => return 1` in a `match` that gives a value."""
    previous = case.problem.previous
    if (
        case.type != "RETURN"
        or previous is None
        or not {"LSQB", "NAME"} <= case.problem.expected
        or case.starts_statement
    ):
        return None
    fixes: tuple[Fix, ...] = ()
    following = case.problem.tokens[case.problem.index + 1 :][:1]
    if previous.type == "PIPE" and following:
        place = Span(case.span.file, case.span.start, case.of(following[0]).start)
        fixes = (Fix("leave it out", place, "", certain=True),)
    notes = (_INSTEAD["FAT_ARROW"][1],) if previous.type == "FAT_ARROW" else ()
    message = "`return` is a statement, and an expression is needed"
    return Diagnostic("P0127", message, case.span, "gives no value here", notes=notes, fixes=fixes)


def _function_value(case: Case) -> Diagnostic | None:
    """`xs.map(fn(x) { return 2 * x; })`."""
    tokens, index = case.problem.tokens, case.problem.index
    if case.type not in ("FN", "FUNCTION") or not {"LSQB", "NAME"} <= case.problem.expected or case.starts_statement:
        return None
    rest = [t.type for t in tokens[index : index + 40]]
    fixes: tuple[Fix, ...] = ()
    if "LBRACE" in rest and rest[1] == "LPAR":
        opening = rest.index("LBRACE")
        closing = partner(tokens, index + opening)
        body = [t.type for t in tokens[index + opening : closing]] if closing else []
        if closing and body[1:2] == ["RETURN"] and body.count("SEMICOLON") == 1 and body[-1] == "SEMICOLON":
            names = ", ".join(str(t) for t in tokens[index + 2 : index + opening] if t.type == "NAME")
            start, end = case.of(tokens[index + opening + 1]).end, case.of(tokens[closing - 1]).start
            value = case.source.text[start:end].strip()
            place = case.span.to(case.of(tokens[closing]))
            fixes = (Fix("write a lambda", place, f"|{names}| {value}"),) if rest[2:opening].count("COLON") == 0 else ()
    notes = () if fixes else ("`|x| 2 * x`, or the name of an `fn`",)
    return Diagnostic("P0127", "a function without a name is a lambda", case.span, "not here", notes=notes, fixes=fixes)


def _record_pattern(case: Case) -> Diagnostic | None:
    """`let {a, b} = x;`."""
    word = case.problem.previous
    if case.type != "LBRACE" or word is None or word.type not in ("LET", "VAR"):
        return None
    note = "its fields are taken one by one: `let a = x.a;`"
    return Diagnostic("P0127", "a record has no pattern", case.span, "a name is expected", notes=(note,))


def _short_field(case: Case) -> Diagnostic | None:
    """`{a, b}`: a record whose fields are called like the variables."""
    name = case.problem.previous
    if case.problem.expected != {"COLON"} or name is None or name.type not in ("NAME", "QUOTED"):
        return None
    if case.type not in ("COMMA", "RBRACE") or case.opened_type != "LBRACE" or case.item not in ("FN", "FUNCTION"):
        return None
    fix = Fix("say its value", case.gap, f": {name}")
    return Diagnostic("P0127", f"the field `{name}` has no value", case.of(name), "a name alone", fixes=(fix,))


def _if_let(case: Case) -> Diagnostic | None:
    """`if let some(v) = x { ... }` and `while let`."""
    word = case.problem.previous
    if case.type not in ("LET", "VAR") or word is None or word.type not in ("IF", "WHILE"):
        return None
    note = "`match x { some(v) => { ... } none => { ... } }`"
    if word.type == "WHILE":
        note = "`while true { match x { some(v) => { ... } none => { break; } } }`"
    span = case.of(word).to(case.span)
    return Diagnostic("P0127", "patterns are tried by `match`", span, "a condition is a `bool`", notes=(note,))


# Branches without braces.


def _bare_branch(case: Case) -> Diagnostic | None:
    """`if (c) return 2;`, `else x = 3;`."""
    previous = case.problem.previous
    if previous is None or "LBRACE" not in case.problem.expected or case.first not in _HEADS:
        return None
    statement = case.type in STATEMENT_WORDS
    if not statement and not (case.type == "NAME" and previous.type in ("RPAR", "ELSE")):
        return None
    if statement and previous.type not in ENDS_OPERAND | {"ELSE"}:
        return None
    word = "else" if previous.type == "ELSE" else case.first.lower()
    fixes = _braced(case, case.problem.index, case.span, certain=statement)
    message = f"what {_article(word)} `{word}` does stands in braces"
    return Diagnostic("P0127", message, case.span, "`{` is expected before this", fixes=fixes)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _braced(case: Case, begin: int, span: Span, certain: bool) -> tuple[Fix, ...]:
    """Put the one statement that begins at `begin` into braces, instead of what stands from `span` on."""
    tokens = case.problem.tokens
    end = next((i for i in range(begin, len(tokens)) if tokens[i].type in ("SEMICOLON", "LBRACE", "RBRACE")), None)
    if end is None or tokens[end].type != "SEMICOLON":
        return ()
    whole, statement = span.to(case.of(tokens[end])), case.of(tokens[begin]).to(case.of(tokens[end]))
    text = case.source.text[statement.start : statement.end]
    before = " " if case.source.text[whole.start - 1 : whole.start].strip() else ""
    return (Fix("write the braces", whole, f"{before}{{ {text} }}", certain),)


def _colon_else(case: Case) -> Diagnostic | None:
    """`else:` on its own line; before the colon it was read as the name of a field."""
    if case.type != "FNAME" or str(case.token) != "else" or case.problem.type_at(1) != "COLON":
        return None
    colon = case.of(case.problem.tokens[case.problem.index + 1])
    message = "the block of an `else` stands in braces"
    return Diagnostic("P0127", message, colon, "`{` is expected", notes=("`} else { ... }`",))


def _colon_block(case: Case) -> Diagnostic | None:
    """`if c:` and a statement behind it or on the next lines."""
    previous = case.problem.previous
    if case.type != "COLON" or previous is None or case.problem.type_at(1) == "COLON":
        return None
    if "LBRACE" not in case.problem.expected or case.first not in (*_HEADS, "MATCH"):
        return None
    word = "else" if previous.type == "ELSE" else case.first.lower()
    rest = case.line_behind(case.span.end)
    single = rest.count(";") == 1 and rest.rstrip().endswith(";")
    fixes = _braced(case, case.problem.index + 1, case.span, certain=True) if single else ()
    notes = () if fixes else (f"`{word} {'' if word == 'else' else '... '}{{ ... }}`",)
    message = f"the block of {_article(word)} `{word}` stands in braces"
    return Diagnostic("P0127", message, case.span, "`{` is expected", notes=notes, fixes=fixes)


HABITS_OF_BLOCKS: tuple[Callable[[Case], Diagnostic | None], ...] = (
    _if_let, _block_value, _word_for_value, _function_value, _record_pattern, _short_field, _tail_value, _value_statement,
    _prefixed_statement, _bare_branch, _colon_block, _colon_else,
)  # fmt: skip
