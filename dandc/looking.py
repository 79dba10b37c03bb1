"""Looks at one instance of a recorded run: what it read, what it did step by step, and how it ended, beside the record.

A call of a driver is shown as it was recorded. An instance of a kernel runs in the reference interpreter on kernel IR that is made anew from the texts in the journal. The images in the
journal are what ran; a compiler of another version may give other IR, so that is said.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.compiler.check.report import display
from dandc.compiler.encoding import EncodingError, Variant, decode, encode
from dandc.compiler.flow import OutputDecl, ParamDecl
from dandc.compiler.interp import InstanceResult
from dandc.compiler.interp_trace import Large, Step, Trace, trace_kernel
from dandc.compiler.keys import decode_key, encode_key
from dandc.compiler.kir import Kernel
from dandc.compiler.types import STR, Type, TypeTable
from dandc.compiling import compiler_version
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import NOWHERE, Source, Span
from dandc.lang.values import frozen
from dandc.repl.display import value_text
from dandc.vm import RunError, loads
from dandc.vm.items import ItemSet
from dandc.vm.journal import Journal
from dandc.vm.keeper import FoundCallError, FoundInstanceError
from dandc.vm.kept import Ended, Item

if TYPE_CHECKING:
    from dandc.loader import Loaded

_MOST_ITEMS = 20


@frozen
class Looked:
    """What there is to see. `agrees`: it ended as it was recorded, to the bit."""

    text: str
    agrees: bool
    warnings: tuple[Diagnostic, ...]


def look(journal: Journal, found: FoundInstanceError, most: int, grammar_cache: Path | None) -> Looked:
    """The found instance in the interpreter; raises `RunError` where its kernel cannot be made again."""
    kernel, loaded = _recompiled(journal, found.kernel, grammar_cache)
    sources = loaded.sources
    trusted = {name for name, module in loaded.modules.items() if module.trusted}
    own = lambda name: name.partition(".")[0] not in trusted  # noqa: E731
    trace = trace_kernel(kernel, _arguments(kernel, found.items), own, most=most)
    now = _ended(kernel, trace.result)
    sites = loads(journal.head.program).kernels[found.kernel].sites
    agrees = found.recorded is None or _same(found.recorded, trace.result, now, sites)
    lines = [*_head(kernel, found), *_inputs(kernel, found.items), *_steps(trace, kernel.types, sources)]
    lines += [*_ending(kernel, trace.result, now, sources), *_verdict(found, agrees=agrees)]
    return Looked("\n".join(lines) + "\n", agrees, tuple(_other_compiler(journal)))


def look_at_call(found: FoundCallError) -> Looked:
    """A call of a driver as it was recorded: what was asked, and how it ended. Raises `RunError` for bytes that are no value."""
    request, recorded = found.request, found.recorded
    node, types = request.node, request.context.program.types
    item = f" for the item `{request.item}`" if request.item else ""
    effect = [f'once "{request.shown_once}"'] if request.once is not None else []
    try:
        lines = [f"{request.name}{item}", "", *effect, "request"]
        for param, items in zip(node.params, found.items, strict=True):
            lines += _set(param, items, types)
        lines += ["", *_answer(node.declared, recorded, types)]
    except (EncodingError, ValueError) as error:
        raise RunError(Diagnostic("R0711", f"an item of the call is not a valid value: {error}", None)) from None
    return Looked("\n".join([*lines, "", "out of the journal: nothing was sent"]) + "\n", agrees=True, warnings=())


def _answer(outputs: Sequence[OutputDecl], recorded: Ended | None, types: TypeTable) -> Iterator[str]:
    if recorded is None:
        yield "the journal does not say how it ended"
    elif recorded.fault is not None:
        fault = recorded.fault
        attempts = f" after {fault.attempts} attempts" if fault.attempts > 1 else ""
        yield f"ended with {fault.code}: {fault.message}{attempts}"
    else:
        yield "answer"
        yield from _outputs(outputs, recorded.items, types)


def _other_compiler(journal: Journal) -> Iterator[Diagnostic]:
    version = compiler_version()
    if version != journal.head.compiler:
        message = f"the run was recorded with another compiler: {journal.head.compiler}, this one is {version}"
        yield Diagnostic("R0790", message, None, severity="warning")


def _recompiled(journal: Journal, name: str, grammar_cache: Path | None) -> "tuple[Kernel, Loaded]":
    """The IR of a kernel from the texts in the journal, and the program that it is of."""
    from dandc.compiler.check import check
    from dandc.compiler.lower import lower_kernel
    from dandc.loader import load

    head = journal.head
    loaded = load(Path(head.root), grammar_cache=grammar_cache, tests=False, texts=head.sources)
    checked = check(loaded.modules, loaded.root, loaded.diagnostics)
    diagnostics = (*loaded.diagnostics, *checked.diagnostics)
    if any(d.severity == "error" for d in diagnostics) or name not in checked.kernels:
        message = f"the kernel `{name}` cannot be made again from the texts in the journal"
        raise RunError(Diagnostic("R0790", message, None, notes=tuple(d.message for d in diagnostics[:3])))
    kernel = lower_kernel(checked.world, checked.kernels[name], checked.facts[name].captures, checked.root)
    return kernel, loaded


def _arguments(kernel: Kernel, items: list[ItemSet]) -> list[object]:
    """Neutral arguments of an instance; raises `RunError` for bytes that are no value."""
    try:
        return [_argument(kernel, param, found) for param, found in zip(kernel.params, items, strict=True)]
    except (EncodingError, ValueError) as error:
        raise RunError(Diagnostic("R0711", f"an item of the instance is not a valid value: {error}", None)) from None


def _argument(kernel: Kernel, param: ParamDecl, items: ItemSet) -> object:
    types = kernel.types
    values = [decode(param.item, bytes(value), types) for value in items.values]
    if param.kind == "one":
        (value,) = values
        return value
    if param.kind == "optional":
        return Variant(1, (values[0],)) if values else Variant(0)
    keys = [None if key is None or param.key is None else decode_key(param.key, key, types) for key in items.keys]
    return list(zip(keys, items.names, values, strict=True))


def _ended(kernel: Kernel, result: InstanceResult) -> list[Item]:
    """The items of an instance as they are kept: by output, and then by emission."""
    items: list[Item] = []
    for number, output in enumerate(kernel.outputs):
        for emission in result.emissions:
            if emission.output == number:
                said = output.key is not None and emission.key is not None
                key = encode_key(output.key, emission.key, kernel.types) if said and output.key is not None else None
                items.append((number, key, emission.name, encode(output.item, emission.value, kernel.types)))
    return items


def _same(recorded: Ended, result: InstanceResult, now: list[Item], sites: tuple[Span, ...]) -> bool:
    """Whether an instance ends in the interpreter as the record says, to the bit."""
    if recorded.notes != result.notes:
        return False
    fault = recorded.fault
    if fault is None:
        before = [(*item[:3], bytes(item[3])) for item in recorded.items]
        return result.state == "ok" and before == [(*item[:3], bytes(item[3])) for item in now]
    site = sites[fault.site] if 0 <= fault.site < len(sites) else None
    if result.state == "fail":
        # A text from which a secret was taken cannot be given again.
        same = fault.message == result.message or "secret(" in fault.message
        return fault.code == "fail" and same and site == result.site
    return (fault.code, site) == (result.trap, result.site)


# What is shown.


def _head(kernel: Kernel, found: FoundInstanceError) -> list[str]:
    item = f" for the item `{found.item}`" if found.item else ""
    return [f"{kernel.name.removeprefix('main.')}{item}", ""]


def _inputs(kernel: Kernel, items: list[ItemSet]) -> Iterator[str]:
    yield "inputs"
    for param, found in zip(kernel.params, items, strict=True):
        yield from _set(param, found, kernel.types)


def _set(port: ParamDecl | OutputDecl, items: ItemSet, types: TypeTable) -> Iterator[str]:
    if port.kind != "set":
        yield f"  {port.name} = " + (_value(port.item, items.values[0], types) if len(items) else "absent")
        return
    yield f"  {port.name}: {len(items)} items"
    for key, name, value in list(zip(items.keys, items.names, items.values, strict=True))[:_MOST_ITEMS]:
        label = (
            ""
            if key is None or port.key is None
            else f"{value_text(port.key, decode_key(port.key, key, types), types)} => "
        )
        yield f"    {label}{value_text(STR, name, types) + ' ' if name else ''}{_value(port.item, value, types)}"
    if len(items) > _MOST_ITEMS:
        yield f"    ... and {len(items) - _MOST_ITEMS} more"


def _value(t: Type, value: object, types: TypeTable) -> str:
    assert isinstance(value, bytes | memoryview)
    return value_text(t, decode(t, bytes(value), types), types)


def _steps(trace: Trace, types: TypeTable, sources: dict[str, Source]) -> Iterator[str]:
    yield ""
    yield "steps"
    for step in trace.first:
        yield _step(step, types, sources)
    if trace.dropped:
        yield f"  ... {trace.dropped} steps more ..."
    for step in trace.last:
        yield _step(step, types, sources)


def _step(step: Step, types: TypeTable, sources: dict[str, Source]) -> str:
    match step.kind:
        case "set":
            assert step.type is not None
            text = f"{step.name}: {display(step.type)} = {_shown(step, types)}"
        case "emit":
            text = f"emit {step.name} <- {_shown(step, types)}"
        case "note":
            text = f"note {value_text(STR, step.value, types).removesuffix(': str')}"
        case _:
            text = f"{step.kind} {step.name.removeprefix('main.')}"
    return f"  {_place(step.site, sources):>12}  {'  ' * step.depth}{text}"


def _shown(step: Step, types: TypeTable) -> str:
    if isinstance(step.value, Large):
        return f"({step.value.size:,} elements)"
    assert step.type is not None
    text = value_text(step.type, step.value, types)
    return text.removesuffix(f": {display(step.type)}")


def _place(span: Span | None, sources: dict[str, Source]) -> str:
    if span is None or span == NOWHERE or span.file not in sources:
        return ""
    line, column = sources[span.file].position(span.start)
    return f"{Path(span.file).name.removeprefix('std:')}:{line}:{column}"


def _ending(kernel: Kernel, result: InstanceResult, items: list[Item], sources: dict[str, Source]) -> Iterator[str]:
    yield ""
    if result.state != "ok":
        what = f"trap {result.trap}" if result.state == "trap" else f"fail {value_text(STR, result.message, {})}"
        yield f"ended with {what} at {_place(result.site, sources) or 'no place'}"
        return
    yield "outputs"
    yield from _outputs(kernel.outputs, items, kernel.types)


def _outputs(outputs: Sequence[OutputDecl], items: Sequence[Item], types: TypeTable) -> Iterator[str]:
    for number, output in enumerate(outputs):
        own = [item for item in items if item[0] == number]
        found = ItemSet([i[1] for i in own], [i[2] or "" for i in own], [i[3] for i in own])
        yield from _set(output, found, types)


def _verdict(found: FoundInstanceError, *, agrees: bool) -> Iterator[str]:
    yield ""
    if found.recorded is None:
        yield "the journal does not say how it ended"
    elif agrees:
        yield "as recorded, to the bit"
    else:
        fault = found.recorded.fault
        yield "not as recorded" + (f": it ended with {fault.code}: {fault.message}" if fault else "")
