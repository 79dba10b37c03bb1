"""What identifies an instance of a call: a digest of the code and of everything that it reads.

Two instances with the same digest are the same instance: same image, same interface, same keys, names and values of every
parameter, in the same order. Every part is preceded by its length, so that no two inputs run together into one. What many
instances share is hashed once. A secret is its handle here: which one, never what it is.
"""

import hashlib
import struct
from array import array
from collections.abc import Sequence

from dandc.compiler.flow import KernelImage, OutputDecl, ParamDecl
from dandc.vm.items import Buffer, ItemSet

# Values from here on are hashed by themselves, so that joining them to others never copies much.
_LARGE = 1 << 10
_PIECE = struct.Struct("<cIIQ")
_COUNT = struct.Struct("<cQ")
_NO_KEY = 0xFFFFFFFF

SIZE = 32


def digest(*parts: str | Buffer) -> bytes:
    """The digest of a few parts, each with its length."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.digest()


def kernel_prefix(kernel: KernelImage) -> bytes:
    """What all instances of a kernel have in common."""
    return digest("dandc.pure.1", hashlib.sha256(kernel.image).digest(), *interface(kernel.params, kernel.outputs))


def interface(params: Sequence[ParamDecl], outputs: Sequence[OutputDecl]) -> list[str]:
    """The types of parameters and outputs as text: what the bytes of items mean."""
    parts: list[ParamDecl | OutputDecl] = [*params, *outputs]
    return [f"{part.kind} {part.key} {part.item}" for part in parts]


def instance_digests(prefix: bytes, sets: Sequence[ItemSet], rows: "array[int]", count: int) -> list[bytes]:
    """The digest of each of `count` instances that see the items `rows` (`start, count` a parameter) of `sets`."""
    stride = 2 * len(sets)
    columns = [_pieces(items, rows[2 * i :: stride], rows[2 * i + 1 :: stride]) for i, items in enumerate(sets)]
    if not columns:
        return [hashlib.sha256(prefix).digest()] * count
    sha, join = hashlib.sha256, b"".join
    return [sha(join((prefix, *pieces))).digest() for pieces in zip(*columns, strict=True)]


def _pieces(items: ItemSet, starts: "array[int]", counts: "array[int]") -> list[bytes]:
    """What each instance sees of one parameter, as bytes that stand for nothing else."""
    number = len(starts)
    if counts.count(1) == number and starts == array("I", range(number)) and number == len(items) > 1:
        plain = _plain_pieces(items)
        if plain is not None:
            return plain
    known: dict[tuple[int, int], bytes] = {}
    pieces = []
    for span in zip(starts, counts, strict=True):
        piece = known.get(span)
        if piece is None:
            piece = known[span] = _piece(items, *span)
        pieces.append(piece)
    return pieces


def _plain_pieces(items: ItemSet) -> list[bytes] | None:
    """A piece an item where items are small, of one size, and have neither keys nor names."""
    size = len(items.values[0])
    if (
        size >= _LARGE
        or any(items.names)
        or items.keys.count(None) < len(items)
        or {size} != set(map(len, items.values))
    ):
        return None
    head = _PIECE.pack(b"s", _NO_KEY, 0, size)
    return [head + value for value in items.values]


def _piece(items: ItemSet, start: int, count: int) -> bytes:
    if count == 1:
        return _item(items, start)
    whole = hashlib.sha256()
    for i in range(start, start + count):
        whole.update(_item(items, i))
    return _COUNT.pack(b"n", count) + whole.digest()


def _item(items: ItemSet, i: int) -> bytes:
    key, name, value = items.keys[i], items.names[i], items.values[i]
    named = name.encode("utf-8", "surrogatepass") if name else b""
    large = len(value) >= _LARGE
    head = _PIECE.pack(b"l" if large else b"s", _NO_KEY if key is None else len(key), len(named), len(value))
    return b"".join((head, key or b"", named, hashlib.sha256(value).digest() if large else value))
