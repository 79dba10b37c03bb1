"""`docs/python.md` says every public name, and its examples run; what goes wrong says where, and what to write instead."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

import dandc

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DANDC_CACHE", str(tmp_path / "cache"))
    (program,) = blocks("dnd")
    (tmp_path / "orders.dnd").write_text(program, encoding="utf-8")
    return tmp_path


def test_the_examples_run(folder: Path) -> None:
    names: dict[str, Any] = {}
    examples = blocks("python")
    assert len(examples) >= 6
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), names)


def test_the_page_names_everything_public() -> None:
    members = {name for name in vars(dandc.Program) if not name.startswith("_")} - {"run_async"}
    parts = [a.name for kind in (dandc.Item, dandc.Result, dandc.RunLimits) for a in fields(kind)]
    missing = [name for name in (*dandc.__all__, *members, *parts) if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == []


def test_the_text_of_a_mistake_says_where_and_why(folder: Path) -> None:
    Path("wrong.dnd").write_text(
        "fn f() -> str { return 1; }\nfn g(x: i32) -> i64 = x;\nfn h() -> i64 = minn(1, 2);\n", encoding="utf-8"
    )
    with pytest.raises(dandc.CompileError) as wrong:
        dandc.compile("wrong.dnd", cache=None)
    lines = str(wrong.value).split("\n")
    assert lines[0] == "wrong.dnd:1:24: T0301: expected `str`, found an integer"
    assert "wrong.dnd:2:23: T0301: expected `i64`, found `i32`" in lines
    assert any(line.startswith("  fix: ") for line in lines)
    program = dandc.compile("orders.dnd")
    with pytest.raises(dandc.RunError) as failed:
        program.run("standing", {"cents": "x"})
    assert "  note: the value: a number is expected, not a string" in str(failed.value).split("\n")


def test_inputs_without_a_composition_are_told_apart(folder: Path) -> None:
    program = dandc.compile("orders.dnd")
    with pytest.raises(TypeError, match=r"run\(inputs=\{...\}\)"):
        program.run({"orders": []})  # type: ignore[arg-type]


def test_waiting_inside_an_event_loop_says_what_to_await(folder: Path) -> None:
    program = dandc.compile("orders.dnd")

    async def inside(call: Any) -> None:
        call()

    for name, call in (
        ("run_async", lambda: program.run("main", {"orders": []})),
        ("replay_async", lambda: dandc.replay("run.journal")),
        ("resume_async", lambda: dandc.resume("run.journal")),
    ):
        with pytest.raises(RuntimeError, match=f"await {name}"):
            asyncio.run(inside(call))
