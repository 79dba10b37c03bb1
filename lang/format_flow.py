"""Prints statements of compositions: policies stand behind their call if they fit there, else one a line."""

from dandc.lang import tree as t
from dandc.lang.format_base import Printer, Rule, Steps, listed, separator
from dandc.lang.format_docs import LINE, Doc, concat, group, indent
from dandc.lang.format_expr import arguments


def _statement(p: Printer, node: t.FlowStmt, _: int) -> Steps:
    parts: list[Doc] = []
    for target in node.targets:
        parts += [", " if parts else "", p.name(target)]
    if parts:
        parts += [" ", p.word("="), " "]
    return concat(*parts, (yield node.value, 0), ";")


def _ref(p: Printer, node: t.FlowRef, _: int) -> Doc:
    return p.name(node.name)


def _const(p: Printer, node: t.FlowConst, _: int) -> Steps:
    value = node.value
    if isinstance(value, t.CallExpr) and _is_dotted(value.callee):
        # Without the parentheses it would be a call of the composition.
        callee = yield value.callee, 0
        return concat("(", callee, ")", (yield from arguments(p, value.args)))
    return (yield value, 0)


def _is_dotted(node: t.Expr) -> bool:
    while isinstance(node, t.FieldExpr):
        node = node.base
    return isinstance(node, t.NameExpr)


def _call(p: Printer, node: t.FlowCall, _: int) -> Steps:
    callee = p.path(node.path)
    args = yield from listed(p, "(", node.args)
    policies: list[Doc] = []
    for policy in node.policies:
        before = p.before(policy)
        policies += [*separator(before, LINE), (yield policy, 0)]
    return concat(callee, args, group(indent(*policies)) if policies else "")


def _arg(p: Printer, node: t.FlowArg, _: int) -> Steps:
    parts: list[Doc] = []
    if node.name is not None:
        parts += [p.name(node.name), p.word(":"), " "]
    if node.shard:
        parts += [p.word(node.shard), " "]
    return concat(*parts, (yield node.value, 0))


def _policy(p: Printer, node: t.Policy, _: int) -> Doc:
    if node.kind == "timeout":
        return concat(p.word("timeout"), " ", p.next())
    if node.kind == "on_failure":
        parts = [p.word("on"), " ", p.word("failure"), " ", p.word(node.mode)]
        return concat(*parts, *([] if node.into is None else [" ", p.word("into"), " ", p.name(node.into)]))
    parts = [p.word("retry"), " ", p.next()]
    for i in range(len(node.on)):
        parts += [", "] if i else [" ", p.word("on"), " ", p.word("(")]
        parts.append(p.next())
    return concat(*parts, p.word(")") if node.on else "")


RULES: dict[type[t.Node], Rule] = {
    t.FlowStmt: _statement,
    t.FlowRef: _ref,
    t.FlowConst: _const,
    t.FlowCall: _call,
    t.FlowArg: _arg,
    t.Policy: _policy,
}
