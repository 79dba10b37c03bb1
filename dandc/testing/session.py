"""One run of `dandc test`: all files, in one event loop on the virtual clock, with one pool of sandboxes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread

from dandc.cache import Cache
from dandc.compiler.flow import KernelImage
from dandc.compiling import CompileError
from dandc.isolation import Limits, Outcome
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source
from dandc.testing.cases import Suite, find_files, load_suite
from dandc.testing.clock import Clock, StuckError, VirtualLoop
from dandc.testing.report import FileVerdicts
from dandc.testing.runner import Verdict, run_case
from dandc.vm import Isolation, Placement, RunLimits, open_local
from dandc.vm.items import Buffer


class Listener(Protocol):
    """Hears what happens, as it happens: the command prints it."""

    def file(self, name: str, sources: dict[str, Source], diagnostics: tuple[Diagnostic, ...]) -> None:
        """The tests of a file begin; or it cannot be tested, and `diagnostics` has errors."""
        ...

    def verdict(self, verdict: Verdict) -> None:
        """A test has ended."""
        ...


class _RealTime:
    """A placement during whose work the virtual clock stands still."""

    def __init__(self, inner: Placement, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    async def run_shard(
        self,
        kernel: KernelImage,
        inputs: Sequence[Buffer],
        first: int,
        last: int,
        limits: Limits,
        *,
        background: bool = False,
    ) -> Outcome:
        """Run one shard, in real time."""
        with self._clock.real():
            return await self._inner.run_shard(kernel, inputs, first, last, limits, background=background)


def run_files(
    paths: Sequence[str], wanted: str, cache: Cache, listener: Listener, isolation: Isolation = "process"
) -> list[FileVerdicts]:
    """The verdicts of all tests in `paths` whose titles hold `wanted`. Raises `RunError` where kernels cannot be run."""
    clock = Clock()

    async def main() -> list[FileVerdicts]:
        clock.threads = anyio.to_thread.current_default_thread_limiter()
        return await _run_all(paths, wanted, cache, listener, clock, isolation)

    try:
        return anyio.run(main, backend_options={"loop_factory": lambda: VirtualLoop(clock)})
    except StuckError as error:
        raise DiagnosticError(Diagnostic("R0755", f"a test does not end: {error}", None)) from None


async def _run_all(
    paths: Sequence[str], wanted: str, cache: Cache, listener: Listener, clock: Clock, isolation: Isolation
) -> list[FileVerdicts]:
    files: list[FileVerdicts] = []
    limits = RunLimits()
    async with AsyncExitStack() as stack:
        placement: Placement | None = None
        for path in find_files(paths):
            try:
                suite = load_suite(path, cache, wanted)
            except DiagnosticError as error:
                files.append(_mistaken(path, error, listener))
                continue
            if suite.cases and placement is None:
                placement = await stack.enter_async_context(_sandboxes(clock, limits, isolation))
            if placement is not None:
                files.append(await _run_suite(suite, placement, limits, listener))
    return files


def _mistaken(path: Path, error: DiagnosticError, listener: Listener) -> FileVerdicts:
    sources = dict(error.sources) if isinstance(error, CompileError) else {}
    listener.file(str(path), sources, error.diagnostics)
    return FileVerdicts(str(path), (), error.diagnostics)


@asynccontextmanager
async def _sandboxes(clock: Clock, limits: RunLimits, isolation: Isolation) -> AsyncIterator[Placement]:
    """The sandboxes of this machine; starting and ending them takes real time."""
    async with AsyncExitStack() as stack:
        with clock.real():
            inner = await stack.enter_async_context(open_local(limits, isolation))
        try:
            yield _RealTime(inner, clock)
        finally:
            with clock.real():
                await stack.aclose()


async def _run_suite(suite: Suite, placement: Placement, limits: RunLimits, listener: Listener) -> FileVerdicts:
    verdicts: list[Verdict] = []
    if suite.cases:
        listener.file(suite.file, suite.sources, suite.warnings)
    for case in suite.cases:
        for verdict in await run_case(suite, case, placement, limits):
            listener.verdict(verdict)
            verdicts.append(verdict)
    return FileVerdicts(suite.file, tuple(verdicts))
