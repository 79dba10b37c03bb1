"""Calls an image that this process itself compiled as if it were a function: for measuring loops, never for anything else.

The sandbox's cost is measured elsewhere; here it would hide what a loop costs. Memory and image lie as for a run inline
(`isolation/inline.py`), but stay: the function of the image is called again and again, on the caller's stack.
"""

import ctypes
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count

from attrs import frozen

from dandc.compiler import link
from dandc.compiler.codegen import llvm, llvm_ir
from dandc.compiler.kir import Kernel
from dandc.isolation import load_image
from dandc.isolation.inline import fenced, place
from dandc.isolation.layout import CONTROL, MAGIC, pages

_BASES = count(0x24000000, 0x100000)  # where images lie: below 2 GiB, as their code needs, and clear of an interpreter
AREA = 16 << 20  # bytes of heap, and of output


@frozen
class Prepared:
    """A call that can be made again and again."""

    main: int
    control: int
    out: int

    def __call__(self) -> None:
        """Runs the one instance; raises if it does not finish."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.main)(self.control)
        state, code = struct.unpack("<II", ctypes.string_at(self.out, 8))
        if state != 1:
            raise RuntimeError(f"the instance ended in state {state}, trap {code}")


@contextmanager
def loaded(kernel: Kernel, target: str, inputs: Sequence[Sequence[bytes]]) -> Iterator[list[Prepared]]:
    """One call for each list of arguments (encoded items of the kernel's parameters, all of kind `one`)."""
    base = next(_BASES)
    elf = link.link(llvm.emit_object(llvm_ir(kernel)[0], 2, target), base, base + 0x100000)
    if isinstance(elf, link.LinkError):
        raise TypeError(elf.reason)
    with ExitStack() as held, load_image(elf) as image:
        place(image, held)
        yield [_prepare(image.function, arguments, held) for arguments in inputs]


def _prepare(main: int, arguments: Sequence[bytes], held: ExitStack) -> Prepared:
    block = _block(arguments)
    inputs = fenced(pages(len(block)), held)
    ctypes.memmove(inputs, block, len(block))
    heap, out, control = fenced(AREA, held), fenced(AREA, held), fenced(4096, held)
    head = CONTROL.pack(MAGIC, 0, 1, inputs, len(block), heap, AREA, out, AREA)
    ctypes.memmove(control, head, len(head))
    return Prepared(main, control, out)


def _block(arguments: Sequence[bytes]) -> bytes:
    """The input block of one instance (`docs/image.md`)."""
    n = len(arguments)
    rows = 32 + 16 * n
    tables = rows + 8 * n
    head = struct.pack("<4Q", n, 1, rows, 0)
    head += b"".join(struct.pack("<QQ", tables + 32 * i, 1) for i in range(n)) + struct.pack("<II", 0, 1) * n
    values, at = b"", tables + 32 * n
    entries = b""
    for value in arguments:
        values += bytes(-(at + len(values)) % 64)
        entries += struct.pack("<QQQII", 0, at + len(values), len(value), 0xFFFFFFFF, 0)
        values += value
    return head + entries + values
