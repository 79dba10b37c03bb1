"""Bytes objects of many MiB, made in huge pages where the host gives any, without keeping other threads waiting.

All memory of a large object is fresh from the kernel, which gives it page by page: of a copy of 16 MiB that takes three
quarters of the time. Huge pages are 512 times fewer. Python's own copying lets no other thread run, for a third of a
second with a GiB: here it is done in steps.

An object is written to before anybody else sees it, as `PyBytes_FromStringAndSize` provides for.
"""

import mmap
import os
import sys
from functools import cache
from typing import Any

from dandc.isolation.image import PAGE

LARGE = 16 << 20
_STEP = 1 << 20  # copied at once


def read(descriptor: int, length: int, offset: int) -> bytes:
    """What stands in a file at `offset`; fewer bytes where it ends. Raises `OSError` and `MemoryError`."""
    if length < LARGE or sys.platform != "linux":
        return os.pread(descriptor, length, offset)
    content, view = _blank(length)
    done = 0
    while done < length:
        got = os.preadv(descriptor, [view[done:]], offset + done)  # 2 GiB at most
        if not got:
            return content[:done]
        done += got
    return content


def copied(value: memoryview | bytes | bytearray) -> bytes:
    """The value as bytes of its own. Raises `MemoryError`."""
    if len(value) < LARGE or sys.platform != "linux":
        return bytes(value)
    content, view = _blank(len(value))
    source = memoryview(value)
    for start in range(0, len(value), _STEP):
        view[start : start + _STEP] = source[start : start + _STEP]
    return content


def _blank(length: int) -> tuple[bytes, memoryview]:
    """A new object and its memory, to be filled before it is given away."""
    make, address_of, advise, array_of = _library()
    content: bytes = make(None, length)
    start = address_of(content)
    first = -(-start // PAGE) * PAGE
    advise(first, start + length - first, mmap.MADV_HUGEPAGE)  # refused where the kernel knows none: small pages, then
    return content, memoryview(array_of(start, length)).cast("B")


@cache
def _library() -> tuple[Any, Any, Any, Any]:
    """Functions of Python and of the C library. Imported late: most processes never hold a large value."""
    import ctypes

    make = ctypes.pythonapi.PyBytes_FromStringAndSize
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_char_p, ctypes.c_ssize_t]
    address_of = ctypes.pythonapi.PyBytes_AsString
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object]
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return make, address_of, advise, lambda start, length: (ctypes.c_char * length).from_address(start)
