"""Where something stands in a source text.

A span is offsets only; lines and columns are computed when a diagnostic is printed, because almost no
span is ever printed. Offsets count code points of the decoded text, and `end` is exclusive.
"""

from bisect import bisect_right

from attrs import field

from dandc.lang.values import frozen


@frozen(slots=True)
class Span:
    """The half-open range `start:end` of the source called `file`."""

    file: str
    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        """The span from the start of this one to the end of `other`."""
        return Span(self.file, self.start, other.end)


NOWHERE = Span("", 0, 0)


@frozen
class Source:
    """One decoded source text. `file` is the name that diagnostics show."""

    file: str
    text: str = field(repr=False)

    def line_starts(self) -> list[int]:
        """Offsets of the first character of every line."""
        starts = [0]
        position = self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column (in code points) of `offset`."""
        starts = self.line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1
