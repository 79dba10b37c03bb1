"""Float literals are rounded once, to their own type."""

import math
import random
import struct

import pytest

from dandc.compiler.floats import nearest_float
from dandc.compiler.types import F64, Basic

F32 = Basic("f32")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.0", 0.0), ("0.1", 0.10000000149011612), ("16_777_217.0", 16777216.0), ("16777219.0", 16777220.0),
        # Halfway between two f32, and so little above it that the nearest f64 is the half.
        ("1.000000059604644775390625", 1.0), ("1.00000005960464477539062500000000001", 1.0000001192092896),
        ("3.4028235e38", 3.4028234663852886e38), ("3.40282356e38", 3.4028234663852886e38), ("3.40282357e38", math.inf), ("1e39", math.inf),
        ("1e400", math.inf), ("1.4e-45", 1.401298464324817e-45), ("7e-46", 0.0), ("7.1e-46", 1.401298464324817e-45), ("1e-999999999", 0.0),
    ],
)  # fmt: skip
def test_f32(text: str, value: float) -> None:
    """The nearest f32 of the text itself, ties to even."""
    assert value == nearest_float(text, F32)
    assert -value == nearest_float(f"-{text}", F32)


def test_every_f32_comes_back() -> None:
    """The text of an f32 means that f32; a double's text means the f32 that it is rounded to."""
    rnd = random.Random(1)
    for _ in range(2000):
        (value,) = struct.unpack("<f", rnd.randbytes(4))
        if math.isfinite(value):
            assert value == nearest_float(repr(value), F32)
            beside = value * (1 + rnd.uniform(-1e-8, 1e-8))
            assert struct.unpack("<f", struct.pack("<f", beside))[0] == nearest_float(repr(beside), F32)


def test_f64() -> None:
    """An f64 is what Python reads."""
    assert math.pi == nearest_float("3.141592653589793", F64)
    assert math.inf == nearest_float("1.8e308", F64)
