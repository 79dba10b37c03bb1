"""Calls an image that this process itself compiled as if it were a function: for measuring loops, never for anything else.

The sandbox's cost is measured elsewhere; here it would hide what a loop costs. The image's segments are mapped at their
addresses, its entry is skipped (it would end the process), and `dnd_main` is called with a control page.
"""

import ctypes
import mmap
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from attrs import frozen

from dandc.compiler import link
from dandc.compiler.codegen import llvm, llvm_ir
from dandc.compiler.kir import Kernel

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FIXED_NOREPLACE, _PRIVATE, _ANONYMOUS = 0x100000, 2, 0x20
_BASES = count(0x20000000, 0x100000)  # where images lie: below 2 GiB, as their code needs, and clear of an interpreter
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
    image = link.link(llvm.emit_object(llvm_ir(kernel)[0], 2, target), base, base + 0x100000)
    if isinstance(image, link.LinkError):
        raise TypeError(image.reason)
    mapped: list[tuple[int, int]] = []
    try:
        main = _map_image(image, mapped)
        yield [_prepare(main, arguments, mapped) for arguments in inputs]
    finally:
        for address, size in mapped:
            _LIBC.munmap(address, size)


def _map(mapped: list[tuple[int, int]], data: bytes, size: int, address: int = 0) -> int:
    size = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
    flags = _PRIVATE | _ANONYMOUS | (_FIXED_NOREPLACE if address else 0)
    found = _LIBC.mmap(address or None, size, 7, flags, -1, 0)
    if found is None or found == 2**64 - 1:
        raise OSError(ctypes.get_errno(), "mmap")
    mapped.append((found, size))
    ctypes.memmove(found, data, len(data))
    return int(found)


def _map_image(image: bytes, mapped: list[tuple[int, int]]) -> int:
    """The address of `dnd_main`, which the entry (`cld; call dnd_main`) calls."""
    for at in range(64, 64 + 56 * struct.unpack_from("<H", image, 56)[0], 56):
        kind, _, offset, address, _, stored, size, _ = struct.unpack_from("<IIQQQQQQ", image, at)
        if kind == 1:
            _map(mapped, image[offset : offset + stored], size, address)
    (entry,) = struct.unpack_from("<Q", image, 24)
    opcode, distance = struct.unpack("<Hi", ctypes.string_at(entry, 6))
    if opcode != 0xE8FC:
        raise RuntimeError("the entry is not `cld; call`")
    return int(entry) + 6 + int(distance)


def _prepare(main: int, arguments: Sequence[bytes], mapped: list[tuple[int, int]]) -> Prepared:
    block = _block(arguments)
    inputs = _map(mapped, block, len(block))
    heap, out, control = _map(mapped, b"", AREA), _map(mapped, b"", AREA), _map(mapped, b"", 4096)
    head = struct.pack("<9Q", 0x3158544344434E44, 0, 1, inputs, len(block), heap, AREA, out, AREA)
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
