"""A mistake as a value: what is wrong, where, why it was expected otherwise, and how to mend it.

Every pass collects `Diagnostic` values and nobody prints them but `lang/render.py`. Codes and titles stand
in one table, `lang/codes.py`; a diagnostic names its code and says what is special about this case.
"""

from collections.abc import Mapping

from attrs import field

from dandc.lang.codes import CODES
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen


@frozen
class Label:
    """A secondary place with one sentence: usually where the expectation came from."""

    span: Span
    text: str


@frozen
class Fix:
    """A concrete repair: replace `span` by `text`. Shown as code; `certain` ones a tool may apply."""

    message: str
    span: Span
    text: str
    certain: bool = False


@frozen
class Diagnostic:
    """One mistake.

    `message` is a full matter-of-fact sentence without a final stop; `label` stands at the primary span and
    makes sense alone; `notes` are further sentences (types on own indented lines).
    """

    code: str
    message: str
    span: Span | None
    label: str = ""
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    severity: str = field(default="error")

    @property
    def title(self) -> str:
        """The title of the code, as in the diagnostics index."""
        return CODES[self.code].title


class DiagnosticError(Exception):
    """Carries diagnostics to the caller of a whole stage; only package fronts raise it.

    `sources` are the texts that they point into, as far as whoever raises it has them: its own text then says the lines.
    """

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*(f"{d.code}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics
        self.sources: Mapping[str, Source] = {}

    def __str__(self) -> str:
        from dandc.lang.render import render_plain

        return render_plain(self.diagnostics, self.sources)


class Sink:
    """Collects diagnostics of one run, in the order in which they were found."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep `diagnostic`."""
        self.diagnostics.append(diagnostic)

    @property
    def failed(self) -> bool:
        """Whether any of them is an error."""
        return any(d.severity == "error" for d in self.diagnostics)
