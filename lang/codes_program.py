"""Rows of the code table for what a program means: names, types, compositions, modules; and for the use of the tools.

`lang/codes.py` merges them into the one table.
"""

NAMES: dict[str, tuple[str, str]] = {
    "N0201": (
        "unknown name",
        "Nothing of this name is in scope. Names are those of the module, of its imports (`http.Request`), of the prelude, and the"
        " locals declared before. Check the spelling, or import the module that declares it.",
    ),
    "N0202": (
        "unknown member",
        "The record, enum, module or type has no field, variant, name or method of this name. The note lists what it has.",
    ),
    "N0203": (
        "declared twice",
        "Two things in one scope have the same name. A set in a composition is made by exactly one statement; a field, variant,"
        " parameter or argument is named once. Rename one of them.",
    ),
    "N0204": (
        "wrong kind of name",
        "The name means something else than what can stand here: `Line` is a type, not a value, and a `function` is called by"
        " compositions only, while `fn` helpers are called by kernels.",
    ),
    "N0205": (
        "private name",
        "Only names declared with `pub` can be used from another module. Add `pub` to the declaration if it is yours.",
    ),
    "N0206": (
        "reserved for the standard library",
        "`communication` functions are trusted code with a driver, and `intrinsic` functions are known to the compiler; both exist"
        " only in the standard library. A program uses them through `import`.",
    ),
}

TYPES: dict[str, tuple[str, str]] = {
    "T0301": (
        "type mismatch",
        "A value of one type stands where another is expected; the second label says where the expectation comes from. Nothing"
        " converts by itself: write `i64(x)` for a checked conversion between numbers, `some(x)` for an option.",
    ),
    "T0302": (
        "wrong number of arguments",
        "A call gives more or fewer arguments than the function, variant, lambda or index takes. Parameters with a default or"
        " declared `optional` may be left out.",
    ),
    "T0303": (
        "missing argument",
        "A parameter without default, or a field of a record, has no value: `Line(time: 1)` lacks the other fields. To change one"
        " field of an existing record, write `Line(..old, level: l)`.",
    ),
    "T0304": (
        "unknown argument",
        "No parameter has the name that an argument is given by. Names of arguments are those of the declaration. What a variant"
        " carries, a number that is converted and the arguments of a function that is a parameter have no names; `..` stands only"
        " in a record update.",
    ),
    "T0305": (
        "type not known",
        "The type follows from nothing: `let xs = [];` could be an array of anything. Say it: `let xs: array[str] = [];`, or give"
        " type arguments: `json.decode[Grant](text)`.",
    ),
    "T0306": (
        "literal out of range",
        "An integer literal takes the type that is expected, and must fit it: `let x: u8 = 300;` does not. Use a wider type."
        " A float literal must not be beyond the largest float of its type.",
    ),
    "T0307": (
        "missing ability",
        "A generic function or an operator needs something of the type that it does not have: `eq` to compare, `ord` to order"
        " (numbers, bool, text, tuples and arrays of these, enums without payload), `hash`, `num`, `data` to encode (all but secrets"
        " and functions). Declare the bound on your own type parameters: `fn f[T: ord](x: T)`.",
    ),
    "T0308": (
        "no text form",
        "An f-string holds text, numbers, bools and endpoints. Other values have no one text: choose one, say `json.encode(x)`.",
    ),
    "T0309": ("method not called", "Methods are not values: write `xs.len()`, not `xs.len`."),
    "T0310": (
        "not a value",
        "Functions, lambdas and ranges exist only where they are used: a function or lambda as an argument, a range after `in`"
        " or in a slice. They cannot be kept in variables, records or sets.",
    ),
    "T0311": (
        "flow type in a value",
        "`set[...]` and `optional` describe inputs and outputs of functions and compositions. Values use `array[...]` and"
        " `option[...]`; an input set is read by a loop, or taken as an array with `.values()`.",
    ),
    "T0312": (
        "wrong number of type arguments",
        "`array` and `option` take one type, `result` two, a generic type as many as it declares. In calls, variants and"
        " conversions take none.",
    ),
    "T0313": (
        "not a key type",
        "Keys of sets need an exact order on every machine: integers, bool, str, bytes, enums without payload, and tuples of"
        " these. Keys of maps need a hash: anything without floats, secrets and maps in it. Floats are no keys, because NaN"
        " equals nothing.",
    ),
    "T0314": (
        "type without end",
        "A record or enum holds itself directly, so no value could be finished. Put an array in between:"
        " `record Tree { children: array[Tree] }`.",
    ),
    "T0315": (
        "no index or slice",
        "Arrays and bytes have an index; arrays, bytes and str have slices. A `str` is UTF-8, whose characters have no fixed"
        " width: slice it by byte offsets, or index its bytes with `s.to_bytes()[i]`.",
    ),
    "T0316": (
        "`?` does not fit",
        "`x?` takes the value out of an option or result. In a `function` an error fails the instance with the error's text (a str, or"
        " the field `message`); in an `fn` it is returned, so the `fn` must return an option, or a result with the same error.",
    ),
    "T0317": (
        "operator does not fit",
        "Arithmetic works on numbers, bit operators and `%` on integers, `+` also joins text, bytes and arrays, and `and or not` are"
        " for bools.",
    ),
    "T0318": (
        "cannot be called",
        "Only functions, methods, records, variants and numeric types (as conversions) can be called.",
    ),
    "T0319": ("not a type", "Type arguments are types: `json.decode[array[i64]](text)`."),
    "T0320": (
        "cannot be changed",
        "Only a `var` or an `inout` parameter can be changed; `let` and plain parameters keep their value, and a lambda cannot change"
        " what is outside. Copy it first: `var copy = x;`. Copies cost nothing until one of the two is changed.",
    ),
    "T0321": (
        "changed and read by one call",
        "A call that changes a variable has it for itself: the same variable cannot be passed to two `inout` parameters, and no"
        " lambda of the call may read it. Copy it into another variable first.",
    ),
    "T0322": (
        "fields need names",
        "A record is built with named fields, in any order: `Line(time: t, level: l, text: s)`.",
    ),
    "T0323": (
        "pattern does not fit",
        "A pattern has the shape of the value: a variant with its payload, a tuple of the same length, a literal of the same type, a"
        " name, or `_`. Loops take one name for values, two for index or key and value.",
    ),
    "T0324": (
        "not everything is covered",
        "A `match` must have an arm for every possible value; the message names one that has none. Add it, or a last arm `_`.",
    ),
    "T0325": ("arm never reached", "The arms before match everything that this arm would. Remove it, or move it up."),
    "T0326": ("no value", "The call returns nothing, so there is nothing to name. Write it as a statement of its own."),
    "T0327": (
        "result dropped",
        "A value is computed and not used. Kernels are pure, so this does nothing; if it can fail, say what happens: `f(x)?;`.",
    ),
    "T0328": ("not iterable", "`for` loops over ranges (`0..n`), arrays, bytes and input sets."),
    "T0329": (
        "statement of another kind of function",
        "`emit` and `fail` belong to a `function`, which gives outputs; `return` with a value to an `fn`, which returns.",
    ),
    "T0330": ("jump outside a loop", "`break` and `continue` act on the innermost loop around them."),
    "T0331": ("key for a set without keys", "`emit out[key]` needs an output declared with keys: `set[K => T]`."),
    "T0332": (
        "missing return",
        "A function with a result returns a value on every path; an `if` without `else` or a loop that may end is a path too.",
    ),
    "T0333": ("one output needed", "`function f(...) => (x: T) = expression;` emits its value to the one output `x`."),
    "T0334": (
        "output not emitted",
        "An output `x: T` is emitted exactly once on every path that ends well. Emit it on the missing path, end that path with"
        " `fail`, or declare the output `optional T`.",
    ),
    "T0335": ("output emitted twice", "`x: T` and `optional T` hold at most one item. Declare `set[T]` for more."),
    "T0336": (
        "instances without end",
        "A generic helper is compiled once for every choice of types, and of functions that it is passed. Here the choices grow from"
        " call to call, as in `fn f[T](x: T) { f((x, x)); }`, so they would never end, or there are far too many. Keep the type"
        " in recursion, and pass values on instead of lambdas that capture lambdas.",
    ),
    "T0337": (
        "type too large",
        "The fields of a record, with those of the records in it, stand in one place, and their number and nesting are limited."
        " Put an `array[...]` in between: its elements count anew.",
    ),
    "T0338": (
        "constant without end",
        "The value of a constant is computed once, so it cannot be needed for computing itself.",
    ),
    "T0339": (
        "match too large",
        "Whether a `match` covers everything is decided by looking at all combinations of its patterns, and here there are too many."
        " Split the match: match on a part of the value first, and on the rest in the arms.",
    ),
    "T0340": (
        "table does not fit",
        "The table of a test is an array, or a range, whose rows are data: numbers, text, tuples, records, arrays of these. It gives"
        " one name for the row or a pattern that takes it apart, and before it a name for its number if that is wanted:"
        ' `for (a, b) in [(1, 2), (3, 4)]`, `for i, name in ["x", "y"]`.',
    ),
    "T0350": (
        "constant without a value",
        "A constant is computed when the program is compiled, and what would be a trap in a run is a mistake in the program then."
        " The diagnostic shows the place of the trap, and the calls that led there from the constant.",
    ),
    "T0351": (
        "constant too dear",
        "A constant is computed when the program is compiled, within limits for its steps and for the size of its value. Compute what is"
        " dearer in a `function`, where the limits of a run hold, or read it as an input.",
    ),
    "T0352": (
        "constant that depends on the run",
        "The value of a constant is known when the program is compiled; configs and endpoints are known only when it runs. Write an"
        " `fn` without parameters in place of the constant: it is computed where it is called.",
    ),
    "T0353": (
        "misspelt variant",
        "A name in a pattern that is no variant of the value's type stands for every value, so the arm would take them all. It is refused"
        " where a variant was meant: it begins with a capital letter and is like a variant, or nothing reads it and it is one letter away"
        " from a variant that no arm names. Correct it; for all other values write `_`, or a name that the arm uses.",
    ),
}

COMPOSITIONS: dict[str, tuple[str, str]] = {
    "C0401": ("cycle", "A composition is a directed graph without cycles: no set may be needed for making itself."),
    "C0402": (
        "a set where one item is needed",
        "The parameter takes one item. `each xs` runs the function once for every item of the set.",
    ),
    "C0403": (
        "sharding not said",
        "A set parameter gets `all xs` (the whole set) or `keyed xs` (one key's items an instance).",
    ),
    "C0404": ("`each` over one item", "`each` takes a set apart; one item is passed bare."),
    "C0405": ("`keyed` without keys", "`keyed` groups items by their keys, so the set needs keys: `set[K => T]`."),
    "C0406": ("keys do not fit", "The set's keys have another type than what is declared, or there are none."),
    "C0407": ("items do not fit", "The set's items have another type than what is declared."),
    "C0408": (
        "two sharded arguments",
        "Two arguments of one call are sharded, and nothing says which items meet. `by x inner y` joins what has the"
        " same key, `cross` pairs everything with everything; or pass one of them whole, with `all`.",
    ),
    "C0409": (
        "no key to inherit",
        "An item that is emitted without a key inherits the key of the item that the instance runs for. This call runs for no item"
        " with such a key.",
    ),
    "C0410": (
        "not a constant",
        "Compositions connect functions; what depends on sets is computed inside functions. An expression here is a constant: it is"
        " computed when the program is compiled, and may use literals, constants and helpers, but no set and no input.",
    ),
    "C0411": (
        "retry of pure code",
        "A pure function fails in the same way again; only communication is worth a retry.",
    ),
    "C0412": (
        "output does not fit",
        "A composition's output is declared for more or fewer items than what it is given: it may be absent, or it is a set. The fix"
        " shows the declaration that fits.",
    ),
    "C0413": (
        "output never made",
        "Every declared output must be assigned by a statement, or be an input of the same name.",
    ),
    "C0415": ("composition runs itself", "Compositions cannot be recursive: the graph is fixed before it runs."),
    "C0416": ("secret as an output", "A secret never leaves the machine; only drivers see it."),
    "C0417": ("wrong number of sets", "The statement names more or fewer sets than the call gives."),
    "C0418": (
        "call with several outputs",
        "A call inside another call gives exactly one set. Name the outputs in a statement of their own.",
    ),
    "C0419": ("not callable here", "A composition calls functions, communication functions and compositions."),
    "C0420": (
        "sharding does not fit",
        "`each` passes one item an instance, `keyed` a set of those with one key, `anyEach` and `anyKeyed` a set of some; the parameter"
        " takes the other.",
    ),
    "C0421": (
        "`on failure value` does not fit",
        "The value `result[T, Failure]` stands for the one item of a call with one output.",
    ),
    "C0422": (
        "endpoint needs one address",
        "`endpoint name = module(address);`: the address is a config of type str or a literal.",
    ),
    "C0430": (
        "misplaced part of a test",
        "A test is cut into pieces at its runs, so `run`, `given`, `config`, `expect fails` and `expect traps` stand at the top level"
        " of a test, where they are reached in any case and once: not in a loop, a branch or a lambda. For several rows write a"
        ' table: `test "..." for (a, b) in [(1, 2), (3, 4)] { ... }`.',
    ),
    "C0431": (
        "nothing to run",
        "`run` takes a composition, or a `function` alone. Helpers (`fn`) are called like anywhere, and what communication"
        " functions answer in a test is said with `given`.",
    ),
    "C0432": (
        "fake does not fit",
        'A fake of `http` answers requests: `GET "/path" => status 500, json {a: 1};`, with `delay 5s`, `header "name: value"`,'
        ' `json`, `text`, `bytes`, `hang` and `network`. A fake of `storage` holds objects: `"name" => text "...";`, or fails with'
        " `missing`, `full` or `io`. Answers follow one another; the last one repeats.",
    ),
    "C0433": (
        "given after a run",
        "Fakes and configs are set up once for the whole test, so they stand before the first `run`. Scripted answers change from"
        ' request to request: `GET "/path" => status 500, text "ok";`.',
    ),
    "C0434": (
        "failure does not fit",
        "`expect fails run f(...)` says that a run ends with a failure, `expect traps expression` that an expression ends with a"
        ' trap; both take its code after `with`: `expect traps 1 / x with "trap.division"`.',
    ),
    "C0450": (
        "join does not name the sharded arguments",
        "`by` names the parameters whose arguments are sharded, each of them once: `f(keyed xs, keyed ys) by a left b`, where `a` and"
        " `b` are the parameters of `f`. An argument that is not sharded is the same for all instances and needs no join.",
    ),
    "C0451": (
        "keys that never meet",
        "Groups are joined where their keys are equal, so the keys of both sides have one type. What stands left of a strategy has the"
        " key of everything that was joined before; after a `cross` that is the tuple of both keys.",
    ),
    "C0452": (
        "strategy does not fit",
        "`inner`, `left`, `right`, `full` and `anti` join `keyed` arguments with each other, or `anyKeyed` arguments with each other."
        " Single items (`each`) and groups without a common key (`anyEach`) meet others by `cross`.",
    ),
    "C0453": (
        "no key to take",
        "A parameter `key K` of a function takes the key of the instance by itself: the call needs instances with a key of type K"
        " (`each` or `keyed` over a set with keys, or a join), and does not mention the parameter.",
    ),
    "C0454": (
        "policy without a meaning",
        "`retry`, `cache` and `once` belong to communication, `limit` to functions, `within` to compositions and loops, `timeout` to"
        " functions and communication, and `concurrency` to calls with several instances.",
    ),
    "C0455": (
        "`reduce` does not fit",
        "`reduce f(all xs)` and `reduce f(keyed xs)` fold the items of a set with a function that begins with two items `T` and gives"
        " one: `function larger(a: Row, b: Row) => (c: Row)`. Its further parameters are the same for all pairs.",
    ),
    "C0456": (
        "sets that do not go together",
        "`a ++ b` puts sets with the same items and keys together; `a else b` takes the first of several single items of one type that"
        " is there.",
    ),
    "C0457": (
        "`else` that is never taken",
        "`a else b` gives `b` where `a` is absent. An item that is always there leaves nothing to what stands behind it.",
    ),
    "C0458": (
        "loop variable and its `next`",
        "The body of a loop says for every variable of its head, once, what it is in the next turn: `next after = last;`.",
    ),
    "C0459": (
        "value of a loop variable",
        "A loop variable is one item: it begins as a constant or as one item of the composition, and `next` gives it an item that may be"
        " absent, which ends the loop. To a variable of type `option[T]` `next` gives a `T`.",
    ),
    "C0460": (
        "step outside of a loop",
        "`yield` gives items of a turn to the composition around a loop, and `next` begins the next turn; elsewhere there are no turns.",
    ),
    "C0461": (
        "loop that never ends",
        "A loop ends when one of its `next` gets nothing. Here all of them are always there, so the loop could only reach its bound,"
        " and that is a failure. Take at least one of them from an `optional` output.",
    ),
    "C0462": (
        "default does not fit",
        "`default http ...;`, `default function ...;` and `default composition ...;` give policies to all such calls of the file, each"
        " policy once. What belongs to one call (`once`, `after`, `collect`, `value`) is said there.",
    ),
    "C0463": (
        "nothing to wait for",
        "`after` names sets that calls of the same composition, or of the same turn of a loop, make: the call begins when those have"
        " ended. Inputs and constants are there from the beginning.",
    ),
    "C0464": (
        "`once` needs a text",
        "`once KEY` names an effect, so that it happens once: KEY is a constant text, or a set of one item of type str.",
    ),
    "C0465": (
        "`on empty` of what is no such set",
        "`on empty (a, b) skip` names parameters that are given sets, each once, and skips the call if one of them has no items."
        " `on empty (c) keep` is about sharded sets: one that has no items counts as one shard without items.",
    ),
}

MODULES: dict[str, tuple[str, str]] = {
    "M0501": (
        "module not found",
        '`import name;` finds modules of the standard library; `import "lib/x.dnd";` a file beside the importing one.',
    ),
    "M0502": (
        "import cycle",
        "Modules that import each other in a circle have no order. Move what they share into a third.",
    ),
    "M0503": (
        "file name that is no name",
        "A module is known under the name of its file, and that must be a name of the language: letters a-z and A-Z, digits and `_`. For"
        " any other file say a name with `as`.",
    ),
}

TOOLS: dict[str, tuple[str, str]] = {
    "U0901": ("cannot read", "The file is not there, is a folder, or may not be read."),
    "U0902": (
        "not UTF-8",
        "Source files are UTF-8 text. This one holds other bytes; it may be a binary file or in another encoding.",
    ),
    "U0903": (
        "nothing to run",
        "The file declares no composition. Declare one: `composition main() => (...) { ... }`.",
    ),
    "U0904": (
        "which composition",
        "The file declares several compositions and none is called `main`: name one on the command line.",
    ),
    "U0905": (
        "input not understood",
        "An input is `-i name=value`, `-i name=@path` or `-i name=env:VARIABLE`; all but str and bytes is JSON.",
    ),
    "U0906": ("cannot write", "The output could not be written. Nothing was left half-written."),
    "U0907": (
        "cache not usable",
        "Compiled programs are kept in the cache folder to start faster. The run goes on without it.",
    ),
    "U0908": ("unknown code", "There is no diagnostic of this code."),
    "U0909": ("internal error", "This is a mistake in dandc itself, not in your program."),
    "U0910": (
        "empty file",
        "The file holds no declaration, only white space and comments. It may have been cut short, or another one was meant.",
    ),
    "U0911": (
        "wrong use",
        "The options of the command do not go together. `dandc COMMAND --help` says what it takes.",
    ),
    "U0912": (
        "not written by dandc",
        "`--out DIR` replaces what an earlier run has written there, and nothing else. In the place of an output stands a file that no run"
        " has written, or a folder with such a file in it. Nothing was touched: move it away, or choose another folder.",
    ),
    "U0915": (
        "no test",
        "No test was found in the files, or none whose title holds the text after `--filter`. A run without tests proves nothing, so"
        " it is an error.",
    ),
    "U0920": (
        "no entry of a session",
        "`dandc repl` takes declarations, statements and expressions. What belongs into the body of a function, such as `return` and"
        " `emit`, is written there; tests are run by `dandc test FILE`.",
    ),
    "U0921": (
        "unknown command of a session",
        "At the prompt of `dandc repl`, commands begin with a colon; `:help` lists them with what they take.",
    ),
    "U0922": (
        "cannot be kept or shown",
        "A session keeps values that are data: numbers, text, arrays, tuples, options, records and enums of such. A value that may hold"
        " a secret is shown without it and not kept; an anonymous record has no type that could be named.",
    ),
    "U0923": (
        "no code of its own",
        "`:ir`, `:llvm` and `:asm` show the code of a function, of a helper, or of an expression. A generic helper, or one that takes a"
        " function, has code only where it is used: give an expression that uses it. A composition has a graph: `:graph NAME`.",
    ),
    "U0930": (
        "cache of results not usable",
        "Results are kept in the folder of `--cache` so that equal calls need not run again. What is damaged there is made anew, what"
        " cannot be read or written is done without: the run goes on.",
    ),
}

# I10xx: sources in upstream's composition language.
UPSTREAM: dict[str, tuple[str, str]] = {
    "I1001": (
        "no source of upstream's language",
        "The text does not follow upstream's grammar: `function NAME(inputs) => (outputs);` and"
        " `composition NAME(inputs) => (outputs) { F(parameter = all set) => (set = output); }`. It has no comments and no comma after"
        " the last element, and every statement ends with `;`.",
    ),
    "I1002": (
        "declared twice",
        "A composition has a name that a function or composition before it has, or a function is declared twice with different sets.",
    ),
    "I1003": (
        "function not declared",
        "Upstream reads a source from top to bottom: a `function` declaration stands before the first composition that applies it.",
    ),
    "I1004": (
        "no such parameter or output",
        "The names left of `=` in the arguments and right of `=` in the results are those of the function's declaration.",
    ),
    "I1005": (
        "nobody makes the set",
        "A set that is read is an input of the composition or the result of a statement in it.",
    ),
    "I1006": (
        "there twice",
        "A set has one maker, a parameter one argument, an output one name. Upstream lets the last one win, or the one that ends last.",
    ),
    "I1007": (
        "cannot be joined",
        "`by` names parameters of the function that are given here, each once, all `keyed` or all `anyKeyed`.",
    ),
    "I1008": (
        "sets that need each other",
        "Upstream accepts a circle and never runs it. Here it is an error: some set on the way must come from somewhere else.",
    ),
    "I1009": (
        "binding does not fit",
        "`--bind F=module.function` names a declared function and a public function, communication function or composition with as many"
        " inputs and outputs, under the same names and in the same order.",
    ),
    "I1010": (
        "output that nothing makes",
        "The composition declares an output that no statement makes. Upstream leaves it out in silence; here it is always empty.",
    ),
    "I1011": (
        "not the built-in `HTTP`",
        "`HTTP` sends requests if it is declared with the names of upstream: `function HTTP(requests) => (headers, bodies);`, or as in its"
        " paper `function HTTP(request) => (response, body);`. Under other names it is a function like others: something is bound to it,"
        " or it fails.",
    ),
    "I1012": (
        "set does not fit a bound function",
        "A function that is bound says types, and upstream's language has none: what its outputs hold follows from them and from the call."
        " Here a set with other items or keys, or a whole set, goes to a parameter that does not take it. Bind another function, pass the"
        " set in another way, or change the function's parameter.",
    ),
}
