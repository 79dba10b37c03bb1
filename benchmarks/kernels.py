"""What checked loops cost an element, beside what `gcc -O3 -march=native` and numba make of the same loops.

Every kernel is compiled for this machine (target `host`) and for the level that images are made for unless one asks
(`x86-64-v2`), and called within this process, on arrays that start at a multiple of 64 on every side. The C peer wraps; a
second one checks with `__builtin_..._overflow`. All sides take turns in short rounds, and the time of a call over no
elements is taken off the best round of each.
"""

import ctypes
import importlib.util
import math
import mmap
import random
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.inprocess import loaded
from benchmarks.rows import Bar, Row
from dandc.compiler.check import check
from dandc.compiler.codegen import DEFAULT_TARGET
from dandc.compiler.kir import Kernel
from dandc.compiler.lower import lower_kernel
from dandc.loader import load

ELEMENTS = 16_384
ROUNDS, PER_ROUND = 40, 8
GCC, CHECKED, NUMBA = "gcc -O3 -march=native", "gcc, checked", "numba"
BARS = {GCC: Bar(0.9, least=True), CHECKED: None, NUMBA: Bar(1.0, least=True)}


@frozen
class Loop:
    """One loop in the languages: `dnd` as the body of a function with `xs` and `zs`, `c` as statements with `n`, `out` too.

    `ADD`, `SUB` and `MUL(result, a, b)` in the C text wrap or check. `unit` is the element's type.
    """

    what: str
    unit: str
    dnd: str
    c: str
    python: str


_C = {"i32": "int32_t", "i64": "int64_t", "f64": "double"}
LOOPS = (
    Loop(
        "sum by fold, i64", "i64", "emit y <- xs.fold(0, |s, x| s + x);",
        "T s = 0; for (size_t i = 0; i < n; i++) ADD(s, s, xs[i]); out[0] = s;",
        "s = T(0)\nfor i in range(xs.size):\n s += xs[i]\nout[0] = s",
    ),
    Loop(
        "sum of a range by index, i32", "i32",
        "var s: i32 = 0; for i in 0..xs.len() { s += xs[i]; } emit y <- s;",
        "T s = 0; for (size_t i = 0; i < n; i++) ADD(s, s, xs[i]); out[0] = s;",
        "s = T(0)\nfor i in range(xs.size):\n s += xs[i]\nout[0] = s",
    ),
    Loop(
        "map x + 3, i64", "i64", "let ys = xs.map(|x| x + 3); emit y <- ys.last().or(0);",
        "for (size_t i = 0; i < n; i++) ADD(out[i], xs[i], 3);",
        "for i in range(xs.size):\n out[i] = xs[i] + 3",
    ),
    Loop(
        "ys[i] += xs[i], i64", "i64",
        "var ys = zs; for i in 0..xs.len() { ys[i] += xs[i]; } emit y <- ys.last().or(0);",
        "memcpy(out, zs, n * sizeof(T)); for (size_t i = 0; i < n; i++) ADD(out[i], out[i], xs[i]);",
        "out[:zs.size] = zs\nfor i in range(xs.size):\n out[i] += xs[i]",
    ),
    Loop(
        "dot, i32", "i32", "var s: i32 = 0; for i in 0..xs.len() { s += xs[i] * zs[i]; } emit y <- s;",
        "T s = 0; for (size_t i = 0; i < n; i++) { T p; MUL(p, xs[i], zs[i]); ADD(s, s, p); } out[0] = s;",
        "s = T(0)\nfor i in range(xs.size):\n s += xs[i] * zs[i]\nout[0] = s",
    ),
    Loop(
        "dot, i64", "i64", "var s = 0; for i in 0..xs.len() { s += xs[i] * zs[i]; } emit y <- s;",
        "T s = 0; for (size_t i = 0; i < n; i++) { T p; MUL(p, xs[i], zs[i]); ADD(s, s, p); } out[0] = s;",
        "s = T(0)\nfor i in range(xs.size):\n s += xs[i] * zs[i]\nout[0] = s",
    ),
    Loop(
        "polynomial (3x + 5)x + 7, i32", "i32",
        "let ys = xs.map(|x| (x * 3 + 5) * x + 7); emit y <- ys.last().or(0);",
        "for (size_t i = 0; i < n; i++) { T a; MUL(a, xs[i], 3); ADD(a, a, 5); MUL(a, a, xs[i]); ADD(out[i], a, 7); }",
        "for i in range(xs.size):\n out[i] = (xs[i] * T(3) + T(5)) * xs[i] + T(7)",
    ),
    Loop(
        "max by fold, i64", "i64", "emit y <- xs.fold(0, |m, x| max(m, x));",
        "T s = 0; for (size_t i = 0; i < n; i++) s = xs[i] > s ? xs[i] : s; out[0] = s;",
        "s = T(0)\nfor i in range(xs.size):\n s = max(s, xs[i])\nout[0] = s",
    ),
    Loop(
        "count of x > 500, i64", "i64", "var c = 0; for x in xs { if x > 500 { c += 1; } } emit y <- c;",
        "T s = 0; for (size_t i = 0; i < n; i++) if (xs[i] > 500) ADD(s, s, 1); out[0] = s;",
        "s = T(0)\nfor i in range(xs.size):\n if xs[i] > 500:\n  s += 1\nout[0] = s",
    ),
    Loop(
        "a*x + y, f64", "f64",
        "var ys: array[f64] = []; for i in 0..xs.len() { ys.append(2.5 * xs[i] + zs[i]); } emit y <- ys.last().or(0.0);",
        "for (size_t i = 0; i < n; i++) out[i] = 2.5 * xs[i] + zs[i];",
        "for i in range(xs.size):\n out[i] = 2.5 * xs[i] + zs[i]",
    ),
)  # fmt: skip

_HEAD = """
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define T {type}
#ifdef CHECKED
#define ADD(r, a, b) do {{ if (__builtin_add_overflow(a, (T)(b), &(r))) return 1; }} while (0)
#define MUL(r, a, b) do {{ if (__builtin_mul_overflow(a, (T)(b), &(r))) return 1; }} while (0)
#else
#define ADD(r, a, b) ((r) = (T)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(r, a, b) ((r) = (T)((uint64_t)(a) * (uint64_t)(b)))
#endif
int {name}(const T *restrict xs, const T *restrict zs, T *restrict out, size_t n) {{
  {body}
  return 0;
}}
"""

Call = Callable[[], object]


def compiled(loop: Loop) -> Kernel:
    """The kernel of a loop."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "loop.dnd")
        t = loop.unit
        path.write_text(f"function f(xs: array[{t}], zs: array[{t}]) => (y: {t}) {{ {loop.dnd} }}\n")
        program = load(path)
    checked = check(program.modules, program.root, program.diagnostics)
    if checked.diagnostics:
        raise RuntimeError(f"{loop.what}: {checked.diagnostics}")
    return lower_kernel(checked.world, checked.kernels["main.f"], checked.facts["main.f"].captures, checked.root)


def data(loop: Loop) -> tuple[bytes, bytes]:
    """Two arrays of numbers of up to three digits, of both signs; as a rule programs' numbers are small beside their types."""
    chance = random.Random(1)
    code = {"i32": "i", "i64": "q", "f64": "d"}[loop.unit]
    first, second = ([chance.randrange(-999, 1000) for _ in range(ELEMENTS)] for _ in "xz")
    return struct.pack(f"<{ELEMENTS}{code}", *first), struct.pack(f"<{ELEMENTS}{code}", *second)


def areas(loop: Loop) -> list[mmap.mmap]:
    """The two arrays and room for a result, each at the start of a page, and so at a multiple of 64."""
    first, second = data(loop)
    kept = [mmap.mmap(-1, len(first)) for _ in range(3)]
    kept[0][:], kept[1][:] = first, second
    return kept


@contextmanager
def ours(loop: Loop, target: str) -> Iterator[tuple[Call, Call]]:
    """Calls over all elements and over none."""
    with loaded(compiled(loop), target, [data(loop), (b"", b"")]) as (full, empty):
        yield full, empty


@contextmanager
def in_c(loop: Loop, flags: Sequence[str]) -> Iterator[tuple[Call, Call]]:
    """The same for the C text, compiled by `gcc`."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        source.write_text(_HEAD.format(type=_C[loop.unit], name="loop", body=loop.c))
        command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", *flags]
        subprocess.run([*command, "-o", str(library), str(source)], check=True)
        function = ctypes.CDLL(str(library)).loop
        function.argtypes = [*[ctypes.c_void_p] * 3, ctypes.c_size_t]
        kept = areas(loop)  # they are mapped for as long as somebody has them
        xs, zs, out = (ctypes.addressof(ctypes.c_char.from_buffer(area)) for area in kept)
        yield lambda: function(xs, zs, out, ELEMENTS), lambda: function(xs, zs, out, 0)


@contextmanager
def in_numba(loop: Loop) -> Iterator[tuple[Call, Call]]:
    """The same for the Python text, compiled by numba (which wraps)."""
    import numba
    import numpy as np

    kind = {"i32": np.int32, "i64": np.int64, "f64": np.float64}[loop.unit]
    body = "\n".join(" " + line for line in loop.python.splitlines())
    scope: dict[str, Callable[..., object]] = {"T": kind}
    exec(f"def loop(xs, zs, out):\n{body}\n", scope)  # the text is a constant of this module
    function = numba.njit(scope["loop"])
    xs, zs, out = (np.frombuffer(area, kind) for area in areas(loop))
    few = xs[:0], zs[:0], np.zeros(1, kind)
    function(*few)
    yield lambda: function(xs, zs, out), lambda: function(*few)


def per_element(sides: Sequence[tuple[Call, Call]]) -> list[float]:
    """Nanoseconds an element of each side: the best round, less the best of calls over nothing."""
    best = [[math.inf, math.inf] for _ in sides]
    for _ in range(ROUNDS):
        for number, calls in enumerate(sides):
            for which, call in enumerate(calls):
                best[number][which] = min(best[number][which], _seconds(call))
    return [max(full - empty, 1e-12) / ELEMENTS * 1e9 for full, empty in best]


def _seconds(call: Call) -> float:
    call()
    start = time.perf_counter()
    for _ in range(PER_ROUND):
        call()
    return (time.perf_counter() - start) / PER_ROUND


def measure() -> list[Row]:
    """A row of times for each loop and peer; then the means of speeds, peer's time by ours, where more is better."""
    rows: list[Row] = []
    has_c, has_numba = shutil.which("gcc") is not None, importlib.util.find_spec("numba") is not None
    ratios: dict[str, list[float]] = {peer: [] for peer in BARS}
    for loop in LOOPS:
        times = _times(loop, has_c=has_c, has_numba=has_numba)
        note = f"{DEFAULT_TARGET}: {times[DEFAULT_TARGET]:.3f} ns"
        for peer, found in ratios.items():
            if peer in times:
                found.append(times[peer] / times["host"])
                rows.append(Row(f"{loop.what}, vs {peer}", times["host"], times[peer], "ns", note))
    return [*rows, *_means(ratios)]


def _times(loop: Loop, *, has_c: bool, has_numba: bool) -> dict[str, float]:
    """Nanoseconds an element of all sides that this machine has."""
    with ExitStack() as stack:
        sides = {t: stack.enter_context(ours(loop, t)) for t in ("host", DEFAULT_TARGET)}
        if has_c:
            sides[GCC] = stack.enter_context(in_c(loop, []))
            sides[CHECKED] = stack.enter_context(in_c(loop, ["-DCHECKED"]))
        if has_numba:
            sides[NUMBA] = stack.enter_context(in_numba(loop))
        return dict(zip(sides, per_element(list(sides.values())), strict=True))


def _means(ratios: dict[str, list[float]]) -> list[Row]:
    rows = []
    for peer, found in ratios.items():
        mean = math.exp(sum(map(math.log, found)) / len(found)) if found else None
        note = "" if found else f"{peer.split()[0].rstrip(',')} is not installed"
        rows.append(
            Row(f"speed, geometric mean, vs {peer}", mean, None if mean is None else 1.0, "x", note, BARS[peer])
        )
    return rows
