"""Whole sets as bytes, in parts of bounded size: what a journal keeps of inputs and outputs.

Lengths stand in front of what they are the lengths of, column by column, so that a set of a million items is written and read
in a few calls into C. Reading checks every length: the bytes lie in a file.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from dandc.vm.items import Buffer, ItemSet

_HEAD = struct.Struct("<I??")
_ABSENT = (1 << 32) - 1
_PART_BYTES = 4 << 20
_PART_ITEMS = 1 << 16


class ColumnsError(Exception):
    """Bytes that are no part of a set."""


def parts(items: ItemSet) -> Iterator[bytes]:
    """The set in parts, each at least one item; none for the empty set."""
    start, size = 0, 0
    for i, value in enumerate(items.values):
        size += len(value)
        if size > _PART_BYTES or i + 1 - start == _PART_ITEMS:
            yield _part(items.slice(start, i + 1))
            start, size = i + 1, 0
    if start < len(items):
        yield _part(items.slice(start, len(items)))


def _part(items: ItemSet) -> bytes:
    keyed = any(key is not None for key in items.keys)
    named = any(items.names)
    keys = [key or b"" for key in items.keys] if keyed else []
    names = [name.encode("utf-8", "surrogatepass") for name in items.names] if named else []
    lengths = array("I", [_ABSENT if key is None else len(key) for key in items.keys] if keyed else [])
    lengths.extend(map(len, names))
    lengths.extend(map(len, items.values))
    return b"".join((_HEAD.pack(len(items), keyed, named), _little(lengths), *keys, *names, *items.values))


def joined(data: Iterable[bytes]) -> ItemSet:
    """The set whose parts these are; raises `ColumnsError`."""
    keys: list[bytes | None] = []
    names: list[str] = []
    values: list[Buffer] = []
    for part in data:
        _read(part, keys, names, values)
    return ItemSet(keys, names, values)


def _read(data: bytes, keys: list[bytes | None], names: list[str], values: list[Buffer]) -> None:
    try:
        count, keyed, named = _HEAD.unpack_from(data)
    except struct.error:
        raise ColumnsError("the head is missing") from None
    columns = 1 + keyed + named
    at = _HEAD.size + 4 * count * columns
    if at > len(data):
        raise ColumnsError("the lengths run over the end")
    lengths = array("I", data[_HEAD.size : at])
    if sys.byteorder == "big":
        lengths.byteswap()
    ends = list(
        accumulate((0 if keyed and i < count and n == _ABSENT else n for i, n in enumerate(lengths)), initial=at)
    )
    if ends[-1] != len(data):
        raise ColumnsError("the lengths are not those of the data")
    pieces = [data[start:end] for start, end in pairwise(ends)]
    keys += _keys(pieces[:count], lengths) if keyed else [None] * count
    names += _names(pieces[count * keyed : count * (keyed + 1)]) if named else [""] * count
    values += pieces[count * (columns - 1) :]


def _keys(pieces: list[bytes], lengths: "array[int]") -> list[bytes | None]:
    return [None if length == _ABSENT else key for key, length in zip(pieces, lengths, strict=False)]


def _names(pieces: list[bytes]) -> list[str]:
    try:
        return [piece.decode("utf-8", "surrogatepass") for piece in pieces]
    except UnicodeDecodeError:
        raise ColumnsError("a name is no text") from None


def _little(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()
