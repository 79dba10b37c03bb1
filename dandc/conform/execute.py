"""Carries out the commands of an example: prepares programs, generates code, runs it in every engine.

Three steps, so that the dear one, generating code, can be spread over processes: `prepare` (check, lower), `Images`
(two levels of optimisation), `execute` (interpreter, O0, O2 in the sandbox). What comes out are answers; `judge.py` compares.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from dandc.api import choose_composition, python_configs, python_inputs
from dandc.compiler.encoding import decode
from dandc.compiler.flow import Config, ConfigSource, ConstSource, KernelImage, Program
from dandc.compiler.interp import run_kernel
from dandc.compiler.kir import Kernel
from dandc.compiler.types import Type, TypeTable
from dandc.compiler.verify import check as verify
from dandc.conform.chapters import Example
from dandc.conform.commands import At, Call, Exhausts, Gives, Run
from dandc.conform.engines import InterpreterPlacement, run_instances
from dandc.conform.programs import (
    CALLS,
    VALUES,
    Checkup,
    ExampleError,
    Signature,
    call_functions,
    check_example,
    interpreted,
    lower,
    signature,
)
from dandc.isolation import Limits
from dandc.lang.spans import Span
from dandc.lang.values import frozen
from dandc.loader import ROOT
from dandc.vm import Placement, RunError, RunLimits, RunResult
from dandc.vm import run as run_graph
from dandc.vm.collect import ShardOutput
from dandc.vm.failures import diagnostic_code

INTERPRETER = "interpreter"
LEVELS = {"O0": 0, "O2": 2}
_CALL_LIMITS = Limits(wall_ms=10_000, cpu_ms=10_000)
# What is meant to be exhausted is, soon.
_EXHAUST_LIMITS = Limits(wall_ms=2_000, cpu_ms=300, memory=8 << 20, output=1 << 20)
_EXHAUSTED = {
    "limit.steps": "time",
    "limit.cpu": "time",
    "limit.wall": "time",
    "limit.memory": "memory",
    "limit.output": "output",
}


@frozen
class Ended:
    """How a call or run ended without a value: diagnostic code, place, message."""

    code: str
    at: At | None
    message: str
    exhausted: str = ""


@frozen
class Value:
    """A value that a call gave, with its encoding: two are the same if their bytes are."""

    type: Type
    value: Any
    encoded: bytes


@frozen
class Ran:
    """What a run gave: by output (key, name, encoding) of the items, their JSON, counts of nodes, notes."""

    outputs: dict[str, tuple[tuple[str, str, bytes], ...]]
    shown: dict[str, Any]
    nodes: dict[str, dict[str, int]]
    notes: tuple[str, ...]


@frozen
class Passed:
    """A test block that passes."""


Answer = Ended | Value | Ran | Passed | ExampleError


@frozen
class CallPlan:
    """The kernel of all calls of an example, arguments by call, and the expected values."""

    kernel: Kernel
    calls: tuple[Call, ...]
    arguments: tuple[tuple[bytes | None, ...], ...]
    wanted: tuple[Value | None, ...]
    types: TypeTable
    checkup: Checkup


@frozen
class RunPlan:
    """The program of all runs of an example, with the kernels that its graphs reach."""

    program: Program
    kernels: dict[str, Kernel]
    checkup: Checkup


@frozen
class Plan:
    """What an example needs to be executed. A part that cannot be is an error in its place."""

    checkup: Checkup
    calls: CallPlan | ExampleError | None = None
    runs: RunPlan | ExampleError | None = None

    def kernels(self) -> list[Kernel]:
        """All kernels to generate code for."""
        found = [self.calls.kernel] if isinstance(self.calls, CallPlan) else []
        return found + (list(self.runs.kernels.values()) if isinstance(self.runs, RunPlan) else [])


def prepare(example: Example, folder: Path) -> Plan:
    """Check the example and lower what its commands run."""
    checkup = check_example(example, folder)
    plan = Plan(checkup)
    if any(d.severity == "error" for d in checkup.diagnostics):
        return plan
    calls = tuple(c for c in example.commands if isinstance(c, Call))
    if calls:
        plan = evolve(plan, calls=_calls(example, checkup, calls))
    if any(isinstance(c, Run) for c in example.commands):
        plan = evolve(plan, runs=_runs(checkup))
    return plan


def _calls(example: Example, checkup: Checkup, calls: tuple[Call, ...]) -> CallPlan | ExampleError:
    try:
        signatures = tuple(signature(checkup, call) for call in calls)
        return _plan_calls(example, checkup, calls, signatures)
    except ExampleError as error:
        return error


def _plan_calls(
    example: Example, checkup: Checkup, calls: tuple[Call, ...], signatures: tuple[Signature, ...]
) -> CallPlan:
    wanted = {i: c.expected.text for i, c in enumerate(calls) if isinstance(c.expected, Gives)}
    more = call_functions(calls, signatures, wanted)
    built = check_example(example, checkup.folder, more=more)
    mistakes = [d.message for d in built.diagnostics if d.severity == "error"]
    if mistakes:
        raise ExampleError(f"the calls do not check: {'; '.join(mistakes)}")
    values = _written_values(lower(built, f"{ROOT}.{VALUES}"))
    kernel = lower(built, f"{ROOT}.{CALLS}")
    verify(kernel)
    implicit = [_implicit(built, p.name) for p in kernel.params if " " in p.name]
    arguments = []
    for i in range(len(calls)):
        row: list[bytes | None] = [i.to_bytes(8, "little")]
        row += [
            values[p.name].encoded if p.name.startswith(f"a{i}_") else None
            for p in kernel.params[1:]
            if " " not in p.name
        ]
        arguments.append((*row, *implicit))
    expected = tuple(values[f"w{i}"] if i in wanted else None for i in range(len(calls)))
    return CallPlan(kernel, calls, tuple(arguments), expected, kernel.types, built)


def _written_values(kernel: Kernel) -> dict[str, Value]:
    """The values of arguments and results, as the interpreter reads them."""
    from dandc.compiler.encoding import encode

    (result,) = run_kernel(kernel, [[]])
    if result.state != "ok":
        raise ExampleError(f"an argument or result has no value: {result.trap or result.message}")
    found = {}
    for emission in result.emissions:
        output = kernel.outputs[emission.output]
        found[output.name] = Value(output.item, emission.value, encode(output.item, emission.value, kernel.types))
    return found


def _implicit(checkup: Checkup, name: str) -> bytes:
    """The item of an implicit parameter: a config's default, or an endpoint's address."""
    kind, _, wanted = name.partition(" ")
    configs = {c.name: c for c in checkup.checked.configs}
    if kind == "config":
        return _default(configs[wanted])
    base = next(e.base for e in checkup.checked.endpoints if e.name == wanted)
    if isinstance(base, ConfigSource):
        return _default(configs[base.name])
    assert isinstance(base, ConstSource)
    return base.value


def _default(config: Config) -> bytes:
    if config.default is None:
        raise ExampleError(f"the config `{config.name}` has no default")
    return config.default


def _runs(checkup: Checkup) -> RunPlan:
    from dandc.compiler.flow_walk import called_kernel

    checked = checkup.checked
    reached = {k for g in checked.graphs.values() for n in g.nodes if (k := called_kernel(n)) is not None}
    kernels = {name: lower(checkup, name) for name in sorted(reached)}
    for kernel in kernels.values():
        verify(kernel)
    images = {name: interpreted(kernel) for name, kernel in kernels.items()}
    table = dict(checked.world.table)
    program = Program("main", dict(checked.graphs), images, checked.configs, checked.endpoints, table)
    return RunPlan(program, kernels, checkup)


# Engines.


@frozen
class Engine:
    """One way to run kernels. `images` holds a kernel's image by its name in this example."""

    name: str
    placement: Placement
    images: Mapping[str, KernelImage]


async def execute(plan: Plan, example: Example, engine: Engine) -> dict[int, Answer]:
    """The answers of one engine, by line of their command."""
    answers: dict[int, Answer] = {}
    if isinstance(plan.calls, CallPlan):
        answers |= await _execute_calls(plan.calls, engine)
    elif plan.calls is not None:
        answers |= {c.line: plan.calls for c in example.commands if isinstance(c, Call)}
    for command in example.commands:
        if isinstance(command, Run) and plan.runs is not None:
            answers[command.line] = (
                plan.runs if isinstance(plan.runs, ExampleError) else await _run(plan.runs, command, engine)
            )
    return answers


def interpreter(plan: Plan) -> Engine:
    """The engine that interprets the kernels of `plan`."""
    kernels = {kernel.name: kernel for kernel in plan.kernels()}
    return Engine(INTERPRETER, InterpreterPlacement(kernels), {name: interpreted(k) for name, k in kernels.items()})


async def _execute_calls(plan: CallPlan, engine: Engine) -> dict[int, Answer]:
    """All plain calls in one sandbox; those that exhaust something each in one of their own, and never interpreted."""
    image = engine.images[plan.kernel.name]
    plain = [i for i, c in enumerate(plan.calls) if not isinstance(c.expected, Exhausts)]
    answers: dict[int, Answer] = {}
    if plain:
        rows = [list(plan.arguments[i]) for i in plain]
        result = await run_instances(engine.placement, image, plan.types, rows, _CALL_LIMITS)
        for position, i in enumerate(plain):
            answers[plan.calls[i].line] = _answer(plan, i, result, position)
    for i, call in enumerate(plan.calls):
        if isinstance(call.expected, Exhausts) and engine.name != INTERPRETER:
            rows = [list(plan.arguments[i])]
            result = await run_instances(engine.placement, image, plan.types, rows, _EXHAUST_LIMITS)
            answers[call.line] = _answer(plan, i, result, 0)
    return answers


def _answer(plan: CallPlan, call: int, result: ShardOutput | str, instance: int) -> Answer:
    if isinstance(result, str):
        return Ended(diagnostic_code(result), None, result, _EXHAUSTED.get(result, ""))
    fault = result.faults.get(instance)
    if fault is not None:
        at = plan.checkup.at(fault.site)
        return Ended(diagnostic_code(fault.code), at, fault.message, _EXHAUSTED.get(fault.code, ""))
    columns = result.columns[call]
    values = [v for v, i in zip(columns.values, columns.instances, strict=True) if i == instance]
    if len(values) != 1:
        return Ended("U0909", None, f"{len(values)} items came back")
    t = plan.kernel.outputs[call].item
    encoded = bytes(values[0])
    return Value(t, decode(t, encoded, plan.types), encoded)


async def _run(plan: RunPlan, command: Run, engine: Engine) -> Answer:
    program = evolve(plan.program, kernels={name: engine.images[name] for name in plan.program.kernels})
    try:
        graph = choose_composition(program, command.name or None)
        items = python_inputs(program, graph, command.inputs)
        configs = python_configs(program, command.config)
        result = await run_graph(
            program, graph.name, items, configs=configs, limits=RunLimits(), placement=engine.placement
        )
    except RunError as error:
        first = error.diagnostics[0]
        return Ended(first.code, _place(plan.checkup, first.span), first.message)
    return _ran(program, graph.name, result)


def _place(checkup: Checkup, span: Span | None) -> At | None:
    return checkup.at(span)


def _ran(program: Program, graph: str, result: RunResult) -> Ran:
    from dandc.vm.jsonvalues import to_json

    outputs, shown = {}, {}
    for output in program.graphs[graph].outputs:
        flow = output.type
        items = result.outputs[output.name]
        outputs[output.name] = tuple((repr(i.key), i.name, i.encoded) for i in items)
        values = [to_json(flow.item, i.value, program.types) for i in items]
        if flow.card != "many":
            shown[output.name] = values[0] if values else None
            continue
        rows: list[Any] = []
        for item, value in zip(items, values, strict=True):
            key = {} if flow.key is None else {"key": to_json(flow.key, item.key, program.types)}
            name = {"name": item.name} if item.name else {}
            rows.append({**name, **key, "value": value} if key or name else value)
        shown[output.name] = rows
    return Ran(outputs, shown, result.nodes, tuple(sorted(n.text for n in result.notes)))


def expected_outputs(plan: RunPlan, command: Run) -> dict[str, tuple[tuple[str, str, bytes], ...]]:
    """The outputs that `command` expects, in the form of `Ran.outputs`; raises `ExampleError`."""
    from dandc.compiler.encoding import encode
    from dandc.vm.jsonvalues import items_from_json
    from dandc.vm.values import ValueMismatchError, admit

    def no_secret(value: object) -> str:
        raise ValueMismatchError("", "a secret is no output")

    program = plan.program
    ports = {o.name: o.type for o in choose_composition(program, command.name or None).outputs}
    found = {}
    for name, shape in (command.outputs or {}).items():
        if name not in ports:
            raise ExampleError(f"there is no output `{name}`")
        flow, types = ports[name], program.types
        try:
            items = [] if shape is None and flow.card == "optional" else items_from_json(flow, shape, types)
            found[name] = tuple(
                (
                    repr(None if flow.key is None else admit(flow.key, i.key, types, no_secret)),
                    i.name,
                    encode(flow.item, admit(flow.item, i.value, types, no_secret), types),
                )
                for i in items
            )
        except ValueMismatchError as error:
            raise ExampleError(f"the expected output `{name}` does not fit its type: {error}") from None
    return found
