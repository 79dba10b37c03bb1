"""The same for compositions: programs with a mistake, and without. See `lang/lessons_program.py`."""

COMPOSITIONS = """
== C0401
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (b: i64) {
    a = twice(b);
    b = twice(a);
}
==
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (b: i64) {
    a = twice(n);
    b = twice(a);
}
== C0402
function twice(n: i64) => (m: i64) = 2 * n;
composition main(ns: set[i64]) => (ms: set[i64]) { ms = twice(ns); }
==
function twice(n: i64) => (m: i64) = 2 * n;
composition main(ns: set[i64]) => (ms: set[i64]) { ms = twice(each ns); }
== C0403
function total(ns: set[i64]) => (sum: i64) = ns.values().sum();
composition main(ns: set[i64]) => (sum: i64) { sum = total(ns); }
==
function total(ns: set[i64]) => (sum: i64) = ns.values().sum();
composition main(ns: set[i64]) => (sum: i64) { sum = total(all ns); }
== C0404
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(each n); }
==
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(n); }
== C0405
function total(ns: set[i64]) => (sum: i64) = ns.values().sum();
composition main(ns: set[i64]) => (sums: set[i64]) { sums = total(keyed ns); }
==
function total(ns: set[i64]) => (sum: i64) = ns.values().sum();
composition main(ns: set[str => i64]) => (sums: set[str => i64]) { sums = total(keyed ns); }
== C0406
function names(pages: set[str => i64]) => (text: str) = pages.keys().join(", ");
composition main(pages: set[i64 => i64]) => (text: str) { text = names(all pages); }
==
function names(pages: set[str => i64]) => (text: str) = pages.keys().join(", ");
composition main(pages: set[str => i64]) => (text: str) { text = names(all pages); }
== C0407
function shout(text: str) => (loud: str) = text.to_upper();
composition main(n: i64) => (loud: str) { loud = shout(n); }
==
function shout(text: str) => (loud: str) = text.to_upper();
function write(n: i64) => (text: str) = f"{n}";
composition main(n: i64) => (loud: str) { loud = shout(write(n)); }
== C0408
function bill(orders: set[str], prices: set[i64]) => (line: str) = f"{orders.len()} at {prices.len()} prices";
composition main(orders: set[str => str], prices: set[str => i64]) => (lines: set[str => str]) {
    lines = bill(keyed orders, keyed prices);
}
==
function bill(orders: set[str], prices: set[i64]) => (line: str) = f"{orders.len()} at {prices.len()} prices";
composition main(orders: set[str => str], prices: set[str => i64]) => (lines: set[str => str]) {
    lines = bill(keyed orders, keyed prices) by orders left prices;
}
== C0409
function split(n: i64) => (parts: set[str => i64]) { emit parts <- n; }
composition main(n: i64) => (parts: set[str => i64]) { parts = split(n); }
==
function split(n: i64) => (parts: set[str => i64]) { emit parts["all"] <- n; }
composition main(n: i64) => (parts: set[str => i64]) { parts = split(n); }
== C0410
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(n + 1); }
==
function twice_after(n: i64, step: i64) => (m: i64) = 2 * (n + step);
composition main(n: i64) => (m: i64) { m = twice_after(n, 10 / 2); }
== C0411
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(n) retry 3; }
==
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(n: i64) => (request: http.Request) = service.get(f"/{n}");
composition main(n: i64) => (answer: http.Response) { answer = http.fetch(ask(n)) retry 3; }
== C0412
function even(n: i64) => (m: optional i64) { if n % 2 == 0 { emit m <- n; } }
composition main(n: i64) => (m: i64) { m = even(n); }
==
function even(n: i64) => (m: optional i64) { if n % 2 == 0 { emit m <- n; } }
composition main(n: i64) => (m: optional i64) { m = even(n); }
== C0413
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (a: i64, b: i64) { a = twice(n); }
==
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (a: i64, b: i64) {
    a = twice(n);
    b = twice(a);
}
== C0415
composition even(n: i64) => (m: i64) { m = odd(n); }
composition odd(n: i64) => (m: i64) { m = even(n); }
==
fn steps(n: i64) -> i64 = if n < 1 { 0 } else { 1 + steps(n - 1) };
function even(n: i64) => (m: i64) = steps(n);
composition main(n: i64) => (m: i64) { m = even(n); }
== C0416
composition main(token: secret) => (token: secret) { }
==
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(token: secret) => (request: http.Request) = service.get("/who", bearer: token);
composition main(token: secret) => (answer: http.Response) { answer = http.fetch(ask(token)); }
== C0417
function split(n: i64) => (tens: i64, ones: i64) { emit tens <- n / 10; emit ones <- n % 10; }
composition main(n: i64) => (tens: i64) { tens = split(n); }
==
function split(n: i64) => (tens: i64, ones: i64) { emit tens <- n / 10; emit ones <- n % 10; }
composition main(n: i64) => (tens: i64) { tens, _ones = split(n); }
== C0418
function split(n: i64) => (tens: i64, ones: i64) { emit tens <- n / 10; emit ones <- n % 10; }
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(split(n)); }
==
function split(n: i64) => (tens: i64, ones: i64) { emit tens <- n / 10; emit ones <- n % 10; }
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) {
    _tens, ones = split(n);
    m = twice(ones);
}
== C0419
fn twice(n: i64) -> i64 = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(n); }
==
fn twice(n: i64) -> i64 = 2 * n;
function doubled(n: i64) => (m: i64) = twice(n);
composition main(n: i64) => (m: i64) { m = doubled(n); }
== C0420
function twice(n: i64) => (m: i64) = 2 * n;
composition main(ns: set[str => i64]) => (ms: set[str => i64]) { ms = twice(keyed ns); }
==
function twice(n: i64) => (m: i64) = 2 * n;
composition main(ns: set[str => i64]) => (ms: set[str => i64]) { ms = twice(each ns); }
== C0421
function split(n: i64) => (tens: i64, ones: i64) { emit tens <- n / 10; emit ones <- n % 10; }
composition main(n: i64) => (a: result[i64, Failure], b: result[i64, Failure]) {
    a, b = split(n) on failure value;
}
==
function parse(text: str) => (n: i64) = text.to_i64().ok_or("no number")?;
composition main(text: str) => (n: result[i64, Failure]) {
    n = parse(text) on failure value;
}
== C0422
import http;
config host: str;
endpoint service = http(f"http://{host}");
==
import http;
config service_url: str = "http://127.0.0.1:8600";
endpoint service = http(service_url);
== C0430
composition main(n: i64) => (n: i64) { }
test "numbers" {
    for n in 0..3 {
        expect (run main(n: n)).n == n;
    }
}
==
composition main(n: i64) => (n: i64) { }
test "numbers" for n in [0, 1, 2] {
    expect (run main(n: n)).n == n;
}
== C0431
fn twice(n: i64) -> i64 = 2 * n;
test "twice" {
    expect run twice(n: 2) == 4;
}
==
fn twice(n: i64) -> i64 = 2 * n;
test "twice" {
    expect twice(2) == 4;
}
== C0432
import http;
endpoint service = http("http://127.0.0.1:8600");
test "answers" {
    given service {
        GET "/a" => found {found: 1};
    }
}
==
import http;
endpoint service = http("http://127.0.0.1:8600");
test "answers" {
    given service {
        GET "/a" => status 500, json {found: 1};
    }
}
== C0433
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(n: i64) => (request: http.Request) = service.get(f"/{n}");
composition main(n: i64) => (answer: http.Response) { answer = http.fetch(ask(n)); }
test "answers" {
    let first = run main(n: 1);
    given service {
        GET "/1" => text "one";
    }
}
==
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(n: i64) => (request: http.Request) = service.get(f"/{n}");
composition main(n: i64) => (answer: http.Response) { answer = http.fetch(ask(n)); }
test "answers" {
    given service {
        GET "/1" => text "one";
    }
    let first = run main(n: 1);
}
== C0434
fn half(n: i64) -> i64 = 10 / n;
test "half" {
    expect fails half(0);
}
==
fn half(n: i64) -> i64 = 10 / n;
test "half" {
    expect traps half(0) with "trap.division";
}
== C0450
function pair(a: str, b: str) => (text: str) = a + b;
composition main(firsts: set[str], seconds: set[str]) => (texts: set[str]) {
    texts = pair(each firsts, each seconds) by firsts cross seconds;
}
==
function pair(a: str, b: str) => (text: str) = a + b;
composition main(firsts: set[str], seconds: set[str]) => (texts: set[str]) {
    texts = pair(each firsts, each seconds) by a cross b;
}
== C0451
function bill(orders: set[str], prices: set[i64]) => (line: str) = f"{orders.len()} {prices.len()}";
composition main(orders: set[str => str], prices: set[i64 => i64]) => (lines: set[str => str]) {
    lines = bill(keyed orders, keyed prices) by orders inner prices;
}
==
function bill(orders: set[str], prices: set[i64]) => (line: str) = f"{orders.len()} {prices.len()}";
function by_name(k: key i64, cents: i64) => (prices: set[str => i64]) { emit prices[f"{k}"] <- cents; }
composition main(orders: set[str => str], prices: set[i64 => i64]) => (lines: set[str => str]) {
    lines = bill(keyed orders, keyed by_name(each prices)) by orders inner prices;
}
== C0452
function scaled(rows: set[i64], rate: i64) => (sum: i64) = rows.len() * rate;
composition main(rows: set[str => i64], rates: set[str => i64]) => (sums: set[str => i64]) {
    sums = scaled(keyed rows, each rates) by rows left rate;
}
==
function scaled(rows: set[i64], rate: i64) => (sum: i64) = rows.len() * rate;
composition main(rows: set[str => i64], rates: set[i64]) => (sums: set[str => i64]) {
    sums = scaled(keyed rows, each rates) by rows cross rate;
}
== C0453
function label(name: key str, rows: set[i64]) => (line: str) = f"{name}: {rows.len()}";
composition main(rows: set[str => i64]) => (line: str) { line = label(all rows); }
==
function label(name: key str, rows: set[i64]) => (line: str) = f"{name}: {rows.len()}";
composition main(rows: set[str => i64]) => (lines: set[str => str]) { lines = label(keyed rows); }
== C0454
function f(n: i64) => (m: i64) = n + 1;
composition step(n: i64) => (m: i64) { m = f(n); }
composition main(n: i64) => (m: i64) { m = step(n) timeout 2s; }
==
function f(n: i64) => (m: i64) = n + 1;
composition step(n: i64) => (m: i64) { m = f(n); }
composition main(n: i64) => (m: i64) { m = step(n) within 2s; }
== C0455
function total(xs: set[i64]) => (sum: i64) = xs.len();
composition main(xs: set[i64]) => (sum: optional i64) { sum = reduce total(all xs); }
==
function add(a: i64, b: i64) => (sum: i64) = a + b;
composition main(xs: set[i64]) => (sum: optional i64) { sum = reduce add(all xs); }
== C0456
function text(n: i64) => (t: str) = f"{n}";
composition main(ns: set[i64], more: set[str]) => (all_: set[str]) { all_ = more ++ ns; }
==
function text(n: i64) => (t: str) = f"{n}";
composition main(ns: set[i64], more: set[str]) => (all_: set[str]) { all_ = more ++ text(each ns); }
== C0457
composition main(size: i64, wanted: optional i64) => (chosen: i64) { chosen = size else wanted else 0; }
==
composition main(size: i64, wanted: optional i64) => (chosen: i64) { chosen = wanted else size; }
== C0458
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: i64) => (sums: set[i64]) {
    loop (i: i64 = n, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = less;
    }
}
==
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: i64) => (sums: set[i64]) {
    loop (i: i64 = n, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = less;
        next sum = total;
    }
}
== C0459
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: optional i64) => (sums: set[i64]) {
    loop (i: i64 = n, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = less;
        next sum = total;
    }
}
==
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: optional i64) => (sums: set[i64]) {
    first = n else 10;
    loop (i: i64 = first, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = less;
        next sum = total;
    }
}
== C0460
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: i64) => (sum: i64) {
    less, sum = step(n, 0);
    yield sums <- sum;
}
==
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: i64) => (sums: set[i64]) {
    loop (i: i64 = n, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = less;
        next sum = total;
    }
}
== C0461
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: i64) => (sums: set[i64]) {
    loop (i: i64 = n, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = total;
        next sum = total;
    }
}
==
function step(n: i64, sum: i64) => (less: optional i64, sum: i64) {
    if n > 1 { emit less <- n - 1; }
    emit sum <- sum + n;
}
composition main(n: i64) => (sums: set[i64]) {
    loop (i: i64 = n, sum: i64 = 0) up to 100 {
        less, total = step(i, sum);
        yield sums <- total;
        next i = less;
        next sum = total;
    }
}
== C0462
import http;
default http on failure collect into failed;
==
import http;
default http retry 3 timeout 2s;
composition main(pages: set[http.Request]) => (failed: set[Failure]) {
    http.fetch(each pages) on failure collect into failed;
}
== C0463
import http;
composition main(order: http.Request, bill: http.Request) => (done: http.Response) {
    http.fetch(order);
    done = http.fetch(bill) after order;
}
==
import http;
composition main(order: http.Request, bill: http.Request) => (done: http.Response) {
    ordered = http.fetch(order);
    done = http.fetch(bill) after ordered;
}
== C0464
import http;
composition main(order: http.Request, number: i64) => (done: http.Response) { done = http.exchange(order) once number; }
==
import http;
composition main(order: http.Request, number: str) => (done: http.Response) { done = http.exchange(order) once number; }
== C0465
function total(ns: set[i64]) => (sum: i64) = ns.values().sum();
composition main(ns: set[i64]) => (sum: optional i64) { sum = total(all ns) on empty (numbers) skip; }
==
function total(ns: set[i64]) => (sum: i64) = ns.values().sum();
composition main(ns: set[i64]) => (sum: optional i64) { sum = total(all ns) on empty (ns) skip; }
"""
