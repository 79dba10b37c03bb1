"""First pass: collects the declarations of all modules and resolves the types of their headers."""

import re
from collections.abc import Sequence

from attrs import evolve

from dandc.compiler.check import report
from dandc.compiler.check.symbols import (
    PRELUDE,
    CompositionDecl,
    ConfigDecl,
    EndpointDecl,
    FieldInfo,
    FnDecl,
    KernelDecl,
    ParamInfo,
    Scope,
    SourceModule,
    Symbol,
    TypeDecl,
    VariantInfo,
    World,
)
from dandc.compiler.check.types import (
    BOUNDS,
    ROWS,
    check_finite,
    head_of,
    resolve_port,
    resolve_type,
)
from dandc.compiler.typed import TPort
from dandc.compiler.types import ERROR, UNIT, Named, Option, Type, TypeVar
from dandc.lang import tree
from dandc.lang.diagnostics import Fix
from dandc.lang.spans import Span

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The variants of `option` and `result` are names like any other, so that a module may use them for its own things.
VARIANTS = ("none", "some", "ok", "err")
Declared = (
    tree.RecordItem
    | tree.EnumItem
    | tree.FnItem
    | tree.ConstItem
    | tree.FunctionItem
    | tree.CommunicationItem
    | tree.CompositionItem
    | tree.ConfigItem
    | tree.EndpointItem
)
KINDS: dict[type, str] = {
    tree.RecordItem: "type",
    tree.EnumItem: "type",
    tree.FnItem: "fn",
    tree.ConstItem: "const",
    tree.FunctionItem: "kernel",
    tree.CommunicationItem: "communication",
    tree.CompositionItem: "composition",
    tree.ConfigItem: "config",
    tree.EndpointItem: "endpoint",
}


def declare(world: World, modules: dict[str, SourceModule]) -> None:
    """Fill `world` with everything that `modules` declare."""
    for module in modules.values():
        world.scopes[module.name] = Scope(module)
        if module.name == PRELUDE:
            for name in VARIANTS:
                world.scopes[PRELUDE].names[name] = Symbol("variant", name, module.tree.span)
    for scope in world.scopes.values():
        _declare_names(world, scope)
    for scope in world.scopes.values():
        for item in scope.module.tree.items:
            if isinstance(item, tree.RecordItem | tree.EnumItem):
                _declare_type(world, scope, item)
    for scope in world.scopes.values():
        for item in scope.module.tree.items:
            if isinstance(item, tree.RecordItem | tree.EnumItem):
                _fill_type(world, scope, item)
    for scope in world.scopes.values():
        if not scope.module.trusted:
            check_finite(world, scope)
        for item in scope.module.tree.items:
            _declare_item(world, scope, item)


def _declare_names(world: World, scope: Scope) -> None:
    for item in scope.module.tree.items:
        if isinstance(item, tree.ImportItem):
            _declare_import(world, scope, item)
        elif isinstance(item, tree.FnItem) and _is_method(item):
            continue
        elif isinstance(item, Declared):
            name = item.name
            symbol = Symbol(KINDS[type(item)], scope.qualified(name.text), name.span, item.public)
            _add_name(world, scope, name, symbol)


def _add_name(world: World, scope: Scope, name: tree.Name, symbol: Symbol) -> None:
    if name.text in scope.names:
        world.sink.add(report.duplicate(name.text, name.span, scope.names[name.text].span))
        return
    scope.names[name.text] = symbol


def _declare_import(world: World, scope: Scope, item: tree.ImportItem) -> None:
    target = scope.module.imports.get(item.path)
    default = item.path.rsplit("/", 1)[-1].removesuffix(".dnd")
    name = item.alias or tree.Name(item.span, default)
    if target is not None and item.alias is None and not _NAME.fullmatch(default):
        message = f"`{default}` is no name by which a module could be known"
        fix = Fix("give it one", Span(item.span.file, item.span.end - 1, item.span.end - 1), " as other")
        world.sink.add(report.fixed("M0503", message, item.span, "the name of the file is not a name", fix))
        return
    # The loader has reported a module that is not there: what is used of it is no further mistake.
    symbol = Symbol("broken", default, item.span, public=False)
    world.lacks_modules |= target is None
    if target is not None:
        symbol = Symbol("module", target, item.span, public=False)
    _add_name(world, scope, name, symbol)


def _is_method(item: tree.FnItem) -> bool:
    return bool(item.params) and item.params[0].name.text == "self"


def _type_params(world: World, scope: Scope, owner: str, params: tuple[tree.TypeParam, ...]) -> tuple[TypeVar, ...]:
    _report_duplicates(world, [p.name for p in params], "type parameter")
    return tuple(TypeVar(owner, p.name.text, _bounds(world, scope, p)) for p in params)


def _bounds(world: World, scope: Scope, param: tree.TypeParam) -> tuple[str, ...]:
    """The bounds of a type parameter; all there are if one of them was not understood."""
    known = (*BOUNDS, ROWS) if scope.module.trusted else BOUNDS
    unknown = [b for b in param.bounds if b.text not in known]
    for bound in unknown:
        world.sink.add(report.unknown_name(bound.text, bound.span, BOUNDS, "bound"))
    return BOUNDS if unknown else tuple(b.text for b in param.bounds)


def _declare_type(world: World, scope: Scope, item: tree.RecordItem | tree.EnumItem) -> None:
    name = scope.qualified(item.name.text)
    if name not in world.types:
        params = _type_params(world, scope, name, item.type_params)
        world.types[name] = TypeDecl(name, params, item.name.span, scope)


def _fill_type(world: World, scope: Scope, item: tree.RecordItem | tree.EnumItem) -> None:
    decl = world.types[scope.qualified(item.name.text)]
    if decl.span != item.name.span:
        return  # a duplicate, reported
    params = {p.name: p for p in decl.params}
    if isinstance(item, tree.RecordItem):
        decl.fields = tuple(
            FieldInfo(f.name.text, resolve_type(world, scope, f.type, params), f.name.span.to(f.span), text)
            for f, text in zip(item.fields, _encoded_names(world, item.fields), strict=True)
        )
        _report_duplicates(world, [f.name for f in item.fields], "field")
    else:
        decl.variants = tuple(
            VariantInfo(
                v.name.text,
                tuple(resolve_type(world, scope, t, params) for t in v.payload),
                v.name.span.to(v.span),
                text,
            )
            for v, text in zip(item.variants, _encoded_names(world, item.variants), strict=True)
        )
        _report_duplicates(world, [v.name for v in item.variants], "variant")


def _encoded_names(world: World, members: Sequence[tree.FieldDecl | tree.VariantDecl]) -> list[str]:
    """What the members are called in encodings; two of one name and annotations that do not exist are reported."""
    seen: dict[str, tuple[tree.Name, Span]] = {}
    found = []
    for member in members:
        given = _annotation(world, member)
        text, span = (member.name.text, member.name.span) if given is None else (given.value, given.span)
        first, at = seen.setdefault(text, (member.name, span))
        if first.text != member.name.text:
            world.sink.add(report.duplicate(text, span, at, "name in encodings", "given"))
        found.append(text)
    return found


def _annotation(world: World, member: tree.FieldDecl | tree.VariantDecl) -> tree.StrLit | None:
    """The text of `@name("...")`, if it is there."""
    found: tree.Annotation | None = None
    for annotation in member.annotations:
        if annotation.name.text != "name":
            unknown = report.unknown_name(annotation.name.text, annotation.name.span, ("name",), "annotation")
            note = '`@name("...")` says what JSON and CSV call a field or variant'
            world.sink.add(evolve(unknown, notes=(note,)))
        elif found is not None:
            span, first = annotation.name.span, found.name.span
            world.sink.add(report.duplicate("name", span, first, "annotation", "given"))
        else:
            found = annotation
    return found.value if found is not None else None


def _report_duplicates(world: World, names: list[tree.Name], what: str) -> None:
    seen: dict[str, Span] = {}
    for name in names:
        if name.text in seen:
            world.sink.add(report.duplicate(name.text, name.span, seen[name.text], what))
        seen.setdefault(name.text, name.span)


def _declare_item(world: World, scope: Scope, item: tree.Item) -> None:
    match item:
        case tree.FnItem():
            _declare_fn(world, scope, item)
        case tree.ConstItem():
            t = resolve_type(world, scope, item.type, {})
            name = scope.qualified(item.name.text)
            world.fns.setdefault(name, FnDecl(name, scope, item, (), (), t, item.name.span))
        case tree.FunctionItem() | tree.CommunicationItem():
            _declare_kernel(world, scope, item)
        case tree.CompositionItem():
            name = scope.qualified(item.name.text)
            params, outputs = _ports(world, scope, item)
            _reject_keys(world, item.params, "a composition")
            world.compositions.setdefault(name, CompositionDecl(name, scope, item, params, outputs))
        case tree.ConfigItem():
            name = scope.qualified(item.name.text)
            world.configs.setdefault(name, ConfigDecl(name, scope, item, resolve_type(world, scope, item.type, {})))
        case tree.EndpointItem():
            _declare_endpoint(world, scope, item)


def _ports(
    world: World, scope: Scope, item: tree.FunctionItem | tree.CommunicationItem | tree.CompositionItem
) -> tuple[tuple[TPort, ...], tuple[TPort, ...]]:
    _report_duplicates(world, [p.name for p in item.params], "parameter")
    _report_duplicates(world, [p.name for p in item.outputs], "output")
    _reject_keys(world, item.outputs, "an output")
    return (
        tuple(resolve_port(world, scope, p) for p in item.params),
        tuple(resolve_port(world, scope, p) for p in item.outputs),
    )


def _reject_keys(world: World, ports: tuple[tree.Port, ...], what: str) -> None:
    """Only parameters of functions take the key of an instance."""
    for port in ports:
        if isinstance(port.type, tree.KeyType):
            message = "only a parameter of a `function` takes the key of an instance"
            world.sink.add(report.simple("C0453", message, port.type.span, f"this belongs to {what}"))


def _declare_kernel(world: World, scope: Scope, item: tree.FunctionItem | tree.CommunicationItem) -> None:
    name = scope.qualified(item.name.text)
    if isinstance(item, tree.CommunicationItem) and not scope.module.trusted:
        world.sink.add(
            report.simple(
                "N0206",
                "communication functions are part of the standard library",
                item.name.span,
                "a program cannot declare its own",
            )
        )
    params, outputs = _ports(world, scope, item)
    if isinstance(item, tree.CommunicationItem):
        _reject_keys(world, item.params, "a communication function")
    world.kernels.setdefault(name, KernelDecl(name, scope, item, params, outputs))


def _declare_fn(world: World, scope: Scope, item: tree.FnItem) -> None:
    owner = scope.qualified(item.name.text)
    if item.body is None and not scope.module.trusted:
        world.sink.add(
            report.simple("N0206", "intrinsic functions are part of the standard library", item.name.span, "no body")
        )
    type_params = _type_params(world, scope, owner, item.type_params)
    scope_params = {p.name: p for p in type_params}
    params = tuple(_param(world, scope, p, scope_params) for p in item.params)
    _report_duplicates(world, [p.name for p in item.params], "parameter")
    result = resolve_type(world, scope, item.result, scope_params) if item.result else UNIT
    name = owner
    if _is_method(item):
        head = head_of(params[0].type)
        name = f"{scope.name}.{head.rsplit('.', 1)[-1]}.{item.name.text}"
        known = world.methods.get((head, item.name.text))
        if known is not None:
            world.sink.add(report.duplicate(item.name.text, item.name.span, world.fns[known].span, "method"))
        world.methods[head, item.name.text] = name
    world.fns.setdefault(name, FnDecl(name, scope, item, type_params, params, result, item.name.span))


def _param(world: World, scope: Scope, param: tree.Param, params: dict[str, TypeVar]) -> ParamInfo:
    if isinstance(param.type, tree.OptionalType):
        item = resolve_type(world, scope, param.type.item, params)
        return ParamInfo(param.name.text, Option(item), param.inout, True, param.default, param.span)
    t = resolve_type(world, scope, param.type, params, function_types=True)
    return ParamInfo(param.name.text, t, param.inout, False, param.default, param.span)


def _declare_endpoint(world: World, scope: Scope, item: tree.EndpointItem) -> None:
    name = scope.qualified(item.name.text)
    symbol = scope.names.get(item.driver.text)
    t: Type = ERROR
    module = ""
    if symbol is not None and symbol.kind == "broken":
        pass
    elif symbol is None or symbol.kind != "module":
        modules = [n for n, s in scope.names.items() if s.kind == "module"]
        diagnostic = report.unknown_name(item.driver.text, item.driver.span, modules, "imported module")
        if not diagnostic.fixes:
            note = f"an endpoint needs its module: `import {item.driver.text};`"
            diagnostic = evolve(diagnostic, notes=(note,))
        world.sink.add(diagnostic)
    elif f"{symbol.name}.Endpoint" not in world.types:
        world.sink.add(
            report.simple(
                "N0204",
                f"the module `{item.driver.text}` has no endpoints",
                item.driver.span,
                "reaches no service",
                notes=("an endpoint belongs to a module that does communication, such as `http`",),
            )
        )
    else:
        module, t = symbol.name, Named(f"{symbol.name}.Endpoint")
    world.endpoints.setdefault(name, EndpointDecl(name, scope, item, module, t))
