"""The records between owner, nucleus and children, as `nucleus.ll` describes them, and what a wait status means."""

import signal
import struct

RECORD = struct.Struct("<IIIIQQ")  # kind, slot, generation, status, cpu_us, extra
ORDER = struct.Struct("<IIII")  # kind, slot, generation, 0
TARGET, KILL, REAP = 1, 2, 3
HELLO, READY, EXIT, STARVED, REFUSED, FAULT = 16, 17, 18, 19, 20, 21
MAX_CHILDREN = 128
MAX_ORDERS = 32  # in one message

HELLO_KILLED_FIRST, HELLO_USER, HELLO_OTHERS = 1, 2, 4

_LIMITS = {
    signal.SIGALRM: "limit.wall",
    signal.SIGPROF: "limit.cpu",
    signal.SIGXCPU: "limit.cpu",  # a limit that the owner itself is under
    signal.SIGSYS: "sandbox.forbidden",
}
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}

STEPS = {
    0: "closing descriptors", 1: "setting the signal mask", 3: "lowering resource limits", 5: "unmapping below",
    6: "unmapping above", 7: "giving up dumps", 8: "giving up privileges", 9: "installing the seccomp filter",
    10: "making a child's memory and socket", 11: "forking", 12: "handing a child over",
    13: "holding the pid namespace", 20: "tying a child to the nucleus", 21: "closing descriptors",
    22: "closing descriptors", 30: "reading the order", 31: "mapping the image",
    32: "mapping the stack", 33: "mapping the heap", 34: "mapping the window", 35: "mapping the inputs",
    36: "closing descriptors", 38: "unmapping the usual areas", 40: "arming a timer",
}  # fmt: skip


def describe(step: int, errno: int) -> str:
    """What the nucleus or a child could not do, for a message."""
    import os

    return f"{STEPS.get(step, f'step {step}')}: {os.strerror(errno)}"


def death(status: int) -> tuple[str, str]:
    """Error and detail of a child that died with wait status `status` before its image was done."""
    number = status & 0x7F
    if number == 0:
        return "sandbox.crash", f"the image ended with status {status >> 8} before it was done"
    try:
        known = signal.Signals(number)
    except ValueError:
        return "sandbox.lost", f"killed by signal {number}"
    if known in _LIMITS:
        return _LIMITS[known], known.name
    if known in _CRASHES:
        return "sandbox.crash", known.name
    return "sandbox.lost", f"killed by {known.name}"
