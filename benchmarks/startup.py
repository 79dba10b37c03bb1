"""The whole process `dandc run` of a cached program beside a Python that does nothing, one after the other.

Bytecode files are allowed for both (as after any installation); the program is one kernel over three items.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.rows import Bar, Row

PROGRAM = """
function square(x: i64) => (y: i64) = x * x;
composition main(xs: set[i64]) => (ys: set[i64]) { ys = square(each xs); }
"""
ROUNDS = 25


async def startup() -> list[Row]:
    """Median wall time of both, taken in turns."""
    return _measure()


def _measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "square.dnd")
        program.write_text(PROGRAM)
        environment = as_installed(folder)
        ours = [sys.executable, "-m", "dandc", "run", str(program), "-i", "xs=[1,2,3]", "--json"]
        peer = [sys.executable, "-c", "pass"]
        for _ in range(2):  # compiles the program, and writes bytecode files
            _wall_ms(ours, environment)
        pairs = [(_wall_ms(ours, environment), _wall_ms(peer, environment)) for _ in range(ROUNDS)]
    mine, theirs = (median(times) for times in zip(*pairs, strict=True))
    return [Row("cached `dandc run` vs python3 -c pass", mine, theirs, "ms", bar=Bar(8))]


def as_installed(folder: str) -> dict[str, str]:
    """An environment in which bytecode files are written, as any installer does, and the cache is a new one in `folder`."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"DANDC_CACHE": folder + "/cache"}


def _wall_ms(command: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000
