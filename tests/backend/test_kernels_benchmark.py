"""The measurement of loops measures, and says what it could not measure."""

import ctypes
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import kernels

    monkeypatch.setattr(kernels, "ROUNDS", 1)
    monkeypatch.setattr(kernels, "LOOPS", kernels.LOOPS[:1])
    yield kernels
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_peers_that_are_missing_are_named(kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C compiler and numba there are no ratios, and a note for each."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(kernels.importlib.util, "find_spec", lambda name: None)
    rows = kernels.measure()
    assert [None] * 3 == [row.ours for row in rows]
    assert {"gcc is not installed", "numba is not installed"} == {row.note for row in rows}


def test_an_image_is_called_as_a_function(kernels) -> None:
    """What it gives is the sum of its input, and a trap is an error."""
    (loop,) = kernels.LOOPS
    from benchmarks.inprocess import loaded

    some, much = (b"".join(n.to_bytes(8, "little") for n in row) for row in ([1, 2, 3, 36] * 50, [2**62] * 2))
    with loaded(kernels.compiled(loop), "x86-64-v2", [(some, b""), (much, b"")]) as (fits, traps):
        fits()
        assert 50 * 42 == int.from_bytes(ctypes.string_at(fits.out + 48, 8), "little")
        with pytest.raises(RuntimeError, match="state 2, trap 1"):
            traps()
