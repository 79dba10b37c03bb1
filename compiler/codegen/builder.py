"""Writing LLVM IR text: one module's parts, and one function's blocks.

A `Module` collects functions, constants and sites, and at the end adds exactly the runtime pieces that something refers
to. A `Builder`'s temporaries are named, never numbered, so that text can be written in any order.
"""

from collections.abc import Callable

from dandc.compiler.codegen import runtime, runtime_io
from dandc.compiler.codegen.layout import Layout
from dandc.compiler.kir import TRAPS
from dandc.compiler.types import TypeTable
from dandc.lang.spans import NOWHERE, Span
from dandc.lang.values import frozen

NO_SITE = -1

_GLOBALS = runtime.GLOBALS | runtime_io.GLOBALS
_FUNCTIONS = runtime.FUNCTIONS | runtime_io.FUNCTIONS


@frozen
class Block:
    """Read-only bytes; at the offsets of `pointers` stand the addresses of other blocks."""

    data: bytes
    pointers: tuple[tuple[int, str], ...]


class Module:
    """The LLVM module of one kernel while it is written."""

    def __init__(self, types: TypeTable) -> None:
        self.layout = Layout(types)
        self.texts: dict[str, str] = {}
        self.constants: dict[bytes, str] = {}
        self.headers: dict[bytes, str] = {}
        self.blocks: dict[Block, str] = {}
        self.sites: dict[Span, int] = {}

    def site(self, span: Span) -> int:
        """The number of a site; `NO_SITE` for nowhere."""
        if span == NOWHERE:
            return NO_SITE
        return self.sites.setdefault(span, len(self.sites))

    def constant(self, data: bytes) -> str:
        """A pointer to constant bytes."""
        if not data:
            return "null"
        return self.constants.setdefault(data, f"@c{len(self.constants)}")

    def header(self, data: bytes) -> str:
        """A pointer to a constant header of constant bytes."""
        return self.headers.setdefault(data, f"@h{len(self.headers)}")

    def block(self, block: Block) -> str:
        """A pointer to a block of read-only bytes."""
        return self.blocks.setdefault(block, f"@k{len(self.blocks)}")

    def once(self, name: str, write: Callable[[str], str]) -> str:
        """The name of a generated function; `write` gives its text the first time (it may refer to itself)."""
        if name not in self.texts:
            self.texts[name] = ""
            self.texts[name] = write(name)
        return f"@{name}"

    def text(self) -> str:
        """The whole module as LLVM IR."""
        headers = [
            f"{name} = private constant %H {{ ptr {self.constant(data)}, i64 {len(data)}, i64 0 }}"
            for data, name in self.headers.items()
        ]
        constants = [
            f'{name} = private constant [{len(data)} x i8] c"{_escaped(data)}", align 1'
            for data, name in self.constants.items()
        ]
        blocks = [f"{name} = private constant {_block_text(block)}, align 16" for block, name in self.blocks.items()]
        body = [*constants, *headers, *blocks, *self.texts.values()]
        return "\n".join([_assembly(), runtime.PRELUDE, *_runtime(body), *body, runtime.ATTRIBUTES])


def _assembly() -> str:
    return "\n".join(f'module asm "{line}"' for line in runtime.ASSEMBLY.splitlines())


def _runtime(body: list[str]) -> list[str]:
    """The runtime pieces that `body` refers to, directly or not; the names that assembly and LLVM itself use too."""
    pieces: dict[str, str] = {"dnd_enter": "declare i32 @dnd_enter(i64)", "dnd_unwind": "declare void @dnd_unwind(i32)"}
    todo = ["dnd_sp"]
    for text in body:
        todo += runtime.references(text)
    while todo:
        name = todo.pop()
        if name in pieces:
            continue
        if name in _GLOBALS:
            pieces[name] = _GLOBALS[name]
        elif name.startswith("llvm."):
            pieces[name] = runtime.intrinsic(name)
        elif name in _FUNCTIONS:
            pieces[name] = _FUNCTIONS[name]
            todo += runtime.references(pieces[name])
    return list(pieces.values())


def _block_text(block: Block) -> str:
    """Type and contents: runs of bytes with pointers between them."""
    parts: list[str] = []
    at = 0
    for offset, name in (*block.pointers, (len(block.data), "")):
        if offset > at:
            parts.append(f'[{offset - at} x i8] c"{_escaped(block.data[at:offset])}"')
        if name:
            parts.append(f"ptr {name}")
        at = offset + 8
    types = ", ".join("ptr" if part.startswith("ptr ") else part[: part.index("]") + 1] for part in parts)
    return f"<{{ {types} }}> <{{ {', '.join(parts)} }}>"


def _escaped(data: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02x}" for b in data)


class Builder:
    """The blocks of one LLVM function. `allocas` are written at its start."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.layout = module.layout
        self.allocas: list[str] = []
        self.lines: list[str] = []
        self.cold: list[str] = []
        self.counter = 0
        self.traps: dict[tuple[int, int], str] = {}

    def name(self, stem: str = "t") -> str:
        """A fresh name without sigil."""
        self.counter += 1
        return f"{stem}{self.counter}"

    def do(self, line: str) -> None:
        """An instruction without result."""
        self.lines.append("  " + line)

    def op(self, text: str) -> str:
        """An instruction with a result; its name with sigil."""
        name = f"%{self.name()}"
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begins a block."""
        self.lines.append(f"{name}:")

    def jump(self, label: str) -> None:
        """Ends the block."""
        self.do(f"br label %{label}")

    def branch(self, cond: str, then: str, orelse: str) -> None:
        """Ends the block by a test of an i1."""
        self.do(f"br i1 {cond}, label %{then}, label %{orelse}")

    def alloca(self, llvm_type: str, align: int = 8) -> str:
        """A stack slot for the whole function."""
        name = f"%{self.name('a')}"
        self.allocas.append(f"  {name} = alloca {llvm_type}, align {align}")
        return name

    def load(self, llvm_type: str, pointer: str, align: int = 0) -> str:
        """Reads memory."""
        return self.op(f"load {llvm_type}, ptr {pointer}" + (f", align {align}" if align else ""))

    def store(self, llvm_type: str, value: str, pointer: str, align: int = 0) -> None:
        """Writes memory."""
        self.do(f"store {llvm_type} {value}, ptr {pointer}" + (f", align {align}" if align else ""))

    def field(self, llvm_type: str, pointer: str, index: int) -> str:
        """The address of a part of a structure."""
        return self.op(f"getelementptr {llvm_type}, ptr {pointer}, i32 0, i32 {index}")

    def offset(self, pointer: str, count: str, llvm_type: str = "i8") -> str:
        """The address `count` elements further."""
        return self.op(f"getelementptr {llvm_type}, ptr {pointer}, i64 {count}")

    def copy(self, target: str, source: str, size: int, align: int) -> None:
        """Copies a value of known size."""
        if target == source or size == 0:
            return
        self.do(
            f"call void @llvm.memcpy.p0.p0.i64(ptr align {align} {target}, ptr align {align} {source}, "
            f"i64 {size}, i1 false)"
        )

    def header(self, pointer: str) -> tuple[str, str]:
        """Buffer and length of the header at `pointer`."""
        return self.load("ptr", pointer), self.load("i64", self.field("%H", pointer, 1))

    def capacity(self, pointer: str) -> str:
        """The capacity in the header at `pointer`."""
        return self.load("i64", self.field("%H", pointer, 2))

    def set_header(self, pointer: str, data: str, length: str, capacity: str) -> None:
        """Writes a header."""
        self.store("ptr", data, pointer)
        self.store("i64", length, self.field("%H", pointer, 1))
        self.store("i64", capacity, self.field("%H", pointer, 2))

    def trap_unless(self, cond: str, code: str, site: int) -> None:
        """Goes on only if `cond`; else the instance ends with trap `code`."""
        on = self.name("ok")
        self.branch(cond, on, self.trap_block(code, site))
        self.label(on)

    def trap_if(self, cond: str, code: str, site: int) -> None:
        """Ends the instance with trap `code` if `cond`."""
        on = self.name("ok")
        self.branch(cond, self.trap_block(code, site), on)
        self.label(on)

    def trap_block(self, code: str, site: int) -> str:
        """The label of a cold block that traps; one a code and site."""
        number = TRAPS[code][0]
        label = self.traps.get((number, site))
        if label is None:
            label = self.traps[number, site] = self.name("trap")
            self.cold += [f"{label}:", f"  call void @trap(i32 {number}, i32 {site})", "  unreachable"]
        return label

    def function(self, head: str) -> str:
        """The text of the function; `head` is its `define` line up to the brace."""
        return "\n".join([f"{head} {{", "entry:", *self.allocas, *self.lines, *self.cold, "}", ""])
