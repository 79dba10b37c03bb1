"""What a measurement gives: rows, printed as a table or as JSON."""

import json
from collections.abc import Sequence

from attrs import asdict, frozen


@frozen
class Bar:
    """What a row has to be: at most (or at least) `value`, by its ratio or by our own number."""

    value: float
    least: bool = False
    alone: bool = False

    def __str__(self) -> str:
        return f"bar {'>=' if self.least else '<='} {self.value:.4g}"


@frozen
class Row:
    """One thing measured, and its peer in the same run; None where there is no number. `ratio` is ours by peer."""

    what: str
    ours: float | None
    peer: float | None
    unit: str
    note: str = ""
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        """None without a peer."""
        return self.ours / self.peer if self.ours is not None and self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without one, or without a number."""
        if self.bar is None:
            return None
        found = self.ours if self.bar.alone else self.ratio
        if found is None:
            return None
        return found >= self.bar.value if self.bar.least else found <= self.bar.value


def as_json(name: str, rows: Sequence[Row]) -> str:
    """`{"name", "rows": [{"what", "ours", "peer", "ratio", "unit", "note", "bar", "met"}]}`."""

    def fields(row: Row) -> dict[str, object]:
        bar = None if row.bar is None else str(row.bar)
        return {**asdict(row), "ratio": row.ratio, "bar": bar, "met": row.met}

    return json.dumps({"name": name, "rows": [fields(row) for row in rows]}, indent=2)


def as_table(name: str, rows: Sequence[Row]) -> str:
    """The same for people."""
    lines = [f"{name:<44} {'ours':>10} {'peer':>10} {'ratio':>7}"]
    for row in rows:
        ours, peer, ratio = (_number(value) for value in (row.ours, row.peer, row.ratio))
        lines.append(f"{row.what:<44} {ours:>10} {peer:>10} {ratio:>7} {row.unit} {_said(row)}".rstrip())
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _said(row: Row) -> str:
    bar = "" if row.bar is None else f"{row.bar}{'' if row.met is None else ', met' if row.met else ', NOT MET'}"
    return ", ".join(text for text in (row.note, bar) if text)
