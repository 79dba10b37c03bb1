"""How many failures `on failure collect ... up to` takes before the whole call has failed."""

from dandc.compiler.flow import Tolerance
from dandc.lang.spans import Span
from dandc.vm.failures import Fault


def allowed(tolerance: Tolerance, instances: int) -> int:
    """How many of so many instances may fail."""
    return instances * tolerance.percent // 100 if tolerance.percent else tolerance.count


def is_exceeded(tolerance: Tolerance | None, failed: int, instances: int | None) -> bool:
    """Whether it is certain that too many have failed. `instances` None: how many there will be is not known yet."""
    if tolerance is None:
        return False
    if instances is None:
        return not tolerance.percent and failed > tolerance.count
    return failed > allowed(tolerance, instances)


def too_many(tolerance: Tolerance, node: str, span: Span, last: Fault) -> Fault:
    """The fault of a call of which too many instances have failed; `last` is one of theirs."""
    bound = f"{tolerance.percent} %" if tolerance.percent else f"{tolerance.count}"
    item = f" for the item `{last.item}`" if last.item else ""
    message = f"more than {bound} of the instances failed, one of them{item} with {last.code}: {last.message}"
    return Fault("failures.many", message, node, span)
