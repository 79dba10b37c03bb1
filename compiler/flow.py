"""The flow graph: what the virtual machine runs. Plain values without behaviour.

A graph is a list of nodes in an order in which every node comes after its producers. Sets are named by where
they come from (`Source`). Types are checked: the machine never asks whether a program makes sense, only whether
bytes from outside do.
"""

from attrs import field, frozen

from dandc.compiler.types import Type, TypeDef
from dandc.lang.spans import Span


@frozen(slots=True)
class FlowType:
    """Type of a set: cardinality `card` is `one`, `optional` or `many`; `key` is None for keyless sets."""

    card: str
    key: Type | None
    item: Type


@frozen(slots=True)
class InputSource:
    """The graph's input number `index`."""

    index: int


@frozen(slots=True)
class NodeSource:
    """Output number `output` of node number `node`; `output` -1 is the node's collected failures."""

    node: int
    output: int


@frozen(slots=True)
class ConstSource:
    """One item without key and name whose value is the encoded `value`."""

    value: bytes


@frozen(slots=True)
class ConfigSource:
    """One item: the value of the program's config `name` in this run."""

    name: str


@frozen(slots=True)
class EndpointSource:
    """One item of type str: the base URL of the program's endpoint `name` in this run."""

    name: str


@frozen(slots=True)
class EmptySource:
    """No item: what an `optional` parameter gets that a call leaves out."""


Source = InputSource | NodeSource | ConstSource | ConfigSource | EndpointSource | EmptySource


@frozen(slots=True)
class GraphPort:
    """A named, typed input or output of a graph."""

    name: str
    type: FlowType


@frozen(slots=True)
class ArgBinding:
    """What a parameter of a node gets: `shard` is `one` (bare), `all`, `each` or `keyed`.

    `one` on a source of cardinality `optional` skips the node when nothing is there, unless `optional` (the parameter
    is declared `optional T` and takes nothing as nothing).
    """

    source: Source
    shard: str
    optional: bool


@frozen(slots=True)
class Policies:
    """Policies of a call. `retry_on` empty: what is safe. `timeout_ms` 0: the default.

    `on_failure` is `fail`, `skip`, `value` (the node's only output then carries `result[T, Failure]`) or `collect`
    (read as output -1 of the node).
    """

    retry: int = 0
    retry_on: tuple[str, ...] = ()
    timeout_ms: int = 0
    on_failure: str = "fail"


@frozen(slots=True)
class OutputDecl:
    """An output of a kernel or communication function as declared: `kind` is `one`, `optional` or `set`."""

    name: str
    kind: str
    key: Type | None
    item: Type


@frozen(slots=True)
class ParamDecl:
    """A parameter of a kernel or communication function as declared: `kind` is `one`, `optional` or `set`."""

    name: str
    kind: str
    key: Type | None
    item: Type


@frozen(slots=True)
class ComputeNode:
    """A call of a pure kernel. `kernel` is a key of `Program.kernels`; one binding a parameter, in order."""

    name: str
    kernel: str
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span


@frozen(slots=True)
class CommunicationNode:
    """A call of a trusted communication function: `module` (`http`) and `operation` (`fetch`)."""

    name: str
    module: str
    operation: str
    params: tuple[ParamDecl, ...]
    declared: tuple[OutputDecl, ...]
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span


@frozen(slots=True)
class CompositionNode:
    """A call of a composition that must run as a graph of its own: `graph` is a key of `Program.graphs`."""

    name: str
    graph: str
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span


FlowNode = ComputeNode | CommunicationNode | CompositionNode


@frozen(slots=True)
class GraphOutput:
    """A declared output and the set that becomes it."""

    name: str
    type: FlowType
    source: Source


@frozen(slots=True)
class Graph:
    """A checked composition."""

    name: str
    inputs: tuple[GraphPort, ...]
    outputs: tuple[GraphOutput, ...]
    nodes: tuple[FlowNode, ...]


@frozen(slots=True)
class Config:
    """A `config` of the program: `default` is the encoded value, or None if the run must give one."""

    name: str
    type: Type
    default: bytes | None
    span: Span


@frozen(slots=True)
class Endpoint:
    """A declared endpoint. `base` is the URL, a `ConfigSource` or a `ConstSource` of type str."""

    name: str
    module: str
    base: Source
    span: Span


@frozen(slots=True)
class KernelImage:
    """A compiled kernel: a static ELF image (`docs/image.md`), its signature, and the span of each trap site."""

    name: str
    params: tuple[ParamDecl, ...]
    outputs: tuple[OutputDecl, ...]
    sites: tuple[Span, ...]
    image: bytes = field(repr=False)


@frozen(slots=True)
class Program:
    """A compiled program, complete: needs neither lark nor llvmlite to run."""

    name: str
    graphs: dict[str, Graph]
    kernels: dict[str, KernelImage]
    configs: tuple[Config, ...]
    endpoints: tuple[Endpoint, ...]
    types: dict[str, TypeDef]
