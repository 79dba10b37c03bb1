"""The commands of a session: words with a colon that ask about the program instead of going on with it.

One table says what there is, what it takes and what it does; help and completion read it, so nothing is listed that does
not work.
"""

import re
from collections.abc import Callable

from attrs import evolve

from dandc.cache import Cache
from dandc.commands.explain import WIDTH, unknown
from dandc.compiler.check.report import display
from dandc.compiler.check.suggest import nearest
from dandc.compiler.check.symbols import Symbol
from dandc.compiler.kir import Kernel
from dandc.lang import Diagnostic
from dandc.lang.codes import CODES
from dandc.lang.lessons import page
from dandc.lang.values import frozen
from dandc.repl.display import graph_text, header
from dandc.repl.entry import Entry
from dandc.repl.pieces import helper, names_what, plan, type_of
from dandc.repl.programs import Maker, lower_named, lower_piece
from dandc.repl.session import Answer, Session

# What `dandc run` generates: the code that a program would really have.
_OPT = 2


@frozen
class Directive:
    """A command: what it takes (for help), whether it can do without, what it is good for, and what it does."""

    takes: str
    optional: bool
    about: str
    act: Callable[[Session, str], Answer]


def direct(session: Session, text: str) -> Answer:
    """Carry out the command `text`, which begins with a colon."""
    word, _, rest = text.strip().removeprefix(":").partition(" ")
    known = DIRECTIVES.get(word)
    if known is None:
        near = nearest(word, DIRECTIVES)
        hint = f"did you mean `:{near}`?" if near else "`:help` lists the commands"
        return _failed(Diagnostic("U0921", f"there is no command `:{word}`", None, notes=(hint,)))
    if bool(rest.strip()) < (bool(known.takes) and not known.optional) or (rest.strip() and not known.takes):
        usage = f"write `:{word} {known.takes}`" if known.takes else f"write `:{word}` alone"
        what = "takes nothing" if not known.takes else "needs something to work on"
        return _failed(Diagnostic("U0921", f"`:{word}` {what}", None, notes=(usage,)))
    return known.act(session, rest.strip())


def _failed(*diagnostics: Diagnostic) -> Answer:
    return Answer(diagnostics=diagnostics, failed=True)


def _type(session: Session, text: str) -> Answer:
    entry = session.read(text)
    if entry.diagnostics:
        return _failed(*entry.diagnostics)
    symbol = names_what(session.state, entry.value)
    if symbol is not None:
        return Answer((header(session.state.world, symbol, session.state.sources),))
    t, diagnostics = type_of(session.state, entry)
    if t is None:
        return _failed(*(diagnostics or (_no_value(entry),)))
    return Answer((display(t),), diagnostics)


def _no_value(entry: Entry) -> Diagnostic:
    return Diagnostic("U0920", f"`{entry.source.text.strip()[:60]}` is no expression", None)


def _time(session: Session, text: str) -> Answer:
    kept, session.maker.opt = session.maker.opt, _OPT
    try:
        answer = session.evaluate_text(text)
    finally:
        session.maker.opt = kept
    if answer.failed:
        return answer
    timing = session.timing
    how = "optimised" if session.engine.native else "for the interpreter"
    parts = (("check", timing.check), (f"compile, {how}", timing.compile), ("run", timing.run))
    return evolve(answer, lines=(*answer.lines, "; ".join(f"{what}: {1000 * s:.1f} ms" for what, s in parts)))


# Code.


def _kernel(session: Session, text: str) -> Kernel | Answer:
    """The kernel IR of a name or an expression."""
    entry = session.read(text)
    if entry.diagnostics:
        return _failed(*entry.diagnostics)
    state = session.state
    symbol = names_what(state, entry.value)
    if symbol is None:
        made, diagnostics = plan(state, entry)
        return _failed(*(diagnostics or (_no_value(entry),))) if made is None else lower_piece(state, made.body)
    if symbol.kind == "kernel":
        return lower_named(state, symbol.name)
    piece = helper(state, symbol.name) if symbol.kind == "fn" else None
    return lower_piece(state, piece) if piece is not None else _failed(_no_code(symbol, text))


def _no_code(symbol: Symbol, text: str) -> Diagnostic:
    hint = f"`:graph {text}` shows its graph" if symbol.kind == "composition" else "give an expression that uses it"
    return Diagnostic("U0923", f"`{text}` has no code of its own", None, notes=(hint,))


def _ir(session: Session, text: str) -> Answer:
    from dandc.compiler.kir_text import print_kernel
    from dandc.compiler.passes import pipeline

    kernel = _kernel(session, text)
    return kernel if isinstance(kernel, Answer) else Answer((print_kernel(pipeline.run(kernel)).rstrip(),))


def _llvm(session: Session, text: str) -> Answer:
    return _generated(session, text, re.compile(r"^define .*@([\w.]+)\("), re.compile(r"^\}"), ";", assembly=False)


def _asm(session: Session, text: str) -> Answer:
    return _generated(session, text, re.compile(r"^(\w+):"), re.compile(r"^\.Lfunc_end"), "#", assembly=True)


def _generated(
    session: Session, text: str, begin: re.Pattern[str], end: re.Pattern[str], comment: str, *, assembly: bool
) -> Answer:
    """The functions of the program in generated code; those of the run-time library are left out."""
    from dandc.compiler import codegen
    from dandc.compiler.codegen import llvm

    kernel = _kernel(session, text)
    if isinstance(kernel, Answer):
        return kernel
    ir, _ = codegen.llvm_ir(kernel)
    names = {f"f{i}": function.name for i, function in enumerate(kernel.functions)}
    names["dnd_instance"] = f"{kernel.name}: one instance"
    lines: list[str] = []
    inside = False
    for line in llvm.emit_text(ir, _OPT, codegen.DEFAULT_TARGET, assembly=assembly).splitlines():
        found = begin.match(line)
        if found is not None and not inside and found[1] in names:
            inside = True
            lines += [*([""] if lines else []), f"{comment} {names[found[1]]}"]
        if inside and end.match(line):
            inside = False
            lines += [] if assembly else [line]
        if inside and not (assembly and line.lstrip().startswith(".") and not line.startswith(".L")):
            lines.append(line)
    return Answer(tuple(lines))


def _graph(session: Session, text: str) -> Answer:
    entry = session.read(text)
    symbol = names_what(session.state, entry.value)
    if symbol is None or symbol.kind not in ("composition", "kernel", "communication"):
        graphs = (n.removeprefix("main.") for n in session.state.world.compositions)
        known = ", ".join(f"`{name}`" for name in graphs) or "none"
        return _failed(Diagnostic("U0923", f"`{text}` has no graph", None, notes=(f"compositions: {known}",)))
    assert entry.value is not None
    made = Maker(Cache(None), native=False).call(session.state, symbol, entry.value.span)
    return Answer((graph_text(made.program.graphs[made.graph], made.program),))


# The rest.


def _explain(session: Session, text: str) -> Answer:
    if text.upper() not in CODES:
        return _failed(unknown(text))
    return Answer(tuple(page(text.upper(), WIDTH).split("\n")))


def _load(session: Session, text: str) -> Answer:
    return session.load(text)


def _interp(session: Session, text: str) -> Answer:
    if text not in ("", "on", "off"):
        return _failed(Diagnostic("U0921", "`:interp` takes `on` or `off`", None))
    if text:
        session.engine.native = session.maker.native = text == "off"
    return Answer((f"entries run {'in a sandbox' if session.engine.native else 'on the interpreter'}",))


def _help(session: Session, text: str) -> Answer:
    rows = [(f":{word} {d.takes}".rstrip(), d.about) for word, d in DIRECTIVES.items()]
    width = max(len(left) for left, _ in rows)
    return Answer((*_HELP, "", *(f"  {left:<{width}}  {about}" for left, about in rows)))


def _quit(session: Session, text: str) -> Answer:
    return Answer(end=True)


_HELP = (
    "Enter an expression to see its value, `let` and `var` to keep values, and declarations of every kind.",
    "A declaration replaces the one of its name. Compositions and functions run when they are called; a set is given",
    "as an array, one with keys as an array of pairs. Ctrl-C stops what runs, Ctrl-D ends the session.",
)

DIRECTIVES: dict[str, Directive] = {
    "type": Directive("EXPR", False, "the type of an expression, or the header of a declaration", _type),
    "time": Directive("EXPR", False, "run an expression as optimised code, and say how long it took", _time),
    "ir": Directive("NAME|EXPR", False, "the kernel IR of a function, a helper or an expression", _ir),
    "llvm": Directive("NAME|EXPR", False, "the same as LLVM IR, optimised", _llvm),
    "asm": Directive("NAME|EXPR", False, "the same as machine code", _asm),
    "graph": Directive("NAME", False, "the flow graph of a composition", _graph),
    "explain": Directive("CODE", False, "what a diagnostic is about", _explain),
    "load": Directive("FILE", False, "declare what a file declares; again after it was edited", _load),
    "interp": Directive("on|off", True, "run entries on the reference interpreter, or in sandboxes", _interp),
    "help": Directive("", True, "this", _help),
    "quit": Directive("", True, "end the session", _quit),
}
