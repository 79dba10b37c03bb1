"""An upstream module as a `.dnd` program with the same meaning, less upstream's defects.

Everything that upstream does in silence is written out: sets that are crossed because nobody joined them, calls that are
skipped because a set is empty (`on empty (x) skip`), sets that count as not given when they are empty (`on empty (x) keep`),
parameters that get nothing. A function that nothing is bound to becomes one that fails and says so.
"""

from collections.abc import Iterator, Mapping

from attrs import define, field

from dandc.lang.lexing import RESERVED
from dandc.lang.tree import Name
from dandc.lang.upstream.tree import Application, Argument, Composition, Declaration, Module
from dandc.lang.values import frozen

KEY = "u32"
_ITEMS = f"set[{KEY} => bytes]"
# Upstream's own function, under the names of its sets now and at the time of its paper.
HTTP: dict[tuple[str, ...], tuple[str, ...]] = {
    ("requests",): ("headers", "bodies"),
    ("request",): ("response", "body"),
}


@frozen
class BoundPort:
    """A parameter or output of a bound function: `kind` is `set`, `one` or `optional`; key and item are types as text."""

    name: str
    kind: str
    key: str | None
    item: str


@frozen
class Binding:
    """What a declared function stands for: a path in the program, its ports, and the import that it needs."""

    path: str
    imports: tuple[str, ...]
    inputs: tuple[BoundPort, ...]
    outputs: tuple[BoundPort, ...]


def is_http(declaration: Declaration) -> bool:
    """Whether a declaration is of upstream's built-in `HTTP`."""
    names = tuple(name.text for name in declaration.inputs)
    return declaration.name.text == "HTTP" and HTTP.get(names) == tuple(n.text for n in declaration.outputs)


def translate(module: Module, bindings: Mapping[str, Binding], title: str) -> str:
    """The program as text, not yet in the style of the formatter. The module has no mistakes."""
    return _Translation(module, bindings, title).text()


@define
class _Translation:
    module: Module
    bindings: Mapping[str, Binding]
    title: str
    declared: dict[str, Declaration] = field(init=False)
    taken: set[str] = field(init=False)
    nothing: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.declared = {i.name.text: i for i in self.module.items if isinstance(i, Declaration)}
        self.taken = {i.name.text for i in self.module.items} | {"upstream", "http"}
        self.nothing = self.fresh("nothing")

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
        if any(f"{self.nothing}(" in body for body in bodies):
            parts.append(f"/// No items.\nfunction {self.nothing}() => (items: {_ITEMS}) {{ }}")
        return "\n\n".join([*parts, *bodies]) + "\n"

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
        inputs = ", ".join(f"{_name(n)}: {_ITEMS}" for n in declaration.inputs)
        outputs = ", ".join(f"{_name(n)}: {_ITEMS}" for n in declaration.outputs)
        why = f"nothing is bound to the function {name}"
        return f'/// Declared by the source; its code is bound when the source is translated.\nfunction {_name(declaration.name)}({inputs}) => ({outputs}) {{ fail "{why}"; }}'

    def composition(self, item: Composition) -> str:
        """One composition."""
        sets = _Sets(self, item)
        inputs = ", ".join(f"{_name(n)}: {sets.shown(n.text)}" for n in item.inputs)
        outputs = ", ".join(f"{_name(n)}: {sets.shown(n.text)}" for n in item.outputs)
        lines = [self.application(a, sets) for a in item.applications]
        lines += [f"{_name(n)} = {self.nothing}();" for n in item.outputs if n.text not in sets.known]
        return f"composition {_name(item.name)}({inputs}) => ({outputs}) {{\n" + "\n".join(lines) + "\n}"

    def application(self, application: Application, sets: "_Sets") -> str:
        """One statement."""
        declaration = self.declared[application.function.text]
        results = {r.output.text: r.set for r in application.results}
        targets = [_name(results[o.text]) if o.text in results else sets.fresh(o.text) for o in declaration.outputs]
        given = {a.parameter.text: a for a in application.arguments}
        path, names = self.callee(declaration)
        arguments = [self.argument(name, given.get(p.text)) for p, name in zip(declaration.inputs, names, strict=True)]
        renamed = {p.text: name for p, name in zip(declaration.inputs, names, strict=True)}
        call = f"{path}({', '.join(arguments)}){_meeting(application, renamed)}{_on_empty(application, renamed)}"
        return f"{', '.join(targets)} = {call};" if targets else f"{call};"

    def callee(self, declaration: Declaration) -> tuple[str, list[str]]:
        """What is called, and what its parameters are called there."""
        bound = self.bindings.get(declaration.name.text)
        if bound is not None:
            return bound.path, [_quoted(p.name) for p in bound.inputs]
        if is_http(declaration):
            return "upstream.exchange", ["request"]
        return _name(declaration.name), [_name(n) for n in declaration.inputs]

    def argument(self, name: str, given: Argument | None) -> str:
        """`name: shard set`."""
        if given is None:
            return f"{name}: all {self.nothing}()"
        return f"{name}: {given.shard} {_name(given.set)}"


@define
class _Sets:
    """The sets of one composition: their names, and their types as far as bindings say them."""

    translation: _Translation
    item: Composition
    known: set[str] = field(init=False)
    taken: set[str] = field(init=False)
    types: dict[str, tuple[str | None, str]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        made = {r.set.text for a in self.item.applications for r in a.results}
        self.known = made | {n.text for n in self.item.inputs}
        self.taken = self.known | {n.text for n in self.item.outputs} | self.translation.taken
        for application in self.item.applications:
            self.learn(application)

    def fresh(self, name: str) -> str:
        """A name for an output that nobody reads."""
        name = f"unused_{name}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def learn(self, application: Application) -> None:
        """Take the types of bound ports for the sets that meet them."""
        declaration = self.translation.declared[application.function.text]
        bound = self.translation.bindings.get(application.function.text)
        if bound is None:
            return
        ports = dict(zip((n.text for n in declaration.outputs), bound.outputs, strict=True))
        inputs = dict(zip((n.text for n in declaration.inputs), bound.inputs, strict=True))
        for result in application.results:
            port = ports[result.output.text]
            self.types[result.set.text] = (port.key or KEY, port.item)
        for argument in application.arguments:
            port = inputs[argument.parameter.text]
            self.types.setdefault(argument.set.text, (port.key or KEY, port.item))

    def shown(self, name: str) -> str:
        """The type of a set as it is written."""
        key, item = self.types.get(name, (KEY, "bytes"))
        return f"set[{key} => {item}]"


_GROUPED = ("keyed", "anyKeyed")


def _meeting(application: Application, renamed: Mapping[str, str]) -> str:
    """How the sharded arguments meet: what the source joins, and then what upstream crosses without a word.

    Its order: keyed sets that are joined, other keyed ones, anyKeyed ones that are joined, and the rest as the parameters stand.
    """
    sharded = [a.parameter.text for a in application.arguments if a.shard != "all"]
    if len(sharded) < 2:
        return ""
    shards = {a.parameter.text: a.shard for a in application.arguments}
    chain = application.chain if len(application.chain) > 1 else ()
    joined = [step.parameter.text for step in chain]
    others = [p for p in sharded if p not in joined]
    keyed = [p for p in others if shards[p] == "keyed"]
    order: list[tuple[str, str]] = [("cross", p) for p in keyed]
    steps = [(step.strategy, step.parameter.text) for step in chain]
    first_keyed = bool(steps) and shards[joined[0]] == "keyed"
    steps = [("cross", steps[0][1]), *steps[1:]] if steps else []
    order = [*steps, *order] if first_keyed else [*order, *steps]
    order += [("cross", p) for p in others if p not in keyed]
    (_, first), *rest = order
    if all(strategy == "cross" for strategy, _ in rest) and [first, *(p for _, p in rest)] == sharded:
        return " cross"
    return f" by {renamed[first]}" + "".join(f" {strategy} {renamed[p]}" for strategy, p in rest)


def _on_empty(application: Application, renamed: Mapping[str, str]) -> str:
    """What becomes of the call when one of its sets has no items."""
    skip = [renamed[a.parameter.text] for a in application.arguments if not a.optional]
    keep = [renamed[a.parameter.text] for a in application.arguments if a.optional and a.shard != "all"]
    return "".join(
        f" on empty ({', '.join(names)}) {word}" for names, word in ((skip, "skip"), (keep, "keep")) if names
    )


def _quoted(text: str) -> str:
    return f"`{text}`" if text in RESERVED else text


def _name(name: Name) -> str:
    return _quoted(name.text)
