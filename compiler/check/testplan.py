"""What a `test` block becomes after checking: pure pieces to be lowered like kernels, runs, and fakes. Plain values.

A test is cut at its runs. Each piece is the body up to there as a kernel of its own, whose parameters are the table's
row and the results of the runs before; it gives the arguments of the next run. The last piece is the whole body.
Doing the beginning again in every piece costs a few instructions and needs no state between them: all of it is pure.
A piece ends at the first expectation that does not hold, and says so with output 0 (`FAILED`).

None of this is part of the program: its graphs and kernels are the same with and without tests.
"""

from collections.abc import Mapping

from attrs import Factory, field

from dandc.compiler.check.captures import Captures
from dandc.compiler.flow import Graph
from dandc.compiler.typed import TKernel, TPort
from dandc.compiler.types import I64, STR, Tuple
from dandc.lang.spans import Span
from dandc.lang.values import frozen

# One item when an expectation failed: its number, and the texts of what was compared (see `Expectation`).
FAILED = Tuple((I64, STR, STR))


@frozen
class Piece:
    """A pure piece of a test: a kernel, and the configs and endpoints that it reads.

    Parameters are of kind `one`; output 0 is the set `failed` of `FAILED`, further ones are `optional`.
    """

    kernel: TKernel
    captures: Captures


@frozen
class Expectation:
    """An `expect`. `kind` says what its texts are: of `compare` both sides, of `receiver` the first, of `bool` none.

    The texts are JSON.
    """

    span: Span
    kind: str
    op: str = ""
    left: Span | None = None
    right: Span | None = None


@frozen
class FakeAnswer:
    """What a fake does at one request, after `delay_ms`.

    `fault` is empty, `hang`, or a word of the module (`network`; `missing`, `full`, `io`). `body` is the number of the
    output of the test's setup that holds it, -1 for none; `media` says what it is: `json`, `text` or `bytes`.
    """

    delay_ms: int = 0
    fault: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    media: str = ""
    body: int = -1


@frozen
class FakeRule:
    """Answers, in order, for requests of `method` (any, if empty) to `target`; the last one repeats."""

    method: str
    target: str
    answers: tuple[FakeAnswer, ...]
    span: Span


@frozen
class Fake:
    """What stands behind the endpoint `endpoint` of module `module`."""

    endpoint: str
    module: str
    rules: tuple[FakeRule, ...]
    span: Span


@frozen
class RunInput:
    """An input of a run: output number `output` of its piece. A set (`kind`) is given as an array, pairs if `keyed`."""

    name: str
    output: int
    kind: str
    keyed: bool
    secret: bool


@frozen
class RunStep:
    """Run `graph`. Its outputs become further parameters of later pieces, unless it must fail."""

    graph: str
    arguments: Piece
    inputs: tuple[RunInput, ...]
    outputs: tuple[TPort, ...]
    must_fail: bool
    code: str | None
    span: Span


@frozen
class TrapStep:
    """A piece that must end with a trap."""

    piece: Piece
    code: str | None
    span: Span


@frozen
class Case:
    """One `test` block of module `module`. `rows` gives the table as output 1; without it there is one row without values.

    `setup` gives the bodies of the fakes and the values of `configs` (name in a run, output, whether it is a secret).
    """

    title: str
    span: Span
    module: str
    rows: Piece | None
    setup: Piece
    fakes: tuple[Fake, ...]
    configs: tuple[tuple[str, int, bool], ...]
    steps: tuple[RunStep | TrapStep, ...]
    body: Piece
    expectations: tuple[Expectation, ...] = field(repr=False)


@frozen
class Tests:
    """All tests of a program, and graphs for the functions that they run alone."""

    __test__ = False  # pytest takes classes of this name for its own

    cases: tuple[Case, ...] = ()
    graphs: Mapping[str, Graph] = Factory(dict)
