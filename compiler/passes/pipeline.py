"""The passes over kernel IR, in order: the one place that says which run and when.

`ownership` comes first because it decides what is shared; `inline` takes only calls that it left as they were. `regions` looks at
the result and must be the last to change loops; `sticky` only marks them.
"""

from collections.abc import Callable

from dandc.compiler.kir import Kernel
from dandc.compiler.passes import inline, ownership, regions, sticky

Pass = Callable[[Kernel], Kernel]

PASSES: tuple[tuple[str, Pass], ...] = (
    (ownership.name, ownership.run),
    (inline.name, inline.run),
    (regions.name, regions.run),
    (sticky.name, sticky.run),
)


def run(kernel: Kernel, after: Callable[[str, Kernel], None] | None = None) -> Kernel:
    """The kernel after all passes; `after` sees the name of each pass and what it made."""
    for name, change in PASSES:
        kernel = change(kernel)
        if after is not None:
            after(name, kernel)
    return kernel
