"""The commands of an example: what a program must do. Parsed from their lines; written back when they are blessed.

    --- ok                                        checks without a diagnostic
    --- error T0301 at 2:5-2:9 "text"             one diagnostic of the check; repeated, these are all of them
    --- error P0101 x 100                         so many of one code, wherever they are
    --- type f.x : array[i64]                     the type of the local `x` of `f`, or of what `f` gives
    --- call f(1, [2]) => 3                       a call of an `fn` and its value
    --- call f(0) error R0702 at 1:30-1:35        ... or how it ends
    --- call f() exhausts time                    ... or what it runs out of: time, memory, output
    --- run main {"x": 1} => {"y": 2}             a run of a composition: JSON as for `dandc run --inputs`
    --- run {} config {"n": 1} error R0710        ... with configs, and how it ends
    --- nodes {"f": {"ran": 1}}                   counts of the run before (those that are not zero)
    --- notes ["text"]                            what kernels noted in the run before
    --- test "no servers" passes                  a `test` block of the program, with all rows of its table
    --- test "no servers" error R0750 at 9:12     ... or how it ends
    --- fmt                                       the formatter gives the lines that follow

A position `FILE:L:C-L:C` counts lines and columns from 1; the end is the first column behind; the file is left out for the
example's own program. A position that is left out is not compared.
"""

import json
import re
from typing import Any

from attrs import evolve, field

from dandc.lang.values import frozen


class CommandError(Exception):
    """A command that cannot be read."""


@frozen
class At:
    """A place in a program. `file` is empty for the example's own text; the end is exclusive, 0:0 if it is not said."""

    line: int
    column: int
    end_line: int = 0
    end_column: int = 0
    file: str = ""

    def __str__(self) -> str:
        start = f"{self.file}:" * bool(self.file) + f"{self.line}:{self.column}"
        return f"{start}-{self.end_line}:{self.end_column}" if self.end_line else start

    def fits(self, found: "At") -> bool:
        """Whether the place that was found is this one; an end that is not said fits any."""
        return self == (found if self.end_line else evolve(found, end_line=0, end_column=0))


@frozen
class Fails:
    """How something ends that has no value: `code`, and where and with what in its message, if said."""

    code: str
    at: At | None = None
    text: str | None = None

    def __str__(self) -> str:
        place = "" if self.at is None else f" at {self.at}"
        return f"error {self.code}{place}" + ("" if self.text is None else f" {json.dumps(self.text)}")


@frozen
class Gives:
    """The value of a call, as an expression."""

    text: str


@frozen
class Exhausts:
    """What a call runs out of: `time`, `memory` or `output`."""

    what: str


@frozen
class Command:
    """Base of commands. `line` counts from 1 in the chapter."""

    line: int


@frozen
class Ok(Command):
    """The program has no mistake."""


@frozen
class Mistake(Command):
    """The check finds this."""

    expected: Fails


@frozen
class Mistakes(Command):
    """The check finds `count` diagnostics with this code."""

    code: str
    count: int


@frozen
class TypeOf(Command):
    """The type of a name, as text."""

    name: str
    type: str


@frozen
class Call(Command):
    """A call of an `fn`; `args` are expressions."""

    fn: str
    args: tuple[str, ...]
    expected: Gives | Fails | Exhausts


@frozen
class Run(Command):
    """A run of a composition (`name` is empty for the only one or `main`); `outputs` is None when it `fails`."""

    name: str
    inputs: dict[str, Any] = field(eq=False)
    config: dict[str, Any] = field(eq=False)
    outputs: dict[str, Any] | None = field(eq=False)
    fails: Fails | None
    head: str  # the command up to what is expected, as written


@frozen
class Nodes(Command):
    """Counts of the nodes of the run before."""

    counts: dict[str, dict[str, int]] = field(eq=False)


@frozen
class Notes(Command):
    """What the run before noted, in any order."""

    texts: list[str] = field(eq=False)


@frozen
class RunTest(Command):
    """A `test` block by its title; `fails` is None when it passes."""

    title: str
    fails: Fails | None


@frozen
class Fmt(Command):
    """What the formatter makes of the program."""

    text: str


@frozen
class Hash(Command):
    """Whether the program has the same hash as the one in another file of the example."""

    file: str
    same: bool


_AT = re.compile(r"(?:([\w./-]+\.dnd):)?(\d+):(\d+)(?:-(\d+):(\d+))?")
_FAILS = re.compile(r'error ([A-Z]\d{4})(?: at (\S+))?(?: ("(?:[^"\\]|\\.)*"))?')
_MANY = re.compile(r"([A-Z]\d{4}) x (\d+)")
_TYPE = re.compile(r"([\w.]+) : (.+)")
_CALL = re.compile(r"([\w.`]+)\(")
_RUN = re.compile(r"(?:([A-Za-z_]\w*) )?(?=\{)")
_TEST = re.compile(r'("(?:[^"\\]|\\.)*") (passes|error .*)')
_HASH = re.compile(r"(of|not of) ([\w./-]+\.dnd)")
_EXHAUSTIBLE = ("time", "memory", "output")


def parse_command(line: int, text: str, more: list[str]) -> Command:
    """The command `text` (without `---`) and the lines after it; raises `CommandError`."""
    word, _, rest = text.partition(" ")
    if word == "fmt" and not rest:
        return Fmt(line, "\n".join(more) + "\n")
    whole = " ".join([rest, *(part.strip() for part in more)]).strip()
    match word:
        case "ok" if not whole:
            return Ok(line)
        case "error" if (many := _MANY.fullmatch(whole)) is not None:
            return Mistakes(line, many[1], int(many[2]))
        case "error":
            return Mistake(line, _fails(f"error {whole}"))
        case "type":
            found = _TYPE.fullmatch(whole)
            if found is None:
                raise CommandError("a type is written `--- type NAME : TYPE`")
            return TypeOf(line, found[1], found[2])
        case "call":
            return _call(line, whole)
        case "run":
            return _run(line, whole)
        case "test":
            return _test(line, whole)
        case "hash" if (compared := _HASH.fullmatch(whole)) is not None:
            return Hash(line, compared[2], compared[1] == "of")
        case "nodes":
            return Nodes(line, _whole_json(whole, dict))
        case "notes":
            return Notes(line, _whole_json(whole, list))
    raise CommandError(f"there is no command `{text}`")


def _fails(text: str) -> Fails:
    found = _FAILS.fullmatch(text)
    if found is None:
        raise CommandError(f'this is not `error CODE at L:C-L:C "text"`: `{text}`')
    at = _AT.fullmatch(found[2]) if found[2] else None
    if found[2] and at is None:
        raise CommandError(f"`{found[2]}` is not a position `L:C` or `L:C-L:C`")
    place = None
    if at is not None:
        line, column, end_line, end_column = (int(n or 0) for n in at.groups()[1:])
        place = At(line, column, end_line, end_column, at[1] or "")
    return Fails(found[1], place, json.loads(found[3]) if found[3] else None)


def _call(line: int, text: str) -> Call:
    head = _CALL.match(text)
    if head is None:
        raise CommandError("a call is written `--- call f(1, 2) => 3`")
    args, end = _arguments(text, head.end())
    rest = text[end:].strip()
    word, _, what = rest.partition(" ")
    if word == "=>" and what.strip():
        return Call(line, head[1], args, Gives(what.strip()))
    if word == "exhausts" and what in _EXHAUSTIBLE:
        return Call(line, head[1], args, Exhausts(what))
    if word != "error":
        raise CommandError("after a call stands `=> VALUE`, `error CODE` or `exhausts time|memory|output`")
    return Call(line, head[1], args, _fails(rest))


def _arguments(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """The arguments after an open parenthesis, and where the text goes on behind the closing one."""
    args, depth, begin, at = [], 0, start, start
    while at < len(text):
        char = text[at]
        if char == '"':
            at = _string_end(text, at)
        elif char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char == ")" or (char == "," and not depth):
            args.append(text[begin:at].strip())
            begin = at + 1
            if char == ")":
                return tuple(a for a in args if a), begin
        at += 1
    raise CommandError("the call is not closed")


def _string_end(text: str, at: int) -> int:
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at


def _test(line: int, text: str) -> RunTest:
    found = _TEST.fullmatch(text)
    if found is None:
        raise CommandError('a test is written `--- test "TITLE" passes` or `--- test "TITLE" error CODE`')
    return RunTest(line, json.loads(found[1]), None if found[2] == "passes" else _fails(found[2]))


def _run(line: int, text: str) -> Run:
    head = _RUN.match(text)
    if head is None:
        raise CommandError('a run is written `--- run {"input": 1} => {"output": 2}`')
    inputs, at = _json_object(text, head.end())
    config: dict[str, Any] = {}
    if text.startswith("config ", at):
        config, at = _json_object(text, at + len("config "))
    start, rest = text[:at].strip(), text[at:]
    if rest.startswith("=>"):
        outputs, end = _json_object(rest, 2)
        if rest[end:].strip():
            raise CommandError(f"nothing can follow the outputs: `{rest[end:]}`")
        return Run(line, head[1] or "", inputs, config, outputs, None, start)
    return Run(line, head[1] or "", inputs, config, None, _fails(rest), start)


def _json_object(text: str, at: int) -> tuple[dict[str, Any], int]:
    """The JSON object at `at`, and where the next word starts."""
    at += len(text[at:]) - len(text[at:].lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise CommandError(f"this is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CommandError("inputs and outputs are JSON objects")
    return value, end + len(text[end:]) - len(text[end:].lstrip())


def _whole_json(text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, kind):
        raise CommandError(f"this is not a JSON {'object' if kind is dict else 'array'}: `{text}`")
    return value


def written(command: Command) -> str:
    """The line of a command that can be blessed, without `---`."""
    match command:
        case Mistake(expected=expected):
            return str(expected)
        case TypeOf(name=name, type=t):
            return f"type {name} : {t}"
        case Call(fn=fn, args=args, expected=expected):
            head = f"call {fn}({', '.join(args)})"
            match expected:
                case Gives(text):
                    return f"{head} => {text}"
                case Exhausts(what):
                    return f"{head} exhausts {what}"
            return f"{head} {expected}"
        case Run(head=head, outputs=outputs, fails=fails):
            return (
                f"run {head} {fails}"
                if fails is not None
                else f"run {head} => {json.dumps(outputs, ensure_ascii=False)}"
            )
        case RunTest(title=title, fails=fails):
            return f"test {json.dumps(title, ensure_ascii=False)} {'passes' if fails is None else fails}"
        case Nodes(counts=counts):
            return f"nodes {json.dumps(counts)}"
        case Notes(texts=texts):
            return f"notes {json.dumps(texts, ensure_ascii=False)}"
    raise AssertionError(command)
