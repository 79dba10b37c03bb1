"""From files to checked tests, and from their parts to what can be run.

Code is generated when a test needs it and kept in the cache like that of programs, under its IR: a second run of
unchanged tests generates nothing.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from dandc.cache import Cache
from dandc.checking import check_file
from dandc.compiler.check.testplan import Case, Piece
from dandc.compiler.flow import (
    ArgBinding,
    ComputeNode,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    KernelImage,
    NodeSource,
    Policies,
    Program,
)
from dandc.compiler.flow_walk import called_kernel, reachable
from dandc.compiler.kir import Kernel
from dandc.compiling import CompileError, Options, fingerprint, image_of
from dandc.files import read_source
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source
from dandc.lang.values import frozen

if TYPE_CHECKING:
    from dandc.compiler.check import Checked

PIECE = "piece"
_HAS_TESTS = re.compile(r"^[ \t]*test\b", re.MULTILINE)
_OPTIONS = Options()


@frozen
class PieceCode:
    """A piece in both forms: kernel IR for the interpreter, a program of one node (graph `PIECE`) for the sandbox."""

    kernel: Kernel
    program: Program


@define(eq=False)
class Suite:
    """The tests of one file, and the code that they need. A file with errors gives no suite."""

    file: str
    cases: tuple[Case, ...]
    sources: dict[str, Source] = field(repr=False)
    warnings: tuple[Diagnostic, ...]
    checked: "Checked" = field(repr=False)
    cache: Cache = field(repr=False)
    version: str = field(repr=False)
    images: dict[str, KernelImage] = field(factory=dict, repr=False)

    def program(self, graph: str) -> Program:
        """The program that has `graph` and everything that it calls."""
        checked = self.checked
        known = {**checked.graphs, **checked.tests.graphs}
        graphs = {g.name: g for g in reachable(known, graph)}
        called = {called_kernel(node) for g in graphs.values() for node in g.nodes}
        kernels = {name: self._image(name) for name in sorted(filter(None, called))}
        types = dict(checked.world.table)
        return Program(Path(self.file).stem, graphs, kernels, checked.configs, checked.endpoints, types)

    def _image(self, name: str) -> KernelImage:
        if name not in self.images:
            checked = self.checked
            kernel = self._lower(Piece(checked.kernels[name], checked.facts[name].captures))
            self.images[name] = image_of(kernel, self.cache, _OPTIONS, self.version)
        return self.images[name]

    def kernel(self, piece: Piece) -> Kernel:
        """The piece for the interpreter."""
        return self._lower(piece)

    def code(self, piece: Piece) -> PieceCode:
        """The piece in both forms."""
        kernel = self._lower(piece)
        image = image_of(kernel, self.cache, _OPTIONS, self.version)
        flows = [FlowType("one", None, p.item) for p in kernel.params]
        cards = {"one": "one", "optional": "optional", "set": "many"}
        outputs = tuple(FlowType(cards[o.kind], None, o.item) for o in kernel.outputs)
        args = tuple(ArgBinding(InputSource(i), "one", optional=False) for i in range(len(flows)))
        node = ComputeNode(PIECE, PIECE, args, outputs, Policies(), piece.kernel.span)
        inputs = tuple(GraphPort(p.name, flow) for p, flow in zip(kernel.params, flows, strict=True))
        given = tuple(
            GraphOutput(o.name, f, NodeSource(0, i))
            for i, (o, f) in enumerate(zip(kernel.outputs, outputs, strict=True))
        )
        graph = Graph(PIECE, inputs, given, (node,))
        program = Program(PIECE, {PIECE: graph}, {PIECE: image}, (), (), dict(kernel.types))
        return PieceCode(kernel, program)

    def _lower(self, piece: Piece) -> Kernel:
        from dandc.compiler.lower import lower_kernel

        return lower_kernel(self.checked.world, piece.kernel, piece.captures, self.checked.root)


def load_suite(path: Path, cache: Cache, wanted: str = "") -> Suite:
    """The tests in a file whose titles hold `wanted`. Raises `CompileError`, or `DiagnosticError` if it cannot be read."""
    loaded, checked = check_file(path, cache)
    diagnostics = loaded.diagnostics + checked.diagnostics
    if any(d.severity == "error" for d in diagnostics):
        raise CompileError(diagnostics, loaded.sources)
    cases = tuple(case for case in checked.tests.cases if wanted in case.title)
    version = fingerprint() if cache.folder is not None else ""
    return Suite(str(path), cases, loaded.sources, diagnostics, checked, cache, version)


def find_files(paths: Sequence[str]) -> list[Path]:
    """The files to test: those that are named, and from folders those that hold tests, in order of their names.

    Hidden folders are left out. What cannot be read is kept: reading it again will say why.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        found += [path] if not path.is_dir() else [p for p in _below(path) if _has_tests(p)]
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[Path]:
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        yield from (Path(current) / name for name in sorted(files) if name.endswith(".dnd"))


def _has_tests(path: Path) -> bool:
    try:
        source, _ = read_source(path, str(path))
    except DiagnosticError:
        return True  # reading it again says why
    return _HAS_TESTS.search(source.text) is not None
