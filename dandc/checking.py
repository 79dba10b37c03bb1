"""From a file to a checked program, and to its hash: no code is made of it, and nothing that runs one is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dandc.cache import Cache
from dandc.compiler.check import Checked, check
from dandc.compiler.flow import Graph, KernelImage, Program
from dandc.compiler.flow_walk import called_kernel
from dandc.loader import Loaded, load

if TYPE_CHECKING:
    from dandc.compiler.graph_passes.plan import Plan


def check_file(
    path: Path, cache: Cache, *, tests: bool = True, bind: tuple[tuple[str, str], ...] = ()
) -> tuple[Loaded, Checked]:
    """The modules of the program in `path`, and what checking them found; with its `test` blocks or without."""
    loaded = load(path, grammar_cache=cache.folder, tests=tests, bind=bind)
    checked = check(loaded.modules, loaded.root, loaded.diagnostics)
    return loaded, checked


def lowered(checked: Checked) -> "Plan":
    """The graphs of a checked program without errors, and the kernel IR of what they call."""
    from dandc.compiler.graph_passes.plan import Plan
    from dandc.compiler.lower import lower_kernel

    kernels = {}
    for name in called_kernels(checked.graphs):
        kernels[name] = lower_kernel(checked.world, checked.kernels[name], checked.facts[name].captures, checked.root)
    return Plan(dict(checked.graphs), kernels)


def called_kernels(graphs: Mapping[str, Graph]) -> list[str]:
    """The kernels that some node of the graphs calls, sorted."""
    nodes = (node for graph in graphs.values() for node in graph.nodes)
    return sorted({kernel for node in nodes if (kernel := called_kernel(node)) is not None})


def hash_of(checked: Checked) -> str:
    """The hash of a program that may run; no code is generated for it."""
    from dandc.compiler.graph_passes import pipeline
    from dandc.compiler.identity import kernel_hash, program_hash

    plan = pipeline.run(lowered(checked))
    kernels = [plan.kernels[name] for name in called_kernels(plan.graphs)]
    images = {k.name: KernelImage(k.name, k.params, k.outputs, (), b"", kernel_hash(k)) for k in kernels}
    return program_hash(program_with("", checked, plan.graphs, images))


def program_with(name: str, checked: Checked, graphs: Mapping[str, Graph], kernels: dict[str, KernelImage]) -> Program:
    """The program of these graphs and kernels, with what was declared beside them."""
    return Program(name, dict(graphs), kernels, checked.configs, checked.endpoints, dict(checked.world.table))
