"""What a program declares: modules, their names, and the declarations behind the names.

Collecting happens before anything is checked, so that the order of items in a file never matters. Bodies are
checked when somebody needs them: of a user's module all, of the standard library only what is reached.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping

from attrs import Factory, define, field

from dandc.compiler.kir import StaticValue
from dandc.compiler.typed import TFn, TKernel, TPort
from dandc.compiler.types import Type, TypeDef, TypeVar
from dandc.lang import tree
from dandc.lang.diagnostics import Sink
from dandc.lang.spans import Span
from dandc.lang.values import frozen

PRELUDE = "prelude"


@frozen
class SourceModule:
    """A parsed module as the loader hands it over.

    `imports` maps the path text of each `import` to the name of the module that it found; `trusted` modules are
    part of the standard library and may declare intrinsics and communication.
    """

    name: str
    tree: tree.Module
    imports: Mapping[str, str]
    trusted: bool = False


@frozen
class Symbol:
    """What a name means. `kind`: module, type, fn, kernel, composition, communication, config, endpoint, const, variant."""

    kind: str
    name: str
    span: Span
    public: bool = True


@define
class Scope:
    """The names of one module."""

    module: SourceModule
    names: dict[str, Symbol] = Factory(dict)

    @property
    def name(self) -> str:
        """The module's name."""
        return self.module.name

    def qualified(self, name: str) -> str:
        """`name` as seen from anywhere."""
        return f"{self.module.name}.{name}"


@frozen
class FieldInfo:
    """A field of a record; `encoded` is what it is called in JSON and CSV."""

    name: str
    type: Type
    span: Span
    encoded: str


@frozen
class VariantInfo:
    """A variant of an enum; `encoded` is what it is called in JSON and CSV."""

    name: str
    payload: tuple[Type, ...]
    span: Span
    encoded: str


@define
class TypeDecl:
    """A record (`fields`) or an enum (`variants`); the parts are filled in after all headers are known."""

    name: str
    params: tuple[TypeVar, ...]
    span: Span
    scope: Scope
    fields: tuple[FieldInfo, ...] | None = None
    variants: tuple[VariantInfo, ...] | None = None


@frozen
class ParamInfo:
    """A parameter of a helper: `omittable` ones have type `option[T]` inside and are wrapped by the call."""

    name: str
    type: Type
    inout: bool
    omittable: bool
    default: tree.Expr | None
    span: Span


@define
class FnDecl:
    """A helper function or a constant (no parameters, `item` is the `const`)."""

    name: str
    scope: Scope
    item: tree.FnItem | tree.ConstItem
    type_params: tuple[TypeVar, ...]
    params: tuple[ParamInfo, ...]
    result: Type
    span: Span

    @property
    def intrinsic(self) -> bool:
        """Whether the compiler knows what it does."""
        return isinstance(self.item, tree.FnItem) and self.item.body is None


@define
class KernelDecl:
    """A `function` or a `communication` (`item` tells)."""

    name: str
    scope: Scope
    item: tree.FunctionItem | tree.CommunicationItem
    params: tuple[TPort, ...]
    outputs: tuple[TPort, ...]


@define
class CompositionDecl:
    """A `composition`."""

    name: str
    scope: Scope
    item: tree.CompositionItem
    params: tuple[TPort, ...]
    outputs: tuple[TPort, ...]


@define
class ConfigDecl:
    """A `config`."""

    name: str
    scope: Scope
    item: tree.ConfigItem
    type: Type


@define
class EndpointDecl:
    """An `endpoint`; `module` is the communication module's name, `type` its `Endpoint` record."""

    name: str
    scope: Scope
    item: tree.EndpointItem
    module: str
    type: Type


@define(eq=False)
class Damage:
    """Where mistakes were found before constants are evaluated: what holds one is not run."""

    starts: dict[str, list[int]] = Factory(dict)
    # Whether some of them lie in no helper: in a type, say, which anybody may use.
    elsewhere: bool = False

    def holds(self, span: Span) -> bool:
        """Whether a mistake was found in `span`."""
        starts = self.starts.get(span.file, [])
        index = bisect_left(starts, span.start)
        return index < len(starts) and starts[index] < max(span.end, span.start + 1)


@define
class World:
    """All declarations of a program, and where diagnostics go."""

    sink: Sink
    scopes: dict[str, Scope] = Factory(dict)
    types: dict[str, TypeDecl] = Factory(dict)
    fns: dict[str, FnDecl] = Factory(dict)
    # (head of the receiver's type, method name) -> qualified name; see `head_of`.
    methods: dict[tuple[str, str], str] = Factory(dict)
    kernels: dict[str, KernelDecl] = Factory(dict)
    compositions: dict[str, CompositionDecl] = Factory(dict)
    configs: dict[str, ConfigDecl] = Factory(dict)
    endpoints: dict[str, EndpointDecl] = Factory(dict)
    # Type arguments that have been written: what must have which bound for whom, tested when every declaration is known.
    type_args: list[tuple[Type, str, Span, str]] = Factory(list)
    checked_fns: dict[str, TFn] = Factory(dict)
    checked_kernels: dict[str, TKernel] = Factory(dict)
    # The variants of enums that somebody asked about, with their payloads.
    variants: dict[Type, tuple[tuple[str, tuple[Type, ...]], ...]] = Factory(dict)
    # The values of constants, the helpers that computing them ran, and the steps that it took (`check/evaluate.py`).
    values: dict[str, StaticValue] = Factory(dict)
    # How large the values of constants are, by identity; each with its value, so that it stays the one.
    sizes: dict[int, tuple[StaticValue, int]] = Factory(dict)
    evaluated: set[str] = Factory(set)
    steps: int = 0
    # Off while one item is checked again, for bodies of others may hold mistakes; then it is said that one was wanted.
    may_compute: bool = True
    wanted_to_compute: bool = False
    damage: Damage = Factory(Damage)
    # Of each helper that somebody asked about: what it reads of configs and endpoints, and which helpers it calls.
    reads: dict[str, tuple[frozenset[tuple[str, str]], frozenset[str]]] = Factory(dict)
    # The policies of `default` items: by module, by what they are about, by kind.
    defaults: dict[str, dict[str, dict[str, tree.Policy]]] = Factory(dict)
    # Constants without a value, because they need themselves or hold a mistake.
    broken: set[str] = Factory(set)
    # Modules that have lost items to syntax errors: that they lack a name says nothing.
    lossy: set[str] = Factory(set)
    # Whether an import found nothing, which the loader has reported: expressions may then stand for what is not known.
    lacks_modules: bool = False
    # Instantiated nominal types that occurred; lowering and flow graphs fill it through `check.types.define_type`.
    table: dict[str, TypeDef] = Factory(dict)
    check_fn: Callable[["World", FnDecl], TFn] = field(kw_only=True)

    def typed_fn(self, name: str) -> TFn:
        """The checked helper `name`; checks it if nobody needed it before."""
        if name not in self.checked_fns:
            self.checked_fns[name] = self.check_fn(self, self.fns[name])
        return self.checked_fns[name]
