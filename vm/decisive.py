"""Which failure ends a run of a graph when it is repeated: the one that ended it when it was recorded.

Where several instances can fail, chance says which of them is the first: the others are cut off. So the record decides. Until what it
names has come, any other failure is held: its instance gives nothing, what needs all of its call waits, and everything else
goes on. A call of a driver without an end in the record was cut off too, and is held in the same way. If the recorded
failure never comes, the run of the graph ends when nothing is left to do: with what was held, which is a difference then.
"""

import json
from typing import Any

from attrs import asdict, define

from dandc.lang.values import frozen
from dandc.vm.failures import Fault, NodeFailedError

_SCRUBBED = "secret("


class CutOffError(Exception):
    """A call, or a run of a graph, that did not end when it was recorded, and does not in its repetition."""


@frozen(slots=True)
class Failing:
    """A failure as it is written down."""

    code: str
    message: str
    node: str
    item: str

    @property
    def place(self) -> str:
        """Where it was, in words."""
        return f"in `{self.node}`" + f" for the item `{self.item}`" * bool(self.item)

    def is_that_of(self, fault: Fault) -> bool:
        """Whether the fault is this one. Where a secret was taken out of the record, the words cannot be compared."""
        now = (fault.message, fault.item)
        same = all(old == new or _SCRUBBED in old for old, new in zip((self.message, self.item), now, strict=True))
        return same and (self.code, self.node) == (fault.code, fault.node)

    def data(self) -> bytes:
        """As bytes."""
        return json.dumps(asdict(self)).encode()


def failing(fault: Fault) -> Failing:
    """What is written down of a fault."""
    return Failing(fault.code, fault.message, fault.node, fault.item)


def read_failing(data: Any) -> Failing | None:
    """What was written down, from a decoded journal; None for nothing. Raises `ValueError` for what is none."""
    if not data:
        return None
    names = ("code", "message", "node", "item")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in names):
        raise ValueError("a failure is not told as one")
    return Failing(*(data[name] for name in names))


@define(slots=True, eq=False)
class Decisive:
    """What ends one run of a graph. `looking`: nothing does, because somebody looks for an instance and wants all to be tried.

    `came` is the recorded failure once it is there, `other` the first of all others.
    """

    recorded: Failing | None
    looking: bool = False
    came: Fault | None = None
    other: Fault | None = None

    def ends(self, fault: Fault) -> bool:
        """Whether a fault that no policy takes ends the run of the graph at once; else it is held."""
        if fault.code.startswith("host."):  # which says nothing about the run
            return True
        if self.is_recorded(fault):
            self.came = fault
            return not self.looking
        self.other = self.other or fault
        return self.recorded is None and not self.looking

    def is_recorded(self, fault: Fault) -> bool:
        """Whether the fault is the one of the record."""
        return self.recorded is not None and self.recorded.is_that_of(fault)

    def end(self) -> NodeFailedError | CutOffError:
        """How the run of the graph ends when nothing is left to do and something was held."""
        fault = self.came or self.other
        return CutOffError() if fault is None else NodeFailedError(fault)
