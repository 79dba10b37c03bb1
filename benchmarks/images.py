"""Images and programs of a few machine instructions, and calls of them: what the measurements of the sandbox run."""

import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dandc.isolation import Image, Limits, Outcome, Pool, load_image

INPUTS = [bytes(64)]
DEFAULT = Limits()

# mov eax, 231; xor edi, edi; syscall
EXIT = bytes.fromhex("b8e700000031ff0f05")
# One finished instance without items: its record's state, data_end, state of the control page.
FINISH = bytes.fromhex("488b4738c7000100000048c787880000002800000048c7878000000001000000") + EXIT
# Touches 16 MiB of the heap, a byte a page, again and again.
TOUCH = bytes.fromhex("488b4728488d8800000001c600014805001000004839c872f2ebe5")
# The same as a program: mmap 16 MiB, setitimer of 100,000 us, then the loop.
TIMED = bytes.fromhex(
    "b80900000031ffbe00000001ba0300000041ba2200000049c7c0ffffffff4531c90f054889c368a0"
    "8601006a006a006a00b82600000031ff4889e631d20f054889d8488d8800000001c600014805001000004839c872f2ebe6"
)
# One finished instance with one item: the input block, copied by `rep movsb` to 48 bytes behind the record.
#   mov rbx, [rdi+56]; mov dword [rbx], 1; mov qword [rbx+32], 1; mov rcx, [rdi+32]; lea rax, [rcx+48]; mov [rdi+136], rax
#   mov r8, [rdi+64]; lea r8, [rbx+r8-40]; mov qword [r8], 0; mov qword [r8+8], 48; mov [r8+16], rcx; mov qword [r8+24], -1
#   mov eax, [rdi+8]; mov [r8+32], eax; mov dword [r8+36], 0; mov qword [rdi+144], 1; mov r9, rdi; mov rsi, [rdi+24]
#   lea rdi, [rbx+48]; rep movsb; mov qword [r9+128], 1
ECHO = (
    bytes.fromhex(
        "488b5f38c7030100000048c7432001000000488b4f20488d4130488987880000004c8b47404e8d4403d849c70000000000"
        "49c74008300000004989481049c74018ffffffff8b47084189402041c740240000000048c7879000000001000000"
        "4989f9488b7718488d7b30f3a449c7818000000001000000"
    )
    + EXIT
)
# (module (func (export "run") (result i32) i32.const 0))
WASM = bytes.fromhex("0061736d010000000105016000017f03020100070701037275" + "6e00000a0601040041000b")


def elf(code: bytes, padding: int = 0) -> bytes:
    """A static executable of one segment of code, at the start of its second page, with so many bytes behind it."""
    size = len(code) + padding
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    head += struct.pack("<IIQQQQQQ", 1, 5, 4096, 0x400000, 0x400000, size, size, 4096)
    return head.ljust(4096, b"\0") + code + bytes(padding)


def finish(padding: int = 0) -> Image:
    """An image that does nothing but end well."""
    return load_image(elf(FINISH, padding))


@contextmanager
def program_of(code: bytes = EXIT) -> Iterator[str]:
    """A path at which a static program stands, an empty one if nothing is said."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program")
        path.write_bytes(elf(code))
        path.chmod(0o700)
        yield str(path)


def spawn(arguments: Sequence[str]) -> None:
    """One process from start to end; raises when it does not end well."""
    pid = os.posix_spawn(arguments[0], arguments, {})
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"{arguments[0]} ended with status {status}")


async def call(pool: Pool, image: Image, limits: Limits = DEFAULT) -> None:
    """One call from request to checked result."""
    good(await pool.run(image, INPUTS, 0, 1, limits))


def good(outcome: Outcome) -> Outcome:
    """The outcome, if it is one; raises otherwise."""
    if outcome.error:
        raise RuntimeError(f"{outcome.error}: {outcome.detail}")
    return outcome
