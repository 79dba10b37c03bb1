"""Checks a module again after an edit: only the one item that changed, if nothing else can have noticed.

An edit inside the body of a helper that is not generic, of a function or of a composition leaves every other item as it was:
headers are all that they see of each other. Then that item alone is parsed and checked, in the world of the last full
check; diagnostics of the others move with the text. Any other edit is checked from the start. What is given is always what
a full check gives (`tests/check/test_check_again.py` proves it on random edits).

**Places.** Spans in the world are those of the last full check, spans of the item that is being checked again are new; they
are told apart by the name of their file (`_AGAIN`), and translated when a diagnostic leaves.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping

from attrs import Factory, define, evolve, field

from dandc.compiler.check import SourceModule, World, check, check_recursion, kernel_facts
from dandc.compiler.check.bodies import check_kernel
from dandc.compiler.check.flow_state import KernelFacts
from dandc.compiler.check.flows import check_composition
from dandc.compiler.check.instances import check_instances
from dandc.compiler.check.types import check_type_args
from dandc.compiler.flow import Graph
from dandc.compiler.types import Fn
from dandc.lang import parse, tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label, Sink
from dandc.lang.recursion import room_for_recursion
from dandc.lang.spans import Source, Span

_AGAIN = "\0again"


@define(eq=False)
class _Place:
    """An item: where it starts and ends now, and by how much it has moved since the last full check."""

    item: tree.Item
    start: int
    end: int
    moved: int = 0
    diagnostics: list[Diagnostic] = Factory(list)


@define(eq=False)
class Rechecker:
    """The root module of a program under edit. `others` are the modules that it may import; what it imports must stay."""

    file: str
    root: str
    others: Mapping[str, SourceModule]
    imports: Mapping[str, str]
    full_checks: int = 0
    _partial: bool = False
    _text: str = ""
    _places: list[_Place] = Factory(list)
    _starts: list[int] = Factory(list)
    _loose: list[Diagnostic] = Factory(list)
    _world: World | None = None
    _graphs: dict[str, Graph] = Factory(dict)
    _facts: dict[str, KernelFacts] = field(factory=dict)

    def update(self, text: str) -> tuple[Diagnostic, ...]:
        """All diagnostics of the module with this text, ordered by place."""
        if self._world is None or not self._again(text):
            self._all(text)
        found = [d for place in self._places for d in place.diagnostics] + self._loose
        return tuple(sorted(found, key=lambda d: (d.span.file, d.span.start) if d.span else ("", 0)))

    def _all(self, text: str) -> None:
        self.full_checks += 1
        parsed = parse(Source(self.file, text))
        module = SourceModule(self.root, parsed.module, self.imports)
        checked = check({**self.others, self.root: module}, self.root, parsed.diagnostics)
        found = (*parsed.diagnostics, *checked.diagnostics)
        self._text = text
        self._places = [_Place(i, i.span.start, i.span.end) for i in parsed.module.items]
        self._starts = [p.start for p in self._places]
        self._graphs, self._facts = dict(checked.graphs), dict(checked.facts)
        # A world with mistakes in it may lack what a correct item would have declared.
        self._world = None if parsed.diagnostics else checked.world
        self._loose = []
        self._partial = checked.failed
        for diagnostic in found:
            place = self._at(diagnostic.span)
            (self._loose if place is None else place.diagnostics).append(diagnostic)

    def _at(self, span: Span | None) -> _Place | None:
        """The item of the last full check that holds `span`."""
        if span is None or span.file != self.file:
            return None
        index = bisect_right(self._starts, span.start) - 1
        return self._places[index] if index >= 0 else None

    def _again(self, text: str) -> bool:
        """Check one item; False if the edit is not of that kind."""
        old = self._text
        if text == old:
            return True
        first = _common(old, text)
        last = _common(old[first:][::-1], text[first:][::-1])
        grown = len(text) - len(old)
        index = bisect_right([p.start for p in self._places], first) - 1
        if index < 0:
            return False
        place = self._places[index]
        body = _body_start(place.item)
        if body is None:
            return False
        inside = body - place.item.span.start + place.start
        if first <= inside or len(old) - last >= place.end or any(_before(d, inside) for d in place.diagnostics):
            return False
        # Spaces stand for the text before, so that places in the item are places in the module.
        parsed = parse(Source(_AGAIN, " " * place.start + text[place.start : place.end + grown]))
        items = parsed.module.items
        if parsed.diagnostics or len(items) != 1 or type(items[0]) is not type(place.item):
            return False
        if (items[0].span.start, items[0].span.end) != (place.start, place.end + grown):
            return False
        found = self._check(place, items[0])
        if found is None:
            return False
        self._text = text
        place.end += grown
        for later in self._places[index + 1 :]:
            later.start, later.end, later.moved = later.start + grown, later.end + grown, later.moved + grown
        for other in self._places:
            other.diagnostics = [_moved(d, first, grown) for d in other.diagnostics]
        place.diagnostics = [self._here(d) for d in found]
        return True

    def _check(self, place: _Place, new: tree.Item) -> list[Diagnostic] | None:
        """The diagnostics of `new` in the place of an item; None if others can see the change."""
        assert self._world is not None
        world, world.sink = self._world, Sink()
        world.reads.clear()
        world.may_compute = False
        with room_for_recursion():
            changed = self._changed(world, place.item, new)
            check_type_args(world)
        if changed is None or world.wanted_to_compute:
            return None
        place.item = changed
        others = [d for p in self._places if p is not place for d in p.diagnostics] + self._loose
        if self._partial and not any(d.severity == "error" for d in (*others, *world.sink.diagnostics)):
            return None  # the last full check stopped at errors that are gone now
        return world.sink.diagnostics

    def _changed(self, world: World, old: tree.Item, new: tree.Item) -> tree.Item | None:
        """Check `new`; the item that the world holds then, None if others can see the change."""
        match new:
            case tree.FnItem():
                return self._fn(world, old, new)
            case tree.FunctionItem():
                return self._kernel(world, old, new)
        return self._composition(world, old, new)

    def _fn(self, world: World, old: tree.Item, new: tree.Item) -> tree.Item | None:
        decl = next((d for d in world.fns.values() if d.item is old), None)
        if decl is None or decl.type_params or any(isinstance(p.type, Fn) for p in decl.params):
            return None
        if decl.name in world.evaluated:
            return None  # the value of a constant may change
        assert isinstance(new, tree.FnItem)
        assert isinstance(old, tree.FnItem)
        # The header is the one of the last full check, to which everybody's spans point.
        decl.item = evolve(old, body=new.body)
        world.checked_fns.pop(decl.name, None)
        typed = world.typed_fn(decl.name)
        if not world.sink.failed:
            check_instances(world, {}, only=typed)
        return decl.item

    def _kernel(self, world: World, old: tree.Item, new: tree.Item) -> tree.Item | None:
        decl = next((d for d in world.kernels.values() if d.item is old), None)
        if decl is None:
            return None
        assert isinstance(new, tree.FunctionItem)
        assert isinstance(old, tree.FunctionItem)
        decl.item = evolve(old, body=new.body, expression=new.expression)
        typed = check_kernel(world, decl)
        world.checked_kernels[decl.name] = typed
        facts = kernel_facts(world, typed)
        if facts.unkeyed != self._facts[decl.name].unkeyed:
            return None
        self._facts[decl.name] = facts
        if not world.sink.failed:
            check_instances(world, {}, only=typed)
        return decl.item

    def _composition(self, world: World, old: tree.Item, new: tree.Item) -> tree.Item | None:
        decl = next((d for d in world.compositions.values() if d.item is old), None)
        if decl is None:
            return None
        assert isinstance(new, tree.CompositionItem)
        assert isinstance(old, tree.CompositionItem)
        decl.item = evolve(old, body=new.body)
        graphs = check_composition(world, decl, self._facts, self.root)
        mine = world.sink.diagnostics
        loops = [name for name in self._graphs if name.startswith(f"{decl.name}/")]
        for name in loops:
            del self._graphs[name]
        self._graphs.update((graph.name, graph) for graph in graphs)
        world.sink = Sink()
        check_recursion(world, self._graphs)
        if world.sink.diagnostics:
            return None
        world.sink.diagnostics = mine
        return decl.item

    def _here(self, diagnostic: Diagnostic) -> Diagnostic:
        """A new diagnostic with its places in the present text."""

        def move(span: Span) -> Span:
            if span.file == _AGAIN:
                return evolve(span, file=self.file)
            place = self._at(span)
            return span if place is None else Span(span.file, span.start + place.moved, span.end + place.moved)

        return _with_spans(diagnostic, move)


def _body_start(item: tree.Item) -> int | None:
    """Where the part of an item begins that nobody else sees; None if there is none."""
    match item:
        case tree.FnItem(body=tree.Block(span=span)) | tree.FunctionItem(body=tree.Block(span=span)):
            return span.start
        case tree.FunctionItem(expression=tree.Expr(span=span)):
            return span.start
        case tree.CompositionItem(name=name, params=params, outputs=outputs):
            return max(part.span.end for part in (name, *params, *outputs))
    return None


def _before(diagnostic: Diagnostic, inside: int) -> bool:
    """Whether a diagnostic is about the header: checking the body alone would not find it again."""
    return diagnostic.span is None or diagnostic.span.start < inside


def _common(a: str, b: str) -> int:
    """The length of the common beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _moved(diagnostic: Diagnostic, at: int, by: int) -> Diagnostic:
    """A diagnostic of an unchanged item after `by` characters came (or went) at `at`."""

    def move(span: Span) -> Span:
        return Span(span.file, span.start + by, span.end + by) if span.start >= at else span

    return _with_spans(diagnostic, move)


def _with_spans(diagnostic: Diagnostic, move: Callable[[Span], Span]) -> Diagnostic:
    return evolve(
        diagnostic,
        span=None if diagnostic.span is None else move(diagnostic.span),
        secondary=tuple(Label(move(s.span), s.text) for s in diagnostic.secondary),
        fixes=tuple(Fix(f.message, move(f.span), f.text, f.certain) for f in diagnostic.fixes),
    )
