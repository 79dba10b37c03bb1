"""Prints types, patterns and type parameters."""

from collections.abc import Iterable

from dandc.lang import tree as t
from dandc.lang.format_base import Printer, Rule, Steps, listed
from dandc.lang.format_docs import Doc, concat, flat_text

# Up to this width a type stays on its line, whatever follows it.
_COMPACT = 60


def compact(doc: Doc) -> Doc:
    """`doc` without places to break if it is short: breaking something else on its line reads better."""
    text = flat_text(doc)
    return doc if text is None or len(text) > _COMPACT else text


def commas(p: Printer, nodes: Iterable[t.Node]) -> Steps:
    """Nodes on one line with commas between them, no brackets round them."""
    parts: list[Doc] = []
    for node in nodes:
        parts += [", "] if parts else []
        parts.append((yield node, 0))
    return concat(*parts)


def _named_type(p: Printer, node: t.NamedType, _: int) -> Steps:
    path = p.path(node.path)
    if not node.args:
        return path
    args = yield from listed(p, "[", node.args)
    return compact(concat(path, args))


def _tuple_type(p: Printer, node: t.TupleType, _: int) -> Steps:
    return compact((yield from listed(p, "(", node.items)))


def _fn_type(p: Printer, node: t.FnType, _: int) -> Steps:
    word = p.word("fn")
    params = yield from listed(p, "(", node.params)
    arrow = p.word("->")
    return compact(concat(word, params, " ", arrow, " ", (yield node.result, 0)))


def _set_type(p: Printer, node: t.SetType, _: int) -> Steps:
    start: list[Doc] = [p.word("set"), p.word("[")]
    if node.key is not None:
        key = yield node.key, 0
        start += [key, " ", p.word("=>"), " "]
    item = yield node.item, 0
    return concat(*start, item, p.word("]"))


def _optional_type(p: Printer, node: t.OptionalType, _: int) -> Steps:
    return concat(p.word("optional"), " ", (yield node.item, 0))


def _key_type(p: Printer, node: t.KeyType, _: int) -> Steps:
    return concat(p.word("key"), " ", (yield node.key, 0))


def _type_param(p: Printer, node: t.TypeParam, _: int) -> Doc:
    parts = [p.name(node.name)]
    for i, bound in enumerate(node.bounds):
        sign = p.word("+" if i else ":")
        parts += [" " if i else "", sign, " ", p.name(bound)]
    return concat(*parts)


def _wildcard(p: Printer, node: t.WildcardPattern, _: int) -> Doc:
    return p.token(p.tape.index(node.span.start))


def _name_pattern(p: Printer, node: t.NamePattern, _: int) -> Doc:
    return p.name(node.name)


def _variant_pattern(p: Printer, node: t.VariantPattern, _: int) -> Steps:
    path = p.path(node.path)
    if not node.args:
        return path
    return concat(path, (yield from listed(p, "(", node.args)))


def _tuple_pattern(p: Printer, node: t.TuplePattern, _: int) -> Steps:
    return (yield from listed(p, "(", node.items))


def _literal_pattern(p: Printer, node: t.LiteralPattern, _: int) -> Steps:
    return (yield node.value, 0)


RULES: dict[type[t.Node], Rule] = {
    t.NamedType: _named_type,
    t.TupleType: _tuple_type,
    t.FnType: _fn_type,
    t.SetType: _set_type,
    t.OptionalType: _optional_type,
    t.KeyType: _key_type,
    t.TypeParam: _type_param,
    t.WildcardPattern: _wildcard,
    t.NamePattern: _name_pattern,
    t.VariantPattern: _variant_pattern,
    t.TuplePattern: _tuple_pattern,
    t.LiteralPattern: _literal_pattern,
}
