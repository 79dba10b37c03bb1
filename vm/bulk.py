"""Encodes, decodes and makes many items of one type at once: a million of them cost a few calls into C, not a million.

Only where an array of the type is the items one behind the other; everything else, and anything unusual, is left to the
code that takes items one by one and can say what is wrong with which. So this may refuse, but never errs.
"""

from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Any, TypeVar

from attrs import AttrsInstance, fields

from dandc.compiler.encoding import decode, encode, scalar_size
from dandc.compiler.types import BOOL, BYTES, STR, Array, Type, int_range, is_float, is_int, is_scalar

T = TypeVar("T", bound=AttrsInstance)


def encode_all(t: Type, values: Sequence[Any]) -> list[bytes] | None:
    """The encoded items, or None if they must be looked at one by one."""
    kinds = set(map(type, values))
    if t == BYTES and kinds == {bytes}:
        return list(values)
    if t == STR and kinds == {str}:
        return _encode_texts(values)
    if is_int(t) and kinds == {int}:
        least, greatest = int_range(t)
        if least <= min(values) and max(values) <= greatest:
            return _encode_scalars(t, values)
    if is_float(t) and kinds == {float} and str(t) == "f64":
        return _encode_scalars(t, values)
    return None


def _encode_texts(values: Sequence[str]) -> list[bytes] | None:
    try:
        return [value.encode() for value in values]
    except UnicodeEncodeError:
        return None


def _encode_scalars(t: Type, values: Sequence[Any]) -> list[bytes]:
    data = encode(Array(t), list(values), {})
    size = scalar_size(t)
    return [data[i : i + size] for i in range(0, len(data), size)]


def decode_all(t: Type, values: Sequence[bytes]) -> list[Any] | None:
    """The neutral values, or None if they must be looked at one by one."""
    if t == BYTES:
        return list(values)
    if is_scalar(t) and t != BOOL and set(map(len, values)) == {scalar_size(t)}:
        decoded: list[Any] = decode(Array(t), b"".join(values), {})
        return decoded
    return None


def encode_all_keys(t: Type, keys: Sequence[Any]) -> list[bytes] | None:
    """The encoded keys, or None if they must be looked at one by one."""
    kinds = set(map(type, keys))
    if t == BYTES and kinds == {bytes}:
        return list(keys)
    if t == STR and kinds == {str}:
        return _encode_texts(keys)
    if is_int(t) and kinds == {int}:
        least, greatest = int_range(t)
        if least <= min(keys) and max(keys) <= greatest:
            size = scalar_size(t)
            return [(key - least).to_bytes(size, "big") for key in keys]
    return None


def decode_all_keys(t: Type, keys: Sequence[bytes | None]) -> list[Any] | None:
    """The neutral keys, or None if they must be looked at one by one. Every item has a key."""
    if is_int(t) and {len(key or b"") for key in keys} == {scalar_size(t)}:
        least, _ = int_range(t)
        return [int.from_bytes(key or b"", "big") + least for key in keys]
    return None


def make_all(kind: type[T], *columns: Sequence[Any]) -> tuple[T, ...]:
    """`kind(*row)` for every row of the columns. `kind` is an attrs class with slots that does nothing but keep its fields.

    A frozen class sets its fields by a call of Python each; here every field is set in all objects by one.
    """
    (count,) = set(map(len, columns))
    made = tuple(map(object.__new__, repeat(kind, count)))
    for attribute, column in zip(fields(kind), columns, strict=True):
        keep = getattr(kind, attribute.name).__set__
        deque(map(keep, made, column), maxlen=0)
    return made
