"""Gathers what the instances of one call end with, and makes the node's result of it: the same for every kind of call.

Instances end in any order and are published as they end; the result is in item order. Policies are applied here and
nowhere else: `fail` raises, `skip` drops, `value` puts failures among the values, `collect` puts them into a set of
their own. What depends on an instance's place among all (the text `#5` of a failure whose item has no name) waits for
the end if the place is not known before.
"""

from array import array
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar, cast

from attrs import define, evolve, field

from dandc.compiler.encoding import EncodingError, Variant, decode, encode
from dandc.compiler.flow import FlowNode, Tolerance
from dandc.compiler.types import BYTES, STR, Result, Type, TypeTable
from dandc.lang.spans import Span
from dandc.lang.values import frozen
from dandc.vm.collect import Columns
from dandc.vm.context import NodeResult, RunContext, item_text
from dandc.vm.failures import FAILURE, Fault, NodeFailedError, encode_err, encode_failure, failure_types
from dandc.vm.feed import Feed
from dandc.vm.items import EMPTY, Buffer, ItemSet
from dandc.vm.summary import MAX_NOTES, Note
from dandc.vm.tasks import off_loop
from dandc.vm.tolerance import is_exceeded, too_many
from dandc.vm.tracks import Batch, Origin, Track

T = TypeVar("T")

# About what bringing an item into its place touches.
_SETTLE_BYTES = 64


@frozen(slots=True)
class _Failed:
    """A fault with what is inherited from its item. `placed`: the fault's text does not wait for the item's place."""

    fault: Fault
    key: bytes | None
    name: str
    placed: bool


@define(slots=True, eq=False, repr=False)
class Outcome:
    """The items and faults of one call so far. `items` are the declared types of its outputs, one track each."""

    context: RunContext
    node: FlowNode
    items: tuple[Type, ...]
    feed: Feed
    path: str
    key_type: Type | None
    tracks: Sequence[Track]
    faults: dict[int, _Failed] = field(factory=dict)
    notes: list[tuple[int, str]] = field(factory=list)
    held: bool = False

    @property
    def name(self) -> str:
        """The node as summaries and failures name it."""
        return self.path + self.node.name

    def item_text(self, instance: int) -> str:
        """What a person calls the item of an instance: its key, else its name, else its place, or what it came from."""
        if not self.feed.inherits:
            return ""
        return self._own_text(instance) or self._place_text(instance) or _origin_text(self.feed.origin(instance))

    def _own_text(self, instance: int) -> str:
        """The key, else the name."""
        feed = self.feed
        return item_text(feed.key(instance), feed.name(instance), self.key_type, self.context.program.types)

    def _place_text(self, instance: int) -> str:
        """The place; empty as long as it is open."""
        return f"#{self.feed.place(instance)}" if self.feed.numbered else ""

    def is_called(self, instance: int, text: str) -> bool:
        """Whether somebody may mean the item of an instance with a text; with none at all, the first one is meant."""
        feed = self.feed
        if not feed.inherits:
            return text in ("", "#0")
        if not text:
            return (feed.place(instance) if feed.numbered else instance) == 0
        names = (self._own_text(instance), self._place_text(instance), _origin_text(feed.origin(instance)))
        return text in names or text == self.context.secrets.scrub(names[0])

    def fail(
        self, instance: int, code: str, message: str, *, attempts: int = 1, site: Span | None = None, hint: str = ""
    ) -> None:
        """Record a fault; raises `NodeFailedError` when the policy is to fail."""
        scrub = self.context.secrets.scrub
        item = scrub(self.item_text(instance))
        fault = Fault(code, scrub(message), self.name, self.node.span, item, attempts, site, hint)
        self._take_fault(instance, fault, placed=self._is_placed(instance))

    def _is_placed(self, instance: int) -> bool:
        """Whether the item's text is not waiting for its place."""
        return not self.feed.inherits or self.feed.numbered or bool(self._own_text(instance))

    def take_fault(self, instance: int, fault: Fault) -> None:
        """Record a fault that is complete already."""
        self._take_fault(instance, fault, placed=True)

    def _take_fault(self, instance: int, fault: Fault, *, placed: bool) -> None:
        self.context.watch.failed(self.name)
        if self.node.policies.on_failure == "fail":
            self.context.summary.at(self.name).failed += 1
            self._give_up(fault)
            return
        feed = self.feed
        self.faults[instance] = _Failed(fault, feed.key(instance), feed.name(instance), placed)
        self._judge(fault, feed.count if feed.ended else None)

    def _judge(self, last: Fault, instances: int | None) -> None:
        """Fail once it is certain that more instances have failed than the policy takes."""
        tolerance = self.node.policies.tolerance
        if tolerance is not None and is_exceeded(tolerance, len(self.faults), instances):
            self.context.summary.at(self.name).failed += len(self.faults)
            self._give_up(self._too_many(tolerance, last))

    def _too_many(self, tolerance: Tolerance, last: Fault) -> Fault:
        """The fault of the whole call; in a repeated run that of the record, whichever instance came last now."""
        fault, decisive = too_many(tolerance, self.name, self.node.span, last), self.context.decisive
        if decisive is None:
            return fault
        others = (too_many(tolerance, self.name, self.node.span, failed.fault) for failed in self.faults.values())
        return next((other for other in others if decisive.is_recorded(other)), fault)

    def _give_up(self, fault: Fault) -> None:
        """End the call and the graph around it, unless the record says that something else did."""
        decisive = self.context.decisive
        if decisive is None or decisive.ends(fault):
            raise NodeFailedError(fault)
        self.held = True

    def cut_off(self) -> None:
        """An instance did not end when the run was recorded, and does not now."""
        self.held = True

    def note(self, instance: int, text: str) -> None:
        """Record what an instance noted."""
        scrub = self.context.secrets.scrub
        if not self._is_placed(instance) and len(self.notes) < MAX_NOTES:
            self.notes.append((instance, scrub(text)))
        else:
            self.context.summary.note(Note(self.name, scrub(self.item_text(instance)), scrub(text)))

    def add(self, outputs: Sequence[Columns], *, few: bool = False) -> None:
        """Publish what some instances gave: for every output the items of all of them. `few`: of a single instance."""
        batches = [self._batch(number, columns) for number, columns in enumerate(outputs)]
        orphans: set[int] = set()
        for track, columns in zip(self.tracks, batches, strict=True):
            if track.keyed:
                orphans.update(_orphans(columns))
        for orphan in sorted(orphans):
            self.fail(orphan, "sandbox.output", "it gave an item without a key to a keyed set")
        for track, columns in zip(self.tracks, batches, strict=True):
            if columns.values:
                self._publish(track, columns.without(orphans) if orphans else columns, few=few)

    def _publish(self, track: Track, columns: Columns, *, few: bool) -> None:
        if self.node.policies.on_failure == "value":
            columns = self._wrapped(columns)
        batch = Batch(
            cast("Sequence[bytes] | None", columns.keys),  # orphans are gone
            cast("Sequence[str] | None", columns.names),  # and names are filled in
            columns.values,
            columns.instances,
        )
        if few:
            track.add_few(batch)
        else:
            track.add(batch)

    def _batch(self, number: int, columns: Columns) -> Columns:
        """The columns with what is inherited filled in."""
        instances = columns.instances
        if not instances:
            return columns
        keys = _inherit(columns.keys, instances, self.feed.keys) if self.tracks[number].keyed else None
        names = _inherit(columns.names, instances, self.feed.names)
        if names is not None:
            names = [name or "" for name in names] if any(names) else None
        return Columns(keys, names, columns.values, instances)

    def _wrapped(self, columns: Columns) -> Columns:
        """The items of the only output as `ok` of `result[T, Failure]`; what is no T is a failure."""
        types = failure_types(self.context.program.types)
        wrapped: list[Buffer] = []
        bad = set()
        for instance, value in zip(columns.instances, columns.values, strict=True):
            try:
                wrapped.append(encode_ok(self.items[0], value, types))
            except EncodingError as error:
                wrapped.append(b"")
                bad.add(instance)
                self.fail(instance, "value.encoding", f"it gave an invalid `{self.items[0]}`: {error}")
        kept = Columns(columns.keys, columns.names, wrapped, columns.instances)
        return kept.without(bad) if bad else kept

    @property
    def full(self) -> bool:
        """Whether what was published lies about only because those who take it are slow."""
        bound = self.context.limits.undelivered
        return any(track.is_full(bound) for track in self.tracks)

    async def room(self) -> None:
        """Wait until it is not full."""
        for track in self.tracks:
            while track.is_full(self.context.limits.undelivered):
                await track.drained.wait()

    async def result(self) -> NodeResult:
        """The sets of the node, after all instances have ended."""
        final = self.feed.final()
        self._place_texts(final)
        if self.faults:
            self._judge(self.faults[max(self.faults)].fault, self.feed.count)
        if self.node.policies.on_failure == "value" and self.faults:
            self.tracks[0].add(self._errors())
        items = sum(track.count for track in self.tracks)
        result = await off_loop(_SETTLE_BYTES * items, self._settle, final)
        counts = self.context.summary.at(self.name)
        counts.failed += len(self.faults)
        counts.ran += self.feed.count - len(self.faults)
        self.feed.close()
        for track in self.tracks:
            track.close()
        return result

    def _settle(self, final: "array[int] | None") -> NodeResult:
        return NodeResult(tuple(track.end(final) for track in self.tracks), self._collected(final), self.held)

    def _place_texts(self, final: "array[int] | None") -> None:
        """Say the place of items that have no other name, now that it is known."""
        for instance, failed in self.faults.items():
            if not failed.placed:
                text = f"#{instance if final is None else final[instance]}"
                self.faults[instance] = evolve(failed, fault=evolve(failed.fault, item=text))
        for instance, text in self.notes:
            place = instance if final is None else final[instance]
            self.context.summary.note(Note(self.name, f"#{place}", text))

    def _errors(self) -> Batch:
        """The faults as `err` of `result[T, Failure]`."""
        types = failure_types(self.context.program.types)
        keyed = self.tracks[0].keyed
        rows = [row for row in sorted(self.faults.items()) if row[1].key is not None or not keyed]
        values = [encode_err(failed.fault, self.items[0], types) for _, failed in rows]
        keys = [failed.key or b"" for _, failed in rows] if keyed else None
        return Batch(keys, [failed.name for _, failed in rows], values, array("I", [i for i, _ in rows]))

    def _collected(self, final: "array[int] | None") -> ItemSet:
        """The failures as a set: keys and names are those of the items, in their order."""
        if self.node.policies.on_failure != "collect" or not self.faults:
            return EMPTY
        order = sorted(self.faults, key=None if final is None else final.__getitem__)
        failures = [self.faults[i] for i in order]
        types = self.context.program.types
        return ItemSet(
            [failed.key for failed in failures],
            [failed.name for failed in failures],
            [encode_failure(failed.fault, types) for failed in failures],
        )


def _origin_text(origin: Origin) -> str:
    """An item by what it came from: `from #2`, the one made of instance 2; `from #2.1`, the second one made of it."""
    number, *path = origin
    while path and not path[-1]:
        path.pop()
    return "from #" + ".".join(map(str, (number, *path)))


def _orphans(columns: Columns) -> AbstractSet[int]:
    """Instances that gave an item without a key where it needs one and inherits none."""
    if columns.keys is None:
        return frozenset(columns.instances)
    if None not in columns.keys:
        return frozenset()
    return {i for i, key in zip(columns.instances, columns.keys, strict=True) if key is None}


def _inherit(
    said: Sequence[T | None] | None,
    instances: Sequence[int],
    inherited: Callable[[int, int], Sequence[T | None] | None],
) -> Sequence[T | None] | None:
    """What the items say, and what they inherit where they say nothing; None if there is nothing at all."""
    if said is not None and None not in said:
        return said
    first, last = instances[0], instances[-1] + 1
    column = inherited(first, last)
    if column is None:
        return said
    if not isinstance(instances, range):
        column = [column[i - first] for i in instances]
    if said is None:
        return column
    return [own if one is None else one for one, own in zip(said, column, strict=True)]


def encode_ok(item: Type, value: Buffer, types: TypeTable) -> bytes:
    """The encoded `value` of type `item` as `ok` of `result[item, Failure]`; `EncodingError` if it is invalid."""
    if item in (STR, BYTES):
        return b"".join((b"\0", len(value).to_bytes(8, "little"), value))
    return encode(Result(item, FAILURE), Variant(0, (decode(item, bytes(value), types),)), types)
