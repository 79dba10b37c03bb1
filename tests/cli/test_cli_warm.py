"""Forks of one warm process stand for the command line in most tests: they do what processes started anew do."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from warm import Warm

GOOD = """
function twice(n: i64) => (m: i64) = n * 2;
composition main(n: i64) => (m: i64) { m = twice(n); }
test "it doubles" { expect (run main(n: 2)).m == 4; }
"""
ENDLESS = GOOD.replace("= n * 2;", "{ var k = n; while k >= 0 { k = (k + 1) % 7; } emit m <- k; }")
COMMANDS = [
    (["run", "--help"], b""),
    (["chek", "good.dnd"], b""),
    (["check", "good.dnd", "bad.dnd", "missing.dnd"], b""),
    (["run", "good.dnd", "-i", "n=9223372036854775807"], b""),
    (["fmt", "-"], b"fn f( )  ->i64=1 ;"),
    (["repl"], b"1 + 1\nlet x = nobody\nx"),
]


@pytest.fixture(scope="module")
def forks(warm: Warm | None, warm_cache: Path) -> Iterator[Warm]:
    """The process of the other tests, or one of its own where they have none."""
    if warm is not None:
        yield warm
        return
    with contextlib.closing(Warm(warm_cache)) as made:
        yield made


def test_a_fork_says_what_a_process_says(dandc: Any, forks: Warm) -> None:
    """The same status, output and errors, whatever ran before it in the warm process."""
    dandc.write("good.dnd", GOOD)
    dandc.write("bad.dnd", GOOD.replace("n * 2", 'n * "2"'))
    for arguments, given in COMMANDS:
        command = [*dandc.command, *arguments]
        anew = subprocess.run(
            command, cwd=dandc.folder, env=dandc.variables(), input=given, capture_output=True, check=False
        )
        forked = forks.run(arguments, dandc.folder, dandc.variables(), given=given)
        assert forked == (anew.returncode, anew.stdout, anew.stderr)


def test_a_fork_leaves_nothing_to_the_next(dandc: Any, forks: Warm) -> None:
    """Folder and variables are those of a call, and no descriptor stays open here."""
    dandc.write("good.dnd", GOOD)
    below = dandc.folder / "below"
    below.mkdir()
    (below / "good.dnd").write_text(GOOD.replace("* 2", "* 3"), encoding="utf-8")
    forks.run(["--version"], dandc.folder, dandc.variables())
    before = len(os.listdir("/proc/self/fd"))
    arguments = ["run", "good.dnd", "-i", "n=2"]
    found = [
        forks.run(arguments, folder, {**dandc.variables(), "DANDC_CACHE": str(cache)})
        for folder, cache in ((dandc.folder, dandc.folder / "one"), (below, below / "two"), (dandc.folder, "/dev/null"))
    ]

    assert [out for _, out, _ in found] == [b"m: 4\n", b"m: 6\n", b"m: 4\n"]
    assert [b"U0907" in err for _, _, err in found] == [False, False, True]
    assert [sorted({p.name.partition("-")[0] for p in c.iterdir()}) for c in (dandc.folder / "one", below / "two")] == [
        ["image", "program"]
    ] * 2
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_fork_that_takes_too_long_is_killed(dandc: Any, forks: Warm) -> None:
    dandc.write("endless.dnd", ENDLESS)
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run(["run", "endless.dnd", "-i", "n=0"], dandc.folder, dandc.variables(), timeout=0.5)
    assert forks.run(["--version"], dandc.folder, dandc.variables())[0] == 0


def test_what_no_process_can_be_given(dandc: Any, forks: Warm) -> None:
    with pytest.raises(ValueError, match="null byte"):
        forks.run(["check", "a\0b"], dandc.folder, dandc.variables())
    with pytest.raises(ValueError, match="pipe"):
        forks.run(["fmt", "-"], dandc.folder, dandc.variables(), given=bytes(1 << 20))
