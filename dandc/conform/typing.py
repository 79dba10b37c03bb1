"""The type that the checker found for a name in a checked program."""

from typing import cast

from attrs import AttrsInstance, fields_dict, has

from dandc.compiler.check import Checked
from dandc.compiler.check.constants import settle
from dandc.compiler.typed import Local, TFn, TKernel
from dandc.compiler.types import Fn, Type


def type_of(checked: Checked, name: str) -> Type | None:
    """The type of `f` (an `fn` or a constant of the root module) or of the local `f.x`; None if there is none."""
    owner, _, local = name.partition(".")
    body: TFn | TKernel | None = checked.world.checked_fns.get(f"{checked.root}.{owner}")
    if body is None:
        body = checked.world.checked_kernels.get(f"{checked.root}.{owner}")
    if body is None:
        return None
    if local:
        found = next((found for found in _locals(body) if found.name == local), None)
        return None if found is None else settle(found.type, body.solutions)
    if isinstance(body, TKernel):
        return None
    params = tuple(p.local.type for p in body.params)
    return Fn(params, body.result) if params else body.result


def _locals(body: TFn | TKernel) -> list[Local]:
    """All locals that occur in a body, each once, in no promised order."""
    found: dict[int, Local] = {}
    stack: list[object] = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, Local):
            found[id(node)] = node
        elif isinstance(node, tuple | list):
            stack.extend(node)
        elif type(node).__module__ == TFn.__module__ and has(type(node)):
            stack.extend(getattr(node, attribute) for attribute in fields_dict(cast("type[AttrsInstance]", type(node))))
    return list(found.values())
