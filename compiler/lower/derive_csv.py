"""CSV codecs derived from types.

An encoder writes the row of names and a row for each record. A decoder finds the column of each field in the row of names and
then makes a record of each row; what a cell holds is decided by the field's type. Rows, quotes and messages, which do not depend on
a type, are written in `stdlib/csv.dnd`.
"""

from dandc.compiler import kir
from dandc.compiler.kir import FieldStep, IndexStep, Lit, Operand, PayloadStep, Place
from dandc.compiler.lower import derive, derive_json
from dandc.compiler.lower.builder import Builder
from dandc.compiler.lower.context import Context
from dandc.compiler.types import (
    BOOL,
    BYTES,
    I64,
    STR,
    UNIT,
    Array,
    Named,
    Option,
    Result,
    Type,
    encoded_names,
    fields,
    is_float,
    is_int,
)
from dandc.lang.spans import NOWHERE

TABLE = Named("csv.Table")
ERROR = Named("csv.Error")
SEPARATOR = Named("csv.Separator")


def _helper(context: Context, name: str) -> str:
    from dandc.compiler.lower.functions import instance

    return instance(context, f"csv.{name}", (), ())


# Encoding.


def encode(context: Context, b: Builder, rows: Operand, separator: Operand) -> Operand:
    """The CSV text of an array of records."""
    t = b.type_of(rows)
    assert isinstance(t, Array)
    out = b.local("", STR, mutable=True)
    b.assign(out, Lit(STR, ""))
    text = b.call(_helper(context, "text_of"), STR, separator)
    names = encoded_names(t.item, context.table)
    for i, name in enumerate(names):
        _write_cell(context, b, Place(out), Lit(STR, name), text, i, len(names))
    b.call(_helper(context, "end_row"), UNIT, Place(out))
    with b.counting(Lit(I64, 0), b.length(rows)) as i:
        assert isinstance(rows, int)
        row = b.load(Place(rows, (IndexStep(i),)), t.item, "borrow")
        b.call(_row_encoder(context, t.item), UNIT, row, text, Place(out))
    return b.load(Place(out), STR, "move")


def _write_cell(context: Context, b: Builder, out: Place, cell: Operand, separator: Operand, i: int, n: int) -> None:
    b.call(_helper(context, "write_cell"), UNIT, out, cell, separator, Lit(I64, i), Lit(I64, n))


def _row_encoder(context: Context, t: Type) -> str:
    """The name of `fn(row: t, separator: str, inout out: str)`."""
    name = f"csv.encode[{t}]"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE)
        row, separator = b.param("row", t), b.param("separator", STR)
        out = Place(b.param("out", STR, inout=True))
        parts = fields(t, context.table)
        for i, (_, field) in enumerate(parts):
            cell = derive.cell_text(context, b, field, Place(row, (FieldStep(i),)))
            _write_cell(context, b, out, cell, separator, i, len(parts))
        b.call(_helper(context, "end_row"), UNIT, out)
        b.return_()
        return b.finish()

    return context.request(name, build)


# Decoding.


def decode(context: Context, b: Builder, text: Operand, separator: Operand, result: Type) -> Operand:
    """`result[array[T], csv.Error]` of the bytes `text`."""
    assert isinstance(result, Result)
    context.concrete(TABLE)
    table = b.local("", TABLE, mutable=True)
    b.assign(table, b.call(_helper(context, "open"), TABLE, text, separator))
    rows = b.call(_decoder(context, result.ok), result.ok, Place(table))
    out = b.local("", result)
    with b.body() as bad:
        b.assign(out, b.variant(result, 1, b.load(Place(table, (FieldStep(3),)), ERROR, "share")))
    with b.body() as good:
        b.assign(out, b.variant(result, 0, rows))
    b.add(kir.If(b.site, _failed(b, Place(table)), tuple(bad), tuple(good)))
    return out


def _failed(b: Builder, table: Place) -> int:
    return b.load(Place(table.root, (FieldStep(2),)), BOOL, "borrow")


def _decoder(context: Context, t: Type) -> str:
    """The name of `fn(inout table: csv.Table) -> t`; what it gives after a mistake means nothing."""
    assert isinstance(t, Array)
    name = f"csv.decode[{t.item}]"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, t)
        table = Place(b.param("table", TABLE, inout=True))
        out = b.local("", t, mutable=True)
        b.assign(out, b.array(t, ()))
        parts = list(zip(encoded_names(t.item, context.table), fields(t.item, context.table), strict=True))
        columns = [_column(context, b, table, text, field) for text, (_, field) in parts]
        with b.looping():
            more = b.call(_helper(context, "next_row"), BOOL, table)
            with b.when(b.not_(more)):
                b.break_()
            cells = zip(columns, parts, strict=True)
            values = [_field(context, b, table, column, text, field) for column, (text, (_, field)) in cells]
            with b.when(_failed(b, table)):
                b.break_()
            row = tuple(
                b.load(Place(v, (PayloadStep(0, 0),)), f, "move") for v, (_, (_, f)) in zip(values, parts, strict=True)
            )
            b.mutate("append", Place(out), b.make(t.item, row))
        b.return_(b.load(Place(out), t, "move"))
        return b.finish()

    return context.request(name, build)


def _column(context: Context, b: Builder, table: Place, name: str, field: Type) -> Operand:
    needed = Lit(BOOL, not isinstance(field, Option))
    return b.call(_helper(context, "column"), I64, table, Lit(STR, name), needed)


def _field(context: Context, b: Builder, table: Place, column: Operand, name: str, field: Type) -> int:
    """`result[field, str]` of a cell; the first error of a row is kept in the table."""
    whole = b.load(table, TABLE, "borrow")
    cell = b.call(_helper(context, "cell"), STR, whole, column)
    found = b.call(_cell_decoder(context, field), Result(field, STR), cell)
    assert isinstance(found, int)
    with b.when(b.op("eq", BOOL, b.op("tag", I64, found), Lit(I64, 1))), b.when(b.not_(_failed(b, table))):
        message = b.load(Place(found, (PayloadStep(1, 0),)), STR, "share")
        b.call(_helper(context, "wrong"), UNIT, table, Lit(STR, name), message)
    return found


def _cell_decoder(context: Context, t: Type) -> str:
    """The name of `fn(text: str) -> result[t, str]`."""
    name = f"csv.cell[{t}]"

    def build() -> kir.Function:
        b = Builder(name, NOWHERE, Result(t, STR))
        text = b.param("text", STR)
        if isinstance(t, Option):
            _option(context, b, t, text)
        elif derive.is_plain_enum(context, t):
            _variant(context, b, t, text)
        elif t == STR:
            b.return_(b.variant(b.result, 0, b.load(Place(text), STR, "share")))
        elif t in (BOOL, BYTES):
            b.return_(b.call(_helper(context, f"parse_{t}"), b.result, text))
        elif is_int(t) or is_float(t):
            b.return_(derive.parse_number(context, b, t, text))
        else:
            _json(context, b, t, text)
        return b.finish()

    return context.request(name, build)


def _option(context: Context, b: Builder, t: Option, text: int) -> None:
    """An empty cell is `none`."""
    with b.when(b.op("eq", BOOL, b.length(text), Lit(I64, 0))):
        b.return_(b.variant(b.result, 0, b.variant(t, 0)))
    inner = b.call(_cell_decoder(context, t.item), Result(t.item, STR), text)
    assert isinstance(inner, int)
    _pass_error(b, inner, STR, ())
    b.return_(b.variant(b.result, 0, b.variant(t, 1, _payload(b, inner, t.item))))


def _payload(b: Builder, found: int, t: Type) -> Operand:
    return Lit(UNIT, None) if t == UNIT else b.load(Place(found, (PayloadStep(0, 0),)), t, "move")


def _pass_error(b: Builder, found: int, t: Type, steps: tuple[FieldStep, ...]) -> None:
    """Return the error of a result, or the text in it that `steps` lead to."""
    with b.when(b.op("eq", BOOL, b.op("tag", I64, found), Lit(I64, 1))):
        b.return_(b.variant(b.result, 1, b.load(Place(found, (PayloadStep(1, 0), *steps)), STR, "share")))


def _variant(context: Context, b: Builder, t: Type, text: int) -> None:
    for v, name in enumerate(encoded_names(t, context.table)):
        with b.when(b.op("eq", BOOL, text, Lit(STR, name))):
            b.return_(b.variant(b.result, 0, b.variant(t, v)))
    b.return_(b.variant(b.result, 1, b.call(_helper(context, "no_variant"), STR, text)))


def _json(context: Context, b: Builder, t: Type, text: int) -> None:
    found = derive_json.decode(context, b, b.op("to_bytes", BYTES, text), t, Result(t, derive_json.ERROR))
    assert isinstance(found, int)
    _pass_error(b, found, derive_json.ERROR, (FieldStep(0),))
    b.return_(b.variant(b.result, 0, _payload(b, found, t)))
