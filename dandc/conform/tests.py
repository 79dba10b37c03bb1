"""Runs the `test` blocks of examples, as `dandc test` does: services are fakes, time is virtual, two engines must agree."""

from collections.abc import Sequence
from pathlib import Path

from dandc.cache import Cache
from dandc.conform.chapters import Example
from dandc.conform.commands import RunTest
from dandc.conform.execute import Answer, Ended, Passed, Plan
from dandc.conform.programs import Checkup, ExampleError
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Source
from dandc.testing.runner import Verdict
from dandc.testing.session import run_files

TESTS = "tests"  # among the engines: where answers of test blocks stand


class _Silent:
    """A listener that says nothing: verdicts are judged afterwards."""

    def file(self, name: str, sources: dict[str, Source], diagnostics: tuple[Diagnostic, ...]) -> None:
        """Nothing."""

    def verdict(self, verdict: Verdict) -> None:
        """Nothing."""


def run_tests(examples: Sequence[Example], plans: Sequence[Plan | ExampleError]) -> list[dict[int, Answer]]:
    """For each example the answers of its `test` commands, by line."""
    files = [_file(example, plan) for example, plan in zip(examples, plans, strict=True)]
    paths = [str(file) for file in files if file is not None]
    found = run_files(paths, "", Cache(None), _Silent()) if paths else []
    verdicts = {verdicts.file: verdicts.verdicts for verdicts in found}
    return [
        _answers(example, plan, verdicts.get(str(file), ()))
        for example, plan, file in zip(examples, plans, files, strict=True)
    ]


def _file(example: Example, plan: Plan | ExampleError) -> Path | None:
    """The program's file, as its author wrote it, if it has tests to run."""
    if isinstance(plan, ExampleError) or not any(isinstance(c, RunTest) for c in example.commands):
        return None
    path = plan.checkup.folder / "main.dnd"
    path.write_text(example.text, "utf-8")
    return path


def _answers(example: Example, plan: Plan | ExampleError, verdicts: Sequence[Verdict]) -> dict[int, Answer]:
    if isinstance(plan, ExampleError):
        return {}
    return {
        command.line: _answer(plan.checkup, command, [v for v in verdicts if v.title == command.title])
        for command in example.commands
        if isinstance(command, RunTest)
    }


def _answer(checkup: Checkup, command: RunTest, verdicts: Sequence[Verdict]) -> Answer:
    if not verdicts:
        return ExampleError(f'the test "{command.title}" is not there, or did not run')
    failed = next((v for v in verdicts if not v.passed), None)
    if failed is None:
        return Passed()
    first = failed.diagnostics[0]
    return Ended(first.code, checkup.at(first.span), first.message)
