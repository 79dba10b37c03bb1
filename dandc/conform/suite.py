"""Runs a whole suite: a folder of chapters in, a report out.

Programs are prepared one after the other, code is generated in two processes (LLVM holds one lock a process), kernels run in
one sandbox pool. An example that cannot be carried out fails; it is never left out.
"""

import ctypes
import os
import signal
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import anyio

from dandc.compiler import codegen
from dandc.compiler.flow import KernelImage
from dandc.compiler.kir import Kernel
from dandc.conform.chapters import Chapter, Example, check_suite, codes_of, parse_chapter
from dandc.conform.commands import Call, Run
from dandc.conform.execute import INTERPRETER, LEVELS, Answer, Engine, Plan, execute, interpreter, prepare
from dandc.conform.formatting import judge_format
from dandc.conform.hashing import judge_hashes
from dandc.conform.judge import Failure, judge
from dandc.conform.programs import ExampleError
from dandc.conform.tests import TESTS, run_tests
from dandc.files import read_file
from dandc.lang.codes import CODES
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Span
from dandc.lang.values import frozen
from dandc.vm import LocalPlacement, RunLimits, open_local

# No checked program can show these alone: the sandbox, the tools, foreign images and bundles, and mistakes of dandc.
_FAMILIES_ELSEWHERE = ("S", "U", "W", "I", "R074", "R078", "R079")
_CODES_ELSEWHERE = frozenset(("R0709", "R0711", "R0712", "R0713", "R0716", "R0724", "R0737", "R0738", "R0754", "R0755"))
_WORKERS = 2
_PR_SET_PDEATHSIG = 1


@frozen
class Failed:
    """A failure with the place in the spec where it is expected otherwise."""

    chapter: str
    line: int
    example: str
    message: str
    blessed: str | None = None


@frozen
class Report:
    """What a suite came to. `failed` are examples; `failures` also has what is wrong with chapters themselves."""

    examples: int
    failed: frozenset[str]
    failures: tuple[Failed, ...]
    rules: tuple[str, ...]
    rules_without_example: tuple[str, ...]
    codes_without_example: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as `dandc conform --json` prints it."""
        return {
            "examples": self.examples,
            "passed": self.examples - len(self.failed),
            "failed": len(self.failed),
            "rules": len(self.rules),
            "rules_without_example": list(self.rules_without_example),
            "codes_without_example": list(self.codes_without_example),
            "failures": [
                {"chapter": f.chapter, "line": f.line, "example": f.example, "message": f.message}
                for f in self.failures
            ],
        }


def read_chapters(folder: Path) -> tuple[Chapter, ...]:
    """The chapters of a folder: its files `*.md`, by name. Raises `DiagnosticError` (U0901, U0902)."""
    if not folder.is_dir():
        raise DiagnosticError(Diagnostic("U0901", f"cannot read `{folder}`: there is no such folder", None))
    return tuple(parse_chapter(path.name, _text(path)) for path in sorted(folder.glob("*.md")))


def _text(path: Path) -> str:
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise DiagnosticError(
            Diagnostic("U0902", f"cannot read `{path}`: byte {error.start} is not UTF-8", None)
        ) from None


def open_compilers() -> ProcessPoolExecutor:
    """Processes that generate code, for one or many suites; they start when they are needed. A context manager."""
    # Spawned, because a fork of a process that has used LLVM may hang.
    return ProcessPoolExecutor(_WORKERS, get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """Let the kernel kill this worker when the process that started it dies: a worker waits for work for ever."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def run_suite(chapters: Sequence[Chapter], compilers: ProcessPoolExecutor | None = None) -> Report:
    """Run every example of `chapters`. Raises `RunError` where there is no sandbox. Not inside an event loop."""
    if compilers is None:
        with open_compilers() as own:
            return run_suite(chapters, own)
    examples = [(chapter, example) for chapter in chapters for example in chapter.examples]
    failures = [Failed(p.chapter, p.line, "", p.message) for c in chapters for p in c.problems]
    failures += [Failed(p.chapter, p.line, "", p.message) for p in check_suite(chapters)]
    with tempfile.TemporaryDirectory(prefix="dandc-conform-") as folder:
        plans = [_prepare(example, Path(folder) / str(i)) for i, (_, example) in enumerate(examples)]
        images = _generate(plans, compilers)
        answers = anyio.run(_execute, [e for _, e in examples], plans, images)
        tests = run_tests([e for _, e in examples], plans)
        for (chapter, example), plan, given, tested in zip(examples, plans, answers, tests, strict=True):
            given[TESTS] = tested
            failures += [
                Failed(chapter.name, f.line, example.id, f.message, f.blessed)
                for f in _judge(example, plan, given, Path(folder) / "formatted")
            ]
    return report(chapters, failures)


def _prepare(example: Example, folder: Path) -> Plan | ExampleError:
    try:
        return prepare(example, folder)
    except Exception as error:  # noqa: BLE001  # a mistake of the compiler fails its example, not the suite
        return internal(error)


def internal(error: Exception) -> ExampleError:
    """What an example gets when the implementation itself fails."""
    return ExampleError(f"the implementation fails with {type(error).__name__}: {error}")


def _judge(
    example: Example, plan: Plan | ExampleError, answers: dict[str, dict[int, Answer]], folder: Path
) -> list[Failure]:
    if isinstance(plan, ExampleError):
        return [Failure(example.line, str(plan))]
    try:
        return (
            judge(example, plan, answers)
            + judge_hashes(example, plan.checkup)
            + judge_format(example, plan.checkup, folder)
        )
    except Exception as error:  # noqa: BLE001  # as above
        return [Failure(example.line, str(internal(error)))]


def report(chapters: Sequence[Chapter], failures: Iterable[Failed]) -> Report:
    """The report with what no example covers."""
    ordered = tuple(sorted(failures, key=lambda f: (f.chapter, f.line, f.message)))
    failed = frozenset(f.example for f in ordered if f.example)
    examples = [example for chapter in chapters for example in chapter.examples]
    rules = tuple(rule.id for chapter in chapters for rule in chapter.rules)
    covered = {rule for example in examples for rule in example.rules}
    shown = {code for example in examples if example.id not in failed for code in codes_of(example)}
    return Report(
        len(examples),
        failed,
        ordered,
        rules,
        tuple(rule for rule in rules if rule not in covered),
        tuple(code for code in sorted(CODES) if needs_example(code) and code not in shown),
    )


def needs_example(code: str) -> bool:
    """Whether a program alone can show the diagnostic `code`."""
    return not code.startswith(_FAMILIES_ELSEWHERE) and code not in _CODES_ELSEWHERE


# Code.


Images = dict[str, dict[str, KernelImage] | ExampleError]  # by level, then by kernel


def _generate(plans: Sequence[Plan | ExampleError], compilers: ProcessPoolExecutor) -> list[Images]:
    """For each plan the images of its kernels."""
    images: list[Images] = [{level: {} for level in LEVELS} for _ in plans]
    jobs = [
        (found, level, kernel)
        for plan, found in zip(plans, images, strict=True)
        if isinstance(plan, Plan)
        for kernel in plan.kernels()
        for level in LEVELS
    ]
    futures = [compilers.submit(_compile, kernel, LEVELS[level]) for _, level, kernel in jobs]
    for (found, level, kernel), future in zip(jobs, futures, strict=True):
        made = found[level]
        if isinstance(made, dict):
            _collect(found, level, made, kernel, future)
    return images


def _collect(
    found: Images,
    level: str,
    made: dict[str, KernelImage],
    kernel: Kernel,
    future: Future[tuple[bytes, tuple[Span, ...]]],
) -> None:
    try:
        image, sites = future.result()
    except Exception as error:  # noqa: BLE001  # as above
        found[level] = internal(error)
    else:
        made[kernel.name] = KernelImage(kernel.name, kernel.params, kernel.outputs, sites, image)


def _compile(kernel: Kernel, opt: int) -> tuple[bytes, tuple[Span, ...]]:
    return codegen.compile(kernel, opt)


async def _execute(
    examples: Sequence[Example], plans: Sequence[Plan | ExampleError], images: Sequence[Images]
) -> list[dict[str, dict[int, Answer]]]:
    """For each example the answers of all engines."""
    if not any(isinstance(plan, Plan) and (plan.calls or plan.runs) for plan in plans):
        return [{} for _ in plans]
    found = []
    async with open_local(RunLimits()) as placement:
        for example, plan, levels in zip(examples, plans, images, strict=True):
            found.append({} if isinstance(plan, ExampleError) else await _answers(example, plan, levels, placement))
    return found


async def _answers(
    example: Example, plan: Plan, levels: Images, placement: LocalPlacement
) -> dict[str, dict[int, Answer]]:
    answers = {INTERPRETER: await _ask(example, plan, interpreter(plan))}
    for level, images in levels.items():
        engine = images if isinstance(images, ExampleError) else Engine(level, placement, images)
        answers[level] = await _ask(example, plan, engine)
    return answers


async def _ask(example: Example, plan: Plan, engine: Engine | ExampleError) -> dict[int, Answer]:
    try:
        if isinstance(engine, Engine):
            return await execute(plan, example, engine)
    except Exception as error:  # noqa: BLE001  # as above
        engine = internal(error)
    return {c.line: engine for c in example.commands if isinstance(c, Call | Run)}
