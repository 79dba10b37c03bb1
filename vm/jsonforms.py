"""Shows how a value of a type is written as JSON, for somebody who has written it otherwise.

An example, never a value of a run; `vm/jsonvalues.py` says what is read.
"""

import json
from typing import Any

from dandc.compiler.flow import FlowType
from dandc.compiler.types import (
    STR,
    Array,
    Basic,
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

_BASIC = {"bool": True, "bytes": "Ynl0ZXM=", "unit": None}
# Types inside each other that an example follows; what lies deeper is left out.
_DEPTH = 3
_LONG = 160


def json_form(flow: FlowType, types: TypeTable) -> str:
    """An example of an input as JSON; empty where none is short enough to help."""
    item = _example(flow.item, types, _DEPTH)
    shape: Any = item
    if flow.card == "many" and flow.key is None:
        shape = [item]
    elif flow.card == "many" and flow.key is not None:
        key = _example(flow.key, types, _DEPTH)
        shape = {key: item} if flow.key == STR else [{"key": key, "value": item}]
    text = json.dumps(shape, ensure_ascii=False)
    return text if len(text) <= _LONG and _LEFT_OUT not in text else ""


_LEFT_OUT = "\u2026"


def _example(t: Type, types: TypeTable, depth: int) -> Any:
    if depth < 0:
        return _LEFT_OUT
    match t:
        case Basic(name):
            return 3 if is_int(t) else 0.5 if is_float(t) else _BASIC.get(name, "text")
        case Array(item):
            return [_example(item, types, depth - 1)]
        case Option(item):
            inner = _example(item, types, depth - 1)
            return {"some": inner} if isinstance(item, Option) or item == Basic("unit") else inner
        case Tuple(items):
            return [_example(i, types, depth - 1) for i in items]
        case Named() if is_map(t):
            key, value = (_example(part, types, depth - 1) for part in map_parts(t))
            return {key: value} if map_parts(t)[0] == STR else [[key, value]]
        case Named() if isinstance(types.get(str(t)), RecordDef):
            parts = zip(encoded_names(t, types), fields(t, types), strict=True)
            return {name: _example(ft, types, depth - 1) for name, (_, ft) in parts}
        case Result() | Named() if isinstance(t, Result) or str(t) in types:
            return _variant(t, types, depth)
    return _LEFT_OUT


def _variant(t: Type, types: TypeTable, depth: int) -> Any:
    """The first variant."""
    name, (_, items) = encoded_names(t, types)[0], variants(t, types)[0]
    payload = [_example(i, types, depth - 1) for i in items]
    if not payload:
        return name
    return {name: payload[0] if len(payload) == 1 else payload}
