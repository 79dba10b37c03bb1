"""Reads entries and shows answers: of a script until its end, of a person at a terminal until they leave.

Values go to standard output, diagnostics to standard error, in the order in which they come.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dandc.commands.output import Reporter, finish, say
from dandc.lang import Diagnostic
from dandc.repl.directives import direct
from dandc.repl.entry import is_complete, is_open
from dandc.repl.session import Answer, Session


def entries(lines: Iterable[str], cache: Path | None) -> Iterator[str]:
    """The entries in lines of text: each as many lines as it needs. An empty line ends one that has no bracket open."""
    text = ""
    for line in lines:
        blank = not line.strip()
        text += line
        if text.strip() and (is_complete(text, cache) or (blank and not is_open(text, cache))):
            yield text
            text = ""
        elif not text.strip():
            text = ""
    if text.strip():
        yield text


def run_script(session: Session, lines: Iterable[str], reporter: Reporter) -> int:
    """Take the entries of a script. 1 if one of them went wrong, which does not keep the others from being taken."""
    status = 0
    for text in entries(lines, session.state.cache):
        answer = answer_to(session, text)
        show(session, answer, reporter)
        status = status or int(answer.failed)
        if answer.stopped:
            raise KeyboardInterrupt
        if answer.end:
            break
    return status


def answer_to(session: Session, text: str) -> Answer:
    """The answer to an entry or command. A mistake of dandc's own is one as well: it costs the entry, not the session."""
    try:
        return direct(session, text) if text.lstrip().startswith(":") else session.enter(text)
    except Exception as error:
        if os.environ.get("DANDC_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        note = "set DANDC_DEBUG=1 to see where, and please report it"
        return Answer(
            diagnostics=(Diagnostic("U0909", f"dandc itself failed: {what}", None, notes=(note,)),), failed=True
        )


def show(session: Session, answer: Answer, reporter: Reporter) -> None:
    """Print an answer."""
    finish()
    reporter.sources.update(session.state.sources)
    reporter.show(answer.diagnostics)
    for line in answer.lines:
        say(f"{line}\n")
    finish()
