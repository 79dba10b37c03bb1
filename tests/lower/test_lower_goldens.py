"""The kernel IR of characteristic functions as text: what is shared, borrowed and moved; loops, matches, lambdas, codecs.

A golden holds a program, the line `=== kernel IR ===`, and the IR of its function `f` without source positions and without
the standard library. The text
parses again to the same kernel, and the verifier accepts it.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import program

from dandc.compiler.kir_text import parse_kernel, print_kernel
from dandc.compiler.verify import check

PATHS = sorted((Path(__file__).parent / "goldens").glob("*.txt"))
SEPARATOR = "=== kernel IR ===\n"
SITE = re.compile(r" @(?:\d+:)?\d+-\d+$|^file \d+ .*\n", re.MULTILINE)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_ir(path: Path, golden: Callable[[Path, str], None]) -> None:
    """The program is lowered exactly so."""
    written = path.read_text(encoding="utf-8").partition(SEPARATOR)[0]
    kernel = program(written).kernel("f")

    check(kernel)
    text = print_kernel(kernel)
    assert print_kernel(parse_kernel(text)) == text
    golden(path, written + SEPARATOR + SITE.sub("", own_functions(text)))


def own_functions(text: str) -> str:
    """The text without the helpers of the standard library, which have tests of their own."""
    head, *functions = text.split('\nfn "')
    kept = [
        f for f in functions if not re.match(r"(?!json\.(?:de|en)code\[)(?:prelude|json|html|http)\.[\w*.]+[\[(\"]", f)
    ]
    return '\nfn "'.join([head, *kept])
