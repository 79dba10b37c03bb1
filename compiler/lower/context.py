"""The state of lowering one kernel: which functions exist, which wait, what types are called.

Generic helpers are instantiated once for each choice of type arguments and function arguments: a lambda that is passed
makes an instance of its own, in which the parameter is called directly.
"""

from collections.abc import Callable

from attrs import Factory, define

from dandc.compiler import kir
from dandc.compiler.check.captures import Implicit, reads, reads_through
from dandc.compiler.check.infer import map_type
from dandc.compiler.check.symbols import World
from dandc.compiler.check.types import define_type
from dandc.compiler.types import (
    STR,
    Anon,
    Array,
    Basic,
    Named,
    Option,
    RecordDef,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeDef,
    is_scalar,
)
from dandc.lang.spans import Span
from dandc.lang.values import frozen


@frozen
class BoundFn:
    """A function value: a lifted function and the locals of the current function that it captures."""

    name: str
    captures: tuple[int, ...] = ()


@define(eq=False)
class Context:
    """One kernel under construction. `build` entries run when their turn comes, so that recursion ends."""

    world: World
    functions: dict[str, kir.Function | None] = Factory(dict)
    waiting: list[tuple[str, Callable[[], kir.Function]]] = Factory(list)
    table: dict[str, TypeDef] = Factory(dict)
    constants: dict[str, kir.Constant] = Factory(dict)
    # Of each lambda (the function it stands in, and its place) its number in that function: names hold no places.
    _lambdas: dict[tuple[str, Span], int] = Factory(dict)
    _anonymous: dict[Type, Named] = Factory(dict)
    _implicit: dict[str, tuple[Implicit, ...]] = Factory(dict)

    def request(self, name: str, build: Callable[[], kir.Function]) -> str:
        """Make sure that the function `name` will exist."""
        if name not in self.functions:
            self.functions[name] = None
            self.waiting.append((name, build))
        return name

    def drain(self) -> None:
        """Build everything that waits."""
        while self.waiting:
            name, build = self.waiting.pop(0)
            self.functions[name] = build()

    def lambda_name(self, base: str, span: Span) -> str:
        """What the lambda at `span` in the helper or kernel `base` is called."""
        number = self._lambdas.get((base, span))
        if number is None:
            number = sum(known == base for known, _ in self._lambdas)
            self._lambdas[base, span] = number
        return f"{base}.lambda{number}"

    def concrete(self, t: Type) -> Type:
        """`t` with anonymous records named, its definitions in the kernel's table."""
        t = self._name_anonymous(t)
        define_type(self.world, self._hide(t), self.table)
        return t

    def _hide(self, t: Type) -> Type:
        """Names of anonymous records are unknown to the checker: keep them from it."""
        names = {n.name for n in self._anonymous.values()}
        return map_type(t, lambda leaf: STR if isinstance(leaf, Named) and leaf.name in names else leaf)

    def _name_anonymous(self, t: Type) -> Type:
        match t:
            case Anon(fields):
                if t not in self._anonymous:
                    inner = tuple((n, self.concrete(f)) for n, f in fields)
                    named = Named(f"anon.r{len(self._anonymous)}")
                    self._anonymous[t] = named
                    self.table[named.name] = RecordDef(inner)
                return self._anonymous[t]
            case Array(item):
                return Array(self._name_anonymous(item))
            case Option(item):
                return Option(self._name_anonymous(item))
            case Result(ok, err):
                return Result(self._name_anonymous(ok), self._name_anonymous(err))
            case Tuple(items):
                return Tuple(tuple(self._name_anonymous(i) for i in items))
        return t

    def implicit(self, fn: str) -> tuple[Implicit, ...]:
        """What the helper `fn` reads of configs and endpoints, itself or through others, in a fixed order."""
        if not (self.world.configs or self.world.endpoints):
            return ()
        if fn not in self._implicit:
            self._implicit[fn] = tuple(sorted(reads_through(self.world, (fn,))))
        return self._implicit[fn]

    def reads_all(self, body: object) -> tuple[Implicit, ...]:
        """Configs and endpoints that `body` reads, itself or through the helpers that it calls."""
        found, called = reads(body)
        return tuple(sorted(found | reads_through(self.world, called)))

    def is_heap(self, t: Type) -> bool:
        """Whether values of `t` contain buffers."""
        return bool(self.buffers(t))

    def buffers(self, t: Type, seen: frozenset[Type] = frozenset()) -> frozenset[str]:
        """The kinds of buffers that values of `t` contain: `text` (str and bytes), `array[...]`."""
        if is_scalar(t) or t in seen:
            return frozenset()
        match t:
            case Basic(name):
                return frozenset({"text"}) if name in ("str", "bytes", "secret") else frozenset()
            case Array(item):
                return frozenset({str(t)}) | self.buffers(item, seen | {t})
            case SetRef():
                return frozenset()
        inside: frozenset[str] = frozenset()
        for part in self._inside(t):
            inside |= self.buffers(part, seen | {t})
        return inside

    def _inside(self, t: Type) -> tuple[Type, ...]:
        match t:
            case Option(item):
                return (item,)
            case Result(ok, err):
                return (ok, err)
            case Tuple(items):
                return items
            case Named():
                definition = self.table[str(t)]
                if isinstance(definition, RecordDef):
                    return tuple(f for _, f in definition.fields)
                return tuple(p for _, payload in definition.variants for p in payload)
        return ()
