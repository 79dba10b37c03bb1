"""The hash of a program is about what it means: how it is written does not change it, and every change of meaning does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dandc
from dandc.cache import Cache
from dandc.checking import check_file, hash_of
from dandc.compiler import codegen
from dandc.compiling import compile_file
from dandc.lang import Source, parse
from dandc.lang.format import format_source
from dandc.vm import dumps, loads

MAIN = """import http;
import "lib/numbers.dnd";

config limit: i64 = 2;
endpoint service = http("http://127.0.0.1:9");
const STEPS: array[i64] = [1, 2, 3].map(|n| n * 10);
record Row { name: str, size: i64 }

fn weigh(row: Row) -> i64 = numbers.twice(row.size) + STEPS[0];

function ask(name: str) => (request: http.Request) = service.get("/" + name);

function rows(names: array[str]) => (rows: set[str => Row]) {
    for name in names { emit rows[name] <- Row(name: name, size: name.len() * limit); }
}

function total(rows: set[str => Row], extra: i64) => (sum: i64) {
    var sum = extra;
    for _, row in rows { sum += [row].map(|r| weigh(r)).sum(); }
    emit sum <- sum;
}

composition part(names: array[str]) => (sum: i64) {
    made = rows(names);
    sum = total(all made, extra: numbers.twice(4));
}

composition main(names: array[str]) => (sum: i64, answer: http.Response) {
    sum = part(names);
    answer = http.fetch(ask("x")) retry 2;
}
"""
NUMBERS = """pub fn twice(n: i64) -> i64 = 2 * n;
"""


def write(
    folder: Path, main: str = MAIN, numbers: str = NUMBERS, *, name: str = "main.dnd", lib: str = "lib/numbers.dnd"
) -> Path:
    (folder / lib).parent.mkdir(parents=True, exist_ok=True)
    (folder / lib).write_text(numbers)
    (folder / name).write_text(main)
    return folder / name


def hashed(path: Path) -> str:
    loaded, checked = check_file(path, Cache(None), tests=False)
    assert () == loaded.diagnostics + checked.diagnostics
    return hash_of(checked)


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return hashed(write(tmp_path / "plain"))


def items(text: str) -> list[str]:
    """The texts of a module's items, imports and settings first as the formatter has them."""
    module = parse(Source("m.dnd", text)).module
    return [text[i.span.start : i.span.end] for i in module.items]


def test_writing_does_not_matter(tmp_path: Path, plain: str) -> None:
    """White space, comments, the order of items, names of files and what nobody reaches."""
    written = {
        "comments": write(tmp_path / "a", MAIN.replace("{ ", "{ // x\n  ").replace(";\n", "; // y\n")),
        "white space": write(tmp_path / "b", MAIN.replace(" = ", "   =\n\n").replace("\n", "\n\n  ")),
        "formatting": write(tmp_path / "c", str(format_source(Source("m.dnd", MAIN.replace("    ", " "))))),
        "order": write(tmp_path / "d", "\n".join(reversed(items(MAIN)))),
        "names of files": write(
            tmp_path / "e", MAIN.replace("lib/numbers.dnd", "far/away/n.dnd").replace("numbers.twice", "n.twice"),
            name="other.dnd", lib="far/away/n.dnd",
        ),
        "unreached": write(tmp_path / "f", MAIN + "fn unused(a: f64) -> f64 = a / 3.0;\nfunction idle(a: i64) => (b: i64) = a;\nrecord None_ { a: i64 }\n"),
        "unreached elsewhere": write(tmp_path / "g", numbers=NUMBERS + "pub fn thrice(n: i64) -> i64 = 3 * n;\n"),
        "how a constant is computed": write(tmp_path / "h", MAIN.replace("[1, 2, 3].map(|n| n * 10)", "[10, 20, 30]")),
    }  # fmt: skip

    assert dict.fromkeys(written, plain) == {what: hashed(path) for what, path in written.items()}


CHANGES = {
    "a literal": ("size: name.len()", "size: 1 + name.len()"),
    "a literal of a constant": ("n * 10", "n * 11"),
    "an argument": ("numbers.twice(4)", "numbers.twice(5)"),
    "a policy": ("retry 2", "retry 3"),
    "no policy": (" retry 2", ""),
    "a type": ("record Row { name: str, size: i64 }", "record Row { name: str, size: i64, more: option[i64] = none }"),
    "a field's name": ("name: name, size", "nick: name, size"),
    "the default of a config": ("limit: i64 = 2", "limit: i64 = 3"),
    "an address": ("127.0.0.1:9", "127.0.0.1:8"),
    "an output's name": ("(sum: i64, answer", "(part: i64, answer"),
    "a key": ("emit rows[name]", 'emit rows[name + "!"]'),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_meaning_matters(tmp_path: Path, plain: str, old: str, new: str) -> None:
    text = MAIN.replace(old, new)
    if new.startswith("(part"):
        text = text.replace("    sum = part(names);", "    part = part(names);")
    if "nick" in new:
        text = text.replace("record Row { name: str", "record Row { nick: str")
    if "more" in new:
        text = MAIN.replace(
            "record Row { name: str, size: i64 }", "record Row { name: str, size: i64, more: option[i64] }"
        )
        text = text.replace("* limit)", "* limit, more: none)")

    assert plain != hashed(write(tmp_path / "changed", text))


def test_sharding_and_helpers_matter(tmp_path: Path, plain: str) -> None:
    """A word of sharding, and the body of an imported helper."""
    keyed = (
        MAIN.replace("sum = total(all made, extra", "sums = total(keyed made, extra")
        .replace("=> (sum: i64) {\n    made", "=> (sums: set[str => i64]) {\n    made")
        .replace("sum: i64, answer", "sum: set[str => i64], answer")
    )

    assert plain != hashed(write(tmp_path / "keyed", keyed))
    assert plain != hashed(write(tmp_path / "helper", numbers=NUMBERS.replace("2", "3")))


def test_same_everywhere(tmp_path: Path, plain: str) -> None:
    """Any process, any seed of Python's hashes; from the command, the interface, and a bundle."""
    path = write(tmp_path / "there")
    command = [sys.executable, "-m", "dandc", "check", "--no-cache", "--hash", "main.dnd"]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, check=True)
        assert f"{plain}  main.dnd\n" == done.stdout
    program = dandc.compile(path, cache=tmp_path / "cache")
    assert plain == program.hash
    assert program.compiled == loads(dumps(program.compiled))


def test_a_comment_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After edits of comments and white space, of names of files and of other items, every image comes from the cache."""
    cache = Cache(tmp_path / "cache").open()
    before = compile_file(write(tmp_path / "p"), cache).program

    def refused(*_: object) -> None:
        raise AssertionError("an image is compiled again")

    monkeypatch.setattr(codegen, "compile", refused)
    edited = "// First.\n\n" + MAIN.replace("{ ", "{ // x\n  ").replace("numbers", "n") + "fn other() -> i64 = 1;\n"
    after = compile_file(write(tmp_path / "p", edited, lib="lib/n.dnd"), cache).program

    assert sorted(k.image for k in before.kernels.values()) == sorted(k.image for k in after.kernels.values())
    assert before.kernels != after.kernels  # the sites are where the text is now
    with pytest.raises(AssertionError, match="compiled again"):
        compile_file(write(tmp_path / "p", MAIN.replace("+ STEPS[0]", "- STEPS[0]")), cache)
