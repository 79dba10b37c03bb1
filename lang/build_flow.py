"""Statements of compositions: calls, references and constants, shard words and policies."""

from dandc.lang import literals
from dandc.lang import tree as t
from dandc.lang.build_base import Child, Context, is_token, name
from dandc.lang.build_expr import expr
from dandc.lang.build_types import LITERALS

_MAX_RETRIES = 1_000_000


def flow_block(context: Context, tree: Child) -> tuple[t.FlowStmt, ...]:
    """The statements between the braces of a composition. One that did not parse is left out."""
    return tuple([_statement(context, child) for child in tree.children[1:-1] if not is_token(child)])


def _statement(context: Context, tree: Child) -> t.FlowStmt:
    if tree.data == "flow_effect":
        effect = _value(context, tree.children[0], tree.children[1].children)
        return t.FlowStmt(effect.span, (), effect)
    targets, right, policies = tree.children
    names = tuple([name(context, token) for token in targets.children])
    value = _value(context, right, policies.children)
    return t.FlowStmt(names[0].span.to(value.span), names, value)


def _value(context: Context, child: Child, policies: list[Child]) -> t.FlowExpr:
    if not is_token(child) and child.data == "paren":
        return _value(context, child.children[1], policies)
    if not is_token(child) and child.data == "call":
        callee = _dotted(context, child.children[0])
        if callee:
            return _call(context, callee, child.children[1], policies)
    if policies:
        word = policies[0].children[0]
        context.report("P0119", f"the policy `{word}` does not follow a call", context.at(word), "nothing is called")
    if is_token(child) and child.type not in LITERALS:
        word = name(context, child)
        return t.FlowRef(word.span, word)
    value = expr(context, child)
    return t.FlowConst(value.span, value)


def _dotted(context: Context, child: Child) -> tuple[t.Name, ...]:
    """The names of a dotted callee, or nothing if it is something else."""
    fields: list[t.Name] = []
    while not is_token(child):
        if child.data != "field":
            return ()
        fields.append(name(context, child.children[1]))
        child = child.children[0]
    return () if child.type in LITERALS else (name(context, child), *reversed(fields))


def _call(context: Context, callee: tuple[t.Name, ...], args: Child, policies: list[Child]) -> t.FlowCall:
    built = _policies(context, policies)
    end = built[-1].span if built else context.at(args.children[-1])
    arguments = tuple([_arg(context, child) for child in args.children[:-1]])
    return t.FlowCall(callee[0].span.to(end), callee, arguments, built)


def _arg(context: Context, child: Child) -> t.FlowArg:
    rule = "" if is_token(child) else child.data
    if rule == "named_arg":
        word, shard, right, policies = child.children
        value = _value(context, right, policies.children)
        kind = "" if shard is None else str(shard.children[0])
        return t.FlowArg(context.upto(word, value), name(context, word), kind, value)
    if rule == "sharded_arg":
        shard, right, policies = child.children
        value = _value(context, right, policies.children)
        return t.FlowArg(context.upto(shard, value), None, str(shard), value)
    if rule == "policed_arg":
        value = _value(context, child.children[0], child.children[1:])
        return t.FlowArg(value.span, None, "", value)
    if rule == "spread_arg":
        context.report("P0118", "`..` stands only in record updates of functions", context.at(child.children[0]))
        child = child.children[1]
    value = _value(context, child, [])
    return t.FlowArg(value.span, None, "", value)


def _policies(context: Context, trees: list[Child]) -> tuple[t.Policy, ...]:
    built: list[t.Policy] = []
    for tree in trees:
        first = tree.children[0]
        policy = _policy(context, tree, built)
        if policy is None:
            continue
        if any(policy.kind == other.kind for other in built):
            context.report("P0119", f"the policy `{first}` is said twice", context.at(first), "the second time")
        else:
            built.append(policy)
    return tuple(built)


def _policy(context: Context, tree: Child, built: list[t.Policy]) -> t.Policy | None:
    first, *rest = tree.children
    if tree.data == "retry":
        count = literals.int_value(rest[0])
        if count > _MAX_RETRIES:
            context.report("P0119", f"a call is retried at most {_MAX_RETRIES} times", context.at(rest[0]), "too many")
        return t.Policy(context.between(first, rest[0]), "retry", count=min(count, _MAX_RETRIES))
    if tree.data == "timeout":
        return t.Policy(context.between(first, rest[0]), "timeout", duration_ms=literals.duration_ms(rest[0]))
    if tree.data == "on_failure":
        last = rest[-1]
        mode = str(rest[1])
        into = name(context, last) if mode == "collect" else None
        return t.Policy(context.between(first, last), "on_failure", mode=mode, into=into)
    if not built or built[-1].kind != "retry" or built[-1].on:
        context.report("P0119", "`on (...)` says what a `retry` is for", context.at(first), "no `retry` before it")
        return None
    words = tuple(str(word) for word in rest[1:-1])
    retry = built.pop()
    return t.Policy(retry.span.to(context.at(rest[-1])), "retry", count=retry.count, on=words)
