"""From type expressions to types; what a type can do (bounds), and its definition in the program's table."""

from collections.abc import Mapping

from dandc.compiler.check import report
from dandc.compiler.check.infer import parts, substitute
from dandc.compiler.check.symbols import PRELUDE, Scope, Symbol, TypeDecl, World
from dandc.compiler.typed import TPort
from dandc.compiler.types import (
    BOOL,
    BYTES,
    ERROR,
    SECRET,
    STR,
    UNIT,
    Anon,
    Array,
    Basic,
    EnumDef,
    Fn,
    InferVar,
    Named,
    Option,
    RecordDef,
    Result,
    Tuple,
    Type,
    TypeDef,
    TypeVar,
    is_float,
    is_int,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Span

BOUNDS = ("eq", "ord", "hash", "num", "data")
BASIC = {
    name: Basic(name)
    for name in (
        *("bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"),
        *("f32", "f64", "str", "bytes", "secret", "unit"),
    )
}
GENERIC = {"array": 1, "option": 1, "result": 2}


def lookup(world: World, scope: Scope, name: str) -> Symbol | None:
    """What `name` means at the top of a module: its own declarations first, then the prelude's.

    The rest of the standard library may use what the prelude keeps to itself.
    """
    if name in scope.names:
        return scope.names[name]
    prelude = world.scopes.get(PRELUDE)
    symbol = prelude.names.get(name) if prelude else None
    return symbol if symbol is not None and (symbol.public or scope.module.trusted) else None


def lookup_path(world: World, scope: Scope, path: tuple[tree.Name, ...]) -> Symbol | None:
    """What a dotted path means; reports what is not there, and then returns None."""
    symbol = lookup(world, scope, path[0].text)
    if symbol is None:
        candidates = [*scope.names, *world.scopes[PRELUDE].names] if PRELUDE in world.scopes else [*scope.names]
        world.sink.add(report.unknown_name(path[0].text, path[0].span, candidates))
        return None
    for name in path[1:]:
        if symbol.kind != "module":
            world.sink.add(report.wrong_kind(path[0].text, path[0].span, symbol.kind, "module"))
            return None
        found = member_of(world, scope, symbol, name)
        if found is None:
            return None
        symbol = found
    return symbol


def member_of(world: World, scope: Scope, module: Symbol, name: tree.Name) -> Symbol | None:
    """The public name `name` of an imported module; reports what is not there."""
    inside = world.scopes[module.name]
    symbol = inside.names.get(name.text)
    if symbol is None or symbol.kind == "module":
        public = [n for n, s in inside.names.items() if s.public]
        world.sink.add(report.unknown_member(f"module `{module.name}`", name.text, name.span, public, "name"))
        return None
    if not symbol.public and not scope.module.trusted:
        world.sink.add(report.private(name.text, module.name, name.span))
        return None
    return symbol


def resolve_type(
    world: World,
    scope: Scope,
    expr: tree.TypeExpr,
    params: Mapping[str, TypeVar],
    *,
    function_types: bool = False,
) -> Type:
    """The type that `expr` names; `ERROR` after a report. `params` are the type parameters in scope."""
    match expr:
        case tree.TupleType(items=items):
            return Tuple(tuple(resolve_type(world, scope, i, params) for i in items)) if items else UNIT
        case tree.FnType(params=inputs, result=result):
            if not function_types:
                world.sink.add(
                    report.simple(
                        "T0310", "a function is not a value", expr.span, "only a parameter of an `fn` can be a function"
                    )
                )
                return ERROR
            return Fn(
                tuple(resolve_type(world, scope, p, params) for p in inputs), resolve_type(world, scope, result, params)
            )
        case tree.SetType() | tree.OptionalType():
            return _misplaced_flow_type(world, expr)
        case tree.NamedType():
            return _resolve_named(world, scope, expr, params)
    raise AssertionError(expr)


def _misplaced_flow_type(world: World, expr: tree.TypeExpr) -> Type:
    word = "set" if isinstance(expr, tree.SetType) else "optional"
    instead = "array" if word == "set" else "option"
    world.sink.add(
        report.simple(
            "T0311",
            f"`{word}` is a type of inputs and outputs, not of values",
            expr.span,
            f"use `{instead}[...]` for a value",
        )
    )
    return ERROR


def _resolve_named(world: World, scope: Scope, expr: tree.NamedType, params: Mapping[str, TypeVar]) -> Type:
    first = expr.path[0]
    if len(expr.path) == 1:
        if first.text in params:
            return params[first.text]
        if first.text in BASIC and first.text not in scope.names:
            return BASIC[first.text] if _arity(world, first.text, 0, expr) else ERROR
        if first.text in GENERIC:
            return _resolve_generic(world, scope, expr, params)
    known = [*scope.names, *BASIC, *GENERIC, *params]
    if len(expr.path) == 1 and lookup(world, scope, first.text) is None:
        world.sink.add(report.unknown_name(first.text, first.span, _type_names(world, scope, known), "type"))
        return ERROR
    symbol = lookup_path(world, scope, expr.path)
    if symbol is None:
        return ERROR
    if symbol.kind != "type":
        world.sink.add(report.wrong_kind(expr.path[-1].text, expr.path[-1].span, symbol.kind, "type"))
        return ERROR
    decl = world.types[symbol.name]
    args = tuple(resolve_type(world, scope, a, params) for a in expr.args)
    if not _arity(world, expr.path[-1].text, len(decl.params), expr):
        return ERROR
    return Named(decl.name, args)


def _type_names(world: World, scope: Scope, known: list[str]) -> list[str]:
    prelude = world.scopes[PRELUDE].names if PRELUDE in world.scopes else {}
    types = [n for n, s in {**prelude, **scope.names}.items() if s.kind == "type"]
    return [*types, *(n for n in known if n in BASIC or n in GENERIC)]


def _resolve_generic(world: World, scope: Scope, expr: tree.NamedType, params: Mapping[str, TypeVar]) -> Type:
    name = expr.path[0].text
    if not _arity(world, name, GENERIC[name], expr):
        return ERROR
    args = tuple(resolve_type(world, scope, a, params) for a in expr.args)
    return generic(name, args)


def generic(name: str, args: tuple[Type, ...]) -> Type:
    """The built-in generic type `name` of `args`."""
    match name:
        case "array":
            return Array(args[0])
        case "option":
            return Option(args[0])
    return Result(args[0], args[1])


def _arity(world: World, name: str, wanted: int, expr: tree.NamedType) -> bool:
    if len(expr.args) == wanted:
        return True
    takes = f"{wanted} type argument{'' if wanted == 1 else 's'}" if wanted else "no type arguments"
    world.sink.add(report.simple("T0312", f"`{name}` takes {takes}, but {len(expr.args)} are given", expr.span, takes))
    return False


def resolve_port(world: World, scope: Scope, port: tree.Port) -> TPort:
    """A port with its kind, key and item."""
    kind, key, item = "one", None, port.type
    if isinstance(port.type, tree.OptionalType):
        kind, item = "optional", port.type.item
    elif isinstance(port.type, tree.SetType):
        kind, item = "set", port.type.item
        if port.type.key is not None:
            key = resolve_type(world, scope, port.type.key, {})
            if key != ERROR and not is_key(world, key):
                world.sink.add(not_a_key(key, port.type.key.span))
                key = ERROR
    return TPort(port.name.text, kind, key, resolve_type(world, scope, item, {}), port.span)


def not_a_key(key: Type, span: Span) -> Diagnostic:
    """The diagnostic for a key type that has no fixed order."""
    return report.simple(
        "T0313",
        f"`{report.display(key)}` cannot be a key",
        span,
        "not a key type",
        notes=("a key is an integer, bool, str, bytes, an enum without payload, or a tuple of these",),
    )


def is_key(world: World, t: Type) -> bool:
    """Whether `t` may be the key of a set."""
    if isinstance(t, Tuple):
        return all(is_key(world, i) for i in t.items)
    if isinstance(t, Named):
        decl = world.types.get(t.name)
        return decl is not None and decl.variants is not None and all(not v.payload for v in decl.variants)
    return t in (BOOL, STR, BYTES) or is_int(t)


def head_of(t: Type) -> str:
    """What methods of values of `t` are found by."""
    match t:
        case Basic(name) | Named(name, _):
            return name
        case Array():
            return "array"
        case Option():
            return "option"
        case Result():
            return "result"
        case Tuple():
            return "tuple"
        case TypeVar() | InferVar():
            return "*"
        case Anon():
            return "record"
    return "fn"


def record_fields(world: World, t: Type) -> tuple[tuple[str, Type], ...] | None:
    """The fields of a record, tuple or anonymous record with their types; None for other types."""
    match t:
        case Tuple(items):
            return tuple((str(i), item) for i, item in enumerate(items))
        case Anon(fields):
            return fields
        case Named(name, args):
            decl = world.types[name]
            if decl.fields is None:
                return None
            bindings = dict(zip(decl.params, args, strict=True))
            return tuple((f.name, substitute(f.type, bindings)) for f in decl.fields)
    return None


def variants_of(world: World, t: Type) -> tuple[tuple[str, tuple[Type, ...]], ...] | None:
    """The variants of an option, result or enum with their payload types; None for other types."""
    match t:
        case Option(item):
            return (("none", ()), ("some", (item,)))
        case Result(ok, err):
            return (("ok", (ok,)), ("err", (err,)))
        case Named(name, args):
            decl = world.types[name]
            if decl.variants is None:
                return None
            bindings = dict(zip(decl.params, args, strict=True))
            return tuple((v.name, tuple(substitute(p, bindings) for p in v.payload)) for v in decl.variants)
    return None


def satisfies(world: World, t: Type, bound: str, seen: frozenset[Type] = frozenset()) -> bool:
    """Whether `t` has `bound`: `eq ord hash num data`."""
    if t in seen or t in (ERROR, UNIT):
        return True
    if isinstance(t, TypeVar):
        return bound in t.bounds or (bound == "eq" and bool({"ord", "hash", "num"} & set(t.bounds)))
    if bound == "num":
        return is_int(t) or is_float(t)
    if isinstance(t, Basic):
        return t != SECRET and not (bound == "hash" and is_float(t))
    if isinstance(t, Fn | InferVar):
        return False
    inside = tuple(f for _, f in record_fields(world, t) or ())
    inside += tuple(p for _, payload in variants_of(world, t) or () for p in payload)
    if isinstance(t, Array):
        inside = (t.item,)
    if bound == "ord" and isinstance(t, Named | Anon):
        return isinstance(t, Named) and bool(variants_of(world, t)) and not inside
    return all(satisfies(world, i, bound, seen | {t}) for i in inside)


def define_type(world: World, t: Type, table: dict[str, TypeDef]) -> None:
    """Put the definitions of every nominal type in the concrete type `t` into `table`."""
    if isinstance(t, Named) and str(t) not in table:
        decl = world.types[t.name]
        bindings = dict(zip(decl.params, t.args, strict=True))
        if decl.fields is not None:
            fields = tuple((f.name, substitute(f.type, bindings)) for f in decl.fields)
            table[str(t)] = RecordDef(fields)
            inside = [f for _, f in fields]
        else:
            variants = variants_of(world, t) or ()
            table[str(t)] = EnumDef(variants)
            inside = [p for _, payload in variants for p in payload]
        for part in inside:
            define_type(world, part, table)
    for part in parts(t):
        define_type(world, part, table)


def check_finite(world: World, scope: Scope) -> None:
    """Report records and enums of `scope` that would contain themselves without an array between."""
    for decl in world.types.values():
        if decl.scope is scope:
            path = _contains(world, decl, decl.name, ())
            if path:
                way = " -> ".join((decl.name.rsplit(".", 1)[-1], *path))
                world.sink.add(
                    report.simple(
                        "T0314",
                        f"`{decl.name.rsplit('.', 1)[-1]}` contains itself",
                        decl.span,
                        f"a value would never end: {way}",
                        notes=("put an `array[...]` in between",),
                    )
                )


def _contains(world: World, decl: TypeDecl, target: str, seen: tuple[str, ...]) -> tuple[str, ...]:
    inside = [f.type for f in decl.fields or ()] + [p for v in decl.variants or () for p in v.payload]
    for t in inside:
        for name in _direct(t):
            if name == target:
                return (*seen, target.rsplit(".", 1)[-1])
            if name not in seen and name in world.types:
                found = _contains(world, world.types[name], target, (*seen, name))
                if found:
                    return found
    return ()


def _direct(t: Type) -> list[str]:
    """Names of nominal types whose values lie inside a value of `t` itself, not behind a buffer."""
    if isinstance(t, Array):
        return []
    own = [t.name] if isinstance(t, Named) else []
    return own + [name for part in parts(t) for name in _direct(part)]
