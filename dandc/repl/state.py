"""What a session knows: what was declared, as checked, and what was bound.

A state is a value: an entry makes a new one or, if it goes wrong, none. The declarations are the root module of a
program whose items stand in different texts, so every check is a whole one (milliseconds) and nothing can be stale. A
declaration replaces the one of its name; what does not fit any more is set aside with its reasons, and comes back
when it fits again. Must never keep a bound value whose type has changed under it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import Factory, evolve, field

from dandc.compiler.check import Checked, World, check
from dandc.compiler.check.infer import parts
from dandc.compiler.check.types import define_type
from dandc.compiler.typed import Local
from dandc.compiler.types import Named, Type, TypeDef
from dandc.lang import Diagnostic, Source, tree
from dandc.lang.values import frozen
from dandc.loader import Loaded, load_items

# What a declaration replaces: a name, or the method of a type.
Key = tuple[str, object]


@frozen
class Declared:
    """An item of the session. `origin` is the text that it stands in."""

    key: Key
    item: tree.Item
    origin: str

    @property
    def name(self) -> str:
        """What it is called."""
        return self.key[0]


@frozen
class Binding:
    """A value under a name, `local` as the checker knows it. `table` are the definitions of its type when it was encoded."""

    local: Local
    encoded: bytes = field(repr=False)
    table: Mapping[str, TypeDef] = field(repr=False)

    @property
    def name(self) -> str:
        """The name."""
        return self.local.name

    @property
    def type(self) -> Type:
        """The type, without anything open."""
        return self.local.type


@frozen
class State:
    """A session at rest. `folder` is where relative imports begin, `cache` the folder of the grammar's tables."""

    folder: Path
    cache: Path | None
    checked: Checked
    declared: tuple[Declared, ...] = ()
    aside: tuple[Declared, ...] = ()
    bindings: Mapping[str, Binding] = Factory(dict)
    sources: Mapping[str, Source] = field(factory=dict, repr=False)

    @property
    def world(self) -> World:
        """All declarations that can be used."""
        return self.checked.world


@frozen
class Change:
    """What a declaration did. `state` is None if it was refused, for the errors among `diagnostics`.

    `aside` and `back` are the names of earlier declarations that do not fit any more, or fit again; `dropped` those of
    values that are gone because their types changed.
    """

    state: State | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, Source]
    aside: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def empty(folder: Path, cache: Path | None) -> State:
    """A session in which nothing is declared but the prelude."""
    loaded = load_items((), folder, grammar_cache=cache)
    return State(folder, cache, check(loaded.modules, loaded.root), sources=loaded.sources)


def declarations(items: Sequence[tree.Item], source: Source) -> tuple[Declared, ...]:
    """What `items` of `source` declare."""
    return tuple(Declared(_key(item), item, source.file) for item in items)


def declare(state: State, items: Sequence[tree.Item], source: Source) -> Change:
    """Declare `items`, which stand in `source`. Those that stood in a text of that name before are forgotten."""
    new = declarations(items, source)
    taken = {d.key for d in new}
    old = [d for d in (*state.declared, *state.aside) if d.key not in taken and d.origin != source.file]
    was_aside = {d.key for d in state.aside}
    sources = {**state.sources, source.file: source}
    aside: list[Declared] = []
    reasons: list[Diagnostic] = []
    while True:
        loaded, checked = _check(state, (*old, *new))
        sources |= loaded.sources
        found = (*loaded.diagnostics, *checked.diagnostics)
        errors = [d for d in found if d.severity == "error"]
        culprits = _culprits(old, new, errors)
        if not errors:
            break
        if not culprits:
            return Change(None, _told_now(found, state.aside), sources)
        known_aside = [d for d in culprits if d.key not in was_aside]
        reasons += [evolve(e, severity="warning") for e in errors if any(_holds(d, e) for d in known_aside)]
        aside += culprits
        old = [d for d in old if d not in culprits]
    draft = evolve(state, checked=checked, declared=(*old, *new), aside=tuple(aside), sources=sources)
    return _changed(draft, taken, was_aside, tuple(reasons))


def _told_now(found: Sequence[Diagnostic], aside: Sequence[Declared]) -> tuple[Diagnostic, ...]:
    """What is new among `found`: why something was set aside has been told when it was."""
    return tuple(d for d in found if not any(_holds(known, d) for known in aside)) or tuple(found)


def _check(state: State, declared: Sequence[Declared]) -> tuple[Loaded, Checked]:
    loaded = load_items(tuple(d.item for d in declared), state.folder, grammar_cache=state.cache)
    return loaded, check(loaded.modules, loaded.root, loaded.diagnostics)


def _culprits(old: Sequence[Declared], new: Sequence[Declared], errors: Sequence[Diagnostic]) -> list[Declared]:
    """The earlier declarations in which errors lie; none if what is new has one of its own."""
    if any(_holds(d, e) for d in new for e in errors):
        return []
    inside = [d for d in old if any(_holds(d, e) for e in errors)]
    # A file that was imported has changed under us: whatever imports a file is under suspicion.
    return inside or [d for d in old if isinstance(d.item, tree.ImportItem) and d.item.relative and errors]


def _holds(declared: Declared, diagnostic: Diagnostic) -> bool:
    place, whole = diagnostic.span, declared.item.span
    if diagnostic.code == "T0350" and diagnostic.label == "traps here" and diagnostic.secondary:
        place = diagnostic.secondary[-1].span  # not the helper is wrong that traps, but the constant that calls it so
    return place is not None and place.file == whole.file and whole.start <= place.start <= whole.end


def _changed(state: State, taken: set[Key], was_aside: set[Key], reasons: tuple[Diagnostic, ...]) -> Change:
    """The change to `state`, which is right but for values that do not belong to it any more."""
    names = {d.name for d in state.declared if d.key in taken}
    left = {n: b for n, b in state.bindings.items() if n not in names}
    kept = {n: b for n, b in left.items() if _same(state.world, b)}
    return Change(
        evolve(state, bindings=kept),
        (*reasons, *state.checked.diagnostics),
        state.sources,
        tuple(d.name for d in state.aside if d.key not in was_aside),
        tuple(d.name for d in state.declared if d.key in was_aside and d.key not in taken),
        tuple(n for n in left if n not in kept),
    )


def _key(item: tree.Item) -> Key:
    match item:
        case tree.ImportItem(alias=alias, path=path):
            return (alias.text if alias else path.rsplit("/", 1)[-1].removesuffix(".dnd"), None)
        case tree.DefaultItem(target=target):
            return (f"default {target.text}", None)
        case tree.FnItem(name=name, params=(first, *_)) if first.name.text == "self":
            head = first.type.path if isinstance(first.type, tree.NamedType) else first.type
            return (name.text, head)
    named: object = getattr(item, "name", None)
    return (named.text if isinstance(named, tree.Name) else "", None)


# Values.


def definitions(world: World, t: Type) -> dict[str, TypeDef]:
    """The definitions of all nominal types in `t`."""
    table: dict[str, TypeDef] = {}
    define_type(world, t, table)
    return table


def _same(world: World, binding: Binding) -> bool:
    """Whether the type of a bound value means what it meant."""
    known = all(name in world.types for name in _names(binding.type))
    return known and definitions(world, binding.type) == dict(binding.table)


def _names(t: Type) -> Iterator[str]:
    if isinstance(t, Named):
        yield t.name
    for part in parts(t):
        yield from _names(part)


def relocated(items: Sequence[tree.Item], folder: Path, base: Path) -> tuple[tree.Item, ...]:
    """`items` of a file in `folder`, for a session whose imports begin at `base`; its tests are left out."""

    def moved(item: tree.Item) -> tree.Item:
        if not (isinstance(item, tree.ImportItem) and item.relative):
            return item
        name = item.alias or tree.Name(item.span, item.path.rsplit("/", 1)[-1].removesuffix(".dnd"))
        return evolve(item, path=os.path.relpath(folder / item.path, base), alias=name)

    return tuple(moved(item) for item in items if not isinstance(item, tree.TestItem))
