"""Which configs and endpoints a kernel reads, itself or through helpers: they become implicit inputs."""

from collections.abc import Iterator

from attrs import fields_dict, frozen, has
from dandc.compiler.check.symbols import World
from dandc.compiler.typed import TCall, TConfig, TEndpoint, TFnRef, TKernel


@frozen
class Captures:
    """Qualified names, sorted: the order of the implicit inputs is configs first, then endpoints."""

    configs: tuple[str, ...]
    endpoints: tuple[str, ...]


def captures(world: World, kernel: TKernel) -> Captures:
    """What `kernel` reads beside its parameters."""
    configs: set[str] = set()
    endpoints: set[str] = set()
    todo: list[object] = [kernel.body]
    seen: set[str] = set()
    while todo:
        for node in walk(todo.pop()):
            if isinstance(node, TConfig):
                configs.add(node.name)
            elif isinstance(node, TEndpoint):
                endpoints.add(node.name)
            elif isinstance(node, TCall | TFnRef) and node.fn not in seen:
                seen.add(node.fn)
                todo.append(world.typed_fn(node.fn).body or ())
    return Captures(tuple(sorted(configs)), tuple(sorted(endpoints)))


def walk(value: object) -> Iterator[object]:
    """`value` and all typed nodes inside it."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(node)
        elif type(node).__module__ == TCall.__module__ and has(type(node)):
            yield node
            stack.extend(getattr(node, name) for name in fields_dict(type(node)))
