"""The numbers of `docs/security.md` are those of the code, and each is held by tests or by a bar of the benchmark.

The table is written from the code's own constants (`--bless`): a number that changes there changes here in the same
commit, or this fails. What holds it is named, and is there.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hostile_tables import AREAS_FOR_READING

from dandc.isolation import Limits, build, image, layout, nucleus, outcome, pool, protocol

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- numbers: written by the tests -->\n", "<!-- end of numbers -->\n"


def size(count: int) -> str:
    """Bytes as people say them."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= scale and count % scale == 0:
            return f"{count // scale} {unit}"
    return f"{count} bytes"


@pytest.fixture(scope="module")
def bars() -> Iterator[dict[str, float]]:
    """The bars of `python -m benchmarks sandbox`."""
    sys.path.insert(0, str(HERE.parents[1]))
    try:
        from benchmarks import memory, sandbox, volume

        yield {
            "back to back": sandbox.BACK_TO_BACK.value,
            "with gaps": sandbox.WITH_GAPS.value,
            "p99": sandbox.TAIL.value,
            "p99 of spawn": sandbox.SPAWN_TAIL.value,
            "bubblewrap": round(1 / sandbox.BUBBLEWRAP.value),
            "margin": sandbox.MARGIN.value,
            "margin of": sandbox.LIMIT_MS,
            "child": memory.CHILD.value,
            "children": 2 * (memory.READY + pool.AHEAD),
            "volume": volume.VOLUME.value,
        }
    finally:
        sys.path.pop(0)
        for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
            del sys.modules[name]


def numbers(bars: dict[str, float]) -> list[tuple[str, str, tuple[str, ...]]]:
    """What, how much, and the tests that hold it; none: a bar of the benchmark does."""
    usual = Limits()
    return [
        (
            "Image file, and its segments in memory",
            f"{size(image.MAX_BYTES)} each; at most {image.MAX_SEGMENTS} segments within `{image.LOWEST:#x}` to "
            f"`{image.HIGHEST:#x}`; none writable and executable",
            ("each_rule_has_its_reason", "the_borders_of_images_are_those_of_the_document"),
        ),
        (
            "Wall time and CPU time of a call",
            f"{usual.wall_ms / 1000:g} s and {usual.cpu_ms / 1000:g} s, unless said; at least 1 us, at most "
            f"{layout.MAX_MS // 1000:,} s; from `RUN` to death",
            (
                "the_smallest_times_are_times",
                "wall_time_ends_an_endless_loop",
                "the_greatest_limits_are_those_of_the_document",
            ),
        ),
        (
            f"From a wall limit of {bars['margin of']:g} ms to the caller's knowing, with 16 MiB in use",
            f"{bars['margin']:g} ms nine times in ten, on a machine with nothing else to do",
            (),
        ),
        (
            "Heap",
            f"{size(usual.memory)} unless said, at most {size(layout.MAX_AREA)}",
            ("areas_end_at_their_limit_to_the_byte", "the_greatest_limits_are_those_of_the_document"),
        ),
        (
            "Stack",
            f"{size(usual.stack)} unless said, at most {size(layout.MAX_STACK)}; a fault beyond",
            ("areas_end_at_their_limit_to_the_byte", "the_greatest_limits_are_those_of_the_document"),
        ),
        (
            "Output area",
            f"{size(usual.output)} unless said, at most {size(layout.MAX_AREA)}",
            ("areas_end_at_their_limit_to_the_byte", "the_greatest_limits_are_those_of_the_document"),
        ),
        (
            "Items of a call",
            f"{outcome.RECORD} bytes each of the output area, {outcome.RECORD} for each instance",
            ("bytes_and_items_share_the_output_limit", "records_that_cannot_fit_are_refused_before_anything_runs"),
        ),
        (
            "Memory of the owner to read outputs",
            f"at most {AREAS_FOR_READING} times the output area in use; none left is `host.exhausted`",
            ("reading_costs_no_more_than_a_few_areas", "an_owner_without_memory_for_the_outputs_says_so"),
        ),
        (
            "Space around each area",
            f"at least {size(layout.GUARD)} unmapped",
            ("areas_lie_apart", "nothing_of_others_is_mapped"),
        ),
        (
            "Descriptors of a running child",
            "1, its socket, which no system call can use",
            ("a_running_child_has_one_descriptor_and_no_foreign_mapping", "the_only_descriptor_is_of_no_use"),
        ),
        (
            "System calls of a running image",
            f"2: `exit` ({build.EXIT}), `exit_group` ({build.EXIT_GROUP})",
            ("every_number_of_the_64_bit_table_is_denied", "numbers_that_only_look_like_an_exit_are_denied"),
        ),
        (
            "System calls of the nucleus",
            f"{len(build.OWN_CALLS)} more, from its own text alone",
            ("the_filter_allows_what_the_document_counts",),
        ),
        (
            "Lines of killed children in the host's log",
            "as many as the kernel prints of any sort, 10 in 5 s unless its operator has changed that "
            "(`kernel.printk_ratelimit`); where an audit daemon takes them, its own limit (`auditctl -r`)",
            ("kills_do_not_flood_the_log_of_the_host",),
        ),
        (
            "Children of a pool",
            f"at most {protocol.MAX_CHILDREN}, ready ones included; none {pool.IDLE_S:g} s after the last call",
            ("slots_end_where_children_do", "an_idle_pool_keeps_no_children_and_wakes_again"),
        ),
        (
            "Retries",
            "one, for a lost sandbox; none for anything else",
            ("a_lost_sandbox_is_tried_once_more", "a_call_lost_twice_is_lost"),
        ),
        (
            "Price of a call from Python, at the median",
            f"at most {bars['back to back']:g} of `posix_spawn` and `waitpid` of an empty static program back to back, "
            f"{bars['with gaps']:g} with gaps of 0.5 ms; at least {bars['bubblewrap']:g} times less than bubblewrap",
            (),
        ),
        (
            "The dearest call of a hundred",
            f"at most {bars['p99']:g} times the median, and {bars['p99 of spawn']:g} of `posix_spawn`'s",
            (),
        ),
        (
            "Bytes through a sandbox, from 1 MiB to 1 GiB",
            f"at least {bars['volume']:g} of one `memcpy` a second",
            (),
        ),
        (
            "Price of a ready child",
            f"at most {bars['child']:g} KiB of available memory, over {bars['children']:g} of them",
            (),
        ),
    ]


def table(bars: dict[str, float]) -> str:
    """The rows of the document."""
    lines = ["| What | Limit | Held by |\n", "|---|---|---|\n"]
    for what, limit, holders in numbers(bars):
        held = ", ".join(f"[{name.replace('_', ' ')}](../tests/isolation/{held_by()[name]})" for name in holders)
        lines.append(f"| {what} | {limit} | {held or 'a bar of the benchmark'} |\n")
    return "".join(lines)


@cache
def held_by() -> dict[str, str]:
    """The file of each test of this folder."""
    return {
        node.name.removeprefix("test_"): path.name
        for path in sorted(HERE.glob("test_*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_the_document_has_the_numbers_of_the_code(request: pytest.FixtureRequest, bars: dict[str, float]) -> None:
    """`--bless` writes the table anew. A test that is named and not there is a KeyError."""
    before, found, rest = DOCUMENT.read_text().partition(BEGIN)
    assert found
    old, found, after = rest.partition(END)
    assert found
    if request.config.getoption("--bless"):
        DOCUMENT.write_text(before + BEGIN + table(bars) + END + after)
        return
    assert old == table(bars)


def test_the_borders_of_images_are_those_of_the_document() -> None:
    """One byte, page or segment more is refused."""
    from machine_code import elf_header, program_header

    def parsed(*segments: tuple[int, int]) -> str:
        headers = [program_header(1, 5, 4096, base, 0, length) for base, length in segments]
        head = elf_header(segments[0][0], len(headers)) + b"".join(headers)
        try:
            image.parse(head.ljust(8192, b"\0"))
        except image.ImageError as error:
            return error.reason
        return ""

    page, low, high = image.PAGE, image.LOWEST, image.HIGHEST
    pages = [(low + n * page, page) for n in range(image.MAX_SEGMENTS + 1)]
    assert ["", "9 loadable"] == [parsed(*pages[:-1]), parsed(*pages)[:10]]
    assert ["", "a segment lies outside"] == [parsed((high - page, page)), parsed((high - page, page + 1))[:22]]
    assert "a segment lies outside" == parsed((low - page, page))[:22]
    assert ["", "the segments need more"] == [
        parsed((low, image.MAX_BYTES)), parsed((low, image.MAX_BYTES), (low + image.MAX_BYTES, page))[:22],
    ]  # fmt: skip
    with pytest.raises(image.ImageError, match=r"more than 67108864"):
        image.parse(bytes(image.MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("wall_ms", layout.MAX_MS), ("cpu_ms", layout.MAX_MS), ("memory", layout.MAX_AREA), ("output", layout.MAX_AREA),
        ("stack", layout.MAX_STACK),
    ],
)  # fmt: skip
def test_the_greatest_limits_are_those_of_the_document(name: str, most: int) -> None:
    """They can be said, and one more cannot."""
    assert most == getattr(Limits(**{name: most}), name)
    with pytest.raises(ValueError, match="must be"):
        Limits(**{name: most + 1})


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(memory=layout.MAX_AREA, stack=layout.MAX_STACK, output=layout.MAX_AREA)]
)
def test_areas_lie_apart(limits: Limits) -> None:
    """Stack, nucleus, window, heap and inputs, in this order, a guard between each two; and the image is far below."""
    at = layout.areas(limits)
    window_end = layout.WINDOW + at.window_length
    trusted = [build.BASE, build.BASE + len(nucleus.load()) - build.PAGE]  # a page of the file is its headers
    gaps = [
        at.stack - image.HIGHEST, trusted[0] - (at.stack + at.stack_length), layout.WINDOW - trusted[1],
        at.heap - window_end, at.inputs - (at.heap + at.heap_length),
    ]  # fmt: skip
    assert min(gaps) >= layout.GUARD
    assert layout.NUCLEUS == build.BASE


def test_the_filter_allows_what_the_document_counts() -> None:
    """Every number that is compared in the filter is one of the nucleus's own or an end."""
    program = build.filter_program(range(build.BASE, build.BASE + build.PAGE), build.BASE + 2 * build.PAGE)
    rows = [program[at : at + 8] for at in range(0, len(program), 8)]
    compared = {int.from_bytes(row[4:8], "little") for row in rows if row[0] == 0x15}
    assert {*build.OWN_CALLS.values(), build.EXIT, build.EXIT_GROUP} <= compared
    others = compared - {*build.OWN_CALLS.values(), build.EXIT, build.EXIT_GROUP, build.BASE >> 32}
    assert not {number for number in others if number < 600}


@pytest.mark.parametrize("slots", [0, -1, protocol.MAX_CHILDREN - pool.AHEAD + 1])
def test_slots_end_where_children_do(slots: int) -> None:
    """A pool keeps some children ready beyond its slots; together they are no more than the nucleus has room for."""
    from machine_code import run

    async def opened() -> None:
        async with pool.open_pool(slots):
            pass

    with pytest.raises(ValueError, match="slots must be 1 to 126"):
        run(opened())
