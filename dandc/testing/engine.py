"""The reference interpreter with bounds: a test may loop for ever or eat all memory, and the tester must survive it.

The interpreter counts steps itself, but not memory: its values are Python's. So while it runs, the address space of this
process may grow only so far; Python then says `MemoryError`, which is the interpreter's own way of `limit.memory`.
"""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.kir import Kernel

# Enough for what a person writes as a test; native code alone decides about more, and the report says so.
STEPS = 2_000_000
MEMORY = 256 << 20


def interpret(kernel: Kernel, arguments: Sequence[Any]) -> InstanceResult:
    """How one instance ends: within `STEPS` and `MEMORY`, else by `limit.steps` or `limit.memory`."""
    try:
        with _bounded_memory():
            return run_kernel(kernel, [list(arguments)], STEPS)[0]
    except MemoryError:
        return InstanceResult("trap", (), (), "limit.memory", "the interpreter is out of memory")


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """The address space of this process ends `MEMORY` above what it has now; steps alone bound it where the kernel does not say."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except FileNotFoundError:
        yield
        return
    bound = pages * resource.getpagesize() + MEMORY
    if soft != resource.RLIM_INFINITY:
        bound = min(bound, soft)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
