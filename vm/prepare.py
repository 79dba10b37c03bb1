"""Takes in what the caller of a run gives: inputs, configs, addresses of endpoints. Reports all mistakes together.

Here secrets leave the values: what a `Prepared` holds, its `SecretBox` aside, may be written anywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from dandc.compiler.encoding import EncodingError, decode, encode
from dandc.compiler.flow import Config, ConfigSource, ConstSource, Endpoint, GraphPort, Program
from dandc.compiler.keys import encode_key
from dandc.compiler.types import SECRET, STR, Type
from dandc.lang.diagnostics import Diagnostic
from dandc.lang.values import frozen
from dandc.vm.bulk import encode_all, encode_all_keys
from dandc.vm.definitions import definitions
from dandc.vm.drivers import EndpointAddress
from dandc.vm.failures import RunError
from dandc.vm.items import EMPTY, ItemSet, of_items, sorted_by_key
from dandc.vm.secrets import Secret, SecretBox
from dandc.vm.values import ValueMismatchError, admit


@frozen(slots=True)
class InputItem:
    """One item that the caller gives: a neutral value, and a name and a key where the set has them."""

    value: Any = field(repr=False)
    name: str = ""
    key: Any = None


@frozen(slots=True, eq=False, repr=False)
class Prepared:
    """The inputs of a run in order of the graph's ports, encoded configs, endpoints, and the secrets behind handles."""

    inputs: tuple[ItemSet, ...]
    configs: dict[str, bytes]
    endpoints: dict[str, EndpointAddress]
    secrets: SecretBox


@frozen(slots=True, eq=False, repr=False)
class Earlier:
    """What an earlier part of a run was given already: sets by input, encoded values by config."""

    inputs: Mapping[str, ItemSet] = field(factory=dict)
    configs: Mapping[str, bytes] = field(factory=dict)


def prepare(
    program: Program,
    graph: str,
    inputs: Mapping[str, Sequence[InputItem]],
    configs: Mapping[str, object],
    earlier: Earlier | None = None,
) -> Prepared:
    """Check and encode everything; raises `RunError` with one diagnostic a mistake.

    What is given goes before what was given `earlier`, which must be of the types that are asked for.
    """
    chosen = program.graphs.get(graph)
    if chosen is None:
        known = ", ".join(f"`{name}`" for name in program.graphs) or "none"
        raise RunError(Diagnostic("R0733", f"there is no composition `{graph}`; there are {known}", None))
    intake = _Intake(program, resumed=earlier is not None)
    earlier = earlier or Earlier()
    sets = tuple(
        earlier.inputs[port.name]
        if port.name in earlier.inputs and port.name not in inputs
        else intake.input(port, inputs.get(port.name))
        for port in chosen.inputs
    )
    intake.surplus("R0731", "input", inputs, [port.name for port in chosen.inputs])
    encoded = intake.configs(configs, earlier.configs)
    intake.surplus("R0735", "config", configs, [config.name for config in program.configs])
    endpoints = {e.name: EndpointAddress(e.name, e.module, intake.address(e, encoded)) for e in program.endpoints}
    if intake.mistakes:
        raise RunError(*intake.mistakes)
    return Prepared(sets, encoded, endpoints, intake.secrets)


@define(slots=True, eq=False, repr=False)
class _Intake:
    """Collects mistakes while values are taken in."""

    program: Program
    resumed: bool = False
    secrets: SecretBox = field(factory=SecretBox)
    mistakes: list[Diagnostic] = field(factory=list)

    def wrong(self, code: str, message: str, *notes: str) -> None:
        self.mistakes.append(Diagnostic(code, message, None, notes=notes))

    def surplus(self, code: str, what: str, given: Mapping[str, object], known: Sequence[str]) -> None:
        """Report what was given and nobody asked for."""
        for name in given:
            if name not in known:
                there = ", ".join(f"`{k}`" for k in known) or "none"
                self.wrong(code, f"there is no {what} `{name}`", f"there are: {there}")

    def input(self, port: GraphPort, items: Sequence[InputItem] | None) -> ItemSet:
        """The set for one input of the graph."""
        flow = port.type
        if items is None:
            if flow.card != "optional":
                more = (self._not_kept(flow.item),) if self.resumed else ()
                self.wrong("R0730", f"the input `{port.name}` is missing", f"its type is `{_shown(port)}`", *more)
            return EMPTY
        if (flow.card == "one" and len(items) != 1) or (flow.card == "optional" and len(items) > 1):
            due = "exactly one item" if flow.card == "one" else "at most one item"
            self.wrong("R0732", f"the input `{port.name}` takes {due}, not {len(items)}")
            return EMPTY
        plain = self._plain_items(port, items)
        if plain is not None:
            return plain
        try:
            return sorted_by_key(of_items([self._item(port, item, i) for i, item in enumerate(items)]))
        except ValueMismatchError as error:
            self.wrong("R0732", f"the input `{port.name}` does not fit `{_shown(port)}`", str(error))
            return EMPTY

    def _not_kept(self, item: Type) -> str:
        """Why the journal of a run that is finished does not have an input."""
        if SECRET in definitions(item, self.program.types):
            return "no journal holds secrets: give it again"
        return "the journal has no input of this name and type"

    def _plain_items(self, port: GraphPort, items: Sequence[InputItem]) -> ItemSet | None:
        """The set when it is of the plain sort: proper names, and values and keys that can be encoded together."""
        names = [item.name for item in items]
        if set(map(type, names)) != {str}:
            return None
        values = encode_all(port.type.item, [item.value for item in items])
        if values is None:
            return None
        keys = [item.key for item in items]
        if port.type.key is None:
            return ItemSet(keys, names, values) if keys.count(None) == len(keys) else None
        encoded = encode_all_keys(port.type.key, keys)
        return None if encoded is None else sorted_by_key(ItemSet(encoded, names, values))

    def _item(self, port: GraphPort, item: InputItem, number: int) -> tuple[bytes | None, str, bytes]:
        place = f"[{number}]" if port.type.card == "many" else ""
        if not isinstance(item.name, str):
            raise ValueMismatchError(f"{place}.name", "a str is expected")
        key = self._key(port.type.key, item.key, place)
        try:
            return key, item.name, self.encoded(port.type.item, item.value, port.name)
        except ValueMismatchError as error:
            raise ValueMismatchError(place + error.path, error.reason) from None

    def _key(self, t: Type | None, key: object, place: str) -> bytes | None:
        if t is None:
            if key is not None:
                raise ValueMismatchError(f"{place}.key", "the set has no keys")
            return None
        value = admit(t, key, self.program.types, self._no_secret)
        return encode_key(t, value, self.program.types)

    def _no_secret(self, value: object) -> str:
        raise ValueMismatchError("", "a key cannot be a secret")

    def encoded(self, t: Type, value: object, name: str) -> bytes:
        """The bytes of a value, its secrets replaced by handles; raises `ValueMismatchError`."""

        def seal(secret: object) -> str:
            if isinstance(secret, str):
                secret = Secret(secret)
            if not isinstance(secret, Secret):
                raise ValueMismatchError("", "a secret is expected")
            return self.secrets.seal(name, secret)

        admitted = admit(t, value, self.program.types, seal)
        try:
            return encode(t, admitted, self.program.types)
        except EncodingError as error:
            raise ValueMismatchError("", error.reason) from None

    def configs(self, given: Mapping[str, object], earlier: Mapping[str, bytes]) -> dict[str, bytes]:
        """The encoded value of every config of the program."""
        encoded = {}
        for config in self.program.configs:
            known = None if config.name in given else earlier.get(config.name)
            value = self._config(config, given) if known is None else known
            if value is not None:
                encoded[config.name] = value
        return encoded

    def _config(self, config: Config, given: Mapping[str, object]) -> bytes | None:
        if config.name not in given and config.default is None:
            self.wrong("R0734", f"the config `{config.name}` has no default and was not given")
            return None
        try:
            if config.name in given:
                return self.encoded(config.type, given[config.name], config.name)
            assert config.default is not None
            if config.type != SECRET:
                return config.default
            return self.encoded(SECRET, decode(SECRET, config.default, self.program.types), config.name)
        except (ValueMismatchError, EncodingError) as error:
            self.wrong("R0736", f"the config `{config.name}` does not fit `{config.type}`", str(error))
            return None

    def address(self, endpoint: Endpoint, configs: Mapping[str, bytes]) -> str:
        """The URL of an endpoint in this run; empty after a mistake that is reported already."""
        match endpoint.base:
            case ConstSource(value):
                url = value
            case ConfigSource(name):
                url = configs.get(name, b"")
                config = next((c for c in self.program.configs if c.name == name), None)
                if config is None or config.type != STR:
                    self.wrong("R0737", f"the address of the endpoint `{endpoint.name}` is not a config of type `str`")
            case _:
                self.wrong("R0737", f"the address of the endpoint `{endpoint.name}` is not known before the run")
                return ""
        try:
            return url.decode()
        except UnicodeDecodeError:
            self.wrong("R0737", f"the address of the endpoint `{endpoint.name}` is not text")
            return ""


def _shown(port: GraphPort) -> str:
    flow = port.type
    if flow.card == "many":
        return f"set[{flow.item}]" if flow.key is None else f"set[{flow.key} => {flow.item}]"
    return f"optional {flow.item}" if flow.card == "optional" else str(flow.item)
