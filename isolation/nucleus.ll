; The nucleus: the static program without libc that forks the one-shot children in which untrusted images run.
;
; Why text IR: the package is built where no C compiler is, so llvmlite assembles this file and `build.py` links it, at
; 0x800e0000, in the gap between stack and window: there it shares every page table with what a child touches, and no fork
; has to make and free others for it. Every system call of the trusted side stands below.
; What it must never do: map an image or a context outside of a child, keep a descriptor of a child, make a system call from
; anywhere but its text (the filter would kill it), or trust a byte that an image could have written.
;
; Descriptors of the nucleus: 0 control socket, 1 pidfd of the owner.
; While it makes a child: 2 the child's memfd, 3 the owner's end and 4 the child's end of the child's socket.
; Descriptors of a child: 4 its socket; until it enters the image 2 its memfd, and what RUN brought at 0 and 1. The socket's
; end-of-file is the proof that the child is dead.
;
; It does nothing unless it is told to: the owner sees each death first and says when there is time to reap and to fork, so
; that the nucleus never competes with a result for a CPU.
;
; Records are little endian. Owner to nucleus, up to 32 a message, 16 bytes { u32 kind, u32 slot, u32 generation, u32 0 }:
;   1 TARGET (slot: how many children shall be alive; generation: number of this wish)  2 KILL
;   3 REAP (a child whose end-of-file was seen: waits for it)
; Nucleus to owner, 32 bytes { u32 kind, u32 slot, u32 generation, u32 status, u64 cpu_us, u64 extra }:
;   16 HELLO (status: layers)  17 READY (extra: pid; with descriptors 3 and 2)  18 EXIT (status: as wait4 gives it)
;   19 STARVED (generation: the last wish known, status: errno, extra: step)
;   20 REFUSED (status: errno, extra: step; the nucleus ends)
;   READY may be followed in the same message by one EXIT: a death and its replacement wake the owner once.
; Child to owner, 32 bytes: 21 FAULT (status: errno, extra: step) before the image has been entered.
; Owner to child, RUN, u64 fields: 0 entry, 1 stack base, 2 stack length, 3 window base (control page and output area, the
;   start of the child's memfd), 4 window length, 5 heap base, 6 heap length, 7 base of further inputs, 8 their length or 0, 9 wall
;   limit in us, 10 CPU limit in us, 11 flags (1: the inputs stand in the memfd behind the window, 2: ten nicer, 4: on every
;   CPU that the nucleus began with, whatever its owner has bound it to since), 12 number of segments; then per segment base,
;   length, offset, protection. Descriptors: the sealed image, then sealed inputs if any.
;
; Stack, window and heap of the default limits are mapped, and their first pages touched, before RUN: a call with other
; limits pays for its own. The numbers are those of `layout.py`: stack 0x7f8d0000 + 8 MiB, window 0x80100000 + 4096 + 16 MiB,
; heap 0x81111000 + 64 MiB. MAP_FIXED_NOREPLACE everywhere: nothing is ever mapped over something else.

target triple = "x86_64-unknown-linux-gnu"

%Slot = type { i32, i32 }                              ; pid (0: free), generation
%Record = type { i32, i32, i32, i32, i64, i64 }
%Iovec = type { ptr, i64 }
%Msghdr = type { ptr, i64, ptr, i64, ptr, i64, i64 }
%Cmsg = type { i64, i32, i32, [2 x i32] }              ; length, SOL_SOCKET, SCM_RIGHTS, two descriptors
%Pollfd = type { i32, i16, i16 }

; Set by build.py: the classic BPF program (it holds the addresses of the linked text) and the borders of the layout.
@filter = external hidden constant { i64, [0 x i8] }   ; number of instructions, instructions
@nucleus_base = external hidden constant [0 x i8]
@nucleus_limit = external hidden constant [0 x i8]     ; first byte after the part that a child unmaps
@trampoline_limit = external hidden constant [0 x i8]  ; first byte after everything
@trampoline = external hidden constant [0 x i8]

@oom_path = internal constant [25 x i8] c"/proc/self/oom_score_adj\00"
@oom_value = internal constant [4 x i8] c"1000"
@no_name = internal constant [1 x i8] zeroinitializer

@stack = hidden global [1408 x i8] zeroinitializer, align 16
@record = internal global [2 x %Record] zeroinitializer, align 16
@obituary = internal global %Record zeroinitializer, align 16  ; an EXIT that waits for company; kind 0: none
@orders = internal global [128 x i32] zeroinitializer, align 16
@run = internal global [48 x i64] zeroinitializer, align 16
@iovec = internal global %Iovec zeroinitializer, align 16
@message = internal global %Msghdr zeroinitializer, align 16
@rights = internal global %Cmsg zeroinitializer, align 16
@pair = internal global [2 x i32] zeroinitializer, align 16
@scratch = internal global [32 x i64] zeroinitializer, align 16
@polled = internal global [2 x %Pollfd] zeroinitializer, align 16
@slots = internal global [128 x %Slot] zeroinitializer, align 16
@alive = internal global i32 0
@target = internal global i32 0
@wish = internal global i32 0                          ; number of the last TARGET
@cpus = internal global [16 x i64] zeroinitializer, align 16   ; those of the nucleus at its start; none: there are more than 1024
@parent = internal global i32 0                        ; what getppid gives in a child
@init = internal global i32 0                          ; first process of the children's pid namespace, 0: none

; The kernel's stack is left at once: the nucleus unmaps it.
module asm ".text"
module asm ".globl _start"
module asm "_start:"
module asm "  leaq stack+1408(%rip), %rsp"
module asm "  xorl %ebp, %ebp"
module asm "  call nucleus"
module asm "  ud2"

; The only code that stays: unmap the nucleus (rdi, rsi; rax is munmap), enter the image (r8) with the control page in rdi.
module asm ".section .trampoline,\22ax\22,@progbits"
module asm ".globl trampoline"
module asm "trampoline:"
module asm "  syscall"
module asm ".globl trampoline_return"
module asm "trampoline_return:"
module asm "  testq %rax, %rax"
module asm "  jnz 1f"
module asm "  movq %r9, %rdi"
module asm "  pushq %r8"
module asm "  xorl %eax, %eax"
module asm "  xorl %ebx, %ebx"
module asm "  xorl %ecx, %ecx"
module asm "  xorl %edx, %edx"
module asm "  xorl %esi, %esi"
module asm "  xorl %ebp, %ebp"
module asm "  xorl %r8d, %r8d"
module asm "  xorl %r9d, %r9d"
module asm "  xorl %r10d, %r10d"
module asm "  xorl %r11d, %r11d"
module asm "  xorl %r12d, %r12d"
module asm "  xorl %r13d, %r13d"
module asm "  xorl %r14d, %r14d"
module asm "  xorl %r15d, %r15d"
module asm "  cld"
module asm "  ret"
module asm "1: ud2"

define internal i64 @sys(i64 %number, i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f) alwaysinline #0 {
  %result = call i64 asm sideeffect "syscall", "={rax},{rax},{rdi},{rsi},{rdx},{r10},{r8},{r9},~{rcx},~{r11},~{memory}"(i64 %number, i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f)
  ret i64 %result
}

define internal i64 @sys3(i64 %number, i64 %a, i64 %b, i64 %c) alwaysinline #0 {
  %result = call i64 asm sideeffect "syscall", "={rax},{rax},{rdi},{rsi},{rdx},~{rcx},~{r11},~{memory}"(i64 %number, i64 %a, i64 %b, i64 %c)
  ret i64 %result
}

; system calls with an address in them
define internal i64 @sys_ptr(i64 %number, i64 %a, ptr %b, i64 %c) alwaysinline #0 {
  %result = call i64 asm sideeffect "syscall", "={rax},{rax},{rdi},{rsi},{rdx},~{rcx},~{r11},~{memory}"(i64 %number, i64 %a, ptr %b, i64 %c)
  ret i64 %result
}

define internal i64 @sys_last(i64 %number, i64 %a, i64 %b, ptr %c) alwaysinline #0 {
  %result = call i64 asm sideeffect "syscall", "={rax},{rax},{rdi},{rsi},{rdx},~{rcx},~{r11},~{memory}"(i64 %number, i64 %a, i64 %b, ptr %c)
  ret i64 %result
}

define internal void @exit(i64 %status) noreturn #0 {
  %gone = call i64 @sys3(i64 231, i64 %status, i64 0, i64 0)                 ; exit_group
  unreachable
}

; ---- what goes out -------------------------------------------------------------------------------------------------

; sends `size` bytes of @record over `socket`, with descriptors 3 and 2 if `with_rights`
define internal i64 @send(i64 %socket, i64 %size, i1 %with_rights) noinline #0 {
  store ptr @record, ptr @iovec
  store i64 %size, ptr getelementptr (%Iovec, ptr @iovec, i32 0, i32 1)
  store ptr @iovec, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 2)
  store i64 1, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 3)
  store ptr @rights, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 4)
  %length = select i1 %with_rights, i64 24, i64 0
  store i64 %length, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 5)
  store i64 0, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 6)
  store i64 24, ptr @rights
  store i32 1, ptr getelementptr (%Cmsg, ptr @rights, i32 0, i32 1)          ; SOL_SOCKET
  store i32 1, ptr getelementptr (%Cmsg, ptr @rights, i32 0, i32 2)          ; SCM_RIGHTS
  store i32 3, ptr getelementptr (%Cmsg, ptr @rights, i32 0, i32 3, i32 0)
  store i32 2, ptr getelementptr (%Cmsg, ptr @rights, i32 0, i32 3, i32 1)
  %sent = call i64 @sys_ptr(i64 46, i64 %socket, ptr @message, i64 16384)     ; sendmsg, MSG_NOSIGNAL
  ret i64 %sent
}

define internal void @fill(i32 %kind, i32 %slot, i32 %generation, i32 %status, i64 %cpu, i64 %extra) noinline #0 {
  store i32 %kind, ptr @record
  store i32 %slot, ptr getelementptr (%Record, ptr @record, i32 0, i32 1)
  store i32 %generation, ptr getelementptr (%Record, ptr @record, i32 0, i32 2)
  store i32 %status, ptr getelementptr (%Record, ptr @record, i32 0, i32 3)
  store i64 %cpu, ptr getelementptr (%Record, ptr @record, i32 0, i32 4)
  store i64 %extra, ptr getelementptr (%Record, ptr @record, i32 0, i32 5)
  ret void
}

; the nucleus cannot work here: say why and end
define internal void @refuse(i64 %step, i64 %result) noinline noreturn #0 {
  %positive = sub i64 0, %result
  %errno = trunc i64 %positive to i32
  call void @fill(i32 20, i32 0, i32 0, i32 %errno, i64 0, i64 %step)
  %sent = call i64 @send(i64 0, i64 32, i1 false)
  call void @exit(i64 1)
  unreachable
}

define internal void @require(i64 %step, i64 %result) #0 {
  %bad = icmp slt i64 %result, 0
  br i1 %bad, label %no, label %yes
no:
  call void @refuse(i64 %step, i64 %result)
  unreachable
yes:
  ret void
}

; a child cannot do what RUN asks for: say why on its own socket, which no image can write to, and end
define internal void @fault(i64 %step, i64 %result) noinline noreturn #0 {
  %positive = sub i64 0, %result
  %errno = trunc i64 %positive to i32
  call void @fill(i32 21, i32 0, i32 0, i32 %errno, i64 0, i64 %step)
  %sent = call i64 @send(i64 4, i64 32, i1 false)
  call void @exit(i64 1)
  unreachable
}

define internal void @demand(i64 %step, i64 %result) #0 {
  %bad = icmp slt i64 %result, 0
  br i1 %bad, label %no, label %yes
no:
  call void @fault(i64 %step, i64 %result)
  unreachable
yes:
  ret void
}

; ---- the life of a child -------------------------------------------------------------------------------------------

define internal void @map(i64 %step, i64 %base, i64 %length, i64 %protection, i64 %flags, i64 %descriptor, i64 %offset) noinline #0 {
  %at = call i64 @sys(i64 9, i64 %base, i64 %length, i64 %protection, i64 %flags, i64 %descriptor, i64 %offset)
  %error = icmp ugt i64 %at, -4096
  br i1 %error, label %no, label %yes
no:
  call void @fault(i64 %step, i64 %at)
  unreachable
yes:
  ret void
}

define internal i64 @field(i64 %index) alwaysinline #0 {
  %at = getelementptr [48 x i64], ptr @run, i64 0, i64 %index
  %value = load i64, ptr %at
  ret i64 %value
}

; timer `which` (0 real time: SIGALRM, 2 CPU time: SIGPROF) fires once after `us`; an image has no way to stop or mask one
define internal void @arm(i64 %which, i64 %us) noinline #0 {
  %seconds = udiv i64 %us, 1000000
  %rest = urem i64 %us, 1000000
  store i64 0, ptr @scratch
  store i64 0, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)
  store i64 %seconds, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 2)
  store i64 %rest, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 3)
  %set = call i64 @sys_ptr(i64 38, i64 %which, ptr @scratch, i64 0)          ; setitimer
  call void @demand(i64 40, i64 %set)
  ret void
}

; CPU time below a second is counted by the scheduler's clock and looked at each tick; setitimer counts ticks, and one more: it
; serves where the host gives no timer, of which a user has only as many as RLIMIT_SIGPENDING says
define internal void @arm_cpu(i64 %us) noinline #0 {
  %short = icmp ult i64 %us, 1000000
  br i1 %short, label %exact, label %coarse
coarse:
  call void @arm(i64 2, i64 %us)
  ret void
exact:                                                                       ; struct sigevent: value, signal 27 (SIGPROF)
  store i64 0, ptr @scratch
  store i64 27, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)
  %made = call i64 @sys3(i64 222, i64 2, i64 ptrtoint (ptr @scratch to i64), i64 ptrtoint (ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 8) to i64))
  %none = icmp slt i64 %made, 0                                              ; timer_create, CLOCK_PROCESS_CPUTIME_ID
  br i1 %none, label %coarse, label %settle
settle:
  %ns = mul i64 %us, 1000
  store i64 0, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)
  store i64 0, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 2)
  store i64 %ns, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 3)
  %number = load i32, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 8)
  %timer = zext i32 %number to i64
  %set = call i64 @sys(i64 223, i64 %timer, i64 0, i64 ptrtoint (ptr @scratch to i64), i64 0, i64 0, i64 0)
  call void @demand(i64 40, i64 %set)                                        ; timer_settime
  ret void
}

; the heap: huge pages above its first 4 MiB, if the host gives any on request. EINVAL of madvise: none at all
define internal void @map_heap(i64 %base, i64 %length) noinline #0 {
  %empty = icmp eq i64 %length, 0
  br i1 %empty, label %done, label %heap
heap:
  call void @map(i64 33, i64 %base, i64 %length, i64 3, i64 1064994, i64 -1, i64 0)  ; FIXED_NOREPLACE|ANON|PRIVATE|NORESERVE
  %large = icmp ugt i64 %length, 4194304
  br i1 %large, label %huge, label %done
huge:
  %upper = add i64 %base, 4194304
  %rest = sub i64 %length, 4194304
  %grown = call i64 @sys3(i64 28, i64 %upper, i64 %rest, i64 14)             ; madvise, MADV_HUGEPAGE
  br label %done
done:
  ret void
}

define internal void @map_stack(i64 %base, i64 %length) noinline #0 {
  call void @map(i64 32, i64 %base, i64 %length, i64 3, i64 1064994, i64 -1, i64 0)
  ret void
}

define internal void @map_window(i64 %length) noinline #0 {
  call void @map(i64 34, i64 2148532224, i64 %length, i64 3, i64 1048577, i64 2, i64 0)  ; FIXED_NOREPLACE|SHARED
  ret void
}

; before RUN: what most calls will ask for, and its first pages
define internal void @prepare() noinline #0 {
  call void @map_stack(i64 2139947008, i64 8388608)
  call void @map_window(i64 16781312)
  call void @map_heap(i64 2165379072, i64 67108864)
  store volatile i8 0, ptr inttoptr (i64 2148335608 to ptr)                  ; top of the stack
  store volatile i8 0, ptr inttoptr (i64 2148532224 to ptr)                  ; control page
  store volatile i8 0, ptr inttoptr (i64 2148536320 to ptr)                  ; first page of the output area
  %code = load volatile i8, ptr @trampoline
  ret void
}

define internal i1 @differ(i64 %base, i64 %length, i64 %usual_base, i64 %usual_length) noinline #0 {
  %other_base = icmp ne i64 %base, %usual_base
  %other_length = icmp ne i64 %length, %usual_length
  %other = or i1 %other_base, %other_length
  br i1 %other, label %yes, label %no
yes:
  %unmapped = call i64 @sys3(i64 11, i64 %usual_base, i64 %usual_length, i64 0)
  call void @demand(i64 38, i64 %unmapped)
  ret i1 true
no:
  ret i1 false
}

; the three areas as RUN wants them: first everything unusual goes, then the new ones come
define internal void @fit_areas() noinline #0 {
  %stack = call i64 @field(i64 1)
  %stack_length = call i64 @field(i64 2)
  %window = call i64 @field(i64 3)
  %window_length = call i64 @field(i64 4)
  %heap = call i64 @field(i64 5)
  %heap_length = call i64 @field(i64 6)
  %other_stack = call i1 @differ(i64 %stack, i64 %stack_length, i64 2139947008, i64 8388608)
  %other_window = call i1 @differ(i64 %window, i64 %window_length, i64 2148532224, i64 16781312)
  %other_heap = call i1 @differ(i64 %heap, i64 %heap_length, i64 2165379072, i64 67108864)
  br i1 %other_stack, label %new_stack, label %after_stack
new_stack:
  call void @map_stack(i64 %stack, i64 %stack_length)
  br label %after_stack
after_stack:
  br i1 %other_window, label %new_window, label %after_window
new_window:
  call void @map_window(i64 %window_length)
  br label %after_window
after_window:
  br i1 %other_heap, label %new_heap, label %done
new_heap:
  call void @map_heap(i64 %heap, i64 %heap_length)
  br label %done
done:
  ret void
}

define internal void @map_segments(i64 %image, i64 %count) noinline #0 {
  br label %next
next:
  %index = phi i64 [ 0, %0 ], [ %after, %more ]
  %end = icmp eq i64 %index, %count
  br i1 %end, label %done, label %more
more:
  %scaled = shl i64 %index, 2
  %first = add i64 %scaled, 13
  %second = add i64 %scaled, 14
  %third = add i64 %scaled, 15
  %fourth = add i64 %scaled, 16
  %base = call i64 @field(i64 %first)
  %length = call i64 @field(i64 %second)
  %offset = call i64 @field(i64 %third)
  %protection = call i64 @field(i64 %fourth)
  call void @map(i64 31, i64 %base, i64 %length, i64 %protection, i64 1048578, i64 %image, i64 %offset)  ; FIXED_NOREPLACE|PRIVATE
  %after = add i64 %index, 1
  br label %next
done:
  ret void
}

; waits for RUN; gives the number of the image's descriptor. The owner's end closed means: not needed any more.
define internal void @await_run() noinline #0 {
  store ptr @run, ptr @iovec
  store i64 384, ptr getelementptr (%Iovec, ptr @iovec, i32 0, i32 1)
  store ptr @iovec, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 2)
  store i64 1, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 3)
  store ptr @rights, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 4)
  store i64 24, ptr getelementptr (%Msghdr, ptr @message, i32 0, i32 5)
  %got = call i64 @sys_ptr(i64 47, i64 4, ptr @message, i64 1073741824)       ; recvmsg, MSG_CMSG_CLOEXEC
  %ended = icmp slt i64 %got, 104
  br i1 %ended, label %leave, label %check
leave:
  call void @exit(i64 0)
  unreachable
check:
  %count = call i64 @field(i64 12)
  %many = icmp ugt i64 %count, 8
  br i1 %many, label %bad, label %sized
sized:
  %segments = shl i64 %count, 5
  %needed = add i64 %segments, 104
  %wrong = icmp ne i64 %needed, %got
  br i1 %wrong, label %bad, label %ready
bad:
  call void @fault(i64 30, i64 -22)
  unreachable
ready:
  ret void
}

define internal void @enter() noinline noreturn #0 {
  %entry = call i64 @field(i64 0)
  %stack_base = call i64 @field(i64 1)
  %stack_length = call i64 @field(i64 2)
  %top = add i64 %stack_base, %stack_length
  %control = call i64 @field(i64 3)
  call void asm sideeffect "movq $0, %rsp\0Aleaq nucleus_limit(%rip), %rsi\0Asubq %rdi, %rsi\0Ajmp trampoline", "{rdx},{rdi},{rax},{r8},{r9},~{rsi},~{memory}"(i64 %top, ptr @nucleus_base, i64 11, i64 %entry, i64 %control)
  unreachable
}

; inputs that do not fit into the control page: out of the memfd, or sealed and shared with other calls
define internal void @map_inputs(i64 %flags) noinline #0 {
  %length = call i64 @field(i64 8)
  %none = icmp eq i64 %length, 0
  br i1 %none, label %done, label %some
some:
  %base = call i64 @field(i64 7)
  %bit = and i64 %flags, 1
  %own = icmp ne i64 %bit, 0
  br i1 %own, label %behind, label %sealed
behind:
  %offset = call i64 @field(i64 4)
  call void @map(i64 35, i64 %base, i64 %length, i64 1, i64 1048577, i64 2, i64 %offset)
  br label %done
sealed:
  %second = load i32, ptr getelementptr (%Cmsg, ptr @rights, i32 0, i32 3, i32 1)
  %descriptor = zext i32 %second to i64
  call void @map(i64 35, i64 %base, i64 %length, i64 1, i64 1048578, i64 %descriptor, i64 0)
  br label %done
done:
  ret void
}

define internal void @run_image() noinline noreturn #0 {
  %flags = call i64 @field(i64 11)
  %first = load i32, ptr getelementptr (%Cmsg, ptr @rights, i32 0, i32 3, i32 0)
  %image = zext i32 %first to i64
  %count = call i64 @field(i64 12)
  call void @map_segments(i64 %image, i64 %count)
  call void @fit_areas()
  call void @map_inputs(i64 %flags)
  %closed = call i64 @sys3(i64 436, i64 0, i64 3, i64 0)                     ; close_range: all but the socket
  call void @demand(i64 36, i64 %closed)
  %wide_bit = and i64 %flags, 4
  %is_wide = icmp ne i64 %wide_bit, 0
  br i1 %is_wide, label %widen, label %placed
widen:
  %widened = call i64 @sys_last(i64 203, i64 0, i64 128, ptr @cpus)          ; sched_setaffinity
  br label %placed
placed:
  %bit = and i64 %flags, 2
  %is_nice = icmp ne i64 %bit, 0
  br i1 %is_nice, label %lower, label %timers
lower:
  %priority = call i64 @sys3(i64 140, i64 0, i64 0, i64 0)                   ; getpriority: 20 less its own niceness
  %lower_by_ten = sub i64 30, %priority
  %lowered = call i64 @sys3(i64 141, i64 0, i64 0, i64 %lower_by_ten)        ; setpriority, which stops at 19
  br label %timers
timers:
  %wall = call i64 @field(i64 9)
  call void @arm(i64 0, i64 %wall)
  %cpu = call i64 @field(i64 10)
  call void @arm_cpu(i64 %cpu)
  call void @enter()
  unreachable
}

define internal void @life() noinline noreturn #0 {
  %tied = call i64 @sys3(i64 157, i64 1, i64 9, i64 0)                       ; prctl, PR_SET_PDEATHSIG, SIGKILL
  call void @demand(i64 20, i64 %tied)
  %wanted = load i32, ptr @parent
  %parent = call i64 @sys3(i64 110, i64 0, i64 0, i64 0)                     ; getppid
  %parent32 = trunc i64 %parent to i32
  %orphan = icmp ne i32 %parent32, %wanted
  br i1 %orphan, label %leave, label %child
leave:
  call void @exit(i64 0)
  unreachable
child:
  %closed = call i64 @sys3(i64 436, i64 0, i64 1, i64 0)                     ; close_range: what is the nucleus's
  call void @demand(i64 21, i64 %closed)
  %left = call i64 @sys3(i64 3, i64 3, i64 0, i64 0)                         ; close: the owner's end
  call void @demand(i64 22, i64 %left)
  call void @prepare()
  call void @await_run()
  call void @run_image()
  unreachable
}

; ---- making and reaping children -----------------------------------------------------------------------------------

define internal void @starve(i64 %step, i64 %result) noinline #0 {
  call void @send_obituary()                                                 ; the owner counts who is left
  %positive = sub i64 0, %result
  %errno = trunc i64 %positive to i32
  %wish = load i32, ptr @wish
  call void @fill(i32 19, i32 0, i32 %wish, i32 %errno, i64 0, i64 %step)
  %sent = call i64 @send(i64 0, i64 32, i1 false)
  %alive = load i32, ptr @alive
  store i32 %alive, ptr @target                                              ; until the owner asks again
  ret void
}

define internal i64 @free_slot() noinline #0 {
  br label %next
next:
  %index = phi i64 [ 0, %0 ], [ %after, %more ]
  %at = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %index, i32 0
  %pid = load i32, ptr %at
  %free = icmp eq i32 %pid, 0
  br i1 %free, label %done, label %more
more:
  %after = add i64 %index, 1
  %end = icmp eq i64 %after, 128
  br i1 %end, label %done, label %next
done:
  %found = phi i64 [ %index, %next ], [ -1, %more ]
  ret i64 %found
}

define internal i64 @make_channels() noinline #0 {
  %memory = call i64 @sys(i64 319, i64 ptrtoint (ptr @no_name to i64), i64 1, i64 0, i64 0, i64 0, i64 0)
  %no_memory = icmp slt i64 %memory, 0
  br i1 %no_memory, label %failed_memory, label %size
failed_memory:                                                               ; memfd_create, MFD_CLOEXEC
  ret i64 %memory
size:                                                                        ; sparse: what a call maps of it is its limit
  %sized = call i64 @sys3(i64 77, i64 2, i64 1099511627776, i64 0)           ; ftruncate
  %no_size = icmp slt i64 %sized, 0
  br i1 %no_size, label %failed_size, label %socket
failed_size:
  ret i64 %sized
socket:
  %paired = call i64 @sys(i64 53, i64 1, i64 524293, i64 0, i64 ptrtoint (ptr @pair to i64), i64 0, i64 0)
  ret i64 %paired                                                            ; socketpair, SEQPACKET|CLOEXEC
}

; moves the EXIT that waits, if any, to place `index` of @record; gives its size. All but its kind stays, for @spawn
define internal i64 @take_obituary(i64 %index) noinline #0 {
  %kind = load i32, ptr @obituary
  %none = icmp eq i32 %kind, 0
  br i1 %none, label %no, label %yes
no:
  ret i64 0
yes:
  %to = getelementptr [2 x %Record], ptr @record, i64 0, i64 %index
  %waiting = load %Record, ptr @obituary
  store %Record %waiting, ptr %to
  store i32 0, ptr @obituary
  ret i64 32
}

define internal void @send_obituary() noinline #0 {
  %size = call i64 @take_obituary(i64 0)
  %none = icmp eq i64 %size, 0
  br i1 %none, label %done, label %some
some:
  %sent = call i64 @send(i64 0, i64 %size, i1 false)
  br label %done
done:
  ret void
}

; without its first process a pid namespace is dead for ever, which fork reports as ENOMEM: the owner shall start another
; nucleus, once no child is left that could be lost by it
define internal void @check_namespace(i64 %error) noinline #0 {
  %first = load i32, ptr @init
  %held = icmp ne i32 %first, 0
  %alive = load i32, ptr @alive
  %alone = icmp eq i32 %alive, 0
  %memory = icmp eq i64 %error, -12
  %both = and i1 %held, %alone
  %all = and i1 %both, %memory
  br i1 %all, label %end, label %fine
end:
  call void @exit(i64 1)
  unreachable
fine:
  ret void
}

; one more child; false when the host has no more to give
define internal i1 @spawn(i64 %slot) noinline #0 {
  %made = call i64 @make_channels()
  %failed = icmp slt i64 %made, 0
  br i1 %failed, label %no_channels, label %split
no_channels:
  %closed = call i64 @sys3(i64 436, i64 2, i64 4, i64 0)
  call void @starve(i64 10, i64 %made)
  ret i1 false
split:
  %pid = call i64 @sys3(i64 57, i64 0, i64 0, i64 0)                         ; fork
  %is_child = icmp eq i64 %pid, 0
  br i1 %is_child, label %child, label %mother
child:
  call void @life()
  unreachable
mother:
  %no_fork = icmp slt i64 %pid, 0
  br i1 %no_fork, label %no_child, label %announce
no_child:
  %dropped = call i64 @sys3(i64 436, i64 2, i64 4, i64 0)
  call void @check_namespace(i64 %pid)
  call void @starve(i64 11, i64 %pid)
  ret i1 false
announce:
  %at_pid = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %slot, i32 0
  %at_generation = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %slot, i32 1
  %pid32 = trunc i64 %pid to i32
  store i32 %pid32, ptr %at_pid
  %old = load i32, ptr %at_generation
  %generation = add i32 %old, 1
  store i32 %generation, ptr %at_generation
  %alive = load i32, ptr @alive
  %more = add i32 %alive, 1
  store i32 %more, ptr @alive
  %slot32 = trunc i64 %slot to i32
  call void @fill(i32 17, i32 %slot32, i32 %generation, i32 0, i64 0, i64 %pid)
  %company = call i64 @take_obituary(i64 1)
  %size = add i64 %company, 32
  %sent = call i64 @send(i64 0, i64 %size, i1 true)
  %given = call i64 @sys3(i64 436, i64 2, i64 4, i64 0)
  %yielded = call i64 @sys3(i64 24, i64 0, i64 0, i64 0)                     ; sched_yield: the child is to be called next
  %lost = icmp slt i64 %sent, 0
  br i1 %lost, label %no_send, label %done
no_send:                                                                     ; its socket is gone now: the child ends by itself
  %alone = icmp eq i64 %company, 0
  br i1 %alone, label %reap, label %keep
keep:                                                                        ; its owner waits for the EXIT: it goes on its own
  store i32 18, ptr @obituary
  br label %reap
reap:
  %reaped = call i1 @reap(i64 %slot)
  call void @starve(i64 12, i64 %sent)
  ret i1 false
done:
  ret i1 true
}

define internal void @refill() noinline #0 {
  br label %next
next:
  %alive = load i32, ptr @alive
  %target = load i32, ptr @target
  %enough = icmp sge i32 %alive, %target
  br i1 %enough, label %done, label %more
more:
  %slot = call i64 @free_slot()
  %full = icmp slt i64 %slot, 0
  br i1 %full, label %done, label %fork
fork:
  %made = call i1 @spawn(i64 %slot)
  br i1 %made, label %next, label %done
done:
  ret void
}

define internal void @report_exit(i64 %slot, i32 %status) noinline #0 {
  %at_pid = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %slot, i32 0
  %at_generation = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %slot, i32 1
  store i32 0, ptr %at_pid
  %generation = load i32, ptr %at_generation
  %alive = load i32, ptr @alive
  %fewer = sub i32 %alive, 1
  store i32 %fewer, ptr @alive
  ; struct rusage begins with user and system time, each in seconds and microseconds
  %user_s = load i64, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 2)
  %user_us = load i64, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 3)
  %system_s = load i64, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 4)
  %system_us = load i64, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 5)
  %seconds = add i64 %user_s, %system_s
  %whole = mul i64 %seconds, 1000000
  %part = add i64 %user_us, %system_us
  %cpu = add i64 %whole, %part
  %slot32 = trunc i64 %slot to i32
  call void @send_obituary()
  store i32 18, ptr @obituary
  store i32 %slot32, ptr getelementptr (%Record, ptr @obituary, i32 0, i32 1)
  store i32 %generation, ptr getelementptr (%Record, ptr @obituary, i32 0, i32 2)
  store i32 %status, ptr getelementptr (%Record, ptr @obituary, i32 0, i32 3)
  store i64 %cpu, ptr getelementptr (%Record, ptr @obituary, i32 0, i32 4)
  store i64 0, ptr getelementptr (%Record, ptr @obituary, i32 0, i32 5)
  ret void
}

; waits for the child in a slot, which is dead or dying, and keeps its EXIT; false when the slot is free
define internal i1 @reap(i64 %slot) noinline #0 {
  %at_pid = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %slot, i32 0
  %pid = load i32, ptr %at_pid
  %free = icmp eq i32 %pid, 0
  br i1 %free, label %no, label %wait
no:
  ret i1 false
wait:
  %pid64 = sext i32 %pid to i64
  %gone = call i64 @sys(i64 61, i64 %pid64, i64 ptrtoint (ptr @scratch to i64), i64 0, i64 ptrtoint (ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 2) to i64), i64 0, i64 0)
  %status = load i32, ptr @scratch                                           ; wait4
  call void @report_exit(i64 %slot, i32 %status)
  ret i1 true
}

define internal void @kill_pid(i32 %pid) #0 {
  %pid64 = sext i32 %pid to i64
  %killed = call i64 @sys3(i64 62, i64 %pid64, i64 9, i64 0)                 ; kill, SIGKILL
  ret void
}

; the owner is gone or wants no more: no child outlives this
define internal void @finish() noinline noreturn #0 {
  br label %killing
killing:
  %index = phi i64 [ 0, %0 ], [ %after, %over ]
  %at = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %index, i32 0
  %pid = load i32, ptr %at
  %used = icmp ne i32 %pid, 0
  br i1 %used, label %kill, label %over
kill:
  call void @kill_pid(i32 %pid)
  br label %over
over:
  %after = add i64 %index, 1
  %end = icmp eq i64 %after, 128
  br i1 %end, label %first, label %killing
first:
  %init = load i32, ptr @init
  %held = icmp ne i32 %init, 0
  br i1 %held, label %kill_first, label %waiting
kill_first:
  call void @kill_pid(i32 %init)
  br label %waiting
waiting:
  %child = call i64 @sys(i64 61, i64 -1, i64 0, i64 0, i64 0, i64 0, i64 0)  ; wait4 until there is nobody left
  %more = icmp sgt i64 %child, 0
  br i1 %more, label %waiting, label %done
done:
  call void @exit(i64 0)
  unreachable
}

; ---- orders --------------------------------------------------------------------------------------------------------

; the slot that an order speaks of, -1 if that generation is not unreaped there
define internal i64 @meant(i32 %slot, i32 %generation) noinline #0 {
  %inside = icmp ult i32 %slot, 128
  br i1 %inside, label %look, label %no
look:
  %index = zext i32 %slot to i64
  %at_pid = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %index, i32 0
  %at_generation = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %index, i32 1
  %pid = load i32, ptr %at_pid
  %current = load i32, ptr %at_generation
  %alive = icmp ne i32 %pid, 0
  %same = icmp eq i32 %current, %generation
  %both = and i1 %alive, %same
  br i1 %both, label %yes, label %no
yes:
  ret i64 %index
no:
  ret i64 -1
}

define internal void @obey(ptr %order) noinline #0 {
  %at_slot = getelementptr [4 x i32], ptr %order, i64 0, i64 1
  %at_generation = getelementptr [4 x i32], ptr %order, i64 0, i64 2
  %kind = load i32, ptr %order
  %slot = load i32, ptr %at_slot
  %generation = load i32, ptr %at_generation
  %is_target = icmp eq i32 %kind, 1
  br i1 %is_target, label %set_target, label %about_child
set_target:
  store i32 %slot, ptr @target
  store i32 %generation, ptr @wish
  ret void
about_child:
  %index = call i64 @meant(i32 %slot, i32 %generation)
  %stale = icmp slt i64 %index, 0
  br i1 %stale, label %done, label %current
current:
  %is_reap = icmp eq i32 %kind, 3
  br i1 %is_reap, label %reap, label %kill
reap:
  %reaped = call i1 @reap(i64 %index)
  ret void
kill:
  %at_pid = getelementptr [128 x %Slot], ptr @slots, i64 0, i64 %index, i32 0
  %pid = load i32, ptr %at_pid
  call void @kill_pid(i32 %pid)
  br label %done
done:
  ret void
}

define internal void @read_orders() noinline #0 {
  %got = call i64 @sys(i64 45, i64 0, i64 ptrtoint (ptr @orders to i64), i64 512, i64 64, i64 0, i64 0)
  %nothing = icmp eq i64 %got, -11                                           ; recvfrom, MSG_DONTWAIT; EAGAIN
  br i1 %nothing, label %done, label %some
some:
  %ended = icmp slt i64 %got, 16
  br i1 %ended, label %gone, label %next
gone:
  call void @finish()
  unreachable
next:
  %at = phi i64 [ 0, %some ], [ %after, %next ]
  %order = getelementptr i8, ptr @orders, i64 %at
  call void @obey(ptr %order)
  %after = add i64 %at, 16
  %over = icmp uge i64 %after, %got
  br i1 %over, label %done, label %next
done:
  ret void
}

define internal i1 @happened(i64 %index) #0 {
  %at = getelementptr [2 x %Pollfd], ptr @polled, i64 0, i64 %index, i32 2
  %events = load i16, ptr %at
  %any = icmp ne i16 %events, 0
  ret i1 %any
}

define internal void @watch(i64 %index) #0 {
  %at = getelementptr [2 x %Pollfd], ptr @polled, i64 0, i64 %index
  %descriptor = trunc i64 %index to i32
  store i32 %descriptor, ptr %at
  %at_events = getelementptr [2 x %Pollfd], ptr @polled, i64 0, i64 %index, i32 1
  store i16 1, ptr %at_events                                                ; POLLIN
  %at_happened = getelementptr [2 x %Pollfd], ptr @polled, i64 0, i64 %index, i32 2
  store i16 0, ptr %at_happened
  ret void
}

define internal void @serve() noinline noreturn #0 {
  br label %loop
loop:
  call void @refill()
  call void @send_obituary()
  call void @watch(i64 0)
  call void @watch(i64 1)
  %woken = call i64 @sys(i64 271, i64 ptrtoint (ptr @polled to i64), i64 2, i64 0, i64 0, i64 8, i64 0)  ; ppoll
  %owner_died = call i1 @happened(i64 1)
  br i1 %owner_died, label %gone, label %orders
gone:
  call void @finish()
  unreachable
orders:
  %ordered = call i1 @happened(i64 0)
  br i1 %ordered, label %read, label %loop
read:
  call void @read_orders()
  br label %loop
}

; ---- once ----------------------------------------------------------------------------------------------------------

; layer bit 1: the kernel's out-of-memory killer takes us before anybody else
define internal i32 @prefer_our_death() noinline #0 {
  %file = call i64 @sys3(i64 2, i64 ptrtoint (ptr @oom_path to i64), i64 1, i64 0)  ; open, O_WRONLY
  %absent = icmp slt i64 %file, 0
  br i1 %absent, label %no, label %write
write:
  %written = call i64 @sys_ptr(i64 1, i64 %file, ptr @oom_value, i64 4)
  %closed = call i64 @sys3(i64 3, i64 %file, i64 0, i64 0)
  %done = icmp eq i64 %written, 4
  %bit = zext i1 %done to i32
  ret i32 %bit
no:
  ret i32 0
}

; layer bits 2 (user namespace) and 4 (mount, uts, ipc, network, cgroup and pid namespaces)
define internal i32 @separate() noinline #0 {
  %with_user = call i64 @sys3(i64 272, i64 2114060288, i64 0, i64 0)         ; unshare: user and all others
  %all = icmp eq i64 %with_user, 0
  br i1 %all, label %both, label %privileged
both:
  ret i32 6
privileged:
  %without_user = call i64 @sys3(i64 272, i64 1845624832, i64 0, i64 0)      ; all but user
  %most = icmp eq i64 %without_user, 0
  %bits = select i1 %most, i32 4, i32 0
  ret i32 %bits
}

define internal void @limit(i64 %resource) noinline #0 {
  store i64 0, ptr @scratch
  store i64 0, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)
  %set = call i64 @sys_ptr(i64 160, i64 %resource, ptr @scratch, i64 0)      ; setrlimit
  call void @require(i64 3, i64 %set)
  ret void
}

define internal void @mask_signals() noinline #0 {
  store i64 16777216, ptr @scratch                                           ; SIGXFSZ alone: it shall be an error of ftruncate
  %masked = call i64 @sys(i64 14, i64 2, i64 ptrtoint (ptr @scratch to i64), i64 0, i64 8, i64 0, i64 0)  ; rt_sigprocmask
  call void @require(i64 1, i64 %masked)
  ret void
}

; nothing but the nucleus stays mapped: no stack of the kernel's making, no vDSO, no vvar
define internal void @unmap_rest() noinline #0 {
  %below = call i64 asm sideeffect "leaq nucleus_base(%rip), %rsi\0Asubq %rdi, %rsi\0Asyscall", "={rax},{rax},{rdi},~{rsi},~{rcx},~{r11},~{memory}"(i64 11, i64 65536)
  call void @require(i64 5, i64 %below)                                      ; from 0x10000 on
  %above = call i64 asm sideeffect "leaq trampoline_limit(%rip), %rdi\0Amovabsq $$0x7ffffffff000, %rsi\0Asubq %rdi, %rsi\0Asyscall", "={rax},{rax},~{rdi},~{rsi},~{rcx},~{r11},~{memory}"(i64 11)
  call void @require(i64 6, i64 %above)
  ret void
}

define internal void @install_filter() noinline #0 {
  %dumpable = call i64 @sys3(i64 157, i64 4, i64 0, i64 0)                   ; prctl, PR_SET_DUMPABLE, no
  call void @require(i64 7, i64 %dumpable)
  %privileges = call i64 @sys(i64 157, i64 38, i64 1, i64 0, i64 0, i64 0, i64 0)  ; prctl, PR_SET_NO_NEW_PRIVS
  call void @require(i64 8, i64 %privileges)
  %length = load i64, ptr @filter                                            ; struct sock_fprog: length, address
  store i64 %length, ptr @scratch
  store ptr getelementptr ({ i64, [0 x i8] }, ptr @filter, i32 0, i32 1), ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)
  %filtered = call i64 @sys(i64 317, i64 1, i64 0, i64 ptrtoint (ptr @scratch to i64), i64 0, i64 0, i64 0)         ; seccomp, SECCOMP_SET_MODE_FILTER
  call void @require(i64 9, i64 %filtered)
  ret void
}

; the first process of a pid namespace must live as long as anybody in it, and die with the nucleus: all others die of that. It
; cannot see by getppid whether the nucleus is still there (0 either way), but by the end of a socket, once it is tied to it. The
; nucleus waits for that, at descriptor 2: a child made earlier could outlive both.
define internal void @hold_namespace() noinline #0 {
  %paired = call i64 @sys(i64 53, i64 1, i64 524293, i64 0, i64 ptrtoint (ptr @pair to i64), i64 0, i64 0)
  call void @require(i64 13, i64 %paired)
  %pid = call i64 @sys3(i64 57, i64 0, i64 0, i64 0)
  %is_child = icmp eq i64 %pid, 0
  br i1 %is_child, label %child, label %mother
child:
  %others = call i64 @sys3(i64 436, i64 2, i64 2, i64 0)
  %tied = call i64 @sys3(i64 157, i64 1, i64 9, i64 0)
  call void @demand(i64 20, i64 %tied)
  %said = call i64 @sys(i64 45, i64 3, i64 ptrtoint (ptr @orders to i64), i64 1, i64 64, i64 0, i64 0)  ; MSG_DONTWAIT
  %held = icmp eq i64 %said, -11                                             ; EAGAIN: its end is open
  br i1 %held, label %stay, label %orphan
orphan:
  call void @exit(i64 0)
  unreachable
stay:
  %closed = call i64 @sys3(i64 436, i64 0, i64 4294967295, i64 0)
  br label %pause
pause:
  %paused = call i64 @sys(i64 271, i64 0, i64 0, i64 0, i64 0, i64 8, i64 0)
  br label %pause
mother:
  call void @require(i64 13, i64 %pid)
  %own = call i64 @sys3(i64 436, i64 3, i64 3, i64 0)
  %ready = call i64 @sys(i64 45, i64 2, i64 ptrtoint (ptr @orders to i64), i64 1, i64 0, i64 0, i64 0)
  %over = call i64 @sys3(i64 436, i64 2, i64 2, i64 0)
  %pid32 = trunc i64 %pid to i32
  store i32 %pid32, ptr @init
  store i32 0, ptr @parent                                                   ; seen from inside, the nucleus has no number
  ret void
}

; Of two that want a CPU, who takes shorter turns gets it when it wakes (Linux 6.12; other kernels ignore this). The nucleus takes
; long ones and its children those that are usual: a child that gets RUN does not wait until all others have been forked. Not
; where children would lose a priority by it, and not out of another class than the usual one, better or worse: it is the owner's.
define internal void @take_long_turns() noinline #0 {
  %priority = call i64 @sys3(i64 140, i64 0, i64 0, i64 0)                   ; getpriority: 20 less its own niceness
  %nice = sub i64 20, %priority
  %odd = icmp ugt i64 %nice, 19                                              ; negative, or no answer
  br i1 %odd, label %done, label %look
look:
  %class = call i64 @sys3(i64 145, i64 0, i64 0, i64 0)                      ; sched_getscheduler: SCHED_OTHER is 0
  %usual = icmp eq i64 %class, 0
  br i1 %usual, label %set, label %done
set:                                                                         ; struct sched_attr: size, SCHED_OTHER
  store i64 48, ptr @scratch
  store i64 1, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 1)    ; SCHED_FLAG_RESET_ON_FORK
  store i64 %nice, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 2)
  store i64 10000000, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 3)  ; ns
  store i64 0, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 4)
  store i64 0, ptr getelementptr ([32 x i64], ptr @scratch, i64 0, i64 5)
  %long = call i64 @sys_ptr(i64 314, i64 0, ptr @scratch, i64 0)             ; sched_setattr
  br label %done
done:
  ret void
}

define hidden void @nucleus() noreturn #0 {
  %closed = call i64 @sys3(i64 436, i64 2, i64 4294967295, i64 0)            ; close_range
  call void @require(i64 0, i64 %closed)
  call void @mask_signals()
  %session = call i64 @sys3(i64 112, i64 0, i64 0, i64 0)                    ; setsid: no terminal's signals
  %self = call i64 @sys3(i64 39, i64 0, i64 0, i64 0)                        ; getpid
  %self32 = trunc i64 %self to i32
  store i32 %self32, ptr @parent
  %seen = call i64 @sys_last(i64 204, i64 0, i64 128, ptr @cpus)             ; sched_getaffinity
  call void @take_long_turns()
  %killable = call i32 @prefer_our_death()
  %separated = call i32 @separate()
  call void @limit(i64 4)                                                    ; no core files
  call void @limit(i64 8)                                                    ; no locked memory
  call void @unmap_rest()
  call void @install_filter()
  %layers = or i32 %killable, %separated
  %inside = icmp ne i32 %separated, 0
  br i1 %inside, label %hold, label %begin
hold:
  call void @hold_namespace()
  br label %begin
begin:
  call void @fill(i32 16, i32 0, i32 0, i32 %layers, i64 0, i64 0)
  %sent = call i64 @send(i64 0, i64 32, i1 false)
  call void @serve()
  unreachable
}

; no-builtins: there is no libc whose memset or memcpy a loop could become
attributes #0 = { nounwind "no-builtins" "frame-pointer"="none" }
