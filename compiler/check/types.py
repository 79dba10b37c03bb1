"""From type expressions to types; what a type can do (bounds), and its definition in the program's table."""

from collections.abc import Mapping

from attrs import evolve

from dandc.compiler.check import report
from dandc.compiler.check.circles import circles
from dandc.compiler.check.infer import parts, substitute
from dandc.compiler.check.symbols import PRELUDE, Scope, Symbol, TypeDecl, World
from dandc.compiler.typed import TPort
from dandc.compiler.types import (
    BOOL,
    BYTES,
    ERROR,
    MAP,
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
    SetRef,
    Tuple,
    Type,
    TypeDef,
    TypeVar,
    is_float,
    is_int,
    is_map,
)
from dandc.lang import tree
from dandc.lang.diagnostics import Diagnostic, Fix, Label
from dandc.lang.spans import Span

BOUNDS = ("eq", "ord", "hash", "num", "data")
# An array of records with fields: what can be a table. Only the standard library declares it.
ROWS = "rows"
BASIC = {
    name: Basic(name)
    for name in (
        *("bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"),
        *("f32", "f64", "str", "bytes", "secret", "unit"),
    )
}
GENERIC = {"array": 1, "option": 1, "result": 2, "map": 2}
# What a name of each kind is called.
# What other languages have a module do; here an endpoint does it.
REQUESTS = frozenset("get post put patch delete head request open read write list".split())
KIND_WORDS = {
    "module": "module",
    "type": "type",
    "fn": "helper function",
    "kernel": "function",
    "composition": "composition",
    "communication": "communication function",
    "config": "config",
    "endpoint": "endpoint",
    "const": "constant",
    "variant": "variant",
}


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
        if symbol.kind == "broken":
            return None
        if symbol.kind != "module":
            world.sink.add(report.wrong_kind(path[0].text, path[0].span, KIND_WORDS[symbol.kind], "module"))
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
    if symbol is None and module.name in world.lossy:
        return None
    if symbol is None or symbol.kind == "module":
        public = [n for n, s in inside.names.items() if s.public]
        missing = report.unknown_member(f"module `{module.name}`", name.text, name.span, public, "name")
        if name.text in REQUESTS and "Endpoint" in inside.names:
            note = f"requests are made with a declared endpoint: `endpoint service = {module.name}(...);`, `service.{name.text}(...)`"
            missing = evolve(missing, notes=(note,), fixes=())
        world.sink.add(missing)
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
    if len(expr.path) == 1 and lookup(world, scope, first.text) is None:
        known = [*scope.names, *BASIC, *GENERIC, *params]
        world.sink.add(_unknown_type(world, scope, first, _type_names(world, scope, known)))
        return ERROR
    symbol = lookup_path(world, scope, expr.path)
    if symbol is None:
        return ERROR
    if symbol.kind != "type":
        if symbol.kind != "broken":
            kind = KIND_WORDS[symbol.kind]
            world.sink.add(report.wrong_kind(expr.path[-1].text, expr.path[-1].span, kind, "type"))
        return ERROR
    decl = world.types[symbol.name]
    args = tuple(resolve_type(world, scope, a, params) for a in expr.args)
    if not _arity(world, expr.path[-1].text, len(decl.params), expr):
        return ERROR
    for param, t, written in zip(decl.params, args, expr.args, strict=True):
        world.type_args += [(t, bound, written.span, expr.path[-1].text) for bound in param.bounds]
    return Named(decl.name, args)


def _type_names(world: World, scope: Scope, known: list[str]) -> list[str]:
    prelude = world.scopes[PRELUDE].names if PRELUDE in world.scopes else {}
    types = [n for n, s in {**prelude, **scope.names}.items() if s.kind == "type"]
    return [*types, *(n for n in known if n in BASIC or n in GENERIC)]


def _in_modules(world: World, scope: Scope, name: str) -> list[str]:
    """The public types of imported modules that are called `name`, as they are written here."""
    modules = [(alias, world.scopes[s.name]) for alias, s in scope.names.items() if s.kind == "module"]
    found = ((alias, inside.names.get(name)) for alias, inside in modules)
    return [f"{alias}.{name}" for alias, symbol in found if symbol and symbol.kind == "type" and symbol.public]


def _unknown_type(world: World, scope: Scope, name: tree.Name, known: list[str]) -> Diagnostic:
    """A type that is not declared here; perhaps it is in an imported module."""
    qualified = _in_modules(world, scope, name.text)
    if len(qualified) != 1:
        unknown = report.unknown_name(name.text, name.span, known, "type")
        if not qualified:
            return unknown
        return evolve(unknown, notes=(f"imported modules have {report.listed(qualified)}",), fixes=())
    fix = Fix("it is in a module", name.span, qualified[0], certain=True)
    return report.fixed("N0201", f"there is no type `{name.text}` here", name.span, "not found", fix)


def _resolve_generic(world: World, scope: Scope, expr: tree.NamedType, params: Mapping[str, TypeVar]) -> Type:
    name = expr.path[0].text
    if not _arity(world, name, GENERIC[name], expr):
        return ERROR
    args = tuple(resolve_type(world, scope, a, params) for a in expr.args)
    if name == "map":
        world.type_args.append((args[0], "hash", expr.args[0].span, "map"))
    return generic(name, args)


def check_type_args(world: World) -> None:
    """Report type arguments without the bounds that their parameters have; every declaration is known by now."""
    for t, bound, span, whose in world.type_args:
        if t != ERROR and not satisfies(world, t, bound):
            text = report.display(t)
            notes: tuple[str, ...] = ()
            if isinstance(t, TypeVar):
                notes = (f"declare the bound with the type parameter: `[{t.name}: {bound}]`",)
            elif whose == "map":
                notes = ("a key of a map is anything but floats, secrets and maps, and what holds one of them",)
            code, message = "T0307", f"`{whose}` needs `{bound}`, which `{text}` does not have"
            if whose == "map":
                code, message = "T0313", f"`{text}` cannot be the key of a map"
            world.sink.add(report.simple(code, message, span, f"has no `{bound}`", notes=notes))
    world.type_args.clear()


def generic(name: str, args: tuple[Type, ...]) -> Type:
    """The built-in generic type `name` of `args`."""
    match name:
        case "array":
            return Array(args[0])
        case "option":
            return Option(args[0])
        case "map":
            return Named(MAP, args)
    return Result(args[0], args[1])


def _arity(world: World, name: str, wanted: int, expr: tree.NamedType) -> bool:
    if len(expr.args) == wanted:
        return True
    world.sink.add(type_arguments(name, wanted, len(expr.args), expr.span))
    return False


def type_arguments(name: str, wanted: int, got: int, span: Span, *origins: Label) -> Diagnostic:
    """The diagnostic for too many or too few type arguments."""
    takes = report.count(wanted, "type argument")
    return report.simple("T0312", f"`{name}` takes {takes}, but {report.given(got)}", span, f"{got} given", *origins)


def resolve_port(world: World, scope: Scope, port: tree.Port) -> TPort:
    """A port with its kind, key and item."""
    kind, key, item = "one", None, port.type
    if isinstance(port.type, tree.KeyType):
        return TPort(port.name.text, "key", None, _key_type(world, scope, port.type.key), port.span)
    if isinstance(port.type, tree.OptionalType):
        kind, item = "optional", port.type.item
    elif isinstance(port.type, tree.SetType):
        kind, item = "set", port.type.item
        if port.type.key is not None:
            key = _key_type(world, scope, port.type.key)
    return TPort(port.name.text, kind, key, resolve_type(world, scope, item, {}), port.span)


def _key_type(world: World, scope: Scope, written: tree.TypeExpr) -> Type:
    """The type of keys that is written; an error type after a report."""
    key = resolve_type(world, scope, written, {})
    if key == ERROR or is_key(world, key):
        return key
    world.sink.add(not_a_key(key, written.span))
    return ERROR


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
            if t not in world.variants:
                bindings = dict(zip(decl.params, args, strict=True))
                world.variants[t] = tuple(
                    (v.name, tuple(substitute(p, bindings) for p in v.payload)) for v in decl.variants
                )
            return world.variants[t]
    return None


def satisfies(world: World, t: Type, bound: str) -> bool:
    """Whether `t` has `bound`: `eq ord hash num data`, or `ROWS`."""
    if bound == ROWS and not isinstance(t, TypeVar):
        return t == ERROR or (isinstance(t, Array) and not is_map(t.item) and bool(_named_fields(world, t.item)))
    seen: set[Type] = set()
    waiting = [t]
    while waiting:
        part = waiting.pop()
        if part not in seen:
            seen.add(part)
            inside = _needs(world, part, bound)
            if inside is None:
                return False
            waiting.extend(inside)
    return True


def _named_fields(world: World, t: Type) -> tuple[tuple[str, Type], ...] | None:
    return record_fields(world, t) if isinstance(t, Named | Anon) else None


def _needs(world: World, t: Type, bound: str) -> tuple[Type, ...] | None:
    """Which parts of `t` need `bound` too so that `t` has it; None if it cannot have it."""
    match t:
        case TypeVar(bounds=bounds):
            implied = bound == "eq" and bool({"ord", "hash", "num"} & set(bounds))
            return () if bound in bounds or implied else None
        case Basic():
            return () if t == ERROR or _basic_has(t, bound) else None
        case Fn() | InferVar() | SetRef():
            return None
    if bound == "num":
        return None
    inside = contents(world, t)
    if bound == "hash" and is_map(t):
        return None
    if bound == "ord" and isinstance(t, Named | Anon):
        return () if isinstance(t, Named) and variants_of(world, t) and not inside else None
    return inside


def _basic_has(t: Basic, bound: str) -> bool:
    if bound == "num":
        return is_int(t) or is_float(t)
    return t != SECRET and not (bound == "hash" and is_float(t))


def contents(world: World, t: Type) -> tuple[Type, ...]:
    """The types of what a value of the concrete type `t` is made of: fields, payloads or elements."""
    if isinstance(t, Array):
        return (t.item,)
    if isinstance(t, SetRef):
        return (t.item,) if t.key is None else (t.key, t.item)
    if isinstance(t, Basic | TypeVar | InferVar | Fn):
        return ()
    fields = tuple(f for _, f in record_fields(world, t) or ())
    return fields + tuple(p for _, payload in variants_of(world, t) or () for p in payload)


def define_type(world: World, t: Type, table: dict[str, TypeDef]) -> None:
    """Put the definitions of every nominal type in the concrete type `t` into `table`."""
    waiting = [t]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Named):
            waiting.extend(parts(part))
        elif str(part) not in table:
            fields = record_fields(world, part)
            encoded = _encoded(world.types[part.name])
            rows = variants_of(world, part) or ()
            table[str(part)] = EnumDef(rows, encoded) if fields is None else RecordDef(fields, encoded)
            waiting.extend((*contents(world, part), *part.args))


def _encoded(decl: TypeDecl) -> tuple[str, ...]:
    """What fields or variants are called in encodings, nothing if all have their own names."""
    members = decl.fields or decl.variants or ()
    return tuple(m.encoded for m in members) if any(m.encoded != m.name for m in members) else ()


def check_finite(world: World, scope: Scope) -> None:
    """Report records and enums of `scope` that would contain themselves without an array between, or ever larger types."""
    for path in circles({name: _inside(world, name) for name, decl in world.types.items()}):
        decl = world.types[path[0]]
        if decl.scope is scope:
            way = " -> ".join(_bare(name) for name in (*path, path[0]))
            message = f"`{_bare(path[0])}` contains itself"
            notes = (f"{way}: put an `array[...]` in between",)
            world.sink.add(report.simple("T0314", message, decl.span, "a value would never end", notes=notes))
    for decl in world.types.values():
        while decl.scope is scope and decl.params and (growing := _growth(world, decl)):
            message = f"`{_bare(decl.name)}` contains ever larger types"
            notes = (f"inside it stands `{report.display(growing)}`, whose argument is larger than its own",)
            world.sink.add(report.simple("T0314", message, decl.span, "the types never end", notes=notes))
            _cut(decl, growing)


def _growth(world: World, decl: TypeDecl) -> Type | None:
    """A use of a generic type inside `decl` that leads back to `decl` with a larger argument (Kennedy and Pierce 2007)."""
    for use in _uses(decl):
        for arg in use.args:
            inside = [v for v in _variables(arg) if v in decl.params]
            if inside and not isinstance(arg, TypeVar) and decl.name in _reached(world, use.name):
                return use
    return None


def _cut(decl: TypeDecl, use: Type) -> None:
    """Take the reported type `use` out of the declaration, so that nobody follows it without end."""

    def mended(t: Type) -> Type:
        return ERROR if use in _all_parts(t) else t

    if decl.fields is not None:
        decl.fields = tuple(evolve(f, type=mended(f.type)) for f in decl.fields)
    if decl.variants is not None:
        decl.variants = tuple(evolve(v, payload=tuple(mended(p) for p in v.payload)) for v in decl.variants)


def _all_parts(t: Type) -> list[Type]:
    return [t, *(inner for part in parts(t) for inner in _all_parts(part))]


def _uses(decl: TypeDecl) -> list[Named]:
    """All nominal types that stand anywhere in the declaration."""
    waiting = [f.type for f in decl.fields or ()] + [p for v in decl.variants or () for p in v.payload]
    found: list[Named] = []
    while waiting:
        t = waiting.pop()
        if isinstance(t, Named):
            found.append(t)
        waiting.extend(parts(t))
    return found


def _variables(t: Type) -> list[TypeVar]:
    return [t] if isinstance(t, TypeVar) else [v for part in parts(t) for v in _variables(part)]


def _reached(world: World, name: str) -> set[str]:
    """The generic types that a value of the generic type `name` may contain, itself included."""
    seen = {name}
    waiting = [name]
    while waiting:
        for use in _uses(world.types[waiting.pop()]):
            if use.args and use.name in world.types and use.name not in seen:
                seen.add(use.name)
                waiting.append(use.name)
    return seen


def _bare(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _inside(world: World, name: str) -> list[str]:
    """Names of the nominal types whose values lie inside a value of the nominal type `name`."""
    decl = world.types[name]
    types = [f.type for f in decl.fields or ()] + [p for v in decl.variants or () for p in v.payload]
    return [inner for t in types for inner in _direct(t)]


def _direct(t: Type) -> list[str]:
    """Names of nominal types whose values lie inside a value of `t` itself, not behind a buffer."""
    if isinstance(t, Array) or is_map(t):
        return []
    own = [t.name] if isinstance(t, Named) else []
    return own + [name for part in parts(t) for name in _direct(part)]
