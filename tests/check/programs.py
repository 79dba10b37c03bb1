"""Programs from text, for the tests of checker, lowering and standard library: parsed, checked, lowered, run."""

import functools
import re
from importlib.resources import files
from typing import Any

from attrs import frozen

from dandc.compiler.check import Checked, SourceModule, check
from dandc.compiler.interp import InstanceResult, run_kernel
from dandc.compiler.kir import Kernel
from dandc.compiler.lower import lower_kernel
from dandc.lang import Source, parse, render_terminal, tree
from dandc.lang.diagnostics import Diagnostic
from dandc.loader import standard_modules

STANDARD = tuple(standard_modules())
FILE = "program.dnd"


@functools.cache
def standard(name: str) -> tuple[Source, SourceModule]:
    """A module of the standard library, parsed once for all tests."""
    source = Source(f"std:{name}", files("dandc.stdlib").joinpath(f"{name}.dnd").read_text("utf-8"))
    parsed = parse(source)
    assert parsed.diagnostics == ()
    return source, SourceModule(name, parsed.module, imports_of(parsed.module), trusted=True)


def imports_of(module: tree.Module) -> dict[str, str]:
    """Every import under the name that it imports."""
    return {item.path: item.path for item in module.items if isinstance(item, tree.ImportItem)}


@frozen
class Program:
    """A checked program with everything that was said about it."""

    sources: dict[str, Source]
    diagnostics: tuple[Diagnostic, ...]
    checked: Checked

    @property
    def codes(self) -> list[str]:
        """The codes of all diagnostics in order."""
        return [d.code for d in self.diagnostics]

    def rendered(self) -> str:
        """What a person sees; the list of the standard library's modules is left out."""
        text = render_terminal(self.diagnostics, self.sources, colour=False)
        return re.sub(r"the standard library has .*", "the standard library has ...", text)

    def kernel(self, name: str) -> Kernel:
        """The kernel IR of the function `name`."""
        assert self.diagnostics == (), self.rendered()
        full = f"main.{name}"
        facts = self.checked.facts[full]
        return lower_kernel(self.checked.world, self.checked.kernels[full], facts.captures, self.checked.root)


@functools.lru_cache(maxsize=512)
def program(text: str) -> Program:
    """The program whose root module is `text`; it may import the standard library."""
    source = Source(FILE, text)
    parsed = parse(source)
    known = dict(standard(name) for name in STANDARD)
    modules = {module.name: module for module in known.values()}
    imports = {p: p for p in imports_of(parsed.module).values() if p in modules}
    checked = check({**modules, "main": SourceModule("main", parsed.module, imports)}, "main", parsed.diagnostics)
    sources = {s.file: s for s in (source, *known)}
    return Program(sources, parsed.diagnostics + checked.diagnostics, checked)


def run(text: str, *instances: list[Any], name: str = "f") -> list[InstanceResult]:
    """The results of the function `name` of the program `text` in the interpreter, one an instance."""
    return run_kernel(program(text).kernel(name), list(instances))


def value(result: InstanceResult) -> Any:
    """The value of an instance's only item."""
    assert result.state == "ok", result
    (emission,) = result.emissions
    return emission.value
