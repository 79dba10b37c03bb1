"""Items cross into and out of images as `docs/image.md` says, and hostile bytes do not."""

import math
import random
import struct
from typing import Any

import pytest
from agreement import agree, kernel, value
from hypothesis import given, settings
from hypothesis import strategies as st
from native import assemble, run_native

from dandc.compiler.encoding import EncodingError, Variant, decode, encode, some
from dandc.compiler.keys import decode_key, encode_key
from dandc.compiler.limits import VALUE_DEPTH
from dandc.compiler.type_text import parse_type
from dandc.compiler.types import Array, Basic, EnumDef, Named, RecordDef, Type, TypeDef

TYPES: dict[str, TypeDef] = {
    "m.Line": RecordDef((("time", Basic("i64")), ("level", Basic("str")), ("flags", Array(Basic("bool"))))),
    "m.Shape": EnumDef((("dot", ()), ("circle", (Basic("f32"),)), ("named", (Basic("str"), Basic("u8"))))),
    "m.Tree": RecordDef((("value", Basic("u16")), ("children", Array(Named("m.Tree"))))),
    "m.Color": EnumDef((("red", ()), ("green", ()), ("blue", ()))),
    "m.Empty": RecordDef(()),
}
DEFINITIONS = """record "m.Line" {"time": i64, "level": str, "flags": array[bool]}
enum "m.Shape" {"dot"(), "circle"(f32), "named"(str, u8)}
record "m.Tree" {"value": u16, "children": array[m.Tree]}
enum "m.Color" {"red"(), "green"(), "blue"()}
record "m.Empty" {}
"""

SAMPLES: dict[str, list[Any]] = {
    "i64": [0, -1, 1 << 62],
    "u8": [255],
    "bool": [True, False],
    "f64": [1.5, math.nan, -0.0, math.inf],
    "f32": [0.5, math.nan],
    "unit": [None],
    "str": ["", "héllo", "\0", "x" * 1000],
    "bytes": [b"", b"\xff\0"],
    "array[i64]": [[], [1, -2, 3]],
    "array[f64]": [[], [1.0, math.nan]],
    "array[f32]": [[0.25, math.nan, math.inf]],
    "array[bool]": [[], [True, False]],
    "array[str]": [[], ["a", "", "bc"]],
    "array[array[u16]]": [[], [[1], [], [2, 3]]],
    "(i8, array[i64], str)": [(1, [5], "x"), (0, [], "")],
    "option[str]": [Variant(0), some("x")],
    "result[i64, str]": [Variant(0, (4,)), Variant(1, ("no",))],
    "m.Line": [(3, "warn", [True]), (-3, "", [])],
    "array[m.Line]": [[(3, "warn", [True]), (4, "é", [])]],
    "m.Shape": [Variant(0), Variant(1, (0.5,)), Variant(2, ("n", 9))],
    "array[m.Shape]": [[Variant(0), Variant(2, ("", 0)), Variant(1, (math.nan,))]],
    "m.Tree": [(1, []), (1, [(2, [(3, [])]), (4, [])])],
    "array[unit]": [[None] * 3],
    "array[m.Empty]": [[(), ()]],
    "option[option[i64]]": [Variant(0), some(Variant(0)), some(some(7))],
}


def echo(t: str) -> str:
    return f"""kernel "echo"
param one "x": {t}
output one "y": {t}
{DEFINITIONS}
fn "echo"(%0 "x": {t}) -> unit {{
  emit 0 value=%0
}}
"""


@pytest.mark.parametrize("t", SAMPLES)
def test_values_go_through_unchanged(t: str) -> None:
    """Generated decoders and encoders are inverse, and both are the oracle's."""
    results = agree(echo(t), [[v] for v in SAMPLES[t]])

    assert repr(SAMPLES[t]) == repr([value(r) for r in results])


@pytest.mark.parametrize("t", SAMPLES)
def test_the_oracle_reads_what_it_writes(t: str) -> None:
    """`decode` of `encode` is the value, for whole items."""
    parsed = parse_type(t)
    for v in SAMPLES[t]:
        assert repr(v) == repr(decode(parsed, encode(parsed, v, TYPES), TYPES))


def mutations(data: bytes, chance: random.Random) -> list[bytes]:
    """Damaged copies: cut, extended, with changed bytes and huge numbers."""
    found = [data[:-1], data + b"\0", b"", b"\xff" * 8, b"\xff" * 40, data + b"\x80"]
    for _ in range(40):
        copy = bytearray(data)
        if copy:
            at = chance.randrange(len(copy))
            copy[at] = chance.choice([0, 1, 2, 0x7F, 0x80, 0xC0, 0xED, 0xFF])
        found.append(bytes(copy))
    return found


def oracle(t: Type, data: bytes) -> Any:
    try:
        return "ok", decode(t, data, TYPES)
    except EncodingError:
        return "trap.input", None


@pytest.mark.parametrize("t", SAMPLES)
def test_hostile_bytes(t: str) -> None:
    """The generated decoder refuses exactly what the oracle refuses, and reads the rest alike."""
    parsed, chance = parse_type(t), random.Random(t)
    items = [m for v in SAMPLES[t] for m in mutations(encode(parsed, v, TYPES), chance)]
    block = assemble(
        [[(None, b"", m) for m in items]], [struct.pack("<II", i, 1) for i in range(len(items))], len(items)
    )

    results = run_native(kernel(echo(t)), [[None]] * len(items), 2, block=block).results

    for item, result in zip(items, results, strict=True):
        state, expected = oracle(parsed, item)
        found = (result.trap or "ok", value(result) if result.state == "ok" else None)
        assert repr((state, expected)) == repr(found), item


def test_nested_too_deeply() -> None:
    """Values nested deeper than the limit are refused by both readers, at the limit accepted by both."""

    def tree(depth: int) -> Any:
        node: Any = (0, [])
        for _ in range(depth - 1):
            node = (0, [node])
        return node

    t = Named("m.Tree")
    data = encode(t, tree(VALUE_DEPTH), TYPES)
    deeper = data[:2] + struct.pack("<Q", 1) + data
    block = assemble([[(None, b"", data), (None, b"", deeper)]], [struct.pack("<II", i, 1) for i in (0, 1)], 2)

    results = run_native(kernel(echo("m.Tree")), [[None]] * 2, 2, block=block).results

    assert ["ok", "trap"] == [r.state for r in results]
    assert tree(VALUE_DEPTH) == value(results[0])
    with pytest.raises(EncodingError):
        decode(t, deeper, TYPES)
    with pytest.raises(EncodingError):
        encode(t, tree(VALUE_DEPTH + 1), TYPES)


KEYS: dict[str, list[Any]] = {
    "i64": [0, -1, 1 << 40, -(1 << 63)],
    "u16": [0, 1, 65535],
    "i8": [-128, 0, 127],
    "bool": [False, True],
    "str": ["", "a", "é\0x"],
    "bytes": [b"", b"\0\xff"],
    "m.Color": [Variant(0), Variant(2)],
    "(str, i16)": [("", 0), ("a\0b", -1), ("é", 3)],
    "(bytes, (m.Color, bool), str)": [(b"\0", (Variant(1), True), ""), (b"", (Variant(0), False), "\0\0")],
}


def key_echo(k: str) -> str:
    return f"""kernel "keys"
param set "xs": {k} => i64
output set "ys": {k} => i64
{DEFINITIONS}
fn "keys"(%0 "xs": set[{k} => i64]) -> unit {{
  let %1 "n": i64
  let %2 "i": i64
  let %3 "k": {k}
  let %4 "name": str
  let %5 "v": i64
  %1 = set_len(%0)
  for %2 = 0:i64 to %1 {{
    %3 = set_key(%0, %2)
    %4 = set_name(%0, %2)
    %5 = set_value(%0, %2)
    emit 0 key=%3 name=%4 value=%5
  }}
}}
"""


@pytest.mark.parametrize("k", KEYS)
def test_keys_names_and_values_of_sets(k: str) -> None:
    """Keys and names of every kind go through a kernel unchanged."""
    items = [(v, name, i) for i, (v, name) in enumerate((v, n) for v in KEYS[k] for n in ("", "näme"))]
    (result,) = agree(key_echo(k), [[items]])

    assert items == [(e.key, e.name, e.value) for e in result.emissions]


@pytest.mark.parametrize("k", KEYS)
def test_hostile_keys(k: str) -> None:
    """Key decoders refuse exactly what the oracle refuses."""
    t, chance = parse_type(k), random.Random(k)
    keys = [m for v in KEYS[k] for m in mutations(encode_key(t, v, TYPES), chance)]
    block = assemble(
        [[(m, b"n", struct.pack("<q", 1)) for m in keys]],
        [struct.pack("<II", i, 1) for i in range(len(keys))],
        len(keys),
    )
    results = run_native(kernel(key_echo(k)), [[[]]] * len(keys), 2, block=block).results

    for data, result in zip(keys, results, strict=True):
        try:
            expected = ("ok", decode_key(t, data, TYPES))
        except EncodingError:
            expected = ("trap.input", None)
        found = (result.trap or "ok", result.emissions[0].key if result.emissions else None)
        assert repr(expected) == repr(found), data


KEY_TYPE = parse_type("(str, i8, bytes)")


@settings(max_examples=200, deadline=None)
@given(*[st.tuples(st.text("\0ab\x01"), st.integers(-128, 127), st.binary(max_size=3))] * 2)
def test_key_bytes_compare_as_keys_do(a: Any, b: Any) -> None:
    """The order of keys is the order of their bytes; decoding gives the key back."""

    def bytewise(key: Any) -> Any:
        return key[0].encode(), key[1], key[2]

    first, second = encode_key(KEY_TYPE, a), encode_key(KEY_TYPE, b)
    assert (bytewise(a) < bytewise(b)) == (first < second)
    assert a == decode_key(KEY_TYPE, first)


def test_optional_parameters() -> None:
    """An `optional` parameter is an option: nothing there, or the decoded item."""
    text = """kernel "maybe"
param optional "x": array[str]
output one "y": option[array[str]]
fn "maybe"(%0 "x": option[array[str]]) -> unit {
  emit 0 value=%0
}
"""
    assert [Variant(0), some(["a"])] == [value(r) for r in agree(text, [[Variant(0)], [some(["a"])]])]


def test_an_item_without_a_key_is_refused_where_a_key_is_read() -> None:
    """A missing key is `trap.input`, not an empty key."""
    block = assemble([[(None, b"n", struct.pack("<q", 1))]], [struct.pack("<II", 0, 1)], 1)
    (result,) = run_native(kernel(key_echo("str")), [[[]]], 2, block=block).results

    assert "trap.input" == result.trap


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=12))
def test_utf8_validation_in_python_terms(data: bytes) -> None:
    """The oracle for texts is Python's own decoder."""
    try:
        expected = data.decode()
    except UnicodeDecodeError:
        with pytest.raises(EncodingError):
            decode(Basic("str"), data, {})
    else:
        assert expected == decode(Basic("str"), data, {})


def test_utf8_validation_natively() -> None:
    """All two-byte sequences and the edges of longer ones, as Python judges them."""
    items = [bytes([a, b]) for a in range(0x7F, 0x100) for b in (0, 0x41, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)]
    edges = [0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0x7F, 0xC0]
    items += [bytes([a, b, c]) for a in (0xE0, 0xE1, 0xED, 0xEF) for b in edges for c in edges]
    items += [bytes([a, b, 0x80, c]) for a in (0xF0, 0xF1, 0xF4, 0xF5) for b in edges for c in edges]
    items += [b"ascii678" + item for item in items] + [b"1234567" + item for item in items[:500]]
    block = assemble(
        [[(None, b"", m) for m in items]], [struct.pack("<II", i, 1) for i in range(len(items))], len(items)
    )

    results = run_native(kernel(echo("str")), [[None]] * len(items), 2, block=block).results

    for item, result in zip(items, results, strict=True):
        assert oracle(Basic("str"), item)[0] == (result.trap or "ok"), item
