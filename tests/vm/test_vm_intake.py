"""What a run's caller gives: every mistake is found, together, before anything runs; secrets leave values on entry."""

import copy
import logging
import pickle
import subprocess
import sys
from typing import Any

import anyio
import pytest
from attrs.exceptions import FrozenInstanceError

from dandc.compiler.encoding import Variant
from dandc.compiler.flow import Config, ConfigSource, ConstSource, Endpoint, EndpointSource, FlowType
from dandc.compiler.types import I64, SECRET, STR, Array, Option
from dandc.lang.spans import NOWHERE
from dandc.vm import InputItem, OutputItem, RunError, RunLimits, Secret, run
from dandc.vm.admission import Admission, Share
from dandc.vm.bulk import make_all
from dandc.vm.communicate import backoff_s
from dandc.vm.items import all_bytes
from dandc.vm.secrets import SecretBox, UnknownSecretError


def codes(kit: Any, program: Any, graph: str = "main", inputs: Any = None, configs: Any = None) -> list[str]:
    with pytest.raises(RunError) as caught:
        anyio.run(lambda: run(program, graph, inputs or {}, configs=configs))
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_all_mistakes_at_once(kit: Any) -> None:
    """Missing, surplus and ill-typed inputs and configs and a bad address are five codes of one error."""
    inputs = {"a": kit.one(I64), "b": kit.one(), "c": FlowType("many", I64, STR), "d": kit.optional()}
    config = [Config("n", I64, None, NOWHERE), Config("u", I64, b"\1" * 8, NOWHERE), Config("t", STR, None, NOWHERE)]
    endpoint = Endpoint("e", "http", ConfigSource("u"), NOWHERE)
    program = kit.program([kit.graph(inputs, [], {})], configs=config, endpoints=[endpoint])
    given = {"a": [InputItem("no")], "c": [InputItem("x", key="no")], "z": [], "d": [InputItem("1"), InputItem("2")]}

    assert codes(kit, program, inputs=given, configs={"n": "x", "m": 1}) == [
        "R0732",
        "R0730",
        "R0732",
        "R0732",
        "R0731",
        "R0736",
        "R0734",
        "R0735",
        "R0737",
    ]
    assert codes(kit, program, "mian") == ["R0733"]


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (STR, 5),
        (I64, "5"),
        (I64, 2**63),
        (Array(I64), (1,)),
        (Array(I64), [None]),
        (Option(I64), 5),
        (SECRET, 5),
        (Option(I64), Variant(2)),
        (Option(I64), Variant(1)),
        (STR, "\ud800"),
        (I64, object()),
    ],
)
def test_wrong_python_values(kit: Any, item: Any, value: Any) -> None:
    """No wrong value is a traceback."""
    program = kit.program([kit.graph({"a": kit.one(item)}, [], {})])
    assert codes(kit, program, inputs={"a": [InputItem(value)]}) == ["R0732"]


def test_configs_and_endpoints_reach_the_kernels(kit: Any) -> None:
    """Defaults, values of the run, and the address that an endpoint has in it."""
    configs = [Config("n", I64, (7).to_bytes(8, "little"), NOWHERE), Config("u", STR, b"http://default", NOWHERE)]
    endpoints = [
        Endpoint("e", "http", ConfigSource("u"), NOWHERE),
        Endpoint("c", "http", ConstSource(b"http://x"), NOWHERE),
    ]
    outputs = {
        "n": (kit.one(I64), ConfigSource("n")),
        "e": (kit.one(), EndpointSource("e")),
        "c": (kit.one(), EndpointSource("c")),
    }
    program = kit.program([kit.graph({}, [], outputs)], configs=configs, endpoints=endpoints)

    def values(given: Any) -> list[Any]:
        result = anyio.run(lambda: run(program, "main", {}, configs=given))
        return [items[0].value for items in result.outputs.values()]

    assert values({}) == [7, "http://default", "http://x"]
    assert values({"n": 9, "u": "http://other"}) == [9, "http://other", "http://x"]


def test_secrets_become_handles(kit: Any) -> None:
    """Wherever a secret stands in a value, kernels and results see its handle; handles do not depend on the run."""
    inputs = {"t": kit.one(SECRET), "ts": kit.many(Array(SECRET))}
    outputs = {name: (flow, kit.input(i)) for i, (name, flow) in enumerate(inputs.items())}
    outputs["c"] = (kit.one(SECRET), ConfigSource("c"))
    program = kit.program([kit.graph(inputs, [], outputs)], configs=[Config("c", SECRET, b"fallback", NOWHERE)])
    given = {"t": [InputItem(Secret("s3cret-a"))], "ts": [InputItem(["s3cret-b", Secret("s3cret-c")])]}
    results = [anyio.run(lambda: run(program, "main", given)) for _ in range(2)]

    assert results[0] == results[1]
    values = {name: [item.value for item in items] for name, items in results[0].outputs.items()}
    assert values == {"t": ["secret:t"], "ts": [["secret:ts", "secret:ts#2"]], "c": ["secret:c"]}
    assert not any(word in repr((results, given)) for word in ("s3cret", "fallback"))


def test_a_secret_does_not_show_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Not in repr, str, format, logs, pickles or copies."""
    secret = Secret("hunter22")
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("%s %r %s", secret, [secret], InputItem("hunter22"))
    assert "hunter22" not in f"{secret} {secret!r} {secret:>20} {caplog.text} {secret.__class__.__slots__}"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(secret)


def test_the_box() -> None:
    """Only its own handles resolve; text loses secrets in every escaping, the longest first."""
    box, other = SecretBox(), SecretBox()
    handle = box.seal("token", Secret('a"b/c d'))
    longer = box.seal("token", Secret('xx a"b/c d xx'))
    assert (handle, longer) == ("secret:token", "secret:token#2")
    assert box.reveal(handle) == 'a"b/c d'
    with pytest.raises(UnknownSecretError):
        other.reveal(handle)
    texts = ['<a"b/c d>', '<a\\"b/c d>', "<a%22b%2Fc%20d>", '<xx a"b/c d xx>']
    assert [box.scrub(text) for text in texts] == ["<secret(token)>"] * 4
    assert box.scrub_bytes(b'<a"b/c d>') == b"<secret(token)>"
    box.seal("pin", Secret("12"))
    assert box.scrub("<12>") == "<secret(pin)>"
    assert box.scrub_bytes(b"1234") == b"1234"
    assert 'a"b' not in repr(box)


def test_backoff_grows_and_is_bounded() -> None:
    """Twice as long every time, with jitter, never for ever; and as long as the service asks, within reason."""
    for attempt in range(1, 2000, 37):
        ceiling = min(5.0, 0.05 * 2 ** min(attempt - 1, 30))
        assert all(ceiling / 2 <= backoff_s(attempt) <= ceiling for _ in range(20))
    assert len({backoff_s(5) for _ in range(20)}) > 10
    assert 3.0 <= backoff_s(1, 3.0) < 3.1
    assert backoff_s(1, 1e9) == 30.0


def test_admission_is_fair_and_survives_cancellation() -> None:
    """First come first served; a cancelled waiter neither keeps nor loses room."""
    order: list[str] = []

    async def hold(admission: Share, name: str, memory: int, release: anyio.Event | None = None) -> None:
        async with admission.admit(memory):
            order.append(name)
            if release is not None:
                await release.wait()

    async def main() -> None:
        admission, release = Admission(2, 100).share(2, 100), anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(hold, admission, "first", 60, release)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(hold, admission, "big", 80)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0):
                await hold(admission, "gone", 10)
            group.start_soon(hold, admission, "small", 10)
            await anyio.wait_all_tasks_blocked()
            assert order == ["first"]
            release.set()
        async with admission.admit(100):
            order.append("whole")

    anyio.run(main)
    assert order == ["first", "big", "small", "whole"]


IMPORTS = """
import sys
import dandc.vm
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"lark", "llvmlite", "httpx", "httpcore"}, loaded
assert "dandc.compiler.kir" not in sys.modules
"""


def test_running_loads_only_what_it_needs() -> None:
    """The machine needs neither the parser nor the code generator, nor HTTP before a program asks for it."""
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)


def test_limits_have_bounds() -> None:
    """Nothing is unlimited by default."""
    limits = RunLimits()
    assert limits.sandboxes > 0
    assert 0 < limits.kernel.wall_ms <= 60_000
    assert limits.kernel.memory + limits.kernel.stack + limits.kernel.output <= limits.memory


def test_many_made_at_once_are_those_made_one_by_one() -> None:
    """Equal, hashable, frozen, and printed without their bytes; columns that do not fit together are refused."""
    rows = [("a", 1, 2.5, b"x"), ("", None, "t", b""), ("b", (), [], b"y" * 9)]
    made = make_all(OutputItem, *(list(column) for column in zip(*rows, strict=True)))
    assert tuple(OutputItem(*row) for row in rows) == made
    assert [repr(OutputItem(*row)) for row in rows] == [repr(item) for item in made]
    with pytest.raises(FrozenInstanceError):
        made[0].name = "b"  # type: ignore[misc]
    assert () == make_all(OutputItem, [], [], [], [])
    with pytest.raises(ValueError):
        make_all(OutputItem, ["a", "b"], [None], [1, 2], [b"", b""])
    with pytest.raises(ValueError):
        make_all(OutputItem, ["a"], [None], [1])


def test_values_that_are_bytes_already_stay_where_they_are() -> None:
    """Views become bytes of their own, and a column of bytes is not copied."""
    column = [b"a", b""]
    assert column is all_bytes(column)
    assert [b"a", b"bc"] == all_bytes([b"a", memoryview(b"abcd")[1:3]])
    assert {bytes} == set(map(type, all_bytes([memoryview(b"x")])))
    assert [] == list(all_bytes([]))
