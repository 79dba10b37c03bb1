"""Functions that follow from the shape of a type: equality, order, hash, maps inside, names and texts of fields."""

from typing import TYPE_CHECKING

from dandc.compiler import kir
from dandc.compiler.kir import FieldStep, IndexStep, Lit, Operand, PayloadStep, Place
from dandc.compiler.lower.builder import Builder
from dandc.compiler.lower.context import Context
from dandc.compiler.types import (
    BOOL,
    BYTES,
    I64,
    STR,
    U64,
    UNIT,
    Array,
    Basic,
    EnumDef,
    Named,
    Option,
    RecordDef,
    Result,
    SetRef,
    Tuple,
    Type,
    encoded_names,
    fields,
    int_range,
    is_float,
    is_int,
    is_map,
    is_scalar,
    is_signed,
    map_parts,
    variants,
)
from dandc.lang.spans import NOWHERE

if TYPE_CHECKING:
    from dandc.compiler.lower.functions import Lowering


def is_record(context: Context, t: Type) -> bool:
    """Whether `t` is a record or tuple."""
    return isinstance(t, Tuple) or (isinstance(t, Named) and isinstance(context.table[str(t)], RecordDef))


def equality(context: Context, t: Type) -> str:
    """The name of `fn(t, t) -> bool`."""
    if is_map(t):
        return _prelude(context, "equal_maps", t)
    name = f"=={t}"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, BOOL)
        x, y = b.param("x", t), b.param("y", t)
        _compare(context, b, t, Place(x), Place(y), _Equal(context, b))
        b.return_(Lit(BOOL, True))
        return b.finish()

    return context.request(name, build)


def ordering(context: Context, t: Type) -> str:
    """The name of `fn(t, t) -> i64`: negative, zero or positive; parts are compared in order, shorter arrays first."""
    name = f"<=>{t}"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, I64)
        x, y = b.param("x", t), b.param("y", t)
        _compare(context, b, t, Place(x), Place(y), _Order(context, b))
        b.return_(Lit(I64, 0))
        return b.finish()

    return context.request(name, build)


HASH_START = 0x243F6A8885A308D3  # the first 64 bits of the fraction of pi


def _prelude(context: Context, fn: str, t: Type | None = None) -> str:
    """The name of the prelude's `fn`, for the type arguments of the map `t`."""
    from dandc.compiler.lower.functions import instance

    return instance(context, f"prelude.{fn}", t.args if isinstance(t, Named) else (), ())


def hashing(context: Context, t: Type) -> str:
    """The name of `fn(state: u64, t) -> u64`, as the prelude specifies `hash`."""
    name = f"hash {t}"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, U64)
        state, value = b.param("state", U64), b.param("value", t)
        total = b.local("", U64, mutable=True)
        b.assign(total, state)
        _hash(context, b, t, value, total)
        b.return_(total)
        return b.finish()

    return context.request(name, build)


def _hash(context: Context, b: Builder, t: Type, value: int, total: int) -> None:
    """Take `value` into the running `total`."""
    if is_scalar(t):
        assert not is_float(t), "floats have no hash"
        _hash_word(context, b, _word(b, t, value), total)
    elif t in (STR, BYTES):
        text = value if t == BYTES else b.op("to_bytes", BYTES, value)
        b.assign(total, b.call(_prelude(context, "hash_bytes"), U64, total, text))
    elif isinstance(t, Array):
        count = b.length(value)
        _hash_word(context, b, b.op("wrap", U64, count), total)
        with b.counting(Lit(I64, 0), count) as i:
            _hash_part(context, b, t.item, Place(value, (IndexStep(i),)), total)
    elif is_record(context, t):
        for i, (_, field) in enumerate(fields(t, context.table)):
            _hash_part(context, b, field, Place(value, (FieldStep(i),)), total)
    elif t != UNIT:
        _hash_variants(context, b, t, value, total)


def _word(b: Builder, t: Type, value: int) -> int:
    """An integer or bool as 64 bits."""
    if t != BOOL:
        return value if t == U64 else b.op("wrap", U64, value)
    word = b.local("", U64)
    with b.body() as yes:
        b.assign(word, Lit(U64, 1))
    with b.body() as no:
        b.assign(word, Lit(U64, 0))
    b.add(kir.If(b.site, value, tuple(yes), tuple(no)))
    return word


def _hash_word(context: Context, b: Builder, word: int, total: int) -> None:
    b.assign(total, b.call(_prelude(context, "hash_word"), U64, total, word))


def _hash_part(context: Context, b: Builder, t: Type, place: Place, total: int) -> None:
    if t != UNIT:
        part = b.load(place, t, "borrow")
        b.assign(total, b.call(hashing(context, t), U64, total, part))


def _hash_variants(context: Context, b: Builder, t: Type, value: int, total: int) -> None:
    tag = b.op("tag", I64, value)
    _hash_word(context, b, b.op("wrap", U64, tag), total)
    cases = []
    for v, (_, payload) in enumerate(variants(t, context.table)):
        with b.body() as inner:
            for i, part in enumerate(payload):
                _hash_part(context, b, part, Place(value, (PayloadStep(v, i),)), total)
        cases.append((v, tuple(inner)))
    b.add(kir.Switch(b.site, tag, tuple(cases), ()))


def parse_number(context: Context, b: Builder, t: Type, text: Operand) -> Operand:
    """`result[t, str]` of a text: the prelude has functions for floats, signed and unsigned integers, which take a range."""
    from dandc.compiler.lower.functions import instance

    args: tuple[Type, ...] = (t,) if is_int(t) else ()
    name = f"parse_{t}"
    bounds: tuple[int, ...] = ()
    if is_int(t):
        name, bounds = ("parse_signed", int_range(t)) if is_signed(t) else ("parse_unsigned", int_range(t)[1:])
    limits = tuple(Lit(I64 if is_signed(t) else U64, bound) for bound in bounds)
    return b.call(instance(context, f"prelude.{name}", args, ()), Result(t, STR), text, *limits)


def holds_map(context: Context, t: Type) -> bool:
    """Whether a value of `t` may contain a map."""
    seen: set[Type] = set()
    waiting = [t]
    while waiting:
        part = waiting.pop()
        if is_map(part):
            return True
        if part not in seen:
            seen.add(part)
            waiting.extend(inside(context, part))
    return False


def inside(context: Context, t: Type) -> tuple[Type, ...]:
    """The types of the parts of a value: elements, fields, payloads."""
    if isinstance(t, Array):
        return (t.item,)
    if isinstance(t, Basic | SetRef):
        return ()
    if is_record(context, t):
        return tuple(f for _, f in fields(t, context.table))
    return tuple(p for _, payload in variants(t, context.table) for p in payload)


def map_changer(context: Context, t: Type, fn: str) -> str:
    """The name of `fn(inout t) -> bool` that gives every map inside to the prelude's `fn`, until one gives false."""
    if is_map(t) and not any(holds_map(context, part) for part in map_parts(t)):
        return _prelude(context, fn, t)
    name = f"{fn} {t}"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, BOOL)
        place = Place(b.param("value", t, inout=True))
        _change_parts(context, b, t, place, fn)
        if is_map(t):
            b.return_(b.call(_prelude(context, fn, t), BOOL, place))
        else:
            b.return_(Lit(BOOL, True))
        return b.finish()

    return context.request(name, build)


def _change_parts(context: Context, b: Builder, t: Type, place: Place, fn: str) -> None:
    if isinstance(t, Array):
        count = b.length(b.load(place, t, "borrow"))
        with b.counting(Lit(I64, 0), count) as i:
            _change_part(context, b, t.item, Place(place.root, (IndexStep(i),)), fn)
    elif is_record(context, t):
        for i, (_, field) in enumerate(fields(t, context.table)):
            _change_part(context, b, field, Place(place.root, (FieldStep(i),)), fn)
    else:
        _change_payloads(context, b, t, place, fn)


def _change_payloads(context: Context, b: Builder, t: Type, place: Place, fn: str) -> None:
    cases = []
    for v, (_, payload) in enumerate(variants(t, context.table)):
        with b.body() as inner:
            for i, part in enumerate(payload):
                _change_part(context, b, part, Place(place.root, (PayloadStep(v, i),)), fn)
        cases.append((v, tuple(inner)))
    tag = b.op("tag", I64, b.load(place, t, "borrow"))
    b.add(kir.Switch(b.site, tag, tuple(cases), ()))


def _change_part(context: Context, b: Builder, t: Type, place: Place, fn: str) -> None:
    if holds_map(context, t):
        fine = b.call(map_changer(context, t, fn), BOOL, place)
        with b.when(b.not_(fine)):
            b.return_(Lit(BOOL, False))


def change_maps(low: "Lowering", value: Operand, fn: str, trap: str) -> Operand:
    """The owned `value` after every map inside went through the prelude's `fn`; traps where that gives false."""
    t = low.b.type_of(value)
    if not holds_map(low.context, t):
        return value
    slot = low.b.local("", t, mutable=True)
    low.b.assign(slot, value)
    fine = low.b.call(map_changer(low.context, t, fn), BOOL, Place(slot))
    with low.b.when(low.b.not_(fine)):
        low.b.add(kir.Trap(low.b.site, trap))
    return low.b.load(Place(slot), t, "move")


class _Equal:
    """Returns false where parts differ."""

    def __init__(self, context: Context, b: Builder) -> None:
        self.context, self.b = context, b

    def numbers(self, x: Operand, y: Operand) -> None:
        """Leave if two basic values differ."""
        with self.b.when(self.b.op("ne", BOOL, x, y)):
            self.b.return_(Lit(BOOL, False))

    lengths = numbers

    def part(self, t: Type, x: Place, y: Place) -> None:
        """Leave if the values at two places differ."""
        a, c = self.b.load(x, t, "borrow"), self.b.load(y, t, "borrow")
        if is_scalar(t) or t in (STR, BYTES):
            self.numbers(a, c)
            return
        same = self.b.call(equality(self.context, t), BOOL, a, c)
        with self.b.when(self.b.not_(same)):
            self.b.return_(Lit(BOOL, False))


class _Order:
    """Returns the order of the first parts that differ."""

    def __init__(self, context: Context, b: Builder) -> None:
        self.context, self.b = context, b

    def numbers(self, x: Operand, y: Operand) -> None:
        """Leave if two basic values differ."""
        for op, answer in (("lt", -1), ("gt", 1)):
            with self.b.when(self.b.op(op, BOOL, x, y)):
                self.b.return_(Lit(I64, answer))

    def lengths(self, x: Operand, y: Operand) -> None:
        """Lengths are compared after the common elements."""

    def part(self, t: Type, x: Place, y: Place) -> None:
        """Leave if the values at two places differ."""
        a, c = self.b.load(x, t, "borrow"), self.b.load(y, t, "borrow")
        if is_scalar(t) or t in (STR, BYTES):
            self.numbers(a, c)
            return
        order = self.b.call(ordering(self.context, t), I64, a, c)
        with self.b.when(self.b.op("ne", BOOL, order, Lit(I64, 0))):
            self.b.return_(order)


def _compare(context: Context, b: Builder, t: Type, x: Place, y: Place, test: _Equal | _Order) -> None:
    if isinstance(t, Array):
        _compare_arrays(b, t, x, y, test)
    elif is_record(context, t):
        for i, (_, field) in enumerate(fields(t, context.table)):
            test.part(field, Place(x.root, (FieldStep(i),)), Place(y.root, (FieldStep(i),)))
    else:
        _compare_variants(context, b, t, x, y, test)


def _compare_arrays(b: Builder, t: Array, x: Place, y: Place, test: _Equal | _Order) -> None:
    n, m = b.length(x.root), b.length(y.root)
    test.lengths(n, m)
    shorter = b.local("", I64)
    with b.body() as then:
        b.assign(shorter, n)
    with b.body() as orelse:
        b.assign(shorter, m)
    b.add(kir.If(b.site, b.op("lt", BOOL, n, m), tuple(then), tuple(orelse)))
    with b.counting(Lit(I64, 0), shorter) as i:
        test.part(t.item, Place(x.root, (IndexStep(i),)), Place(y.root, (IndexStep(i),)))
    test.numbers(n, m)


def _compare_variants(context: Context, b: Builder, t: Type, x: Place, y: Place, test: _Equal | _Order) -> None:
    tag = b.op("tag", I64, x.root)
    test.numbers(tag, b.op("tag", I64, y.root))
    cases = []
    for v, (_, payload) in enumerate(variants(t, context.table)):
        if not payload:
            continue
        with b.body() as inner:
            for i, part in enumerate(payload):
                test.part(part, Place(x.root, (PayloadStep(v, i),)), Place(y.root, (PayloadStep(v, i),)))
        cases.append((v, tuple(inner)))
    b.add(kir.Switch(b.site, tag, tuple(cases), ()))


def field_names(low: "Lowering", t: Type) -> Operand:
    """The names of a record's fields as an array of str; any other type has the one name `value`."""
    names = [n for n, _ in fields(t, low.context.table)] if is_record(low.context, t) else ["value"]
    return low.b.array(Array(STR), tuple(Lit(STR, n) for n in names))


def field_texts(low: "Lowering", value: Operand) -> Operand:
    """The texts of a record's fields (`cell_text`) as an array of str."""
    root = low.materialise(value)
    t = low.b.type_of(root)
    places = [(t, Place(root))]
    if is_record(low.context, t):
        places = [(f, Place(root, (FieldStep(i),))) for i, (_, f) in enumerate(fields(t, low.context.table))]
    return low.b.array(Array(STR), tuple(cell_text(low.context, low.b, f, p) for f, p in places))


def is_plain_enum(context: Context, t: Type) -> bool:
    """Whether `t` is an enum without payloads: its text is the name of the variant."""
    definition = context.table.get(str(t)) if isinstance(t, Named) else None
    return isinstance(definition, EnumDef) and all(not payload for _, payload in definition.variants)


def cell_text(context: Context, b: Builder, t: Type, place: Place) -> Operand:
    """The owned text of a value in a table.

    Text, numbers and names of variants are as they are, bytes in base64, `none` is nothing, everything else is JSON.
    """
    from dandc.compiler.lower import derive_json
    from dandc.compiler.lower.functions import instance

    if t == STR:
        return b.load(place, t, "share")
    if isinstance(t, Option):
        return _option_text(context, b, t, place)
    value = b.load(place, t, "borrow")
    if is_plain_enum(context, t):
        return _variant_name(context, b, t, value)
    if t == BYTES:
        return b.call(instance(context, "json.to_base64", (), ()), STR, value)
    if t == BOOL or is_float(t):
        name = "show_bool" if t == BOOL else "show_f64" if t == Basic("f64") else "show_f32"
        return b.call(instance(context, f"prelude.{name}", (), ()), STR, value)
    if is_int(t):
        wide = I64 if is_signed(t) else Basic("u64")
        wider = value if t == wide else b.op("convert", wide, value)
        return b.call(instance(context, f"prelude.show_{wide}", (), ()), STR, wider)
    return derive_json.encode(context, b, value)


def _variant_name(context: Context, b: Builder, t: Type, value: int) -> Operand:
    out = b.local("", STR, mutable=True)
    b.assign(out, Lit(STR, ""))
    cases = []
    for v, name in enumerate(encoded_names(t, context.table)):
        with b.body() as inner:
            b.assign(out, Lit(STR, name))
        cases.append((v, tuple(inner)))
    b.add(kir.Switch(b.site, b.op("tag", I64, value), tuple(cases), ()))
    return b.load(Place(out), STR, "move")


def _option_text(context: Context, b: Builder, t: Option, place: Place) -> Operand:
    out = b.local("", STR)
    tag = b.op("tag", I64, b.load(place, t, "borrow"))
    with b.body() as there:
        b.assign(out, cell_text(context, b, t.item, Place(place.root, (*place.steps, PayloadStep(1, 0)))))
    with b.body() as absent:
        b.assign(out, Lit(STR, ""))
    b.add(kir.If(b.site, b.op("eq", BOOL, tag, Lit(I64, 1)), tuple(there), tuple(absent)))
    return out
