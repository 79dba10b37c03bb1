"""`frozen` for the values of the language, the compiler and the machine: `attrs.frozen`, made in less time.

attrs writes `__init__`, `__eq__`, `__hash__` and `__repr__` of each class as a text, and Python compiles it when the module is imported. With
three hundred classes that was half of the time of `dandc check` of a small file. Here the last three are closures over the names of the
fields, with the same meaning: equal are values of one class whose compared fields are equal.
"""

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from attrs import frozen as frozen  # noqa: PLC0414  # its types are those of attrs
else:

    def frozen(cls: type | None = None, /, **options: Any) -> Any:
        """As `attrs.frozen`, with the same options."""
        if cls is None:
            return partial(frozen, **options)
        own = vars(cls)
        shows = "repr" not in options and "__repr__" not in own
        compares = not {"eq", "order", "cache_hash"} & options.keys() and "__eq__" not in own
        hashes = compares and "__hash__" not in own
        if shows:
            options["repr"] = False
        if compares:
            options["eq"] = False
        made = attrs.frozen(**options)(cls)
        if shows:
            made.__repr__ = _repr([field.name for field in attrs.fields(made) if field.repr])
        if compares:
            read = _reader([field.name for field in attrs.fields(made) if field.eq])
            made.__eq__ = _eq(read)
            if hashes:
                made.__hash__ = _hash(made, read)
        return made


def _reader(names: list[str]) -> Any:
    """A function that gives the values of some fields of a value."""
    return attrgetter(*names) if names else type


def _eq(read: Any) -> Any:
    def __eq__(self: object, other: object) -> bool:  # noqa: N807  # its name in a traceback
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(read(self) == read(other))

    return __eq__


def _hash(cls: type, read: Any) -> Any:
    salt = hash(cls.__qualname__)

    def __hash__(self: object) -> int:  # noqa: N807
        return hash((salt, read(self)))

    return __hash__


def _repr(names: list[str]) -> Any:
    def __repr__(self: object) -> str:  # noqa: N807
        parts = (f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(parts)})"

    return __repr__
