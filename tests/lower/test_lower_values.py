"""Values are values: a change of one variable is never seen through another, however buffers are shared underneath.

Every expectation is worked out by hand from the rule "binding copies". Each program also runs natively at O0 and O2.
"""

from typing import Any

import pytest
from agreement import agree
from programs import program, value

PRELUDE = """
record Pair { a: array[i64], b: array[i64] }
record Deep { pair: Pair, rows: array[array[i64]] }
fn grow(inout xs: array[i64], x: i64) { xs.append(x); }
fn same(xs: array[i64]) -> array[i64] = xs;
fn grown(xs: array[i64]) -> array[i64] { var ys = xs; ys.append(99); return ys; }
fn keep(inout into: array[array[i64]], xs: array[i64]) { into.append(xs); xs_seen(xs); }
fn xs_seen(xs: array[i64]) {}
fn swap(inout a: array[i64], inout b: array[i64]) { let c = a; a = b; b = c; }
fn apply(xs: array[i64], change: fn(array[i64]) -> array[i64]) -> array[i64] = change(xs);
fn next(inout n: i64) -> i64 { n += 1; return n; }
fn poke(inout xs: array[i64]) -> i64 { xs.append(7); return 0; }
fn digits(a: i64, b: i64, c: i64 = 9) -> i64 = 100 * a + 10 * b + c;
"""

# The body of a function with `x: array[i64]` = [1, 2, 3], a `var v = x`, and what it emits.
CASES: dict[str, tuple[str, Any]] = {
    "a copy is appended to": ("var w = v; w.append(4); emit y <- [v, w];", [[1, 2, 3], [1, 2, 3, 4]]),
    "the original is appended to": ("let w = v; v.append(4); emit y <- [v, w];", [[1, 2, 3, 4], [1, 2, 3]]),
    "both grow in the same spare room": ("v.append(4); var w = v; v.append(5); w.append(6); emit y <- [v, w];", [[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]]),
    "an element is changed": ("let w = v; v[0] = 9; emit y <- [v, w];", [[9, 2, 3], [1, 2, 3]]),
    "an element of the copy": ("var w = v; w[0] = 9; emit y <- [v, w];", [[1, 2, 3], [9, 2, 3]]),
    "the parameter stays": ("v[0] = 9; v.append(1); emit y <- [v, x];", [[9, 2, 3, 1], [1, 2, 3]]),
    "a truncated variable": ("let w = v; v.truncate(1); v.append(7); emit y <- [v, w];", [[1, 7], [1, 2, 3]]),
    "a slice is kept": ("let w = v[1..]; v[1] = 9; v.append(0); emit y <- [v, w];", [[1, 9, 3, 0], [2, 3]]),
    "a slice grows": ("var w = v[..2]; w.append(8); emit y <- [v, w];", [[1, 2, 3], [1, 2, 8]]),
    "a variable extends itself": ("v.extend(v); emit y <- [v];", [[1, 2, 3, 1, 2, 3]]),
    "a variable is extended by its slice": ("v.extend(v[1..]); emit y <- [v];", [[1, 2, 3, 2, 3]]),
    "plus itself": ("v += v; emit y <- [v];", [[1, 2, 3, 1, 2, 3]]),
    "an assignment of itself": ("v = v; v.append(1); emit y <- [v];", [[1, 2, 3, 1]]),
    "into an array of arrays": ("var g = [v, v]; g[0].append(4); v[0] = 9; emit y <- g + [v];", [[1, 2, 3, 4], [1, 2, 3], [9, 2, 3]]),
    "out of an array of arrays": ("var g = [v]; var w = g[0]; w[0] = 9; g[0].append(4); emit y <- g + [w];", [[1, 2, 3, 4], [9, 2, 3]]),
    "one row into another": ("var g = [v, [7]]; g[1] = g[0]; g[0][0] = 9; emit y <- g;", [[9, 2, 3], [1, 2, 3]]),
    "an array into itself": ("var g = [v]; g.append(g[0]); g[1][0] = 9; emit y <- g;", [[1, 2, 3], [9, 2, 3]]),
    "a matrix is copied": ("var g = [v, v]; let h = g; g[0][0] = 9; g[1] = []; emit y <- g + h;", [[9, 2, 3], [], [1, 2, 3], [1, 2, 3]]),
    "a record holds two": ("var p = Pair(a: v, b: v); p.a[0] = 9; p.b.append(4); emit y <- [p.a, p.b, v];", [[9, 2, 3], [1, 2, 3, 4], [1, 2, 3]]),
    "a record is copied": ("var p = Pair(a: v, b: v); var q = p; q.a[0] = 9; p.b[0] = 8; emit y <- [p.a, p.b, q.a, q.b];", [[1, 2, 3], [8, 2, 3], [9, 2, 3], [1, 2, 3]]),
    "a record update": ("let p = Pair(a: v, b: v); var q = Pair(..p, b: [5]); q.a[0] = 9; emit y <- [p.a, p.b, q.a, q.b];", [[1, 2, 3], [1, 2, 3], [9, 2, 3], [5]]),
    "fields swap": ("var p = Pair(a: v, b: [5]); p = Pair(a: p.b, b: p.a); p.b[0] = 9; emit y <- [p.a, p.b, v];", [[5], [9, 2, 3], [1, 2, 3]]),
    "a field into a field": ("var p = Pair(a: v, b: [5]); p.b = p.a; p.a[0] = 9; emit y <- [p.a, p.b];", [[9, 2, 3], [1, 2, 3]]),
    "deep places": ("var d = Deep(pair: Pair(a: v, b: v), rows: [v, v]); let e = d; d.pair.a[0] = 9; d.rows[1][2] = 8; d.rows[0].append(7);"
                    " emit y <- [d.pair.a, d.pair.b, e.pair.a] + d.rows + e.rows;",
                    [[9, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3, 7], [1, 2, 8], [1, 2, 3], [1, 2, 3]]),
    "inout": ("let w = v; grow(v, 4); emit y <- [v, w];", [[1, 2, 3, 4], [1, 2, 3]]),
    "inout of an element": ("var g = [v, v]; grow(g[1], 4); emit y <- g + [v];", [[1, 2, 3], [1, 2, 3, 4], [1, 2, 3]]),
    "inout of a field": ("var p = Pair(a: v, b: v); grow(p.b, 4); emit y <- [p.a, p.b];", [[1, 2, 3], [1, 2, 3, 4]]),
    "inout keeps its argument": ("var g = [[0]]; keep(g, v); v[0] = 9; g[1].append(4); emit y <- g + [v];", [[0], [1, 2, 3, 4], [9, 2, 3]]),
    "swap": ("var w = [7]; swap(v, w); v.append(1); w.append(2); emit y <- [v, w, x];", [[7, 1], [1, 2, 3, 2], [1, 2, 3]]),
    "a parameter comes back": ("var w = same(v); w[0] = 9; v[1] = 8; emit y <- [v, w];", [[1, 8, 3], [9, 2, 3]]),
    "a copied parameter comes back": ("let w = grown(v); v[0] = 9; emit y <- [v, w];", [[9, 2, 3], [1, 2, 3, 99]]),
    "an element comes back": ("var g = [v]; var w = same(g[0]); w[0] = 9; g[0][1] = 8; emit y <- g + [w, v];", [[1, 8, 3], [9, 2, 3], [1, 2, 3]]),
    "a variable is what it gave": ("v = same(v); v.append(4); let w = v; v = grown(v); v[0] = 9; emit y <- [v, w];", [[9, 2, 3, 4, 99], [1, 2, 3, 4]]),
    "through a lambda": ("var w = apply(v, |a| a); w[0] = 9; v[1] = 8; emit y <- [v, w];", [[1, 8, 3], [9, 2, 3]]),
    "a lambda captures": ("let ws = [1, 2].map(|i| v + [i]); v[0] = 9; emit y <- ws + [v];", [[1, 2, 3, 1], [1, 2, 3, 2], [9, 2, 3]]),
    "a lambda gives what it captured": ("var ws = [1, 2].map(|i| v); v[0] = 9; ws[0][1] = 8; emit y <- ws + [v];", [[1, 8, 3], [1, 2, 3], [9, 2, 3]]),
    "a loop over what it appends to": ("for e in v { v.append(e * 10); } emit y <- [v];", [[1, 2, 3, 10, 20, 30]]),
    "a loop over what it changes": ("var n = 0; for i, e in v { v[2] = 100; n += e; } emit y <- [v, [n]];", [[1, 2, 100], [6]]),
    "a loop over what it forgets": ("var n = 0; for e in v { v = []; n += e; } emit y <- [v, [n]];", [[], [6]]),
    "a loop over rows that it changes": ("var g = [v, v]; var n = 0; for row in g { g[1][0] = 50; n += row[0]; } emit y <- g + [[n]];", [[1, 2, 3], [50, 2, 3], [2]]),
    "a loop variable is kept": ("var g = [v, [5]]; var out: array[array[i64]] = []; for row in g { out.append(row); g[0][0] = 9; } out[0].append(4); emit y <- out + g;",
                                [[1, 2, 3, 4], [5], [9, 2, 3], [5]]),
    "an option holds an array": ("var o = some(v); v[0] = 9; match o { some(w) => emit y <- [w, v]; none => emit y <- []; }", [[1, 2, 3], [9, 2, 3]]),
    "an option is changed while it is matched": ("var o = some(v); match o { some(w) => { o = none; v[0] = 9; emit y <- [w, v]; } none => emit y <- []; }", [[1, 2, 3], [9, 2, 3]]),
    "a field is changed while it is matched": ("var p = (some(v), 1); match p { (some(w), _) => { p = (none, 2); v.append(4); emit y <- [w, v]; } _ => emit y <- []; }", [[1, 2, 3], [1, 2, 3, 4]]),
    "a bound element is kept": ("var g = [some(v)]; match g[0] { some(w) => { g[0] = none; emit y <- [w]; } none => emit y <- []; }", [[1, 2, 3]]),
    "a tuple is taken apart": ("var t = (v, v); let (a, b) = t; t = ([7], [8]); v[0] = 9; emit y <- [a, b, v];", [[1, 2, 3], [1, 2, 3], [9, 2, 3]]),
    "branches": ("let w = if v.len() > 1 { v } else { [7] }; v[0] = 9; emit y <- [v, w];", [[9, 2, 3], [1, 2, 3]]),
    "arms": ("let w = match v.len() { 3 => v, _ => [7] }; v[0] = 9; emit y <- [v, w];", [[9, 2, 3], [1, 2, 3]]),
    "both branches change": ("var w = v; if w.len() == 3 { w.append(4); } else { w = []; } emit y <- [v, w];", [[1, 2, 3], [1, 2, 3, 4]]),
    "a variable goes round a loop": ("var w: array[i64] = []; for i in 0..3 { let old = v; v[0] += 10; w = old; } emit y <- [v, w];", [[31, 2, 3], [21, 2, 3]]),
    "a variable is made anew in a loop": ("var out: array[array[i64]] = []; for i in 0..2 { var w = v; w[0] = i; out.append(w); w[1] = 7; } emit y <- out + [v];",
                                          [[0, 2, 3], [1, 2, 3], [1, 2, 3]]),
    "text": ("var s = \"ab\"; let t = s; s += \"c\"; var u = t; u.append(s); emit y <- [[s.len(), t.len(), u.len()]];", [[3, 2, 5]]),
    "text of bytes": ("var s = \"ab\"; let b = s.to_bytes(); s += \"zz\"; var c = b; c.append(1); emit y <- [[s.len(), b.len(), c.len(), i64(b[1])]];", [[4, 2, 3, 98]]),
    "emit copies": ("emit y <- [v]; v[0] = 9;", [[1, 2, 3]]),
}  # fmt: skip


def run(body: str) -> Any:
    text = f"{PRELUDE} function f(x: array[i64]) => (y: array[array[i64]]) {{ var v = x; {body} }}"
    return value(agree(program(text).kernel("f"), [[[1, 2, 3]]])[0])


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_binding_copies(body: str, expected: Any) -> None:
    """Nobody sees another variable's change."""
    assert expected == run(body)


# With `var n = 0` and `next(n)`, which gives 1, 2, 3, ...
ORDER = {
    "operands": ("emit y <- [[next(n) * 10 + next(n)]];", [[12]]),
    "a variable before its change": ("emit y <- [[n * 10 + next(n), n]];", [[1, 1]]),
    "a variable after its change": ("emit y <- [[next(n) * 10 + n]];", [[11]]),
    "elements": ("emit y <- [[next(n), next(n), n, next(n)]];", [[1, 2, 2, 3]]),
    "arguments": ("emit y <- [[max(next(n), next(n)), min(n, next(n))]];", [[2, 2]]),
    "fields in the order they are written": ("let p = Pair(b: [next(n)], a: [next(n)]); emit y <- [p.a, p.b];", [[2], [1]]),
    "index after array": ("var w = [5, 6, 7]; emit y <- [[w[next(n)], w[n]]];", [[6, 6]]),
    "comparison": ("emit y <- [[if next(n) < next(n) { 1 } else { 0 }]];", [[1]]),
    "short circuit": ("if false and next(n) > 0 { note \"no\"; } if true or next(n) > 0 { note \"yes\"; } emit y <- [[n]];", [[0]]),
    "place before value": ("var w = [0, 0, 0]; w[next(n)] = next(n) * 10; emit y <- [w, [n]];", [[0, 20, 0], [2]]),
    "named arguments": ("emit y <- [[digits(c: next(n), a: next(n), b: next(n)), n]];", [[231, 3]]),
    "defaults after what is written": ("emit y <- [[digits(b: next(n), a: next(n))]];", [[219]]),
    "named arguments of an intrinsic": ("emit y <- [filled(value: next(n), n: next(n))];", [[1, 1]]),
    "receiver before argument": ("var w = [[0], [0], [0]]; w[next(n)].append(next(n)); emit y <- w;", [[0], [0, 2], [0]]),
    "f-string": ("let s = f\"{next(n)}{n}{next(n)}\"; emit y <- [[s.to_i64().or(0)]];", [[112]]),
    "range bounds once": ("var k = 0; for i in next(n)..next(n) + 2 { k += i; } emit y <- [[k, n]];", [[1 + 2 + 3, 2]]),
    "compound assignment": ("n = 5; n += next(n); emit y <- [[n]];", [[11]]),
    "compound assignment to a place": ("var w = [0, 5, 0]; w[next(n)] += next(n) + poke(w); emit y <- [w];", [[0, 7, 0, 7]]),
    "appending what changes the variable": ("var w = [1]; w += [poke(w), w.len()]; emit y <- [w];", [[1, 0, 2]]),
    "appending what changes an element": ("var w = [[1], [2]]; w[next(n)] += [poke(w[1]), n]; emit y <- w;", [[1], [2, 0, 1]]),
    "while condition": ("var k = 0; while next(n) < 4 { k += 1; } emit y <- [[k, n]];", [[3, 4]]),
    "method receiver first": ("emit y <- [[[next(n), 5].fold(next(n) * 100, |a, b| a + b)]];", [[206]]),
    "let in a loop": ("var k = 0; for i in 0..2 { let a = next(n); let b = next(n); k = k * 100 + a * 10 + b; } emit y <- [[k]];", [[1234]]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), ORDER.values(), ids=ORDER)
def test_order_of_evaluation(body: str, expected: Any) -> None:
    """As written, from left to right: of an assignment first the place."""
    assert expected == run(f"var n = 0; {body}")
