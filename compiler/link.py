"""One relocatable object becomes a static image (`docs/image.md`): the smallest linker that can do that.

An image calls nothing, so an undefined symbol or a relocation that is not known here is an error, never a guess: linking is
also the proof that a kernel is complete. The result depends on the object's bytes alone.
"""

import struct

from attrs import field

from dandc.lang.values import frozen

BASE = 0x20000000  # clear of programs that are linked for fixed addresses, as some Python interpreters are: see `isolation/inline.py`
LIMIT = 0x40000000
PAGE = 4096

_EXECUTE, _WRITE, _READ = 1, 2, 4
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SHT_SYMTAB, _SHT_RELA, _SHT_NOBITS, _SHT_REL = 2, 4, 8, 9
_ABS = 0xFFF1

# Relocation types of x86-64: number -> (bytes, signed, relative to the place).
_RELOCATIONS = {
    1: (8, False, False),  # R_X86_64_64
    2: (4, True, True),  # R_X86_64_PC32
    4: (4, True, True),  # R_X86_64_PLT32: every callee is in this image
    10: (4, False, False),  # R_X86_64_32
    11: (4, True, False),  # R_X86_64_32S
    24: (8, True, True),  # R_X86_64_PC64
}


@frozen(slots=True)
class LinkError:
    """Why an object cannot become an image."""

    reason: str


class _Problem(Exception):
    """Carries a reason to the front of this module."""


@frozen
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


@frozen
class _Symbol:
    name: str
    section: int
    value: int


@frozen
class _Segment:
    """A run of sections with the same rights, at its final address."""

    flags: int
    address: int
    data: bytearray = field(repr=False)


def link(obj: bytes, base: int = BASE, limit: int = LIMIT) -> bytes | LinkError:
    """The image with the code and data of `obj`, entered at its symbol `_start`; segments lie in `[base, limit)`."""
    try:
        return _link(obj, base, limit)
    except _Problem as problem:
        return LinkError(str(problem))
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        return LinkError(f"the object is damaged: {error}")


def _link(obj: bytes, base: int, limit: int) -> bytes:
    if obj[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", obj, 16) != (1, 62):
        raise _Problem("not a relocatable x86-64 object")
    sections = _sections(obj)
    segments, addresses = _place(obj, sections, base)
    if segments and segments[-1].address + len(segments[-1].data) > limit:
        raise _Problem("the image is too large")
    symbols = _symbols(obj, sections)
    for section in sections:
        if section.kind == _SHT_REL and sections[section.info].flags & _SHF_ALLOC:
            raise _Problem("relocations without addends")
        if section.kind == _SHT_RELA and section.info in addresses:
            _relocate(obj, section, segments, addresses, symbols)
    start = next((s for s in symbols if s.name == "_start" and s.section in addresses), None)
    if start is None:
        raise _Problem("there is no `_start`")
    return _image(segments, addresses[start.section] + start.value)


def _sections(obj: bytes) -> list[_Section]:
    (table,) = struct.unpack_from("<Q", obj, 40)
    size, count, names = struct.unpack_from("<HHH", obj, 58)
    rows = [struct.unpack_from("<IIQQQQIIQQ", obj, table + i * size) for i in range(count)]
    strings = rows[names][4]
    return [
        _Section(_string(obj, strings + name), kind, flags, offset, length, link, info, align, entry)
        for name, kind, flags, _, offset, length, link, info, align, entry in rows
    ]


def _string(obj: bytes, at: int) -> str:
    return obj[at : obj.index(b"\0", at)].decode()


def _rights(section: _Section) -> int:
    if section.flags & _SHF_EXECINSTR:
        return _READ | _EXECUTE
    return _READ | _WRITE if section.flags & _SHF_WRITE else _READ


def _place(obj: bytes, sections: list[_Section], base: int) -> tuple[list[_Segment], dict[int, int]]:
    """The segments in order of address, and the address of every section that is in one."""
    segments: list[_Segment] = []
    addresses: dict[int, int] = {}
    at = base
    for rights in (_READ | _EXECUTE, _READ, _READ | _WRITE):
        segment = _Segment(rights, at, bytearray())
        for number, section in enumerate(sections):
            if section.flags & _SHF_ALLOC and _rights(section) == rights and section.size:
                addresses[number] = _append(obj, section, segment)
        if segment.data:
            segments.append(segment)
            at = _up(at + len(segment.data), PAGE)
    for number, section in enumerate(sections):
        if section.flags & _SHF_ALLOC and not section.size:
            addresses[number] = base
    return segments, addresses


def _append(obj: bytes, section: _Section, segment: _Segment) -> int:
    if section.align > PAGE:
        raise _Problem(f"section `{section.name}` wants alignment {section.align}")
    address = _up(segment.address + len(segment.data), max(section.align, 1))
    segment.data.extend(bytes(address - segment.address - len(segment.data)))
    if section.kind == _SHT_NOBITS:
        segment.data.extend(bytes(section.size))
    else:
        segment.data.extend(obj[section.offset : section.offset + section.size])
    return address


def _up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


def _symbols(obj: bytes, sections: list[_Section]) -> list[_Symbol]:
    table = next((s for s in sections if s.kind == _SHT_SYMTAB), None)
    if table is None:
        raise _Problem("there are no symbols")
    strings = sections[table.link].offset
    found = []
    for at in range(table.offset, table.offset + table.size, table.entry):
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", obj, at)
        found.append(_Symbol(_string(obj, strings + name), section, value))
    return found


def _relocate(
    obj: bytes, table: _Section, segments: list[_Segment], addresses: dict[int, int], symbols: list[_Symbol]
) -> None:
    target = addresses[table.info]
    segment = next(s for s in segments if s.address <= target < s.address + len(s.data))
    for at in range(table.offset, table.offset + table.size, table.entry):
        offset, info, addend = struct.unpack_from("<QQq", obj, at)
        address = target + offset
        value = _address(symbols[info >> 32], addresses) + addend
        _patch(segment, address, info & 0xFFFFFFFF, value)


def _address(symbol: _Symbol, addresses: dict[int, int]) -> int:
    if symbol.section == _ABS:
        return symbol.value
    if symbol.section == 0:
        raise _Problem(f"undefined symbol `{symbol.name}`")
    if symbol.section not in addresses:
        raise _Problem(f"symbol `{symbol.name}` is not in memory")
    return addresses[symbol.section] + symbol.value


def _patch(segment: _Segment, address: int, kind: int, value: int) -> None:
    if kind not in _RELOCATIONS:
        raise _Problem(f"unknown relocation {kind}")
    size, signed, relative = _RELOCATIONS[kind]
    if relative:
        value -= address
    try:
        data = value.to_bytes(size, "little", signed=signed)
    except OverflowError as error:
        raise _Problem("a relocation is out of range") from error
    at = address - segment.address
    if at + size > len(segment.data):
        raise _Problem("a relocation is outside its section")
    segment.data[at : at + size] = data


def _image(segments: list[_Segment], entry: int) -> bytes:
    headers = 64 + 56 * len(segments)
    offset = _up(headers, PAGE)
    image = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9))
    image += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    places = []
    for segment in segments:
        size = len(segment.data)
        image += struct.pack("<IIQQQQQQ", 1, segment.flags, offset, segment.address, segment.address, size, size, PAGE)
        places.append((offset, segment.data))
        offset = _up(offset + size, PAGE)
    for place, data in places:
        image += bytes(place - len(image)) + data
    return bytes(image)
