"""The tree of an item without mistakes: lark's LALR automaton, run by a loop of our own.

Lark looks up rules by a hash that Python code computes, and each token costs two calls; over a whole text that is a third of
parsing. What a rule of the tables does is kept here by its identity instead. Reading with mistakes is `lang/recovery.py`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import field

from dandc.lang.values import frozen

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.parsers.lalr_parser_state import ParseConf


@frozen(eq=False)
class _Automaton:
    """The tables for items; `reductions` fills up as rules occur: how many values each takes, its name, and what builds its tree."""

    tables: "ParseConf[Any]"
    reductions: dict[int, tuple[int, str, Callable[[list[Any]], Any]]] = field(factory=dict)

    def reduction(self, rule: Any) -> tuple[int, str, Callable[[list[Any]], Any]]:
        """What reducing by `rule` does; the tables keep the rule, so that its identity stays its own."""
        found = len(rule.expansion), rule.origin.name, self.tables.callbacks[rule]
        self.reductions[id(rule)] = found
        return found


@cache
def _automaton(language: "Lark") -> _Automaton:
    return _Automaton(language.parse_interactive(start="item").parser_state.parse_conf)


def read(language: "Lark", tokens: "list[Token]", end: "Token") -> "Tree[Token] | None":
    """The tree of the item that `tokens` are, followed by the token `end`; None if they are none."""
    from lark.parsers.lalr_analysis import Shift

    automaton = _automaton(language)
    states, known = automaton.tables.states, automaton.reductions
    row: Mapping[str, tuple[Any, Any]] = states[automaton.tables.start_state]
    rows, values = [row], list[Any]()
    for token in (*tokens, end):
        type_ = token.type
        while True:
            found = row.get(type_)
            if found is None:
                return None
            if found[0] is Shift:
                row = states[found[1]]
                rows.append(row)
                values.append(token)
                break
            rule = found[1]
            size, name, build = known.get(id(rule)) or automaton.reduction(rule)
            taken = values[-size:] if size else []
            if size:
                del rows[-size:], values[-size:]
            target = rows[-1][name][1]
            values.append(build(taken))
            if target == automaton.tables.end_state:
                tree: Tree[Token] = values[0]
                return tree
            row = states[target]
            rows.append(row)
    return None
