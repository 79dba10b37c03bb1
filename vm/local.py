"""Runs shards on this machine: in its sandboxes, or, where the caller says so, in this process without one."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from dandc.compiler.flow import KernelImage
from dandc.isolation import Image, ImageError, Limits, Outcome, Pool, Unavailable, Usage, load_image, open_pool
from dandc.lang.diagnostics import Diagnostic
from dandc.vm.admission import Admission
from dandc.vm.failures import RunError, diagnostic_code
from dandc.vm.items import Buffer
from dandc.vm.limits import RunLimits

if TYPE_CHECKING:
    from dandc.isolation.inline import Inline

# Images that are kept for the next shard although none runs them now: each is a file in memory and a descriptor.
IDLE_IMAGES = 64

Isolation: TypeAlias = Literal["process", "inline"]  # a fresh sandbox for each shard; none, for trusted code


class LocalPlacement:
    """A sandbox pool (or what stands in for it), the images that were loaded for it, and the admission that its runs share.

    An image that shards run is never closed under them; of the others the least lately used go when there are many. What its
    sandboxes have used is forgotten with it.
    """

    def __init__(self, pool: "Pool | Inline", admission: Admission) -> None:
        self.admission = admission
        self._pool = pool
        self._images: OrderedDict[bytes, Image] = OrderedDict()  # the least lately used first
        self._busy: dict[bytes, int] = {}  # shards that run an image now

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
        """Run one shard in a fresh sandbox."""
        elf = kernel.image
        try:
            image = self._taken(elf)
        except ImageError as error:
            return Outcome("image.invalid", str(error))
        except OSError as error:
            return Outcome("host.exhausted", error.strerror or str(error))
        try:
            return await self._pool.run(image, inputs, first, last, limits, background=background)
        except ImageError as error:
            return Outcome("image.invalid", str(error))  # a good one, but not for running inline
        except Unavailable as error:
            # The nucleus died and a new one cannot be started: nothing about this shard, but the end of the run.
            return Outcome("sandbox.unavailable", error.reason)
        finally:
            self._give_back(elf)

    @property
    def cpu_us(self) -> int:
        """CPU time of all sandboxes that have ended."""
        return self._pool.cpu_us

    def usage(self, kernel: KernelImage) -> Usage | None:
        """What the sandboxes of a kernel have used so far."""
        image = self._images.get(kernel.image)
        return None if image is None else image.usage

    def _taken(self, elf: bytes) -> Image:
        """The image, which stays until it is given back."""
        image = self._images.get(elf)
        if image is None:
            image = self._images[elf] = load_image(elf)
        self._images.move_to_end(elf)
        self._busy[elf] = self._busy.get(elf, 0) + 1
        return image

    def _give_back(self, elf: bytes) -> None:
        """One shard less runs an image; the least lately used of those that none runs go if they are too many."""
        self._busy[elf] -= 1
        if not self._busy[elf]:
            del self._busy[elf]
        if len(self._images) - len(self._busy) <= IDLE_IMAGES:
            return
        idle = next(elf for elf in self._images if elf not in self._busy)
        self._images.pop(idle).close()

    async def settled(self) -> None:
        """Wait until nothing is left of calls that were cancelled."""
        await self._pool.settled()

    def close(self) -> None:
        """Give the images' memory back."""
        for image in self._images.values():
            image.close()
        self._images.clear()


@asynccontextmanager
async def open_local(limits: RunLimits, isolation: Isolation = "process") -> AsyncIterator[LocalPlacement]:
    """Where shards run on this machine, for one or many runs of one event loop; `RunError` where they cannot.

    `limits` bound all runs together, and each of them by its own limits. `isolation="inline"` runs kernels in this process,
    one at a time and without a sandbox: for trusted code. Nothing falls back to it.
    """
    try:
        async with _runner(limits, isolation) as runner:
            placement = LocalPlacement(runner, Admission(limits.sandboxes, limits.memory))
            try:
                yield placement
            finally:
                placement.close()
    except Unavailable as error:
        without = "this host has no sandbox" if isolation == "process" else "kernels cannot be run inline here"
        diagnostic = Diagnostic(diagnostic_code("sandbox.unavailable"), f"{without}: {error.reason}", None)
        raise RunError(diagnostic) from None


def _runner(limits: RunLimits, isolation: Isolation) -> "AbstractAsyncContextManager[Pool | Inline]":
    if isolation == "process":
        return open_pool(limits.sandboxes)
    if isolation != "inline":
        raise ValueError(f'isolation is "process" or "inline", not {isolation!r}')
    from dandc.isolation.inline import open_inline

    return open_inline(limits.sandboxes)
