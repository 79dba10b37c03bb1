"""Questions about a program as a whole, and the proof that one from outside is put together as it must be.

A compiler's output needs no check; a bundle is bytes from somewhere, and the machine indexes by its numbers.
"""

from collections.abc import Iterator

from dandc.compiler.flow import (
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    ConfigSource,
    EndpointSource,
    FlowNode,
    Graph,
    InputSource,
    KernelImage,
    NodeSource,
    Program,
    Source,
)

_SHARDS = ("one", "all", "each", "keyed")
_ON_FAILURE = ("fail", "skip", "value", "collect")
_CARDS = ("one", "optional", "many")
_KINDS = ("one", "optional", "set")


def reachable_graphs(program: Program, name: str) -> list[Graph]:
    """The graph `name` and every graph that it runs, each once."""
    found: dict[str, Graph] = {}
    todo = [name]
    while todo:
        graph = program.graphs[todo.pop()]
        if graph.name in found:
            continue
        found[graph.name] = graph
        todo.extend(node.graph for node in graph.nodes if isinstance(node, CompositionNode))
    return list(found.values())


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
    for number, node in enumerate(graph.nodes):
        where = f"node `{node.name}` of `{graph.name}`"
        ports = _ports(program, node)
        if ports is None:
            yield f"{where} calls what the program does not have"
            continue
        if (len(node.args), len(node.outputs)) != ports:
            yield f"{where} has {len(node.args)} arguments and {len(node.outputs)} outputs, {ports} are due"
        if sum(arg.shard in ("each", "keyed") for arg in node.args) > 1:
            yield f"{where} shards several arguments"
        if any(arg.shard not in _SHARDS for arg in node.args) or node.policies.on_failure not in _ON_FAILURE:
            yield f"{where} has a policy or sharding of no known kind"
        if node.policies.retry and not isinstance(node, CommunicationNode):
            yield f"{where} retries what is no communication"
        if node.policies.on_failure == "value" and len(node.outputs) != 1:
            yield f"{where} gives failures as values of several outputs"
        if any(flow.card not in _CARDS for flow in node.outputs):
            yield f"{where} has an output of no known cardinality"
        for arg in node.args:
            if not _known(program, graph, arg.source, number):
                yield f"{where} reads what is not there before it"
    for output in graph.outputs:
        if not _known(program, graph, output.source, len(graph.nodes)):
            yield f"output `{output.name}` of `{graph.name}` comes from nowhere"


def _ports(program: Program, node: FlowNode) -> tuple[int, int] | None:
    """How many parameters and outputs the called thing has."""
    match node:
        case ComputeNode():
            kernel = program.kernels.get(node.kernel)
            return None if kernel is None else (len(kernel.params), len(kernel.outputs))
        case CommunicationNode():
            return len(node.params), len(node.declared)
        case CompositionNode():
            graph = program.graphs.get(node.graph)
            return None if graph is None else (len(graph.inputs), len(graph.outputs))


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
    return [node.graph for node in graph.nodes if isinstance(node, CompositionNode)]
