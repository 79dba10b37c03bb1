"""Where subcommands show diagnostics: standard error, in colour on a terminal, or JSON lines."""

import os
import sys
from collections.abc import Callable, Iterable

from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source


class UseError(DiagnosticError):
    """The command line itself is wrong: exit status 2 instead of 1."""


def say(content: str | bytes) -> None:
    """Write to standard output, text as UTF-8 whatever the locale. Raises `DiagnosticError` (U0906), or BrokenPipeError."""
    data = content.encode() if isinstance(content, str) else content
    _to_stdout(lambda: sys.stdout.buffer.write(data))


def finish() -> None:
    """Hand everything that was said to the kernel. Raises like `say`."""
    _to_stdout(sys.stdout.buffer.flush)


def _to_stdout(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        # What is still buffered cannot be written: it must not be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        reason = (error.strerror or str(error)).lower()
        raise DiagnosticError(Diagnostic("U0906", f"cannot write to standard output: {reason}", None)) from None


def tell(text: str) -> None:
    """Write to standard error. Where nobody can be told any more, the exit status has to say it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stderr.fileno())


class Reporter:
    """Shows diagnostics in the format that was asked for; knows the sources that they point into."""

    def __init__(self, form: str) -> None:
        self.form = form
        self.sources: dict[str, Source] = {}

    def add_sources(self, sources: dict[str, Source]) -> None:
        """Know more texts."""
        self.sources.update(sources)

    def show(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Write them to standard error."""
        found = tuple(diagnostics)
        if not found:
            return
        from dandc.lang.render import render_json, render_terminal

        self._load(found)
        if self.form == "json":
            text = render_json(found, self.sources)
        else:
            import shutil

            width = min(shutil.get_terminal_size((100, 24)).columns, 120)
            text = render_terminal(found, self.sources, width=width, colour=wants_colour())
        tell(text if text.endswith("\n") else text + "\n")

    def _load(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Read sources that a program out of the cache came without."""
        from dandc.loader import source_text

        for diagnostic in diagnostics:
            spans = [diagnostic.span, *(label.span for label in diagnostic.secondary)]
            for span in spans:
                if span is not None and span.file and span.file not in self.sources:
                    source = source_text(span.file)
                    if source is not None:
                        self.sources[span.file] = source


def wants_colour() -> bool:
    """Colour on a terminal, unless `NO_COLOR` says otherwise."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
