"""Values as the language writes them, for expected values and for failures. What is written reads back as the same value.

NaN and the infinities have no literal; they are written as the divisions that give them, with the bits behind in a failure.
"""

import math
import struct
from typing import Any

from dandc.compiler.encoding import Variant
from dandc.compiler.types import (
    Array,
    Named,
    Option,
    RecordDef,
    Result,
    Tuple,
    Type,
    TypeTable,
    fields,
    is_float,
    is_map,
    map_parts,
    variants,
)

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\\": "\\\\", '"': '\\"'}


def literal(t: Type, value: Any, types: TypeTable) -> str:
    """The expression for a neutral value of type `t`."""
    match t:
        case Array(item):
            return f"[{', '.join(literal(item, v, types) for v in value)}]"
        case Tuple(items):
            return f"({', '.join(literal(i, v, types) for i, v in zip(items, value, strict=True))})"
        case Named() if is_map(t):
            pair = Tuple(map_parts(t))
            return f"[{', '.join(literal(pair, v, types) for v in value)}].to_map()" if value else "map()"
        case Named() if isinstance(types.get(str(t)), RecordDef):
            parts = (f"{n}: {literal(ft, v, types)}" for (n, ft), v in zip(fields(t, types), value, strict=True))
            return f"{_short(t)}({', '.join(parts)})"
        case Option() | Result() | Named():
            return _variant(t, value, types)
    if is_float(t):
        return _float(str(t), value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return 'b"' + "".join(_byte(b) for b in value) + '"'
    if isinstance(value, str):
        return '"' + "".join(_char(c) for c in value) + '"'
    return "()" if value is None else str(value)


def bits(t: Type, value: Any) -> str:
    """The bits of a float in hexadecimal, with a space before; nothing for other values."""
    if not is_float(t):
        return ""
    return " (" + struct.pack(">d" if str(t) == "f64" else ">f", value).hex() + ")"


def _short(t: Named) -> str:
    return t.name.removeprefix("main.").removeprefix("prelude.")


def _variant(t: Type, value: Variant, types: TypeTable) -> str:
    name, payload = variants(t, types)[value.index]
    owner = f"{_short(t)}." if isinstance(t, Named) else ""
    inner = ", ".join(literal(p, v, types) for p, v in zip(payload, value.fields, strict=True))
    return f"{owner}{name}({inner})" if payload else f"{owner}{name}"


def _float(name: str, value: float) -> str:
    if math.isnan(value):
        return "0.0 / 0.0"
    if math.isinf(value):
        return "1.0 / 0.0" if value > 0 else "-1.0 / 0.0"
    text = repr(value) if name == "f64" else _shortest_f32(value)
    return text if "." in text or "e" in text else f"{text}.0"


def _shortest_f32(value: float) -> str:
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == value:
            return repr(float(text))
    return repr(value)


def _char(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else f"\\u{{{ord(char):X}}}"


def _byte(byte: int) -> str:
    char = chr(byte)
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if 32 <= byte < 127 else f"\\x{byte:02x}"
