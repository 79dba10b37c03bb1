"""What happened at each node of a run: how many instances ran, were skipped, failed. And what kernels noted."""

from attrs import define, field, frozen

# More notes than anybody reads would only cost memory: a fan-out of a million items may note a million times.
MAX_NOTES = 10_000


@define(slots=True, eq=False, repr=False)
class Counts:
    """Instances of one node. A failed instance counts as failed whatever its policy made of it."""

    ran: int = 0
    skipped: int = 0
    failed: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts under the names that results show."""
        return {"ran": self.ran, "skipped": self.skipped, "failed": self.failed}


@frozen(slots=True)
class Note:
    """A message that an instance of `node` recorded with `note`."""

    node: str
    item: str
    text: str


@define(slots=True, eq=False, repr=False)
class Summary:
    """The counts of all nodes by name (`outer/inner` inside compositions) and the notes, in no promised order."""

    nodes: dict[str, Counts] = field(factory=dict)
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
