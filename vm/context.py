"""Everything that the nodes of one run share, and what a node gives to its successors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

from dandc.compiler.encoding import EncodingError
from dandc.compiler.flow import Program
from dandc.compiler.keys import decode_key
from dandc.compiler.types import Type, TypeTable
from dandc.lang.values import frozen
from dandc.vm.admission import Share
from dandc.vm.drivers import CallContext, Driver
from dandc.vm.items import EMPTY, ItemSet
from dandc.vm.limits import RunLimits
from dandc.vm.packing import Costs
from dandc.vm.placement import Placement
from dandc.vm.scope import TOP, Scope
from dandc.vm.secrets import SecretBox
from dandc.vm.summary import Summary
from dandc.vm.watch import Watch

if TYPE_CHECKING:
    from dandc.vm.decisive import Decisive
    from dandc.vm.keeper import Keeper

_ITEM_TEXT_LIMIT = 200


@define(slots=True, eq=False, repr=False)
class RunContext:
    """One run.

    `keeper` knows what need not be done again; `scope` is which instances of enclosing compositions this part of the run is in;
    `decisive` says which failure ends the graph around, in a run that is repeated.
    """

    program: Program
    limits: RunLimits
    placement: Placement | None
    drivers: Mapping[str, Driver]
    call: CallContext
    secrets: SecretBox
    configs: Mapping[str, bytes]
    admission: Share
    requests: anyio.CapacityLimiter
    summary: Summary
    costs: Costs
    watch: Watch = field(factory=Watch)
    keeper: "Keeper | None" = None
    scope: Scope = TOP
    decisive: "Decisive | None" = None


@frozen(slots=True, eq=False, repr=False)
class NodeResult:
    """The output sets of a node in order of declaration, and what `collect` gathered. `held`: some of it is missing (`decisive.py`)."""

    outputs: tuple[ItemSet, ...]
    failures: ItemSet = EMPTY
    held: bool = False


def item_text(key: bytes | None, name: str, key_type: Type | None, types: TypeTable) -> str:
    """What a person calls an item: its key, else its name; empty if it has neither."""
    text = name
    if key is not None and key_type is not None:
        try:
            text = str(decode_key(key_type, key, types))
        except EncodingError:
            text = key.hex()
    return text[:_ITEM_TEXT_LIMIT]
