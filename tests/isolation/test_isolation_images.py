"""What is an image and what is not: every rejected file says why, and no bytes raise anything else."""

import fcntl
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_code import BASE, FINISH, assemble, elf, elf_header, program_header

from dandc.isolation import ImageError, load_image
from dandc.isolation.image import MAX_BYTES, parse

CODE = assemble(FINISH)
GOOD = elf(CODE, b"data", bss=5000)


def built(*headers: bytes, entry: int = BASE, size: int = 8192, **changes: object) -> bytes:
    head = elf_header(entry, len(headers), **changes) + b"".join(headers)
    return head.ljust(4096, b"\0") + bytes(size - 4096)


CODE_HEADER = program_header(1, 5, 4096, BASE, 64)
BAD = {
    "empty": (b"", "shorter than an ELF header"),
    "text": (b"#!/bin/sh\necho hello, this is not an image at all, is it?\n" * 2, "not a little-endian ELF64"),
    "32-bit": (b"\x7fELF\x01\x01\x01" + GOOD[7:], "not a little-endian ELF64"),
    "shared object": (built(CODE_HEADER, kind=3), "not a static executable"),
    "other machine": (built(CODE_HEADER, machine=183), "not a static executable"),
    "headers outside": (built(CODE_HEADER, headers=1 << 63), "outside the file"),
    "odd header size": (built(CODE_HEADER, header_size=57), "outside the file"),
    "dynamic": (built(CODE_HEADER, program_header(2, 4, 0, 0, 0)), "not static"),
    "interpreter": (built(CODE_HEADER, program_header(3, 4, 0, 0, 0)), "not static"),
    "no segments": (built(), "0 loadable segments"),
    "too many segments": (
        built(*(program_header(1, 5, 4096, BASE + 4096 * i, 1) for i in range(9))),
        "9 loadable segments",
    ),
    "writable code": (built(program_header(1, 7, 4096, BASE, 64)), "writable and executable"),
    "unaligned": (built(program_header(1, 5, 4096, BASE + 16, 64)), "begin at a page"),
    "unaligned in the file": (built(program_header(1, 5, 4097, BASE, 64)), "begin at a page"),
    "beyond the file": (built(program_header(1, 5, 4096, BASE, 8192)), "outside the file"),
    "more in file than memory": (built(program_header(1, 5, 4096, BASE, 64, 32)), "outside the file"),
    "too low": (built(program_header(1, 5, 4096, 0x3FF000, 64), entry=0x3FF000), "lies outside 0x400000"),
    "too high": (built(program_header(1, 5, 4096, 0x3FFFF000, 64, 8192), entry=0x3FFFF000), "lies outside 0x400000"),
    "wrapping": (built(program_header(1, 5, 4096, BASE, 64, (1 << 64) - 1)), "lies outside 0x400000"),
    "overlap": (built(CODE_HEADER, program_header(1, 6, 4096, BASE, 64)), "overlap"),
    "overlap by rounding": (
        built(program_header(1, 5, 4096, BASE, 64, 4097), program_header(1, 6, 4096, BASE + 4096, 64)),
        "overlap",
    ),
    "too large in memory": (
        built(CODE_HEADER, program_header(1, 6, 4096, BASE + 4096, 0, MAX_BYTES)),
        "need more than",
    ),
    "entry outside": (built(CODE_HEADER, entry=BASE + 4096), "entry point"),
    "entry in data": (built(CODE_HEADER, program_header(1, 6, 4096, 0x500000, 64), entry=0x500000), "entry point"),
    "too long": (bytes(MAX_BYTES + 1), "more than"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_rule_has_its_reason(name: str) -> None:
    """One broken rule at a time, and the reason names it."""
    content, reason = BAD[name]
    with pytest.raises(ImageError) as caught:
        load_image(content)

    assert reason in caught.value.reason


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8))
def test_changed_bytes_raise_nothing_else(changes: list[tuple[int, int]]) -> None:
    """Headers with random bytes are an image within the allowed addresses or an `ImageError`."""
    content = bytearray(GOOD)
    for at, value in changes:
        content[at] = value
    try:
        parsed = parse(bytes(content))
    except ImageError:
        return
    for segment in parsed.segments:
        assert BASE <= segment.base <= segment.base + segment.length <= 0x40000000
        assert segment.protection & 6 != 6


def test_a_loaded_image_is_sealed_and_laid_out() -> None:
    """Nobody can change the bytes that children map, and zeroed tails stand in the file."""
    with load_image(GOOD) as image:
        seals = fcntl.fcntl(image.fd, fcntl.F_GET_SEALS)
        content = os.pread(image.fd, image.size, 0)

        assert fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL == seals & 0xF
        assert 4096 + 8192 == len(content)
        assert CODE == content[: len(CODE)]
        assert b"data" + bytes(8188) == content[4096:]
        with pytest.raises(PermissionError):
            os.pwrite(image.fd, b"x", 0)
