"""Unification: finds the types that a body leaves unsaid.

Only locals, literals, lambdas and type arguments are inferred, and only inside one body, so a plain union-find map
of inference variables is all there is. Failure is an answer, not an exception: the caller knows what to say.
"""

from collections.abc import Callable, Mapping

from dandc.compiler.types import (
    ERROR,
    F64,
    I64,
    Anon,
    Array,
    Basic,
    Fn,
    InferVar,
    Named,
    Option,
    Result,
    SetRef,
    Tuple,
    Type,
    TypeVar,
    is_float,
    is_int,
)

# The names in one type. Of types beyond that none is made: `(x, x)` doubles, so soon nobody could look at them.
MAX_PARTS = 300


def map_type(t: Type, leaf: Callable[[Type], Type]) -> Type:
    """`t` with every part without parts (and every variable) replaced by `leaf` of it."""
    match t:
        case Basic():
            return leaf(t)
        case Array(item):
            return Array(map_type(item, leaf))
        case Option(item):
            return Option(map_type(item, leaf))
        case Result(ok, err):
            return Result(map_type(ok, leaf), map_type(err, leaf))
        case Tuple(items):
            return Tuple(tuple(map_type(i, leaf) for i in items))
        case Named(name, args) if args:
            return Named(name, tuple(map_type(a, leaf) for a in args))
        case Fn(params, result):
            return Fn(tuple(map_type(p, leaf) for p in params), map_type(result, leaf))
        case Anon(fields):
            return Anon(tuple((name, map_type(f, leaf)) for name, f in fields))
        case SetRef(key, item):
            return SetRef(map_type(key, leaf) if key is not None else None, map_type(item, leaf))
    return leaf(t)


def parts(t: Type) -> tuple[Type, ...]:
    """The types directly inside `t`."""
    match t:
        case Basic():
            return ()
        case Array(item) | Option(item):
            return (item,)
        case Result(ok, err):
            return (ok, err)
        case Tuple(items):
            return items
        case Named(_, args):
            return args
        case Fn(params, result):
            return (*params, result)
        case Anon(fields):
            return tuple(f for _, f in fields)
        case SetRef(key, item):
            return (key, item) if key is not None else (item,)
    return ()


def substitute(t: Type, bindings: Mapping[TypeVar, Type]) -> Type:
    """`t` with type parameters replaced."""
    if not bindings or isinstance(t, Basic):
        return t
    return map_type(t, lambda leaf: bindings.get(leaf, leaf) if isinstance(leaf, TypeVar) else leaf)


class Unifier:
    """The inference variables of one body."""

    def __init__(self) -> None:
        self.solutions: dict[int, Type] = {}
        self._next = 0
        self._literals: list[InferVar] = []

    def fresh(self, kind: str = "any") -> InferVar:
        """A new variable."""
        self._next += 1
        variable = InferVar(self._next, kind)
        if kind != "any":
            self._literals.append(variable)
        return variable

    def shallow(self, t: Type) -> Type:
        """`t`, or what it is known to be if it is a variable; its parts may still be variables."""
        while isinstance(t, InferVar) and t.id in self.solutions:
            t = self.solutions[t.id]
        return t

    def zonk(self, t: Type) -> Type:
        """`t` with everything known filled in."""
        if isinstance(t, InferVar):
            known = self.shallow(t)
            return known if isinstance(known, InferVar) else self.zonk(known)
        if isinstance(t, Basic):
            return t
        return map_type(t, lambda leaf: self.zonk(leaf) if isinstance(leaf, InferVar) else leaf)

    def exceeds(self, t: Type, most: int) -> bool:
        """Whether `t` has more than `most` parts, counted no further than that."""
        found, waiting = 0, [t]
        while waiting and found <= most:
            found += 1
            part = self.shallow(waiting.pop())
            if not isinstance(part, Basic):
                waiting.extend(parts(part))
        return found > most

    def cut(self) -> None:
        """Forget solutions that are too large.

        What is expected goes inwards before what is found comes back and is refused, so a variable may stand for a
        type that nobody could look at as a whole.
        """
        large = [key for key, t in self.solutions.items() if self.exceeds(t, MAX_PARTS)]
        self.solutions.update(dict.fromkeys(large, ERROR))

    def finish(self) -> Mapping[int, Type]:
        """Unsolved literals take `i64` and `f64`, then every solution in full; unsolved others stay variables."""
        defaults = {"int": I64, "float": F64}
        for t in [*self._literals, *self.solutions.values()]:
            self._default(t, defaults)
        return {key: self.zonk(t) for key, t in self.solutions.items()}

    def default(self, t: InferVar) -> None:
        """Give the literal variable `t` its default type."""
        self.solutions[t.id] = I64 if t.kind == "int" else F64

    def _default(self, t: Type, defaults: Mapping[str, Type]) -> None:
        t = self.shallow(t)
        if isinstance(t, InferVar) and t.kind in defaults:
            self.solutions[t.id] = defaults[t.kind]
        for part in parts(t):
            self._default(part, defaults)

    def unify(self, a: Type, b: Type) -> bool:
        """Make `a` and `b` one type; False (with some variables bound, maybe) if they cannot be."""
        a, b = self.shallow(a), self.shallow(b)
        if a == b or ERROR in (a, b):
            return True
        if isinstance(b, InferVar) and not (isinstance(a, InferVar) and a.kind == "any"):
            a, b = b, a
        if isinstance(a, InferVar):
            return self._bind(a, b)
        return self._unify_parts(a, b)

    def _bind(self, variable: InferVar, t: Type) -> bool:
        if isinstance(t, InferVar):
            if t.kind == "any" and variable.kind != "any":
                variable, t = t, variable
            elif variable.kind != "any" and t.kind != variable.kind:
                return False
        elif (variable.kind == "int" and not is_int(t)) or (variable.kind == "float" and not is_float(t)):
            return False
        if self._occurs(variable, t):
            return False
        self.solutions[variable.id] = t
        return True

    def _occurs(self, variable: InferVar, t: Type) -> bool:
        t = self.shallow(t)
        return t == variable or any(self._occurs(variable, part) for part in parts(t))

    def _unify_parts(self, a: Type, b: Type) -> bool:
        if type(a) is not type(b):
            return False
        if isinstance(a, Named) and isinstance(b, Named) and a.name != b.name:
            return False
        if isinstance(a, Anon) and isinstance(b, Anon) and [n for n, _ in a.fields] != [n for n, _ in b.fields]:
            return False
        inside_a, inside_b = parts(a), parts(b)
        if not inside_a or len(inside_a) != len(inside_b):
            return False
        return all(self.unify(x, y) for x, y in zip(inside_a, inside_b, strict=True))
