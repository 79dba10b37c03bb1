"""One session: takes entries and answers them. Never prints, never ends because of an entry.

The state changes only when an entry has worked: what fails, traps or is stopped leaves everything as it was.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, define, evolve

from dandc.cache import Cache
from dandc.compiler.encoding import Variant, decode
from dandc.compiler.typed import TPort
from dandc.compiler.types import TypeTable
from dandc.files import read_source
from dandc.lang import Diagnostic, DiagnosticError, Label, Source, Span, parse, tree
from dandc.lang.values import frozen
from dandc.repl.display import header, value_text, visible_lines
from dandc.repl.engine import Engine, StoppedError
from dandc.repl.entry import Entry, parse_entry
from dandc.repl.pieces import Call, Given, Kept, Piece, Plan, names_what, plan, result_type
from dandc.repl.programs import Maker, Runnable
from dandc.repl.state import Binding, Change, State, declarations, declare, definitions, empty, relocated
from dandc.vm import InputItem, Note, RunError, RunResult, Secret
from dandc.vm.failures import Fault, diagnostic_code


@frozen
class Answer:
    """What an entry gave: `lines` to print, `diagnostics` to show before them.

    `stopped`: a person has ended it by Ctrl-C. `end`: the session is over.
    """

    lines: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    failed: bool = False
    stopped: bool = False
    end: bool = False


@define
class Timing:
    """Seconds that went into checking, making code, and running."""

    check: float = 0.0
    compile: float = 0.0
    run: float = 0.0


@frozen
class _Result:
    """Values by name with their types, and by which table they are read."""

    values: Mapping[str, Any]
    encoded: Mapping[str, bytes]
    types: TypeTable


@define(eq=False)
class Session:
    """The session's state with what it needs to work. `number` counts entries."""

    state: State
    engine: Engine
    maker: Maker
    number: int = 0
    timing: Timing = Factory(Timing)

    def enter(self, text: str) -> Answer:
        """Take an entry that is no command."""
        entry = self.read(text)
        if entry.empty:
            return Answer()
        if any(d.severity == "error" for d in entry.diagnostics):
            return Answer(diagnostics=entry.diagnostics, failed=True)
        if entry.items:
            return self._declare(entry.items, entry.source)
        return self.evaluate(entry)

    def evaluate_text(self, text: str) -> Answer:
        """Run what is no declaration."""
        entry = self.read(text)
        if entry.items and not entry.diagnostics:
            message = "a declaration has no value"
            return Answer(
                diagnostics=(Diagnostic("U0920", message, entry.items[0].span, "declared here"),), failed=True
            )
        return Answer(diagnostics=entry.diagnostics, failed=True) if entry.diagnostics else self.evaluate(entry)

    def read(self, text: str) -> Entry:
        """The entry that `text` is; diagnostics can show it from now on."""
        self.number += 1
        entry = parse_entry(text, f"entry {self.number}", self.state.cache)
        self.state = evolve(self.state, sources={**self.state.sources, entry.source.file: entry.source})
        return entry

    # Declarations.

    def _declare(self, items: Sequence[tree.Item], source: Source) -> Answer:
        tests = [i for i in items if isinstance(i, tree.TestItem)]
        if tests:
            note = "keep it in a file, and run it with `dandc test FILE`"
            mistake = Diagnostic("U0920", "a test stands in a file", tests[0].span, "not at the prompt", notes=(note,))
            return Answer(diagnostics=(mistake,), failed=True)
        known = {d.key for d in self.state.declared}
        told = [f"{'replaced' if d.key in known else 'declared'} `{d.name}`" for d in declarations(items, source)]
        return self._changed(declare(self.state, items, source), tuple(dict.fromkeys(told)))

    def _changed(self, change: Change, lines: tuple[str, ...]) -> Answer:
        self.state = change.state or evolve(self.state, sources=change.sources)
        if change.state is None:
            return Answer(diagnostics=change.diagnostics, failed=True)
        told = [f"set aside until it fits again: `{name}`" for name in change.aside]
        told += [f"fits again: `{name}`" for name in change.back]
        told += [f"gone, because its type has changed: `{name}`" for name in change.dropped]
        return Answer((*lines, *told), change.diagnostics)

    def load(self, name: str) -> Answer:
        """Declare what a file declares; what it declared when it was loaded before is forgotten."""
        path = Path(name)
        try:
            source, _ = read_source(path, name)
        except DiagnosticError as error:
            return Answer(diagnostics=error.diagnostics, failed=True)
        parsed = parse(source, cache_dir=self.state.cache)
        self.state = evolve(self.state, sources={**self.state.sources, source.file: source})
        if parsed.failed:
            return Answer(diagnostics=parsed.diagnostics, failed=True)
        items = relocated(parsed.module.items, path.parent, self.state.folder)
        found = [item.name.text for item in items if isinstance(getattr(item, "name", None), tree.Name)]  # type: ignore[attr-defined]
        names = list(dict.fromkeys(found))
        told = f"loaded {len(names)} declaration{'s' * (len(names) != 1)}" + (f": {', '.join(names)}" if names else "")
        return self._changed(declare(self.state, items, source), (told,))

    # Statements and values.

    def evaluate(self, entry: Entry) -> Answer:
        """Run the entry."""
        self.timing = Timing()
        symbol = names_what(self.state, entry.value)
        if symbol is not None:
            return Answer((header(self.state.world, symbol, self.state.sources),))
        started = time.perf_counter()
        made, diagnostics = plan(self.state, entry)
        self.timing.check = time.perf_counter() - started
        if made is None:
            return Answer(diagnostics=self._with_aside(diagnostics), failed=True)
        notes: list[Note] = []
        try:
            lines, bindings = self._carry_out(made, notes)
        except _EndedError as ended:
            return Answer(_told(notes), (*diagnostics, ended.diagnostic), failed=True)
        except RunError as error:
            return Answer(_told(notes), (*diagnostics, *error.diagnostics), failed=True)
        except StoppedError:
            return Answer((*_told(notes), "stopped"), diagnostics, failed=True, stopped=True)
        self.state = evolve(self.state, bindings={**self.state.bindings, **bindings})
        return Answer((*_told(notes), *lines), diagnostics)

    def _with_aside(self, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Say of names that are not known why, if what they named was set aside."""
        names = {d.name for d in self.state.aside}

        def told(d: Diagnostic) -> Diagnostic:
            source = self.state.sources.get(d.span.file) if d.span else None
            name = source.text[d.span.start : d.span.end] if source and d.span else ""
            if d.code != "N0201" or name not in names:
                return d
            note = f"`{name}` was set aside, because it does not fit what it uses any more: declare it anew"
            return evolve(d, notes=(note,), fixes=())

        return tuple(told(d) for d in diagnostics)

    def _carry_out(self, made: Plan, notes: list[Note]) -> tuple[list[str], dict[str, Binding]]:
        results: dict[str, Any] = {}
        for call in made.calls:
            results |= self._call(call, results, notes)
        if made.shown or (made.calls and made.value is None and not made.kept and not made.body.kernel.body):
            return self._outputs(made, results), {}
        found = self._piece(made.body, results, notes)
        types = {p.name: p.item for p in made.body.kernel.outputs}
        lines, bindings = [], {}
        for kept in made.kept:
            binding = self._binding(kept, found)
            old = self.state.bindings.get(binding.name)
            if old is None or old.encoded != binding.encoded or old.local.span != binding.local.span:
                lines.append(f"{binding.name} = {value_text(binding.type, found.values[kept.output], found.types)}")
            bindings[binding.name] = binding
        if made.value is not None:
            lines.append(value_text(types[made.value], found.values[made.value], found.types))
        return lines, bindings

    def _outputs(self, made: Plan, results: Mapping[str, Any]) -> list[str]:
        """The outputs of a call that is the whole entry; by name, if there are several."""
        first = made.calls[-1].first
        lines = []
        for i, port in enumerate(made.shown):
            t = result_type(port)
            text = value_text(t, results[f"#{first + i}"], definitions(self.state.world, t))
            lines.append(text if len(made.shown) == 1 else f"{port.name} = {text}")
        return lines

    def _binding(self, kept: Kept, found: _Result) -> Binding:
        table = definitions(self.state.world, kept.local.type)
        return Binding(kept.local, found.encoded[kept.output], table)

    def _piece(self, piece: Piece, results: Mapping[str, Any], notes: list[Note]) -> _Result:
        """What a pure piece gives."""
        made = self._made(lambda: self.maker.piece(self.state, piece))
        inputs = {f"p{i}": [InputItem(self._value(name, results))] for i, name in enumerate(piece.inputs)}
        try:
            result = self._run(made, inputs, notes)
        except RunError as error:
            if error.fault is None:
                raise
            raise _EndedError(_ended(error.fault, piece.kernel.span)) from None
        items = {name: item for name, (item,) in result.outputs.items()}
        values = {name: item.value for name, item in items.items()}
        return _Result(values, {name: item.encoded for name, item in items.items()}, made.program.types)

    def _value(self, name: str, results: Mapping[str, Any]) -> Any:
        if name in results:
            return results[name]
        binding = self.state.bindings[name]
        return decode(binding.type, binding.encoded, binding.table)

    def _call(self, call: Call, results: Mapping[str, Any], notes: list[Note]) -> dict[str, Any]:
        """What a composition or function gives, by the names of results."""
        values: Mapping[str, Any] = {}
        if call.inputs:
            values = self._piece(call.piece, results, notes).values
        made = self._made(lambda: self.maker.call(self.state, call.symbol, call.span))
        inputs = {given.port.name: _items(given, values[given.output]) for given in call.inputs}
        result = self._run(made, inputs, notes)
        return {f"#{call.first + i}": _seen(port, result) for i, port in enumerate(call.outputs)}

    def _made(self, make: Any) -> Runnable:
        started = time.perf_counter()
        made: Runnable = make()
        self.timing.compile += time.perf_counter() - started
        return made

    def _run(self, made: Runnable, inputs: Mapping[str, Sequence[InputItem]], notes: list[Note]) -> RunResult:
        started = time.perf_counter()
        try:
            result = self.engine.run(made, inputs)
        finally:
            self.timing.run += time.perf_counter() - started
        notes += result.notes
        return result


def open_session(folder: Path, cache: Cache, engine: Engine) -> Session:
    """A session in which nothing is declared; relative imports begin at `folder`."""
    return Session(empty(folder, cache.folder), engine, Maker(cache, native=engine.native))


class _EndedError(Exception):
    """A pure piece has trapped or failed."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def _ended(fault: Fault, entry: Span) -> Diagnostic:
    span = fault.site or entry
    inside = () if span.file == entry.file else (Label(entry, "in this entry"),)
    first = fault.message.splitlines()[0][:120] if fault.message else fault.code
    note = f"failure code: {fault.code}"
    return Diagnostic(diagnostic_code(fault.code), f"the entry ended: {fault.message}", span, first, inside, (note,))


def _told(notes: Sequence[Note]) -> tuple[str, ...]:
    return tuple(visible_lines([f"note: {note.text}"]) for note in notes)


def _items(given: Given, value: Any) -> list[InputItem]:
    """The items of an input from the value that an entry gives."""
    if given.secret:
        return [InputItem(Secret(value))]
    if given.port.kind != "set":
        return [InputItem(value)]
    return [InputItem(v[1], key=v[0]) if given.port.key is not None else InputItem(v) for v in value]


def _seen(port: TPort, result: RunResult) -> Any:
    """What an entry sees of an output, as a neutral value."""
    items = result.outputs[port.name]
    if port.kind == "set":
        return [(i.key, i.value) if port.key is not None else i.value for i in items]
    if port.kind == "optional":
        return Variant(1, (items[0].value,)) if items else Variant(0)
    return items[0].value
