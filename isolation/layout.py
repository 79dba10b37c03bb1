"""Where everything lies in a child's address space, and the two records that tell the child and the image so.

From below: the image, a gap, the stack, a guard, what is left of the nucleus (the page of its trampoline), a guard, the
window, a guard, the heap, a guard, inputs. The window is the start of the child's own memfd: control page and output
area. Inputs stand in the rest of the control page if they fit there, else behind the window in the memfd, or in a
sealed block of their own. What a small call touches (top of the stack, control page, first and last output page, first
heap page) lies within few page tables. Nothing is mapped between the parts: every run over an edge is a fault.
"""

import struct

from attrs import field, frozen, validators

from dandc.isolation.image import PAGE, Block, Image

WINDOW = 0x80100000  # with the default limits: numbers that `nucleus.ll` knows too
GUARD = 0x10000
NUCLEUS = 0x800E0000  # its first page, between the guards below the window and above the stack, until a child unmaps it
STACK_TOP = NUCLEUS - GUARD
MAX_STACK = 512 << 20
MAX_AREA = 1 << 38
MAX_MS = 1_000_000_000
SMALL_INPUTS = 256  # where inputs that fit into the rest of the control page begin
SMALL = PAGE - SMALL_INPUTS
MAGIC = 0x3158544344434E44

CONTROL = struct.Struct("<9Q184x")  # up to SMALL_INPUTS
_RUN = struct.Struct("<13Q")
RESULT = struct.Struct("<4Q")
RESULT_AT = 128

BEHIND_WINDOW, LOWER_PRIORITY, EVERY_CPU = 1, 2, 4  # of RUN


@frozen(cache_hash=True)
class Limits:
    """What one call may use. Times in milliseconds, sizes in bytes. Nothing is unlimited."""

    wall_ms: float = field(default=10_000, validator=[validators.gt(0), validators.le(MAX_MS)])
    cpu_ms: float = field(default=10_000, validator=[validators.gt(0), validators.le(MAX_MS)])
    memory: int = field(default=64 << 20, validator=[validators.ge(0), validators.le(MAX_AREA)])
    stack: int = field(default=8 << 20, validator=[validators.ge(PAGE), validators.le(MAX_STACK)])
    output: int = field(default=16 << 20, validator=[validators.ge(PAGE), validators.le(MAX_AREA)])


@frozen
class Areas:
    """The areas that certain limits give, in addresses and whole pages."""

    stack: int
    stack_length: int
    window_length: int
    output_length: int
    heap: int
    heap_length: int
    inputs: int


@frozen(slots=True)
class Call:
    """One call ready to be sent."""

    areas: Areas
    head: bytes  # start of the memfd: the control page, with the inputs if they are small
    order: bytes  # RUN


def pages(size: int) -> int:
    """`size` rounded up to whole pages."""
    return -(-size // PAGE) * PAGE


def areas(limits: Limits) -> Areas:
    """Where the areas lie under `limits`."""
    stack, output, heap_length = pages(limits.stack), pages(limits.output), pages(limits.memory)
    heap = WINDOW + PAGE + output + GUARD
    return Areas(STACK_TOP - stack, stack, PAGE + output, output, heap, heap_length, heap + heap_length + GUARD)


class Planner:
    """Lays calls out. What depends on image and limits alone is worked out once: most calls share it."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Limits, int], tuple[Areas, bytes]] = {}

    def plan(
        self, image: Image, inputs: bytes | Block | int, first: int, last: int, limits: Limits, flags: int
    ) -> Call:
        """`inputs` are small bytes, a sealed block, or the size of what stands behind the window."""
        key = (image.number, limits, flags)
        known = self._known.get(key)
        if known is None:
            if len(self._known) > 1000:
                self._known.clear()
            known = self._known[key] = _common(image, limits, flags)
        place, order = known
        if isinstance(inputs, bytes):
            return Call(place, _control(place, first, last, WINDOW + SMALL_INPUTS, len(inputs)) + inputs, order)
        sealed = isinstance(inputs, Block)
        size = inputs.size if isinstance(inputs, Block) else inputs
        order = _order(image, limits, place, size, flags | (0 if sealed else BEHIND_WINDOW))
        return Call(place, _control(place, first, last, place.inputs, size), order)


def _common(image: Image, limits: Limits, flags: int) -> tuple[Areas, bytes]:
    place = areas(limits)
    return place, _order(image, limits, place, 0, flags)


def _control(place: Areas, first: int, last: int, inputs: int, size: int) -> bytes:
    return CONTROL.pack(
        MAGIC, first, last, inputs, size, place.heap, place.heap_length, WINDOW + PAGE, place.output_length
    )


def _order(image: Image, limits: Limits, place: Areas, inputs: int, flags: int) -> bytes:
    wall, cpu = max(1, int(limits.wall_ms * 1000)), max(1, int(limits.cpu_ms * 1000))
    head = _RUN.pack(
        image.entry, place.stack, place.stack_length, WINDOW, place.window_length, place.heap, place.heap_length,
        place.inputs, pages(inputs), wall, cpu, flags, image.segment_count,
    )  # fmt: skip
    return head + image.segments
