"""Files in upstream's composition language: their functions bound to modules, and the whole translated to `.dnd`.

`lang/upstream` reads and translates text; this module reads the files that bindings name. A binding `F=module.function`
takes the public function, communication function or composition of `module.dnd` beside the source, or of the standard library.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dandc.compiler.check.suggest import nearest
from dandc.files import read_source
from dandc.lang import Diagnostic, DiagnosticError, Source, parse, tree
from dandc.lang.format import format_source
from dandc.lang.upstream import (
    Binding,
    BoundPort,
    Composition,
    Declaration,
    Module,
    is_http,
    misfits,
    mistakes,
    translate,
)
from dandc.lang.upstream import parse as parse_upstream

_BUILT_IN = {
    "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "str", "bytes", "secret", "array", "map",
    "option", "result", "Failure",
}  # fmt: skip
_CALLABLE = tree.FunctionItem | tree.CommunicationItem | tree.CompositionItem


def translated(source: Source, folder: Path, bind: Sequence[tuple[str, str]]) -> tuple[Source, tuple[Diagnostic, ...]]:
    """The program as `.dnd` text in the style of the language, and warnings; raises `DiagnosticError`.

    `folder` is where the modules of `bind` (pairs of a function's name and `module.function`) stand.
    """
    module = parse_upstream(source)
    found = mistakes(module, nearest)
    if any(d.severity == "error" for d in found):
        raise DiagnosticError(*found)
    found += _strange_http(module, bind)
    bindings = _bindings(module, folder, bind)
    wrong = misfits(module, bindings)
    if wrong:
        raise DiagnosticError(*wrong)
    text = translate(module, bindings, f"`{Path(source.file).name}`")
    program = Source(f"{source.file} as .dnd", text)
    formatted = format_source(program)
    if not isinstance(formatted, str):
        raise DiagnosticError(*formatted)
    return Source(program.file, formatted), tuple(found)


def _strange_http(module: Module, bind: Sequence[tuple[str, str]]) -> list[Diagnostic]:
    """A warning for a function that is called like upstream's own and is none."""
    if any(name == "HTTP" for name, _ in bind):
        return []
    message = "`HTTP` has other sets than upstream's own: it is a function that nothing is bound to"
    note = "upstream's own is `function HTTP(requests) => (headers, bodies);`"
    return [
        Diagnostic("I1011", message, i.name.span, "fails when it is called", notes=(note,), severity="warning")
        for i in module.items
        if isinstance(i, Declaration) and i.name.text == "HTTP" and not is_http(i)
    ][:1]


def _bindings(module: Module, folder: Path, bind: Sequence[tuple[str, str]]) -> dict[str, Binding]:
    declared = {item.name.text: item for item in module.items if isinstance(item, Declaration)}
    own = [item.name.text for item in module.items if isinstance(item, Composition)]
    bindings: dict[str, Binding] = {}
    for name, target in bind:
        if name not in declared:
            near = nearest(name, declared)
            hint = f"; did you mean `{near}`?" if near else ""
            raise _unbound(f"the source declares no function `{name}`{hint}")
        bindings[name] = _binding(declared[name], target, folder, {*declared, *own})
    return bindings


def _unbound(message: str) -> DiagnosticError:
    return DiagnosticError(Diagnostic("I1009", message, None))


def _binding(declaration: Declaration, target: str, folder: Path, taken: set[str]) -> Binding:
    """What `target` declares, held against the declaration: as many sets, under the same names."""
    path, dot, function = target.rpartition(".")
    if not dot or not path or not function.isidentifier():
        raise _unbound(f"`{target[:80]}` is not written module.function")
    module, line, alias = _module(path, folder, taken)
    item = next((i for i in module.items if isinstance(i, _CALLABLE) and i.name.text == function and i.public), None)
    if item is None:
        known = [i.name.text for i in module.items if isinstance(i, _CALLABLE) and i.public]
        shown = ", ".join(f"`{name}`" for name in known) or "none"
        raise _unbound(f"`{path}` has no public function `{function}`; it has: {shown}")
    name = declaration.name.text
    for what, due, got in (("inputs", declaration.inputs, item.params), ("outputs", declaration.outputs, item.outputs)):
        wanted, given = [n.text for n in due], [p.name.text for p in got]
        if wanted != given:
            shown, there = ", ".join(wanted) or "none", ", ".join(given) or "none"
            raise _unbound(f"`{name}` and `{target}` do not have the same {what}: {shown} here, {there} there")
    imports = {i.path: i for i in module.items if isinstance(i, tree.ImportItem) and not i.relative}
    ports = _Ports(alias, imports)
    inputs, outputs = tuple(map(ports.port, item.params)), tuple(map(ports.port, item.outputs))
    return Binding(f"{alias}.{function}", (line, *sorted(ports.needed)), inputs, outputs)


def _module(path: str, folder: Path, taken: set[str]) -> tuple[tree.Module, str, str]:
    """The tree of a module, the import that brings it in, and its name there."""
    from dandc.loader import source_text

    stem = path.rpartition("/")[2]
    alias = stem if stem not in taken else f"{stem}_functions"
    renamed = f" as {alias}" if alias != stem else ""
    file = folder / f"{path}.dnd"
    standard = source_text(f"std:{path}") if path.isidentifier() else None
    if standard is not None and not file.exists():
        return parse(standard).module, f"import {path}{renamed};", alias
    if not stem.isidentifier():
        raise _unbound(f"`{stem[:80]}` is no name for a module")
    source, _ = read_source(file, str(file))
    parsed = parse(source)
    if any(d.severity == "error" for d in parsed.diagnostics):
        raise DiagnosticError(*parsed.diagnostics)
    return parsed.module, f'import "{path}.dnd"{renamed};', alias


class _Ports:
    """Ports of a bound function with their types as text, as another module writes them."""

    def __init__(self, alias: str, imports: Mapping[str, tree.ImportItem]) -> None:
        self._alias = alias
        self._imports = imports
        self.needed: set[str] = set()

    def port(self, port: tree.Port) -> BoundPort:
        """One port."""
        match port.type:
            case tree.SetType(key=key, item=item):
                return BoundPort(port.name.text, "set", None if key is None else self.text(key), self.text(item))
            case tree.OptionalType(item=item):
                return BoundPort(port.name.text, "optional", None, self.text(item))
        return BoundPort(port.name.text, "one", None, self.text(port.type))

    def text(self, t: tree.TypeExpr) -> str:
        """A type. Names of the bound module are qualified; modules that it imports are imported too."""
        match t:
            case tree.NamedType(path=path, args=args):
                names = [name.text for name in path]
                if len(names) == 1 and names[0] not in _BUILT_IN:
                    names.insert(0, self._alias)
                elif len(names) > 1 and names[0] in self._imports:
                    self.needed.add(f"import {names[0]};")
                inner = ", ".join(map(self.text, args))
                return ".".join(names) + (f"[{inner}]" if args else "")
            case tree.TupleType(items=items):
                return f"({', '.join(map(self.text, items))})"
        raise _unbound("a bound function takes a type that cannot be written elsewhere")
