"""Programs with a mistake, and the same without: what `dandc explain` shows of codes of names, types and modules.

A lesson is a code, what is wrong, and what is right. A line `// lib.dnd` begins another file of the program. Tests hold
that the wrong program gives exactly its code, and the right one nothing.
"""

NAMES = """
== N0201
fn area(width: i64, height: i64) -> i64 = widht * height;
==
fn area(width: i64, height: i64) -> i64 = width * height;
== N0202
record Line { level: str, text: str }
fn shout(line: Line) -> str = line.txt.upper();
==
record Line { level: str, text: str }
fn shout(line: Line) -> str = line.text.to_upper();
== N0203
fn f(a: i64) -> i64 {
    let b = a;
    let b = b + 1;
    return b;
}
==
fn f(a: i64) -> i64 {
    var b = a;
    b += 1;
    return b;
}
== N0204
function twice(n: i64) => (m: i64) = 2 * n;
fn four(n: i64) -> i64 = twice(twice(n));
==
fn twice(n: i64) -> i64 = 2 * n;
fn four(n: i64) -> i64 = twice(twice(n));
== N0205
import "lib.dnd";
fn f() -> i64 = lib.limit();
// lib.dnd
fn limit() -> i64 = 10;
==
import "lib.dnd";
fn f() -> i64 = lib.limit();
// lib.dnd
pub fn limit() -> i64 = 10;
== N0206
communication send(text: str) => (answer: str);
==
import http;
config service_url: str;
endpoint service = http(service_url);
function ask(text: str) => (request: http.Request) = service.post("/send", text.to_bytes());
composition send(text: str) => (answer: http.Response) {
    answer = http.fetch(ask(text));
}
== M0501
import jsno;
fn f(xs: array[i64]) -> str = jsno.encode(xs);
==
import json;
fn f(xs: array[i64]) -> str = json.encode(xs);
== M0502
import "orders.dnd";
fn f() -> i64 = orders.limit();
// orders.dnd
import "prices.dnd";
pub fn limit() -> i64 = 10;
pub fn total(n: i64) -> i64 = n * prices.price();
// prices.dnd
import "orders.dnd";
pub fn price() -> i64 = orders.limit();
==
import "orders.dnd";
fn f() -> i64 = orders.total(2);
// orders.dnd
import "prices.dnd";
import "limits.dnd";
pub fn total(n: i64) -> i64 = min(n, limits.limit()) * prices.price();
// prices.dnd
import "limits.dnd";
pub fn price() -> i64 = limits.limit();
// limits.dnd
pub fn limit() -> i64 = 10;
== M0503
import "2026-tables.dnd";
fn f() -> i64 = 1;
// 2026-tables.dnd
pub fn limit() -> i64 = 10;
==
import "2026-tables.dnd" as tables;
fn f() -> i64 = tables.limit();
// 2026-tables.dnd
pub fn limit() -> i64 = 10;
"""

TYPES = """
== T0301
fn label(n: i64) -> str = "number " + n;
==
fn label(n: i64) -> str = f"number {n}";
== T0302
fn area(width: i64, height: i64) -> i64 = width * height;
fn square(a: i64) -> i64 = area(a, a, a);
==
fn area(width: i64, height: i64) -> i64 = width * height;
fn square(a: i64) -> i64 = area(a, a);
== T0303
record Line { level: str, text: str }
fn info(text: str) -> Line = Line(text: text);
==
record Line { level: str, text: str }
fn info(text: str) -> Line = Line(level: "info", text: text);
fn again(line: Line) -> Line = Line(..line, level: "info");
== T0304
fn area(width: i64, height: i64) -> i64 = width * height;
fn f() -> i64 = area(width: 2, depth: 3);
==
fn area(width: i64, height: i64) -> i64 = width * height;
fn f() -> i64 = area(width: 2, height: 3);
== T0305
fn f() -> i64 {
    let names = [];
    return names.len();
}
==
fn f() -> i64 {
    let names: array[str] = [];
    return names.len();
}
== T0306
fn f() -> u8 = 300;
==
fn f() -> u16 = 300;
== T0307
fn largest[T](a: T, b: T) -> T = if a < b { b } else { a };
==
fn largest[T: ord](a: T, b: T) -> T = if a < b { b } else { a };
== T0308
record Line { level: str, text: str }
fn show(line: Line) -> str = f"line: {line}";
==
record Line { level: str, text: str }
fn show(line: Line) -> str = f"line: {line.level} {line.text}";
== T0309
fn f(xs: array[i64]) -> i64 = xs.len;
==
fn f(xs: array[i64]) -> i64 = xs.len();
== T0310
fn twice(n: i64) -> i64 = 2 * n;
fn f(xs: array[i64]) -> array[i64] {
    let change = twice;
    return xs.map(change);
}
==
fn twice(n: i64) -> i64 = 2 * n;
fn f(xs: array[i64]) -> array[i64] = xs.map(twice);
== T0311
fn longest(names: set[str]) -> i64 = 0;
==
fn longest(names: array[str]) -> i64 = names.fold(0, |most, name| max(most, name.len()));
function f(names: set[str]) => (n: i64) = longest(names.values());
== T0312
fn f(pairs: array[str, i64]) -> i64 = 0;
==
fn f(pairs: array[(str, i64)]) -> i64 = pairs.len();
== T0313
function f(price: f64) => (prices: set[f64 => str]) { emit prices[price] <- "x"; }
==
function f(cents: i64) => (prices: set[i64 => str]) { emit prices[cents] <- "x"; }
== T0314
record Tree { value: i64, left: option[Tree], right: option[Tree] }
==
record Tree { value: i64, children: array[Tree] }
== T0315
fn first(name: str) -> u8 = name[0];
==
fn first(name: str) -> u8 = name.to_bytes()[0];
fn start(name: str) -> str = name[0..1];
== T0316
fn half(text: str) -> i64 = text.to_i64()? / 2;
==
fn half(text: str) -> option[i64] = some(text.to_i64()? / 2);
fn half_or_zero(text: str) -> i64 = text.to_i64().or(0) / 2;
== T0317
fn both(a: bool, b: bool) -> bool = a & b;
==
fn both(a: bool, b: bool) -> bool = a and b;
== T0318
enum Shape { circle(f64), point }
fn f(r: f64) -> Shape = Shape(r);
==
enum Shape { circle(f64), point }
fn f(r: f64) -> Shape = Shape.circle(r);
== T0319
import json;
function f(text: bytes) => (n: i64) = json.decode[64](text)?;
==
import json;
function f(text: bytes) => (n: i64) = json.decode[i64](text)?;
== T0320
fn add(xs: array[i64], x: i64) {
    xs.append(x);
}
==
fn add(inout xs: array[i64], x: i64) {
    xs.append(x);
}
fn with_one(xs: array[i64]) -> array[i64] {
    var copy = xs;
    add(copy, 1);
    return copy;
}
== T0321
fn move_all(inout from: array[i64], inout to: array[i64]) {
    to.extend(from);
    from = [];
}
fn f() -> i64 {
    var xs = [1];
    move_all(xs, xs);
    return xs.len();
}
==
fn move_all(inout from: array[i64], inout to: array[i64]) {
    to.extend(from);
    from = [];
}
fn f() -> i64 {
    var xs = [1];
    var ys = [2];
    move_all(xs, ys);
    return ys.len();
}
== T0322
record Point { x: i64, y: i64 }
fn f() -> Point = Point(1, 2);
==
record Point { x: i64, y: i64 }
fn f() -> Point = Point(x: 1, y: 2);
== T0323
enum Shape { circle(f64), point }
fn f(shape: Shape) -> f64 = match shape { circle => 1.0, point => 0.0 };
==
enum Shape { circle(f64), point }
fn f(shape: Shape) -> f64 = match shape { circle(r) => r, point => 0.0 };
== T0324
enum Color { red, green, blue }
fn f(color: Color) -> i64 = match color { red => 1, green => 2 };
==
enum Color { red, green, blue }
fn f(color: Color) -> i64 = match color { red => 1, green => 2, blue => 3 };
fn g(color: Color) -> i64 = match color { red => 1, _ => 0 };
== T0325
fn f(n: i64) -> str = match n { 0 => "none", _ => "many", 1 => "one" };
==
fn f(n: i64) -> str = match n { 0 => "none", 1 => "one", _ => "many" };
== T0326
fn add(inout xs: array[i64]) { xs.append(1); }
fn f() -> array[i64] {
    var xs: array[i64] = [];
    let ys = add(xs);
    return xs;
}
==
fn add(inout xs: array[i64]) { xs.append(1); }
fn f() -> array[i64] {
    var xs: array[i64] = [];
    add(xs);
    return xs;
}
== T0327
fn f(xs: array[i64]) -> array[i64] {
    xs.sort();
    return xs;
}
==
fn f(xs: array[i64]) -> array[i64] {
    let sorted = xs.sort();
    return sorted;
}
== T0328
fn f(n: i64) -> i64 {
    var sum = 0;
    for i in n { sum += i; }
    return sum;
}
==
fn f(n: i64) -> i64 {
    var sum = 0;
    for i in 0..n { sum += i; }
    return sum;
}
== T0329
function f(n: i64) => (m: i64) {
    return n + 1;
}
==
function f(n: i64) => (m: i64) {
    emit m <- g(n);
}
fn g(n: i64) -> i64 {
    return n + 1;
}
== T0330
fn f(n: i64) -> i64 {
    if n > 0 { break; }
    return n;
}
==
fn f(n: i64) -> i64 {
    var left = n;
    while true {
        if left < 1 { break; }
        left -= 1;
    }
    return left;
}
== T0331
function f(n: i64) => (squares: set[i64]) { emit squares[n] <- n * n; }
==
function f(n: i64) => (squares: set[i64 => i64]) { emit squares[n] <- n * n; }
== T0332
fn sign(n: i64) -> i64 {
    if n > 0 { return 1; }
    if n < 0 { return -1; }
}
==
fn sign(n: i64) -> i64 {
    if n > 0 { return 1; }
    if n < 0 { return -1; }
    return 0;
}
== T0333
function split(n: i64) => (tens: i64, ones: i64) = n / 10;
==
function split(n: i64) => (tens: i64, ones: i64) {
    emit tens <- n / 10;
    emit ones <- n % 10;
}
== T0334
function half(n: i64) => (m: i64) {
    if n % 2 == 0 { emit m <- n / 2; }
}
==
function half(n: i64) => (m: optional i64) {
    if n % 2 == 0 { emit m <- n / 2; }
}
function strict_half(n: i64) => (m: i64) {
    if n % 2 != 0 { fail f"{n} is odd"; }
    emit m <- n / 2;
}
== T0335
function f(n: i64) => (m: i64) {
    emit m <- n;
    emit m <- n + 1;
}
==
function f(n: i64) => (ms: set[i64]) {
    emit ms <- n;
    emit ms <- n + 1;
}
== T0336
fn deep[T](x: T, n: i64) -> i64 {
    if n > 0 { return deep([x], n - 1); }
    return 0;
}
fn f(n: i64) -> i64 = deep(1, n);
==
fn deep(n: i64) -> i64 {
    if n > 0 { return 1 + deep(n - 1); }
    return 0;
}
fn f(n: i64) -> i64 = deep(n);
== T0337
record A { a: (i64, i64, i64, i64, i64, i64, i64, i64) }
record B { a: (A, A, A, A, A, A, A, A) }
record C { b: (B, B, B, B, B, B, B, B) }
record D { c: (C, C, C, C, C, C, C, C) }
record E { d: (D, D, D, D, D, D, D, D) }
fn f(e: E) -> i64 = 1;
==
record A { a: array[i64] }
record B { a: array[A] }
record C { b: array[B] }
record D { c: array[C] }
record E { d: array[D] }
fn f(e: E) -> i64 = 1;
== T0338
const WIDTH: i64 = 2 * HEIGHT;
const HEIGHT: i64 = WIDTH / 2;
==
const WIDTH: i64 = 2 * HEIGHT;
const HEIGHT: i64 = 5;
== T0340
fn twice(n: i64) -> i64 = 2 * n;
test "twice" for n in 3 {
    expect twice(n) == n + n;
}
==
fn twice(n: i64) -> i64 = 2 * n;
test "twice" for n in 0..3 {
    expect twice(n) == n + n;
}
test "twice, by a table" for (n, m) in [(1, 2), (3, 6)] {
    expect twice(n) == m;
}
== T0350
const SIZES: array[i64] = [1, 2, 3];
const LAST: i64 = SIZES[3];
==
const SIZES: array[i64] = [1, 2, 3];
const LAST: i64 = SIZES[2];
== T0351
fn count() -> i64 {
    var n = 0;
    while n >= 0 {
        n = (n + 1) % 10;
    }
    return n;
}
const COUNT: i64 = count();
==
fn count() -> i64 {
    var n = 0;
    while n < 10 {
        n += 1;
    }
    return n;
}
const COUNT: i64 = count();
== T0352
config limit: i64 = 3;
const TWICE: i64 = 2 * limit;
==
config limit: i64 = 3;
fn twice() -> i64 = 2 * limit;
== T0353
enum Color { red, green, blue }
fn f(color: Color) -> i64 = match color { red => 1, blue => 2, gren => 3 };
==
enum Color { red, green, blue }
fn f(color: Color) -> i64 = match color { red => 1, blue => 2, green => 3 };
fn g(color: Color) -> i64 = match color { red => 1, _ => 3 };
"""
