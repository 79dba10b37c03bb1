"""`map[K, V]`: what Python's dict does, the same everywhere; encodings that lie; JSON; value semantics."""

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from agreement import values
from native import input_block, run_native
from stdlib_kernels import everywhere, kernel_of

import dandc
from dandc.compiler.encoding import EncodingError, Variant, decode, encode
from dandc.compiler.types import I64, STR, Array, Named, Tuple
from dandc.vm.jsonvalues import from_json, to_json, to_python
from dandc.vm.values import ValueMismatchError, admit

OPERATIONS = """
enum Colour {{ red, green, blue, black, white }}
record Point {{ x: i32, name: str }}
function f(operations: array[(i64, {key}, i64)]) => (log: array[i64], entries: array[({key}, i64)], m: map[{key}, i64]) {{
    var m: map[{key}, i64] = map();
    var log: array[i64] = [];
    for (what, key, value) in operations {{
        if what == 0 {{
            m.set(key, value);
        }} else if what == 1 {{
            log.append(m.get(key).or(-1));
        }} else if what == 2 {{
            log.append(m.remove(key).or(-2));
        }} else if what == 3 {{
            m.update(key, value, |old| old +% value);
        }} else {{
            log.append(m.len());
            log.append(if m.contains(key) {{ 1 }} else {{ 0 }});
            log.append(if m.is_empty() {{ 1 }} else {{ 0 }});
        }}
    }}
    var entries: array[({key}, i64)] = [];
    for k, v in m {{
        entries.append((k, v));
    }}
    emit log <- log;
    emit entries <- entries;
    emit m <- m;
}}
"""

KEYS: dict[str, Callable[[random.Random], Any]] = {
    "i64": lambda r: r.randint(-20, 20) * r.choice((1, 1 << 40)),
    "u8": lambda r: r.randint(0, 30),
    "str": lambda r: "".join(r.choices("aé", k=r.randint(0, 9))),
    "bytes": lambda r: bytes(r.choices((0, 255), k=r.randint(0, 9))),
    "bool": lambda r: r.random() < 0.5,
    "Colour": lambda r: Variant(r.randint(0, 4)),
    "Point": lambda r: (r.randint(-1, 1), r.choice(("", "a", "ab"))),
    "(i64, str)": lambda r: (r.randint(0, 3), r.choice("abc")),
    "array[i16]": lambda r: [r.randint(0, 1) for _ in range(r.randint(0, 4))],
    "option[u64]": lambda r: Variant(0) if r.random() < 0.2 else Variant(1, (r.randint(0, 9),)),
    "result[i8, str]": lambda r: Variant(1, (r.choice("abc"),)) if r.random() < 0.5 else Variant(0, (r.randint(0, 5),)),
}


def model(operations: list[tuple[int, Any, int]]) -> list[Any]:
    """What Python's dict does; keys by their repr, for some are lists."""
    m: dict[str, tuple[Any, int]] = {}
    log: list[int] = []
    for what, key, value in operations:
        name = repr(key)
        old = m.get(name)
        if what == 0:
            m[name] = (key, value)
        elif what == 1:
            log.append(old[1] if old else -1)
        elif what == 2:
            log.append(m.pop(name)[1] if old else -2)
        elif what == 3:
            m[name] = (key, (old[1] if old else value) + value)
        else:
            log += [len(m), int(name in m), int(not m)]
    return [log, list(m.values()), list(m.values())]


def operations(kind: str, seed: int) -> list[tuple[int, Any, int]]:
    """Some 300 operations, in stretches in which one of them is frequent."""
    r = random.Random(f"{kind} {seed}")
    found = []
    for _ in range(6):
        weights = r.choice(((6, 1, 1, 1, 1), (1, 1, 6, 1, 1), (3, 2, 2, 2, 1), (1, 0, 9, 0, 1)))
        found += [(r.choices(range(5), weights)[0], KEYS[kind](r), r.randint(0, 10**6)) for _ in range(50)]
    return found


@pytest.mark.parametrize("kind", KEYS)
def test_operations_are_those_of_an_insertion_ordered_dictionary(kind: str) -> None:
    runs = [operations(kind, seed) for seed in range(3)]
    results = everywhere(OPERATIONS.format(key=kind), *[[run] for run in runs], [[]])

    assert [model(run) for run in [*runs, []]] == [[e.value for e in r.emissions] for r in results]


def test_many_keys() -> None:
    """Growth, and that probing stays short: 20,000 keys that are multiples of a power of two, then most of them removed."""
    text = """function f(n: i64) => (r: array[i64]) {
        var m: map[i64, i64] = map();
        for i in 0..n { m.set(i * 65536, i); }
        var total = 0;
        for i in 0..n { total += m.get(i * 65536).or(-1); }
        for i in 0..n { if i % 10 != 3 { total -= m.remove(i * 65536).or(-1); } }
        emit r <- [total, m.len(), m.values().sum(), m.keys()[1], m.get(65536).or(-7)];
    }"""
    n = 20_000
    kept = range(3, n, 10)
    (found,) = run_native(kernel_of(text), [[n]], heap=64 << 20).results

    assert [[sum(kept), len(kept), sum(kept), 13 * 65536, -7]] == values([found])


def test_copies_are_independent() -> None:
    text = """record Box { m: map[str, array[i64]] }
    fn changed(inout b: Box) { b.m.set("k", [9]); }
    function f() => (r: array[i64]) {
        var a: map[str, array[i64]] = map();
        a.set("k", [1, 2]);
        let before = a;
        var boxes = [Box(m: a), Box(m: before)];
        a.set("k", [3]);
        a.set("l", []);
        changed(boxes[0]);
        let gone = boxes[1].m.remove("k");
        emit r <- [before.len(), before.get("k").or([]).len(), a.len(), a.get("k").or([])[0], boxes[0].m.get("k").or([])[0],
            boxes[1].m.len(), gone.or([]).len()];
    }"""

    assert [[1, 2, 2, 3, 9, 0, 2]] == values(everywhere(text, []))


def test_a_loop_sees_the_map_as_it_was() -> None:
    text = """function f() => (r: array[(i64, i64)]) {
        var m = [(1, 10), (2, 20)].to_map();
        var seen: array[(i64, i64)] = [];
        for k, v in m { m.set(k + 10, v); let old = m.remove(k).is_some(); if old { seen.append((k, v)); } }
        for k, v in m { seen.append((k, v)); }
        emit r <- seen;
    }"""

    assert [[(1, 10), (2, 20), (11, 10), (12, 20)]] == values(everywhere(text, []))


def test_equality_ignores_the_order() -> None:
    text = """function f() => (r: array[bool]) {
        let a = [("x", 1), ("y", 2)].to_map();
        let b = [("y", 2), ("x", 1)].to_map();
        var c = [("z", 0), ("x", 1), ("y", 3)].to_map();
        let d = c.remove("z");
        emit r <- [a == b, a == c, a != c, d == some(0), [a, a] == [b, a], c == [("y", 3), ("x", 1)].to_map(), a == map()];
    }"""

    assert [[True, False, True, True, True, True, False]] == values(everywhere(text, []))


def test_to_map_keeps_the_later_value_at_the_earlier_place() -> None:
    text = 'function f() => (r: array[(str, i64)]) { emit r <- [("a", 1), ("b", 2), ("a", 3)].to_map().entries(); }'

    assert [[("a", 3), ("b", 2)]] == values(everywhere(text, []))


# Across sandboxes.

NESTED = """record R { m: map[str, map[i64, array[str]]], o: option[map[bool, i64]], rest: array[(i64, map[str, str])] }
function f(r: R) => (r: R, found: array[str]) {
    emit found <- r.m.get("k").or(map()).get(7).or([]);
    emit r <- r;
}"""


def test_maps_inside_of_everything_cross_sandboxes() -> None:
    value = (
        [("k", [(7, ["x", "y"]), (-1, [])]), ("", [])],
        Variant(1, ([(True, 1), (False, 2)],)),
        [(1, [("a", "b")]), (2, [])],
    )
    (result,) = everywhere(NESTED, [value])

    assert [["x", "y"], value] == [e.value for e in result.emissions]


def test_sets_and_optional_inputs_of_maps() -> None:
    text = """function f(items: set[str => map[str, i64]], one: optional map[i64, str]) => (r: array[i64], s: str) {
        var totals: array[i64] = [];
        for key, m in items { totals.append(m.get(key).or(-1)); }
        for m in items.values() { totals.append(m.get("b").or(-2)); }
        emit r <- totals;
        match one { some(m) => { emit s <- m.get(1).or("absent"); } none => { emit s <- "none"; } }
    }"""
    items = [("a", "", [("a", 5)]), ("b", "", [("a", 1), ("b", 2)])]
    first, second = everywhere(text, [items, Variant(1, ([(1, "one")],))], [[], Variant(0)])

    assert [[5, 2, -2, 2], "one"] == [e.value for e in first.emissions]
    assert [[], "none"] == [e.value for e in second.emissions]


READER = "function f(m: map[str, i64]) => (r: i64) { emit r <- m.len(); }"
LIAR = "function f(m: (array[str], array[i64])) => (r: i64) { emit r <- 0; }"


@pytest.mark.parametrize(
    ("keys", "numbers", "good"),
    [
        ([], [], True),
        (["a", "b"], [1, 2], True),
        (["a", "a"], [1, 2], False),
        (["a"], [1, 2], False),
        (["a", "b"], [1], False),
        ([str(i % 99) for i in range(100)], list(range(100)), False),
    ],
)
def test_a_reader_believes_nothing(keys: list[str], numbers: list[int], good: bool) -> None:
    """The encoding of a map is that of its keys and its values, so that arrays can claim to be one."""
    block = input_block(kernel_of(LIAR), [[(keys, numbers)]])
    for opt in (0, 2):
        (result,) = run_native(kernel_of(READER), [[[]]], opt, block=block).results
        assert ("ok" if good else "trap", "" if good else "trap.input") == (result.state, result.trap)


MAP = Named("prelude.Map", (STR, I64))


def test_the_oracle_believes_nothing_either() -> None:
    types = kernel_of(READER).types
    pairs = [("b", 1), ("a", 2)]
    columns = Tuple((Array(STR), Array(I64)))
    good = encode(columns, (["b", "a"], [1, 2]), types)

    assert good == encode(MAP, pairs, types)
    assert struct.pack("<Q", 2) == good[:8]
    assert pairs == decode(MAP, good, types)
    for keys, numbers in ((["a", "a"], [1, 2]), (["a"], [1, 2]), (["a", "b"], [])):
        with pytest.raises(EncodingError):
            decode(MAP, encode(columns, (keys, numbers), types), types)
    with pytest.raises(EncodingError):
        encode(MAP, [("a", 1), ("a", 2)], types)


def test_equal_maps_have_equal_encodings_whatever_was_removed() -> None:
    """The items of a map that has had more keys are those of one that never had, byte for byte."""
    text = """function f(extra: array[str]) => (m: map[str, i64]) {
        var m: map[str, i64] = map();
        for x in extra { m.set(x, 0); }
        m.set("k", 1);
        m.set("l", 2);
        for x in extra { m.update(x, 0, |n| n + 1); let gone = m.remove(x).is_none(); if gone { fail "lost"; } }
        emit m <- m;
    }"""
    results = everywhere(text, [["a"]], [[]], [["a", "b", "c", "d", "e", "f"]])

    assert [[("k", 1), ("l", 2)]] * 3 == values(results)


# JSON.


def test_json_in_kernels() -> None:
    text = """import json;
    record R { a: map[str, array[i64]], b: map[(i64, bool), str] }
    function f(text: bytes) => (r: str) {
        match json.decode[R](text) { ok(r) => { emit r <- json.encode(r); } err(e) => { emit r <- e.message; } }
    }"""
    cases = {
        '{"b":[[[5,true],"q"],[[4,false],"r"]],"a":{"x\\n":[1,2],"":[]}}': '{"a":{"x\\n":[1,2],"":[]},"b":[[[5,true],"q"],[[4,false],"r"]]}',
        '{"a":{},"b":[]}': '{"a":{},"b":[]}',
        '{"a":{"x":[],"y":[],"x":[]},"b":[]}': "`x` is given twice at $.a, byte 24",
        '{"a":{},"b":[[[5,true],"q"],[[5,true],"r"]]}': "a key of the map is there twice at $.b, byte 43",
        '{"a":{"x":[1,"2"]},"b":[]}': "expected a number at $.a.x[1], byte 13",
        '{"a":[],"b":[]}': "expected an object at $.a, byte 5",
        '{"a":{},"b":{}}': "expected an array at $.b, byte 12",
    }

    assert list(cases.values()) == values(everywhere(text, *[[case.encode()] for case in cases]))


def test_json_of_inputs_and_outputs() -> None:
    types = kernel_of(NESTED).types
    numbers = Named("prelude.Map", (I64, Array(STR)))

    assert [("b", 1), ("a", 2)] == from_json(MAP, {"b": 1, "a": 2}, types)
    assert {"b": 1, "a": 2} == to_json(MAP, [("b", 1), ("a", 2)], types)
    assert [(7, ["x"])] == from_json(numbers, [[7, ["x"]]], types) == from_json(numbers, {7: ["x"]}, types)
    assert [[7, ["x"]]] == to_python(numbers, [(7, ["x"])], types)
    for wrong in ([["a", 1]], {"a": "1"}, None):
        with pytest.raises(ValueMismatchError):
            from_json(MAP, wrong, types)
    with pytest.raises(ValueMismatchError, match="twice"):
        admit(numbers, [(7, []), (8, []), (7, [])], types, str)


# In whole programs.

PROGRAM = """
config start: map[str, i64] = [("zero", 0)].to_map();

function count(words: array[str]) => (counts: map[str, i64]) {
    var counts = start;
    for w in words { counts.update(w, 0, |n| n + 1); }
    emit counts <- counts;
}

function merge(all_counts: set[map[str, i64]], names: map[i64, str]) => (total: map[str, i64], same: map[i64, str]) {
    var total: map[str, i64] = map();
    for counts in all_counts { for word, n in counts { total.update(word, 0, |old| old + n); } }
    emit total <- total;
    emit same <- names;
}

composition main(texts: set[array[str]], names: map[i64, str]) => (total: map[str, i64], same: map[i64, str]) {
    counts = count(each texts);
    total, same = merge(all counts, names);
}
"""


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> dandc.Program:
    folder = tmp_path_factory.mktemp("maps")
    (folder / "p.dnd").write_text(PROGRAM, encoding="utf-8")
    return dandc.compile(folder / "p.dnd", cache=folder / "cache")


def test_maps_go_through_sandboxes_and_out(counting: dandc.Program) -> None:
    texts = [["b", "a", "b"], [], ["c", "a"]]
    result = counting.run(inputs={"texts": texts, "names": {3: "x", 1: "y"}})

    assert {"zero": 0, "b": 2, "a": 2, "c": 1} == result["total"]
    assert ["zero", "b", "a", "c"] == list(result["total"])
    assert [[3, "x"], [1, "y"]] == result["same"]


def test_a_config_may_be_a_map(counting: dandc.Program) -> None:
    result = counting.run(inputs={"texts": [["a"]], "names": []}, config={"start": {"a": 5}})

    assert {"a": 6} == result["total"]


def test_an_input_with_a_key_twice_is_refused(counting: dandc.Program) -> None:
    with pytest.raises(dandc.RunError) as caught:
        counting.run(inputs={"texts": [], "names": [[1, "x"], [1, "y"]]})
    assert ["R0732"] == [d.code for d in caught.value.diagnostics]
    assert "map[i64, str]" in str(caught.value.diagnostics[0].message)


def test_an_input_can_be_changed_and_kept() -> None:
    """Keys and values of numbers are views of the input, which nobody may write into."""
    text = """fn grown(m: map[i64, i64]) -> map[i64, i64] {
        var out = m;
        for k, v in m { out.set(k, v + 1); out.set(k + 100, v); }
        let gone = out.remove(2).or(-1);
        out.set(gone, 0);
        return out;
    }
    function f(m: map[i64, i64], xs: array[i64]) => (a: map[i64, i64], b: map[i64, i64], c: array[i64]) {
        emit a <- grown(m);
        emit b <- m;
        emit c <- xs.map(|x| m.get(x).or(0));
    }"""
    pairs = [(1, 10), (2, 20)]
    (result,) = everywhere(text, [pairs, [2, 1, 3]])

    assert [[(1, 11), (101, 10), (102, 20), (21, 0)], pairs, [20, 10, 0]] == [e.value for e in result.emissions]


def test_generic_helpers_over_maps() -> None:
    text = """record Index[K: hash, V] { rows: map[K, array[V]] }
    fn add[K: hash, V](inout index: Index[K, V], key: K, value: V) {
        index.rows.update(key, [], |old| old + [value]);
    }
    fn invert[K: hash, V: hash](m: map[K, V]) -> map[V, array[K]] {
        var index: Index[V, K] = Index(rows: map());
        for k, v in m { add(index, v, k); }
        return index.rows;
    }
    function f(m: map[str, bool]) => (r: map[bool, array[str]], same: bool) {
        emit r <- invert(m);
        emit same <- invert(m) == invert(m.entries().reverse().to_map());
    }"""
    (result,) = everywhere(text, [[("a", True), ("b", False), ("c", True)]])

    assert [[(True, ["a", "c"]), (False, ["b"])], False] == [e.value for e in result.emissions]
