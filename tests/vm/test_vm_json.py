"""JSON to typed values: what fits, what does not and where, and back."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import FlowType
from dandc.compiler.types import (
    BOOL,
    BYTES,
    F64,
    I64,
    STR,
    U8,
    UNIT,
    Array,
    Basic,
    EnumDef,
    Named,
    Option,
    RecordDef,
    Result,
    Tuple,
)
from dandc.vm.jsonvalues import from_json, items_from_json, parse_json, to_json
from dandc.vm.values import ValueMismatchError, admit

LINE, SHAPE = Named("m.Line"), Named("m.Shape")
TYPES = {
    "m.Line": RecordDef((("time", I64), ("level", Option(STR)))),
    "m.Shape": EnumDef((("point", ()), ("circle", (F64,)), ("box", (I64, I64)))),
    "m.Box": RecordDef((("value", I64),)),
    "m.Named": RecordDef((("time", I64), ("kind", Named("m.Kind"))), ("@time", "the kind")),
    "m.Kind": EnumDef((("a", ()), ("b", (I64,))), ("A", "b-1")),
    "m.Loop": RecordDef((("next", Array(Named("m.Loop"))),)),
}

FITS = [
    (I64, 5, 5),
    (I64, 5.0, 5),
    (I64, -(2**63), -(2**63)),
    (U8, 255, 255),
    (F64, 1, 1.0),
    (F64, 0.1, 0.1),
    (Basic("f32"), 0.1, 0.10000000149011612),
    (F64, "Infinity", math.inf),
    (BOOL, True, True),
    (STR, "ü", "ü"),
    (BYTES, "AP8=", b"\0\xff"),
    (UNIT, None, None),
    (Array(I64), [1, 2], [1, 2]),
    (Tuple((I64, STR)), [1, "a"], (1, "a")),
    (Option(I64), None, Variant(0)),
    (Option(I64), 3, Variant(1, (3,))),
    (Option(Option(I64)), {"some": None}, Variant(1, (Variant(0),))),
    (Option(UNIT), {"some": None}, Variant(1, (None,))),
    (LINE, {"time": 1, "level": "x", "more": []}, (1, Variant(1, ("x",)))),
    (LINE, {"time": 1}, (1, Variant(0))),
    (Named("m.Named"), {"@time": 1, "the kind": "A", "time": 2}, (1, Variant(0))),
    (Named("m.Named"), {"@time": 1, "the kind": {"b-1": 5}}, (1, Variant(1, (5,)))),
    (SHAPE, "point", Variant(0)),
    (SHAPE, {"circle": 1.5}, Variant(1, (1.5,))),
    (SHAPE, {"box": [1, 2]}, Variant(2, (1, 2))),
    (Result(I64, STR), {"ok": 1}, Variant(0, (1,))),
    (Result(I64, STR), {"err": "no"}, Variant(1, ("no",))),
]


def take(t: Any, shape: Any) -> Any:
    return admit(t, from_json(t, shape, TYPES), TYPES, lambda secret: "secret:x")


@pytest.mark.parametrize(("t", "shape", "value"), FITS, ids=str)
def test_fits(t: Any, shape: Any, value: Any) -> None:
    got = take(t, shape)
    assert value == got
    assert got == take(t, to_json(t, got, TYPES))


MISFITS = [
    (I64, 1.5, ""),
    (I64, True, ""),
    (I64, "1", ""),
    (I64, 2**63, ""),
    (U8, -1, ""),
    (I64, 1e300, ""),
    (I64, None, ""),
    (F64, True, ""),
    (F64, 2**53 + 1, ""),
    (I64, math.inf, ""),
    (I64, math.nan, ""),
    (Basic("f32"), 1e39, ""),
    (BOOL, 1, ""),
    (STR, 1, ""),
    (STR, "\ud800", ""),
    (BYTES, "A", ""),
    (BYTES, "Ä===", ""),
    (UNIT, 0, ""),
    (Array(Array(I64)), [[1], [2, "3"]], "[1][1]"),
    (Array(I64), {}, ""),
    (Tuple((I64, STR)), [1], ""),
    (LINE, [], ""),
    (LINE, {"level": "x"}, ""),
    (LINE, {"time": "x"}, ".time"),
    (Array(LINE), [{"time": 1}, {"time": 1, "level": 5}], "[1].level"),
    (SHAPE, "circle", ""),
    (SHAPE, "triangle", ""),
    (SHAPE, {"box": [1]}, ".box"),
    (SHAPE, {"point": 1}, ""),
    (SHAPE, {"circle": 1, "point": 1}, ""),
    (SHAPE, 5, ""),
    (Option(Option(I64)), 5, ""),
    (Named("m.None"), 5, ""),
]


@pytest.mark.parametrize(("t", "shape", "path"), MISFITS, ids=str)
def test_misfits(t: Any, shape: Any, path: str) -> None:
    """Each is an error with the path to the place, and without the value."""
    with pytest.raises(ValueMismatchError) as caught:
        take(t, shape)
    assert path == caught.value.path


BAD_TEXTS = [
    "1e999",
    "[-1E400]",
    "",
    "{",
    "[1,]",
    '{"a": 1, "a": 2}',
    "NaN",
    "-Infinity",
    "[" * 100_000,
    "1" * 5000,
    "nul",
    '"\x01"',
    "'a'",
]


@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda text: text[:10])
def test_bad_json(text: str) -> None:
    with pytest.raises(ValueMismatchError):
        parse_json(text)


def test_depth_is_limited() -> None:
    shape: Any = {"next": []}
    for _ in range(500):
        shape = {"next": [shape]}
    with pytest.raises(ValueMismatchError, match="nested too deeply"):
        from_json(Named("m.Loop"), shape, TYPES)


def items(flow: FlowType, shape: Any) -> list[tuple[Any, str, Any]]:
    return [(item.key, item.name, item.value) for item in items_from_json(flow, shape, TYPES)]


def test_items() -> None:
    """A set takes values or objects with name, key and value; a record that has such a field is taken as it is."""
    assert items(FlowType("one", None, I64), 1) == [(None, "", 1)]
    assert items(FlowType("optional", None, I64), None) == []
    assert [(None, "", Variant(0))] == items(FlowType("optional", None, Option(I64)), None)
    assert items(FlowType("many", None, I64), [1, {"name": "n", "value": 2}]) == [(None, "", 1), (None, "n", 2)]
    assert items(FlowType("many", I64, I64), [{"key": 7, "value": 1}]) == [(7, "", 1)]
    assert items(FlowType("many", None, Named("m.Box")), [{"value": 5}]) == [(None, "", (5,))]
    assert items(FlowType("many", I64, Named("m.Box")), [{"key": 7, "name": "n", "value": {"value": 5}}]) == [
        (7, "n", (5,))
    ]


@pytest.mark.parametrize(
    ("flow", "shape"),
    [
        (FlowType("many", None, I64), 5),
        (FlowType("many", I64, I64), [5]),
        (FlowType("many", I64, I64), [{"value": 5}]),
        (FlowType("many", I64, I64), [{"key": 1, "value": 5, "nmae": "x"}]),
        (FlowType("many", None, I64), [{"key": 1, "value": 5}]),
        (FlowType("many", None, I64), [{"name": 1, "value": 5}]),
        (FlowType("one", None, I64), None),
    ],
)
def test_items_that_do_not_fit(flow: FlowType, shape: Any) -> None:
    with pytest.raises(ValueMismatchError):
        items(flow, shape)


SCALARS = st.sampled_from(
    [(I64, st.integers(-(2**63), 2**63 - 1)), (F64, st.floats(allow_nan=False)), (STR, st.text()), (BYTES, st.binary())]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCALARS.flatmap(lambda row: st.tuples(st.just(row[0]), st.lists(st.lists(row[1], max_size=5), max_size=5))))
def test_round_trip_through_text(row: Any) -> None:
    """Any value survives being written as JSON text and read back."""
    import json

    item, value = row
    t = Array(Option(Array(item)))
    neutral = [Variant(1, (v,)) if v else Variant(0) for v in value]
    assert neutral == take(t, parse_json(json.dumps(to_json(t, neutral, TYPES))))


def test_an_f32_is_rounded_once():
    """A text that is nearest to the upper of two f32, while its f64 lies halfway and would go to the even one below."""
    text = "1.00000005960464477540"
    assert 1.0000001192092896 == from_json(Basic("f32"), parse_json(text), TYPES)
    assert 1.0000000596046448 == from_json(F64, parse_json(text), TYPES)
    assert 0.5 == from_json(Basic("f32"), 0.5, TYPES)
    long = text.rstrip("0") + "0" * 6_000
    assert 1.0000001192092896 == from_json(Basic("f32"), parse_json(long), TYPES)
    middle = "1.000000059604644775390625"
    assert [1.0, 1.0000001192092896] == [
        from_json(Basic("f32"), parse_json(middle + rest), TYPES) for rest in ("0" * 5_000, "0" * 5_000 + "1")
    ]
