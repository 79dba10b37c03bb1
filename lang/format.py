"""`format_source`: one text of a module in the one style of the language. There are no options.

    text --parse--> tree --format_*.py--> documents (format_docs.py) --> text --parse--> the same tree, or a defect

The style depends on the tree alone, but for comments and empty lines, of which at most one is kept. Literals keep their
author's spelling. The result is parsed again: a text that means something else, or has other comments, is never given
out, because a formatter that is wrong once is not used again.
"""

from attrs import define, field, fields

from dandc.lang import format_expr, format_flow, format_item, format_stmt, format_types
from dandc.lang import tree as t
from dandc.lang.collector import collector_paused
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.format_base import Printer, Rule
from dandc.lang.format_docs import TooLarge, render
from dandc.lang.format_tape import Comment, Defect, Tape, Trivia, comments, tape
from dandc.lang.parser import MAX_SOURCE_BYTES, parse
from dandc.lang.spans import Source, Span

RULES: dict[type[t.Node], Rule] = {
    **format_types.RULES,
    **format_expr.RULES,
    **format_stmt.RULES,
    **format_flow.RULES,
    **format_item.RULES,
}
# One-line items of one kind may stand together.
_KINDS: dict[type[t.Node], str] = {
    t.ConfigItem: "settings",
    t.EndpointItem: "settings",
    t.ConstItem: "settings",
    t.RecordItem: "types",
    t.EnumItem: "types",
}


def format_source(source: Source) -> str | tuple[Diagnostic, ...]:
    """The text in canonical form, or why there is none: the mistakes of its syntax, L0010, or U0909.

    A text of comments and white space is formatted as well; that of no characters stays so.
    """
    with collector_paused():
        return _format_source(source)


def _format_source(source: Source) -> str | tuple[Diagnostic, ...]:
    parsed = parse(source)
    if parsed.failed:
        return parsed.diagnostics
    try:
        return _checked(source, parsed.module)
    except Defect as defect:
        return (Diagnostic("U0909", f"cannot format `{source.file}`: {defect}", None),)
    except TooLarge:
        message = f"the formatted text would have more than {MAX_SOURCE_BYTES >> 20} MiB"
        return (Diagnostic("L0010", message, Span(source.file, 0, 0), "its lines are indented too deeply"),)


def _checked(source: Source, module: t.Module) -> str:
    """The formatted text, which says what the source says; raises `Defect` and `TooLarge`."""
    reel = tape(source)
    kept = comments(reel)
    text = _format(reel, module, clarify=True)
    if text == source.text or _agrees(Source(source.file, text), module, kept):
        return text
    # Parentheses for clarity may nest a text deeper than the language allows.
    text = _format(tape(source), module, clarify=False)
    if not _agrees(Source(source.file, text), module, kept):
        raise Defect("the result would not mean the same")
    return text


def _agrees(result: Source, module: t.Module, kept: list[str]) -> bool:
    """Whether `result` says the same as the module, with the comments that were to be kept, in their order."""
    again = parse(result)
    if again.failed or not same(again.module, module):
        return False
    return (comments(tape(result)) if "//" in result.text else []) == kept


def same(left: object, right: object) -> bool:
    """Whether two trees are equal, spans aside. `==` says the same but recurses once a level."""
    stack = [(left, right)]
    while stack:
        a, b = stack.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, tuple) and isinstance(b, tuple):
            if len(a) != len(b):
                return False
            stack += zip(a, b, strict=True)
        elif isinstance(a, t.Node):
            stack += [(getattr(a, name), getattr(b, name)) for name in _compared(type(a))]
        elif a != b:
            return False
    return True


_names: dict[type[t.Node], tuple[str, ...]] = {}


def _compared(type_: type[t.Node]) -> tuple[str, ...]:
    names = _names.get(type_)
    if names is None:
        names = tuple(attribute.name for attribute in fields(type_) if attribute.eq or attribute.name == "doc")
        _names[type_] = names
    return names


def _format(reel: Tape, module: t.Module, *, clarify: bool) -> str:
    page = _Page(Printer(reel, RULES, clarify))
    for item in module.items:
        page.item(item)
    return page.end()


@define
class _Page:
    """The lines so far; what the last item was decides what stands before the next one."""

    printer: Printer
    out: list[str] = field(factory=list)
    last: t.Item | None = None
    last_is_long: bool = False
    room: int = MAX_SOURCE_BYTES

    def item(self, item: t.Item) -> None:
        """Print an item and the comments before it."""
        before = self.printer.before(item)
        text = render(self.printer.print(item), longest=self.room)
        self.room -= len(text)
        is_long = "\n" in text
        begins = is_long or any(not comment.trailing for comment in before.comments)
        apart = self.last is not None and (self.last_is_long or begins or _kind(self.last) != _kind(item))
        self._trivia(before, apart=apart)
        self.out += [text, "\n"]
        self.last, self.last_is_long = item, is_long

    def end(self) -> str:
        """The whole text, with the comments after the last item."""
        reel = self.printer.tape
        reel.gather(len(reel.lexemes) - 1)
        rest = reel.take()
        self._trivia(Trivia(rest.comments, False), apart=False, at_end=True)
        return "".join(self.out)

    def _trivia(self, before: Trivia, *, apart: bool, at_end: bool = False) -> None:
        """Comments and empty lines between two items; `apart` asks for an empty line, wherever its author put it."""
        found = list(before.comments)
        if found and found[0].trailing and self.out:
            self.out[-1] = f"  {found.pop(0).text}\n"
        blanks = [comment.blank for comment in found] + [before.blank or (not at_end and self._ends_module_doc(found))]
        if apart and not any(blanks):
            blanks[0] = True
        for comment, blank in zip(found, blanks, strict=False):
            self._blank(wanted=blank)
            self.out += [comment.text, "\n"]
        self._blank(wanted=blanks[-1])

    def _ends_module_doc(self, found: list[Comment]) -> bool:
        return self.last is None and bool(found) and found[-1].text.startswith("//!")

    def _blank(self, *, wanted: bool) -> None:
        if wanted and self.out:
            self.out += ["\n"]


def _kind(item: t.Item) -> str:
    return _KINDS.get(type(item), type(item).__name__)
