"""The grammar as lark tables, built once a process.

Building the tables takes half a second, loading pickled ones about 15 ms, so a caller that owns a private directory may
pass it as `cache_dir`. A pickle runs code when it is loaded: the directory must be writable by its owner only, and that
is the caller's duty. Nothing else in `lang` touches a file, and lark is imported only when a text is parsed.
"""

import io
import os
import sys
from contextlib import suppress
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.lang.collector import collector_paused

if TYPE_CHECKING:
    from lark import Lark

_DIGEST = 32
START = ("item", "lexical")


def grammar_text() -> str:
    """The text of `grammar.lark`."""
    return files("dandc.lang").joinpath("grammar.lark").read_text(encoding="utf-8")


def build(*, strict: bool = False) -> "Lark":
    """Fresh tables. `strict` also searches for terminals that match the same text (needs `interegular`)."""
    from lark import Lark

    with collector_paused():
        return Lark(grammar_text(), parser="lalr", lexer="basic", start=list(START), strict=strict)


_loaded: list["Lark"] = []


def tables(cache_dir: str | os.PathLike[str] | None = None) -> "Lark":
    """The tables of this process; the first call builds them or loads them from `cache_dir`."""
    if not _loaded:
        _loaded.append(build() if cache_dir is None else _cached(_cache_file(Path(cache_dir))))
    return _loaded[0]


def _cached(cache_file: Path) -> "Lark":
    return _load(cache_file) or _build_and_save(cache_file)


def _cache_file(directory: Path) -> Path:
    from lark import __version__

    key = sha256(f"{__version__}\n{sys.version}\n{grammar_text()}".encode()).hexdigest()
    return directory / f"grammar-{key[:32]}.pickle"


def _load(cache_file: Path) -> "Lark | None":
    """The tables of `cache_file`, or None if there are none or they are damaged."""
    from lark import Lark

    try:
        content = cache_file.read_bytes()
    except OSError:
        return None
    digest, pickled = content[:_DIGEST], content[_DIGEST:]
    if sha256(pickled).digest() != digest:
        return None
    with collector_paused():
        return Lark.load(io.BytesIO(pickled))


def _build_and_save(cache_file: Path) -> "Lark":
    """Build, and leave a copy for the next process. A full or read-only disk only costs the time again."""
    language = build()
    pickled = io.BytesIO()
    language.save(pickled)
    beside = cache_file.with_name(f"{cache_file.name}.{os.getpid()}")
    try:
        beside.write_bytes(sha256(pickled.getvalue()).digest() + pickled.getvalue())
        beside.replace(cache_file)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return language
