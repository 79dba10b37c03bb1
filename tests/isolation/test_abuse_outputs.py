"""Outputs as hostile input: adversarial tables by the thousand, judged a second time by other code, and bounded."""

import asyncio
import random
import resource
import struct
import tracemalloc
from collections import Counter

import pytest
from abuse import Siege, attack, besieged, in_a_fork, read, siege_of_texts
from hostile_tables import ABSENT, AREAS_FOR_READING, ENTRY, NOTE, RECORD, WORDS, Area, area_of, valid
from machine_code import END, FINISH, image, run

from dandc.isolation import Limits, open_pool
from dandc.isolation.outcome import BadOutput, read_tables

# The input block says what the image leaves: data_end, items, heap_peak, state, length of the area, area.
LEAVE = """
    movq %rdi, %r12
    movq 24(%rdi), %r13
    movq (%r13), %rax
    movq %rax, 136(%r12)
    movq 8(%r13), %rax
    movq %rax, 144(%r12)
    movq 16(%r13), %rax
    movq %rax, 152(%r12)
    movq 32(%r13), %rcx
    leaq 48(%r13), %rsi
    movq 56(%r12), %rdi
    rep movsb
    movq 24(%r13), %rax
    movq %rax, 128(%r12)
    movl $231, %eax
    xorl %edi, %edi
    syscall
"""


def judged(area: Area) -> bool:
    """Whether `read_tables` takes an area; it reads no byte twice and none outside."""
    budget = len(area.content)

    def read_once(length: int, offset: int) -> bytes:
        nonlocal budget
        budget -= length
        assert budget >= 0, "more was read than there is"
        assert 0 <= offset <= offset + length <= len(area.content)
        return area.content[offset : offset + length]

    try:
        instances, entries, data = read_tables(
            read_once, len(area.content), area.first, area.last, area.data_end, area.items
        )
    except BadOutput:
        return False
    assert (area.last - area.first, area.items, area.data_end) == (len(instances), len(entries), len(data))
    expected = [ENTRY.unpack_from(area.content, len(area.content) - 40 * (index + 1)) for index in range(area.items)]
    assert expected == list(entries)
    return True


@attack("output")
def test_even_tables_are_not_believed_for_being_even() -> None:
    """Tables of one item an instance, all alike, are checked as columns: one odd field anywhere is still seen."""
    count, first, size = 5, 7, 4096
    low = count * RECORD.size
    records = b"".join(RECORD.pack(1, 0, 0, 0, 0, 0, i + 1) for i in range(count))
    entries = [ENTRY.pack(0, low + 16 * i, 8, ABSENT, ABSENT, first + i, 0) for i in range(count)]
    content = (records + bytes(16 * count)).ljust(size - ENTRY.size * count, b"\0") + b"".join(reversed(entries))
    even = Area(content, first, first + count, low + 16 * count, count)
    assert judged(even)
    assert valid(even)
    bases = [at for i in range(count) for at in (i * RECORD.size, size - (i + 1) * ENTRY.size)]
    for base, field in ((base, field) for base in bases for field in range(0, RECORD.size, 4)):
        for word in (*WORDS, low - 1, low, low + 16 * count - 7):
            shape = "<Q" if word > ABSENT else "<I"
            if field > RECORD.size - struct.calcsize(shape):
                continue
            odd = bytearray(content)
            struct.pack_into(shape, odd, base + field, word)
            area = Area(bytes(odd), even.first, even.last, even.data_end, even.items)
            assert valid(area) == judged(area), (base, field, word)


@pytest.mark.parametrize("seed", range(4))
def test_adversarial_tables_are_judged_as_the_document_says(seed: int) -> None:
    """A thousand areas a seed: both judges agree, nothing but `BadOutput` is raised, and both verdicts occur."""
    some = random.Random(seed)
    verdicts: Counter[bool] = Counter()
    for number in range(1000):
        area = area_of(some)
        verdict = judged(area)
        assert verdict == valid(area), (seed, number, area)
        verdicts[verdict] += 1

    assert min(verdicts[True], verdicts[False]) > 100


@attack("output", "sandbox.output", "sandbox.crash")
def test_adversarial_tables_of_real_children_end_as_they_should() -> None:
    """Three hundred of them through sandboxes: taken, `sandbox.output`, or no end in sight: `sandbox.crash`."""
    some = random.Random(99)
    areas = [area for area in (area_of(some) for _ in range(450)) if area.last > area.first][:300]

    async def one(ground: Siege, area: Area) -> None:
        state, peak = some.choice((1, 1, 1, 1, 1, 0, 2, 1 << 32)), some.getrandbits(64)
        head = struct.pack("<6Q", area.data_end, area.items, peak, state, len(area.content), 0)
        limits = Limits(output=len(area.content))
        outcome = await ground.pool.run(leaver, [head, area.content], area.first, area.last, limits)
        ground.judge(outcome)
        expected = ("sandbox.output", None)[valid(area)] if state == 1 else "sandbox.crash"
        assert expected == outcome.error, (area, outcome)
        if outcome.error is None:
            assert (area.content[: area.data_end], peak) == (outcome.data, outcome.heap_peak)

    async def all_of_them(ground: Siege) -> None:
        await asyncio.gather(*(one(ground, area) for area in areas))

    with image(LEAVE) as leaver:
        besieged(all_of_them)


def crowded(size: int, entry: tuple[int, int, int, int, int]) -> Area:
    """An area full of entries of two instances: the dearest tables for the owner."""
    count = (size - 200) // 40
    records = b"".join(
        RECORD.pack(1, 0, ABSENT, notes, 0, 0, end) for notes, end in ((0, count // 2), (count - count // 2, count))
    )
    table = b"".join(
        ENTRY.pack(*entry, int(number >= count // 2), NOTE if number >= count // 2 else 0)
        for number in reversed(range(count))
    )
    return Area(records.ljust(size - len(table), b"\0") + table, 0, 2, 200, count)


@pytest.mark.parametrize(
    "entry",
    [
        (80, 80, 8, 8, 8),
        (0, 0, 0, ABSENT, 0),
        (1 << 63, 1 << 63, 0, 0, ABSENT),
        (80, 80, 8, ABSENT, 8),
        ((1 << 64) - 1, 80, 9, ABSENT, ABSENT),
    ],
)
def test_reading_costs_no_more_than_a_few_areas(entry: tuple[int, int, int, int, int]) -> None:
    """Whatever the tables say, memory is bounded by the limit on outputs: five times the area."""
    area = crowded(1 << 20, entry)
    tracemalloc.start()
    try:
        accepted = judged_quietly(area)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert accepted == valid(area)
    assert peak < AREAS_FOR_READING * len(area.content)


def judged_quietly(area: Area) -> bool:
    try:
        read_tables(lambda length, offset: area.content[offset : offset + length], len(area.content), area.first, area.last,
                    area.data_end, area.items)  # fmt: skip
    except BadOutput:
        return False
    return True


@attack("output")
def test_an_area_that_is_full_is_a_result() -> None:
    """All 16 MiB of it, zeroed pages that were never touched included; the bytes come back as they are."""
    text = b"\x1b]0;owned\x07\xff\xfe\x00\x1b[2J"
    fill = "".join(f"movb ${byte}, {100 + at}(%rbx)\n" for at, byte in enumerate(text))
    full = (
        "movq 56(%rdi), %rbx\n"
        + fill
        + FINISH.replace("movq $40, 136(%rdi)", "movq 64(%rdi), %rax\nmovq %rax, 136(%rdi)")
    )
    [outcome] = siege_of_texts([full])

    assert (None, 16 << 20) == (outcome.error, len(outcome.data))
    assert text == outcome.data[100 : 100 + len(text)]
    assert not any(outcome.data[200:])


@attack("output", "sandbox.output")
@pytest.mark.parametrize("where", ["24(%r8)", "16(%r8)"], ids=["keys", "values"])
def test_many_items_out_of_the_same_bytes_are_refused(where: str) -> None:
    """50,000 items of 65,000 bytes each would be 3 GiB in the owner, out of an area of 2 MiB."""
    store = "movl $65000," if where.startswith("24") else "movq $65000,"
    text = (
        f"""
        movq 56(%rdi), %rbx
        movl $1, (%rbx)
        movq $50000, 32(%rbx)
        movq 64(%rdi), %r8
        addq %rbx, %r8
        movl $50000, %ecx
    1:  subq $40, %r8
        movq $40, (%r8)
        movq $40, 8(%r8)
        movq $-1, 24(%r8)
        {store} {where}
        decl %ecx
        jnz 1b
        movq $65040, 136(%rdi)
        movq $50000, 144(%rdi)
        movq $1, 128(%rdi)
    """
        + END
    )
    [outcome] = siege_of_texts([text])

    assert ("sandbox.output", "items share bytes") == (outcome.error, outcome.detail)


@attack("output")
def test_failures_with_the_same_message_are_refused() -> None:
    """An image may fail with bytes of its own only."""
    area = Area(b"".join(RECORD.pack(3, 0, 0, 0, 120, 100, 0) for _ in range(3)).ljust(4096, b"x"), 0, 3, 220, 0)
    with pytest.raises(BadOutput, match="failures share bytes"):
        read_tables(lambda length, at: area.content[at : at + length], 4096, 0, 3, area.data_end, 0)
    assert not valid(area)


BIG = Limits(output=1 << 30)


def claiming(size: int) -> str:
    """An image that says it left so many bytes."""
    return FINISH.replace("$40, 136", f"${size}, 136")


async def without_memory() -> str:
    """The owner may use 256 MiB more than it has, and an image claims a GiB of outputs."""
    async with open_pool(1) as pool:
        with image(claiming(1 << 30)) as claimer, image(FINISH) as finish:
            await pool.run(finish, [], 0, 1)
            used = int(read("/proc/self/statm").split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), resource.RLIM_INFINITY))
            first = await pool.run(claimer, [], 0, 1, BIG)
            second = await pool.run(finish, [], 0, 1)
            return f"{first.error} {first.detail!r} {second.error}"


async def without_threads() -> str:
    """No thread can be started for the large copy of an output."""
    import _thread

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    async with open_pool(1) as pool:
        with image(claiming(4 << 20)) as claimer, image(FINISH) as finish:
            import threading

            threading._start_new_thread, kept = refuse, threading._start_new_thread
            first = await pool.run(claimer, [], 0, 1, BIG)
            large_inputs = await pool.run(finish, [bytes(3 << 20)], 0, 1, BIG)
            threading._start_new_thread = kept
            second = await pool.run(claimer, [], 0, 1, BIG)
            assert kept is _thread.start_new_thread
            return f"{first.error} {first.detail!r} {large_inputs.error} {second.error}"


def test_an_owner_without_memory_for_the_outputs_says_so() -> None:
    """A claim of a GiB that the owner cannot read is the host's exhaustion, and the next call is clean."""
    assert "host.exhausted 'no memory for the outputs' None" == in_a_fork(lambda: run(without_memory()))


def test_an_owner_without_threads_says_so() -> None:
    """Neither a large output nor a large input raises anything, and nothing is copied later."""
    assert "host.exhausted 'no thread for a large copy' host.exhausted None" == in_a_fork(
        lambda: run(without_threads())
    )
