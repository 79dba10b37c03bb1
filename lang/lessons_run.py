"""The same for what happens when programs run: what can end so, and how it is avoided. See `lang/lessons_program.py`.

Both programs of a lesson are free of mistakes that a check could find. Lines that begin with `$` are commands.
"""

RUNS = """
== R0701
fn next(n: i8) -> i8 = n + 1;  // next(127)
==
fn next(n: i8) -> i16 = i16(n) + 1;
fn wrapped(n: i8) -> i8 = n +% 1;
== R0702
fn share(cents: i64, people: i64) -> i64 = cents / people;  // share(100, 0)
==
fn share(cents: i64, people: i64) -> option[i64] = if people == 0 { none } else { some(cents / people) };
== R0703
fn second(xs: array[i64]) -> i64 = xs[1];  // second([7])
==
fn second(xs: array[i64]) -> option[i64] = xs.get(1);
== R0704
fn small(n: i64) -> u8 = u8(n);  // small(300)
==
fn small(n: i64) -> option[u8] = if n < 0 or n > 255 { none } else { some(u8(n)) };
== R0705
fn start(s: str) -> str = s[..3];  // start("ab")
==
fn start(s: str) -> str = s[..min(3, s.len())];
== R0706
fn sum(xs: array[i64], i: i64) -> i64 = if i == xs.len() { 0 } else { xs[i] + sum(xs, i + 1) };  // of 2,000 numbers
==
fn sum(xs: array[i64]) -> i64 {
    var total = 0;
    for x in xs { total += x; }
    return total;
}
== R0707
fn bit(n: i64) -> i64 = 1 << n;  // bit(64)
==
fn bit(n: i64) -> i64 = if n < 0 or n > 62 { 0 } else { 1 << n };
== R0708
fn sign(n: i64) -> i64 {
    if n > 0 { return 1; }
    if n < 0 { return -1; }
    unreachable();  // sign(0)
    return 0;
}
==
fn sign(n: i64) -> i64 {
    if n > 0 { return 1; }
    if n < 0 { return -1; }
    return 0;
}
== R0710
function parse(text: str) => (n: i64) = text.to_i64().ok_or(f"no number: {text}")?;
composition main(texts: set[str]) => (ns: set[i64]) { ns = parse(each texts); }
==
function parse(text: str) => (n: i64) = text.to_i64().ok_or(f"no number: {text}")?;
composition main(texts: set[str]) => (ns: set[i64], bad: set[Failure]) {
    ns = parse(each texts) on failure collect into bad;
}
== R0713
function even(n: i64) => (m: optional i64) { if n % 2 == 0 { emit m <- n; } }
composition main(n: i64) => (m: optional i64) { m = even(n); }
==
function even(n: i64) => (m: i64) = if n % 2 == 0 { n } else { n + 1 };
composition main(n: i64) => (m: i64) { m = even(n); }
== R0714
function step(n: i64) => (less: optional i64) { if n > 1 { emit less <- n - 1; } }
composition main() => (ns: set[i64]) {
    loop (i: i64 = 1_000) up to 100 {
        yield ns <- i;
        next i = step(i);
    }
}
==
function step(n: i64) => (less: optional i64) { if n > 1 { emit less <- n - 1; } }
composition main() => (ns: set[i64]) {
    loop (i: i64 = 1_000) up to 1_000 {
        yield ns <- i;
        next i = step(i);
    }
}
== R0715
function inverse(n: i64) => (m: i64) = 100 / n;
composition main(ns: set[i64]) => (ms: set[i64], failed: set[Failure]) {
    ms = inverse(each ns) on failure collect into failed up to 1 %;
}
==
function inverse(n: i64) => (m: i64) = 100 / n;
composition main(ns: set[i64]) => (ms: set[i64], failed: set[Failure]) {
    ms = inverse(each ns) on failure collect into failed;
}
== R0716
function price(order: str, cents: i64) => (line: str) = f"{order}: {cents}";
composition main(orders: set[str => str], prices: set[str => i64]) => (lines: set[(str, str) => str]) {
    lines = price(each orders, each prices) cross;
}
==
function price(orders: set[str], prices: set[i64]) => (line: str) = f"{orders.len()}: {prices.len()}";
composition main(orders: set[str => str], prices: set[str => i64]) => (lines: set[str => str]) {
    lines = price(keyed orders, keyed prices) by orders left prices;
}
== R0720
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(path: str) => (request: http.Request) = service.get(path);
composition main(paths: set[str]) => (pages: set[http.Response]) { pages = http.fetch(each ask(each paths)); }
==
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(path: str) => (request: http.Request) = service.get(path);
composition main(paths: set[str]) => (pages: set[http.Response], failed: set[Failure]) {
    pages = http.fetch(each ask(each paths)) retry 3 on failure collect into failed;
}
== R0721
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(path: str) => (request: http.Request) = service.get(path);
composition main(path: str) => (page: http.Response) { page = http.fetch(ask(path)) timeout 50ms; }
==
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(path: str) => (request: http.Request) = service.get(path);
composition main(path: str) => (page: http.Response) { page = http.fetch(ask(path)) retry 3 timeout 5s; }
== R0722
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(link: str) => (request: http.Request) = service.get(link);  // link is "http://elsewhere.example/x"
==
import http;
endpoint service = http("http://127.0.0.1:8600");
endpoint elsewhere = http("http://elsewhere.example");
function ask(path: str) => (request: http.Request) = elsewhere.get(path);  // path is "/x"
== R0723
$ dandc run program.dnd                             # the service listens on port 8601
==
$ dandc run program.dnd --config service_url=http://127.0.0.1:8601
== R0730
$ dandc run program.dnd                             # the composition declares `n: i64`
==
$ dandc run program.dnd -i n=3
== R0731
$ dandc run program.dnd -i m=3                      # the composition declares `n: i64`
==
$ dandc run program.dnd -i n=3
== R0732
$ dandc run program.dnd -i n=three                  # the composition declares `n: i64`
==
$ dandc run program.dnd -i n=3
== R0733
$ dandc run program.dnd mian
==
$ dandc run program.dnd main
== R0734
$ dandc run program.dnd                             # with `config service_url: str;`
==
$ dandc run program.dnd --config service_url=http://127.0.0.1:8600
== R0735
$ dandc run program.dnd --config servce_url=http://127.0.0.1:8600
==
$ dandc run program.dnd --config service_url=http://127.0.0.1:8600
== R0736
$ dandc run program.dnd --config times=many         # with `config times: i64;`
==
$ dandc run program.dnd --config times=3
== R0737
import http;
endpoint service = http("ftp://127.0.0.1");
==
import http;
endpoint service = http("http://127.0.0.1:8600/api");
== R0742
$ dandc build program.dnd --cpu x86-64-v4           # and run where there is no AVX-512
==
$ dandc build program.dnd --cpu x86-64-v2
== R0750
fn twice(n: i64) -> i64 = n + n + n;
test "twice" {
    expect twice(2) == 4;
}
==
fn twice(n: i64) -> i64 = n + n;
test "twice" {
    expect twice(2) == 4;
}
== R0751
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(path: str) => (request: http.Request) = service.get(path);
composition main(path: str) => (page: http.Response) { page = http.fetch(ask(path)); }
test "no page" {
    expect (run main(path: "/a")).page.status == 200;
}
==
import http;
endpoint service = http("http://127.0.0.1:8600");
function ask(path: str) => (request: http.Request) = service.get(path);
composition main(path: str) => (page: http.Response) { page = http.fetch(ask(path)); }
test "a page" {
    given service {
        GET "/a" => text "hello";
    }
    expect (run main(path: "/a")).page.status == 200;
}
== R0752
function parse(text: str) => (n: i64) = text.to_i64().or(0);
composition main(text: str) => (n: i64) { n = parse(text); }
test "no number" {
    expect fails run main(text: "x") with "fail";
}
==
function parse(text: str) => (n: i64) = text.to_i64().ok_or("no number")?;
composition main(text: str) => (n: i64) { n = parse(text); }
test "no number" {
    expect fails run main(text: "x") with "fail";
}
== R0753
test "division" {
    expect traps 1 / 1 with "trap.division";
}
==
test "division" {
    expect traps 1 / 0 with "trap.division";
}
== S0802
fn spin(n: i64) -> i64 {
    var x = n;
    while x != 0 { x -= 2; }  // spin(1) goes past 0
    return x;
}
==
fn spin(n: i64) -> i64 {
    var x = n;
    while x > 0 { x -= 2; }
    return x;
}
== S0803
fn endless() -> i64 {
    var xs: array[i64] = [];
    while true { xs.append(1); }
    return xs.len();
}
==
fn bounded(n: i64) -> i64 {
    var xs: array[i64] = [];
    while xs.len() < n { xs.append(1); }
    return xs.len();
}
== S0804
function count(n: i64) => (ns: set[i64]) { for i in 0..n { emit ns <- i; } }  // of a billion
==
function count(n: i64) => (ns: array[i64]) {
    var found: array[i64] = [];
    for i in 0..min(n, 1_000_000) { found.append(i); }
    emit ns <- found;
}
== U0901
$ dandc check progam.dnd
==
$ dandc check program.dnd
== U0902
$ dandc check program.zip
==
$ iconv -f latin1 -t utf-8 old.dnd > program.dnd && dandc check program.dnd
== U0903
fn twice(n: i64) -> i64 = 2 * n;
==
function twice(n: i64) => (m: i64) = 2 * n;
composition main(n: i64) => (m: i64) { m = twice(n); }
== U0904
$ dandc run program.dnd                             # declares the compositions `settle` and `pay`
==
$ dandc run program.dnd settle
== U0905
$ dandc run program.dnd -i n                        # no value
==
$ dandc run program.dnd -i n=3 -i text=@notes.txt -i token=env:TOKEN
== U0906
$ dandc run program.dnd --out program.dnd           # there is a file of this name
==
$ dandc run program.dnd --out results
== U0908
$ dandc explain T301
==
$ dandc explain T0301
== U0910
// nothing but a comment
==
fn twice(n: i64) -> i64 = 2 * n;
== U0911
$ dandc check --watch program.dnd other.dnd
==
$ dandc check --watch program.dnd
== U0912
$ dandc run program.dnd --out thesis                # `thesis/page` is your own, and `page` an output
==
$ dandc run program.dnd --out results
== U0915
$ dandc test program.dnd --filter "moeny"
==
$ dandc test program.dnd --filter "money"
== U0920
$ dnd> return 3
==
$ dnd> fn f() -> i64 { return 3; }
== U0921
$ dnd> :typ 1 + 2
==
$ dnd> :type 1 + 2
== U0923
$ dnd> :asm swap                                    # a generic helper
==
$ dnd> :asm swap((1, "x"))
== R0780
$ cp run.journal elsewhere/                         # without run.journal-wal, of a run that was killed
==
$ cp run.journal run.journal-wal elsewhere/
== R0782
$ dandc resume run.journal & dandc resume run.journal
==
$ dandc resume run.journal
== R0783
$ dandc run program.dnd --record /nowhere/run.journal
==
$ dandc run program.dnd --record run.journal
== R0784
$ dandc run program.dnd --record run.journal        # of the run before
==
$ dandc resume run.journal
== R0785
$ dandc replay run.journal                          # of a run that was killed
==
$ dandc resume run.journal && dandc replay run.journal
== R0788
$ dandc resume run.journal                          # killed while an effect was under way
==
$ dandc why run.journal                             # names the calls that were begun; then look at the service
== R0791
$ dandc replay run.journal --node fetch             # the counts of the run say `http.fetch#2`, and `fan_out`
==
$ dandc replay run.journal --node fan_out --item "#0"
== U0930
$ dandc run program.dnd --cache /tmp                # others can write it, and choose results
==
$ dandc run program.dnd --cache ~/.cache/results
"""
