"""Runs images without the sandbox: the smallest process that can hold one, made of nothing but `compiler.link` and LLVM.

The back end's tests must not depend on isolation, and must be able to give an image any input block. A launcher of a few
dozen bytes maps what a plan says, sets stack pointer and control page, and jumps; the test reads a memory file afterwards.
"""

import functools
import os
import select
import signal
import struct
from typing import Any

from attrs import frozen

from dandc.compiler import codegen
from dandc.compiler.codegen import llvm
from dandc.compiler.encoding import Variant, decode, encode
from dandc.compiler.interp import Emission, InstanceResult
from dandc.compiler.keys import decode_key, encode_key
from dandc.compiler.kir import TRAPS, Kernel
from dandc.compiler.link import link

PLAN, CONTROL, INPUTS, HEAP, STACK, OUT = (n << 36 for n in (0x7C0, 0x100, 0x200, 0x300, 0x400, 0x500))
STACK_SIZE = 8 << 20
_TRAP_NAMES = {number: name for name, (number, _) in TRAPS.items()}

_LAUNCHER = f"""
.text
.globl _start
_start:
  mov $9, %eax
  movabs ${PLAN}, %rdi
  mov $4096, %esi
  mov $1, %edx
  mov $0x11, %r10d
  mov $3, %r8d
  xor %r9d, %r9d
  syscall
  mov %rax, %rbx
  mov (%rbx), %r12
  lea 32(%rbx), %r13
next:
  test %r12, %r12
  jz ready
  mov $9, %eax
  mov (%r13), %rdi
  mov 8(%r13), %rsi
  mov 16(%r13), %rdx
  mov 24(%r13), %r10
  mov 32(%r13), %r8
  mov 40(%r13), %r9
  syscall
  cmp %rax, (%r13)
  jne failed
  add $48, %r13
  dec %r12
  jmp next
failed:
  mov $231, %eax
  mov $99, %edi
  syscall
ready:
  mov 16(%rbx), %rsp
  mov 24(%rbx), %rdi
  mov 8(%rbx), %rax
  jmp *%rax
"""


@frozen
class Outcome:
    """What a process left: its instances' results in order, and the peak of heap use in bytes."""

    results: list[InstanceResult]
    heap_peak: int


class Crash(Exception):
    """The process ended in any other way than the interface allows."""


@functools.cache
def _launcher() -> bytes:
    asm = "\n".join(f'module asm "{line}"' for line in _LAUNCHER.strip().splitlines())
    image = link(llvm.emit_object(asm, 0, "x86-64-v2"), base=0x7B0000000000, limit=0x7B0001000000)
    assert isinstance(image, bytes), image
    return image


@functools.lru_cache(maxsize=256)
def _compiled(kernel_text: str, opt: int) -> tuple[bytes, tuple[Any, ...]]:
    from dandc.compiler.kir_text import parse_kernel

    return codegen.compile(parse_kernel(kernel_text), opt)


def run_native(
    kernel: Kernel,
    instances: list[list[Any]],
    opt: int = 2,
    *,
    heap: int = 16 << 20,
    out: int = 4 << 20,
    image: tuple[bytes, tuple[Any, ...]] | None = None,
    block: bytes | None = None,
    timeout: float = 20,
) -> Outcome:
    """Compiles and runs a kernel on neutral arguments, all instances in one process."""
    from dandc.compiler.kir_text import print_kernel

    code, sites = image or _compiled(print_kernel(kernel), opt)
    data = input_block(kernel, instances) if block is None else block
    control = struct.pack("<9Q", 0x3158544344434E44, 0, len(instances), INPUTS, len(data), HEAP, heap, OUT, out)
    context = _memory(control.ljust(4096, b"\0") + data, pages=True)
    try:
        size = os.fstat(context).st_size
        os.ftruncate(context, size + out)
        _execute(code, context, size - 4096, heap, out, size, timeout)
        left = os.pread(context, size + out, 0)
    finally:
        os.close(context)
    return _read(kernel, sites, left[:4096], left[size:], len(instances))


def _memory(data: bytes, *, pages: bool = False) -> int:
    fd = os.memfd_create("test")
    os.write(fd, data)
    if pages:
        os.ftruncate(fd, (len(data) + 4095) // 4096 * 4096)
    return fd


def _execute(code: bytes, context: int, inputs: int, heap: int, out: int, out_offset: int, timeout: float) -> None:
    image = _memory(code, pages=True)
    shared, private, fixed, anonymous, lazy = 1, 2, 0x10, 0x20, 0x4000
    maps = [
        (CONTROL, 4096, 3, shared | fixed, 5, 0),
        (HEAP, (heap + 4095) // 4096 * 4096, 3, private | fixed | anonymous | lazy, 2**64 - 1, 0),
        (STACK, STACK_SIZE, 3, private | fixed | anonymous, 2**64 - 1, 0),
        (OUT, (out + 4095) // 4096 * 4096, 3, shared | fixed, 5, out_offset),
    ]
    if inputs:
        maps.append((INPUTS, inputs, 1, shared | fixed, 5, 4096))
    for at in range(64, 64 + 56 * struct.unpack_from("<H", code, 56)[0], 56):
        _, flags, offset, address, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", code, at)
        rights = (flags & 4 and 1) | (flags & 2) | (flags & 1 and 4)
        maps.append((address, (size + 4095) // 4096 * 4096, rights, private | fixed, 4, offset))
    (entry,) = struct.unpack_from("<Q", code, 24)
    plan = struct.pack("<4Q", len(maps), entry, STACK + STACK_SIZE, CONTROL)
    plan_fd = _memory(plan + b"".join(struct.pack("<6Q", *row) for row in maps), pages=True)
    launcher = _memory(_launcher())
    try:
        _spawn(launcher, {3: plan_fd, 4: image, 5: context}, timeout)
    finally:
        for fd in (image, plan_fd, launcher):
            os.close(fd)


def _spawn(launcher: int, fds: dict[int, int], timeout: float) -> None:
    # First out of the way of the target numbers, then onto them.
    high = {target: os.dup(fd) if fd > 10 else _dup_above(fd) for target, fd in fds.items()}
    program = _dup_above(launcher)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in high.items()]
        pid = os.posix_spawn(f"/proc/self/fd/{program}", ["launcher"], {}, file_actions=actions)
    finally:
        for fd in (*high.values(), program):
            os.close(fd)
    _wait(pid, timeout)


def _dup_above(fd: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64)


def _wait(pid: int, timeout: float) -> None:
    watch = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([watch], [], [], timeout)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(watch)
    if not ready:
        raise TimeoutError("the image did not end")
    if status != 0:
        raise Crash(f"wait status {status:#x}")


# --- inputs ---------------------------------------------------------------------------------------------------------


def input_block(kernel: Kernel, instances: list[list[Any]]) -> bytes:
    """The input block of `docs/image.md` for neutral arguments (a set is a list of (key, name, value))."""
    params = kernel.params
    tables: list[list[tuple[bytes | None, bytes, bytes]]] = [[] for _ in params]
    rows = []
    for args in instances:
        for number, (param, arg) in enumerate(zip(params, args, strict=True)):
            items = _items(param, arg, kernel)
            rows.append(struct.pack("<II", len(tables[number]), len(items)))
            tables[number] += items
    return assemble(tables, rows, len(instances))


def _items(param: Any, arg: Any, kernel: Kernel) -> list[tuple[bytes | None, bytes, bytes]]:
    def one(value: Any) -> bytes:
        return encode(param.item, value, kernel.types)

    if param.kind == "one":
        return [(None, b"", one(arg))]
    if param.kind == "optional":
        return [(None, b"", one(arg.fields[0]))] if arg.index else []
    return [
        (None if param.key is None else encode_key(param.key, key, kernel.types), name.encode(), one(value))
        for key, name, value in arg
    ]


def assemble(tables: list[list[tuple[bytes | None, bytes, bytes]]], rows: list[bytes], count: int) -> bytes:
    """Tables of (key, name, value) and packed rows as an input block."""
    head = 32 + 16 * len(tables)
    row_bytes = b"".join(rows)
    at = head + (len(row_bytes) + 7) // 8 * 8
    offsets = []
    for table in tables:
        offsets.append(at)
        at += 32 * len(table)
    entries, data = [], bytearray()
    for table in tables:
        for key, name, value in table:
            data += bytes(-(at + len(data)) % 16)
            value_at = at + len(data)
            data += value
            key_at = at + len(data)
            data += (key or b"") + name
            key_length = 0xFFFFFFFF if key is None else len(key)
            entries.append(struct.pack("<QQQII", key_at, value_at, len(value), key_length, len(name)))
    block = struct.pack("<4Q", len(tables), count, head, 0)
    block += b"".join(struct.pack("<QQ", o, len(t)) for o, t in zip(offsets, tables, strict=True))
    return block + row_bytes + bytes(-len(row_bytes) % 8) + b"".join(entries) + bytes(data)


# --- outputs --------------------------------------------------------------------------------------------------------


def _read(kernel: Kernel, sites: tuple[Any, ...], control: bytes, area: bytes, count: int) -> Outcome:
    state, data_end, items, peak = struct.unpack_from("<4Q", control, 128)
    if state != 1:
        raise Crash("the image has not set its state")
    assert data_end <= len(area) - 40 * items
    results = []
    first = 0
    for instance in range(count):
        row = struct.unpack_from("<4I3Q", area, 40 * instance)
        entries = [_entry(kernel, area, k, instance) for k in range(first, row[6])]
        results.append(_result(row, entries, sites, area))
        first = row[6]
    assert first == items
    return Outcome(results, peak)


def _entry(kernel: Kernel, area: bytes, k: int, instance: int) -> Emission | str:
    key_at, value_at, size, key_size, name_size, owner, output = struct.unpack_from(
        "<QQQIIII", area, len(area) - 40 * (k + 1)
    )
    assert owner == instance
    assert value_at % 16 == 0
    value = area[value_at : value_at + size]
    if output == 0xFFFFFFFE:
        return value.decode()
    declared = kernel.outputs[output]
    unsaid = 0xFFFFFFFF
    key = None
    name_at = key_at
    if key_size != unsaid:
        key = decode_key(declared.key, area[key_at : key_at + key_size], kernel.types)
        name_at += key_size
    name = None if name_size == unsaid else area[name_at : name_at + name_size].decode()
    return Emission(output, key, name, decode(declared.item, value, kernel.types))


def _result(row: tuple[int, ...], entries: list[Any], sites: tuple[Any, ...], area: bytes) -> InstanceResult:
    state, code, site, notes, message_at, message_size, _ = row
    texts = tuple(e for e in entries if isinstance(e, str))
    assert notes == len(texts)
    span = None if site == 0xFFFFFFFF else sites[site]
    emissions = tuple(e for e in entries if not isinstance(e, str))
    if state == 1:
        return InstanceResult("ok", emissions, texts)
    assert not emissions
    if state == 2:
        return InstanceResult("trap", (), texts, trap=_TRAP_NAMES[code], site=span)
    assert state == 3, state
    message = area[message_at : message_at + message_size].decode()
    return InstanceResult("fail", (), texts, message=message, site=span)


__all__ = ["Crash", "Outcome", "Variant", "assemble", "input_block", "run_native"]
