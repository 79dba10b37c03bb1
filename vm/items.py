"""Sets of items as columns: the only form in which data lie between nodes.

Three parallel lists instead of one object an item: a fan-out of a million items costs a million values and
nothing else, and most steps over them are single calls into C. Values are encoded bytes (`docs/image.md`); nobody
here decodes them. An `ItemSet` is never changed after it is made.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from operator import gt
from typing import cast

from dandc.isolation.large import copied
from dandc.lang.values import frozen

Buffer = bytes | memoryview


@frozen(slots=True, eq=False, repr=False)
class ItemSet:
    """Columns of equal length: encoded key (None in keyless sets), name (may be empty), encoded value."""

    keys: Sequence[bytes | None]
    names: Sequence[str]
    values: Sequence[Buffer]

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, end: int) -> "ItemSet":
        """The items `start <= i < end`; this very set when that is all of them."""
        if start == 0 and end == len(self.values):
            return self
        return ItemSet(self.keys[start:end], self.names[start:end], self.values[start:end])


EMPTY = ItemSet((), (), ())


def single(value: Buffer, key: bytes | None = None, name: str = "") -> ItemSet:
    """A set of one item."""
    return ItemSet((key,), (name,), (value,))


def of_items(items: Iterable[tuple[bytes | None, str, Buffer]]) -> ItemSet:
    """The set of `(key, name, value)` items, in the order given."""
    rows = list(items)
    return ItemSet([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def sorted_by_key(items: ItemSet) -> ItemSet:
    """The items in the order of their keys; equal keys stay as they are. Every item has a key or none has."""
    keys: list[bytes] = [key for key in items.keys if key is not None]
    if not keys:
        return items
    if not any(map(gt, keys, islice(keys, 1, None))):
        return items
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return take(items, order)


def without_keys(items: ItemSet) -> ItemSet:
    """The same items without keys. Every item has a key or none has."""
    if not len(items) or items.keys[0] is None:
        return items
    return ItemSet([None] * len(items), items.names, items.values)


def take(items: ItemSet, order: Sequence[int]) -> ItemSet:
    """The items at the positions `order`, which holds each once."""
    names = list(map(items.names.__getitem__, order)) if any(items.names) else items.names
    return ItemSet(list(map(items.keys.__getitem__, order)), names, list(map(items.values.__getitem__, order)))


def as_bytes(value: Buffer) -> bytes:
    """The value as bytes of its own."""
    return value if isinstance(value, bytes) else copied(value)


def all_bytes(values: Sequence[Buffer]) -> Sequence[bytes]:
    """All values as bytes of their own; this very column when they are."""
    if set(map(type, values)) <= {bytes}:
        return cast("Sequence[bytes]", values)
    return list(map(as_bytes, values))


def total_bytes(items: ItemSet) -> int:
    """How many bytes the values of the set have together."""
    return sum(map(len, items.values))
