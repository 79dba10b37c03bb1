"""Taking text and bytes apart, padding, numbers from text and with a fixed number of digits, against Python."""

import math
import random
import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from library import call

from dandc.compiler.encoding import Variant

NONE = Variant(0, ())
TEXTS = ["", "a", "=", "a=b", "a=b=c", "==", "äöü=ß", "日本語", "\U0001f600x", " a  b\tc\n", "\u00a0 a", "ab" * 30, "-a-", "a\r\n b "]  # fmt: skip


def some(value: Any) -> Variant:
    return Variant(1, (value,))


def ok(value: Any) -> Variant:
    return Variant(0, (value,))


def err(value: Any) -> Variant:
    return Variant(1, (value,))


def split_once(x: str) -> Variant:
    before, found, after = x.partition("=")
    return some((before, after)) if found else NONE


def offset(x: str, at: int) -> Variant:
    return some(len(x[:at].encode())) if at >= 0 else NONE


SPACE = " \t\n\r\v\f"
METHODS: list[tuple[str, str, Callable[[str], Any]]] = [
    ("option[(str, str)]", 'x.split_once("=")', split_once),
    ("option[i64]", 'x.find_last("=")', lambda x: offset(x, x.rfind("="))),
    ("option[i64]", 'x.find_last("")', lambda x: offset(x, len(x))),
    ("i64", 'x.count("=")', lambda x: x.count("=")),
    ("i64", 'x.count("aba")', lambda x: x.count("aba")),
    ("option[str]", 'x.strip_prefix("a")', lambda x: some(x[1:]) if x.startswith("a") else NONE),
    ("option[str]", 'x.strip_suffix("b")', lambda x: some(x[:-1]) if x.endswith("b") else NONE),
    ("option[str]", 'x.strip_suffix("")', some),
    ("str", "x.trim_start()", lambda x: x.lstrip(SPACE)),
    ("str", "x.trim_end()", lambda x: x.rstrip(SPACE)),
    ("str", "x.trim()", lambda x: x.strip(SPACE)),
    ("array[str]", "x.words()", lambda x: [w for w in x.translate(str.maketrans(SPACE, " " * 6)).split(" ") if w]),
    ("array[str]", "x.chars()", list),
    ("i64", "x.char_count()", len),
    ("str", "x.pad_start(4)", lambda x: x.rjust(4)),
    ("str", 'x.pad_end(5, "é")', lambda x: x.ljust(5, "é")),
    ("option[u8]", "x.to_bytes().get(1)", lambda x: some(x.encode()[1]) if len(x.encode()) > 1 else NONE),
    ("bool", 'x.to_bytes().starts_with(b"a")', lambda x: x.startswith("a")),
    ("bool", 'x.to_bytes().ends_with(b"b")', lambda x: x.endswith("b")),
    ("option[i64]", 'x.to_bytes().find(b"=", 2)', lambda x: some(at) if (at := x.encode().find(b"=", 2)) >= 0 else NONE),
    ("bool", 'x.to_bytes().contains(b"=b")', lambda x: "=b" in x),
    ("str", "x.to_bytes().to_hex()", lambda x: x.encode().hex()),
]  # fmt: skip


@pytest.mark.parametrize(("result", "expression", "oracle"), METHODS, ids=[m[1] for m in METHODS])
def test_methods_of_text(result: str, expression: str, oracle: Callable[[str], Any]) -> None:
    """The same as Python's, for texts of many kinds."""
    assert [oracle(x) for x in TEXTS] == call(f"x: str) => (y: {result}", expression, TEXTS)


RANGES = {"i8": (-128, 127), "u8": (0, 255), "i64": (-(2**63), 2**63 - 1), "u64": (0, 2**64 - 1)}


@pytest.mark.parametrize("of", RANGES)
def test_integers_from_text(of: str) -> None:
    """Decimal digits of exactly the values of the type; what else there is says what was expected."""
    low, high = RANGES[of]
    bounds = [low - 1, low, -1, 0, 1, high, high + 1, 10 * high, 2**70]
    texts = [*map(str, bounds), "007", "-0", "", "-", "--1", "+1", " 1", "1 ", "1.0", "1e3", "x", "٣", "1_0"]

    for text, found in zip(texts, call(f"x: str) => (y: result[{of}, str]", "x.parse()", texts), strict=True):
        digits = text.removeprefix("-") if low else text
        if digits.isascii() and digits.isdigit() and low <= int(text) <= high:
            assert ok(int(text)) == found, text
        else:
            assert err(f"expected an integer from {low} to {high}, found `{text}`") == found, text


NUMBERS = ["0", "-0", "1.5", ".5", "5.", "-.5e-3", "1e5", "1E+5", "01.50", "1e400", "-1e400", "1e-400", "123456789012345678901234567890", "inf",
           "-inf", "nan"]  # fmt: skip
NO_NUMBERS = [
    "",
    "-",
    ".",
    "-.",
    "e5",
    "1e",
    "1e+",
    "1.5.2",
    "1 ",
    " 1",
    "+1",
    "1_0",
    "0x1",
    "Infinity",
    "--1",
    "1e5.0",
    "1,5",
    "٣",
]


def packed(value: float, width: str) -> bytes:
    return struct.pack(width, value)


def test_floats_from_text() -> None:
    """The nearest float, as Python reads it; a number that would be infinite is an error."""
    texts = [*NUMBERS, *NO_NUMBERS]
    for text, found in zip(texts, call("x: str) => (y: result[f64, str]", "x.parse()", texts), strict=True):
        if text in NO_NUMBERS:
            assert err(f"expected a number, found `{text}`") == found
        elif math.isinf(float(text)) and "inf" not in text:
            assert err(f"`{text}` is too large for a float") == found
        else:
            assert found.index == 0, text
            assert packed(float(text), "<d") == packed(found.fields[0], "<d"), text


LARGEST = 3.4028234663852886e38


def nearest_f32(text: str) -> bytes:
    """The f32 nearest to a decimal text, ties to even, by exact arithmetic."""
    exact = Fraction(Decimal(text))
    start = struct.unpack("<f", struct.pack("<f", min(max(float(text), -LARGEST), LARGEST)))[0]
    (bits,) = struct.unpack("<I", struct.pack("<f", abs(start)))
    near = [b for b in range(max(bits - 2, 0), bits + 3) if b < 0x7F800000]
    size = {b: Fraction(struct.unpack("<f", struct.pack("<I", b))[0]) for b in near}
    best = min(near, key=lambda b: (abs(size[b] - abs(exact)), b % 2))
    return struct.pack("<I", best | (0x80000000 if text.startswith("-") else 0))


def f32_cases() -> list[str]:
    """Decimal texts near the middle between two f32, where a detour through f64 rounds to the wrong side."""
    rnd = random.Random(8)
    cases = [
        "0.1",
        "16777217",
        "-16777219",
        "1e-45",
        "7e-46",
        "1.17549435e-38",
        "3.4028235e38",
        "33554433.5",
        "0.000001",
        "123456.789e3",
    ]
    for _ in range(60):
        bits = rnd.randrange(1, 0x7F000000)
        a, b = (Fraction(struct.unpack("<f", struct.pack("<I", n))[0]) for n in (bits, bits + 1))
        middle = (a + b) / 2
        nudge = rnd.choice([0, 1, -1]) * (b - a) / 2 ** rnd.choice([31, 40, 60])
        value = middle + nudge
        if value.denominator.bit_length() < 200:
            cases.append(f"{Decimal(value.numerator) / Decimal(1)}" if value.denominator == 1 else exact_text(value))
    return cases


def exact_text(value: Fraction) -> str:
    """A positive fraction whose denominator is a power of two, in full."""
    places = value.denominator.bit_length() - 1
    digits = str(value.numerator * 5**places).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


@pytest.mark.parametrize("reader", ["x.parse[f32]()", "json_f32(x)"], ids=["parse", "json"])
def test_f32_rounds_once(reader: str) -> None:
    """Text becomes the nearest f32, and not the f32 nearest to the nearest f64."""
    json_f32 = "fn json_f32(x: str) -> result[f32, str] = json.decode[f32](x.to_bytes()).map_err(|e| e.message);"
    texts = f32_cases()

    found = call("x: str) => (y: result[f32, str]", reader, texts, ahead=json_f32)

    wrong_side = 0
    for text, result in zip(texts, found, strict=True):
        assert result.index == 0, text
        assert nearest_f32(text) == packed(result.fields[0], "<f"), text
        wrong_side += nearest_f32(text) != packed(float(text), "<f")
    assert wrong_side > 5


def test_fixed_digits() -> None:
    """The exact value rounded to the nearest, ties to even: as Python's `format`."""
    rnd = random.Random(4)
    values = [
        0.0,
        -0.0,
        0.5,
        1.5,
        2.5,
        0.125,
        0.375,
        1e21,
        1e-7,
        5e-324,
        1.7976931348623157e308,
        999.995,
        0.045,
        2.675,
        -1.005,
        123456789.0,
    ]
    values += [rnd.uniform(-1000, 1000) for _ in range(20)] + [
        struct.unpack("<d", rnd.randbytes(8))[0] for _ in range(10)
    ]
    cases = [(v, n) for v in values for n in (0, 1, 2, 5, 20, 100) if v == v]

    assert [f"{v:.{n}f}" for v, n in cases] == call("x: f64, n: i64) => (y: str", "x.to_fixed(n)", cases)
    bounded = [(1.5, -1), (1.5, 1000), (math.inf, 2), (-math.inf, 0), (math.nan, 1)]
    assert ["2", f"{1.5:.100f}", "inf", "-inf", "nan"] == call("x: f64, n: i64) => (y: str", "x.to_fixed(n)", bounded)
