"""The parts that detectors are made of, against their plain definitions."""

import numpy as np
import pytest

from models.detectors import DETECTORS, blocks, nearest
from models.detectors.base import as_key, ticks
from models.detectors.exact import log2
from models.detectors.records import Records


def test_windows_are_those_of_the_definition() -> None:
    """Mean, maximum and minimum of the last 16, 64 and 256 readings, for series at different ages."""
    values = np.random.default_rng(1).normal(-5, 1, (3, 900))
    state = blocks.Blocks(series=0, **blocks.empty())
    Records().grow(state, 3)  # type: ignore[arg-type]
    for t in range(900):
        live = np.array([0, 2]) if t < 37 else np.array([0, 1, 2])
        age = np.array([t if row != 1 else t - 37 for row in live])
        found = blocks.windows(state, as_key(live), age, values[live, t])
        for i, row in enumerate(live):
            for j, width in enumerate(blocks.WIDTHS):
                if age[i] >= width - 1:
                    last = values[row, t - width + 1 : t + 1]
                    assert found[i, 0, j] == pytest.approx(last.mean(), abs=1e-13)
                    assert found[i, 1, j] == last.max()
                    assert found[i, 2, j] == last.min()


def test_a_huge_reading_leaves_no_rounding_error_in_the_means() -> None:
    """256 readings after 1e140 the means are exact again."""
    state = blocks.Blocks(series=0, **blocks.empty())
    Records().grow(state, 1)  # type: ignore[arg-type]
    values = np.full(600, 0.1)
    values[100] = 1e140
    found = np.empty((1, 3, 3))
    for t, value in enumerate(values):
        found = blocks.windows(state, slice(0, 1), np.array([t]), np.array([value]))
    assert np.abs(found[0, 0] - 0.1).max() < 1e-15


def test_distance_is_to_the_nearest_value_within_a_share_of_the_range() -> None:
    """The bounded memory answers like one that keeps every value; alone and among others alike."""
    rng = np.random.default_rng(2)
    values = np.cumsum(rng.normal(0, 1, (2, 3000)), axis=1)
    memory = np.full((2, nearest.ROOM), np.inf)
    memory[:, 0] = -np.inf
    old = np.ones(2, np.int64)
    kept = np.zeros(2, np.int64)
    rows = np.array([0, 1])
    nearest.keep(memory, kept, rows, values[:, 0], np.zeros(2))
    for t in range(1, 3000):
        span = np.ptp(values[:, :t], axis=1)
        found = nearest.distances(memory, slice(0, 2), values[:, t], old)
        alone = [nearest.distances(memory, slice(i, i + 1), values[i : i + 1, t], old[:1])[0] for i in rows]
        assert found.tobytes() == np.array(alone).tobytes()
        true = np.abs(values[:, :t] - values[:, t : t + 1]).min(axis=1)
        new = np.flatnonzero(found > nearest.SHARE * span)
        assert (found >= true).all()
        assert (found <= true + 1.01 * nearest.SHARE * span).all()
        if len(new):
            nearest.keep(memory, kept, rows[new], values[new, t], nearest.SHARE * span[new])
    assert kept.max() <= 510


def test_ticks_hold_each_series_once_in_arrival_order() -> None:
    """The k-th tick holds the k-th reading of each series that has so many."""
    rows = np.array([4, 2, 4, 4, 2, 0])
    assert [t.tolist() for t in ticks(rows)] == [[5, 1, 0], [4, 2], [3]]


def test_log2_is_right_to_the_last_digits() -> None:
    """Within 1e-12 of the library's logarithm over the whole range of ratios."""
    x = np.geomspace(1e-12, 1e12, 10_001)
    assert np.abs(log2(x) - np.log2(x)).max() < 1e-12


def test_every_kind_is_found() -> None:
    """The detectors of the tree are listed by kind."""
    assert {"records", "limits", "ewma", "mad"} <= set(DETECTORS)
    assert all(cls.kind == kind for kind, cls in DETECTORS.items())
