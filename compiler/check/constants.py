"""Constant expressions: literals, arrays, records, variants and named constants, evaluated while checking."""

from collections.abc import Callable, Mapping
from operator import add, mul, sub
from typing import Any

from dandc.compiler.check.infer import map_type
from dandc.compiler.check.symbols import World
from dandc.compiler.encoding import Variant
from dandc.compiler.typed import (
    TArray,
    TBinary,
    TCall,
    TExpr,
    TFString,
    TLit,
    TMake,
    TReturn,
    TUnary,
    TVariant,
)
from dandc.compiler.types import F64, I64, InferVar, Type, int_range, is_float, is_int

Value = object


def settle(t: Type, solutions: Mapping[int, Type]) -> Type:
    """`t` without inference variables, literals taking their default types."""

    def leaf(part: Type) -> Type:
        if not isinstance(part, InferVar):
            return part
        known = solutions.get(part.id)
        if known is not None:
            return settle(known, solutions)
        return F64 if part.kind == "float" else I64

    return map_type(t, leaf)


def constant_value(world: World, expr: TExpr, solutions: Mapping[int, Type]) -> Value | None:
    """The neutral value of a constant expression (see `compiler/encoding.py`), or None if it is not one."""
    match expr:
        case TLit(value=value, is_float=float_literal):
            return float(str(value)) if float_literal else value
        case TArray(items=items):
            return _all(world, items, solutions, list)
        case TMake(args=args):
            return _all(world, args, solutions, tuple)
        case TVariant(variant=variant, args=args):
            payload = _all(world, args, solutions, tuple)
            return None if payload is None else Variant(variant, payload)
        case TUnary(op="-", operand=operand) if is_float(settle(operand.type, solutions)):
            inner = constant_value(world, operand, solutions)
            return -inner if isinstance(inner, float) else None
        case TBinary(op=op, left=left, right=right) if op in FOLDED:
            return _folded(world, expr, left, right, solutions)
        case TFString(parts=parts):
            values = [constant_value(world, p, solutions) for p in parts]
            return "".join(v for v in values if isinstance(v, str)) if all(isinstance(v, str) for v in values) else None
        case TCall(fn=fn, args=()) if fn in world.fns and not world.fns[fn].params:
            checked = world.typed_fn(fn)
            body = checked.body
            if body and len(body) == 1 and isinstance(body[0], TReturn) and body[0].value is not None:
                return constant_value(world, body[0].value, checked.solutions)
    return None


FOLDED: Mapping[str, Callable[[Any, Any], Any]] = {"+": add, "-": sub, "*": mul}


def _folded(
    world: World, expr: TBinary, left: TExpr, right: TExpr, solutions: Mapping[int, Type]
) -> Value | None:
    """Sums, differences and products of integers that fit their type, and joined text."""
    a, b = constant_value(world, left, solutions), constant_value(world, right, solutions)
    t = settle(expr.left.type, solutions)
    if is_int(t) and isinstance(a, int) and isinstance(b, int):
        low, high = int_range(t)
        result = FOLDED[expr.op](a, b)
        return result if low <= result <= high else None
    return a + b if expr.op == "+" and isinstance(a, str) and isinstance(b, str) else None


def _all(world: World, items: tuple[TExpr, ...], solutions: Mapping[int, Type], make: type) -> Value | None:
    values = [constant_value(world, i, solutions) for i in items]
    return None if any(v is None for v in values) else make(values)
