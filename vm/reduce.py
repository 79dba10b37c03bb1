"""Runs a `reduce`: folds neighbours with a kernel, level by level, in the tree that the order of the items fixes.

A level is one call of the kernel over all pairs of all keys, so that its instances share sandboxes as those of an `each`
do. Items 2i and 2i+1 of a key become item i of the next level, and an odd last one goes up as it is: which items
meet never depends on what else is folded or on when something ends. A fault ends the fold of its key and of no other.
"""

from collections.abc import Sequence

from attrs import define, field

from dandc.compiler.flow import ReduceNode
from dandc.lang.values import frozen
from dandc.vm.collect import Columns
from dandc.vm.compute import run_compute
from dandc.vm.context import NodeResult
from dandc.vm.failures import Fault
from dandc.vm.feed import Ready
from dandc.vm.items import Buffer, ItemSet
from dandc.vm.outcome import Outcome
from dandc.vm.shards import KeyPart, Pick, Plan
from dandc.vm.summary import Note
from dandc.vm.tasks import off_loop

# About what bringing an item to its level touches.
_ITEM_BYTES = 64


async def run_reduce(node: ReduceNode, outcome: Outcome, plan: Plan) -> NodeResult:
    """The result of every fold: one, or one a key; raises `NodeFailedError` for a fault that the policy does not take."""
    level = _first_level(plan)
    results: dict[int, Buffer] = {}
    while True:
        size = _ITEM_BYTES * len(level.values)
        _finish(level, results)
        pairs = await off_loop(size, _pair, level)
        if not pairs.folds:
            break
        folded = await _run_level(node, outcome, plan, pairs)
        for pair, fault in folded.failed.items():
            pairs.faults.setdefault(pairs.folds[pair], fault)
        level = await off_loop(size, _next_level, pairs, folded.values)
        for fold, fault in pairs.faults.items():
            outcome.take_fault(fold, fault)
    done = sorted(results)
    outcome.add([Columns(None, None, [results[fold] for fold in done], done)])
    return await outcome.result()


@frozen(slots=True, eq=False, repr=False)
class _Level:
    """Items that are still to be folded: those of fold `folds[i]` are the next `sizes[i]` of `values`."""

    folds: Sequence[int]
    sizes: Sequence[int]
    values: Sequence[Buffer]


@frozen(slots=True, eq=False, repr=False)
class _Pairs:
    """The pairs of one level, by fold, and the folds that have failed in it."""

    level: _Level
    lefts: list[Buffer]
    rights: list[Buffer]
    folds: list[int]
    faults: dict[int, Fault] = field(factory=dict)


def _first_level(plan: Plan) -> _Level:
    values, pick = plan.params[0].values, plan.picks[0]
    starts = (0, len(values)) if pick is None else pick.starts
    sizes = [starts[i + 1] - starts[i] for i in range(plan.count)]
    return _Level(range(plan.count), sizes, values)


def _finish(level: _Level, results: dict[int, Buffer]) -> None:
    """Take the folds of which one item is left."""
    at = 0
    for fold, size in zip(level.folds, level.sizes, strict=True):
        if size == 1:
            results[fold] = level.values[at]
        at += size


def _pair(level: _Level) -> _Pairs:
    """The neighbours of every fold of at least two items."""
    pairs = _Pairs(level, [], [], [])
    at = 0
    for fold, size in zip(level.folds, level.sizes, strict=True):
        even = at + size // 2 * 2
        pairs.lefts.extend(level.values[at:even:2])
        pairs.rights.extend(level.values[at + 1 : even : 2])
        pairs.folds.extend([fold] * (size // 2))
        at += size
    return pairs


def _next_level(pairs: _Pairs, folded: Sequence[Buffer | None]) -> _Level:
    """What the pairs gave, and after it the odd last items. Folds that have failed are left out."""
    folds, sizes, values = [], [], []
    at = pair = 0
    for fold, size in zip(pairs.level.folds, pairs.level.sizes, strict=True):
        if size > 1 and fold not in pairs.faults:
            folds.append(fold)
            sizes.append(size // 2 + size % 2)
            values += [value for value in folded[pair : pair + size // 2] if value is not None]
            values += pairs.level.values[at + size - 1 : at + size] if size % 2 else ()
        at += size
        pair += size // 2
    return _Level(folds, sizes, values)


@define(slots=True, eq=False, repr=False)
class _LevelOutcome(Outcome):
    """Gathers what the pairs of a level give, in their order, instead of making sets of it."""

    values: list[Buffer | None] = field(factory=list)
    failed: dict[int, Fault] = field(factory=dict)

    def item_text(self, instance: int) -> str:
        """The key of the fold; a fold without key has no name, and the number of a pair would say nothing."""
        return "" if self.feed.key(instance) is None else super().item_text(instance)

    def note(self, instance: int, text: str) -> None:
        """Record what an instance noted."""
        scrub = self.context.secrets.scrub
        self.context.summary.note(Note(self.name, scrub(self.item_text(instance)), scrub(text)))

    def add(self, outputs: Sequence[Columns], *, few: bool = False) -> None:
        """Keep what some pairs gave."""
        for instance, value in zip(outputs[0].instances, outputs[0].values, strict=True):
            self.values[instance] = value

    def _take_fault(self, instance: int, fault: Fault, *, placed: bool) -> None:
        # How many folds may fail is judged by the outcome of the whole: a level knows pairs only.
        if self.node.policies.on_failure == "fail":
            super()._take_fault(instance, fault, placed=placed)
        self.failed[instance] = fault

    async def result(self) -> NodeResult:
        """A level is no node: nothing."""
        return NodeResult(())


async def _run_level(node: ReduceNode, outcome: Outcome, plan: Plan, pairs: _Pairs) -> _LevelOutcome:
    count = len(pairs.folds)
    sides = [ItemSet([None] * count, [""] * count, values) for values in (pairs.lefts, pairs.rights)]
    pick = Pick(range(count + 1), range(count))
    keys = (KeyPart([plan.key(fold) for fold in pairs.folds]),) if plan.key_parts else ()
    whole = plan.params[1:]
    level = Plan((*sides, *whole), (pick, pick, *(None for _ in whole)), count, keys)
    folded = _LevelOutcome(
        outcome.context, node, outcome.items, Ready(level), outcome.path, outcome.key_type, (), values=[None] * count
    )
    await run_compute(node, folded)
    return folded
