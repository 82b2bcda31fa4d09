"""A curve of few points keeps the extremes of every step, whatever comes in which order and in which pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.curves.envelope import Envelope
from console.curves.lttb import lttb
from console.curves.trace import Trace
from contracts.instants import EARLIEST, LATEST, SECOND
from contracts.readings import Float64, Int64

SPAN = (1_000 * SECOND, 1_999 * SECOND)
READINGS = st.lists(
    st.tuples(st.integers(*SPAN), st.floats(-1e308, 1e308) | st.sampled_from([0.0, -0.0, 1.0, 1.0])),
    min_size=1,
    max_size=80,
)


def columns(readings: list[tuple[int, float]]) -> tuple[Int64, Float64]:
    return np.array([time for time, _ in readings], np.int64), np.array([value for _, value in readings], float)


@settings(max_examples=40)
@given(READINGS, st.integers(2, 9), st.randoms(use_true_random=False), st.integers(1, 80))
def test_every_step_has_its_lowest_and_highest_reading_at_its_own_time(readings, steps, random, cut) -> None:  # type: ignore[no-untyped-def] # drawn by hypothesis
    envelope = Envelope(*SPAN, steps)
    shuffled = list(readings)
    random.shuffle(shuffled)
    for begin in range(0, len(shuffled), cut):
        envelope.add(*columns(shuffled[begin : begin + cut]))
    expected = set()
    for step in range(envelope.steps):
        low = SPAN[0] + step * envelope.step
        mine = [(time, value) for time, value in readings if low <= time < low + envelope.step]
        if mine:
            expected.add(min(mine, key=lambda one: (one[1], one[0])))
            expected.add(min(mine, key=lambda one: (-one[1], one[0])))
    times, values = envelope.points()
    assert set(zip(times.tolist(), values.tolist(), strict=True)) == expected
    assert (np.diff(times) >= 0).all()
    assert len(times) <= 2 * envelope.steps


@settings(max_examples=40)
@given(READINGS, st.integers(2, 9))
def test_where_the_range_is_not_known_the_steps_grow_and_lose_no_extreme(readings, steps) -> None:  # type: ignore[no-untyped-def] # drawn by hypothesis
    envelope = Envelope(EARLIEST, LATEST, steps)
    for one in readings:
        envelope.add(*columns([one]))
    _, low, high = envelope.bands()
    assert (low.min(), high.max()) == (min(v for _, v in readings), max(v for _, v in readings))
    times, values = envelope.points()
    assert set(zip(times.tolist(), values.tolist(), strict=True)) <= set(readings)


@settings(max_examples=40)
@given(READINGS, st.integers(1, 90))
def test_few_readings_stay_as_they_are_and_many_are_counted(readings, most) -> None:  # type: ignore[no-untyped-def] # drawn by hypothesis
    trace = Trace(SPAN, most=most, steps=4)
    for one in readings:
        trace.add(*columns([one]))
    times, values = trace.points()
    assert trace.count == len(readings)
    assert trace.raw == (len(readings) <= most)
    if trace.raw:
        assert sorted(zip(times.tolist(), values.tolist(), strict=True)) == sorted(readings)
    assert (values.min(), values.max()) == (min(v for _, v in readings), max(v for _, v in readings))


def test_extremes_of_many_readings_are_not_called_all_of_them() -> None:
    trace = Trace(SPAN, most=100)
    trace.add(np.array([SPAN[0], SPAN[1]]), np.array([1.0, 2.0]), count=1_000)
    assert (trace.raw, trace.count) == (False, 1_000)


def test_lttb_keeps_the_ends_and_what_stands_out() -> None:
    times = 1_790_000_000 * SECOND + np.arange(10_000) * SECOND
    values = np.sin(np.arange(10_000) / 500)
    values[7_777] = 9.0
    found, heights = lttb(times, values, 100)
    assert len(found) == 100
    assert (found[0], found[-1]) == (times[0], times[-1])
    assert 9.0 in heights
    assert (np.diff(found) > 0).all()
    calm = np.abs(np.arange(10_000) - 7_777) > 300
    assert np.abs(np.interp(times, found, heights) - values)[calm].max() < 0.05


@pytest.mark.parametrize("most", [2, 3, 9])
def test_lttb_of_few_points_is_those_points(most: int) -> None:
    times, values = np.arange(2) * SECOND, np.array([1.0, 2.0])
    assert lttb(times, values, most)[0].tolist() == times.tolist()


def test_of_equal_extremes_the_earliest_stands_whichever_comes_first() -> None:
    for times in ([3, 1, 2], [1, 2, 3], [2, 3, 1]):
        envelope = Envelope(0, 9, 2)
        for time in times:
            envelope.add(np.array([time, time]), np.array([5.0, 7.0]))
        found = envelope.points()
        assert sorted(zip(found[0].tolist(), found[1].tolist(), strict=True)) == [(1, 5.0), (1, 7.0)]
