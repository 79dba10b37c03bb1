"""Text to syntax tree and diagnostics to text: the front of the language room.

Other rooms import from here or from `spans`, `diagnostics`, `codes` and `tree`; the rest is private to `lang`.
Importing this package loads no parser: lark is imported by the first call of `parse`.
"""

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
