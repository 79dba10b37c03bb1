"""Finds the modules of a program: the root file, the files that it imports, the standard library.

A user's module is a file; `import "lib/x.dnd"` is relative to the importing file, `import json` is the standard library's. The
root module is called `main`, others after their path from the root's folder.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path

from attrs import Factory, define, evolve

from dandc.compiler.check import SourceModule
from dandc.compiler.check.suggest import nearest
from dandc.files import read_source
from dandc.lang import NOWHERE, Diagnostic, DiagnosticError, Fix, ParseResult, Source, parse, tree
from dandc.lang.values import frozen

# Nothing but these signs can stand in a source of upstream's language, and hardly a `.dnd` program does without a colon.
_UPSTREAM = re.compile(r"\s*(function|composition)[\w\s(){},;=>]*")
ROOT = "main"
PRELUDE = "prelude"
MAX_SIMILAR = 1000  # how many names of a folder are looked at for a proposal


@frozen
class Loaded:
    """All modules of a program, and which of them is its root.

    `digests` are the SHA-256 of the user's files by path, the root first.
    """

    modules: dict[str, SourceModule]
    sources: dict[str, Source]
    digests: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    root: str = ROOT


def load(
    path: Path,
    *,
    grammar_cache: Path | None = None,
    tests: bool = True,
    bind: Sequence[tuple[str, str]] = (),
    texts: Mapping[str, str] | None = None,
) -> Loaded:
    """The program whose root module is the file `path`; raises `DiagnosticError` if that file cannot be read.

    Without `tests` the `test` blocks are left out: they are no part of what runs. A file of the standard library itself
    is loaded as what it is, under its own name. A source in upstream's language is translated first, its functions bound
    as `bind` says (`dandc/upstream.py`). `texts`, by path, stand in for all of the user's files.
    """
    loading = _Loading(path.parent, grammar_cache, tests, texts)
    source, data = loading.read(path)
    if looks_like_upstream(source):
        from dandc.upstream import translated

        loading.sources[source.file] = source
        source, warnings = translated(source, path.parent, bind)
        loading.diagnostics += warnings
    elif bind:
        message = f"`{path}` is a .dnd program: only functions that a source in upstream's language declares are bound"
        raise DiagnosticError(Diagnostic("I1009", message, None))
    loading.standard(PRELUDE)
    root = _own_module(path) if texts is None else None
    if root is None:
        root = ROOT
        loading.user(ROOT, path, source, data)
    else:
        loading.standard(root)
    if any(isinstance(i, tree.TestItem) for i in loading.modules[root].tree.items):
        loading.standard("json")  # what tests show of values is JSON
    return Loaded(loading.modules, loading.sources, loading.digests, tuple(loading.diagnostics), root)


def looks_like_upstream(source: Source) -> bool:
    """Whether a text that is not called `.dnd` is a source of upstream's language."""
    return not source.file.endswith(".dnd") and _UPSTREAM.fullmatch(source.text) is not None


def load_items(items: tuple[tree.Item, ...], folder: Path, *, grammar_cache: Path | None = None) -> Loaded:
    """The program whose root module holds `items`, which need not stand in one file; imports are relative to `folder`."""
    loading = _Loading(folder, grammar_cache, tests=False)
    loading.standard(PRELUDE)
    imports = loading.imported(folder / ROOT, items)
    loading.modules[ROOT] = SourceModule(ROOT, tree.Module(NOWHERE, "", items), imports)
    return Loaded(loading.modules, loading.sources, loading.digests, tuple(loading.diagnostics))


def _own_module(path: Path) -> str | None:
    """The name of the standard library's module whose file `path` is, None for others."""
    name = path.name.removesuffix(".dnd")
    resource = _resource(name)
    own = path.suffix == ".dnd" and resource.is_file() and os.path.samefile(path, str(resource))
    return name if own else None


def standard_modules() -> list[str]:
    """The names of the standard library's modules."""
    return sorted(
        entry.name.removesuffix(".dnd") for entry in files("dandc.stdlib").iterdir() if entry.name.endswith(".dnd")
    )


def source_text(name: str) -> Source | None:
    """The text behind the file name of a span, None if it cannot be read any more."""
    if name.startswith("std:"):
        resource = _resource(name.removeprefix("std:"))
        return Source(name, resource.read_text("utf-8")) if resource.is_file() else None
    try:
        return read_source(Path(name), name)[0]
    except DiagnosticError:
        return None


def _resource(name: str) -> Traversable:
    return files("dandc.stdlib").joinpath(f"{name}.dnd")


_parsed: dict[str, tuple[Source, ParseResult]] = {}


def _standard_module(name: str, grammar_cache: Path | None) -> tuple[Source, ParseResult]:
    """A module of the standard library, parsed once a process, whatever the cache: it does not change while we run."""
    if name not in _parsed:
        source = Source(f"std:{name}", _resource(name).read_text("utf-8"))
        _parsed[name] = source, parse(source, cache_dir=grammar_cache)
    return _parsed[name]


@define
class _Loading:
    folder: Path
    grammar_cache: Path | None
    tests: bool
    texts: Mapping[str, str] | None = None
    modules: dict[str, SourceModule] = Factory(dict)
    sources: dict[str, Source] = Factory(dict)
    digests: dict[str, str] = Factory(dict)
    diagnostics: list[Diagnostic] = Factory(list)
    names: dict[Path, str] = Factory(dict)
    active: list[Path] = Factory(list)

    def read(self, path: Path) -> tuple[Source, bytes]:
        """The text of a user's file; raises `DiagnosticError`."""
        if self.texts is None:
            return read_source(path, str(path))
        text = self.texts.get(str(path))
        if text is None:
            raise DiagnosticError(Diagnostic("U0901", f"cannot read `{path}`: its text is not there", None))
        return Source(str(path), text), text.encode("utf-8", "surrogatepass")

    def standard(self, name: str) -> bool:
        """Load a module of the standard library; False if there is none."""
        if name in self.modules:
            return True
        if not name.isidentifier() or not _resource(name).is_file():
            return False
        source, parsed = _standard_module(name, self.grammar_cache)
        self.sources[source.file] = source
        self.diagnostics.extend(parsed.diagnostics)
        module = self._kept(parsed.module)
        imports = {i.path: i.path for i in module.items if isinstance(i, tree.ImportItem)}
        self.modules[name] = SourceModule(name, module, imports, trusted=True)
        for imported in imports:
            self.standard(imported)
        return True

    def _kept(self, module: tree.Module) -> tree.Module:
        """The module with or without its tests."""
        if self.tests or not any(isinstance(i, tree.TestItem) for i in module.items):
            return module
        return evolve(module, items=tuple(i for i in module.items if not isinstance(i, tree.TestItem)))

    def user(self, name: str, path: Path, source: Source, data: bytes) -> None:
        """Load a user's module and what it imports."""
        real = Path(os.path.realpath(path))
        self.names[real] = name
        self.digests[str(path)] = hashlib.sha256(data).hexdigest()
        module = self._parse(source)
        self.active.append(real)
        imports = self.imported(path, module.items)
        self.active.pop()
        self.modules[name] = SourceModule(name, module, imports)

    def imported(self, path: Path, items: tuple[tree.Item, ...]) -> dict[str, str]:
        """Load what `items` of the file `path` import; the names of the modules."""
        imports: dict[str, str] = {}
        for item in items:
            if isinstance(item, tree.ImportItem):
                found = self._relative(path, item) if item.relative else self._library(item)
                if found is not None:
                    imports[item.path] = found
        return imports

    def _parse(self, source: Source) -> tree.Module:
        self.sources[source.file] = source
        parsed = parse(source, cache_dir=self.grammar_cache)
        self.diagnostics.extend(parsed.diagnostics)
        return self._kept(parsed.module)

    def _library(self, item: tree.ImportItem) -> str | None:
        if item.path != PRELUDE and self.standard(item.path):
            return item.path
        known = [n for n in standard_modules() if n != PRELUDE]
        fixes: tuple[Fix, ...] = ()
        if os.path.exists(os.path.join(os.path.dirname(item.span.file), f"{item.path}.dnd")):
            fixes = (Fix("import the file", item.span, f'import "{item.path}.dnd";'),)
        elif near := nearest(item.path, known):
            fixes = (Fix(f"did you mean `{near}`?", item.span, f"import {near};"),)
        note = f"the standard library has {', '.join(f'`{n}`' for n in known)}"
        self.diagnostics.append(
            Diagnostic("M0501", f"there is no module `{item.path}`", item.span, "not found", notes=(note,), fixes=fixes)
        )
        return None

    def _relative(self, importer: Path, item: tree.ImportItem) -> str | None:
        if not item.path or "\0" in item.path:
            message = "the path of an import is empty" if not item.path else "a path holds no NUL"
            self.diagnostics.append(Diagnostic("M0501", message, item.span, "not a path"))
            return None
        path = importer.parent / item.path
        real = Path(os.path.realpath(path))
        if real in self.active:
            chain = [*self.active[self.active.index(real) :], real]
            way = " -> ".join(p.name for p in chain)
            message = f"`{item.path}` imports itself: {way}"
            cure = "move what they need of each other into a file of its own, which both import"
            notes = (cure,) if len(chain) > 2 else ("what a file declares is known in it without an import",)
            self.diagnostics.append(Diagnostic("M0502", message, item.span, "closes the circle", notes=notes))
            return None
        if real not in self.names:
            try:
                source, data = self.read(path)
            except DiagnosticError as error:
                reason = error.diagnostics[0].message
                fixes = _similar_file(path, item)
                self.diagnostics.append(Diagnostic("M0501", reason, item.span, "not readable", fixes=fixes))
                return None
            self.user(self._name(path), path, source, data)
        return self.names[real]

    def _name(self, path: Path) -> str:
        name = os.path.relpath(path, self.folder).removesuffix(".dnd").replace(os.sep, ".")
        taken = {*self.modules, *self.names.values(), *standard_modules()}
        while name in taken:
            name += "_"
        return name


def _similar_file(path: Path, item: tree.ImportItem) -> tuple[Fix, ...]:
    """A module in the same folder whose name is near to that of a file which cannot be read."""
    if path.suffix != ".dnd" and os.path.isfile(f"{path}.dnd"):
        return (Fix("write the whole name of the file", item.span, f'import "{item.path}.dnd";'),)
    try:
        with os.scandir(path.parent) as entries:
            files = [e.name for e in islice(entries, MAX_SIMILAR) if e.name.endswith(".dnd") and e.is_file()]
    except OSError:
        return ()
    near = nearest(path.stem, sorted({name.removesuffix(".dnd") for name in files} - {path.stem}))
    if near is None:
        return ()
    written = item.path.removesuffix(path.name) + near
    return (Fix(f"did you mean `{near}.dnd`?", item.span, f'import "{written}.dnd";'),)
