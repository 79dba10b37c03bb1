"""Ownership in native code: what happens to the buffers of values when they are shared, changed, kept or dropped.

A header's capacity says who owns the buffer: above 0, this header alone; 0, nobody in particular (shared, view,
constant). From that follow the four walks over a value, each one LLVM function a type:

  - `freeze` sets the capacities of a value to 0, without entering buffers: afterwards nobody changes its buffers in place,
    because whoever changes first copies them (`own`), and the inner headers of such a copy are frozen.
  - `drop` gives back exclusively owned buffers in high memory, inner ones first. Low memory needs nothing: it goes with its
    region. Inner headers are only looked at in high buffers, so that it never reads released memory.
  - `promote` copies buffers out of low memory into high memory: for values of depth 1 that are put where they
    outlive a region (`passes/regions.py` keeps loops that would need more from being regions).
  - `own` makes an array's buffer exclusive, with room for a number of elements.

Capacities double as drop flags: whatever takes a value over freezes the place that it came from.
"""

from collections.abc import Callable

from dandc.compiler.codegen.builder import Builder, Module
from dandc.compiler.codegen.layout import element, is_header, is_record
from dandc.compiler.types import Array, Type, fields, variants


def symbol(module: Module, kind: str, t: Type) -> str:
    """The name of the function of a kind for a type, the same in every build of the same kernel."""
    return f"{kind}.{_encoded(str(t))}"


def _encoded(text: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "." if c == "." else f"_{ord(c):x}_" for c in text)


def freeze(b: Builder, t: Type, pointer: str) -> None:
    """Sets the capacities of the value of type `t` at `pointer` to 0."""
    if not b.layout.has_heap(t):
        return
    if is_header(t):
        b.store("i64", "0", b.field("%H", pointer, 2))
        return
    b.do(f"call void {_walker(b.module, 'freeze', t, freeze)}(ptr {pointer})")


def freeze_in_place(b: Builder, t: Type, pointer: str) -> None:
    """`freeze` of a value in a buffer: where it is frozen nothing is written, for a constant's buffer is read-only."""
    if not b.layout.has_heap(t):
        return
    if not is_header(t):
        b.do(f"call void {_walker(b.module, 'freeze_in_place', t, freeze_in_place)}(ptr {pointer})")
        return
    owned, on = b.name("owned"), b.name("frozen")
    b.branch(b.op(f"icmp ne i64 {b.capacity(pointer)}, 0"), owned, on)
    b.label(owned)
    b.store("i64", "0", b.field("%H", pointer, 2))
    b.jump(on)
    b.label(on)


def drop(b: Builder, t: Type, pointer: str) -> None:
    """Gives back what the value at `pointer` alone owns in high memory. The value is not used again."""
    if not b.layout.has_heap(t):
        return
    if not is_header(t):
        b.do(f"call void {_walker(b.module, 'drop', t, drop)}(ptr {pointer})")
        return
    item = element(t)
    data = b.load("ptr", pointer)
    capacity = b.capacity(pointer)
    if _drops_elements(b, item):
        length = b.load("i64", b.field("%H", pointer, 1))
        b.do(f"call void {_array_drop(b.module, item)}(ptr {data}, i64 {length}, i64 {capacity})")
    else:
        b.do(f"call void @drop_flat(ptr {data}, i64 {capacity}, i64 {b.layout.size(item)})")


def _drops_elements(b: Builder, item: Type) -> bool:
    """Elements are dropped unless their type is recursive: that walk could need any depth of stack."""
    return 0 < b.layout.depth(item) < 64


def promote(b: Builder, t: Type, pointer: str, site: int) -> None:
    """Moves the flat buffers of the value at `pointer` out of low memory; `t` has depth 1."""
    if not b.layout.has_heap(t):
        return
    if is_header(t):
        b.do(f"call void @promote_flat(ptr {pointer}, i64 {b.layout.size(element(t))}, i32 {site})")
        return
    walker = _walker(b.module, "promote", t, lambda w, part, p: promote(w, part, p, -1))
    b.do(f"call void {walker}(ptr {pointer})")


def _walker(module: Module, kind: str, t: Type, visit: Callable[[Builder, Type, str], None]) -> str:
    return module.once(symbol(module, kind, t), lambda name: _walk_text(module, name, t, visit))


def _walk_text(module: Module, name: str, t: Type, visit: Callable[[Builder, Type, str], None]) -> str:
    b = Builder(module)
    layout = module.layout
    if is_record(t, layout.types):
        for index, (_, part) in enumerate(fields(t, layout.types)):
            if layout.has_heap(part):
                visit(b, part, b.field(layout.mem(t), "%p", index))
        b.do("ret void")
        return b.function(f"define internal void @{name}(ptr %p) #0")
    rows = variants(t, layout.types)
    labels = [b.name("v") for _ in rows]
    tag = b.load("i64", "%p")
    cases = " ".join(f"i64 {i}, label %{label}" for i, label in enumerate(labels))
    b.do(f"switch i64 {tag}, label %done [{cases}]")
    for index, (_, payload) in enumerate(rows):
        b.label(labels[index])
        for number, part in enumerate(payload):
            if layout.has_heap(part):
                visit(b, part, b.field(layout.variant(t, index), "%p", number + 1))
        b.jump("done")
    b.label("done")
    b.do("ret void")
    return b.function(f"define internal void @{name}(ptr %p) #0")


def each_element(b: Builder, data: str, first: str, last: str, item: Type, visit: Callable[[str], None]) -> None:
    """Writes a loop over the elements `first <= i < last` of a buffer; `visit` gets an element's address."""
    index = b.alloca("i64")
    head, body, done = b.name("head"), b.name("body"), b.name("done")
    b.store("i64", first, index)
    b.jump(head)
    b.label(head)
    i = b.load("i64", index)
    b.branch(b.op(f"icmp ult i64 {i}, {last}"), body, done)
    b.label(body)
    visit(b.offset(data, i, b.layout.mem(item)))
    b.store("i64", b.op(f"add i64 {i}, 1"), index)
    b.jump(head)
    b.label(done)


def _array_drop(module: Module, item: Type) -> str:
    return module.once(symbol(module, "drop_array", item), lambda name: _array_drop_text(module, name, item))


def _array_drop_text(module: Module, name: str, item: Type) -> str:
    b = Builder(module)
    b.branch(b.op("icmp ne i64 %cap, 0"), "own", "done")
    b.label("own")
    b.branch(b.op("call i1 @is_high(ptr %p)"), "high", "done")
    b.label("high")
    each_element(b, "%p", "0", "%len", item, lambda p: drop(b, item, p))
    b.do(f"call void @drop_flat(ptr %p, i64 %cap, i64 {module.layout.size(item)})")
    b.jump("done")
    b.label("done")
    b.do("ret void")
    return b.function(f"define internal void @{name}(ptr %p, i64 %len, i64 %cap) #0")


def drop_elements(b: Builder, t: Type, pointer: str, first: str) -> None:
    """Drops the elements from number `first` on of the array at `pointer`, if it alone owns them."""
    item = element(t)
    if not _drops_elements(b, item):
        return
    data, length = b.header(pointer)
    capacity = b.capacity(pointer)
    own, done = b.name("own"), b.name("kept")
    high = b.op(f"call i1 @is_high(ptr {data})")
    b.branch(b.op(f"and i1 {high}, {b.op(f'icmp ne i64 {capacity}, 0')}"), own, done)
    b.label(own)
    each_element(b, data, first, length, item, lambda p: drop(b, item, p))
    b.jump(done)
    b.label(done)


def own(b: Builder, t: Type, pointer: str, need: str | None, *, high: bool, site: int) -> None:
    """Makes the buffer of the header at `pointer` exclusive, with room for `need` elements (None: for what it has).

    `high`: the place outlives a region that is open here. Headers in a high buffer may be dropped later, those in a low one
    are forgotten, so elements with headers are moved to high memory at the first change.
    """
    item = element(t)
    data, length = b.header(pointer)
    capacity = b.capacity(pointer)
    slow, on = b.name("slow"), b.name("owned")
    wanted = length if need is None else need
    enough = b.op(f"icmp ne i64 {capacity}, 0") if need is None else b.op(f"icmp ule i64 {need}, {capacity}")
    if need is not None:
        enough = b.op(f"and i1 {enough}, {b.op(f'icmp ne i64 {capacity}, 0')}")
    if high and _drops_elements(b, item):
        enough = b.op(f"and i1 {enough}, {b.op(f'call i1 @is_high(ptr {data})')}")
    b.branch(enough, on, slow)
    b.label(slow)
    grow = _grower(b.module, item, high)
    result = b.op(f"call %H {grow}(ptr {data}, i64 {length}, i64 {capacity}, i64 {wanted}, i32 {site})")
    b.set_header(
        pointer,
        b.op(f"extractvalue %H {result}, 0"),
        length,
        b.op(f"extractvalue %H {result}, 2"),
    )
    b.jump(on)
    b.label(on)


def _grower(module: Module, item: Type, high: bool) -> str:
    kind = "own_high" if high else "own_low"
    return module.once(symbol(module, kind, item), lambda name: _grower_text(module, name, item, high))


def _grower_text(module: Module, name: str, item: Type, high: bool) -> str:
    b = Builder(module)
    size = module.layout.size(item)
    runtime = "@grow_high" if high else "@grow_low"
    result = b.op(f"call %H {runtime}(ptr %p, i64 %len, i64 %cap, i64 %need, i64 {size}, i32 %site)")
    if module.layout.has_heap(item):
        b.branch(b.op("icmp eq i64 %cap, 0"), "shared", "done")
        b.label("shared")
        data = b.op(f"extractvalue %H {result}, 0")
        each_element(b, data, "0", "%len", item, lambda p: freeze(b, item, p))
        b.jump("done")
        b.label("done")
    b.do(f"ret %H {result}")
    return b.function(f"define internal %H @{name}(ptr %p, i64 %len, i64 %cap, i64 %need, i32 %site) #1")


def new_array(b: Builder, item: Type, count: str, site: int) -> str:
    """A low buffer for `count` elements (not too many for a multiplication); null for none."""
    size = b.op(f"mul i64 {count}, {b.layout.size(item)}")
    return b.op(f"call ptr @alloc(i64 {size}, i32 {site})")


def item_of(t: Type) -> Type:
    """The element type of an array."""
    assert isinstance(t, Array)
    return t.item
