"""Constants of a kernel in its image: laid out as values lie in memory, in read-only data.

Every buffer of a value is one block of bytes with pointers to other blocks in it; equal blocks are one. All headers have
capacity 0, which is what makes a buffer shared: whoever changes its own first copies it (`memory.own`).
"""

from attrs import Factory, define

from dandc.compiler.codegen.builder import Block, Module
from dandc.compiler.codegen.layout import element, is_header, is_record
from dandc.compiler.encoding import Variant, encode
from dandc.compiler.kir import StaticValue
from dandc.compiler.types import UNIT, Array, Type, fields, is_scalar, variants


@define(eq=False)
class _Growing:
    """A block being filled: its bytes, and the names of blocks that pointers in it lead to, by offset."""

    data: bytearray
    pointers: dict[int, str] = Factory(dict)

    def finish(self) -> Block:
        return Block(bytes(self.data), tuple(sorted(self.pointers.items())))


def static_value(module: Module, t: Type, value: StaticValue) -> str:
    """A pointer to the value of type `t` in read-only memory."""
    block = _Growing(bytearray(module.layout.size(t)))
    _put(module, block, 0, t, value)
    return module.block(block.finish())


def _put(module: Module, block: _Growing, at: int, t: Type, value: StaticValue) -> None:
    """Writes a value at an offset of a block."""
    if t == UNIT:
        return
    if is_scalar(t):
        data = encode(t, value, {})
        block.data[at : at + len(data)] = data
    elif is_header(t):
        pointer, length = _buffer(module, t, value)
        if pointer != "null":
            block.pointers[at] = pointer
        block.data[at + 8 : at + 16] = length.to_bytes(8, "little")
    elif isinstance(value, Variant):
        block.data[at : at + 8] = value.index.to_bytes(8, "little")
        _sequence(module, block, at + 8, variants(t, module.layout.types)[value.index][1], value.fields)
    else:
        assert is_record(t, module.layout.types)
        assert isinstance(value, tuple)
        _sequence(module, block, at, tuple(part for _, part in fields(t, module.layout.types)), value)


def _sequence(
    module: Module, block: _Growing, at: int, types: tuple[Type, ...], values: tuple[StaticValue, ...]
) -> None:
    for t, value in zip(types, values, strict=True):
        step = module.layout.align(t)
        at = (at + step - 1) // step * step
        _put(module, block, at, t, value)
        at += module.layout.size(t)


def _buffer(module: Module, t: Type, value: StaticValue) -> tuple[str, int]:
    """A pointer to the contents of a text or array, and how many elements there are."""
    if isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        return module.constant(data), len(data)
    assert isinstance(value, tuple)
    item = element(t)
    if not value:
        return "null", 0
    if is_scalar(item):
        return module.block(Block(encode(Array(item), list(value), {}), ())), len(value)
    size = module.layout.size(item)
    block = _Growing(bytearray(size * len(value)))
    for number, part in enumerate(value):
        _put(module, block, size * number, item, part)
    return module.block(block.finish()), len(value)
