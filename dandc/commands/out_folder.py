"""The outputs of a run as files: one folder, written as a whole, in which nothing is deleted that no run has written.

Everything is prepared in a hidden folder inside it and then moved into place, file by file, so that no file is ever half-written
and a run that fails leaves nothing. Which files are dandc's own stands in a list beside them (`.dandc-outputs`): a run replaces
those of the run before, and refuses where anything else stands in the place of an output (U0912). A list that cannot be read is
no list, so that what is in doubt is kept. The list is written before anything is moved and again afterwards: a run that is killed
in between has claimed all that it may have put there.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from dandc.commands.results import item_json
from dandc.compiler.flow import Graph, GraphOutput, Program
from dandc.compiler.types import BYTES, STR
from dandc.files import read_file, sync_folder, write_atomically
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.vm import OutputItem, RunResult
from dandc.vm.jsonvalues import to_json

LIST = ".dandc-outputs"


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


def refuse_foreign(folder: Path | None, graph: Graph) -> None:
    """Raise `DiagnosticError` (U0912) if something that no run has written stands where an output goes."""
    if folder is None:
        return
    own = _own_files(folder)
    try:
        for output in graph.outputs:
            _refuse(folder, output, own)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _refuse(folder: Path, output: GraphOutput, own: frozenset[str]) -> None:
    place = _place(output)
    target = folder / place
    if _is_folder(target):
        files = _files_of(folder, target)
        foreign = next((f for f in files if f not in own), None)
        if foreign is not None:
            raise _foreign(f"`{target}` holds `{foreign.removeprefix(f'{place}/')}`, which no run has written")
        if not files and output.type.card != "many":
            raise _foreign(f"`{target}` is a folder that no run has written")
    elif os.path.lexists(target) and place not in own:
        raise _foreign(f"`{target}` was not written by a run")


def _foreign(message: str) -> DiagnosticError:
    note = "`--out` replaces what an earlier run has written, and nothing else; the folder is as it was"
    return DiagnosticError(Diagnostic("U0912", message, None, notes=(note, "move it away, or choose another folder")))


def _own_files(folder: Path) -> frozenset[str]:
    """The files that runs have written here, as paths inside of `folder`."""
    try:
        shape = json.loads(read_file(folder / LIST))
        files = shape["files"]
    except (DiagnosticError, ValueError, TypeError, LookupError, RecursionError):
        return frozenset()
    return frozenset(name for name in files if isinstance(name, str)) if isinstance(files, list) else frozenset()


def _files_of(folder: Path, place: Path) -> list[str]:
    """Everything under `place` that is no folder, as paths inside of `folder`; folders without files are nobody's loss."""
    if not _is_folder(place):
        return [place.relative_to(folder).as_posix()] if os.path.lexists(place) else []
    found = []
    for root, folders, files in os.walk(place, onerror=_raise):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [(Path(root) / name).relative_to(folder).as_posix() for name in (*files, *links)]
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _place(output: GraphOutput) -> str:
    return output.name if output.type.card == "many" else f"{output.name}{_suffix(output)}"


def places(graph: Graph) -> list[str]:
    """The names in the folder that the outputs of a composition take, and that of the list of them."""
    return [LIST, *map(_place, graph.outputs)]


def _suffix(output: GraphOutput) -> str:
    return "" if output.type.item in (STR, BYTES) else ".json"


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
            _stage(staging / "new", program, output, result.outputs[output.name])
        # Once more, since the run may have taken a while.
        refuse_foreign(folder, graph)
        _move(staging, folder, graph)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(staging: Path, folder: Path, graph: Graph) -> None:
    """Put what is staged in the place of what the run before has written; raises OSError."""
    (staging / "old").mkdir()
    places = [_place(output) for output in graph.outputs]
    written = {name for place in places for name in _files_of(staging / "new", staging / "new" / place)}
    own = _own_files(folder)
    _write_list(folder, own | written)
    for place in places:
        _replace(staging, folder, place)
    _write_list(folder, {name for name in own if name.split("/")[0] not in places} | written)


def _write_list(folder: Path, files: frozenset[str] | set[str]) -> None:
    shape = {"what": "the files of outputs that `dandc run --out` has written here", "files": sorted(files)}
    write_atomically(folder / LIST, (json.dumps(shape, ensure_ascii=False, indent=1) + "\n").encode())


def _replace(staging: Path, folder: Path, place: str) -> None:
    """One output; one that is absent this time leaves nothing of the last."""
    source, target = staging / "new" / place, folder / place
    if os.path.lexists(target) and (_is_folder(target) or not os.path.lexists(source) or _is_folder(source)):
        os.rename(target, staging / "old" / place)
    if os.path.lexists(source):
        os.replace(source, target)


def _stage(staging: Path, program: Program, output: GraphOutput, items: tuple[OutputItem, ...]) -> None:
    staging.mkdir(exist_ok=True)
    if output.type.card == "many":
        (staging / output.name).mkdir()
        used: set[str] = set()
        for number, item in enumerate(items):
            name = _file_name(program, output, item, number, used)
            _write(staging / output.name / f"{name}{_suffix(output)}", program, output, item)
        sync_folder(staging / output.name)
    elif items:
        _write(staging / _place(output), program, output, items[0])


def _write(path: Path, program: Program, output: GraphOutput, item: OutputItem) -> None:
    value = to_json(output.type.item, item.value, program.types)
    raw = _suffix(output) == ""
    data = item.encoded if raw else (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _file_name(program: Program, output: GraphOutput, item: OutputItem, number: int, used: set[str]) -> str:
    """From the item's name, else its key, else its number; safe as a file name and not used yet."""
    shown = item_json(program, output, item)
    text = item.name or (str(shown["key"]) if shown["key"] is not None else str(number))
    safe = re.sub(r"[^\w.=+-]+", "_", text).lstrip(".")[:100] or str(number)
    name, count = safe, 1
    while name in used:
        count += 1
        name = f"{safe}.{count}"
    used.add(name)
    return name
