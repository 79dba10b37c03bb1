"""Lowers calls of intrinsic functions: what the standard library declares without a body."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dandc.compiler import kir
from dandc.compiler.check.calls import place_root
from dandc.compiler.kir import Lit, Operand
from dandc.compiler.lower import derive, derive_csv, derive_json
from dandc.compiler.typed import TCall
from dandc.compiler.types import I64, U64, UNIT, Type, is_float

if TYPE_CHECKING:
    from dandc.compiler.lower.functions import Lowering

DONE = Lit(UNIT, None)


def lower(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    """The code of the intrinsic call `e`."""
    return INTRINSICS[e.fn](low, e, type_args)


def _op(name: str) -> Callable[..., Operand]:
    """A pure primitive with the same parameters."""

    def rule(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
        args = low.reads_of(e.args, e.evaluation)
        low.b.site = e.span
        return low.b.op(name, low.type(e.type), *args)

    return rule


def _view(name: str) -> Callable[..., Operand]:
    """A primitive whose result is a view of its argument: a variable is shared first."""

    def rule(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
        root = place_root(e.args[0])
        base = low.own(e.args[0]) if root is not None and root.mutable else low.read(e.args[0])
        low.b.site = e.span
        return low.b.op(name, low.type(e.type), base)

    return rule


def _change(name: str, *, keeps: bool) -> Callable[..., Operand]:
    """A change of the receiver; `keeps`: the operand becomes part of it."""

    def rule(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
        same = place_root(e.args[0]) is place_root(e.args[1]) and place_root(e.args[1]) is not None
        place = low.place(e.args[0])
        operand = low.own(e.args[1]) if keeps or same else low.read(e.args[1])
        low.b.site = e.span
        low.b.mutate(name, place, operand)
        return DONE

    return rule


def _unreachable(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    low.b.add(kir.Trap(e.span, "trap.unreachable"))
    return DONE


def _encode(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    value = low.read(e.args[0])
    low.b.site = e.span
    return derive_json.encode(low.context, low.b, value)


def _decode(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    text = low.read(e.args[0])
    low.b.site = e.span
    return derive_json.decode(low.context, low.b, text, type_args[0], low.type(e.type))


def _hash(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    value = low.read(e.args[0])
    low.b.site = e.span
    return low.b.call(derive.hashing(low.context, type_args[0]), U64, Lit(U64, derive.HASH_START), value)


def _field_names(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    return derive.field_names(low, type_args[0])


def _field_texts(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    value = low.read(e.args[0])
    low.b.site = e.span
    return derive.field_texts(low, value)


def _sum(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    """The sum is another function for floats, for 64-bit integers and for narrower ones."""
    from dandc.compiler.lower.functions import instance

    t = type_args[0]
    args: tuple[Type, ...] = () if t in (I64, U64) else (t,)
    name = f"sum_{t}" if not args else "sum_floats" if is_float(t) else "sum_narrow"
    values = low.read(e.args[0])
    low.b.site = e.span
    return low.b.call(instance(low.context, f"prelude.{name}", args, ()), t, values)


def _parse(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    text = low.read(e.args[0])
    low.b.site = e.span
    return derive.parse_number(low.context, low.b, type_args[0], text)


def _encode_csv(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    rows, separator = low.reads_of(e.args)
    low.b.site = e.span
    return derive_csv.encode(low.context, low.b, rows, separator)


def _decode_csv(low: "Lowering", e: TCall, type_args: tuple[Type, ...]) -> Operand:
    text, separator = low.reads_of(e.args)
    low.b.site = e.span
    return derive_csv.decode(low.context, low.b, text, separator, low.type(e.type))


INTRINSICS: dict[str, Callable[..., Operand]] = {
    "prelude.array.len": _op("len"),
    "prelude.array.append": _change("append", keeps=True),
    "prelude.array.extend": _change("extend", keeps=False),
    "prelude.array.truncate": _change("truncate", keeps=False),
    "prelude.array.sum": _sum,
    "prelude.array.reserve": _change("reserve", keeps=False),
    "prelude.filled": _op("array_filled"),
    "prelude.str.len": _op("len"),
    "prelude.str.append": _change("extend", keeps=False),
    "prelude.str.parse": _parse,
    "prelude.str.to_bytes": _view("to_bytes"),
    "prelude.bytes.len": _op("len"),
    "prelude.bytes.append": _change("append", keeps=False),
    "prelude.bytes.extend": _change("extend", keeps=False),
    "prelude.str_unchecked": _view("str_unchecked"),
    "prelude.f64.sqrt": _op("sqrt"),
    "prelude.f64.floor": _op("floor"),
    "prelude.f64.ceil": _op("ceil"),
    "prelude.f64.trunc": _op("trunc"),
    "prelude.f64.abs": _op("abs"),
    "prelude.i64.abs": _op("abs"),
    "prelude.wrap": _op("wrap"),
    "prelude.to_bits": _op("bits"),
    "prelude.from_bits": _op("bits"),
    "prelude.to_bits32": _op("bits"),
    "prelude.unreachable": _unreachable,
    "prelude.hash": _hash,
    "prelude.field_names": _field_names,
    "prelude.*.field_texts": _field_texts,
    "csv.encode": _encode_csv,
    "csv.decode": _decode_csv,
    "json.encode": _encode,
    "json.decode": _decode,
}
