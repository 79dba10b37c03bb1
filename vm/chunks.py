"""How instances of kernels ended, many to a row: what a journal keeps of them, and how it finds them again.

A row for each of a million small results would cost more than computing them. A run that goes on from a journal reads all
digests once and the results when they are asked for; results of one chunk are usually asked for together.
"""

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate

from attrs import define, field

from dandc.vm.database import DamagedError, Write, seal, unseal
from dandc.vm.digests import SIZE

SCHEMA = "CREATE TABLE pure (id INTEGER PRIMARY KEY, lost INTEGER NOT NULL, head BLOB NOT NULL, data BLOB NOT NULL);"
_CHUNK_BYTES = 8 << 20
_ENTRY = SIZE + 8
_OPEN_CHUNKS = 4

Results = Sequence[tuple[bytes, bytes]]


def chunk_rows(results: Results, *, lost: bool) -> tuple[Write, int]:
    """The rows that hold results under their digests, and about how many bytes these are."""
    rows = []
    size = 0
    for part in _parts(results):
        lengths = array("Q", [len(data) for _, data in part])
        head = b"".join([*(digest for digest, _ in part), lengths.tobytes()])
        data = b"".join([data for _, data in part])
        rows.append((int(lost), seal(head), seal(data)))
        size += len(head) + len(data)
    return ("INSERT INTO pure (lost, head, data) VALUES (?, ?, ?)", rows), size


def _parts(results: Results) -> Iterator[Results]:
    start = size = 0
    for i, (_, data) in enumerate(results):
        size += len(data)
        if size > _CHUNK_BYTES:
            yield results[start : i + 1]
            start, size = i + 1, 0
    if start < len(results):
        yield results[start:]


@define(slots=True, eq=False, repr=False)
class Chunks:
    """The results that were in a journal when it was opened: by digest the row, and where in its data."""

    index: dict[bytes, tuple[int, int, int]] = field(factory=dict)
    _open: dict[int, bytes] = field(factory=dict)

    def find(self, connection: sqlite3.Connection, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """The results under some digests, of those that there are; raises `DamagedError`."""
        found = {}
        for digest in digests:
            place = self.index.get(digest)
            if place is not None:
                row, start, end = place
                found[digest] = self._data(connection, row)[start:end]
        return found

    def _data(self, connection: sqlite3.Connection, row: int) -> bytes:
        data = self._open.get(row)
        if data is None:
            while len(self._open) >= _OPEN_CHUNKS:
                del self._open[next(iter(self._open))]
            (sealed,) = connection.execute("SELECT data FROM pure WHERE id = ?", (row,)).fetchone()
            data = self._open[row] = unseal(sealed)
        return data


def read_chunks(connection: sqlite3.Connection, *, lost: bool) -> Chunks:
    """Where all results are; of equal digests the last one counts. Raises `DamagedError`."""
    chunks = Chunks()
    for row, sealed in connection.execute("SELECT id, head FROM pure WHERE lost = ? ORDER BY id", (int(lost),)):
        head = unseal(sealed)
        count, rest = divmod(len(head), _ENTRY)
        if rest:
            raise DamagedError("a chunk of results has no proper head")
        ends = list(accumulate(array("Q", head[SIZE * count :]), initial=0))
        for i in range(count):
            chunks.index[head[SIZE * i : SIZE * (i + 1)]] = (row, ends[i], ends[i + 1])
    return chunks
