"""Statements of compositions: calls, joins, merges, loops, references and constants, shard words and policies."""

from collections.abc import Callable

from dandc.lang import literals
from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, is_token, name
from dandc.lang.build_expr import expr
from dandc.lang.build_types import LITERALS, type_expr
from dandc.lang.spans import Span

MAX_COUNT = 1_000_000_000
_MAX_RETRIES = 1_000_000
_MAX_AMOUNT = 1 << 50


def flow_block(context: Context, tree: Child) -> tuple[t.FlowStatement, ...]:
    """The statements between the braces of a composition. One that did not parse is left out."""
    return tuple(
        [_STATEMENTS[child.data](context, child.children) for child in tree.children[1:-1] if not is_token(child)]
    )


def _effect(context: Context, children: list[Child]) -> t.FlowStatement:
    value = _value(context, children[0])
    return t.FlowStmt(value.span, (), value)


def _assign(context: Context, children: list[Child]) -> t.FlowStatement:
    names = tuple([name(context, token) for token in children[0].children])
    value = _value(context, children[1])
    return t.FlowStmt(names[0].span.to(value.span), names, value)


def _yield(context: Context, children: list[Child]) -> t.FlowStatement:
    word, target, right = children
    value = _value(context, right)
    return t.FlowYield(context.upto(word, value), name(context, target), value)


def _next(context: Context, children: list[Child]) -> t.FlowStatement:
    word, target, right = children
    value = _value(context, right)
    return t.FlowNext(context.upto(word, value), name(context, target), value)


def _loop(context: Context, children: list[Child]) -> t.FlowStatement:
    word, _, *rest = children
    *listed, _, _, most, body, end = rest
    variables = tuple([_loop_var(context, child.children) for child in listed])
    built = () if end is None else policies(context, end.children[0].children)
    last = body.children[-1] if end is None else end.children[-1]
    turns = _amount(context, most, literals.int_value(most), "a loop")
    return t.FlowLoop(context.between(word, last), variables, turns, flow_block(context, body), built)


def _loop_var(context: Context, children: list[Child]) -> t.LoopVar:
    word, type_, right = children
    value = _value(context, right)
    return t.LoopVar(context.upto(word, value), name(context, word), type_expr(context, type_), value)


_STATEMENTS: dict[str, Callable[[Context, list[Child]], t.FlowStatement]] = {
    "flow_effect": _effect,
    "flow_assign": _assign,
    "flow_yield": _yield,
    "flow_next": _next,
    "flow_loop": _loop,
}


def _value(context: Context, child: Child) -> t.FlowExpr:
    rule = "" if is_token(child) else child.data
    if rule in ("merge", "first"):
        parts = tuple([_value(context, part) for part in child.children])
        return t.FlowMerge(parts[0].span.to(parts[-1].span), "join" if rule == "merge" else "first", parts)
    if rule == "reduced":
        return _reduced(context, child.children)
    if rule == "policed":
        callee, *behind = child.children
        return _term(context, callee, behind)
    return _term(context, child, [])


def _term(context: Context, child: Child, behind: list[Child]) -> t.FlowExpr:
    """An operand with the join and the policies behind it."""
    if not is_token(child) and child.data == "paren":
        return _term(context, child.children[1], behind)
    if not is_token(child) and child.data == "call":
        callee = _dotted(context, child.children[0])
        if callee:
            return _call(context, callee, child.children[1], behind)
    if behind:
        word = behind[0].children[0]
        what = "a join" if behind[0].data == "join" else f"the policy `{word}`"
        context.report("P0119", f"{what} does not follow a call", context.at(word), "nothing is called")
    if is_token(child) and child.type not in LITERALS:
        word = name(context, child)
        return t.FlowRef(word.span, word)
    value = expr(context, child)
    return t.FlowConst(value.span, value)


def _reduced(context: Context, children: list[Child]) -> t.FlowExpr:
    word, right, *behind = children
    value = _term(context, right, behind)
    span = context.upto(word, value)
    if isinstance(value, t.FlowCall):
        return t.FlowReduce(span, value)
    context.report("P0129", "`reduce` folds a set with a function: `reduce f(all xs)`", value.span, "not a call")
    return value


def _dotted(context: Context, child: Child) -> tuple[t.Name, ...]:
    """The names of a dotted callee, or nothing if it is something else."""
    fields: list[t.Name] = []
    while not is_token(child):
        if child.data != "field":
            return ()
        fields.append(name(context, child.children[1]))
        child = child.children[0]
    return () if child.type in LITERALS else (name(context, child), *reversed(fields))


def _call(context: Context, callee: tuple[t.Name, ...], args: Child, behind: list[Child]) -> t.FlowCall:
    join = None
    if behind and behind[0].data == "join":
        join, behind = _join(context, behind[0].children), behind[1:]
    built = policies(context, behind)
    end = built[-1].span if built else join.span if join is not None else context.at(args.children[-1])
    arguments = tuple([_arg(context, child) for child in args.children[:-1]])
    return t.FlowCall(callee[0].span.to(end), callee, arguments, built, join)


def _join(context: Context, children: list[Child]) -> t.FlowJoin:
    first, *chain = children
    span = context.between(first, children[-1])
    names = tuple([name(context, token) for token in chain[::2]])
    if len(names) == 1:
        context.report(
            "P0129", "a join has two sides", span, "nothing follows this name", "for example `by xs inner ys`"
        )
        return t.FlowJoin(span, (), ())
    return t.FlowJoin(span, names, tuple(str(token) for token in chain[1::2]))


def _arg(context: Context, child: Child) -> t.FlowArg:
    rule = "" if is_token(child) else child.data
    if rule == "named_arg":
        word, shard, right = child.children
        value = _value(context, right)
        kind = "" if shard is None else str(shard.children[0])
        return t.FlowArg(context.upto(word, value), name(context, word), kind, value)
    if rule == "sharded_arg":
        shard, right = child.children
        value = _value(context, right)
        return t.FlowArg(context.upto(shard, value), None, str(shard), value)
    if rule == "spread_arg":
        context.report("P0118", "`..` stands only in record updates of functions", context.at(child.children[0]))
        child = child.children[1]
    value = _value(context, child)
    return t.FlowArg(value.span, None, "", value)


# Policies.


def policies(context: Context, trees: list[Child]) -> tuple[t.Policy, ...]:
    """The policies that stand behind each other, each kind once."""
    built: list[t.Policy] = []
    for tree in trees:
        first = tree.children[0]
        if tree.data == "retry_on":
            _retry_on(context, tree.children, built)
        elif any(tree.data == other.kind for other in built):
            context.report("P0119", f"the policy `{first}` is said twice", context.at(first), "the second time")
        else:
            built.append(_POLICIES[tree.data](context, context.between(first, _last(tree)), tree.children))
    return tuple(built)


def _last(tree: Child) -> Child:
    """The last token under a tree."""
    while not is_token(tree):
        tree = [child for child in tree.children if child is not None][-1]
    return tree


def _amount(context: Context, token: Child, value: int, what: str) -> int:
    """A number that says how many or how much at most: 1 or more, and within what can be counted."""
    limit = MAX_COUNT if token.type == "INT" else _MAX_AMOUNT
    if not 1 <= value <= limit:
        label = "nothing at all" if value < 1 else "too much"
        context.report("P0119", f"{what} cannot be bounded by `{token}`", context.at(token), label)
    return min(max(value, 1), limit)


def _retry(context: Context, span: Span, children: list[Child]) -> t.Policy:
    count = literals.int_value(children[1])
    if count > _MAX_RETRIES:
        at = context.at(children[1])
        context.report("P0119", f"a call is retried at most {_MAX_RETRIES} times", at, "too many")
    return t.Policy(span, "retry", count=min(count, _MAX_RETRIES))


def _retry_on(context: Context, children: list[Child], built: list[t.Policy]) -> None:
    first, *rest = children
    if not built or built[-1].kind != "retry" or built[-1].on:
        context.report("P0119", "`on (...)` says what a `retry` is for", context.at(first), "no `retry` before it")
        return
    retry = built.pop()
    words = tuple(str(word) for word in rest[1:-1])
    built.append(t.Policy(retry.span.to(context.at(rest[-1])), "retry", count=retry.count, on=words))


def _duration(context: Context, span: Span, children: list[Child]) -> t.Policy:
    """`timeout`, `within` and `cache`."""
    word, duration = children
    return t.Policy(span, str(word), duration_ms=_amount(context, duration, literals.duration_ms(duration), "a call"))


def _concurrency(context: Context, span: Span, children: list[Child]) -> t.Policy:
    word, count = children
    return t.Policy(span, str(word), count=_amount(context, count, literals.int_value(count), "a call"))


def _on_failure(context: Context, span: Span, children: list[Child]) -> t.Policy:
    mode, rest = str(children[2]), children[3:]
    if not rest:
        return t.Policy(span, "on_failure", mode=mode)
    into, up, most, percent = rest
    count = 0 if up is None else _amount(context, most, literals.int_value(most), "the failures")
    if percent is not None and count > 100:
        context.report("P0119", "there are at most 100 % of the instances", context.at(most), "more than all")
    return t.Policy(span, "on_failure", mode=mode, into=name(context, into), count=count, percent=percent is not None)


def _on_empty(context: Context, span: Span, children: list[Child]) -> t.Policy:
    names = tuple([name(context, token) for token in children[3:-2]])
    return t.Policy(span, f"{children[-1]}_empty", names=names)


def _limit(context: Context, span: Span, children: list[Child]) -> t.Policy:
    bounds: dict[str, int] = {}
    for bound in children[1:]:
        if is_token(bound):
            continue
        word, amount = bound.children
        if str(word) in bounds:
            context.report("P0119", f"the limit `{word}` is said twice", context.at(word), "the second time")
        size = literals.duration_ms(amount) if amount.type == "DURATION" else literals.size_bytes(amount)
        bounds.setdefault(str(word), _amount(context, amount, size, "an instance"))
    return t.Policy(span, "limit", bounds=tuple(bounds.items()))


def _once(context: Context, span: Span, children: list[Child]) -> t.Policy:
    key = _term(context, children[1], [])
    return t.Policy(Span(span.file, span.start, max(span.end, key.span.end)), "once", key=key)


def _after(context: Context, span: Span, children: list[Child]) -> t.Policy:
    return t.Policy(span, "after", names=tuple([name(context, token) for token in children[1:]]))


_POLICIES: dict[str, Callable[[Context, Span, list[Child]], t.Policy]] = {
    "retry": _retry,
    "timeout": _duration,
    "within": _duration,
    "cache": _duration,
    "concurrency": _concurrency,
    "on_failure": _on_failure,
    "skip_empty": _on_empty,
    "keep_empty": _on_empty,
    "limit": _limit,
    "once": _once,
    "after": _after,
}
