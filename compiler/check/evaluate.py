"""Evaluates constants while the program is checked: each once, in the reference interpreter, within limits.

A constant is evaluated when the bodies that it needs are free of mistakes, those that others need first; then its value stands
in `World.values`, and everybody else (compositions, lowering) only looks it up. What has no value is in `World.broken`, and
somebody has reported why. Whoever changes the body of a helper in `World.evaluated` must evaluate again.
"""

from collections.abc import Iterable, Mapping

from dandc.compiler.check.captures import reads, walk
from dandc.compiler.check.circles import circles, circular, producers_first
from dandc.compiler.check.constants import Reader, size
from dandc.compiler.check.report import simple
from dandc.compiler.check.symbols import Damage, World
from dandc.compiler.check.types import check_type_args
from dandc.compiler.kir import TRAPS, StaticValue
from dandc.compiler.limits import CONSTANT_BYTES, CONSTANT_PARTS, CONSTANT_STEPS, PROGRAM_STEPS
from dandc.compiler.typed import TCall, TConfig, TEndpoint, TExpr, TFn, TLit, TReturn
from dandc.compiler.types import ERROR, UNIT, Type
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Label
from dandc.lang.spans import Span
from dandc.lang.values import frozen


@frozen
class Evaluated:
    """A value that was found."""

    value: StaticValue


def damage(world: World, unread: Iterable[Span]) -> Damage:
    """The mistakes that are known so far; `unread` are items with errors of syntax."""
    found = Damage()
    spans = [d.span for d in world.sink.diagnostics if d.severity == "error" and d.span is not None]
    for span in (*spans, *unread):
        found.starts.setdefault(span.file, []).append(span.start)
    for starts in found.starts.values():
        starts.sort()
    if spans:
        items = [fn.item.span for fn in world.fns.values() if found.holds(fn.item.span)]
        found.elsewhere = any(
            not any(i.file == s.file and i.start <= s.start < max(i.end, i.start + 1) for i in items) for s in spans
        )
    return found


def settle_constants(world: World, unread: Iterable[Span] = ()) -> None:
    """Evaluate the constants of the user's modules; report those that need themselves."""
    names = [n for n, fn in world.fns.items() if isinstance(fn.item, tree.ConstItem) and n in world.checked_fns]
    if names:
        check_type_args(world)
    world.damage = damage(world, unread)
    if names:
        _settle(world, names)


def constant_of(world: World, name: str) -> StaticValue:
    """The value of a constant of a program without mistakes."""
    if name not in world.values:
        _settle(world, [name])
    return world.values[name]


def _settle(world: World, names: Iterable[str]) -> None:
    """Evaluate the constants `names` and those that they need, as far as that has not been done."""
    edges: dict[str, list[str]] = {}
    waiting = [n for n in names if n not in world.values and n not in world.broken]
    while waiting:
        name = waiting.pop()
        if name not in edges:
            edges[name] = sorted(_needs(world, _called(world, name))[1])
            waiting += [n for n in edges[name] if n not in world.values and n not in world.broken]
    ordered = dict(sorted(edges.items(), key=lambda e: (world.fns[e[0]].span.file, world.fns[e[0]].span.start)))
    _report_circles(world, ordered)
    for name in producers_first(ordered):
        if name not in world.broken and not _settle_one(world, name, ordered):
            world.broken.add(name)


def _report_circles(world: World, edges: Mapping[str, list[str]]) -> None:
    for path in circles(edges):
        decl = world.fns[path[0]]
        names = [world.fns[n].item.name.text for n in (*path, path[0])]
        notes = (f"needed for each other: {' -> '.join(f'`{n}`' for n in names)}",)
        message = f"the constant `{names[0]}` needs itself"
        world.sink.add(simple("T0338", message, decl.span, "its value would never end", notes=notes))
    world.broken |= set(circular(edges))


def _settle_one(world: World, name: str, edges: Mapping[str, list[str]]) -> bool:
    """Give a constant its value; False if it has none."""
    decl = world.fns[name]
    if world.damage.holds(decl.item.span) or world.broken.intersection(edges[name]):
        return False
    typed = world.typed_fn(name)
    users = [world.fns[n].item.name.text for n, needed in edges.items() if name in needed]
    found = _value(world, typed, f"the constant `{decl.item.name.text}`", users)
    if isinstance(found, Diagnostic):
        world.sink.add(found)
    if found is None or isinstance(found, Diagnostic):
        return False
    world.values[name] = found.value
    return True


def expression_value(
    world: World, expr: TExpr, t: Type, solutions: Mapping[int, Type]
) -> Evaluated | Diagnostic | None:
    """The value of a constant expression that has no name; None if somebody has reported why it has none."""
    _, constants = _needs(world, reads(expr)[1])
    _settle(world, constants)
    if world.broken & constants:
        return None
    typed = TFn("constant expression", (), (), t, (TReturn(expr.span, expr),), solutions, expr.span)
    return _value(world, typed, "this constant expression", [])


def _value(world: World, typed: TFn, what: str, users: list[str]) -> Evaluated | Diagnostic | None:
    """The value of a constant whose constants have theirs."""
    body = typed.body or ()
    assert isinstance(body[0], TReturn)
    expr = body[0].value
    assert expr is not None
    if typed.result == UNIT:
        return Evaluated(None)
    value = Reader(world.values, typed.solutions).value(expr)
    if value is not None and size(value, world.sizes) > CONSTANT_PARTS:
        label = f"more than {CONSTANT_PARTS:_} characters and parts"
        return simple("T0351", f"the value of {what} is too large", expr.span, label, notes=_needed_by(users))
    if value is not None:
        return Evaluated(value)
    if world.lacks_modules:
        return None  # what would be computed may stand for something of a module that is not there
    if not world.may_compute:
        world.wanted_to_compute = True
        return None
    found, called = reads(expr)
    helpers, _ = _needs(world, called)
    world.evaluated |= helpers
    if world.damage.elsewhere or any(world.damage.holds(world.fns[n].item.span) for n in helpers):
        return None
    if world.damage.starts and _stands_on_mistakes((expr, *(world.typed_fn(n).body for n in helpers))):
        return None
    for helper in helpers:
        found |= world.reads[helper][0]
    if found:
        return _depends_on_run(world, expr, what, min(found))
    return _computed(world, typed, what, users)


def _stands_on_mistakes(bodies: object) -> bool:
    """Whether something in `bodies` has no type, since what it names has been reported elsewhere."""
    return any(isinstance(node, TLit) and node.type == ERROR for node in walk(bodies))


def _depends_on_run(world: World, expr: TExpr, what: str, read: tuple[str, str]) -> Diagnostic:
    kind, name = read
    decl = world.configs[name] if kind == "config" else world.endpoints[name]
    direct = next((n.span for n in walk(expr) if isinstance(n, TConfig | TEndpoint)), None)
    label = "known only when the program runs" if direct else "reads it in a helper"
    origin = Label(decl.item.name.span, "declared here")
    message = f"{what} cannot depend on the {kind} `{decl.item.name.text}`"
    return simple("T0352", message, direct or expr.span, label, origin, notes=("a `fn` computes it when it is called",))


def _computed(world: World, typed: TFn, what: str, users: list[str]) -> Evaluated | Diagnostic | None:
    from dandc.compiler.check.instances import check_instances
    from dandc.compiler.interp import Evaluation, evaluate
    from dandc.compiler.lower import lower_constant

    before = len(world.sink.diagnostics)
    check_instances(world, {}, only=typed)
    if len(world.sink.diagnostics) > before:
        return None
    steps = min(CONSTANT_STEPS, PROGRAM_STEPS - world.steps)
    result: Evaluation = evaluate(lower_constant(world, typed), steps)
    world.steps += result.steps
    notes = _needed_by(users)
    expression = typed.body[0].span if typed.body else typed.span
    match result.trap:
        case "":
            return Evaluated(result.value)
        case "limit.steps" | "limit.memory":
            label = f"stopped after {steps:_} steps"
            if steps < CONSTANT_STEPS:
                label = f"the constants of a program take at most {PROGRAM_STEPS:_} steps together"
            sites = (*((result.site,) if result.site is not None else ()), *result.calls)
            inside = [Label(s, "it was here") for s in sites if not _is_trusted(world, s) and s != expression][:1]
            return simple("T0351", f"{what} takes too long to compute", expression, label, *inside, notes=notes)
        case "limit.output":
            label = f"more than {CONSTANT_BYTES:_} bytes, or too many arrays inside each other"
            return simple("T0351", f"the value of {what} is too large", expression, label, notes=notes)
    meaning = TRAPS[result.trap][1]
    traps = (result.site,) if result.site is not None else ()
    places = list(dict.fromkeys(s for s in traps + result.calls if not _is_trusted(world, s))) or [expression]
    last = places[0]  # where it traps, or where the library is called that traps
    if typed.name not in world.fns:  # the diagnostic belongs to the item with the expression
        places = [expression, *(p for p in places if p != expression)]
    if len(places) > 4:  # the call in the constant itself is always shown
        places = [*places[:3], places[-1]]
    first, *labels = [Label(p, "traps here" if p == last else "called here") for p in places]
    return simple("T0350", f"{what} cannot be computed: {meaning}", first.span, first.text, *labels, notes=notes)


def _needed_by(users: list[str]) -> tuple[str, ...]:
    return (f"needed by {', '.join(f'`{u}`' for u in users)}",) if users else ()


def _is_trusted(world: World, span: Span) -> bool:
    return any(s.module.trusted and s.module.tree.file == span.file for s in world.scopes.values())


def _called(world: World, name: str) -> frozenset[str]:
    """The helpers and constants that a helper or constant needs itself."""
    if name not in world.reads:
        body = () if world.damage.holds(world.fns[name].item.span) else world.typed_fn(name).body
        world.reads[name] = reads(body or ())
    return world.reads[name][1]


def _needs(world: World, called: Iterable[str]) -> tuple[set[str], set[str]]:
    """What is needed to run what calls `called`: helpers, and the first constants on the way."""
    helpers: set[str] = set()
    constants: set[str] = set()
    waiting = list(called)
    while waiting:
        name = waiting.pop()
        if isinstance(world.fns[name].item, tree.ConstItem):
            constants.add(name)
        elif name not in helpers:
            helpers.add(name)
            waiting.extend(_called(world, name))
    return helpers, constants


def mentions_broken(world: World, expr: TExpr) -> bool:
    """Whether an expression names a constant without a value."""
    return any(isinstance(n, TCall) and n.fn in world.broken for n in walk(expr))
