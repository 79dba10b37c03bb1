"""The storage driver: objects by name in a folder of this machine.

Durable: an object is written beside its place, flushed to the disk, renamed over it, and the folder flushed, so that
after a crash the old or the new object is there and never a piece of one. Names are data and may be hostile: every
step from the store's folder down is opened by descriptor without following symbolic links, so no name leads out of
it, however the folder changes meanwhile. Files are touched in worker threads only.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote

import anyio.to_thread

from dandc.vm.drivers import CallContext, DriverFailureError, EndpointAddress, OutputItem

MAX_OBJECT = 1 << 30
_MAX_NAME = 1024
_MAX_PART = 200
# Objects that are being written; no object's name may look like one.
_TEMPORARY = ".dandc-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC


class StorageDriver:
    """Serves `storage.put`, `storage.get` and `storage.list`."""

    def check_endpoint(self, endpoint: EndpointAddress) -> str | None:
        """Why the address cannot be served, or None."""
        return "is neither a folder nor a `file:` URL" if _folder(endpoint.url) is None else None

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        """Every operation: putting the same object twice is putting it once."""
        return True

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        """One operation; raises `DriverFailureError` with a `storage.` code."""
        work: Callable[[], Sequence[OutputItem]]
        match operation, arguments:
            case "put", ((str(store), str(name), bytes(value)),):
                work = _bind(_put, store, name, _root(context, store), name_parts(name), value)
            case "get", ((str(store), str(name)),):
                work = _bind(_get, store, name, _root(context, store), name_parts(name))
            case "list", ((str(store), str(prefix)),):
                work = _bind(_list, store, prefix, _root(context, store))
            case _:
                raise AssertionError(f"storage has no operation `{operation}` with such arguments")
        # Not abandoned on cancellation: a thread that goes on writing after the run has ended would surprise.
        return (await anyio.to_thread.run_sync(work),)

    async def aclose(self) -> None:
        """Nothing is open between calls."""


def open_driver() -> StorageDriver:
    """A driver for one run."""
    return StorageDriver()


def _folder(url: str) -> str | None:
    """The folder that an address means, or None."""
    if url.startswith("file:"):
        rest = url.removeprefix("file:").removeprefix("//")
        path = unquote(rest)
        return path if path.startswith("/") and "\0" not in path else None
    return None if not url or "\0" in url or "://" in url else url


def _root(context: CallContext, store: str) -> str:
    endpoint = context.endpoints.get(store)
    if endpoint is None or endpoint.module != "storage":
        raise DriverFailureError("storage.forbidden", f"the program declares no storage endpoint `{store[:100]}`")
    folder = _folder(endpoint.url)
    assert folder is not None, "addresses are checked before the run"
    return folder


def name_parts(name: str) -> list[str]:
    """The steps of an object's name; refuses what could lead elsewhere or has no place on a disk."""
    parts = name.split("/")
    if len(name.encode()) > _MAX_NAME or any(len(part.encode()) > _MAX_PART for part in parts):
        raise _bad_name("it is too long")
    if any(c < " " or c == "\x7f" for c in name):
        raise _bad_name("it holds a control character")
    if any(part in ("", ".", "..") for part in parts):
        raise _bad_name("a part between slashes is empty, `.` or `..`")
    if any(part.startswith(_TEMPORARY) for part in parts):
        raise _bad_name(f"parts that start with `{_TEMPORARY}` are the machine's own")
    return parts


def _bad_name(reason: str) -> DriverFailureError:
    # The name is not repeated: it is data, and may be long or a secret.
    return DriverFailureError("storage.name", f"the name cannot be the name of an object: {reason}")


def _bind(
    operation: Callable[..., Sequence[OutputItem]], store: str, name: str, *arguments: object
) -> Callable[[], Sequence[OutputItem]]:
    """The operation with operating system errors as failures."""

    def work() -> Sequence[OutputItem]:
        try:
            return operation(store, name, *arguments)
        except OSError as error:
            raise _failure(name, error) from None

    return work


def _failure(name: str, error: OSError) -> DriverFailureError:
    shown = name[:200]
    if error.errno == errno.ENOENT:
        return DriverFailureError("storage.missing", f"there is no object `{shown}`", kinds=("missing",))
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
        return _no_object(name)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    kinds = ("full",) if full else ("io",)
    return DriverFailureError("storage.full" if full else "storage.io", f"`{shown}`: {error.strerror}", kinds=kinds)


def _no_object(name: str) -> DriverFailureError:
    return DriverFailureError("storage.name", f"`{name[:200]}` is not an object, or leads through one or a link")


def _put(store: str, name: str, root: str, parts: list[str], value: bytes) -> Sequence[OutputItem]:
    _make_root(root)
    with _walk(root, parts[:-1], create=True) as folder:
        _write_beside(folder, parts[-1], value)
    return [(None, name, (store, name, len(value)))]


def _make_root(root: str) -> None:
    if os.path.isdir(root):
        return
    os.makedirs(root, exist_ok=True)
    parent = os.open(os.path.dirname(os.path.abspath(root)), _FOLDER & ~os.O_NOFOLLOW)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _write_beside(folder: int, name: str, value: bytes) -> None:
    temporary = _TEMPORARY + secrets.token_hex(8)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o666, dir_fd=folder)
    try:
        try:
            _write_all(descriptor, value)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def _write_all(descriptor: int, value: bytes) -> None:
    view = memoryview(value)
    while view:
        view = view[os.write(descriptor, view) :]


def _get(store: str, name: str, root: str, parts: list[str]) -> Sequence[OutputItem]:
    with _walk(root, parts[:-1]) as folder:
        descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NONBLOCK | _FILE, dir_fd=folder)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _no_object(name)
            if status.st_size > MAX_OBJECT:
                raise DriverFailureError("storage.size", f"`{name[:200]}` is larger than {MAX_OBJECT} bytes")
            value = file.read(MAX_OBJECT)
    return [(None, name, (store, name, value))]


def _list(store: str, prefix: str, root: str) -> Sequence[OutputItem]:
    """All objects whose name starts with `prefix`. A store that nobody has put anything into is empty."""
    try:
        top = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    try:
        found = sorted(_objects(top, "", prefix))
    finally:
        os.close(top)
    return [(name, name, (store, name, size)) for name, size in found]


def _objects(folder: int, path: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Names and sizes below an open folder. Links are no objects; neither are names that are not UTF-8."""
    with os.scandir(folder) as entries:
        listed = [entry for entry in entries if not entry.name.startswith(_TEMPORARY) and _is_text(entry.name)]
    for entry in listed:
        name = path + entry.name
        if entry.is_dir(follow_symlinks=False):
            # Only folders that can hold such a name, or the listing of one object would walk the whole store.
            if (name + "/").startswith(prefix) or prefix.startswith(name + "/"):
                below = os.open(entry.name, _FOLDER, dir_fd=folder)
                try:
                    yield from _objects(below, name + "/", prefix)
                finally:
                    os.close(below)
        elif entry.is_file(follow_symlinks=False) and name.startswith(prefix):
            yield name, os.stat(entry.name, dir_fd=folder, follow_symlinks=False).st_size


def _is_text(name: str) -> bool:
    return all(not "\ud800" <= c <= "\udfff" for c in name)


@contextmanager
def _walk(root: str, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """The open folder at the end of the steps, none of which is a link."""
    folder = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for part in parts:
            if create:
                _make_folder(folder, part)
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _make_folder(folder: int, name: str) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)
