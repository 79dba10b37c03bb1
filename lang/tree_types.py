"""The root of the syntax tree, names, and types as they are written. Users take them from `lang/tree.py`."""

from attrs import field

from dandc.lang.spans import Span
from dandc.lang.values import frozen


@frozen(slots=True)
class Node:
    """Base of all tree nodes. Equality ignores spans, so that reformatted text compares equal."""

    span: Span = field(eq=False, repr=False)


@frozen(slots=True)
class Name(Node):
    """One identifier as written, without back quotes."""

    text: str


# Types.


@frozen(slots=True)
class TypeExpr(Node):
    """Base of type expressions."""


@frozen(slots=True)
class NamedType(TypeExpr):
    """`i64`, `array[T]`, `http.Response`: a dotted path and type arguments."""

    path: tuple[Name, ...]
    args: tuple[TypeExpr, ...] = ()


@frozen(slots=True)
class TupleType(TypeExpr):
    """`(A, B)`, two or more elements; `()` is the unit type."""

    items: tuple[TypeExpr, ...]


@frozen(slots=True)
class FnType(TypeExpr):
    """`fn(A, B) -> R`: only as the type of a parameter of a helper function."""

    params: tuple[TypeExpr, ...]
    result: TypeExpr


@frozen(slots=True)
class SetType(TypeExpr):
    """`set[T]` or `set[K => T]`: only as the type of a port."""

    key: TypeExpr | None
    item: TypeExpr


@frozen(slots=True)
class KeyType(TypeExpr):
    """`key K`: the parameter of a `function` that takes the key of the instance."""

    key: TypeExpr


@frozen(slots=True)
class OptionalType(TypeExpr):
    """`optional T`: as the type of a port, or of a parameter that a caller may leave out."""

    item: TypeExpr
