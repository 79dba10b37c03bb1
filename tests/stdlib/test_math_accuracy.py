"""The elementary functions are as close to the exact values as `docs/numeric.md` says, and have the same bits everywhere."""

import math
import re
import struct
from pathlib import Path

import pytest
from exact_math import REFERENCE, steps, ulps
from math_arguments import BINARY, arguments, program
from stdlib_kernels import everywhere, native

INF, NAN = math.inf, math.nan
_PAGE = Path(__file__).parents[2] / "docs" / "numeric.md"
_ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) \|", re.MULTILINE)


def documented() -> dict[str, float]:
    """The largest error of each function, in units in the last place, as the page promises it."""
    return {name: float(error) for name, error in _ROW.findall(_PAGE.read_text("utf-8"))}


def columns(rows: list[tuple[float, ...]]) -> list[list[float]]:
    """An instance's parameters: one array for each argument of the function."""
    return [list(column) for column in zip(*rows, strict=True)]


def bits(value: float) -> int:
    """What tells numbers apart: the sign of zero too, but no two nans."""
    return int.from_bytes(struct.pack("<d", value if value == value else NAN), "little")


def test_every_function_is_documented() -> None:
    assert set(REFERENCE) == set(documented())


@pytest.mark.parametrize("name", REFERENCE)
def test_errors_stay_below_the_documented_ones(name: str) -> None:
    rows = arguments(name, 4000)
    (found,) = native(program(name), columns(rows))
    exact = [REFERENCE[name](*row) for row in rows]

    assert [] == [row for row, f, e in zip(rows, found, exact, strict=True) if ulps(f, e) > documented()[name]]
    assert [] == [row for row, f, e in zip(rows, found, exact, strict=True) if steps(f, e) > 1]


@pytest.mark.parametrize("name", REFERENCE)
def test_interpreter_and_native_code_agree(name: str) -> None:
    everywhere(program(name), columns(arguments(name, 150, seed=2)))


@pytest.mark.parametrize("name", REFERENCE)
def test_optimisation_changes_no_bit(name: str) -> None:
    rows = columns(arguments(name, 4000, seed=3))

    assert list(map(bits, native(program(name), rows, opt=0)[0])) == list(map(bits, native(program(name), rows)[0]))


def test_arguments_next_to_multiples_of_a_quarter_turn() -> None:
    """The hardest f64 for reduction by pi/2 (6381956970095103 x 2^797) and others whose reduced part is tiny."""
    hard = [math.ldexp(6381956970095103, 797), math.pi, math.pi / 2, 3 * math.pi / 2, 1e22, 2.0**1023, 1.7e308, 22.0]
    hard += [math.ldexp(n, k) for n in (1, 355, 7074237752028440) for k in (0, 1, 20, 21, 400)]
    for name in ("sin", "cos", "tan"):
        (found,) = native(program(name), [hard])
        assert [] == [x for x, f in zip(hard, found, strict=True) if ulps(f, REFERENCE[name](x)) > documented()[name]]


EDGES: dict[str, list[tuple[float, ...]]] = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (709.7827128933841, INF), (-745.1332191019411, 5e-324), (-745.1332191019412, 0.0), (1e-300, 1.0), (1e308, INF)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN), (NAN, NAN)],
    "log2": [(1.0, 0.0), (0.0, -INF), (5e-324, -1074.0), (0.5, -1.0), (2.0**1023, 1023.0), (-1.0, NAN), (INF, INF), (NAN, NAN)],
    "log10": [(1.0, 0.0), (0.0, -INF), (10.0, 1.0), (1e22, 22.0), (1e3, 3.0), (-1.0, NAN), (INF, INF), (NAN, NAN)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN), (5e-324, 5e-324), (-1e-308, -1e-308)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (NAN, NAN), (5e-324, 1.0)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN), (5e-324, 5e-324)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1.0, math.pi / 2), (-1.0, -math.pi / 2), (1.0000000000000002, NAN), (NAN, NAN), (5e-324, 5e-324)],
    "acos": [(1.0, 0.0), (-1.0, math.pi), (0.0, math.pi / 2), (-0.0, math.pi / 2), (1.5, NAN), (INF, NAN), (NAN, NAN)],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (INF, math.pi / 2), (-INF, -math.pi / 2), (NAN, NAN), (1.0, math.pi / 4), (1e308, math.pi / 2)],
    "atan2": [(0.0, 1.0, 0.0), (-0.0, 1.0, -0.0), (0.0, -1.0, math.pi), (-0.0, -1.0, -math.pi), (0.0, 0.0, 0.0), (0.0, -0.0, math.pi),
              (-0.0, -0.0, -math.pi), (1.0, 0.0, math.pi / 2), (-1.0, -0.0, -math.pi / 2), (1.0, INF, 0.0), (-1.0, INF, -0.0),
              (1.0, -INF, math.pi), (INF, 1.0, math.pi / 2), (-INF, -1.0, -math.pi / 2), (INF, INF, math.pi / 4),
              (INF, -INF, 3 * math.pi / 4), (-INF, INF, -math.pi / 4), (NAN, 1.0, NAN), (1.0, NAN, NAN), (5e-324, 1e308, 0.0),
              (1e308, 5e-324, math.pi / 2), (5e-324, 5e-324, math.pi / 4), (1.7e308, 1.7e308, math.pi / 4)],
    "hypot": [(0.0, 0.0, 0.0), (-0.0, -0.0, 0.0), (3.0, 4.0, 5.0), (-3.0, 4.0, 5.0), (INF, NAN, INF), (NAN, -INF, INF), (NAN, 1.0, NAN),
              (5e-324, 0.0, 5e-324), (1.7e308, 1e308, INF), (1.2e308, 1.2e308, 1.6970562748477140e308), (3e-320, 4e-320, 5e-320)],
    "cbrt": [(0.0, 0.0), (-0.0, -0.0), (27.0, 3.0), (-8.0, -2.0), (INF, INF), (-INF, -INF), (NAN, NAN), (1e300, 1e100), (5e-324, 1.7031839360032603e-108)],
    "pow": [(2.0, 10.0, 1024.0), (0.0, 0.0, 1.0), (NAN, 0.0, 1.0), (1.0, NAN, 1.0), (-1.0, INF, 1.0), (-1.0, -INF, 1.0), (2.0, INF, INF),
            (0.5, INF, 0.0), (2.0, -INF, 0.0), (0.5, -INF, INF), (0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (0.0, -1.0, INF),
            (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (INF, 0.5, INF), (INF, -0.5, 0.0), (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, -3.0, -0.0),
            (-INF, -2.5, 0.0), (-8.0, 1 / 3, NAN), (-2.0, 3.0, -8.0), (-2.0, 4.0, 16.0), (2.0, -1074.0, 5e-324), (2.0, -1075.0, 0.0), (2.0, 1024.0, INF),
            (-2.0, 1025.0, -INF), (-2.0, -2001.0, -0.0), (1.0000000000000002, 1e300, INF), (0.9999999999999999, 1e300, 0.0), (10.0, 22.0, 1e22),
            (3.0, 33.0, 5559060566555523.0), (NAN, 1.0, NAN), (2.0, NAN, NAN), (-1.0, 1e300, 1.0), (5e-324, 1.0, 5e-324), (5e-324, 0.5, 2.2227587494850775e-162)],
    "fmod": [(5.5, 2.0, 1.5), (-5.5, 2.0, -1.5), (5.5, -2.0, 1.5), (6.0, 2.0, 0.0), (-6.0, 2.0, -0.0), (1.0, INF, 1.0), (INF, 1.0, NAN), (1.0, 0.0, NAN),
             (1e308, 3.0, math.fmod(1e308, 3.0)), (5e-324, 1.0, 5e-324), (NAN, 1.0, NAN),
             (1.7e308, 5e-324, 0.0), (1.7e308, 1.5e-323, math.fmod(1.7e308, 1.5e-323)), (1.7e308, 3e-310, math.fmod(1.7e308, 3e-310)),
             (-1e300, 0.1, math.fmod(-1e300, 0.1)), (1e17, 7.3e-5, math.fmod(1e17, 7.3e-5)), (1.5, 1.5, 0.0), (9e307, 1.1e292, math.fmod(9e307, 1.1e292))],
    "min": [(1.0, 2.0, 1.0), (2.0, 1.0, 1.0), (0.0, -0.0, -0.0), (-0.0, 0.0, -0.0), (NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, -INF, -INF)],
    "max": [(1.0, 2.0, 2.0), (2.0, 1.0, 2.0), (0.0, -0.0, 0.0), (-0.0, 0.0, 0.0), (NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, -INF, INF)],
    "copysign": [(1.0, -0.0, -1.0), (-1.0, 2.0, 1.0), (0.0, -1.0, -0.0), (-INF, 1.0, INF)],
    "round": [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (-1.5, -2.0), (0.49999999999999994, 0.0), (4503599627370497.5, 4503599627370498.0),
              (1e300, 1e300), (-0.0, -0.0), (INF, INF), (NAN, NAN)],
    "floor": [(-0.5, -1.0), (2.7, 2.0), (-0.0, -0.0)],
    "ceil": [(-0.5, -0.0), (2.1, 3.0), (INF, INF)],
    "trunc": [(-1.5, -1.0), (1.5, 1.0), (-0.5, -0.0)],
    "sqrt": [(2.0, 1.4142135623730951), (-1.0, NAN), (-0.0, -0.0), (INF, INF)],
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edges(name: str) -> None:
    """Zeros with their signs, infinities, nan, exact results, and the first arguments that overflow or vanish."""
    rows = EDGES[name]
    binary = name in (*BINARY, "fmod", "min", "max", "copysign")
    text = program(name) if binary == (name in BINARY) else program("pow").replace("math.pow", f"math.{name}")
    (result,) = everywhere(text, columns([row[:-1] for row in rows]))
    (emission,) = result.emissions

    assert [(*row[:-1], bits(row[-1])) for row in rows] == [
        (*row[:-1], bits(f)) for row, f in zip(rows, emission.value, strict=True)
    ]


def test_constants_and_kinds_of_numbers() -> None:
    text = """import math;
    function f() => (r: array[f64], k: array[bool]) {
        emit r <- [math.pi, math.e, math.inf, math.nan];
        let x = math.nan;
        emit k <- [math.is_nan(x), math.is_nan(1.0), math.is_inf(0.0 - math.inf), math.is_inf(x), math.is_finite(1e308),
            math.is_finite(math.inf), math.is_finite(x), math.is_negative(-0.0), math.is_negative(0.0)];
    }
    """
    (result,) = everywhere(text, [])
    numbers, kinds = (e.value for e in result.emissions)

    assert [bits(v) for v in (math.pi, math.e, INF, NAN)] == [bits(v) for v in numbers]
    assert [True, False, True, False, True, False, False, True, False] == kinds
