"""The words in which people see a flow graph: types of sets, policies as a program says them."""

from dandc.compiler.check.report import display
from dandc.compiler.flow import FlowType, Policies


def flow_text(flow: FlowType) -> str:
    """The type of a set as a port declares it."""
    item = display(flow.item)
    if flow.card == "many":
        return f"set[{item}]" if flow.key is None else f"set[{display(flow.key)} => {item}]"
    return f"optional {item}" if flow.card == "optional" else item


def policy_words(policies: Policies, once: str = "") -> list[str]:
    """Every policy that a call has. `once` is how its key is written, for those who show it."""
    said = []
    if policies.retry:
        on = f" on ({', '.join(policies.retry_on)})" if policies.retry_on else ""
        said.append(f"retry {policies.retry}{on}")
    for word, milliseconds in (("timeout", policies.timeout_ms), ("within", policies.within_ms)):
        if milliseconds:
            said.append(f"{word} {milliseconds}ms")
    if policies.on_failure != "fail":
        said.append(f"on failure {policies.on_failure}{_tolerance(policies)}")
    bounds = (("memory", policies.memory, "B"), ("time", policies.time_ms, "ms"), ("output", policies.output, "B"))
    limits = [f"{word} {amount}{unit}" for word, amount, unit in bounds if amount]
    if limits:
        said.append(f"limit {', '.join(limits)}")
    if policies.concurrency:
        said.append(f"concurrency {policies.concurrency}")
    if policies.cache_ms:
        said.append(f"cache {policies.cache_ms}ms")
    if policies.once is not None:
        said.append(f"once {once}".rstrip())
    return said


def _tolerance(policies: Policies) -> str:
    if policies.tolerance is None:
        return ""
    percent = policies.tolerance.percent
    return f" up to {percent} %" if percent else f" up to {policies.tolerance.count}"
