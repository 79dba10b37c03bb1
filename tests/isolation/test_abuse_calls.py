"""System calls: every number through every door, forged frames, and what each would have been good for."""

import os
import struct
import time
from collections import Counter
from pathlib import Path

import pytest
from abuse import COMPATIBILITY, JUMP, OLD_SYSCALL, SYSCALL, attack, siege, told, words
from machine_code import TRAMPOLINE, image

from dandc.isolation import Outcome, layout

EXITS = {60, 231}
# Newer kernels exempt these two from every filter, and refuse them outside of a trampoline of their own.
UPROBES = {335, 336}
X32 = 0x40000000


def through(door: str, numbers: list[int]) -> list[Outcome]:
    with image(door) as caller:
        return siege([(caller, words(number)) for number in numbers])


@attack("calls", "sandbox.forbidden", "sandbox.crash")
def test_every_number_of_the_64_bit_table_is_denied() -> None:
    """All of 0 to 1023 but the two exits, which end the child as they should: before it was done."""
    results = dict(enumerate(through(SYSCALL, list(range(1024)))))

    denied = {number for number, result in results.items() if result.error == "sandbox.forbidden"}
    assert set(range(1024)) - EXITS - UPROBES == denied - UPROBES
    assert {"SIGSYS"} == {results[number].detail for number in denied}
    assert [("sandbox.crash", True)] * 2 == [
        (results[number].error, "before it was done" in results[number].detail) for number in sorted(EXITS)
    ]


@attack("calls", "sandbox.forbidden")
def test_every_number_of_the_x32_table_is_denied() -> None:
    """With the bit that chooses it, exits too."""
    results = through(SYSCALL, [X32 | number for number in range(1024)])

    assert Counter({("sandbox.forbidden", "SIGSYS"): 1024}) == Counter((one.error, one.detail) for one in results)


@attack("calls", "sandbox.forbidden", "sandbox.crash")
def test_every_number_of_the_32_bit_table_is_denied() -> None:
    """Through `int 0x80`; a kernel without 32-bit programs answers it with a fault."""
    results = through(OLD_SYSCALL, list(range(1024)))

    assert {result.error for result in results} in ({"sandbox.forbidden"}, {"sandbox.crash"})


@attack("calls", "sandbox.forbidden")
def test_numbers_that_only_look_like_an_exit_are_denied() -> None:
    """High halves, signs and bits beyond the table gain nothing; the kernel takes the low half of the register."""
    odd = [
        X32 | 60,
        X32 | 231,
        0x80000000 | 60,
        0xFFFFFFFF,
        -1,
        -60,
        1 << 20,
        0x7FFFFFFF,
        (1 << 32) | 39,
        (60 << 32) | 1,
    ]
    results = through(SYSCALL, odd)

    assert ["sandbox.forbidden"] * len(odd) == [result.error for result in results]


@attack("calls", "sandbox.forbidden", "sandbox.crash")
@pytest.mark.parametrize("door", ["int $0x80", "sysenter", "syscall"])
def test_the_32_bit_code_segment_opens_no_door(door: str) -> None:
    """In compatibility mode the same three instructions lead to the 32-bit table: its exit is denied like the rest."""
    numbers = [*range(0, 450, 7), 1, 11, 20, 119, 173, 252]
    results = through(COMPATIBILITY.replace("DOOR", door), numbers)

    assert len(numbers) == len(results)
    assert not [number for number, one in zip(numbers, results, strict=True) if "before it was done" in one.detail]
    assert {result.detail for result in results} <= {"SIGSYS", "SIGSEGV", "SIGILL"}


@attack("calls", "sandbox.forbidden", "sandbox.crash")
def test_the_two_exempt_calls_are_inert() -> None:
    """Uprobe and uretprobe reach nothing: they come back with an error or end the child, and open nothing else."""
    with image(SYSCALL) as caller:
        # Eight times each, with arguments that would be addresses.
        blows = [(caller, words(number, layout.WINDOW, TRAMPOLINE, 1, 2)) for number in UPROBES for _ in range(8)]
        results = siege(blows)
    for one in results:
        assert one.error in (None, "sandbox.forbidden", "sandbox.crash")
        if one.error is None:
            assert -4095 <= told(one) < 0

    again = "movl $NUMBER, %eax\nsyscall\nmovl $39, %eax\nsyscall\n"
    for number in UPROBES:
        with image(again.replace("NUMBER", str(number))) as caller:
            assert siege([(caller, b"")])[0].error in ("sandbox.forbidden", "sandbox.crash")


def frame() -> bytes:
    """A signal frame as the kernel makes them: registers that go on at the trampoline, every signal masked."""
    registers = [0] * 23
    registers[15] = layout.WINDOW  # rsp
    registers[16] = TRAMPOLINE  # rip
    registers[17] = 0x202  # flags
    registers[18] = 0x2B << 48 | 0x33  # ss, cs
    return struct.pack("<QQQQQ", 0, 0, 0, 2, 0) + struct.pack("<23Q", *registers) + bytes(64) + b"\xff" * 128


FRAME = "movq 24(%rdi), %r13\nleaq 64(%r13), %rsp\n"
DOORS = {
    "64-bit": FRAME + "movl $15, %eax\nsyscall\nud2",
    "x32": FRAME + "movl $0x40000201, %eax\nsyscall\nud2",
    "old sigreturn": FRAME + "movl $119, %eax\nint $0x80\nud2",
    "old rt_sigreturn": FRAME + "movl $173, %eax\nint $0x80\nud2",
    "the trampoline": FRAME + f"movl $15, %eax\nmovabsq ${TRAMPOLINE}, %rcx\njmp *%rcx",
}


@attack("calls", "sandbox.forbidden", "sandbox.crash")
@pytest.mark.parametrize("door", DOORS)
def test_a_forged_signal_frame_restores_nothing(door: str) -> None:
    """No timer can be masked by it: returning from a signal is a system call like others."""
    with image(DOORS[door]) as forger:
        [outcome] = siege([(forger, words() + frame())])

    assert outcome.error == "sandbox.forbidden" or (door.startswith("old") and outcome.error == "sandbox.crash")


@attack("calls", "sandbox.forbidden", "sandbox.crash")
def test_the_trampoline_lends_its_system_call_to_munmap_alone() -> None:
    """Jumping to any byte of the one trusted page that stays mapped gains nothing, whatever call is asked for."""
    numbers = (0, 1, 9, 10, 15, 56, 57, 59, 62, 101, 157, 257, 310, 425, 435)
    blows = [
        words(TRAMPOLINE + offset, number) for offset in range(96) for number in numbers[:: 1 if offset < 3 else 5]
    ]
    with image(JUMP) as jumper:
        results = siege([(jumper, block) for block in blows])

    at_the_call = [
        result for result, block in zip(results, blows, strict=True) if block.startswith(words(TRAMPOLINE)[:8])
    ]
    assert {"sandbox.forbidden"} == {result.error for result in at_the_call}
    # Behind the call the trampoline only clears registers and goes where it is told: back into the image, which ends.
    assert {result.error for result in results} <= {None, "sandbox.forbidden", "sandbox.crash"}


@attack("calls", "sandbox.crash", "sandbox.forbidden")
@pytest.mark.parametrize(
    ("base", "length"),
    [
        (layout.WINDOW, 1 << 24),
        (TRAMPOLINE, 4096),
        (0x10000, (1 << 47) - (1 << 17)),
        (0x400000, 4096),
        (0, 0),
        (1 << 47, 4096),
    ],
)
def test_an_image_can_unmap_nothing_but_its_own(base: int, length: int) -> None:
    """Through the trampoline `munmap` works, on what is the image's alone; afterwards it has no more than before."""
    after = JUMP.replace("7: ", "7: movl $39, %eax\nsyscall\n")
    with image(after) as jumper:
        [outcome] = siege([(jumper, words(TRAMPOLINE, 11, base, length))])

    assert outcome.error in ("sandbox.crash", "sandbox.forbidden")
    assert outcome.detail in ("SIGSEGV", "SIGILL", "SIGSYS")


PATH, BUFFER = layout.WINDOW + 4096 + 64, layout.WINDOW + 8192
HERE = (1 << 64) - 100  # AT_FDCWD
CALLS = {
    "processes": {
        "fork": (57,), "vfork": (58,), "clone, untraced, a thread": (56, 0x00800000 | 0x10F00, BUFFER),
        "clone3": (435, BUFFER, 88), "setsid": (112,), "setpgid": (109, 0, 0), "kill everybody": (62, -1, 9),
        "kill the parent": (62, 1, 9), "stop oneself": (62, 0, 19), "tkill": (200, 1, 9), "tgkill": (234, 1, 1, 9),
        "pidfd_send_signal": (424, 0, 9), "pidfd_open": (434, 1, 0), "pidfd_getfd": (438, 0, 0), "ptrace": (101, 16, 1),
        "keep no death signal": (157, 1, 0), "become dumpable": (157, 4, 1), "another filter": (317, 1, 0, BUFFER),
        "stop the wall timer": (38, 0, BUFFER, 0), "stop the CPU timer": (38, 2, BUFFER, 0),
        "mask signals": (14, 0, BUFFER, 0, 8), "handle SIGALRM": (13, 14, BUFFER, 0, 8), "own stack for signals": (131, BUFFER),
        "raise limits": (302, 0, 9, BUFFER, 0), "priority": (141, 0, 0, -20), "real time": (144, 0, 1, BUFFER),
        "all processors": (203, 0, 8, BUFFER), "setuid": (105, 0), "unshare": (272, 0x10000000), "setns": (308, 0, 0),
        "bpf": (321, 0, BUFFER, 128), "perf_event_open": (298, BUFFER, 0, -1, -1), "userfaultfd": (323, 0),
        "process_vm_readv": (310, 1, BUFFER, 1, BUFFER, 1), "process_vm_writev": (311, 1, BUFFER, 1, BUFFER, 1),
        "process_madvise": (440, 0, BUFFER, 1, 4), "map memory": (9, 0, 4096, 7, 0x22, -1, 0),
        "make the output executable": (10, layout.WINDOW, 4096, 7), "move a mapping": (25, layout.WINDOW, 4096, 8192, 1),
        "segment base": (158, 0x1002, 0), "reboot": (169, 0xFEE1DEAD, 672274793, 0x1234567), "modules": (175, BUFFER, 1, PATH),
    },
    "files": {
        "open": (2, PATH, 0), "openat": (257, HERE, PATH, 0), "openat2": (437, HERE, PATH, BUFFER, 24), "creat": (85, PATH, 0o777),
        "symlink": (88, PATH, PATH), "link": (86, PATH, PATH), "rename": (82, PATH, PATH), "unlink": (87, PATH),
        "mkdir": (83, PATH, 0o777), "chdir": (80, PATH), "chroot": (161, PATH), "pivot_root": (155, PATH, PATH),
        "mount": (165, PATH, PATH, PATH, 0, 0), "open_tree": (428, HERE, PATH, 1), "fsopen": (430, PATH, 0),
        "truncate to 1 PiB": (76, PATH, 1 << 50), "stat": (4, PATH, BUFFER), "readlink": (89, PATH, BUFFER, 100),
        "execve": (59, PATH, 0, 0), "execveat": (322, HERE, PATH, 0, 0, 0), "mknod": (133, PATH, 0o60600, 0x800),
        "open_by_handle_at": (304, 0, BUFFER, 0), "name_to_handle_at": (303, HERE, PATH, BUFFER, BUFFER, 0),
        "swapon": (167, PATH, 0), "acct": (163, PATH), "quotactl": (179, 0, PATH, 0, 0), "landlock": (444, 0, 0, 1),
    },
    "descriptors": {
        "read": (0, 0, BUFFER, 64), "write": (1, 0, BUFFER, 64), "half a frame": (1, 0, BUFFER, 7),
        "a frame of 1 MiB": (1, 0, BUFFER, 1 << 20), "sendmsg": (46, 0, BUFFER, 0), "recvmsg": (47, 0, BUFFER, 0),
        "sendto": (44, 0, BUFFER, 32, 0, 0, 0), "recvfrom": (45, 0, BUFFER, 32, 0, 0, 0), "close": (3, 0),
        "close_range": (436, 0, 0xFFFFFFFF, 0), "dup": (32, 0), "dup3": (292, 0, 5, 0), "fcntl": (72, 0, 4, 0),
        "ioctl TIOCSTI": (16, 0, 0x5412, BUFFER), "shutdown": (48, 0, 2), "splice": (275, 0, 0, 0, 0, 64, 0),
        "memfd_create": (319, PATH, 0), "pipe2": (293, BUFFER, 0), "eventfd": (290, 0, 0), "epoll": (291, 0),
        "signalfd": (289, -1, BUFFER, 8, 0), "timerfd": (283, 0, 0), "inotify": (294, 0), "fanotify": (300, 0, 0),
        "io_uring_setup": (425, 8, BUFFER), "io_uring_enter": (426, 0, 1, 0, 0), "io_uring_register": (427, 0, 0, BUFFER, 1),
        "aio": (206, 8, BUFFER), "memfd_secret": (447, 0), "ftruncate": (77, 0, 1 << 50), "sendfile": (40, 0, 0, 0, 64),
    },
    "network": {
        **{f"socket of family {family}": (41, family, kind, 0) for family, kind in
           [(1, 1), (2, 1), (2, 2), (10, 1), (16, 3), (17, 3), (38, 5), (40, 1), (44, 3)]},
        "socketpair": (53, 1, 1, 0, BUFFER), "connect": (42, 0, BUFFER, 16), "bind to an abstract name": (49, 0, BUFFER, 16),
        "listen": (50, 0, 8), "accept": (43, 0, 0, 0), "shmget": (29, 1, 4096, 0o1777), "shmat": (30, 0, 0, 0),
        "semget": (64, 1, 1, 0o1777), "msgget": (68, 1, 0o1777), "mq_open": (240, PATH, 0o102, 0o777, 0),
        "add_key": (248, PATH, PATH, BUFFER, 8, -1), "keyctl": (250, 0, 0, 0), "request_key": (249, PATH, PATH, 0, 0),
        "syslog": (103, 3, BUFFER, 4096), "futex": (202, BUFFER, 0, 0, 0), "membarrier": (324, 1, 0),
    },
}  # fmt: skip


def asked_for(group: str) -> None:
    """Calls with the arguments that would make them succeed: a path at hand, buffers of the image's own."""
    place = "movq 56(%rdi), %rax\nmovabsq $0x7361702f6374652f, %rcx\nmovq %rcx, 64(%rax)\nmovl $0x647773, 72(%rax)\n"
    with image(place + SYSCALL) as caller:
        results = siege([(caller, words(*call)) for call in CALLS[group].values()])

    assert dict.fromkeys(CALLS[group], "sandbox.forbidden") == dict(
        zip(CALLS[group], (result.error for result in results), strict=True)
    )


@attack("processes", "sandbox.forbidden")
def test_no_process_is_made_signalled_or_changed() -> None:
    """Forks and threads of every kind, survivors, signals, tracing, timers, privileges."""
    asked_for("processes")


@attack("files", "sandbox.forbidden")
def test_no_file_is_reached() -> None:
    """By name, by handle, through links, mounts and programs: `/etc/passwd` stands for every path."""
    asked_for("files")


@attack("descriptors", "sandbox.forbidden")
def test_the_only_descriptor_is_of_no_use() -> None:
    """It cannot be read, written, closed, copied or passed on, and no other one can be made."""
    asked_for("descriptors")


@attack("network", "sandbox.forbidden")
def test_no_socket_and_no_shared_object_is_made() -> None:
    """Families from UNIX to vsock, System V and POSIX objects, keys, the kernel's log."""
    asked_for("network")


KERNEL = Path("/proc/sys/kernel")


@attack("calls", "sandbox.forbidden", "sandbox.crash")
@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="the kernel's log cannot be read here")
def test_kills_do_not_flood_the_log_of_the_host() -> None:
    """Of 600 children that die of the filter or of a fault the kernel prints no more than its limit lets through."""
    seconds, lines = (int((KERNEL / f"printk_ratelimit{name}").read_text()) for name in ("", "_burst"))
    if not seconds:
        pytest.skip("this host wants every line")
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.lseek(log, 0, os.SEEK_END)
        began = time.monotonic()
        with image(SYSCALL) as caller, image("ud2") as broken:
            siege([(caller, words(39)), (broken, b"")] * 300)
        windows = (time.monotonic() - began) // seconds + 2
        printed = Counter("type=1326" in line for line in lines_of(log))
    finally:
        os.close(log)
    assert printed[True] <= windows * lines
    assert printed.total() < 300


def lines_of(log: int) -> list[str]:
    """What has been printed since the log was read last."""
    found = []
    while True:
        try:
            found.append(os.read(log, 8192).decode())
        except BrokenPipeError:  # lines were overwritten before they were read
            found.append("")
        except BlockingIOError:
            return found
