"""`dandc run FILE [COMPOSITION]`"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dandc.api import choose_composition, input_mistake
from dandc.cache import Cache, default_folder
from dandc.commands import kept
from dandc.commands.import_ import bind_argument, bindings
from dandc.commands.isolate import isolation_argument, tell_of_isolation
from dandc.commands.out_folder import output_folder, places, refuse_foreign
from dandc.commands.output import Reporter, UseError
from dandc.commands.progress import progress_argument, shown
from dandc.commands.same_file import Named, read_from, refuse_covered, refuse_same
from dandc.compiler.flow import FlowType, Graph, Program
from dandc.compiler.types import BYTES, SECRET, STR
from dandc.compiling import Compiled, Options, compile_file
from dandc.files import read_file, write_atomically
from dandc.keeping import origin_of, recording_at
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.vm import InputItem, RunError, RunLimits, RunResult, Secret, Watch
from dandc.vm.jsonvalues import items_from_json, parse_json
from dandc.vm.values import ValueMismatchError
from dandc.waiting import wait_for

if TYPE_CHECKING:
    from dandc.vm.keeper import Keeper
    from dandc.vm.memo import Memo
    from dandc.vm.prepare import Prepared

    Keeping = Callable[[Prepared], Keeper]

HELP = "Compile a program (or take it from the cache) and run one of its compositions."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", help="a .dnd file")
    parser.add_argument("composition", metavar="COMPOSITION", nargs="?", help="by default the only one, or `main`")
    parser.add_argument(
        "-i", "--input", action="append", default=[], metavar="NAME=VALUE", dest="input",
        help="an input: NAME=VALUE, NAME=@PATH or NAME=env:VARIABLE; str and bytes are taken as they are, all else is JSON",
    )  # fmt: skip
    parser.add_argument("--inputs", metavar="FILE.json", help="inputs as one JSON object")
    parser.add_argument(
        "--config", action="append", default=[], metavar="NAME=VALUE", help="a config, written like an input"
    )
    kept.results(parser)
    progress_argument(parser)
    parser.add_argument("--trace", metavar="FILE", help="write what took how long, in Chrome's trace format")
    bind_argument(parser)
    isolation_argument(parser)
    parser.add_argument("--no-cache", action="store_true", help="compile anew and keep nothing")
    kept.arguments(parser)
    kept.budget(parser)
    parser.add_argument("--record", metavar="FILE", help="write a journal: for `dandc replay`, `resume` and `why`")
    parser.add_argument("-O", type=int, choices=(0, 2), default=2, dest="opt", help="optimisation of native code")


def main(options: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the run gave its outputs."""
    read = read_from([split_option(option, "input") for option in options.input], "-i")
    read += read_from([split_option(option, "config") for option in options.config], "--config")
    read += [Named("the program", options.file)]
    read += [Named("`--inputs`", options.inputs)] if options.inputs is not None else []
    if options.trace == "":
        raise UseError(Diagnostic("U0906", "the name of the trace file is empty", None))
    limits = kept.run_limits(options)
    folder = kept.folder_of(options)
    refuse_same([*read, *_written(options), *([Named("`--out`", folder, True)] if folder is not None else [])])
    with output_folder(folder):
        return _compile_and_run(options, reporter, folder, limits)


def _written(options: argparse.Namespace) -> list[Named]:
    """The files that are written beside the outputs."""
    given = (("`--record`", options.record), ("`--trace`", options.trace))
    return [Named(what, path, written=True) for what, path in given if path is not None]


def _compile_and_run(options: argparse.Namespace, reporter: Reporter, folder: Path | None, limits: RunLimits) -> int:
    cache = Cache(None if options.no_cache else default_folder()).open()
    compiled = compile_file(options.file, cache, Options(opt=options.opt, bind=bindings(options.bind)))
    reporter.add_sources(compiled.sources)
    reporter.show((*compiled.diagnostics, *cache.warnings))
    program = compiled.program
    graph = choose_composition(program, options.composition)
    refuse_same([*modules(compiled), *_written(options)])
    refuse_covered(_written(options), folder, places(graph))
    refuse_foreign(folder, graph)
    inputs = read_inputs(program, graph, [split_option(option, "input") for option in options.input], options.inputs)
    configs = read_configs(program, [split_option(option, "config") for option in options.config])
    watch = Watch(trace=options.trace is not None)
    tell_of_isolation(options.isolation)
    with kept.memo(options, reporter) as memo:
        keeping = _keeping(options, compiled, graph, memo)
        try:
            result = _run(program, graph, inputs, configs, watch, options, keeping, limits)
        except RunError:
            # Looking at the trace is how one finds out why; but why it failed is more than that it cannot be written.
            if options.trace is not None:
                with suppress(DiagnosticError):
                    _write_trace(Path(options.trace), watch)
            raise
    if options.trace is not None:
        _write_trace(Path(options.trace), watch)
    kept.give(options, program, graph, result, folder)
    return 0


def modules(compiled: Compiled) -> list[Named]:
    """The files of the program."""
    return [Named("a file of the program", file) for file in compiled.sources if not file.startswith("std:")]


def _keeping(options: argparse.Namespace, compiled: Compiled, graph: Graph, memo: "Memo | None") -> "Keeping | None":
    """What keeps the run's results, if it is to be kept at all."""
    if memo is None and options.record is None:
        return None
    if options.record == "":
        raise UseError(Diagnostic("U0911", "the name of the journal is empty", None))
    from dandc.vm.keeping import keep

    origin = origin_of(options.file, compiled)
    recorded = None if options.record is None else recording_at(Path(options.record), origin)
    if memo is not None and not compiled.own:
        memo.warn_of_bundle()
    return keep(compiled.program, graph.name, memo=memo, recording=recorded, own=compiled.own)


def _run(
    program: Program,
    graph: Graph,
    inputs: Mapping[str, Sequence[InputItem]],
    configs: Mapping[str, object],
    watch: Watch,
    options: argparse.Namespace,
    keeping: "Keeping | None",
    limits: RunLimits,
) -> RunResult:
    from dandc.vm import run

    async def main() -> RunResult:
        async with shown(watch, options.progress):
            return await run(
                program,
                graph.name,
                inputs,
                configs=configs,
                limits=limits,
                isolation=options.isolation,
                watch=watch,
                keeping=keeping,
            )

    return wait_for(main)


def _write_trace(path: Path, watch: Watch) -> None:
    from dandc.trace import trace_json

    try:
        write_atomically(path, trace_json(watch).encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiagnosticError(Diagnostic("U0906", f"cannot write `{path}`: {reason}", None)) from None


def split_option(option: str, what: str) -> tuple[str, str]:
    """Name and text of `NAME=VALUE`; raises `UseError`."""
    name, equals, text = option.partition("=")
    if not equals or not name:
        # Not the option itself: what was meant to be a value may be a secret.
        raise UseError(Diagnostic("U0905", f"the {what} `{name[:40]}` is not written NAME=VALUE", None))
    return name, text


def read_inputs(
    program: Program, graph: Graph, given: Sequence[tuple[str, str]], file: str | None
) -> dict[str, Sequence[InputItem]]:
    """The input items that options and a file of inputs give; raises `RunError`."""
    ports = {port.name: port.type for port in graph.inputs}
    items: dict[str, Sequence[InputItem]] = {}
    mistakes: list[Diagnostic] = []
    shapes = _inputs_file(file) if file is not None else {}
    for name, shape in shapes.items():
        _take(
            program,
            items,
            mistakes,
            name,
            ports.get(name),
            lambda flow, s=shape: items_from_json(flow, s, program.types),
        )
    for name, text in given:
        if name in items:
            mistakes.append(Diagnostic("U0905", f"the input `{name}` is given twice", None))
        _take(program, items, mistakes, name, ports.get(name), lambda flow, t=text: _value(program, flow, t))
    if mistakes:
        raise RunError(*mistakes)
    return items


def _take(
    program: Program,
    items: dict[str, Sequence[InputItem]],
    mistakes: list[Diagnostic],
    name: str,
    flow: FlowType | None,
    read: Any,
) -> None:
    items[name] = []
    if flow is None:
        return  # the machine says which inputs there are
    try:
        items[name] = read(flow)
    except ValueMismatchError as error:
        mistakes.append(input_mistake("R0732", f"the input `{name}`", flow, error, program.types))


def _inputs_file(file: str) -> dict[str, Any]:
    data = read_file(Path(file))
    try:
        shapes = parse_json(data.decode())
    except (UnicodeDecodeError, ValueMismatchError) as error:
        raise DiagnosticError(Diagnostic("U0905", f"`{file}` is not JSON", None, notes=(str(error),))) from None
    if not isinstance(shapes, dict):
        raise DiagnosticError(Diagnostic("U0905", f"`{file}` is not a JSON object of inputs by name", None))
    return shapes


def read_configs(program: Program, given: Sequence[tuple[str, str]]) -> dict[str, object]:
    """The neutral values of configs that options give; raises `RunError`."""
    types = {config.name: config.type for config in program.configs}
    configs: dict[str, object] = {}
    for name, text in given:
        if name not in types:
            configs[name] = text  # the machine says which configs there are
            continue
        flow = FlowType("one", None, types[name])
        try:
            configs[name] = _value(program, flow, text)[0].value
        except ValueMismatchError as error:
            raise RunError(input_mistake("R0736", f"the config `{name}`", flow, error, program.types)) from None
    return configs


def _value(program: Program, flow: FlowType, text: str) -> list[InputItem]:
    """The items that one option gives: text and bytes as they are, everything else as JSON."""
    data = _text(text)
    if flow.card == "many" or flow.item not in (STR, BYTES, SECRET):
        return items_from_json(flow, parse_json(_decoded(data)), program.types)
    if flow.item == BYTES:
        return [InputItem(data)]
    decoded = _decoded(data)
    return [InputItem(Secret(decoded) if flow.item == SECRET else decoded)]


def _text(text: str) -> bytes:
    if text.startswith("@"):
        return read_file(Path(text[1:]))
    if text.startswith("env:"):
        value = os.environb.get(os.fsencode(text[4:]))
        if value is None:
            raise DiagnosticError(Diagnostic("U0905", f"the environment variable `{text[4:]}` is not set", None))
        return value
    return os.fsencode(text)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueMismatchError("", "this is not UTF-8") from None
