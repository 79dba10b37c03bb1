"""The passes over flow graphs, in order: the one place that says which run and when.

`fold` comes first because calls of constants become equal by it, `share` next because of two equal calls one is dead then, and `dead`
takes away what nobody reads any more.
"""

from collections.abc import Callable

from dandc.compiler.graph_passes import dead, fold, share
from dandc.compiler.graph_passes.plan import Plan

Pass = Callable[[Plan], Plan]

PASSES: tuple[tuple[str, Pass], ...] = ((fold.name, fold.run), (share.name, share.run), (dead.name, dead.run))


def run(plan: Plan, after: Callable[[str, Plan], None] | None = None) -> Plan:
    """The graphs after all passes; `after` sees the name of each pass and what it made."""
    for name, change in PASSES:
        plan = change(plan)
        if after is not None:
            after(name, plan)
    return plan
