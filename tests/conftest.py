"""Options and fixtures that all areas share: golden files, rewritten by `pytest --bless`, and caches to start from."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from warm import Warm

# Without their bytecode every process that a test starts compiles the whole house first, which takes it as long as its work.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite golden files with what the tests produced")
    parser.addoption("--anew", action="store_true", help="start every process of the command line anew, none as a fork")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)` asserts that the file at `path` holds `text`; with `--bless` it writes the file instead."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--bless"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        assert path.exists(), f"no golden file {path.name}: run pytest --bless and read what it wrote"
        assert path.read_text(encoding="utf-8") == text

    return check


@pytest.fixture(scope="session")
def fresh_cache(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """`fresh_cache(folder)` makes a cache folder without programs and images.

    What is in it are the parser's tables, which are the same for all programs and take half a second to build.
    """
    made = tmp_path_factory.mktemp("tables")
    code = "import sys; from dandc.lang.grammar import tables; tables(sys.argv[1])"
    subprocess.run([sys.executable, "-P", "-c", code, made], check=True)
    (tables,) = made.iterdir()

    def make(folder: Path) -> Path:
        folder.mkdir(mode=0o700)
        shutil.copy2(tables, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory, fresh_cache: Callable[[Path], Path]) -> Path:
    """One cache folder for all tests that are not about it: programs are compiled once."""
    return fresh_cache(tmp_path_factory.mktemp("shared") / "cache")


@pytest.fixture(scope="session")
def warm(warm_cache: Path, request: pytest.FixtureRequest) -> Iterator[Warm | None]:
    """The process whose forks stand for the command line; none with `--anew`."""
    if request.config.getoption("--anew"):
        yield None
        return
    with contextlib.closing(Warm(warm_cache)) as made:
        yield made
