"""What the policies of a call say: which of them it may have, its own and those of the module's defaults.

A default holds for every call of its kind in the file; what the call says itself wins. So whether a policy makes sense is
asked where it is written: of defaults once, before any composition is checked.
"""

from collections.abc import Mapping

from attrs import define, evolve, field

from dandc.compiler.check import report
from dandc.compiler.check.flow_state import FAILURE, Flow, Value, define_types, show
from dandc.compiler.check.symbols import Scope, World
from dandc.compiler.flow import FlowType, NodeSource, Policies, Source, Tolerance
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, STR, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen

_EMPTY = frozenset(("skip_empty", "keep_empty"))
# What is called, and the policies that it may have. A reduce and a loop are called once.
_ALLOWED: dict[str, frozenset[str]] = {
    "communication": frozenset("retry timeout on_failure concurrency cache once after".split()) | _EMPTY,
    "kernel": frozenset("timeout on_failure limit concurrency after".split()) | _EMPTY,
    "composition": frozenset("within on_failure concurrency after".split()) | _EMPTY,
    "reduce": frozenset("timeout on_failure limit concurrency after".split()),
    "loop": frozenset("within on_failure after".split()),
}
_WHAT = {
    "communication": "a communication call",
    "kernel": "a call of a function",
    "composition": "a call of a composition",
    "reduce": "a `reduce`",
    "loop": "a loop",
}
_WHY = {
    "timeout": "a `timeout` is about one attempt of one instance; `within` bounds a whole run",
    "within": "`within` is about a whole run of a composition or loop; `timeout` bounds an instance",
    "limit": "limits are kept by sandboxes, in which functions run",
    "cache": "answers of services are kept; what functions give is known from their inputs anyway",
    "once": "only communication has effects that happen once or twice",
    "concurrency": "it has one instance",
    "retry": "a pure function fails the same way again",
    "skip_empty": "it takes one set",
    "keep_empty": "it takes one set",
}
# Of a default: they are about one call, or make a set.
_OF_ONE_CALL = {
    "once": "the key of an effect belongs to one call",
    "after": "what a call waits for is said at the call",
    "skip_empty": "which sets may be empty is said at the call",
    "keep_empty": "which sets may be empty is said at the call",
    "collect": "it would make the same set at every call",
    "value": "it changes the type of what a call gives",
}


@frozen
class Settled:
    """The policies of one call, and what they add to its node."""

    policies: Policies
    into: tree.Name | None
    after: tuple[int, ...]
    value: tree.Policy | None


@define
class _Writer:
    """What has been taken over from the written policies so far."""

    flow: Flow
    policies: Policies = field(factory=Policies)
    into: tree.Name | None = None
    value: tree.Policy | None = None
    after: list[int] = field(factory=list)


def settle_policies(
    flow: Flow, written: tuple[tree.Policy, ...], kind: str, module: str = "", *, sharded: bool = False
) -> Settled:
    """The policies of a call of `kind`; `module` is that of a communication function."""
    writer = _Writer(flow)
    for policy in (*_defaults(flow, written, kind, module, sharded=sharded), *written):
        if policy in written and (problem := _problem(policy, kind, sharded=sharded)) is not None:
            flow.report(problem)
        else:
            _take(writer, policy)
    return Settled(writer.policies, writer.into, tuple(sorted(set(writer.after))), writer.value)


def _problem(policy: tree.Policy, kind: str, *, sharded: bool) -> Diagnostic | None:
    """Why a call of `kind` cannot have a policy."""
    word = policy.kind
    if word == "on_failure":
        if policy.mode == "value" and kind in ("reduce", "loop"):
            message = "`on failure value` needs a call with one output of one item"
            return report.simple("C0421", message, policy.span, f"{_WHAT[kind]} gives something else")
        return None
    at = Span(policy.span.file, policy.span.start, policy.span.start + len(word))
    if word == "retry" and kind != "communication":
        return report.simple("C0411", "only communication is retried", policy.span, _WHY["retry"])
    fixes: tuple[Fix, ...] = ()
    if word in _ALLOWED[kind]:
        if word != "concurrency" or sharded:
            return None
    elif word in ("timeout", "within"):
        other = "within" if word == "timeout" else "timeout"
        fixes = (Fix(f"write `{other}`", at, other),) if other in _ALLOWED[kind] else ()
    said = "on empty" if word in _EMPTY else word
    message = f"`{said}` says nothing about {_WHAT[kind]}"
    return report.simple("C0454", message, policy.span, _WHY[word], fixes=fixes)


def _take(writer: _Writer, policy: tree.Policy) -> None:
    flow, before = writer.flow, writer.policies
    match policy.kind:
        case "retry":
            writer.policies = evolve(before, retry=policy.count, retry_on=policy.on)
        case "timeout":
            writer.policies = evolve(before, timeout_ms=policy.duration_ms)
        case "within":
            writer.policies = evolve(before, within_ms=policy.duration_ms)
        case "cache":
            writer.policies = evolve(before, cache_ms=policy.duration_ms)
        case "concurrency":
            writer.policies = evolve(before, concurrency=policy.count)
        case "limit":
            bounds = {"memory": before.memory, "time": before.time_ms, "output": before.output, **dict(policy.bounds)}
            memory, time_ms, output = bounds.values()
            writer.policies = evolve(before, memory=memory, time_ms=time_ms, output=output)
        case "skip_empty" | "keep_empty":
            pass  # a property of arguments: `flow_calls` reads it
        case "once":
            writer.policies = evolve(before, once=_once(flow, policy))
        case "after":
            writer.after += [n for name in policy.names if (n := _ended(flow, name)) is not None]
        case _:
            writer.into, writer.value = policy.into, policy if policy.mode == "value" else None
            writer.policies = evolve(before, on_failure=policy.mode, tolerance=_tolerance(policy))


def _tolerance(policy: tree.Policy) -> Tolerance | None:
    if not policy.count:
        return None
    return Tolerance(percent=policy.count) if policy.percent else Tolerance(count=policy.count)


def _once(flow: Flow, policy: tree.Policy) -> Source | None:
    assert policy.key is not None
    span = policy.key.span
    value = flow.evaluate(policy.key, TPort("once", "one", None, STR, span))
    if value.type.item == ERROR:
        return None
    if value.type.card == "one" and value.type.item == STR:
        return value.source
    message = "`once` takes one item of type `str`: the name of the effect"
    flow.report(report.simple("C0464", message, span, f"this is `{show(value.type)}`", *value.origins))
    return None


def _ended(flow: Flow, name: tree.Name) -> int | None:
    """The node that makes a set; None after a report."""
    if name.text in flow.captured or (name.text not in flow.values and flow.knows(name.text)):
        message = f"`{name.text}` is there before the loop begins"
        note = "to wait for it, say so at the loop: `loop (...) up to N { ... } after NAME;`"
        flow.report(report.simple("C0463", message, name.span, "made outside of the loop", notes=(note,)))
        return None
    value = flow.values.get(name.text)
    if value is not None and isinstance(value.source, NodeSource):
        return value.source.node
    if value is None:
        flow.report(report.unknown_name(name.text, name.span, flow.known(), "set"))
    elif value.type.item != ERROR:
        message = f"`{name.text}` is there from the beginning"
        flow.report(report.simple("C0463", message, name.span, "no call makes it", *value.origins))
    return None


def collect(flow: Flow, settled: Settled, node: int, key: Type | None) -> None:
    """Make the set that `on failure collect into` names."""
    if settled.into is not None:
        source, origin = NodeSource(node, -1), Label(settled.into.span, "collected here")
        flow.values[settled.into.text] = Value(FlowType("many", key, FAILURE), source, origin)
        define_types(flow.world, FAILURE)


# Defaults.


def _defaults(
    flow: Flow, written: tuple[tree.Policy, ...], kind: str, module: str, *, sharded: bool
) -> list[tree.Policy]:
    """The defaults that hold for a call, without those kinds that it says itself."""
    target = {"communication": module, "kernel": "function", "reduce": "function", "composition": "composition"}
    known = flow.world.defaults.get(flow.shared.decl.scope.name, {}).get(target.get(kind, ""), {})
    said = {policy.kind for policy in written} - {"limit"}
    kept = [policy for word, policy in known.items() if word not in said]
    return [p for p in kept if p.kind != "concurrency" or sharded]


_TARGETS = {"function": "kernel", "composition": "composition"}


def declare_defaults(world: World) -> None:
    """Fill `world.defaults` from the `default` items of all modules."""
    for scope in world.scopes.values():
        known: dict[str, dict[str, tree.Policy]] = {}
        for item in scope.module.tree.items:
            if isinstance(item, tree.DefaultItem):
                _declare_default(world, scope, item, known)
        if known:
            world.defaults[scope.name] = known


def _declare_default(
    world: World, scope: Scope, item: tree.DefaultItem, known: dict[str, dict[str, tree.Policy]]
) -> None:
    target = _target(world, scope, item.target)
    if target is None:
        return
    mine = known.setdefault(target, {})
    kind = _TARGETS.get(target, "communication")
    for policy in item.policies:
        problem = _default_problem(policy, kind, mine)
        if problem is None:
            mine[policy.kind] = policy
        else:
            world.sink.add(problem)


def _default_problem(policy: tree.Policy, kind: str, mine: Mapping[str, tree.Policy]) -> Diagnostic | None:
    why = _OF_ONE_CALL.get(policy.mode or policy.kind)
    if why is not None:
        word = f"on failure {policy.mode}" if policy.mode else policy.kind
        word = "on empty" if policy.kind in _EMPTY else word
        return report.simple("C0462", f"`{word}` cannot be a default", policy.span, why)
    if policy.kind in mine:
        word = policy.kind.replace("_", " ")
        first = Label(mine[policy.kind].span, "first here")
        return report.simple("C0462", f"the default `{word}` is said twice", policy.span, "the second time", first)
    return _problem(policy, kind, sharded=True)


def _target(world: World, scope: Scope, name: tree.Name) -> str | None:
    """What a default is about: `function`, `composition`, or the module of a communication; None after a report."""
    if name.text in _TARGETS:
        return name.text
    symbol = scope.names.get(name.text)
    if symbol is None:
        modules = [n for n, s in scope.names.items() if s.kind == "module"]
        world.sink.add(report.unknown_name(name.text, name.span, [*modules, *_TARGETS], "imported module"))
        return None
    if symbol.kind == "broken":
        return None
    members = world.scopes[symbol.name].names.values() if symbol.kind == "module" else ()
    if any(s.kind == "communication" for s in members):
        return symbol.name
    message = f"a default is about `function`, `composition` or a module that does communication, not `{name.text}`"
    world.sink.add(report.simple("C0462", message, name.span, "does no communication"))
    return None
