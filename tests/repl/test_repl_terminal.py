"""A person at a terminal: typing, mistakes, stopping, completion, history. Every test is a whole session in a pseudo-terminal."""

import os
import select
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


def test_an_entry_is_answered_with_value_and_type(terminal: Start) -> None:
    session = terminal()
    assert "42: i64" in session.ask("6 * 7", "42: i64")
    session.ask('let name = "d" + "nd"', 'name = "dnd": str')
    session.ask('let word = f"{1 + 1}!"', 'word = "2!": str')
    session.ask("word.len()", "2: i64")


def test_a_function_is_typed_over_several_lines_and_redefined(terminal: Start) -> None:
    session = terminal()
    session.line("fn grow(n: i64) -> i64 {")
    session.expect(r"\.\.\.")
    session.line("return n + 1;")
    session.expect(r"\.\.\.")
    session.line("}")
    session.expect("declared `grow`")
    session.expect("dnd>")
    session.ask("grow(41)", "42: i64")
    session.ask("fn grow(n: i64) -> i64 { return n * 1_000; }", "replaced `grow`")
    session.ask("grow(5)", "5000: i64")


def test_a_mistake_does_not_end_the_session(terminal: Start) -> None:
    session = terminal()
    shown = session.ask("nobody + 1", "N0201")
    assert "entry 1:1:1" in session.seen + shown
    session.ask("[1, 2][7]", "R0703")
    session.ask("fn broken(x: i64) -> str { return x; }", "T0301")
    session.ask(":nonsense", "U0921")
    session.ask("20 + 22", "42: i64")


def descendants(pid: int) -> dict[int, tuple[str, int]]:
    """The processes below `pid`: state, and CPU time in ticks."""
    parents: dict[int, tuple[int, str, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended while we looked
            parents[int(entry.name)] = (int(fields[1]), fields[0], int(fields[11]) + int(fields[12]))
    found: dict[int, tuple[str, int]] = {}
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        for child, (parent, state, ticks) in parents.items():
            if parent == current:
                found[child] = (state, ticks)
                waiting.append(child)
    return found


def wait_until(session: Any, holds: Callable[[], Any]) -> None:
    """Look again and again, resting on the terminal in between."""
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until, "it did not come to pass"
        session.rest()


def busy(session: Any) -> int:
    """A sandbox that has used CPU time and goes on."""

    def computing() -> list[int]:
        below = descendants(session.process.pid)
        return [pid for pid, (state, ticks) in below.items() if state == "R" and ticks >= 5]

    wait_until(session, computing)
    return computing()[0]


@pytest.mark.timeout(120)
def test_ctrl_c_kills_the_sandbox_of_an_endless_loop(terminal: Start) -> None:
    session = terminal()
    session.ask("var kept = 7", "kept = 7: i64")
    session.line("while true { kept = kept +% 1; }")
    sandbox = busy(session)
    session.send("\x03")
    session.expect("stopped")
    assert sandbox not in descendants(session.process.pid)
    session.expect("dnd>")
    session.ask("kept + 35", "42: i64")


@pytest.mark.timeout(120)
def test_ctrl_c_stops_a_composition(terminal: Start) -> None:
    session = terminal()
    session.ask(
        "function spin(n: i64) => (m: i64) { var x = n; while true { x = x +% 1; } emit m <- x; }", "declared `spin`"
    )
    session.ask("composition all_spin(ns: set[i64]) => (ms: set[i64]) { ms = spin(each ns); }", "declared `all_spin`")
    session.line("all_spin([1, 2, 3])")
    busy(session)
    session.send("\x03")
    session.expect("stopped")
    assert all(ticks < 5 for _, ticks in descendants(session.process.pid).values())
    session.expect("dnd>")
    session.ask("1 + 1", "2: i64")


@pytest.mark.timeout(120)
def test_ctrl_c_stops_the_interpreter(terminal: Start) -> None:
    session = terminal("--interp")
    session.line('while true { note "x"; }')
    session.expect("\r\n")
    before = own_ticks(session)
    wait_until(session, lambda: own_ticks(session) > before + 20)
    session.send("\x03")
    session.expect("stopped")
    session.expect("dnd>")
    session.ask("40 + 2", "42: i64")


def own_ticks(session: Any) -> int:
    fields = Path(f"/proc/{session.process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_ctrl_c_at_the_prompt_gives_up_the_line(terminal: Start) -> None:
    session = terminal()
    session.send("fn never(")
    session.expect(r"never\(")
    session.send("\x03")
    session.expect("dnd>")
    session.ask("41 + 1", "42: i64")


def test_ctrl_d_ends_the_session(terminal: Start) -> None:
    session = terminal()
    session.send("\x04")
    assert session.end() == 0


def test_quit_ends_the_session(terminal: Start) -> None:
    session = terminal()
    session.line(":quit")
    assert session.end() == 0


def test_tab_completes_names_fields_and_commands(terminal: Start) -> None:
    session = terminal()
    session.ask("record Point { horizontal: i64, vertical: i64 }", "declared `Point`")
    session.ask("let corner = Point(horizontal: 3, vertical: 39)", "corner = ")
    session.send("cor\t")
    session.expect("corner")
    session.send(".ver\t")
    session.expect("vertical")
    session.send(" + corner.hor\t")
    session.expect("horizontal")
    session.line("")
    session.expect("42: i64")
    session.expect("dnd>")
    session.send(":expl\t")
    session.expect("explain")
    session.line(" N0201")
    session.expect("unknown name|N0201: ")
    session.expect("dnd>")


def test_tab_shows_what_there_is_to_choose_from(terminal: Start) -> None:
    session = terminal()
    session.ask("import json", "declared `json`")
    session.send("json.\t")
    shown = session.expect("encode")
    assert "decode" in shown
    session.send("\x03")
    session.expect("dnd>")


def test_the_history_is_kept_for_its_owner_and_comes_back(terminal: Start, cache: Path) -> None:
    first = terminal()
    first.ask("let answer = 21 * 2", "answer = 42")
    first.ask('let key = secret("hush")', "T0318")
    first.ask("2 * 2", "4: i64")
    first.send("\x04")
    assert first.end() == 0
    file = cache / "repl-history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "let answer = 21 * 2" in file.read_text()
    assert "hush" not in file.read_text()
    second = terminal()
    second.send("\x1b[A")
    second.expect(r"2 \* 2")
    second.send("\x1b[A")
    second.expect(r"let answer = 21 \* 2")
    second.line("")
    second.expect("answer = 42: i64")


def test_a_history_that_cannot_be_kept_is_said_and_costs_nothing_else(
    terminal: Start, cache: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours", encoding="utf-8")
    (cache / "repl-history").symlink_to(elsewhere)
    session = terminal()
    session.ask("6 * 7", "42: i64")
    session.send("\x04")
    assert session.end() == 0
    assert elsewhere.read_text(encoding="utf-8") == "not ours"


def test_colours_come_with_a_terminal_and_go_with_no_color(terminal: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The raw bytes of a keyword: with a colour, and with `NO_COLOR` without."""
    raw: list[bytes] = []
    for wanted in (False, True):
        if wanted:
            monkeypatch.setenv("NO_COLOR", "1")
        session = terminal()
        session.send("let x")
        data = b""
        while b"x" not in data:
            assert select.select([session.screen], [], [], 20)[0]
            data += os.read(session.screen, 4096)
        raw.append(data)
        session.close()
    coloured, plain = raw
    assert b"95m" in coloured
    assert b"95m" not in plain
