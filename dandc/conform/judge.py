"""Compares what an example does with what it says. Pure: answers in, failures out, with the line that would be right.

A blessed line has the positions and outputs that were found; a code is never blessed, nor an error turned into a value.
"""

import json
from collections.abc import Mapping, Sequence

from attrs import evolve, field

from dandc.compiler.check.report import display
from dandc.conform.chapters import Example
from dandc.conform.commands import (
    At,
    Call,
    Command,
    Exhausts,
    Fails,
    Gives,
    Mistake,
    Mistakes,
    Nodes,
    Notes,
    Ok,
    Run,
    RunTest,
    TypeOf,
    written,
)
from dandc.conform.execute import (
    Answer,
    CallPlan,
    Ended,
    Passed,
    Plan,
    Ran,
    RunPlan,
    Value,
    expected_outputs,
)
from dandc.conform.literals import bits, literal
from dandc.conform.programs import Checkup, ExampleError
from dandc.conform.tests import TESTS
from dandc.conform.typing import type_of
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.values import frozen


@frozen
class Failure:
    """An expectation that does not hold. `blessed` is the command as it would hold, None where that is not to be."""

    line: int
    message: str
    blessed: str | None = field(default=None)


Answers = Mapping[str, Mapping[int, Answer]]  # by engine, then by line of the command


def judge(example: Example, plan: Plan, answers: Answers) -> list[Failure]:
    """All that is wrong with an example."""
    failures = _judge_check(example, plan.checkup)
    for number, command in enumerate(example.commands):
        match command:
            case TypeOf():
                failures += _judge_type(plan.checkup, command)
            case Call() | Run() if not _broken(plan.checkup):
                failures += _judge_answers(plan, command, {name: a.get(command.line) for name, a in answers.items()})
            case RunTest() if not _broken(plan.checkup):
                failures += _judge_test(command, answers[TESTS][command.line])
            case Nodes() | Notes() if not _broken(plan.checkup):
                failures += _judge_last_run(example.commands[:number], command, answers)
    return failures


def _broken(checkup: Checkup) -> bool:
    return any(d.severity == "error" for d in checkup.diagnostics)


# The check.


def _judge_check(example: Example, checkup: Checkup) -> list[Failure]:
    expected = [c for c in example.commands if isinstance(c, Mistake)]
    if expected and any(isinstance(c, Ok) for c in example.commands):
        return [Failure(expected[0].line, "an example is either `ok` or has errors")]
    left = list(checkup.diagnostics)
    failures = []
    for command in expected:
        found = next((d for d in left if _fits(checkup, command.expected, d)), None)
        if found is None:
            found = next((d for d in left if d.code == command.expected.code), None)
            failures.append(_missed(checkup, command, found))
        if found is not None:
            left.remove(found)
    for many in (c for c in example.commands if isinstance(c, Mistakes)):
        alike = [d for d in left if d.code == many.code]
        left = [d for d in left if d.code != many.code]
        if len(alike) != many.count:
            failures.append(Failure(many.line, f"the check finds {many.code} {len(alike)} times, not {many.count}"))
    line = example.commands[0].line
    return failures + [Failure(line, f"the check finds {_shown(checkup, d)}") for d in left]


def _fits(checkup: Checkup, expected: Fails, found: Diagnostic) -> bool:
    if found.code != expected.code or (expected.text is not None and expected.text not in found.message):
        return False
    at = checkup.at(found.span)
    return expected.at is None or (at is not None and expected.at.fits(at))


def _missed(checkup: Checkup, command: Mistake, found: Diagnostic | None) -> Failure:
    if found is None:
        return Failure(command.line, f"the check does not find {command.expected.code}")
    blessed = _bless(command.expected, checkup.at(found.span), found.message)
    return Failure(
        command.line, f"the check finds {_shown(checkup, found)}", written(evolve(command, expected=blessed))
    )


def _bless(expected: Fails, at: At | None, message: str) -> Fails:
    text = expected.text if expected.text is None or expected.text in message else message
    return evolve(expected, at=at if expected.at is not None else None, text=text)


def _shown(checkup: Checkup, d: Diagnostic) -> str:
    return f"{d.code} at {checkup.at(d.span)}: {d.message}"


def _judge_type(checkup: Checkup, command: TypeOf) -> list[Failure]:
    found = type_of(checkup.checked, command.name)
    if found is None:
        return [Failure(command.line, f"`{command.name}` names nothing that has a type")]
    if display(found) == command.type:
        return []
    blessed = written(evolve(command, type=display(found)))
    return [Failure(command.line, f"`{command.name}` is `{display(found)}`, not `{command.type}`", blessed)]


# Calls and runs.


def _judge_answers(plan: Plan, command: Call | Run, answers: Mapping[str, Answer | None]) -> list[Failure]:
    given = {name: answer for name, answer in answers.items() if answer is not None}
    errors = {str(a) for a in given.values() if isinstance(a, ExampleError)}
    if errors or not given:
        return [Failure(command.line, "; ".join(sorted(errors)) or "nothing ran it")]
    wrong: dict[Failure, list[str]] = {}
    for name, answer in given.items():
        found = _judge_call(plan, command, answer) if isinstance(command, Call) else _judge_run(plan, command, answer)
        if found is not None:
            wrong.setdefault(found, []).append(name)
    if wrong and next(iter(wrong.values())) != list(given):
        # The engines do not agree, so there is nothing that could be right.
        return [evolve(f, message=f"{', '.join(names)}: {f.message}", blessed=None) for f, names in wrong.items()]
    return list(wrong)


def _judge_call(plan: Plan, command: Call, answer: Answer) -> Failure | None:
    calls = plan.calls
    assert isinstance(calls, CallPlan)
    wanted = calls.wanted[[c.line for c in calls.calls].index(command.line)]
    match command.expected, answer:
        case Gives(), Value() if wanted is not None:
            if answer.encoded == wanted.encoded:
                return None
            shown = literal(answer.type, answer.value, calls.types)
            message = f"gives {shown}{bits(answer.type, answer.value)}, not {command.expected.text}"
            if isinstance(wanted.value, float):
                message += bits(wanted.type, wanted.value)
            return Failure(command.line, message, written(evolve(command, expected=Gives(shown))))
        case Fails(), Ended():
            return _judge_end(command, command.expected, answer)
        case Exhausts(what), Ended() if answer.exhausted == what:
            return None
    return Failure(command.line, _instead(answer, calls))


def _judge_end(command: Call | Run | RunTest, expected: Fails, answer: Ended) -> Failure | None:
    here = expected.at is None or (answer.at is not None and expected.at.fits(answer.at))
    said = expected.text is None or expected.text in answer.message
    if answer.code == expected.code and here and said:
        return None
    if answer.code != expected.code:
        return Failure(command.line, _ended(answer))
    blessed = _bless(expected, answer.at, answer.message)
    line = evolve(command, expected=blessed) if isinstance(command, Call) else evolve(command, fails=blessed)
    return Failure(command.line, _ended(answer), written(line))


def _ended(answer: Ended) -> str:
    return f"ends with {answer.code} at {answer.at}: {answer.message}"


def _instead(answer: Answer, calls: CallPlan | None) -> str:
    match answer:
        case Ended():
            return _ended(answer)
        case Value() if calls is not None:
            return f"gives {literal(answer.type, answer.value, calls.types)}"
        case Ran():
            return f"gives {json.dumps(answer.shown, ensure_ascii=False)}"
    return "gives something else"


def _judge_run(plan: Plan, command: Run, answer: Answer) -> Failure | None:
    runs = plan.runs
    assert isinstance(runs, RunPlan)
    if command.fails is not None:
        return (
            _judge_end(command, command.fails, answer)
            if isinstance(answer, Ended)
            else Failure(command.line, _instead(answer, None))
        )
    if not isinstance(answer, Ran):
        return Failure(command.line, _instead(answer, None))
    blessed = written(evolve(command, outputs=answer.shown))
    try:
        wanted = expected_outputs(runs, command)
    except ExampleError as error:
        return Failure(command.line, str(error), blessed)
    return None if wanted == answer.outputs else Failure(command.line, _instead(answer, None), blessed)


def _judge_test(command: RunTest, answer: Answer) -> list[Failure]:
    match command.fails, answer:
        case None, Passed():
            return []
        case Fails() as expected, Ended():
            wrong = _judge_end(command, expected, answer)
            return [] if wrong is None else [wrong]
        case _, ExampleError():
            return [Failure(command.line, str(answer))]
        case _, Ended():
            return [Failure(command.line, _ended(answer))]
    return [Failure(command.line, "the test passes")]


def _judge_last_run(before: Sequence[Command], command: Nodes | Notes, answers: Answers) -> list[Failure]:
    run = next((c for c in reversed(before) if isinstance(c, Run)), None)
    if run is None:
        return [Failure(command.line, "there is no run before")]
    failures = {}
    for by_line in answers.values():
        answer = by_line.get(run.line)
        if not isinstance(answer, Ran):
            continue  # the run itself is reported
        if isinstance(command, Nodes):
            found = {node: {k: n for k, n in counts.items() if n} for node, counts in answer.nodes.items()}
            if found != command.counts:
                failures[f"the nodes are {json.dumps(found)}"] = written(evolve(command, counts=found))
        elif list(answer.notes) != sorted(command.texts):
            failures[f"the notes are {json.dumps(answer.notes)}"] = written(evolve(command, texts=list(answer.notes)))
    blessable = len(failures) == 1
    return [Failure(command.line, message, line if blessable else None) for message, line in failures.items()]
