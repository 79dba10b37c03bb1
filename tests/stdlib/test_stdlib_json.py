"""JSON against Python's `json`: what both accept means the same, and hostile texts are errors with a place."""

import base64
import json
import random
import struct
from typing import Any

import pytest
from library import call, results

from dandc.compiler.encoding import Variant

NONE = Variant(0, ())


def some(value: Any) -> Variant:
    return Variant(1, (value,))


TYPES = """
enum Shape { circle(f64), rectangle(f64, f64), point }
record Part { n: i64, label: option[str] }
record All {
    flag: bool, small: u8, big: i64, real: f64, text: str, data: bytes, maybe: option[i64], list: array[Part],
    pair: (i64, str), shape: Shape, outcome: result[i64, str], nothing: (),
}
"""
ROUND = TYPES + "function f(x: bytes) => (y: str) { emit y <- json.encode(json.decode[All](x)?); }"
DOCUMENT: dict[str, Any] = {
    "flag": True, "small": 200, "big": -(2**63), "real": 0.1, "text": 'é"\\\n\x01\U0001F600', "data": "AQID/w==", "maybe": 7,
    "list": [{"n": 1, "label": "a"}, {"n": 2, "label": None}], "pair": [3, "x"], "shape": {"rectangle": [1.5, 2.0]},
    "outcome": {"err": "no"}, "nothing": None,
}  # fmt: skip


def decode(of: str, texts: list[bytes | str]) -> list[Any]:
    """The value of each text as type `of`, or the failure."""
    data = [t.encode() if isinstance(t, str) else t for t in texts]
    return call(f"x: bytes) => (y: {of}", f"json.decode[{of}](x)?", data)


@pytest.mark.parametrize("changes", [
    {}, {"flag": False, "small": 0, "big": 2**63 - 1}, {"shape": "point", "outcome": {"ok": 4}}, {"shape": {"circle": 2.5}}, {"maybe": None},
    {"list": []}, {"data": ""}, {"text": ""}, {"real": 1e300},
], ids=str)  # fmt: skip
def test_round_trip(changes: dict[str, Any]) -> None:
    """What is decoded and encoded again is the same JSON, whatever white space and escapes the first had."""
    document = {**DOCUMENT, **changes}
    texts = [
        json.dumps(document),
        json.dumps(document, ensure_ascii=False),
        json.dumps(document, indent=3),
        json.dumps(dict(reversed(document.items()))),
    ]

    for result in results(ROUND, [[t.encode()] for t in texts], interpreted=1):
        assert result.state == "ok", result
        assert document == json.loads(result.emissions[0].value)


def test_missing_options_are_none_and_unknown_members_are_ignored() -> None:
    """Only an option may be missing; what nobody asked for is stepped over, but must be JSON."""
    text = "record P { a: i64, b: option[str] } function f(x: bytes) => (y: P) { emit y <- json.decode[P](x)?; }"
    unknown = '{"zz": {"deep": [1, {"x": null}, "\\u00e9"], "t": true}, "a": 1, "n": -1.5e3}'
    good = ['{"a": 1}', '{"b": null, "a": 1}', unknown]
    bad = {
        "{}": "`a` is missing at $, byte 2",
        '{"a": 1, "zz": tru}': "expected a value",
        '{"a": 1, "zz": {"x": 01}}': "a number has no leading zero at $, byte 21",
        '{"a": 1, "a": 2}': "`a` is given twice at $, byte",
        '{"a": "x"}': "expected a number at $.a, byte 6",
        '{"a": null}': "expected a number at $.a",
        '{"a": 1,}': "expected a string",
        '{"a" 1}': "expected `:`",
        '{"a": 1': "the text ends",
        "[]": "expected an object",
    }

    found = results(text, [[t.encode()] for t in [*good, *bad]], interpreted=20)

    assert [(1, NONE)] * 3 == [r.emissions[0].value for r in found[:3]]
    for result, (source, message) in zip(found[3:], bad.items(), strict=True):
        assert message in result.message, (source, result.message)


SCALARS = ["0", "-0", "1", "-1", "255", "256", "-128", "-129", "1.0", "1e2", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
           "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1" * 100, "01", "+1", ".5", "1.", "-", "- 1", "0x10", "1_000",
           "NaN", "Infinity", "-Infinity", "true", "null", '"1"', "", " ", "1 2", "1,", "\ufeff1", "1\0"]  # fmt: skip


@pytest.mark.parametrize("of", ["u8", "i8", "i64", "u64"])
def test_integers(of: str) -> None:
    """An integer is accepted if it is one in JSON and fits; nothing is rounded."""
    low, high = {"u8": (0, 255), "i8": (-128, 127), "i64": (-(2**63), 2**63 - 1), "u64": (0, 2**64 - 1)}[of]
    for text, found in zip(SCALARS, decode(of, list(SCALARS)), strict=True):
        try:
            expected = json.loads(text, parse_constant=lambda c: c)
        except ValueError:
            expected = None
        if isinstance(expected, int) and not isinstance(expected, bool) and low <= expected <= high:
            assert expected == found, text
        else:
            assert isinstance(found, str), text
            assert found.startswith("fail: "), text


STRINGS = [
    '""',
    '"a"',
    '"\\u0041"',
    '"\\u00e9é"',
    '"\\ud83d\\ude00"',
    '"\\uD83D\\uDE00\\u0000"',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\x7f\u2028"',
    '"\U0010ffff"',
]
BAD_STRINGS = ['"', '"a', '"\\', '"\\u', '"\\u12', '"\\u12g4"', '"\\x41"', '"\\ud83d"', '"\\ud83dx"', '"\\ud83d\\n"', '"\\ud83d\\u0041"', '"\\ude00"',
               '"\\ude00\\ud83d"', '"\n"', '"\t"', '"\0"', "'a'", "a", "nul", '"a"b"']  # fmt: skip


def test_strings() -> None:
    """Escapes and surrogate pairs as Python reads them; a lone surrogate is no text."""
    assert [json.loads(s) for s in STRINGS] == decode("str", list(STRINGS))
    assert [] == [
        (s, v) for s, v in zip(BAD_STRINGS, decode("str", list(BAD_STRINGS)), strict=True) if not v.startswith("fail: ")
    ]


def test_invalid_utf8() -> None:
    """A string of other bytes than UTF-8 is an error, with and without escapes, as key and as value."""
    texts = [b'"\xff"', b'"\\n\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"']

    assert all("UTF-8" in v for v in decode("str", list(texts)))
    assert all(v.startswith("fail: ") for v in decode("array[str]", [b"[" + t + b"]" for t in texts]))


@pytest.mark.parametrize("n", [199, 200, 201, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_limited(n: int, opening: str, closing: str) -> None:
    """Unknown members may be nested 200 deep with the object around them, and no deeper."""
    text = "record P { b: i64 } function f(x: bytes) => (y: P) { emit y <- json.decode[P](x)?; }"
    document = '{"z": ' + opening * (n - 1) + "1" + closing * (n - 1) + ', "b": 2}'

    (result,) = results(text, [[document.encode()]], interpreted=0)

    if n <= 200:
        assert result.state == "ok"
    else:
        assert "nested more than 200 deep" in result.message


def test_recursive_types() -> None:
    """A tree is read and written by functions that call themselves, to the same limit."""
    text = "record T { n: i64, kids: array[T] } function f(x: bytes) => (y: str) { emit y <- json.encode(json.decode[T](x)?); }"
    tree: dict[str, Any] = {"n": 0, "kids": [{"n": 1, "kids": []}, {"n": 2, "kids": [{"n": 3, "kids": []}]}]}
    deep = '{"n":1,"kids":[' * 101 + "]}" * 101

    good, bad = results(text, [[json.dumps(tree).encode()], [deep.encode()]], interpreted=1)

    assert tree == json.loads(good.emissions[0].value)
    assert bad.state == "fail"


def test_paths() -> None:
    """The place of a mistake is said from the outside in."""
    text = "record P { a: array[(i64, option[Q])] } record Q { b: u8 } function f(x: bytes) => (y: P) { emit y <- json.decode[P](x)?; }"
    (result,) = results(text, [[b'{"a": [[1, null], [2, {"b": 256}]]}']])

    assert result.message == "expected an integer from 0 to 255 at $.a[1][1].b, byte 28"


def test_base64() -> None:
    """Bytes are base64 with padding, the only form that Python writes; sloppy forms are errors."""
    rnd = random.Random(9)
    values = [rnd.randbytes(n) for n in range(12)]
    encoded = [f'"{base64.b64encode(v).decode()}"' for v in values]

    assert values == decode("bytes", list(encoded))
    assert encoded == call("x: bytes) => (y: str", "json.encode(x)", values)
    for text in (
        '"A"',
        '"AA"',
        '"AAA"',
        '"AA=A"',
        '"===="',
        '"A==="',
        '"AAAA===="',
        '"AB=="',
        '"AAB="',
        '"AA==AA=="',
        '"AA-_"',
        '"AAAA\\n"',
        '"é==="',
        "1",
    ):
        (found,) = decode("bytes", [text])
        assert found.startswith("fail: "), text


def test_floats_as_json() -> None:
    """Finite doubles come back bit for bit; JSON has no others."""
    rnd = random.Random(21)
    values = [v for _ in range(60) if (v := struct.unpack("<d", rnd.randbytes(8))[0]) == v] + [
        0.0,
        -0.0,
        1.0,
        1e22,
        5e-324,
    ]

    for value, text in zip(values, call("x: f64) => (y: str", "json.encode(x)", values), strict=True):
        assert struct.pack("<d", value) == struct.pack("<d", json.loads(text))
    assert ["null"] * 3 == call("x: f64) => (y: str", "json.encode(x)", [float("inf"), float("-inf"), float("nan")])


def test_strings_as_json() -> None:
    """Control characters, quotes and backslashes are escaped; everything else stands as it is."""
    values = ["", 'a"b\\c/d', "".join(map(chr, range(32))), "\x7f\x80é\u2028\U0001f600"]

    assert [json.dumps(v, ensure_ascii=False) for v in values] == call("x: str) => (y: str", "json.encode(x)", values)


def test_anonymous_records() -> None:
    """`{a: x}` is an object in the order in which it is written."""
    found = call(
        "x: i64) => (y: str",
        'json.encode({b: x, a: [{c: "s"}], d: none_of(x)}); fn none_of(x: i64) -> option[i64] = if x > 1 { some(x) } else { none }',
        [1, 2],
    )

    assert ['{"b":1,"a":[{"c":"s"}],"d":null}', '{"b":2,"a":[{"c":"s"}],"d":2}'] == found


def test_variants_of_enums() -> None:
    """A variant without payload is its name, with one it is an object with one member."""
    text = TYPES + "function f(x: bytes) => (y: Shape) { emit y <- json.decode[Shape](x)?; }"
    good = {
        '"point"': Variant(2, ()),
        '{"circle": 1}': Variant(0, (1.0,)),
        '{"rectangle":[1,2e0]}': Variant(1, (1.0, 2.0)),
    }
    bad = [
        '"circle"',
        '{"point": null}',
        '"square"',
        '{"circle": 1, "point": 2}',
        '{"rectangle": [1]}',
        '{"rectangle": [1, 2, 3]}',
        "{}",
        "null",
        '{"circle": 1',
    ]

    found = results(text, [[t.encode()] for t in [*good, *bad]], interpreted=20)

    assert list(good.values()) == [r.emissions[0].value for r in found[:3]]
    assert ["fail"] * len(bad) == [r.state for r in found[3:]]


def test_random_documents() -> None:
    """Skipping an unknown value accepts exactly what Python accepts, for valid texts and for damaged ones."""
    rnd = random.Random(17)
    texts = [json.dumps(document(rnd, 4)) for _ in range(60)]
    damaged = [
        t[:k] + rnd.choice('{}[],:"\\e1 ') + t[k + rnd.randrange(2) :] for t in texts for k in (rnd.randrange(len(t)),)
    ]
    text = "record P { q: option[i64] } function f(x: bytes) => (y: P) { emit y <- json.decode[P](x)?; }"

    found = results(text, [[f'{{"z": {t}}}'.encode()] for t in [*texts, *damaged]], interpreted=3)

    for source, result in zip([*texts, *damaged], found, strict=True):
        assert is_json(source) == (result.state == "ok"), (source, result)


def is_json(text: str) -> bool:
    """Whether Python reads `{"z": text}` as one member of valid text, without its extensions to JSON."""

    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        json.dumps(json.loads(f'{{"z": {text}}}', parse_constant=no_constant), ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def document(rnd: random.Random, depth: int) -> Any:
    """A random JSON value."""
    kind = rnd.randrange(7 if depth else 5)
    if kind == 5:
        return [document(rnd, depth - 1) for _ in range(rnd.randrange(4))]
    if kind == 6:
        return {f"k{i}": document(rnd, depth - 1) for i in range(rnd.randrange(4))}
    return [None, True, rnd.randrange(-1000, 1000), rnd.uniform(-1, 1), 'a\n\u00e9\U0001f600"'[: rnd.randrange(6)]][
        kind
    ]
