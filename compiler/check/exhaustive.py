"""Whether patterns cover a type, and which of them can never match: the usual matrix algorithm.

Source: L. Maranget, "Warnings for pattern matching", JFP 17(3), 2007. A row is a list of patterns; a column has a type.
"""

from collections.abc import Sequence

from attrs import define

from dandc.compiler.check.symbols import World
from dandc.compiler.check.types import variants_of
from dandc.compiler.typed import PBind, PLit, PTuple, PVariant, PWild, TPattern
from dandc.compiler.types import BOOL, Array, Basic, SetRef, Tuple, Type, TypeVar

Row = tuple[TPattern, ...]
# A constructor: a variant number, a literal value, or () of a tuple.
Head = object


def missing(world: World, t: Type, patterns: Sequence[TPattern]) -> tuple[str, ...]:
    """Values of `t`, in pattern syntax, that no pattern matches; () if all are covered.

    All variants that are missing if the patterns look no deeper, else one example.
    """
    witness = _useful(_Budget(world), [(p,) for p in patterns], (t,))
    if witness is None:
        return ()
    heads = _heads(world, t)
    used = {_key(head[0]) for p in patterns if (head := _head(p)) is not None}
    if not heads or not used or isinstance(t, Tuple) or not all(_is_flat(p) for p in patterns):
        return (witness[0],)
    absent = [_show(name, ["_"] * len(parts), t) for head, (name, parts) in heads.items() if _key(head) not in used]
    return tuple(absent) or (witness[0],)


def unreachable(world: World, t: Type, arms: Sequence[tuple[TPattern, bool]]) -> list[int]:
    """The arms that earlier ones without guard cover wholly; an arm is `(pattern, guarded)`."""
    budget = _Budget(world)
    if all(_is_flat(p) for p, _ in arms):
        return _unreachable_flat(world, t, arms)
    found: list[int] = []
    rows: list[Row] = []
    for i, (pattern, guarded) in enumerate(arms):
        if not _row_useful(budget, rows, (pattern,), (t,)):
            found.append(i)
        if not guarded:
            rows.append((pattern,))
    return found


def _is_flat(pattern: TPattern) -> bool:
    parts = _head(pattern)
    return parts is None or all(_head(p) is None for p in parts[1])


def _unreachable_flat(world: World, t: Type, arms: Sequence[tuple[TPattern, bool]]) -> list[int]:
    """The same in linear time, for arms that look at one constructor only."""
    heads = _heads(world, t)
    found: list[int] = []
    used: set[Head] = set()
    all_covered = False
    for i, (pattern, guarded) in enumerate(arms):
        head = _head(pattern)
        if all_covered or (head is not None and _key(head[0]) in used):
            found.append(i)
        if not guarded:
            used |= set() if head is None else {_key(head[0])}
            all_covered = head is None or (heads is not None and len(used) == len(heads))
    return found


def _key(head: Head) -> Head:
    """Constructors as keys: `1` and `true` are different ones."""
    return type(head), head


class TooManyCombinations(Exception):
    """The patterns of a match are entangled so that deciding would take too long."""


@define(eq=False)
class _Budget:
    """The steps that one question may take: the answer is exponential in the worst case."""

    world: World
    steps: int = 300_000

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise TooManyCombinations


def _heads(world: World, t: Type) -> dict[Head, tuple[str, tuple[Type, ...]]] | None:
    """All constructors of `t` with a name and their parts; None if there is no end of them."""
    if t == BOOL:
        return {False: ("false", ()), True: ("true", ())}
    if isinstance(t, Tuple):
        return {(): ("", t.items)}
    if isinstance(t, Basic | Array | TypeVar | SetRef):
        return None
    variants = variants_of(world, t)
    if variants is None:
        return None
    return {i: (name, payload) for i, (name, payload) in enumerate(variants)}


def _head(pattern: TPattern) -> tuple[Head, tuple[TPattern, ...]] | None:
    match pattern:
        case PVariant(variant=variant, args=args):
            return variant, args
        case PTuple(items=items):
            return (), items
        case PLit(value=value):
            return value.value, ()
    return None


def _specialise(row: Row, head: Head, arity: int, types: tuple[Type, ...]) -> Row | None:
    found = _head(row[0])
    if found is None:
        return tuple(PWild(t) for t in types[:arity]) + row[1:]
    return found[1] + row[1:] if found[0] == head and type(found[0]) is type(head) else None


def _useful(budget: _Budget, rows: list[Row], types: tuple[Type, ...]) -> list[str] | None:
    """A row of values that no row of patterns matches."""
    if not types:
        return None if rows else []
    budget.spend(1 + len(rows))
    heads = _heads(budget.world, types[0])
    by_head, others = _grouped(rows)
    used = set(by_head)
    if heads is not None and set(heads) <= used:
        for head, (name, parts) in heads.items():
            inner = _matrix(by_head[head] + others, head, parts)
            witness = _useful(budget, inner, parts + types[1:])
            if witness is not None:
                return [_show(name, witness[: len(parts)], types[0]), *witness[len(parts) :]]
        return None
    rest = _useful(budget, [r[1:] for r in others], types[1:])
    if rest is None:
        return None
    return [_example(heads, used, types[0]), *rest]


def _grouped(rows: list[Row]) -> tuple[dict[Head, list[Row]], list[Row]]:
    """The rows that begin with each constructor, and those that begin with any."""
    by_head: dict[Head, list[Row]] = {}
    others: list[Row] = []
    for row in rows:
        found = _head(row[0])
        if found is None:
            others.append(row)
        else:
            by_head.setdefault(found[0], []).append(row)
    return by_head, others


def _matrix(rows: list[Row], head: Head, parts: tuple[Type, ...]) -> list[Row]:
    specialised = (_specialise(r, head, len(parts), parts) for r in rows)
    return [r for r in specialised if r is not None]


def _example(heads: dict[Head, tuple[str, tuple[Type, ...]]] | None, used: set[Head], t: Type) -> str:
    if not heads or not used:
        return "_"
    name, parts = next(v for k, v in heads.items() if k not in used)
    return _show(name, ["_"] * len(parts), t)


def _show(name: str, parts: list[str], t: Type) -> str:
    return f"{name}({', '.join(parts)})" if parts or isinstance(t, Tuple) else name


def _row_useful(budget: _Budget, rows: list[Row], row: Row, types: tuple[Type, ...]) -> bool:
    """Whether some value matches `row` and none of `rows`."""
    if not types:
        return not rows
    budget.spend(1 + len(rows))
    found = _head(row[0])
    heads = _heads(budget.world, types[0])
    if found is not None:
        parts = heads[found[0]][1] if heads is not None and found[0] in heads else ()
        return _row_useful(budget, _matrix(rows, found[0], parts), found[1] + row[1:], parts + types[1:])
    used = {h[0] for r in rows if (h := _head(r[0])) is not None}
    if heads is not None and set(heads) <= used:
        return any(
            _row_useful(budget, _matrix(rows, head, parts), tuple(PWild(p) for p in parts) + row[1:], parts + types[1:])
            for head, (_, parts) in heads.items()
        )
    return _row_useful(budget, [r[1:] for r in rows if isinstance(r[0], PWild | PBind)], row[1:], types[1:])
