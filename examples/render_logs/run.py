"""Runs the whole example: starts the log service, runs `render_logs.dnd` against it, keeps the page, stops the service.

    python examples/render_logs/run.py [--out FILE.html] [--servers N] [--lines N] [--fail N,N] [--seed N]

The service is a process of its own on a port that the kernel chooses, with a token made for this one run. The program
is run by the ordinary command line; nothing here knows dandc but by `dandc run`. What goes wrong ends with exit status 1
and dandc's own diagnostics, the service never outlives this script, and the page is there as a whole or not at all.
"""

import argparse
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GREETING = "listening on "


def main() -> int:
    """0 if the page was made."""
    given = parse_arguments()
    token = secrets.token_urlsafe(24)
    with service(token, given) as address:
        started = time.monotonic()
        finished = run_program(address, token)
        seconds = time.monotonic() - started
    sys.stderr.write(finished.stderr)
    if finished.returncode:
        return finished.returncode
    result = json.loads(finished.stdout)
    page = result["outputs"]["page"][0]["value"]
    try:
        keep(given.out, page)
    except OSError as error:
        sys.stderr.write(f"cannot write the page to `{given.out}`: {(error.strerror or str(error)).lower()}\n")
        return 1
    report(result, given.out, seconds)
    return 0


def parse_arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Render the logs of a service as one HTML page.")
    parser.add_argument("--out", type=Path, default=Path("render_logs.html"), help="where the page goes")
    parser.add_argument("--servers", type=int, default=10, help="how many log endpoints there are (default: 10)")
    parser.add_argument("--lines", type=int, default=200, help="lines of each log (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="which logs (default: 1)")
    parser.add_argument("--fail", default="", help="endpoints that answer 500, as in 3,7")
    return parser.parse_args()


@contextlib.contextmanager
def service(token: str, given: argparse.Namespace) -> Iterator[str]:
    """The address of a log service that runs as long as the context."""
    command = [
        sys.executable, str(HERE / "service.py"), "--port", "0", f"--token={token}", "--servers", str(given.servers),
        "--lines", str(given.lines), "--seed", str(given.seed), "--fail", given.fail,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(GREETING):
            raise SystemExit("the log service did not start")
        yield line.removeprefix(GREETING).strip()
    finally:
        process.terminate()
        process.communicate()


def run_program(address: str, token: str) -> subprocess.CompletedProcess[str]:
    """`dandc run`. The token travels in the environment: arguments of a process can be read by every user."""
    command = [
        sys.executable, "-P", "-m", "dandc", "run", str(HERE / "render_logs.dnd"), "-i", "token=env:RENDER_LOGS_TOKEN",
        "--config", f"service_url={address}", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "RENDER_LOGS_TOKEN": token}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def keep(path: Path, page: str) -> None:
    """The page in a file, written beside and renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(page, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def report(result: dict[str, Any], path: Path, seconds: float) -> None:
    """Where the page is, and a few figures."""
    outputs, nodes = result["outputs"], result["nodes"]
    page = outputs["page"][0]["value"]
    calls = sum(counts["ran"] for counts in nodes.values())
    print(f"{page.count('<tr>') - 1} log lines, {len(page.encode()):,} bytes, {calls} calls, {seconds:.2f} s in all")
    for name, counts in nodes.items():
        print(f"  {name:<14} " + ", ".join(f"{count} {what}" for what, count in counts.items() if count))
    for item in outputs["failed"]:
        print(f"  failed: {item['key']}: {json.dumps(item['value'], ensure_ascii=False)}")
    print(f"page: {path.resolve()}")


if __name__ == "__main__":
    raise SystemExit(main())
