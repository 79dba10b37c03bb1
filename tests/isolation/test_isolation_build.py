"""The nucleus is what its text says: reproducible and pinned, and the filter allows what it must."""

import re
import shutil
import struct
from pathlib import Path

import pytest

from dandc.isolation import build, layout, nucleus

FOLDER = Path(nucleus.__file__).parent


def test_building_again_gives_the_pinned_bytes(tmp_path: Path) -> None:
    """The same text and tools, the same bytes; the installed file is those bytes."""
    path = build.install(tmp_path, FOLDER)

    assert path.read_bytes() == nucleus.load()


def test_a_changed_text_is_refused_until_it_is_pinned(tmp_path: Path) -> None:
    """An edit of the trusted program does not slip in."""
    for name in ("nucleus.ll", "nucleus.sha256"):
        shutil.copy(FOLDER / name, tmp_path)
    text = (tmp_path / "nucleus.ll").read_text()
    (tmp_path / "nucleus.ll").write_text(text.replace("i64 110, i64 0", "i64 111, i64 0"))
    with pytest.raises(build.BuildError, match="not the pinned one"):
        build.install(tmp_path, tmp_path)
    assert not (tmp_path / "nucleus.elf").exists()
    build.install(tmp_path, tmp_path, pin=True)


def evaluate(program: bytes, number: int, arch: int, ip: int) -> int:
    """A reference interpreter of the classic BPF instructions that the filter uses."""
    instructions = list(struct.iter_unpack("<HBBI", program))
    data = struct.pack("<IIQ", number, arch, ip)
    at = accumulator = 0
    while True:
        operation, then, orelse, value = instructions[at]
        at += 1
        if operation == 0x20:
            [accumulator] = struct.unpack_from("<I", data, value)
        elif operation in (0x15, 0x35):
            holds = accumulator == value if operation == 0x15 else accumulator >= value
            at += then if holds else orelse
        else:
            assert operation == 0x06
            return value


TEXT = range(build.BASE, build.BASE + 0x1234)
TRAMPOLINE = build.BASE + 0x4002
PROGRAM = build.filter_program(TEXT, TRAMPOLINE)
OWN = set(build.OWN_CALLS.values())


@pytest.mark.parametrize(
    "ip", [TEXT.start, TEXT.stop + 1, TRAMPOLINE - 1, TRAMPOLINE + 1, 0x400002, 2**47 - 1, 0, 2**64 - 1]
)
def test_outside_of_trusted_text_only_exits_pass(ip: int) -> None:
    """The first byte behind a `syscall` in the text is what counts, so the text's first byte itself is outside."""
    allowed = {n for n in range(1024) if evaluate(PROGRAM, n, build.AUDIT_ARCH_X86_64, ip) == build.ALLOW}

    assert {build.EXIT, build.EXIT_GROUP} == allowed


@pytest.mark.parametrize("ip", [TEXT.start + 2, TEXT.start + 0x500, TEXT.stop])
def test_the_text_has_its_own_calls_and_no_more(ip: int) -> None:
    """Every other number is death there too."""
    allowed = {n for n in range(1024) if evaluate(PROGRAM, n, build.AUDIT_ARCH_X86_64, ip) == build.ALLOW}

    assert OWN | {build.EXIT, build.EXIT_GROUP} == allowed


def test_the_trampoline_has_munmap() -> None:
    """And the two exits, as everybody."""
    allowed = {n for n in range(1024) if evaluate(PROGRAM, n, build.AUDIT_ARCH_X86_64, TRAMPOLINE) == build.ALLOW}

    assert {build.EXIT, build.EXIT_GROUP, build.MUNMAP} == allowed


@pytest.mark.parametrize("arch", [0x40000003, 0xC00000B7, 0])
def test_other_architectures_have_nothing(arch: int) -> None:
    """Numbers mean something else there, so none passes."""
    assert not [
        n
        for n in range(512)
        for ip in (TEXT.start + 2, TRAMPOLINE, 0x400000)
        if evaluate(PROGRAM, n, arch, ip) == build.ALLOW
    ]


def test_no_more_calls_are_allowed_than_are_made() -> None:
    """The allow-list is what the text uses after the filter stands: a call that is not made any more must go."""
    text = (FOLDER / "nucleus.ll").read_text()
    made = {int(number) for number in re.findall(r"@sys(?:3|_ptr|_last)?\(i64 (\d+)", text)}
    before = {14, 112, 39, 2, 1, 145, 272, 160, 204, 314, 317, build.EXIT_GROUP}  # once, before the filter

    assert OWN == made - before


def test_the_usual_areas_are_where_the_nucleus_maps_them() -> None:
    """The numbers in the text are those of the default limits: otherwise every call would map anew."""
    text = (FOLDER / "nucleus.ll").read_text()
    usual = layout.areas(layout.Limits())

    assert f"@map_stack(i64 {usual.stack}, i64 {usual.stack_length})" in text
    assert f"@map_window(i64 {usual.window_length})" in text
    assert f"@map_heap(i64 {usual.heap}, i64 {usual.heap_length})" in text
    assert str(layout.WINDOW) in text
