"""Names that other languages have: what is written here instead, or how the thing is done.

Asked only when a name is not known, so nothing here takes a name away from a program.
"""

from dandc.lang.values import frozen


@frozen
class Foreign:
    """`instead` is a name that can stand in the place; `note` says what to do if there is no such name.

    `only` are the types, by how they begin, whose members it is about.
    """

    instead: str = ""
    note: str = ""
    only: tuple[str, ...] = ()

    def speaks_of(self, owner: str) -> bool:
        """Whether it holds for values of the type `owner`, as messages show it."""
        return not self.only or owner.strip("`").startswith(self.only)


def _table(*rows: tuple[str, Foreign]) -> dict[str, Foreign]:
    return {name: foreign for names, foreign in rows for name in names.split()}


_TEXT = Foreign(note='an f-string is the text of a value: `f"{x}"`')
_PRINT = Foreign(note='a kernel prints nothing: `note f"..."` is kept with the run, `emit` gives an output')
_LAMBDA = "`xs.map(|x| 2 * x)`"

VALUES = _table(
    ("null nil None undefined NULL Null nullptr Nothing", Foreign("none")),
    ("True TRUE", Foreign("true")),
    ("False FALSE", Foreign("false")),
    ("this", Foreign(note="a helper has a value before the dot if its first parameter is called `self`")),
    ("console System fmt", _PRINT),
    ("Math", Foreign(note="functions of numbers are in a module: `import math;`")),
    ("JSON", Foreign(note="JSON is read and written by a module: `import json;`")),
    ("NaN nan inf Infinity", Foreign(note="`math.nan` and `math.inf` stand in a module: `import math;`")),
)  # fmt: skip

FUNCTIONS = _table(
    ("Some Just", Foreign("some")),
    ("Ok", Foreign("ok")),
    ("Err Error", Foreign("err")),
    ("print println printf puts echo log", _PRINT),
    ("str String string toString repr format", _TEXT),
    ("int Int integer", Foreign("i64")),
    ("float double Float Number", Foreign("f64")),
    ("size length count", Foreign(note="the length is a method: `xs.len()`")),
    ("range", Foreign(note="a range is written `0..n`: `for i in 0..n { ... }`")),
    ("enumerate", Foreign(note="a `for` gives the index with the value: `for i, x in xs { ... }`; an array has `xs.enumerate()`")),
    ("sorted", Foreign(note="sorting is a method: `xs.sort()`, `xs.sort_by(|x| x.key)`")),
    ("set Set HashSet", Foreign(note="a map holds each key once: `map[K, bool]`")),
    ("dict Map HashMap", Foreign("map")),
    ("list array vec Vec", Foreign(note="an array is written `[a, b]`, an empty one `[]`")),
    ("panic raise throw error exit abort", Foreign(note='a function ends without result by `fail "...";`')),
    ("assert", Foreign(note='`if not condition { fail "..."; }`, or `expect condition;` in a test')),
    ("open read_file fetch", Foreign(note="kernels are pure; a composition calls `http.fetch` or `storage.get`")),
    ("sqrt pow exp sin cos tan floor ceil round", Foreign(note="functions of floats are in a module: `import math;`")),
    ("time now random", Foreign(note="kernels are pure and have no clock and no chance; pass such a value as an input")),
)  # fmt: skip

TYPES = _table(
    ("int Int integer Integer long number isize usize int64", Foreign("i64")),
    ("int32 i32_t", Foreign("i32")),
    ("float double Float Double number float64", Foreign("f64")),
    ("float32", Foreign("f32")),
    ("string String Str text char", Foreign("str")),
    ("boolean Boolean Bool", Foreign("bool")),
    ("byte", Foreign("u8")),
    ("list List Vec vec Array slice", Foreign("array")),
    ("dict Dict Map HashMap hashmap", Foreign("map")),
    ("Option Optional Maybe", Foreign("option")),
    ("Result", Foreign("result")),
    ("Set HashSet", Foreign(note="a map holds each key once: `map[K, bool]`")),
    ("void Void None unit Unit", Foreign(note="a helper that returns nothing has no arrow: `fn f(inout xs: array[i64]) { ... }`")),
    ("any Any object Object", Foreign(note="every value has one type; a helper for many has a parameter for it: `fn f[T](x: T) -> T`")),
    ("tuple Tuple", Foreign(note="a tuple of two is written `(A, B)`")),
    ("self Self", Foreign(note="the type is written by its name")),
)  # fmt: skip

METHODS = _table(
    ("length size count", Foreign("len")),
    ("push push_back add appendleft", Foreign("append")),
    ("push_str concat", Foreign("append", "text, arrays and bytes are joined with `+`")),
    ("upper toUpperCase to_uppercase", Foreign("to_upper")),
    ("lower toLowerCase to_lowercase", Foreign("to_lower")),
    ("strip", Foreign("trim")),
    ("includes has has_key contains_key containsKey exists", Foreign("contains")),
    ("indexOf index", Foreign("index_of", "`find` gives where a text stands in another")),
    ("unwrap_or unwrap_or_else get_or_else orElse getOrElse", Foreign("or")),
    ("unwrap expect", Foreign(note="take the value out with `?`, `.or(other)` or `match`", only=("option", "result"))),
    ("reduce foldl fold_left inject", Foreign("fold")),
    ("every", Foreign("all")),
    ("find_index findIndex index_where", Foreign("position")),
    ("distinct", Foreign("unique")),
    ("zfill rjust padStart", Foreign("pad_start")),
    ("ljust padEnd", Foreign("pad_end")),
    ("removeprefix removePrefix", Foreign("strip_prefix")),
    ("removesuffix removeSuffix", Foreign("strip_suffix")),
    ("find_map mapNotNull filterNotNull", Foreign("filter_map")),
    ("drop", Foreign("skip")),
    ("dropWhile drop_while", Foreign("skip_while")),
    ("takeWhile", Foreign("take_while")),
    ("rfind lastIndexOf", Foreign("find_last")),
    ("partition_by", Foreign("partition")),
    ("toFixed round", Foreign("to_fixed", only=("f64",))),
    ("hex toHex", Foreign("to_hex")),
    ("reversed rev", Foreign("reverse")),
    ("sorted order_by", Foreign("sort", "`xs.sort()` sorts, `xs.sort_by(|x| x.key)` by what the lambda gives, and `.reverse()` turns the order round")),
    ("join", Foreign(note='an array of text is joined: `xs.join(", ")`', only=("str",))),
    ("sortBy sort_by_key", Foreign("sort_by")),
    ("parse_int toInt to_int parse_float toDouble", Foreign("parse")),
    ("insert put", Foreign("set", only=("map",))),
    ("delete del", Foreign("remove")),
    ("items iteritems", Foreign("entries")),
    ("encode as_bytes bytes", Foreign("to_bytes")),
    ("head", Foreign("first")),
    ("forEach for_each each", Foreign(note="a `for` goes over the values: `for x in xs { ... }`")),
    ("to_string toString str string", _TEXT),
    ("iter into_iter collect stream toList", Foreign(note=f"arrays are read as they are: `for x in xs`, {_LAMBDA}")),
    ("clone copy", Foreign(note="a name for a value is a copy of its own: `var other = xs;`")),
    ("substring substr slice", Foreign(note="a part is written `x[from..to]`")),
    ("char_at charAt", Foreign(note="the bytes of a text are `s.to_bytes()`, a part of it `s[from..to]`", only=("str",))),
)  # fmt: skip

TABLES = {"name": VALUES, "function": FUNCTIONS, "type": TYPES, "method": METHODS}
# What can stand for a value without being declared anywhere.
WORDS = frozenset(("true", "false"))
