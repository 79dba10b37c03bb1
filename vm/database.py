"""One SQLite file behind the event loop: what many tasks add is written in few transactions.

Whoever must know that its rows are written awaits `commit`; the first to come writes everything that was added until then
in a worker thread, those behind it find their rows written. Whoever need not know adds and goes on, until too much waits.
Rows carry a checksum, because SQLite notices damage to its pages' structure and not to what stands in them.

In WAL mode what a transaction wrote is there after the process dies at any point, since the kernel has it. After the machine
itself dies, everything up to the last `durable` commit is there, and of the rest a beginning; the file is sound in any case.
"""

import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread
from attrs import define, field

# More than this waits for nobody: who adds must wait for the disk then.
_MOST_WAITING_BYTES = 4 << 20
_MOST_WAITING_ROWS = 1 << 15
_CHECK = 4

T = TypeVar("T")
Row = tuple[Any, ...]
Write = tuple[str, Sequence[Row]]


class DamagedError(Exception):
    """A row does not match its checksum."""


def seal(data: bytes) -> bytes:
    """The data with their checksum in front."""
    return zlib.crc32(data).to_bytes(_CHECK, "little") + data


def unseal(sealed: object) -> bytes:
    """The data of a sealed value; raises `DamagedError`."""
    if isinstance(sealed, bytes) and len(sealed) >= _CHECK:
        data = sealed[_CHECK:]
        if zlib.crc32(data).to_bytes(_CHECK, "little") == sealed[:_CHECK]:
            return data
    raise DamagedError("a row does not match its checksum")


def connect(path: Path, *, mode: str = "rw", wait_s: float = 0.0) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time; transactions are begun explicitly. Raises `sqlite3.Error`.

    `mode` is `rw` (the file is there), `rwc` (it may be made), `ro`, or `immutable`: read what nobody writes, without locks.
    """
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    address = f"file:{quote(os.fsencode(path.absolute()))}?{query}"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=wait_s)


@define(slots=True, eq=False, repr=False)
class _Batch:
    """What the next transaction writes."""

    writes: list[Write] = field(factory=list)
    rows: int = 0
    size: int = 0
    durable: bool = False
    written: bool = False
    error: Exception | None = None


@define(slots=True, eq=False, repr=False)
class Database:
    """A connection with what waits to be written. `before` gives rows that a transaction writes as well."""

    connection: sqlite3.Connection
    before: Callable[[], Sequence[Write]] = tuple
    _open: _Batch = field(factory=_Batch)
    _turn: anyio.Lock = field(factory=anyio.Lock)
    _thread: threading.Lock = field(factory=threading.Lock)

    def add(self, statement: str, rows: Sequence[Row], size: int) -> None:
        """Have rows of about `size` bytes written with the next transaction."""
        self._open.writes.append((statement, rows))
        self._open.rows += len(rows)
        self._open.size += size

    async def relieve(self) -> None:
        """Wait for the disk if more is waiting than should."""
        if self._open.size > _MOST_WAITING_BYTES or self._open.rows > _MOST_WAITING_ROWS:
            await self.commit()

    async def commit(self, *, durable: bool = False) -> None:
        """Everything that was added until now is written when this ends. Raises `sqlite3.Error`; what was added is lost then."""
        batch = self._open
        batch.durable |= durable
        async with self._turn:
            if not batch.written:
                # A transaction that has begun is ended, whoever has been cancelled meanwhile.
                with anyio.CancelScope(shield=True):
                    self._open = _Batch()
                    await anyio.to_thread.run_sync(self._write, batch, self.before())
        if batch.error is not None:
            raise batch.error

    def _write(self, batch: _Batch, more: Sequence[Write]) -> None:
        batch.written = True
        if not batch.writes and not batch.durable:
            return
        try:
            with self._thread:
                self._transaction([*batch.writes, *more], durable=batch.durable)
        except (sqlite3.Error, OverflowError) as error:  # OverflowError: a value is larger than SQLite takes
            batch.error = error

    def _transaction(self, writes: Sequence[Write], *, durable: bool) -> None:
        run = self.connection.execute
        run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        run("BEGIN IMMEDIATE")
        try:
            for statement, rows in writes:
                self.connection.executemany(statement, rows)
            run("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                run("ROLLBACK")
            raise

    def write_now(self, writes: Sequence[Write], *, durable: bool = True) -> None:
        """One transaction of its own, at once and in this thread."""
        with self._thread:
            self._transaction(writes, durable=durable)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work` on the connection, in a worker thread."""
        return await anyio.to_thread.run_sync(self.read_now, work)

    def read_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same in this thread."""
        with self._thread:
            return work(self.connection)

    def close(self) -> None:
        """Close the file; what was added and not committed is gone."""
        with self._thread:
            self.connection.close()
