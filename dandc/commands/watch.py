"""`dandc check --watch FILE`: checks again whenever the file changes, only what an edit can have touched."""

import time
from pathlib import Path

from dandc.commands.output import Reporter, finish, say
from dandc.compiler.check.recheck import Rechecker
from dandc.files import read_source
from dandc.lang.diagnostics import DiagnosticError
from dandc.lang.spans import Source
from dandc.loader import ROOT, Loaded, load

_LOOK_S = 0.2


def watch(path: Path, reporter: Reporter) -> int:
    """Runs until it is interrupted."""
    loaded: Loaded | None = None
    checker: Rechecker | None = None
    seen = ""
    while True:
        source = _read(path, reporter, seen)
        if source is not None and source.text != seen:
            start = time.perf_counter()
            if loaded is None or checker is None or _imports(source.text) != _imports(seen):
                loaded = load(path)
                others = {name: module for name, module in loaded.modules.items() if name != ROOT}
                checker = Rechecker(source.file, ROOT, others, loaded.modules[ROOT].imports)
            seen = source.text
            found = checker.update(seen)
            reporter.add_sources({**loaded.sources, source.file: source})
            reporter.show(found)
            took = (time.perf_counter() - start) * 1000
            say(f"{path}: {len(found)} {'mistake' if len(found) == 1 else 'mistakes'} ({took:.0f} ms)\n")
            finish()
        time.sleep(_LOOK_S)


def _read(path: Path, reporter: Reporter, seen: str) -> Source | None:
    """The present text; an editor may have taken the file away for a moment, so only a first failure ends it."""
    try:
        return read_source(path, str(path))[0]
    except DiagnosticError as error:
        if not seen:
            raise
        reporter.show(error.diagnostics)
        return None


def _imports(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.lstrip().startswith("import")]
