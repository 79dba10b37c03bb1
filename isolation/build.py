"""Assembles and links the nucleus: `nucleus.ll` to the static executable `nucleus.elf`.

Runs while the package is built (`setup.py`) and by hand (`python -m dandc.isolation.build`), never at run time: this is
the only file here that needs llvmlite. It carries a linker of its own, a few lines for a few relocations, so that no C
compiler and no system linker is needed. The result depends on nothing but `nucleus.ll`, this file and llvmlite's
version, and its hash is pinned in `nucleus.sha256`: a build that gives other bytes is refused.

The linker also writes the seccomp filter, since the filter holds the addresses that linking decides.
"""

import hashlib
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

BASE = 0x800E0000  # `layout.py` keeps the gap between stack and window free for it
PAGE = 4096
HERE = Path(__file__).resolve().parent

# The nucleus's own system calls: allowed only with the instruction pointer in its text.
OWN_CALLS = {
    "close": 3, "mmap": 9, "munmap": 11, "madvise": 28, "setitimer": 38, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "socketpair": 53, "fork": 57, "wait4": 61, "kill": 62, "ftruncate": 77, "getppid": 110,
    "sched_yield": 24, "getpriority": 140, "setpriority": 141, "prctl": 157, "sched_setaffinity": 203, "timer_create": 222,
    "timer_settime": 223, "ppoll": 271, "memfd_create": 319, "close_range": 436,
}  # fmt: skip
EXIT, EXIT_GROUP, MUNMAP = 60, 231, 11
AUDIT_ARCH_X86_64 = 0xC000003E
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000


class BuildError(Exception):
    """The nucleus cannot be built here; the message says why."""


# The classic BPF filter -----------------------------------------------------------------------------------------------


class Jump(NamedTuple):
    """A comparison of the loaded word with `value`; labels say where to go, None falls through."""

    operation: int
    value: int
    then: str | None = None
    orelse: str | None = None


def _load(offset: int) -> Jump:
    return Jump(0x20, offset)  # BPF_LD | BPF_W | BPF_ABS: a word of struct seccomp_data


def _return(action: int) -> Jump:
    return Jump(0x06, action)


def filter_program(text: range, trampoline_return: int) -> bytes:
    """x86-64 `exit` and `exit_group` from anywhere, the nucleus's out of `text`, `munmap` out of the trampoline.

    The kernel shows the address of the instruction *after* `syscall`. Everything else kills the process.
    """
    if text.start >> 32 != (text.stop >> 32) or text.start >> 32 != trampoline_return >> 32:
        raise BuildError("text and trampoline must lie in the same 4 GiB")
    equal, at_least = 0x15, 0x35  # BPF_JMP | BPF_JEQ, BPF_JGE with a constant
    low = 0xFFFFFFFF
    code: list[Jump | str] = [
        _load(4), Jump(equal, AUDIT_ARCH_X86_64, None, "kill"),
        _load(0), Jump(equal, EXIT, "allow"), Jump(equal, EXIT_GROUP, "allow"),
        _load(12), Jump(equal, text.start >> 32, None, "kill"),
        _load(8), Jump(equal, trampoline_return & low, "trampoline"),
        Jump(at_least, (text.start & low) + 1, None, "kill"), Jump(at_least, (text.stop & low) + 1, "kill"),
        _load(0), *(Jump(equal, number, "allow") for number in sorted(OWN_CALLS.values())),
        "kill", _return(KILL_PROCESS),
        "trampoline", _load(0), Jump(equal, MUNMAP, "allow", "kill_too"),
        "kill_too", _return(KILL_PROCESS),
        "allow", _return(ALLOW),
    ]  # fmt: skip
    return _encode_filter(code)


def _encode_filter(code: list[Jump | str]) -> bytes:
    labels: dict[str, int] = {}
    program: list[Jump] = []
    for item in code:
        if isinstance(item, str):
            labels[item] = len(program)
        else:
            program.append(item)

    def distance(index: int, label: str | None) -> int:
        return 0 if label is None else labels[label] - index - 1

    return b"".join(
        struct.pack("<HBBI", jump.operation, distance(index, jump.then), distance(index, jump.orelse), jump.value)
        for index, jump in enumerate(program)
    )


# Reading the object ---------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A section of a relocatable object. `data` is None for zeroed ones."""

    name: str
    kind: int
    flags: int
    data: bytes | None
    size: int
    link: int
    info: int
    align: int


class Symbol(NamedTuple):
    """A symbol: `section` 0 is undefined."""

    name: str
    section: int
    value: int


def read_sections(elf: bytes) -> list[Section]:
    """All sections of an ELF64 object, by number."""
    offset, count, names_index = struct.unpack_from("<Q", elf, 40)[0], *struct.unpack_from("<HH", elf, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, offset + 64 * i) for i in range(count)]
    names_at = headers[names_index][4]
    return [
        Section(
            name=_text(elf, names_at + name),
            kind=kind,
            flags=flags,
            data=None if kind == 8 else elf[at : at + size],
            size=size,
            link=link,
            info=info,
            align=max(align, 1),
        )
        for name, kind, flags, _address, at, size, link, info, align, _entry in headers
    ]


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def read_symbols(sections: list[Section]) -> list[Symbol]:
    """The symbol table, by number."""
    table = next(section for section in sections if section.kind == 2)
    names = sections[table.link].data or b""
    return [
        Symbol(_text(names, name), section, value)
        for name, _info, _other, section, value, _size in struct.iter_unpack("<IBBHQQ", table.data or b"")
    ]


# Linking --------------------------------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """Where things stand: the address of every kept section, and the borders of the two segments."""

    addresses: Mapping[int, int]
    text: range
    fixed: int  # where the filter goes, behind text and constants
    trampoline: int
    end: int


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def _place(sections: list[Section], numbers: list[int], at: int) -> tuple[dict[int, int], int]:
    addresses = {}
    for number in numbers:
        at = _up(at, sections[number].align)
        addresses[number] = at
        at += sections[number].size
    return addresses, at


def lay_out(sections: list[Section], filter_room: int) -> Layout:
    """Data and stack in one page, then text and constants, the trampoline's page last: one `munmap` takes all but that.

    One page of data, because each page that is written costs every fork two copies. The trampoline belongs to the
    mapping of the text: one page fault brings both.
    """
    kept = [i for i, section in enumerate(sections) if section.flags & 2 and section.size]
    code = [i for i in kept if sections[i].flags & 4 and sections[i].name != ".trampoline"]
    constants = [i for i in kept if not sections[i].flags & 5]
    data = [i for i in kept if sections[i].flags & 1]
    trampoline = next(i for i in kept if sections[i].name == ".trampoline")
    addresses, data_end = _place(sections, data, BASE)
    if data_end > BASE + PAGE:
        raise BuildError(f"stack and data have {data_end - BASE} bytes, more than a page")
    more, text_end = _place(sections, code, BASE + PAGE)
    addresses |= more
    more, fixed = _place(sections, constants, text_end)
    addresses |= more
    fixed = _up(fixed, 8)
    addresses[trampoline] = _up(fixed + filter_room, PAGE)
    end = addresses[trampoline] + _up(sections[trampoline].size, PAGE)
    return Layout(addresses, range(BASE + PAGE, text_end), fixed, addresses[trampoline], end)


def _relocate(memory: bytearray, at: int, kind: int, value: int) -> None:
    where = at - BASE
    if kind == 1:  # R_X86_64_64
        struct.pack_into("<Q", memory, where, value)
    elif kind in (2, 4):  # R_X86_64_PC32, R_X86_64_PLT32
        struct.pack_into("<i", memory, where, value - at)
    else:
        raise BuildError(f"relocation type {kind} is not known")


def link(elf: bytes) -> bytes:
    """A relocatable object of the nucleus to the executable."""
    sections = read_sections(elf)
    symbols = read_symbols(sections)
    filter_room = 8 + len(filter_program(range(BASE, BASE + 1), BASE))
    layout = lay_out(sections, filter_room)
    memory = bytearray(layout.end - BASE)
    for number, address in layout.addresses.items():
        content = sections[number].data
        if content:
            memory[address - BASE : address - BASE + len(content)] = content
    values = _symbol_values(symbols, layout)
    if values["stack"] != BASE:
        raise BuildError("the stack must begin where nothing lies below: a run over its end is a fault")
    program = filter_program(layout.text, values["trampoline_return"])
    struct.pack_into("<Q", memory, layout.fixed - BASE, len(program) // 8)
    memory[layout.fixed - BASE + 8 : layout.fixed - BASE + 8 + len(program)] = program
    for target, at, kind, symbol, addend in _relocations(sections):
        if target not in layout.addresses:
            continue
        base = _value_of(symbols[symbol], layout, values)
        _relocate(memory, layout.addresses[target] + at, kind, base + addend)
    return _executable(bytes(memory), layout, values["_start"])


def _symbol_values(symbols: list[Symbol], layout: Layout) -> dict[str, int]:
    values = {
        symbol.name: layout.addresses[symbol.section] + symbol.value
        for symbol in symbols
        if symbol.name and symbol.section in layout.addresses
    }
    return values | {
        "filter": layout.fixed,
        "nucleus_base": BASE,
        "nucleus_limit": layout.trampoline,
        "trampoline_limit": layout.end,
    }


def _value_of(symbol: Symbol, layout: Layout, values: Mapping[str, int]) -> int:
    if symbol.section in layout.addresses:
        return layout.addresses[symbol.section] + symbol.value
    if symbol.name not in values:
        raise BuildError(f"undefined symbol {symbol.name}")
    return values[symbol.name]


def _relocations(sections: list[Section]) -> Iterator[tuple[int, int, int, int, int]]:
    for section in sections:
        if section.kind == 4:  # SHT_RELA
            for offset, info, addend in struct.iter_unpack("<QQq", section.data or b""):
                yield section.info, offset, info & 0xFFFFFFFF, info >> 32, addend


def _executable(memory: bytes, layout: Layout, entry: int) -> bytes:
    """The file: a page of headers, then memory as it is. Zeroed data stand in the file: loaders differ about gaps."""
    parts = [(6, BASE, layout.text.start), (5, layout.text.start, layout.end)]
    headers = b"".join(
        struct.pack("<IIQQQQQQ", 1, flags, PAGE + start - BASE, start, start, stop - start, stop - start, PAGE)
        for flags, start, stop in parts
    )
    headers += struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK: not executable
    count = len(parts) + 1
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, 62, 1, entry, 64, 0, 0, 64, 56, count, 64, 0, 0)
    return (head + headers).ljust(PAGE, b"\0") + memory


# Assembling -----------------------------------------------------------------------------------------------------------


def assemble(text: str) -> bytes:
    """LLVM text IR to a relocatable object, for any x86-64, without any floating point or vector instruction."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    # No register of the image's initial FPU state can be touched by code that knows none.
    features = "-sse,-sse2,-mmx,-x87,+soft-float"
    machine: Any = target.create_target_machine(cpu="x86-64", features=features, opt=2, reloc="pic", codemodel="small")
    module = llvm.parse_assembly(text)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=1)
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def build(source: Path) -> bytes:
    """The executable made from the text at `source`."""
    return link(assemble(source.read_text()))


def install(folder: Path, source: Path = HERE, *, pin: bool = False) -> Path:
    """Builds `nucleus.elf` into `folder`. Raises `BuildError` unless it has the pinned hash; `pin` renews the pin."""
    content = build(source / "nucleus.ll")
    digest = hashlib.sha256(content).hexdigest()
    pinned = source / "nucleus.sha256"
    if pin:
        pinned.write_text(digest + "\n")
    if not pinned.exists() or pinned.read_text().strip() != digest:
        raise BuildError(
            f"the nucleus built here has hash {digest}, not the pinned one: wrong llvmlite, or an edit without --pin"
        )
    path = folder / "nucleus.elf"
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(content)
    beside.chmod(0o755)
    beside.replace(path)
    return path


def main() -> int:
    """`python -m dandc.isolation.build [--pin]`: rebuilds in place; with `--pin` accepts the new hash."""
    try:
        path = install(HERE, pin="--pin" in sys.argv[1:])
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
