"""`Warm`: processes of the command line that are forks of one which has read the whole house and parsed the standard library.

Most of what a short run costs is its start: importing the compiler and parsing the prelude take longer than the work. A
fork skips that and nothing else. It is a process of its own, with its own folder, variables and streams, begins where
`python -m dandc` begins, and ends as that ends. Python's own start, lazy imports and the cache of the parser's tables
stay out of it: who looks at those, at signals or at what an interpreter reads from its variables, starts one anew, and
`pytest --anew` starts all of them so.
"""

import contextlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("<I")
_STREAMS = 3


class Warm:
    """The side of the tests. The process is started by the first call; calls follow one another."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def run(
        self, arguments: list[str], folder: Path, variables: dict[str, str], *, given: bytes = b"", timeout: float = 55
    ) -> tuple[int, bytes, bytes]:
        """Exit status, output and errors of `dandc ARGUMENTS`, as `subprocess.run` gives them; `given` is its input."""
        if any("\0" in argument for argument in arguments):
            raise ValueError("embedded null byte")  # no process can be given such an argument
        with self._lock, contextlib.ExitStack() as stack:
            requests = self._requests or self._start()
            streams = [_readable(given)]
            read_ends = []
            for _ in range(2):
                reading, writing = os.pipe()
                stack.callback(os.close, reading)
                read_ends.append(reading)
                streams.append(writing)
            try:
                _send(requests, {"arguments": arguments, "folder": str(folder), "variables": variables}, streams)
            finally:
                for stream in streams:
                    os.close(stream)
            pid = int(_receive(requests)[0])
            try:
                out, err = _drained(read_ends, time.monotonic() + timeout, arguments)
            except subprocess.TimeoutExpired:
                os.kill(pid, signal.SIGKILL)  # it is not waited for yet, so the number is still its own
                _receive(requests)
                raise
            return int(_receive(requests)[0]), out, err

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno()), str(self._cache)],
                env={name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._requests = ours
        return ours

    def close(self) -> None:
        """End the process; it ends too when the tests are gone."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait(10)


def _readable(content: bytes) -> int:
    """The end of a pipe with `content` in it, all of which must fit."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(writing, "wb", buffering=0) as pipe:
        written = pipe.write(content) if content else 0
    if written != len(content):
        os.close(reading)
        raise ValueError("more than a pipe holds")
    return reading


def _drained(streams: list[int], until: float, command: list[str]) -> list[bytes]:
    """What comes out of pipes up to their end."""
    parts: dict[int, list[bytes]] = {stream: [] for stream in streams}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(command, 0)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                parts[key.fd].append(data)
                if not data:
                    selector.unregister(key.fd)
    return [b"".join(parts[stream]) for stream in streams]


def _send(to: socket.socket, message: Any, streams: list[int]) -> None:
    data = json.dumps(message).encode()
    socket.send_fds(to, [_LENGTH.pack(len(data))], streams)
    to.sendall(data)


def _receive(source: socket.socket) -> tuple[Any, list[int]]:
    """One message with the streams that came along; raises `EOFError` when the other side is gone."""
    head, streams, _, _ = socket.recv_fds(source, _LENGTH.size, _STREAMS)
    if len(head) < _LENGTH.size:
        raise EOFError
    length, data = _LENGTH.unpack(head)[0], b""
    while len(data) < length:
        part = source.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return json.loads(data), streams


def _read_the_house(cache: Path) -> None:
    """Import every module of the house, and parse every one of the library."""
    import pkgutil
    from importlib import import_module

    import dandc
    from dandc.loader import load, standard_modules

    for module in pkgutil.walk_packages(dandc.__path__, "dandc."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    text = "".join(f"import {name};\n" for name in standard_modules())
    load(Path("warm.dnd"), grammar_cache=cache, texts={"warm.dnd": text})


def _serve(requests: socket.socket) -> None:
    """Fork for every request and tell how the fork ended. Returns in the forks only; the server ends with its last client."""
    while True:
        try:
            request, streams = _receive(requests)
        except EOFError:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            requests.close()
            _become(request, streams)
            return
        for stream in streams:
            os.close(stream)
        _send(requests, pid, [])
        _send(requests, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), [])


def _become(request: Any, streams: list[int]) -> None:
    """Take over folder, variables, arguments and streams."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["variables"])
    sys.argv = ["dandc", *request["arguments"]]


if __name__ == "__main__":
    _read_the_house(Path(sys.argv[2]))
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("dandc", run_name="__main__", alter_sys=True)
