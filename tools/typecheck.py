"""Type-checks the project strictly, with its rooms where they are installed.

    python tools/typecheck.py [MYPY OPTION ...]

The rooms stand at the root of the repository but are imported as `dandc.ROOM`, which no type checker can guess. So this
makes a temporary folder in which they stand so, as symbolic links, and runs mypy there. It changes nothing in the tree.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("lang", "compiler", "vm", "isolation", "stdlib")


def lay_out(folder: Path) -> None:
    """Links every room into `folder/dandc`."""
    package = folder / "dandc"
    package.mkdir()
    for entry in (ROOT / "dandc").iterdir():
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    for room in ROOMS:
        (package / room).symlink_to(ROOT / room)


def main() -> int:
    """Mypy's exit status: 0 if nothing was found."""
    with tempfile.TemporaryDirectory(prefix="dandc-types-") as name:
        lay_out(Path(name))
        # Without mypy's cache: it believes in paths, which are new every time, and the whole takes seconds.
        options = ["--no-incremental", "--cache-dir=/dev/null", "--explicit-package-bases", "--namespace-packages"]
        command = [
            sys.executable,
            "-m",
            "mypy",
            f"--config-file={ROOT / 'pyproject.toml'}",
            *options,
            *sys.argv[1:],
            "dandc",
        ]
        # The installed package would be found as well: it is hidden, so that each module has one name and one place.
        return subprocess.run(command, cwd=name, env={**os.environ, "MYPYPATH": name}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
