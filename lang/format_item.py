"""Prints the items of a module."""

from collections.abc import Iterable

from dandc.lang import tree as t
from dandc.lang.format_base import Printer, Rule, Steps, enclosed, listed, separator
from dandc.lang.format_docs import HARD, LINE, SOFT, Doc, concat, group, indent
from dandc.lang.format_expr import arguments
from dandc.lang.format_stmt import for_head, one_statement
from dandc.lang.format_tape import NOTHING


def _start(p: Printer, node: t.Item, word: str) -> list[Doc]:
    """The words before the name of an item, with a space at the end."""
    return [*([p.word("pub"), " "] if node.public else []), p.word(word), " "]


def _import(p: Printer, node: t.ImportItem, _: int) -> Doc:
    parts = [*_start(p, node, "import"), p.next()]
    if node.alias is not None:
        parts += [" ", p.word("as"), " ", p.name(node.alias)]
    return concat(*parts, ";")


def _config(p: Printer, node: t.ConfigItem, _: int) -> Steps:
    parts = [*_start(p, node, "config"), p.name(node.name), p.word(":"), " ", (yield node.type, 0)]
    if node.default is not None:
        parts += [" ", p.word("="), " ", (yield node.default, 0)]
    return concat(*parts, ";")


def _endpoint(p: Printer, node: t.EndpointItem, _: int) -> Steps:
    parts = [*_start(p, node, "endpoint"), p.name(node.name), " ", p.word("="), " ", p.name(node.driver)]
    return concat(*parts, (yield from arguments(p, node.args)), ";")


def _const(p: Printer, node: t.ConstItem, _: int) -> Steps:
    parts = [*_start(p, node, "const"), p.name(node.name), p.word(":"), " ", (yield node.type, 0)]
    return concat(*parts, " ", p.word("="), " ", (yield node.value, 0), ";")


# Types.


def _record(p: Printer, node: t.RecordItem, _: int) -> Steps:
    parts = [*_start(p, node, "record"), p.name(node.name), (yield from _type_params(p, node.type_params)), " "]
    return concat(*parts, (yield from _members(p, node.fields)))


def _enum(p: Printer, node: t.EnumItem, _: int) -> Steps:
    parts = [*_start(p, node, "enum"), p.name(node.name), (yield from _type_params(p, node.type_params)), " "]
    return concat(*parts, (yield from _members(p, node.variants)))


def _members(p: Printer, nodes: Iterable[t.Node]) -> Steps:
    found = yield from enclosed(p, p.tape.find("{"), nodes)
    return group(found.doc(LINE, blanks=True))


def _type_params(p: Printer, nodes: tuple[t.TypeParam, ...]) -> Steps:
    if not nodes:
        return ""
    return (yield from listed(p, "[", nodes))


def _member(p: Printer, node: t.FieldDecl | t.Port, _: int) -> Steps:
    before = (yield from _annotations(node.annotations)) if isinstance(node, t.FieldDecl) else ""
    name, colon = p.name(node.name), p.word(":")
    return concat(before, name, colon, " ", (yield node.type, 0))


def _variant(p: Printer, node: t.VariantDecl, _: int) -> Steps:
    name = concat((yield from _annotations(node.annotations)), p.name(node.name))
    return concat(name, (yield from listed(p, "(", node.payload))) if node.payload else name


def _annotations(nodes: tuple[t.Annotation, ...]) -> Steps:
    """Annotations on the line of what they belong to."""
    parts: list[Doc] = []
    for node in nodes:
        parts += [(yield node, 0), " "]
    return concat(*parts)


def _annotation(p: Printer, node: t.Annotation, _: int) -> Doc:
    return concat(p.word("@"), p.name(node.name), p.word("("), p.at(node.value), p.word(")"))


# Functions.


def _param(p: Printer, node: t.Param, _: int) -> Steps:
    parts = [p.word("inout"), " "] if node.inout else []
    parts += [p.name(node.name), p.word(":"), " ", (yield node.type, 0)]
    if node.default is not None:
        parts += [" ", p.word("="), " ", (yield node.default, 0)]
    return concat(*parts)


def _fn(p: Printer, node: t.FnItem, _: int) -> Steps:
    parts = [*_start(p, node, "fn"), p.name(node.name), (yield from _type_params(p, node.type_params))]
    found = yield from enclosed(p, p.tape.find("("), node.params)
    result: list[Doc] = []
    if node.result is not None:
        result = [" ", p.word("->"), " ", (yield node.result, 0)]
    parts.append(group(found.doc(SOFT), *result))
    if node.body is None:
        return concat(*parts, " ", p.word("intrinsic"), ";")
    only = node.body.statements[0] if len(node.body.statements) == 1 else None
    if isinstance(only, t.ReturnStmt) and only.value is not None:
        return group(*parts, (yield from _only_return(p, node.body, only.value)))
    return concat(*parts, " ", (yield node.body, 0))


def _only_return(p: Printer, body: t.Block, value: t.Expr) -> Steps:
    """The body of a helper that only returns: `= value;` if the item fits on one line then, else a block."""
    braces = p.tape.text(p.tape.cursor) == "{"
    before = p.before(value, dropping="= { return")
    shown = yield value, 0
    end = p.tape.advance(p.index_before(body.span.end)) if braces else NOTHING
    return one_statement(" ", before, concat("return ", shown, ";"), end, instead=concat(" = ", shown, ";"))


def _function(p: Printer, node: t.FunctionItem, _: int) -> Steps:
    parts = [*_start(p, node, "function"), p.name(node.name), (yield from _ports(p, node))]
    if node.body is not None:
        return concat(*parts, " ", (yield node.body, 0))
    assert node.expression is not None
    before = p.before(node.expression, dropping="=")
    return group(*parts, indent(*separator(before, LINE), "= ", (yield node.expression, 0), ";"))


def _ports(p: Printer, node: t.FunctionItem | t.CommunicationItem | t.CompositionItem) -> Steps:
    """Parameters and outputs: if they do not fit on one line together, the parameters are broken first."""
    found = yield from enclosed(p, p.tape.find("("), node.params)
    arrow = p.word("=>")
    return group(found.doc(SOFT), " ", arrow, " ", (yield from listed(p, "(", node.outputs)))


def _communication(p: Printer, node: t.CommunicationItem, _: int) -> Steps:
    parts = [*_start(p, node, "communication"), p.name(node.name), (yield from _ports(p, node))]
    return concat(*parts, ";")


def _composition(p: Printer, node: t.CompositionItem, _: int) -> Steps:
    parts = [*_start(p, node, "composition"), p.name(node.name), (yield from _ports(p, node)), " "]
    found = yield from enclosed(p, p.tape.find("{"), node.body)
    return concat(*parts, found.doc(HARD, comma="", blanks=True))


def _test(p: Printer, node: t.TestItem, _: int) -> Steps:
    parts = [p.word("test"), " ", p.at(node.title), " "]
    if node.table is not None:
        parts.append((yield from for_head(p, node.targets, node.table)))
    return concat(*parts, (yield node.body, 0))


RULES: dict[type[t.Node], Rule] = {
    t.ImportItem: _import,
    t.ConfigItem: _config,
    t.EndpointItem: _endpoint,
    t.ConstItem: _const,
    t.RecordItem: _record,
    t.EnumItem: _enum,
    t.Annotation: _annotation,
    t.FieldDecl: _member,
    t.Port: _member,
    t.VariantDecl: _variant,
    t.Param: _param,
    t.FnItem: _fn,
    t.FunctionItem: _function,
    t.CommunicationItem: _communication,
    t.CompositionItem: _composition,
    t.TestItem: _test,
}
