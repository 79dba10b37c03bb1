"""Expressions: operands from the grammar, precedence from the table here.

The grammar gives a chain of operators flat. Precedence climbing here recurses once a level of the table and once a
prefix operator, never once an operator of the chain; `lang/parser.py` has bounded the depth of the tree before.
"""

from collections.abc import Callable

from attrs import evolve

from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, is_token, name, path
from dandc.lang.build_types import LITERALS, pattern
from dandc.lang.literals import string_value
from dandc.lang.spans import Span

_LEVELS = (
    ("OR",),
    ("AND",),
    (),  # the operand of `not`
    ("EQ", "NE", "LT", "LE", "GT", "GE"),
    ("PIPE",),
    ("CARET",),
    ("AMP",),
    ("SHL", "SHR"),
    ("PLUS", "MINUS", "WADD", "WSUB"),
    ("STAR", "SLASH", "PERCENT", "WMUL"),
)
_LEVEL = {type_: level for level, types in enumerate(_LEVELS) for type_ in types}
OPERATORS = frozenset((*_LEVEL, "TILDE", "NOT"))
_NOT, _COMPARISON, _UNARY = 2, 3, len(_LEVELS)


def expr(context: Context, child: Child) -> t.Expr:
    """The expression that `child` says."""
    if is_token(child):
        build_literal = LITERALS.get(child.type)
        if build_literal is None:
            word = name(context, child)
            return t.NameExpr(word.span, word)
        return build_literal(context.at(child), child)
    return _EXPRESSIONS[child.data](context, child.children)


# Operators.


class _Chain:
    """A flat chain of operands and operators, and how far it has been read."""

    def __init__(self, context: Context, children: list[Child]) -> None:
        self.context, self.children, self.position = context, children, 0

    def operand(self, level: int) -> t.Expr:
        """An operand that is not an operation of a lower level than `level`."""
        child = self.children[self.position]
        self.position += 1
        if not is_token(child) or child.type not in ("MINUS", "TILDE", "NOT"):
            return expr(self.context, child)
        own_level = _NOT if child.type == "NOT" else _UNARY
        if own_level < level:
            self.context.report(
                "P0117", "`not` binds less than the operator before it", self.context.at(child),
                "put the `not` and its operand in parentheses",
            )  # fmt: skip
        inner = self.operation(own_level)
        return t.UnaryExpr(self.context.upto(child, inner), str(child), inner)

    def operation(self, level: int) -> t.Expr:
        """The longest operation from here whose operators are all of `level` or above."""
        left = self.operand(level)
        compared = False
        while self.position < len(self.children):
            operator = self.children[self.position]
            own_level = _LEVEL[operator.type]
            if own_level < level:
                break
            self.position += 1
            if own_level == _COMPARISON and compared:
                self._report_chain(operator)
            compared = own_level == _COMPARISON
            right = self.operation(own_level + 1)
            left = t.BinaryExpr(left.span.to(right.span), str(operator), left, right, self.context.at(operator))
        return left

    def _report_chain(self, operator: Child) -> None:
        self.context.report(
            "P0117", "comparisons do not chain", self.context.at(operator), "a second comparison of one chain",
            "write `a < b and b < c`, or put one comparison in parentheses",
        )  # fmt: skip


def _chain(context: Context, children: list[Child]) -> t.Expr:
    return _Chain(context, children).operation(0)


def _lambda(context: Context, children: list[Child]) -> t.Expr:
    body = expr(context, children[-1])
    params = tuple([_lambda_param(context, child) for child in children[1:-1]])
    return t.LambdaExpr(context.upto(children[0], body), params, body)


def _lambda_param(context: Context, child: Child) -> t.Pattern:
    if not is_token(child):
        return pattern(context, child)
    word = name(context, child)
    return t.WildcardPattern(word.span) if word.text == "_" else t.NamePattern(word.span, word)


# Postfix.


def _field(context: Context, children: list[Child]) -> t.Expr:
    base, word = expr(context, children[0]), name(context, children[1])
    return t.FieldExpr(base.span.to(word.span), base, word)


def _call(context: Context, children: list[Child]) -> t.Expr:
    callee, args = expr(context, children[0]), children[1].children
    span = callee.span.to(context.at(args[-1]))
    return t.CallExpr(span, callee, arguments(context, children[1]))


def arguments(context: Context, tree: Child) -> tuple[t.Arg, ...]:
    """The arguments of a call in a kernel."""
    return tuple([_arg(context, child) for child in tree.children[:-1]])


def _arg(context: Context, child: Child) -> t.Arg:
    rule = None if is_token(child) else _ARGUMENTS.get(child.data)
    if rule is not None:
        return rule(context, child.children)
    value = _argument_value(context, child)
    return t.Arg(value.span, None, value)


def _named_arg(context: Context, children: list[Child]) -> t.Arg:
    word, shard, value = children
    _reject_words(context, shard.children if shard is not None else [])
    node = _argument_value(context, value)
    return t.Arg(context.upto(word, node), name(context, word), node)


def _sharded_arg(context: Context, children: list[Child]) -> t.Arg:
    word, value = children
    _reject_words(context, [word])
    node = _argument_value(context, value)
    return t.Arg(node.span, None, node)


def _spread_arg(context: Context, children: list[Child]) -> t.Arg:
    node = expr(context, children[1])
    return t.Arg(context.upto(children[0], node), None, node, spread=True)


def _reject_words(context: Context, shards: list[Child]) -> None:
    for word in shards:
        context.report("P0118", f"`{word}` stands only in compositions", context.at(word), "no sets to divide here")


def _argument_value(context: Context, child: Child) -> t.Expr:
    """The value of an argument; what belongs to compositions is reported and left out."""
    rule = "" if is_token(child) else child.data
    if rule == "policed":
        behind = child.children[1]
        word = behind.children[0]
        if behind.data == "join":
            context.report("P0118", "sets are joined only in compositions", context.at(word), "no sets to join here")
        else:
            message = f"the policy `{word}` stands only in compositions"
            context.report("P0119", message, context.at(word), "not a policy")
        return expr(context, child.children[0])
    if rule == "reduced":
        word = child.children[0]
        note = "arrays are folded by `xs.fold(start, |a, b| ...)`"
        context.report("P0118", "`reduce` stands only in compositions", context.at(word), "no set to fold here", note)
        return expr(context, child.children[1])
    if rule in ("merge", "first"):
        parts = [_argument_value(context, part) for part in child.children]
        sign = "++" if rule == "merge" else "else"
        note = "arrays and texts are joined by `+`" if rule == "merge" else "an option is read by `.or(other)`"
        between = Span(context.file, parts[0].span.end, parts[1].span.start)
        context.report("P0118", f"`{sign}` stands only in compositions", between, "not an operator here", note)
        return parts[0]
    return expr(context, child)


_ARGUMENTS: dict[str, Callable[[Context, list[Child]], t.Arg]] = {
    "named_arg": _named_arg,
    "sharded_arg": _sharded_arg,
    "spread_arg": _spread_arg,
}


def _index(context: Context, children: list[Child]) -> t.Expr:
    base = expr(context, children[0])
    items = tuple([expr(context, child) for child in children[1:-1]])
    return t.IndexExpr(base.span.to(context.at(children[-1])), base, items)


def optional_expr(context: Context, child: Child) -> t.Expr | None:
    """The expression that `child` says, if it was written."""
    return None if child is None else expr(context, child)


def _slice(context: Context, children: list[Child]) -> t.Expr:
    base, (_, lo, hi, last) = expr(context, children[0]), children
    span = base.span.to(context.at(last))
    return t.SliceExpr(span, base, optional_expr(context, lo), optional_expr(context, hi))


def _try(context: Context, children: list[Child]) -> t.Expr:
    base = expr(context, children[0])
    return t.TryExpr(base.span.to(context.at(children[1])), base)


# Bracketed.


def _paren(context: Context, children: list[Child]) -> t.Expr:
    return evolve(expr(context, children[1]), span=context.between(children[0], children[2]))


def _tuple(context: Context, children: list[Child]) -> t.Expr:
    items = tuple([expr(context, child) for child in children[1:-1]])
    return t.TupleExpr(context.between(children[0], children[-1]), items)


def _array(context: Context, children: list[Child]) -> t.Expr:
    items = tuple([expr(context, child) for child in children[1:-1]])
    return t.ArrayExpr(context.between(children[0], children[-1]), items)


def _anon_record(context: Context, children: list[Child]) -> t.Expr:
    fields = tuple([_field_init(context, child.children) for child in children[1:-1]])
    return t.AnonRecordExpr(context.between(children[0], children[-1]), fields)


def _field_init(context: Context, children: list[Child]) -> t.FieldInit:
    word, value = children[0], expr(context, children[1])
    key = t.Name(context.at(word), string_value(word)) if word.type == "STR" else name(context, word)
    return t.FieldInit(context.upto(word, value), key, value)


def _run(context: Context, children: list[Child]) -> t.Expr:
    first, callee, args = children
    span = context.between(first, args.children[-1])
    return t.RunExpr(span, path(context, callee), arguments(context, args))


def _fstring(context: Context, children: list[Child]) -> t.Expr:
    parts: list[t.Expr] = []
    position = 1
    while position < len(children) - 1:
        child = children[position]
        if child.type == "FSTR_TEXT":
            parts.append(t.StrLit(context.at(child), str(child)))
            position += 1
        else:
            parts.append(expr(context, children[position + 1]))
            position += 3
    return t.FStrLit(context.between(children[0], children[-1]), tuple(parts))


def _if(context: Context, children: list[Child]) -> t.Expr:
    cond, then, orelse = (expr(context, children[i]) for i in (1, 2, 4))
    end = context.at(children[5]) if len(children) > 5 else orelse.span
    return t.IfExpr(context.at(children[0]).to(end), cond, then, orelse)


def _match(context: Context, children: list[Child]) -> t.Expr:
    arms = tuple([_arm(context, child.children) for child in children[2:-1]])
    return t.MatchExpr(context.between(children[0], children[-1]), expr(context, children[1]), arms)


def _arm(context: Context, children: list[Child]) -> t.ExprArm:
    shape, value = pattern(context, children[0]), expr(context, children[2])
    return t.ExprArm(shape.span.to(value.span), shape, optional_expr(context, children[1]), value)


_EXPRESSIONS: dict[str, Callable[[Context, list[Child]], t.Expr]] = {
    "chain": _chain,
    "lambda": _lambda,
    "field": _field,
    "call": _call,
    "index": _index,
    "slice": _slice,
    "try": _try,
    "paren": _paren,
    "tuple": _tuple,
    "array": _array,
    "anon_record": _anon_record,
    "fstring": _fstring,
    "run": _run,
    "if_expr": _if,
    "match_expr": _match,
}
