"""Prints expressions: parentheses where the tree needs them or a reader does, chains broken before their operators."""

from dandc.lang import tree as t
from dandc.lang.format_base import Printer, Request, Rule, Steps, enclosed, listed, separator
from dandc.lang.format_docs import HARD, LINE, SOFT, Doc, Fill, concat, flat_text, group, if_break, indent
from dandc.lang.format_tape import Trivia
from dandc.lang.format_types import compact

# How tightly expressions bind. A context asks for a level; what binds less stands in parentheses.
_ANY, _NOT, _COMPARISON, _UNARY, _POSTFIX, PLACE = 0, 3, 4, 11, 12, 13
_OPERATORS = (("or",), ("and",), (), ("==", "!=", "<", "<=", ">", ">="), ("|",), ("^",), ("&",), ("<<", ">>"),
              ("+", "-", "+%", "-%"), ("*", "/", "%", "*%"))  # fmt: skip
_LEVEL = {op: level for level, ops in enumerate(_OPERATORS, start=1) for op in ops}
_BITWISE = frozenset("| ^ & << >>".split())
_TEST_WORDS = frozenset(("expect", "fails", "traps"))
_SHORT = 4  # a name as long as the indentation: the first call of a broken chain stays beside it
_Link = t.CallExpr | t.FieldExpr | t.IndexExpr | t.SliceExpr | t.TryExpr


def _rank(node: t.Expr) -> int:
    """How tightly a node binds, to compare with the level that its context asks for."""
    if isinstance(node, t.BinaryExpr):
        return _LEVEL[node.op]
    if isinstance(node, t.UnaryExpr):
        return _NOT if node.op == "not" else _UNARY
    if isinstance(node, t.LambdaExpr):
        return _ANY
    return _POSTFIX if isinstance(node, t.IfExpr | t.MatchExpr | t.AnonRecordExpr) else PLACE


def _maybe_parenthesised(rule: Rule) -> Rule:
    """`rule` with parentheses round what binds less than its context asks for."""

    def print_expr(p: Printer, node: t.Node, level: int) -> Steps | Doc:
        assert isinstance(node, t.Expr)
        unclear = p.clarify and level > _ANY and isinstance(node, t.IfExpr | t.MatchExpr)
        return _parenthesised(p, node) if unclear or _rank(node) < level else rule(p, node, level)

    return print_expr


def _parenthesised(p: Printer, node: t.Expr) -> Steps:
    inner = yield node, _ANY
    return group("(", indent(SOFT, inner), SOFT, ")")


def _literal(p: Printer, node: t.Expr, _: int) -> Doc:
    return p.at(node)


def _name(p: Printer, node: t.NameExpr, _: int) -> Doc:
    return p.name(node.name, quoted=node.name.text in _TEST_WORDS and _was_hidden(p, node))


def _was_hidden(p: Printer, node: t.NameExpr) -> bool:
    """Whether parentheses kept a name from being a word of a test: they may go, so back quotes have to say it."""
    index = p.tape.index(node.name.span.start)
    after = index + 1
    while p.tape.text(after) == ")":
        after += 1
    return p.tape.text(index - 1) == "(" and p.tape.text(after) in ("(", "[", "-")


# Operators.


def _unary(p: Printer, node: t.UnaryExpr, _: int) -> Steps:
    sign = p.word(node.op)
    level = _NOT if node.op == "not" else _UNARY
    inner = node.operand
    unclear = isinstance(inner, t.BinaryExpr) or (isinstance(inner, t.UnaryExpr) and inner.op == node.op == "-")
    if unclear and p.clarify:
        level = _POSTFIX
    return concat(sign, " " if node.op == "not" else "", (yield inner, level))


def _side(p: Printer, parent: t.BinaryExpr, child: t.Expr, level: int) -> Request:
    """An operand, in parentheses too where readers do not know by heart what binds tighter."""
    if isinstance(child, t.BinaryExpr) and child.op != parent.op and p.clarify:
        mixes_logic = (parent.op, child.op) == ("or", "and")
        if mixes_logic or parent.op in _BITWISE or child.op in _BITWISE:
            level = _POSTFIX
    return child, level


def _binary(p: Printer, node: t.BinaryExpr, _: int) -> Steps:
    level = _LEVEL[node.op]
    spine = [node]
    while level != _COMPARISON and isinstance(left := spine[-1].left, t.BinaryExpr) and _LEVEL[left.op] == level:
        if _side(p, spine[-1], left, level)[1] != level:
            break
        spine.append(left)
    spine.reverse()
    first = yield _side(p, spine[0], spine[0].left, level + (level == _COMPARISON))
    rest: list[Doc] = []
    for operation in spine:
        before = p.before(operation.right, dropping=operation.op)
        operand = yield _side(p, operation, operation.right, level + 1)
        rest += [*separator(before, LINE), operation.op, " ", operand]
    return group(first, indent(*rest))


def _lambda(p: Printer, node: t.LambdaExpr, _: int) -> Steps:
    parts = [p.word("|")]
    for i, param in enumerate(node.params):
        parts += [", " if i else "", compact((yield param, _ANY))]
    parts += [p.word("|"), " "]
    return concat(*parts, (yield node.body, _ANY))


# Postfix chains.


def _postfix(p: Printer, node: _Link, level: int) -> Steps:
    links: list[_Link] = []
    base: t.Expr = node
    while isinstance(base, _Link):
        links.append(base)
        base = base.callee if isinstance(base, t.CallExpr) else base.base
    head = [(yield base, PLACE if level == PLACE else _POSTFIX)]
    segments: list[tuple[Trivia, list[Doc], bool]] = []
    for link in reversed(links):
        if isinstance(link, t.FieldExpr):
            before = p.tape.advance(p.tape.find("."))
            segments.append((before, [".", p.name(link.name)], False))
            continue
        part = yield from _suffix(p, link)
        if segments:
            before, parts, called = segments.pop()
            segments.append((before, [*parts, part], called or isinstance(link, t.CallExpr)))
        else:
            head.append(part)
    return _chain(head, segments, isinstance(base, t.NameExpr) and len(base.name.text) <= _SHORT)


def _chain(head: list[Doc], segments: list[tuple[Trivia, list[Doc], bool]], short: bool) -> Doc:
    """A chain of fields and calls: with three calls or a comment in it, it can be broken before each call."""
    broken: list[Doc] = []
    calls = sum(called for _, _, called in segments)
    forced = any(before.comments for before, _, _ in segments)
    alone = len(head) == 1 and short
    for before, parts, called in segments:
        if before.comments or (called and not alone and (calls > 2 or forced)):
            broken += [*separator(before, SOFT), *parts]
        else:
            (broken or head).extend(parts)
        alone = alone and not called
    return group(*head, indent(*broken)) if broken else concat(*head)


def _suffix(p: Printer, link: _Link) -> Steps:
    """What follows the base of a call, an index, a slice or a `?`."""
    if isinstance(link, t.CallExpr):
        return (yield from arguments(p, link.args))
    if isinstance(link, t.IndexExpr):
        return compact((yield from listed(p, "[", link.items)))
    if isinstance(link, t.TryExpr):
        return p.word("?")
    assert isinstance(link, t.SliceExpr)
    parts = [p.word("[")]
    if link.lo is not None:
        parts.append((yield link.lo, _ANY))
    parts.append(p.word(".."))
    if link.hi is not None:
        parts.append((yield link.hi, _ANY))
    return concat(*parts, p.word("]"))


def arguments(p: Printer, args: tuple[t.Arg, ...]) -> Steps:
    """The arguments of a call with their parentheses; brackets of an only argument stand beside them."""
    found = yield from enclosed(p, p.tape.find("("), args)
    only = args[0] if len(args) == 1 else None
    if only is not None and not found.has_comments and only.name is None and not only.spread and _hugs(p, only.value):
        return concat(found.opener, found.elements[0][1], found.closer)
    return group(found.doc(SOFT))


def _hugs(p: Printer, node: t.Expr) -> bool:
    """Whether an only argument has brackets of its own that may stand beside those of the call."""
    while isinstance(node, t.LambdaExpr):
        node = node.body
    if isinstance(node, t.StrLit | t.FStrLit):
        return "\n" in p.tape.text(p.first(node))
    if isinstance(node, t.CallExpr):
        node = node.callee
        while isinstance(node, t.FieldExpr | t.IndexExpr):
            node = node.base
        return isinstance(node, t.NameExpr)
    return isinstance(node, t.ArrayExpr | t.AnonRecordExpr | t.MatchExpr)


def _arg(p: Printer, node: t.Arg, _: int) -> Steps:
    if node.name is not None:
        name, colon = p.name(node.name), p.word(":")
        return concat(name, colon, " ", (yield node.value, _ANY))
    spread = p.word("..") if node.spread else ""
    return concat(spread, (yield node.value, _ANY))


def _run(p: Printer, node: t.RunExpr, _: int) -> Steps:
    start = concat(p.word("run"), " ", p.path(node.path))
    return concat(start, (yield from arguments(p, node.args)))


# Bracketed.


def _tuple(p: Printer, node: t.TupleExpr, _: int) -> Steps:
    found = yield from enclosed(p, p.tape.index(node.span.start), node.items)
    return group(found.doc(SOFT))


def _array(p: Printer, node: t.ArrayExpr, _: int) -> Steps:
    found = yield from enclosed(p, p.tape.find("["), node.items)
    if node.items and not found.has_comments and all(isinstance(item, t.IntLit | t.FloatLit) for item in node.items):
        texts = [text for _, doc in found.elements if (text := flat_text(doc)) is not None]
        if len(texts) == len(node.items):
            return group(found.opener, indent(SOFT, Fill(tuple(texts)), if_break(",", "")), SOFT, found.closer)
    return group(found.doc(SOFT))


def _anon_record(p: Printer, node: t.AnonRecordExpr, _: int) -> Steps:
    return (yield from listed(p, "{", node.fields))


def _field_init(p: Printer, node: t.FieldInit, _: int) -> Steps:
    name, colon = p.name(node.name), p.word(":")
    return concat(name, colon, " ", (yield node.value, _ANY))


def head(p: Printer, word: str, cond: t.Expr) -> Steps:
    """`word` and a condition up to the brace that follows; the brace has its own line if the condition has several."""
    keyword = p.word(word)
    condition = yield cond, _ANY
    return group(keyword, " ", condition, LINE if isinstance(cond, t.BinaryExpr) else " ")


def _if(p: Printer, node: t.IfExpr, _: int) -> Steps:
    parts: list[Doc] = []
    dropped: list[int] = []
    orelse: t.Expr = node
    while isinstance(orelse, t.IfExpr):
        parts.append((yield from head(p, "if", orelse.cond)))
        parts += [(yield from _braced(p, orelse.then)), " ", p.word("else"), " "]
        orelse = orelse.orelse
        if isinstance(orelse, t.IfExpr):
            dropped += _drop_brace(p)
    parts.append((yield from _braced(p, orelse)))
    for closer in reversed(dropped):
        p.tape.gather(closer)
        p.tape.cursor = closer + 1
    return group(*parts)


def _drop_brace(p: Printer) -> list[int]:
    """Move over the brace of `else { if ... }`, which says the same as `else if ...`: the one that closes it, if any."""
    opener = p.tape.cursor
    if p.tape.text(opener) != "{":
        return []
    p.tape.gather(opener)
    p.tape.cursor = opener + 1
    return [p.tape.closer_of[opener]]


def _braced(p: Printer, node: t.Expr) -> Steps:
    found = yield from enclosed(p, p.tape.find("{"), (node,))
    return found.doc(LINE, comma="")


def _match(p: Printer, node: t.MatchExpr, _: int) -> Steps:
    start = yield from head(p, "match", node.subject)
    found = yield from enclosed(p, p.tape.find("{"), node.arms)
    return concat(start, found.doc(HARD, blanks=True))


def arm_head(p: Printer, node: t.ExprArm | t.StmtArm) -> Steps:
    """Pattern, guard and arrow of an arm, with a space at the end."""
    parts = [(yield node.pattern, _ANY)]
    if node.guard is not None:
        parts += [" ", p.word("if"), " ", (yield node.guard, _ANY)]
    return concat(*parts, " ", p.word("=>"), " ")


def _expr_arm(p: Printer, node: t.ExprArm, _: int) -> Steps:
    start = yield from arm_head(p, node)
    return concat(start, (yield node.value, _ANY))


def _range(p: Printer, node: t.RangeExpr, _: int) -> Steps:
    lo = yield node.lo, _ANY
    return concat(lo, p.word(".."), (yield node.hi, _ANY))


_EXPRESSIONS: dict[type[t.Node], Rule] = {
    **dict.fromkeys((t.IntLit, t.FloatLit, t.BoolLit, t.StrLit, t.BytesLit, t.FStrLit), _literal),
    **dict.fromkeys((t.CallExpr, t.FieldExpr, t.IndexExpr, t.SliceExpr, t.TryExpr), _postfix),
    t.NameExpr: _name,
    t.UnaryExpr: _unary,
    t.BinaryExpr: _binary,
    t.LambdaExpr: _lambda,
    t.AnonRecordExpr: _anon_record,
    t.ArrayExpr: _array,
    t.TupleExpr: _tuple,
    t.IfExpr: _if,
    t.MatchExpr: _match,
    t.RangeExpr: _range,
    t.RunExpr: _run,
}
RULES: dict[type[t.Node], Rule] = {
    **{type_: _maybe_parenthesised(rule) for type_, rule in _EXPRESSIONS.items()},
    t.Arg: _arg,
    t.FieldInit: _field_init,
    t.ExprArm: _expr_arm,
}
