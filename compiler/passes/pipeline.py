"""The passes over kernel IR, in order: the one place that says which run and when.

`ownership` comes first because it decides what is shared; `regions` looks at the result and must be the last to change loops.
"""

from collections.abc import Callable

from dandc.compiler.kir import Kernel
from dandc.compiler.passes import ownership, regions

Pass = Callable[[Kernel], Kernel]

PASSES: tuple[tuple[str, Pass], ...] = ((ownership.name, ownership.run), (regions.name, regions.run))


def run(kernel: Kernel, after: Callable[[str, Kernel], None] | None = None) -> Kernel:
    """The kernel after all passes; `after` sees the name of each pass and what it made."""
    for name, change in PASSES:
        kernel = change(kernel)
        if after is not None:
            after(name, kernel)
    return kernel
