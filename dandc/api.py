"""The Python interface: compile a program, run its compositions.

Values are plain Python: bool, int, float, str, bytes, list, dict for records, None or the value for options, lists for tuples, and
`"name"` or `{"name": payload}` for other variants. A set is a list of values, or of dicts with `name`, `key` and `value`.

Runs are kept as on the command line (`spec/24-running.md`): `cache` is the folder of `--cache`, `owner` whose results of it these
are, `record` the journal that `--record` writes and that `resume` and `replay` take.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from attrs import field

from dandc.cache import Cache, default_folder
from dandc.compiler.flow import FlowType, Graph, LoopNode
from dandc.compiler.flow import Program as Compiled
from dandc.compiler.identity import program_hash
from dandc.compiler.types import TypeTable
from dandc.compiling import CompileError, Options, compile_file
from dandc.keeping import Origin, open_memo, origin_of, recorded_program, recording_at
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source
from dandc.lang.values import frozen
from dandc.vm import InputItem, Isolation, Note, Placement, RunError, RunLimits, RunResult
from dandc.vm import run as run_graph
from dandc.vm.jsonvalues import items_from_json, to_python
from dandc.vm.values import ValueMismatchError
from dandc.waiting import wait_for

if TYPE_CHECKING:
    from dandc.vm.journal import Journal
    from dandc.vm.memo import Memo

__all__ = [
    "CompileError",
    "DiagnosticError",
    "Item",
    "Program",
    "Result",
    "compile",
    "replay",
    "replay_async",
    "resume",
    "resume_async",
]

Name = str | os.PathLike[str]


@frozen
class Item:
    """An item of a set output."""

    name: str
    key: Any
    value: Any


@frozen
class Result(Mapping[str, Any]):
    """What a run gave: by output name the value, None if it is absent, or a list of `Item` for a set.

    `nodes` has the counts `{"ran", "skipped", "failed"}` of every node, and where there are any `cached` and `recorded`; `notes`
    what kernels noted; `warnings` what was wrong with the cache.
    """

    outputs: Mapping[str, Any]
    nodes: Mapping[str, Mapping[str, int]]
    notes: tuple[Note, ...] = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)


@frozen
class Program:
    """A compiled program. Immutable and safe to run many times, also at the same time."""

    compiled: Compiled = field(repr=False)
    diagnostics: tuple[Diagnostic, ...] = ()
    origin: Origin = field(factory=Origin, repr=False, eq=False)

    @property
    def compositions(self) -> tuple[str, ...]:
        """The names of the compositions that can be run."""
        return tuple(own_compositions(self.compiled))

    @property
    def hash(self) -> str:
        """What the program means, as SHA-256 in hexadecimal digits; how it is written does not matter."""
        return program_hash(self.compiled)

    def run(
        self,
        composition: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        limits: RunLimits | None = None,
        isolation: Isolation = "process",
        cache: Name | None = None,
        owner: str | None = None,
        record: Name | None = None,
    ) -> Result:
        """Run a composition (the only one, or `main`) and wait for it. Raises `RunError`. Not inside an event loop.

        `isolation="inline"` runs the kernels in this process, without a sandbox: for trusted code (`docs/security.md`).
        `cache` is a folder with results of kernels that need not run again, those of `owner` (by default of the user of the
        operating system). `record` is a journal to be written, a file that is not there yet.
        """
        return wait_for(
            lambda: self.run_async(
                composition,
                inputs,
                config=config,
                limits=limits,
                isolation=isolation,
                cache=cache,
                owner=owner,
                record=record,
            ),
            "run_async",
        )

    async def run_async(
        self,
        composition: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        limits: RunLimits | None = None,
        placement: Placement | None = None,
        isolation: Isolation = "process",
        cache: Name | None = None,
        owner: str | None = None,
        record: Name | None = None,
    ) -> Result:
        """The same inside an event loop of asyncio.

        Every run has sandboxes of its own, and the system shares the CPUs among all. Runs that are given one `placement`
        (of `dandc.vm.open_local`) share its sandboxes fairly: a free one goes to the run that holds the fewest.
        """
        if isinstance(composition, Mapping):
            raise TypeError('a run takes the name of a composition first: `run(inputs={...})`, or `run("main", {...})`')
        graph = choose_composition(self.compiled, composition)
        items = python_inputs(self.compiled, graph, inputs or {})
        configs = python_configs(self.compiled, config or {})
        async with _placed(self.origin.sources), _memo(cache, owner) as memo:
            keeping = None
            if memo is not None or record is not None:
                from dandc.vm.keeping import keep

                recording = None if record is None else recording_at(Path(record), self.origin)
                if memo is not None and not self.origin.own:
                    memo.warn_of_bundle()
                keeping = keep(self.compiled, graph.name, memo=memo, recording=recording, own=self.origin.own)
            result = await run_graph(
                self.compiled,
                graph.name,
                items,
                configs=configs,
                limits=limits,
                placement=placement,
                isolation=isolation,
                keeping=keeping,
            )
            return _result(self.compiled, graph, result, memo)


def compile(path: str | os.PathLike[str], *, cache: str | os.PathLike[str] | None = "") -> Program:
    """Compile the program in a `.dnd` file. Raises `CompileError`, or `DiagnosticError` if it cannot be read.

    `cache` is the folder for compiled code: by default the user's own, None for no cache.
    """
    folder = default_folder() if cache == "" else Path(cache) if cache is not None else None
    compiled = compile_file(path, Cache(folder).open(), Options())
    return Program(compiled.program, compiled.diagnostics, origin_of(path, compiled))


def resume(
    journal: Name,
    inputs: Mapping[str, Any] | None = None,
    *,
    program: Program | None = None,
    config: Mapping[str, Any] | None = None,
    limits: RunLimits | None = None,
    cache: Name | None = None,
    owner: str | None = None,
) -> Result:
    """Finish a recorded run that was killed or has failed, perhaps with a corrected `program`. Raises `RunError`.

    `inputs` and `config` are what the journal has not: secrets above all. Not inside an event loop.
    """
    return wait_for(
        lambda: resume_async(journal, inputs, program=program, config=config, limits=limits, cache=cache, owner=owner),
        "resume_async",
    )


async def resume_async(
    journal: Name,
    inputs: Mapping[str, Any] | None = None,
    *,
    program: Program | None = None,
    config: Mapping[str, Any] | None = None,
    limits: RunLimits | None = None,
    placement: Placement | None = None,
    cache: Name | None = None,
    owner: str | None = None,
) -> Result:
    """The same inside an event loop of asyncio."""
    from dandc.vm.keeping import resume as go_on

    async with _memo(cache, owner) as memo, _journal(journal, writing=True) as opened:
        if program is None:
            compiled, graph, recording = recorded_program(opened, Path(journal))
        else:
            compiled, recording = program.compiled, recording_at(Path(journal), program.origin)
            graph = choose_composition(compiled, opened.head.graph.removeprefix("main."))
        sources = {file: Source(file, text) for file, text in recording.sources.items()}
        items = python_inputs(compiled, graph, inputs or {})
        configs = python_configs(compiled, config or {})
        async with _placed(sources):
            result = await go_on(
                opened, compiled, graph.name, items, configs,
                recording=recording, memo=memo, limits=limits, placement=placement,
            )  # fmt: skip
        return _result(compiled, graph, result, memo)


def replay(journal: Name, *, limits: RunLimits | None = None) -> Result:
    """Repeat a recorded run without sending anything: its result, which is what was recorded. Not inside an event loop.

    Raises `RunError`: the failure that was recorded, with its `fault`, if the run failed; without one if the run differs from
    the record (R0786), has not ended (R0785), or the journal cannot be read (R0780, R0781, R0782).
    """
    return wait_for(lambda: replay_async(journal, limits=limits), "replay_async")


async def replay_async(journal: Name, *, limits: RunLimits | None = None, placement: Placement | None = None) -> Result:
    """The same inside an event loop of asyncio."""
    from dandc.vm.keeping import replay as repeat

    async with _journal(journal, writing=False) as opened:
        async with _placed({file: Source(file, text) for file, text in opened.head.sources.items()}):
            replayed = await repeat(opened, limits=limits, placement=placement)
        compiled, graph, _ = recorded_program(opened, Path(journal))
        return _result(compiled, graph, replayed.result)


@asynccontextmanager
async def _placed(sources: Mapping[str, Source]) -> AsyncIterator[None]:
    """Lets the text of an error say the lines that it points to."""
    try:
        yield
    except DiagnosticError as error:
        error.sources = {**_library_sources(error), **sources}
        raise


def _library_sources(error: DiagnosticError) -> dict[str, Source]:
    from dandc.loader import source_text

    files = {d.span.file for d in error.diagnostics if d.span is not None and d.span.file.startswith("std:")}
    return {file: source for file in files if (source := source_text(file)) is not None}


@asynccontextmanager
async def _memo(cache: Name | None, owner: str | None) -> "AsyncIterator[Memo | None]":
    """The cache of results that a run was given, or None; raises `RunError` (U0911)."""
    if cache is None and owner is not None:
        raise RunError(Diagnostic("U0911", "`owner` says whose results of `cache`, which is not there", None))
    if cache is not None and not os.fspath(cache):
        raise RunError(Diagnostic("U0911", "the name of the cache folder is empty", None))
    memo = None if cache is None else await anyio.to_thread.run_sync(open_memo, cache, owner)
    try:
        yield memo
    finally:
        if memo is not None:
            memo.close()


@asynccontextmanager
async def _journal(path: Name, *, writing: bool) -> "AsyncIterator[Journal]":
    """An open journal; raises `RunError`."""
    from dandc.vm.journal import open_journal, read_journal

    opened = await anyio.to_thread.run_sync(open_journal if writing else read_journal, Path(path))
    try:
        yield opened
    finally:
        opened.close()


def own_compositions(program: Compiled) -> dict[str, Graph]:
    """The compositions of the root module, by the names that they have there."""
    loops = {node.graph for g in program.graphs.values() for node in g.nodes if isinstance(node, LoopNode)}
    own = (name for name in program.graphs if name.startswith("main.") and name not in loops)
    return {name.removeprefix("main."): program.graphs[name] for name in own}


def choose_composition(program: Compiled, name: str | None) -> Graph:
    """The composition `name`, or the only one, or `main`; raises `RunError` (R0733, U0903, U0904)."""
    graphs = own_compositions(program)
    if name is not None:
        if name in graphs:
            return graphs[name]
        known = ", ".join(f"`{n}`" for n in graphs) or "none"
        raise RunError(Diagnostic("R0733", f"there is no composition `{name}`; there are: {known}", None))
    if len(graphs) == 1:
        return next(iter(graphs.values()))
    if "main" in graphs:
        return graphs["main"]
    if not graphs:
        raise RunError(Diagnostic("U0903", "the file declares no composition", None))
    known = ", ".join(f"`{n}`" for n in graphs)
    raise RunError(Diagnostic("U0904", f"say which composition to run: {known}", None))


def python_inputs(program: Compiled, graph: Graph, inputs: Mapping[str, Any]) -> dict[str, Sequence[InputItem]]:
    """Input items from Python values; raises `RunError` with one diagnostic a mistake."""
    ports = {port.name: port.type for port in graph.inputs}
    items: dict[str, Sequence[InputItem]] = {}
    mistakes = []
    for name, value in inputs.items():
        if name not in ports:
            items[name] = []  # the machine says which inputs there are
            continue
        try:
            items[name] = items_from_json(ports[name], value, program.types)
        except ValueMismatchError as error:
            mistakes.append(input_mistake("R0732", f"the input `{name}`", ports[name], error, program.types))
    if mistakes:
        raise RunError(*mistakes)
    return items


def python_configs(program: Compiled, values: Mapping[str, Any]) -> dict[str, object]:
    """Neutral values of configs from Python values; raises `RunError`."""
    types = {config.name: config.type for config in program.configs}
    configs: dict[str, object] = {}
    for name, value in values.items():
        if name not in types:
            configs[name] = value  # the machine says which configs there are
            continue
        flow = FlowType("one", None, types[name])
        try:
            configs[name] = items_from_json(flow, value, program.types)[0].value
        except ValueMismatchError as error:
            raise RunError(input_mistake("R0736", f"the config `{name}`", flow, error, program.types)) from None
    return configs


def input_mistake(code: str, what: str, flow: FlowType, error: ValueMismatchError, types: TypeTable) -> Diagnostic:
    """The diagnostic for a value of the wrong shape, with an example of the right one."""
    from dandc.vm.jsonforms import json_form

    key = "" if flow.key is None else f"{flow.key} => "
    form = json_form(flow, types)
    shown = f"set[{key}{flow.item}]" if flow.card == "many" else str(flow.item)
    return Diagnostic(
        code, f"{what} does not fit `{shown}`", None, notes=(str(error), *((f"the form is `{form}`",) if form else ()))
    )


def _result(program: Compiled, graph: Graph, result: RunResult, memo: "Memo | None" = None) -> Result:
    outputs: dict[str, Any] = {}
    for output in graph.outputs:
        flow = output.type
        items = [
            Item(
                i.name,
                None if flow.key is None else to_python(flow.key, i.key, program.types),
                to_python(flow.item, i.value, program.types),
            )
            for i in result.outputs[output.name]
        ]
        many = flow.card == "many"
        outputs[output.name] = items if many else items[0].value if items else None
    return Result(outputs, result.nodes, result.notes, () if memo is None else tuple(memo.warnings))
