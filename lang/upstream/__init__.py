"""Sources in upstream's composition language: read exactly as its parser takes them, checked, and translated to `.dnd`.

A language of its own with a small grammar of its own (`grammar.lark`, `parser`, `tree`, `check`); `sets` finds the types of sets, and
`translate` writes a program that means the same. What differs from upstream, and why, stands in the spec's chapter 20.
"""

from dandc.lang.upstream.check import mistakes
from dandc.lang.upstream.parser import parse
from dandc.lang.upstream.sets import Binding, BoundPort, is_http
from dandc.lang.upstream.translate import misfits, translate
from dandc.lang.upstream.tree import Composition, Declaration, Module

__all__ = [
    "Binding",
    "BoundPort",
    "Composition",
    "Declaration",
    "Module",
    "is_http",
    "misfits",
    "mistakes",
    "parse",
    "translate",
]
