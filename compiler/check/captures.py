"""Which configs and endpoints a kernel reads, itself or through helpers: they become implicit inputs."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any

from attrs import fields, frozen, has

from dandc.compiler.check.symbols import World
from dandc.compiler.typed import TCall, TConfig, TEndpoint, TFnRef, TKernel

Implicit = tuple[str, str]  # ("config" | "endpoint", qualified name)


@frozen
class Captures:
    """Qualified names, sorted: the order of the implicit inputs is configs first, then endpoints."""

    configs: tuple[str, ...]
    endpoints: tuple[str, ...]


def captures(world: World, kernel: TKernel) -> Captures:
    """What `kernel` reads beside its parameters."""
    found, called = reads(kernel.body)
    found = found | reads_through(world, called)
    by_kind = {kind: tuple(sorted(n for k, n in found if k == kind)) for kind in ("config", "endpoint")}
    return Captures(by_kind["config"], by_kind["endpoint"])


def reads(body: object) -> tuple[frozenset[Implicit], frozenset[str]]:
    """Configs and endpoints that occur in `body`, and the helpers that it calls."""
    found: set[Implicit] = set()
    called: set[str] = set()
    for node in walk(body):
        match node:
            case TConfig(name=name):
                found.add(("config", name))
            case TEndpoint(name=name):
                found.add(("endpoint", name))
            case TCall(fn=fn) | TFnRef(fn=fn):
                called.add(fn)
    return frozenset(found), frozenset(called)


def reads_through(world: World, called: Iterable[str]) -> frozenset[Implicit]:
    """What helpers read of configs and endpoints, themselves or through others."""
    found: set[Implicit] = set()
    todo = list(called)
    seen = set(todo)
    while todo:
        name = todo.pop()
        if name not in world.reads:
            world.reads[name] = reads(world.typed_fn(name).body or ())
        direct, others = world.reads[name]
        found |= direct
        todo += others - seen
        seen |= others
    return frozenset(found)


def walk(value: object) -> Iterator[object]:
    """`value` and all typed nodes inside it."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(node)
            continue
        kind: Any = type(node)
        parts = _parts(kind)
        if parts is not None:
            yield node
            stack.extend(parts(node))


@cache
def _parts(kind: type) -> Callable[[object], tuple[object, ...]] | None:
    """What lies inside nodes of a class; None for what is no typed node. Types and spans are left out."""
    if kind.__module__ != TCall.__module__ or not has(kind):
        return None
    names = [a.name for a in fields(kind) if a.name not in ("type", "span", "site")]
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda node: (getattr(node, names[0]),)) if names else lambda node: ()
