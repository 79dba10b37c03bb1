"""Functions that follow from the shape of a type: equality, order, names and texts of fields."""

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
    Array,
    Basic,
    Named,
    Option,
    RecordDef,
    Tuple,
    Type,
    fields,
    is_float,
    is_int,
    is_scalar,
    is_signed,
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
    """The texts of a record's fields (`show`) as an array of str."""
    root = low.materialise(value)
    t = low.b.type_of(root)
    places = [(t, Place(root))]
    if is_record(low.context, t):
        places = [(f, Place(root, (FieldStep(i),))) for i, (_, f) in enumerate(fields(t, low.context.table))]
    return low.b.array(Array(STR), tuple(_owned_text(low, f, p) for f, p in places))


def _owned_text(low: "Lowering", t: Type, place: Place) -> Operand:
    """Plain text of str and numbers, nothing for `none`, JSON for everything else."""
    from dandc.compiler.lower import derive_json
    from dandc.compiler.lower.functions import instance

    b = low.b
    if t == STR:
        return b.load(place, t, "share")
    if isinstance(t, Option):
        return _option_text(low, t, place)
    value = b.load(place, t, "borrow")
    if t == BOOL or is_float(t):
        name = "show_bool" if t == BOOL else "show_f64" if t == Basic("f64") else "show_f32"
        return b.call(instance(low.context, f"prelude.{name}", (), ()), STR, value)
    if is_int(t):
        wide = I64 if is_signed(t) else Basic("u64")
        wider = value if t == wide else b.op("convert", wide, value)
        return b.call(instance(low.context, f"prelude.show_{wide}", (), ()), STR, wider)
    return derive_json.encode(low, value)


def _option_text(low: "Lowering", t: Option, place: Place) -> Operand:
    b = low.b
    out = b.local("", STR)
    tag = b.op("tag", I64, b.load(place, t, "borrow"))
    with b.body() as there:
        b.assign(out, _owned_text(low, t.item, Place(place.root, (*place.steps, PayloadStep(1, 0)))))
    with b.body() as absent:
        b.assign(out, Lit(STR, ""))
    b.add(kir.If(b.site, b.op("eq", BOOL, tag, Lit(I64, 1)), tuple(there), tuple(absent)))
    return out
