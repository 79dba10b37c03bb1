"""What holds on this host: every layer of the sandbox, tried for real where it can be tried.

A layer that is required and does not hold means that nothing is run; the others are depth. Attempts run as images in
children of a pool of their own, so an answer is what an attacker would get, not what the host says about itself.
"""

import asyncio
import os
import platform
import struct
from pathlib import Path

from attrs import frozen

from dandc.isolation import protocol
from dandc.isolation.image import LOWEST, PAGE, load_image
from dandc.isolation.layout import NUCLEUS, Limits
from dandc.isolation.nucleus import Unavailable, check_host, load
from dandc.isolation.outcome import Outcome
from dandc.isolation.pool import Exhausted, Pool, open_pool

# mov eax, 39 (getpid); syscall; ud2
_CALL = bytes.fromhex("b8270000000f050f0b")
# mov eax, 20 (getpid of the 32-bit table); int 0x80; ud2
_OLD_CALL = bytes.fromhex("b814000000cd800f0b")
# movabs rax, NUCLEUS (its stack and data); mov rax, [rax]; hlt
_READ_NUCLEUS = bytes.fromhex("48b8") + NUCLEUS.to_bytes(8, "little") + bytes.fromhex("488b00f4")
# jmp to itself
_SPIN = bytes.fromhex("ebfe")


@frozen
class Layer:
    """One wall: what it stops, whether it holds here, what was seen, how to have it. Without a required one nothing runs."""

    name: str
    stops: str
    holds: bool
    seen: str
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
        return [*layers, _filter(error.reason, holds=False)]


def _platform() -> Layer:
    def layer(seen: str, *, holds: bool) -> Layer:
        enable = "a host with Linux on x86-64; nothing else is supported yet"
        return Layer("Linux on x86-64", "running the wrong machine code", holds, seen, enable)

    try:
        check_host()
    except Unavailable as error:
        return layer(error.reason, holds=False)
    return layer(f"{platform.system()} {platform.release()} on {platform.machine()}", holds=True)


def _pinned() -> Layer:
    def layer(seen: str, *, holds: bool) -> Layer:
        stops = "trusted code that was changed after this version was made"
        return Layer("pinned nucleus", stops, holds, seen, "the package as it was published: install it again")

    try:
        content = load()
    except Unavailable as error:
        return layer(error.reason, holds=False)
    return layer(f"{len(content)} bytes with the pinned hash", holds=True)


def _filter(seen: str, *, holds: bool) -> Layer:
    return Layer(
        "system call filter",
        "every system call of untrusted code but its own end",
        holds,
        seen,
        "a kernel with CONFIG_SECCOMP_FILTER; in a container, a runtime that allows seccomp, memfd_create and pidfd_open",
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
                f"getpid ended as {_said(call)}, by the 32-bit door as {_said(old_call)}",
                holds=call.error == "sandbox.forbidden" and old_call.error in ("sandbox.forbidden", "sandbox.crash"),
            ),
            Layer(
                "fresh address space",
                "reading or changing trusted code, or what another call left",
                (read.error, read.detail) == ("sandbox.crash", "SIGSEGV"),
                f"reading the nucleus ended as {_said(read)}",
                "no setting: please report this host",
            ),
            _timer("wall", "code that does not end, whoever else is busy", wall),
            _timer("cpu", "code that computes for longer than it may", cpu),
            await _death(),
            *_depth(pool.layers),
        ]


def _said(outcome: Outcome) -> str:
    return f"{outcome.error} ({outcome.detail})" if outcome.error else "allowed"


def _timer(which: str, stops: str, outcome: Outcome) -> Layer:
    return Layer(
        f"{which} timer",
        stops,
        outcome.error == f"limit.{which}",
        f"an endless loop of 20 ms ended as {_said(outcome)}",
        "no setting: please report this host",
    )


async def _death() -> Layer:
    """Kills a nucleus and looks whether its child's socket ends, while nobody else could have ended the child."""

    def layer(seen: str, *, holds: bool) -> Layer:
        stops = "children that outlive their owner"
        return Layer("death signal", stops, holds, seen, "no setting: please report this host")

    async with open_pool(1) as pool:
        try:
            await pool.resize(1)
        except Exhausted as error:
            return layer(f"no child could be had: {error}", holds=False)
        gone = pool.kill_nucleus(timeout_ms=2000)
    return layer(f"a child {'died with' if gone else 'outlived'} its nucleus", holds=gone)


def _depth(layers: int) -> list[Layer]:
    user = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    return [
        Layer(
            "user namespace",
            f"any right of {user}, should the filter fail",
            bool(layers & protocol.HELLO_USER),
            "entered" if layers & protocol.HELLO_USER else "refused",
            f"optional: {_how_to_have_user_namespaces()}",
            required=False,
        ),
        Layer(
            "process, network, mount and IPC namespaces",
            "seeing other processes, interfaces and files, should the filter fail",
            bool(layers & protocol.HELLO_OTHERS),
            "entered" if layers & protocol.HELLO_OTHERS else "refused",
            "optional: as for the user namespace, or be root; in a container, let the runtime allow unshare",
            required=False,
        ),
        Layer(
            "first to die when memory runs out",
            "the kernel killing the owner for what untrusted code uses",
            bool(layers & protocol.HELLO_KILLED_FIRST),
            "oom_score_adj is 1000" if layers & protocol.HELLO_KILLED_FIRST else "oom_score_adj cannot be written",
            "optional: mount /proc writable for this process",
            required=False,
        ),
    ]


# What distributions forbid user namespaces with: the file, what it holds then, the setting that allows them.
_SWITCHES = (
    ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
)


def _how_to_have_user_namespaces(folder: Path = Path("/proc/sys")) -> str:
    """The settings that stand in the way here; else it is a container's rule."""
    found = [
        command
        for name, value, command in _SWITCHES
        if (folder / name).is_file() and (folder / name).read_text().strip() == value
    ]
    return ", ".join(found) or "let the container's runtime allow unshare and clone with CLONE_NEWUSER"


async def _try(pool: Pool, code: bytes, limits: Limits | None = None) -> Outcome:
    with load_image(_executable(code)) as image:
        return await pool.run(image, [], 0, 1, limits or Limits())


def _executable(code: bytes) -> bytes:
    """The smallest image: one segment of code."""
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 2, 62, 1, LOWEST, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    head += struct.pack("<IIQQQQQQ", 1, 5, PAGE, LOWEST, LOWEST, len(code), len(code), PAGE)
    return head.ljust(PAGE, b"\0") + code
