"""Runs that are kept, with Python kernels and a driver that remembers every call: cache, record, replay, resume."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from attrs import define, evolve, field

from dandc.compiler.encoding import decode
from dandc.compiler.flow import CompositionNode, Config, ConstSource, FlowType, Policies, Program
from dandc.compiler.types import I64, SECRET, STR, Option
from dandc.lang.spans import NOWHERE
from dandc.vm import DriverFailureError, EndpointAddress, InputItem, RunError, RunResult, run
from dandc.vm.drivers import CallContext, OutputItem
from dandc.vm.journal import Journal, open_journal, read_journal
from dandc.vm.keeper import FoundInstanceError, Wanted
from dandc.vm.keeping import Recording, keep, replay, resume
from dandc.vm.memo import Memo


class Killed(Exception):
    """Ends a run as a kill would: at once, out of the midst of a call."""


@define
class Service:
    """A driver. `ask` answers with the argument and how many calls there were; `act` does an effect; both can be made to fail.

    `log` holds every call that arrived. `kill_at` is the call that arrives and is never answered.
    """

    passes: bool = True
    idempotent: bool = False
    kill_at: int = -1
    failing: set[str] = field(factory=set)
    log: list[tuple[str, str, str]] = field(factory=list)
    effects: list[str] = field(factory=list)
    delay: float = 0.0

    def check_endpoint(self, endpoint: EndpointAddress) -> str | None:
        return None

    def repeatable(self, operation: str, arguments: tuple[object, ...]) -> bool:
        return operation == "ask" or self.idempotent

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        await anyio.sleep(self.delay)
        (text,) = arguments
        assert isinstance(text, str)
        self.log.append((operation, text, context.effect))
        if operation == "act" and (not context.effect or not self.passes or context.effect not in self.effects):
            self.effects.append(context.effect or text)
        if len(self.log) - 1 == self.kill_at:
            raise Killed
        if text in self.failing:
            raise DriverFailureError("service.bad", f"no {text}")
        return ([(None, "", f"{text}/{len(self.log)}")],)

    async def aclose(self) -> None:
        pass


class Stuck(Service):
    """Answers the first item and no other."""

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        if arguments != ("<x0",):
            await anyio.sleep_forever()
        return await super().call(operation, arguments, context)


class Effectful(Service):
    """The same, able to tell the service which effect a call is."""

    def passes_effect(self, operation: str) -> bool:
        return True


@define
class World:
    """A program with its kernels and a folder for journals and caches."""

    kit: Any
    program: Program
    kernels: dict[str, Callable[..., Any]]
    folder: Path
    inputs: dict[str, Sequence[InputItem]] = field(factory=dict)

    def placement(self) -> Any:
        return self.kit.FakePlacement(self.kernels)

    def recording(self, name: str = "j") -> Recording:
        return Recording(self.folder / name, "main.dnd", {}, "test")

    def run(self, service: Any = None, *, record: str = "", memo: Memo | None = None, pure: bool = True) -> RunResult:
        recording = self.recording(record) if record else None
        keeping = keep(self.program, "main", memo=memo, recording=recording, own=pure)
        return anyio.run(lambda: run(
            self.program, "main", self.inputs, placement=self.placement(), drivers={"service": service or Service()}, keeping=keeping,
        ))  # fmt: skip

    def resume(self, service: Any, name: str = "j", program: Program | None = None) -> RunResult:
        journal = open_journal(self.folder / name)
        try:
            return anyio.run(lambda: resume(
                journal, program or self.program, "main", {}, {}, recording=self.recording(name),
                placement=self.placement(), drivers={"service": service},
            ))  # fmt: skip
        finally:
            journal.close()

    def replay(self, name: str = "j") -> RunResult:
        journal = read_journal(self.folder / name)
        try:
            return anyio.run(lambda: replay(journal, placement=self.placement())).result
        finally:
            journal.close()

    def look(self, node: str, item: str) -> None:
        journal = read_journal(self.folder / "j")

        async def within() -> None:
            with anyio.fail_after(20):
                await replay(journal, placement=self.placement(), wanted=Wanted(node, item))

        anyio.run(within)

    def memo(self, **more: Any) -> Memo:
        return Memo(self.folder / "cache", "me", **more).open()


def values(result: RunResult, output: str = "out") -> list[str]:
    return [item.encoded.decode() for item in result.outputs[output]]


def killed(work: Callable[[], object]) -> None:
    """The run ends as if it had been killed."""
    with pytest.raises(BaseExceptionGroup) as caught:
        work()
    assert caught.group_contains(Killed)


def text_kernel(kit: Any, name: str, code: str = "", kind: str = "one", out: str = "one") -> Any:
    kernel = kit.kernel(name, [kit.port(kind)], [kit.out(out)])
    return evolve(kernel, image=f"{name} {code}".encode())


@pytest.fixture
def chain(kit: Any, tmp_path: Path) -> World:
    """xs -> before -> each service -> after: three kernels' worth of work around one call an item."""
    ask = kit.call(
        "service", "service", "ask", [kit.port("one")], [kit.out("one")], [kit.arg(kit.at(0, 0), "each")], [kit.many()]
    )
    program = kit.program(
        [kit.graph(
            {"xs": kit.many()},
            [
                kit.node("before", [kit.arg(kit.input(0), "each")], [kit.many()]),
                ask,
                kit.node("after", [kit.arg(kit.at(1, 0), "each")], [kit.many()]),
            ],
            {"out": (kit.many(), kit.at(2, 0))},
        )],
        [text_kernel(kit, "before"), text_kernel(kit, "after")],
    )  # fmt: skip
    kernels = {
        "before": lambda xs: [(0, None, None, b"<" + xs[0][2])],
        "after": lambda xs: [(0, None, None, xs[0][2] + b">")],
    }
    return World(kit, program, kernels, tmp_path, {"xs": [InputItem(f"x{i}", name=f"n{i}") for i in range(5)]})


def with_policies(program: Program, node: str, **policies: Any) -> Program:
    """The program with other policies of a node."""
    graph = program.graphs["main"]
    nodes = tuple(evolve(n, policies=Policies(**policies)) if n.name == node else n for n in graph.nodes)
    return evolve(program, graphs={**program.graphs, "main": evolve(graph, nodes=nodes)})


# Recording and repeating.


def test_a_replay_sends_nothing_and_gives_the_same(chain: World) -> None:
    result = chain.run(record="j")

    again = chain.replay()

    assert result.outputs == again.outputs
    assert {"ran": 5, "skipped": 0, "failed": 0} == again.nodes["before"]
    assert {"ran": 0, "skipped": 0, "failed": 0, "recorded": 5} == again.nodes["service"]


def test_a_kernel_that_ends_otherwise_is_found_and_named(chain: World) -> None:
    chain.run(record="j")
    chain.kernels["after"] = lambda xs: [(0, None, None, xs[0][2] + (b"!" if b"x3" in xs[0][2] else b">"))]

    with pytest.raises(RunError) as caught:
        chain.replay()

    (found,) = caught.value.diagnostics
    assert "R0786" == found.code
    assert "`after`" in found.message
    assert "`n3`" in found.message


def test_a_failed_run_is_repeated_to_its_failure(chain: World) -> None:
    """One call fails and cuts the others off; they wait in the replay until it fails as well."""
    with pytest.raises(RunError) as first:
        chain.run(Service(failing={"<x2"}), record="j")
    with pytest.raises(RunError) as second:
        chain.replay()

    assert first.value.fault == second.value.fault
    assert first.value.fault is not None
    assert "service.bad" == first.value.fault.code


def test_looking_into_a_failed_run_waits_for_no_call_that_was_cut_off(chain: World) -> None:
    """One kernel fails while a call is under way: what the failing one saw is found, and what never was is said to be none."""

    def picky(xs: Any) -> Any:
        raise chain.kit.Trap(2)

    chain.kernels["after"] = picky
    with pytest.raises(RunError):
        chain.run(Stuck(), record="j")

    with pytest.raises(FoundInstanceError) as found:
        chain.look("after", "n0")
    assert "n0" == found.value.item
    with pytest.raises(RunError) as none:
        chain.look("after", "n4")
    assert ["R0791"] == [d.code for d in none.value.diagnostics]


def test_a_run_that_did_not_end_is_not_repeated(chain: World) -> None:
    killed(lambda: chain.run(Service(kill_at=2), record="j"))

    with pytest.raises(RunError) as caught:
        chain.replay()
    assert ["R0785"] == [d.code for d in caught.value.diagnostics]


def test_equal_calls_have_answers_of_their_own(chain: World) -> None:
    """Ten equal items without key and name: the service answers each otherwise, and the replay gives each its own."""
    chain.inputs = {"xs": [InputItem("same") for _ in range(10)]}
    result = chain.run(record="j")

    assert 10 == len(set(values(result)))
    assert values(result) == values(chain.replay())
    assert values(result) == values(chain.resume(Service(kill_at=0)))


def test_what_runs_out_once_is_taken_from_the_record(chain: World) -> None:
    """A time-out is no result that a kernel must give again: the replay believes the record."""
    chain.program = with_policies(chain.program, "after", on_failure="skip")
    good = chain.kernels["after"]

    def slow(xs: Any) -> Any:
        if b"x1" in xs[0][2]:
            raise chain.kit.Crash("limit.wall")
        return good(xs)

    chain.kernels["after"] = slow
    result = chain.run(record="j")
    chain.kernels["after"] = good

    assert 4 == len(values(result))
    assert values(result) == values(chain.replay())
    assert 5 == len(values(chain.resume(Service(kill_at=0))))


# Finishing.


@pytest.mark.parametrize("at", range(5))
def test_a_killed_run_is_finished_without_asking_again(chain: World, at: int) -> None:
    """Killed in the midst of call `at`: calls whose answers were written are not made again, and the outputs are whole."""
    service = Service(kill_at=at)
    killed(lambda: chain.run(service, record="j"))
    journal = read_journal(chain.folder / "j")
    answered, _ = journal.tally_now().get("service", (0, 0))
    journal.close()
    rest = Service()
    result = chain.resume(rest)

    assert [f"<x{i}/" for i in range(5)] == [value[:4] for value in values(result)]
    assert 5 - answered == len(rest.log)
    assert service.log[at][1] in {text for _, text, _ in rest.log}
    assert values(result) == values(chain.replay())
    assert values(result) == values(chain.resume(Service(kill_at=0)))


def test_a_corrected_program_repeats_what_changed_and_nothing_else(chain: World) -> None:
    """The last kernel was wrong. No call is made again, and the first kernel does not run."""
    good = chain.kernels["after"]

    def wrong(xs: Any) -> Any:
        raise chain.kit.Trap(2)

    chain.kernels["after"] = wrong
    with pytest.raises(RunError):
        chain.run(record="j")
    chain.kernels["after"] = good
    chain.kernels["before"] = wrong
    kernels = {**chain.program.kernels, "after": text_kernel(chain.kit, "after", "corrected")}
    service = Service()

    result = chain.resume(service, program=evolve(chain.program, kernels=kernels))

    assert 5 == result.nodes["after"]["ran"]
    assert 0 == result.nodes["before"]["ran"]
    assert 5 == len(values(result))


def test_only_the_call_that_failed_is_made_again(chain: World) -> None:
    """One item at a time, and the third fails: two answers are there, three calls are left."""
    chain.program = with_policies(chain.program, "service", concurrency=1)
    with pytest.raises(RunError):
        chain.run(Service(failing={"<x2"}), record="j")
    service = Service()

    result = chain.resume(service)

    assert ["<x2", "<x3", "<x4"] == [text for _, text, _ in service.log]
    assert 5 == len(values(result))


def test_failures_that_a_policy_took_are_results(chain: World) -> None:
    chain.program = with_policies(chain.program, "service", on_failure="skip", concurrency=1)
    killed(lambda: chain.run(Service(failing={"<x0", "<x1"}, kill_at=3), record="j"))
    service = Service()

    result = chain.resume(service)

    assert ["<x3", "<x4"] == [text for _, text, _ in service.log]
    assert 3 == len(values(result))


def test_a_journal_is_one_run_at_a_time(chain: World) -> None:
    chain.run(record="j")
    journal: Journal = open_journal(chain.folder / "j")
    with pytest.raises(RunError) as caught:
        chain.resume(Service())
    journal.close()
    assert ["R0782"] == [d.code for d in caught.value.diagnostics]


def test_new_inputs_and_changed_types_must_be_given(chain: World) -> None:
    """The corrected program asks for a number where text was, for a secret, and for a config that has no default."""
    killed(lambda: chain.run(Service(kill_at=0), record="j"))
    kit = chain.kit
    graph = chain.program.graphs["main"]
    secret = evolve(graph.inputs[0], name="key", type=FlowType("one", None, Option(SECRET)))
    inputs = (evolve(graph.inputs[0], type=FlowType("many", None, I64)), secret)
    program = evolve(
        chain.program,
        graphs={"main": evolve(graph, inputs=inputs)},
        configs=(Config("limit", I64, None, NOWHERE),),
    )
    assert kit is not None
    with pytest.raises(RunError) as caught:
        chain.resume(Service(), program=program)
    found = {d.message: d.notes for d in caught.value.diagnostics}
    assert {
        "the input `xs` is missing": ("its type is `set[i64]`", "the journal has no input of this name and type"),
        "the input `key` is missing": ("its type is `option[secret]`", "no journal holds secrets: give it again"),
        "the config `limit` has no default and was not given": (),
    } == found


# Compositions.


@pytest.fixture
def nested(kit: Any, tmp_path: Path) -> World:
    """Each x runs a composition that asks the same question: the service answers every one otherwise."""
    ask = kit.call(
        "service",
        "service",
        "ask",
        [kit.port("one")],
        [kit.out("one")],
        [kit.arg(ConstSource(b"question"))],
        [kit.one()],
    )
    inner = kit.graph({"x": kit.one()}, [ask], {"y": (kit.one(), kit.at(0, 0))}, "inner")
    outer = kit.graph(
        {"xs": kit.many()},
        [CompositionNode("inner", "inner", (kit.arg(kit.input(0), "each"),), (kit.many(),), Policies(), kit.CALL)],
        {"out": (kit.many(), kit.at(0, 0))},
    )
    return World(kit, kit.program([outer, inner]), {}, tmp_path, {"xs": [InputItem(t, name=t) for t in "abca"]})


def test_equal_calls_in_instances_of_a_composition_are_told_apart(nested: World) -> None:
    result = nested.run(record="j")

    assert 4 == len(set(values(result)))
    assert values(result) == values(nested.replay())
    assert values(result) == values(nested.resume(Service(kill_at=0)))


def test_the_record_says_which_composition_was_late(nested: World) -> None:
    """Its time was over in the run; in the replay nothing takes time, and still it was late."""
    program = nested.program
    (node,) = program.graphs["main"].nodes
    late = evolve(node, policies=Policies(within_ms=20, on_failure="skip"))
    nested.program = evolve(program, graphs={**program.graphs, "main": evolve(program.graphs["main"], nodes=(late,))})
    result = nested.run(Service(delay=5.0), record="j")

    assert [] == values(result)
    assert [] == values(nested.replay())


# The cache.


def test_kernels_run_once_for_equal_inputs(chain: World) -> None:
    chain.run(memo=chain.memo())

    result = chain.run(memo=chain.memo())

    assert {"ran": 0, "skipped": 0, "failed": 0, "cached": 5} == result.nodes["before"]
    assert {"ran": 5, "skipped": 0, "failed": 0} == result.nodes["service"]


def test_only_what_is_new_runs(chain: World) -> None:
    """Every second item is known: one shard runs the others, and everything comes in order."""
    items = [InputItem(f"x{i}") for i in range(40)]
    chain.inputs = {"xs": items[::2]}
    chain.run(memo=chain.memo())
    chain.inputs = {"xs": items}

    result = chain.run(memo=chain.memo())

    assert (20, 20) == (result.nodes["before"]["ran"], result.nodes["before"]["cached"])
    assert [f"<x{i}" for i in range(40)] == [value.partition("/")[0] for value in values(result)]


def test_traps_are_kept_and_running_out_is_not(chain: World) -> None:
    chain.program = with_policies(chain.program, "before", on_failure="skip")

    def odd(xs: Any) -> Any:
        if xs[0][2] == b"x1":
            raise chain.kit.Trap(2)
        if xs[0][2] == b"x2":
            raise chain.kit.Crash("limit.memory")
        return [(0, None, None, xs[0][2])]

    chain.kernels["before"] = odd
    chain.run(memo=chain.memo())
    chain.kernels["before"] = lambda xs: [(0, None, None, b"anew " + xs[0][2])]

    result = chain.run(memo=chain.memo())

    counts = result.nodes["before"]
    assert (1, 3, 1) == (counts["ran"], counts["cached"], counts["failed"])
    assert ["x0", "anew x2", "x3", "x4"] == [value.partition("/")[0] for value in values(result)]


def test_images_from_elsewhere_are_not_kept(chain: World) -> None:
    chain.run(memo=chain.memo(), pure=False)

    assert 5 == chain.run(memo=chain.memo(), pure=False).nodes["before"]["ran"]


def test_answers_live_as_long_as_the_call_says(chain: World) -> None:
    chain.program = with_policies(chain.program, "service", cache_ms=10_000)
    first = chain.run(memo=chain.memo(clock=lambda: 100.0))

    young = chain.run(memo=chain.memo(clock=lambda: 110.0))
    old = chain.run(Service(), memo=chain.memo(clock=lambda: 110.1))

    assert values(first) == values(young)
    assert 5 == young.nodes["service"]["cached"]
    assert 5 == old.nodes["service"]["ran"]


def test_failures_are_never_answers(chain: World) -> None:
    chain.program = with_policies(chain.program, "service", cache_ms=10_000, on_failure="skip")
    chain.run(Service(failing={f"<x{i}" for i in range(5)}), memo=chain.memo())

    assert 5 == chain.run(memo=chain.memo()).nodes["service"]["ran"]


def test_a_cached_run_is_recorded_whole(chain: World) -> None:
    """What came from the cache stands in the journal as well, so that the journal alone repeats the run."""
    chain.program = with_policies(chain.program, "service", cache_ms=10_000)
    chain.run(memo=chain.memo())
    result = chain.run(memo=chain.memo(), record="j")

    assert values(result) == values(chain.replay())
    assert 0 == chain.resume(Service(kill_at=0)).nodes["before"]["ran"]


# Effects.


@pytest.fixture
def effects(kit: Any, tmp_path: Path) -> Callable[..., World]:
    """`effects(**policies)`: one `act` an item of xs, which have keys and values."""

    def make(**policies: Any) -> World:
        act = kit.call(
            "service", "service", "act", [kit.port("one")], [kit.out("one")], [kit.arg(kit.input(0), "each")],
            [kit.many(key=STR)], **{"once": ConstSource(b"pay"), "on_failure": "fail", **policies},
        )  # fmt: skip
        graph = kit.graph({"xs": kit.many(key=STR)}, [act], {"out": (kit.many(key=STR), kit.at(0, 0))})
        return World(kit, kit.program([graph]), {}, tmp_path, {"xs": items("a", "b", "c")})

    return make


def items(*keys: str) -> list[InputItem]:
    return [InputItem(f"pay {key[0]}", key=key[0]) for key in keys]


@pytest.mark.parametrize("at", range(3))
def test_an_effect_whose_answer_was_lost_is_asked_for_again_by_name(effects: Callable[..., World], at: int) -> None:
    """The service does it before the kill and knows the name when it comes again."""
    world = effects()
    service = Effectful(kill_at=at)
    killed(lambda: world.run(service, record="j"))
    service.kill_at = -1

    result = world.resume(service)

    assert 3 == len(set(service.effects))
    assert len(service.effects) == 3
    assert ["a", "b", "c"] == [item.key for item in result.outputs["out"]]
    assert all(len(effect) == 32 for _, _, effect in service.log)
    assert values(result) == values(world.replay())


@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_an_effect_that_cannot_be_named_is_not_tried_again(effects: Callable[..., World], policy: str) -> None:
    world = effects(on_failure=policy, concurrency=1)
    service = Service(kill_at=1)
    killed(lambda: world.run(service, record="j"))
    service.kill_at = -1

    if policy == "fail":
        with pytest.raises(RunError) as caught:
            world.resume(service)
        assert ["R0788"] == [d.code for d in caught.value.diagnostics]
        assert 2 == len(service.log)
        return
    result = world.resume(service)
    assert ["a", "c"] == [item.key for item in result.outputs["out"]]
    assert ["pay a", "pay b", "pay c"] == [text for _, text, _ in service.log]
    assert values(result) == values(world.replay())


def test_what_may_be_done_twice_is_done_again(effects: Callable[..., World]) -> None:
    """Putting an object twice is putting it once: no name is needed."""
    world = effects()
    service = Service(kill_at=0, idempotent=True)
    killed(lambda: world.run(service, record="j"))
    service.kill_at = -1

    assert 3 == len(values(world.resume(service)))


def test_one_effect_is_done_once_in_a_run(effects: Callable[..., World]) -> None:
    """Two items with one key are one effect, with or without a journal; both get its answer."""
    world = effects()
    world.inputs = {"xs": items("a", "a", "b")}
    for record in ("", "j"):
        service = Service()
        found = values(world.run(service, record=record))
        assert 2 == len(service.log)
        assert found[0] == found[1]
    assert found == values(world.replay())


def test_one_effect_with_two_meanings_is_refused(effects: Callable[..., World]) -> None:
    world = effects(on_failure="skip", concurrency=1)
    world.inputs = {"xs": [InputItem("pay 5", key="a"), InputItem("pay 7", key="a")]}
    service = Service()

    result = world.run(service, record="j")

    assert ["pay 5"] == [text for _, text, _ in service.log]
    assert 1 == len(values(result))
    assert values(result) == values(world.replay())


def test_a_call_that_never_arrived_may_change(effects: Callable[..., World]) -> None:
    """A failure that says that nothing was done leaves the effect open; any other one does not."""
    world = effects()
    with pytest.raises(RunError):
        world.run(Refusing(), record="j")
    service = Service()

    assert 3 == len(values(world.resume(service)))
    assert 3 == len(service.log)


class Refusing(Service):
    """Nothing arrives."""

    async def call(
        self, operation: str, arguments: tuple[object, ...], context: CallContext
    ) -> tuple[Sequence[OutputItem], ...]:
        raise DriverFailureError("service.network", "no connection", retryable=True)


def test_the_name_of_an_effect_is_the_same_in_every_run(effects: Callable[..., World]) -> None:
    names = []
    for _ in range(2):
        service = Effectful()
        effects().run(service)
        names.append(sorted(effect for _, _, effect in service.log))
    assert names[0] == names[1]
    assert 3 == len(set(names[0]))


def test_other_keys_and_other_items_are_other_effects(effects: Callable[..., World]) -> None:
    first, second = Effectful(), Effectful()
    effects().run(first)
    effects(once=ConstSource(b"refund")).run(second)

    assert {effect for _, _, effect in first.log}.isdisjoint(effect for _, _, effect in second.log)


def test_values_of_configs_come_from_the_journal(chain: World) -> None:
    """A config that was given to the run need not be given again."""
    chain.program = evolve(chain.program, configs=(Config("limit", STR, b"default", NOWHERE),))
    recording = chain.recording("j")
    keeping = keep(chain.program, "main", recording=recording)
    anyio.run(lambda: run(
        chain.program, "main", chain.inputs, configs={"limit": "given"}, placement=chain.placement(),
        drivers={"service": Service()}, keeping=keeping,
    ))  # fmt: skip
    journal = open_journal(chain.folder / "j")
    assert "given" == decode(STR, journal.head.configs["limit"], {})
    journal.close()
    chain.resume(Service(kill_at=0))
    journal = read_journal(chain.folder / "j")
    assert "given" == decode(STR, journal.head.configs["limit"], {})
    journal.close()


def test_who_cancels_a_run_while_its_journal_is_made_finds_it_whole_and_let_go(chain: World) -> None:
    """As Ctrl-C does: the task is cancelled, not a scope, and nobody is left behind who still writes."""
    begun, cancelled, over = threading.Event(), threading.Event(), []
    make = keep(chain.program, "main", recording=chain.recording("j"))

    def slowly(prepared: Any) -> Any:
        begun.set()
        cancelled.wait()
        keeper = make(prepared)
        over.append(keeper)
        return keeper

    async def main() -> None:
        work = run(
            chain.program,
            "main",
            chain.inputs,
            placement=chain.placement(),
            drivers={"service": Service()},
            keeping=slowly,
        )
        task = asyncio.ensure_future(work)
        await anyio.to_thread.run_sync(begun.wait)
        task.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over
        open_journal(chain.folder / "j").close()
        assert [chain.folder / "j"] == list(chain.folder.iterdir())

    asyncio.run(main())
