"""An upstream module as a `.dnd` program with the same meaning, less upstream's defects.

Everything that upstream does in silence is written out: sets that are crossed because nobody joined them, calls that are
skipped because a set is empty (`on empty (x) skip`), sets that count as not given when they are empty (`on empty (x) keep`),
parameters that get nothing. A function that nothing is bound to becomes one that fails and says so.
"""

from collections.abc import Iterator, Mapping

from attrs import define, field

from dandc.lang.diagnostics import Diagnostic
from dandc.lang.lexing import RESERVED
from dandc.lang.tree import Name
from dandc.lang.upstream.sets import DEFAULT, Binding, BoundPort, Call, Held, Sets, is_http, ports
from dandc.lang.upstream.tree import Application, Argument, Composition, Declaration, Module


def translate(module: Module, bindings: Mapping[str, Binding], title: str) -> str:
    """The program as text, not yet in the style of the formatter. The module has no mistakes, and its sets fit."""
    return _Translation(module, bindings, title).text()


def misfits(module: Module, bindings: Mapping[str, Binding]) -> list[Diagnostic]:
    """Where sets do not fit the functions that are bound. The module has no other mistakes."""
    declared = {i.name.text: i for i in module.items if isinstance(i, Declaration)}
    compositions = [i for i in module.items if isinstance(i, Composition)]
    return [d for item in compositions for d in Sets(item, declared, bindings).misfits]


@define
class _Translation:
    module: Module
    bindings: Mapping[str, Binding]
    title: str
    declared: dict[str, Declaration] = field(init=False)
    taken: set[str] = field(init=False)
    nothing: dict[str, str] = field(factory=dict)  # functions that give no items, by the types of their outputs

    def __attrs_post_init__(self) -> None:
        self.declared = {i.name.text: i for i in self.module.items if isinstance(i, Declaration)}
        self.taken = {i.name.text for i in self.module.items} | {"upstream", "http"}

    def fresh(self, name: str) -> str:
        """A name for the whole file that nothing has yet."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def text(self) -> str:
        """All items, in an order for readers."""
        compositions = [i for i in self.module.items if isinstance(i, Composition)]
        bodies = [self.composition(item) for item in compositions]
        parts = [f"//! Translated from {self.title}.", *self.head()]
        parts += [self.unbound(d) for d in self.declared.values() if not self.found(d)]
        parts += [f"/// No items.\nfunction {n}() => (items: {shown}) {{ }}" for shown, n in self.nothing.items()]
        return "\n\n".join([*parts, *bodies]) + "\n"

    def no_items(self, shown: str) -> str:
        """A call that gives an empty set of a type."""
        if shown not in self.nothing:
            self.nothing[shown] = self.fresh("nothing")
        return f"{self.nothing[shown]}()"

    def found(self, declaration: Declaration) -> bool:
        """Whether something stands for a declared function."""
        return declaration.name.text in self.bindings or is_http(declaration)

    def head(self) -> Iterator[str]:
        """Imports, and the endpoint that requests go to."""
        used = {name: bound for name, bound in self.bindings.items() if name in self.declared}
        imports = {line for bound in used.values() for line in bound.imports}
        http = [d for d in self.declared.values() if is_http(d) and d.name.text not in self.bindings]
        if http:
            imports.add("import upstream;")
        sends = any(line.startswith("import upstream") for line in imports)
        if sends:
            imports.add("import http;")
        if imports:
            yield "\n".join(sorted(imports))
        if sends:
            url, endpoint = self.fresh("http_url"), self.fresh("http_endpoint")
            yield f"/// Requests may go to this address and below it.\nconfig {url}: str;\nendpoint {endpoint} = http({url});"

    def unbound(self, declaration: Declaration) -> str:
        """A function of which only the name is known."""
        name = declaration.name.text
        inputs = ", ".join(f"{_name(n)}: {DEFAULT.shown}" for n in declaration.inputs)
        outputs = ", ".join(f"{_name(n)}: {DEFAULT.shown}" for n in declaration.outputs)
        why = f"nothing is bound to the function {name}"
        return f'/// Declared by the source; its code is bound when the source is translated.\nfunction {_name(declaration.name)}({inputs}) => ({outputs}) {{ fail "{why}"; }}'

    def composition(self, item: Composition) -> str:
        """One composition."""
        sets = Sets(item, self.declared, self.bindings)
        names = _Names(self.taken, item)
        inputs = ", ".join(f"{_name(n)}: {_shown(sets, n)}" for n in item.inputs)
        outputs = ", ".join(f"{_name(n)}: {_shown(sets, n)}" for n in item.outputs)
        lines = [self.application(a, sets.calls[i], names) for i, a in enumerate(item.applications)]
        lines += [f"{_name(n)} = {self.no_items(DEFAULT.shown)};" for n in item.outputs if n.text not in names.known]
        return f"composition {_name(item.name)}({inputs}) => ({outputs}) {{\n" + "\n".join(lines) + "\n}"

    def application(self, application: Application, call: Call, names: "_Names") -> str:
        """One statement."""
        declaration = self.declared[application.function.text]
        results = {r.output.text: r.set for r in application.results}
        targets = [_name(results[o.text]) if o.text in results else names.fresh(o.text) for o in declaration.outputs]
        given = {a.parameter.text: a for a in application.arguments}
        path, renamed, takes = self.callee(declaration)
        parts = [self.argument(n, given.get(p), call.shards.get(p, ""), takes[p]) for p, n in renamed.items()]
        arguments = ", ".join(part for part in parts if part)
        text = f"{path}({arguments}){_meeting(call, renamed)}{_on_empty(application, call, renamed)}"
        return f"{', '.join(targets)} = {text};" if targets else f"{text};"

    def callee(self, declaration: Declaration) -> tuple[str, dict[str, str], dict[str, BoundPort]]:
        """What is called; by declared parameters, what they are called there and what they take."""
        bound = self.bindings.get(declaration.name.text)
        inputs, _ = ports(declaration, bound)
        if bound is not None:
            return bound.path, {p: _quoted(port.name) for p, port in inputs.items()}, inputs
        if is_http(declaration):
            return "upstream.exchange", dict.fromkeys(inputs, "request"), inputs
        return _name(declaration.name), {p: _quoted(p) for p in inputs}, inputs

    def argument(self, name: str, given: Argument | None, shard: str, port: BoundPort) -> str:
        """`name: shard set`; nothing for an item that may be left out and is."""
        if given is not None:
            return f"{name}: {shard} {_name(given.set)}" if shard else f"{name}: {_name(given.set)}"
        return f"{name}: all {self.no_items(port.shown)}" if port.kind == "set" else ""


@define
class _Names:
    """The names of the sets of one composition."""

    outside: set[str]
    item: Composition
    known: set[str] = field(init=False)
    taken: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        made = {r.set.text for a in self.item.applications for r in a.results}
        self.known = made | {n.text for n in self.item.inputs}
        self.taken = self.known | {n.text for n in self.item.outputs} | self.outside

    def fresh(self, name: str) -> str:
        """A name for an output that nobody reads."""
        name = f"unused_{name}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


def _shown(sets: Sets, name: Name) -> str:
    held: Held | None = sets.types.get(name.text, DEFAULT)
    return (held or DEFAULT).shown


def _meeting(call: Call, renamed: Mapping[str, str]) -> str:
    """How the sharded arguments meet."""
    if len(call.order) < 2:
        return ""
    (_, first), *rest = call.order
    sharded = [p for p, shard in call.shards.items() if shard not in ("all", "")]
    if all(strategy == "cross" for strategy, _ in rest) and [p for _, p in call.order] == sharded:
        return " cross"
    return f" by {renamed[first]}" + "".join(f" {strategy} {renamed[p]}" for strategy, p in rest)


def _on_empty(application: Application, call: Call, renamed: Mapping[str, str]) -> str:
    """What becomes of the call when one of its sets has no items; without its one item no call runs anyway."""
    shards = call.shards
    skip = [renamed[p] for a in application.arguments if shards[p := a.parameter.text] and not a.optional]
    keep = [
        renamed[p] for a in application.arguments if shards[p := a.parameter.text] not in ("all", "") and a.optional
    ]
    return "".join(
        f" on empty ({', '.join(names)}) {word}" for names, word in ((skip, "skip"), (keep, "keep")) if names
    )


def _quoted(text: str) -> str:
    return f"`{text}`" if text in RESERVED else text


def _name(name: Name) -> str:
    return _quoted(name.text)
