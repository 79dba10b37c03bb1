"""What most tests of the back end say: interpreter, O0 and O2 agree, and the verifier accepts what every pass made."""

from typing import Any

from native import run_native

from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.kir import Kernel
from dandc.compiler.kir_text import parse_kernel
from dandc.compiler.passes import pipeline
from dandc.compiler.verify import check


def kernel(text: str) -> Kernel:
    """A kernel from its text, verified before and after every pass."""
    parsed = parse_kernel(text)
    check(parsed)
    pipeline.run(parsed, lambda name, changed: check(changed))
    return parsed


def agree(text: str | Kernel, instances: list[list[Any]], **limits: int) -> list[InstanceResult]:
    """Runs everywhere and gives the common results."""
    parsed = kernel(text) if isinstance(text, str) else text
    expected = run_kernel(parsed, instances)
    for opt in (0, 2):
        found = run_native(parsed, instances, opt, **limits).results
        for number, (want, have) in enumerate(zip(expected, found, strict=True)):
            assert repr(want) == repr(have), f"O{opt}, instance {number}: {instances[number]!r}"
    return expected


def value(result: InstanceResult) -> Any:
    """The value of the only item of an instance."""
    assert result.state == "ok", result
    (emission,) = result.emissions
    return emission.value


def values(results: list[InstanceResult]) -> list[Any]:
    """The only item's value of each instance."""
    return [value(result) for result in results]
