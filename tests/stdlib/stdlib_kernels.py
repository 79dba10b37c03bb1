"""Kernels from source text with the real loader, for tests of the standard library on every back end."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from agreement import agree, value
from native import run_native

from dandc.compiler.check import check
from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.kir import Kernel
from dandc.compiler.lower import lower_kernel
from dandc.loader import load


@functools.lru_cache(maxsize=64)
def kernel_of(text: str, name: str = "f") -> Kernel:
    """The kernel IR of the function `name` of the program `text`, which must be without mistakes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.dnd")
        path.write_text(text, encoding="utf-8")
        loaded = load(path)
    checked = check(loaded.modules, loaded.root, loaded.diagnostics)
    found = loaded.diagnostics + checked.diagnostics
    assert found == (), [(d.code, d.message) for d in found]
    full = f"{checked.root}.{name}"
    return lower_kernel(checked.world, checked.kernels[full], checked.facts[full].captures, checked.root)


def native(text: str, *instances: list[Any], opt: int = 2, heap: int = 64 << 20) -> list[Any]:
    """The only item's value of each instance, from native code."""
    return [value(r) for r in run_native(kernel_of(text), list(instances), opt, heap=heap).results]


def everywhere(text: str, *instances: list[Any]) -> list[InstanceResult]:
    """The results, which interpreter, O0 and O2 agree on to the last bit."""
    return agree(kernel_of(text), list(instances), heap=64 << 20)


def interpreted(text: str, *instances: list[Any]) -> list[InstanceResult]:
    """The results of the interpreter alone."""
    return run_kernel(kernel_of(text), list(instances))
