"""Programs of Python kernels for tests of the machine.

`FakePlacement` stands in for sandboxes only: it reads the input block by the words of `docs/image.md`, byte by byte and
sharing nothing with the code that builds it, runs a Python function an instance, writes a real output area, and lets
isolation's own reader check that. What the machine does with shards, it does here as it does with sandboxes.
"""

import struct
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    ComputeNode,
    Config,
    Endpoint,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    KernelImage,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Policies,
    Program,
)
from dandc.compiler.types import STR, Type
from dandc.isolation import Outcome
from dandc.isolation.outcome import read_tables
from dandc.lang.spans import Span

Item = tuple[bytes | None, str, bytes]
Emission = tuple[int, bytes | None, str | None, bytes]
Kernel = Callable[..., Sequence[Emission]]
NONE = 0xFFFFFFFF


class Trap(Exception):
    """The instance traps with this number at site 0."""


class Fail(Exception):
    """The instance fails with this message."""


class Crash(Exception):
    """The sandbox dies with this error; the whole shard is lost."""


def read_block(block: bytes) -> list[list[list[Item]]]:
    """instance -> parameter -> items, straight from the page."""
    params, instances, rows_at, _ = struct.unpack_from("<4Q", block)
    tables = [struct.unpack_from("<2Q", block, 32 + 16 * p) for p in range(params)]
    assert rows_at % 8 == 0
    found = []
    for i in range(instances):
        row = []
        for p in range(params):
            start, count = struct.unpack_from("<2I", block, rows_at + 8 * (i * params + p))
            at, total = tables[p]
            assert at % 8 == 0
            assert start + count <= total
            row.append([read_item(block, at + 32 * k) for k in range(start, start + count)])
        found.append(row)
    return found


def read_item(block: bytes, at: int) -> Item:
    """One entry of an item table."""
    key_at, value_at, value_length, key_length, name_length = struct.unpack_from("<3Q2I", block, at)
    assert value_at % 16 == 0
    assert value_at + value_length <= len(block)
    key = None if key_length == NONE else block[key_at : key_at + key_length]
    name_at = key_at + len(key or b"")
    return key, block[name_at : name_at + name_length].decode(), block[value_at : value_at + value_length]


class Area:
    """An output area under construction."""

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self.data = bytearray(40 * count)
        self.entries: list[bytes] = []
        self.counted = 0

    def put(self, content: bytes) -> int:
        self.data += bytes(-len(self.data) % 16)
        self.data += content
        return len(self.data) - len(content)

    def emit(self, instance: int, emission: Emission) -> bool:
        output, key, name, value = emission
        if len(self.data) + len(value) + len(key or b"") + 64 > self.size - 40 * (len(self.entries) + 1):
            return False
        text = (key or b"") + (name or "").encode()
        key_at = self.put(text)
        lengths = (NONE if key is None else len(key), NONE if name is None else len(name.encode()))
        self.entries.append(struct.pack("<3Q4I", key_at, self.put(value), len(value), *lengths, instance, output))
        return True

    def record(self, instance: int, state: int, code: int = 0, site: int = NONE, message: bytes = b"") -> None:
        at = self.put(message) if message else 0
        notes = sum(entry[-4:] == b"\xfe\xff\xff\xff" for entry in self.entries[self.counted :])
        self.counted = len(self.entries)
        struct.pack_into(
            "<4I3Q", self.data, 40 * instance, state, code, site, notes, at, len(message), len(self.entries)
        )

    def outcome(self, count: int, cpu_us: int) -> Outcome:
        whole = bytes(self.data) + bytes(self.size - len(self.data) - 40 * len(self.entries))
        whole += b"".join(reversed(self.entries))
        tables = read_tables(
            lambda length, offset: whole[offset : offset + length], self.size, 0, count, len(self.data),
            len(self.entries),
        )  # fmt: skip
        return Outcome(None, "", *tables, cpu_us=cpu_us, wall_us=cpu_us)


class FakePlacement:
    """Runs Python kernels; `shards` records `(kernel, instances)` of every shard."""

    def __init__(self, kernels: dict[str, Kernel], cost_us: int = 1) -> None:
        self.kernels = kernels
        self.cost_us = cost_us
        self.shards: list[tuple[str, int]] = []
        self.running = 0
        self.most_running = 0
        self.cancelled = 0

    async def run_shard(
        self,
        kernel: KernelImage,
        inputs: Sequence[Any],
        first: int,
        last: int,
        limits: Any,
        *,
        background: bool = False,
    ) -> Outcome:
        self.shards.append((kernel.name, last - first))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await anyio.lowlevel.checkpoint()
            return self._run(kernel, read_block(b"".join(inputs)), first, last, limits)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    def _run(self, kernel: KernelImage, rows: list[list[list[Item]]], first: int, last: int, limits: Any) -> Outcome:
        assert (first, last) == (0, len(rows))
        area = Area(last, limits.output)
        full = False
        for instance, row in enumerate(rows):
            if full:
                area.record(instance, 0)
                continue
            kept = len(area.entries)
            try:
                for emission in self.kernels[kernel.name](*row):
                    if not area.emit(instance, emission):
                        raise Trap(11)
                area.record(instance, 1)
            except Trap as trap:
                full = trap.args[0] == 11
                del area.entries[kept:]
                area.record(instance, 2, trap.args[0], 0)
            except Fail as fail:
                del area.entries[kept:]
                area.record(instance, 3, 0, 0, fail.args[0].encode())
            except Crash as crash:
                return Outcome(crash.args[0], "as the test wants")
        return area.outcome(last, self.cost_us * (last - first))


SITE = Span("kernels.dnd", 10, 20)
CALL = Span("main.dnd", 1, 2)


def port(kind: str, item: Type = STR, key: Type | None = None, name: str = "x") -> ParamDecl:
    return ParamDecl(name, kind, key, item)


def out(kind: str, item: Type = STR, key: Type | None = None, name: str = "y") -> OutputDecl:
    return OutputDecl(name, kind, key, item)


def kernel(name: str, params: Sequence[ParamDecl], outputs: Sequence[OutputDecl]) -> KernelImage:
    return KernelImage(name, tuple(params), tuple(outputs), (SITE,), b"")


def arg(source: Any, shard: str = "one", *, optional: bool = False) -> ArgBinding:
    return ArgBinding(source, shard, optional)


def node(name: str, args: Sequence[ArgBinding], outputs: Sequence[FlowType], **policies: Any) -> ComputeNode:
    return ComputeNode(name, name, tuple(args), tuple(outputs), Policies(**policies), CALL)


def call(
    name: str, module: str, operation: str, params: Sequence[ParamDecl], declared: Sequence[OutputDecl],
    args: Sequence[ArgBinding], outputs: Sequence[FlowType], **policies: Any,
) -> CommunicationNode:  # fmt: skip
    return CommunicationNode(
        name, module, operation, tuple(params), tuple(declared), tuple(args), tuple(outputs), Policies(**policies), CALL
    )


def graph(
    inputs: dict[str, FlowType], nodes: Sequence[Any], outputs: dict[str, tuple[FlowType, Any]], name: str = "main"
) -> Graph:
    return Graph(
        name,
        tuple(GraphPort(n, t) for n, t in inputs.items()),
        tuple(GraphOutput(n, t, s) for n, (t, s) in outputs.items()),
        tuple(nodes),
    )


def program(
    graphs: Sequence[Graph], kernels: Sequence[KernelImage] = (), configs: Sequence[Config] = (),
    endpoints: Sequence[Endpoint] = (), types: dict[str, Any] | None = None,
) -> Program:  # fmt: skip
    return Program(
        "test", {g.name: g for g in graphs}, {k.name: k for k in kernels}, tuple(configs), tuple(endpoints), types or {}
    )


def many(item: Type = STR, key: Type | None = None) -> FlowType:
    return FlowType("many", key, item)


def one(item: Type = STR) -> FlowType:
    return FlowType("one", None, item)


def optional(item: Type = STR) -> FlowType:
    return FlowType("optional", None, item)


@pytest.fixture
def kit() -> SimpleNamespace:
    """Everything above under one name."""
    names = "Trap Fail Crash FakePlacement SITE CALL port out kernel arg node call graph program many one optional"
    return SimpleNamespace(**{n: globals()[n] for n in names.split()}, input=InputSource, at=NodeSource)
