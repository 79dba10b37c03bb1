"""Did you mean: the nearest of the names that could have stood here."""

from collections.abc import Iterable


def nearest(written: str, candidates: Iterable[str], most: int | None = None) -> str | None:
    """The candidate nearest to `written`, if at most half of its letters differ (and `most`); case and `_` hardly count."""
    folded = _fold(written)
    half = max(len(folded), 1) // 2
    most = half if most is None else min(half, most)
    best: tuple[int, str] | None = None
    for candidate in candidates:
        distance = _distance(folded, _fold(candidate), most)
        if distance <= most and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
            most = distance
    return best[1] if best else None


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _distance(a: str, b: str, most: int) -> int:
    """Edit distance with transposition of neighbours as one step; more than `most` if it is that."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    a, b = _trimmed(a, b)
    older: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            current.append(cost)
        # Two rows: a transposition looks one further back.
        if min(current) > most and min(previous) > most:
            return most + 1
        older, previous = previous, current
    return previous[-1]


def _trimmed(a: str, b: str) -> tuple[str, str]:
    """Both without what they begin with alike and end with alike: it costs nothing."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    end = next((i for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), min(len(a), len(b)))
    return a[: len(a) - end], b[: len(b) - end]
