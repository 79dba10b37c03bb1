"""What a program is, apart from how it is written: hashes that comments, white space and places do not touch.

A kernel is its IR without places and without names that nobody sees: those of functions, constants, locals and types, which
hold the names of files. A program is what is reachable from its compositions, with configs and endpoints, which operators
see. Names become numbers in the order in which they are met, starting from names that are part of the interface.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import attrs
from attrs import Factory, define, evolve

from dandc.compiler.flow import Graph, KernelImage, Program
from dandc.compiler.kir import Call, Const, Function, Instr, Kernel
from dandc.compiler.kir_text import print_kernel
from dandc.compiler.kir_walk import map_bodies
from dandc.compiler.types import (
    Array,
    Named,
    Option,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeTable,
    is_map,
)
from dandc.lang.spans import Span

_PLACES = re.compile(r" @(?:\d+:)?\d+-\d+$|^file \d+ .*$\n?", re.MULTILINE)
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
_TYPE_NAME = re.compile(r"(?<![\w.%!])(?!trap\.|limit\.)[A-Za-z_]\w*(?:\.\w+)+")
_DEFINITION = re.compile(r'^(record|enum) ("(?:[^"\\]|\\.)*")', re.MULTILINE)


def kernel_text(kernel: Kernel) -> str:
    """The IR of a kernel without places and names: equal texts mean equal code."""
    functions = {f.name: f"f{i}" for i, f in enumerate(kernel.functions)}
    constants = {c.name: f"c{i}" for i, c in enumerate(kernel.constants)}
    renamed = evolve(
        kernel,
        name="",
        functions=tuple(_renamed(f, functions, constants) for f in kernel.functions),
        constants=tuple(evolve(c, name=constants[c.name]) for c in kernel.constants),
    )
    return _without_type_names(_PLACES.sub("", print_kernel(renamed)))


def kernel_hash(kernel: Kernel) -> str:
    """The SHA-256 of `kernel_text`, in hexadecimal digits."""
    return hashlib.sha256(kernel_text(kernel).encode()).hexdigest()


def _renamed(function: Function, functions: dict[str, str], constants: dict[str, str]) -> Function:
    def instr(one: Instr) -> Instr:
        if isinstance(one, Call):
            return evolve(one, fn=functions[one.fn])
        if isinstance(one, Const):
            return evolve(one, name=constants[one.name])
        return map_bodies(one, lambda body: tuple(map(instr, body)))

    unnamed = tuple(evolve(local, name="") for local in function.locals)
    return evolve(function, name=functions[function.name], locals=unnamed, body=tuple(map(instr, function.body)))


def _without_type_names(text: str) -> str:
    """Types of modules by the order in which they occur; what stands in quotes is data, but for names of definitions."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"type{len(numbers)}")

    text = _DEFINITION.sub(lambda m: f"{m[1]} <{json.loads(m[2])}>", text)
    parts = _QUOTED.split(text)
    return "".join(part if i % 2 else _TYPE_NAME.sub(number, part) for i, part in enumerate(parts))


def program_hash(program: Program) -> str:
    """The SHA-256 of what a program means, in hexadecimal digits: the same for every way to write it."""
    names = _Names(program)
    own = sorted(name for name in program.graphs if name.startswith("main."))
    shape: dict[str, Any] = {"compositions": [[name, names.graph(name)] for name in own]}
    shape["configs"] = [names.value(c) for c in sorted(program.configs, key=lambda c: c.name)]
    shape["endpoints"] = [names.value(e) for e in sorted(program.endpoints, key=lambda e: e.name)]
    shape["graphs"] = [names.value(attrs.evolve(graph, name="")) for graph in names.graphs_met()]
    shape["types"] = names.definitions()
    return hashlib.sha256(json.dumps(shape, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


@define(eq=False)
class _Names:
    """Gives numbers to graphs and types, and turns what refers to them into JSON."""

    program: Program
    _graphs: dict[str, int] = Factory(dict)
    _types: dict[str, int] = Factory(dict)

    def graph(self, name: str) -> int:
        return self._graphs.setdefault(name, len(self._graphs))

    def graphs_met(self) -> Iterator[Graph]:
        """Every graph that something refers to, while that finds more."""
        done = 0
        while done < len(self._graphs):
            yield self.program.graphs[list(self._graphs)[done]]
            done += 1

    def definitions(self) -> list[Any]:
        """The definition of each type that was met, in order of numbers."""
        table: TypeTable = self.program.types
        found: list[Any] = []
        while len(found) < len(self._types):
            found.append(self.value(table[list(self._types)[len(found)]]))
        return found

    def type(self, t: Type) -> str:
        match t:
            case Array(item):
                return f"array[{self.type(item)}]"
            case Option(item):
                return f"option[{self.type(item)}]"
            case Result(ok, err):
                return f"result[{self.type(ok)}, {self.type(err)}]"
            case Tuple(items):
                return f"({', '.join(map(self.type, items))})"
            case SetRef(key, item):
                return f"set[{'' if key is None else self.type(key)} => {self.type(item)}]"
            case Named(args=args) if is_map(t):
                return f"map[{', '.join(map(self.type, args))}]"
            case Named():
                return f"#{self._types.setdefault(str(t), len(self._types))}"
        return str(t)

    def value(self, value: Any) -> Any:
        """Any part of a flow graph as JSON, without places."""
        if isinstance(value, Type):
            return self.type(value)
        if isinstance(value, bytes):
            return hashlib.sha256(value).hexdigest()
        if isinstance(value, tuple | list):
            return [self.value(part) for part in value]
        if not attrs.has(type(value)):
            return value
        parts = {f.name: getattr(value, f.name) for f in attrs.fields(type(value))}
        if "kernel" in parts:
            parts["kernel"] = _image(self.program.kernels[parts["kernel"]])
        if "graph" in parts:
            parts["graph"] = self.graph(parts["graph"])
        return [type(value).__name__, *(self.value(v) for v in parts.values() if not isinstance(v, Span))]


def _image(kernel: KernelImage) -> list[Any]:
    return [kernel.ir or hashlib.sha256(kernel.image).hexdigest(), kernel.params, kernel.outputs]
