"""What the modules that check a composition share: the sets of a composition, its nodes, and where messages go.

The modules import one another in one direction: state, values, sharding, policies, calls, folds, loops, flows. What
an expression is worth is decided at the end of that chain, so the state carries the function that knows (`evaluate`).
"""

from collections.abc import Callable
from itertools import chain, islice

from attrs import Factory, define, field

from dandc.compiler.check import report
from dandc.compiler.check.candidates import MAX_PROPOSED
from dandc.compiler.check.captures import Captures
from dandc.compiler.check.symbols import CompositionDecl, World
from dandc.compiler.check.types import define_type
from dandc.compiler.flow import EmptySource, FlowNode, FlowType, Graph, InputSource, NodeSource, Source
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, Named, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Label
from dandc.lang.values import frozen

FAILURE = Named("prelude.Failure")


@frozen
class Value:
    """A set in a composition: its type, where it comes from, and where it was made (for messages)."""

    type: FlowType
    source: Source
    origin: Label | None = None

    @property
    def origins(self) -> tuple[Label, ...]:
        """Where it was made, if that is known."""
        return () if self.origin is None else (self.origin,)


BROKEN = Value(FlowType("one", None, ERROR), EmptySource())


@frozen
class KernelFacts:
    """What a call of a kernel must know of its body."""

    captures: Captures
    unkeyed: frozenset[int]  # outputs with keys that some emission leaves without one


@frozen
class Shared:
    """What a composition and the loops in it have in common; `graphs` are those of the loops."""

    world: World
    decl: CompositionDecl
    facts: dict[str, KernelFacts]
    root: str
    evaluate: "Callable[[Flow, tree.FlowExpr, TPort | None], Value]"
    graphs: list[Graph] = field(factory=list)


@define(eq=False)
class Flow:
    """The state while one composition, or the body of one loop, is checked.

    `makers` has the statement that makes each set, `given` what each `yield` and `next` gives, by its identity. The body of a
    loop sees the sets of `outer`; those that it uses become inputs behind its `states` loop variables (`captured`, by their
    names, in order), `wants` has what each `next` is to be, and `place` is where the loop lies: `loop#2/`.
    """

    shared: Shared
    body: tuple[tree.FlowStatement, ...]
    outer: "Flow | None" = None
    values: dict[str, Value] = Factory(dict)
    makers: dict[str, tree.FlowStatement] = Factory(dict)
    nodes: list[FlowNode] = Factory(list)
    names: dict[str, int] = Factory(dict)
    given: dict[int, Value] = Factory(dict)
    wants: dict[str, TPort] = Factory(dict)
    place: str = ""
    states: int = 0
    captured: dict[str, Value] = Factory(dict)

    @property
    def world(self) -> World:
        """The declarations of the program."""
        return self.shared.world

    def report(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic."""
        self.world.sink.add(diagnostic)

    def evaluate(self, expr: tree.FlowExpr, want: TPort | None = None) -> Value:
        """The set that an expression gives; `BROKEN` after a report."""
        return self.shared.evaluate(self, expr, want)

    def add(self, node: FlowNode) -> int:
        """Keep a node: its number."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def node_name(self, name: str) -> str:
        """A name for a node that no other node of the graph has."""
        self.names[name] = self.names.get(name, 0) + 1
        return name if self.names[name] == 1 else f"{name}#{self.names[name]}"

    def knows(self, name: str) -> bool:
        """Whether `name` is a set here or in what is around."""
        return name in self.values or name in self.makers or (self.outer is not None and self.outer.knows(name))

    def known(self) -> list[str]:
        """The names of sets that can be used here, as many as are compared with what was written."""
        around = self.outer.known() if self.outer is not None else []
        return list(islice(chain(self.values, self.makers, around), MAX_PROPOSED))

    def find(self, name: str) -> Value | None:
        """The set of this name: made here, or taken in from what is around."""
        if name in self.values:
            return self.values[name]
        if name in self.makers:
            return BROKEN  # part of a circle, which has been reported
        outside = self.outer.find(name) if self.outer is not None else None
        if outside is None or not isinstance(outside.source, InputSource | NodeSource):
            return outside
        self.captured[name] = outside
        inside = Value(outside.type, InputSource(self.states + len(self.captured) - 1), outside.origin)
        self.values[name] = inside
        return inside


def define_types(world: World, *types: Type | None) -> None:
    """Note that these types occur in a graph."""
    for t in types:
        if t is not None and t != ERROR:
            define_type(world, t, world.table)


def show(t: FlowType) -> str:
    """The type of a set as a port declares it."""
    item = report.display(t.item)
    if t.card == "many":
        return f"set[{report.display(t.key)} => {item}]" if t.key is not None else f"set[{item}]"
    return f"optional {item}" if t.card == "optional" else item


def config_name(world: World, root: str, qualified: str) -> str:
    """How a config or endpoint is called in a run: bare if the root module declares it."""
    return qualified.removeprefix(f"{root}.") if qualified.startswith(f"{root}.") else qualified
