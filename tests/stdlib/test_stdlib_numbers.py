"""Numbers as text and back, against Python's, which are correct and shortest."""

import math
import random
import struct
from fractions import Fraction

import pytest
from library import call

from dandc.compiler.encoding import Variant

NONE = Variant(0, ())


def doubles(n: int) -> list[float]:
    rnd = random.Random(7)
    values = [struct.unpack("<d", rnd.randbytes(8))[0] for _ in range(n)]
    values += [rnd.uniform(-1000, 1000) for _ in range(n // 4)] + [float(rnd.randrange(1 << 60)) for _ in range(n // 4)]
    values += [math.ldexp(1.0, e) for e in range(-1074, 1024, 61)] + [
        math.nextafter(math.ldexp(1.0, e), 0) for e in range(-1021, 1024, 67)
    ]
    values += [10.0**e for e in range(-323, 309, 17)] + [rnd.randrange(1, 100) * 5e-324 for _ in range(n // 10)]
    values += [0.0, -0.0, 0.1, 1e21, 1e22, 1e23, 9e15, 9007199254740993.0, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308,
               2.2250738585072011e-308, 1e-5, 1e-6, 9.5e-7, 123456789012345680.0, 4.35, 0.3, 2.675]  # fmt: skip
    return [v for v in values if v == v and abs(v) != math.inf]


def digits(text: str) -> tuple[str, str]:
    mantissa, _, exponent = text.lower().partition("e")
    return mantissa.replace(".", "").replace("-", "").strip("0"), exponent


def test_shortest_text_of_doubles() -> None:
    """The digits are those of Python's `repr`: the shortest that read back as the same double, the nearest of them."""
    values = doubles(300)

    texts = call("x: f64) => (y: str", 'f"{x}"', values)

    for value, text in zip(values, texts, strict=True):
        assert struct.pack("<d", value) == struct.pack("<d", float(text)), (value, text)
        assert digits(repr(value))[0] == digits(text)[0], (value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (-1.5, "-1.5"), (1e20, "100000000000000000000.0"), (1e21, "1.0e21"), (1.5e300, "1.5e300"),
     (0.00001, "0.00001"), (0.000001, "0.000001"), (0.0000001, "1.0e-7"), (math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "nan")],
)  # fmt: skip
def test_notation(value: float, text: str) -> None:
    """Where the point stands, and when an exponent is written."""
    assert [text] == call("x: f64) => (y: str", 'f"{x}"', [value])


def test_shortest_text_of_floats() -> None:
    """An `f32` is written with the digits that an f32 needs."""
    rnd = random.Random(3)
    values = [struct.unpack("<f", rnd.randbytes(4))[0] for _ in range(200)] + [
        0.1,
        1e10,
        16777216.0,
        1e-45,
        3.4028235e38,
        1e-38,
    ]
    values = [struct.unpack("<f", struct.pack("<f", v))[0] for v in values if v == v and abs(v) != math.inf]

    for value, text in zip(values, call("x: f32) => (y: str", 'f"{x}"', values), strict=True):
        packed = struct.pack("<f", value)
        assert packed == struct.pack("<f", float(text)), (value, text)
        correct = next(t for n in range(9) if as_f32(t := f"{value:.{n}e}") == packed)
        assert len(digits(text)[0]) <= len(digits(correct)[0]), (value, text)


def as_f32(text: str) -> bytes:
    """The bits of the nearest f32; those of infinity for what is too large."""
    try:
        return struct.pack("<f", float(text))
    except OverflowError:
        return struct.pack("<f", math.inf)


def test_parsing_of_doubles() -> None:
    """Every text gives the nearest double, ties to even: as Python reads it."""
    rnd = random.Random(11)
    texts = [repr(v) for v in doubles(150)]
    texts += [f"{rnd.randrange(10 ** rnd.randrange(1, 40))}e{rnd.randrange(-345, 300)}" for _ in range(150)]
    texts += [f"{rnd.randrange(10**18)}.{rnd.randrange(10**25):025}" for _ in range(50)]
    # Halfway between two doubles, and a little beside.
    for value in doubles(40)[:40]:
        exact = (math.nextafter(abs(value), math.inf) - abs(value)) / 2
        if exact > 0 and abs(value) < 1e300:
            middle = (Fraction(abs(value)) + Fraction(math.nextafter(abs(value), math.inf))) / 2
            if middle.denominator <= 2**300:
                text = decimal_text(middle)
                texts += [text, text + "0000001", text[:-1] + ("4" if text[-1] == "5" else text[-1]) + "9999999"]
    texts += ["0.0", "-0.0", "0e5", "-0e-400", "1e-400", "-1e-400", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.5e-324",
              "2.2250738585072011e-308", "2.2250738585072012e-308", "1.7976931348623157e308", "1.7976931348623158e308", "9007199254740993",
              "9007199254740992.99999", "0." + "0" * 400 + "1e400", "1" + "0" * 400 + "e-400", "1" * 700 + "e-650"]  # fmt: skip

    values = call("x: bytes) => (y: f64", "json.decode[f64](x)?", [t.encode() for t in texts])

    for text, value in zip(texts, values, strict=True):
        expected = float(text)
        if math.isinf(expected):
            assert "too large" in value, text
        else:
            assert struct.pack("<d", expected) == struct.pack("<d", value), text


def decimal_text(value: Fraction) -> str:
    """A fraction whose denominator is a power of two, exactly."""
    places = value.denominator.bit_length() - 1
    scaled = value.numerator * 10**places // value.denominator
    whole, rest = divmod(scaled, 10**places)
    return f"{whole}.{rest:0{max(places, 1)}}"


@pytest.mark.parametrize("text", ["1e400", "1.7976931348623159e308", "-2e308"])
def test_too_large(text: str) -> None:
    """No text gives an infinity."""
    (found,) = call("x: bytes) => (y: f64", "json.decode[f64](x)?", [text.encode()])

    assert "too large" in found


def test_integers_as_text() -> None:
    """Signed and unsigned, to the ends of their ranges."""
    signed = [0, 1, -1, 9, 10, -10, 99, 2**63 - 1, -(2**63), 10**18, -(10**18)]
    unsigned = [0, 7, 10, 2**64 - 1, 10**19]

    assert [str(v) for v in signed] == call("x: i64) => (y: str", 'f"{x}"', signed)
    assert [str(v) for v in unsigned] == call("x: u64) => (y: str", 'f"{x}"', unsigned)
    assert ["-128"] == call("x: i8) => (y: str", 'f"{x}"', [-128])


def test_text_as_integers() -> None:
    """Decimal digits with at most a minus; nothing else is an integer."""
    good = ["0", "-0", "7", "-5", "007", str(2**63 - 1), str(-(2**63)), "1234567890123456789"]
    bad = [
        "",
        "-",
        "--1",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "x",
        "12a",
        "٣",
        str(2**63),
        str(-(2**63) - 1),
        "9" * 19,
        "1" * 20,
    ]

    found = call("x: str) => (y: option[i64]", "x.to_i64()", [*good, *bad])

    assert [Variant(1, (int(t),)) for t in good] + [NONE] * len(bad) == found


def test_sums() -> None:
    """Integer sums are exact whatever comes between; float sums have the order of the language."""
    rnd = random.Random(5)
    lists = [[rnd.randrange(-(2**63), 2**63) for _ in range(n)] for n in (0, 1, 2, 3, 40)]
    lists += [[2**63 - 1, 1, -1], [2**63 - 1, 2**63 - 1, -(2**63), -(2**63), 2]]

    expected = [s if -(2**63) <= (s := sum(xs)) < 2**63 else "trap.overflow" for xs in lists]
    assert expected == call("xs: array[i64]) => (y: i64", "xs.sum()", lists)

    floats = [
        [rnd.uniform(-1, 1) * 10 ** rnd.randrange(-5, 5) for _ in range(n)] for n in (0, 1, 31, 32, 33, 100, 1000)
    ]
    assert [lane_sum(xs) for xs in floats] == call("xs: array[f64]) => (y: f64", "xs.sum()", floats)


def lane_sum(xs: list[float]) -> float:
    """32 lanes from left to right, then in halves."""
    lanes = [0.0] * 32
    for i, x in enumerate(xs):
        lanes[i % 32] += x
    width = 16
    while width:
        lanes = [lanes[k] + lanes[k + width] for k in range(width)]
        width //= 2
    return lanes[0]
