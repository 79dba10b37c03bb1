"""A document of layout choices and its printing in a given width, after Wadler and Prettier.

A document says where lines may be broken; `render` decides, from the outside to the inside: a group stands on one line
if all of it fits there, else each of its own lines is broken. Everything works with an explicit stack and looks at most
one line ahead, so that time is linear in the document, however deep it is. Knows nothing about the language.
"""

from collections.abc import Iterator

from attrs import field

from dandc.lang.values import frozen

WIDTH = 100
INDENT = 4


@frozen(slots=True)
class Line:
    """A place where a line may be broken: `flat` is what stands there if it is not.

    A `hard` one is always broken. `blank` leaves an empty line if it is broken. A `fresh` one does nothing at the
    beginning of a line.
    """

    flat: str = ""
    hard: bool = False
    blank: bool = False
    fresh: bool = False

    @property
    def breaks(self) -> bool:
        """Whether what holds this cannot stand on one line."""
        return self.hard


@frozen(slots=True)
class Suffix:
    """A comment at the end of the line, without what separates it from the text. It does not count as width."""

    text: str
    breaks: bool = field(default=True, init=False)


@frozen(slots=True)
class Concat:
    """One part after the other."""

    parts: tuple["Doc", ...]
    breaks: bool


@frozen(slots=True)
class Indent:
    """Lines broken inside begin four columns further right."""

    doc: "Doc"
    breaks: bool


@frozen(slots=True)
class Group:
    """On one line if it fits and nothing inside must be broken."""

    doc: "Doc"
    breaks: bool


@frozen(slots=True)
class IfBreak:
    """Two forms of the same thing, for a group that is broken and for one that is not."""

    broken: "Doc"
    flat: "Doc"
    breaks: bool


@frozen(slots=True)
class Fill:
    """Short texts with commas between them, as many on a line as fit."""

    texts: tuple[str, ...]
    breaks: bool = field(default=False, init=False)


Doc = str | Line | Suffix | Concat | Indent | Group | IfBreak | Fill

LINE = Line(" ")
SOFT = Line("")
HARD = Line(hard=True)
BLANK = Line(hard=True, blank=True)
FRESH = Line(hard=True, fresh=True)


def breaks(doc: Doc) -> bool:
    """Whether `doc` cannot stand on one line."""
    return not isinstance(doc, str) and doc.breaks


def concat(*parts: Doc) -> Doc:
    """The parts one after the other."""
    return parts[0] if len(parts) == 1 else Concat(parts, any(map(breaks, parts)))


def indent(*parts: Doc) -> Doc:
    """The parts, with their lines further right."""
    doc = concat(*parts)
    return Indent(doc, breaks(doc))


def group(*parts: Doc) -> Doc:
    """The parts on one line, if they fit."""
    doc = concat(*parts)
    return Group(doc, breaks(doc))


def if_break(broken: Doc, flat: Doc) -> Doc:
    """`broken` in a group that is broken, else `flat`."""
    return IfBreak(broken, flat, breaks(flat))


def flat_text(doc: Doc) -> str | None:
    """The text of `doc` on one line, or None if it cannot stand on one."""
    if breaks(doc):
        return None
    texts: list[str] = []
    stack: list[Doc] = [doc]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Concat):
            stack += reversed(part.parts)
        elif isinstance(part, Indent | Group):
            stack.append(part.doc)
        elif not isinstance(part, Suffix):
            stack.append(_flat_form(part))
    return "".join(texts)


def _flat_form(part: Line | IfBreak | Fill) -> Doc:
    if isinstance(part, Line):
        return part.flat
    return part.flat if isinstance(part, IfBreak) else ", ".join(part.texts)


# What is left to print: the indentation of lines, whether they stand on one line, and the document.
_Todo = tuple[int, bool, Doc]


class TooLarge(Exception):
    """The text would be longer than it may be: deep indentation makes a long text out of a short one."""


def render(doc: Doc, *, width: int = WIDTH, longest: int) -> str:
    """The text of `doc`, without a newline at its end and without white space at the end of any line.

    Raises `TooLarge` if it has more than `longest` characters.
    """
    return _Page(width, longest).print(doc)


class _Page:
    """The text so far. An indentation is written with the first text of its line only."""

    def __init__(self, width: int, longest: int) -> None:
        self.width = width
        self.room = longest
        self.out: list[str] = []
        self.column = 0
        self.begun = False

    def print(self, doc: Doc) -> str:
        stack: list[_Todo] = [(0, False, doc)]
        while stack:
            depth, flat, part = stack.pop()
            if isinstance(part, str):
                self.text(part)
            elif isinstance(part, Concat):
                stack += [(depth, flat, inner) for inner in reversed(part.parts)]
            elif isinstance(part, Indent):
                stack.append((depth + INDENT, flat, part.doc))
            elif isinstance(part, Group):
                stays = not part.breaks and (flat or _fits(part.doc, stack, self.width - self.column, self.width))
                stack.append((depth, stays, part.doc))
            elif isinstance(part, IfBreak):
                stack.append((depth, flat, part.flat if flat else part.broken))
            elif isinstance(part, Line):
                self.line(part, depth, flat)
            elif isinstance(part, Suffix):
                self.suffix(part.text)
            else:
                self.fill(part.texts, depth, flat)
        return "".join(self.out)

    def text(self, text: str) -> None:
        if not text:
            return
        if not self.begun:
            text = " " * self.column + text
            self.column = 0
            self.begun = True
        self.out.append(text)
        self.room -= len(text)
        if self.room < 0:
            raise TooLarge
        last = text.rfind("\n")
        self.column = self.column + len(text) if last < 0 else len(text) - last - 1

    def line(self, line: Line, depth: int, flat: bool) -> None:
        if flat:
            self.text(line.flat)
        elif not line.fresh or self.begun:
            self.strip()
            self.out.append("\n\n" if line.blank else "\n")
            self.column, self.begun = depth, False

    def suffix(self, text: str) -> None:
        self.strip()
        self.text(f"  {text}" if self.begun else text)

    def strip(self) -> None:
        """Remove the spaces at the end of the line: what should have followed them does not."""
        while self.out and self.begun and self.out[-1].endswith(" "):
            stripped = self.out.pop().rstrip(" ")
            if stripped:
                self.out.append(stripped)

    def fill(self, texts: tuple[str, ...], depth: int, flat: bool) -> None:
        for i, text in enumerate(texts):
            piece = text if i == len(texts) - 1 else f"{text},"
            if i and not flat and self.column + 2 + len(text) > self.width:
                self.line(HARD, depth, flat)
            elif i:
                self.text(" ")
            self.text(piece)


def _fits(doc: Doc, rest: list[_Todo], room: int, width: int) -> bool:
    """Whether `doc` on one line, and what follows it up to where a line can be broken, end within `width`.

    `room` is what is left of the line. Parts are taken one by one, so that a long list costs no more than a line.
    """
    stack: list[tuple[bool, Iterator[Doc]]] = [(True, iter((doc,)))]
    following = len(rest)
    while room >= 0:
        if not stack:
            if not following:
                return True
            following -= 1
            stack.append((rest[following][1], iter(rest[following][2:])))
        flat, parts = stack[-1]
        part = next(parts, None)
        if part is None:
            stack.pop()
        elif isinstance(part, str):
            room = _room_after(part, room, width)
        elif isinstance(part, Concat):
            stack.append((flat, iter(part.parts)))
        elif isinstance(part, Indent | Group):
            stack.append((flat and not part.breaks, iter((part.doc,))))
        elif isinstance(part, Line) and not flat:
            return True
        elif isinstance(part, Fill) and not flat:
            return room >= len(part.texts[0])
        elif isinstance(part, IfBreak) and not flat:
            stack.append((flat, iter((part.broken,))))
        elif not isinstance(part, Suffix):
            stack.append((True, iter((_flat_form(part),))))
    return False


def _room_after(text: str, room: int, width: int) -> int:
    """What is left of the line after `text`, which may be of several lines; negative if it does not fit."""
    first = text.find("\n")
    if first < 0 or first > room:
        return room - (len(text) if first < 0 else first)
    return width - (len(text) - text.rindex("\n") - 1)
