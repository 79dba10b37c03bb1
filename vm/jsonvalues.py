"""JSON to typed values and back, for the command line and for people.

| type | JSON |
|---|---|
| integers | number, exact: `1.0` is one, `1.5` is not |
| floats | number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
| str, secret | string |
| bytes | base64 string |
| unit | null |
| array, tuple | array |
| option | null or the value; an option of an option: `{"some": value}` or null |
| map | object if keys are str, else array of `[key, value]`; no key twice |
| record | object; unknown fields are ignored, a missing option is none |
| enum | `"name"` without payload, else `{"name": payload}`, several payloads as an array |
| result | `{"ok": value}` or `{"err": value}` |

What does not fit is a `ValueMismatchError` with the path to the place. Never shows a value in an error.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import FlowType
from dandc.compiler.types import (
    STR,
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
    encoded_names,
    fields,
    is_float,
    is_int,
    is_map,
    map_parts,
    variants,
)
from dandc.vm.prepare import InputItem
from dandc.vm.secrets import Secret
from dandc.vm.values import MAX_DEPTH, ValueMismatchError

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
F32 = Basic("f32")
_ITEM_FIELDS = {"name", "key", "value"}


def parse_json(text: str) -> Any:
    """The JSON value of `text`, as Python has it; duplicate names and non-JSON numbers are errors."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueMismatchError("", "the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        # A value alone on a line needs no place, and a person who did not mean JSON no parser's words.
        place = f": {error.msg} at line {error.lineno}, column {error.colno}" if error.pos else ""
        raise ValueMismatchError("", f"this is not JSON{place}") from None
    except ValueError as error:
        raise ValueMismatchError("", f"this is not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueMismatchError("", f"the name `{twice}` stands twice in one object")
    return found


class _Written(float):
    """A number with a fraction or an exponent, as it was written: an f32 is rounded once, not by way of an f64."""

    __slots__ = ("text",)
    text: str


def _finite(text: str) -> float:
    number = _Written(text)
    number.text = text
    if math.isinf(number):
        raise ValueMismatchError("", f"the number `{text[:20]}` is too large")
    return number


def _no_constant(text: str) -> Any:
    raise ValueMismatchError("", f"`{text}` is not JSON")


def from_json(t: Type, shape: Any, types: TypeTable) -> Any:
    """The neutral value of type `t` that the JSON value `shape` stands for; raises `ValueMismatchError`.

    Ranges of integers and the text of strings are checked when the value is taken into a run.
    """
    return _read(t, shape, types, "", 0)


def _read(t: Type, shape: Any, types: TypeTable, path: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueMismatchError(path, "nested too deeply")
    match t:
        case Basic():
            return _read_basic(t, shape, path)
        case Array(item):
            values = _expect(list, "an array", shape, path)
            return [_read(item, v, types, f"{path}[{i}]", depth + 1) for i, v in enumerate(values)]
        case Option(item):
            return _read_option(item, shape, types, path, depth)
        case Tuple(items):
            return _read_tuple(items, shape, types, path, depth)
        case Named() if is_map(t):
            return _read_map(t, shape, types, path, depth)
        case Named() if isinstance(types.get(str(t)), RecordDef):
            return _read_record(t, shape, types, path, depth)
        case Result() | Named():
            return _read_variant(t, shape, types, path, depth)
    raise ValueMismatchError(path, f"a value of type `{t}` cannot be written as JSON")


def _read_basic(t: Basic, shape: Any, path: str) -> Any:
    if is_int(t):
        return _read_int(shape, path)
    if is_float(t):
        if isinstance(shape, str) and shape in _SPECIAL:
            return _SPECIAL[shape]
        return _read_f32(shape) if isinstance(shape, _Written) and t == F32 else _number(shape, path)
    if t.name == "bool":
        return _expect(bool, "true or false", shape, path)
    if t.name == "unit":
        return _expect(type(None), "null", shape, path)
    if isinstance(shape, bytes if t.name == "bytes" else Secret if t.name == "secret" else ()):
        return shape  # from Python, which has these values itself
    text = _expect(str, "a string", shape, path)
    if t.name != "bytes":
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueMismatchError(path, "the string is not base64") from None


def _read_f32(shape: _Written) -> float:
    from dandc.compiler.floats import nearest_float  # takes fractions with it, which few runs need

    return nearest_float(shape.text, F32)


def _number(shape: Any, path: str) -> int | float:
    if isinstance(shape, bool) or not isinstance(shape, int | float):
        raise ValueMismatchError(path, f"a number is expected, not {_kind(shape)}")
    return shape


def _read_int(shape: Any, path: str) -> int:
    number = _number(shape, path)
    if isinstance(number, int):
        return number
    # Beyond 2^53 the digits of a float have been lost before they got here.
    if not number.is_integer() or abs(number) > 2.0**53:
        raise ValueMismatchError(path, "the number is not an integer")
    return int(number)


def _read_option(item: Type, shape: Any, types: TypeTable, path: str, depth: int) -> Variant:
    if shape is None:
        return Variant(0)
    if _takes_null(item):
        wrapped = _expect(dict, 'null or `{"some": value}`', shape, path)
        if set(wrapped) != {"some"}:
            raise ValueMismatchError(path, 'null or `{"some": value}` is expected')
        shape, path = wrapped["some"], f"{path}.some"
    return Variant(1, (_read(item, shape, types, path, depth + 1),))


def _takes_null(t: Type) -> bool:
    """Whether null is a value of `t` itself, so that an option of it needs a wrapping."""
    return isinstance(t, Option) or t == Basic("unit")


def _read_tuple(items: Sequence[Type], shape: Any, types: TypeTable, path: str, depth: int) -> tuple[Any, ...]:
    values = _expect(list, "an array", shape, path)
    if len(values) != len(items):
        raise ValueMismatchError(path, f"{len(items)} elements are expected, {len(values)} are there")
    return tuple(
        _read(t, v, types, f"{path}[{i}]", depth + 1) for i, (t, v) in enumerate(zip(items, values, strict=True))
    )


def _read_map(t: Named, shape: Any, types: TypeTable, path: str, depth: int) -> list[tuple[Any, Any]]:
    """Pairs in order. Two keys that are equal are found when the value is taken into a run."""
    key, item = map_parts(t)
    if key == STR or isinstance(shape, dict):  # a dict of other keys comes from Python
        members = _expect(dict, "an object", shape, path).items()
        places = [(k, v, f"{path}.{k}" if isinstance(k, str) else path) for k, v in members]
        return [(_read(key, k, types, at, depth + 1), _read(item, v, types, at, depth + 1)) for k, v, at in places]
    pairs = _expect(list, "an array of pairs", shape, path)
    found = [_read_tuple((key, item), pair, types, f"{path}[{i}]", depth + 1) for i, pair in enumerate(pairs)]
    return [(k, v) for k, v in found]


def _read_record(t: Named, shape: Any, types: TypeTable, path: str, depth: int) -> tuple[Any, ...]:
    given = _expect(dict, "an object", shape, path)
    values = []
    for name, (_, field_type) in zip(encoded_names(t, types), fields(t, types), strict=True):
        if name not in given and not isinstance(field_type, Option):
            raise ValueMismatchError(path, f"the field `{name}` is missing")
        values.append(_read(field_type, given.get(name), types, f"{path}.{name}", depth + 1))
    return tuple(values)


def _read_variant(t: Type, shape: Any, types: TypeTable, path: str, depth: int) -> Variant:
    if isinstance(t, Named) and not isinstance(types.get(str(t)), EnumDef):
        raise ValueMismatchError(path, f"the program has no type `{t}`")
    rows, names = variants(t, types), encoded_names(t, types)
    if isinstance(shape, str):
        name, payload = shape, []
    else:
        wrapped = _expect(dict, "a string or an object with one field", shape, path)
        if len(wrapped) != 1:
            raise ValueMismatchError(path, "an object with one field is expected")
        name, inner = next(iter(wrapped.items()))
        payload = [inner]
    if name not in names:
        raise ValueMismatchError(path, f"one of {', '.join(f'`{n}`' for n in names)} is expected")
    index = names.index(name)
    items = rows[index][1]
    if len(items) > 1 and payload:
        return Variant(index, _read_tuple(items, payload[0], types, f"{path}.{name}", depth))
    if len(items) != len(payload):
        raise ValueMismatchError(path, f"`{name}` takes {len(items)} values")
    return Variant(index, tuple(_read(items[0], v, types, f"{path}.{name}", depth + 1) for v in payload))


def _expect(kind: type, what: str, shape: Any, path: str) -> Any:
    if not isinstance(shape, kind) or (isinstance(shape, bool) and kind is not bool):
        raise ValueMismatchError(path, f"{what} is expected, not {_kind(shape)}")
    return shape


def _kind(shape: Any) -> str:
    """The JSON kind of a wrong value. Never the value: it may be a secret."""
    names = {bool: "a bool", int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}
    names |= {type(None): "null", bytes: "bytes", Secret: "a secret"}
    return names.get(type(shape), "something else")


def to_json(t: Type, value: Any, types: TypeTable) -> Any:
    """The JSON value of a neutral value of type `t`; `from_json` reads it back."""
    return _write(t, value, types, _write_basic)


def to_python(t: Type, value: Any, types: TypeTable) -> Any:
    """The same shape in plain Python values: bytes and special floats stay what they are."""
    return _write(t, value, types, lambda _, basic: basic)


def _write(t: Type, value: Any, types: TypeTable, basic: Callable[[Basic, Any], Any]) -> Any:
    match t:
        case Basic():
            return basic(t, value)
        case Array(item):
            return [_write(item, v, types, basic) for v in value]
        case Tuple(items):
            return [_write(i, v, types, basic) for i, v in zip(items, value, strict=True)]
        case Option(item):
            if value.index == 0:
                return None
            inner = _write(item, value.fields[0], types, basic)
            return {"some": inner} if _takes_null(item) else inner
        case Named() if is_map(t):
            key, item = map_parts(t)
            pairs = [(_write(key, k, types, basic), _write(item, v, types, basic)) for k, v in value]
            return dict(pairs) if key == STR else [list(pair) for pair in pairs]
        case Named() if isinstance(types[str(t)], RecordDef):
            parts = zip(encoded_names(t, types), fields(t, types), value, strict=True)
            return {name: _write(ft, v, types, basic) for name, (_, ft), v in parts}
    return _write_variant(t, value, types, basic)


def _write_basic(t: Basic, value: Any) -> Any:
    if is_float(t) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if t.name == "bytes":
        return base64.b64encode(value).decode()
    return value


def _write_variant(t: Type, value: Variant, types: TypeTable, basic: Callable[[Basic, Any], Any]) -> Any:
    name, items = encoded_names(t, types)[value.index], variants(t, types)[value.index][1]
    payload = [_write(i, v, types, basic) for i, v in zip(items, value.fields, strict=True)]
    if not payload:
        return name
    return {name: payload[0] if len(payload) == 1 else payload}


def items_from_json(flow: FlowType, shape: Any, types: TypeTable) -> list[InputItem]:
    """The items of an input: the value itself, or for a set an array of values or of `{"name", "key", "value"}`.

    A set whose keys are `str` may be an object of values by key; from Python, a dict of any keys.

    Every element of a keyed set has the second form. Of a keyless set it has it when all of its fields are among those
    names, `value` is there, and the item's own type has no field of that name. An optional input may be null.
    """
    if flow.card != "many":
        if flow.card == "optional" and shape is None and not _takes_null(flow.item):
            return []
        return [_item(flow, shape, types, "")]
    if isinstance(shape, dict) and flow.key is not None and _has_keys(flow.key, shape):
        return [
            InputItem(
                _read(flow.item, v, types, f".{k}" if isinstance(k, str) else "", 0),
                key=_read(flow.key, k, types, "", 0),
            )
            for k, v in shape.items()
        ]
    elements = _expect(list, "an array", shape, "")
    return [_item(flow, element, types, f"[{i}]") for i, element in enumerate(elements)]


def _has_keys(key: Type, shape: dict[Any, Any]) -> bool:
    """Whether the names of an object can be keys of this type: what JSON has of other types stands in no name."""
    return key == STR or (bool(shape) and not any(isinstance(k, str) for k in shape))


def _item(flow: FlowType, shape: Any, types: TypeTable, path: str) -> InputItem:
    if flow.key is not None and not isinstance(shape, dict):
        raise ValueMismatchError(path, 'an object with "key" and "value" is expected')
    if flow.key is None and not _is_item_form(flow.item, shape, types):
        return InputItem(_read(flow.item, shape, types, path, 0))
    for name in ("value", *(("key",) if flow.key is not None else ())):
        if name not in shape:
            raise ValueMismatchError(path, f"the field `{name}` is missing")
    surplus = sorted(set(shape) - _ITEM_FIELDS)
    if surplus or (flow.key is None and "key" in shape):
        raise ValueMismatchError(path, f"an item has no field `{surplus[0] if surplus else 'key'}`")
    name = _expect(str, "a string", shape.get("name", ""), f"{path}.name")
    key = None if flow.key is None else _read(flow.key, shape["key"], types, f"{path}.key", 0)
    return InputItem(_read(flow.item, shape["value"], types, f"{path}.value", 0), name, key)


def _is_item_form(item: Type, shape: Any, types: TypeTable) -> bool:
    if not isinstance(shape, dict) or "value" not in shape or not set(shape) <= _ITEM_FIELDS:
        return False
    definition = types.get(str(item))
    return definition is None or "value" not in encoded_names(item, types)
