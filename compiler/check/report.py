"""The diagnostics of names, types, modules and compositions, one function a mistake.

The sentences stand together so that they can be read and kept in one voice; whoever finds a mistake only names it.
"""

import re
from collections.abc import Iterable, Sequence

from dandc.compiler.check.foreign import TABLES, WORDS
from dandc.compiler.check.suggest import nearest
from dandc.compiler.types import (
    BOOL,
    BYTES,
    SECRET,
    STR,
    UNIT,
    Anon,
    Array,
    Basic,
    InferVar,
    Named,
    Option,
    Result,
    SetRef,
    Type,
    is_float,
    is_int,
    is_map,
)
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span


def unknown_name(name: str, span: Span, candidates: Iterable[str], what: str = "name") -> Diagnostic:
    """A name that nothing in scope bears."""
    notes, fixes = _proposals(name, span, candidates, what, "")
    return Diagnostic("N0201", f"there is no {what} `{name}` here", span, "not found", notes=notes, fixes=fixes)


def _proposals(
    name: str, span: Span, candidates: Iterable[str], what: str, owner: str
) -> tuple[tuple[str, ...], tuple[Fix, ...]]:
    """What to say about a name that is not known, and what to write for it: habits first, then the nearest name."""
    names = list(candidates)
    foreign = TABLES.get(what, {}).get(name)
    if foreign is None or not foreign.speaks_of(owner):
        return (), did_you_mean(name, span, names)
    known = foreign.instead in names or foreign.instead in WORDS
    if not known and not foreign.note:
        return (), did_you_mean(name, span, names)
    fixes = (Fix(f"here it is `{foreign.instead}`", span, foreign.instead),) if known else ()
    return (() if known else (foreign.note,)), fixes


def did_you_mean(name: str, span: Span, candidates: Iterable[str]) -> tuple[Fix, ...]:
    """The nearest of the names that could have stood at `span`."""
    return _suggestion(nearest(name, candidates), span)


def _suggestion(near: str | None, span: Span) -> tuple[Fix, ...]:
    return (Fix(f"did you mean `{near}`?", span, near),) if near else ()


def unknown_member(
    owner: str, name: str, span: Span, members: Iterable[str], what: str, fitting: Iterable[str] | None = None
) -> Diagnostic:
    """A field, method or variant that a type does not have, or a name that a module does not have.

    `fitting` are those of the members that could be meant, if that is known: only they are proposed.
    """
    names = sorted(members)
    notes, fixes = _proposals(name, span, names if fitting is None else fitting, what, owner)
    listed = ", ".join(f"`{n}`" for n in names[:12]) + (", ..." if len(names) > 12 else "")
    foreign = fixes and not fixes[0].message.startswith("did")
    if names and not notes and not foreign:
        notes = (f"{owner} has {listed}",)
    return Diagnostic("N0202", f"{owner} has no {what} `{name}`", span, f"no such {what}", notes=notes, fixes=fixes)


def changes_set(t: SetRef, name: str, span: Span) -> Diagnostic:
    """A method that would change an input set."""
    message, notes = f"an input set does not change: `{display(t)}` has no method `{name}`", (_COPY_OF_SET,)
    return Diagnostic("N0202", message, span, "no such method", notes=notes)


_COPY_OF_SET = "the values of a set can be changed as an array: `var copy = xs.values();`"


def duplicate(name: str, span: Span, first: Span, what: str = "name", done: str = "declared") -> Diagnostic:
    """Two declarations with one name."""
    return Diagnostic(
        "N0203",
        f"the {what} `{name}` is {done} twice",
        span,
        f"{done} again",
        (Label(first, f"first {done} here"),),
    )


def wrong_kind(name: str, span: Span, got: str, wanted: str) -> Diagnostic:
    """A name that means something else than what can stand here."""
    return Diagnostic(
        "N0204", f"`{name}` is {article(got)}, but {article(wanted)} is needed here", span, f"this is {article(got)}"
    )


def article(noun: str) -> str:
    """A noun with `a` or `an` before it."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def count(n: int, noun: str) -> str:
    """`no sets`, `1 set`, `2 sets`."""
    return f"{n or 'no'} {noun}{'' if n == 1 else 's'}"


def private(name: str, module: str, span: Span) -> Diagnostic:
    """A name that another module keeps to itself."""
    return Diagnostic("N0205", f"`{name}` is private to module `{module}`", span, "not public")


_OWN = re.compile(r"\b(?:main|prelude)\.(?=[A-Za-z_])")
# Inside a type, a literal is shown with the type that it takes if nothing else is said.
_WORDS = {"unit": "()", "integer": "i64", "float": "f64"}


def display(t: Type) -> str:
    """A type as its author writes it: names of the root module and of the prelude stand alone."""
    return re.sub(r"\b(?:unit|integer|float)\b", lambda m: _WORDS[m[0]], _OWN.sub("", str(t)))


def noun(t: Type) -> str:
    """What a value of type `t` is called in a sentence."""
    if isinstance(t, InferVar) and t.kind != "any":
        return "an integer" if t.kind == "int" else "a float"
    return "nothing" if t == UNIT else f"`{display(t)}`"


def mismatch(
    expected: Type, got: Type, span: Span, origin: Label | None = None, fixes: tuple[Fix, ...] = ()
) -> Diagnostic:
    """A value of one type where another is expected."""
    if expected == UNIT:
        return _surplus_result(got, span, origin)
    return Diagnostic(
        "T0301",
        f"expected {noun(expected)}, found {noun(got)}",
        span,
        "this gives nothing" if got == UNIT else f"this is {noun(got)}",
        (origin,) if origin else (),
        notes=_advice(expected, got),
        fixes=fixes,
    )


def _surplus_result(got: Type, span: Span, origin: Label | None) -> Diagnostic:
    """A value where nothing is expected: mostly a helper whose result is not declared."""
    note = f"a helper says its result with an arrow: `-> {display(got) if not isinstance(got, InferVar) else 'i64'}`"
    return Diagnostic(
        "T0301",
        f"expected nothing, found {noun(got)}",
        span,
        f"this is {noun(got)}",
        (origin,) if origin else (),
        notes=(note,) if origin is not None and "result" in origin.text else (),
    )


def set_as_value(expected: Type, got: SetRef, span: Span, origin: Label | None) -> Diagnostic:
    """An input set where a value is needed."""
    fixes: tuple[Fix, ...] = ()
    if isinstance(expected, Array) and (expected.item == got.item or isinstance(expected.item, InferVar)):
        fixes = (Fix("take its values as an array", after(span), ".values()", certain=True),)
    return Diagnostic(
        "T0311",
        "an input set is not a value",
        span,
        f"this is `{display(got)}`",
        (origin,) if origin else (),
        notes=("loop over the set, or take its values as an array by `.values()`",),
        fixes=fixes,
    )


def _advice(expected: Type, got: Type) -> tuple[str, ...]:
    """How to come from one type to the other, where that is usual."""
    if isinstance(expected, Option) and _fits(expected.item, got):
        return ("a value becomes an option by `some(...)`",)
    if isinstance(expected, Result) and _fits(expected.ok, got):
        return ("a value becomes a result by `ok(...)`",)
    if isinstance(got, Option) and _fits(expected, got.item):
        return ("an option may be `none`: take its value out with `match`, `.or(other)` or `?`",)
    if isinstance(got, Result) and _fits(expected, got.ok):
        return ("a result may be an error: take its value out with `match`, `.or(other)` or `?`",)
    if _is_number(expected) and _is_number(got) and isinstance(expected, Basic):
        return (f"numbers are converted explicitly: `{expected}(...)`",)
    return _advice_for_basic(expected, got)


def _advice_for_basic(expected: Type, got: Type) -> tuple[str, ...]:
    if got == SECRET:
        return (ONLY_DRIVERS,)
    if expected == STR and (_is_number(got) or got == BOOL):
        return ('an f-string is the text of a value: `f"{x}"`',)
    if expected == STR and got == BYTES:
        return ("bytes become text, if they are UTF-8, by `.to_str()?`",)
    if expected == BYTES and got == STR:
        return ("text becomes bytes by `.to_bytes()`",)
    if expected == BOOL and _is_number(got):
        return ("a number is no condition: compare it, as in `x != 0`",)
    if expected == BOOL and isinstance(got, Option):
        return ("whether there is a value says `.is_some()`",)
    if expected == BOOL and (got == STR or isinstance(got, Array)):
        return ("whether there is anything in it says `.is_empty()`",)
    if is_map(expected) and isinstance(got, Anon):
        return ('a map is made of pairs: `[("a", 1), ("b", 2)].to_map()`; `map()` is an empty one',)
    if isinstance(expected, Named) and isinstance(got, Anon):
        return (f"a record is built with its name: `{display(expected)}(...)`",)
    return ()


ONLY_DRIVERS = "only drivers see what a secret is: pass it on as it is, say as `bearer: token`"


def _is_number(t: Type) -> bool:
    return is_int(t) or is_float(t) or (isinstance(t, InferVar) and t.kind != "any")


def _fits(wanted: Type, got: Type) -> bool:
    if isinstance(got, InferVar):
        return (got.kind == "int" and is_int(wanted)) or (got.kind == "float" and is_float(wanted))
    return wanted == got


def argument_count(name: str, wanted: str, got: int, span: Span, origin: Label | None) -> Diagnostic:
    """Too many or too few arguments."""
    return Diagnostic(
        "T0302", f"`{name}` takes {wanted}, but {given(got)}", span, f"{got} given", (origin,) if origin else ()
    )


def listed(names: Sequence[str], most: int = 4) -> str:
    """`a`, `a` and `b`, ..., or the first few and how many more."""
    shown = [f"`{name}`" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def given(n: int) -> str:
    """`1 is given`, `2 are given`."""
    return f"{n} {'is' if n == 1 else 'are'} given"


def missing_arguments(name: str, missing: Sequence[tuple[str, str, Span]], span: Span) -> Diagnostic:
    """Parameters or fields without a value: their names, types and declarations."""
    listed = ", ".join(f"`{param}`" for param, _, _ in missing)
    types = ", ".join(f"`{param}: {t}`" for param, t, _ in missing)
    verb = "is" if len(missing) == 1 else "are"
    origins = tuple(Label(declared, "declared here") for _, _, declared in missing[:3])
    return Diagnostic("T0303", f"`{name}` needs a value for {listed}", span, f"{types} {verb} missing", origins)


def unknown_argument(name: str, written: str, candidates: Iterable[str], span: Span) -> Diagnostic:
    """A named argument that no parameter bears."""
    names = list(candidates)
    fixes = did_you_mean(written, span, names)
    notes = (f"`{name}` takes {listed(names, 8)}",) if names else ()
    message = f"`{name}` has no parameter `{written}`"
    return Diagnostic("T0304", message, span, "no such parameter", notes=notes, fixes=fixes)


def simple(
    code: str,
    message: str,
    span: Span,
    label: str,
    *secondary: Label,
    notes: tuple[str, ...] = (),
    fixes: tuple[Fix, ...] = (),
) -> Diagnostic:
    """A mistake whose sentence is made where it is found."""
    return Diagnostic(code, message, span, label, secondary, notes=notes, fixes=fixes)


def fixed(code: str, message: str, span: Span, label: str, fix: Fix, *secondary: Label) -> Diagnostic:
    """The same with a repair."""
    return Diagnostic(code, message, span, label, secondary, fixes=(fix,))


def before(span: Span) -> Span:
    """The empty place before `span`, for insertions."""
    return Span(span.file, span.start, span.start)


def after(span: Span) -> Span:
    """The empty place after `span`."""
    return Span(span.file, span.end, span.end)
