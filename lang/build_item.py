"""Items of a module."""

from collections.abc import Callable

from dandc.lang import literals
from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, name
from dandc.lang.build_expr import arguments, expr, optional_expr
from dandc.lang.build_flow import flow_block, policies
from dandc.lang.build_stmt import block, iterable
from dandc.lang.build_types import pattern, type_expr
from dandc.lang.spans import Span

# What every item has besides its own parts: span, `doc` and `public`.
_Head = tuple[Span, str, bool]


def item(context: Context, tree: Child, doc: str) -> t.Item:
    """The item that `tree` (the rule `item`) says."""
    public, inner = tree.children
    first, last = public or inner.children[0], inner.children[-1]
    end = last.end_pos if hasattr(last, "end_pos") else last.children[-1].end_pos
    span = Span(context.file, first.start_pos, end)
    return _ITEMS[inner.data](context, inner.children, (span, doc, public is not None))


def _import(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, target, alias, _ = children
    relative = target.type == "STR"
    path = literals.string_value(target) if relative else name(context, target).text
    as_name = None if alias is None else name(context, alias)
    return t.ImportItem(span, path, relative, as_name, doc=doc, public=public)


def _config(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, type_, default, _ = children
    return t.ConfigItem(
        span, name(context, word), type_expr(context, type_), optional_expr(context, default), doc=doc, public=public
    )


def _endpoint(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, driver, args, _ = children
    return t.EndpointItem(
        span, name(context, word), name(context, driver), arguments(context, args), doc=doc, public=public
    )


def _const(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, type_, value, _ = children
    return t.ConstItem(
        span, name(context, word), type_expr(context, type_), expr(context, value), doc=doc, public=public
    )


def _record(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, params, fields, _ = children
    declared = tuple([_field_decl(context, child.children) for child in fields.children])
    return t.RecordItem(span, name(context, word), _type_params(context, params), declared, doc=doc, public=public)


def _field_decl(context: Context, children: list[Child]) -> t.FieldDecl:
    annotations = _annotations(context, children[0])
    word, type_ = name(context, children[1]), type_expr(context, children[2])
    return t.FieldDecl((*annotations, word)[0].span.to(type_.span), word, type_, annotations)


def _annotations(context: Context, tree: Child) -> tuple[t.Annotation, ...]:
    return tuple([_annotation(context, child.children) for child in tree.children])


def _annotation(context: Context, children: list[Child]) -> t.Annotation:
    first, word, text, last = children
    value = t.StrLit(context.at(text), literals.string_value(text))
    return t.Annotation(context.between(first, last), name(context, word), value)


def _enum(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, params, variants, _ = children
    declared = tuple([_variant(context, child.children) for child in variants.children])
    return t.EnumItem(span, name(context, word), _type_params(context, params), declared, doc=doc, public=public)


def _variant(context: Context, children: list[Child]) -> t.VariantDecl:
    annotations, word = _annotations(context, children[0]), name(context, children[1])
    payload = [child for child in children[2:] if child is not None]
    span = (*annotations, word)[0].span.to(context.at(payload[-1]) if payload else word.span)
    return t.VariantDecl(span, word, tuple([type_expr(context, child) for child in payload[:-1]]), annotations)


def _type_params(context: Context, tree: Child) -> tuple[t.TypeParam, ...]:
    return tuple([_type_param(context, child.children) for child in tree.children if child is not None])


def _type_param(context: Context, children: list[Child]) -> t.TypeParam:
    word, *bounds = (name(context, child) for child in children if child is not None)
    return t.TypeParam(word.span.to((bounds or [word])[-1].span), word, tuple(bounds))


def _fn(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, type_params, params, result, body = children
    return t.FnItem(
        span,
        name(context, word),
        _type_params(context, type_params),
        tuple([_param(context, child.children) for child in params.children]),
        None if result is None else type_expr(context, result),
        _fn_body(context, body),
        doc=doc,
        public=public,
    )


def _fn_body(context: Context, tree: Child) -> t.Block | None:
    if tree.data == "body_intrinsic":
        return None
    if tree.data == "block":
        return block(context, tree)
    value = expr(context, tree.children[0])
    return t.Block(value.span, (t.ReturnStmt(value.span, value),))


def _param(context: Context, children: list[Child]) -> t.Param:
    inout, word, type_, default = children
    declared, value = type_expr(context, type_), optional_expr(context, default)
    span = context.upto(inout or word, value or declared)
    return t.Param(span, name(context, word), declared, inout is not None, value)


def _ports(context: Context, tree: Child) -> tuple[t.Port, ...]:
    return tuple([_port(context, child.children) for child in tree.children])


def _port(context: Context, children: list[Child]) -> t.Port:
    word, key, type_ = children
    declared = type_expr(context, type_)
    if key is not None:
        declared = t.KeyType(context.upto(key, declared), declared)
    return t.Port(context.upto(word, declared), name(context, word), declared)


def _function(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, params, outputs, body = children
    ports = _ports(context, params), _ports(context, outputs)
    if body.data == "block":
        return t.FunctionItem(span, name(context, word), *ports, block(context, body), None, doc=doc, public=public)
    value = expr(context, body.children[0])
    return t.FunctionItem(span, name(context, word), *ports, None, value, doc=doc, public=public)


def _communication(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, params, outputs, _ = children
    ports = _ports(context, params), _ports(context, outputs)
    return t.CommunicationItem(span, name(context, word), *ports, doc=doc, public=public)


def _composition(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, word, params, outputs, body = children
    ports = _ports(context, params), _ports(context, outputs)
    return t.CompositionItem(span, name(context, word), *ports, flow_block(context, body), doc=doc, public=public)


def _default(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, _, public = head
    _, target, listed, _ = children
    if public:
        context.report("P0113", "a default is not public", span, "remove the `pub` before it")
    built = policies(context, listed.children)
    if not built:
        context.report("P0119", "a default is a policy", context.at(target), "`default http retry 3;`")
    return t.DefaultItem(span, name(context, target), built)


def _test(context: Context, children: list[Child], head: _Head) -> t.Item:
    span, doc, public = head
    _, title, _, targets, table, body = children
    if public:
        context.report("P0113", "a test is not public", span, "remove the `pub` before it")
    name_ = t.StrLit(context.at(title), literals.string_value(title))
    shapes = () if targets is None else tuple([pattern(context, child) for child in targets.children])
    rows = None if table is None else iterable(context, table)
    return t.TestItem(span, name_, shapes, rows, block(context, body), doc=doc)


_ITEMS: dict[str, Callable[[Context, list[Child], _Head], t.Item]] = {
    "import_item": _import,
    "config_item": _config,
    "endpoint_item": _endpoint,
    "const_item": _const,
    "record_item": _record,
    "enum_item": _enum,
    "fn_item": _fn,
    "function_item": _function,
    "communication_item": _communication,
    "composition_item": _composition,
    "default_item": _default,
    "test_item": _test,
}
