"""The storage driver on real folders: what is kept, what is refused, and what a kill leaves."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from dandc.stdlib import storage


def keep(net: Any, folder: Path | str, operation: str, *values: Any, **policies: Any) -> Any:
    """The result of one operation per value on the store `s` in `folder`."""
    return anyio.run(lambda: net.ask(f"storage.{operation}", {"s": str(folder)}, *values, **policies))


def test_what_was_put_is_there(net: Any, tmp_path: Path) -> None:
    """Put, put again, get and list; names may be paths and any script; the folder need not exist before."""
    folder = tmp_path / "new" / "store"
    objects = [("s", "a", b"1"), ("s", "b/c", b""), ("s", "b/ü 小", b"\0\xff" * 100_000), ("s", "ba", b"4")]

    put = keep(net, folder, "put", *objects)
    assert [(s, n, len(v)) for s, n, v in objects] == [item.value for item in put.outputs["y"]]
    keep(net, folder, "put", ("s", "a", b"new"))
    got = keep(net, f"file://{folder}", "get", ("s", "a"), ("s", "b/ü 小"), ("s", "none"))
    assert [("s", "a", b"new"), objects[2]] == [item.value for item in got.outputs["y"]]
    assert net.failures(got) == [("storage.missing", 1)]
    listed = {prefix: keep(net, folder, "list", ("s", prefix)).outputs["y"] for prefix in ("", "b", "b/", "b/c", "z")}
    names = {prefix: [item.key for item in items] for prefix, items in listed.items()}
    assert names == {
        "": ["a", "b/c", "b/ü 小", "ba"],
        "b": ["b/c", "b/ü 小", "ba"],
        "b/": ["b/c", "b/ü 小"],
        "b/c": ["b/c"],
        "z": [],
    }
    assert listed["b/"][1].value == ("s", "b/ü 小", 200_000)


def test_a_store_that_is_not_there_is_empty(net: Any, tmp_path: Path) -> None:
    """Listing it is no failure, and makes no folder."""
    assert keep(net, tmp_path / "no", "list", ("s", "")).outputs["y"] == ()
    assert list(tmp_path.iterdir()) == []


HOSTILE = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "a/",
    "a/./b",
    "x\0y",
    "x\ny",
    "x\x7f",
    "x" * 201,
    "x/" * 600 + "x",
    ".dandc-x",
    "a/.dandc-x",
]


@pytest.mark.parametrize("operation", ["put", "get"])
def test_hostile_names(net: Any, tmp_path: Path, operation: str) -> None:
    """Each is a typed failure, and nothing appears anywhere."""
    folder = tmp_path / "store"
    folder.mkdir()
    values = [("s", name, b"x")[: 3 if operation == "put" else 2] for name in HOSTILE]
    result = keep(net, folder, operation, *values)

    assert [("storage.name", 1)] * len(HOSTILE) == net.failures(result)
    assert [folder] == list(tmp_path.iterdir())
    assert list(folder.iterdir()) == []


def test_links_do_not_lead_out(net: Any, tmp_path: Path) -> None:
    """Neither a linked folder nor a linked object is followed, read, listed or written through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "dir").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret")

    got = keep(net, folder, "get", ("s", "dir/secret"), ("s", "file"))
    assert net.failures(got) == [("storage.name", 1)] * 2
    put = keep(net, folder, "put", ("s", "dir/new", b"x"), ("s", "file", b"mine"))
    assert net.failures(put) == [("storage.name", 1)]
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    # Putting replaced the link itself, not what it leads to.
    assert [item.key for item in keep(net, folder, "list", ("s", "")).outputs["y"]] == ["file"]


def test_other_things_in_the_folder(net: Any, tmp_path: Path) -> None:
    """A pipe does not hang a reader, a folder is no object, and an object is no folder."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("x")
    result = keep(net, tmp_path, "get", ("s", "dir"), ("s", "file/below"), ("s", "pipe"))
    assert [code for code, _ in net.failures(result)] == ["storage.name"] * 3
    assert [item.key for item in keep(net, tmp_path, "list", ("s", "")).outputs["y"]] == ["file"]


def test_the_order_of_a_durable_write(net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents reach the disk before the name does, and the name before the answer."""
    steps: list[str] = []
    for name in ("write", "fsync", "rename"):
        original = getattr(os, name)

        def record(*arguments: Any, _name: str = name, _original: Any = original, **more: Any) -> Any:
            steps.append(_name)
            return _original(*arguments, **more)

        monkeypatch.setattr(storage.os, name, record)
    keep(net, tmp_path, "put", ("s", "x", b"value"))

    assert steps == ["write", "fsync", "rename", "fsync"]


@pytest.mark.parametrize(("number", "code"), [(28, "storage.full"), (5, "storage.io")])
def test_a_failing_disk(net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    """A failed write is a typed failure, leaves the old object and nothing beside it."""
    keep(net, tmp_path, "put", ("s", "x", b"old"))

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", fail)
        result = keep(net, tmp_path, "put", ("s", "x", b"new"))
    assert [(code, 1)] == net.failures(result)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


WRITER = """
import os, sys
from dandc.stdlib.storage import _put
number = 0
while True:
    number += 1
    _put("s", "x", sys.argv[1], ["x"], str(number % 10).encode() * 300_000)
    os.write(1, b".")
"""


def test_a_killed_writer_leaves_a_whole_object(net: Any, tmp_path: Path) -> None:
    """Killed at any moment, the last or the next-to-last object is there in full."""
    for after in range(1, 6):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert process.stdout.read(after)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        (item,) = keep(net, tmp_path, "get", ("s", "x")).outputs["y"]
        assert (len(item.value[2]), len(set(item.value[2]))) == (300_000, 1)
        assert [item.key for item in keep(net, tmp_path, "list", ("s", "")).outputs["y"]] == ["x"]
