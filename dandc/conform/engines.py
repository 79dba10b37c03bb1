"""Where kernels of examples run: the reference interpreter behind the interface of the sandbox pool, and images in it.

All three answers come back in the same tables (`docs/image.md`), so one reader compares them.
"""

import struct
from array import array
from collections.abc import Sequence
from typing import Any

from attrs import Factory, define

from dandc.compiler.encoding import Variant, decode, encode
from dandc.compiler.flow import KernelImage, OutputDecl, ParamDecl
from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.keys import decode_key, encode_key
from dandc.compiler.kir import TRAPS, Kernel
from dandc.isolation import ABSENT, FAIL, FINISHED, NOTE, TRAP, Entries, Instances, Limits, Outcome
from dandc.vm import Placement
from dandc.vm.collect import ShardOutput, read_shard
from dandc.vm.inputs import build_block
from dandc.vm.items import Buffer, ItemSet

_STEPS = 20_000_000


@define
class InterpreterPlacement:
    """Runs shards of known kernels on the reference interpreter. For tests and sessions: it is slow and has no wall."""

    kernels: dict[str, Kernel]

    async def run_shard(
        self,
        kernel: KernelImage,
        inputs: Sequence[Buffer],
        first: int,
        last: int,
        limits: Limits,
        *,
        background: bool = False,
    ) -> Outcome:
        """Run the instances one after the other; `limits` do not apply."""
        known = self.kernels[kernel.name]
        block = b"".join(inputs)
        results = run_kernel(known, [_arguments(known, block, i) for i in range(first, last)], _STEPS)
        if any(r.trap == "limit.steps" for r in results):
            return Outcome("limit.steps", f"after {_STEPS:,} steps")
        return _tables(known, kernel, results, first)


def _arguments(kernel: Kernel, block: bytes, instance: int) -> list[Any]:
    """The neutral arguments of an instance out of an input block."""
    _, _, rows, _ = struct.unpack_from("<4Q", block, 0)
    count = len(kernel.params)
    arguments = []
    for number, param in enumerate(kernel.params):
        table, _ = struct.unpack_from("<2Q", block, 32 + 16 * number)
        start, length = struct.unpack_from("<2I", block, rows + 8 * (instance * count + number))
        items = [_item(kernel, param, block, table + 32 * (start + i)) for i in range(length)]
        arguments.append(_argument(param, items))
    return arguments


def _item(kernel: Kernel, param: ParamDecl, block: bytes, at: int) -> tuple[Any, str, Any]:
    key_at, value_at, length, key_length, name_length = struct.unpack_from("<3Q2I", block, at)
    key_length = 0 if key_length == ABSENT else key_length
    name = block[key_at + key_length : key_at + key_length + name_length].decode()
    key = None if param.key is None else decode_key(param.key, block[key_at : key_at + key_length], kernel.types)
    return key, name, decode(param.item, block[value_at : value_at + length], kernel.types)


def _argument(param: ParamDecl, items: list[tuple[Any, str, Any]]) -> Any:
    if param.kind == "set":
        return items
    if param.kind == "optional":
        return Variant(1, (items[0][2],)) if items else Variant(0)
    return items[0][2]


@define
class _Tables:
    """Output tables that grow."""

    data: bytearray = Factory(bytearray)
    rows: list[tuple[int, ...]] = Factory(list)
    entries: list[tuple[int, ...]] = Factory(list)

    def put(self, content: bytes) -> int:
        """Keep `content`; its offset."""
        at = len(self.data)
        self.data += content
        return at


def _tables(kernel: Kernel, image: KernelImage, results: list[InstanceResult], first: int) -> Outcome:
    """What an image would have left."""
    numbers = {span: i for i, span in enumerate(image.sites)}
    tables = _Tables()
    for instance, result in enumerate(results, first):
        for note in result.notes:
            text = note.encode()
            tables.entries.append((0, tables.put(text), len(text), ABSENT, ABSENT, instance, NOTE))
        for emission in result.emissions:
            tables.entries.append(_entry(kernel, tables, emission, instance))
        state = {"ok": FINISHED, "trap": TRAP, "fail": FAIL}[result.state]
        code = TRAPS[result.trap][0] if result.trap else 0
        site = ABSENT if result.site is None else numbers.get(result.site, ABSENT)
        message = result.message.encode()
        at = tables.put(message)
        tables.rows.append((state, code, site, len(result.notes), at, len(message), len(tables.entries)))
    rows, entries = tables.rows, tables.entries
    instances = Instances(
        *(array("I", [row[i] for row in rows]) for i in range(4)),
        *(array("Q", [row[i] for row in rows]) for i in range(4, 7)),
    )
    columns = Entries(
        *(array("Q", [e[i] for e in entries]) for i in range(3)),
        *(array("I", [e[i] for e in entries]) for i in range(3, 7)),
    )
    return Outcome(None, "", instances, columns, bytes(tables.data))


def _entry(kernel: Kernel, tables: _Tables, emission: Any, instance: int) -> tuple[int, ...]:
    declared: OutputDecl = kernel.outputs[emission.output]
    said = declared.key is not None and emission.key is not None
    key = encode_key(declared.key, emission.key, kernel.types) if said and declared.key is not None else b""
    name = b"" if emission.name is None else emission.name.encode()
    value = encode(declared.item, emission.value, kernel.types)
    key_at = tables.put(key + name)
    name_length = ABSENT if emission.name is None else len(name)
    key_length = len(key) if said else ABSENT
    return key_at, tables.put(value), len(value), key_length, name_length, instance, emission.output


async def run_instances(
    placement: Placement, kernel: KernelImage, types: Any, arguments: list[list[bytes | None]], limits: Limits
) -> ShardOutput | str:
    """What instances of a kernel give that takes items without keys (None: absent), or the error of the whole shard."""
    sets, rows = _columns(arguments, len(kernel.params))
    block = build_block(sets, rows, len(arguments))
    outcome = await placement.run_shard(kernel, block, 0, len(arguments), limits)
    if outcome.error is not None:
        return outcome.error
    return read_shard(kernel, outcome, 0, types)


def _columns(arguments: list[list[bytes | None]], params: int) -> tuple[list[ItemSet], "array[int]"]:
    values: list[list[bytes]] = [[] for _ in range(params)]
    rows = array("I")
    for row in arguments:
        for column, value in zip(values, row, strict=True):
            rows.extend((len(column), 0 if value is None else 1))
            if value is not None:
                column.append(value)
    return [ItemSet([None] * len(column), [""] * len(column), column) for column in values], rows
