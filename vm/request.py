"""One call of a driver as cache and journal see it: what tells it from all others, without its values."""

from array import array
from collections.abc import Sequence

from dandc.compiler.flow import CommunicationNode
from dandc.lang.values import frozen
from dandc.vm.context import RunContext
from dandc.vm.digests import digest, instance_digests, interface
from dandc.vm.items import ItemSet
from dandc.vm.tracks import Origin


@frozen(slots=True, eq=False, repr=False)
class Request:
    """One call of a driver. `name` is the node in its path; `arguments` a digest; `own` the key or name of its instance, `origin` its origin.

    `repeatable`: it may be sent again when it is not known whether it arrived. `once`: the KEY of its effect.
    """

    context: RunContext
    node: CommunicationNode
    name: str
    item: str
    own: bytes
    origin: Origin
    arguments: bytes
    repeatable: bool
    once: bytes | None = None

    @property
    def shown_once(self) -> str:
        """KEY for people."""
        return (self.once or b"").decode(errors="replace")[:100]


def arguments_digest(node: CommunicationNode, sets: Sequence[ItemSet], rows: "array[int]") -> bytes:
    """What identifies the arguments of a call of a driver whose one instance sees the items `rows` of `sets`."""
    prefix = digest("dandc.call.1", node.module, node.operation, *interface(node.params, node.declared))
    return instance_digests(prefix, sets, rows, 1)[0]
