"""Types as values, after checking: what kernel IR, flow graph, encodings and drivers speak of.

A nominal type is a reference by its qualified name; its fields stand in the program's type table, so that
types may be recursive and equality is cheap. Inside generic functions a `TypeVar` may occur; kernel IR has none.
"""

from collections.abc import Mapping

from dandc.lang.values import frozen


@frozen(slots=True)
class Type:
    """Base of types. `str()` of a type is its source form and parses again (`parse_type`)."""


@frozen(slots=True)
class Basic(Type):
    """A type without parts: `unit bool i8..i64 u8..u64 f32 f64 str bytes secret never error`."""

    name: str

    def __str__(self) -> str:
        return self.name


@frozen(slots=True)
class Array(Type):
    """`array[item]`."""

    item: Type

    def __str__(self) -> str:
        return f"array[{self.item}]"


@frozen(slots=True)
class Tuple(Type):
    """`(A, B)`, two or more."""

    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


@frozen(slots=True)
class Option(Type):
    """`option[item]`: variant 0 is `none`, variant 1 `some(item)`."""

    item: Type

    def __str__(self) -> str:
        return f"option[{self.item}]"


@frozen(slots=True)
class Result(Type):
    """`result[ok, err]`: variant 0 is `ok(ok)`, variant 1 `err(err)`."""

    ok: Type
    err: Type

    def __str__(self) -> str:
        return f"result[{self.ok}, {self.err}]"


MAP = "prelude.Map"


@frozen(slots=True)
class Named(Type):
    """A record or enum by its qualified name, with type arguments: `main.Line`, `json.Pair[i64, str]`.

    `map[K, V]` is one too: the record `MAP` of the prelude, which nobody sees.
    """

    name: str
    args: tuple[Type, ...] = ()

    def __str__(self) -> str:
        name = "map" if self.name == MAP else self.name
        return f"{name}[{', '.join(map(str, self.args))}]" if self.args else name


@frozen(slots=True)
class SetRef(Type):
    """The input set of a kernel, inside it: items are decoded when they are read. Never stored in a value."""

    key: Type | None
    item: Type

    def __str__(self) -> str:
        return f"set[{self.key} => {self.item}]" if self.key is not None else f"set[{self.item}]"


@frozen(slots=True)
class TypeVar(Type):
    """A type parameter inside a generic declaration: `owner` is the qualified name of what declares it."""

    owner: str
    name: str
    bounds: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


@frozen(slots=True)
class InferVar(Type):
    """A type not known yet while a body is checked; `kind` is `any`, `int` or `float` (of a literal)."""

    id: int
    kind: str = "any"

    def __str__(self) -> str:
        return {"any": "_", "int": "integer", "float": "float"}[self.kind]


@frozen(slots=True)
class Fn(Type):
    """The type of a function-valued parameter of a helper."""

    params: tuple[Type, ...]
    result: Type

    def __str__(self) -> str:
        return f"fn({', '.join(map(str, self.params))}) -> {self.result}"


@frozen(slots=True)
class Anon(Type):
    """The type of an anonymous record `{a: x}`: for encoding only, never in a signature."""

    fields: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        return "{" + ", ".join(f"{name}: {t}" for name, t in self.fields) + "}"


@frozen(slots=True)
class RecordDef:
    """The fields of a record, in order of declaration.

    `encoded` is what they are called in JSON and CSV, empty if that is their names.
    """

    fields: tuple[tuple[str, Type], ...]
    encoded: tuple[str, ...] = ()


@frozen(slots=True)
class EnumDef:
    """The variants of an enum, in order of declaration, with the types of their payloads; `encoded` as in `RecordDef`."""

    variants: tuple[tuple[str, tuple[Type, ...]], ...]
    encoded: tuple[str, ...] = ()


TypeDef = RecordDef | EnumDef
# From an instantiated nominal type's `str()` (`main.Line`, `m.Pair[i64, str]`) to its definition.
TypeTable = Mapping[str, TypeDef]

UNIT = Basic("unit")
BOOL = Basic("bool")
I64 = Basic("i64")
U64 = Basic("u64")
U8 = Basic("u8")
F64 = Basic("f64")
STR = Basic("str")
BYTES = Basic("bytes")
SECRET = Basic("secret")
NEVER = Basic("never")
# The type of what has been reported already: agrees with everything, so that no mistake causes a second one.
ERROR = Basic("error")

INT_BITS = {f"{sign}{bits}": bits for sign in "iu" for bits in (8, 16, 32, 64)}
FLOAT_BITS = {"f32": 32, "f64": 64}


def is_int(t: Type) -> bool:
    """Whether `t` is one of the eight integer types."""
    return isinstance(t, Basic) and t.name in INT_BITS


def is_signed(t: Type) -> bool:
    """Whether the integer type `t` has negative values."""
    return isinstance(t, Basic) and t.name in INT_BITS and t.name[0] == "i"


def is_float(t: Type) -> bool:
    """Whether `t` is `f32` or `f64`."""
    return isinstance(t, Basic) and t.name in FLOAT_BITS


def is_scalar(t: Type) -> bool:
    """Whether values of `t` have a fixed width and no parts: bool, integers, floats."""
    return t == BOOL or is_int(t) or is_float(t)


def int_range(t: Type) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    assert isinstance(t, Basic)
    bits = INT_BITS[t.name]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if t.name[0] == "i" else (0, (1 << bits) - 1)


_MAP_STORED = 2  # `keys` and `values`; behind them is the index, which is made of them


def is_map(t: Type) -> bool:
    """Whether `t` is a `map[K, V]`; its arguments are the types of keys and values."""
    return isinstance(t, Named) and t.name == MAP


def map_parts(t: Type) -> tuple[Type, Type]:
    """The types of the keys and the values of a map."""
    assert isinstance(t, Named)
    key, value = t.args
    return key, value


def variants(t: Type, table: TypeTable) -> tuple[tuple[str, tuple[Type, ...]], ...]:
    """The variants of an option, result or enum, in order: `(name, payload types)`."""
    if isinstance(t, Option):
        return (("none", ()), ("some", (t.item,)))
    if isinstance(t, Result):
        return (("ok", (t.ok,)), ("err", (t.err,)))
    definition = table[str(t)]
    assert isinstance(definition, EnumDef)
    return definition.variants


def fields(t: Type, table: TypeTable) -> tuple[tuple[str, Type], ...]:
    """The fields of a record, or of a tuple (named `0`, `1`, ...), in order."""
    if isinstance(t, Tuple):
        return tuple((str(i), item) for i, item in enumerate(t.items))
    definition = table[str(t)]
    assert isinstance(definition, RecordDef)
    return definition.fields


def encoded_names(t: Type, table: TypeTable) -> tuple[str, ...]:
    """What the fields of a record or tuple, or the variants of anything that has some, are called in JSON and CSV."""
    definition = table.get(str(t)) if isinstance(t, Named) else None
    if definition is not None and definition.encoded:
        return definition.encoded
    if isinstance(t, Tuple) or isinstance(definition, RecordDef):
        return tuple(name for name, _ in fields(t, table))
    return tuple(name for name, _ in variants(t, table))


def stored_fields(t: Type, table: TypeTable) -> tuple[tuple[str, Type], ...]:
    """The fields that an encoding of a record or tuple holds: all but the index of a map."""
    found = fields(t, table)
    return found[:_MAP_STORED] if is_map(t) else found
