"""What people write out of habit: words, operators and forms of other languages, with what is written here instead.

Asked before the general explanations of `lang/mistakes.py`. Each rule recognises one habit for certain, or keeps still: a
wrong guess about what somebody meant is worse than none.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dandc.lang.diagnostics import Diagnostic, Fix
from dandc.lang.habits_block import ENDS_OPERAND, partner
from dandc.lang.mistake_case import Case
from dandc.lang.recovery import in_flow, is_conditional
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Token


@frozen
class _Habit:
    """A word of another language: what to say about it, and what to write in its place (None: nothing certain)."""

    message: str
    instead: str | None = None
    note: str = ""


_ASSERT = _Habit(
    "a function that cannot go on gives up with `fail`", None, '`if not ok { fail "..."; }`; a test says `expect ok;`'
)
_STATEMENTS = {
    **dict.fromkeys(("elif", "elsif", "elseif"), _Habit("another condition is written `else if`", "else if")),
    **dict.fromkeys(
        ("switch", "case", "when"),
        _Habit("values are told apart with `match`", "match", "`match x { 0 => ..., 1 => ..., _ => ... }`"),
    ),
    "mut": _Habit("a variable is declared with `var`", "var"),
    "foreach": _Habit("every loop over values is a `for`", "for"),
    "loop": _Habit("a loop without an end is `while true { ... }`", None, "`break;` leaves it"),
    "until": _Habit("a loop with a condition is a `while`", None, "`while not done { ... }`"),
    "do": _Habit("a loop with a condition is a `while`", None, "`while true { ...; if done { break; } }`"),
    **dict.fromkeys(("throw", "raise", "panic"), _Habit("a function gives up with `fail`", "fail")),
    "try": _Habit("there are no exceptions", None, "what can fail gives a `result`: `match` on it, or pass its error on with `?`"),
    **dict.fromkeys(("print", "echo"), _Habit("a kernel has no output to print to", "note", "`note f\"...\"` is kept with the run")),
    "assert": _ASSERT,
    "pass": _Habit("an empty block is written `{ }`"),
}  # fmt: skip
_OPERANDS = {
    "new": _Habit("a record is built by its name alone", "", "`Point(x: 1, y: 2)`"),
    "await": _Habit("a call waits by itself for what it needs", ""),
    "lambda": _Habit("a lambda is written `|x| x + 1`"),
    "mut": _Habit("a variable is declared with `var`"),
}
_INFIXES = {
    "is": _Habit("values are compared with `==`", "=="),
    "in": _Habit("`.contains(...)` says whether a value is in an array", None, "`xs.contains(x)`"),
    "instanceof": _Habit("the type of a value is known before anything runs", None, "variants are told apart with `match`"),
}  # fmt: skip
_DEFAULT_TYPES = {"INT": "i64", "FLOAT": "f64", "STR": "str", "TRUE": "bool", "FALSE": "bool", "FSTR_BEGIN": "str"}


def _habit(case: Case, word: "Token", habit: _Habit, span: Span | None = None, certain: bool = False) -> Diagnostic:
    span = span or case.of(word)
    fixes: tuple[Fix, ...] = ()
    if habit.instead:
        fixes = (Fix(f"write `{habit.instead}`", span, habit.instead, certain),)
    elif habit.instead is not None:
        fixes = (Fix("leave it out", Span(span.file, span.start, case.span.start), "", certain),)
    notes = (habit.note,) if habit.note else ()
    return Diagnostic("P0127", habit.message, span, f"`{word}` belongs to other languages", notes=notes, fixes=fixes)


def _statement_word(case: Case) -> Diagnostic | None:
    """A statement that begins with a word that means nothing here, and goes on as if it did."""
    word = case.problem.tokens[case.problem.statement]
    habit = _STATEMENTS.get(str(word))
    if habit is _ASSERT and case.item == "TEST":
        habit = _Habit("a test says what holds with `expect`", "expect")
    if (
        habit is None
        or word.type == "FNAME"
        or case.problem.index - case.problem.statement > 1
        or in_flow(case.problem)
    ):
        return None
    if case.problem.index == case.problem.statement and word.type == "NAME":
        return None
    if word.type == "LOOP" and any(t.type == "LPAR" for t in case.problem.tokens[case.problem.statement + 1 :][:1]):
        return None  # a loop of compositions
    return _habit(case, word, habit, certain=habit.instead == "else if" and case.before(word) == "RBRACE")


def _const_inside(case: Case) -> Diagnostic | None:
    """`const` for a local."""
    if case.type != "CONST" or not case.starts_statement or in_flow(case.problem):
        return None
    fix = Fix("write `let`", case.span, "let")
    message = "inside a function a value is named with `let`"
    return Diagnostic("P0108", message, case.span, "`const` stands at the top level of a module", fixes=(fix,))


def _let_mut(case: Case) -> Diagnostic | None:
    word = case.problem.previous
    if word is None or str(word) != "mut" or case.problem.type_at(-2) not in ("LET", "VAR"):
        return None
    span = case.of(case.problem.tokens[case.problem.index - 2]).to(case.of(word))
    fix = Fix("write `var`", span, "var", certain=True)
    return Diagnostic("P0127", _OPERANDS["mut"].message, span, "`mut` belongs to other languages", fixes=(fix,))


def _operand_word(case: Case) -> Diagnostic | None:
    """`new Point(...)`, `await f()`, `lambda x: ...`: a word, and right after it what can only begin an operand."""
    word = case.problem.previous
    if word is None or word.type != "NAME" or case.type not in ("NAME", "QUOTED", "COLON"):
        return None
    habit = _OPERANDS.get(str(word))
    if habit is None or str(word) == "mut":
        return None
    if str(word) != "lambda":
        return _habit(case, word, habit, certain=True)
    last = next((t for t in _ahead(case, 8) if t.type == "COLON"), None)
    names = case.source.text[case.span.start : last.start_pos].strip() if last is not None else ""
    if last is None or not names:
        return _habit(case, word, habit)
    span = case.of(word).to(case.of(last))
    fix = Fix("write its parameters between bars", span, f"|{names}|", certain=True)
    return Diagnostic("P0127", habit.message, span, "a lambda of another language", fixes=(fix,))


def _run_outside(case: Case) -> Diagnostic | None:
    """`run main(...)` where only its call stands: `run` means something in a test alone, behind `let out =`."""
    word = case.problem.previous
    if word is None or (word.type, str(word)) != ("NAME", "run") or case.type not in ("NAME", "QUOTED"):
        return None
    note = "a composition, or the prompt, calls it by its name: `main(xs: [1, 2])`"
    label = "begins `let NAME = run COMPOSITION(...);`"
    return Diagnostic(
        "P0101", "`run` stands in a test, before the call of what is tested", case.of(word), label, notes=(note,)
    )


def _field_default(case: Case) -> Diagnostic | None:
    """`y: i64 = 2` among the fields of a record."""
    statement = [t.type for t in case.problem.tokens[case.problem.statement : case.problem.index]]
    if case.type != "EQUAL" or "RECORD" not in statement or "RBRACE" in statement:
        return None
    note = "a constant may hold the usual one: `Name(..USUAL, y: 3)` is a copy of it with another field"
    return Diagnostic("P0101", "a field has no default", case.span, "`,` or `}` is expected", notes=(note,))


def _infix_word(case: Case) -> Diagnostic | None:
    """`a is b`, `a in xs`, `a as T` behind an operand."""
    word, previous = case.token, case.problem.previous
    if word.type not in ("NAME", "IN", "AS") or previous is None or previous.type not in ENDS_OPERAND:
        return None
    habit = _INFIXES.get(str(word))
    # A word that may stand here as a name, or after which nothing else comes, is no operator.
    if habit is None or case.item == "IMPORT" or case.first == "FOR" or "PLUS" not in case.problem.expected:
        return None
    if str(word) == "is" and case.problem.type_at(1) == "NOT":
        negated = case.span.to(case.of(case.problem.tokens[case.problem.index + 1]))
        return _habit(case, word, _Habit("values are compared with `!=`", "!="), negated)
    return _habit(case, word, habit)


def _conversion(case: Case) -> Diagnostic | None:
    """`x as i32`."""
    value, following = case.problem.previous, case.problem.tokens[case.problem.index + 1 :][:1]
    if str(case.token) != "as" or value is None or not following or following[0].type != "NAME":
        return None
    if case.item == "IMPORT" or "PLUS" not in case.problem.expected:
        return None
    fixes: tuple[Fix, ...] = ()
    if value.type in ("NAME", "INT", "FLOAT") and case.problem.type_at(-2) != "DOT":
        span = case.of(value).to(case.of(following[0]))
        fixes = (Fix("convert it", span, f"{following[0]}({value})"),)
    notes = () if fixes else (f"`{following[0]}(x)`",)
    message = "numbers are converted with the name of the type"
    return Diagnostic("P0127", message, case.span, "`as` belongs to other languages", notes=notes, fixes=fixes)


def _coalescing(case: Case) -> Diagnostic | None:
    """`x ?? 0` and `x ?: 0`."""
    first = case.problem.previous
    if first is None or first.type != "QUESTION":
        return None
    last = case.token
    if case.type != "COLON":
        last, first = first, case.problem.tokens[case.problem.index - 2]
    if first.type != "QUESTION" or first.end_pos != last.start_pos:
        return None
    span = case.of(first).to(case.of(last))
    operand = case.problem.index + (case.type == "COLON")
    ends = case.problem.tokens[operand + 1].type if operand + 1 < len(case.problem.tokens) else ""
    before = case.problem.tokens[case.problem.index - (2 if case.type == "COLON" else 3)]
    fixes: tuple[Fix, ...] = ()
    if ends in ("SEMICOLON", "COMMA", "RPAR", "RBRACE"):
        value = case.problem.tokens[operand]
        fixes = (Fix("write `.or`", Span(span.file, case.of(before).end, case.of(value).end), f".or({value})"),)
    notes = () if fixes else ("`x.or(other)` is the value in `x`, or `other` if there is none",)
    sign = case.source.text[span.start : span.end]
    return Diagnostic("P0106", f"there is no operator `{sign}`", span, "not an operator", notes=notes, fixes=fixes)


def _double_colon(case: Case) -> Diagnostic | None:
    """`E::a`."""
    following = case.problem.tokens[case.problem.index + 1 :][:1]
    if case.type != "COLON" or not following or following[0].type != "COLON":
        return None
    if following[0].start_pos != case.token.end_pos or case.problem.type_at(-1) not in ("NAME", "QUOTED"):
        return None
    fix = Fix("write `.`", case.span.to(case.of(following[0])), ".", certain=True)
    message = "what belongs to a type or a module stands behind a `.`"
    return Diagnostic("P0127", message, fix.span, "not `::`", fixes=(fix,))


def _inclusive_range(case: Case) -> Diagnostic | None:
    """`0..=10`, `0..<10` and `0...10`."""
    dots = case.problem.previous
    if (
        case.type not in ("EQUAL", "LT", "DOT")
        or dots is None
        or dots.type != "DOTDOT"
        or dots.end_pos != case.span.start
    ):
        return None
    span = case.of(dots).to(case.span)
    message = "a range `a..b` ends before `b`"
    if case.type == "LT":
        fix = Fix("write `..`", span, "..", certain=True)
        return Diagnostic("P0127", message, span, "`..` says it", fixes=(fix,))
    last = case.problem.tokens[case.problem.index + 1 :][:2]
    fixes: tuple[Fix, ...] = ()
    if len(last) == 2 and last[1].type in ("LBRACE", "RSQB") and last[0].type in ("INT", "NAME"):
        text = str(int(last[0]) + 1) if last[0].isdecimal() else f"{last[0]} + 1"
        certain = case.type == "EQUAL"
        fixes = (Fix("go one further", span.to(case.of(last[0])), f"..{text}", certain),)
    notes = () if fixes else ("`0..n + 1` goes up to `n`",)
    return Diagnostic("P0127", message, span, "not a range", notes=notes, fixes=fixes)


def _typed_lambda(case: Case) -> Diagnostic | None:
    """`|x: i64| x + 1`."""
    name = case.problem.previous
    if case.type != "COLON" or name is None or name.type != "NAME" or "PLUS" in case.problem.expected:
        return None
    if not {"PIPE", "COMMA"} <= case.problem.expected or case.problem.type_at(-2) not in ("PIPE", "COMMA"):
        return None
    following = case.problem.tokens[case.problem.index + 1 :][:2]
    fixes: tuple[Fix, ...] = ()
    if len(following) == 2 and following[1].type in ("PIPE", "COMMA"):
        fixes = (Fix("leave it out", case.gap.to(case.of(following[0])), "", certain=True),)
    message = "the parameters of a lambda have no types: the call says them"
    return Diagnostic("P0127", message, case.span, "no type here", fixes=fixes)


def _empty_payload(case: Case) -> Diagnostic | None:
    """`b() => ...` for a variant that carries nothing."""
    opening = case.problem.previous
    if case.type != "RPAR" or opening is None or opening.type != "LPAR" or "TRUE" not in case.problem.expected:
        return None
    if "LSQB" in case.problem.expected or case.problem.type_at(-2) not in ("NAME", "QUOTED", "FNAME"):
        return None
    span = case.of(opening).to(case.span)
    fix = Fix("leave them out", span, "", certain=True)
    message = "a variant that carries nothing has no parentheses"
    return Diagnostic("P0127", message, span, "nothing in them", fixes=(fix,))


def _named_payload(case: Case) -> Diagnostic | None:
    """`under(cents: i64)` in an enum."""
    name = case.problem.previous
    if case.type != "COLON" or case.item != "ENUM" or name is None or case.opened_type != "LPAR":
        return None
    type_ = case.problem.tokens[case.problem.index + 1 :][:1]
    fixes: tuple[Fix, ...] = ()
    if type_:
        fixes = (
            Fix("leave the name out", Span(case.span.file, case.of(name).start, case.of(type_[0]).start), "", True),
        )
    notes = ("several values with names are a record: `under(Details)`",)
    message = "what a variant carries has a type and no name"
    return Diagnostic("P0127", message, case.of(name), "not a type", notes=notes, fixes=fixes)


def _ternary(case: Case) -> Diagnostic | None:
    mark = case.problem.previous
    if mark is None or mark.type != "QUESTION" or not (case.type in ENDS_OPERAND or case.type in ("LPAR", "MINUS")):
        return None
    notes = ("the `if` gives a value: `if a > b { a } else { b }`",)
    return Diagnostic("P0106", "there is no operator `? :`", case.of(mark), "not an operator here", notes=notes)


def _conditional(case: Case) -> Diagnostic | None:
    """`1 if a else 2`."""
    if case.type != "IF" or not is_conditional(case.problem.tokens, case.problem.index):
        return None
    notes = ("the condition comes first: `if a > b { a } else { b }`",)
    return Diagnostic("P0127", "an `if` stands before its value", case.span, "not behind a value", notes=notes)


def _comprehension(case: Case) -> Diagnostic | None:
    opened = case.problem.opened
    if case.type != "FOR" or not opened or opened[-1].type not in ("LSQB", "LPAR"):
        return None
    notes = ("`xs.map(|x| 2 * x)`, `xs.filter(|x| x > 0)`, or a `for` that appends to a `var`",)
    message = "an array is made of another one by methods"
    return Diagnostic("P0127", message, case.span, "not inside an expression", notes=notes)


def _slice_colon(case: Case) -> Diagnostic | None:
    if case.type != "COLON" or "DOTDOT" not in case.problem.expected or case.opened_type != "LSQB":
        return None
    fix = Fix("write `..`", case.span, "..", certain=True)
    return Diagnostic("P0106", "a slice is written with `..`", case.span, "not `:`", fixes=(fix,))


def _arrow_lambda(case: Case) -> Diagnostic | None:
    """`x => x + 1` and `(x, y) => x + y` among arguments."""
    previous = case.problem.previous
    if case.type not in ("FAT_ARROW", "ARROW") or previous is None or "SEMICOLON" in case.problem.expected:
        return None
    if case.item in ("COMPOSITION", "IMPORT") or case.first == "MATCH" or case.opened_type != "LPAR":
        return None
    head = _lambda_head(case)
    if not head:
        return None
    span = case.of(head[0]).to(case.span)
    names = ", ".join(str(t) for t in head if t.type == "NAME")
    fix = Fix("write its parameters between bars", span, f"|{names}|")
    return Diagnostic("P0127", "a lambda is written `|x| x + 1`", span, "a lambda of another language", fixes=(fix,))


def _lambda_head(case: Case) -> "list[Token]":
    """The tokens that stand for parameters right before an arrow: a name, or names in parentheses."""
    tokens, end = case.problem.tokens, case.problem.index
    if tokens[end - 1].type == "NAME":
        return [tokens[end - 1]] if case.before(tokens[end - 1]) in ("LPAR", "COMMA") else []
    start = end - 1
    while start > case.problem.statement and tokens[start].type in ("RPAR", "NAME", "COMMA"):
        start -= 1
    return tokens[start:end] if tokens[start].type == "LPAR" and tokens[end - 1].type == "RPAR" else []


def _braces_record(case: Case) -> Diagnostic | None:
    """`Point { x: 1 }`."""
    name = case.problem.previous
    if case.type != "LBRACE" or name is None or name.type != "NAME" or case.problem.type_at(2) != "COLON":
        return None
    if "RPAR" not in case.problem.expected and "SEMICOLON" not in case.problem.expected:
        return None
    closing = partner(case.problem.tokens, case.problem.index)
    fixes: tuple[Fix, ...] = ()
    if closing is not None:
        place = case.gap.to(case.of(case.problem.tokens[closing]))
        inner = case.source.text[case.span.end : place.end - 1].strip().rstrip(",")
        fixes = (Fix("write parentheses", place, f"({inner})"),)
    message = f"a record is built with parentheses: `{name}(...)`"
    return Diagnostic("P0127", message, case.span, "`(` is expected", fixes=fixes)


def _type_form(case: Case) -> Diagnostic | None:
    """`List<T>`, `[T]`, `T[]`, `T?`, `T | U`, `&T` where a type stands."""
    previous = case.problem.previous
    if previous is None or case.item == "TEST":
        return None
    after_type = previous.type in ("NAME", "RSQB") and "LSQB" in case.problem.expected | {previous.type}
    if case.type == "LT" and previous.type == "NAME" and "LSQB" in case.problem.expected:
        return _angle_brackets(case)
    if case.type == "RSQB" and previous.type == "LSQB" and "OPTIONAL" in case.problem.expected:
        return _form(case, previous, "the type of an array is written `array[T]`")
    if case.type == "LSQB" and "OPTIONAL" in case.problem.expected:
        return _form(case, case.token, "the type of an array is written `array[T]`")
    if case.type == "QUESTION" and after_type and "PLUS" not in case.problem.expected:
        return _form(case, case.token, "what may be absent has the type `option[T]`")
    if case.type == "AMP" and "OPTIONAL" in case.problem.expected:
        return _form(case, case.token, "there are no references; what is changed is declared `inout`")
    return None


def _form(case: Case, token: "Token", message: str) -> Diagnostic:
    return Diagnostic("P0127", message, case.of(token), "a type of another language")


def _angle_brackets(case: Case) -> Diagnostic:
    message = "what a type consists of stands in `[` and `]`"
    depth, last = 0, None
    for token in (case.token, *_ahead(case, 24)):
        depth += {"LT": 1, "GT": -1, "SHR": -2}.get(token.type, 0)
        if depth <= 0:
            last = token
            break
    if last is None:
        return Diagnostic("P0127", message, case.span, "not in `<` and `>`")
    span = case.span.to(case.of(last))
    text = case.source.text[span.start : span.end].replace("<", "[").replace(">", "]")
    return Diagnostic("P0127", message, span, "not in `<` and `>`", fixes=(Fix("write brackets", span, text),))


def _untyped(case: Case) -> Diagnostic | None:
    """A parameter, field, constant or config without its type."""
    previous = case.problem.previous
    if case.problem.expected != {"COLON"} or previous is None or previous.type not in ("NAME", "QUOTED"):
        return None
    if case.type not in ("COMMA", "RPAR", "RBRACE", "EQUAL"):
        return None
    what = {"RECORD": "field", "CONST": "constant", "CONFIG": "config"}.get(case.item, "parameter")
    known = _DEFAULT_TYPES.get(case.problem.type_at(1), "") if case.type == "EQUAL" else ""
    fixes = (Fix("say its type", case.gap, f": {known}"),) if known else ()
    label = f"write `{previous}: {known or 'TYPE'}`"
    return Diagnostic("P0101", f"the {what} `{previous}` needs a type", case.of(previous), label, fixes=fixes)


def _no_outputs(case: Case) -> Diagnostic | None:
    """`function f(a: T) { ... }` and `function f(a: T) -> U { ... }`, as in other languages."""
    previous = case.problem.previous
    if case.item != "FUNCTION" or case.problem.opened or previous is None or previous.type != "RPAR":
        return None
    if "FAT_ARROW" not in case.problem.expected or case.type not in ("LBRACE", "EQUAL", "COLON", "ARROW"):
        return None
    if case.problem.repair.kind:
        return None
    word = case.of(case.problem.tokens[case.problem.start])
    public = case.problem.tokens[case.problem.start].type == "PUB"
    helper = Fix("a helper that returns a value is an `fn`", word, "fn")
    return Diagnostic(
        "P0109",
        "a function says its outputs",
        case.span if case.type == "ARROW" else case.gap,
        "`=> (NAME: TYPE)` is expected here",
        notes=("`function f(a: i64) => (b: i64) { emit b <- a; }`",),
        fixes=(helper,) if case.type == "ARROW" and not public else (),
    )


def _reference(case: Case) -> Diagnostic | None:
    """`f(&x)`, `f(&mut x)`, `f(inout x)`."""
    if (
        case.type not in ("AMP", "INOUT")
        or "LPAR" not in case.problem.expected
        or case.opened_type not in ("LPAR", "LSQB")
    ):
        return None
    following = case.problem.tokens[case.problem.index + 1 : case.problem.index + 3]
    if not following:
        return None
    operand = following[1] if str(following[0]) == "mut" and len(following) > 1 else following[0]
    span = Span(case.span.file, case.span.start, case.of(operand).start)
    message = "a variable is passed as it is"
    notes = ("the function that changes it declares its parameter `inout`",)
    fix = Fix("leave it out", span, "")
    return Diagnostic("P0127", message, case.span, f"no `{case.token}` here", notes=notes, fixes=(fix,))


def _power(case: Case) -> Diagnostic | None:
    previous = case.problem.previous
    if case.type != "STAR" or previous is None or previous.type != "STAR" or previous.end_pos != case.token.start_pos:
        return None
    span = case.of(previous).to(case.span)
    notes = ("`x * x`, or `math.pow(x, y)` for floats",)
    return Diagnostic("P0106", "there is no operator `**`", span, "not an operator", notes=notes)


def _import_names(case: Case) -> Diagnostic | None:
    """`import {a} from "x"`, `import a.b`, `import a, b`, `import a from b`."""
    if case.item != "IMPORT" or case.type not in ("LBRACE", "DOT", "COMMA", "STAR", "NAME"):
        return None
    if case.problem.repair.kind == "insert" and case.problem.repair.types == ("SEMICOLON",):
        return None
    notes = ("`import json;` and then `json.decode[T](text)`",)
    return Diagnostic(
        "P0127", "an import names one module", case.span, "there is no import of single names", notes=notes
    )


def from_import(tokens: "list[Token]", source: Source) -> Diagnostic:
    """`from json import decode;`: `tokens` are those before the word `import`."""
    first, last = tokens[0], tokens[-1]
    assert first.start_pos is not None
    assert last.end_pos is not None
    line_end = source.text.find("\n", last.end_pos)
    span = Span(source.file, first.start_pos, len(source.text) if line_end < 0 else line_end)
    module = source.text[tokens[1].start_pos if len(tokens) > 1 else last.end_pos : last.end_pos]
    fixes = (Fix("import the module", span, f"import {module};"),) if module.isidentifier() else ()
    notes = ("there is no import of single names: `import json;` and then `json.decode[T](text)`",)
    at = Span(source.file, first.start_pos, first.start_pos + len(first))
    return Diagnostic("P0127", "an import names one module", at, "belongs to other languages", notes=notes, fixes=fixes)


def _ahead(case: Case, most: int) -> "Iterator[Token]":
    """Up to `most` tokens after the mistake."""
    yield from case.problem.tokens[case.problem.index + 1 : case.problem.index + 1 + most]


HABITS: tuple[Callable[[Case], Diagnostic | None], ...] = (
    _statement_word, _const_inside, _let_mut, _operand_word, _run_outside, _field_default, _conversion, _infix_word,
    _coalescing, _double_colon, _inclusive_range, _typed_lambda, _empty_payload, _named_payload, _ternary, _comprehension,
    _conditional, _slice_colon, _arrow_lambda, _braces_record, _type_form, _untyped, _no_outputs, _reference, _power,
    _import_names,
)  # fmt: skip
