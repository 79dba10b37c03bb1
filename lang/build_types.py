"""Types and patterns."""

from collections.abc import Callable

from dandc.lang import literals
from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, path
from dandc.lang.spans import Span


def type_expr(context: Context, tree: Child) -> t.TypeExpr:
    """The type that `tree` (a rule of `type`) says."""
    return _TYPES[tree.data](context, tree.children)


def _named(context: Context, children: list[Child]) -> t.TypeExpr:
    names = path(context, children[0])
    return t.NamedType(names[0].span.to(names[-1].span), names)


def _applied(context: Context, children: list[Child]) -> t.TypeExpr:
    names = path(context, children[0])
    args, last = children[1:-1], children[-1]
    span = names[0].span.to(context.at(last))
    if len(names) == 1 and names[0].text == "set" and len(args) == 1:
        return _set(context, span, args[0])
    for arg in args:
        if arg.data == "keyed_type":
            key = type_expr(context, arg.children[0])
            context.report("P0124", "`=>` stands only in `set[K => T]`", key.span, "a key type outside `set`")
    types = [type_expr(context, arg.children[1] if arg.data == "keyed_type" else arg) for arg in args]
    return t.NamedType(span, names, tuple(types))


def _set(context: Context, span: Span, arg: Child) -> t.SetType:
    if arg.data != "keyed_type":
        return t.SetType(span, None, type_expr(context, arg))
    key, item = arg.children
    return t.SetType(span, type_expr(context, key), type_expr(context, item))


def _tuple(context: Context, children: list[Child]) -> t.TypeExpr:
    items = tuple([type_expr(context, child) for child in children[1:-1]])
    return t.TupleType(context.between(children[0], children[-1]), items)


def _fn(context: Context, children: list[Child]) -> t.TypeExpr:
    first, params, result = children
    returned = type_expr(context, result)
    return t.FnType(
        context.upto(first, returned), tuple([type_expr(context, child) for child in params.children]), returned
    )


def _optional(context: Context, children: list[Child]) -> t.TypeExpr:
    item = type_expr(context, children[1])
    return t.OptionalType(context.upto(children[0], item), item)


_TYPES: dict[str, Callable[[Context, list[Child]], t.TypeExpr]] = {
    "named_type": _named,
    "applied_type": _applied,
    "tuple_type": _tuple,
    "fn_type": _fn,
    "optional_type": _optional,
}


def literal(context: Context, token: Child) -> t.Expr:
    """The literal that a token spells."""
    return LITERALS[token.type](context.at(token), token)


LITERALS: dict[str, Callable[[Span, str], t.Expr]] = {
    "INT": lambda span, text: t.IntLit(span, literals.int_value(text)),
    "FLOAT": lambda span, text: t.FloatLit(span, text.replace("_", "")),
    "STR": lambda span, text: t.StrLit(span, literals.string_value(text)),
    "BYTES": lambda span, text: t.BytesLit(span, literals.decode_bytes(text[2:-1])),
    "TRUE": lambda span, _: t.BoolLit(span, True),
    "FALSE": lambda span, _: t.BoolLit(span, False),
}


def pattern(context: Context, tree: Child) -> t.Pattern:
    """The pattern that `tree` (a rule of `pattern`) says."""
    return _PATTERNS[tree.data](context, tree.children)


def _path_pattern(context: Context, children: list[Child]) -> t.Pattern:
    names = path(context, children[0])
    if len(names) > 1:
        return t.VariantPattern(names[0].span.to(names[-1].span), names, ())
    if names[0].text == "_":
        return t.WildcardPattern(names[0].span)
    return t.NamePattern(names[0].span, names[0])


def _variant_pattern(context: Context, children: list[Child]) -> t.Pattern:
    names = path(context, children[0])
    args = tuple([pattern(context, child) for child in children[1:-1]])
    return t.VariantPattern(names[0].span.to(context.at(children[-1])), names, args)


def _tuple_pattern(context: Context, children: list[Child]) -> t.Pattern:
    items = tuple([pattern(context, child) for child in children[1:-1]])
    return t.TuplePattern(context.between(children[0], children[-1]), items)


def _literal_pattern(context: Context, children: list[Child]) -> t.Pattern:
    value = literal(context, children[-1])
    if len(children) == 1:
        return t.LiteralPattern(value.span, value)
    span = context.between(children[0], children[1])
    return t.LiteralPattern(span, t.UnaryExpr(span, "-", value))


_PATTERNS: dict[str, Callable[[Context, list[Child]], t.Pattern]] = {
    "path_pattern": _path_pattern,
    "variant_pattern": _variant_pattern,
    "tuple_pattern": _tuple_pattern,
    "literal_pattern": _literal_pattern,
}
