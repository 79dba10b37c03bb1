"""The cache folder: compiled images and programs by what they were made from.

Entries are written beside and renamed, so that readers and concurrent writers see whole ones; each begins with the SHA-256
of its content, so that a damaged one is a miss. The folder belongs to the user alone (mode 0700): what is in it is executed
(in sandboxes) and the parser's tables are a pickle. A folder that others can write is not used.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import Factory, define

from dandc.files import write_atomically
from dandc.lang.diagnostics import Diagnostic

_DIGEST = hashlib.sha256().digest_size
# Beyond this many bytes the entries that were written longest ago go.
_MOST_BYTES = 512 << 20


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`$DANDC_CACHE`, else `dandc` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    if environment.get("DANDC_CACHE"):
        return Path(environment["DANDC_CACHE"])
    base = environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "dandc"


@define
class Cache:
    """A cache folder, or none (`folder` None). Never raises: what goes wrong is a miss and one warning (U0907)."""

    folder: Path | None
    warnings: list[Diagnostic] = Factory(list)

    def open(self) -> "Cache":
        """Make the folder if it is not there; give up on it if it is not ours alone."""
        if self.folder is None:
            return self
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.stat()
        except OSError as error:
            return self._give_up(error.strerror or str(error))
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            return self._give_up("others can write it")
        return self

    def _give_up(self, reason: str) -> "Cache":
        if not self.warnings:
            message = f"the cache folder `{self.folder}` cannot be used: {reason.lower()}"
            self.warnings.append(Diagnostic("U0907", message, None, severity="warning"))
        self.folder = None
        return self

    def get(self, key: str) -> bytes | None:
        """The content kept under `key`, None if there is none or it is damaged."""
        if self.folder is None:
            return None
        try:
            data = (self.folder / key).read_bytes()
        except OSError:
            return None  # not there is the common case, and anything else is a miss too
        content = data[_DIGEST:]
        return content if hashlib.sha256(content).digest() == data[:_DIGEST] else None

    def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`."""
        if self.folder is None:
            return
        try:
            write_atomically(self.folder / key, hashlib.sha256(content).digest() + content, mode=0o600)
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def trim(self) -> None:
        """Forget the oldest entries beyond the bound."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):  # another process may be trimming too
            entries = sorted(
                (e.stat().st_mtime, e.stat().st_size, e.path) for e in os.scandir(self.folder) if e.is_file()
            )
            total = sum(size for _, size, _ in entries)
            for _, size, path in entries:
                if total <= _MOST_BYTES:
                    break
                os.unlink(path)
                total -= size
