"""What the sets of a translated composition hold, and how each call takes them, as far as bound functions say it.

The types of inputs come from whoever takes them; all else follows calls: what a bound function gives, under the sharding of that
call, has the key that the function says, or the key of the instance, or none. Where a set does not fit what takes it, the
diagnostic has its place in the source and not in the translation (I1012).
"""

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from attrs import define, field

from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Span
from dandc.lang.upstream.tree import Application, Argument, Composition, Declaration
from dandc.lang.values import frozen

KEY, BYTES = "u32", "bytes"
# Upstream's own function, under the names of its sets now and at the time of its paper.
HTTP: dict[tuple[str, ...], tuple[str, ...]] = {
    ("requests",): ("headers", "bodies"),
    ("request",): ("response", "body"),
}
_BY_KEY = ("keyed", "anyKeyed")


@frozen
class BoundPort:
    """A parameter or output of a bound function: `kind` is `set`, `one` or `optional`; key and item are types as text."""

    name: str
    kind: str
    key: str | None
    item: str

    @property
    def shown(self) -> str:
        """The type as it is written."""
        return {"set": f"set[{_held(self.key, self.item)}]", "optional": f"optional {self.item}"}.get(
            self.kind, self.item
        )


@frozen
class Binding:
    """What a declared function stands for: a path in the program, its ports, and the import that it needs."""

    path: str
    imports: tuple[str, ...]
    inputs: tuple[BoundPort, ...]
    outputs: tuple[BoundPort, ...]


@frozen
class Held:
    """What a set holds: any number of items with keys or without, or one item at most."""

    key: str | None
    item: str
    many: bool = True

    @property
    def shown(self) -> str:
        """The type as a composition writes it."""
        return f"set[{_held(self.key, self.item)}]"


DEFAULT = Held(KEY, BYTES)


@frozen
class Call:
    """How one application is written: the sharding of each parameter, and how the sharded ones meet.

    `shards` is by the declared parameters that are given: "" passes the one item that there is. `order` holds the sharded
    parameters with their strategies, of which the first says nothing.
    """

    shards: Mapping[str, str]
    order: tuple[tuple[str, str], ...]


def is_http(declaration: Declaration) -> bool:
    """Whether a declaration is of upstream's built-in `HTTP`."""
    names = tuple(name.text for name in declaration.inputs)
    return declaration.name.text == "HTTP" and HTTP.get(names) == tuple(n.text for n in declaration.outputs)


def ports(declaration: Declaration, binding: Binding | None) -> tuple[dict[str, BoundPort], dict[str, BoundPort]]:
    """Inputs and outputs of whatever stands for a declared function, by the declared names."""
    inputs, outputs = ([n.text for n in names] for names in (declaration.inputs, declaration.outputs))
    if binding is not None:
        return dict(zip(inputs, binding.inputs, strict=True)), dict(zip(outputs, binding.outputs, strict=True))
    kind, key = ("one", None) if is_http(declaration) else ("set", KEY)
    return ({n: BoundPort(n, kind, key, BYTES) for n in inputs}, {n: BoundPort(n, kind, key, BYTES) for n in outputs})


@define
class Sets:
    """The sets of one composition by name, its calls in the order of the text, and what does not fit."""

    item: Composition
    declared: Mapping[str, Declaration]
    bindings: Mapping[str, Binding]
    types: dict[str, Held | None] = field(factory=dict)  # None: what makes it is wrong already
    calls: dict[int, Call] = field(factory=dict)
    misfits: list[Diagnostic] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        inputs = {n.text for n in self.item.inputs}
        self.types.update({name: self._taken(name) for name in sorted(inputs)})
        made = {r.set.text: i for i, a in enumerate(self.item.applications) for r in a.results}
        needs = {
            i: {made[g.set.text] for g in a.arguments if g.set.text in made and g.set.text not in inputs}
            for i, a in enumerate(self.item.applications)
        }
        for number in TopologicalSorter(needs).static_order():
            self._call(number, self.item.applications[number])
        self.misfits.sort(key=lambda d: d.span.start if d.span is not None else 0)

    def _ports(self, application: Application) -> tuple[dict[str, BoundPort], dict[str, BoundPort]]:
        name = application.function.text
        return ports(self.declared[name], self.bindings.get(name))

    def _taken(self, name: str) -> Held:
        """What an input holds: what bound functions take, the first that says keys among them."""
        takers = [
            self._ports(a)[0][g.parameter.text]
            for a in self.item.applications
            for g in a.arguments
            if g.set.text == name and a.function.text in self.bindings
        ]
        if not takers:
            return DEFAULT
        return Held(next((p.key for p in takers if p.key is not None), KEY), takers[0].item)

    def _call(self, number: int, application: Application) -> None:
        inputs, outputs = self._ports(application)
        found = list(self._problems(application, inputs))
        self.misfits += found
        known = all(self.types[g.set.text] is not None for g in application.arguments)
        shards = {g.parameter.text: self._shard(application, g, inputs) for g in application.arguments}
        order = _order(application, shards)
        self.calls[number] = Call(shards, order)
        key = self._key(application, shards, order)
        for result in application.results:
            port = outputs[result.output.text]
            held = Held(port.key or key, port.item, many=port.kind == "set" or bool(order))
            self.types[result.set.text] = held if known and not found else None

    def _shard(self, application: Application, given: Argument, inputs: Mapping[str, BoundPort]) -> str:
        """The sharding of an argument here: of one item there is nothing to divide, and requests are sent one by one."""
        held, whole = self.types[given.set.text], inputs[given.parameter.text].kind == "set"
        if held is not None and not held.many:
            return "all" if whole else ""
        name = application.function.text
        return "each" if name not in self.bindings and is_http(self.declared[name]) else given.shard

    def _key(
        self, application: Application, shards: Mapping[str, str], order: tuple[tuple[str, str], ...]
    ) -> str | None:
        """The key of the instances: that of all parts that are crossed; groups that the machine chooses have none."""
        sets = {g.parameter.text: self.types[g.set.text] for g in application.arguments}
        keys = []
        for i, (strategy, parameter) in enumerate(order):
            held = sets[parameter]
            if shards[parameter] in ("each", "keyed") and held is not None and (i == 0 or strategy == "cross"):
                keys += [held.key] if held.key is not None else []
        return f"({', '.join(keys)})" if len(keys) > 1 else next(iter(keys), None)

    def _problems(self, application: Application, inputs: Mapping[str, BoundPort]) -> Iterator[Diagnostic]:
        name = application.function.text
        given = {a.parameter.text for a in application.arguments}
        for parameter, port in inputs.items():
            if port.kind == "one" and parameter not in given:
                message = f"`{parameter}` takes one item of type `{port.item}`, and no set is given to it"
                yield self._misfit(message, name, application.function.span, f"`{parameter}` gets nothing")
        for argument in application.arguments:
            held, port = self.types[argument.set.text], inputs[argument.parameter.text]
            shard = self._shard(application, argument, inputs)
            problem = None if held is None else _problem(argument, held, port, shard)
            if problem is not None:
                yield self._misfit(problem[0], name, argument.span, problem[1])

    def _misfit(self, message: str, name: str, span: Span, label: str) -> Diagnostic:
        bound = self.bindings.get(name)
        note = f"`{name}` is bound to `{bound.path}`" if bound is not None else f"nothing is bound to `{name}`"
        if bound is None and is_http(self.declared[name]):
            note = f"`{name}` is upstream's own: it takes one request as `{BYTES}` an instance"
        return Diagnostic("I1012", message, span, label, notes=(note,))


def _problem(given: Argument, held: Held, port: BoundPort, shard: str) -> tuple[str, str] | None:
    """Why a set does not fit a parameter: message and label."""
    parameter, name = given.parameter.text, given.set.text
    if held.item != port.item:
        message = f"`{parameter}` takes items of type `{port.item}`, but those of `{name}` are `{held.item}`"
        return message, f"items are `{held.item}`"
    if given.shard in _BY_KEY and held.key is None:
        return f"`{given.shard}` needs keys, and what makes `{name}` gives none", "has no keys"
    if port.kind != "set" and shard not in ("each", ""):
        return f"`{parameter}` takes one item, but `{shard}` passes a set", f"`each {name}` passes items"
    if port.kind == "optional" and shard == "" and not given.optional:
        message = f"`{parameter}` may be left out, so the call would not be skipped when `{name}` is empty"
        return message, f"`optional {given.shard} {name}` says so"
    if port.key is not None and port.key != held.key:
        label = "has no keys" if held.key is None else f"keys are `{held.key}`"
        return f"`{parameter}` takes keys of type `{port.key}`", label
    return None


def _order(application: Application, shards: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The sharded parameters: what the source joins, and then what upstream crosses without a word.

    Its order: keyed sets that are joined, other keyed ones, anyKeyed ones that are joined, and the rest as the parameters stand.
    """
    sharded = [p for p, shard in shards.items() if shard not in ("all", "")]
    chain = application.chain if len(application.chain) > 1 else ()
    steps = [(s.strategy, s.parameter.text) for s in chain if s.parameter.text in sharded]
    joined = [parameter for _, parameter in steps]
    others = [p for p in sharded if p not in joined]
    keyed = [("cross", p) for p in others if shards[p] == "keyed"]
    first_keyed = bool(steps) and shards[joined[0]] == "keyed"
    steps = [("cross", steps[0][1]), *steps[1:]] if steps else []
    rest = [("cross", p) for p in others if shards[p] != "keyed"]
    return (*steps, *keyed, *rest) if first_keyed else (*keyed, *steps, *rest)


def _held(key: str | None, item: str) -> str:
    return item if key is None else f"{key} => {item}"
