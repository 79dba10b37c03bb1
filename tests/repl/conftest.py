"""A session at a real pseudo-terminal, and sessions of scripts; both as processes of their own, never waited for by sleeping."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from warm import Warm

DANDC = (sys.executable, "-P", "-m", "dandc", "repl")
PATIENCE_S = 30.0
FORWARD = re.compile(r"\x1b\[(\d*)C")  # spaces are moved over where nothing stands
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07")


def environment(cache: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DANDC_CACHE": str(cache),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here answers where the cursor is
        "DANDC_DEBUG": "",
    }


class Terminal:
    """A session and the terminal that it runs in."""

    def __init__(self, folder: Path, cache: Path, *arguments: str) -> None:
        self.screen, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
        self.process = subprocess.Popen(
            [*DANDC, *arguments],
            cwd=folder,
            env=environment(cache),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            # The terminal's Ctrl-C goes to the processes of the session that it controls.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no threads here
        )
        os.close(inner)
        self.seen = ""

    def send(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def line(self, text: str) -> None:
        self.send(f"{text}\r")

    def read(self, until: float) -> bool:
        """Take what is there, or wait for something until `until`; False at the end of the session."""
        ready, _, _ = select.select([self.screen], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came; seen: {self.seen!r}")
        return self.take()

    def rest(self) -> None:
        """Wait for a moment, or for something to come; it is kept."""
        if select.select([self.screen], [], [], 0.02)[0]:
            self.take()

    def take(self) -> bool:
        """Take what is there; False at the end of the session."""
        try:
            data = os.read(self.screen, 1 << 16)
        except OSError:  # the other side is closed
            return False
        text = FORWARD.sub(lambda found: " " * int(found[1] or 1), data.decode(errors="replace"))
        self.seen += ESCAPES.sub("", text)
        return bool(data)

    def expect(self, pattern: str) -> str:
        """Wait until `pattern` has come since what was expected last; what stands up to its end."""
        until = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.seen)) is None:
            if not self.read(until):
                raise AssertionError(f"the session is over; seen: {self.seen!r}")
        before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return before

    def ask(self, text: str, pattern: str) -> str:
        """Enter a line; what came with `pattern`, up to the next prompt."""
        self.line(text)
        self.expect(r"\r?\n")  # the end of what was typed
        return self.expect(pattern) + self.expect("dnd>")

    def end(self) -> int:
        """Wait for the session's end; its exit status."""
        until = time.monotonic() + PATIENCE_S
        while self.read(until):
            continue
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE_S)
        with contextlib.suppress(OSError):
            os.close(self.screen)


@pytest.fixture
def cache(tmp_path: Path, fresh_cache: Callable[[Path], Path]) -> Path:
    return fresh_cache(tmp_path / "cache")


@pytest.fixture
def terminal(tmp_path: Path, cache: Path) -> Iterator[Callable[..., Terminal]]:
    """`terminal(*arguments)` starts a session and waits for its prompt."""
    started: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        session = Terminal(tmp_path, cache, *arguments)
        started.append(session)
        session.expect("dnd>")
        return session

    try:
        yield start
    finally:
        for session in started:
            session.close()


@dataclass(frozen=True)
class Script:
    """What a session of a script left."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def codes(self) -> list[str]:
        return re.findall(r"^(?:error|warning)\[([A-Z]\d{4})\]: ", self.err, flags=re.MULTILINE)


@pytest.fixture
def script(tmp_path: Path, cache: Path, warm: Warm | None) -> Callable[..., Script]:
    """`script(text, *arguments)` runs a session with `text` as its standard input."""

    def session(text: bytes, arguments: tuple[str, ...]) -> tuple[int, bytes, bytes]:
        if warm is not None:
            return warm.run(["repl", *arguments], tmp_path, environment(cache), given=text)
        finished = subprocess.run(
            [*DANDC, *arguments],
            cwd=tmp_path,
            env=environment(cache),
            input=text,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return finished.returncode, finished.stdout, finished.stderr

    def run(text: str, *arguments: str) -> Script:
        status, out, errors = session(text.encode(), arguments)
        err = errors.decode()
        assert "Traceback" not in err
        assert "U0909" not in err
        return Script(status, out.decode(), err)

    return run
