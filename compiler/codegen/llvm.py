"""Every call of llvmlite: textual LLVM IR in, an object file's bytes out.

Nothing else imports llvmlite, and this module does so only when code is really generated, so that a cached program runs
without its 179 MB. IR travels as text because a mistake in it then is an exception with LLVM's message, where the
object API would abort the process. CPU names are taken from a list for the same reason: LLVM aborts on unknown ones.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import llvmlite.binding as llvm

TRIPLE = "x86_64-unknown-linux-gnu"
# Names that LLVM knows, from the level that has rounding instructions. `host` is resolved by LLVM itself; images made for it are not reproducible elsewhere.
TARGETS = ("x86-64-v2", "x86-64-v3", "x86-64-v4", "host")


@cache
def _machine(opt: int, target: str) -> llvm.TargetMachine:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    if target not in TARGETS:
        raise ValueError(f"unknown target {target!r}")
    cpu = llvm.get_host_cpu_name() if target == "host" else target
    features = llvm.get_host_cpu_features().flatten() if target == "host" else ""
    return llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu=cpu, features=features, opt=opt, reloc="static", codemodel="small"
    )


def emit_object(ir: str, opt: int, target: str) -> bytes:
    """The ELF object of a module given as LLVM IR text. `opt` is 0 or 2. Raises `RuntimeError` for IR that is wrong."""
    machine = _machine(opt, target)
    module = _parsed(ir, machine)
    _optimise(module, machine, opt)
    return bytes(machine.emit_object(module))


def emit_text(ir: str, opt: int, target: str, *, assembly: bool = False) -> str:
    """The module after optimisation, as LLVM IR or assembly: for people."""
    machine = _machine(opt, target)
    module = _parsed(ir, machine)
    _optimise(module, machine, opt)
    return machine.emit_assembly(module) if assembly else str(module)


def _parsed(ir: str, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    """The module, with the target's layout of types: by default LLVM aligns i64 to four bytes only."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(ir)
    module.triple = TRIPLE
    module.data_layout = str(machine.target_data)
    module.verify()
    return module


def _optimise(module: llvm.ModuleRef, machine: llvm.TargetMachine, opt: int) -> None:
    if opt == 0:
        return
    import llvmlite.binding as llvm

    tuning = llvm.PipelineTuningOptions(speed_level=opt)
    # Half of the default: measured on a JSON decoder, a third less compile time and smaller code.
    tuning.inlining_threshold = 100
    tuning.loop_vectorization = True
    tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
