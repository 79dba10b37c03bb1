"""Reads and writes files for the tools: whole, bounded, never half-written; mistakes become diagnostics."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source

# One byte more than a source may have, so that the parser sees that it is too large without reading all of it.
_BUNDLE = b"dandcBUN"  # `BUNDLE_MAGIC` of `dandc/vm/bundle.py`, which is much to load for a source
_MOST_SOURCE = 4 * (1 << 20) + 1


def read_source(path: Path, shown: str) -> tuple[Source, bytes]:
    """The text of a source file and its bytes; raises `DiagnosticError` (U0901, U0902)."""
    data = read_file(path, _MOST_SOURCE)
    try:
        # A file that was cut in the middle of a character is too large, not badly encoded.
        text = data.decode() if len(data) < _MOST_SOURCE else data.decode(errors="replace")
    except UnicodeDecodeError as error:
        what = "a binary file" if b"\0" in data[:8192] else f"byte {error.start} is not UTF-8"
        if data.startswith(_BUNDLE):
            what = "a bundle, which `dandc run` takes; its source is what can be read"
        raise DiagnosticError(Diagnostic("U0902", f"cannot read `{shown}`: {what}", None)) from None
    return Source(shown, text.removeprefix("\ufeff")), data


def sources_in(names: Iterable[str]) -> Iterator[Path]:
    """The files that are named, and those ending in `.dnd` in folders that are, in order; raises `DiagnosticError` (U0901)."""
    for name in names:
        if not os.path.isdir(name):
            yield Path(name)
            continue
        for parent, folders, files in os.walk(name, onerror=_unlisted):
            folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
            yield from (Path(parent, file) for file in sorted(files) if file.endswith(".dnd"))


def _unlisted(error: OSError) -> None:
    raise _unreadable(Path(error.filename), _reason(error))


def read_file(path: Path, most: int = -1) -> bytes:
    """The bytes of a regular file, at most `most` of them; raises `DiagnosticError` (U0901)."""
    try:
        # Not blocking: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _unreadable(path, _reason(error)) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _unreadable(path, "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file")
    with open(descriptor, "rb") as file:
        try:
            return file.read(most)
        except OSError as error:
            raise _unreadable(path, _reason(error)) from None


def _unreadable(path: Path, reason: str) -> DiagnosticError:
    return DiagnosticError(Diagnostic("U0901", f"cannot read `{path}`: {reason}", None))


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by a file with `data`, or leave everything as it was; raises OSError."""
    import tempfile  # a run out of the cache writes nothing

    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
