"""Secrets: values that the machine carries by handle and only a driver ever sees.

Items hold the handle (`secret:NAME`), which is deterministic and worth nothing outside its run; so keys, caches,
results and records are free of the secret by construction. `scrub` is the second wall: text that comes from
outside (an error of a service that echoes what it got) loses every secret of the run before anybody keeps it.
Must never put a secret into an exception, a repr or a pickle.
"""

import json
from typing import NoReturn
from urllib.parse import quote

# Shorter secrets occur in ordinary data by chance; replacing them there would destroy it.
_SHORTEST_IN_DATA = 6


class Secret:
    """A value that does not show itself. Only `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")

    def reveal(self) -> str:
        """The value itself."""
        return self._value


class UnknownSecretError(Exception):
    """A handle that this run did not give out."""


class SecretBox:
    """The secrets of one run, by handle."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}
        self._shown: list[tuple[str, str]] = []

    def __repr__(self) -> str:
        return f"SecretBox({', '.join(self._secrets)})"

    def seal(self, name: str, secret: Secret) -> str:
        """Keep `secret` and give its handle: `secret:NAME`, then `secret:NAME#2`, ..."""
        handle, number = f"secret:{name}", 1
        while handle in self._secrets:
            number += 1
            handle = f"secret:{name}#{number}"
        self._secrets[handle] = secret
        self._remember(name, secret.reveal())
        return handle

    @property
    def handles(self) -> tuple[str, ...]:
        """The handles that were given out, in order."""
        return tuple(self._secrets)

    def reveal(self, handle: str) -> str:
        """The value behind a handle; `UnknownSecretError` for one that this run did not give out."""
        secret = self._secrets.get(handle)
        if secret is None:
            raise UnknownSecretError("the secret is not one of this run")
        return secret.reveal()

    def scrub(self, text: str) -> str:
        """`text` without any secret of this run, however it was escaped."""
        for shape, cover in self._shown:
            text = text.replace(shape, cover)
        return text

    def scrub_bytes(self, data: bytes) -> bytes:
        """`data` without the secrets that are long enough not to be there by chance."""
        for shape, cover in self._shown:
            if len(shape) >= _SHORTEST_IN_DATA:
                data = data.replace(shape.encode(), cover.encode())
        return data

    def _remember(self, name: str, value: str) -> None:
        shapes = {value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]} - {""}
        self._shown.extend((shape, f"secret({name})") for shape in shapes)
        # Longest first: a secret that contains another must go as a whole.
        self._shown.sort(key=lambda row: (-len(row[0]), row))
