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
    by_item = [sorted(run.json["notes"], key=lambda note: note["item"]) for run in (first, second)]
    assert by_item[0] == by_item[1] != []


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
    dandc("run", program, *XS, "--record", "").failed("U0911", status=2)
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
    assert "it has `f`, `g`" in dandc("replay", "run.journal", "--node", "h").failed("R0791").err


def test_an_item_with_a_key_is_found_by_its_number_too(dandc: Any) -> None:
    """Its types stand there once."""
    program = dandc.write(
        "p.dnd",
        "record Order { id: i64 }\n"
        "function f(x: i64) => (y: i64) { let order = Order(id: x); emit y <- order.id; }\n"
        "composition main(xs: set[str => i64]) => (ys: set[str => i64]) { ys = f(each xs); }\n",
    )
    dandc("run", program, "-i", 'xs={"a": 1, "b": 2}', "--record", "run.journal").worked()
    by_key = dandc("replay", "run.journal", "--node", "f", "--item", "b").worked().out.decode()
    assert by_key == dandc("replay", "run.journal", "--node", "f", "--item", "#1").worked().out.decode()
    assert "order: Order = Order(id: 2)\n" in by_key
    assert "its key" in dandc("replay", "run.journal", "--node", "f", "--item", "c").failed("R0791").err


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


def test_keys_without_a_partner_are_named(dandc: Any) -> None:
    """The first three of them, in words and in the same words everywhere; nothing in them steers the terminal."""
    program = dandc.write(
        "p.dnd",
        "function f(a: set[i64], b: set[i64]) => (n: i64) = a.len() + b.len();\n"
        "composition main(xs: set[str => i64], ys: set[str => i64]) => (n: set[str => i64]) { n = f(keyed xs, keyed ys) by a left b; }\n"
        'test "t" { let r = run main(xs: [("p", 1), ("q", 2)], ys: [("p", 1)]); expect r.n == []; }\n',
    )
    inputs = {
        name: [{"key": key, "value": 1} for key in keys]
        for name, keys in (("xs", ["p", "b\x1b[2J", "x" * 99, "d", "e"]), ("ys", ["p", "z"]))
    }
    dandc.write("in.json", json.dumps(inputs))
    told = dandc("run", program, "--inputs", "in.json", "--record", "run.journal").worked()
    lonely = '4 keys of `a` have no partner in `b`: "b\\u001b[2J", "d", "e" and 1 more; 1 key of `b` has no partner in `a`: "z"'

    assert [f"f  5 ran; {lonely}"] == told.err.splitlines()
    assert f"f  ran 5 times; {lonely}" in dandc("why", "run.journal").worked().out.decode()
    failed = dandc("test", program)
    assert '= note: in `f`, 1 key of `a` has no partner in `b`: "q"' in failed.err


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


def test_a_recorded_call_is_shown_without_being_made(dandc: Any, serve: Any, example: Path) -> None:
    """What was asked, with secrets by name, and what came; of nodes without instances, what they are."""
    service = serve("--token", "t0p-s3cret-token")
    options = ("--config", f"service_url={service.url}", "-i", "token=t0p-s3cret-token")
    dandc("run", example, *options, "--record", "run.journal").worked()
    service.process.kill()
    service.process.wait()

    shown = dandc("replay", "run.journal", "--node", "http.fetch").worked().out.decode()
    assert shown.startswith(
        'http.fetch\n\nrequest\n  request = http.Request(endpoint: "service", method: "POST", url: "/authorize"'
    )
    assert 'bearer: some("(secret)")' in shown
    assert "\nanswer\n  response = http.Response(status: 200, " in shown
    assert shown.endswith("\nout of the journal: nothing was sent\n")
    assert "t0p-s3cret-token" not in shown
    dandc("replay", "run.journal", "--node", "http.fetch", "--item", "x").failed("R0791")
    dandc("replay", "run.journal", "--node", "http.fetch/x").failed("R0791")


CALLS = """
import http;
endpoint service = http("http://127.0.0.1:1");
function ask(x: i64) => (request: http.Request) = service.get(f"/{x}");
composition inner(x: i64) => (failed: set[Failure]) {
    page = http.exchange(ask(x)) once "pay" on failure collect into failed;
}
composition main(xs: set[str => i64], ys: set[i64]) => (zs: set[i64], failed: set[str => Failure], turns: set[i64]) {
    failed = inner(each xs);
    zs = ys ++ ys;
    loop (n: i64 = 2) up to 5 {
        page = http.exchange(ask(n)) retry 1 on failure skip;
        m = down(n);
        yield turns <- n;
        next n = m;
    }
}
function down(n: i64) => (m: optional i64) { if n > 0 { emit m <- n - 1; } }
"""


def test_recorded_calls_inside_of_compositions_and_loops(dandc: Any) -> None:
    """A failure is shown as it was recorded, an effect with its name; a composition says what is in it."""
    program = dandc.write("p.dnd", CALLS)
    inputs = ("main", "-i", 'xs=[{"key": "a", "value": 7}]', "-i", "ys=[1]")
    dandc("run", program, *inputs, "--record", "run.journal").worked()

    def look(node: str) -> Any:
        return dandc("replay", "run.journal", "--node", node)

    shown = look("inner/http.exchange").worked().out.decode()
    assert '\n\nonce "pay"\nrequest\n  request = http.Request(endpoint: "service", method: "GET", url: "/7"' in shown
    assert "\nended with http.network" in shown
    turn = look("loop/3/http.exchange").worked().out.decode()
    assert 'url: "/0"' in turn
    assert "after 2 attempts" in turn
    assert "`inner/http.exchange`" in look("inner").failed("R0791").err
    assert "`loop/1/http.exchange`" in look("loop").failed("R0791").err
    assert "no instances" in look("++").failed("R0791").err
    assert "no node" in look("loop/1/none").failed("R0791").err
    assert "no instance" in look("loop/9/http.exchange").failed("R0791").err


def test_outputs_without_keys_are_repeated_whatever_keys_their_items_had(dandc: Any) -> None:
    """Keys end at the border of the composition, so that the record has none where the result has none."""
    program = dandc.write(
        "p.dnd",
        """
        function inc(x: i64) => (y: i64) = x + 1;
        composition main(v: set[str => i64]) => (v: set[i64], ys: set[i64]) { ys = inc(each v); }
        """,
    )
    given = ("-i", 'v=[{"key": "b", "value": 1}, {"key": "a", "value": 2}]')
    run = dandc("run", program, *given, "--record", "j", "--json").worked()
    replayed = dandc("replay", "j", "--json").worked()

    rows = {name: [(i["key"], i["value"]) for i in items] for name, items in run.json["outputs"].items()}
    assert {"v": [(None, 2), (None, 1)], "ys": [(None, 3), (None, 2)]} == rows
    assert run.json["outputs"] == replayed.json["outputs"]
    assert "as recorded: all outputs, and 2 instances" in replayed.err
