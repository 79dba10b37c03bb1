"""The pages of `dandc explain`: the program that is called wrong gives exactly that code, the right one gives nothing."""

import re
from pathlib import Path

import pytest
from programs import FILE

from dandc.cache import Cache
from dandc.checking import check_file
from dandc.lang.codes import CODES
from dandc.lang.lessons import lessons, page

LESSONS = lessons()
CHECKED = sorted(code for code in LESSONS if code[0] in "NTCM")
RUN = sorted(code for code, lesson in LESSONS.items() if code[0] in "RSU" and not lesson.wrong.startswith("$ "))
FILE_LINE = re.compile(r"^// ([\w-]+\.dnd)\n", re.MULTILINE)


def codes(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a check of the program finds; lines `// name.dnd` begin its further files."""
    monkeypatch.chdir(folder)
    first, *rest = FILE_LINE.split(f"{text}\n")
    for name, content in [(FILE, first), *zip(rest[::2], rest[1::2], strict=True)]:
        Path(name).write_text(content, encoding="utf-8")
    loaded, checked = check_file(Path(FILE), Cache(None))
    return [d.code for d in loaded.diagnostics + checked.diagnostics]


@pytest.mark.parametrize("code", CHECKED)
def test_the_wrong_program_has_the_mistake(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {code} == set(codes(LESSONS[code].wrong, tmp_path, monkeypatch))


@pytest.mark.parametrize("code", CHECKED)
def test_the_right_program_has_none(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [] == codes(LESSONS[code].right, tmp_path, monkeypatch)


@pytest.mark.parametrize("code", RUN)
def test_what_ends_a_run_passes_the_check(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both programs are free of mistakes that could have been found before the run."""
    assert [] == codes(LESSONS[code].wrong, tmp_path, monkeypatch)
    assert [] == codes(LESSONS[code].right, tmp_path, monkeypatch)


# What no program of a user shows by itself, or what has one only because of the machine or of a fault of dandc itself.
WITHOUT = {
    "R0709", "R0711", "R0712", "R0724", "R0738", "R0740", "R0741", "R0754", "R0755", "R0781", "R0786", "R0787", "R0789", "R0790", "S0801", "S0805", "S0806",
    "S0807", "S0808", "S0809", "S0810", "S0811", "S0812", "S0813", "T0339", "U0907", "U0909", "U0922",
}  # fmt: skip


def test_every_code_has_a_lesson_or_a_reason() -> None:
    """Lexical and syntactic codes have theirs in the prose, and so have those of sources in another language."""
    assert {code for code in CODES if code[0] not in "LPI"} - WITHOUT <= set(LESSONS)
    assert set(LESSONS) <= set(CODES)


def test_a_page_keeps_the_lines_of_its_code() -> None:
    """Prose is filled to the width, and code stands as it was written."""
    shown = page("L0002", 60)

    assert '\n\n    let a = "one line";\n    let b = """\n        several\n' in shown
    assert max(len(line) for line in shown.splitlines() if not line.startswith("    ")) <= 60


def test_a_page_shows_wrong_and_right() -> None:
    shown = page("T0309", 88)

    assert "\n\nWrong:\n\n    fn f(xs: array[i64]) -> i64 = xs.len;\n\nRight:\n\n" in shown
    assert shown.endswith("xs.len();")
