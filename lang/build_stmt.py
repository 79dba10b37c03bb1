"""Statements of kernels."""

from collections.abc import Callable

from dandc.lang import literals
from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, is_token, name
from dandc.lang.build_expr import expr, optional_expr
from dandc.lang.build_types import pattern, type_expr


def block(context: Context, tree: Child) -> t.Block:
    """`{ statements }`; a statement that did not parse stands as an `ErrorStmt`."""
    children = tree.children
    statements = tuple([statement(context, child) for child in children[1:-1]])
    return t.Block(context.between(children[0], children[-1]), statements)


def statement(context: Context, child: Child) -> t.Stmt:
    """The statement that `child` says."""
    if is_token(child):
        return t.ErrorStmt(context.at(child))
    return _STATEMENTS[child.data](context, child.children)


def _let(context: Context, children: list[Child]) -> t.Stmt:
    first, shape, type_, value = children
    node = expr(context, value)
    declared = None if type_ is None else type_expr(context, type_)
    return t.LetStmt(context.upto(first, node), False, pattern(context, shape), declared, node)


def _var(context: Context, children: list[Child]) -> t.Stmt:
    first, word, type_, value = children
    node, target = expr(context, value), name(context, word)
    declared = None if type_ is None else type_expr(context, type_)
    return t.LetStmt(context.upto(first, node), True, t.NamePattern(target.span, target), declared, node)


def _assign(context: Context, children: list[Child]) -> t.Stmt:
    place, operator, value = children
    target, node = expr(context, place), expr(context, value)
    if not isinstance(target, t.NameExpr | t.FieldExpr | t.IndexExpr):
        context.report("P0125", "only a name, a field or an element can be assigned to", target.span, "not a place")
    return t.AssignStmt(target.span.to(node.span), target, str(operator)[:-1] or "=", node)


def _expr(context: Context, children: list[Child]) -> t.Stmt:
    node = expr(context, children[0])
    return t.ExprStmt(node.span, node)


def _if(context: Context, children: list[Child]) -> t.IfStmt:
    first, cond, then, other = children
    body = block(context, then)
    orelse: t.Block | t.IfStmt | None = None
    if other is not None:
        orelse = _if(context, other.children) if other.data == "if_stmt" else block(context, other)
    return t.IfStmt(context.upto(first, orelse or body), expr(context, cond), body, orelse)


def _match(context: Context, children: list[Child]) -> t.Stmt:
    arms = tuple([_arm(context, child.children) for child in children[2:-1]])
    return t.MatchStmt(context.between(children[0], children[-1]), expr(context, children[1]), arms)


def _arm(context: Context, children: list[Child]) -> t.StmtArm:
    shape, guard, inner = children
    left = pattern(context, shape)
    if inner.data == "block":
        body = block(context, inner)
    else:
        only = statement(context, inner)
        body = t.Block(only.span, (only,))
    return t.StmtArm(left.span.to(body.span), left, optional_expr(context, guard), body)


def _while(context: Context, children: list[Child]) -> t.Stmt:
    body = block(context, children[2])
    return t.WhileStmt(context.upto(children[0], body), expr(context, children[1]), body)


def _for(context: Context, children: list[Child]) -> t.Stmt:
    first, targets, source, inner = children
    body = block(context, inner)
    shapes = tuple([pattern(context, child) for child in targets.children])
    return t.ForStmt(context.upto(first, body), shapes, iterable(context, source), body)


def iterable(context: Context, child: Child) -> t.Expr:
    """What a `for` goes over: an expression or a range."""
    if is_token(child) or child.data != "range":
        return expr(context, child)
    lo, hi = (expr(context, bound) for bound in child.children)
    return t.RangeExpr(lo.span.to(hi.span), lo, hi)


def _return(context: Context, children: list[Child]) -> t.Stmt:
    value = optional_expr(context, children[1])
    span = context.at(children[0]) if value is None else context.upto(children[0], value)
    return t.ReturnStmt(span, value)


def _emit(context: Context, children: list[Child]) -> t.Stmt:
    first, output, key, label, value = children
    node = expr(context, value)
    parts = optional_expr(context, key), optional_expr(context, label)
    return t.EmitStmt(context.upto(first, node), name(context, output), *parts, node)


def _fail(context: Context, children: list[Child]) -> t.Stmt:
    message = expr(context, children[1])
    return t.FailStmt(context.upto(children[0], message), message)


def _note(context: Context, children: list[Child]) -> t.Stmt:
    message = expr(context, children[1])
    return t.NoteStmt(context.upto(children[0], message), message)


def _expect(context: Context, children: list[Child]) -> t.Stmt:
    first, mode, value, _, code = children
    node = expr(context, value)
    wanted = None if code is None else _string(context, code)
    if code is not None and mode is None:
        context.report("P0113", "`with` says a code after `fails` or `traps`", context.at(code), "nothing fails here")
    span = context.upto(first, node if wanted is None else wanted)
    return t.ExpectStmt(span, "" if mode is None else str(mode), node, wanted)


def _string(context: Context, token: Child) -> t.StrLit:
    return t.StrLit(context.at(token), literals.string_value(token))


def _set_config(context: Context, children: list[Child]) -> t.Stmt:
    first, word, value = children
    node = expr(context, value)
    return t.SetConfigStmt(context.upto(first, node), name(context, word), node)


def _given(context: Context, children: list[Child]) -> t.Stmt:
    rules = tuple([_rule(context, child.children) for child in children[2:-1]])
    return t.GivenStmt(context.between(children[0], children[-1]), name(context, children[1]), rules)


def _rule(context: Context, children: list[Child]) -> t.GivenRule:
    method, target, *answers, last = children
    span = context.between(target if method is None else method, last)
    word = None if method is None else name(context, method)
    return t.GivenRule(span, word, _string(context, target), tuple([_answer(context, a.children) for a in answers]))


def _answer(context: Context, children: list[Child]) -> t.Answer:
    parts = tuple([_answer_part(context, child.children) for child in children])
    return t.Answer(parts[0].span.to(parts[-1].span), parts)


def _answer_part(context: Context, children: list[Child]) -> t.AnswerPart:
    word, value = children
    if value is None:
        return t.AnswerPart(context.at(word), name(context, word), None)
    if is_token(value) and value.type == "DURATION":
        return t.AnswerPart(context.between(word, value), name(context, word), None, literals.duration_ms(value))
    node = expr(context, value)
    return t.AnswerPart(context.upto(word, node), name(context, word), node)


_STATEMENTS: dict[str, Callable[[Context, list[Child]], t.Stmt]] = {
    "let_stmt": _let,
    "var_stmt": _var,
    "assign_stmt": _assign,
    "expr_stmt": _expr,
    "if_stmt": _if,
    "match_stmt": _match,
    "while_stmt": _while,
    "for_stmt": _for,
    "return_stmt": _return,
    "break_stmt": lambda context, children: t.BreakStmt(context.at(children[0])),
    "continue_stmt": lambda context, children: t.ContinueStmt(context.at(children[0])),
    "emit_stmt": _emit,
    "fail_stmt": _fail,
    "note_stmt": _note,
    "expect_stmt": _expect,
    "set_config_stmt": _set_config,
    "given_stmt": _given,
}
