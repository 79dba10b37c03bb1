"""Wrong use exits 2 and says what is right; help and version are on standard output."""

from typing import Any

import pytest

TWO = """
function add(n: i64, text: str) => (out: str) { emit out <- f"{text}{n}"; }
composition one(n: i64, text: str) => (out: str) { out = add(n, text); }
composition two(n: i64) => (out: str) { out = add(n, "x"); }
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["rum"],
        ["run"],
        ["check"],
        ["run", "two.dnd", "--nonsense"],
        ["run", "two.dnd", "two", "three"],
        ["run", "two.dnd", "-i"],
        ["run", "two.dnd", "-O", "7"],
        ["explain"],
        ["run", "two.dnd", "--diagnostics", "xml"],
    ],
)
def test_wrong_use(dandc: Any, arguments: list[str]) -> None:
    dandc.write("two.dnd", TWO)
    finished = dandc(*arguments)
    assert finished.status == 2
    assert "usage: dandc" in finished.err + finished.out.decode()
    assert "Traceback" not in finished.err


@pytest.mark.parametrize("option", ["-i=n", "-i", "--config"])
def test_an_option_that_is_not_name_and_value_is_not_repeated(dandc: Any, option: str) -> None:
    """It could be a secret whose `NAME=` was forgotten."""
    dandc.write("two.dnd", TWO)
    secret = "s" * 60 + "ecret-tail"
    finished = dandc("run", "two.dnd", "two", *([f"-i{secret}"] if option == "-i=n" else [option, secret]))
    assert "ecret-tail" not in finished.failed("U0905", status=2).err


def test_an_unknown_command_gets_a_hint(dandc: Any) -> None:
    assert "did you mean `run`?" in dandc("rum").err


def test_help_and_version(dandc: Any) -> None:
    for arguments in (["--help"], ["run", "--help"], ["check", "--help"], ["--version"]):
        finished = dandc(*arguments).worked()
        assert finished.out.startswith((b"usage: dandc", b"dandc "))


def test_unknown_composition(dandc: Any) -> None:
    dandc.write("two.dnd", TWO)
    finished = dandc("run", "two.dnd", "three", "-i", "n=1").failed("R0733")
    assert "`one`, `two`" in finished.err


def test_which_composition(dandc: Any) -> None:
    dandc.write("two.dnd", TWO)
    dandc("run", "two.dnd", "-i", "n=1").failed("U0904")
    assert dandc("run", "two.dnd", "two", "-i", "n=1").worked().out == b"x1"
    assert dandc("run", "-i", "n=1", "two.dnd", "two").worked().out == b"x1"
    assert dandc("run", "two.dnd", "-i", "n=1", "two").worked().out == b"x1"
    dandc.write("main.dnd", TWO.replace("composition two", "composition main"))
    assert dandc("run", "main.dnd", "-i", "n=1").worked().out == b"x1"


def test_every_code_can_be_explained(dandc: Any) -> None:
    assert b"R0730: missing input" in dandc("explain", "r0730").worked().out
    dandc("explain", "X9999").failed("U0908")


def test_the_doctor_says_what_holds(dandc: Any) -> None:
    finished = dandc("doctor").worked()
    assert b"system call filter" in finished.out
    layers = dandc("doctor", "--json").worked().json
    assert all(layer["holds"] for layer in layers if layer["required"])


def test_a_program_with_a_mistake_does_not_run(dandc: Any) -> None:
    dandc.write("wrong.dnd", TWO + "fn wrong() -> i64 { return nothing; }\n")
    finished = dandc("run", "wrong.dnd", "two", "-i", "n=1").failed("N0201")
    assert "wrong.dnd:5:" in finished.err
