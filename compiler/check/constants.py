"""Constant expressions without computation: literals, arrays, records, variants and named constants are looked at directly.

What needs more is computed by the interpreter (`evaluate`). Values are those of a kernel's constants (`kir.StaticValue`).
"""

from collections.abc import Callable, Mapping
from operator import add, mul, sub
from typing import Any

from dandc.compiler.check.infer import map_type
from dandc.compiler.encoding import Variant
from dandc.compiler.floats import nearest_float
from dandc.compiler.kir import StaticValue
from dandc.compiler.limits import CONSTANT_BYTES, CONSTANT_PARTS
from dandc.compiler.typed import TArray, TBinary, TCall, TExpr, TFString, TLit, TMake, TUnary, TVariant
from dandc.compiler.types import F64, I64, Basic, InferVar, Type, int_range, is_float, is_int
from dandc.lang.values import frozen


def size(value: StaticValue, known: dict[int, tuple[StaticValue, int]]) -> int:
    """Characters and parts of a value, counted no further than `CONSTANT_PARTS`; `known` has those of its parts."""
    found, waiting = 0, [value]
    while waiting and found <= CONSTANT_PARTS:
        part = waiting.pop()
        measured = known.get(id(part))
        found += measured[1] if measured else len(part) if isinstance(part, str | bytes) else 1
        if not measured and isinstance(part, tuple):
            waiting.extend(part)
        elif not measured and isinstance(part, Variant):
            waiting.extend(part.fields)
    known[id(value)] = (value, found)
    return found


def settle(t: Type, solutions: Mapping[int, Type]) -> Type:
    """`t` without inference variables, literals taking their default types."""
    if isinstance(t, Basic):
        return t

    def leaf(part: Type) -> Type:
        if not isinstance(part, InferVar):
            return part
        known = solutions.get(part.id)
        if known is not None:
            return settle(known, solutions)
        return F64 if part.kind == "float" else I64

    return map_type(t, leaf)


@frozen
class Reader:
    """Reads values off expressions; `known` are the values of named constants."""

    known: Mapping[str, StaticValue]
    solutions: Mapping[int, Type]

    def value(self, expr: TExpr) -> StaticValue:
        """The value of an expression; None if it must be computed (or is of type unit)."""
        match expr:
            case TLit(value=value, is_float=float_literal):
                return nearest_float(str(value), settle(expr.type, self.solutions)) if float_literal else value
            case TArray(items=args) | TMake(args=args):
                return self.all(args)
            case TVariant(variant=variant, args=args):
                payload = self.all(args)
                return None if payload is None else Variant(variant, payload)
            case TUnary(op="-", operand=operand) if is_float(settle(operand.type, self.solutions)):
                inner = self.value(operand)
                return -inner if isinstance(inner, float) else None
            case TBinary(op=op, left=left, right=right) if op in FOLDED:
                return self.folded(op, left, right)
            case TFString(parts=parts):
                texts = [v for v in map(self.value, parts) if isinstance(v, str)]
                return "".join(texts) if len(texts) == len(parts) else None
            case TCall(fn=fn, args=()):
                return self.known.get(fn)
        return None

    def all(self, items: tuple[TExpr, ...]) -> tuple[StaticValue, ...] | None:
        values: list[StaticValue] = []
        for item in items:
            value = self.value(item)
            if value is None:
                return None
            values.append(value)
        return tuple(values)

    def folded(self, op: str, left: TExpr, right: TExpr) -> StaticValue:
        """Sums, differences and products of integers that fit their type, and joined text."""
        a, b = self.value(left), self.value(right)
        t = settle(left.type, self.solutions)
        if is_int(t) and isinstance(a, int) and isinstance(b, int):
            low, high = int_range(t)
            result: int = FOLDED[op](a, b)
            return result if low <= result <= high else None
        if not (op == "+" and isinstance(a, str) and isinstance(b, str)) or len(a) + len(b) > CONSTANT_BYTES:
            return None
        return a + b


FOLDED: Mapping[str, Callable[[Any, Any], Any]] = {"+": add, "-": sub, "*": mul}
