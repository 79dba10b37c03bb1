"""What happens on every path through a body: does it return, and how often is each output emitted.

Counting: the set of possible numbers of emissions, capped at two, at every point. A loop may run any number of times.
"""

from dandc.compiler.typed import (
    TBody,
    TBreak,
    TContinue,
    TEmit,
    TFail,
    TForArray,
    TForRange,
    TForSet,
    TIfStmt,
    TLit,
    TMatchStmt,
    TReturn,
    TStmt,
    TWhile,
)
from dandc.lang.values import frozen

Counts = frozenset[int]
LOOPS = (TWhile, TForArray, TForRange, TForSet)


def always_leaves(body: TBody) -> bool:
    """Whether no path runs off the end of `body`."""
    return any(_leaves(s) for s in body)


def _leaves(stmt: TStmt) -> bool:
    match stmt:
        case TReturn() | TFail():
            return True
        case TIfStmt(then=then, orelse=orelse):
            return always_leaves(then) and always_leaves(orelse)
        case TMatchStmt(arms=arms):
            return bool(arms) and all(isinstance(a.body, tuple) and always_leaves(a.body) for a in arms)
        case TWhile(cond=TLit(value=True), body=body):
            return not _breaks(body)
    return False


def _breaks(body: TBody) -> bool:
    """Whether a `break` in `body` leaves the loop that `body` belongs to."""
    for stmt in body:
        match stmt:
            case TBreak():
                return True
            case TIfStmt(then=then, orelse=orelse):
                if _breaks(then) or _breaks(orelse):
                    return True
            case TMatchStmt(arms=arms):
                if any(isinstance(a.body, tuple) and _breaks(a.body) for a in arms):
                    return True
    return False


@frozen
class Flow:
    """Possible counts where control falls through (`through`), and where it leaves by `return`, `break` or `continue`."""

    through: Counts
    returned: Counts
    broken: Counts
    continued: Counts


NONE: Counts = frozenset()


def emission_counts(body: TBody, output: int) -> Counts:
    """How often output number `output` may have been emitted when an instance ends well; 2 means more than once."""
    flow = _run(body, output, frozenset({0}))
    return flow.through | flow.returned


def _run(body: TBody, output: int, start: Counts) -> Flow:
    so_far = Flow(start, NONE, NONE, NONE)
    for stmt in body:
        if not so_far.through:
            break
        step = _step(stmt, output, so_far.through)
        so_far = _join(Flow(NONE, so_far.returned, so_far.broken, so_far.continued), step)
    return so_far


def _step(stmt: TStmt, output: int, start: Counts) -> Flow:
    match stmt:
        case TEmit(output=target) if target == output:
            return Flow(frozenset(min(n + 1, 2) for n in start), NONE, NONE, NONE)
        case TReturn():
            return Flow(NONE, start, NONE, NONE)
        case TFail():
            return Flow(NONE, NONE, NONE, NONE)
        case TBreak():
            return Flow(NONE, NONE, start, NONE)
        case TContinue():
            return Flow(NONE, NONE, NONE, start)
        case TIfStmt(then=then, orelse=orelse):
            return _join(_run(then, output, start), _run(orelse, output, start))
        case TMatchStmt(arms=arms):
            flows = [_run(a.body, output, start) for a in arms if isinstance(a.body, tuple)]
            joined = Flow(NONE, NONE, NONE, NONE)
            for flow in flows:
                joined = _join(joined, flow)
            return joined
    if isinstance(stmt, LOOPS):
        endless = isinstance(stmt, TWhile) and isinstance(stmt.cond, TLit) and stmt.cond.value is True
        return _loop(stmt.body, output, start, endless=endless)
    return Flow(start, NONE, NONE, NONE)


def _loop(body: TBody, output: int, start: Counts, *, endless: bool) -> Flow:
    """What holds before a turn grows until it does not; an endless loop is left by `break` alone."""
    before = start
    while True:
        flow = _run(body, output, before)
        grown = before | flow.through | flow.continued
        if grown == before:
            return Flow(flow.broken | (NONE if endless else before), flow.returned, NONE, NONE)
        before = grown


def _join(a: Flow, b: Flow) -> Flow:
    return Flow(a.through | b.through, a.returned | b.returned, a.broken | b.broken, a.continued | b.continued)
