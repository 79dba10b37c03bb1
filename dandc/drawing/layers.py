"""Where boxes stand: in layers from top to bottom, so that every arrow points down, with few crossings.

The usual three steps (Sugiyama, Tagawa and Toda, 1981): a layer by the longest way from a source; the order inside a layer by the mean
place of the neighbours, a few sweeps down and up; and places that centre each box over what it leads to as far as there is room.
"""

from collections.abc import Sequence
from itertools import pairwise

_SWEEPS = 8


def layers(count: int, arrows: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The boxes `0..count` by layer, in order from left to right. `arrows` form no circle."""
    before: list[list[int]] = [[] for _ in range(count)]
    behind: list[list[int]] = [[] for _ in range(count)]
    for start, end in arrows:
        before[end].append(start)
        behind[start].append(end)
    depth = _depths(before, behind)
    rows: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for box in range(count):
        rows[depth[box]].append(box)
    place = {box: float(i) for row in rows for i, box in enumerate(row)}
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else behind
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=lambda box: _mean(place, neighbours[box], place[box]))
            place.update({box: float(i) for i, box in enumerate(row)})
    return rows


def _depths(before: Sequence[Sequence[int]], behind: Sequence[Sequence[int]]) -> list[int]:
    """The longest way to each box; what nothing leads to stands right above the first that it leads to."""
    waiting = [len(b) for b in before]
    ready = [box for box, count in enumerate(waiting) if not count]
    depth = [0] * len(before)
    for box in ready:
        for end in behind[box]:
            depth[end] = max(depth[end], depth[box] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    for box in range(len(before)):
        if not before[box] and behind[box]:
            depth[box] = min(depth[end] for end in behind[box]) - 1
    return depth


def _mean(place: dict[int, float], boxes: Sequence[int], own: float) -> float:
    return sum(place[box] for box in boxes) / len(boxes) if boxes else own


def across(
    rows: Sequence[Sequence[int]], widths: Sequence[float], arrows: Sequence[tuple[int, int]], gap: float
) -> list[float]:
    """The middle of each box from the left edge, boxes of a row at least `gap` apart."""
    near: list[list[int]] = [[] for _ in widths]
    for start, end in arrows:
        near[start].append(end)
        near[end].append(start)
    middle = [0.0] * len(widths)
    for row in rows:
        _apart(row, widths, middle, gap)
    for _ in range(_SWEEPS):
        for row in rows:
            for box in row:
                if near[box]:
                    middle[box] = sum(middle[other] for other in near[box]) / len(near[box])
            _apart(row, widths, middle, gap)
    left = min((middle[box] - widths[box] / 2 for row in rows for box in row), default=0.0)
    return [m - left for m in middle]


def _apart(row: Sequence[int], widths: Sequence[float], middle: list[float], gap: float) -> None:
    """Push the boxes of a row apart without changing their order, and the row back to where its boxes wanted to be."""
    wanted = sum(middle[box] for box in row)
    for left, right in pairwise(row):
        middle[right] = max(middle[right], middle[left] + (widths[left] + widths[right]) / 2 + gap)
    shift = (wanted - sum(middle[box] for box in row)) / max(len(row), 1)
    for box in row:
        middle[box] += shift
