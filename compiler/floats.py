"""The floats that decimal texts mean: the nearest of the type, ties to even, in one rounding.

Rounding a text to f64 and that to f32 is wrong where the f64 happens to lie halfway between two f32: the text may not.
"""

import math
import struct
from decimal import Decimal
from fractions import Fraction

from dandc.compiler.types import FLOAT_BITS, Basic, Type

_F32_BEYOND = 3.5e38
_F32_LEAST = 1e-46
_DIGITS = 800


def nearest_float(text: str, t: Type) -> float:
    """The value of type `t` (f32 or f64) nearest to a decimal text; an infinity if that is out of range."""
    digits = text.replace("_", "")
    double = float(digits)
    if not isinstance(t, Basic) or FLOAT_BITS[t.name] == 64 or not _F32_LEAST < abs(double) < _F32_BEYOND:
        return double if t == Basic("f64") else math.copysign(math.inf if abs(double) > 1 else 0.0, double)
    exact, low = _exact(digits), _truncated(double)
    candidates = (low, _next_up(low)) if abs(low) <= abs(double) else (_next_down(low), low)
    below, above = (Fraction(c) if math.isfinite(c) else Fraction(2) ** 128 for c in map(abs, candidates))
    first = abs(exact) - below < above - abs(exact)
    tie = abs(exact) - below == above - abs(exact)
    return candidates[0] if first or (tie and _bits(candidates[0]) % 2 == 0) else candidates[1]


def _exact(text: str) -> Fraction:
    """The value of a decimal text. Of digits beyond the 800th only whether one is not zero counts: no middle has so many."""
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    kept, dropped = digits[:_DIGITS], digits[_DIGITS:]
    number = Decimal((sign, (*kept, 1 if any(dropped) else 0), exponent + len(dropped) - 1))
    return Fraction(number)


def _bits(value: float) -> int:
    """The bits of an f32."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def _of_bits(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def _truncated(value: float) -> float:
    """An f32 beside `value`; the largest one for what is larger."""
    try:
        return _of_bits(_bits(value))
    except OverflowError:
        return math.copysign(_of_bits(0x7F7FFFFF), value)


def _next_up(value: float) -> float:
    """The next f32 away from zero."""
    return _of_bits(_bits(value) + 1)


def _next_down(value: float) -> float:
    """The next f32 towards zero."""
    return _of_bits(_bits(value) - 1)
