"""Images: the bytes of an ELF file, checked against `docs/image.md` and laid out once in a sealed memfd.

A child maps an image's segments privately out of that memfd, so the file is written once and its pages are shared by
every child. Segments are laid out with their zeroed tails, which spares a child the work. The check protects the layout
of the child's address space, not the machine: whatever an image contains is untrusted and runs only in a child.
"""

import contextlib
import fcntl
import os
import struct
import sys
import tempfile
from collections.abc import Sequence
from itertools import count, pairwise
from types import TracebackType
from typing import Self

from attrs import define, frozen

PAGE = 4096
LOWEST, HIGHEST = 0x400000, 0x40000000
MAX_BYTES = 64 << 20
MAX_SEGMENTS = 8
_EXECUTE, _WRITE, _READ = 1, 2, 4

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
SEGMENT = struct.Struct("<QQQQ")  # base, length, offset in the memory file, rights
# cld; call FUNCTION; mov eax, 231; xor edi, edi; syscall; ud2: the entry of an image whose FUNCTION returns.
_CALLS, _ENDS = bytes.fromhex("fce8"), bytes.fromhex("b8e700000031ff0f050f0b")


_numbers = count()


class ImageError(Exception):
    """The bytes are not an image; `reason` says what is wrong with them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@frozen
class Segment:
    """One loadable part: where it goes, its memory size in whole pages, its file bytes and `PROT_` bits."""

    base: int
    length: int
    content: memoryview
    protection: int


@frozen
class Parsed:
    """What the check of an ELF file found."""

    entry: int
    segments: tuple[Segment, ...]

    @property
    def function(self) -> int:
        """The address of what can be called instead of entering the image, 0 if there is no such thing."""
        for segment in self.segments:
            code = bytes(segment.content[max(self.entry - segment.base, 0) :][:17])
            if segment.protection & 4 and segment.base <= self.entry and code[:2] == _CALLS and code[6:] == _ENDS:
                return self.entry + 6 + int.from_bytes(code[2:6], "little", signed=True)
        return 0


def parse(elf: bytes) -> Parsed:
    """Checks the bytes of an ELF file. Raises `ImageError`, and nothing else whatever the bytes are."""
    if len(elf) > MAX_BYTES:
        raise ImageError(f"the file has {len(elf)} bytes, more than {MAX_BYTES}")
    if len(elf) < _HEADER.size:
        raise ImageError("the file is shorter than an ELF header")
    ident, kind, machine, _, entry, headers, _, _, _, header_size, number, _, _, _ = _HEADER.unpack_from(elf)
    if ident[:7] != b"\x7fELF\x02\x01\x01":
        raise ImageError("not a little-endian ELF64 file")
    if kind != 2 or machine != 62:
        raise ImageError("not a static executable for x86-64")
    if header_size != _PROGRAM.size or headers + number * _PROGRAM.size > len(elf):
        raise ImageError("the program headers lie outside the file")
    segments = _segments(elf, headers, number)
    if not any(s.protection & 4 and s.base <= entry < s.base + s.length for s in segments):
        raise ImageError("the entry point is in no executable segment")
    return Parsed(entry, segments)


def _segments(elf: bytes, headers: int, number: int) -> tuple[Segment, ...]:
    found = []
    for index in range(number):
        kind, flags, offset, base, _, in_file, in_memory, _ = _PROGRAM.unpack_from(elf, headers + index * _PROGRAM.size)
        if kind in (2, 3):  # PT_DYNAMIC, PT_INTERP
            raise ImageError("the file is not static")
        if kind == 1 and in_memory:
            found.append(_segment(elf, flags, offset, base, in_file, in_memory))
    if not 0 < len(found) <= MAX_SEGMENTS:
        raise ImageError(f"{len(found)} loadable segments; 1 to {MAX_SEGMENTS} are allowed")
    found.sort(key=lambda segment: segment.base)
    if any(low.base + low.length > high.base for low, high in pairwise(found)):
        raise ImageError("segments overlap")
    if sum(segment.length for segment in found) > MAX_BYTES:
        raise ImageError(f"the segments need more than {MAX_BYTES} bytes")
    return tuple(found)


def _segment(elf: bytes, flags: int, offset: int, base: int, in_file: int, in_memory: int) -> Segment:
    if flags & _EXECUTE and flags & _WRITE:
        raise ImageError("a segment is writable and executable")
    if base % PAGE or offset % PAGE:
        raise ImageError("a segment does not begin at a page")
    if in_file > in_memory or offset + in_file > len(elf):
        raise ImageError("a segment lies outside the file")
    if base < LOWEST or base + in_memory > HIGHEST:
        raise ImageError(f"a segment lies outside {LOWEST:#x} to {HIGHEST:#x}")
    protection = (1 if flags & _READ else 0) | (2 if flags & _WRITE else 0) | (4 if flags & _EXECUTE else 0)
    return Segment(base, -(-in_memory // PAGE) * PAGE, memoryview(elf)[offset : offset + in_file], protection)


class Sealed:
    """A memory file whose bytes nobody can change any more. Close it, or use it as a context manager."""

    def __init__(self, name: str, size: int, parts: Sequence[tuple[int, bytes | bytearray | memoryview]]) -> None:
        """Writes each part at its offset into `size` bytes. Raises `OSError` when the host has no memory for it."""
        self.size = size
        self.fd = _memory_file(name)
        try:
            os.ftruncate(self.fd, size)
            for offset, content in parts:
                write_all(self.fd, content, offset)
            _seal(self.fd)
        except BaseException:
            os.close(self.fd)
            raise

    def close(self) -> None:
        """Gives the memory back once the last child that maps it is gone. Calls after this raise `ValueError`."""
        descriptor, self.fd = self.fd, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # a constructor that failed leaves no descriptor
            self.close()


if sys.platform == "linux":

    def _memory_file(name: str) -> int:
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)

    def _seal(descriptor: int) -> None:
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)

else:  # no sandbox, so nobody to share the file with: this process runs its own code inline

    def _memory_file(name: str) -> int:
        descriptor, path = tempfile.mkstemp(prefix=name)
        os.unlink(path)
        return descriptor

    def _seal(_: int) -> None: ...


def write_all(descriptor: int, content: bytes | bytearray | memoryview, offset: int) -> None:
    """Writes all of `content` at `offset`, however often the kernel wants to be asked."""
    view = memoryview(content).cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


@define(slots=True, eq=False)
class Usage:
    """What children that ran an image and were reaped have used: how many, for how many instances, their CPU time.

    `lately_us` is the CPU time of a call of late: a mean in which each call counts an eighth less than the one after it.
    """

    calls: int = 0
    instances: int = 0
    cpu_us: int = 0
    lately_us: float = 0.0

    def count(self, instances: int, cpu_us: int) -> None:
        """One more call."""
        self.lately_us += (cpu_us - self.lately_us) / 8 if self.calls else cpu_us
        self.calls += 1
        self.instances += instances
        self.cpu_us += cpu_us


class Image(Sealed):
    """A checked image, ready to be run any number of times in any number of pools."""

    def __init__(self, parsed: Parsed) -> None:
        """Lays the segments out behind each other."""
        parts, rows, at = [], [], 0
        for segment in parsed.segments:
            parts.append((at, segment.content))
            rows.append(SEGMENT.pack(segment.base, segment.length, at, segment.protection))
            at += segment.length
        super().__init__("dandc-image", at, parts)
        self.number = next(_numbers)
        self.usage = Usage()
        self.quick = False  # whether the last call was over within microseconds
        self.entry = parsed.entry
        self.function = parsed.function  # see `Parsed`
        self.segments = b"".join(rows)
        self.segment_count = len(rows)


class Block(Sealed):
    """An input block that several calls share: the whole node's items, of which each call sees its rows."""


def load_image(elf: bytes) -> Image:
    """Checks an ELF file and lays it out. Raises `ImageError`; `OSError` when the host has no memory for it."""
    return Image(parse(elf))


def seal_inputs(parts: Sequence[bytes | bytearray | memoryview]) -> Block:
    """An input block made of `parts` one behind the other. Copies: above 1 MiB call it in a worker thread."""
    placed, at = [], 0
    for part in parts:
        placed.append((at, part))
        at += memoryview(part).nbytes
    return Block("dandc-inputs", at, placed)
