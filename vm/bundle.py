"""A program as one file: what `dandc build` writes (a `Bundle`) and a cache keeps (a bare `Program`).

    magic (8 bytes) | version u32 | length of the head u32 | SHA-256 of all that follows | head (JSON) | blobs

Equal programs give equal bytes. Reading is driven by the classes of the flow graph, checks every value against its
annotation, and never runs anything out of the file (no pickle): a file that somebody made up ends in a `BundleError`
like a damaged one. The hash finds damage; it does not prove who wrote the file.
"""

import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from dandc.compiler.flow import Program
from dandc.compiler.type_text import TypeTextError, parse_type
from dandc.compiler.types import Type
from dandc.lang.diagnostics import Diagnostic, DiagnosticError
from dandc.vm.programs import structure_mistakes

VERSION = 2
_MAGIC = b"dandcIRb"
BUNDLE_MAGIC = b"dandcBUN"
_HEAD = struct.Struct("<8sII32s")


class BundleError(DiagnosticError):
    """The bytes are no bundle that this version reads."""


class _ShapeError(Exception):
    """Something in the head is not what its annotation says."""


@attrs.frozen(slots=True, eq=False, repr=False)
class _Codec:
    """How values of one annotation are written to JSON and read from it. `blobs` holds the bytes values."""

    write: Callable[[Any, bytearray], Any]
    read: Callable[[Any, memoryview], Any]


@attrs.frozen(slots=True)
class Bundle:
    """What `dandc build` writes: a program with its code for several CPU levels, complete.

    `levels` holds by level the images in the order of the kernels' names; the program's own images are those of the level that was
    chosen, empty before that. `hash` is what the program means (`compiler.identity`), `compiler` the version that made it.
    `sources` are the texts that messages point into, by the names that spans have.
    """

    program: Program
    hash: str
    compiler: str
    levels: dict[str, tuple[bytes, ...]] = attrs.field(repr=False)
    sources: dict[str, str] = attrs.field(factory=dict, repr=False)


def dumps(program: Program) -> bytes:
    """A program as bytes."""
    return _sealed(_MAGIC, _codec(Program), program)


def loads(data: bytes) -> Program:
    """The program in bytes; raises `BundleError`."""
    program = _opened(_MAGIC, _codec(Program), data)
    assert isinstance(program, Program)
    return _sound(program)


def is_bundle(start: bytes) -> bool:
    """Whether a file that starts like this is a bundle, or was one."""
    return start[: len(BUNDLE_MAGIC)] == BUNDLE_MAGIC


def dump_bundle(bundle: Bundle) -> bytes:
    """A bundle as bytes: equal bundles give equal ones."""
    kernels = {name: attrs.evolve(kernel, image=b"") for name, kernel in bundle.program.kernels.items()}
    bare = attrs.evolve(bundle, program=attrs.evolve(bundle.program, kernels=kernels))
    return _sealed(BUNDLE_MAGIC, _codec(Bundle), bare)


def load_bundle(data: bytes, levels: Sequence[str]) -> Bundle:
    """The bundle in bytes with the code of the first of `levels` that it has; raises `BundleError`."""
    bundle = _opened(BUNDLE_MAGIC, _codec(Bundle), data)
    assert isinstance(bundle, Bundle)
    level = next((level for level in levels if level in bundle.levels), None)
    if level is None:
        built, here = ", ".join(sorted(bundle.levels)) or "none", ", ".join(levels) or "none"
        message = f"the bundle has no code for this processor: it was built for {built}, and this one has {here}"
        raise BundleError(Diagnostic("R0742", message, None))
    names = sorted(bundle.program.kernels)
    if any(len(images) != len(names) for images in bundle.levels.values()):
        raise _damaged("its parts do not fit: not one image a kernel")
    images = dict(zip(names, bundle.levels[level], strict=True))
    kernels = {name: attrs.evolve(kernel, image=images[name]) for name, kernel in bundle.program.kernels.items()}
    return attrs.evolve(bundle, program=_sound(attrs.evolve(bundle.program, kernels=kernels)))


def _sealed(magic: bytes, codec: "_Codec", value: object) -> bytes:
    blobs = bytearray()
    shape = codec.write(value, blobs)
    # In ASCII, since names of files need not be text: their odd bytes are surrogates, which UTF-8 does not have.
    head = json.dumps(shape, separators=(",", ":"), allow_nan=False).encode()
    body = head + blobs
    return _HEAD.pack(magic, VERSION, len(head), hashlib.sha256(body).digest()) + body


def _opened(magic: bytes, codec: "_Codec", data: bytes) -> object:
    head, blobs = _open(magic, data)
    try:
        return codec.read(json.loads(head), blobs)
    except (_ShapeError, TypeTextError, ValueError, RecursionError) as error:
        raise _damaged(f"it is not put together as a bundle: {error}") from None


def _sound(program: Program) -> Program:
    mistakes = structure_mistakes(program)
    if mistakes:
        raise _damaged(f"its parts do not fit: {mistakes[0]}")
    return program


def _open(magic: bytes, data: bytes) -> tuple[bytes, memoryview]:
    """The head and the blobs, after all checks that need no understanding of either."""
    if len(data) < _HEAD.size or data[:8] != magic:
        raise _damaged("it does not start like a bundle")
    _, version, length, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise BundleError(
            Diagnostic("R0741", f"the bundle has version {version}, this machine reads version {VERSION}", None)
        )
    body = memoryview(data)[_HEAD.size :]
    if hashlib.sha256(body).digest() != digest or length > len(body):
        raise _damaged("its contents do not match their hash")
    return bytes(body[:length]), body[length:]


def _damaged(reason: str) -> BundleError:
    return BundleError(Diagnostic("R0740", f"the bundle cannot be read: {reason}", None))


_codecs: dict[Any, _Codec] = {}


def _codec(annotation: Any) -> _Codec:
    """The codec of an annotation, built once."""
    found = _codecs.get(annotation)
    if found is None:
        found = _codecs[annotation] = _build(annotation)
    return found


def _build(annotation: Any) -> _Codec:
    origin = get_origin(annotation)
    if annotation in (str, int, bool):
        return _plain(annotation)
    if annotation is bytes:
        return _Codec(_write_blob, _read_blob)
    if annotation is Type:
        return _Codec(lambda value, blobs: str(value), _read_type)
    if origin in (UnionType, Union):
        return _optional(get_args(annotation)) if NoneType in get_args(annotation) else _union(get_args(annotation))
    if origin is tuple:
        return _tuple(get_args(annotation))
    if origin in (dict, Mapping):
        return _dict(get_args(annotation)[1])
    if attrs.has(annotation):
        return _record(annotation)
    raise AssertionError(f"the flow graph holds a value of the unknown kind {annotation}")


def _plain(kind: type) -> _Codec:
    def read(shape: Any, blobs: memoryview) -> Any:
        if type(shape) is not kind:
            raise _ShapeError(f"a {kind.__name__} is expected")
        return shape

    return _Codec(lambda value, blobs: value, read)


def _write_blob(value: bytes, blobs: bytearray) -> list[int]:
    start = len(blobs)
    blobs += value
    return [start, len(value)]


def _read_blob(shape: Any, blobs: memoryview) -> bytes:
    start, length = _list(shape, 2)
    if type(start) is not int or type(length) is not int or not 0 <= start <= start + length <= len(blobs):
        raise _ShapeError("bytes lie outside the bundle")
    return bytes(blobs[start : start + length])


_types: dict[str, Type] = {}


def _read_type(shape: Any, blobs: memoryview) -> Type:
    if not isinstance(shape, str):
        raise _ShapeError("a type is expected")
    found = _types.get(shape)
    if found is None:
        found = parse_type(shape)
        # Programs share few types; a hostile bundle must not make this grow for ever.
        if len(_types) < 4096:
            _types[shape] = found
    return found


def _list(shape: Any, length: int | None = None) -> list[Any]:
    if not isinstance(shape, list) or (length is not None and len(shape) != length):
        raise _ShapeError("a list is expected" if length is None else f"a list of {length} is expected")
    return shape


def _optional(args: tuple[Any, ...]) -> _Codec:
    kinds = tuple(arg for arg in args if arg is not NoneType)
    inner = _codec(kinds[0]) if len(kinds) == 1 else _union(kinds)
    return _Codec(
        lambda value, blobs: None if value is None else inner.write(value, blobs),
        lambda shape, blobs: None if shape is None else inner.read(shape, blobs),
    )


def _union(kinds: tuple[Any, ...]) -> _Codec:
    """A choice of classes: the name of the class stands in front of its fields."""
    by_name = {kind.__name__: kind for kind in kinds}

    def write(value: Any, blobs: bytearray) -> Any:
        return [type(value).__name__, *_codec(type(value)).write(value, blobs)]

    def read(shape: Any, blobs: memoryview) -> Any:
        parts = _list(shape)
        kind = by_name.get(parts[0]) if parts and isinstance(parts[0], str) else None
        if kind is None:
            raise _ShapeError(f"one of {', '.join(by_name)} is expected")
        return _codec(kind).read(parts[1:], blobs)

    return _Codec(write, read)


def _tuple(args: tuple[Any, ...]) -> _Codec:
    if len(args) == 2 and args[1] is Ellipsis:
        item = _codec(args[0])
        return _Codec(
            lambda value, blobs: [item.write(v, blobs) for v in value],
            lambda shape, blobs: tuple([item.read(s, blobs) for s in _list(shape)]),
        )
    items = [_codec(arg) for arg in args]
    return _Codec(
        lambda value, blobs: [c.write(v, blobs) for c, v in zip(items, value, strict=True)],
        lambda shape, blobs: tuple(c.read(s, blobs) for c, s in zip(items, _list(shape, len(items)), strict=True)),
    )


def _dict(kind: Any) -> _Codec:
    item = _codec(kind)

    def read(shape: Any, blobs: memoryview) -> Any:
        if not isinstance(shape, dict):
            raise _ShapeError("an object is expected")
        return {key: item.read(value, blobs) for key, value in shape.items()}

    return _Codec(lambda value, blobs: {key: item.write(value[key], blobs) for key in sorted(value)}, read)


def _record(kind: type) -> _Codec:
    parts = [(f.name, _codec(f.type)) for f in attrs.fields(kind)]

    def write(value: Any, blobs: bytearray) -> Any:
        return [codec.write(getattr(value, name), blobs) for name, codec in parts]

    def read(shape: Any, blobs: memoryview) -> Any:
        shapes = _list(shape, len(parts))
        return kind(*[codec.read(s, blobs) for (_, codec), s in zip(parts, shapes, strict=True)])

    return _Codec(write, read)
