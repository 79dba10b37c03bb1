"""Builds input blocks: the bytes that a sandbox reads (`docs/image.md`, "The input block").

Tables are filled column by column through strided assignment of arrays, because a Python loop over fields would cost
more than the kernels. Values are handed on as they are, without joining them, when they are large. Must never
trust a length that came out of an image: it takes lengths of Python buffers only.
"""

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from struct import Struct
from typing import cast

from dandc.isolation import progression, uniform
from dandc.vm.items import Buffer, ItemSet

NO_KEY = 0xFFFFFFFF
_HEAD = Struct("<4Q")
_ITEM = Struct("<3Q2I")
# Head, parameter table, instance row and item table of one item for one instance: the latter three begin at 32, 48, 56.
_SINGLE = Struct("<4Q 2Q 2I 3Q2I")
_FEW = 4
# Values start at multiples of 16. In a block with one that a loop may spend time on, at those of the widest vectors:
# a load that crosses cache lines costs two.
_EVEN, _WIDE, _WIDE_FROM = 16, 64, 4 << 10
_PADS = [bytes(n) for n in range(_WIDE)]
# Below this average size joining chunks is cheaper than a vectored write of them.
_JOIN_BELOW = 64 << 10


def build_block(params: Sequence[ItemSet], rows: "array[int]", instances: int) -> list[Buffer]:
    """The parts of one input block; concatenated they are the block.

    `rows` holds `start, count` (u32) for every parameter of every instance, instance by instance.
    """
    if len(params) == instances == 1 and len(params[0].values) == 1:
        return _single_block(params[0], rows)
    if sum(map(len, params)) <= _FEW:
        return _small_block(params, rows, instances)
    count = len(params)
    rows_at = 32 + 16 * count
    tables_at = rows_at + 8 * count * instances
    texts_at = tables_at + 32 * sum(map(len, params))
    texts: list[bytes] = []
    table, lengths, texts_end = _tables(params, texts, texts_at)
    unit = _unit(max(lengths))
    values_at = _up(texts_end, unit)
    _place_values(table, lengths, values_at, unit)
    head = [_HEAD.pack(count, instances, rows_at, 0), _param_tables(params, tables_at), _le(rows), _le(table)]
    front = b"".join([*head, *texts, _PADS[values_at - texts_end]])
    return [front, *_values(params, lengths, unit)]


def _unit(longest: int) -> int:
    """What the values of a block start at multiples of."""
    return _WIDE if longest >= _WIDE_FROM else _EVEN


def _up(at: int, unit: int) -> int:
    """`at` rounded up to a multiple of `unit`, a power of two."""
    return at + unit - 1 & -unit


def _single_block(items: ItemSet, rows: "array[int]") -> list[Buffer]:
    """The block of one item for one instance: the same but for a few numbers, so that all are packed at once."""
    key, name, value = items.keys[0], items.names[0], items.values[0]
    text = (key or b"") + name.encode()
    at, size = _SINGLE.size, len(value)
    value_at = _up(at + len(text), _unit(size))
    key_length, name_length = (NO_KEY, len(text)) if key is None else (len(key), len(text) - len(key))
    front = _SINGLE.pack(1, 1, 48, 0, 56, 1, rows[0], rows[1], at, value_at, size, key_length, name_length)
    parts = (front, text, _PADS[value_at - at - len(text)], value, _PADS[-size & 15])
    return [b"".join(parts)] if size < _JOIN_BELOW else [part for part in parts if len(part)]


def _small_block(params: Sequence[ItemSet], rows: "array[int]", instances: int) -> list[Buffer]:
    """The same for a few items, for which columns cost more than a loop."""
    count = len(params)
    rows_at = 32 + 16 * count
    tables_at = rows_at + 8 * count * instances
    items = [item for p in params for item in zip(p.keys, p.names, p.values, strict=True)]
    text_at = tables_at + 32 * len(items)
    texts = [(key or b"") + name.encode() for key, name, _ in items]
    unit = _unit(max((len(item[2]) for item in items), default=0))
    values_at = _up(text_at + sum(map(len, texts)), unit)
    parts: list[Buffer] = [_HEAD.pack(count, instances, rows_at, 0), _param_tables(params, tables_at), _le(rows)]
    value_at = values_at
    for (key, _, value), text in zip(items, texts, strict=True):
        key_length = NO_KEY if key is None else len(key)
        parts.append(_ITEM.pack(text_at, value_at, len(value), key_length, len(text) - len(key or b"")))
        text_at += len(text)
        value_at += _up(len(value), unit)
    parts += [*texts, _PADS[values_at - text_at]]
    for _, _, value in items:
        parts += (value, _PADS[-len(value) & unit - 1])
    return [b"".join(parts)] if value_at < _JOIN_BELOW else [part for part in parts if len(part)]


def _le(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _param_tables(params: Sequence[ItemSet], tables_at: int) -> bytes:
    fields = array("Q")
    for items in params:
        fields.extend((tables_at, len(items)))
        tables_at += 32 * len(items)
    return _le(fields)


def _tables(params: Sequence[ItemSet], texts: list[bytes], at: int) -> tuple["array[int]", "array[int]", int]:
    """The item tables without value offsets, the values' lengths, and where keys and names end."""
    table = array("Q")
    lengths = array("Q", map(len, chain.from_iterable(items.values for items in params)))
    for items in params:
        part = array("Q", bytes(32 * len(items)))
        at = _text_columns(items, part, texts, at)
        table.extend(part)
    table[2::4] = lengths
    return table, lengths, at


def _text_columns(items: ItemSet, part: "array[int]", texts: list[bytes], at: int) -> int:
    """Fill key offset and key and name length of one parameter's table; keys and names go to `texts`."""
    keys = items.keys
    names = [name.encode() if name else b"" for name in items.names] if any(items.names) else None
    if names is None and keys.count(None) == len(keys):
        part[0::4] = array("Q", [at]) * len(items)
        part[3::4] = array("Q", [NO_KEY]) * len(items)
        return at
    if names is None and None not in keys:
        return _key_column(cast("Sequence[bytes]", keys), part, texts, at)
    names = names or [b""] * len(items)
    joined = [(key or b"") + name for key, name in zip(keys, names, strict=True)]
    ends = array("Q", accumulate(map(len, joined), initial=at))
    texts.extend(joined)
    part[0::4] = ends[:-1]
    part[3::4] = array(
        "Q",
        [(NO_KEY if key is None else len(key)) | len(name) << 32 for key, name in zip(keys, names, strict=True)],
    )
    return ends[-1]


def _key_column(keys: Sequence[bytes], part: "array[int]", texts: list[bytes], at: int) -> int:
    """As above for items that all have a key, and none a name."""
    lengths = array("Q", map(len, keys))
    ends = array("Q", accumulate(lengths, initial=at))
    texts.extend(keys)
    part[0::4] = ends[:-1]
    part[3::4] = lengths
    return ends[-1]


def _place_values(table: "array[int]", lengths: "array[int]", at: int, unit: int) -> None:
    if _alike(lengths):
        table[1::4] = progression("Q", at, len(lengths), _up(lengths[0], unit))
        return
    ends = array("Q", accumulate([n + unit - 1 & -unit for n in lengths], initial=at))
    table[1::4] = ends[:-1]


def _alike(lengths: "array[int]") -> bool:
    """Whether all are the same, and not 0: the common case of numbers."""
    return bool(lengths) and lengths[0] > 0 and uniform(lengths, lengths[0])


def _values(params: Sequence[ItemSet], lengths: "array[int]", unit: int) -> list[Buffer]:
    values = list(chain.from_iterable(items.values for items in params))
    if not values:
        return []
    if _alike(lengths) and lengths[0] < _JOIN_BELOW:
        pad = _PADS[-lengths[0] & unit - 1]
        return [pad.join(values), pad]
    parts: list[Buffer] = [b""] * (2 * len(values))
    parts[0::2] = values
    parts[1::2] = [_PADS[-n & unit - 1] for n in lengths]
    if sum(lengths) < _JOIN_BELOW * len(values):
        return [b"".join(parts)]
    return [part for part in parts if len(part)]


def block_bytes(items: ItemSet) -> int:
    """About how many bytes the items take in a block: used to size shards."""
    return sum(map(len, items.values)) + 48 * len(items)


def chosen_rows(rows: "array[int]", params: int, first: int, instances: Sequence[int]) -> "array[int]":
    """The rows of some instances of a range that begins with `first`."""
    stride = 2 * params
    chosen = array("I")
    for instance in instances:
        chosen += rows[(instance - first) * stride : (instance - first + 1) * stride]
    return chosen
