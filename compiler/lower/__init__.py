"""From the checked program to kernel IR: instantiates, lifts lambdas, derives codecs. The front is `lower_kernel`."""

from dandc.compiler import kir
from dandc.compiler.check.bodies import local_type
from dandc.compiler.check.captures import Captures
from dandc.compiler.check.flow_state import config_name
from dandc.compiler.check.symbols import World
from dandc.compiler.flow import OutputDecl, ParamDecl
from dandc.compiler.lower import derive
from dandc.compiler.lower.builder import Builder
from dandc.compiler.lower.context import Context
from dandc.compiler.lower.functions import Lowering, build_instance, implicit_type
from dandc.compiler.lower.statements import lower_body
from dandc.compiler.typed import TFn, TKernel
from dandc.compiler.types import SetRef
from dandc.lang.recursion import room_for_recursion
from dandc.lang.spans import Span

__all__ = ["lower_constant", "lower_kernel"]


def lower_kernel(world: World, kernel: TKernel, captures: Captures, root: str) -> kir.Kernel:
    """The kernel and every function that it reaches, monomorphic.

    Implicit inputs (configs, then endpoints) follow the declared parameters as parameters of kind `one`.
    """
    with room_for_recursion():
        return _lower_kernel(world, kernel, captures, root)


def lower_constant(world: World, typed: TFn) -> kir.Kernel:
    """`typed` (a constant: no parameters, reads no config) as the first of the functions that it reaches, to be evaluated."""
    with room_for_recursion():
        context = Context(world)
        context.request(typed.name, lambda: build_instance(context, typed, typed.name, typed.name, (), ()))
        context.drain()
        functions = tuple(f for f in context.functions.values() if f is not None)
        return kir.Kernel(typed.name, (), (), functions, context.table, tuple(context.constants.values()))


def _restored(low: Lowering, slot: int, site: Span) -> int:
    """The parameter with what encodings of maps leave out, before anything else sees it."""
    t = low.b.locals[slot].type
    if isinstance(t, SetRef) or not derive.holds_map(low.context, t):
        return slot
    low.b.site = site
    shared = low.b.load(kir.Place(slot), t, "share")
    return low.materialise(derive.change_maps(low, shared, "restore_map", "trap.input"))


def _lower_kernel(world: World, kernel: TKernel, captures: Captures, root: str) -> kir.Kernel:
    context = Context(world)
    b = Builder(kernel.name, kernel.span)
    low = Lowering(context, b, {}, kernel.solutions, kernel=True, base=kernel.name)
    params = [
        ParamDecl(p.name, p.kind, p.key and context.concrete(p.key), context.concrete(p.item)) for p in kernel.params
    ]
    for port, local in zip(kernel.params, kernel.locals, strict=True):
        low.slots[id(local)] = b.param(port.name, context.concrete(local_type(port)))
    implicit = [("config", c) for c in captures.configs] + [("endpoint", e) for e in captures.endpoints]
    for i in implicit:
        t = implicit_type(context, i)
        params.append(ParamDecl(f"{i[0]} {config_name(world, root, i[1])}", "one", None, t))
        low.implicit[i] = b.param(i[1], t)
    for output in kernel.outputs:
        context.concrete(output.item)
    for port, local in zip(kernel.params, kernel.locals, strict=True):
        low.slots[id(local)] = _restored(low, low.slot(local), port.span)
    for i in implicit:
        low.implicit[i] = _restored(low, low.implicit[i], kernel.span)
    lower_body(low, kernel.body)
    b.return_()
    context.drain()
    outputs = tuple(OutputDecl(o.name, o.kind, o.key, o.item) for o in kernel.outputs)
    functions = tuple(f for f in context.functions.values() if f is not None)
    return kir.Kernel(
        kernel.name, tuple(params), outputs, (b.finish(), *functions), context.table, tuple(context.constants.values())
    )
