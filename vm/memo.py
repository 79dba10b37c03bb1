"""The cache of results: how instances of kernels ended, and answers that a call's `cache AGE` lets live, for later runs.

A folder with a SQLite file an owner, which many processes may use, and a file for each large value. A cache promises nothing: what is damaged,
too old, or cannot be read is a miss, what cannot be written is not kept, and either is said once and never fails a run.
Entries stand under digests of everything that they depend on (`digests.py`): a row's number is the first eight bytes, and
the rest stands in front of what it holds, sealed with it. Ages are measured against the
clock of the machine: an entry from the future is no entry, so a clock that jumps makes some of them useless and none immortal.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio.to_thread
from attrs import define, field

from dandc.lang.diagnostics import Diagnostic
from dandc.vm.database import DamagedError, Database, Row, connect, seal, unseal
from dandc.vm.digests import SIZE

VERSION = 1
MOST_BYTES = 1 << 30
_REST = SIZE - 8
_VALUES = "values"
_SCHEMA = """
PRAGMA auto_vacuum=INCREMENTAL;
PRAGMA journal_mode=WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), seen INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, 0, 0);
COMMIT;
"""
_INSERT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)"
_SELECT = "SELECT id, used, data FROM entries WHERE id IN (SELECT value FROM json_each(?))"
# Larger values lie in files of their own: a row that size makes every page around it slow.
_IN_FILE = 256 << 10
# What an entry takes beside its data.
_ENTRY_BYTES = 100
_WAIT_S = 5.0
# That an entry was used is written down once a day, or every hit would be a write.
_USED_MS = 24 * 3600 * 1000
_KEPT_OF_FULL = 0.9
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

T = TypeVar("T")


@define(slots=True, eq=False, repr=False)
class Memo:
    """An open cache folder; without `database` one that cannot be used. `warnings` say what went wrong, each thing once."""

    folder: Path
    owner: str
    most_bytes: int = MOST_BYTES
    clock: Callable[[], float] = time.time
    database: Database | None = None
    warnings: list[Diagnostic] = field(factory=list)
    _size: int = 0
    _used: list[tuple[int, int]] = field(factory=list)
    _writes: bool = True
    _said: set[str] = field(factory=set)

    @property
    def _key(self) -> str:
        """The owner as part of names of files."""
        return hashlib.sha256(self.owner.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def _name(self) -> str:
        return f"results-{VERSION}-{self._key}.sqlite"

    def open(self) -> "Memo":
        """Make the folder if it is not there; give up on it if it is not ours alone."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.stat()
        except OSError as error:
            self._warn((error.strerror or str(error)).lower())
            return self
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            self._warn("others can write it")
            return self
        try:
            self.database = self._connected()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BROKEN:
                self._warn(str(error))
            else:
                self._rebuild()
        return self

    def _connected(self) -> Database:
        path = self.folder / self._name
        connection = connect(path, mode="rwc", wait_s=_WAIT_S)
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.executescript(_SCHEMA)
            os.chmod(path, 0o600)
            self._look_at_clock(connection)
        except BaseException:
            connection.close()
            raise
        return Database(connection)

    def _look_at_clock(self, connection: sqlite3.Connection) -> None:
        """Forget what was written at times that have not come yet, once the clock turns out to have been put back."""
        now = self._now()
        seen, self._size = connection.execute("SELECT seen, size FROM state").fetchone()
        if now < seen:
            connection.execute("DELETE FROM entries WHERE at > ?", (now,))
        connection.execute("UPDATE state SET seen = ?", (now,))

    def _now(self) -> int:
        return int(self.clock() * 1000)

    # Looking up.

    def results_now(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """What is known of these digests. For a worker thread."""
        numbers = {_number(digest): digest for digest in digests}
        rows = self._try(lambda c: c.execute(_SELECT, (json.dumps(list(numbers)),)).fetchall())
        found, now = {}, self._now()
        for number, used, data in rows or ():
            digest = numbers[number]
            content = self._content(digest, data)
            if content is not None:
                found[digest] = content
                if now - used > _USED_MS:
                    self._used.append((now, number))
        return found

    def _content(self, digest: bytes, data: object) -> bytes | None:
        """What a row holds for a digest: the result, or that it lies in a file."""
        try:
            content = unseal(data)
            if content[:_REST] != digest[8:]:
                return None  # another digest that begins like this one
            if len(content) > _REST:
                return content[_REST:]
            return unseal(self._file(digest).read_bytes())
        except FileNotFoundError:
            return None  # another process has just trimmed it
        except (DamagedError, OSError):
            self._warn("an entry was damaged; it is made anew", "damaged")
            return None

    async def answer(self, digest: bytes, most_ms: int) -> bytes | None:
        """An answer that came at most `most_ms` ago, and not in the future."""
        return await anyio.to_thread.run_sync(self._answer, digest, most_ms)

    def _answer(self, digest: bytes, most_ms: int) -> bytes | None:
        statement = "SELECT at, data FROM entries WHERE id = ?"
        row = self._try(lambda c: c.execute(statement, (_number(digest),)).fetchone())
        if row is None or not 0 <= self._now() - row[0] <= most_ms:
            return None
        return self._content(digest, row[1])

    # Keeping.

    async def keep(self, results: Sequence[tuple[bytes, bytes]], *, aging: bool = False) -> None:
        """Keep results under their digests; those that are `aging` as of now."""
        if self.database is None or not self._writes:
            return
        size = sum(len(data) for _, data in results)
        large = any(len(data) >= _IN_FILE for _, data in results)
        at = self._now() if aging else 0
        rows = await anyio.to_thread.run_sync(self._rows, results, at) if large else self._rows(results, at)
        grown = sum(row[3] for row in rows)
        self.database.add(_INSERT, rows, size)
        self.database.add("UPDATE state SET size = size + ?", [(grown,)], 0)
        self._size += grown
        await self._writing(self.database.relieve)
        if self._size > self.most_bytes:
            await self._writing(self.database.commit)
            await anyio.to_thread.run_sync(self.trim_now)

    def _rows(self, results: Sequence[tuple[bytes, bytes]], at: int) -> list[Row]:
        now = self._now()
        rows: list[Row] = []
        for digest, data in results:
            size = len(data) + _ENTRY_BYTES
            if len(data) < _IN_FILE:
                rows.append((_number(digest), at, now, size, seal(digest[8:] + data)))
            elif self._write_file(digest, data):
                rows.append((_number(digest), at, now, size, seal(digest[8:])))
        return rows

    def _write_file(self, digest: bytes, data: bytes) -> bool:
        path = self._file(digest)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Not flushed to the disk: what a crash of the machine leaves is found by its checksum.
            descriptor, beside = tempfile.mkstemp(dir=path.parent)
            try:
                with open(descriptor, "wb") as file:
                    file.write(seal(data))
                os.replace(beside, path)
            except BaseException:
                os.unlink(beside)
                raise
        except OSError as error:
            self._stop_writing((error.strerror or str(error)).lower())
            return False
        return True

    def _file(self, digest: bytes) -> Path:
        name = digest.hex()
        return self.folder / _VALUES / name[:2] / f"{name}.{self._key}"

    async def _writing(self, write: Callable[[], Awaitable[None]]) -> None:
        try:
            await write()
        except (sqlite3.Error, OverflowError) as error:
            self._failed_write(error)

    def _failed_write(self, error: Exception) -> None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BROKEN:
            self._rebuild()
        elif code == sqlite3.SQLITE_BUSY:
            self._warn("others write it all the time; some results are not kept", "busy")
        else:
            self._stop_writing(str(error))

    # The end, and what goes wrong.

    async def finish(self) -> None:
        """Write what waits, and forget what was used longest ago where there is too much."""
        if self.database is None:
            return
        if self._used:
            self.database.add("UPDATE entries SET used = ? WHERE id = ?", self._used, 0)
        await self._writing(self.database.commit)
        if self._size > self.most_bytes:
            await anyio.to_thread.run_sync(self.trim_now)

    def close(self) -> None:
        """Let the folder go."""
        if self.database is not None:
            with contextlib.suppress(sqlite3.Error):  # nothing depends on it
                self.database.close()
            self.database = None

    def trim_now(self) -> None:
        """Forget the entries that were used longest ago beyond the bound. For a worker thread."""
        gone = self._try(self._oldest)
        if not gone or self.database is None:
            return
        try:
            rows = [(number,) for number, _ in gone]
            self.database.write_now(
                [("DELETE FROM entries WHERE id = ?", rows), ("UPDATE state SET size = ?", [(self._size,)])],
                durable=False,
            )
            self.database.read_now(lambda c: c.execute("PRAGMA incremental_vacuum").fetchall())
        except sqlite3.Error as error:
            self._failed_write(error)
            return
        for number, rest in gone:
            if rest is not None:
                with contextlib.suppress(OSError):  # another process may be trimming too
                    os.unlink(self._file(number.to_bytes(8, "big", signed=True) + rest))

    def _oldest(self, connection: sqlite3.Connection) -> list[tuple[int, bytes | None]]:
        """What has to go so that the rest stays well below the bound: numbers, and the rest of the digest for those with a file."""
        (total,) = connection.execute("SELECT total(size) FROM entries").fetchone()
        gone: list[tuple[int, bytes | None]] = []
        statement = f"SELECT id, size, CASE WHEN size >= {_IN_FILE} THEN data END FROM entries ORDER BY used, id"  # noqa: S608
        for number, size, sealed in connection.execute(statement):
            if total <= self.most_bytes * _KEPT_OF_FULL:
                break
            total -= size
            gone.append((number, _rest(sealed)))
        self._size = int(total)
        return gone

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """The result of `work`, or None where the database cannot do it."""
        if self.database is None:
            return None
        try:
            return self.database.read_now(work)
        except sqlite3.Error as error:
            self._failed_write(error)
            return None

    def _rebuild(self) -> None:
        """Begin with an empty database in place of one that is damaged."""
        self._warn("it was damaged; it is made anew", "damaged")
        self.close()
        try:
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.folder / f"{self._name}{ending}")
            self.database = self._connected()
        except (OSError, sqlite3.Error) as error:
            self._warn(str(error))

    def warn_of_bundle(self) -> None:
        """Say that kernels run although there is a cache."""
        self._warn(
            "the images of a bundle may be anybody's, so their results are neither taken from it nor kept", "bundle"
        )

    def _stop_writing(self, reason: str) -> None:
        self._writes = False
        self._warn(f"{reason}; results of this run are not kept", "write")

    def _warn(self, reason: str, kind: str = "use") -> None:
        if kind not in self._said:
            self._said.add(kind)
            message = f"the cache of results `{self.folder}`: {reason}"
            self.warnings.append(Diagnostic("U0930", message, None, severity="warning"))


def _number(digest: bytes) -> int:
    """The number of the row for a digest."""
    return int.from_bytes(digest[:8], "big", signed=True)


def _rest(sealed: object) -> bytes | None:
    """The rest of the digest in a row that has a file; None if it cannot be told."""
    try:
        return unseal(sealed)
    except DamagedError:
        return None
