"""The back end: kernel IR to a static image that the sandbox runs.

`compile` is the whole of it: passes, LLVM IR (`functions`, `ops`, `memory`, `encode`, `decode`, `entry`, `runtime`), LLVM
(`llvm`, the only module that knows llvmlite), and `compiler.link`. It is a pure function of its arguments: the same
kernel, level and target give the same bytes (except for target `host`, which asks what this machine can do).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dandc.lang.spans import Span

if TYPE_CHECKING:
    from dandc.compiler.kir import Kernel

DEFAULT_TARGET = "x86-64-v2"


class BackendError(Exception):
    """Generated code that LLVM or the linker refuses: a mistake in this compiler, never in the program."""


def compile(kernel: Kernel, opt: int = 2, target: str = DEFAULT_TARGET) -> tuple[bytes, tuple[Span, ...]]:
    """The image of a kernel and the spans that its site numbers stand for.

    `opt` is 0 or 2; `target` is a name of `llvm.TARGETS`. The kernel must verify (`compiler.verify`). Raises `BackendError`.
    """
    from dandc.compiler import link
    from dandc.compiler.codegen import llvm

    ir, sites = llvm_ir(kernel)
    try:
        obj = llvm.emit_object(ir, opt, target)
    except RuntimeError as error:
        raise BackendError(f"kernel `{kernel.name}`: {error}") from error
    image = link.link(obj)
    if isinstance(image, link.LinkError):
        raise BackendError(f"kernel `{kernel.name}`: {image.reason}")
    return image, sites


def llvm_ir(kernel: Kernel) -> tuple[str, tuple[Span, ...]]:
    """The LLVM IR of a kernel before optimisation, and its sites."""
    from dandc.compiler.codegen.builder import Module
    from dandc.compiler.codegen.entry import write_entry
    from dandc.compiler.codegen.functions import Program, write_function
    from dandc.compiler.codegen.managed import ownership
    from dandc.compiler.kir_walk import call_cycles
    from dandc.compiler.passes import pipeline

    kernel = pipeline.run(kernel)
    module = Module(kernel.types)
    constants = {c.name: c for c in kernel.constants}
    program = Program(kernel, module, ownership(kernel, module.layout), call_cycles(kernel.functions), constants)
    for number in range(len(kernel.functions)):
        module.texts[f"f{number}"] = write_function(program, number)
    module.texts["entry"] = write_entry(program)
    return module.text(), tuple(module.sites)
