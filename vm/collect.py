"""Reads what a shard left behind and builds the output sets of a node from it.

The tables were validated by the placement (offsets, order, instance numbers); what they *say* was not, and an image is
untrusted: outputs that do not exist, a second item where one is due, keys that are no keys, names that are no text
become faults of the instance that made them. Values stay bytes: whoever reads one decodes and validates it.
"""

from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from dandc.compiler.encoding import EncodingError
from dandc.compiler.flow import FlowType, KernelImage, OutputDecl
from dandc.compiler.keys import decode_key
from dandc.compiler.types import STR, Type, TypeTable
from dandc.isolation import ABSENT, FAIL, FINISHED, NOTE, Outcome
from dandc.lang.spans import Span
from dandc.vm.items import Buffer, ItemSet, take
from dandc.vm.shards import Plan

# Values from here on are views into the shard's output instead of copies: below, a view costs more than it saves.
_VIEW_FROM = 64 << 10
_FAIL_TEXT_LIMIT = 64 << 10
# `state` of an instance that the image did not come to.
_NOT_RUN = 0


@define(slots=True, eq=False, repr=False)
class Columns:
    """Items of one output of one node: keys and names are None where the kernel said none."""

    keys: list[bytes | None] = field(factory=list)
    names: list[str | None] = field(factory=list)
    values: list[Buffer] = field(factory=list)
    instances: list[int] = field(factory=list)

    def extend(self, other: "Columns") -> None:
        """Append the items of `other`."""
        self.keys += other.keys
        self.names += other.names
        self.values += other.values
        self.instances += other.instances

    def without(self, instances: set[int]) -> "Columns":
        """The items of all other instances."""
        kept = [i for i, instance in enumerate(self.instances) if instance not in instances]
        return Columns(
            [self.keys[i] for i in kept],
            [self.names[i] for i in kept],
            [self.values[i] for i in kept],
            [self.instances[i] for i in kept],
        )


@frozen(slots=True)
class InstanceFault:
    """How one instance ended badly."""

    code: str
    message: str
    site: Span | None = None


@define(slots=True, eq=False, repr=False)
class ShardOutput:
    """What one shard gave: items by output, faults and notes by instance, and instances that must run again."""

    columns: list[Columns]
    faults: dict[int, InstanceFault] = field(factory=dict)
    notes: list[tuple[int, str]] = field(factory=list)
    again: list[int] = field(factory=list)


def read_shard(kernel: KernelImage, result: Outcome, base: int, types: TypeTable) -> ShardOutput:
    """The contents of a result without error. `base` is added to instance numbers."""
    output = ShardOutput([Columns() for _ in kernel.outputs])
    states = result.instances.state
    if states.count(FINISHED) != len(states):
        _read_endings(kernel, result, base, output)
    if not _read_plain(result, base, output):
        _read_entries(kernel, result, base, output, types)
    finished = [base + i for i, state in enumerate(states) if state == FINISHED]
    for declared, columns in zip(kernel.outputs, output.columns, strict=True):
        _check_counts(declared, columns, finished, output)
    bad = {*output.faults, *output.again}
    if bad:
        output.columns = [columns.without(bad) for columns in output.columns]
    return output


def _read_endings(kernel: KernelImage, result: Outcome, base: int, output: ShardOutput) -> None:
    """Sort out the instances that did not finish."""
    for i, state in enumerate(result.instances.state):
        if state == FINISHED:
            continue
        fault = _ending(kernel, result, i)
        # An area that earlier instances filled, or an image that stopped early, is no fault of this instance.
        if i > 0 and (fault.code == "limit.output" or state == _NOT_RUN):
            output.again.append(base + i)
        else:
            output.faults[base + i] = fault


def _ending(kernel: KernelImage, result: Outcome, instance: int) -> InstanceFault:
    records = result.instances
    site = records.site[instance]
    where = kernel.sites[site] if site < len(kernel.sites) else None
    if records.state[instance] == _NOT_RUN:
        return InstanceFault("sandbox.output", "the image ended without running the instance")
    if records.state[instance] == FAIL:
        start = records.message_offset[instance]
        length = min(records.message_length[instance], _FAIL_TEXT_LIMIT)
        return InstanceFault("fail", result.data[start : start + length].decode(errors="replace"), where)
    unknown = ("sandbox.output", f"the image reported the unknown trap {records.code[instance]}")
    name, message = trap_names().get(records.code[instance], unknown)
    return InstanceFault(name, message, where)


def trap_names() -> dict[int, tuple[str, str]]:
    """Trap number -> code and message."""
    # Imported here because the kernel IR is much code, and runs without a trap do not need it.
    from dandc.compiler.kir import TRAPS

    return {number: (code, message) for code, (number, message) in TRAPS.items()}


def _read_plain(result: Outcome, base: int, output: ShardOutput) -> bool:
    """Read entries of the common sort, without keys, names and notes, all of the first output, in a few C calls."""
    entries = result.entries
    count = len(entries)
    absent = entries.key_length.count(ABSENT) == entries.name_length.count(ABSENT) == count
    if not absent or not output.columns or entries.output.count(0) != count:
        return False
    data, view = result.data, memoryview(result.data)
    column = output.columns[0]
    column.keys = [None] * count
    column.names = [None] * count
    column.values = [
        data[start : start + length] if length < _VIEW_FROM else view[start : start + length]
        for start, length in zip(entries.value_offset, entries.value_length, strict=True)
    ]
    column.instances = [base + i for i in entries.instance] if base else list(entries.instance)
    return True


def _read_entries(kernel: KernelImage, result: Outcome, base: int, output: ShardOutput, types: TypeTable) -> None:
    data = result.data
    view = memoryview(data)
    columns = output.columns
    checks = [key_check(declared.key, types) for declared in kernel.outputs]
    for key_at, value_at, length, key_length, name_length, instance, number in result.entries:
        number_of_instance = base + instance
        if number >= len(columns):
            _read_note(view, value_at, length, number, number_of_instance, output)
            continue
        key = None
        name_at = key_at
        if key_length != ABSENT:
            name_at += key_length
            key = bytes(view[key_at:name_at])
            if not checks[number](key):
                output.faults[number_of_instance] = _bad_output(kernel.outputs[number], "an item has an invalid key")
        name = None
        if name_length != ABSENT:
            name = _text(view[name_at : name_at + name_length])
            if name is None:
                output.faults[number_of_instance] = _bad_output(kernel.outputs[number], "a name is not valid UTF-8")
        column = columns[number]
        column.keys.append(key)
        column.names.append(name)
        end = value_at + length
        column.values.append(bytes(view[value_at:end]) if length < _VIEW_FROM else view[value_at:end])
        column.instances.append(number_of_instance)


def _text(data: memoryview) -> str | None:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return None


def _read_note(view: memoryview, at: int, length: int, number: int, instance: int, output: ShardOutput) -> None:
    if number == NOTE:
        output.notes.append((instance, str(view[at : at + length], "utf-8", "replace")))
    else:
        output.faults[instance] = InstanceFault("sandbox.output", f"the kernel has no output number {number}")


def _bad_output(declared: OutputDecl, what: str) -> InstanceFault:
    return InstanceFault("sandbox.output", f"in the output `{declared.name}` {what}")


def _check_counts(declared: OutputDecl, columns: Columns, finished: list[int], output: ShardOutput) -> None:
    """Hold the number of items an instance against the kind of the output."""
    if declared.kind == "set" or columns.instances == finished:
        return
    counts = dict.fromkeys(finished, 0)
    for instance in columns.instances:
        counts[instance] = counts.get(instance, 0) + 1
    least = 1 if declared.kind == "one" else 0
    for instance, count in counts.items():
        if not least <= count <= 1 and instance not in output.faults:
            output.faults[instance] = _bad_output(declared, f"{count} items stand where {declared.kind} is declared")


def key_check(key: Type | None, types: TypeTable) -> Callable[[bytes], bool]:
    """A test whether bytes are a key of type `key`; without a type no bytes are."""
    if key is None:
        return lambda data: False
    if key == STR:
        return _is_text

    def check(data: bytes) -> bool:
        try:
            decode_key(key, data, types)
        except EncodingError:
            return False
        return True

    return check


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def build_set(columns: Columns, plan: Plan, flow: FlowType) -> tuple[ItemSet, int | None]:
    """The set of one output, in order, with inherited keys and names.

    The second value is an instance whose item should have a key and cannot inherit one, or None.
    """
    names = _names(columns, plan)
    if flow.key is None:
        return _ordered(ItemSet([None] * len(names), names, columns.values), columns.instances, keyed=False), None
    keys = [plan.key(i) if key is None else key for key, i in zip(columns.keys, columns.instances, strict=True)]
    if None in keys:
        return ItemSet((), (), ()), columns.instances[keys.index(None)]
    return _ordered(ItemSet(keys, names, columns.values), columns.instances, keyed=True), None


def _names(columns: Columns, plan: Plan) -> list[str]:
    if plan.sharded < 0 or plan.keyed:
        return [name or "" for name in columns.names]
    return [plan.name(i) if name is None else name for name, i in zip(columns.names, columns.instances, strict=True)]


def _ordered(items: ItemSet, instances: Sequence[int], *, keyed: bool) -> ItemSet:
    """By (key, instance, emission). Emissions of an instance are in order already, so a stable sort does it."""
    order = sorted(range(len(instances)), key=instances.__getitem__)
    if keyed:
        keys: list[bytes] = [key or b"" for key in items.keys]
        order.sort(key=keys.__getitem__)
    return items if order == list(range(len(order))) else take(items, order)
