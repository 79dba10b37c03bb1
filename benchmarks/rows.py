"""What a measurement gives: rows, printed as a table or as JSON."""

import json
from collections.abc import Sequence

from attrs import asdict, frozen


@frozen
class Row:
    """One thing measured, and its peer in the same run; None where there is no number. `ratio` is ours by peer."""

    what: str
    ours: float | None
    peer: float | None
    unit: str
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """None without a peer."""
        return self.ours / self.peer if self.ours is not None and self.peer else None


def as_json(name: str, rows: Sequence[Row]) -> str:
    """`{"name", "rows": [{"what", "ours", "peer", "ratio", "unit", "note"}]}`."""
    return json.dumps({"name": name, "rows": [{**asdict(row), "ratio": row.ratio} for row in rows]}, indent=2)


def as_table(name: str, rows: Sequence[Row]) -> str:
    """The same for people."""
    lines = [f"{name:<44} {'ours':>10} {'peer':>10} {'ratio':>7}"]
    for row in rows:
        ours, peer, ratio = (_number(value) for value in (row.ours, row.peer, row.ratio))
        lines.append(f"{row.what:<44} {ours:>10} {peer:>10} {ratio:>7} {row.unit} {row.note}".rstrip())
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
