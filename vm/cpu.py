"""Which code this machine can run: the levels of the x86-64 ABI, without a compiler's help."""

from collections.abc import Set as AbstractSet
from functools import cache

# What each level needs beyond the one before, by the kernel's names (x86-64 psABI, "Micro-Architecture Levels").
_NEEDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("x86-64-v2", frozenset("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3".split())),
    ("x86-64-v3", frozenset("abm avx avx2 bmi1 bmi2 f16c fma movbe xsave".split())),
    ("x86-64-v4", frozenset("avx512f avx512bw avx512cd avx512dq avx512vl".split())),
)
LEVELS = tuple(level for level, _ in _NEEDS)


def levels_of(flags: AbstractSet[str]) -> tuple[str, ...]:
    """The levels that a processor with these flags has, the highest first."""
    found: list[str] = []
    for level, needs in _NEEDS:
        if not needs <= flags:
            break
        found.insert(0, level)
    return tuple(found)


@cache
def levels() -> tuple[str, ...]:
    """The levels of this machine, the highest first; none where the kernel does not say."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return ()
    return levels_of(frozenset(line.partition(":")[2].split()))
