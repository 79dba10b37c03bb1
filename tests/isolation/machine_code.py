"""Hand-written machine code as images: a compiler that makes no system call proves nothing about the wall behind.

Assembly text goes through LLVM's own assembler into a bare ELF file; nothing of dandc's compiler takes part.
"""

import asyncio
import struct
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

import llvmlite.binding as llvm

from dandc.isolation import Image, Limits, Outcome, Pool, load_image, open_pool
from dandc.isolation.build import read_sections

BASE = 0x400000
TRAMPOLINE = 0x800E3000
T = TypeVar("T")


@cache
def assemble(text: str) -> bytes:
    """AT&T assembly without relocations to machine code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    lines = "".join(f'module asm "{line.strip()}"\n' for line in text.splitlines() if line.strip())
    module = llvm.parse_assembly(f'target triple = "x86_64-unknown-linux-gnu"\n{lines}')
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine()
    sections = read_sections(machine.emit_object(module))
    assert not any(section.name == ".rela.text" for section in sections)
    return next(section.data or b"" for section in sections if section.name == ".text")


def program_header(
    kind: int, flags: int, offset: int, base: int, in_file: int, in_memory: int | None = None, align: int = 4096
) -> bytes:
    """One ELF64 program header."""
    in_memory = in_file if in_memory is None else in_memory
    return struct.pack("<IIQQQQQQ", kind, flags, offset, base, base, in_file, in_memory, align)


def elf_header(entry: int, count: int, **changes: Any) -> bytes:
    """An ELF64 header of a static x86-64 executable; `changes` are fields to get wrong."""
    fields = {
        "ident": b"\x7fELF\x02\x01\x01" + bytes(9), "kind": 2, "machine": 62, "version": 1, "entry": entry,
        "headers": 64, "sections": 0, "flags": 0, "size": 64, "header_size": 56, "count": count,
    } | changes  # fmt: skip
    return struct.pack("<16sHHIQQQIHHHHHH", *fields.values(), 64, 0, 0)


def elf(code: bytes, data: bytes = b"", bss: int = 0) -> bytes:
    """An image of a code segment, and of a writable one at 0x500000 if there are data or zeroed bytes."""
    headers = [program_header(1, 5, 4096, BASE, len(code))]
    body = code.ljust(-(-len(code) // 4096) * 4096, b"\0")
    if data or bss:
        headers.append(program_header(1, 6, 4096 + len(body), 0x500000, len(data), len(data) + bss))
        body += data
    head = elf_header(BASE, len(headers)) + b"".join(headers)
    return head.ljust(4096, b"\0") + body


def image(text: str, data: bytes = b"", bss: int = 0) -> Image:
    """Assembly to a loaded image."""
    return load_image(elf(assemble(text), data, bss))


# How an image ends.
END = """
    movl $231, %eax
    xorl %edi, %edi
    syscall
"""

# What an image does last: one finished instance, `data_end` bytes of data, no items. Keeps rdi.
FINISH = (
    """
    movq 56(%rdi), %rbx
    movl $1, (%rbx)
    movl $-1, 8(%rbx)
    movq $40, 136(%rdi)
    movq $1, 128(%rdi)
"""
    + END
)

# Copies the input block into one item of output 0, without key or name.
ECHO = (
    """
    movq 56(%rdi), %rbx
    movl $1, (%rbx)
    movl $-1, 8(%rbx)
    movq $1, 32(%rbx)
    movq 32(%rdi), %rcx
    leaq 48(%rcx), %rax
    movq %rax, 136(%rdi)
    movq 64(%rdi), %r8
    leaq -40(%rbx,%r8), %r8
    movq $0, (%r8)
    movq $48, 8(%r8)
    movq %rcx, 16(%r8)
    movl $-1, 24(%r8)
    movl $-1, 28(%r8)
    movl 8(%rdi), %eax
    movl %eax, 32(%r8)
    movl $0, 36(%r8)
    movq $1, 144(%rdi)
    movq %rdi, %r9
    movq 24(%rdi), %rsi
    leaq 48(%rbx), %rdi
    rep movsb
    movq $1, 128(%r9)
"""
    + END
)

SPIN = "1: jmp 1b"


def function_image(text: str) -> Image:
    """An image as the compiler makes them: its entry calls a function, and the text returns where it would end."""
    entry = (
        "cld\ncall 77f\nmovl $231, %eax\nxorl %edi, %edi\nsyscall\nud2\n77: pushq %rbx\ncall 78f\npopq %rbx\nret\n78:\n"
    )
    assert END in text or "syscall" not in text
    return image(entry + text.replace(END, "ret\n"))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a test's coroutine, but never longer than 30 seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(30):
            return await coroutine

    return asyncio.run(bounded())


async def until(condition: Callable[[], Any]) -> Any:
    """Waits for what another process does, of which no event tells; gives what the condition gave. `run` bounds it."""
    while not (found := condition()):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    return found


def call(loaded: Image, inputs: Any = (), limits: Limits | None = None, first: int = 0, last: int = 1) -> Outcome:
    """One call in a pool of its own."""

    async def once() -> Outcome:
        async with open_pool(1) as pool:
            return await pool.run(loaded, list(inputs), first, last, limits or Limits())

    return run(once())


def nucleus_pid(pool: Pool) -> int:
    """The pid of a pool's nucleus."""
    assert pool._nucleus is not None
    return pool._nucleus.pid


def running_children(pool: Pool) -> list[int]:
    """The pool's children that have run long enough to be in an image."""
    pid = nucleus_pid(pool)
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        pids = [int(word) for word in file.read().split()]
    found = []
    for child in pids:
        try:
            with open(f"/proc/{child}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has just been reaped
            continue
        if int(fields[11]) >= 2:  # clock ticks in user mode
            found.append(child)
    return found
