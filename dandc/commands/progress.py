"""What people see while a run goes on: a live table on a terminal, now and then a plain line elsewhere.

It looks at the run's `Watch` a few times a second and changes nothing. It writes to the standard error, so that outputs can be piped on.
A run that ends within half a second shows nothing: reading it would take longer. Where nobody asked for lines and nobody sits at a terminal,
they begin after five seconds: what scripts run is mostly short, and expected to be silent.
"""

import argparse
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from dandc.lang.render import visible
from dandc.vm import Progress, Watch

if TYPE_CHECKING:
    from rich.table import Table

_QUIET_S = 0.5
_LIVE_S = 0.125
_PLAIN_S = 5.0
# Nodes that are shown at the same time: those that run come first, then the ones that ended last.
_ROWS = 16


def progress_argument(parser: argparse.ArgumentParser) -> None:
    """`--progress`."""
    parser.add_argument(
        "--progress", choices=("auto", "live", "plain", "off"), default="auto",
        help="show how far the run is on the standard error: by default a live view if that is a terminal, and now and then a line if it is not",
    )  # fmt: skip


@asynccontextmanager
async def shown(watch: Watch, option: str) -> AsyncIterator[None]:
    """Show the progress of the run inside, as `--progress` says."""
    if option == "off":
        yield
        return
    error: Exception | None = None
    async with anyio.create_task_group() as group:
        if option == "live" or (option == "auto" and sys.stderr.isatty()):
            group.start_soon(_live, watch)
        else:
            group.start_soon(_plain, watch, _QUIET_S if option == "plain" else _PLAIN_S)
        try:
            yield
        except Exception as caught:  # noqa: BLE001  # raised below, out of the group that would wrap it
            error = caught
        group.cancel_scope.cancel()
    if error is not None:
        raise error


async def _live(watch: Watch) -> None:
    await anyio.sleep(_QUIET_S)
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        while True:
            live.update(_table(watch), refresh=True)
            await anyio.sleep(_LIVE_S)


async def _plain(watch: Watch, quiet_s: float) -> None:
    await anyio.sleep(quiet_s)
    while True:
        print(_line(watch), file=sys.stderr, flush=True)  # noqa: T201  # the command line talks
        await anyio.sleep(_PLAIN_S)


def rows(watch: Watch) -> list[Progress]:
    """The nodes that are worth a line, at most `_ROWS`, in the order in which they began."""
    nodes = [p for p in watch.nodes.values() if p.kind in ("compute", "communicate", "reduce")]
    nodes.sort(key=lambda p: (p.ended != 0, -p.ended))
    return sorted(nodes[:_ROWS], key=lambda p: p.began)


def rate(progress: Progress, now: int) -> float:
    """Instances a second since the node began."""
    seconds = ((progress.ended or now) - progress.began) / 1e9
    return progress.done / seconds if seconds > 0 else 0.0


def _table(watch: Watch) -> "Table":
    from rich.table import Table
    from rich.text import Text

    now = time.monotonic_ns()
    running = sum(not p.ended for p in watch.nodes.values())
    table = Table(box=None, title=f"{(now - watch.began) / 1e9:.1f} s, {running} of {len(watch.nodes)} nodes run")
    table.title_justify = "left"
    for name in ("node", "done", "of", "a second", "retried", "failed"):
        table.add_column(name, justify="left" if name == "node" else "right", no_wrap=True)
    for progress in rows(watch):
        style = "dim" if progress.ended else ""
        cells = [
            visible(progress.name), f"{progress.done:,}", _total(progress), f"{rate(progress, now):,.0f}",
            str(progress.retried or ""), str(progress.failed or ""),
        ]  # fmt: skip
        styled = [Text(cell, style=style) for cell in cells]
        if progress.failed:
            styled[-1].stylize("bold red")
        table.add_row(*styled)
    return table


def _total(progress: Progress) -> str:
    return "" if progress.total is None else f"{progress.total:,}"


def _line(watch: Watch) -> str:
    """One line: how long, and every node that runs."""
    now = time.monotonic_ns()
    parts = []
    for progress in rows(watch):
        if progress.ended:
            continue
        of = f" of {_total(progress)}" if progress.total is not None else ""
        extra = "".join(
            f", {count} {word}" for count, word in ((progress.retried, "retried"), (progress.failed, "failed")) if count
        )
        parts.append(f"{visible(progress.name)} {progress.done:,}{of}, {rate(progress, now):,.0f}/s{extra}")
    return f"dandc: {(now - watch.began) / 1e9:.0f} s: " + ("; ".join(parts) or "nothing runs")
