"""Runs one test, row by row, and says how each ended.

Verdicts are diagnostics like those of the compiler. A test ends at the first thing that goes wrong, because what comes
after it may depend on it.
"""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import define, evolve, field

from dandc.compiler.check.testplan import Case, Fake, FakeAnswer, Piece, RunInput, RunStep, TrapStep
from dandc.compiler.encoding import Variant, decode
from dandc.compiler.flow import ConfigSource, ConstSource, Endpoint
from dandc.compiler.interp import Emission, InstanceResult
from dandc.compiler.kir import TRAPS, Kernel
from dandc.compiler.typed import TPort
from dandc.lang.diagnostics import Diagnostic, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen
from dandc.testing.cases import PIECE, Suite
from dandc.testing.compare import not_holding
from dandc.testing.engine import STEPS, interpret
from dandc.testing.fakes import Answer, Script, World, fake_drivers
from dandc.vm import EndpointAddress, InputItem, Placement, RunError, RunLimits, RunResult, Secret, run
from dandc.vm.failures import diagnostic_code, label_of
from dandc.vm.jsonvalues import to_json

# Sentences about joins that a failed test shows.
_MOST_ALONE = 4
_EMPTY = InstanceResult("ok", (), ())


@frozen
class Verdict:
    """How one test (or one row of its table) ended: it passed if there is no error among `diagnostics`."""

    title: str
    row: str
    diagnostics: tuple[Diagnostic, ...]
    seconds: float
    span: Span

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not any(d.severity == "error" for d in self.diagnostics)


class _Stop(Exception):
    """Ends a row: something is not as expected."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__()
        self.diagnostics = diagnostics


@contextmanager
def _same_chance() -> Iterator[None]:
    """Back-off draws the same jitter in every test."""
    kept = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(kept)


async def run_case(suite: Suite, case: Case, placement: Placement, limits: RunLimits) -> list[Verdict]:
    """The verdicts of a test, one a row."""
    started = time.perf_counter()
    try:
        rows = _rows(suite, case)
    except _Stop as stop:
        return [Verdict(case.title, "", stop.diagnostics, time.perf_counter() - started, case.span)]
    verdicts = []
    for text, values in rows:
        started = time.perf_counter()
        row = _Row(suite, case, placement, limits, list(values))
        with _same_chance():
            found = await row.run()
        verdicts.append(Verdict(case.title, text, found, time.perf_counter() - started, case.span))
    return verdicts


def _rows(suite: Suite, case: Case) -> list[tuple[str, tuple[Any, ...]]]:
    """Per row its text and the values of the piece's parameters."""
    if case.rows is None:
        return [("", ())]
    kernel = suite.kernel(case.rows)
    result = interpret(kernel, _implicit(suite, kernel, {}, case.span))
    if result.state != "ok":
        raise _Stop(_ended(result, case.rows.kernel.span))
    item = kernel.outputs[1].item
    rows = [e.value for e in result.emissions]
    if not rows:
        raise _Stop(Diagnostic("R0750", "the table has no row", case.span, "nothing is tested"))
    numbered = len(case.setup.kernel.params) == 2
    shown = [_short(to_json(item, value, kernel.types)) for value in rows]
    return [
        (text, (i, value) if numbered else (value,)) for i, (text, value) in enumerate(zip(shown, rows, strict=True))
    ]


def _short(shape: object) -> str:
    text = json.dumps(shape, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _address(endpoint: Endpoint, configs: Mapping[str, Any]) -> str:
    """The URL of an endpoint in a test."""
    match endpoint.base:
        case ConstSource(value):
            return value.decode()
        case ConfigSource(name):
            return str(configs.get(name, ""))
    raise AssertionError(endpoint.base)


def _base_configs(suite: Suite) -> dict[str, Any]:
    """Neutral values of configs before a test sets any. One that is only an address gets one that leads nowhere."""
    checked = suite.checked
    configs: dict[str, Any] = {}
    for endpoint in checked.endpoints:
        if isinstance(endpoint.base, ConfigSource):
            configs[endpoint.base.name] = f"http://{endpoint.name.replace('_', '-')}.test"
    for config in checked.configs:
        if config.default is not None:
            configs[config.name] = decode(config.type, config.default, checked.world.table)
    return configs


def _implicit(suite: Suite, kernel: Kernel, given: Mapping[str, Any], span: Span) -> list[Any]:
    """What a piece reads of configs and endpoints: its last parameters."""
    configs = {**_base_configs(suite), **given}
    urls = {e.name: _address(e, configs) for e in suite.checked.endpoints}
    values: list[Any] = []
    for param in kernel.params:
        kind, _, name = param.name.partition(" ")
        if kind == "endpoint":
            values.append(urls[name])
        elif kind == "config":
            if name not in configs:
                note = f"set it in the test: `config {name} = ...;`"
                raise _Stop(
                    Diagnostic("R0734", f"the config `{name}` has no default", span, "needed here", notes=(note,))
                )
            values.append(configs[name])
    return values


def _ended(result: InstanceResult, span: Span) -> Diagnostic:
    """The diagnostic for a piece that trapped or failed."""
    if result.trap == "limit.steps":
        return Diagnostic("R0755", f"the interpreter was stopped after {STEPS:,} steps", span, "in this test")
    code = result.trap or "fail"
    message = TRAPS[code][1] if code in TRAPS else result.message
    site = result.site or span
    place = () if site == span else (Label(span, "in this test"),)
    note = f"failure code: {code}"
    label = label_of(code, message)
    return Diagnostic(diagnostic_code(code), f"the test ended: {message}", site, label, place, (note,))


@define(eq=False)
class _Row:
    """One row at work. `values` are those of the pieces' parameters so far."""

    suite: Suite
    case: Case
    placement: Placement
    limits: RunLimits
    values: list[Any]
    world: World = field(factory=World)
    configs: dict[str, Any] = field(factory=dict)  # neutral, as pieces see them
    secrets: dict[str, Secret] = field(factory=dict)
    notes: list[Diagnostic] = field(factory=list)
    alone: list[str] = field(factory=list)

    async def run(self) -> tuple[Diagnostic, ...]:
        """What was not as expected; warnings too."""
        try:
            self._set_up()
            for step in self.case.steps:
                if isinstance(step, RunStep):
                    await self._run_step(step)
                else:
                    await self._trap_step(step)
            await self._body()
        except _Stop as stop:
            return (*self.notes, *map(self._with_alone, stop.diagnostics))
        return tuple(self.notes)

    def _with_alone(self, diagnostic: Diagnostic) -> Diagnostic:
        """Why there may be less than was expected: keys that joins found no partner for, in the runs so far."""
        return evolve(diagnostic, notes=(*diagnostic.notes, *self.alone[:_MOST_ALONE]))

    # Pure pieces.

    def _arguments(self, kernel: Kernel, piece: Piece) -> list[Any]:
        own = self.values[: len(piece.kernel.params)]
        return [*own, *_implicit(self.suite, kernel, self.configs, piece.kernel.span)]

    def _interpret(self, piece: Piece) -> dict[int, Any]:
        """The outputs of a piece that only prepares something, by number."""
        kernel = self.suite.kernel(piece)
        result = interpret(kernel, self._arguments(kernel, piece))
        self._judge(result)
        return {e.output: e.value for e in result.emissions}

    def _judge(self, result: InstanceResult) -> None:
        """Stop unless a piece ended well, with all its expectations."""
        if result.state != "ok":
            raise _Stop(_ended(result, self.case.span))
        for emission in result.emissions:
            if emission.output == 0:
                number, left, right = emission.value
                raise _Stop(not_holding(self.case.expectations[number], left, right))

    async def _both(self, piece: Piece) -> InstanceResult:
        """The result of a piece that interpreter and native code agree on; stops if they do not."""
        code = self.suite.code(piece)
        arguments = self._arguments(code.kernel, piece)
        expected = interpret(code.kernel, arguments)
        inputs = {p.name: [InputItem(v)] for p, v in zip(code.kernel.params, arguments, strict=True)}
        found = await self._native(code.program, inputs)
        if expected.trap == "limit.steps":
            message = f"the interpreter was stopped after {STEPS:,} steps: only native code decided"
            self.notes.append(Diagnostic("R0755", message, self.case.span, "a long test", severity="warning"))
            return found
        if not (_limited(expected) or _limited(found)) and _essence(expected) != _essence(found):
            raise _Stop(_disagree(expected, found, self.case.span))
        return found

    async def _native(self, program: Any, inputs: Mapping[str, Sequence[InputItem]]) -> InstanceResult:
        try:
            result = await run(program, PIECE, inputs, limits=self.limits, placement=self.placement)
        except RunError as error:
            fault = error.fault
            if fault is None or fault.code.startswith(("sandbox.", "host.", "image.")):
                raise _Stop(*error.diagnostics) from None
            if fault.code == "fail":
                return InstanceResult("fail", (), (), "", fault.message, fault.site)
            return InstanceResult("trap", (), (), fault.code, fault.message, fault.site)
        failed = [Emission(0, None, None, item.value) for item in result.outputs["failed"]]
        return evolve(_EMPTY, emissions=tuple(failed))

    async def _body(self) -> None:
        self._judge(await self._both(self.case.body))

    async def _trap_step(self, step: TrapStep) -> None:
        result = await self._both(step.piece)
        if result.state == "ok":
            self._judge(result)
            raise _Stop(Diagnostic("R0753", "this ends without a trap", step.span, "a trap is expected"))
        code = result.trap or "fail"
        if code != (step.code or (code if result.trap else "")):
            wanted = f"`{step.code}`" if step.code else "a trap"
            message = f"this ends with `{code}`, not with {wanted}"
            label = f"{wanted} is expected"
            raise _Stop(Diagnostic("R0753", message, step.span, label, notes=(result.message or TRAPS[code][1],)))

    # Fakes and runs.

    def _set_up(self) -> None:
        outputs = self._interpret(self.case.setup)
        for name, output, secret in self.case.configs:
            self.configs[name] = outputs[output]
            if secret:
                self.secrets[name] = Secret(outputs[output])
        for fake in self.case.fakes:
            scripts = self.world.scripts.setdefault(fake.endpoint, [])
            scripts += _scripts(fake, outputs)

    async def _run_step(self, step: RunStep) -> None:
        outputs = self._interpret(step.arguments)
        inputs = {i.name: _items(i, outputs[i.output]) for i in step.inputs}
        try:
            result = await self._run(step, inputs)
        except RunError as error:
            self._check_requests(step)
            self._check_failure(step, error)
            return
        self._check_requests(step)
        self.alone += [f"in `{node}`, {text}" for node, texts in result.alone.items() for text in texts]
        if step.must_fail:
            raise _Stop(Diagnostic("R0752", "the run did not fail", step.span, "a failure is expected"))
        self.values += [_value(port, result) for port in step.outputs]

    async def _run(self, step: RunStep, inputs: Mapping[str, Sequence[InputItem]]) -> RunResult:
        program = self.suite.program(step.graph)
        known = {**_base_configs(self.suite), **self.configs}
        endpoints = [EndpointAddress(e.name, e.module, _address(e, known)) for e in program.endpoints]
        drivers = fake_drivers(self.world, [e for e in endpoints if e.module == "http"])
        configs = {**known, **self.secrets}
        return await run(
            program, step.graph, inputs, configs=configs, limits=self.limits, placement=self.placement, drivers=drivers
        )

    def _check_requests(self, step: RunStep) -> None:
        if not self.world.unexpected:
            return
        found = []
        for unexpected in self.world.unexpected:
            known = ", ".join(f"`{k}`" for k in unexpected.known) or "nothing"
            note = f"given for `{unexpected.endpoint}`: {known}"
            message = f"no `given` answers `{unexpected.request}` to `{unexpected.endpoint}`"
            found.append(Diagnostic("R0751", message, step.span, "asked for in this run", notes=(note,)))
        raise _Stop(*dict.fromkeys(found))

    def _check_failure(self, step: RunStep, error: RunError) -> None:
        code = error.fault.code if error.fault else ""
        if step.must_fail and code and step.code in (None, code):
            return
        if step.must_fail and code:
            message = f"the run failed with `{code}`, not with `{step.code}`"
            notes = tuple(d.message for d in error.diagnostics)
            raise _Stop(Diagnostic("R0752", message, step.span, f"`{step.code}` is expected", notes=notes))
        place = Label(step.span, "in this run")
        raise _Stop(*(_placed(d, place) for d in error.diagnostics))


def _placed(diagnostic: Diagnostic, place: Label) -> Diagnostic:
    """The diagnostic of a run with the place in the test that it happened at."""
    if diagnostic.span is None:
        return evolve(diagnostic, span=place.span, label=place.text)
    return evolve(diagnostic, secondary=(*diagnostic.secondary, place))


def _limited(result: InstanceResult) -> bool:
    """Whether a result is outside the promise of sameness: memory, time and depth differ between the two."""
    return result.trap.startswith("limit.") or result.trap == "trap.depth"


def _essence(result: InstanceResult) -> str:
    """What both must agree on, as text, in which NaN equals itself and -0.0 is not 0.0."""
    message = result.message if result.state == "fail" else ""
    return repr((result.state, result.trap, message, result.site, [e.value for e in result.emissions if e.output == 0]))


def _disagree(expected: InstanceResult, found: InstanceResult, span: Span) -> Diagnostic:
    notes = (f"interpreter: {_essence(expected)[:400]}", f"native code: {_essence(found)[:400]}")
    message = "interpreter and native code disagree: this is a mistake in dandc"
    return Diagnostic("R0754", message, span, "in this test", notes=notes)


def _scripts(fake: Fake, outputs: Mapping[int, Any]) -> list[Script]:
    return [
        Script(rule.method, rule.target, tuple(_answer(a, outputs) for a in rule.answers), rule.span)
        for rule in fake.rules
    ]


_MEDIA = {"json": "application/json", "text": "text/plain; charset=utf-8", "bytes": "application/octet-stream"}


def _answer(answer: FakeAnswer, outputs: Mapping[int, Any]) -> Answer:
    content = None if answer.body < 0 else outputs[answer.body]
    headers = answer.headers
    if answer.media and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, ("content-type", _MEDIA[answer.media]))
    data = content.encode() if isinstance(content, str) else content
    return Answer(answer.delay_ms, answer.fault, answer.status, headers, data)


def _items(given: RunInput, value: Any) -> list[InputItem]:
    """The items of an input from the value in the test."""
    if given.secret:
        return [InputItem(Secret(value))]
    if given.kind != "set":
        return [InputItem(value)]
    return [InputItem(v[1], key=v[0]) if given.keyed else InputItem(v) for v in value]


def _value(port: TPort, result: RunResult) -> Any:
    """What the test sees of an output, as a neutral value."""
    items = result.outputs[port.name]
    if port.kind == "set":
        return [(i.key, i.value) if port.key is not None else i.value for i in items]
    if port.kind == "optional":
        return Variant(1, (items[0].value,)) if items else Variant(0)
    return items[0].value
