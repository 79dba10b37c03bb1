"""Outputs as files, on standard output and as JSON: complete, or an error and nothing."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

MAKE = """
record Point { x: i64 }

function make(n: i64, size: i64) => (text: str, data: bytes, point: Point, none_such: optional str, parts: set[str => str], points: set[Point]) {
    emit text <- "abcdefgh".repeat(size);
    emit data <- b"\\x00\\xff";
    emit point <- Point(x: 100 / n);
    emit parts["a/b"] <- "one";
    emit parts["../../up"] <- "two";
    emit parts["a:b"] <- "three";
    emit points <- Point(x: 1);
    emit points <- Point(x: 2);
}

composition main(n: i64, size: i64) => (text: str, data: bytes, point: Point, none_such: optional str, parts: set[str => str], points: set[Point]) {
    text, data, point, none_such, parts, points = make(n, size);
}
"""
GIVEN = ("-i", "n=1", "-i", "size=2")


@pytest.fixture
def make(dandc: Any) -> Any:
    dandc.write("make.dnd", MAKE)
    return dandc


def content(folder: Path) -> dict[str, bytes]:
    """Every file, less the list of those that dandc has written."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".dandc-outputs")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_folder_of_outputs(make: Any) -> None:
    finished = make("run", "make.dnd", *GIVEN, "--out", "deep/er").worked()
    assert finished.out == b""
    assert content(make.folder / "deep" / "er") == {
        "text": b"abcdefgh" * 2,
        "data": b"\0\xff",
        "point.json": b'{\n  "x": 100\n}\n',
        "parts/_.._up": b"two",
        "parts/a_b": b"one",
        "parts/a_b.2": b"three",
        "points/0.json": b'{\n  "x": 1\n}\n',
        "points/1.json": b'{\n  "x": 2\n}\n',
    }
    there = sorted(os.listdir(make.folder / "deep" / "er"))
    assert there == [".dandc-outputs", "data", "parts", "point.json", "points", "text"]
    assert len(os.listdir(make.folder / "deep" / "er" / "parts")) == 3
    assert not (make.folder / "up").exists()


def test_json_and_a_folder_together(make: Any) -> None:
    finished = make("run", "make.dnd", *GIVEN, "--out", "made", "--json").worked()
    assert finished.value("point") == {"x": 100}
    assert (make.folder / "made" / "text").read_text() == "abcdefgh" * 2


def test_a_second_run_replaces_the_first(make: Any) -> None:
    make("run", "make.dnd", *GIVEN, "--out", "made").worked()
    (make.folder / "made" / "mine").write_text("not dandc's")
    (make.folder / "made" / "own").mkdir()
    (make.folder / "made" / "own" / "too").write_text("nor this")
    make("run", "make.dnd", "-i", "n=2", "-i", "size=1", "--out", "made").worked()
    found = content(make.folder / "made")
    assert found["text"] == b"abcdefgh"
    assert found["point.json"] == b'{\n  "x": 50\n}\n'
    assert found["mine"] == b"not dandc's"
    assert found["own/too"] == b"nor this"


COUNTS = """
function count(n: i64) => (counts: set[str => i64], most: optional i64) {
    for i in 0..n { emit counts[f"k{i}"] <- i; }
    if n > 0 { emit most <- n; }
}
composition main(n: i64) => (counts: set[str => i64], most: optional i64) { counts, most = count(n); }
"""


def test_a_run_leaves_nothing_of_the_outputs_before(dandc: Any) -> None:
    dandc.write("count.dnd", COUNTS)
    for n, left in (
        (2, ["counts/k0.json", "counts/k1.json", "most.json"]),
        (1, ["counts/k0.json", "most.json"]),
        (0, []),
    ):
        dandc("run", "count.dnd", "-i", f"n={n}", "--out", "made").worked()
        assert list(content(dandc.folder / "made")) == left
    # What was a folder of outputs may become a file of one, and the other way round.
    dandc.write(
        "text.dnd",
        COUNTS.replace("counts: set[str => i64]", "counts: str")
        .replace('counts[f"k{i}"] <- i', "")
        .replace("for i in 0..n { emit ; }", 'emit counts <- "none";'),
    )
    dandc("run", "count.dnd", "-i", "n=1", "--out", "made").worked()
    dandc("run", "text.dnd", "-i", "n=0", "--out", "made").worked()
    assert content(dandc.folder / "made") == {"counts": b"none"}
    dandc("run", "count.dnd", "-i", "n=1", "--out", "made").worked()
    assert list(content(dandc.folder / "made")) == ["counts/k0.json", "most.json"]


@pytest.mark.parametrize(
    ("mine", "earlier"),
    [
        ("parts/thesis.txt", False),
        ("parts/thesis.txt", True),
        ("parts/deep/er", True),
        ("text", False),
        ("point.json/x", False),
        ("none_such", True),
    ],
)
def test_what_no_run_has_written_is_never_deleted(make: Any, mine: str, *, earlier: bool) -> None:
    """The run does not even begin (n is 0, which fails), whether the folder is new to dandc or holds outputs already."""
    folder = make.folder / "made"
    if earlier and mine in ("parts/thesis.txt", "parts/deep/er", "none_such"):
        make("run", "make.dnd", *GIVEN, "--out", "made").worked()
    (folder / mine).parent.mkdir(parents=True, exist_ok=True)
    (folder / mine).write_text("mine")
    before = content(folder)
    finished = make("run", "make.dnd", "-i", "n=0", "-i", "size=1", "--out", "made").failed("U0912")
    assert content(folder) == before
    assert before[mine] == b"mine"
    assert mine.partition("/")[0] in finished.err


def test_a_damaged_list_of_what_dandc_wrote_protects_everything(make: Any) -> None:
    make("run", "make.dnd", *GIVEN, "--out", "made").worked()
    for damage in (b"[]", b'{"files": "text"}', b"[" * 100_000):
        (make.folder / "made" / ".dandc-outputs").write_bytes(damage)
        before = content(make.folder / "made")
        make("run", "make.dnd", *GIVEN, "--out", "made").failed("U0912")
        assert content(make.folder / "made") == before


def test_a_link_in_the_place_of_an_output_is_not_followed(make: Any) -> None:
    (make.folder / "elsewhere").mkdir()
    (make.folder / "elsewhere" / "mine").write_text("mine")
    (make.folder / "made").mkdir()
    (make.folder / "made" / "parts").symlink_to("../elsewhere")
    make("run", "make.dnd", *GIVEN, "--out", "made").failed("U0912")
    assert content(make.folder / "elsewhere") == {"mine": b"mine"}


def test_a_run_that_fails_leaves_the_folder_as_it_was(make: Any) -> None:
    make("run", "make.dnd", *GIVEN, "--out", "made").worked()
    before = content(make.folder / "made")
    make("run", "make.dnd", "-i", "n=0", "-i", "size=1", "--out", "made").failed("R0702")
    assert content(make.folder / "made") == before
    make("run", "make.dnd", "-i", "n=0", "-i", "size=1", "--out", "new/er").failed("R0702")
    assert not (make.folder / "new").exists()


def test_repeating_and_finishing_a_run_delete_nothing_either(make: Any) -> None:
    make("run", "make.dnd", *GIVEN, "--record", "run.journal").worked()
    (make.folder / "made" / "parts").mkdir(parents=True)
    (make.folder / "made" / "parts" / "mine").write_text("mine")
    for command in ("resume", "replay"):
        make(command, "run.journal", "--out", "made").failed("U0912")
    assert content(make.folder / "made") == {"parts/mine": b"mine"}


def test_an_empty_folder_may_become_that_of_a_set_but_not_a_file(make: Any) -> None:
    (make.folder / "made" / "parts").mkdir(parents=True)
    make("run", "make.dnd", *GIVEN, "--out", "made").worked()
    (make.folder / "other" / "text").mkdir(parents=True)
    make("run", "make.dnd", *GIVEN, "--out", "other").failed("U0912")
    assert os.listdir(make.folder / "other") == ["text"]


@pytest.mark.parametrize("place", ["file", "make.dnd/below", "/proc/nothing", "/dev/null", "a\0b", "x" * 300])
def test_a_folder_that_cannot_be_written(make: Any, place: str) -> None:
    (make.folder / "file").touch()
    if "\0" in place:  # no process can be given such an argument
        with pytest.raises(ValueError, match="null byte"):
            make("run", "make.dnd", *GIVEN, "--out", place)
        return
    make("run", "make.dnd", *GIVEN, "--out", place).failed("U0906")


def test_an_empty_name_of_a_folder_is_wrong_use(make: Any) -> None:
    make("run", "make.dnd", *GIVEN, "--out", "").failed("U0906", status=2)
    assert os.listdir(make.folder) == ["make.dnd"]


def mounting() -> list[str]:
    """A prefix under which mounts can be made that nobody else sees."""
    prefix = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    try:
        tried = subprocess.run([*prefix, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `unshare` here")
    if tried.returncode:
        pytest.skip("this user may not mount anything here")
    return prefix


def test_a_folder_that_is_read_only(make: Any) -> None:
    (make.folder / "made").mkdir()
    command = 'mount -t tmpfs -o ro none made && exec "$@"'
    finished = make("run", "make.dnd", *GIVEN, "--out", "made", wrapper=[*mounting(), "sh", "-c", command, "sh"])
    assert "read-only" in finished.failed("U0906").err


def test_a_full_disk_under_the_folder(make: Any) -> None:
    """The disk takes the small outputs and not the large one: none of them may stay."""
    (make.folder / "made").mkdir()
    command = 'mount -t tmpfs -o size=64k none made && { "$@"; s=$?; ls -A made >left; exit $s; }'
    finished = make(
        "run",
        "make.dnd",
        "-i",
        "n=1",
        "-i",
        "size=20000",
        "--out",
        "made",
        wrapper=[*mounting(), "sh", "-c", command, "sh"],
    )
    assert "no space" in finished.failed("U0906").err
    assert (make.folder / "left").read_text() == ""


def test_an_ordinary_user_without_the_right(make: Any) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; the tests with mounts stand for this one")
    (make.folder / "made").mkdir(mode=0o500)
    make("run", "make.dnd", *GIVEN, "--out", "made").failed("U0906")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "</dev/null >/dev/full", "<&- >&-"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_standard_output_that_cannot_be_written(make: Any, redirection: str, form: list[str]) -> None:
    finished = make.shell(f'exec "$@" {redirection}', "run", "make.dnd", *GIVEN, *form)
    finished.failed("U0906")


def test_closed_standard_input_and_error_do_no_harm(make: Any) -> None:
    finished = make.shell('exec "$@" <&- 2>&-', "run", "make.dnd", *GIVEN, "--json").worked()
    assert finished.value("point") == {"x": 100}
    assert make.shell('exec "$@" 2>&-', "run", "nothing.dnd").status == 1
    assert make.shell('exec "$@" 2>/dev/full', "run", "nothing.dnd").status == 1


def test_a_reader_that_goes_away(make: Any) -> None:
    finished = make.shell('"$@" | head -c 1 >/dev/null; exit "${PIPESTATUS:-0}"', "run", "make.dnd", *GIVEN, "--json")
    assert "Traceback" not in finished.err
    assert "error[" not in finished.err


def test_the_locale_does_not_matter(dandc: Any) -> None:
    dandc.write(
        "u.dnd",
        'function f() => (out: str) { emit out <- "grüße 小"; }\ncomposition main() => (out: str) { out = f(); }\n',
    )
    dandc.environment |= {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert dandc("run", "u.dnd").worked().out.decode() == "grüße 小"
    assert dandc("run", "u.dnd", "--json").worked().value("out") == "grüße 小"


def test_text_of_a_program_cannot_steer_the_terminal(dandc: Any) -> None:
    dandc.write(
        "evil.dnd",
        'function f(text: str) => (out: str) { note f"{text}"; fail f"no: {text}"; }\n'
        "composition main(text: str) => (out: str) { out = f(text); }\n",
    )
    finished = dandc("run", "evil.dnd", "-i", "text=\x1b]0;owned\x07\x1b[2J\r").failed("R0710")
    assert not {"\x1b", "\x07", "\r"} & set(finished.err)


@pytest.mark.parametrize(
    "arguments", [["explain", "R0701"], ["doctor"], ["fmt", "-"], ["test", "t.dnd"], ["test", "t.dnd", "--json"]]
)
def test_every_command_says_so_when_nobody_can_read_it(dandc: Any, arguments: list[str]) -> None:
    dandc.write("t.dnd", 'fn one() -> i64 = 1;\n\ntest "one" {\n    expect one() == 1;\n}\n')
    command = 'exec "$@" >/dev/full'
    finished = dandc.shell(f"printf 'fn  f() -> i64 = 1;' | {command[5:]}" if "-" in arguments else command, *arguments)
    finished.failed("U0906")
