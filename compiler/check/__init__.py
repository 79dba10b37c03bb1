"""From syntax trees to a checked program: names, types, cardinalities. The front of this stage is `check`."""

from collections.abc import Mapping, Sequence

from attrs import Factory

from dandc.compiler.check.bodies import check_fn, check_kernel
from dandc.compiler.check.body import Want
from dandc.compiler.check.captures import Captures, captures, walk
from dandc.compiler.check.circles import circles
from dandc.compiler.check.declare import declare
from dandc.compiler.check.evaluate import settle_constants
from dandc.compiler.check.flow_state import FAILURE, KernelFacts, config_name
from dandc.compiler.check.flow_values import constant
from dandc.compiler.check.flows import check_composition
from dandc.compiler.check.instances import check_instances
from dandc.compiler.check.policies import declare_defaults
from dandc.compiler.check.report import simple
from dandc.compiler.check.symbols import CompositionDecl, SourceModule, World
from dandc.compiler.check.testplan import Tests
from dandc.compiler.check.tests import check_tests
from dandc.compiler.check.types import check_type_args, define_type
from dandc.compiler.flow import (
    Config,
    ConfigSource,
    ConstSource,
    Endpoint,
    Graph,
    Source,
)
from dandc.compiler.flow_walk import called_graph
from dandc.compiler.typed import TEmit, TKernel
from dandc.compiler.types import ERROR, STR
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Label, Sink
from dandc.lang.recursion import room_for_recursion
from dandc.lang.values import frozen

__all__ = ["Checked", "SourceModule", "World", "check", "check_recursion", "kernel_facts"]


@frozen
class Checked:
    """A checked program. `kernels` are those that some graph of the root module's compositions reaches, by name."""

    root: str
    world: World
    graphs: Mapping[str, Graph]
    kernels: Mapping[str, TKernel]
    facts: Mapping[str, KernelFacts]
    configs: tuple[Config, ...]
    endpoints: tuple[Endpoint, ...]
    diagnostics: tuple[Diagnostic, ...]
    tests: Tests = Factory(Tests)

    @property
    def failed(self) -> bool:
        """Whether the program must not run."""
        return any(d.severity == "error" for d in self.diagnostics)


def check(modules: Mapping[str, SourceModule], root: str, syntax: Sequence[Diagnostic] = ()) -> Checked:
    """Check all that the user's modules declare. `modules` are closed under import and contain `prelude`.

    `syntax` are the parser's diagnostics: the body of an item that holds one has lost statements and is not looked at, so that
    no mistake is reported for what is not there.
    """
    with room_for_recursion():
        return _check(modules, root, syntax)


def _check(modules: Mapping[str, SourceModule], root: str, syntax: Sequence[Diagnostic]) -> Checked:
    sink = Sink()
    world = World(sink, check_fn=check_fn)
    world.lossy = {m.name for m in modules.values() if any(isinstance(i, tree.ErrorItem) for i in m.tree.items)}
    declare(world, dict(modules))
    define_type(world, FAILURE, world.table)
    for name, fn in world.fns.items():
        if not fn.scope.module.trusted and not _holds(fn.item, syntax):
            world.typed_fn(name)
    settle_constants(world, [f.item.span for f in world.fns.values() if syntax and _holds(f.item, syntax)])
    facts = {}
    for name, kernel in world.kernels.items():
        if _holds(kernel.item, syntax):
            facts[name] = KernelFacts(Captures((), ()), frozenset())
        elif isinstance(kernel.item, tree.FunctionItem):
            typed = check_kernel(world, kernel)
            world.checked_kernels[name] = typed
            facts[name] = kernel_facts(world, typed)
    configs, endpoints = _configs(world, root), _endpoints(world, root)
    declare_defaults(world)
    graphs = {
        graph.name: graph
        for c in world.compositions.values()
        if not _holds(c.item, syntax)
        for graph in check_composition(world, c, facts, root)
    }
    check_recursion(world, graphs)
    check_type_args(world)
    if not sink.failed:
        check_instances(world, world.checked_kernels)
    broken = frozenset(id(i) for i in world.scopes[root].module.tree.items if _holds(i, syntax))
    tests = check_tests(world, facts, root, broken)
    check_type_args(world)
    lossy = {world.scopes[name].module.tree.file for name in world.lossy}
    kept = [d for d in sink.diagnostics if not (d.code == "N0201" and d.span and d.span.file in lossy)]
    ordered = tuple(sorted(kept, key=lambda d: (d.span.file, d.span.start) if d.span else ("", 0)))
    return Checked(root, world, graphs, world.checked_kernels, facts, configs, endpoints, ordered, tests)


def _holds(item: tree.Item, syntax: Sequence[Diagnostic]) -> bool:
    """Whether one of the parser's diagnostics lies in `item`."""
    whole = item.span
    return any(
        d.span is not None
        and d.span.file == whole.file
        and whole.start <= d.span.start < max(whole.end, whole.start + 1)
        for d in syntax
    )


def kernel_facts(world: World, kernel: TKernel) -> KernelFacts:
    """What calls of `kernel` must know of its body."""
    unkeyed = frozenset(n.output for n in walk(kernel.body) if isinstance(n, TEmit) and n.key is None)
    return KernelFacts(captures(world, kernel), unkeyed)


def _constant_context(world: World, scope_name: str) -> CompositionDecl:
    """Constants of headers are checked like those of a composition without parameters."""
    scope = world.scopes[scope_name]
    empty = tree.CompositionItem(scope.module.tree.span, tree.Name(scope.module.tree.span, ""), (), (), ())
    return CompositionDecl(scope_name, scope, empty, (), ())


def _configs(world: World, root: str) -> tuple[Config, ...]:
    configs = []
    for name, decl in world.configs.items():
        default = None
        if decl.item.default is not None and decl.type != ERROR:
            want = Want(decl.type, Label(decl.item.type.span, "the declared type"))
            encoded = constant(world, _constant_context(world, decl.scope.name), decl.item.default, want)
            default = encoded[1] if encoded else None
        if decl.type != ERROR:
            define_type(world, decl.type, world.table)
        configs.append(Config(config_name(world, root, name), decl.type, default, decl.item.name.span))
    return tuple(configs)


def _endpoints(world: World, root: str) -> tuple[Endpoint, ...]:
    endpoints = []
    for name, decl in world.endpoints.items():
        if decl.type == ERROR:
            continue
        base = _endpoint_base(world, decl.scope.name, decl.item, root)
        if base is not None:
            endpoints.append(Endpoint(config_name(world, root, name), decl.module, base, decl.item.span))
    return tuple(endpoints)


def _endpoint_base(world: World, scope: str, item: tree.EndpointItem, root: str) -> Source | None:
    if len(item.args) != 1 or item.args[0].name is not None:
        surplus = next((a for i, a in enumerate(item.args) if i > 0 or a.name is not None), None)
        span, label = item.driver.span, "without an address"
        if surplus is not None:
            span, label = surplus.span, "not an address"
        world.sink.add(simple("C0422", f"the endpoint `{item.name.text}` takes one address", span, label))
        return None
    value = item.args[0].value
    if not isinstance(value, tree.StrLit | tree.NameExpr):
        notes = ("the operator of a run sets a config: `config url: str;`",)
        message = "the address of an endpoint is a literal, a constant or a config"
        world.sink.add(simple("C0422", message, value.span, "computed", notes=notes))
        return None
    if isinstance(value, tree.NameExpr):
        symbol = world.scopes[scope].names.get(value.name.text)
        if symbol is not None and symbol.kind == "config":
            config = world.configs[symbol.name]
            if config.type not in (STR, ERROR):
                origin = Label(config.item.type.span, "declared here")
                message, this = "the address of an endpoint is a `str`", f"this is `{config.type}`"
                world.sink.add(simple("C0422", message, value.span, this, origin))
            return ConfigSource(config_name(world, root, symbol.name))
    encoded = constant(world, _constant_context(world, scope), value, Want(STR))
    return ConstSource(encoded[1]) if encoded else None


def check_recursion(world: World, graphs: Mapping[str, Graph]) -> None:
    """A composition that runs itself would never end: compositions form a DAG as well."""
    edges = {
        name: [called for n in graph.nodes if (called := called_graph(n)) in graphs and called is not None]
        for name, graph in graphs.items()
    }
    for path in circles(edges):
        # The graphs of loops stand between those of compositions; a loop alone cannot run itself.
        names = [world.compositions[n].item.name for n in path if n in world.compositions]
        way = " -> ".join(n.text for n in (*names, names[0]))
        message = f"the composition `{names[0].text}` runs itself"
        world.sink.add(simple("C0415", message, names[0].span, way))
