"""What is wrong with an upstream module by upstream's own rules, and by those that it forgot.

Upstream accepts some mistakes in silence or falls over them: a parameter given twice, one output made twice, circles. Here
each is a diagnostic. An output that nothing makes stays legal, since such sources run: it is a warning.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span
from dandc.lang.tree import Name
from dandc.lang.upstream.tree import Application, Composition, Declaration, Module
from dandc.lang.values import frozen

Nearest = Callable[[str, Iterable[str]], str | None]


@frozen
class _Checker:
    found: list[Diagnostic]
    nearest: Nearest

    def mistake(
        self, code: str, message: str, span: Span, label: str, *secondary: Label, severity: str = "error"
    ) -> None:
        self.found.append(Diagnostic(code, message, span, label, secondary, severity=severity))

    def unknown(self, code: str, message: str, name: Name, known: Sequence[str]) -> None:
        near = self.nearest(name.text, known)
        fixes = (Fix(f"did you mean `{near}`?", name.span, near),) if near else ()
        self.found.append(Diagnostic(code, message, name.span, "not known", fixes=fixes))

    def twice(self, code: str, what: str, names: Iterable[Name]) -> None:
        """Report each name that stands there for the second time."""
        first: dict[str, Name] = {}
        for name in names:
            if name.text in first:
                label = Label(first[name.text].span, "first here")
                self.mistake(code, f"{what} `{name.text}` is there twice", name.span, "again", label)
            first.setdefault(name.text, name)


def mistakes(module: Module, nearest: Nearest) -> list[Diagnostic]:
    """Everything that is wrong; `nearest` finds what was probably meant."""
    checker = _Checker([], nearest)
    declared: dict[str, Declaration] = {}
    compositions: dict[str, Composition] = {}
    for item in module.items:
        checker.twice("I1006", "the set", item.inputs)
        checker.twice("I1006", "the set", item.outputs)
        if isinstance(item, Declaration):
            _declaration(checker, item, declared)
        else:
            known = compositions.get(item.name.text) or declared.get(item.name.text)
            if known is not None:
                label = Label(known.name.span, "first here")
                checker.mistake("I1002", f"`{item.name.text}` is declared twice", item.name.span, "again", label)
            compositions.setdefault(item.name.text, item)
            _composition(checker, item, declared)
    return checker.found


def _declaration(checker: _Checker, item: Declaration, declared: dict[str, Declaration]) -> None:
    first = declared.setdefault(item.name.text, item)
    if _texts(first.inputs) != _texts(item.inputs) or _texts(first.outputs) != _texts(item.outputs):
        label = Label(first.name.span, "first here, otherwise")
        checker.mistake("I1002", f"`{item.name.text}` is declared twice", item.name.span, "not the same", label)


def _texts(names: Iterable[Name]) -> list[str]:
    return [name.text for name in names]


def _composition(checker: _Checker, item: Composition, declared: dict[str, Declaration]) -> None:
    inputs = {name.text: name for name in item.inputs}
    made: dict[str, Name] = {}
    for result in (r for application in item.applications for r in application.results):
        first = inputs.get(result.set.text) or made.get(result.set.text)
        if first is not None:
            label = Label(first.span, "first here")
            checker.mistake("I1006", f"the set `{result.set.text}` is made twice", result.set.span, "again", label)
        made.setdefault(result.set.text, result.set)
    known = {*inputs, *made}
    for application in item.applications:
        declaration = declared.get(application.function.text)
        if declaration is None:
            message = f"`{application.function.text}` is not declared before it is used"
            if application.function.text == "HTTP":
                checker.found.append(_http_not_declared(message, application.function, item))
            else:
                checker.unknown("I1003", message, application.function, list(declared))
        else:
            _application(checker, application, declaration)
        for argument in application.arguments:
            if argument.set.text not in known:
                checker.unknown("I1005", f"nothing makes the set `{argument.set.text}`", argument.set, sorted(known))
    for output in item.outputs:
        if output.text not in known:
            message = f"nothing makes the output `{output.text}`: it is always empty"
            checker.mistake("I1010", message, output.span, "declared here", severity="warning")
    for circle in _circles(item):
        way = " -> ".join(f"`{name.text}`" for name in (*circle, circle[0]))
        checker.mistake("I1008", f"these sets need each other: {way}", circle[0].span, "never made")


def _http_not_declared(message: str, name: Name, item: Composition) -> Diagnostic:
    """Upstream's own function is declared like others; the machine knows it by name."""
    start = Span(item.span.file, item.span.start, item.span.start)
    fix = Fix("declare it", start, "function HTTP(requests) => (headers, bodies);\n")
    return Diagnostic("I1003", message, name.span, "not known", fixes=(fix,))


def _application(checker: _Checker, application: Application, declaration: Declaration) -> None:
    name = declaration.name.text
    parameters, outputs = _texts(declaration.inputs), _texts(declaration.outputs)
    for argument in application.arguments:
        if argument.parameter.text not in parameters:
            message = f"`{name}` has no parameter `{argument.parameter.text}`"
            checker.unknown("I1004", message, argument.parameter, parameters)
    for result in application.results:
        if result.output.text not in outputs:
            checker.unknown("I1004", f"`{name}` has no output `{result.output.text}`", result.output, outputs)
    checker.twice("I1006", "the parameter", (a.parameter for a in application.arguments))
    checker.twice("I1006", "the output", (r.output for r in application.results))
    if len(application.chain) > 1:
        _chain(checker, application, parameters)


def _chain(checker: _Checker, application: Application, parameters: list[str]) -> None:
    checker.twice("I1007", "the parameter", (step.parameter for step in application.chain))
    shards = {a.parameter.text: a.shard for a in application.arguments}
    used = set()
    for step in application.chain:
        shard = shards.get(step.parameter.text)
        if shard is None:
            _stranger(checker, application, step.parameter, [p for p in parameters if p in shards])
        elif shard not in ("keyed", "anyKeyed"):
            message = f"`{step.parameter.text}` is passed by `{shard}`, and only keyed sets are joined"
            checker.mistake("I1007", message, step.parameter.span, "no keys to join by")
        else:
            used.add(shard)
    if len(used) > 1:
        message = "`keyed` and `anyKeyed` sets are joined in one chain"
        checker.mistake("I1007", message, application.chain[0].parameter.span, "two sorts of groups")


def _stranger(checker: _Checker, application: Application, name: Name, given: list[str]) -> None:
    """A chain names no parameter: upstream's documentation names the set that is given for one."""
    takers = [a.parameter.text for a in application.arguments if a.set.text == name.text]
    if len(takers) != 1:
        message = f"`by` names `{name.text}`, which is no parameter that is given here"
        checker.unknown("I1007", message, name, given)
        return
    fix = Fix("name the parameter that takes it", name.span, takers[0])
    message = f"`by` names the set `{name.text}`, and it joins parameters"
    checker.found.append(Diagnostic("I1007", message, name.span, "a set, not a parameter", fixes=(fix,)))


def _circles(item: Composition) -> Iterator[list[Name]]:
    """The circles among the sets of a composition, each once, as the sets on the way."""
    inputs = {name.text for name in item.inputs}
    made = ((result.set.text, application) for application in item.applications for result in application.results)
    makers = {name: application for name, application in made if name not in inputs}
    state: dict[str, int] = {}
    for start in (result.set for application in item.applications for result in application.results):
        if start.text in state or start.text in inputs:
            continue
        way: list[Name] = []
        stack: list[Iterator[Name]] = [iter((start,))]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                if way:
                    state[way.pop().text] = 2
            elif state.get(name.text) == 1:
                yield way[next(i for i, n in enumerate(way) if n.text == name.text) :]
            elif name.text in makers and name.text not in state:
                state[name.text] = 1
                way.append(name)
                stack.append(iter([argument.set for argument in makers[name.text].arguments]))
