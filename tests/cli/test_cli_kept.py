"""Caches, journals, replays and explanations as a stranger meets them on the command line."""

import json
from pathlib import Path
from typing import Any

PROGRAM = """
function f(x: i64) => (y: i64) {
    note f"x is {x}";
    let d = 10 - x;
    emit y <- 100 / d;
}
function g(ys: set[i64]) => (sum: i64) {
    var sum = 0;
    for y in ys { sum += y; }
    emit sum <- sum;
}
composition main(xs: set[i64]) => (sum: i64, failed: set[Failure]) {
    ys = f(each xs) on failure collect into failed;
    sum = g(all ys);
}
"""
XS = ("-i", "xs=[1, 2, 10, 4]")


def test_a_second_run_takes_everything_from_the_cache(dandc: Any) -> None:
    program = dandc.write("p.dnd", PROGRAM)
    first = dandc("run", program, *XS, "--cache", "results", "--json").worked()
    second = dandc("run", program, *XS, "--cache", "results", "--json").worked()
    other = dandc("run", program, *XS, "--cache", "results", "--owner", "somebody else", "--json").worked()

    assert first.json["outputs"] == second.json["outputs"] == other.json["outputs"]
    assert {"ran": 0, "skipped": 0, "failed": 1, "cached": 3} == second.json["nodes"]["f"]
    assert {"ran": 3, "skipped": 0, "failed": 1} == other.json["nodes"]["f"]
    assert first.json["notes"] == second.json["notes"]


def test_a_damaged_cache_is_said_and_changes_nothing(dandc: Any) -> None:
    program = dandc.write("p.dnd", PROGRAM)
    first = dandc("run", program, *XS, "--cache", "results", "--json").worked()
    for path in (dandc.folder / "results").glob("*.sqlite"):
        path.write_bytes(path.read_bytes()[:3000])
    second = dandc("run", program, *XS, "--cache", "results", "--json")

    assert 0 == second.status
    assert first.json["outputs"] == second.json["outputs"]
    assert 1 == second.err.count("warning[U0930]")


def test_wrong_use(dandc: Any) -> None:
    program = dandc.write("p.dnd", PROGRAM)

    dandc("run", program, *XS, "--owner", "me").failed("U0911", status=2)
    dandc("run", program, *XS, "--cache", "").failed("U0911", status=2)
    dandc("replay", "j", "--item", "x").failed("U0911", status=2)
    dandc("replay", "j").failed("R0780")
    dandc("why", program).failed("R0780")
    dandc("resume", program).failed("R0780")


def test_a_recorded_run_is_repeated_explained_and_finished(dandc: Any) -> None:
    """The program's file may be gone: the journal has everything."""
    program = dandc.write("p.dnd", PROGRAM)
    run = dandc("run", program, *XS, "--record", "run.journal", "--json").worked()
    dandc("run", program, *XS, "--record", "run.journal").failed("R0784")
    program.unlink()

    replayed = dandc("replay", "run.journal", "--json").worked()
    assert run.json["outputs"] == replayed.json["outputs"]
    assert "as recorded: all outputs, and 5 instances" in replayed.err
    resumed = dandc("resume", "run.journal", "--json").worked()
    assert run.json["outputs"] == resumed.json["outputs"]
    assert 3 == resumed.json["nodes"]["f"]["recorded"]
    story = dandc("why", "run.journal", "--json").worked().json
    assert ("finished", {"f": "3 from the journal, 1 failed", "g": "1 from the journal"}) == (
        story["status"],
        story["stories"],
    )
    assert [dandc.folder / "run.journal"] == list(dandc.folder.glob("*.journal*"))


def test_one_instance_is_shown_step_by_step(dandc: Any) -> None:
    program = dandc.write("p.dnd", PROGRAM)
    dandc("run", program, *XS, "--record", "run.journal").worked()

    well = dandc("replay", "run.journal", "--node", "f", "--item", "#1").worked().out.decode()
    badly = dandc("replay", "run.journal", "--node", "f", "--item", "#2").worked().out.decode()
    summed = dandc("replay", "run.journal", "--node", "g", "--steps", "4").worked().out.decode()

    assert well.splitlines() == [
        "f for the item `#1`", "", "inputs", "  x = 2: i64", "", "steps",
        '     p.dnd:3:5  note "x is 2"', "    p.dnd:4:13  d: i64 = 8", "     p.dnd:5:5  emit y <- 12", "",
        "outputs", "  y = 12: i64", "", "as recorded, to the bit",
    ]  # fmt: skip
    assert "ended with trap trap.division at p.dnd:5:15" in badly
    assert "as recorded, to the bit" in badly
    assert "  ... 4 steps more ..." in summed
    dandc("replay", "run.journal", "--node", "f", "--item", "#9").failed("R0791")
    dandc("replay", "run.journal", "--node", "h").failed("R0791")


def test_a_corrected_program_goes_on_where_the_wrong_one_stopped(dandc: Any) -> None:
    wrong = dandc.write(
        "p.dnd", PROGRAM.replace(" on failure collect into failed", "").replace(", failed: set[Failure]", "")
    )
    right = dandc.write("q.dnd", PROGRAM.replace("100 / d", "if d == 0 { 0 } else { 100 / d }").replace(
        " on failure collect into failed", "").replace(", failed: set[Failure]", ""))  # fmt: skip
    failed = dandc("run", wrong, *XS, "--record", "run.journal")
    assert ["R0702"] == failed.codes()
    told = dandc("why", "run.journal").worked().out.decode()
    assert "the run failed in `f` for the item `#2`: division by zero" in told

    result = dandc("resume", "run.journal", "--with", right, "--json").worked()

    assert 39 == result.value("sum")
    assert result.json["outputs"] == dandc("replay", "run.journal", "--json").worked().json["outputs"]


def test_a_skipped_node_is_explained(dandc: Any) -> None:
    program = dandc.write(
        "p.dnd",
        "function f(x: i64) => (y: optional i64) { if x > 0 { emit y <- x; } }\n"
        "function g(y: i64) => (z: i64) = 2 * y;\n"
        "composition main(x: i64) => (z: optional i64) { z = g(f(x)); }\n",
    )
    told = dandc("run", program, "-i", "x=0", "--why", "--record", "run.journal").worked()

    assert ["f  ran once", "g  skipped: `y` is absent: `f` gave no `y`"] == told.err.splitlines()
    assert told.err in dandc("why", "run.journal").worked().out.decode()


def test_no_secret_is_in_a_journal_or_a_cache(dandc: Any, serve: Any, example: Path) -> None:
    """The service answers with what it got: bytes of the token are on the wire and in no file; it must be given again."""
    service = serve("--token", "t0p-s3cret-token")
    options = ("--config", f"service_url={service.url}", "-i", "token=t0p-s3cret-token")
    first = dandc("run", example, *options, "--record", "run.journal", "--cache", "results").worked()
    files = [path for path in dandc.folder.rglob("*") if path.is_file()]
    assert files
    assert [] == [path for path in files if b"t0p-s3cret-token" in path.read_bytes()]

    asked = dandc("resume", "run.journal").failed("R0730")
    assert "secret" in asked.err
    again = dandc("resume", "run.journal", "-i", "token=t0p-s3cret-token").worked()
    assert first.out == again.out
    assert first.out == dandc("replay", "run.journal").worked().out
    assert b"" != first.out
    assert json.loads(dandc("why", "run.journal", "--json").worked().out)["status"] == "finished"
