"""The flow graph: what the virtual machine runs. Plain values without behaviour.

A graph is a list of nodes in an order in which every node comes after its producers. Sets are named by where
they come from (`Source`). Types are checked: the machine never asks whether a program makes sense, only whether
bytes from outside do.
"""

from attrs import field

from dandc.compiler.types import Type, TypeDef
from dandc.lang.spans import Span
from dandc.lang.values import frozen


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


@frozen(slots=True)
class KeySource:
    """The key of each instance as an item of its own: what a parameter declared `key K` gets."""


Source = InputSource | NodeSource | ConstSource | ConfigSource | EndpointSource | EmptySource | KeySource


@frozen(slots=True)
class GraphPort:
    """A named, typed input or output of a graph."""

    name: str
    type: FlowType


@frozen(slots=True)
class ArgBinding:
    """What a parameter of a node gets: `shard` is `one` (bare), `all`, `each`, `keyed`, `anyEach`, `anyKeyed` or `key`.

    `empty` says what becomes of the call if the set has no items: `skip` skips it, as if one needed item were absent; `keep`
    lets a sharded set that meets others only by `cross` count as one shard without items; else there is no instance.
    `key` goes with `KeySource` alone. `one` on a source of cardinality `optional` skips the node when nothing is there, unless `optional` (the parameter
    is declared `optional T` and takes nothing as nothing).
    """

    source: Source
    shard: str
    optional: bool
    empty: str = ""


@frozen(slots=True)
class Join:
    """How the sharded arguments of a call meet. `params` are parameter numbers in the order of the chain.

    `strategies[i]` joins what stands left of it with parameter `params[i + 1]`: `inner`, `left`, `right`, `full`, `anti`
    (by key, the key types are equal) or `cross` (every pair). Every sharded argument of the call is in `params`.
    """

    params: tuple[int, ...]
    strategies: tuple[str, ...]


@frozen(slots=True)
class Tolerance:
    """How many failed instances `collect` takes: at most `count`, or `percent` of all instances when that is not 0."""

    count: int = 0
    percent: int = 0


@frozen(slots=True)
class Policies:
    """Policies of a call. `retry_on` empty: what is safe. A number that is 0: the default, or no bound.

    `on_failure` is `fail`, `skip`, `value` (the node's only output then carries `result[T, Failure]`) or `collect`
    (read as output -1 of the node), which `tolerance` may bound. `timeout_ms` is about one attempt of one
    instance, `within_ms` about one run of a whole composition or loop. `memory` and `output` are bytes, `time_ms`
    the CPU and wall time of an instance of a kernel. `concurrency` bounds the instances in flight. `cache_ms` is the age up
    to which the answer of an earlier run may be taken. `once` is one item of type str that names an effect.
    """

    retry: int = 0
    retry_on: tuple[str, ...] = ()
    timeout_ms: int = 0
    on_failure: str = "fail"
    tolerance: Tolerance | None = None
    within_ms: int = 0
    memory: int = 0
    time_ms: int = 0
    output: int = 0
    concurrency: int = 0
    cache_ms: int = 0
    once: Source | None = None


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
    """A call of a pure kernel. `kernel` is a key of `Program.kernels`; one binding a parameter, in order.

    Of every call: `join` is there when several arguments are sharded; `key` is the type of the key that outputs inherit (of
    a `cross` the tuple of all keys, flat, in the order of the chain); `after` are nodes that must have ended before.
    """

    name: str
    kernel: str
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span
    join: Join | None = None
    key: Type | None = None
    after: tuple[int, ...] = ()


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
    join: Join | None = None
    key: Type | None = None
    after: tuple[int, ...] = ()


@frozen(slots=True)
class CompositionNode:
    """A call of a composition that must run as a graph of its own: `graph` is a key of `Program.graphs`."""

    name: str
    graph: str
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span
    join: Join | None = None
    key: Type | None = None
    after: tuple[int, ...] = ()


@frozen(slots=True)
class ReduceNode:
    """Folds items with a kernel of two items that gives one, in the tree that the order of the items fixes.

    `args[0]` is the folded set: `all` (one result, none for an empty set) or `keyed` (one a key). The kernel's first two
    parameters take two neighbours, the left one first; `args[1:]` are bare and bind the other ones. Level by level,
    items 2i and 2i+1 become item i, and an odd last one goes up as it is.
    """

    name: str
    kernel: str
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span
    key: Type | None = None
    after: tuple[int, ...] = ()


@frozen(slots=True)
class LoopNode:
    """Runs the graph `graph` again and again, at most `most` turns.

    The graph's inputs are `states` loop variables and then what the body uses from outside; `args` binds them in that
    order, the first ones to the values of the first turn. The graph's outputs are what the body yields (the node's outputs,
    one set each over all turns, in the order of the turns) and then one for each loop variable: its value in the next turn.
    Where one of those is absent, the turn was the last. `wraps[i]`: variable i is `option[T]`, and `next` gives a T.
    """

    name: str
    graph: str
    states: int
    wraps: tuple[bool, ...]
    most: int
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    policies: Policies
    span: Span
    after: tuple[int, ...] = ()


@frozen(slots=True)
class MergeNode:
    """`a ++ b` or `a else b`. One output; `args` are `all` or `one`.

    `kind` is `join` (the items of all, by key and then in the order of the arguments) or `first` (the first argument
    that is not absent).
    """

    name: str
    kind: str
    args: tuple[ArgBinding, ...]
    outputs: tuple[FlowType, ...]
    span: Span
    policies: Policies = Policies()
    after: tuple[int, ...] = ()


FlowNode = ComputeNode | CommunicationNode | CompositionNode | ReduceNode | LoopNode | MergeNode


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
    """A compiled kernel: a static ELF image (`docs/image.md`), its signature, and the span of each trap site.

    `ir` is the hash of what it was compiled from (`identity.kernel_hash`); empty if nobody asks for the program's hash.
    """

    name: str
    params: tuple[ParamDecl, ...]
    outputs: tuple[OutputDecl, ...]
    sites: tuple[Span, ...]
    image: bytes = field(repr=False)
    ir: str = ""


@frozen(slots=True)
class Program:
    """A compiled program, complete: needs neither lark nor llvmlite to run."""

    name: str
    graphs: dict[str, Graph]
    kernels: dict[str, KernelImage]
    configs: tuple[Config, ...]
    endpoints: tuple[Endpoint, ...]
    types: dict[str, TypeDef]
