"""From a file to a bundle: one program with code for several CPU levels, the same bytes wherever it is built.

Names of files in it are relative to the program's folder, so that neither the place of the sources nor the working folder gets into the bundle;
sources travel with it, so that messages of a run point into them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from dandc import __version__
from dandc.cache import Cache
from dandc.checking import check_file
from dandc.compiler.identity import program_hash
from dandc.compiling import CompileError, Options, program_of
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.lang.spans import Span
from dandc.vm.bundle import Bundle


def build(path: Path, cache: Cache, levels: Sequence[str], *, sources: bool = True) -> Bundle:
    """The bundle of the program in `path`. Raises `CompileError`, or `DiagnosticError` if it cannot be read."""
    loaded, checked = check_file(path, cache, tests=False)
    diagnostics = loaded.diagnostics + checked.diagnostics
    if any(d.severity == "error" for d in diagnostics):
        raise CompileError(diagnostics, loaded.sources)
    if not loaded.modules[loaded.root].tree.items:
        raise DiagnosticError(Diagnostic("U0910", f"`{path}` declares nothing", None))
    programs = {level: program_of(path.stem, checked, cache, Options(2, level)) for level in sorted(set(levels))}
    program = next(iter(programs.values()))
    names = sorted(program.kernels)
    images = {level: tuple(made.kernels[name].image for name in names) for level, made in programs.items()}
    texts = {}
    if sources:
        texts = {_relative(f, path.parent): s.text for f, s in loaded.sources.items() if not f.startswith("std:")}
    return Bundle(_moved(program, path.parent), program_hash(program), __version__, images, texts)


def _relative(file: str, folder: Path) -> str:
    """The name of a source file as the bundle knows it."""
    return file if not file or file.startswith("std:") else os.path.relpath(file, folder)


def _moved(value: Any, folder: Path) -> Any:
    """The value with every span in it naming its file relative to `folder`."""
    if isinstance(value, Span):
        return attrs.evolve(value, file=_relative(value.file, folder))
    if isinstance(value, tuple):
        return type(value)(_moved(part, folder) for part in value)
    if isinstance(value, dict):
        return type(value)((key, _moved(part, folder)) for key, part in value.items())
    if attrs.has(type(value)):
        parts = {f.name: _moved(getattr(value, f.name), folder) for f in attrs.fields(type(value))}
        return attrs.evolve(value, **parts)
    return value
