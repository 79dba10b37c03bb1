"""Calls of the standard library for tests: natively for all arguments, and in the interpreter for the first few."""

import functools
from typing import Any

from native import run_native
from programs import program

from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.kir import Kernel

IMPORTS = "import csv; import html; import json; "


@functools.cache
def _kernel(text: str) -> Kernel:
    return program(text).kernel("f")


def results(text: str, arguments: list[list[Any]], *, interpreted: int = 2) -> list[InstanceResult]:
    """What the function `f` of `text` gives for each list of arguments."""
    kernel = _kernel(IMPORTS + text)
    found = run_native(kernel, arguments, 2).results
    assert repr(run_kernel(kernel, arguments[:interpreted])) == repr(found[:interpreted])
    return found


def call(signature: str, expression: str, arguments: list[Any], *, interpreted: int = 2, ahead: str = "") -> list[Any]:
    """The values of `expression` for each argument: `call("x: str) => (y: i64", "x.len()", ["a"])`.

    An argument is a tuple where there are several parameters. A trap or failure stands for the value as text;
    `ahead` is text before the function.
    """
    text = f"{ahead} function f({signature}) = {expression};"
    lists = [list(a) if isinstance(a, tuple) else [a] for a in arguments]
    return [_value(r) for r in results(text, lists, interpreted=interpreted)]


def _value(result: InstanceResult) -> Any:
    if result.state == "ok":
        return result.emissions[0].value
    return result.trap if result.state == "trap" else f"fail: {result.message}"
