"""Tables that an image leaves are hostile bytes: each rule of `docs/image.md` is checked, nothing else is raised."""

import struct
from collections.abc import Callable

import pytest
from abuse import attack
from hypothesis import example, given
from hypothesis import strategies as st
from machine_code import FINISH, call, image

from dandc.isolation import ABSENT, FAIL, FINISHED, NOTE, TRAP
from dandc.isolation.outcome import BadOutput, Entries, Instances, Read, read_tables

OUT = 4096


def record(state: int = FINISHED, notes: int = 0, message: tuple[int, int] = (0, 0), end: int = 0) -> bytes:
    return struct.pack("<IIIIQQQ", state, 0, ABSENT, notes, *message, end)


def entry(
    value: tuple[int, int] = (0, 0),
    key: tuple[int, int] = (0, ABSENT),
    name: int = ABSENT,
    instance: int = 0,
    output: int = 0,
) -> bytes:
    return struct.pack("<QQQIIII", key[0], *value, key[1], name, instance, output)


def area(records: list[bytes], entries: list[bytes] | None = None, data: bytes = b"") -> bytes:
    """An output area: records, data, and the entries downwards from its end."""
    table = b"".join(reversed(entries or []))
    return (b"".join(records) + data).ljust(OUT - len(table), b"\0") + table


def from_bytes(content: bytes) -> Read:
    def read(length: int, offset: int) -> bytes:
        assert offset >= 0
        assert length + offset <= len(content), "only the area itself may be read"
        return content[offset : offset + length]

    return read


def check(content: bytes, count: int, data_end: int, items: int, first: int = 0) -> tuple[Instances, Entries, bytes]:
    return read_tables(from_bytes(content), len(content), first, first + count, data_end, items)


def test_well_formed_tables_come_back_as_columns() -> None:
    """Two instances, the second failed: items, a note and a message, in order."""
    records = [record(end=2), record(FAIL, notes=1, message=(99, 5), end=3)]
    entries = [
        entry((96, 3), (80, 2), 4, 7, 1),
        entry((99, 0), instance=7, output=0),
        entry((96, 2), instance=8, output=NOTE),
    ]
    content = area(records, entries, b"kkname".ljust(16, b".") + b"valhello")

    instances, found, data = check(content, 2, 104, 3, first=7)

    assert [FINISHED, FAIL] == list(instances.state)
    assert b"hello" == data[99:104]
    assert [2, 3] == list(instances.items_end)
    assert [(80, 96, 3, 2, 4, 7, 1), (0, 99, 0, ABSENT, ABSENT, 7, 0), (0, 96, 2, ABSENT, ABSENT, 8, NOTE)] == list(
        found
    )


def test_no_instances_are_no_tables() -> None:
    """An empty range leaves nothing, and that is valid."""
    instances, entries, data = check(bytes(OUT), 0, 0, 0)

    assert (0, 0, b"") == (len(instances), len(entries), data)


HUGE = (1 << 64) - 1
BAD: dict[str, Callable[[], object]] = {
    "data beyond the area": lambda: check(area([record()]), 1, OUT + 1, 0),
    "data far beyond the area": lambda: check(area([record()]), 1, HUGE, 0),
    "data end within the records": lambda: check(area([record()]), 1, 39, 0),
    "more entries than fit": lambda: check(area([record()]), 1, 40, 102),
    "uncountable entries": lambda: check(area([record()]), 1, 40, HUGE),
    "entries over data": lambda: check(area([record(end=1)], [entry()]), 1, OUT - 39, 1),
    "unknown state": lambda: check(area([record(4)]), 1, 40, 0),
    "items of nobody": lambda: check(area([record(end=0)], [entry()]), 1, 40, 1),
    "items that are not there": lambda: check(area([record(end=1)]), 1, 40, 0),
    "counts that fall": lambda: check(area([record(end=2), record(end=1)], [entry()]), 2, 80, 1),
    "last count too large": lambda: check(area([record(end=1), record(end=HUGE)], [entry()]), 2, 80, 1),
    "foreign instance": lambda: check(area([record(end=1)], [entry(instance=1)]), 1, 40, 1),
    "instances out of order": lambda: check(
        area([record(end=1), record(end=2)], [entry(instance=1), entry(instance=0)]), 2, 80, 2
    ),
    "value behind the data": lambda: check(area([record(end=1)], [entry((40, 1))]), 1, 40, 1),
    "value in the records": lambda: check(area([record(end=1)], [entry((39, 2))]), 1, 50, 1),
    "value that wraps": lambda: check(area([record(end=1)], [entry((HUGE - 3, 8))]), 1, 50, 1),
    "value of huge length": lambda: check(area([record(end=1)], [entry((40, HUGE))]), 1, 50, 1),
    "key behind the data": lambda: check(area([record(end=1)], [entry(key=(48, 4))]), 1, 50, 1),
    "name behind the data": lambda: check(area([record(end=1)], [entry(key=(44, 4), name=5)]), 1, 50, 1),
    "name without key in the records": lambda: check(area([record(end=1)], [entry(key=(0, ABSENT), name=5)]), 1, 50, 1),
    "message behind the data": lambda: check(area([record(FAIL, message=(45, 6))]), 1, 50, 0),
    "message that wraps": lambda: check(area([record(FAIL, message=(HUGE, 6))]), 1, 50, 0),
    "items of a trapped instance": lambda: check(area([record(TRAP, end=1)], [entry()]), 1, 40, 1),
    "items of an instance that never ran": lambda: check(area([record(0, end=1)], [entry()]), 1, 40, 1),
    "uncounted note": lambda: check(area([record(end=1)], [entry(output=NOTE)]), 1, 40, 1),
    "counted note that is none": lambda: check(area([record(notes=1, end=1)], [entry()]), 1, 40, 1),
    "note without entries": lambda: check(area([record(notes=1)]), 1, 40, 0),
}


@pytest.mark.parametrize("name", BAD)
def test_each_rule_is_checked(name: str) -> None:
    """One broken rule at a time."""
    with pytest.raises(BadOutput):
        BAD[name]()


def test_unfinished_instances_keep_their_notes() -> None:
    """A trapped instance's notes are the only entries it leaves."""
    instances, entries, _ = check(area([record(TRAP, notes=1, end=1)], [entry(output=NOTE)]), 1, 40, 1)

    assert ([TRAP], [NOTE]) == (list(instances.state), list(entries.output))


numbers = st.one_of(st.integers(0, 200), st.integers(0, HUGE), st.sampled_from([OUT, OUT - 40, HUGE, ABSENT]))


@given(st.binary(max_size=600), st.integers(0, 4), numbers, numbers)
@example(b"", 0, 0, 1)
def test_any_bytes_are_valid_or_bad_output(noise: bytes, count: int, data_end: int, items: int) -> None:
    """No bytes raise anything else, none make it read outside of the area, and what passes stays in bounds."""
    content = noise.ljust(OUT - len(noise), b"\0") + noise[::-1]
    try:
        instances, entries, data = check(content, count, data_end, items)
    except BadOutput:
        return
    assert (count, items, data_end) == (len(instances), len(entries), len(data))
    for key, value, length, key_length, name_length, instance, _ in entries:
        absent = [0 if size == ABSENT else size for size in (key_length, name_length)]
        assert not length or 40 * count <= value <= value + length <= data_end
        assert not sum(absent) or 40 * count <= key <= key + sum(absent) <= data_end
        assert 0 <= instance < count


FORGERIES = {
    "data end": FINISH.replace("$40, 136", "$-1, 136"),
    "items": FINISH.replace("movq $1, 128", "movq $-1, 144(%rdi)\nmovq $1, 128"),
    "an item that is not there": FINISH.replace("movq $1, 128", "movq $1, 144(%rdi)\nmovq $1, 128"),
    "state of the instance": FINISH.replace("movl $1, (%rbx)", "movl $9, (%rbx)"),
    "everything": "movq 56(%rdi), %rax\nmovq $-1, %rcx\nmovq %rcx, 136(%rdi)\nmovq %rcx, 144(%rdi)\n" + FINISH,
}


@attack("output", "sandbox.output")
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_tables_of_a_real_child_are_bad_output(name: str) -> None:
    """The same, through a child."""
    with image(FORGERIES[name]) as forger:
        outcome = call(forger)

        if name == "everything":  # FINISH mends what it overwrites: only the item count stays forged
            assert "sandbox.output" == outcome.error
        assert "sandbox.output" == outcome.error
        assert (b"", 0, 0) == (outcome.data, len(outcome.instances), len(outcome.entries))


@attack("output", "sandbox.crash")
@pytest.mark.parametrize("state", [0, 2, -1])
def test_a_state_that_is_not_one_is_a_crash(state: int) -> None:
    """Whatever the tables say, a shard that did not say it was done was not."""
    with image(FINISH.replace("$1, 128", f"${state}, 128")) as liar:
        assert "sandbox.crash" == call(liar).error


@attack("output")
def test_writing_over_the_hosts_fields_changes_nothing() -> None:
    """The owner reads back only what the image is to write."""
    wipe = "movq %rdi, %r9\nmovq 56(%rdi), %r10\nmovq $16, %rcx\nmovq $-1, %rax\nrep stosq\nmovq %r9, %rdi\n"
    with image(wipe + FINISH.replace("movq 56(%rdi), %rbx", "movq %r10, %rbx")) as wiper:
        assert call(wiper).error is None
