"""Random programs give the same items in the interpreter, at O0 and at O2."""

import pytest
from agreement import agree
from random_kernels import program

ROWS = [(None, "", ["one", "two"]), (None, "", []), (None, "", ["drei"])]


@pytest.mark.parametrize("seed", range(12))
def test_random_program(seed: int) -> None:
    """Values never see each other's changes, and no memory is given back too early."""
    agree(program(seed), [[1, "given text", ROWS], [2, "", []]], heap=64 << 20, out=32 << 20)
