"""The spec's examples are the tests of the language: every chapter runs, every rule and code has an example."""

from pathlib import Path

import pytest

from dandc.conform import bless, open_compilers, read_chapters, report, run_suite
from dandc.conform.chapters import check_suite

SPEC = Path(__file__).parents[2] / "spec"
LOCK = SPEC / "ids.lock"
CHAPTERS = read_chapters(SPEC)


def ids() -> list[str]:
    rules = [f"rule {rule.id}" for chapter in CHAPTERS for rule in chapter.rules]
    return rules + [f"example {example.id}" for chapter in CHAPTERS for example in chapter.examples]


@pytest.fixture(scope="module")
def compilers():
    with open_compilers() as pool:
        yield pool


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if c.examples], ids=lambda chapter: chapter.name)
def test_every_example_of_a_chapter_does_what_it_says(chapter, request, compilers):
    found = run_suite([chapter], compilers)
    if request.config.getoption("--bless"):
        bless(SPEC, found.failures)

    assert [] == [f"{f.chapter}:{f.line}: {f.example}: {f.message}" for f in found.failures]


def test_chapters_fit_together():
    problems = [problem for chapter in CHAPTERS for problem in chapter.problems] + check_suite(CHAPTERS)

    assert [] == problems


def test_every_rule_has_an_example():
    assert () == report(CHAPTERS, ()).rules_without_example


def test_every_code_that_a_program_can_show_has_an_example():
    assert () == report(CHAPTERS, ()).codes_without_example


def test_ids_are_never_used_again(request):
    """The lock is append-only: a rule or example that goes stays in it, marked `retired`."""
    if request.config.getoption("--bless"):
        known = LOCK.read_text("utf-8").splitlines() if LOCK.exists() else []
        LOCK.write_text("".join(f"{line}\n" for line in [*known, *(i for i in ids() if i not in known)]), "utf-8")
    locked = LOCK.read_text("utf-8").splitlines()
    retired = {line.removesuffix(" retired") for line in locked if line.endswith(" retired")}
    active = {line for line in locked if not line.endswith(" retired")}

    assert len(locked) == len(active | retired)
    assert set(ids()) == active
