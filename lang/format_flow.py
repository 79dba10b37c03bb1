"""Prints statements of compositions: joins and policies stand behind their call if they fit there, else one a line."""

from dandc.lang import tree as t
from dandc.lang.format_base import Printer, Rule, Steps, enclosed, listed, separator
from dandc.lang.format_docs import HARD, LINE, Doc, concat, group, indent
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
    behind: tuple[t.Node, ...] = node.policies if node.join is None else (node.join, *node.policies)
    return concat(callee, args, (yield from _behind(p, behind)))


def _behind(p: Printer, nodes: tuple[t.Node, ...]) -> Steps:
    """What stands behind a call or a loop: on its line, or one a line."""
    parts: list[Doc] = []
    for node in nodes:
        before = p.before(node)
        parts += [*separator(before, LINE), (yield node, 0)]
    return group(indent(*parts)) if parts else ""


def _join(p: Printer, node: t.FlowJoin, _: int) -> Doc:
    if not node.names:
        return p.word("cross")
    first = concat(p.word("by"), " ", p.name(node.names[0]))
    others: list[Doc] = []
    for strategy, name in zip(node.strategies, node.names[1:], strict=True):
        others += [LINE, p.word(strategy), " ", p.name(name)]
    return group(first, indent(*others))


def _reduce(p: Printer, node: t.FlowReduce, _: int) -> Steps:
    return concat(p.word("reduce"), " ", (yield node.call, 0))


def _merge(p: Printer, node: t.FlowMerge, _: int) -> Steps:
    """All parts on one line, or each of the others on a line of its own behind its operator."""
    word = "++" if node.kind == "join" else "else"
    parts: list[Doc] = [(yield node.parts[0], 0)]
    for part in node.parts[1:]:
        index = p.tape.find(word)
        p.tape.gather(index)
        parts += [*separator(p.tape.take(), LINE), p.token(index), " ", (yield part, 0)]
    return group(parts[0], indent(*parts[1:]))


def _arg(p: Printer, node: t.FlowArg, _: int) -> Steps:
    parts: list[Doc] = []
    if node.name is not None:
        parts += [p.name(node.name), p.word(":"), " "]
    if node.shard:
        parts += [p.word(node.shard), " "]
    return concat(*parts, (yield node.value, 0))


def _policy(p: Printer, node: t.Policy, _: int) -> Steps:
    match node.kind:
        case "on_failure":
            return _on_failure(p, node)
        case "retry":
            return _retry(p, node)
        case "skip_empty" | "keep_empty":
            return _on_empty(p, node)
        case "limit":
            return _limit(p, node)
        case "once":
            assert node.key is not None
            return concat(p.word("once"), " ", (yield node.key, 0))
        case "after":
            parts: list[Doc] = [p.word("after"), " "]
            for i, name in enumerate(node.names):
                parts += [", " if i else "", p.name(name)]
            return concat(*parts)
    return concat(p.word(node.kind), " ", p.next())


def _on_failure(p: Printer, node: t.Policy) -> Doc:
    parts = [p.word("on"), " ", p.word("failure"), " ", p.word(node.mode)]
    if node.into is not None:
        parts += [" ", p.word("into"), " ", p.name(node.into)]
    if node.count:
        parts += [" ", p.word("up"), " ", p.word("to"), " ", p.next()]
    return concat(*parts, *([" ", p.word("%")] if node.percent else []))


def _on_empty(p: Printer, node: t.Policy) -> Doc:
    parts = [p.word("on"), " ", p.word("empty"), " ", p.word("(")]
    for i, parameter in enumerate(node.names):
        parts += [", " if i else "", p.name(parameter)]
    return concat(*parts, p.word(")"), " ", p.word(node.kind.partition("_")[0]))


def _retry(p: Printer, node: t.Policy) -> Doc:
    parts = [p.word("retry"), " ", p.next()]
    for i in range(len(node.on)):
        parts += [", "] if i else [" ", p.word("on"), " ", p.word("(")]
        parts.append(p.next())
    return concat(*parts, p.word(")") if node.on else "")


def _limit(p: Printer, node: t.Policy) -> Doc:
    parts = [p.word("limit"), " "]
    for i, (word, _) in enumerate(node.bounds):
        parts += [", " if i else "", p.word(word), " ", p.next()]
    return concat(*parts)


# Loops.


def _yield(p: Printer, node: t.FlowYield, _: int) -> Steps:
    return concat(p.word("yield"), " ", p.name(node.name), " ", p.word("<-"), " ", (yield node.value, 0), ";")


def _next(p: Printer, node: t.FlowNext, _: int) -> Steps:
    return concat(p.word("next"), " ", p.name(node.name), " ", p.word("="), " ", (yield node.value, 0), ";")


def _loop_var(p: Printer, node: t.LoopVar, _: int) -> Steps:
    parts = [p.name(node.name), p.word(":"), " ", (yield node.type, 0)]
    return concat(*parts, " ", p.word("="), " ", (yield node.value, 0))


def _loop(p: Printer, node: t.FlowLoop, _: int) -> Steps:
    parts = [p.word("loop"), " ", (yield from listed(p, "(", node.variables))]
    parts += [" ", p.word("up"), " ", p.word("to"), " ", p.next(), " "]
    found = yield from enclosed(p, p.tape.find("{"), node.body)
    behind = yield from _behind(p, node.policies)
    return concat(*parts, found.doc(HARD, comma="", blanks=True), behind, ";" if node.policies else "")


# Defaults.


def _default(p: Printer, node: t.DefaultItem, _: int) -> Steps:
    head = concat(p.word("default"), " ", p.token(p.tape.index(node.target.span.start)))
    return concat(head, (yield from _behind(p, node.policies)), ";")


RULES: dict[type[t.Node], Rule] = {
    t.FlowStmt: _statement,
    t.FlowRef: _ref,
    t.FlowConst: _const,
    t.FlowCall: _call,
    t.FlowArg: _arg,
    t.FlowJoin: _join,
    t.FlowReduce: _reduce,
    t.FlowMerge: _merge,
    t.FlowYield: _yield,
    t.FlowNext: _next,
    t.LoopVar: _loop_var,
    t.FlowLoop: _loop,
    t.Policy: _policy,
    t.DefaultItem: _default,
}
