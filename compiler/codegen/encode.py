"""Generated encoders: a value in memory becomes the bytes of `docs/image.md` in the output area.

One LLVM function a type; whole items that are texts or arrays of scalars are copied in one go. NaN is canonical.
"""

from typing import Protocol

from dandc.compiler.codegen import memory
from dandc.compiler.codegen.builder import Builder, Module
from dandc.compiler.codegen.layout import element, is_header, is_record, is_ssa
from dandc.compiler.codegen.ops import canonical
from dandc.compiler.encoding import is_raw, tag_size
from dandc.compiler.flow import OutputDecl
from dandc.compiler.kir import Emit, Operand
from dandc.compiler.limits import VALUE_DEPTH
from dandc.compiler.types import (
    BOOL,
    UNIT,
    Array,
    Tuple,
    Type,
    int_range,
    is_float,
    is_scalar,
    is_signed,
    stored_fields,
    variants,
)


class Operands(Protocol):
    """How the function that is being written reads operands."""

    b: Builder

    def type(self, operand: Operand) -> Type: ...
    def scalar(self, operand: Operand) -> str: ...
    def header(self, operand: Operand) -> tuple[str, str]: ...
    def pointer(self, operand: Operand) -> str: ...


def emit_item(f: Operands, instr: Emit, output: OutputDecl, site: int) -> None:
    """Writes an item of an output: value, key, name, entry."""
    b = f.b
    start = b.op(f"call ptr @out_begin(i32 {site})")
    _item_value(f, instr.value, output.item)
    value_end = b.load("ptr", "@out_pos")
    key = name = "-1"
    if instr.key is not None:
        _item_key(f, instr.key)
        key = _distance(b, value_end)
    if instr.name is not None:
        key_end = b.load("ptr", "@out_pos")
        data, length = f.header(instr.name)
        b.do(f"call void @out_bytes(ptr {data}, i64 {length})")
        name = _distance(b, key_end)
    b.do(f"call void @out_end(ptr {start}, ptr {value_end}, i64 {key}, i64 {name}, i32 {instr.output})")


def _distance(b: Builder, start: str) -> str:
    end = b.op(f"ptrtoint ptr {b.load('ptr', '@out_pos')} to i64")
    return b.op(f"sub i64 {end}, {b.op(f'ptrtoint ptr {start} to i64')}")


def _item_value(f: Operands, value: Operand, t: Type) -> None:
    if is_raw(t):
        _raw(f.b, element(t), *f.header(value))
    elif is_ssa(t):
        _put_scalar(f.b, t, f.scalar(value))
    else:
        f.b.do(f"call void {encoder(f.b.module, t)}(ptr {f.pointer(value)})")


def _raw(b: Builder, item: Type, data: str, count: str) -> None:
    if is_float(item):
        b.do(f"call void @out_{item}s(ptr {data}, i64 {count})")
        return
    b.do(f"call void @out_bytes(ptr {data}, i64 {b.op(f'mul i64 {count}, {b.layout.size(item)}')})")


def _put_scalar(b: Builder, t: Type, value: str) -> None:
    if t == UNIT:
        return
    target = b.op(f"call ptr @out_take(i64 {b.layout.size(t)})")
    if t == BOOL:
        value = b.op(f"zext i1 {value} to i8")
    elif is_float(t):
        value = canonical(b, t, value)
    b.store(b.layout.mem(t), value, target, 1)


def encoder(module: Module, t: Type) -> str:
    """The function that writes the stream encoding of the value of type `t` at its argument."""
    return module.once(memory.symbol(module, "enc", t), lambda name: _encoder_text(module, name, t))


def _encode_at(b: Builder, t: Type, pointer: str) -> None:
    if t == UNIT:
        return
    if is_ssa(t):
        value = b.load(b.layout.mem(t), pointer)
        _put_scalar(b, t, b.op(f"trunc i8 {value} to i1") if t == BOOL else value)
    else:
        b.do(f"call void {encoder(b.module, t)}(ptr {pointer})")


def _encoder_text(module: Module, name: str, t: Type) -> str:
    b = Builder(module)
    layout = module.layout
    if isinstance(t, Array):
        _encode_array(b, t.item)
    elif is_header(t):
        data, length = b.header("%p")
        b.do(f"call void @out_text(ptr {data}, i64 {length})")
    elif is_record(t, layout.types):
        for index, (_, part) in enumerate(stored_fields(t, layout.types)):
            _encode_at(b, part, b.field(layout.mem(t), "%p", index))
    else:
        _encode_variant(b, t)
    b.do("ret void")
    return b.function(f"define internal void @{name}(ptr %p) #0")


def _encode_array(b: Builder, item: Type) -> None:
    data, count = b.header("%p")
    b.do(f"call void @out_enter(i32 {VALUE_DEPTH})")
    b.store("i64", count, b.op("call ptr @out_take(i64 8)"), 1)
    if is_scalar(item):
        b.do("call void @out_align(i64 7)")
        _raw(b, item, data, count)
    else:
        memory.each_element(b, data, "0", count, item, lambda p: _encode_at(b, item, p))
    b.do("call void @in_leave()")


def _encode_variant(b: Builder, t: Type) -> None:
    rows = variants(t, b.layout.types)
    width = 8 * tag_size(len(rows))
    tag = b.load("i64", "%p")
    target = b.op(f"call ptr @out_take(i64 {width // 8})")
    b.store(f"i{width}", b.op(f"trunc i64 {tag} to i{width}"), target, 1)
    labels = [b.name("v") for _ in rows]
    cases = " ".join(f"i64 {i}, label %{label}" for i, label in enumerate(labels))
    b.do(f"switch i64 {tag}, label %done [{cases}]")
    for index, (_, payload) in enumerate(rows):
        b.label(labels[index])
        for number, part in enumerate(payload):
            _encode_at(b, part, b.field(b.layout.variant(t, index), "%p", number + 1))
        b.jump("done")
    b.label("done")


# --- keys -----------------------------------------------------------------------------------------------------------


def _item_key(f: Operands, key: Operand) -> None:
    t = f.type(key)
    if is_header(t):
        data, length = f.header(key)
        f.b.do(f"call void @out_bytes(ptr {data}, i64 {length})")
    elif is_ssa(t):
        _key_scalar(f.b, t, f.scalar(key))
    else:
        f.b.do(f"call void {_key_encoder(f.b.module, t)}(ptr {f.pointer(key)})")


def _key_scalar(b: Builder, t: Type, value: str) -> None:
    if t == UNIT:
        return
    llvm = b.layout.mem(t)
    target = b.op(f"call ptr @out_take(i64 {b.layout.size(t)})")
    if t == BOOL:
        value = b.op(f"zext i1 {value} to i8")
    elif is_signed(t):
        value = b.op(f"xor {llvm} {value}, {int_range(t)[0]}")
    if b.layout.size(t) > 1:
        value = b.op(f"call {llvm} @llvm.bswap.{llvm}({llvm} {value})")
    b.store(llvm, value, target, 1)


def _key_encoder(module: Module, t: Type) -> str:
    return module.once(memory.symbol(module, "enc_key", t), lambda name: _key_text(module, name, t))


def _key_text(module: Module, name: str, t: Type) -> str:
    b = Builder(module)
    if isinstance(t, Tuple):
        for index, part in enumerate(t.items):
            _key_part(b, part, b.field(module.layout.mem(t), "%p", index))
    else:
        tag = b.op(f"trunc i64 {b.load('i64', '%p')} to i32")
        target = b.op("call ptr @out_take(i64 4)")
        b.store("i32", b.op(f"call i32 @llvm.bswap.i32(i32 {tag})"), target, 1)
    b.do("ret void")
    return b.function(f"define internal void @{name}(ptr %p) #0")


def _key_part(b: Builder, t: Type, pointer: str) -> None:
    if is_header(t):
        data, length = b.header(pointer)
        b.do(f"call void @out_key_text(ptr {data}, i64 {length})")
    elif is_ssa(t):
        value = b.load(b.layout.mem(t), pointer)
        _key_scalar(b, t, b.op(f"trunc i8 {value} to i1") if t == BOOL else value)
    else:
        b.do(f"call void {_key_encoder(b.module, t)}(ptr {pointer})")
