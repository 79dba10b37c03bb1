"""Generated decoders: the bytes of an item become a value, and nothing else gets past them.

Everything in an item is hostile: lengths, counts, tags, bools, UTF-8, padding and what is left over are checked, and each
failure is `trap.input`. Texts and arrays of scalars become views of the input block; other arrays get low memory, bounded by
the bytes that are left for their elements.
"""

from dandc.compiler.codegen import memory
from dandc.compiler.codegen.builder import Builder, Module
from dandc.compiler.codegen.layout import element, is_header, is_record, is_ssa
from dandc.compiler.encoding import is_raw, min_size, tag_size
from dandc.compiler.limits import EMPTY_ELEMENTS, VALUE_DEPTH
from dandc.compiler.types import (
    BOOL,
    BYTES,
    UNIT,
    Array,
    Tuple,
    Type,
    fields,
    int_range,
    is_scalar,
    is_signed,
    stored_fields,
    variants,
)

NO_KEY = "-1"


def set_part(b: Builder, op: str, t: Type, pointer: str, index: str, target: str, site: int) -> None:
    """`set_key`, `set_name` or `set_value` of item `index` of the set at `pointer`, into `target`."""
    base = b.load("ptr", pointer)
    count = b.load("i64", b.field("{ ptr, i64 }", pointer, 1))
    b.trap_unless(b.op(f"icmp ult i64 {index}, {count}"), "trap.input", site)
    entry = b.offset(base, b.op(f"mul i64 {index}, 32"))
    if op == "set_value":
        item_value(b, t, entry, target, site)
        return
    data = b.offset(b.load("ptr", "@inputs"), b.load("i64", entry))
    length = b.load("i32", b.offset(entry, "24"))
    if op == "set_key":
        b.trap_if(b.op(f"icmp eq i32 {length}, {NO_KEY}"), "trap.input", site)
        _key(b, t, data, b.op(f"zext i32 {length} to i64"), target, site)
        return
    keyless = b.op(f"icmp eq i32 {length}, {NO_KEY}")
    start = b.offset(data, b.op(f"zext i32 {b.op(f'select i1 {keyless}, i32 0, i32 {length}')} to i64"))
    name_length = b.load("i32", b.offset(entry, "28"))
    nameless = b.op(f"icmp eq i32 {name_length}, -1")
    size = b.op(f"zext i32 {b.op(f'select i1 {nameless}, i32 0, i32 {name_length}')} to i64")
    b.trap_unless(b.op(f"call i1 @utf8_valid(ptr {start}, i64 {size})"), "trap.input", site)
    b.set_header(target, start, size, "0")


def item_value(b: Builder, t: Type, entry: str, target: str, site: int) -> None:
    """Decodes the value of the item at `entry` of an item table into `target`."""
    data = b.offset(b.load("ptr", "@inputs"), b.load("i64", b.offset(entry, "8")))
    length = b.load("i64", b.offset(entry, "16"))
    b.do(f"call void @in_begin(ptr {data}, i64 {length}, i32 {site})")
    if is_raw(t):
        _raw_item(b, t, data, length, target)
        return
    _decode_at(b, t, target)
    b.do("call void @in_finish()")


def _raw_item(b: Builder, t: Type, data: str, length: str, target: str) -> None:
    size = b.layout.size(element(t))
    if size > 1:
        rest = b.op(f"urem i64 {length}, {size}")
        b.do(f"call void @in_check(i1 {b.op(f'icmp eq i64 {rest}, 0')})")
    count = b.op(f"udiv i64 {length}, {size}")
    _check_flat(b, t, data, count)
    b.set_header(target, data, count, "0")


def _check_flat(b: Builder, t: Type, data: str, count: str) -> None:
    if isinstance(t, Array):
        if t.item == BOOL:
            b.do(f"call void @in_bools(ptr {data}, i64 {count})")
    elif t != BYTES:
        b.do(f"call void @in_check(i1 {b.op(f'call i1 @utf8_valid(ptr {data}, i64 {count})')})")


def decoder(module: Module, t: Type) -> str:
    """The function that decodes a value of type `t` at the input cursor into its argument."""
    return module.once(memory.symbol(module, "dec", t), lambda name: _decoder_text(module, name, t))


def _decode_at(b: Builder, t: Type, target: str) -> None:
    if t == UNIT:
        b.store("i8", "0", target)
    elif is_ssa(t):
        _decode_scalar(b, t, target)
    else:
        b.do(f"call void {decoder(b.module, t)}(ptr {target})")


def _decode_scalar(b: Builder, t: Type, target: str) -> None:
    llvm = b.layout.mem(t)
    value = b.load(llvm, b.op(f"call ptr @in_take(i64 {b.layout.size(t)})"), 1)
    if t == BOOL:
        b.do(f"call void @in_check(i1 {b.op(f'icmp ult i8 {value}, 2')})")
    b.store(llvm, value, target)


def _decoder_text(module: Module, name: str, t: Type) -> str:
    b = Builder(module)
    layout = module.layout
    if isinstance(t, Array):
        _decode_array(b, t)
    elif is_header(t):
        count = b.op("call i64 @in_count(i64 1)")
        data = b.op(f"call ptr @in_take(i64 {count})")
        _check_flat(b, t, data, count)
        b.set_header("%p", data, count, "0")
    elif is_record(t, layout.types):
        stored = stored_fields(t, layout.types)
        for index, (_, part) in enumerate(stored):
            _decode_at(b, part, b.field(layout.mem(t), "%p", index))
        for index, (_, part) in list(enumerate(fields(t, layout.types)))[len(stored) :]:
            _clear(b, part, b.field(layout.mem(t), "%p", index))
    else:
        _decode_variant(b, t)
    b.do("ret void")
    return b.function(f"define internal void @{name}(ptr %p) #0")


def _clear(b: Builder, t: Type, target: str) -> None:
    """The index of a map is made later, by what the kernel does first with the value."""
    if is_header(t):
        b.set_header(target, "null", "0", "0")
    else:
        b.store(b.layout.mem(t), "0", target)


def _decode_array(b: Builder, t: Array) -> None:
    b.do(f"call void @in_enter(i32 {VALUE_DEPTH})")
    if is_scalar(t.item):
        _decode_scalars(b, t)
    else:
        _decode_elements(b, t.item)
    b.do("call void @in_leave()")


def _decode_scalars(b: Builder, t: Array) -> None:
    size = b.layout.size(t.item)
    count = b.load("i64", b.op("call ptr @in_take(i64 8)"), 1)
    b.do("call void @in_pad()")
    b.do(f"call void @in_fits(i64 {count}, i64 {size})")
    data = b.op(f"call ptr @in_take(i64 {b.op(f'mul i64 {count}, {size}')})")
    _check_flat(b, t, data, count)
    b.set_header("%p", data, count, "0")


def _decode_elements(b: Builder, item: Type) -> None:
    least = min_size(item, b.layout.types)
    count = b.op(f"call i64 @in_count(i64 {least})") if least else _bounded_count(b)
    site = b.load("i32", "@in_site")
    size = b.op(f"mul i64 {count}, {b.layout.size(item)}")
    b.do(f"call void @in_check(i1 {b.op(f'icmp ule i64 {count}, 1099511627776')})")
    data = b.op(f"call ptr @alloc(i64 {size}, i32 {site})")
    memory.each_element(b, data, "0", count, item, lambda p: _decode_at(b, item, p))
    b.set_header("%p", data, count, count)


def _bounded_count(b: Builder) -> str:
    count = b.load("i64", b.op("call ptr @in_take(i64 8)"), 1)
    b.do(f"call void @in_check(i1 {b.op(f'icmp ule i64 {count}, {EMPTY_ELEMENTS}')})")
    return count


def _decode_variant(b: Builder, t: Type) -> None:
    rows = variants(t, b.layout.types)
    width = 8 * tag_size(len(rows))
    tag = b.load(f"i{width}", b.op(f"call ptr @in_take(i64 {width // 8})"), 1)
    wide = b.op(f"zext i{width} {tag} to i64")
    b.store("i64", wide, "%p")
    labels = [b.name("v") for _ in rows]
    cases = " ".join(f"i64 {i}, label %{label}" for i, label in enumerate(labels))
    b.do(f"switch i64 {wide}, label %bad [{cases}]")
    for index, (_, payload) in enumerate(rows):
        b.label(labels[index])
        for number, part in enumerate(payload):
            _decode_at(b, part, b.field(b.layout.variant(t, index), "%p", number + 1))
        b.jump("done")
    b.label("bad")
    b.do("call void @bad_input()")
    b.do("unreachable")
    b.label("done")


# --- keys -----------------------------------------------------------------------------------------------------------


def _key(b: Builder, t: Type, data: str, length: str, target: str, site: int) -> None:
    b.do(f"call void @in_begin(ptr {data}, i64 {length}, i32 {site})")
    if is_header(t):
        _check_flat(b, t, data, length)
        b.set_header(target, data, length, "0")
        return
    _key_part(b, t, target)
    b.do("call void @in_finish()")


def _key_part(b: Builder, t: Type, target: str) -> None:
    if t == UNIT:
        b.store("i8", "0", target)
    elif t == BOOL:
        _decode_scalar(b, t, target)
    elif is_ssa(t):
        _key_integer(b, t, target)
    elif is_header(t):
        b.do(f"call void @in_key_text(ptr {target})")
        _check_flat(b, t, *b.header(target))
    else:
        b.do(f"call void {_key_decoder(b.module, t)}(ptr {target})")


def _key_integer(b: Builder, t: Type, target: str) -> None:
    llvm = b.layout.mem(t)
    value = b.load(llvm, b.op(f"call ptr @in_take(i64 {b.layout.size(t)})"), 1)
    if b.layout.size(t) > 1:
        value = b.op(f"call {llvm} @llvm.bswap.{llvm}({llvm} {value})")
    if is_signed(t):
        value = b.op(f"xor {llvm} {value}, {int_range(t)[0]}")
    b.store(llvm, value, target)


def _key_decoder(module: Module, t: Type) -> str:
    return module.once(memory.symbol(module, "dec_key", t), lambda name: _key_text(module, name, t))


def _key_text(module: Module, name: str, t: Type) -> str:
    b = Builder(module)
    if isinstance(t, Tuple):
        for index, part in enumerate(t.items):
            _key_part(b, part, b.field(module.layout.mem(t), "%p", index))
    else:
        raw = b.load("i32", b.op("call ptr @in_take(i64 4)"), 1)
        tag = b.op(f"call i32 @llvm.bswap.i32(i32 {raw})")
        known = b.op(f"icmp ult i32 {tag}, {len(variants(t, module.layout.types))}")
        b.do(f"call void @in_check(i1 {known})")
        b.store("i64", b.op(f"zext i32 {tag} to i64"), "%p")
    b.do("ret void")
    return b.function(f"define internal void @{name}(ptr %p) #0")
