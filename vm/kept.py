"""How one instance ended, as bytes: what a cache and a journal keep of calls of kernels and of drivers.

Reading trusts nothing: entries lie in files that anybody may have changed, and what is read becomes items of a run. So
every length is checked, outputs must exist, counts must be those that are declared, keys must be keys. Values stay bytes, as
everywhere in the machine: whoever reads one validates it. Must never hold a secret: faults are scrubbed before they come here.
"""

import contextlib
import struct
from array import array
from collections.abc import Mapping, Sequence
from operator import eq

from attrs import field

from dandc.compiler.flow import OutputDecl
from dandc.compiler.types import TypeTable
from dandc.lang.values import frozen
from dandc.vm.collect import Columns, key_check
from dandc.vm.items import Buffer

# One item without key and name of the only output: nine of ten entries.
_PLAIN = b"P"
_GENERAL = b"G"
_HEAD = struct.Struct("<II?")
_ITEM = struct.Struct("<IIIQ")
_FAULT = struct.Struct("<iI?HI")
_LENGTH = struct.Struct("<I")
_ABSENT = 0xFFFFFFFF

Item = tuple[int, bytes | None, str | None, Buffer]


class KeptError(Exception):
    """Bytes that are no ended instance of this call."""


@frozen(slots=True)
class KeptFault:
    """A fault without its place in this run. `site` numbers the kernel's sites (-1: none); `safe`: nothing had been done."""

    code: str
    message: str
    site: int = -1
    attempts: int = 1
    safe: bool = False


@frozen(slots=True)
class Ended:
    """Items as (output, key, name, value), by output and then by emission; or a fault; and what the kernel noted."""

    items: tuple[Item, ...] = field(default=(), repr=False)
    fault: KeptFault | None = None
    notes: tuple[str, ...] = ()


def repeatable_fault(code: str) -> bool:
    """Whether an instance with the same code and inputs always ends like this: traps and `fail` do, running out does not."""
    return code == "fail" or code.startswith("trap.")


def pack(ended: Ended) -> bytes:
    """The bytes of an ended instance."""
    if len(ended.items) == 1 and ended.fault is None and not ended.notes:
        output, key, name, value = ended.items[0]
        if output == 0 and key is None and name is None:
            return _PLAIN + value
    parts: list[Buffer] = [_GENERAL, _HEAD.pack(len(ended.items), len(ended.notes), ended.fault is not None)]
    for item in ended.items:
        parts += _packed_item(item)
    for note in ended.notes:
        data = note.encode("utf-8", "surrogatepass")
        parts += (_LENGTH.pack(len(data)), data)
    if ended.fault is not None:
        fault = ended.fault
        code, message = fault.code.encode(), fault.message.encode("utf-8", "surrogatepass")
        parts += (_FAULT.pack(fault.site, fault.attempts, fault.safe, len(code), len(message)), code, message)
    return b"".join(parts)


def _packed_item(item: Item) -> tuple[Buffer, ...]:
    output, key, name, value = item
    named = b"" if name is None else name.encode("utf-8", "surrogatepass")
    key_length = _ABSENT if key is None else len(key)
    name_length = _ABSENT if name is None else len(named)
    return _ITEM.pack(output, key_length, name_length, len(value)), key or b"", named, value


def unpack(data: bytes, outputs: Sequence[OutputDecl], types: TypeTable) -> Ended:
    """The ended instance of a call with these outputs; raises `KeptError`."""
    if data[:1] == _PLAIN:
        ended = Ended(((0, None, None, data[1:]),))
    elif data[:1] == _GENERAL:
        ended = _Reader(data).ended()
    else:
        raise KeptError("unknown kind of entry")
    if ended.fault is None:
        _check(ended, outputs, types)
    elif ended.items:
        raise KeptError("items beside a fault")
    return ended


def fault_of(data: bytes) -> KeptFault | None:
    """The fault of an ended instance of whatever call; None for one that gave items, and for strange bytes."""
    try:
        return _Reader(data).ended().fault if data[:1] == _GENERAL else None
    except KeptError:
        return None


def unpack_all(
    found: Mapping[int, bytes], outputs: Sequence[OutputDecl], types: TypeTable
) -> tuple[dict[int, Ended], list[tuple[int, bytes]]]:
    """Ended instances by number, and apart from them those that gave one plain item, as that; strange ones are left out."""
    plain: list[tuple[int, bytes]] = []
    others: dict[int, Ended] = {}
    alone = bool(outputs) and all(declared.kind != "one" for declared in outputs[1:])
    for instance, data in found.items():
        if alone and data[:1] == _PLAIN:
            plain.append((instance, data[1:]))
            continue
        with contextlib.suppress(KeptError):  # as good as none
            others[instance] = unpack(data, outputs, types)
    return others, plain


def _check(ended: Ended, outputs: Sequence[OutputDecl], types: TypeTable) -> None:
    counts = [0] * len(outputs)
    for output, key, _, _ in ended.items:
        if output >= len(outputs):
            raise KeptError("an output that is not there")
        if key is not None and not key_check(outputs[output].key, types)(key):
            raise KeptError("a key that is none")
        counts[output] += 1
    for declared, count in zip(outputs, counts, strict=True):
        if declared.kind != "set" and not (1 if declared.kind == "one" else 0) <= count <= 1:
            raise KeptError("a number of items that is not declared")


class _Reader:
    """Reads one general entry from its start to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 1

    def ended(self) -> Ended:
        items, notes, failed = self._unpack(_HEAD)
        # Every item and note takes some bytes, so hostile counts end at the end of the data.
        found = tuple(self._item() for _ in range(items))
        noted = tuple(self._text(self._unpack(_LENGTH)[0]) for _ in range(notes))
        fault = self._fault() if failed else None
        if self._at != len(self._data):
            raise KeptError("bytes are left over")
        return Ended(found, fault, noted)

    def _unpack(self, shape: struct.Struct) -> tuple[int, ...]:
        return shape.unpack(self._take(shape.size))

    def _take(self, length: int) -> bytes:
        start = self._at
        self._at += length
        if self._at > len(self._data):
            raise KeptError("it ends too early")
        return self._data[start : self._at]

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise KeptError("a text that is none") from None

    def _item(self) -> Item:
        output, key_length, name_length, length = self._unpack(_ITEM)
        key = None if key_length == _ABSENT else self._take(key_length)
        name = None if name_length == _ABSENT else self._text(name_length)
        return output, key, name, self._take(length)

    def _fault(self) -> KeptFault:
        site, attempts, safe, code, message = self._unpack(_FAULT)
        return KeptFault(self._text(code), self._text(message), site, attempts, bool(safe))


def columns_of(known: Mapping[int, Ended], outputs: int) -> list[Columns]:
    """The items of ended instances, by output; the instances must ascend."""
    keys: list[list[bytes | None]] = [[] for _ in range(outputs)]
    names: list[list[str | None]] = [[] for _ in range(outputs)]
    values: list[list[Buffer]] = [[] for _ in range(outputs)]
    instances = [array("I") for _ in range(outputs)]
    for instance, ended in known.items():
        for output, key, name, value in ended.items:
            keys[output].append(key)
            names[output].append(name)
            values[output].append(value)
            instances[output].append(instance)
    return list(map(Columns, keys, names, values, instances))


def pack_all(
    columns: Sequence[Columns],
    faults: Mapping[int, KeptFault],
    notes: Sequence[tuple[int, str]],
    instances: Sequence[int],
) -> list[bytes | None]:
    """The bytes of many instances at once, in order of `instances`; None for a fault that need not happen again."""
    if not faults and not notes and len(columns) == 1 and _is_plain(columns[0], instances):
        return [_PLAIN + value for value in columns[0].values]
    items: dict[int, list[Item]] = {instance: [] for instance in instances}
    for output, column in enumerate(columns):
        absent = [None] * len(column.values)
        rows = zip(column.keys or absent, column.names or absent, column.values, column.instances, strict=True)
        for key, name, value, instance in rows:
            items[instance].append((output, key, name, value))
    noted: dict[int, list[str]] = {}
    for instance, text in notes:
        noted.setdefault(instance, []).append(text)
    packed: list[bytes | None] = []
    for instance in instances:
        fault = faults.get(instance)
        if fault is not None and not repeatable_fault(fault.code):
            packed.append(None)
            continue
        given = () if fault is not None else tuple(items[instance])
        packed.append(pack(Ended(given, fault, tuple(noted.get(instance, ())))))
    return packed


def _is_plain(column: Columns, instances: Sequence[int]) -> bool:
    """Whether every instance gave one item without key and name."""
    count = len(column.values)
    if any(part is not None and list(part).count(None) != count for part in (column.keys, column.names)):
        return False
    return len(instances) == count and all(map(eq, column.instances, instances))
