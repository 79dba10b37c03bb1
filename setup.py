"""Builds the sandbox nucleus while the package is built; everything else about the package stands in `pyproject.toml`.

`isolation/build.py` is loaded by its path, since the package that it belongs to is not installed yet. On machines that
are not x86-64 there is no nucleus: the package works there without sandboxes, and says so when one is asked for.
"""

import importlib.util
import platform
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_py import build_py

ISOLATION = Path(__file__).resolve().parent / "isolation"


def build_nucleus(folder: Path) -> None:
    """Puts `nucleus.elf` into `folder`; fails the build when it is not the pinned one."""
    spec = importlib.util.spec_from_file_location("dandc_isolation_build", ISOLATION / "build.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("isolation/build.py cannot be loaded")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.install(folder, ISOLATION)


class BuildPy(build_py):
    """Builds the nucleus beside the modules: in the source tree when editable, else in the build tree."""

    def run(self) -> None:
        super().run()
        if platform.machine() not in ("x86_64", "AMD64"):
            self.announce("no sandbox nucleus: this is not an x86-64 machine", level=3)
            return
        folder = ISOLATION if self.editable_mode else Path(self.build_lib) / "dandc" / "isolation"
        folder.mkdir(parents=True, exist_ok=True)
        build_nucleus(folder)


setup(cmdclass={"build_py": BuildPy})
