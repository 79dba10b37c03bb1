"""What a call left behind, checked: the only way by which bytes of an untrusted image become values.

The tables of `docs/image.md` are read once out of dead memory and the copy is validated here: counts, bounds, order,
instance numbers, and that no bytes are said to be several things: a small area would become values of many GiB.
Columns instead of an object per item, and checks that run in C, since a shard may hold 100,000 items.
Not checked: whether keys, names and notes are what their types say (the reader decodes them), which output numbers
exist, and that values start at multiples of 16 (nothing depends on it: values are copied before anybody reads them).
"""

import operator
import sys
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain, pairwise, repeat

from attrs import frozen

from dandc.isolation import large
from dandc.isolation.columns import progression, uniform
from dandc.isolation.image import PAGE

RECORD = 40
ABSENT = 0xFFFFFFFF
NOTE = 0xFFFFFFFE
FINISHED, TRAP, FAIL = 1, 2, 3

_EMPTY_WORDS: "array[int]" = array("Q")
_EMPTY_HALVES: "array[int]" = array("I")


@frozen(slots=True)
class Instances:
    """The instance records as columns, `last - first` long. Message columns mean something where `state` is FAIL."""

    state: "array[int]" = _EMPTY_HALVES
    code: "array[int]" = _EMPTY_HALVES
    site: "array[int]" = _EMPTY_HALVES
    notes: "array[int]" = _EMPTY_HALVES
    message_offset: "array[int]" = _EMPTY_WORDS
    message_length: "array[int]" = _EMPTY_WORDS
    items_end: "array[int]" = _EMPTY_WORDS

    def __len__(self) -> int:
        return len(self.state)


@frozen(slots=True)
class Entries:
    """The item entries as columns, by instance, then by emission. Lengths may be ABSENT; `output` may be NOTE."""

    key_offset: "array[int]" = _EMPTY_WORDS
    value_offset: "array[int]" = _EMPTY_WORDS
    value_length: "array[int]" = _EMPTY_WORDS
    key_length: "array[int]" = _EMPTY_HALVES
    name_length: "array[int]" = _EMPTY_HALVES
    instance: "array[int]" = _EMPTY_HALVES
    output: "array[int]" = _EMPTY_HALVES

    def __len__(self) -> int:
        return len(self.output)

    def __iter__(self) -> Iterator[tuple[int, int, int, int, int, int, int]]:
        """Tuples in the order of the columns."""
        return zip(
            self.key_offset, self.value_offset, self.value_length, self.key_length, self.name_length, self.instance,
            self.output, strict=True,
        )  # fmt: skip


@frozen(slots=True)
class Outcome:
    """How one call ended. Without an error the tables are valid; with one they are empty, since nothing can be trusted.

    `error` is one of limit.wall, limit.cpu, sandbox.crash, sandbox.forbidden, sandbox.output, sandbox.lost, cancelled,
    host.exhausted; `detail` says what was seen. Offsets count from the start of `data`, the used part of the area.
    `cpu_us` is None where the result was there before the child had been reaped: the pool adds those up. `heap_peak` is
    the image's own word, in bytes.
    """

    error: str | None = None
    detail: str = ""
    instances: Instances = Instances()
    entries: Entries = Entries()
    data: bytes = b""
    wall_us: int = 0
    cpu_us: int | None = None
    heap_peak: int = 0

    @property
    def size(self) -> int:
        """Bytes of data and entries: what one touches who reads it."""
        return len(self.data) + len(self.entries) * RECORD


class BadOutput(Exception):
    """The tables break a rule of `docs/image.md`; the text says which."""


Read = Callable[[int, int], bytes]  # (length, offset within the output area): exactly that many bytes


def reader(descriptor: int) -> Read:
    """Reads the output area, which begins behind the control page of a child's memfd."""

    def read(length: int, offset: int) -> bytes:
        content = large.read(descriptor, length, offset + PAGE)
        if len(content) < length:
            raise BadOutput("the output area is shorter than it was")
        return content

    return read


def read_tables(
    read: Read, out_len: int, first: int, last: int, data_end: int, items: int, start: bytes = b""
) -> tuple[Instances, Entries, bytes]:
    """Reads and checks data and tables; `start` is what is already read of the area. Raises `BadOutput`, never more."""
    count = last - first
    if data_end > out_len or items * RECORD > out_len - data_end:
        raise BadOutput("data and entries do not fit into the output area")
    if data_end < count * RECORD:
        raise BadOutput("the data end before the instance records do")
    data = start[:data_end] if data_end <= len(start) else read(data_end, 0)
    if count == items == 1:
        return *_alone(data[:RECORD], read(RECORD, out_len - RECORD), first, data_end), data
    instances = _instances(data[: count * RECORD], count, items, data_end)
    if not items:
        if any(instances.notes):
            raise BadOutput("notes are counted that are not there")
        return instances, Entries(), data
    table = read(items * RECORD, out_len - items * RECORD)
    return instances, _checked_entries(instances, table, first, last, data_end), data


@lru_cache(maxsize=256)
def _alone(record: bytes, entry: bytes, first: int, data_end: int) -> tuple[Instances, Entries]:
    """The tables of a single instance with a single item: often the same bytes from one call to the next."""
    instances = _instances(record, 1, 1, data_end)
    return instances, _checked_entries(instances, entry, first, first + 1, data_end)


def _checked_entries(instances: Instances, table: bytes, first: int, last: int, data_end: int) -> Entries:
    entries = _entries(table)
    low = len(instances) * RECORD
    if _check_ranges(entries, low, data_end) + _message_bytes(instances) > data_end - low:
        raise BadOutput("items share bytes")
    _check_order(instances, entries, first, last)
    return entries


def _words(table: bytes) -> "array[int]":
    words: array[int] = array("Q")
    words.frombytes(table)
    return words


def _halves(table: bytes) -> "array[int]":
    halves: array[int] = array("I")
    halves.frombytes(table)
    return halves


def _instances(table: bytes, count: int, items: int, data_end: int) -> Instances:
    words, halves = _words(table), _halves(table)
    found = Instances(halves[0::10], halves[1::10], halves[2::10], halves[3::10], words[2::5], words[3::5], words[4::5])
    ends = found.items_end
    plain = count == items and ends == progression("Q", 1, count)
    if not plain and ((ends[-1] if count else 0) != items or not all(map(operator.le, ends, ends[1:]))):
        raise BadOutput("the instances' item counts do not add up")
    if uniform(found.state, FINISHED):
        return found
    if max(found.state) > FAIL:
        raise BadOutput("an instance has an unknown state")
    if FAIL in found.state:
        _check_messages(found, count * RECORD, data_end)
    return found


def _check_messages(found: Instances, low: int, high: int) -> None:
    for state, offset, length in zip(found.state, found.message_offset, found.message_length, strict=True):
        if state == FAIL and length and not low <= offset <= offset + length <= high:
            raise BadOutput("a failure's message lies outside the data")
    if _message_bytes(found) > high - low:
        raise BadOutput("failures share bytes")


def _message_bytes(found: Instances) -> int:
    if uniform(found.state, FINISHED):
        return 0
    return sum(length for state, length in zip(found.state, found.message_length, strict=True) if state == FAIL)


def _entries(table: bytes) -> Entries:
    """Entry k stands k places before the end: columns are taken backwards."""
    words, halves = _words(table), _halves(table)
    word, half = len(words) - 5, len(halves) - 10
    return Entries(
        words[word::-5], words[word + 1 :: -5], words[word + 2 :: -5], halves[half + 6 :: -10],
        halves[half + 7 :: -10], halves[half + 8 :: -10], halves[half + 9 :: -10],
    )  # fmt: skip


def _check_ranges(entries: Entries, low: int, high: int) -> int:
    """Check the bounds of values, keys and names; gives how many bytes they have together."""
    values = _check_range(entries.value_offset, entries.value_length, low, high)
    if uniform(entries.key_length, ABSENT) and uniform(entries.name_length, ABSENT):
        return values  # nothing is read at the key offsets
    keys, names = _lengths(entries.key_length), _lengths(entries.name_length)
    return values + _check_range(entries.key_offset, list(map(operator.add, keys, names)), low, high)


def _lengths(column: "array[int]") -> "array[int] | list[int]":
    return [0 if length == ABSENT else length for length in column] if ABSENT in column else column


def _check_range(offsets: "array[int]", lengths: "array[int] | list[int]", low: int, high: int) -> int:
    """All of [offset, offset + length) lie in [low, high); empty ones may stand anywhere. Gives the sum of the lengths.

    Python's sums do not wrap.
    """
    if isinstance(lengths, array) and _evenly_within(offsets, lengths, low, high):
        return len(lengths) * lengths[0]
    total = sum(lengths)
    if min(offsets) >= low and max(map(operator.add, offsets, lengths)) <= high:
        return total
    for offset, length in zip(offsets, lengths, strict=True):
        if length and not (low <= offset and offset + length <= high):
            raise BadOutput("an item lies outside the data")
    return total


def _evenly_within(offsets: "array[int]", lengths: "array[int]", low: int, high: int) -> bool:
    """Whether all are of one length and stand at one distance within the bounds: by far the most tables are like that."""
    count, length, start = len(offsets), lengths[0], offsets[0]
    step = offsets[1] - start if count > 1 else 1
    if step <= 0 or start < low or start + (count - 1) * step + length > high:
        return False
    return uniform(lengths, length) and offsets == progression("Q", start, count, step)


def _check_order(instances: Instances, entries: Entries, first: int, last: int) -> None:
    ends = instances.items_end
    if entries.instance != _owners(ends, first, last):
        raise BadOutput("an entry does not belong to its instance")
    finished = uniform(instances.notes, 0) and uniform(instances.state, FINISHED)
    if finished and (uniform(entries.output, 0) or NOTE not in entries.output):
        return
    for state, notes, (start, end) in zip(instances.state, instances.notes, pairwise(chain((0,), ends)), strict=True):
        seen = entries.output[start:end].count(NOTE)
        if seen != notes:
            raise BadOutput("an instance's notes are miscounted")
        if state != FINISHED and seen != end - start:
            raise BadOutput("an unfinished instance left items")


def _owners(ends: "array[int]", first: int, last: int) -> "array[int]":
    """The instance of every entry, if the first ones have so many items."""
    if ends == progression("Q", 1, last - first):
        return progression("I", first, last - first)
    counts = chain(ends[:1], map(operator.sub, ends[1:], ends))
    return array("I", chain.from_iterable(map(repeat, range(first, last), counts)))


if sys.byteorder != "little":  # the columns are taken as they stand in memory
    raise ImportError("isolation needs a little-endian machine")
