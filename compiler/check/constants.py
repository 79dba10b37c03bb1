"""Constant expressions: literals, arrays, records, variants and named constants, evaluated while checking."""

from collections.abc import Callable, Mapping
from operator import add, mul, sub
from typing import Any

from dandc.compiler.check.captures import walk
from dandc.compiler.check.circles import circles, circular, producers_first
from dandc.compiler.check.infer import map_type
from dandc.compiler.check.report import simple
from dandc.compiler.check.symbols import World
from dandc.compiler.encoding import Variant, has_duplicates
from dandc.compiler.floats import nearest_float
from dandc.compiler.typed import (
    TArray,
    TBinary,
    TCall,
    TExpr,
    TFnRef,
    TFString,
    TLit,
    TMake,
    TReturn,
    TUnary,
    TVariant,
)
from dandc.compiler.types import F64, I64, InferVar, Type, int_range, is_float, is_int
from dandc.lang import tree

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
            return nearest_float(str(value), settle(expr.type, solutions)) if float_literal else value
        case TArray(items=items):
            return _all(world, items, solutions, list)
        case TMake(args=args):
            return _all(world, args, solutions, tuple)
        case TVariant(variant=variant, args=args):
            payload = _all(world, args, solutions, tuple)
            return Variant(variant, payload) if isinstance(payload, tuple) else None
        case TUnary(op="-", operand=operand) if is_float(settle(operand.type, solutions)):
            inner = constant_value(world, operand, solutions)
            return -inner if isinstance(inner, float) else None
        case TBinary(op=op, left=left, right=right) if op in FOLDED:
            return _folded(world, expr, left, right, solutions)
        case TFString(parts=parts):
            values = [constant_value(world, p, solutions) for p in parts]
            return "".join(v for v in values if isinstance(v, str)) if all(isinstance(v, str) for v in values) else None
        case TCall(fn="prelude.map"):
            return []
        case TCall(fn="prelude.array.to_map", args=(pairs,)):
            entries = constant_value(world, pairs, solutions)
            return entries if isinstance(entries, list) and not has_duplicates([k for k, _ in entries]) else None
        case TCall(fn=fn, args=()):
            return world.values.get(fn)
    return None


def settle_constants(world: World) -> None:
    """Evaluate all constants, those that others need first; report those that need themselves."""
    constants = {name for name, fn in world.fns.items() if isinstance(fn.item, tree.ConstItem)}
    edges = {name: _needed(world, name, constants) for name in constants if name in world.checked_fns}
    for path in circles(dict(sorted(edges.items(), key=lambda e: world.fns[e[0]].span.start))):
        decl = world.fns[path[0]]
        names = [world.fns[n].item.name.text for n in (*path, path[0])]
        notes = (f"needed for each other: {' -> '.join(f'`{n}`' for n in names)}",)
        message = f"the constant `{names[0]}` needs itself"
        world.sink.add(simple("T0338", message, decl.span, "its value would never end", notes=notes))
    world.broken |= set(circular(edges))
    for name in producers_first(edges):
        item = world.fns[name].item.span
        if any(
            d.span and d.span.file == item.file and item.start <= d.span.start < item.end
            for d in world.sink.diagnostics
        ):
            world.broken.add(name)
        if name not in world.broken and not world.broken.intersection(edges[name]):
            checked = world.checked_fns[name]
            body = checked.body
            if body and isinstance(body[0], TReturn) and body[0].value is not None:
                value = constant_value(world, body[0].value, checked.solutions)
                if value is not None:
                    world.values[name] = value


def _needed(world: World, name: str, constants: set[str]) -> list[str]:
    """The constants that the constant `name` needs, itself or through helpers."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for node in walk(world.typed_fn(waiting.pop()).body or ()):
            if isinstance(node, TCall | TFnRef) and node.fn in constants:
                found[node.fn] = None
            elif isinstance(node, TCall | TFnRef) and node.fn not in seen:
                seen.add(node.fn)
                waiting.append(node.fn)
    return list(found)


FOLDED: Mapping[str, Callable[[Any, Any], Any]] = {"+": add, "-": sub, "*": mul}


def _folded(world: World, expr: TBinary, left: TExpr, right: TExpr, solutions: Mapping[int, Type]) -> Value | None:
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
