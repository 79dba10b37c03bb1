"""Starting the nucleus: the one process that forks children.

The bytes that run are the bytes that were checked: the file is read once, its hash compared with the pinned one, and a
sealed copy in memory is executed. It gets an empty environment, default signals, the control socket and a pidfd of its
owner.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import platform
import signal
import socket
import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources

_MFD_EXEC = 0x10  # Linux 6.3; needed where vm.memfd_noexec is set


class Unavailable(Exception):
    """There is no sandbox on this host; `reason` says what is missing. Nothing runs outside of one instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def load() -> bytes:
    """The nucleus's bytes. Raises `Unavailable` when they are absent or not the pinned ones."""
    folder = resources.files("dandc.isolation")
    try:
        content = folder.joinpath("nucleus.elf").read_bytes()
        pinned = folder.joinpath("nucleus.sha256").read_text().strip()
    except OSError as error:
        raise Unavailable(f"the sandbox nucleus is not installed ({error.strerror}); reinstall the package") from None
    if hashlib.sha256(content).hexdigest() != pinned:
        raise Unavailable("the sandbox nucleus is not the one that this version pins; reinstall the package")
    return content


def check_host() -> None:
    """Raises `Unavailable` on anything but Linux on x86-64."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64") or sys.maxsize < 2**32:
        raise Unavailable(f"the sandbox needs Linux on x86-64, this is {sys.platform} on {platform.machine()}")


@cache
def program() -> int:
    """The checked nucleus in memory, kept for the process's life: every start of one executes it."""
    return in_memory(load())


def in_memory(content: bytes) -> int:
    """A sealed memfd with an executable program."""
    try:
        descriptor = os.memfd_create("dandc-nucleus", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        descriptor = os.memfd_create("dandc-nucleus", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, content)
    os.fchmod(descriptor, 0o500)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


class Nucleus:
    """A running nucleus: its control socket, pid and pidfd. The owner must call `forget` once it has ended."""

    def __init__(self) -> None:
        """Starts it; what it says comes over `control`. Raises `Unavailable` or `OSError` (no processes, no memory)."""
        check_host()
        descriptor = program()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            with theirs, _high(theirs.fileno()) as control, _owner() as owner:
                actions = [(os.POSIX_SPAWN_DUP2, control, 0), (os.POSIX_SPAWN_DUP2, owner, 1)]
                self.pid = _spawn(f"/proc/self/fd/{descriptor}", actions)
            undo.callback(_abandon, self.pid)
            self.pidfd = os.pidfd_open(self.pid)
            ours.setblocking(False)
            self.control = ours
            undo.pop_all()

    def kill(self) -> None:
        """Ends it and with it every child, at once and whatever state it is in."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def forget(self) -> None:
        """Reaps it, after its end, and closes what is left."""
        with contextlib.suppress(ChildProcessError):  # an owner that ignores SIGCHLD has no children to wait for
            os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.control.close()


def _abandon(pid: int) -> None:
    """Ends a nucleus that nobody can own: it has no child yet."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _spawn(path: str, actions: list[tuple[int, int, int]]) -> int:
    ignored = {signal.SIGKILL, signal.SIGSTOP}
    try:
        return os.posix_spawn(
            path, ["dandc-nucleus"], {}, file_actions=actions, setsigmask=(), setsigdef=signal.valid_signals() - ignored
        )
    except FileNotFoundError:
        raise Unavailable("the sandbox nucleus cannot be started: /proc is not mounted") from None
    except PermissionError:
        raise Unavailable("the sandbox nucleus cannot be started: this host forbids programs in memory") from None


@contextlib.contextmanager
def _high(descriptor: int) -> Iterator[int]:
    """A copy of a descriptor whose number is out of the way of 0 and 1."""
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        yield copy
    finally:
        os.close(copy)


@contextlib.contextmanager
def _owner() -> Iterator[int]:
    """A pidfd of this process."""
    descriptor = os.pidfd_open(os.getpid())
    try:
        with _high(descriptor) as copy:
            yield copy
    finally:
        os.close(descriptor)
