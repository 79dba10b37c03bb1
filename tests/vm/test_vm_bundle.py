"""Bundles: what goes in comes out, equal programs are equal bytes, and damaged or made-up bytes are errors."""

import hashlib
import json
import random
import struct
from typing import Any

import pytest
from attrs import evolve

from dandc.compiler.flow import (
    ArgBinding,
    CommunicationNode,
    CompositionNode,
    ComputeNode,
    Config,
    ConfigSource,
    ConstSource,
    Endpoint,
    EndpointSource,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    KernelImage,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Policies,
    Program,
)
from dandc.compiler.types import (
    BYTES,
    F64,
    I64,
    SECRET,
    STR,
    UNIT,
    Array,
    EnumDef,
    Named,
    Option,
    RecordDef,
    Result,
    Tuple,
)
from dandc.lang.spans import Span
from dandc.vm import BundleError, dumps, loads
from dandc.vm.bundle import VERSION

LINE = Named("main.Line")
PAIR = Named("json.Pair", (I64, Option(STR)))


def whole() -> Program:
    """A program with one of everything that a program can have."""
    params = (ParamDecl("x", "one", None, LINE), ParamDecl("xs", "set", Tuple((STR, I64)), PAIR))
    outputs = (OutputDecl("y", "one", None, Result(LINE, STR)), OutputDecl("z", "optional", STR, UNIT))
    flows = (FlowType("many", STR, Array(Array(F64))), FlowType("optional", None, UNIT))
    span = Span("mäin.dnd", 3, 7)
    args = (ArgBinding(InputSource(0), "one", True), ArgBinding(ConfigSource("c"), "all", False))
    plain = Policies(0, (), 2000, "collect")
    policies = Policies(3, ("429", "5xx"), 2000, "collect")
    nodes = (
        ComputeNode("f", "main.f", args, flows, plain, span),
        CommunicationNode(
            "g",
            "http",
            "fetch",
            params,
            outputs,
            (ArgBinding(NodeSource(0, 1), "each", False), args[0]),
            flows,
            policies,
            span,
        ),
        CompositionNode("h", "inner", (ArgBinding(ConstSource(b"\0\xff"), "one", False),), flows[:1], Policies(), span),
    )
    return Program(
        "main",
        {
            "main": Graph(
                "main",
                (GraphPort("a", flows[0]),),
                (GraphOutput("o", flows[0], NodeSource(1, -1)), GraphOutput("e", flows[1], EndpointSource("e"))),
                nodes,
            ),
            "inner": Graph("inner", (GraphPort("a", flows[1]),), (GraphOutput("o", flows[1], InputSource(0)),), ()),
        },
        {
            "main.f": KernelImage(
                "main.f", params, outputs, (span, Span("mäin.dnd", 9, 11)), random.Random(1).randbytes(5000)
            )
        },
        (Config("c", SECRET, None, span), Config("d", BYTES, b"", span)),
        (Endpoint("e", "http", ConfigSource("d"), span),),
        {
            "main.Line": RecordDef((("time", I64), ("level", STR))),
            "main.Shape": EnumDef((("circle", (F64,)), ("point", ()))),
            "json.Pair[i64, option[str]]": RecordDef((("a", I64), ("b", Option(STR)))),
        },
    )


def test_round_trip() -> None:
    assert whole() == loads(dumps(whole()))


def test_equal_programs_give_equal_bytes() -> None:
    """Also when their dictionaries were filled in another order."""
    program = whole()
    other = evolve(program, graphs=dict(reversed(program.graphs.items())), types=dict(reversed(program.types.items())))
    assert program == other
    assert dumps(program) == dumps(other)


def test_every_truncation_and_every_flipped_byte_is_found() -> None:
    data = dumps(whole())
    for end in range(0, len(data), 7):
        with pytest.raises(BundleError):
            loads(data[:end])
    for at in range(0, len(data), 11):
        broken = bytearray(data)
        broken[at] ^= 1 << at % 8
        with pytest.raises(BundleError) as caught:
            loads(bytes(broken))
        assert caught.value.diagnostics[0].code == ("R0741" if 8 <= at < 12 else "R0740")
    with pytest.raises(BundleError):
        loads(data + b"\0")


def sealed(head: bytes, blobs: bytes) -> bytes:
    """A bundle with a proper hash round whatever is in it."""
    body = head + blobs
    return struct.pack("<8sII32s", b"dandcIRb", VERSION, len(head), hashlib.sha256(body).digest()) + body


def mutations(value: Any, source: random.Random) -> Any:
    """The JSON value with one thing in it changed."""
    if isinstance(value, list) and value and source.random() < 0.9:
        at = source.randrange(len(value))
        return [*value[:at], mutations(value[at], source), *value[at + 1 :]]
    if isinstance(value, dict) and value and source.random() < 0.9:
        key = source.choice(sorted(value))
        return {**value, key: mutations(value[key], source)}
    return source.choice(
        [None, -1, 1 << 70, "x", [], {}, True, [1, 2], 1.5, "option[", "array[i64", ["InputSource", 99]]
    )


def test_made_up_bundles_with_a_proper_hash_are_errors_too() -> None:
    """Whatever stands in the head, `loads` gives a program or a `BundleError`."""
    data = dumps(whole())
    length = struct.unpack_from("<I", data, 12)[0]
    head, blobs = json.loads(data[48 : 48 + length]), data[48 + length :]
    assert whole() == loads(sealed(json.dumps(head).encode(), blobs))
    source = random.Random(7)
    refused = 0
    for _ in range(3000):
        changed = json.dumps(mutations(head, source)).encode()
        try:
            assert isinstance(loads(sealed(changed, blobs)), Program)
        except BundleError:
            refused += 1
    assert refused > 2000
    for rubbish in (b"", b"[", b"[" * 100_000, b"\xff", b"null", b"NaN", b'{"a":1}'):
        with pytest.raises(BundleError):
            loads(sealed(rubbish, blobs))


def change(**parts: Any) -> Program:
    """The program with its main graph changed."""
    program = whole()
    return evolve(program, graphs={**program.graphs, "main": evolve(program.graphs["main"], **parts)})


def test_programs_whose_parts_do_not_fit_are_refused() -> None:
    """References to what is not there, later nodes, missing arguments, graphs that run themselves."""
    nodes = whole().graphs["main"].nodes
    wrong = [
        evolve(whole(), kernels={}),
        change(nodes=(nodes[1], nodes[0], nodes[2])),
        change(nodes=(evolve(nodes[0], args=()), *nodes[1:])),
        change(nodes=(evolve(nodes[0], policies=Policies(on_failure="shrug")), *nodes[1:])),
        change(nodes=(evolve(nodes[0], policies=Policies(retry=1)), *nodes[1:])),
        change(nodes=(evolve(nodes[0], policies=Policies(on_failure="value")), *nodes[1:])),
        change(nodes=(*nodes[:2], evolve(nodes[2], graph="main"))),
        change(nodes=(*nodes[:2], evolve(nodes[2], args=(ArgBinding(NodeSource(2, 0), "one", False),)))),
        change(nodes=(evolve(nodes[0], args=(ArgBinding(InputSource(0), "each", False),) * 2), *nodes[1:])),
        change(outputs=(GraphOutput("o", FlowType("many", None, STR), ConfigSource("nobody")),)),
    ]
    for program in wrong:
        with pytest.raises(BundleError):
            loads(dumps(program))
