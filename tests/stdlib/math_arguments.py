"""Seeded arguments for the functions of the `math` module: wherever they are known to be hard, and everywhere else."""

import math
import random
import struct
from collections.abc import Callable

Arguments = tuple[float, ...]

LEAST = 5e-324  # every subnormal number is a multiple of it
BINARY = ("pow", "hypot", "atan2")


def finite(r: random.Random) -> float:
    """Any finite number but zero: all bit patterns are equally likely."""
    while True:
        (value,) = struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))
        if math.isfinite(value) and value:
            return float(value)


def subnormal(r: random.Random) -> float:
    """A positive number below 2^-1022."""
    return (r.getrandbits(r.randint(1, 52)) + 1) * LEAST


def near(value: float, r: random.Random) -> float:
    """A number next to `value`: one with 1 to 52 bits in common."""
    return value * (1 + r.uniform(-1, 1) * 2 ** -r.uniform(1, 52))


def _exp(r: random.Random) -> Arguments:
    return (r.choice((r.uniform(-746, 710), r.uniform(-1, 1), r.uniform(-745.2, -707), r.uniform(709, 709.79))),)


def _log(r: random.Random) -> Arguments:
    return (r.choice((abs(finite(r)), r.uniform(0.5, 2), near(1.0, r), subnormal(r))),)


def _any(r: random.Random) -> Arguments:
    return (r.choice((finite(r), r.uniform(-10, 10), subnormal(r))),)


def _turn(r: random.Random) -> Arguments:
    quarters = round(r.uniform(1, 2.0 ** r.randint(1, 50))) * (math.pi / 2)
    return (r.choice((finite(r), r.uniform(-8, 8), r.uniform(-0.8, 0.8), quarters, r.uniform(1e6, 2e6))),)


def _cosine(r: random.Random) -> Arguments:
    return (r.choice((r.uniform(-1, 1), -near(1.0, r), near(1.0, r), r.uniform(-1, 1) * 2.0 ** -r.randint(1, 60))),)


def _pair(r: random.Random) -> Arguments:
    y = finite(r)
    similar = y * 2.0 ** r.randint(-30, 30)
    return r.choice(((y, finite(r)), (r.uniform(-3, 3), r.uniform(-3, 3)), (y, similar), (subnormal(r), subnormal(r))))


def _power(r: random.Random) -> Arguments:
    x = r.uniform(0.5, 50)
    return r.choice(
        (
            (abs(finite(r)), r.uniform(-2, 2)),
            (near(1.0, r), r.uniform(-1, 1) * 2.0 ** r.randint(0, 50)),
            (r.uniform(0, 100), r.uniform(-150, 150)),
            (x, r.uniform(-745, 709.7) / math.log(x)),
            (-r.uniform(0, 100), float(r.randint(-150, 150))),
            (float(r.randint(2, 9)), float(r.randint(2, 16))),
        )
    )


_KINDS: dict[str, Callable[[random.Random], Arguments]] = {
    "exp": _exp, "log": _log, "log2": _log, "log10": _log, "cbrt": _any, "sin": _turn, "cos": _turn, "tan": _turn,
    "asin": _cosine, "acos": _cosine, "atan": _any, "atan2": _pair, "hypot": _pair, "pow": _power,
}  # fmt: skip


def _fits(name: str, args: Arguments) -> bool:
    if not all(math.isfinite(a) and a for a in args) or (name in ("asin", "acos") and abs(args[0]) > 1):
        return False
    return name != "pow" or (args[0] != 1 and abs(args[1] * math.log(abs(args[0]))) < 760)


def arguments(name: str, count: int, seed: int = 1) -> list[Arguments]:
    """`count` arguments of the function `name`, always the same ones."""
    r = random.Random(f"{name} {seed}")
    found: list[Arguments] = []
    while len(found) < count:
        args = _KINDS[name](r)
        if _fits(name, args):
            found.append(args)
    return found


def program(name: str) -> str:
    """A program whose function `f` maps arrays of arguments to the array of results of `math.name`."""
    if name in BINARY:
        body = f"var out: array[f64] = []; for i, v in x {{ out.append(math.{name}(v, y[i])); }} emit r <- out;"
        return f"import math;\nfunction f(x: array[f64], y: array[f64]) => (r: array[f64]) {{ {body} }}\n"
    return f"import math;\nfunction f(x: array[f64]) => (r: array[f64]) {{ emit r <- x.map(|v| math.{name}(v)); }}\n"
