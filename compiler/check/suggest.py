"""Did you mean: the nearest of the names that could have stood here."""

from collections.abc import Iterable


def nearest(written: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to `written`, if at most half of its letters differ; case and `_` hardly count."""
    best: tuple[int, str] | None = None
    folded = _fold(written)
    for candidate in candidates:
        distance = _distance(folded, _fold(candidate))
        if distance * 2 <= max(len(folded), 1) and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    return best[1] if best else None


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _distance(a: str, b: str) -> int:
    """Edit distance with transposition of neighbours as one step."""
    if abs(len(a) - len(b)) * 2 > max(len(a), len(b)):
        return max(len(a), len(b))
    older: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            current.append(cost)
        older, previous = previous, current
    return previous[-1]
