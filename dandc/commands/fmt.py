"""`dandc fmt FILE...`: programs in the one style of the language. A file is replaced as a whole, or stays as it was."""

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from dandc.commands.output import Reporter, say
from dandc.files import read_source, sources_in, write_atomically
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source
from dandc.lang.values import frozen

HELP = "Write programs in the style of the language. There are no options of style."
_STDIN = "<stdin>"
_MOST = (4 << 20) + 1  # one byte more than a source may have, so that the parser sees that it is too large


@frozen
class _Formatted:
    """One text before and after; `path` is None for standard input."""

    path: Path | None
    source: Source
    text: str
    changed: bool


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    what = "a .dnd file, a folder with such files, or - for standard input"
    parser.add_argument("files", nargs="+", metavar="FILE", help=what)
    parser.add_argument("--check", action="store_true", help="write nothing; list what would change and exit with 1")
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if all files are formatted; 1 if one cannot be read or formatted, or if `--check` found one to change."""
    failed = False
    for path in _files(options.files):
        try:
            failed = _deliver(_formatted(path, reporter), options) or failed
        except DiagnosticError as error:
            reporter.show(error.diagnostics)
            failed = True
    return 1 if failed else 0


def _files(names: list[str]) -> Iterator[Path | None]:
    """The files that the arguments name, folders walked in order; None is standard input."""
    for name in names:
        if name == "-":
            yield None
        else:
            yield from sources_in([name])


def _formatted(path: Path | None, reporter: Reporter) -> _Formatted:
    """The text of a file in canonical form; raises `DiagnosticError`."""
    from dandc.lang.format import format_source

    source, data = _standard_input() if path is None else read_source(path, str(path))
    reporter.add_sources({source.file: source})
    result = format_source(source)
    if not isinstance(result, str):
        raise DiagnosticError(*result)
    return _Formatted(path, source, result, result.encode() != data)


def _standard_input() -> tuple[Source, bytes]:
    data = sys.stdin.buffer.read(_MOST)
    try:
        return Source(_STDIN, data.decode().removeprefix("\ufeff")), data
    except UnicodeDecodeError as error:
        message = f"cannot read `{_STDIN}`: byte {error.start} is not UTF-8"
        raise DiagnosticError(Diagnostic("U0902", message, None)) from None


def _deliver(found: _Formatted, options: argparse.Namespace) -> bool:
    """Write or show one result; whether `--check` has something to say about it."""
    name = found.source.file
    if options.diff and found.changed:
        _say(_diff(found))
    if options.check:
        if found.changed and not options.diff:
            _say(f"{name}\n")
        return found.changed
    if options.diff:
        return False
    if found.path is None:
        _say(found.text)
    elif found.changed:
        _replace(found.path, found.text)
    return False


def _say(text: str) -> None:
    """Write to standard output as UTF-8, whatever the terminal's encoding; names of files may hold any bytes."""
    say(text.encode("utf-8", "surrogateescape"))


def _diff(found: _Formatted) -> str:
    name = found.source.file
    before, after = (text.removesuffix("\n").split("\n") for text in (found.source.text, found.text))
    lines = list(difflib.unified_diff(before, after, name, f"{name} (formatted)", lineterm=""))
    if not lines:
        return f"{name}: only its last line or its encoding would change\n"
    return "".join(f"{line}\n" for line in lines)


def _replace(path: Path, text: str) -> None:
    """Replace the file that `path` leads to; a symbolic link stays one, and the file keeps its permissions."""
    target = path.resolve()
    try:
        write_atomically(target, text.encode(), mode=target.stat().st_mode & 0o7777)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiagnosticError(Diagnostic("U0906", f"cannot write `{path}`: {reason}", None)) from None
