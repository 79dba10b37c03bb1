"""The real command line as a process of its own, and real services on loopback: everything as a stranger meets it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from warm import Warm

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "render_logs"
DANDC = (sys.executable, "-P", "-m", "dandc")
# Variables that Python reads when it starts.
FOR_THE_INTERPRETER = re.compile("PYTHON|LC_|LANG")

# Runs its arguments under a filter of system calls that refuses filters: a host without seccomp.
WITHOUT_SECCOMP = """
import ctypes, os, struct, sys
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
LOAD, EQUAL, RETURN, ALLOW, ERROR = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050016
rows = [
    (LOAD, 0, 0, 0),
    (EQUAL, 4, 0, 317),  # seccomp()
    (EQUAL, 0, 4, 157),  # prctl(PR_SET_SECCOMP)
    (LOAD, 0, 0, 16),
    (EQUAL, 1, 0, PR_SET_SECCOMP),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, ERROR),
    (RETURN, 0, 0, ALLOW),
]
code = b"".join(struct.pack("<HBBI", *row) for row in rows)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("<HxxxxxxQ", len(rows), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(program)) == 0, os.strerror(ctypes.get_errno())
assert libc.prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(program)) == -1
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Finished:
    """What a run of the command line left."""

    status: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def value(self, name: str) -> Any:
        """The value of the one item of an output (`--json`)."""
        (item,) = self.json["outputs"][name]
        return item["value"]

    def codes(self) -> list[str]:
        """The codes of the errors that were shown for people."""
        return re.findall(r"^error\[([A-Z]\d{4})\]: ", self.err, flags=re.MULTILINE)

    def failed(self, *codes: str, status: int = 1) -> "Finished":
        """It ended with diagnostics of these codes and nothing else: no traceback, no output, no mistake of dandc's own."""
        assert (self.status, self.codes()) == (status, list(codes)), self.err
        assert "Traceback" not in self.err
        assert "U0909" not in self.err
        assert self.out == b""
        return self

    def worked(self) -> "Finished":
        assert self.status == 0, self.err
        assert "error[" not in self.err
        assert "warning[" not in self.err
        return self


@dataclass
class CommandLine:
    """Runs `dandc` with a cache folder of its own and nothing of the user's; with `warm` as a fork, see there."""

    folder: Path
    cache: Path
    environment: dict[str, str] = field(default_factory=dict)
    warm: Warm | None = None
    command = DANDC

    def variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "HOME": str(self.folder), "DANDC_CACHE": str(self.cache), **self.environment}

    def __call__(self, *arguments: str | Path, wrapper: Sequence[str] = (), timeout: float = 55) -> Finished:
        if self.warm is not None and not wrapper and not any(map(FOR_THE_INTERPRETER.match, self.environment)):
            status, out, err = self.warm.run([*map(str, arguments)], self.folder, self.variables(), timeout=timeout)
            return Finished(status, out, err.decode())
        finished = subprocess.run(
            [*wrapper, *DANDC, *map(str, arguments)],
            cwd=self.folder,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Finished(finished.returncode, finished.stdout, finished.stderr.decode())

    def shell(self, command: str, *arguments: str | Path) -> Finished:
        """The same inside a shell command, in which `"$@"` is the command line."""
        return self(*arguments, wrapper=("sh", "-c", command, "sh"))

    @contextlib.contextmanager
    def started(self, *arguments: str | Path) -> Iterator["subprocess.Popen[bytes]"]:
        """A run in the background that is ended with the context."""
        process = subprocess.Popen(
            [*DANDC, *map(str, arguments)],
            cwd=self.folder,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path


@pytest.fixture(scope="session")
def command_line() -> Callable[[Path], CommandLine]:
    """`command_line(folder)` is the command line in that folder, with an empty cache below it."""
    return lambda folder: CommandLine(folder, folder / "cache")


@pytest.fixture
def dandc(tmp_path: Path, warm_cache: Path, warm: Warm | None) -> CommandLine:
    """The command line in an empty folder, with a cache that other tests share."""
    return CommandLine(tmp_path, warm_cache, warm=warm)


@pytest.fixture
def cold(tmp_path: Path) -> CommandLine:
    """The command line in an empty folder, with an empty cache."""
    return CommandLine(tmp_path, tmp_path / "cache")


@pytest.fixture
def fresh(tmp_path: Path, fresh_cache: Callable[[Path], Path], warm: Warm | None) -> CommandLine:
    """The command line in an empty folder, with a cache that holds no program."""
    return CommandLine(tmp_path, fresh_cache(tmp_path / "cache"), warm=warm)


@pytest.fixture
def without_seccomp() -> tuple[str, ...]:
    """A wrapper that makes a host without seccomp."""
    return (sys.executable, "-c", WITHOUT_SECCOMP)


@dataclass(frozen=True)
class Service:
    """The log service of the example as a process."""

    url: str
    process: "subprocess.Popen[str]"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextlib.contextmanager
def running_service(*options: str) -> Iterator[Service]:
    command = [sys.executable, str(EXAMPLE / "service.py"), "--port", "0", *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        assert greeting.startswith("listening on "), greeting
        yield Service(greeting.removeprefix("listening on ").strip(), process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """`serve(*options)` starts the log service of the example; it ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *options: stack.enter_context(running_service(*options))


class Relay:
    """Stands between a client and a service; tells when a request with some text has come by, and can die suddenly."""

    def __init__(self, port: int, wanted: bytes) -> None:
        self.seen = threading.Event()
        self._wanted = wanted
        self._target = port
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, upstream]
                for source, target in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # one side went away
            while data := source.recv(65536):
                if self._wanted in data:
                    self.seen.set()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def die(self) -> None:
        """Nothing listens any more, and all connections are gone."""
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):  # it is gone already
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def relay() -> Iterator[Callable[[int, bytes], Relay]]:
    """`relay(port, text)` is a `Relay` in front of a local port; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(port: int, wanted: bytes) -> Relay:
            made = Relay(port, wanted)
            stack.callback(made.die)
            return made

        yield start


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """`until(condition)` asks again and again until it gets something true, for as long as a slow machine may need."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 40
        pause = threading.Event()
        while not (result := condition()):
            assert time.monotonic() < deadline, "it never happened"
            pause.wait(0.01)
        return result

    return wait


def descendants(pid: int) -> list[int]:
    """All processes below a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def burns(pid: int) -> bool:
    """Whether a process has used 50 ms of CPU time: it is past its start."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0] != "Z" and int(fields[11]) + int(fields[12]) >= 5
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def processes() -> Any:
    """What `/proc` says: `descendants(pid)`, `burns(pid)`, `alive(pid)`, `busy(process)`; and `kill(pid)`, which may come too late."""

    class Processes:
        descendants = staticmethod(descendants)
        burns = staticmethod(burns)
        alive = staticmethod(alive)

        @staticmethod
        def busy(process: "subprocess.Popen[bytes]") -> list[int]:
            """The processes below a running one that compute."""
            assert process.poll() is None, process.communicate()
            return [pid for pid in descendants(process.pid) if burns(pid)]

        @staticmethod
        def kill(pid: int, number: int = signal.SIGKILL) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    return Processes


@pytest.fixture(scope="session")
def example() -> Path:
    """The program of the example."""
    return EXAMPLE / "render_logs.dnd"
