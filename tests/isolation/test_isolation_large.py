"""Large bytes objects have the same bytes as Python's own way of making them, and keep nobody waiting."""

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from dandc.isolation import large

MIB = 1 << 20
SIZES = [large.LARGE - 1, large.LARGE, large.LARGE + 1, large.LARGE + 3 * MIB + 4095]


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(large.LARGE + 4 * MIB)


@pytest.fixture
def file(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("test")
    try:
        os.pwrite(descriptor, content, 0)
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", SIZES)
def test_reading_gives_what_pread_gives(content: bytes, file: int, size: int) -> None:
    """Around the size from which it is done in another way, and not from the start alone; a plain, hashable object."""
    for offset in (0, 4097):
        found = large.read(file, size, offset)
        assert type(found) is bytes
        assert content[offset : offset + size] == found
    assert hash(content[4097 : 4097 + size]) == hash(found)


def test_reading_ends_where_the_file_ends(content: bytes, file: int) -> None:
    """No byte of the object's fresh memory is given for one of the file."""
    assert content[MIB:] == large.read(file, len(content), MIB)
    assert b"" == large.read(file, large.LARGE, len(content))


@pytest.mark.parametrize("size", [0, 1, *SIZES])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_copy_is_the_same_bytes(content: bytes, size: int, kind: type) -> None:
    """Of every kind of buffer, and independent of what it was made of."""
    source = bytearray(content[:size])
    found = large.copied(source if kind is bytearray else kind(bytes(source)))
    source[:1] = b"x"[: len(source)]
    assert type(found) is bytes
    assert content[:size] == found


def test_other_threads_run_while_a_large_value_is_copied() -> None:
    """A thread that counts gets its turn in the middle of the copy: Python's own copying would give it none."""
    value, turns, done = memoryview(bytearray(512 * MIB)), [], threading.Event()

    def count() -> None:
        while not done.is_set():
            turns.append(time.monotonic_ns())
            os.sched_yield()

    counter = threading.Thread(target=count)
    counter.start()
    try:
        began = time.monotonic_ns()
        large.copied(value)
        ended = time.monotonic_ns()
    finally:
        done.set()
        counter.join()
    assert [at for at in turns if began + (ended - began) // 4 < at < ended - (ended - began) // 4]


def test_no_memory_is_an_error_of_its_own() -> None:
    """As with any other object that does not fit, and the process lives on."""
    program = (
        "import os, resource\nfrom dandc.isolation import large\n"
        "large.copied(bytes(large.LARGE))\n"  # its library is loaded
        f"resource.setrlimit(resource.RLIMIT_AS, ({256 * MIB}, {resource.RLIM_INFINITY}))\n"
        "file = os.memfd_create('test')\nos.ftruncate(file, 1 << 30)\n"
        "try:\n    large.read(file, 1 << 30, 0)\nexcept MemoryError:\n    print('said')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ("said\n", "", 0) == (ended.stdout, ended.stderr, ended.returncode)
