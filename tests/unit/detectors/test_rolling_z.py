"""The rolling z against its plain definition."""

import numpy as np
import pytest
from scipy import stats

from models.detectors import score_batch
from models.detectors.base import Floats
from models.detectors.rolling_z import RollingZ


def scores(detector: RollingZ, values: Floats) -> Floats:
    state, k = detector.start(), len(values)
    detector.grow(state, 1)
    return score_batch(detector, state, np.zeros(k, np.int64), np.arange(k), values).score


@pytest.mark.parametrize("window", [5, 50, 100])
def test_it_is_mean_and_deviation_of_the_readings_before(window: int) -> None:
    values = np.random.default_rng(1).normal(1e6, 1, 400)
    found = scores(RollingZ(window=window), values)
    for i in range(window, 400):
        last = values[i - window : i]
        z = (values[i] - last.mean()) / last.std(ddof=1)
        assert found[i] == pytest.approx(z**2 / (z**2 + 16), rel=1e-6)
    assert not found[:window].any()


def test_what_has_left_the_window_leaves_nothing_behind() -> None:
    """Bit for bit: a huge reading, and then as many others as the window holds."""
    values = np.random.default_rng(2).normal(0, 1, 300)
    other = values.copy()
    other[100] = 1e140
    detector = RollingZ(window=60)
    assert scores(detector, other)[161:].tobytes() == scores(detector, values)[161:].tobytes()


def test_normal_readings_exceed_it_as_often_as_is_said() -> None:
    """z / sqrt(1 + 1 / window) has Student's t distribution: its 99 % are at 2.60 here, and one in 100 is beyond."""
    rows, series = np.tile(np.arange(100), 1200), 100
    detector = RollingZ(window=20)
    state = detector.start()
    detector.grow(state, series)
    values = np.random.default_rng(3).normal(size=1200 * series)
    found = score_batch(detector, state, rows, np.arange(len(rows)), values).score[20 * series :]
    limit = stats.t.ppf(0.995, 19) * np.sqrt(1 + 1 / 20)
    assert (found >= limit**2 / (limit**2 + 16)).mean() == pytest.approx(0.01, rel=0.1)
