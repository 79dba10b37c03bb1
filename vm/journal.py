"""The journal of one run: a SQLite file with everything that is needed to explain it, to repeat it, and to finish it.

It holds the program with its texts, inputs, configs and addresses, how every call of a driver and every instance of a kernel
ended, which effects were begun, and at last the outputs. No secret is in it, only which secrets there were. What was
acknowledged (`commit` has ended) survives the death of the process at any point; `durable` writes survive that of the
machine too. While a run writes it the file is locked, and a finished journal is one ordinary file that is only read.
A journal may come from anybody: damage and strange contents end in `JournalError`.
"""

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from dandc.lang.diagnostics import Diagnostic
from dandc.lang.values import frozen
from dandc.vm.chunks import SCHEMA, Chunks, chunk_rows, read_chunks
from dandc.vm.columns import ColumnsError, joined, parts
from dandc.vm.database import DamagedError, Database, Row, Write, connect, seal, unseal
from dandc.vm.decisive import Failing, read_failing
from dandc.vm.drivers import EndpointAddress
from dandc.vm.failures import RunError, StopError
from dandc.vm.items import ItemSet

VERSION = 2
_APPLICATION = 0x644E444A
_SCHEMA = f"""
{SCHEMA}
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (file BLOB PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sets (kind TEXT, name TEXT, part INTEGER, data BLOB NOT NULL, PRIMARY KEY (kind, name, part)) WITHOUT ROWID;
CREATE TABLE answers (call BLOB PRIMARY KEY, node TEXT NOT NULL, item TEXT NOT NULL, result BLOB) WITHOUT ROWID;
CREATE TABLE effects (effect BLOB PRIMARY KEY, arguments BLOB NOT NULL, node TEXT NOT NULL, item TEXT NOT NULL, result BLOB)
    WITHOUT ROWID;
CREATE TABLE cuts (call BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE ties (origin BLOB PRIMARY KEY, turn BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE nodes (path TEXT PRIMARY KEY, story BLOB NOT NULL) WITHOUT ROWID;
"""
_TABLES = {"meta", "sources", "sets", "pure", "answers", "effects", "cuts", "ties", "nodes"}
_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_TOO_BIG = "a value is larger than 1,000,000,000 bytes"
_MOST_BYTES = 1_000_000_000 - (1 << 16)  # of one value: SQLite's bound of a row, less what stands beside it
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class JournalError(RunError, StopError):
    """A journal that cannot be used, or no more. Ends a run whatever the policies of its calls say."""


def problem(code: str, message: str, *notes: str) -> JournalError:
    """The error with one diagnostic."""
    return JournalError(Diagnostic(code, message, None, notes=notes))


@frozen(slots=True, eq=False, repr=False)
class Head:
    """What a run is a run of.

    `program` is a bundle; `root` the file that it was compiled from, `sources` texts by file; `own`: by this compiler; `secrets` the handles that were
    given out.
    """

    program: bytes
    root: str
    sources: dict[str, str]
    graph: str
    compiler: str
    own: bool
    configs: dict[str, bytes]
    endpoints: tuple[EndpointAddress, ...]
    secrets: tuple[str, ...]
    inputs: dict[str, ItemSet]


@define(slots=True, eq=False, repr=False)
class Journal:
    """An open journal. `fresh`: nothing stands in it yet that a call could find."""

    path: Path
    database: Database
    head: Head
    status: str
    fresh: bool = False
    _writing: bool = False
    _closed: bool = False
    _chunks: dict[bool, Chunks] = field(factory=dict)

    # Written while the run goes on.

    async def commit(self, *, durable: bool = False) -> None:
        """What was added is written when this ends."""
        with _reported(self.path):
            await self.database.commit(durable=durable)

    def add_answer(self, call: bytes, node: str, item: str, result: bytes | None) -> None:
        """How a call of a driver ended, or (None) that it is about to be made."""
        kept = self._kept(node, item, result)
        row = (call, node, item, kept)
        self.database.add("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", [row], 100 + len(kept or b""))

    def add_effect(self, effect: bytes, arguments: bytes, node: str, item: str, result: bytes | None) -> None:
        """The same for an effect that is to be done once."""
        kept = self._kept(node, item, result)
        row = (effect, arguments, node, item, kept)
        self.database.add("INSERT OR REPLACE INTO effects VALUES (?, ?, ?, ?, ?)", [row], 150 + len(kept or b""))

    def _kept(self, node: str, item: str, result: bytes | None) -> bytes | None:
        if result is not None and len(result) > _MOST_BYTES:
            raise _unwritable(self.path, f"the answer of `{node}`{f' for `{item}`' if item else ''} {_too_big(result)}")
        return None if result is None else seal(result)

    def add_cut(self, call: bytes, data: bytes) -> None:
        """How the machine cut the groups of a call."""
        self.database.add("INSERT OR REPLACE INTO cuts VALUES (?, ?)", [(call, seal(data))], 100 + len(data))

    def add_tie(self, origin: bytes, turn: int) -> None:
        """Which number an instance has among those that are equal to it, by a digest of what it is and of its origin."""
        row = (origin, seal(turn.to_bytes(8, "little")))
        self.database.add("INSERT OR REPLACE INTO ties VALUES (?, ?)", [row], 100)

    async def add_pure(self, rows: Sequence[tuple[bytes, bytes]], *, lost: bool = False) -> None:
        """How instances of kernels ended, by digest; `lost`: what would not end like this again."""
        if not rows:
            return
        (statement, chunks), size = chunk_rows(rows, lost=lost)
        self.database.add(statement, chunks, size)
        with _reported(self.path):
            await self.database.relieve()

    # Read while the run goes on.

    async def answer(self, call: bytes) -> tuple[bool, bytes | None]:
        """Whether a call was begun, and how it ended if it did."""
        return await self._one("SELECT result FROM answers WHERE call = ?", call)

    async def effect(self, effect: bytes) -> tuple[bytes, bytes | None] | None:
        """The arguments with which an effect was begun, and how it ended if it did; None if it was not begun."""
        with _reported(self.path):
            rows = await self.database.read(
                lambda c: c.execute("SELECT arguments, result FROM effects WHERE effect = ?", (effect,)).fetchall()
            )
            return None if not rows else (bytes(rows[0][0]), _opened(rows[0][1]))

    async def cut(self, call: bytes) -> bytes | None:
        """How the groups of a call were cut."""
        return (await self._one("SELECT data FROM cuts WHERE call = ?", call))[1]

    async def _one(self, statement: str, key: bytes) -> tuple[bool, bytes | None]:
        with _reported(self.path):
            rows = await self.database.read(lambda c: c.execute(statement, (key,)).fetchall())
            return (True, _opened(rows[0][0])) if rows else (False, None)

    def results_now(self, digests: Sequence[bytes], *, lost: bool = False) -> dict[bytes, bytes]:
        """How instances of kernels ended, of those that are known. For a worker thread."""
        with _reported(self.path):
            return self.database.read_now(lambda c: self._found(c, digests, lost=lost))

    def _found(self, connection: sqlite3.Connection, digests: Sequence[bytes], *, lost: bool) -> dict[bytes, bytes]:
        if lost not in self._chunks:
            self._chunks[lost] = read_chunks(connection, lost=lost)
        return self._chunks[lost].find(connection, digests)

    # Before and after.

    def begin(self, head: Head) -> None:
        """Go on with the run, perhaps of another program."""
        with _reported(self.path):
            forget: list[Write] = [
                ("DELETE FROM sources", [()]),
                ("DELETE FROM sets", [()]),
                ("DELETE FROM nodes", [()]),
                ("DELETE FROM ties", [()]),
            ]
            self.database.write_now([*forget, *_head_rows(head), _meta("status", "running")])
        self.head, self.status = evolve(head, inputs={}), "running"

    def end(self, status: str, outputs: dict[str, ItemSet], failure: Failing | None, nodes: dict[str, Any]) -> None:
        """The run is over: everything is written, and the file becomes one that is only read."""
        _refuse_too_big(self.path, "output", outputs)
        rows = [_meta("status", status), _meta("failure", b"{}" if failure is None else failure.data())]
        rows += [_sets("output", outputs), nodes_write(nodes)]
        with _reported(self.path):
            self.database.write_now(rows)
            self.status = status
            self.database.read_now(_settle)

    def nodes_now(self) -> dict[str, Any]:
        """The stories of the nodes, as far as they were written."""
        with _reported(self.path):
            rows = self.database.read_now(lambda c: c.execute("SELECT path, story FROM nodes").fetchall())
            return {str(path): json.loads(unseal(story)) for path, story in rows}

    def ties_now(self) -> dict[bytes, int]:
        """The numbers of instances that had equals."""
        with _reported(self.path):
            rows = self.database.read_now(lambda c: c.execute("SELECT origin, turn FROM ties").fetchall())
            return {bytes(origin): int.from_bytes(unseal(turn), "little") for origin, turn in rows}

    def tally_now(self) -> dict[str, tuple[int, int]]:
        """By node: answers that are there, and calls that were begun and have none."""
        statement = "SELECT node, count(result), count(*) - count(result) FROM {} GROUP BY node"
        found: dict[str, tuple[int, int]] = {}
        with _reported(self.path):
            for table in ("answers", "effects"):
                for node, known, begun in self.database.read_now(partial(_rows, statement.format(table))):
                    before = found.get(node, (0, 0))
                    found[node] = (before[0] + known, before[1] + begun)
        return found

    def outputs_now(self) -> dict[str, ItemSet]:
        """The outputs of a finished run."""
        with _reported(self.path):
            return self.database.read_now(lambda c: _read_sets(c, "output"))

    def failure_now(self) -> Failing | None:
        """Why the run failed, if it did."""
        with _reported(self.path):
            row = self.database.read_now(lambda c: _read_meta(c).get("failure", b"{}"))
            return read_failing(json.loads(row))

    def close(self) -> None:
        """Let the file go. What was added and not committed is gone."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(sqlite3.Error):  # nothing that was acknowledged depends on it
                if self._writing:
                    self.database.read_now(_settle)
            with contextlib.suppress(sqlite3.Error):
                self.database.close()


def create_journal(path: Path, head: Head) -> Journal:
    """A new journal; raises `JournalError` where a file is there already, or none can be written.

    It is written beside its place and gets its name when everything that a run starts from is in it.
    """
    if os.path.lexists(path):
        raise _exists(path)
    _refuse_too_big(path, "input", head.inputs)
    with _reported(path):
        try:
            descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        except OSError as error:
            raise _unwritable(path, (error.strerror or str(error)).lower()) from None
        os.close(descriptor)
        try:
            _write_new(Path(beside), head)
            _name(beside, path)
        finally:
            for leftover in (beside, f"{beside}-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(leftover)
    return _open(path, writing=True, known=head)


def _write_new(path: Path, head: Head) -> None:
    connection = connect(path)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.executescript(f"BEGIN;{_SCHEMA}")
        for statement, rows in (*_head_rows(head), _meta("status", "running")):
            connection.executemany(statement, rows)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _name(beside: str, path: Path) -> None:
    try:
        os.link(beside, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, (error.strerror or str(error)).lower()) from None
    with contextlib.suppress(OSError):  # not every file system can do that, and none of ours depends on it
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def open_journal(path: Path) -> Journal:
    """A journal to go on with, locked until it is closed; raises `JournalError`."""
    return _open(path, writing=True)


def read_journal(path: Path) -> Journal:
    """A journal to read; raises `JournalError`, also while a run writes it."""
    return _open(path, writing=False)


def _open(path: Path, *, writing: bool, known: Head | None = None) -> Journal:
    """An open journal; `known` is what has just been written into a new one."""
    if not path.is_file():
        what = (
            "it is a folder"
            if path.is_dir()
            else "it is no ordinary file"
            if path.exists()
            else "there is no such file"
        )
        raise problem("R0780", f"cannot read the journal `{path}`: {what}")
    with _reported(path):
        connection = connect(path, mode=_mode(path, writing=writing))
        try:
            _check_file(path, connection, writing=writing)
            if known is not None:
                # The inputs belong to the run, which forgets each of them after its last reader.
                return Journal(
                    path, Database(connection), evolve(known, inputs={}), "running", fresh=True, writing=True
                )
            _check_whole(connection)
            meta = _read_meta(connection)
            head = _read_head(connection, meta)
            return Journal(path, Database(connection), head, _status(meta), writing=writing)
        except BaseException:
            connection.close()
            raise


def _status(meta: dict[str, bytes]) -> str:
    status = meta.get("status", b"").decode()
    if status not in ("running", "finished", "failed"):
        raise DamagedError("it does not say how the run stands")
    return status


def _mode(path: Path, *, writing: bool) -> str:
    """Only a journal that a killed run left beside its log must be written to be read."""
    return "rw" if writing or os.path.exists(f"{path}-wal") else "ro"


def _check_file(path: Path, connection: sqlite3.Connection, *, writing: bool) -> None:
    """That it is a journal, of this version, sound, and nobody else's at the moment."""
    run = connection.execute
    run("PRAGMA trusted_schema=OFF")
    if writing:
        run("PRAGMA locking_mode=EXCLUSIVE")
    (application,) = run("PRAGMA application_id").fetchone()
    (version,) = run("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise problem("R0780", f"cannot read the journal `{path}`: the file is no journal")
    if version != VERSION:
        message = f"the journal `{path}` has version {version}, this machine reads version {VERSION}"
        raise problem("R0781", message)
    if writing:
        run("PRAGMA journal_mode=WAL")
        run("BEGIN IMMEDIATE")
        run("COMMIT")


def _check_whole(connection: sqlite3.Connection) -> None:
    (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if state != "ok" or not tables >= _TABLES:
        raise DamagedError(str(state) if state != "ok" else "a table is missing")


def _settle(connection: sqlite3.Connection) -> None:
    """Bring everything into the one file."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode=DELETE")


# Rows.


def _meta(name: str, value: str | bytes) -> Write:
    data = value.encode() if isinstance(value, str) else value
    return "INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, seal(data))]


def _sets(kind: str, sets: dict[str, ItemSet]) -> Write:
    rows = [(kind, name, i, seal(part)) for name, items in sets.items() for i, part in enumerate(parts(items))]
    # A set without items has no part, and must be known all the same.
    rows += [(kind, name, 0, seal(b"")) for name, items in sets.items() if not len(items)]
    return "INSERT OR REPLACE INTO sets VALUES (?, ?, ?, ?)", rows


def nodes_write(nodes: dict[str, Any]) -> Write:
    """The rows that keep the stories of nodes, by path."""
    rows = [(path, seal(json.dumps(story).encode())) for path, story in nodes.items()]
    return "INSERT OR REPLACE INTO nodes VALUES (?, ?)", rows


def _head_rows(head: Head) -> list[Write]:
    settings = {
        "configs": {name: value.hex() for name, value in head.configs.items()},
        "endpoints": [[e.name, e.module, e.url] for e in head.endpoints],
        "secrets": list(head.secrets),
        "own": head.own,
    }
    # Names of files need not be text.
    texts = [(os.fsencode(file), seal(text.encode("utf-8", "surrogatepass"))) for file, text in head.sources.items()]
    return [
        _meta("program", head.program),
        _meta("root", head.root.encode("utf-8", "surrogateescape")),
        _meta("graph", head.graph),
        _meta("compiler", head.compiler),
        _meta("settings", json.dumps(settings)),
        ("INSERT OR REPLACE INTO sources VALUES (?, ?)", texts),
        _sets("input", head.inputs),
    ]


def _read_meta(connection: sqlite3.Connection) -> dict[str, bytes]:
    return {str(name): unseal(value) for name, value in connection.execute("SELECT name, value FROM meta")}


def _read_head(connection: sqlite3.Connection, meta: dict[str, bytes]) -> Head:
    texts = connection.execute("SELECT file, text FROM sources").fetchall()
    settings = json.loads(meta["settings"])
    return Head(
        meta["program"],
        meta["root"].decode("utf-8", "surrogateescape"),
        {os.fsdecode(bytes(file)): unseal(text).decode("utf-8", "surrogatepass") for file, text in texts},
        meta["graph"].decode(),
        meta["compiler"].decode(),
        settings["own"] is True,
        {str(name): bytes.fromhex(value) for name, value in settings["configs"].items()},
        tuple(EndpointAddress(str(name), str(module), str(url)) for name, module, url in settings["endpoints"]),
        tuple(map(str, settings["secrets"])),
        _read_sets(connection, "input"),
    )


def _read_sets(connection: sqlite3.Connection, kind: str) -> dict[str, ItemSet]:
    found: dict[str, list[bytes]] = {}
    rows = connection.execute("SELECT name, data FROM sets WHERE kind = ? ORDER BY name, part", (kind,))
    for name, data in rows:
        found.setdefault(str(name), []).append(unseal(data))
    return {name: joined(part for part in pieces if part) for name, pieces in found.items()}


def _rows(statement: str, connection: sqlite3.Connection) -> list[Row]:
    return connection.execute(statement).fetchall()


def _opened(result: object) -> bytes | None:
    return None if result is None else unseal(result)


# What can go wrong with the file.


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Errors of SQLite and strange contents as `JournalError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from None
    except OverflowError:
        raise _unwritable(path, _TOO_BIG) from None
    except (DamagedError, ColumnsError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise problem("R0780", f"cannot read the journal `{path}`: it is damaged", str(error)) from None


def _explained(path: Path, error: sqlite3.Error) -> JournalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return problem("R0782", f"the journal `{path}` is in use: another run writes it")
    if code == sqlite3.SQLITE_TOOBIG:
        return _unwritable(path, _TOO_BIG)
    if code in _FULL:
        return _unwritable(path, str(error))
    if code in _DAMAGED or isinstance(error, sqlite3.DatabaseError):
        return problem("R0780", f"cannot read the journal `{path}`: it is damaged", str(error))
    return problem("R0780", f"cannot use the journal `{path}`", str(error))


def _exists(path: Path) -> JournalError:
    if path.is_dir():
        return problem(
            "R0784", f"there is a folder `{path}` already", "a journal is one file: name one that is not there"
        )
    message = f"there is a file `{path}` already"
    return problem("R0784", message, "a journal is never overwritten: name another one, or `dandc resume` this one")


def _refuse_too_big(path: Path, kind: str, sets: dict[str, ItemSet]) -> None:
    """Raises for an item that no row holds, by name and before copies of it are made."""
    for name, items in sets.items():
        for i, value in enumerate(items.values):
            if len(value) > _MOST_BYTES:
                item = f" `{items.names[i]}`" if items.names[i] else f" {i}" if len(items) > 1 else ""
                raise _unwritable(path, f"the item{item} of the {kind} `{name}` {_too_big(value)}")


def _too_big(value: Sized) -> str:
    return f"has {len(value):,} bytes; more than {_MOST_BYTES:,} fit in no row"


def _unwritable(path: Path, reason: str) -> JournalError:
    return problem("R0783", f"cannot write the journal `{path}`: {reason}")
