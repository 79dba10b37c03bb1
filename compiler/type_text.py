"""The text of a type, read back: `parse_type(str(t)) == t`.

Used where types travel as text: the text form of kernel IR, keys of type tables, and bundles. It is not the
language's parser (that knows aliases, spans and mistakes), so it accepts exactly what `str` of a type prints.
"""

import re

from dandc.compiler.types import MAP, Array, Basic, Named, Option, Result, SetRef, Tuple, Type

_BASIC = frozenset("unit bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 str bytes secret never".split())
_TOKEN = re.compile(r"\s*(=>|[A-Za-z_][A-Za-z_0-9.]*|[\[\](),])")


class TypeTextError(ValueError):
    """The text is no type; `offset` is where reading stopped."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(f"not a type at offset {offset}: {text!r}")
        self.offset = offset


def parse_type(text: str) -> Type:
    """The type that `text` is the source form of. Raises `TypeTextError`."""
    found, end = parse_type_prefix(text, 0)
    if text[end:].strip():
        raise TypeTextError(text, end)
    return found


def parse_type_prefix(text: str, start: int) -> tuple[Type, int]:
    """The type that begins at offset `start` of `text`, and the offset after it. Raises `TypeTextError`."""
    reader = _Reader(text, start)
    return reader.type(), reader.at


class _Reader:
    """A position in a text and the productions of the type grammar."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.at)
        return match[1] if match else ""

    def take(self) -> str:
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise TypeTextError(self.text, self.at)
        self.at = match.end()
        return match[1]

    def expect(self, token: str) -> None:
        if self.peek() != token:
            raise TypeTextError(self.text, self.at)
        self.take()

    def type(self) -> Type:
        word = self.take()
        if word == "(":
            return Tuple(self.listed(")"))
        if word in _BASIC:
            return Basic(word)
        if word == "set":
            return self.set_ref()
        if not (word[0].isalpha() or word[0] == "_"):
            raise TypeTextError(self.text, self.at)
        args: tuple[Type, ...] = ()
        if self.peek() == "[":
            self.take()
            args = self.listed("]")
        return self.applied(word, args)

    def listed(self, closing: str) -> tuple[Type, ...]:
        items = [self.type()]
        while self.peek() == ",":
            self.take()
            items.append(self.type())
        self.expect(closing)
        return tuple(items)

    def set_ref(self) -> SetRef:
        self.expect("[")
        first = self.type()
        if self.peek() != "=>":
            self.expect("]")
            return SetRef(None, first)
        self.take()
        item = self.type()
        self.expect("]")
        return SetRef(first, item)

    def applied(self, name: str, args: tuple[Type, ...]) -> Type:
        match name, args:
            case "array", (item,):
                return Array(item)
            case "option", (item,):
                return Option(item)
            case "result", (ok, err):
                return Result(ok, err)
            case "map", (_, _):
                return Named(MAP, args)
        if name in ("array", "option", "result", "map"):
            raise TypeTextError(self.text, self.at)
        return Named(name, args)
