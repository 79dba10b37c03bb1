"""Takes values of a run's caller in: checks them against their types and takes secrets out.

Callers hand over neutral values (int, float, bool, str, bytes, None, list, tuple, `Variant`); a wrong one must become
an error that names the place, never a traceback out of an encoder. Secrets are replaced by handles on the way,
so that no later stage ever holds one.
"""

import math
import struct
from collections.abc import Callable
from typing import TypeVar

from dandc.compiler.encoding import Variant, has_duplicates
from dandc.compiler.types import (
    SECRET,
    Array,
    Basic,
    EnumDef,
    Named,
    Option,
    RecordDef,
    Result,
    Tuple,
    Type,
    TypeTable,
    fields,
    int_range,
    is_float,
    is_int,
    is_map,
    map_parts,
    variants,
)

MAX_DEPTH = 200


class ValueMismatchError(Exception):
    """A value does not fit its type. `path` leads to the place: `[3].level`, empty for the value itself."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'the value'}: {reason}")
        self.path = path
        self.reason = reason


T = TypeVar("T")
Seal = Callable[[object], str]


def admit(t: Type, value: object, types: TypeTable, seal: Seal) -> object:
    """`value` as a neutral value of `t`, its secrets sealed by `seal`; raises `ValueMismatchError`."""
    return _admit(t, value, types, seal, "", 0)


def _admit(t: Type, value: object, types: TypeTable, seal: Seal, path: str, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise ValueMismatchError(path, "nested too deeply")
    if isinstance(t, Basic):
        return _admit_basic(t, value, seal, path)
    if isinstance(t, Array):
        items: list[object] = _expect(list, "a list", value, path)
        return [_admit(t.item, v, types, seal, f"{path}[{i}]", depth + 1) for i, v in enumerate(items)]
    if isinstance(t, Option | Result) or (isinstance(t, Named) and isinstance(types.get(str(t)), EnumDef)):
        return _admit_variant(t, value, types, seal, path, depth)
    if is_map(t):
        return _admit_map(t, value, types, seal, path, depth)
    if isinstance(t, Tuple) or (isinstance(t, Named) and isinstance(types.get(str(t)), RecordDef)):
        parts = fields(t, types)
        return _admit_parts(parts, _expect(tuple, "a tuple", value, path), types, seal, path, depth)
    raise ValueMismatchError(path, f"the program has no type `{t}`")


def _admit_map(t: Type, value: object, types: TypeTable, seal: Seal, path: str, depth: int) -> list[object]:
    parts = tuple(zip(("key", "value"), map_parts(t), strict=True))
    pairs: list[object] = _expect(list, "a list of pairs", value, path)
    found = []
    for i, pair in enumerate(pairs):
        place = f"{path}[{i}]"
        found.append(_admit_parts(parts, _expect(tuple, "a pair", pair, place), types, seal, place, depth))
    if has_duplicates([key for key, _ in found]):
        raise ValueMismatchError(path, "a key of the map is there twice")
    return list(found)


def _admit_variant(t: Type, value: object, types: TypeTable, seal: Seal, path: str, depth: int) -> Variant:
    variant = _expect(Variant, "a variant", value, path)
    cases = variants(t, types)
    if not 0 <= variant.index < len(cases):
        raise ValueMismatchError(path, f"`{t}` has no variant number {variant.index}")
    name, payload = cases[variant.index]
    parts = tuple((f"{name}.{i}", item) for i, item in enumerate(payload))
    return Variant(variant.index, _admit_parts(parts, tuple(variant.fields), types, seal, path, depth))


def _admit_parts(
    parts: tuple[tuple[str, Type], ...],
    values: tuple[object, ...],
    types: TypeTable,
    seal: Seal,
    path: str,
    depth: int,
) -> tuple[object, ...]:
    if len(parts) != len(values):
        raise ValueMismatchError(path, f"{len(parts)} fields expected, {len(values)} given")
    return tuple(
        _admit(t, v, types, seal, f"{path}.{name}", depth + 1) for (name, t), v in zip(parts, values, strict=True)
    )


def _admit_basic(t: Basic, value: object, seal: Seal, path: str) -> object:
    if t == SECRET:
        return seal(value)
    if is_int(t):
        return _admit_int(t, value, path)
    if is_float(t):
        return _admit_float(t, value, path)
    if t.name == "bool":
        return _expect(bool, "a bool", value, path)
    if t.name == "str":
        return _admit_str(value, path)
    if t.name == "bytes":
        return bytes(value) if isinstance(value, bytearray | memoryview) else _expect(bytes, "bytes", value, path)
    if t.name == "unit" and value is None:
        return None
    raise ValueMismatchError(path, f"a value of `{t}` is expected, not {_kind(value)}")


def _admit_int(t: Basic, value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueMismatchError(path, f"an integer is expected, not {_kind(value)}")
    least, greatest = int_range(t)
    if not least <= value <= greatest:
        raise ValueMismatchError(path, f"the number does not fit `{t}`")
    return value


def _admit_float(t: Basic, value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueMismatchError(path, f"a number is expected, not {_kind(value)}")
    try:
        number = float(value)
        narrow = struct.unpack("<f", struct.pack("<f", number))[0] if t.name == "f32" else number
    except OverflowError:
        raise ValueMismatchError(path, f"the number does not fit `{t}`") from None
    if isinstance(value, int) and narrow != value:
        raise ValueMismatchError(path, f"`{t}` cannot hold this integer exactly")
    if math.isinf(narrow) and not math.isinf(number):
        raise ValueMismatchError(path, f"the number does not fit `{t}`")
    return float(narrow)


def _admit_str(value: object, path: str) -> str:
    text = _expect(str, "a str", value, path)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueMismatchError(path, "the text holds half of a surrogate pair") from None
    return text


def _expect(kind: type[T], what: str, value: object, path: str) -> T:
    if not isinstance(value, kind):
        raise ValueMismatchError(path, f"{what} is expected, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    """What a wrong value is. Never the value: it may be a secret."""
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
