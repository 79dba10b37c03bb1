"""A pytest plugin for the long campaigns: more examples for every property, other seeds for every random program.

    python -m pytest -p tools.campaign --examples 2000 --timeout 1800 tests/format/test_format_properties.py
    python -m pytest -p tools.campaign --seeds 100:600 tests/backend/test_random_programs.py

`--examples N` overrides what hypothesis was told in the tests; `--seeds A:B` replaces the range of every parameter called
`seed`. So campaigns run the tests themselves and no copy of them. Without its options it changes nothing, and
the suite never loads it.
"""

import re

import hypothesis
import pytest

# Hypothesis has no public way to change the settings of a test afterwards.
HELD_IN = "_hypothesis_internal_use_settings"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("campaign")
    group.addoption("--examples", type=int, metavar="N", help="examples of each property")
    group.addoption("--seeds", type=seeds, metavar="A:B", help="seeds of random tests, from A up to before B")


def seeds(text: str) -> range:
    """`A:B` as a range; raises ValueError, which becomes a usage error, for anything else."""
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if found is None:
        raise ValueError(text)
    return range(int(found[1]), int(found[2]))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives other seeds to a test that is about to be parametrized by `seed`."""
    wanted = metafunc.config.getoption("--seeds")
    if wanted is None:
        return
    markers = metafunc.definition.own_markers
    for at, mark in enumerate(markers):
        if mark.name == "parametrize" and mark.args[0] == "seed":
            markers[at] = pytest.mark.parametrize("seed", wanted).mark


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives every property as many examples as were asked for; fresh ones, and without a bound on their time."""
    examples = config.getoption("--examples")
    if examples is None:
        return
    for item in items:
        test = getattr(item, "obj", None)
        if hypothesis.is_hypothesis_test(test):
            own = getattr(test, HELD_IN, None)
            more = hypothesis.settings(own, max_examples=examples, deadline=None, database=None)
            setattr(getattr(test, "__func__", test), HELD_IN, more)
