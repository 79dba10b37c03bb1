"""What can go wrong with one instance of a call, as a value: for policies, for programs, and for people.

A `Fault` is what the machine passes round. A program sees it as the record `prelude.Failure`, a person as a
diagnostic. The message must already be free of secrets when the fault is made.
"""

from collections.abc import Mapping

from dandc.compiler.encoding import Variant, encode
from dandc.compiler.types import I64, STR, Named, RecordDef, Result, Type, TypeTable
from dandc.lang.diagnostics import Diagnostic, DiagnosticError, Label
from dandc.lang.spans import NOWHERE, Span
from dandc.lang.values import frozen

FAILURE = Named("prelude.Failure")
FAILURE_DEF = RecordDef((("code", STR), ("message", STR), ("node", STR), ("item", STR), ("attempts", I64)))

MESSAGE_LIMIT = 4096

# Dotted names that programs see -> diagnostic codes. Whole names first, then families (`http.`).
_CODES: Mapping[str, str] = {
    "trap.overflow": "R0701",
    "trap.division": "R0702",
    "trap.index": "R0703",
    "trap.conversion": "R0704",
    "trap.slice": "R0705",
    "trap.depth": "R0706",
    "trap.shift": "R0707",
    "trap.unreachable": "R0708",
    "trap.input": "R0709",
    "fail": "R0710",
    "value.encoding": "R0711",
    "value.cardinality": "R0712",
    "value.absent": "R0713",
    "loop.limit": "R0714",
    "failures.many": "R0715",
    "join.large": "R0716",
    "secret.unknown": "R0724",
    "once.unknown": "R0788",
    "once.conflict": "R0789",
    "limit.wall": "S0801",
    "limit.cpu": "S0802",
    "limit.steps": "S0813",
    "limit.memory": "S0803",
    "limit.output": "S0804",
    "sandbox.crash": "S0805",
    "sandbox.forbidden": "S0806",
    "sandbox.output": "S0807",
    "sandbox.lost": "S0808",
    "host.exhausted": "S0809",
    "sandbox.unavailable": "S0810",
    "image.invalid": "S0811",
    "cancelled": "S0812",
}


# What stands at the place of a trap; its message is above it.
_LABELS: Mapping[str, str] = {
    "trap.overflow": "computed here",
    "trap.division": "the divisor is 0",
    "trap.index": "outside `0..len`",
    "trap.conversion": "converted here",
    "trap.slice": "not inside `0..len`, or inside a character of a `str`",
    "trap.depth": "called once more",
    "trap.shift": "shifted here",
    "trap.unreachable": "reached",
    "fail": "given up here",
}


@frozen(slots=True)
class Fault:
    """One failed instance. `item` is the key or name of the item it worked on; `site` where in the kernel.

    `hint` is for people alone: what helps.
    """

    code: str
    message: str
    node: str
    span: Span
    item: str = ""
    attempts: int = 1
    site: Span | None = None
    hint: str = ""


class NodeFailedError(Exception):
    """A fault that no policy of its call took: it ends the graph."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.node}: {fault.code}")
        self.fault = fault


class RunError(DiagnosticError):
    """A run that gave no result. `diagnostics` say why; `fault` is there when a call failed."""

    def __init__(self, *diagnostics: Diagnostic, fault: Fault | None = None) -> None:
        super().__init__(*diagnostics)
        self.fault = fault


class StopError(Exception):
    """Ends a run whatever the policies of its calls say, and is no fault of any call."""


def encode_failure(fault: Fault, types: TypeTable) -> bytes:
    """The fault as an item of type `prelude.Failure`."""
    return encode(FAILURE, _fields(fault), failure_types(types))


def encode_err(fault: Fault, ok: Type, types: TypeTable) -> bytes:
    """The fault as an item of type `result[ok, prelude.Failure]`."""
    return encode(Result(ok, FAILURE), Variant(1, (_fields(fault),)), failure_types(types))


def diagnose(fault: Fault) -> Diagnostic:
    """The fault for a person: at the place in the kernel if there is one, else at the call."""
    where = fault.item and f" for the item `{fault.item}`"
    tries = f" after {fault.attempts} attempts" if fault.attempts > 1 else ""
    span = fault.span if fault.site is None else fault.site
    secondary = () if fault.site is None or fault.span == NOWHERE else (Label(fault.span, "in this call"),)
    return Diagnostic(
        code=diagnostic_code(fault.code),
        message=f"`{fault.node}` failed{where}{tries}: {fault.message}",
        span=None if span == NOWHERE else span,
        label=label_of(fault.code, fault.message),
        secondary=secondary,
        notes=(*((fault.hint,) if fault.hint else ()), f"failure code: {fault.code}"),
    )


def label_of(code: str, message: str) -> str:
    """What to say at the place of a failure: not its message again, if the place itself tells more."""
    known = _LABELS.get(code)
    return known or (message.splitlines()[0][:120] if message else code)


def diagnostic_code(code: str) -> str:
    """The diagnostic code for the dotted name of a failure."""
    known = _CODES.get(code)
    if known is not None:
        return known
    ending = code.rpartition(".")[2]
    return {"timeout": "R0721", "forbidden": "R0722", "network": "R0723"}.get(ending, "R0720")


def _fields(fault: Fault) -> tuple[str, str, str, str, int]:
    return (fault.code, fault.message[:MESSAGE_LIMIT], fault.node, fault.item, fault.attempts)


def failure_types(types: TypeTable) -> TypeTable:
    """The type table with the record `prelude.Failure` in it."""
    return {**types, str(FAILURE): FAILURE_DEF}
