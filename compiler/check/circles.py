"""Circles in graphs of names: what contains, calls or needs itself. Iterative, since sources can be chains of any length."""

from collections.abc import Iterable, Mapping

Edges = Mapping[str, Iterable[str]]


def circular(edges: Edges) -> dict[str, list[str]]:
    """The part of a graph from which a circle can be reached: names with their targets in that part."""
    users: dict[str, list[str]] = {}
    left: dict[str, int] = {}
    for name, targets in edges.items():
        known = [t for t in targets if t in edges]
        left[name] = len(known)
        for target in known:
            users.setdefault(target, []).append(name)
    ready = [name for name, n in left.items() if n == 0]
    while ready:
        name = ready.pop()
        del left[name]
        for user in users.get(name, ()):
            left[user] -= 1
            if left[user] == 0:
                ready.append(user)
    return {name: [t for t in edges[name] if t in left] for name in left}


def way_back(edges: Edges, start: str) -> list[str]:
    """A shortest way from `start` that leads back to it, without the return; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        for target in edges[name]:
            if target == start:
                path = [name]
                while path[0] != start:
                    path.insert(0, came_from[path[0]])
                return path
            if target not in came_from:
                came_from[target] = name
                waiting.append(target)
    return []


def circles(edges: Edges) -> list[list[str]]:
    """Every circle once: the first name (in the order of `edges`) that is on it and not on an earlier one begins it."""
    inside = circular(edges)
    found: list[list[str]] = []
    seen: set[str] = set()
    for name in inside:
        path = [] if name in seen else way_back(inside, name)
        seen.update(path)
        if path:
            found.append(path)
    return found


def producers_first(edges: Edges) -> list[str]:
    """All names, each after its targets as far as there are no circles."""
    order: list[str] = []
    entered: set[str] = set()
    for root in edges:
        stack: list[tuple[str, list[str]]] = []
        if root not in entered:
            entered.add(root)
            stack.append((root, [t for t in edges[root] if t in edges]))
        while stack:
            name, targets = stack[-1]
            target = targets.pop(0) if targets else None
            if target is None:
                order.append(name)
                stack.pop()
            elif target not in entered:
                entered.add(target)
                stack.append((target, [t for t in edges[target] if t in edges]))
    return order
