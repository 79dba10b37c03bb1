"""Reads what a shard left behind into columns.

The tables were validated by the placement (offsets, order, instance numbers); what they *say* was not, and an image is
untrusted: outputs that do not exist, a second item where one is due, keys that are no keys, names that are no text
become faults of the instance that made them. Values stay bytes: whoever reads one decodes and validates it.
"""

from array import array
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from operator import eq
from struct import Struct

from attrs import define, evolve, field

from dandc.compiler.encoding import EncodingError
from dandc.compiler.flow import KernelImage, OutputDecl
from dandc.compiler.keys import decode_key
from dandc.compiler.types import STR, Type, TypeTable
from dandc.isolation import ABSENT, FAIL, FINISHED, NOTE, Outcome, progression, uniform
from dandc.lang.spans import Span
from dandc.lang.values import frozen
from dandc.vm.items import Buffer

# Values from here on are views into the shard's output instead of copies: below, a view costs more than it saves.
_VIEW_FROM = 64 << 10
_FAIL_TEXT_LIMIT = 64 << 10
# `state` of an instance that the image did not come to.
_NOT_RUN = 0
# Values of one length that lie no farther apart than padding explains are cut in one go.
_STEP = 16


@define(slots=True, eq=False, repr=False)
class Columns:
    """Items of one output of some instances, by instance: keys and names are None where the kernel said none.

    A whole column that is None stands for nothing but Nones. `instances` is a range where each instance gave one item.
    """

    keys: Sequence[bytes | None] | None = None
    names: Sequence[str | None] | None = None
    values: Sequence[Buffer] = ()
    instances: Sequence[int] = ()

    def without(self, instances: AbstractSet[int]) -> "Columns":
        """The items of all other instances."""
        kept = array("I", (i for i, instance in enumerate(self.instances) if instance not in instances))
        if len(kept) == len(self.instances):
            return self
        return Columns(
            None if self.keys is None else [self.keys[i] for i in kept],
            None if self.names is None else [self.names[i] for i in kept],
            [self.values[i] for i in kept],
            array("I", map(self.instances.__getitem__, kept)),
        )


@frozen(slots=True)
class InstanceFault:
    """How one instance ended badly."""

    code: str
    message: str
    site: Span | None = None
    hint: str = ""


@define(slots=True, eq=False, repr=False)
class ShardOutput:
    """What one shard gave: items by output, faults and notes by instance, and instances that must run again."""

    columns: list[Columns]
    faults: dict[int, InstanceFault] = field(factory=dict)
    notes: list[tuple[int, str]] = field(factory=list)
    again: list[int] = field(factory=list)


def read_shard(kernel: KernelImage, result: Outcome, base: int, types: TypeTable) -> ShardOutput:
    """The contents of a result without error. `base` is added to instance numbers."""
    alone = _read_alone(kernel, result, base)
    if alone is not None:
        return alone
    output = ShardOutput([])
    states = result.instances.state
    if not uniform(states, FINISHED):
        _read_endings(kernel, result, base, output)
    plain = _read_plain(kernel, result, base)
    output.columns = _read_entries(kernel, result, base, output, types) if plain is None else plain
    finished = _finished(states, base)
    for declared, columns in zip(kernel.outputs, output.columns, strict=True):
        _check_counts(declared, columns, finished, output)
    bad = {*output.faults, *output.again}
    if bad:
        output.columns = [columns.without(bad) for columns in output.columns]
    return output


def renumbered(output: ShardOutput, instances: Sequence[int]) -> ShardOutput:
    """The output of a shard whose instances were numbered from 0, by what these numbers stand for."""
    columns = [evolve(c, instances=array("I", [instances[i] for i in c.instances])) for c in output.columns]
    faults = {instances[i]: fault for i, fault in output.faults.items()}
    notes = [(instances[i], text) for i, text in output.notes]
    return ShardOutput(columns, faults, notes, [instances[i] for i in output.again])


def _read_alone(kernel: KernelImage, result: Outcome, base: int) -> ShardOutput | None:
    """What a single finished instance gave, if that is one item of the first output without key and name.

    The most common of all small shards: nothing in it can be a fault, and looking at columns costs more than it does.
    """
    entries, outputs = result.entries, kernel.outputs
    if len(entries.output) != 1 or len(result.instances.state) != 1 or result.instances.state[0] != FINISHED:
        return None
    if entries.key_length[0] != ABSENT or entries.name_length[0] != ABSENT or entries.output[0] or not outputs:
        return None
    if len(outputs) > 1 and any(declared.kind == "one" for declared in outputs[1:]):
        return None
    columns = [Columns(None, None, _plain_values(result), range(base, base + 1))]
    if len(outputs) > 1:
        columns += [Columns() for _ in outputs[1:]]
    return ShardOutput(columns)


def _finished(states: "array[int]", base: int) -> Sequence[int]:
    if uniform(states, FINISHED):
        return range(base, base + len(states))
    return [base + i for i, state in enumerate(states) if state == FINISHED]


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


def _read_plain(kernel: KernelImage, result: Outcome, base: int) -> list[Columns] | None:
    """Read entries of the common sort, without keys, names and notes, all of the first output, in a few C calls."""
    entries = result.entries
    count = len(entries)
    absent = uniform(entries.key_length, ABSENT) and uniform(entries.name_length, ABSENT)
    if not absent or not kernel.outputs or not uniform(entries.output, 0):
        return None
    if entries.instance == progression("I", 0, count):
        instances: Sequence[int] = range(base, base + count)
    else:
        instances = array("I", [base + i for i in entries.instance]) if base else entries.instance
    columns = Columns(None, None, _plain_values(result), instances)
    return [columns, *(Columns() for _ in kernel.outputs[1:])]


def _plain_values(result: Outcome) -> list[Buffer]:
    """The values of all entries; those of one length at one distance are cut by a single call."""
    offsets, lengths, data = result.entries.value_offset, result.entries.value_length, result.data
    count = len(offsets)
    if count == 1 and lengths[0] < _VIEW_FROM:
        return [data[offsets[0] : offsets[0] + lengths[0]]]
    if count > 1 and lengths[0] < _VIEW_FROM and uniform(lengths, lengths[0]):
        length, start, step = lengths[0], offsets[0], offsets[1] - offsets[0]
        if max(1, length) <= step <= 2 * _STEP + length and offsets == progression("Q", start, count, step):
            row = Struct(f"{length}s{step - length}x")
            whole = memoryview(data)[start : start + (count - 1) * step]
            last = start + (count - 1) * step
            return [*chain.from_iterable(row.iter_unpack(whole)), data[last : last + length]]
    view = memoryview(data)
    return [
        data[start : start + length] if length < _VIEW_FROM else view[start : start + length]
        for start, length in zip(offsets, lengths, strict=True)
    ]


def _read_entries(
    kernel: KernelImage, result: Outcome, base: int, output: ShardOutput, types: TypeTable
) -> list[Columns]:
    data = result.data
    view = memoryview(data)
    columns: list[tuple[list[bytes | None], list[str | None], list[Buffer], array[int]]]
    columns = [([], [], [], array("I")) for _ in kernel.outputs]
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
            key = data[key_at:name_at]
            if not checks[number](key):
                output.faults[number_of_instance] = _bad_output(kernel.outputs[number], "an item has an invalid key")
        name = None
        if name_length != ABSENT:
            name = _text(view[name_at : name_at + name_length])
            if name is None:
                output.faults[number_of_instance] = _bad_output(kernel.outputs[number], "a name is not valid UTF-8")
        keys, names, values, instances = columns[number]
        keys.append(key)
        names.append(name)
        end = value_at + length
        values.append(data[value_at:end] if length < _VIEW_FROM else view[value_at:end])
        instances.append(number_of_instance)
    return [_columns(*column, base) for column in columns]


def _columns(
    keys: list[bytes | None], names: list[str | None], values: list[Buffer], instances: "array[int]", base: int
) -> Columns:
    plain = range(base, base + len(instances))
    return Columns(
        None if keys.count(None) == len(keys) else keys,
        None if names.count(None) == len(names) else names,
        values,
        plain if instances == array("I", plain) else instances,
    )


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


def _check_counts(declared: OutputDecl, columns: Columns, finished: Sequence[int], output: ShardOutput) -> None:
    """Hold the number of items an instance against the kind of the output."""
    if declared.kind == "set" or _same(columns.instances, finished):
        return
    counts = dict.fromkeys(finished, 0)
    for instance in columns.instances:
        counts[instance] = counts.get(instance, 0) + 1
    least = 1 if declared.kind == "one" else 0
    for instance, count in counts.items():
        if not least <= count <= 1 and instance not in output.faults:
            output.faults[instance] = _bad_output(declared, f"{count} items stand where {declared.kind} is declared")


def _same(some: Sequence[int], others: Sequence[int]) -> bool:
    if isinstance(some, range) and isinstance(others, range):
        return some == others
    return len(some) == len(others) and all(map(eq, some, others))


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
