"""How instances end: results, traps, failures, notes, limits; and that one never disturbs the next."""

import pytest
from agreement import agree, kernel, value, values
from native import run_native

from dandc.compiler.limits import CALL_DEPTH, NOTE_BYTES, NOTE_COUNT

ENDS = """kernel "ends"
param one "how": i64
param one "text": str
output set "r": str => i64
output optional "t": str
file 0 "m"
fn "ends"(%0 "how": i64, %1 "text": str) -> unit {
  let %2 "x": i64
  emit 0 key="first":str value=%0
  note "before":str
  emit 1 name=%1 value=%1
  note %1
  switch %0 {
    case 1 {
      %2 = floordiv(1:i64, 0:i64) @3-7
    }
    case 2 {
      fail %1 @8-9
    }
    case 3 {
      trap trap.unreachable @1-2
    }
    case 4 {
      return
    }
    default {
      emit 0 key="last":str name="n":str value=%0
    }
  }
  emit 0 value=7:i64
}
"""


def test_an_instance_that_stops_leaves_notes_and_no_items() -> None:
    """Trap, fail and trap instruction between instances that finish: all items are those of the finished ones."""
    results = agree(ENDS, [[how, text] for text in ("", "why é") for how in (0, 1, 2, 3, 4, 0)])

    assert ["ok", "trap", "fail", "trap", "ok", "ok"] * 2 == [r.state for r in results]
    assert ["trap.division", "trap.unreachable"] == [results[1].trap, results[3].trap]
    assert ("before", "why é") == results[7].notes
    assert ("why é", 8) == (results[8].message, results[8].site.start)
    assert 4 == len(results[0].emissions)
    assert 2 == len(results[4].emissions)


def test_output_area_runs_full() -> None:
    """`limit.output` for the instance that does not fit; smaller ones before and after it do."""
    text = """kernel "k"
param one "n": i64
output set "r": array[u8]
fn "k"(%0 "n": i64) -> unit {
  let %1 "i": i64
  let %2 "a": array[u8]
  %2 = array_filled(1000:i64, 1:u8)
  for %1 = 0:i64 to %0 {
    emit 0 value=%2
  }
}
"""
    for opt in (0, 2):
        results = run_native(kernel(text), [[1], [100], [2], [1 << 40]], opt, out=16384).results
        assert ["", "limit.output", "", "limit.output"] == [r.trap for r in results]
        assert [1, 2] == [len(r.emissions) for r in results if r.state == "ok"]


@pytest.mark.parametrize("room", range(160, 400, 8))
def test_output_area_of_every_size(room: int) -> None:
    """Wherever the area ends, an instance finishes or reports, and nothing overlaps (the reader asserts that)."""
    results = run_native(kernel(ENDS), [[0, "text"], [2, "message"], [4, ""]], 2, out=room).results

    assert all(r.state == "ok" or r.trap == "limit.output" or r.message == "message" for r in results)


RECURSION = """kernel "k"
param one "n": i64
output one "r": i64
file 0 "m"
fn "k"(%0 "n": i64) -> unit {
  let %1 "r": i64
  %1 = call "even"(%0) @1-2
  emit 0 value=%1
}
fn "even"(%0 "n": i64) -> i64 {
  let %1 "c": bool
  let %2 "m": i64
  let %3 "r": i64
  %1 = eq(%0, 0:i64)
  if %1 {
    return 1:i64
  }
  %2 = sub(%0, 1:i64)
  %3 = call "odd"(%2) @3-4
  return %3
}
fn "odd"(%0 "n": i64) -> i64 {
  let %1 "c": bool
  let %2 "m": i64
  let %3 "r": i64
  %1 = eq(%0, 0:i64)
  if %1 {
    return 0:i64
  }
  %2 = sub(%0, 1:i64)
  %3 = call "even"(%2) @5-6
  return %3
}
"""


def test_recursion_has_a_limit() -> None:
    """A thousand nested calls are fine, one more is `trap.depth` at the call; the next instance starts anew."""
    results = agree(RECURSION, [[CALL_DEPTH - 1], [CALL_DEPTH], [1 << 60], [3]])

    assert ["ok", "trap", "trap", "ok"] == [r.state for r in results]
    assert "trap.depth" == results[1].trap
    assert 0 == value(results[3])


def test_notes_are_bounded() -> None:
    """A thousand notes and 64 KiB; the rest is dropped and counted."""
    text = """kernel "k"
param one "n": i64
param one "s": str
fn "k"(%0 "n": i64, %1 "s": str) -> unit {
  let %2 "i": i64
  for %2 = 0:i64 to %0 {
    note %1
  }
}
"""
    many, long, exact, fails = agree(
        text, [[NOTE_COUNT + 1234, "x"], [3, "y" * (NOTE_BYTES // 2)], [NOTE_COUNT, "z"], [1, "w" * (NOTE_BYTES + 1)]]
    )
    assert (NOTE_COUNT + 1, "1234 further notes were dropped") == (len(many.notes), many.notes[-1])
    assert (3, "1 further notes were dropped") == (len(long.notes), long.notes[-1])
    assert NOTE_COUNT == len(exact.notes)
    assert ("1 further notes were dropped",) == fails.notes


def test_an_endless_loop_stays() -> None:
    """A loop without effect and without end is not optimised away."""
    text = """kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {
  loop {
  }
  emit 0 value=1:i64
}
"""
    from dandc.compiler.kir_text import parse_kernel

    for opt in (0, 2):
        with pytest.raises(TimeoutError):
            run_native(parse_kernel(text), [[1]], opt, timeout=0.3)


def test_loops() -> None:
    """`for`, `loop`, `break`, `continue` in each other."""
    text = """kernel "k"
param one "n": i64
output one "r": i64
fn "k"(%0 "n": i64) -> unit {
  var %1 "sum": i64
  let %2 "i": i64
  let %3 "j": i64
  let %4 "c": bool
  let %5 "m": i64
  %1 = 0:i64
  for %2 = -3:i64 to %0 {
    %4 = eq(%2, 2:i64)
    if %4 {
      continue
    }
    %3 = 0:i64
    loop {
      %4 = gt(%3, %2)
      if %4 {
        break
      }
      %3 = add(%3, 1:i64)
      %5 = mod(%3, 2:i64)
      switch %5 {
        case 0 {
          continue
        }
        default {
          %1 = add(%1, %3)
        }
      }
    }
    %4 = gt(%1, 1000:i64)
    if %4 {
      break
    }
  }
  emit 0 value=%1
}
"""

    def sum_of_odds(n: int) -> int:
        return sum(j for i in range(-3, n) if i != 2 for j in range(1, i + 2) if j % 2)

    assert [sum_of_odds(n) for n in (-5, 2, 6)] == values(agree(text, [[-5], [2], [6]]))


def test_sets_are_decoded_on_demand() -> None:
    """A bad item traps only when it is read; names may be missing."""
    text = """kernel "k"
param set "xs": str
param one "at": i64
output one "r": str
file 0 "m"
fn "k"(%0 "xs": set[str], %1 "at": i64) -> unit {
  let %2 "v": str
  %2 = set_value(%0, %1) @4-5
  emit 0 value=%2
}
"""
    items = [[None, "", "zero"], [None, "n", "one"]]
    results = agree(text, [[items, 0], [items, 1], [items, 2], [items, -1], [[], 0]])

    assert ["zero", "one"] == [value(r) for r in results[:2]]
    assert ["trap.input"] * 3 == [r.trap for r in results[2:]]


def test_a_helper_takes_a_set() -> None:
    """Input sets are passed to functions, and records with many parts come back."""
    text = """kernel "k"
param set "xs": i64 => f64
output one "r": (i64, f64, str, option[i64])
fn "k"(%0 "xs": set[i64 => f64]) -> unit {
  let %1 "r": (i64, f64, str, option[i64])
  %1 = call "sum"(%0, true)
  emit 0 value=%1
}
fn "sum"(%0 "xs": set[i64 => f64], %1 "named": bool) -> (i64, f64, str, option[i64]) {
  let %2 "n": i64
  var %3 "sum": f64
  let %4 "i": i64
  let %5 "v": f64
  let %6 "k": i64
  let %7 "o": option[i64]
  let %8 "r": (i64, f64, str, option[i64])
  let %9 "s": str
  var %10 "ks": i64
  %3 = 0x0p+0:f64
  %10 = 0:i64
  %2 = set_len(%0)
  for %4 = 0:i64 to %2 {
    %5 = set_value(%0, %4)
    %6 = set_key(%0, %4)
    %3 = add(%3, %5)
    %10 = add(%10, %6)
  }
  %7 = variant 1(%10)
  %9 = "none":str
  if %1 {
    %9 = set_name(%0, 0:i64)
  }
  %8 = make(%2, %3, %9, %7)
  return %8
}
"""
    (result,) = agree(text, [[[(3, "first", 1.5), (-4, "", 2.0)]]])
    found = value(result)
    assert (2, 3.5, "first") == found[:3]
    assert (-1,) == found[3].fields
