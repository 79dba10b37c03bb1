"""The table of diagnostic codes: the only place where a code and its title stand.

`L` lexical 00xx, `P` syntax 01xx, `N` names 02xx, `T` types 03xx, `C` compositions 04xx, `M` modules 05xx,
`W` lints 06xx, `R` run time 07xx, `S` sandbox and host 08xx, `U` use of the tools 09xx, `I` imported sources 10xx. A code is never renumbered or
used again.
"""

from dandc.lang import codes_program
from dandc.lang.values import frozen


@frozen
class Code:
    """A row of the table: a title that stands alone, and a sentence or two that explain it."""

    title: str
    explanation: str


CODES: dict[str, Code] = {}


def _family(rows: dict[str, tuple[str, str]]) -> None:
    CODES.update({code: Code(title, text) for code, (title, text) in rows.items()})


# R07xx: what a run can end with. 01-16 happen in calls, 20-24 in communication, 30-38 before anything runs.
_family(
    {
        "R0701": (
            "arithmetic overflow",
            "The exact result of an operation does not fit its type, as in `let big: i8 = 100 + 100`. Use a wider"
            " type, or `+%`, `-%`, `*%` where wrapping is meant.",
        ),
        "R0702": (
            "division by zero",
            "An integer was divided by zero, or a remainder by zero was asked for. Test the divisor first; "
            "division of floats gives infinity or NaN and never traps.",
        ),
        "R0703": (
            "index outside the array",
            "`xs[i]` needs `0 <= i < xs.len()`. Test the index, or use a method that gives an `option`.",
        ),
        "R0704": (
            "conversion without a result",
            "The value has no exact counterpart in the type it was converted to, as in `u8(300)` or `i64(1.5)`. "
            "Check the range first, or wrap on purpose.",
        ),
        "R0705": (
            "slice outside the value",
            "`x[lo..hi]` needs `0 <= lo <= hi <= x.len()`, and in a `str` both must lie between characters, not "
            "inside one.",
        ),
        "R0706": (
            "calls nested too deeply",
            "More than 1,000 calls of recursive functions were nested. Use a loop with a `var`, or an array as a "
            "stack.",
        ),
        "R0707": (
            "shift outside the width",
            "The right side of `<<` or `>>` must not be negative and must be below the number of bits of the left"
            " side.",
        ),
        "R0708": (
            "unreachable code was reached",
            "The program said that this place cannot be reached, and it was.",
        ),
        "R0709": (
            "invalid input item",
            "An item that a kernel read is not a valid encoding of its type. Items of compiled programs always "
            "are; these bytes came from an image that was made in another way.",
        ),
        "R0710": (
            "the kernel failed",
            "The kernel ended with `fail`, or with `?` on an error. The message is what the program said. To go "
            "on without the item, write `on failure skip`, or `on failure collect into NAME` to look at the "
            "failures later.",
        ),
        "R0711": (
            "invalid value in a set",
            "A call gave bytes that are not a value of the type it declared, and a reader found out. Compiled "
            "kernels cannot do that; the image was made in another way.",
        ),
        "R0712": (
            "too many items",
            "A set holds more items than its type allows: `T` is exactly one item, `optional T` at most one.",
        ),
        "R0713": (
            "promised output is absent",
            "An output of the composition is declared as `T`, but the call that should give it was skipped. "
            "Declare it as `optional T`, or make sure that the inputs of that call are there.",
        ),
        "R0714": (
            "too many turns",
            "A loop did not end within the number of turns that `up to` allows. It ends when a `next` gets nothing; allow more"
            " turns, or take the failure with `on failure skip`, which gives nothing of what it yielded.",
        ),
        "R0715": (
            "too many failures",
            "More instances failed than `on failure collect into NAME up to N` takes. The run ends as it does with"
            " `on failure fail`.",
        ),
        "R0716": (
            "join too large",
            "A crossing has more than 2,147,483,648 instances, or a join by key follows one of more than 16,777,216. Join by"
            " key first, or cross fewer items.",
        ),
        "R0720": (
            "communication failed",
            "A request could not be done; the failure code in the note says why. `retry 3` tries again where that"
            " is safe, `on failure collect into NAME` goes on with the other items.",
        ),
        "R0721": (
            "time is over",
            "The call did not get a complete answer within its `timeout` (30 s when it has none). Raise it, or "
            "add `retry 3`.",
        ),
        "R0722": (
            "address outside the declared endpoints",
            "A program reaches only what it declares: an absolute URL must have scheme, host and port of an "
            "`endpoint` and lie under its path. Declare another endpoint if the program should go there.",
        ),
        "R0723": (
            "the service cannot be reached",
            "No connection could be made, or it broke. Check the address of the endpoint and whether the service "
            "runs; `retry 3` helps against short interruptions.",
        ),
        "R0724": (
            "unknown secret",
            "A request named a secret that this run was not given. Kernels hold handles of secrets and cannot "
            "make new ones.",
        ),
        "R0730": (
            "missing input",
            "The composition declares an input that was not given. Pass it with `-i NAME=VALUE`; only `optional` "
            "inputs may be left out. An empty set is passed as `[]`.",
        ),
        "R0731": (
            "unknown input",
            "The composition does not declare an input of this name.",
        ),
        "R0732": (
            "input does not fit its type",
            "The value that was given for an input is not of the declared type. The note leads to the place in "
            "the value.",
        ),
        "R0733": (
            "unknown composition",
            "The program has no composition of this name.",
        ),
        "R0734": (
            "missing config",
            "The program declares a `config` without a default, and the run did not give it. Pass it with "
            "`--config NAME=VALUE`.",
        ),
        "R0735": (
            "unknown config",
            "The program does not declare a `config` of this name.",
        ),
        "R0736": (
            "config does not fit its type",
            "The value that was given for a `config` is not of the declared type.",
        ),
        "R0737": (
            "unusable endpoint address",
            "The address of an endpoint must be one that its module can serve: `http://HOST` or `https://HOST` "
            "with an optional port and path for `http`, a folder or a `file:` URL for `storage`.",
        ),
        "R0738": (
            "no driver",
            "The program calls a communication function of a module that this machine has no driver for.",
        ),
        "R0740": (
            "damaged bundle",
            "The bytes are not a bundle, were changed after they were written, or were put together by something "
            "else than `dandc build`. Build the program again.",
        ),
        "R0742": (
            "bundle for other processors",
            "A bundle holds code for the CPU levels that `dandc build --cpu` named. None of them runs on this machine: build it again "
            "with `--cpu x86-64-v2`, which all x86-64 processors since 2009 have.",
        ),
        "R0741": (
            "bundle of another version",
            "The bundle was written by a version of dandc whose format this one does not read. Build the program "
            "again.",
        ),
    }
)


_family(
    {
        "L0001": (
            "Unknown character",
            "The character has no meaning in the language. Outside strings and comments a program is written in "
            "ASCII; text "
            "copied from a document often has typographic quotes or dashes.\n\n"
            '    let a = “text”;    // write "text"',
        ),
        "L0002": (
            "Unclosed string",
            "A string ends on the line on which it begins. A text of several lines stands in three double quotes; a "
            "double "
            'quote inside a string is written `\\"`.\n\n'
            '    let a = "one line";\n'
            '    let b = """\n        several\n        lines\n        """;',
        ),
        "L0003": (
            "Not a number",
            "Numbers are `42`, `1_000`, `0xff`, `0b101`, `0o17`, `1.5` and `2e-3`. A letter cannot follow a number "
            "directly, there is a digit on both sides of a point, and a decimal number does not begin with 0.\n\n"
            "    let a = 12abc;    // write 12, or a name that begins with a letter",
        ),
        "L0004": (
            "Unknown escape",
            'In strings the escapes are `\\n` `\\t` `\\r` `\\0` `\\\\` `\\"` and `\\u{1F600}`, in bytes `\\xff` '
            "in place of "
            "`\\u`. A backslash as text is written twice.\n\n"
            '    let path = "C:\\dir";    // write "C:\\\\dir"',
        ),
        "L0005": (
            "Comment of another language",
            "A comment begins with `//` and ends with its line. `///` documents the item after it, `//!` at the "
            "beginning "
            "of a file documents the module. There are no block comments, because they do not nest.\n\n"
            "    # counts lines        // write: // counts lines",
        ),
        "L0006": (
            "String in single quotes",
            "Strings stand in double quotes; there is no type for a single character.\n\n"
            "    let a = 'text';    // write \"text\"",
        ),
        "L0007": (
            "Name outside ASCII",
            "Names consist of the letters a-z and A-Z, digits and `_`, and do not begin with a digit, so that two "
            "names "
            "that look alike are alike. Strings and comments may hold any text.\n\n"
            "    let größe = 3;    // write groesse or size",
        ),
        "L0008": (
            "Invisible character",
            "The text holds a control character, or one that changes how the text around it is displayed (for "
            "example the "
            "reading direction). What a reviewer sees would differ from what is compiled, so such characters are "
            "refused "
            "everywhere, in comments too. In a string write the escape.\n\n"
            '    let mark = "\\u{202E}";',
        ),
        "L0009": (
            "Unreadable f-string",
            "In an f-string an expression stands between braces, on one line and without braces of its own; a brace as "
            "text is doubled. Name a longer expression with `let` first.\n\n"
            '    f"{a}/{b}"    f"a {{literal}} brace"',
        ),
        "L0010": (
            "Source too large",
            "A source file is limited, so that a hostile text cannot occupy the compiler. Large data belongs into an "
            "input "
            "of the composition or into storage, not into the program; a large program divides into modules.\n\n"
            '    import "lib/tables.dnd" as tables;',
        ),
        "P0101": (
            "Unexpected text",
            "At this place the grammar allows something else; the message lists the likeliest possibilities. The "
            "mistake is "
            "often a little before the place where it is noticed.\n\n"
            "    let a = * 3;    // an expression cannot begin with `*`",
        ),
        "P0102": (
            "Missing semicolon",
            "Every statement ends with `;`, except one that ends with a block. An item ends with `;` unless it ends "
            "with "
            "braces.\n\n"
            '    let a = 1;\n    if a > 0 { note "positive"; }',
        ),
        "P0103": (
            "Unclosed bracket",
            "A `(`, `[` or `{` has no partner. The diagnostic points at the bracket that was opened and at the place "
            "where the closing one is missed at the latest.\n\n"
            "    let a = f(1, 2;    // write f(1, 2);",
        ),
        "P0104": (
            "Bracket that closes nothing",
            "A closing bracket has no opening one, or closes another kind than the last one that was opened.\n\n"
            "    let a = (1 + 2];    // write (1 + 2)",
        ),
        "P0105": (
            "Reserved word as a name",
            "Reserved words cannot name things. In back quotes they can; after `.`, as a field of a record and "
            "before the "
            "`:` of an argument they may stand as they are.\n\n"
            "    let `match` = 1;    // or another name",
        ),
        "P0106": (
            "Operator of another language",
            "Logic is written in words: `and`, `or`, `not`. There are no `++`, `--` and `===`.\n\n"
            "    if a && !b { }    // write: if a and not b { }\n"
            "    i++;              // write: i += 1;",
        ),
        "P0107": (
            "`=` and `==` confused",
            "`==` compares two values and gives a bool; `=` gives a value to a name and is a statement, never part "
            "of an "
            "expression.\n\n"
            "    if a = 1 { }    // write: if a == 1 { }",
        ),
        "P0108": (
            "Item inside another item",
            "Functions, records, constants and other items stand at the top level of a module. Inside a function "
            "there is "
            "`let`, and a lambda for a short function.\n\n"
            "    let twice = xs.map(|x| 2 * x);",
        ),
        "P0109": (
            "Wrong arrow",
            "`=>` stands before the outputs of a function or composition, between a pattern and its result, and "
            "between "
            "key and item of a set. `->` stands before the result of an `fn`. `<-` gives a value to an output.\n\n"
            "    fn f(a: i64) -> i64 = a;\n"
            "    function g(a: i64) => (b: i64) { emit b <- f(a); }",
        ),
        "P0110": (
            "`for` of another language",
            "A `for` goes over a range or a sequence; its counter is new in every turn. Other loops are written with "
            "`while`.\n\n"
            "    for i in 0..10 { }\n    for name, value in table { }",
        ),
        "P0111": (
            "Statement outside a function",
            "At the top level of a module stand only items: imports, types, constants, functions and compositions. "
            "What "
            "computes stands in a function; a value with a name is a `const`.\n\n"
            "    const LIMIT: i64 = 10;",
        ),
        "P0112": (
            "`else` without `if`",
            "An `else` follows the closing brace of its `if` directly. A `;` between them ends the `if`.\n\n"
            "    if a { f(); } else { g(); }",
        ),
        "P0113": (
            "Separator missing or surplus",
            "Elements of a list are separated by `,`, a name and its type by `:`, a name and its value by `=`. A comma "
            "after the last element is allowed, an empty element is not.\n\n"
            "    record Point { x: f64, y: f64 }",
        ),
        "P0114": (
            "Statement of functions in a composition",
            "A composition says which results feed which calls, and nothing else: it has no order and no control flow. "
            "Conditions and loops over values stand in a `function`; for one call an item there is `each`.\n\n"
            "    pages = http.fetch(each requests);",
        ),
        "P0116": (
            "Amount without a unit",
            "A duration is an integer and a unit without a space: `ms`, `s`, `m`, `h` or `d`. A size has `B`, `KB`, `MB`, "
            "`GB` (thousands) or `KiB`, `MiB`, `GiB` (1024s).\n\n"
            "    page = http.fetch(request) timeout 2s;\n    rows = parse(each pages) limit memory 64MiB;",
        ),
        "P0117": (
            "Operators that do not go together",
            "Comparisons do not chain, because `a < b < c` would compare a bool with a number. `not` binds less than "
            "comparisons, so it needs parentheses after another operator.\n\n"
            "    if a < b and b < c { }",
        ),
        "P0118": (
            "Word of compositions in a function",
            "`all`, `each`, `keyed`, `anyEach` and `anyKeyed` say how a set is divided over the calls of a node; `by`, "
            "`cross`, `++`, `else`, `reduce` and `loop` connect sets. Inside a "
            "function a set is read with `for`; `..` updates a record inside functions only.\n\n"
            "    for item in items { }",
        ),
        "P0119": (
            "Misplaced policy",
            "Policies follow a call or a loop of a composition, behind its join, each at most once, and their numbers are "
            "at least 1. `on (...)` stands right after its `retry`.\n\n"
            "    page = http.fetch(request) retry 3 on (429, 5xx) timeout 2s on failure skip;",
        ),
        "P0120": (
            "Incomplete `emit`",
            "An `emit` names the output, a key and a name if it has them, and gives the value after `<-`.\n\n"
            '    emit page <- text;\n    emit requests[server] named "first" <- request;',
        ),
        "P0121": (
            "Too many mistakes",
            "The parser stops after one hundred mistakes, because the later ones are seldom about the text that was "
            "meant. Mend the first ones and try again.\n\n"
            "    dandc check program.dnd",
        ),
        "P0122": (
            "`if` without a value",
            "An `if` in the place of an expression gives a value on both ways, so it needs an `else`. The `if` "
            "statement "
            "does not.\n\n"
            "    let a = if b { 1 } else { 0 };",
        ),
        "P0123": (
            "Text outside an item",
            "A module consists of items, and each begins with one of the words `import`, `config`, `endpoint`, "
            "`record`, "
            "`enum`, `const`, `fn`, `function`, `communication`, `composition` and `test`, perhaps after `pub`.\n\n"
            "    fn twice(a: i64) -> i64 = 2 * a;",
        ),
        "P0124": (
            "`=>` outside a set type",
            "Only sets have typed keys that are written with `=>`; a map is `map[K, V]`.\n\n"
            "    function f(pages: set[str => bytes]) => (count: i64) { emit count <- 0; }",
        ),
        "P0125": (
            "Not a place",
            "Only a `var`, a field of one or an element of one can be assigned to: not the result of a call, not a "
            "slice, "
            "not a literal.\n\n"
            '    xs[0] = 1;    line.level = "info";',
        ),
        "P0126": (
            "Nested too deeply",
            "Brackets, blocks and chains of operators or calls are limited to a depth of 200, so that a hostile text "
            "cannot exhaust the compiler's stack. A person who meets the limit names a part with `let` or moves it "
            "into a "
            "function.\n\n"
            "    let part = a + b;    // and go on with part",
        ),
        "P0127": (
            "Form of another language",
            "Other languages have words and forms that are written differently here: `elif`, `switch`, `let mut`, `new`, "
            "`a if b else c`, list comprehensions, `x => x + 1`, `Point { x: 1 }`, `List<T>`. A block is no value, and its "
            "last value is not its result: an `fn` has `return`, a `function` has `emit`. The message says what stands for "
            "it.\n\n"
            "    let doubled = xs.map(|x| 2 * x);",
        ),
        "P0128": (
            "No such policy",
            "What stands behind a call of a composition is a join or a policy: `retry`, `timeout`, `on failure`, `limit`, "
            "`concurrency`, `cache`, `once`, `after`, `within`.\n\n"
            "    page = http.fetch(request) retry 3 timeout 2s;",
        ),
        "P0129": (
            "Wrong form of a join or reduce",
            "`by` names the two or more parameters whose arguments meet, with a strategy between each two. `reduce` stands "
            "before the call of a function.\n\n"
            "    rows = match_up(keyed orders, keyed prices) by orders left prices;\n    most = reduce larger(all rows);",
        ),
        "P0130": (
            "Loop without a bound",
            "A loop of a composition says how many turns it has at most, so that every run ends; one that would go on fails "
            "with `loop.limit`.\n\n"
            "    loop (after: option[str] = none) up to 1_000 { ... }",
        ),
    }
)

for _rows in (
    codes_program.NAMES,
    codes_program.TYPES,
    codes_program.COMPOSITIONS,
    codes_program.MODULES,
    codes_program.TOOLS,
    codes_program.UPSTREAM,
):
    _family(_rows)


_family(
    {
        "S0801": (
            "sandbox ran out of wall time",
            "The call did not end within its time limit (10 s unless said) and was killed by its own timer. `limit time` "
            "at the call raises it:\n\n"
            "    rows = parse(file) limit time 60s;",
        ),
        "S0802": (
            "sandbox ran out of CPU time",
            "The call used more CPU time than its limit and was killed by its own timer. An endless loop ends "
            "like this.",
        ),
        "S0803": (
            "instance ran out of memory",
            "The instance asked for more memory than its limit: 64 MiB, the size of the sandbox's heap, unless `limit "
            "memory` at the call says another:\n\n"
            "    rows = parse(file) limit memory 512MiB;\n\n"
            "All calls of a run together have a budget of 1 GiB; `dandc run --memory 4GiB` raises it.",
        ),
        "S0804": (
            "instance gave too much output",
            "The items, keys and names of the instance do not fit into the output area: 16 MiB unless `limit output` at "
            "the call says another size:\n\n"
            "    rows = parse(file) limit output 128MiB;",
        ),
        "S0805": (
            "sandboxed code crashed",
            "The code in the sandbox was stopped by the processor (a bad address, instruction or division) or "
            "ended by itself before it was done. Code made by this compiler does not do that: a fault of the "
            "compiler, or of a foreign image.",
        ),
        "S0806": (
            "sandboxed code tried a forbidden system call",
            "Code in a sandbox may end itself and nothing else. Code made by this compiler makes no other "
            "system call: a fault of the compiler, or a foreign image that is broken or hostile.",
        ),
        "S0807": (
            "sandboxed code left a broken result",
            "The tables that describe the outputs break the rules of the image interface, so nothing of the "
            "result is used.",
        ),
        "S0808": (
            "sandbox was lost",
            "The sandbox was killed from outside, twice: by an operator, or by the kernel because the machine "
            "ran out of memory.",
        ),
        "S0809": (
            "host has nothing left for a sandbox",
            "A process, a file descriptor or memory could not be had: lower the number of calls at once, or raise the "
            "host's limits. Or the limits of the call alone (memory, stack and output) exceed the budget for all calls "
            "of the run, which is 1 GiB unless `dandc run --memory 4GiB` says another.",
        ),
        "S0810": (
            "no sandbox on this host",
            "Untrusted code runs only in a sandbox, which needs Linux on x86-64 with seccomp filters. `dandc "
            "doctor` says what is missing; nothing is run outside of a sandbox instead. A program that you "
            "trust can be run without one, if you say so: `--isolation inline`.",
        ),
        "S0811": (
            "not an image",
            "The file is no static x86-64 executable of the shape that the image interface asks for, so it "
            "cannot be loaded.",
        ),
        "S0812": (
            "call was cancelled",
            "The run ended, or a sibling failed, while the call was under way: its sandbox was killed.",
        ),
        "S0813": (
            "too many steps for the interpreter",
            "The reference interpreter, which `dandc repl --interp` uses, counts steps where native code has a limit of "
            "time, so that its answer is the same everywhere. It is some hundred times slower than native code: "
            "`:interp off` goes back to sandboxes.",
        ),
    }
)


# R075x: how a test ends when it does not pass.
_family(
    {
        "R0750": (
            "expectation does not hold",
            "The condition after `expect` is false. Both sides of a comparison are shown, or the value whose method was "
            "called. The test ends at the first expectation that does not hold.",
        ),
        "R0751": (
            "request that no fake answers",
            "In a test nothing leaves the machine: every request is answered by a `given` of its endpoint. Add a rule for "
            'this one, `GET "/path" => json {...};`; a path that ends with `*` takes all that begin like it.',
        ),
        "R0752": (
            "run did not fail as expected",
            "`expect fails run ...` needs a run that ends with a failure, and with the code that is named after `with`. "
            "A failure that the composition handles itself (`on failure collect into NAME`) does not end the run: look at the "
            "set that collects it.",
        ),
        "R0753": (
            "no trap as expected",
            "`expect traps ...` needs an expression whose evaluation ends with a trap, and with the code that is named "
            "after `with`.",
        ),
        "R0754": (
            "interpreter and native code disagree",
            "Every test's pure part runs in the reference interpreter and as native code, and both must give the same bits. "
            "They did not: this is a mistake in dandc itself. Please report it with the test.",
        ),
        "R0755": (
            "test did not end",
            "All that is left in the test waits for something that never comes, or the interpreter was stopped after its "
            "most steps. In tests time passes only while somebody waits for it.",
        ),
    }
)


# R078x: runs that are kept.
_family(
    {
        "R0780": (
            "journal cannot be read",
            "The file is not there, is no journal, or is damaged: every part of a journal has a checksum. A journal of a run that was "
            "killed consists of two files, `FILE` and `FILE-wal`; they must stay together until the run is finished.",
        ),
        "R0781": (
            "journal of another version",
            "The journal was written by another version of dandc, with another layout. Use the version that wrote it.",
        ),
        "R0782": (
            "journal in use",
            "A run is writing this journal, and a journal is written by one run at a time. Wait until it has ended, or end it.",
        ),
        "R0783": (
            "journal cannot be written",
            "The disk is full, the folder cannot be written, or one value is larger than 1,000,000,000 bytes. A run that is to be recorded "
            "ends when it cannot be; what was acknowledged until then is in the journal, and `dandc resume FILE` goes on from there.",
        ),
        "R0784": (
            "journal exists already",
            "A journal is the record of one run and is never overwritten. Name another file; to finish an earlier run write `dandc "
            "resume FILE`.",
        ),
        "R0785": (
            "recorded run did not end",
            "Only a run that gave its outputs or failed can be repeated. `dandc resume FILE` finishes a run that was killed; `dandc replay "
            "FILE --node NODE` looks at one instance of it.",
        ),
        "R0786": (
            "replay differs from the record",
            "What compiled kernels give depends on their inputs alone, so a repeated run must give the same to the bit. It did not: the "
            "journal was changed, the image came from elsewhere, or this is a mistake in dandc; please report it with the journal.",
        ),
        "R0787": (
            "journal has no such answer",
            "The run that is repeated makes a call that the recorded one did not make. The journal was changed, or belongs to another "
            "program.",
        ),
        "R0788": (
            "effect may have been done",
            "The run was ended after a call with `once` was begun and before its answer was there. Its driver has no way to tell the service "
            "which effect it is, and the operation is not one that may be done twice, so nobody knows. Look at the service; `on failure` "
            "takes the failure `once.unknown` like any other.",
        ),
        "R0789": (
            "effect with other arguments",
            "Two calls with `once` name the same effect, by operation, KEY and the item's key or name, and want different things of it. "
            "The first one counts. Give them different keys.",
        ),
        "R0790": (
            "recorded with another compiler",
            "To look at an instance its kernel is compiled again from the texts in the journal. Another version of the compiler may give "
            "other steps, though the result should be the same.",
        ),
        "R0791": (
            "no such instance in the run",
            "`--node` names a call of a kernel or of a driver as the run's counts show it, with the calls of compositions around it (`outer/inner`), and "
            "`--item` the key, the name or the `#NUMBER` of an item that it worked on, or `from #NUMBER` as a failure calls it.",
        ),
    }
)
