"""A watch sees what goes on: counts a node, and a lane for what goes on at the same time."""

import pytest

from dandc.vm.watch import MAX_EVENTS, Watch


def test_counts_of_a_node() -> None:
    watch = Watch()
    with watch.node("f", "compute"):
        watch.expect("f", 10)
        with watch.under_way("sandbox", "f", 7):
            pass
        with watch.under_way("sandbox", "f", 3) as span:
            span.error = "limit.wall"
        watch.failed("f")
        watch.retried("f")
        assert watch.nodes["f"].ended == 0
    progress = watch.nodes["f"]
    assert (7, 1, 1, 10) == (progress.done, progress.failed, progress.retried, progress.total)
    assert progress.ended >= progress.began
    assert watch.events == []


def test_lanes_are_the_smallest_free_numbers() -> None:
    watch = Watch(trace=True)
    with watch.under_way("sandbox", "a", 1):
        with watch.under_way("sandbox", "b", 1):
            pass
        with watch.under_way("sandbox", "c", 1):
            pass
        with watch.under_way("request", "d", 1):
            pass
    assert [("b", 1), ("c", 1), ("d", 0), ("a", 0)] == [(event.name, event.lane) for event in watch.events]
    assert all(event.start >= 0 and event.length >= 0 for event in watch.events)


def test_what_ends_by_an_exception_gives_its_lane_back() -> None:
    watch = Watch(trace=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="x"), watch.under_way("request", "f", 1):
            raise ValueError("x")
    assert [(0, "ValueError"), (0, "ValueError")] == [(event.lane, event.error) for event in watch.events]


def test_a_trace_is_bounded() -> None:
    watch = Watch(trace=True)
    watch.events = [None] * MAX_EVENTS  # type: ignore[list-item]
    with watch.under_way("sandbox", "f", 1):
        pass
    assert (MAX_EVENTS, 1) == (len(watch.events), watch.dropped)
