"""What holds on this host: every layer of the sandbox, tried for real where it can be tried.

A layer that is required and does not hold means that nothing is run; the others are depth. Attempts run as images in
children of a pool of their own, so an answer is what an attacker would get, not what the host says about itself.
"""

import asyncio
import struct

from attrs import frozen

from dandc.isolation import protocol
from dandc.isolation.image import LOWEST, PAGE, load_image
from dandc.isolation.layout import Limits
from dandc.isolation.nucleus import Unavailable, check_host, load
from dandc.isolation.outcome import Outcome
from dandc.isolation.pool import Pool, open_pool

# mov eax, 39 (getpid); syscall; ud2
_CALL = bytes.fromhex("b8270000000f050f0b")
# mov eax, 20 (getpid of the 32-bit table); int 0x80; ud2
_OLD_CALL = bytes.fromhex("b814000000cd800f0b")
# movabs rax, 0x7e0000000000 (the nucleus's text); mov rax, [rax]; hlt
_READ_NUCLEUS = bytes.fromhex("48b80000000000" + "7e0000" + "488b00f4")
# jmp to itself
_SPIN = bytes.fromhex("ebfe")


@frozen
class Layer:
    """One wall: what it stops, whether it holds here, and how to have it. Without a required one nothing runs."""

    name: str
    stops: str
    holds: bool
    enable: str = ""
    required: bool = True


def probe() -> list[Layer]:
    """Tries every layer, outermost first. Takes milliseconds; not to be called from within an event loop."""
    layers = [_platform(), _pinned()]
    if not all(layer.holds for layer in layers):
        return layers
    try:
        return layers + asyncio.run(_attempts())
    except Unavailable as error:
        return [*layers, _filter(holds=False, enable=error.reason)]


def _platform() -> Layer:
    stops = "running the wrong machine code"
    try:
        check_host()
    except Unavailable as error:
        return Layer("Linux on x86-64", stops, holds=False, enable=error.reason)
    return Layer("Linux on x86-64", stops, holds=True)


def _pinned() -> Layer:
    stops = "trusted code that was changed after this version was made"
    try:
        load()
    except Unavailable as error:
        return Layer("pinned nucleus", stops, holds=False, enable=error.reason)
    return Layer("pinned nucleus", stops, holds=True)


def _filter(*, holds: bool, enable: str) -> Layer:
    return Layer(
        "system call filter", "every system call of untrusted code but its own end", holds=holds, enable=enable
    )


async def _attempts() -> list[Layer]:
    async with open_pool(1) as pool:
        call = await _try(pool, _CALL)
        old_call = await _try(pool, _OLD_CALL)
        read = await _try(pool, _READ_NUCLEUS)
        wall = await _try(pool, _SPIN, Limits(wall_ms=20))
        cpu = await _try(pool, _SPIN, Limits(cpu_ms=20))
        return [
            _filter(
                holds=call.error == "sandbox.forbidden" and old_call.error in ("sandbox.forbidden", "sandbox.crash"),
                enable=f"a kernel with CONFIG_SECCOMP_FILTER; the attempt ended as {call.error}",
            ),
            Layer(
                "fresh address space",
                "reading or changing trusted code, or what another call left",
                holds=(read.error, read.detail) == ("sandbox.crash", "SIGSEGV"),
                enable=f"the attempt ended as {read.error} {read.detail}",
            ),
            _timer("wall", "code that does not end, whoever else is busy", wall),
            _timer("cpu", "code that computes for longer than it may", cpu),
            *_depth(pool.layers),
        ]


def _timer(which: str, stops: str, outcome: Outcome) -> Layer:
    return Layer(
        f"{which} timer",
        stops,
        holds=outcome.error == f"limit.{which}",
        enable=f"the attempt ended as {outcome.error}",
    )


def _depth(layers: int) -> list[Layer]:
    return [
        Layer(
            "user namespace",
            "any right of this user, should the filter fail",
            holds=bool(layers & protocol.HELLO_USER),
            enable="optional: user.max_user_namespaces above 0, and no rule of a container against user namespaces",
            required=False,
        ),
        Layer(
            "process, network, mount and IPC namespaces",
            "seeing other processes, interfaces and files, should the filter fail",
            holds=bool(layers & protocol.HELLO_OTHERS),
            enable="optional: as for the user namespace; in a container, let the runtime allow unshare",
            required=False,
        ),
        Layer(
            "first to die when memory runs out",
            "the kernel killing the owner for what untrusted code uses",
            holds=bool(layers & protocol.HELLO_KILLED_FIRST),
            enable="optional: mount /proc writable for this process",
            required=False,
        ),
    ]


async def _try(pool: Pool, code: bytes, limits: Limits | None = None) -> Outcome:
    with load_image(_executable(code)) as image:
        return await pool.run(image, [], 0, 1, limits or Limits(wall_ms=1000))


def _executable(code: bytes) -> bytes:
    """The smallest image: one segment of code."""
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 2, 62, 1, LOWEST, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    head += struct.pack("<IIQQQQQQ", 1, 5, PAGE, LOWEST, LOWEST, len(code), len(code), PAGE)
    return head.ljust(PAGE, b"\0") + code
