"""A person at a terminal: editing over several lines, history, completion and colours, by prompt_toolkit.

The only module that knows prompt_toolkit, loaded only when both ends are a terminal. Everything that is known about the
language comes from `entry`, `colours` and `complete`; here it is only brought to keys and colours.
"""

import os
import signal
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from dandc.commands.output import Reporter, finish, say, wants_colour
from dandc.lang import Diagnostic
from dandc.repl.colours import parts
from dandc.repl.complete import candidates
from dandc.repl.entry import is_complete, is_open
from dandc.repl.loop import answer_to, show
from dandc.repl.session import Session

HISTORY = "repl-history"
_MOST_HISTORY = 1 << 20
_PROMPT, _MORE = "dnd> ", "...  "
_INDENT = "    "
_STYLE = Style.from_dict(
    {
        "keyword": "ansibrightmagenta",
        "type": "ansicyan",
        "string": "ansigreen",
        "number": "ansiyellow",
        "comment": "ansibrightblack",
        "command": "ansibrightblue",
        "mistake": "underline ansired",
    }
)


def converse(session: Session, folder: Path | None, reporter: Reporter) -> int:
    """Take entries until the person leaves; 0. `folder` is where the history is kept, None for nowhere."""
    # Whoever started us may have had it ignored: at a terminal of our own it is ours.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    history, mistake = _history(folder)
    reporter.show(() if mistake is None else (mistake,))
    prompt: PromptSession[str] = PromptSession(
        _PROMPT,
        multiline=True,
        prompt_continuation=_MORE,
        history=history,
        lexer=_Colours(session),
        completer=_Completions(session),
        complete_while_typing=False,
        key_bindings=_keys(session),
        style=_STYLE,
        color_depth=None if wants_colour() else ColorDepth.DEPTH_1_BIT,
    )
    while True:
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue  # the line is given up
        except EOFError:
            return 0
        if text.strip() and _take(session, text, reporter):
            return 0


def _take(session: Session, text: str, reporter: Reporter) -> bool:
    """Answer one entry; whether the session is over. Ctrl-C ends what is at work, and nothing else."""
    try:
        answer = answer_to(session, text)
        show(session, answer, reporter)
    except KeyboardInterrupt:
        say("stopped\n")
        finish()
        return False
    return answer.end


# History.


class _History(FileHistory):
    """Keeps entries in a file, but those that begin with a space or hold a secret."""

    def store_string(self, string: str) -> None:
        if not string.startswith(" ") and "secret(" not in string:
            super().store_string(string)


def _history(folder: Path | None) -> tuple[History, Diagnostic | None]:
    """The history in `folder`, readable by its owner only; one that lasts for the session where there can be none."""
    if folder is None:
        return InMemoryHistory(), None
    path = folder / HISTORY
    try:
        _prepare(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"the history `{path}` cannot be kept: {reason}"
        return InMemoryHistory(), Diagnostic("U0907", message, None, severity="warning")
    return _History(str(path)), None


def _prepare(path: Path) -> None:
    """Make the file, for its owner alone; of a long one keep the newest half."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    with open(descriptor, "r+b") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file")
        os.fchmod(descriptor, 0o600)
        if found.st_size > _MOST_HISTORY:
            file.seek(-_MOST_HISTORY // 2, os.SEEK_END)
            newest = file.read()
            file.seek(0)
            file.write(newest[newest.find(b"\n# ") + 1 :])  # an entry begins with the time as a comment
            file.truncate()


# Colours.


class _Colours(Lexer):
    """Colours by the project's lexer."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """The coloured pieces of every line."""
        lines = coloured(document.text, self._session.state.cache)
        return lambda number: lines[number] if number < len(lines) else []


def coloured(text: str, cache: Path | None) -> list[StyleAndTextTuples]:
    """Every line of `text` as pieces with a style."""
    flat: list[tuple[str, str]] = []
    at = 0
    for part in parts(text, cache):
        start = max(part.start, at)
        if part.end > start:
            flat += [("", text[at:start]), (f"class:{part.kind}", text[start : part.end])]
            at = part.end
    flat.append(("", text[at:]))
    lines: list[StyleAndTextTuples] = [[]]
    for style, piece in flat:
        first, *rest = piece.split("\n")
        lines[-1].append((style, first))
        lines += [[(style, line)] for line in rest]
    return lines


# Completion.


class _Completions(Completer):
    """Names, members and commands; files for `:load`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._paths = PathCompleter(expanduser=False)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What could stand at the cursor."""
        before = document.text_before_cursor
        if before.startswith(":load "):
            name = before.removeprefix(":load ").lstrip()
            yield from self._paths.get_completions(Document(name, len(name)), complete_event)
            return
        length, found = candidates(self._session.state, before)
        for candidate in found:
            yield Completion(candidate.text, start_position=-length, display_meta=candidate.about)


# Keys.


def _keys(session: Session) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        _enter(event.current_buffer, session.state.cache)

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.strip():
            _complete(buffer)
        else:
            buffer.insert_text(_INDENT)

    @keys.add("}")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        line = buffer.document.current_line_before_cursor
        if line and not line.strip():
            buffer.delete_before_cursor(min(len(line), len(_INDENT)))
        buffer.insert_text("}")

    return keys


def _complete(buffer: Buffer) -> None:
    """Go on to the next candidate, or put in what all of them begin with."""
    if buffer.complete_state:
        buffer.complete_next()
    else:
        buffer.start_completion(insert_common_part=True)


def _enter(buffer: Buffer, cache: Path | None) -> None:
    """Hand a finished entry in; go on with one that is not on a line as deep as it should be."""
    if buffer.complete_state and buffer.complete_state.current_completion:
        buffer.complete_state = None
        return
    document = buffer.document
    text = document.text
    at_end = not document.text_after_cursor.strip()
    blank = text.endswith("\n") and not document.current_line.strip()
    if at_end and (not text.strip() or is_complete(text, cache) or (blank and not is_open(text, cache))):
        buffer.validate_and_handle()
        return
    line = document.current_line_before_cursor
    depth = len(line) - len(line.lstrip())
    more = _INDENT if line.rstrip().endswith(("{", "(", "[")) else ""
    buffer.insert_text(f"\n{' ' * depth}{more}")
