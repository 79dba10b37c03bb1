"""Effects that are done once (`once KEY`): within a run, and over the runs that finish it.

An effect's name is a digest of the operation, its KEY, and the keys or names of the instance and of those around it; where
the instance has neither, of its arguments. The journal says that an effect begins before anything is sent, on the disk, and how
it ended after. What lies between is for the service: a driver that can passes the name on, and sending again is then
as good as asking. For other drivers nobody knows whether the effect was done, and it is not tried again.
"""

from typing import TYPE_CHECKING

import anyio
from attrs import define, field

from dandc.vm.digests import digest
from dandc.vm.drivers import EffectDriver
from dandc.vm.kept import Ended, KeptFault, pack
from dandc.vm.request import Request

if TYPE_CHECKING:
    from dandc.vm.keeper import Keeper, Send

UNKNOWN = "once.unknown"
_NAME_LENGTH = 32


@define(slots=True, eq=False, repr=False)
class _Effect:
    """An effect of this run: with which arguments, and how it ended."""

    arguments: bytes
    over: anyio.Event = field(factory=anyio.Event)
    ended: Ended | None = None


@define(slots=True, eq=False, repr=False)
class Effects:
    """The effects of one run by name."""

    _known: dict[bytes, _Effect] = field(factory=dict)

    async def answer(self, keeper: "Keeper", request: Request, send: "Send") -> Ended:
        """Do the effect if it is not done; the same effect again is given the same end."""
        name = effect_name(request)
        if keeper.replay:
            # Which of two calls came first is written in the journal.
            return await _recorded(keeper, request, name) or _unknown(request)
        effect = self._known.get(name)
        if effect is None:
            effect = self._known[name] = _Effect(request.arguments)
            try:
                effect.ended = await _first(keeper, request, name, send)
            finally:
                if effect.ended is None:
                    del self._known[name]  # cancelled, or the run ends: nobody may take it for done
                effect.over.set()
            return effect.ended
        if effect.arguments != request.arguments:
            return _conflict(request)
        await effect.over.wait()
        return effect.ended or _unknown(request)


async def _first(keeper: "Keeper", request: Request, name: bytes, send: "Send") -> Ended:
    journal = keeper.journal
    if journal is None:
        return await send(name.hex()[:_NAME_LENGTH])
    if not journal.fresh:
        ended = await _recorded(keeper, request, name)
        if ended is not None:
            if ended.fault is not None and ended.fault.code == UNKNOWN:
                journal.add_effect(name, request.arguments, request.name, request.item, pack(ended))
                await journal.commit()
            return ended
    journal.add_effect(name, request.arguments, request.name, request.item, None)
    await journal.commit(durable=True)
    ended = await send(name.hex()[:_NAME_LENGTH])
    journal.add_effect(name, request.arguments, request.name, request.item, pack(ended))
    await journal.commit()
    return ended


async def _recorded(keeper: "Keeper", request: Request, name: bytes) -> Ended | None:
    """How the effect ended before, or that nobody knows it; None where it may be done now."""
    assert keeper.journal is not None
    found = await keeper.journal.effect(name)
    if found is None:
        return await keeper.missing(request) if keeper.replay else None
    arguments, result = found
    before = keeper.read(request, result)
    if before is not None and before.fault is not None and before.fault.safe and not keeper.replay:
        return None  # nothing was done
    if arguments != request.arguments:
        return _conflict(request)
    known = keeper.reusable(request, before)
    if known is not None:
        return known
    if keeper.replay:
        return await keeper.missing(request)
    driver = request.context.drivers[request.node.module]
    again = request.repeatable or (isinstance(driver, EffectDriver) and driver.passes_effect(request.node.operation))
    return None if again else _unknown(request)


def effect_name(request: Request) -> bytes:
    """The digest that names the effect of a call."""
    keys = (*request.context.scope.keys, request.own or b"d" + request.arguments)
    return digest("dandc.once.1", request.node.module, request.node.operation, request.once or b"", *keys)


def _conflict(request: Request) -> Ended:
    message = f"the effect was begun with other arguments: `once` names `{request.shown_once}` twice"
    return Ended(fault=KeptFault("once.conflict", message))


def _unknown(request: Request) -> Ended:
    message = "it was begun before, and nobody knows whether it was done"
    return Ended(fault=KeptFault(UNKNOWN, message))
