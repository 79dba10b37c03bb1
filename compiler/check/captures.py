"""Which configs and endpoints a kernel reads, itself or through helpers: they become implicit inputs."""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from types import NoneType
from typing import Any, get_args

from attrs import fields, has

from dandc.compiler.check.symbols import World
from dandc.compiler.typed import TCall, TConfig, TEndpoint, TFnRef, TKernel
from dandc.compiler.types import Type, TypeVar
from dandc.lang.spans import Span
from dandc.lang.values import frozen

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
    stack, known = [value], _PARTS
    while stack:
        node = stack.pop()
        kind: Any = type(node)
        if kind is tuple:
            stack.extend(node)  # type: ignore[arg-type]
            continue
        if kind not in known:
            known[kind] = _parts(kind)
        parts = known[kind]
        if parts is not None:
            yield node
            stack.extend(parts(node))


_Parts = Callable[[object], tuple[object, ...]]
# By class; they are as many as `compiler/typed.py` has, and what occurs in their fields.
_PARTS: dict[type, _Parts | None] = {}


def _parts(kind: type) -> _Parts | None:
    """What lies inside nodes of a class; None for what is no typed node. What holds no node is left out."""
    if kind.__module__ != TCall.__module__ or not has(kind):
        return None
    names = [a.name for a in fields(kind) if not _is_plain(a.type)]
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda node: (getattr(node, names[0]),)) if names else lambda node: ()


_PLAIN = (str, int, bool, bytes, NoneType, Span, Type, TypeVar)


def _is_plain(annotation: object) -> bool:
    """Whether values of this annotation hold no typed node."""
    inside = get_args(annotation)
    return all(map(_is_plain, inside)) if inside else annotation in (*_PLAIN, Ellipsis)
