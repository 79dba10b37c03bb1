"""How the sharded arguments of a call meet, and which key each instance has.

A join is checked from the left: what stands left of a strategy is one side, whose key is that of its parts. Joining by
key leaves that key as it is, `cross` adds the key of the right side to it.
"""

from collections.abc import Sequence

from dandc.compiler.check import report
from dandc.compiler.check.flow_state import Flow, Value, show
from dandc.compiler.flow import Join
from dandc.compiler.flow_walk import SHARDED
from dandc.compiler.typed import TPort
from dandc.compiler.types import Tuple, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen

BY_GROUP = ("keyed", "anyKeyed")


@frozen
class Given:
    """An argument that fits its parameter, which is number `index`."""

    index: int
    param: TPort
    arg: tree.FlowArg
    value: Value
    shard: str

    @property
    def label(self) -> Label:
        """Where the argument stands, with the type of its set."""
        return Label(self.arg.span, f"`{self.param.name}` gets `{show(self.value.type)}`")


@frozen
class Sharding:
    """How many instances a call has: one unless `sharded`; `key` is what each of them is for."""

    sharded: bool
    join: Join | None
    key: Type | None


def settle_sharding(flow: Flow, call: tree.FlowCall, given: Sequence[Given]) -> Sharding | None:
    """How the arguments of a call are divided over instances; None after a report."""
    sharded = [g for g in given if g.shard in SHARDED]
    if len(sharded) < 2:
        if call.join is not None:
            flow.report(_nothing_to_join(call.join, sharded))
            return None
        key = _own_key(sharded[0]) if sharded else None
        return Sharding(bool(sharded), None, key)
    if call.join is None:
        flow.report(_not_said(call, sharded))
        return None
    chain = _named(flow, call.join, given, sharded) if call.join.names else sharded
    if chain is None:
        return None
    strategies = call.join.strategies or ("cross",) * (len(chain) - 1)
    return _walk(flow, call.join, chain, strategies)


def _own_key(part: Given) -> Type | None:
    """The key that a part gives to what comes out: groups that the machine chooses give none."""
    return part.value.type.key if part.shard in ("each", "keyed") else None


def _nothing_to_join(join: tree.FlowJoin, sharded: Sequence[Given]) -> Diagnostic:
    message = "a join needs two sharded arguments"
    label = "only one argument is sharded" if sharded else "no argument is sharded"
    fix = Fix("leave it out", join.span, "")
    return report.fixed("C0450", message, join.span, label, fix, *(g.label for g in sharded))


def _not_said(call: tree.FlowCall, sharded: Sequence[Given]) -> Diagnostic:
    keys = {g.value.type.key for g in sharded}
    at = report.before(call.policies[0].span) if call.policies else report.after(call.span)
    fixes = []
    if len(keys) == 1 and len({g.shard for g in sharded}) == 1 and sharded[0].shard in BY_GROUP:
        chain = " inner ".join(g.param.name for g in sharded)
        fixes.append(Fix("join what has the same key", at, _placed(call, f"by {chain}")))
    fixes.append(Fix("pair everything with everything", at, _placed(call, "cross")))
    first, second, *_ = sharded
    message = "two arguments are sharded, and nothing says how they meet"
    return report.simple(
        "C0408", message, second.arg.span, "sharded too", Label(first.arg.span, "sharded"), fixes=tuple(fixes)
    )


def _placed(call: tree.FlowCall, words: str) -> str:
    return f"{words} " if call.policies else f" {words}"


def _named(flow: Flow, join: tree.FlowJoin, given: Sequence[Given], sharded: Sequence[Given]) -> list[Given] | None:
    """The arguments that a chain names, in its order; None after a report."""
    by_name = {g.param.name: g for g in given}
    found: dict[str, Span] = {}
    chain: list[Given] = []
    for name in join.names:
        part = by_name.get(name.text)
        if name.text in found:
            flow.report(_join_twice(name, found[name.text]))
            return None
        if part is None or part.shard not in SHARDED:
            flow.report(_not_sharded(name, part, [g.param.name for g in sharded]))
            return None
        found[name.text] = name.span
        chain.append(part)
    left_out = next((g for g in sharded if g.param.name not in found), None)
    if left_out is not None:
        message = f"`{left_out.param.name}` is sharded, but the join does not name it"
        flow.report(report.simple("C0450", message, join.span, "not in this chain", left_out.label))
        return None
    return chain


def _join_twice(name: tree.Name, first: Span) -> Diagnostic:
    message = f"`{name.text}` stands twice in the join"
    return report.simple("C0450", message, name.span, "the second time", Label(first, "first here"))


def _not_sharded(name: tree.Name, part: Given | None, names: list[str]) -> Diagnostic:
    if part is not None:
        message = f"`{name.text}` is not sharded, so it meets every instance without a join"
        return report.simple("C0450", message, name.span, "not sharded", part.label)
    message = f"a join names parameters, and no argument is given to one called `{name.text}`"
    fixes = report.did_you_mean(name.text, name.span, names)
    listed = ", ".join(f"`{n}`" for n in names[:12])
    return report.simple("C0450", message, name.span, "no parameter", notes=(f"sharded are {listed}",), fixes=fixes)


def _walk(flow: Flow, join: tree.FlowJoin, chain: Sequence[Given], strategies: tuple[str, ...]) -> Sharding | None:
    """Check a chain from the left."""
    shards = {g.shard for g in chain}
    if {"keyed", "anyKeyed"} <= shards:
        flow.report(_mixed(join, chain))
        return None
    parts = [chain[0].value.type.key] if chain[0].value.type.key is not None else []
    inherited = [key for key in (_own_key(chain[0]),) if key is not None]
    by_group = chain[0].shard in BY_GROUP
    for i, strategy in enumerate(strategies):
        right = chain[i + 1]
        if strategy == "cross":
            parts += [right.value.type.key] if right.value.type.key is not None else []
            inherited += [key for key in (_own_key(right),) if key is not None]
            by_group = by_group and right.shard in BY_GROUP
            continue
        problem = _by_key_problem(join, chain[: i + 2], strategy, by_group, _combined(parts))
        if problem is not None:
            flow.report(problem)
            return None
    numbers = tuple(g.index for g in chain)
    return Sharding(True, Join(numbers, strategies), _combined(inherited))


def _combined(parts: list[Type]) -> Type | None:
    """The key of what several parts make: none, the only one, or the tuple of all."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return Tuple(tuple(parts))


def _mixed(join: tree.FlowJoin, chain: Sequence[Given]) -> Diagnostic:
    first, second = (next(g for g in chain if g.shard == shard) for shard in BY_GROUP)
    message = "`keyed` and `anyKeyed` do not meet: one key an instance, or groups of keys"
    return report.simple("C0452", message, join.span, "a join of both", first.label, second.label)


def _by_key_problem(
    join: tree.FlowJoin, chain: Sequence[Given], strategy: str, by_group: bool, left: Type | None
) -> Diagnostic | None:
    """Why the last of `chain` cannot be joined by key with those before it, whose key is `left`."""
    right = chain[-1]
    single = right if right.shard not in BY_GROUP else None
    if single is None and not by_group:
        single = next(g for g in chain if g.shard not in BY_GROUP)
    at = join.names[len(chain) - 1].span
    if single is not None:
        message = f"`{strategy}` joins groups by their key, but `{single.shard}` passes {_PASSES[single.shard]}"
        grouped = "pass it `keyed`"
        if single.param.kind != "set":
            grouped = f"declare `{single.param.name}: set[{report.display(single.param.item)}]` and pass it `keyed`"
        notes = (f"{grouped} for a join by key, or pair it with everything: `cross {right.param.name}`",)
        return report.simple("C0452", message, at, f"cannot be joined by `{strategy}`", single.label, notes=notes)
    if left == right.value.type.key:
        return None
    assert left is not None and right.value.type.key is not None  # they are sharded by key
    mine, other = report.display(left), report.display(right.value.type.key)
    message = f"the keys of `{strategy}` can never meet: they are `{mine}` and `{other}`"
    before = chain[0].label if len(chain) == 2 else Label(chain[0].arg.span, f"what is joined has keys `{mine}`")
    return report.simple("C0451", message, at, f"keys are `{other}`", before, right.label)


_PASSES = {"each": "single items", "anyEach": "groups that the machine chooses"}
