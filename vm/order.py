"""Brings items from the order in which they arrived into their own: by key, instance and emission.

Positions are arrays of 32-bit numbers, and None where nothing has to move, which is the common case: a million items must
not cost a million objects just to be told that they are in order. Instances arrive in runs that ascend, so that
sorting the runs is enough, unless runs overlap.
"""

from array import array
from collections.abc import Sequence
from itertools import chain, compress, islice, pairwise
from operator import gt
from typing import TypeVar

K = TypeVar("K", bytes, int)


def arrange(
    instances: Sequence[Sequence[int]], keys: Sequence[Sequence[bytes]] | None, final: "array[int] | None"
) -> "array[int] | None":
    """The arrival positions in final order, or None if that is the order of arrival.

    `instances` holds ascending instance numbers by batch, `keys` the keys of the same items (None: the set has none);
    `final` maps instance numbers to the order of the instances. What one instance emitted lies in one batch, in order.
    """
    order = None if final is None and _ascending(instances) else _by_instance(instances, final)
    if keys is None:
        return order
    column = list(chain.from_iterable(keys))
    if order is not None:
        column = list(map(column.__getitem__, order))
    if not _descends(column):
        return order
    by_key = sorted(range(len(column)), key=column.__getitem__)
    return array("I", by_key if order is None else map(order.__getitem__, by_key))


def inverse(order: "array[int] | None") -> "array[int] | None":
    """Arrival position to final position."""
    if order is None:
        return None
    places = array("I", bytes(4 * len(order)))
    for place, arrival in enumerate(order):
        places[arrival] = place
    return places


def _ascending(batches: Sequence[Sequence[int]]) -> bool:
    return all(before[-1] <= after[0] for before, after in pairwise(batches) if before and after)


def _descends(column: Sequence[K]) -> bool:
    return any(map(gt, column, islice(column, 1, None)))


def _by_instance(batches: Sequence[Sequence[int]], final: "array[int] | None") -> "array[int] | None":
    column = array("I")
    for batch in batches:
        column.extend(batch if final is None else map(final.__getitem__, batch))
    if not _descends(column):
        return None
    starts = [0, *compress(range(1, len(column)), map(gt, column, islice(column, 1, None))), len(column)]
    runs = sorted(pairwise(starts), key=lambda run: column[run[0]])
    if all(column[before[1] - 1] < column[after[0]] for before, after in pairwise(runs)):
        return array("I", chain.from_iterable(range(*run) for run in runs))
    return array("I", sorted(range(len(column)), key=column.__getitem__))
