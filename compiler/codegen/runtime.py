"""The hand-written part of every image, as LLVM IR text: memory, text validation, output, and the way out of a trap.

Only the pieces that a kernel refers to get into its image (`collect`). Everything that libc would give is here, because
an image with an undefined symbol does not link. `no-builtins` keeps LLVM from turning these loops into calls of
themselves. Pointer arithmetic is `getelementptr` only; `ptrtoint` serves comparisons.

The heap has two ends. Low memory is a bump allocator whose top a region resets: everything lives there by default. High
memory grows down in blocks of powers of two with free lists: it holds buffers of places that outlive a region and are
changed inside it. Only exclusively owned high blocks are ever given back one by one.
"""

import re

# Attributes of every function: nothing unwinds; nothing may be assumed to return or to make progress.
# Those of #2 run at most once an instance or a note, and are not worth the optimiser's time.
ATTRIBUTES = """\
attributes #0 = { nounwind "prefer-vector-width"="512" "no-builtins" "probe-stack"="inline-asm" }
attributes #1 = { nounwind noinline cold "no-builtins" "probe-stack"="inline-asm" }
attributes #2 = { nounwind noinline optnone "no-builtins" "probe-stack"="inline-asm" }
"""

PRELUDE = """\
%H = type { ptr, i64, i64 }
"""

# Entering and leaving an instance. `dnd_enter` saves the callee-saved registers and the stack pointer, so that
# `dnd_unwind(status)` can leave from any depth by restoring them. `_start` gets the control page in rdi. LLVM itself calls
# `memcpy`, `memset` and `memmove`; in assembly they cost no compile time and cannot be turned into calls of themselves.
ASSEMBLY = """\
.text
.globl _start
_start:
  cld
  call dnd_main
  mov $231, %eax
  xor %edi, %edi
  syscall
  ud2
.globl dnd_enter
dnd_enter:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  sub $8, %rsp
  mov %rsp, dnd_sp(%rip)
  call dnd_instance
  xor %eax, %eax
dnd_leave:
  add $8, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.globl dnd_unwind
dnd_unwind:
  mov dnd_sp(%rip), %rsp
  mov %edi, %eax
  jmp dnd_leave
.globl memcpy
memcpy:
  mov %rdi, %rax
  cmp $16, %rdx
  jb 3f
  cmp $1024, %rdx
  ja 2f
  movups -16(%rsi,%rdx), %xmm1
  lea -16(%rdi,%rdx), %r8
  mov %rdi, %rcx
1:
  movups (%rsi), %xmm0
  movups %xmm0, (%rcx)
  add $16, %rsi
  add $16, %rcx
  cmp %r8, %rcx
  jb 1b
  movups %xmm1, (%r8)
  ret
2:
  mov %rdx, %rcx
  rep movsb
  ret
3:
  cmp $8, %rdx
  jb 4f
  mov (%rsi), %rcx
  mov -8(%rsi,%rdx), %r8
  mov %rcx, (%rdi)
  mov %r8, -8(%rdi,%rdx)
  ret
4:
  cmp $4, %rdx
  jb 5f
  mov (%rsi), %ecx
  mov -4(%rsi,%rdx), %r8d
  mov %ecx, (%rdi)
  mov %r8d, -4(%rdi,%rdx)
  ret
5:
  test %rdx, %rdx
  jz 6f
  movb (%rsi), %cl
  movb %cl, (%rdi)
  inc %rsi
  inc %rdi
  dec %rdx
  jmp 5b
6:
  ret
.globl memset
memset:
  mov %rdi, %r8
  mov %esi, %eax
  mov %rdx, %rcx
  rep stosb
  mov %r8, %rax
  ret
.globl memmove
memmove:
  mov %rdi, %rax
  mov %rdi, %r8
  sub %rsi, %r8
  mov %rdx, %rcx
  cmp %rdx, %r8
  jb 1f
  rep movsb
  ret
1:
  test %rcx, %rcx
  jz 2f
  dec %rcx
  movb (%rsi,%rcx), %r8b
  movb %r8b, (%rdi,%rcx)
  jmp 1b
2:
  ret
"""

GLOBALS = {
    "dnd_sp": "@dnd_sp = dso_local global ptr null",
    "heap_lo": "@heap_lo = internal global ptr null",
    "heap_end": "@heap_end = internal global ptr null",
    "bump": "@bump = internal global ptr null",
    "hi": "@hi = internal global ptr null",
    "peak": "@peak = internal global ptr null",
    "free": "@free = internal global [64 x ptr] zeroinitializer",
    "depth": "@depth = internal global i32 0",
    "nest": "@nest = internal global i32 0",
    "exact": "@exact = internal global i32 0",
    "trap_code": "@trap_code = internal global i32 0",
    "trap_site": "@trap_site = internal global i32 0",
    "fail_ptr": "@fail_ptr = internal global ptr null",
    "fail_len": "@fail_len = internal global i64 0",
    "inputs": "@inputs = internal global ptr null",
    "in_base": "@in_base = internal global ptr null",
    "in_pos": "@in_pos = internal global ptr null",
    "in_end": "@in_end = internal global ptr null",
    "in_site": "@in_site = internal global i32 -1",
    "out": "@out = internal global ptr null",
    "out_pos": "@out_pos = internal global ptr null",
    "entries": "@entries = internal global ptr null",
    "instance": "@instance = internal global i64 0",
    "emit_site": "@emit_site = internal global i32 -1",
    "note_count": "@note_count = internal global i32 0",
    "note_bytes": "@note_bytes = internal global i64 0",
    "note_dropped": "@note_dropped = internal global i64 0",
    "note_entry": "@note_entry = internal global ptr null",
    "note_text": "@note_text = internal global ptr null",
}

FUNCTIONS = {
    "compare_bytes": """
define internal i32 @compare_bytes(ptr %a, ptr %b, i64 %n) #0 {
  br label %words
words:
  %i = phi i64 [ 0, %0 ], [ %i8, %same ]
  %i8 = add i64 %i, 8
  %fits = icmp ule i64 %i8, %n
  br i1 %fits, label %word, label %bytes
word:
  %pa = getelementptr i8, ptr %a, i64 %i
  %pb = getelementptr i8, ptr %b, i64 %i
  %va = load i64, ptr %pa, align 1
  %vb = load i64, ptr %pb, align 1
  %eq = icmp eq i64 %va, %vb
  br i1 %eq, label %same, label %differ
same:
  br label %words
differ:
  %ba = call i64 @llvm.bswap.i64(i64 %va)
  %bb = call i64 @llvm.bswap.i64(i64 %vb)
  %less = icmp ult i64 %ba, %bb
  %r = select i1 %less, i32 -1, i32 1
  ret i32 %r
bytes:
  %j = phi i64 [ %i, %words ], [ %j1, %next ]
  %end = icmp uge i64 %j, %n
  br i1 %end, label %equal, label %byte
byte:
  %qa = getelementptr i8, ptr %a, i64 %j
  %qb = getelementptr i8, ptr %b, i64 %j
  %ca = load i8, ptr %qa
  %cb = load i8, ptr %qb
  %j1 = add i64 %j, 1
  %ceq = icmp eq i8 %ca, %cb
  br i1 %ceq, label %next, label %bdiffer
next:
  br label %bytes
bdiffer:
  %bless = icmp ult i8 %ca, %cb
  %br = select i1 %bless, i32 -1, i32 1
  ret i32 %br
equal:
  ret i32 0
}
""",
    "bytes_equal": """
define internal i1 @bytes_equal(ptr %a, i64 %la, ptr %b, i64 %lb) #0 {
  %same = icmp eq i64 %la, %lb
  br i1 %same, label %look, label %no
look:
  %c = call i32 @compare_bytes(ptr %a, ptr %b, i64 %la)
  %eq = icmp eq i32 %c, 0
  ret i1 %eq
no:
  ret i1 false
}
""",
    "bytes_compare": """
define internal i32 @bytes_compare(ptr %a, i64 %la, ptr %b, i64 %lb) #0 {
  %shorter = icmp ult i64 %la, %lb
  %n = select i1 %shorter, i64 %la, i64 %lb
  %c = call i32 @compare_bytes(ptr %a, ptr %b, i64 %n)
  %decided = icmp ne i32 %c, 0
  %longer = icmp ugt i64 %la, %lb
  %x = zext i1 %longer to i32
  %y = zext i1 %shorter to i32
  %d = sub i32 %x, %y
  %r = select i1 %decided, i32 %c, i32 %d
  ret i32 %r
}
""",
    "trap": """
define internal void @trap(i32 %code, i32 %site) #1 {
  store i32 %code, ptr @trap_code
  store i32 %site, ptr @trap_site
  call void @dnd_unwind(i32 2)
  unreachable
}
""",
    "fail": """
define internal void @fail(ptr %p, i64 %n, i32 %site) #1 {
  store ptr %p, ptr @fail_ptr
  store i64 %n, ptr @fail_len
  store i32 %site, ptr @trap_site
  call void @dnd_unwind(i32 3)
  unreachable
}
""",
    "late": """
define internal void @late() #1 {
  call void @dnd_unwind(i32 4)
  unreachable
}
""",
    "alloc": """
define internal ptr @alloc(i64 %size, i32 %site) #0 {
  %p = load ptr, ptr @bump
  %h = load ptr, ptr @hi
  %pi = ptrtoint ptr %p to i64
  %hn = ptrtoint ptr %h to i64
  %room = sub i64 %hn, %pi
  %bad = icmp ugt i64 %size, %room
  br i1 %bad, label %full, label %ok
ok:
  %r = add i64 %size, 15
  %a = and i64 %r, -16
  %n = getelementptr i8, ptr %p, i64 %a
  store ptr %n, ptr @bump
  ret ptr %p
full:
  call void @trap(i32 10, i32 %site)
  unreachable
}
""",
    "release": """
define internal void @release(ptr %mark) #0 {
  %c = load ptr, ptr @bump
  %same = icmp eq ptr %c, %mark
  br i1 %same, label %done, label %give
give:
  %pk = load ptr, ptr @peak
  %more = icmp ugt ptr %c, %pk
  %np = select i1 %more, ptr %c, ptr %pk
  store ptr %np, ptr @peak
  store ptr %mark, ptr @bump
  br label %done
done:
  ret void
}
""",
    # A block of high memory of at least `size` > 0 bytes; its true size is the next power of two from 16 up.
    "high_alloc": """
define internal ptr @high_alloc(i64 %size, i32 %site) #0 {
  %tiny = icmp ult i64 %size, 16
  %n = select i1 %tiny, i64 16, i64 %size
  %vast = icmp ugt i64 %n, 70368744177664
  br i1 %vast, label %full, label %pick
pick:
  %less = sub i64 %n, 1
  %z = call i64 @llvm.ctlz.i64(i64 %less, i1 false)
  %class = sub i64 64, %z
  %slot = getelementptr [64 x ptr], ptr @free, i64 0, i64 %class
  %head = load ptr, ptr %slot
  %empty = icmp eq ptr %head, null
  br i1 %empty, label %carve, label %reuse
reuse:
  %next = load ptr, ptr %head
  store ptr %next, ptr %slot
  ret ptr %head
carve:
  %block = shl i64 1, %class
  %p = load ptr, ptr @bump
  %h = load ptr, ptr @hi
  %pi = ptrtoint ptr %p to i64
  %hn = ptrtoint ptr %h to i64
  %room = sub i64 %hn, %pi
  %bad = icmp ugt i64 %block, %room
  br i1 %bad, label %full, label %ok
ok:
  %down = sub i64 0, %block
  %new = getelementptr i8, ptr %h, i64 %down
  store ptr %new, ptr @hi
  ret ptr %new
full:
  call void @trap(i32 10, i32 %site)
  unreachable
}
""",
    # Gives back an exclusively owned buffer of `bytes` > 0 bytes of capacity if it lies in high memory.
    "high_free": """
define internal void @high_free(ptr %p, i64 %bytes) #0 {
  %h = load ptr, ptr @hi
  %low = icmp ult ptr %p, %h
  br i1 %low, label %done, label %give
give:
  %tiny = icmp ult i64 %bytes, 16
  %n = select i1 %tiny, i64 16, i64 %bytes
  %less = sub i64 %n, 1
  %z = call i64 @llvm.ctlz.i64(i64 %less, i1 false)
  %class = sub i64 64, %z
  %slot = getelementptr [64 x ptr], ptr @free, i64 0, i64 %class
  %head = load ptr, ptr %slot
  store ptr %head, ptr %p
  store ptr %p, ptr %slot
  br label %done
done:
  ret void
}
""",
    "drop_flat": """
define internal void @drop_flat(ptr %p, i64 %cap, i64 %es) #0 {
  %shared = icmp eq i64 %cap, 0
  br i1 %shared, label %done, label %own
own:
  %bytes = mul i64 %cap, %es
  call void @high_free(ptr %p, i64 %bytes)
  br label %done
done:
  ret void
}
""",
    "is_high": """
define internal i1 @is_high(ptr %p) #0 {
  %h = load ptr, ptr @hi
  %up = icmp uge ptr %p, %h
  %e = load ptr, ptr @heap_end
  %in = icmp ult ptr %p, %e
  %r = and i1 %up, %in
  ret i1 %r
}
""",
    # The capacity to ask for: at least `need` elements, twice the length when growing.
    "new_capacity": """
define internal i64 @new_capacity(i64 %len, i64 %need, i64 %es, i32 %site) #0 {
  %vast = icmp ugt i64 %need, 1099511627776
  br i1 %vast, label %full, label %ok
ok:
  %grows = icmp ugt i64 %need, %len
  %double = shl i64 %len, 1
  %wish = select i1 %grows, i64 %double, i64 %need
  %c1 = call i64 @llvm.umax.i64(i64 %wish, i64 %need)
  %few = udiv i64 32, %es
  %c2 = call i64 @llvm.umax.i64(i64 %c1, i64 %few)
  %c3 = call i64 @llvm.umax.i64(i64 %c2, i64 1)
  ret i64 %c3
full:
  call void @trap(i32 10, i32 %site)
  unreachable
}
""",
    # An exclusively owned buffer in low memory with the same elements and room for `need`.
    "grow_low": """
define internal %H @grow_low(ptr %p, i64 %len, i64 %cap, i64 %need, i64 %es, i32 %site) #0 {
  %want = call i64 @new_capacity(i64 %len, i64 %need, i64 %es, i32 %site)
  %raw = mul i64 %want, %es
  %r15 = add i64 %raw, 15
  %size = and i64 %r15, -16
  %newcap = udiv i64 %size, %es
  %shared = icmp eq i64 %cap, 0
  br i1 %shared, label %fresh, label %top
top:
  %old = mul i64 %cap, %es
  %o15 = add i64 %old, 15
  %osize = and i64 %o15, -16
  %end = getelementptr i8, ptr %p, i64 %osize
  %b = load ptr, ptr @bump
  %last = icmp eq ptr %end, %b
  br i1 %last, label %extend, label %fresh
extend:
  %more = sub i64 %size, %osize
  %x = call ptr @alloc(i64 %more, i32 %site)
  %e0 = insertvalue %H undef, ptr %p, 0
  %e1 = insertvalue %H %e0, i64 %len, 1
  %e2 = insertvalue %H %e1, i64 %newcap, 2
  ret %H %e2
fresh:
  %n = call ptr @alloc(i64 %size, i32 %site)
  %used = mul i64 %len, %es
  call void @llvm.memcpy.p0.p0.i64(ptr %n, ptr %p, i64 %used, i1 false)
  call void @drop_flat(ptr %p, i64 %cap, i64 %es)
  %f0 = insertvalue %H undef, ptr %n, 0
  %f1 = insertvalue %H %f0, i64 %len, 1
  %f2 = insertvalue %H %f1, i64 %newcap, 2
  ret %H %f2
}
""",
    # The same in high memory.
    "grow_high": """
define internal %H @grow_high(ptr %p, i64 %len, i64 %cap, i64 %need, i64 %es, i32 %site) #0 {
  %want = call i64 @new_capacity(i64 %len, i64 %need, i64 %es, i32 %site)
  %raw = mul i64 %want, %es
  %n = call ptr @high_alloc(i64 %raw, i32 %site)
  %cap2 = call i64 @block_capacity(i64 %raw, i64 %es)
  %used = mul i64 %len, %es
  call void @llvm.memcpy.p0.p0.i64(ptr %n, ptr %p, i64 %used, i1 false)
  call void @drop_flat(ptr %p, i64 %cap, i64 %es)
  %f0 = insertvalue %H undef, ptr %n, 0
  %f1 = insertvalue %H %f0, i64 %len, 1
  %f2 = insertvalue %H %f1, i64 %cap2, 2
  ret %H %f2
}
""",
    "block_capacity": """
define internal i64 @block_capacity(i64 %size, i64 %es) #0 {
  %n = call i64 @llvm.umax.i64(i64 %size, i64 16)
  %less = sub i64 %n, 1
  %z = call i64 @llvm.ctlz.i64(i64 %less, i1 false)
  %class = sub i64 64, %z
  %block = shl i64 1, %class
  %cap = udiv i64 %block, %es
  ret i64 %cap
}
""",
    # A flat buffer in low memory, copied to high memory: what a place that outlives the region gets.
    "promote_flat": """
define internal void @promote_flat(ptr %h, i64 %es, i32 %site) #0 {
  %p = load ptr, ptr %h
  %lo = load ptr, ptr @heap_lo
  %b = load ptr, ptr @bump
  %x = icmp uge ptr %p, %lo
  %y = icmp ult ptr %p, %b
  %low = and i1 %x, %y
  br i1 %low, label %copy, label %done
copy:
  %lp = getelementptr %H, ptr %h, i32 0, i32 1
  %cp = getelementptr %H, ptr %h, i32 0, i32 2
  %len = load i64, ptr %lp
  %none = icmp eq i64 %len, 0
  br i1 %none, label %empty, label %full
empty:
  store ptr null, ptr %h
  store i64 0, ptr %cp
  br label %done
full:
  %size = mul i64 %len, %es
  %n = call ptr @high_alloc(i64 %size, i32 %site)
  %cap = call i64 @block_capacity(i64 %size, i64 %es)
  call void @llvm.memcpy.p0.p0.i64(ptr %n, ptr %p, i64 %size, i1 false)
  store ptr %n, ptr %h
  store i64 %cap, ptr %cp
  br label %done
done:
  ret void
}
""",
    # Whether the bytes are UTF-8 as RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF.
    "utf8_valid": """
define internal i1 @utf8_valid(ptr %p, i64 %n) #0 {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i8, %ascii ], [ %next, %step ]
  %i8 = add i64 %i, 8
  %wide = icmp ule i64 %i8, %n
  %q = getelementptr i8, ptr %p, i64 %i
  br i1 %wide, label %word, label %one
word:
  %w = load i64, ptr %q, align 1
  %m = and i64 %w, -9187201950435737472
  %plain = icmp eq i64 %m, 0
  br i1 %plain, label %ascii, label %one
ascii:
  br label %head
one:
  %end = icmp uge i64 %i, %n
  br i1 %end, label %good, label %lead
lead:
  %c = load i8, ptr %q
  %high = icmp slt i8 %c, 0
  br i1 %high, label %multi, label %step1
step1:
  br label %step
multi:
  %is2a = icmp uge i8 %c, -62
  %is2b = icmp ult i8 %c, -32
  %is2 = and i1 %is2a, %is2b
  %is3a = icmp uge i8 %c, -32
  %is3b = icmp ult i8 %c, -16
  %is3 = and i1 %is3a, %is3b
  %is4a = icmp uge i8 %c, -16
  %is4b = icmp ult i8 %c, -11
  %is4 = and i1 %is4a, %is4b
  %k3 = select i1 %is3, i64 3, i64 0
  %k4 = select i1 %is4, i64 4, i64 %k3
  %k = select i1 %is2, i64 2, i64 %k4
  %none = icmp eq i64 %k, 0
  br i1 %none, label %bad, label %room
room:
  %after = add i64 %i, %k
  %over = icmp ugt i64 %after, %n
  br i1 %over, label %bad, label %second
second:
  %q1 = getelementptr i8, ptr %q, i64 1
  %c1 = load i8, ptr %q1
  %ise0 = icmp eq i8 %c, -32
  %isf0 = icmp eq i8 %c, -16
  %ised = icmp eq i8 %c, -19
  %isf4 = icmp eq i8 %c, -12
  %lo1 = select i1 %ise0, i8 -96, i8 -128
  %lo = select i1 %isf0, i8 -112, i8 %lo1
  %hi1 = select i1 %ised, i8 -97, i8 -65
  %hi = select i1 %isf4, i8 -113, i8 %hi1
  %okl = icmp uge i8 %c1, %lo
  %okh = icmp ule i8 %c1, %hi
  %ok1 = and i1 %okl, %okh
  br i1 %ok1, label %more, label %bad
more:
  %j = phi i64 [ 2, %second ], [ %j1, %tail ]
  %all = icmp uge i64 %j, %k
  br i1 %all, label %stepk, label %tail0
tail0:
  %qj = getelementptr i8, ptr %q, i64 %j
  %cj = load i8, ptr %qj
  %top = and i8 %cj, -64
  %cont = icmp eq i8 %top, -128
  %j1 = add i64 %j, 1
  br i1 %cont, label %tail, label %bad
tail:
  br label %more
stepk:
  br label %step
step:
  %len = phi i64 [ 1, %step1 ], [ %k, %stepk ]
  %next = add i64 %i, %len
  br label %head
good:
  ret i1 true
bad:
  ret i1 false
}
""",
    # Whether offset `i` of a text of `n` bytes is between two characters.
    "at_boundary": """
define internal i1 @at_boundary(ptr %p, i64 %n, i64 %i) #0 {
  %end = icmp eq i64 %i, %n
  br i1 %end, label %yes, label %look
look:
  %q = getelementptr i8, ptr %p, i64 %i
  %c = load i8, ptr %q
  %top = and i8 %c, -64
  %ok = icmp ne i8 %top, -128
  ret i1 %ok
yes:
  ret i1 true
}
""",
    # C's fmod, exact: shifts and subtracts on the mantissas, both moved up to bit 52 first. Never called with NaN, infinite x or zero y.
    "float_rem": """
define internal double @float_rem(double %x, double %y) #0 {
entry:
  %ax = call double @llvm.fabs.f64(double %x)
  %ay = call double @llvm.fabs.f64(double %y)
  %small = fcmp olt double %ax, %ay
  br i1 %small, label %same, label %work
same:
  ret double %x
work:
  %bx = bitcast double %ax to i64
  %by = bitcast double %ay to i64
  %ex0 = lshr i64 %bx, 52
  %ey0 = lshr i64 %by, 52
  %mx0 = and i64 %bx, 4503599627370495
  %my0 = and i64 %by, 4503599627370495
  %subx = icmp eq i64 %ex0, 0
  %suby = icmp eq i64 %ey0, 0
  %mx1 = or i64 %mx0, 4503599627370496
  %my1 = or i64 %my0, 4503599627370496
  %mxs = select i1 %subx, i64 %mx0, i64 %mx1
  %mys = select i1 %suby, i64 %my0, i64 %my1
  %exs = select i1 %subx, i64 1, i64 %ex0
  %eys = select i1 %suby, i64 1, i64 %ey0
  %zx = call i64 @llvm.ctlz.i64(i64 %mxs, i1 false)
  %zy = call i64 @llvm.ctlz.i64(i64 %mys, i1 false)
  %sx = sub i64 %zx, 11
  %sy = sub i64 %zy, 11
  %mxa = shl i64 %mxs, %sx
  %mya = shl i64 %mys, %sy
  %exa = sub i64 %exs, %sx
  %eya = sub i64 %eys, %sy
  %shift = sub i64 %exa, %eya
  br label %loop
loop:
  %m = phi i64 [ %mxa, %work ], [ %m4, %again ]
  %k = phi i64 [ %shift, %work ], [ %k1, %again ]
  %ge = icmp uge i64 %m, %mya
  %d = sub i64 %m, %mya
  %m2 = select i1 %ge, i64 %d, i64 %m
  %last = icmp eq i64 %k, 0
  br i1 %last, label %pack, label %again
again:
  %m4 = shl i64 %m2, 1
  %k1 = sub i64 %k, 1
  br label %loop
pack:
  %zero = icmp eq i64 %m2, 0
  br i1 %zero, label %signed, label %scale
scale:
  %under = sub i64 1, %eya
  %deep = icmp sgt i64 %under, 0
  %right = select i1 %deep, i64 %under, i64 0
  %m5 = lshr i64 %m2, %right
  %e5 = add i64 %eya, %right
  br label %norm
norm:
  %nm = phi i64 [ %m5, %scale ], [ %nm2, %up ]
  %ne = phi i64 [ %e5, %scale ], [ %ne2, %up ]
  %big = icmp uge i64 %nm, 4503599627370496
  %floor = icmp eq i64 %ne, 1
  %stop = or i1 %big, %floor
  br i1 %stop, label %build, label %up
up:
  %nm2 = shl i64 %nm, 1
  %ne2 = sub i64 %ne, 1
  br label %norm
build:
  %frac = and i64 %nm, 4503599627370495
  %exp = shl i64 %ne, 52
  %normal = or i64 %frac, %exp
  %bits = select i1 %big, i64 %normal, i64 %frac
  br label %signed
signed:
  %rb = phi i64 [ 0, %pack ], [ %bits, %build ]
  %rf = bitcast i64 %rb to double
  %r = call double @llvm.copysign.f64(double %rf, double %x)
  ret double %r
}
""",
    # a - b * floor(a / b), exact: fmod, then moved to the divisor's sign; a zero has the divisor's sign.
    "float_mod": """
define internal double @float_mod(double %a, double %b) #0 {
  %na = fcmp uno double %a, %b
  %aa = call double @llvm.fabs.f64(double %a)
  %ia = fcmp oeq double %aa, 0x7FF0000000000000
  %zb = fcmp oeq double %b, 0.0
  %x = or i1 %na, %ia
  %y = or i1 %x, %zb
  br i1 %y, label %nan, label %go
nan:
  ret double 0x7FF8000000000000
go:
  %ab = call double @llvm.fabs.f64(double %b)
  %ib = fcmp oeq double %ab, 0x7FF0000000000000
  br i1 %ib, label %keep, label %rem
rem:
  %f = call double @float_rem(double %a, double %b)
  br label %keep
keep:
  %r = phi double [ %a, %go ], [ %f, %rem ]
  %zero = fcmp oeq double %r, 0.0
  br i1 %zero, label %iszero, label %nonzero
iszero:
  %z = call double @llvm.copysign.f64(double 0.0, double %b)
  ret double %z
nonzero:
  %rn = fcmp olt double %r, 0.0
  %bn = fcmp olt double %b, 0.0
  %differ = xor i1 %rn, %bn
  %moved = fadd double %r, %b
  %s = select i1 %differ, double %moved, double %r
  ret double %s
}
""",
}

_REFERENCE = re.compile(r"@([A-Za-z_][\w.]*)")


def intrinsic(name: str) -> str:
    """The declaration of an LLVM intrinsic that generated code uses."""
    suffix = name.rsplit(".", 1)[-1]
    llvm_type = {"f32": "float", "f64": "double"}.get(suffix, suffix)
    base = name.split(".")[1]
    if base in ("memcpy", "memmove"):
        return f"declare void @{name}(ptr, ptr, i64, i1)"
    if base == "memset":
        return f"declare void @{name}(ptr, i8, i64, i1)"
    if name.endswith((f".with.overflow.{suffix}",)):
        return f"declare {{ {llvm_type}, i1 }} @{name}({llvm_type}, {llvm_type})"
    if base in ("ctlz", "abs"):
        return f"declare {llvm_type} @{name}({llvm_type}, i1)"
    two = base in ("umax", "umin", "smax", "smin", "copysign")
    return f"declare {llvm_type} @{name}({', '.join([llvm_type] * (2 if two else 1))})"


def references(text: str) -> list[str]:
    """The global names that a piece of IR mentions."""
    return list(dict.fromkeys(_REFERENCE.findall(text)))
