"""Bytes of what is kept: they come back as they were, nothing else comes out of them, and digests tell inputs apart."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dandc.compiler.flow import OutputDecl
from dandc.compiler.types import STR
from dandc.vm.chunks import chunk_rows
from dandc.vm.collect import Columns
from dandc.vm.columns import ColumnsError, joined, parts
from dandc.vm.digests import instance_digests
from dandc.vm.items import ItemSet
from dandc.vm.kept import Ended, KeptError, KeptFault, pack, pack_all, unpack, unpack_all

OUTPUTS = (OutputDecl("a", "set", STR, STR), OutputDecl("b", "set", None, STR))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KEYS = TEXTS.map(str.encode)
VALUES = st.binary(max_size=20) | st.integers(1000, 1100).map(bytes)
ITEMS = st.one_of(
    st.tuples(st.just(0), st.none() | KEYS, st.none() | TEXTS, VALUES),
    st.tuples(st.just(1), st.none(), st.none() | TEXTS, VALUES),
)
FAULTS = st.builds(KeptFault, TEXTS, TEXTS, st.integers(-1, 9), st.integers(1, 9), st.booleans())
ENDED = st.one_of(
    st.builds(
        lambda items, notes: Ended(tuple(items), None, tuple(notes)),
        st.lists(ITEMS, max_size=4),
        st.lists(TEXTS, max_size=3),
    ),
    st.builds(lambda fault, notes: Ended((), fault, tuple(notes)), FAULTS, st.lists(TEXTS, max_size=3)),
)
SETS = st.lists(st.tuples(st.none() | KEYS, TEXTS, VALUES), max_size=8)


def item_set(rows: list[tuple[bytes | None, str, bytes]]) -> ItemSet:
    return ItemSet([k for k, _, _ in rows], [n for _, n, _ in rows], [v for _, _, v in rows])


@given(ENDED)
def test_what_was_packed_comes_back(ended: Ended) -> None:
    assert ended == unpack(pack(ended), OUTPUTS, {})


@given(ENDED, st.data())
def test_damaged_bytes_are_an_error_or_a_sound_result(ended: Ended, data: st.DataObject) -> None:
    """Whatever is changed, cut off or put in: `KeptError`, or something that a call with these outputs may end with."""
    packed = bytearray(pack(ended))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = unpack(bytes(packed), OUTPUTS, {})
    except KeptError:
        return
    assert all(output < 2 and (key is None or output == 0) for output, key, _, _ in found.items)
    assert found.fault is None or not found.items


@pytest.mark.parametrize(("kind", "count"), [("one", 0), ("one", 2), ("optional", 2)])
def test_a_number_of_items_that_is_not_declared_is_refused(kind: str, count: int) -> None:
    ended = Ended(tuple((0, None, None, b"v") for _ in range(count)), notes=("x",))
    with pytest.raises(KeptError):
        unpack(pack(ended), (OutputDecl("y", kind, None, STR),), {})


def test_a_plain_item_is_none_where_another_output_must_have_one() -> None:
    outputs = (OutputDecl("y", "one", None, STR), OutputDecl("z", "one", None, STR))

    assert ({}, []) == unpack_all({3: pack(Ended(((0, None, None, b"v"),)))}, outputs, {})


@given(st.dictionaries(st.integers(0, 30), ENDED, max_size=6))
def test_many_at_once_are_packed_like_each_alone(ended: dict[int, Ended]) -> None:
    """Instances of a shard with their items in columns; a fault that another run need not meet is not kept."""
    order = sorted(ended)
    columns = []
    for output in range(2):
        rows = [(k, n, v, i) for i in order for o, k, n, v in ended[i].items if o == output]
        columns.append(
            Columns([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], array("I", [r[3] for r in rows]))
        )
    faults = {i: e.fault for i, e in ended.items() if e.fault is not None}
    notes = [(i, text) for i in order for text in ended[i].notes]

    packed = pack_all(columns, faults, notes, order)

    for instance, data in zip(order, packed, strict=True):
        fault = ended[instance].fault
        if fault is not None and fault.code != "fail" and not fault.code.startswith("trap."):
            assert data is None
        else:
            by_output = tuple(sorted(ended[instance].items, key=lambda item: item[0]))
            assert data is not None
            assert (by_output, fault, ended[instance].notes) == (
                (found := unpack(data, OUTPUTS, {})).items, found.fault, found.notes,
            )  # fmt: skip


@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=5))
def test_digests_tell_inputs_apart_and_depend_on_nothing_else(instances: list[tuple[list, list]]) -> None:
    """Equal exactly where keys, names and values of every parameter are, in whatever batch the instance stands."""
    sides = [[row for pair in instances for row in pair[side]] for side in (0, 1)]
    sets = [item_set(side) for side in sides]
    rows = array("I")
    starts = [0, 0]
    for pair in instances:
        for side in (0, 1):
            rows.extend((starts[side], len(pair[side])))
            starts[side] += len(pair[side])

    digests = instance_digests(b"kernel", sets, rows, len(instances))

    for i, pair in enumerate(instances):
        alone = array("I", (0, len(pair[0]), 0, len(pair[1])))
        assert [digests[i]] == instance_digests(b"kernel", [item_set(pair[0]), item_set(pair[1])], alone, 1)
        assert digests[i] not in instance_digests(b"other", sets, rows, len(instances))
        for j, other in enumerate(instances):
            assert (digests[i] == digests[j]) == (pair == other)


@given(st.binary(min_size=8, max_size=8), st.integers(2, 6))
def test_the_short_way_for_plain_items_gives_the_same_digests(value: bytes, count: int) -> None:
    values = [value[i:] + value[:i] for i in range(count)]
    items = item_set([(None, "", v) for v in values])
    rows = array("I", [n for i in range(count) for n in (i, 1)])

    digests = instance_digests(b"k", [items], rows, count)

    assert digests == [
        instance_digests(b"k", [item_set([(None, "", v), (None, "x", b"")])], array("I", (0, 1)), 1)[0] for v in values
    ]


@given(SETS)
def test_sets_come_back_from_their_parts(rows: list[tuple[bytes | None, str, bytes]]) -> None:
    items = item_set(rows)
    found = joined(parts(items))

    assert (list(items.keys), list(items.names), list(items.values)) == (found.keys, found.names, found.values)


def test_large_sets_are_cut() -> None:
    items = item_set([(None, "", bytes(1 << 20))] * 9)

    assert [5, 4] == [len(joined([part])) for part in parts(items)]
    assert 9 == len(joined(parts(items)))


@given(SETS.filter(bool), st.data())
def test_damaged_parts_are_an_error_or_a_set(rows: list[tuple[bytes | None, str, bytes]], data: st.DataObject) -> None:
    part = bytearray(next(iter(parts(item_set(rows)))))
    at = data.draw(st.integers(0, len(part) - 1))
    part[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = joined([bytes(part)])
    except ColumnsError:
        return
    assert len(found.keys) == len(found.names) == len(found.values)


def test_chunks_hold_a_bounded_number_of_bytes() -> None:
    """A row is never much larger than a chunk, however much one shard gave."""
    (_, rows), size = chunk_rows([(bytes([i]) * 32, bytes(3 << 20)) for i in range(10)], lost=False)

    assert 4 == len(rows)
    assert size >= 10 * (3 << 20)
