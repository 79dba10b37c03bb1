"""Runs that are kept, from Python: the same caches, journals, replays and resumptions as on the command line."""

import asyncio
from pathlib import Path

import pytest
from attrs import evolve

import dandc
from dandc.keeping import Origin

PROGRAM = """
function f(x: i64) => (y: i64) { let d = 10 - x; emit y <- 100 / d; }
function g(ys: set[i64]) => (sum: i64) { var sum = 0; for y in ys { sum += y; } emit sum <- sum; }
composition main(xs: set[i64]) => (sum: i64, failed: set[Failure]) {
    ys = f(each xs) on failure collect into failed;
    sum = g(all ys);
}
composition strict(xs: set[i64]) => (sum: i64) { sum = g(all f(each xs)); }
function hush(token: secret, x: i64) => (y: i64) = 1 / x;
composition quiet(token: secret, x: i64) => (y: i64) { y = hush(token, x); }
"""
XS = {"xs": [1, 2, 10, 4]}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dandc.Program:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "p.dnd").write_text(PROGRAM)
    return dandc.compile(folder / "p.dnd", cache=folder / "cache")


def corrected(program: dandc.Program, tmp_path: Path) -> dandc.Program:
    (tmp_path / "q.dnd").write_text(PROGRAM.replace("100 / d", "if d == 0 { 0 } else { 100 / d }"))
    return dandc.compile(tmp_path / "q.dnd", cache=None)


def code_of(caught: pytest.ExceptionInfo[dandc.RunError]) -> str:
    return caught.value.diagnostics[0].code


def test_a_second_run_takes_everything_from_the_cache(program: dandc.Program, tmp_path: Path) -> None:
    """Results belong to an owner, and a cache changes no output."""
    first, second = (program.run("main", XS, cache=tmp_path / "results") for _ in range(2))
    other = program.run("main", XS, cache=str(tmp_path / "results"), owner="somebody else")

    assert first.outputs == second.outputs == other.outputs == program.run("main", XS).outputs
    assert {"ran": 0, "skipped": 0, "failed": 1, "cached": 3} == second.nodes["f"]
    assert {"ran": 3, "skipped": 0, "failed": 1} == first.nodes["f"] == other.nodes["f"]
    assert () == first.warnings == second.warnings


def test_a_damaged_cache_is_said_and_changes_nothing(program: dandc.Program, tmp_path: Path) -> None:
    first = program.run("main", XS, cache=tmp_path)
    for path in tmp_path.glob("*.sqlite"):
        path.write_bytes(path.read_bytes()[:3000])
    second = program.run("main", XS, cache=tmp_path)

    assert first.outputs == second.outputs
    assert ["U0930"] == [warning.code for warning in second.warnings]


def test_images_that_may_be_anybodys_are_not_cached(program: dandc.Program, tmp_path: Path) -> None:
    """A program that was not compiled here runs again, and that is said."""
    foreign = evolve(program, origin=Origin())
    for _ in range(2):
        result = foreign.run("main", XS, cache=tmp_path)
        assert {"ran": 3, "skipped": 0, "failed": 1} == result.nodes["f"]
        assert ["U0930"] == [warning.code for warning in result.warnings]


@pytest.mark.parametrize("given", [{"owner": "me"}, {"cache": ""}])
def test_wrong_use(program: dandc.Program, given: dict[str, str]) -> None:
    with pytest.raises(dandc.RunError) as caught:
        program.run("main", XS, **given)  # type: ignore[arg-type]
    assert "U0911" == code_of(caught)


def test_a_recorded_run_is_repeated(program: dandc.Program, tmp_path: Path) -> None:
    """Its outputs are those of the run, and a journal is never overwritten."""
    result = program.run("main", XS, record=tmp_path / "run.journal")

    assert result.outputs == dandc.replay(tmp_path / "run.journal").outputs
    assert result.outputs == dandc.resume(tmp_path / "run.journal").outputs
    with pytest.raises(dandc.RunError) as caught:
        program.run("main", XS, record=tmp_path / "run.journal")
    assert "R0784" == code_of(caught)
    with pytest.raises(dandc.RunError) as caught:
        dandc.replay(tmp_path / "none")
    assert "R0780" == code_of(caught)


def test_a_failed_run_is_repeated_and_finished(program: dandc.Program, tmp_path: Path) -> None:
    """A replay ends with the failure that was recorded; a corrected program goes on with what was done."""
    journal = tmp_path / "run.journal"
    with pytest.raises(dandc.RunError) as first:
        program.run("strict", XS, record=journal)
    with pytest.raises(dandc.RunError) as again:
        dandc.replay(journal)
    assert first.value.fault is not None
    assert first.value.fault == again.value.fault
    with pytest.raises(dandc.RunError):
        dandc.resume(journal)

    result = dandc.resume(journal, program=corrected(program, tmp_path), cache=tmp_path / "results")
    assert 39 == result["sum"]
    assert result.outputs == dandc.replay(journal).outputs


def test_secrets_must_be_given_again(program: dandc.Program, tmp_path: Path) -> None:
    """No journal holds them."""
    journal = tmp_path / "run.journal"
    with pytest.raises(dandc.RunError):
        program.run("quiet", {"token": dandc.Secret("hunter2"), "x": 0}, record=journal)
    with pytest.raises(dandc.RunError) as caught:
        dandc.resume(journal, {"x": 1})
    assert "R0730" == code_of(caught)
    assert 1 == dandc.resume(journal, {"token": dandc.Secret("hunter2"), "x": 1})["y"]
    assert b"hunter2" not in journal.read_bytes()


def test_one_run_a_journal_in_one_event_loop(program: dandc.Program, tmp_path: Path) -> None:
    """Of two runs that are to write one journal, one does; what stands in it is its run."""
    journal = tmp_path / "run.journal"

    async def attempt(n: int) -> object:
        try:
            return (await program.run_async("strict", {"xs": [n]}, record=journal))["sum"]
        except dandc.RunError as error:
            return error.diagnostics[0].code

    async def main() -> list[object]:
        ended = await asyncio.gather(attempt(5), attempt(8))
        return [*ended, (await dandc.replay_async(journal))["sum"], (await dandc.resume_async(journal))["sum"]]

    first, second, replayed, resumed = asyncio.run(main())
    assert "R0784" in (first, second)
    assert {first, second} - {"R0784"} == {replayed} == {resumed}
    assert replayed in (20, 50)
