"""Imports point one way: `dandc -> vm -> compiler -> lang` and `vm -> isolation`; running a compiled program loads little.

Lint (`ROOM/ruff.toml`) says so while one edits; this walks the whole import graph, lazy imports included.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("lang", "compiler", "vm", "isolation", "stdlib", "dandc")
# What each room may import of the others. Drivers are written against the machine's interface for them.
ALLOWED = {
    "lang": set(),
    "compiler": {"lang"},
    "isolation": set(),
    "vm": {"isolation", "compiler", "lang"},
    "stdlib": {"vm", "compiler", "lang"},
    "dandc": {"lang", "compiler", "vm", "isolation", "stdlib"},
}
# Third-party packages, and who may load them.
THIRD_PARTY = {
    "lark": {"lang"},
    "llvmlite": {"compiler/codegen", "isolation/build.py"},
    "httpx": {"stdlib/http.py"},
    "prompt_toolkit": {"dandc/repl/terminal.py"},
    "rich": {"dandc/commands/progress.py"},
    "anyio": {"vm", "isolation", "stdlib", "dandc"},
}
# What a program that was compiled needs of the compiler: its data types.
FOR_RUNNING = {"flow", "flow_walk", "types", "encoding", "keys", "limits", "kir", "type_text", "floats"}


def imports(path: Path) -> set[str]:
    """The absolute names of modules that a file imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def modules(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found, f"no modules in {room}"
    return found


def room_of(name: str) -> str | None:
    """The room that an imported name belongs to, None if it is not ours."""
    parts = name.split(".")
    if parts[0] != "dandc":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "dandc"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_downwards(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(room)
        for name in sorted(imports(path))
        if room_of(name) not in (None, room, *ALLOWED[room])
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_libraries_stay_in_their_rooms(room: str) -> None:
    wrong = []
    for path in modules(room):
        place = path.relative_to(ROOT).as_posix()
        for name in imports(path):
            homes = THIRD_PARTY.get(name.split(".")[0])
            if homes is not None and not any(place == home or place.startswith(f"{home}/") for home in homes):
                wrong.append(f"{place} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("room", ["vm", "stdlib"])
def test_running_needs_only_the_data_types_of_the_compiler(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(room)
        for name in sorted(imports(path))
        if name.startswith("dandc.compiler.") and name.split(".")[2] not in FOR_RUNNING
    ]
    assert wrong == []


def test_the_walk_sees_lazy_imports(tmp_path: Path) -> None:
    file = tmp_path / "lazy.py"
    file.write_text("def f():\n    from dandc.vm import run\n    import httpx.auth\n", encoding="utf-8")
    assert imports(file) == {"dandc.vm.run", "httpx.auth"}
    assert room_of("dandc.vm.run") == "vm"
    assert room_of("dandc.api") == "dandc"
    assert room_of("httpx.auth") is None


PROGRAM = """
function shout(text: str) => (loud: str) { emit loud <- f"{text}!"; }
composition main(text: str) => (loud: str) { loud = shout(text); }
"""
RUN = """
import json, sys
from dandc.__main__ import main
status = main(sys.argv[1:])
sys.stdout.flush()
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded_by_run(program: Path, cache: Path) -> tuple[str, set[str]]:
    command = [sys.executable, "-P", "-c", RUN, "run", str(program), "-i", "text=hello", "--json"]
    environment = {**os.environ, "DANDC_CACHE": str(cache)}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    status, names = json.loads(finished.stderr.splitlines()[-1])
    assert status == 0, finished.stderr
    return finished.stdout, set(names)


def test_a_cached_program_runs_without_parser_and_code_generator(tmp_path: Path) -> None:
    program = tmp_path / "shout.dnd"
    program.write_text(PROGRAM, encoding="utf-8")
    first, cold = loaded_by_run(program, tmp_path / "cache")
    second, warm = loaded_by_run(program, tmp_path / "cache")
    assert {"lark", "llvmlite"} <= cold
    assert first == second
    assert "hello!" in second
    heavy = {"lark", "llvmlite", "httpx", "dandc.lang.parser", "dandc.lang.tree", "dandc.compiler.codegen"}
    assert heavy & warm == set()


def test_check_needs_no_code_generator(tmp_path: Path) -> None:
    program = tmp_path / "shout.dnd"
    program.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-P", "-c", RUN, "check", str(program), "--no-cache"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    status, names = json.loads(finished.stderr.splitlines()[-1])
    assert status == 0
    assert "lark" in names
    assert "llvmlite" not in names


def test_the_public_interface_is_what_it_says() -> None:
    code = "import dandc, sys; print(sorted(m for m in sys.modules if m.startswith('dandc')))"
    finished = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert "['dandc']" in finished.stdout  # names are loaded when they are used

    import dandc

    assert [getattr(dandc, name) for name in dandc.__all__]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dandc.nothing
