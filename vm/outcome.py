"""Gathers what the instances of one call end with, and makes the node's result of it: the same for every kind of call.

Instances end in any order; the result is in item order. Policies are applied here and nowhere else: `fail` raises,
`skip` drops, `value` puts failures among the values, `collect` puts them into a set of their own.
"""

from attrs import define, field

from dandc.compiler.encoding import EncodingError, Variant, decode, encode
from dandc.compiler.flow import FlowNode
from dandc.compiler.types import BYTES, STR, Result, Type, TypeTable
from dandc.lang.spans import Span
from dandc.vm.collect import Columns, build_set
from dandc.vm.context import NodeResult, RunContext, item_text
from dandc.vm.failures import FAILURE, Fault, NodeFailedError, encode_err, encode_failure, failure_types
from dandc.vm.items import Buffer, ItemSet
from dandc.vm.shards import Plan


@define(slots=True, eq=False, repr=False)
class Outcome:
    """The items and faults of one call so far. `items` are the declared types of its outputs."""

    context: RunContext
    node: FlowNode
    items: tuple[Type, ...]
    plan: Plan
    path: str
    key_type: Type | None
    columns: list[Columns] = field(init=False)
    faults: dict[int, Fault] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.columns = [Columns() for _ in self.items]

    @property
    def name(self) -> str:
        """The node as summaries and failures name it."""
        return self.path + self.node.name

    def item_text(self, instance: int) -> str:
        """What a person calls the item of an instance."""
        return item_text(self.plan, instance, self.key_type, self.context.program.types)

    def fail(self, instance: int, code: str, message: str, *, attempts: int = 1, site: Span | None = None) -> None:
        """Record a fault; raises `NodeFailedError` when the policy is to fail."""
        scrub = self.context.secrets.scrub
        item = scrub(self.item_text(instance))
        self.take_fault(instance, Fault(code, scrub(message), self.name, self.node.span, item, attempts, site))

    def take_fault(self, instance: int, fault: Fault) -> None:
        """Record a fault that is complete already."""
        if self.node.policies.on_failure == "fail":
            self.context.summary.at(self.name).failed += 1
            raise NodeFailedError(fault)
        self.faults[instance] = fault

    def result(self) -> NodeResult:
        """The sets of the node, after all instances have ended."""
        if self.node.policies.on_failure == "value":
            self._wrap_values()
        outputs = tuple(self._output(number) for number in range(len(self.columns)))
        counts = self.context.summary.at(self.name)
        counts.failed += len(self.faults)
        counts.ran += self.plan.count - len(self.faults)
        return NodeResult(outputs, self._collected())

    def _output(self, number: int) -> ItemSet:
        flow = self.node.outputs[number]
        items, orphan = build_set(self.columns[number], self.plan, flow)
        while orphan is not None:
            self.fail(orphan, "sandbox.output", "it gave an item without a key to a keyed set")
            self.columns[number] = self.columns[number].without({orphan})
            items, orphan = build_set(self.columns[number], self.plan, flow)
        return items

    def _wrap_values(self) -> None:
        """Turn the items of the only output into `result[T, Failure]`, faults among them."""
        types = failure_types(self.context.program.types)
        item, columns = self.items[0], self.columns[0]
        for position, value in enumerate(columns.values):
            try:
                columns.values[position] = encode_ok(item, value, types)
            except EncodingError as error:
                self.fail(columns.instances[position], "value.encoding", f"it gave an invalid `{item}`: {error}")
        if self.faults:
            self.columns[0] = columns = columns.without(set(self.faults))
        for instance, fault in self.faults.items():
            columns.extend(Columns([None], [None], [encode_err(fault, item, types)], [instance]))

    def _collected(self) -> ItemSet:
        """The failures as a set: keys and names are those of the items, in their order."""
        order = sorted(self.faults)
        return ItemSet(
            [self.plan.key(i) for i in order],
            [self.plan.name(i) for i in order],
            [encode_failure(self.faults[i], self.context.program.types) for i in order],
        )


def encode_ok(item: Type, value: Buffer, types: TypeTable) -> bytes:
    """The encoded `value` of type `item` as `ok` of `result[item, Failure]`; `EncodingError` if it is invalid."""
    if item in (STR, BYTES):
        return b"".join((b"\0", len(value).to_bytes(8, "little"), value))
    return encode(Result(item, FAILURE), Variant(0, (decode(item, bytes(value), types),)), types)
