"""Inputs from the command line and from a file; the shape of `--json`; and what is said when an input does not fit."""

import json
import re
from typing import Any

import pytest

ECHO = """
record Point { x: i64, y: option[f64], tags: array[str] }
enum Shade { dark, light(i64) }

function echo(n: i64, text: str, data: bytes, p: Point, s: Shade, o: optional bool, xs: set[str => i64], plain: set[str])
    => (n2: i64, text2: str, data2: bytes, p2: Point, s2: Shade, o2: optional bool, xs2: set[str => i64], plain2: set[str]) {
    emit n2 <- n;
    emit text2 <- text;
    emit data2 <- data;
    emit p2 <- p;
    emit s2 <- s;
    match o { some(value) => { emit o2 <- value; } none => {} }
    for key, x in xs { emit xs2[key] <- x; }
    for x in plain { emit plain2 <- x; }
}

composition main(n: i64, text: str, data: bytes, p: Point, s: Shade, o: optional bool, xs: set[str => i64], plain: set[str])
    => (n2: i64, text2: str, data2: bytes, p2: Point, s2: Shade, o2: optional bool, xs2: set[str => i64], plain2: set[str]) {
    n2, text2, data2, p2, s2, o2, xs2, plain2 = echo(n, text, data, p, s, o, all xs, all plain);
}
"""
WHOLE = {
    "n": -(2**63),
    "text": 'ä\n"\\',
    "data": "AP8=",
    "p": {"x": 1, "y": 0.1, "tags": ["a", ""]},
    "s": {"light": 3},
    "xs": [{"key": "b", "value": 2}, {"name": "first", "key": "a", "value": 1}],
    "plain": ["one", "two"],
}
ONE = """
function f(n: i64, text: str) => (out: str) { emit out <- f"{text}{n}"; }
composition main(n: i64, text: str) => (out: str) { out = f(n, text); }
"""


@pytest.fixture
def echo(dandc: Any) -> Any:
    dandc.write("echo.dnd", ECHO)
    return dandc


def test_inputs_of_every_kind_from_a_file_come_out_as_they_went_in(echo: Any) -> None:
    echo.write("inputs.json", json.dumps(WHOLE))
    finished = echo("run", "echo.dnd", "--inputs", "inputs.json", "--json").worked()
    outputs = finished.json["outputs"]

    def alone(value: Any) -> list[dict[str, Any]]:
        return [{"name": "", "key": None, "value": value}]

    assert outputs == {
        "n2": alone(-(2**63)),
        "text2": alone('ä\n"\\'),
        "data2": alone("AP8="),
        "p2": alone({"x": 1, "y": 0.1, "tags": ["a", ""]}),
        "s2": alone({"light": 3}),
        "o2": [],
        "xs2": [{"name": "", "key": "a", "value": 1}, {"name": "", "key": "b", "value": 2}],
        "plain2": [{"name": "", "key": None, "value": "one"}, {"name": "", "key": None, "value": "two"}],
    }
    assert finished.json["nodes"] == {"echo": {"ran": 1, "skipped": 0, "failed": 0}}
    assert set(finished.json) == {"outputs", "nodes"}


def test_inputs_of_every_kind_from_options(echo: Any) -> None:
    echo.write("data.bin", b"\0\xff")
    echo.write("point.json", json.dumps(WHOLE["p"]))
    echo.environment["SHADE"] = '"dark"'
    given = {
        "n": "7",
        "text": '{"not": "parsed"}',
        "data": "@data.bin",
        "p": "@point.json",
        "s": "env:SHADE",
        "o": "true",
        "xs": '[{"key": "k", "value": 1}]',
        "plain": "[]",
    }
    options = [part for name, value in given.items() for part in ("-i", f"{name}={value}")]
    outputs = echo("run", "echo.dnd", *options, "--json").worked().json["outputs"]
    shown = {name: [item["value"] for item in items] for name, items in outputs.items()}
    assert shown == {
        "n2": [7],
        "text2": ['{"not": "parsed"}'],
        "data2": ["AP8="],
        "p2": [WHOLE["p"]],
        "s2": ["dark"],
        "o2": [True],
        "xs2": [1],
        "plain2": [],
    }


def test_text_is_taken_as_it_is(dandc: Any) -> None:
    dandc.write("one.dnd", ONE)
    for text in ("", "1", "a=b", " x ", "null", "\\n", "-i"):
        assert dandc("run", "one.dnd", "-i", "n=1", "-i", f"text={text}").worked().out == f"{text}1".encode()


def test_missing_inputs_are_all_named(dandc: Any) -> None:
    dandc.write("one.dnd", ONE)
    finished = dandc("run", "one.dnd").failed("R0730", "R0730")
    assert "`n`" in finished.err
    assert "`text`" in finished.err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-i", "n=1", "-i", "text=a", "-i", "z=3"], "R0731"),
        (["-i", "n=x", "-i", "text=a"], "R0732"),
        (["-i", "n=", "-i", "text=a"], "R0732"),
        (["-i", "n=1.5", "-i", "text=a"], "R0732"),
        (["-i", "n=9223372036854775808", "-i", "text=a"], "R0732"),
        (["-i", 'n="1"', "-i", "text=a"], "R0732"),
        (["-i", "n=null", "-i", "text=a"], "R0732"),
        (["-i", "n=[1]", "-i", "text=a"], "R0732"),
        (["-i", "n=" + "[" * 100_000, "-i", "text=a"], "R0732"),
        (["-i", "n=1 2", "-i", "text=a"], "R0732"),
        (["-i", "n=1", "-i", "text=@nothing"], "U0901"),
        (["-i", "n=1", "-i", "text=@."], "U0901"),
        (["-i", "n=1", "-i", "text=@binary"], "R0732"),
        (["-i", "n=1", "-i", "text=env:NOT_SET_AT_ALL"], "U0905"),
        (["-i", "n=1", "-i", "n=2", "-i", "text=a"], "U0905"),
        (["-i", "n=1", "-i", "text=a", "--config", "c=1"], "R0735"),
        (["--inputs", "nothing.json"], "U0901"),
        (["--inputs", "binary"], "U0905"),
        (["--inputs", "list.json"], "U0905"),
        (["--inputs", "twice.json"], "U0905"),
        (["--inputs", "both.json", "-i", "n=2"], "U0905"),
    ],
)
def test_inputs_that_do_not_fit(dandc: Any, options: list[str], code: str) -> None:
    dandc.write("one.dnd", ONE)
    dandc.write("binary", b"\xff\0\xfe")
    dandc.write("list.json", "[1]")
    dandc.write("twice.json", '{"n": 1, "n": 2, "text": "a"}')
    dandc.write("both.json", '{"n": 1, "text": "a"}')
    dandc("run", "one.dnd", *options, "--out", "made").failed(code)
    assert not (dandc.folder / "made").exists()


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("p", {"x": 1, "y": None}, "tags"),
        ("p", {"x": 1, "y": None, "tags": ["a", 2]}, ".tags[1]"),
        ("s", "red", "`dark`"),
        ("s", {"light": "x"}, ".light"),
        ("xs", [{"key": "a", "value": 1}, {"key": 7, "value": 1}], "[1].key"),
        ("xs", [{"value": 1}], "[0]"),
        ("xs", [1], "[0]"),
        ("xs", 5, "the value"),
        ("data", "not base64!", "the value"),
        ("plain", ["a", 1], "[1]"),
    ],
)
def test_the_note_leads_to_the_place_in_the_value(echo: Any, name: str, value: Any, place: str) -> None:
    echo.write("inputs.json", json.dumps({**WHOLE, name: value}))
    finished = echo("run", "echo.dnd", "--inputs", "inputs.json").failed("R0732")
    assert f"`{name}`" in finished.err
    assert place in finished.err


def test_several_mistakes_are_shown_at_once(echo: Any) -> None:
    echo.write("inputs.json", json.dumps({**WHOLE, "n": "x", "p": 1}))
    echo("run", "echo.dnd", "--inputs", "inputs.json").failed("R0732", "R0732")


FORMS = """
record R { id: i64, tags: array[str], at: option[f64] }
enum E { a(i64, str), b }
function f(n: i64, p: set[i64 => R], q: set[str => E], t: (bool, map[str, u8]), o: set[str => i64]) => (m: i64, names: str) {
    emit m <- n;
    emit names <- o.entries().map(|(k, v)| f"{k}{v}").join(" ");
}
composition main(n: i64, p: set[i64 => R], q: set[str => E], t: (bool, map[str, u8]), o: set[str => i64]) => (m: i64, names: str) {
    m, names = f(n, all p, all q, t, all o);
}
"""


def test_a_value_of_another_shape_is_answered_with_the_form(dandc: Any) -> None:
    """And the form that is shown is one that fits."""
    dandc.write("forms.dnd", FORMS)
    wrong = [option for name in ("n", "p", "q", "t", "o") for option in ("-i", f"{name}=x")]
    told = dandc("run", "forms.dnd", *wrong).failed(*["R0732"] * 5).err
    forms = re.findall(r"the form is `(.*)`\n", told)
    assert forms[:2] == ["3", '[{"key": 3, "value": {"id": 3, "tags": ["text"], "at": 0.5}}]']
    assert "Expecting" not in told
    right = [option for name, form in zip("npqto", forms, strict=True) for option in ("-i", f"{name}={form}")]
    assert dandc("run", "forms.dnd", *right, "--json").worked().value("names") == "text3"


def test_a_set_with_text_keys_is_an_object(dandc: Any) -> None:
    dandc.write("forms.dnd", FORMS)
    given = ("-i", "n=1", "-i", "p=[]", "-i", "q={}", "-i", "t=[true, {}]")
    finished = dandc("run", "forms.dnd", *given, "-i", 'o={"nut": 10, "bolt": 2}', "--json").worked()
    assert finished.value("names") == "bolt2 nut10"
    told = dandc("run", "forms.dnd", *given, "-i", 'o={"nut": 10, "bolt": "2"}').failed("R0732")
    assert ".bolt: a number is expected" in told.err
    given = ("-i", "n=1", "-i", "o={}", "-i", "q={}", "-i", "t=[true, {}]", "-i", 'p={"1": 2}')
    assert "an array is expected, not an object" in dandc("run", "forms.dnd", *given).failed("R0732").err


def test_configs(dandc: Any) -> None:
    dandc.write(
        "c.dnd",
        'config greeting: str = "hello";\nfunction f() => (out: str) { emit out <- f"{greeting}!"; }\n'
        "composition main() => (out: str) { out = f(); }\n",
    )
    assert dandc("run", "c.dnd").worked().out == b"hello!"
    assert dandc("run", "c.dnd", "--config", "greeting=bye").worked().out == b"bye!"
    dandc("run", "c.dnd", "--config", "nothing=bye").failed("R0735")
    dandc("run", "c.dnd", "--config", "greeting").failed("U0905", status=2)
