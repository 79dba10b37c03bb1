"""What happened at each node of a run: how many instances ran, were skipped, failed. And what kernels noted."""

from typing import Any

from attrs import define, field, frozen

# More notes than anybody reads would only cost memory: a fan-out of a million items may note a million times.
MAX_NOTES = 10_000


# Counts as results show them: `{"ran": 3, "skipped": 0, "failed": 1, "unmatched": {"x": 2}}`.
NodeCounts = dict[str, Any]


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
    unmatched: dict[str, int] = field(factory=dict)

    def add_unmatched(self, parameter: str, count: int) -> None:
        """Count keys of `parameter` that a join found no partner for."""
        self.unmatched[parameter] = self.unmatched.get(parameter, 0) + count

    def as_dict(self) -> "NodeCounts":
        """The counts under the names that results show; what only some runs have is left out where there is none."""
        ran = max(0, self.ran - self.cached - self.recorded)
        counts: NodeCounts = {"ran": ran, "skipped": self.skipped, "failed": self.failed}
        if self.cached:
            counts["cached"] = self.cached
        if self.recorded:
            counts["recorded"] = self.recorded
        if self.unmatched:
            counts["unmatched"] = dict(self.unmatched)
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
