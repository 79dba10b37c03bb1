"""Text, bytes and arrays against Python's."""

import functools
import itertools
import random

import pytest
from library import call

from dandc.compiler.encoding import Variant

NONE = Variant(0, ())
TEXTS = ["", "a", "aa", "aaa", ",", ",,", "a,b", ",a,,b,", "äöü,ß", "x" * 50 + "," + "y" * 50, "\n", "a\nb", "a\r\nb\r\n", "\r", "\n\n",
         "a\nb\n", "\r\n", " a ", "\t\n a b \r\v\f ", "\u00a0a\u00a0", "Aa Zz Ää", "abcabcabd", "\0,\0", "日本,語"]  # fmt: skip


def some(value: object) -> Variant:
    return Variant(1, (value,))


def lines(text: str) -> list[str]:
    found = text.split("\n")
    if found[-1] == "":
        found.pop()
    return [line.removesuffix("\r") for line in found]


def upper(text: str) -> str:
    return "".join(c.upper() if c.isascii() else c for c in text)


def lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


@pytest.mark.parametrize(
    ("result", "expression", "oracle"),
    [
        ("i64", "x.len()", lambda x: len(x.encode())),
        ("bool", "x.is_empty()", lambda x: x == ""),
        ("array[str]", "x.lines()", lines),
        ("str", "x.trim()", lambda x: x.strip(" \t\n\r\v\f")),
        ("str", "x.to_upper()", upper),
        ("str", "x.to_lower()", lower),
        ("str", "x.repeat(3)", lambda x: x * 3),
        ("str", "x.repeat(-1)", lambda x: ""),
        ("bytes", "x.to_bytes()", lambda x: x.encode()),
        ("result[str, str]", "x.to_bytes().to_str()", lambda x: Variant(0, (x,))),
        ("str", 'x.split(",").join(",")', lambda x: x),
        ("str", 'x.replace("a", "bb")', lambda x: x.replace("a", "bb")),
        ("str", 'x.replace("aa", "")', lambda x: x.replace("aa", "")),
        ("str", 'x.replace("", "-")', lambda x: x),
        ("array[str]", 'x.split(",")', lambda x: x.split(",")),
        ("array[str]", 'x.split(",,")', lambda x: x.split(",,")),
        ("array[str]", 'x.split("")', lambda x: [x]),
        ("bool", 'x.contains("b")', lambda x: "b" in x),
        ("bool", 'x.contains("")', lambda x: True),
        ("bool", 'x.starts_with("a")', lambda x: x.startswith("a")),
        ("bool", 'x.starts_with("")', lambda x: True),
        ("bool", 'x.ends_with("\\n")', lambda x: x.endswith("\n")),
        ("bool", 'x.ends_with("aaaa")', lambda x: x.endswith("aaaa")),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_text(result: str, expression: str, oracle: object) -> None:
    """The same as Python's function, for every text of the list."""
    assert callable(oracle)
    assert [oracle(x) for x in TEXTS] == call(f"x: str) => (y: {result}", expression, TEXTS, interpreted=len(TEXTS))


def test_find() -> None:
    """Offsets are in bytes; a start beyond the end finds nothing."""
    cases = [(x, part, start) for x in TEXTS for part in ("", "a", "b", ",a", "ab", "日") for start in (0, 1, 3, 99)]

    def oracle(x: str, part: str, start: int) -> Variant:
        at = x.encode().find(part.encode(), start) if start <= len(x.encode()) else -1
        return some(at) if at >= 0 else NONE

    expected = [oracle(*case) for case in cases]
    assert expected == call("x: str, part: str, start: i64) => (y: option[i64]", "x.find(part, start)", cases)


def utf8_cases() -> list[bytes]:
    edges = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1,
             0xF3, 0xF4, 0xF5, 0xFF]  # fmt: skip
    cases = [bytes([a]) for a in range(256)] + [bytes([a, b]) for a in edges for b in edges]
    cases += [bytes([a, b, c]) for a in edges for b in edges for c in (0x41, 0x7F, 0x80, 0xBF, 0xC0)]
    cases += [
        bytes([a, b, c, d])
        for a in (0xEF, 0xF0, 0xF1, 0xF4, 0xF5)
        for b in edges
        for c in (0x7F, 0x80, 0xBF)
        for d in (0x41, 0x80, 0xBF)
    ]
    return [*cases, b"", b"abc\xe2\x82", "aé日😀".encode(), b"ok\xed\xa0\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]


def test_utf8() -> None:
    """The first invalid sequence is where Python's decoder finds it."""
    cases = utf8_cases()

    for data, found in zip(cases, call("x: bytes) => (y: result[str, str]", "x.to_str()", cases), strict=True):
        try:
            expected = Variant(0, (data.decode(),))
        except UnicodeDecodeError as error:
            expected = Variant(1, (f"invalid UTF-8 at byte {error.start}",))
        assert expected == found, data


def test_sort() -> None:
    """Ascending, of every length up to some, and stable."""
    rnd = random.Random(2)
    lists = [[rnd.randrange(20) for _ in range(n)] for n in (*range(18), 31, 32, 33, 100)]
    assert [sorted(xs) for xs in lists] == call("xs: array[i64]) => (y: array[i64]", "xs.sort()", lists)

    words = [["b", "", "a", "ab", "é", "z", "\U0001f600"], ["x"], []]
    by_bytes = [sorted(ws, key=str.encode) for ws in words]
    assert by_bytes == call("xs: array[str]) => (y: array[str]", "xs.sort()", words)


def test_sort_is_stable() -> None:
    """Elements with equal keys keep their order."""
    rnd = random.Random(4)
    lists = [[rnd.randrange(1000) for _ in range(n)] for n in (5, 17, 64)]

    assert [sorted(xs, key=lambda x: x % 7) for xs in lists] == call(
        "xs: array[i64]) => (y: array[i64]", "xs.sort_by(|x| x % 7)", lists
    )
    assert [sorted(xs, key=lambda x: (-(x % 3), x)) for xs in lists] == call(
        "xs: array[i64]) => (y: array[i64]", "xs.sort_by(|x| (-(x % 3), x))", lists
    )


ARRAYS = [[], [1], [3, 1, 2], [5, 5, 5], list(range(20)), [-1, 0, 1]]


@pytest.mark.parametrize(
    ("result", "expression", "oracle"),
    [
        ("i64", "xs.len()", len),
        ("array[i64]", "xs.reverse()", lambda xs: xs[::-1]),
        ("array[i64]", "xs.map(|x| x * x)", lambda xs: [x * x for x in xs]),
        ("array[i64]", "xs.filter(|x| x % 2 == 1)", lambda xs: [x for x in xs if x % 2 == 1]),
        ("i64", "xs.fold(7, |a, x| 3 * a + x)", lambda xs: functools.reduce(lambda a, x: 3 * a + x, xs, 7)),
        ("array[i64]", "xs.scan(0, |a, x| a + x)", lambda xs: list(itertools.accumulate(xs))),
        ("array[i64]", "xs.flat_map(|x| [x, x + 1])", lambda xs: [v for x in xs for v in (x, x + 1)]),
        ("array[(i64, i64)]", "xs.zip(xs.reverse())", lambda xs: list(zip(xs, xs[::-1], strict=True))),
        ("bool", "xs.any(|x| x == 5)", lambda xs: 5 in xs),
        ("bool", "xs.all(|x| x == 5)", lambda xs: all(x == 5 for x in xs)),
        ("bool", "xs.contains(3)", lambda xs: 3 in xs),
        ("option[i64]", "xs.index_of(2)", lambda xs: some(xs.index(2)) if 2 in xs else NONE),
        ("option[i64]", "xs.first()", lambda xs: some(xs[0]) if xs else NONE),
        ("option[i64]", "xs.last()", lambda xs: some(xs[-1]) if xs else NONE),
        ("option[i64]", "xs.get(1)", lambda xs: some(xs[1]) if len(xs) > 1 else NONE),
        ("option[i64]", "xs.get(-1)", lambda xs: NONE),
        ("(i64, i64)", "(min(xs.len(), 2), max(xs.len(), 2))", lambda xs: (min(len(xs), 2), max(len(xs), 2))),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_arrays(result: str, expression: str, oracle: object) -> None:
    """The same as Python's."""
    assert callable(oracle)
    assert [oracle(xs) for xs in ARRAYS] == call(f"xs: array[i64]) => (y: {result}", expression, ARRAYS)


def test_group_by() -> None:
    """Groups in order of their keys, elements in theirs."""
    expected = [(k, [x for x in range(10) if x % 3 == k]) for k in range(3)]

    assert [expected] == call(
        "xs: array[i64]) => (y: array[(i64, array[i64])]", "xs.group_by(|x| x % 3)", [list(range(10))]
    )


def test_options_and_results() -> None:
    """The small functions of the prelude."""
    options, found = [NONE, some(3)], "x: option[i64]) => (y: "
    assert [False, True] == call(f"{found}bool", "x.is_some()", options)
    assert [True, False] == call(f"{found}bool", "x.is_none()", options)
    assert [9, 3] == call(f"{found}i64", "x.or(9)", options)
    assert [NONE, some("3")] == call(f"{found}option[str]", 'x.map(|v| f"{v}")', options)
    assert [Variant(1, ("no",)), Variant(0, (3,))] == call(f"{found}result[i64, str]", 'x.ok_or("no")', options)

    results, given = [Variant(0, (3,)), Variant(1, ("no",))], "x: result[i64, str]) => (y: "
    assert [True, False] == call(f"{given}bool", "x.is_ok()", results)
    assert [False, True] == call(f"{given}bool", "x.is_err()", results)
    assert [3, 9] == call(f"{given}i64", "x.or(9)", results)
    assert [some(3), NONE] == call(f"{given}option[i64]", "x.ok()", results)
