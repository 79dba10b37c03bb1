"""The text form of kernel IR, its verifier, and the linker: what they accept and what they refuse."""

import struct

import pytest
from agreement import kernel
from hypothesis import given
from hypothesis import strategies as st
from native import _launcher
from test_memory import FORMAT

from dandc.compiler import codegen
from dandc.compiler.codegen import llvm
from dandc.compiler.kir import Kernel
from dandc.compiler.kir_text import KirTextError, parse_kernel, print_kernel
from dandc.compiler.link import LinkError, link
from dandc.compiler.type_text import TypeTextError, parse_type
from dandc.compiler.verify import verify

EVERYTHING = """kernel "every \\"thing\\""
param one "x": i64
param set "s": str => main.L
param optional "o": (i64, str)
output one "r": i64
output set "e": (str, u8) => bytes
record "main.L" {"time": i64, "text": str}
enum "main.E" {"a"(), "b"(i64, str)}
record "main.N" {"a" as "@a": i64, "b" as "b": str}
enum "main.V" {"a" as "a\\"b"(), "b" as "b"(i64)}
file 0 "main.dnd"
file 1 "other.dnd"

fn "k"(%0 "x": i64, %1 "s": set[str => main.L], %2 "o": option[(i64, str)]) -> unit release {
  var %3 "t": i64
  let %4 "c": bool
  let %5 "f": f64
  let %6 "b": bytes
  var %7 "xs": array[main.E]
  let %8 "e": main.E
  let %9 "u": unit
  %3 = -5:i64
  %5 = 0x1.8000000000000p+1:f64
  %5 = nan:f64
  %5 = -inf:f64
  %6 = x"00ff"
  %9 = ()
  %4 = true
  %8 = variant 1(%3, "a\\u00e9\\n\\" @1-2":str)
  %7 = array(%8)
  for %3 = 0:i64 to %0 release {
    %4 = lt(%3, 5:i64) @1-2
    if %4 { @1:3-5
      %3 = add(%3, %3) @4-9
    } else {
      switch %3 {
        case 1 {
          break
        }
        case -1 {
          continue
        }
        default {
        }
      }
    }
  }
  loop {
    loop release {
      trap trap.unreachable @7-8
    }
  }
  store %7[%3]!1.0, 5:i64
  %3 = borrow %7[0:i64]!1.0
  append %7, %8
  truncate %7, 0:i64
  call "f"(%0, inout %7[%3]) @1:1-2
  %3 = call "f"()
  emit 1 key=%8 name="n":str value=%6 @4-9
  emit 0 value=%3
  note "x":str
  fail "y":str
  return
}

fn "f"(inout %0 "xs": array[i64]) -> array[i64] {
  return %0
}
"""


def test_text_round_trip() -> None:
    """Printing what was parsed gives the text back, and parsing that the kernel."""
    parsed = parse_kernel(EVERYTHING)

    assert EVERYTHING == print_kernel(parsed)
    assert repr(parsed) == repr(parse_kernel(print_kernel(parsed)))  # `repr`, because NaN is not equal to itself


@given(st.integers(0, len(EVERYTHING) - 1), st.sampled_from('%{}()"=,:0ax @\n'))
def test_damaged_text_is_an_error_with_a_line(at: int, char: str) -> None:
    """One changed character gives another kernel or a `KirTextError`, never anything else."""
    damaged = EVERYTHING[:at] + char + EVERYTHING[at + 1 :]
    try:
        found: object = parse_kernel(damaged)
    except KirTextError as error:
        found = error
    assert isinstance(found, Kernel) or "line" in str(found)


@pytest.mark.parametrize(
    "text", ["i64", "array[option[(i64, str)]]", "result[m.P[i64, str], unit]", "set[(i8, u8) => array[f32]]", "a.b.C"]
)
def test_type_text(text: str) -> None:
    """The text of a type is read back."""
    assert text == str(parse_type(text))


@pytest.mark.parametrize("text", ["", "array", "array[i64", "(i64,", "i64 i64", "option[i64, i64]", "set[]", "[", "=>"])
def test_bad_type_text(text: str) -> None:
    """Anything else is refused with an offset."""
    with pytest.raises(TypeTextError):
        parse_type(text)


def body(lines: str, locals_: str = "", result: str = "unit") -> str:
    return f"""kernel "k"
param one "x": i64
output set "r": i64
output set "rk": str => array[i64]
fn "k"(%0 "x": i64) -> {result} {{
{locals_}
{lines}
}}
fn "add"(inout %0 "xs": array[i64], %1 "ys": array[i64]) -> unit {{
}}
"""


XS = 'var %1 "xs": array[i64]\nlet %2 "ys": array[i64]\nlet %3 "b": bool\nlet %4 "zs": array[array[i64]]\n'

WRONG = {
    "no value": (XS, "emit 1 value=%1", "has no value"),
    "no value on a path": (XS, "%3 = true\nif %3 {\n%2 = array(%0)\n}\nemit 1 value=%2", "has no value"),
    "wrong type": (XS, "%2 = true", "not `array[i64]`"),
    "literal too large": ("", "emit 0 value=300:u8", "not a literal"),
    "not mutable": (XS, "%2 = array()\nappend %2, 1:i64", "not mutable"),
    "consumed twice": (XS, "%2 = array()\n%4 = array(%2, %2)", "consumed twice"),
    "used after consumed": (XS, "%2 = array()\n%1 = %2\nemit 1 value=%2", "has no value"),
    "consumed in a loop": (XS, "%2 = array()\nfor %0 = 0:i64 to 3:i64 {\n%4 = array(%2)\n}", "has no value"),
    "consumed borrow": (XS, "%1 = array()\n%2 = borrow %1\n%4 = array(%2)", "only borrowed"),
    "break outside": ("", "break", "in no loop"),
    "continue outside": ("", "continue", "in no loop"),
    "unknown function": ("", 'call "g"()', "no function"),
    "wrong arguments": ("", 'call "add"(%0)', "takes 2 arguments"),
    "not inout": (XS, '%1 = array()\n%2 = array()\ncall "add"(%1, %2)', "inout in one place only"),
    "lent twice": (XS, '%1 = array()\ncall "add"(inout %1, %1)', "passed twice"),
    "alias lent": (XS, '%1 = array()\n%2 = borrow %1\ncall "add"(inout %1, %2)', "passed twice"),
    "outdated borrow": (XS, "%1 = array()\n%2 = borrow %1\nappend %1, 1:i64\nemit 1 value=%2", "has no value"),
    "borrowing var": (XS, "%1 = array()\n%1 = borrow %1", "a var borrows nothing"),
    "wrong output": ("", "emit 7 value=%0", "no output 7"),
    "key of the wrong type": (XS, "%2 = array()\nemit 1 key=%0 value=%2", "the key is"),
    "no keys": ("", 'emit 0 key="k":str value=%0', "has no keys"),
    "no field": (XS, "%2 = array()\n%0 = borrow %2.0", "no fields"),
    "index type": (XS, "%1 = array()\n%0 = borrow %1[true]", "an index is an i64"),
    "index changed": ("", "for %0 = 0:i64 to 3:i64 {\n%0 = 1:i64\n}", "its index is changed"),
    "unknown trap": ("", "trap trap.nothing", "is no trap"),
    "bad operation": ("", "%0 = sqrt(%0)", "does not take"),
    "bad conversion": (XS, "%3 = convert(%0)", "does not take"),
    "bad switch": (XS, "%3 = true\nswitch %3 {\ndefault {\n}\n}", "not `i64`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_verifier_refuses(name: str) -> None:
    """Each mistake is found, and said."""
    locals_, lines, reason = WRONG[name]
    problems = [str(p) for p in verify(parse_kernel(body(lines, locals_)))]

    assert any(reason in p for p in problems), problems


def test_the_verifier_refuses_missing_results_and_infinite_types() -> None:
    """Mistakes of a function or kernel as a whole."""
    missing = body("", result="unit") + 'fn "h"(%0 "x": bool) -> i64 {\nif %0 {\nreturn 1:i64\n}\n}\n'
    assert ["h: a path ends without a result"] == [str(p) for p in verify(parse_kernel(missing))]

    endless = 'kernel "k"\nrecord "R" {"r": R}\nfn "k"() -> unit {\nlet %0 "r": R\n}\n'
    assert "contains itself" in str(verify(parse_kernel(endless))[0])

    entry = 'kernel "k"\nparam one "x": i64\nfn "k"(%0 "x": str) -> i64 {\nreturn 1:i64\n}\n'
    reasons = [p.reason for p in verify(parse_kernel(entry))]
    assert ["the entry's parameters are not the kernel's", "the entry does not return unit"] == reasons


def test_images_are_static_and_separate_rights() -> None:
    """Segments are page aligned, in range, not writable and executable; two builds give the same bytes."""
    image, _ = codegen.compile(kernel(FORMAT))
    again, _ = codegen.compile(kernel(FORMAT))
    (entry,) = struct.unpack_from("<Q", image, 24)
    (count,) = struct.unpack_from("<H", image, 56)
    segments = [struct.unpack_from("<IIQQQQQQ", image, 64 + 56 * i) for i in range(count)]

    assert image == again
    assert all(kind == 1 and flags & 3 != 3 and offset % 4096 == address % 4096 == 0
               for kind, flags, offset, address, *_ in segments)  # fmt: skip
    assert all(0x400000 <= s[3] and s[3] + s[6] <= 0x40000000 for s in segments)
    assert any(s[3] <= entry < s[3] + s[6] and s[1] & 1 for s in segments)
    assert b"syscall" not in image
    assert 1 == image.count(b"\x0f\x05")


def test_the_linker_refuses_undefined_symbols() -> None:
    """An image that would call something is no image."""
    obj = llvm.emit_object("declare void @g()\ndefine void @_start() {\n call void @g()\n ret void\n}", 0, "x86-64-v2")
    assert LinkError("undefined symbol `g`") == link(obj)

    nothing = llvm.emit_object("define void @f() {\n ret void\n}", 0, "x86-64-v2")
    assert LinkError("there is no `_start`") == link(nothing)


@given(st.binary(max_size=200))
def test_the_linker_survives_rubbish(data: bytes) -> None:
    """Anything that is no object is an error value."""
    assert isinstance(link(b"\x7fELF\x02\x01" + data), LinkError)


def test_bad_ir_is_an_exception() -> None:
    """Wrong LLVM IR and unknown targets raise before LLVM can abort."""
    with pytest.raises(RuntimeError):
        llvm.emit_object("define void @f() {\n call void @g()\n ret void\n}", 2, "x86-64-v2")
    with pytest.raises(ValueError, match="unknown target"):
        llvm.emit_object("", 2, "no-such-cpu")
    assert _launcher()
