"""Value semantics survive in-place mutation, and loops give their memory back."""

import pytest
from agreement import agree, kernel, value, values
from native import run_native

from dandc.compiler.kir_text import parse_kernel, print_kernel
from dandc.compiler.passes import ownership, regions


def test_a_share_does_not_see_later_changes() -> None:
    """`share` of a var, then appends and stores: the share keeps what it saw; so does a share of the share."""
    text = """kernel "k"
param one "n": i64
output set "r": array[i64]
fn "k"(%0 "n": i64) -> unit {
  var %1 "xs": array[i64]
  let %2 "a": array[i64]
  let %3 "b": array[i64]
  %1 = array(%0, 2:i64)
  %2 = share %1
  append %1, 3:i64
  store %1[0:i64], 9:i64
  %3 = share %2
  emit 0 value=%1
  emit 0 value=%2
  emit 0 value=%3
}
"""
    (result,) = agree(text, [[1]])
    assert [[9, 2, 3], [1, 2], [1, 2]] == [e.value for e in result.emissions]


def test_inner_buffers_of_a_copied_array_are_shared() -> None:
    """After the outer array was copied, changing an element's buffer does not show in the share."""
    text = """kernel "k"
param one "n": i64
output set "r": array[array[i64]]
fn "k"(%0 "n": i64) -> unit {
  var %1 "xs": array[array[i64]]
  let %2 "row": array[i64]
  let %3 "old": array[array[i64]]
  %2 = array(%0, 2:i64)
  %1 = array(%2)
  %3 = share %1
  append %1[0:i64], 3:i64
  store %1[0:i64][0:i64], 7:i64
  emit 0 value=%3
  emit 0 value=%1
}
"""
    (result,) = agree(text, [[1]])
    assert [[[1, 2]], [[7, 2, 3]]] == [e.value for e in result.emissions]


def test_an_element_moved_or_shared_out_of_an_array() -> None:
    """Changing what was taken out of an array leaves the array alone, and the other way round."""
    for mode in ("share", "move"):
        text = f"""kernel "k"
param one "n": i64
output set "r": array[i64]
fn "k"(%0 "n": i64) -> unit {{
  var %1 "xs": array[array[i64]]
  let %2 "row": array[i64]
  var %3 "mine": array[i64]
  let %4 "keep": array[array[i64]]
  %2 = array(%0, 2:i64)
  %1 = array(%2)
  %4 = share %1
  %3 = {mode} %1[0:i64]
  append %3, 5:i64
  emit 0 value=%3
  %2 = share %4[0:i64]
  emit 0 value=%2
}}
"""
        (result,) = agree(text, [[1]])
        assert [[1, 2, 5], [1, 2]] == [e.value for e in result.emissions]


def test_views_survive_changes_of_what_they_view() -> None:
    """A slice of a var, kept while the var is changed in place."""
    text = """kernel "k"
param one "n": i64
output set "r": str
fn "k"(%0 "n": i64) -> unit {
  var %1 "s": str
  let %2 "view": str
  let %3 "b": str
  %1 = "":str
  extend %1, "abcdef":str
  %3 = borrow %1
  %2 = slice(%3, 1:i64, 3:i64)
  truncate %1, 0:i64
  extend %1, "XYZXYZ":str
  emit 0 value=%2
  emit 0 value=%1
}
"""
    (result,) = agree(text, [[1]])
    assert ["bc", "XYZXYZ"] == [e.value for e in result.emissions]


def test_a_callee_that_keeps_a_view_of_its_parameter() -> None:
    """The caller's var is shared when a callee keeps a part of what it was lent, through two levels of calls."""
    text = """kernel "k"
param one "n": i64
output set "r": str
fn "k"(%0 "n": i64) -> unit {
  var %1 "s": str
  let %2 "view": str
  %1 = "":str
  extend %1, "abcdef":str
  %2 = call "outer"(%1)
  store %1, "":str
  extend %1, "QQQQQQ":str
  emit 0 value=%2
}
fn "outer"(%0 "s": str) -> str {
  let %1 "r": str
  %1 = call "inner"(%0)
  return %1
}
fn "inner"(%0 "s": str) -> str {
  let %1 "r": str
  %1 = slice(%0, 2:i64, 4:i64)
  return %1
}
"""
    assert ["cd"] == values(agree(text, [[1]]))


def test_inout_changes_the_callers_place() -> None:
    """A part of a record in an array, changed through two calls; the share taken before does not change."""
    text = """kernel "k"
param one "n": i64
output set "r": array[m.P]
record "m.P" {"n": i64, "xs": array[str]}
fn "k"(%0 "n": i64) -> unit {
  var %1 "ps": array[m.P]
  let %2 "p": m.P
  let %3 "xs": array[str]
  let %4 "old": array[m.P]
  %3 = array("a":str)
  %2 = make(%0, %3)
  %1 = array(%2)
  %4 = share %1
  call "add"(inout %1[0:i64], "b":str)
  call "add"(inout %1[0:i64], "c":str)
  emit 0 value=%1
  emit 0 value=%4
}
fn "add"(inout %0 "p": m.P, %1 "s": str) -> unit {
  let %2 "n": i64
  call "push"(inout %0.1, %1)
  %2 = borrow %0.0
  %2 = add(%2, 1:i64)
  store %0.0, %2
}
fn "push"(inout %0 "xs": array[str], %1 "s": str) -> unit {
  let %2 "s": str
  %2 = share %1
  append %0, %2
}
"""
    (result,) = agree(text, [[1]])
    assert [[(3, ["a", "b", "c"])], [(1, ["a"])]] == [e.value for e in result.emissions]


def test_self_extension() -> None:
    """A text extended by itself, again and again, over every growth of its buffer."""
    text = """kernel "k"
param one "n": i64
output one "r": str
fn "k"(%0 "n": i64) -> unit {
  var %1 "s": str
  let %2 "i": i64
  let %3 "t": str
  %1 = "ab":str
  for %2 = 0:i64 to %0 {
    %3 = share %1
    extend %1, %3
    extend %1, %1
  }
  emit 0 value=%1
}
"""
    assert ["ab", "ab" * 4, "ab" * 64] == values(agree(text, [[0], [1], [3]]))


def test_extension_of_an_empty_view_by_what_it_views() -> None:
    """An empty slice at the start of a text has the text's address, and is not the text."""
    text = """kernel "k"
param one "s": str
output one "r": str
fn "k"(%0 "s": str) -> unit {
  var %1 "v": str
  %1 = slice(%0, 0:i64, 0:i64)
  extend %1, %0
  emit 0 value=%1
}
"""
    assert ["given text"] == values(agree(text, [["given text"]]))


def test_extending_an_array_by_part_of_itself_shares_the_elements() -> None:
    """Elements that were appended twice are changed one at a time."""
    text = """kernel "k"
param one "n": i64
output set "r": array[array[i64]]
fn "k"(%0 "n": i64) -> unit {
  var %1 "xs": array[array[i64]]
  let %2 "row": array[i64]
  %2 = array(%0)
  %1 = array(%2)
  extend %1, %1
  extend %1, %1
  append %1[0:i64], 8:i64
  append %1[3:i64], 9:i64
  emit 0 value=%1
}
"""
    (result,) = agree(text, [[1]])
    assert [[1, 8], [1], [1], [1, 9]] == result.emissions[0].value


FORMAT = """kernel "k"
param one "n": i64
output set "r": i64
fn "k"(%0 "n": i64) -> unit {
  var %1 "last": str
  let %2 "i": i64
  var %3 "tmp": str
  let %4 "t": str
  let %5 "len": i64
  var %6 "sum": i64
  %1 = "":str
  %6 = 0:i64
  for %2 = 0:i64 to %0 {
    %3 = "":str
    extend %3, "some text that is longer than one block of memory ":str
    extend %3, "and more":str
    %4 = move %3
    %5 = len(%4)
    %6 = add(%6, %5)
    %1 = %4
  }
  %5 = len(%1)
  emit 0 value=%5
  emit 0 value=%6
}
"""


def test_temporaries_of_a_loop_are_given_back() -> None:
    """A text is built in every iteration and the last one kept: a million of them in 1 MiB."""
    outcome = run_native(kernel(FORMAT), [[1_000_000]], 2, heap=1 << 20)

    assert [58, 58_000_000] == [e.value for e in outcome.results[0].emissions]
    assert outcome.heap_peak < 4096


def test_growth_of_an_outer_text_is_amortised() -> None:
    """A text that outlives the loop grows in place while temporaries come and go."""
    text = """kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {
  var %1 "all": str
  let %2 "i": i64
  var %3 "tmp": str
  let %4 "len": i64
  %1 = "":str
  for %2 = 0:i64 to %0 {
    %3 = "":str
    extend %3, "0123456789":str
    extend %3, "0123456789":str
    extend %1, %3
  }
  %4 = len(%1)
  emit 0 value=%4
}
"""
    outcome = run_native(kernel(text), [[100_000]], 2, heap=8 << 20)

    assert 2_000_000 == value(outcome.results[0])
    assert agree(text, [[0], [1], [500]])


def test_elements_kept_from_a_loop() -> None:
    """Texts made in a loop go into an array outside; temporaries and old buffers do not pile up."""
    text = """kernel "k"
param one "n": i64
output one "r": array[m.L]
record "m.L" {"a": str, "b": option[bytes]}
fn "k"(%0 "n": i64) -> unit {
  var %1 "all": array[m.L]
  let %2 "i": i64
  var %3 "tmp": str
  let %4 "b": bytes
  let %5 "o": option[bytes]
  let %6 "l": m.L
  let %7 "t": str
  let %8 "c": bool
  %1 = array()
  for %2 = 0:i64 to %0 {
    %3 = "":str
    extend %3, "some text that is long":str
    extend %3, "er than a block":str
    %7 = share %3
    %4 = to_bytes(%3)
    %5 = variant 1(%4)
    %6 = make(%7, %5)
    append %1, %6
    %8 = gt(%2, 5:i64)
    if %8 {
      truncate %1, 2:i64
    }
  }
  emit 0 value=%1
}
"""
    few = agree(text, [[0], [1], [2], [7], [30]])
    assert [0, 1, 2, 2, 2] == [len(v) for v in values(few)]

    many = run_native(parse_kernel(text), [[1_000_000]], 2, heap=64 << 10)
    assert "ok" == many.results[0].state


def test_what_is_kept_is_not_overwritten_by_later_iterations() -> None:
    """Every iteration builds another text where the last one was built; what was kept of the earlier ones stays."""
    text = """kernel "k"
param one "n": i64
output one "all": array[m.L]
output one "last": str
output one "some": option[bytes]
record "m.L" {"a": str, "b": option[bytes]}
fn "k"(%0 "n": i64) -> unit {
  var %1 "all": array[m.L]
  let %2 "i": i64
  var %3 "tmp": str
  let %4 "b": bytes
  let %5 "o": option[bytes]
  let %6 "l": m.L
  let %7 "t": str
  var %8 "last": str
  let %9 "some": option[bytes]
  let %10 "end": i64
  %1 = array()
  %8 = "":str
  %9 = variant 0()
  for %2 = 0:i64 to %0 {
    %3 = "":str
    %10 = add(%2, 35:i64)
    %7 = slice("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ":str, %2, %10)
    extend %3, %7
    %7 = share %3
    %4 = to_bytes(%3)
    %5 = variant 1(%4)
    %6 = make(%7, %5)
    %5 = share %6.1
    append %1, %6
    %8 = %3
    %9 = move %5
  }
  emit 0 value=%1
  emit 1 value=%8
  emit 2 value=%9
}
"""
    assert "release" in print_kernel(regions.run(parse_kernel(text)))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ"
    parts = [letters[i : i + 35] for i in range(6)]
    (result,) = agree(text, [[6]])

    assert parts == [line[0] for line in result.emissions[0].value]
    assert [p.encode() for p in parts] == [line[1].fields[0] for line in result.emissions[0].value]
    assert parts[-1] == result.emissions[1].value
    assert parts[-1].encode() == result.emissions[2].value.fields[0]


def test_results_of_calls_are_given_back() -> None:
    """A callee builds its result out of many parts in a loop of its own; a million calls run in 1 MiB."""
    text = """kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {
  let %1 "i": i64
  let %2 "xs": array[str]
  let %3 "len": i64
  var %4 "sum": i64
  %4 = 0:i64
  for %1 = 0:i64 to %0 {
    %2 = call "build"(%1)
    %3 = len(%2)
    %4 = add(%4, %3)
  }
  emit 0 value=%4
}
fn "build"(%0 "n": i64) -> array[str] {
  var %1 "xs": array[str]
  let %2 "i": i64
  var %3 "t": str
  let %4 "u": str
  let %5 "r": array[str]
  %1 = array()
  for %2 = 0:i64 to 5:i64 {
    %3 = "":str
    extend %3, "a text that is longer than thirty-two bytes":str
    %4 = move %3
    append %1, %4
  }
  %5 = move %1
  return %5
}
"""
    outcome = run_native(kernel(text), [[300_000]], 2, heap=1 << 20)

    assert 1_500_000 == value(outcome.results[0])
    assert [0, 15] == values(agree(text, [[0], [3]]))


def test_a_stack_of_texts() -> None:
    """Push and pop of texts in one loop: what was moved out of the array is given back."""
    text = """kernel "k"
param one "n": i64
output one "r": str
fn "k"(%0 "n": i64) -> unit {
  var %1 "stack": array[str]
  let %2 "i": i64
  var %3 "t": str
  let %4 "u": str
  let %5 "last": i64
  %1 = array()
  %4 = "":str
  for %2 = 0:i64 to %0 {
    %3 = "":str
    extend %3, "a text that is longer than thirty-two bytes":str
    %4 = move %3
    append %1, %4
    %5 = len(%1)
    %5 = sub(%5, 1:i64)
    %4 = move %1[%5]
    truncate %1, %5
  }
  emit 0 value=%4
}
"""
    outcome = run_native(kernel(text), [[1_000_000]], 2, heap=64 << 10)

    assert "a text that is longer than thirty-two bytes" == value(outcome.results[0])


def test_an_inout_parameter_that_is_consumed_and_set_anew() -> None:
    """What was an `inout` parameter's value lives on in an array; the parameter's new value does not take its memory."""
    text = """kernel "k"
param one "n": i64
output set "r": array[str]
fn "k"(%0 "n": i64) -> unit {
  var %1 "s": str
  var %2 "all": array[str]
  let %3 "i": i64
  %1 = "":str
  %2 = array()
  for %3 = 0:i64 to %0 {
    call "turn"(inout %1, inout %2)
  }
  emit 0 value=%2
}
fn "turn"(inout %0 "s": str, inout %1 "all": array[str]) -> unit {
  let %2 "t": str
  extend %0, "a text that is longer than thirty-two bytes":str
  append %1, %0
  %0 = "":str
  extend %0, "0123456789012345678901234567890123456789":str
  truncate %0, 3:i64
}
"""
    (result,) = agree(text, [[4]])
    first = "a text that is longer than thirty-two bytes"
    assert [first, *["012" + first] * 3] == result.emissions[0].value


def test_a_local_that_borrows_first_and_owns_later() -> None:
    """An alias that a loop replaces by texts of its own does not take the memory of what it was an alias of."""
    text = """kernel "k"
param one "n": i64
output set "r": str
fn "k"(%0 "n": i64) -> unit {
  var %1 "s": str
  let %2 "alias": str
  let %3 "i": i64
  var %4 "t": str
  let %5 "big": str
  %1 = "":str
  for %3 = 0:i64 to %0 {
    %4 = "":str
    extend %4, "a text that is longer than thirty-two bytes":str
    extend %1, %4
  }
  %2 = borrow %1
  for %3 = 0:i64 to %0 {
    %4 = "":str
    extend %4, %2
    extend %4, "another text that is longer than thirty-two bytes":str
    truncate %4, 40:i64
    %5 = move %4
    %2 = %5
  }
  extend %1, "!":str
  emit 0 value=%1
}
"""
    (result,) = agree(text, [[4]])
    assert "a text that is longer than thirty-two bytes" * 4 + "!" == result.emissions[0].value


def test_memory_runs_out_with_a_trap() -> None:
    """An endless growth is `limit.memory`, and the next instance has the whole heap again."""
    text = """kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {
  var %1 "s": array[i64]
  let %2 "i": i64
  %1 = array()
  for %2 = 0:i64 to %0 {
    append %1, %2
  }
  %2 = len(%1)
  emit 0 value=%2
}
"""
    for opt in (0, 2):
        results = run_native(kernel(text), [[1 << 40], [10_000], [1 << 40]], opt, heap=1 << 20).results
        assert ["limit.memory", "", "limit.memory"] == [r.trap for r in results]


@pytest.mark.parametrize("size", ["9223372036854775807", "1152921504606846976", "1000000000000", "100000000"])
def test_absurd_sizes(size: str) -> None:
    """Sizes near the limits of a multiplication are `limit.memory`, never a small buffer."""
    text = f"""kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {{
  var %1 "xs": array[i64]
  let %2 "c": bool
  %2 = eq(%0, 0:i64)
  if %2 {{
    %1 = array_filled({size}:i64, 1:i64)
  }} else {{
    %1 = array()
    reserve %1, {size}:i64
  }}
}}
"""
    for opt in (0, 2):
        results = run_native(parse_kernel(text), [[0], [1]], opt, heap=1 << 20).results
        assert ["limit.memory"] * 2 == [r.trap for r in results]


def test_regions_pass() -> None:
    """The loop that builds temporaries is a region; one that keeps an array of arrays is not."""
    marked = print_kernel(regions.run(parse_kernel(FORMAT)))
    assert "for %2 = 0:i64 to %0 release {" in marked

    deep = """kernel "k"
param one "n": i64
fn "k"(%0 "n": i64) -> unit {
  var %1 "all": array[array[array[i64]]]
  let %2 "i": i64
  let %3 "a": array[i64]
  let %4 "b": array[array[i64]]
  %1 = array()
  for %2 = 0:i64 to %0 {
    %3 = array(%2)
    %4 = array(%3)
    append %1, %4
  }
}
"""
    assert "release" not in print_kernel(regions.run(parse_kernel(deep)))


def test_functions_without_heap_in_their_result_are_regions() -> None:
    """What a call allocates is given back if nothing of it can come out."""
    text = """kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {
  let %1 "i": i64
  let %2 "c": bool
  let %3 "r": i64
  %1 = 0:i64
  loop {
    %2 = ge(%1, %0)
    if %2 {
      break
    }
    %3 = call "f"(%1)
    %1 = add(%1, 1:i64)
  }
  emit 0 value=%1
}
fn "f"(%0 "n": i64) -> i64 {
  var %1 "s": array[i64]
  let %2 "r": i64
  %1 = array_filled(100:i64, %0)
  %2 = len(%1)
  return %2
}
"""
    assert "-> i64 release {" in print_kernel(regions.run(parse_kernel(text)))
    assert 1_000_000 == value(run_native(kernel(text), [[1_000_000]], 0, heap=64 << 10).results[0])


def test_ownership_pass() -> None:
    """A borrow that is viewed becomes a share, and so does what a keeping callee is lent."""
    text = """kernel "k"
param one "s": str
output set "r": str
fn "k"(%0 "s": str) -> unit {
  let %1 "b": str
  let %2 "v": str
  %1 = borrow %0
  %2 = call "f"(%1)
}
fn "f"(%0 "s": str) -> str {
  let %1 "v": str
  %1 = to_bytes(%0)
  return %1
}
""".replace("to_bytes(%0)", "slice(%0, 0:i64, 0:i64)")
    printed = print_kernel(ownership.run(parse_kernel(text)))
    assert '%1 = share %0\n  %3 = share %1\n  %2 = call "f"(%3)' in printed
    assert "%2 = share %0\n  %1 = slice(%2, 0:i64, 0:i64)" in printed
