"""Which instances of enclosing compositions a part of a run belongs to: what tells apart equal calls in them.

Two runs of the same inputs give every instance the same scope, and a corrected program gives most instances the one they had: it
is made of keys and names, and of the digest of its inputs for an instance that has neither.
"""

from dandc.lang.values import frozen
from dandc.vm.digests import digest


@frozen(slots=True)
class Scope:
    """`id` tells scopes apart; `keys` are the keys and names of the enclosing instances that have any, outermost first."""

    id: bytes = b""
    keys: tuple[bytes, ...] = ()

    def inside(self, own: bytes, turn: int, *more: bytes) -> "Scope":
        """The scope of an instance: `own` is its key or name (may be empty), `turn` tells it from others that are like it."""
        return Scope(digest(self.id, own, turn.to_bytes(8, "little"), *more), (*self.keys, own) if own else self.keys)


TOP = Scope()


def own_key(key: bytes | None, name: str) -> bytes:
    """The key, else the name, of an instance as one text; empty when it has neither."""
    if key is not None:
        return b"k" + key
    return b"n" + name.encode("utf-8", "surrogatepass") if name else b""
