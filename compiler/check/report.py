"""The diagnostics of names, types, modules and compositions, one function a mistake.

The sentences stand together so that they can be read and kept in one voice; whoever finds a mistake only names it.
"""

import re
from collections.abc import Iterable

from dandc.compiler.check.suggest import nearest
from dandc.compiler.types import Type
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span


def unknown_name(name: str, span: Span, candidates: Iterable[str], what: str = "name") -> Diagnostic:
    """A name that nothing in scope bears."""
    near = nearest(name, candidates)
    fixes = (Fix(f"did you mean `{near}`?", span, near),) if near else ()
    return Diagnostic("N0201", f"there is no {what} `{name}` here", span, "not found", fixes=fixes)


def unknown_member(owner: str, name: str, span: Span, candidates: Iterable[str], what: str) -> Diagnostic:
    """A field, method or variant that a type does not have, or a name that a module does not have."""
    names = sorted(candidates)
    near = nearest(name, names)
    fixes = (Fix(f"did you mean `{near}`?", span, near),) if near else ()
    listed = ", ".join(f"`{n}`" for n in names[:12]) + (", ..." if len(names) > 12 else "")
    notes = (f"{owner} has {listed}",) if names else ()
    return Diagnostic("N0202", f"{owner} has no {what} `{name}`", span, f"no such {what}", notes=notes, fixes=fixes)


def duplicate(name: str, span: Span, first: Span, what: str = "name") -> Diagnostic:
    """Two declarations with one name."""
    return Diagnostic(
        "N0203",
        f"the {what} `{name}` is declared twice",
        span,
        "declared again",
        (Label(first, "first declared here"),),
    )


def wrong_kind(name: str, span: Span, got: str, wanted: str) -> Diagnostic:
    """A name that means something else than what can stand here."""
    return Diagnostic("N0204", f"`{name}` is a {got}, but a {wanted} is needed here", span, f"this is a {got}")


def private(name: str, module: str, span: Span) -> Diagnostic:
    """A name that another module keeps to itself."""
    return Diagnostic("N0205", f"`{name}` is private to module `{module}`", span, "not public")


_OWN = re.compile(r"\b(?:main|prelude)\.(?=[A-Za-z_])")


def display(t: Type) -> str:
    """A type as its author writes it: names of the root module and of the prelude stand alone."""
    return _OWN.sub("", str(t))


def mismatch(
    expected: Type | str, got: Type | str, span: Span, origin: Label | None = None, fixes: tuple[Fix, ...] = ()
) -> Diagnostic:
    """A value of one type where another is expected."""
    expected = expected if isinstance(expected, str) else display(expected)
    got = got if isinstance(got, str) else display(got)
    return Diagnostic(
        "T0301",
        f"expected `{expected}`, found `{got}`",
        span,
        f"this is `{got}`",
        (origin,) if origin else (),
        fixes=fixes,
    )


def argument_count(name: str, wanted: str, got: int, span: Span, origin: Label | None) -> Diagnostic:
    """Too many or too few arguments."""
    verb = "is" if got == 1 else "are"
    return Diagnostic(
        "T0302", f"`{name}` takes {wanted}, but {got} {verb} given", span, f"{got} given", (origin,) if origin else ()
    )


def missing_argument(name: str, param: str, t: Type | str, span: Span, origin: Label | None) -> Diagnostic:
    """A parameter or field without a value."""
    return Diagnostic(
        "T0303",
        f"`{name}` needs a value for `{param}`",
        span,
        f"`{param}: {t if isinstance(t, str) else display(t)}` is missing",
        (origin,) if origin else (),
    )


def unknown_argument(name: str, written: str, candidates: Iterable[str], span: Span) -> Diagnostic:
    """A named argument that no parameter bears."""
    near = nearest(written, candidates)
    fixes = (Fix(f"did you mean `{near}`?", span, near),) if near else ()
    return Diagnostic("T0304", f"`{name}` has no parameter `{written}`", span, "no such parameter", fixes=fixes)


def simple(code: str, message: str, span: Span, label: str, *secondary: Label, **more: tuple[str, ...]) -> Diagnostic:
    """A mistake whose sentence is made where it is found."""
    return Diagnostic(code, message, span, label, secondary, notes=more.get("notes", ()))


def fixed(code: str, message: str, span: Span, label: str, fix: Fix, *secondary: Label) -> Diagnostic:
    """The same with a repair."""
    return Diagnostic(code, message, span, label, secondary, fixes=(fix,))
