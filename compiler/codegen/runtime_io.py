"""The runtime pieces that read items from the input block and write items to the output area (`docs/image.md`).

Cursors are globals: `in_pos`/`in_end`/`in_base` for the item being decoded, `out_pos` and `entries` for the two growing ends of
the output area. `in_take` and `out_take` are the only ways to advance them, and they check every time.
"""

FUNCTIONS = {
    "in_take": """
define internal ptr @in_take(i64 %n) #0 {
  %p = load ptr, ptr @in_pos
  %e = load ptr, ptr @in_end
  %pi = ptrtoint ptr %p to i64
  %ei = ptrtoint ptr %e to i64
  %room = sub i64 %ei, %pi
  %bad = icmp ugt i64 %n, %room
  br i1 %bad, label %over, label %ok
ok:
  %q = getelementptr i8, ptr %p, i64 %n
  store ptr %q, ptr @in_pos
  ret ptr %p
over:
  call void @bad_input()
  unreachable
}
""",
    "bad_input": """
define internal void @bad_input() #1 {
  %s = load i32, ptr @in_site
  call void @trap(i32 9, i32 %s)
  unreachable
}
""",
    "in_check": """
define internal void @in_check(i1 %good) #0 {
  br i1 %good, label %ok, label %bad
ok:
  ret void
bad:
  call void @bad_input()
  unreachable
}
""",
    "in_begin": """
define internal void @in_begin(ptr %p, i64 %n, i32 %site) #0 {
  %e = getelementptr i8, ptr %p, i64 %n
  store ptr %p, ptr @in_base
  store ptr %p, ptr @in_pos
  store ptr %e, ptr @in_end
  store i32 %site, ptr @in_site
  store i32 0, ptr @nest
  ret void
}
""",
    "in_finish": """
define internal void @in_finish() #0 {
  %p = load ptr, ptr @in_pos
  %e = load ptr, ptr @in_end
  %all = icmp eq ptr %p, %e
  call void @in_check(i1 %all)
  ret void
}
""",
    # A count whose elements take at least `least` > 0 bytes each of what is left.
    "in_count": """
define internal i64 @in_count(i64 %least) #0 {
  %p = call ptr @in_take(i64 8)
  %n = load i64, ptr %p, align 1
  call void @in_fits(i64 %n, i64 %least)
  ret i64 %n
}
""",
    "in_fits": """
define internal void @in_fits(i64 %n, i64 %least) #0 {
  %q = load ptr, ptr @in_pos
  %e = load ptr, ptr @in_end
  %qi = ptrtoint ptr %q to i64
  %ei = ptrtoint ptr %e to i64
  %room = sub i64 %ei, %qi
  %most = udiv i64 %room, %least
  %fits = icmp ule i64 %n, %most
  call void @in_check(i1 %fits)
  ret void
}
""",
    "in_enter": """
define internal void @in_enter(i32 %most) #0 {
  %n = load i32, ptr @nest
  %ok = icmp ult i32 %n, %most
  call void @in_check(i1 %ok)
  %m = add i32 %n, 1
  store i32 %m, ptr @nest
  ret void
}
""",
    "in_leave": """
define internal void @in_leave() #0 {
  %n = load i32, ptr @nest
  %m = sub i32 %n, 1
  store i32 %m, ptr @nest
  ret void
}
""",
    # Zero bytes up to a multiple of 8 from the start of the item.
    "in_pad": """
define internal void @in_pad() #0 {
entry:
  br label %head
head:
  %p = load ptr, ptr @in_pos
  %base = load ptr, ptr @in_base
  %pi = ptrtoint ptr %p to i64
  %bi = ptrtoint ptr %base to i64
  %d = sub i64 %pi, %bi
  %rest = and i64 %d, 7
  %done = icmp eq i64 %rest, 0
  br i1 %done, label %end, label %byte
byte:
  %q = call ptr @in_take(i64 1)
  %v = load i8, ptr %q
  %zero = icmp eq i8 %v, 0
  call void @in_check(i1 %zero)
  br label %head
end:
  ret void
}
""",
    "in_bools": """
define internal void @in_bools(ptr %p, i64 %n) #0 {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %bad = phi i8 [ 0, %entry ], [ %bad2, %body ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %q = getelementptr i8, ptr %p, i64 %i
  %v = load i8, ptr %q
  %bad2 = or i8 %bad, %v
  %j = add i64 %i, 1
  br label %head
end:
  %good = icmp ult i8 %bad, 2
  call void @in_check(i1 %good)
  ret void
}
""",
    # A text inside a tuple key: escaped zero bytes, ended by two zero bytes. Copied without the escapes.
    "in_key_text": """
define internal void @in_key_text(ptr %h) #0 {
entry:
  %start = load ptr, ptr @in_pos
  br label %scan
scan:
  %count = phi i64 [ 0, %entry ], [ %count1, %plain ], [ %count2, %escape ]
  %p = call ptr @in_take(i64 1)
  %c = load i8, ptr %p
  %zero = icmp eq i8 %c, 0
  br i1 %zero, label %special, label %plain
plain:
  %count1 = add i64 %count, 1
  br label %scan
special:
  %q = call ptr @in_take(i64 1)
  %d = load i8, ptr %q
  %end = icmp eq i8 %d, 0
  br i1 %end, label %finish, label %escape
escape:
  %ff = icmp eq i8 %d, -1
  call void @in_check(i1 %ff)
  %count2 = add i64 %count, 1
  br label %scan
finish:
  %site = load i32, ptr @in_site
  %buffer = call ptr @alloc(i64 %count, i32 %site)
  br label %copy
copy:
  %i = phi i64 [ 0, %finish ], [ %i1, %byte ]
  %o = phi i64 [ 0, %finish ], [ %o1, %byte ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %byte, label %done
byte:
  %s = getelementptr i8, ptr %start, i64 %o
  %v = load i8, ptr %s
  %t = getelementptr i8, ptr %buffer, i64 %i
  store i8 %v, ptr %t
  %vz = icmp eq i8 %v, 0
  %step = select i1 %vz, i64 2, i64 1
  %o1 = add i64 %o, %step
  %i1 = add i64 %i, 1
  br label %copy
done:
  store ptr %buffer, ptr %h
  %lp = getelementptr %H, ptr %h, i32 0, i32 1
  store i64 %count, ptr %lp
  %cp = getelementptr %H, ptr %h, i32 0, i32 2
  store i64 %count, ptr %cp
  ret void
}
""",
    "out_take": """
define internal ptr @out_take(i64 %n) #0 {
  %p = load ptr, ptr @out_pos
  %e = load ptr, ptr @entries
  %pi = ptrtoint ptr %p to i64
  %ei = ptrtoint ptr %e to i64
  %gap = sub i64 %ei, %pi
  %room = sub i64 %gap, 40
  %bad = icmp sgt i64 %n, %room
  %vast = icmp slt i64 %n, 0
  %no = or i1 %bad, %vast
  br i1 %no, label %full, label %ok
ok:
  %q = getelementptr i8, ptr %p, i64 %n
  store ptr %q, ptr @out_pos
  ret ptr %p
full:
  %s = load i32, ptr @emit_site
  call void @trap(i32 11, i32 %s)
  unreachable
}
""",
    "out_begin": """
define internal ptr @out_begin(i32 %site) #0 {
  store i32 %site, ptr @emit_site
  store i32 0, ptr @nest
  call void @out_align(i64 15)
  %p = load ptr, ptr @out_pos
  ret ptr %p
}
""",
    # Zero bytes up to a multiple of `mask` + 1.
    "out_align": """
define internal void @out_align(i64 %mask) #0 {
  %p = load ptr, ptr @out_pos
  %i = ptrtoint ptr %p to i64
  %neg = sub i64 0, %i
  %n = and i64 %neg, %mask
  %q = call ptr @out_take(i64 %n)
  call void @llvm.memset.p0.i64(ptr %q, i8 0, i64 %n, i1 false)
  ret void
}
""",
    "out_bytes": """
define internal void @out_bytes(ptr %p, i64 %n) #0 {
  %q = call ptr @out_take(i64 %n)
  call void @llvm.memcpy.p0.p0.i64(ptr %q, ptr %p, i64 %n, i1 false)
  ret void
}
""",
    "out_text": """
define internal void @out_text(ptr %p, i64 %n) #0 {
  %q = call ptr @out_take(i64 8)
  store i64 %n, ptr %q, align 1
  call void @out_bytes(ptr %p, i64 %n)
  ret void
}
""",
    "out_f64s": """
define internal void @out_f64s(ptr %p, i64 %n) #0 {
entry:
  %size = shl i64 %n, 3
  %q = call ptr @out_take(i64 %size)
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %a = getelementptr double, ptr %p, i64 %i
  %v = load double, ptr %a
  %nan = fcmp uno double %v, %v
  %c = select i1 %nan, double 0x7FF8000000000000, double %v
  %b = getelementptr double, ptr %q, i64 %i
  store double %c, ptr %b
  %j = add i64 %i, 1
  br label %head
end:
  ret void
}
""",
    "out_f32s": """
define internal void @out_f32s(ptr %p, i64 %n) #0 {
entry:
  %size = shl i64 %n, 2
  %q = call ptr @out_take(i64 %size)
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %a = getelementptr float, ptr %p, i64 %i
  %v = load float, ptr %a
  %nan = fcmp uno float %v, %v
  %c = select i1 %nan, float 0x7FF8000000000000, float %v
  %b = getelementptr float, ptr %q, i64 %i
  store float %c, ptr %b
  %j = add i64 %i, 1
  br label %head
end:
  ret void
}
""",
    "out_enter": """
define internal void @out_enter(i32 %most) #0 {
  %n = load i32, ptr @nest
  %ok = icmp ult i32 %n, %most
  br i1 %ok, label %good, label %bad
good:
  %m = add i32 %n, 1
  store i32 %m, ptr @nest
  ret void
bad:
  %s = load i32, ptr @emit_site
  call void @trap(i32 11, i32 %s)
  unreachable
}
""",
    "out_key_text": """
define internal void @out_key_text(ptr %p, i64 %n) #0 {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %next ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %a = getelementptr i8, ptr %p, i64 %i
  %v = load i8, ptr %a
  %q = call ptr @out_take(i64 1)
  store i8 %v, ptr %q
  %j = add i64 %i, 1
  %zero = icmp eq i8 %v, 0
  br i1 %zero, label %escape, label %next
escape:
  %r = call ptr @out_take(i64 1)
  store i8 -1, ptr %r
  br label %next
next:
  br label %head
end:
  %z = call ptr @out_take(i64 2)
  store i16 0, ptr %z, align 1
  ret void
}
""",
    # Writes the entry of an item whose parts lie at `start`, `value_end` (the key), and so on. Lengths of -1: not said.
    "out_end": """
define internal void @out_end(ptr %start, ptr %value_end, i64 %key, i64 %name, i32 %output) #0 {
  %longest = call i64 @llvm.smax.i64(i64 %key, i64 %name)
  %vast = icmp sge i64 %longest, 4294967295
  br i1 %vast, label %full, label %ok
ok:
  %old = load ptr, ptr @entries
  %e = getelementptr i8, ptr %old, i64 -40
  store ptr %e, ptr @entries
  %o = load ptr, ptr @out
  %oi = ptrtoint ptr %o to i64
  %si = ptrtoint ptr %start to i64
  %vi = ptrtoint ptr %value_end to i64
  %ko = sub i64 %vi, %oi
  %vo = sub i64 %si, %oi
  %vl = sub i64 %vi, %si
  %k32 = trunc i64 %key to i32
  %n32 = trunc i64 %name to i32
  %in = load i64, ptr @instance
  %i32 = trunc i64 %in to i32
  store i64 %ko, ptr %e
  %e1 = getelementptr i8, ptr %e, i64 8
  store i64 %vo, ptr %e1
  %e2 = getelementptr i8, ptr %e, i64 16
  store i64 %vl, ptr %e2
  %e3 = getelementptr i8, ptr %e, i64 24
  store i32 %k32, ptr %e3
  %e4 = getelementptr i8, ptr %e, i64 28
  store i32 %n32, ptr %e4
  %e5 = getelementptr i8, ptr %e, i64 32
  store i32 %i32, ptr %e5
  %e6 = getelementptr i8, ptr %e, i64 36
  store i32 %output, ptr %e6
  ret void
full:
  %s = load i32, ptr @emit_site
  call void @trap(i32 11, i32 %s)
  unreachable
}
""",
    # The first note that does not fit makes a last note with room for the count of those that follow it.
    "note": """
define internal void @note(ptr %p, i64 %n, i32 %site) #2 {
  %c = load i32, ptr @note_count
  %used = load i64, ptr @note_bytes
  %dropped = load i64, ptr @note_dropped
  %room = sub i64 65536, %used
  %many = icmp uge i32 %c, 1000
  %long = icmp ugt i64 %n, %room
  %late = icmp ne i64 %dropped, 0
  %x = or i1 %many, %long
  %full = or i1 %x, %late
  br i1 %full, label %drop, label %keep
keep:
  %start = call ptr @out_begin(i32 %site)
  call void @out_bytes(ptr %p, i64 %n)
  %end = load ptr, ptr @out_pos
  call void @out_end(ptr %start, ptr %end, i64 -1, i64 -1, i32 -2)
  %c1 = add i32 %c, 1
  store i32 %c1, ptr @note_count
  %used1 = add i64 %used, %n
  store i64 %used1, ptr @note_bytes
  ret void
drop:
  %d1 = add i64 %dropped, 1
  br i1 %late, label %count, label %first
first:
  %start2 = call ptr @out_begin(i32 %site)
  %text = call ptr @out_take(i64 48)
  %end2 = load ptr, ptr @out_pos
  call void @out_end(ptr %start2, ptr %end2, i64 -1, i64 -1, i32 -2)
  %entry = load ptr, ptr @entries
  store ptr %entry, ptr @note_entry
  store ptr %text, ptr @note_text
  br label %count
count:
  store i64 %d1, ptr @note_dropped
  ret void
}
""",
    # Fills in the last note, if there is one. Returns whether there is.
    "finish_notes": """
define internal i1 @finish_notes() #2 {
entry:
  %dropped = load i64, ptr @note_dropped
  %none = icmp eq i64 %dropped, 0
  br i1 %none, label %no, label %measure
no:
  ret i1 false
measure:
  %v = phi i64 [ %dropped, %entry ], [ %v10, %measure ]
  %digits = phi i64 [ 0, %entry ], [ %digits1, %measure ]
  %v10 = udiv i64 %v, 10
  %digits1 = add i64 %digits, 1
  %last = icmp eq i64 %v10, 0
  br i1 %last, label %write, label %measure
write:
  %w = phi i64 [ %dropped, %measure ], [ %w10, %write ]
  %i = phi i64 [ %digits1, %measure ], [ %i1, %write ]
  %i1 = sub i64 %i, 1
  %w10 = udiv i64 %w, 10
  %digit = urem i64 %w, 10
  %d8 = trunc i64 %digit to i8
  %ch = add i8 %d8, 48
  %t = load ptr, ptr @note_text
  %q = getelementptr i8, ptr %t, i64 %i1
  store i8 %ch, ptr %q
  %stop = icmp eq i64 %i1, 0
  br i1 %stop, label %tail, label %write
tail:
  %r = getelementptr i8, ptr %t, i64 %digits1
  call void @llvm.memcpy.p0.p0.i64(ptr %r, ptr @dropped_text, i64 27, i1 false)
  %len = add i64 %digits1, 27
  %e = load ptr, ptr @note_entry
  %lp = getelementptr i8, ptr %e, i64 16
  store i64 %len, ptr %lp
  ret i1 true
}
""",
}

GLOBALS = {
    "dropped_text": '@dropped_text = private constant [27 x i8] c" further notes were dropped"',
}
