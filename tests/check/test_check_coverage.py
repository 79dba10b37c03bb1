"""Exhaustiveness of matches against brute force: all values of small types are tried against random patterns."""

import itertools
import random
from typing import Any

import pytest
from programs import program

TYPES = "enum E { a, b(bool), c(bool, option[bool]) } "
# Of each type all its values, as pattern text and as a value.
Value = tuple[str, tuple[Any, ...]]


def values(t: str) -> list[Value]:
    """All values of a type: the constructor's name and its parts."""
    match t:
        case "bool":
            return [("true", ()), ("false", ())]
        case "option[bool]":
            return [("none", ()), *(("some", (v,)) for v in values("bool"))]
        case "E":
            pairs = itertools.product(values("bool"), values("option[bool]"))
            return [("a", ()), *(("b", (v,)) for v in values("bool")), *(("c", p) for p in pairs)]
        case "(E, bool)":
            return [("", p) for p in itertools.product(values("E"), values("bool"))]
        case "(bool, bool, bool)":
            return [("", p) for p in itertools.product(*[values("bool")] * 3)]
    raise AssertionError(t)


PARTS = {
    "bool": {"true": (), "false": ()},
    "option[bool]": {"none": (), "some": ("bool",)},
    "E": {"a": (), "b": ("bool",), "c": ("bool", "option[bool]")},
    "(E, bool)": {"": ("E", "bool")},
    "(bool, bool, bool)": {"": ("bool", "bool", "bool")},
}  # fmt: skip
# A pattern is None (anything) or a constructor with patterns.
Pattern = tuple[str, tuple[Any, ...]] | None


def pattern(rnd: random.Random, t: str, wild: float) -> Pattern:
    if rnd.random() < wild:
        return None
    name = rnd.choice(list(PARTS[t]))
    return name, tuple(pattern(rnd, p, wild) for p in PARTS[t][name])


def text(p: Pattern) -> str:
    if p is None:
        return "_"
    name, parts = p
    return f"{name}({', '.join(map(text, parts))})" if parts else name


def matches(p: Pattern, v: Value) -> bool:
    return p is None or (p[0] == v[0] and all(matches(a, b) for a, b in zip(p[1], v[1], strict=True)))


@pytest.mark.parametrize("t", PARTS)
@pytest.mark.parametrize("seed", [*range(12), 6122, 6968])
def test_against_brute_force(t: str, seed: int) -> None:
    """A match is reported exactly if some value falls through, with a witness that does; unreachable arms likewise."""
    rnd = random.Random(f"{t}{seed}")
    arms = [(pattern(rnd, t, 0.3), rnd.random() < 0.15) for _ in range(rnd.randrange(1, 9))]
    if rnd.random() < 0.4:
        arms = [(p, False) for v in rnd.sample(values(t), min(len(values(t)), 9)) for p in [v]]
    arms_text = " ".join(f"{text(p)}{' if flag' if guarded else ''} => {i}," for i, (p, guarded) in enumerate(arms))
    found = program(f"{TYPES} function f(x: {t}, flag: bool) => (y: i64) = match x {{ {arms_text} }};")

    open_ = [v for v in values(t) if not any(matches(p, v) for p, guarded in arms if not guarded)]
    assert bool(open_) == ("T0324" in found.codes), found.rendered()
    if open_:
        message = next(d.message for d in found.diagnostics if d.code == "T0324")
        witness = "_" if message.endswith("all values") else message.split("`")[1]
        assert any(fits(witness, v) for v in open_), (witness, open_)
    reached = [any(matches(p, v) and not covered(arms[:i], v) for v in values(t)) for i, (p, _) in enumerate(arms)]
    spans = [d.span for d in found.diagnostics if d.code == "T0325"]
    assert bool(spans) == (not all(reached)), found.rendered()


def covered(arms: list[tuple[Pattern, bool]], v: Value) -> bool:
    return any(matches(p, v) for p, guarded in arms if not guarded)


def fits(witness: str, v: Value) -> bool:
    """Whether the value is one of those that the witness stands for."""
    tree, rest = parse(witness)
    assert rest == ""
    return matches(tree, v)


def parse(source: str) -> tuple[Pattern, str]:
    name = ""
    while source and source[0] not in "(),":
        name, source = name + source[0], source[1:]
    parts: list[Pattern] = []
    if source.startswith("("):
        source = source[1:]
        while True:
            part, source = parse(source.lstrip())
            parts.append(part)
            closing, source = source[0], source[1:]
            if closing == ")":
                break
    return (None if name.strip() == "_" else (name.strip(), tuple(parts))), source
