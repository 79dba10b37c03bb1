"""The outputs of a run for people, for machines, and as files.

A folder is written as a whole: everything is prepared in a hidden folder beside it and then moved into place, file by file, so that
no file is ever half-written and a run that fails leaves nothing.
"""

import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dandc.commands.output import say, tell
from dandc.compiler.flow import Graph, GraphOutput, Program
from dandc.compiler.types import BYTES, STR
from dandc.files import sync_folder
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.vm import OutputItem, RunResult
from dandc.vm.jsonvalues import to_json


def as_json(program: Program, graph: Graph, result: RunResult) -> dict[str, Any]:
    """`{"outputs": {SET: [{"name", "key", "value"}]}, "nodes": {NODE: {"ran", "skipped", "failed"}}}`, and notes if any."""
    outputs = {
        output.name: [_item(program, output, item) for item in result.outputs[output.name]] for output in graph.outputs
    }
    shape: dict[str, Any] = {"outputs": outputs, "nodes": result.nodes}
    if result.notes:
        shape["notes"] = [{"node": n.node, "item": n.item, "text": n.text} for n in result.notes]
    return shape


def _item(program: Program, output: GraphOutput, item: OutputItem) -> dict[str, Any]:
    flow = output.type
    key = None if flow.key is None else to_json(flow.key, item.key, program.types)
    return {"name": item.name, "key": key, "value": to_json(flow.item, item.value, program.types)}


def show(program: Program, graph: Graph, result: RunResult, *, quiet: bool, counts: bool = True) -> None:
    """Outputs to standard output (unless `quiet`), counts (unless told otherwise) and notes to standard error."""
    if not quiet:
        alone = len(graph.outputs) == 1
        for output in graph.outputs:
            _show_output(program, output, result.outputs[output.name], alone=alone)
    for note in result.notes:
        where = f"{note.node} [{_visible(note.item)}]" if note.item else note.node
        tell(f"note: {where}: {_visible(note.text)}\n")
    width = max((len(name) for name in result.nodes), default=0)
    for name, numbers in result.nodes.items() if counts else ():
        told = ", ".join(f"{n} {what}" for what, n in numbers.items() if n) or "nothing to do"
        tell(f"{name:<{width}}  {told}\n")


def _show_output(program: Program, output: GraphOutput, items: tuple[OutputItem, ...], *, alone: bool) -> None:
    if output.type.card != "many" and alone and items and output.type.item in (STR, BYTES):
        say(items[0].encoded)
        if sys.stdout.isatty() and not items[0].encoded.endswith(b"\n"):
            say("\n")
        return
    if output.type.card == "many":
        say(f"{output.name}: {len(items)} items\n")
        for item in items:
            shown = _item(program, output, item)
            label = [
                json.dumps(shown[part], ensure_ascii=False) for part in ("key", "name") if shown[part] not in (None, "")
            ]
            say("  " + ": ".join([*label, json.dumps(shown["value"], ensure_ascii=False)]) + "\n")
    elif items:
        value = _item(program, output, items[0])["value"]
        say(f"{output.name}: {json.dumps(value, ensure_ascii=False)}\n")
    else:
        say(f"{output.name}: absent\n")


def _visible(text: str) -> str:
    """Text from a program on a terminal: without control characters, which could steer it."""
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


@contextlib.contextmanager
def output_folder(folder: Path | None) -> Iterator[None]:
    """Make the folder, or raise `DiagnosticError` (U0906) before anything runs; what was made goes again if the run fails."""
    if folder is None:
        yield
        return
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        _make_folder(folder)
        yield
    except BaseException:
        for path in missing:
            with contextlib.suppress(OSError):  # it was not made, or somebody else has put something into it
                path.rmdir()
        raise


def _make_folder(folder: Path) -> None:
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.rmdir(tempfile.mkdtemp(dir=folder, prefix=".dandc-"))
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> DiagnosticError:
    reason = (error.strerror or str(error)).lower()
    return DiagnosticError(Diagnostic("U0906", f"cannot write to the folder `{folder}`: {reason}", None))


def write_folder(folder: Path, program: Program, graph: Graph, result: RunResult) -> None:
    """One item becomes `NAME` (text and bytes) or `NAME.json`, a set the folder `NAME` with a file an item."""
    import shutil
    import tempfile

    try:
        staging = Path(tempfile.mkdtemp(dir=folder, prefix=".dandc-"))
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        for output in graph.outputs:
            _stage(staging, program, output, result.outputs[output.name])
        staged = sorted(staging.iterdir())
        for entry in staged:
            _check_place(entry, folder / entry.name)
        for entry in staged:
            _replace(entry, folder / entry.name)
        sync_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _stage(staging: Path, program: Program, output: GraphOutput, items: tuple[OutputItem, ...]) -> None:
    raw = output.type.item in (STR, BYTES)
    suffix = "" if raw else ".json"
    if output.type.card == "many":
        (staging / output.name).mkdir()
        used: set[str] = set()
        for number, item in enumerate(items):
            name = _file_name(program, output, item, number, used)
            _write(staging / output.name / f"{name}{suffix}", program, output, item, raw=raw)
        sync_folder(staging / output.name)
    elif items:
        _write(staging / f"{output.name}{suffix}", program, output, items[0], raw=raw)


def _write(path: Path, program: Program, output: GraphOutput, item: OutputItem, *, raw: bool) -> None:
    value = to_json(output.type.item, item.value, program.types)
    data = item.encoded if raw else (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _file_name(program: Program, output: GraphOutput, item: OutputItem, number: int, used: set[str]) -> str:
    """From the item's name, else its key, else its number; safe as a file name and not used yet."""
    shown = _item(program, output, item)
    text = item.name or (str(shown["key"]) if shown["key"] is not None else str(number))
    safe = re.sub(r"[^\w.=+-]+", "_", text).lstrip(".")[:100] or str(number)
    name, count = safe, 1
    while name in used:
        count += 1
        name = f"{safe}.{count}"
    used.add(name)
    return name


def _check_place(source: Path, target: Path) -> None:
    """Find out before anything is moved that a file stands where a folder goes, or the other way round."""
    if (target.exists() or target.is_symlink()) and source.is_dir() != (target.is_dir() and not target.is_symlink()):
        other = "folder" if target.is_dir() else "file"
        raise OSError(errno.EEXIST, f"there is a {other} called `{target.name}`")


def _replace(source: Path, target: Path) -> None:
    """Move a staged file or folder into place; an older folder of outputs goes."""
    if source.is_dir() and target.is_dir() and not target.is_symlink():
        old = source.with_name(f"{source.name}.old")
        os.rename(target, old)
        os.rename(source, target)
    else:
        os.replace(source, target)
