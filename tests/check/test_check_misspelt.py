"""Names in patterns that were meant to be variants are refused, and honest names are not."""

import pytest
from programs import program

ENUM = "enum Kind { best, prod, other_one, line(str) }\n"


def codes(arms: str, result: str = "i64") -> list[str]:
    return list(program(f"{ENUM}fn f(k: Kind, xs: array[i64]) -> {result} = match k {{ {arms} }};\n").codes)


@pytest.mark.parametrize(
    "arms",
    [
        "best => 1, rest => 0",  # one letter from a variant that has its arm
        "prod => 1, _best => 0",
        "prod => 1, others => 0",  # two letters
        "prod => 1, bests if bests == Kind.best => 1, _ => 0",
        'prod => 1, bests => f"{bests == Kind.best}".len()',
        "prod => 1, bests => xs.map(|x| if bests == Kind.best { x } else { 0 }).sum()",
        "prod => 1, bests => match bests { best => 1, _ => 2 }",
        "line(text) => text.len(), lines => 0",
    ],
)
def test_honest_names_are_taken(arms: str) -> None:
    """What the arm or its guard reads, what is far, what begins with `_`, and what has its own arm already."""
    assert [] == codes(arms)


def test_a_name_is_honest_where_the_arm_has_a_mistake() -> None:
    """The reading may be what was wrong, and one mistake is one diagnostic."""
    assert ["N0201"] == codes("prod => 1, bests => unknown(bests)")


@pytest.mark.parametrize("name", ["Best", "BEST", "Prod", "Lines", "OtherOne", "otherone", "bets", "bes", "lin"])
def test_misspelt_variants_are_refused(name: str) -> None:
    """Case, `_` and one letter; a capital letter is enough even where the arm reads the name, or another arm has the variant."""
    assert ["T0353"] == codes(f"prod => 1, {name} => 0")
    assert (["T0353"] if name[0].isupper() else []) == codes(f"prod => Kind.prod, {name} => {name}", "Kind")


def test_names_outside_of_matches_are_free() -> None:
    """A `let`, a loop and a lambda name values and nothing else."""
    text = 'fn f(ks: array[Kind]) -> i64 {\n    for Best in ks { let bests = Best; note f"{bests == Kind.best}"; }\n    return ks.map(|Prod| 1).sum();\n}\n'

    assert () == tuple(program(ENUM + text).codes)
