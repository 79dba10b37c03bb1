"""Chapters of a spec as values: rules, examples, and the commands that say what an example must do.

A chapter is Markdown. A line `r[dotted.id]` makes a rule; a fence `~~~dnd example id=NAME rules=a.b,c.d` holds a program
and, after the first line that starts with `---`, commands (`commands.py`). With `expand=yes` a program may hold
`{{TEXT x N}}` for N times TEXT, so that limits have readable examples. A line `` `lib.dnd`: `` before a plain `~~~dnd` fence
adds a file to the next example. Pure: takes a text, gives values; what cannot be read becomes a `Problem`, because an example
that is silently skipped would look like one that passes.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from attrs import Factory, define

from dandc.conform.commands import Call, Command, CommandError, Fails, Mistake, Mistakes, Run, RunTest, parse_command
from dandc.lang.codes import CODES
from dandc.lang.values import frozen

_RULE = re.compile(r"r\[(.*)\]\s*")
_RULE_ID = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_FILE = re.compile(r"`([\w./-]+\.dnd)`:\s*")
_REPEAT = re.compile(r"\{\{(.+?) x (\d{1,6})\}\}")
_FENCE = re.compile(r"(~~~+|```+)(.*)")


@frozen
class Rule:
    """A rule of the language by its id; `line` counts from 1 in the chapter."""

    id: str
    line: int


@frozen
class Example:
    """A program with the commands that say what it must do.

    `files` are the further files of the program, as (name, text). `line` is that of the fence, `text_line` that of the first
    line of the program.
    """

    id: str
    rules: tuple[str, ...]
    text: str
    files: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...]
    line: int


@frozen
class Problem:
    """Something in a chapter that is not what it should be."""

    chapter: str
    line: int
    message: str


@frozen
class Chapter:
    """One file of the spec."""

    name: str
    rules: tuple[Rule, ...]
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...]


@frozen
class _Fence:
    info: str
    line: int
    lines: tuple[str, ...]


@define
class _Reading:
    name: str
    rules: list[Rule] = Factory(list)
    examples: list[Example] = Factory(list)
    problems: list[Problem] = Factory(list)
    file_name: str | None = None
    files: list[tuple[str, str]] = Factory(list)

    def wrong(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.name, line, message))


def parse_chapter(name: str, text: str) -> Chapter:
    """The chapter called `name` with the Markdown `text`."""
    reading = _Reading(name)
    for block in _blocks(text.split("\n")):
        if isinstance(block, _Fence):
            _take_fence(reading, block)
        else:
            _take_line(reading, *block)
    if reading.files:
        reading.wrong(len(text.split("\n")), f"the file `{reading.files[0][0]}` belongs to no example")
    return Chapter(name, tuple(reading.rules), tuple(reading.examples), tuple(reading.problems))


def _blocks(lines: list[str]) -> Iterator[_Fence | tuple[int, str]]:
    """Fences as a whole, and every line outside them with its number."""
    at = 0
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at])
        if opening is None:
            yield at + 1, lines[at]
            at += 1
            continue
        inside = _before(opening[1], lines[at + 1 :])
        yield _Fence(opening[2].strip(), at + 1, inside)
        at += len(inside) + 2


def _before(closing: str, lines: list[str]) -> tuple[str, ...]:
    return tuple(takewhile(lambda line: line.rstrip() != closing, lines))


def _take_line(reading: _Reading, number: int, line: str) -> None:
    file = _FILE.fullmatch(line)
    if file is not None:
        reading.file_name = file[1]
    elif line.strip():
        reading.file_name = None
    found = _RULE.fullmatch(line)
    if found is None:
        return
    if not _RULE_ID.fullmatch(found[1]):
        reading.wrong(number, f"`{found[1]}` is not a rule id: lower-case words with dots between them")
    elif any(rule.id == found[1] for rule in reading.rules):
        reading.wrong(number, f"the rule `{found[1]}` stands twice")
    else:
        reading.rules.append(Rule(found[1], number))


def _take_fence(reading: _Reading, fence: _Fence) -> None:
    words = fence.info.split()
    file_name, reading.file_name = reading.file_name, None
    if words[:2] == ["dnd", "example"]:
        _take_example(reading, fence, words[2:])
    elif words == ["dnd"] and file_name is not None:
        reading.files.append((file_name, "\n".join(fence.lines) + "\n"))


def _take_example(reading: _Reading, fence: _Fence, words: list[str]) -> None:
    files, reading.files = tuple(reading.files), []
    settings = dict(word.partition("=")[::2] for word in words)
    identifier, rules = settings.pop("id", ""), settings.pop("rules", "")
    expand = settings.pop("expand", "") == "yes"
    if settings:
        reading.wrong(fence.line, f"an example has `id=`, `rules=` and `expand=yes`, not `{next(iter(settings))}`")
    if not _NAME.fullmatch(identifier):
        reading.wrong(fence.line, f"an example needs `id=` with a lower-case name, not `{identifier}`")
        return
    if not rules:
        reading.wrong(fence.line, f"the example `{identifier}` says no rules")
    program = list(takewhile(lambda line: not line.startswith("---"), fence.lines))
    commands = tuple(_commands(reading, fence.line + 1 + len(program), fence.lines[len(program) :]))
    if not commands:
        reading.wrong(fence.line, f"the example `{identifier}` says nothing about what it must do")
        return
    named = tuple(rule for rule in rules.split(",") if rule)
    text = "\n".join(program) + "\n"
    if expand:
        text = _REPEAT.sub(lambda found: found[1] * int(found[2]), text)
    reading.examples.append(Example(identifier, named, text, files, commands, fence.line))


def _commands(reading: _Reading, first: int, lines: Iterable[str]) -> Iterator[Command]:
    """Each command with the lines up to the next one."""
    groups: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines, first):
        if line.startswith("---"):
            groups.append((number, [line[3:].strip()]))
        else:
            groups[-1][1].append(line)
    for number, group in groups:
        try:
            yield parse_command(number, group[0], group[1:])
        except CommandError as error:
            reading.wrong(number, str(error))


def check_suite(chapters: Iterable[Chapter]) -> list[Problem]:
    """What is wrong between chapters: ids that are used twice, examples of rules or with codes that do not exist."""
    problems: list[Problem] = []
    rules: dict[str, str] = {}
    examples: dict[str, str] = {}
    chapters = tuple(chapters)
    for chapter in chapters:
        for rule in chapter.rules:
            if rules.setdefault(rule.id, chapter.name) != chapter.name:
                problems.append(
                    Problem(chapter.name, rule.line, f"the rule `{rule.id}` stands in `{rules[rule.id]}` too")
                )
        for example in chapter.examples:
            if example.id in examples:
                other = examples[example.id]
                problems.append(
                    Problem(chapter.name, example.line, f"the id `{example.id}` is used in `{other}` already")
                )
            examples[example.id] = chapter.name
    for chapter in chapters:
        for example in chapter.examples:
            problems += [
                Problem(chapter.name, example.line, f"the example `{example.id}` names an unknown rule `{rule}`")
                for rule in example.rules
                if rule not in rules
            ]
            problems += [
                Problem(chapter.name, example.line, f"there is no diagnostic `{code}`")
                for code in sorted(codes_of(example) - set(CODES))
            ]
    return problems


def codes_of(example: Example) -> set[str]:
    """The codes of the diagnostics that the example must show."""
    found: set[str] = set()
    for command in example.commands:
        match command:
            case (
                Mistake(expected=Fails(code=code))
                | Call(expected=Fails(code=code))
                | Run(fails=Fails(code=code))
                | RunTest(fails=Fails(code=code))
            ):
                found.add(code)
            case Mistakes(code=code):
                found.add(code)
    return found
