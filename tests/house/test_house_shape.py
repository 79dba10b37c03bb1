"""The house rules that a machine can hold: sizes, docstrings, nothing half-done, documents that tell the truth."""

import ast
import re
from collections import Counter
from keyword import iskeyword
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("lang", "compiler", "vm", "isolation", "stdlib", "dandc", "examples", "benchmarks", "tools")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> list[tuple[str, int]]:
    """Names and lengths in lines of a file's functions, without their docstrings."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, FUNCTION):
            documented = ast.get_docstring(node) is not None
            start = (node.body[0].end_lineno or node.lineno) if documented else node.lineno - 1
            found.append((node.name, (node.end_lineno or node.lineno) - start))
    return found


def test_modules_are_short_enough_to_read() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines >= 800} == {}


def test_functions_are_short() -> None:
    all_functions = [(shown(path), name, lines) for path in SOURCES for name, lines in functions(path)]
    assert [entry for entry in all_functions if entry[2] > 80] == []
    assert median(lines for _, _, lines in all_functions) < 10


def test_modules_say_what_they_are() -> None:
    assert [shown(path) for path in SOURCES if not ast.get_docstring(tree(path))] == []


def test_nothing_is_swallowed_or_left_to_do() -> None:
    wrong = []
    for path in [*SOURCES, *TESTS]:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass) for s in node.body):
                wrong.append(f"{shown(path)}:{node.lineno} except: pass")
        marks = re.findall(r"#.*\b(?:TODO|FIXME|XXX|HACK)\b", path.read_text(encoding="utf-8"))
        wrong += [f"{shown(path)}: {mark}" for mark in marks if path != Path(__file__)]
    assert wrong == []


def test_tests_do_not_sleep_to_wait() -> None:
    sleeps = [
        f"{shown(path)}:{node.lineno}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "sleep"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "time"
    ]
    assert sleeps == []


def test_test_files_have_names_of_their_own() -> None:
    names = Counter(path.name for path in TESTS if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [target for target in local if not (path.parent / target).exists()] == []


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_the_readme_begins_with_two_commands_of_one_line() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = blocks(text, "sh")
    assert len(commands) == 2
    assert all(command.count("\n") == 1 and command.startswith("python3 -m venv ") for command in commands)
    assert "examples/render_logs/run.py" in commands[0]
    assert "pytest" in commands[1]
    assert text.index(commands[1]) < text.index("\n## ")


def test_the_readme_shows_the_program_that_runs() -> None:
    program = (ROOT / "examples/render_logs/render_logs.dnd").read_text(encoding="utf-8")
    assert blocks((ROOT / "README.md").read_text(encoding="utf-8"), "dnd") == [program]


def test_the_readme_and_the_command_line_agree_on_the_commands() -> None:
    from dandc.__main__ import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`dandc {name} " not in text and f"`dandc {name}`" not in text] == []
    assert [
        name for name in COMMANDS if not (ROOT / "dandc" / "commands" / f"{name}{'_' * iskeyword(name)}.py").exists()
    ] == []


def test_every_code_has_a_page_and_a_use() -> None:
    """`dandc explain` knows each code, and no row of the table is dead."""
    from dandc.lang.codes import CODES

    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES if not path.name.startswith("codes"))
    used = set(re.findall(r"\b(?:[LPNTCMWRSU]0|I1)\d{3}\b", text))
    assert used - set(CODES) == set()
    assert [code for code in CODES if code not in used] == []
    assert [code for code, row in CODES.items() if len(row.explanation) < 20 or row.title.endswith(".")] == []
