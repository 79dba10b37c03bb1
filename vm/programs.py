"""The proof that a program from outside is put together as it must be.

A compiler's output needs no check; a bundle is bytes from somewhere, and the machine indexes by its numbers.
"""

from collections.abc import Iterator, Sequence

from dandc.compiler.flow import (
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    ConfigSource,
    EndpointSource,
    FlowNode,
    Graph,
    InputSource,
    Join,
    KernelImage,
    KeySource,
    LoopNode,
    MergeNode,
    NodeSource,
    Policies,
    Program,
    ReduceNode,
    Source,
    Tolerance,
)
from dandc.compiler.flow_walk import SHARDED, called_graph, called_kernel, output_names, parameter_names, sources
from dandc.compiler.types import Option
from dandc.vm.keytypes import KeyTypes, key_mistakes

# Beyond this a number of milliseconds or bytes is no number any more.
_MOST_NUMBER = 1 << 53
_SHARDS = ("one", "all", "key", *SHARDED)
_EMPTY = ("", "skip", "keep")
_STRATEGIES = {"inner", "left", "right", "full", "anti", "cross"}
_ON_FAILURE = ("fail", "skip", "value", "collect")
_CARDS = ("one", "optional", "many")
_KINDS = ("one", "optional", "set")


def structure_mistakes(program: Program) -> list[str]:
    """What is wrong with how the parts of a program refer to each other; empty for a sound one."""
    mistakes = [mistake for graph in program.graphs.values() for mistake in _graph_mistakes(program, graph)]
    named: list[tuple[str, Graph | KernelImage]] = [*program.graphs.items(), *program.kernels.items()]
    mistakes += [f"`{name}` is called `{part.name}` in itself" for name, part in named if name != part.name]
    for name, kernel in program.kernels.items():
        kinds = [param.kind for param in kernel.params] + [output.kind for output in kernel.outputs]
        if not set(kinds) <= set(_KINDS):
            mistakes.append(f"kernel `{name}` has a port of no known kind")
    return mistakes or _cycles(program)


def _graph_mistakes(program: Program, graph: Graph) -> Iterator[str]:
    keys = KeyTypes(graph)
    for number, node in enumerate(graph.nodes):
        where = f"node `{node.name}` of `{graph.name}`"
        ports = _ports(program, node)
        if ports is None:
            yield f"{where} calls what the program does not have"
            continue
        if (len(node.args), len(node.outputs)) != ports:
            yield f"{where} has {len(node.args)} arguments and {len(node.outputs)} outputs, {ports} are due"
        shape = [*_argument_mistakes(node), *_policy_mistakes(node)]
        yield from (f"{where} {mistake}" for mistake in shape)
        if any(flow.card not in _CARDS for flow in node.outputs):
            yield f"{where} has an output of no known cardinality"
        if not all(_known(program, graph, source, number) for source in sources(node)):
            yield f"{where} reads what is not there before it"
        if not all(0 <= before < number for before in node.after):
            yield f"{where} waits for what is not there before it"
        if shape or not all(_known(program, graph, source, number) for source in sources(node)):
            # What keys the instances have is asked of sound nodes only, and later nodes may ask for it.
            return
        yield from (f"{where} {mistake}" for mistake in key_mistakes(program, node, keys))
    for output in graph.outputs:
        if not _known(program, graph, output.source, len(graph.nodes)):
            yield f"output `{output.name}` of `{graph.name}` comes from nowhere"


def _argument_mistakes(node: FlowNode) -> Iterator[str]:
    """How the arguments of a node are sharded, and whether all that are sharded meet."""
    if any(arg.shard not in _SHARDS or (arg.shard == "key") != (arg.source == KeySource()) for arg in node.args):
        yield "has a sharding of no known kind"
    if any(arg.empty not in _EMPTY for arg in node.args):
        yield "does something of no known kind when a set is empty"
    sharded = [i for i, arg in enumerate(node.args) if arg.shard in SHARDED]
    join = getattr(node, "join", None)
    if isinstance(node, ReduceNode | LoopNode | MergeNode):
        folded = 1 if isinstance(node, ReduceNode) and sharded == [0] and node.args[0].shard == "keyed" else 0
        if len(sharded) != folded:
            yield "shards what it cannot"
        if isinstance(node, ReduceNode) and node.args and node.args[0].shard not in ("all", "keyed"):
            yield "folds what is no set"
        if not isinstance(node, ReduceNode) and any(arg.shard == "key" for arg in node.args):
            yield "hands on a key where there is none"
    elif len(sharded) > 1 and join is None:
        yield "shards several arguments that do not meet"
    if join is not None and (
        sorted(join.params) != sharded
        or len(join.strategies) != len(join.params) - 1
        or not set(join.strategies) <= _STRATEGIES
        or not sharded
    ):
        yield "joins what it does not shard"
    elif join is not None:
        yield from _chain_mistakes(join, [node.args[param].shard for param in join.params])
    if any(arg.shard == "key" for arg in node.args) and getattr(node, "key", None) is None:
        yield "hands on a key where there is none"


def _chain_mistakes(join: Join, shards: Sequence[str]) -> Iterator[str]:
    """By-key strategies where a side has no groups of keys, or where a single item could be missing."""
    for number, strategy in enumerate(join.strategies, 1):
        before = shards[:number]
        if strategy == "cross":
            continue
        if shards[number] not in ("keyed", "anyKeyed") or (number == 1 and shards[0] not in ("keyed", "anyKeyed")):
            yield f"joins `{strategy}` what has no groups of keys"
        loose = [shard.startswith("any") for shard in shards[: number + 1]]
        if any(loose) and (not all(loose) or "cross" in join.strategies[:number]):
            yield "joins groups that the machine chooses with others by key"
        if strategy in ("right", "full") and "each" in before:
            yield f"joins `{strategy}` where an item of `each` would be missing"


def _policy_mistakes(node: FlowNode) -> Iterator[str]:
    policies = node.policies
    if policies.on_failure not in _ON_FAILURE:
        yield "has a policy of no known kind"
    communicates = isinstance(node, CommunicationNode)
    if (policies.retry or policies.cache_ms or policies.once is not None) and not communicates:
        yield "retries, caches or does once what is no communication"
    if policies.on_failure == "value" and len(node.outputs) != 1:
        yield "gives failures as values of several outputs"
    if (policies.memory or policies.time_ms or policies.output) and not isinstance(node, ComputeNode | ReduceNode):
        yield "limits the memory, time or output of what is no kernel"
    if policies.within_ms and not isinstance(node, CompositionNode | LoopNode):
        yield "has a deadline for what runs no graph"
    if policies.timeout_ms and isinstance(node, CompositionNode | LoopNode):
        yield "has a time-out for what has a deadline"
    if isinstance(node, MergeNode) and policies != Policies():
        yield "has policies where nothing is called"
    yield from _number_mistakes(policies)


def _number_mistakes(policies: Policies) -> Iterator[str]:
    tolerance = policies.tolerance or Tolerance()
    numbers = [policies.retry, policies.timeout_ms, policies.within_ms, policies.memory, policies.time_ms]
    numbers += [policies.output, policies.concurrency, policies.cache_ms, tolerance.count, tolerance.percent]
    if min(numbers) < 0 or max(numbers) > _MOST_NUMBER:
        yield "has a policy with a number that nobody can have meant"
    if policies.tolerance is not None and (policies.on_failure != "collect" or tolerance.percent > 100):
        yield "bounds failures that it does not collect"


def _ports(program: Program, node: FlowNode) -> tuple[int, int] | None:
    """How many parameters and outputs the called thing has."""
    kernel, graph = called_kernel(node), called_graph(node)
    if (kernel is not None and kernel not in program.kernels) or (graph is not None and graph not in program.graphs):
        return None
    match node:
        case ReduceNode(kernel=name):
            folded = program.kernels[name]
            items = [(p.kind, p.item) for p in folded.params[:2]] + [(o.kind, o.item) for o in folded.outputs]
            sound = len(items) == 3 and set(items) == {("one", items[0][1])}
            return (len(folded.params) - 1, 1) if sound else None
        case LoopNode(graph=name, states=states, wraps=wraps):
            inner = program.graphs[name]
            sound = 0 < states <= min(len(inner.inputs), len(inner.outputs)) and len(wraps) == states and node.most > 0
            wrapped = (port.type.item for port, wrap in zip(inner.inputs, wraps, strict=False) if wrap)
            sound = sound and all(isinstance(item, Option) for item in wrapped)
            return (len(inner.inputs), len(inner.outputs) - states) if sound else None
        case MergeNode(kind=kind, args=args):
            return (len(args), 1) if kind in ("join", "first") and args else None
    outputs = output_names(program.graphs, program.kernels, node)
    return len(parameter_names(program.graphs, program.kernels, node)), len(outputs)


def _known(program: Program, graph: Graph, source: Source, before: int) -> bool:
    match source:
        case InputSource(index):
            return 0 <= index < len(graph.inputs)
        case NodeSource(node, output):
            return 0 <= node < before and -1 <= output < len(graph.nodes[node].outputs)
        case ConfigSource(name):
            return any(config.name == name for config in program.configs)
        case EndpointSource(name):
            return any(endpoint.name == name for endpoint in program.endpoints)
    return True


def _cycles(program: Program) -> list[str]:
    """Graphs that run themselves, directly or through others: they would never end."""
    state: dict[str, int] = {}
    found: list[str] = []

    def visit(name: str) -> None:
        stack = [(name, iter(_called(program.graphs[name])))]
        state[name] = 1
        while stack:
            current, calls = stack[-1]
            callee = next(calls, None)
            if callee is None:
                state[current] = 2
                stack.pop()
            elif state.get(callee) == 1:
                found.append(f"graph `{callee}` runs itself")
            elif callee not in state:
                state[callee] = 1
                stack.append((callee, iter(_called(program.graphs[callee]))))

    for name in program.graphs:
        if name not in state:
            visit(name)
    return found


def _called(graph: Graph) -> list[str]:
    return [called for node in graph.nodes if (called := called_graph(node)) is not None]
