"""dandc: compiler, virtual machine and tools for `.dnd`, a workflow language for the cloud.

    import dandc

    program = dandc.compile("render_logs.dnd")
    result = program.run(inputs={"token": dandc.Secret("...")})
    print(result["page"])

`run(..., cache="results", record="run.journal")` keeps results for later runs and writes a journal, which `dandc.resume` finishes
after a crash and `dandc.replay` repeats offline.

Everything else lives in the rooms `dandc.lang`, `dandc.compiler`, `dandc.vm`, `dandc.isolation` and `dandc.stdlib`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dandc.api import (
        CompileError,
        DiagnosticError,
        Item,
        Program,
        Result,
        compile,
        replay,
        replay_async,
        resume,
        resume_async,
    )
    from dandc.vm import RunError, RunLimits, Secret

__all__ = [
    "CompileError",
    "DiagnosticError",
    "Item",
    "Program",
    "Result",
    "RunError",
    "RunLimits",
    "Secret",
    "compile",
    "replay",
    "replay_async",
    "resume",
    "resume_async",
]
__version__ = "0.1.0"

_FROM_MACHINE = ("RunError", "RunLimits", "Secret")
_HOMES = {name: "dandc.vm" if name in _FROM_MACHINE else "dandc.api" for name in __all__}


def __getattr__(name: str) -> Any:
    """Load the public names when they are used: the command line must start fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dandc' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
