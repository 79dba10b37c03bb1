"""Sessions of scripts through pipes: every entry, what it gives, and what it leaves behind."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize("mode", [(), ("--interp",)])
def test_values_are_shown_as_the_language_writes_them(script: Run, mode: tuple[str, ...]) -> None:
    found = script(
        """
1 + 2
0.1 + 0.2
"a\\n\\u{1b}"
b"ab\\x00"
[some(1), none]
(true, [("x", 2)])
[1, 2, 3].map(|x| x * x)
if 1 < 2 { "yes" } else { "no" }
()
""",
        *mode,
    )
    assert found.lines == [
        "3: i64",
        "0.30000000000000004: f64",
        '"a\\n\\u{1B}": str',
        'b"ab\\0": bytes',
        "[some(1), none]: array[option[i64]]",
        '(true, [("x", 2)]): (bool, array[(str, i64)])',
        "[1, 4, 9]: array[i64]",
        '"yes": str',
    ]
    assert (found.status, found.err) == (0, "")


def test_let_and_var_stay_and_change(script: Run) -> None:
    found = script(
        "let a = 40; let b: u8 = 2\nvar xs = [a]\nxs.append(7)\nfor x in [1, 2] { xs.append(x); }\nxs\na += 1\n"
    )
    assert found.lines == [
        "a = 40: i64",
        "b = 2: u8",
        "xs = [40]: array[i64]",
        "xs = [40, 7]: array[i64]",
        "xs = [40, 7, 1, 2]: array[i64]",
        "[40, 7, 1, 2]: array[i64]",
    ]
    assert (found.status, found.codes()) == (1, ["T0320"])


def test_statements_and_a_value_in_one_entry(script: Run) -> None:
    assert script('var m = 1; m = m + 1; m\nlet (p, q) = (m, "q"); q\n').lines == [
        "m = 2: i64",
        "2: i64",
        "p = 2: i64",
        'q = "q": str',
        '"q": str',
    ]


def test_what_fails_leaves_everything_as_it_was(script: Run) -> None:
    found = script('var x = 1\nvar y = [1]\ny.append(2); x = y[9]; x\nfail "no"\nx\ny\n')
    assert found.lines == ["x = 1: i64", "y = [1]: array[i64]", "1: i64", "[1]: array[i64]"]
    assert found.codes() == ["R0703", "R0710"]
    assert found.status == 1


def test_notes_are_shown(script: Run) -> None:
    assert script('for i in 0..2 { note f"at {i}"; }\n').lines == ["note: at 0", "note: at 1"]


def test_declarations_of_all_kinds(script: Run) -> None:
    found = script(
        """
import json
const limit: i64 = 3
config base: str = "http://127.0.0.1:1"
enum Shape { circle(f64), point }
record Line[T] {
    from: T,

    to: T,
}
fn size(self: Shape) -> i64 {
    return match self { circle(r) => 1, point => 0 };
}
[Shape.circle(1.0).size(), Shape.point.size(), limit]
Line(from: Shape.point, to: Shape.circle(2.5))
json.encode(Line(from: 1, to: 2))
base
Shape
json
"""
    )
    assert found.err == ""
    assert found.lines == [
        "declared `json`",
        "declared `limit`",
        "declared `base`",
        "declared `Shape`",
        "declared `Line`",
        "declared `size`",
        "[1, 0, 3]: array[i64]",
        "Line(from: Shape.point, to: Shape.circle(2.5)): Line[Shape]",
        '"{\\"from\\":1,\\"to\\":2}": str',
        '"http://127.0.0.1:1": str',
        "enum Shape { circle(f64), point }",
        "module json",
    ]


PAIR = (
    'function pair(n: i64) => (a: i64, b: set[str => i64]) { emit a <- n; emit b["y"] <- n + 1; emit b["x"] <- n; }\n'
)


@pytest.mark.parametrize("mode", [(), ("--interp",)])
def test_functions_and_compositions_run_when_they_are_called(script: Run, mode: tuple[str, ...]) -> None:
    found = script(
        PAIR
        + """
composition many(ns: set[i64]) => (sums: set[i64]) { sums, rest = pair(each ns); }
composition keyed_sum(ns: set[str => i64], more: optional i64) => (total: i64) { total = add(all ns, more); }
function add(ns: set[str => i64], more: optional i64) => (total: i64) {
    var sum = 0;
    for n in ns { sum += n; }
    match more { some(m) => { sum += m; }, none => {} }
    emit total <- sum;
}
composition keyed_sum(ns: set[str => i64], more: optional i64) => (total: i64) { total = add(all ns, more); }
pair(3)
let ns = [5, 6]
many(ns)
let (a, b) = pair(n: many(ns).len())
keyed_sum(b)
keyed_sum([("k", 1)], more: 41) + 0
""",
        *mode,
    )
    assert found.codes() == ["N0201"]
    assert found.lines == [
        "declared `pair`",
        "declared `many`",
        "declared `add`",
        "declared `keyed_sum`",
        "a = 3: i64",
        'b = [("x", 3), ("y", 4)]: array[(str, i64)]',
        "ns = [5, 6]: array[i64]",
        "[5, 6]: array[i64]",
        "a = 2: i64",
        'b = [("x", 2), ("y", 3)]: array[(str, i64)]',
        "5: i64",
        "42: i64",
    ]


MISTAKES = (
    ("if true { pair(1); }", "U0920"),
    ("pair()", "T0303"),
    ("pair(m: 1)", "T0304"),
    ('pair("x")', "T0301"),
    ("pair(1, 2)", "T0302"),
    ("return 1", "U0920"),
    ("emit a <- 1", "U0920"),
    ('test "t" { expect true; }', "U0920"),
    ("{a: 1}", "U0922"),
    ("let r = {a: 1}", "U0922"),
    ("let nothing = none", "T0305"),
    ("|x| x", "T0310"),
    ("1 +* 2", "P0101"),
    ("'x'", "L0006"),
    ('"open', "L0002"),
    (":time fn f() {}", "U0920"),
    (":graph 1 + 1", "U0923"),
    (":ir nobody", "N0201"),
    (":ir map", "U0923"),
    (":type", "U0921"),
    (":quit now", "U0921"),
    (":explain X9999", "U0908"),
    (":load missing.dnd", "U0901"),
    (":interp maybe", "U0921"),
)


def test_mistakes_have_codes_and_cost_only_their_entry(script: Run) -> None:
    found = script(PAIR + "".join(f"{entry}\n{n} + 100\n" for n, (entry, _) in enumerate(MISTAKES)))
    assert found.status == 1
    assert found.codes() == [code for _, code in MISTAKES]
    assert found.lines == ["declared `pair`", *(f"{n + 100}: i64" for n in range(len(MISTAKES)))]


@pytest.mark.parametrize("entry", ["1 }", "let x =", "fn f() -> i64 {", "f("])
def test_what_is_never_finished_is_a_mistake_at_the_end(script: Run, entry: str) -> None:
    found = script(f"6 * 7\n{entry}")
    assert (found.status, found.lines) == (1, ["42: i64"])
    assert found.codes()


def test_places_are_those_of_the_entry(script: Run) -> None:
    found = script("1\nlet first = 1;\n  let second = nobody;\n[\n  1,\n  nobody,\n]\n")
    assert "--> entry 3:1:16" in found.err
    assert "--> entry 4:3:3" in found.err


def test_what_was_set_aside_is_told_once_and_named_when_it_is_used(script: Run) -> None:
    """A later mistake shows itself alone, and a call of what was set aside says why it is not there."""
    found = script(
        """
fn one(n: i64) -> i64 { return n; }
fn two(n: i64) -> i64 { return one(n) + one(n); }
fn one(n: str) -> str { return n; }
fn three(n: i64) -> str { return n; }
two(1)
"""
    )
    assert found.codes() == ["T0301"] * 3 + ["T0301", "N0201"]
    assert "`two` was set aside, because it does not fit what it uses any more" in found.err


def test_a_new_declaration_sets_aside_what_does_not_fit_and_brings_it_back(script: Run) -> None:
    found = script(
        """
fn one(n: i64) -> i64 { return n; }
fn two(n: i64) -> i64 { return one(n) + one(n); }
fn three(n: i64) -> i64 { return two(n) + one(n); }
fn one(n: i64, m: i64) -> i64 { return n * m; }
two(1)
fn one(n: i64) -> i64 { return n * 100; }
three(1)
"""
    )
    assert found.lines == [
        "declared `one`",
        "declared `two`",
        "declared `three`",
        "replaced `one`",
        "set aside until it fits again: `two`",
        "set aside until it fits again: `three`",
        "replaced `one`",
        "fits again: `two`",
        "fits again: `three`",
        "300: i64",
    ]
    assert "warning[T0303]" in found.err


def test_a_constant_is_computed_again_when_what_it_calls_is_replaced(script: Run) -> None:
    """The helper is not to blame for a constant that traps in it; a constant that does not fit comes back."""
    found = script(
        """
const A: array[i64] = [1, 2, 3].map(|x| x * 2);
fn at(n: i64) -> i64 = A[n];
const B: i64 = at(7);
at(1)
const C: i64 = at(1) + A.len();
C
fn at(n: i64) -> i64 = A[n + 10];
fn at(n: i64) -> i64 = 5;
C
"""
    )
    assert found.lines == [
        "declared `A`",
        "declared `at`",
        "4: i64",
        "declared `C`",
        "7: i64",
        "replaced `at`",
        "set aside until it fits again: `C`",
        "replaced `at`",
        "fits again: `C`",
        "8: i64",
    ]
    assert "error[T0350]: the constant `B` cannot be computed" in found.err
    assert "warning[T0350]: the constant `C` cannot be computed" in found.err


def test_a_value_goes_with_the_type_that_it_had(script: Run) -> None:
    found = script(
        "record P { x: i64 }\nrecord Q { p: P }\nlet q = Q(p: P(x: 1))\nlet n = q.p.x\nrecord P { x: i64 }\nq\n"
        "record P { x: f64 }\nn\nq\n"
    )
    assert found.lines[-4:] == ["Q(p: P(x: 1)): Q", "replaced `P`", "gone, because its type has changed: `q`", "1: i64"]
    assert found.codes() == ["N0201"]


def test_an_error_in_what_is_new_changes_nothing(script: Run) -> None:
    found = script('fn f() -> i64 { return 1; }\nfn f() -> i64 { return "x"; }\nf()\n')
    assert (found.lines, found.codes()) == (["declared `f`", "1: i64"], ["T0301"])


def test_files_are_loaded_and_loaded_again(script: Run, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "deep.dnd").write_text("pub fn deep() -> i64 { return 7; }\n", encoding="utf-8")
    (tmp_path / "lib" / "main.dnd").write_text(
        'import "deep.dnd";\nfn shallow() -> i64 { return deep.deep() * 6; }\ntest "t" { expect shallow() == 42; }\n',
        encoding="utf-8",
    )
    found = script('shallow()\ndeep.deep()\nimport "lib/deep.dnd" as d\nd.deep()\n:load lib/main.dnd\n', "lib/main.dnd")
    assert found.err == ""
    assert found.lines == [
        "loaded 1 declaration: shallow",
        "42: i64",
        "7: i64",
        "declared `d`",
        "7: i64",
        "loaded 1 declaration: shallow",
    ]


def test_a_file_with_mistakes_is_not_loaded(script: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.dnd").write_text("fn f() -> i64 { return x; }\nfn g() -> i64 { return 1; }\n", encoding="utf-8")
    found = script(":load bad.dnd\ng()\n1\n")
    assert (found.lines, found.codes()) == (["1: i64"], ["N0201", "N0201"])
    assert script("1\n", "bad.dnd").lines == []


def test_the_commands_show_what_they_promise(script: Run) -> None:
    found = script(
        PAIR
        + """
fn fib(n: i64) -> i64 { if n < 2 { return n; } return fib(n - 1) + fib(n - 2); }
composition many(ns: set[i64]) => (sums: set[i64]) { sums, rest = pair(each ns) on failure skip; }
:type fib(1) + 1
:type fib
:type many
:time fib(10)
:ir pair
:ir 1 + 1
:llvm fib
:asm fib
:graph many
:graph pair
:explain n0201
:help
"""
    )
    assert found.err == ""
    text = found.out
    assert "i64\nfn fib(n: i64) -> i64\ncomposition many(ns: set[i64]) => (sums: set[i64])\n" in text
    assert "55: i64\ncheck: " in text
    assert "compile, optimised: " in text
    assert 'kernel "main.pair"' in text
    assert "add(1:i64, 1:i64)" in text
    assert "; main.fib\ndefine internal fastcc i64 @f1(i64" in text
    assert "# main.fib\nf1:" in text
    assert "callq\tf1" in text
    assert "compute  pair(n: each ns) => (a: set[i64], b: set[str => i64])  on failure skip" in text
    assert "output   sums: set[i64] = pair.a" in text
    assert "N0201: " in text
    assert all(
        f":{word} " in text for word in ("type", "time", "ir", "llvm", "asm", "graph", "explain", "load", "interp")
    )


def test_graphs_show_joins_loops_and_policies(script: Run) -> None:
    """A graph says how arguments meet, what its loops run, and every policy, also those that a default gives."""
    found = script(
        """
function step(x: i64) => (y: optional i64) { if x > 0 { emit y <- x - 1; } }
function pair(k: key str, a: set[i64], b: set[i64]) => (s: str) = k;
function add(a: i64, b: i64) => (c: i64) = a + b;
default function timeout 3s;
default function timeout 2s;
composition all_(x: i64, u: set[str => i64]) => (ys: set[i64], zs: set[str => str], n: i64) {
    loop (i: i64 = x) up to 10 { yield ys <- i; next i = step(i); } within 2s;
    zs = pair(keyed u, keyed u) by a left b on failure skip concurrency 3;
    n = reduce add(all u) limit memory 1MiB after zs else 3;
}
:graph all_
"""
    )

    assert found.err == ""
    assert "declared `default function`\nreplaced `default function`\n" in found.out
    assert found.out.endswith(
        """
inputs   x: i64, u: set[str => i64]
loop  loop(i: x) => (ys: set[i64])  up to 10  within 2000ms
    inputs   i: i64
    compute  step(x: i) => (y: optional i64)  timeout 2000ms
    output   ys: i64 = i
    output   i: optional i64 = step.y
compute  pair(k: key the instance, a: keyed u, b: keyed u) => (s: set[str => str])  by a left b  timeout 2000ms on failure skip concurrency 3
reduce  add(a: all u) => (c: optional i64)  timeout 2000ms limit memory 1048576B  after pair
merge  else(0: add.c, 1: <8 bytes>) => (first: i64)
output   ys: set[i64] = loop.ys
output   zs: set[str => str] = pair.s
output   n: i64 = else.first
"""
    )


def test_modes_change_and_agree(script: Run) -> None:
    found = script(
        "let a = [1.5, 2.5]\n:interp\n:interp on\na.fold(0.0, |x, y| x + y)\n:interp off\na.fold(0.0, |x, y| x + y)\n"
    )
    assert found.lines == [
        "a = [1.5, 2.5]: array[f64]",
        "entries run in a sandbox",
        "entries run on the interpreter",
        "4.0: f64",
        "entries run in a sandbox",
        "4.0: f64",
    ]


def test_quit_ends_a_script_and_a_stopped_output_is_no_crash(script: Run) -> None:
    assert script("1\n:quit\n2\n").lines == ["1: i64"]


def test_long_values_are_shown_by_their_beginning(script: Run) -> None:
    found = script('var xs: array[i64] = []\nfor i in 0..100_000 { xs.append(i); }\nxs.len()\n"ab".repeat(10_000)\n')
    assert found.lines[1].endswith("// left out: 99,800 elements")
    assert len(found.lines[1]) < 2_000
    assert found.lines[2] == "100000: i64"
    assert found.lines[3].endswith(": str  // left out: 16,000 characters")


def test_endless_loops_of_scripts_end_by_the_limit_of_the_interpreter(script: Run) -> None:
    found = script("fn deep(n: i64) -> i64 { return deep(n + 1) + 1; }\ndeep(0)\n1\n", "--interp")
    assert (found.lines, found.codes()) == (["declared `deep`", "1: i64"], ["R0706"])


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} {self.headers['Authorization']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the test looks at answers."""


@pytest.fixture
def service() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_services_are_reached_and_secrets_are_never_kept(script: Run, service: str) -> None:
    found = script(
        f"""
import http
config url: str = "{service}"
endpoint hello = http(url)
function ask(token: secret) => (request: http.Request) = hello.get("/x", bearer: token);
composition greet(token: secret) => (answer: http.Response) {{ answer = http.fetch(ask(token)); }}
greet(secret("hush")).status
http.fetch(hello.get("/direct")).body.len() > 0
ask(secret("hush"))
let kept = ask(secret("hush"))
greet(token: "hush")
"""
    )
    assert "200: i64" in found.lines
    assert any('bearer: some("(secret)")' in line for line in found.lines)
    assert "true: bool" in found.lines
    assert "hush" not in found.out
    assert found.codes() == ["U0922", "T0301"]
