"""JSON codecs derived from types.

An encoder `fn(value, inout out: str)` appends; a decoder `fn(inout p: json.Parser) -> option[T]` gives `none` after it has
noted in the parser what is wrong and, on the way out, the path to it. The parts that do not depend on a type (scanning,
numbers, escapes) are written in `stdlib/json.dnd`.
"""

import json

from dandc.compiler import kir
from dandc.compiler.kir import FieldStep, IndexStep, Lit, Operand, PayloadStep, Place
from dandc.compiler.lower.builder import Builder, at
from dandc.compiler.lower.context import Context
from dandc.compiler.lower.derive import is_record
from dandc.compiler.types import (
    BOOL,
    I64,
    MAP,
    STR,
    UNIT,
    Array,
    Basic,
    Named,
    Option,
    Tuple,
    Type,
    encoded_names,
    fields,
    int_range,
    is_int,
    is_map,
    is_signed,
    map_parts,
    variants,
)
from dandc.lang.spans import NOWHERE

PARSER = Named("json.Parser")
ERROR = Named("json.Error")
U64 = Basic("u64")


def _helper(context: Context, name: str) -> str:
    from dandc.compiler.lower.functions import instance

    return instance(context, f"json.{name}", (), ())


# Encoding.


def encode(context: Context, b: Builder, value: Operand) -> Operand:
    """The JSON text of `value`."""
    out = b.local("", STR, mutable=True)
    b.assign(out, Lit(STR, ""))
    b.call(_encoder(context, b.type_of(value)), UNIT, value, Place(out))
    return b.load(Place(out), STR, "move")


def _encoder(context: Context, t: Type) -> str:
    name = f"json.encode[{t}]"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE)
        value = b.param("value", t)
        out = Place(b.param("out", STR, inout=True))
        _encode(context, b, t, Place(value), out)
        b.return_()
        return b.finish()

    return context.request(name, build)


def _encode(context: Context, b: Builder, t: Type, value: Place, out: Place) -> None:
    match t:
        case Array():
            _encode_array(context, b, t, value, out)
        case Tuple(items):
            _encode_sequence(context, b, [(i, Place(value.root, (FieldStep(n),))) for n, i in enumerate(items)], out)
        case _ if isinstance(t, Basic):
            _encode_basic(context, b, t, value, out)
        case _ if is_map(t):
            _encode_map(context, b, t, value, out)
        case _ if is_record(context, t):
            _encode_record(context, b, t, value, out)
        case _:
            _encode_variants(context, b, t, value, out)


def _encode_part(context: Context, b: Builder, t: Type, place: Place, out: Place) -> None:
    part = b.load(place, t, "borrow")
    b.call(_encoder(context, t), UNIT, part, out)


def _encode_basic(context: Context, b: Builder, t: Basic, value: Place, out: Place) -> None:
    operand: Operand = value.root
    if t == UNIT:
        b.text(out, "null")
        return
    name = t.name
    if is_int(t):
        wide = I64 if is_signed(t) else U64
        operand = operand if t == wide else b.op("convert", wide, operand)
        name = wide.name
    b.call(_helper(context, f"write_{name}"), UNIT, out, operand)


def _encode_array(context: Context, b: Builder, t: Array, value: Place, out: Place) -> None:
    b.text(out, "[")
    with b.counting(Lit(I64, 0), b.length(value.root)) as i:
        with b.when(b.op("gt", BOOL, i, Lit(I64, 0))):
            b.text(out, ",")
        _encode_part(context, b, t.item, Place(value.root, (IndexStep(i),)), out)
    b.text(out, "]")


def _encode_sequence(context: Context, b: Builder, parts: list[tuple[Type, Place]], out: Place) -> None:
    for n, (t, place) in enumerate(parts):
        b.text(out, "[" if n == 0 else ",")
        _encode_part(context, b, t, place, out)
    b.text(out, "]")


def _encode_record(context: Context, b: Builder, t: Type, value: Place, out: Place) -> None:
    if not fields(t, context.table):
        b.text(out, "{}")
        return
    for i, (name, (_, field)) in enumerate(zip(encoded_names(t, context.table), fields(t, context.table), strict=True)):
        b.text(out, ("{" if i == 0 else ",") + f"{_quoted(name)}:")
        _encode_part(context, b, field, Place(value.root, (FieldStep(i),)), out)
    b.text(out, "}")


def _quoted(name: str) -> str:
    """A name as a JSON string, as `write_str` of the library writes it."""
    return json.dumps(name, ensure_ascii=False)


def _encode_map(context: Context, b: Builder, t: Type, value: Place, out: Place) -> None:
    """An object where keys are str, else an array of `[key, value]`; in order of insertion."""
    key, item = map_parts(t)
    if key != STR:
        pairs = context.concrete(Array(Tuple((key, item))))
        entries = b.call(_map_method(context, t, "entries"), pairs, value.root)
        b.call(_encoder(context, pairs), UNIT, entries, out)
        return
    keys = b.call(_map_method(context, t, "keys"), Array(STR), value.root)
    values = b.call(_map_method(context, t, "values"), context.concrete(Array(item)), value.root)
    assert isinstance(keys, int)
    assert isinstance(values, int)
    b.text(out, "{")
    with b.counting(Lit(I64, 0), b.length(keys)) as i:
        with b.when(b.op("gt", BOOL, i, Lit(I64, 0))):
            b.text(out, ",")
        _encode_part(context, b, STR, at(keys, IndexStep(i)), out)
        b.text(out, ":")
        _encode_part(context, b, item, at(values, IndexStep(i)), out)
    b.text(out, "}")


def _map_method(context: Context, t: Type, name: str) -> str:
    from dandc.compiler.lower.functions import instance

    return instance(context, f"{MAP}.{name}", map_parts(t), ())


def _encode_variants(context: Context, b: Builder, t: Type, value: Place, out: Place) -> None:
    """Options are the value or null; other variants are `"name"`, or `{"name": payload}` with a list if it is several."""
    cases = []
    names = encoded_names(t, context.table)
    for v, (_, payload) in enumerate(variants(t, context.table)):
        parts = [(p, Place(value.root, (PayloadStep(v, i),))) for i, p in enumerate(payload)]
        with b.body() as inner:
            if isinstance(t, Option) and not payload:
                b.text(out, "null")
            elif isinstance(t, Option):
                _encode_part(context, b, *parts[0], out)
            elif not parts:
                b.text(out, _quoted(names[v]))
            else:
                b.text(out, f"{{{_quoted(names[v])}:")
                if len(parts) == 1:
                    _encode_part(context, b, *parts[0], out)
                else:
                    _encode_sequence(context, b, parts, out)
                b.text(out, "}")
        cases.append((v, tuple(inner)))
    b.add(kir.Switch(b.site, b.op("tag", I64, value.root), tuple(cases), ()))


# Decoding.


def decode(context: Context, b: Builder, text: Operand, t: Type, result: Type) -> Operand:
    """`result[t, json.Error]` of the bytes `text`."""
    context.concrete(PARSER)
    p = b.local("", PARSER, mutable=True)
    b.assign(p, b.call(_helper(context, "start"), PARSER, text))
    found = b.call(_decoder(context, t), Option(t), Place(p))
    assert isinstance(found, int)  # only unit is no local
    out = b.local("", result)
    done = b.call(_helper(context, "finish"), BOOL, Place(p))
    with b.body() as good:
        value: Operand = Lit(UNIT, None) if t == UNIT else b.load(Place(found, (PayloadStep(1, 0),)), t, "move")
        b.assign(out, b.variant(result, 0, value))
    with b.body() as bad:
        shared = b.load(Place(p), PARSER, "share")
        b.assign(out, b.variant(result, 1, b.call(_helper(context, "error_of"), ERROR, shared)))
    b.add(kir.If(b.site, done, tuple(good), tuple(bad)))
    return out


def _decoder(context: Context, t: Type) -> str:
    name = f"json.decode[{t}]"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, Option(t))
        p = Place(b.param("p", PARSER, inout=True))
        _decode(context, b, t, p)
        return b.finish()

    return context.request(name, build)


def _decode(context: Context, b: Builder, t: Type, p: Place) -> None:
    match t:
        case Array():
            _decode_array(context, b, t, p)
        case Tuple(items):
            _decode_tuple(context, b, t, items, p)
        case Option(item):
            _decode_option(context, b, t, item, p)
        case _ if isinstance(t, Basic):
            _decode_basic(context, b, t, p)
        case _ if is_map(t):
            _decode_map(context, b, t, p)
        case _ if is_record(context, t):
            _decode_record(context, b, t, p)
        case _:
            _decode_variants(context, b, t, p)


def _some(b: Builder, t: Type, value: Operand) -> None:
    b.return_(b.variant(Option(t), 1, value))


def _give_up(b: Builder, t: Type) -> None:
    b.return_(b.variant(Option(t), 0))


def _is_none(b: Builder, option: Operand) -> int:
    return b.op("eq", BOOL, b.op("tag", I64, option), Lit(I64, 0))


def _part(context: Context, b: Builder, whole: Type, t: Type, p: Place) -> int:
    """The option with the next value, which is part of a `whole`."""
    found = b.call(_decoder(context, t), Option(t), p)
    assert isinstance(found, int)
    return found


def _payload(b: Builder, option: int, t: Type) -> Operand:
    return b.load(Place(option, (PayloadStep(1, 0),)), t, "move")


def _decode_basic(context: Context, b: Builder, t: Basic, p: Place) -> None:
    if is_int(t):
        low, high = int_range(t)
        wide: Type = I64 if is_signed(t) else U64
        found = b.call(_helper(context, f"read_{wide}"), Option(wide), p, Lit(wide, low), Lit(wide, high))
        with b.when(_is_none(b, found)):
            _give_up(b, t)
        assert isinstance(found, int)
        value = b.load(Place(found, (PayloadStep(1, 0),)), wide, "move")
        _some(b, t, value if t == wide else b.op("convert", t, value))
        return
    found = b.call(_helper(context, f"read_{t}"), Option(t), p)
    b.return_(found)


def _decode_option(context: Context, b: Builder, t: Type, item: Type, p: Place) -> None:
    """Null is none; `option[option[T]]` cannot tell its two nones apart and takes the outer."""
    null = b.call(_helper(context, "take_null"), BOOL, p)
    with b.when(null):
        _some(b, t, b.variant(t, 0))
    found = _part(context, b, t, item, p)
    with b.when(_is_none(b, found)):
        _give_up(b, t)
    _some(b, t, b.variant(t, 1, _payload(b, found, item)))


def _decode_array(context: Context, b: Builder, t: Array, p: Place) -> None:
    out = b.local("", t, mutable=True)
    b.assign(out, b.array(t, ()))
    started = b.call(_helper(context, "open_array"), BOOL, p)
    with b.when(b.not_(started)):
        _give_up(b, t)
    with b.looping():
        count = b.length(b.load(Place(out), t, "borrow"))
        step = b.call(_helper(context, "next_element"), I64, p, b.op("eq", BOOL, count, Lit(I64, 0)))
        _stop(b, t, step)
        found = _part(context, b, t, t.item, p)
        with b.when(_is_none(b, found)):
            b.call(_helper(context, "at_index"), UNIT, p, count)
            _give_up(b, t)
        b.mutate("append", Place(out), _payload(b, found, t.item))
    _some(b, t, b.load(Place(out), t, "move"))


def _stop(b: Builder, t: Type, step: Operand) -> None:
    """`step`: 1 another one follows, 0 the end, -1 a mistake."""
    with b.when(b.op("lt", BOOL, step, Lit(I64, 0))):
        _give_up(b, t)
    with b.when(b.op("eq", BOOL, step, Lit(I64, 0))):
        b.break_()


def _decode_tuple(context: Context, b: Builder, t: Type, items: tuple[Type, ...], p: Place) -> None:
    started = b.call(_helper(context, "open_array"), BOOL, p)
    with b.when(b.not_(started)):
        _give_up(b, t)
    values = _decode_parts(context, b, t, items, p)
    ended = b.call(_helper(context, "close_array"), BOOL, p)
    with b.when(b.not_(ended)):
        _give_up(b, t)
    _some(b, t, b.make(t, values))


def _decode_parts(context: Context, b: Builder, t: Type, items: tuple[Type, ...], p: Place) -> tuple[Operand, ...]:
    """Exactly so many elements of an array that has been opened."""
    values: list[Operand] = []
    for i, item in enumerate(items):
        more = b.call(_helper(context, "expect_element"), BOOL, p, Lit(BOOL, i == 0))
        with b.when(b.not_(more)):
            _give_up(b, t)
        found = _part(context, b, t, item, p)
        with b.when(_is_none(b, found)):
            b.call(_helper(context, "at_index"), UNIT, p, Lit(I64, i))
            _give_up(b, t)
        values.append(_payload(b, found, item))
    return tuple(values)


def _decode_record(context: Context, b: Builder, t: Type, p: Place) -> None:
    names, parts = encoded_names(t, context.table), [field for _, field in fields(t, context.table)]
    slots = []
    for name, field in zip(names, parts, strict=True):
        slot = b.local(name, Option(field), mutable=True)
        b.assign(slot, b.variant(Option(field), 0))
        slots.append(slot)
    started = b.call(_helper(context, "open_object"), BOOL, p)
    with b.when(b.not_(started)):
        _give_up(b, t)
    first = b.local("", BOOL)
    b.assign(first, Lit(BOOL, True))
    with b.looping():
        _stop(b, t, b.call(_helper(context, "next_member"), I64, p, first))
        b.assign(first, Lit(BOOL, False))
        key = b.call(_helper(context, "read_key"), Option(STR), p)
        with b.when(_is_none(b, key)):
            _give_up(b, t)
        assert isinstance(key, int)
        _dispatch(context, b, t, p, b.load(Place(key, (PayloadStep(1, 0),)), STR, "borrow"), slots)
    values = tuple(_field_value(context, b, t, p, *part) for part in zip(slots, names, parts, strict=True))
    _some(b, t, b.make(t, values))


def _dispatch(context: Context, b: Builder, t: Type, p: Place, key: int, slots: list[int]) -> None:
    """Put the member's value into the slot of the field that `key` names; skip the others."""
    known = b.local("", BOOL)
    b.assign(known, Lit(BOOL, False))
    for slot, name, (_, field) in zip(slots, encoded_names(t, context.table), fields(t, context.table), strict=True):
        with b.when(b.op("eq", BOOL, key, Lit(STR, name))):
            b.assign(known, Lit(BOOL, True))
            with b.when(b.not_(_is_none(b, b.load(Place(slot), Option(field), "borrow")))):
                b.call(_helper(context, "twice"), UNIT, p, Lit(STR, name))
                _give_up(b, t)
            found = _part(context, b, t, field, p)
            with b.when(_is_none(b, found)):
                b.call(_helper(context, "at_field"), UNIT, p, Lit(STR, name))
                _give_up(b, t)
            b.store(Place(slot), b.load(Place(found), Option(field), "move"))
    with b.when(b.not_(known)):
        skipped = b.call(_helper(context, "skip_value"), BOOL, p)
        with b.when(b.not_(skipped)):
            _give_up(b, t)


def _field_value(context: Context, b: Builder, t: Type, p: Place, slot: int, name: str, field: Type) -> Operand:
    absent = _is_none(b, b.load(Place(slot), Option(field), "borrow"))
    if isinstance(field, Option):
        with b.when(absent):
            b.store(Place(slot), b.variant(Option(field), 1, b.variant(field, 0)))
    else:
        with b.when(absent):
            b.call(_helper(context, "missing"), UNIT, p, Lit(STR, name))
            _give_up(b, t)
    return b.load(Place(slot, (PayloadStep(1, 0),)), field, "move")


def _decode_map(context: Context, b: Builder, t: Type, p: Place) -> None:
    """As `_encode_map` writes it; a key that is there twice is a mistake."""
    key, item = map_parts(t)
    out = b.local("", t, mutable=True)
    b.assign(out, b.call(_prelude(context, "map", t), t))
    if key == STR:
        _decode_members(context, b, t, item, p, Place(out))
    else:
        _decode_pairs(context, b, t, p, Place(out))
    _some(b, t, b.load(Place(out), t, "move"))


def _prelude(context: Context, name: str, t: Type) -> str:
    from dandc.compiler.lower.functions import instance

    return instance(context, f"prelude.{name}", map_parts(t), ())


def _decode_members(context: Context, b: Builder, t: Type, item: Type, p: Place, out: Place) -> None:
    started = b.call(_helper(context, "open_object"), BOOL, p)
    with b.when(b.not_(started)):
        _give_up(b, t)
    first = b.local("", BOOL)
    b.assign(first, Lit(BOOL, True))
    with b.looping():
        _stop(b, t, b.call(_helper(context, "next_member"), I64, p, first))
        b.assign(first, Lit(BOOL, False))
        read = b.call(_helper(context, "read_key"), Option(STR), p)
        with b.when(_is_none(b, read)):
            _give_up(b, t)
        assert isinstance(read, int)
        key = b.load(at(read, PayloadStep(1, 0)), STR, "share")
        there = b.call(_map_method(context, t, "contains"), BOOL, b.load(out, t, "borrow"), key)
        with b.when(there):
            b.call(_helper(context, "twice"), UNIT, p, key)
            _give_up(b, t)
        found = _part(context, b, t, item, p)
        with b.when(_is_none(b, found)):
            b.call(_helper(context, "at_field"), UNIT, p, key)
            _give_up(b, t)
        b.call(_map_method(context, t, "set"), UNIT, out, key, _payload(b, found, item))


def _decode_pairs(context: Context, b: Builder, t: Type, p: Place, out: Place) -> None:
    pairs = context.concrete(Array(Tuple(map_parts(t))))
    found = _part(context, b, t, pairs, p)
    with b.when(_is_none(b, found)):
        _give_up(b, t)
    filled = b.call(_prelude(context, "fill_map", t), BOOL, out, _payload(b, found, pairs))
    with b.when(b.not_(filled)):
        b.call(_helper(context, "wrong"), UNIT, p, Lit(STR, "a key of the map is there twice"))
        _give_up(b, t)


def _decode_variants(context: Context, b: Builder, t: Type, p: Place) -> None:
    """`"name"`, or `{"name": payload}`."""
    tagged = b.call(_helper(context, "open_variant"), Option(Tuple((STR, BOOL))), p)
    with b.when(_is_none(b, tagged)):
        _give_up(b, t)
    assert isinstance(tagged, int)
    name = b.load(Place(tagged, (PayloadStep(1, 0), FieldStep(0))), STR, "borrow")
    carries = b.load(Place(tagged, (PayloadStep(1, 0), FieldStep(1))), BOOL, "borrow")
    names = encoded_names(t, context.table)
    for v, (variant, (_, payload)) in enumerate(zip(names, variants(t, context.table), strict=True)):
        same = b.op("eq", BOOL, name, Lit(STR, variant))
        with b.when(same):
            fits = b.op("eq", BOOL, carries, Lit(BOOL, bool(payload)))
            with b.when(fits):
                values = _variant_payload(context, b, t, variant, payload, p)
                _some(b, t, b.variant(t, v, *values))
    b.call(_helper(context, "no_variant"), UNIT, p, name)
    _give_up(b, t)


def _variant_payload(
    context: Context, b: Builder, t: Type, name: str, payload: tuple[Type, ...], p: Place
) -> tuple[Operand, ...]:
    if not payload:
        return ()
    if len(payload) == 1:
        found = _part(context, b, t, payload[0], p)
        with b.when(_is_none(b, found)):
            b.call(_helper(context, "at_field"), UNIT, p, Lit(STR, name))
            _give_up(b, t)
        values: tuple[Operand, ...] = (_payload(b, found, payload[0]),)
    else:
        started = b.call(_helper(context, "open_array"), BOOL, p)
        with b.when(b.not_(started)):
            _give_up(b, t)
        values = _decode_parts(context, b, t, payload, p)
        ended = b.call(_helper(context, "close_array"), BOOL, p)
        with b.when(b.not_(ended)):
            _give_up(b, t)
    closed = b.call(_helper(context, "close_object"), BOOL, p)
    with b.when(b.not_(closed)):
        _give_up(b, t)
    return values
