"""Syntax of upstream's composition language. Plain frozen values, as its parser reads them."""

from dandc.lang.spans import Span
from dandc.lang.tree import Name
from dandc.lang.values import frozen


@frozen
class Declaration:
    """`function NAME(inputs) => (outputs);`: a function that is registered elsewhere."""

    span: Span
    name: Name
    inputs: tuple[Name, ...]
    outputs: tuple[Name, ...]


@frozen
class Argument:
    """`parameter = optional shard set`."""

    span: Span
    parameter: Name
    optional: bool
    shard: str
    set: Name


@frozen
class Result:
    """`set = output`."""

    span: Span
    set: Name
    output: Name


@frozen
class Step:
    """`strategy parameter` in a `by` chain; the first has the strategy `by`."""

    strategy: str
    parameter: Name


@frozen
class Application:
    """One statement: a function applied to sets."""

    span: Span
    function: Name
    arguments: tuple[Argument, ...]
    results: tuple[Result, ...]
    chain: tuple[Step, ...]


@frozen
class Composition:
    """A named graph of applications."""

    span: Span
    name: Name
    inputs: tuple[Name, ...]
    outputs: tuple[Name, ...]
    applications: tuple[Application, ...]


@frozen
class Module:
    """Declarations and compositions in the order of the text, which has a meaning: a use follows its declaration."""

    items: tuple[Declaration | Composition, ...]
