"""Items reach a following `each` while their set is being made: faster, and with exactly the results of complete sets."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from dandc.compiler.flow import CompositionNode, Policies
from dandc.compiler.types import STR, Named, Result
from dandc.isolation import Limits
from dandc.vm import InputItem, RunError, RunLimits, run, streams
from dandc.vm.drivers import DriverFailureError
from dandc.vm.failures import FAILURE, FAILURE_DEF
from dandc.vm.journal import read_journal
from dandc.vm.keeping import Recording, keep, replay

TYPES = {"prelude.Failure": FAILURE_DEF}
NOTE = 0xFFFFFFFE


def dice(*parts: bytes) -> int:
    """A number that depends on the bytes alone, wherever and whenever they are seen."""
    return int.from_bytes(hashlib.blake2b(b"\0".join(parts), digest_size=4).digest(), "big")


def brief(value: bytes) -> bytes:
    """A short text that stands for any bytes."""
    return b"%08x" % dice(value)


class Unruly:
    """Lets others go first, some of the time for long."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    async def dawdle(self) -> None:
        for _ in range(self.random.choice((0, 0, 1, 3, 20, 60))):
            await anyio.lowlevel.checkpoint()


class Driver:
    """Answers with two, one or no items, or fails, by what it is asked."""

    def __init__(self, seed: int) -> None:
        self.unruly = Unruly(seed)
        self.asked: list[str] = []

    def check_endpoint(self, endpoint: Any) -> str | None:
        return None

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        return False

    async def call(self, operation: str, arguments: tuple[Any, ...], context: Any) -> tuple[Sequence[Any], ...]:
        self.asked.append(arguments[0])
        await self.unruly.dawdle()
        roll = dice(arguments[0].encode())
        if operation == "shaky" and roll % 7 == 0:
            raise DriverFailureError("fake.failed", f"no {roll % 100}")
        name = f"n{roll % 5}" if roll % 3 else ""
        return (
            [(f"k{roll % 11}", name, f"{arguments[0]}.{i}") for i in range(roll % 3 if operation == "many" else 1)],
        )

    async def aclose(self) -> None:
        pass


def kernels(kit: Any) -> dict[str, Any]:
    """Python kernels: `plain` one to one, `few` one to any number with keys and names, `shaky` fails in every way."""

    def plain(x: list[Any]) -> list[Any]:
        return [(0, None, None, brief(x[0][2]) + b"p")]

    def few(x: list[Any]) -> list[Any]:
        roll = dice(x[0][2])
        key = f"key{roll % 4}".encode() if roll % 5 else None
        return [(0, key, f"name{i}" if roll % 2 else None, brief(x[0][2]) + b"%d" % i) for i in range(roll % 4)]

    def shaky(x: list[Any]) -> list[Any]:
        roll = dice(x[0][2]) % 23
        if roll == 1:
            raise kit.Trap(3)
        if roll == 2:
            raise kit.Fail("no")
        if roll == 3:
            raise kit.Crash("sandbox.crash")
        if roll == 4:
            return []
        return [(NOTE, None, None, b"seen " + x[0][2]), (0, None, None, brief(x[0][2]) + b"s")]

    def both(x: list[Any]) -> list[Any]:
        return [(0, None, None, brief(x[0][2]) + b"a"), *[(1, None, None, brief(x[0][2]) + b"b")] * (dice(x[0][2]) % 2)]

    def beside(x: list[Any], others: list[Any]) -> list[Any]:
        return [(0, None, None, brief(x[0][2]) + b"|%d" % len(others))]

    def whole(xs: list[Any]) -> list[Any]:
        return [(0, None, None, brief(b",".join(value for _, _, value in xs)))]

    return {"plain": plain, "few": few, "shaky": shaky, "both": both, "beside": beside, "whole": whole}


class Placement:
    """Shards end in any order. Made of the kit's placement."""

    def __init__(self, kit: Any, seed: int) -> None:
        self.inner = kit.FakePlacement(kernels(kit), random.Random(seed).choice((1, 200, 3_000)))
        self.unruly = Unruly(seed)

    async def run_shard(self, *arguments: Any, **more: Any) -> Any:
        await self.unruly.dawdle()
        return await self.inner.run_shard(*arguments, **more)


class Maker:
    """Makes graphs of random calls over what earlier calls gave."""

    def __init__(self, kit: Any, seed: int) -> None:
        self.kit = kit
        self.random = random.Random(seed)
        self.key = self.random.choice((None, STR))
        self.nodes: list[Any] = []
        self.sets: list[Any] = [(kit.input(0), self.key)]
        self.failures: list[Any] = []

    def kernels(self) -> list[Any]:
        kit, key = self.kit, STR
        one, many = kit.port("one"), kit.port("set")
        return [
            kit.kernel("plain", [one], [kit.out("one")]),
            kit.kernel("few", [one], [kit.out("set", key=key)]),
            kit.kernel("shaky", [one], [kit.out("one")]),
            kit.kernel("both", [one], [kit.out("one"), kit.out("optional")]),
            kit.kernel("beside", [one, many], [kit.out("one")]),
            kit.kernel("whole", [many], [kit.out("one")]),
        ]

    def source(self) -> Any:
        """An earlier set, with a liking for the newest."""
        return self.sets[-1] if self.random.random() < 0.6 else self.random.choice(self.sets)

    def add(self, node: Any, keys: Sequence[Any]) -> None:
        number = len(self.nodes)
        self.nodes.append(node)
        self.sets += [(self.kit.at(number, i), key) for i, key in enumerate(keys)]
        if node.policies.on_failure == "collect":
            self.failures.append(self.kit.at(number, -1))

    def call(self) -> None:
        kind = self.random.choice(
            ("plain", "few", "few", "shaky", "shaky", "both", "beside", "whole", "net", "net", "graph")
        )
        source, key = self.source()
        kit, args = self.kit, [self.kit.arg(source, "each")]
        if kind == "net":
            self.net(args, key)
        elif kind == "graph":
            flow = kit.many(key=key)
            policies = Policies(on_failure="collect")
            self.add(
                CompositionNode(f"graph{len(self.nodes)}", "inner", tuple(args), (flow,), policies, kit.CALL), [key]
            )
        elif kind == "whole":
            self.add(kit.node("whole", [kit.arg(source, "all")], [kit.many()], on_failure="skip"), [None])
        else:
            if kind == "beside":
                args.append(kit.arg(self.random.choice(self.sets)[0], "all"))
            self.pure(kind, args, key)

    def pure(self, kind: str, args: list[Any], key: Any) -> None:
        keys = [self.random.choice((None, STR)) if kind == "few" else key] * (2 if kind == "both" else 1)
        policy = self.random.choice(("skip", "collect") if kind == "both" else ("skip", "collect", "value"))
        item = Result(STR, Named("prelude.Failure")) if policy == "value" else STR
        self.add(self.kit.node(kind, args, [self.kit.many(item, k) for k in keys], on_failure=policy), keys)

    def net(self, args: list[Any], key: Any) -> None:
        kit, operation = self.kit, self.random.choice(("echo", "shaky", "many"))
        declared = self.random.choice((None, STR))
        flow = kit.many(key=declared if declared is not None else key)
        policy = self.random.choice(("skip", "collect"))
        call = kit.call(
            "net", "fake", operation, [kit.port("one")], [kit.out("set", key=declared)], args, [flow], on_failure=policy
        )
        self.add(call, [flow.key])

    def program(self, calls: int) -> Any:
        kit = self.kit
        for _ in range(calls):
            self.call()
        some = [entry for entry in self.sets[1:] if self.random.random() < 0.5] or self.sets[-1:]
        outputs = {f"o{i}": (kit.many(key=key), source) for i, (source, key) in enumerate(some)}
        outputs |= {f"f{i}": (kit.many(FAILURE), source) for i, source in enumerate(self.failures)}
        steps = [
            kit.node("shaky", [kit.arg(kit.input(0))], [kit.one()]),
            kit.node("few", [kit.arg(kit.at(0, 0))], [kit.many()]),
            kit.node("plain", [kit.arg(kit.at(1, 0), "each")], [kit.many()]),
            kit.node("whole", [kit.arg(kit.at(2, 0), "all")], [kit.one()]),
        ]
        inner = kit.graph({"x": kit.one()}, steps, {"y": (kit.one(), kit.at(3, 0))}, "inner")
        main = kit.graph({"xs": kit.many(key=self.key)}, self.nodes, outputs)
        return kit.program([main, inner], self.kernels(), types=TYPES)


def facts(result: Any) -> Any:
    """All that a program's user sees of a run."""
    outputs = {name: [(i.key, i.name, i.encoded) for i in items] for name, items in result.outputs.items()}
    return outputs, result.nodes, sorted((note.node, note.item, note.text) for note in result.notes)


def play(kit: Any, program: Any, inputs: Any, seed: int, **limits: Any) -> Any:
    small = RunLimits(kernel=Limits(output=1 << 16), **limits)
    placement, driver = Placement(kit, seed), Driver(seed)
    result = anyio.run(
        lambda: run(program, "main", inputs, placement=placement, drivers={"fake": driver}, limits=small)
    )
    return facts(result)


@pytest.mark.parametrize("block", range(5))
def test_results_are_those_of_complete_sets(kit: Any, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random graphs, policies, failures and orders of completion: nothing that a user sees depends on any of them."""
    fed = streams._fed
    streamed = 0
    for seed in range(block * 10, block * 10 + 10):
        maker = Maker(kit, seed)
        program = maker.program(maker.random.randint(2, 7))
        count = maker.random.choice((0, 1, 2, 9, 40))
        keys = [None if maker.key is None else f"in{n % 7}" for n in range(count)]
        inputs = {"xs": [InputItem(f"v{n}", f"name{n}" if n % 3 == 0 else "", key) for n, key in enumerate(keys)]}
        streamed += sum(p >= 0 for p in streams.streams(program.graphs["main"]).fed)

        monkeypatch.setattr(streams, "_fed", lambda *_: -1)
        expected = play(kit, program, inputs, 0, sandboxes=1, requests=1)
        monkeypatch.setattr(streams, "_fed", fed)

        for order in (1, 2):
            bound = maker.random.choice((1, 1 << 20))
            assert expected == play(
                kit, program, inputs, 1000 * seed + order, sandboxes=3, requests=4, undelivered=bound
            )
    assert streamed > 10


@pytest.mark.parametrize(("bad", "item"), [(b"2b", "from #2.1"), (b"3a", "from #3")])
def test_a_failure_on_the_way_names_what_its_item_came_from(kit: Any, bad: bytes, item: str) -> None:
    """Without key and name, and while nobody knows how many items stand before it."""

    def twice(x: list[Any]) -> list[Any]:
        return [(0, None, None, x[0][2] + b"a"), (0, None, None, x[0][2] + b"b")]

    def picky(x: list[Any]) -> list[Any]:
        if x[0][2] == bad:
            raise kit.Trap(3)
        return [(0, None, None, x[0][2])]

    nodes = [
        kit.node("twice", [kit.arg(kit.input(0), "each")], [kit.many()]),
        kit.node("picky", [kit.arg(kit.at(0, 0), "each")], [kit.many()]),
    ]
    kernels = [
        kit.kernel("twice", [kit.port("one")], [kit.out("set")]),
        kit.kernel("picky", [kit.port("one")], [kit.out("one")]),
    ]
    program = kit.program([kit.graph({"xs": kit.many()}, nodes, {"ys": (kit.many(), kit.at(1, 0))})], kernels)
    placement = kit.FakePlacement({"twice": twice, "picky": picky})
    inputs = {"xs": [InputItem(f"{n}") for n in range(5)]}

    with pytest.raises(RunError) as caught:
        anyio.run(lambda: run(program, "main", inputs, placement=placement))

    assert caught.value.fault is not None
    assert caught.value.fault.item == item


class Fickle(Driver):
    """Answers no call as any other, so that an exchange of answers shows."""

    async def call(self, operation: str, arguments: tuple[Any, ...], context: Any) -> tuple[Sequence[Any], ...]:
        number = len(self.asked)
        (items,) = await super().call(operation, arguments, context)
        return ([(key, name, f"{value} {number % 5} {number}") for key, name, value in items],)


def again(kit: Any, seed: int, path: Path) -> int:
    """Record a random run and repeat it in another order; how many of its calls have equals."""
    maker = Maker(kit, seed)
    program = maker.program(maker.random.randint(3, 7))
    graph = program.graphs["main"]
    nodes = tuple(evolve(node, name=f"{node.name}{i}") for i, node in enumerate(graph.nodes))
    outputs = tuple(output for output in graph.outputs if output.name.startswith("o"))
    program = evolve(program, graphs={**program.graphs, "main": evolve(graph, nodes=nodes, outputs=outputs)})
    inputs = {"xs": [InputItem(f"v{n % 3}", "", None if maker.key is None else "k") for n in range(30)]}
    small = RunLimits(kernel=Limits(output=1 << 16), sandboxes=3, requests=4)
    begin = keep(program, "main", recording=Recording(path, "main.dnd", {}, "test"))
    placement, drivers = Placement(kit, seed), {"fake": Fickle(seed)}
    anyio.run(lambda: run(program, "main", inputs, placement=placement, drivers=drivers, limits=small, keeping=begin))
    journal = read_journal(path)
    equal = len(journal.ties_now())
    anyio.run(lambda: replay(journal, placement=Placement(kit, 1000 + seed), limits=small))
    return equal


@pytest.mark.parametrize("block", range(2))
def test_equal_calls_keep_their_answers_in_whatever_order_they_begin(kit: Any, block: int, tmp_path: Path) -> None:
    """Many calls share node, key, name and request: only what they came from differs, and decides who has which answer."""
    assert sum(again(kit, seed, tmp_path / f"{seed}") for seed in range(block * 5, block * 5 + 5)) > 50
