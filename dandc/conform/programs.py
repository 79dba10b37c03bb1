"""The program of an example: its files on disk, its modules checked, and the kernels that make its calls.

A call of an `fn` is made by a synthetic `function` behind the author's text, so that no position moves. All calls of a program
are instances of one kernel, whose arguments arrive as items: a compiler that folded constants would otherwise compute
the answers itself. A second kernel gives the values of arguments and results as they are written.
"""

from pathlib import Path

from dandc.compiler.check import Checked, check
from dandc.compiler.flow import KernelImage
from dandc.compiler.kir import Kernel
from dandc.compiler.kir_walk import walk
from dandc.compiler.lower import lower_kernel
from dandc.conform.chapters import Example
from dandc.conform.commands import At, Call
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen
from dandc.loader import ROOT, load

VALUES = "conform_values__"
CALLS = "conform_calls__"
_FILE = "main.dnd"


class ExampleError(Exception):
    """The commands of an example cannot be carried out; the text says why."""


@frozen
class Checkup:
    """A checked program. `folder` is where its files are."""

    folder: Path
    sources: dict[str, Source]
    checked: Checked
    diagnostics: tuple[Diagnostic, ...]

    def at(self, span: Span | None) -> At | None:
        """The place of a span as commands write it."""
        if span is None or span.file not in self.sources:
            return None
        source = self.sources[span.file]
        own = str(self.folder / _FILE)
        name = "" if span.file == own else span.file.removeprefix(f"{self.folder}/")
        return At(*source.position(span.start), *source.position(span.end), name)

    @property
    def text(self) -> str:
        """The text of the program's own file."""
        return self.sources[str(self.folder / _FILE)].text


def check_example(example: Example, folder: Path, *, text: str | None = None, more: str = "") -> Checkup:
    """Write the files of `example` into `folder` and check them; `more` follows the text (by default the example's)."""
    folder.mkdir(exist_ok=True)
    main = folder / _FILE
    for name, content in ((_FILE, (example.text if text is None else text) + more), *example.files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    loaded = load(main)
    checked = check(loaded.modules, ROOT, loaded.diagnostics)
    return Checkup(folder, loaded.sources, checked, (*loaded.diagnostics, *checked.diagnostics))


def lower(checkup: Checkup, name: str) -> Kernel:
    """The kernel `name` of a program without mistakes."""
    checked = checkup.checked
    return lower_kernel(checked.world, checked.kernels[name], checked.facts[name].captures, checked.root)


def sites(kernel: Kernel) -> tuple[Span, ...]:
    """Where instructions of the kernel stand: what site numbers of the interpreter mean."""
    return tuple(dict.fromkeys(i.site for function in kernel.functions for i in walk(function.body)))


def interpreted(kernel: Kernel) -> KernelImage:
    """The kernel without an image, for the interpreter's placement."""
    return KernelImage(kernel.name, kernel.params, kernel.outputs, sites(kernel), b"")


# Calls.


@frozen
class Signature:
    """Types of an `fn` as its author wrote them."""

    params: tuple[str, ...]
    result: str


def signature(checkup: Checkup, call: Call) -> Signature:
    """The signature of what `call` calls; raises `ExampleError` if it cannot be called with plain values."""
    item = next((i for i in _items(checkup) if isinstance(i, tree.FnItem) and i.name.text == call.fn.strip("`")), None)
    if item is None:
        raise ExampleError(f"the program has no `fn {call.fn}`")
    if item.type_params or any(p.inout or isinstance(p.type, tree.FnType | tree.OptionalType) for p in item.params):
        raise ExampleError(
            f"`{call.fn}` is generic, or has `inout`, function or optional parameters: wrap it in an `fn`"
        )
    if item.result is None:
        raise ExampleError(f"`{call.fn}` gives no value")
    text = checkup.text
    if len(call.args) > len(item.params):
        raise ExampleError(f"`{call.fn}` has {len(item.params)} parameters")
    given = item.params[: len(call.args)]
    return Signature(tuple(_slice(text, p.type) for p in given), _slice(text, item.result))


def _items(checkup: Checkup) -> tuple[tree.Item, ...]:
    return checkup.checked.world.scopes[ROOT].module.tree.items


def _slice(text: str, node: tree.TypeExpr) -> str:
    return text[node.span.start : node.span.end]


def call_functions(calls: tuple[Call, ...], signatures: tuple[Signature, ...], wanted: dict[int, str]) -> str:
    """The text of the two synthetic functions; `wanted` has the expected values of calls that have one."""
    values, params, outputs, given, branches = [], ["conform_index__: i64"], [], [], []
    for i, (call, types) in enumerate(zip(calls, signatures, strict=True)):
        names = [f"a{i}_{k}" for k in range(len(call.args))]
        given += [f"{name}: {t}" for name, t in zip(names, types.params, strict=True)]
        values += [f"emit {name} <- {arg};" for name, arg in zip(names, call.args, strict=True)]
        params += [f"{name}: optional {t}" for name, t in zip(names, types.params, strict=True)]
        outputs.append(f"r{i}: set[{types.result}]")
        passed = ", ".join(f"{name}?" for name in names)
        branches.append(f"if conform_index__ == {i} {{ emit r{i} <- {call.fn}({passed}); }}")
        if i in wanted:
            given.append(f"w{i}: {types.result}")
            values.append(f"emit w{i} <- {wanted[i]};")
    lines = [
        f"function {VALUES}() => ({', '.join(given)}) {{",
        *values,
        "}",
        f"function {CALLS}({', '.join(params)}) => ({', '.join(outputs)}) {{",
        *branches,
        "}",
    ]
    return "\n".join(lines) + "\n"
