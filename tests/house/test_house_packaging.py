"""Wheel, sdist and editable installation: complete, the same, without a C compiler, and nothing at the top but `dandc`.

Everything is built from a copy of the tree with an empty PATH, by the setuptools and llvmlite of the test environment, so
that nothing is downloaded; the installations are virtual environments of their own that see the environment's libraries.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "nucleus.elf", "*.html"
)
PROGRAM = """
function shout(text: str) => (loud: str) { emit loud <- f"{text}!"; }
composition main(text: str) => (loud: str) { loud = shout(text); }
"""


def installed(name: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in importlib.metadata.version(name).split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return ()


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(installed("setuptools") < (77, 0), reason="building needs setuptools 77 or later here"),
    pytest.mark.skipif(installed("llvmlite") == (), reason="building the nucleus needs llvmlite here"),
    pytest.mark.skipif(installed("pip") == (), reason="building needs pip here"),
]


def run(command: list[str], folder: Path, **more: str) -> str:
    """Standard output of a command that must succeed, with an empty PATH: no compiler is found."""
    environment = {"PATH": str(folder / "nothing"), "HOME": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{command}\n{finished.stdout[-4000:]}{finished.stderr[-4000:]}"
    return finished.stdout


def copy_of_tree(folder: Path) -> Path:
    return Path(shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The sdist of a copy of the tree, the wheel that was built from that sdist alone, and the copy."""
    folder = tmp_path_factory.mktemp("built")
    source = copy_of_tree(folder)
    code = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    name = run([sys.executable, "-c", code, str(folder)], source).splitlines()[-1]
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder)]
    run([sys.executable, "-m", "pip", "wheel", "-q", *options, str(folder / name)], folder)
    (wheel,) = folder.glob("*.whl")
    return folder / name, wheel, source


def environment(folder: Path) -> Path:
    """The interpreter of a fresh virtual environment that sees the libraries of this one, but not its dandc."""
    home = folder / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", str(home)], folder)
    python = home / "bin" / "python"
    purelib = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    (Path(purelib) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def install(python: Path, folder: Path, *what: str) -> None:
    options = ["--no-build-isolation", "--no-deps", "--no-index"]
    run([sys.executable, "-m", "pip", "--python", str(python), "install", "-q", *options, *what], folder)


def works(python: Path, folder: Path) -> dict[str, str]:
    """Where an installation has its rooms; a program was checked, compiled and run by it, twice, in sandboxes."""
    program = folder / "shout.dnd"
    program.write_text(PROGRAM, encoding="utf-8")
    command = str(python.with_name("dandc"))
    for _ in range(2):
        shown = run([command, "run", str(program), "-i", "text=hello"], folder, DANDC_CACHE=str(folder / "cache"))
        assert shown == "hello!"
    assert run([command, "--version"], folder).split() == ["dandc", importlib.metadata.version("dandc")]
    rooms = ("dandc", "dandc.lang", "dandc.compiler", "dandc.vm", "dandc.isolation", "dandc.stdlib")
    code = f"import json, importlib; print(json.dumps({{n: importlib.import_module(n).__file__ for n in {rooms!r}}}))"
    found: dict[str, str] = json.loads(run([str(python), "-P", "-c", code], folder))
    return found


CONSUMER = """
import dandc

program: dandc.Program = dandc.compile("p.dnd", cache=None)
result: dandc.Result = program.run("main", {"text": "hello", "token": dandc.Secret("x")}, limits=dandc.RunLimits())
names: tuple[str, ...] = program.compositions


async def later() -> int:
    return len(await program.run_async(inputs={"text": 1}))


wrong: int = program.compositions
"""


def types_are_seen_by_its_users(python: Path, folder: Path) -> None:
    """A strict type checker takes the installed package at its word: the one mistake is found, and nothing else."""
    (folder / "consumer.py").write_text(CONSUMER, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent"]
    finished = subprocess.run(
        [*command, f"--python-executable={python}", "consumer.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "consumer.py:13: error: Incompatible types in assignment" in finished.stdout
    assert "Found 1 error in 1 file" in finished.stdout


def test_the_sdist_is_complete(built: tuple[Path, Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"setup.py", "LICENSE", "README.md", "lang/grammar.lark", "isolation/nucleus.ll", "isolation/build.py"}
    needed |= {"isolation/nucleus.sha256", "stdlib/prelude.dnd", "tests/conftest.py", "examples/render_logs/run.py"}
    assert needed - names == set()
    assert "isolation/nucleus.elf" not in names  # built where it is installed


def test_the_wheel_holds_every_module_and_nothing_else(built: tuple[Path, Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = set(archive.namelist())
    expected = set()
    for room in ("lang", "compiler", "vm", "isolation", "stdlib", "dandc"):
        for path in (built[2] / room).rglob("*"):
            if path.suffix in (".py", ".dnd", ".lark", ".typed", ".ll", ".sha256"):
                inside = path.relative_to(built[2]).as_posix()
                expected.add(inside if room == "dandc" else f"dandc/{inside}")
    content = {name for name in names if ".dist-info/" not in name}
    assert content == expected | {"dandc/isolation/nucleus.elf"}
    assert {name.split("/")[0] for name in names if ".dist-info/" in name} == {
        f"{built[1].name.split('-py3')[0]}.dist-info"
    }


def test_the_wheel_of_the_sdist_works(built: tuple[Path, Path, Path], tmp_path: Path) -> None:
    python = environment(tmp_path)
    install(python, tmp_path, str(built[1]))
    places = works(python, tmp_path)
    purelib = Path(places["dandc"]).parents[1]
    assert all(Path(place).is_relative_to(purelib / "dandc") for place in places.values())
    types_are_seen_by_its_users(python, tmp_path)
    top = {entry.name for entry in purelib.iterdir()}
    assert {name for name in top if not name.endswith((".dist-info", ".pth", "__pycache__"))} == {"dandc"}


def test_the_wheel_of_the_tree_is_the_same(built: tuple[Path, Path, Path], tmp_path: Path) -> None:
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(tmp_path)]
    run([sys.executable, "-m", "pip", "wheel", "-q", *options, str(built[2])], tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(built[1]) as theirs:
        assert {i.filename: i.CRC for i in ours.infolist()} == {i.filename: i.CRC for i in theirs.infolist()}


def test_an_editable_installation_runs_the_tree(tmp_path: Path) -> None:
    source = copy_of_tree(tmp_path)
    python = environment(tmp_path)
    install(python, tmp_path, "-e", str(source))
    places = works(python, tmp_path)
    assert all(Path(place).is_relative_to(source) for place in places.values())
    assert os.access(source / "isolation" / "nucleus.elf", os.R_OK)
