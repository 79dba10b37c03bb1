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
    EmptySource,
    Endpoint,
    EndpointSource,
    FlowNode,
    FlowType,
    Graph,
    GraphOutput,
    GraphPort,
    InputSource,
    Join,
    KernelImage,
    KeySource,
    LoopNode,
    MergeNode,
    NodeSource,
    OutputDecl,
    ParamDecl,
    Policies,
    Program,
    ReduceNode,
    Tolerance,
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
from dandc.vm.programs import structure_mistakes

LINE = Named("main.Line")
PAIR = Named("json.Pair", (I64, Option(STR)))


KEYED = FlowType("many", STR, STR)
PLAIN = FlowType("many", None, STR)


def later_nodes(span: Span) -> tuple[FlowNode, ...]:
    """A join with a key parameter, a fold, a loop and a merge: nodes 3 to 6 of the main graph."""
    tolerant = Policies(on_failure="collect", tolerance=Tolerance(percent=5), memory=1 << 28, time_ms=9, output=1 << 20)
    sides = tuple(ArgBinding(InputSource(i), "keyed", False) for i in (1, 2))
    key = ArgBinding(KeySource(), "key", False)
    whole_set = ArgBinding(NodeSource(3, 0), "keyed", False)
    first = ArgBinding(ConstSource(b"\0"), "one", False)
    return (
        ComputeNode("j", "main.j", (*sides, key), (KEYED,), tolerant, span, Join((0, 1), ("full",)), STR, (0, 2)),
        ReduceNode("r", "main.r", (whole_set,), (KEYED,), Policies(), span, STR),
        LoopNode("l", "turn", 1, (True,), 9, (first,), (PLAIN,), Policies(within_ms=7), span),
        MergeNode("m", "join", tuple(ArgBinding(NodeSource(n, 0), "all", False) for n in (3, 4)), (KEYED,), span),
    )


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
        *later_nodes(span),
    )
    return Program(
        "main",
        {
            "main": Graph(
                "main",
                (GraphPort("a", flows[0]), GraphPort("b", KEYED), GraphPort("c", KEYED)),
                (GraphOutput("o", flows[0], NodeSource(1, -1)), GraphOutput("e", flows[1], EndpointSource("e"))),
                nodes,
            ),
            "turn": Graph(
                "turn",
                (GraphPort("v", FlowType("one", None, Option(STR))),),
                (GraphOutput("y", PLAIN, ConstSource(b"y")), GraphOutput("v", PLAIN, EmptySource())),
                (),
            ),
            "inner": Graph("inner", (GraphPort("a", flows[1]),), (GraphOutput("o", flows[1], InputSource(0)),), ()),
        },
        {
            "main.f": KernelImage(
                "main.f", params, outputs, (span, Span("mäin.dnd", 9, 11)), random.Random(1).randbytes(5000)
            ),
            "main.j": KernelImage(
                "main.j",
                (*(ParamDecl(n, "set", STR, STR) for n in "ab"), ParamDecl("k", "one", None, STR)),
                (OutputDecl("y", "one", None, STR),),
                (span,),
                b"j",
            ),
            "main.r": KernelImage(
                "main.r",
                tuple(ParamDecl(n, "one", None, STR) for n in "ab"),
                (OutputDecl("y", "one", None, STR),),
                (span,),
                b"r",
            ),
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
        change(nodes=(nodes[1], nodes[0], *nodes[2:])),
        change(nodes=(evolve(nodes[0], args=()), *nodes[1:])),
        change(nodes=(evolve(nodes[0], policies=Policies(on_failure="shrug")), *nodes[1:])),
        change(nodes=(evolve(nodes[0], policies=Policies(retry=1)), *nodes[1:])),
        change(nodes=(evolve(nodes[0], policies=Policies(on_failure="value")), *nodes[1:])),
        change(nodes=(*nodes[:2], evolve(nodes[2], graph="main"), *nodes[3:])),
        change(nodes=(*nodes[:2], evolve(nodes[2], args=(ArgBinding(NodeSource(2, 0), "one", False),)), *nodes[3:])),
        change(nodes=(evolve(nodes[0], args=(ArgBinding(InputSource(0), "each", False),) * 2), *nodes[1:])),
        change(outputs=(GraphOutput("o", FlowType("many", None, STR), ConfigSource("nobody")),)),
    ]
    for program in wrong:
        with pytest.raises(BundleError):
            loads(dumps(program))


def at(number: int, **parts: Any) -> Program:
    """The program with node `number` of the main graph changed."""
    nodes = list(whole().graphs["main"].nodes)
    nodes[number] = evolve(nodes[number], **parts)
    return change(nodes=tuple(nodes))


def bound(source: Any, shard: str) -> ArgBinding:
    return ArgBinding(source, shard, False)


def hostile_joins() -> list[Program]:
    """Chains that do not hold together."""
    keyed = [bound(InputSource(i), "keyed") for i in (1, 2)]
    key = bound(KeySource(), "key")
    wrong = [at(3, join=join) for join in (
        None, Join((), ()), Join((0,), ()), Join((0, 0), ("full",)), Join((0, 1), ()), Join((0, 1), ("outer",)),
        Join((0, 1), ("full", "full")), Join((0, 7), ("full",)), Join((-1, 1), ("full",)),
    )]  # fmt: skip
    wrong += [at(3, args=(*sides, key)) for sides in (
        (keyed[0], bound(InputSource(1), "each")), (bound(InputSource(1), "each"), keyed[1]),
        (keyed[0], bound(InputSource(1), "anyKeyed")), (keyed[0], bound(ConstSource(b""), "keyed")),
        (keyed[0], bound(InputSource(2), "every")), (keyed[0], bound(InputSource(2), "key")),
        (keyed[0], bound(KeySource(), "keyed")), (keyed[0], bound(InputSource(9), "keyed")),
    )]  # fmt: skip
    return [*wrong, at(3, key=None), at(3, key=I64), at(3, key=F64), at(3, after=(3,)), at(3, after=(-1,))]


def hostile_calls() -> list[Program]:
    """Folds, loops and merges of what they cannot take."""
    other = KernelImage("main.r", (ParamDecl("a", "one", None, STR), ParamDecl("b", "one", None, I64)),
                        (OutputDecl("y", "one", None, STR),), (), b"r")  # fmt: skip
    program = whole()
    return [
        evolve(program, kernels={**program.kernels, "main.r": other}),
        at(4, kernel="main.f"),
        at(4, kernel="none"),
        at(4, args=(bound(NodeSource(3, 0), "each"),)),
        at(4, args=(bound(NodeSource(3, 0), "one"),)),
        at(4, args=()),
        at(4, key=I64),
        at(5, graph="none"),
        at(5, graph="main"),
        at(5, states=0),
        at(5, states=3),
        at(5, states=-1),
        at(5, wraps=()),
        at(5, most=0),
        at(5, outputs=()),
        at(5, args=(bound(InputSource(1), "each"),)),
        evolve(program, graphs={**program.graphs, "turn": evolve(program.graphs["turn"], inputs=(GraphPort("v", PLAIN),))}),
        at(6, kind="zip"),
        at(6, args=()),
        at(6, args=(bound(NodeSource(3, 0), "each"),)),
        at(6, args=(bound(KeySource(), "key"),)),
        at(6, policies=Policies(timeout_ms=1)),
    ]  # fmt: skip


def hostile_policies() -> list[Program]:
    """Policies where they mean nothing, and numbers that are none."""
    collect = Policies(on_failure="collect")
    numbers = [evolve(collect, **{name: value}) for value in (-1, 1 << 60) for name in (
        "timeout_ms", "memory", "time_ms", "output", "concurrency")]  # fmt: skip
    tolerances = [evolve(collect, tolerance=t) for t in (Tolerance(-1), Tolerance(0, 101), Tolerance(0, -1))]
    return [
        *(at(3, policies=policies) for policies in (*numbers, *tolerances)),
        at(3, policies=Policies(tolerance=Tolerance(1))),
        at(3, policies=Policies(within_ms=1)),
        at(3, policies=Policies(once=InputSource(0))),
        at(3, policies=Policies(cache_ms=1)),
        at(5, policies=Policies(memory=1)),
        at(5, policies=Policies(within_ms=-1)),
        at(5, policies=Policies(timeout_ms=1)),
        at(1, policies=Policies(time_ms=1)),
    ]


@pytest.mark.parametrize("wrong", [hostile_joins, hostile_calls, hostile_policies])
def test_hostile_joins_folds_loops_and_policies_are_refused(wrong: Any) -> None:
    assert structure_mistakes(whole()) == []
    for number, program in enumerate(wrong()):
        assert structure_mistakes(program), f"{wrong.__name__} {number} is taken"
        with pytest.raises(BundleError):
            loads(dumps(program))
