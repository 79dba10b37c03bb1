"""`dandc build`: one file, the same bytes wherever it is made, that runs without parser and code generator; and what is wrong with others."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dandc.vm import BundleError
from dandc.vm.bundle import BUNDLE_MAGIC, VERSION, dump_bundle, load_bundle
from dandc.vm.cpu import levels_of

LIBRARY = "pub fn twice(n: i64) -> i64 = 2 * n;\n"
PROGRAM = """import "lib/numbers.dnd";
function double(n: i64) => (m: i64) = numbers.twice(n);
function shares(n: i64, among: i64) => (share: i64) = n / among;
composition main(n: i64, among: i64) => (share: i64) { share = shares(double(n), among); }
"""
INPUTS = ("-i", "n=6", "-i", "among=3")
# Runs the command line where importing the libraries of the compiler fails.
BLOCKED = """
import sys
sys.modules.update(dict.fromkeys(("lark", "llvmlite"), None))
from dandc.__main__ import entry
entry()
"""


@pytest.fixture
def sources(dandc: Any) -> Any:
    (dandc.folder / "lib").mkdir()
    (dandc.folder / "lib" / "numbers.dnd").write_text(LIBRARY)
    (dandc.folder / "p.dnd").write_text(PROGRAM)
    return dandc


def build(dandc: Any, *more: str) -> Path:
    dandc("build", "p.dnd", *more).worked()
    return Path(dandc.folder / "p.dndb")


def test_a_bundle_runs_without_its_sources(sources: Any) -> None:
    build(sources, "--cpu", "x86-64-v2")
    (sources.folder / "p.dnd").unlink()
    shutil.rmtree(sources.folder / "lib")
    assert b"share: 4\n" == sources("run", "p.dndb", *INPUTS).worked().out


def test_it_needs_neither_parser_nor_code_generator(sources: Any) -> None:
    build(sources, "--cpu", "x86-64-v2")
    command = [sys.executable, "-P", "-c", BLOCKED]
    places = {"cwd": sources.folder, "env": sources.variables(), "stdin": subprocess.DEVNULL, "timeout": 50}
    run = subprocess.run([*command, "run", "p.dndb", *INPUTS], capture_output=True, check=False, **places)
    assert (0, b"share: 4\n") == (run.returncode, run.stdout), run.stderr
    checked = subprocess.run([*command, "check", "p.dnd", "--no-cache"], capture_output=True, check=False, **places)
    assert checked.returncode != 0  # the block holds


def test_it_is_the_same_wherever_it_is_built(sources: Any, tmp_path: Path) -> None:
    first = build(sources, "--no-cache").read_bytes()
    elsewhere = tmp_path / "else where"
    shutil.copytree(sources.folder, elsewhere, ignore=shutil.ignore_patterns("*.dndb", "cache"))
    out = tmp_path / "other.dndb"
    environment = {**sources.variables(), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-P", "-m", "dandc", "build", str(elsewhere / "p.dnd"), "-o", str(out)]
    subprocess.run(command, cwd="/", env=environment, check=True, capture_output=True, timeout=50)
    assert first == out.read_bytes()
    assert os.fsencode(sources.folder) not in first


def test_messages_point_into_its_sources(sources: Any) -> None:
    build(sources, "--cpu", "x86-64-v2")
    (sources.folder / "p.dnd").unlink()
    finished = sources("run", "p.dndb", "-i", "n=6", "-i", "among=0").failed("R0702")
    assert "p.dnd:3:55" in finished.err
    assert "= n / among;" in finished.err
    (sources.folder / "p.dnd").write_text(PROGRAM)
    build(sources, "--cpu", "x86-64-v2", "--no-sources")
    (sources.folder / "p.dnd").unlink()
    assert "= n / among;" not in sources("run", "p.dndb", "-i", "n=6", "-i", "among=0").failed("R0702").err


def test_code_of_the_highest_level_that_fits_is_chosen(sources: Any) -> None:
    data = build(sources).read_bytes()
    bundle = load_bundle(data, ("x86-64-v3", "x86-64-v2"))
    names = sorted(bundle.program.kernels)
    assert {"x86-64-v2", "x86-64-v3", "x86-64-v4"} == set(bundle.levels)
    assert bundle.levels["x86-64-v3"] == tuple(bundle.program.kernels[name].image for name in names)
    assert data == dump_bundle(bundle)


def test_a_bundle_for_other_processors(sources: Any) -> None:
    data = build(sources, "--cpu", "x86-64-v4").read_bytes()
    with pytest.raises(BundleError, match="R0742"):
        load_bundle(data, ("x86-64-v3", "x86-64-v2"))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", ()),
        ("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3", ("x86-64-v2",)),
        ("avx2", ()),
        (
            "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
            ("x86-64-v3", "x86-64-v2"),
        ),
    ],
)
def test_levels(flags: str, expected: tuple[str, ...]) -> None:
    assert expected == levels_of(frozenset(flags.split()))


def spoilt(data: bytes, damage: str) -> bytes:
    if damage == "cut":
        return data[: len(data) // 2]
    if damage == "one bit":
        return data[:-1] + bytes([data[-1] ^ 1])
    if damage == "version":
        return data[:8] + struct.pack("<I", VERSION + 1) + data[12:]
    if damage == "head only":
        return data[:8]
    body = b"[]"
    return struct.pack("<8sII32s", BUNDLE_MAGIC, VERSION, 2, hashlib.sha256(body).digest()) + body


@pytest.mark.parametrize("damage", ["cut", "one bit", "version", "head only", "made up"])
def test_damaged_bundles(sources: Any, damage: str) -> None:
    path = build(sources, "--cpu", "x86-64-v2")
    path.write_bytes(spoilt(path.read_bytes(), damage))
    sources("run", "p.dndb", *INPUTS).failed("R0741" if damage == "version" else "R0740")


def test_wrong_use(sources: Any) -> None:
    sources("build", "p.dnd", "--cpu", "x86-64-v9").failed("U0911", status=2)
    sources("build", "p.dnd", "-o", "p.dnd").failed("U0906", status=2)
    sources("build", "p.dnd", "-o", "no/such/folder/p.dndb").failed("U0906")
    sources("build", "none.dnd").failed("U0901")
    (sources.folder / "wrong.dnd").write_text("composition main() => (x: i64) { x = f(); }")
    assert sources("build", "wrong.dnd").failed("N0201")
    assert not (sources.folder / "wrong.dndb").exists()
