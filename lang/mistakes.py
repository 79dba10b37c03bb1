"""What to say about a syntax mistake: the likely ones by hand, the others from what was expected.

`explain` asks one small function after another; the first that recognises the situation speaks. Each gets the
`Problem` (what stands there, what may, which repair fits) and the text's file name.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dandc.lang.cut import ITEM_WORDS
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.expected import joined, phrases
from dandc.lang.habits import HABITS
from dandc.lang.habits_block import HABITS_OF_BLOCKS, ends_statement
from dandc.lang.habits_flow import HABITS_OF_FLOWS
from dandc.lang.lexing import MAX_NUMBER, RESERVED
from dandc.lang.mistake_case import Case, found
from dandc.lang.recovery import STATEMENT_WORDS, TEXTS, Problem, lacks_condition, meant_as_variable
from dandc.lang.softwords import POLICIES, SOFT_TYPES
from dandc.lang.spans import Source, Span

if TYPE_CHECKING:
    from lark import Token

_CLOSING = {"LPAR": ")", "LSQB": "]", "LBRACE": "}", "FSTR_OPEN": "}"}


def explain(problem: Problem, source: Source) -> Diagnostic:
    """The diagnostic for one syntax mistake."""
    case = Case(problem, source)
    for rule in (*HABITS_OF_FLOWS, *HABITS_OF_BLOCKS, *HABITS, *_RULES):
        diagnostic = rule(case)
        if diagnostic is not None:
            return diagnostic
    return _unexpected(case)


def _unexpected(case: Case) -> Diagnostic:
    possible = phrases(case.problem.expected)
    wanted = f"expected {joined(possible)}" if possible else "nothing can stand here"
    return Diagnostic("P0101", f"{wanted}, found {case.found}", case.span, wanted)


def _missing_condition(case: Case) -> Diagnostic | None:
    if not lacks_condition(case.problem.tokens, case.problem.statement):
        return None
    word = case.problem.tokens[case.problem.statement]
    what = "a value" if word.type == "MATCH" else "a condition"
    return Diagnostic("P0101", f"expected {what} after `{word}`", case.of(word), f"{what} is missing behind this word")


def _increment(case: Case) -> Diagnostic | None:
    """`i++` and `i--`: noticed at the first sign of a statement, or at the second one of an expression."""
    if case.type == "PLUSPLUS":
        return _plus_plus(case)
    if case.type == "SEMICOLON":
        return _decrement_as_value(case)
    if case.type != "MINUS":
        return None
    at_first = case.problem.type_at(1) == case.type
    other = case.problem.tokens[case.problem.index + 1] if at_first else case.problem.previous
    if other is None or other.type != case.type:
        return None
    first, second = (case.token, other) if at_first else (other, case.token)
    if first.end_pos != second.start_pos:
        return None
    span = case.of(first).to(case.of(second))
    if not _begins_place(case):
        return _no_value(case, span, str(case.token))
    fix = Fix(f"write `{case.token}= 1`", span, f" {case.token}= 1", certain=at_first)
    if case.problem.index == case.problem.statement:
        fix = _prefix_increment(case, span)
    return Diagnostic("P0106", f"there is no operator `{case.token * 2}`", span, "not an operator", fixes=(fix,))


def _decrement_as_value(case: Case) -> Diagnostic | None:
    """`return y--;`, read as two signs without an operand."""
    last, first = (case.problem.tokens[case.problem.index - back] for back in (1, 2))
    if (first.type, last.type) != ("MINUS", "MINUS") or first.end_pos != last.start_pos:
        return None
    return _no_value(case, case.of(first).to(case.of(last)), "-")


def _plus_plus(case: Case) -> Diagnostic | None:
    if case.item == "COMPOSITION":
        return None
    if case.problem.index == case.problem.statement:
        fix, label = _prefix_increment(case, case.span), "not an operator"
    elif case.problem.type_at(1) in ("SEMICOLON", "RBRACE", "RPAR", "$END") and not _begins_place(case):
        return _no_value(case, case.span, "+")
    elif case.problem.type_at(1) in ("SEMICOLON", "RBRACE", "RPAR", "$END"):
        fix, label = Fix("write `+= 1`", case.span, " += 1", certain=True), "not an operator"
    else:
        fix, label = Fix("write `+`", case.span, "+"), "joins sets, in compositions only"
    return Diagnostic("P0106", "there is no operator `++`", case.span, label, fixes=(fix,))


def _begins_place(case: Case) -> bool:
    """Whether what stands before the operator is all of its statement, so that it may be assigned."""
    return case.problem.index == case.problem.statement or (
        case.first in ("NAME", "QUOTED") and ("EQUAL" in case.problem.expected or case.type == "MINUS")
    )


def _no_value(case: Case, span: Span, sign: str) -> Diagnostic:
    """`let z = y++;`: what changes a variable is a statement and gives nothing."""
    before = [t for t in case.problem.tokens[case.problem.start : case.problem.index] if case.of(t).end <= span.start]
    name = str(before[-1]) if before and before[-1].type == "NAME" else "x"
    note = f"`{name} {sign}= 1;` is a statement of its own, before or behind this one"
    return Diagnostic("P0106", f"there is no operator `{sign * 2}`", span, "gives no value", notes=(note,))


def _prefix_increment(case: Case, span: Span) -> Fix:
    """`++i;`: the operator goes behind the place, which ends with the statement."""
    tokens = [t for t in case.problem.tokens[case.problem.index :] if case.of(t).start >= span.end]
    ends = (case.of(t).start for t in tokens if t.type in ("SEMICOLON", "RBRACE"))
    place = Span(span.file, span.start, next(ends, case.of(tokens[-1]).end if tokens else span.end))
    text = case.source.text[span.end : place.end].strip()
    sign = str(case.token)[0]
    return Fix(f"write `{sign}= 1`", place, f"{text} {sign}= 1")


def _walrus(case: Case) -> Diagnostic | None:
    previous = case.problem.previous
    if case.type != "EQUAL" or previous is None or previous.type != "COLON" or previous.end_pos != case.token.start_pos:
        return None
    span = case.of(previous).to(case.span)
    fix = Fix("write `=`", span, "=", certain=True)
    return Diagnostic("P0106", "there is no operator `:=`", span, "not an operator", fixes=(fix,))


def _triple_equals(case: Case) -> Diagnostic | None:
    previous = case.problem.previous
    if case.type != "EQUAL" or previous is None or previous.type not in ("EQ", "NE"):
        return None
    span = case.of(previous).to(case.span)
    fix = Fix(f"write `{previous}`", span, str(previous))
    return Diagnostic("P0106", f"there is no operator `{previous}=`", span, "not an operator", fixes=(fix,))


def _for_of(case: Case) -> Diagnostic | None:
    """`for x of xs`."""
    if case.first != "FOR" or str(case.token) != "of" or "IN" not in case.problem.expected:
        return None
    fix = Fix("write `in`", case.span, "in", certain=True)
    return Diagnostic("P0127", "a `for` names its values `in` a sequence", case.span, "not `of`", fixes=(fix,))


def _c_style_for(case: Case) -> Diagnostic | None:
    tokens, start = case.problem.tokens, case.problem.statement
    if case.first != "FOR" or start + 1 >= len(tokens) or tokens[start + 1].type != "LPAR":
        return None
    if case.type not in ("EQUAL", "SEMICOLON", "LET", "VAR", "COLON") and not _is_word(case):
        return None
    return Diagnostic(
        "P0110",
        "a `for` goes over a range or a sequence",
        case.of(tokens[start]),
        "write `for i in 0..n { ... }`",
        notes=("for any other condition there is `while condition { ... }`",),
    )


def _is_word(case: Case) -> bool:
    return case.token.isidentifier() and case.type != "$END"


def _else_without_if(case: Case) -> Diagnostic | None:
    if case.type != "ELSE" or not case.starts_statement:
        return None
    return Diagnostic("P0112", "this `else` has no `if` before it", case.span, "no `if` that it could belong to")


def _nested_item(case: Case) -> Diagnostic | None:
    if case.type not in ITEM_WORDS or not case.starts_statement:
        return None
    return Diagnostic(
        "P0108", f"{case.found} stands at the top level of a module, not inside another item", case.span,
        "move it out of the braces",
    )  # fmt: skip


def _kernel_statement_in_composition(case: Case) -> Diagnostic | None:
    if case.item != "COMPOSITION":
        return None
    word = case.token
    if not case.starts_statement and case.first in ("IF", "MATCH"):
        word = case.problem.tokens[case.problem.statement]
    elif not case.starts_statement or case.type not in STATEMENT_WORDS:
        return None
    notes = ("a composition only says what feeds what: put computing into a `function` and call it",)
    return Diagnostic(
        "P0114", f"{found(word)} is a statement of functions", case.of(word), "not in a composition", (), notes
    )


def _missing_semicolon(case: Case) -> Diagnostic | None:
    if not case.inserts("SEMICOLON"):
        return None
    between = case.source.text[case.gap.end : case.span.start]
    rest = case.line_behind(case.gap.end).strip()
    notes: tuple[str, ...] = ()
    fix = Fix("add `;`", case.gap, ";", certain=ends_statement(case))
    if _looks_divided(rest):
        slashes = case.gap.end + case.source.text[case.gap.end :].index("//")
        fix = Fix("write `/`", Span(case.span.file, slashes, slashes + 2), "/")
        notes = ("`//` begins a comment; `/` on integers rounds down",)
    message = "expected `;` at the end of this line" if "\n" in between else f"expected `;` before {case.found}"
    return Diagnostic("P0102", message, case.gap, "`;` is missing here", notes=notes, fixes=(fix,))


def _looks_divided(rest: str) -> bool:
    """Whether a comment is rather the divisor of another language: `// 2;`."""
    return rest.startswith("//") and rest.endswith(";") and len(rest.split()) == 2


def _unclosed(case: Case) -> Diagnostic | None:
    closing = case.inserts("RPAR", "RSQB") or case.problem.repair.kind == "close"
    if not case.problem.opened or not (closing or case.type == "$END"):
        return None
    opening = case.problem.opened[-1]
    closer = _CLOSING[opening.type]
    where = Label(case.gap, f"expected `{closer}` here at the latest")
    message = f"this `{opening}` is not closed"
    fixes = (Fix(f"add `{closer}`", case.gap, closer),) if case.inserts("RPAR", "RSQB") else ()
    return Diagnostic("P0103", message, case.of(opening), f"no `{closer}` for it", (where,), fixes=fixes)


def _wrong_closer(case: Case) -> Diagnostic | None:
    if case.type not in ("RPAR", "RSQB", "RBRACE"):
        return None
    opened = case.problem.opened
    if opened and _CLOSING[opened[-1].type] != str(case.token):
        where = Label(case.of(opened[-1]), f"`{_CLOSING[opened[-1].type]}` is expected, because of this")
        return Diagnostic("P0104", f"`{case.token}` does not close `{opened[-1]}`", case.span, "", (where,))
    if opened and case.problem.repair.kind != "delete":
        return None
    fix = Fix("remove it", case.span, "")
    return Diagnostic("P0104", f"there is no bracket that `{case.token}` closes", case.span, "nothing to close",
                      fixes=(fix,))  # fmt: skip


def _reserved_word(case: Case) -> Diagnostic | None:
    wants_name = "NAME" in case.problem.expected and not case.starts_statement
    if str(case.token) not in RESERVED or case.type == "$END" or not wants_name:
        return None
    if case.problem.repair.kind != "name" and _belongs_elsewhere(case):
        return None
    return _quoted(case, certain=case.problem.repair.kind == "name")


def _reserved_variable(case: Case) -> Diagnostic | None:
    """`by[k] = 3;`, `all += 1;`: a word that begins no statement is used as a variable."""
    problem = case.problem
    if problem.repair.kind != "name" or str(case.token) not in RESERVED:
        return None
    if not meant_as_variable(problem.tokens, problem.index, problem.expected.__contains__):
        return None
    return _quoted(case, certain=True)


def _quoted(case: Case, *, certain: bool) -> Diagnostic:
    fix = Fix("write it in back quotes", case.span, f"`{case.token}`", certain)
    return Diagnostic("P0105", f"`{case.token}` is a reserved word", case.span, "not a name", fixes=(fix,))


def _belongs_elsewhere(case: Case) -> bool:
    previous = case.problem.previous
    text = case.source.text[case.of(previous).end : case.span.start] if previous is not None else ""
    return "\n" in text or case.type in ("ELSE", "IN", "AND", "OR")


_ARROWS = ("FAT_ARROW", "ARROW", "LEFT_ARROW")


def _equality(case: Case) -> Diagnostic | None:
    if case.replaces("EQ") and _names_argument(case):
        end = case.span.end + len(case.source.text[case.span.end :]) - len(case.source.text[case.span.end :].lstrip())
        fix = Fix("write `:`", Span(case.span.file, case.gap.end, end), ": ")
        return Diagnostic("P0107", "a named argument is written with `:`", case.span, "`:` is expected", fixes=(fix,))
    if case.replaces("EQ"):
        fix = Fix("write `==`", case.span, "==", certain=True)
        return Diagnostic("P0107", "`=` gives a value; `==` compares", case.span, "a comparison is written `==`",
                          fixes=(fix,))  # fmt: skip
    if case.replaces("EQUAL") and case.type == "EQ":
        fix = Fix("write `=`", case.span, "=", certain=True)
        return Diagnostic("P0107", "`==` compares; `=` gives a value", case.span, "`=` is expected", fixes=(fix,))
    return None


def _names_argument(case: Case) -> bool:
    """Whether `=` stands behind the first word of an argument: `f(1, b = 2)`."""
    tokens, index = case.problem.tokens, case.problem.index
    if case.opened_type != "LPAR" or case.problem.type_at(-1) != "NAME":
        return False
    called = tokens[tokens.index(case.problem.opened[-1], case.problem.start) - 1].type
    return called in ("NAME", "QUOTED", "RSQB", "FNAME") and tokens[index - 2].type in ("LPAR", "COMMA")


def _emit_arrow(case: Case) -> Diagnostic | None:
    if case.first != "EMIT" or not (case.replaces("LEFT_ARROW") or case.inserts("LEFT_ARROW")):
        return None
    span = case.gap if case.inserts("LEFT_ARROW") else case.span
    fix = Fix("write `<-`", span, " <-" if case.inserts("LEFT_ARROW") else "<-", certain=True)
    return Diagnostic("P0120", "an `emit` gives its value after `<-`", span, "`<-` is expected", fixes=(fix,))


def _arrow(case: Case) -> Diagnostic | None:
    if case.inserts("FAT_ARROW"):
        fix = Fix("add `=>`", case.gap, " =>", certain=True)
        return Diagnostic("P0109", f"expected `=>` before {case.found}", case.gap, "`=>` is missing here", fixes=(fix,))
    if case.replaces("LT", "MINUS"):
        fix = Fix("put a space between", case.span, "< -", certain=True)
        return Diagnostic("P0109", "`<-` is one arrow, not `<` and `-`", case.span, "belongs to `emit`", fixes=(fix,))
    if case.problem.repair.kind != "replace" or not {case.type, case.problem.repair.types[0]} & set(_ARROWS):
        return None
    right = TEXTS[case.problem.repair.types[0]]
    certain = right != "=" or case.first != "NAME" or case.item == "COMPOSITION"  # else it may have been a `let`
    fix = Fix(f"write `{right}`", case.span, right, certain)
    return Diagnostic("P0109", f"expected `{right}`, found `{case.token}`", case.span, f"`{right}` is expected",
                      fixes=(fix,))  # fmt: skip


def _separator(case: Case) -> Diagnostic | None:
    if case.inserts("COMMA", "COLON", "EQUAL"):
        text = TEXTS[case.problem.repair.types[0]]
        fix = Fix(f"add `{text}`", case.gap, f" {text}" if text == "=" else text, certain=text == ",")
        return Diagnostic("P0113", f"expected `{text}` before {case.found}", case.gap, f"`{text}` is missing here",
                          fixes=(fix,))  # fmt: skip
    if case.problem.repair.kind == "replace":
        text = TEXTS[case.problem.repair.types[0]]
        fix = Fix(f"write `{text}`", case.span, text, certain=True)
        return Diagnostic("P0113", f"expected `{text}`, found `{case.token}`", case.span, f"`{text}` is expected",
                          fixes=(fix,))  # fmt: skip
    if case.problem.repair.kind == "delete":
        fix = Fix("remove it", case.span, "", certain=True)
        return Diagnostic("P0113", f"there is a `{case.token}` too many", case.span, "not expected", fixes=(fix,))
    return None


def _if_needs_else(case: Case) -> Diagnostic | None:
    if case.problem.expected != {"ELSE"}:
        return None
    return Diagnostic("P0122", "an `if` that gives a value needs an `else`", case.gap, "`else { ... }` is missing here")


def _policy(case: Case) -> Diagnostic | None:
    """A word behind a call that is no policy, or one that stands where none can."""
    if "TIMEOUT" not in case.problem.expected:
        return None
    word = str(case.token)
    if case.type in ("BY", "CROSS"):
        label = "put it before the policies" if case.first != "LOOP" else "a loop joins nothing"
        return Diagnostic("P0119", "a join stands right behind the arguments of its call", case.span, label)
    if not word.isidentifier() or case.type not in SOFT_TYPES | {"NAME"} or case.problem.repair.kind == "insert":
        return None
    near = get_close_matches(word.lower(), sorted(p.lower() for p in POLICIES), 1, 0.6)
    fixes = tuple(Fix(f"did you mean `{p}`?", case.span, p) for p in near)
    policies = "`retry`, `timeout`, `on failure`, `limit`, `concurrency`, `cache`, `once`, `after`, `within`"
    return Diagnostic("P0128", f"there is no policy `{word}`", case.span, "not a policy", (), (f"policies are {policies}",),
                      fixes=fixes)  # fmt: skip


def _amount(case: Case) -> Diagnostic | None:
    what = {frozenset(("DURATION",)): "duration", frozenset(("SIZE",)): "size"}.get(case.problem.expected)
    if what is None:
        return None
    unit = "s" if what == "duration" else "MiB"
    fix = (Fix("add a unit", case.gap if case.type == "$END" else Span(case.span.file, case.span.end, case.span.end),
               unit),) if case.type == "INT" else ()  # fmt: skip
    units = "`500ms`, `2s`, `1m`, `1h`, `30d`" if what == "duration" else "`512B`, `64KiB`, `256MiB`, `1GB`"
    return Diagnostic("P0116", f"expected a {what}, found {case.found}", case.span,
                      f"a {what} has a unit: {units}", fixes=fix)  # fmt: skip


def _loop_bound(case: Case) -> Diagnostic | None:
    if case.first != "LOOP" or case.problem.expected != {"UP"}:
        return None
    fix = Fix("say how many turns it has at most", case.gap, " up to 1_000")
    return Diagnostic("P0130", "a loop says how many turns it has at most", case.gap, "`up to N` is missing here",
                      fixes=(fix,))  # fmt: skip


def _step_outside(case: Case) -> Diagnostic | None:
    """`loop`, `yield`, `next` and `reduce` in a function."""
    if case.item not in ("FN", "FUNCTION", "TEST") or case.type not in ("LOOP", "YIELD", "NEXT", "REDUCE"):
        return None
    instead = {"LOOP": "`while` and `for` repeat statements", "YIELD": "a function gives items by `emit`",
               "NEXT": "a variable takes a value by `=`", "REDUCE": "arrays are folded by `xs.fold(...)`"}  # fmt: skip
    return Diagnostic("P0118", f"`{case.token}` stands only in compositions", case.span, instead[case.type])


def _tuple_field(case: Case) -> Diagnostic | None:
    previous = case.problem.previous
    if case.type != "INT" or previous is None or previous.type != "DOT":
        return None
    return Diagnostic("P0101", "the parts of a tuple have no names", case.span,
                      "take it apart: `let (a, b) = pair;`")  # fmt: skip


_RULES: tuple[Callable[[Case], Diagnostic | None], ...] = (
    _reserved_variable, _step_outside, _loop_bound, _missing_condition, _increment, _walrus, _triple_equals, _for_of,
    _c_style_for, _else_without_if, _nested_item, _kernel_statement_in_composition, _missing_semicolon, _reserved_word,
    _if_needs_else, _policy, _amount, _tuple_field, _equality, _emit_arrow, _arrow, _unclosed, _separator, _wrong_closer,
)  # fmt: skip


_STATEMENTS_OUTSIDE = frozenset(("LET", "VAR"))


def outside(token: "Token", source: Source) -> Diagnostic:
    """The diagnostic for text that belongs to no item and begins with `token`."""
    assert token.start_pos is not None and token.end_pos is not None
    span = Span(source.file, token.start_pos, token.end_pos)
    if token.type in _STATEMENTS_OUTSIDE:
        return _variable_outside(token, span, source)
    if token.type in STATEMENT_WORDS or token.type == "ELSE":
        return Diagnostic("P0111", f"`{token}` stands outside a function", span, "a statement belongs into a function")
    if token.type in ("RBRACE", "RPAR", "RSQB"):
        remove = Fix("remove it", span, "")
        return Diagnostic(
            "P0104", f"there is no bracket that `{token}` closes", span, "nothing to close", fixes=(remove,)
        )
    if token.type == "SEMICOLON":
        remove = Fix("remove it", span, "", certain=True)
        return Diagnostic("P0113", "there is a `;` too many", span, "the item before it is complete", fixes=(remove,))
    word = _misspelt(token)
    fixes = (Fix(f"write `{word}`", span, word),) if word else ()
    label = "expected an item such as `function` or `composition`"
    return Diagnostic("P0123", f"{found(token)} stands outside an item", span, label, fixes=fixes)


_VARIABLE = re.compile(r"(?:let|var)\s+(?:mut\s+)?(\w+)\s*(:?)\s*(?:=\s*([^;\n]*))?")
_LITERALS = (
    (r"-?[0-9][0-9_]*", "i64"),
    (r"-?[0-9][0-9_]*\.[0-9]+", "f64"),
    (r'"[^"\\]*"', "str"),
    (r"true|false", "bool"),
)


def _variable_outside(token: "Token", span: Span, source: Source) -> Diagnostic:
    """`let t = 3;` at the top level: a constant, whose type is said."""
    message, label = f"`{token}` stands outside a function", "only `const` stands at the top level"
    found = _VARIABLE.match(source.text, span.start)
    value = (found[3] or "").strip() if found else ""
    type_ = _type_of_literal(value)
    if found is None or not (found[2] or type_):
        return Diagnostic("P0111", message, span, label, notes=("`const NAME: TYPE = value;`",))
    place = Span(source.file, span.start, found.end(1))
    text = f"const {found[1]}" + ("" if found[2] else f": {type_}")
    fix = Fix("make it a constant", place, text, certain=bool(type_) and not found[2])
    return Diagnostic("P0111", message, span, label, fixes=(fix,))


def _type_of_literal(value: str) -> str:
    """The type that a constant gets whose value is written so, `` if that is not known."""
    type_ = next((t for pattern, t in _LITERALS if re.fullmatch(pattern, value)), "")
    if type_ == "i64" and (len(value) > MAX_NUMBER or not -(2**63) <= int(value.replace("_", "")) < 2**63):
        return ""
    return type_


_FOREIGN = {"def": "fn", "func": "fn", "fun": "fn", "struct": "record", "class": "record", "type": "record",
            "workflow": "composition", "use": "import", "include": "import", "from": "import", "public": "pub",
            "static": "const"}  # fmt: skip


def _misspelt(token: "Token") -> str:
    """The word that opens an item and was probably meant."""
    word = str(token)
    if word in _FOREIGN:
        return _FOREIGN[word]
    words = [w.lower() for w in sorted(ITEM_WORDS)]
    return next(iter(get_close_matches(word, words, 1, 0.75)), "") if word.isidentifier() else ""
