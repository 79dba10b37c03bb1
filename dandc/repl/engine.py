"""Where entries run: sandboxes of this machine, kept for the session, or the reference interpreter.

The machine lives in an event loop in a thread of its own, so that the main thread can wait for a result and for Ctrl-C at
the same time: then the run is cancelled, which kills its sandboxes, and its result is waited for before the prompt comes
back. The interpreter, which nobody could stop in a thread, works in the main thread. Must never leave a run behind.
"""

import queue
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from dandc.compiler.flow import KernelImage
from dandc.conform.engines import InterpreterPlacement
from dandc.isolation import Limits, Outcome
from dandc.repl.programs import Runnable
from dandc.vm import InputItem, LocalPlacement, Placement, RunLimits, RunResult, open_local, run
from dandc.vm.items import Buffer

_Job = Callable[[], None]
_SETTLE_S = 2.0  # how long the death of what was stopped is waited for


class StoppedError(Exception):
    """A person has stopped the run; its sandboxes are gone."""


class Engine:
    """Runs programs for one session; a context manager, used from the main thread. `native` may change between runs."""

    def __init__(self, limits: RunLimits, *, native: bool = True) -> None:
        self.limits = limits
        self.native = native
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._sandboxes: LocalPlacement | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, made: Runnable, inputs: Mapping[str, Sequence[InputItem]]) -> RunResult:
        """The result of a run. Raises `RunError`, or `StoppedError` on Ctrl-C."""
        with _undisturbed():
            portal = self._portal = self._portal or self._stack.enter_context(start_blocking_portal())
            if self.native and made.kernels and self._sandboxes is None:
                opened = portal.wrap_async_context_manager(open_local(self.limits))
                self._sandboxes = self._stack.enter_context(opened)
        jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        placement: Placement | None = self._sandboxes
        if not self.native:
            placement = _MainThread(InterpreterPlacement(dict(made.kernels)), jobs, portal)
        ended = threading.Event()
        sandboxes = self._sandboxes

        async def work() -> RunResult:
            try:
                return await run(made.program, made.graph, inputs, limits=self.limits, placement=placement)
            except anyio.get_cancelled_exc_class():
                # Bounded: a nucleus that was stopped from outside shall not keep the prompt.
                if sandboxes is not None:
                    with anyio.move_on_after(_SETTLE_S, shield=True):
                        await sandboxes.settled()
                raise
            finally:
                ended.set()

        future = portal.start_task_soon(work)
        future.add_done_callback(lambda _: jobs.put(None))
        return _await(future, jobs, ended)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits for the end of what must not be left half-open; threads that are started here never see it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await(future: "Future[RunResult]", jobs: "queue.SimpleQueue[_Job | None]", ended: threading.Event) -> RunResult:
    """The result of `future`, while doing `jobs`. On Ctrl-C the run is over before this is."""
    try:
        while (job := jobs.get()) is not None:
            job()
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        with _undisturbed():
            ended.wait()
        raise StoppedError from None


class _MainThread:
    """A placement that has shards interpreted by the main thread."""

    def __init__(
        self, interpreter: InterpreterPlacement, jobs: "queue.SimpleQueue[_Job | None]", portal: BlockingPortal
    ) -> None:
        self._interpreter = interpreter
        self._jobs = jobs
        self._portal = portal

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
        """Interpret one shard."""
        done, found = anyio.Event(), list[Outcome | Exception]()

        def job() -> None:
            try:
                found.append(_finish(self._interpreter.run_shard(kernel, inputs, first, last, limits)))
            except Exception as error:  # noqa: BLE001  # it is raised again where it belongs
                found.append(error)
            self._portal.start_task_soon(done.set)

        self._jobs.put(job)
        await done.wait()
        (outcome,) = found
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _finish(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    raise AssertionError("the interpreter waits for nothing")
