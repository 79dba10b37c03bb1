"""Pass `fold`: calls of pure functions with constant arguments become constants.

The reference interpreter runs them, for a bounded number of steps. A call that would fail, that notes something, that gives a set,
a key or a name, or whose value would be large stays as it is. Configs are no constants: each run may set them.
"""

from typing import Any

from attrs import evolve

from dandc.compiler.encoding import EncodingError, Variant, decode, encode
from dandc.compiler.flow import (
    ArgBinding,
    ComputeNode,
    ConstSource,
    EmptySource,
    Graph,
    NodeSource,
    ParamDecl,
    Policies,
    Source,
)
from dandc.compiler.graph_passes.plan import Plan, without
from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.kir import Kernel

name = "fold"

# About 50 ms of interpreting: what takes longer is worth a sandbox.
_STEPS = 50_000
_LARGEST = 64 << 10


def run(plan: Plan) -> Plan:
    """The graphs without calls that can be done now."""
    return plan.changed(lambda graph: _run(plan, graph))


def _run(plan: Plan, graph: Graph) -> Graph:
    known: dict[NodeSource, Source] = {}
    removed: dict[int, int | None] = {}
    for number, node in enumerate(graph.nodes):
        if not isinstance(node, ComputeNode):
            continue
        args = tuple(
            evolve(arg, source=known.get(arg.source, arg.source)) if isinstance(arg.source, NodeSource) else arg
            for arg in node.args
        )
        values = _folded(plan, evolve(node, args=args))
        if values is not None:
            removed[number] = None
            known.update({NodeSource(number, i): value for i, value in enumerate(values)})
    return without(graph, removed, known) if removed else graph


def _folded(plan: Plan, node: ComputeNode) -> list[Source] | None:
    """What the outputs of a call always are, or None."""
    kernel = plan.kernels[node.kernel]
    plain = (
        node.policies == Policies() and not node.after and node.outputs and all(o.kind != "set" for o in kernel.outputs)
    )
    if not plain or not all(map(_is_constant, node.args)) or not plan.is_silent(node):
        return None
    if any(_skips(arg, param) for arg, param in zip(node.args, kernel.params, strict=True)):
        return [EmptySource()] * len(node.outputs)
    try:
        arguments = [_argument(arg, p, kernel) for arg, p in zip(node.args, kernel.params, strict=True)]
        (result,) = run_kernel(kernel, [arguments], _STEPS)
        return _sources(kernel, result) if result.state == "ok" else None
    except EncodingError:
        return None


def _is_constant(arg: ArgBinding) -> bool:
    return isinstance(arg.source, ConstSource | EmptySource) and arg.shard in ("one", "all")


def _skips(arg: ArgBinding, param: ParamDecl) -> bool:
    return isinstance(arg.source, EmptySource) and param.kind == "one"


def _argument(arg: ArgBinding, param: ParamDecl, kernel: Kernel) -> Any:
    """The neutral argument of the interpreter."""
    values = [decode(param.item, arg.source.value, kernel.types)] if isinstance(arg.source, ConstSource) else []
    if param.kind == "set":
        return [(None, "", value) for value in values]
    if param.kind == "optional":
        return Variant(1, (values[0],)) if values else Variant(0)
    return values[0]


def _sources(kernel: Kernel, result: InstanceResult) -> list[Source] | None:
    found: list[Source] = [EmptySource()] * len(kernel.outputs)
    for emission in result.emissions:
        if emission.key is not None or emission.name:
            return None
        value = encode(kernel.outputs[emission.output].item, emission.value, kernel.types)
        if len(value) > _LARGEST:
            return None
        found[emission.output] = ConstSource(value)
    return found
