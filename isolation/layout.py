"""Where everything lies in a child's address space, and the two records that tell the child and the image so.

From below: the image, a gap, the stack, a guard, the window, a guard, sealed inputs, a guard, the heap. The window is the
child's own memfd: control page, output area, then inputs that are not sealed. What is touched by a small call (top of
the stack, control page, first and last output page, first heap page) lies within few page tables. Nothing is mapped
between these parts, so every run over an edge is a fault.
"""

import struct

from attrs import field, frozen, validators

from dandc.isolation.image import PAGE, Block, Image

WINDOW = 0x80100000
GUARD = 0x10000
MAX_STACK = 512 << 20
MAX_AREA = 1 << 38
SMALL_INPUTS = 256  # where inputs that fit into the rest of the control page begin
MAGIC = 0x3158544344434E44

_CONTROL = struct.Struct("<9Q")
_RUN = struct.Struct("<13Q")
RESULT = struct.Struct("<4Q")
RESULT_AT = 128

KEEP_SMALL, LOWER_PRIORITY, ANY_CPU = 1, 2, 4


@frozen
class Limits:
    """What one call may use. Times in milliseconds, sizes in bytes. Nothing is unlimited."""

    wall_ms: float = field(default=10_000, validator=[validators.gt(0), validators.le(1e9)])
    cpu_ms: float = field(default=10_000, validator=[validators.gt(0), validators.le(1e9)])
    memory: int = field(default=64 << 20, validator=[validators.ge(0), validators.le(MAX_AREA)])
    stack: int = field(default=8 << 20, validator=[validators.ge(PAGE), validators.le(MAX_STACK)])
    output: int = field(default=16 << 20, validator=[validators.ge(PAGE), validators.le(MAX_AREA)])


@frozen(slots=True)
class Call:
    """One call ready to be sent: what goes to the start of the memfd, what behind the output area, and the order."""

    first: int
    last: int
    output: int  # bytes of the output area
    head: bytes  # the control page, with the inputs if they are small
    inputs_at: int  # offset of other inputs in the memfd
    order: bytes


def pages(size: int) -> int:
    """`size` rounded up to whole pages."""
    return -(-size // PAGE) * PAGE


def plan(
    image: Image, inputs: bytes | Block | int, first: int, last: int, limits: Limits, flags: int
) -> Call:
    """Lays one call out. `inputs` is a sealed block, or small bytes, or the size of what follows the output area."""
    output = pages(limits.output)
    window = PAGE + output
    after = b""
    sealed = size = 0
    inputs_at = window
    if isinstance(inputs, Block):
        size = inputs.size
        address = sealed = WINDOW + window + GUARD
    elif isinstance(inputs, int):
        size = inputs
        address = WINDOW + window
        window += pages(size)
    else:
        after, size = inputs, len(inputs)
        address = WINDOW + SMALL_INPUTS
    heap = (sealed + pages(size) if sealed else WINDOW + window) + GUARD
    memory = pages(limits.memory)
    stack = pages(limits.stack)
    control = _CONTROL.pack(MAGIC, first, last, address, size, heap, memory, WINDOW + PAGE, output)
    order = _RUN.pack(
        image.entry, WINDOW - GUARD - stack, stack, WINDOW, window, heap, memory, sealed, pages(size) if sealed else 0,
        max(1, int(limits.wall_ms * 1000)), max(1, int(limits.cpu_ms * 1000)), flags, image.segment_count,
    )  # fmt: skip
    head = control.ljust(SMALL_INPUTS, b"\0") + after if after else control
    return Call(first, last, output, head, inputs_at, order + image.segments)
