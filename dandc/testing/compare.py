"""The diagnostic of an expectation that does not hold: both sides, and for long values where they differ."""

import json
from difflib import unified_diff

from dandc.compiler.check.testplan import Expectation
from dandc.lang.diagnostics import Diagnostic, Label

_SHORT = 60
_DIFF_LINES = 40
_LINE = 160


def not_holding(expectation: Expectation, left: str, right: str) -> Diagnostic:
    """`left` and `right` are the JSON texts of the compared values (see `Expectation`), empty if they have none."""
    sides = [(span, text) for span, text in ((expectation.left, left), (expectation.right, right)) if span and text]
    notes = _notes(expectation, left, right)
    labels = [Label(span, f"this is {_short(text)}") for span, text in sides if not notes or len(text) <= _SHORT]
    message = "the expectation does not hold"
    if expectation.kind == "compare" and len(sides) == 2:
        message = f"`{expectation.op}` does not hold"
        if not notes:
            message += f": {_short(left)} on the left, {_short(right)} on the right"
    return Diagnostic("R0750", message, expectation.span, "does not hold", tuple(labels), notes)


def _short(text: str) -> str:
    shown = _printable(text)
    return shown if len(shown) <= _SHORT else f"{shown[: _SHORT - 3]}..."


def _printable(text: str) -> str:
    """Text without what could steer a terminal."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _notes(expectation: Expectation, left: str, right: str) -> tuple[str, ...]:
    """Where long values differ, line by line; a long receiver whole."""
    if max(len(left), len(right)) <= _SHORT:
        return ()
    if expectation.kind != "compare" or not (left and right):
        return ("\n".join(_cut(_lines(left))),)
    if expectation.op != "==":
        return tuple("\n".join((side, *_cut(_lines(text)))) for side, text in (("left:", left), ("right:", right)))
    changes = list(unified_diff(_lines(left), _lines(right), "left", "right", lineterm="", n=2))
    where = _first_difference(left, right)
    return (*((where,) if where else ()), "\n".join(_cut(changes)))


def _first_difference(left: str, right: str) -> str:
    """Which part of two long values differs first, as one would write it; empty where there are no parts."""
    try:
        a, b = json.loads(left), json.loads(right)
    except ValueError:
        return ""
    path = ""
    while type(a) is type(b) and a != b:
        if isinstance(a, dict) and a.keys() == b.keys():
            key = next(k for k in a if a[k] != b[k])
            path += f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"
            a, b = a[key], b[key]
        elif isinstance(a, list) and len(a) == len(b):
            index = next(i for i, pair in enumerate(zip(a, b, strict=True)) if pair[0] != pair[1])
            path += f"[{index}]"
            a, b = a[index], b[index]
        elif isinstance(a, list):
            return _printable(f"{path or 'it'} has {len(a)} elements on the left, {len(b)} on the right")
        else:
            break
    if not path:
        return ""
    sides = [_short(json.dumps(side, ensure_ascii=False)) for side in (a, b)]
    return f"they differ first at {_printable(path)}: {sides[0]} on the left, {sides[1]} on the right"


def _lines(text: str) -> list[str]:
    """The value in lines: text as it is, other values as indented JSON."""
    try:
        shape = json.loads(text)
    except ValueError:
        return [text]
    whole = shape if isinstance(shape, str) else json.dumps(shape, ensure_ascii=False, indent=2)
    return [_printable(line) for line in whole.split("\n")]


def _cut(lines: list[str]) -> list[str]:
    shown = [line if len(line) <= _LINE else f"{line[: _LINE - 3]}..." for line in lines[:_DIFF_LINES]]
    return [*shown, f"... {len(lines) - _DIFF_LINES} lines more"] if len(lines) > _DIFF_LINES else shown
