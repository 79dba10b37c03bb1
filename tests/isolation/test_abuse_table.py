"""The table of attacks in `docs/security.md` is what the tests say of themselves; the watching can fail."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from abuse import GROUPS, attack
from machine_code import FINISH, call, image

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- attacks: written by the tests -->\n", "<!-- end of attacks -->\n"


def marks(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Group, name and errors of every test in a file that is marked as an attack."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "attack":
                    group, *errors = [ast.literal_eval(argument) for argument in mark.args]
                    yield group, node.name, errors


def rows(group: str) -> list[str]:
    """Its rows, in the order of files and tests."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        if path == Path(__file__):
            continue
        for of, name, errors in marks(path):
            if of == group:
                said = name.removeprefix("test_").replace("_", " ")
                ends = ", ".join(f"`{error}`" for error in errors) or "-"
                found.append(f"| {said} | [{path.stem}](../tests/isolation/{path.name}) | {ends} |\n")
    return found


def table() -> str:
    """All groups, one table."""
    lines = ["| What is shown | Tests | Ends as |\n", "|---|---|---|\n"]
    for group, title in GROUPS.items():
        lines += [f"| **{title}** | | |\n", *rows(group)]
    return "".join(lines)


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_attacked(group: str) -> None:
    """None is only a name."""
    assert len(rows(group)) >= 1


def test_the_document_lists_the_attacks(request: pytest.FixtureRequest) -> None:
    """`--bless` writes the table anew."""
    before, found, rest = DOCUMENT.read_text().partition(BEGIN)
    assert found
    old, found, after = rest.partition(END)
    assert found
    if request.config.getoption("--bless"):
        DOCUMENT.write_text(before + BEGIN + table() + END + after)
        return
    assert old == table()


def test_an_unexpected_end_fails_an_attack() -> None:
    """Another error than the promised ones, or none where one is promised, is no success."""

    def crash() -> None:
        with image("ud2") as crasher:
            call(crasher)

    def well() -> None:
        with image(FINISH) as finish:
            call(finish)

    attack("memory", "sandbox.crash")(crash)()
    attack("memory")(well)()
    with pytest.raises(AssertionError, match="promises"):
        attack("memory", "limit.wall")(crash)()
    with pytest.raises(AssertionError):
        attack("memory", "sandbox.crash")(well)()
