"""Files that are no programs: each a diagnostic with a code, whatever command reads them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

GOOD = """
function shout(text: str) => (loud: str) { emit loud <- f"{text}!"; }
composition main(text: str) => (loud: str) { loud = shout(text); }
"""
BAD = {
    "binary": (bytes(range(256)) * 20, "U0902"),
    "invalid UTF-8": (b"fn f\xff() {}", "U0902"),
    "ten megabytes": (b"// all work and no play\n" * 450_000, "L0010"),
    "ten megabytes on a line": (b"x" * 10_000_000, "L0010"),
    "nested parentheses": (b"fn f() -> i64 { return " + b"(" * 20_000 + b"1" + b")" * 20_000 + b"; }", "P0126"),
    "only opening parentheses": (b"fn f() -> i64 { return " + b"(" * 20_000, "P0126"),
    "nested blocks": (b"fn f() { " + b"if true { " * 20_000, "P0126"),
    "nested arrays": (b"fn f() { let x = " + b"[" * 20_000, "P0126"),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_no_program(dandc: Any, command: str, what: str) -> None:
    content, code = BAD[what]
    path = dandc.write("bad.dnd", content)
    finished = dandc(command, path)
    assert finished.status == 1
    assert finished.codes()[:1] == [code]
    assert finished.failed(*finished.codes()).err.count("\n") < 60
    assert len(finished.err) < 20_000


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_not_there(dandc: Any, command: str) -> None:
    dandc(command, "nothing.dnd").failed("U0901")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("path", [".", "/dev/zero", "/dev/null", "", "a\x1b[31mb"])
def test_what_is_not_a_regular_file(dandc: Any, command: str, path: str) -> None:
    assert "\x1b" not in dandc(command, path).failed("U0901").err


def test_a_pipe_that_nobody_writes_to(dandc: Any) -> None:
    os.mkfifo(dandc.folder / "pipe.dnd")
    dandc("run", "pipe.dnd").failed("U0901")


def test_an_empty_file(dandc: Any) -> None:
    dandc.write("empty.dnd", "")
    dandc.write("blank.dnd", "// nothing\n\n")
    dandc("check", "empty.dnd").failed("U0910")
    dandc("check", "blank.dnd").failed("U0910")
    dandc("run", "empty.dnd").failed("U0903")


def test_an_empty_module_may_be_imported(dandc: Any) -> None:
    dandc.write("empty.dnd", "")
    dandc.write("good.dnd", 'import "empty.dnd";\n' + GOOD)
    dandc("check", "good.dnd").worked()


def test_an_import_that_is_not_there_or_not_text(dandc: Any) -> None:
    dandc.write("binary.dnd", b"\0\1\2\xff")
    dandc.write("main.dnd", 'import "nothing.dnd";\nimport "binary.dnd";\nimport nowhere;\n' + GOOD)
    finished = dandc("check", "main.dnd").failed("M0501", "M0501", "M0501")
    assert "main.dnd:1:" in finished.err


def test_every_file_is_checked_and_every_mistake_shown(dandc: Any) -> None:
    dandc.write("one.dnd", "fn f() -> i64 { return x; }\nfn g() -> i64 { return y; }\n")
    dandc.write("good.dnd", GOOD)
    dandc.write("two.dnd", "fn h() -> i64 { return z; }\n")
    finished = dandc("check", "one.dnd", "nothing.dnd", "good.dnd", "two.dnd")
    finished.failed("N0201", "N0201", "U0901", "N0201")


def test_diagnostics_for_machines(dandc: Any) -> None:
    dandc.write("one.dnd", "fn f() -> i64 {\n    return missing_name;\n}\n")
    finished = dandc("check", "one.dnd", "--diagnostics", "json")
    (line,) = finished.err.splitlines()
    shown = json.loads(line)
    assert (finished.status, shown["code"], shown["severity"]) == (1, "N0201", "error")
    assert "missing_name" in json.dumps(shown)


def test_diagnostics_for_machines_when_there_is_no_source(dandc: Any) -> None:
    finished = dandc("run", "nothing.dnd", "--diagnostics", "json")
    shown = json.loads(finished.err)
    assert (finished.status, shown["code"]) == (1, "U0901")


def test_a_good_file_says_nothing(dandc: Any) -> None:
    dandc.write("good.dnd", GOOD)
    finished = dandc("check", "good.dnd").worked()
    assert (finished.out, finished.err) == (b"", "")


def test_a_name_that_is_not_text_works(dandc: Any) -> None:
    name = os.fsdecode(b"gr\xfc\xdfe.dnd")
    dandc.write(name, GOOD)
    assert dandc("run", name, "-i", "text=hi").worked().out == b"hi!"
    dandc("run", Path(name).with_suffix(".nothing")).failed("U0901")


def test_a_folder_is_checked_whole(dandc: Any) -> None:
    for name in ("programs/a.dnd", "programs/deep/b.dnd", "programs/.hidden/c.dnd", "programs/notes.txt"):
        (dandc.folder / name).parent.mkdir(parents=True, exist_ok=True)
        dandc.write(name, "fn f() -> i64 = x;\n" if name[-3:] == "dnd" else "no program")
    told = dandc("check", "programs").failed("N0201", "N0201")
    assert "programs/a.dnd:1:17" in told.err
    assert "programs/deep/b.dnd:1:17" in told.err
    (dandc.folder / "empty").mkdir()
    dandc("check", "empty").failed("U0901")


@pytest.mark.parametrize("command", ["check", "graph"])
def test_a_bundle_is_named_as_one(dandc: Any, command: str) -> None:
    dandc.write("good.dnd", GOOD)
    dandc("build", "good.dnd", "--cpu", "x86-64-v2").worked()
    assert "a bundle" in dandc(command, "good.dndb").failed("U0902").err


def test_nothing_is_no_bundle(dandc: Any) -> None:
    dandc.write("nothing.dnd", "// nothing\n")
    dandc("build", "nothing.dnd").failed("U0910")
    assert not (dandc.folder / "nothing.dndb").exists()
