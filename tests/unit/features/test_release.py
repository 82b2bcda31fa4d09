"""When readings are released, in which order, and what those that come too late change: nothing."""

from typing import Any

import numpy as np
import pytest

from models.features import Vectors
from models.features.base import Floats, Ints
from tests.unit.features.made import SECOND, aggregates, joined, noise, reduced, same, windows


def keyed(found: Vectors) -> tuple[Ints, Floats]:
    """Features in an order that does not know the arrival: by series, time and value."""
    order = np.lexsort((found.values, found.times, found.rows))
    return np.stack((found.rows, found.times), axis=1)[order], found.features[order]


def flushed(rows: Ints, times: Ints, values: Floats) -> tuple[Ints, Ints, Floats]:
    """The readings, and then one more of each series, which releases them all."""
    series = np.arange(int(rows.max()) + 1)
    last = np.full(len(series), times.max() + 100 * SECOND)
    return np.append(rows, series), np.append(times, last), np.append(values, series)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_within_the_lateness_gives_the_same_features(seed: int) -> None:
    """Also where readings share a time; each is less than the lateness behind."""
    rng = np.random.default_rng(seed)
    rows, times, values = noise(1200, 4, seed)
    times = times // (SECOND // 2) * (SECOND // 2)  # ties
    features = windows(lateness_s=5.0)
    wanted = keyed(reduced(features, *flushed(rows, times, values)))
    order = np.argsort(times + rng.integers(0, 5 * SECOND, len(times)), kind="stable")
    assert (order != np.arange(len(order))).mean() > 0.8
    found = keyed(reduced(features, *flushed(rows[order], times[order], values[order]), cut=100))
    assert len(wanted[0]) == 1200
    assert np.array_equal(found[0], wanted[0])
    assert np.array_equal(found[1], wanted[1], equal_nan=True)


def test_without_lateness_a_reading_is_released_at_once() -> None:
    features, (rows, times, values) = windows(), noise(50, 3)
    found = reduced(features, rows, times, values, 1)
    assert found.ordinals.tolist() == list(range(1, 51)) == found.by.tolist()


def test_a_reading_is_released_when_the_watermark_reaches_its_time() -> None:
    features = windows(aggregates("count"), lateness_s=2.0)
    state = features.start()
    features.grow(state, 1)
    released = []
    for ordinal, second in enumerate([10, 11, 12, 13, 11, 15], 1):
        found = features.reduce(
            state, np.zeros(1, np.int64), np.array([second * SECOND]), np.ones(1), np.array([ordinal])
        )
        released.append([(int(time) // SECOND, int(by)) for time, by in zip(found.times, found.by, strict=True)])
    # 11 arrives a second time, exactly as late as it may be, and is released by itself.
    assert released == [[], [], [(10, 3)], [(11, 4)], [(11, 5)], [(12, 6), (13, 6)]]


def test_what_is_too_late_is_counted_and_changes_nothing() -> None:
    features = windows(lateness_s=1.0)
    rows, times, values = flushed(*noise(400, 2))
    wanted = reduced(features, rows, times, values)
    late = np.array([20, 100, 300])
    more: list[Any] = [np.insert(each, late + 5, each[late - 15]) for each in (rows, times, values)]
    more[1][late + 5 + np.arange(3)] -= 60 * SECOND
    more[2][late + 5 + np.arange(3)] = 1e6
    state = features.start()
    features.grow(state, 2)
    found = features.reduce(state, more[0], more[1], more[2], np.arange(1, len(more[0]) + 1))
    assert int(state.late.sum()) == 3
    assert np.array_equal(found.features, wanted.features, equal_nan=True)


def test_released_readings_stand_in_the_order_of_what_released_them() -> None:
    features = windows(aggregates("count"), lateness_s=2.0)
    rows, seconds = np.array([0, 1, 0, 1, 1, 0]), np.array([5, 1, 4, 2, 9, 9])
    found = reduced(features, rows, seconds * SECOND, np.arange(6.0))
    assert list(zip(found.rows.tolist(), (found.times // SECOND).tolist(), found.by.tolist(), strict=True)) == [
        (1, 1, 5), (1, 2, 5), (0, 4, 6), (0, 5, 6),
    ]  # fmt: skip


def test_the_order_of_series_in_a_call_does_not_hang_on_the_cut() -> None:
    features, (rows, times, values) = windows(lateness_s=2.0), noise(600, 6)
    times = times - np.random.default_rng(5).integers(0, 3 * SECOND, len(times))
    whole = reduced(features, rows, times, values)
    assert (np.diff(whole.by) >= 0).all()
    assert all(same(whole, reduced(features, rows, times, values, cut)) for cut in (1, 13, 599))


def test_more_waiting_readings_than_allowed_are_released_early_and_counted() -> None:
    features = windows(aggregates("count"), lateness_s=100.0, max_readings=3)
    state = features.start()
    features.grow(state, 1)
    seconds = np.array([4, 3, 2, 1, 5])
    parts = [
        features.reduce(state, np.zeros(1, np.int64), seconds[at : at + 1] * SECOND, np.ones(1), np.array([at + 1]))
        for at in range(5)
    ]
    found = joined(parts)
    assert (found.times // SECOND).tolist() == [1, 2]
    assert found.by.tolist() == [4, 5]
    assert (int(state.crowded[0]), len(state.rows)) == (2, 3)


def test_a_value_that_cannot_be_used_enters_no_window() -> None:
    features = windows(aggregates("count", "mean"), quantum=2.0**-10)
    values = np.array([1.0, np.nan, np.inf, -np.inf, features.limit * 2, 3.0])
    state = features.start()
    features.grow(state, 1)
    found = features.reduce(state, np.zeros(6, np.int64), np.arange(6) * SECOND, values, np.arange(6))
    assert np.isnan(found.features[1:5]).all()
    assert found.features[[0, 5]].tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert int(state.unusable[0]) == 4


@pytest.mark.parametrize("lateness", [0.0, 2.0])
@pytest.mark.parametrize("cut", [1, 4, 1000])
def test_one_reading_far_ahead_does_not_silence_its_series(lateness: float, cut: int) -> None:
    """After as many late ones as patience allows the series begins anew, and its windows with it."""
    features = windows(aggregates("count", "max"), lateness_s=lateness, patience=5)
    seconds = np.arange(40)
    values = np.arange(40.0)
    seconds[20], values[20] = 10_000, 999.0
    rows = np.zeros(40, np.int64)
    found = reduced(features, rows, seconds * SECOND, values, cut)
    again = found.times > (25 - 1) * SECOND
    assert (found.times[again] // SECOND).tolist()[-10:] == list(range(30 - int(lateness), 40 - int(lateness)))
    anew = found.features[(found.times == 25 * SECOND)]
    assert anew.tolist() == [[1.0, 25.0]], "nothing of before, and nothing of what lay ahead"
