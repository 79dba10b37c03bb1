"""Which names may be proposed for one that is not known: those in scope that can stand there and fit the type."""

from collections.abc import Iterable, Mapping

from dandc.compiler.check.body import Body, Want
from dandc.compiler.check.infer import parts
from dandc.compiler.check.symbols import PRELUDE, FnDecl, Symbol
from dandc.compiler.types import ERROR, Fn, InferVar, Type, TypeVar, is_float, is_int

# Mistakes of one body that get a proposal, and sets of a composition that are looked at for one: a text with thousands of
# unknown names shall not be compared with thousands of others for each.
MAX_PROPOSALS, MAX_PROPOSED = 50, 300
_VALUES = frozenset(("const", "config", "endpoint", "variant"))
_CALLABLE = frozenset(("fn", "type", "variant"))


def values(body: Body, want: Want | None) -> list[str]:
    """Names of values of the wanted type."""
    if _crowded(body):
        return []
    wanted = body.known(want.type) if want else None
    found = [name for scope in body.scopes for name, local in scope.items() if fits(wanted, body.known(local.type))]
    return found + [name for name, symbol in _symbols(body) if _is_value(body, symbol, wanted)]


def _crowded(body: Body) -> bool:
    return len(body.world.sink.diagnostics) - body.errors_before > MAX_PROPOSALS


def _is_value(body: Body, symbol: Symbol, wanted: Type | None) -> bool:
    if symbol.kind == "variant":
        return symbol.name.endswith("none")
    if symbol.kind == "fn":
        return isinstance(wanted, Fn)
    return symbol.kind in _VALUES and fits(wanted, _declared(body, symbol))


def _declared(body: Body, symbol: Symbol) -> Type:
    world = body.world
    if symbol.kind == "const":
        return world.fns[symbol.name].result
    return world.configs[symbol.name].type if symbol.kind == "config" else world.endpoints[symbol.name].type


def functions(body: Body, want: Want | None) -> list[str]:
    """Names of what can be called and gives the wanted type."""
    if _crowded(body):
        return []
    wanted = body.known(want.type) if want else None
    found = [name for scope in body.scopes for name, local in scope.items() if isinstance(body.known(local.type), Fn)]
    for name, symbol in _symbols(body):
        decl = body.world.fns.get(symbol.name) if symbol.kind == "fn" else None
        if symbol.name.endswith("none") and symbol.kind == "variant":
            continue
        if symbol.kind in _CALLABLE and (decl is None or fits(wanted, decl.result)):
            found.append(name)
    return found


def methods(body: Body, found: Mapping[str, str], given: int, want: Want | None) -> list[str]:
    """Those of the methods that take so many arguments and give the wanted type."""
    wanted = body.known(want.type) if want else None
    decls = ((name, body.world.fns[qualified]) for name, qualified in found.items())
    return [name for name, decl in decls if _takes(decl, given) and fits(wanted, decl.result)]


def _takes(decl: FnDecl, given: int) -> bool:
    params = decl.params[1:]
    return sum(1 for p in params if p.default is None and not p.omittable) <= given <= len(params)


def shown(found: Mapping[str, str]) -> list[str]:
    """The methods that a message lists: not those that the library alone is meant to call."""
    return [name for name in found if name not in ("field_texts", "field_names")]


def _symbols(body: Body) -> Iterable[tuple[str, Symbol]]:
    yield from body.scope.names.items()
    prelude = body.world.scopes.get(PRELUDE)
    yield from ((n, s) for n, s in (prelude.names.items() if prelude else ()) if s.public)


def fits(wanted: Type | None, got: Type) -> bool:
    """Whether a value of type `got` may stand where `wanted` is; what is open fits everything."""
    if wanted is None or isinstance(wanted, InferVar | TypeVar) or isinstance(got, InferVar | TypeVar):
        return _kind_fits(wanted, got)
    if ERROR in (wanted, got) or wanted == got:
        return True
    return type(wanted) is type(got) and bool(parts(wanted)) and _alike(wanted, got)


def _kind_fits(wanted: Type | None, got: Type) -> bool:
    """A literal without a type is a number at least."""
    for open_, other in ((wanted, got), (got, wanted)):
        if isinstance(open_, InferVar) and open_.kind != "any" and other is not None:
            return isinstance(other, InferVar | TypeVar) or (
                is_float(other) if open_.kind == "float" else is_int(other)
            )
    return True


def _alike(wanted: Type, got: Type) -> bool:
    names = [getattr(t, "name", "") for t in (wanted, got)]
    a, b = parts(wanted), parts(got)
    return names[0] == names[1] and len(a) == len(b) and all(fits(x, y) for x, y in zip(a, b, strict=True))
