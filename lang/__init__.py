"""Text to syntax tree and diagnostics to text: the front of the language room.

Other rooms import from here or from `spans`, `diagnostics`, `codes` and `tree`; the rest is private to `lang`.
Names are loaded when they are used: a cached program runs without parser and tree, whose classes take 80 ms to make.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dandc.lang.diagnostics import Diagnostic, DiagnosticError, Fix, Label, Sink
    from dandc.lang.parser import ParseResult, parse
    from dandc.lang.render import render_json, render_terminal
    from dandc.lang.spans import NOWHERE, Source, Span

__all__ = [
    "NOWHERE",
    "Diagnostic",
    "DiagnosticError",
    "Fix",
    "Label",
    "ParseResult",
    "Sink",
    "Source",
    "Span",
    "parse",
    "render_json",
    "render_terminal",
]

_HOMES = {
    "NOWHERE": "spans",
    "ParseResult": "parser",
    "Source": "spans",
    "Span": "spans",
    "parse": "parser",
    "render_json": "render",
    "render_terminal": "render",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'diagnostics')}"), name)
