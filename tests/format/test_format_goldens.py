"""The style itself, case by case: what stands in `cases` becomes what stands in `goldens`. Read them as prose."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dandc.lang import Source
from dandc.lang.format import format_source

HERE = Path(__file__).parent
CASES = {
    "blank-lines": """\


import a;


import b;
config x: i64 = 1;
endpoint e = http(x);
record A { a: i64 }
enum B { b }
fn one() -> i64 = 1;
fn two() -> i64 = 2;
fn three() {

    let a = 1;


    let b = 2;

}
fn four() -> i64 = 4;
""",
    "comments": """\
//! The module.
// A remark about the file.
import a; // why a
import b;   //   kept as written
// Detached.

/// A documented record.
record R { // the fields
    a: i64, // first
    // own line
    b: str // second
    // at the end
}
fn f(x: i64 /// unusual
    , y: i64) -> i64 { // opens
    // first
    let a = x + // after the operator
        y; // sum

    // before return
    return a; // result
    // last
}
// After everything.
""",
    "comments-in-odd-places": """\
fn f(a: i64) -> i64 {
    let // one
    x = ( // two
        a + 1 // three
    ) * 2;
    if a // four
    == 1 { return 1; // five
    } // six
    else { return 2; }
    match a { 0 => // seven
        return 1; 1 => { return 2; // eight
        } _ => {} // nine
    }
    f( // ten
    );
}
""",
    "calls": """\
fn f() {
    let short = call(a, b);
    let long = call(first_argument_of_the_call, second_argument_of_the_call, name: third_argument_of_the_call);
    let hugged = call([first_argument_of_the_call, second_argument_of_the_call, third_argument_of_the_call, x]);
    let made = some(Request(endpoint: self.name, method: "GET", url: path, headers: [], body: b"", bearer: bearer));
    let chain = values.filter(|value| value.is_interesting()).map(|value| value.name).sort_by(|name| name).first();
    let two = json.decode[array[Line]](response.body)?.map(|line| Entry(time: line.time, level: line.level, x: 1));
    lines.append(match level { "info" => 1, _ => 2 });
    return Point(..old, x: 1);
}
""",
    "operators": """\
const A: bool = a == 1 or b == 2 and c == 3 or not d == 4;
const B: u64 = x << 8 | y & 0xff ^ z + 1;
const C: i64 = ((a + b)) * (c) - (d * e) - (f - g);
const D: i64 = -(-a) + ~-b;
const E: bool = (a and b) or (c == (d == e));
const F: i64 = (if a { 1 } else { 2 }) + (match b { _ => 3 });
const G: bool = first_condition_of_the_value == expected or second_condition_of_the_value == expected and third;
fn f() { if first_condition_of_the_value == expected and second_condition_of_the_value == expected and third { g(); } }
""",
    "literals": '''\
const A: array[i64] = [0xff, 1_000, 0b1, 7, 123456789, 123456789, 123456789, 123456789, 123456789, 123456789, 1, 22];
const B: str = "\\u{41}\\t";
const C: f64 = 1_0.50e+03;
fn f() {
        let text = """
            kept
              as written
            """;
        note f"{ a+b } {{x}}";
        g("""one
two""", 1);
}
''',
    "types": """\
record Point{x:f64,y:f64,}
record Wide { first_field: map[str, array[i64]], second_field: option[(i64, str)], third_field: result[str, str] }
enum Shape{circle(f64),rectangle(f64,f64,),point}
record Line{@name( "@timestamp" )time:i64,level:str,
  /// The text.
  @name("message")
  text: str, // the last
}
enum Level{@name("WARN")warn,@name("other level")other(str,),}
fn apply[T:ord+data,U](self:array[T],key:fn(T)->U,inout out:array[U],none:optional str)->(T,U){return f(self);}
fn much(first_parameter: map[str, array[i64]], second_parameter: option[(i64, str)]) -> result[str, str] { return x; }
""",
    "bodies": """\
fn short(x: i64) -> i64 { return x + 1; }
fn same(x: i64) -> i64 = x + 1;
fn long(first_parameter: i64, second: i64) -> i64 = first_parameter * second + first_parameter * second * 2;
fn noted(x: i64) -> i64 { return x; // a remark
}
function build(token: secret) => (request: http.Request) = service.post("/authorize", bearer: token);
function small(a: i64) => (b: i64) = a;
fn empty() {
}
fn loops() { while true { break; } for i, (a, _) in 0..n { continue; } if a { } else if b { c(); } else { d(); } }
""",
    "matches": """\
fn f(x: Shape) -> i64 {
    match x {
        circle(r) if r > 1.0 => { return 1; },
        Shape.rectangle(w, _,) => return 2,
        point => { let a = 1; return a; }
        other => if a { b(); }
        (a, (b, -1)) => fail "a message that is too long for the line on which the arm begins, as it happens",
        "text" => {}
    }
    let y = match x { 0 => "zero", n if n > 3 => "many",

        _ => "some" };
}
""",
    "compositions": """\
composition c(a: set[str => http.Response], b: optional i64, token: secret) => (page: str, failed: set[Failure]) {
    grant  = http.fetch(authorize(token)) retry 3 timeout 2s;
    wanted = (fan_out(grant));

    a, b   = f(x, each y, size: 3, all z, only: keyed w) retry 3 on (5xx, 429, network,) timeout 500ms on failure skip;
    c = g(first_argument_of_the_call, each second_argument_of_the_call, third: all third_argument_of_the_call) retry 1;
    d = f(g(x) retry 3) // inner
        timeout 1m // why a minute
        // as long as it takes
        on failure collect into failed;
    e = (a.b)(1);
    f(x);
}
""",
    "ports": """\
function split(pages: set[str => http.Response], extra: set[i64], more: optional str) => (requests: set[http.Request], p: str) {}
pub communication fetch(request: Request)=>(response: Response);
composition nothing()=>(first_output_of_the_composition: set[str], second_output_of_the_composition: set[str => i64]) {}
""",
    "tests": """\
test "no pages" { given service { GET "/a" => status 500, delay 5s status 503 header "x" text "busy", hang; "/b" => json {a: 1}; }
    config limit=3; let out = run main(token: secret("t"),); expect out.page=="x"; expect fails run main() with "http.status";
    expect traps (f)(200); (expect)(x); }
test "rows" for i,(a,b) in [(1,2),(3,4)] { expect a+1==b; }
test "range" for n in 0..3 { expect n<3; }
""",
    "names": """\
import "lib/x.dnd" as `x`;
fn f(`all`: i64, `value`: i64, `plain`: i64) { let `match` = a.match.`all`; g(for: 1, `plain`: 2); }
""",
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, golden: Callable[[Path, str], None]) -> None:
    result = format_source(Source(f"{name}.dnd", CASES[name]))

    assert isinstance(result, str), result
    assert result == format_source(Source(f"{name}.dnd", result))
    golden(HERE / "goldens" / f"{name}.txt", result)
