"""Every bit of every feature is what an exact and slow implementation says."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from bench.features import cases
from bench.features.speed import measured
from models.features import Vectors, derived, view
from tests.unit.features.made import aggregates, noise, one, reduced, same, windows


def compared(most: int, first: int) -> int:
    windows, seed = 0, first
    while windows < most:
        windows += cases.compare(seed)
        seed += 1
    return windows


def test_random_windows_have_the_bits_of_the_reference() -> None:
    """20,000 windows: all closed sides, fills, boundaries, orders, cuts."""
    assert compared(20_000, 1) >= 20_000


@pytest.mark.soak
def test_a_million_random_windows_have_the_bits_of_the_reference() -> None:
    assert compared(1_000_000, 1_000_000) >= 1_000_000


def test_a_wrong_boundary_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a window that is closed on the wrong side differs within a few cases."""
    right = view.View.span

    def wrong(self: view.View, window: object) -> view.Span:
        low, high = right(self, window)  # type: ignore[arg-type] # as it came
        return np.minimum(low + 1, high), high

    monkeypatch.setattr(view.View, "span", wrong)
    with pytest.raises(AssertionError, match="expected"):
        compared(5_000, 1)


def test_a_bin_that_takes_the_other_edge_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = derived.bin_of
    sides = {"left": "right", "right": "left"}
    monkeypatch.setattr(view, "bin_of", lambda values, edges, closed: right(values, edges, sides[closed]))
    with pytest.raises(AssertionError, match="bin"):
        compared(5_000, 1)


@pytest.mark.parametrize("cut", [1, 7, 64, 1000])
def test_the_cut_of_batches_changes_nothing(cut: int) -> None:
    for lateness in (0.0, 3.0):
        features = windows(lateness_s=lateness)
        rows, times, values = noise(700, 5)
        times = times - np.random.default_rng(1).integers(0, 2_500_000_000, len(times))
        assert same(reduced(features, rows, times, values), reduced(features, rows, times, values, cut))


def test_neighbours_change_nothing() -> None:
    features, (rows, times, values) = windows(), noise(1500, 4)
    together = reduced(features, rows, times, values)
    for row in range(4):
        at = rows == row
        alone = reduced(features, np.zeros(int(at.sum()), np.int64), times[at], values[at])
        assert np.array_equal(alone.features, together.features[together.rows == row], equal_nan=True)


def test_where_the_history_began_changes_nothing() -> None:
    """Windows that lie behind a late start are those of a run that began earlier, bit for bit: no sum runs on."""
    features, (rows, times, values) = windows(aggregates("sum", "mean", "std", "min", "max")), noise(3000, 1)
    values[:1000] *= 1e5  # what a running sum of floats would never forget
    whole, late = (reduced(features, rows[at:], times[at:], values[at:]) for at in (0, 1500))
    settled = 100
    assert np.array_equal(whole.features[1500 + settled :], late.features[settled:])


def test_a_small_spread_on_a_large_level_is_exact() -> None:
    """Sum of squares less square of sums is the textbook's cancellation; in integers nothing cancels."""
    level, quantum = 2.0**25, 2.0**-20
    values = [level + step * quantum for step in (0, 1, 0, 1, 3, 2)]
    found = one(windows(aggregates("std", "mean"), length_s=100), [0, 1, 2, 3, 4, 5], values)[-1]
    exact = [Fraction(each) for each in values]
    mean = sum(exact) / 6
    assert found[0] == pytest.approx(math.sqrt(sum((each - mean) ** 2 for each in exact) / 6), rel=1e-15)
    assert found[1] == float(mean)


def test_the_widest_values_do_not_overflow() -> None:
    """As many readings as a window may hold, at both ends of the range: the sums just fit."""
    features = windows(aggregates("sum", "std", "mean"), length_s=1e6, max_readings=65_536)
    count = 65_540
    values = np.full(count, features.limit)
    values[1::2] *= -1
    times = np.arange(count, dtype=np.int64) * 1_000_000_000
    found = reduced(features, np.zeros(count, np.int64), times, values).features
    assert found[-1].tolist() == [0.0, features.limit, 0.0]
    top = reduced(features, np.zeros(count, np.int64), times, np.full(count, features.limit)).features
    assert top[-1].tolist() == [65_536 * features.limit, 0.0, features.limit]


def test_values_on_one_side_of_zero_are_not_told_apart_by_its_sign() -> None:
    features = windows(
        [{"kind": "value"}, *aggregates("min", "max", "last"), {"kind": "bin", "edges": [0], "closed": "left"}]
    )
    found: Vectors = reduced(features, np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([-0.0]))
    assert not np.signbit(found.features).any()
    assert found.features[0, -1] == 1


def test_random_cases_can_be_made_again() -> None:
    assert cases.definition(random.Random(3)).hash == cases.definition(random.Random(3)).hash


def test_the_benchmark_measures_something() -> None:
    assert measured(10, 0.02, 5.0, 64)["readings_per_s"] > 1000
