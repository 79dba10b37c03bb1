"""The way into an image: reads the control page, runs its instances one by one, and records how each ended.

Every instance starts with an empty heap. One that does not finish leaves its notes and its message, but no items: its
entries are squeezed out of the table again (`squeeze`). One that ends *late* (status 4: a strip of a loop may have trapped, and
cannot be run again by itself, see `strips.py`) is forgotten whole, notes too, and runs once more with `@exact` set. See `docs/image.md` for all offsets.
"""

from dandc.compiler.codegen.builder import Builder
from dandc.compiler.codegen.decode import item_value
from dandc.compiler.codegen.functions import Program
from dandc.compiler.codegen.layout import SET, is_ssa, ssa
from dandc.compiler.flow import ParamDecl
from dandc.compiler.types import BOOL, Option, Type

MAIN = """
define dso_local void @dnd_main(ptr %control) #2 {
entry:
  %first = call i64 @control(ptr %control, i64 8)
  %last = call i64 @control(ptr %control, i64 16)
  %inputs = call ptr @control_ptr(ptr %control, i64 24)
  store ptr %inputs, ptr @inputs
  %heap = call ptr @control_ptr(ptr %control, i64 40)
  %heap_len = call i64 @control(ptr %control, i64 48)
  %heap_size = and i64 %heap_len, -16
  %heap_end = getelementptr i8, ptr %heap, i64 %heap_size
  store ptr %heap, ptr @heap_lo
  store ptr %heap, ptr @peak
  store ptr %heap_end, ptr @heap_end
  store ptr %heap_end, ptr @hi
  %out = call ptr @control_ptr(ptr %control, i64 56)
  %out_len = call i64 @control(ptr %control, i64 64)
  %out_end = getelementptr i8, ptr %out, i64 %out_len
  store ptr %out, ptr @out
  store ptr %out_end, ptr @entries
  %count = sub i64 %last, %first
  %records = mul i64 %count, 40
  %fits = icmp ule i64 %records, %out_len
  %data = getelementptr i8, ptr %out, i64 %records
  store ptr %data, ptr @out_pos
  br i1 %fits, label %head, label %none
none:
  ret void
head:
  %i = phi i64 [ %first, %entry ], [ %i1, %body ]
  %hp0 = phi i64 [ 0, %entry ], [ %hp, %body ]
  %more = icmp slt i64 %i, %last
  br i1 %more, label %body, label %end
body:
  %n = sub i64 %i, %first
  %at = mul i64 %n, 40
  %record = getelementptr i8, ptr %out, i64 %at
  call void @run_instance(i64 %i, ptr %record)
  %items = call i64 @entry_count(ptr %out_end)
  %r32 = getelementptr i8, ptr %record, i64 32
  store i64 %items, ptr %r32
  %used = call i64 @heap_used()
  %hp = call i64 @llvm.umax.i64(i64 %hp0, i64 %used)
  %i1 = add i64 %i, 1
  br label %head
end:
  %pos = load ptr, ptr @out_pos
  %pi = ptrtoint ptr %pos to i64
  %oi = ptrtoint ptr %out to i64
  %dend = sub i64 %pi, %oi
  %c136 = getelementptr i8, ptr %control, i64 136
  store i64 %dend, ptr %c136
  %total = call i64 @entry_count(ptr %out_end)
  %c144 = getelementptr i8, ptr %control, i64 144
  store i64 %total, ptr %c144
  %c152 = getelementptr i8, ptr %control, i64 152
  store i64 %hp0, ptr %c152
  %c128 = getelementptr i8, ptr %control, i64 128
  store i64 1, ptr %c128
  ret void
}

define internal i64 @control(ptr %control, i64 %at) #2 {
  %p = getelementptr i8, ptr %control, i64 %at
  %v = load i64, ptr %p
  ret i64 %v
}

define internal ptr @control_ptr(ptr %control, i64 %at) #2 {
  %p = getelementptr i8, ptr %control, i64 %at
  %v = load ptr, ptr %p
  ret ptr %v
}

define internal i64 @entry_count(ptr %end) #2 {
  %e = load ptr, ptr @entries
  %ei = ptrtoint ptr %e to i64
  %n = ptrtoint ptr %end to i64
  %d = sub i64 %n, %ei
  %c = udiv i64 %d, 40
  ret i64 %c
}

define internal i64 @heap_used() #2 {
  %b = load ptr, ptr @bump
  %p = load ptr, ptr @peak
  %lo = load ptr, ptr @heap_lo
  %h = load ptr, ptr @hi
  %e = load ptr, ptr @heap_end
  %bi = ptrtoint ptr %b to i64
  %pi = ptrtoint ptr %p to i64
  %li = ptrtoint ptr %lo to i64
  %hi = ptrtoint ptr %h to i64
  %ei = ptrtoint ptr %e to i64
  %top = call i64 @llvm.umax.i64(i64 %bi, i64 %pi)
  %low = sub i64 %top, %li
  %high = sub i64 %ei, %hi
  %used = add i64 %low, %high
  ret i64 %used
}

define internal void @run_instance(i64 %i, ptr %record) #2 {
entry:
  call void @reset(i64 %i)
  %entries0 = load ptr, ptr @entries
  %pos0 = load ptr, ptr @out_pos
  %status1 = call i32 @dnd_enter(i64 %i)
  %late = icmp eq i32 %status1, 4
  br i1 %late, label %again, label %ended
again:
  store ptr %entries0, ptr @entries
  store ptr %pos0, ptr @out_pos
  call void @reset(i64 %i)
  store i32 1, ptr @exact
  %status2 = call i32 @dnd_enter(i64 %i)
  store i32 0, ptr @exact
  br label %ended
ended:
  %status = phi i32 [ %status1, %entry ], [ %status2, %again ]
  %extra = call i1 @finish_notes()
  %kept = load i32, ptr @note_count
  %more = zext i1 %extra to i32
  %notes = add i32 %kept, %more
  %good = icmp eq i32 %status, 0
  br i1 %good, label %finished, label %stopped
finished:
  call void @write_record(ptr %record, i32 1, i32 0, i32 -1, i32 %notes, i64 0, i64 0)
  ret void
stopped:
  call void @squeeze(ptr %entries0, ptr %pos0)
  %site = load i32, ptr @trap_site
  %failed = icmp eq i32 %status, 3
  br i1 %failed, label %message, label %trapped
message:
  %from = load ptr, ptr @fail_ptr
  %len = load i64, ptr @fail_len
  %pos = load ptr, ptr @out_pos
  %e = load ptr, ptr @entries
  %pi = ptrtoint ptr %pos to i64
  %ei = ptrtoint ptr %e to i64
  %room = sub i64 %ei, %pi
  %fits = icmp sle i64 %len, %room
  br i1 %fits, label %tell, label %full
tell:
  call void @llvm.memmove.p0.p0.i64(ptr %pos, ptr %from, i64 %len, i1 false)
  %next = getelementptr i8, ptr %pos, i64 %len
  store ptr %next, ptr @out_pos
  %o = load ptr, ptr @out
  %oi = ptrtoint ptr %o to i64
  %offset = sub i64 %pi, %oi
  call void @write_record(ptr %record, i32 3, i32 0, i32 %site, i32 %notes, i64 %offset, i64 %len)
  ret void
full:
  store i32 11, ptr @trap_code
  br label %trapped
trapped:
  %code = load i32, ptr @trap_code
  call void @write_record(ptr %record, i32 2, i32 %code, i32 %site, i32 %notes, i64 0, i64 0)
  ret void
}

define internal void @write_record(ptr %r, i32 %state, i32 %code, i32 %site, i32 %notes, i64 %offset, i64 %len) #2 {
  store i32 %state, ptr %r
  %r4 = getelementptr i8, ptr %r, i64 4
  store i32 %code, ptr %r4
  %r8 = getelementptr i8, ptr %r, i64 8
  store i32 %site, ptr %r8
  %r12 = getelementptr i8, ptr %r, i64 12
  store i32 %notes, ptr %r12
  %r16 = getelementptr i8, ptr %r, i64 16
  store i64 %offset, ptr %r16
  %r24 = getelementptr i8, ptr %r, i64 24
  store i64 %len, ptr %r24
  ret void
}

define internal void @reset(i64 %i) #2 {
  %lo = load ptr, ptr @heap_lo
  %end = load ptr, ptr @heap_end
  store ptr %lo, ptr @bump
  store ptr %lo, ptr @peak
  store ptr %end, ptr @hi
  store i32 0, ptr @depth
  store i64 %i, ptr @instance
  store i32 0, ptr @note_count
  store i64 0, ptr @note_bytes
  store i64 0, ptr @note_dropped
  call void @llvm.memset.p0.i64(ptr @free, i8 0, i64 512, i1 false)
  ret void
}

define internal void @squeeze(ptr %start, ptr %pos) #2 {
entry:
  %end = load ptr, ptr @entries
  br label %head
head:
  %read = phi ptr [ %start, %entry ], [ %next, %copied ], [ %next, %look ]
  %write = phi ptr [ %start, %entry ], [ %down, %copied ], [ %write, %look ]
  %more = icmp ugt ptr %read, %end
  br i1 %more, label %look, label %done
look:
  %next = getelementptr i8, ptr %read, i64 -40
  %kp = getelementptr i8, ptr %next, i64 36
  %kind = load i32, ptr %kp
  %note = icmp eq i32 %kind, -2
  br i1 %note, label %copied, label %head
copied:
  %down = getelementptr i8, ptr %write, i64 -40
  call void @llvm.memmove.p0.p0.i64(ptr %down, ptr %next, i64 40, i1 false)
  br label %head
done:
  store ptr %write, ptr @entries
  %none = icmp eq ptr %write, %start
  br i1 %none, label %back, label %out
back:
  store ptr %pos, ptr @out_pos
  br label %out
out:
  ret void
}
"""


def write_entry(program: Program) -> str:
    """`dnd_instance`, which decodes an instance's arguments and calls the kernel, and the fixed part around it."""
    b = Builder(program.module)
    row = _row(b, len(program.kernel.params))
    args = [_argument(b, number, param, row) for number, param in enumerate(program.kernel.params)]
    b.do(f"call fastcc void @f0({', '.join(args)})")
    b.do("ret void")
    return MAIN + b.function("define dso_local void @dnd_instance(i64 %i) #0")


def _row(b: Builder, params: int) -> str:
    """The address of the instance's row."""
    inputs = b.load("ptr", "@inputs")
    rows = b.offset(inputs, b.load("i64", b.offset(inputs, "16")))
    return b.offset(rows, b.op(f"mul i64 %i, {8 * params}"))


def _argument(b: Builder, number: int, param: ParamDecl, row: str) -> str:
    """Decodes parameter `number`; the argument for the call."""
    inputs = b.load("ptr", "@inputs")
    table = b.load("i64", b.offset(inputs, str(32 + 16 * number)))
    start = b.op(f"zext i32 {b.load('i32', b.offset(row, str(8 * number)))} to i64")
    count = b.op(f"zext i32 {b.load('i32', b.offset(row, str(8 * number + 4)))} to i64")
    entry = b.offset(b.offset(inputs, table), b.op(f"mul i64 {start}, 32"))
    if param.kind == "set":
        slot = b.alloca(SET)
        b.store("ptr", entry, slot)
        b.store("i64", count, b.field(SET, slot, 1))
        return f"ptr {slot}"
    if param.kind == "optional":
        return _optional(b, Option(param.item), param.item, entry, count)
    b.trap_unless(b.op(f"icmp eq i64 {count}, 1"), "trap.input", -1)
    slot = b.alloca(b.layout.mem(param.item), b.layout.align(param.item))
    item_value(b, param.item, entry, slot, -1)
    return _loaded(b, param.item, slot)


def _loaded(b: Builder, t: Type, slot: str) -> str:
    if not is_ssa(t):
        return f"ptr {slot}"
    value = b.load(b.layout.mem(t), slot)
    return f"{ssa(t)} {b.op(f'trunc i8 {value} to i1') if t == BOOL else value}"


def _optional(b: Builder, t: Option, item: Type, entry: str, count: str) -> str:
    slot = b.alloca(b.layout.mem(t), b.layout.align(t))
    some, none, done = b.name("some"), b.name("none"), b.name("done")
    b.branch(b.op(f"icmp eq i64 {count}, 0"), none, some)
    b.label(none)
    b.store("i64", "0", slot)
    b.jump(done)
    b.label(some)
    b.store("i64", "1", slot)
    item_value(b, item, entry, b.field(b.layout.variant(t, 1), slot, 1), -1)
    b.jump(done)
    b.label(done)
    return f"ptr {slot}"
