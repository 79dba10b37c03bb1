"""What the standard library declares without a body, and what lowering knows, are the same."""

import re

import pytest
from programs import STANDARD, program

from dandc.compiler.lower.intrinsics import INTRINSICS
from dandc.loader import standard_modules


def test_every_intrinsic_has_a_rule_and_every_rule_an_intrinsic() -> None:
    """No rule is left over, and none is missing."""
    imports = "".join(f"import {name}; " for name in standard_modules() if name != "prelude")
    fns = program(imports).checked.world.fns

    assert {name for name, decl in fns.items() if decl.intrinsic} == set(INTRINSICS)


def test_the_tests_know_every_module() -> None:
    """The helper of the tests loads the whole standard library."""
    assert set(STANDARD) == set(standard_modules())


@pytest.mark.parametrize("name", standard_modules())
def test_the_standard_library_has_no_mistakes(name: str) -> None:
    """Every helper is checked, not only those that some program reaches."""
    found = program(f"import {name}; " if name != "prelude" else "")
    world = found.checked.world
    before = len(world.sink.diagnostics)
    for fn in list(world.fns):
        if re.match(rf"{name}\.", fn):
            world.typed_fn(fn)

    assert [] == world.sink.diagnostics[before:]
