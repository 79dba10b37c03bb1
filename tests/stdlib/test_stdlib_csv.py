"""CSV against Python's `csv` module: what it writes we read, what we write it reads, and what is refused says where."""

import base64
import csv
import io
import json
import random
from typing import Any

from library import call

from dandc.compiler.encoding import Variant

NONE = Variant(0, ())
SEPARATORS = [",", ";", "\t", "|"]
ALPHABET = ["a", "bc", "", " ", ",", ";", "\t", "|", '"', '""', "\r", "\n", "\r\n", "é", "日本", "0", "\ufeff", "'"]


def some(value: Any) -> Variant:
    return Variant(1, (value,))


def ok(value: Any) -> Variant:
    return Variant(0, (value,))


def tables(seed: int, n: int) -> list[list[list[str]]]:
    """Rows of at least one cell, with everything in them that needs quotes."""
    rnd = random.Random(seed)
    cell = lambda: "".join(rnd.choices(ALPHABET, k=rnd.randrange(4)))  # noqa: E731
    return [[[cell() for _ in range(rnd.randrange(1, 5))] for _ in range(rnd.randrange(5))] for _ in range(n)]


def written(rows: list[list[str]], **options: Any) -> str:
    out = io.StringIO()
    csv.writer(out, **options).writerows(rows)
    return out.getvalue()


def test_rows_are_read_as_python_writes_them() -> None:
    """Whatever is quoted, however lines end, and with a byte order mark or without."""
    rnd = random.Random(3)
    cases, expected = [], []
    for rows in tables(1, 100):
        separator, mark = rnd.randrange(4), rnd.choice(["", "", "\ufeff"])
        quoting, end = rnd.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), rnd.choice(["\r\n", "\n", "\r"])
        text = written(rows, delimiter=SEPARATORS[separator], quoting=quoting, lineterminator=end)
        # Python 3.11 leaves a lone carriage return or line feed unquoted where lines end otherwise: that is another table.
        again = list(csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[separator], strict=True))
        if again == rows and (mark or not text.startswith("\ufeff")):
            cases.append(((mark + text).encode(), Variant(separator, ())))
            expected.append(ok(rows))
    assert len(cases) > 50

    signature = "x: bytes, s: csv.Separator) => (y: result[array[array[str]], csv.Error]"
    assert expected == call(signature, "csv.read_rows(x, s)", cases)


def test_rows_are_written_as_python_writes_them() -> None:
    """The same bytes, with CR LF and no quote too many."""
    cases = [(rows, Variant(i % 4, ())) for i, rows in enumerate(tables(2, 80))]
    expected = [written(rows, delimiter=SEPARATORS[i % 4]) for i, (rows, _) in enumerate(cases)]

    assert expected == call("x: array[array[str]], s: csv.Separator) => (y: str", "csv.write_rows(x, s)", cases)


def test_any_text_is_read_as_python_does_or_refused() -> None:
    """Random texts: rows as Python's strict reader gives them without its empty ones, or an error; Python's errors are ours."""
    rnd = random.Random(5)
    texts = [
        "".join(rnd.choices(["a", "b,", '"', '""', "\n", "\r", ",", '","'], k=rnd.randrange(12))) for _ in range(400)
    ]

    found = call(
        "x: bytes) => (y: result[array[array[str]], csv.Error]", "csv.read_rows(x)", [t.encode() for t in texts]
    )

    read = 0
    for text, value in zip(texts, found, strict=True):
        try:
            expected = [r for r in csv.reader(io.StringIO(text, newline=""), strict=True) if r]
        except csv.Error:
            assert value.index == 1, text
            continue
        if value.index == 0:
            read += 1
            assert expected == value.fields[0], text
        else:
            # Python takes a quote inside an unquoted cell as it is, and a text that ends inside quotes as complete.
            message = value.fields[0][0]
            assert message.startswith(("a quote inside a cell", "the closing quote is missing")), (text, message)
    assert read > 100


RECORDS = """
record Row {
    @name("the id") id: i64, kind: Kind, note: option[str], share: f32, raw: bytes, on: bool, tags: array[str], next: option[Kind], t: text_,
}
enum Kind { plain, @name("odd one") odd }
record text_ { a: str }
""".replace("text_", "Inner")
LINES = [
    (1, Variant(0, ()), NONE, 0.5, b"", True, [], NONE, ("",)),
    (
        -(2**63),
        Variant(1, ()),
        some('a "b",\r\n'),
        0.10000000149011612,
        b"\x00\xff",
        False,
        ["x,y", '"'],
        some(Variant(1, ())),
        ("é;",),
    ),
]
NAMES = ["the id", "kind", "note", "share", "raw", "on", "tags", "next", "t"]


def as_cells(line: tuple[Any, ...]) -> list[str]:
    key, kind, note, share, raw, on, tags, after, inner = line
    kinds = ["plain", "odd one"]
    return [str(key), kinds[kind.index], note.fields[0] if note.index else "", {0.5: "0.5"}.get(share, "0.1"), base64.b64encode(raw).decode(),
            "true" if on else "false", json.dumps(tags, separators=(",", ":")), kinds[after.fields[0].index] if after.index else "",
            json.dumps({"a": inner[0]}, ensure_ascii=False, separators=(",", ":"))]  # fmt: skip


def test_records_are_written_for_python() -> None:
    """The header and the cells of every type."""
    (text,) = call("x: array[Row]) => (y: str", "csv.encode(x, separator: csv.Separator.pipe)", [LINES], ahead=RECORDS)

    assert written([NAMES, *map(as_cells, LINES)], delimiter="|") == text
    assert [dict(zip(NAMES, as_cells(line), strict=True)) for line in LINES] == list(
        csv.DictReader(io.StringIO(text, newline=""), delimiter="|")
    )


def test_records_are_read_from_any_order_of_columns() -> None:
    """Columns in every order, with others among them; columns of options may be left out."""
    rnd = random.Random(6)
    texts, expected = [], []
    for _ in range(12):
        names = [n for n in NAMES if n not in ("note", "next") or rnd.random() < 0.6] + ["more", "", ""]
        rnd.shuffle(names)
        rows = [{**dict(zip(NAMES, as_cells(line), strict=True)), "more": '"'} for line in LINES]
        texts.append(written([names, *([r.get(n, "x") for n in names] for r in rows)]).encode())
        gone = [i for i, n in enumerate(NAMES) if n not in names]
        expected.append(ok([tuple(NONE if i in gone else v for i, v in enumerate(line)) for line in LINES]))

    assert expected == call(
        "x: bytes) => (y: result[array[Row], csv.Error]", "csv.decode[array[Row]](x)", texts, ahead=RECORDS
    )


ERRORS = {
    "the id,on\n1,true\n2,yes\n": ("expected true or false, found `yes` at row 3, column `on`", 3, "on"),
    "the id,on,on\n": ("the name is there twice at row 1, column `on`", 1, "on"),
    "on\ntrue\n": ("the column is missing at row 1, column `the id`", 1, "the id"),
    "the id,on\n1.0,true\n": ("expected an integer from -9223372036854775808 to 9223372036854775807, found `1.0` at row 2, column `the id`", 2, "the id"),
    "the id,on\n\n\n1\n": ("expected 2 cells, found 1 at row 2, column 2", 2, "2"),
    "the id,on,kind\n1,true,odd\n": ("there is no variant `odd` at row 2, column `kind`", 2, "kind"),
    "the id,on,raw\n1,true,A\n": ("expected base64, found `A` at row 2, column `raw`", 2, "raw"),
    'the id,on,list\n1,true,"[1,"\n': ("expected a number, but the text ends at $[1], byte 3 at row 2, column `list`", 2, "list"),
    'the id,on\n"1,true\n': ("the closing quote is missing at row 2, column 1", 2, "1"),
}  # fmt: skip


def test_errors_say_where() -> None:
    """The first mistake of the text, with its row and column."""
    record = 'record R { @name("the id") id: i64, on: bool, kind: option[Kind], raw: option[bytes], list: option[array[i64]] } enum Kind { plain }'
    read = "csv.decode[array[R]](x)"

    found = call("x: bytes) => (y: result[array[R], csv.Error]", read, [t.encode() for t in ERRORS], ahead=record)
    (broken,) = call("x: bytes) => (y: result[array[R], csv.Error]", read, [b"the id,on\n1,\xff"], ahead=record)

    assert [Variant(1, (e,)) for e in ERRORS.values()] == found
    assert Variant(1, (("invalid UTF-8 at byte 12", 0, ""),)) == broken
