"""Whether instantiation ends: generic helpers are made once for every choice of types and functions they are used with.

Lowering does that without asking, so it must be known before that the choices are few and small. The same walk that
lowering makes is made here over calls alone: from every kernel and every helper that is not generic. It stops at the first
choice that is too large; each bound is far above what a program needs and far below what hurts.
"""

from collections.abc import Iterator, Mapping

from attrs import Factory, define

from dandc.compiler.check.captures import walk
from dandc.compiler.check.constants import settle
from dandc.compiler.check.infer import MAX_PARTS, parts, substitute
from dandc.compiler.check.report import display, simple
from dandc.compiler.check.symbols import World
from dandc.compiler.check.types import contents
from dandc.compiler.typed import Local, TCall, TExpr, TFn, TFnRef, TKernel, TLambda, TLocal
from dandc.compiler.types import Array, Fn, Named, Type, TypeVar
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Span
from dandc.lang.values import frozen

# Functions in one function value: itself, what it captures, and so on.
MAX_FUNCTIONS = 30
# Instances of helpers that one program makes.
MAX_INSTANCES = 20_000
# Scalars and buffers of one value, without what lies in its arrays.
MAX_WIDTH = 20_000
# Records, options and so on inside each other in one value, without what lies in its arrays.
MAX_NESTING = 100


@frozen
class FnValue:
    """A function as an argument: a helper or a lambda (`name`), its types, and the functions that it captures."""

    name: str
    types: tuple[Type, ...]
    captures: tuple["FnValue", ...] = ()

    @property
    def size(self) -> int:
        """The number of functions in it."""
        return 1 + sum(c.size for c in self.captures)


@frozen
class Instance:
    """A helper with its choice of types and functions."""

    fn: str
    types: tuple[Type, ...]
    functions: tuple[FnValue, ...] = ()


@frozen
class Sites:
    """What the walk must know of one body."""

    calls: tuple[TCall, ...]
    references: tuple[TFnRef, ...]
    types: tuple[tuple[Type, Span], ...]


@define(eq=False)
class _Walk:
    world: World
    sites: dict[int, Sites] = Factory(dict)
    # Of each instance the call in a user's module that led to it.
    found: dict[Instance, Span] = Factory(dict)
    waiting: list[Instance] = Factory(list)
    measures: dict[Type, tuple[int, int]] = Factory(dict)
    measured: set[Type] = Factory(set)
    problem: Diagnostic | None = None

    def stop(self, message: str, span: Span, label: str, *notes: str, code: str = "T0336") -> None:
        if self.problem is None:
            self.problem = simple(code, message, span, label, notes=notes)


def check_instances(world: World, kernels: Mapping[str, TKernel], *, only: TFn | TKernel | None = None) -> None:
    """Report the first instance that is too large, if there is one; `only` starts at one body that is not generic."""
    state = _Walk(world)
    if only is not None:
        _body(state, only, Instance(only.name, ()), None)
    for kernel in kernels.values():
        _body(state, kernel, Instance(kernel.name, ()), None)
    for name, fn in world.checked_fns.items() if only is None else ():
        generic = fn.type_params or any(isinstance(p.local.type, Fn) for p in fn.params)
        if not generic and not world.fns[name].scope.module.trusted:
            _body(state, fn, Instance(name, ()), None)
    while state.waiting and state.problem is None:
        instance = state.waiting.pop()
        _body(state, world.typed_fn(instance.fn), instance, state.found[instance])
    if state.problem is not None:
        world.sink.add(state.problem)


def _body(state: _Walk, body: TFn | TKernel, instance: Instance, origin: Span | None) -> None:
    """Visit the calls of a body; `origin` is the call that made the instance, None for a root."""
    sites = _sites(state, body)
    params = body.type_params if isinstance(body, TFn) else ()
    bindings = dict(zip(params, instance.types, strict=True))
    functions = _functions(body, instance)
    for call in sites.calls:
        types = _types(call.type_args, body, bindings)
        values = tuple(
            _value(state, a, body, instance, bindings, functions) for a in call.args if isinstance(a.type, Fn)
        )
        _request(state, Instance(call.fn, types, values), _place(state, call.span, body, origin))
    for reference in sites.references:
        made = Instance(reference.fn, _types(reference.type_args, body, bindings))
        _request(state, made, _place(state, reference.span, body, origin))
    for t, span in sites.types:
        _measure(state, substitute(settle(t, body.solutions), bindings), _place(state, span, body, origin))


def _sites(state: _Walk, body: TFn | TKernel) -> Sites:
    if id(body) not in state.sites:
        nodes = list(walk(body.body or ()))
        types = {n.type: n.span for n in nodes if isinstance(n, TExpr)}
        if isinstance(body, TKernel):
            types |= {t: p.span for p in (*body.params, *body.outputs) for t in (p.item, p.key) if t is not None}
        else:
            types |= {p.local.type: p.local.span for p in body.params} | {body.result: body.span}
        calls = tuple(n for n in nodes if isinstance(n, TCall) and not state.world.fns[n.fn].intrinsic)
        references = tuple(n for n in nodes if isinstance(n, TFnRef) and not state.world.fns[n.fn].intrinsic)
        state.sites[id(body)] = Sites(calls, references, tuple(types.items()))
    return state.sites[id(body)]


def _functions(body: TFn | TKernel, instance: Instance) -> dict[int, FnValue]:
    """What the function-valued parameters are in this instance."""
    if isinstance(body, TKernel):
        return {}
    named = [p.local for p in body.params if isinstance(p.local.type, Fn)]
    return {id(local): value for local, value in zip(named, instance.functions, strict=False)}


def _types(args: tuple[Type, ...], body: TFn | TKernel, bindings: Mapping[TypeVar, Type]) -> tuple[Type, ...]:
    return tuple(substitute(settle(t, body.solutions), bindings) for t in args)


def _value(
    state: _Walk,
    arg: TExpr,
    body: TFn | TKernel,
    instance: Instance,
    bindings: Mapping[TypeVar, Type],
    functions: Mapping[int, FnValue],
) -> FnValue:
    match arg:
        case TLocal(local=local):
            return functions.get(id(local), FnValue(local.name, ()))
        case TFnRef(fn=fn, type_args=args):
            return FnValue(fn, _types(args, body, bindings))
        case TLambda(captures=captures):
            inner = tuple(_captured(functions, captures))
            return FnValue(f"{body.name}@{arg.span.start}", instance.types, inner)
    raise AssertionError(arg)


def _captured(functions: Mapping[int, FnValue], captures: tuple[Local, ...]) -> Iterator[FnValue]:
    return (functions[id(c)] for c in captures if id(c) in functions)


def _place(state: _Walk, span: Span, body: TFn | TKernel, origin: Span | None) -> Span:
    """Where to blame: the call itself in a user's module, else the user's call that led to it."""
    decl = state.world.fns.get(body.name)
    trusted = decl is not None and decl.scope.module.trusted
    return origin if trusted and origin is not None else span


def _request(state: _Walk, instance: Instance, span: Span) -> None:
    if instance in state.found or state.problem is not None:
        return
    name = instance.fn.rsplit(".", 1)[-1]
    if any(_size(t) > MAX_PARTS for t in instance.types):
        note = "each call of a generic helper with another type makes a helper of its own; recursion must keep the type"
        state.stop(f"`{name}` is used with ever larger types", span, "the type grows here", note)
    elif any(f.size > MAX_FUNCTIONS for f in instance.functions):
        note = "a lambda that captures the function it is passed for grows with every call"
        state.stop(f"`{name}` is used with ever larger functions", span, "the function grows here", note)
    elif len(state.found) >= MAX_INSTANCES:
        note = f"a program has at most {MAX_INSTANCES:_} instances of generic helpers"
        state.stop("generic helpers are used with too many types", span, "one too many", note)
    else:
        state.found[instance] = span
        state.waiting.append(instance)


def _size(t: Type) -> int:
    """The number of names in a type, counted no further than matters."""
    n = 0
    waiting = [t]
    while waiting and n <= MAX_PARTS:
        n += 1
        waiting.extend(parts(waiting.pop()))
    return n


def _measure(state: _Walk, t: Type, span: Span) -> None:
    """Report a type if its values, or values that they hold in arrays, are too wide or nested too deep."""
    waiting = [t]
    while waiting and state.problem is None:
        part = waiting.pop()
        if part not in state.measured:
            state.measured.add(part)
            _judge(state, part, span)
            waiting.extend((*part.params, part.result) if isinstance(part, Fn) else contents(state.world, part))


def _judge(state: _Walk, t: Type, span: Span) -> None:
    if _size(t) > MAX_PARTS:
        state.stop("this type has too many parts", span, "too large", code="T0337")
        return
    width, depth = _measured(state, t)
    if width > MAX_WIDTH:
        note = f"a value has at most {MAX_WIDTH:_} fields, those of its records included; an array holds any number"
        state.stop(f"a value of `{_short(t)}` is too large", span, "too many fields", note, code="T0337")
    elif depth > MAX_NESTING:
        note = f"at most {MAX_NESTING} records lie inside each other; an array in between starts anew"
        state.stop(f"a value of `{_short(t)}` is nested too deep", span, "too deep", note, code="T0337")


def _short(t: Type) -> str:
    text = display(t)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _measured(state: _Walk, t: Type) -> tuple[int, int]:
    """Width and depth of values of `t`; both are cut off where they are too large anyway."""
    stack = [t]
    while stack:
        part = stack[-1]
        inside = () if isinstance(part, Array | Fn) else contents(state.world, part)
        open_ = [i for i in inside if i not in state.measures]
        if part in state.measures or not open_:
            width = min(sum(state.measures[i][0] for i in inside) + 1, 10 * MAX_WIDTH)
            depth = 1 + max((state.measures[i][1] for i in inside), default=0)
            state.measures.setdefault(part, (width, depth if isinstance(part, Named) or inside else 0))
            stack.pop()
        else:
            stack.extend(open_)
    return state.measures[t]
