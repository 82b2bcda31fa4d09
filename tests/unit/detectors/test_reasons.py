"""Each reason of the main detector can speak: planted events, in words that a person understands."""

import numpy as np
import pytest

from models.detectors import score_batch
from models.detectors.base import Floats
from models.detectors.records import Records

AT, UNTIL, ROWS = 3000, 3200, 3400
T = np.arange(ROWS)


def told(values: Floats) -> list[str]:
    """The reasons of the alarms from the planted event on."""
    detector = Records()
    state = detector.start()
    detector.grow(state, 1)
    found = score_batch(detector, state, np.zeros(ROWS, np.int64), T * 60_000_000_000, values)
    at = np.flatnonzero(found.score >= detector.threshold)
    return [Records.reasons[found.reason[i]] for i in at if AT <= i < UNTIL + 20]


def uniform(seed: int, low: float = -1.0, high: float = 1.0, rows: int = ROWS) -> Floats:
    return np.random.default_rng(seed).uniform(low, high, rows)


@pytest.mark.parametrize("seed", range(3))
def test_a_level_never_seen(seed: int) -> None:
    values = np.where(T // 50 % 2, 80.0, 20.0) + 3 * uniform(seed)
    values[AT : AT + 10] = 50.0
    assert told(values)[0] == "value never seen before"


@pytest.mark.parametrize("seed", range(3))
def test_a_sudden_shift(seed: int) -> None:
    """Six of eight readings are high instead of four: every value is known, the average is not."""
    high = np.where((T >= AT) & (T < UNTIL), 6, 4)
    values = np.where(high > T % 8, 10.0, 0.0) + uniform(seed, -0.05, 0.05)
    assert told(values)[0] == "average higher or lower than ever before"


@pytest.mark.parametrize("seed", range(3))
def test_a_wider_spread(seed: int) -> None:
    """3 % more amplitude: of all values only the outermost are new, and hardly so."""
    values = 10 * np.sin(T * np.pi / 4) + uniform(seed, -0.1, 0.1)
    values[AT:UNTIL] *= 1.03
    words = told(values)
    assert words
    assert set(words) <= {
        "value never seen before",
        "highest values higher or lower than ever before",
        "lowest values higher or lower than ever before",
        "spread wider than ever before",
    }


def test_a_spread_that_is_wider_on_both_sides_is_named() -> None:
    """Peaks above and below in one reach of 16 readings, each a little further out than ever."""
    words = []
    for seed in range(8):
        values = 10 * np.sin(T * np.pi / 4) + uniform(seed, -0.1, 0.1)
        values[AT:UNTIL] *= 1.03
        words += told(values)
    assert "spread wider than ever before" in words


def test_a_narrower_spread() -> None:
    """Noise that becomes quiet: told in each of 8 streams, mostly in these words."""
    words = []
    for seed in range(8):
        values = uniform(seed)
        values[AT:UNTIL] *= 0.15
        words.append(told(values))
    assert all(words)
    assert sum("spread narrower than ever before" in each for each in words) >= 4


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_pattern_that_is_missing(sign: float) -> None:
    values = np.where(T % 12 < 2, uniform(1, 80, 100), uniform(2, 0, 10))
    values[AT:UNTIL] = uniform(3, 0, 10, UNTIL - AT)
    assert set(told(sign * values)) == {f"{'highs' if sign > 0 else 'lows'} stay away longer than ever before"}


@pytest.mark.parametrize("seed", range(3))
def test_a_shape_of_known_values(seed: int) -> None:
    """A wave that slows down: no value is new; what is told is which part of the wave does not come."""
    values = 10 * np.sin(T * np.pi / 24) + uniform(seed, -0.5, 0.5)
    values[AT:UNTIL] = 10 * np.sin(T[AT:UNTIL] * np.pi / 96) + uniform(seed + 9, -0.5, 0.5, UNTIL - AT)
    words = told(values)
    assert words
    assert set(words) <= {f"{what} stay away longer than ever before" for what in ("highs", "lows")} | {
        "average higher or lower than ever before"
    }


def test_a_flat_line() -> None:
    values = np.random.default_rng(6).normal(0, 1, ROWS)
    values[AT:UNTIL] = values[AT - 1]
    assert "flat line" in told(values)
