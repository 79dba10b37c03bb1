"""Compares the hash of an example's program with those of other programs among its files."""

from dandc.checking import hash_of
from dandc.compiler.check import check
from dandc.conform.chapters import Example
from dandc.conform.commands import Hash
from dandc.conform.judge import Failure
from dandc.conform.programs import Checkup
from dandc.loader import load


def judge_hashes(example: Example, checkup: Checkup) -> list[Failure]:
    """What hashes are not as the example says."""
    wanted = [c for c in example.commands if isinstance(c, Hash)]
    if not wanted or checkup.checked.failed:
        return [Failure(c.line, "a program with mistakes has no hash") for c in wanted]
    own = hash_of(checkup.checked)
    return [failure for c in wanted for failure in _judge(c, checkup, own)]


def _judge(command: Hash, checkup: Checkup, own: str) -> list[Failure]:
    path = checkup.folder / command.file
    if not path.is_file():
        return [Failure(command.line, f"the example has no file `{command.file}`")]
    loaded = load(path)
    other = check(loaded.modules, loaded.root, loaded.diagnostics)
    if loaded.diagnostics or other.failed:
        return [Failure(command.line, f"`{command.file}` has mistakes, so it has no hash")]
    same = hash_of(other) == own
    return [] if same == command.same else [Failure(command.line, f"the hashes are {'equal' if same else 'different'}")]
