"""From a file to a program that runs: load, check, lower, generate code; with the cache in between.

Two kinds of entries: a *program* under the content of its root file (with the digests of the files it imports), which
is all that a repeated `dandc run` reads; and an *image* under its kernel's IR without source positions and names, so that edits
of comments and white space, of other functions, and other names of files compile nothing anew.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

import dandc.compiler
import dandc.lang
import dandc.stdlib
import dandc.vm
from dandc.cache import Cache
from dandc.compiler.flow import KernelImage, Program
from dandc.files import read_file, read_source
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Source, Span
from dandc.lang.values import frozen
from dandc.vm import BundleError, cpu, dumps, loads
from dandc.vm.bundle import is_bundle, load_bundle

if TYPE_CHECKING:
    from dandc.compiler.check import Checked
    from dandc.compiler.kir import Kernel


@frozen
class Options:
    """How code is generated: `opt` is 0 or 2, `target` a named CPU level or `host`; and what functions of an upstream source mean."""

    opt: int = 2
    target: str = "x86-64-v2"
    bind: tuple[tuple[str, str], ...] = ()


@frozen
class Compiled:
    """A program with what diagnostics about it need. `sources` has the user's files alone when it came out of the cache.

    `own`: the images were made here, not taken from a bundle, which may be anybody's.
    """

    program: Program
    diagnostics: tuple[Diagnostic, ...]
    sources: dict[str, Source] = field(repr=False)
    own: bool = True


class CompileError(DiagnosticError):
    """The program must not run. `sources` are the texts that the diagnostics point into."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...], sources: dict[str, Source]) -> None:
        super().__init__(*diagnostics)
        self.sources = sources


def fingerprint() -> str:
    """Changes whenever the compiler does: by version when installed, by files in a working tree."""
    digest = hashlib.sha256()
    for room in (dandc, dandc.lang, dandc.compiler, dandc.stdlib, dandc.vm):
        for folder in room.__path__:
            for entry in sorted(_files(folder)):
                digest.update(entry.encode())
    return digest.hexdigest()


def compiler_version() -> str:
    """The version and a digest of what makes code of programs: the same wherever this compiler is installed."""
    digest = hashlib.sha256()
    for room in (dandc.lang, dandc.compiler, dandc.stdlib):
        for folder in room.__path__:
            entries = sorted(entry.partition(" ")[0] for entry in _files(folder))
            for path in entries:
                digest.update(os.path.relpath(path, folder).encode() + b"\0" + Path(path).read_bytes())
    return f"{dandc.__version__} {digest.hexdigest()[:16]}"


def _files(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _files(entry.path)
        elif entry.name.endswith((".py", ".dnd", ".lark")):
            found = entry.stat()
            yield f"{entry.path} {found.st_size} {found.st_mtime_ns}\n"


def compile_file(path: str | os.PathLike[str], cache: Cache, options: Options = Options()) -> Compiled:
    """The program in the file `path`, source or bundle. Raises `CompileError`, or `DiagnosticError` if the file cannot be read."""
    path = Path(path)
    if is_bundle(read_file(path, 8)):
        bundle = load_bundle(read_file(path), cpu.levels())
        sources = {name: Source(name, text) for name, text in bundle.sources.items()}
        return Compiled(bundle.program, (), sources, own=False)
    version = fingerprint() if cache.folder is not None else ""
    source, data = read_source(path, str(path))
    key = _key("program", version, options, str(path), data)
    cached = _load_program(cache.get(key), source)
    if cached is not None:
        return cached
    return _compile(path, cache, options, version)


def _key(kind: str, version: str, options: Options, *parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in (version, str(options.opt), options.target, repr(options.bind), *parts):
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return f"{kind}-{digest.hexdigest()}"


def _load_program(entry: bytes | None, root: Source) -> Compiled | None:
    """A cached program, unless a file that it imports has changed."""
    if entry is None:
        return None
    head, _, bundle = entry.partition(b"\n")
    sources = {root.file: root}
    for path, digest in json.loads(head).items():
        try:
            sources[path], data = read_source(Path(path), path)
        except DiagnosticError:
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            return None
    try:
        return Compiled(loads(bundle), (), sources)
    except BundleError:
        return None


def _compile(path: Path, cache: Cache, options: Options, version: str) -> Compiled:
    from dandc.checking import check_file

    loaded, checked = check_file(path, cache, tests=False, bind=options.bind)
    diagnostics = loaded.diagnostics + checked.diagnostics
    if any(d.severity == "error" for d in diagnostics):
        raise CompileError(diagnostics, loaded.sources)
    program = program_of(path.stem, checked, cache, options, version)
    # Messages about a translated program point into its translation, which is nowhere to be read again.
    if not diagnostics and str(path) in loaded.digests and f"{path} as .dnd" not in loaded.sources:
        key = _key("program", version, options, str(path), read_source(path, str(path))[1])
        imported = {p: d for p, d in loaded.digests.items() if p != str(path)}
        cache.put(key, json.dumps(imported).encode() + b"\n" + dumps(program))
        cache.trim()
    return Compiled(program, diagnostics, loaded.sources)


def program_of(name: str, checked: "Checked", cache: Cache, options: Options, version: str | None = None) -> Program:
    """The program that checking found, with code; images come out of the cache where they can."""
    from dandc.checking import called_kernels, lowered, program_with
    from dandc.compiler.graph_passes import pipeline

    if version is None:
        version = fingerprint() if cache.folder is not None else ""
    plan = pipeline.run(lowered(checked))
    kernels = {
        kernel: image_of(plan.kernels[kernel], cache, options, version) for kernel in called_kernels(plan.graphs)
    }
    return program_with(name, checked, plan.graphs, kernels)


def image_of(kernel: "Kernel", cache: Cache, options: Options, version: str) -> KernelImage:
    """The kernel's image, from the cache if the same IR was compiled before."""
    from dandc.compiler.identity import kernel_text

    text = kernel_text(kernel)
    ir = hashlib.sha256(text.encode()).hexdigest()
    key = _key("image", version, options, text)
    spans = _spans(kernel)
    entry = cache.get(key)
    if entry is not None:
        head, _, image = entry.partition(b"\n")
        sites = tuple(spans[i] for i in json.loads(head))
        return KernelImage(kernel.name, kernel.params, kernel.outputs, sites, image, ir)
    from dandc.compiler import codegen

    image, sites = codegen.compile(kernel, options.opt, options.target)
    places = {span: i for i, span in reversed(list(enumerate(spans)))}
    cache.put(key, json.dumps([places[s] for s in sites]).encode() + b"\n" + image)
    return KernelImage(kernel.name, kernel.params, kernel.outputs, sites, image, ir)


def _spans(kernel: "Kernel") -> list[Span]:
    """The site of every instruction, in the order of the text: the same for the same IR wherever it stands."""
    from dandc.compiler.kir_walk import walk

    found: list[Span] = []
    for function in kernel.functions:
        found.extend(instr.site for instr in walk(function.body))
    return found
