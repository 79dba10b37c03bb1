"""Prints statements of kernels: a block has always one statement a line, an arm with one simple statement needs none."""

from collections.abc import Iterable

from dandc.lang import tree as t
from dandc.lang.format_base import Enclosed, Printer, Rule, Steps, enclosed, separator
from dandc.lang.format_docs import HARD, LINE, Doc, concat, group, if_break, indent
from dandc.lang.format_expr import PLACE, arm_head, head
from dandc.lang.format_tape import NOTHING, Trivia
from dandc.lang.format_types import commas

_COMPOUND = t.IfStmt | t.MatchStmt | t.WhileStmt | t.ForStmt | t.GivenStmt


def braces(p: Printer, nodes: Iterable[t.Node]) -> Steps:
    """Statements or arms between the next braces, one a line."""
    found = yield from enclosed(p, p.tape.find("{"), nodes)
    return found.doc(HARD, comma="", blanks=True)


def one_statement(start: Doc, before: Trivia, statement: Doc, end: Trivia, *, instead: Doc) -> Doc:
    """`instead` if it fits on the line of its group, without comments round it, else the statement between braces."""
    block = concat(start, Enclosed("{", [(before, statement)], end, "}").doc(HARD, comma="", blanks=True))
    return block if before.comments or end.comments else if_break(block, instead)


def _block(p: Printer, node: t.Block, _: int) -> Steps:
    return (yield from braces(p, node.statements))


# Simple statements.


def _let(p: Printer, node: t.LetStmt, _: int) -> Steps:
    parts = [p.word("var" if node.mutable else "let"), " ", (yield node.pattern, 0)]
    if node.type is not None:
        parts += [p.word(":"), " ", (yield node.type, 0)]
    return concat(*parts, " ", p.word("="), " ", (yield node.value, 0), ";")


def _assign(p: Printer, node: t.AssignStmt, _: int) -> Steps:
    target = yield node.target, PLACE
    sign = p.word("=" if node.op == "=" else f"{node.op}=")
    return concat(target, " ", sign, " ", (yield node.value, 0), ";")


def _expression(p: Printer, node: t.ExprStmt, _: int) -> Steps:
    return concat((yield node.value, PLACE), ";")


def _return(p: Printer, node: t.ReturnStmt, _: int) -> Steps:
    word = p.word("return")
    if node.value is None:
        return concat(word, ";")
    return concat(word, " ", (yield node.value, 0), ";")


def _emit(p: Printer, node: t.EmitStmt, _: int) -> Steps:
    parts = [p.word("emit"), " ", p.name(node.output)]
    if node.key is not None:
        parts += [p.word("["), (yield node.key, 0), p.word("]")]
    if node.name is not None:
        parts += [" ", p.word("named"), " ", (yield node.name, 0)]
    return concat(*parts, " ", p.word("<-"), " ", (yield node.value, 0), ";")


def _message(p: Printer, node: t.FailStmt | t.NoteStmt, _: int) -> Steps:
    word = p.word("fail" if isinstance(node, t.FailStmt) else "note")
    return concat(word, " ", (yield node.message, 0), ";")


def _jump(p: Printer, node: t.BreakStmt | t.ContinueStmt, _: int) -> Doc:
    return concat(p.word("break" if isinstance(node, t.BreakStmt) else "continue"), ";")


# Compound statements.


def _if(p: Printer, node: t.IfStmt, _: int) -> Steps:
    parts: list[Doc] = []
    orelse: t.Block | t.IfStmt | None = node
    while isinstance(orelse, t.IfStmt):
        start = yield from head(p, "if", orelse.cond)
        parts += [start, (yield orelse.then, 0)]
        orelse = orelse.orelse
        if orelse is not None:
            parts += [" ", p.word("else"), " "]
    if orelse is not None:
        parts.append((yield orelse, 0))
    return concat(*parts)


def _while(p: Printer, node: t.WhileStmt, _: int) -> Steps:
    start = yield from head(p, "while", node.cond)
    return concat(start, (yield node.body, 0))


def _for(p: Printer, node: t.ForStmt, _: int) -> Steps:
    start = yield from for_head(p, node.targets, node.iterable)
    return concat(start, (yield node.body, 0))


def for_head(p: Printer, targets: tuple[t.Pattern, ...], iterable: t.Expr) -> Steps:
    """`for targets in iterable`, with a space at the end."""
    word = p.word("for")
    shown = yield from commas(p, targets)
    return concat(word, " ", shown, " ", (yield from head(p, "in", iterable)))


def _match(p: Printer, node: t.MatchStmt, _: int) -> Steps:
    start = yield from head(p, "match", node.subject)
    return concat(start, (yield from braces(p, node.arms)))


def _arm(p: Printer, node: t.StmtArm, _: int) -> Steps:
    start = yield from arm_head(p, node)
    only = node.body.statements[0] if len(node.body.statements) == 1 else None
    opener = p.tape.index(node.body.span.start)
    closer = p.tape.closer_of[opener] if p.tape.text(opener) == "{" else None
    if only is None:
        return concat(start, (yield node.body, 0))
    before = p.before(only, dropping="{")
    statement = yield only, 0
    end = NOTHING if closer is None else p.tape.advance(closer)
    if isinstance(only, _COMPOUND):
        return concat(start, Enclosed("{", [(before, statement)], end, "}").doc(HARD, comma="", blanks=True))
    return group(start, one_statement("", before, statement, end, instead=statement))


# Statements of tests.


def _expect(p: Printer, node: t.ExpectStmt, _: int) -> Steps:
    parts = [p.word("expect"), " "]
    if node.mode:
        parts += [p.word(node.mode), " "]
    parts.append((yield node.value, 0))
    if node.code is not None:
        parts += [" ", p.word("with"), " ", p.at(node.code)]
    return concat(*parts, ";")


def _set_config(p: Printer, node: t.SetConfigStmt, _: int) -> Steps:
    start = concat(p.word("config"), " ", p.name(node.name), " ", p.word("="), " ")
    return concat(start, (yield node.value, 0), ";")


def _given(p: Printer, node: t.GivenStmt, _: int) -> Steps:
    start = concat(p.word("given"), " ", p.name(node.endpoint), " ")
    return concat(start, (yield from braces(p, node.rules)))


def _given_rule(p: Printer, node: t.GivenRule, _: int) -> Steps:
    parts = [] if node.method is None else [p.name(node.method), " "]
    parts += [p.at(node.target), " ", p.word("=>")]
    answers: list[Doc] = []
    for answer in node.answers:
        before = p.before(answer)
        answers += [*([","] if answers else []), *separator(before, LINE)]
        answers.append((yield answer, 0))
    if len(node.answers) == 1 and answers[0] is LINE:
        return concat(*parts, " ", answers[1], ";")
    return group(*parts, indent(*answers), ";")


def _answer(p: Printer, node: t.Answer, _: int) -> Steps:
    parts: list[Doc] = []
    for part in node.parts:
        parts += [" "] if parts else []
        parts.append((yield part, 0))
    return concat(*parts)


def _answer_part(p: Printer, node: t.AnswerPart, _: int) -> Steps:
    word = p.name(node.word)
    if node.duration_ms is not None:
        return concat(word, " ", p.next())
    return word if node.value is None else concat(word, " ", (yield node.value, 0))


RULES: dict[type[t.Node], Rule] = {
    t.Block: _block,
    t.LetStmt: _let,
    t.AssignStmt: _assign,
    t.ExprStmt: _expression,
    t.ReturnStmt: _return,
    t.EmitStmt: _emit,
    t.FailStmt: _message,
    t.NoteStmt: _message,
    t.BreakStmt: _jump,
    t.ContinueStmt: _jump,
    t.IfStmt: _if,
    t.WhileStmt: _while,
    t.ForStmt: _for,
    t.MatchStmt: _match,
    t.StmtArm: _arm,
    t.ExpectStmt: _expect,
    t.SetConfigStmt: _set_config,
    t.GivenStmt: _given,
    t.GivenRule: _given_rule,
    t.Answer: _answer,
    t.AnswerPart: _answer_part,
}
