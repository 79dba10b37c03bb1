"""What could stand at the cursor: names in scope, members of modules and enums, fields and methods after a dot.

The type before a dot is the checker's; nothing is run for it. Inside a function that is still being typed, a name that
was declared with its type counts as a value of that type.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve

from dandc.compiler.check.body import Body
from dandc.compiler.check.calls import methods_of, methods_of_set, set_operations
from dandc.compiler.check.report import display
from dandc.compiler.check.symbols import PRELUDE, Symbol
from dandc.compiler.check.types import BASIC, GENERIC, KIND_WORDS, record_fields, resolve_type, variants_of
from dandc.compiler.typed import Local
from dandc.compiler.types import ERROR, UNIT, Basic, Named, SetRef, Type
from dandc.lang import Source, parse, tree
from dandc.lang.codes import CODES
from dandc.lang.lexing import RESERVED
from dandc.lang.values import frozen
from dandc.repl.directives import DIRECTIVES
from dandc.repl.entry import Token, lexed, parse_entry
from dandc.repl.pieces import names_what, type_of
from dandc.repl.state import Binding, State

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OPENS = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
_ENDS_TYPE = frozenset(("COMMA", "RPAR", "EQUAL", "SEMICOLON", "LBRACE", "RBRACE", "FAT_ARROW", "ARROW"))


@frozen
class Candidate:
    """Something to put in for the word at the cursor; `about` is a type, or what it is."""

    text: str
    about: str


def candidates(state: State, before: str) -> tuple[int, list[Candidate]]:
    """How many characters before the cursor are replaced, and by what; `before` is the text up to the cursor."""
    if before.lstrip().startswith(":"):
        return _of_command(state, before.lstrip()[1:])
    found = _WORD.search(before)
    word = found[0] if found else ""
    rest = before[: len(before) - len(word)]
    if rest.endswith(".") and not rest.endswith(".."):
        return len(word), _beginning(_members(state, rest[:-1]), word)
    return len(word), _beginning(_names(state, rest), word) if word else []


def _beginning(found: Iterable[Candidate], word: str) -> list[Candidate]:
    """Those that begin with `word`, each once."""
    unique = {c.text: c for c in reversed(list(found)) if c.text.startswith(word)}
    return sorted(unique.values(), key=lambda c: (c.text.startswith("_"), c.text))


def _of_command(state: State, text: str) -> tuple[int, list[Candidate]]:
    word, space, rest = text.partition(" ")
    if not space:
        return len(word), _beginning((Candidate(name, d.about) for name, d in DIRECTIVES.items()), word)
    argument = rest.lstrip()
    match word:
        case "explain":
            given = (Candidate(code, row.title) for code, row in CODES.items())
            return len(argument), _beginning(given, argument.upper())
        case "interp":
            return len(argument), _beginning((Candidate("on", ""), Candidate("off", "")), argument)
        case "load" | "help" | "quit":
            return 0, []
    return candidates(state, argument)


# Names.


def _names(state: State, before: str) -> Iterator[Candidate]:
    for binding in state.bindings.values():
        yield Candidate(binding.name, display(binding.type))
    scopes = state.world.scopes
    for name, symbol in scopes[state.checked.root].names.items():
        yield Candidate(name, KIND_WORDS.get(symbol.kind, ""))
    for name, symbol in scopes[PRELUDE].names.items():
        if symbol.public:
            yield Candidate(name, KIND_WORDS.get(symbol.kind, ""))
    yield from (Candidate(name, "type") for name in (*BASIC, *GENERIC))
    yield from (Candidate(word, "keyword") for word in RESERVED)
    yield from (Candidate(str(t), "") for t in lexed(before, state.cache).tokens if t.type == "NAME")


# Members.


def _members(state: State, before: str) -> Iterator[Candidate]:
    """What may follow the dot behind `before`."""
    tokens = lexed(before, state.cache).tokens
    start = _operand(tokens)
    if start is None:
        return
    entry = parse_entry(before[tokens[start].start_pos or 0 :], "", state.cache)
    if entry.diagnostics or entry.value is None:
        return
    symbol = names_what(state, entry.value)
    if symbol is not None:
        yield from _inside(state, symbol)
        return
    t, _ = type_of(evolve(state, bindings={**state.bindings, **_declared(state, tokens)}), entry)
    if t is None:
        t, _ = type_of(state, entry)
    if t is not None:
        yield from _of_type(state, t)


def _inside(state: State, symbol: Symbol) -> Iterator[Candidate]:
    """The public names of a module, or the variants of an enum."""
    if symbol.kind == "module":
        for name, member in state.world.scopes[symbol.name].names.items():
            if member.public and member.kind != "module":
                yield Candidate(name, KIND_WORDS.get(member.kind, ""))
    elif symbol.kind == "type":
        declared = state.world.types[symbol.name]
        for name, payload in variants_of(state.world, Named(symbol.name, declared.params)) or ():
            yield Candidate(name, ", ".join(map(display, payload)))


def _of_type(state: State, t: Type) -> Iterator[Candidate]:
    """Fields and methods of values of `t`."""
    world = state.world
    if isinstance(t, SetRef):
        yield from (Candidate(name, "method") for name in set_operations(t))
    elif not isinstance(t, Basic):
        yield from (Candidate(name, display(f)) for name, f in record_fields(world, t) or () if not name.isdigit())
    body = Body(world, world.scopes[state.checked.root], {}, UNIT, None, ())
    methods = methods_of_set(body, t) if isinstance(t, SetRef) else methods_of(body, t)
    for name, qualified in methods.items():
        if isinstance(t, SetRef) and name in set_operations(t):
            continue
        declared = world.fns[qualified]
        if declared.item.public or declared.scope.name == state.checked.root:
            yield Candidate(name, "method")


def _operand(tokens: Sequence[Token]) -> int | None:
    """Where the operand begins that `tokens` end with: a name or literal with all its calls, indices and fields."""
    at = len(tokens)
    while at > 0:
        last = tokens[at - 1].type
        if last == "QUESTION":
            at -= 1
        elif last in _OPENS:
            at = _opening(tokens, at - 1)
            if at == 0 or not _is_operand(tokens[at - 1].type):
                return at
        elif last == "FSTR_END":
            return max(i for i in range(at) if tokens[i].type == "FSTR_BEGIN")
        elif _is_operand(last):
            at -= 1
            if at == 0 or tokens[at - 1].type != "DOT":
                return at
            at -= 1
        else:
            return None
    return None


def _is_operand(terminal: str) -> bool:
    return terminal in {"NAME", "QUOTED", "FNAME", "STR", "BYTES", "INT", "FLOAT", *_OPENS} or terminal in _SOFT


# Words that mean something only after a call are names everywhere else.
_SOFT = frozenset("RETRY TIMEOUT ON FAILURE COLLECT INTO SKIP VALUE NAMED INTRINSIC".split())


def _opening(tokens: Sequence[Token], close: int) -> int:
    depth = 0
    for at in range(close, -1, -1):
        depth += (tokens[at].type in _OPENS) - (tokens[at].type in _OPENS.values())
        if depth == 0:
            return at
    return 0


def _declared(state: State, tokens: Sequence[Token]) -> Mapping[str, Binding]:
    """What the text itself declares as `name: type`, the last one of each name."""
    found: dict[str, Binding] = {}
    for at in range(len(tokens) - 2):
        if _is_operand(tokens[at].type) and tokens[at + 1].type == "COLON":
            t = _written(state, tokens, at + 2)
            if t != ERROR:
                name = str(tokens[at])
                found[name] = Binding(Local(name, t, "param", state.world.scopes[PRELUDE].module.tree.span), b"", {})
    return found


def _written(state: State, tokens: Sequence[Token], start: int) -> Type:
    """The type that is written from token `start` on, ERROR if there is none."""
    depth, end = 0, start
    while end < len(tokens) and not (depth <= 0 and tokens[end].type in _ENDS_TYPE):
        depth += (tokens[end].type in _OPENS.values()) - (tokens[end].type in _OPENS)
        end += 1
    text = " ".join(map(str, tokens[start:end]))
    items = parse(Source("", f"function f(x: {text}) => () {{}}"), cache_dir=state.cache).module.items
    if not items or not isinstance(items[0], tree.FunctionItem):
        return ERROR
    written = items[0].params[0].type
    world, before = state.world, len(state.world.sink.diagnostics)
    scope = world.scopes[state.checked.root]
    if isinstance(written, tree.SetType):
        key = None if written.key is None else resolve_type(world, scope, written.key, {})
        t: Type = SetRef(key, resolve_type(world, scope, written.item, {}))
    else:
        t = resolve_type(world, scope, written, {})
    wrong = len(world.sink.diagnostics) > before
    del world.sink.diagnostics[before:]
    return ERROR if wrong else t
