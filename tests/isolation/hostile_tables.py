"""Output areas as an enemy leaves them, and a second opinion on them, written from `docs/image.md` alone.

A seed is an area, the same everywhere. Most begin as a kernel would leave them and are then damaged where it hurts:
random bytes alone never get past the first check.
"""

import random
import struct

from attrs import evolve, frozen

RECORD, ENTRY = struct.Struct("<IIIIQQQ"), struct.Struct("<QQQIIII")
ABSENT, NOTE = 0xFFFFFFFF, 0xFFFFFFFE
AREAS_FOR_READING = 5  # memory of the owner to read outputs, in areas
WORDS = (0, 1, 39, 40, 41, 4095, 4096, 4097, 1 << 31, ABSENT, NOTE, 1 << 32, 1 << 63, (1 << 64) - 40, (1 << 64) - 1)


@frozen
class Area:
    """An output area, and what the control page says of it."""

    content: bytes
    first: int
    last: int
    data_end: int
    items: int


def valid(area: Area) -> bool:
    """Whether the tables obey every rule: one record and one entry after the other, no cleverness."""
    count, size = area.last - area.first, len(area.content)
    low = count * RECORD.size
    if not low <= area.data_end <= size or area.items * ENTRY.size > size - area.data_end:
        return False
    at_entry = 0
    for number in range(count):
        state, _, _, notes, offset, length, end = RECORD.unpack_from(area.content, number * RECORD.size)
        if state > 3 or not at_entry <= end <= area.items:
            return False
        if state == 3 and length and not (offset >= low and offset + length <= area.data_end):
            return False
        for index in range(at_entry, end):
            if not _valid_entry(area, index, low, area.first + number, finished=state == 1):
                return False
        if notes != sum(_entry(area, index)[6] == NOTE for index in range(at_entry, end)):
            return False
        at_entry = end
    return at_entry == area.items and _claimed(area) <= area.data_end - low


def _claimed(area: Area) -> int:
    """The bytes of all values, keys, names and messages: they share none."""
    records = (RECORD.unpack_from(area.content, RECORD.size * n) for n in range(area.last - area.first))
    parts = [record[5] for record in records if record[0] == 3]
    for _, _, length, key_length, name_length, _, _ in (_entry(area, index) for index in range(area.items)):
        parts += [length, *(size for size in (key_length, name_length) if size != ABSENT)]
    return sum(parts)


def _entry(area: Area, index: int) -> tuple[int, ...]:
    return ENTRY.unpack_from(area.content, len(area.content) - ENTRY.size * (index + 1))


def _valid_entry(area: Area, index: int, low: int, instance: int, *, finished: bool) -> bool:
    key, value, length, key_length, name_length, owner, output = _entry(area, index)
    named = sum(size for size in (key_length, name_length) if size != ABSENT)
    return (
        owner == instance
        and (finished or output == NOTE)
        and all(
            not size or (start >= low and start + size <= area.data_end)
            for start, size in ((value, length), (key, named))
        )
    )


def area_of(some: random.Random) -> Area:
    """One area: honest, damaged, or noise."""
    area = _honest(some)
    kind = some.random()
    if kind < 0.15:
        return area
    if kind < 0.2:
        noise = some.randbytes(len(area.content))
        return evolve(area, content=noise, data_end=_word(some), items=some.choice((0, 1, _word(some))))
    for _ in range(some.choice((1, 1, 1, 2, 5))):
        area = some.choice(DAMAGES)(some, area)
    return area


def _honest(some: random.Random) -> Area:
    """What a kernel leaves: records, data upwards, entries downwards."""
    size, count = some.choice((4096, 8192)), some.choice((0, 1, 1, 2, 3, 8, 30))
    first = some.choice((0, 0, 1, 1000, (1 << 32) - 1 - count))
    data = bytearray(count * RECORD.size)
    entries: list[bytes] = []
    for number in range(count):
        state = some.choice((1, 1, 1, 1, 0, 2, 3))
        message = _put(some, data) if state == 3 else (0, 0)
        notes = 0
        for _ in range(some.choice((0, 1, 1, 2, 5)) if len(entries) < 40 else 0):
            is_note = state != 1 or some.random() < 0.2
            notes += is_note
            entries.append(_honest_entry(some, data, first + number, NOTE if is_note else some.randrange(3)))
        RECORD.pack_into(data, number * RECORD.size, state, some.randrange(20), ABSENT, notes, *message, len(entries))
    content = bytes(data).ljust(size - ENTRY.size * len(entries), b"\0") + b"".join(reversed(entries))
    return Area(content, first, first + count, len(data), len(entries))


def _put(some: random.Random, data: bytearray) -> tuple[int, int]:
    """Some bytes behind the data: where, and how many."""
    at, text = len(data), some.choice((b"", b"x", b"\0\xff", b"\x1b[2J\x07", b"\xc3\x28 no text", b"twelve bytes"))
    data += text
    return at, len(text)


def _honest_entry(some: random.Random, data: bytearray, instance: int, output: int) -> bytes:
    value, (key, key_length) = _put(some, data), _put(some, data)
    name_length = len(data)
    data += some.choice((b"", b"name"))
    name_length = len(data) - name_length
    absent = some.random()
    if absent < 0.4 and not name_length:
        key, key_length = some.choice(WORDS), ABSENT
    return ENTRY.pack(
        key, *value, key_length, ABSENT if absent < 0.3 and not name_length else name_length, instance, output
    )


def _word(some: random.Random) -> int:
    return some.choice(
        (some.choice(WORDS), some.randrange(9000), some.getrandbits(64), (1 << 64) - some.randrange(1, 9000))
    )


def _overwrite(area: Area, at: int, part: bytes) -> Area:
    return evolve(area, content=(area.content[:at] + part + area.content[at + len(part) :])[: len(area.content)])


def _a_field(some: random.Random, area: Area, base: int) -> Area:
    """A word or half of the record or entry at `base` becomes something odd, or its neighbour by one."""
    wide = some.random() < 0.5
    at = base + some.randrange(0, 40, 8 if wide else 4)
    if not 0 <= at <= len(area.content) - 8:
        return area
    shape = "<Q" if wide else "<I"
    [old] = struct.unpack_from(shape, area.content, at)
    new = some.choice((old + 1, old - 1, _word(some), _word(some))) & ((1 << 64) - 1 if wide else ABSENT)
    return _overwrite(area, at, struct.pack(shape, new))


def _in_record(some: random.Random, area: Area) -> Area:
    return _a_field(some, area, 40 * some.randrange(max(1, area.last - area.first)))


def _in_entry(some: random.Random, area: Area) -> Area:
    return _a_field(some, area, len(area.content) - 40 * (1 + some.randrange(max(1, min(area.items, 100)))))


def _bits(some: random.Random, area: Area) -> Area:
    at = some.randrange(len(area.content))
    return _overwrite(area, at, bytes([area.content[at] ^ 1 << some.randrange(8)]))


def _swap(some: random.Random, area: Area) -> Area:
    """Two entries change places."""
    if not 2 <= area.items <= 100:
        return area
    one, other = (len(area.content) - 40 * (1 + some.randrange(area.items)) for _ in range(2))
    first, second = area.content[one : one + 40], area.content[other : other + 40]
    return _overwrite(_overwrite(area, one, second), other, first)


def _data_end(some: random.Random, area: Area) -> Area:
    odd = (area.data_end + 1, area.data_end - 1, len(area.content), len(area.content) - 40 * area.items, _word(some))
    return evolve(area, data_end=some.choice(odd) & (1 << 64) - 1)


def _items(some: random.Random, area: Area) -> Area:
    return evolve(
        area, items=some.choice((area.items + 1, area.items - 1, len(area.content) // 40, _word(some))) & (1 << 64) - 1
    )


def _range(some: random.Random, area: Area) -> Area:
    """The owner asked for other instances than the image believed."""
    count = some.choice((0, 1, area.last - area.first + 1))
    return evolve(area, last=min(area.first + count, (1 << 32) - 1))


DAMAGES = (_in_record, _in_record, _in_entry, _in_entry, _in_entry, _bits, _swap, _data_end, _items, _range)
