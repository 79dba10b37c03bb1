"""Elementary functions to hundreds of digits, from series in `decimal`: the oracle of the `math` module.

Nothing is shared with the implementation: no argument reduction but by multiples of pi with as many digits as the argument
needs, no polynomial but Taylor's. Every function gives a Decimal with a relative error below 1e-45. Arguments are finite and not special.
"""

import functools
import math
import struct
from collections.abc import Callable
from decimal import Context, Decimal, localcontext

DIGITS = 60
_WIDE = Context(prec=DIGITS, Emax=999999, Emin=-999999)


def _digits(extra: int) -> Context:
    return Context(prec=DIGITS + extra, Emax=999999, Emin=-999999)


@functools.cache
def pi(digits: int) -> Decimal:
    """pi to `digits` digits, by Machin's formula on integers."""
    one = 10 ** (digits + 10)
    return Decimal(4 * (4 * _inverse_tangent(5, one) - _inverse_tangent(239, one))).scaleb(-digits - 10)


def _inverse_tangent(n: int, one: int) -> int:
    term, total, k = one // n, one // n, 1
    while term:
        term //= -n * n
        total += term // (k + 2)
        k += 2
    return total


def exp(x: float) -> Decimal:
    """e to the x."""
    return _WIDE.exp(Decimal(x))


def log(x: float) -> Decimal:
    """The natural logarithm."""
    return _WIDE.ln(Decimal(x))


def log2(x: float) -> Decimal:
    """The logarithm to the base 2."""
    return _digits(20).divide(_digits(20).ln(Decimal(x)), _digits(20).ln(Decimal(2)))


def log10(x: float) -> Decimal:
    """The logarithm to the base 10."""
    return _WIDE.log10(Decimal(x))


def pow(x: float, y: float) -> Decimal:
    """x to the y; an integer y for a negative x."""
    wide = _digits(60)
    size = wide.exp(wide.multiply(Decimal(y), wide.ln(Decimal(x).copy_abs())))
    return size.copy_negate() if x < 0 and y % 2 == 1 else size


def cbrt(x: float) -> Decimal:
    """The cube root."""
    wide = _digits(40)
    size = wide.exp(wide.divide(wide.ln(Decimal(x).copy_abs()), Decimal(3)))
    return size.copy_sign(Decimal(x))


def hypot(x: float, y: float) -> Decimal:
    """The length of a vector."""
    wide = _digits(1600)
    squares = wide.add(wide.power(Decimal(x), 2), wide.power(Decimal(y), 2))
    return _WIDE.sqrt(squares)


def _turned(x: float) -> tuple[int, Decimal]:
    """The number of quarter turns nearest to x and what is left, with `DIGITS` good digits."""
    exact = Decimal(x)
    extra = max(exact.adjusted(), 0) + 30
    with localcontext(_digits(extra + 30)):
        half = pi(DIGITS + extra + 30) / 2
        turns = (exact / half).to_integral_value()
        return int(turns), exact - turns * half


def _sine(x: Decimal) -> Decimal:
    with localcontext(_digits(20)):
        term, total, k = x, x, 1
        while abs(term) > abs(x).scaleb(-DIGITS - 10):
            term = -term * x * x / ((k + 1) * (k + 2))
            total += term
            k += 2
        return total


def _cosine(x: Decimal) -> Decimal:
    with localcontext(_digits(20)):
        term, total, k = Decimal(1), Decimal(1), 0
        while abs(term) > Decimal(1).scaleb(-DIGITS - 10):
            term = -term * x * x / ((k + 1) * (k + 2))
            total += term
            k += 2
        return total


def sin(x: float) -> Decimal:
    """The sine of x radians."""
    turns, rest = _turned(x)
    value = _cosine(rest) if turns % 2 else _sine(rest)
    return value.copy_negate() if turns % 4 >= 2 else value


def cos(x: float) -> Decimal:
    """The cosine of x radians."""
    turns, rest = _turned(x)
    value = _sine(rest) if turns % 2 else _cosine(rest)
    return value.copy_negate() if turns % 4 in (1, 2) else value


def tan(x: float) -> Decimal:
    """The tangent of x radians."""
    return _WIDE.divide(sin(x), cos(x))


def _arctangent(x: Decimal) -> Decimal:
    """By halving the angle until the series is quick: atan(x) = 2 atan(x / (1 + sqrt(1 + x^2)))."""
    with localcontext(_digits(40)):
        doubled = 0
        while abs(x) > Decimal("0.01"):
            x = x / (1 + (1 + x * x).sqrt())
            doubled += 1
        term, total, k = x, x, 1
        while term and abs(term) > abs(x).scaleb(-DIGITS - 20):
            term = -term * x * x
            total += term / (k + 2)
            k += 2
        return total * 2**doubled


def atan(x: float) -> Decimal:
    """The angle whose tangent is x."""
    return _arctangent(Decimal(x))


def atan2(y: float, x: float) -> Decimal:
    """The angle of (x, y), neither being zero."""
    with localcontext(_digits(40)):
        a, b = abs(Decimal(y)), abs(Decimal(x))
        angle = _arctangent(a / b) if a <= b else pi(DIGITS + 40) / 2 - _arctangent(b / a)
        angle = angle if x > 0 else pi(DIGITS + 40) - angle
        return angle.copy_sign(Decimal(y))


def asin(x: float) -> Decimal:
    """The angle in [-pi/2, pi/2] whose sine is x."""
    if abs(x) < 1e-30:
        return Decimal(x)
    with localcontext(_digits(260)):
        cosine = (1 - Decimal(x) * Decimal(x)).sqrt()
    with localcontext(_digits(40)):
        return (pi(DIGITS + 40) / 2).copy_sign(Decimal(x)) if not cosine else _arctangent(Decimal(x) / cosine)


def acos(x: float) -> Decimal:
    """The angle in [0, pi] whose cosine is x."""
    with localcontext(_digits(260)):
        if abs(x) < 0.1:
            return pi(DIGITS + 40) / 2 - asin(x)
        sine = (1 - Decimal(x) * Decimal(x)).sqrt()
    with localcontext(_digits(40)):
        angle = _arctangent(sine / Decimal(x))
        return angle + pi(DIGITS + 40) if x < 0 else angle


REFERENCE: dict[str, Callable[..., Decimal]] = {
    f.__name__: f for f in (exp, log, log2, log10, pow, cbrt, hypot, sin, cos, tan, asin, acos, atan, atan2)
}


def nearest(exact: Decimal) -> float:
    """The correctly rounded f64: infinity beyond the largest, zero below half the least."""
    return float(exact)


def ulps(found: float, exact: Decimal) -> float:
    """How far `found` is from the exact value, in units in the last place of the nearest f64."""
    best = nearest(exact)
    if math.isinf(best) or math.isinf(found):
        return 0.0 if found == best else math.inf
    with localcontext(_WIDE):
        return float(abs(Decimal(found) - exact) / Decimal(math.ulp(best)))


def steps(found: float, exact: Decimal) -> int:
    """How many f64 lie between `found` and the correctly rounded value."""
    return abs(_rank(found) - _rank(nearest(exact)))


def _rank(x: float) -> int:
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)
