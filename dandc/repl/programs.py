"""From what an entry runs to programs of the machine: one node for a piece or a function, or a composition's own graph.

Code is generated without optimisation, because a person waits for it; that of named kernels is kept in the cache, that of
entries is not: hardly any comes twice. For the interpreter the same programs are made, with kernel IR beside them.
"""

from collections.abc import Iterable, Mapping

from dandc.cache import Cache
from dandc.compiler.check.captures import Captures
from dandc.compiler.check.flow_calls import implicit_sources
from dandc.compiler.check.flow_state import KernelFacts
from dandc.compiler.check.symbols import KernelDecl, Symbol
from dandc.compiler.check.types import define_type
from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    ComputeNode,
    Config,
    ConfigSource,
    Endpoint,
    EndpointSource,
    FlowNode,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    KernelImage,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Policies,
    Program,
)
from dandc.compiler.flow_walk import called_kernel, reachable
from dandc.compiler.kir import Kernel
from dandc.compiler.kir_walk import walk
from dandc.compiler.lower import lower_kernel
from dandc.compiler.typed import TKernel
from dandc.compiling import Options, fingerprint, image_of
from dandc.lang import Span
from dandc.lang.values import frozen
from dandc.repl.pieces import ENTRY, Piece
from dandc.repl.state import State

_SHARDS = {"set": "all", "one": "one", "key": "one", "optional": "one"}


@frozen
class Runnable:
    """A program, which of its graphs to run, and the kernel IR of its kernels."""

    program: Program
    graph: str
    kernels: Mapping[str, Kernel]


class Maker:
    """Makes programs. `native` says whether with images; `opt` is the level of their code, 0 or 2."""

    def __init__(self, cache: Cache, *, native: bool = True, opt: int = 0) -> None:
        self.native = native
        self.opt = opt
        self._cache = cache
        self._version = fingerprint() if cache.folder is not None else ""

    def piece(self, state: State, piece: Piece) -> Runnable:
        """The program of a pure piece: its parameters are inputs `p0`, `p1`, ..., its outputs `v0`, `v1`, ..."""
        kernel = lower_piece(state, piece)
        image = self._image(kernel, Cache(None))
        flows = [FlowType("one", None, p.item) for p in piece.kernel.params]
        args = [ArgBinding(InputSource(i), "one", optional=False) for i in range(len(flows))]
        outputs = tuple(FlowType("one", None, o.item) for o in kernel.outputs)
        args += _implicit(state, piece.captures)
        node = ComputeNode(ENTRY, ENTRY, tuple(args), outputs, Policies(), piece.kernel.span)
        inputs = tuple(GraphPort(p.name, flow) for p, flow in zip(piece.kernel.params, flows, strict=True))
        given = tuple(
            GraphOutput(o.name, f, NodeSource(0, i))
            for i, (o, f) in enumerate(zip(kernel.outputs, outputs, strict=True))
        )
        graph = Graph(ENTRY, inputs, given, (node,))
        configs, endpoints = _reached(state, (piece.captures,))
        program = Program(ENTRY, {ENTRY: graph}, {ENTRY: image}, configs, endpoints, dict(kernel.types))
        return Runnable(program, ENTRY, {ENTRY: kernel})

    def call(self, state: State, symbol: Symbol, span: Span) -> Runnable:
        """The program that runs a composition, or one function with its own parameters as inputs."""
        checked = state.checked
        graphs = (
            dict(checked.graphs) if symbol.kind == "composition" else {symbol.name: call_graph(state, symbol, span)}
        )
        graphs = {g.name: g for g in reachable(graphs, symbol.name)}
        called = {called_kernel(node) for g in graphs.values() for node in g.nodes}
        kernels = {name: lower_named(state, name) for name in sorted(filter(None, called))}
        images = {name: self._image(kernel, self._cache) for name, kernel in kernels.items()}
        configs, endpoints = _reached(state, (checked.facts[name].captures for name in kernels))
        types = dict(state.world.table)
        return Runnable(Program(ENTRY, graphs, images, configs, endpoints, types), symbol.name, kernels)

    def _image(self, kernel: Kernel, cache: Cache) -> KernelImage:
        if self.native:
            return image_of(kernel, cache, Options(opt=self.opt), self._version)
        sites = tuple(dict.fromkeys(i.site for function in kernel.functions for i in walk(function.body)))
        return KernelImage(kernel.name, kernel.params, kernel.outputs, sites, b"")


def lower_piece(state: State, piece: Piece) -> Kernel:
    """The kernel IR of a piece."""
    return lower_kernel(state.world, piece.kernel, piece.captures, state.checked.root)


def lower_named(state: State, name: str) -> Kernel:
    """The kernel IR of a `function`."""
    kernel: TKernel = state.checked.kernels[name]
    facts: KernelFacts = state.checked.facts[name]
    return lower_kernel(state.world, kernel, facts.captures, state.checked.root)


def _implicit(state: State, captured: Captures) -> list[ArgBinding]:
    sources = implicit_sources(state.world, captured, state.checked.root)
    return [ArgBinding(source, "one", optional=False) for source in sources]


def _reached(state: State, captured: Iterable[Captures]) -> tuple[tuple[Config, ...], tuple[Endpoint, ...]]:
    """The configs and endpoints that kernels read; drivers may reach every endpoint."""
    checked = state.checked
    used = {
        source.name
        for captures in captured
        for source in implicit_sources(state.world, captures, checked.root)
        if isinstance(source, ConfigSource | EndpointSource)
    }
    used |= {e.base.name for e in checked.endpoints if isinstance(e.base, ConfigSource)}
    return tuple(c for c in checked.configs if c.name in used), checked.endpoints


def call_graph(state: State, symbol: Symbol, span: Span) -> Graph:
    """A graph that calls one function or communication function."""
    decl = state.world.kernels[symbol.name]
    _define(state, decl)
    args = [
        ArgBinding(InputSource(i), _SHARDS[p.kind], optional=p.kind == "optional") for i, p in enumerate(decl.params)
    ]
    inputs = tuple(GraphPort(p.name, p.flow) for p in decl.params)
    outputs = tuple(GraphOutput(p.name, p.flow, NodeSource(0, i)) for i, p in enumerate(decl.outputs))
    return Graph(symbol.name, inputs, outputs, (_node(state, symbol, decl, args, span),))


def _node(state: State, symbol: Symbol, decl: KernelDecl, args: list[ArgBinding], span: Span) -> FlowNode:
    module, operation = symbol.name.rsplit(".", 1)
    flows = tuple(p.flow for p in decl.outputs)
    if symbol.kind == "communication":
        params = tuple(ParamDecl(p.name, p.kind, p.key, p.item) for p in decl.params)
        declared = tuple(OutputDecl(p.name, p.kind, p.key, p.item) for p in decl.outputs)
        name = f"{module}.{operation}"
        return CommunicationNode(name, module, operation, params, declared, tuple(args), flows, Policies(), span)
    args += _implicit(state, state.checked.facts[decl.name].captures)
    return ComputeNode(operation, decl.name, tuple(args), flows, Policies(), span)


def _define(state: State, decl: KernelDecl) -> None:
    for port in (*decl.params, *decl.outputs):
        for t in (port.key, port.item):
            if t is not None:
                define_type(state.world, t, state.world.table)
