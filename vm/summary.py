"""What happened at each node of a run: how many instances ran, were skipped, failed. And what kernels noted."""

from typing import Any

from attrs import define, evolve, field

from dandc.lang.values import frozen

# More notes than anybody reads would only cost memory: a fan-out of a million items may note a million times.
MAX_NOTES = 10_000


# Counts as results show them: `{"ran": 3, "skipped": 0, "failed": 1, "unmatched": {"x": 2}}`.
NodeCounts = dict[str, Any]


@frozen(slots=True)
class Lonely:
    """Keys of one side of a join without a partner on the other: how many, and the first of them as people read them.

    A side is named by the parameters that it was put together from.
    """

    side: tuple[str, ...]
    other: tuple[str, ...]
    count: int
    first: tuple[str, ...]

    def __add__(self, more: "Lonely") -> "Lonely":
        """The keys of two calls of one node; of the first of them no more are kept than one call has."""
        first = tuple(dict.fromkeys(self.first + more.first))[: max(len(self.first), len(more.first))]
        return evolve(self, count=self.count + more.count, first=first)


@define(slots=True, eq=False, repr=False)
class Counts:
    """Instances of one node. A failed instance counts as failed whatever its policy made of it.

    `ran` is all that ended well; of these `cached` were taken from the cache of results and `recorded` from a journal.
    """

    ran: int = 0
    skipped: int = 0
    failed: int = 0
    cached: int = 0
    recorded: int = 0
    unmatched: dict[tuple[str, ...], Lonely] = field(factory=dict)

    def add_unmatched(self, found: Lonely) -> None:
        """Count keys that a join found no partner for."""
        known = self.unmatched.get(found.side)
        self.unmatched[found.side] = found if known is None else known + found

    def as_dict(self) -> "NodeCounts":
        """The counts under the names that results show; what only some runs have is left out where there is none."""
        ran = max(0, self.ran - self.cached - self.recorded)
        counts: NodeCounts = {"ran": ran, "skipped": self.skipped, "failed": self.failed}
        if self.cached:
            counts["cached"] = self.cached
        if self.recorded:
            counts["recorded"] = self.recorded
        if self.unmatched:
            counts["unmatched"] = {", ".join(side): found.count for side, found in sorted(self.unmatched.items())}
        return counts


@frozen(slots=True)
class Note:
    """A message that an instance of `node` recorded with `note`."""

    node: str
    item: str
    text: str


@define(slots=True, eq=False, repr=False)
class Summary:
    """The counts of all nodes by name (`outer/inner` inside compositions) and the notes, in no promised order.

    `because` says of skipped nodes what was not there, and who should have made it.
    """

    nodes: dict[str, Counts] = field(factory=dict)
    because: dict[str, str] = field(factory=dict)
    notes: list[Note] = field(factory=list)
    notes_dropped: int = 0

    def at(self, node: str) -> Counts:
        """The counts of `node`."""
        return self.nodes.setdefault(node, Counts())

    def note(self, note: Note) -> None:
        """Keep a note, up to `MAX_NOTES`."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(note)
        else:
            self.notes_dropped += 1
