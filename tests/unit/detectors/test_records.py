"""What the main detector says, and what its score means."""

import numpy as np
import pytest

from models.detectors import score_batch
from models.detectors.base import Floats, Scores
from models.detectors.records import Records, as_score


def scores_of(values: Floats) -> Scores:
    """Scores of one stream."""
    detector, k = Records(), len(values)
    state = detector.start()
    detector.grow(state, 1)
    return score_batch(detector, state, np.zeros(k, np.int64), np.arange(k) * 1_000_000_000, values)


def alarms(values: Floats) -> list[tuple[int, str]]:
    """Place and reason of each alarm."""
    found = scores_of(values)
    at = np.flatnonzero(found.score >= Records().threshold)
    return [(int(i), Records.reasons[found.reason[i]]) for i in at]


def daily(days: int) -> Floats:
    """A machine that works every day: 96 readings a day, at rest about 20, at work about 80."""
    t = np.arange(96 * days)
    noise = np.random.default_rng(4).uniform(-3, 3, len(t))
    return np.where((t % 96 >= 30) & (t % 96 < 70), 80.0, 20.0) + noise


def test_a_value_between_the_usual_ones_is_found() -> None:
    """A level never seen is an alarm although it lies well within the range."""
    values = daily(20)
    values[1860:1870] = 50.0
    assert (1860, "value never seen before") in alarms(values)


def test_a_day_without_work_is_found() -> None:
    """When the highs stay away, each reading is ordinary; that they stay away is not."""
    values = daily(20)
    values[96 * 16 : 96 * 17] = np.random.default_rng(5).uniform(17, 23, 96)
    usual = {i for i, _ in alarms(daily(20)) if i > 96 * 10}
    found = [(i, why) for i, why in alarms(values) if i > 96 * 10 and i not in usual]
    assert found
    assert all(96 * 16 <= i < 96 * 18 for i, _ in found)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_pulses_that_stop_are_found(sign: float) -> None:
    """A pump that starts every 12 readings stops: told within 20 readings, and in these words."""
    rng, t = np.random.default_rng(3), np.arange(2000)
    values = np.where(t % 12 < 2, rng.uniform(80, 100, 2000), rng.uniform(0, 10, 2000))
    values[1500:1560] = rng.uniform(0, 10, 60)
    found = [(i, why) for i, why in alarms(sign * values) if 1490 < i < 1600]
    assert found
    assert found[0][0] < 1520
    assert {why for _, why in found} == {f"{'highs' if sign > 0 else 'lows'} stay away longer than ever before"}


def test_a_stuck_sensor_is_a_flat_line() -> None:
    """A sensor that repeats its last value is found within 20 readings, and named."""
    values = np.random.default_rng(6).normal(0, 1, 1500)
    values[1200:] = values[1199]
    found = [(i, why) for i, why in alarms(values) if i >= 1200]
    assert found
    assert found[0][0] <= 1220
    assert "flat line" in {why for _, why in found}


def test_one_event_is_one_alarm() -> None:
    """A step that stays is told once; the level is then known."""
    values = np.random.default_rng(8).normal(0, 1, 2000)
    values[1500:] += 40
    assert len([i for i, _ in alarms(values) if i >= 1500]) == 1


def test_it_speaks_again_after_an_event() -> None:
    """Two different events are two alarms."""
    values = np.random.default_rng(8).normal(0, 1, 2000)
    values[1500:1505] += 40
    values[1800:1805] -= 40
    assert {1500, 1800} <= {i for i, _ in alarms(values)}


def test_one_absurd_value_does_not_blind_it() -> None:
    """After a reading of 1e30 an ordinary fault is still found."""
    values = np.random.default_rng(9).normal(0, 1, 2000)
    values[700] = 1e30
    values[1500:1505] += 12
    assert {700, 1500} <= {i for i, _ in alarms(values)}
    values = daily(20)
    values[700] = 1e30
    values[96 * 16 : 96 * 17] = np.random.default_rng(5).uniform(17, 23, 96)
    assert 96 * 16 < [i for i, _ in alarms(values)][-1] < 96 * 17


@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential", "standard_t", "walk"])
def test_the_rate_of_alarms_does_not_depend_on_the_kind_of_noise(kind: str) -> None:
    """Over the first 6,000 readings between 3 and 30 alarms in 10,000 where nothing happens."""
    rng, shape = np.random.default_rng(10), (6000, 24)
    values = {
        "normal": lambda: rng.normal(size=shape),
        "uniform": lambda: rng.random(shape),
        "exponential": lambda: rng.exponential(size=shape),
        "standard_t": lambda: rng.standard_t(3, shape),
        "walk": lambda: np.cumsum(rng.normal(size=shape), axis=0),
    }[kind]()
    detector = Records()
    state = detector.start()
    detector.grow(state, 24)
    rows, times = np.tile(np.arange(24), 6000), np.repeat(np.arange(6000), 24)
    score = score_batch(detector, state, rows, times, values.ravel()).score
    assert 3 < 1e4 * (score >= detector.threshold).mean() < 30


def test_the_score_is_the_logarithm_of_a_rate() -> None:
    """One half is ten alarms in 10,000 readings; a sixth more is ten times rarer."""
    ratio = (6 / np.array([100.0, 10.0, 1.0, 0.1])) ** (1 / 0.7)
    assert as_score(ratio) == pytest.approx([1 / 3, 1 / 2, 2 / 3, 5 / 6], abs=1e-12)


def test_a_young_series_says_nothing() -> None:
    """Before the warm-up has passed there is no past to compare with."""
    values = np.random.default_rng(11).normal(0, 1, 128)
    values[100] = 99.0
    assert not scores_of(values).score.any()


def test_a_young_series_speaks_with_reserve() -> None:
    """The same surprise scores higher after 3,000 readings than after 200."""
    values = np.sin(np.arange(4000) * np.pi / 12)
    early, late = values.copy(), values.copy()
    early[204] += 0.4
    late[3204] += 0.4
    assert 0 < scores_of(early).score[204] < scores_of(late).score[3204] - 0.01


def test_silence_before_does_not_deafen() -> None:
    """A series that never moved and then lives is heard: nothing undefined is left from its silence."""
    values = np.append(np.full(500, 7.3), np.random.default_rng(12).normal(7, 1, 20))
    assert np.isfinite(scores_of(values).score).all()
    assert scores_of(values).score[500:].any()
